//! Checks a document against a JSON Schema and finds *all* faults, each at its place.
//!
//! Knows the part of JSON Schema that schemars writes for the structures of [`super::spec`], of
//! data contracts and of steps' parameters, and our own keywords `x-kind` and `x-expression`.
//! Deserialising afterwards cannot fail for reasons of form.

mod alternatives;
mod kind;
mod object;
mod words;
mod zone;

pub(crate) use words::{describe, plural};

use super::reader::{Content, Node, Scalar};
use crate::diagnostic::{Diagnostic, Fix, Label, Severity, Span};
use serde_json::{Number, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// One schema with what checking against it needs.
pub(crate) struct Validator<'s> {
    /// The document that `$ref` points into.
    document: &'s Value,
    patterns: RefCell<BTreeMap<String, Option<regex_lite::Regex>>>,
}

/// What is known of the place that is being checked.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The key whose value it is.
    key: Option<(&'a str, Span)>,
    /// Whether `${{ … }}` is evaluated here.
    evaluated: bool,
}

/// A walk over one document.
pub(crate) struct Walk<'a> {
    /// Places whose value is the result of an expression, so that the fault is the expression's.
    results: &'a BTreeSet<Span>,
    pub(crate) faults: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(results: &'a BTreeSet<Span>) -> Self {
        Self {
            results,
            faults: Vec::new(),
        }
    }

    fn report(&mut self, code: &str, span: Span, message: String, label: &str, help: Option<String>) {
        let from_expression = self.results.contains(&span);
        let code = if from_expression { "S03/wrong-result" } else { code };
        self.faults.push(Diagnostic {
            code: code.to_owned(),
            severity: Severity::Error,
            message,
            primary: Label {
                span,
                text: label.to_owned(),
            },
            secondary: Vec::new(),
            notes: if from_expression {
                vec!["the value is what the expression gives before the run".to_owned()]
            } else {
                Vec::new()
            },
            help,
            fix: None,
        });
    }

    fn fix(&mut self, span: Span, replacement: String) {
        if let Some(last) = self.faults.last_mut()
            && last.code != "S03/wrong-result"
        {
            last.fix = Some(Fix { span, replacement });
        }
    }
}

impl<'s> Validator<'s> {
    pub(crate) fn new(document: &'s Value) -> Self {
        Self {
            document,
            patterns: RefCell::default(),
        }
    }

