//! Questions and pushes without a server: what comes in, what goes out.

use super::columns::Columns;
use super::desk::FeatureDesk;
use super::feast::{Extra, OnlineFeaturesRequest, answer};
use super::plan::PlanKey;
use super::push::{Destination, Frame, keep};
use crate::problem::Problem;
use indexmap::IndexMap;
use serde_json::{Value, json};
use std::path::Path;
use trainyard_contract::Timestamp;
use trainyard_features::offline::{PushLog, PushLogError, PushPosition};
use trainyard_features::online::Place;

const FEATURES: &str = r#"
version: 1
entities:
  origin: {keys: {origin_code: string}}
  route: {keys: {from: string, to: string}}
  day: {keys: {day: date}}
views:
  weather:
    entities: [origin]
    event_time: time_hour
    created_time: loaded_at
    ttl: 2h
    online: true
    freshness: 1h
    features:
      temp: {type: float64}
      sky: {type: string}
      seen: {type: "timestamp[us, UTC]"}
  traffic:
    entities: [route]
    event_time: at
    online: true
    features:
      flights: {type: int64}
      temp: {type: float32}
  holidays:
    entities: [day]
    event_time: at
    features:
      name: {type: string}
on_demand:
  trip:
    request: {distance: float64}
    inputs: ["weather:temp"]
    features:
      warm_km: {type: float64, expr: "temp * distance"}
      label: {type: string, expr: "CASE WHEN warm_km > 100.0 THEN 'far' ELSE 'near' END"}
services:
  delay: {features: ["weather:temp", "trip:warm_km"]}
"#;

const HOUR: i64 = 3_600_000_000;
/// 2026-01-01T12:00:00Z.
const NOON: i64 = 1_767_268_800_000_000;

struct Yard {
    folder: tempfile::TempDir,
    desk: FeatureDesk,
}

impl Yard {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("features")).unwrap();
        std::fs::write(folder.path().join("features/flights.yaml"), FEATURES).unwrap();
        let pushes = folder.path().join("pushes");
        let desk = FeatureDesk::new(
            Place::File(folder.path().join("features.online")),
            Box::new(move |view, version| pushes.join(format!("{view}.{version}"))),
        );
        desk.define(super::read_definitions(folder.path()).unwrap());
        Self { folder, desk }
    }

    fn push_to(&self, view: &str, frame: Value, to: Destination) -> Result<usize, Problem> {
        let known = self.desk.known();
        let view = &known.definitions.views[view];
        let frame: IndexMap<String, Vec<Value>> = serde_json::from_value(frame).unwrap();
        let rows = Frame::new(view, frame)?.rows(Timestamp(NOON))?;
        keep(&self.desk, view, &rows, to, Timestamp(NOON))?;
        Ok(rows.batch.len())
    }

    fn push(&self, view: &str, frame: Value) -> Result<usize, Problem> {
        self.push_to(view, frame, Destination::OnlineAndOffline)
    }

    fn ask_at(&self, now: i64, question: Value) -> Result<Value, Problem> {
        let request: OnlineFeaturesRequest = serde_json::from_value(question).unwrap();
        let plan = self.desk.known().plan(PlanKey {
            service: request.feature_service,
            features: request.features,
            full_names: request.full_feature_names,
        })?;
        let columns = Columns::new(&plan, request.entities)?;
        let extra = Extra {
            versions: request.include_feature_view_version_metadata,
            freshness: request.include_freshness,
        };
        let body = answer(&plan, &columns, &*self.desk.store()?, Timestamp(now), extra)?;
        Ok(serde_json::from_slice(&body).unwrap())
    }

    fn ask(&self, question: Value) -> Result<Value, Problem> {
        self.ask_at(NOON, question)
    }

    fn weather(&self) {
        let frame = json!({
            "origin_code": ["JFK", "LGA", "EWR"],
            "time_hour": ["2026-01-01T11:00:00Z", "2026-01-01T10:00:00", "2026-01-01T09:59:59.999999Z"],
            "loaded_at": [null, null, null],
            "temp": [39.5, null, 1.0],
            "sky": ["clear", "fog", "rain"],
            "seen": ["2026-01-01T11:00:00.25Z", null, null],
        });
        assert_eq!(self.push("weather", frame).unwrap(), 3);
    }
}

fn code(problem: Problem) -> (u64, String, String) {
    let document = problem.document();
    (
        document["status"].as_u64().unwrap(),
        document["code"].as_str().unwrap().to_owned(),
        format!("{} {}", document["detail"], document["help"]),
    )
}

