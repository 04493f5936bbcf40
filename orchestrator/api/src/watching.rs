//! Folders of data that triggers wait for, as far as the system says when something in them changes.
//!
//! What it does not say is found by the look each second: folders that are not there yet, files behind
//! links, file systems of other machines. A file counts once whoever writes it has closed it, or has
//! moved it into its place; where the system does not say so, once nobody has written to it for a second.

use crate::app::{Shared, lock};
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use trainyard_contract::RunId;
use trainyard_engine::fingerprint;

/// Within this the system has told of whatever was written.
const TOLD_WITHIN: Duration = Duration::from_millis(10);
/// How long nobody writes to a file before it counts, where the system tells nothing.
const UNTOLD: Duration = Duration::from_secs(1);
/// How long nobody writes to a file that stays open before it counts: a log, say.
const LEFT_OPEN: Duration = Duration::from_secs(10);

/// What the thread of triggers is woken by.
pub(crate) enum Wake {
    Ended(RunId),
    FilesChanged,
    /// No run will end any more.
    EngineGone,
}

pub(crate) struct Watching {
    watcher: Option<RecommendedWatcher>,
    heard: Arc<Heard>,
    /// Folders that the system does not watch for us; told once.
    refused: BTreeSet<PathBuf>,
}

/// What the system's thread and ours share.
#[derive(Default)]
struct Heard {
    folders: Mutex<BTreeSet<PathBuf>>,
    /// Files that were written to and not closed yet, and when that was last heard.
    open: Mutex<BTreeMap<PathBuf, Instant>>,
    /// A wake is under way; another one would say no more.
    is_waking: AtomicBool,
}

impl Watching {
    pub(crate) fn new(wakes: Sender<Wake>) -> Self {
        let heard = Arc::new(Heard::default());
        let told = heard.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            told.forget_gone(&event);
            told.note_writing(&event);
            if is_finished(&event) && !told.is_waking.swap(true, Ordering::AcqRel) {
                // Nobody hears it only when the server ends.
                let _ = wakes.send(Wake::FilesChanged);
            }
        });
        Self {
            watcher: watcher.map_err(|error| warn(&error)).ok(),
            heard,
            refused: BTreeSet::new(),
        }
    }

    /// What happens from here on is told again.
    pub(crate) fn heard(&self) {
        self.heard.is_waking.store(false, Ordering::Release);
    }

    /// How long to wait before the files of a location are read again, because what was read of them from
    /// `read_at` on may be half of what somebody writes; nothing if it is whole.
    pub(crate) fn unfinished(&self, project: &Path, location: &str, read_at: SystemTime) -> Option<Duration> {
        let folder = folder_of(project, location)?.0;
        let is_watched = lock(&self.heard.folders).contains(&folder);
        let files = fingerprint::local_files(project, location).ok()?;
        let open = lock(&self.heard.open);
        files
            .iter()
            .filter_map(|file| {
                let meta = file.metadata().ok()?;
                // Of what has several names the system tells only under the one that was used; and that
                // such a name was made, as if somebody had begun to write.
                let is_told = is_watched && !file.is_symlink() && meta.nlink() == 1;
                let quiet = if is_told { TOLD_WITHIN } else { UNTOLD };
                let still_open = open
                    .get(file)
                    .filter(|_| is_told)
                    .and_then(|since| LEFT_OPEN.checked_sub(since.elapsed()));
                let written = meta.modified().ok()?;
                // What carries a time to come cannot be waited for.
                let is_past = written <= SystemTime::now();
                let age = read_at.duration_since(written).unwrap_or_default();
                let still_warm = quiet.checked_sub(age).filter(|_| is_past);
                still_open.max(still_warm)
            })
            .max()
    }

    /// Watches the folder of a location, if it is not watched already.
    pub(crate) fn cover(&mut self, app: &Shared, location: &str) {
        let Some(watcher) = &mut self.watcher else { return };
        let Some((folder, mode)) = folder_of(app.project.root(), location) else {
            return;
        };
        if lock(&self.heard.folders).contains(&folder) || self.refused.contains(&folder) || !folder.is_dir() {
            return;
        }
        // The store's own files would wake us each time that something is kept.
        if mode == RecursiveMode::Recursive && app.home.folder().starts_with(&folder) {
            self.refused.insert(folder);
            return;
        }
        match watcher.watch(&folder, mode) {
            Ok(()) => {
                lock(&self.heard.folders).insert(folder);
            }
            Err(error) => {
                warn(&error);
                self.refused.insert(folder);
            }
        }
    }
}

