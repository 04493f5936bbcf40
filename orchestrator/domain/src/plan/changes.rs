//! What changed between two definitions of a pipeline, and what each change means for results.

mod classes;
mod readers;
#[cfg(test)]
mod tests;

use classes::Definitions;
pub(super) use classes::words;
pub use readers::spare_unread_columns;

use crate::run::RunDefinition;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// One value that differs; absent before: added, absent now: removed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// E.g. `steps.features.with.as_of_join[0].lag`.
    pub path: String,
    pub before: Option<Value>,
    pub now: Option<Value>,
}

/// A difference and what it means.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    #[serde(flatten)]
    pub difference: Difference,
    pub class: ChangeClass,
    /// Why it is of that class, a few words.
    pub why: String,
}

/// What a change means for results, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeClass {
    /// Values may differ: the step, and what is made of its results, is made again.
    Breaking,
    /// What was made stays as it is; what comes to it is made the new way.
    ForwardOnly,
    /// Something is added that nobody reads: the step is made again, and all that was there keeps its values.
    NonBreaking,
    /// Only when, whether or for whom something runs.
    NoRerun,
}

impl ChangeClass {
    /// As it is printed.
    pub fn words(self) -> &'static str {
        match self {
            Self::Breaking => "breaking",
            Self::ForwardOnly => "forward-only",
            Self::NonBreaking => "non-breaking",
            Self::NoRerun => "no re-run",
        }
    }
}

/// Everything that changed: params and variables as bound, steps and all else as written.
pub fn changes_between(before: &RunDefinition, now: &RunDefinition) -> Vec<Change> {
    let definitions = Definitions::new(before, now);
    let mut found = Vec::new();
    let mut section = |name: &str, before: Value, now: Value| {
        let names: BTreeSet<String> = members(&before).chain(members(&now)).cloned().collect();
        for member in names {
            let path = format!("{name}.{member}");
            compare(before.get(&member), now.get(&member), &path, &mut |difference| {
                found.push(difference);
            });
        }
    };
    let params = |of: &RunDefinition| -> Value {
        let values = of.params.iter();
        Value::Object(
            values
                .map(|(name, bound)| (name.clone(), bound.value.clone()))
                .collect(),
        )
    };
    section("params", params(before), params(now));
    section(
        "vars",
        Value::Object(before.vars.clone()),
        Value::Object(now.vars.clone()),
    );
    section("datasets", datasets(before), datasets(now));
    section("contracts", json!(before.contracts), json!(now.contracts));
    let removed = before
        .as_written
        .keys()
        .filter(|name| !now.as_written.contains_key(*name));
    for name in now.as_written.keys().chain(removed) {
        compare(
            before.as_written.get(name),
            now.as_written.get(name),
            &format!("steps.{name}"),
            &mut |difference| found.push(difference),
        );
    }
    // What runs of older programs were made of besides is not known.
    let now_in = now.environment.as_deref();
    if let (Some(before), Some(now)) = (&before.sections, &now.sections) {
        compare(
            Some(&Value::Object(before.clone())),
            Some(&Value::Object(now.clone())),
            "",
            &mut |difference| {
                // Those of this environment are compared as they are bound.
                let words = words(&difference.path);
                let is_bound = matches!(words.as_slice(), ["environments", name, "vars" | "params", ..]
                    if now_in == Some(*name));
                if !is_bound {
                    found.push(difference);
                }
            },
        );
    }
    let classified = found.into_iter().map(|difference| {
        let (class, why) = definitions.class_of(&difference);
        Change {
            difference,
            class,
            why,
        }
    });
    classified.collect()
}

fn members(value: &Value) -> impl Iterator<Item = &String> {
    value.as_object().into_iter().flat_map(Map::keys)
}

/// Datasets as far as they are declared: what they hold is told apart.
fn datasets(of: &RunDefinition) -> Value {
    let declared = of.datasets.iter().map(|(name, dataset)| {
        let mut known = Map::new();
        known.insert("path".to_owned(), json!(dataset.location));
        if let Some(format) = &dataset.format {
            known.insert("format".to_owned(), json!(format));
        }
        if let Some(contract) = &dataset.contract {
            known.insert("contract".to_owned(), json!(contract));
        }
        if !dataset.options.is_null() {
            known.insert("options".to_owned(), dataset.options.clone());
        }
        (name.clone(), Value::Object(known))
    });
    Value::Object(declared.collect())
}

/// Tells `found` of each value that differs, the smallest that do. Of lists where one is the other with
/// items put in, only those are told; others are compared place by place.
pub(super) fn compare(
    before: Option<&Value>,
    now: Option<&Value>,
    path: &str,
    found: &mut dyn FnMut(Difference),
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
            if let Some(added) = put_in(before, now) {
                for at in added {
                    compare(None, now.get(at), &format!("{path}[{at}]"), found);
                }
            } else if let Some(removed) = put_in(now, before) {
                for at in removed {
                    compare(before.get(at), None, &format!("{path}[{at}]"), found);
                }
            } else {
                for at in 0..before.len().max(now.len()) {
                    compare(before.get(at), now.get(at), &format!("{path}[{at}]"), found);
                }
            }
        }
        (before, now) if before == now => {}
        (before, now) => found(Difference {
            path: path.to_owned(),
            before: before.cloned(),
            now: now.cloned(),
        }),
    }
}

/// Places of the items that make the longer list of the shorter; none if it is not made so.
fn put_in(shorter: &[Value], longer: &[Value]) -> Option<Vec<usize>> {
    let mut added = Vec::new();
    let mut kept = shorter.iter().peekable();
    for (at, item) in longer.iter().enumerate() {
        if kept.next_if_eq(&item).is_none() {
            added.push(at);
        }
    }
    kept.next().is_none().then_some(added)
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
