//! Rows that were pushed: an append-only log beside a view version's snapshots.
//!
//! A folder of segments, `000000000001.log`, each a line for each row: 16 hexadecimal digits of the BLAKE3 hash of what
//! follows, a space, and the row as JSON. The last segment, `….open`, is appended to; it is sealed by renaming it, after
//! which its bytes never change and compaction may fold its rows into a snapshot. Processes take turns by a lock on the
//! file `lock`, which the kernel lets go when its holder dies. What a crash left half-written at the end of the open segment
//! was never acknowledged: readers stop there, and the next writer cuts it off.

use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use trainyard_contract::feature::PushPosition;
use trainyard_contract::{ContentHash, Timestamp};

/// Bytes after which a segment is sealed and another begun.
const SEGMENT: u64 = 64 << 20;
/// Longest line that is written or read.
const LONGEST: usize = 16 << 20;
const CHECKSUM: usize = 16;

/// Why rows could not be appended or read.
#[derive(Debug, thiserror::Error)]
pub enum PushLogError {
    #[error("could not {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is damaged at byte {offset}", path.display())]
    Damaged { path: PathBuf, offset: u64 },
    #[error("a pushed row has {bytes} bytes, more than {LONGEST}")]
    TooLong { bytes: usize },
}

/// A row as it was pushed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PushedRow {
    /// When it was taken.
    #[serde(rename = "r")]
    pub received: Timestamp,
    /// Keys, event time, created time and features by name, as JSON: times as ISO 8601 texts.
    #[serde(rename = "v")]
    pub values: serde_json::Map<String, serde_json::Value>,
}

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// From 1 on, without holes.
    pub number: u64,
    /// Whether its bytes may no longer change.
    pub is_sealed: bool,
    path: PathBuf,
}

impl Segment {
    /// Its file, as it was called when it was listed.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The log of a view version.
#[derive(Debug)]
pub struct PushLog {
    folder: PathBuf,
    queue: Mutex<Queue>,
    /// Up to where the open segment is known to be whole.
    writer: Mutex<PushPosition>,
}

/// Lines of threads of this process that wait to be written, so that one flush serves them all.
#[derive(Debug, Default)]
struct Queue {
    lines: Vec<u8>,
    /// Tickets given, and those whose lines were written or failed.
    given: u64,
    over: u64,
    failed: Vec<(u64, u64, String)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> PushLogError + use<'a> {
    move |source| PushLogError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

fn line(row: &PushedRow) -> Result<Vec<u8>, PushLogError> {
    let json = serde_json::to_vec(row).map_err(|error| PushLogError::Io {
        doing: "write a row for",
        path: PathBuf::from("the push log"),
        source: error.into(),
    })?;
    if json.len() > LONGEST {
        return Err(PushLogError::TooLong { bytes: json.len() });
    }
    let mut line = ContentHash::of(&json).to_string().into_bytes();
    line.truncate(CHECKSUM);
    line.push(b' ');
    line.extend(json);
    line.push(b'\n');
    Ok(line)
}

/// The row of a line with its end; nothing if it is not whole.
fn row_of(line: &[u8]) -> Option<PushedRow> {
    let line = line.strip_suffix(b"\n")?;
    let (checksum, json) = (line.get(..CHECKSUM)?, line.get(CHECKSUM + 1..)?);
    if ContentHash::of(json).to_string().as_bytes()[..CHECKSUM] != *checksum {
        return None;
    }
    serde_json::from_slice(json).ok()
}

impl PushLog {
    /// The log in a folder, which is made when first written to.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            queue: Mutex::default(),
            writer: Mutex::default(),
        }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, number: u64, ending: &str) -> PathBuf {
        self.folder.join(format!("{number:012}.{ending}"))
    }

    /// Appends rows; durable when it returns. Threads that append at once share a flush. After a crash before it has
    /// returned, rows may be there or not.
    ///
    /// # Errors
    /// `TooLong` for a row of more than 16 MiB: nothing is appended. `Io`: the rows are not acknowledged, and are taken back
    /// as far as the disk lets us.
    pub fn append(&self, rows: &[PushedRow]) -> Result<(), PushLogError> {
        let mut lines = Vec::new();
        for row in rows {
            lines.extend(line(row)?);
        }
        if lines.is_empty() {
            return Ok(());
        }
        let ticket = {
            let mut queue = locked(&self.queue);
            queue.lines.extend(lines);
            queue.given += 1;
            queue.given
        };
        let mut known = locked(&self.writer);
        let (lines, from, to) = {
            let mut queue = locked(&self.queue);
            if queue.over >= ticket {
                return queue.outcome(ticket, &self.folder);
            }
            (std::mem::take(&mut queue.lines), queue.over + 1, queue.given)
        };
        let written = self.write(&lines, &mut known);
        let mut queue = locked(&self.queue);
        queue.over = to;
        if let Err(error) = &written
            && from < to
        {
            // Of those who wait, each asks once.
            queue.failed.push((from, to, error.to_string()));
            if queue.failed.len() > 64 {
                queue.failed.remove(0);
            }
        }
        written
    }

