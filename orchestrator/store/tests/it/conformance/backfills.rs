use super::Open;
use crate::material::{append, definition, ended_run, owner, run_id, started_run};
use serde_json::{Map, json};
use std::collections::BTreeSet;
use trainyard_contract::{ContentHash, Millis, PipelineName, RunId, Timestamp};
use trainyard_domain::backfill::{self, BackfillOrder, Limits, Phase, Standing, Tally, TickState};
use trainyard_domain::run::{RunDefinition, RunOutcome};
use trainyard_store::{
    Backfill, BackfillFilter, BackfillMade, Enqueued, IdempotencyKey, NewBackfill, NewFiring, NewRun,
    NewTick, QueueOptions, QueuedRun, RunFilter, Store, StoreError, TickBody, TickMade, TickStart,
};

fn order(only_missing: bool) -> BackfillOrder {
    BackfillOrder {
        from: Timestamp(10),
        to: Timestamp(1_000),
        environment: None,
        params: Map::new(),
        limits: Limits {
            max_parallel: 3,
            stop_after: None,
        },
        reverse: false,
        only_missing,
        reuse: true,
    }
}

fn key(at: i64) -> String {
    format!("sales/nightly/{at}")
}

fn ticks(count: i64) -> Vec<NewTick> {
    (1..=count)
        .map(|number| NewTick {
            at: Timestamp(number * 10),
            body: TickBody {
                key: key(number * 10),
                trigger: json!({ "type": "schedule", "name": "nightly" }),
                reason: format!("backfill of {number}"),
            },
        })
        .collect()
}

fn sales() -> PipelineName {
    "sales".parse().unwrap()
}

/// A backfill of the ticks 10, 20, 30 …
fn make(store: &mut Store, id: &str, order: &BackfillOrder, count: i64) -> Backfill {
    let new = NewBackfill {
        id,
        pipeline: &sales(),
        trigger: "nightly",
        environment: None,
        order,
        ticks: &ticks(count),
        created_at: Timestamp(5),
        by: "ada",
        reason: Some("new feature"),
        key: None,
    };
    assert_eq!(store.create_backfill(&new).unwrap(), BackfillMade::New);
    store.backfill(id).unwrap().unwrap()
}

/// Commits a run for each of these ticks; run `number + i` for the `i`th.
fn start(
    store: &mut Store,
    backfill: &Backfill,
    ticks: &[i64],
    number: u64,
) -> Result<Option<Vec<TickMade>>, StoreError> {
    let definition = definition("sales", 1);
    let runs: Vec<(i64, RunId, String)> = ticks
        .iter()
        .zip(number..)
        .map(|(at, number)| (*at, run_id(number), key(*at)))
        .collect();
    let options = QueueOptions::default();
    let starts: Vec<_> = runs
        .iter()
        .map(|(at, id, key)| {
            let queued = queued(id, &definition, &options, key);
            (Timestamp(*at), TickStart::Run(queued))
        })
        .collect();
    store.advance_backfill(backfill, Phase::Running, &starts, Timestamp(100))
}

fn queued<'a>(
    id: &'a RunId,
    definition: &'a RunDefinition,
    options: &'a QueueOptions,
    key: &'a str,
) -> QueuedRun<'a> {
    QueuedRun {
        new: NewRun {
            id,
            definition,
            created_at: Timestamp(50),
            by: "backfill",
            reason: None,
        },
        priority: 50,
        options,
        key: Some(IdempotencyKey {
            scope: "trigger",
            key,
            request: ContentHash::of(key.as_bytes()),
        }),
    }
}

/// The schedule's own run of a tick.
fn fire(store: &mut Store, at: i64, number: u64) -> Option<Enqueued> {
    let (id, definition, options) = (run_id(number), definition("sales", 1), QueueOptions::default());
    let key = key(at);
    let pipeline = sales();
    let firing = NewFiring {
        pipeline: &pipeline,
        trigger: "nightly",
        kind: "schedule",
        at: Timestamp(at),
        due: Some(Timestamp(at)),
        verdict: "started",
        reason: None,
        about: None,
        start: Some(queued(&id, &definition, &options, &key)),
    };
    store.keep_firings(&[firing], None).unwrap().remove(0)
}

fn end(store: &mut Store, number: u64, outcome: RunOutcome) {
    let run = run_id(number);
    store
        .acquire_lease(&run, &owner("engine"), Timestamp(100), Millis(60_000))
        .unwrap();
    append(store, &run, 0, &[started_run(1_000), ended_run(3_000, outcome)]);
}

fn runs(store: &Store) -> usize {
    store.list_runs(&RunFilter::default()).unwrap().len()
}

