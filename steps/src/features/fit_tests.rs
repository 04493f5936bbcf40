//! Fitted parts beside scikit-learn's, applied again, and dates, texts and crosses by hand.

use crate::features::FeaturesBuild;
use crate::testbed::{Bed, Ended, rows};
use polars::prelude::{DataFrame, DataType, IntoLazy, TimeUnit, col, df};
use serde_json::{Value, json};
use trainyard_contract::{ArtifactKind, OutputValue, Severity, Shape};

const OUTPUTS: &[(&str, ArtifactKind)] = &[("table", ArtifactKind::Table), ("fitted", ArtifactKind::File)];

fn golden() -> Value {
    serde_json::from_str(include_str!("../../fixtures/features/fitted.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}

/// The rows of the golden file.
fn frame() -> DataFrame {
    let golden = golden();
    let cities: Vec<String> = serde_json::from_value(golden["city"].clone()).unwrap();
    let late: Vec<bool> = numbers(&golden["y"]).iter().map(|late| *late > 0.0).collect();
    let ids: Vec<i64> = (0..).take(late.len()).collect();
    df!("id" => ids, "x" => numbers(&golden["x"]), "city" => cities, "y" => late).unwrap()
}

fn run(bed: &Bed, with: Value) -> Ended {
    let answer = bed.infer(&FeaturesBuild, with.clone(), OUTPUTS);
    let errors: Vec<_> = answer
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let ended = bed.run(&FeaturesBuild, with, OUTPUTS).unwrap();
    assert_eq!(
        answer.outputs["table"],
        Shape::Table(ended.schema("table").clone())
    );
    for (column, said) in ended
        .frame("table")
        .columns()
        .iter()
        .zip(&ended.schema("table").columns)
    {
        assert_eq!(
            crate::data_type::from_polars(column.dtype()),
            said.data_type,
            "{}",
            said.name
        );
        assert!(said.nullable || column.null_count() == 0, "{}", said.name);
    }
    ended
}

fn column(ended: &Ended, name: &str) -> Vec<Option<f64>> {
    let column = ended
        .frame("table")
        .column(name)
        .unwrap()
        .cast(&DataType::Float64)
        .unwrap();
    column.f64().unwrap().iter().collect()
}

fn near(found: &[Option<f64>], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found.unwrap() - expected).abs() < 1e-12,
            "{found:?} beside {expected}"
        );
    }
}

#[test]
fn bins_and_scales_are_those_of_scikit_learn() {
    let bed = Bed::new().table("t", frame());
    let with = |more: Value| {
        let mut with = json!({"entity": ["id"], "keep": ["x"]});
        with.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        with
    };
    let of = |more: Value| column(&run(&bed, with(more)), "x");
    let golden = golden();
    near(
        &of(json!({"bin": {"x": {"method": "uniform", "count": 5}}})),
        &numbers(&golden["uniform"]),
    );
    near(
        &of(json!({"bin": {"x": {"method": "quantile", "count": 5}}})),
        &numbers(&golden["quantile"]),
    );
    near(
        &of(json!({"scale": {"x": "min_max"}})),
        &numbers(&golden["min_max"]),
    );
    near(
        &of(json!({"scale": {"x": "robust"}})),
        &numbers(&golden["robust"]),
    );
    let given: Vec<f64> = numbers(&golden["x"])
        .iter()
        .map(|x| f64::from(u8::from(*x >= 2.0) + u8::from(*x >= 9.0)))
        .collect();
    near(
        &of(json!({"bin": {"x": {"method": "given", "edges": [2, 9]}}})),
        &given,
    );
}

#[test]
fn target_means_without_folds_are_those_of_scikit_learn() {
    let bed = Bed::new().table("t", frame());
    let with = json!({"entity": ["id"], "keep": ["city"], "label": {"name": "late", "expr": "y"},
        "encode": {"city": {"method": "target", "smoothing": 10, "folds": 0}}});
    let golden = golden();
    let cities: Vec<String> = serde_json::from_value(golden["city"].clone()).unwrap();
    let expected: Vec<f64> = cities
        .iter()
        .map(|city| golden["target"][city].as_f64().unwrap())
        .collect();
    near(&column(&run(&bed, with), "city"), &expected);
}

