//! Folders for commands to work in.
//!
//! Making and removing a folder costs more than starting a process where something else flushes the
//! same file system all the time, as an orchestrator does. So commands that have no inputs, outputs
//! or secrets get a folder that is kept for the next one, and emptied in between.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use trainyard_contract::{StepError, TaskSpec};

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// All kept folders of this process.
static KEPT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The folder that one thread keeps.
#[derive(Default)]
pub(crate) struct KeptFolder {
    path: Option<PathBuf>,
}

/// Where a command works.
pub(super) struct WorkFolder<'a> {
    pub(super) path: PathBuf,
    kept: Option<&'a mut KeptFolder>,
}

impl<'a> WorkFolder<'a> {
    /// The task's own scratch folder, or the kept one if nobody could tell the difference.
    ///
    /// # Errors
    /// `IoError` if it cannot be made.
    pub(super) fn make(
        spec: &TaskSpec,
        has_secrets: bool,
        kept: &'a mut KeptFolder,
    ) -> Result<Self, StepError> {
        let has_image = spec
            .process
            .as_ref()
            .is_some_and(|process| process.image.is_some());
        let has_files =
            !spec.inputs.is_empty() || !spec.outputs.is_empty() || spec.with.get("params").is_some();
        let folders = spec
            .scratch
            .parent()
            .filter(|_| !has_image && !has_files && !has_secrets);
        match folders {
            Some(folders) => Ok(Self {
                path: kept.under(folders)?,
                kept: Some(kept),
            }),
            None => {
                make(&spec.scratch)?;
                Ok(Self {
                    path: spec.scratch.clone(),
                    kept: None,
                })
            }
        }
    }

    /// Removes what the command left; what cannot be removed now is no fault of the command.
    pub(super) fn leave(self) {
        match self.kept {
            Some(kept) => kept.empty(),
            None => {
                let _ = fs::remove_dir_all(&self.path);
            }
        }
    }
}

impl KeptFolder {
    fn under(&mut self, folders: &Path) -> Result<PathBuf, StepError> {
        if let Some(path) = self.path.as_ref().filter(|path| path.parent() == Some(folders)) {
            return Ok(path.clone());
        }
        self.remove();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folders.join(format!("kept-{}-{number}", std::process::id()));
        make(&path)?;
        KEPT.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(path.clone());
        self.path = Some(path.clone());
        Ok(path)
    }

    /// Makes sure that the next command finds nothing.
    fn empty(&mut self) {
        let Some(path) = &self.path else { return };
        let is_empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if !is_empty {
            self.remove();
        }
    }

    fn remove(&mut self) {
        if let Some(path) = self.path.take() {
            let _ = fs::remove_dir_all(&path);
            KEPT.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|kept| *kept != path);
        }
    }
}

/// Removes every kept folder; the process is about to end.
pub(crate) fn remove_kept() {
    for path in KEPT.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _ = fs::remove_dir_all(path);
    }
}

/// Makes a folder that only this user can look into, unless it is there.
///
/// # Errors
/// `IoError`.
pub(super) fn make(folder: &Path) -> Result<(), StepError> {
    use rustix::io::Errno;
    match rustix::fs::mkdir(folder, rustix::fs::Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(_) => fs::create_dir_all(folder).map_err(|error| {
            StepError::io(format!("could not make the folder {}", folder.display()), &error)
        }),
    }
}
