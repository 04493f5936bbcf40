//! Columns that were added and that nobody reads: what was there keeps its values.

use super::{Change, ChangeClass, words};
use crate::pipeline::Pipeline;
use crate::run::{Run, StepState};
use std::collections::BTreeSet;
use trainyard_contract::{OutputValue, Shape};

/// Changes that only add a column which no step reads become `non-breaking`; of those that somebody reads
/// the reason names who. `previous` is the run the changes are counted from: what its tables have had is
/// not added.
pub fn spare_unread_columns(changes: &mut [Change], pipeline: &Pipeline, previous: &Run) {
    for change in changes {
        if change.class != ChangeClass::Breaking || change.difference.before.is_some() {
            continue;
        }
        let path = words(&change.difference.path);
        let readers = match path.as_slice() {
            ["contracts", contract, "columns", column] => of_contract(pipeline, contract, column),
            ["steps", step, "with", rest @ ..] => {
                let named = change.difference.now.as_ref().and_then(|now| match now.as_str() {
                    Some(text) if change.difference.path.ends_with(']') => Some(text),
                    _ => now
                        .get("name")
                        .and_then(|name| name.as_str())
                        .or(rest.last().copied()),
                });
                named.and_then(|column| of_output(pipeline, previous, step, column))
            }
            _ => None,
        };
        match readers {
            Some(readers) if readers.is_empty() => {
                change.class = ChangeClass::NonBreaking;
                change.why = "adds a column that no step reads".to_owned();
            }
            Some(readers) => {
                let names: Vec<String> = readers.iter().map(|step| format!("`{step}`")).collect();
                change.why = format!("adds a column that is read by {}", names.join(", "));
            }
            None => {}
        }
    }
}

fn of_contract(pipeline: &Pipeline, contract: &str, column: &str) -> Option<BTreeSet<String>> {
    let spec = pipeline.spec();
    let outputs = spec.steps.values().flat_map(|step| step.outputs.values());
    // A step that promises one more column makes other rows.
    if outputs
        .filter_map(|output| output.contract.as_deref())
        .any(|name| name == contract)
    {
        return None;
    }
    let datasets = spec.datasets.iter();
    let of_it = datasets.filter(|(_, dataset)| dataset.contract.as_deref() == Some(contract));
    Some(
        of_it
            .flat_map(|(name, _)| pipeline.reads().of_dataset(name, column))
            .collect(),
    )
}

/// Who reads a column of a step's tables; nothing if it is not sure that the column is new there.
fn of_output(pipeline: &Pipeline, previous: &Run, step: &str, column: &str) -> Option<BTreeSet<String>> {
    if pipeline.reads().decides(step, column) {
        return None;
    }
    let mut readers = None;
    for ((of, output), shape) in pipeline.shapes() {
        let Shape::Table(schema) = shape else { continue };
        if of != step || schema.column(column).is_none() {
            continue;
        }
        if had_column(previous, step, output, column)? {
            return None;
        }
        readers
            .get_or_insert_with(BTreeSet::new)
            .extend(pipeline.reads().of_output(step, output, column));
    }
    readers
}

/// Whether the table of a run had a column; nothing if that is not known.
fn had_column(run: &Run, step: &str, output: &str, column: &str) -> Option<bool> {
    let instances = (0..).zip(&run.definition().instances);
    let mut of_step = instances.filter(|(_, instance)| instance.step.as_str() == step);
    of_step.find_map(|(ix, _)| match run.step(ix) {
        StepState::Succeeded { outputs, .. } => match outputs.get(output)? {
            OutputValue::Artifact(artifact) => Some(artifact.schema.as_ref()?.column(column).is_some()),
            OutputValue::Value(_) => None,
        },
        _ => None,
    })
}
