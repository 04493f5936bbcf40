//! `trainyard runs diff`: two runs side by side.

use super::Shelf;
use super::document::document;
use crate::output::{Exit, Fault, Terminal};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Shelf {
    pub(super) fn diff(&self, left: &str, right: &str, terminal: &mut Terminal) -> Result<Exit, Fault> {
        let (left, right) = (self.load(&self.find(left)?)?, self.load(&self.find(right)?)?);
        let (a, b) = (flat(&document(&left)), flat(&document(&right)));
        let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let changed: Vec<(&String, Option<&Value>, Option<&Value>)> = keys
            .into_iter()
            .filter(|key| is_comparable(key))
            .map(|key| (key, a.get(key), b.get(key)))
            .filter(|(_, a, b)| a != b)
            .collect();
        if terminal.is_json() {
            let list: Vec<Value> = changed
                .iter()
                .map(|(key, a, b)| json!({ "path": key, "left": a, "right": b }))
                .collect();
            terminal.out_json(
                &json!({ "left": left.id().as_str(), "right": right.id().as_str(), "changes": list }),
            );
            return Ok(Exit::Done);
        }
        if changed.is_empty() {
            terminal.out("no difference in parameters, steps, outputs or metrics");
        }
        let show = |value: Option<&Value>| value.map_or_else(|| "-".to_owned(), Value::to_string);
        let rows: Vec<Vec<String>> = changed
            .iter()
            .map(|(key, a, b)| vec![(*key).clone(), show(*a), show(*b)])
            .collect();
        if !rows.is_empty() {
            terminal.table(&["WHAT", left.id().short(), right.id().short()], &[], &rows);
        }
        Ok(Exit::Done)
    }
}

/// Leaves out what differs between any two runs: ids, times, resources.
fn is_comparable(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    !matches!(
        last,
        "run"
            | "by"
            | "from"
            | "wall"
            | "cpu"
            | "peak_memory"
            | "attempts"
            | "state"
            | "headline"
            | "trigger"
    ) && !path.contains(".resources.")
}

fn flat(document: &Value) -> BTreeMap<String, Value> {
    fn walk(path: String, value: &Value, into: &mut BTreeMap<String, Value>) {
        let child = |key: &str| {
            if path.is_empty() {
                key.to_owned()
            } else {
                format!("{path}.{key}")
            }
        };
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| walk(child(key), value, into)),
            other => {
                into.insert(path, other.clone());
            }
        }
    }
    let mut into = BTreeMap::new();
    walk(String::new(), document, &mut into);
    into
}