pub(crate) fn a_backfill_reads_back_with_its_ticks_in_its_order(open: Open<'_>) {
    let mut store = open();
    let reversed = BackfillOrder {
        reverse: true,
        ..order(false)
    };
    let made = make(&mut store, "bf_0000aaaa", &reversed, 4);
    assert_eq!(
        (made.phase, made.version, &made.order),
        (Phase::Running, 1, &reversed)
    );
    assert_eq!(
        (made.by.as_str(), made.reason.as_deref()),
        ("ada", Some("new feature"))
    );
    let mut all = ticks(4);
    all.reverse();
    assert_eq!(store.waiting_ticks(&made, 3).unwrap(), all[..3]);
    make(&mut store, "bf_0000bbbb", &order(false), 1);
    assert_eq!(
        open().running_backfills().unwrap(),
        ["bf_0000aaaa", "bf_0000bbbb"]
    );
    let found = |text: &str| store.find_backfill(text).unwrap().map(|found| found.id);
    assert_eq!(found("latest").as_deref(), Some("bf_0000bbbb"));
    assert_eq!(found("aaaa").as_deref(), Some("bf_0000aaaa"));
    assert_eq!(found("bf_0000aaaa").as_deref(), Some("bf_0000aaaa"));
    assert_eq!(found("000"), None);
    let page = BackfillFilter {
        limit: 5,
        before: Some("bf_0000bbbb".to_owned()),
        ..BackfillFilter::default()
    };
    let listed: Vec<_> = store
        .backfills(&page)
        .unwrap()
        .into_iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(listed, ["bf_0000aaaa"]);
}

pub(crate) fn a_request_that_is_sent_again_makes_one_backfill(open: Open<'_>) {
    let mut store = open();
    let (order, ticks, pipeline) = (order(false), ticks(2), sales());
    let new = |id, request: &str| NewBackfill {
        id,
        pipeline: &pipeline,
        trigger: "nightly",
        environment: None,
        order: &order,
        ticks: &ticks,
        created_at: Timestamp(5),
        by: "ada",
        reason: None,
        key: Some(("k", ContentHash::of(request.as_bytes()))),
    };
    assert_eq!(
        store.create_backfill(&new("bf_1", "a")).unwrap(),
        BackfillMade::New
    );
    let first = "bf_1".to_owned();
    assert_eq!(
        store.create_backfill(&new("bf_2", "a")).unwrap(),
        BackfillMade::Repeated(first.clone())
    );
    assert_eq!(
        store.create_backfill(&new("bf_3", "b")).unwrap(),
        BackfillMade::KeyTaken(first)
    );
    assert_eq!(store.running_backfills().unwrap(), ["bf_1"]);
}

pub(crate) fn what_was_decided_on_an_older_version_is_refused(open: Open<'_>) {
    let (mut one, mut other) = (open(), open());
    let known = make(&mut one, "bf_1", &order(false), 3);
    let made = start(&mut one, &known, &[10, 20], 1).unwrap();
    let started = [1, 2].map(|number| TickMade::Started(run_id(number)));
    assert_eq!(made.as_deref(), Some(&started[..]));
    // Another server, which has read the same version.
    assert_eq!(start(&mut other, &known, &[10, 20], 5).unwrap(), None);
    assert!(
        !other
            .steer_backfill(&known, Phase::Paused, 0, Timestamp(9))
            .unwrap()
    );
    assert_eq!(runs(&other), 2);
    let now = other.backfill("bf_1").unwrap().unwrap();
    assert!(
        other
            .steer_backfill(&now, Phase::Cancelled, 0, Timestamp(9))
            .unwrap()
    );
    let ended = one.backfill("bf_1").unwrap().unwrap();
    assert_eq!(
        (ended.phase, ended.ended_at),
        (Phase::Cancelled, Some(Timestamp(9)))
    );
    assert_eq!(one.running_backfills().unwrap(), [""; 0]);
}

pub(crate) fn ticks_are_counted_by_what_became_of_their_runs(open: Open<'_>) {
    let mut store = open();
    let known = make(&mut store, "bf_1", &order(false), 5);
    start(&mut store, &known, &[10, 20, 30], 1).unwrap();
    end(&mut store, 1, RunOutcome::Succeeded);
    end(&mut store, 2, RunOutcome::Failed);
    let known = store.backfill("bf_1").unwrap().unwrap();
    let refused = [(Timestamp(40), TickStart::Refused("no budget"))];
    let made = store.advance_backfill(&known, Phase::Running, &refused, Timestamp(100));
    assert_eq!(made.unwrap().as_deref(), Some(&[TickMade::Refused][..]));
    let tally = Tally {
        waiting: 1,
        queued: 1,
        succeeded: 1,
        failed: 1,
        refused: 1,
        ..Tally::default()
    };
    assert_eq!(store.backfill_tally(&known).unwrap(), tally);
    assert_eq!(store.backfill_mean(&known).unwrap(), Some(Millis(2)));
    assert_eq!(store.open_runs_of_backfill(&known).unwrap(), [run_id(3)]);
    let failed = store
        .backfill_ticks(&known, Some(TickState::Failed), None, 9)
        .unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (failed[0].at, failed[0].run.clone()),
        (Timestamp(20), Some(run_id(2)))
    );
    let after = store
        .backfill_ticks(&known, None, Some(Timestamp(30)), 9)
        .unwrap();
    let states: Vec<_> = after
        .iter()
        .map(|tick| (tick.state, tick.reason.as_deref()))
        .collect();
    assert_eq!(
        states,
        [
            (TickState::Refused, Some("no budget")),
            (TickState::Waiting, None)
        ]
    );
}