#[test]
fn answers_are_in_feasts_shape() {
    let yard = Yard::new();
    yard.weather();
    let answer = yard
        .ask(json!({
            "features": ["weather:temp", "weather:seen"],
            "entities": {"origin_code": ["JFK", "LGA", "EWR", "XXX", null]},
            "full_feature_names": true,
            "include_feature_view_version_metadata": true,
            "a_word_of_a_later_feast": 1,
        }))
        .unwrap();
    let epoch = "1970-01-01T00:00:00Z";
    let times = [
        "2026-01-01T11:00:00Z",
        "2026-01-01T10:00:00Z",
        "2026-01-01T09:59:59.999999Z",
        epoch,
        epoch,
    ];
    let statuses = ["PRESENT", "PRESENT", "OUTSIDE_MAX_AGE", "NOT_FOUND", "NOT_FOUND"];
    assert_eq!(
        answer,
        json!({
            "metadata": {
                "feature_names": ["origin_code", "weather__temp", "weather__seen"],
                "feature_view_metadata": [{"name": "weather", "version": 1}],
            },
            "results": [
                {
                    "values": ["JFK", "LGA", "EWR", "XXX", null],
                    "statuses": ["PRESENT", "PRESENT", "PRESENT", "PRESENT", "PRESENT"],
                    "event_timestamps": [epoch, epoch, epoch, epoch, epoch],
                },
                {"values": [39.5, null, null, null, null], "statuses": statuses, "event_timestamps": times},
                {"values": [1_767_265_200, null, null, null, null], "statuses": statuses, "event_timestamps": times},
            ],
        })
    );
}

#[test]
fn a_row_is_good_until_its_ttl_is_over_and_not_a_moment_longer() {
    let yard = Yard::new();
    yard.weather();
    let question = json!({"features": ["weather:temp"], "entities": {"origin_code": ["JFK"]}});
    let status = |now| yard.ask_at(now, question.clone()).unwrap()["results"][1]["statuses"][0].clone();
    assert_eq!(status(NOON + HOUR), "PRESENT");
    assert_eq!(status(NOON + HOUR + 1), "OUTSIDE_MAX_AGE");
}

#[test]
fn an_entity_may_be_called_by_its_name_and_other_entities_keys_may_come_along() {
    let yard = Yard::new();
    yard.weather();
    let question = json!({"features": ["weather:sky"], "entities": {"origin": ["LGA"], "to": ["ATL"]}});
    let answer = yard.ask(question).unwrap();
    assert_eq!(
        answer["metadata"]["feature_names"],
        json!(["origin_code", "to", "sky"])
    );
    assert_eq!(answer["results"][2]["values"], json!(["fog"]));
}

#[test]
fn features_are_computed_from_stored_ones_and_from_the_question() {
    let yard = Yard::new();
    yard.weather();
    let answer = yard
        .ask(json!({
            "features": ["trip:label", "trip:warm_km"],
            "entities": {"origin_code": ["JFK", "LGA", "EWR", "XXX"], "distance": [2, 3.0, 4, 5]},
        }))
        .unwrap();
    assert_eq!(
        answer["metadata"]["feature_names"],
        json!(["origin_code", "label", "warm_km"])
    );
    assert_eq!(
        answer["results"][1]["values"],
        json!(["near", "near", "near", "near"])
    );
    assert_eq!(answer["results"][2]["values"], json!([79.0, null, null, null]));
    assert_eq!(
        answer["results"][2]["statuses"],
        json!(["PRESENT", "PRESENT", "OUTSIDE_MAX_AGE", "NOT_FOUND"])
    );
    let service = json!({"feature_service": "delay", "entities": {"origin_code": ["JFK"], "distance": [1]}});
    let answer = yard.ask(service).unwrap();
    assert_eq!(
        answer["metadata"]["feature_names"],
        json!(["origin_code", "temp", "warm_km"])
    );
}

#[test]
fn freshness_is_told_when_it_is_asked_for() {
    let yard = Yard::new();
    yard.weather();
    let question = json!({
        "features": ["weather:temp"], "entities": {"origin_code": ["JFK"]}, "include_freshness": true,
    });
    let fresh = |now| yard.ask_at(now, question.clone()).unwrap()["metadata"]["freshness"]["weather"].clone();
    assert_eq!(
        fresh(NOON),
        json!({
            "newest_event_time": "2026-01-01T11:00:00Z", "written_at": "2026-01-01T12:00:00Z",
            "age_seconds": 3600.0, "is_stale": false,
        })
    );
    assert_eq!(fresh(NOON + 1)["is_stale"], true);
}

