//! Queries beside the lineage worked out by hand.

use super::*;
use crate::flow::Flow;
use crate::sql;
use polars::prelude::{
    AsOfOptions, AsofStrategy, JoinArgs, JoinCoalesce, SortMultipleOptions, UnionArgs, col, concat, lit,
};
use trainyard_contract::{Column, DataType, KnownAt, Schema};

fn table(columns: &[(&str, &str, bool)]) -> Schema {
    let order: Vec<String> = ["early", "late"].map(String::from).to_vec();
    let columns = columns
        .iter()
        .map(|(name, data_type, nullable)| {
            let mut column = Column::new(*name, data_type.parse::<DataType>().unwrap(), *nullable);
            let moment = if name.starts_with("late") { "late" } else { "early" };
            column.known_at = Some(KnownAt {
                moment: moment.into(),
                order: order.clone(),
            });
            column
        })
        .collect();
    Schema {
        columns,
        ..Schema::default()
    }
}

/// `orders(id, who, amount, late_fee, at, note?)` and `people(who, age?, city, at)`.
fn inputs() -> (Flow, Flow) {
    let at = "timestamp[us, UTC]";
    let orders = table(&[
        ("id", "int64", false),
        ("who", "string", false),
        ("amount", "float64", false),
        ("late_fee", "float64", false),
        ("at", at, false),
        ("note", "string", true),
    ]);
    let people = table(&[
        ("who", "string", false),
        ("age", "float64", true),
        ("city", "string", false),
        ("at", at, false),
    ]);
    (Flow::unread("o", &orders), Flow::unread("p", &people))
}

