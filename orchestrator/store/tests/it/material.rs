//! Runs, events and models to test with.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use trainyard_contract::task::{Limits, ModelDraft, ResourcesUsed};
use trainyard_contract::{ArtifactKind, ArtifactRef, ContentHash, Millis, OutputValue, RunId, Timestamp};
use trainyard_domain::run::{
    ApprovalRule, CachePolicy, Condition, DEFINITION_VERSION, Event, Instance, OnExpire, RetryPolicy,
    RunDefinition, RunOutcome, RunnerKind, What,
};
use trainyard_store::{NewRun, Owner, Store};

pub(crate) fn run_id(number: u64) -> RunId {
    RunId::from_parts(number, *b"0123456789")
}

/// `s0`, `s1`, … without edges; `s0` is a gate of two.
pub(crate) fn definition(pipeline: &str, steps: usize) -> RunDefinition {
    RunDefinition {
        version: DEFINITION_VERSION,
        pipeline: pipeline.parse().unwrap(),
        pipeline_hash: ContentHash::of(pipeline.as_bytes()),
        file: format!("pipelines/{pipeline}.yaml"),
        documents: Vec::new(),
        code: None,
        owner: None,
        cost_center: None,
        environment: None,
        params: IndexMap::new(),
        vars: Map::new(),
        trigger: json!({ "type": "manual" }),
        caller: None,
        seed: 1,
        contracts: BTreeMap::new(),
        datasets: IndexMap::new(),
        files: BTreeMap::new(),
        instances: (0..steps).map(instance).collect(),
        bounds: Default::default(),
        concurrency: None,
        priority: None,
        pools: BTreeMap::new(),
        notices: Default::default(),
        not_obeyed: Vec::new(),
        as_written: IndexMap::new(),
        sections: None,
        reproduces: None,
    }
}

fn instance(at: usize) -> Instance {
    let gate = ApprovalRule {
        roles: vec!["risk".to_owned()],
        min_approvals: 2,
        not_author: true,
        expires: None,
        on_expire: OnExpire::Reject,
    };
    Instance {
        name: format!("s{at}"),
        step: format!("s{at}").parse().unwrap(),
        uses: "test.noop@v1".to_owned(),
        runner: if at == 0 {
            RunnerKind::Orchestrator
        } else {
            RunnerKind::Worker
        },
        effect: None,
        revision: 1,
        matrix: Map::new(),
        upstream: Vec::new(),
        inputs: IndexMap::new(),
        outputs: IndexMap::new(),
        with: Value::Null,
        condition: Condition::Always,
        process: None,
        secrets: Default::default(),
        memory: None,
        feature_use: Default::default(),
        features: Default::default(),
        retry: RetryPolicy::default(),
        limits: Limits::default(),
        pool: None,
        cache: CachePolicy::On {
            code: true,
            inputs: true,
            with: true,
            ttl: None,
        },
        continue_on_error: false,
        tolerated_by: None,
        matrix_limits: None,
        for_each: None,
        repeat: None,
        approval: (at == 0).then_some(gate),
        hook: None,
        tags: Vec::new(),
    }
}

pub(crate) fn create(store: &mut Store, number: u64, pipeline: &str) -> RunId {
    let id = run_id(number);
    let definition = definition(pipeline, 4);
    let at = Timestamp(number as i64);
    store
        .create_run(&NewRun {
            id: &id,
            definition: &definition,
            created_at: at,
            by: "ada",
            reason: Some("to see"),
        })
        .unwrap();
    id
}

/// A new run that somebody owns; its epoch is 1.
pub(crate) fn create_owned(store: &mut Store, number: u64, pipeline: &str) -> RunId {
    let id = create(store, number, pipeline);
    let epoch = store
        .acquire_lease(&id, &owner("engine-1"), Timestamp(0), Millis(60_000))
        .unwrap();
    assert_eq!(epoch, 1);
    id
}

pub(crate) fn owner(engine: &str) -> Owner {
    Owner::this_process(engine)
}

/// Appends and commits, for a run at epoch 1.
pub(crate) fn append(store: &mut Store, run: &RunId, expected: u64, events: &[Event]) {
    let mut turn = store.begin().unwrap();
    turn.append(run, 1, expected, events).unwrap();
    turn.commit().unwrap();
}

pub(crate) fn at(at: i64, what: What) -> Event {
    Event {
        at: Timestamp(at),
        what,
    }
}

pub(crate) fn started_run(time: i64) -> Event {
    at(
        time,
        What::RunStarted {
            by: "ada".to_owned(),
            reuse_only: vec![],
        },
    )
}

pub(crate) fn ended_run(time: i64, outcome: RunOutcome) -> Event {
    at(time, What::RunEnded { outcome })
}

pub(crate) fn started(time: i64, step: u32, key: Option<&str>) -> Event {
    at(
        time,
        What::AttemptStarted {
            step,
            attempt: 1,
            key: key.map(|key| ContentHash::of(key.as_bytes())),
        },
    )
}

pub(crate) fn succeeded(time: i64, step: u32, wall: u64, output: &str) -> Event {
    let value = OutputValue::Artifact(Box::new(artifact(ArtifactKind::Table, output)));
    at(
        time,
        What::AttemptSucceeded {
            step,
            attempt: 1,
            outputs: [("table".to_owned(), value)].into_iter().collect(),
            metrics: [("auc".to_owned(), 0.1 + 0.2)].into_iter().collect(),
            headline: Some(format!("made {output}")),
            resources: ResourcesUsed {
                wall: Millis(wall),
                ..ResourcesUsed::default()
            },
        },
    )
}

pub(crate) fn artifact(kind: ArtifactKind, content: &str) -> ArtifactRef {
    ArtifactRef {
        kind,
        hash: ContentHash::of(content.as_bytes()),
        size: content.len() as u64,
        media_type: "application/octet-stream".to_owned(),
        rows: None,
        schema: None,
        summary: Value::Null,
    }
}

pub(crate) fn draft(name: &str, content: &str, alias: Option<&str>) -> ModelDraft {
    ModelDraft {
        output: "version".to_owned(),
        name: name.to_owned(),
        alias: alias.map(str::to_owned),
        model: artifact(ArtifactKind::Model, content),
        signature: json!({}),
        attachments: BTreeMap::new(),
        metrics: IndexMap::new(),
        description: None,
        tags: BTreeMap::new(),
    }
}
