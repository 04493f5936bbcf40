//! `--select`.

use super::*;

fn chain() -> [Draft; 4] {
    [
        step("a"),
        step("b").takes(&["a"]),
        step("c").takes(&["b"]),
        step("side"),
    ]
}

#[test]
fn what_a_selected_step_needs_takes_earlier_results_and_the_rest_is_left_out() {
    let mut play = Play::selected(chain(), &["c"]);
    assert_eq!(
        play.view(),
        "a ready, b waiting, c waiting, side skipped (not selected); Running"
    );
    reuse(&mut play, "a");
    reuse(&mut play, "b");
    play.ok("c");
    assert_eq!(
        play.view(),
        "a succeeded (reused), b succeeded (reused), c succeeded, side skipped (not selected); Succeeded"
    );
}

#[test]
fn without_an_earlier_result_the_selected_step_fails_and_says_why() {
    let mut play = Play::selected(chain(), &["c"]);
    let ix = play.ix("a");
    play.decide(Input::Launch { step: ix, key: None });
    assert_eq!(
        play.view(),
        "a skipped (not selected), b skipped (not selected), c failed, side skipped (not selected); Failed"
    );
    let StepState::Failed { failure, .. } = play.step("c") else {
        panic!()
    };
    assert_eq!(
        failure.message,
        "it needs `b`, which was not selected and has no earlier result to take"
    );
}

#[test]
fn a_result_may_be_given_before_the_start() {
    let mut play = Play::new(chain());
    reuse(&mut play, "b");
    let select = Some([play.ix("c")].into());
    play.decide(Input::Start {
        by: "ada".to_owned(),
        select,
    });
    assert_eq!(
        play.view(),
        "a skipped (not selected), b succeeded (reused), c ready, side skipped (not selected); Running"
    );
}

#[test]
fn selecting_leads_past_no_gate() {
    let mut play = Play::selected(
        [step("approve").gate(rule(1)), step("deploy").needs(&["approve"])],
        &["deploy"],
    );
    assert_eq!(
        play.view(),
        "approve skipped (not selected), deploy failed; Failed"
    );
    assert_eq!(retry(&mut play).len(), 3);
    assert_eq!(
        play.view(),
        "approve skipped (not selected), deploy failed; Failed"
    );
}
