//! What a skip, a failure or a missing cell means below.

use super::*;

#[test]
fn a_step_skipped_by_its_condition_satisfies_order_and_skips_what_takes_its_data() {
    let mut play = Play::started([
        step("approve").never(),
        step("deploy").needs(&["approve"]),
        step("report").takes(&["approve"]),
        step("mail").takes(&["report"]),
        step("note").needs(&["mail"]),
    ]);
    assert_eq!(play.ready(), ["deploy", "note"]);
    play.ok("deploy");
    play.ok("note");
    assert_eq!(
        play.view(),
        "approve skipped (if), deploy succeeded, report skipped (no data of approve), \
         mail skipped (no data of report), note succeeded; Succeeded"
    );
}

#[test]
fn a_failed_step_skips_only_what_needs_it() {
    let mut play = Play::started([
        step("a"),
        step("ordered").needs(&["a"]),
        step("fed").takes(&["a"]),
        step("below").needs(&["fed"]),
        step("independent"),
    ]);
    play.fails("a", NO);
    assert_eq!(play.ready(), ["independent"]);
    play.ok("independent");
    assert_eq!(
        play.view(),
        "a failed, ordered skipped (after a), fed skipped (after a), below skipped (after a), \
         independent succeeded; Failed"
    );
}

#[test]
fn a_condition_that_is_never_true_opens_no_way_past_a_failed_gate() {
    let mut play = Play::started([
        step("evaluate"),
        step("approve").needs(&["evaluate"]).never(),
        step("deploy").needs(&["approve"]),
    ]);
    play.fails("evaluate", FailureClass::GateFailed);
    assert_eq!(
        play.view(),
        "evaluate failed, approve skipped (after evaluate), deploy skipped (after evaluate); Failed"
    );
}

#[test]
fn a_step_that_may_fail_satisfies_order_and_skips_what_takes_its_data() {
    let mut play = Play::started([
        step("explore").may_fail(),
        step("next").needs(&["explore"]),
        step("page").takes(&["explore"]),
    ]);
    play.fails("explore", NO);
    play.ok("next");
    assert_eq!(
        play.view(),
        "explore failed, next succeeded, page skipped (no data of explore); Succeeded"
    );
}

#[test]
fn cells_skipped_or_allowed_to_fail_drop_out_of_what_collects_them() {
    let mut play = Play::started([
        step("train[a]").never(),
        step("train[b]").may_fail(),
        step("train[c]"),
        step("tune").collects(&["train[a]", "train[b]", "train[c]"]),
    ]);
    play.fails("train[b]", NO);
    play.ok("train[c]");
    assert_eq!(play.ready(), ["tune"]);
}

#[test]
fn what_collects_a_matrix_is_skipped_when_no_cell_is_left_and_blocked_by_a_failed_one() {
    let all = ["train[a]", "train[b]"];
    let play = Play::started([
        step("train[a]").never(),
        step("train[b]").never(),
        step("tune").collects(&all),
    ]);
    assert_eq!(
        play.view(),
        "train[a] skipped (if), train[b] skipped (if), tune skipped (no data of train[a]); Succeeded"
    );
    let mut play = Play::started([step("train[a]"), step("train[b]"), step("tune").collects(&all)]);
    play.ok("train[a]");
    play.fails("train[b]", NO);
    assert_eq!(
        play.view(),
        "train[a] succeeded, train[b] failed, tune skipped (after train[b]); Failed"
    );
}

#[test]
fn a_cell_taken_by_itself_as_well_does_not_drop_out() {
    let play = Play::started([
        step("train[a]").never(),
        step("train[b]"),
        step("tune")
            .collects(&["train[a]", "train[b]"])
            .takes(&["train[a]"]),
    ]);
    let mut play = play;
    play.ok("train[b]");
    assert_eq!(
        play.view(),
        "train[a] skipped (if), train[b] succeeded, tune skipped (no data of train[a]); Succeeded"
    );
}