/// Each column as `name <- sources`, `?` if it may be missing, `!` if known only late; then what
/// decides rows.
fn described(facts: &Facts) -> String {
    let mut lines = Vec::new();
    let list = |sources: &Sources| {
        sources
            .keys()
            .map(|s| format!("{}.{}", s.input, s.column))
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (name, fact) in &facts.columns {
        let nullable = if fact.column.nullable { "?" } else { "" };
        let late = if fact.known_after("early").is_some() {
            "!"
        } else {
            ""
        };
        lines.push(
            format!("{name}{nullable}{late} <- {}", list(&fact.sources))
                .trim_end()
                .to_owned(),
        );
    }
    let rows = facts.rows();
    if !rows.is_empty() {
        lines.push(format!("rows <- {}", list(&rows)));
    }
    lines.join("; ")
}

fn check(query: &str, expected: &str) {
    let (orders, people) = inputs();
    let flow = Flow::of_many(&[&orders, &people], |frames| {
        sql::query(query, ["o", "p"].into_iter().zip(frames))
    });
    match flow {
        Ok(flow) => assert_eq!(described(&flow.facts), expected, "{query}"),
        Err(error) => panic!("{query}: {error}"),
    }
}

#[test]
fn columns_names_and_computed_values() {
    check("SELECT id, amount FROM o", "id <- o.id; amount <- o.amount");
    check(
        "SELECT amount AS a, amount FROM o",
        "a <- o.amount; amount <- o.amount",
    );
    check("SELECT o.id AS x FROM o AS o", "x <- o.id");
    check(
        "SELECT p.* FROM p",
        "who <- p.who; age? <- p.age; city <- p.city; at <- p.at",
    );
    check(
        "SELECT amount + late_fee AS total FROM o",
        "total! <- o.amount o.late_fee",
    );
    check("SELECT 1 AS one, NULL AS nothing FROM o", "one <-; nothing? <-");
    check("SELECT upper(note) AS n FROM o", "n? <- o.note");
    check("SELECT coalesce(note, 'none') AS n FROM o", "n <- o.note");
    check("SELECT note IS NULL AS n FROM o", "n <- o.note");
    check("SELECT id % 2 AS odd FROM o", "odd? <- o.id");
    check("SELECT CAST(amount AS INTEGER) AS a FROM o", "a <- o.amount");
    check("SELECT TRY_CAST(note AS INTEGER) AS a FROM o", "a? <- o.note");
    check(
        "SELECT CASE WHEN late_fee > 0 THEN 'f' ELSE who END AS c FROM o",
        "c! <- o.late_fee o.who",
    );
    check(
        "SELECT CASE WHEN id > 0 THEN amount END AS c FROM o",
        "c? <- o.amount o.id",
    );
    check("SELECT id IN (1, 2) AS c FROM o", "c <- o.id");
    check("SELECT EXTRACT(month FROM at) AS m FROM o", "m <- o.at");
    check("SELECT concat(who, '-', note) AS c FROM o", "c? <- o.note o.who");
}

#[test]
fn what_decides_rows_is_kept_apart_from_what_becomes_a_value() {
    check(
        "SELECT id FROM o WHERE late_fee > 1 AND who = 'x'",
        "id <- o.id; rows <- o.late_fee o.who",
    );
    check("SELECT id FROM o ORDER BY amount", "id <- o.id; rows <- o.amount");
    check(
        "SELECT id FROM o ORDER BY amount LIMIT 3",
        "id <- o.id; rows <- o.amount",
    );
    check("SELECT DISTINCT who FROM o", "who <- o.who; rows <- o.who");
}

#[test]
fn an_aggregate_depends_on_what_chose_its_rows() {
    check(
        "SELECT who, SUM(amount) AS s FROM o GROUP BY who",
        "who <- o.who; s? <- o.amount; rows <- o.who",
    );
    check("SELECT COUNT(*) AS n FROM o", "n <-");
    check(
        "SELECT COUNT(*) AS n FROM o WHERE late_fee > 0",
        "n! <-; rows <- o.late_fee",
    );
    check(
        "SELECT who, MAX(late_fee) AS m FROM o GROUP BY who HAVING COUNT(*) > 2",
        "who <- o.who; m?! <- o.late_fee; rows <- o.who",
    );
    check(
        "SELECT AVG(s) AS a FROM (SELECT who, SUM(amount) AS s FROM o GROUP BY who) t",
        "a? <- o.amount; rows <- o.who",
    );
    check(
        "SELECT id, SUM(amount) OVER (PARTITION BY who) AS s FROM o",
        "id <- o.id; s? <- o.amount o.who",
    );
    check(
        "SELECT id, ROW_NUMBER() OVER (PARTITION BY who ORDER BY late_fee) AS n FROM o",
        "id <- o.id; n?! <- o.late_fee o.who",
    );
}

#[test]
fn joins_take_the_key_into_account() {
    check(
        "SELECT o.id, p.age FROM o JOIN p ON o.who = p.who",
        "id <- o.id; age? <- p.age; rows <- o.who p.who",
    );
    check(
        "SELECT o.id, p.city FROM o LEFT JOIN p ON o.who = p.who",
        "id <- o.id; city? <- p.city; rows <- o.who p.who",
    );
    check(
        "SELECT o.id, p.city FROM o JOIN p ON o.late_fee = p.age",
        "id <- o.id; city! <- p.city; rows <- o.late_fee p.age",
    );
    check(
        "SELECT * FROM o JOIN p USING (who)",
        "id <- o.id; who <- o.who; amount <- o.amount; late_fee! <- o.late_fee; at <- o.at; note? <- o.note; who:p <- p.who; \
         age? <- p.age; city <- p.city; at:p <- p.at; rows <- o.who p.who",
    );
    check(
        "SELECT o.id FROM o SEMI JOIN p USING (who)",
        "id <- o.id; rows <- o.who p.who",
    );
    check(
        "SELECT o.id, p.city FROM o CROSS JOIN p",
        "id <- o.id; city <- p.city",
    );
    check(
        "SELECT id FROM o WHERE who IN (SELECT who FROM p WHERE age > 3)",
        "id <- o.id; rows <- o.who p.age p.who",
    );
}

#[test]
fn common_tables_unions_and_the_query_of_the_handbook() {
    check(
        "WITH t AS (SELECT who AS w, amount * 2 AS d FROM o), u AS (SELECT w, d + 1 AS e FROM t) SELECT e FROM u",
        "e <- o.amount",
    );
    check(
        "SELECT who FROM o UNION ALL SELECT city AS who FROM p",
        "who <- o.who p.city",
    );
    check(
        "WITH t AS (SELECT who, SUM(amount) AS total, COUNT(*) AS n FROM o WHERE at > '2020-01-01' GROUP BY who) \
         SELECT t.who AS uid, t.total / t.n AS mean, p.age * 2 AS a2 FROM t JOIN p ON t.who = p.who ORDER BY a2",
        "uid <- o.who; mean? <- o.amount; a2? <- p.age; rows <- o.at o.who p.age p.who",
    );
}

#[test]
fn an_as_of_join_finds_only_what_was_known_but_needs_its_key() {
    let (orders, people) = inputs();
    let joined = |by: &'static str, other: &'static str| {
        orders
            .with(&people, move |left, right| {
                let options = AsOfOptions {
                    strategy: AsofStrategy::Backward,
                    left_by: Some(vec![by.into()]),
                    right_by: Some(vec![other.into()]),
                    ..AsOfOptions::default()
                };
                let how = JoinType::AsOf(Box::new(options));
                let right = right.select([col(other), col("at"), col("city").alias("late_city")]);
                Ok(left
                    .join(
                        right,
                        [col("at")],
                        [col("at")],
                        JoinArgs::new(how).with_coalesce(JoinCoalesce::CoalesceColumns),
                    )
                    .select([col("id"), col("late_city")]))
            })
            .map(|flow| described(&flow.facts))
            .unwrap()
    };
    assert_eq!(
        joined("who", "who"),
        "id <- o.id; late_city? <- p.city; rows <- o.at o.who p.at p.who"
    );
}

#[test]
fn plans_that_sql_cannot_say() {
    let (orders, people) = inputs();
    let flow = orders
        .then(|frame| Ok(frame.with_row_index("n", None).select([col("n"), col("id")])))
        .unwrap();
    assert_eq!(described(&flow.facts), "n <-; id <- o.id");
    let flow = orders
        .then(|frame| {
            Ok(frame
                .sort(["late_fee"], SortMultipleOptions::default())
                .limit(1)
                .select([col("id").sum()]))
        })
        .unwrap();
    assert_eq!(described(&flow.facts), "id! <- o.id; rows <- o.late_fee");
    let flow = orders
        .with(&people, |left, right| {
            concat(
                [left.select([col("who")]), right.select([col("who")])],
                UnionArgs::default(),
            )
        })
        .unwrap();
    assert_eq!(described(&flow.facts), "who <- o.who p.who");
    let flow = orders
        .then(|frame| Ok(frame.with_columns([lit(1).alias("amount")])))
        .unwrap();
    assert!(flow.facts.get("amount").unwrap().sources.is_empty());
}

#[test]
fn a_copied_column_keeps_its_unit_and_a_computed_one_loses_it() {
    let mut schema = table(&[("distance", "int16", false), ("other", "int16", false)]);
    schema.columns[0].unit = Some("mile".into());
    schema.columns[0].classification = Some("internal".into());
    schema.columns[1].classification = Some("protected".into());
    let flow = Flow::unread("t", &schema)
        .then(|frame| {
            sql::query(
                "SELECT distance AS d, distance * 2 AS e, distance + other AS f FROM t",
                [("t", frame)],
            )
        })
        .unwrap();
    let column = |name: &str| flow.facts.get(name).unwrap().column.clone();
    assert_eq!(column("d").unit.as_deref(), Some("mile"));
    assert_eq!(column("e").unit, None);
    assert_eq!(column("e").classification.as_deref(), Some("internal"));
    assert_eq!(column("f").classification.as_deref(), Some("protected"));
    assert_eq!(column("d").data_type, DataType::Int16);
}
