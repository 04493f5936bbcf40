//! `if`, and what expressions see.

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
