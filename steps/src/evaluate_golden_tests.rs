//! Whole evaluations beside scikit-learn and fairlearn; `evaluate/golden/evaluation.py` made the values.
//!
//! The models are decision trees over one column whose leaves are the shares that the script took for
//! predictions, so the numbers of the step can be held against those of the script.

use crate::evaluate::{EvaluateClassifier, EvaluateRegressor};
use crate::testbed::{Bed, Ended};
use polars::df;
use polars::prelude::DataFrame;
use serde_json::{Value, json};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{ArtifactKind, ArtifactRef, Objects, OutputValue, Step};
use trainyard_models::{
    Algorithm, Flow, Frame, FrameColumn, Label, Preprocessing, Task, Training, TreeParams, Values, train,
};

const OUTPUTS: &[(&str, ArtifactKind)] = &[
    ("report", ArtifactKind::Report),
    ("metrics", ArtifactKind::Metrics),
    ("passed", ArtifactKind::Boolean),
    ("threshold", ArtifactKind::Number),
];

fn golden(part: &str) -> Value {
    let text = include_str!("evaluate/golden/evaluation.json");
    serde_json::from_str::<Value>(text).unwrap()[part].clone()
}

fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

fn texts(values: &Value) -> Vec<String> {
    let values = values.as_array().unwrap();
    values
        .iter()
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

/// A tree over `column` with a leaf for each of its values.
fn tree(column: &str, values: Vec<f64>, target: &[f64], label: &str, task: Task) -> Vec<u8> {
    let frame = Frame::new(vec![FrameColumn {
        name: column.to_owned(),
        values: Values::Numeric(values),
    }])
    .unwrap();
    let training = Training {
        algorithm: Algorithm::DecisionTree(TreeParams::default()),
        preprocessing: Preprocessing::default(),
        label: Label {
            name: label.to_owned(),
            task,
        },
        frame: &frame,
        target,
        weights: None,
        class_weight: trainyard_models::ClassWeight::None,
        valid: None,
        calibration: None,
        seed: 1,
        threads: 1,
    };
    train(&training, &mut |_| Flow::GoOn).unwrap().to_bytes().unwrap()
}

/// Twenty training rows for each place, of each class as many as its share says.
fn shares(places: &[(f64, Vec<usize>)]) -> (Vec<f64>, Vec<f64>) {
    let mut rows = (Vec::new(), Vec::new());
    for (place, counts) in places {
        for (class, count) in counts.iter().enumerate() {
            rows.0.extend(vec![*place; *count]);
            rows.1.extend(vec![class as f64; *count]);
        }
    }
    rows
}

fn with_model(mut bed: Bed, input: &str, bytes: &[u8]) -> Bed {
    let objects = Objects::new(bed.folder.path().join("objects"));
    let artifact = ArtifactRef {
        kind: ArtifactKind::Model,
        hash: objects.put(bytes).unwrap(),
        size: bytes.len() as u64,
        media_type: trainyard_models::Model::MEDIA_TYPE.to_owned(),
        rows: None,
        schema: None,
        summary: Value::Null,
    };
    bed.inputs.insert(
        input.to_owned(),
        TaskInput::Output(OutputValue::Artifact(Box::new(artifact))),
    );
    bed
}

/// A model of lateness from twentieths in `column`.
fn late_model(column: &str) -> Vec<u8> {
    let places: Vec<(f64, Vec<usize>)> = (1..20)
        .map(|place| (place as f64, vec![20 - place, place]))
        .collect();
    let (values, target) = shares(&places);
    let task = Task::Binary {
        negative: "0".into(),
        positive: "1".into(),
    };
    tree(column, values, &target, "late", task)
}

fn two_classes() -> (Bed, Value) {
    let golden = golden("two_classes");
    let late: Vec<i64> = numbers(&golden["late"]).iter().map(|late| *late as i64).collect();
    let rows = df! {
        "place" => numbers(&golden["place"]), "other" => numbers(&golden["other"]), "late" => late,
        "sex" => texts(&golden["sex"]), "region" => texts(&golden["region"]),
    }
    .unwrap();
    let bed = Bed::new().table("valid", rows.clone()).table("test", rows);
    let bed = with_model(bed, "model", &late_model("place"));
    (with_model(bed, "champion", &late_model("other")), golden)
}

fn run(bed: &Bed, step: &dyn Step, with: Value) -> Ended {
    bed.run(step, with, OUTPUTS).unwrap()
}

fn equal(found: &Value, expected: &Value, name: &str) {
    let (found, expected) = (found.as_f64(), expected.as_f64().unwrap());
    let near = found.is_some_and(|found| (found - expected).abs() <= 1e-9 * expected.abs().max(1.0));
    assert!(near, "{name}: {found:?} is not {expected}");
}

fn equal_metrics(twin: &Value, expected: &Value) {
    for (name, expected) in expected.as_object().unwrap() {
        equal(&twin["metrics"][name]["value"], expected, name);
    }
}

fn names(expected: &Value) -> Vec<&String> {
    expected.as_object().unwrap().keys().collect()
}

#[test]
fn metrics_of_two_classes_are_those_of_scikit_learn() {
    let (bed, golden) = two_classes();
    let ended = run(
        &bed,
        &EvaluateClassifier,
        json!({"metrics": names(&golden["metrics"]), "slices": ["region"]}),
    );
    let twin = ended.json("report");
    equal_metrics(&twin, &golden["metrics"]);
    assert_eq!(twin["confusion"], golden["confusion"]);
    equal(
        &twin["champion"]["metrics"]["roc_auc"],
        &golden["other_roc_auc"],
        "champion",
    );
    for part in twin["slices"]["region"].as_array().unwrap() {
        let expected = &golden["by_region"][part["value"].as_str().unwrap()];
        assert_eq!(part["rows"], expected["rows"]);
        equal(
            &part["metrics"]["accuracy"],
            &expected["accuracy"],
            "accuracy of a region",
        );
    }
    let bins = twin["curves"]["calibration"].as_array().unwrap();
    for (at, bin) in bins.iter().enumerate() {
        equal(
            &bin["observed"],
            &golden["calibration"]["observed"][at],
            "observed",
        );
        let expected = &golden["calibration"]["mean_probability"][at];
        equal(&bin["mean_probability"], expected, "mean probability");
    }
    assert_eq!(
        bins.len(),
        golden["calibration"]["observed"].as_array().unwrap().len()
    );
}

#[test]
fn every_figure_but_those_that_have_none_stands_in_an_interval_whose_method_is_named() {
    let (bed, golden) = two_classes();
    let mut metrics: Vec<String> = names(&golden["metrics"]).into_iter().cloned().collect();
    metrics.extend(["g_mean", "ks", "lift_10", "ece", "mce"].map(str::to_owned));
    let ended = run(&bed, &EvaluateClassifier, json!({"metrics": metrics}));
    let twin = ended.json("report");
    for name in &metrics {
        let figure = &twin["metrics"][name];
        if name == "ece" || name == "mce" {
            assert!(figure.get("low").is_none(), "{name}");
            continue;
        }
        let (low, value, high) = (
            figure["low"].as_f64().unwrap(),
            figure["value"].as_f64().unwrap(),
            figure["high"].as_f64().unwrap(),
        );
        assert!(low < high && low <= value && value <= high, "{name}: {figure}");
        assert!(!figure["method"].as_str().unwrap().is_empty(), "{name}");
    }
    // This model and the champion differ in every metric by what their values say.
    for compared in twin["champion"]["compared"].as_array().unwrap() {
        let name = compared["metric"].as_str().unwrap();
        let own = twin["metrics"][name]["value"].as_f64().unwrap();
        let others = twin["champion"]["metrics"][name].as_f64().unwrap();
        equal(&compared["difference"], &json!(own - others), name);
        let p = compared["p_value"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&p), "{name}: {p}");
    }
}

