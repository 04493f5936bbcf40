//! Concurrency groups and priorities under `trainyard serve`.

use crate::http::Served;
use crate::yard::Yard;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs that say when they begin and end; the first that has no file `go` waits for it.
fn yard(rules: &str) -> Yard {
    let yard = Yard::with("");
    let project = yard.path().display().to_string();
    yard.write(
        "pipeline.yaml",
        &format!(
            "version: 1\nname: test\nparams:\n  word: {{type: string, default: none}}\n{rules}\
             steps:\n  only:\n    run: |\n      echo \"begin $WORD\" >> \"$PROJECT/effects\"\n      \
             while [ ! -e \"$PROJECT/go\" ]; do sleep 0.05; done\n      \
             echo \"end $WORD\" >> \"$PROJECT/effects\"\n    \
             env: {{PROJECT: {project}, WORD: \"${{{{ params.word }}}}\"}}\n"
        ),
    );
    yard
}

fn ask(served: &Served, word: &str) -> String {
    let asked = json!({ "pipeline": "test", "params": { "word": word }, "reuse": false });
    let line = served.post("/api/v1/runs", &asked).expect(201);
    line["id"].as_str().unwrap().to_owned()
}

/// A run that works and waits for `go`.
fn working(served: &Served, word: &str) -> String {
    let mut events = served.events(None);
    let run = ask(served, word);
    events.until(|told| told.event == "attempt_started" && told.data["run"] == run.as_str());
    run
}

