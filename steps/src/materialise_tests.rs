//! Views in, rows online: what is read, what counts, what is left out.

use super::FeaturesMaterialise;
use crate::testbed::{Bed, Ended};
use polars::prelude::{Column, DataFrame, DataType, NamedFrom, ParquetWriter, Series, TimeUnit};
use serde_json::{Value, json};
use trainyard_contract::feature::{FeatureDefinitions, FeatureView, PushPosition, SnapshotRef, StoredView};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{ArtifactKind, ArtifactRef, Objects, Schema, StepError, Timestamp};
use trainyard_features::offline::{DataFile, Partition, Period, PushLog, PushedRow, Range, Snapshot};
use trainyard_features::online::{Embedded, KeyBytes, Layout, OnlineStore, ViewId, write_json};

const OUTPUTS: [(&str, ArtifactKind); 1] = [("counts", ArtifactKind::Metrics)];
/// Hours of times in these tests are since 1970.
const HOUR: i64 = 3_600_000_000;

fn definitions() -> FeatureDefinitions {
    serde_json::from_value(json!({
        "views": {
            "weather": {
                "name": "weather", "version": 1, "entities": ["origin"],
                "keys": [{"name": "origin", "type": "string"}],
                "features": {
                    "temp": {"type": "float64"}, "gusts": {"type": "list[int64]"}, "day": {"type": "date"},
                },
                "event_time": "seen", "created_time": "loaded", "online": true, "source": "push",
                "columns": {"origin": "airport"},
            },
            "fleet": {
                "name": "fleet", "version": 1, "entities": [], "keys": [], "features": {"planes": {"type": "int64"}},
                "event_time": "at", "source": "push",
            },
        },
    }))
    .unwrap()
}

fn view() -> FeatureView {
    definitions().views["weather"].clone()
}

fn times(name: &str, hours: &[Option<i64>]) -> Column {
    let values: Vec<Option<i64>> = hours.iter().map(|hour| hour.map(|hour| hour * HOUR)).collect();
    let zone = polars::prelude::TimeZone::opt_try_new(Some("UTC")).unwrap();
    let data_type = DataType::Datetime(TimeUnit::Microseconds, zone);
    Column::new(name.into(), values).cast(&data_type).unwrap()
}

/// Origin, event time, created time, temperature.
type Weather<'a> = (Option<&'a str>, Option<i64>, i64, Option<f64>);

