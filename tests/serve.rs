//! `trainyard serve` over HTTP.

use crate::http::Served;
use crate::yard::Yard;
use serde_json::{Value, json};

const SMALL: &str = r#"
version: 1
name: test
params:
  word: {type: string, default: hello}
steps:
  first: {uses: debug.noop@v1}
  say:
    needs: [first]
    run: echo "$WORD" | tee "$OUT_words"
    env: {WORD: "${{ params.word }}"}
    outputs: {words: {type: file}}
"#;

/// Runs until somebody writes the file `go`.
const PATIENT: &str = r#"
version: 1
name: test
steps:
  wait:
    run: |
      echo started
      while [ ! -e "$PROJECT/go" ]; do sleep 0.05; done
      echo done >> "$PROJECT/effects"
    env: {PROJECT: "@PROJECT@"}
"#;

fn patient() -> Yard {
    let yard = Yard::with("");
    let text = PATIENT.replace("@PROJECT@", &yard.path().display().to_string());
    yard.write("pipeline.yaml", &text);
    yard
}

/// Asks for a run of the patient pipeline and waits until it works.
fn working(served: &Served) -> String {
    let mut events = served.events(None);
    let run = served.run("test");
    events.until(|told| told.event == "attempt_started" && told.data["run"] == run.as_str());
    run
}

fn count(served: &Served, run: &str, event: &str) -> usize {
    let page = served.get(&format!("/api/v1/runs/{run}/events")).expect(200);
    let events = page["events"].as_array().unwrap();
    events.iter().filter(|found| found["event"] == event).count()
}

#[test]
fn a_run_that_is_asked_for_is_queued_carried_out_and_told_of() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let mut events = served.events(None);
    let reply = served.post(
        "/api/v1/runs",
        &json!({ "pipeline": "test", "params": { "word": "good day" } }),
    );
    let line = reply.expect(201);
    assert_eq!(line["status"], "queued");
    let run = line["id"].as_str().unwrap().to_owned();
    assert_eq!(
        reply.header("location"),
        Some(format!("/api/v1/runs/{run}").as_str())
    );
    let mut seen = Vec::new();
    loop {
        let told = events.next();
        if told.data["run"] == run.as_str() {
            seen.push(told.event.clone());
        }
        if told.event == "run_ended" {
            assert_eq!(told.data["outcome"], "succeeded");
            break;
        }
    }
    assert_eq!(
        seen,
        [
            "run_started",
            "attempt_started",
            "attempt_succeeded",
            "attempt_started",
            "attempt_succeeded",
            "run_ended"
        ]
    );
    let document = served.ended(&run);
    assert_eq!(document["status"], "succeeded");
    assert_eq!(document["params"], json!({ "word": "good day" }));
    assert_eq!(document["steps"][1]["needs"], json!(["first"]));
    assert_eq!(
        served.get(&format!("/api/v1/runs/{run}/logs?step=say")).text(),
        "good day\n"
    );
    let listed = served
        .get("/api/v1/runs?pipeline=test&status=succeeded")
        .expect(200);
    assert_eq!(listed["runs"][0]["id"], run.as_str());
    // The same home, the same run.
    assert_eq!(yard.json(&["runs", "show"])["status"], "succeeded");
}

#[test]
fn a_request_that_is_sent_again_under_its_key_starts_nothing() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let send = |body: &Value| {
        let headers = [
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "monday"),
        ];
        served.send("POST", "/api/v1/runs", &headers, &body.to_string())
    };
    let first = send(&json!({ "pipeline": "test" })).expect(201);
    let again = send(&json!({ "pipeline": "test" }));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(200)["id"], first["id"]);
    let other = send(&json!({ "pipeline": "test", "params": { "word": "other" } }));
    assert_eq!(other.refused(422), "idempotency-key-taken");
    assert_eq!(
        served.get("/api/v1/runs").expect(200)["runs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_request_that_is_sent_again_is_answered_though_it_would_be_refused_by_now() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let send = || {
        let headers = [
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "monday"),
        ];
        let body = json!({ "pipeline": "test" }).to_string();
        served.send("POST", "/api/v1/runs", &headers, &body)
    };
    let first = send().expect(201);
    std::fs::remove_file(yard.path().join("pipeline.yaml")).unwrap();
    served
        .post("/api/v1/runs", &json!({ "pipeline": "test" }))
        .refused(404);
    let again = send();
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(200)["id"], first["id"]);
}

