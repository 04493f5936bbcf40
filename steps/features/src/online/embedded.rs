//! The online store in one file, on LMDB.
//!
//! Any number of processes read while one writes. Readers see the state of the last commit, whole, straight from the
//! file's pages and without a lock; a writer that is killed leaves the last commit as it was. A materialisation is one
//! transaction: pushes wait for its end.
//!
//! ```text
//! view (8 bytes) key → row        zero (8 bytes) word view … → what is known about a view, as JSON
//! ```

use super::row::{event_time, times};
use super::store::Visit;
use super::{
    Field, KeyBytes, Layout, OnlineError, OnlineStore, Projector, Row, Statistics, ViewId, Watermark, Write,
    Written,
};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, MdbError, RoTxn, RwTxn, WithTls};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use trainyard_contract::Timestamp;

/// Room in the address space, not on the disk: the file grows as it is written. Where there is less, less is taken.
const ROOMS: [usize; 3] = [1 << 40, 1 << 36, 1 << 32];
/// Threads that read at once, of all processes.
const READERS: u32 = 1_024;
const PAGE: u64 = 4_096;
const FORMAT: u32 = 1;
/// Keys that are removed at a time.
const REMOVED: usize = 10_000;

/// The embedded store. Opened twice in a process it is the same store.
#[derive(Clone)]
pub struct Embedded(Arc<Opened>);

struct Opened {
    path: PathBuf,
    env: Env,
    rows: Database<Bytes, Bytes>,
    layouts: RwLock<Layouts>,
}

/// Layouts that were read, by view and id.
type Layouts = HashMap<([u8; 8], u32), Arc<Layout>>;

/// A file may be mapped but once in a process.
static OPENED: Mutex<Vec<(PathBuf, Weak<Opened>)>> = Mutex::new(Vec::new());

/// What is kept of a view besides its rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct ViewRecord {
    view: String,
    rows: u64,
    bytes: u64,
    newest: Option<i64>,
    written_at: Option<i64>,
}

impl Embedded {
    /// Opens the file, which is made if it is not there.
    ///
    /// # Errors
    /// `Damaged` if it is no such file or has lost its end, `Newer`, `Full`, `Io`.
    pub fn open(path: &Path) -> Result<Self, OnlineError> {
        Self::with_room(path, &ROOMS)
    }

