//! Tables too large to be read whole, and datasets.

use super::*;

#[test]
fn a_large_table_read_by_columns_is_judged_as_a_small_one_read_whole() {
    let weather = json!({
        "name": "t", "version": 1, "primary_key": ["id"],
        "columns": {
            "id": {"type": "int64", "nullable": false, "unique": true},
            "kind": {"type": "string", "accepted_values": ["a"]},
            "x": {"type": "float64", "max": 3},
        },
    });
    let params = json!({"severity": "warn", "checks": [
        {"dataset": "t", "column": "x", "metric": "mean", "where": "kind = 'a'", "must_be": 1},
        {"dataset": "t", "metric": "row_count", "must_be": 4},
        {"dataset": "t", "sql": "SELECT MAX(id) FROM t", "must_be": 4},
        {"dataset": "t", "rule": {"expression": "x < id"}, "severity": "warn"},
        {"dataset": "t", "column": "x", "severity": "warn",
            "rule": {"order": {"direction": "increasing", "within": ["kind"]}}},
        {"dataset": "t", "severity": "warn", "rule": {"disjoint": {"dataset": "u"}}},
        {"dataset": "t", "column": "id", "severity": "warn", "rule": {"foreign_key": {"dataset": "u"}}},
        {"dataset": "t", "column": "x", "severity": "warn", "rule": {"distribution": {"reference": "u", "psi_at_most": 0.1}}},
        {"dataset": "t", "column": "kind", "severity": "warn", "rule": {"leakage": {}}},
    ]});
    let other = df!("id" => [1i64, 9], "kind" => ["a", "b"], "x" => [1.0, 2.0]).unwrap();
    let bed = bed().table("u", other).contract(contract(weather));
    let found = |at_once: usize| {
        let mut io = bed.io_of(&ValidateContract, params.clone(), REPORT);
        let params: Params = io.params().unwrap();
        let checked = held(&mut io, &params, None, at_once).unwrap();
        serde_json::to_value(&checked.outcomes).unwrap()
    };
    let by_columns = found(0);
    assert!(by_columns.as_array().unwrap().len() > 12, "{by_columns:#}");
    assert_eq!(by_columns, found(usize::MAX));
}

#[test]
fn a_dataset_is_held_block_by_block_and_its_unreadable_values_counted() {
    let document = json!({"name": "t", "version": 1, "columns": {"x": {"type": "int64", "max": 5}}});
    let bed = Bed::new()
        .file("t.csv", "x\n1\nnone\n9\nlots\n")
        .contract(contract(document))
        .dataset("t", "t.csv", Some("t"));
    let ended = bed
        .run(
            &ValidateContract,
            json!({"severity": "warn", "sample": 1, "on_failure": "report"}),
            REPORT,
        )
        .unwrap();
    let report = ended.json("report");
    let says: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["passed"] == false)
        .map(|check| check["says"].as_str().unwrap())
        .collect();
    assert_eq!(
        says,
        [
            "t: 2 values cannot be read: t.csv row 2 column `x`: `none` is not of type int64; t.csv row 4 column `x`: `lots` is not of type int64",
            "t.x: 1 of 2 rows has a value that is greater than 5",
        ]
    );
}
