//! Backfills: by a server, by several, by the command line, and over the death of each.

use crate::http::Served;
use crate::yard::Yard;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An hourly schedule whose runs say when they begin and end. Each waits for the file `go`, and fails if
/// there is a file of its tick's name.
fn yard() -> Yard {
    let yard = Yard::with("");
    let project = yard.path().display().to_string();
    yard.write(
        "pipeline.yaml",
        &format!(
            "version: 1\nname: test\nparams:\n  tick: {{type: string, default: none}}\ntriggers:\n  hourly:\n    \
             type: schedule\n    cron: \"0 * * * *\"\n    catchup: {{policy: none}}\n    \
             params: {{tick: \"${{{{ trigger.scheduled_at }}}}\"}}\nsteps:\n  only:\n    cache: false\n    run: |\n      \
             echo \"begin $TICK\" >> \"$PROJECT/effects\"\n      \
             while [ ! -e \"$PROJECT/go\" ]; do sleep 0.05; done\n      \
             echo \"end $TICK\" >> \"$PROJECT/effects\"\n      \
             test ! -e \"$PROJECT/$TICK\"\n    \
             env: {{PROJECT: {project}, TICK: \"${{{{ params.tick }}}}\"}}\n"
        ),
    );
    yard
}

/// What a backfill of so many ticks asks for.
fn wanted(ticks: u32, max_parallel: u32) -> Value {
    json!({
        "pipeline": "test", "from": "2026-01-01", "to": format!("2026-01-01T{:02}:00Z", ticks - 1),
        "max_parallel": max_parallel,
    })
}

fn order(served: &Served, wanted: &Value) -> String {
    let made = served.post("/api/v1/backfills", wanted).expect(201);
    made["id"].as_str().unwrap().to_owned()
}

fn show(served: &Served, id: &str) -> Value {
    served.get(&format!("/api/v1/backfills/{id}")).expect(200)
}

/// Waits until a backfill starts no more runs; gives its document.
fn over(served: &Served, id: &str) -> Value {
    let mut events = served.events(None);
    loop {
        let document = show(served, id);
        if document["phase"] != "running" {
            return document;
        }
        events.until(|told| told.event == "backfill_phase" || told.event == "run_ended");
    }
}

fn ticks(served: &Served, id: &str) -> Vec<Value> {
    let page = served
        .get(&format!("/api/v1/backfills/{id}/ticks?limit=500"))
        .expect(200);
    page["ticks"].as_array().unwrap().clone()
}

/// Each tick has a run of its own that succeeded, and there is no run besides.
fn each_has_one_run(served: &Served, id: &str, count: usize) {
    let ticks = ticks(served, id);
    assert_eq!(ticks.len(), count);
    assert!(ticks.iter().all(|tick| tick["state"] == "succeeded"), "{ticks:?}");
    let runs: BTreeSet<&str> = ticks.iter().map(|tick| tick["run"].as_str().unwrap()).collect();
    assert_eq!(runs.len(), count);
    let all = served.get("/api/v1/runs?limit=500").expect(200);
    let made = all["runs"].as_array().unwrap().iter();
    let by_backfill = made.filter(|run| run["by"].as_str().unwrap().starts_with("backfill:"));
    assert_eq!(by_backfill.count(), count, "{all}");
}