#[test]
fn a_target_mean_inside_folds_never_takes_in_its_own_label() {
    let with = json!({"entity": ["id"], "keep": ["city"], "label": {"name": "late", "expr": "y"}, "encode": {"city": "target"}});
    let before = column(&run(&Bed::new().table("t", frame()), with.clone()), "city");
    for row in [0usize, 7, 31] {
        let flipped = frame().lazy().with_columns([polars::prelude::when(
            col("id").eq(polars::prelude::lit(row as i64)),
        )
        .then(col("y").not())
        .otherwise(col("y"))
        .alias("y")]);
        let after = column(
            &run(&Bed::new().table("t", flipped.collect().unwrap()), with.clone()),
            "city",
        );
        assert_eq!(before[row], after[row], "row {row} knows its own label");
        assert_ne!(before, after);
    }
}

#[test]
fn what_was_fitted_is_applied_to_other_rows() {
    let train = df!("id" => [1i64, 2, 3, 4], "km" => [Some(1.0), None, Some(3.0), Some(8.0)], "city" => [Some("A"), Some("B"), None, Some("A")],
        "way" => ["a", "b", "b", "a"], "wait" => [10.0, 20.0, 30.0, 40.0], "note" => ["rain rain", "sun", "rain sun", ""], "y" => [true, false, true, true]).unwrap();
    let with = json!({
        "entity": ["id"], "keep": ["km", "city", "way", "wait"], "label": {"name": "late", "expr": "y"},
        "text": {"note": {"hash": {"buckets": 2, "idf": true}}},
        "impute": {"km": "median"}, "encode": {"city": {"method": "frequency"}, "way": "ordinal"},
        "bin": {"wait": {"method": "quantile", "count": 2}}, "scale": {"km": "standard"},
    });
    let fitted = run(&Bed::new().table("t", train), with.clone());
    assert_eq!(
        rows(
            &fitted
                .frame("table")
                .select(["km", "city", "way", "wait"])
                .unwrap()
        )[1..3],
        ["-0.16812|0.25|1|0".to_owned(), "-0.16812|0.25|1|1".to_owned()].map(|row| {
            let mean = 15.0 / 4.0;
            let deviation = ([1.0, 3.0, 3.0, 8.0f64]
                .iter()
                .map(|v| (v - mean).powi(2))
                .sum::<f64>()
                / 3.0)
                .sqrt();
            row.replacen("-0.16812", &((3.0 - mean) / deviation).to_string(), 1)
        })
    );
    let other =
        df!("id" => [9i64, 10], "km" => [None, Some(3.0)], "city" => [Some("C"), None], "way" => ["c", "b"],
        "wait" => [24.9, 25.0], "note" => ["rain", "sun"], "y" => [true, false])
        .unwrap();
    let parts = fitted.report.outputs["fitted"].clone();
    assert!(matches!(&parts, OutputValue::Artifact(artifact) if artifact.kind == ArtifactKind::File));
    let mut bed = Bed {
        folder: fitted.folder(),
        ..Bed::new()
    }
    .table("t", other);
    bed.inputs.insert(
        "fitted".to_owned(),
        trainyard_contract::task::TaskInput::Output(parts),
    );
    let applied = run(&bed, with.clone());
    assert_eq!(
        rows(&applied.frame("table").select(["city", "way", "wait"]).unwrap()),
        ["0|-1|0", "0.25|1|1"]
    );
    assert_eq!(column(&applied, "km")[0], column(&applied, "km")[1]);
    assert_eq!(column(&applied, "km")[0], column(&fitted, "km")[1]);
    // Fitted elsewhere, so nothing of these rows leaks; and the parts are handed on as they are.
    assert!(
        applied
            .schema("table")
            .columns
            .iter()
            .all(|column| column.fitted.is_none())
    );
    assert_eq!(applied.report.outputs["fitted"], fitted.report.outputs["fitted"]);
    let mut more = with;
    more["scale"] = json!({"km": "standard", "wait": "min_max"});
    let error = bed.run(&FeaturesBuild, more, OUTPUTS).unwrap_err();
    assert_eq!(error.failure.message, "the fitted parts have no scale of `wait`");
}

#[test]
fn only_the_rows_of_fit_on_are_fitted_on() {
    let frame = df!("id" => [1i64, 2, 3], "km" => [1.0, 3.0, 100.0], "city" => ["A", "A", "B"]).unwrap();
    let bed = Bed::new().table("t", frame);
    let with = json!({"entity": ["id"], "keep": ["km", "city"], "fit_on": "id < 3", "scale": {"km": "min_max"}, "encode": {"city": "ordinal"}});
    let ended = run(&bed, with.clone());
    assert_eq!(rows(&ended.frame("table")), ["1|0|0", "2|1|0", "3|49.5|-1"]);
    assert!(
        ended
            .schema("table")
            .columns
            .iter()
            .all(|column| column.fitted.is_none())
    );
    let mut none = with;
    none["fit_on"] = json!("id > 9");
    let error = bed.run(&FeaturesBuild, none, OUTPUTS).unwrap_err();
    assert_eq!(
        error.failure.message,
        "no row meets `fit_on`, so nothing can be fitted"
    );
}

