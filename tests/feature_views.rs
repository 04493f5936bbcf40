//! Feature views from run to run: what is written, what stays, and what can be read again.

use crate::yard::Yard;
use serde_json::Value;

const PIPELINE: &str = "version: 1
name: weather
owner: me
datasets: {raw: {path: 'weather.csv', contract: raw}}
include: [contracts/*.yaml]
steps:
  build:
    uses: features.build@v1
    inputs: {raw: raw}
    with:
      entity: [origin]
      event_time: at
      columns: {celsius: '(temp - 32.0) * 5.0 / 9.0'}
      keep: [temp]
      store: {feature_view: weather, mode: incremental, ttl: 1d}
    outputs: {table: {type: table}}
";

const READER: &str = "version: 1
name: reader
owner: me
steps:
  count:
    uses: transform.sql@v1
    inputs: {weather: 'features:weather'}
    with: {query: 'SELECT origin, count(*) AS rows FROM weather GROUP BY origin'}
    outputs: {table: {type: table}}
";

const CONTRACT: &str = "version: 1
name: raw
event_time: at
columns:
  origin: {type: string, nullable: false}
  at: {type: 'timestamp[us, UTC]', nullable: false}
  temp: {type: float64}
";

fn rows(of: &[(&str, &str, f64)]) -> String {
    let lines = of
        .iter()
        .map(|(origin, at, temp)| format!("{origin},{at},{temp}\n"));
    std::iter::once("origin,at,temp\n".to_owned())
        .chain(lines)
        .collect()
}

fn yard() -> Yard {
    let yard = Yard::with(PIPELINE);
    yard.write("contracts/raw.yaml", CONTRACT);
    yard.write(
        "weather.csv",
        &rows(&[
            ("EWR", "2026-11-01T00:00:00Z", 41.0),
            ("LGA", "2026-11-02T00:00:00Z", 50.0),
        ]),
    );
    yard
}

fn state(run: &Value, step: &str) -> String {
    run["steps"][step]["state"].as_str().unwrap().to_owned()
}

fn counts(snapshots: &Value) -> Vec<(u64, u64)> {
    let snapshots = snapshots.as_array().unwrap().iter();
    let count = |snapshot: &Value, name: &str| snapshot[name].as_u64().unwrap();
    snapshots
        .map(|snapshot| (count(snapshot, "rows"), count(snapshot, "added")))
        .collect()
}

#[test]
fn a_second_run_appends_and_what_was_there_can_still_be_read() {
    let yard = yard();
    let none = yard.trainyard(&["features", "snapshots", "weather"]).expect(2);
    assert!(none.err.contains("nothing has run yet"), "{none}");
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    let snapshots = yard.json(&["features", "snapshots", "weather"]);
    assert_eq!(counts(&snapshots), [(2, 2)]);
    assert_eq!(snapshots[0]["step"], "build");
    let first = snapshots[0]["created_at"].as_i64().unwrap();

    // Unchanged: nothing runs, and nothing is written.
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert_eq!(state(&yard.json(&["runs", "show"]), "build"), "reused");
    assert_eq!(
        counts(&yard.json(&["features", "snapshots", "weather"])),
        [(2, 2)]
    );

    // One row of before, one that is late, and a new one.
    let more = [
        ("EWR", "2026-11-01T00:00:00Z", 41.0),
        ("EWR", "2026-10-01T00:00:00Z", 32.0),
        ("LGA", "2026-11-03T00:00:00Z", 14.0),
    ];
    yard.write("weather.csv", &rows(&more));
    let run = yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert!(
        format!("{}{}", run.out, run.err).contains("features:weather v1, snapshot 2: 4 rows, 2 of them new"),
        "{run}"
    );
    assert_eq!(
        counts(&yard.json(&["features", "snapshots", "weather"])),
        [(4, 2), (2, 2)]
    );
    let shown = yard.json(&["features", "snapshots", "weather", "--show", "2"]);
    let periods: Vec<&str> = shown["manifest"]["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|partition| partition["period"].as_str().unwrap())
        .collect();
    assert_eq!(periods, ["2026-10", "2026-11"]);
    assert_eq!(shown["manifest"]["keys"], serde_json::json!(["origin"]));
    let then = jiff::Timestamp::from_microsecond(first).unwrap().to_string();
    let shown = yard.json(&["features", "snapshots", "weather", "--show", &then]);
    assert_eq!(shown["snapshot"]["snapshot"], 1);

    let compacted = yard.json(&["features", "compact", "weather"]);
    assert_eq!(
        (&compacted["files_before"], &compacted["files"]),
        (&3.into(), &2.into())
    );
    let after = yard.json(&["features", "snapshots", "weather"]);
    assert_eq!(
        (counts(&after)[0], after[0]["kind"].as_str()),
        ((4, 0), Some("compact"))
    );
    let unknown = yard.trainyard(&["features", "snapshots", "wether"]).expect(2);
    assert!(unknown.err.contains("there is `weather`"), "{unknown}");
}

#[test]
fn what_reads_a_view_runs_again_when_it_has_other_rows() {
    let yard = yard();
    yard.write("reader.yaml", READER);
    let early = yard.trainyard(&["run", "reader.yaml"]).expect(1);
    assert!(
        early.err.contains("feature view `weather` has no rows"),
        "{early}"
    );
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    yard.trainyard(&["run", "reader.yaml"]).expect(0);
    yard.trainyard(&["run", "reader.yaml"]).expect(0);
    assert_eq!(state(&yard.json(&["runs", "show"]), "count"), "reused");
    yard.write("weather.csv", &rows(&[("JFK", "2026-11-05T00:00:00Z", 41.0)]));
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    let plan = yard.trainyard(&["plan", "reader.yaml"]).expect(0);
    assert!(
        plan.out
            .contains("features weather: +1 rows since the previous run"),
        "{plan}"
    );
    yard.trainyard(&["run", "reader.yaml"]).expect(0);
    let run = yard.json(&["runs", "show"]);
    assert_eq!(state(&run, "count"), "succeeded");
    let lineage = yard.trainyard(&["lineage", "show", "features:weather"]).expect(0);
    assert!(lineage.out.contains("step build of"), "{lineage}");
    assert!(lineage.out.contains("step count of"), "{lineage}");
    let column = yard
        .trainyard(&["lineage", "show", "features:weather.celsius"])
        .expect(0);
    assert!(column.out.contains("column raw.temp"), "{column}");
}
