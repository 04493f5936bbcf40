//! What a run does, rule by rule.

use super::fixture::{Draft, Play, definition, rule, run_id, step};
use super::*;
use trainyard_contract::task::Failure;
use trainyard_contract::{ContentHash, FailureClass, Millis};

const IO: FailureClass = FailureClass::IoError;
const NO: FailureClass = FailureClass::Rejected;

fn cancel(play: &mut Play) {
    play.decide(Input::Cancel { by: "ada".to_owned() });
}

fn retry(play: &mut Play) -> Vec<What> {
    play.decide(Input::Retry { by: "ada".to_owned() })
}

fn reuse(play: &mut Play, name: &str) {
    let step = play.ix(name);
    let what = play.decide(Input::Reuse {
        step,
        key: ContentHash::of(b"key"),
        from: run_id(9),
        outputs: [("out".to_owned(), trainyard_contract::OutputValue::Value(7.into()))].into(),
        metrics: Default::default(),
        headline: None,
    });
    assert!(matches!(what.first(), Some(What::StepReused { .. })), "{what:?}");
}

mod order {
    use super::*;

    #[test]
    fn a_step_starts_when_all_it_waits_for_is_over() {
        let mut play = Play::started([step("a"), step("b"), step("c").needs(&["a"]).takes(&["b"])]);
        assert_eq!(play.ready(), ["a", "b"]);
        play.ok("a");
        assert_eq!(play.ready(), ["b"]);
        play.ok("b");
        assert_eq!(play.ready(), ["c"]);
        play.ok("c");
        assert_eq!(play.view(), "a succeeded, b succeeded, c succeeded; Succeeded");
    }

    #[test]
    fn the_longest_remaining_path_starts_first() {
        let play = Play::started([
            step("alone"),
            step("last").needs(&["middle"]),
            step("middle").needs(&["first"]),
            step("first"),
        ]);
        assert_eq!(play.ready(), ["first", "alone"]);
    }

    #[test]
    fn a_run_without_steps_succeeds_at_once() {
        assert_eq!(Play::started([]).view(), "; Succeeded");
    }

    #[test]
    fn nothing_happens_before_the_start() {
        let mut play = Play::new([step("a")]);
        assert!(play.ready().is_empty());
        assert!(play.decide(Input::Launch { step: 0, key: None }).is_empty());
        assert!(play.decide(Input::Tick).is_empty());
        assert_eq!(play.view(), "a waiting; NotStarted");
    }
}

mod skips {
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
}

mod conditions {
    use super::*;

    fn gated(condition: &str) -> Play {
        let mut play = Play::started([
            step("evaluate"),
            step("register").needs(&["evaluate"]).when(condition),
        ]);
        play.ok("evaluate");
        play
    }

    #[test]
    fn a_condition_is_read_when_everything_upstream_is_over() {
        assert_eq!(gated("steps.evaluate.outputs.out == 7").ready(), ["register"]);
        assert_eq!(gated("steps.evaluate.metrics.auc > 0.7").ready(), ["register"]);
        assert_eq!(
            gated("steps.evaluate.outputs.out > 7").view(),
            "evaluate succeeded, register skipped (if); Succeeded"
        );
        assert_eq!(
            gated("steps.evaluate.status == 'succeeded' && environment.name == 'dev'").ready(),
            ["register"]
        );
    }

