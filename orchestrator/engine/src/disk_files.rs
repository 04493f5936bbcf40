//! The project's files on disk, as the checks read them: nothing outside the project's root.

use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use trainyard_domain::pipeline::{FileFault, Files};

/// Marks a project's root.
pub const PROJECT_FILE: &str = "trainyard.yaml";
/// No document of a pipeline is larger.
const LARGEST: u64 = 64 << 20;

/// Files under a root.
pub struct DiskFiles {
    root: PathBuf,
}

impl DiskFiles {
    /// The files below that folder.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn inside(&self, path: &str) -> Result<PathBuf, FileFault> {
        let mut full = self.root.clone();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => full.push(name),
                Component::CurDir => {}
                Component::ParentDir => {
                    full.pop();
                }
                Component::RootDir | Component::Prefix(_) => full = PathBuf::from("/"),
            }
        }
        if full.starts_with(&self.root) {
            Ok(full)
        } else {
            Err(FileFault::Outside)
        }
    }
}

/// Files that are pipelines, by path from the root: `pipelines/*.yaml`, or `*.yaml` in the root if there
/// is no such folder.
///
/// # Errors
/// If the folder cannot be listed.
pub fn pipeline_files(root: &Path) -> std::io::Result<Vec<String>> {
    let folder = root.join("pipelines");
    let (folder, prefix) = if folder.is_dir() {
        (folder, "pipelines/")
    } else {
        (root.to_owned(), "")
    };
    let mut files: Vec<String> = fs::read_dir(&folder)?
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| (name.ends_with(".yaml") || name.ends_with(".yml")) && name != PROJECT_FILE)
        .map(|name| format!("{prefix}{name}"))
        .collect();
    files.sort();
    Ok(files)
}

impl Files for DiskFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileFault> {
        let full = self.inside(path)?;
        let fault = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => FileFault::Missing,
            _ => FileFault::Unreadable(error.to_string()),
        };
        // A link inside the project may still lead out of it.
        let real = fs::canonicalize(&full).map_err(fault)?;
        let root = fs::canonicalize(&self.root).map_err(fault)?;
        if !real.starts_with(&root) {
            return Err(FileFault::Outside);
        }
        let file = fs::File::open(&real).map_err(fault)?;
        let mut bytes = Vec::new();
        // A little more than allowed, so that the reader sees and reports the excess.
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(fault)?;
        Ok(bytes)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, FileFault> {
        let full = self.inside(pattern)?;
        let escaped_root = glob::Pattern::escape(&self.root.to_string_lossy());
        let rest = full
            .strip_prefix(&self.root)
            .map_or_else(|_| PathBuf::new(), Path::to_owned);
        let full_pattern = format!("{escaped_root}/{}", rest.to_string_lossy());
        let mut found: Vec<String> = glob::glob(&full_pattern)
            .map_err(|error| FileFault::Unreadable(error.to_string()))?
            .filter_map(Result::ok)
            .filter_map(|path| {
                path.strip_prefix(&self.root)
                    .ok()
                    .map(|p| p.to_string_lossy().into_owned())
            })
            .collect();
        found.sort();
        Ok(found)
    }

    fn exists(&self, path: &str) -> bool {
        self.inside(path).is_ok_and(|full| full.exists())
    }
}
