use super::*;
use crate::testbed::Bed;
use polars::df;
use polars::prelude::DataFrame;
use trainyard_models::Predictor;

const OUTPUTS: &[(&str, ArtifactKind)] =
    &[("model", ArtifactKind::Model), ("metrics", ArtifactKind::Metrics)];

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
fn the_same_search_gives_the_same_bytes_with_pruning_and_every_method() {
    for method in ["random", "grid", "tpe"] {
        let with = json!({
            "label": "late", "max_trials": 14, "max_parallel": 4, "prune": "median", "method": method,
            "grid_points": 3,
            "search": {
                "learning_rate": {"log_uniform": [0.001, 0.3]}, "max_depth": {"int": [1, 6]},
                "n_rounds": {"choice": [30, 60]}
            }
        });
        let (first, second) = (run(with.clone()), run(with));
        assert_eq!(first.1.to_string(), second.1.to_string(), "{method}");
        assert!(first.0 == second.0, "{method}");
        assert!(
            first.1["trials_pruned"].as_u64().unwrap() > 0,
            "{method}: {}",
            first.1
        );
    }
}

#[test]
fn a_search_over_what_the_algorithm_does_not_have_makes_one_trial_and_says_so() {
    let with = json!({
        "algorithm": "logistic_regression", "label": "late", "max_trials": 9,
        "search": {"max_depth": {"int": [3, 9]}, "n_rounds": {"int": [50, 400]}}
    });
    let (_, metrics, log) = run(with);
    assert_eq!(metrics["trials"].as_array().unwrap().len(), 1);
    assert!(log.contains(&"`max_depth` has no effect on `logistic_regression`".to_owned()));
}

#[test]
fn a_value_the_algorithm_refuses_costs_the_trial_and_not_the_search() {
    let with = json!({
        "label": "late", "method": "grid",
        "search": {"row_share": {"choice": [0.0, 0.8]}, "n_rounds": {"choice": [5]}}
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
    assert_eq!(codes(idle), at("S06", "with.search.learning_rate"));
    let backwards = json!({"label": "late", "metric": "log_loss", "goal": "maximize", "search": {}});
    assert_eq!(codes(backwards), at("S03", "with.goal"));
    assert_eq!(
        codes(json!({"label": "lat", "search": {}})),
        at("D01", "with.label")
    );
}