#[test]
fn fairness_is_that_of_fairlearn_and_small_groups_are_flagged() {
    let (bed, golden) = two_classes();
    let with = json!({"fairness": {"sensitive": ["sex", "region"], "crossed": true}});
    let ended = run(&bed, &EvaluateClassifier, with);
    let twin = ended.json("report");
    let found = twin["fairness"].as_array().unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[2]["by"], "sex × region");
    assert_eq!(found[2]["groups"][0]["value"], "f, east");
    for fairness in &found[..2] {
        let expected = &golden["fairness"][fairness["by"].as_str().unwrap()];
        for disparity in fairness["disparities"].as_array().unwrap() {
            let rate = &expected[disparity["metric"].as_str().unwrap()];
            for kind in ["difference", "ratio"] {
                equal(&disparity[kind]["value"], &rate[kind], kind);
                let interval = numbers(&disparity[kind]["interval"]);
                assert!(0.0 <= interval[0] && interval[0] < interval[1], "{disparity}");
            }
        }
        for group in fairness["groups"].as_array().unwrap() {
            let name = group["value"].as_str().unwrap();
            for (rate, figure) in group["metrics"].as_object().unwrap() {
                equal(&figure["value"], &expected[rate]["groups"][name], rate);
            }
            assert_eq!(group["small"], group["rows"].as_u64() < Some(30), "{name}");
        }
    }
    let west = found[1]["groups"].as_array().unwrap();
    assert!(
        west.iter()
            .any(|group| group["value"] == "west" && group["small"] == true)
    );
}

