//! A pipeline as a step of another: `uses: pipeline:prepare@v2`.
//!
//! Its steps become steps of the using pipeline, with the using step's name before theirs. Params are
//! set by `with`, datasets by `inputs`; what it gives is what its `outputs` say.

use super::arguments::Callee;
use super::scope::{Scope, plain, template_of, text};
use super::{Argument, Expander, Handed, in_file, section};
use crate::expression::Type;
use crate::pipeline::checks::found;
use crate::pipeline::draft;
use crate::pipeline::load::{Loaded, parse};
use crate::pipeline::reader::{Content, Entry, Node, Scalar};
use crate::pipeline::spec::PipelineSpec;
use crate::pipeline::wiring::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use trainyard_contract::ArtifactKind;
use trainyard_contract::finding::nearest;

/// What a use gives to the pipeline around it.
pub(super) struct Given {
    /// `prepare@v2`.
    pub(super) name: String,
    /// Output → step, output, and whether it is one for each cell.
    pub(super) outputs: BTreeMap<String, (String, String, bool)>,
    /// All steps it has become.
    pub(super) steps: Vec<String>,
}

/// Longest name of a step with those of the steps that use it, in bytes: room for a hook's is left.
const MAX_NAME: usize = 180;

/// What a use says for all of its steps that say nothing themselves.
const POLICY: [&str; 5] = ["retry", "timeout", "resources", "cache", "pool"];
/// What only a single step can have, with what to do instead.
const SINGLE: [(&str, &str); 9] = [
    ("run", "leave it out"),
    ("image", "leave it out"),
    ("env", "set its params under `with:`"),
    ("code", "leave it out"),
    ("secrets", "name them in the pipeline's own steps"),
    ("outputs", "what it gives is said by `outputs:` of the pipeline"),
    (
        "matrix",
        "give the pipeline a param of type list[…], and its steps a matrix over it",
    ),
    (
        "for_each",
        "give the pipeline a param of type list[…], and its steps `for_each`",
    ),
    ("repeat", "let a step of the pipeline repeat"),
];
/// Sections of a pipeline that hold for runs of its own.
const OWN: [&str; 3] = ["alerts", "on_failure", "finally"];

impl Expander<'_, '_> {
    /// The steps that a use stands for; `None` if it cannot be told, which is reported.
    pub(super) fn pipeline(
        &mut self,
        step: &Entry,
        from: &Rc<Loaded>,
        datasets: &mut Vec<Entry>,
        chain: &mut Vec<String>,
    ) -> Option<(Vec<Entry>, Given)> {
        let uses = step.value.get("uses")?;
        let wanted = uses.text()?.strip_prefix("pipeline:")?;
        let (loaded, name) = self.find(from, wanted, uses.span)?;
        let full = format!("pipeline:{name}");
        if self.refused(&full, "a pipeline", uses.span, chain) {
            return None;
        }
        let file = self.loader.sources.used_at(loaded.file, uses.span);
        self.out.files.push(loaded.clone());
        if !loaded.damage.is_empty() {
            return None;
        }
        let mut root = in_file(loaded.root.clone()?, file);
        let includes = draft::includes(self.loader, &loaded, &root);
        let mut ignored = (BTreeSet::new(), BTreeSet::new());
        draft::fill_libraries(self.loader, &includes, &mut root, &mut ignored.0, &mut ignored.1);
        let spec = parse::<PipelineSpec>(&root)?;
        self.single(step);
        let first = (self.out.arguments.len(), self.out.handed.len());
        let templates = self.templates(&includes, &mut Vec::new());
        let outer = (
            std::mem::take(&mut self.out.tolerated),
            std::mem::take(&mut self.out.damaged),
        );
        chain.push(full);
        self.document(&mut root, &loaded, &templates, chain);
        chain.pop();
        let files = includes.iter().flat_map(|include| include.files.iter().cloned());
        self.out.files.extend(files);
        self.out.includes.extend(includes);
        for section in OWN.into_iter().filter(|section| root.get(section).is_some()) {
            let part = format!("{section} of pipeline {} in steps.{}", spec.name, step.key);
            self.out.not_taken.push(part);
        }
        let callee_name = format!("pipeline {}", spec.name);
        let callee = Callee {
            name: &callee_name,
            body: &root,
            params: &spec.params,
            datasets: spec.datasets.keys().map(String::as_str).collect(),
        };
        // What was found inside is said in words of the inside; these arguments are of the outside.
        let before = (self.out.arguments.len(), self.out.handed.len());
        let params = self.arguments(&callee, step, uses.span);
        let handed_over = self.handed_over(step, &root, &spec);
        let own_arguments = self.out.arguments.split_off(before.0);
        let own_handed = self.out.handed.split_off(before.1);
        let inner: Vec<Entry> = section(&mut root, "steps")
            .map(std::mem::take)
            .unwrap_or_default();
        let names: BTreeSet<String> = inner.iter().map(|entry| entry.key.to_string()).collect();
        let brought = self.brought(step, &root, &inner, &handed_over, &params, datasets);
        let scope = Scope {
            params: &params,
            plain: plain(&spec.params),
            steps: Some((&step.key, &names)),
            datasets: &brought,
        };
        self.reword(&scope, &step.key, first);
        self.out.arguments.extend(own_arguments);
        self.out.handed.extend(own_handed);
        self.out.tolerated.extend(outer.0);
        self.out.damaged.extend(outer.1);
        let given = self.given(step, &root, &scope, &name);
        let steps = self.put_in(step, &root, inner, &scope);
        for entry in root.get("notify").map(Node::entries).unwrap_or_default() {
            self.out.channels.push(entry.clone());
        }
        self.steps += steps.len();
        Some((steps, given))
    }