#[test]
fn a_run_whose_server_was_killed_ends_once_under_the_next() {
    let yard = patient();
    let served = Served::start(&yard);
    let run = working(&served);
    served.kill();
    let served = Served::start(&yard);
    // Only now is what the dead server had started surely gone; until then it would see the file.
    let is_lost = (0..10_000).any(|_| count(&served, &run, "attempt_lost") == 1);
    assert!(is_lost);
    yard.write("go", "");
    assert_eq!(served.ended(&run)["status"], "succeeded");
    assert_eq!(count(&served, &run, "run_started"), 1);
    assert_eq!(count(&served, &run, "attempt_lost"), 1);
    assert_eq!(count(&served, &run, "run_ended"), 1);
    assert_eq!(yard.read("effects"), "done\n");
}

#[test]
fn a_server_that_is_asked_to_end_gives_its_runs_back_and_the_next_goes_on() {
    let yard = patient();
    let served = Served::start(&yard);
    let run = working(&served);
    assert_eq!(served.terminate(), Some(0));
    yard.write("go", "");
    let served = Served::start(&yard);
    assert_eq!(served.ended(&run)["status"], "succeeded");
    assert_eq!(yard.read("effects"), "done\n");
}

#[test]
fn a_faulty_file_leaves_the_last_good_version_in_place_also_for_the_next_server() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let good = served.get("/api/v1/pipelines/test").expect(200);
    yard.edit("pipeline.yaml", "debug.noop@v1", "debug.nop@v1");
    // A run looks at the folder first, so the edit is known from here on.
    let run = served.run("test");
    assert_eq!(served.ended(&run)["version"], good["version"]);
    let judge = |served: &Served| {
        let stale = served.get("/api/v1/pipelines/test").expect(200);
        assert_eq!(
            (&stale["is_stale"], &stale["version"]),
            (&json!(true), &good["version"])
        );
        assert_eq!(stale["diagnostics"][0]["code"], "S02/unknown-uses");
        assert_eq!(stale["diagnostics"][0]["line"], 7);
        let ready = served.get("/readyz").expect(200);
        let trouble = ready["pipelines"]["trouble"][0].as_str().unwrap();
        assert!(trouble.starts_with("pipeline.yaml:7: "), "{trouble}");
    };
    judge(&served);
    drop(served);
    let served = Served::start(&yard);
    judge(&served);
    let run = served.run("test");
    assert_eq!(served.ended(&run)["version"], good["version"]);
    yard.edit("pipeline.yaml", "debug.nop@v1", "debug.noop@v1");
    served.run("test");
    assert_eq!(
        served.get("/api/v1/pipelines/test").expect(200)["is_stale"],
        false
    );
}

#[test]
fn a_paused_pipeline_starts_nothing_until_it_is_resumed_whoever_does_either() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    yard.trainyard(&["pipelines", "pause", "test", "-m", "holiday"])
        .expect(0);
    assert_eq!(
        served.get("/api/v1/pipelines/test").expect(200)["paused"]["reason"],
        "holiday"
    );
    let run = served.run("test");
    // Another pipeline's run goes past it, so the engine has looked into the queue since.
    yard.write("other.yaml", &SMALL.replace("name: test", "name: other"));
    let other = served.run("other");
    served.ended(&other);
    assert_eq!(
        served.get(&format!("/api/v1/runs/{run}")).expect(200)["status"],
        "queued"
    );
    served
        .post("/api/v1/pipelines/test/resume", &json!({}))
        .expect(200);
    assert_eq!(served.ended(&run)["status"], "succeeded");
}

