//! Cells side by side.

use super::*;

fn cells(max_parallel: Option<u32>, fail_fast: bool) -> Vec<Draft> {
    ["t[a]", "t[b]", "t[c]", "t[d]"]
        .map(|name| step(name).cells(max_parallel, fail_fast).attempts(2))
        .into()
}

#[test]
fn no_more_cells_run_at_once_than_the_limit_says() {
    let mut play = Play::started(cells(Some(2), false));
    assert_eq!(play.ready(), ["t[a]", "t[b]"]);
    play.launch("t[b]");
    assert_eq!(play.ready(), ["t[a]"]);
    play.launch("t[a]");
    assert!(play.ready().is_empty());
    play.ok("t[a]");
    assert_eq!(play.ready(), ["t[c]"]);
}

#[test]
fn a_cell_that_waits_for_its_retry_leaves_its_place_to_another() {
    let mut play = Play::started(cells(Some(1), false));
    play.fails("t[a]", IO);
    assert_eq!(play.ready(), ["t[b]"]);
    play.launch("t[b]");
    play.passes(Millis(1000));
    assert!(play.ready().is_empty());
    play.ok("t[b]");
    assert_eq!(play.ready(), ["t[a]"]);
}

#[test]
fn with_fail_fast_one_failure_cancels_the_other_cells() {
    let mut play = Play::started(cells(Some(2), true));
    play.launch("t[b]");
    play.fails("t[a]", NO);
    assert_eq!(
        play.view(),
        "t[a] failed, t[b] running, t[c] cancelled, t[d] cancelled; Running"
    );
    assert_eq!(play.run.due(), [Action::Kill { step: 1, attempt: 1 }]);
    play.fails("t[b]", FailureClass::Signal);
    assert_eq!(
        play.view(),
        "t[a] failed, t[b] cancelled, t[c] cancelled, t[d] cancelled; Failed"
    );
}

#[test]
fn a_cell_that_succeeds_before_it_is_killed_has_succeeded() {
    let mut play = Play::started(cells(None, true));
    play.launch("t[b]");
    play.fails("t[a]", NO);
    play.ok("t[b]");
    assert_eq!(
        play.view(),
        "t[a] failed, t[b] succeeded, t[c] cancelled, t[d] cancelled; Failed"
    );
}