pub(crate) fn a_tick_that_has_a_good_run_gets_no_other_if_only_missing_ones_are_wanted(open: Open<'_>) {
    let mut store = open();
    for (at, number, outcome) in [
        (10, 1, Some(RunOutcome::Succeeded)),
        (20, 2, Some(RunOutcome::Failed)),
        (30, 3, None),
    ] {
        assert_eq!(fire(&mut store, at, number), Some(Enqueued::New));
        if let Some(outcome) = outcome {
            end(&mut store, number, outcome);
        }
    }
    let known = make(&mut store, "bf_1", &order(true), 4);
    let made = start(&mut store, &known, &[10, 20, 30, 40], 11).unwrap().unwrap();
    let wanted = [
        TickMade::There(run_id(1)),
        TickMade::Started(run_id(12)),
        TickMade::There(run_id(3)),
        TickMade::Started(run_id(14)),
    ];
    assert_eq!(made, wanted);
    assert_eq!(runs(&store), 5);
    // Another backfill counts like the schedule, and one that wants all of them makes all.
    let again = make(&mut store, "bf_2", &order(true), 4);
    let made = start(&mut store, &again, &[40], 21).unwrap().unwrap();
    assert_eq!(made, [TickMade::There(run_id(14))]);
    let all = make(&mut store, "bf_3", &order(false), 4);
    let made = start(&mut store, &all, &[10], 31).unwrap().unwrap();
    assert_eq!(made, [TickMade::Started(run_id(31))]);
}

pub(crate) fn a_schedule_that_makes_up_for_a_tick_finds_the_run_of_its_backfill(open: Open<'_>) {
    let mut store = open();
    let known = make(&mut store, "bf_1", &order(false), 2);
    start(&mut store, &known, &[10], 1).unwrap();
    assert_eq!(fire(&mut store, 10, 7), Some(Enqueued::Repeated(run_id(1))));
    assert_eq!(fire(&mut store, 20, 8), Some(Enqueued::New));
    assert_eq!(runs(&store), 2);
}

pub(crate) fn servers_that_work_on_one_backfill_start_each_tick_once(open: Open<'_>) {
    const TICKS: i64 = 24;
    make(&mut open(), "bf_1", &order(false), TICKS);
    std::thread::scope(|scope| {
        for server in 1..=3u64 {
            scope.spawn(move || {
                let mut store = open();
                let mut number = server * 1_000;
                loop {
                    let known = store.backfill("bf_1").unwrap().unwrap();
                    let tally = store.backfill_tally(&known).unwrap();
                    assert!(tally.active() <= 3, "{tally:?}");
                    let standing = Standing {
                        phase: known.phase,
                        tally,
                        forgiven: 0,
                    };
                    let waiting: Vec<_> = store
                        .waiting_ticks(&known, 3)
                        .unwrap()
                        .into_iter()
                        .map(|tick| tick.at)
                        .collect();
                    let next = backfill::next(&known.order.limits, &standing, &waiting);
                    if next.phase == Phase::Done {
                        return;
                    }
                    if next.start.is_empty() {
                        continue;
                    }
                    number += 10;
                    let ticks: Vec<i64> = next.start.iter().map(|at| at.0).collect();
                    let made = match start(&mut store, &known, &ticks, number) {
                        Ok(made) => made.unwrap_or_default(),
                        Err(StoreError::Busy { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    for (made, number) in made.iter().zip(number..) {
                        assert_eq!(*made, TickMade::Started(run_id(number)));
                        end(&mut store, number, RunOutcome::Succeeded);
                    }
                }
            });
        }
    });
    let store = open();
    let known = store.backfill("bf_1").unwrap().unwrap();
    let ticks = store.backfill_ticks(&known, None, None, 100).unwrap();
    let runs_of_ticks: BTreeSet<_> = ticks.iter().filter_map(|tick| tick.run.clone()).collect();
    assert_eq!(
        (runs_of_ticks.len(), runs(&store)),
        (TICKS as usize, TICKS as usize)
    );
}
