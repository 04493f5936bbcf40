//! A run's timeout and its service level.

use super::*;
use std::sync::Arc;
use trainyard_contract::{RunId, Timestamp};

const HOUR: Millis = Millis(3_600_000);
const HALF: Millis = Millis(1_800_000);

/// A run made and started at a time, with bounds.
fn bound(drafts: impl IntoIterator<Item = Draft>, at: Timestamp, bounds: RunBounds) -> Play {
    let mut definition = definition(drafts);
    definition.bounds = bounds;
    let id = RunId::from_parts(at.0.unsigned_abs() / 1_000, [0; 10]);
    let mut play = Play {
        run: Run::new(id, Arc::new(definition)).unwrap(),
        now: at,
        events: Vec::new(),
    };
    play.decide(Input::Start {
        by: "ada".to_owned(),
        select: None,
    });
    play
}

fn within(timeout: Millis, drafts: impl IntoIterator<Item = Draft>) -> Play {
    let bounds = RunBounds {
        timeout: Some(timeout),
        ..RunBounds::default()
    };
    bound(drafts, Timestamp(0), bounds)
}

/// `2026-03-29T01:00Z` and the like.
fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn by(time: &str, timezone: &str) -> RunBounds {
    RunBounds {
        finish_by: Some(FinishBy {
            time: time.to_owned(),
            timezone: timezone.to_owned(),
        }),
        ..RunBounds::default()
    }
}

fn told(what: &[What]) -> Vec<SlaLimit> {
    let limit = |what: &What| match what {
        What::SlaBreached { limit, .. } => Some(*limit),
        _ => None,
    };
    what.iter().filter_map(limit).collect()
}

#[test]
fn a_run_out_of_time_has_failed_after_its_hooks_have_run() {
    let mut play = within(
        HOUR,
        [
            step("a"),
            step("b").needs(&["a"]),
            step("tell").when_run_failed(),
            step("clean").finally(),
        ],
    );
    assert_eq!(play.run.next_wake(), Some(Timestamp(0).plus(HOUR)));
    play.launch("a");
    assert_eq!(play.passes(HALF), []);
    play.passes(HALF);
    assert_eq!(play.run.to_kill().collect::<Vec<_>>(), [(0, 1)]);
    play.fails("a", FailureClass::Signal);
    assert_eq!(play.ready(), ["tell"]);
    play.ok("tell");
    play.ok("clean");
    assert_eq!(
        play.view(),
        "a cancelled, b cancelled, tell succeeded, clean succeeded; Failed"
    );
    assert_eq!(play.run.timed_out_at(), Some(Timestamp(0).plus(HOUR)));
}

#[test]
fn hooks_have_as_long_again() {
    let mut play = within(HOUR, [step("a"), step("clean").finally()]);
    play.launch("a");
    play.passes(HOUR);
    play.fails("a", FailureClass::Signal);
    play.launch("clean");
    assert_eq!(play.passes(HALF), []);
    play.passes(HALF);
    assert_eq!(play.run.to_kill().collect::<Vec<_>>(), [(1, 1)]);
    play.fails("clean", FailureClass::Signal);
    assert_eq!(play.view(), "a cancelled, clean cancelled; Failed");
}

#[test]
fn what_is_over_in_spite_of_its_timeout_has_succeeded() {
    let mut play = within(HOUR, [step("a")]);
    play.launch("a");
    play.passes(HOUR);
    play.ok("a");
    assert_eq!(play.view(), "a succeeded; Succeeded");
}

#[test]
fn a_retry_has_the_whole_time_again() {
    let mut play = within(HOUR, [step("a"), step("b").needs(&["a"])]);
    play.ok("a");
    play.launch("b");
    play.passes(HOUR);
    play.fails("b", FailureClass::Signal);
    assert_eq!(play.view(), "a succeeded, b cancelled; Failed");
    play.passes(HOUR);
    retry(&mut play);
    assert_eq!(play.passes(HALF), []);
    play.ok("b");
    assert_eq!(play.view(), "a succeeded, b succeeded; Succeeded");
    assert_eq!(play.run.timed_out_at(), None);
}

#[test]
fn a_clock_that_is_set_back_sets_the_timeout_back_with_the_next_event() {
    let mut play = within(HOUR, [step("a"), step("b")]);
    play.now = Timestamp(-10 * 3_600_000_000);
    play.ok("a");
    assert_eq!(play.run.next_wake(), Some(play.now.plus(HOUR)));
}

