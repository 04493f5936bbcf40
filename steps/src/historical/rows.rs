//! The rows of a feature view, as they can be read.

use super::columns::Unit;
use crate::table;
use polars::prelude::{DataFrame, DataType as PolarsType, LazyFrame, SchemaRef, col};
use std::sync::Arc;
use trainyard_contract::StepError;
use trainyard_contract::feature::FeatureView;

/// Rows of a table that are read at once.
const PIECE: usize = 8 * table::ROW_GROUP;

/// Reads some columns of some rows.
type Read = dyn Fn(&[String]) -> Result<DataFrame, StepError> + Send + Sync;

/// Some rows of a view that follow each other in its order.
#[derive(Clone)]
pub(crate) struct Piece {
    /// First and last event time in microseconds, where known; rows without an event time are not counted.
    pub(crate) times: Option<(i64, i64)>,
    read: Arc<Read>,
}

impl Piece {
    /// A piece that is read by a function of the columns wanted.
    pub(crate) fn new(
        times: Option<(i64, i64)>,
        read: impl Fn(&[String]) -> Result<DataFrame, StepError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            times,
            read: Arc::new(read),
        }
    }

    /// Reads columns, in any order.
    ///
    /// # Errors
    /// What reading gives.
    pub(crate) fn read(&self, columns: &[String]) -> Result<DataFrame, StepError> {
        (self.read)(columns)
    }
}

/// The rows of a view, in pieces, under the names of its source.
#[derive(Clone)]
pub(crate) struct ViewRows {
    pub(crate) schema: SchemaRef,
    pub(crate) event_time: String,
    pub(crate) created_time: Option<String>,
    pub(super) unit: Unit,
    pieces: Vec<Piece>,
}

impl ViewRows {
    /// The rows of a view, under the view's names for times.
    ///
    /// # Errors
    /// `Rejected` if a key, time or feature is not there or a time is none.
    pub(crate) fn new(view: &FeatureView, schema: SchemaRef, pieces: Vec<Piece>) -> Result<Self, StepError> {
        let missing = |name: &str| {
            let message = format!("the rows of the view `{}` have no column `{name}`", view.name);
            StepError::rejected(message)
                .help("give the view's definition the source's names, or the source its")
        };
        for key in &view.keys {
            let name = view.column_of(&key.name);
            schema.get(name).ok_or_else(|| missing(name))?;
        }
        let mut unit = Unit::Microseconds;
        for name in std::iter::once(&view.event_time).chain(&view.created_time) {
            let data_type = schema.get(name.as_str()).ok_or_else(|| missing(name))?;
            if !super::is_time(data_type) {
                let message = format!(
                    "`{name}` of the view `{}` is {data_type}, a time is a date or a timestamp",
                    view.name
                );
                return Err(StepError::rejected(message));
            }
            unit = unit.max(Unit::of(data_type));
        }
        Ok(Self {
            schema,
            event_time: view.event_time.clone(),
            created_time: view.created_time.clone(),
            unit,
            pieces,
        })
    }

    /// The rows of a table.
    ///
    /// # Errors
    /// As [`ViewRows::new`].
    pub(crate) fn of_table(view: &FeatureView, frame: &LazyFrame, rows: usize) -> Result<Self, StepError> {
        let schema = frame
            .clone()
            .collect_schema()
            .map_err(|error| StepError::rejected(crate::fault::sentence(&error)))?;
        let pieces = (0..rows).step_by(PIECE).map(|from| {
            let frame = frame.clone();
            Piece::new(None, move |columns| {
                let columns: Vec<_> = columns.iter().map(|name| col(name.as_str())).collect();
                let part = frame
                    .clone()
                    .select(columns)
                    .slice(i64::try_from(from).unwrap_or(i64::MAX), PIECE as u32);
                table::collect("read the rows of a feature view", part)
            })
        });
        Self::new(view, schema, pieces.collect())
    }

    /// The pieces in the order of the view's rows.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn type_of(&self, column: &str) -> Option<&PolarsType> {
        self.schema.get(column)
    }

    /// Columns that decide which row is found.
    pub(super) fn key_columns(&self, view: &FeatureView) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let keys = view.keys.iter().map(|key| view.column_of(&key.name));
        for name in keys
            .chain([self.event_time.as_str()])
            .chain(self.created_time.as_deref())
        {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}
