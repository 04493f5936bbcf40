use super::*;
use crate::testbed::Bed;
use polars::df;
use polars::prelude::DataFrame;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::finding::Path;
use trainyard_contract::schema::{Column, ColumnOrigin, DataType, KnownAt, Schema};
use trainyard_contract::{OutputValue, Shape};
use trainyard_models::Predictor;

const OUTPUTS: &[(&str, ArtifactKind)] =
    &[("model", ArtifactKind::Model), ("metrics", ArtifactKind::Metrics)];

/// Late in the afternoon and with carrier `B`, mostly.
fn flights(rows: i32, shift: i32) -> DataFrame {
    let hour: Vec<i16> = (0..rows).map(|row| ((row * 7 + shift) % 24) as i16).collect();
    let carrier: Vec<&str> = (0..rows)
        .map(|row| ["A", "B", "C"][((row / 24 + shift) % 3) as usize])
        .collect();
    let late: Vec<bool> = (0..rows as usize)
        .map(|row| hour[row] > 14 || (carrier[row] == "B" && row % 4 != 0))
        .collect();
    let at: Vec<i64> = (0..rows).map(|row| i64::from(row) * 3_600_000_000).collect();
    df! {"carrier" => carrier, "hour" => hour, "dep_delay" => vec![3i16; rows as usize], "at" => at, "is_late" => late}
        .unwrap()
}

fn schema() -> Schema {
    let order: Vec<String> = ["schedule", "departure", "arrival"].map(String::from).to_vec();
    let known = |moment: &str| {
        Some(KnownAt {
            moment: moment.into(),
            order: order.clone(),
        })
    };
    let origin = |column: &str| {
        BTreeSet::from([ColumnOrigin {
            dataset: "flights_raw".into(),
            column: column.into(),
        }])
    };
    let column = |name: &str, data_type: DataType, moment: &str, from: &str| Column {
        known_at: known(moment),
        origins: origin(from),
        ..Column::new(name, data_type, false)
    };
    Schema {
        columns: vec![
            column("carrier", DataType::String, "schedule", "carrier"),
            column("hour", DataType::Int16, "schedule", "hour"),
            column("dep_delay", DataType::Int16, "departure", "dep_delay"),
            column("at", DataType::Int64, "schedule", "at"),
            column("is_late", DataType::Boolean, "arrival", "arr_delay"),
        ],
        event_time: Some("at".into()),
        label: Some("is_late".into()),
        ..Schema::default()
    }
}

fn bed() -> Bed {
    Bed::new()
        .table_of("train", flights(600, 0), schema())
        .table_of("valid", flights(300, 1), schema())
}

fn codes(with: Value) -> Vec<(String, String, Option<String>)> {
    bed()
        .infer(&TrainClassifier, with, OUTPUTS)
        .findings
        .into_iter()
        .map(|finding| (finding.code, finding.path.to_string(), finding.word))
        .collect()
}

fn found(code: &str, path: &str, word: &str) -> Vec<(String, String, Option<String>)> {
    vec![(code.into(), path.into(), Some(word.into()))]
}

#[test]
fn a_column_that_is_not_there_is_found_where_it_stands() {
    let inference = bed().infer(&TrainClassifier, json!({"label": "is_lat"}), OUTPUTS);
    assert_eq!(
        inference.findings[0].help.as_deref(),
        Some("did you mean `is_late`?")
    );
    assert_eq!(
        codes(json!({"label": "is_lat"})),
        found("D01", "with.label", "is_lat")
    );
    assert_eq!(
        codes(json!({"features": ["hour", "carier"]})),
        found("D01", "with.features[1]", "carier")
    );
}