    fn write(&self, lines: &[u8], known: &mut PushPosition) -> Result<(), PushLogError> {
        let _turn = self.turn()?;
        let (path, mut file, end) = self.open_segment(known)?;
        let written = file.write_all(lines).and_then(|()| file.sync_data());
        if let Err(source) = written {
            // What is not acknowledged should not be read either.
            let _ = file.set_len(end).and_then(|()| file.sync_data());
            return Err(PushLogError::Io {
                doing: "append to",
                path,
                source,
            });
        }
        known.offset = end + lines.len() as u64;
        if known.offset >= SEGMENT {
            self.seal_open(&path)?;
        }
        Ok(())
    }

    /// Our turn among processes, until it is dropped.
    fn turn(&self) -> Result<File, PushLogError> {
        fs::create_dir_all(&self.folder).map_err(failed("make folder", &self.folder))?;
        let path = self.folder.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed("open", &path))?;
        file.lock().map_err(failed("lock", &path))?;
        Ok(file)
    }

    /// The segment to append to, with what was left half-written cut off, and its end.
    fn open_segment(&self, known: &mut PushPosition) -> Result<(PathBuf, File, u64), PushLogError> {
        let segments = self.segments()?;
        let (number, is_new) = match segments.last() {
            Some(last) if !last.is_sealed => (last.number, false),
            Some(last) => (last.number + 1, true),
            None => (1, true),
        };
        let path = self.path(number, "open");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed("open", &path))?;
        if is_new {
            self.flush_folders()?;
        }
        let length = file.metadata().map_err(failed("look at", &path))?.len();
        let from = if known.segment == number && known.offset <= length {
            known.offset
        } else {
            0
        };
        let end = if from == length {
            from
        } else {
            whole_end(&path, &file, from)?
        };
        *known = PushPosition {
            segment: number,
            offset: end,
        };
        if length > end {
            file.set_len(end).map_err(failed("cut", &path))?;
        }
        file.seek(SeekFrom::Start(end))
            .map_err(failed("seek in", &path))?;
        Ok((path, file, end))
    }

    fn flush_folders(&self) -> Result<(), PushLogError> {
        for folder in std::iter::once(self.folder.as_path()).chain(self.folder.ancestors().skip(1).take(3)) {
            if folder.as_os_str().is_empty() {
                break;
            }
            let flushed = File::open(folder).and_then(|folder| folder.sync_all());
            flushed.map_err(failed("flush folder", folder))?;
        }
        Ok(())
    }

    /// Seals the open segment, if it has rows; gives the number of the last sealed one, 0 if there is none.
    ///
    /// # Errors
    /// `Io`, `Damaged`.
    pub fn seal(&self) -> Result<u64, PushLogError> {
        if !self.folder.exists() {
            return Ok(0);
        }
        let _turn = self.turn()?;
        let segments = self.segments()?;
        match segments.last() {
            Some(last) if !last.is_sealed => {
                let (path, file, end) = self.open_segment(&mut PushPosition::default())?;
                if end == 0 {
                    return Ok(last.number - 1);
                }
                file.sync_all().map_err(failed("flush", &path))?;
                self.seal_open(&path)?;
                Ok(last.number)
            }
            Some(last) => Ok(last.number),
            None => Ok(0),
        }
    }

    fn seal_open(&self, path: &Path) -> Result<(), PushLogError> {
        let sealed = path.with_extension("log");
        fs::rename(path, &sealed).map_err(failed("seal", path))?;
        self.flush_folders()
    }

    /// Removes sealed segments up to a number, but for the last one, whose number the next one counts on from. What
    /// snapshots from before that time held with the rows in them can no longer be asked for.
    ///
    /// # Errors
    /// `Io`.
    pub fn remove(&self, up_to: u64) -> Result<u64, PushLogError> {
        if !self.folder.exists() {
            return Ok(0);
        }
        let _turn = self.turn()?;
        let segments = self.segments()?;
        let last = segments.last().map_or(0, |last| last.number);
        let mut removed = 0;
        for segment in segments {
            if segment.is_sealed && segment.number <= up_to && segment.number < last {
                fs::remove_file(&segment.path).map_err(failed("remove", &segment.path))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// All segments, oldest first.
    ///
    /// # Errors
    /// `Io`.
    pub fn segments(&self) -> Result<Vec<Segment>, PushLogError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("list", &self.folder)(error)),
        };
        let mut segments: Vec<Segment> = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed("list", &self.folder))?.path();
            let is_sealed = match path.extension().and_then(|ending| ending.to_str()) {
                Some("log") => true,
                Some("open") => false,
                _ => continue,
            };
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if let Some(number) = number {
                segments.push(Segment {
                    number,
                    is_sealed,
                    path,
                });
            }
        }
        // A segment that is sealed while the folder is listed may be seen under both names.
        segments.sort_by_key(|segment| (segment.number, !segment.is_sealed));
        segments.dedup_by_key(|segment| segment.number);
        Ok(segments)
    }

    /// Reads rows from a position on: those of segments after `folded`, and up to `until` where one is given, in the order in
    /// which they were pushed. Gives the position after the last row that was whole.
    ///
    /// # Errors
    /// `Io`; `Damaged` for a line that is not whole and not the last of the open segment; what `take` gives.
    pub fn read<E: From<PushLogError>>(
        &self,
        folded: u64,
        from: PushPosition,
        until: Option<PushPosition>,
        mut take: impl FnMut(PushedRow) -> Result<(), E>,
    ) -> Result<PushPosition, E> {
        let mut reached = from.max(PushPosition {
            segment: folded + 1,
            offset: 0,
        });
        for segment in self.segments()? {
            if segment.number < reached.segment {
                continue;
            }
            if until.is_some_and(|until| segment.number > until.segment) {
                break;
            }
            if segment.number > reached.segment {
                reached = PushPosition {
                    segment: segment.number,
                    offset: 0,
                };
            }
            let limit = until
                .filter(|until| until.segment == segment.number)
                .map(|until| until.offset);
            let (file, path) = self.open_to_read(&segment)?;
            let is_sealed = segment.is_sealed;
            reached.offset = each_line(&path, &file, reached.offset, limit, is_sealed, &mut take)?;
        }
        Ok(reached)
    }

    /// The segment's file, though it be sealed meanwhile.
    fn open_to_read(&self, segment: &Segment) -> Result<(File, PathBuf), PushLogError> {
        match File::open(&segment.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !segment.is_sealed => {
                let sealed = self.path(segment.number, "log");
                let file = File::open(&sealed).map_err(failed("open", &sealed))?;
                Ok((file, sealed))
            }
            opened => Ok((
                opened.map_err(failed("open", &segment.path))?,
                segment.path.clone(),
            )),
        }
    }

    /// Where the log ends now: all rows that were acknowledged are before it.
    ///
    /// # Errors
    /// `Io`.
    pub fn end(&self) -> Result<PushPosition, PushLogError> {
        let Some(last) = self.segments()?.pop() else {
            return Ok(PushPosition::default());
        };
        let (file, path) = self.open_to_read(&last)?;
        Ok(PushPosition {
            segment: last.number,
            offset: last_line_end(&path, &file)?,
        })
    }
}

