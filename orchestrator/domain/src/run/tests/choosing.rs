//! Retries of chosen steps: `runs retry --select`.

use super::*;
use serde_json::json;

fn chain() -> [Draft; 4] {
    [
        step("a"),
        step("b").takes(&["a"]),
        step("c").takes(&["b"]),
        step("side"),
    ]
}

fn done(drafts: impl IntoIterator<Item = Draft>) -> Play {
    let mut play = Play::started(drafts);
    while let Some(name) = play.ready().first() {
        play.ok(name);
    }
    play
}

fn refused(play: &Play, text: &str) -> (String, String) {
    let fault = play.run.choose(text).unwrap_err();
    (fault.message, fault.help.unwrap_or_default())
}

#[test]
fn a_chosen_step_that_had_succeeded_runs_again_with_what_depends_on_it_and_nothing_else() {
    let mut play = done(chain());
    choose(&mut play, "b");
    assert_eq!(
        play.view(),
        "a succeeded, b ready, c waiting, side succeeded; Running"
    );
    assert_eq!(play.launch("b"), 2);
    play.ok("b");
    play.ok("c");
    assert!(play.view().ends_with("; Succeeded"), "{}", play.view());
}

#[test]
fn a_chosen_step_takes_no_earlier_result_until_it_has_succeeded() {
    let mut play = done(chain());
    choose(&mut play, "a");
    let earlier = |play: &Play| Input::Reuse {
        step: play.ix("a"),
        key: ContentHash::of(b"key"),
        from: run_id(9),
        outputs: Default::default(),
        metrics: Default::default(),
        headline: None,
    };
    assert!(play.run.takes_no_earlier_result(play.ix("a")));
    let input = earlier(&play);
    assert_eq!(play.decide(input), []);
    play.fails("a", NO);
    retry(&mut play);
    assert!(play.run.takes_no_earlier_result(play.ix("a")));
    play.ok("a");
    assert!(!play.run.takes_no_earlier_result(play.ix("b")));
}

#[test]
fn what_failed_and_was_not_chosen_stays_failed() {
    let mut play = Play::started([step("a"), step("b"), step("c").needs(&["b"])]);
    play.fails("a", NO);
    play.fails("b", NO);
    choose(&mut play, "b");
    play.ok("b");
    play.ok("c");
    assert_eq!(play.view(), "a failed, b succeeded, c succeeded; Failed");
    retry(&mut play);
    play.ok("a");
    assert!(play.view().ends_with("; Succeeded"), "{}", play.view());
}

#[test]
fn what_was_cancelled_and_not_chosen_keeps_the_run_cancelled() {
    let mut play = Play::started([step("a"), step("b")]);
    cancel(&mut play);
    choose(&mut play, "a");
    play.ok("a");
    assert_eq!(play.view(), "a succeeded, b cancelled; Cancelled");
    choose(&mut play, "state:cancelled");
    play.ok("b");
    assert_eq!(play.view(), "a succeeded, b succeeded; Succeeded");
}

#[test]
fn a_step_that_was_left_out_at_the_start_runs_when_it_is_chosen() {
    let mut play = Play::selected(chain(), &["side"]);
    play.ok("side");
    choose(&mut play, "+b");
    assert_eq!(
        play.view(),
        "a ready, b waiting, c skipped (not selected), side succeeded; Running"
    );
    play.ok("a");
    play.ok("b");
    assert!(play.view().ends_with("; Succeeded"), "{}", play.view());
}

#[test]
fn of_a_list_items_can_be_chosen_and_the_others_stay_as_they_are() {
    let list = || {
        [
            step("t").for_each(json!([1, 2, 3]), None, false),
            step("end").collects(&["t"]),
        ]
    };
    let mut play = Play::started(list());
    play.ok("t[0]");
    play.fails("t[1]", NO);
    play.fails("t[2]", NO);
    choose(&mut play, "t[0],t[2]");
    assert_eq!(play.ready(), ["t[0]", "t[2]"]);
    assert!(play.run.takes_no_earlier_result(play.ix("t[0]")));
    play.ok("t[0]");
    play.ok("t[2]");
    assert_eq!(
        play.view(),
        "t failed, end skipped (after t), t[0] succeeded, t[1] failed, t[2] succeeded; Failed"
    );
    choose(&mut play, "state:failed");
    assert_eq!(play.ready(), ["t[1]"]);
    play.ok("t[1]");
    play.ok("end");
    choose(&mut play, "t");
    assert_eq!(play.ready(), ["t[0]", "t[1]", "t[2]"]);
}

