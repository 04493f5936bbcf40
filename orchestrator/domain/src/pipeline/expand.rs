//! Steps of libraries and of other pipelines put where they are used, before anything is checked:
//! what comes out is one document of compiled kinds, so checks, lineage, plan and reuse see through.
//!
//! Every use has file ids of its own ([`crate::diagnostic::Sources::used_at`]): what is found in a
//! library through one use knows which use that was.

mod arguments;
mod connect;
mod find;
mod kind;
mod scope;
mod sub_pipeline;
#[cfg(test)]
mod tests;

pub(crate) use find::Known;

use super::draft::{self, Include};
use super::load::{Kind as FileKind, Loaded, Loader};
use super::reader::{Content, Entry, Node};
use super::wiring::{Kinds, Reference};
use crate::diagnostic::{FileId, Span};
use crate::expression::Type;
use crate::pipeline::checks::found;
use crate::pipeline::spec::Param;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use sub_pipeline::Given;
use trainyard_contract::ArtifactKind;

/// Most steps of one pipeline with everything it uses: pipelines that use each other multiply.
const MAX_STEPS: usize = 20_000;
/// Most uses inside each other.
const MAX_DEPTH: usize = 16;

/// What was put in, and what has to be checked of it once types and columns are known.
#[derive(Default)]
pub(crate) struct Expansion {
    pub(crate) arguments: Vec<Argument>,
    pub(crate) handed: Vec<Handed>,
    /// Kinds that were taken from libraries, by file.
    pub(crate) used_libraries: BTreeSet<String>,
    /// `name@vN` of kinds that the pipeline's own includes declare.
    pub(crate) kinds: BTreeSet<String>,
    /// Files besides the pipeline's own includes.
    pub(crate) files: Vec<Rc<Loaded>>,
    /// What the pipelines and libraries that are used include.
    pub(crate) includes: Vec<Include>,
    /// `uses` that stand there still, since what they name has a fault that is reported.
    pub(crate) unresolved: BTreeSet<String>,
    /// Steps whose failure their using step tolerates, with that step.
    pub(crate) tolerated: BTreeMap<String, String>,
    /// Datasets that pipelines brought along.
    pub(crate) datasets: BTreeSet<String>,
    /// Channels of pipelines that are used.
    pub(crate) channels: Vec<Entry>,
    /// Sections of pipelines that hold for runs of their own only.
    pub(crate) not_taken: Vec<String>,
    /// Steps that lack an input whose fault is reported.
    pub(crate) damaged: BTreeSet<String>,
}

/// What a run has to know of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expanded {
    /// Values that have to be within limits once they are known.
    pub(crate) arguments: Vec<Argument>,
    pub(crate) tolerated: BTreeMap<String, String>,
    pub(crate) not_taken: Vec<String>,
}

impl Expansion {
    pub(crate) fn for_runs(&self) -> Expanded {
        let limited = self.arguments.iter().filter(|argument| argument.param.is_some());
        Expanded {
            arguments: limited.cloned().collect(),
            tolerated: self.tolerated.clone(),
            not_taken: self.not_taken.clone(),
        }
    }
}

/// The value of a parameter of a library's kind or of a pipeline, where it is an expression.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    /// The using step.
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) node: Node,
    pub(crate) of: Type,
    /// None of the condition of a pipeline's use.
    pub(crate) param: Option<Param>,
    pub(crate) declared: Span,
}

/// What a use hands over as an input, and what it has to be.
#[derive(Clone, Debug)]
pub(crate) struct Handed {
    pub(crate) owner: String,
    pub(crate) input: String,
    pub(crate) at: Span,
    /// A reference as in `inputs`.
    pub(crate) source: String,
    pub(crate) kind: ArtifactKind,
    pub(crate) contract: Option<String>,
    pub(crate) declared: Span,
}

/// A kind of step that a library declares.
pub(super) struct Template {
    name: String,
    library: Rc<Loaded>,
    entry: Entry,
}

type Templates = BTreeMap<String, Rc<Template>>;

/// Puts in everything that the steps of a document use.
pub(crate) fn expand(
    loader: &mut Loader<'_>,
    kinds: &Kinds<'_>,
    root: &mut Node,
    loaded: &Rc<Loaded>,
    includes: &[Include],
) -> Expansion {
    let mut expander = Expander {
        loader,
        kinds,
        out: Expansion::default(),
        steps: 0,
        walked: BTreeSet::new(),
    };
    let own = expander.templates(includes, &mut Vec::new());
    expander.out.kinds = own.keys().cloned().collect();
    let name = root.get("name").and_then(Node::text).unwrap_or_default();
    let revision = find::revision_of(root);
    let mut chain = vec![format!("pipeline:{}", find::full_name(name, revision))];
    expander.document(root, loaded, &own, &mut chain);
    expander.out
}

