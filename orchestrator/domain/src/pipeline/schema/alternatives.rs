//! `anyOf` and `oneOf`: which alternative was meant, so that its faults are reported and not that
//! none of them fits.

use super::words::either;
use super::{Place, Validator, Walk, kind};
use crate::pipeline::reader::{Content, Node};
use serde_json::Value;
use trainyard_contract::finding::nearest;

impl<'s> Validator<'s> {
    pub(super) fn alternatives(
        &self,
        node: &Node,
        options: &'s [Value],
        properties: Option<&Value>,
        place: Place<'_>,
        walk: &mut Walk<'_>,
    ) {
        let options: Vec<(&Value, &Value)> = options
            .iter()
            .map(|option| (option, self.resolve(option)))
            .collect();
        if options.iter().all(|(_, option)| is_only_required(option)) {
            let options = options.iter().map(|(_, option)| *option);
            exactly_one_key(node, options, properties, place, walk);
            return;
        }
        if let Some(constants) = constants(options.iter().map(|(_, option)| *option)) {
            self.one_of(node, &constants, place, walk);
            return;
        }
        if let Some(tag) = tag(options.iter().map(|(_, option)| *option)) {
            self.tagged(node, tag, &options, place, walk);
            return;
        }
        let fitting: Vec<&Value> = options
            .iter()
            .filter(|(_, option)| self.admits(node, option))
            .map(|(written, _)| *written)
            .collect();
        match fitting.as_slice() {
            [] => {
                let mut types = Vec::new();
                for (_, option) in &options {
                    self.types(option, &mut types);
                }
                types.dedup();
                kind::wrong_type(node, &types, place, walk);
            }
            [one] => self.node(node, one, place, walk),
            many => {
                // Of words and maps, a text can only be meant for one of the words.
                if let Some(words) = constants(many.iter().map(|option| self.resolve(option))) {
                    self.one_of(node, &words, place, walk);
                    return;
                }
                // The keys tell which one is meant, however much is wrong within it.
                let known = |option: &Value| known_keys(node, self.resolve(option));
                let most = many.iter().map(|option| known(option)).max().unwrap_or(0);
                let all: Vec<&Value> = many.iter().map(|option| self.resolve(option)).collect();
                if most == 0 && foreign_keys(node, &all, place, walk) {
                    return;
                }
                let mut best: Option<Vec<_>> = None;
                for option in many.iter().filter(|option| known(option) == most) {
                    let mut attempt = Walk::new(walk.results);
                    self.node(node, option, place, &mut attempt);
                    if best.as_ref().is_none_or(|best| attempt.faults.len() < best.len()) {
                        best = Some(attempt.faults);
                    }
                }
                walk.faults.extend(best.unwrap_or_default());
            }
        }
    }

    /// Whether a value is of the type that an alternative wants.
    fn admits(&self, node: &Node, option: &'s Value) -> bool {
        let mut types = Vec::new();
        self.types(option, &mut types);
        types.is_empty() || types.iter().any(|of| kind::is(node, of))
    }

    fn types(&self, schema: &'s Value, types: &mut Vec<&'s str>) {
        let schema = self.resolve(schema);
        match schema.get("type") {
            Some(Value::String(one)) => types.push(one),
            Some(Value::Array(many)) => types.extend(many.iter().filter_map(Value::as_str)),
            _ => {
                for keyword in ["anyOf", "oneOf"] {
                    for option in schema
                        .get(keyword)
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                    {
                        self.types(option, types);
                    }
                }
                if schema.get("enum").or_else(|| schema.get("const")).is_some() && types.is_empty() {
                    types.push("string");
                }
            }
        }
    }

