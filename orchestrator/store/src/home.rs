//! The state folder: the database, unless that is elsewhere, and beside it what is too large or too
//! short-lived for one.

use crate::error::StoreError;
use crate::store::Store;
use std::fs;
use std::path::{Path, PathBuf};
use trainyard_contract::{ContentHash, Objects, RunId};

/// `.trainyard/`, or where `--home` points: `state.db`, `objects/`, `logs/`, `scratch/`, `locks/`, and
/// `checkouts/` where revisions were run.
#[derive(Clone, Debug)]
pub struct Home {
    folder: PathBuf,
    /// A PostgreSQL database that is used instead of `state.db`.
    database_url: Option<DatabaseUrl>,
}

/// Has a password, and so is not shown.
#[derive(Clone)]
struct DatabaseUrl(String);

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Home {
    /// The state folder at `path`; it and its subfolders are made if missing.
    ///
    /// # Errors
    /// `ReadOnly`, `Full`, `Io`.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = path.into();
        for name in ["objects", "logs", "scratch", "locks"] {
            let wanted = folder.join(name);
            fs::create_dir_all(&wanted)
                .map_err(|source| StoreError::io("make the state folder", &wanted, source))?;
        }
        // State is nothing to commit; the folder says so itself.
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n")
                .map_err(|source| StoreError::io("make the state folder", &ignore, source))?;
        }
        Ok(Self {
            folder,
            database_url: None,
        })
    }

    /// The same folder with its database elsewhere: `postgres://user:password@host:port/database`, or
    /// `postgresql://…`.
    ///
    /// # Errors
    /// `InvalidUrl` if it is of another kind.
    pub fn with_database(mut self, url: &str) -> Result<Self, StoreError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(StoreError::InvalidUrl(
                "it has to begin with `postgres://`".to_owned(),
            ));
        }
        self.database_url = Some(DatabaseUrl(url.to_owned()));
        Ok(self)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The database file, unless [`Home::with_database`] names another place.
    pub fn database(&self) -> PathBuf {
        self.folder.join("state.db")
    }

    /// The object folder.
    pub fn objects(&self) -> Objects {
        Objects::new(self.folder.join("objects"))
    }

    /// File for the log of an attempt; its folder may have to be made.
    pub fn log_path(&self, run: &RunId, instance: &str, attempt: u32) -> PathBuf {
        self.folder
            .join("logs")
            .join(run.as_str())
            .join(format!("{}.{attempt}.log", file_name(instance)))
    }

    /// Folder for an attempt's temporary files; to be made before and removed after.
    pub fn scratch_path(&self, run: &RunId, instance: &str, attempt: u32) -> PathBuf {
        self.folder
            .join("scratch")
            .join(run.as_str())
            .join(format!("{}.{attempt}", file_name(instance)))
    }

    /// Folders of files that are a run's alone: logs, what attempts have left of temporary files, and reports
    /// under their names. Not all of them need be there.
    pub fn folders_of(&self, run: &RunId) -> [PathBuf; 3] {
        [
            self.folder.join("logs").join(run.as_str()),
            self.folder.join("scratch").join(run.as_str()),
            self.folder.join("reports").join(run.short()),
        ]
    }

    /// Folder of the log of rows that were pushed to a view version; it need not be there.
    pub fn pushed_features(&self, view: &str, version: u32) -> PathBuf {
        self.folder
            .join("features")
            .join(format!("{view}@v{version}"))
            .join("pushed")
    }

    /// A connection for reading and writing; the database is made or migrated if needed.
    ///
    /// # Errors
    /// As [`Store::open`] or [`Store::connect`].
    pub fn store(&self) -> Result<Store, StoreError> {
        match &self.database_url {
            Some(url) => Store::connect(&url.0),
            None => Store::open(&self.database()),
        }
    }

    /// A connection for reading; works where nothing can be written.
    ///
    /// # Errors
    /// As [`Store::open_read_only`] or [`Store::connect_read_only`].
    pub fn store_read_only(&self) -> Result<Store, StoreError> {
        match &self.database_url {
            Some(url) => Store::connect_read_only(&url.0),
            None => Store::open_read_only(&self.database()),
        }
    }
}

/// A file name for an instance such as `train[algorithm=random_forest]`: one component whatever the
/// text, different for different texts. A text that had to be changed or cut carries its hash.
fn file_name(instance: &str) -> String {
    const LONGEST: usize = 100;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    if (1..=LONGEST).contains(&instance.len()) && instance.chars().all(is_plain) {
        return instance.to_owned();
    }
    let readable: String = instance
        .chars()
        .take(LONGEST)
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    format!("{readable}~{}", ContentHash::of(instance.as_bytes()).short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_instance_name_leaves_its_folder_and_no_two_share_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let run = RunId::from_parts(1, [7; 10]);
        let names = [
            "train",
            "train[algorithm=random_forest]",
            "train[algorithm=random-forest]",
            "train[a=A]",
            "train[a=a]",
            "../../etc/passwd",
            "..",
            ".",
            "",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "a\0b",
            "é",
            &"x".repeat(4096),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            for path in [home.log_path(&run, name, 1), home.scratch_path(&run, name, 1)] {
                let parent = path.parent().unwrap();
                assert!(parent.ends_with(run.as_str()), "{name:?}: {}", path.display());
                let file = path.file_name().unwrap().to_str().unwrap();
                assert!(
                    file.len() < 200 && !file.contains(['/', '\\', '\0']) && file != "..",
                    "{file}"
                );
                assert!(seen.insert(path), "{name:?}");
            }
        }
    }
}
