//! What a run means for other pipelines of the project, and for models that are registered.

use super::changes::words;
use super::{ChangeClass, Plan, Verdict};
use crate::pipeline::Pipeline;
use crate::run::{Run, StepState};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{DataContract, DataType, OutputValue, Schema, Shape};

/// Something that others know by its name and that will be another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutsideEffect {
    /// E.g. `contract flight_features`, `model flight_delay`.
    pub what: String,
    /// What is another, a few words each, e.g. `` `distance` is gone ``.
    pub changes: Vec<String>,
    /// Pipelines that read it.
    pub readers: BTreeSet<String>,
    /// Whether a reader takes something that is gone or has another type.
    pub breaks: bool,
}

impl OutsideEffect {
    /// As it is printed.
    pub fn line(&self) -> String {
        let mut line = format!("{}: {}", self.what, self.changes.join(", "));
        if !self.readers.is_empty() {
            let plural = if self.readers.len() == 1 { "" } else { "s" };
            let names: Vec<&str> = self.readers.iter().map(String::as_str).collect();
            line.push_str(&format!("; read by pipeline{plural} {}", names.join(", ")));
        }
        if self.breaks {
            line.push_str("  (breaks)");
        }
        line
    }
}

/// A version of a model that is registered, and the fields of its input schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredModel {
    pub name: String,
    /// Aliases that point at it.
    pub aliases: Vec<String>,
    pub version: u32,
    /// Name of each field, and whether it is a number; nothing if the schema does not say.
    pub inputs: BTreeMap<String, Option<bool>>,
}

/// What a planned run means for others. `others` are the pipelines of the project, this one may be among
/// them; `registered` are versions of its models that an alias points at.
pub fn effects_outside(
    plan: &Plan,
    pipeline: &Pipeline,
    previous: Option<&Run>,
    others: &[std::sync::Arc<Pipeline>],
    registered: &[RegisteredModel],
) -> Vec<OutsideEffect> {
    let others: Vec<&Pipeline> = others
        .iter()
        .map(AsRef::as_ref)
        .filter(|other| other.name() != pipeline.name())
        .collect();
    let mut effects = Vec::new();
    effects.extend(tables(plan, pipeline, previous, &others));
    if let Some(previous) = previous {
        effects.extend(contracts(plan, pipeline, previous, &others));
    }
    effects.extend(models(plan, pipeline, &others));
    effects.extend(registered.iter().filter_map(|model| kept_model(pipeline, model)));
    effects
}

/// Tables under the name of a contract or a feature view.
fn tables(
    plan: &Plan,
    pipeline: &Pipeline,
    previous: Option<&Run>,
    others: &[&Pipeline],
) -> Vec<OutsideEffect> {
    let mut effects = Vec::new();
    for ((step, output), shape) in pipeline.shapes() {
        let (Shape::Table(now), Some(spec)) = (shape, pipeline.spec().steps.get(step)) else {
            continue;
        };
        let view = spec
            .with
            .get("store")
            .and_then(|store| store.get("feature_view")?.as_str());
        let contract = spec
            .outputs
            .get(output)
            .and_then(|output| output.contract.as_deref());
        let names = [
            contract.map(|name| ("contract", name)),
            view.filter(|name| Some(*name) != contract)
                .map(|name| ("feature_view", name)),
        ];
        for (kind, name) in names.into_iter().flatten() {
            let readers = readers_of(others, name);
            if readers.is_empty() {
                continue;
            }
            let before = previous.and_then(|run| table_of(run, step, output));
            let changes = before.map(|before| differences(before, now)).unwrap_or_default();
            let what = format!("{kind} {name}");
            let told = effect(what.clone(), changes, &readers);
            let values = || {
                let difference = Difference {
                    column: None,
                    breaks: false,
                    text: "values may be others".to_owned(),
                };
                may_have_other_values(plan, step).then(|| effect(what, vec![difference], &readers))?
            };
            effects.extend(told.or_else(values));
        }
    }
    effects
}

/// Contracts that have changed, by which others read their own data.
fn contracts(plan: &Plan, pipeline: &Pipeline, previous: &Run, others: &[&Pipeline]) -> Vec<OutsideEffect> {
    let changed: BTreeSet<&str> = plan
        .changes
        .iter()
        .filter_map(|change| match words(&change.difference.path).as_slice() {
            ["contracts", name, ..] if change.class != ChangeClass::NoRerun => Some(*name),
            _ => None,
        })
        .collect();
    let made: BTreeSet<&str> = pipeline
        .spec()
        .steps
        .values()
        .flat_map(|step| step.outputs.values())
        .filter_map(|output| output.contract.as_deref())
        .collect();
    let mut effects = Vec::new();
    // What the pipeline makes itself is told as a table.
    for name in changed.difference(&made) {
        let before = previous.definition().contracts.get(*name);
        let (Some(before), Some(now)) = (before, pipeline.contracts().get(*name)) else {
            continue;
        };
        // Others that include another file of that name are not concerned.
        let same: Vec<&Pipeline> = others
            .iter()
            .copied()
            .filter(|other| other.contracts().get(*name) == Some(now))
            .collect();
        let readers = readers_of(&same, name);
        let schema = |contract: &DataContract| contract.schema(None);
        let changes = differences(&schema(before), &schema(now));
        effects.extend(effect(format!("contract {name}"), changes, &readers));
    }
    effects
}