#[test]
fn a_feature_known_after_the_prediction_is_found_at_its_word() {
    let with = json!({"predict_at": "schedule", "features": ["hour", "dep_delay"]});
    assert_eq!(codes(with.clone()), found("M01", "with.features[1]", "dep_delay"));
    let message = &bed().infer(&TrainClassifier, with, OUTPUTS).findings[0].message;
    assert_eq!(
        message,
        "`dep_delay` is known at departure, after the prediction is made at schedule"
    );
    assert_eq!(
        codes(json!({"predict_at": "schedule"})),
        found("M01", "inputs.train", "dep_delay")
    );
    assert_eq!(codes(json!({"predict_at": "departure"})), []);
    assert_eq!(codes(json!({"predict_at": "departur"}))[0].1, "with.predict_at");
}

#[test]
fn a_table_that_answers_for_its_features_is_not_asked_again() {
    let schema = Schema {
        features: vec!["dep_delay".into()],
        predict_at: Some("schedule".into()),
        ..schema()
    };
    let bed = Bed::new().table_of("train", flights(50, 0), schema);
    assert_eq!(bed.infer(&TrainClassifier, json!({}), OUTPUTS).findings, []);
    let listed = json!({"features": ["hour", "dep_delay"], "predict_at": "schedule"});
    assert_eq!(bed.infer(&TrainClassifier, listed, OUTPUTS).findings.len(), 1);
}

#[test]
fn the_label_and_what_it_is_made_from_are_no_features() {
    assert_eq!(
        codes(json!({"features": ["hour", "is_late"]})),
        found("M02", "with.features[1]", "is_late")
    );
    assert_eq!(
        codes(json!({"features": ["hour", "at"]})),
        found("M02", "with.features[1]", "at")
    );
    let mut schema = schema();
    schema.columns[2].origins = schema.columns[4].origins.clone();
    let bed = Bed::new().table_of("train", flights(50, 0), schema);
    let findings = bed.infer(&TrainClassifier, json!({}), OUTPUTS).findings;
    assert_eq!(
        (findings[0].code.as_str(), findings[0].path.to_string().as_str()),
        ("M02", "inputs.train")
    );
}

#[test]
fn times_are_passed_over_unless_listed_and_labels_must_suit_the_step() {
    let mut schema = schema();
    schema.event_time = None;
    schema.columns[3].data_type = "timestamp[us, UTC]".parse().unwrap();
    let bed = Bed::new().table_of("train", flights(50, 0), schema);
    let inference = bed.infer(&TrainClassifier, json!({}), OUTPUTS);
    assert_eq!(inference.findings, []);
    let Shape::Model { features, label } = &inference.outputs["model"] else {
        panic!("a model")
    };
    assert_eq!(
        features.names().collect::<Vec<_>>(),
        ["carrier", "hour", "dep_delay"]
    );
    assert_eq!(label.as_deref(), Some("is_late"));
    let listed = bed.infer(&TrainClassifier, json!({"features": ["at"]}), OUTPUTS);
    assert_eq!(listed.findings[0].code, "D01");
    let text = bed.infer(&TrainClassifier, json!({"label": "carrier"}), OUTPUTS);
    // Whether a text has two values or several is seen at run time only.
    assert_eq!(text.findings, []);
    let number = bed.infer(&TrainRegressor, json!({"label": "is_late"}), OUTPUTS);
    assert_eq!(
        number.findings[0].help.as_deref(),
        Some("use `train.classifier@v1`")
    );
}

#[test]
fn a_valid_table_must_have_the_same_columns() {
    let mut other = schema();
    other.columns.remove(1);
    other.columns[0].data_type = DataType::Int64;
    let bed = Bed::new().table_of("train", flights(50, 0), schema()).table_of(
        "valid",
        flights(50, 0).drop("hour").unwrap(),
        other,
    );
    let findings = bed.infer(&TrainClassifier, json!({}), OUTPUTS).findings;
    assert_eq!(findings.len(), 2);
    assert!(
        findings
            .iter()
            .all(|finding| finding.path.to_string() == "inputs.valid")
    );
}