#[test]
fn a_threshold_is_chosen_as_told_and_handed_on() {
    let (bed, golden) = two_classes();
    let costs = json!({"false_positive": 1, "false_negative": 5});
    let cases = [
        ("f_beta", json!({"by": "f_beta"})),
        ("youden", json!({"by": "youden"})),
        ("cost", json!({"by": "cost"})),
        ("precision", json!({"by": "precision", "at_least": 0.7})),
    ];
    for (name, threshold) in cases {
        let with = json!({"threshold": threshold, "costs": costs, "find_slices": {"most": 0}});
        let ended = run(&bed, &EvaluateClassifier, with);
        let twin = ended.json("report");
        equal(&twin["threshold"], &golden["thresholds"][name], name);
        assert_eq!(
            ended.report.outputs["threshold"],
            OutputValue::Value(twin["threshold"].clone())
        );
        let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
        assert_eq!(metrics["threshold"], twin["threshold"]);
        assert_eq!(twin["threshold_from"]["on_test"], false);
        if name == "cost" {
            equal(&metrics["cost"], &golden["thresholds"]["cost_of_a_row"], "cost");
        }
    }
}

#[test]
fn a_threshold_chosen_on_the_test_rows_is_said_to_flatter() {
    let (mut bed, _) = two_classes();
    bed.inputs.shift_remove("valid");
    let ended = run(&bed, &EvaluateClassifier, json!({"threshold": {"by": "youden"}}));
    assert_eq!(ended.json("report")["threshold_from"]["on_test"], true);
    let page = String::from_utf8(ended.bytes("report")).unwrap();
    assert!(page.contains("which flatters every figure of decisions"));
    assert!(
        ended
            .log
            .iter()
            .any(|line| line.starts_with("warning: the threshold"))
    );
    let impossible = json!({"threshold": {"by": "precision", "at_least": 1.0}});
    let error = bed.run(&EvaluateClassifier, impossible, OUTPUTS).unwrap_err();
    assert!(error.to_string().contains("a precision of at least 1"), "{error}");
}

#[test]
fn gates_take_bounds_of_intervals_groups_and_what_is_missing() {
    let (bed, _) = two_classes();
    let passed = |gate: Value| {
        let ended = run(
            &bed,
            &EvaluateClassifier,
            json!({"gates": [gate], "find_slices": {"most": 0}}),
        );
        let found = ended.json("report")["gates"][0].clone();
        (
            found["passed"] == true,
            found["found"].as_str().unwrap().to_owned(),
        )
    };
    // 0.744, and its lower bound lies below 0.72.
    assert!(passed(json!({"metric": "roc_auc", "must_be_at_least": 0.72})).0);
    assert!(!passed(json!({"metric": "roc_auc", "must_be_at_least": 0.72, "use": "lower_bound"})).0);
    assert!(passed(json!({"metric": "roc_auc", "must_be_at_least": 0.65, "use": "lower_bound"})).0);
    // Accuracy by region is apart by 0.144.
    let apart = |most: f64| json!({"metric": "accuracy", "fairness": "region", "difference_at_most": most});
    assert!(passed(apart(0.15)).0);
    let found = passed(apart(0.1));
    assert!(!found.0 && found.1.contains("0.1444"), "{found:?}");
    let ratio = json!({"metric": "selection_rate", "fairness": "region", "ratio_at_least": 0.9});
    assert!(passed(ratio).0);
    let ratio = json!({"metric": "selection_rate", "fairness": "region", "ratio_at_least": 0.9, "use": "lower_bound"});
    assert!(!passed(ratio).0);
    let missing = json!({"metric": "kappa_quadratic", "must_be_at_least": 0.1});
    assert_eq!(passed(missing), (false, "these rows do not define it".to_owned()));
    let missing = json!({"metric": "kappa_quadratic", "must_be_at_least": 0.1, "when_missing": "pass"});
    assert!(passed(missing).0);
    let fast = json!({"metric": "rows_per_second", "must_be_greater_than": 1});
    assert!(passed(fast).0);
}

