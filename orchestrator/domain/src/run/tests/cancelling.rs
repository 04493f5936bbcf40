//! Runs that are given up.

use super::*;

#[test]
fn what_waits_is_cancelled_at_once_and_what_runs_when_its_attempt_has_ended() {
    let mut play = Play::started([
        step("a"),
        step("b"),
        step("c").needs(&["a"]),
        step("d").attempts(2),
    ]);
    play.launch("a");
    play.fails("d", IO);
    cancel(&mut play);
    assert_eq!(
        play.view(),
        "a running, b cancelled, c cancelled, d cancelled; Running"
    );
    assert_eq!(play.run.to_kill().collect::<Vec<_>>(), [(0, 1)]);
    play.fails("a", FailureClass::Signal);
    assert_eq!(
        play.view(),
        "a cancelled, b cancelled, c cancelled, d cancelled; Cancelled"
    );
    assert!(play.run.due().is_empty());
}

#[test]
fn an_attempt_lost_while_it_was_being_killed_does_not_start_again() {
    let mut play = Play::started([step("a")]);
    play.launch("a");
    cancel(&mut play);
    play.lost("a");
    assert_eq!(play.view(), "a cancelled; Cancelled");
}

#[test]
fn a_run_whose_steps_all_succeeded_anyway_has_succeeded() {
    let mut play = Play::started([step("a")]);
    play.launch("a");
    cancel(&mut play);
    play.ok("a");
    assert_eq!(play.view(), "a succeeded; Succeeded");
}

#[test]
fn a_run_cancelled_before_it_started_ends() {
    let mut play = Play::new([step("a"), step("b").needs(&["a"])]);
    cancel(&mut play);
    assert_eq!(play.view(), "a cancelled, b cancelled; Cancelled");
    assert_eq!(
        play.decide(Input::Start {
            by: "ada".to_owned(),
            select: None
        }),
        []
    );
}
