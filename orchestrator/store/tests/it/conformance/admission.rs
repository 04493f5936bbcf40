use super::Open;
use crate::material::{definition, ended_run, owner, run_id, started_run};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use trainyard_contract::{Millis, RunId, Timestamp};
use trainyard_domain::pipeline::spec::policy::OnLimit;
use trainyard_domain::run::RunOutcome;
use trainyard_domain::trigger::{Place, Policy};
use trainyard_store::{NewRun, QueueOptions, QueuedRun, Request, Store};

const TTL: Millis = Millis(30_000);

/// A queued run of the group `g`.
fn enqueue(store: &mut Store, number: u64, limit: u32, on_limit: OnLimit, priority: u8) -> RunId {
    let id = run_id(number);
    let mut definition = definition("flights", 1);
    definition.concurrency = Some(Place {
        group: "g".to_owned(),
        policy: Policy {
            limit: Some(limit),
            on_limit,
            max_queued: 1_000,
        },
    });
    let queued = QueuedRun {
        new: NewRun {
            id: &id,
            definition: &definition,
            created_at: Timestamp(number as i64),
            by: "ada",
            reason: None,
        },
        priority,
        options: &QueueOptions::default(),
        key: None,
    };
    while let Err(error) = store.enqueue_run(&queued) {
        assert!(error.is_transient(), "{error}");
    }
    id
}

/// Takes what may be taken and starts it.
fn take(store: &mut Store, engine: &str, now: Timestamp) -> Vec<RunId> {
    let takeable = store.takeable_runs(&owner(engine), false, now, 1_000).unwrap();
    let mut taken = Vec::new();
    for id in takeable {
        if let Ok(epoch) = store.acquire_lease(&id, &owner(engine), now, TTL) {
            let mut turn = store.begin().unwrap();
            turn.append(&id, epoch, 0, &[started_run(1)]).unwrap();
            turn.commit().unwrap();
            taken.push(id);
        }
    }
    taken
}

fn end(store: &mut Store, run: &RunId) {
    let mut turn = store.begin().unwrap();
    turn.append(run, 1, 1, &[ended_run(2, RunOutcome::Succeeded)])
        .unwrap();
    turn.commit().unwrap();
    store.release_lease(run, 1).unwrap();
}

fn told(store: &mut Store, now: Timestamp) -> Vec<(RunId, RunOutcome, String)> {
    let admitted = store.admit_runs(100, now).unwrap();
    let turned_away = admitted.turned_away.into_iter();
    turned_away
        .map(|one| (one.run, one.outcome, one.reason))
        .collect()
}

pub(crate) fn no_more_runs_of_a_group_start_than_it_allows(open: Open<'_>) {
    let mut store = open();
    let now = open.at(1_000);
    let runs: Vec<RunId> = (1..=5)
        .map(|number| enqueue(&mut store, number, 2, OnLimit::Queue, 50))
        .collect();
    assert_eq!(told(&mut store, now), []);
    let taken = take(&mut store, "a", now);
    assert_eq!(taken, runs[..2]);
    let mut other = open();
    assert_eq!(told(&mut other, now), []);
    assert_eq!(take(&mut other, "b", now), []);
    assert_eq!(
        other.waits_because(&runs[2], now).unwrap().as_deref(),
        Some("group `g` has 2 of 2 runs")
    );
    end(&mut store, &taken[0]);
    assert_eq!(told(&mut other, now), []);
    assert_eq!(take(&mut other, "b", now), runs[2..3]);
}

pub(crate) fn a_run_too_many_is_turned_away_as_its_group_says(open: Open<'_>) {
    for (on_limit, outcome, word) in [
        (OnLimit::Skip, RunOutcome::Cancelled, "skip"),
        (OnLimit::Fail, RunOutcome::Failed, "fail"),
    ] {
        let base = if outcome == RunOutcome::Failed { 10 } else { 20 };
        let mut store = open();
        let now = open.at(1_000);
        let first = enqueue(&mut store, base, 1, on_limit, 50);
        told(&mut store, now);
        assert_eq!(take(&mut store, "a", now), std::slice::from_ref(&first));
        let second = enqueue(&mut store, base + 1, 1, on_limit, 50);
        let reason = format!("group `g` has 1 of 1 runs (on_limit: {word})");
        let refused = [(second.clone(), outcome, reason)];
        assert_eq!(told(&mut store, now), refused);
        // Until somebody has ended it.
        assert_eq!(told(&mut open(), now), refused);
        let epoch = store.acquire_lease(&second, &owner("a"), now, TTL).unwrap();
        let mut turn = store.begin().unwrap();
        turn.append(&second, epoch, 0, &[ended_run(3, outcome)]).unwrap();
        turn.commit().unwrap();
        assert_eq!(told(&mut store, now), []);
        end(&mut store, &first);
    }
}

