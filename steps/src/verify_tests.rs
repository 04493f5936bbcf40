//! Specifications of `features.verify@v1`.

use super::*;
use crate::materialise::FeaturesMaterialise;
use crate::testbed::{Bed, Ended};
use polars::prelude::{NamedFrom, Series, TimeZone};

const HOUR: i64 = 3_600_000_000;
const REPORT: [(&str, ArtifactKind); 1] = [("report", ArtifactKind::Report)];

/// Airport, hour, temperature.
fn weather(rows: &[(&str, i64, Option<f64>)]) -> DataFrame {
    let zone = TimeZone::opt_try_new(Some("UTC")).unwrap();
    let times: Vec<i64> = rows.iter().map(|row| row.1 * HOUR).collect();
    let columns = vec![
        Column::new("airport".into(), rows.iter().map(|row| row.0).collect::<Vec<_>>()),
        Column::new("seen".into(), times)
            .cast(&PolarsType::Datetime(TimeUnit::Microseconds, zone))
            .unwrap(),
        Column::new("temp".into(), rows.iter().map(|row| row.2).collect::<Vec<_>>()),
        Column::new(
            "gusts".into(),
            rows.iter()
                .map(|row| Series::new("".into(), [row.1, 2]))
                .collect::<Vec<_>>(),
        ),
    ];
    DataFrame::new(rows.len(), columns).unwrap()
}

const ROWS: [(&str, i64, Option<f64>); 6] = [
    ("EWR", 1, Some(1.5)),
    ("EWR", 3, Some(f64::NAN)),
    ("JFK", 2, None),
    ("LGA", 2, Some(2.5)),
    ("LGA", 1, Some(9.5)),
    ("SWF", 9, Some(9.5)),
];

fn of(rows: &[(&str, i64, Option<f64>)]) -> Bed {
    let mut bed = Bed::new().table("weather", weather(rows));
    bed.features = serde_json::from_value(json!({"views": {"weather": {
        "name": "weather", "version": 1, "entities": [], "keys": [{"name": "origin", "type": "string"}],
        "features": {"temp": {"type": "float64"}, "gusts": {"type": "list[int64]"}},
        "event_time": "seen", "online": true, "source": "push", "columns": {"origin": "airport"},
        "ttl": 7_200_000,
    }}}))
    .unwrap();
    bed
}

/// The online store filled with these rows up to five o'clock, beside an offline store with others.
fn filled(online: &[(&str, i64, Option<f64>)], offline: &[(&str, i64, Option<f64>)]) -> Bed {
    let filling = of(online);
    filling
        .run(
            &FeaturesMaterialise,
            json!({"until": "1970-01-01T05:00:00Z"}),
            &[],
        )
        .unwrap();
    let mut bed = of(offline);
    // One home, so that both look at one online store.
    std::fs::copy(
        filling.folder.path().join("features.online"),
        bed.folder.path().join("features.online"),
    )
    .unwrap();
    bed.secrets = filling.secrets.clone();
    bed
}

fn run(bed: &Bed, with: Value) -> Result<Ended, StepError> {
    bed.run(&FeaturesVerify, with, &REPORT)
}

#[test]
fn stores_of_the_same_rows_agree_on_values_gaps_lists_and_what_is_too_old() {
    let ended = run(&filled(&ROWS, &ROWS), json!({})).unwrap();
    assert_eq!(
        ended.log,
        ["weather: 0 of 4 keys differ as of 1970-01-01T05:00:00Z"]
    );
    let report = ended.json("report");
    // Three hours old with a ttl of two, and one that is seen only at nine.
    assert_eq!(report["views"][0]["unanswered"], 3);
    assert_eq!(report["views"][0]["keys"], 4);
    let earlier = run(&filled(&ROWS, &ROWS), json!({"at": "1970-01-01T04:00:00Z"})).unwrap();
    assert_eq!(earlier.json("report")["views"][0]["unanswered"], 1);
}

#[test]
fn a_value_that_was_changed_in_one_store_is_found_and_fails_the_step() {
    let mut planted = ROWS;
    planted[1].2 = Some(4.5);
    let error = run(&filled(&planted, &ROWS), json!({})).unwrap_err();
    assert_eq!(
        error.failure.message,
        "`weather` differs between offline and online for 1 of 4 keys: temp of origin=EWR is NaN offline and 4.5 online"
    );
    assert_eq!(error.failure.class, trainyard_contract::FailureClass::GateFailed);
    let allowed = run(&filled(&planted, &ROWS), json!({"may_differ": 0.25})).unwrap();
    let difference = &allowed.json("report")["views"][0]["differences"][0];
    assert_eq!(
        (&difference["key"], &difference["what"]),
        (&json!("origin=EWR"), &json!("temp"))
    );
}

#[test]
fn a_row_that_came_late_and_one_that_only_the_online_store_has_are_found() {
    let at = json!({"at": "1970-01-01T04:00:00Z", "may_differ": 1.0});
    let told = |online: &[(&str, i64, Option<f64>)], offline: &[(&str, i64, Option<f64>)]| {
        let ended = run(&filled(online, offline), at.clone()).unwrap();
        let found = ended.json("report")["views"][0]["differences"].clone();
        let found: Vec<String> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                format!(
                    "{} {} {} {}",
                    one["key"], one["what"], one["offline"], one["online"]
                )
                .replace('"', "")
            })
            .collect();
        found
    };
    let mut late = ROWS.to_vec();
    late.push(("JFK", 4, Some(7.5)));
    assert_eq!(
        told(&ROWS, &late),
        ["origin=JFK event time 1970-01-01T04:00:00Z 1970-01-01T02:00:00Z"]
    );
    assert_eq!(
        told(&ROWS[..3], &ROWS),
        ["origin=LGA answer of 1970-01-01T02:00:00Z missing"]
    );
}

#[test]
fn nothing_can_be_said_of_a_view_that_was_never_brought_online() {
    let error = run(&of(&ROWS), json!({})).unwrap_err();
    assert_eq!(
        error.failure.message,
        "the online store holds nothing of the feature view `weather`"
    );
}

#[test]
fn a_sample_is_spread_over_all_keys() {
    let ended = run(&filled(&ROWS, &ROWS), json!({"sample": 2})).unwrap();
    assert_eq!(ended.json("report")["views"][0]["keys"], 2);
}
