//! Which project, which files, which home.

use crate::output::Fault;
use std::path::{Component, Path, PathBuf};
use trainyard_engine::PROJECT_FILE;
use trainyard_store::Home;

/// Names the database where it is not in the home.
const DATABASE_URL: &str = "TRAINYARD_DATABASE_URL";

/// A project: the folder that holds `trainyard.yaml`, and where its state lives.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// Absolute.
    pub(crate) root: PathBuf,
    /// `trainyard.yaml` if there is one.
    pub(crate) file: Option<String>,
    /// Absolute; not made yet.
    pub(crate) home: PathBuf,
}

impl Project {
    /// The project that a path belongs to: the nearest folder upward with a `trainyard.yaml`. If
    /// there is none, the file's own folder, or the one above if that is called `pipelines`.
    pub(crate) fn of(path: &Path, home: Option<&Path>) -> Result<Self, Fault> {
        let path = absolute(path)?;
        let start = if path.is_dir() {
            path.clone()
        } else {
            parent(&path)
        };
        let found = start
            .ancestors()
            .find(|folder| folder.join(PROJECT_FILE).is_file());
        let (root, file) = match found {
            Some(folder) => (folder.to_owned(), Some(PROJECT_FILE.to_owned())),
            None if start.file_name().is_some_and(|name| name == "pipelines") => (parent(&start), None),
            None => (start, None),
        };
        let home = match home {
            Some(home) => absolute(home)?,
            None => root.join(".trainyard"),
        };
        Ok(Self { root, file, home })
    }

    /// The home, with its database where the environment says. The only way to it: a command that opened
    /// the folder itself would not see what is on a server.
    pub(crate) fn open_home(&self) -> Result<Home, Fault> {
        let home = Home::open(&self.home)?;
        match std::env::var(DATABASE_URL) {
            Ok(url) if !url.is_empty() => Ok(home
                .with_database(&url)
                .map_err(|error| Fault::from(error).help(format!("{DATABASE_URL} names the database")))?),
            Ok(_) | Err(std::env::VarError::NotPresent) => Ok(home),
            Err(error) => Err(Fault::while_doing(
                format!("could not read {DATABASE_URL}"),
                &error,
            )),
        }
    }

    /// Whether anything has been kept here, or may have been where the environment says.
    pub(crate) fn has_state(&self) -> bool {
        std::env::var_os(DATABASE_URL).is_some_and(|url| !url.is_empty())
            || self.home.join("state.db").is_file()
    }

    /// The project of the current folder; from outside any project, that which the home lies in.
    pub(crate) fn here(home: Option<&Path>) -> Result<Self, Fault> {
        let here = Self::of(Path::new("."), home)?;
        match here.home.parent() {
            Some(folder) if here.file.is_none() && folder.join(PROJECT_FILE).is_file() => {
                Self::of(folder, home)
            }
            _ => Ok(here),
        }
    }

    /// A path of the project as its files name it: relative to the root, with `/`.
    pub(crate) fn relative(&self, path: &Path) -> Result<String, Fault> {
        let absolute = absolute(path)?;
        let inside = absolute.strip_prefix(&self.root).map_err(|_| {
            Fault::new(format!(
                "{} is outside the project {}",
                path.display(),
                self.root.display()
            ))
        })?;
        Ok(inside
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join("/"))
    }

    /// All pipeline files: `pipelines/*.yaml`, or `*.yaml` in the root if there is no such folder.
    pub(crate) fn pipeline_files(&self) -> Result<Vec<String>, Fault> {
        trainyard_engine::pipeline_files(&self.root)
            .map_err(|error| Fault::while_doing(format!("could not list {}", self.root.display()), &error))
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| path.to_owned(), Path::to_owned)
}

/// Absolute and without `.` and `..`, whether the file exists or not.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    let joined = std::path::absolute(path)
        .map_err(|error| Fault::while_doing(format!("could not resolve {}", path.display()), &error))?;
    let mut clean = PathBuf::new();
    for part in joined.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    Ok(clean)
}
