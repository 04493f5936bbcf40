//! The class of a change, from the two definitions alone.
//!
//! After SQLMesh, whose words these are. What is its physical table are here results by reuse key: what is
//! part of a step's key is made again when it changes. Forward-only is there what a user declares of a
//! model; here it is what a step does that goes on from its own earlier result.

use super::{ChangeClass, Difference};
use crate::run::RunDefinition;
use serde_json::Value;
use std::collections::BTreeSet;
use trainyard_contract::Memory;

/// Keys of a step as written that have no part in what it makes, and what they are about.
const WITHOUT_RESULT: [(&str, &str); 15] = [
    ("needs", "says only what it waits for"),
    ("if", "says only whether it runs"),
    ("retry", "says only how it is tried again"),
    ("timeout", "says only how long it may take"),
    ("resources", "says only what it may use"),
    ("cache", "says only whether a result is taken again"),
    ("continue_on_error", "says only what follows a failure"),
    ("on_failure", "says only what follows a failure"),
    ("tags", "words to find it by"),
    ("description", "words for people"),
    ("pool", "says only when it runs"),
    ("max_parallel", "says only how many run at once"),
    ("fail_fast", "says only what follows a failure"),
    ("max_items", "says only what fails"),
    ("delay", "says only when it runs"),
];

/// Keys of `matrix`, `for_each` and `repeat` that are such keys, too.
const OF_SEVERAL: [&str; 3] = ["matrix", "for_each", "repeat"];

/// Two definitions, and what is asked of them for every change.
pub(super) struct Definitions<'a> {
    before: &'a RunDefinition,
    now: &'a RunDefinition,
    /// Steps that go on from their earlier results, before and now.
    going_on: BTreeSet<&'a str>,
}

impl<'a> Definitions<'a> {
    pub(super) fn new(before: &'a RunDefinition, now: &'a RunDefinition) -> Self {
        let going_on = |of: &'a RunDefinition| -> BTreeSet<&'a str> {
            let steps = of.instances.iter();
            let steps = steps.filter(|instance| instance.memory == Some(Memory::Latest));
            steps.map(|instance| instance.step.as_str()).collect()
        };
        Self {
            before,
            now,
            going_on: going_on(before).intersection(&going_on(now)).copied().collect(),
        }
    }

    pub(super) fn class_of(&self, difference: &Difference) -> (ChangeClass, String) {
        let words = words(&difference.path);
        match words.as_slice() {
            ["steps", step, rest @ ..] => self.of_step(step, rest, difference),
            ["params", name, ..] => self.of_value("params", name),
            ["vars", name, ..] => self.of_value("vars", name),
            ["datasets", name, rest @ ..] => self.of_dataset(name, rest, difference),
            ["contracts", name, rest @ ..] => self.of_contract(name, rest, difference),
            ["environments", name, ..] if self.now.environment.as_deref() != Some(*name) => {
                no_rerun("about another environment")
            }
            [section, ..] => no_rerun(about_section(section)),
            [] => breaking("part of what results are made of"),
        }
    }

    fn of_step(&self, step: &str, rest: &[&str], difference: &Difference) -> (ChangeClass, String) {
        match rest {
            [] if difference.before.is_none() => {
                return (
                    ChangeClass::NonBreaking,
                    "a new step, of which nothing was made before".to_owned(),
                );
            }
            [] if difference.now.is_none() => return breaking("its results are made no more"),
            _ => {}
        }
        let key = match rest {
            [several, key, ..] if OF_SEVERAL.contains(several) => key,
            [key, ..] => key,
            [] => "",
        };
        if let Some((_, about)) = WITHOUT_RESULT.iter().find(|(word, _)| *word == key) {
            return no_rerun(*about);
        }
        match rest {
            ["outputs", _] if difference.before.is_none() => {
                return (
                    ChangeClass::NonBreaking,
                    "a new output, which nobody has read".to_owned(),
                );
            }
            ["outputs", _, "description"] => return no_rerun("words for people"),
            _ => {}
        }
        if self.going_on.contains(step) {
            return (
                ChangeClass::ForwardOnly,
                format!("`{step}` goes on from its last result: rows that are there stay as they were made"),
            );
        }
        breaking(format!("part of what `{step}` is made of"))
    }