#[test]
fn commands_on_the_same_home_reach_the_runs_of_the_server() {
    let yard = patient();
    let served = Served::start(&yard);
    let run = working(&served);
    yard.trainyard(&["runs", "cancel", &run]).expect(0);
    assert_eq!(served.ended(&run)["status"], "cancelled");
    yard.write("go", "");
    served
        .post(&format!("/api/v1/runs/{run}/retry"), &json!({}))
        .expect(202);
    let mut events = served.events(None);
    while served.get(&format!("/api/v1/runs/{run}")).expect(200)["status"] != "succeeded" {
        events.until(|told| told.event == "run_ended");
    }
    assert_eq!(
        served
            .post(&format!("/api/v1/runs/{run}/retry"), &json!({}))
            .refused(409),
        "run-succeeded"
    );
    assert_eq!(
        served
            .post(&format!("/api/v1/runs/{run}/cancel"), &json!({}))
            .refused(409),
        "run-over"
    );
    // A run in a process of its own is nothing to the server.
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
}

#[test]
fn a_gate_is_answered_over_http_and_only_where_it_asks() {
    let yard = Yard::with(
        "version: 1\nname: test\nsteps:\n  gate: {uses: gate.approval@v1, with: {roles: [risk]}}\n  after: {uses: debug.noop@v1, needs: [gate]}\n",
    );
    let served = Served::start(&yard);
    let mut events = served.events(None);
    let run = served.run("test");
    events.until(|told| told.event == "approval_asked");
    let waiting = served.get("/api/v1/approvals").expect(200);
    assert_eq!(waiting["approvals"][0]["step"], "gate");
    assert_eq!(waiting["approvals"][0]["roles"], json!(["risk"]));
    let answer =
        |step: &str, body: &Value| served.post(&format!("/api/v1/runs/{run}/steps/{step}/approval"), body);
    assert_eq!(
        answer("gate", &json!({ "decision": "approve" })).refused(409),
        "answer-refused"
    );
    assert_eq!(
        answer("after", &json!({ "decision": "approve" })).refused(409),
        "answer-refused"
    );
    assert_eq!(
        answer("no", &json!({ "decision": "approve" })).refused(404),
        "step-not-found"
    );
    assert_eq!(
        answer("gate", &json!({ "decision": "maybe" })).refused(422),
        "body-invalid"
    );
    answer("gate", &json!({ "decision": "approve", "role": "risk" })).expect(202);
    assert_eq!(served.ended(&run)["status"], "succeeded");
}

#[test]
fn a_listener_that_comes_back_goes_on_where_it_was() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let mut events = served.events(None);
    let run = served.run("test");
    let first = events.until(|told| told.event == "run_started");
    served.ended(&run);
    let mut again = served.events(first.id.as_deref());
    assert_eq!(again.next().event, "attempt_started");
    again.until(|told| told.event == "run_ended");
    assert_eq!(served.events(Some("00000000-5")).next().event, "reset");
}