#[test]
fn items_that_were_cancelled_because_another_failed_are_failed_with_it() {
    let mut play = Play::started([step("t").for_each(json!([1, 2]), Some(1), true)]);
    play.fails("t[0]", NO);
    choose(&mut play, "state:failed");
    play.ok("t[0]");
    play.ok("t[1]");
    assert!(play.view().ends_with("; Succeeded"), "{}", play.view());
}

#[test]
fn all_items_below_a_chosen_step_run_again() {
    let mut play = done([
        step("a"),
        step("t").takes(&["a"]).for_each(json!([1, 2]), None, false),
    ]);
    choose(&mut play, "a");
    play.ok("a");
    assert_eq!(play.ready(), ["t[0]", "t[1]"]);
}

#[test]
fn a_chosen_loop_begins_anew_and_one_that_failed_goes_on_where_it_did() {
    let repeated = || [step("r").repeats("outputs.out >= 7 && iteration > 0", 3, OnRepeatLimit::Fail)];
    let mut play = Play::started(repeated());
    play.ok("r[0]");
    play.passes(Millis(1000));
    play.fails("r[1]", NO);
    assert_eq!(
        refused(&play, "r[0]"),
        (
            "`r[0]` is an iteration, and each builds upon the one before it".to_owned(),
            "`r` runs all of them again, `state:failed` goes on with the one that failed".to_owned()
        )
    );
    let mut other = Play::started(repeated());
    other.ok("r[0]");
    other.passes(Millis(1000));
    other.fails("r[1]", NO);
    choose(&mut play, "state:failed");
    assert_eq!(play.ready(), ["r[1]"]);
    choose(&mut other, "r");
    assert_eq!(other.ready(), ["r[0]"]);
    assert_eq!(other.launch("r[0]"), 2);
}

#[test]
fn gates_below_a_chosen_step_are_asked_again() {
    let mut play = Play::started([
        step("train"),
        step("approve").gate(rule(1)).needs(&["train"]),
        step("deploy").needs(&["approve"]),
    ]);
    play.ok("train");
    play.answers("approve", "bob", true);
    play.ok("deploy");
    choose(&mut play, "train");
    play.ok("train");
    assert_eq!(
        play.view(),
        "train succeeded, approve awaiting_approval, deploy waiting; Waiting"
    );
}

#[test]
fn hooks_follow_the_steps_they_belong_to() {
    let mut play = Play::started([
        step("a"),
        step("b"),
        step("undo").on_failure_of("b"),
        step("last").finally(),
    ]);
    play.ok("a");
    play.fails("b", NO);
    play.ok("undo");
    play.ok("last");
    choose(&mut play, "a");
    assert_eq!(
        play.view(),
        "a ready, b failed, undo succeeded, last waiting; Running"
    );
    play.ok("a");
    play.ok("last");
    choose(&mut play, "b");
    assert_eq!(
        play.view(),
        "a succeeded, b ready, undo waiting, last waiting; Running"
    );
}

#[test]
fn a_choice_that_names_nothing_or_could_not_run_is_refused_with_what_to_write() {
    let mut play = Play::started(chain());
    play.ok("a");
    play.fails("b", NO);
    play.ok("side");
    let pair = |message: &str, help: &str| (message.to_owned(), help.to_owned());
    assert_eq!(
        refused(&play, "c"),
        pair(
            "`c` cannot run: it needs `b`, which has failed and is not chosen",
            "choose `b` as well: what depends on it runs again with it"
        )
    );
    assert_eq!(
        refused(&play, "state:faild"),
        pair(
            "`faild` is no state that a step ends in",
            "did you mean `state:failed`?"
        )
    );
    assert_eq!(
        refused(&play, "state:skipped"),
        pair("nothing of this run is skipped", "")
    );
    assert_eq!(
        refused(&play, "sid"),
        pair("there is no step `sid` to select", "did you mean `side`?")
    );
    let chosen = play.run.choose("state:blocked,b").unwrap();
    let again = play.run.to_run_again(Some(&chosen));
    assert_eq!(again, [None, Some(Again::Chosen), Some(Again::Chosen), None]);
}

#[test]
fn histories_of_before_there_were_choices_read_as_they_did() {
    let event: Event = serde_json::from_value(json!({"at": 7, "event": "retry_asked", "by": "ada"})).unwrap();
    assert_eq!(
        event.what,
        What::RetryAsked {
            by: "ada".to_owned(),
            select: None
        }
    );
    assert_eq!(
        serde_json::to_value(&event).unwrap(),
        json!({"at": 7, "event": "retry_asked", "by": "ada"})
    );
}
