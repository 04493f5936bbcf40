//! Who is told of what, how it reaches them, and what never does.

use crate::http::Served;
use crate::receiver::{Manner, Receiver, Request};
use crate::yard::{Answer, Yard};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const KEY: &str = "c2VjcmV0LW9mLXRoZS1ob29r";

/// A project with this under `notify:` and these subscriptions, and a pipeline `test` that fails without `ok.txt`.
fn yard(notify: &str, subscriptions: &str) -> Yard {
    let yard = Yard::empty();
    yard.write(
        "trainyard.yaml",
        &format!(
            "version: 1\nname: yard\nnotify:\n{notify}\nnotifications:\n  subscriptions:\n{subscriptions}\n"
        ),
    );
    yard.write(
        "pipelines/test.yaml",
        "version: 1\nname: test\nowner: team-ml\nsteps:\n  only: {run: test -e ok.txt, cache: false}\n",
    );
    yard
}

fn run(yard: &Yard) -> Answer {
    yard.command(&["run", "pipelines/test.yaml"])
        .env("TRAINYARD_SECRET_HOOK_KEY", format!("whsec_{KEY}"))
        .output()
        .unwrap()
        .into()
}

fn webhook(receiver: &Receiver, more: &str) -> String {
    format!(
        "  hub: {{type: webhook, url: \"{}\", secret: hook_key{more}}}",
        receiver.url()
    )
}

const ALLOWED: &str = ", allow_private: true";
const FAILURES: &str = "    failures: {events: [run.failed], to: [notify.hub]}";
const ALL: &str = "    all: {events: ['run.*', step.failed], to: [notify.hub]}";

/// As a receiver would check it, by the words of the specification.
fn is_signed(request: &Request) -> bool {
    let key = STANDARD.decode(KEY).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let (id, at) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(&request.body);
    request.header("webhook-signature") == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn states(yard: &Yard) -> Vec<(String, String)> {
    let listed = yard.json(&["notices", "list", "--limit", "500"]);
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let all = listed.as_array().unwrap().iter().rev();
    all.map(|notice| (word(&notice["kind"]), word(&notice["state"])))
        .collect()
}

#[test]
fn a_run_without_a_server_tells_before_it_ends() {
    let yard = yard(
        "  log: {type: file, path: out/notices.ndjson}",
        "    all: {events: ['*'], to: [notify.log]}",
    );
    yard.write("ok.txt", "");
    let answer = run(&yard).expect(0);
    assert!(answer.err.contains("Told 2 notices"), "{answer}");
    let lines = yard.read("out/notices.ndjson");
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let types: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        ["dev.trainyard.run.started", "dev.trainyard.run.succeeded"]
    );
    for event in &events {
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["source"], "/trainyard/yard");
        assert_eq!(event["datacontenttype"], "application/json");
        let data = &event["data"];
        assert_eq!(
            event["subject"],
            format!("runs/{}", data["run"].as_str().unwrap())
        );
        assert_eq!(
            (&data["pipeline"], &data["owner"]),
            (&json!("test"), &json!("team-ml"))
        );
    }
    assert_ne!(events[0]["id"], events[1]["id"]);
}

#[test]
fn a_webhook_gets_a_signed_cloud_event() {
    let receiver = Receiver::start(&[]);
    let yard = yard(&webhook(&receiver, ALLOWED), FAILURES);
    run(&yard).expect(1);
    let [request] = receiver.requests().try_into().unwrap();
    assert_eq!(request.header("content-type"), "application/cloudevents+json");
    let event = request.json();
    assert_eq!(event["type"], "dev.trainyard.run.failed");
    assert_eq!(event["data"]["text"], "Failed: `only`.");
    assert!(is_signed(&request), "{request:?}");
    let mut forged = request;
    forged.body = String::from_utf8(forged.body)
        .unwrap()
        .replace("team-ml", "team-x")
        .into_bytes();
    assert!(!is_signed(&forged));
}

