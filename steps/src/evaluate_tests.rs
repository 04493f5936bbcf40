use super::*;
use crate::testbed::{Bed, Ended};
use crate::train::TrainClassifier;
use polars::df;
use polars::prelude::DataFrame;
use std::collections::BTreeSet;
use trainyard_contract::OutputValue;
use trainyard_contract::Shape;
use trainyard_contract::task::TaskInput;

const OUTPUTS: &[(&str, ArtifactKind)] = &[
    ("report", ArtifactKind::Report),
    ("metrics", ArtifactKind::Metrics),
    ("passed", ArtifactKind::Boolean),
];

fn rows(count: i32, shift: i32) -> DataFrame {
    let hour: Vec<i16> = (0..count).map(|row| ((row * 7 + shift) % 24) as i16).collect();
    let distance: Vec<i16> = (0..count)
        .map(|row| ((row * 131 + shift * 17) % 997) as i16)
        .collect();
    let carrier: Vec<&str> = (0..count)
        .map(|row| ["A", "B", "<C>"][((row / 24 + shift) % 3) as usize])
        .collect();
    let late: Vec<bool> = (0..count as usize)
        .map(|row| (hour[row] > 14) != (carrier[row] == "B" && distance[row] > 300) || row % 17 == 0)
        .collect();
    df! {"hour" => hour, "distance" => distance, "carrier" => carrier, "late" => late}.unwrap()
}

fn trained(bed: &Bed, with: Value) -> ArtifactRef {
    bed.run(&TrainClassifier, with, &[("model", ArtifactKind::Model)])
        .unwrap()
        .artifact("model")
        .clone()
}

fn output(artifact: ArtifactRef) -> TaskInput {
    TaskInput::Output(OutputValue::Artifact(Box::new(artifact)))
}

/// A boosted model, and a linear one as baseline.
fn bed() -> Bed {
    let mut bed = Bed::new()
        .table("train", rows(900, 0))
        .table("test", rows(600, 4));
    let model = trained(&bed, json!({"label": "late", "n_rounds": 30}));
    let linear = trained(&bed, json!({"label": "late", "algorithm": "logistic_regression"}));
    bed.inputs.insert("model".into(), output(model));
    let cell = serde_json::from_value(json!({"algorithm": "logistic_regression"})).unwrap();
    let collected = vec![(cell, OutputValue::Artifact(Box::new(linear)))];
    bed.inputs
        .insert("baselines".into(), TaskInput::Collected(collected));
    bed.inputs.insert("champion".into(), TaskInput::Absent);
    bed
}

fn with_champion() -> Bed {
    let mut bed = bed();
    let artifact = trained(&bed, json!({"label": "late", "algorithm": "logistic_regression"}));
    let champion = TaskInput::Registered {
        name: "late".into(),
        version: 3,
        model: Box::new(artifact),
    };
    bed.inputs.insert("champion".into(), champion);
    bed
}

fn passed(ended: &Ended) -> bool {
    ended.report.outputs["passed"] == OutputValue::Value(json!(true))
}

