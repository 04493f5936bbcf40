//! Values for the params of a library's kind or of a pipeline that is used.

use super::scope::{constant, template_of};
use super::{Argument, Expander};
use crate::diagnostic::Span;
use crate::pipeline::checks::{declaration, found, type_of, value_fault};
use crate::pipeline::reader::{Content, Entry, Node};
use crate::pipeline::spec::Param;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use trainyard_contract::finding::nearest;

/// What is used, and where.
pub(super) struct Callee<'c> {
    /// As a person reads it: `late_share@v1`, `pipeline prepare`.
    pub(super) name: &'c str,
    /// Its document.
    pub(super) body: &'c Node,
    pub(super) params: &'c IndexMap<String, Param>,
    /// Datasets of a pipeline, which `inputs` sets.
    pub(super) datasets: Vec<&'c str>,
}

impl Expander<'_, '_> {
    /// The value of each param; what has none, which is reported, is [`Content::Unknown`].
    pub(super) fn arguments(
        &mut self,
        callee: &Callee<'_>,
        step: &Entry,
        uses: Span,
    ) -> BTreeMap<String, Node> {
        let with = step.value.entry("with");
        let given: &[Entry] = with.map_or(&[], |with| with.value.entries());
        for entry in given
            .iter()
            .filter(|entry| !callee.params.contains_key(&*entry.key))
        {
            self.unknown_argument(callee, entry);
        }
        let mut values = BTreeMap::new();
        for (name, param) in callee.params {
            let declared = callee
                .body
                .get("params")
                .and_then(|params| params.entry(name))
                .map_or(uses, |entry| entry.key_span);
            let default = callee
                .body
                .get("params")
                .and_then(|params| params.get(name)?.get("default"));
            let value = match given.iter().find(|entry| *entry.key == **name) {
                Some(entry) => self.judged(callee, step, (name, param), &entry.value, declared),
                None => default.cloned(),
            };
            let value = value.unwrap_or_else(|| {
                let span = with.map_or(uses, |with| with.key_span);
                let message = format!("`{}` needs a value for `{name}`", callee.name);
                let finding = found("S01/missing-key", span, message)
                    .label(format!("`{name}` is missing"))
                    .also(declared, "declared here, without a default")
                    .help(format!("add `{name}: …` ({}) under `with:`", declaration(param)));
                self.add(finding);
                Node {
                    span,
                    content: Content::Unknown,
                }
            });
            values.insert(name.clone(), value);
        }
        values
    }

    /// The value as given; a constant is judged at once, an expression once types are known.
    fn judged(
        &mut self,
        callee: &Callee<'_>,
        step: &Entry,
        (name, param): (&str, &Param),
        value: &Node,
        declared: Span,
    ) -> Option<Node> {
        let Ok(of) = type_of(param) else {
            return Some(value.clone());
        };
        match constant(value) {
            Some(constant) => {
                if let Some(fault) = value_fault(param, &of, &constant) {
                    let message = format!("`{name}` of `{}` is {}: {fault}", callee.name, declaration(param));
                    let finding = found("S03/param-value", value.span, message)
                        .label("does not fit")
                        .also(declared, "declared here");
                    self.add(finding);
                    return Some(Node {
                        span: value.span,
                        content: Content::Unknown,
                    });
                }
            }
            None if value.text().is_some() => {
                self.out.arguments.push(Argument {
                    owner: step.key.to_string(),
                    name: name.to_owned(),
                    node: value.clone(),
                    of,
                    param: Some(param.clone()),
                    declared,
                });
                if template_of(value).is_none() {
                    return Some(Node {
                        span: value.span,
                        content: Content::Unknown,
                    });
                }
            }
            None => {}
        }
        Some(value.clone())
    }

    fn unknown_argument(&mut self, callee: &Callee<'_>, entry: &Entry) {
        let name = &*entry.key;
        let finding = found(
            "S02/unknown-param",
            entry.key_span,
            format!("`{}` has no param `{name}`", callee.name),
        )
        .label("no such param");
        let names: Vec<&str> = callee.params.keys().map(String::as_str).collect();
        self.add(match nearest(name, names.iter().copied()) {
            _ if callee.datasets.contains(&name) => {
                finding.help(format!("`{name}` is a dataset: set it under `inputs:`"))
            }
            Some(near) => finding.did_you_mean(near),
            None if names.is_empty() => finding.help("it has no params"),
            None => finding.help(format!("its params are {}", names.join(", "))),
        });
    }
}