    /// Alternatives that a key such as `type` tells apart.
    fn tagged(
        &self,
        node: &Node,
        tag: &str,
        options: &[(&'s Value, &'s Value)],
        place: Place<'_>,
        walk: &mut Walk<'_>,
    ) {
        if !matches!(node.content, Content::Map(_)) {
            kind::wrong_type(node, &["object"], place, walk);
            return;
        }
        let values: Vec<Value> = options
            .iter()
            .filter_map(|(_, option)| tag_value(option, tag))
            .cloned()
            .collect();
        let Some(entry) = node.entry(tag) else {
            let names: Vec<String> = values.iter().map(shown).collect();
            walk.report(
                "S01/missing-key",
                place.span(node),
                format!("{} needs `{tag}`", place.subject()),
                &format!("`{tag}` is missing"),
                Some(format!("add `{tag}:` with {}", either(&names))),
            );
            return;
        };
        let value = entry.value.to_value();
        match options
            .iter()
            .find(|(_, option)| tag_value(option, tag) == Some(&value))
        {
            Some((written, _)) => self.node(node, written, place, walk),
            None => {
                let place = Place {
                    key: Some((tag, entry.key_span)),
                    ..place
                };
                not_allowed(&entry.value, &values, place, walk);
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// Reports a value that is none of those allowed.
pub(super) fn not_allowed(node: &Node, allowed: &[Value], place: Place<'_>, walk: &mut Walk<'_>) {
    let names: Vec<String> = allowed.iter().map(shown).collect();
    let near = node
        .text()
        .and_then(|text| nearest(text, allowed.iter().filter_map(Value::as_str)));
    let help = match near {
        Some(near) => format!("did you mean `{near}`? allowed: {}", either(&names)),
        None => format!("allowed: {}", either(&names)),
    };
    walk.report(
        "S01/not-allowed-value",
        place.span(node),
        format!("{} cannot be {}", place.subject(), super::describe(node)),
        "not allowed",
        Some(help),
    );
    if let Some(near) = near {
        walk.fix(node.span, near.to_owned());
    }
}

/// How many keys of a map an alternative knows.
fn known_keys(node: &Node, option: &Value) -> usize {
    let (Content::Map(entries), Some(known)) =
        (&node.content, option.get("properties").and_then(Value::as_object))
    else {
        return 0;
    };
    entries
        .iter()
        .filter(|entry| known.contains_key(&*entry.key))
        .count()
}

/// Reports the keys of a map of which no alternative knows any, with the nearest of all that there are; says
/// nothing if one of them takes any key.
fn foreign_keys(node: &Node, options: &[&Value], place: Place<'_>, walk: &mut Walk<'_>) -> bool {
    let Content::Map(entries) = &node.content else {
        return false;
    };
    let is_closed = |option: &&Value| {
        option.get("properties").is_some() && option.get("additionalProperties") == Some(&Value::Bool(false))
    };
    if entries.is_empty() || !options.iter().all(is_closed) {
        return false;
    }
    let mut known: Vec<&str> = options
        .iter()
        .filter_map(|option| option.get("properties")?.as_object())
        .flat_map(|members| members.keys().map(String::as_str))
        .collect();
    known.sort_unstable();
    known.dedup();
    for entry in entries {
        let near = nearest(&entry.key, known.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let names: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
                format!("known here: {}", names.join(", "))
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
            Some(help),
        );
        if let Some(near) = near {
            walk.fix(entry.key_span, near.to_owned());
        }
    }
    true
}

fn is_only_required(option: &Value) -> bool {
    option
        .as_object()
        .is_some_and(|rules| rules.len() == 1 && rules.contains_key("required"))
}

fn exactly_one_key<'v>(
    node: &Node,
    options: impl Iterator<Item = &'v Value>,
    properties: Option<&Value>,
    place: Place<'_>,
    walk: &mut Walk<'_>,
) {
    let Content::Map(entries) = &node.content else {
        return;
    };
    let keys: Vec<&str> = options
        .filter_map(|option| option.get("required")?.as_array()?.first()?.as_str())
        .collect();
    let present: Vec<_> = keys.iter().filter_map(|key| node.entry(key)).collect();
    let names: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    // A misspelt one is reported as such.
    let is_known = |key: &str| properties.is_some_and(|known| known.get(key).is_some());
    let is_misspelt = || {
        let mut unknown = entries.iter().filter(|entry| !is_known(&entry.key));
        unknown.any(|entry| nearest(&entry.key, keys.iter().copied()).is_some())
    };
    match present.as_slice() {
        [_] => {}
        [] if is_misspelt() => {}
        [] => walk.report(
            "S01/missing-key",
            place.span(node),
            format!("{} needs one of {}", place.subject(), names.join(" and ")),
            &format!("neither {} is here", names.join(" nor ")),
            Some(format!("add {}", either(&names))),
        ),
        [first, second, ..] => {
            let message = format!(
                "{} has both `{}` and `{}`",
                place.subject(),
                first.key,
                second.key
            );
            walk.report(
                "S01/exclusive-keys",
                second.key_span,
                message,
                "one too many",
                Some("keep one of the two".to_owned()),
            );
        }
    }
}

/// The values, if every alternative is nothing but one value.
fn constants<'v>(options: impl Iterator<Item = &'v Value>) -> Option<Vec<Value>> {
    let mut found = Vec::new();
    for option in options {
        match (option.get("const"), option.get("enum")) {
            (Some(value), _) => found.push(value.clone()),
            (None, Some(Value::Array(values))) => found.extend(values.iter().cloned()),
            _ => return None,
        }
    }
    Some(found)
}

fn tag_value<'v>(option: &'v Value, tag: &str) -> Option<&'v Value> {
    option.get("properties")?.get(tag)?.get("const")
}

/// The key whose fixed value tells all alternatives apart.
fn tag<'v>(options: impl Iterator<Item = &'v Value> + Clone) -> Option<&'v str> {
    let first = options.clone().next()?;
    first
        .get("properties")?
        .as_object()?
        .keys()
        .find(|key| options.clone().all(|option| tag_value(option, key).is_some()))
        .map(String::as_str)
}