#[test]
fn the_report_has_every_number_and_picture_and_nothing_that_runs() {
    let bed = with_champion();
    let with = json!({
        "slices": ["carrier"], "explain": {"top": 2}, "fairness": {"sensitive": ["carrier"]},
        "gates": [
            {"metric": "roc_auc", "must_be_at_least": 0.6},
            {"metric": "roc_auc", "compare_to": "champion", "must_be_at_least": 0, "use": "lower_bound"}
        ]
    });
    let ended = bed.run(&EvaluateClassifier, with, OUTPUTS).unwrap();
    let page = String::from_utf8(ended.bytes("report")).unwrap();
    for piece in [
        "ROC curve",
        "Precision and recall",
        "Calibration",
        "Permutation importance",
        "SHAP values",
        "Single rows",
        "Fairness by carrier",
        "Passed: all 2 gates hold",
        "n = 600",
        "DeLong",
        "prefers-color-scheme: dark",
        "champion late version 3",
        "baseline algorithm=logistic_regression",
        "&lt;C&gt;",
    ] {
        assert!(page.contains(piece), "{piece}");
    }
    for forbidden in [
        "<script", "<C>", "http://", "https://", "style=\"", "onload", "<img", "<link", "NaN",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    let twin = ended.json("report");
    assert_eq!(twin["passed"], true);
    assert_eq!(twin["importance"].as_array().unwrap().len(), 2);
    assert_eq!(twin["shap"]["mean_absolute"].as_array().unwrap().len(), 3);
    assert_eq!(twin["slices"]["carrier"].as_array().unwrap().len(), 3);
    let metric = &twin["metrics"]["roc_auc"];
    assert!(
        metric["low"].as_f64() < metric["value"].as_f64()
            && metric["value"].as_f64() < metric["high"].as_f64()
    );
    let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
    assert_eq!(metrics["roc_auc"], metric["value"]);
    assert!(metrics["roc_auc"].as_f64() > metrics["champion_roc_auc"].as_f64());
}

#[test]
fn the_same_rows_give_the_same_bytes_even_with_a_latency_gate() {
    let with = json!({
        "slices": ["carrier"], "explain": {},
        "gates": [{"metric": "latency_p99", "must_be_at_most": "5s"}]
    });
    let (one, two) = (bed(), bed());
    let first = one.run(&EvaluateClassifier, with.clone(), OUTPUTS).unwrap();
    let second = two.run(&EvaluateClassifier, with, OUTPUTS).unwrap();
    for name in ["report", "metrics"] {
        assert_eq!(first.artifact(name).hash, second.artifact(name).hash, "{name}");
    }
    assert_eq!(first.json("report"), second.json("report"));
    assert!(passed(&first) && first.report.metrics.contains_key("latency_ms_p99"));
    assert!(
        first
            .log
            .iter()
            .any(|line| line.starts_with("one prediction takes"))
    );
}

#[test]
fn gates_hold_or_not_and_say_what_was_found() {
    let bed = with_champion();
    let answered = |gate: Value| {
        let ended = bed
            .run(&EvaluateClassifier, json!({"gates": [gate]}), OUTPUTS)
            .unwrap();
        let found = ended.json("report")["gates"][0]["found"]
            .as_str()
            .unwrap()
            .to_owned();
        (passed(&ended), found)
    };
    assert!(answered(json!({"metric": "roc_auc", "must_be_at_least": 0.6})).0);
    assert!(!answered(json!({"metric": "roc_auc", "must_be_at_least": 0.999_9})).0);
    let better = answered(json!({"metric": "roc_auc", "compare_to": "champion", "must_be_at_least": 0.0}));
    assert!(better.0 && better.1.starts_with('+'), "{better:?}");
    let worse = answered(json!({"metric": "log_loss", "compare_to": "baselines", "must_be_at_least": 0.0}));
    assert!(!worse.0 && worse.1.starts_with('-'), "{worse:?}");
    let spread =
        answered(json!({"metric": "roc_auc", "slice": "carrier", "min_rows": 50, "spread_at_most": 0.000_1}));
    assert!(!spread.0 && spread.1.contains("3 slices"), "{spread:?}");
    let few =
        answered(json!({"metric": "roc_auc", "slice": "carrier", "min_rows": 5_000, "spread_at_most": 1.0}));
    assert_eq!(few, (false, "no slice has enough rows to define it".to_owned()));
    assert!(!answered(json!({"metric": "latency_p50", "must_be_at_most": 0})).0);
}

#[test]
fn without_a_champion_the_comparison_is_not_applied_and_that_is_said_everywhere() {
    let champion = json!({"metric": "roc_auc", "compare_to": "champion", "must_be_at_least": 0.5});
    let plain = json!({"metric": "roc_auc", "must_be_at_least": 0.6});
    let ended = bed()
        .run(&EvaluateClassifier, json!({"gates": [champion, plain]}), OUTPUTS)
        .unwrap();
    assert!(passed(&ended));
    let gate = &ended.json("report")["gates"][0];
    assert_eq!(
        (&gate["found"], &gate["applied"], &gate["passed"]),
        (
            &json!("no champion yet: gate not applied"),
            &json!(false),
            &json!(true)
        )
    );
    let headline = ended.report.headline.clone().unwrap();
    assert!(
        headline.ends_with(", 1 gate passed, no champion yet: 1 gate not applied"),
        "{headline}"
    );
    assert_eq!(ended.report.metrics["gates_not_applied"], 1.0);
    assert_eq!(ended.report.metrics["gates_passed"], 1.0);
    let page = String::from_utf8(ended.bytes("report")).unwrap();
    assert!(page.contains("Passed: 1 gates hold, 1 not applied"));
    assert!(page.contains("<span class=\"mark none\">not applied</span>"));
    assert!(
        ended
            .log
            .iter()
            .any(|line| line.starts_with("gate not applied: roc_auc minus the champion's"))
    );
}

#[test]
fn a_gate_may_demand_a_champion() {
    let gate = json!({"metric": "roc_auc", "compare_to": "champion", "must_be_at_least": 0.5, "when_missing": "fail"});
    let ended = bed()
        .run(&EvaluateClassifier, json!({"gates": [gate]}), OUTPUTS)
        .unwrap();
    assert!(!passed(&ended));
    assert_eq!(
        ended.json("report")["gates"][0]["found"],
        "no champion yet, and the gate demands one (`when_missing: fail`)"
    );
}

#[test]
fn a_metric_that_the_rows_do_not_define_says_why() {
    // Nothing is called positive at this threshold, so precision is a share of nothing.
    let ended = bed()
        .run(
            &EvaluateClassifier,
            json!({"metrics": ["roc_auc", "precision"], "threshold": 0.9999}),
            OUTPUTS,
        )
        .unwrap();
    let metric = ended.json("report")["metrics"]["precision"].clone();
    assert_eq!(metric["value"], Value::Null, "{metric}");
    let why = metric["why"].as_str().unwrap();
    let page = String::from_utf8(ended.bytes("report")).unwrap();
    assert!(
        page.contains(&format!(
            "precision has no value on these rows: {}",
            crate::page::escape(why)
        )),
        "{why}"
    );
    assert!(!ended.report.metrics.contains_key("precision"));
}

#[test]
fn a_champion_that_needs_other_columns_is_not_beaten_by_that() {
    let mut bed = bed();
    let other = Bed::new().table("train", rows(300, 1).lazy_rename());
    let artifact = trained(
        &other,
        json!({"label": "late", "features": ["hour", "far"], "algorithm": "decision_tree"}),
    );
    let bytes = trainyard_contract::Objects::new(other.folder.path().join("objects"))
        .get(&artifact.hash)
        .unwrap();
    trainyard_contract::Objects::new(bed.folder.path().join("objects"))
        .put(&bytes)
        .unwrap();
    bed.inputs.insert("champion".into(), output(artifact));
    let gate = json!({"metric": "roc_auc", "compare_to": "champion", "must_be_at_least": -1.0});
    let ended = bed
        .run(&EvaluateClassifier, json!({"gates": [gate]}), OUTPUTS)
        .unwrap();
    assert!(!passed(&ended));
    let found = ended.json("report")["gates"][0]["found"].to_string();
    assert!(found.contains("column `far` is missing"), "{found}");
}

trait Rename {
    fn lazy_rename(self) -> DataFrame;
}

impl Rename for DataFrame {
    fn lazy_rename(mut self) -> DataFrame {
        self.rename("distance", "far".into()).unwrap();
        self
    }
}

#[test]
fn a_failed_gate_fails_the_step_only_if_asked() {
    let gates = json!([{"metric": "roc_auc", "must_be_at_least": 1.0}]);
    let bed = bed();
    let calm = bed
        .run(&EvaluateClassifier, json!({"gates": gates}), OUTPUTS)
        .unwrap();
    assert!(!passed(&calm));
    let with = json!({"gates": gates, "on_gate_failure": "fail"});
    let error = bed.run(&EvaluateClassifier, with, OUTPUTS).unwrap_err();
    assert_eq!(error.failure.class, trainyard_contract::FailureClass::GateFailed);
    assert!(
        error
            .to_string()
            .starts_with("1 of 1 gates failed: roc_auc at least 1"),
        "{error}"
    );
}

#[test]
fn faults_are_found_before_the_run() {
    let bed = bed();
    let model = Shape::Model {
        features: crate::dataset::bare_schema(rows(1, 0).drop("late").unwrap().schema(), None),
        label: Some("is_late".into()),
    };
    let mut inputs = bed.shapes();
    inputs.insert("model".into(), model);
    inputs.shift_remove("champion");
    let with = json!({
        "slices": ["carier"],
        "gates": [
            {"metric": "roc_auc"},
            {"metric": "roc_auc", "compare_to": "champion", "must_be_at_least": 0},
            {"metric": "roc_auc", "slice": "orign", "spread_at_most": 0.1}
        ]
    });
    let inference = EvaluateClassifier.infer(&InferRequest {
        step: "evaluate",
        with: &with,
        unknown: &BTreeSet::new(),
        inputs: &inputs,
        outputs: &indexmap::IndexMap::new(),
        contracts: &BTreeMap::new(),
        features: &Default::default(),
    });
    let found: Vec<String> = inference
        .findings
        .iter()
        .map(|f| format!("{} {}", f.code, f.path))
        .collect();
    assert_eq!(
        found,
        [
            "S01 with.gates[0]",
            "M08/gate-without-champion with.gates[1].compare_to",
            "D01 with.slices[0]",
            "D01 with.gates[2].slice",
            "D01 inputs.test"
        ]
    );
    assert_eq!(
        inference.findings[2].help.as_deref(),
        Some("did you mean `carrier`?")
    );
    assert!(inference.uses["test"].contains("hour"));
}

#[test]
fn faults_of_gates_thresholds_and_groups_stand_at_their_place() {
    let bed = bed();
    let places = |with: Value| -> Vec<String> {
        let answer = bed.infer(&EvaluateClassifier, with, OUTPUTS);
        answer
            .findings
            .iter()
            .map(|finding| format!("{} {}", finding.code, finding.path))
            .collect()
    };
    let gate = |gate: Value| places(json!({"gates": [gate]}));
    assert_eq!(
        gate(json!({"metric": "ece", "must_be_at_most": 0.1, "use": "upper_bound"})),
        ["S01 with.gates[0].use"]
    );
    assert_eq!(
        gate(json!({"metric": "roc_auc", "must_be_at_least": "20ms"})),
        ["S01 with.gates[0].must_be_at_least"]
    );
    assert_eq!(
        gate(json!({"metric": "recall", "fairness": "carier", "difference_at_most": 0.1})),
        ["D01 with.gates[0].fairness"]
    );
    assert_eq!(places(json!({"threshold": 1.5})), ["S01 with.threshold"]);
    assert_eq!(
        places(json!({"threshold": {"by": "cost"}})),
        ["S01 with.threshold"]
    );
    assert_eq!(
        places(json!({"fairness": {"sensitive": ["carrier", "sx"]}})),
        ["D01 with.fairness.sensitive[1]"]
    );
}

#[test]
fn the_schema_has_every_metric_as_a_fixed_value_so_that_a_misspelt_one_is_told_its_neighbour() {
    for (step, of, names) in [
        (
            &EvaluateClassifier as &dyn Step,
            "ClassifierMetric",
            ["roc_auc", "f0_5", "latency_p95"],
        ),
        (
            &EvaluateRegressor,
            "RegressorMetric",
            ["rmse", "d2_pinball", "latency_p95"],
        ),
    ] {
        let schema = step.signature().params;
        let options = schema["$defs"][of]["oneOf"].as_array().unwrap();
        let fixed: Vec<&str> = options
            .iter()
            .filter_map(|option| option["const"].as_str())
            .collect();
        assert_eq!(fixed.len(), options.len());
        assert!(names.iter().all(|name| fixed.contains(name)), "{fixed:?}");
        assert!(options.iter().all(|option| option["description"].is_string()));
    }
}
