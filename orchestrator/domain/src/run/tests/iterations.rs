//! A step that repeats until a condition holds.

use super::*;
use serde_json::json;

/// [`Play::ok`] makes the number 7.
fn repeated(until: &str, most: u32, on_limit: OnRepeatLimit) -> Vec<Draft> {
    vec![
        step("poll").repeats(until, most, on_limit),
        step("end").takes(&["poll"]).when("steps.poll.outputs.out == 7"),
    ]
}

#[test]
fn iterations_follow_each_other_after_the_delay_until_the_condition_holds() {
    let mut play = Play::started(repeated(
        "outputs.out == 7 && iteration == 2",
        9,
        OnRepeatLimit::Fail,
    ));
    assert_eq!(play.ready(), ["poll[0]"]);
    play.ok("poll[0]");
    assert!(play.ready().is_empty());
    play.passes(Millis(999));
    assert!(play.ready().is_empty());
    play.passes(Millis(1));
    play.ok("poll[1]");
    play.passes(Millis(1000));
    play.ok("poll[2]");
    assert_eq!(play.ready(), ["end"]);
    let StepState::Succeeded {
        outputs, headline, ..
    } = play.step("poll")
    else {
        panic!("{}", play.view());
    };
    assert_eq!(headline.as_deref(), Some("3 iterations"));
    let counts = play.run.items_of(0).unwrap().counts();
    assert_eq!((counts.total, counts.succeeded), (3, 3));
    assert_eq!(outputs["out"], trainyard_contract::OutputValue::Value(json!(7)));
    play.ok("end");
    assert!(play.view().ends_with("; Succeeded"), "{}", play.view());
}

#[test]
fn an_iteration_sees_its_number_and_what_the_one_before_made() {
    let mut drafts = repeated("iteration == 1", 5, OnRepeatLimit::Fail);
    drafts[0].instance.with = json!("${{ iteration }}: ${{ default(previous.outputs.out, 'nothing') }}");
    let mut play = Play::started(drafts);
    let rendered = |play: &Play, name: &str| play.run.render_with(play.ix(name)).unwrap();
    assert_eq!(rendered(&play, "poll[0]"), json!("0: nothing"));
    play.ok("poll[0]");
    play.passes(Millis(1000));
    assert_eq!(rendered(&play, "poll[1]"), json!("1: 7"));
    assert_eq!(
        json!(play.run.matrix_of(play.ix("poll[1]"))),
        json!({"iteration": 1})
    );
}

#[test]
fn at_the_limit_the_step_fails_or_goes_on_as_declared() {
    let mut play = Play::started(repeated("outputs.out > 7", 2, OnRepeatLimit::Fail));
    play.ok("poll[0]");
    play.passes(Millis(1000));
    play.ok("poll[1]");
    let StepState::Failed { failure, .. } = play.step("poll") else {
        panic!("{}", play.view());
    };
    assert_eq!(failure.message, "`until` did not hold after 2 iterations");
    let mut play = Play::started(repeated("outputs.out > 7", 1, OnRepeatLimit::GoOn));
    play.ok("poll[0]");
    assert_eq!(play.ready(), ["end"]);
}

#[test]
fn a_failed_iteration_fails_the_step_and_a_retry_goes_on_there() {
    let mut play = Play::started(repeated("iteration == 1", 5, OnRepeatLimit::Fail));
    play.ok("poll[0]");
    play.passes(Millis(1000));
    play.fails("poll[1]", NO);
    let StepState::Failed { failure, .. } = play.step("poll") else {
        panic!("{}", play.view());
    };
    assert_eq!(failure.message, "iteration 1: it failed");
    retry(&mut play);
    assert_eq!(play.ready(), ["poll[1]"]);
    play.ok("poll[1]");
    play.ok("end");
    assert!(play.view().ends_with("; Succeeded"), "{}", play.view());
}

#[test]
fn a_retry_after_the_limit_begins_anew() {
    let mut play = Play::started(repeated("outputs.out > 7", 1, OnRepeatLimit::Fail));
    play.ok("poll[0]");
    retry(&mut play);
    assert_eq!(play.ready(), ["poll[0]"]);
    assert_eq!(play.launch("poll[0]"), 2);
}

#[test]
fn cancelling_ends_a_step_between_its_iterations() {
    let mut play = Play::started(repeated("outputs.out > 7", 3, OnRepeatLimit::Fail));
    play.ok("poll[0]");
    cancel(&mut play);
    assert_eq!(
        play.view(),
        "poll cancelled, end cancelled, poll[0] succeeded, poll[1] cancelled, poll[2] waiting; Cancelled"
    );
}

#[test]
fn a_condition_that_has_no_value_fails_the_step() {
    let mut play = Play::started(repeated("outputs.nothing > 7", 3, OnRepeatLimit::Fail));
    play.ok("poll[0]");
    let StepState::Failed { failure, .. } = play.step("poll") else {
        panic!("{}", play.view());
    };
    assert_eq!(failure.message, "could not evaluate `until` after iteration 0");
}