fn effects(yard: &Yard) -> Vec<String> {
    let text = std::fs::read_to_string(yard.path().join("effects")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The most that ran at once.
fn most_at_once(effects: &[String]) -> usize {
    let mut now = 0_usize;
    let counts = effects.iter().map(|line| {
        if line.starts_with("begin ") {
            now += 1;
        } else {
            now -= 1;
        }
        now
    });
    counts.max().unwrap_or(0)
}

/// Waits until that many attempts have begun.
fn begun(served: &Served, count: usize, order: impl FnOnce() -> String) -> String {
    let mut events = served.events(None);
    let id = order();
    for _ in 0..count {
        events.until(|told| told.event == "attempt_started");
    }
    id
}

#[test]
fn each_tick_has_one_run_with_its_dates_and_no_more_run_at_once_than_allowed() {
    let yard = yard();
    yard.write("go", "");
    let served = Served::start(&yard);
    let id = order(&served, &wanted(8, 2));
    let document = over(&served, &id);
    assert_eq!(document["phase"], "done");
    let progress = &document["progress"];
    assert_eq!(
        (&progress["total"], &progress["succeeded"]),
        (&json!(8), &json!(8))
    );
    assert!(progress["mean_ms"].is_u64(), "{document}");
    each_has_one_run(&served, &id, 8);
    let effects = effects(&yard);
    assert_eq!(effects.len(), 16);
    assert!(most_at_once(&effects) <= 2, "{effects:?}");
    let third = &ticks(&served, &id)[2];
    let run = served
        .get(&format!("/api/v1/runs/{}", third["run"].as_str().unwrap()))
        .expect(200);
    assert_eq!(run["params"]["tick"], "2026-01-01T02:00:00Z");
    assert_eq!(run["by"], format!("backfill:{id}"));
    assert_eq!(run["reason"], "backfill of 2026-01-01 02:00 UTC");
    // All of it again, but for what has a run.
    let mut missing = wanted(9, 2);
    missing["only_missing"] = json!(true);
    let again = over(&served, &order(&served, &missing));
    let progress = &again["progress"];
    assert_eq!(
        (&progress["there"], &progress["succeeded"]),
        (&json!(8), &json!(1))
    );
}

#[test]
fn a_killed_server_comes_back_and_finishes_without_a_second_run_of_any_tick() {
    let yard = yard();
    let served = Served::start(&yard);
    let id = begun(&served, 2, || order(&served, &wanted(7, 2)));
    let before = show(&served, &id);
    assert_eq!(before["progress"]["waiting"], 5);
    served.kill();
    yard.write("go", "");
    let served = Served::start(&yard);
    assert_eq!(over(&served, &id)["phase"], "done");
    each_has_one_run(&served, &id, 7);
}

#[test]
fn two_servers_share_a_backfill_and_one_of_them_may_die() {
    let yard = yard();
    let (first, second) = (Served::start(&yard), Served::start(&yard));
    let id = order(&first, &wanted(12, 3));
    let mut events = second.events(None);
    while show(&second, &id)["progress"]["running"] != 3 {
        // Whichever of the two has taken a run.
        if effects(&yard).len() < 3 {
            std::thread::yield_now();
        }
    }
    assert_eq!(show(&second, &id)["progress"]["waiting"], 9);
    first.kill();
    yard.write("go", "");
    loop {
        let document = show(&second, &id);
        if document["phase"] == "done" {
            break;
        }
        events.until(|told| told.event == "backfill_phase" || told.event == "run_ended");
    }
    each_has_one_run(&second, &id, 12);
}

#[test]
fn failures_stop_it_as_asked_and_people_let_it_go_on() {
    let yard = yard();
    yard.write("go", "");
    for hour in 0..4 {
        yard.write(&format!("2026-01-01T{hour:02}:00:00Z"), "");
    }
    let args = [
        "backfill",
        "test",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-01T05:00Z",
        "--max-parallel",
        "1",
        "--stop-after",
        "2",
        "--format",
        "json",
    ];
    let answer = yard.trainyard(&args).expect(1);
    let last = |answer: &str| serde_json::from_str::<Value>(answer.lines().last().unwrap()).unwrap();
    let document = &last(&answer.out)["backfill"];
    assert_eq!(document["phase"], "stopped", "{document}");
    assert_eq!(
        (&document["progress"]["failed"], &document["progress"]["waiting"]),
        (&json!(2), &json!(4))
    );
    // Those that failed do not stop it again; two more do.
    let answer = yard
        .trainyard(&["backfills", "resume", "--format", "json"])
        .expect(1);
    assert_eq!(last(&answer.out)["backfill"]["progress"]["failed"], 4);
    let answer = yard
        .trainyard(&["backfills", "resume", "--format", "json"])
        .expect(1);
    let document = &last(&answer.out)["backfill"];
    assert_eq!(
        (&document["phase"], &document["progress"]["succeeded"]),
        (&json!("done"), &json!(2))
    );
    let id = document["id"].as_str().unwrap();
    let failed = yard.json(&["backfills", "show", id, "--state", "failed"]);
    assert_eq!(failed["ticks"].as_array().unwrap().len(), 4);
    // What is missing after the fault is mended.
    for hour in 0..4 {
        std::fs::remove_file(yard.path().join(format!("2026-01-01T{hour:02}:00:00Z"))).unwrap();
    }
    let mut args = args[..6].to_vec();
    args.extend(["--only-missing", "--format", "json"]);
    let answer = yard.trainyard(&args).expect(0);
    let progress = &last(&answer.out)["backfill"]["progress"];
    assert_eq!(
        (&progress["there"], &progress["succeeded"]),
        (&json!(2), &json!(4))
    );
}

#[test]
fn a_killed_command_line_is_resumed_where_it_was() {
    let yard = yard();
    let mut child = yard.start(&[
        "backfill",
        "test",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-01T04:00Z",
        "--max-parallel",
        "2",
    ]);
    while effects(&yard).len() < 2 {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    yard.write("go", "");
    let answer = yard.trainyard(&["backfills", "resume", "latest"]).expect(0);
    assert!(answer.err.contains("5 of 5 over"), "{answer}");
    let list = yard.json(&["runs", "list"]);
    assert_eq!(list.as_array().unwrap().len(), 5, "{list}");
    let backfills = yard.json(&["backfills", "list"]);
    assert_eq!(backfills[0]["phase"], "done");
}

#[test]
fn a_dry_run_lists_the_ticks_with_what_clocks_do_and_keeps_nothing() {
    let yard = yard();
    yard.edit(
        "pipeline.yaml",
        "cron: \"0 * * * *\"",
        "cron: \"30 2 * * *\"\n    timezone: Europe/Zurich",
    );
    let args = [
        "backfill",
        "test",
        "--from",
        "2026-03-28",
        "--to",
        "2026-03-30",
        "--reverse",
        "--dry-run",
    ];
    let plan = yard.json(&args);
    let ticks = plan["ticks"].as_array().unwrap();
    let dates: Vec<_> = ticks
        .iter()
        .map(|tick| tick["logical_date"].as_str().unwrap())
        .collect();
    assert_eq!(dates, ["2026-03-30", "2026-03-29", "2026-03-28"]);
    assert!(
        ticks[1]["reason"]
            .as_str()
            .unwrap()
            .contains("02:30 does not exist"),
        "{plan}"
    );
    assert_eq!(plan["runs"], 3);
    let answer = yard.trainyard(&args).expect(0);
    assert!(answer.out.contains("3 runs would start"), "{answer}");
    assert_eq!(yard.json(&["backfills", "list"]), json!([]));
}

#[test]
fn people_pause_resume_and_cancel_and_what_makes_no_sense_is_refused() {
    let yard = yard();
    let served = Served::start(&yard);
    let wrong = |change: Value| {
        let mut request = wanted(3, 1);
        for (key, value) in change.as_object().unwrap() {
            request[key] = value.clone();
        }
        let reply = served.post("/api/v1/backfills", &request);
        reply.refused(reply.status)
    };
    assert_eq!(wrong(json!({ "pipeline": "tset" })), "pipeline-not-found");
    assert_eq!(wrong(json!({ "trigger": "daily" })), "trigger-not-found");
    assert_eq!(wrong(json!({ "from": "soon" })), "backfill-span-invalid");
    assert_eq!(
        wrong(json!({ "from": "2126-01-01", "to": "2126-02-01" })),
        "backfill-span-invalid"
    );
    assert_eq!(
        wrong(json!({ "from": "2026-01-01T00:10Z", "to": "2026-01-01T00:20Z" })),
        "backfill-empty"
    );
    assert_eq!(wrong(json!({ "from": "2006-01-01" })), "backfill-ticks-refused");
    assert_eq!(wrong(json!({ "max_parallel": 0 })), "backfill-limit-invalid");
    assert_eq!(wrong(json!({ "params": { "tock": 1 } })), "pipeline-not-bound");
    assert_eq!(
        served.get("/api/v1/backfills/bf_none").refused(404),
        "backfill-not-found"
    );

    let steer = |id: &str, what: &str| served.post(&format!("/api/v1/backfills/{id}/{what}"), &json!({}));
    let id = begun(&served, 1, || order(&served, &wanted(3, 1)));
    assert_eq!(steer(&id, "pause").expect(200)["phase"], "paused");
    yard.write("go", "");
    let first = ticks(&served, &id)[0]["run"].as_str().unwrap().to_owned();
    assert_eq!(served.ended(&first)["status"], "succeeded");
    assert_eq!(show(&served, &id)["progress"]["waiting"], 2, "it starts nothing");
    assert_eq!(steer(&id, "resume").expect(200)["phase"], "running");
    assert_eq!(over(&served, &id)["phase"], "done");
    assert_eq!(steer(&id, "cancel").refused(409), "backfill-over");

    std::fs::remove_file(yard.path().join("go")).unwrap();
    let id = begun(&served, 1, || order(&served, &wanted(3, 1)));
    let mut events = served.events(None);
    let cancelled = served.post(
        &format!("/api/v1/backfills/{id}/cancel"),
        &json!({ "stop_runs": true }),
    );
    assert_eq!(cancelled.expect(200)["phase"], "cancelled");
    events.until(|told| told.event == "run_ended");
    let progress = show(&served, &id)["progress"].clone();
    assert_eq!(
        (&progress["cancelled"], &progress["waiting"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(steer(&id, "resume").refused(409), "backfill-over");

    // Sent again it is the same, and of the two one is kept.
    let send = |request: &Value| {
        served.send(
            "POST",
            "/api/v1/backfills",
            &[("Content-Type", "application/json"), ("Idempotency-Key", "once")],
            &request.to_string(),
        )
    };
    let first = send(&wanted(1, 1)).expect(201);
    assert_eq!(send(&wanted(1, 1)).expect(200)["id"], first["id"]);
    assert_eq!(send(&wanted(2, 1)).refused(422), "idempotency-key-taken");
}
