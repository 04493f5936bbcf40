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
        "t.id: 1 of 4 rows has a value that is greater than 3",
        "t.kind: 1 of 4 rows has a value that is missing, and the contract says `nullable: false`",
        "t.kind: 1 of 3 rows has a value that is not one of a, b",
        "t.kind: 1 of 3 rows has a value that does not match `^[a-z]$`",
        "t has no column `y`, which contract `t` lists",
        "t has a column `x`, which contract `t` does not list",
        "t.id: 2 of 4 rows have a (id) that occurs more than once",
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
    let bed = Bed::new().table("t", frame).contract(rules);
    let ended = bed
        .run(&ValidateContract, json!({"on_failure": "report"}), REPORT)
        .unwrap();
    let report = ended.json("report");
    let broken = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["passed"] == false)
        .unwrap();
    assert_eq!(
        broken["failing"],
        json!([{"row": 2, "values": {"id": "2", "kind": "<c>"}}])
    );
    assert_eq!((&report["passed"], &broken["rows"]), (&json!(false), &json!(2)));
    let html = String::from_utf8(ended.bytes("report")).unwrap();
    assert!(html.contains("&lt;c&gt;") && !html.contains("<c>"));
    // What fails stands before the tables, and a column has one line with all its checks.
    assert!(html.find("What fails").unwrap() < html.find("t, 2 rows").unwrap());
    assert_eq!(html.matches("<span class=\"name\">kind</span>").count(), 1);
    for foreign in ["<script", "http://", "https://", "src=", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
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
            "S01 with.checks[7]: this check has neither a metric nor SQL nor a rule",
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

/// One rule over the inputs of a bed: whether it holds, what it says, and how many rows it looked at.
fn ruled(bed: &Bed, check: Value) -> (bool, String, u64) {
    let mut check = check;
    check["severity"] = json!("warn");
    let with = json!({"checks": [check], "as_of": "2024-03-10"});
    let answer = bed.infer(&ValidateContract, with.clone(), REPORT);
    assert_eq!(answer.findings, [], "{with}");
    let ended = bed.run(&ValidateContract, with, REPORT).unwrap();
    let found = &ended.json("report")["checks"][0];
    (
        found["passed"].as_bool().unwrap(),
        found["says"].as_str().unwrap().to_owned(),
        found["rows"].as_u64().unwrap(),
    )
}

#[test]
fn each_rule_says_which_rows_break_it_and_how_many_it_looked_at() {
    let bed = bed();
    for (rule, expected) in [
        (
            json!({"column": "x", "rule": "not_null"}),
            "t.x: 1 of 4 rows has a missing value",
        ),
        (
            json!({"column": "id", "rule": "unique"}),
            "t.id: 2 of 4 rows have a (id) that occurs more than once",
        ),
        (
            json!({"columns": ["id", "kind"], "rule": "unique"}),
            "t: none of 4 rows has a (id, kind) that occurs more than once",
        ),
        (
            json!({"column": "x", "rule": {"range": {"min": 1, "max": 5}}}),
            "t.x: 1 of 3 rows has a value that is not 1 to 5",
        ),
        (
            json!({"column": "kind", "rule": {"accepted_values": ["a", "b"]}}),
            "t.kind: 1 of 3 rows has a value that is not one of a, b",
        ),
        (
            json!({"column": "kind", "rule": {"pattern": "^[a-z]$"}}),
            "t.kind: 1 of 3 rows has a value that does not match `^[a-z]$`",
        ),
        (
            json!({"column": "kind", "rule": {"length": {"max": 1}}}),
            "t.kind: 1 of 3 rows has a text that is not at most 1 letters long",
        ),
        (
            json!({"rule": {"expression": "x >= id"}}),
            "t: none of 3 rows has values that break `x >= id`",
        ),
        (
            json!({"rule": {"expression": "x > id"}}),
            "t: 2 of 3 rows have values that break `x > id`",
        ),
        (
            json!({"column": "id", "rule": {"order": {"direction": "increasing"}}}),
            "t.id: none of 4 rows has a value less than the one before",
        ),
        (
            json!({"column": "id", "rule": {"order": {"direction": "increasing", "ties": false}}}),
            "t.id: 1 of 4 rows has a value not greater than the one before",
        ),
        (
            json!({"column": "x", "rule": {"order": {"direction": "decreasing"}}}),
            "t.x: 2 of 3 rows have a value greater than the one before",
        ),
        (
            json!({"column": "x", "where": "id = 2", "rule": {"range": {"max": 5}}}),
            "t.x: 1 of 2 rows has a value that is not at most 5",
        ),
    ] {
        let mut check = rule;
        check["dataset"] = json!("t");
        let (passed, says, _) = ruled(&bed, check);
        assert_eq!(says, expected);
        assert_eq!(passed, says.contains("none of"));
    }
    assert_eq!(
        checked(json!([{"dataset": "t", "column": "x", "metric": "max", "where": "id = 2", "must_be": 6}])),
        [(true, "t.x max is 6, must be 6".to_owned())]
    );
}

#[test]
fn a_row_that_breaks_an_expression_is_shown_with_the_columns_of_it() {
    let with =
        json!({"checks": [{"dataset": "t", "rule": {"expression": "x > id"}}], "on_failure": "report"});
    let ended = bed()
        .run(
            &ValidateContract,
            with,
            &[REPORT[0], ("failing", ArtifactKind::Table)],
        )
        .unwrap();
    assert_eq!(
        ended.json("report")["checks"][0]["failing"][0]["values"],
        json!({"id": "1", "x": "1"})
    );
    assert_eq!(
        crate::testbed::rows(&ended.frame("failing"))[0],
        "t|1|id, x|1, 1|expression|values that break `x > id`|error"
    );
}

#[test]
fn order_within_groups_compares_each_row_with_the_last_one_of_its_group() {
    let frame = df!("who" => ["a", "b", "a", "b", "a"], "n" => [1i64, 9, 2, 8, 3]).unwrap();
    let bed = Bed::new().table("t", frame);
    let rule = |within: Value| json!({"dataset": "t", "column": "n", "rule": {"order": {"direction": "increasing", "within": within}}});
    assert_eq!(
        ruled(&bed, rule(json!(["who"]))).1,
        "t.n: 1 of 5 rows has a value less than the one before within (who)"
    );
    assert_eq!(
        ruled(&bed, rule(json!([]))).1,
        "t.n: 2 of 5 rows have a value less than the one before"
    );
}

#[test]
fn a_share_of_bad_rows_is_tolerated_and_no_more() {
    let frame = df!("x" => (0..100i64).collect::<Vec<_>>()).unwrap();
    let bed = Bed::new().table("t", frame);
    let rule = |share: f64| json!({"dataset": "t", "column": "x", "rule": {"range": {"max": 94}}, "max_bad_share": share});
    assert!(ruled(&bed, rule(0.05)).0);
    let (passed, says, _) = ruled(&bed, rule(0.04));
    assert!(!passed);
    assert_eq!(
        says,
        "t.x: 5 of 100 rows have a value that is not at most 94 (0.0500 of them, 0.04 are tolerated)"
    );
}

fn two() -> Bed {
    let mut train = df!("id" => [1i64, 2, 3], "k" => [Some("a"), Some("b"), None], "day" => [0i32, 1, 2], "amount" => [1.0, 2.0, 3.5]).unwrap();
    let mut test =
        df!("id" => [3i64, 4], "k" => [Some("c"), None], "day" => [2i32, 3], "amount" => [6.0, 0.5]).unwrap();
    for frame in [&mut train, &mut test] {
        frame
            .apply("day", |day| day.cast(&polars::prelude::DataType::Date).unwrap())
            .unwrap();
    }
    Bed::new().table("train", train).table("test", test)
}

#[test]
fn tables_are_held_against_each_other() {
    let bed = two();
    for (check, expected) in [
        (
            json!({"column": "k", "rule": {"foreign_key": {"dataset": "train"}}}),
            "test.k: 1 of 1 rows has a (k) that `train` does not have",
        ),
        (
            json!({"column": "id", "rule": {"foreign_key": {"dataset": "train", "columns": ["id"]}}}),
            "test.id: 1 of 2 rows has a (id) that `train` does not have",
        ),
        (
            json!({"column": "id", "rule": {"disjoint": {"dataset": "train"}}}),
            "test.id: 1 of 2 rows has a (id) that `train` has too",
        ),
        (
            json!({"column": "k", "rule": {"disjoint": {"dataset": "train"}}}),
            "test.k: 1 of 2 rows has a (k) that `train` has too",
        ),
        (
            json!({"rule": {"disjoint": {"dataset": "train"}}}),
            "test: none of 2 rows has values in all columns that `train` has too",
        ),
        (
            json!({"column": "day", "rule": {"later_than": {"dataset": "train"}}}),
            "test.day: 1 of 2 rows has a time not after 1970-01-03T00:00:00Z, the last of `train`",
        ),
        (
            json!({"column": "amount", "rule": {"agrees": {"metric": "sum", "dataset": "train"}}}),
            "sum of test.amount is 6.5, of train.amount 6.5 (difference 0, allowed 0.000000001 of the latter)",
        ),
        (
            json!({"rule": {"agrees": {"metric": "row_count", "dataset": "train", "tolerance": 0.1}}}),
            "row_count of test is 2, of train 3 (difference -1, allowed 0.1 of the latter)",
        ),
    ] {
        let mut check = check;
        check["dataset"] = json!("test");
        assert_eq!(ruled(&bed, check).1, expected);
    }
}

#[test]
fn the_newest_row_is_not_too_old_at_the_time_that_is_given() {
    let bed = || {
        let mut frame = df!("day" => [19_780i32, 19_791]).unwrap();
        frame
            .apply("day", |day| day.cast(&polars::prelude::DataType::Date).unwrap())
            .unwrap();
        Bed::new().table("t", frame)
    };
    let fresh = |age: &str| json!({"dataset": "t", "column": "day", "rule": {"fresh": {"max_age": age}}});
    let (passed, says, _) = ruled(&bed(), fresh("24h"));
    assert_eq!(
        (passed, says.as_str()),
        (
            true,
            "t.day: the newest is of 2024-03-09T00:00:00Z, 24 h before 2024-03-10T00:00:00Z, at most 1d are allowed"
        )
    );
    assert!(!ruled(&bed(), fresh("23h")).0);
    let rules = contract(json!({
        "version": 1, "name": "t", "event_time": "day", "freshness": {"max_age": "30h"}, "columns": {"day": {"type": "date"}}
    }));
    let held = |with: Value| bed().contract(rules.clone()).run(&ValidateContract, with, REPORT);
    let unheld = held(json!({})).unwrap();
    assert!(
        unheld
            .log
            .iter()
            .any(|line| line.contains("`freshness` (30h) is not held")),
        "{:?}",
        unheld.log
    );
    assert!(held(json!({"as_of": "2024-03-10T05:00:00Z"})).is_ok());
    assert!(held(json!({"as_of": "2024-03-10T07:00:00Z"})).is_err());
}

#[test]
fn a_distribution_is_compared_with_an_earlier_one_or_with_none() {
    let frame =
        |shift: f64| df!("x" => (0..200).map(|row| f64::from(row % 20) + shift).collect::<Vec<_>>()).unwrap();
    let check = json!({"dataset": "t", "column": "x", "rule": {"distribution": {
        "reference": "before", "psi_at_most": 0.1, "ks_at_most": 0.1, "mean_shift_at_most": 0.2}}});
    let same = Bed::new().table("t", frame(0.0)).table("before", frame(0.0));
    assert_eq!(
        ruled(&same, check.clone()).1,
        "t.x beside before.x: PSI 0 (at most 0.1), KS 0 (at most 0.1), mean shift 0 (at most 0.2); n = 200 and 200"
    );
    assert!(
        !ruled(
            &Bed::new().table("t", frame(5.0)).table("before", frame(0.0)),
            check.clone()
        )
        .0
    );
    let mut first = Bed::new().table("t", frame(0.0));
    first.inputs.insert("before".to_owned(), TaskInput::Absent);
    assert_eq!(
        ruled(&first, check).1,
        "t.x: there is no `before` yet to compare with"
    );
}

#[test]
fn a_label_has_enough_of_each_class_and_no_column_gives_it_away() {
    let late: Vec<bool> = (0..200).map(|row| row % 20 == 0).collect();
    let told: Vec<f64> = (0..200)
        .map(|row| if row % 20 == 0 { 9.0 } else { f64::from(row % 5) })
        .collect();
    let hour: Vec<i64> = (0..200).map(|row| (row * 7) % 24).collect();
    let bed = Bed::new().table("t", df!("late" => late, "told" => told, "hour" => hour).unwrap());
    let label = |rule: Value| json!({"dataset": "t", "column": "late", "rule": rule});
    let (passed, says, rows) = ruled(&bed, label(json!({"classes": {"least_share": 0.1}})));
    assert_eq!((passed, rows), (false, 200));
    assert!(
        says.starts_with("t.late has 2 classes, the rarest `true` with 10 of 200 rows (0.05)"),
        "{says}"
    );
    assert!(ruled(&bed, label(json!({"classes": {"least_rows": 10}}))).0);
    let (passed, says, _) = ruled(&bed, label(json!({"leakage": {"at_most": 0.9}})));
    assert_eq!(
        (passed, says.as_str()),
        (
            false,
            "t.late is told by `told` (AUC 1) alone, at most 0.9 are allowed; n = 200"
        )
    );
}

#[test]
fn failing_rows_are_kept_with_value_and_reason_up_to_a_bound() {
    let outputs = &[
        ("failing", ArtifactKind::Table),
        ("passed", ArtifactKind::Boolean),
        ("metrics", ArtifactKind::Metrics),
    ];
    let checks = json!([
        {"name": "small", "dataset": "t", "column": "x", "rule": {"range": {"max": 1}}},
        {"dataset": "t", "column": "kind", "rule": "not_null", "severity": "info"},
    ]);
    let with = json!({"checks": checks, "on_failure": "report", "keep_failing": 1});
    let ended = bed().run(&ValidateContract, with.clone(), outputs).unwrap();
    assert_eq!(
        crate::testbed::rows(&ended.frame("failing")),
        [
            "t|2|x|2|small|a value that is not at most 1|error",
            "t|3|kind|-|not_null|a missing value|info"
        ]
    );
    assert!(
        ended.log.contains(&"2 of 3 failing rows are kept".to_owned()),
        "{:?}",
        ended.log
    );
    assert_eq!(
        ended.report.outputs["passed"],
        trainyard_contract::OutputValue::Value(json!(false))
    );
    assert_eq!(
        ended.artifact("metrics").summary,
        json!({"small": 2.0, "t.kind.not_null": 1.0})
    );
    assert_eq!(ended.report.metrics["small"], 2.0);
    let answer = bed().infer(&ValidateContract, with, outputs);
    assert_eq!(
        answer.outputs["failing"],
        Shape::Table(ended.schema("failing").clone())
    );
}

#[test]
fn contracts_can_be_held_leniently() {
    let rules = contract(json!({"version": 1, "name": "t", "columns": {"id": {"type": "int64", "max": 3}}}));
    let bed = bed().contract(rules);
    assert!(
        bed.run(&ValidateContract, json!({"severity": "warn"}), REPORT)
            .is_ok()
    );
    assert!(
        bed.run(&ValidateContract, json!({"max_bad_share": 0.25}), REPORT)
            .is_ok()
    );
    assert!(
        bed.run(&ValidateContract, json!({"max_bad_share": 0.2}), REPORT)
            .is_err()
    );
}

#[test]
fn a_rule_that_cannot_be_is_found_at_its_place_before_the_run() {
    let checks = json!([
        {"dataset": "t", "column": "kind", "rule": {"range": {"min": 1}}},
        {"dataset": "t", "column": "x", "rule": {"range": {}}},
        {"dataset": "t", "column": "x", "rule": {"range": {"min": 2, "max": 1}}},
        {"dataset": "t", "column": "kind", "rule": {"pattern": "("}},
        {"dataset": "t", "rule": {"expression": "xx > 1"}},
        {"dataset": "t", "rule": {"expression": "x + 1"}},
        {"dataset": "t", "column": "id", "rule": {"foreign_key": {"dataset": "tt"}}},
        {"dataset": "t", "rule": "not_null"},
        {"dataset": "t", "column": "x", "rule": "not_null", "metric": "mean", "must_be": 1},
        {"dataset": "t", "column": "x", "rule": "not_null", "must_be": 1},
        {"dataset": "t", "column": "x", "rule": {"fresh": {"max_age": "1h"}}},
        {"dataset": "t", "column": "x", "rule": {"distribution": {"reference": "t"}}},
        {"dataset": "t", "columns": ["x"], "rule": "not_null"},
        {"dataset": "t", "column": "x", "where": "kind", "rule": "not_null"},
        {"dataset": "t", "column": "x", "rule": {"order": {"direction": "increasing", "within": ["who"]}}},
    ]);
    let answer = bed().infer(
        &ValidateContract,
        json!({"checks": checks, "as_of": "soon"}),
        REPORT,
    );
    let found: Vec<String> = answer
        .findings
        .iter()
        .map(|f| format!("{} {}: {}", f.code, f.path, f.message))
        .collect();
    assert_eq!(
        found,
        [
            "S01 with.as_of: `soon` is neither a date such as `2026-11-22` nor an instant such as `2026-11-22T02:30:00Z`",
            "D01/wrong-column-type with.checks[0].column: `range` needs numbers, `kind` is of type string",
            "S01 with.checks[1].rule.range: this allows every value",
            "S01 with.checks[2].rule.range: nothing is between 2 and 1",
            "S01 with.checks[3].rule.pattern: this is no regular expression: regex error: regex parse error: ( ^ error: unclosed group",
            "D01 with.checks[4].rule.expression: there is no column `xx` here",
            "D01/wrong-column-type with.checks[5].rule.expression: this must be true or false, it is of type float64",
            "D01 with.checks[6].rule.foreign_key.dataset: there is no input `tt`",
            "S01 with.checks[7].rule: `not_null` is of a column",
            "S01 with.checks[8].rule: a check has a rule or a number with bounds, not both",
            "S01 with.checks[9]: a rule says itself what must hold: bounds are for metrics and SQL",
            "D01/wrong-column-type with.checks[10].column: `fresh` needs dates or timestamps, `x` is of type float64",
            "S01 with.checks[11].rule.distribution: this allows every distribution",
            "S01 with.checks[12].columns: `not_null` is of one column, or of `columns` alone",
            "D01/wrong-column-type with.checks[13].where: this must be true or false, it is of type string",
            "D01 with.checks[14].rule.order.within[0]: there is no column `who` here",
        ]
    );
    let fresh = json!({"checks": [{"dataset": "t", "column": "x", "rule": {"fresh": {"max_age": "1h"}}}]});
    let answer = bed().infer(&ValidateContract, fresh, REPORT);
    assert_eq!(
        answer.findings[0].message,
        "`fresh` needs to know the time it is measured from"
    );
}

#[path = "validate/remembered_tests.rs"]
mod remembering;
#[path = "validate/source_tests.rs"]
mod sources;
