//! Steps that never run.
//!
//! Why: a condition that is false in every environment is most often a misspelt name.
//!
//! ```yaml
//! approve: {uses: gate.approval@v1, if: "${{ environment.name == 'production' }}"}   # S05/never-runs
//! ```

use super::{Scene, found};
use crate::pipeline::infer::values_of;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn run(scene: &mut Scene<'_>, order: &[usize]) {
    let draft = scene.draft;
    if draft.spec.steps.values().all(|step| step.condition.is_none()) {
        return;
    }
    let environments: Vec<_> = scene
        .environments()
        .iter()
        .map(|environment| values_of(scene, environment.as_deref()))
        .collect();
    let mut never = BTreeSet::new();
    for index in order.iter().copied() {
        let Some((name, step)) = draft.spec.steps.get_index(index) else {
            continue;
        };
        let is_false = match &step.condition {
            None => false,
            Some(Value::Bool(value)) => !value,
            Some(Value::String(text)) => environments
                .iter()
                .all(|values| matches!(values.evaluate(text), Ok(Some(Value::Bool(false))))),
            Some(_) => false,
        };
        let span = draft.step_entry(index).map_or(draft.root.span, |entry| {
            entry.value.get("if").map_or(entry.key_span, |node| node.span)
        });
        if is_false {
            never.insert(index);
            let wherever = match scene.environment {
                Some(environment) => format!("in {environment}"),
                None => "in every environment".to_owned(),
            };
            // Checked for one environment alone, a step for another one is no fault.
            if scene.environment.is_none() {
                scene.add(
                    found(
                        "S05/never-runs",
                        span,
                        format!("`{name}` never runs: its `if` is false {wherever}"),
                    )
                    .label("always false")
                    .help("mend the condition, or remove the step"),
                );
            }
            continue;
        }
        let Some(source) = scene.steps[index]
            .data()
            .into_iter()
            .find(|from| never.contains(from))
        else {
            continue;
        };
        never.insert(index);
        if scene.environment.is_none() {
            let from = draft.spec.steps.get_index(source).map_or("?", |(name, _)| name);
            let span = draft
                .step_entry(index)
                .and_then(|entry| {
                    let (input, _) = scene.steps[index].inputs.iter().find(
                        |(_, known)| matches!(known, crate::pipeline::wiring::Source::Output { step, .. } if *step == source),
                    )?;
                    Some(entry.value.get("inputs")?.get(input)?.span)
                })
                .unwrap_or(span);
            scene.add(
                found(
                    "S05/always-skipped",
                    span,
                    format!("`{name}` never runs: it takes data from `{from}`, which never runs"),
                )
                .label("never there")
                .help("wait for it by `needs` instead, or take the data from elsewhere"),
            );
        }
    }
}
