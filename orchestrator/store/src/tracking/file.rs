//! Files that clients have put, by the paths they know them under.

use super::{Tracking, TrackingError};
use crate::database::params;
use crate::queries;
use trainyard_contract::{ContentHash, Timestamp};

const READING: &str = "look up a file";
const WRITING: &str = "note a file";
/// Entries of a folder that are listed at most, and files that are looked at for them.
const MOST_LISTED: i64 = 100_000;

/// A file, or a folder of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedFile {
    /// The whole path.
    pub path: String,
    /// None for a folder.
    pub size: Option<u64>,
}

impl Tracking<'_> {
    /// Content and size in bytes of a file.
    ///
    /// # Errors
    /// Of the database.
    pub fn file(&self, path: &str) -> Result<Option<(ContentHash, u64)>, TrackingError> {
        let found = self
            .store
            .first(READING, queries::TRACKED_FILE_GET, [path], |row| {
                Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, i64>(1)?))
            })?;
        Ok(found.map(|(hash, size)| (ContentHash::from(hash), size.unsigned_abs())))
    }

    /// Says what a path holds from now on.
    ///
    /// # Errors
    /// Of the database.
    pub fn put_file(
        &self,
        path: &str,
        content: &ContentHash,
        size: u64,
        at: Timestamp,
    ) -> Result<(), TrackingError> {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let values = params![path, content.as_bytes(), size, at.0];
        self.store.send(WRITING, queries::TRACKED_FILE_PUT, values)?;
        Ok(())
    }

    /// What is right below a folder, by name; the empty path is the root.
    ///
    /// # Errors
    /// Of the database.
    pub fn files_in(&self, folder: &str) -> Result<Vec<TrackedFile>, TrackingError> {
        let (from, to, start) = if folder.is_empty() {
            (String::new(), "\u{10ffff}".to_owned(), 0)
        } else {
            (format!("{folder}/"), format!("{folder}0"), folder.len() + 1)
        };
        let mut found: Vec<TrackedFile> = Vec::new();
        let rows = self.store.all(
            READING,
            queries::TRACKED_FILE_BELOW,
            params![from, to, MOST_LISTED],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)),
        )?;
        for (path, size) in rows {
            let below = path.get(start..).unwrap_or_default();
            match below.find('/') {
                None => found.push(TrackedFile {
                    size: Some(size.unsigned_abs()),
                    path,
                }),
                Some(end) => {
                    let inner = path.get(..start + end).unwrap_or_default();
                    if found.last().is_none_or(|last| last.path != inner) {
                        found.push(TrackedFile {
                            path: inner.to_owned(),
                            size: None,
                        });
                    }
                }
            }
        }
        // `a/b`, `a-b` and `a` lie apart from each other in the order of bytes.
        found.sort_by(|one, other| one.path.cmp(&other.path));
        found.dedup_by(|one, other| one.path == other.path && one.size.is_none() && other.size.is_none());
        Ok(found)
    }

    /// Forgets a file, or a folder with all below it; gives how many files. Their content stays where other
    /// paths have it.
    ///
    /// # Errors
    /// Of the database.
    pub fn drop_files(&self, path: &str) -> Result<usize, TrackingError> {
        let values = params![path, format!("{path}/"), format!("{path}0")];
        Ok(self.store.execute(WRITING, queries::TRACKED_FILE_DROP, values)?)
    }
}