#[test]
fn metrics_of_several_classes_are_those_of_scikit_learn() {
    let golden = golden("several_classes");
    let places: Vec<(f64, Vec<usize>)> = golden["shares"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(place, counts)| {
            (
                place as f64,
                numbers(counts).iter().map(|count| *count as usize).collect(),
            )
        })
        .collect();
    let (values, target) = shares(&places);
    let classes = ["bus", "car", "train"].map(str::to_owned).to_vec();
    let model = tree("place", values, &target, "way", Task::Multiclass { classes });
    let rows = df! {"place" => numbers(&golden["place"]), "way" => texts(&golden["label"])}.unwrap();
    let bed = with_model(Bed::new().table("test", rows), "model", &model);
    let with = json!({
        "metrics": names(&golden["metrics"]), "explain": {},
        "gates": [{"metric": "accuracy", "must_be_at_least": 0.5}]
    });
    let ended = run(&bed, &EvaluateClassifier, with);
    let twin = ended.json("report");
    equal_metrics(&twin, &golden["metrics"]);
    assert_eq!(twin["confusion"], golden["confusion"]);
    assert_eq!(twin["passed"], true);
    assert_eq!(twin["each_class"].as_array().unwrap().len(), 3);
    assert!(!ended.report.outputs.contains_key("threshold"));
    adds_up(&twin);
}

/// SHAP values of each example lead from the mean to its prediction.
fn adds_up(twin: &Value) {
    let examples = twin["shap"]["examples"].as_array().unwrap();
    assert!(examples.len() >= 2);
    for example in examples {
        let adds = example["adds"].as_array().unwrap().iter();
        let sum: f64 = adds.map(|adds| adds["adds"].as_f64().unwrap()).sum();
        equal(
            &example["sum"],
            &json!(example["base"].as_f64().unwrap() + sum),
            "sum",
        );
    }
}

fn regression() -> (Bed, Value) {
    let golden = golden("numbers");
    let values: Vec<f64> = (20..81 * 20).map(|at| f64::from(at / 20) * 0.25).collect();
    let model = tree("x", values.clone(), &values, "minutes", Task::Regression);
    let group: Vec<&str> = (0..400)
        .map(|row| if row % 3 == 0 { "old" } else { "new" })
        .collect();
    let rows: DataFrame =
        df! {"x" => numbers(&golden["x"]), "minutes" => numbers(&golden["label"]), "group" => group}.unwrap();
    let bed = Bed::new().table("test", rows);
    let bed = with_model(bed, "model", &model);
    (with_model(bed, "champion", &model), golden)
}

#[test]
fn metrics_of_a_regression_are_those_of_scikit_learn() {
    let (bed, golden) = regression();
    let with = json!({
        "metrics": names(&golden["metrics"]), "quantile": 0.9, "slices": ["group"], "explain": {},
        "fairness": {"sensitive": ["group"]},
        "gates": [
            {"metric": "rmse", "must_be_at_most": 5.0},
            {"metric": "mae", "compare_to": "champion", "must_be_at_most": 0.0},
            {"metric": "mae", "fairness": "group", "difference_at_most": 5.0}
        ]
    });
    let ended = run(&bed, &EvaluateRegressor, with);
    let twin = ended.json("report");
    equal_metrics(&twin, &golden["metrics"]);
    assert_eq!(twin["passed"], true, "{}", twin["gates"]);
    // Beside itself there is no difference in anything.
    for compared in twin["champion"]["compared"].as_array().unwrap() {
        assert_eq!(
            (&compared["difference"], &compared["p_value"]),
            (&json!(0.0), &json!(1.0))
        );
    }
    adds_up(&twin);
}

#[test]
fn each_step_refuses_the_models_of_the_other() {
    let (bed, _) = regression();
    let error = bed.run(&EvaluateClassifier, json!({}), OUTPUTS).unwrap_err();
    assert!(
        error.to_string().contains("does not tell classes apart"),
        "{error}"
    );
    let (bed, _) = two_classes();
    let error = bed.run(&EvaluateRegressor, json!({}), OUTPUTS).unwrap_err();
    assert!(error.to_string().contains("does not predict a number"), "{error}");
}

#[test]
fn the_report_of_a_regression_is_the_same_every_time_and_has_nothing_that_runs() {
    let with = json!({"explain": {}, "slices": ["group"], "metrics": ["rmse", "r2", "latency_p95"]});
    let first = run(&regression().0, &EvaluateRegressor, with.clone());
    let second = run(&regression().0, &EvaluateRegressor, with);
    assert_eq!(first.artifact("report").hash, second.artifact("report").hash);
    assert_eq!(first.json("report"), second.json("report"));
    assert!(first.report.metrics.contains_key("latency_ms_p95"));
    let page = String::from_utf8(first.bytes("report")).unwrap();
    for forbidden in ["<script", "http://", "https://", "style=\"", "NaN", "inf\""] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}
