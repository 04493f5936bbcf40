use super::Open;
use crate::material::{append, at, create_owned, started, started_run, succeeded};
use indexmap::IndexMap;
use trainyard_contract::{ContentHash, Failure, FailureClass, OutputValue, Timestamp};
use trainyard_domain::run::What;

fn key() -> ContentHash {
    ContentHash::of(b"key")
}

pub(crate) fn a_result_is_found_by_its_key(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    append(
        &mut store,
        &id,
        0,
        &[started_run(1), started(2, 3, Some("key")), started(2, 1, None)],
    );
    assert_eq!(
        store.reusable(&key(), None).unwrap(),
        None,
        "it has not succeeded yet"
    );
    append(
        &mut store,
        &id,
        3,
        &[succeeded(9, 3, 1, "a"), succeeded(9, 1, 1, "b")],
    );
    let found = open().reusable(&key(), None).unwrap().unwrap();
    assert_eq!((found.run, found.instance, found.at), (id, 3, Timestamp(9)));
    assert_eq!(found.headline.as_deref(), Some("made a"));
    assert_eq!(found.metrics["auc"].to_bits(), (0.1f64 + 0.2).to_bits());
    let What::AttemptSucceeded { outputs, .. } = succeeded(9, 3, 1, "a").what else {
        panic!("another event")
    };
    assert_eq!(found.outputs, outputs);
    assert!(open().reusable(&key(), Some(Timestamp(9))).unwrap().is_some());
    assert_eq!(
        open().reusable(&key(), Some(Timestamp(10))).unwrap(),
        None,
        "it is too old"
    );
    assert_eq!(open().reusable(&ContentHash::of(b"other"), None).unwrap(), None);
}

pub(crate) fn the_newest_result_of_a_key_counts(open: Open<'_>) {
    let mut store = open();
    for number in 1..=2 {
        let id = create_owned(&mut store, number, "flights");
        let time = number as i64 * 100;
        append(
            &mut store,
            &id,
            0,
            &[started(time, 1, Some("key")), succeeded(time, 1, 1, "a")],
        );
    }
    assert_eq!(open().reusable(&key(), None).unwrap().unwrap().at, Timestamp(200));
}

pub(crate) fn a_key_outlives_the_connection_that_saw_the_attempt_start(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    append(&mut store, &id, 0, &[started_run(1), started(2, 1, Some("key"))]);
    drop(store);
    append(&mut open(), &id, 2, &[succeeded(3, 1, 1, "a")]);
    assert_eq!(open().reusable(&key(), None).unwrap().unwrap().run, id);
}

pub(crate) fn an_attempt_that_failed_leaves_no_result(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    let failed = What::AttemptFailed {
        step: 1,
        attempt: 1,
        failure: Failure::new(FailureClass::IoError, "no"),
        retry_at: Some(Timestamp(5)),
        resources: Default::default(),
        kept: kept("why"),
    };
    append(&mut store, &id, 0, &[started(1, 1, Some("key")), at(2, failed)]);
    append(
        &mut store,
        &id,
        2,
        &[
            at(3, What::AttemptLost { step: 2, attempt: 1 }),
            succeeded(4, 1, 1, "a"),
        ],
    );
    assert_eq!(open().reusable(&key(), None).unwrap(), None);
    // What it had made is known all the same.
    let origins = open().artifact_origins(&ContentHash::of(b"why"), 10).unwrap();
    let seen: Vec<_> = origins.iter().map(|o| (o.step, o.output.as_str())).collect();
    assert_eq!(seen, [(1, "table")]);
}

/// Outputs as an attempt makes them.
fn kept(content: &str) -> IndexMap<String, OutputValue> {
    let What::AttemptSucceeded { outputs, .. } = succeeded(1, 1, 1, content).what else {
        panic!("another event")
    };
    outputs
}

pub(crate) fn an_artifact_is_traced_to_the_steps_that_made_it(open: Open<'_>) {
    let mut store = open();
    let first = create_owned(&mut store, 1, "flights");
    let second = create_owned(&mut store, 2, "flights");
    append(&mut store, &first, 0, &[succeeded(1, 1, 1, "same")]);
    append(
        &mut store,
        &second,
        0,
        &[succeeded(2, 2, 1, "same"), succeeded(3, 3, 1, "other")],
    );
    let origins = open().artifact_origins(&ContentHash::of(b"same"), 10).unwrap();
    let seen: Vec<_> = origins
        .iter()
        .map(|o| (&o.run, o.step, o.output.as_str(), o.at))
        .collect();
    assert_eq!(
        seen,
        [
            (&second, 2, "table", Timestamp(2)),
            (&first, 1, "table", Timestamp(1))
        ]
    );
    assert_eq!(
        open().artifact_origins(&ContentHash::of(b"never"), 10).unwrap(),
        []
    );
}