/// Models that a step registers and others take.
fn models(plan: &Plan, pipeline: &Pipeline, others: &[&Pipeline]) -> Vec<OutsideEffect> {
    let mut effects = Vec::new();
    for of in pipeline.registers() {
        let readers: BTreeSet<String> = others
            .iter()
            .filter(|other| other.takes_model(of.model))
            .map(|other| other.name().to_string())
            .collect();
        let planned = plan.steps.iter().find(|planned| planned.step == of.step);
        let text = match planned.map(|planned| planned.verdict) {
            Some(Verdict::Run) => "a new version",
            Some(Verdict::Maybe) => "maybe a new version",
            Some(Verdict::Reused | Verdict::Skipped | Verdict::Fails) | None => continue,
        };
        if !readers.is_empty() {
            effects.push(OutsideEffect {
                what: format!("model {}", of.model),
                changes: vec![text.to_owned()],
                readers,
                breaks: false,
            });
        }
    }
    effects
}

/// A registered version that the pipeline's columns do not fit any more.
fn kept_model(pipeline: &Pipeline, model: &RegisteredModel) -> Option<OutsideEffect> {
    let features = pipeline
        .registers()
        .filter(|of| of.model == model.name)
        .find_map(|of| match of.shape? {
            Shape::Model { features, .. } => Some(features),
            _ => None,
        })?;
    let mut changes = Vec::new();
    for (column, is_number) in &model.inputs {
        match (features.column(column), is_number) {
            (None, _) => changes.push(format!("`{column}` is gone")),
            (Some(now), Some(is_number)) if counts(&now.data_type) != *is_number => {
                changes.push(format!("`{column}` is {} now", now.data_type));
            }
            _ => {}
        }
    }
    let first = changes.first_mut()?;
    first.insert_str(0, "its input ");
    let alias = model
        .aliases
        .first()
        .map(|alias| format!("@{alias}"))
        .unwrap_or_default();
    Some(OutsideEffect {
        what: format!("model {}{alias} (version {})", model.name, model.version),
        changes,
        readers: BTreeSet::new(),
        breaks: true,
    })
}

/// Models take booleans as numbers.
fn counts(of: &DataType) -> bool {
    of.is_numeric() || *of == DataType::Boolean
}

/// Something that differs in a table.
struct Difference {
    column: Option<String>,
    breaks: bool,
    text: String,
}

fn differences(before: &Schema, now: &Schema) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut tell = |column: &str, breaks: bool, text: String| {
        let column = Some(column.to_owned());
        found.push(Difference { column, breaks, text });
    };
    for column in &before.columns {
        let name = &column.name;
        match now.column(name) {
            None => tell(name, true, format!("`{name}` is gone")),
            Some(now) if now.data_type != column.data_type => {
                let breaks = !now.data_type.fits_in(&column.data_type);
                tell(
                    name,
                    breaks,
                    format!("`{name}` {} -> {}", column.data_type, now.data_type),
                );
            }
            Some(now) if now.unit != column.unit => tell(name, true, format!("`{name}` has another unit")),
            Some(now) if now.nullable && !column.nullable => {
                tell(name, true, format!("`{name}` may be missing"));
            }
            Some(_) => {}
        }
    }
    found
}

fn table_of<'r>(run: &'r Run, step: &str, output: &str) -> Option<&'r Schema> {
    let instances = (0..).zip(&run.definition().instances);
    let mut of_step = instances.filter(|(_, instance)| instance.step.as_str() == step);
    of_step.find_map(|(ix, _)| match run.step(ix) {
        StepState::Succeeded { outputs, .. } => match outputs.get(output)? {
            OutputValue::Artifact(artifact) => artifact.schema.as_ref(),
            OutputValue::Value(_) => None,
        },
        _ => None,
    })
}

/// Whether a step runs, and not merely because its data have grown.
fn may_have_other_values(plan: &Plan, step: &str) -> bool {
    let is_changed =
        |change: &super::Change| matches!(change.class, ChangeClass::Breaking | ChangeClass::ForwardOnly);
    let runs = |planned: &super::PlannedStep| planned.step == step && planned.verdict >= Verdict::Maybe;
    plan.changes.iter().any(is_changed) && plan.steps.iter().any(runs)
}

/// Pipelines with a dataset of that contract: the datasets of each.
fn readers_of<'a>(others: &[&'a Pipeline], contract: &str) -> Vec<(&'a Pipeline, &'a str)> {
    let mut readers = Vec::new();
    for other in others {
        for (dataset, declared) in &other.spec().datasets {
            if declared.contract.as_deref() == Some(contract) {
                readers.push((*other, dataset.as_str()));
            }
        }
    }
    readers
}

/// The effect of differences on readers; nothing where none of them reads what differs.
fn effect(
    what: String,
    differences: Vec<Difference>,
    readers: &[(&Pipeline, &str)],
) -> Option<OutsideEffect> {
    let mut names = BTreeSet::new();
    let mut changes = Vec::new();
    let mut breaks = false;
    for difference in differences {
        let reads = |(other, dataset): &&(&Pipeline, &str)| match &difference.column {
            Some(column) => !other.reads().of_dataset(dataset, column).is_empty(),
            None => true,
        };
        let concerned: Vec<String> = readers
            .iter()
            .filter(reads)
            .map(|(other, _)| other.name().to_string())
            .collect();
        if !concerned.is_empty() {
            names.extend(concerned);
            breaks |= difference.breaks;
            changes.push(difference.text);
        }
    }
    (!changes.is_empty()).then_some(OutsideEffect {
        what,
        changes,
        readers: names,
        breaks,
    })
}

#[cfg(test)]
mod tests;