fn effects(yard: &Yard) -> Vec<String> {
    let text = std::fs::read_to_string(yard.path().join("effects")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// No run begins before the one before it has ended.
fn one_at_a_time(effects: &[String]) {
    for pair in effects.chunks(2) {
        let word = pair[0]
            .strip_prefix("begin ")
            .unwrap_or_else(|| panic!("{effects:?}"));
        assert_eq!(
            pair.get(1).map(String::as_str),
            Some(format!("end {word}").as_str()),
            "{effects:?}"
        );
    }
}

#[test]
fn runs_of_a_full_group_wait_and_start_one_after_another_in_their_order() {
    let yard = yard("concurrency: {group: \"g-${{ params.word == 'x' }}\", limit: 1}\n");
    let served = Served::start(&yard);
    let first = working(&served, "0");
    let mut runs = vec![first];
    runs.extend(["1", "2", "3", "4"].map(|word| ask(&served, word)));
    let waiting = served.get(&format!("/api/v1/runs/{}", runs[1])).expect(200);
    assert_eq!(waiting["status"], "queued");
    assert_eq!(waiting["not_started_because"], "group `g-false` has 1 of 1 runs");
    assert_eq!(waiting["not_obeyed"], json!([]));
    yard.write("go", "");
    for run in &runs {
        assert_eq!(served.ended(run)["status"], "succeeded");
    }
    let effects = effects(&yard);
    one_at_a_time(&effects);
    let begun: Vec<&String> = effects.iter().step_by(2).collect();
    assert_eq!(begun, ["begin 0", "begin 1", "begin 2", "begin 3", "begin 4"]);
}

#[test]
fn a_killed_server_comes_back_to_the_same_order() {
    let yard = yard("concurrency: {limit: 1}\n");
    let served = Served::start(&yard);
    let runs = [working(&served, "0"), ask(&served, "1"), ask(&served, "2")];
    let begun = yard.path().join("effects");
    while !begun.exists() {
        std::thread::yield_now();
    }
    served.kill();
    yard.write("go", "");
    std::fs::remove_file(begun).unwrap();
    let served = Served::start(&yard);
    for run in &runs {
        assert_eq!(served.ended(run)["status"], "succeeded");
    }
    let effects = effects(&yard);
    one_at_a_time(&effects);
    assert_eq!(effects.len(), 6);
}

#[test]
fn a_run_too_many_is_skipped_or_fails_and_says_why() {
    for (rule, status) in [("skip", "cancelled"), ("fail", "failed")] {
        let yard = yard(&format!("concurrency: {{limit: 1, on_limit: {rule}}}\n"));
        let served = Served::start(&yard);
        let first = working(&served, "0");
        let second = ask(&served, "1");
        let document = served.ended(&second);
        let reason = format!("group `test` has 1 of 1 runs (on_limit: {rule})");
        assert_eq!(
            (&document["status"], &document["not_started_because"]),
            (&json!(status), &json!(reason))
        );
        assert_eq!(document["started_at"], Value::Null);
        yard.write("go", "");
        assert_eq!(served.ended(&first)["status"], "succeeded");
        let shown = yard.trainyard(&["runs", "show", &second]).expect(0);
        assert!(shown.out.contains(&format!("never started: {reason}")), "{shown}");
        assert_eq!(effects(&yard), ["begin 0", "end 0"]);
        // There is room now.
        assert_eq!(served.ended(&ask(&served, "2"))["status"], "succeeded");
    }
}

#[test]
fn a_newer_run_takes_the_place_of_the_oldest() {
    let yard = yard("concurrency: {limit: 1, on_limit: cancel_running}\n");
    let served = Served::start(&yard);
    let first = working(&served, "0");
    let mut events = served.events(None);
    let second = ask(&served, "1");
    assert_eq!(served.ended(&first)["status"], "cancelled");
    events.until(|told| told.event == "attempt_started" && told.data["run"] == second.as_str());
    yard.write("go", "");
    assert_eq!(served.ended(&second)["status"], "succeeded");
    let told = served
        .get(&format!("/api/v1/runs/{first}/events"))
        .expect(200)
        .to_string();
    assert!(told.contains("on_limit: cancel_running"), "{told}");
    assert_eq!(told.matches("cancel_asked").count(), 1, "{told}");
}

#[test]
fn a_run_that_waits_can_be_cancelled_and_never_starts() {
    let yard = yard("concurrency: {limit: 1}\n");
    let served = Served::start(&yard);
    let first = working(&served, "0");
    let second = ask(&served, "1");
    served
        .post(&format!("/api/v1/runs/{second}/cancel"), &json!({}))
        .expect(202);
    assert_eq!(served.ended(&second)["status"], "cancelled");
    yard.write("go", "");
    served.ended(&first);
    assert_eq!(effects(&yard), ["begin 0", "end 0"]);
}

#[test]
fn where_there_is_no_room_for_all_the_higher_priority_goes_first() {
    let yard = yard("priority: 10\n");
    let text = std::fs::read_to_string(yard.path().join("pipeline.yaml")).unwrap();
    let urgent = text
        .replace("name: test", "name: urgent")
        .replace("priority: 10", "priority: 90");
    yard.write("urgent.yaml", &urgent);
    let served = Served::start_with(&yard, &["--max-runs", "1"]);
    let mut runs = vec![working(&served, "0"), ask(&served, "low")];
    let asked = json!({ "pipeline": "urgent", "params": { "word": "high" } });
    let line = served.post("/api/v1/runs", &asked).expect(201);
    runs.push(line["id"].as_str().unwrap().to_owned());
    yard.write("go", "");
    for run in &runs {
        assert_eq!(served.ended(run)["not_obeyed"], json!([]));
    }
    let effects = effects(&yard);
    let begun: Vec<&String> = effects.iter().step_by(2).collect();
    assert_eq!(begun, ["begin 0", "begin high", "begin low"]);
}

#[test]
fn a_run_by_hand_obeys_the_group_and_says_so() {
    let yard = yard("concurrency: {limit: 1}\n");
    let served = Served::start(&yard);
    let first = working(&served, "0");
    let refused = yard.trainyard(&["run"]).expect(1);
    assert!(refused.err.contains("group `test` has 1 of 1 runs"), "{refused}");
    yard.write("go", "");
    served.ended(&first);
    yard.trainyard(&["run"]).expect(0);
}

#[test]
fn a_run_that_a_person_asks_for_knows_when_it_was_due() {
    let yard = Yard::with(
        "version: 1\nname: test\nparams:\n  at: {type: string, default: \"${{ trigger.scheduled_at }}\"}\n\
         steps:\n  only: {uses: debug.noop@v1}\n",
    );
    let served = Served::start(&yard);
    let document = served.ended(&served.run("test"));
    assert_eq!(
        document["trigger"]["interval_end"],
        document["trigger"]["scheduled_at"]
    );
    assert!(
        document["trigger"]["scheduled_at"].is_string() && document["trigger"]["event"]["by"].is_string()
    );
}

#[test]
fn a_storm_of_calls_is_cut_down_to_what_may_wait() {
    let yard = yard(
        "concurrency: {limit: 1, max_queued: 10}\ntriggers:\n  call:\n    type: webhook\n    path: /hooks/test\n    \
         auth: {type: hmac_sha256, secret: HOOK_KEY}\n    params: {word: \"${{ event.body.word }}\"}\n",
    );
    yard.write("secrets.env", "HOOK_KEY=open sesame\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(yard.path().join("secrets.env"), mode).unwrap();
    let served = Served::start(&yard);
    let first = working(&served, "0");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let served = &served;
            scope.spawn(move || {
                for number in 0..250 {
                    let body = json!({ "word": format!("{thread}-{number}") }).to_string();
                    let mut mac = Hmac::<Sha256>::new_from_slice(b"open sesame").unwrap();
                    mac.update(format!("{now}.{body}").as_bytes());
                    let bytes = mac.finalize().into_bytes();
                    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    let headers = [("X-Trainyard-Signature", format!("t={now},v1={hex}"))];
                    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
                    served.send("POST", "/hooks/test", &headers, &body).expect(202);
                }
            });
        }
    });
    // All but ten are over.
    let left = || {
        let page = served.get("/api/v1/runs?status=queued&limit=500").expect(200);
        page["runs"].as_array().unwrap().len()
    };
    while left() > 10 {
        std::thread::yield_now();
    }
    yard.write("go", "");
    served.ended(&first);
    while left() > 0 {
        std::thread::yield_now();
    }
    let page = served.get("/api/v1/triggers/history?limit=500").expect(200);
    let skipped = page["firings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|firing| firing["verdict"] == "skipped")
        .unwrap();
    assert!(
        skipped["reason"].as_str().unwrap().contains("(max_queued)"),
        "{skipped}"
    );
    let newest = served.get("/api/v1/runs?limit=1&status=succeeded").expect(200);
    served.ended(newest["runs"][0]["id"].as_str().unwrap());
    while served.get("/api/v1/runs?status=running").expect(200)["runs"] != json!([]) {
        std::thread::yield_now();
    }
    let effects = effects(&yard);
    one_at_a_time(&effects);
    assert_eq!(effects.len(), 2 * 11);
}

#[test]
fn a_storm_on_two_servers_never_has_more_runs_at_once_than_the_group_allows() {
    const STORM: usize = 200;
    let yard = Yard::with("");
    let project = yard.path().display().to_string();
    yard.write(
        "pipeline.yaml",
        &format!(
            "version: 1\nname: test\nparams:\n  word: {{type: string, default: none}}\nconcurrency: {{limit: 3}}\n\
             steps:\n  only:\n    run: |\n      echo begin >> \"$PROJECT/ledger\"\n      sleep 0.01\n      \
             echo end >> \"$PROJECT/ledger\"\n    env: {{PROJECT: {project}, WORD: \"${{{{ params.word }}}}\"}}\n"
        ),
    );
    let Some((_server, served)) = crate::pools::fleet(&yard) else {
        return;
    };
    std::thread::scope(|scope| {
        for place in 0..4 {
            let served = &served[place % 2];
            scope.spawn(move || {
                for number in 0..STORM / 4 {
                    ask(served, &format!("{place}-{number}"));
                }
            });
        }
    });
    let left = |status: &str| {
        let page = served[0]
            .get(&format!("/api/v1/runs?status={status}&limit=500"))
            .expect(200);
        page["runs"].as_array().unwrap().len()
    };
    while left("queued") + left("running") > 0 {
        std::thread::yield_now();
    }
    assert_eq!(left("succeeded"), STORM);
    let (most, begun) = crate::pools::most_at_once(&yard.read("ledger"));
    println!("{begun} runs on two servers, at most {most} at once");
    assert!(begun == STORM && most <= 3, "{begun} {most}");
}
