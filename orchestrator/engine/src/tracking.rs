//! What events of a run are to a tracking client: the run is a tracked run, its step instances are runs within
//! it, and what steps took, measured and made is logged there. Nobody's step has to do anything for it.

use indexmap::IndexMap;
use serde_json::Value;
use std::collections::BTreeMap;
use trainyard_contract::task::{CurvePoint, ResourcesUsed, TaskSpec};
use trainyard_contract::{ArtifactKind, ArtifactRef, ContentHash, OutputValue, Timestamp};
use trainyard_domain::run::{BoundInput, Event, Instance, InstanceIx, Run, RunOutcome, RunnerKind, What};
use trainyard_domain::tracking::{RunState, limits, name};
use trainyard_executors::AttemptKey;
use trainyard_store::tracking::{Pair, TrackedStep, tracked_step_id};

/// Parameters of a step that are logged; of more, the first.
const MOST_PARAMS: usize = 200;
/// Points of a curve that are logged.
const MOST_POINTS: usize = 2_000;

/// What a report measured again and again.
#[derive(Debug)]
pub(crate) struct Curves {
    pub(crate) key: AttemptKey,
    pub(crate) curves: IndexMap<String, Vec<CurvePoint>>,
}

/// What some events of a run track. `datasets`: names and contents as the run has seen them.
pub(crate) fn tracked(
    run: &Run,
    events: &[Event],
    curves: &[&Curves],
    datasets: &[(String, ContentHash)],
) -> Vec<TrackedStep> {
    let mut all = Vec::new();
    for event in events {
        let at = event.at;
        match &event.what {
            What::RunStarted { by, .. } => all.push(whole(run, by, RunState::Running, at)),
            What::RunEnded { outcome } => {
                let status = match outcome {
                    RunOutcome::Succeeded => RunState::Finished,
                    RunOutcome::Failed => RunState::Failed,
                    RunOutcome::Cancelled => RunState::Killed,
                };
                all.push(whole(run, run.started_by().unwrap_or_default(), status, at));
            }
            What::RetryAsked { by, .. } => all.push(whole(run, by, RunState::Running, at)),
            What::AttemptStarted { step, .. } => {
                // Only a command can log to its run while it runs.
                let is_process = |instance: &Instance| instance.runner == RunnerKind::Process;
                if run
                    .instance_at(*step)
                    .is_some_and(|instance| is_process(&instance))
                {
                    all.extend(part(run, *step, RunState::Running, at, None));
                }
            }
            What::AttemptSucceeded {
                step,
                attempt,
                outputs,
                metrics,
                resources,
                ..
            } => {
                let Some(mut tracked) = part(run, *step, RunState::Finished, at, Some(resources)) else {
                    continue;
                };
                measured(&mut tracked, metrics);
                made(&mut tracked, outputs);
                read(&mut tracked, run, *step, datasets);
                let of_this = |curves: &&&Curves| {
                    curves.key.step == *step && curves.key.attempt == *attempt && curves.key.run == *run.id()
                };
                for curve in curves.iter().filter(of_this).flat_map(|curves| &curves.curves) {
                    if is_key(curve.0) {
                        let points = curve.1.iter().take(MOST_POINTS).copied().collect();
                        tracked.curves.push((curve.0.clone(), points));
                    }
                }
                all.push(tracked);
            }
            What::AttemptFailed {
                step,
                failure,
                retry_at: None,
                resources,
                kept,
                ..
            } => {
                let Some(mut tracked) = part(run, *step, RunState::Failed, at, Some(resources)) else {
                    continue;
                };
                tag(&mut tracked.tags, "trainyard.failure", &failure.message);
                made(&mut tracked, kept);
                read(&mut tracked, run, *step, datasets);
                all.push(tracked);
            }
            What::StepReused {
                step,
                from,
                outputs,
                metrics,
                ..
            } => {
                let Some(mut tracked) = part(run, *step, RunState::Finished, at, None) else {
                    continue;
                };
                tracked.ended_at = Some(at);
                tag(&mut tracked.tags, "trainyard.reused_from", from.as_str());
                measured(&mut tracked, metrics);
                made(&mut tracked, outputs);
                all.push(tracked);
            }
            _ => {}
        }
    }
    all
}

/// What a command finds in its environment, so that an MLflow client in it logs to the run of its step.
pub(crate) fn point_to(spec: &mut TaskSpec, run: &Run, url: &str) {
    let id = tracked_step_id(run.id(), &spec.instance);
    let Some(process) = &mut spec.process else { return };
    for (name, value) in [("MLFLOW_TRACKING_URI", url), ("MLFLOW_RUN_ID", &id)] {
        let is_taken = process.secrets.contains_key(name);
        if !is_taken {
            process
                .env
                .entry(name.to_owned())
                .or_insert_with(|| value.to_owned());
        }
    }
}

