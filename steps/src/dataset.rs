//! Datasets outside the object folder: files and globs of CSV, NDJSON, Parquet and Arrow, read by
//! their contract, block by block.
//!
//! A value that cannot be read, or that breaks the contract, does not stop the reading: it is noted
//! with file, row, column, value and reason, and the caller decides what becomes of its row. What
//! is wrong with a file as a whole (missing, empty, cut off, another encoding, a column missing)
//! stops it, naming the file.

mod arrow;
mod block;
mod coerce;
mod kind;
mod location;
#[cfg(feature = "cloud")]
mod remote;
mod rows;
mod text;

pub(crate) use block::{Block, Fault, Intake, Reading, bad_rows, quarantine_frame};
pub(crate) use location::{DataFile, Format};
pub(crate) use rows::RowReader;

use crate::data_type;
use block::{Gathered, Reader};
use std::collections::BTreeMap;
use std::path::Path;
use trainyard_contract::task::DatasetRef;
use trainyard_contract::{Column, ColumnOrigin, DataContract, Schema, StepError, StepIo, TaskSpec};

/// Where files are looked for, and by what right.
#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    /// Relative paths start here.
    pub(crate) project: &'a Path,
    /// Remote files are copied here while they are read.
    pub(crate) scratch: &'a Path,
    /// Environment variable → value, as the step declared `secrets`.
    pub(crate) secrets: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Access<'a> {
    pub(crate) fn of(io: &'a StepIo) -> Self {
        Self {
            secrets: Some(io.secrets()),
            ..Self::of_task(io.spec())
        }
    }

    pub(crate) fn of_task(spec: &'a TaskSpec) -> Self {
        Self {
            project: &spec.project,
            scratch: &spec.scratch,
            secrets: None,
        }
    }
}

/// What was read, besides the blocks.
pub(crate) struct Summary {
    pub(crate) schema: Schema,
    /// For the log.
    pub(crate) notes: Vec<String>,
}

/// Reads a dataset whole, by its contract if it has one.
///
/// # Errors
/// `Rejected` or `IoError`, naming the file, if a file as a whole cannot be read.
pub(crate) fn read(
    dataset: &DatasetRef,
    contract: Option<&DataContract>,
    access: Access<'_>,
) -> Result<Reading, StepError> {
    let mut gathered = Gathered::default();
    let summary = stream(dataset, contract, access, &mut gathered)?;
    Ok(Reading {
        frame: gathered.frame,
        schema: summary.schema,
        faults: gathered.faults,
        faulty: gathered.faulty,
        unreadable: gathered.unreadable,
        notes: summary.notes,
    })
}

/// Reads a dataset block by block into `intake`, by its contract if it has one.
///
/// # Errors
/// As [`read`], if there is no row at all, and what `intake` gives.
pub(crate) fn stream(
    dataset: &DatasetRef,
    contract: Option<&DataContract>,
    access: Access<'_>,
    intake: &mut dyn Intake,
) -> Result<Summary, StepError> {
    if let Some(name) = &dataset.contract
        && contract.is_none()
    {
        return Err(StepError::internal(format!(
            "contract `{name}` did not come with the task"
        )));
    }
    let access = Access {
        project: dataset.folder.as_deref().unwrap_or(access.project),
        ..access
    };
    let files = location::files(&dataset.location, access).map_err(|error| named(&dataset.name, error))?;
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        if intake.wants(&file)? {
            all.push(file);
        }
    }
    let mut reader = Reader::new(contract, intake);
    let read = read_files(dataset, &all, &mut reader);
    let (rows, columns, notes) = reader.end();
    read.map_err(|error| named(&dataset.name, error))?;
    if rows == 0 && !all.is_empty() {
        let shown: Vec<&str> = all.iter().map(|file| file.shown.as_str()).collect();
        return Err(named(
            &dataset.name,
            StepError::rejected(format!("{} has no rows", shown.join(", "))),
        ));
    }
    let schema = match contract {
        Some(contract) => contract.schema(Some(&dataset.name)),
        None => bare_schema(&columns, Some(&dataset.name)),
    };
    Ok(Summary { schema, notes })
}

fn read_files(dataset: &DatasetRef, files: &[DataFile], reader: &mut Reader<'_>) -> Result<(), StepError> {
    let mut formats = Vec::with_capacity(files.len());
    for file in files {
        formats.push(match &dataset.format {
            Some(format) => format.parse::<Format>().map_err(StepError::rejected)?,
            None => Format::of(&file.path).map_err(StepError::rejected)?,
        });
    }
    let options = text::options(&dataset.options)?;
    let mut is_again = false;
    loop {
        let mut surprise = None;
        for (file, format) in files.iter().zip(&formats) {
            reader.start(&file.shown);
            surprise = match format {
                Format::Csv | Format::Ndjson => text::read(file, *format, &options, reader)?,
                Format::Parquet | Format::Arrow => {
                    arrow::read(file, *format, &dataset.options, reader)?;
                    None
                }
            };
            if surprise.is_some() {
                break;
            }
        }
        let Some(surprise) = surprise else {
            return Ok(());
        };
        // The first rows looked like something that later ones are not: look at all of them.
        if is_again {
            return Err(StepError::internal(format!(
                "types were learnt from all values, and still {surprise}"
            )));
        }
        is_again = true;
        let learnt = text::learn(files, &formats, &options)?;
        reader.restart(learnt)?;
    }
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
