use super::*;
use crate::testbed::rows;
use indexmap::IndexMap;
use polars::prelude::*;
use trainyard_contract::feature::{Feature, FeatureSource, FeatureView, Key, SnapshotDraft, StoredView};
use trainyard_contract::{DataType, Objects, Timestamp};
use trainyard_features::offline::{ChangeKind, Period, PushLog, PushedRow, Snapshot, TimeRange, draft};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

pub(crate) fn weather(version: u32, features: &[(&str, DataType)]) -> FeatureView {
    let feature = |data_type: &DataType| Feature {
        data_type: data_type.clone(),
        description: None,
        unit: None,
        known_at: None,
        classification: None,
    };
    FeatureView {
        name: "weather".into(),
        version,
        entities: vec!["origin".into()],
        keys: vec![Key {
            name: "origin".into(),
            data_type: DataType::String,
        }],
        features: features
            .iter()
            .map(|(name, of)| ((*name).to_owned(), feature(of)))
            .collect(),
        event_time: "at".into(),
        created_time: Some("loaded".into()),
        ttl: None,
        online: false,
        source: FeatureSource::Push,
        columns: IndexMap::new(),
        freshness: None,
        description: None,
        owner: None,
        tags: Vec::new(),
    }
}

fn plain() -> FeatureView {
    weather(1, &[("temp", DataType::Float64)])
}

/// Origin, event time, created time, temp.
type Weather<'a> = (&'a str, i64, i64, Option<f64>);

