//! Servers that die, connections that are cut, answers that are lost, engines that stop in the middle.

use super::{database_of, server};
use crate::material::{append, create, create_owned, owner, run_id, started, started_run};
use trainyard_contract::{Millis, Timestamp};
use trainyard_store::{Owner, Request, Store, StoreError};
use trainyard_test_postgres::{Cut, Proxy, Server};

fn turn(store: &mut Store, expected: u64) -> Result<(), StoreError> {
    let event = if expected == 0 {
        started_run(1)
    } else {
        started(2, 0, None)
    };
    let mut turn = store.begin()?;
    turn.append(&run_id(1), 1, expected, &[event])?;
    turn.commit()
}

#[test]
fn a_turn_whose_answer_was_lost_was_kept() {
    let Some(server) = server() else { return };
    let url = server.database();
    let proxy = Proxy::to(server.port());
    let mut store = Store::connect(&proxy.url(&url)).unwrap();
    let run = create_owned(&mut store, 1, "flights");
    proxy.at_next_commit(Cut::Answer);
    let Err(StoreError::Uncertain(unsettled)) = turn(&mut store, 0) else {
        panic!("the answer came through")
    };
    let settled = store.settle(&unsettled).unwrap();
    assert!(settled.kept && settled.lost.is_empty(), "{settled:?}");
    turn(&mut store, 1).unwrap();
    assert_eq!(
        Store::connect(&url).unwrap().load_run(&run).unwrap().events,
        [started_run(1), started(2, 0, None)]
    );
}

#[test]
fn a_turn_whose_commit_never_arrived_was_not_kept() {
    let Some(server) = server() else { return };
    let url = server.database();
    let proxy = Proxy::to(server.port());
    let mut store = Store::connect(&proxy.url(&url)).unwrap();
    let run = create_owned(&mut store, 1, "flights");
    proxy.at_next_commit(Cut::Request);
    let Err(StoreError::Uncertain(unsettled)) = turn(&mut store, 0) else {
        panic!("the commit came through")
    };
    let settled = store.settle(&unsettled).unwrap();
    assert!(!settled.kept && settled.lost.is_empty(), "{settled:?}");
    turn(&mut store, 0).unwrap();
    assert_eq!(store.load_run(&run).unwrap().events, [started_run(1)]);
}

