//! The algorithms by name.

use crate::boosting::BoostingParams;
use crate::forest::{ForestParams, TreeParams};
use crate::linear::LinearParams;
use serde::{Deserialize, Serialize};

/// An algorithm with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "algorithm", content = "params", rename_all = "snake_case")]
pub enum Algorithm {
    GradientBoosting(BoostingParams),
    RandomForest(ForestParams),
    ExtraTrees(ForestParams),
    DecisionTree(TreeParams),
    LogisticRegression(LinearParams),
    LinearRegression(LinearParams),
}

impl Algorithm {
    /// Names of all algorithms.
    pub const NAMES: [&'static str; 6] = [
        "gradient_boosting",
        "random_forest",
        "extra_trees",
        "decision_tree",
        "logistic_regression",
        "linear_regression",
    ];

    /// The name, as written in parameters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GradientBoosting(_) => "gradient_boosting",
            Self::RandomForest(_) => "random_forest",
            Self::ExtraTrees(_) => "extra_trees",
            Self::DecisionTree(_) => "decision_tree",
            Self::LogisticRegression(_) => "logistic_regression",
            Self::LinearRegression(_) => "linear_regression",
        }
    }

    /// Whether it learns from preprocessed columns of numbers ([`crate::Preprocessing`]). Trees
    /// take missing values and categories as they are.
    pub fn is_preprocessed(&self) -> bool {
        match self {
            Self::GradientBoosting(_)
            | Self::RandomForest(_)
            | Self::ExtraTrees(_)
            | Self::DecisionTree(_) => false,
            Self::LogisticRegression(_) | Self::LinearRegression(_) => true,
        }
    }

    /// Whether it draws rows for each of many trees, so that classes can be balanced among those.
    pub(crate) fn is_forest(&self) -> bool {
        matches!(self, Self::RandomForest(_) | Self::ExtraTrees(_))
    }
}
