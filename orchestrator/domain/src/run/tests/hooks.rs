//! Steps outside the graph.

use super::*;

fn hooked() -> Play {
    Play::started([
        step("deploy"),
        step("rollback").on_failure_of("deploy"),
        step("cleanup").finally(),
    ])
}

#[test]
fn a_hook_runs_when_its_step_has_failed_and_the_last_ones_when_all_else_is_over() {
    let mut play = hooked();
    play.fails("deploy", NO);
    assert_eq!(
        play.view(),
        "deploy failed, rollback ready, cleanup waiting; Running"
    );
    play.ok("rollback");
    assert_eq!(play.ready(), ["cleanup"]);
    play.ok("cleanup");
    assert_eq!(
        play.view(),
        "deploy failed, rollback succeeded, cleanup succeeded; Failed"
    );
}

#[test]
fn a_hook_without_occasion_is_skipped() {
    let mut play = hooked();
    play.ok("deploy");
    play.ok("cleanup");
    assert_eq!(
        play.view(),
        "deploy succeeded, rollback skipped (not needed), cleanup succeeded; Succeeded"
    );
}

#[test]
fn a_failed_last_hook_fails_the_run() {
    let mut play = hooked();
    play.ok("deploy");
    play.fails("cleanup", NO);
    assert_eq!(
        play.view(),
        "deploy succeeded, rollback skipped (not needed), cleanup failed; Failed"
    );
}

#[test]
fn hooks_clean_up_after_a_cancelled_run_unless_cancelled_again() {
    let mut play = hooked();
    cancel(&mut play);
    assert_eq!(
        play.view(),
        "deploy cancelled, rollback skipped (not needed), cleanup ready; Running"
    );
    play.launch("cleanup");
    cancel(&mut play);
    assert_eq!(play.run.due(), [Action::Kill { step: 2, attempt: 1 }]);
    play.fails("cleanup", FailureClass::Signal);
    assert_eq!(
        play.view(),
        "deploy cancelled, rollback skipped (not needed), cleanup cancelled; Cancelled"
    );
}

/// A step that may fail, one that may not, a hook of the latter, two of the run and one at the end.
fn told() -> Play {
    Play::started([
        step("explore").may_fail(),
        step("deploy"),
        step("report").needs(&["deploy"]),
        step("rollback").on_failure_of("deploy"),
        step("tell").when_run_failed(),
        step("cleanup").finally(),
    ])
}

#[test]
fn hooks_of_a_failed_run_wait_for_all_steps_and_their_hooks_and_run_ahead_of_the_last_ones() {
    let mut play = told();
    play.fails("deploy", NO);
    play.launch("explore");
    play.ok("rollback");
    assert_eq!(play.ready(), [""; 0], "a step still runs");
    play.ok("explore");
    assert_eq!(play.ready(), ["tell"]);
    play.ok("tell");
    play.ok("cleanup");
    assert_eq!(
        play.view(),
        "explore succeeded, deploy failed, report skipped (after deploy), rollback succeeded, tell succeeded, \
         cleanup succeeded; Failed"
    );
}

#[test]
fn a_run_that_gets_over_its_failures_has_not_failed() {
    let mut play = told();
    play.fails("explore", NO);
    play.ok("deploy");
    play.ok("report");
    assert_eq!(
        play.view(),
        "explore failed, deploy succeeded, report succeeded, rollback skipped (not needed), \
         tell skipped (not needed), cleanup ready; Running"
    );
    play.ok("cleanup");
    assert_eq!(play.run.status(), RunStatus::Ended(RunOutcome::Succeeded));
}

#[test]
fn whatever_becomes_of_a_hook_of_a_failed_run_the_last_ones_run_and_it_stays_failed() {
    for hook_ends_well in [true, false] {
        let mut play = told();
        play.ok("explore");
        play.fails("deploy", NO);
        play.ok("rollback");
        match hook_ends_well {
            true => play.ok("tell"),
            false => drop(play.fails("tell", NO)),
        }
        assert_eq!(play.ready(), ["cleanup"]);
        play.ok("cleanup");
        assert_eq!(play.run.status(), RunStatus::Ended(RunOutcome::Failed));
    }
}

#[test]
fn a_failure_of_a_last_hook_comes_too_late_for_the_hooks_of_a_failed_run() {
    let mut play = Play::started([
        step("a"),
        step("tell").when_run_failed(),
        step("cleanup").finally(),
    ]);
    play.ok("a");
    play.fails("cleanup", NO);
    assert_eq!(
        play.view(),
        "a succeeded, tell skipped (not needed), cleanup failed; Failed"
    );
}

#[test]
fn a_run_that_was_merely_cancelled_has_not_failed() {
    let mut play = told();
    play.launch("deploy");
    cancel(&mut play);
    play.fails("deploy", FailureClass::Signal);
    play.ok("cleanup");
    assert_eq!(
        play.view(),
        "explore cancelled, deploy cancelled, report cancelled, rollback skipped (not needed), \
         tell skipped (not needed), cleanup succeeded; Cancelled"
    );
}

#[test]
fn a_run_that_had_failed_before_it_was_cancelled_says_so_unless_cancelled_again() {
    let mut play = told();
    play.launch("explore");
    play.fails("deploy", NO);
    cancel(&mut play);
    play.ok("rollback");
    play.fails("explore", FailureClass::Signal);
    assert_eq!(play.ready(), ["tell"]);
    play.launch("tell");
    cancel(&mut play);
    play.fails("tell", FailureClass::Signal);
    assert_eq!(
        play.view(),
        "explore cancelled, deploy failed, report skipped (after deploy), rollback succeeded, tell cancelled, \
         cleanup cancelled; Failed"
    );
}

#[test]
fn a_retry_asks_again_whether_the_run_failed() {
    let mut play = told();
    play.ok("explore");
    play.fails("deploy", NO);
    play.ok("rollback");
    play.ok("tell");
    play.ok("cleanup");
    retry(&mut play);
    play.ok("deploy");
    play.ok("report");
    play.ok("cleanup");
    assert_eq!(
        play.view(),
        "explore succeeded, deploy succeeded, report succeeded, rollback skipped (not needed), \
         tell skipped (not needed), cleanup succeeded; Succeeded"
    );
}

#[test]
fn a_selection_leaves_hooks_of_a_failed_run_in() {
    let drafts = [
        step("a"),
        step("b"),
        step("tell").when_run_failed(),
        step("cleanup").finally(),
    ];
    let mut play = Play::selected(drafts, &["a"]);
    play.fails("a", NO);
    play.ok("tell");
    play.ok("cleanup");
    assert_eq!(
        play.view(),
        "a failed, b skipped (not selected), tell succeeded, cleanup succeeded; Failed"
    );
}
