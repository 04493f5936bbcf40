//! The same questions to every store.

use crate::rows::{airports, field, key, layout, read, write};
use crate::servers;
use trainyard_contract::{DataType, Timestamp};
use trainyard_features::offline::Progress;
use trainyard_features::online::{
    Embedded, Feed, KeyBytes, Layout, OnlineError, OnlineStore, PostgresOnline, RedisOnline, RowBatch,
    Values, ViewId, Watermark, Write,
};

fn weather() -> ViewId {
    ViewId::new("weather", 1)
}

type Case = (&'static str, fn(&dyn OnlineStore));

const CASES: [Case; 9] = [
    ("rows_are_found_by_key_and_others_are_not", found_by_key),
    ("the_later_event_then_the_later_created_wins", the_later_wins),
    ("written_twice_changes_nothing", twice),
    ("versions_and_views_do_not_meet", versions),
    ("rows_of_an_earlier_layout_are_read_as_they_are", layouts),
    ("the_watermark_comes_with_its_rows", watermarks),
    ("rows_are_deleted_and_expire", removed),
    ("a_source_that_fails_leaves_no_watermark", failed_source),
    ("many_rows_come_back", many),
];

fn all(store: &dyn OnlineStore) {
    for (name, case) in CASES {
        eprintln!("{name}");
        case(store);
        for view in [weather(), ViewId::new("weather", 2), ViewId::new("wind", 1)] {
            store.expire(&view, Timestamp(i64::MAX)).unwrap();
            assert_eq!(store.statistics(&view).unwrap().rows, 0, "{name}");
        }
    }
}

#[test]
fn the_embedded_store_conforms() {
    let folder = tempfile::tempdir().unwrap();
    all(&Embedded::open(&folder.path().join("features.online")).unwrap());
}

#[test]
fn redis_conforms() {
    let Some(redis) = servers::Redis::start() else {
        return;
    };
    all(&RedisOnline::open(&redis.url()).unwrap());
}

#[test]
fn postgresql_conforms() {
    let Some(server) = trainyard_test_postgres::Server::start() else {
        return;
    };
    all(&PostgresOnline::open(&server.database()).unwrap());
}

fn found_by_key(store: &dyn OnlineStore) {
    let batch = airports(&[
        ("JFK", 10, 1, Some(39.5), "clear"),
        ("LGA", 10, 1, None, ""),
        ("", 9, 1, Some(-0.0), "sky\0with\nall"),
    ]);
    let written = write(store, &weather(), &batch, None, 100).unwrap();
    assert_eq!((written.rows, written.changed), (3, 3));
    assert_eq!(
        read(store, &weather(), &["EWR", "JFK", "", "LGA", "JFK", "JF"]),
        [
            "-",
            "10 39.5 clear",
            "9 -0 sky\0with\nall",
            "10 null ",
            "10 39.5 clear",
            "-"
        ]
    );
    let statistics = store.statistics(&weather()).unwrap();
    assert_eq!((statistics.rows, statistics.newest), (3, Some(Timestamp(10))));
    assert_eq!(statistics.written_at, Some(Timestamp(100)));
    assert_eq!(read(store, &weather(), &[]), [""; 0]);
}

fn the_later_wins(store: &dyn OnlineStore) {
    let view = weather();
    let one = |event, created, temp| {
        let batch = airports(&[("JFK", event, created, Some(temp), "")]);
        write(store, &view, &batch, None, 1).unwrap().changed
    };
    assert_eq!(one(-5, 5, 1.0), 1);
    assert_eq!(one(-6, 9, 2.0), 0, "an earlier event");
    assert_eq!(read(store, &view, &["JFK"]), ["-5 1 "]);
    assert_eq!(one(-5, 4, 3.0), 0, "the same event, created earlier");
    assert_eq!(one(-5, 6, 4.0), 1, "the same event, created later");
    assert_eq!(one(-5, 6, 5.0), 1, "the same again: what was written last");
    assert_eq!(one(300, -1, 6.0), 1, "a later event");
    assert_eq!(read(store, &view, &["JFK"]), ["300 6 "]);
    let of_one_batch = airports(&[
        ("LGA", 2, 1, Some(1.0), "first"),
        ("LGA", 3, 1, Some(2.0), "earlier created"),
        ("LGA", 3, 2, Some(3.0), "equal"),
        ("LGA", 3, 2, Some(4.0), "equal and last"),
        ("LGA", 1, 9, Some(5.0), "old"),
    ]);
    assert_eq!(write(store, &view, &of_one_batch, None, 1).unwrap().rows, 1);
    assert_eq!(read(store, &view, &["LGA"]), ["3 4 equal and last"]);
}

fn twice(store: &dyn OnlineStore) {
    let batch = airports(&[("JFK", 10, 1, Some(1.0), "a"), ("LGA", 10, 1, Some(2.0), "b")]);
    write(store, &weather(), &batch, None, 1).unwrap();
    let before = store.statistics(&weather()).unwrap();
    write(store, &weather(), &batch, None, 1).unwrap();
    assert_eq!(store.statistics(&weather()).unwrap(), before);
    assert_eq!(read(store, &weather(), &["LGA", "JFK"]), ["10 2 b", "10 1 a"]);
}

fn versions(store: &dyn OnlineStore) {
    let views = [weather(), ViewId::new("weather", 2), ViewId::new("wind", 1)];
    for (temp, view) in (1..).zip(&views) {
        let batch = airports(&[("JFK", 10, 1, Some(f64::from(temp)), "")]);
        write(store, view, &batch, None, 1).unwrap();
    }
    let found: Vec<String> = views
        .iter()
        .flat_map(|view| read(store, view, &["JFK"]))
        .collect();
    assert_eq!(found, ["10 1 ", "10 2 ", "10 3 "]);
    assert_eq!(read(store, &ViewId::new("rain", 1), &["JFK"]), ["-"]);
    assert_eq!(
        store.statistics(&ViewId::new("rain", 1)).unwrap().rows,
        0,
        "a view that was never written"
    );
}

fn layouts(store: &dyn OnlineStore) {
    let view = weather();
    let early = Layout::new(vec![field("temp", DataType::Float64)]);
    let batch = RowBatch {
        keys: vec![Values::Bytes(["JFK", "LGA"].into_iter().collect()).into()],
        event_times: vec![1, 1],
        created_times: None,
        features: vec![Values::Float(vec![1.5, 2.5]).into()],
    };
    let pieces = Feed::of(&early, &batch).unwrap();
    let mut writes = [Write {
        view: &view,
        layout: &early,
        rows: &mut pieces.into_iter().map(Ok),
        watermark: None,
    }];
    store.write(&mut writes, Timestamp(1)).unwrap();
    let later = airports(&[("LGA", 2, 1, Some(3.5), "rain"), ("EWR", 2, 1, Some(4.5), "fog")]);
    write(store, &view, &later, None, 1).unwrap();
    assert_eq!(
        read(store, &view, &["JFK", "LGA", "JFK", "EWR"]),
        ["1 1.5 null", "2 3.5 rain", "1 1.5 null", "2 4.5 fog"]
    );
}

fn watermarks(store: &dyn OnlineStore) {
    let view = ViewId::new("wind", 1);
    let mark = |until| Watermark {
        snapshot: Some(format!("snapshot-{until}")),
        progress: Progress {
            sequence: 3,
            ..Progress::default()
        },
        until: Timestamp(until),
        later: 2,
        at: Timestamp(7),
    };
    assert_eq!(store.watermark(&ViewId::new("rain", 1)).unwrap(), None);
    let batch = airports(&[("JFK", 10, 1, None, "")]);
    write(store, &view, &batch, Some(&mark(10)), 1).unwrap();
    assert_eq!(store.watermark(&view).unwrap(), Some(mark(10)));
    write(store, &view, &airports(&[]), Some(&mark(11)), 1).unwrap();
    assert_eq!(store.watermark(&view).unwrap(), Some(mark(11)));
    write(store, &view, &batch, None, 1).unwrap();
    assert_eq!(
        store.watermark(&view).unwrap(),
        Some(mark(11)),
        "a push leaves it"
    );
}

fn removed(store: &dyn OnlineStore) {
    let view = weather();
    let batch = airports(&[
        ("EWR", 9, 1, None, ""),
        ("JFK", 10, 1, None, ""),
        ("LGA", 11, 1, None, ""),
    ]);
    write(store, &view, &batch, None, 1).unwrap();
    assert_eq!(store.delete(&view, &[key("LGA"), key("XXX")]).unwrap(), 1);
    assert_eq!(store.expire(&view, Timestamp(10)).unwrap(), 1);
    assert_eq!(read(store, &view, &["EWR", "JFK", "LGA"]), ["-", "10 null ", "-"]);
    assert_eq!(store.statistics(&view).unwrap().rows, 1);
    write(store, &view, &batch, None, 1).unwrap();
    assert_eq!(
        store.statistics(&view).unwrap().rows,
        3,
        "what was removed may come again"
    );
}

fn failed_source(store: &dyn OnlineStore) {
    let view = ViewId::new("wind", 1);
    let before = store.watermark(&view).unwrap();
    let layout = layout();
    let pieces = Feed::of(&layout, &airports(&[("JFK", 10, 1, None, "")])).unwrap();
    let failure = OnlineError::Source("the disk is gone".into());
    let mark = Watermark::default;
    let mut rows = pieces.into_iter().map(Ok).chain([Err(failure)]);
    let mut writes = [Write {
        view: &view,
        layout: &layout,
        rows: &mut rows,
        watermark: Some(&mark),
    }];
    let error = store.write(&mut writes, Timestamp(1)).unwrap_err();
    assert!(matches!(error, OnlineError::Source(_)), "{error}");
    assert_eq!(store.watermark(&view).unwrap(), before);
}

fn many(store: &dyn OnlineStore) {
    let view = weather();
    let names: Vec<String> = (0..20_000)
        .map(|n| format!("airport-{}", n * 7919 % 20_000))
        .collect();
    let rows: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), 1, 1, Some(0.5), name.as_str()))
        .collect();
    let layout = layout();
    let halves = rows
        .chunks(7_000)
        .map(|rows| Ok(airports(rows)))
        .collect::<Vec<_>>();
    let (written, counted) = Feed::through(&layout, halves.into_iter(), |rows| {
        let mut writes = [Write {
            view: &view,
            layout: &layout,
            rows,
            watermark: None,
        }];
        store.write(&mut writes, Timestamp(1))
    })
    .unwrap();
    assert_eq!((written[0].changed, counted.rows), (20_000, 20_000));
    let keys: Vec<KeyBytes> = names.iter().map(|name| key(name)).collect();
    let mut found = 0;
    store
        .get(&view, layout.fields(), &keys, &mut |_, row| {
            found += u32::from(row.is_some())
        })
        .unwrap();
    assert_eq!(found, 20_000);
    assert_eq!(store.statistics(&view).unwrap().rows, 20_000);
}