#[test]
fn an_algorithm_chosen_at_run_time_says_nothing_and_the_rest_is_still_checked() {
    let bed = bed();
    let unknown = BTreeSet::from([Path::root().key("with").key("algorithm")]);
    let request = InferRequest {
        step: "train",
        with: &json!({"algorithm": null, "label": "is_lat"}),
        unknown: &unknown,
        inputs: &bed.shapes(),
        outputs: &indexmap::IndexMap::new(),
        contracts: &BTreeMap::new(),
        features: &Default::default(),
    };
    let findings = TrainClassifier.infer(&request).findings;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code, "D01");
}

#[test]
fn every_classifier_learns_and_the_same_seed_gives_the_same_bytes() {
    for algorithm in [
        "gradient_boosting",
        "random_forest",
        "decision_tree",
        "logistic_regression",
    ] {
        let with = json!({"algorithm": algorithm, "by_algorithm":
            {"gradient_boosting": {"n_rounds": 30}, "random_forest": {"n_trees": 20}}});
        let ended = bed().run(&TrainClassifier, with.clone(), OUTPUTS);
        let bed = bed();
        let ended_again = bed.run(&TrainClassifier, with, OUTPUTS).unwrap();
        let metrics: Value = serde_json::from_slice(&ended_again.bytes("metrics")).unwrap();
        assert!(
            metrics["roc_auc"].as_f64().unwrap() > 0.85,
            "{algorithm}: {metrics}"
        );
        assert!(metrics["train_rows"].as_f64() == Some(600.0) && metrics["rows"].as_f64() == Some(300.0));
        let model = Model::from_bytes(&ended_again.bytes("model")).unwrap();
        assert_eq!(model.features().len(), 3);
        assert_eq!(model.features()[1].data_type.as_deref(), Some("int16"));
        let report = ended.unwrap().report;
        let hash = |name: &str| report.outputs.get(name).map(OutputValue::fingerprint);
        assert_eq!(
            hash("model"),
            Some(ended_again.artifact("model").hash.to_string())
        );
        assert_eq!(
            hash("metrics"),
            Some(ended_again.artifact("metrics").hash.to_string())
        );
        assert_eq!(report.lineage.len(), 3);
    }
}

#[test]
fn settings_of_other_algorithms_are_found_at_their_place_with_those_that_have_them() {
    let findings = |with: Value| bed().infer(&TrainClassifier, with, OUTPUTS).findings;
    let foreign = findings(json!({"algorithm": "decision_tree", "n_rounds": 5}));
    assert_eq!(foreign.len(), 1);
    assert_eq!(foreign[0].path.to_string(), "with.n_rounds");
    assert_eq!(
        foreign[0].message,
        "`n_rounds` belongs to `gradient_boosting`; `decision_tree` does not have it"
    );
    let sklearn = findings(json!({"algorithm": "random_forest", "n_estimators": 5}));
    assert_eq!(sklearn[0].help.as_deref(), Some("did you mean `n_trees`?"));
    let wrong = findings(json!({"algorithm": "random_forest", "min_leaf": 0}));
    assert!(wrong[0].message.contains("at least 1"), "{}", wrong[0].message);
    let inside = findings(json!({"by_algorithm": {"random_forest": {"n_rounds": 5}}}));
    assert_eq!(
        inside[0].path.to_string(),
        "with.by_algorithm.random_forest.n_rounds"
    );
    let ours = json!({"by_algorithm": {"random_forest": {"n_trees": 5}}, "n_rounds": 9});
    assert_eq!(findings(ours), []);
    let idle = findings(json!({"preprocessing": {"scale": "none"}}));
    assert_eq!(idle[0].code, "S06");
    let clusters = findings(json!({"algorithm": "kmeans"}));
    assert_eq!(
        clusters[0].help.as_deref(),
        Some("it belongs to `train.cluster@v1`")
    );
}