    fn single(&mut self, step: &Entry) {
        for (key, instead) in SINGLE {
            let Some(entry) = step.value.entry(key) else {
                continue;
            };
            let message = format!("`{}` is a pipeline, and `{key}` is for a single step", step.key);
            let finding = found("S01/exclusive-keys", entry.key_span, message)
                .label("not with a pipeline")
                .help(instead);
            self.add(finding);
        }
    }

    /// Dataset → reference that the using step gives for it.
    fn handed_over(&mut self, step: &Entry, root: &Node, spec: &PipelineSpec) -> BTreeMap<String, String> {
        let mut handed = BTreeMap::new();
        for entry in step.value.get("inputs").map(Node::entries).unwrap_or_default() {
            let input = &*entry.key;
            let Some(dataset) = spec.datasets.get(input) else {
                let message = format!("pipeline `{}` has no dataset `{input}`", spec.name);
                let finding = found("S02/unknown-input", entry.key_span, message).label("no such dataset");
                let names: Vec<&str> = spec.datasets.keys().map(String::as_str).collect();
                self.add(match nearest(input, names.iter().copied()) {
                    _ if spec.params.contains_key(input) => {
                        finding.help(format!("`{input}` is a param: set it under `with:`"))
                    }
                    Some(near) => finding.did_you_mean(near),
                    None if names.is_empty() => finding.help("it has no datasets"),
                    None => finding.help(format!("its datasets are {}", names.join(", "))),
                });
                continue;
            };
            let Some(source) = entry.value.text() else {
                continue;
            };
            let declared = root
                .get("datasets")
                .and_then(|datasets| datasets.entry(input))
                .map_or(entry.key_span, |entry| entry.key_span);
            self.out.handed.push(Handed {
                owner: step.key.to_string(),
                input: input.to_owned(),
                at: entry.value.span,
                source: source.to_owned(),
                kind: ArtifactKind::Table,
                contract: dataset.contract.clone(),
                declared,
            });
            handed.insert(input.to_owned(), source.to_owned());
        }
        handed
    }

