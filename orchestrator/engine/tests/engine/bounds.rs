//! Bounds of a run in time, through a real store and several engines.

use super::{chain, engine, id, quiet, stored_events};
use std::path::Path;
use std::sync::atomic::Ordering;
use trainyard_contract::Millis;
use trainyard_domain::run::{RunBounds, RunDefinition, RunOutcome, RunStatus, What};
use trainyard_engine::{Driven, Observation};
use trainyard_executors::FakeAnswer;

fn bound(bounds: RunBounds) -> RunDefinition {
    RunDefinition {
        bounds,
        ..chain(&["a", "b"])
    }
}

fn count(home: &Path, is_so: impl Fn(&What) -> bool) -> usize {
    stored_events(home)
        .iter()
        .filter(|event| is_so(&event.what))
        .count()
}

#[test]
fn that_a_run_is_late_is_told_once_whoever_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let late = |what: &What| matches!(what, What::SlaBreached { .. });
    {
        let (mut first, handle) = engine(folder.path());
        handle.script("a", FakeAnswer::Hold);
        let interrupts = quiet();
        let raise = interrupts.clone();
        let mut observer = move |observation: Observation<'_>| {
            if let Observation::Event { event, .. } = observation
                && late(&event.what)
            {
                raise.store(1, Ordering::Relaxed);
            }
        };
        let bounds = RunBounds {
            max_duration: Some(Millis(1)),
            ..RunBounds::default()
        };
        first
            .start(id(1), bound(bounds), "ada", None, &mut observer)
            .unwrap();
        let driven = first.drive(&mut observer, &interrupts, false).unwrap();
        assert_eq!(driven, Driven::Interrupted);
    }
    assert_eq!(count(folder.path(), late), 1);
    let (mut second, _) = engine(folder.path());
    second.resume(&id(1), &mut |_| {}).unwrap();
    second.drive(&mut |_| {}, &quiet(), false).unwrap();
    let run = second.run(&id(1)).unwrap();
    assert_eq!(run.status(), RunStatus::Ended(RunOutcome::Succeeded));
    assert_eq!(run.breaches().len(), 1);
    assert_eq!(count(folder.path(), late), 1);
}

#[test]
fn a_timeout_goes_on_counting_when_another_engine_takes_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = RunBounds {
        timeout: Some(Millis(1)),
        ..RunBounds::default()
    };
    {
        let (mut first, handle) = engine(folder.path());
        handle.script("a", FakeAnswer::Hold);
        first
            .start(id(1), bound(bounds), "ada", None, &mut |_| {})
            .unwrap();
        let stop = quiet();
        stop.store(1, Ordering::Relaxed);
        let driven = first.drive(&mut |_| {}, &stop, false).unwrap();
        assert_eq!(driven, Driven::Interrupted);
    }
    // What the first had begun is lost; there is no time left to begin it again.
    let (mut second, handle) = engine(folder.path());
    second.resume(&id(1), &mut |_| {}).unwrap();
    second.drive(&mut |_| {}, &quiet(), false).unwrap();
    assert_eq!(
        second.run(&id(1)).unwrap().status(),
        RunStatus::Ended(RunOutcome::Failed)
    );
    assert!(handle.submitted().is_empty());
    let timed_out = |what: &What| matches!(what, What::RunTimedOut { .. });
    assert_eq!(count(folder.path(), timed_out), 1);
}

#[test]
fn what_runs_when_time_is_up_is_asked_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let (mut engine, handle) = engine(folder.path());
    handle.script("a", FakeAnswer::Hold);
    let bounds = RunBounds {
        timeout: Some(Millis(20)),
        ..RunBounds::default()
    };
    engine
        .start(id(1), bound(bounds), "ada", None, &mut |_| {})
        .unwrap();
    let driven = engine.drive(&mut |_| {}, &quiet(), false).unwrap();
    assert_eq!(driven, Driven::AllEnded);
    let run = engine.run(&id(1)).unwrap();
    assert_eq!(run.status(), RunStatus::Ended(RunOutcome::Failed));
    assert!(run.timed_out_at().is_some());
    assert_eq!(handle.cancelled().len(), 1);
}