struct Expander<'l, 'a> {
    loader: &'l mut Loader<'a>,
    kinds: &'l Kinds<'l>,
    out: Expansion,
    steps: usize,
    /// Libraries whose includes have been followed.
    walked: BTreeSet<String>,
}

impl Expander<'_, '_> {
    fn add(&mut self, finding: super::checks::Finding) {
        self.loader.diagnostics.push(finding.done());
    }

    /// Replaces the steps of a document by what they stand for.
    fn document(
        &mut self,
        root: &mut Node,
        loaded: &Rc<Loaded>,
        templates: &Templates,
        chain: &mut Vec<String>,
    ) {
        let first = (self.out.arguments.len(), self.out.handed.len());
        let steps = match section(root, "steps") {
            Some(steps) => std::mem::take(steps),
            None => return,
        };
        let mut datasets = section(root, "datasets").map(std::mem::take).unwrap_or_default();
        let mut given: BTreeMap<String, Given> = BTreeMap::new();
        let mut flat = Vec::with_capacity(steps.len());
        let is_use = |entry: &&Entry| {
            let uses = entry.value.get("uses").and_then(Node::text);
            uses.is_some_and(|uses| uses.starts_with("pipeline:"))
        };
        let used: BTreeSet<String> = steps
            .iter()
            .filter(is_use)
            .map(|entry| entry.key.to_string())
            .collect();
        for entry in steps {
            self.looks_inside(&entry, &used);
            let uses = entry.value.get("uses").and_then(Node::text).map(str::to_owned);
            match uses {
                Some(uses) if uses.starts_with("pipeline:") => {
                    match self.pipeline(&entry, loaded, &mut datasets, chain) {
                        Some((inner, outputs)) => {
                            given.insert(entry.key.to_string(), outputs);
                            flat.extend(inner);
                        }
                        None => {
                            self.out.unresolved.insert(uses);
                            flat.push(entry);
                        }
                    }
                }
                Some(uses) => flat.push(match templates.get(&uses) {
                    Some(template) => self.kind(entry, &template.clone(), chain),
                    None => entry,
                }),
                None => flat.push(entry),
            }
        }
        self.steps = self.steps.max(flat.len());
        put_section(root, "datasets", datasets);
        put_section(root, "steps", flat);
        if !given.is_empty() {
            self.connect(root, &given, first);
        }
    }

    /// Kinds of all libraries among some includes; `stack` has the libraries that include each other.
    fn templates(&mut self, includes: &[Include], stack: &mut Vec<String>) -> Templates {
        let mut templates = Templates::new();
        for (include, library) in includes
            .iter()
            .flat_map(|include| include.files.iter().map(move |file| (include, file)))
        {
            if library.kind != FileKind::Library {
                continue;
            }
            if !self.follow(include.span, library, stack) {
                continue;
            }
            let Some(root) = library.root.as_ref() else {
                continue;
            };
            for entry in root.get("kinds").map(Node::entries).unwrap_or_default() {
                self.template(&mut templates, library, entry);
            }
        }
        templates
    }

    /// Follows what a library includes; false if it is included by itself, which is reported.
    fn follow(&mut self, at: Span, library: &Rc<Loaded>, stack: &mut Vec<String>) -> bool {
        if let Some(from) = stack.iter().position(|path| *path == library.path) {
            let mut way: Vec<&str> = stack[from..].iter().map(String::as_str).collect();
            way.push(&library.path);
            let finding = found("S04/cycle", at, format!("`{}` includes itself", library.path))
                .label("closes the circle")
                .note(format!("the way round: {}", way.join(" → ")))
                .help("move what both need into a library of its own");
            self.add(finding);
            return false;
        }
        let Some(root) = library.root.as_ref() else {
            return true;
        };
        if root.get("include").is_none() || !self.walked.insert(library.path.clone()) {
            return true;
        }
        let includes = draft::includes(self.loader, library, root);
        stack.push(library.path.clone());
        for include in &includes {
            for file in include.files.iter().filter(|file| file.kind == FileKind::Library) {
                self.follow(include.span, file, stack);
            }
        }
        stack.pop();
        true
    }

