//! Parameters of linear models.

use crate::error::ModelError;
use crate::fit::{above_0, at_least, search_limits};
use serde::{Deserialize, Serialize};

/// Parameters of logistic and linear regression.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `l1` | 0 | at least 0 | this times the absolute weights is added to the summed loss |
/// | `l2` | 1 for logistic, 0 for linear regression | at least 0 | half of it times the squared weights is added to the summed loss |
/// | `fit_intercept` | true | | whether there is an intercept, which no penalty touches |
/// | `max_iterations` | 500 | 1 to 10,000,000 | iterations, at most |
/// | `tolerance` | 1e-7 | above 0 | the search ends when no entry of the mean loss's gradient, in units of its curvature's root, exceeds it; for linear regression with `l1` when the duality gap is at most this share of the label's squares |
///
/// In scikit-learn's terms logistic regression has `C = 1/(l1 + l2)` and `l1_ratio = l1/(l1 + l2)`;
/// linear regression with `l2` alone is `Ridge(alpha=l2)`, with `l1` alone `Lasso(alpha=l1/n)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearParams {
    #[serde(default)]
    pub l1: f64,
    pub l2: f64,
    #[serde(default = "yes")]
    pub fit_intercept: bool,
    pub max_iterations: usize,
    pub tolerance: f64,
}

fn yes() -> bool {
    true
}

impl LinearParams {
    /// Defaults of logistic regression: those of scikit-learn (`C = 1`).
    pub fn logistic() -> Self {
        Self {
            l1: 0.0,
            l2: 1.0,
            fit_intercept: true,
            max_iterations: 500,
            tolerance: 1e-7,
        }
    }

    /// Defaults of linear regression: ordinary least squares.
    pub fn least_squares() -> Self {
        Self {
            l2: 0.0,
            ..Self::logistic()
        }
    }

    pub(super) fn check(&self) -> Result<(), ModelError> {
        at_least("l1", self.l1)?;
        at_least("l2", self.l2)?;
        search_limits(self.max_iterations, self.tolerance)
    }
}

/// Parameters of the elastic net (Zou and Hastie 2005), as in scikit-learn: squared error of the
/// mean row, halved, with `alpha·l1_ratio` times the absolute weights and half of `alpha·(1 − l1_ratio)`
/// times the squared weights.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `alpha` | 1 | at least 0 | strength of the penalty |
/// | `l1_ratio` | 0.5 | 0 to 1 | share of absolute weights in it |
/// | `positive` | false | | only weights of at least 0 |
/// | `fit_intercept` | true | | whether there is an intercept, which no penalty touches |
/// | `max_iterations` | 10,000 | 1 to 10,000,000 | sweeps over the weights, at most |
/// | `tolerance` | 1e-6 | above 0 | the search ends when the duality gap is at most this share of the label's squares |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ElasticNetParams {
    pub alpha: f64,
    pub l1_ratio: f64,
    pub positive: bool,
    pub fit_intercept: bool,
    pub max_iterations: usize,
    pub tolerance: f64,
}

impl Default for ElasticNetParams {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            l1_ratio: 0.5,
            positive: false,
            fit_intercept: true,
            max_iterations: 10_000,
            tolerance: 1e-6,
        }
    }
}

impl ElasticNetParams {
    pub(super) fn check(&self) -> Result<(), ModelError> {
        at_least("alpha", self.alpha)?;
        if !(0.0..=1.0).contains(&self.l1_ratio) {
            return Err(ModelError::Parameter {
                name: "l1_ratio",
                value: self.l1_ratio.to_string(),
                rule: "from 0 to 1",
            });
        }
        search_limits(self.max_iterations, self.tolerance)
    }
}

/// Parameters of ridge regression (Hoerl and Kennard 1970), as in scikit-learn: summed squared error
/// with `alpha` times the squared weights.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `alpha` | 1 | at least 0 | strength of the penalty |
/// | `fit_intercept` | true | | whether there is an intercept, which no penalty touches |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RidgeParams {
    pub alpha: f64,
    pub fit_intercept: bool,
}

impl Default for RidgeParams {
    fn default() -> Self {
        Self {
            alpha: 1.0,
            fit_intercept: true,
        }
    }
}

impl RidgeParams {
    /// The same as parameters of linear regression.
    pub(super) fn as_linear(&self) -> Result<LinearParams, ModelError> {
        at_least("alpha", self.alpha)?;
        Ok(LinearParams {
            l2: self.alpha,
            fit_intercept: self.fit_intercept,
            ..LinearParams::least_squares()
        })
    }
}

/// Parameters of the lasso (Tibshirani 1996), as in scikit-learn: squared error of the mean row,
/// halved, with `alpha` times the absolute weights. The others are those of [`ElasticNetParams`].
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `alpha` | 1 | at least 0 | strength of the penalty |
/// | `positive` | false | | only weights of at least 0 |
/// | `fit_intercept` | true | | whether there is an intercept, which no penalty touches |
/// | `max_iterations` | 10,000 | 1 to 10,000,000 | sweeps over the weights, at most |
/// | `tolerance` | 1e-6 | above 0 | the search ends when the duality gap is at most this share of the label's squares |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LassoParams {
    pub alpha: f64,
    pub positive: bool,
    pub fit_intercept: bool,
    pub max_iterations: usize,
    pub tolerance: f64,
}

