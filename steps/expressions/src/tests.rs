//! What expressions say, give, and refuse.

use super::{Column, Expression, Fault, Texts, Value, Values};
use proptest::prelude::*;
use std::borrow::Cow;
use trainyard_contract::{DataType, TimeUnit};

const COLUMNS: &[(&str, DataType)] = &[
    ("b", DataType::Boolean),
    ("i", DataType::Int64),
    ("n", DataType::Int8),
    ("u", DataType::UInt64),
    ("f", DataType::Float64),
    ("g", DataType::Float32),
    ("s", DataType::String),
    ("t", DataType::String),
    ("d", DataType::Date),
    ("at", DataType::Timestamp(TimeUnit::Microseconds, None)),
    ("span", DataType::Duration(TimeUnit::Microseconds)),
    ("l", DataType::Binary),
];

fn known() -> Vec<(&'static str, &'static DataType)> {
    COLUMNS
        .iter()
        .map(|(name, data_type)| (*name, data_type))
        .collect()
}

fn compiled(text: &str) -> Expression {
    Expression::compile(text, &known()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
}

/// 2024-02-29 13:45:30.25
const AT: i64 = 1_709_214_330_250_000;

fn row() -> Vec<Value<'static>> {
    vec![
        Value::Boolean(true),
        Value::Int(7),
        Value::Int(100),
        Value::Int(-1),
        Value::Float(2.5),
        Value::Float(0.5),
        Value::text("Köln Hbf"),
        Value::Null,
        Value::Int(AT / 86_400_000_000),
        Value::Int(AT),
        Value::Int(5_400_000_000),
        Value::Null,
    ]
}

fn given(text: &str) -> Value<'static> {
    let compiled = compiled(text);
    let of_row = compiled.evaluate_row(&row()).unwrap().into_owned();
    let columns = in_columns(&[row(), row()]);
    let of_columns = compiled.evaluate(&columns, 2).unwrap();
    assert_eq!(of_columns.get(1).into_owned(), of_row, "{text}");
    of_row
}

