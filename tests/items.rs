//! A step for each item of a list that only the run knows.

use crate::yard::Yard;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};

/// Lists parts, works on each of them and joins what came out. `parts.json` is the list; a part that
/// has a file `bad.PART` fails.
const PARTS: &str = r#"
version: 1
name: parts
steps:
  list:
    run: cat parts.json > "$OUT_parts"
    outputs: {parts: {type: list}}
    cache: false
  work:
    for_each: {items: "${{ steps.list.outputs.parts }}", max_parallel: 2, fail_fast: false}
    run: |
      echo "$PART" >> ledger.txt
      test ! -e "bad.$PART"
      printf "$PART" > "$OUT_copy"
    env: {PART: "${{ item }}"}
    outputs: {copy: {type: string}}
  join:
    inputs: {copies: "work[*].copy"}
    run: cat "$IN_copies"/0*.json > joined.txt
    env: {FIRST: "${{ len(steps.work) }}"}
    cache: false
"#;

fn parts(list: &str) -> Yard {
    let yard = Yard::with(PARTS);
    yard.write("parts.json", list);
    yard
}

fn ledger(yard: &Yard) -> Vec<String> {
    let mut lines: Vec<String> = yard.read("ledger.txt").lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn each_item_of_a_list_that_a_command_made_is_worked_on_and_collected() {
    let yard = parts(r#"["a", "b", "c"]"#);
    let run = yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert!(run.err.contains("3 items"), "{run}");
    assert_eq!(ledger(&yard), ["a", "b", "c"]);
    assert_eq!(yard.read("joined.txt"), r#""a""b""c""#);
    let shown = yard.json(&["runs", "show"]);
    assert_eq!(shown["steps"]["work"]["items"]["succeeded"], 3, "{shown:#}");
    let page = yard.json(&[
        "runs",
        "show",
        "latest",
        "--items",
        "work",
        "--per-page",
        "2",
        "--page",
        "2",
    ]);
    assert_eq!(
        (&page["pages"], &page["items"][0]["item"]),
        (&json!(2), &json!("c"))
    );
    let text = yard
        .trainyard(&["runs", "show", "latest", "--items", "work"])
        .expect(0);
    assert!(text.out.contains("work[1]"), "{text}");
}

#[test]
fn a_retry_works_on_the_items_again_that_failed_and_on_no_other() {
    let yard = parts(r#"["a", "b", "c"]"#);
    yard.write("bad.b", "");
    let run = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(run.err.contains("1 of 3 items failed, the first [1]"), "{run}");
    let failed = yard.json(&["runs", "show", "latest", "--items", "work", "--state", "failed"]);
    assert_eq!(failed["items"][0]["item"], "b", "{failed:#}");
    std::fs::remove_file(yard.path().join("bad.b")).unwrap();
    yard.trainyard(&["runs", "retry", "latest"]).expect(0);
    assert_eq!(ledger(&yard), ["a", "b", "b", "c"]);
    assert_eq!(yard.read("joined.txt"), r#""a""b""c""#);
}

#[test]
fn an_item_whose_result_is_there_is_reused_wherever_it_stands_in_the_list() {
    let yard = parts(r#"["a", "b"]"#);
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    yard.write("parts.json", r#"["new", "b", "a"]"#);
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert_eq!(ledger(&yard), ["a", "b", "new"]);
    assert_eq!(
        yard.json(&["runs", "show"])["steps"]["work"]["items"]["reused"],
        2
    );
    assert_eq!(yard.read("joined.txt"), r#""new""b""a""#);
}

#[test]
fn an_empty_list_is_fine_and_one_that_is_none_or_has_an_item_twice_is_not() {
    let yard = parts("[]");
    yard.edit(
        "pipeline.yaml",
        "cat \"$IN_copies\"/0*.json > joined.txt",
        "ls \"$IN_copies\" > joined.txt",
    );
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    assert_eq!(yard.read("joined.txt"), "index.json\n");
    for (list, complaint) in [
        (r#"{"a": 1}"#, "output `parts` is no list"),
        (
            r#"["a", "b", "a"]"#,
            "has `\"a\"` twice: items 0 and 2, counted from 0",
        ),
    ] {
        let yard = parts(list);
        let run = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
        assert!(run.err.contains(complaint), "{run}");
    }
    let yard = parts(r#"["a", "b"]"#);
    yard.edit("pipeline.yaml", "max_parallel: 2", "max_items: 1");
    let run = yard.trainyard(&["run", "pipeline.yaml"]).expect(1);
    assert!(run.err.contains("has 2 items; at most 1 are allowed"), "{run}");
}

#[test]
fn a_killed_run_goes_on_with_the_items_that_were_not_done() {
    let list: Vec<String> = (0..40).map(|number| format!("p{number}")).collect();
    let yard = parts(&json!(list).to_string());
    let mut child = yard.start(&["run", "pipeline.yaml", "--format", "json"]);
    let mut done = Vec::new();
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let name = event["instance"].as_str().unwrap_or_default();
        if event["event"] == "attempt_succeeded" && name.starts_with("work[") {
            done.push(name.to_owned());
        }
        if done.len() == 15 {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    yard.trainyard(&["runs", "resume", "latest"]).expect(0);
    let page = yard.json(&["runs", "show", "latest", "--items", "work", "--per-page", "100"]);
    assert_eq!(page["counts"]["succeeded"], 40, "{page:#}");
    for item in page["items"].as_array().unwrap() {
        if done.contains(&item["instance"].as_str().unwrap().to_owned()) {
            assert_eq!(item["attempts"], 1, "{item:#}");
        }
    }
}

/// A pipeline of docs/runs.md, by its place there.
pub(crate) fn documented(number: usize) -> String {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runs.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let pipeline = text.split("```yaml\n").nth(number).unwrap();
    pipeline.split("```").next().unwrap().to_owned()
}

#[test]
fn the_pipeline_in_the_docs_runs() {
    let yard = Yard::with(&documented(1));
    yard.write("data/a.csv", "1\n2\n");
    yard.write("data/b.csv", "1\n");
    yard.trainyard(&["run", "pipeline.yaml"]).expect(0);
    let page = yard.json(&["runs", "show", "latest", "--items", "load"]);
    assert_eq!(page["items"][0]["outputs"]["lines"], 2, "{page:#}");
    assert_eq!(page["items"][1]["outputs"]["lines"], 1, "{page:#}");
}
