//! Triggers under `trainyard serve`.

use crate::http::{Reply, Served};
use crate::yard::Yard;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &str = "open sesame";

/// A pipeline of one step with these triggers.
fn yard(triggers: &str) -> Yard {
    let yard = Yard::with(&format!(
        "version: 1\nname: test\nparams:\n  date: {{type: string, default: none}}\ntriggers:\n{triggers}\
         steps:\n  only: {{uses: debug.noop@v1}}\n"
    ));
    yard.write("secrets.env", &format!("HOOK_KEY={SECRET}\n"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(yard.path().join("secrets.env"), mode).unwrap();
    yard
}

fn hook(limits: &str) -> Yard {
    yard(&format!(
        "  call:\n    type: webhook\n    path: /hooks/test\n    auth: {{type: hmac_sha256, secret: HOOK_KEY}}\n\
         {limits}    params: {{date: \"${{{{ event.body.date }}}}\"}}\n"
    ))
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn signature(at: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={at},v1={hex}")
}

fn call(served: &Served, signature: &str, body: &str) -> Reply {
    served.send(
        "POST",
        "/hooks/test",
        &[("X-Trainyard-Signature", signature)],
        body,
    )
}

fn history(served: &Served) -> Vec<Value> {
    let page = served.get("/api/v1/triggers/history?limit=500").expect(200);
    page["firings"].as_array().unwrap().clone()
}

fn runs(served: &Served) -> usize {
    let page = served.get("/api/v1/runs?limit=500").expect(200);
    page["runs"].as_array().unwrap().len()
}

#[test]
fn a_signed_call_starts_a_run_with_params_of_its_body_and_a_copy_of_it_starts_none() {
    let yard = hook("");
    let served = Served::start(&yard);
    let body = r#"{"date": "2026-11-20"}"#;
    let signed = signature(seconds(), body);
    let first = call(&served, &signed, body).expect(202);
    assert_eq!(first["verdict"], "started");
    let run = first["run"].as_str().unwrap();
    let document = served.ended(run);
    assert_eq!(document["params"]["date"], "2026-11-20");
    assert_eq!(document["by"], "trigger:call");
    let copy = call(&served, &signed, body).expect(202);
    assert_eq!(
        (&copy["verdict"], &copy["run"]),
        (&json!("repeated"), &first["run"])
    );
    assert_eq!(runs(&served), 1);
}

#[test]
fn a_call_without_a_good_and_fresh_signature_starts_nothing() {
    let yard = hook("");
    let served = Served::start(&yard);
    let body = "{}";
    let now = seconds();
    for bad in [
        String::new(),
        "t=1,v1=00".to_owned(),
        signature(now, "{} "),
        signature(now, body).replace(&format!("t={now}"), &format!("t={}", now + 1)),
        signature(now - 3_600, body),
        signature(now + 3_600, body),
    ] {
        assert_eq!(
            call(&served, &bad, body).refused(401),
            "signature-invalid",
            "{bad}"
        );
    }
    // A good signature of what the pipeline cannot use.
    assert_eq!(
        call(&served, &signature(now, "[1]"), "[1]").refused(422),
        "call-unfit"
    );
    assert_eq!(
        call(&served, &signature(now, "{"), "{").refused(400),
        "body-not-json"
    );
    assert_eq!(
        served.send("POST", "/hooks/none", &[], body).refused(404),
        "hook-not-found"
    );
    let large = "x".repeat(2 << 20);
    assert_eq!(call(&served, &signature(now, &large), &large).status, 413);
    assert_eq!(runs(&served), 0);
}

#[test]
fn a_storm_of_calls_starts_what_the_limit_allows_and_says_why_not_more() {
    let yard = hook("    max_runs: {limit: 3, per: 1h}\n");
    let served = Served::start(&yard);
    let now = seconds();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let served = &served;
            scope.spawn(move || {
                for number in 0..25 {
                    let body = json!({ "date": format!("{thread}-{number}") }).to_string();
                    call(served, &signature(now, &body), &body).expect(202);
                }
            });
        }
    });
    assert_eq!(runs(&served), 3);
    let history = history(&served);
    let of = |verdict: &str| {
        history
            .iter()
            .filter(|firing| firing["verdict"] == verdict)
            .count()
    };
    assert_eq!((of("started"), of("max_runs")), (3, 97));
    let held = history
        .iter()
        .find(|firing| firing["verdict"] == "max_runs")
        .unwrap();
    assert!(
        held["run"].is_null() && !held["reason"].as_str().unwrap().is_empty(),
        "{held}"
    );
    let shown = yard.json(&["triggers", "history", "test", "--limit", "200"]);
    assert_eq!(shown.as_array().unwrap().len(), 100);
}