    /// The same with bounds to its size, the first that the system grants.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn with_room(path: &Path, rooms: &[usize]) -> Result<Self, OnlineError> {
        let io = |doing, source: std::io::Error| OnlineError::Io {
            doing,
            place: path.display().to_string(),
            source: Box::new(source),
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|source| io("make the folder of", source))?;
        }
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !fs::metadata(path).is_ok_and(|file| file.len() > 0);
        if is_new {
            // So that its place has one name, by which it is known here.
            let made = OpenOptions::new().append(true).create(true).open(path);
            made.map_err(|source| io("make", source))?;
        }
        let path = path.canonicalize().map_err(|source| io("find", source))?;
        opened.retain(|(_, store)| store.strong_count() > 0);
        let known = opened.iter().find(|(known, _)| *known == path);
        if let Some(store) = known.and_then(|(_, store)| store.upgrade()) {
            return Ok(Self(store));
        }
        let store = Arc::new(Opened::new(&path, rooms)?);
        opened.push((path, Arc::downgrade(&store)));
        Ok(Self(store))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Opened {
    fn new(path: &Path, rooms: &[usize]) -> Result<Self, OnlineError> {
        let fault = |doing, error| fault(path, doing, error);
        let env = map(path, rooms).map_err(|error| fault("open", error))?;
        whole(path, &env)?;
        // Readers that were killed would keep old pages in use.
        env.clear_stale_readers().map_err(|error| fault("open", error))?;
        let reading = env.read_txn().map_err(|error| fault("open", error))?;
        let rows = env
            .open_database::<Bytes, Bytes>(&reading, None)
            .map_err(|error| fault("open", error))?;
        let known = rows
            .as_ref()
            .map(|rows| {
                rows.get(&reading, &word(b"format", &[]))
                    .map(|bytes| bytes.map(<[u8]>::to_vec))
            })
            .transpose()
            .map_err(|error| fault("open", error))?
            .flatten();
        drop(reading);
        let rows = match (rows, known) {
            (Some(rows), Some(known)) => {
                let format: Option<u32> = serde_json::from_slice(&known).ok();
                match format {
                    Some(FORMAT) => rows,
                    Some(_) => {
                        return Err(OnlineError::Newer {
                            place: path.display().to_string(),
                        });
                    }
                    None => return Err(damaged(path, "its format cannot be read")),
                }
            }
            _ => begin(&env).map_err(|error| fault("begin", error))?,
        };
        Ok(Self {
            path: path.to_owned(),
            env,
            rows,
            layouts: RwLock::default(),
        })
    }

    fn fault(&self, doing: &'static str, error: heed::Error) -> OnlineError {
        fault(&self.path, doing, error)
    }

    fn reading(&self) -> Result<RoTxn<'_, WithTls>, OnlineError> {
        let reading = match self.env.read_txn() {
            Err(heed::Error::Mdb(MdbError::ReadersFull)) => {
                // Places of processes that were killed.
                let cleared = self.env.clear_stale_readers();
                cleared.and_then(|_| self.env.read_txn())
            }
            other => other,
        };
        reading.map_err(|error| self.fault("read", error))
    }

    fn document<T: DeserializeOwned>(
        &self,
        reading: &RoTxn<'_>,
        key: &[u8],
    ) -> Result<Option<T>, OnlineError> {
        let found = self
            .rows
            .get(reading, key)
            .map_err(|error| self.fault("read", error))?;
        found
            .map(|bytes| serde_json::from_slice(bytes))
            .transpose()
            .map_err(|error| {
                damaged(
                    &self.path,
                    &format!("what is known of a view cannot be read ({error})"),
                )
            })
    }

    fn keep<T: Serialize>(
        &self,
        writing: &mut RwTxn<'_>,
        key: &[u8],
        document: &T,
    ) -> Result<(), OnlineError> {
        let text = serde_json::to_vec(document).map_err(|error| OnlineError::Source(Box::new(error)))?;
        self.rows
            .put(writing, key, &text)
            .map_err(|error| self.fault("write to", error))
    }

    /// The layout of a row, from memory once it was seen.
    fn layout(&self, reading: &RoTxn<'_>, prefix: [u8; 8], id: u32) -> Result<Arc<Layout>, OnlineError> {
        let known = self.layouts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = known.get(&(prefix, id)) {
            return Ok(layout.clone());
        }
        drop(known);
        let fields: Option<Vec<Field>> = self.document(reading, &layout_key(prefix, id))?;
        let layout = fields.map(Layout::new).filter(|layout| layout.id() == id);
        let layout = layout.ok_or_else(|| damaged(&self.path, "a row has a layout that is not known"))?;
        let layout = Arc::new(layout);
        self.layouts
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((prefix, id), layout.clone());
        Ok(layout)
    }

    fn put(
        &self,
        writing: &mut RwTxn<'_>,
        write: &mut Write<'_>,
        now: Timestamp,
    ) -> Result<Written, OnlineError> {
        let prefix = write.view.prefix();
        let mut record = self.record(writing, write.view)?;
        let is_first = record.rows == 0;
        let layout_key = layout_key(prefix, write.layout.id());
        if self.document::<Vec<Field>>(writing, &layout_key)?.is_none() {
            self.keep(writing, &layout_key, &write.layout.fields())?;
        }
        let mut written = Written::default();
        let mut key = prefix.to_vec();
        // Until then no key was met that is there already, and each came after the one before.
        let mut is_new_ground = is_first;
        let mut highest: Vec<u8> = Vec::new();
        for piece in &mut *write.rows {
            for (name, row) in piece?.iter() {
                written.rows += 1;
                key.truncate(prefix.len());
                key.extend_from_slice(name);
                if is_new_ground && key <= highest {
                    is_new_ground = false;
                }
                let old = if is_new_ground {
                    None
                } else {
                    self.rows
                        .get(writing, &key)
                        .map_err(|error| self.fault("read", error))?
                };
                if let Some(old) = old {
                    if times(row) < times(old) {
                        continue;
                    }
                    record.bytes = record.bytes.saturating_sub((key.len() + old.len()) as u64);
                } else {
                    record.rows += 1;
                }
                self.rows
                    .put(writing, &key, row)
                    .map_err(|error| self.fault("write to", error))?;
                if is_new_ground {
                    highest.clone_from(&key);
                }
                let bytes = (key.len() + row.len()) as u64;
                record.bytes += bytes;
                record.newest = record.newest.max(Some(event_time(row)));
                written.changed += 1;
                written.bytes += bytes;
            }
        }
        record.written_at = Some(now.0);
        self.keep(writing, &word(b"view", &prefix), &record)?;
        if let Some(watermark) = write.watermark {
            self.keep(writing, &word(b"mark", &prefix), &watermark())?;
        }
        Ok(written)
    }

    fn record(&self, reading: &RoTxn<'_>, view: &ViewId) -> Result<ViewRecord, OnlineError> {
        let found: Option<ViewRecord> = self.document(reading, &word(b"view", &view.prefix()))?;
        let record = found.unwrap_or_else(|| ViewRecord {
            view: view.to_string(),
            ..ViewRecord::default()
        });
        if record.view != view.to_string() {
            return Err(damaged(
                &self.path,
                &format!("rows of {} lie where those of {view} should", record.view),
            ));
        }
        Ok(record)
    }

    fn commit(&self, writing: RwTxn<'_>) -> Result<(), OnlineError> {
        writing.commit().map_err(|error| self.fault("write to", error))
    }

    fn writing(&self) -> Result<RwTxn<'_>, OnlineError> {
        self.env
            .write_txn()
            .map_err(|error| self.fault("write to", error))
    }

    /// Removes those keys and counts them off.
    fn remove(&self, writing: &mut RwTxn<'_>, view: &ViewId, keys: &[Vec<u8>]) -> Result<u64, OnlineError> {
        let mut record = self.record(writing, view)?;
        let mut removed = 0;
        for key in keys {
            let old = self
                .rows
                .get(writing, key)
                .map_err(|error| self.fault("read", error))?;
            let Some(size) = old.map(|old| (key.len() + old.len()) as u64) else {
                continue;
            };
            self.rows
                .delete(writing, key)
                .map_err(|error| self.fault("write to", error))?;
            record.rows = record.rows.saturating_sub(1);
            record.bytes = record.bytes.saturating_sub(size);
            removed += 1;
        }
        self.keep(writing, &word(b"view", &view.prefix()), &record)?;
        Ok(removed)
    }
}

