//! `ingest.files@v1` beside bare polars in the same process: a CSV of ten columns, typed by its contract
//! and kept as Parquet, against `scan_csv` and `read_csv` with that schema, and `write_parquet`.
//!
//! `cargo bench -p trainyard-steps --bench ingest --profile dev -- [ROWS]`: in the dev profile polars is not
//! optimised and neither is this crate, but `trainyard-records`, which takes text apart, is; so the ratio
//! flatters us there and is fair only in the release profile. Prints times, peak memory and the ratio,
//! asserts nothing. Ours also checks the contract's rules on every value, notes bad rows with their place,
//! hashes the result and flushes it to disk.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking and tells by printing"
)]

use indexmap::IndexMap;
use polars::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use trainyard_contract::task::{DatasetRef, Limits, OutputDeclaration, TASK_VERSION, TaskInput, TaskSpec};
use trainyard_contract::{ArtifactKind, DataContract, StepIo};

const REPEATS: usize = 3;

fn main() {
    let rows: usize = std::env::args()
        .skip(1)
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("t.csv");
    write_csv(&csv, rows);
    let megabytes = std::fs::metadata(&csv).unwrap().len() / 1_000_000;
    println!("{rows} rows, 10 columns, {megabytes} MB of CSV");
    reset_peak();
    let ours = best(|| ingest(folder.path(), "t.csv"));
    println!(
        "ours                     {:>7.0} ms   peak {} MB",
        ours.as_secs_f64() * 1000.0,
        peak()
    );
    reset_peak();
    let lazy = best(|| lazy(&csv, &folder.path().join("lazy.parquet")));
    println!(
        "polars scan, write       {:>7.0} ms   peak {} MB",
        lazy.as_secs_f64() * 1000.0,
        peak()
    );
    reset_peak();
    let eager = best(|| eager(&csv, &folder.path().join("eager.parquet")));
    println!(
        "polars read, write       {:>7.0} ms   peak {} MB",
        eager.as_secs_f64() * 1000.0,
        peak()
    );
    println!(
        "ratio to the faster of both: {:.2}",
        ours.as_secs_f64() / lazy.min(eager).as_secs_f64()
    );
}

fn best(mut work: impl FnMut()) -> Duration {
    (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap()
}

/// Starts to count the peak of resident memory anew.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Megabytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1000
}

fn write_csv(path: &Path, rows: usize) {
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(file, "id,at,carrier,origin,distance,delay,fare,share,late,note").unwrap();
    let start = jiff::Timestamp::from_second(1_577_836_800).unwrap();
    let mut state = 1u64;
    for id in 0..rows {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let random = state >> 33;
        let at = start + jiff::SignedDuration::from_secs(i64::try_from(id).unwrap());
        writeln!(
            file,
            "{id},{at},{},{},{},{},{}.{:02},{:.6},{},\"note {}\"",
            ["AA", "UA", "DL"][usize::try_from(random % 3).unwrap()],
            ["EWR", "JFK", "LGA"][usize::try_from(random / 3 % 3).unwrap()],
            random % 5000,
            i64::try_from(random % 300).unwrap() - 60,
            random % 900,
            random % 100,
            f64::from(u32::try_from(random % 1_000_000).unwrap()) / 1e6,
            random.is_multiple_of(2),
            random % 1000,
        )
        .unwrap();
    }
}

fn contract() -> DataContract {
    serde_json::from_value(json!({
        "version": 1, "name": "t", "columns": {
            "id": {"type": "int64", "nullable": false},
            "at": {"type": "timestamp[us, UTC]", "nullable": false},
            "carrier": {"type": "string"}, "origin": {"type": "string"},
            "distance": {"type": "int16", "min": 0}, "delay": {"type": "int16"},
            "fare": {"type": "float64"}, "share": {"type": "float64", "min": 0, "max": 1},
            "late": {"type": "boolean"}, "note": {"type": "string"},
        }
    }))
    .unwrap()
}

fn schema() -> SchemaRef {
    let text = DataType::String;
    SchemaRef::new(Schema::from_iter([
        Field::new("id".into(), DataType::Int64),
        Field::new("at".into(), text.clone()),
        Field::new("carrier".into(), text.clone()),
        Field::new("origin".into(), text.clone()),
        Field::new("distance".into(), DataType::Int16),
        Field::new("delay".into(), DataType::Int16),
        Field::new("fare".into(), DataType::Float64),
        Field::new("share".into(), DataType::Float64),
        Field::new("late".into(), DataType::Boolean),
        Field::new("note".into(), text),
    ]))
}

/// polars reads times from text in a second step.
fn with_time(frame: LazyFrame) -> LazyFrame {
    let options = StrptimeOptions {
        format: Some("%Y-%m-%dT%H:%M:%SZ".into()),
        ..StrptimeOptions::default()
    };
    frame.with_column(col("at").str().to_datetime(
        Some(TimeUnit::Microseconds),
        Some(TimeZone::UTC),
        options,
        lit("raise"),
    ))
}

fn lazy(csv: &Path, target: &Path) {
    let frame = LazyCsvReader::new(PlRefPath::new(csv.to_string_lossy()))
        .with_schema(Some(schema()))
        .finish()
        .unwrap();
    let mut frame = with_time(frame).collect().unwrap();
    ParquetWriter::new(std::fs::File::create(target).unwrap())
        .with_compression(ParquetCompression::Snappy)
        .finish(&mut frame)
        .unwrap();
}

fn eager(csv: &Path, target: &Path) {
    let frame = CsvReadOptions::default()
        .with_schema(Some(schema()))
        .try_into_reader_with_file_path(Some(csv.to_owned()))
        .unwrap()
        .finish()
        .unwrap();
    let mut frame = with_time(frame.lazy()).collect().unwrap();
    ParquetWriter::new(std::fs::File::create(target).unwrap())
        .with_compression(ParquetCompression::Snappy)
        .finish(&mut frame)
        .unwrap();
}

fn ingest(folder: &Path, location: &str) {
    let input = TaskInput::Dataset(DatasetRef {
        name: "t".to_owned(),
        location: location.to_owned(),
        folder: None,
        format: None,
        options: serde_json::Value::Null,
        contract: Some("t".to_owned()),
        content: None,
    });
    let output = OutputDeclaration {
        kind: ArtifactKind::Table,
        contract: None,
        input_schema: None,
        output_schema: None,
        path: None,
    };
    let scratch = folder.join("scratch");
    std::fs::create_dir_all(&scratch).unwrap();
    let spec = TaskSpec {
        version: TASK_VERSION,
        run: "bench".to_owned(),
        pipeline: "bench".to_owned(),
        instance: "ingest".to_owned(),
        step: "ingest".to_owned(),
        attempt: 1,
        epoch: 1,
        uses: "ingest.files@v1".to_owned(),
        with: json!({}),
        inputs: IndexMap::from([("t".to_owned(), input)]),
        outputs: IndexMap::from([("t".to_owned(), output)]),
        contracts: BTreeMap::from([("t".to_owned(), contract())]),
        matrix: serde_json::Map::new(),
        process: None,
        secrets: BTreeMap::new(),
        previous: IndexMap::new(),
        feature_views: Default::default(),
        features: Default::default(),
        limits: Limits::default(),
        project: folder.to_owned(),
        data: None,
        objects: folder.join("objects"),
        scratch,
        log: folder.join("log"),
        traceparent: None,
    };
    let catalogue = trainyard_steps::catalogue();
    let step = catalogue.get("ingest.files@v1").unwrap();
    let mut io = StepIo::new(spec, Box::new(|_| {}));
    step.run(&mut io).unwrap();
}
