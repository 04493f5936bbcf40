//! Checks a pipeline adds: a number and its bounds, or a rule.

use super::demand::Demand;
use super::metric::{Metric, rounded};
use super::outcome::{Limits, Outcome, Severity, subject};
use super::remembered::Remembered;
use super::source::Rows;
use super::tables;
use crate::fault::{self, guarded};
use crate::sql::{self, Expression};
use crate::table;
use indexmap::IndexMap;
use polars::prelude::{
    BooleanChunked, DataFrame, DataType as PolarsType, IntoLazy, NewChunkedArray, PolarsError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use trainyard_contract::{StepError, Timestamp};

/// One check: a metric of a table or column or a number from SQL, and its bounds; or a rule.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// What the check is called in the report and among the metrics. Default: input, column and rule.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Name of the input. Needed unless `sql` is given.
    #[serde(default)]
    pub(super) dataset: Option<String>,
    /// Column the metric or rule is of. Needed by all metrics but `row_count`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    pub(super) column: Option<String>,
    /// In place of `column`, for the rules `unique`, `foreign_key` and `disjoint`: columns taken together.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    pub(super) columns: Vec<String>,
    /// Only rows for which this SQL expression is true are looked at. Default: all rows.
    #[serde(default, rename = "where")]
    pub(super) condition: Option<Expression>,
    /// What is measured; say with `must_be…` what it must be.
    #[serde(default)]
    pub(super) metric: Option<Metric>,
    /// In place of a metric: one SELECT over the inputs that gives one number.
    #[serde(default)]
    #[schemars(extend("x-kind" = "sql"))]
    pub(super) sql: Option<String>,
    /// In place of a metric: what must hold of each row, of the column or between inputs.
    #[serde(default)]
    pub(super) rule: Option<Demand>,
    /// Share of the rows looked at, 0 to 1, that may break the rule. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub(super) max_bad_share: f64,
    /// The number must be exactly this.
    #[serde(default)]
    must_be: Option<f64>,
    /// The number must be less than this.
    #[serde(default)]
    must_be_less_than: Option<f64>,
    /// The number must be greater than this.
    #[serde(default)]
    must_be_greater_than: Option<f64>,
    /// The number must be this or greater.
    #[serde(default)]
    must_be_at_least: Option<f64>,
    /// The number must be this or less.
    #[serde(default)]
    must_be_at_most: Option<f64>,
    /// Least and greatest value allowed.
    #[serde(default)]
    pub(super) must_be_between: Option<[f64; 2]>,
    /// What happens if it does not hold: `error` fails the step, `warn` and `info` are reported. Default: `error`.
    #[serde(default)]
    pub(super) severity: Severity,
}

/// What checks are carried out on.
pub(super) struct Tables<'a> {
    pub(super) inputs: &'a IndexMap<String, Rows>,
    /// Columns of the last good data.
    pub(super) remembered: &'a Remembered,
    /// Columns that identify a row, by input.
    pub(super) keys: &'a BTreeMap<String, Vec<String>>,
    pub(super) as_of: Option<Timestamp>,
    pub(super) limits: Limits,
}

impl Tables<'_> {
    /// # Errors
    /// `Rejected` if there is no such input.
    pub(super) fn rows(&self, dataset: &str) -> Result<&Rows, StepError> {
        self.inputs
            .get(dataset)
            .ok_or_else(|| StepError::rejected(format!("there is no input `{dataset}`")))
    }
}

impl Check {
    /// The columns it is about.
    pub(super) fn about(&self) -> Vec<&str> {
        if self.columns.is_empty() {
            self.column.iter().map(String::as_str).collect()
        } else {
            self.columns.iter().map(String::as_str).collect()
        }
    }

