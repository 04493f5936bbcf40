//! Where a run's files lie: in the project folder, or in the checkout of a revision with data beside it.

use super::checkout::Checkout;
use crate::disk_files::DiskFiles;
use crate::fingerprint::{is_remote, local_files};
use std::path::{Component, Path, PathBuf};
use trainyard_contract::FailureClass;
use trainyard_contract::task::{Failure, chain};
use trainyard_domain::pipeline::{FileFault, Files};
use trainyard_domain::run::RunDefinition;
use trainyard_store::Home;

/// The folders of a run.
#[derive(Debug)]
pub struct Workplace {
    project: PathBuf,
    /// The files of its revision, if it is bound to one.
    checkout: Option<Result<Checkout, Failure>>,
}

impl Workplace {
    /// Where a definition's files lie. Files of a revision that were removed are made again; if they cannot
    /// be, it is the steps that fail.
    pub fn of(home: &Home, project: &Path, definition: &RunDefinition) -> Self {
        let pinned = definition.code.clone().filter(|code| code.pinned.is_some());
        let checkout = pinned.map(|version| {
            let short = version.short().to_owned();
            Checkout::again(home, project, version).map_err(|error| Failure {
                causes: chain(&error),
                help: error.help(),
                ..Failure::new(
                    FailureClass::IoError,
                    format!("could not get the files of revision {short}"),
                )
            })
        });
        Self {
            project: project.to_owned(),
            checkout,
        }
    }

    /// Why its files cannot be had.
    pub(crate) fn fault(&self) -> Option<&Failure> {
        self.checkout.as_ref()?.as_ref().err()
    }

    fn checkout(&self) -> Option<&Checkout> {
        self.checkout.as_ref()?.as_ref().ok()
    }

    /// Where steps work, and paths of code start.
    pub(crate) fn code(&self) -> &Path {
        self.checkout().map_or(&self.project, Checkout::folder)
    }

    /// Where data is that the revision does not have; none if everything is in one folder.
    pub(crate) fn data(&self) -> Option<&Path> {
        self.checkout().map(|_| self.project.as_path())
    }

    /// Where a relative location of data starts: at the revision's files, if one of them is meant, else at
    /// the project folder.
    pub(crate) fn start_of(&self, location: &str) -> &Path {
        let Some(checkout) = self.checkout() else {
            return &self.project;
        };
        let is_own = !is_remote(location)
            && stays_inside(location)
            && local_files(checkout.folder(), location).is_ok();
        if is_own { checkout.folder() } else { &self.project }
    }
}

/// Whether a location does not climb out of the folder that it starts at.
fn stays_inside(location: &str) -> bool {
    let mut depth = 0i32;
    for part in Path::new(location.strip_prefix("file://").unwrap_or(location)).components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
        if depth < 0 {
            return false;
        }
    }
    true
}

/// The files of a revision, with the project folder's for data that it does not have.
pub struct RevisionFiles {
    code: DiskFiles,
    data: DiskFiles,
}

impl RevisionFiles {
    pub fn new(checkout: &Checkout, project: PathBuf) -> Self {
        Self {
            code: DiskFiles::new(checkout.folder().to_owned()),
            data: DiskFiles::new(project),
        }
    }
}

impl Files for RevisionFiles {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileFault> {
        self.code.read(path)
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, FileFault> {
        self.code.glob(pattern)
    }

    fn exists(&self, path: &str) -> bool {
        self.code.exists(path)
    }

    fn has_data(&self, path: &str) -> bool {
        self.code.exists(path) || self.data.exists(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_inside_may_be_a_file_of_the_revision() {
        for inside in [
            "data/a.csv",
            "./data/*.csv",
            "file://data/a.csv",
            "data/../data/a.csv",
        ] {
            assert!(stays_inside(inside), "{inside}");
        }
        for outside in [
            "../a.csv",
            "/data/a.csv",
            "data/../../a.csv",
            "file:///data/a.csv",
        ] {
            assert!(!stays_inside(outside), "{outside}");
        }
    }
}