    /// Checks a whole document, or the value of `key`.
    pub(crate) fn check(&self, node: &Node, key: Option<(&str, Span)>, evaluated: bool, walk: &mut Walk<'_>) {
        self.node(node, self.document, Place { key, evaluated }, walk);
    }

    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        for _ in 0..16 {
            let Some(pointer) = schema.get("$ref").and_then(Value::as_str) else {
                break;
            };
            let Some(next) = pointer
                .strip_prefix('#')
                .and_then(|pointer| self.document.pointer(pointer))
            else {
                break;
            };
            schema = next;
        }
        schema
    }

    fn node(&self, node: &Node, schema: &'s Value, place: Place<'_>, walk: &mut Walk<'_>) {
        let is_marked = |schema: &Value| schema.get("x-expression").and_then(Value::as_bool) == Some(true);
        let marked = is_marked(schema);
        let schema = self.resolve(schema);
        let place = Place {
            evaluated: place.evaluated || marked || is_marked(schema),
            ..place
        };
        if node.text().is_some_and(|text| text.contains("${{")) {
            if !place.evaluated {
                walk.report(
                    "S03/not-evaluated",
                    node.span,
                    format!("no expression is evaluated {}", place.inside()),
                    "stays as it is",
                    Some(match place.key {
                        Some(("run" | "script", _)) => {
                            "pass the value by `env:` and use \"$NAME\": nothing is spliced into a script"
                                .to_owned()
                        }
                        _ => "write the value itself".to_owned(),
                    }),
                );
                return;
            }
            // What it gives is checked once it is known.
            return;
        }
        if matches!(node.content, Content::Unknown) {
            return;
        }
        let Some(rules) = schema.as_object() else {
            object::no_stray_expression(node, place, walk);
            return;
        };
        if let Some(all) = rules.get("allOf").and_then(Value::as_array) {
            for part in all {
                self.node(node, part, place, walk);
            }
        }
        let before = walk.faults.len();
        if let Some(wanted) = rules.get("type")
            && !self.type_fits(node, wanted, place, walk)
        {
            return;
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(options) = rules.get(keyword).and_then(Value::as_array) {
                self.alternatives(node, options, rules.get("properties"), place, walk);
            }
        }
        if walk.faults.len() > before && !matches!(node.content, Content::Map(_)) {
            return;
        }
        if let Some(allowed) = rules.get("const") {
            self.one_of(node, std::slice::from_ref(allowed), place, walk);
        }
        if let Some(allowed) = rules.get("enum").and_then(Value::as_array) {
            self.one_of(node, allowed, place, walk);
        }
        match &node.content {
            Content::Scalar(Scalar::Text(text)) => self.text(node, text, rules, place, walk),
            Content::Scalar(Scalar::Number(number)) => number_fits(node, number, rules, place, walk),
            Content::List(items) => self.list(node, items, rules, place, walk),
            Content::Map(entries) => self.object(node, entries, rules, place, walk),
            Content::Scalar(_) | Content::Unknown => {}
        }
    }

    fn type_fits(&self, node: &Node, wanted: &Value, place: Place<'_>, walk: &mut Walk<'_>) -> bool {
        let wanted: Vec<&str> = match wanted {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => return true,
        };
        if wanted.iter().any(|wanted| kind::is(node, wanted)) {
            return true;
        }
        kind::wrong_type(node, &wanted, place, walk);
        false
    }

    fn list(
        &self,
        node: &Node,
        items: &[Node],
        rules: &'s serde_json::Map<String, Value>,
        place: Place<'_>,
        walk: &mut Walk<'_>,
    ) {
        let inner = Place {
            key: place.key,
            evaluated: place.evaluated,
        };
        let first = rules
            .get("prefixItems")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        for (at, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(at).or_else(|| rules.get("items")) {
                self.node(item, schema, inner, walk);
            }
        }
        let count = |name: &str| rules.get(name).and_then(Value::as_u64);
        let length = items.len() as u64;
        let least = count("minItems").filter(|least| length < *least);
        let most = count("maxItems").filter(|most| length > *most);
        if least.is_some() || most.is_some() {
            let wanted = match (count("minItems"), count("maxItems")) {
                (Some(least), Some(most)) if least == most => format!("exactly {}", plural(least, "item")),
                (Some(least), None) => format!("at least {}", plural(least, "item")),
                (_, Some(most)) if least.is_none() => format!("at most {}", plural(most, "item")),
                (least, _) => format!("at least {}", plural(least.unwrap_or(0), "item")),
            };
            walk.report(
                "S01/out-of-range",
                place.span(node),
                format!(
                    "{} has {}; it takes {wanted}",
                    place.subject(),
                    plural(length, "item")
                ),
                "",
                None,
            );
        }
    }

    fn one_of(&self, node: &Node, allowed: &[Value], place: Place<'_>, walk: &mut Walk<'_>) {
        let value = node.to_value();
        if allowed.iter().any(|allowed| same(allowed, &value)) {
            return;
        }
        alternatives::not_allowed(node, allowed, place, walk);
    }

    fn text(
        &self,
        node: &Node,
        text: &str,
        rules: &serde_json::Map<String, Value>,
        place: Place<'_>,
        walk: &mut Walk<'_>,
    ) {
        let kind = rules
            .get("x-kind")
            .or_else(|| rules.get("format"))
            .and_then(Value::as_str);
        if let Some(kind) = kind
            && let Some(wrong) = kind::wrong_text(kind, text)
        {
            walk.report(wrong.code, node.span, wrong.message, wrong.label, wrong.help);
            if let Some(fix) = wrong.fix {
                walk.fix(node.span, fix);
            }
            return;
        }
        let length = text.chars().count() as u64;
        if rules
            .get("minLength")
            .and_then(Value::as_u64)
            .is_some_and(|least| length < least)
            || rules
                .get("maxLength")
                .and_then(Value::as_u64)
                .is_some_and(|most| length > most)
        {
            walk.report(
                "S01/out-of-range",
                node.span,
                format!(
                    "{} has a wrong length: {}",
                    place.subject(),
                    plural(length, "character")
                ),
                "",
                None,
            );
        }
        if let Some(pattern) = rules.get("pattern").and_then(Value::as_str)
            && !self.matches(pattern, text)
        {
            let (message, help) = kind::wrong_pattern(&place.subject(), pattern, text);
            walk.report("S01/wrong-format", node.span, message, "", Some(help));
        }
    }

    /// Whether a text matches; a pattern that is none matches everything.
    fn matches(&self, pattern: &str, text: &str) -> bool {
        if pattern == super::spec::NAME_PATTERN {
            return text.parse::<trainyard_contract::StepName>().is_ok();
        }
        let mut patterns = self.patterns.borrow_mut();
        let known = patterns
            .entry(pattern.to_owned())
            .or_insert_with(|| regex_lite::Regex::new(pattern).ok());
        known.as_ref().is_none_or(|known| known.is_match(text))
    }
}