impl OnlineStore for Embedded {
    fn get(
        &self,
        view: &ViewId,
        wanted: &[Field],
        keys: &[KeyBytes],
        visit: &mut Visit<'_>,
    ) -> Result<(), OnlineError> {
        let store = &self.0;
        let reading = store.reading()?;
        let prefix = view.prefix();
        let mut projector = Projector::new(wanted);
        let mut key = prefix.to_vec();
        for (place, name) in keys.iter().enumerate() {
            key.truncate(prefix.len());
            key.extend_from_slice(name.as_bytes());
            let found = store
                .rows
                .get(&reading, &key)
                .map_err(|error| store.fault("read", error))?;
            let Some(bytes) = found else {
                visit(place, None);
                continue;
            };
            let row = Row::read(bytes).ok_or_else(|| damaged(&store.path, &format!("a row of {view}")))?;
            let known = projector.of(row, |id| store.layout(&reading, prefix, id))?;
            visit(place, Some((row, known)));
        }
        Ok(())
    }

    fn write(&self, writes: &mut [Write<'_>], now: Timestamp) -> Result<Vec<Written>, OnlineError> {
        let mut writing = self.0.writing()?;
        let written = writes
            .iter_mut()
            .map(|write| self.0.put(&mut writing, write, now))
            .collect::<Result<Vec<_>, _>>()?;
        self.0.commit(writing)?;
        Ok(written)
    }

    fn delete(&self, view: &ViewId, keys: &[KeyBytes]) -> Result<u64, OnlineError> {
        let prefix = view.prefix();
        let keys: Vec<Vec<u8>> = keys
            .iter()
            .map(|key| [&prefix, key.as_bytes()].concat())
            .collect();
        let mut writing = self.0.writing()?;
        let removed = self.0.remove(&mut writing, view, &keys)?;
        self.0.commit(writing)?;
        Ok(removed)
    }

    fn expire(&self, view: &ViewId, before: Timestamp) -> Result<u64, OnlineError> {
        let mut writing = self.0.writing()?;
        let prefix = view.prefix();
        let mut removed = 0;
        let mut from = prefix.to_vec();
        loop {
            let mut old: Vec<Vec<u8>> = Vec::new();
            let mut next = None;
            let range = (
                std::ops::Bound::Included(from.as_slice()),
                std::ops::Bound::Unbounded,
            );
            let found = self
                .0
                .rows
                .range(&writing, &range)
                .map_err(|error| self.0.fault("read", error))?;
            for entry in found {
                let (key, row) = entry.map_err(|error| self.0.fault("read", error))?;
                if !key.starts_with(&prefix) {
                    break;
                }
                if event_time(row) < before.0 {
                    old.push(key.to_vec());
                }
                if old.len() == REMOVED {
                    next = Some(key.to_vec());
                    break;
                }
            }
            removed += self.0.remove(&mut writing, view, &old)?;
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        self.0.commit(writing)?;
        Ok(removed)
    }

    fn watermark(&self, view: &ViewId) -> Result<Option<Watermark>, OnlineError> {
        let reading = self.0.reading()?;
        self.0.document(&reading, &word(b"mark", &view.prefix()))
    }

    fn statistics(&self, view: &ViewId) -> Result<Statistics, OnlineError> {
        let reading = self.0.reading()?;
        let record = self.0.record(&reading, view)?;
        Ok(Statistics {
            rows: record.rows,
            bytes: Some(record.bytes),
            newest: record.newest.map(Timestamp),
            written_at: record.written_at.map(Timestamp),
        })
    }

    fn is_near(&self) -> bool {
        true
    }
}

/// The key of what is known: no view's keys begin with zeros.
fn word(word: &[u8], view: &[u8]) -> Vec<u8> {
    [&[0; 8], word, view].concat()
}

fn layout_key(prefix: [u8; 8], id: u32) -> Vec<u8> {
    [&word(b"layout", &prefix), id.to_be_bytes().as_slice()].concat()
}

fn begin(env: &Env) -> Result<Database<Bytes, Bytes>, heed::Error> {
    let mut writing = env.write_txn()?;
    let rows = env.create_database::<Bytes, Bytes>(&mut writing, None)?;
    rows.put(&mut writing, &word(b"format", &[]), FORMAT.to_string().as_bytes())?;
    writing.commit()?;
    Ok(rows)
}

#[expect(
    unsafe_code,
    reason = "mapping a file is unsafe: somebody could cut it off under us; nobody but this module writes to it"
)]
fn map(path: &Path, rooms: &[usize]) -> Result<Env, heed::Error> {
    let mut failed = None;
    for room in rooms {
        let mut options = EnvOpenOptions::new();
        options.map_size(*room).max_readers(READERS);
        // SAFETY: the flag keeps all promises of durability. The file belongs to this module, is never cut shorter,
        // and is mapped once in a process (`OPENED`).
        let opened = unsafe {
            options.flags(EnvFlags::NO_SUB_DIR);
            options.open(path)
        };
        match opened {
            Ok(env) => return Ok(env),
            Err(heed::Error::Io(error)) if error.kind() == std::io::ErrorKind::OutOfMemory => {
                failed = Some(heed::Error::Io(error));
            }
            Err(other) => return Err(other),
        }
    }
    Err(failed.unwrap_or(heed::Error::Mdb(MdbError::Invalid)))
}

