//! Pipelines of the project folder as they change: a good file becomes the current version of its
//! pipeline, a bad one leaves the last good one in place.

use crate::app::lock;
use crate::problem::{Fault, Problem};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use trainyard_contract::finding::nearest;
use trainyard_contract::{Catalogue, PipelineName, Timestamp};
use trainyard_domain::diagnostic::render;
use trainyard_domain::pipeline::{
    self, BindRequest, CheckRequest, Checked, FileFault, Files, Pipeline, spec,
};
use trainyard_domain::run::{InstanceIx, RunDefinition, select};
use trainyard_engine::{DiskFiles, PROJECT_FILE, pipeline_files};
use trainyard_store::{PipelineVersion, Store};

/// The project's folder and what stands in it.
pub struct ProjectFolder {
    root: PathBuf,
    catalogue: Catalogue,
    seen: Mutex<Seen>,
    shelf: RwLock<Arc<Shelf>>,
    /// What `trainyard.yaml` said last.
    retention: Mutex<Option<spec::Retention>>,
    name: Mutex<Option<String>>,
}

/// What the last scan went by.
#[derive(Default)]
struct Seen {
    stamps: BTreeMap<PathBuf, Option<Stamp>>,
    is_done: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    mtime: (i64, i64),
    inode: u64,
}

/// All pipelines at one time.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// By name.
    pub(crate) pipelines: BTreeMap<String, Entry>,
    /// Files that hold no pipeline that was ever good, with their diagnostics.
    pub(crate) broken: BTreeMap<String, Vec<Value>>,
}

/// One pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) current: Arc<Pipeline>,
    /// When it became the current version.
    pub(crate) since: Timestamp,
    /// Of the file as it stands now, which may be newer than the current version.
    pub(crate) diagnostics: Vec<Value>,
    /// The file has errors; the current version is the last good one.
    pub(crate) is_stale: bool,
}

/// What is to run.
#[derive(Clone, Debug, Default)]
pub struct RunOrder {
    /// Git revision whose files are taken instead of the project folder's.
    pub revision: Option<String>,
    pub environment: Option<String>,
    pub params: Map<String, Value>,
    /// Steps, as `--select` takes them.
    pub select: Option<String>,
    /// `trigger` as expressions see it.
    pub trigger: Map<String, Value>,
    /// Who asks, if it is a person.
    pub by: String,
}

/// A pipeline bound for one run.
pub(crate) struct Bound {
    pub(crate) definition: RunDefinition,
    pub(crate) select: Option<BTreeSet<InstanceIx>>,
}

