//! Windows held against their definition, row by row.

use crate::features::FeaturesBuild;
use crate::testbed::{Bed, rows};
use polars::prelude::{DataFrame, DataType, IntoLazy, NamedFrom, Series, TimeUnit, col, df};
use serde_json::{Value, json};
use trainyard_contract::{ArtifactKind, Severity, Shape};

const TABLE: &[(&str, ArtifactKind)] = &[("table", ArtifactKind::Table)];
const MINUTE: i64 = 60_000_000;

struct Row {
    key: Option<i64>,
    at: i64,
    value: Option<f64>,
}

fn draws(seed: u64) -> impl FnMut(u64) -> i64 {
    let mut state = seed;
    move |bound| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((state >> 33) % bound).unwrap()
    }
}

fn random(count: usize, seed: u64) -> Vec<Row> {
    let mut draw = draws(seed);
    (0..count)
        .map(|_| Row {
            key: (draw(20) > 0).then(|| draw(4)),
            at: draw(300),
            value: (draw(6) > 0).then(|| draw(40) as f64 / 4.0),
        })
        .collect()
}

fn frame(rows: &[Row]) -> DataFrame {
    let ids: Vec<i64> = (0..).take(rows.len()).collect();
    let frame = df!(
        "id" => ids,
        "k" => rows.iter().map(|row| row.key).collect::<Vec<_>>(),
        "at" => rows.iter().map(|row| row.at * MINUTE).collect::<Vec<_>>(),
        "v" => rows.iter().map(|row| row.value).collect::<Vec<_>>(),
    );
    let time = DataType::Datetime(TimeUnit::Microseconds, None);
    frame
        .unwrap()
        .lazy()
        .with_columns([col("at").cast(time)])
        .collect()
        .unwrap()
}

/// The rows a window takes in, in order of time, by its definition.
fn window<'a>(
    rows: &'a [Row],
    query: &Row,
    over: Option<i64>,
    most: Option<usize>,
    lag: i64,
    closed: &str,
) -> Vec<&'a Row> {
    let Some(key) = query.key else { return Vec::new() };
    let last = query.at - lag;
    let mut found: Vec<(usize, &Row)> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.key == Some(key))
        .filter(|(_, row)| row.at < last || (row.at == last && ["right", "both"].contains(&closed)))
        .filter(|(_, row)| {
            over.is_none_or(|over| {
                row.at > last - over || (row.at == last - over && ["left", "both"].contains(&closed))
            })
        })
        .collect();
    found.sort_by_key(|(place, row)| (row.at, *place));
    let from = most.map_or(0, |most| found.len().saturating_sub(most));
    found[from..].iter().map(|(_, row)| *row).collect()
}

