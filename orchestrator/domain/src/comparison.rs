//! What differs between two runs of a pipeline, and since which step.
//!
//! Steps are compared by what they made, bit for bit: artifacts by their hash, values as they are. A step that differs
//! though nothing above it does is an origin; why it differs is looked for in what it is made of.

#[cfg(test)]
mod tests;

use crate::plan::{Change, changes_between};
use crate::run::{BoundInput, CodeVersion, InstanceIx, Run, SkipReason, StepState};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{ContentHash, OutputValue};

/// Two runs beside each other: `before` and `now`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub environment: Option<Pair<String>>,
    /// Commits, and which files were not as in them.
    pub code: Option<Pair<CodeVersion>>,
    /// Params, variables and the pipeline as written.
    pub spec: Vec<Change>,
    /// Datasets whose content was another.
    pub datasets: Vec<Named<ContentHash>>,
    /// Code and schema files whose content was another.
    pub files: Vec<Named<ContentHash>>,
    /// Steps that made something else, in the order of the run that has them.
    pub steps: Vec<StepDifference>,
    /// Numbers of steps that made the same that are others all the same: how fast they were and the like.
    pub measured: Vec<Named<f64>>,
    /// Steps that one of the runs left out because it was told to: there is nothing to compare.
    pub left_out: Vec<String>,
}

/// A thing on both sides; none where it is not there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair<T> {
    pub before: Option<T>,
    pub now: Option<T>,
}

/// A thing with a name on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Named<T> {
    pub name: String,
    #[serde(flatten)]
    pub pair: Pair<T>,
}

/// A step instance that did not make the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepDifference {
    pub instance: String,
    /// How it went, in the words of `runs show`; only where that differs.
    pub state: Option<Pair<&'static str>>,
    pub outputs: Vec<Named<Made>>,
    pub metrics: Vec<Named<f64>>,
    /// It has outputs, and all are the same; only its metrics differ.
    #[serde(skip)]
    is_measured_only: bool,
    /// Nothing above it differs: it began here.
    pub is_origin: bool,
    /// Of an origin: what it is made of that differs, as paths into the pipeline, `dataset NAME` or `file PATH`. Empty
    /// where nothing that is known differs: then it gives other results for the same.
    pub because: Vec<String>,
}

/// What a step made under an output's name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    Content(ContentHash),
    Value(Value),
}

impl Comparison {
    /// Compares two runs. They need not be of one pipeline; then nothing but differences is found.
    pub fn of(before: &Run, now: &Run) -> Self {
        let (old, new) = (before.definition(), now.definition());
        let mut found = Self {
            environment: pair(old.environment.clone(), new.environment.clone()),
            code: pair(old.code.clone(), new.code.clone())
                .filter(|pair| files_of(&pair.before) != files_of(&pair.now)),
            spec: changes_between(old, new),
            datasets: named(
                old.datasets
                    .iter()
                    .map(|(name, dataset)| (name.clone(), dataset.content)),
                new.datasets
                    .iter()
                    .map(|(name, dataset)| (name.clone(), dataset.content)),
            ),
            files: named(
                old.files.iter().map(|(path, hash)| (path.clone(), Some(*hash))),
                new.files.iter().map(|(path, hash)| (path.clone(), Some(*hash))),
            ),
            steps: Vec::new(),
            measured: Vec::new(),
            left_out: Vec::new(),
        };
        found.left_out = left_out(before, now);
        for mut step in found.steps_between(before, now) {
            if step.is_measured_only {
                for metric in &mut step.metrics {
                    metric.name = format!("{}.{}", step.instance, metric.name);
                }
                found.measured.append(&mut step.metrics);
            } else {
                found.steps.push(step);
            }
        }
        found
    }

    /// Whether the runs made the same, bit for bit.
    pub fn is_same(&self) -> bool {
        self.steps.is_empty()
    }

    fn steps_between(&self, before: &Run, now: &Run) -> Vec<StepDifference> {
        let names = |run: &Run| -> BTreeMap<String, InstanceIx> {
            run.steps()
                .filter_map(|(ix, _)| Some((run.instance_at(ix)?.as_ref().name.clone(), ix)))
                .collect()
        };
        let (old, new) = (names(before), names(now));
        let mut found = Vec::new();
        let mut differing: BTreeSet<InstanceIx> = BTreeSet::new();
        let mut made_of_items: BTreeSet<InstanceIx> = BTreeSet::new();
        for (ix, state) in now.steps() {
            let Some(instance) = now.instance_at(ix) else {
                continue;
            };
            let instance = instance.as_ref();
            if self.left_out.contains(&instance.name) {
                continue;
            }
            let was = old.get(&instance.name).map(|ix| before.step(*ix));
            let Some(difference) = between(&instance.name, was, Some(state)) else {
                continue;
            };
            if difference.is_measured_only {
                found.push((ix, difference));
                continue;
            }
            differing.insert(ix);
            // A step of many items is made of them.
            let whole = instance.name.rfind('[').map(|at| &instance.name[..at]);
            made_of_items.extend(whole.and_then(|whole| new.get(whole)));
            found.push((ix, difference));
        }
        // Upstream may come later in the list, so what differs is known first.
        for (ix, difference) in &mut found {
            let Some(instance) = now.instance_at(*ix) else {
                continue;
            };
            let mut above = instance
                .as_ref()
                .upstream
                .iter()
                .map(|upstream| upstream.instance);
            difference.is_origin =
                !made_of_items.contains(ix) && !above.any(|above| differing.contains(&above));
            if difference.is_origin {
                difference.because = self.reasons(now, *ix);
            }
        }
        let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
        let gone = gone.filter_map(|(name, ix)| between(name, Some(before.step(*ix)), None));
        found
            .into_iter()
            .map(|(_, difference)| difference)
            .chain(gone)
            .collect()
    }

