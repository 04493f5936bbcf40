use super::*;
use crate::testbed::{Bed, contract, example_contract, examples};
use polars::prelude::df;
use serde_json::{Value, json};

const PROFILE: &[(&str, ArtifactKind)] = &[("profile", ArtifactKind::Report)];

fn small() -> Bed {
    let frame = df!(
        "n" => [Some(1.0), Some(2.0), Some(4.0), Some(8.0), Some(16.0), None],
        "<b>kind</b>" => ["x", "y", "x", "x", "y", "x"],
        "same" => [7i64; 6],
        "yes" => [true, false, true, true, false, true],
    )
    .unwrap();
    Bed::new().table("data", frame)
}

fn profile(bed: &Bed, with: Value) -> (Value, String) {
    let ended = bed.run(&ExploreProfile, with, PROFILE).unwrap();
    (
        ended.json("profile"),
        String::from_utf8(ended.bytes("profile")).unwrap(),
    )
}

#[test]
fn numbers_are_described_as_by_hand() {
    let (json, _) = profile(&small(), json!({"bins": 3}));
    let n = &json["columns"][0];
    assert_eq!(
        (&n["nulls"], &n["distinct"], &n["min"], &n["max"]),
        (&json!(1), &json!(5), &json!("1"), &json!("16"))
    );
    assert_eq!(n["numbers"]["mean"], json!(6.2));
    // Deviations -5.2, -4.2, -2.2, 1.8, 9.8: squares sum to 148.8; 148.8 / 4 = 37.2.
    assert_eq!(n["numbers"]["stddev"], json!(37.2_f64.sqrt()));
    assert_eq!(n["histogram"]["counts"], json!([3, 1, 1]));
    assert_eq!(n["numbers"]["quantiles"]["50"], json!(4.0));
}

#[test]
fn what_looks_odd_is_remarked_on_with_a_reason() {
    let ids: Vec<String> = (0..200).map(|id| format!("id{id}")).collect();
    let sparse: Vec<Option<i64>> = (0..200).map(|row| (row % 4 == 0).then_some(row % 8)).collect();
    let twice: Vec<i64> = (0..200).map(|row| row * row).collect();
    let half: Vec<f64> = twice.iter().map(|value| *value as f64 / 2.0).collect();
    let frame =
        df!("id" => ids, "sparse" => sparse, "same" => vec![1i64; 200], "twice" => twice, "half" => half)
            .unwrap();
    let (json, html) = profile(&Bed::new().table("data", frame), json!({}));
    let found: Vec<String> = json["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| {
            format!(
                "{} {}",
                w["column"].as_str().unwrap(),
                w["kind"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "id nearly_unique",
            "sparse mostly_missing",
            "same constant",
            "twice nearly_unique",
            "twice nearly_same"
        ]
    );
    assert!(html.contains("75.0 % of its values are missing"));
}

#[test]
fn a_page_is_self_contained_and_names_are_escaped() {
    let (_, html) = profile(&small(), json!({"target": "yes"}));
    assert!(html.contains("&lt;b&gt;kind&lt;/b&gt;") && !html.contains("<b>kind"));
    for foreign in ["<script", "http://", "https://", "src=", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("prefers-color-scheme:dark") && html.contains("<svg"));
    assert!(html.contains("Relation to yes"));
}

#[test]
fn the_target_is_related_to_each_column_by_its_kind() {
    let (json, _) = profile(&small(), json!({"target": "yes"}));
    let related: Vec<String> = json["target"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| {
            format!(
                "{} {}",
                a["left"].as_str().unwrap(),
                a["measure"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(related, ["<b>kind</b> cramers_v", "n correlation_ratio"]);
    assert_eq!(json["target"][0]["strength"], json!(1.0));
}

#[test]
fn a_misspelt_column_is_found_before_the_run() {
    let answer = small().infer(
        &ExploreProfile,
        json!({"columns": ["nn"], "target": "yess"}),
        PROFILE,
    );
    let found: Vec<String> = answer
        .findings
        .iter()
        .map(|f| format!("{} {}", f.code, f.path))
        .collect();
    assert_eq!(found, ["D01 with.columns[0]", "D01 with.target"]);
}

#[test]
fn a_dataset_that_breaks_its_contract_is_profiled_all_the_same() {
    let rules =
        contract(json!({"version": 1, "name": "c", "columns": {"n": {"type": "int16", "nullable": false}}}));
    let bed = Bed::new()
        .file("n.csv", "n\n1\nx\n3\n")
        .contract(rules)
        .dataset("data", "n.csv", Some("c"));
    let (json, _) = profile(&bed, json!({}));
    assert_eq!(json["rows"], 3);
    assert_eq!(json["columns"][0]["nulls"], 1);
    assert!(
        json["notes"][0]
            .as_str()
            .unwrap()
            .contains("n.csv row 2 column `n`: `x` is not of type int16")
    );
}

#[test]
fn the_census_has_the_shape_its_origin_says() {
    let bed = Bed::new().contract(example_contract("adult")).dataset(
        "data",
        &examples().join("data/adult/adult.parquet").to_string_lossy(),
        Some("adult"),
    );
    let (json, _) = profile(&bed, json!({"target": "income-per-year"}));
    // DATA.md: 32,561 people; missing values only in workclass, occupation and native-country.
    assert_eq!(json["rows"], 32_561);
    let missing: Vec<&str> = json["columns"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["nulls"] != 0)
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(missing, ["workclass", "occupation", "native-country"]);
    assert_eq!(json["columns"][8]["classification"], "protected");
}
