//! What changed between two definitions of a pipeline.

use crate::run::RunDefinition;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// One changed value; absent before: added, absent now: removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// E.g. `steps.features.with.as_of_join[0].lag`.
    pub path: String,
    pub before: Option<Value>,
    pub now: Option<Value>,
    pub class: ChangeClass,
}

/// What a change means for earlier results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeClass {
    /// Results may differ: the step, and what is made of its results, run again.
    Breaking,
    /// Only when or whether something runs.
    NoRerun,
}

impl ChangeClass {
    /// As it is printed.
    pub fn words(self) -> &'static str {
        match self {
            Self::Breaking => "breaking",
            Self::NoRerun => "no re-run",
        }
    }
}

/// Keys of a step as written that have no part in what it makes.
const WITHOUT_RESULT: [&str; 14] = [
    "needs",
    "if",
    "retry",
    "timeout",
    "resources",
    "cache",
    "continue_on_error",
    "on_failure",
    "tags",
    "description",
    "pool",
    "owner",
    "max_parallel",
    "fail_fast",
];

/// Everything that changed: steps as written, and parameters as bound.
pub fn changes_between(before: &RunDefinition, now: &RunDefinition) -> Vec<Change> {
    let mut changes = Vec::new();
    let names: BTreeSet<&String> = before.params.keys().chain(now.params.keys()).collect();
    for name in names {
        let value = |definition: &RunDefinition| definition.params.get(name).map(|bound| bound.value.clone());
        compare(
            value(before).as_ref(),
            value(now).as_ref(),
            &format!("params.{name}"),
            &mut |change| {
                changes.push(change);
            },
        );
    }
    let in_order = now.as_written.keys();
    let removed = before
        .as_written
        .keys()
        .filter(|name| !now.as_written.contains_key(*name));
    for name in in_order.chain(removed) {
        let root = format!("steps.{name}");
        compare(
            before.as_written.get(name),
            now.as_written.get(name),
            &root,
            &mut |mut change| {
                let words = change.path[root.len()..].split(['.', '[']).skip(1);
                if words.take(2).any(|word| WITHOUT_RESULT.contains(&word))
                    && !in_parameters(&change.path, &root)
                {
                    change.class = ChangeClass::NoRerun;
                }
                changes.push(change);
            },
        );
    }
    changes
}

fn in_parameters(path: &str, root: &str) -> bool {
    path[root.len()..].starts_with(".with")
}

/// Tells `found` of each value that differs, the smallest that do. Lists are compared place by place.
pub(super) fn compare(
    before: Option<&Value>,
    now: Option<&Value>,
    path: &str,
    found: &mut dyn FnMut(Change),
) {
    match (before, now) {
        (None, None) => {}
        (Some(Value::Object(before)), Some(Value::Object(now))) => {
            let removed = before.keys().filter(|key| !now.contains_key(*key));
            for key in now.keys().chain(removed) {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(before.get(key), now.get(key), &path, found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(now))) => {
            for at in 0..before.len().max(now.len()) {
                compare(before.get(at), now.get(at), &format!("{path}[{at}]"), found);
            }
        }
        (before, now) if before == now => {}
        (before, now) => found(Change {
            path: path.to_owned(),
            before: before.cloned(),
            now: now.cloned(),
            class: ChangeClass::Breaking,
        }),
    }
}

/// A value on one line, cut to what fits.
pub(super) fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.replace('\n', " "),
        Value::Object(map) if map.len() > 2 => format!("{{{} keys}}", map.len()),
        other => other.to_string(),
    };
    if text.chars().count() > 40 {
        format!("{}…", text.chars().take(39).collect::<String>())
    } else {
        text
    }
}