    /// What a step is made of that differs.
    fn reasons(&self, run: &Run, ix: InstanceIx) -> Vec<String> {
        let Some(instance) = run.instance_at(ix) else {
            return Vec::new();
        };
        let instance = instance.as_ref();
        let own = format!("steps.{}.", instance.step);
        let written = run.definition().as_written.get(instance.step.as_str());
        let text = written.map(Value::to_string).unwrap_or_default();
        let is_named = |path: &str| {
            let name = path.split(['.', '[']).take(2).collect::<Vec<_>>().join(".");
            (name.starts_with("params.") || name.starts_with("vars.")) && mentions(&text, &name)
        };
        let spec = self
            .spec
            .iter()
            .map(|change| change.difference.path.as_str())
            .filter(|path| path.starts_with(&own) || is_named(path))
            .map(str::to_owned);
        let datasets = self.datasets.iter().filter(|changed| {
            let mut inputs = instance.inputs.values();
            inputs.any(|bound| matches!(bound, BoundInput::Dataset(name) if *name == changed.name))
        });
        let files = self.files.iter().filter(|changed| text.contains(&changed.name));
        spec.chain(datasets.map(|changed| format!("dataset {}", changed.name)))
            .chain(files.map(|changed| format!("file {}", changed.name)))
            .collect()
    }
}

/// Which files a version stands for, however it was asked for.
fn files_of(code: &Option<CodeVersion>) -> Option<(&str, &[String])> {
    code.as_ref()
        .map(|code| (code.commit.as_str(), code.changed.as_slice()))
}

/// Steps of both that one of the runs was told to leave out.
fn left_out(before: &Run, now: &Run) -> Vec<String> {
    let told = |run: &Run, ix| {
        matches!(
            run.step(ix),
            StepState::Skipped {
                because: SkipReason::NotSelected | SkipReason::NotNeeded
            }
        )
    };
    let all = (0..).zip(&now.definition().instances);
    all.filter(|(ix, instance)| match before.find(&instance.name) {
        Some(was) => told(before, was) != told(now, *ix),
        None => false,
    })
    .map(|(_, instance)| instance.name.clone())
    .collect()
}

/// Whether a text holds a name as a word.
fn mentions(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn between(name: &str, before: Option<&StepState>, now: Option<&StepState>) -> Option<StepDifference> {
    let made = |state: Option<&StepState>| match state {
        Some(StepState::Succeeded { outputs, metrics, .. }) => (
            outputs
                .iter()
                .map(|(name, output)| (name.clone(), Some(Made::of(output))))
                .collect::<Vec<_>>(),
            metrics
                .iter()
                .map(|(name, value)| (name.clone(), Some(*value)))
                .collect::<Vec<_>>(),
        ),
        _ => (Vec::new(), Vec::new()),
    };
    let ((old, old_metrics), (new, new_metrics)) = (made(before), made(now));
    let has_outputs = !new.is_empty();
    let state = pair(before.map(StepState::word), now.map(StepState::word));
    let outputs = named(old.into_iter(), new.into_iter());
    let metrics = named(old_metrics.into_iter(), new_metrics.into_iter());
    (state.is_some() || !outputs.is_empty() || !metrics.is_empty()).then(|| StepDifference {
        instance: name.to_owned(),
        is_measured_only: has_outputs && state.is_none() && outputs.is_empty(),
        state,
        outputs,
        metrics,
        is_origin: false,
        because: Vec::new(),
    })
}

impl Made {
    fn of(output: &OutputValue) -> Self {
        match output {
            OutputValue::Artifact(artifact) => Self::Content(artifact.hash),
            OutputValue::Value(value) => Self::Value(value.clone()),
        }
    }
}

fn pair<T: PartialEq>(before: Option<T>, now: Option<T>) -> Option<Pair<T>> {
    (before != now).then_some(Pair { before, now })
}

/// What differs by name, in the order of `now`, then what only `before` has.
fn named<T: PartialEq>(
    before: impl Iterator<Item = (String, Option<T>)>,
    now: impl Iterator<Item = (String, Option<T>)>,
) -> Vec<Named<T>> {
    let mut old: indexmap::IndexMap<String, Option<T>> = before.collect();
    let mut found = Vec::new();
    for (name, value) in now {
        let was = old.shift_remove(&name).flatten();
        found.extend(pair(was, value).map(|pair| Named { name, pair }));
    }
    found.extend(
        old.into_iter()
            .filter_map(|(name, was)| pair(was, None).map(|pair| Named { name, pair })),
    );
    found
}
