//! The rows of an input, read by the columns that a check looks at.

use crate::fault;
use crate::table::{Table, collect};
use polars::prelude::{DataFrame, LazyFrame, col};
use trainyard_contract::StepError;
use trainyard_contract::finding::nearest;

/// Values of a table up to which it is read once and whole: some hundred megabytes. Of a larger one each check reads
/// its own columns, and lets them go.
pub(super) const VALUES_AT_ONCE: usize = 16_000_000;

/// An input whose rows stay where they are until a check wants some columns of them.
pub(super) struct Rows {
    plan: LazyFrame,
    whole: Option<DataFrame>,
    height: usize,
    names: Vec<String>,
}

impl Rows {
    /// A table of which up to `at_once` values are read whole.
    ///
    /// # Errors
    /// `Rejected` if it cannot be read.
    pub(super) fn of(table: &Table, at_once: usize) -> Result<Self, StepError> {
        let height = table.height()?;
        let mut plan = table.frame.clone();
        let names: Vec<String> = match plan.collect_schema() {
            Ok(schema) => schema.iter_names().map(ToString::to_string).collect(),
            Err(error) => return Err(StepError::rejected(fault::sentence(&error))),
        };
        let is_small = height.saturating_mul(names.len().max(1)) <= at_once;
        let whole = is_small
            .then(|| collect("read the rows", plan.clone()))
            .transpose()?;
        Ok(Self {
            plan,
            whole,
            height,
            names,
        })
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|other| other == name)
    }

    /// Names of the columns, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The rows as the start of a plan.
    pub(super) fn plan(&self) -> LazyFrame {
        self.plan.clone()
    }

    /// All rows with at least these columns; a name may come twice.
    ///
    /// # Errors
    /// `Rejected` if a column is not there.
    pub(super) fn only<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<DataFrame, StepError> {
        let wanted: indexmap::IndexSet<&str> = names.into_iter().collect();
        if let Some(unknown) = wanted.iter().find(|name| !self.has(name)) {
            let error = StepError::rejected(format!("there is no column `{unknown}`"));
            return Err(match nearest(unknown, self.names()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error,
            });
        }
        if let Some(whole) = &self.whole {
            return Ok(whole.clone());
        }
        if wanted.is_empty() {
            return DataFrame::new(self.height, Vec::new())
                .map_err(|error| StepError::internal(error.to_string()));
        }
        let columns: Vec<_> = wanted.iter().map(|name| col(*name)).collect();
        collect("read the rows", self.plan.clone().select(columns))
    }
}
