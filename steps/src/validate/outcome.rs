//! How one check went.

use super::source::Rows;
use crate::rule::{self, known};
use crate::table::grouped;
use indexmap::IndexMap;
use polars::prelude::BooleanChunked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use trainyard_contract::StepError;

/// What a check that does not hold does.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// Fails the step.
    #[default]
    Error,
    /// Is reported as a fault.
    #[serde(alias = "warning")]
    Warn,
    /// Is reported.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warning",
            Self::Info => "info",
        })
    }
}

/// How one check went.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// The check's own name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// Name of the input, or nothing for SQL.
    pub(super) dataset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<String>,
    /// The rule or metric.
    pub(super) check: String,
    /// What must hold, in a few words.
    pub(super) wanted: String,
    pub(super) severity: Severity,
    pub(super) passed: bool,
    /// What was found and what must be, one sentence.
    pub(super) says: String,
    /// Rows or values looked at.
    pub(super) rows: usize,
    /// The number found, or the count of rows that break the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) found: Option<f64>,
    /// Share of rows that may break the rule, where that is not none.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) max_bad_share: f64,
    /// Some failing rows: their number from 1, and their values in the columns that matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) failing: Vec<FailingRow>,
    /// More of them, for the table of failing rows.
    #[serde(skip)]
    pub(super) kept: Vec<KeptRow>,
    /// Why a row fails, as the end of a sentence.
    #[serde(skip)]
    pub(super) reason: String,
}

fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

/// A row that breaks a rule.
#[derive(Debug, Serialize)]
pub(crate) struct FailingRow {
    pub(super) row: u64,
    pub(super) values: IndexMap<String, Option<String>>,
}

/// A row that breaks a rule, as it is kept.
#[derive(Debug)]
pub(crate) struct KeptRow {
    pub(super) row: u64,
    pub(super) column: Option<String>,
    pub(super) value: Option<String>,
}

/// How many failing rows of a check are shown and kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) shown: usize,
    pub(super) kept: usize,
}

impl Outcome {
    /// A check that holds so far.
    pub(super) fn new(dataset: &str, column: Option<&str>, check: &str, wanted: impl Into<String>) -> Self {
        Self {
            name: None,
            dataset: dataset.to_owned(),
            column: column.map(str::to_owned),
            check: check.to_owned(),
            wanted: wanted.into(),
            severity: Severity::Error,
            passed: true,
            says: String::new(),
            rows: 0,
            found: None,
            max_bad_share: 0.0,
            failing: Vec::new(),
            kept: Vec::new(),
            reason: String::new(),
        }
    }

    pub(super) fn verdict(mut self, passed: bool, says: impl Into<String>) -> Self {
        self.passed = passed;
        self.says = says.into();
        self
    }

    pub(super) fn over(mut self, rows: usize) -> Self {
        self.rows = rows;
        self
    }

    pub(super) fn found(mut self, number: Option<f64>) -> Self {
        self.found = number;
        self
    }

    /// `flights.carrier`, `flights`.
    pub(super) fn subject(&self) -> String {
        subject(&self.dataset, self.column.as_deref())
    }

    /// Name under which the check's number stands among the metrics.
    pub(super) fn metric(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            if self.dataset.is_empty() {
                self.check.clone()
            } else {
                format!("{}.{}", self.subject(), self.check)
            }
        })
    }
}

pub(super) fn subject(dataset: &str, column: Option<&str>) -> String {
    column.map_or_else(|| dataset.to_owned(), |column| format!("{dataset}.{column}"))
}

/// A rule that each row keeps or breaks.
pub(super) struct RowRule<'a> {
    pub(super) dataset: &'a str,
    /// The columns it is about.
    pub(super) columns: &'a [&'a str],
    /// Columns shown of a row that breaks it; those it is about, unless it is about the row as a whole.
    pub(super) shown: &'a [&'a str],
    /// Columns that identify a row, shown beside.
    pub(super) keys: &'a [String],
    pub(super) check: &'a str,
    pub(super) wanted: String,
    /// What a row that breaks it has: `a value that is greater than 3`.
    pub(super) has: String,
    pub(super) severity: Severity,
    /// Share of the rows looked at that may break it.
    pub(super) max_bad_share: f64,
    pub(super) limits: Limits,
}

impl RowRule<'_> {
    /// How it went: `bad` marks the rows that break it, out of `looked_at`.
    ///
    /// # Errors
    /// If the rows to be shown cannot be read.
    pub(super) fn judge(
        &self,
        source: &Rows,
        bad: BooleanChunked,
        looked_at: usize,
    ) -> Result<Outcome, StepError> {
        let column = match self.columns {
            [one] => Some(*one),
            _ => None,
        };
        let bad = known(bad);
        let count = bad.sum().map_or(0, |count| count as usize);
        let share = if looked_at == 0 {
            0.0
        } else {
            count as f64 / looked_at as f64
        };
        let mut outcome = Outcome::new(self.dataset, column, self.check, self.wanted.clone());
        let what = outcome.subject();
        let all = grouped(looked_at as u64);
        let says = match count {
            0 => format!("{what}: none of {all} rows has {}", self.has),
            1 => format!("{what}: 1 of {all} rows has {}", self.has),
            more => format!("{what}: {} of {all} rows have {}", grouped(more as u64), self.has),
        };
        let tolerated = if self.max_bad_share > 0.0 && count > 0 {
            format!(" ({:.4} of them, {} are tolerated)", share, self.max_bad_share)
        } else {
            String::new()
        };
        outcome.severity = self.severity;
        outcome.max_bad_share = self.max_bad_share;
        outcome.reason.clone_from(&self.has);
        let mut outcome = outcome.over(looked_at).found(Some(count as f64)).verdict(
            count == 0 || share <= self.max_bad_share,
            format!("{says}{tolerated}"),
        );
        let rows: Vec<usize> = bad
            .iter()
            .enumerate()
            .filter(|(_, broken)| *broken == Some(true))
            .map(|(row, _)| row)
            .take(self.limits.shown.max(self.limits.kept))
            .collect();
        let mut beside: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        beside.extend(
            self.shown
                .iter()
                .filter(|name| !self.keys.iter().any(|key| key == **name)),
        );
        if rows.is_empty() || self.limits.shown.max(self.limits.kept) == 0 {
            return Ok(outcome);
        }
        let there = beside.iter().copied().filter(|name| source.has(name));
        let frame = source.only(there)?;
        let value = |name: &str, row: usize| {
            let series = frame.column(name).ok()?.as_materialized_series();
            Some(rule::shown(series, row))
        };
        outcome.failing = rows
            .iter()
            .take(self.limits.shown)
            .map(|row| FailingRow {
                row: *row as u64 + 1,
                values: beside
                    .iter()
                    .filter_map(|name| Some(((*name).to_owned(), value(name, *row)?)))
                    .collect(),
            })
            .collect();
        let of_columns = |row: usize| {
            let values: Vec<Option<String>> =
                self.shown.iter().map(|name| value(name, row).flatten()).collect();
            match values.as_slice() {
                [one] => one.clone(),
                [] => None,
                more => Some(
                    more.iter()
                        .map(|v| v.as_deref().unwrap_or("∅"))
                        .collect::<Vec<_>>()
                        .join(", "),
                ),
            }
        };
        outcome.kept = rows
            .iter()
            .take(self.limits.kept)
            .map(|row| KeptRow {
                row: *row as u64 + 1,
                column: (!self.shown.is_empty()).then(|| self.shown.join(", ")),
                value: of_columns(*row),
            })
            .collect();
        Ok(outcome)
    }
}
