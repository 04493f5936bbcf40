//! Checks a pipeline adds: a number about a table, and what it must be.

use super::Outcome;
use crate::fault;
use crate::flow::Flow;
use crate::sql;
use crate::table;
use indexmap::IndexMap;
use polars::prelude::{ChunkQuantile, DataFrame, DataType as PolarsType, IntoLazy, QuantileMethod};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::{Schema, StepError};

/// One check: a metric of a table or column, or a number from SQL, and its bounds.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// Name of the input. Needed unless `sql` is given.
    #[serde(default)]
    pub(super) dataset: Option<String>,
    /// Column the metric is of. Needed by all metrics but `row_count`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    pub(super) column: Option<String>,
    #[serde(default)]
    metric: Option<Metric>,
    /// In place of a metric: one SELECT over the inputs that gives one number.
    #[serde(default)]
    #[schemars(extend("x-kind" = "sql"))]
    sql: Option<String>,
    #[serde(default)]
    must_be: Option<f64>,
    #[serde(default)]
    must_be_less_than: Option<f64>,
    #[serde(default)]
    must_be_greater_than: Option<f64>,
    #[serde(default)]
    must_be_at_least: Option<f64>,
    #[serde(default)]
    must_be_at_most: Option<f64>,
    /// Least and greatest value allowed.
    #[serde(default)]
    must_be_between: Option<[f64; 2]>,
    /// `error` fails the step, `warn` is reported. Default: `error`.
    #[serde(default)]
    severity: Severity,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    #[default]
    Error,
    #[serde(alias = "warning")]
    Warn,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warning",
        })
    }
}

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
}

impl Metric {
    fn name(self) -> &'static str {
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
        }
    }

    fn needs_numbers(self) -> bool {
        matches!(
            self,
            Self::Min | Self::Max | Self::Mean | Self::Median | Self::Stddev | Self::Sum
        )
    }
}

impl Check {
    /// Each bound as words, and whether a number keeps it.
    fn bounds(&self, number: f64) -> Vec<(String, bool)> {
        let mut bounds = Vec::new();
        let mut add = |bound: Option<f64>, words: &str, keeps: fn(f64, f64) -> bool| {
            if let Some(bound) = bound {
                bounds.push((format!("must be {words}{bound}"), keeps(number, bound)));
            }
        };
        add(self.must_be, "", |number, bound| number == bound);
        add(self.must_be_less_than, "less than ", |number, bound| {
            number < bound
        });
        add(self.must_be_greater_than, "greater than ", |number, bound| {
            number > bound
        });
        add(self.must_be_at_least, "at least ", |number, bound| {
            number >= bound
        });
        add(self.must_be_at_most, "at most ", |number, bound| number <= bound);
        if let Some([least, greatest]) = self.must_be_between {
            bounds.push((
                format!("must be between {least} and {greatest}"),
                (least..=greatest).contains(&number),
            ));
        }
        bounds
    }

    /// What is wrong with the check before anything runs.
    pub(super) fn findings(
        &self,
        path: &Path,
        schemas: &IndexMap<&str, &Schema>,
        inputs: &[&str],
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.bounds(0.0).is_empty() {
            let finding = Finding::error("S01", path.clone(), "this check says nothing of what must be");
            findings.push(finding.help("add e.g. `must_be_less_than: 0.05`"));
        }
        if let Some([least, greatest]) = self.must_be_between
            && least > greatest
        {
            let message = format!("nothing is between {least} and {greatest}");
            findings.push(
                Finding::error("S01", path.key("must_be_between"), message).help("give the lesser first"),
            );
        }
        match (self.metric, &self.sql) {
            (Some(metric), None) => self.metric_findings(metric, path, schemas, &mut findings),
            (None, Some(query)) => {
                let tables = match sql::tables_of(query) {
                    Ok(tables) => tables,
                    Err(refusal) => {
                        findings.push(Finding::error("S03", path.key("sql"), refusal));
                        return findings;
                    }
                };
                for table in tables.iter().filter(|table| !inputs.contains(&table.as_str())) {
                    findings.push(super::no_input(table, inputs, path.key("sql")).at_word(table.as_str()));
                }
                let used: Vec<(&str, &Schema)> = schemas
                    .iter()
                    .map(|(name, schema)| (*name, *schema))
                    .filter(|(name, _)| tables.contains(*name))
                    .collect();
                if findings.is_empty() && used.len() == tables.len() {
                    let flows: Vec<Flow> = used
                        .iter()
                        .map(|(name, schema)| Flow::unread(name, schema))
                        .collect();
                    let names = used.iter().map(|(name, _)| *name);
                    let plan = Flow::of_many(&flows.iter().collect::<Vec<_>>(), |frames| {
                        sql::query(query, names.clone().zip(frames))
                    });
                    if let Err(error) = plan {
                        let columns = used.iter().flat_map(|(_, schema)| schema.names());
                        findings.push(fault::finding(&error, path.key("sql"), columns));
                    }
                }
            }
            (Some(_), Some(_)) => {
                findings.push(Finding::error(
                    "S01",
                    path.key("sql"),
                    "a check has a metric or SQL, not both",
                ));
            }
            (None, None) => {
                let finding = Finding::error("S01", path.clone(), "this check has neither a metric nor SQL");
                findings.push(finding.help("add e.g. `metric: null_ratio`"));
            }
        }
        findings
    }