fn frame(of: &[Weather<'_>]) -> DataFrame {
    let times = |at: fn(&Weather<'_>) -> i64| of.iter().map(at).collect::<Vec<i64>>();
    df![
        "origin" => of.iter().map(|row| row.0).collect::<Vec<_>>(),
        "at" => times(|row| row.1),
        "loaded" => times(|row| row.2),
        "temp" => of.iter().map(|row| row.3).collect::<Vec<_>>(),
    ]
    .unwrap()
}

/// A home with the history of one view.
struct Home {
    folder: tempfile::TempDir,
    view: FeatureView,
    history: Vec<SnapshotDraft>,
}

impl Home {
    fn new(view: FeatureView) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            view,
            history: Vec::new(),
        }
    }

    fn objects(&self) -> Objects {
        Objects::new(self.folder.path().join("objects"))
    }

    fn log(&self) -> PushLog {
        PushLog::new(self.folder.path().join("pushed"))
    }

    fn stored(&self) -> StoredView {
        StoredView {
            view: self.view.clone(),
            snapshot: self.history.last().map(|draft| draft.snapshot.clone()),
            pushes: self.log().folder().to_owned(),
            pushed: self.log().end().unwrap(),
            as_of: None,
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::load(
            &self.objects(),
            &self.history.last().unwrap().snapshot.manifest.hash,
        )
        .unwrap()
    }

    /// Writes rows `most` to a file, and records what comes of it.
    fn write(&mut self, frames: Vec<DataFrame>, kind: ChangeKind, most: usize) -> u64 {
        let (objects, stored) = (self.objects(), self.stored());
        let layout = Layout::of(&self.view);
        let base = match &stored.snapshot {
            Some(snapshot) => Snapshot::load(&objects, &snapshot.manifest.hash).unwrap(),
            None => layout.nothing(),
        };
        let scratch = self.folder.path().join(format!("scratch-{}", self.history.len()));
        let mut writer = ViewWriter::new(&objects, &layout, &base, &scratch)
            .unwrap()
            .rows_a_file(most);
        for frame in frames {
            writer.push(layout.rows_of_source(&frame).unwrap()).unwrap();
        }
        let written = writer.finish(kind).unwrap();
        let doubled = written.doubled;
        let changed = base.after(written.change);
        self.history.push(
            draft(
                &objects,
                &self.view,
                kind,
                &base,
                stored.snapshot.as_ref(),
                changed,
            )
            .unwrap(),
        );
        doubled
    }

    fn append(&mut self, rows: &[(&str, i64, i64, Option<f64>)]) -> u64 {
        self.write(vec![frame(rows)], ChangeKind::Append, 1 << 20)
    }

    fn replace(&mut self, rows: &[(&str, i64, i64, Option<f64>)]) -> u64 {
        self.write(vec![frame(rows)], ChangeKind::Replace, 1 << 20)
    }

    fn compact(&mut self) -> Compacted {
        let scratch = self.folder.path().join(format!("compact-{}", self.history.len()));
        let compacted = compact_view(&self.objects(), &self.stored(), &scratch).unwrap();
        self.history.extend(compacted.draft.clone());
        compacted
    }

    fn push(&self, at: i64, received: i64, temp: f64) {
        let values =
            serde_json::json!({"origin": "EWR", "at": shown(at), "loaded": shown(received), "temp": temp});
        let row = PushedRow {
            received: Timestamp(received),
            values: values.as_object().unwrap().clone(),
        };
        self.log().append(&[row]).unwrap();
    }

    fn read(&self, stored: &StoredView, selection: &Selection) -> Vec<String> {
        let reader = ViewReader::open(&self.objects(), stored).unwrap();
        let scratch = self.folder.path().join("read");
        let batches: Vec<DataFrame> = reader
            .batches(selection, &scratch)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let found: Vec<String> = batches.iter().flat_map(rows).collect();
        let planned = reader.plan(selection, &scratch).unwrap().collect().unwrap();
        assert_eq!(rows(&planned), found, "both ways of reading agree");
        found
    }

    /// Temperatures of all rows, in the order in which they are read.
    fn temps(&self, stored: &StoredView, selection: Selection) -> Vec<String> {
        let columns = vec!["temp".to_owned()];
        self.read(stored, &Selection { columns, ..selection })
    }

    fn all(&self) -> Vec<String> {
        self.temps(&self.stored(), Selection::default())
    }
}

fn shown(at: i64) -> String {
    jiff::Timestamp::from_microsecond(at).unwrap().to_string()
}

fn files(snapshot: &Snapshot) -> Vec<(String, usize)> {
    let partitions = snapshot.partitions.iter();
    partitions
        .map(|partition| (partition.period.to_string(), partition.files.len()))
        .collect()
}

#[test]
fn rows_go_to_the_months_of_their_times_sorted_by_keys_and_times() {
    let mut home = Home::new(plain());
    home.replace(&[
        ("LGA", 40 * DAY, 0, Some(4.0)),
        ("LGA", HOUR, 0, Some(3.0)),
        ("EWR", 2 * HOUR, 5, Some(2.0)),
        ("EWR", 2 * HOUR, 4, None),
    ]);
    assert_eq!(
        files(&home.snapshot()),
        [("1970-01".into(), 1), ("1970-02".into(), 1)]
    );
    assert_eq!(
        home.read(&home.stored(), &Selection::default()),
        [
            "EWR|1970-01-01 02:00:00 UTC|1970-01-01 00:00:00.000004 UTC|-",
            "EWR|1970-01-01 02:00:00 UTC|1970-01-01 00:00:00.000005 UTC|2",
            "LGA|1970-01-01 01:00:00 UTC|1970-01-01 00:00:00 UTC|3",
            "LGA|1970-02-10 00:00:00 UTC|1970-01-01 00:00:00 UTC|4",
        ]
    );
    let draft = &home.history[0];
    assert_eq!((draft.snapshot.manifest.rows, draft.added), (Some(4), 4));
    let temp = &home.snapshot().statistics()["temp"];
    assert_eq!(
        (temp.nulls, temp.distinct, temp.min.clone(), temp.mean),
        (1, 3, Some(2.0.into()), Some(3.0))
    );
}

#[test]
fn the_same_rows_give_the_same_snapshot_however_they_come() {
    let day = |nth: i64| -> Vec<(&str, i64, i64, Option<f64>)> {
        (0..50)
            .map(|at| {
                (
                    ["EWR", "LGA"][at as usize % 2],
                    nth * DAY + at * HOUR / 4,
                    at,
                    Some(at as f64),
                )
            })
            .collect()
    };
    let all: Vec<_> = (0..70).flat_map(day).collect();
    let mut home = Home::new(plain());
    home.write(vec![frame(&all)], ChangeKind::Replace, 1 << 20);
    let pieces = all.chunks(7).map(frame).collect();
    home.write(pieces, ChangeKind::Replace, 1 << 20);
    assert_eq!(home.history[1].snapshot, home.history[0].snapshot);
    assert_eq!(home.history[1].added, 0);
    // Laid aside on the way, with the same files in the end.
    let (mut other, pieces) = (Home::new(plain()), all.chunks(7).map(frame).collect());
    other.write(pieces, ChangeKind::Replace, 2000);
    assert_eq!(other.history[0].snapshot, home.history[0].snapshot);
}

#[test]
fn too_many_rows_for_a_month_lie_by_day_and_too_many_for_a_day_by_their_keys() {
    let mut home = Home::new(plain());
    let keys = ["EWR", "JFK", "LGA", "BOS", "ORD"];
    let rows: Vec<_> = (0..300i64)
        .map(|at| (keys[at as usize % 5], at / 100 * DAY + at, 0, Some(at as f64)))
        .collect();
    home.write(vec![frame(&rows)], ChangeKind::Replace, 120);
    assert_eq!(
        files(&home.snapshot()),
        ["1970-01-01", "1970-01-02", "1970-01-03"].map(|day| (day.to_owned(), 1))
    );
    assert_eq!(home.all().len(), 300);
    home.write(vec![frame(&rows)], ChangeKind::Replace, 30);
    let snapshot = home.snapshot();
    assert!(
        snapshot
            .partitions
            .iter()
            .all(|partition| partition.files.len() > 1)
    );
    let mut found: Vec<f64> = home.all().iter().map(|temp| temp.parse().unwrap()).collect();
    found.sort_by(f64::total_cmp);
    assert_eq!(found, (0..300).map(f64::from).collect::<Vec<_>>());
    // What comes to a month that is kept by days goes to its day.
    home.append(&[("EWR", DAY + 7, 9, Some(-1.0))]);
    assert!(
        home.snapshot()
            .partitions
            .iter()
            .all(|partition| matches!(partition.period, Period::Day(_)))
    );
}

#[test]
fn late_rows_go_where_their_time_says_and_rows_that_are_there_stay_once() {
    let mut home = Home::new(plain());
    home.append(&[("EWR", 0, 0, Some(1.0)), ("EWR", 40 * DAY, 0, Some(2.0))]);
    let doubled = home.append(&[
        ("EWR", 0, 0, Some(1.0)),
        ("EWR", HOUR, 9, Some(3.0)),
        ("EWR", HOUR, 9, Some(3.0)),
        // Equal but for its value, and so another row.
        ("EWR", 40 * DAY, 0, Some(2.5)),
    ]);
    assert_eq!(doubled, 2);
    assert_eq!(
        files(&home.snapshot()),
        [("1970-01".into(), 2), ("1970-02".into(), 2)]
    );
    assert_eq!(home.all(), ["1", "3", "2", "2.5"]);
    assert_eq!(home.history[1].added, 2);
    home.append(&[("EWR", HOUR, 9, Some(3.0))]);
    assert_eq!(home.history[2].snapshot, home.history[1].snapshot, "nothing new");
}

#[test]
fn earlier_snapshots_stay_as_they_were() {
    let mut home = Home::new(plain());
    home.append(&[("EWR", 0, 0, Some(1.0))]);
    let then = home.stored();
    home.append(&[("EWR", HOUR, 0, Some(2.0))]);
    home.replace(&[("EWR", HOUR, 0, Some(9.0))]);
    home.compact();
    assert_eq!(home.temps(&then, Selection::default()), ["1"]);
    assert_eq!(home.all(), ["9"]);
}

#[test]
fn a_range_of_time_and_what_was_read_before_are_left_out() {
    let mut home = Home::new(plain());
    home.append(&[("EWR", 0, 0, Some(1.0)), ("LGA", HOUR, 0, Some(2.0))]);
    let reader = ViewReader::open(&home.objects(), &home.stored()).unwrap();
    let read = reader.progress();
    home.append(&[("EWR", 2 * HOUR, 0, Some(3.0))]);
    home.push(3 * HOUR, 0, 4.0);
    let selection = |range, after| Selection {
        range,
        after,
        ..Selection::default()
    };
    let range = TimeRange {
        from: Some(Timestamp(HOUR)),
        before: Some(Timestamp(3 * HOUR)),
    };
    assert_eq!(home.temps(&home.stored(), selection(range, None)), ["2", "3"]);
    let after = |home: &Home| home.temps(&home.stored(), selection(TimeRange::default(), Some(read)));
    assert_eq!(after(&home), ["3", "4"]);
    let now = ViewReader::open(&home.objects(), &home.stored())
        .unwrap()
        .progress();
    home.compact();
    let again = home.temps(&home.stored(), selection(TimeRange::default(), Some(now)));
    assert_eq!(again, ["4"], "what was folded in has come with a new snapshot");
}

#[test]
fn a_feature_that_is_new_is_missing_in_rows_of_before() {
    let mut home = Home::new(plain());
    home.append(&[("EWR", 0, 0, Some(1.0))]);
    home.view = weather(1, &[("temp", DataType::Float64), ("wind", DataType::Int32)]);
    let mut more = frame(&[("EWR", HOUR, 0, Some(2.0))]);
    more.with_column(Column::new("wind".into(), [7i64])).unwrap();
    home.write(vec![more], ChangeKind::Append, 1 << 20);
    let columns = vec!["wind".to_owned(), "temp".to_owned()];
    let found = home.read(
        &home.stored(),
        &Selection {
            columns,
            ..Selection::default()
        },
    );
    assert_eq!(found, ["-|1", "7|2"]);
    assert_eq!(home.snapshot().statistics()["wind"].nulls, 1);
    home.compact();
    assert_eq!(home.snapshot().files().count(), 1);
    assert_eq!(home.all(), ["1", "2"]);
}

#[test]
fn compaction_keeps_the_rows_and_their_order_and_takes_in_what_was_pushed() {
    let mut home = Home::new(plain());
    for nth in 0..6i64 {
        // Ties of keys and times: the last that came stays last.
        home.append(&[
            ("EWR", 0, 0, Some(nth as f64)),
            ("LGA", nth * HOUR, 0, Some(10.0)),
        ]);
    }
    home.push(HOUR, 7, 20.0);
    let before = home.all();
    assert_eq!(before.last().unwrap(), "20");
    let compacted = home.compact();
    assert_eq!(
        (compacted.files_before, compacted.folded, compacted.unfit),
        (6, 1, 0)
    );
    let mut sorted = before.clone();
    sorted.sort();
    let mut after = home.all();
    let ties: Vec<String> = after.iter().take(6).cloned().collect();
    assert_eq!(ties, ["0", "1", "2", "3", "4", "5"]);
    after.sort();
    assert_eq!(after, sorted);
    assert!(
        home.compact().draft.is_some(),
        "the folded rows lie in a file of their own"
    );
    assert!(home.compact().draft.is_none(), "nothing is left to do");
    assert_eq!(home.snapshot().files().count(), 1);
}

#[test]
fn what_was_pushed_after_a_time_is_not_seen_as_of_it() {
    let home = Home::new(plain());
    home.push(HOUR, 100, 1.0);
    home.push(HOUR, 200, 2.0);
    let then = StoredView {
        as_of: Some(Timestamp(150)),
        ..home.stored()
    };
    assert_eq!(home.temps(&then, Selection::default()), ["1"]);
    assert_eq!(home.all(), ["1", "2"]);
}

#[test]
fn rows_that_do_not_fit_are_refused_by_name() {
    let layout = Layout::of(&plain());
    let mut missing = frame(&[("EWR", 0, 0, None)]);
    missing.drop_in_place("origin").unwrap();
    let error = layout.rows_of_source(&missing).unwrap_err();
    assert_eq!(
        error.to_string(),
        "feature view `weather` wants a column `origin`"
    );
    let mut wrong = frame(&[("EWR", 0, 0, None)]);
    wrong.with_column(Column::new("temp".into(), ["mild"])).unwrap();
    let error = layout.rows_of_source(&wrong).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("feature view `weather`: `temp` is string and cannot be float64"),
        "{error}"
    );
    let keyless =
        df!["origin" => [None::<&str>], "at" => [0i64], "loaded" => [0i64], "temp" => [1.0]].unwrap();
    let error = layout.rows_of_source(&keyless).unwrap_err();
    assert_eq!(
        error.to_string(),
        "feature view `weather`: `origin` is missing in 1 rows"
    );
}

