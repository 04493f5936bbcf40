//! Content hashes of files outside the object folder: datasets and the code of process steps.

use std::path::{Path, PathBuf};
use trainyard_contract::objects::hash_file;
use trainyard_contract::{ContentHash, ObjectError, Timestamp};
use trainyard_store::{FileStamp, Store, StoreError};

/// Why the content of a dataset or script could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum FingerprintError {
    #[error("`{location}` names no file")]
    NothingThere { location: String },
    #[error("`{location}` is not a valid pattern")]
    Pattern {
        location: String,
        #[source]
        source: glob::PatternError,
    },
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not look at {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Whether a location is a URL of a kind that is not a local file.
pub fn is_remote(location: &str) -> bool {
    location
        .split_once("://")
        .is_some_and(|(scheme, _)| scheme != "file")
}

/// The local files a location stands for, in order: itself, or what its pattern matches.
///
/// # Errors
/// `NothingThere` if there is none.
pub fn local_files(project: &Path, location: &str) -> Result<Vec<PathBuf>, FingerprintError> {
    let plain = location.strip_prefix("file://").unwrap_or(location);
    let path = project.join(plain);
    if path.is_file() {
        return Ok(vec![path]);
    }
    let pattern = path.to_string_lossy();
    let wrong = |source| FingerprintError::Pattern {
        location: location.to_owned(),
        source,
    };
    let mut files: Vec<PathBuf> = glob::glob(&pattern)
        .map_err(wrong)?
        .filter_map(Result::ok)
        .filter(|p| p.is_file())
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(FingerprintError::NothingThere {
            location: location.to_owned(),
        });
    }
    Ok(files)
}

/// Hash over the content of all local files of a location, or nothing for a remote one. Files whose
/// size, time and inode are as remembered are not read again.
///
/// # Errors
/// If a file is missing or cannot be read.
pub fn content_of(
    store: &mut Store,
    project: &Path,
    location: &str,
    now: Timestamp,
) -> Result<Option<ContentHash>, FingerprintError> {
    if is_remote(location) {
        return Ok(None);
    }
    let files = local_files(project, location)?;
    let mut whole = blake3::Hasher::new();
    for file in &files {
        let hash = hash_of(store, file, now)?;
        // Names count: the same rows under other names may mean another partition.
        whole.update(
            file.strip_prefix(project)
                .unwrap_or(file)
                .to_string_lossy()
                .as_bytes(),
        );
        whole.update(&[0]);
        whole.update(hash.as_bytes());
    }
    Ok(Some(ContentHash::finish(&whole)))
}

fn hash_of(store: &mut Store, file: &Path, now: Timestamp) -> Result<ContentHash, FingerprintError> {
    let stamp = FileStamp::of(file).map_err(|source| FingerprintError::Io {
        path: file.to_owned(),
        source,
    })?;
    if let Some(hash) = store.file_hash(&stamp)? {
        return Ok(hash);
    }
    let (hash, _) = hash_file(file)?;
    store.remember_file_hashes(&[(stamp, hash)], now)?;
    Ok(hash)
}
