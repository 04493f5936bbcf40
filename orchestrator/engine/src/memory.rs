//! What a step gave in an earlier run.

use indexmap::IndexMap;
use std::sync::Arc;
use trainyard_contract::{Memory, Objects, OutputValue, RunId};
use trainyard_domain::run::{Instance, Run, StepState};
use trainyard_store::{RunFilter, RunSummary, Store, StoreError};

/// Runs looked at in one go, and at most.
const PAGE: u32 = 50;
const LOOKED_AT: usize = 2_000;

/// What an earlier run gave.
pub(crate) struct Remembered {
    pub(crate) run: RunId,
    pub(crate) outputs: IndexMap<String, OutputValue>,
}

/// Outputs of the same instance in the run that `memory` means, of the same pipeline and environment,
/// whose objects are still there. A run counts in which the step succeeded, whatever became of others.
/// With `before`, only runs made before that one are looked at.
pub(crate) fn outputs(
    store: &mut Store,
    objects: &Objects,
    run: &Run,
    instance: &Instance,
    memory: &Memory,
    before: Option<&RunId>,
) -> Result<Option<Remembered>, StoreError> {
    let definition = run.definition();
    let until = match memory {
        Memory::Latest => None,
        Memory::AsOf(text) => match Memory::instant(text) {
            Ok(Some(instant)) => Some(instant),
            Ok(None) => return of_run(store, objects, run, instance, text),
            Err(_) => return Ok(None),
        },
    };
    let mut filter = RunFilter {
        pipeline: Some(definition.pipeline.clone()),
        limit: PAGE,
        before: before.cloned(),
        ..RunFilter::default()
    };
    let mut looked_at = 0;
    loop {
        let page: Vec<RunSummary> = store.list_runs(&filter)?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        filter.before = Some(last.id.clone());
        looked_at += page.len();
        for summary in page {
            let is_too_late = until.is_some_and(|until| summary.created_at > until);
            let is_same_place = summary.environment == definition.environment;
            // What an unfinished run has so far is not looked at: it belongs to whoever runs it.
            if summary.id == *run.id() || is_too_late || !is_same_place || !summary.status.is_final() {
                continue;
            }
            if let Some(outputs) = in_run(store, objects, &summary.id, instance)? {
                return Ok(Some(Remembered {
                    run: summary.id,
                    outputs,
                }));
            }
        }
        if looked_at >= LOOKED_AT {
            return Ok(None);
        }
    }
}

fn of_run(
    store: &Store,
    objects: &Objects,
    run: &Run,
    instance: &Instance,
    text: &str,
) -> Result<Option<Remembered>, StoreError> {
    let found = match store.find_run(text) {
        Ok(found) => found,
        Err(StoreError::NoRun(_) | StoreError::Removed { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let summary = store.run_summary(&found)?;
    let definition = run.definition();
    let is_same_place = summary.pipeline == definition.pipeline
        && summary.environment == definition.environment
        && summary.status.is_final();
    if is_same_place {
        let outputs = in_run(store, objects, &found, instance)?;
        Ok(outputs.map(|outputs| Remembered { run: found, outputs }))
    } else {
        Ok(None)
    }
}

fn in_run(
    store: &Store,
    objects: &Objects,
    id: &RunId,
    instance: &Instance,
) -> Result<Option<IndexMap<String, OutputValue>>, StoreError> {
    let stored = store.load_run(id)?;
    // What was only made again has not moved anything on.
    if stored.definition.reproduces.is_some() {
        return Ok(None);
    }
    let place = stored
        .definition
        .instances
        .iter()
        .position(|other| other.name == instance.name && other.uses == instance.uses);
    let Some(ix) = place.and_then(|place| u32::try_from(place).ok()) else {
        return Ok(None);
    };
    let Ok(earlier) = Run::replay(id.clone(), Arc::new(stored.definition), &stored.events) else {
        return Ok(None);
    };
    let StepState::Succeeded { outputs, .. } = earlier.step(ix) else {
        return Ok(None);
    };
    let is_there = |output: &OutputValue| match output {
        OutputValue::Artifact(artifact) => objects.contains(&artifact.hash),
        OutputValue::Value(_) => true,
    };
    Ok(outputs.values().all(is_there).then(|| outputs.clone()))
}