#[test]
fn a_webhook_may_want_the_event_in_headers() {
    let receiver = Receiver::start(&[]);
    let yard = yard(
        &webhook(&receiver, ", mode: binary, allow_private: true"),
        FAILURES,
    );
    run(&yard).expect(1);
    let [request] = receiver.requests().try_into().unwrap();
    assert_eq!(request.header("ce-type"), "dev.trainyard.run.failed");
    assert_eq!(request.header("ce-specversion"), "1.0");
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.json()["kind"], "run.failed");
    assert!(is_signed(&request), "{request:?}");
}

#[test]
fn whoever_a_pipeline_names_is_told() {
    let receiver = Receiver::start(&[]);
    let yard = yard(
        &webhook(&receiver, ALLOWED),
        "    none: {events: [model.registered], to: [notify.hub]}",
    );
    yard.write(
        "pipelines/test.yaml",
        "version: 1\nname: test\nnotify:\n  own: {type: file, path: own.ndjson}\nparams:\n  who: {type: string, default: ada}\n\
         steps:\n  tell: {uses: notify.send@v1, with: {to: [notify.hub, notify.own], message: 'hello ${{ params.who }}'}, cache: false}\n\
         \x20 only: {run: exit 3, needs: [tell], cache: false, on_failure: [notify.own]}\n\
         on_failure: [notify.hub, {uses: notify.send@v1, with: {to: [notify.own], message: it is over}}]\n",
    );
    run(&yard).expect(1);
    let told: Vec<String> = receiver
        .requests()
        .iter()
        .map(|request| request.json()["data"]["title"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], "hello ada");
    assert!(
        told[1].starts_with("run ") && told[1].ends_with(" of test failed"),
        "{told:?}"
    );
    let own = yard.read("own.ndjson");
    let own: Vec<Value> = own
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&Value> = own.iter().map(|event| &event["data"]["kind"]).collect();
    assert_eq!(kinds, ["message.sent", "step.failed", "message.sent"]);
    assert_eq!(own[2]["data"]["title"], "it is over");
}

#[test]
fn what_cannot_be_delivered_waits_and_is_sent_again() {
    let receiver = Receiver::start(&[Manner::Answers(503)]);
    let yard = yard(&webhook(&receiver, ALLOWED), FAILURES);
    let answer = run(&yard).expect(1);
    assert!(
        answer.err.contains("Not told 1 of 1 could not be delivered yet"),
        "{answer}"
    );
    assert_eq!(states(&yard), [("run.failed".to_owned(), "waiting".to_owned())]);
    // A server sends it when it is time.
    let served = {
        let mut command = yard.command(&["serve", "--listen", "127.0.0.1:0", "--format", "json"]);
        command.env("TRAINYARD_SECRET_HOOK_KEY", KEY);
        Served::start_command(command)
    };
    let requests = receiver.wait(|requests| requests.len() == 2);
    assert_eq!(requests[0].json(), requests[1].json());
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    drop(served);
}

#[test]
fn a_dead_letter_is_listed_with_its_reason_and_resent_by_hand() {
    let receiver = Receiver::start(&[Manner::Answers(410)]);
    let yard = yard(&webhook(&receiver, ALLOWED), FAILURES);
    run(&yard).expect(1);
    let dead = yard.json(&["notices", "list", "--state", "dead"]);
    assert_eq!(dead[0]["error"], "it answered 410");
    let number = dead[0]["notice"].to_string();
    let shown = yard.trainyard(&["notices", "show", &number]).expect(0);
    assert!(shown.out.contains("it answered 410"), "{shown}");
    let resent: Answer = yard
        .command(&["notices", "resend", &number])
        .env("TRAINYARD_SECRET_HOOK_KEY", KEY)
        .output()
        .unwrap()
        .into();
    let resent = resent.expect(0);
    assert!(resent.err.contains("Told 1 notice\n"), "{resent}");
    assert_eq!(states(&yard), [("run.failed".to_owned(), "delivered".to_owned())]);
    assert_eq!(receiver.requests().len(), 2);
}

