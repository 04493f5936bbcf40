//! A pipeline while it is being checked: its document with libraries filled in, and everything it
//! includes.

use super::expand::{self, Expansion};
use super::files::{FileFault, in_project, is_pattern, relative_to};
use super::load::{Kind as FileKind, Loaded, Loader, parse};
use super::locate;
use super::reader::{Content, Entry, Node};
use super::spec::{Library, PipelineSpec, Project};
use super::wiring::Kinds;
use crate::diagnostic::{Diagnostic, Sources, Span};
use crate::pipeline::checks::found;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use trainyard_contract::finding::nearest;
use trainyard_contract::{ContentHash, DataContract, Path};

/// A pipeline whose form has been checked.
pub(crate) struct Draft {
    pub(crate) loaded: Rc<Loaded>,
    pub(crate) spec: PipelineSpec,
    /// The document with library steps, datasets and channels filled in.
    pub(crate) root: Node,
    pub(crate) contracts: BTreeMap<String, IncludedContract>,
    pub(crate) includes: Vec<Include>,
    /// Avro schemas and stream descriptors that its steps name, by path; only those that are there.
    pub(crate) documents: BTreeMap<String, Rc<Loaded>>,
    /// Library steps that `uses: lib:NAME` took, by file and name.
    pub(crate) library_uses: BTreeSet<(String, String)>,
    /// What libraries and other pipelines brought along.
    pub(crate) expansion: Expansion,
    /// Whether what it uses has faults, so that nobody knows what is unused.
    pub(crate) is_patchy: bool,
    /// Steps with faults of form: what they lack is not reported again.
    pub(crate) damaged: BTreeSet<String>,
    /// Declared by a library, not by the pipeline's own file.
    pub(crate) borrowed: BTreeSet<(&'static str, String)>,
    pub(crate) hash: ContentHash,
}

/// A contract that the pipeline can name.
#[derive(Clone)]
pub(crate) struct IncludedContract {
    pub(crate) contract: Arc<DataContract>,
    pub(crate) loaded: Rc<Loaded>,
}

/// One entry of `include`.
pub(crate) struct Include {
    pub(crate) span: Span,
    pub(crate) files: Vec<Rc<Loaded>>,
    pub(crate) is_pattern: bool,
}

impl Draft {
    /// Whether an included file declares a contract, be it too faulty to use: that fault is reported
    /// by itself.
    pub(crate) fn declares_contract(&self, name: &str) -> bool {
        let named = |file: &Rc<Loaded>| {
            let root = file.root.as_ref();
            file.kind == FileKind::Contract
                && root.is_none_or(|root| root.get("name").and_then(Node::text) == Some(name))
        };
        self.contracts.contains_key(name)
            || self
                .includes
                .iter()
                .chain(&self.expansion.includes)
                .flat_map(|include| &include.files)
                .any(named)
    }

    /// All files that it is made of.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Rc<Loaded>> {
        let included = self.includes.iter().flat_map(|include| &include.files);
        included
            .chain(&self.expansion.files)
            .chain(std::iter::once(&self.loaded))
    }

    /// The node of a step, by its place in the order written.
    pub(crate) fn step_entry(&self, index: usize) -> Option<&Entry> {
        self.root.get("steps")?.entries().get(index)
    }

    pub(crate) fn span(&self, sources: &Sources, path: &Path) -> Span {
        locate::of_path(sources, &self.root, path)
    }

    pub(crate) fn key_span(&self, sources: &Sources, path: &Path) -> Span {
        locate::of_key(sources, &self.root, path)
    }
}