impl ProjectFolder {
    /// The project at `root`; nothing is read yet.
    pub fn new(root: PathBuf, catalogue: Catalogue) -> Self {
        Self {
            root,
            catalogue,
            seen: Mutex::default(),
            shelf: RwLock::default(),
            retention: Mutex::default(),
            name: Mutex::default(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What is removed when it is old; nothing while `trainyard.yaml` has errors.
    pub(crate) fn retention(&self) -> Option<spec::Retention> {
        *lock(&self.retention)
    }

    pub(crate) fn shelf(&self) -> Arc<Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The current version of a pipeline.
    pub(crate) fn entry(&self, name: &str) -> Result<Entry, Problem> {
        let shelf = self.shelf();
        if let Some(entry) = shelf.pipelines.get(name) {
            return Ok(entry.clone());
        }
        let problem = Problem::not_found(
            "pipeline-not-found",
            format!("there is no pipeline `{}`", crate::problem::cut(name)),
        );
        let of_name = shelf
            .broken
            .iter()
            .find(|(file, _)| Path::new(file).file_stem().is_some_and(|stem| stem == name));
        Err(match of_name {
            Some((file, diagnostics)) => problem
                .help(format!("{file} has faults"))
                .diagnostics(diagnostics.clone()),
            None => match nearest(name, shelf.pipelines.keys().map(String::as_str)) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem,
            },
        })
    }

    /// Reads what has changed since the last scan; says whether anything had. A file that is read while
    /// it is being written is bad for a moment, which leaves its last good version in place.
    pub(crate) fn scan(&self, store: &mut Store, now: Timestamp) -> bool {
        let mut seen = lock(&self.seen);
        let entries = pipeline_files(&self.root).unwrap_or_default();
        let mut stamps: BTreeMap<PathBuf, Option<Stamp>> = seen
            .stamps
            .keys()
            .map(|path| (path.clone(), stamp(path)))
            .collect();
        for path in entries.iter().map(|entry| self.root.join(entry)) {
            let found = stamp(&path);
            stamps.insert(path, found);
        }
        if seen.is_done && stamps == seen.stamps {
            return false;
        }
        let (shelf, read) = self.read(&entries, store, now);
        // Stamps are those from before reading: what changes while it is read is read again.
        for path in read {
            let path = self.root.join(path);
            let found = stamp(&path);
            stamps.entry(path).or_insert(found);
        }
        seen.stamps = stamps;
        seen.is_done = true;
        *self.shelf.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shelf);
        true
    }

    fn read(&self, entries: &[String], store: &mut Store, now: Timestamp) -> (Shelf, BTreeSet<String>) {
        let before = self.shelf();
        let project = self.root.join(PROJECT_FILE).is_file();
        let disk = DiskFiles::new(self.root.clone());
        let files = Recorder::new(&disk);
        let checked = self.check(entries, &files, project);
        self.declare_pools(&checked, store);
        *lock(&self.retention) = checked.retention;
        self.declare_notices(&checked, store, now);
        let mut shelf = Shelf::default();
        for file in entries {
            let good = checked
                .pipelines
                .iter()
                .find(|pipeline| pipeline.file() == file)
                .cloned();
            match good {
                Some(current) => {
                    let name = current.name().as_str().to_owned();
                    let known = before
                        .pipelines
                        .get(&name)
                        .filter(|entry| entry.current.hash() == current.hash());
                    let since = known.map_or(now, |entry| entry.since);
                    if known.is_none() {
                        self.keep(&current, store, now);
                        tracing::info!(pipeline = %name, version = %current.hash().short(), "pipeline_read");
                    }
                    let diagnostics = diagnostics_of(&checked, file);
                    let entry = Entry {
                        current,
                        since,
                        diagnostics,
                        is_stale: false,
                    };
                    shelf.pipelines.entry(name).or_insert(entry);
                }
                None => {
                    // Alone, so that the diagnostics are those of this file and what it includes.
                    let alone = self.check(std::slice::from_ref(file), &files, project);
                    let diagnostics = render::json(&alone.diagnostics, &alone.sources);
                    for found in errors(&diagnostics) {
                        tracing::warn!(
                            file = %file,
                            code = found["code"].as_str().unwrap_or_default(),
                            line = found["line"].as_u64().unwrap_or_default(),
                            message = found["message"].as_str().unwrap_or_default(),
                            "pipeline_refused"
                        );
                    }
                    match self.last_good(file, &before, store) {
                        Some((current, since)) => {
                            let entry = Entry {
                                current: current.clone(),
                                since,
                                diagnostics,
                                is_stale: true,
                            };
                            let name = current.name().as_str().to_owned();
                            shelf.pipelines.entry(name).or_insert(entry);
                        }
                        None => {
                            shelf.broken.insert(file.clone(), diagnostics);
                        }
                    }
                }
            }
        }
        for name in before
            .pipelines
            .keys()
            .filter(|name| !shelf.pipelines.contains_key(*name))
        {
            tracing::info!(pipeline = %name, "pipeline_removed");
        }
        let mut read = files.touched();
        read.insert(PROJECT_FILE.to_owned());
        (shelf, read)
    }

    pub(crate) fn check(&self, entries: &[String], files: &dyn Files, project: bool) -> Checked {
        pipeline::check(&CheckRequest {
            project: project.then_some(PROJECT_FILE),
            entries,
            files,
            catalogue: &self.catalogue,
            environment: None,
            params: &BTreeMap::new(),
            level: None,
        })
    }

    /// What `trainyard.yaml` allows holds from now on, also for runs that go on.
    fn declare_pools(&self, checked: &Checked, store: &mut Store) {
        let pools = checked.pipelines.first().map(|pipeline| pipeline.pools());
        if let Some(pools) = pools.filter(|pools| !pools.is_empty())
            && let Err(error) = store.declare_pools(&pools)
        {
            tracing::warn!(%error, "pools_not_declared");
        }
    }

    /// Who hears of what from now on.
    fn declare_notices(&self, checked: &Checked, store: &mut Store, now: Timestamp) {
        let Some(declared) = &checked.notices else { return };
        lock(&self.name).clone_from(&declared.project);
        if let Err(error) = store.declare_notices(declared, true, now) {
            tracing::warn!(%error, "notices_not_declared");
        }
    }

    /// The name in `trainyard.yaml`.
    pub(crate) fn name(&self) -> Option<String> {
        lock(&self.name).clone()
    }

    /// Keeps the text of a version, so that a server that starts beside a broken file still has it.
    fn keep(&self, current: &Pipeline, store: &mut Store, now: Timestamp) {
        let disk = DiskFiles::new(self.root.clone());
        let files = Recorder::new(&disk);
        let project = self.root.join(PROJECT_FILE).is_file();
        let again = self.check(&[current.file().to_owned()], &files, project);
        if again
            .pipelines
            .first()
            .is_none_or(|other| other.hash() != current.hash())
        {
            return;
        }
        let version = PipelineVersion {
            pipeline: current.name().clone(),
            hash: current.hash(),
            file: current.file().to_owned(),
            sources: files.texts(),
            current_at: now,
        };
        if let Err(error) = store.keep_pipeline(&version) {
            tracing::warn!(pipeline = %current.name(), %error, "pipeline_version_not_kept");
        }
    }

    /// The version of a file's pipeline that was current last.
    fn last_good(&self, file: &str, before: &Shelf, store: &Store) -> Option<(Arc<Pipeline>, Timestamp)> {
        let known = before
            .pipelines
            .values()
            .find(|entry| entry.current.file() == file)
            .map(|entry| (entry.current.clone(), entry.since));
        known.or_else(|| {
            let names = store.known_pipelines().ok()?;
            let versions = names
                .iter()
                .filter_map(|name| store.pipeline_version(name, None).ok().flatten());
            let version = versions.into_iter().find(|version| version.file == file)?;
            let pipeline = self.of_version(&version)?;
            Some((pipeline, version.current_at))
        })
    }

    /// A kept version, checked again by this program.
    fn of_version(&self, version: &PipelineVersion) -> Option<Arc<Pipeline>> {
        let disk = DiskFiles::new(self.root.clone());
        let files = Kept {
            sources: &version.sources,
            disk: &disk,
        };
        let project = version.sources.contains_key(PROJECT_FILE);
        let checked = self.check(std::slice::from_ref(&version.file), &files, project);
        let found = checked.pipelines.first()?.clone();
        (*found.name() == version.pipeline).then_some(found)
    }

    /// One run's definition.
    pub(crate) fn bind(
        &self,
        current: &Pipeline,
        order: &RunOrder,
        now: Timestamp,
    ) -> Result<Bound, Problem> {
        let mut trigger = order.trigger.clone();
        if !trigger.contains_key("type")
            && let Value::Object(by_hand) = trainyard_domain::trigger::by_hand(now, &order.by)
        {
            for (name, value) in by_hand {
                trigger.entry(name).or_insert(value);
            }
        }
        if !trigger.contains_key("params") {
            trigger.insert("params".into(), Value::Object(order.params.clone()));
        }
        let request = BindRequest {
            environment: order.environment.as_deref(),
            params: &BTreeMap::new(),
            trigger: Value::Object(trigger),
            // The run's own time: jitter needs to differ between runs, not to be secret.
            seed: u64::try_from(now.0).unwrap_or(0),
        };
        let definition = current.bind(&request).map_err(|faults| {
            let errors = faults
                .into_iter()
                .map(|fault| Fault {
                    at: fault.path.to_string(),
                    message: fault.message,
                    help: fault
                        .help
                        .map(|help| help.replace("-p ", "params: ").replace("--env ", "environment: ")),
                })
                .collect();
            Problem::refused(
                "pipeline-not-bound",
                format!("pipeline `{}` cannot run so", current.name()),
            )
            .errors(errors)
        })?;
        let select = order
            .select
            .as_deref()
            .map(|text| select(text, &definition).map_err(crate::steering::not_chosen))
            .transpose()?;
        Ok(Bound { definition, select })
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().map(|found| Stamp {
        // Of a folder, only what lies in it matters, and its time says that.
        size: if found.is_dir() { 0 } else { found.size() },
        mtime: (found.mtime(), found.mtime_nsec()),
        inode: found.ino(),
    })
}

fn errors(diagnostics: &[Value]) -> impl Iterator<Item = &Value> {
    diagnostics.iter().filter(|found| found["severity"] == "error")
}

/// Findings in one file, when all were checked together.
pub(crate) fn diagnostics_of(checked: &Checked, file: &str) -> Vec<Value> {
    let mut all = render::json(&checked.diagnostics, &checked.sources);
    all.retain(|found| found["file"] == file);
    all
}

/// Files that remember what was asked of them.
struct Recorder<'a> {
    files: &'a dyn Files,
    texts: RefCell<BTreeMap<String, String>>,
    touched: RefCell<BTreeSet<String>>,
}

impl<'a> Recorder<'a> {
    fn new(files: &'a dyn Files) -> Self {
        Self {
            files,
            texts: RefCell::default(),
            touched: RefCell::default(),
        }
    }