fn expected(window: &[&Row], query: &Row, lag: i64, name: &str) -> Option<f64> {
    let values: Vec<f64> = window.iter().filter_map(|row| row.value).collect();
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let quantile = |share: f64| {
        let place = share * (sorted.len() - 1) as f64;
        let below = place.floor() as usize;
        let above = (below + 1).min(sorted.len() - 1);
        sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
    };
    match name {
        "rows" => return Some(window.len() as f64),
        "present" => return Some(values.len() as f64),
        "distinct" => {
            sorted.dedup();
            return Some(sorted.len() as f64);
        }
        _ => {}
    }
    if values.is_empty() {
        return None;
    }
    Some(match name {
        "sum" => values.iter().sum(),
        "mean" => mean,
        "std" if values.len() < 2 => return None,
        "std" => (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt(),
        "min" => sorted[0],
        "max" => sorted[sorted.len() - 1],
        "median" => quantile(0.5),
        "high" => quantile(0.9),
        "first" => values[0],
        "last" => values[values.len() - 1],
        _ => {
            let weighed = window.iter().filter_map(|row| Some((row.value?, row.at)));
            let weight = |at: i64| (-((query.at - lag - at) as f64) / 30.0).exp2();
            let (sum, all) = weighed.fold((0.0, 0.0), |(sum, all), (v, at)| {
                (sum + v * weight(at), all + weight(at))
            });
            sum / all
        }
    })
}

fn columns() -> Value {
    json!({
        "rows": {"aggregate": "count"}, "present": {"aggregate": "count", "of": "v"},
        "sum": {"aggregate": "sum", "of": "v"}, "mean": {"aggregate": "mean", "of": "v"},
        "std": {"aggregate": "std", "of": "v"}, "min": {"aggregate": "min", "of": "v"},
        "max": {"aggregate": "max", "of": "v"}, "median": {"aggregate": "median", "of": "v"},
        "high": {"aggregate": {"quantile": 0.9}, "of": "v"}, "first": {"aggregate": "first", "of": "v"},
        "last": {"aggregate": "last", "of": "v"}, "distinct": {"aggregate": "distinct", "of": "v"},
        "ewm": {"aggregate": {"ewm": "30m"}, "of": "v"},
    })
}

fn compare(
    bed: &Bed,
    windows: Value,
    queries: &[Row],
    taken: &[Row],
    (over, most, lag, closed): (Option<i64>, Option<usize>, i64, &str),
) {
    let with = json!({"base": "trips", "entity": ["id"], "event_time": "at", "windows": [windows]});
    let answer = bed.infer(&FeaturesBuild, with.clone(), TABLE);
    assert_eq!(answer.findings, []);
    let ended = bed.run(&FeaturesBuild, with, TABLE).unwrap();
    assert_eq!(
        answer.outputs["table"],
        Shape::Table(ended.schema("table").clone())
    );
    let frame = ended.frame("table");
    for name in columns().as_object().unwrap().keys() {
        let found = frame.column(name).unwrap().cast(&DataType::Float64).unwrap();
        for (place, query) in queries.iter().enumerate() {
            let window = window(taken, query, over, most, lag, closed);
            let found = found.f64().unwrap().get(place);
            let expected = expected(&window, query, lag, name);
            let same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(
                same,
                "{name} of row {place}: {found:?}, by definition {expected:?}"
            );
        }
    }
}

#[test]
fn windows_over_the_own_table_are_what_their_definition_says() {
    let trips = random(300, 3);
    let bed = Bed::new().table("trips", frame(&trips));
    for (over, most, lag, closed) in [
        (Some(60), None, 0, "left"),
        (Some(60), None, 0, "right"),
        (Some(45), None, 10, "both"),
        (Some(45), None, 0, "none"),
        (None, Some(5), 0, "left"),
        (Some(200), Some(3), 5, "left"),
        (None, None, 0, "left"),
    ] {
        let mut windows =
            json!({"by": ["k"], "columns": columns(), "closed": closed, "lag": format!("{lag}m")});
        if let Some(over) = over {
            windows["over"] = json!(format!("{over}m"));
        }
        if let Some(most) = most {
            windows["rows"] = json!(most);
        }
        compare(&bed, windows, &trips, &trips, (over, most, lag, closed));
    }
}

#[test]
fn windows_over_another_table_are_what_their_definition_says() {
    let trips = random(120, 5);
    for count in [0, 1, 60, 400] {
        let rain = random(count, 9);
        let bed = Bed::new()
            .table("trips", frame(&trips))
            .table("rain", frame(&rain));
        let windows = json!({"table": "rain", "by": ["k"], "over": "50m", "lag": "5m", "columns": columns()});
        compare(&bed, windows, &trips, &rain, (Some(50), None, 5, "right"));
    }
}

#[test]
fn too_few_rows_give_no_value_and_a_window_without_keys_takes_all() {
    let bed = Bed::new().table("trips", frame(&random(30, 1)));
    let windows = json!({"min_rows": 31, "columns": {"n": {"aggregate": "count"}, "m": {"aggregate": "max", "of": "v"}}});
    let with = json!({"entity": ["id"], "event_time": "at", "windows": [windows]});
    let ended = bed.run(&FeaturesBuild, with, TABLE).unwrap();
    let table = ended.frame("table");
    assert_eq!(table.column("m").unwrap().null_count(), 30);
    assert!(
        table
            .column("n")
            .unwrap()
            .max_reduce()
            .unwrap()
            .value()
            .try_extract::<u32>()
            .unwrap()
            > 20
    );
}

#[test]
fn groups_take_in_all_rows_of_their_keys() {
    let trips = df!("id" => [1i64, 2, 3], "city" => ["A", "B", "A"], "km" => [1.0, 2.0, 4.0]).unwrap();
    let sights =
        df!("city" => ["A", "A", "C"], "stars" => [Some(3i64), None, Some(1)], "name" => ["x", "y", "z"])
            .unwrap();
    let bed = Bed::new().table("trips", trips).table("sights", sights);
    let with = json!({"base": "trips", "entity": ["id"], "group": [
        {"by": ["city"], "columns": {"trips": {"aggregate": "count"}, "km_mean": {"aggregate": "mean", "of": "km"}}},
        {"table": "sights", "by": ["city"], "columns": {
            "sights": {"aggregate": "count"}, "stars": {"aggregate": "sum", "of": "stars"}, "names": {"aggregate": "distinct", "of": "name"}}},
    ]});
    let answer = bed.infer(&FeaturesBuild, with.clone(), TABLE);
    assert_eq!(answer.findings, []);
    let ended = bed.run(&FeaturesBuild, with, TABLE).unwrap();
    assert_eq!(
        rows(&ended.frame("table")),
        ["1|2|2.5|2|3|2", "2|1|2|-|-|-", "3|2|2.5|2|3|2"]
    );
    let Shape::Table(schema) = &answer.outputs["table"] else {
        panic!()
    };
    assert_eq!(
        answer.outputs["table"],
        Shape::Table(ended.schema("table").clone())
    );
    // Fitted on all rows of the base, so a later split is warned; another table's rows are no test rows.
    assert!(schema.column("km_mean").unwrap().fitted.is_some());
    assert!(schema.column("stars").unwrap().fitted.is_none());
}

#[test]
fn what_is_wrong_with_windows_is_said_where_it_stands() {
    let bed = Bed::new().table("trips", frame(&random(3, 1)));
    let with = json!({"entity": ["id"], "event_time": "at", "windows": [
        {"table": "trps", "columns": {}},
    ]});
    let said = |with: Value| -> Vec<String> {
        let findings = bed.infer(&FeaturesBuild, with, TABLE).findings;
        findings
            .into_iter()
            .filter(|f| f.severity == Severity::Error)
            .map(|f| format!("{}: {}", f.path, f.message))
            .collect()
    };
    assert_eq!(said(with), ["with.windows[0].table: there is no input `trps`"]);
    let with = json!({"entity": ["id"], "event_time": "at", "windows": [
        {"by": ["kk"], "over": "soon", "columns": {"v": {"aggregate": "count"}, "a": {"aggregate": "mean"},
            "b": {"aggregate": "mean", "of": "vv"}, "c": {"aggregate": "std", "of": "at"}}},
    ], "group": [{"by": [], "columns": {}}, {"by": ["k"], "columns": {"d": {"aggregate": {"ewm": "1d"}, "of": "v"}}}]});
    assert_eq!(
        said(with),
        [
            "with.windows[0].over: `soon` is not a duration; write `500ms`, `30s`, `5m`, `2h` or `3d`",
            "with.windows[0].by[0]: there is no column `kk` here",
            "with.windows[0].by[0]: there is no column `kk` here",
        ]
        .into_iter()
        .chain([
            "with.group[0].by: a group needs keys",
            "with.group[1].columns.d.aggregate: `ewm` needs windows over time"
        ])
        .collect::<Vec<_>>()
    );
    let with = json!({"entity": ["id"], "event_time": "at", "windows": [
        {"by": ["k"], "columns": {"v": {"aggregate": "count"}, "a": {"aggregate": "mean"},
            "b": {"aggregate": "mean", "of": "vv"}, "c": {"aggregate": "std", "of": "at"}}},
    ]});
    assert_eq!(
        said(with),
        [
            "with.windows[0].columns.v: `v` is already a column here",
            "with.windows[0].columns.a: only `count` needs no column",
            "with.windows[0].columns.b.of: there is no column `vv` here",
            "with.windows[0].columns.c.of: `at` is of type timestamp[us], this aggregate takes numbers",
        ]
    );
}

/// Keys that are texts which could run together.
#[test]
fn keys_of_several_columns_do_not_run_together() {
    let time = DataType::Datetime(TimeUnit::Microseconds, None);
    let at = Series::new("at".into(), [0i64, MINUTE]).cast(&time).unwrap();
    let mut frame = df!("id" => [1i64, 2], "a" => ["x1:", "x"], "b" => ["y", "1:y"]).unwrap();
    frame.with_column(at.into()).unwrap();
    let bed = Bed::new().table("trips", frame);
    let windows = json!([{"by": ["a", "b"], "columns": {"n": {"aggregate": "count"}}}]);
    let with = json!({"entity": ["id"], "event_time": "at", "windows": windows});
    let ended = bed.run(&FeaturesBuild, with, TABLE).unwrap();
    assert_eq!(rows(&ended.frame("table").select(["n"]).unwrap()), ["0", "0"]);
}
