use super::Open;
use crate::material::{create_owned, run_id, started_run};
use indexmap::IndexMap;
use std::thread;
use trainyard_contract::feature::{
    ChangeKind, Feature, FeatureSource, FeatureView, Key, SnapshotDraft, SnapshotRef,
};
use trainyard_contract::{ArtifactKind, ArtifactRef, ContentHash, DataType, RunId, Timestamp};
use trainyard_store::{FeatureWrite, Store};

fn view(version: u32, features: &[&str]) -> FeatureView {
    let feature = Feature {
        data_type: DataType::Float64,
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
            .map(|name| ((*name).to_owned(), feature.clone()))
            .collect(),
        event_time: "at".into(),
        created_time: None,
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

/// The snapshot `content` of `view`, made from the snapshot `base` with the sequence before it.
fn draft(view: FeatureView, content: &str, base: Option<&str>, sequence: u64) -> SnapshotDraft {
    SnapshotDraft {
        output: None,
        view,
        kind: ChangeKind::Append,
        base: base.map(|base| ContentHash::of(base.as_bytes())),
        snapshot: SnapshotRef {
            sequence,
            manifest: ArtifactRef {
                kind: ArtifactKind::Table,
                hash: ContentHash::of(content.as_bytes()),
                size: 100,
                media_type: "application/json".into(),
                rows: Some(10 * sequence),
                schema: None,
                summary: serde_json::Value::Null,
            },
        },
        size: 1000,
        event_times: Some((Timestamp(1), Timestamp(2))),
        added: 10,
        folded: 0,
    }
}

pub(super) fn weather(content: &str, base: Option<&str>, sequence: u64) -> SnapshotDraft {
    draft(view(1, &["temp"]), content, base, sequence)
}

/// Writes in a turn with one event; `seq` events are there before.
fn write(store: &mut Store, run: &RunId, seq: u64, instance: &str, draft: &SnapshotDraft) -> FeatureWrite {
    let at = Timestamp(seq as i64);
    let mut turn = store.begin().unwrap();
    let written = turn
        .write_features(run, instance, Some("abc"), draft, at)
        .unwrap();
    turn.append(run, 1, seq, &[started_run(seq as i64)]).unwrap();
    turn.commit().unwrap();
    written
}

fn done(version: u32, sequence: u64, new: bool) -> FeatureWrite {
    FeatureWrite::Done {
        version,
        sequence,
        added: if new { 10 } else { 0 },
        new,
    }
}

pub(crate) fn snapshots_of_a_version_count_from_one_and_are_found_by_time(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    assert_eq!(store.feature_view("weather", None).unwrap(), None);
    assert_eq!(store.feature_views().unwrap(), []);
    assert_eq!(
        write(&mut store, &run, 0, "a", &weather("s1", None, 1)),
        done(1, 1, true)
    );
    assert_eq!(
        write(&mut store, &run, 1, "b", &weather("s2", Some("s1"), 2)),
        done(1, 2, true)
    );
    let mut turn = store.begin().unwrap();
    turn.write_features(&run, "c", None, &weather("s3", Some("s2"), 3), Timestamp(9))
        .unwrap();
    drop(turn);
    let store = open();
    let now = store.feature_snapshot("weather", 1, None).unwrap().unwrap();
    assert_eq!(now.snapshot, weather("s2", None, 2).snapshot);
    assert_eq!((now.rows, now.added, now.size, now.folded), (20, 10, 1000, 0));
    assert_eq!(
        (now.event_times, now.kind),
        (Some((Timestamp(1), Timestamp(2))), ChangeKind::Append)
    );
    assert_eq!(
        (now.run, now.instance.as_deref(), now.revision.as_deref()),
        (Some(run.clone()), Some("b"), Some("abc"))
    );
    let then = store
        .feature_snapshot("weather", 1, Some(Timestamp(0)))
        .unwrap()
        .unwrap();
    assert_eq!(then.snapshot.sequence, 1);
    assert_eq!(
        store.feature_snapshot("weather", 1, Some(Timestamp(-1))).unwrap(),
        None
    );
    let sequences = |before, limit| -> Vec<u64> {
        let found = store.feature_snapshots("weather", 1, before, limit).unwrap();
        found.iter().map(|snapshot| snapshot.snapshot.sequence).collect()
    };
    assert_eq!(
        (sequences(u64::MAX, 9), sequences(u64::MAX, 1), sequences(2, 9)),
        (vec![2, 1], vec![2], vec![1])
    );
    let written = store.feature_snapshots_of_run(&run).unwrap();
    assert_eq!(
        written,
        [("weather".to_owned(), 1, 1), ("weather".to_owned(), 1, 2)]
    );
}

pub(crate) fn the_same_content_is_recorded_once(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    write(&mut store, &run, 0, "a", &weather("s1", None, 1));
    let later = create_owned(&mut store, 2, "flights");
    assert_eq!(
        write(&mut store, &later, 0, "a", &weather("s1", Some("s1"), 1)),
        done(1, 1, false)
    );
    assert_eq!(
        open().feature_snapshots("weather", 1, u64::MAX, 9).unwrap().len(),
        1
    );
}

pub(crate) fn a_step_instance_writes_a_view_once(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    write(&mut store, &run, 0, "a", &weather("s1", None, 1));
    let FeatureWrite::Done { sequence, new, .. } =
        write(&mut store, &run, 1, "a", &weather("s2", Some("s1"), 2))
    else {
        panic!("refused")
    };
    assert_eq!((sequence, new), (1, false), "whatever it says the second time");
    assert_eq!(
        open().feature_snapshots("weather", 1, u64::MAX, 9).unwrap().len(),
        1
    );
}

pub(crate) fn a_snapshot_of_an_older_base_is_sent_back(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    write(&mut store, &run, 0, "a", &weather("s1", None, 1));
    write(&mut store, &run, 1, "b", &weather("s2", Some("s1"), 2));
    let FeatureWrite::Moved(Some(current)) = write(&mut store, &run, 2, "c", &weather("x2", Some("s1"), 2))
    else {
        panic!("it was recorded")
    };
    assert_eq!(current.snapshot.sequence, 2);
    // On top of what is there now it goes, in the same turn if need be.
    assert_eq!(
        write(&mut store, &run, 3, "c", &weather("x3", Some("s2"), 3)),
        done(1, 3, true)
    );
}

pub(crate) fn what_breaks_readers_is_the_next_version_and_what_does_not_is_not(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    write(&mut store, &run, 0, "a", &weather("s1", None, 1));
    let more = draft(view(1, &["temp", "wind"]), "s2", Some("s1"), 2);
    assert_eq!(write(&mut store, &run, 1, "b", &more), done(1, 2, true));
    let versions = store.feature_view_versions("weather").unwrap();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].view.features.len(), 2);
    assert_eq!(
        (versions[0].created_at, versions[0].changed_at),
        (Timestamp(0), Timestamp(1))
    );
    // `temp` is gone: readers of version 1 keep theirs.
    let less = draft(view(1, &["wind"]), "s3", Some("s2"), 3);
    assert_eq!(
        write(&mut store, &run, 2, "c", &less),
        FeatureWrite::Outdated { now: 1 }
    );
    let next = draft(view(2, &["wind"]), "s3", None, 1);
    assert_eq!(write(&mut store, &run, 3, "c", &next), done(2, 1, true));
    let late = draft(view(1, &["temp", "wind"]), "s4", Some("s2"), 3);
    assert_eq!(
        write(&mut store, &run, 4, "d", &late),
        FeatureWrite::Outdated { now: 2 }
    );
    let same = draft(view(3, &["wind", "gust"]), "s5", None, 1);
    assert_eq!(
        write(&mut store, &run, 5, "e", &same),
        FeatureWrite::Outdated { now: 2 }
    );
    let store = open();
    assert_eq!(
        store.feature_view("weather", None).unwrap().unwrap().view.version,
        2
    );
    assert_eq!(
        store
            .feature_view("weather", Some(1))
            .unwrap()
            .unwrap()
            .view
            .features
            .len(),
        2
    );
    assert_eq!(store.feature_view("weather", Some(3)).unwrap(), None);
    assert_eq!(store.feature_views().unwrap().len(), 1);
    assert_eq!(
        store
            .feature_snapshot("weather", 1, None)
            .unwrap()
            .unwrap()
            .snapshot
            .sequence,
        2
    );
}

