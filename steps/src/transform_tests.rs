use super::*;
use crate::testbed::{Bed, rows};
use polars::prelude::df;
use serde_json::json;

const TABLE: &[(&str, ArtifactKind)] = &[("table", ArtifactKind::Table)];

fn bed() -> Bed {
    let orders = df!("id" => [1i64, 2, 3], "who" => ["a", "b", "a"], "amount" => [1.5, 2.0, 4.0]).unwrap();
    let people = df!("who" => ["a", "b"], "age" => [30i64, 40]).unwrap();
    Bed::new().table("orders", orders).table("people", people)
}

fn found(query: &str) -> Vec<String> {
    let answer = bed().infer(&TransformSql, json!({ "query": query }), TABLE);
    let said = answer.findings.iter().map(|f| {
        let word = f
            .word
            .as_ref()
            .map(|word| format!(" `{word}`"))
            .unwrap_or_default();
        let help = f
            .help
            .as_ref()
            .map(|help| format!(" ({help})"))
            .unwrap_or_default();
        format!("{}{word}: {}{help}", f.code, f.message)
    });
    said.collect()
}

#[test]
fn a_query_is_run_and_its_schema_and_lineage_are_those_of_the_check() {
    let bed = bed();
    let with = json!({"query": "SELECT o.who, p.age, SUM(o.amount) AS total FROM orders o JOIN people p USING (who) GROUP BY o.who, p.age ORDER BY total"});
    let answer = bed.infer(&TransformSql, with.clone(), TABLE);
    assert_eq!(answer.findings, []);
    let ended = bed.run(&TransformSql, with, TABLE).unwrap();
    assert_eq!(rows(&ended.frame("table")), ["b|40|2", "a|30|5.5"]);
    assert_eq!(
        answer.outputs["table"],
        Shape::Table(ended.schema("table").clone())
    );
    assert_eq!(answer.lineage, ended.report.lineage);
    let edges: Vec<String> = answer
        .lineage
        .iter()
        .filter(|e| e.column != trainyard_contract::task::ColumnEdge::ROWS)
        .map(|e| format!("{} <- {}.{}", e.column, e.input, e.from))
        .collect();
    assert_eq!(
        edges,
        ["who <- orders.who", "age <- people.age", "total <- orders.amount"]
    );
    assert_eq!(answer.uses["people"].iter().collect::<Vec<_>>(), ["age", "who"]);
}

#[test]
fn what_is_wrong_with_a_query_is_said_at_the_word() {
    assert_eq!(
        found("SELECT amuont FROM orders"),
        ["D01 `amuont`: there is no column `amuont` here (did you mean `amount`?)"]
    );
    assert_eq!(
        found("SELECT o.idd FROM orders o JOIN people p USING (who)"),
        ["D01 `idd`: there is no column `idd` here (did you mean `id`?)"]
    );
    assert_eq!(
        found("SELECT * FROM (SELECT 1"),
        ["S03: this is not SQL: expected: ), found: 1 at Line: 1, Column: 23"]
    );
    assert_eq!(
        found("SELECT * FROM oders"),
        ["D01 `oders`: there is no input `oders` (did you mean `orders`?)"]
    );
    assert_eq!(
        found("SELECT id AS x, amount AS x FROM orders"),
        ["D03 `x`: two columns of the result are called `x` (give one of them another name with `AS`)"]
    );
    assert_eq!(
        found("SELECT amount + who AS x FROM orders"),
        [
            "D01/wrong-column-type `who`: `+` does not go with float64 and string (convert it: `CAST(… AS DOUBLE)`)"
        ]
    );
    assert_eq!(
        found("SELECT * FROM orders o JOIN people p ON o.who = p.age"),
        [
            "D01/wrong-column-type `age`: string is compared with int64 (convert one of them: `CAST(… AS …)`, or write texts \
          in quotes and numbers without)"
        ]
    );
}

