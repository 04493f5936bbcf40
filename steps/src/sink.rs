//! A table written row group by row group, so that memory is bounded by a few row groups.

use polars::prelude::{DataFrame, ParquetCompression, ParquetReader, ParquetWriter, PolarsError, SerReader};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use trainyard_contract::StepError;

/// Rows per row group, as in every table we write: the same rows give the same bytes.
const ROW_GROUP: usize = crate::table::ROW_GROUP;

/// Row groups that wait while one is being written, besides the one that is handed over.
const WAITING: usize = 0;

/// Rows that become a Parquet file. They are written by a thread of their own, so that the next rows are
/// made meanwhile.
pub(crate) struct Sink {
    path: PathBuf,
    writing: Option<Writing>,
    pending: Option<DataFrame>,
    rows: u64,
}

struct Writing {
    groups: SyncSender<DataFrame>,
    thread: JoinHandle<Result<(), StepError>>,
}

impl Writing {
    fn start(path: &Path, first: &DataFrame) -> Result<Self, StepError> {
        let (groups, waiting) = sync_channel(WAITING);
        let file = File::create(path).map_err(|error| failed(&error.into()))?;
        let like = first.head(Some(0));
        let thread = std::thread::Builder::new()
            .name("parquet".to_owned())
            .spawn(move || write_groups(file, &like, &waiting))
            .map_err(|error| failed(&error.into()))?;
        Ok(Self { groups, thread })
    }

    /// What writing came to, once no more rows come.
    fn end(self) -> Result<(), StepError> {
        drop(self.groups);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(StepError::internal("writing the table broke off")))
    }
}

fn failed(error: &PolarsError) -> StepError {
    StepError::io("could not write the table", error)
}

fn write_groups(file: File, like: &DataFrame, groups: &Receiver<DataFrame>) -> Result<(), StepError> {
    let mut writer = ParquetWriter::new(file)
        .with_compression(ParquetCompression::Snappy)
        .with_row_group_size(Some(ROW_GROUP))
        .batched(like.schema())
        .map_err(|error| failed(&error))?;
    for mut group in groups {
        // Chunks left by reading would otherwise cut the pages at other rows.
        group.rechunk_mut();
        writer.write_batch(&group).map_err(|error| failed(&error))?;
    }
    writer.finish().map_err(|error| failed(&error))?;
    Ok(())
}

impl Sink {
    /// Writes to a file that is made with the first rows.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            writing: None,
            pending: None,
            rows: 0,
        }
    }

    /// Rows taken so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes rows. The first ones, though there be none, say the columns.
    ///
    /// # Errors
    /// `IoError`, also of rows that were taken before.
    pub(crate) fn push(&mut self, frame: DataFrame) -> Result<(), StepError> {
        self.rows += frame.height() as u64;
        let mut pending = match self.pending.take() {
            None => frame,
            Some(mut pending) => {
                pending
                    .vstack_mut_owned(frame)
                    .map_err(|error| StepError::internal(error.to_string()))?;
                pending
            }
        };
        while pending.height() >= ROW_GROUP {
            let group = pending.slice(0, ROW_GROUP);
            pending = pending.slice(i64::try_from(ROW_GROUP).unwrap_or(i64::MAX), usize::MAX);
            self.write(group)?;
        }
        self.pending = Some(pending);
        Ok(())
    }

    fn write(&mut self, group: DataFrame) -> Result<(), StepError> {
        let writing = match self.writing.take() {
            Some(writing) => writing,
            None => Writing::start(&self.path, &group)?,
        };
        if group.height() > 0 && writing.groups.send(group).is_err() {
            // It ended before its time, and says why.
            writing.end()?;
            return Err(StepError::internal("writing the table broke off"));
        }
        self.writing = Some(writing);
        Ok(())
    }

    /// The whole file and its rows; nothing if no frame was ever pushed.
    ///
    /// # Errors
    /// `IoError`.
    pub(crate) fn finish(mut self) -> Result<Option<(PathBuf, u64)>, StepError> {
        if let Some(rest) = self.pending.take()
            && (rest.height() > 0 || self.writing.is_none())
        {
            self.write(rest)?;
        }
        let Some(writing) = self.writing.take() else {
            return Ok(None);
        };
        writing.end()?;
        Ok(Some((self.path.clone(), self.rows)))
    }
}

impl Drop for Sink {
    /// Nobody writes to the file any more.
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            // What it came to matters to nobody: the rows are not wanted.
            let _ = writing.end();
        }
    }
}

/// Reads a table we wrote, row group by row group.
///
/// # Errors
/// `IoError`, and what `take` gives.
pub(crate) fn each_group(
    path: &Path,
    rows: u64,
    mut take: impl FnMut(DataFrame) -> Result<(), StepError>,
) -> Result<(), StepError> {
    let mut offset = 0usize;
    loop {
        let file = File::open(path)
            .map_err(|error| StepError::io(format!("could not read {}", path.display()), &error))?;
        let frame = ParquetReader::new(file)
            .with_slice(Some((offset, ROW_GROUP)))
            .finish()
            .map_err(|error| StepError::io(format!("could not read {}", path.display()), &error))?;
        offset += ROW_GROUP;
        take(frame)?;
        if offset as u64 >= rows {
            return Ok(());
        }
    }
}