/// CVE-2026-2393: a webhook that leads into this machine.
#[test]
fn an_internal_address_is_not_spoken_to_unless_the_channel_says_so() {
    let receiver = Receiver::start(&[]);
    let hosts = ["localhost", "127.1", "0x7f.1", "2130706433", "0177.0.0.1"];
    for host in hosts {
        let channel = format!(
            "  hub: {{type: webhook, url: \"http://{host}:{}/\"}}",
            receiver.port
        );
        let yard = yard(&channel, FAILURES);
        run(&yard).expect(1);
        let dead = yard.json(&["notices", "list", "--state", "dead"]);
        let why = dead[0]["error"].as_str().unwrap_or_default();
        assert!(why.contains("an address of this machine"), "{host}: {dead}");
    }
    assert_eq!(receiver.requests().len(), 0);
}

#[test]
fn a_redirect_is_not_followed() {
    let inside = Receiver::start(&[]);
    let outside = Receiver::start(&[Manner::Redirects(inside.url())]);
    let yard = yard(&webhook(&outside, ALLOWED), FAILURES);
    run(&yard).expect(1);
    let dead = yard.json(&["notices", "list", "--state", "dead"]);
    assert_eq!(dead[0]["error"], "it answered 307; redirects are not followed");
    assert_eq!((outside.requests().len(), inside.requests().len()), (1, 0));
}

#[test]
fn a_url_with_a_password_or_of_another_kind_is_found_by_check() {
    for url in [
        "https://user:pw@example.com/",
        "gopher://example.com/",
        "http://[::ffff:7f00:1]/",
        "https:///x",
    ] {
        let yard = yard(&format!("  hub: {{type: webhook, url: \"{url}\"}}"), FAILURES);
        let checked = yard.trainyard(&["check"]).expect(1);
        assert!(
            checked.err.contains("S11/channel") || checked.out.contains("S11/channel"),
            "{url}: {checked}"
        );
    }
}

#[test]
fn no_secret_and_no_line_of_a_log_reaches_a_notice() {
    const CANARY: &str = "canary-5eb63bbbe01eeed0";
    let receiver = Receiver::start(&[]);
    let yard = yard(
        &format!(
            "{}\n  log: {{type: file, path: n.ndjson}}",
            webhook(&receiver, ALLOWED)
        ),
        "    all: {events: ['*'], to: [notify.hub, notify.log]}",
    );
    yard.write(
        "pipelines/test.yaml",
            "version: 1\nname: test\nparams:\n  word: {type: string, default: x}\nsteps:\n\
             \x20 tell: {uses: notify.send@v1, with: {to: [notify.hub], message: 'the word is ${{ params.word }}'}, cache: false}\n\
             \x20 only:\n    run: echo log-line-7; echo $TOKEN >&2; exit 3\n    needs: [tell]\n    secrets: {TOKEN: token}\n    cache: false\n",
    );
    let answer: Answer = yard
        .command(&["run", "pipelines/test.yaml", "-p", &format!("word={CANARY}")])
        .env("TRAINYARD_SECRET_HOOK_KEY", KEY)
        .env("TRAINYARD_SECRET_TOKEN", CANARY)
        .output()
        .unwrap()
        .into();
    answer.expect(1);
    let mut all: Vec<u8> = receiver
        .requests()
        .into_iter()
        .flat_map(|request| request.body)
        .collect();
    assert!(!all.is_empty());
    all.extend(yard.read("n.ndjson").into_bytes());
    let all = String::from_utf8(all).unwrap();
    assert!(all.contains("the word is "), "{all}");
    for never in [CANARY, "log-line-7", KEY] {
        assert!(!all.contains(never), "{never}: {all}");
    }
}

