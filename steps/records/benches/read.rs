//! Text to typed columns, without polars: a CSV of ten columns, as `steps/benches/ingest.rs` writes it.
//!
//! `cargo bench -p trainyard-records -- [ROWS | FILE]`; prints the best of five, asserts nothing. With a file name
//! that file is read, so that other readers can be timed on the same bytes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking and tells by printing"
)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use trainyard_contract::ReaderOptions;
use trainyard_records::{Column, Conventions, Delimited, Kind, Moment, Per, Source};

fn main() {
    let argument = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let rows: usize = argument
        .as_deref()
        .and_then(|arg| arg.parse().ok())
        .unwrap_or(1_000_000);
    let path = match argument.filter(|arg| arg.parse::<usize>().is_err()) {
        Some(file) => PathBuf::from(file),
        None => std::env::temp_dir().join(format!("trainyard-records-{}.csv", std::process::id())),
    };
    let is_own = !path.exists();
    if is_own {
        write(&path, rows);
    }
    let mut best = f64::INFINITY;
    let mut count = 0;
    for _ in 0..5 {
        let start = Instant::now();
        count = read(&path);
        best = best.min(start.elapsed().as_secs_f64());
    }
    let megabytes = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
    println!(
        "{count} rows, {megabytes:.0} MB: {:.0} ms, {:.0} MB/s",
        best * 1000.0,
        megabytes / best
    );
    if is_own && std::env::var_os("KEEP").is_none() {
        std::fs::remove_file(path).unwrap();
    }
}

fn write(path: &Path, rows: usize) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    writeln!(file, "id,at,carrier,origin,distance,delay,fare,share,late,note").unwrap();
    let mut state = 1u64;
    for id in 0..rows {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let random = state >> 33;
        let (day, second) = (id / 86_400 % 28 + 1, id % 86_400);
        writeln!(
            file,
            "{id},2020-01-{day:02}T{:02}:{:02}:{:02}Z,AA,EWR,{},{},{}.{:02},0.{:06},{},\"note {}\"",
            second / 3600,
            second / 60 % 60,
            second % 60,
            random % 5000,
            random % 300,
            random % 900,
            random % 100,
            random % 1_000_000,
            random.is_multiple_of(2),
            random % 1000,
        )
        .unwrap();
    }
}

fn read(path: &Path) -> usize {
    let small = Kind::Integer {
        least: i16::MIN.into(),
        greatest: i16::MAX.into(),
    };
    let moment = Moment {
        per_second: Per::Micro,
        zone: Some(jiff::tz::TimeZone::UTC),
    };
    let kinds = [
        Kind::Integer {
            least: i64::MIN,
            greatest: i64::MAX,
        },
        Kind::Timestamp(moment),
        Kind::Text,
        Kind::Text,
        small.clone(),
        small,
        Kind::Float,
        Kind::Float,
        Kind::Boolean,
        Kind::Text,
    ];
    let options = ReaderOptions::default();
    let conventions = Conventions::new(&options).unwrap();
    let mut file = Delimited::open(Source::new(File::open(path).unwrap(), None).unwrap(), &options).unwrap();
    let wanted: Vec<(usize, Column)> = kinds
        .into_iter()
        .enumerate()
        .map(|(at, kind)| {
            (
                at,
                Column {
                    name: file.header()[at].clone(),
                    kind,
                    formats: Vec::new(),
                },
            )
        })
        .collect();
    let mut rows = 0;
    while let Some(batches) = file.next(&wanted, &conventions).unwrap() {
        for batch in batches {
            assert!(batch.faults.is_empty() && batch.torn.is_empty());
            rows += batch.rows.len();
        }
    }
    rows
}
