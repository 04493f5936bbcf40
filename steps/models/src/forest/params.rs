//! Parameters of forests and trees.

use crate::error::ModelError;
use crate::fit::{at_least, at_least_one, share};
use crate::task::Task;
use serde::{Deserialize, Serialize};

/// Impurity of classes. Numbers have the squared distance from their mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// `1 − Σ p²`.
    #[default]
    Gini,
    /// `−Σ p·log₂ p`.
    Entropy,
}

/// Parameters of a random forest, and of extra trees.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `n_trees` | 100 | 1 to 100,000 | trees |
/// | `criterion` | `gini` | `gini`, `entropy` | impurity of classes |
/// | `min_leaf` | 20 | at least 1 | training rows in a leaf, at least |
/// | `min_split` | 2 | at least 2 | training rows of a node that is split, at least |
/// | `max_depth` | none | at least 1 | questions between root and leaf, at most |
/// | `min_gain` | 0 | at least 0 | impurity taken away by a split, at least, as a share of the weight of all rows (scikit-learn's `min_impurity_decrease`) |
/// | `bootstrap` | true; false for extra trees | | whether each tree is grown on rows drawn with replacement, or on all |
/// | `row_share` | 1 | above 0, at most 1 | rows drawn for a tree, as a share of all |
/// | `feature_share` | square root of their number for classes, all for numbers | above 0, at most 1 | features tried at each split |
/// | `pruning` | 0 | at least 0 | impurity that a branch takes away for each of its leaves but one, at least, as a share of the weight of all rows (scikit-learn's `ccp_alpha`) |
/// | `oob_score` | false | | whether the forest is scored on the rows that trees were not grown on |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForestParams {
    pub n_trees: usize,
    pub criterion: Criterion,
    pub min_leaf: usize,
    pub min_split: usize,
    pub max_depth: Option<usize>,
    pub min_gain: f64,
    pub bootstrap: bool,
    pub row_share: f64,
    pub feature_share: Option<f64>,
    pub pruning: f64,
    pub oob_score: bool,
}

impl Default for ForestParams {
    fn default() -> Self {
        Self {
            n_trees: 100,
            criterion: Criterion::Gini,
            min_leaf: 20,
            min_split: 2,
            max_depth: None,
            min_gain: 0.0,
            bootstrap: true,
            row_share: 1.0,
            feature_share: None,
            pruning: 0.0,
            oob_score: false,
        }
    }
}

impl ForestParams {
    /// Defaults of extra trees: each tree sees all rows.
    pub fn extra_trees() -> Self {
        Self {
            bootstrap: false,
            ..Self::default()
        }
    }

    pub(super) fn check(&self) -> Result<(), ModelError> {
        let wrong = |name, value: String, rule| Err(ModelError::Parameter { name, value, rule });
        if !(1..=100_000).contains(&self.n_trees) {
            return wrong("n_trees", self.n_trees.to_string(), "1 to 100,000");
        }
        check_growth(self.min_leaf, self.min_split, self.max_depth)?;
        at_least("min_gain", self.min_gain)?;
        at_least("pruning", self.pruning)?;
        share("row_share", self.row_share)?;
        if let Some(features) = self.feature_share {
            share("feature_share", features)?;
        }
        if !self.bootstrap && self.row_share < 1.0 {
            return wrong("row_share", self.row_share.to_string(), "1 without `bootstrap`");
        }
        if !self.bootstrap && self.oob_score {
            return wrong("oob_score", "true".to_owned(), "false without `bootstrap`");
        }
        Ok(())
    }

    /// Features tried at a split.
    pub(super) fn tried(&self, features: usize, task: &Task) -> usize {
        let tried = match (self.feature_share, task) {
            (Some(share), _) => (features as f64 * share).round() as usize,
            (None, Task::Regression) => features,
            (None, _) => features.isqrt(),
        };
        tried.clamp(1, features.max(1))
    }
}

/// Parameters of a single decision tree, grown on all rows and features.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `criterion` | `gini` | `gini`, `entropy` | impurity of classes |
/// | `min_leaf` | 20 | at least 1 | training rows in a leaf, at least |
/// | `min_split` | 2 | at least 2 | training rows of a node that is split, at least |
/// | `max_depth` | none | at least 1 | questions between root and leaf, at most |
/// | `min_gain` | 0 | at least 0 | impurity taken away by a split, at least, as a share of the weight of all rows (scikit-learn's `min_impurity_decrease`) |
/// | `pruning` | 0 | at least 0 | impurity that a branch takes away for each of its leaves but one, at least, as a share of the weight of all rows (scikit-learn's `ccp_alpha`) |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TreeParams {
    pub criterion: Criterion,
    pub min_leaf: usize,
    pub min_split: usize,
    pub max_depth: Option<usize>,
    pub min_gain: f64,
    pub pruning: f64,
}

impl Default for TreeParams {
    fn default() -> Self {
        Self {
            criterion: Criterion::Gini,
            min_leaf: 20,
            min_split: 2,
            max_depth: None,
            min_gain: 0.0,
            pruning: 0.0,
        }
    }
}

impl TreeParams {
    pub(super) fn check(&self) -> Result<(), ModelError> {
        check_growth(self.min_leaf, self.min_split, self.max_depth)?;
        at_least("min_gain", self.min_gain)?;
        at_least("pruning", self.pruning)
    }
}

fn check_growth(min_leaf: usize, min_split: usize, max_depth: Option<usize>) -> Result<(), ModelError> {
    at_least_one("min_leaf", Some(min_leaf))?;
    at_least_one("max_depth", max_depth)?;
    if min_split < 2 {
        return Err(ModelError::Parameter {
            name: "min_split",
            value: min_split.to_string(),
            rule: "at least 2",
        });
    }
    Ok(())
}
