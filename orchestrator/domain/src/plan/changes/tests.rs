use super::*;
use crate::pipeline::fixture::pipeline;
use crate::pipeline::{BindRequest, Pipeline};
use crate::run::fixture::run_id;
use crate::run::{Input, Run};
use std::collections::BTreeMap;
use std::sync::Arc;
use trainyard_contract::{ArtifactKind, ArtifactRef, ContentHash, Memory, OutputValue, Shape, Timestamp};

const BEFORE: &str = "\
version: 1
name: p
owner: team-x
include: [../contracts/flights.yaml]
params:
  late: {type: integer, default: 15}
  quiet: {type: boolean, default: false}
environments:
  dev: {vars: {root: data}}
  prod: {vars: {root: data}, read_only: true}
datasets: {flights: {path: \"${{ vars.root }}/flights.csv\", contract: flights}}
triggers: {nightly: {type: schedule, cron: \"30 2 * * *\", timezone: UTC}}
steps:
  ingest:
    uses: ingest.files@v1
    inputs: {flights: flights}
    with: {mode: incremental, lateness: 1h}
    outputs: {flights: {type: table}}
  features:
    uses: features.build@v1
    inputs: {flights: ingest.flights}
    with:
      keep: [carrier]
      label: {name: label, expr: \"arr_delay > params.late\"}
    timeout: 30m
    outputs: {table: {type: table}}
  train:
    uses: train.classifier@v1
    inputs: {train: features.table}
    if: \"${{ !params.quiet }}\"
    with: {algorithm: random_forest, label: label}
  aside:
    uses: features.build@v1
    inputs: {flights: ingest.flights}
    with: {keep: [carrier]}
    outputs: {table: {type: table}}
";

fn bound(text: &str) -> (Arc<Pipeline>, Arc<RunDefinition>) {
    let pipeline = pipeline(text);
    let mut definition = pipeline
        .bind(&BindRequest {
            environment: None,
            params: &BTreeMap::new(),
            trigger: serde_json::json!({"type": "manual"}),
            seed: 7,
        })
        .unwrap();
    for instance in &mut definition.instances {
        if instance.with["mode"] == "incremental" {
            instance.memory = Some(Memory::Latest);
        }
    }
    (pipeline, Arc::new(definition))
}

/// A run in which every step has made what the pipeline says.
fn made(pipeline: &Pipeline, definition: &Arc<RunDefinition>) -> Run {
    let mut run = Run::new(run_id(1), definition.clone()).unwrap();
    let now = Timestamp(0);
    let by = "ada".to_owned();
    run.decide(now, Input::Start { by, select: None });
    loop {
        let Some(step) = run.ready().next() else { break };
        let instance = definition.instances[step as usize].clone();
        let outputs = instance.outputs.iter().map(|(name, output)| {
            let schema = match pipeline.shape(instance.step.as_str(), name) {
                Some(Shape::Table(schema)) => Some(schema.clone()),
                _ => None,
            };
            let artifact = ArtifactRef {
                kind: output.kind,
                hash: ContentHash::of(name.as_bytes()),
                size: 1,
                media_type: String::new(),
                rows: None,
                schema: schema.filter(|_| output.kind == ArtifactKind::Table),
                summary: Value::Null,
            };
            (name.clone(), OutputValue::Artifact(Box::new(artifact)))
        });
        let outputs = outputs.collect();
        run.decide(now, Input::Launch { step, key: None });
        let (metrics, resources) = Default::default();
        run.decide(
            now,
            Input::Succeeded {
                step,
                attempt: 1,
                outputs,
                metrics,
                headline: None,
                resources,
            },
        );
    }
    run
}

/// Changes from [`BEFORE`] to the same with `from` replaced by `to`, as `class path: why`.
fn changes(from: &str, to: &str) -> Vec<String> {
    assert!(BEFORE.contains(from), "{from}");
    let (was, before) = bound(BEFORE);
    let (pipeline, now) = bound(&BEFORE.replacen(from, to, 1));
    let mut changes = changes_between(&before, &now);
    spare_unread_columns(&mut changes, &pipeline, &made(&was, &before));
    let line = |change: &Change| {
        let class = change.class.words();
        format!("{class} {}: {}", change.difference.path, change.why)
    };
    changes.iter().map(line).collect()
}

#[test]
fn a_value_that_results_are_made_of_breaks() {
    assert_eq!(
        changes("random_forest", "gradient_boosting"),
        ["breaking steps.train.with.algorithm: part of what `train` is made of"]
    );
    assert_eq!(
        changes("default: 15", "default: 20"),
        ["breaking params.late: read by `features`"]
    );
    assert_eq!(
        changes("dev: {vars: {root: data}}", "dev: {vars: {root: ./data}}"),
        [
            "no re-run vars.root: no step reads it",
            "breaking datasets.flights.path: read from another place; the same content is reused",
        ]
    );
}

#[test]
fn what_says_only_when_and_for_whom_something_runs_needs_no_run() {
    assert_eq!(
        changes("timeout: 30m", "timeout: 1h"),
        ["no re-run steps.features.timeout: says only how long it may take"]
    );
    assert_eq!(
        changes("owner: team-x", "owner: team-y"),
        ["no re-run owner: says nothing of results"]
    );
    assert_eq!(
        changes("30 2 * * *", "30 3 * * *"),
        ["no re-run triggers.nightly.cron: says only when runs start"]
    );
    assert_eq!(
        changes("read_only: true", "read_only: false"),
        ["no re-run environments.prod.read_only: about another environment"]
    );
    assert_eq!(
        changes(
            "quiet: {type: boolean, default: false}",
            "quiet: {type: boolean, default: true}"
        ),
        ["no re-run params.quiet: says only when and whether steps run"]
    );
}

#[test]
fn a_column_that_is_added_breaks_only_if_somebody_reads_it() {
    assert_eq!(
        changes("keep: [carrier]\n", "keep: [distance, carrier]\n"),
        ["breaking steps.features.with.keep[0]: adds a column that is read by `train`"]
    );
    assert_eq!(
        changes("{keep: [carrier]}", "{keep: [carrier, distance]}"),
        ["non-breaking steps.aside.with.keep[1]: adds a column that no step reads"]
    );
    assert_eq!(
        changes("{keep: [carrier]}", "{keep: [distance]}"),
        ["breaking steps.aside.with.keep[0]: part of what `aside` is made of"]
    );
}

#[test]
fn a_step_that_goes_on_from_its_result_changes_forwards_only() {
    assert_eq!(
        changes("lateness: 1h", "lateness: 2h"),
        [
            "forward-only steps.ingest.with.lateness: `ingest` goes on from its last result: rows that are there \
             stay as they were made"
        ]
    );
    // What begins anew keeps nothing.
    assert_eq!(
        changes("mode: incremental", "mode: full"),
        ["breaking steps.ingest.with.mode: part of what `ingest` is made of"]
    );
}

#[test]
fn a_new_step_or_output_is_no_change_for_those_that_are_there() {
    let more = "  more: {run: echo, inputs: {flights: ingest.flights}}\n  aside:";
    assert_eq!(
        changes("  aside:", more),
        ["non-breaking steps.more: a new step, of which nothing was made before"]
    );
    let (_, before) = bound(&BEFORE.replacen("  aside:", more, 1));
    let (_, now) = bound(BEFORE);
    let removed = changes_between(&before, &now);
    assert_eq!((removed.len(), removed[0].class), (1, ChangeClass::Breaking));
    assert_eq!(removed[0].why, "its results are made no more");
}

#[test]
fn a_contract_that_promises_more_breaks_only_whom_it_concerns() {
    let classes = |change: fn(&mut RunDefinition)| {
        let (was, before) = bound(BEFORE);
        let mut older = (*before).clone();
        change(&mut older);
        let mut changes = changes_between(&older, &before);
        spare_unread_columns(&mut changes, &was, &made(&was, &before));
        let line = |change: &Change| {
            format!(
                "{} {}: {}",
                change.class.words(),
                change.difference.path,
                change.why
            )
        };
        changes.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(
        classes(|of| {
            of.contracts
                .get_mut("flights")
                .unwrap()
                .columns
                .shift_remove("dep_delay");
        }),
        ["non-breaking contracts.flights.columns.dep_delay: adds a column that no step reads"]
    );
    assert_eq!(
        classes(|of| {
            of.contracts
                .get_mut("flights")
                .unwrap()
                .columns
                .shift_remove("arr_delay");
        }),
        ["breaking contracts.flights.columns.arr_delay: adds a column that is read by `ingest`"]
    );
    assert_eq!(
        classes(|of| of.contracts.get_mut("flights").unwrap().owner = Some("b".to_owned())),
        ["no re-run contracts.flights.owner: words for people"]
    );
}

#[test]
fn what_is_put_into_a_list_is_told_and_not_what_moved() {
    let mut found = Vec::new();
    let (before, now) = (
        serde_json::json!(["a", "c"]),
        serde_json::json!(["a", "b", "c", "d"]),
    );
    compare(Some(&before), Some(&now), "x", &mut |difference| {
        found.push(difference.path)
    });
    compare(Some(&now), Some(&before), "y", &mut |difference| {
        found.push(difference.path)
    });
    compare(
        Some(&before),
        Some(&serde_json::json!(["c", "a"])),
        "z",
        &mut |difference| {
            found.push(difference.path);
        },
    );
    assert_eq!(found, ["x[1]", "x[3]", "y[1]", "y[3]", "z[0]", "z[1]"]);
}
