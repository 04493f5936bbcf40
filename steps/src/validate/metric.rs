//! Numbers about a table or column, and what they must be.

use crate::fault;
use polars::prelude::{ChunkQuantile, DataFrame, DataType as PolarsType, PolarsError, QuantileMethod};
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::StepError;

/// A number about a table or column.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    RowCount,
    NullCount,
    /// Missing values as a share of rows.
    NullRatio,
    /// Different values, missing not counted.
    DistinctCount,
    /// Different values as a share of values.
    UniqueRatio,
    /// Values that occurred before.
    DuplicateCount,
    Min,
    Max,
    Mean,
    Median,
    /// Sample standard deviation.
    Stddev,
    Sum,
    /// Zeros as a share of values.
    ZeroRatio,
}

impl Metric {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RowCount => "row_count",
            Self::NullCount => "null_count",
            Self::NullRatio => "null_ratio",
            Self::DistinctCount => "distinct_count",
            Self::UniqueRatio => "unique_ratio",
            Self::DuplicateCount => "duplicate_count",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Stddev => "stddev",
            Self::Sum => "sum",
            Self::ZeroRatio => "zero_ratio",
        }
    }

    pub(super) fn needs_numbers(self) -> bool {
        matches!(
            self,
            Self::Min | Self::Max | Self::Mean | Self::Median | Self::Stddev | Self::Sum | Self::ZeroRatio
        )
    }

    /// The number; `None` if there is none, such as the mean of no values.
    ///
    /// # Errors
    /// `Rejected` if the column is not there or holds no numbers.
    pub(super) fn of(self, frame: &DataFrame, column: Option<&str>) -> Result<Option<f64>, StepError> {
        let rows = frame.height() as f64;
        let Some(name) = column else { return Ok(Some(rows)) };
        let failed = |error: PolarsError| StepError::rejected(fault::sentence(&error));
        let column = frame.column(name).map_err(failed)?;
        let nulls = column.null_count() as f64;
        let values = rows - nulls;
        let distinct = || -> Result<f64, StepError> {
            let different = column.n_unique().map_err(failed)? as f64;
            Ok(if nulls > 0.0 { different - 1.0 } else { different })
        };
        let numbers = || {
            column
                .as_materialized_series()
                .cast(&PolarsType::Float64)
                .map_err(failed)
        };
        Ok(match self {
            Self::RowCount => Some(rows),
            Self::NullCount => Some(nulls),
            Self::NullRatio => (rows > 0.0).then_some(nulls / rows),
            Self::DistinctCount => Some(distinct()?),
            Self::UniqueRatio => {
                if values > 0.0 {
                    Some(distinct()? / values)
                } else {
                    None
                }
            }
            Self::DuplicateCount => Some(values - distinct()?),
            Self::Min => numbers()?.min().map_err(failed)?,
            Self::Max => numbers()?.max().map_err(failed)?,
            Self::Mean => numbers()?.mean(),
            Self::Median => numbers()?
                .f64()
                .map_err(failed)?
                .quantile(0.5, QuantileMethod::Linear)
                .map_err(failed)?,
            Self::Stddev => numbers()?.std(1),
            Self::Sum => numbers()?.sum().ok(),
            Self::ZeroRatio => {
                let numbers = numbers()?;
                let zeros = numbers
                    .f64()
                    .map_err(failed)?
                    .iter()
                    .filter(|value| *value == Some(0.0))
                    .count();
                (values > 0.0).then_some(zeros as f64 / values)
            }
        })
    }
}

/// Six significant digits, without trailing zeros.
pub(super) fn rounded(number: f64) -> String {
    if number == 0.0 || !number.is_finite() || number.fract() == 0.0 {
        return number.to_string();
    }
    let decimals = usize::try_from(5 - number.abs().log10().floor() as i64)
        .unwrap_or(0)
        .min(15);
    let text = format!("{number:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
