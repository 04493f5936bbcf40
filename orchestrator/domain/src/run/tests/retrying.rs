//! Ended runs that go on.

use super::*;

#[test]
fn a_retry_runs_again_what_failed_and_what_was_blocked_and_keeps_the_rest() {
    let mut play = Play::started([
        step("a"),
        step("b"),
        step("c").takes(&["a", "b"]),
        step("d").needs(&["c"]),
        step("e").never(),
    ]);
    play.ok("a");
    play.fails("b", NO);
    assert_eq!(
        play.view(),
        "a succeeded, b failed, c skipped (after b), d skipped (after b), e skipped (if); Failed"
    );
    retry(&mut play);
    assert_eq!(
        play.view(),
        "a succeeded, b ready, c waiting, d waiting, e skipped (if); Running"
    );
    assert_eq!(play.launch("b"), 2);
    play.ok("b");
    play.ok("c");
    play.ok("d");
    assert_eq!(
        play.view(),
        "a succeeded, b succeeded, c succeeded, d succeeded, e skipped (if); Succeeded"
    );
}

#[test]
fn a_retry_gives_all_attempts_anew_and_asks_gates_again() {
    let mut play = Play::started([step("a").attempts(2), step("approve").gate(rule(1))]);
    play.answers("approve", "bob", false);
    play.fails("a", IO);
    play.passes(Millis(1000));
    play.fails("a", IO);
    assert_eq!(play.view(), "a failed, approve failed; Failed");
    retry(&mut play);
    assert_eq!(play.view(), "a ready, approve awaiting_approval; Running");
    play.fails("a", IO);
    assert!(matches!(play.step("a"), StepState::Retrying { attempt: 3, .. }));
}

#[test]
fn a_cancelled_run_can_be_taken_up_again() {
    let mut play = Play::started([step("a"), step("b").needs(&["a"])]);
    play.ok("a");
    cancel(&mut play);
    retry(&mut play);
    assert_eq!(play.view(), "a succeeded, b ready; Running");
}

#[test]
fn what_was_skipped_for_want_of_data_is_judged_again() {
    let mut play = Play::started([
        step("a").may_fail(),
        step("b").takes(&["a"]),
        step("hook").on_failure_of("a"),
        step("last").finally(),
    ]);
    play.fails("a", NO);
    play.ok("hook");
    play.ok("last");
    retry(&mut play);
    assert_eq!(
        play.view(),
        "a ready, b waiting, hook waiting, last waiting; Running"
    );
    play.ok("a");
    play.ok("b");
    play.ok("last");
    assert_eq!(
        play.view(),
        "a succeeded, b succeeded, hook skipped (not needed), last succeeded; Succeeded"
    );
}

#[test]
fn there_is_nothing_to_retry_in_a_run_that_succeeded_or_goes_on() {
    let mut play = Play::started([step("a")]);
    assert_eq!(retry(&mut play), []);
    play.ok("a");
    assert_eq!(retry(&mut play), []);
}