#[test]
fn wrong_questions_are_refused_and_say_what_is_wrong() {
    let yard = Yard::new();
    let jfk = json!({"origin_code": ["JFK"]});
    let many: Vec<String> = (0..10_001).map(|n| n.to_string()).collect();
    for (question, status, expected, word) in [
        (
            json!({"features": ["wether:temp"], "entities": jfk}),
            404,
            "feature-view-not-found",
            "`weather`",
        ),
        (
            json!({"features": ["weather:tmp"], "entities": jfk}),
            404,
            "feature-not-found",
            "`temp`",
        ),
        (
            json!({"features": ["weather@v2:temp"], "entities": jfk}),
            404,
            "feature-view-version-not-found",
            "2",
        ),
        (
            json!({"feature_service": "dely", "entities": jfk}),
            404,
            "feature-service-not-found",
            "`delay`",
        ),
        (
            json!({"features": ["temp"], "entities": jfk}),
            422,
            "feature-reference-invalid",
            "temp",
        ),
        (
            json!({"features": [], "entities": jfk}),
            422,
            "features-missing",
            "features",
        ),
        (
            json!({"features": ["holidays:name"], "entities": {"day": []}}),
            422,
            "feature-view-not-online",
            "online",
        ),
        (
            json!({"features": ["weather:temp"], "entities": {}}),
            422,
            "join-key-missing",
            "origin_code",
        ),
        (
            json!({"features": ["trip:label"], "entities": jfk}),
            422,
            "join-key-missing",
            "distance",
        ),
        (
            json!({"features": ["weather:temp"], "entities": {"origin_code": [1]}}),
            422,
            "entity-type-wrong",
            "[0]",
        ),
        (
            json!({"features": ["weather:temp"], "entities": {"origin_code": ["JFK"], "orign": ["JFK"]}}),
            422,
            "entity-unknown",
            "`origin`",
        ),
        (
            json!({"features": ["weather:temp"], "entities": {"origin_code": ["JFK"], "to": []}}),
            422,
            "columns-uneven",
            "to",
        ),
        (
            json!({
                "features": ["weather:temp", "traffic:temp"],
                "entities": {"origin_code": ["JFK"], "from": ["JFK"], "to": ["ATL"]},
            }),
            422,
            "feature-names-collide",
            "full names",
        ),
        (
            json!({"features": ["weather:temp"], "entities": {"origin_code": many}}),
            422,
            "too-many-rows",
            "10001",
        ),
        (
            json!({"features": ["trip:label"], "entities": {"origin_code": ["JFK"], "distance": ["far"]}}),
            422,
            "request-type-wrong",
            "distance[0]",
        ),
    ] {
        let (got, said, words) = code(yard.ask(question.clone()).unwrap_err());
        assert_eq!((got, said.as_str()), (status, expected), "{question:.200}");
        assert!(words.contains(word), "{words}");
    }
}

#[test]
fn a_question_may_have_no_rows_and_one_row_twice() {
    let yard = Yard::new();
    yard.weather();
    let of = |codes: Value| {
        let question = json!({"features": ["weather:temp", "weather:temp", "weather:*"], "entities": {"origin_code": codes}});
        yard.ask(question).unwrap()
    };
    let none = of(json!([]));
    assert_eq!(
        none["metadata"]["feature_names"],
        json!(["origin_code", "temp", "sky", "seen"])
    );
    assert_eq!(none["results"][1]["values"], json!([]));
    assert_eq!(
        of(json!(["JFK", "JFK"]))["results"][1]["values"],
        json!([39.5, 39.5])
    );
}

#[test]
fn pushed_rows_are_in_both_stores_before_they_are_answered() {
    let yard = Yard::new();
    yard.weather();
    let late = json!({
        "origin_code": ["JFK"], "event_timestamp": [1_767_261_600], "temp": [0], "sky": [null], "seen": [null],
    });
    yard.push("weather", late).unwrap();
    let question = json!({"features": ["weather:temp"], "entities": {"origin_code": ["JFK"]}});
    assert_eq!(
        yard.ask(question).unwrap()["results"][1]["values"],
        json!([39.5]),
        "an earlier row came late"
    );
    let log = PushLog::new(yard.folder.path().join("pushes/weather.1"));
    let mut rows = Vec::new();
    log.read::<PushLogError>(0, PushPosition::default(), None, |row| {
        rows.push(Value::Object(row.values));
        Ok(())
    })
    .unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!(
        rows[3],
        json!({
            "origin_code": "JFK", "time_hour": "2026-01-01T10:00:00Z", "loaded_at": "2026-01-01T12:00:00Z",
            "temp": 0, "sky": null, "seen": null,
        })
    );
}

