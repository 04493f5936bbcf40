//! The names of a library's kind or of a pipeline, as the using document knows them.

use crate::diagnostic::{Sources, Span};
use crate::expression::{Expression, Replacement, Substitution, Template, Type};
use crate::pipeline::checks::{Finding, found, type_of};
use crate::pipeline::locate;
use crate::pipeline::reader::{Content, Entry, Node, Scalar};
use crate::pipeline::spec::Param;
use crate::pipeline::values;
use crate::pipeline::wiring::{Kinds, Reference, uses_of};
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::finding::nearest;
use trainyard_contract::{Path, Segment};

/// In place of a param whose value has a fault that is reported; no file can hold it.
const OPEN: &str = "\u{0}";

/// What the names inside stand for outside.
pub(super) struct Scope<'s> {
    /// Values of params.
    pub(super) params: &'s BTreeMap<String, Node>,
    /// Params that are numbers or booleans, so that an expression can stand for them in SQL.
    pub(super) plain: BTreeSet<&'s str>,
    /// The using step, and the steps inside.
    pub(super) steps: Option<(&'s str, &'s BTreeSet<String>)>,
    /// Dataset inside → reference outside.
    pub(super) datasets: &'s BTreeMap<String, String>,
}

impl Substitution for Scope<'_> {
    fn member(&self, root: &str, name: &str) -> Option<Replacement> {
        match root {
            "params" => {
                let value = self.params.get(name)?.to_value();
                Expression::of_value(&value).ok().map(Replacement::Expression)
            }
            "steps" => self.step(name).map(Replacement::Name),
            _ => None,
        }
    }
}

