//! The check of words, and after it that of the plan, held against polars itself: what both let pass
//! runs, for every operator and function over columns of every type. The other way round the check is
//! stricter than polars, which gives the logarithm of a text (nothing at all) and compares dates with
//! numbers.

use super::{check_expression, dated, expression, function};
use crate::fault::guarded;
use crate::flow::Flow;
use polars::prelude::{DataFrame, DataType, IntoLazy, TimeUnit, df};

/// Three rows of each type, no value missing.
fn table() -> DataFrame {
    let plain = df!(
        "b" => [true, false, true],
        "i" => [1i64, 2, 3],
        "f" => [0.5, 1.5, 2.5],
        "s" => ["2020-01-01", "2020-01-02", "2020-01-03"],
        "d" => [1i32, 2, 3],
        "ts" => [1i64, 2, 3],
        "tm" => [1i64, 2, 3],
        "du" => [1i64, 2, 3],
    )
    .unwrap();
    let types = [
        ("d", DataType::Date),
        ("ts", DataType::Datetime(TimeUnit::Microseconds, None)),
        ("tm", DataType::Time),
        ("du", DataType::Duration(TimeUnit::Microseconds)),
    ];
    let casts = types.map(|(name, data_type)| polars::prelude::col(name).cast(data_type));
    let list = polars::prelude::concat_list([polars::prelude::col("i")])
        .unwrap()
        .alias("l");
    plain
        .lazy()
        .with_columns(casts)
        .with_columns([list])
        .collect()
        .unwrap()
}

const NAMES: [&str; 9] = ["b", "i", "f", "s", "d", "ts", "tm", "du", "l"];

/// Expressions that both checks let pass and polars cannot run.
fn missed(expressions: &[String]) -> Vec<String> {
    let table = table();
    let schema = crate::dataset::bare_schema(table.schema(), None);
    let flow = Flow::unread("t", &schema);
    let columns = || {
        schema
            .columns
            .iter()
            .map(|column| (column.name.as_str(), &column.data_type))
    };
    let mut found = Vec::new();
    let mut run = 0;
    for text in expressions {
        if !check_expression(text, columns()).is_empty() {
            continue;
        }
        let Ok(parsed) = expression(text) else { continue };
        let typed = |name: &str| schema.column(name).map(|column| column.data_type.clone());
        let parsed = dated(parsed, typed).alias("x");
        if flow.then(|frame| Ok(frame.select([parsed.clone()]))).is_err() {
            continue;
        }
        run += 1;
        if let Err(error) = guarded(|| table.clone().lazy().select([parsed]).collect()) {
            found.push(format!("{text}: {}", crate::fault::sentence(&error)));
        }
    }
    assert!(
        run > expressions.len() / 6,
        "only {run} of {} were run",
        expressions.len()
    );
    found
}

#[test]
fn an_operator_that_passes_can_be_applied() {
    let mut expressions = Vec::new();
    for one in NAMES {
        for other in NAMES {
            for op in ["+", "-", "*", "/", "%", "=", "<", "<>", "AND", "OR", "||"] {
                expressions.push(format!("{one} {op} {other}"));
            }
            expressions.push(format!("{one} BETWEEN {other} AND {other}"));
            expressions.push(format!("{one} LIKE {other}"));
            expressions.push(format!("CASE WHEN {one} THEN {other} END"));
        }
        for text in [
            "NOT x",
            "-x",
            "x IS NULL",
            "CAST(x AS VARCHAR)",
            "x = 'abc'",
            "x > 15",
            "x IN (1, 2)",
            "x = NULL",
            "x = '2020-01-01'",
            "x IN ('a')",
            "EXTRACT(year FROM x)",
            "x IS TRUE",
        ] {
            expressions.push(
                text.replace('x', one)
                    .replace("EXTRACT".replace('x', one).as_str(), "EXTRACT"),
            );
        }
    }
    let found = missed(&expressions);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_function_that_passes_can_be_applied() {
    let mut expressions = Vec::new();
    for known in function::FUNCTIONS {
        for name in known.names {
            for one in NAMES {
                let second = match *name {
                    "round" | "trunc" | "truncate" => "1",
                    "quantile_cont" | "quantile_disc" => "0.5",
                    "concat_ws" => one,
                    "date_part" => one,
                    "strftime" if one == "d" => "'%Y'",
                    "strftime" => "'%H'",
                    "lag" | "lead" => "1",
                    "array_to_string" | "string_agg" | "listagg" | "group_concat" => "','",
                    "array_contains" | "array_get" => "1",
                    "left" | "right" | "lpad" | "rpad" | "substr" | "log" | "div" | "mod" | "pow"
                    | "power" | "atan2" | "atan2d" | "corr" | "covar" | "covar_pop" | "covar_samp" => "2",
                    "bit_and" | "bitand" | "bit_or" | "bitor" | "bit_xor" | "bitxor" | "xor" => "i",
                    "coalesce" | "greatest" | "least" | "ifnull" | "nullif" => one,
                    "strptime" | "date" | "timestamp" | "datetime" => "'%Y-%m-%d'",
                    _ => "'x'",
                };
                let arguments = match (*name, known.least) {
                    ("date_part", _) => format!("'hour', {one}"),
                    ("concat_ws", _) => format!("'-', {one}"),
                    ("if", _) => format!("{one}, 1, 2"),
                    ("time", _) => "strftime(tm, '%H:%M:%S')".to_owned(),
                    ("split_part", _) => format!("{one}, 'x', 1"),
                    ("replace", _) => format!("{one}, 'x', 'y'"),
                    (_, 0) if known.takes.is_empty() => String::new(),
                    (_, 0 | 1) => one.to_owned(),
                    _ => format!("{one}, {second}"),
                };
                let over = if known.reach == function::Reach::Window {
                    " OVER (ORDER BY i)"
                } else {
                    ""
                };
                expressions.push(format!("{name}({arguments}){over}"));
            }
        }
    }
    let found = missed(&expressions);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