#[test]
fn a_server_that_is_killed_while_it_delivers_loses_nothing() {
    let receiver = Receiver::start(&[Manner::Answers(204), Manner::IsSilent]);
    let yard = yard(&webhook(&receiver, ALLOWED), ALL);
    let serve = || {
        let mut command = yard.command(&["serve", "--listen", "127.0.0.1:0", "--format", "json"]);
        command.env("TRAINYARD_SECRET_HOOK_KEY", KEY);
        Served::start_command(command)
    };
    let served = serve();
    for _ in 0..3 {
        let run = served.run("test");
        served.ended(&run);
    }
    // One request is under way and will never be answered.
    receiver.wait(|requests| requests.len() >= 2);
    served.kill();
    let served = serve();
    let kinds = |requests: &[Request]| {
        let mut of_run: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for request in requests {
            let event = request.json();
            if seen.insert(event["id"].as_str().unwrap().to_owned()) {
                let kind = event["data"]["kind"].as_str().unwrap().to_owned();
                of_run
                    .entry(event["subject"].as_str().unwrap().to_owned())
                    .or_default()
                    .push(kind);
            }
        }
        of_run
    };
    let whole = ["run.queued", "run.started", "step.failed", "run.failed"];
    let requests = receiver.wait(|requests| {
        let all = kinds(requests);
        all.len() == 3 && all.values().all(|kinds| kinds.len() == whole.len())
    });
    for (subject, kinds) in kinds(&requests) {
        assert_eq!(kinds, whole, "{subject}");
    }
    drop(served);
}

/// Answers of a server to somebody with a token.
fn asked(served: &Served, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = if method == "GET" {
        String::new()
    } else {
        body.to_string()
    };
    let reply = served.send(method, path, &headers, &body);
    (reply.status, reply.json())
}

#[test]
fn channels_are_for_admins_subscriptions_for_operators_and_lists_for_all() {
    let receiver = Receiver::start(&[]);
    let yard = yard(
        "  log: {type: file, path: n.ndjson}",
        "    all: {events: ['*'], to: [notify.log]}",
    );
    let token = |role: &str| {
        let made = yard.json(&["tokens", "create", role, "--role", role]);
        made["token"].as_str().unwrap().to_owned()
    };
    let (viewer, operator, admin) = (token("viewer"), token("operator"), token("admin"));
    let served = Served::start(&yard);
    let hub = json!({ "channel": { "type": "webhook", "url": receiver.url(), "allow_private": true } });
    let channel = "/api/v1/notices/channels/hub";
    for token in [&viewer, &operator] {
        let (status, problem) = asked(&served, token, "PUT", channel, &hub);
        assert_eq!((status, &problem["code"]), (403, &json!("role-too-low")));
    }
    assert_eq!(asked(&served, &admin, "PUT", channel, &hub).0, 200);
    let internal = json!({ "channel": { "type": "webhook", "url": "http://169.254.169.254/latest" } });
    assert_eq!(asked(&served, &admin, "PUT", channel, &internal).0, 422);
    let (status, problem) = asked(&served, &admin, "PUT", "/api/v1/notices/channels/log", &hub);
    assert_eq!((status, &problem["code"]), (409, &json!("declared-by-file")));

    let mine = "/api/v1/notices/subscriptions/mine";
    let rule = json!({ "events": ["run.failed"], "to": ["notify.hub"], "pipelines": ["test"] });
    assert_eq!(asked(&served, &viewer, "PUT", mine, &rule).0, 403);
    assert_eq!(asked(&served, &operator, "PUT", mine, &rule).0, 200);
    let wrong = json!({ "events": ["run.fialed"], "to": ["notify.hub"] });
    assert_eq!(asked(&served, &operator, "PUT", mine, &wrong).0, 422);
    let nowhere = json!({ "events": ["run.failed"], "to": ["notify.nobody"] });
    assert_eq!(asked(&served, &operator, "PUT", mine, &nowhere).0, 422);

    let order = json!({ "pipeline": "test" });
    assert_eq!(asked(&served, &operator, "POST", "/api/v1/runs", &order).0, 201);
    let event = receiver.wait(|requests| !requests.is_empty())[0].json();
    assert_eq!(event["data"]["kind"], "run.failed");
    let (status, page) = asked(
        &served,
        &viewer,
        "GET",
        "/api/v1/notices?channel=hub&limit=1",
        &Value::Null,
    );
    assert_eq!((status, &page["notices"][0]["kind"]), (200, &json!("run.failed")));
    let one = format!("/api/v1/notices/{}", page["notices"][0]["notice"]);
    assert_eq!(asked(&served, &viewer, "GET", &one, &Value::Null).0, 200);
    assert_eq!(
        asked(&served, &viewer, "POST", &format!("{one}/resend"), &json!({})).0,
        403
    );
    assert_eq!(
        asked(&served, &operator, "POST", &format!("{one}/resend"), &json!({})).0,
        202
    );
    receiver.wait(|requests| requests.len() == 2);
    assert_eq!(
        asked(&served, &operator, "POST", &format!("{channel}/test"), &json!({})).0,
        202
    );
    let test = receiver.wait(|requests| requests.len() == 3)[2].json();
    assert_eq!(test["data"]["kind"], "channel.test");

    assert_eq!(asked(&served, &operator, "DELETE", mine, &json!({})).0, 200);
    assert_eq!(asked(&served, &operator, "DELETE", mine, &json!({})).0, 404);
    assert_eq!(asked(&served, &operator, "DELETE", channel, &json!({})).0, 403);
    assert_eq!(asked(&served, &admin, "DELETE", channel, &json!({})).0, 200);
}

