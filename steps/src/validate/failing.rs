//! The table of failing rows.

use super::outcome::Outcome;
use polars::prelude::{Column as Values, DataFrame};
use trainyard_contract::{Column, DataType, Schema, StepError};

/// Its columns: one line a row and rule that the row breaks.
pub(super) fn schema() -> Schema {
    let column = |name: &str, data_type, nullable| Column::new(name, data_type, nullable);
    Schema {
        columns: vec![
            column("dataset", DataType::String, false),
            column("row", DataType::UInt64, false),
            column("column", DataType::String, true),
            column("value", DataType::String, true),
            column("check", DataType::String, false),
            column("reason", DataType::String, false),
            column("severity", DataType::String, false),
        ],
        ..Schema::default()
    }
}

/// The rows kept of all checks, in their order; those a tolerated share lets pass too.
///
/// # Errors
/// `Internal` if polars cannot make a table of them.
pub(super) fn rows(outcomes: &[Outcome]) -> Result<DataFrame, StepError> {
    let lines = || {
        outcomes
            .iter()
            .flat_map(|outcome| outcome.kept.iter().map(move |kept| (outcome, kept)))
    };
    let texts = |name: &str, text: fn(&Outcome) -> String| {
        Values::new(
            name.into(),
            lines().map(|(outcome, _)| text(outcome)).collect::<Vec<String>>(),
        )
    };
    let columns = vec![
        texts("dataset", |outcome| outcome.dataset.clone()),
        Values::new(
            "row".into(),
            lines().map(|(_, kept)| kept.row).collect::<Vec<u64>>(),
        ),
        Values::new(
            "column".into(),
            lines()
                .map(|(_, kept)| kept.column.clone())
                .collect::<Vec<Option<String>>>(),
        ),
        Values::new(
            "value".into(),
            lines()
                .map(|(_, kept)| kept.value.clone())
                .collect::<Vec<Option<String>>>(),
        ),
        texts("check", |outcome| {
            outcome.name.clone().unwrap_or_else(|| outcome.check.clone())
        }),
        texts("reason", |outcome| outcome.reason.clone()),
        texts("severity", |outcome| outcome.severity.to_string()),
    ];
    DataFrame::new_infer_height(columns).map_err(|error| StepError::internal(error.to_string()))
}
