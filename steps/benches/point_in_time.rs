//! Historical features beside bare polars `join_asof` in the same process: 1 M entity rows with three views of 1 M, 3 M and
//! 5 M rows, from Parquet files to a Parquet file.
//!
//! `cargo bench -p trainyard-steps --bench point_in_time -- [SHARE]`; prints times and ratios, asserts only that both find as
//! much. Views lie sorted by key and time, as our store keeps them; polars sorts them by time, which its join wants, and
//! in a second measurement is given files that are sorted so. Ours looks at created times as well, which that join cannot.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking and tells by printing"
)]

use polars::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use trainyard_contract::Objects;
use trainyard_contract::feature::FeatureDefinitions;
use trainyard_steps::{HistoricalRequest, RowsOfView, get_historical};

const REPEATS: usize = 3;
const MONTH: u64 = 30 * 86_400_000_000;
const VIEWS: [(&str, &[&str], f64); 3] = [
    ("city", &["city"], 1e6),
    ("driver", &["driver"], 3e6),
    ("pair", &["driver", "city"], 5e6),
];

struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(self.0) * u128::from(bound)) >> 64) as i64
    }
}

fn main() {
    let share = std::env::args().find_map(|argument| argument.parse::<f64>().ok());
    let share = share.unwrap_or(1.0);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make(folder, share);
    let definitions = definitions();
    let ours = best(|| ours(folder, &definitions));
    let sorting = best(|| bare(folder, false));
    let sorted = best(|| bare(folder, true));
    println!("historical features, 1 M entity rows x 3 views of 1 M, 3 M and 5 M rows (times {share})");
    println!("ours                              {:6.0} ms", ms(ours));
    for (name, took) in [
        ("polars, views sorted by key", sorting),
        ("polars, views sorted by time", sorted),
    ] {
        println!(
            "{name:32}  {:6.0} ms   {:.2} of it is ours",
            ms(took),
            ms(ours) / ms(took)
        );
    }
    let found = |name: &str| {
        let frame = ParquetReader::new(std::fs::File::open(folder.join(name)).unwrap())
            .finish()
            .unwrap();
        VIEWS.map(|(view, ..)| frame.height() - frame.column(&format!("{view}_a")).unwrap().null_count())
    };
    assert_eq!(found("ours.parquet"), found("polars.parquet"));
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn best(mut work: impl FnMut()) -> Duration {
    let once = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..REPEATS).map(|_| once(&mut work)).min().unwrap()
}

/// Rows of drivers who work in ten cities each.
fn rows(count: usize, share: f64, seed: u64) -> DataFrame {
    let mut draw = Draw(seed);
    let drivers = (1e5 * share) as u64 + 1;
    let (mut driver, mut city, mut at, mut created) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let number = draw.below(drivers);
        driver.push(number * 1_000_003);
        city.push(format!("city-{:05}", (number * 7 + draw.below(10)) % 1000));
        let time = draw.below(MONTH);
        at.push(time);
        created.push(time + draw.below(3_600_000_000));
    }
    let utc = DataType::Datetime(
        TimeUnit::Microseconds,
        TimeZone::opt_try_new(Some("UTC")).unwrap(),
    );
    let time = |name: &str, values: Vec<i64>| Column::new(name.into(), values).cast(&utc).unwrap();
    DataFrame::new(
        count,
        vec![
            Column::new("driver".into(), driver),
            Column::new("city".into(), city),
            time("at", at),
            time("created", created),
        ],
    )
    .unwrap()
}

fn write(path: &Path, frame: &mut DataFrame) {
    ParquetWriter::new(std::fs::File::create(path).unwrap())
        .with_row_group_size(Some(1 << 17))
        .finish(frame)
        .unwrap();
}

