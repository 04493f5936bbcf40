use super::*;
use crate::testbed::{Bed, contract, example_contract, examples};
use polars::prelude::df;
use serde_json::Value;
use trainyard_contract::FailureClass;

const REPORT: &[(&str, ArtifactKind)] = &[("report", ArtifactKind::Report)];

fn bed() -> Bed {
    let frame = df!(
        "id" => [1i64, 2, 2, 4],
        "kind" => [Some("a"), Some("b"), None, Some("<c>")],
        "x" => [Some(1.0), Some(2.0), Some(6.0), None],
    )
    .unwrap();
    Bed::new().table("t", frame)
}

fn checked(checks: Value) -> Vec<(bool, String)> {
    let ended = bed()
        .run(&ValidateContract, json!({"checks": checks}), REPORT)
        .unwrap();
    let report = ended.json("report");
    let checks = report["checks"].as_array().unwrap();
    checks
        .iter()
        .map(|c| {
            (
                c["passed"].as_bool().unwrap(),
                c["says"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[test]
fn every_metric_is_measured_as_by_hand() {
    let number = |metric: &str, column: Option<&str>| {
        let mut check = json!({"dataset": "t", "metric": metric, "must_be": -1, "severity": "warn"});
        if let Some(column) = column {
            check["column"] = json!(column);
        }
        checked(json!([check]))[0]
            .1
            .split(" is ")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(number("row_count", None), "4");
    assert_eq!(number("null_count", Some("x")), "1");
    assert_eq!(number("null_ratio", Some("x")), "0.25");
    assert_eq!(number("distinct_count", Some("id")), "3");
    assert_eq!(number("distinct_count", Some("kind")), "3");
    assert_eq!(number("unique_ratio", Some("id")), "0.75");
    assert_eq!(number("duplicate_count", Some("id")), "1");
    assert_eq!(number("min", Some("x")), "1");
    assert_eq!(number("max", Some("x")), "6");
    assert_eq!(number("mean", Some("x")), "3");
    assert_eq!(number("median", Some("x")), "2");
    assert_eq!(number("sum", Some("x")), "9");
    // Deviations -2, -1, 3: 14 / 2 = 7.
    assert_eq!(number("stddev", Some("x")), "2.64575");
}

#[test]
fn bounds_mean_what_they_say() {
    let passed = |bound: &str, value: Value| {
        let mut check = json!({"dataset": "t", "metric": "row_count", "severity": "warn"});
        check[bound] = value;
        checked(json!([check]))[0].0
    };
    assert!(passed("must_be", json!(4)) && !passed("must_be", json!(5)));
    assert!(passed("must_be_less_than", json!(5)) && !passed("must_be_less_than", json!(4)));
    assert!(passed("must_be_greater_than", json!(3)) && !passed("must_be_greater_than", json!(4)));
    assert!(passed("must_be_at_least", json!(4)) && !passed("must_be_at_least", json!(5)));
    assert!(passed("must_be_at_most", json!(4)) && !passed("must_be_at_most", json!(3)));
    assert!(passed("must_be_between", json!([4, 5])) && !passed("must_be_between", json!([5, 6])));
}

#[test]
fn sql_gives_a_number_to_check() {
    assert_eq!(
        checked(json!([{"sql": "SELECT COUNT(*) FROM t WHERE x > 1", "must_be": 2}])),
        [(true, "the query is 2, must be 2".to_owned())]
    );
    let error = bed()
        .run(
            &ValidateContract,
            json!({"checks": [{"sql": "SELECT x FROM t", "must_be": 2}]}),
            REPORT,
        )
        .unwrap_err();
    assert_eq!(
        error.failure.message,
        "a check's query must give one number, this gives 4 rows, 1 columns"
    );
}

#[test]
fn an_error_is_a_gate_that_names_each_failed_check_and_a_warning_is_not() {
    let checks = json!([
        {"dataset": "t", "metric": "row_count", "must_be_at_least": 10},
        {"dataset": "t", "column": "x", "metric": "null_ratio", "must_be_less_than": 0.1},
        {"dataset": "t", "column": "x", "metric": "max", "must_be_less_than": 1, "severity": "warn"},
        {"dataset": "t", "column": "x", "metric": "min", "must_be": 1},
    ]);
    let error = bed()
        .run(&ValidateContract, json!({"checks": checks}), REPORT)
        .unwrap_err();
    assert_eq!(error.failure.class, FailureClass::GateFailed);
    assert_eq!(
        error.failure.message,
        "2 of 4 checks failed: t row_count is 4, must be at least 10; t.x null_ratio is 0.25, must be less than 0.1"
    );
}

#[test]
fn each_rule_of_a_contract_is_held_and_failing_rows_are_shown() {
    let rules = contract(json!({
        "version": 1, "name": "t", "primary_key": ["id"], "additional_columns": false,
        "columns": {
            "id": {"type": "int64", "nullable": false, "max": 3},
            "kind": {"type": "string", "nullable": false, "accepted_values": ["a", "b"], "pattern": "^[a-z]$"},
            "y": {"type": "string"},
        }
    }));
    let bed = bed().contract(rules);
    let error = bed.run(&ValidateContract, json!({}), REPORT).unwrap_err();
    for expected in [
        "t.id: 1 row has a value that is greater than 3",
        "t.kind: 1 row has a value that is missing, and the contract says `nullable: false`",
        "t.kind: 1 row has a value that is not one of a, b",
        "t.kind: 1 row has a value that does not match `^[a-z]$`",
        "t has no column `y`, which contract `t` lists",
        "t has a column `x`, which contract `t` does not list",
        "t: 2 rows have a (id) that occurs more than once",
    ] {
        assert!(
            error.failure.message.contains(expected),
            "{expected}: {}",
            error.failure.message
        );
    }
}

#[test]
fn a_report_shows_failing_rows_and_escapes_what_data_holds() {
    let rules = contract(json!({
        "version": 1, "name": "t", "primary_key": ["id"],
        "columns": {"kind": {"type": "string", "accepted_values": ["a", "b"]}}
    }));
    let frame = df!("id" => [1i64, 2], "kind" => ["a", "<c>"]).unwrap();
    let outcomes = rules::hold("t", &frame, &rules, 5).unwrap();
    let broken = outcomes.iter().find(|outcome| !outcome.passed).unwrap();
    assert_eq!(broken.failing[0].row, 2);
    assert_eq!(broken.failing[0].values["id"].as_deref(), Some("2"));
    let html = page("x", &outcomes);
    assert!(html.contains("&lt;c&gt;") && !html.contains("<c>"));
}

#[test]
fn a_check_of_what_is_not_there_is_found_before_the_run() {
    let checks = json!([
        {"dataset": "tt", "metric": "row_count", "must_be": 1},
        {"dataset": "t", "column": "knd", "metric": "null_ratio", "must_be": 0},
        {"dataset": "t", "column": "kind", "metric": "mean", "must_be": 0},
        {"dataset": "t", "column": "x", "metric": "mean"},
        {"sql": "SELECT COUNT(xx) FROM t", "must_be": 0},
        {"sql": "SELECT 1 FROM other", "must_be": 0},
        {"dataset": "t", "metric": "mean", "must_be": 0},
        {"dataset": "t", "must_be": 0},
        {"dataset": "t", "metric": "row_count", "must_be_between": [3, 1]},
    ]);
    let answer = bed().infer(
        &ValidateContract,
        json!({"checks": checks, "contracts": {"t": "none"}}),
        REPORT,
    );
    let found: Vec<String> = answer
        .findings
        .iter()
        .map(|f| {
            format!(
                "{} {}{}: {}",
                f.code,
                f.path,
                f.word.as_ref().map(|w| format!(" `{w}`")).unwrap_or_default(),
                f.message
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "S02 with.contracts.t: there is no contract `none`",
            "D01 with.checks[0].dataset `tt`: there is no input `tt`",
            "D01 with.checks[1].column `knd`: there is no column `knd` here",
            "D01/wrong-column-type with.checks[2].column: `mean` needs numbers, `kind` is of type string",
            "S01 with.checks[3]: this check says nothing of what must be",
            "D01 with.checks[4].sql `xx`: there is no column `xx` here",
            "D01 with.checks[5].sql `other`: there is no input `other`",
            "S01 with.checks[6].metric: `mean` is of a column",
            "S01 with.checks[7]: this check has neither a metric nor SQL",
            "S01 with.checks[8].must_be_between: nothing is between 3 and 1",
        ]
    );
}

#[test]
fn the_real_weather_keeps_its_contract() {
    let bed = Bed::new().contract(example_contract("weather")).dataset(
        "weather",
        &examples().join("data/flights/weather.parquet").to_string_lossy(),
        Some("weather"),
    );
    let ended = bed.run(&ValidateContract, json!({}), REPORT).unwrap();
    let report = ended.json("report");
    assert_eq!(
        report["checks"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|c| c["passed"] == false)
            .count(),
        0
    );
}

#[test]
fn a_dataset_with_unreadable_values_is_reported_not_refused() {
    let rules =
        contract(json!({"version": 1, "name": "c", "columns": {"n": {"type": "int16", "nullable": false}}}));
    let bed = Bed::new()
        .file("n.csv", "n\n1\nx\n")
        .contract(rules)
        .dataset("n", "n.csv", Some("c"));
    let error = bed.run(&ValidateContract, json!({}), REPORT).unwrap_err();
    assert!(
        error
            .failure
            .message
            .contains("n: 1 values cannot be read: n.csv row 2 column `n`: `x` is not of type int16"),
        "{}",
        error.failure.message
    );
}