#[test]
fn what_is_not_a_turn_is_done_once_though_its_answer_was_lost() {
    let Some(server) = server() else { return };
    let url = server.database();
    for cut in [Cut::Answer, Cut::Request] {
        let proxy = Proxy::to(server.port());
        let number = if cut == Cut::Answer { 1 } else { 2 };
        let mut store = Store::connect(&proxy.url(&url)).unwrap();
        proxy.at_next_commit(cut);
        let run = create(&mut store, number, "flights");
        proxy.at_next_commit(cut);
        let epoch = store
            .acquire_lease(&run, &owner("a"), Timestamp(0), Millis(60_000))
            .unwrap();
        let lease = store.load_run(&run).unwrap().lease.unwrap();
        assert_eq!(lease.epoch, epoch, "what it was told is what is stored");
        let mut turn = store.begin().unwrap();
        turn.append(&run, epoch, 0, &[started_run(1)]).unwrap();
        turn.commit().unwrap();
    }
    assert_eq!(
        Store::connect(&url)
            .unwrap()
            .list_runs(&Default::default())
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_connection_that_was_ended_is_made_anew() {
    let Some(server) = server() else { return };
    let url = server.database();
    let mut store = Store::connect(&url).unwrap();
    let run = create_owned(&mut store, 1, "flights");
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()",
        database_of(&url)
    );
    // Between turns.
    server.run(&end, "postgres");
    assert_eq!(store.load_run(&run).unwrap().events, []);
    server.run(&end, "postgres");
    store
        .post_request(&run, &Request::Cancel { by: "ada".to_owned() }, Timestamp(1))
        .unwrap();
    assert_eq!(store.runs_with_requests().unwrap(), std::slice::from_ref(&run));
    // Within one.
    let mut turn = store.begin().unwrap();
    turn.append(&run, 1, 0, &[started_run(1)]).unwrap();
    server.run(&end, "postgres");
    let lost = turn.append(&run, 1, 1, &[started(2, 0, None)]).unwrap_err();
    assert!(
        lost.is_transient() && !matches!(lost, StoreError::Uncertain(_)),
        "{lost:?}"
    );
    drop(turn);
    assert_eq!(store.load_run(&run).unwrap().events, []);
    append(&mut store, &run, 0, &[started_run(1)]);
}

#[test]
fn a_server_that_was_killed_and_started_again_has_everything_that_was_acknowledged() {
    let Some(mut server) = Server::with(&[]) else {
        return;
    };
    let mut store = Store::connect(&server.url()).unwrap();
    let run = create_owned(&mut store, 1, "flights");
    turn(&mut store, 0).unwrap();
    server.kill();
    store.set_patience(std::time::Duration::ZERO);
    let gone = turn(&mut store, 1).unwrap_err();
    assert!(matches!(gone, StoreError::Unreachable { .. }), "{gone:?}");
    let gone = store.load_run(&run).unwrap_err();
    assert!(matches!(gone, StoreError::Unreachable { .. }), "{gone:?}");
    server.restart();
    assert_eq!(store.load_run(&run).unwrap().events, [started_run(1)]);
    turn(&mut store, 1).unwrap();
    assert_eq!(store.load_run(&run).unwrap().events.len(), 2);
    assert_eq!(store.damage().unwrap(), Vec::<String>::new());
}

#[test]
fn an_engine_that_stopped_within_a_turn_does_not_keep_others_from_its_runs() {
    let Some(server) = server() else { return };
    let url = server.database();
    let mut frozen = Store::connect(&url).unwrap();
    let id = create(&mut frozen, 1, "flights");
    let elsewhere = Owner {
        host: "elsewhere".to_owned(),
        ..owner("frozen")
    };
    frozen
        .acquire_lease(&id, &elsewhere, Timestamp(0), Millis(0))
        .unwrap();
    let mut stopped = frozen.begin().unwrap();
    stopped.append(&id, 1, 0, &[started_run(1)]).unwrap();
    // The row of the run is locked until the server ends the turn that stands still.
    let mut next = Store::connect(&url).unwrap();
    let epoch = next
        .acquire_lease(&id, &owner("next"), Timestamp(0), Millis(60_000))
        .unwrap();
    assert_eq!(epoch, 2);
    let Err(StoreError::Uncertain(unsettled)) = stopped.commit() else {
        panic!("what it had begun was kept")
    };
    let settled = frozen.settle(&unsettled).unwrap();
    assert_eq!((settled.kept, settled.lost), (false, vec![id.clone()]));
    assert_eq!(next.load_run(&id).unwrap().events, []);
    let mut late = frozen.begin().unwrap();
    let refused = late.append(&id, 1, 0, &[started_run(1)]).unwrap_err();
    assert!(matches!(refused, StoreError::LeaseLost { .. }), "{refused}");
}

#[test]
fn a_text_may_have_any_character() {
    let Some(server) = server() else { return };
    let mut store = Store::connect(&server.database()).unwrap();
    let run = create_owned(&mut store, 1, "flights");
    let by = "a\0b\u{1f600}\u{7f}'\"\\".to_owned();
    let event = crate::material::at(1, trainyard_domain::run::What::CancelAsked { by: by.clone() });
    append(&mut store, &run, 0, std::slice::from_ref(&event));
    assert_eq!(store.load_run(&run).unwrap().events, [event]);
    store
        .post_request(&run, &Request::Cancel { by: by.clone() }, Timestamp(1))
        .unwrap();
    let mut turn = store.begin().unwrap();
    let taken = turn.take_requests(&run).unwrap();
    assert_eq!(taken[0].request, Request::Cancel { by });
}