#[test]
fn a_breach_of_an_alert_is_told_to_whom_it_names_and_once() {
    let receiver = Receiver::start(&[]);
    let yard = yard(&webhook(&receiver, ALLOWED), FAILURES);
    yard.write("rows.csv", "a\n1\n");
    yard.write(
        "pipelines/watched.yaml",
        "version: 1\nname: watched\ndatasets:\n  rows: {path: rows.csv, format: csv}\nalerts:\n\
         \x20 drift: {target: {dataset: rows, columns: [a]}, statistic: psi, operator: '>', limit: 0.2, severity: high,\n\
         \x20   owner: risk, actions: [notify.hub], runbook: docs/drift.md}\nsteps:\n  only: {uses: debug.noop@v1}\n",
    );
    let mut command = yard.command(&["serve", "--listen", "127.0.0.1:0", "--format", "json"]);
    command.env("TRAINYARD_SECRET_HOOK_KEY", KEY);
    let served = Served::start_command(command);
    let path = "/api/v1/pipelines/watched/alerts/drift";
    for breach in ["b1", "b1", "b2"] {
        served.post(path, &json!({ "breach": breach })).expect(202);
    }
    let requests = receiver.wait(|requests| requests.len() >= 2);
    let ids: Vec<Value> = requests
        .iter()
        .map(|request| request.json()["id"].clone())
        .collect();
    assert_eq!(ids, ["watched.drift.b1", "watched.drift.b2"]);
    let data = &requests[0].json()["data"];
    assert_eq!(
        (&data["owner"], &data["severity"]),
        (&json!("risk"), &json!("high"))
    );
    assert_eq!(data["advice"], "what to do stands in docs/drift.md");
    let metrics = served.get("/metrics").text();
    assert!(metrics.contains("trainyard_notices_total"), "{metrics}");
}

#[test]
fn a_channel_is_tried_by_hand() {
    let receiver = Receiver::start(&[]);
    let yard = yard(
        &format!(
            "  hub: {{type: webhook, url: \"{}\", allow_private: true}}\n  inside: {{type: webhook, url: \"http://localhost:{}/\"}}",
            receiver.url(),
            receiver.port
        ),
        FAILURES,
    );
    let tried = yard.trainyard(&["notices", "test", "notify.hub"]).expect(0);
    assert!(tried.err.contains("Delivered a test to `hub`"), "{tried}");
    assert_eq!(receiver.requests().len(), 1);
    let refused = yard.trainyard(&["notices", "test", "inside"]).expect(1);
    assert!(refused.err.contains("an address of this machine"), "{refused}");
    let unknown = yard.trainyard(&["notices", "test", "hup"]).expect(2);
    assert!(unknown.err.contains("did you mean `hub`?"), "{unknown}");
}

