//! Parameters of gradient boosting.

use crate::error::ModelError;
use crate::features::{Feature, FeatureKind};
use crate::fit::{at_least, at_least_one, share};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Parameters of gradient boosting.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `loss` | `squared_error` | see [`BoostingLoss`] | what a numeric label's model minimises; classes have log loss |
/// | `n_rounds` | 200 | 1 to 100,000 | rounds, at most; in each one tree, or one for each of several classes |
/// | `learning_rate` | 0.1 | above 0, at most 1 | share of each tree's step that is taken |
/// | `num_leaves` | 31 | 2 to 65,536 | leaves of a tree, at most |
/// | `max_depth` | none | at least 1 | questions between root and leaf, at most |
/// | `min_leaf` | 20 | at least 1 | training rows in a leaf, at least (estimated from the hessian) |
/// | `min_hessian` | 0.001 | at least 0 | sum of hessians in a leaf, at least |
/// | `l1` | 0 | at least 0 | absolute gradient of a leaf that is not answered |
/// | `l2` | 0 | at least 0 | added to the hessian when a leaf's value is computed |
/// | `min_gain` | 0 | at least 0 | gain of a split, at least |
/// | `row_share` | 1 | above 0, at most 1 | share of rows drawn for each round |
/// | `feature_share` | 1 | above 0, at most 1 | share of features drawn for each tree |
/// | `monotone` | none | features of numbers | features with which the prediction may only rise, or only fall |
/// | `early_stopping_rounds` | none | at least 1 | rounds without a better metric on the validation rows before it stops; the best round is kept |
/// | `stopping_metric` | `loss` | see [`StoppingMetric`] | what early stopping looks at |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BoostingParams {
    pub loss: BoostingLoss,
    pub n_rounds: usize,
    pub learning_rate: f64,
    pub num_leaves: usize,
    pub max_depth: Option<usize>,
    pub min_leaf: usize,
    pub min_hessian: f64,
    pub l1: f64,
    pub l2: f64,
    pub min_gain: f64,
    pub row_share: f64,
    pub feature_share: f64,
    pub monotone: BTreeMap<String, Direction>,
    pub early_stopping_rounds: Option<usize>,
    pub stopping_metric: StoppingMetric,
}

/// What boosting of a numeric label minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoostingLoss {
    /// Half the squared error: predicts the mean.
    #[default]
    SquaredError,
    /// Predicts the median.
    AbsoluteError,
    /// Squared error up to a distance of `delta` (above 0), beyond it linear (Huber 1964).
    Huber { delta: f64 },
    /// Predicts the quantile at `level`, between 0 and 1 (Koenker and Bassett 1978).
    Quantile { level: f64 },
    /// Deviance of counts; labels of at least 0; the score is the logarithm of the mean.
    Poisson,
    /// Deviance of sizes; labels above 0; the score is the logarithm of the mean.
    Gamma,
    /// Deviance of sums of sizes with many zeros; labels of at least 0; `power` above 1 and below 2
    /// (Jørgensen 1987).
    Tweedie { power: f64 },
}

/// How the prediction may change where a feature rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Increasing,
    Decreasing,
}

/// What early stopping looks at, on the validation rows with their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppingMetric {
    /// The mean loss; for squared error its root.
    #[default]
    Loss,
    /// Two classes: 1 − area under the ROC curve; weights do not apply.
    RocAuc,
    /// Classes: share of rows whose most probable class is not theirs.
    ErrorRate,
    /// Numbers: root of the mean squared error.
    RootMeanSquaredError,
    /// Numbers: mean absolute error.
    MeanAbsoluteError,
}

impl Default for BoostingParams {
    fn default() -> Self {
        Self {
            loss: BoostingLoss::SquaredError,
            n_rounds: 200,
            learning_rate: 0.1,
            num_leaves: 31,
            max_depth: None,
            min_leaf: 20,
            min_hessian: 1e-3,
            l1: 0.0,
            l2: 0.0,
            min_gain: 0.0,
            row_share: 1.0,
            feature_share: 1.0,
            monotone: BTreeMap::new(),
            early_stopping_rounds: None,
            stopping_metric: StoppingMetric::Loss,
        }
    }
}

impl BoostingParams {
    pub(super) fn check(&self) -> Result<(), ModelError> {
        let wrong = |name, value: String, rule| Err(ModelError::Parameter { name, value, rule });
        if !(1..=100_000).contains(&self.n_rounds) {
            return wrong("n_rounds", self.n_rounds.to_string(), "1 to 100,000");
        }
        if !(2..=65_536).contains(&self.num_leaves) {
            return wrong("num_leaves", self.num_leaves.to_string(), "2 to 65,536");
        }
        at_least_one("max_depth", self.max_depth)?;
        at_least_one("early_stopping_rounds", self.early_stopping_rounds)?;
        share("learning_rate", self.learning_rate)?;
        share("row_share", self.row_share)?;
        share("feature_share", self.feature_share)?;
        at_least("min_hessian", self.min_hessian)?;
        at_least("l1", self.l1)?;
        at_least("l2", self.l2)?;
        at_least("min_gain", self.min_gain)?;
        match self.loss {
            BoostingLoss::Huber { delta } if !(delta > 0.0 && delta.is_finite()) => {
                wrong("loss", format!("huber with delta {delta}"), "above 0")
            }
            BoostingLoss::Quantile { level } if !(level > 0.0 && level < 1.0) => {
                wrong("loss", format!("quantile at {level}"), "above 0 and below 1")
            }
            BoostingLoss::Tweedie { power } if !(power > 1.0 && power < 2.0) => wrong(
                "loss",
                format!("tweedie with power {power}"),
                "above 1 and below 2",
            ),
            _ => Ok(()),
        }
    }

    /// For each feature the direction it must keep to: 1 rising, −1 falling, 0 any.
    pub(super) fn directions(&self, features: &[Feature]) -> Result<Vec<i8>, ModelError> {
        let wrong = |name: &str, rule| ModelError::Parameter {
            name: "monotone",
            value: name.to_owned(),
            rule,
        };
        let mut directions = vec![0; features.len()];
        for (name, direction) in &self.monotone {
            let place = features
                .iter()
                .position(|feature| feature.name == *name)
                .ok_or_else(|| wrong(name, "the name of a feature"))?;
            if features[place].kind != FeatureKind::Numeric {
                return Err(wrong(name, "a feature of numbers, which alone rise and fall"));
            }
            if matches!(
                self.loss,
                BoostingLoss::AbsoluteError | BoostingLoss::Quantile { .. }
            ) {
                return Err(wrong(name, "absent with `absolute_error` and `quantile`"));
            }
            directions[place] = match direction {
                Direction::Increasing => 1,
                Direction::Decreasing => -1,
            };
        }
        Ok(directions)
    }
}
