//! What an incremental ingest remembers: how far it has come, and which files it has read.

use crate::dataset::DataFile;
use polars::prelude::{Column, DataType, TimeUnit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trainyard_contract::{ContentHash, StepError};

/// Kept beside a snapshot, as its artifact's summary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Remembered {
    /// The column that grows.
    pub(super) column: String,
    /// Its greatest value so far: microseconds since 1970 of a time, or a whole number.
    pub(super) high: Option<i64>,
    /// Files read, by location: the hash of their content. Kept as an object of its own.
    pub(super) files: Option<ContentHash>,
}

/// Files by location and the hash of what was in them.
pub(super) type Files = BTreeMap<String, ContentHash>;

/// What is known of a file before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Read before, and the same.
    Unchanged,
    /// Read before, and other since.
    Changed,
    New,
}

/// How a file stands to those read before, and its hash.
pub(super) fn standing(file: &DataFile, before: &Files) -> Result<(Standing, ContentHash), StepError> {
    let (hash, _) = trainyard_contract::objects::hash_file(&file.path)?;
    let standing = match before.get(&file.shown) {
        Some(known) if *known == hash => Standing::Unchanged,
        Some(_) => Standing::Changed,
        None => Standing::New,
    };
    Ok((standing, hash))
}

/// Values of a watermark column as numbers that grow with them.
///
/// # Errors
/// `Rejected` if it is neither a time nor a whole number.
pub(super) fn heights(column: &Column) -> Result<Vec<Option<i64>>, StepError> {
    let dtype = column.dtype();
    let numbers = if dtype.is_integer() {
        column.cast(&DataType::Int64)
    } else if matches!(dtype, DataType::Date | DataType::Datetime(..)) {
        let zone = match dtype {
            DataType::Datetime(_, zone) => zone.clone(),
            _ => None,
        };
        column
            .cast(&DataType::Datetime(TimeUnit::Microseconds, zone))
            .and_then(|column| column.to_physical_repr().cast(&DataType::Int64))
    } else {
        return Err(StepError::rejected(format!(
            "watermark `{}` is {}, and must be a time or a whole number",
            column.name(),
            crate::data_type::from_polars(dtype)
        )));
    };
    let numbers = numbers.map_err(|error| StepError::internal(error.to_string()))?;
    Ok(numbers
        .i64()
        .map_err(|error| StepError::internal(error.to_string()))?
        .iter()
        .collect())
}

/// A height as a person writes it.
pub(super) fn shown(height: i64, is_time: bool) -> String {
    if is_time {
        jiff::Timestamp::from_microsecond(height).map_or_else(|_| height.to_string(), |at| at.to_string())
    } else {
        height.to_string()
    }
}