impl Place<'_> {
    /// How a message calls the value.
    fn subject(&self) -> String {
        self.key
            .map_or_else(|| "this".to_owned(), |(key, _)| format!("`{key}`"))
    }

    fn inside(&self) -> String {
        self.key
            .map_or_else(|| "here".to_owned(), |(key, _)| format!("in `{key}`"))
    }

    /// What to underline: a scalar itself, a list or map by its key.
    fn span(&self, node: &Node) -> Span {
        match (&node.content, self.key) {
            (Content::List(_) | Content::Map(_), Some((_, key))) => key,
            (Content::List(_) | Content::Map(_), None) => Span {
                end: node.span.end.min(node.span.start + 1),
                ..node.span
            },
            _ => node.span,
        }
    }
}

/// Equal as JSON Schema means it: 1 and 1.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

fn number_fits(
    node: &Node,
    number: &Number,
    rules: &serde_json::Map<String, Value>,
    place: Place<'_>,
    walk: &mut Walk<'_>,
) {
    let Some(value) = number.as_f64() else { return };
    let bound = |name: &str| rules.get(name).and_then(Value::as_f64);
    let (format_least, format_most) = match rules.get("format").and_then(Value::as_str) {
        Some("uint8") => (Some(0.0), Some(f64::from(u8::MAX))),
        Some("uint16") => (Some(0.0), Some(f64::from(u16::MAX))),
        Some("uint32") => (Some(0.0), Some(f64::from(u32::MAX))),
        Some("int8") => (Some(f64::from(i8::MIN)), Some(f64::from(i8::MAX))),
        Some("int16") => (Some(f64::from(i16::MIN)), Some(f64::from(i16::MAX))),
        Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        Some("uint" | "uint64") => (Some(0.0), Some(u64::MAX as f64)),
        Some("int" | "int64") => (Some(i64::MIN as f64), Some(i64::MAX as f64)),
        _ => (None, None),
    };
    let least = bound("minimum").or(format_least);
    let most = bound("maximum").or(format_most);
    let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
    let fits = least.is_none_or(|least| value >= least)
        && most.is_none_or(|most| value <= most)
        && above.is_none_or(|above| value > above)
        && below.is_none_or(|below| value < below);
    if fits {
        return;
    }
    let mut limits = Vec::new();
    limits.extend(least.map(|least| format!("at least {least}")));
    limits.extend(above.map(|above| format!("more than {above}")));
    limits.extend(most.map(|most| format!("at most {most}")));
    limits.extend(below.map(|below| format!("less than {below}")));
    let limits = match (least, most) {
        (Some(least), Some(most)) if least == most => format!("exactly {least}"),
        _ => limits.join(" and "),
    };
    walk.report(
        "S01/out-of-range",
        node.span,
        format!("{} is {number}; it has to be {limits}", place.subject()),
        "out of range",
        Some(format!("write a number that is {limits}")),
    );
}

#[cfg(test)]
mod tests;