#[test]
fn columns_in_other_roles_are_checked_where_they_stand() {
    let codes = |with: Value| -> Vec<(String, String)> {
        let findings = bed().infer(&TrainClassifier, with, OUTPUTS).findings;
        findings
            .into_iter()
            .map(|finding| (finding.code, finding.path.to_string()))
            .collect()
    };
    let at = |code: &str, path: &str| vec![(code.to_owned(), path.to_owned())];
    assert_eq!(
        codes(json!({"sample_weight": "wait"})),
        at("D01", "with.sample_weight")
    );
    assert_eq!(
        codes(json!({"sample_weight": "carrier"})),
        at("D01", "with.sample_weight")
    );
    assert_eq!(
        codes(json!({"sample_weight": "hour", "features": ["hour", "carrier"]})),
        at("D03", "with.features[0]")
    );
    assert_eq!(
        codes(json!({"categorical": ["hours"]})),
        at("D01", "with.categorical[0]")
    );
    assert_eq!(codes(json!({"categorical": ["hour"]})), []);
    assert_eq!(
        codes(json!({"monotone": {"carrier": "increasing"}})),
        at("D01", "with.monotone.carrier")
    );
    assert_eq!(
        codes(json!({"monotone": {"hours": "increasing"}})),
        at("D01", "with.monotone.hours")
    );
    assert_eq!(codes(json!({"monotone": {"hour": "increasing"}})), []);
    let alone = Bed::new().table_of("train", flights(50, 0), schema());
    let stops = alone.infer(&TrainClassifier, json!({"early_stopping_rounds": 5}), OUTPUTS);
    assert_eq!(stops.findings[0].path.to_string(), "with.early_stopping_rounds");
}

