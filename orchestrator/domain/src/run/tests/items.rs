//! A step for each item of a list.

use super::*;
use serde_json::json;

fn listed(items: serde_json::Value, limit: Option<u32>, fail_fast: bool) -> Vec<Draft> {
    vec![
        step("t").for_each(items, limit, fail_fast),
        step("end").collects(&["t"]),
    ]
}

#[test]
fn each_item_is_an_instance_and_the_step_ends_with_the_last() {
    let mut play = Play::started(listed(json!(["a", "b", "c"]), Some(2), true));
    assert_eq!(play.ready(), ["t[0]", "t[1]"]);
    play.launch("t[0]");
    play.ok("t[1]");
    assert_eq!(play.ready(), ["t[2]"]);
    play.ok("t[2]");
    assert_eq!(
        play.view(),
        "t running, end waiting, t[0] running, t[1] succeeded, t[2] succeeded; Running"
    );
    play.ok("t[0]");
    assert_eq!(play.ready(), ["end"]);
    let counts = play.run.items_of(0).unwrap().counts();
    assert_eq!((counts.total, counts.succeeded, counts.failed), (3, 3, 0));
    let StepState::Succeeded { headline, .. } = play.step("t") else {
        panic!("{}", play.view());
    };
    assert_eq!(headline.as_deref(), Some("3 items"));
}

#[test]
fn an_empty_list_is_a_step_with_nothing_to_do() {
    let mut play = Play::started(listed(json!([]), None, true));
    assert_eq!(play.ready(), ["end"]);
    play.ok("end");
    assert_eq!(play.view(), "t succeeded, end succeeded; Succeeded");
}

#[test]
fn the_list_comes_from_results_and_items_are_seen_in_expressions() {
    let mut play = Play::started([
        step("list"),
        step("t")
            .needs(&["list"])
            .for_each(json!("${{ [steps.list.outputs.out, 8] }}"), None, true)
            .with(|i| i.with = json!({"of": "${{ item * 10 + item_index }}"})),
        step("end")
            .needs(&["t"])
            .with(|i| i.with = json!("${{ steps.t[1].item }} ${{ steps.t[0].status }}")),
    ]);
    play.ok("list");
    let second = play.ix("t[1]");
    assert_eq!(play.run.render_with(second).unwrap(), json!({"of": 81}));
    let item = play.run.instance_at(second).unwrap();
    assert_eq!((item.name.as_str(), &item.for_each), ("t[1]", &None));
    assert_eq!(json!(item.matrix), json!({"item": 8}));
    play.ok("t[0]");
    play.ok("t[1]");
    assert_eq!(
        play.run.render_with(play.ix("end")).unwrap(),
        json!("8 succeeded")
    );
}