impl Scope<'_> {
    /// The name outside of a step inside.
    pub(super) fn step(&self, name: &str) -> Option<String> {
        let (prefix, known) = self.steps?;
        known.contains(name).then(|| format!("{prefix}.{name}"))
    }

    /// Replaces names in all expressions of a tree.
    pub(super) fn tree(&self, node: &mut Node) {
        match &mut node.content {
            Content::List(items) => items.iter_mut().for_each(|item| self.tree(item)),
            Content::Map(entries) => entries.iter_mut().for_each(|entry| self.tree(&mut entry.value)),
            Content::Scalar(_) | Content::Unknown => self.text(node),
        }
    }

    fn text(&self, node: &mut Node) {
        let Some(template) = template_of(node) else { return };
        let whole = template.single().and_then(Expression::plain_name);
        if let Some(("params", name)) = whole
            && let Some(value) = self.params.get(name)
        {
            *node = value.clone();
            return;
        }
        // What has no value, which is reported, is not known either.
        let references = template.references();
        let is_open = |name: &str| {
            self.params
                .get(name)
                .is_some_and(|value| value.content == Content::Unknown)
        };
        if references.names("params").into_iter().any(is_open) {
            node.content = Content::Unknown;
        } else if let Some(next) = template.substitute(self) {
            node.content = text(&next);
        }
    }

    /// Replaces names in all of a step.
    pub(super) fn whole_step(&self, step: &mut Node, kinds: &Kinds<'_>, out: &mut Vec<Finding>) {
        let Content::Map(entries) = &mut step.content else {
            return;
        };
        for entry in entries.iter_mut() {
            match &*entry.key {
                "inputs" => self.inputs(&mut entry.value),
                "needs" => self.needs(&mut entry.value),
                "with" => {
                    self.tree(&mut entry.value);
                    self.dataset_names(&mut entry.value);
                }
                _ => self.tree(&mut entry.value),
            }
        }
        self.columns(step, kinds, out);
    }

    fn inputs(&self, inputs: &mut Node) {
        let Content::Map(entries) = &mut inputs.content else {
            return;
        };
        for entry in entries {
            if let Some(next) = entry.value.text().and_then(|text| self.reference(text)) {
                entry.value.content = text(&next);
            }
        }
    }

    /// A reference inside as one outside.
    pub(super) fn reference(&self, written: &str) -> Option<String> {
        match Reference::parse(written)? {
            Reference::Dataset(name) => self.datasets.get(name).cloned(),
            Reference::Output { step, output, all } => {
                let all = if all { "[*]" } else { "" };
                self.step(step).map(|step| format!("{step}{all}.{output}"))
            }
            Reference::Registry { .. } | Reference::Features(_) => None,
        }
    }

    fn needs(&self, needs: &mut Node) {
        let Content::List(items) = &mut needs.content else {
            return;
        };
        for item in items {
            if let Some(next) = item.text().and_then(|name| self.step(name)) {
                item.content = text(&next);
            }
        }
    }

    /// A parameter may name a dataset.
    fn dataset_names(&self, node: &mut Node) {
        if let Some(outside) = node.text().and_then(|name| self.datasets.get(name)) {
            node.content = text(outside);
            return;
        }
        match &mut node.content {
            Content::List(items) => items.iter_mut().for_each(|item| self.dataset_names(item)),
            Content::Map(entries) => entries
                .iter_mut()
                .for_each(|entry| self.dataset_names(&mut entry.value)),
            Content::Scalar(_) | Content::Unknown => {}
        }
    }

    /// `params.NAME` in column expressions, where no `${{ }}` is needed.
    fn columns(&self, step: &mut Node, kinds: &Kinds<'_>, out: &mut Vec<Finding>) {
        let Some(kind) = kind_of(step, kinds) else { return };
        let Some(with) = step.get("with").map(Node::to_value) else {
            return;
        };
        let mut open = Vec::new();
        let changed = values::rename_in_columns(&with, &kind.signature.params, &mut |root, name| {
            if root != "params" {
                return None;
            }
            if self
                .params
                .get(name)
                .is_some_and(|value| value.content == Content::Unknown)
            {
                return Some(OPEN.to_owned());
            }
            let next = column_text(self.params.get(name)?, self.plain.contains(name));
            if next.is_none() {
                open.push(name.to_owned());
            }
            next
        });
        for (path, next) in changed {
            if let Some(node) = find_mut(step, &path.0) {
                node.content = match next.contains(OPEN) {
                    true => Content::Unknown,
                    false => text(&next),
                };
            }
        }
        for name in open {
            let Some(value) = self.params.get(&name) else {
                continue;
            };
            let message = format!("`{name}` is used in a column expression, where this cannot stand");
            out.push(
                found("S03/type", value.span, message)
                    .label("neither a value nor one name")
                    .help("give it a value, or one param, variable or axis: \"${{ params.NAME }}\""),
            );
        }
    }
}

fn kind_of(step: &Node, kinds: &Kinds<'_>) -> Option<std::sync::Arc<crate::pipeline::wiring::Kind>> {
    let word = |key: &str| step.get(key).and_then(Node::text);
    kinds.get(&uses_of(word("uses"), word("run"), word("image")))
}

/// A param's value as it stands in a column expression: a literal, a name that is filled in before
/// the run, or a number that an expression gives. Texts that only an expression gives could end the
/// literal they stand in.
fn column_text(value: &Node, is_plain: bool) -> Option<String> {
    let Some(template) = template_of(value) else {
        return values::literal(&value.to_value());
    };
    let expression = template.single()?;
    match expression.plain_name() {
        Some((root @ ("params" | "vars" | "matrix"), name)) if is_word(name) => {
            Some(format!("{root}.{name}"))
        }
        _ => is_plain.then(|| format!("(${{{{ {expression} }}}})")),
    }
}

/// Params whose values cannot end the literal they stand in.
pub(super) fn plain(params: &IndexMap<String, Param>) -> BTreeSet<&str> {
    let is_plain = |param: &Param| type_of(param).is_ok_and(|of| of.is_number() || of == Type::Boolean);
    let plain = params.iter().filter(|(_, param)| is_plain(param));
    plain.map(|(name, _)| name.as_str()).collect()
}

