//! Reads files and checks their form: what comes out can be deserialised.

use super::expand::Known;
use super::files::{FileFault, Files};
use super::reader::{self, Content, Ignore, Node, ReadFault};
use super::rules;
use super::schema::{Validator, Walk};
use super::schemas;
use crate::diagnostic::{Diagnostic, FileId, Label, Severity, Sources, Span};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What a file has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Pipeline,
    Contract,
    Library,
    Project,
    Stream,
    Features,
    /// An Avro schema: its form is not one of ours.
    Avro,
}

/// A file as read.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) path: String,
    pub(crate) file: FileId,
    pub(crate) kind: Kind,
    /// The document without the parts that are at fault; none if it could not be read.
    pub(crate) root: Option<Node>,
    /// Places at fault, for telling which steps are damaged.
    pub(crate) damage: Vec<Span>,
    pub(crate) ignores: Vec<Ignore>,
    pub(crate) hash: trainyard_contract::ContentHash,
}

/// Reads each file once.
pub(crate) struct Loader<'a> {
    files: &'a dyn Files,
    pub(crate) sources: Sources,
    pub(crate) diagnostics: Vec<Diagnostic>,
    loaded: BTreeMap<(String, bool), Rc<Loaded>>,
    schemas: BTreeMap<Kind, Value>,
    /// Pipelines that could be used from a folder.
    pub(crate) pipelines: BTreeMap<String, Rc<Vec<Known>>>,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(files: &'a dyn Files) -> Self {
        Self {
            files,
            sources: Sources::default(),
            diagnostics: Vec::new(),
            loaded: BTreeMap::new(),
            schemas: BTreeMap::new(),
            pipelines: BTreeMap::new(),
        }
    }

    /// All files that could be read, in order of their paths.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Rc<Loaded>> {
        self.loaded.values()
    }

    pub(crate) fn files(&self) -> &'a dyn Files {
        self.files
    }

    /// Reads a file that is a pipeline or the project's.
    ///
    /// # Errors
    /// If the file cannot be had; what is wrong inside it is among the diagnostics.
    pub(crate) fn read(&mut self, path: &str, kind: Kind) -> Result<Rc<Loaded>, FileFault> {
        self.load(path, Some(kind))
    }

    /// Reads an included file: a contract or a library, by its content and else by its folder.
    ///
    /// # Errors
    /// As [`Loader::read`].
    pub(crate) fn include(&mut self, path: &str) -> Result<Rc<Loaded>, FileFault> {
        self.load(path, None)
    }

    fn load(&mut self, path: &str, kind: Option<Kind>) -> Result<Rc<Loaded>, FileFault> {
        let key = (path.to_owned(), kind.is_some());
        if let Some(known) = self.loaded.get(&key) {
            return Ok(known.clone());
        }
        let bytes = self.files.read(path)?;
        let hash = trainyard_contract::ContentHash::of(&bytes);
        // The id is the next one; the text is added under it once it is known to be text.
        let next = FileId(u32::try_from(self.sources.iter().count()).unwrap_or(u32::MAX));
        let (text, fault) = reader::decode(next, bytes);
        let file = self.sources.add(path, text.as_str());
        let mut faults: Vec<ReadFault> = Vec::new();
        let document = match fault {
            Some(fault) => {
                faults.push(fault);
                None
            }
            None => {
                let (document, found) = reader::read(file, &text);
                faults.extend(found);
                document
            }
        };
        self.diagnostics.extend(faults.into_iter().map(diagnostic));
        let (root, ignores) = document.map_or((None, Vec::new()), |document| {
            (Some(document.root), document.ignores)
        });
        let kind = kind.unwrap_or_else(|| guess(path, root.as_ref()));
        let mut loaded = Loaded {
            path: path.to_owned(),
            file,
            kind,
            root,
            damage: Vec::new(),
            ignores,
            hash,
        };
        self.check_form(&mut loaded);
        let loaded = Rc::new(loaded);
        self.loaded.insert(key, loaded.clone());
        Ok(loaded)
    }

    fn check_form(&mut self, loaded: &mut Loaded) {
        let Some(root) = loaded.root.as_mut() else { return };
        if loaded.kind == Kind::Avro {
            return;
        }
        let schema = self
            .schemas
            .entry(loaded.kind)
            .or_insert_with(|| match loaded.kind {
                Kind::Pipeline => schemas::pipeline_form(),
                Kind::Contract => schemas::contract_json_schema(),
                Kind::Library => schemas::library_form(),
                Kind::Stream => schemas::stream_json_schema(),
                Kind::Features => schemas::features_json_schema(),
                Kind::Project | Kind::Avro => schemas::project_json_schema(),
            });
        let none = BTreeSet::new();
        let mut walk = Walk::new(&none);
        Validator::new(schema).check(root, None, false, &mut walk);
        loaded.damage = walk.faults.iter().map(|fault| fault.primary.span).collect();
        if !matches!(root.content, Content::Map(_)) {
            loaded.root = None;
        } else if !walk.faults.is_empty() {
            let bad: BTreeSet<Span> = loaded.damage.iter().copied().collect();
            prune(root, &bad);
        }
        self.diagnostics.append(&mut walk.faults);
    }
}

/// The structure that a document stands for; `None` if faults, reported before, keep it from being
/// one.
pub(crate) fn parse<T: DeserializeOwned>(root: &Node) -> Option<T> {
    T::deserialize(root.to_value()).ok()
}

fn guess(path: &str, root: Option<&Node>) -> Kind {
    let has = |key: &str| root.is_some_and(|root| root.get(key).is_some());
    let in_folder = |folder: &str| path.split('/').rev().skip(1).any(|part| part == folder);
    let has_any = ["entities", "views", "on_demand", "services"]
        .into_iter()
        .any(has);
    if has_any || (in_folder("features") && !has("steps") && !has("datasets")) {
        Kind::Features
    } else if has("columns") || (in_folder("contracts") && !has("steps") && !has("datasets")) {
        Kind::Contract
    } else {
        Kind::Library
    }
}

/// Takes out what is at fault, so that the rest can be checked further.
fn prune(node: &mut Node, bad: &BTreeSet<Span>) {
    match &mut node.content {
        Content::List(items) => {
            items.retain(|item| !bad.contains(&item.span));
            items.iter_mut().for_each(|item| prune(item, bad));
        }
        Content::Map(entries) => {
            // A fault at the key of a map or list may be about one of its parts: what lies deeper
            // is taken out there.
            entries.retain(|entry| {
                let is_leaf = matches!(entry.value.content, Content::Scalar(_));
                !(bad.contains(&entry.value.span) || (bad.contains(&entry.key_span) && is_leaf))
            });
            entries.iter_mut().for_each(|entry| prune(&mut entry.value, bad));
        }
        Content::Scalar(_) | Content::Unknown => {}
    }
}

pub(crate) fn diagnostic(fault: ReadFault) -> Diagnostic {
    Diagnostic {
        code: rules::full(fault.code).to_owned(),
        severity: Severity::Error,
        message: fault.message,
        primary: Label {
            span: fault.span,
            text: fault.label,
        },
        secondary: fault
            .other
            .into_iter()
            .map(|other| Label {
                span: other.0,
                text: other.1,
            })
            .collect(),
        notes: Vec::new(),
        help: fault.help,
        fix: None,
    }
}
