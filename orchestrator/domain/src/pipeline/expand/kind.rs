//! A kind of step from a library: `uses: late_share@v1`.

use super::arguments::Callee;
use super::scope::{Scope, blank, foreign, plain};
use super::{Expander, Handed, Template, Templates, in_file};
use crate::diagnostic::Span;
use crate::pipeline::checks::found;
use crate::pipeline::draft;
use crate::pipeline::load::parse;
use crate::pipeline::reader::{Content, Entry, Node};
use crate::pipeline::spec::library::LibraryKind;
use std::collections::BTreeMap;
use trainyard_contract::finding::nearest;

/// What the body of a kind says of how it is done.
const BODY: [&str; 7] = ["uses", "run", "image", "with", "env", "secrets", "code"];
/// What the using step may say otherwise; maps are joined key by key.
const POLICY: [&str; 5] = ["retry", "timeout", "resources", "cache", "pool"];
/// What belongs to the kind alone.
const CLOSED: [&str; 4] = ["run", "image", "env", "code"];

impl Expander<'_, '_> {
    /// The step with what its kind does in place of the kind's name.
    pub(super) fn kind(&mut self, mut step: Entry, template: &Template, chain: &mut Vec<String>) -> Entry {
        let uses = step.value.get("uses").map_or(step.key_span, |node| node.span);
        if self.refused(&template.name, "a kind", uses, chain) {
            self.out.unresolved.insert(template.name.clone());
            return step;
        }
        self.out.used_libraries.insert(template.library.path.clone());
        let file = self.loader.sources.used_at(template.library.file, uses);
        let body = in_file(template.entry.value.clone(), file);
        let whole = (template.entry.key_span.start, template.entry.value.span.end);
        let damage = &template.library.damage;
        let is_damaged = damage
            .iter()
            .any(|span| span.start >= whole.0 && span.end <= whole.1);
        let Some(spec) = parse::<LibraryKind>(&body).filter(|_| !is_damaged) else {
            // Its form is at fault, which is reported.
            self.out.unresolved.insert(template.name.clone());
            return step;
        };
        let sources = &self.loader.sources;
        let (findings, faulty) = foreign(&body, &spec.params, &template.name, self.kinds, sources);
        findings.into_iter().for_each(|finding| self.add(finding));
        self.closed(&step, &template.name);
        let callee = Callee {
            name: &template.name,
            body: &body,
            params: &spec.params,
            datasets: Vec::new(),
        };
        let params = self.arguments(&callee, &step, uses);
        self.kind_inputs(&step, &spec, &body, &template.name, uses);
        let mut filled = body.clone();
        blank(&mut filled, &faulty);
        let nothing = BTreeMap::new();
        let scope = Scope {
            params: &params,
            plain: plain(&spec.params),
            steps: None,
            datasets: &nothing,
        };
        let mut findings = Vec::new();
        scope.whole_step(&mut filled, self.kinds, &mut findings);
        findings.into_iter().for_each(|finding| self.add(finding));
        self.kind_outputs(&mut step, &body, &template.name);
        fill(&mut step.value, &filled);
        self.nested(step, template, chain)
    }

    /// A kind may be made of another one of its library, or of one that its library includes.
    fn nested(&mut self, step: Entry, template: &Template, chain: &mut Vec<String>) -> Entry {
        let Some(uses) = step.value.get("uses").and_then(Node::text).map(str::to_owned) else {
            return step;
        };
        if self.kinds.get(&uses).is_some() {
            return step;
        }
        let templates = self.templates_of(template);
        let Some(inner) = templates.get(&uses).cloned() else {
            return step;
        };
        chain.push(template.name.clone());
        let step = self.kind(step, &inner, chain);
        chain.pop();
        step
    }

    /// Kinds that the body of a kind can use.
    fn templates_of(&mut self, template: &Template) -> Templates {
        let library = &template.library;
        let Some(root) = library.root.as_ref() else {
            return Templates::new();
        };
        let includes = draft::includes(self.loader, library, root);
        let mut stack = vec![library.path.clone()];
        let mut templates = self.templates(&includes, &mut stack);
        for entry in root.get("kinds").map(Node::entries).unwrap_or_default() {
            self.template(&mut templates, library, entry);
        }
        let files = includes.iter().flat_map(|include| include.files.iter().cloned());
        self.out.files.extend(files);
        self.out.includes.extend(includes);
        templates
    }