impl Queue {
    fn outcome(&self, ticket: u64, folder: &Path) -> Result<(), PushLogError> {
        let failure = self
            .failed
            .iter()
            .find(|(from, to, _)| (*from..=*to).contains(&ticket));
        match failure {
            None => Ok(()),
            Some((_, _, message)) => Err(PushLogError::Io {
                doing: "append to",
                path: folder.to_owned(),
                source: io::Error::other(message.clone()),
            }),
        }
    }
}

/// The end of the last whole line before the first that is not, in an open segment that is whole up to `from`.
fn whole_end(path: &Path, file: &File, from: u64) -> Result<u64, PushLogError> {
    each_line::<PushLogError>(path, file, from, None, false, &mut |_| Ok(()))
}

/// The end of the last line that has one.
fn last_line_end(path: &Path, mut file: &File) -> Result<u64, PushLogError> {
    let reading = |error| failed("read", path)(error);
    let length = file.metadata().map_err(reading)?.len();
    let mut back = 64 << 10;
    loop {
        let start = length.saturating_sub(back);
        file.seek(SeekFrom::Start(start)).map_err(reading)?;
        let mut tail = Vec::new();
        file.take(length - start).read_to_end(&mut tail).map_err(reading)?;
        match tail.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => return Ok(start + at as u64 + 1),
            None if start == 0 => return Ok(0),
            None => back *= 8,
        }
    }
}

fn each_line<E: From<PushLogError>>(
    path: &Path,
    mut file: &File,
    from: u64,
    limit: Option<u64>,
    is_sealed: bool,
    take: &mut impl FnMut(PushedRow) -> Result<(), E>,
) -> Result<u64, E> {
    let reading = |error| failed("read", path)(error);
    file.seek(SeekFrom::Start(from)).map_err(reading)?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut line = Vec::new();
    let mut offset = from;
    loop {
        if limit.is_some_and(|limit| offset >= limit) {
            return Ok(offset);
        }
        line.clear();
        let most = (LONGEST + CHECKSUM + 2) as u64;
        let read = reader
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut line)
            .map_err(reading)?;
        if read == 0 {
            return Ok(offset);
        }
        match row_of(&line) {
            Some(row) => take(row)?,
            // Being written, or torn.
            None if !is_sealed => return Ok(offset),
            None => {
                return Err(E::from(PushLogError::Damaged {
                    path: path.to_owned(),
                    offset,
                }));
            }
        }
        offset += read as u64;
    }
}

#[cfg(test)]
#[path = "push_log_tests.rs"]
mod tests;
