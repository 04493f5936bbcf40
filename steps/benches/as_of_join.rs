//! The as-of join of `features.build@v1` beside bare polars on the same files: flights and the weather
//! a day earlier at their airport.
//!
//! `cargo bench -p trainyard-steps`; prints times and their ratio, asserts nothing. Ours takes the files
//! as a step before it would have stored them; it also checks their hashes, types and traces the plan,
//! brings the rows back to their order, drops those without a label, and keeps the result durably under
//! its hash.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking and tells by printing"
)]

use indexmap::IndexMap;
use polars::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use trainyard_contract::task::{Limits, OutputDeclaration, TASK_VERSION, TaskInput, TaskSpec};
use trainyard_contract::{ArtifactKind, ArtifactRef, Objects, OutputValue, StepIo};

const REPEATS: usize = 5;
const COLUMNS: [&str; 4] = ["temp", "wind_speed", "precip", "visib"];

fn main() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/data/flights");
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::new(folder.path().join("objects"));
    let inputs = ["flights", "weather"].map(|name| (name.to_owned(), stored(name, &data, &objects)));
    let inputs = IndexMap::from(inputs);
    let ours = best(|| features(&inputs, folder.path()));
    let plain = best(|| bare(&data, folder.path(), false));
    let ordered = best(|| bare(&data, folder.path(), true));
    let shown = |name: &str, bare: Duration| {
        println!(
            "as-of join of 336,776 flights with the weather   ours {:.0} ms   {name} {:.0} ms   ratio {:.2}",
            ours.as_secs_f64() * 1000.0,
            bare.as_secs_f64() * 1000.0,
            ours.as_secs_f64() / bare.as_secs_f64()
        );
    };
    shown("bare polars", plain);
    shown("bare polars, rows in their order as ours", ordered);
}

fn best(mut work: impl FnMut()) -> Duration {
    let once = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..REPEATS).map(|_| once(&mut work)).min().unwrap()
}

/// The file as an earlier step's output.
fn stored(name: &str, data: &Path, objects: &Objects) -> TaskInput {
    let staged = objects.staging_path().unwrap();
    std::fs::copy(data.join(format!("{name}.parquet")), &staged).unwrap();
    let (hash, size) = objects.adopt(&staged).unwrap();
    TaskInput::Output(OutputValue::Artifact(Box::new(ArtifactRef {
        kind: ArtifactKind::Table,
        hash,
        size,
        media_type: "application/vnd.apache.parquet".to_owned(),
        rows: None,
        schema: None,
        summary: serde_json::Value::Null,
    })))
}

fn features(inputs: &IndexMap<String, TaskInput>, folder: &Path) {
    let output = OutputDeclaration {
        kind: ArtifactKind::Table,
        contract: None,
        input_schema: None,
        output_schema: None,
        path: None,
    };
    let spec = TaskSpec {
        version: TASK_VERSION,
        run: "bench".to_owned(),
        pipeline: "bench".to_owned(),
        instance: "features".to_owned(),
        step: "features".to_owned(),
        attempt: 1,
        epoch: 1,
        uses: "features.build@v1".to_owned(),
        with: json!({
            "entity": ["carrier", "flight"],
            "event_time": "time_hour",
            "as_of_join": [{"table": "weather", "by": ["origin"], "on": "time_hour", "lag": "24h", "columns": COLUMNS}],
            "keep": ["month", "distance"],
            "label": {"name": "is_late", "expr": "arr_delay > 15"},
        }),
        inputs: inputs.clone(),
        outputs: IndexMap::from([("table".to_owned(), output)]),
        contracts: Default::default(),
        matrix: Default::default(),
        process: None,
        secrets: Default::default(),
        previous: Default::default(),
        feature_views: Default::default(),
        features: Default::default(),
        limits: Limits::default(),
        project: PathBuf::from("."),
        data: None,
        objects: folder.join("objects"),
        scratch: folder.join("scratch"),
        log: folder.join("log"),
        traceparent: None,
    };
    let mut io = StepIo::new(spec, Box::new(|_| {}));
    trainyard_steps::catalogue()
        .get("features.build@v1")
        .unwrap()
        .run(&mut io)
        .unwrap();
    assert_eq!(io.into_report().resources.rows_out, 327_346);
}

fn bare(data: &Path, folder: &Path, in_order: bool) {
    let scan = |name: &str| {
        let path = data.join(format!("{name}.parquet"));
        LazyFrame::scan_parquet(PlRefPath::new(path.to_string_lossy()), ScanArgsParquet::default()).unwrap()
    };
    let day = lit(86_400_000_000_i64).cast(DataType::Duration(TimeUnit::Microseconds));
    let flights = scan("flights")
        .with_row_index("row", None)
        .with_column((col("time_hour") - day).alias("before"))
        .sort(["before"], SortMultipleOptions::default());
    let columns: Vec<Expr> = ["origin", "time_hour"]
        .iter()
        .chain(&COLUMNS)
        .map(|name| col(*name))
        .collect();
    let weather = scan("weather")
        .select(columns)
        .sort(["time_hour"], SortMultipleOptions::default());
    let options = AsOfOptions {
        left_by: Some(vec!["origin".into()]),
        right_by: Some(vec!["origin".into()]),
        ..AsOfOptions::default()
    };
    let joined = flights
        .join_builder()
        .with(weather)
        .left_on([col("before")])
        .right_on([col("time_hour")])
        .how(JoinType::AsOf(Box::new(options)))
        .finish()
        .filter(col("arr_delay").is_not_null())
        .with_column(col("arr_delay").gt(lit(15)).alias("is_late"));
    let kept = ["carrier", "flight", "time_hour", "month", "distance", "is_late"]
        .iter()
        .chain(&COLUMNS);
    let joined = if in_order {
        joined.sort(["row"], SortMultipleOptions::default())
    } else {
        joined
    };
    let mut frame = joined
        .select(kept.map(|name| col(*name)).collect::<Vec<_>>())
        .collect()
        .unwrap();
    assert_eq!(frame.height(), 327_346);
    let file = std::fs::File::create(folder.join("bare.parquet")).unwrap();
    ParquetWriter::new(&file)
        .with_compression(ParquetCompression::Snappy)
        .finish(&mut frame)
        .unwrap();
    file.sync_all().unwrap();
}