    /// Datasets inside → references outside; those that nothing is given for are brought along.
    fn brought(
        &mut self,
        step: &Entry,
        root: &Node,
        inner: &[Entry],
        handed: &BTreeMap<String, String>,
        params: &BTreeMap<String, Node>,
        datasets: &mut Vec<Entry>,
    ) -> BTreeMap<String, String> {
        let mut names = handed.clone();
        let nothing = BTreeMap::new();
        let scope = Scope {
            params,
            plain: BTreeSet::new(),
            steps: None,
            datasets: &nothing,
        };
        for entry in root.get("datasets").map(Node::entries).unwrap_or_default() {
            if names.contains_key(&*entry.key) || !is_named(inner, &entry.key) {
                continue;
            }
            let mut dataset = entry.value.clone();
            scope.tree(&mut dataset);
            let mut name = entry.key.to_string();
            // The same data under the same name is one dataset.
            while let Some(known) = datasets.iter().find(|known| *known.key == *name) {
                if known.value.to_value() == dataset.to_value() {
                    break;
                }
                name = format!("{}-{name}", step.key);
            }
            if !datasets.iter().any(|known| *known.key == *name) {
                self.out.datasets.insert(name.clone());
                datasets.push(Entry {
                    key: name.as_str().into(),
                    key_span: entry.key_span,
                    value: dataset,
                });
            }
            names.insert(entry.key.to_string(), name);
        }
        names
    }

    /// What is to be told of uses inside, in words of the outside.
    fn reword(&mut self, scope: &Scope<'_>, prefix: &str, first: (usize, usize)) {
        for argument in self.out.arguments.iter_mut().skip(first.0) {
            scope.tree(&mut argument.node);
            argument.owner = format!("{prefix}.{}", argument.owner);
        }
        for handed in self.out.handed.iter_mut().skip(first.1) {
            if let Some(source) = scope.reference(&handed.source) {
                handed.source = source;
            }
            handed.owner = format!("{prefix}.{}", handed.owner);
        }
        let outside = |name: String| format!("{prefix}.{name}");
        self.out.tolerated = std::mem::take(&mut self.out.tolerated)
            .into_iter()
            .map(|(step, by)| (outside(step), outside(by)))
            .collect();
        self.out.damaged = std::mem::take(&mut self.out.damaged)
            .into_iter()
            .map(outside)
            .collect();
    }

    fn given(&mut self, step: &Entry, root: &Node, scope: &Scope<'_>, name: &str) -> Given {
        let mut outputs = BTreeMap::new();
        for entry in root.get("outputs").map(Node::entries).unwrap_or_default() {
            let written = entry.value.text().unwrap_or_default();
            let reference = scope.reference(written);
            match reference.as_deref().and_then(Reference::parse) {
                Some(Reference::Output { step, output, all }) => {
                    outputs.insert(entry.key.to_string(), (step.to_owned(), output.to_owned(), all));
                }
                _ => {
                    let message = format!("`{written}` is no output of a step of the pipeline");
                    let finding = found("S02/unknown-output", entry.value.span, message)
                        .label("no such output")
                        .help("write `step.output`");
                    self.add(finding);
                }
            }
        }
        let steps = scope.steps.into_iter().flat_map(|(_, names)| names.iter());
        Given {
            name: name.to_owned(),
            outputs,
            steps: steps.map(|inside| format!("{}.{inside}", step.key)).collect(),
        }
    }

    /// The steps inside as steps of the outside.
    fn put_in(&mut self, step: &Entry, root: &Node, inner: Vec<Entry>, scope: &Scope<'_>) -> Vec<Entry> {
        let condition = step.value.get("if");
        if let Some(condition) = condition.filter(|condition| template_of(condition).is_some()) {
            self.out.arguments.push(Argument {
                owner: step.key.to_string(),
                name: "if".to_owned(),
                node: condition.clone(),
                of: Type::Boolean,
                param: None,
                declared: condition.span,
            });
        }
        let tolerates = step
            .value
            .get("continue_on_error")
            .is_some_and(|node| node.content == Content::Scalar(Scalar::Bool(true)));
        let mut steps = Vec::with_capacity(inner.len());
        for mut entry in inner {
            let is_first = !waits_inside(&entry.value, scope);
            let mut findings = Vec::new();
            scope.whole_step(&mut entry.value, self.kinds, &mut findings);
            findings.into_iter().for_each(|finding| self.add(finding));
            entry.key = format!("{}.{}", step.key, entry.key).as_str().into();
            if let Content::Map(keys) = &mut entry.value.content {
                policy(keys, &step.value, root);
                append(keys, &step.value, "tags");
                append(keys, &step.value, "on_failure");
                if is_first {
                    append(keys, &step.value, "needs");
                }
                if let Some(outer) = step.value.entry("if") {
                    both(keys, outer);
                }
            }
            if entry.key.len() > MAX_NAME {
                let at = step.value.get("uses").map_or(step.key_span, |uses| uses.span);
                let message = format!("the name `{}` has more than {MAX_NAME} letters", entry.key);
                self.add(
                    found("S01/limit", at, message)
                        .label("too long with all that it is inside of")
                        .help("shorten the names of the using steps"),
                );
            }
            if tolerates {
                let by = step.key.to_string();
                self.out.tolerated.entry(entry.key.to_string()).or_insert(by);
            }
            steps.push(entry);
        }
        steps
    }
}

