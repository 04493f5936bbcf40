//! Checkouts: the files of a revision in the home, each in a folder that is named by its content.
//!
//! ```text
//! HOME/checkouts/TREE        read-only; whole or not there
//! HOME/checkouts/TREE.lock   shared by who uses it, alone for who removes it
//! HOME/checkouts/TREE.….part being written, or left behind by a crash
//! ```

use super::git;
use super::revision::{self, RevisionError};
use super::tree::{self, io};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use trainyard_domain::run::{CodeVersion, Pinned};
use trainyard_store::{Home, RunFilter, RunStatus, Store, StoreError};

/// How long a checkout stays that nobody uses: making one again costs some time.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Runs that are read from the store at a time.
const PAGE: u32 = 500;

/// The files of a revision. They stay as long as this lives.
#[derive(Debug)]
pub struct Checkout {
    folder: PathBuf,
    version: CodeVersion,
    /// Says to others that it is in use.
    _hold: File,
}

impl Checkout {
    /// The project as of a revision.
    ///
    /// # Errors
    /// [`RevisionError`]
    pub fn of(home: &Home, project: &Path, revision: &str) -> Result<Self, RevisionError> {
        let found = revision::find(project, revision)?;
        let version = CodeVersion {
            commit: found.commit,
            branch: None,
            changed: Vec::new(),
            pinned: Some(Pinned {
                revision: revision.to_owned(),
                tree: found.tree,
            }),
        };
        Self::again(home, project, version)
    }

    /// The files of a revision that a run has; made once more if they were removed.
    ///
    /// # Errors
    /// [`RevisionError`], also if the repository does not have them any more.
    pub fn again(home: &Home, project: &Path, version: CodeVersion) -> Result<Self, RevisionError> {
        let tree = version.pinned.as_ref().map_or("", |pinned| pinned.tree.as_str());
        if !git::is_object_id(tree) {
            return Err(RevisionError::Malformed("its tree has no id"));
        }
        let all = checkouts(home);
        fs::create_dir_all(&all).map_err(|source| io("make the folder", &all, source))?;
        let hold = hold(&all, tree)?;
        let folder = all.join(tree);
        if !folder.is_dir() {
            make(project, tree, &all, &folder)?;
        }
        Ok(Self {
            folder,
            version,
            _hold: hold,
        })
    }

    /// Where its files are. Nobody writes there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn version(&self) -> &CodeVersion {
        &self.version
    }
}

fn checkouts(home: &Home) -> PathBuf {
    home.folder().join("checkouts")
}

/// A share of a checkout, which need not be there yet.
fn hold(all: &Path, tree: &str) -> Result<File, RevisionError> {
    let path = all.join(format!("{tree}.lock"));
    let fault = |source| io("lock", &path, source);
    loop {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(fault)?;
        file.lock_shared().map_err(fault)?;
        // Whoever removed the checkout while we waited has removed the lock, too.
        let ours = file.metadata().map_err(fault)?;
        if fs::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            file.set_modified(SystemTime::now()).map_err(fault)?;
            return Ok(file);
        }
    }
}

/// Writes a tree beside its place and moves it there once it is whole and durable.
fn make(project: &Path, tree: &str, all: &Path, folder: &Path) -> Result<(), RevisionError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let part = all.join(format!("{tree}.{}.{count}.part", std::process::id()));
    // Left by a process of the same number.
    remove(&part).map_err(|source| io("remove", &part, source))?;
    fs::create_dir(&part).map_err(|source| io("make the folder", &part, source))?;
    let written = tree::write(project, tree, &part).and_then(|()| {
        settle(&part, all, folder).map_err(|source| io("keep the files of the revision in", folder, source))
    });
    if written.is_err() {
        // The fault that led here says more.
        let _ = remove(&part);
    }
    written
}

fn settle(part: &Path, all: &Path, folder: &Path) -> std::io::Result<()> {
    tree::protect(part, true)?;
    // One call for thousands of files.
    rustix::fs::syncfs(File::open(part)?)?;
    match fs::rename(part, folder) {
        Ok(()) => {}
        // Another process was faster with the same files.
        Err(_) if folder.is_dir() => remove(part)?,
        Err(error) => return Err(error),
    }
    File::open(all)?.sync_all()
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match tree::protect(folder, false) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => fs::remove_dir_all(folder),
    }
}

/// Removes checkouts that nobody has used for a day, unless a run that is not over goes by them; what is
/// needed later is made again. Gives how many were removed.
///
/// # Errors
/// If the store cannot be asked; what cannot be removed now stays for the next time.
pub fn remove_old_checkouts(home: &Home, store: &Store) -> Result<usize, StoreError> {
    let all = checkouts(home);
    let Ok(entries) = fs::read_dir(&all) else {
        return Ok(0);
    };
    let mut old = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let is_old = entry
            .metadata()
            .and_then(|found| found.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > KEPT));
        let Some(name) = entry.file_name().into_string().ok().filter(|_| is_old) else {
            continue;
        };
        if name.ends_with(".part") {
            // Nobody writes at one for a day.
            let _ = remove(&entry.path());
        } else if let Some(tree) = name.strip_suffix(".lock").filter(|tree| git::is_object_id(tree)) {
            old.push(tree.to_owned());
        }
    }
    if old.is_empty() {
        return Ok(0);
    }
    let needed = needed(store)?;
    old.retain(|tree| !needed.contains(tree));
    Ok(old.iter().filter(|tree| remove_unused(&all, tree)).count())
}

/// Removes a checkout if nobody has it.
fn remove_unused(all: &Path, tree: &str) -> bool {
    let path = all.join(format!("{tree}.lock"));
    let Ok(lock) = File::options().write(true).open(&path) else {
        return false;
    };
    if lock.try_lock().is_err() {
        return false;
    }
    // It is away at once, however long removing it takes.
    let part = all.join(format!("{tree}.{}.old.part", std::process::id()));
    let away = fs::rename(all.join(tree), &part).and_then(|()| remove(&part));
    let is_away = away.is_ok() || !all.join(tree).exists();
    is_away && fs::remove_file(&path).is_ok()
}

/// Trees of runs that are not over.
fn needed(store: &Store) -> Result<BTreeSet<String>, StoreError> {
    let mut trees = BTreeSet::new();
    for status in [RunStatus::Queued, RunStatus::Running] {
        let mut before = None;
        loop {
            let page = store.list_runs(&RunFilter {
                pipeline: None,
                status: Some(status),
                limit: PAGE,
                before,
            })?;
            for line in &page {
                match store.run_definition(&line.id) {
                    Ok(definition) => {
                        let pinned = definition.code.and_then(|code| code.pinned);
                        trees.extend(pinned.map(|pinned| pinned.tree));
                    }
                    // Cleared away since.
                    Err(StoreError::NoRun(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            let Some(last) = page.last() else { break };
            before = Some(last.id.clone());
        }
    }
    Ok(trees)
}