#[test]
fn rows_without_a_label_are_left_out() {
    let y = [Some(1i32), Some(0), None, Some(1), Some(0), Some(1)];
    let bed = Bed::new().table(
        "train",
        df! {"x" => [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "y" => y}.unwrap(),
    );
    let with = json!({"algorithm": "decision_tree", "label": "y", "min_leaf": 1});
    let ended = bed.run(&TrainClassifier, with, OUTPUTS).unwrap();
    assert!(
        ended
            .log
            .contains(&"left out 1 rows of `train` without a label".to_owned()),
        "{:?}",
        ended.log
    );
    assert!(ended.report.headline.unwrap().contains("AUC on training rows"));
}

/// Three kinds by two measures, with one in eight mistaken.
fn kinds(rows: i32, shift: i32) -> DataFrame {
    let x: Vec<f64> = (0..rows)
        .map(|row| f64::from((row * 37 + shift) % 101) / 101.0)
        .collect();
    let code: Vec<i64> = (0..rows)
        .map(|row| i64::from((row * 13 + shift) % 4) * 10)
        .collect();
    let kind: Vec<String> = (0..rows as usize)
        .map(|row| {
            let right = if x[row] < 0.3 {
                0
            } else if code[row] == 20 {
                1
            } else {
                2
            };
            let said = if (row * 31) % 8 == 5 {
                (right + 1) % 3
            } else {
                right
            };
            ["low", "mid", "top"][said].to_owned()
        })
        .collect();
    let weight: Vec<f64> = (0..rows)
        .map(|row| if row % 8 == 5 { 0.1 } else { 1.0 })
        .collect();
    df! {"x" => x, "code" => code, "weight" => weight, "kind" => kind}.unwrap()
}

fn kinds_bed() -> Bed {
    Bed::new()
        .table("train", kinds(600, 0))
        .table("valid", kinds(300, 7))
}

#[test]
fn every_classifier_tells_three_classes_apart_and_gives_a_probability_of_each() {
    for name in algorithm::AlgorithmName::of(Purpose::Classes) {
        let mut with = json!({"algorithm": name.name(), "label": "kind", "categorical": ["code"],
            "sample_weight": "weight"});
        if name.name() == "gradient_boosting" {
            with["n_rounds"] = json!(20);
        }
        let ended = kinds_bed().run(&TrainClassifier, with, OUTPUTS).unwrap();
        let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
        assert!(
            metrics["accuracy"].as_f64().unwrap() > 0.6,
            "{}: {metrics}",
            name.name()
        );
        let model = Model::from_bytes(&ended.bytes("model")).unwrap();
        assert_eq!(model.label().task.classes(), ["low", "mid", "top"]);
        let names: Vec<&str> = model
            .features()
            .iter()
            .map(|feature| feature.name.as_str())
            .collect();
        assert_eq!(names, ["x", "code"]);
    }
}

#[test]
fn the_same_bytes_come_from_one_thread_and_from_several() {
    for name in [
        "gradient_boosting",
        "random_forest",
        "logistic_regression",
        "nearest_neighbors",
    ] {
        let with =
            json!({"algorithm": name, "label": "kind", "calibrate": "sigmoid", "calibration_folds": 3});
        let bytes = |cpu: u32| {
            let ended = kinds_bed().cpu(cpu).run(&TrainClassifier, with.clone(), OUTPUTS);
            ended.unwrap().bytes("model")
        };
        assert!(bytes(1) == bytes(3), "{name}");
    }
}

#[test]
fn calibration_class_weights_and_preprocessing_reach_the_model() {
    let with = json!({"algorithm": "logistic_regression", "label": "kind", "calibrate": "isotonic",
        "calibrate_on": "valid", "class_weight": {"mid": 5}, "preprocessing": {"scale": "min_max"}});
    let ended = kinds_bed().run(&TrainClassifier, with, OUTPUTS).unwrap();
    let model = Model::from_bytes(&ended.bytes("model")).unwrap();
    assert!(model.calibration().is_some());
    assert_eq!(
        model.preprocessing().unwrap().scale,
        trainyard_models::Scale::MinMax
    );
    let unknown = json!({"label": "kind", "class_weight": {"middle": 5}});
    let error = kinds_bed().run(&TrainClassifier, unknown, OUTPUTS).err().unwrap();
    assert!(error.to_string().contains("`middle`"), "{error}");
}

#[test]
fn the_curve_of_boosting_has_a_step_a_round_and_early_stopping_keeps_the_best() {
    let with = json!({"label": "kind", "n_rounds": 200, "early_stopping_rounds": 5, "learning_rate": 0.3});
    let ended = kinds_bed().run(&TrainClassifier, with, OUTPUTS).unwrap();
    let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
    let values: Vec<f64> = metrics["curve"]["values"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    let best = values
        .iter()
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(b.1))
        .unwrap()
        .0
        + 1;
    assert_eq!(metrics["rounds"].as_u64(), Some(best as u64));
    assert_eq!(values.len(), best + 5);
}

#[test]
fn training_tells_its_loss_round_by_round_in_numbers_and_as_a_picture() {
    let outputs = [OUTPUTS, &[("report", ArtifactKind::Report)]].concat();
    let with = json!({"label": "kind", "n_rounds": 20, "learning_rate": 0.3});
    let ended = kinds_bed().run(&TrainClassifier, with, &outputs).unwrap();
    let curves = &ended.report.curves;
    assert_eq!(curves.keys().collect::<Vec<_>>(), ["valid_loss", "train_loss"]);
    let train = &curves["train_loss"];
    let steps: Vec<u64> = train.iter().map(|point| point.step).collect();
    assert_eq!(steps, (1..=20).collect::<Vec<u64>>());
    assert!(train[19].value < train[0].value, "{train:?}");
    let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
    assert_eq!(metrics["curve"]["rows"], "valid");
    assert_eq!(metrics["curve"]["train"]["steps"].as_array().unwrap().len(), 20);
    let page = String::from_utf8(ended.bytes("report")).unwrap();
    assert!(page.contains("<title>loss by rounds</title>"), "{page}");
    assert!(page.contains(
        "loss on valid (<span class=\"k1\">■</span>) and train (<span class=\"k0\">■</span>), lower is better; \
         20 of 20 rounds are kept in the model."
    ));
    // Each figure says of how many rows it is, the range it may lie in, and how that was found.
    let rows = |name: &str| metrics[name].as_f64().unwrap();
    assert!(
        page.contains(&format!(">valid rows, n = {}<", rows("rows"))),
        "{page}"
    );
    assert!(
        page.contains(&format!(">training rows, n = {}<", rows("train_rows"))),
        "{page}"
    );
    assert!(
        page.contains(">95 % interval<") && page.contains("Intervals: roc_auc: "),
        "{page}"
    );
    assert_eq!(ended.json("report")["metrics"]["rounds"], 20);
}

#[test]
fn without_rows_to_watch_the_curve_is_that_of_the_training_rows() {
    let mut bed = kinds_bed();
    bed.inputs.shift_remove("valid");
    let with = json!({"label": "kind", "n_rounds": 200});
    let ended = bed.run(&TrainClassifier, with, OUTPUTS).unwrap();
    let train = &ended.report.curves["train_loss"];
    assert_eq!((train.len(), train[0].step, train[1].step), (50, 1, 5));
    assert!(!ended.report.curves.contains_key("valid_loss"));
}

#[test]
fn rows_that_teach_nothing_are_refused_with_the_column() {
    let error = |frame: DataFrame, with: Value, step: &dyn Step| {
        let bed = Bed::new().table("train", frame);
        bed.run(step, with, OUTPUTS).err().unwrap().to_string()
    };
    let label = json!({"label": "y"});
    let one = df! {"x" => [1.0, 2.0], "y" => [true, true]}.unwrap();
    assert!(error(one, label.clone(), &TrainClassifier).contains("`y` is `true` in all rows"));
    let constant = df! {"x" => [1.0, 2.0], "y" => [3.0, 3.0]}.unwrap();
    assert!(error(constant, label.clone(), &TrainRegressor).contains("label `y` is 3 in all 2 rows"));
    let none = df! {"x" => [None::<f64>, None], "y" => [1.0, 3.0]}.unwrap();
    assert!(error(none, label.clone(), &TrainRegressor).contains("feature `x` has no value"));
    let weights = df! {"x" => [1.0, 2.0], "w" => [Some(1.0), None], "y" => [1.0, 3.0]}.unwrap();
    let weighted = json!({"label": "y", "sample_weight": "w"});
    assert!(error(weights, weighted, &TrainRegressor).contains("weight `w` of row 2 is missing"));
    let bed = Bed::new().table("train", kinds(100, 0)).table(
        "valid",
        df! {"x" => [0.5], "code" => [10i64], "weight" => [1.0], "kind" => ["other"]}.unwrap(),
    );
    let unknown = bed
        .run(&TrainClassifier, json!({"label": "kind"}), OUTPUTS)
        .err()
        .unwrap();
    assert!(unknown.to_string().contains("has the value `other`"), "{unknown}");
}

#[test]
fn every_regression_learns_a_line() {
    let x: Vec<f64> = (0..300).map(|row| f64::from(row * 7 % 100) / 10.0).collect();
    let y: Vec<f64> = x.iter().map(|x| 3.0 * x + 1.0).collect();
    for name in algorithm::AlgorithmName::of(Purpose::Numbers) {
        let bed = Bed::new().table("train", df! {"x" => x.clone(), "y" => y.clone()}.unwrap());
        let with = json!({"algorithm": name.name(), "label": "y"});
        let ended = bed.run(&TrainRegressor, with, OUTPUTS).unwrap();
        let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
        assert!(
            metrics["train_r2"].as_f64().unwrap() > 0.8,
            "{}: {metrics}",
            name.name()
        );
    }
}

#[test]
fn every_clustering_puts_rows_into_numbered_groups() {
    let x: Vec<f64> = (0..120)
        .map(|row| f64::from(row % 3) * 10.0 + f64::from(row * 7 % 11) / 20.0)
        .collect();
    let outputs = &[
        ("model", ArtifactKind::Model),
        ("clusters", ArtifactKind::Table),
        ("metrics", ArtifactKind::Metrics),
    ];
    for (name, with) in [
        ("kmeans", json!({"algorithm": "kmeans", "n_clusters": 3})),
        ("dbscan", json!({"algorithm": "dbscan", "eps": 0.3})),
        (
            "gaussian_mixture",
            json!({"algorithm": "gaussian_mixture", "n_components": 3}),
        ),
    ] {
        let bed = Bed::new().table("train", df! {"x" => x.clone()}.unwrap());
        let inferred = bed.infer(&TrainCluster, with.clone(), outputs);
        assert_eq!(inferred.findings, []);
        let ended = bed.run(&TrainCluster, with, outputs).unwrap();
        let frame = ended.frame("clusters");
        let clusters = frame.column("cluster").unwrap().i64().unwrap();
        assert!(
            (0..120).all(|row| clusters.get(row) == clusters.get(row % 3)),
            "{name}"
        );
        assert_eq!(frame.column("cluster").unwrap().n_unique().unwrap(), 3, "{name}");
        let Shape::Table(schema) = &inferred.outputs["clusters"] else {
            panic!("a table")
        };
        assert_eq!(schema, ended.schema("clusters"));
        let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
        assert_eq!(metrics["clusters"], 3);
    }
    let taken = Bed::new().table("train", df! {"cluster" => [1.0, 2.0]}.unwrap());
    let finding = taken.infer(&TrainCluster, json!({}), outputs).findings;
    assert_eq!(finding[0].path.to_string(), "with.cluster_column");
}

#[test]
fn a_regression_predicts_numbers_and_refuses_what_belongs_to_classes() {
    let x: Vec<f64> = (0..200).map(f64::from).collect();
    let y: Vec<f64> = x.iter().map(|x| 3.0 * x + 1.0).collect();
    let bed = Bed::new().table("train", df! {"x" => x, "y" => y}.unwrap());
    let with = json!({"algorithm": "linear_regression", "label": "y"});
    let ended = bed.run(&TrainRegressor, with, OUTPUTS).unwrap();
    let metrics: Value = serde_json::from_slice(&ended.bytes("metrics")).unwrap();
    assert!(metrics["train_r2"].as_f64().unwrap() > 0.999_999);
    assert!(
        bed.run(&TrainRegressor, json!({"label": "y", "positive": 1}), OUTPUTS)
            .is_err()
    );
    assert!(bed.run(&TrainClassifier, json!({"label": "y"}), OUTPUTS).is_err());
    let params = TrainRegressor.signature().params;
    assert!(
        params["properties"].get("class_weight").is_none() && params["properties"].get("n_rounds").is_some()
    );
}

#[test]
fn early_stopping_needs_rows_to_stop_by() {
    let bed = Bed::new().table_of("train", flights(100, 0), schema());
    let error = bed
        .run(&TrainClassifier, json!({"early_stopping_rounds": 5}), OUTPUTS)
        .unwrap_err();
    assert!(error.to_string().contains("`valid`"));
}

#[test]
fn a_declared_avro_schema_that_does_not_fit_stops_the_step() {
    let schema_file = r#"{"type": "record", "name": "r", "fields": [{"name": "hour", "type": "int"}]}"#;
    let bed = bed().file("in.avsc", schema_file);
    let record = crate::register::avro::Record::read(bed.folder.path(), "in.avsc").unwrap();
    let ended = bed
        .run(&TrainClassifier, json!({"algorithm": "decision_tree"}), OUTPUTS)
        .unwrap();
    let model = Model::from_bytes(&ended.bytes("model")).unwrap();
    let error = record.takes_features(model.features()).unwrap_err().to_string();
    assert!(
        error.starts_with("D05: `in.avsc`") && error.contains("no field `carrier`"),
        "{error}"
    );
}
