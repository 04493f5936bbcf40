//! What a check says of feature definitions.

use crate::pipeline::files::memory::MemoryFiles;
use crate::pipeline::fixture::{checked, checked_with, shown};
use crate::pipeline::{Checked, History, RecordedFeatures};
use trainyard_contract::DataType;
use trainyard_contract::feature::FeatureSource;

/// Flights by the contract of the fixture would do; this one has times and moments of its own.
const CONTRACT: &str = "\
version: 1
name: arrivals
event_time: sched_dep
moments: [schedule, departure, arrival]
columns:
  carrier: {type: string, nullable: false}
  sched_dep: {type: \"timestamp[us]\", nullable: false, known_at: schedule}
  landed: {type: \"timestamp[us]\", nullable: false, known_at: arrival}
  distance: {type: int16, known_at: schedule, unit: mile}
  arr_delay: {type: float64, known_at: arrival}
";

const PIPELINE: &str = "\
version: 1
name: arrivals
include: [../contracts/arrivals.yaml]
datasets:
  arrivals: {path: data/arrivals.parquet, format: parquet, contract: arrivals}
steps:
  train: {run: train, inputs: {arrivals: arrivals}}
";

fn project(features: &str) -> MemoryFiles {
    MemoryFiles::default()
        .with("trainyard.yaml", "version: 1\nname: test\n")
        .with("pipelines/p.yaml", PIPELINE)
        .with("contracts/arrivals.yaml", CONTRACT)
        .with("data/arrivals.parquet", "")
        .with("features/all.yaml", features)
}

fn check(features: &str) -> Checked {
    checked(&project(features), &["pipelines/p.yaml"], None)
}

/// Code, place and underlined text of findings in the definitions, with their messages.
fn said(checked: &Checked) -> Vec<String> {
    shown(checked)
        .into_iter()
        .zip(&checked.diagnostics)
        .filter(|(_, found)| {
            let file = checked.sources.file(found.primary.span.file);
            file.is_some_and(|file| file.name.starts_with("features/"))
        })
        .map(|(place, found)| format!("{place}: {}", found.message))
        .collect()
}

const GOOD: &str = "\
version: 1
entities:
  carrier: {keys: {carrier: string}}
views:
  delays:
    entities: [carrier]
    source: {dataset: arrivals}
    event_time: landed
    ttl: 7d
    features:
      late: {type: float64, description: Delay at arrival.}
      distance: {type: int32}
    columns: {late: arr_delay}
    online: true
on_demand:
  trip:
    request: {hour: int64}
    inputs: [\"delays:late\"]
    features:
      late_hours: {type: float64, expr: late / 60.0}
      risk: {type: float64, expr: late_hours * sin(2.0 * pi() * hour / 24.0)}
services:
  flight_delay: {features: [\"delays:*\", \"trip:risk\"]}
";

#[test]
fn definitions_are_read_resolved_and_described_by_their_contract() {
    let checked = check(GOOD);
    assert_eq!(said(&checked), Vec::<String>::new());
    let features = &checked.features;
    let delays = &features.views["delays"];
    assert_eq!(delays.keys[0].data_type, DataType::String);
    assert_eq!(delays.column_of("late"), "arr_delay");
    assert_eq!(delays.ttl.unwrap().to_string(), "7d");
    assert_eq!(delays.features["distance"].unit.as_deref(), Some("mile"));
    assert_eq!(
        delays.features["late"].known_at.as_ref().unwrap().moment,
        "arrival"
    );
    assert_eq!(
        delays.source,
        FeatureSource::Dataset {
            dataset: "arrivals".into(),
            path: "data/arrivals.parquet".into(),
            format: Some("parquet".into()),
        }
    );
    let asked = features
        .expand(&features.services["flight_delay"].features)
        .unwrap();
    let names: Vec<String> = asked.iter().map(|asked| asked.full_name()).collect();
    assert_eq!(names, ["delays__late", "delays__distance", "trip__risk"]);
}

#[test]
fn every_fault_is_told_at_its_place() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "entities: [carrier]",
            "entities: [carier]",
            &[
                "S06/unused-entity 3:3 carrier: no view is about `carrier`",
                "S02/unknown-name 6:16 carier: there is no entity `carier`",
            ],
        ),
        (
            "dataset: arrivals",
            "dataset: arrival",
            &["S02/unknown-name 7:23 arrival: there is no dataset `arrival`"],
        ),
        (
            "event_time: landed",
            "event_time: carrier",
            &[
                "D01/wrong-column-type 8:17 carrier: `carrier` is string, and the event time is a date or timestamp",
            ],
        ),
        (
            "late: arr_delay",
            "late: ar_delay",
            &[
                "D01/missing-column 13:21 ar_delay: the contract `arrivals` of its source has no column `ar_delay`",
            ],
        ),
        (
            "distance: {type: int32}",
            "distance: {type: int8}",
            &[
                "D01/wrong-column-type 12:7 distance: `distance` is int16 in the contract `arrivals`, and int8 here",
            ],
        ),
        (
            "distance: {type: int32}",
            "distance: {type: int32, unit: km}",
            &["D02/unit 12:37 km: `distance` is in mile in the contract `arrivals`, and in km here"],
        ),
        (
            "late / 60.0",
            "lat / 60.0",
            &["D01/missing-column 20:41 lat: there is no column `lat` here"],
        ),
        (
            "type: float64, expr: late / 60.0",
            "type: int32, expr: late / 60.0",
            &["D01/wrong-column-type 20:39 late / 60.0: this gives float64, and int32 is declared"],
        ),
        (
            "request: {hour: int64}",
            "request: {hour: int64, day: date}",
            &["S06/unused-input 17:28 day: no expression uses the field of the request `day`"],
        ),
        (
            "inputs: [\"delays:late\"]",
            "inputs: [\"delays:lat\"]",
            &["S02/unknown-name 18:14 \"delays:lat\": the feature view `delays` has no feature `lat`"],
        ),
        (
            "\"trip:risk\"",
            "\"trips:risk\"",
            &["S02/unknown-name 23:41 \"trips:risk\": there is no feature view `trips`"],
        ),
        (
            "\"trip:risk\"",
            "trip",
            &[
                "S01/wrong-format 23:41 trip: `trip` is not a feature: write `view:feature`, `view@v2:feature` or `view:*`",
            ],
        ),
        (
            "  trip:\n",
            "  delays:\n",
            &[
                "S01/duplicate-name 16:3 delays: a view `delays` exists already",
                "S02/unknown-name 23:41 \"trip:risk\": there is no feature view `trip`",
            ],
        ),
        (
            "      distance: {type: int32}",
            "      carrier: {type: string}",
            &["S01/duplicate-name 12:7 carrier: `carrier` is one of the view's keys already"],
        ),
        (
            "{carrier: string}",
            "{carrier: float64}",
            &[
                "D01/wrong-column-type 3:29 float64: `carrier` is float64, and a key is found by being equal",
                "D01/wrong-column-type 6:15 [carrier]: `carrier` is string in the contract `arrivals`, and float64 here",
            ],
        ),
    ];
    let mut other = Vec::new();
    for (good, bad, wanted) in cases {
        assert!(GOOD.contains(good), "{good}");
        let found = said(&check(&GOOD.replacen(good, bad, 1)));
        if found != *wanted {
            other.push(format!("{bad}: {found:#?}"));
        }
    }
    assert!(other.is_empty(), "{}", other.join("\n"));
}

#[test]
fn a_change_is_told_with_who_reads_it_and_an_addition_is_none() {
    let before = check(GOOD).features;
    let history = History {
        features: RecordedFeatures {
            views: before
                .views
                .iter()
                .map(|(name, view)| (name.clone(), view.clone()))
                .collect(),
            by: "is in the store".into(),
        },
        ..History::default()
    };
    let after = |features: &str| said(&checked_with(&project(features), &["pipelines/p.yaml"], &history));
    assert_eq!(after(GOOD), Vec::<String>::new());
    let retyped = GOOD.replace("late: {type: float64", "late: {type: float32");
    // The contract says so too.
    assert!(after(&retyped).iter().any(|found| {
        found.starts_with("D04/breaks-feature-readers 11:20 float32")
            && found.ends_with(
                "the feature view `delays` changes for those who read it: `late` was float64 and is float32",
            )
    }));
    let shorter = GOOD.replace("ttl: 7d", "ttl: 6d");
    assert_eq!(
        after(&shorter),
        [
            "D04/breaks-feature-readers 9:10 6d: the feature view `delays` changes for those who read it: its ttl was 7d and is 6d"
        ]
    );
    let more = GOOD.replace(
        "      distance: {type: int32}\n",
        "      distance: {type: int32}\n      landed_by: {type: string}\n",
    );
    let more = more.replace(
        "columns: {late: arr_delay}",
        "columns: {late: arr_delay, landed_by: carrier}",
    );
    assert_eq!(after(&more), Vec::<String>::new());
    let unread = shorter
        .replace(
            "services:\n  flight_delay: {features: [\"delays:*\", \"trip:risk\"]}\n",
            "",
        )
        .replace("inputs: [\"delays:late\"]", "request_of: x");
    assert!(after(&unread).iter().all(|found| !found.starts_with("D04")));
}
