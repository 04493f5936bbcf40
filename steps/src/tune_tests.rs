use super::*;
use crate::testbed::Bed;
use polars::df;
use polars::prelude::DataFrame;
use serde_json::{Value, json};
use trainyard_models::{Model, Predictor};

const OUTPUTS: &[(&str, ArtifactKind)] =
    &[("model", ArtifactKind::Model), ("metrics", ArtifactKind::Metrics)];

const ALL: &[(&str, ArtifactKind)] = &[
    ("model", ArtifactKind::Model),
    ("metrics", ArtifactKind::Metrics),
    ("trials", ArtifactKind::Table),
    ("timings", ArtifactKind::Table),
    ("report", ArtifactKind::Report),
];

/// Late when two waves of the hour agree, with some noise that no model can know.
fn flights(rows: i32, shift: i32) -> DataFrame {
    let hour: Vec<i16> = (0..rows).map(|row| ((row * 7 + shift) % 24) as i16).collect();
    let distance: Vec<i16> = (0..rows)
        .map(|row| ((row * 131 + shift * 17) % 997) as i16)
        .collect();
    let late: Vec<bool> = (0..rows as usize)
        .map(|row| {
            (hour[row] > 14) != (distance[row] > 600) || (row * 31 + shift as usize).is_multiple_of(11)
        })
        .collect();
    df! {"hour" => hour, "distance" => distance, "late" => late}.unwrap()
}

fn bed() -> Bed {
    Bed::new()
        .table("train", flights(800, 0))
        .table("valid", flights(400, 5))
}

fn run(with: Value) -> (Vec<u8>, Value, Vec<String>) {
    let bed = bed();
    let ended = bed.run(&TuneSearch, with, OUTPUTS).unwrap();
    let metrics = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
    (ended.bytes("model"), metrics, ended.log)
}

