//! Specifications of `features.training_set@v1`.

use super::*;
use crate::testbed::{Bed, rows};
use polars::prelude::*;
use serde_json::{Value, json};
use trainyard_contract::{DataType as Type, KnownAt, Schema};

fn definitions() -> FeatureDefinitions {
    serde_json::from_value(json!({
        "views": {
            "weather": {
                "name": "weather", "version": 1, "entities": ["airport"],
                "keys": [{"name": "origin", "type": "string"}],
                "features": {
                    "temp": {"type": "float64", "unit": "degree_fahrenheit"},
                    "wind": {"type": "int64"},
                },
                "event_time": "seen", "created_time": "loaded", "ttl": 7_200_000, "source": "push",
            },
            "fleet": {
                "name": "fleet", "version": 1, "entities": ["airport", "carrier"],
                "keys": [{"name": "origin", "type": "string"}, {"name": "carrier", "type": "int64"}],
                "features": {"planes": {"type": "int32"}, "wind": {"type": "int64"}},
                "event_time": "day", "source": "push",
                "columns": {"planes": "number_of_planes"},
            },
        },
        "services": {"delay": {"name": "delay", "features": ["weather:temp", "fleet:planes"]}},
    }))
    .unwrap()
}

fn times(name: &str, hours: &[f64]) -> Column {
    let values: Vec<i64> = hours.iter().map(|hour| (hour * 3_600_000_000.0) as i64).collect();
    Column::new(name.into(), values)
        .cast(&DataType::Datetime(
            TimeUnit::Microseconds,
            TimeZone::opt_try_new(Some("UTC")).unwrap(),
        ))
        .unwrap()
}

fn frame(columns: Vec<Column>) -> DataFrame {
    DataFrame::new(columns[0].len(), columns).unwrap()
}

fn flights() -> DataFrame {
    frame(vec![
        Column::new("flight".into(), [1_i64, 2, 3, 4, 5]),
        Column::new("origin".into(), ["EWR", "JFK", "EWR", "LGA", "EWR"]),
        Column::new("carrier".into(), [7_i64, 7, 8, 7, 7]),
        times("at", &[12.0, 12.0, 30.0, 12.0, 10.0]),
        Column::new("late".into(), [true, false, false, true, false]),
    ])
}

fn bed() -> Bed {
    let weather = frame(vec![
        Column::new("origin".into(), ["EWR", "EWR", "JFK", "EWR"]),
        times("seen", &[10.0, 11.0, 10.0, 12.0]),
        times("loaded", &[10.0, 11.5, 10.0, 12.5]),
        Column::new("temp".into(), [Some(1.5), Some(2.5), Some(f64::NAN), Some(3.5)]),
        Column::new("wind".into(), [1_i64, 2, 3, 4]),
    ]);
    let fleet = frame(vec![
        Column::new("carrier".into(), [7_i64, 7]),
        Column::new("origin".into(), ["EWR", "JFK"]),
        Column::new("day".into(), [0_i32, 0])
            .cast(&DataType::Date)
            .unwrap(),
        Column::new("number_of_planes".into(), [40_i64, 50]),
        Column::new("wind".into(), [-1_i64, -2]),
    ]);
    let mut bed = Bed::new()
        .table("entities", flights())
        .table("weather", weather)
        .table("fleet", fleet);
    bed.features = definitions();
    bed
}

const OUTPUTS: [(&str, ArtifactKind); 2] = [("table", ArtifactKind::Table), ("report", ArtifactKind::Report)];

fn ran(bed: &Bed, with: Value) -> crate::testbed::Ended {
    bed.run(&FeaturesTrainingSet, with, &OUTPUTS).unwrap()
}

fn findings(bed: &Bed, with: Value) -> Vec<String> {
    let answer = bed.infer(&FeaturesTrainingSet, with, &OUTPUTS);
    answer
        .findings
        .iter()
        .map(|finding| format!("{} {}: {}", finding.code, finding.path, finding.message))
        .collect()
}

#[test]
fn all_rows_stay_in_their_order_with_what_was_there_at_their_times() {
    let ended = ran(
        &bed(),
        json!({"event_time": "at", "features": ["weather:temp", "fleet:planes"]}),
    );
    assert_eq!(
        rows(&ended.frame("table")),
        [
            "1|EWR|7|1970-01-01 12:00:00 UTC|true|3.5|40",
            // Two hours old with a ttl of two hours; a value that is no number is a value.
            "2|JFK|7|1970-01-01 12:00:00 UTC|false|NaN|50",
            // The weather is too old, and the carrier has no planes there.
            "3|EWR|8|1970-01-02 06:00:00 UTC|false|-|-",
            "4|LGA|7|1970-01-01 12:00:00 UTC|true|-|-",
            "5|EWR|7|1970-01-01 10:00:00 UTC|false|1.5|40",
        ]
    );
    let report = ended.json("report");
    assert_eq!(report["views"][0]["view"], "weather");
    let counts = ["matched", "missing", "too_old", "without_key"].map(|name| &report["views"][0][name]);
    assert_eq!(counts, [3, 1, 1, 0]);
    assert_eq!(report["views"][0]["oldest_seconds"], 7200.0);
    assert_eq!(
        ended.log,
        [
            "weather: 3 of 5 rows found a row of it, 40 min old on average, 2 h at most; 1 without one by then; 1 only with one older than 2h",
            "fleet: 3 of 5 rows found a row of it, 11.3 h old on average, 12 h at most; 2 without one by then",
        ]
    );
}

