//! A run as a document.

use super::{code, items, state_word, status_text};
use crate::progress::why_skipped;
use indexmap::IndexMap;
use serde_json::{Value, json};
use trainyard_contract::{OutputValue, RunId};
use trainyard_domain::run::{InstanceIx, Run, StepState};

/// A run as a document: what `runs show --format json` prints.
pub(crate) fn document(run: &Run) -> Value {
    let definition = run.definition();
    let mut steps = serde_json::Map::new();
    for (ix, instance) in definition.instances.iter().enumerate() {
        let Ok(ix) = InstanceIx::try_from(ix) else {
            continue;
        };
        let state = run.step(ix);
        let mut step = json!({ "state": state_word(state).1, "uses": instance.uses });
        let extra = match state {
            StepState::Succeeded {
                outputs,
                metrics,
                headline,
                resources,
                attempts,
                from,
            } => json!({
                "outputs": output_documents(outputs),
                "metrics": metrics, "headline": headline, "resources": resources, "attempts": attempts,
                "from": from.as_ref().map(RunId::as_str),
            }),
            StepState::Failed {
                failure,
                attempts,
                kept,
            } => {
                json!({ "failure": failure, "attempts": attempts, "kept": output_documents(kept) })
            }
            StepState::Skipped { because } => json!({ "because": why_skipped(definition, ix, because) }),
            _ => json!({}),
        };
        if let (Some(step), Value::Object(extra)) = (step.as_object_mut(), extra) {
            step.extend(extra);
        }
        if let Some(items) = run.items_of(ix) {
            step["items"] = items::counts_document(run, ix, items);
        }
        steps.insert(instance.name.clone(), step);
    }
    json!({
        "run": run.id().as_str(),
        "pipeline": definition.pipeline.as_str(),
        "environment": definition.environment,
        "code": definition.code.as_ref().map(code::document),
        "status": status_text(run),
        "params": definition.params.iter().map(|(name, param)| (name.clone(), param.value.clone())).collect::<serde_json::Map<_, _>>(),
        "by": run.started_by(),
        "late": run.breaches(),
        "timed_out_at": run.timed_out_at(),
        "retry_chose": run.chosen().map(|chosen| chosen.iter().map(|ix| run.name(*ix)).collect::<Vec<_>>()),
        "not_started_because": run.turned_away(),
        "steps": steps,
    })
}

pub(super) fn output_documents(outputs: &IndexMap<String, OutputValue>) -> serde_json::Map<String, Value> {
    let documents = outputs
        .iter()
        .map(|(name, output)| (name.clone(), output_document(output)));
    documents.collect()
}

fn output_document(output: &OutputValue) -> Value {
    match output {
        OutputValue::Artifact(artifact) => json!({
            "kind": artifact.kind.to_string(), "hash": artifact.hash.to_string(), "size": artifact.size,
            "media_type": artifact.media_type, "rows": artifact.rows,
        }),
        OutputValue::Value(value) => value.clone(),
    }
}
