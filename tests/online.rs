//! Features online through the real binary: what Feast's client sends, what survives, who may.

use crate::http::Served;
use crate::yard::Yard;
use serde_json::{Value, json};

pub(crate) const WEATHER: &str = "\
version: 1
entities:
  airport: {keys: {origin: string}}
views:
  weather:
    entities: [airport]
    event_time: time_hour
    created_time: loaded_at
    online: true
    freshness: 1h
    features:
      temp: {type: float64}
      gusts: {type: int64}
      sky: {type: string}
on_demand:
  trip:
    request: {distance: float64}
    inputs: ['weather:temp']
    features: {warm: {type: float64, expr: temp * distance}}
services:
  delay: {features: ['weather:temp', 'trip:warm']}
";

fn yard() -> Yard {
    let yard = Yard::with("version: 1\nname: test\nsteps:\n  only: {uses: debug.noop@v1}\n");
    yard.write("features/weather.yaml", WEATHER);
    yard
}

fn rows(origin: &[&str], temp: &[f64]) -> Value {
    json!({
        "origin": origin, "time_hour": vec!["2026-01-01T10:00:00Z"; origin.len()],
        "temp": temp, "gusts": vec![7; origin.len()], "sky": vec!["clear"; origin.len()],
        "loaded_at": vec!["2026-01-01T10:05:00Z"; origin.len()],
    })
}

fn temperatures(served: &Served, origin: &[&str]) -> Value {
    let question = json!({"features": ["weather:temp"], "entities": {"origin": origin}});
    served.post("/get-online-features", &question).expect(200)["results"][1]["values"].clone()
}

#[test]
fn what_feasts_remote_store_sends_is_understood() {
    let yard = yard();
    let served = Served::start(&yard);
    // As sent by Feast 0.67 with `online_store: {type: remote}`, byte by byte.
    let post = |path: &str, body: &str| {
        let headers = [
            ("Content-Type", "application/json"),
            ("User-Agent", "python-requests/2.34.2"),
        ];
        served.send("POST", path, &headers, body)
    };
    let written = post("/write-to-online-store", include_str!("data/feast_write.json"));
    assert_eq!(written.expect(200)["rows"], 2);
    let read = post("/get-online-features", include_str!("data/feast_read.json")).expect(200);
    assert_eq!(
        read["metadata"]["feature_names"],
        json!(["origin", "temp", "gusts", "sky"])
    );
    assert_eq!(read["results"][0]["values"], json!(["JFK", "LGA", "XXX"]));
    assert_eq!(read["results"][1]["values"], json!([39.5, null, null]));
    assert_eq!(
        read["results"][1]["statuses"],
        json!(["PRESENT", "PRESENT", "NOT_FOUND"])
    );
    assert_eq!(read["results"][2]["values"], json!([12, 3, null]));
    assert_eq!(read["results"][3]["values"], json!(["clear", "fog", null]));
    assert_eq!(served.send("GET", "/health", &[], "").status, 200);
    assert_eq!(served.send("GET", "/health", &[], "").text(), "OK");
}

#[test]
fn a_push_that_was_answered_survives_a_kill() {
    let yard = yard();
    let served = Served::start(&yard);
    let push = json!({"push_source_name": "weather", "df": rows(&["JFK", "LGA"], &[39.5, 40.0]), "to": "online_and_offline"});
    assert_eq!(served.post("/push", &push).expect(200), json!({"rows": 2}));
    served.kill();
    let served = Served::start(&yard);
    assert_eq!(
        temperatures(&served, &["LGA", "JFK", "EWR"]),
        json!([40.0, 39.5, null])
    );
}

#[test]
fn rows_that_another_process_writes_are_seen_at_once() {
    let yard = yard();
    let served = Served::start(&yard);
    assert_eq!(temperatures(&served, &["JFK"]), json!([null]));
    for temp in 0..5 {
        let row = json!({
            "origin": "JFK", "time_hour": "2026-01-01T10:00:00Z", "loaded_at": null,
            "temp": temp, "gusts": null, "sky": "clear",
        });
        yard.write("rows.ndjson", &format!("{row}\n"));
        yard.trainyard(&["features", "push", "weather", "rows.ndjson"])
            .expect(0);
        assert_eq!(temperatures(&served, &["JFK"]), json!([f64::from(temp)]));
    }
    let seen = yard.json(&[
        "features",
        "get-online",
        "origin=JFK,XXX",
        "-f",
        "weather:temp,weather:gusts",
        "--freshness",
    ]);
    assert_eq!(seen["rows"][0]["values"], json!({"temp": 4.0, "gusts": null}));
    assert_eq!(
        seen["rows"][0]["statuses"],
        json!({"temp": "PRESENT", "gusts": "NULL_VALUE"})
    );
    assert_eq!(
        seen["rows"][1]["statuses"],
        json!({"temp": "NOT_FOUND", "gusts": "NOT_FOUND"})
    );
    assert_eq!(seen["freshness"]["weather"]["is_stale"], true);
}

