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
    assert_eq!(
        (&n["numbers"]["min"], &n["numbers"]["zeros"]),
        (&json!(1.0), &json!(0))
    );
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
    assert_eq!(json["warnings"][1]["number"], json!(0.75));
    assert!(html.contains("75.0 % of its values are missing"));
}

#[test]
fn a_page_is_self_contained_and_names_are_escaped() {
    let (_, html) = profile(&small(), json!({"target": "yes"}));
    assert!(html.contains("&lt;b&gt;kind&lt;/b&gt;") && !html.contains("<b>kind"));
    for foreign in ["<script", "http://", "https://", "src=", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("<svg"));
    assert!(html.contains("What bears on yes"));
}

#[test]
fn the_target_is_related_to_each_column_by_its_kind() {
    let (json, _) = profile(&small(), json!({"target": "yes"}));
    let related: Vec<String> = json["target"]["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| {
            format!(
                "{} {}",
                a["column"].as_str().unwrap(),
                a["measure"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(related, ["<b>kind</b> cramers_v", "n correlation_ratio"]);
    assert_eq!(json["target"]["columns"][0]["strength"], json!(1.0));
    assert_eq!(json["target"]["columns"][0]["alone"], json!(1.0));
    assert_eq!(
        (&json["target"]["kind"], &json["target"]["positive"]),
        (&json!("two_classes"), &json!("true"))
    );
}

#[test]
fn a_misspelt_column_is_found_before_the_run() {
    let answer = small().infer(
        &ExploreProfile,
        json!({"columns": ["nn"], "target": "yess", "split_by": "n", "reference": "x"}),
        PROFILE,
    );
    let found: Vec<String> = answer
        .findings
        .iter()
        .map(|f| format!("{} {}", f.code, f.path))
        .collect();
    assert_eq!(
        found,
        [
            "D01 with.columns[0]",
            "D01 with.target",
            "D01/wrong-column-type with.split_by"
        ]
    );
    let answer = small().infer(&ExploreProfile, json!({"reference": "x"}), PROFILE);
    assert_eq!(
        answer.findings[0].message,
        "`reference` is a value of `split_by`, which is not given"
    );
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

fn kinds(json: &Value) -> Vec<String> {
    let warnings = json["warnings"].as_array().unwrap();
    let named = warnings.iter().map(|w| {
        format!(
            "{} {}",
            w["column"].as_str().unwrap_or("-"),
            w["kind"].as_str().unwrap()
        )
    });
    named.collect()
}

#[test]
fn rows_and_keys_that_repeat_are_counted() {
    let frame =
        df!("id" => [1i64, 2, 2, 3], "x" => ["a", "b", "b", "a"], "y" => ["b", "a", "a", "b"]).unwrap();
    let mut schema = crate::dataset::bare_schema(frame.schema(), Some("data"));
    schema.primary_key = vec!["id".to_owned()];
    let (json, _) = profile(&Bed::new().table_of("data", frame, schema), json!({}));
    // (1, a, b) and (3, a, b) differ, and so do (b, a) and (a, b): only the third row repeats one.
    assert_eq!(json["duplicates"]["rows"], 1);
    assert_eq!(json["duplicates"]["primary_key"]["rows"], 1);
    assert!(kinds(&json).starts_with(&["- duplicate_keys".to_owned(), "- duplicate_rows".to_owned()]));
}

#[test]
fn a_column_that_knows_the_target_is_suspected_and_one_missing_with_it_too() {
    let late: Vec<bool> = (0..1000).map(|row| row % 5 == 0).collect();
    let delay: Vec<f64> = (0..1000)
        .map(|row| {
            if row % 5 == 0 {
                40.0 + f64::from(row % 7)
            } else {
                f64::from(row % 13)
            }
        })
        .collect();
    let landed: Vec<Option<i64>> = (0..1000).map(|row| (row % 5 != 0).then_some(row % 24)).collect();
    let hour: Vec<i64> = (0..1000).map(|row| (row * 7) % 24).collect();
    let frame = df!("late" => late, "delay" => delay, "landed" => landed, "hour" => hour).unwrap();
    let (json, html) = profile(&Bed::new().table("data", frame), json!({"target": "late"}));
    let found = kinds(&json);
    for expected in ["delay leakage", "landed leakage", "landed missing_tells_target"] {
        assert!(found.iter().any(|kind| kind == expected), "{expected}: {found:?}");
    }
    assert!(!found.iter().any(|kind| kind == "hour leakage"));
    assert!(html.contains("is it known before the target is?"));
}

#[test]
fn the_later_half_is_compared_with_the_earlier_one_by_event_time() {
    let day: Vec<i32> = (0..400).collect();
    let x: Vec<f64> = (0..400)
        .map(|row| f64::from(row % 20) + if row < 200 { 0.0 } else { 15.0 })
        .collect();
    let still: Vec<&str> = (0..400).map(|row| ["a", "b"][row % 2]).collect();
    let mut frame = df!("day" => day, "x" => x, "still" => still).unwrap();
    frame
        .apply("day", |column| {
            column.cast(&polars::prelude::DataType::Date).unwrap()
        })
        .unwrap();
    let mut schema = crate::dataset::bare_schema(frame.schema(), Some("data"));
    schema.event_time = Some("day".to_owned());
    let (json, _) = profile(&Bed::new().table_of("data", frame, schema), json!({}));
    assert_eq!(json["drift"]["columns"][0]["column"], "x");
    assert_eq!(json["drift"]["columns"][0]["means"], json!([9.5, 24.5]));
    assert_eq!(json["drift"]["columns"][1]["psi"], json!(0.0));
    assert!(kinds(&json).contains(&"x drift".to_owned()));
    assert_eq!(
        json["columns"][0]["times"]["span_seconds"],
        json!(399.0 * 86_400.0)
    );
}

#[test]
fn persons_stand_ins_and_texts_of_another_type_are_guessed() {
    let mail: Vec<String> = (0..50).map(|row| format!("p{row}@example.com")).collect();
    let amount: Vec<String> = (0..50).map(|row| format!("{}.5", row % 9)).collect();
    let age: Vec<i64> = (0..50)
        .map(|row| if row % 5 == 0 { -999 } else { 20 + row })
        .collect();
    let job: Vec<&str> = (0..50).map(|row| ["clerk", "?", "smith "][row % 3]).collect();
    let frame = df!("contact" => mail, "amount" => amount, "age" => age, "job" => job, "birth_date" => vec![1i64; 50]).unwrap();
    let (json, _) = profile(&Bed::new().table("data", frame), json!({}));
    let found = kinds(&json);
    for expected in [
        "contact personal",
        "birth_date personal",
        "amount wrong_type",
        "age stand_in",
        "job stand_in",
        "job padded",
    ] {
        assert!(found.iter().any(|kind| kind == expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_sample_is_said_and_all_else_is_measured_on_all_rows() {
    let x: Vec<i64> = (0..3000).collect();
    let y: Vec<i64> = (0..3000).map(|row| row * 2).collect();
    let frame = df!("x" => x, "y" => y).unwrap();
    let (json, html) = profile(&Bed::new().table("data", frame), json!({"sample_rows": 500}));
    assert_eq!(
        (&json["rows"], &json["sampled_rows"]),
        (&json!(3000), &json!(500))
    );
    assert_eq!(
        (&json["columns"][0]["distinct"], &json["columns"][0]["once"]),
        (&json!(3000), &json!(3000))
    );
    assert_eq!(json["relations"][0]["rows"], 500);
    assert_eq!(json["relations"][0]["spearman"]["value"], json!(1.0));
    assert!(html.contains("500 of 3,000 rows"));
    let again = profile(&Bed::new().table("data", df!("x" => (0..3000i64).collect::<Vec<_>>(), "y" => (0..3000i64).map(|row| row * 2).collect::<Vec<_>>()).unwrap()), json!({"sample_rows": 500}));
    assert_eq!(again.1, html);
}

#[test]
fn a_table_without_rows_has_a_profile_too() {
    let frame =
        df!("n" => Vec::<f64>::new(), "t" => Vec::<String>::new(), "b" => Vec::<bool>::new()).unwrap();
    let (json, html) = profile(&Bed::new().table("data", frame), json!({"target": "b"}));
    assert_eq!((&json["rows"], &json["warnings"]), (&json!(0), &json!([])));
    assert!(!html.contains("NaN") && !html.contains("inf"));
}