impl Default for LassoParams {
    fn default() -> Self {
        let ElasticNetParams {
            alpha,
            positive,
            fit_intercept,
            max_iterations,
            tolerance,
            ..
        } = ElasticNetParams::default();
        Self {
            alpha,
            positive,
            fit_intercept,
            max_iterations,
            tolerance,
        }
    }
}

impl From<&LassoParams> for ElasticNetParams {
    fn from(params: &LassoParams) -> Self {
        Self {
            alpha: params.alpha,
            l1_ratio: 1.0,
            positive: params.positive,
            fit_intercept: params.fit_intercept,
            max_iterations: params.max_iterations,
            tolerance: params.tolerance,
        }
    }
}

/// How a label is distributed around its mean. All but `normal` take the mean's logarithm to be
/// linear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Constant variance; the mean itself is linear.
    Normal,
    /// Constant variance; the mean's logarithm is linear.
    LogNormalMean,
    /// Counts: variance like the mean. Labels of at least 0.
    #[default]
    Poisson,
    /// Variance like the squared mean. Labels above 0.
    Gamma,
    /// Variance like the cubed mean. Labels above 0.
    InverseGaussian,
    /// Variance like the mean to this power, between 1 and 2: sums of a random number of gamma
    /// distributed amounts, as of claims. Labels of at least 0.
    Tweedie(f64),
}

/// Parameters of generalised linear models (Nelder and Wedderburn 1972), as in scikit-learn: half
/// the mean deviance, with half of `alpha` times the squared weights.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `family` | `poisson` | | distribution of the label: `normal`, `log_normal_mean`, `poisson`, `gamma`, `inverse_gaussian`, `{tweedie: power}` |
/// | `alpha` | 1 | at least 0 | strength of the penalty |
/// | `exposure` | none | a numeric feature | time, area or number a row stands for, above 0: the mean is in proportion to it. It has no weight of its own; a row to predict without it counts as 1 |
/// | `fit_intercept` | true | | whether there is an intercept, which no penalty touches |
/// | `max_iterations` | 500 | 1 to 10,000,000 | iterations, at most |
/// | `tolerance` | 1e-7 | above 0 | the search ends when no entry of the mean loss's gradient, in units of its curvature's root, exceeds it |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlmParams {
    pub family: Family,
    pub alpha: f64,
    pub exposure: Option<String>,
    pub fit_intercept: bool,
    pub max_iterations: usize,
    pub tolerance: f64,
}

impl Default for GlmParams {
    fn default() -> Self {
        Self {
            family: Family::Poisson,
            alpha: 1.0,
            exposure: None,
            fit_intercept: true,
            max_iterations: 500,
            tolerance: 1e-7,
        }
    }
}

impl GlmParams {
    pub(super) fn check(&self) -> Result<(), ModelError> {
        at_least("alpha", self.alpha)?;
        if let Family::Tweedie(power) = self.family
            && !(power > 1.0 && power < 2.0)
        {
            return Err(ModelError::Parameter {
                name: "tweedie",
                value: power.to_string(),
                rule: "above 1 and below 2",
            });
        }
        if self.exposure.is_some() && self.family == Family::Normal {
            return Err(ModelError::Parameter {
                name: "exposure",
                value: "set".to_owned(),
                rule: "absent for the normal family, whose mean is linear",
            });
        }
        search_limits(self.max_iterations, self.tolerance)
    }
}

/// Parameters of linear support vector machines: squared hinge loss for classes, one class against
/// the others (as scikit-learn's `LinearSVC`), squared error beyond a tube for numbers (as
/// `LinearSVR(loss="squared_epsilon_insensitive")`). Probabilities come of a logistic curve through
/// scores of rows held out in turn (Platt 1999).
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `c` | 1 | above 0 | how much errors count beside half the squared weights |
/// | `epsilon` | 0 | at least 0 | numbers: errors up to this are free, in units of the label |
/// | `fit_intercept` | true | | whether there is an intercept, which no penalty touches |
/// | `max_iterations` | 500 | 1 to 10,000,000 | iterations, at most |
/// | `tolerance` | 1e-6 | above 0 | the search ends when no entry of the mean loss's gradient, in units of its curvature's root, exceeds it |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinearSvmParams {
    pub c: f64,
    pub epsilon: f64,
    pub fit_intercept: bool,
    pub max_iterations: usize,
    pub tolerance: f64,
}

impl Default for LinearSvmParams {
    fn default() -> Self {
        Self {
            c: 1.0,
            epsilon: 0.0,
            fit_intercept: true,
            max_iterations: 500,
            tolerance: 1e-6,
        }
    }
}

impl LinearSvmParams {
    pub(super) fn check(&self) -> Result<(), ModelError> {
        above_0("c", self.c)?;
        at_least("epsilon", self.epsilon)?;
        search_limits(self.max_iterations, self.tolerance)
    }
}