    fn closed(&mut self, step: &Entry, name: &str) {
        for key in CLOSED {
            let Some(entry) = step.value.entry(key) else {
                continue;
            };
            let message = format!("`{name}` says itself what it does; a step that uses it has no `{key}`");
            let finding = found("S01/exclusive-keys", entry.key_span, message)
                .label("not with a kind")
                .help("set its params under `with:`");
            self.add(finding);
        }
    }

    fn kind_inputs(&mut self, step: &Entry, spec: &LibraryKind, body: &Node, name: &str, uses: Span) {
        let inputs = step.value.entry("inputs");
        let given: &[Entry] = inputs.map_or(&[], |inputs| inputs.value.entries());
        let names: Vec<&str> = spec.inputs.keys().map(String::as_str).collect();
        for entry in given
            .iter()
            .filter(|entry| !spec.inputs.contains_key(&*entry.key))
        {
            let message = format!("`{name}` has no input `{}`", entry.key);
            let finding = found("S02/unknown-input", entry.key_span, message).label("no such input");
            self.add(match nearest(&entry.key, names.iter().copied()) {
                Some(near) => finding.did_you_mean(near),
                None if names.is_empty() => finding.help("it takes no inputs"),
                None => finding.help(format!("its inputs are {}", names.join(", "))),
            });
        }
        for (input, declared) in &spec.inputs {
            let place = body
                .get("inputs")
                .and_then(|inputs| inputs.entry(input))
                .map_or(uses, |entry| entry.key_span);
            match given.iter().find(|entry| *entry.key == **input) {
                Some(entry) => {
                    if let Some(source) = entry.value.text() {
                        self.out.handed.push(Handed {
                            owner: step.key.to_string(),
                            input: input.clone(),
                            at: entry.value.span,
                            source: source.to_owned(),
                            kind: declared.kind,
                            contract: declared.contract.clone(),
                            declared: place,
                        });
                    }
                }
                None if declared.optional => {}
                None => {
                    let span = inputs.map_or(uses, |inputs| inputs.key_span);
                    let message = format!("`{}` lacks the input `{input}` of `{name}`", step.key);
                    let finding = found("S02/missing-input", span, message)
                        .label(format!("`{input}` is missing"))
                        .also(place, "declared here")
                        .help(format!("add `{input}: step.output`"));
                    self.add(finding);
                }
            }
        }
    }

    /// The outputs are the kind's; the using step may only say more of them.
    fn kind_outputs(&mut self, step: &mut Entry, body: &Node, name: &str) {
        let declared: &[Entry] = body.get("outputs").map_or(&[], Node::entries);
        let written: &[Entry] = step.value.get("outputs").map_or(&[], Node::entries);
        for entry in written {
            if declared.iter().any(|known| known.key == entry.key) {
                continue;
            }
            let message = format!("`{name}` makes no output `{}`", entry.key);
            let finding = found("S02/unknown-output", entry.key_span, message).label("no such output");
            let names = || declared.iter().map(|known| &*known.key);
            let finding = match nearest(&entry.key, names()) {
                Some(near) => finding.did_you_mean(near),
                None => {
                    let names: Vec<&str> = names().collect();
                    finding.help(format!("its outputs are {}", names.join(", ")))
                }
            };
            self.add(finding);
        }
    }
}

/// Puts the kind's body into the using step.
fn fill(step: &mut Node, body: &Node) {
    let Content::Map(own) = &mut step.content else {
        return;
    };
    own.retain(|entry| !["uses", "with"].contains(&&*entry.key) && !CLOSED.contains(&&*entry.key));
    for entry in body.entries() {
        let key = &*entry.key;
        if !BODY.contains(&key) && !POLICY.contains(&key) && key != "outputs" && key != "description" {
            continue;
        }
        match own.iter_mut().find(|known| *known.key == *key) {
            None => own.push(entry.clone()),
            Some(known) => {
                if let Content::Map(members) = &mut known.value.content {
                    join(members, &entry.value, key == "outputs");
                }
            }
        }
    }
}

/// Adds what is missing; of outputs, what is missing of each.
fn join(members: &mut Vec<Entry>, more: &Node, deep: bool) {
    for entry in more.entries() {
        match members.iter_mut().find(|known| known.key == entry.key) {
            None => members.push(entry.clone()),
            Some(known) if deep => {
                if let Content::Map(inner) = &mut known.value.content {
                    join(inner, &entry.value, false);
                }
            }
            Some(_) => {}
        }
    }
}
