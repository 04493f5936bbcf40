use super::Open;
use crate::material::{create, run_id};
use trainyard_contract::Timestamp;
use trainyard_store::{Request, StoreError};

fn cancel(by: &str) -> Request {
    Request::Cancel { by: by.to_owned() }
}

fn answer() -> Request {
    Request::Answer {
        instance: "s0".to_owned(),
        by: "eve".to_owned(),
        role: Some("risk".to_owned()),
        approve: true,
        comment: Some("looks \"good\"".to_owned()),
    }
}

pub(crate) fn requests_are_taken_once_and_in_order(open: Open<'_>) {
    let mut store = open();
    let run = create(&mut store, 1, "flights");
    let other = create(&mut store, 2, "flights");
    open().post_request(&run, &answer(), Timestamp(1)).unwrap();
    open().post_request(&run, &cancel("ada"), Timestamp(2)).unwrap();
    open().post_request(&other, &cancel("bob"), Timestamp(3)).unwrap();
    assert_eq!(store.runs_with_requests().unwrap(), [run.clone(), other.clone()]);
    let mut turn = store.begin().unwrap();
    let taken = turn.take_requests(&run).unwrap();
    turn.commit().unwrap();
    let seen: Vec<_> = taken
        .into_iter()
        .map(|posted| (posted.request, posted.at))
        .collect();
    assert_eq!(seen, [(answer(), Timestamp(1)), (cancel("ada"), Timestamp(2))]);
    assert_eq!(store.runs_with_requests().unwrap(), [other]);
    let mut turn = store.begin().unwrap();
    assert_eq!(turn.take_requests(&run).unwrap(), []);
    drop(turn);
    let nowhere = store.post_request(&run_id(9), &cancel("ada"), Timestamp(4));
    assert!(matches!(nowhere, Err(StoreError::NoRun(_))));
}

pub(crate) fn requests_of_a_turn_that_was_dropped_stay(open: Open<'_>) {
    let mut store = open();
    let run = create(&mut store, 1, "flights");
    store.post_request(&run, &cancel("ada"), Timestamp(1)).unwrap();
    let mut turn = store.begin().unwrap();
    assert_eq!(turn.take_requests(&run).unwrap().len(), 1);
    drop(turn);
    let mut turn = store.begin().unwrap();
    assert_eq!(turn.take_requests(&run).unwrap().len(), 1);
}

pub(crate) fn another_connection_sees_that_something_changed(open: Open<'_>) {
    let mut store = open();
    let run = create(&mut store, 1, "flights");
    let engine = open();
    let before = engine.data_version().unwrap();
    store.post_request(&run, &cancel("ada"), Timestamp(1)).unwrap();
    assert_ne!(engine.data_version().unwrap(), before);
}