/// Reads a pipeline with what it includes; `None` if its form is too broken to go on.
pub(crate) fn read(
    loader: &mut Loader<'_>,
    kinds: &Kinds<'_>,
    path: &str,
    project: Option<&Project>,
) -> Option<Draft> {
    let loaded = match loader.read(path, FileKind::Pipeline) {
        Ok(loaded) => loaded,
        Err(fault) => {
            // There is no place to point at but the name of the file itself.
            let file = loader.sources.add(path, "");
            let span = Span {
                file,
                start: 0,
                end: 0,
            };
            loader.diagnostics.push(missing(span, path, &fault, None));
            return None;
        }
    };
    let mut root = loaded.root.clone()?;
    let before = loader.diagnostics.len();
    let includes = includes(loader, &loaded, &root);
    let mut library_uses = BTreeSet::new();
    let mut borrowed = BTreeSet::new();
    fill_libraries(loader, &includes, &mut root, &mut library_uses, &mut borrowed);
    let sound = loader.diagnostics.len();
    let expansion = expand::expand(loader, kinds, &mut root, &loaded, &includes);
    let is_patchy = loader.diagnostics.len() > sound;
    borrowed.extend(expansion.datasets.iter().map(|name| ("datasets", name.clone())));
    for channel in &expansion.channels {
        if add_entry(&mut root, "notify", channel) {
            borrowed.insert(("notify", channel.key.to_string()));
        }
    }
    let contracts = contracts(loader, includes.iter().chain(&expansion.includes));
    if let Some(project) = project {
        borrow_channels(&mut root, project, &mut borrowed);
    }
    let Some(mut spec) = parse::<PipelineSpec>(&root) else {
        if loaded.damage.is_empty() && loader.diagnostics.len() == before {
            // The schema and the structures disagree: a fault of ours that must not pass in silence.
            let span = Span {
                file: loaded.file,
                start: 0,
                end: 0,
            };
            let reason = serde_json::from_value::<PipelineSpec>(root.to_value())
                .err()
                .map_or_else(String::new, |error| error.to_string());
            loader.diagnostics.push(
                found(
                    "S01/wrong-value",
                    span,
                    format!("the document cannot be used: {reason}"),
                )
                .done(),
            );
        }
        return None;
    };
    for (name, channel) in project.into_iter().flat_map(|project| &project.notify) {
        spec.notify.entry(name.clone()).or_insert_with(|| channel.clone());
    }
    let mut damaged: BTreeSet<String> = root
        .get("steps")
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .filter(|entry| {
            let within = |span: &Span| {
                span.file == entry.key_span.file
                    && span.start >= entry.key_span.start
                    && span.end <= entry.value.span.end.max(entry.key_span.end)
            };
            loaded.damage.iter().any(within)
        })
        .map(|entry| entry.key.to_string())
        .collect();
    damaged.extend(expansion.damaged.iter().cloned());
    let documents = documents(loader, &root);
    let mut hasher = blake3::Hasher::new();
    let mut files: BTreeMap<&str, ContentHash> = BTreeMap::from([(loaded.path.as_str(), loaded.hash)]);
    let included = includes.iter().flat_map(|include| &include.files);
    for file in included.chain(&expansion.files) {
        files.insert(&file.path, file.hash);
    }
    for (path, hash) in files {
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path.as_bytes());
        hasher.update(hash.as_bytes());
    }
    let hash = ContentHash::finish(&hasher);
    Some(Draft {
        loaded,
        spec,
        root,
        contracts,
        includes,
        documents,
        library_uses,
        expansion,
        is_patchy,
        damaged,
        borrowed,
        hash,
    })
}

/// Reads the files that `include` names.
pub(crate) fn includes(loader: &mut Loader<'_>, pipeline: &Loaded, root: &Node) -> Vec<Include> {
    let mut includes = Vec::new();
    for item in root.get("include").map(Node::items).unwrap_or_default() {
        let Some(text) = item.text() else { continue };
        let mut include = Include {
            span: item.span,
            files: Vec::new(),
            is_pattern: is_pattern(text),
        };
        let Some(path) = relative_to(&pipeline.path, text) else {
            loader
                .diagnostics
                .push(missing(item.span, text, &FileFault::Outside, None));
            continue;
        };
        let paths = if include.is_pattern {
            match loader.files().glob(&path) {
                Ok(paths) if paths.is_empty() => {
                    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let diagnostic =
                        found("S02/missing-file", item.span, format!("no file matches `{text}`"))
                            .label("matches nothing")
                            .help(format!("put files into `{folder}`, or take the pattern out"));
                    loader.diagnostics.push(diagnostic.done());
                    continue;
                }
                Ok(paths) => paths,
                Err(fault) => {
                    loader.diagnostics.push(missing(item.span, text, &fault, None));
                    continue;
                }
            }
        } else {
            vec![path]
        };
        for path in paths {
            match loader.include(&path) {
                Ok(file) => include.files.push(file),
                Err(fault) => {
                    let near = neighbours(loader, &path, text);
                    loader
                        .diagnostics
                        .push(missing(item.span, text, &fault, near.as_deref()));
                }
            }
        }
        includes.push(include);
    }
    includes
}

/// The path as written with the name of a file of the same folder that is nearest.
fn neighbours(loader: &Loader<'_>, path: &str, written: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let pattern = if folder.is_empty() {
        "*".to_owned()
    } else {
        format!("{folder}/*")
    };
    let there = loader.files().glob(&pattern).ok()?;
    let names = there
        .iter()
        .map(|path| path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name));
    let near = nearest(name, names)?;
    let before = written
        .rsplit_once('/')
        .map_or(String::new(), |(before, _)| format!("{before}/"));
    Some(format!("{before}{near}"))
}

