//! `runs reproduce` and `lineage diff|why|impact`: the same again, or since which step it is not.

use crate::yard::Yard;
use serde_json::Value;

const PIPELINE: &str = "\
version: 1
name: test
include: [contracts/rows.yaml]
params:
  seed: {type: integer, default: 7}
datasets:
  rows: {path: data/rows.csv, contract: rows}
steps:
  read:
    run: cat \"$IN_rows\" > \"$OUT_out\"
    inputs: {rows: rows}
    outputs: {out: {type: file}}
  draw:
    run: echo \"$SEED\" > \"$OUT_out\"
    env: {SEED: \"${{ params.seed }}\"}
    outputs: {out: {type: file}}
  join:
    run: cat \"$IN_read\" \"$IN_draw\" > \"$OUT_out\"
    inputs: {read: read.out, draw: draw.out}
    outputs: {out: {type: file}}
  publish:
    run: cp \"$IN_join\" published.txt
    inputs: {join: join.out}
    cache: false
";

fn yard() -> Yard {
    let yard = Yard::with(PIPELINE);
    yard.write(
        "contracts/rows.yaml",
        "version: 1\nname: rows\ncolumns:\n  word: {type: string}\n",
    );
    yard.write("data/rows.csv", "word\nfirst\n");
    yard
}

/// The last line that a command prints as JSON.
fn last(text: &str) -> Value {
    serde_json::from_str(text.trim_end().lines().last().unwrap()).unwrap()
}

fn origins(comparison: &Value) -> Vec<(&str, bool)> {
    let steps = comparison["differences"]["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| {
            (
                step["instance"].as_str().unwrap(),
                step["is_origin"].as_bool().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_run_made_again_gives_the_same_bytes_and_repeats_no_effect() {
    let yard = yard();
    yard.trainyard(&["run"]).expect(0);
    std::fs::remove_file(yard.path().join("published.txt")).unwrap();
    let again = yard
        .trainyard(&["runs", "reproduce", "--format", "json"])
        .expect(0);
    let comparison = last(&again.out);
    assert_eq!(comparison["same"], true, "{comparison}");
    assert_eq!(
        comparison["differences"]["left_out"],
        serde_json::json!(["publish"])
    );
    assert!(!yard.path().join("published.txt").exists());
    let shown = yard.trainyard(&["runs", "reproduce"]).expect(0);
    assert!(shown.err.contains("bit for bit"), "{}{}", shown.out, shown.err);
}

#[test]
fn with_another_parameter_it_says_which_artifacts_differ_and_since_which_step() {
    let yard = yard();
    yard.trainyard(&["run", "-p", "seed=8"]).expect(0);
    let same = yard
        .trainyard(&["runs", "reproduce", "--format", "json"])
        .expect(0);
    assert_eq!(last(&same.out)["same"], true);
    let runs = yard.json(&["runs", "list"]);
    let original = runs.as_array().unwrap().last().unwrap()["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = yard
        .trainyard(&["runs", "reproduce", &original, "-p", "seed=9", "--format", "json"])
        .expect(1);
    let comparison = last(&other.out);
    assert_eq!(origins(&comparison), [("draw", true), ("join", false)]);
    assert_eq!(
        comparison["differences"]["steps"][0]["because"],
        serde_json::json!(["params.seed"])
    );
}

#[test]
fn data_that_has_changed_since_is_taken_as_it_was() {
    let yard = yard();
    yard.trainyard(&["run"]).expect(0);
    yard.write("data/rows.csv", "word\nanother\n");
    let again = yard
        .trainyard(&["runs", "reproduce", "--format", "json"])
        .expect(0);
    assert_eq!(last(&again.out)["same"], true, "{}", again.out);
    let plan = yard.trainyard(&["plan"]).expect(0);
    assert!(plan.out.contains("rows changed"), "{}", plan.out);
}

#[test]
fn a_pipeline_that_is_another_by_now_is_not_mistaken_for_the_one_that_ran() {
    let yard = yard();
    yard.trainyard(&["run"]).expect(0);
    yard.edit("pipeline.yaml", "echo", "printf");
    let refused = yard.trainyard(&["runs", "reproduce"]).expect(2);
    assert!(refused.err.contains("steps.draw.run"), "{}", refused.err);
}

#[test]
fn two_runs_are_told_apart_and_each_says_why_it_ran() {
    let yard = yard();
    yard.trainyard(&["run"]).expect(0);
    yard.trainyard(&["run", "-p", "seed=8"]).expect(0);
    let runs = yard.json(&["runs", "list"]);
    let ids: Vec<&str> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["run"].as_str().unwrap())
        .collect();
    let differs = yard.json(&["lineage", "diff", ids[1], ids[0]]);
    assert_eq!(differs["steps"][0]["because"], serde_json::json!(["params.seed"]));
    let why = yard.json(&["lineage", "why", ids[0]]);
    assert_eq!(why["params"]["seed"], 8);
    assert_eq!(why["reused"][0]["step"], "read");
    let down = yard.json(&["lineage", "down", "data/rows.csv"]);
    let nodes: Vec<&str> = down["down"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["node"].as_str().unwrap())
        .collect();
    assert!(nodes.contains(&"dataset rows"), "{nodes:?}");
    assert!(
        nodes.iter().any(|node| node.starts_with("step read of")),
        "{nodes:?}"
    );
}
