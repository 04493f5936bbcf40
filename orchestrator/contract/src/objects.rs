//! The object folder: content under its own hash, written so that a power cut leaves a whole object
//! or none, and read back only if the bytes still have that hash.

use crate::artifact::ContentHash;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why an object could not be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("object {hash} is missing from {}", folder.display())]
    Missing { hash: ContentHash, folder: PathBuf },
    #[error("object {hash} is damaged: its content now hashes to {found}")]
    Damaged { hash: ContentHash, found: ContentHash },
    #[error("could not {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A folder of objects, `ab/abcdef…` by the hexadecimal digits of their hash.
#[derive(Clone, Debug)]
pub struct Objects {
    folder: PathBuf,
}

static UNIQUE: AtomicU64 = AtomicU64::new(0);

impl Objects {
    /// The objects in `folder`, which is made when first written to.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where an object of that hash is, or would be.
    pub fn path(&self, hash: &ContentHash) -> PathBuf {
        let name = hash.to_string();
        self.folder.join(&name[..2]).join(name)
    }

    /// Whether the object is there, unread.
    pub fn contains(&self, hash: &ContentHash) -> bool {
        self.path(hash).is_file()
    }

    /// A path for a file that is to become an object by [`Objects::adopt`], on the same file system.
    ///
    /// # Errors
    /// `Io` if the folder cannot be made.
    pub fn staging_path(&self) -> Result<PathBuf, ObjectError> {
        let staging = self.folder.join("staging");
        fs::create_dir_all(&staging).map_err(io_error("make folder", &staging))?;
        let number = UNIQUE.fetch_add(1, Ordering::Relaxed);
        Ok(staging.join(format!("{}-{number}", std::process::id())))
    }

    /// Keeps the bytes; durable when it returns.
    ///
    /// # Errors
    /// `Io` if they cannot be written and flushed.
    pub fn put(&self, bytes: &[u8]) -> Result<ContentHash, ObjectError> {
        let staged = self.staging_path()?;
        let written = File::create(&staged).and_then(|mut file| file.write_all(bytes));
        if let Err(source) = written {
            let _ = fs::remove_file(&staged);
            return Err(ObjectError::Io {
                doing: "write",
                path: staged,
                source,
            });
        }
        self.adopt(&staged).map(|(hash, _)| hash)
    }

    /// Takes a finished file into the objects: hashed, flushed, renamed. Returns hash and size in
    /// bytes; durable when it returns. The file is gone afterwards, also on failure.
    ///
    /// # Errors
    /// `Io` if the file cannot be read, flushed or renamed.
    pub fn adopt(&self, file: &Path) -> Result<(ContentHash, u64), ObjectError> {
        let adopted = self.adopt_inner(file);
        if adopted.is_err() {
            let _ = fs::remove_file(file);
        }
        adopted
    }

    fn adopt_inner(&self, file: &Path) -> Result<(ContentHash, u64), ObjectError> {
        let (hash, size) = hash_file(file)?;
        let target = self.path(&hash);
        if target.is_file() && hash_file(&target).is_ok_and(|(found, _)| found == hash) {
            let _ = fs::remove_file(file);
            return Ok((hash, size));
        }
        let parent = target.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).map_err(io_error("make folder", parent))?;
        File::open(file)
            .and_then(|f| f.sync_all())
            .map_err(io_error("flush", file))?;
        fs::rename(file, &target).map_err(io_error("rename into", &target))?;
        // The name is durable only when its folder, and that folder's own name, are.
        for folder in [parent, &self.folder] {
            File::open(folder)
                .and_then(|f| f.sync_all())
                .map_err(io_error("flush folder", folder))?;
        }
        Ok((hash, size))
    }

    /// The bytes, after checking them against the hash.
    ///
    /// # Errors
    /// `Missing`, `Damaged`, or `Io` if the file cannot be read.
    pub fn get(&self, hash: &ContentHash) -> Result<Vec<u8>, ObjectError> {
        let path = self.path(hash);
        let bytes = fs::read(&path).map_err(|source| self.missing_or_io(hash, &path, source))?;
        let found = ContentHash::of(&bytes);
        if found == *hash {
            Ok(bytes)
        } else {
            Err(ObjectError::Damaged { hash: *hash, found })
        }
    }

    /// The path, after checking the file's content against the hash: for readers that want a file.
    ///
    /// # Errors
    /// As [`Objects::get`].
    pub fn verified_path(&self, hash: &ContentHash) -> Result<PathBuf, ObjectError> {
        let path = self.path(hash);
        if !path.is_file() {
            return Err(ObjectError::Missing {
                hash: *hash,
                folder: self.folder.clone(),
            });
        }
        let (found, _) = hash_file(&path)?;
        if found == *hash {
            Ok(path)
        } else {
            Err(ObjectError::Damaged { hash: *hash, found })
        }
    }

    fn missing_or_io(&self, hash: &ContentHash, path: &Path, source: io::Error) -> ObjectError {
        if source.kind() == io::ErrorKind::NotFound {
            ObjectError::Missing {
                hash: *hash,
                folder: self.folder.clone(),
            }
        } else {
            ObjectError::Io {
                doing: "read",
                path: path.to_owned(),
                source,
            }
        }
    }
}

/// Hash and size in bytes of a file's content.
///
/// # Errors
/// `Io` if it cannot be read.
pub fn hash_file(path: &Path) -> Result<(ContentHash, u64), ObjectError> {
    let mut file = File::open(path).map_err(io_error("open", path))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0u8; 1 << 17];
    let mut size = 0u64;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => return Ok((ContentHash::finish(&hasher), size)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(ObjectError::Io {
                    doing: "read",
                    path: path.to_owned(),
                    source,
                });
            }
        };
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}

fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> ObjectError + use<'a> {
    move |source| ObjectError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn what_was_put_comes_back_under_its_hash() {
        let dir = folder();
        let objects = Objects::new(dir.path());
        let hash = objects.put(b"rows").unwrap();
        assert_eq!(objects.get(&hash).unwrap(), b"rows");
        assert_eq!(objects.put(b"rows").unwrap(), hash);
        assert_eq!(fs::read_dir(dir.path().join("staging")).unwrap().count(), 0);
    }

    #[test]
    fn one_flipped_bit_is_noticed_and_healed_by_the_next_put() {
        let dir = folder();
        let objects = Objects::new(dir.path());
        let hash = objects.put(b"rows").unwrap();
        fs::write(objects.path(&hash), b"rowr").unwrap();
        assert!(matches!(objects.get(&hash), Err(ObjectError::Damaged { .. })));
        assert!(matches!(
            objects.verified_path(&hash),
            Err(ObjectError::Damaged { .. })
        ));
        objects.put(b"rows").unwrap();
        assert_eq!(objects.get(&hash).unwrap(), b"rows");
    }

    #[test]
    fn a_missing_object_is_named() {
        let dir = folder();
        let hash = ContentHash::of(b"never");
        assert!(matches!(
            Objects::new(dir.path()).get(&hash),
            Err(ObjectError::Missing { .. })
        ));
    }
}
