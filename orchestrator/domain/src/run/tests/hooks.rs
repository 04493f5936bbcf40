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