#[test]
fn late_is_told_once_and_the_run_goes_on() {
    let bounds = RunBounds {
        max_duration: Some(HOUR),
        ..RunBounds::default()
    };
    let mut play = bound([step("a")], Timestamp(0), bounds);
    play.launch("a");
    assert_eq!(told(&play.passes(HOUR)), [SlaLimit::MaxDuration]);
    assert_eq!(play.passes(HOUR), []);
    play.fails("a", NO);
    assert_eq!(told(&retry(&mut play)), []);
    play.ok("a");
    assert_eq!(play.view(), "a succeeded; Succeeded");
    let [breach] = play.run.breaches() else {
        panic!("{:?}", play.run.breaches())
    };
    assert_eq!(
        (breach.due, breach.at),
        (Timestamp(0).plus(HOUR), Timestamp(0).plus(HOUR))
    );
}

#[test]
fn what_is_over_late_by_a_moment_nobody_looked_at_is_late() {
    let bounds = RunBounds {
        max_duration: Some(HOUR),
        ..RunBounds::default()
    };
    let mut play = bound([step("a")], Timestamp(0), bounds);
    play.launch("a");
    play.now = play.now.plus(Millis(2 * HOUR.0));
    play.ok("a");
    assert_eq!(play.view(), "a succeeded; Succeeded");
    assert_eq!(play.run.breaches().len(), 1);
}

#[test]
fn finish_by_is_the_first_such_time_where_its_zone_is() {
    let deadline = |made: &str, time: &str, zone: &str| {
        let play = bound([step("a")], at(made), by(time, zone));
        jiff::Timestamp::from_microsecond(play.run.finish_by().unwrap().0)
            .unwrap()
            .to_string()
    };
    assert_eq!(
        deadline("2026-07-01T06:30:00Z", "06:00", "America/New_York"),
        "2026-07-01T10:00:00Z"
    );
    assert_eq!(
        deadline("2026-07-01T10:30:00Z", "06:00", "America/New_York"),
        "2026-07-02T10:00:00Z"
    );
    assert_eq!(
        deadline("2026-12-01T06:30:00Z", "06:00", "America/New_York"),
        "2026-12-01T11:00:00Z"
    );
    // 02:30 does not exist that night: the moment after the gap.
    assert_eq!(
        deadline("2026-03-29T00:00:00Z", "02:30", "Europe/Berlin"),
        "2026-03-29T01:00:00Z"
    );
    // It comes twice: the first of the two.
    assert_eq!(
        deadline("2026-10-24T22:00:00Z", "02:30", "Europe/Berlin"),
        "2026-10-25T00:30:00Z"
    );
}

#[test]
fn a_miss_that_is_foreseen_is_told_at_the_start_and_the_miss_itself_when_it_comes() {
    let bounds = RunBounds {
        expected: Some(Millis(2 * HOUR.0)),
        ..by("06:00", "UTC")
    };
    let mut play = bound([step("a")], at("2026-07-01T05:00:00Z"), bounds.clone());
    assert_eq!(play.run.breaches()[0].limit, SlaLimit::FinishByForeseen);
    play.launch("a");
    assert_eq!(told(&play.passes(HOUR)), [SlaLimit::FinishBy]);
    let sentence = bounds.foreseen_miss(at("2026-07-01T05:00:00Z")).unwrap();
    assert!(
        sentence.ends_with("it should be over at 2026-07-01T06:00:00Z"),
        "{sentence}"
    );
    assert_eq!(bounds.foreseen_miss(at("2026-07-01T03:59:00Z")), None);
    let in_time = bound([step("a")], at("2026-07-01T03:59:00Z"), bounds);
    assert_eq!(in_time.run.breaches(), []);
}

#[test]
fn a_run_that_began_too_late_is_late_at_once() {
    let mut definition = definition([step("a")]);
    definition.bounds = by("06:00", "UTC");
    let made = at("2026-07-01T05:00:00Z");
    let id = RunId::from_parts(made.0.unsigned_abs() / 1_000, [0; 10]);
    let mut play = Play {
        run: Run::new(id, Arc::new(definition)).unwrap(),
        now: at("2026-07-01T07:00:00Z"),
        events: Vec::new(),
    };
    let start = Input::Start {
        by: "ada".to_owned(),
        select: None,
    };
    assert_eq!(told(&play.decide(start)), [SlaLimit::FinishBy]);
}
