//! The offline store: a feature view's rows as Parquet files of the object folder, by time.
//!
//! Rows have the view's own columns in the view's order: keys, event time, created time, features. Times are always
//! instants in microseconds; a date is its midnight in UTC and a time without a zone is read as UTC. Which files there are
//! says the manifest (`trainyard_features::offline`); it is kept after them, so that a snapshot is whole or not there.

mod compact;
mod layout;
mod pushed;
mod reader;
mod record;
mod writer;

#[cfg(test)]
mod tests;

pub use compact::{Compacted, compact_view};
pub(crate) use layout::Layout;
pub(crate) use reader::{Selection, ViewReader};
pub(crate) use record::{ViewBefore, objects};
pub(crate) use writer::ViewWriter;

use polars::prelude::PolarsError;
use trainyard_contract::StepError;

fn internal(error: PolarsError) -> StepError {
    StepError::internal(crate::fault::sentence(&error))
}