#[test]
fn dates_and_readings_without_a_zone_are_instants_of_utc() {
    let layout = Layout::of(&plain());
    let dates = df!["origin" => ["EWR"], "at" => [1i32], "loaded" => [5i64], "temp" => [1.0]].unwrap();
    let dates = dates
        .lazy()
        .with_columns([
            col("at").cast(polars::prelude::DataType::Date),
            col("loaded").cast(polars::prelude::DataType::Datetime(TimeUnit::Milliseconds, None)),
        ])
        .collect()
        .unwrap();
    let found = layout.rows_of_source(&dates).unwrap();
    assert_eq!(
        rows(&found),
        ["EWR|1970-01-02 00:00:00 UTC|1970-01-01 00:00:00.005 UTC|1"]
    );
}

#[test]
fn pushes_appends_and_compactions_in_any_order_keep_each_row_once() {
    // A walk through interleavings by a fixed rule; each push and append is a row of its own.
    for seed in 0..40u64 {
        let mut home = Home::new(plain());
        let (mut state, mut expected) = (seed, Vec::new());
        for nth in 0..12i64 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let temp = nth as f64;
            match (state >> 33) % 4 {
                0 => {
                    home.append(&[("EWR", nth * HOUR, 0, Some(temp))]);
                    expected.push(temp);
                }
                1 | 2 => {
                    home.push(nth * 20 * DAY, nth, temp);
                    expected.push(temp);
                }
                _ => {
                    home.compact();
                }
            }
            let mut found: Vec<f64> = home.all().iter().map(|temp| temp.parse().unwrap()).collect();
            found.sort_by(f64::total_cmp);
            assert_eq!(found, expected, "seed {seed} after {nth}");
        }
    }
}

#[test]
fn a_writer_that_is_killed_leaves_the_view_as_it_was() {
    let mut home = Home::new(plain());
    home.append(&[("EWR", 0, 0, Some(1.0))]);
    let before = home.stored();
    // It has written its files, and was ended before the snapshot was recorded.
    home.append(&[("EWR", HOUR, 0, Some(2.0))]);
    let lost = home.history.pop().unwrap();
    assert_eq!(home.stored().snapshot, before.snapshot);
    assert_eq!(home.all(), ["1"]);
    // The next one does it again, and it is the same.
    home.append(&[("EWR", HOUR, 0, Some(2.0))]);
    assert_eq!(home.history.last(), Some(&lost));
}