pub(crate) fn missing(span: Span, path: &str, fault: &FileFault, near: Option<&str>) -> Diagnostic {
    let found = match fault {
        FileFault::Missing => {
            found("S02/missing-file", span, format!("there is no file `{path}`")).label("no such file")
        }
        other => found(
            "S02/missing-file",
            span,
            format!("`{path}` cannot be read: {other}"),
        )
        .label("cannot be read"),
    };
    match near {
        Some(near) => found.did_you_mean(near).done(),
        None => found.done(),
    }
}

fn contracts<'i>(
    loader: &mut Loader<'_>,
    includes: impl Iterator<Item = &'i Include>,
) -> BTreeMap<String, IncludedContract> {
    let mut contracts: BTreeMap<String, IncludedContract> = BTreeMap::new();
    for file in includes.flat_map(|include| &include.files) {
        if file.kind != FileKind::Contract {
            continue;
        }
        let Some(root) = file.root.as_ref() else { continue };
        let Some(contract) = parse::<DataContract>(root) else {
            continue;
        };
        let name = contract.name.clone();
        if let Some(first) = contracts.get(&name) {
            if first.loaded.path != file.path {
                let span = root.get("name").map_or(root.span, |node| node.span);
                let other = first
                    .loaded
                    .root
                    .as_ref()
                    .and_then(|root| root.get("name"))
                    .map(|node| node.span);
                let mut diagnostic = found(
                    "S01/duplicate-name",
                    span,
                    format!("a contract `{name}` exists already"),
                )
                .label("again here");
                if let Some(other) = other {
                    diagnostic = diagnostic.also(other, "first here");
                }
                let diagnostic = diagnostic.done();
                if !loader.diagnostics.contains(&diagnostic) {
                    loader.diagnostics.push(diagnostic);
                }
            }
            continue;
        }
        contracts.insert(
            name,
            IncludedContract {
                contract: Arc::new(contract),
                loaded: file.clone(),
            },
        );
    }
    contracts
}

/// Reads the schemas and stream descriptors that steps name. Those that are missing are told where missing
/// files are; streams here, since no kind of step says that they are files.
fn documents(loader: &mut Loader<'_>, root: &Node) -> BTreeMap<String, Rc<Loaded>> {
    let mut documents = BTreeMap::new();
    let steps = root.get("steps").map(Node::entries).unwrap_or_default();
    for step in steps {
        for output in step.value.get("outputs").map(Node::entries).unwrap_or_default() {
            for key in ["input_schema", "output_schema"] {
                let path = output.value.get(key).and_then(Node::text).and_then(local_file);
                let loaded = path.and_then(|path| loader.read(&path, FileKind::Avro).ok());
                documents.extend(loaded.map(|loaded| (loaded.path.clone(), loaded)));
            }
        }
        let streams = step.value.get("with").and_then(|with| with.get("streams"));
        for entry in streams.map(Node::entries).unwrap_or_default() {
            let Some(text) = entry.value.text() else { continue };
            let Some(path) = local_file(text) else { continue };
            let stream = match loader.read(&path, FileKind::Stream) {
                Ok(stream) => stream,
                Err(fault) => {
                    let near = neighbours(loader, &path, text);
                    let missing = missing(entry.value.span, text, &fault, near.as_deref());
                    loader.diagnostics.push(missing);
                    continue;
                }
            };
            let named = stream.root.as_ref().and_then(|root| root.get("schema"));
            if let Some((node, path)) = named.and_then(|node| Some((node, schema_file(node)?))) {
                match loader.read(&path, FileKind::Avro) {
                    Ok(schema) => {
                        documents.insert(path, schema);
                    }
                    Err(fault) => {
                        let near = neighbours(loader, &path, &path);
                        loader
                            .diagnostics
                            .push(missing(node.span, &path, &fault, near.as_deref()));
                    }
                }
            }
            documents.insert(path, stream);
        }
    }
    documents
}

/// The file that a descriptor's schema is, if it is one: a type has a name without a dot.
pub(crate) fn schema_file(node: &Node) -> Option<String> {
    node.text()
        .filter(|text| text.contains(['.', '/']))
        .and_then(local_file)
}

/// Keys whose maps are joined key by key when a step uses one of a library.
const JOINED: [&str; 7] = [
    "inputs",
    "with",
    "outputs",
    "env",
    "secrets",
    "retry",
    "resources",
];