#[test]
fn a_paused_pipeline_is_not_started_by_its_triggers() {
    let yard = hook("");
    let served = Served::start(&yard);
    yard.trainyard(&["pipelines", "pause", "test"]).expect(0);
    let now = seconds();
    let one = r#"{"date": "1"}"#;
    let held = call(&served, &signature(now, one), one).expect(202);
    assert_eq!(held["verdict"], "paused");
    yard.trainyard(&["pipelines", "resume", "test"]).expect(0);
    let two = r#"{"date": "2"}"#;
    assert_eq!(
        call(&served, &signature(now, two), two).expect(202)["verdict"],
        "started"
    );
    assert_eq!(runs(&served), 1);
}

#[test]
fn a_schedule_starts_a_run_each_tick_and_none_of_them_twice_over_a_restart() {
    let yard = yard("  often: {type: schedule, every: 1s, catchup: {policy: all}}\n");
    let served = Served::start(&yard);
    let mut events = served.events(None);
    for _ in 0..2 {
        let fired = events.until(|told| told.event == "trigger_fired");
        assert!(fired.data["run"].is_string(), "{fired:?}");
    }
    served.kill();
    let served = Served::start(&yard);
    let mut events = served.events(None);
    events.until(|told| told.event == "trigger_fired");
    let history = history(&served);
    let mut ticks: Vec<&str> = history
        .iter()
        .map(|firing| firing["due"].as_str().unwrap())
        .collect();
    let count = ticks.len();
    ticks.dedup();
    assert!(count >= 3 && ticks.len() == count, "{ticks:?}");
    // None is left out either: whole seconds, one after the other.
    let seconds: Vec<i64> = ticks
        .iter()
        .map(|tick| tick.parse::<jiff::Timestamp>().unwrap().as_second())
        .collect();
    assert!(seconds.windows(2).all(|two| two[0] == two[1] + 1), "{ticks:?}");
    let listed = served.get("/api/v1/triggers").expect(200);
    assert!(listed["triggers"][0]["next"].is_string());
}

#[test]
fn new_data_starts_a_run_and_the_same_bytes_again_do_not() {
    let yard = Yard::with(
        "version: 1\nname: test\ndatasets:\n  sales: {path: data/sales.csv}\n\
         triggers:\n  fresh: {type: data, datasets: [sales]}\n\
         steps:\n  only:\n    run: cat \"$IN_sales\"\n    inputs: {sales: sales}\n",
    );
    yard.write("data/sales.csv", "day\n1\n");
    let served = Served::start(&yard);
    let mut events = served.events(None);
    // The first look is what is new compared with; a later one is made after the change.
    while !served
        .get("/metrics")
        .text()
        .contains("trainyard_data_changes_total 1")
    {
        std::thread::yield_now();
    }
    yard.write("data/sales.csv", "day\n1\n2\n");
    let fired = events.until(|told| told.event == "trigger_fired");
    let run = fired.data["run"].as_str().unwrap().to_owned();
    assert_eq!(served.ended(&run)["status"], "succeeded");
    assert_eq!(
        served.get(&format!("/api/v1/runs/{run}/logs?step=only")).text(),
        "day\n1\n2\n"
    );
    yard.write("data/sales.csv", "day\n1\n2\n");
    yard.write("data/sales.csv", "day\n3\n");
    let fired = events.until(|told| told.event == "trigger_fired");
    served.ended(fired.data["run"].as_str().unwrap());
    assert_eq!(runs(&served), 2);
}

#[test]
fn a_file_counts_once_whoever_writes_it_has_closed_it() {
    use std::io::Write as _;
    let yard = Yard::with(
        "version: 1\nname: test\n\
         datasets:\n  slow: {path: data/slow.csv}\n  quick: {path: data/quick.csv}\n\
         triggers:\n  slow: {type: data, datasets: [slow]}\n  quick: {type: data, datasets: [quick]}\n\
         steps:\n  only:\n    run: cat \"$IN_slow\"\n    inputs: {slow: slow, quick: quick}\n",
    );
    yard.write("data/slow.csv", "day\n");
    yard.write("data/quick.csv", "day\n");
    let served = Served::start(&yard);
    let mut events = served.events(None);
    while !served
        .get("/metrics")
        .text()
        .contains("trainyard_data_changes_total 2")
    {
        std::thread::yield_now();
    }
    let run_of = |told: &crate::http::Told| served.ended(told.data["run"].as_str().unwrap());
    let mut slow = std::fs::File::create(yard.path().join("data/slow.csv")).unwrap();
    slow.write_all(b"day\n1").unwrap();
    // Each is looked at when the other changes.
    for day in 1..=3 {
        yard.write("data/quick.csv", &format!("day\n{day}\n"));
        let fired = events.until(|told| told.event == "trigger_fired");
        assert_eq!(run_of(&fired)["trigger"]["name"], "quick");
    }
    slow.write_all(b"2\n").unwrap();
    drop(slow);
    let fired = events.until(|told| told.event == "trigger_fired");
    let run = run_of(&fired);
    assert_eq!(run["trigger"]["name"], "slow");
    assert_eq!(run["status"], "succeeded");
    let run = fired.data["run"].as_str().unwrap();
    assert_eq!(
        served.get(&format!("/api/v1/runs/{run}/logs?step=only")).text(),
        "day\n12\n"
    );
}