/// Airport, hour seen, hour loaded, temperature.
fn rows(rows: &[Weather<'_>]) -> DataFrame {
    let gusts: Vec<Series> = rows
        .iter()
        .map(|row| Series::new("".into(), [row.2, row.2 + 1]))
        .collect();
    let columns = vec![
        Column::new("airport".into(), rows.iter().map(|row| row.0).collect::<Vec<_>>()),
        times("seen", &rows.iter().map(|row| row.1).collect::<Vec<_>>()),
        times("loaded", &rows.iter().map(|row| Some(row.2)).collect::<Vec<_>>()),
        Column::new("temp".into(), rows.iter().map(|row| row.3).collect::<Vec<_>>()),
        Column::new("gusts".into(), gusts),
        Column::new(
            "day".into(),
            rows.iter().map(|row| row.2 as i32).collect::<Vec<_>>(),
        )
        .cast(&DataType::Date)
        .unwrap(),
        Column::new("not_wanted".into(), vec!["x"; rows.len()]),
    ];
    DataFrame::new(rows.len(), columns).unwrap()
}

fn bed(of: &[Weather<'_>]) -> Bed {
    let mut bed = Bed::new().table("weather", rows(of));
    bed.features = definitions();
    bed
}

fn run(bed: &Bed, with: Value) -> Result<Ended, StepError> {
    bed.run(&FeaturesMaterialise, with, &OUTPUTS)
}

fn counted(ended: &Ended) -> (f64, f64) {
    (
        ended.report.metrics["weather.read"],
        ended.report.metrics["weather.changed"],
    )
}

/// The same folder, and so the same online store, with other rows.
fn then(bed: Bed, of: &[Weather<'_>]) -> Bed {
    bed.table("weather", rows(of))
}

fn online(bed: &Bed, names: &[&str]) -> Vec<String> {
    let store = Embedded::open(&bed.folder.path().join("features.online")).unwrap();
    let layout = Layout::of(&view());
    let keys: Vec<KeyBytes> = names
        .iter()
        .map(|name| {
            let mut key = KeyBytes::default();
            key.push(Some(&trainyard_features::online::Value::Bytes(
                name.as_bytes().into(),
            )))
            .unwrap();
            key
        })
        .collect();
    let mut found = vec!["-".to_owned(); names.len()];
    store
        .get(&ViewId::of(&view()), layout.fields(), &keys, &mut |place, row| {
            let Some((row, projection)) = row else { return };
            let mut out = format!("{}h ", row.event_time() / HOUR).into_bytes();
            for (field, place) in layout.fields().iter().zip(projection.places()) {
                let value = place.and_then(|place| row.value(projection.layout(), place));
                write_json(&mut out, &field.data_type, value.as_ref(), false);
                out.push(b' ');
            }
            found[place] = String::from_utf8(out).unwrap().trim_end().to_owned();
        })
        .unwrap();
    found
}

#[test]
fn the_latest_row_of_each_key_is_online() {
    let bed = bed(&[
        (Some("JFK"), Some(10), 1, Some(1.0)),
        (Some("EWR"), Some(9), 1, None),
        (Some("JFK"), Some(11), 1, Some(2.0)),
        (Some("JFK"), Some(11), 3, Some(3.0)),
        (Some("JFK"), Some(11), 2, Some(4.0)),
    ]);
    let ended = run(&bed, json!({})).unwrap();
    assert_eq!(counted(&ended), (5.0, 2.0));
    assert_eq!(
        online(&bed, &["JFK", "EWR", "LGA"]),
        [
            "11h 3.0 [3,4] \"1970-01-04\"",
            "9h null [1,2] \"1970-01-02\"",
            "-"
        ]
    );
}

#[test]
fn what_was_read_is_not_read_again_unless_all_is_asked_for() {
    let first = [
        (Some("JFK"), Some(10), 1, Some(1.0)),
        (Some("EWR"), Some(9), 1, None),
    ];
    let bed = bed(&first);
    run(&bed, json!({})).unwrap();
    let again = run(&bed, json!({})).unwrap();
    assert_eq!(counted(&again), (0.0, 0.0));
    assert!(
        again.log.iter().any(|line| line.contains("nothing new")),
        "{:?}",
        again.log
    );
    let full = run(&bed, json!({"mode": "full"})).unwrap();
    assert_eq!(counted(&full).0, 2.0);
    let bed = then(bed, &[first[0], first[1], (Some("LGA"), Some(11), 1, Some(7.0))]);
    run(&bed, json!({})).unwrap();
    assert_eq!(
        online(&bed, &["JFK", "EWR", "LGA"])
            .iter()
            .map(|row| &row[..3])
            .collect::<Vec<_>>(),
        ["10h", "9h ", "11h"]
    );
}

#[test]
fn rows_of_the_future_are_left_for_the_next_time() {
    let bed = bed(&[
        (Some("JFK"), Some(10), 1, Some(1.0)),
        (Some("JFK"), Some(12), 1, Some(2.0)),
    ]);
    let early = run(&bed, json!({"until": "1970-01-01T11:00:00Z"})).unwrap();
    assert_eq!(counted(&early), (2.0, 1.0));
    assert_eq!(online(&bed, &["JFK"])[0][..7], *"10h 1.0");
    run(&bed, json!({"until": "1970-01-01T11:30:00Z"})).unwrap();
    assert_eq!(online(&bed, &["JFK"])[0][..7], *"10h 1.0");
    let late = run(&bed, json!({"until": "1970-01-01T12:00:00Z"})).unwrap();
    assert_eq!(counted(&late).1, 1.0);
    assert_eq!(online(&bed, &["JFK"])[0][..7], *"12h 2.0");
    assert_eq!(
        counted(&run(&bed, json!({"until": "1970-01-01T13:00:00Z"})).unwrap()),
        (0.0, 0.0)
    );
}

#[test]
fn rows_without_key_or_time_are_counted_and_left_out() {
    let bed = bed(&[
        (None, Some(10), 1, Some(1.0)),
        (Some("JFK"), None, 1, Some(2.0)),
        (Some("EWR"), Some(10), 1, Some(3.0)),
    ]);
    let ended = run(&bed, json!({})).unwrap();
    assert_eq!(counted(&ended), (3.0, 1.0));
    assert!(
        ended
            .log
            .iter()
            .any(|line| line.contains("2 have no key or no time")),
        "{:?}",
        ended.log
    );
    assert_eq!(online(&bed, &["JFK"]), ["-"]);
}

#[test]
fn old_rows_go_if_that_is_asked_for() {
    let bed = bed(&[(Some("JFK"), Some(10), 1, Some(1.0))]);
    run(&bed, json!({"expire": "24h"})).unwrap();
    assert_eq!(online(&bed, &["JFK"]), ["-"]);
}

#[test]
fn values_that_are_not_of_the_views_type_fail_the_step_and_leave_the_store_as_it_was() {
    let bed = bed(&[(Some("JFK"), Some(10), 1, Some(1.0))]);
    run(&bed, json!({})).unwrap();
    let mut wrong = rows(&[(Some("JFK"), Some(11), 1, None)]);
    wrong.with_column(Column::new("temp".into(), ["warm"])).unwrap();
    let bed = bed.table("weather", wrong);
    let error = run(&bed, json!({})).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("do not fit the feature view `weather`"),
        "{error}"
    );
    assert_eq!(online(&bed, &["JFK"])[0][..7], *"10h 1.0");
    let store = Embedded::open(&bed.folder.path().join("features.online")).unwrap();
    assert!(store.watermark(&ViewId::of(&view())).unwrap().unwrap().until > Timestamp(0));
}

#[test]
fn wrong_inputs_and_parameters_are_found_before_the_run() {
    let of = |name: &str, with: Value| -> Vec<String> {
        let mut bed = Bed::new().table(name, rows(&[]));
        bed.features = definitions();
        let answer = bed.infer(&FeaturesMaterialise, with, &OUTPUTS);
        answer
            .findings
            .iter()
            .map(|finding| format!("{} {}: {}", finding.code, finding.path, finding.message))
            .collect()
    };
    assert_eq!(
        of(
            "weather",
            json!({"until": "2026-01-31T06:00:00Z", "expire": "7d"})
        ),
        [""; 0]
    );
    assert_eq!(
        of("wether", json!({})),
        ["D01 inputs.wether: there is no feature view `wether`"]
    );
    assert_eq!(
        of("fleet", json!({})),
        ["D01 inputs.fleet: the feature view `fleet` is not kept for online lookup"]
    );
    assert_eq!(of("weather", json!({"until": "noon", "expire": "week"})).len(), 2);
    assert_eq!(of("weather", json!({"mode": "some"})).len(), 1);
}

/// The offline store's side: files of snapshots, and the log of pushed rows.
struct Offline {
    bed: Bed,
    stored: StoredView,
    snapshot: Snapshot,
}

impl Offline {
    fn new() -> Self {
        let mut bed = Bed::new();
        bed.features = definitions();
        let stored = StoredView {
            view: view(),
            snapshot: None,
            pushes: bed.folder.path().join("pushed"),
            pushed: PushPosition::default(),
            as_of: None,
        };
        let keys = vec!["origin".to_owned()];
        let snapshot = Snapshot::empty("weather", 1, keys, "seen", Some("loaded"), Schema::default());
        Self {
            bed,
            stored,
            snapshot,
        }
    }

    fn objects(&self) -> Objects {
        Objects::new(self.bed.folder.path().join("objects"))
    }

    /// The next snapshot, with another file.
    fn add(&mut self, of: &[Weather<'_>]) {
        let mut frame = rows(of);
        frame.rename("airport", "origin".into()).unwrap();
        let objects = self.objects();
        let path = objects.staging_path().unwrap();
        ParquetWriter::new(std::fs::File::create(&path).unwrap())
            .finish(&mut frame)
            .unwrap();
        let (hash, size) = objects.adopt(&path).unwrap();
        let times = || {
            of.iter()
                .filter_map(|row| row.1)
                .map(|hour| Timestamp(hour * HOUR))
        };
        self.snapshot.sequence += 1;
        self.snapshot.partitions.push(Partition {
            period: Period::month_of(Timestamp(0)),
            files: vec![DataFile {
                hash,
                size,
                rows: of.len() as u64,
                sequence: self.snapshot.sequence,
                event_time: Range {
                    from: times().min().unwrap(),
                    to: times().max().unwrap(),
                },
                created_time: None,
                statistics: Default::default(),
            }],
        });
        let hash = objects.put(&self.snapshot.to_bytes().unwrap()).unwrap();
        self.stored.snapshot = Some(SnapshotRef {
            sequence: self.snapshot.sequence,
            manifest: ArtifactRef {
                kind: ArtifactKind::Table,
                hash,
                size: 0,
                media_type: String::new(),
                rows: None,
                schema: None,
                summary: Value::Null,
            },
        });
    }

    fn push(&mut self, origin: &str, hour: i64, temp: f64) {
        let at = jiff::Timestamp::from_microsecond(hour * HOUR)
            .unwrap()
            .to_string();
        let values =
            json!({"origin": origin, "seen": at, "loaded": at, "temp": temp, "gusts": [1], "day": null});
        let log = PushLog::new(&self.stored.pushes);
        log.append(&[PushedRow {
            received: Timestamp(hour * HOUR),
            values: values.as_object().unwrap().clone(),
        }])
        .unwrap();
        self.stored.pushed = log.end().unwrap();
    }

    fn run(&mut self, with: Value) -> (f64, f64) {
        let input = TaskInput::Features(Box::new(self.stored.clone()));
        self.bed.inputs.insert("weather".to_owned(), input);
        counted(&run(&self.bed, with).unwrap())
    }

    fn online(&self, names: &[&str]) -> Vec<String> {
        online(&self.bed, names)
            .iter()
            .map(|row| row.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect()
    }
}

#[test]
fn only_files_and_pushed_rows_past_the_watermark_are_read() {
    let mut offline = Offline::new();
    offline.add(&[
        (Some("JFK"), Some(10), 1, Some(1.0)),
        (Some("EWR"), Some(9), 1, Some(2.0)),
    ]);
    assert_eq!(offline.run(json!({})), (2.0, 2.0));
    assert_eq!(offline.run(json!({})), (0.0, 0.0));
    offline.add(&[
        (Some("JFK"), Some(8), 1, Some(3.0)),
        (Some("LGA"), Some(8), 1, Some(4.0)),
    ]);
    assert_eq!(
        offline.run(json!({})),
        (2.0, 1.0),
        "a late row is read and does not count"
    );
    offline.push("JFK", 11, 5.0);
    assert_eq!(offline.run(json!({})), (1.0, 1.0));
    offline.push("EWR", 12, 6.0);
    offline.push("EWR", 11, 7.0);
    assert_eq!(offline.run(json!({})), (2.0, 1.0));
    assert_eq!(
        offline.online(&["JFK", "EWR", "LGA"]),
        ["11h 5.0", "12h 6.0", "8h 4.0"]
    );
    assert_eq!(offline.run(json!({"mode": "full"})).0, 7.0);
    assert_eq!(
        offline.online(&["JFK", "EWR", "LGA"]),
        ["11h 5.0", "12h 6.0", "8h 4.0"]
    );
}

#[test]
fn a_lost_online_store_is_made_anew_from_what_is_offline() {
    let mut offline = Offline::new();
    offline.add(&[(Some("JFK"), Some(10), 1, Some(1.0))]);
    offline.push("LGA", 11, 5.0);
    offline.run(json!({}));
    for file in ["features.online", "features.online-lock"] {
        std::fs::remove_file(offline.bed.folder.path().join(file)).unwrap();
    }
    assert_eq!(offline.run(json!({})), (2.0, 2.0));
    assert_eq!(offline.online(&["JFK", "LGA"]), ["10h 1.0", "11h 5.0"]);
}

#[test]
fn rows_of_the_future_in_files_that_were_read_come_later() {
    let mut offline = Offline::new();
    offline.add(&[
        (Some("JFK"), Some(10), 1, Some(1.0)),
        (Some("JFK"), Some(14), 1, Some(2.0)),
    ]);
    offline.push("LGA", 15, 3.0);
    let until =
        |hour: i64| json!({"until": jiff::Timestamp::from_microsecond(hour * HOUR).unwrap().to_string()});
    assert_eq!(offline.run(until(12)), (3.0, 1.0));
    assert_eq!(offline.online(&["JFK", "LGA"]), ["10h 1.0", "-"]);
    assert_eq!(offline.run(until(14)).1, 1.0);
    assert_eq!(offline.online(&["JFK", "LGA"]), ["14h 2.0", "-"]);
    offline.run(until(15));
    assert_eq!(offline.online(&["JFK", "LGA"]), ["14h 2.0", "15h 3.0"]);
    assert_eq!(offline.run(until(16)), (0.0, 0.0));
}

#[test]
fn a_span_of_time_may_be_read_alone_and_the_next_run_begins_where_it_would_have() {
    let mut offline = Offline::new();
    offline.add(&[
        (Some("JFK"), Some(10), 1, Some(1.0)),
        (Some("LGA"), Some(12), 1, Some(2.0)),
    ]);
    let span = json!({"mode": "full", "since": "1970-01-01T11:00:00Z"});
    assert_eq!(offline.run(span).1, 1.0);
    assert_eq!(offline.online(&["JFK", "LGA"]), ["-", "12h 2.0"]);
    assert_eq!(offline.run(json!({})).0, 2.0);
    assert_eq!(offline.online(&["JFK", "LGA"]), ["10h 1.0", "12h 2.0"]);
}