pub(crate) fn fill_libraries(
    loader: &mut Loader<'_>,
    includes: &[Include],
    root: &mut Node,
    uses: &mut BTreeSet<(String, String)>,
    borrowed: &mut BTreeSet<(&'static str, String)>,
) {
    let libraries: Vec<&Rc<Loaded>> = includes
        .iter()
        .flat_map(|include| &include.files)
        .filter(|file| {
            file.kind == FileKind::Library
                && file
                    .root
                    .as_ref()
                    .is_some_and(|root| parse::<Library>(root).is_some())
        })
        .collect();
    let mut templates: BTreeMap<&str, (&Loaded, &Entry)> = BTreeMap::new();
    for library in &libraries {
        let Some(document) = library.root.as_ref() else {
            continue;
        };
        for entry in document.get("steps").map(Node::entries).unwrap_or_default() {
            templates.entry(&entry.key).or_insert((library, entry));
        }
        for section in ["datasets", "notify"] {
            for entry in document.get(section).map(Node::entries).unwrap_or_default() {
                if add_entry(root, section, entry) {
                    borrowed.insert((section, entry.key.to_string()));
                }
            }
        }
    }
    let Content::Map(entries) = &mut root.content else {
        return;
    };
    let Some(steps) = entries.iter_mut().find(|entry| &*entry.key == "steps") else {
        return;
    };
    let Content::Map(steps) = &mut steps.value.content else {
        return;
    };
    for step in steps {
        let Some((name, span)) = step
            .value
            .get("uses")
            .and_then(|node| Some((node.text()?.strip_prefix("lib:")?.to_owned(), node.span)))
        else {
            continue;
        };
        match templates.get(name.as_str()) {
            Some((library, template)) => {
                uses.insert((library.path.clone(), name));
                let file = loader.sources.used_at(library.file, span);
                join(&mut step.value, &expand::in_file(template.value.clone(), file));
            }
            None => {
                let mut diagnostic = found(
                    "S02/unknown-uses",
                    span,
                    format!("no included library has a step `{name}`"),
                )
                .label("no such step");
                diagnostic = match nearest(&name, templates.keys().copied()) {
                    Some(near) => diagnostic.did_you_mean(&format!("lib:{near}")),
                    None if templates.is_empty() => {
                        diagnostic.help("include the library: `include: [../lib/steps.yaml]`")
                    }
                    None => diagnostic,
                };
                loader.diagnostics.push(diagnostic.done());
            }
        }
    }
}

/// Adds an entry to a section unless it is there; whether it was added.
fn add_entry(root: &mut Node, section: &str, entry: &Entry) -> bool {
    let span = root.span;
    let Content::Map(sections) = &mut root.content else {
        return false;
    };
    if !sections.iter().any(|known| &*known.key == section) {
        sections.push(Entry {
            key: section.into(),
            key_span: Span {
                end: span.start,
                ..span
            },
            value: Node {
                span: Span {
                    end: span.start,
                    ..span
                },
                content: Content::Map(Vec::new()),
            },
        });
    }
    let Some(found) = sections.iter_mut().find(|known| &*known.key == section) else {
        return false;
    };
    let Content::Map(known) = &mut found.value.content else {
        return false;
    };
    if known.iter().any(|known| known.key == entry.key) {
        return false;
    }
    known.push(entry.clone());
    true
}

/// Fills a step with what its template says and it does not.
fn join(step: &mut Node, template: &Node) {
    let Content::Map(own) = &mut step.content else {
        return;
    };
    own.retain(|entry| &*entry.key != "uses");
    for entry in template.entries() {
        match own.iter_mut().find(|known| known.key == entry.key) {
            None => own.push(entry.clone()),
            Some(known) if JOINED.contains(&&*entry.key) => {
                if let Content::Map(members) = &mut known.value.content {
                    for member in entry.value.entries() {
                        if !members.iter().any(|known| known.key == member.key) {
                            members.push(member.clone());
                        }
                    }
                }
            }
            Some(_) => {}
        }
    }
}

fn borrow_channels(root: &mut Node, project: &Project, borrowed: &mut BTreeSet<(&'static str, String)>) {
    for name in project.notify.keys() {
        if root.get("notify").is_none_or(|known| known.get(name).is_none()) {
            borrowed.insert(("notify", name.clone()));
        }
    }
}

/// A path of a document as a file of the project, if it is one: no URL, no expression, no pattern.
pub(crate) fn local_file(text: &str) -> Option<String> {
    if text.contains("${{") || is_pattern(text) {
        return None;
    }
    in_project(text)
}