#[test]
fn results_and_logs_are_sent_whole_in_part_or_not_again() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let run = served.run("test");
    let document = served.ended(&run);
    let output = &document["steps"][1]["outputs"][0];
    let path = output["href"].as_str().unwrap();
    let whole = served.get(path);
    assert_eq!((whole.status, whole.text().as_str()), (200, "hello\n"));
    let disposition = whole.header("content-disposition").unwrap();
    assert!(
        disposition.starts_with("attachment; filename=\"say.words"),
        "{disposition}"
    );
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    let tag = whole.header("etag").unwrap().to_owned();
    assert_eq!(
        served.send("GET", path, &[("If-None-Match", &tag)], "").status,
        304
    );
    let part = served.send("GET", path, &[("Range", "bytes=1-3")], "");
    assert_eq!((part.status, part.text().as_str()), (206, "ell"));
    assert_eq!(part.header("content-range"), Some("bytes 1-3/6"));
    assert_eq!(
        served
            .send("GET", path, &[("Range", "bytes=9-")], "")
            .refused(416),
        "range-outside"
    );
    let log = served.send(
        "GET",
        &format!("/api/v1/runs/{run}/logs?step=say&follow=true"),
        &[],
        "",
    );
    assert_eq!(log.text(), "hello\n");
    for bad in [
        "../../../../etc/passwd",
        "..%2f..%2fstate.db",
        "%2e%2e%2f%2e%2e",
        "say%00",
        "say/../../../x",
        "%252e%252e%252f",
    ] {
        let reply = served.get(&format!("/api/v1/runs/{run}/steps/{bad}/outputs/words"));
        assert_eq!(reply.status, 404, "{bad}: {}", reply.text());
        let reply = served.get(&format!("/api/v1/runs/{run}/logs?step={bad}"));
        assert_eq!(reply.status, 404, "{bad}: {}", reply.text());
    }
    // A document that has not changed is not sent again either.
    let listed = served.get("/api/v1/runs");
    let tag = listed.header("etag").unwrap();
    assert_eq!(
        served
            .send("GET", "/api/v1/runs", &[("If-None-Match", tag)], "")
            .status,
        304
    );
}