fn make(folder: &Path, share: f64) {
    let mut entities = rows((1e6 * share) as usize, share, 1).drop("created").unwrap();
    write(&folder.join("entities.parquet"), &mut entities);
    for (name, keys, count) in VIEWS {
        let count = (count * share) as usize;
        let mut frame = rows(count, share, 2);
        let mut draw = Draw(3);
        for feature in ["a", "b", "c"] {
            let values: Vec<f64> = (0..count).map(|_| draw.below(1 << 40) as f64).collect();
            let column = Column::new(format!("{name}_{feature}").into(), values);
            frame.with_column(column).unwrap();
        }
        for other in ["driver", "city"] {
            if !keys.contains(&other) {
                frame = frame.drop(other).unwrap();
            }
        }
        let order: Vec<&str> = keys.iter().copied().chain(["at", "created"]).collect();
        let mut by_key = frame.sort(order, SortMultipleOptions::default()).unwrap();
        write(&folder.join(format!("{name}.parquet")), &mut by_key);
        let mut by_time = frame.sort(["at"], SortMultipleOptions::default()).unwrap();
        write(&folder.join(format!("{name}_by_time.parquet")), &mut by_time);
    }
}

fn definitions() -> FeatureDefinitions {
    let views: serde_json::Map<String, serde_json::Value> = VIEWS
        .iter()
        .map(|(name, keys, _)| {
            let types = |key: &str| if key == "driver" { "int64" } else { "string" };
            let keys: Vec<_> = keys
                .iter()
                .map(|key| json!({"name": key, "type": types(key)}))
                .collect();
            let features: serde_json::Map<String, serde_json::Value> = ["a", "b", "c"]
                .map(|feature| (format!("{name}_{feature}"), json!({"type": "float64"})))
                .into_iter()
                .collect();
            let view = json!({
                "name": name, "version": 1, "entities": [], "keys": keys, "features": features,
                "event_time": "at", "created_time": "created", "ttl": 7 * 86_400_000, "source": "push",
            });
            ((*name).to_owned(), view)
        })
        .collect();
    serde_json::from_value(json!({ "views": views })).unwrap()
}

fn ours(folder: &Path, definitions: &FeatureDefinitions) {
    let views: BTreeMap<String, RowsOfView> = VIEWS
        .iter()
        .map(|(name, ..)| {
            let source = RowsOfView::Source {
                location: format!("{name}.parquet"),
                format: None,
            };
            ((*name).to_owned(), source)
        })
        .collect();
    let features: Vec<String> = VIEWS.iter().map(|(name, ..)| format!("{name}:*")).collect();
    get_historical(&HistoricalRequest {
        with: &json!({"features": features, "event_time": "at"}),
        definitions,
        views: &views,
        entities: &folder.join("entities.parquet"),
        output: &folder.join("ours.parquet"),
        project: folder,
        objects: &Objects::new(folder.join("objects")),
        scratch: folder,
    })
    .unwrap();
}

fn bare(folder: &Path, by_time: bool) {
    let scan = |name: String| {
        let path = folder.join(name);
        LazyFrame::scan_parquet(PlRefPath::new(path.to_string_lossy()), ScanArgsParquet::default()).unwrap()
    };
    let by = |name: &str| SortMultipleOptions::default().with_maintain_order(name == "row");
    let mut joined = scan("entities.parquet".to_owned())
        .with_row_index("row", None)
        .sort(["at"], by("at"));
    for (name, keys, _) in VIEWS {
        let columns = keys.iter().copied().chain(["at"]).map(str::to_owned);
        let columns = columns.chain(["a", "b", "c"].map(|feature| format!("{name}_{feature}")));
        let columns: Vec<Expr> = columns.map(|column| col(column.as_str())).collect();
        let view = if by_time {
            scan(format!("{name}_by_time.parquet")).select(columns)
        } else {
            scan(format!("{name}.parquet"))
                .select(columns)
                .sort(["at"], by("at"))
        };
        let keys: Vec<PlSmallStr> = keys.iter().map(|key| (*key).into()).collect();
        let options = AsOfOptions {
            left_by: Some(keys.clone()),
            right_by: Some(keys),
            tolerance_str: Some("7d".into()),
            check_sortedness: false,
            ..AsOfOptions::default()
        };
        joined = joined
            .join_builder()
            .with(view)
            .left_on([col("at")])
            .right_on([col("at")])
            .how(JoinType::AsOf(Box::new(options)))
            .finish();
    }
    let mut frame = joined.sort(["row"], by("row")).collect().unwrap();
    let file = std::fs::File::create(folder.join("polars.parquet")).unwrap();
    ParquetWriter::new(&file)
        .with_compression(ParquetCompression::Snappy)
        .finish(&mut frame)
        .unwrap();
    file.sync_all().unwrap();
}
