//! Joins of tables, beside what Feast's own store answers to the same questions.

use super::*;
use crate::testbed::examples;
use indexmap::IndexMap;
use polars::prelude::*;
use std::path::PathBuf;
use trainyard_contract::DataType as Type;
use trainyard_contract::feature::{Feature, FeatureSource, Key};

fn fixture(name: &str) -> Vec<Vec<String>> {
    let path: PathBuf = examples().join("../steps/fixtures/point_in_time").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().skip(1);
    lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

fn texts(rows: &[Vec<String>], column: usize, name: &str) -> Column {
    let values: Vec<&str> = rows.iter().map(|row| row[column].as_str()).collect();
    Column::new(name.into(), values)
}

fn numbers(rows: &[Vec<String>], column: usize, name: &str) -> Column {
    let values: Vec<Option<i64>> = rows.iter().map(|row| row[column].parse().ok()).collect();
    Column::new(name.into(), values)
}

fn times(rows: &[Vec<String>], column: usize, name: &str, unit: TimeUnit, zone: Option<&str>) -> Column {
    let values: Vec<i64> = rows
        .iter()
        .map(|row| row[column].parse::<jiff::Timestamp>().unwrap().as_microsecond())
        .collect();
    let utc = Column::new(name.into(), values)
        .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
        .unwrap();
    let zone = TimeZone::opt_try_new(zone).unwrap();
    utc.cast(&DataType::Datetime(unit, zone)).unwrap()
}

/// A view over integers, as they are in these tests.
pub(crate) fn view(name: &str, keys: &[(&str, Type)], feature: &str, ttl: Option<u64>) -> FeatureView {
    let feature_of = Feature {
        data_type: Type::Int64,
        description: None,
        unit: None,
        known_at: None,
        classification: None,
    };
    FeatureView {
        name: name.to_owned(),
        version: 1,
        entities: Vec::new(),
        keys: keys
            .iter()
            .map(|(name, data_type)| Key {
                name: (*name).to_owned(),
                data_type: data_type.clone(),
            })
            .collect(),
        features: IndexMap::from([(feature.to_owned(), feature_of)]),
        event_time: "event_time".to_owned(),
        created_time: Some("created_time".to_owned()),
        ttl: ttl.map(Millis),
        online: false,
        source: FeatureSource::Push,
        columns: IndexMap::new(),
        freshness: None,
        description: None,
        owner: None,
        tags: Vec::new(),
    }
}

fn ask(view: &FeatureView, known_by: KnownBy) -> ViewAsk {
    ViewAsk {
        keys: view.keys.iter().map(|key| key.name.clone()).collect(),
        lag: Millis(0),
        known_by,
        features: view.features.keys().cloned().collect(),
        view: view.clone(),
    }
}

/// The rows of a view in pieces of a few rows.
fn in_pieces(view: &FeatureView, frame: &DataFrame, rows: usize) -> ViewRows {
    let pieces = (0..frame.height()).step_by(rows).map(|from| {
        let part = frame.slice(from as i64, rows);
        Piece::new(None, move |columns| {
            Ok(part.select(columns.iter().map(String::as_str)).unwrap())
        })
    });
    ViewRows::new(view, frame.schema().clone(), pieces.collect()).unwrap()
}

fn frame(columns: Vec<Column>) -> DataFrame {
    DataFrame::new(columns[0].len(), columns).unwrap()
}

fn values(joined: &Joined) -> Vec<Option<i64>> {
    joined.features.columns()[0].i64().unwrap().iter().collect()
}

#[test]
fn every_row_finds_what_feast_finds() {
    let rows = fixture("entities.csv");
    // Local clocks of a zone that changes to summer time that night are the same instants.
    let entities = frame(vec![
        numbers(&rows, 0, "driver"),
        texts(&rows, 1, "city"),
        times(&rows, 2, "at", TimeUnit::Microseconds, Some("Europe/Rome")),
    ]);
    for (ttl, hours) in [(None, 0), (Some(7_200_000), 2)] {
        for (known_by, word) in [(KnownBy::Event, "event"), (KnownBy::Created, "created")] {
            let found = fixture(&format!("found_{hours}h_{word}.csv"));
            let int = ("driver", Type::Int64);
            let text = ("city", Type::String);
            let stats = view("stats", std::slice::from_ref(&int), "trips", ttl);
            let weather = view("weather", std::slice::from_ref(&text), "temp", ttl);
            let both = view("both", &[int, text], "fares", ttl);
            for (column, view) in [(1, stats), (2, weather), (3, both)] {
                let rows = fixture(&format!("{}.csv", view.name));
                let wide = view.keys.len();
                let mut columns: Vec<Column> = view
                    .keys
                    .iter()
                    .enumerate()
                    .map(|(at, key)| match key.data_type {
                        Type::String => texts(&rows, at, &key.name),
                        _ => numbers(&rows, at, &key.name),
                    })
                    .collect();
                columns.push(times(&rows, wide, "event_time", TimeUnit::Milliseconds, None));
                columns.push(times(
                    &rows,
                    wide + 1,
                    "created_time",
                    TimeUnit::Nanoseconds,
                    Some("UTC"),
                ));
                columns.push(numbers(&rows, wide + 2, view.features.get_index(0).unwrap().0));
                let table = frame(columns);
                let expected: Vec<Option<i64>> = found.iter().map(|row| row[column].parse().ok()).collect();
                for piece in [7, 1000] {
                    let rows = in_pieces(&view, &table, piece);
                    let mut joined = Entities::new(&entities, "at", &[&rows]).unwrap();
                    let joined = joined.join(&ask(&view, known_by), &rows).unwrap();
                    assert_eq!(values(&joined), expected, "{} {hours}h {word}", view.name);
                }
            }
        }
    }
}

fn small(keys: Column, times: Vec<i64>, values: Vec<i64>) -> DataFrame {
    let event_time = Column::new("event_time".into(), times)
        .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
        .unwrap();
    frame(vec![keys, event_time, Column::new("value".into(), values)])
}

fn at(times: &[Option<i64>]) -> Column {
    Column::new("at".into(), times)
        .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
        .unwrap()
}

fn without_created(keys: &[(&str, Type)]) -> FeatureView {
    FeatureView {
        created_time: None,
        ..view("v", keys, "value", None)
    }
}

#[test]
fn rows_without_key_or_time_stay_and_find_nothing() {
    let view = without_created(&[("k", Type::Int64)]);
    let table = small(
        Column::new("k".into(), [Some(1_i64), None]),
        vec![5, 5],
        vec![10, 20],
    );
    let rows = in_pieces(&view, &table, 9);
    let entities = frame(vec![
        Column::new("k".into(), [Some(1_i32), None, Some(1), Some(2)]),
        at(&[Some(6), Some(6), None, Some(6)]),
    ]);
    let joined = Entities::new(&entities, "at", &[&rows])
        .unwrap()
        .join(&ask(&view, KnownBy::Event), &rows)
        .unwrap();
    assert_eq!(values(&joined), [Some(10), None, None, None]);
    assert_eq!(
        (
            joined.tally.matched,
            joined.tally.missing,
            joined.tally.without_key
        ),
        (1, 1, 2)
    );
    // Without a created time only that of the event can count.
    let by_created = Entities::new(&entities, "at", &[&rows])
        .unwrap()
        .join(&ask(&view, KnownBy::Created), &rows)
        .unwrap();
    assert_eq!(values(&by_created), values(&joined));
}

#[test]
fn parts_that_no_entity_row_can_reach_are_not_read() {
    let view = FeatureView {
        ttl: Some(Millis(1)),
        ..without_created(&[("k", Type::Int64)])
    };
    let table = small(
        Column::new("k".into(), [1_i64, 1, 1, 1]),
        vec![0, 9_000, 9_900, 20_000],
        vec![0, 1, 2, 3],
    );
    let pieces = [0_i64, 9_000, 9_900, 20_000]
        .iter()
        .enumerate()
        .map(|(row, time)| {
            let part = table.slice(row as i64, 1);
            let beyond = row == 0 || row == 3;
            Piece::new(Some((*time, *time)), move |columns| {
                assert!(!beyond, "nobody needs row {row}");
                Ok(part.select(columns.iter().map(String::as_str)).unwrap())
            })
        });
    let rows = ViewRows::new(&view, table.schema().clone(), pieces.collect()).unwrap();
    let entities = frame(vec![
        Column::new("k".into(), [1_i64, 1, 1]),
        at(&[Some(10_000), Some(9_500), Some(8_000)]),
    ]);
    let mut entities = Entities::new(&entities, "at", &[&rows]).unwrap();
    let joined = entities.join(&ask(&view, KnownBy::Event), &rows).unwrap();
    assert_eq!(values(&joined), [Some(2), Some(1), None]);
    assert_eq!(joined.read, (2, 4));
}

#[test]
fn keys_that_are_large_numbers_and_times_of_any_kind_are_compared_by_value() {
    let view = without_created(&[("k", Type::UInt64)]);
    let table = small(Column::new("k".into(), [u64::MAX, 3]), vec![5, 5], vec![10, 20]);
    let rows = in_pieces(&view, &table, 9);
    let joined = |keys: Column| {
        let entities = frame(vec![keys, at(&[Some(6), Some(6)])]);
        let mut entities = Entities::new(&entities, "at", &[&rows]).unwrap();
        values(&entities.join(&ask(&view, KnownBy::Event), &rows).unwrap())
    };
    assert_eq!(joined(Column::new("k".into(), [u64::MAX, 2])), [Some(10), None]);
    // Minus one is no large number.
    assert_eq!(joined(Column::new("k".into(), [-1_i64, 3])), [None, Some(20)]);

    let day = without_created(&[("k", Type::Date)]);
    let dates = Column::new("k".into(), [1_i32, 2]).cast(&DataType::Date).unwrap();
    let rows = in_pieces(&day, &small(dates.clone(), vec![5, 5], vec![10, 20]), 9);
    let midnight = dates
        .cast(&DataType::Datetime(TimeUnit::Nanoseconds, None))
        .unwrap();
    let entities = frame(vec![midnight, at(&[Some(6), Some(4)])]);
    let mut entities = Entities::new(&entities, "at", &[&rows]).unwrap();
    let joined = entities.join(&ask(&day, KnownBy::Event), &rows).unwrap();
    assert_eq!(values(&joined), [Some(10), None]);
}

#[test]
fn numbers_with_fractions_are_no_keys() {
    assert_eq!(KeyKind::of(&DataType::Float64, &DataType::Float64), None);
    assert_eq!(KeyKind::of(&DataType::String, &DataType::Int64), None);
    assert_eq!(
        KeyKind::of(&DataType::Int8, &DataType::UInt64),
        Some(KeyKind::Integers)
    );
}