    /// Each bound as words, and whether a number keeps it.
    pub(super) fn bounds(&self, number: f64) -> Vec<(String, bool)> {
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

    /// How the check went.
    ///
    /// # Errors
    /// `Rejected` if there is no such number, input or column.
    pub(super) fn carry_out(&self, tables: &Tables<'_>) -> Result<Outcome, StepError> {
        let outcome = match (&self.rule, &self.sql, self.metric) {
            (Some(demand), ..) => tables::judged(self, demand, tables)?,
            (None, Some(query), _) => {
                self.bounded("the query".to_owned(), query, queried(query, tables.inputs)?, 0)
            }
            (None, None, Some(metric)) => {
                let dataset = self.dataset.as_deref().unwrap_or_default();
                let frame = self.kept(tables.rows(dataset)?, self.column.as_deref().as_slice())?;
                let number = metric.of(&frame, self.column.as_deref())?;
                let words = format!("{} {}", subject(dataset, self.column.as_deref()), metric.name());
                self.bounded(words, metric.name(), number, frame.height())
            }
            (None, None, None) => {
                return Err(StepError::rejected(
                    "a check has neither a metric nor SQL nor a rule",
                ));
            }
        };
        Ok(Outcome {
            name: self.name.clone(),
            severity: self.severity,
            ..outcome
        })
    }

    fn bounded(&self, what: String, check: &str, number: Option<f64>, rows: usize) -> Outcome {
        let wanted: Vec<String> = self.bounds(0.0).into_iter().map(|(words, _)| words).collect();
        let outcome = Outcome::new(
            self.dataset.as_deref().unwrap_or_default(),
            self.column.as_deref(),
            check,
            wanted.join(", "),
        );
        match number {
            Some(number) => {
                let keeps = self.bounds(number).iter().all(|(_, keeps)| *keeps);
                let says = format!("{what} is {}, {}", rounded(number), wanted.join(", "));
                outcome.over(rows).found(Some(number)).verdict(keeps, says)
            }
            // A number that does not exist cannot be within bounds.
            None => outcome
                .over(rows)
                .verdict(false, format!("{what} cannot be had: there are no values")),
        }
    }

    /// The rows for which `where` is true, with at least these columns.
    ///
    /// # Errors
    /// As [`Self::condition_rows`], or if a column is not there.
    pub(super) fn kept(&self, source: &Rows, names: &[&str]) -> Result<DataFrame, StepError> {
        let roots = self.roots();
        let frame = source.only(names.iter().copied().chain(roots.iter().map(String::as_str)))?;
        match self.condition_rows(&frame)? {
            Some(rows) => frame
                .filter(&rows)
                .map_err(|error| StepError::internal(error.to_string())),
            None => Ok(frame),
        }
    }

    /// The columns that `where` speaks of.
    pub(super) fn roots(&self) -> Vec<String> {
        self.condition
            .as_ref()
            .map(|Expression(text)| roots(text))
            .unwrap_or_default()
    }

    /// The rows for which `where` is true; `None` for all.
    ///
    /// # Errors
    /// `Rejected` if it cannot be computed or is no yes or no.
    pub(super) fn condition_rows(&self, frame: &DataFrame) -> Result<Option<BooleanChunked>, StepError> {
        let Some(Expression(text)) = &self.condition else {
            return Ok(None);
        };
        truth(text, frame).map(|rows| Some(crate::rule::known(rows)))
    }
}

/// The columns that a SQL expression speaks of; none if it is no expression.
pub(super) fn roots(text: &str) -> Vec<String> {
    let names = sql::expression(text)
        .map(|expression| expression.meta().root_names())
        .unwrap_or_default();
    names.iter().map(ToString::to_string).collect()
}

/// A SQL condition for each row; missing where it is unknown.
///
/// # Errors
/// `Rejected` if it cannot be computed or is no yes or no.
pub(super) fn truth(text: &str, frame: &DataFrame) -> Result<BooleanChunked, StepError> {
    let failed = |error: PolarsError| StepError::rejected(format!("`{text}`: {}", fault::sentence(&error)));
    let expression = sql::expression(text).map_err(failed)?;
    let found = guarded(|| {
        frame
            .clone()
            .lazy()
            .select([expression.alias("condition")])
            .collect()
    })
    .map_err(failed)?;
    let column = found.column("condition").map_err(failed)?;
    let truth = column.bool().map_err(failed)?;
    if truth.len() == frame.height() {
        return Ok(truth.clone());
    }
    // A condition without a column is one value for all rows.
    let value = truth.get(0);
    Ok(BooleanChunked::from_iter_options(
        "condition".into(),
        (0..frame.height()).map(|_| value),
    ))
}

/// The one number a query gives.
fn queried(query: &str, inputs: &IndexMap<String, Rows>) -> Result<Option<f64>, StepError> {
    let tables = sql::tables_of(query).map_err(StepError::rejected)?;
    let used = inputs.iter().filter(|(name, _)| tables.contains(*name));
    let plan = sql::query(query, used.map(|(name, rows)| (name.as_str(), rows.plan())))
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
