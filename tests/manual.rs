//! Runs that people start by a manual trigger, and who may.

use crate::http::{Reply, Served};
use crate::yard::Yard;
use serde_json::{Value, json};

fn yard() -> Yard {
    Yard::with(
        "version: 1\nname: test\nparams:\n  minutes: {type: integer, default: 15, min: 1, max: 60, description: How late is late}\n\
         triggers:\n  by_hand: {type: manual, roles: [data_engineer, ml_engineer]}\n\
         steps:\n  only: {uses: debug.noop@v1}\n",
    )
}

fn token(yard: &Yard, name: &str, roles: &str) -> String {
    let mut args = vec!["tokens", "create", name];
    if !roles.is_empty() {
        args.extend(["--roles", roles]);
    }
    yard.json(&args)["token"].as_str().unwrap().to_owned()
}

fn ask(served: &Served, token: &str, method: &str, path: &str, body: &Value, key: Option<&str>) -> Reply {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    let body = if method == "GET" {
        String::new()
    } else {
        body.to_string()
    };
    served.send(method, path, &headers, &body)
}

const TRIGGER: &str = "/api/v1/pipelines/test/triggers/by_hand";

#[test]
fn whoever_has_one_of_the_roles_starts_a_run_and_nobody_else_does() {
    let yard = yard();
    let engineer = token(&yard, "ada", "ml_engineer,on_call");
    let stranger = token(&yard, "eve", "");
    let served = Served::start(&yard);
    let start = |token: &str, body: Value, key| ask(&served, token, "POST", TRIGGER, &body, key);

    let made = start(&engineer, json!({ "params": { "minutes": 20 } }), Some("k")).expect(202);
    assert_eq!(made["verdict"], "started");
    let again = start(&engineer, json!({ "params": { "minutes": 20 } }), Some("k")).expect(202);
    assert_eq!(
        (&again["verdict"], &again["run"]),
        (&json!("repeated"), &made["run"])
    );

    let refused = start(&stranger, json!({}), Some("k"));
    assert_eq!(refused.refused(403), "role-missing");
    assert!(
        refused
            .text()
            .contains("eve has none of the roles data_engineer, ml_engineer")
    );
    // The way around is closed, too.
    let around = ask(
        &served,
        &stranger,
        "POST",
        "/api/v1/runs",
        &json!({ "pipeline": "test" }),
        None,
    );
    assert_eq!(around.refused(403), "role-missing");
    let straight = ask(
        &served,
        &engineer,
        "POST",
        "/api/v1/runs",
        &json!({ "pipeline": "test" }),
        None,
    );
    assert_eq!(straight.status, 201, "{}", straight.text());

    let run = format!("/api/v1/runs/{}", made["run"].as_str().unwrap());
    let document = ask(&served, &engineer, "GET", &run, &Value::Null, None).expect(200);
    assert_eq!(document["by"], "ada");
    assert_eq!(document["params"]["minutes"], 20);
    assert_eq!(document["not_obeyed"], json!([]));
    let page = ask(
        &served,
        &engineer,
        "GET",
        "/api/v1/triggers/history",
        &Value::Null,
        None,
    )
    .expect(200);
    let told: Vec<(&str, &str)> = page["firings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|firing| {
            (
                firing["verdict"].as_str().unwrap(),
                firing["reason"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("refused", "eve has none of the roles data_engineer, ml_engineer"),
            ("started", "ada asked for it"),
        ]
    );
}

#[test]
fn a_trigger_shows_its_form_and_takes_what_fits_it() {
    let yard = yard();
    let stranger = token(&yard, "eve", "analyst");
    let engineer = token(&yard, "ada", "data_engineer");
    let served = Served::start(&yard);
    let shown = ask(&served, &engineer, "GET", TRIGGER, &Value::Null, None).expect(200);
    assert_eq!(shown["may_start"], true);
    assert_eq!(shown["roles"], json!(["data_engineer", "ml_engineer"]));
    assert_eq!(
        shown["form"]["properties"]["minutes"],
        json!({"type": "integer", "minimum": 1, "maximum": 60, "description": "How late is late", "default": 15})
    );
    let shown = ask(&served, &stranger, "GET", TRIGGER, &Value::Null, None).expect(200);
    assert_eq!(shown["may_start"], false);

    for (params, why) in [
        (json!({ "minutes": "many" }), "the param `minutes` is"),
        (json!({ "minutes": 99 }), "the param `minutes` is"),
        (json!({ "hours": 1 }), "there is no param `hours`"),
    ] {
        let refused = ask(
            &served,
            &engineer,
            "POST",
            TRIGGER,
            &json!({ "params": params }),
            None,
        );
        assert_eq!(refused.refused(422), "start-refused");
        assert!(refused.text().contains(why), "{}", refused.text());
    }
    let other = "/api/v1/pipelines/test/triggers/other";
    let missing = ask(&served, &engineer, "POST", other, &json!({}), None);
    assert_eq!(missing.refused(404), "trigger-not-found");
}

#[test]
fn without_tokens_there_is_nobody_to_tell_apart() {
    let yard = yard();
    let served = Served::start(&yard);
    let made = served.post(TRIGGER, &json!({})).expect(202);
    let document = served.ended(made["run"].as_str().unwrap());
    assert_eq!(document["by"], "tester");
}
