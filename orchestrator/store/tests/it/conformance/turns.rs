use super::Open;
use crate::material::{append, at, create_owned, draft, owner, run_id, started, started_run, succeeded};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use trainyard_contract::task::ResourcesUsed;
use trainyard_contract::{ByteSize, ContentHash, Failure, FailureClass, Millis, OutputValue, Timestamp};
use trainyard_domain::run::{Event, RunOutcome, SkipReason, What};
use trainyard_store::StoreError;

pub(crate) fn what_is_appended_reads_back_equal(open: Open<'_>) {
    let store = RefCell::new(open());
    let number = Cell::new(0);
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    };
    proptest!(config, |(turns in vec(vec(event(), 0..6), 0..4))| {
        let store = &mut *store.borrow_mut();
        number.set(number.get() + 1);
        let id = create_owned(store, number.get(), "flights");
        let mut written = 0;
        for events in &turns {
            append(store, &id, written, events);
            written += events.len() as u64;
        }
        let all: Vec<Event> = turns.concat();
        prop_assert_eq!(&open().load_run(&id).unwrap().events, &all);
        prop_assert_eq!(store.run_summary(&id).unwrap().events, written);
        store.release_lease(&id, 1).unwrap();
    });
}

fn event() -> impl Strategy<Value = Event> {
    let step = 0u32..4;
    let attempt = 1u32..5;
    let text = || "\\PC{0,12}";
    let number = || {
        prop_oneof![
            any::<f64>().prop_filter("finite", |f| f.is_finite()),
            Just(-0.0),
            Just(5e-324)
        ]
    };
    let failure = (
        proptest::sample::select(FailureClass::ALL.to_vec()),
        text(),
        proptest::option::of(text()),
    )
        .prop_map(|(class, message, help)| Failure {
            help,
            ..Failure::new(class, message)
        });
    let resources = (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(wall, cpu, peak)| ResourcesUsed {
        wall: Millis(wall),
        cpu: Millis(cpu),
        peak_memory: ByteSize(peak),
        ..ResourcesUsed::default()
    });
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::from),
        text().prop_map(|text| json!({ "name": text, "version": [1, { "deep": null }] })),
    ];
    let outputs = btree_map("[a-z]{1,5}", value.prop_map(OutputValue::Value), 0..3);
    let metrics = btree_map(text(), number(), 0..4);
    let key = proptest::option::of(any::<[u8; 4]>().prop_map(|bytes| ContentHash::of(&bytes)));
    let what = prop_oneof![
        (text(), vec(any::<u32>(), 0..3)).prop_map(|(by, reuse_only)| What::RunStarted { by, reuse_only }),
        (step.clone(), attempt.clone(), key).prop_map(|(step, attempt, key)| What::AttemptStarted {
            step,
            attempt,
            key
        }),
        (
            step.clone(),
            attempt.clone(),
            outputs,
            metrics,
            proptest::option::of(text()),
            resources.clone()
        )
            .prop_map(|(step, attempt, outputs, metrics, headline, resources)| {
                What::AttemptSucceeded {
                    step,
                    attempt,
                    outputs: outputs.into_iter().collect(),
                    metrics: metrics.into_iter().collect(),
                    headline,
                    resources,
                }
            }),
        (
            step.clone(),
            attempt.clone(),
            failure,
            proptest::option::of(any::<i64>().prop_map(Timestamp)),
            resources
        )
            .prop_map(
                |(step, attempt, failure, retry_at, resources)| What::AttemptFailed {
                    step,
                    attempt,
                    kept: [(
                        "why".to_owned(),
                        OutputValue::Value(failure.message.as_str().into())
                    )]
                    .into(),
                    failure,
                    retry_at,
                    resources,
                }
            ),
        (step.clone(), attempt).prop_map(|(step, attempt)| What::AttemptLost { step, attempt }),
        (step.clone(), 0u32..4).prop_map(|(step, other)| What::StepSkipped {
            step,
            because: SkipReason::Upstream { step: other }
        }),
        (step.clone(), text(), proptest::option::of(text()), any::<bool>()).prop_map(
            |(step, by, role, approve)| What::ApprovalGiven {
                step,
                by,
                role,
                approve,
                comment: None
            }
        ),
        step.prop_map(|step| What::ApprovalAsked { step }),
        (
            text(),
            prop::option::of(prop::collection::btree_set(0u32..9, 0..3))
        )
            .prop_map(|(by, select)| What::RetryAsked { by, select }),
        Just(What::RunEnded {
            outcome: RunOutcome::Failed
        }),
    ];
    (any::<i64>(), what).prop_map(|(at, what)| Event {
        at: Timestamp(at),
        what,
    })
}

pub(crate) fn an_append_that_expects_another_number_of_events_is_refused(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    append(&mut store, &id, 0, &[started_run(1)]);
    for wrong in [0, 2, u64::MAX] {
        let mut turn = store.begin().unwrap();
        let refused = turn.append(&id, 1, wrong, &[started(2, 0, None)]).unwrap_err();
        assert!(
            matches!(&refused, StoreError::Conflict { run, expected, found: 1 } if *run == id && *expected == wrong),
            "{refused}"
        );
    }
    assert_eq!(open().load_run(&id).unwrap().events, [started_run(1)]);
}

