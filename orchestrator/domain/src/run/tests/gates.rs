//! Approvals.

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