#[test]
fn pages_lead_through_all_runs_once() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let mut made: Vec<String> = (0..5).map(|_| served.run("test")).collect();
    made.reverse();
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = served.get(&format!("/api/v1/runs?limit=2{cursor}")).expect(200);
        let runs = page["runs"].as_array().unwrap();
        assert!(runs.len() <= 2);
        found.extend(runs.iter().map(|run| run["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, made);
    for bad in [
        "limit=0",
        "limit=9999",
        "limit=x",
        "status=odd",
        "cursor=x",
        "pipeline=A%20b",
        "nonsense=1",
    ] {
        assert_eq!(
            served.get(&format!("/api/v1/runs?{bad}")).refused(400),
            "query-invalid",
            "{bad}"
        );
    }
}

#[test]
fn what_keeps_a_pipeline_from_running_is_said_by_its_place() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let ask = |body: Value| served.post("/api/v1/runs", &body);
    let wrong = ask(json!({ "pipeline": "test", "params": { "word": 5, "wrd": "x" } }));
    assert_eq!(wrong.refused(422), "pipeline-not-bound");
    let errors = wrong.json()["errors"].clone();
    assert_eq!(errors[0]["help"], "did you mean `word`?");
    assert_eq!(errors[1]["at"], "params.word");
    assert_eq!(
        ask(json!({ "pipeline": "tset" })).json()["help"],
        "did you mean `test`?"
    );
    assert_eq!(
        ask(json!({ "pipeline": "test", "select": "sya" })).refused(422),
        "selection-invalid"
    );
    assert_eq!(ask(json!({})).refused(422), "pipeline-missing");
    assert_eq!(
        ask(json!({ "pipeline": "test", "more": 1 })).refused(422),
        "body-invalid"
    );
    let broken = served.send(
        "POST",
        "/api/v1/runs",
        &[("Content-Type", "application/json")],
        "{",
    );
    assert_eq!(broken.refused(400), "body-not-json");
    let large = json!({ "pipeline": "x".repeat(2 << 20) });
    assert_eq!(ask(large).refused(413), "body-too-large");
    let plan = served.post(
        "/api/v1/pipelines/test/plan",
        &json!({ "params": { "word": "x" } }),
    );
    assert_eq!(plan.expect(200)["steps"].as_array().map(Vec::len), Some(2));
    let form = served.get("/api/v1/pipelines/test/params").expect(200);
    assert_eq!(
        form["properties"]["word"],
        json!({ "type": "string", "default": "hello" })
    );
}

/// A way from dev over uat to prod; nothing in prod is asked for by hand.
const PROMOTED: &str = "\
version: 1
name: test
environments:
  dev: {}
  uat: {promote_from: dev, required_approvals: {roles: [risk], min: 1}}
  prod: {promote_from: uat, read_only: true}
triggers:
  often: {type: schedule, every: 1s}
steps:
  only: {uses: debug.noop@v1}
";

#[test]
fn what_an_environment_asks_is_asked_of_runs_over_http_as_well() {
    let yard = Yard::with(&PROMOTED.replace("triggers:\n  often: {type: schedule, every: 1s}\n", ""));
    let served = Served::start(&yard);
    let ask = |environment: &str| {
        let body = json!({ "pipeline": "test", "environment": environment });
        served.post("/api/v1/runs", &body)
    };
    let early = ask("uat");
    assert_eq!(early.refused(422), "run-not-admitted");
    assert_eq!(
        early.json()["detail"],
        "`uat` takes only what has succeeded in `dev`, and this version has not"
    );
    let dev = ask("dev").expect(201);
    served.ended(dev["id"].as_str().unwrap());
    let mut events = served.events(None);
    let uat = ask("uat").expect(201)["id"].as_str().unwrap().to_owned();
    events.until(|told| told.event == "approval_asked");
    let gate = format!("/api/v1/runs/{uat}/steps/promotion/approval");
    let answer = json!({ "decision": "approve", "role": "risk" });
    served.post(&gate, &answer).expect(202);
    assert_eq!(served.ended(&uat)["status"], "succeeded");
    // Agreed once, it is not asked again.
    let again = ask("uat").expect(201)["id"].as_str().unwrap().to_owned();
    assert_eq!(served.ended(&again)["counts"]["total"], 1);
    let prod = ask("prod");
    assert_eq!(prod.refused(422), "run-not-admitted");
    assert_eq!(
        prod.json()["detail"],
        "`prod` is read-only: what runs there comes from a saved plan"
    );
}

#[test]
fn a_trigger_may_start_what_is_read_only_but_not_what_was_never_promoted() {
    let yard = Yard::with(PROMOTED);
    yard.write(
        "trainyard.yaml",
        "version: 1\nname: test\ndefault_environment: prod\n",
    );
    let served = Served::start(&yard);
    let mut events = served.events(None);
    let fired = events.until(|told| told.event == "trigger_fired");
    let message = fired.data["message"].as_str().unwrap();
    assert!(
        message.contains("refused: `prod` takes only what has succeeded in `uat`"),
        "{message}"
    );
    yard.edit("pipeline.yaml", "promote_from: uat, ", "");
    let fired = events.until(|told| told.event == "trigger_fired" && told.data["run"].is_string());
    let run = served.ended(fired.data["run"].as_str().unwrap());
    assert_eq!(run["environment"], "prod");
}

#[test]
fn a_run_over_http_that_is_beyond_its_budget_is_refused() {
    let yard = Yard::with(SMALL);
    let prices = "version: 1\nname: test\nprices: {currency: USD, cpu_hour: 1000000000}\n";
    yard.write("trainyard.yaml", prices);
    let served = Served::start(&yard);
    let run = served.run("test");
    assert_eq!(served.ended(&run)["status"], "succeeded");
    let budget = "name: test\nbudget: {per_run: 0.01, currency: USD, on_exceed: stop}\n";
    yard.edit("pipeline.yaml", "name: test\n", budget);
    let body = json!({ "pipeline": "test", "params": { "word": "other" } });
    assert_eq!(served.post("/api/v1/runs", &body).refused(422), "over-budget");
    let plan = served.post("/api/v1/pipelines/test/plan", &body).expect(200);
    let note = plan["checks"]["notes"][0].as_str().unwrap();
    assert!(note.starts_with("warning[C01/over-budget]: ~ "), "{note}");
}

#[test]
fn a_run_over_http_that_is_late_or_beyond_its_budget_goes_on_and_says_so() {
    let yard = Yard::with(SMALL);
    let prices = "version: 1\nname: test\nprices: {currency: USD, cpu_hour: 1000000000}\n";
    yard.write("trainyard.yaml", prices);
    let bounds =
        "name: test\nbudget: {per_month: 0.01, currency: USD, on_exceed: notify}\nsla: {max_duration: 1ms}\n";
    yard.edit("pipeline.yaml", "name: test\n", bounds);
    let served = Served::start(&yard);
    let run = served.run("test");
    let first = served.ended(&run);
    assert_eq!(first["over_budget"], Value::Null, "{first:#}");
    assert_eq!(first["late"][0]["limit"], "max_duration", "{first:#}");
    let body = json!({ "pipeline": "test", "params": { "word": "other" } });
    let second = served.post("/api/v1/runs", &body).expect(201);
    let second = served.ended(second["id"].as_str().unwrap());
    assert_eq!(second["status"], "succeeded", "{second:#}");
    let warning = second["over_budget"].as_str().unwrap();
    assert!(warning.contains("; month "), "{warning}");
}

#[test]
fn pages_of_other_sites_can_neither_read_nor_change_anything() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let json_type = ("Content-Type", "application/json");
    let body = r#"{"pipeline": "test"}"#;
    for host in [
        "evil.example",
        "localhost.evil.example:80",
        "127.0.0.1.nip.io",
        "",
    ] {
        let reply = served.send("GET", "/api/v1/runs", &[("Host", host)], "");
        assert_eq!(reply.refused(421), "host-unknown", "{host}");
    }
    for headers in [
        vec![json_type, ("Origin", "http://evil.example")],
        vec![json_type, ("Origin", "null")],
        vec![json_type, ("Sec-Fetch-Site", "cross-site")],
    ] {
        let reply = served.send("POST", "/api/v1/runs", &headers, body);
        assert_eq!(reply.refused(403), "origin-foreign", "{headers:?}");
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let reply = served.send("POST", "/api/v1/runs", &[("Content-Type", kind)], body);
        assert_eq!(reply.refused(415), "content-type-not-json", "{kind}");
    }
    assert_eq!(
        served.send("POST", "/api/v1/runs", &[], body).refused(415),
        "content-type-not-json"
    );
    assert!(
        served
            .get("/api/v1/runs")
            .header("access-control-allow-origin")
            .is_none()
    );
    assert_eq!(served.get("/api/v1/runs").expect(200)["runs"], json!([]));
}