/// Reading beyond the end of a mapped file ends the process. What a file has lost is filled with zeros, which are an
/// error when they are read. (The last pages of a sound file may never have been written.)
fn whole(path: &Path, env: &Env) -> Result<(), OnlineError> {
    let lengthen = || -> std::io::Result<()> {
        let file: File = OpenOptions::new().write(true).open(path)?;
        let wanted = (env.info().last_page_number as u64 + 1) * PAGE;
        if file.metadata()?.len() < wanted {
            file.set_len(wanted)?;
        }
        Ok(())
    };
    lengthen().map_err(|source| fault(path, "open", heed::Error::Io(source)))
}

fn damaged(path: &Path, what: &str) -> OnlineError {
    OnlineError::Damaged {
        place: path.display().to_string(),
        what: what.to_owned(),
    }
}

fn fault(path: &Path, doing: &'static str, error: heed::Error) -> OnlineError {
    let place = path.display().to_string();
    match error {
        heed::Error::Mdb(
            error @ (MdbError::Invalid
            | MdbError::Corrupted
            | MdbError::PageNotFound
            | MdbError::VersionMismatch
            | MdbError::Panic),
        ) => damaged(path, &error.to_string()),
        heed::Error::Mdb(MdbError::MapFull) => OnlineError::Full { place },
        heed::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            OnlineError::Full { place }
        }
        error => OnlineError::Io {
            doing,
            place,
            source: Box::new(error),
        },
    }
}