    /// A param or a variable: what mentions it decides.
    fn of_value(&self, root: &str, name: &str) -> (ChangeClass, String) {
        let word = format!("{root}.{name}");
        let mut readers = Vec::new();
        let mut is_condition = false;
        for (step, written) in &self.now.as_written {
            let mut makes = false;
            for (key, value) in written.as_object().into_iter().flatten() {
                let about_run = WITHOUT_RESULT.iter().any(|(word, _)| word == key);
                if mentions(value, &word) {
                    makes |= !about_run;
                    is_condition |= about_run;
                }
            }
            if makes {
                readers.push((step.as_str(), self.going_on.contains(step.as_str())));
            }
        }
        let names = |of: &[(&str, bool)]| -> String {
            let names = of.iter().map(|(step, _)| format!("`{step}`"));
            names.collect::<Vec<_>>().join(", ")
        };
        if !readers.is_empty() && readers.iter().all(|(_, goes_on)| *goes_on) {
            let why = format!("read by {}, which goes on from its last result", names(&readers));
            return (ChangeClass::ForwardOnly, why);
        }
        if !readers.is_empty() {
            return breaking(format!("read by {}", names(&readers)));
        }
        // Locations and variables made of others are compared as they are bound.
        if is_condition {
            no_rerun("says only when and whether steps run")
        } else {
            no_rerun("no step reads it")
        }
    }

    fn of_dataset(&self, name: &str, rest: &[&str], difference: &Difference) -> (ChangeClass, String) {
        let is_input = |of: &RunDefinition| {
            let mut inputs = of.instances.iter().flat_map(|instance| instance.inputs.values());
            inputs.any(|input| matches!(input, crate::run::BoundInput::Dataset(dataset) if dataset == name))
        };
        if !is_input(self.now) && !is_input(self.before) {
            return no_rerun("no step reads it");
        }
        match rest {
            ["path"] => breaking("read from another place; the same content is reused"),
            [] if difference.before.is_none() => (
                ChangeClass::NonBreaking,
                "new data, which no step has read".to_owned(),
            ),
            _ => breaking("other data, or read in another way"),
        }
    }

    fn of_contract(&self, name: &str, rest: &[&str], difference: &Difference) -> (ChangeClass, String) {
        let is_used = |of: &RunDefinition| {
            let by_dataset = of
                .datasets
                .values()
                .any(|dataset| dataset.contract.as_deref() == Some(name));
            let mut outputs = of.instances.iter().flat_map(|instance| instance.outputs.values());
            by_dataset || outputs.any(|output| output.contract.as_deref() == Some(name))
        };
        if !is_used(self.now) && !is_used(self.before) {
            return no_rerun("neither a dataset nor an output has this contract");
        }
        match rest {
            ["description" | "owner"] | ["columns", _, "description"] => no_rerun("words for people"),
            ["columns", column] if difference.now.is_none() => {
                breaking(format!("`{column}` is gone from the data"))
            }
            ["columns", _] if difference.before.is_none() => breaking("a new column, which steps may read"),
            ["columns", _, "type"] => breaking("another type"),
            [
                "columns",
                _,
                "nullable" | "min" | "max" | "accepted_values" | "pattern" | "unique",
                ..,
            ] => breaking("rows that passed may fail, or the other way round"),
            ["columns", _, "known_at" | "unit" | "classification"] | ["freshness" | "moments", ..] => (
                ChangeClass::NonBreaking,
                "says more of the data; values stay".to_owned(),
            ),
            _ => breaking("other data are promised"),
        }
    }
}

fn about_section(section: &str) -> &'static str {
    match section {
        "triggers" | "concurrency" | "priority" => "says only when runs start",
        "alerts" | "notify" | "sla" => "says only who hears of what",
        "budget" => "says only what runs may cost",
        "environments" => "says only who may run what here",
        "on_failure" | "finally" => "says only what follows the steps",
        "tests" => "tests of the pipeline, not part of a run",
        "check" => "says only how strict checks are",
        "defaults" => "says only how steps run",
        _ => "says nothing of results",
    }
}

fn breaking(why: impl Into<String>) -> (ChangeClass, String) {
    (ChangeClass::Breaking, why.into())
}

fn no_rerun(why: impl Into<String>) -> (ChangeClass, String) {
    (ChangeClass::NoRerun, why.into())
}

/// The words of a path without places in lists.
pub(in crate::plan) fn words(path: &str) -> Vec<&str> {
    path.split('.')
        .map(|word| word.split('[').next().unwrap_or(word))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether a text below names `word`, which is no part of a longer name there.
fn mentions(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text.match_indices(word).any(|(at, _)| {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let before = text[..at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(|c| is_part(c) || c == '.') && !after.is_some_and(is_part)
        }),
        Value::Array(items) => items.iter().any(|item| mentions(item, word)),
        Value::Object(map) => map.values().any(|value| mentions(value, word)),
        _ => false,
    }
}