pub(crate) fn an_append_of_another_epoch_is_refused(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    for wrong in [0, 2, u64::MAX] {
        let mut turn = store.begin().unwrap();
        let refused = turn.append(&id, wrong, 0, &[started_run(1)]).unwrap_err();
        assert!(
            matches!(&refused, StoreError::LeaseLost { current: 1, .. }),
            "{refused}"
        );
    }
    let mut turn = store.begin().unwrap();
    assert!(matches!(
        turn.append(&run_id(9), 1, 0, &[started_run(1)]),
        Err(StoreError::NoRun(_))
    ));
    drop(turn);
    assert_eq!(open().load_run(&id).unwrap().events, []);
}

pub(crate) fn a_turn_that_failed_keeps_nothing(open: Open<'_>) {
    let mut store = open();
    let good = create_owned(&mut store, 1, "flights");
    let stale = create_owned(&mut store, 2, "flights");
    let mut turn = store.begin().unwrap();
    turn.append(&good, 1, 0, &[started_run(1)]).unwrap();
    turn.register_model(&stale, "s1", &draft("m", "weights", None), Timestamp(1))
        .unwrap();
    assert!(matches!(
        turn.append(&stale, 7, 0, &[started_run(1)]),
        Err(StoreError::LeaseLost { .. })
    ));
    assert!(matches!(
        turn.append(&good, 1, 1, &[started(1, 0, None)]),
        Err(StoreError::TurnFailed)
    ));
    assert!(matches!(turn.commit(), Err(StoreError::TurnFailed)));
    assert_eq!(open().load_run(&good).unwrap().events, []);
    assert_eq!(open().models().unwrap(), []);
    // The engine drops the run it lost, and says the rest again.
    append(&mut store, &good, 0, &[started_run(1)]);
}

pub(crate) fn a_turn_that_is_dropped_keeps_nothing(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    let mut turn = store.begin().unwrap();
    turn.append(&id, 1, 0, &[started_run(1), started(1, 0, Some("key"))])
        .unwrap();
    drop(turn);
    assert_eq!(open().load_run(&id).unwrap().events, []);
    // Nor does the connection remember the key of an attempt that never started.
    append(&mut store, &id, 0, &[started_run(1), succeeded(2, 0, 1, "a")]);
    assert_eq!(open().reusable(&ContentHash::of(b"key"), None).unwrap(), None);
}

pub(crate) fn one_turn_carries_several_runs(open: Open<'_>) {
    let mut store = open();
    let runs: Vec<_> = (1..=20)
        .map(|number| create_owned(&mut store, number, "flights"))
        .collect();
    let mut turn = store.begin().unwrap();
    for id in &runs {
        turn.append(id, 1, 0, &[started_run(1)]).unwrap();
        turn.append(id, 1, 1, &[at(2, What::CancelAsked { by: "bob".to_owned() })])
            .unwrap();
    }
    turn.commit().unwrap();
    let reader = open();
    for id in &runs {
        assert_eq!(reader.load_run(id).unwrap().events.len(), 2);
    }
}

pub(crate) fn a_turn_that_holds_a_run_of_another_is_refused(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    let mut turn = store.begin().unwrap();
    turn.hold(&id, 1).unwrap();
    turn.append(&id, 1, 0, &[started_run(1)]).unwrap();
    turn.commit().unwrap();
    let mut turn = store.begin().unwrap();
    let refused = turn.hold(&id, 2).unwrap_err();
    assert!(
        matches!(
            refused,
            StoreError::LeaseLost {
                held: 2,
                current: 1,
                ..
            }
        ),
        "{refused}"
    );
    assert!(matches!(
        turn.append(&id, 1, 1, &[started(2, 0, None)]),
        Err(StoreError::TurnFailed)
    ));
}

pub(crate) fn a_turn_whose_answer_was_lost_is_settled(open: Open<'_>) {
    let mut store = open();
    let runs = [
        create_owned(&mut store, 1, "flights"),
        create_owned(&mut store, 2, "flights"),
    ];
    let mut turn = store.begin().unwrap();
    for id in &runs {
        turn.append(id, 1, 0, &[started_run(1)]).unwrap();
        turn.append(id, 1, 1, &[started(2, 0, None)]).unwrap();
    }
    let unsettled = turn.unsettled().unwrap();
    drop(turn);
    let settled = store.settle(&unsettled).unwrap();
    assert_eq!((settled.kept, settled.lost), (false, vec![]));
    let mut turn = store.begin().unwrap();
    for id in &runs {
        turn.append(id, 1, 0, &[started_run(1), started(2, 0, None)])
            .unwrap();
    }
    turn.commit().unwrap();
    let settled = store.settle(&unsettled).unwrap();
    assert_eq!((settled.kept, settled.lost), (true, vec![]));
    // What happens to one of the runs afterwards does not change what became of the turn.
    store.release_lease(&runs[0], 1).unwrap();
    store
        .acquire_lease(&runs[0], &owner("other"), Timestamp(0), Millis(60_000))
        .unwrap();
    let settled = open().settle(&unsettled).unwrap();
    assert_eq!((settled.kept, settled.lost), (true, vec![runs[0].clone()]));
}