#[test]
fn a_query_that_makes_no_sense_is_an_error_and_never_a_panic() {
    for query in [
        "SELECT",
        "SELECT *",
        "SELECT 1",
        "SELECT FROM",
        "SELECT * FROM orders WHERE",
        "SELECT * FROM orders WHERE 1",
        "SELECT * FROM orders GROUP BY",
        "SELECT id FROM orders GROUP BY who",
        "SELECT SUM(*) FROM orders",
        "SELECT SUM(SUM(id)) FROM orders",
        "SELECT * FROM orders ORDER BY 17",
        "SELECT * FROM orders LIMIT -1",
        "SELECT * FROM orders LIMIT id",
        "SELECT * FROM orders, people",
        "SELECT orders FROM orders",
        "SELECT who.x.y FROM orders",
        "SELECT CAST(who AS nonsense) FROM orders",
        "SELECT nonsense(id) FROM orders",
        "SELECT * FROM orders WHERE id IN (SELECT * FROM people)",
        "SELECT (SELECT age FROM people) FROM orders",
        "SELECT * FROM orders UNION SELECT * FROM people",
        "SELECT * FROM orders UNION ALL SELECT * FROM people",
        "SELECT id FROM orders UNION ALL SELECT who FROM people",
        "WITH orders AS (SELECT * FROM orders) SELECT * FROM orders",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
        "SELECT SUM(amount) OVER (PARTITION BY nothing) FROM orders",
        "SELECT RANK() OVER () FROM orders",
        "SELECT LAG(amount, who) OVER (ORDER BY id) FROM orders",
        "SELECT substr(who, -1, amount) FROM orders",
        "SELECT who LIKE id FROM orders",
        "SELECT id / 0, id % 0 FROM orders",
        "SELECT DATE '2020-13-45' FROM orders",
        "SELECT INTERVAL '1 nonsense' FROM orders",
        "SELECT EXTRACT(nonsense FROM who) FROM orders",
        "SELECT strptime(who, '%') FROM orders",
        "SELECT regexp_like(who, '(') FROM orders",
        "SELECT '\u{0}' FROM orders",
        "SELECT COLUMNS('(') FROM orders",
        "SELECT * EXCLUDE (nothing) FROM orders",
        "SELECT * REPLACE (1 AS nothing) FROM orders",
        "SELECT * FROM orders NATURAL JOIN people",
        "SELECT * FROM orders FULL JOIN people ON orders.id > people.age",
        "SELECT * FROM orders LEFT JOIN people ON orders.who = people.who AND orders.id > 1",
        "SELECT array_get(who, 1) FROM orders",
        "SELECT unnest(who) FROM orders",
        "SELECT quantile_cont(amount, 2) FROM orders",
        "SELECT COUNT(DISTINCT who, id) FROM orders",
        "VALUES (1, 2)",
        "SELECT * FROM (VALUES (1), ('a')) t",
        "EXPLAIN SELECT * FROM orders",
        "SHOW TABLES",
        "SELECT * FROM orders QUALIFY 1",
        "SELECT * FROM orders FETCH FIRST 1 ROWS ONLY",
        "SELECT 99999999999999999999999999 FROM orders",
        "SELECT 1e999 FROM orders",
        "SELECT -(-(-(id))) FROM orders",
    ] {
        bed().infer(&TransformSql, json!({ "query": query }), TABLE);
    }
}

#[test]
fn what_polars_panics_at_is_an_error_with_its_own_words() {
    let said = found("SELECT INTERVAL '1 nonsense' FROM orders");
    assert!(
        said[0].contains("polars cannot take this: unit: 'nonsense' not supported"),
        "{said:?}"
    );
}

#[test]
fn nothing_is_said_at_a_query_that_is_known_only_when_it_runs() {
    let unknown = std::collections::BTreeSet::from([inference::with("query")]);
    let bed = bed();
    let answer = TransformSql.infer(&InferRequest {
        step: "s",
        with: &json!({"query": "SELECT x FROM orders WHERE id > params.least"}),
        unknown: &unknown,
        inputs: &bed.shapes(),
        outputs: &IndexMap::new(),
        contracts: &std::collections::BTreeMap::new(),
        features: &Default::default(),
    });
    assert_eq!(answer.findings, []);
}