#[test]
fn the_best_trial_comes_out_and_every_trial_is_recorded() {
    let with = json!({
        "label": "late", "max_trials": 6, "max_parallel": 3,
        "search": {"n_rounds": {"int": [2, 40]}, "learning_rate": {"log_uniform": [0.01, 0.3]}},
        "params": {"num_leaves": 8}
    });
    let (model, metrics, log) = run(with);
    let trials = metrics["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 6);
    let best = trials
        .iter()
        .map(|trial| trial["roc_auc"].as_f64().unwrap())
        .fold(0.0, f64::max);
    assert_eq!(metrics["roc_auc"].as_f64(), Some(best));
    let number = metrics["trial"].as_u64().unwrap() as usize;
    assert_eq!(trials[number - 1]["roc_auc"].as_f64(), Some(best));
    let model = Model::from_bytes(&model).unwrap();
    assert_eq!(
        model.trees() as u64,
        trials[number - 1]["params"]["n_rounds"].as_u64().unwrap()
    );
    assert_eq!(model.features()[0].data_type.as_deref(), Some("int16"));
    assert_eq!(log.iter().filter(|line| line.starts_with("trial ")).count(), 6);
}

#[test]
fn every_trial_is_a_point_of_a_curve() {
    let with = json!({"label": "late", "max_trials": 3, "search": {"n_rounds": {"int": [2, 10]}}});
    let ended = bed().run(&TuneSearch, with, OUTPUTS).unwrap();
    let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
    let points: Vec<(u64, f64)> = ended.report.curves["trial_roc_auc"]
        .iter()
        .map(|point| (point.step, point.value))
        .collect();
    let trials = metrics["trials"].as_array().unwrap();
    let recorded: Vec<(u64, f64)> = (1..)
        .zip(trials)
        .map(|(step, trial)| (step, trial["roc_auc"].as_f64().unwrap()))
        .collect();
    assert_eq!((points, recorded.len()), (recorded.clone(), 3));
}

#[test]
fn the_same_search_gives_the_same_bytes_with_every_method_pruning_and_number_of_threads() {
    for (method, prune) in [
        ("random", "median"),
        ("grid", "median"),
        ("tpe", "halving"),
        ("halving", "none"),
        ("hyperband", "none"),
    ] {
        let with = json!({
            "label": "late", "max_trials": 14, "max_parallel": 4, "prune": prune, "method": method,
            "grid_points": 3, "rungs": 2,
            "search": {
                "learning_rate": {"log_uniform": [0.001, 0.3]}, "max_depth": {"int": [1, 6]},
                "n_rounds": {"choice": [30, 60]}
            }
        });
        let run = |cpu: u32| {
            let bed = bed().cpu(cpu);
            let ended = bed.run(&TuneSearch, with.clone(), ALL).unwrap();
            let outputs: Vec<String> = ["model", "metrics", "trials", "report"]
                .iter()
                .map(|name| ended.artifact(name).hash.to_string())
                .collect();
            let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
            (outputs, metrics)
        };
        let (first, second) = (run(1), run(3));
        assert_eq!(first, second, "{method}");
        assert!(
            first.1["trials_pruned"].as_u64().unwrap() > 0,
            "{method}: {}",
            first.1
        );
    }
}

#[test]
fn logistic_regression_is_tuned_by_its_own_parameters_where_the_search_names_others() {
    let with = json!({
        "algorithm": "logistic_regression", "label": "late", "max_trials": 9,
        "search": {"max_depth": {"int": [3, 9]}, "n_rounds": {"int": [50, 400]}}
    });
    let (_, metrics, log) = run(with);
    let trials = metrics["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 9);
    assert!(
        trials
            .iter()
            .all(|trial| trial["params"]["logistic_regression.l2"].is_number())
    );
    assert!(log.contains(&"`max_depth` has no effect on `logistic_regression`".to_owned()));
    assert!(log.contains(&"searched by default: `logistic_regression.l2`".to_owned()));
}

#[test]
fn several_algorithms_are_searched_with_the_parameters_each_has() {
    let with = json!({
        "label": "late", "max_trials": 12, "metric": "log_loss",
        "search": {
            "algorithm": {"choice": ["random_forest", "logistic_regression", "nearest_neighbors"]},
            "random_forest.min_leaf": {"int": [1, 50], "log": true},
            "l2": {"log_uniform": [0.001, 100.0]},
            "preprocessing.scale": {"choice": ["standard", "min_max"]},
        },
        "params": {"n_trees": 10}
    });
    let ended = bed().run(&TuneSearch, with.clone(), ALL).unwrap();
    let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
    for trial in metrics["trials"].as_array().unwrap() {
        let has = |name: &str| trial["params"].get(name).is_some();
        match trial["algorithm"].as_str().unwrap() {
            "random_forest" => {
                assert!(has("random_forest.min_leaf") && !has("l2") && !has("preprocessing.scale"))
            }
            "logistic_regression" => assert!(!has("random_forest.min_leaf") && has("l2")),
            _ => assert!(has("nearest_neighbors.n_neighbors") && has("preprocessing.scale")),
        }
    }
    let trials = ended.frame("trials");
    assert_eq!(trials.height(), 12);
    let answer = bed().infer(&TuneSearch, with, ALL);
    assert_eq!(answer.findings, []);
    let Shape::Table(schema) = &answer.outputs["trials"] else {
        panic!("a table")
    };
    assert_eq!(schema, ended.schema("trials"));
}

#[test]
fn conditions_keep_parameters_out_of_trials_they_do_not_belong_to() {
    let with = json!({
        "label": "late", "algorithm": "svm", "max_trials": 8,
        "search": {
            "kernel": {"choice": ["poly", "rbf"]},
            "degree": {"int": [2, 4], "when": {"kernel": "poly"}},
        }
    });
    let (_, metrics, _) = run(with);
    for trial in metrics["trials"].as_array().unwrap() {
        let is_poly = trial["params"]["kernel"] == "poly";
        assert_eq!(trial["params"].get("degree").is_some(), is_poly, "{trial}");
    }
}

#[test]
fn without_valid_rows_trials_are_judged_by_cross_validation_and_the_model_learns_from_all() {
    let with = json!({
        "label": "late", "max_trials": 3, "validation": {"folds": 3},
        "params": {"early_stopping_rounds": 5},
        "search": {"learning_rate": {"float": [0.1, 0.5]}}
    });
    let bed = Bed::new().table("train", flights(800, 0));
    let ended = bed.run(&TuneSearch, with, OUTPUTS).unwrap();
    let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
    let best = metrics["trial"].as_u64().unwrap() as usize - 1;
    let trial = &metrics["trials"][best];
    assert_eq!(trial["steps"].as_array().unwrap().len(), 3);
    assert!(trial["deviation"].as_f64().unwrap() > 0.0);
    assert_eq!(metrics["train_rows"], 800.0);
    let model = Model::from_bytes(&ended.bytes("model")).unwrap();
    assert_eq!(model.summary().rows, 800);
    assert_eq!(model.trees() as f64, trial["rounds"].as_f64().unwrap().round());
}

#[test]
fn numbers_and_several_classes_are_tuned_as_well() {
    let x: Vec<f64> = (0..300).map(|row| f64::from(row * 7 % 100) / 10.0).collect();
    let y: Vec<f64> = x.iter().map(|x| x * x + 0.5).collect();
    let kind: Vec<&str> = x
        .iter()
        .map(|x| ["a", "b", "c"][(*x as usize / 4).min(2)])
        .collect();
    let bed = Bed::new().table("train", df! {"x" => x, "y" => y, "kind" => kind}.unwrap());
    let run = |with: Value| {
        let ended = bed.run(&TuneSearch, with, OUTPUTS).unwrap();
        serde_json::from_slice::<Value>(&ended.bytes("metrics")).unwrap()
    };
    let numbers =
        run(json!({"label": "y", "features": ["x"], "algorithm": "decision_tree", "max_trials": 4}));
    assert!(numbers["rmse"].as_f64().unwrap() < 10.0 && numbers.get("roc_auc").is_none());
    let kinds =
        run(json!({"label": "kind", "features": ["x"], "algorithm": "decision_tree", "max_trials": 4}));
    assert!(kinds["log_loss"].as_f64().unwrap() < 0.5, "{kinds}");
    let metric = json!({"label": "kind", "features": ["x"], "metric": "rmse"});
    assert!(bed.run(&TuneSearch, metric, OUTPUTS).is_err());
}

#[test]
fn a_killed_search_goes_on_where_it_was_and_ends_with_the_same_bytes() {
    let with = json!({
        "label": "late", "max_trials": 8, "method": "tpe",
        "search": {"n_rounds": {"int": [2, 20]}, "learning_rate": {"log_uniform": [0.01, 0.3]}}
    });
    let whole = bed().run(&TuneSearch, with.clone(), OUTPUTS).unwrap();
    let bed = bed();
    // The first attempt is killed when its third trial ends.
    let killed = bed.run_until(&TuneSearch, with.clone(), OUTPUTS, "trial 3");
    assert!(killed, "it was not killed");
    let journal = bed.folder.path().join("scratch.checkpoint");
    let kept = std::fs::read_to_string(&journal).unwrap().lines().count() - 1;
    assert!((1..=4).contains(&kept), "{kept}");
    // The last line was being written.
    let mut text = std::fs::read_to_string(&journal).unwrap();
    text.push_str("{\"place\":7,\"outc");
    std::fs::write(&journal, text).unwrap();
    let ended = bed.run(&TuneSearch, with, OUTPUTS).unwrap();
    let line = format!("going on after {kept} jobs that an earlier attempt ended");
    assert!(ended.log.contains(&line), "{:?}", ended.log);
    assert_eq!(ended.report.outputs, whole.report.outputs);
    assert!(!journal.exists());
}

#[test]
fn another_search_does_not_go_on_with_a_journal_that_is_not_its_own() {
    let bed = bed();
    let with = |seed: u32| {
        json!({"label": "late", "max_trials": 6, "seed": seed, "params": {"n_rounds": 5},
        "search": {"learning_rate": {"float": [0.1, 0.5]}}})
    };
    assert!(bed.run_until(&TuneSearch, with(1), OUTPUTS, "trial 3"));
    let ended = bed.run(&TuneSearch, with(2), OUTPUTS).unwrap();
    assert!(
        ended.log.iter().all(|line| !line.starts_with("going on")),
        "{:?}",
        ended.log
    );
}

#[test]
fn what_decides_on_the_metric_has_the_largest_share_in_it() {
    let with = json!({
        "label": "late", "max_trials": 24, "max_parallel": 2,
        "search": {
            "n_rounds": {"int": [1, 40]}, "min_gain": {"float": [0.0, 1e-9]}, "num_leaves": {"choice": [8]},
        }
    });
    let ended = bed().run(&TuneSearch, with, ALL).unwrap();
    let json = ended.json("report");
    assert_eq!(json["importance"][0]["parameter"], "n_rounds");
    assert!(json["importance"][0]["share"].as_f64().unwrap() > 0.5, "{json}");
    let html = String::from_utf8(ended.bytes("report")).unwrap();
    assert!(html.contains("<svg") && !html.contains("NaN") && !html.contains("<script"));
}

#[test]
fn a_value_the_algorithm_refuses_costs_the_trial_and_not_the_search() {
    let with = json!({
        "label": "late", "method": "grid",
        "search": {"bootstrap": {"choice": [false, true]}, "n_trees": {"choice": [5]}},
        "params": {"row_share": 0.5}, "algorithm": "random_forest"
    });
    let (_, metrics, _) = run(with);
    assert!(
        metrics["trials"][0]["failure"]
            .as_str()
            .unwrap()
            .contains("row_share")
    );
    assert_eq!(metrics["trial"], 2);
}

#[test]
fn lower_is_better_for_a_loss() {
    let with = json!({
        "label": "late", "metric": "log_loss", "method": "grid",
        "search": {"n_rounds": {"choice": [1, 30]}}
    });
    assert_eq!(run(with).1["best"]["n_rounds"], 30);
}

#[test]
fn faults_of_the_search_are_found_at_their_words() {
    let codes = |with: Value| -> Vec<(String, String)> {
        let findings = bed().infer(&TuneSearch, with, OUTPUTS).findings;
        findings
            .into_iter()
            .map(|finding| (finding.code, finding.path.to_string()))
            .collect()
    };
    let at = |code: &str, path: &str| vec![(code.to_owned(), path.to_owned())];
    let misspelt = json!({"label": "late", "search": {"max_dept": {"int": [3, 9]}}});
    let inference = bed().infer(&TuneSearch, misspelt, OUTPUTS);
    assert_eq!(
        inference.findings[0].help.as_deref(),
        Some("did you mean `max_depth`?")
    );
    let empty = json!({"label": "late", "search": {"max_depth": {"int": [9, 3]}}});
    assert_eq!(codes(empty), at("S01", "with.search.max_depth"));
    let idle = json!({"label": "late", "algorithm": "random_forest", "search": {"learning_rate": {"float": [0.1, 0.2]}}});
    assert_eq!(codes(idle), at("S01", "with.search.learning_rate"));
    let other = json!({"label": "late", "search": {"random_forest.min_leaf": {"int": [1, 9]}}});
    let finding = bed().infer(&TuneSearch, other, OUTPUTS).findings.swap_remove(0);
    assert_eq!(
        finding.message,
        "`random_forest.min_leaf` is for `random_forest`, which is not tried"
    );
    let beyond = json!({"label": "late", "search": {"learning_rate": {"float": [0.1, 2.0]}}});
    assert_eq!(codes(beyond), at("S01", "with.search.learning_rate"));
    let fixed = json!({"label": "late", "params": {"num_leaves": 1}});
    assert_eq!(codes(fixed), at("S01", "with.params.num_leaves"));
    let both =
        json!({"label": "late", "params": {"num_leaves": 9}, "search": {"num_leaves": {"int": [2, 9]}}});
    assert_eq!(codes(both), at("S01", "with.params.num_leaves"));
    let condition = json!({"label": "late", "search": {"l2": {"float": [0, 1], "when": {"l1": 0}}}});
    assert_eq!(codes(condition), at("S02", "with.search.l2.when.l1"));
    let metric = json!({"label": "late", "task": "classification", "metric": "rmse"});
    assert_eq!(codes(metric), at("S01", "with.metric"));
    let rounds = json!({"label": "late", "algorithm": "svm", "method": "halving", "resource": "rounds"});
    assert_eq!(codes(rounds), at("S01", "with.resource"));
    let idle = json!({"label": "late", "validation": {"folds": 3}});
    assert_eq!(codes(idle), at("S06", "with.validation"));
    let clusters = json!({"label": "late", "algorithm": "kmeans"});
    assert_eq!(codes(clusters), at("S01", "with.algorithm"));
    let backwards = json!({"label": "late", "metric": "log_loss", "goal": "maximize", "search": {}});
    assert_eq!(codes(backwards), at("S03", "with.goal"));
    assert_eq!(
        codes(json!({"label": "lat", "search": {}})),
        at("D01", "with.label")
    );
}
