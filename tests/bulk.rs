//! One action on many runs, over HTTP and from the command line.

use crate::http::Served;
use crate::yard::Yard;
use serde_json::{Value, json};

/// Runs that wait for the file `go`, and fail if there is one called `bad`.
fn yard() -> Yard {
    let yard = Yard::with("");
    let project = yard.path().display().to_string();
    yard.write(
        "pipeline.yaml",
        &format!(
            "version: 1\nname: test\nsteps:\n  only:\n    cache: false\n    run: |\n      \
             while [ ! -e \"$PROJECT/go\" ]; do sleep 0.05; done\n      test ! -e \"$PROJECT/bad\"\n    \
             env: {{PROJECT: {project}}}\n"
        ),
    );
    yard
}

fn act(served: &Served, request: &Value) -> Value {
    served.post("/api/v1/runs/actions", request).expect(200)
}

fn verdicts(answer: &Value) -> Vec<&str> {
    let results = answer["results"].as_array().unwrap().iter();
    results
        .map(|result| result["verdict"].as_str().unwrap())
        .collect()
}

/// Waits until a run that had ended before has succeeded.
fn succeeded(served: &Served, run: &str) {
    let mut events = served.events(None);
    while served.get(&format!("/api/v1/runs/{run}")).expect(200)["status"] != "succeeded" {
        events.until(|told| told.event == "run_ended");
    }
}

#[test]
fn many_runs_are_cancelled_once_and_tried_again_once() {
    let yard = yard();
    let served = Served::start(&yard);
    let runs: Vec<String> = (0..3).map(|_| served.run("test")).collect();
    let cancel =
        |dry_run: bool| json!({ "action": "cancel", "filter": { "pipeline": "test" }, "dry_run": dry_run });
    assert_eq!(verdicts(&act(&served, &cancel(true))), ["would_ask"; 3]);
    let answer = act(&served, &cancel(false));
    assert_eq!(verdicts(&answer), ["asked"; 3]);
    assert_eq!(answer["results"][0]["run"], runs[2], "newest first");
    for run in &runs {
        assert_eq!(served.ended(run)["status"], "cancelled");
    }
    // The filter finds none of them any more; named, they are as they are to be.
    assert_eq!(verdicts(&act(&served, &cancel(false))), [""; 0]);
    let named = json!({ "action": "cancel", "runs": [runs[0], runs[0], "nonesuch"] });
    assert_eq!(verdicts(&act(&served, &named)), ["unchanged", "refused"]);
    assert_eq!(
        verdicts(&act(&served, &json!({ "action": "resume", "runs": runs }))),
        ["refused"; 3]
    );

    let some = json!({ "action": "retry", "filter": { "status": "cancelled" }, "limit": 2 });
    let answer = act(&served, &some);
    assert_eq!(
        (verdicts(&answer), &answer["more"]),
        (vec!["asked"; 2], &json!(true))
    );
    let answer = act(&served, &json!({ "action": "retry", "runs": runs }));
    let mut told = verdicts(&answer);
    told.sort_unstable();
    assert_eq!(told, ["asked", "unchanged", "unchanged"]);
    yard.write("go", "");
    for run in &runs {
        succeeded(&served, run);
    }
    let answer = act(&served, &json!({ "action": "retry", "runs": runs }));
    assert_eq!(verdicts(&answer), ["unchanged"; 3]);
}

#[test]
fn what_means_no_run_or_too_many_is_refused() {
    let yard = yard();
    let served = Served::start(&yard);
    for request in [
        json!({ "action": "cancel" }),
        json!({ "action": "cancel", "filter": {} }),
        json!({ "action": "cancel", "filter": { "all": true }, "runs": [] }),
        json!({ "action": "cancel", "filter": { "all": true }, "limit": 501 }),
        json!({ "action": "cancel", "filter": { "status": "lost" } }),
        json!({ "action": "cancel", "filter": { "since": "soon" } }),
    ] {
        let reply = served.post("/api/v1/runs/actions", &request);
        assert_eq!(reply.refused(422), "action-invalid", "{request}");
    }
    let reply = served.post("/api/v1/runs/actions", &json!({ "action": "delete", "runs": [] }));
    assert_eq!(reply.refused(422), "body-invalid");
    assert_eq!(
        verdicts(&act(
            &served,
            &json!({ "action": "cancel", "filter": { "all": true } })
        )),
        [""; 0]
    );
}

#[test]
fn the_command_line_shows_first_and_acts_when_told_and_a_server_carries_it_out() {
    let yard = yard();
    yard.write("go", "");
    yard.write("bad", "");
    for _ in 0..2 {
        yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    }
    let failed = yard.json(&["runs", "list"]);
    let dry = yard.json(&["runs", "retry", "--all", "--dry-run"]);
    assert_eq!(verdicts(&dry), ["would_ask"; 2]);
    let older = yard.json(&["runs", "retry", "--since", "2126-01-01", "--dry-run"]);
    assert_eq!(verdicts(&older), [""; 0]);
    // Nobody is there to agree.
    let answer = yard.trainyard(&["runs", "retry", "--status", "failed"]).expect(2);
    assert!(answer.err.contains("--yes"), "{answer}");
    let done = yard.json(&["runs", "retry", "--status", "failed", "--yes"]);
    assert_eq!(verdicts(&done), ["asked"; 2]);
    let again = yard.json(&["runs", "retry", "--status", "failed", "--yes"]);
    assert_eq!(verdicts(&again), ["unchanged"; 2], "a request waits");
    std::fs::remove_file(yard.path().join("bad")).unwrap();
    let served = Served::start(&yard);
    for run in failed.as_array().unwrap() {
        succeeded(&served, run["run"].as_str().unwrap());
    }
    // One run or many, not both.
    yard.trainyard(&["runs", "cancel", "latest", "--all"]).expect(2);
}