#[test]
fn what_was_written_later_is_not_seen_where_the_created_time_counts() {
    let with =
        json!({"event_time": "at", "features": ["weather:wind"], "known_at": "created", "event_times": true});
    let ended = ran(&bed(), with);
    let frame = ended
        .frame("table")
        .select(["wind", "weather__event_time"])
        .unwrap();
    assert_eq!(
        rows(&frame),
        [
            "2|1970-01-01 11:00:00 UTC",
            "3|1970-01-01 10:00:00 UTC",
            "-|-",
            "-|-",
            "1|1970-01-01 10:00:00 UTC"
        ]
    );
}

#[test]
fn a_lag_looks_at_a_view_as_it_was_so_long_before() {
    let with =
        json!({"event_time": "at", "features": ["weather:wind", "fleet:planes"], "lag": {"weather": "1h"}});
    let ended = ran(&bed(), with);
    assert_eq!(
        rows(&ended.frame("table").select(["wind", "planes"]).unwrap()),
        ["2|40", "3|50", "-|-", "-|-", "-|40"]
    );
}

#[test]
fn a_service_stands_for_its_features_and_full_names_tell_views_apart() {
    let with = json!({"event_time": "at", "service": "delay", "features": ["weather:wind", "fleet:*"], "full_feature_names": true});
    let ended = ran(&bed(), with);
    let names = ended.schema("table").features.join(" ");
    assert_eq!(names, "weather__temp fleet__planes weather__wind fleet__wind");
    let frame = ended.frame("table");
    assert_eq!(
        rows(&frame.select(["weather__wind", "fleet__wind"]).unwrap())[0],
        "4|-1"
    );
}

#[test]
fn keys_may_have_other_names_in_the_entity_rows() {
    let mut bed = bed();
    let mut flights = flights();
    flights.rename("origin", "from".into()).unwrap();
    bed = bed.table("entities", flights);
    let with = json!({"event_time": "at", "features": ["weather:wind"], "keys": {"origin": "from"}});
    assert_eq!(findings(&bed, with.clone()), [""; 0]);
    let ended = ran(&bed, with);
    assert_eq!(
        rows(&ended.frame("table").select(["from", "wind"]).unwrap())[0],
        "EWR|4"
    );
}

#[test]
fn what_the_check_foretells_is_what_the_run_makes() {
    let bed = bed();
    let with = json!({"event_time": "at", "features": ["weather:*", "fleet:planes"], "label": "late", "event_times": true});
    let answer = bed.infer(&FeaturesTrainingSet, with.clone(), &OUTPUTS);
    assert_eq!(answer.findings, []);
    let ended = ran(&bed, with);
    let Some(Shape::Table(schema)) = answer.outputs.get("table") else {
        panic!("no table is foretold")
    };
    let made = ended.schema("table");
    let columns = |schema: &Schema| -> Vec<(String, Type)> {
        let columns = schema.columns.iter();
        columns
            .map(|column| (column.name.clone(), column.data_type.clone()))
            .collect()
    };
    assert_eq!(columns(schema), columns(made));
    assert_eq!(
        (schema.label.as_deref(), schema.event_time.as_deref()),
        (Some("late"), Some("at"))
    );
    assert_eq!(schema.features, ["temp", "wind", "planes"]);
    let temp = schema.column("temp").unwrap();
    assert_eq!(temp.unit.as_deref(), Some("degree_fahrenheit"));
    let planes = answer
        .lineage
        .iter()
        .find(|edge| edge.column == "planes")
        .unwrap();
    assert_eq!(
        (planes.input.as_str(), planes.from.as_str()),
        ("fleet", "number_of_planes")
    );
    let mut said = answer.lineage.clone();
    let mut done = ended.report.lineage.clone();
    said.sort();
    done.sort();
    assert_eq!(said, done);
    assert!(answer.uses["weather"].contains("loaded"), "{:?}", answer.uses);
}

