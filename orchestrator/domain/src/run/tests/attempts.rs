//! Retries, losses, reuse, and news that comes late.

use super::*;
use indexmap::IndexMap;
use trainyard_contract::OutputValue;

#[test]
fn a_failure_of_a_listed_class_is_tried_again_after_a_growing_delay() {
    let mut play = Play::started([step("a").attempts(3)]);
    play.fails("a", IO);
    assert_eq!(
        play.step("a"),
        &StepState::Retrying {
            attempt: 1,
            until: play.now.plus(Millis(1000))
        }
    );
    assert_eq!(play.run.status(), RunStatus::Waiting);
    assert!(play.ready().is_empty());
    play.passes(Millis(999));
    assert!(play.ready().is_empty());
    play.passes(Millis(1));
    assert_eq!(play.ready(), ["a"]);
    assert_eq!(play.launch("a"), 2);
    play.fails("a", IO);
    assert_eq!(play.run.next_wake(), Some(play.now.plus(Millis(2000))));
    play.passes(Millis(2000));
    play.fails("a", IO);
    assert_eq!(play.view(), "a failed; Failed");
    assert!(matches!(play.step("a"), StepState::Failed { attempts: 3, .. }));
}

#[test]
fn a_failure_of_another_class_is_final() {
    let mut play = Play::started([step("a").attempts(3)]);
    play.fails("a", NO);
    assert_eq!(play.view(), "a failed; Failed");
}

#[test]
fn what_a_failed_attempt_had_made_is_kept_and_nobodys_input() {
    let mut play = Play::started([step("a").attempts(2), step("b").takes(&["a"])]);
    let made = |text: &str| IndexMap::from([("report".to_owned(), OutputValue::Value(text.into()))]);
    play.fails_with("a", IO, made("first"));
    play.passes(Millis(1000));
    play.fails_with("a", IO, made("second"));
    let StepState::Failed { kept, .. } = play.step("a") else {
        panic!("{}", play.view())
    };
    assert_eq!(*kept, made("second"));
    assert!(
        matches!(play.step("b"), StepState::Skipped { .. }),
        "{}",
        play.view()
    );
}

#[test]
fn news_of_another_attempt_or_of_a_step_that_does_not_run_changes_nothing() {
    let mut play = Play::started([step("a").attempts(2), step("b")]);
    play.fails("a", IO);
    play.passes(Millis(1000));
    play.launch("a");
    let failure = Failure::new(IO, "late");
    let resources = Default::default;
    for input in [
        Input::Failed {
            step: 0,
            attempt: 1,
            failure: failure.clone(),
            resources: resources(),
            kept: Default::default(),
        },
        Input::Lost { step: 0, attempt: 1 },
        Input::Lost { step: 0, attempt: 3 },
        Input::Lost { step: 1, attempt: 1 },
        Input::Failed {
            step: 77,
            attempt: 1,
            failure: failure.clone(),
            resources: resources(),
            kept: Default::default(),
        },
        Input::Launch { step: 0, key: None },
        Input::Launch { step: 77, key: None },
        Input::Reject { step: 0, failure },
    ] {
        assert_eq!(play.decide(input.clone()), [], "{input:?}");
    }
    assert_eq!(play.view(), "a running, b ready; Running");
}

#[test]
fn an_attempt_lost_with_its_engine_does_not_count() {
    let mut play = Play::started([step("a")]);
    for attempt in 1..=5 {
        assert_eq!(play.launch("a"), attempt);
        assert_eq!(play.lost("a"), [What::AttemptLost { step: 0, attempt }]);
        assert_eq!(play.ready(), ["a"]);
    }
    play.ok("a");
    assert_eq!(play.view(), "a succeeded; Succeeded");
}

#[test]
fn a_step_whose_engine_always_dies_fails_at_last() {
    let mut play = Play::started([step("a")]);
    for _ in 1..=5 {
        play.lost("a");
    }
    play.lost("a");
    let StepState::Failed {
        attempts: 6, failure, ..
    } = play.step("a")
    else {
        panic!("{}", play.view())
    };
    assert_eq!(failure.class, FailureClass::WorkerLost);
}

#[test]
fn a_worker_killed_under_a_step_is_forgiven_twice_in_a_row() {
    let mut play = Play::started([step("a")]);
    for _ in 1..=2 {
        play.fails("a", FailureClass::WorkerLost);
        assert!(matches!(play.step("a"), StepState::Retrying { .. }));
        play.passes(Millis(10_000));
    }
    play.fails("a", FailureClass::WorkerLost);
    assert_eq!(play.view(), "a failed; Failed");
}

#[test]
fn a_clock_set_back_makes_no_retry_wait_for_the_lost_time() {
    let mut play = Play::started([step("a").attempts(2)]);
    play.passes(Millis(86_400_000));
    play.fails("a", IO);
    play.now = Timestamp(5);
    play.decide(Input::Tick);
    assert_eq!(play.ready(), ["a"]);
}

#[test]
fn a_reused_result_counts_as_the_steps_own() {
    let mut play = Play::started([step("a"), step("b").takes(&["a"])]);
    reuse(&mut play, "a");
    assert_eq!(play.ready(), ["b"]);
    assert_eq!(play.view(), "a succeeded (reused), b ready; Running");
}

#[test]
fn a_rejected_step_has_failed() {
    let mut play = Play::started([step("a").attempts(5), step("b").needs(&["a"])]);
    play.decide(Input::Reject {
        step: 0,
        failure: Failure::new(IO, "no such file"),
    });
    assert_eq!(play.view(), "a failed, b skipped (after a); Failed");
}
