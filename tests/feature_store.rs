//! The feature store from files to a training set and to an answer: definitions, snapshots, both stores.

use crate::yard::Yard;
use serde_json::{Value, json};

const FEATURES: &str = "\
version: 1
entities:
  origin: {keys: {origin: string}}
views:
  weather:
    entities: [origin]
    source: {dataset: weather_raw}
    event_time: at
    ttl: 2d
    features:
      temp: {type: float64}
      wind: {type: float64}
    online: true
on_demand:
  trip:
    request: {distance: float64}
    inputs: [\"weather:wind\"]
    features:
      headwind: {type: float64, expr: \"wind * distance / 100.0\"}
services:
  delay: {features: [\"weather:temp\", \"trip:headwind\"]}
";

const PIPELINE: &str = "\
version: 1
name: store
include: [contracts/weather.yaml, contracts/flights.yaml]
datasets:
  weather_raw: {path: data/weather.csv, contract: weather}
  flights_raw: {path: data/flights.csv, contract: flights}
steps:
  keep:
    uses: features.ingest@v1
    inputs: {rows: weather_raw}
    with: {view: weather, mode: incremental}
  training:
    uses: features.training_set@v1
    needs: [keep]
    inputs: {entities: flights_raw, weather: \"features:weather\"}
    with: {service: delay, event_time: at}
    outputs: {table: {type: table}}
  online:
    uses: features.materialise@v1
    needs: [keep]
    inputs: {weather: \"features:weather\"}
    with: {mode: incremental}
  agree:
    uses: features.verify@v1
    needs: [online]
    inputs: {weather: \"features:weather\"}
    outputs: {report: {type: report}}
";

fn yard() -> Yard {
    let yard = Yard::with(PIPELINE);
    yard.write("trainyard.yaml", "version: 1\nname: store\n");
    yard.write("features/weather.yaml", FEATURES);
    yard.write(
        "contracts/weather.yaml",
        "version: 1\nname: weather\nevent_time: at\ncolumns:\n  origin: {type: string, nullable: false}\n  \
         at: {type: \"timestamp[us, UTC]\", nullable: false}\n  temp: {type: float64}\n  wind: {type: float64}\n",
    );
    yard.write(
        "contracts/flights.yaml",
        "version: 1\nname: flights\nevent_time: at\ncolumns:\n  origin: {type: string, nullable: false}\n  \
         at: {type: \"timestamp[us, UTC]\", nullable: false}\n  distance: {type: float64}\n",
    );
    // Now, so that nothing is older than its time to live when it is asked for online.
    let hour = |back: i64| {
        let now = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(back);
        now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    yard.write(
        "data/weather.csv",
        &format!(
            "origin,at,temp,wind\nJFK,{},40,10\nJFK,{},50,20\nLGA,{},60,\n",
            hour(5),
            hour(2),
            hour(90)
        ),
    );
    yard.write(
        "data/flights.csv",
        &format!(
            "origin,at,distance\nJFK,{},100\nLGA,{},100\nJFK,{},200\nEWR,{},1\n",
            hour(3),
            hour(1),
            hour(1),
            hour(1)
        ),
    );
    yard
}

#[test]
fn one_definition_serves_training_and_lookup() {
    let yard = yard();
    yard.trainyard(&["check"]).expect(0);
    yard.trainyard(&["run"]).expect(0);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(
        run["steps"]["training"]["outputs"]["table"]["rows"], 4,
        "no row is dropped"
    );
    let answer = yard.json(&[
        "features",
        "get-online",
        "origin=JFK,LGA,EWR",
        "distance=100,1,1",
        "--service",
        "delay",
    ]);
    let statuses: Vec<&Value> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["statuses"]["temp"])
        .collect();
    assert_eq!(
        statuses,
        [&json!("PRESENT"), &json!("OUTSIDE_MAX_AGE"), &json!("NOT_FOUND")]
    );
    assert_eq!(
        answer["rows"][0]["values"],
        json!({"temp": 50.0, "headwind": 20.0})
    );
    let out = yard.path().join("out.csv");
    let out = out.to_string_lossy();
    yard.trainyard(&[
        "features",
        "get-historical",
        "--entities",
        "data/flights.csv",
        "--event-time",
        "at",
        "--service",
        "delay",
        "-o",
        &out,
    ])
    .expect(0);
    let found = yard.read("out.csv");
    let values: Vec<Vec<&str>> = found
        .lines()
        .skip(1)
        .map(|line| line.split(',').skip(3).collect())
        .collect();
    assert_eq!(
        values,
        [["40.0", "10.0"], ["", ""], ["50.0", "40.0"], ["", ""]],
        "{found}"
    );
}

#[test]
fn what_is_not_defined_is_found_before_anything_runs() {
    let yard = yard();
    yard.edit("pipeline.yaml", "service: delay", "features: [\"weather:tmp\"]");
    let refused = yard.trainyard(&["check"]).expect(1);
    assert!(
        refused.out.contains("temp") || refused.err.contains("temp"),
        "{refused}"
    );
    yard.edit("features/weather.yaml", "wind * distance", "wnd * distance");
    let refused = yard.trainyard(&["check"]).expect(1);
    assert!(
        format!("{refused}").contains("features/weather.yaml"),
        "{refused}"
    );
}