#[test]
fn a_pipeline_follows_another() {
    let yard = yard("  after: {type: pipeline, pipeline: first}\n");
    yard.write(
        "first.yaml",
        "version: 1\nname: first\nsteps:\n  only: {uses: debug.noop@v1}\n",
    );
    let served = Served::start(&yard);
    let mut events = served.events(None);
    let first = served.run("first");
    let fired = events.until(|told| told.event == "trigger_fired");
    let run = fired.data["run"].as_str().unwrap();
    let document = served.ended(run);
    assert_eq!(document["pipeline"], "test");
    assert_eq!(document["trigger"]["event"]["run"], first.as_str());
}

#[test]
fn a_pipeline_follows_runs_of_other_processes_and_those_between_two_servers_once_each() {
    let yard = yard("  after: {type: pipeline, pipeline: first}\n");
    yard.write(
        "first.yaml",
        "version: 1\nname: first\nsteps:\n  only: {uses: debug.noop@v1}\n",
    );
    let run_alone = || {
        yard.trainyard(&["run", "first.yaml"]).expect(0);
        yard.json(&["runs", "list", "--limit", "500"])
            .as_array()
            .unwrap()
            .iter()
            .find(|run| run["pipeline"] == "first")
            .unwrap()["run"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // Before there was a trigger that could hear it.
    run_alone();
    let served = Served::start(&yard);
    let mut events = served.events(None);
    let follower_of = |told: &crate::http::Told, served: &Served| {
        let run = told.data["run"].as_str().unwrap();
        served.ended(run)["trigger"]["event"]["run"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let by_server = served.run("first");
    let fired = events.until(|told| told.event == "trigger_fired");
    assert_eq!(follower_of(&fired, &served), by_server);
    let beside = run_alone();
    let fired = events.until(|told| told.event == "trigger_fired");
    assert_eq!(follower_of(&fired, &served), beside);
    served.kill();
    let between = run_alone();
    let served = Served::start(&yard);
    // Another run of the server is followed after all that was there before.
    let last = served.run("first");
    let fired = |served: &Served| -> Vec<String> {
        history(served)
            .iter()
            .map(|firing| {
                let run = firing["run"].as_str().unwrap();
                assert_eq!(firing["verdict"], "started");
                served.get(&format!("/api/v1/runs/{run}")).expect(200)["trigger"]["event"]["run"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    let mut events = served.events(None);
    while fired(&served).len() < 4 {
        events.until(|told| told.event == "trigger_fired");
    }
    assert_eq!(fired(&served), [last, between, beside, by_server]);
}

#[test]
fn a_secret_that_is_changed_counts_at_once_and_stands_in_no_log() {
    let yard = hook("");
    let log = yard.path().join("server.log");
    let mut command = yard.command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--format",
        "json",
        "--log-format",
        "json",
    ]);
    command.stderr(std::fs::File::create(&log).unwrap());
    let served = Served::start_command(command);
    let sign = |secret: &str, body: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let bytes = mac.finalize().into_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={hex}")
    };
    let call = |secret: &str, key: &str| {
        let signature = sign(secret, "{\"date\": \"x\"}");
        let headers = [
            ("X-Hub-Signature-256", signature.as_str()),
            ("Idempotency-Key", key),
        ];
        served
            .send("POST", "/hooks/test", &headers, "{\"date\": \"x\"}")
            .status
    };
    // Whoever calls may well repeat what they should not: the history's reason carries the call's own name.
    assert_eq!(call(SECRET, SECRET), 202);
    yard.write("secrets.env", "HOOK_KEY=changed \"behind\" its back\n");
    assert_eq!(call(SECRET, "old"), 401);
    assert_eq!(
        call("changed \"behind\" its back", "changed \"behind\" its back"),
        202
    );
    assert_eq!(served.terminate(), Some(0));
    let text = std::fs::read_to_string(log).unwrap();
    let fired: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["message"] == "trigger_fired")
        .collect();
    assert_eq!(fired.len(), 2, "{text}");
    assert!(fired.iter().all(|line| line["reason"] == "request ***"), "{text}");
    assert!(!text.contains(SECRET) && !text.contains("behind"), "{text}");
}
