//! `runs retry --select`: steps of a run that is over run again because somebody chose them.

use crate::http::Served;
use crate::yard::Yard;
use serde_json::{Value, json};

/// Each step writes its name into `ledger.txt`; a part fails as long as there is a file `bad.PART`.
const CHAIN: &str = r#"
version: 1
name: chain
steps:
  list:
    run: echo list >> ledger.txt; echo '["a", "b"]' > "$OUT_parts"
    outputs: {parts: {type: list}}
  work:
    for_each: {items: "${{ steps.list.outputs.parts }}", fail_fast: false}
    run: |
      echo "work $PART" >> ledger.txt
      test ! -e "bad.$PART"
      printf "$PART" > "$OUT_copy"
    env: {PART: "${{ item }}"}
    outputs: {copy: {type: string}}
  join:
    inputs: {copies: "work[*].copy"}
    run: echo join >> ledger.txt; cat "$IN_copies"/0*.json > joined.txt
  side:
    run: echo side >> ledger.txt; test ! -e bad.side
    cache: false
"#;

/// What has run since the last look.
fn ledger(yard: &Yard) -> Vec<String> {
    let mut lines: Vec<String> = yard.read("ledger.txt").lines().map(str::to_owned).collect();
    yard.write("ledger.txt", "");
    lines.sort();
    lines
}

fn states(run: &Value) -> Vec<(String, String)> {
    let steps = run["steps"].as_object().unwrap().iter();
    let states = steps.map(|(name, step)| (name.clone(), step["state"].as_str().unwrap().to_owned()));
    states.collect()
}

#[test]
fn a_step_that_had_succeeded_runs_again_with_what_depends_on_it_and_nothing_else() {
    let yard = Yard::with(CHAIN);
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert_eq!(ledger(&yard), ["join", "list", "side", "work a", "work b"]);
    let refused = yard.trainyard(&["runs", "retry"]).expect(2);
    assert!(
        refused.err.contains("`--select STEP` runs a step again"),
        "{refused}"
    );
    let told = yard.json(&["runs", "retry", "--select", "work", "--dry-run"]);
    let again: Vec<&str> = told["again"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["instance"].as_str())
        .collect();
    assert_eq!(again, ["work", "join"], "{told:#}");
    assert_eq!(ledger(&yard), [""; 0], "a dry run runs nothing");
    // Although an earlier result of the same key is there.
    let run = yard.trainyard(&["runs", "retry", "--select", "work"]).expect(0);
    assert!(
        run.err.contains("`work` and one step that depends on it"),
        "{run}"
    );
    assert_eq!(ledger(&yard), ["join", "work a", "work b"]);
    yard.trainyard(&["runs", "retry", "--select", "work[1]"])
        .expect(0);
    assert_eq!(ledger(&yard), ["join", "work b"]);
    let shown = yard.trainyard(&["runs", "show"]).expect(0);
    assert!(
        shown
            .out
            .contains("retried: `work[1]` and one step that depends on it"),
        "{shown}"
    );
    assert_eq!(yard.json(&["runs", "show"])["retry_chose"], json!(["work[1]"]));
    assert_eq!(
        yard.json(&["runs", "list"]).as_array().unwrap().len(),
        1,
        "it is the same run"
    );
}

#[test]
fn only_what_failed_inside_a_list_is_tried_again_and_what_was_not_chosen_stays_as_it_is() {
    let yard = Yard::with(CHAIN);
    yard.write("bad.b", "");
    yard.write("bad.side", "");
    yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert_eq!(ledger(&yard), ["list", "side", "work a", "work b"]);
    let refused = yard.trainyard(&["runs", "retry", "--select", "join"]).expect(2);
    assert!(
        refused
            .err
            .contains("`join` cannot run: it needs `work`, which has failed and is not chosen"),
        "{refused}"
    );
    std::fs::remove_file(yard.path().join("bad.b")).unwrap();
    // `side` was not chosen, so the run fails once more.
    yard.trainyard(&["runs", "retry", "--select", "work[1]"])
        .expect(1);
    assert_eq!(ledger(&yard), ["join", "work b"]);
    let pair = |name: &str, state: &str| (name.to_owned(), state.to_owned());
    assert_eq!(
        states(&yard.json(&["runs", "show"])),
        [
            pair("list", "succeeded"),
            pair("work", "succeeded"),
            pair("join", "succeeded"),
            pair("side", "failed")
        ]
    );
    std::fs::remove_file(yard.path().join("bad.side")).unwrap();
    yard.trainyard(&["runs", "retry", "--select", "state:failed"])
        .expect(0);
    assert_eq!(ledger(&yard), ["side"]);
}

#[test]
fn a_server_runs_chosen_steps_again_of_one_run_and_of_many() {
    let yard = Yard::with(CHAIN);
    let served = Served::start(&yard);
    let runs: Vec<String> = (0..2).map(|_| served.run("chain")).collect();
    for run in &runs {
        assert_eq!(served.ended(run)["status"], "succeeded");
    }
    ledger(&yard);
    let retry = format!("/api/v1/runs/{}/retry", runs[0]);
    assert_eq!(served.post(&retry, &json!({})).refused(409), "run-succeeded");
    assert_eq!(
        served.post(&retry, &json!({ "select": "wrok" })).refused(422),
        "selection-invalid"
    );
    let mut events = served.events(None);
    let answer = served.post(&retry, &json!({ "select": "side" })).expect(202);
    assert_eq!(answer["message"], format!("run {} runs again `side`", runs[0]));
    let asked = events.until(|told| told.event == "retry_asked");
    assert!(
        asked.data["message"].as_str().unwrap().ends_with(": `side`"),
        "{asked:?}"
    );
    events.until(|told| told.event == "run_ended");
    assert_eq!(ledger(&yard), ["side"]);
    assert_eq!(
        served.get(&format!("/api/v1/runs/{}", runs[0])).expect(200)["retry_chose"],
        json!(["side"])
    );
    let many = |dry_run: bool| {
        let request = json!({ "action": "retry", "select": "list", "filter": { "status": "succeeded" }, "dry_run": dry_run });
        served.post("/api/v1/runs/actions", &request).expect(200)
    };
    let told = many(true);
    assert_eq!(told["results"][0]["verdict"], "would_ask");
    assert_eq!(
        told["results"][0]["reason"],
        "it runs again `list` and 2 steps that depend on it"
    );
    many(false);
    for _ in &runs {
        events.until(|told| told.event == "run_ended");
    }
    assert_eq!(ledger(&yard).iter().filter(|line| *line == "list").count(), 2);
    let wrong = json!({ "action": "cancel", "select": "side", "filter": { "all": true } });
    assert_eq!(
        served.post("/api/v1/runs/actions", &wrong).refused(422),
        "action-invalid"
    );
}
