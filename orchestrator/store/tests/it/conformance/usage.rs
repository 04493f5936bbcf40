use super::Open;
use crate::material::{
    append, at, create_owned, definition, ended_run, owner, run_id, started, started_run, succeeded,
};
use trainyard_contract::task::ResourcesUsed;
use trainyard_contract::{ByteSize, Failure, FailureClass, Millis, PipelineName, Timestamp};
use trainyard_domain::plan::{Month, MonthUsage};
use trainyard_domain::run::{RunOutcome, What};
use trainyard_store::{NewRun, Store};

/// 2026-11-30T23:59:59Z.
const NOVEMBER: i64 = 1_796_083_199_000_000;
/// 2026-12-01T00:00:00Z.
const DECEMBER: i64 = NOVEMBER + 1_000_000;

fn flights() -> PipelineName {
    "flights".parse().unwrap()
}

fn used(store: &Store, at: i64) -> MonthUsage {
    store
        .month_usage(&flights(), None, Month::of(Timestamp(at)))
        .unwrap()
}

fn failed(time: i64, step: u32, wall: u64) -> trainyard_domain::run::Event {
    at(
        time,
        What::AttemptFailed {
            step,
            attempt: 1,
            failure: Failure::new(FailureClass::ExitCode, "it failed"),
            retry_at: None,
            resources: ResourcesUsed {
                wall: Millis(wall),
                ..ResourcesUsed::default()
            },
            kept: Default::default(),
        },
    )
}

pub(crate) fn attempts_count_in_the_month_in_which_they_end(open: Open<'_>) {
    let mut store = open();
    for number in 1..=2 {
        let id = create_owned(&mut store, number, "flights");
        let events = [
            started_run(NOVEMBER),
            started(NOVEMBER, 1, None),
            started(NOVEMBER, 2, None),
            succeeded(NOVEMBER, 1, 7, "a"),
            failed(DECEMBER, 2, 100),
        ];
        append(&mut store, &id, 0, &events);
        assert_eq!(
            used(&open(), DECEMBER).core_ms,
            (number - 1) * 100,
            "it is not over yet"
        );
        append(&mut open(), &id, 5, &[ended_run(DECEMBER, RunOutcome::Failed)]);
    }
    let store = open();
    assert_eq!(
        (used(&store, NOVEMBER).core_ms, used(&store, DECEMBER).core_ms),
        (14, 200)
    );
    assert_eq!(used(&store, NOVEMBER).mib_ms, 0);
    let elsewhere = store.month_usage(&flights(), Some("prod"), Month::of(Timestamp(NOVEMBER)));
    assert_eq!(elsewhere.unwrap(), MonthUsage::default());
}

pub(crate) fn what_was_not_committed_was_not_used(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    let events = [
        started_run(1),
        started(2, 1, None),
        succeeded(NOVEMBER, 1, 7, "a"),
        ended_run(NOVEMBER, RunOutcome::Succeeded),
    ];
    let mut turn = store.begin().unwrap();
    turn.append(&id, 1, 0, &events).unwrap();
    drop(turn);
    assert_eq!(used(&open(), NOVEMBER).core_ms, 0);
    append(&mut store, &id, 0, &events);
    assert_eq!(used(&open(), NOVEMBER).core_ms, 7);
}

pub(crate) fn runs_that_are_not_over_are_counted(open: Open<'_>) {
    let mut store = open();
    let ended = create_owned(&mut store, 1, "flights");
    create_owned(&mut store, 2, "flights");
    create_owned(&mut store, 3, "weather");
    assert_eq!(used(&open(), 1).under_way, 2);
    append(
        &mut store,
        &ended,
        0,
        &[started_run(1), ended_run(2, RunOutcome::Succeeded)],
    );
    assert_eq!(used(&open(), 1).under_way, 1);
}

pub(crate) fn items_take_what_their_step_holds(open: Open<'_>) {
    let mut store = open();
    let mut definition = definition("flights", 2);
    definition.instances[1].limits.cpu = Some(4);
    definition.instances[1].limits.memory = Some(ByteSize(512 << 20));
    let id = run_id(1);
    let new = NewRun {
        id: &id,
        definition: &definition,
        created_at: Timestamp(1),
        by: "ada",
        reason: None,
    };
    store.create_run(&new).unwrap();
    store
        .acquire_lease(&id, &owner("engine-1"), Timestamp(1), Millis(60_000))
        .unwrap();
    let known = What::ItemsKnown {
        step: 1,
        first: 2,
        items: Some(vec![1.into(), 2.into()]),
    };
    append(
        &mut store,
        &id,
        0,
        &[started_run(1), at(2, known), started(3, 3, None)],
    );
    // Another connection learns of the list from what is stored.
    let mut other = open();
    let end = ended_run(NOVEMBER, RunOutcome::Succeeded);
    append(&mut other, &id, 3, &[succeeded(NOVEMBER, 3, 10, "a"), end]);
    let used = used(&open(), NOVEMBER);
    assert_eq!((used.core_ms, used.mib_ms), (40, 5_120));
}

pub(crate) fn a_report_of_more_than_there_is_keeps_nothing_from_being_written(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    append(&mut store, &id, 0, &[started_run(1)]);
    for seq in 1..4_u64 {
        append(&mut store, &id, seq, &[failed(NOVEMBER, 1, u64::MAX)]);
    }
    append(&mut store, &id, 4, &[ended_run(NOVEMBER, RunOutcome::Failed)]);
    assert_eq!(used(&open(), NOVEMBER).core_ms, 1 << 50);
}

pub(crate) fn a_retry_counts_what_it_takes_and_nothing_twice(open: Open<'_>) {
    let mut store = open();
    let id = create_owned(&mut store, 1, "flights");
    let end = || ended_run(NOVEMBER, RunOutcome::Failed);
    append(
        &mut store,
        &id,
        0,
        &[started_run(1), failed(NOVEMBER, 1, 7), end()],
    );
    let retry = at(
        NOVEMBER,
        What::RetryAsked {
            by: "ada".to_owned(),
            select: None,
        },
    );
    store.release_lease(&id, 1).unwrap();
    let mut other = open();
    other
        .acquire_lease(&id, &owner("engine-2"), Timestamp(NOVEMBER), Millis(60_000))
        .unwrap();
    let mut turn = other.begin().unwrap();
    turn.append(&id, 2, 3, &[retry, failed(NOVEMBER, 1, 30), end()])
        .unwrap();
    turn.commit().unwrap();
    assert_eq!(used(&open(), NOVEMBER).core_ms, 37);
}
