//! A table written row group by row group, so that memory is bounded by a row group.

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{DataFrame, ParquetCompression, ParquetReader, ParquetWriter, PolarsError, SerReader};
use std::fs::File;
use std::path::{Path, PathBuf};
use trainyard_contract::StepError;

/// Rows per row group, as in every table we write: the same rows give the same bytes.
const ROW_GROUP: usize = crate::table::ROW_GROUP;

/// Rows that become a Parquet file.
pub(crate) struct Sink {
    path: PathBuf,
    writer: Option<BatchedWriter<File>>,
    pending: Option<DataFrame>,
    rows: u64,
}

impl Sink {
    /// Writes to a file that is made with the first rows.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            writer: None,
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
    /// `IoError`.
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

    fn write(&mut self, mut group: DataFrame) -> Result<(), StepError> {
        // Chunks left by reading would otherwise cut the pages at other rows.
        group.rechunk_mut();
        let failed = |error: PolarsError| StepError::io("could not write the table", &error);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let file = File::create(&self.path)
                    .map_err(PolarsError::from)
                    .map_err(failed)?;
                let writer = ParquetWriter::new(file)
                    .with_compression(ParquetCompression::Snappy)
                    .with_row_group_size(Some(ROW_GROUP))
                    .batched(group.schema())
                    .map_err(failed)?;
                none.insert(writer)
            }
        };
        if group.height() > 0 {
            writer.write_batch(&group).map_err(failed)?;
        }
        Ok(())
    }

    /// The whole file and its rows; nothing if no frame was ever pushed.
    ///
    /// # Errors
    /// `IoError`.
    pub(crate) fn finish(mut self) -> Result<Option<(PathBuf, u64)>, StepError> {
        if let Some(rest) = self.pending.take()
            && (rest.height() > 0 || self.writer.is_none())
        {
            self.write(rest)?;
        }
        let Some(writer) = self.writer.take() else {
            return Ok(None);
        };
        writer
            .finish()
            .map_err(|error| StepError::io("could not write the table", &error))?;
        Ok(Some((self.path.clone(), self.rows)))
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
