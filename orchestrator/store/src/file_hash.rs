//! Content hashes of files that have not changed since they were read.

use crate::database::params;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::store::Store;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use trainyard_contract::{ContentHash, Timestamp};

/// What tells, without reading it, that a file is as it was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileStamp {
    /// As the caller names it; absolute, so that it means the same tomorrow.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
    pub inode: u64,
}

/// A file written this recently may be written again without its time changing: file systems
/// count time in steps of up to two seconds.
const TOO_RECENT_NS: i64 = 2_000_000_000;

impl FileStamp {
    /// The stamp of the file at `path`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            path: path.to_string_lossy().into_owned(),
            size: metadata.len(),
            mtime_ns: metadata
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(metadata.mtime_nsec()),
            inode: metadata.ino(),
        })
    }
}

impl Store {
    /// The content hash of the file, if it was remembered under exactly this stamp.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn file_hash(&self, file: &FileStamp) -> Result<Option<ContentHash>, StoreError> {
        let doing = "look up a file's hash";
        let values = params![file.path, bits(file.size), file.mtime_ns, bits(file.inode)];
        let bytes = self.first(doing, queries::FILE_HASH_GET, values, |row| {
            row.get::<_, [u8; 32]>(0)
        })?;
        bytes
            .map(|bytes| hash(&bytes).map_err(unreadable(doing)))
            .transpose()
    }

    /// Remembers what files hashed to, each stamp taken before its file was read. `now` is the time
    /// of that stamp: files written within the two seconds before it are passed over.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn remember_file_hashes(
        &mut self,
        files: &[(FileStamp, ContentHash)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "remember a file's hash";
        let newest = now.0.saturating_mul(1000).saturating_sub(TOO_RECENT_NS);
        if files.iter().all(|(file, _)| file.mtime_ns > newest) {
            return Ok(());
        }
        self.transact(doing, |store| {
            let mut trusted: Vec<_> = files.iter().filter(|(file, _)| file.mtime_ns <= newest).collect();
            // In an order that everybody keeps, so that none waits for one that waits for it.
            trusted.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
            for (file, hash) in trusted {
                let values = params![
                    file.path,
                    bits(file.size),
                    file.mtime_ns,
                    bits(file.inode),
                    hash.as_bytes()
                ];
                store.send(doing, queries::FILE_HASH_PUT, values)?;
            }
            Ok(())
        })
    }
}

/// SQLite has no unsigned column; inodes use all 64 bits on some file systems.
fn bits(number: u64) -> i64 {
    number.cast_signed()
}

/// A hash as kept in a column.
pub(crate) fn hash(bytes: &[u8; 32]) -> Result<ContentHash, String> {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .parse()
}
