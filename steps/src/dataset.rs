//! Datasets outside the object folder: files and globs of CSV, NDJSON, Parquet and Arrow, read by
//! their contract.
//!
//! A value that cannot be read, or that breaks the contract, does not stop the reading: it is noted
//! with file, row, column, value and reason, and the caller decides what becomes of its row. What
//! is wrong with a file as a whole (missing, empty, cut off, another encoding, a column missing)
//! stops it, naming the file.

mod arrow;
mod coerce;
mod delimited;
mod json_lines;
mod location;

use crate::data_type;
use coerce::Gathering;
use location::Format;
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};
use std::path::Path;
use trainyard_contract::task::DatasetRef;
use trainyard_contract::{Column, ColumnOrigin, DataContract, Schema, StepError};

/// One value that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// As the dataset's location names it, relative to the project where it was relative.
    pub(crate) file: String,
    /// Data rows count from 1; a header does not count.
    pub(crate) row: u64,
    /// Empty if the row as a whole is wrong.
    pub(crate) column: String,
    pub(crate) value: Option<String>,
    /// The end of a sentence that begins with the value.
    pub(crate) reason: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} row {}", self.file, self.row)?;
        if !self.column.is_empty() {
            write!(f, " column `{}`", self.column)?;
        }
        match &self.value {
            Some(value) if value.chars().count() > 60 => {
                write!(
                    f,
                    ": `{}…` {}",
                    value.chars().take(60).collect::<String>(),
                    self.reason
                )
            }
            Some(value) => write!(f, ": `{value}` {}", self.reason),
            None => write!(f, ": {}", self.reason),
        }
    }
}

/// A dataset as read.
pub(crate) struct Reading {
    /// All rows; values that could not be read are null.
    pub(crate) frame: DataFrame,
    pub(crate) schema: Schema,
    pub(crate) faults: Vec<Fault>,
    /// Rows of `frame` with a fault, ascending.
    pub(crate) faulty: Vec<usize>,
    /// Rows that could not even be taken apart and so are not in `frame`.
    pub(crate) unreadable: usize,
    /// For the log.
    pub(crate) notes: Vec<String>,
}

impl Reading {
    /// Refuses a reading of which more than the share `tolerated` (0 to 1) of rows is faulty.
    ///
    /// # Errors
    /// `GateFailed`, with the first three faults.
    pub(crate) fn refuse_faults(&self, tolerated: f64) -> Result<(), StepError> {
        let bad = self.faulty.len() + self.unreadable;
        let rows = self.frame.height() + self.unreadable;
        if bad == 0 || bad as f64 <= tolerated * rows as f64 {
            return Ok(());
        }
        let examples: Vec<String> = self.faults.iter().take(3).map(Fault::to_string).collect();
        let more = if self.faults.len() > 3 {
            format!("; and {} more", self.faults.len() - 3)
        } else {
            String::new()
        };
        Err(StepError::gate(format!(
            "{bad} of {rows} rows are bad: {}{more}",
            examples.join("; ")
        )))
    }

    /// The rows without a fault.
    ///
    /// # Errors
    /// `Internal` if polars cannot filter.
    pub(crate) fn good_rows(&self) -> Result<DataFrame, StepError> {
        if self.faulty.is_empty() {
            return Ok(self.frame.clone());
        }
        let mut keep = vec![true; self.frame.height()];
        for row in &self.faulty {
            if let Some(keep) = keep.get_mut(*row) {
                *keep = false;
            }
        }
        self.frame
            .filter(&BooleanChunked::from_slice("keep".into(), &keep))
            .map_err(|error| StepError::internal(error.to_string()))
    }
}

/// Reads a dataset, by its contract if it has one.
///
/// # Errors
/// `Rejected` or `IoError`, naming the file, if a file as a whole cannot be read.
pub(crate) fn read(
    dataset: &DatasetRef,
    contract: Option<&DataContract>,
    project: &Path,
) -> Result<Reading, StepError> {
    if let Some(name) = &dataset.contract
        && contract.is_none()
    {
        return Err(StepError::internal(format!(
            "contract `{name}` did not come with the task"
        )));
    }
    let files = location::files(&dataset.location, project).map_err(|error| named(&dataset.name, error))?;
    let mut gathering = Gathering::new(contract);
    for file in &files {
        let format = match &dataset.format {
            Some(format) => format.parse::<Format>().map_err(StepError::rejected)?,
            None => Format::of(&file.path).map_err(StepError::rejected)?,
        };
        gathering.start(&file.shown);
        match format {
            Format::Csv => delimited::read(file, &dataset.options, &mut gathering),
            Format::Ndjson => json_lines::read(file, &dataset.options, &mut gathering),
            Format::Parquet | Format::Arrow => arrow::read(file, format, &dataset.options, &mut gathering),
        }
        .map_err(|error| named(&dataset.name, error))?;
    }
    let gathered = gathering.finish().map_err(|error| named(&dataset.name, error))?;
    if gathered.frame.height() == 0 && gathered.unreadable == 0 {
        let shown: Vec<&str> = files.iter().map(|file| file.shown.as_str()).collect();
        return Err(named(
            &dataset.name,
            StepError::rejected(format!("{} has no rows", shown.join(", "))),
        ));
    }
    let schema = match contract {
        Some(contract) => contract.schema(Some(&dataset.name)),
        None => bare_schema(gathered.frame.schema(), Some(&dataset.name)),
    };
    Ok(Reading {
        frame: gathered.frame,
        schema,
        faults: gathered.faults,
        faulty: gathered.faulty,
        unreadable: gathered.unreadable,
        notes: gathered.notes,
    })
}

/// The schema of a frame of which nothing more is known than its types; with `dataset`, each
/// column is its own origin there.
pub(crate) fn bare_schema(schema: &polars::prelude::Schema, dataset: Option<&str>) -> Schema {
    let columns = schema
        .iter()
        .map(|(name, dtype)| {
            let mut column = Column::new(name.as_str(), data_type::from_polars(dtype), true);
            column.origins.extend(dataset.map(|dataset| ColumnOrigin {
                dataset: dataset.to_owned(),
                column: name.to_string(),
            }));
            column
        })
        .collect();
    Schema {
        columns,
        ..Schema::default()
    }
}

fn named(dataset: &str, mut error: StepError) -> StepError {
    error.failure.message = format!("dataset `{dataset}`: {}", error.failure.message);
    error
}
