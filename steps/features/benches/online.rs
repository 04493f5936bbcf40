//! The embedded online store: how fast a view is materialised, again and in part, and how fast rows are found, beside one
//! file of as many bytes that is written and flushed.
//!
//! `cargo bench -p trainyard-features --bench online -- [ROWS]`; asserts no time.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking and tells by printing"
)]

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};
use trainyard_contract::{DataType, Timestamp};
use trainyard_features::online::{
    Column, Embedded, Feed, Field, KeyBytes, Layout, OnlineStore, RowBatch, Value, Values, ViewId, Watermark,
    Write, Written, write_json,
};

const FEATURES: usize = 20;
/// Rows of a batch: a file or a group of rows of one.
const BATCH: u64 = 1_000_000;
const LOOKUPS: u64 = 200_000;

fn main() {
    let rows = std::env::args()
        .filter_map(|word| word.parse().ok())
        .next()
        .unwrap_or(2_000_000_u64);
    let folder = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let store = Embedded::open(&folder.path().join("features.online")).unwrap();
    println!(
        "online store in one file, {rows} rows of 1 key and {FEATURES} features (18 float64, an int64, a text)\n"
    );
    let first = measure("materialise, empty", rows, || materialise(&store, 0..rows, 1));
    measure("the same rows again", rows, || materialise(&store, 0..rows, 1));
    measure("all rows, later", rows, || materialise(&store, 0..rows, 2));
    let tenth = rows / 10;
    measure("a tenth of them, later", tenth, || {
        materialise(&store, (0..tenth).map(|n| n * 10), 3)
    });
    let clock = Instant::now();
    let mut file = File::create(folder.path().join("beside")).unwrap();
    let block = vec![7_u8; 1 << 20];
    for _ in 0..first.bytes >> 20 {
        file.write_all(&block).unwrap();
    }
    file.sync_all().unwrap();
    println!(
        "{:<28} {:>6.2} s   {} MB in one file, flushed",
        "beside it",
        clock.elapsed().as_secs_f64(),
        first.bytes >> 20
    );
    lookups(&store, rows);
}

fn measure(name: &str, rows: u64, work: impl FnOnce() -> Written) -> Written {
    let clock = Instant::now();
    let written = work();
    let took = clock.elapsed().as_secs_f64();
    println!(
        "{name:<28} {took:>6.2} s   {:>5.2} M rows/s   {:>4.0} MB/s   {} changed",
        rows as f64 / took / 1e6,
        written.bytes as f64 / took / 1e6,
        written.changed
    );
    written
}

fn layout() -> Layout {
    let field = |place: usize| Field {
        name: format!("f{place}"),
        data_type: match place {
            18 => DataType::Int64,
            19 => DataType::String,
            _ => DataType::Float64,
        },
    };
    Layout::new((0..FEATURES).map(field).collect())
}

/// Keys that do not come in their order.
fn key(number: u64) -> i64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).cast_signed()
}

fn batch(numbers: &[u64], event: i64) -> RowBatch {
    let feature = |place: usize| -> Column {
        match place {
            18 => Values::Signed(numbers.iter().map(|number| *number as i64).collect()).into(),
            19 => Values::Bytes(numbers.iter().map(|number| format!("{number:08}")).collect()).into(),
            _ => Values::Float(
                numbers
                    .iter()
                    .map(|number| *number as f64 + place as f64)
                    .collect(),
            )
            .into(),
        }
    };
    RowBatch {
        keys: vec![Values::Signed(numbers.iter().map(|number| key(*number)).collect()).into()],
        event_times: vec![event; numbers.len()],
        created_times: None,
        features: (0..FEATURES).map(feature).collect(),
    }
}

/// Batches are made before the clock runs: reading is no part of what is measured.
fn materialise(store: &Embedded, numbers: impl Iterator<Item = u64>, event: i64) -> Written {
    let layout = layout();
    let numbers: Vec<u64> = numbers.collect();
    let batches: Vec<RowBatch> = numbers
        .chunks(BATCH as usize)
        .map(|part| batch(part, event))
        .collect();
    let mark = Watermark::default;
    let clock = Instant::now();
    let (written, _) = Feed::through(&layout, batches.into_iter().map(Ok), |rows| {
        let mut writes = [Write {
            view: &view(),
            layout: &layout,
            rows,
            watermark: Some(&mark),
        }];
        store.write(&mut writes, Timestamp(event))
    })
    .unwrap();
    println!(
        "{:<28} {:>6.2} s   without making the batches",
        "",
        clock.elapsed().as_secs_f64()
    );
    written[0]
}

fn view() -> ViewId {
    ViewId::new("wide", 1)
}

fn lookups(store: &Embedded, rows: u64) {
    let layout = layout();
    for at_once in [1, 100] {
        let mut out = Vec::new();
        let mut spans: Vec<Duration> = Vec::with_capacity(LOOKUPS as usize / at_once);
        for start in (0..LOOKUPS).step_by(at_once) {
            let keys: Vec<KeyBytes> = (start..start + at_once as u64)
                .map(|number| {
                    let mut bytes = KeyBytes::default();
                    let number = key(number.wrapping_mul(7_919_317) % rows);
                    bytes.push(Some(&Value::Signed(number))).unwrap();
                    bytes
                })
                .collect();
            out.clear();
            let clock = Instant::now();
            store
                .get(&view(), layout.fields(), &keys, &mut |_, found| {
                    let (row, projection) = found.unwrap();
                    for (place, field) in projection.places().iter().zip(layout.fields()) {
                        let value = place.and_then(|place| row.value(projection.layout(), place));
                        write_json(&mut out, &field.data_type, value.as_ref(), false);
                    }
                })
                .unwrap();
            spans.push(clock.elapsed());
        }
        spans.sort_unstable();
        let at = |share: f64| spans[(spans.len() as f64 * share) as usize].as_secs_f64() * 1e6;
        println!(
            "{at_once:>3} keys x {FEATURES} features as JSON      p50 {:>7.1} us   p99 {:>7.1} us",
            at(0.5),
            at(0.99)
        );
    }
}