/// Whether a step takes anything from another one inside, or waits for it.
fn waits_inside(step: &Node, scope: &Scope<'_>) -> bool {
    if !step.get("needs").map_or(&[][..], Node::items).is_empty() {
        return true;
    }
    let takes = |entry: &Entry| {
        let reference = entry.value.text().and_then(Reference::parse);
        matches!(reference, Some(Reference::Output { step, .. }) if scope.step(step).is_some())
    };
    if step
        .get("inputs")
        .map_or(&[][..], Node::entries)
        .iter()
        .any(takes)
    {
        return true;
    }
    let mut mentions = false;
    step.each_text(&trainyard_contract::Path::root(), &mut |_, node, _| {
        if let Some(template) = template_of(node) {
            mentions |= !template.references().names("steps").is_empty();
        }
    });
    mentions
}

/// Whether steps name a dataset: as an input, or in a parameter.
fn is_named(steps: &[Entry], dataset: &str) -> bool {
    steps.iter().any(|step| {
        ["inputs", "with"].into_iter().any(|part| {
            let mut found = false;
            if let Some(node) = step.value.get(part) {
                node.each_text(&trainyard_contract::Path::root(), &mut |_, _, text| {
                    found |= text == dataset;
                });
            }
            found
        })
    })
}

/// What a step does not say comes from the using step, and else from the defaults of its pipeline.
fn policy(keys: &mut Vec<Entry>, using: &Node, root: &Node) {
    let defaults = root.get("defaults");
    for key in POLICY {
        let sources = [
            using.entry(key),
            defaults.and_then(|defaults| defaults.entry(key)),
        ];
        for source in sources.into_iter().flatten() {
            match keys.iter_mut().find(|known| *known.key == *key) {
                None => keys.push(source.clone()),
                Some(known) => {
                    if let (Content::Map(members), true) = (&mut known.value.content, key != "cache") {
                        for member in source.value.entries() {
                            if !members.iter().any(|known| known.key == member.key) {
                                members.push(member.clone());
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Adds the items of a list of the using step.
fn append(keys: &mut Vec<Entry>, using: &Node, key: &str) {
    let Some(more) = using.entry(key) else { return };
    match keys.iter_mut().find(|known| *known.key == *key) {
        None => keys.push(more.clone()),
        Some(known) => {
            if let Content::List(items) = &mut known.value.content {
                items.extend(more.value.items().iter().cloned());
            }
        }
    }
}

/// The step runs if its own condition and that of the use hold.
fn both(keys: &mut Vec<Entry>, outer: &Entry) {
    let is = |node: &Node, value: bool| node.content == Content::Scalar(Scalar::Bool(value));
    let Some(own) = keys.iter_mut().find(|known| &*known.key == "if") else {
        keys.push(outer.clone());
        return;
    };
    if is(&outer.value, true) || is(&own.value, false) {
        return;
    }
    let single = |node: &Node| {
        let template = template_of(node)?;
        template.single().map(ToString::to_string)
    };
    match (single(&outer.value), single(&own.value)) {
        (Some(outer), Some(inner)) => {
            own.value.content = text(&format!("${{{{ ({outer}) && ({inner}) }}}}"));
        }
        (None, Some(_)) | (Some(_), None) | (None, None)
            if is(&own.value, true) || !is(&outer.value, true) =>
        {
            own.value = outer.value.clone();
        }
        _ => {}
    }
}