    #[test]
    fn a_condition_without_a_truth_fails_the_step() {
        for text in [
            "steps.evaluate.outputs.nothing",
            "steps.evaluate.outputs.out",
            "1 +",
        ] {
            let play = gated(text);
            assert_eq!(
                play.view(),
                "evaluate succeeded, register failed; Failed",
                "{text}"
            );
            let StepState::Failed { failure, .. } = play.step("register") else {
                panic!()
            };
            assert_eq!(failure.class, NO);
            assert!(
                failure.message.contains(text) && !failure.causes.is_empty(),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn a_matrix_step_is_a_list_of_its_cells_in_order() {
        let mut play = Play::started([
            step("train[a]"),
            step("train[b]"),
            step("tune").collects(&["train[a]", "train[b]"]).with(|i| {
                i.with = serde_json::json!({"cell": "${{ steps.train[1].matrix.cell }}", "n": "${{ steps.train[0].outputs.out }}"});
            }),
        ]);
        play.ok("train[a]");
        play.ok("train[b]");
        let with = play.run.render_with(play.ix("tune")).unwrap();
        assert_eq!(with, serde_json::json!({"cell": "b", "n": 7}));
    }
}

mod attempts {
    use super::*;

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
            },
            Input::Lost { step: 0, attempt: 1 },
            Input::Lost { step: 0, attempt: 3 },
            Input::Lost { step: 1, attempt: 1 },
            Input::Failed {
                step: 77,
                attempt: 1,
                failure: failure.clone(),
                resources: resources(),
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
        let StepState::Failed { attempts: 6, failure } = play.step("a") else {
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
}

mod matrices {
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
}

mod gates {
    use super::*;

    fn gate(min_approvals: u32) -> Play {
        Play::started([
            step("approve").gate(rule(min_approvals)),
            step("deploy").needs(&["approve"]),
        ])
    }

    #[test]
    fn a_gate_asks_and_opens_when_enough_people_agree() {
        let mut play = gate(2);
        assert_eq!(play.view(), "approve awaiting_approval, deploy waiting; Waiting");
        assert_eq!(
            play.run.due(),
            [
                Action::AskApproval { step: 0 },
                Action::WakeAt(play.now.plus(Millis(3_600_000))),
            ]
        );
        play.answers("approve", "bob", true);
        assert_eq!(play.view(), "approve awaiting_approval, deploy waiting; Waiting");
        play.answers("approve", "eve", true);
        assert_eq!(play.view(), "approve succeeded, deploy ready; Running");
        let StepState::Succeeded { headline, .. } = play.step("approve") else {
            panic!()
        };
        assert_eq!(headline.as_deref(), Some("approved by bob, eve"));
    }

    #[test]
    fn one_no_fails_the_gate() {
        let mut play = gate(2);
        play.answers("approve", "bob", false);
        assert_eq!(
            play.view(),
            "approve failed, deploy skipped (after approve); Failed"
        );
        let StepState::Failed { failure, .. } = play.step("approve") else {
            panic!()
        };
        assert_eq!(
            (failure.class, failure.message.as_str()),
            (FailureClass::GateFailed, "rejected by bob")
        );
    }

    #[test]
    fn answers_of_the_author_of_another_role_or_given_twice_do_not_count() {
        let mut play = gate(2);
        let refusal = |play: &Play, by: &str, role: Option<&str>| {
            play.run
                .judge_answer(0, by, role, by == "ada")
                .map_err(|refused| refused.to_string())
        };
        let risk = Some("model_risk");
        assert_eq!(
            refusal(&play, "ada", risk),
            Err("`approve` wants an answer from somebody else than its author, ada".to_owned())
        );
        assert_eq!(
            refusal(&play, "bob", Some("viewer")),
            Err("`approve` wants an answer from the role `model_risk`".to_owned())
        );
        assert!(refusal(&play, "bob", None).is_err());
        assert_eq!(play.answers("approve", "ada", true), []);
        play.answers("approve", "bob", true);
        assert_eq!(
            refusal(&play, "bob", risk),
            Err("bob has answered `approve` already".to_owned())
        );
        assert_eq!(play.answers("approve", "bob", true), []);
        assert_eq!(play.view(), "approve awaiting_approval, deploy waiting; Waiting");
        assert_eq!(
            play.run
                .judge_answer(1, "bob", risk, false)
                .unwrap_err()
                .to_string(),
            "`deploy` does not wait for an approval: it is waiting"
        );
    }

    #[test]
    fn silence_means_what_the_rule_says() {
        let mut play = gate(1);
        play.passes(Millis(3_600_000));
        assert_eq!(
            play.view(),
            "approve failed, deploy skipped (after approve); Failed"
        );
        let lenient = ApprovalRule {
            on_expire: OnExpire::Approve,
            ..rule(1)
        };
        let mut play = Play::started([step("approve").gate(lenient)]);
        play.passes(Millis(3_600_000));
        assert_eq!(play.view(), "approve succeeded; Succeeded");
    }

    #[test]
    fn an_answer_after_the_end_comes_too_late() {
        let mut play = gate(1);
        play.now = play.now.plus(Millis(3_600_000));
        let what = play.answers("approve", "bob", true);
        assert!(
            !what.iter().any(|what| matches!(what, What::ApprovalGiven { .. })),
            "{what:?}"
        );
        assert_eq!(
            play.view(),
            "approve failed, deploy skipped (after approve); Failed"
        );
    }

    #[test]
    fn a_step_of_another_kind_may_start_once_it_is_approved() {
        let mut play = Play::started([step("deploy").with(|i| i.approval = Some(rule(1)))]);
        play.answers("deploy", "bob", true);
        assert_eq!(play.ready(), ["deploy"]);
        play.ok("deploy");
        assert_eq!(play.view(), "deploy succeeded; Succeeded");
    }
}

mod hooks {
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
}

mod cancelling {
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
}

mod retrying {
    use super::*;

    #[test]
    fn a_retry_runs_again_what_failed_and_what_was_blocked_and_keeps_the_rest() {
        let mut play = Play::started([
            step("a"),
            step("b"),
            step("c").takes(&["a", "b"]),
            step("d").needs(&["c"]),
            step("e").never(),
        ]);
        play.ok("a");
        play.fails("b", NO);
        assert_eq!(
            play.view(),
            "a succeeded, b failed, c skipped (after b), d skipped (after b), e skipped (if); Failed"
        );
        retry(&mut play);
        assert_eq!(
            play.view(),
            "a succeeded, b ready, c waiting, d waiting, e skipped (if); Running"
        );
        assert_eq!(play.launch("b"), 2);
        play.ok("b");
        play.ok("c");
        play.ok("d");
        assert_eq!(
            play.view(),
            "a succeeded, b succeeded, c succeeded, d succeeded, e skipped (if); Succeeded"
        );
    }

    #[test]
    fn a_retry_gives_all_attempts_anew_and_asks_gates_again() {
        let mut play = Play::started([step("a").attempts(2), step("approve").gate(rule(1))]);
        play.answers("approve", "bob", false);
        play.fails("a", IO);
        play.passes(Millis(1000));
        play.fails("a", IO);
        assert_eq!(play.view(), "a failed, approve failed; Failed");
        retry(&mut play);
        assert_eq!(play.view(), "a ready, approve awaiting_approval; Running");
        play.fails("a", IO);
        assert!(matches!(play.step("a"), StepState::Retrying { attempt: 3, .. }));
    }

    #[test]
    fn a_cancelled_run_can_be_taken_up_again() {
        let mut play = Play::started([step("a"), step("b").needs(&["a"])]);
        play.ok("a");
        cancel(&mut play);
        retry(&mut play);
        assert_eq!(play.view(), "a succeeded, b ready; Running");
    }

    #[test]
    fn what_was_skipped_for_want_of_data_is_judged_again() {
        let mut play = Play::started([
            step("a").may_fail(),
            step("b").takes(&["a"]),
            step("hook").on_failure_of("a"),
            step("last").finally(),
        ]);
        play.fails("a", NO);
        play.ok("hook");
        play.ok("last");
        retry(&mut play);
        assert_eq!(
            play.view(),
            "a ready, b waiting, hook waiting, last waiting; Running"
        );
        play.ok("a");
        play.ok("b");
        play.ok("last");
        assert_eq!(
            play.view(),
            "a succeeded, b succeeded, hook skipped (not needed), last succeeded; Succeeded"
        );
    }

    #[test]
    fn there_is_nothing_to_retry_in_a_run_that_succeeded_or_goes_on() {
        let mut play = Play::started([step("a")]);
        assert_eq!(retry(&mut play), []);
        play.ok("a");
        assert_eq!(retry(&mut play), []);
    }
}

mod selecting {
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
}

mod definitions {
    use super::*;
    use std::sync::Arc;

    fn fault(change: impl FnOnce(&mut RunDefinition)) -> String {
        let mut definition = definition([step("a"), step("b").takes(&["a"])]);
        change(&mut definition);
        Run::new(run_id(1), Arc::new(definition)).unwrap_err().to_string()
    }

    #[test]
    fn a_definition_that_could_not_come_to_an_end_is_refused() {
        let edge = |instance, data| Upstream { instance, data };
        assert_eq!(
            fault(|d| d.version = 9),
            "the run's definition has version 9; this program reads version 1"
        );
        assert_eq!(
            fault(|d| d.instances[0].upstream.push(edge(7, false))),
            "`a` refers to instance 7, but there are 2"
        );
        assert_eq!(
            fault(|d| d.instances[0].upstream.push(edge(1, false))),
            "`a` waits for itself, directly or through others"
        );
        assert_eq!(
            fault(|d| d.instances[1].upstream[0].data = false),
            "`b` takes data from `a` without waiting for it"
        );
        assert_eq!(
            fault(|d| d.instances[0].hook = Some(Hook::Finally)),
            "`b` waits for the hook `a`, which starts after it"
        );
        assert_eq!(
            fault(|d| d.instances[0].retry.max_attempts = 0),
            "`a` has a limit of zero: max_attempts"
        );
        assert_eq!(
            fault(|d| {
                d.instances[0]
                    .inputs
                    .insert("x".to_owned(), BoundInput::Dataset("gone".to_owned()));
            }),
            "`a` reads dataset `gone`, which the definition lacks"
        );
    }

    #[test]
    fn a_cycle_is_named_by_a_step_on_it() {
        let drafts = [
            step("below").needs(&["x"]),
            step("x").needs(&["y"]),
            step("y").needs(&["x"]),
        ];
        let error = Run::new(run_id(1), Arc::new(definition(drafts))).unwrap_err();
        assert_eq!(
            error,
            InvalidDefinition::Cycle {
                instance: "x".to_owned()
            }
        );
    }
}
