use super::*;
use crate::offline::{Selection, ViewReader};
use crate::testbed::{Bed, Ended, rows};
use indexmap::IndexMap;
use serde_json::json;
use trainyard_contract::feature::{Feature, FeatureDefinitions, Key, SnapshotDraft, StoredView};
use trainyard_contract::task::EffectRequest;
use trainyard_contract::{DataType, FailureClass, Objects};

fn weather() -> FeatureView {
    let feature = |data_type| Feature {
        data_type,
        description: None,
        unit: None,
        known_at: None,
        classification: None,
    };
    FeatureView {
        name: "weather".into(),
        version: 1,
        entities: vec!["origin".into()],
        keys: vec![Key {
            name: "origin".into(),
            data_type: DataType::String,
        }],
        features: [("temp", DataType::Float64), ("wind", DataType::Int16)]
            .map(|(name, of)| (name.to_owned(), feature(of)))
            .into(),
        event_time: "at".into(),
        created_time: None,
        ttl: None,
        online: false,
        source: FeatureSource::File {
            path: "weather.csv".into(),
            format: None,
        },
        columns: IndexMap::from([("temp".to_owned(), "TEMP F".to_owned())]),
        freshness: None,
        description: None,
        owner: None,
        tags: Vec::new(),
    }
}

fn stored(snapshot: Option<&SnapshotDraft>) -> StoredView {
    StoredView {
        view: weather(),
        snapshot: snapshot.map(|draft| draft.snapshot.clone()),
        pushes: "nowhere".into(),
        pushed: Default::default(),
        as_of: None,
    }
}

fn bed(csv: &str, before: Option<&SnapshotDraft>) -> Bed {
    let mut bed = Bed::new()
        .file("weather.csv", csv)
        .dataset("rows", "weather.csv", None);
    bed.feature_views.insert("weather".into(), stored(before));
    bed
}

/// The bed with the objects of an earlier one.
fn sharing(mut bed: Bed, csv: &str, ended: &Ended) -> Bed {
    bed.folder = ended.folder();
    bed.file("weather.csv", csv)
}

fn draft(ended: &Ended) -> SnapshotDraft {
    let [EffectRequest::WriteFeatures(draft)] = ended.report.effects.as_slice() else {
        panic!("{:?}", ended.report.effects)
    };
    (**draft).clone()
}

fn held(ended: &Ended) -> Vec<String> {
    let objects = Objects::new(ended.folder().path().join("objects"));
    let reader = ViewReader::open(&objects, &stored(Some(&draft(ended)))).unwrap();
    let scratch = ended.folder().path().join("read");
    let batches = reader.batches(&Selection::default(), &scratch).unwrap();
    batches.flat_map(|batch| rows(&batch.unwrap())).collect()
}

const TWO: &str =
    "origin,at,TEMP F,wind,other\nLGA,2026-11-01T06:00:00Z,50.5,3,x\nEWR,2026-11-01T05:00:00Z,,4,y\n";

#[test]
fn a_source_becomes_a_snapshot_under_the_view_s_own_names() {
    let ended = bed(TWO, None)
        .run(&FeaturesIngest, json!({"view": "weather"}), &[])
        .unwrap();
    assert_eq!(
        held(&ended),
        [
            "EWR|2026-11-01 05:00:00 UTC|-|4",
            "LGA|2026-11-01 06:00:00 UTC|50.5|3"
        ]
    );
    let draft = draft(&ended);
    assert_eq!(
        (draft.kind, draft.base, draft.added),
        (ChangeKind::Replace, None, 2)
    );
    assert_eq!(
        ended.report.headline.as_deref(),
        Some("features:weather v1, 2 rows, 2 of them new")
    );
    let from: Vec<String> = ended
        .report
        .lineage
        .iter()
        .map(|edge| format!("{}.{} < {}", edge.output, edge.column, edge.from))
        .collect();
    assert!(
        from.contains(&"features:weather.temp < TEMP F".to_owned()),
        "{from:?}"
    );
}

#[test]
fn incremental_adds_what_is_not_there_and_full_replaces() {
    let first = bed(TWO, None)
        .run(&FeaturesIngest, json!({"view": "weather"}), &[])
        .unwrap();
    let more = format!("{TWO}EWR,2026-10-02T00:00:00Z,41,1,late\nEWR,2026-11-02T00:00:00Z,40,1,z\n");
    let again = sharing(bed("", Some(&draft(&first))), &more, &first);
    let second = again
        .run(
            &FeaturesIngest,
            json!({"view": "weather", "mode": "incremental"}),
            &[],
        )
        .unwrap();
    assert_eq!(draft(&second).added, 2);
    assert_eq!(held(&second).len(), 4);
    let third = again
        .run(
            &FeaturesIngest,
            json!({"view": "weather", "mode": "incremental", "lateness": "2d"}),
            &[],
        )
        .unwrap();
    assert_eq!(draft(&third).added, 1, "{:?}", third.log);
    assert!(
        third
            .log
            .contains(&"1 rows are older than `lateness` lets them be".to_owned()),
        "{:?}",
        third.log
    );
    let full = sharing(bed("", Some(&draft(&second))), TWO, &second);
    let replaced = full
        .run(&FeaturesIngest, json!({"view": "weather"}), &[])
        .unwrap();
    assert_eq!(held(&replaced).len(), 2);
    let same = sharing(bed("", Some(&draft(&replaced))), TWO, &replaced);
    let same = same
        .run(&FeaturesIngest, json!({"view": "weather"}), &[])
        .unwrap();
    assert_eq!(draft(&same).snapshot, draft(&replaced).snapshot);
}

#[test]
fn rows_that_break_the_types_are_set_aside_with_reasons() {
    let bad =
        format!("{TWO}EWR,yesterday,1,1,x\n,2026-11-01T05:00:00Z,1,1,x\nEWR,2026-11-01T09:00:00Z,1,gale,x\n");
    let error = bed(&bad, None)
        .run(&FeaturesIngest, json!({"view": "weather"}), &[])
        .unwrap_err();
    assert_eq!(error.failure.class, FailureClass::GateFailed, "{error}");
    assert!(
        error
            .to_string()
            .starts_with("3 of 5 rows are bad: weather.csv row 3 column `at`: `yesterday`"),
        "{error}"
    );
    let with = json!({"view": "weather", "max_bad_share": 0.7});
    let ended = bed(&bad, None)
        .run(&FeaturesIngest, with, &[("quarantine", ArtifactKind::Table)])
        .unwrap();
    assert_eq!(held(&ended).len(), 2);
    assert_eq!(ended.frame("quarantine").height(), 3);
}

#[test]
fn a_check_finds_unknown_views_and_missing_columns() {
    let mut bed = Bed::new().table(
        "rows",
        polars::prelude::df!["origin" => ["x"], "at" => [1i64], "wind" => [1i64]].unwrap(),
    );
    let messages = |bed: &Bed, with| -> Vec<String> {
        let found = bed.infer(&FeaturesIngest, with, &[]).findings;
        found.into_iter().map(|finding| finding.message).collect()
    };
    bed.features = FeatureDefinitions::default();
    bed.features.views.insert("weather".into(), weather());
    assert_eq!(
        messages(&bed, json!({"view": "wether"})),
        ["there is no feature view `wether`"]
    );
    assert_eq!(
        messages(&bed, json!({"view": "weather"})),
        ["feature view `weather` wants a column `TEMP F`, and its rows have none"]
    );
    assert_eq!(
        messages(&bed, json!({"view": "weather", "lateness": "1d"})).len(),
        2
    );
}