#[test]
fn pushes_to_one_store_leave_the_other_as_it_is() {
    let yard = Yard::new();
    let frame = json!({"from": ["JFK"], "to": ["ATL"], "at": ["2026-01-01T11:00:00Z"], "flights": [7], "temp": [0.1]});
    let question = json!({"features": ["traffic:*"], "entities": {"from": ["JFK"], "to": ["ATL"]}});
    yard.push_to("traffic", frame.clone(), Destination::Offline)
        .unwrap();
    assert_eq!(
        yard.ask(question.clone()).unwrap()["results"][2]["statuses"],
        json!(["NOT_FOUND"])
    );
    yard.push_to("traffic", frame, Destination::Online).unwrap();
    let answer = yard.ask(question).unwrap();
    assert_eq!(answer["results"][2]["values"], json!([7]));
    assert_eq!(
        answer["results"][3]["values"],
        json!([0.1]),
        "a float32 is not written as its nearest float64"
    );
    let day = json!({"day": ["2026-01-01"], "at": ["2026-01-01T00:00:00Z"], "name": ["New Year"]});
    assert_eq!(
        yard.push("holidays", day.clone()).unwrap(),
        1,
        "a view that is not online is pushed offline"
    );
    let (status, said, _) = code(yard.push_to("holidays", day, Destination::Online).unwrap_err());
    assert_eq!((status, said.as_str()), (422, "feature-view-not-online"));
}

#[test]
fn wrong_pushes_are_refused_whole_and_name_the_rows() {
    let yard = Yard::new();
    let good = json!({"from": ["JFK", "LGA"], "to": ["ATL", "ATL"], "at": [1, 2], "flights": [7, 8], "temp": [0.5, 0.5]});
    for (column, values, expected, word) in [
        (
            "from",
            json!(["JFK", null]),
            "values-wrong",
            "df.from[1]: a key is not null",
        ),
        ("flights", json!([1, "many"]), "values-wrong", "df.flights[1]"),
        (
            "flights",
            json!([1]),
            "columns-wrong",
            "df.flights: it has 1 rows",
        ),
        (
            "at",
            json!([1, null]),
            "values-wrong",
            "df.at[1]: null is not a time",
        ),
        (
            "at",
            json!([1, "2026-01-01T12:05:00.000001Z"]),
            "values-wrong",
            "in the future",
        ),
        (
            "flihgts",
            json!([1, 2]),
            "columns-wrong",
            "df.flihgts: the view has no such column",
        ),
    ] {
        let mut frame = good.clone();
        frame[column] = values;
        let (status, said, words) = code(yard.push("traffic", frame).unwrap_err());
        assert_eq!((status, said.as_str()), (422, expected), "{column}");
        assert!(words.contains(word), "{words}");
    }
    let mut frame = good.clone();
    frame.as_object_mut().unwrap().shift_remove("temp");
    let (_, said, words) = code(yard.push("traffic", frame).unwrap_err());
    assert_eq!(said, "columns-wrong");
    assert!(words.contains("df.temp: this column is missing"), "{words}");
    let question = json!({"features": ["traffic:*"], "entities": {"from": ["JFK"], "to": ["ATL"]}});
    assert_eq!(
        yard.ask(question).unwrap()["results"][2]["statuses"],
        json!(["NOT_FOUND"])
    );
    assert!(!Path::new(&yard.folder.path().join("pushes/traffic.1")).exists());
}

#[test]
fn pushes_that_come_at_once_are_all_there() {
    let yard = Yard::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let yard = &yard;
            scope.spawn(move || {
                for row in 0..20 {
                    let frame = json!({
                        "from": [format!("{thread}")], "to": [format!("{row}")], "at": [1], "flights": [row], "temp": [0],
                    });
                    yard.push_to("traffic", frame, Destination::Online).unwrap();
                }
            });
        }
    });
    let (from, to): (Vec<String>, Vec<String>) = (0..160)
        .map(|n| ((n / 20).to_string(), (n % 20).to_string()))
        .unzip();
    let question = json!({"features": ["traffic:flights"], "entities": {"from": from, "to": to}});
    let answer = yard.ask(question).unwrap();
    let expected: Vec<i64> = (0..160).map(|n| n % 20).collect();
    assert_eq!(answer["results"][2]["values"], json!(expected));
}
