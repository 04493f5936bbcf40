//! Columns as numbers: missing values filled in, numbers scaled, categories encoded.
//!
//! Everything is fitted on training rows only and is part of the model. It serves the algorithms
//! that add or measure distances; trees take columns as they are.

mod arrays;
mod design;
mod encoding;
mod number;
mod target;

pub(crate) use design::{Design, DesignColumn};
pub(crate) use encoding::{Encoded, Encoding};

use serde::{Deserialize, Serialize};

/// How features become columns of numbers.
///
/// | name | default | meaning |
/// | --- | --- | --- |
/// | `impute` | `mean` | what stands for a missing number |
/// | `missing_indicator` | true | whether a number that was missing in training gets a second column: 1 where it is missing, else 0 |
/// | `scale` | `standard` | unit of numbers, and of categories encoded as numbers |
/// | `encode` | `one_hot` | how categories become numbers |
/// | `unseen` | `ignore` | what a category means that did not occur in training |
///
/// Infinite numbers count as missing. A column that is missing in all training rows, or constant,
/// says nothing: it becomes 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preprocessing {
    pub impute: Impute,
    pub missing_indicator: bool,
    pub scale: Scale,
    pub encode: Encode,
    pub unseen: Unseen,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self {
            impute: Impute::Mean,
            missing_indicator: true,
            scale: Scale::Standard,
            encode: Encode::OneHot,
            unseen: Unseen::Ignore,
        }
    }
}

/// What stands for a missing number, from the training rows in which it is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impute {
    Mean,
    Median,
    /// The most frequent value; of equally frequent ones the smallest.
    MostFrequent,
    /// This number, which must be finite.
    Constant(f64),
}

/// The unit of a column: `(value − center) / scale`, over the training rows after imputation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Mean 0 and standard deviation 1 (divided by n, as in scikit-learn).
    Standard,
    /// From 0 for the smallest to 1 for the largest.
    MinMax,
    /// Median 0 and a distance of 1 between the quartiles.
    Robust,
    /// As it is.
    None,
}

/// How categories become numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encode {
    /// A column for each category: 1 or 0, not scaled. If it was missing in training, so is one
    /// for missing.
    OneHot,
    /// The place of the category among the sorted ones, from 0; −1 for missing or unseen.
    Ordinal,
    /// The mean label of the category's training rows, drawn towards that of all rows (Micci-
    /// Barreca 2001). Training rows get the means of the other folds of five, so that no row sees
    /// its own label. Several classes give a column each.
    Target {
        /// Rows at which a category's mean counts as much as that of all; `None` finds it from the
        /// variances within and between categories (as scikit-learn's `smooth="auto"`).
        smoothing: Option<f64>,
    },
}

/// What a category means that did not occur in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// Nothing: 0 in every column of one-hot, −1 as an ordinal, the mean label of all rows as a
    /// target.
    Ignore,
    /// The same as missing.
    AsMissing,
    /// Prediction fails with `UnseenCategory`.
    Error,
}