pub(crate) fn the_oldest_run_is_asked_once_to_make_way(open: Open<'_>) {
    let mut store = open();
    let now = open.at(1_000);
    let first = enqueue(&mut store, 1, 1, OnLimit::CancelRunning, 50);
    told(&mut store, now);
    assert_eq!(take(&mut store, "a", now), std::slice::from_ref(&first));
    let second = enqueue(&mut store, 2, 1, OnLimit::CancelRunning, 50);
    let admitted = store.admit_runs(100, now).unwrap();
    assert!(admitted.has_asked && admitted.turned_away.is_empty());
    assert!(!store.admit_runs(100, now).unwrap().has_asked);
    let mut turn = store.begin().unwrap();
    turn.hold(&first, 1).unwrap();
    let asked = turn.take_requests(&first).unwrap();
    assert!(
        matches!(&asked[..], [posted] if matches!(&posted.request, Request::Cancel { by } if by.contains("cancel_running"))),
        "{asked:?}"
    );
    turn.append(&first, 1, 1, &[ended_run(2, RunOutcome::Cancelled)])
        .unwrap();
    turn.commit().unwrap();
    store.release_lease(&first, 1).unwrap();
    assert_eq!(told(&mut store, now), []);
    assert_eq!(take(&mut store, "a", now), [second]);
}

pub(crate) fn the_higher_priority_goes_first_and_who_waits_gains_on_it(open: Open<'_>) {
    let mut store = open();
    let now = open.at(1_000);
    let low = enqueue(&mut store, 1, 1, OnLimit::Queue, 10);
    let high = enqueue(&mut store, 2, 1, OnLimit::Queue, 90);
    told(&mut store, now);
    assert_eq!(take(&mut store, "a", now), std::slice::from_ref(&high));
    end(&mut store, &high);
    // 90 points are 90 minutes.
    let later = enqueue(&mut store, 91 * 60_000_000, 1, OnLimit::Queue, 100);
    let now = open.at(91 * 60_000_000);
    told(&mut store, now);
    assert_eq!(take(&mut store, "a", now), [low], "before {later}");
}

/// Sixty requests, three engines, and never more than three runs at once.
pub(crate) fn a_storm_never_has_more_runs_at_once_than_its_group_allows(open: Open<'_>) {
    const STORM: u64 = 60;
    let now = open.at(1_000_000);
    let active = Mutex::new((BTreeSet::<RunId>::new(), 0usize, BTreeMap::<RunId, u32>::new()));
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for part in 0..2u64 {
            scope.spawn(move || {
                let mut store = open();
                for number in 0..STORM / 2 {
                    enqueue(&mut store, 1 + part * 1_000 + number, 3, OnLimit::Queue, 50);
                }
            });
        }
        for engine in ["a", "b", "c"] {
            let (active, failed) = (&active, &failed);
            scope.spawn(move || {
                let _alarm = Alarm(failed);
                let mut store = open();
                while !failed.load(Ordering::Relaxed) {
                    match store.admit_runs(2, now) {
                        Err(error) if error.is_transient() => continue,
                        admitted => assert_eq!(admitted.unwrap().turned_away, []),
                    }
                    let taken = loop_take(&mut store, engine, now);
                    let mut guard = active.lock().unwrap();
                    for run in &taken {
                        assert!(guard.0.insert(run.clone()));
                        *guard.2.entry(run.clone()).or_default() += 1;
                    }
                    guard.1 = guard.1.max(guard.0.len());
                    assert!(guard.0.len() <= 3, "{:?}", guard.0);
                    if taken.is_empty() && guard.2.len() as u64 == STORM {
                        return;
                    }
                    drop(guard);
                    for run in &taken {
                        // Before it can be said that it is over.
                        active.lock().unwrap().0.remove(run);
                        loop_end(&mut store, run);
                    }
                }
            });
        }
    });
    let (left, most, started) = active.into_inner().unwrap();
    assert!(left.is_empty() && most <= 3, "{most}");
    assert!(started.len() as u64 == STORM && started.values().all(|times| *times == 1));
}

/// Lets the other threads end when one has panicked; they would wait for it for ever.
struct Alarm<'a>(&'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

fn loop_take(store: &mut Store, engine: &str, now: Timestamp) -> Vec<RunId> {
    let takeable = loop {
        match store.takeable_runs(&owner(engine), false, now, 1_000) {
            Err(error) if error.is_transient() => {}
            takeable => break takeable.unwrap(),
        }
    };
    let mut taken = Vec::new();
    for id in takeable {
        match store.acquire_lease(&id, &owner(engine), now, TTL) {
            Ok(1) => {}
            Ok(later) => {
                // Another engine has carried it out since the list was made.
                while store.release_lease(&id, later).is_err() {}
                continue;
            }
            Err(_) => continue,
        }
        loop {
            let appended = store.begin().and_then(|mut turn| {
                turn.append(&id, 1, 0, &[started_run(1)])?;
                turn.commit()
            });
            match appended {
                Err(error) if error.is_transient() => {}
                appended => break appended.unwrap(),
            }
        }
        taken.push(id);
    }
    taken
}

fn loop_end(store: &mut Store, run: &RunId) {
    loop {
        let appended = store.begin().and_then(|mut turn| {
            turn.append(run, 1, 1, &[ended_run(2, RunOutcome::Succeeded)])?;
            turn.commit()
        });
        match appended {
            Err(error) if error.is_transient() => {}
            appended => break appended.unwrap(),
        }
    }
    while let Err(error) = store.release_lease(run, 1) {
        assert!(error.is_transient(), "{error}");
    }
}
