//! Maps: known keys, missing keys, names.

use super::{Place, Validator, Walk, kind};
use crate::pipeline::reader::{Entry, Node};
use serde_json::{Map, Value};
use trainyard_contract::finding::nearest;

/// Words of other tools and what they are called here.
const FOREIGN: &[(&str, &str)] = &[
    ("on", "triggers"),
    ("schedule", "triggers"),
    ("jobs", "steps"),
    ("tasks", "steps"),
    ("stages", "steps"),
    ("parameters", "params"),
    ("variables", "vars"),
    ("depends_on", "needs"),
    ("dependsOn", "needs"),
    ("dependencies", "needs"),
    ("deps", "inputs"),
    ("outs", "outputs"),
    ("cmd", "run"),
    ("command", "run"),
    ("script", "run"),
    ("when", "if"),
    ("condition", "if"),
    ("retries", "retry"),
    ("environment", "env"),
    ("strategy", "matrix"),
    ("type", "uses"),
    ("inherits", "uses"),
    ("allow_failure", "continue_on_error"),
    ("attempts", "max_attempts"),
    ("limit", "max_attempts"),
    ("mem", "memory"),
    ("cpus", "cpu"),
];

impl<'s> Validator<'s> {
    pub(super) fn object(
        &self,
        node: &Node,
        entries: &[Entry],
        rules: &'s Map<String, Value>,
        place: Place<'_>,
        walk: &mut Walk<'_>,
    ) {
        let properties = rules.get("properties").and_then(Value::as_object);
        let more = rules.get("additionalProperties");
        let names = rules
            .get("propertyNames")
            .and_then(|names| names.get("pattern"))
            .and_then(Value::as_str);
        let mut unknown = Vec::new();
        for entry in entries {
            let inner = Place {
                key: Some((&entry.key, entry.key_span)),
                ..place
            };
            if let Some(schema) = properties.and_then(|known| known.get(&*entry.key)) {
                self.node(&entry.value, schema, inner, walk);
                continue;
            }
            if let Some(pattern) = names
                && !self.matches(pattern, &entry.key)
            {
                let (message, help) = kind::wrong_pattern("the key", pattern, &entry.key);
                walk.report(
                    "S01/invalid-name",
                    entry.key_span,
                    message,
                    "not a name",
                    Some(help),
                );
            }
            match more {
                Some(Value::Bool(false)) => unknown.push(entry),
                Some(schema @ Value::Object(_)) => self.node(&entry.value, schema, inner, walk),
                // A schema of alternatives says nothing of keys itself.
                _ if rules.contains_key("type") => no_stray_expression(&entry.value, inner, walk),
                _ => {}
            }
        }
        let required: Vec<&str> = rules
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let missing: Vec<&str> = required
            .into_iter()
            .filter(|key| node.get(key).is_none())
            .collect();
        let known: Vec<&str> = properties
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str())
            .collect();
        let mut meant = Vec::new();
        let free: Vec<&str> = match unknown.is_empty() {
            true => Vec::new(),
            false => known
                .iter()
                .copied()
                .filter(|key| node.get(key).is_none())
                .collect(),
        };
        for entry in unknown {
            // A word of another tool that the schema knows goes before a guess; a required key that is
            // absent is what a misspelt one most likely stands for.
            let alias = alias(node, properties, &entry.key).filter(|ours| free.contains(ours));
            let near = alias
                .or_else(|| {
                    nearest(
                        &entry.key,
                        missing.iter().copied().filter(|key| !meant.contains(key)),
                    )
                })
                .or_else(|| nearest(&entry.key, free.iter().copied()))
                .or_else(|| {
                    FOREIGN
                        .iter()
                        .find(|(word, ours)| *word == &*entry.key && free.contains(ours))
                        .map(|(_, ours)| *ours)
                });
            let help = match near {
                Some(near) => Some(format!("did you mean `{near}`?")),
                None if known.is_empty() => Some("remove it; no key is known here".to_owned()),
                None => {
                    let mut names: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
                    names.sort();
                    Some(format!("known here: {}", names.join(", ")))
                }
            };
            let within = place
                .key
                .map_or_else(String::new, |(key, _)| format!(" in `{key}`"));
            walk.report(
                "S01/unknown-key",
                entry.key_span,
                format!("the key `{}` is not known{within}", entry.key),
                "not known",
                help,
            );
            if let Some(near) = near {
                meant.push(near);
                walk.fix(entry.key_span, near.to_owned());
            }
        }
        for key in missing.into_iter().filter(|key| !meant.contains(key)) {
            let what = properties
                .and_then(|known| known.get(key))
                .map(|schema| self.resolve(schema))
                .and_then(|schema| schema.get("description"))
                .and_then(Value::as_str)
                .and_then(|text| text.lines().next())
                .map_or_else(String::new, |text| format!(": {}", text.trim_end_matches('.')));
            let subject = place
                .key
                .map_or_else(|| "the document".to_owned(), |(key, _)| format!("`{key}`"));
            walk.report(
                "S01/missing-key",
                place.span(node),
                format!("{subject} needs `{key}`"),
                &format!("`{key}` is missing"),
                Some(format!("add `{key}:`{what}")),
            );
        }
        if let Some(least) = rules.get("minProperties").and_then(Value::as_u64)
            && (entries.len() as u64) < least
        {
            walk.report(
                "S01/out-of-range",
                place.span(node),
                format!(
                    "{} is empty; it needs at least {}",
                    place.subject(),
                    super::plural(least, "entry")
                ),
                "empty",
                None,
            );
        }
    }
}

/// The key that other tools call `word` (keyword `x-aliases`). Of several the one that the algorithm
/// named beside it has (keyword `x-algorithms`).
fn alias<'s>(node: &Node, properties: Option<&'s Map<String, Value>>, word: &str) -> Option<&'s str> {
    let properties = properties?;
    let lists = |schema: &Value, keyword: &str, word: &str| {
        let words = schema.get(keyword).and_then(Value::as_array);
        words.is_some_and(|words| words.iter().any(|known| known == word))
    };
    let meant: Vec<(&str, &Value)> = properties
        .iter()
        .filter(|(_, schema)| lists(schema, "x-aliases", word))
        .map(|(key, schema)| (key.as_str(), schema))
        .collect();
    let default = || properties.get("algorithm")?.get("default")?.as_str();
    let algorithm = node.get("algorithm").and_then(Node::text).or_else(default);
    let of_it = algorithm.and_then(|name| {
        meant
            .iter()
            .find(|(_, schema)| lists(schema, "x-algorithms", name))
    });
    of_it.or(meant.first()).map(|(key, _)| *key)
}

/// Free-form values hold no expressions where none are evaluated.
pub(super) fn no_stray_expression(node: &Node, place: Place<'_>, walk: &mut Walk<'_>) {
    if place.evaluated {
        return;
    }
    let root = trainyard_contract::Path::root();
    node.each_text(&root, &mut |_, node, text| {
        if text.contains("${{") {
            walk.report(
                "S03/not-evaluated",
                node.span,
                format!("no expression is evaluated {}", place.inside()),
                "stays as it is",
                Some("write the value itself".to_owned()),
            );
        }
    });
}