#[test]
fn rows_are_looked_up_row_by_row_with_features_that_are_computed() {
    let yard = yard();
    let served = Served::start(&yard);
    let push = json!({"push_source_name": "weather", "df": rows(&["JFK"], &[2.5])});
    served.post("/push", &push).expect(200);
    let question = json!({
        "service": "delay", "rows": [{"origin": "JFK", "distance": 4}, {"origin": "XXX", "distance": 4}], "freshness": true,
    });
    let answer = served.post("/api/v1/features/lookup", &question).expect(200);
    assert_eq!(
        answer["rows"],
        json!([
            {
                "values": {"temp": 2.5, "warm": 10.0}, "statuses": {"temp": "PRESENT", "warm": "PRESENT"},
                "event_times": {"weather": "2026-01-01T10:00:00Z"},
            },
            {
                "values": {"temp": null, "warm": null}, "statuses": {"temp": "NOT_FOUND", "warm": "NOT_FOUND"},
                "event_times": {"weather": null},
            },
        ])
    );
    assert_eq!(
        answer["freshness"]["weather"]["newest_event_time"],
        "2026-01-01T10:00:00Z"
    );
    let without = json!({"service": "delay", "rows": [{"origin": "JFK"}]});
    assert_eq!(
        served.post("/api/v1/features/lookup", &without).refused(422),
        "join-key-missing"
    );
}

#[test]
fn definitions_that_change_are_served_without_a_restart() {
    let yard = yard();
    let served = Served::start(&yard);
    let question = json!({"features": ["rain:fallen"], "entities": {"origin": ["JFK"]}});
    let reply = served.post("/get-online-features", &question);
    assert_eq!(reply.refused(404), "feature-view-not-found");
    yard.edit(
        "features/weather.yaml",
        "on_demand:",
        "  rain:\n    entities: [airport]\n    event_time: at\n    online: true\n    features: {fallen: {type: float64}}\non_demand:",
    );
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let reply = served.post("/get-online-features", &question);
        if reply.status == 200 {
            break;
        }
        assert!(std::time::Instant::now() < patience, "{}", reply.text());
        std::thread::yield_now();
    }
}

#[test]
fn huge_and_broken_requests_are_refused() {
    let yard = yard();
    let served = Served::start(&yard);
    let json_type = [("Content-Type", "application/json")];
    let huge = format!("{{\"features\": [\"{}\"]}}", "x".repeat(33 << 20));
    let reply = served.send("POST", "/get-online-features", &json_type, &huge);
    assert_eq!(reply.refused(413), "body-too-large");
    let reply = served.send("POST", "/get-online-features", &json_type, "{\"entities\"");
    assert_eq!(reply.refused(400), "body-not-json");
    let reply = served.send(
        "POST",
        "/get-online-features",
        &[("Content-Type", "text/plain")],
        "{}",
    );
    assert_eq!(reply.refused(415), "content-type-not-json");
    let keys: Vec<String> = (0..10_001).map(|n| n.to_string()).collect();
    let question = json!({"features": ["weather:temp"], "entities": {"origin": keys}});
    assert_eq!(
        served.post("/get-online-features", &question).refused(422),
        "too-many-rows"
    );
    let push = json!({"push_source_name": "weather", "df": {}, "to": "everywhere"});
    assert_eq!(served.post("/push", &push).refused(422), "body-invalid");
}

#[test]
fn a_viewer_may_look_features_up_and_not_push_them() {
    let yard = yard();
    let viewer = yard.json(&["tokens", "create", "eve", "--role", "viewer"]);
    let served = Served::start(&yard);
    let bearer = format!("Bearer {}", viewer["token"].as_str().unwrap());
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let question = json!({"features": ["weather:temp"], "entities": {"origin": ["JFK"]}}).to_string();
    served
        .send("POST", "/get-online-features", &headers, &question)
        .expect(200);
    let rowwise = json!({"features": ["weather:temp"], "rows": [{"origin": "JFK"}]}).to_string();
    served
        .send("POST", "/api/v1/features/lookup", &headers, &rowwise)
        .expect(200);
    let push = json!({"push_source_name": "weather", "df": rows(&["JFK"], &[1.0])}).to_string();
    assert_eq!(
        served.send("POST", "/push", &headers, &push).refused(403),
        "role-too-low"
    );
    assert_eq!(
        served
            .send("POST", "/get-online-features", &headers[1..], &question)
            .refused(401),
        "token-missing-or-invalid"
    );
}

#[test]
fn a_damaged_store_is_named_and_the_server_goes_on() {
    let yard = yard();
    yard.write(".trainyard/features.online", &"no store ".repeat(2_000));
    let served = Served::start(&yard);
    let question = json!({"features": ["weather:temp"], "entities": {"origin": ["JFK"]}});
    let reply = served.post("/get-online-features", &question);
    assert_eq!(reply.refused(500), "online-store-unusable");
    assert!(
        reply.text().contains("features.online is damaged"),
        "{}",
        reply.text()
    );
    served.get("/readyz").expect(200);
}