/// Rows as columns of the types above.
fn in_columns(rows: &[Vec<Value<'static>>]) -> Vec<Column<'static>> {
    let of = |at: usize, data_type: &DataType| {
        let values = rows.iter().map(|row| &row[at]);
        let present = values.clone().map(|value| !value.is_null()).collect::<Vec<_>>();
        let ints = values
            .clone()
            .map(|value| value.int().unwrap_or(9))
            .collect::<Vec<_>>();
        Column {
            values: match data_type {
                DataType::Boolean => Values::Boolean(Cow::Owned(
                    values.map(|value| value.boolean().unwrap_or(true)).collect(),
                )),
                DataType::Float32 | DataType::Float64 => Values::Float(Cow::Owned(
                    values.map(|value| value.float().unwrap_or(9.0)).collect(),
                )),
                DataType::String => Values::Text(Texts::Owned(
                    values
                        .map(|value| Cow::Owned(value.str().unwrap_or("gone").to_owned()))
                        .collect(),
                )),
                _ => Values::Int(Cow::Owned(ints)),
            },
            present: Some(Cow::Owned(present)),
        }
    };
    COLUMNS
        .iter()
        .enumerate()
        .map(|(at, (_, data_type))| of(at, data_type))
        .collect()
}

#[test]
fn an_expression_gives_what_it_says() {
    let int = |value| Value::Int(value);
    let float = |value| Value::Float(value);
    let cases: &[(&str, Value<'static>)] = &[
        ("i + 1", int(8)),
        ("i / 2", float(3.5)),
        ("i // 2", int(3)),
        ("-i // 2", int(-4)),
        ("i % 0", Value::Null),
        ("-i % 4", int(1)),
        ("n + n", int(-56)),
        ("n + 100", int(-56)),
        ("n + 1000", int(1100)),
        ("u > 0", Value::Boolean(true)),
        ("f * i", float(17.5)),
        ("power(i, 2)", int(49)),
        ("round(f)", float(2.0)),
        ("round(2.345 * f, 2)", float(5.86)),
        ("floor(-f)", float(-3.0)),
        ("greatest(f, i, NULL)", float(7.0)),
        ("coalesce(t, s)", Value::text("Köln Hbf")),
        ("nullif(i, 7)", Value::Null),
        ("CASE WHEN b THEN 1 ELSE 0 END", int(1)),
        ("CASE i WHEN 7 THEN 'seven' END", Value::text("seven")),
        ("if(i > 7, 'late', 'in time')", Value::text("in time")),
        ("t = 'x'", Value::Null),
        ("t IS NULL AND NOT b IS NULL", Value::Boolean(true)),
        ("t = 'x' OR b", Value::Boolean(true)),
        ("i BETWEEN 7 AND 9", Value::Boolean(true)),
        ("i NOT IN (1, 2, NULL)", Value::Null),
        ("s LIKE 'K_ln%'", Value::Boolean(true)),
        ("s NOT LIKE '%hbf'", Value::Boolean(true)),
        ("s ILIKE '%hbf'", Value::Boolean(true)),
        ("length(s)", int(8)),
        ("octet_length(s)", int(9)),
        ("upper(left(s, 2)) || '-' || i", Value::text("KÖ-7")),
        ("substr(s, 6, 3)", Value::text("Hbf")),
        ("concat(s, t, i)", Value::text("Köln Hbf7")),
        ("trim(' x ')", Value::text("x")),
        ("replace(s, 'Hbf', '')", Value::text("Köln ")),
        ("split_part(s, ' ', 2)", Value::text("Hbf")),
        ("CAST('12' AS BIGINT) + i", int(19)),
        ("TRY_CAST(s AS DOUBLE)", Value::Null),
        ("extract(hour from at)", int(13)),
        ("date_part('dow', d)", int(4)),
        ("extract(doy from d)", int(60)),
        ("extract(week from d)", int(9)),
        ("extract(millisecond from at)", float(30_250.0)),
        ("date_trunc('month', d) = '2024-02-01'", Value::Boolean(true)),
        (
            "date_trunc('hour', at) = '2024-02-29 13:00'",
            Value::Boolean(true),
        ),
        ("at > '2024-02-29'", Value::Boolean(true)),
        (
            "(at - TIMESTAMP '2024-02-29 12:45:30.25') / INTERVAL '1 minute'",
            float(60.0),
        ),
        ("span / INTERVAL '1 hour'", float(1.5)),
        ("sin(2.0 * pi() * i / 28.0) > 0.99", Value::Boolean(true)),
    ];
    for (text, wanted) in cases {
        assert_eq!(given(text), *wanted, "{text}");
    }
}

#[test]
fn the_type_is_known_before_any_row() {
    let cases = [
        ("i + 1", DataType::Int64),
        ("n + 1", DataType::Int8),
        ("n + 1000", DataType::Int16),
        ("i + u", DataType::Float64),
        ("g * 2.5", DataType::Float32),
        ("g * i", DataType::Float64),
        ("i / 2", DataType::Float64),
        ("length(s)", DataType::UInt32),
        ("at - at", DataType::Duration(TimeUnit::Microseconds)),
        ("extract(year from at)", DataType::Int32),
        ("CASE WHEN b THEN 1 ELSE 0.5 END", DataType::Float64),
        ("s LIKE 'x%'", DataType::Boolean),
    ];
    for (text, wanted) in cases {
        assert_eq!(*compiled(text).data_type(), wanted, "{text}");
    }
    assert_eq!(compiled("f + i * f").uses(), [1, 4]);
}

fn said(faults: Vec<Fault>) -> Vec<String> {
    faults
        .into_iter()
        .map(|fault| {
            let help = fault.help.map(|help| format!(" ({help})")).unwrap_or_default();
            format!(
                "{}..{} {}: {}{help}",
                fault.range.start, fault.range.end, fault.code, fault.message
            )
        })
        .collect()
}

#[test]
fn each_fault_is_said_at_its_own_word() {
    let cases: &[(&str, &[&str])] = &[
        (
            "f + spann",
            &["4..9 D01: there is no column `spann` here (did you mean `span`?)"],
        ),
        (
            "sin(s) + sinn(f)",
            &[
                "4..5 D01/wrong-column-type: `s` is string, and `sin` takes a number (convert it: `CAST(… AS DOUBLE)`)",
                "9..13 S03: there is no function `sinn` over one row (did you mean `sin`?)",
            ],
        ),
        (
            "i > 'a'",
            &[
                "4..7 D01/wrong-column-type: int64 is compared with string (convert one of them: `CAST(… AS …)`, or write texts in quotes and numbers without)",
            ],
        ),
        (
            "at > 'yesterday'",
            &[
                "5..16 D01/wrong-column-type: 'yesterday' does not read as timestamp[us] (write it as '2024-01-31 12:00:00')",
            ],
        ),
        (
            "i + s",
            &[
                "4..5 D01/wrong-column-type: `+` does not go with int64 and string (convert it: `CAST(… AS DOUBLE)`)",
            ],
        ),
        ("sum(i)", &["0..3 S03: there is no function `sum` over one row"]),
        (
            "round(f, 1, 2)",
            &["0..5 S03: `round` takes 1 to 2 arguments, here are 3"],
        ),
        (
            "l IS NULL",
            &["0..1 D01/wrong-column-type: `l` is binary, which no expression takes"],
        ),
        (
            "CASE WHEN i THEN 1 ELSE 'x' END",
            &[
                "10..11 D01/wrong-column-type: `i` is int64, and `WHEN` takes a truth value (compare it with something)",
            ],
        ),
        (
            "extract(hour from d)",
            &["18..19 D01/wrong-column-type: date has no hour"],
        ),
        (
            "(SELECT 1)",
            &["1..9 S03: an expression cannot select from tables"],
        ),
        (
            "i +",
            &["0..0 S03: this is not SQL: expected: an expression, found: EOF"],
        ),
        (
            "i; DROP TABLE x",
            &["0..0 S03: this is no expression: `;` is left over"],
        ),
    ];
    let mut other = Vec::new();
    for (text, wanted) in cases {
        let found = said(Expression::compile(text, &known()).expect_err(text));
        if found != *wanted {
            other.push(format!("{text}: {found:#?}"));
        }
    }
    assert!(other.is_empty(), "{}", other.join("\n"));
}

#[test]
fn a_declared_type_must_hold_what_the_expression_gives() {
    let declared =
        |text: &str, wanted: &DataType| Expression::compile_as(text, &known(), wanted).map_err(said);
    assert!(declared("n", &DataType::Int64).is_ok());
    assert!(declared("i", &DataType::Float64).is_ok());
    assert!(declared("1", &DataType::Int8).is_ok());
    assert_eq!(
        declared("i", &DataType::Int32).unwrap_err(),
        [
            "0..1 D01/wrong-column-type: this gives int64, and int32 is declared (declare `type: int64`, or convert it with `CAST(… AS …)`)"
        ]
    );
    assert!(declared("300", &DataType::Int8).is_err());
    assert!(declared("s", &DataType::Float64).is_err());
}

#[test]
fn a_strict_cast_fails_and_names_the_value() {
    let failed = compiled("CAST(s AS BIGINT)").evaluate_row(&row()).unwrap_err();
    assert_eq!(
        failed.to_string(),
        "'Köln Hbf' is not int64; `TRY_CAST` gives a missing value instead"
    );
}

#[test]
fn size_and_depth_have_limits() {
    let deep = format!("{}i{}", "(".repeat(5_000), ")".repeat(5_000));
    let long = vec!["i"; 3_000].join("+");
    let wide = format!("i{}", " ".repeat(super::MAX_TEXT));
    for text in [deep, long, wide] {
        assert!(Expression::compile(&text, &known()).is_err());
    }
}

/// Values of each column: present and missing, common and at the ends.
fn any_row() -> impl Strategy<Value = Vec<Value<'static>>> {
    let ints = |least: i64, most: i64| {
        prop_oneof![
            Just(Value::Null),
            Just(Value::Int(least)),
            Just(Value::Int(most)),
            (least..=most).prop_map(Value::Int),
            (-3i64..4)
                .prop_filter("in range", move |v| (least..=most).contains(v))
                .prop_map(Value::Int),
        ]
        .boxed()
    };
    let floats = || {
        prop_oneof![
            Just(Value::Null),
            Just(Value::Float(f64::NAN)),
            Just(Value::Float(f64::NEG_INFINITY)),
            (-4.0f32..4.0).prop_map(|value| Value::Float(f64::from(value))),
        ]
        .boxed()
    };
    let texts = || prop_oneof![Just(Value::Null), "[a-c%_ö ]{0,6}".prop_map(Value::text)].boxed();
    let columns = COLUMNS.iter().map(|(_, data_type)| match data_type {
        DataType::Boolean => any::<Option<bool>>().prop_map(Value::from).boxed(),
        DataType::Int8 => ints(-128, 127),
        DataType::Float64 | DataType::Float32 => floats(),
        DataType::String => texts(),
        DataType::Binary => Just(Value::Null).boxed(),
        _ => ints(i64::MIN, i64::MAX),
    });
    columns.collect::<Vec<_>>()
}

/// Expressions that may or may not have sense.
fn any_text() -> impl Strategy<Value = String> {
    let names: Vec<String> = COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let leaf = prop_oneof![
        3 => proptest::sample::select(names),
        1 => proptest::sample::select(vec!["1", "-1", "0", "2.5", "'a'", "'%b_'", "NULL", "TRUE", "pi()", "DATE '2024-02-29'"])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let ops = vec![
            "+",
            "-",
            "*",
            "/",
            "//",
            "%",
            "=",
            "<>",
            "<",
            ">=",
            "AND",
            "OR",
            "||",
            "IS DISTINCT FROM",
            "<=>",
        ];
        let calls = vec![
            "abs", "exp", "sqrt", "ln", "floor", "round", "sign", "lower", "reverse", "length", "log1p",
            "cot", "NOT ",
        ];
        let pairs = vec![
            "power",
            "mod",
            "div",
            "atan2",
            "nullif",
            "coalesce",
            "greatest",
            "least",
            "left",
            "right",
            "starts_with",
            "strpos",
            "lpad",
            "log",
            "concat",
            "substr",
        ];
        prop_oneof![
            (inner.clone(), proptest::sample::select(ops), inner.clone())
                .prop_map(|(one, op, other)| format!("({one} {op} {other})")),
            (proptest::sample::select(calls), inner.clone()).prop_map(|(call, one)| format!("{call}({one})")),
            (proptest::sample::select(pairs), inner.clone(), inner.clone())
                .prop_map(|(call, one, other)| format!("{call}({one}, {other})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(when, one, other)| format!("CASE WHEN {when} THEN {one} ELSE {other} END")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(x, low, high)| format!("({x} BETWEEN {low} AND {high})")),
            inner.clone().prop_map(|x| format!("({x} IN (1, 2, NULL))")),
            inner.clone().prop_map(|x| format!("({x} LIKE '%a_%')")),
            (
                proptest::sample::select(vec![
                    "BIGINT",
                    "TINYINT",
                    "DOUBLE",
                    "REAL",
                    "VARCHAR",
                    "DATE",
                    "TIMESTAMP"
                ]),
                inner.clone()
            )
                .prop_map(|(to, x)| format!("TRY_CAST({x} AS {to})")),
            (
                proptest::sample::select(vec!["year", "week", "dow", "hour", "epoch", "century"]),
                inner
            )
                .prop_map(|(part, x)| format!("extract({part} from {x})")),
        ]
    })
}

fn same(one: &Value<'_>, other: &Value<'_>) -> bool {
    match (one, other) {
        (Value::Float(one), Value::Float(other)) => {
            one.to_bits() == other.to_bits() || one == other || (one.is_nan() && other.is_nan())
        }
        (one, other) => one == other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// No text and no value makes it panic, and a row alone gives what it gives among others.
    #[test]
    fn rows_and_columns_agree_and_nothing_panics(text in any_text(), rows in prop::collection::vec(any_row(), 3)) {
        if let Ok(expression) = Expression::compile(&text, &known()) {
            let columns = in_columns(&rows);
            let together = expression.evaluate(&columns, rows.len());
            let alone: Result<Vec<_>, _> = rows.iter().map(|row| expression.evaluate_row(row)).collect();
            prop_assert_eq!(together.is_ok(), alone.is_ok(), "{}", text);
            if let (Ok(together), Ok(alone)) = (together, alone) {
                prop_assert_eq!(together.len(), rows.len());
                for (at, value) in alone.iter().enumerate() {
                    let other = together.get(at);
                    prop_assert!(same(&other, value), "{}: {:?} and {:?} of {:?}", text, other, value, rows[at]);
                }
            }
        }
    }

    #[test]
    fn any_words_at_all_are_refused_without_a_panic(text in "[a-z0-9'\"()+*/,.<>=%|& -]{0,40}") {
        let _ = Expression::compile(&text, &known());
    }
}