#[test]
fn a_message_to_slack_names_what_where_whose_and_what_to_do() {
    let receiver = Receiver::start(&[]);
    let yard = yard(
        "  hub: {type: slack, secret: slack_url, allow_private: true}",
        FAILURES,
    );
    let answer: Answer = yard
        .command(&["run", "pipelines/test.yaml"])
        .env("TRAINYARD_SECRET_SLACK_URL", receiver.url())
        .output()
        .unwrap()
        .into();
    answer.expect(1);
    let [request] = receiver.requests().try_into().unwrap();
    let text = request.json()["text"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("*run ") && lines[0].ends_with(" of test failed*"),
        "{text}"
    );
    assert_eq!(lines[1], "Failed: `only`.");
    assert!(
        lines[2].contains("pipeline test") && lines[2].contains("owner team-ml"),
        "{text}"
    );
    assert!(lines[3].contains("trainyard runs retry"), "{text}");
}

/// What stands in the manual works as it stands there.
#[test]
fn the_example_of_the_manual_runs() {
    let manual = include_str!("../docs/notices.md");
    let blocks: Vec<&str> = manual
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let [project, pipeline, ..] = blocks.as_slice() else {
        panic!("two blocks are wanted")
    };
    let yard = Yard::empty();
    yard.write("trainyard.yaml", project);
    yard.write("pipelines/nightly.yaml", pipeline);
    yard.trainyard(&["check"]).expect(0);
    let answer = yard.trainyard(&["run"]);
    assert_eq!(answer.code, Some(1), "{answer}");
    let lines = yard.read("logs/notices.ndjson");
    assert!(lines.contains("dev.trainyard.run.failed"), "{lines}");
    let shown = yard.trainyard(&["notices", "subscriptions"]).expect(0);
    assert!(shown.out.contains("failures"), "{shown}");
}

/// Mails go through a server that is spoken to as RFC 5321 wants it.
#[test]
fn a_mail_reaches_its_server() {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mails) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let say = |text: &str| (&stream).write_all(text.as_bytes()).unwrap();
            say("220 mail.test\r\n");
            let (mut mail, mut line, mut is_data) = (String::new(), String::new(), false);
            while lines.read_line(&mut line).unwrap_or(0) > 0 {
                mail.push_str(&line);
                if is_data {
                    if line == ".\r\n" {
                        is_data = false;
                        say("250 taken\r\n");
                    }
                } else if line.starts_with("EHLO") {
                    say("250 mail.test\r\n");
                } else if line.starts_with("DATA") {
                    is_data = true;
                    say("354 go on\r\n");
                } else if line.starts_with("QUIT") {
                    say("221 bye\r\n");
                    break;
                } else {
                    say("250 ok\r\n");
                }
                line.clear();
            }
            if sender.send(mail).is_err() {
                return;
            }
        }
    });
    let yard = yard(
        "  hub: {type: email, to: [oncall@example.com]}",
        &format!(
            "{FAILURES}\n  smtp: {{host: localhost, port: {port}, security: none, from: Trainyard <t@example.com>, allow_private: true}}"
        ),
    );
    let answer = run(&yard).expect(1);
    assert!(answer.err.contains("Told 1 notice\n"), "{answer}");
    let mail = mails.recv_timeout(Duration::from_secs(60)).unwrap();
    for part in [
        "MAIL FROM:<t@example.com>",
        "RCPT TO:<oncall@example.com>",
        "Subject: run ",
        "Message-ID: <msg_",
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    assert!(mail.contains("pipeline test, run "), "{mail}");
}
