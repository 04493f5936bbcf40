//! A step that repeats until a condition holds.

use crate::items::documented;
use crate::yard::Yard;
use serde_json::Value;
use std::io::{BufRead, BufReader};

/// Counts its iterations in a file; done when there are as many lines as `enough.txt` says.
const COUNTED: &str = r#"
version: 1
name: counted
steps:
  count:
    repeat: {until: "${{ outputs.lines >= 3 }}", max_iterations: 5}
    run: |
      echo "$BEFORE" >> ledger.txt
      test ! -e bad.txt
      wc -l < ledger.txt > "$OUT_lines"
    env: {BEFORE: "${{ default(previous.outputs.lines, 0) }}"}
    outputs: {lines: {type: number}}
    cache: false
  after:
    run: echo "$LINES" > after.txt
    env: {LINES: "${{ steps.count.outputs.lines }}"}
    cache: false
"#;

#[test]
fn the_pipeline_in_the_docs_repeats_until_its_condition_holds() {
    let yard = Yard::with(&documented(2));
    let run = yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert!(run.err.contains("3 iterations"), "{run}");
    let shown = yard.json(&["runs", "show"]);
    assert_eq!(shown["steps"]["poll"]["outputs"]["ready"], true, "{shown:#}");
    let log = yard.trainyard(&["runs", "logs", "latest", "poll[1]"]).expect(0);
    assert_eq!(log.out, "poll[1] | attempt 1, before it false\n");
}

#[test]
fn the_step_has_the_outputs_of_its_last_iteration_and_each_is_shown() {
    let yard = Yard::with(COUNTED);
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert_eq!(yard.read("ledger.txt"), "0\n1\n2\n");
    assert_eq!(yard.read("after.txt"), "3\n");
    let page = yard.json(&["runs", "show", "latest", "--items", "count"]);
    let names: Vec<&str> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["instance"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["count[0]", "count[1]", "count[2]"], "{page:#}");
}

#[test]
fn at_the_limit_the_step_fails_unless_it_may_go_on() {
    let yard = Yard::with(COUNTED);
    yard.edit("pipeline.yaml", "lines >= 3", "lines >= 9");
    let run = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(
        run.err.contains("`until` did not hold after 5 iterations"),
        "{run}"
    );
    let yard = Yard::with(COUNTED);
    yard.edit(
        "pipeline.yaml",
        "max_iterations: 5",
        "max_iterations: 2, on_limit: go_on",
    );
    let run = yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert!(run.err.contains("2 iterations, the limit"), "{run}");
    assert_eq!(yard.read("after.txt"), "2\n");
}

#[test]
fn a_retry_goes_on_with_the_iteration_that_failed() {
    let yard = Yard::with(COUNTED);
    yard.write("bad.txt", "");
    let run = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(run.err.contains("iteration 0: "), "{run}");
    std::fs::remove_file(yard.path().join("bad.txt")).unwrap();
    yard.trainyard(&["runs", "retry", "latest"]).expect(0);
    assert_eq!(yard.read("ledger.txt"), "0\n0\n2\n");
}

#[test]
fn a_killed_run_goes_on_with_the_iteration_that_had_not_ended() {
    let yard = Yard::with(COUNTED);
    yard.edit("pipeline.yaml", "outputs.lines >= 3", "iteration >= 4");
    let mut child = yard.start(&["run", "pipeline.yaml", "--format", "json"]);
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if event["event"] == "attempt_succeeded" && event["instance"] == "count[1]" {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    yard.trainyard(&["runs", "resume", "latest"]).expect(0);
    let page = yard.json(&["runs", "show", "latest", "--items", "count"]);
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 5, "{page:#}");
    assert_eq!(
        (&items[0]["attempts"], &items[1]["attempts"]),
        (&1.into(), &1.into())
    );
}
