//! Breaches of alerts that are told to the server, and the runs that alert triggers start of them.

use crate::http::Served;
use crate::yard::Yard;
use serde_json::{Value, json};

/// Two pipelines that wait for the same alert, the second under its whole name.
fn yard(limits: &str) -> Yard {
    let yard = Yard::empty();
    yard.write("trainyard.yaml", "version: 1\nname: test\n");
    yard.write(
        "pipelines/watched.yaml",
        &format!(
            "version: 1\nname: watched\nparams:\n  why: {{type: string, default: none}}\n\
             alerts:\n  drift: {{target: {{dataset: rows, columns: [a]}}, statistic: psi, operator: '>', limit: 0.2}}\n\
             datasets:\n  rows: {{path: rows.csv, format: csv}}\n\
             triggers:\n  retrain: {{type: alert, alerts: [drift]{limits}, params: {{why: '${{{{ event.detail.column }}}}'}}}}\n\
             steps:\n  only: {{uses: debug.noop@v1}}\n"
        ),
    );
    yard.write(
        "pipelines/follower.yaml",
        "version: 1\nname: follower\ntriggers:\n  react: {type: alert, alerts: [watched.drift], max_runs: {limit: 1, per: 1d}}\n\
         steps:\n  only: {uses: debug.noop@v1}\n",
    );
    yard.write("rows.csv", "a\n1\n");
    yard
}

const DRIFT: &str = "/api/v1/pipelines/watched/alerts/drift";

fn breach(served: &Served, id: &str) -> Value {
    served
        .post(
            DRIFT,
            &json!({ "breach": id, "detail": { "column": "amount", "psi": 0.31 } }),
        )
        .expect(202)
}

fn verdict<'a>(answer: &'a Value, pipeline: &str) -> &'a Value {
    let all = answer["triggers"].as_array().unwrap();
    all.iter().find(|found| found["pipeline"] == pipeline).unwrap()
}

#[test]
fn a_breach_starts_the_runs_that_wait_for_it_once() {
    let yard = yard("");
    let served = Served::start(&yard);
    let first = breach(&served, "b1");
    let own = verdict(&first, "watched");
    assert_eq!(own["verdict"], "started", "{first}");
    let document = served.ended(own["run"].as_str().unwrap());
    assert_eq!(document["params"]["why"], "amount");
    assert_eq!(verdict(&first, "follower")["verdict"], "started");

    let again = breach(&served, "b1");
    assert_eq!(verdict(&again, "watched")["verdict"], "repeated");
    assert_eq!(verdict(&again, "watched")["run"], own["run"]);

    let second = breach(&served, "b2");
    assert_eq!(verdict(&second, "watched")["verdict"], "started");
    let held = verdict(&second, "follower");
    assert_eq!(
        (&held["verdict"], &held["run"]),
        (&json!("max_runs"), &Value::Null)
    );
    // What was held back stays so when it is told again.
    assert_eq!(verdict(&breach(&served, "b2"), "follower")["verdict"], "repeated");
    let runs = served.get("/api/v1/runs?limit=500").expect(200);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 3);
}

#[test]
fn an_alert_that_flaps_starts_what_the_policy_allows_and_history_says_why_not_more() {
    let yard = yard(", cooldown: 24h, max_runs: {limit: 2, per: 7d}");
    let served = Served::start(&yard);
    for number in 0..60 {
        breach(&served, &format!("flap-{number}"));
    }
    let page = served
        .get("/api/v1/triggers/history?pipeline=watched&limit=500")
        .expect(200);
    let firings = page["firings"].as_array().unwrap();
    let count = |verdict: &str| {
        firings
            .iter()
            .filter(|firing| firing["verdict"] == verdict)
            .count()
    };
    assert_eq!((count("started"), count("cooldown"), firings.len()), (1, 59, 60));
    let reason = firings[0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("alert `drift`; the last run started at "),
        "{reason}"
    );
    // A server that comes back remembers.
    assert_eq!(served.terminate(), Some(0));
    let served = Served::start(&yard);
    assert_eq!(
        verdict(&breach(&served, "flap-0"), "watched")["verdict"],
        "repeated"
    );
    assert_eq!(
        verdict(&breach(&served, "after"), "watched")["verdict"],
        "cooldown"
    );
}

#[test]
fn an_alert_that_nobody_declared_and_a_breach_without_a_name_are_refused() {
    let yard = yard("");
    let served = Served::start(&yard);
    let unknown = served.post(
        "/api/v1/pipelines/watched/alerts/other",
        &json!({ "breach": "b" }),
    );
    assert_eq!(unknown.refused(404), "alert-not-found");
    let nobody = served.post("/api/v1/pipelines/nobody/alerts/drift", &json!({ "breach": "b" }));
    assert_eq!(nobody.refused(404), "pipeline-not-found");
    for bad in [json!({}), json!({ "breach": "" }), json!({ "breach": 5 })] {
        assert_eq!(served.post(DRIFT, &bad).refused(422), "body-invalid", "{bad}");
    }
    let viewer = yard.json(&["tokens", "create", "looker", "--role", "viewer"]);
    let bearer = format!("Bearer {}", viewer["token"].as_str().unwrap());
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    // Tokens are read again within a second.
    let refused = loop {
        let reply = served.send("POST", DRIFT, &headers, r#"{"breach": "x"}"#);
        if reply.status == 403 {
            break reply;
        }
        assert_eq!(reply.status, 202, "{}", reply.text());
    };
    assert_eq!(refused.refused(403), "role-too-low");
}