#[test]
fn what_cannot_be_found_is_said_at_its_word() {
    let bed = bed();
    let with = json!({"event_time": "att", "service": "delays", "features": ["weather:tmp", "wether:temp", "temp", "weather:wind", "fleet:wind", "weather:wind"]});
    assert_eq!(
        findings(&bed, with),
        [
            "D01 with.event_time: there is no column `att` here",
            "D01 with.service: there is no feature service `delays`",
            "S01 with.features[2]: `temp` is not a feature: write `view:feature`, `view@v2:feature` or `view:*`",
            "D01 with.features[0]: the feature view `weather` has no feature `tmp`",
            "D01 with.features[1]: there is no feature view `wether`",
            "D03 with.features[5]: `weather:wind` is asked for twice",
            "D03 with.features[4]: both `weather` and `fleet` have a feature `wind`",
        ]
    );
    assert_eq!(
        findings(&bed, json!({"event_time": "carrier"})),
        [
            "D01/wrong-column-type with.event_time: `carrier` is of type int64, an event time is a date or a timestamp",
            "D01 with.features: no features are asked for",
        ]
    );
    let with = json!({
        "event_time": "at", "features": ["weather:wind"], "lag": {"weathr": "1h"},
        "keys": {"origin": "flight", "carrier": "carrier"}, "label": "lat", "keep": ["flght"],
    });
    assert_eq!(
        findings(&bed, with),
        [
            "D01 with.lag.weathr: no feature of a view `weathr` is asked for",
            "D01 with.keys.carrier: no view that is asked for has a key `carrier`",
            "D03 with.keys.origin: the key `flight` is int64 in the entity rows and string in the view `weather`",
            "D01 with.label: there is no column `lat` here",
            "D01 with.keep[0]: there is no column `flght` here",
        ]
    );
}

#[test]
fn a_view_without_its_rows_among_the_inputs_is_found_before_the_run() {
    let mut bed = bed();
    bed.inputs.shift_remove("fleet");
    let with = json!({"event_time": "at", "features": ["weather:wind", "fleet:planes"]});
    assert_eq!(
        findings(&bed, with.clone()),
        ["D01 with.features[1]: there is no input `fleet` with the rows of that view"]
    );
    let error = bed.run(&FeaturesTrainingSet, with, &OUTPUTS).unwrap_err();
    assert!(
        error.failure.message.contains("there is no input `fleet`"),
        "{}",
        error.failure.message
    );
}

/// Weather is known when a flight departs; what is asked is a prediction when the schedule is published.
fn with_moments(bed: &Bed) -> Bed {
    let known = |moment: &str| KnownAt {
        moment: moment.to_owned(),
        order: ["schedule", "departure", "arrival"].map(str::to_owned).to_vec(),
    };
    let Some(Shape::Table(mut schema)) = bed.shapes().get("entities").cloned() else {
        panic!("no table")
    };
    for column in &mut schema.columns {
        let moment = if column.name == "late" {
            "arrival"
        } else {
            "schedule"
        };
        column.known_at = Some(known(moment));
    }
    let mut with = self::bed().table_of("entities", flights(), schema);
    for feature in with.features.views["weather"].features.values_mut() {
        feature.known_at = Some(known("departure"));
    }
    with
}

#[test]
fn a_feature_that_nobody_knows_yet_is_leakage_unless_it_is_looked_up_earlier() {
    let bed = with_moments(&bed());
    let with = |more: Value| {
        let mut with = json!({"event_time": "at", "features": ["weather:temp"], "predict_at": "schedule"});
        with.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        with
    };
    assert_eq!(
        findings(&bed, with(json!({}))),
        ["M01 with.features[0]: `temp` is known at departure, after the prediction is made at schedule"]
    );
    assert_eq!(findings(&bed, with(json!({"lag": "24h"}))), [""; 0]);
    assert_eq!(
        findings(
            &bed,
            with(json!({"lag": "24h", "label": "late", "keep": ["late"]}))
        ),
        [
            "M01 with.keep[0]: `late` is known at arrival, after the prediction is made at schedule",
            "M02 with.keep[0]: `late` is what the label is made from",
        ]
    );
    let answer = bed.infer(&FeaturesTrainingSet, with(json!({"lag": "24h"})), &OUTPUTS);
    let Some(Shape::Table(schema)) = answer.outputs.get("table") else {
        panic!("no table is foretold")
    };
    let known = schema.column("temp").unwrap().known_at.clone();
    assert_eq!(known.map(|known| known.moment).as_deref(), Some("schedule"));
}

#[test]
fn rows_that_may_be_late_ask_for_a_lag_or_for_the_created_time() {
    let mut bed = bed();
    bed.features.views["weather"].freshness = Some("2h".parse().unwrap());
    let asked = |more: Value| {
        let mut with = json!({"event_time": "at", "features": ["weather:temp"]});
        with.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        findings(&bed, with)
    };
    assert_eq!(
        asked(json!({})),
        [
            "M06/lag-below-delay with.features[0]: `weather` is looked up no time before the event, and its newest row may be 2h old when the model is asked"
        ]
    );
    assert_eq!(
        asked(json!({"lag": "90m"})),
        [
            "M06/lag-below-delay with.lag: `weather` is looked up 90m before the event, and its newest row may be 2h old when the model is asked"
        ]
    );
    assert_eq!(asked(json!({"lag": "2h"})), [""; 0]);
    assert_eq!(asked(json!({"known_at": "created"})), [""; 0]);
}

#[test]
fn a_table_without_rows_gives_one_without_rows() {
    let bed = bed().table("entities", flights().slice(0, 0));
    let ended = ran(&bed, json!({"event_time": "at", "features": ["weather:temp"]}));
    assert_eq!(ended.frame("table").shape(), (0, 6));
}