    fn touched(&self) -> BTreeSet<String> {
        self.touched.borrow().clone()
    }

    fn texts(&self) -> BTreeMap<String, String> {
        self.texts.borrow().clone()
    }
}

impl Files for Recorder<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileFault> {
        self.touched.borrow_mut().insert(path.to_owned());
        let bytes = self.files.read(path)?;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            self.texts.borrow_mut().insert(path.to_owned(), text.to_owned());
        }
        Ok(bytes)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, FileFault> {
        let found = self.files.glob(pattern)?;
        // What comes and goes shows in the time of its folder.
        let folder = |path: &str| {
            path.rsplit_once('/')
                .map_or(String::new(), |(folder, _)| folder.to_owned())
        };
        let mut touched = self.touched.borrow_mut();
        let fixed = pattern.split(['*', '?', '[']).next().unwrap_or_default();
        touched.insert(folder(fixed));
        touched.extend(found.iter().map(|path| folder(path)));
        Ok(found)
    }

    fn exists(&self, path: &str) -> bool {
        let exists = self.files.exists(path);
        if !exists {
            self.touched.borrow_mut().insert(path.to_owned());
        }
        exists
    }
}

/// Files as a kept version was read from; data is still the project's.
struct Kept<'a> {
    sources: &'a BTreeMap<String, String>,
    disk: &'a DiskFiles,
}

impl Files for Kept<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileFault> {
        match self.sources.get(path) {
            Some(text) => Ok(text.as_bytes().to_owned()),
            None => self.disk.read(path),
        }
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, FileFault> {
        let own: Vec<String> = self
            .sources
            .keys()
            .filter(|path| matches(pattern, path))
            .cloned()
            .collect();
        if own.is_empty() {
            self.disk.glob(pattern)
        } else {
            Ok(own)
        }
    }

    fn exists(&self, path: &str) -> bool {
        self.sources.contains_key(path) || self.disk.exists(path)
    }
}

/// Whether a pattern means the path.
fn matches(pattern: &str, path: &str) -> bool {
    let options = glob::MatchOptions {
        require_literal_separator: true,
        ..glob::MatchOptions::default()
    };
    glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(path, options))
}

/// A pipeline's name from a path of a request.
pub(crate) fn name(text: &str) -> Result<PipelineName, Problem> {
    crate::problem::parse(text, "pipeline-not-found", "pipeline")
}