/// The run itself.
fn whole(run: &Run, by: &str, status: RunState, at: Timestamp) -> TrackedStep {
    let definition = run.definition();
    let mut tags = Vec::new();
    let called = format!("{} {}", definition.pipeline.as_str(), run.id().short());
    tag(&mut tags, "mlflow.runName", &called);
    let mut params = Vec::new();
    if status == RunState::Running {
        tag(&mut tags, "mlflow.user", by);
        tag(&mut tags, "mlflow.source.type", "JOB");
        tag(&mut tags, "mlflow.source.name", &definition.file);
        tag(&mut tags, "trainyard.pipeline", definition.pipeline.as_str());
        if let Some(code) = &definition.code {
            tag(&mut tags, "mlflow.source.git.commit", &code.commit);
            if let Some(branch) = &code.branch {
                tag(&mut tags, "mlflow.source.git.branch", branch);
            }
            if code.is_dirty() {
                tag(&mut tags, "trainyard.code.changed", &code.changed.join(", "));
            }
        }
        for (key, value) in [
            ("trainyard.environment", &definition.environment),
            ("trainyard.owner", &definition.owner),
            ("trainyard.cost_center", &definition.cost_center),
        ] {
            if let Some(value) = value {
                tag(&mut tags, key, value);
            }
        }
        for (key, param) in &definition.params {
            parameter(&mut params, key, &param.value);
        }
    }
    TrackedStep {
        id: run.id().to_string(),
        name: called,
        user: by.to_owned(),
        status,
        started_at: run.started_at().unwrap_or(at),
        ended_at: status.is_final().then_some(at),
        params,
        tags,
        metrics: Vec::new(),
        curves: Vec::new(),
        datasets: Vec::new(),
        files: Vec::new(),
    }
}

/// A step instance.
fn part(
    run: &Run,
    step: InstanceIx,
    status: RunState,
    at: Timestamp,
    resources: Option<&ResourcesUsed>,
) -> Option<TrackedStep> {
    let instance = run.instance_at(step)?;
    let instance = instance.as_ref();
    let mut tags = Vec::new();
    tag(&mut tags, "mlflow.parentRunId", run.id().as_str());
    tag(&mut tags, "mlflow.runName", &instance.name);
    tag(&mut tags, "trainyard.uses", &instance.uses);
    let mut params = Vec::new();
    if let Value::Object(with) = &instance.with {
        for (key, value) in with {
            parameter(&mut params, key, value);
        }
    }
    for (key, value) in &instance.matrix {
        parameter(&mut params, &format!("matrix.{key}"), value);
    }
    let wall = resources.map_or(0, |resources| {
        i64::try_from(resources.wall.0).unwrap_or(0).saturating_mul(1000)
    });
    Some(TrackedStep {
        id: tracked_step_id(run.id(), &instance.name),
        name: instance.name.clone(),
        user: run.started_by().unwrap_or_default().to_owned(),
        status,
        started_at: Timestamp(at.0.saturating_sub(wall)),
        ended_at: status.is_final().then_some(at),
        params,
        tags,
        metrics: Vec::new(),
        curves: Vec::new(),
        datasets: Vec::new(),
        files: Vec::new(),
    })
}

fn is_key(key: &str) -> bool {
    name::check_key(key, "key", "key").is_ok()
}

fn tag(tags: &mut Vec<Pair>, key: &str, value: &str) {
    tags.push((key.to_owned(), name::cut(value, limits::TAG_VALUE).to_owned()));
}

/// A parameter; one that has parts is logged part by part.
fn parameter(params: &mut Vec<Pair>, key: &str, value: &Value) {
    if params.len() >= MOST_PARAMS || !is_key(key) {
        return;
    }
    let text = match value {
        Value::Null => return,
        Value::Object(parts) => {
            for (part, value) in parts {
                parameter(params, &format!("{key}.{part}"), value);
            }
            return;
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    params.push((key.to_owned(), name::cut(&text, limits::PARAM_VALUE).to_owned()));
}

fn measured(tracked: &mut TrackedStep, metrics: &IndexMap<String, f64>) {
    let known = metrics.iter().filter(|(key, _)| is_key(key));
    tracked
        .metrics
        .extend(known.map(|(key, value)| (key.clone(), *value)));
}

fn made(tracked: &mut TrackedStep, outputs: &IndexMap<String, OutputValue>) {
    for (output, value) in outputs {
        if let OutputValue::Artifact(artifact) = value {
            let path = format!("{output}{}", extension(artifact));
            tracked.files.push((path, artifact.hash, artifact.size));
        }
    }
}

/// So that people and their programs know what a file is.
fn extension(artifact: &ArtifactRef) -> &'static str {
    match (artifact.kind, artifact.media_type.as_str()) {
        (ArtifactKind::Table, _) => ".parquet",
        (_, "text/html") => ".html",
        (_, "application/json") => ".json",
        (_, "text/csv") => ".csv",
        (_, "text/plain") => ".txt",
        _ => "",
    }
}

/// Datasets that the step took as inputs, by the beginning of their hash: a digest is short.
fn read(tracked: &mut TrackedStep, run: &Run, step: InstanceIx, datasets: &[(String, ContentHash)]) {
    let Some(instance) = run.instance_at(step) else {
        return;
    };
    let definition = run.definition();
    let contents: BTreeMap<&str, &ContentHash> = datasets
        .iter()
        .map(|(name, content)| (name.as_str(), content))
        .collect();
    for input in instance.inputs.values() {
        let BoundInput::Dataset(name) = input else {
            continue;
        };
        let declared = definition.datasets.get(name);
        let content = contents
            .get(name.as_str())
            .copied()
            .or_else(|| declared.and_then(|dataset| dataset.content.as_ref()));
        let digest = content.map_or_else(
            || "unknown".to_owned(),
            |content| content.to_string()[..32].to_owned(),
        );
        let place = declared.map_or_else(String::new, |dataset| dataset.location.clone());
        let source = serde_json::json!({ "uri": place }).to_string();
        tracked.datasets.push((name.clone(), digest, source));
    }
}
