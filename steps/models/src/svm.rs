//! Support vector machines with kernels (Boser, Guyon and Vapnik 1992; Cortes and Vapnik 1995).

pub(crate) mod kernel;
pub(crate) mod smo;

mod machines;
mod training;

pub use kernel::{Gamma, KernelKind};
pub(crate) use machines::Machines;
pub(crate) use training::fit;

use crate::error::ModelError;
use crate::fit::{above_0, at_least, search_limits};
use serde::{Deserialize, Serialize};

/// Parameters of support vector machines with kernels, as scikit-learn's `SVC` and `SVR`: of several
/// classes every pair has a machine. Probabilities come of logistic curves through scores of rows
/// held out in turn (Platt 1999), for several classes one a class, brought to a sum of 1.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `kernel` | `rbf` | | `linear`, `poly`, `rbf`, `sigmoid` |
/// | `c` | 1 | above 0 | the most a row of weight 1 may pull |
/// | `gamma` | `scale` | | how narrow the kernel is: `scale` = 1/(columns · variance of all entries), `auto` = 1/columns, or `{value: number}` |
/// | `degree` | 3 | 1 to 20 | of `poly` |
/// | `coef0` | 0 | | added in `poly` and `sigmoid` |
/// | `epsilon` | 0.1 | at least 0 | numbers: errors up to this are free, in units of the label |
/// | `max_iterations` | 10,000,000 | 1 to 10,000,000 | steps of two multipliers, at most |
/// | `tolerance` | 1e-3 | above 0 | the search ends when optimality is violated by no more |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SvmParams {
    pub kernel: KernelKind,
    pub c: f64,
    pub gamma: Gamma,
    pub degree: u32,
    pub coef0: f64,
    pub epsilon: f64,
    pub max_iterations: usize,
    pub tolerance: f64,
}

impl Default for SvmParams {
    fn default() -> Self {
        Self {
            kernel: KernelKind::Rbf,
            c: 1.0,
            gamma: Gamma::Scale,
            degree: 3,
            coef0: 0.0,
            epsilon: 0.1,
            max_iterations: 10_000_000,
            tolerance: 1e-3,
        }
    }
}

impl SvmParams {
    fn check(&self) -> Result<(), ModelError> {
        above_0("c", self.c)?;
        at_least("epsilon", self.epsilon)?;
        if !(1..=20).contains(&self.degree) {
            return Err(ModelError::Parameter {
                name: "degree",
                value: self.degree.to_string(),
                rule: "1 to 20",
            });
        }
        if !self.coef0.is_finite() {
            return Err(ModelError::Parameter {
                name: "coef0",
                value: self.coef0.to_string(),
                rule: "a finite number",
            });
        }
        search_limits(self.max_iterations, self.tolerance)
    }
}