#[test]
fn what_is_no_list_and_what_is_listed_twice_fail_the_step() {
    let failure = |items: serde_json::Value| {
        let play = Play::started([step("t").for_each(items, None, true)]);
        match play.step("t") {
            StepState::Failed { failure, .. } => failure.message.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        failure(json!("${{ 'a' + 'b' }}")),
        "`for_each` needs a list, and this is `\"ab\"`"
    );
    assert_eq!(
        failure(json!([{"a": 1, "b": 2}, 3, {"b": 2, "a": 1}])),
        "the list of `for_each` has `{\"b\":2,\"a\":1}` twice: items 0 and 2, counted from 0"
    );
    assert_eq!(
        failure((0..101).collect()),
        "the list of `for_each` has 101 items; at most 100 are allowed"
    );
    assert_eq!(
        failure(json!("${{ steps.nothing.outputs.out }}")),
        "could not evaluate the list of `for_each`"
    );
}

#[test]
fn with_fail_fast_one_failure_cancels_the_other_items_in_one_event() {
    let mut play = Play::started(listed(json!([1, 2, 3, 4]), None, true));
    play.launch("t[1]");
    let what = play.fails("t[0]", NO);
    assert!(
        matches!(what.as_slice(), [_, What::ItemsCancelled { step: 0 }]),
        "{what:?}"
    );
    play.fails("t[1]", FailureClass::Signal);
    assert_eq!(
        play.view(),
        "t failed, end skipped (after t), t[0] failed, t[1] cancelled, t[2] cancelled, t[3] cancelled; Failed"
    );
    let StepState::Failed { failure, .. } = play.step("t") else {
        panic!("{}", play.view());
    };
    assert_eq!(failure.message, "1 of 4 items failed, the first [0]: it failed");
}

#[test]
fn items_that_may_fail_leave_the_others_to_be_collected() {
    let mut drafts = listed(json!([1, 2]), None, false);
    drafts[0] = drafts[0].clone().may_fail();
    let mut play = Play::started(drafts);
    play.fails("t[0]", NO);
    play.ok("t[1]");
    play.ok("end");
    assert_eq!(
        play.view(),
        "t failed, end succeeded, t[0] failed, t[1] succeeded; Succeeded"
    );
    let mut drafts = listed(json!([1]), None, false);
    drafts[0] = drafts[0].clone().may_fail();
    let mut play = Play::started(drafts);
    play.fails("t[0]", NO);
    assert_eq!(
        play.view(),
        "t failed, end skipped (no data of t), t[0] failed; Succeeded"
    );
}

#[test]
fn a_retry_runs_the_items_again_that_failed_and_no_other() {
    let mut play = Play::started(listed(json!([1, 2, 3]), None, false));
    play.ok("t[0]");
    play.fails("t[1]", NO);
    play.ok("t[2]");
    let what = retry(&mut play);
    assert!(
        matches!(
            what.as_slice(),
            [
                _,
                What::ItemsKnown {
                    step: 0,
                    first: 2,
                    items: None
                }
            ]
        ),
        "{what:?}"
    );
    assert_eq!(play.ready(), ["t[1]"]);
    assert_eq!(play.launch("t[1]"), 2);
    play.ok("t[1]");
    play.ok("end");
    assert!(play.view().ends_with("; Succeeded"), "{}", play.view());
}

#[test]
fn a_list_that_has_changed_at_a_retry_has_items_of_its_own() {
    let mut play = Play::started([
        step("a").may_fail(),
        step("t").needs(&["a"]).for_each(
            json!("${{ steps.a.status == 'succeeded' ? [1, 2] : [1] }}"),
            None,
            false,
        ),
    ]);
    play.fails("a", NO);
    play.fails("t[0]", NO);
    retry(&mut play);
    play.ok("a");
    assert_eq!(play.ready(), ["t[0]", "t[1]"]);
    // The log of the first attempt at an item [0] is another item's.
    assert_eq!(play.launch("t[0]"), 2);
    play.ok("t[0]");
    play.ok("t[1]");
    assert!(play.view().ends_with("; Succeeded"), "{}", play.view());
}

#[test]
fn cancelling_ends_items_that_wait_at_once_and_those_that_run_when_they_have_ended() {
    let mut play = Play::started(listed(json!([1, 2, 3]), Some(1), false));
    play.launch("t[0]");
    cancel(&mut play);
    assert_eq!(play.run.to_kill().collect::<Vec<_>>(), [(play.ix("t[0]"), 1)]);
    play.fails("t[0]", FailureClass::Signal);
    assert_eq!(
        play.view(),
        "t cancelled, end cancelled, t[0] cancelled, t[1] cancelled, t[2] cancelled; Cancelled"
    );
}

#[test]
fn items_are_reused_one_by_one() {
    let mut play = Play::started(listed(json!([1, 2]), None, false));
    reuse(&mut play, "t[0]");
    play.ok("t[1]");
    let counts = play.run.items_of(0).unwrap().counts();
    assert_eq!((counts.succeeded, counts.reused), (2, 1));
    assert!(play.run.takes_new_results(play.ix("end")));
}

#[test]
fn a_step_that_was_not_selected_gives_only_earlier_results_of_its_items() {
    let mut play = Play::selected(listed(json!([1, 2]), None, false), &["end"]);
    reuse(&mut play, "t[0]");
    reuse(&mut play, "t[1]");
    assert_eq!(play.ready(), ["end"]);
    let mut play = Play::selected(listed(json!([1, 2]), None, false), &["end"]);
    reuse(&mut play, "t[0]");
    play.decide(Input::Launch {
        step: play.ix("t[1]"),
        key: None,
    });
    assert!(
        play.view().starts_with("t skipped (not selected), end failed"),
        "{}",
        play.view()
    );
}

#[test]
fn a_hundred_thousand_items_keep_the_definition_and_the_events_small() {
    let items: serde_json::Value = (0..100_000).collect();
    let mut each = step("t").for_each(items, Some(8), false);
    each.instance.for_each.as_mut().unwrap().max_items = 100_000;
    let mut run = Run::new(run_id(1), Arc::new(definition([each]))).unwrap();
    let now = Timestamp(1);
    let started = run.decide(
        now,
        Input::Start {
            by: "ada".to_owned(),
            select: None,
        },
    );
    assert_eq!(started.len(), 2);
    let mut events = 0;
    loop {
        let Some(step) = run.ready().next() else { break };
        events += run.decide(now, Input::Launch { step, key: None }).len();
        events += run
            .decide(
                now,
                Input::Succeeded {
                    step,
                    attempt: 1,
                    outputs: Default::default(),
                    metrics: Default::default(),
                    headline: None,
                    resources: Default::default(),
                },
            )
            .len();
    }
    assert_eq!(events, 2 * 100_000 + 2);
    assert_eq!(run.status(), RunStatus::Ended(RunOutcome::Succeeded));
}