impl Heard {
    fn note_writing(&self, event: &Event) {
        let is_written = matches!(
            event.kind,
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_))
        );
        if is_written {
            let mut open = lock(&self.open);
            open.retain(|_, since| since.elapsed() < LEFT_OPEN);
            open.extend(event.paths.iter().map(|path| (path.clone(), Instant::now())));
        } else if is_finished(event) {
            let mut open = lock(&self.open);
            for path in &event.paths {
                open.remove(path);
            }
        }
    }

    /// A folder that is gone may come back, and is another one then.
    fn forget_gone(&self, event: &Event) {
        let is_gone = matches!(
            event.kind,
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From))
        );
        if is_gone {
            let mut folders = lock(&self.folders);
            for path in &event.paths {
                folders.remove(path);
            }
        }
    }
}

fn warn(error: &notify::Error) {
    tracing::warn!(%error, "folder_not_watched");
}

/// Whether files are in another state now that somebody meant to be seen.
fn is_finished(event: &Event) -> bool {
    event.need_rescan()
        || matches!(
            event.kind,
            EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Modify(ModifyKind::Name(_))
                | EventKind::Remove(_)
        )
}

/// The folder in which the files of a location lie, and whether also those below it.
fn folder_of(project: &Path, location: &str) -> Option<(PathBuf, RecursiveMode)> {
    if trainyard_engine::fingerprint::is_remote(location) {
        return None;
    }
    let path = project.join(location.strip_prefix("file://").unwrap_or(location));
    let is_pattern = |part: &std::ffi::OsStr| part.to_string_lossy().contains(['*', '?', '[']);
    let fixed: PathBuf = path.iter().take_while(|part| !is_pattern(part)).collect();
    let below = path.iter().count() - fixed.iter().count();
    match below {
        0 => Some((path.parent()?.to_owned(), RecursiveMode::NonRecursive)),
        1 => Some((fixed, RecursiveMode::NonRecursive)),
        _ => Some((fixed, RecursiveMode::Recursive)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_begun_is_waited_for_and_a_further_name_of_a_whole_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let hour_ago = SystemTime::now() - Duration::from_secs(3_600);
        for name in ["begun.csv", "whole.csv"] {
            let file = std::fs::File::create(path(name)).unwrap();
            file.set_modified(hour_ago).unwrap();
        }
        std::fs::hard_link(path("whole.csv"), path("linked.csv")).unwrap();
        std::os::unix::fs::symlink(path("whole.csv"), path("symlink.csv")).unwrap();
        let watching = Watching::new(std::sync::mpsc::channel().0);
        lock(&watching.heard.folders).insert(folder.path().to_owned());
        for name in ["begun.csv", "linked.csv", "symlink.csv"] {
            let made = Event::new(EventKind::Create(notify::event::CreateKind::File)).add_path(path(name));
            watching.heard.note_writing(&made);
        }
        let waits = |name: &str| {
            let wait = watching.unfinished(folder.path(), name, SystemTime::now());
            wait.is_some()
        };
        assert!(waits("begun.csv"));
        assert!(!waits("linked.csv") && !waits("symlink.csv") && !waits("whole.csv"));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        watching
            .heard
            .note_writing(&Event::new(closed).add_path(path("begun.csv")));
        assert!(!waits("begun.csv"));
    }

    #[test]
    fn no_more_is_watched_than_the_location_names() {
        let of = |location: &str| {
            folder_of(Path::new("/project"), location).map(|(folder, mode)| {
                let is_deep = mode == RecursiveMode::Recursive;
                (folder.to_string_lossy().into_owned(), is_deep)
            })
        };
        let folder = |name: &str, is_deep| Some((name.to_owned(), is_deep));
        assert_eq!(of("data/sales.csv"), folder("/project/data", false));
        assert_eq!(of("data/*.csv"), folder("/project/data", false));
        assert_eq!(of("data/*/sales.csv"), folder("/project/data", true));
        assert_eq!(of("data/**/*.csv"), folder("/project/data", true));
        assert_eq!(of("file:///mnt/sales.csv"), folder("/mnt", false));
        assert_eq!(of("s3://bucket/sales.csv"), None);
    }
}