#[test]
fn an_address_that_others_reach_wants_a_token_first() {
    let yard = Yard::with(SMALL);
    let refused = yard.trainyard(&["serve", "--listen", "0.0.0.0:0"]).expect(2);
    assert!(refused.err.contains("trainyard tokens create"), "{refused}");
}

#[test]
fn once_there_is_a_token_every_route_wants_a_valid_one() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let token = |name: &str, role: &str| {
        let made = yard.json(&["tokens", "create", name, "--role", role]);
        made["token"].as_str().unwrap().to_owned()
    };
    let operator = token("ci", "operator");
    let viewer = token("eve", "viewer");
    drop(served);
    let served = Served::start(&yard);
    let with = |method: &str, path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        served.send(method, path, &headers, r#"{"pipeline": "test"}"#)
    };
    let document = with("GET", "/api/openapi.json", &viewer).expect(200);
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if matches!(path.as_str(), "/healthz" | "/readyz" | "/health") {
            continue;
        }
        let path = path.replace(['{', '}'], "");
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let garbage = format!("{operator}0");
            for wrong in ["nothing", "", "ty__", &garbage] {
                let reply = with(&method, &path, wrong);
                assert_eq!(reply.refused(401), "token-missing-or-invalid", "{method} {path}");
                assert!(reply.header("www-authenticate").is_some());
            }
            // Questions that do not fit into an address.
            let only_looks = matches!(path.as_str(), "/get-online-features" | "/api/v1/features/lookup");
            if method != "GET" && !only_looks {
                assert_eq!(
                    with(&method, &path, &viewer).refused(403),
                    "role-too-low",
                    "{method} {path}"
                );
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
    assert_eq!(served.get("/api/openapi.json").status, 401);
    let ready = served.get("/readyz").expect(200);
    assert!(ready["pipelines"].get("trouble").is_none());
    let made = with("POST", "/api/v1/runs", &operator).expect(201);
    assert_eq!(made["by"], "ci");
    yard.trainyard(&["tokens", "revoke", "ci"]).expect(0);
    yard.trainyard(&["tokens", "revoke", "eve"]).expect(0);
    drop(served);
    // The last token is gone, and the server does not open by that.
    let served = Served::start(&yard);
    assert_eq!(served.get("/api/v1/runs").status, 401);
    let secret = operator.rsplit('_').next().unwrap();
    let state = std::fs::read(yard.home().join("state.db")).unwrap();
    assert!(!String::from_utf8_lossy(&state).contains(secret));
}