#[test]
fn document_frequencies_are_those_of_scikit_learn() {
    let counts: Vec<Vec<f64>> = golden()["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(numbers)
        .collect();
    for (counts, idf) in counts.iter().zip(numbers(&golden()["idf"])) {
        let texts: Vec<String> = counts
            .iter()
            .map(|count| "word ".repeat(*count as usize))
            .collect();
        let ids: Vec<i64> = (0..).take(texts.len()).collect();
        let bed = Bed::new().table("t", df!("id" => ids, "note" => texts).unwrap());
        let with = json!({"entity": ["id"], "text": {"note": {"hash": {"buckets": 1, "idf": true}}}});
        let expected: Vec<f64> = counts.iter().map(|count| count * idf).collect();
        near(&column(&run(&bed, with), "note_hash_0"), &expected);
    }
}

#[test]
fn parts_of_dates_are_taken_in_their_zone() {
    let time = DataType::Datetime(
        TimeUnit::Microseconds,
        polars::prelude::TimeZone::opt_try_new(Some("UTC")).unwrap(),
    );
    let second = 1_000_000i64;
    // 2024-12-31 23:30:05 UTC, a Tuesday; 2024-02-29 12:00:00 UTC, a Thursday.
    let frame =
        df!("id" => [1i64, 2, 3], "at" => [Some(1_735_687_805 * second), Some(1_709_208_000 * second), None],
        "from" => [Some(1_735_687_800 * second), None, None])
        .unwrap();
    let frame = frame
        .lazy()
        .with_columns([col("at").cast(time.clone()), col("from").cast(time)])
        .collect()
        .unwrap();
    let bed = Bed::new().table("t", frame);
    let parts = [
        "year",
        "quarter",
        "month",
        "week",
        "day",
        "day_of_year",
        "weekday",
        "is_weekend",
        "is_month_start",
        "is_month_end",
        "hour",
        "minute",
        "second",
    ];
    let with = json!({"entity": ["id"], "dates": {"at": {"parts": parts, "holidays": ["2024-12-31", "2024-12-25"], "since": ["from"]}}});
    assert_eq!(
        rows(&run(&bed, with).frame("table")),
        [
            "1|2024|4|12|1|31|366|2|false|false|true|23|30|5|true|5",
            "2|2024|1|2|9|29|60|4|false|false|true|12|0|0|false|-",
            "3|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-",
        ]
    );
    let with = json!({"entity": ["id"], "dates": {"at": {"parts": ["year", "hour"], "zone": "Europe/Berlin", "cyclic": ["hour"], "holidays": ["2025-01-01"]}}});
    let ended = run(&bed, with);
    assert_eq!(
        rows(
            &ended
                .frame("table")
                .select(["at_year", "at_hour", "at_is_holiday"])
                .unwrap()
        ),
        ["2025|0|true", "2024|13|false", "-|-|-"]
    );
    let thirteen = 13.0 * std::f64::consts::TAU / 24.0;
    near(&column(&ended, "at_hour_sin")[..2], &[0.0, thirteen.sin()]);
    near(&column(&ended, "at_hour_cos")[..2], &[1.0, thirteen.cos()]);
}

#[test]
fn texts_become_numbers_and_pieces() {
    let frame = df!("id" => [1i64, 2, 3], "note" => [Some(" Gate B12 closed B7"), Some(""), None], "a" => ["x", "y", "z"]).unwrap();
    let bed = Bed::new().table("t", frame);
    let with = json!({
        "entity": ["id"],
        "text": {"note": {
            "parts": ["length", "words", "digits", "uppers", "lower"],
            "extract": {"gate": "([A-Z]\\d+)", "word": "closed|open"}, "count": {"gates": "[A-Z]\\d+"},
        }},
        "cross": {"both": ["a", "note"]},
    });
    assert_eq!(
        rows(&run(&bed, with).frame("table")),
        [
            "1|19|4|3|3|gate b12 closed b7|B12|closed|2|x| Gate B12 closed B7",
            "2|0|0|0|0||-|-|0|y|",
            "3|-|-|-|-|-|-|-|-|-",
        ]
    );
    let with = json!({"entity": ["id"], "text": {"note": {"hash": {"buckets": 8, "of": "letters", "from": 2, "to": 3}}}});
    let ended = run(&bed, with);
    let sum = |row: usize| {
        (0..8)
            .map(|bucket| column(&ended, &format!("note_hash_{bucket}"))[row])
            .sum::<Option<f64>>()
    };
    // A text of 19 letters has 18 pairs and 17 triples.
    assert_eq!([sum(0), sum(1), sum(2)], [Some(35.0), Some(0.0), None]);
}

#[test]
fn what_is_wrong_with_dates_texts_and_fitted_parts_is_said_where_it_stands() {
    let frame = df!("id" => [1i64], "note" => ["x"], "km" => [1.0]).unwrap();
    let frame = frame
        .lazy()
        .with_columns([col("id").cast(DataType::Date).alias("day")])
        .collect()
        .unwrap();
    let bed = Bed::new().table("t", frame);
    let said = |with: Value| -> Vec<String> {
        let findings = bed.infer(&FeaturesBuild, with, OUTPUTS).findings;
        findings
            .into_iter()
            .map(|f| format!("{} {}: {}", f.code, f.path, f.message))
            .collect()
    };
    assert_eq!(
        said(json!({
            "entity": ["id"], "keep": ["note", "km"],
            "dates": {"dai": {}, "km": {}, "day": {"parts": ["hour"], "cyclic": ["year"], "holidays": ["soon"], "since": ["km"], }},
            "text": {"km": {}, "note": {"extract": {"a": "("}, "hash": {"buckets": 2, "from": 3, "to": 2}}},
            "cross": {"one": ["km"], "two": ["km", "kn"]},
        })),
        [
            "D01 with.dates.dai: there is no column `dai` here",
            "D01/wrong-column-type with.dates.km: `km` is of type float64, this takes a date or a timestamp",
            "D01/wrong-column-type with.dates.day.parts[0]: `day` is a date, it has no hour",
            "S01 with.dates.day.cyclic[0]: year does not come round",
            "S01 with.dates.day.holidays[0]: `soon` is no date",
            "D01/wrong-column-type with.dates.day.since[0]: `day` is date, `km` is float64: they cannot be compared",
            "D01/wrong-column-type with.text.km: `km` is of type float64, this takes text",
            "S01 with.text.note.extract.a: this is no regular expression: unclosed group",
            "S01 with.text.note.hash: `from` is at most `to`, which is at most 8; `buckets` is 1 to 4096",
            "S01 with.cross.one: a cross has at least two columns",
            "D01 with.cross.two[1]: there is no column `kn` here",
        ]
    );
    assert_eq!(
        said(json!({
            "entity": ["id"], "keep": ["note", "km"], "label": {"name": "late", "expr": "note"}, "fit_on": "id + 1",
            "encode": {"note": "target"}, "bin": {"km": {"method": "given", "edges": [2, 1]}, "note": {"method": "uniform"}},
        })),
        [
            "M02 with.keep[0]: `note` is what the label is made from",
            "S03 with.fit_on: a filter must be true or false, this is int64",
        ]
    );
    assert_eq!(
        said(json!({
            "entity": ["id"], "keep": ["note", "km"], "label": {"name": "late", "expr": "upper('x')"},
            "encode": {"note": "target"}, "bin": {"km": {"method": "given", "edges": [2, 1]}, "note": {"method": "uniform"}},
        })),
        [
            "S01 with.bin.km.edges: edges are numbers in rising order",
            "D01/wrong-column-type with.bin.note: binning needs numbers, `note` is of type string",
            "D01/wrong-column-type with.encode.note: target encoding takes the label's mean, and `late` is string",
        ]
    );
}

#[test]
fn a_text_can_be_clipped_and_a_number_lagged_by_expressions() {
    let frame = df!("id" => [1i64, 2, 3], "at" => [1i64, 2, 3], "km" => [-5.0, 20.0, 400.0]).unwrap();
    let bed = Bed::new().table("t", frame);
    let with = json!({"entity": ["id"], "columns": {
        "clipped": "least(greatest(km, 0), 100)", "log": "ln(clipped + 1)", "squared": "power(km, 2)",
        "before": "LAG(km) OVER (ORDER BY at)", "rise": "km - LAG(km) OVER (ORDER BY at)",
    }});
    let ended = run(&bed, with);
    assert_eq!(
        rows(
            &ended
                .frame("table")
                .select(["clipped", "squared", "before", "rise"])
                .unwrap()
        ),
        ["0|25|-|-", "20|400|-5|25", "100|160000|20|380"]
    );
}
