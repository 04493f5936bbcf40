//! Rules a pipeline adds beyond contracts and numbers.

use super::metric::Metric;
use crate::sql::Expression;
use schemars::JsonSchema;
use serde::Deserialize;

/// Something that must hold of a column, of rows, or between tables.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Demand {
    /// No value of the column is missing.
    NotNull,
    /// No value of the column, or no combination of values of `columns`, occurs twice.
    Unique,
    /// Every number lies between these, both included.
    Range(Bounds),
    /// Every value is one of these.
    AcceptedValues(Vec<serde_json::Value>),
    /// Every text matches this regular expression.
    Pattern(String),
    /// Every text has that many letters.
    Length(Bounds),
    /// This SQL expression over a row's columns is true, or unknown because a value is missing.
    Expression(Expression),
    /// Values follow each other in order, as rows stand in the table; missing ones are passed over.
    Order(Order),
    /// The newest value is not older than this, measured from `as_of`.
    Fresh(Fresh),
    /// Every value of the column (or combination of `columns`) occurs in another input; missing ones do not count.
    ForeignKey(Reference),
    /// No value of the column (or combination of `columns`; default: whole rows) occurs in the other input: train and
    /// test rows, keys or groups do not mix.
    Disjoint(OtherInput),
    /// Every time of the column is after the last one of another input: the test is later than the training.
    LaterThan(Column),
    /// A number of this column equals one of another input.
    Agrees(Agreement),
    /// The column is distributed as in another input, such as the last good snapshot.
    Distribution(Likeness),
    /// The column is a label with enough rows of each class.
    Classes(Classes),
    /// The column is a label that no other column tells on its own.
    Leakage(Leakage),
}

/// Least and greatest value; at least one of them.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bounds {
    /// Least value allowed. Default: none.
    #[serde(default)]
    pub(super) min: Option<f64>,
    /// Greatest value allowed. Default: none.
    #[serde(default)]
    pub(super) max: Option<f64>,
}

/// Which way values go.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// Whether values grow or fall from row to row.
    pub(super) direction: Direction,
    /// Whether equal values may follow each other. Default: true.
    #[serde(default = "yes")]
    pub(super) ties: bool,
    /// Columns within whose values each row is compared with the one before. Default: the whole table.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    pub(super) within: Vec<String>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Increasing,
    Decreasing,
}

/// How old the newest value may be.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fresh {
    /// A duration such as `30h`.
    #[schemars(extend("x-kind" = "duration"))]
    pub(super) max_age: String,
}

/// Columns of another input.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    /// Name of the other input.
    pub(super) dataset: String,
    /// Its columns, in the order of this side's. Default: the same names.
    #[serde(default)]
    pub(super) columns: Vec<String>,
}

/// Another input.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OtherInput {
    /// Name of the other input.
    pub(super) dataset: String,
}

/// A column of another input.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    /// Name of the other input.
    pub(super) dataset: String,
    /// Its column. Default: the same name.
    #[serde(default)]
    pub(super) column: Option<String>,
}

/// A number that must be the same on both sides.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Agreement {
    /// What is measured on both sides, e.g. `sum` or `row_count`.
    pub(super) metric: Metric,
    /// Name of the other input.
    pub(super) dataset: String,
    /// Its column. Default: the same name.
    #[serde(default)]
    pub(super) column: Option<String>,
    /// Difference allowed, as a share of the other input's number. Default: 1e-9.
    #[serde(default = "next_to_nothing")]
    #[schemars(range(min = 0))]
    pub(super) tolerance: f64,
}

fn next_to_nothing() -> f64 {
    1e-9
}

/// How near two distributions must be; at least one limit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Likeness {
    /// Name of the input to compare with; if it is absent, as before the first snapshot, the check holds. Without an input
    /// of that name `previous` means the same column when the step last found no error; it is remembered in the output
    /// `distributions`.
    pub(super) reference: String,
    /// Greatest population stability index, over tenths of the reference or over its 50 most frequent values; missing
    /// values are one more. 0.1 is some change, 0.25 a large one.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub(super) psi_at_most: Option<f64>,
    /// Greatest distance of the two distribution functions (Kolmogorov and Smirnov's D, 0 to 1), for numbers.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub(super) ks_at_most: Option<f64>,
    /// Greatest shift of the mean, in standard deviations of the reference, for numbers.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub(super) mean_shift_at_most: Option<f64>,
}

/// How often classes must occur.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Classes {
    /// Least number of different classes. Default: 2.
    #[serde(default = "two")]
    pub(super) at_least: usize,
    /// Least share of rows of each class. Default: none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub(super) least_share: Option<f64>,
    /// Least rows of each class. Default: 1.
    #[serde(default = "one")]
    pub(super) least_rows: usize,
}

fn two() -> usize {
    2
}

fn one() -> usize {
    1
}

/// How well one column may tell the label.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leakage {
    /// Greatest area under the ROC curve (two classes), R² (numbers) or strength (more classes) of any other column
    /// alone, by its tenths or most frequent values. Default: 0.98.
    #[serde(default = "nearly_all")]
    #[schemars(range(min = 0, max = 1))]
    pub(super) at_most: f64,
}

fn nearly_all() -> f64 {
    0.98
}

impl Demand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::NotNull => "not_null",
            Self::Unique => "unique",
            Self::Range(_) => "range",
            Self::AcceptedValues(_) => "accepted_values",
            Self::Pattern(_) => "pattern",
            Self::Length(_) => "length",
            Self::Expression(_) => "expression",
            Self::Order(_) => "order",
            Self::Fresh(_) => "fresh",
            Self::ForeignKey(_) => "foreign_key",
            Self::Disjoint(_) => "disjoint",
            Self::LaterThan(_) => "later_than",
            Self::Agrees(_) => "agrees",
            Self::Distribution(_) => "distribution",
            Self::Classes(_) => "classes",
            Self::Leakage(_) => "leakage",
        }
    }

    /// The other input it looks at, and the parameter that names it.
    pub(super) fn other(&self) -> Option<(&str, &'static str)> {
        match self {
            Self::ForeignKey(other) => Some((&other.dataset, "dataset")),
            Self::Disjoint(other) => Some((&other.dataset, "dataset")),
            Self::LaterThan(other) => Some((&other.dataset, "dataset")),
            Self::Agrees(other) => Some((&other.dataset, "dataset")),
            Self::Distribution(other) => Some((&other.reference, "reference")),
            _ => None,
        }
    }

    /// Whether it is about several columns if they are given.
    pub(super) fn takes_columns(&self) -> bool {
        matches!(self, Self::Unique | Self::ForeignKey(_) | Self::Disjoint(_))
    }

    /// Whether it can do without a column.
    pub(super) fn is_of_rows(&self) -> bool {
        matches!(self, Self::Expression(_) | Self::Disjoint(_) | Self::Agrees(_))
    }
}