    /// Steps of a pipeline that is used are its own affair.
    fn looks_inside(&mut self, step: &Entry, used: &BTreeSet<String>) {
        for entry in step.value.get("inputs").map(Node::entries).unwrap_or_default() {
            let reference = entry.value.text().and_then(Reference::parse);
            let Some(Reference::Output { step, output, .. }) = reference else {
                continue;
            };
            if let Some((outer, _)) = step.split_once('.') {
                let help = match used.contains(outer) {
                    true => format!("of the pipeline `{outer}` only what its `outputs:` name is seen"),
                    false => {
                        "write a dataset's name, `step.output`, `step[*].output`, `registry:MODEL@ALIAS` or `features:VIEW`"
                            .to_owned()
                    }
                };
                let message = format!("`{step}.{output}` is neither a dataset nor an output");
                let finding = found("S02/unknown-output", entry.value.span, message)
                    .label("cannot be read")
                    .help(help);
                self.add(finding);
            }
        }
        for item in step.value.get("needs").map(Node::items).unwrap_or_default() {
            let Some((outer, _)) = item.text().and_then(|text| text.split_once('.')) else {
                continue;
            };
            if !used.contains(outer) {
                continue;
            }
            let message = "`needs` names a step, not a part of one";
            let finding = found("S02/unknown-step", item.span, message)
                .label("no such step")
                .did_you_mean(outer);
            self.add(finding);
        }
    }

    fn template(&mut self, templates: &mut Templates, library: &Rc<Loaded>, entry: &Entry) {
        let name = entry.key.to_string();
        let compiled = self.kinds.get(&name).is_some();
        let other = templates.get(&name);
        if other.is_some_and(|other| other.library.path == library.path) {
            return;
        }
        if compiled || other.is_some() {
            let message = match compiled {
                true => format!("`{name}` is a kind that every pipeline has"),
                false => format!("a kind `{name}` exists already"),
            };
            let mut finding = found("S01/duplicate-name", entry.key_span, message).label("again here");
            if let Some(other) = other {
                finding = finding.also(other.entry.key_span, "first here");
            }
            let diagnostic = finding.help("rename it, or raise its version").done();
            if !self.loader.diagnostics.contains(&diagnostic) {
                self.loader.diagnostics.push(diagnostic);
            }
            return;
        }
        let template = Template {
            name: name.clone(),
            library: library.clone(),
            entry: entry.clone(),
        };
        templates.insert(name, Rc::new(template));
    }

    /// Whether one more use inside another is one too many.
    fn refused(&mut self, name: &str, what: &str, at: Span, chain: &[String]) -> bool {
        if let Some(from) = chain.iter().position(|known| known == name) {
            let mut way: Vec<&str> = chain[from..].iter().map(String::as_str).collect();
            way.push(name);
            let finding = found("S04/cycle", at, format!("{what} uses itself: `{name}`"))
                .label("closes the circle")
                .note(format!("the way round: {}", way.join(" → ")))
                .help("move what both need into one of its own");
            self.add(finding);
            return true;
        }
        let count = self.steps;
        if chain.len() <= MAX_DEPTH && count <= MAX_STEPS {
            return false;
        }
        let message = match count > MAX_STEPS {
            true => format!("the pipeline has more than {MAX_STEPS} steps with all that it uses"),
            false => format!("uses stand inside each other more than {MAX_DEPTH} deep"),
        };
        self.add(found("S01/limit", at, message).label("one too many"));
        true
    }
}

/// The entries of a section that is a map.
fn section<'n>(root: &'n mut Node, name: &str) -> Option<&'n mut Vec<Entry>> {
    let Content::Map(entries) = &mut root.content else {
        return None;
    };
    let entry = entries.iter_mut().find(|entry| &*entry.key == name)?;
    match &mut entry.value.content {
        Content::Map(entries) => Some(entries),
        _ => None,
    }
}

fn put_section(root: &mut Node, name: &str, content: Vec<Entry>) {
    if let Some(known) = section(root, name) {
        *known = content;
        return;
    }
    if content.is_empty() {
        return;
    }
    let span = Span {
        end: root.span.start,
        ..root.span
    };
    if let Content::Map(entries) = &mut root.content {
        entries.push(Entry {
            key: name.into(),
            key_span: span,
            value: Node {
                span,
                content: Content::Map(content),
            },
        });
    }
}

/// The same tree in a file of another id.
pub(crate) fn in_file(mut node: Node, file: FileId) -> Node {
    move_to(&mut node, file);
    node
}

fn move_to(node: &mut Node, file: FileId) {
    node.span.file = file;
    match &mut node.content {
        Content::List(items) => items.iter_mut().for_each(|item| move_to(item, file)),
        Content::Map(entries) => {
            for entry in entries {
                entry.key_span.file = file;
                move_to(&mut entry.value, file);
            }
        }
        Content::Scalar(_) | Content::Unknown => {}
    }
}
