//! Which project, which files, which home.

use crate::output::Fault;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use trainyard_domain::pipeline::Files;
use trainyard_domain::run::CodeVersion;
use trainyard_engine::{Checkout, DiskFiles, PROJECT_FILE, RevisionError, RevisionFiles};
use trainyard_features::online::Place;
use trainyard_store::Home;

/// Names the database where it is not in the home.
const DATABASE_URL: &str = "TRAINYARD_DATABASE_URL";

/// Names the online store where it is not in the home.
const ONLINE_STORE_URL: &str = "TRAINYARD_ONLINE_STORE_URL";

/// A project: the folder that holds `trainyard.yaml`, and where its state lives.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// Absolute.
    pub(crate) root: PathBuf,
    /// `trainyard.yaml` if there is one.
    pub(crate) file: Option<String>,
    /// Absolute; not made yet.
    pub(crate) home: PathBuf,
    /// The files of a revision, if they are to be taken instead of those in the folder.
    pub(crate) checkout: Option<Arc<Checkout>>,
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
        Ok(Self {
            root,
            file,
            home,
            checkout: None,
        })
    }

    /// The same project as of a revision, if one is named.
    pub(crate) fn at(self, revision: Option<&str>) -> Result<Self, Fault> {
        let Some(revision) = revision else { return Ok(self) };
        let checkout = Checkout::of(&self.open_home()?, &self.root, revision).map_err(no_revision)?;
        Ok(self.with(checkout))
    }

    /// The same project with the files that a run or plan was made of, if these were of a revision.
    pub(crate) fn at_revision(self, code: Option<&CodeVersion>) -> Result<Self, Fault> {
        let Some(version) = code.filter(|code| code.pinned.is_some()) else {
            return Ok(self);
        };
        let home = self.open_home()?;
        let checkout = Checkout::again(&home, &self.root, version.clone()).map_err(no_revision)?;
        Ok(self.with(checkout))
    }

    fn with(mut self, checkout: Checkout) -> Self {
        let has_file = checkout.folder().join(PROJECT_FILE).is_file();
        self.file = has_file.then(|| PROJECT_FILE.to_owned());
        self.checkout = Some(Arc::new(checkout));
        self
    }

    /// Its files as checks read them.
    pub(crate) fn files(&self) -> Box<dyn Files> {
        match &self.checkout {
            Some(checkout) => Box::new(RevisionFiles::new(checkout, self.root.clone())),
            None => Box::new(DiskFiles::new(self.root.clone())),
        }
    }

    /// That a pipeline's file is not there at the revision, if it is not.
    pub(crate) fn lacks(&self, entry: &str) -> Option<Fault> {
        let checkout = self.checkout.as_ref()?;
        if checkout.folder().join(entry).is_file() {
            return None;
        }
        let version = checkout.version();
        let fault = Fault::new(format!("there is no file {entry} at revision {version}"));
        let there = self.pipeline_files().unwrap_or_default();
        Some(match there.as_slice() {
            [] => fault.help("there was no pipeline at all"),
            names => fault.help(format!("pipelines there are {}", names.join(", "))),
        })
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

    /// Where features are looked up.
    pub(crate) fn online_store(&self) -> Result<Place, Fault> {
        let url = match std::env::var(ONLINE_STORE_URL) {
            Ok(url) => Some(url),
            Err(std::env::VarError::NotPresent) => None,
            Err(error) => {
                return Err(Fault::while_doing(
                    format!("could not read {ONLINE_STORE_URL}"),
                    &error,
                ));
            }
        };
        Place::read(url.as_deref(), &self.home)
            .map_err(|error| Fault::from(error).help(format!("{ONLINE_STORE_URL} names the online store")))
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
        let folder = self
            .checkout
            .as_ref()
            .map_or(self.root.as_path(), |it| it.folder());
        trainyard_engine::pipeline_files(folder)
            .map_err(|error| Fault::while_doing(format!("could not list {}", self.root.display()), &error))
    }
}

fn no_revision(error: RevisionError) -> Fault {
    let help = error.help();
    Fault {
        help,
        ..Fault::from(error)
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