#[test]
fn the_document_and_the_routes_are_in_step() {
    let yard = Yard::with(SMALL);
    let served = Served::start(&yard);
    let document = served.get("/api/openapi.json").expect(200);
    assert_eq!(yard.json(&["openapi"]), document);
    for (path, item) in document["paths"].as_object().unwrap() {
        let filled = path
            .replace("{pipeline}", "test")
            .replace("{run}", "latest")
            .replace("{step}", "say")
            .replace("{output}", "words")
            .replace("{model}", "m")
            .replace("{version}", "1")
            .replace("{trigger}", "by_hand")
            .replace("{alert}", "drift")
            .replace("{backfill}", "latest")
            .replace("{notice}", "1")
            .replace("{subscription}", "mine")
            .replace("{channel}", "oncall");
        assert!(!filled.contains('{'), "{path}");
        let declared: Vec<String> = item
            .as_object()
            .unwrap()
            .keys()
            .map(|m| m.to_uppercase())
            .collect();
        for method in ["PUT", "PATCH", "DELETE", "POST", "GET"] {
            if method == "GET" && path == "/api/v1/events" {
                continue;
            }
            let reply = served.send(method, &filled, &[("Content-Type", "application/json")], "{}");
            if declared.iter().any(|own| own == method) {
                assert_ne!(reply.status, 405, "{method} {path}");
                if reply.status == 404 {
                    assert_ne!(reply.refused(404), "not-found", "{method} {path}");
                }
            } else {
                assert_eq!(reply.refused(405), "method-not-allowed", "{method} {path}");
                assert!(reply.header("allow").is_some(), "{method} {path}");
            }
        }
    }
    assert_eq!(served.get("/api/v1/nothing").refused(404), "not-found");
    assert!(served.get("/").text().contains("/api/openapi.json"));
    let metrics = served.get("/metrics").text();
    for name in [
        "trainyard_queue_runs 0",
        "trainyard_pipelines{state=\"good\"} 1",
        "process_open_fds",
    ] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
}

#[test]
fn what_goes_on_is_counted_also_where_another_server_began_it() {
    let yard = patient();
    let served = Served::start(&yard);
    let run = working(&served);
    served.kill();
    let served = Served::start(&yard);
    let mut events = served.events(None);
    while count(&served, &run, "attempt_started") < 2 {
        events.until(|told| told.event == "attempt_started");
    }
    let metrics = |line: &str| served.get("/metrics").text().lines().any(|found| found == line);
    assert!(metrics("trainyard_runs_active 1") && metrics("trainyard_attempts_running 1"));
    yard.write("go", "");
    served.ended(&run);
    assert!(metrics("trainyard_runs_active 0") && metrics("trainyard_attempts_running 0"));
}

#[test]
fn progress_is_told_by_the_name_of_the_step() {
    let yard = Yard::with(
        "version: 1\nname: test\nsteps:\n  first: {uses: debug.noop@v1}\n  \
         large: {uses: debug.noop@v1, needs: [first], with: {allocate: 4Mi}}\n",
    );
    let served = Served::start(&yard);
    let mut events = served.events(None);
    let run = served.run("test");
    let told = events.until(|told| told.event == "progress" || told.event == "run_ended");
    assert_eq!(
        (&told.data["run"], &told.data["instance"]),
        (&json!(run), &json!("large"))
    );
    assert_eq!(told.data["pipeline"], "test");
}