pub(crate) fn of_many_writers_each_one_is_there_once(open: Open<'_>) {
    let runs: Vec<RunId> = {
        let mut store = open();
        (1..=4)
            .map(|number| create_owned(&mut store, number, "flights"))
            .collect()
    };
    thread::scope(|scope| {
        for (nth, run) in runs.iter().enumerate() {
            let mut store = open();
            scope.spawn(move || {
                for seq in 0..5u64 {
                    let instance = format!("step {seq}");
                    let mut base = store.feature_snapshot("weather", 1, None).unwrap();
                    loop {
                        let content = format!("{nth} {seq}");
                        let next = base.as_ref().map_or(1, |base| base.snapshot.sequence + 1);
                        let mut draft = weather(&content, None, next);
                        draft.base = base.as_ref().map(|base| base.snapshot.manifest.hash);
                        let mut turn = store.begin().unwrap();
                        let written = turn
                            .write_features(run, &instance, None, &draft, Timestamp(1))
                            .unwrap();
                        if let FeatureWrite::Moved(current) = written {
                            drop(turn);
                            base = current.map(|current| *current);
                            continue;
                        }
                        turn.append(run, 1, seq, &[started_run(seq as i64)]).unwrap();
                        turn.commit().unwrap();
                        break;
                    }
                }
            });
        }
    });
    let found = open().feature_snapshots("weather", 1, u64::MAX, 99).unwrap();
    let sequences: Vec<u64> = found
        .iter()
        .rev()
        .map(|snapshot| snapshot.snapshot.sequence)
        .collect();
    assert_eq!(sequences, (1..=20).collect::<Vec<u64>>());
}

pub(crate) fn a_person_records_without_a_run(open: Open<'_>) {
    let mut store = open();
    let run = create_owned(&mut store, 1, "flights");
    write(&mut store, &run, 0, "a", &weather("s1", None, 1));
    let compacted = SnapshotDraft {
        kind: ChangeKind::Compact,
        folded: 3,
        ..weather("s2", Some("s1"), 2)
    };
    // Though the person's clock is behind.
    assert_eq!(
        store.record_snapshot(&compacted, Timestamp(-2)).unwrap(),
        done(1, 2, true)
    );
    let now = open().feature_snapshot("weather", 1, None).unwrap().unwrap();
    assert_eq!(
        (now.run, now.kind, now.folded, now.created_at),
        (None, ChangeKind::Compact, 3, Timestamp(0))
    );
    assert_ne!(run, run_id(2));
}