    fn metric_findings(
        &self,
        metric: Metric,
        path: &Path,
        schemas: &IndexMap<&str, &Schema>,
        findings: &mut Vec<Finding>,
    ) {
        let Some(dataset) = &self.dataset else {
            let finding = Finding::error("S01", path.clone(), "this check does not say of which input");
            findings.push(finding.help("add `dataset: INPUT`"));
            return;
        };
        let Some(column) = &self.column else {
            if metric != Metric::RowCount {
                let message = format!("`{}` is of a column", metric.name());
                findings.push(Finding::error("S01", path.key("metric"), message).help("add `column: NAME`"));
            }
            return;
        };
        let Some(schema) = schemas.get(dataset.as_str()) else {
            return;
        };
        match schema.column(column) {
            None => {
                findings.push(
                    fault::no_column(column, path.key("column"), schema.names()).at_word(column.as_str()),
                );
            }
            Some(found) if metric.needs_numbers() && !found.data_type.is_numeric() => {
                let message = format!(
                    "`{}` needs numbers, `{column}` is of type {}",
                    metric.name(),
                    found.data_type
                );
                findings.push(Finding::error(
                    "D01/wrong-column-type",
                    path.key("column"),
                    message,
                ));
            }
            Some(_) => {}
        }
    }

    /// The number and how it compares.
    ///
    /// # Errors
    /// `Rejected` if there is no such number.
    pub(super) fn carry_out(&self, frames: &IndexMap<String, DataFrame>) -> Result<Outcome, StepError> {
        let (subject, check, number) = match (&self.sql, self.metric) {
            (Some(query), _) => ("the query".to_owned(), query.clone(), queried(query, frames)?),
            (None, Some(metric)) => {
                let dataset = self.dataset.clone().unwrap_or_default();
                let frame = frames
                    .get(&dataset)
                    .ok_or_else(|| StepError::rejected(format!("there is no input `{dataset}`")))?;
                let subject = match &self.column {
                    Some(column) => format!("{dataset}.{column} {}", metric.name()),
                    None => format!("{dataset} {}", metric.name()),
                };
                (
                    subject,
                    metric.name().to_owned(),
                    measured(metric, frame, self.column.as_deref())?,
                )
            }
            (None, None) => return Err(StepError::rejected("a check has neither a metric nor SQL")),
        };
        let (says, passed) = match number {
            Some(number) => {
                let bounds = self.bounds(number);
                let words: Vec<&str> = bounds.iter().map(|(words, _)| words.as_str()).collect();
                (
                    format!("{subject} is {}, {}", rounded(number), words.join(", ")),
                    bounds.iter().all(|(_, keeps)| *keeps),
                )
            }
            // A number that does not exist cannot be within bounds.
            None => (format!("{subject} cannot be had: there are no values"), false),
        };
        Ok(Outcome {
            dataset: self.dataset.clone().unwrap_or_default(),
            column: self.column.clone(),
            check,
            severity: self.severity,
            passed,
            says,
            found: number,
            failing: Vec::new(),
        })
    }
}

/// Six significant digits, without trailing zeros.
fn rounded(number: f64) -> String {
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

fn measured(metric: Metric, frame: &DataFrame, column: Option<&str>) -> Result<Option<f64>, StepError> {
    let rows = frame.height() as f64;
    let Some(name) = column else { return Ok(Some(rows)) };
    let failed = |error: polars::prelude::PolarsError| StepError::rejected(fault::sentence(&error));
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
    Ok(match metric {
        Metric::RowCount => Some(rows),
        Metric::NullCount => Some(nulls),
        Metric::NullRatio => (rows > 0.0).then_some(nulls / rows),
        Metric::DistinctCount => Some(distinct()?),
        Metric::UniqueRatio => {
            if values > 0.0 {
                Some(distinct()? / values)
            } else {
                None
            }
        }
        Metric::DuplicateCount => Some(values - distinct()?),
        Metric::Min => numbers()?.min().map_err(failed)?,
        Metric::Max => numbers()?.max().map_err(failed)?,
        Metric::Mean => numbers()?.mean(),
        Metric::Median => numbers()?
            .f64()
            .map_err(failed)?
            .quantile(0.5, QuantileMethod::Linear)
            .map_err(failed)?,
        Metric::Stddev => numbers()?.std(1),
        Metric::Sum => numbers()?.sum().ok(),
    })
}

/// The one number a query gives.
fn queried(query: &str, frames: &IndexMap<String, DataFrame>) -> Result<Option<f64>, StepError> {
    let tables = sql::tables_of(query).map_err(StepError::rejected)?;
    let used = frames.iter().filter(|(name, _)| tables.contains(*name));
    let plan = sql::query(
        query,
        used.map(|(name, frame)| (name.as_str(), frame.clone().lazy())),
    )
    .map_err(|error| StepError::rejected(fault::sentence(&error)))?;
    let result = table::collect("run the check's query", plan)?;
    if result.shape() != (1, 1) {
        return Err(StepError::rejected(format!(
            "a check's query must give one number, this gives {}",
            table::headline(&result)
        )));
    }
    let number = result.columns()[0]
        .cast(&PolarsType::Float64)
        .map_err(|error| StepError::rejected(fault::sentence(&error)))?;
    number
        .f64()
        .map(|numbers| numbers.get(0))
        .map_err(|error| StepError::internal(error.to_string()))
}
