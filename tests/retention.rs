//! Retention: what is old goes, by `trainyard gc` and by the server itself.

use crate::http::Served;
use crate::yard::Yard;
use serde_json::{Value, json};

const SMALL: &str = r#"
version: 1
name: test
defaults: {cache: false}
steps:
  say: {run: echo hello}
"#;

/// A project with three runs that have ended, oldest first, of which the rule keeps one.
fn yard(retention: &str) -> (Yard, Vec<String>) {
    let yard = Yard::with(SMALL);
    yard.write(
        "trainyard.yaml",
        &format!("version: 1\nname: test\n{retention}\n"),
    );
    for _ in 0..3 {
        yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    }
    let runs = ids(&yard);
    (yard, runs)
}

/// Oldest first.
fn ids(yard: &Yard) -> Vec<String> {
    let runs = yard.json(&["runs", "list"]);
    let ids = runs.as_array().unwrap().iter().rev();
    ids.map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

fn has_logs(yard: &Yard, run: &str) -> bool {
    yard.home().join("logs").join(run).exists()
}

#[test]
fn what_would_go_is_told_and_then_goes_with_its_logs() {
    let (yard, runs) = yard("retention: {runs: 0s, keep_last: 1}");
    let told = yard.json(&["gc", "--dry-run"]);
    assert_eq!((&told["dry_run"], &told["runs"]), (&json!(true), &json!(2)));
    assert_eq!(told["pipelines"][0]["pipeline"], "test");
    let seen = yard.trainyard(&["gc", "--dry-run"]).expect(0);
    assert!(seen.err.contains("2 runs with"), "{seen}");
    assert_eq!(ids(&yard), runs, "a dry run removes nothing");

    let done = yard.json(&["gc", "--compact"]);
    assert_eq!(
        (&done["runs"], &done["folders"]),
        (&json!(2), &json!(4)),
        "logs and scratch files"
    );
    assert_eq!(ids(&yard), runs[2..]);
    let logs: Vec<bool> = runs.iter().map(|run| has_logs(&yard, run)).collect();
    assert_eq!(logs, [false, false, true]);
    for text in [&runs[0], &runs[0][runs[0].len() - 8..]] {
        let seen = yard.trainyard(&["runs", "show", text]).expect(2);
        let message = format!("run `{}` was removed by retention on 2", runs[0]);
        assert!(seen.err.contains(&message), "{seen}");
    }
    yard.trainyard(&["runs", "show", &runs[2]]).expect(0);
    assert_eq!(yard.json(&["gc"])["runs"], 0);
}

#[test]
fn without_a_rule_everything_is_kept_and_a_person_may_give_one() {
    let (yard, runs) = yard("");
    assert_eq!(yard.json(&["gc"]), Value::Null);
    let seen = yard.trainyard(&["gc"]).expect(0);
    assert!(seen.err.contains("has no `retention`"), "{seen}");
    yard.trainyard(&["gc", "--keep-last", "1"]).expect(2);
    assert_eq!(yard.json(&["gc", "--older-than", "1d"])["runs"], 0);
    assert_eq!(ids(&yard), runs);
    let done = yard.json(&["gc", "--older-than", "0d", "--keep-last", "2"]);
    assert_eq!(done["runs"], 1);
    assert_eq!(ids(&yard), runs[1..]);
}

#[test]
fn a_rule_that_is_half_understood_removes_nothing() {
    for (rule, word) in [
        ("retention: {keep_last: 1}", "runs"),
        ("retention: {runs: 90}", "text"),
        ("retention: {runs: 0s, keep_last: 0}", "keep_last"),
        ("retention: {runs: 0s, keep_last: 1, keep: 1}", "keep"),
        ("retention: {runs: 0s, keep_last: 1}\nnonsense: 1", "nonsense"),
    ] {
        let yard = Yard::with(SMALL);
        yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
        yard.write("trainyard.yaml", &format!("version: 1\nname: test\n{rule}\n"));
        let seen = yard.trainyard(&["gc"]).expect(1);
        assert!(seen.err.contains(word), "{rule}: {seen}");
    }
}

#[test]
fn a_server_removes_what_is_old_by_itself() {
    let (yard, runs) = yard("retention: {runs: 0s, keep_last: 1}");
    let served = Served::start(&yard);
    let removed = |what: &str, count: u32| {
        let line = format!("trainyard_retention_removed_total{{what=\"{what}\"}} {count}\n");
        served.get("/metrics").text().contains(&line)
    };
    while !removed("folders", 4) {}
    assert!(removed("runs", 2));
    let gone = served.get(&format!("/api/v1/runs/{}", runs[0]));
    assert_eq!(gone.refused(410), "run-removed");
    served.get(&format!("/api/v1/runs/{}", runs[2])).expect(200);
    let logs: Vec<bool> = runs.iter().map(|run| has_logs(&yard, run)).collect();
    assert_eq!(logs, [false, false, true]);
    // What comes after goes on as ever.
    let run = served.run("test");
    assert_eq!(served.ended(&run)["status"], "succeeded");
}