fn is_word(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What a kind of a library says that it cannot see: params it does not declare, and all that belongs
/// to the using pipeline's steps; with the texts in which it says so.
pub(super) fn foreign(
    body: &Node,
    params: &IndexMap<String, Param>,
    name: &str,
    kinds: &Kinds<'_>,
    sources: &Sources,
) -> (Vec<Finding>, BTreeSet<Span>) {
    let mut findings = Vec::new();
    let mut texts = BTreeSet::new();
    let unknown = |param: &str, span: Span| {
        let finding = found(
            "S02/unknown-param",
            span,
            format!("`{name}` has no param `{param}`"),
        )
        .label("not declared");
        match nearest(param, params.keys().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("declare it under `params:` of `{name}`")),
        }
    };
    body.each_text(&Path::root(), &mut |_, node, _| {
        let Some(template) = template_of(node) else { return };
        for mention in template.references().mentions {
            let place = locate::of_range(sources, node, mention.at.clone());
            match (mention.root.as_str(), mention.name.as_deref()) {
                ("params", Some(param)) if !params.contains_key(param) => {
                    findings.push(unknown(param, place));
                }
                ("params" | "vars" | "environment" | "trigger", _) => continue,
                (root, _) => findings.push(
                    found(
                        "S02/unknown-name",
                        place,
                        format!("a library does not see `{root}` of the pipeline that uses it"),
                    )
                    .label("not known here")
                    .help(format!(
                        "take it by a param: `with: {{NAME: \"${{{{ {root}… }}}}\"}}`"
                    )),
                ),
            }
            texts.insert(node.span);
        }
    });
    if let (Some(kind), Some(with)) = (kind_of(body, kinds), body.get("with")) {
        for (path, root, param) in values::mentioned_in_columns(&with.to_value(), &kind.signature.params) {
            if root == "params" && !params.contains_key(&param) {
                let node = body.find(&path.0).node;
                let place = locate::of_word(sources, node, &format!("params.{param}"));
                findings.push(unknown(&param, place.unwrap_or(node.span)));
                texts.insert(node.span);
            }
        }
    }
    (findings, texts)
}

/// Texts with faults that are reported are not known.
pub(super) fn blank(node: &mut Node, texts: &BTreeSet<Span>) {
    match &mut node.content {
        Content::List(items) => items.iter_mut().for_each(|item| blank(item, texts)),
        Content::Map(entries) => entries
            .iter_mut()
            .for_each(|entry| blank(&mut entry.value, texts)),
        Content::Scalar(_) | Content::Unknown if texts.contains(&node.span) => {
            node.content = Content::Unknown;
        }
        Content::Scalar(_) | Content::Unknown => {}
    }
}

pub(super) fn template_of(node: &Node) -> Option<Template> {
    let text = node.text().filter(|text| Template::is_in(text))?;
    Template::parse(text).ok()
}

pub(super) fn text(text: &str) -> Content {
    Content::Scalar(Scalar::Text(text.into()))
}

fn find_mut<'n>(node: &'n mut Node, path: &[Segment]) -> Option<&'n mut Node> {
    let Some((first, rest)) = path.split_first() else {
        return Some(node);
    };
    let next = match (first, &mut node.content) {
        (Segment::Key(key), Content::Map(entries)) => entries
            .iter_mut()
            .find(|entry| *entry.key == **key)
            .map(|entry: &mut Entry| &mut entry.value),
        (Segment::Index(index), Content::List(items)) => items.get_mut(*index),
        _ => None,
    };
    find_mut(next?, rest)
}

/// A value as JSON, if it has no expression anywhere.
pub(super) fn constant(node: &Node) -> Option<Value> {
    let mut is_constant = node.content != Content::Unknown;
    node.each_text(&Path::root(), &mut |_, _, text| {
        is_constant &= !Template::is_in(text);
    });
    is_constant.then(|| node.to_value())
}
