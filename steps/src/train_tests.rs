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
fn times_are_passed_over_unless_listed_and_labels_must_be_two_values() {
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
    assert_eq!(text.findings[0].help.as_deref(), Some("name it with `positive:`"));
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
        let with = json!({"algorithm": algorithm, "n_rounds": 30, "n_trees": 20});
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
fn settings_of_other_algorithms_are_logged_and_rows_without_a_label_left_out() {
    let y = [Some(1i32), Some(0), None, Some(1), Some(0), Some(1)];
    let bed = Bed::new().table(
        "train",
        df! {"x" => [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "y" => y}.unwrap(),
    );
    let with = json!({"algorithm": "decision_tree", "label": "y", "n_rounds": 5, "min_leaf": 1});
    let ended = bed.run(&TrainClassifier, with, OUTPUTS).unwrap();
    assert!(
        ended
            .log
            .contains(&"`n_rounds` has no effect on `decision_tree`".to_owned()),
        "{:?}",
        ended.log
    );
    assert!(
        ended
            .log
            .contains(&"left out 1 rows of `train` without a label".to_owned()),
        "{:?}",
        ended.log
    );
    assert!(ended.report.headline.unwrap().contains("AUC on training rows"));
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
    assert!(params["properties"].get("positive").is_none() && params["properties"].get("n_rounds").is_some());
}

#[test]
fn every_setting_of_an_algorithm_is_a_parameter_of_the_step() {
    let params = TrainClassifier.signature().params;
    for name in all_parameters() {
        assert!(params["properties"].get(name).is_some(), "{name}");
    }
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
