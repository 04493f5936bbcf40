//! Kernels: how alike two rows are.

use super::SvmParams;
use crate::error::ModelError;
use crate::matrix::{Matrix, dot, squared_distance};
use serde::{Deserialize, Serialize};

/// Kinds of kernels, in their usual notation; γ is [`Gamma`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelKind {
    /// `⟨x, y⟩`.
    Linear,
    /// `(γ⟨x, y⟩ + coef0)^degree`.
    Poly,
    /// `exp(−γ‖x − y‖²)`.
    #[default]
    Rbf,
    /// `tanh(γ⟨x, y⟩ + coef0)`; not always a kernel.
    Sigmoid,
}

/// How narrow a kernel is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gamma {
    /// 1 / (columns × variance of all entries).
    #[default]
    Scale,
    /// 1 / columns.
    Auto,
    /// This number, above 0.
    Value(f64),
}

impl Gamma {
    /// The number for these rows.
    pub(crate) fn resolve(self, rows: &Matrix) -> Result<f64, ModelError> {
        let columns = rows.columns.max(1) as f64;
        match self {
            Self::Auto => Ok(1.0 / columns),
            Self::Value(value) if value > 0.0 && value.is_finite() => Ok(value),
            Self::Value(value) => Err(ModelError::Parameter {
                name: "gamma",
                value: value.to_string(),
                rule: "`scale`, `auto` or a number above 0",
            }),
            Self::Scale => {
                let count = rows.values.len().max(1) as f64;
                let mean = rows.values.iter().map(|value| value / count).sum::<f64>();
                let variance = rows
                    .values
                    .iter()
                    .map(|value| (value - mean) * ((value - mean) / count))
                    .sum::<f64>();
                Ok(if variance > 0.0 {
                    1.0 / (columns * variance)
                } else {
                    1.0
                })
            }
        }
    }
}

/// A kernel with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kernel {
    pub(crate) kind: KernelKind,
    pub(crate) gamma: f64,
    pub(crate) coef0: f64,
    pub(crate) degree: i32,
}

impl Kernel {
    pub(crate) fn new(params: &SvmParams, gamma: f64) -> Self {
        Self {
            kind: params.kernel,
            gamma,
            coef0: params.coef0,
            degree: i32::try_from(params.degree).unwrap_or(i32::MAX),
        }
    }

    #[inline]
    pub(crate) fn between(&self, left: &[f64], right: &[f64]) -> f64 {
        match self.kind {
            KernelKind::Linear => dot(left, right),
            KernelKind::Poly => (self.gamma * dot(left, right) + self.coef0).powi(self.degree),
            KernelKind::Rbf => (-self.gamma * squared_distance(left, right)).exp(),
            KernelKind::Sigmoid => (self.gamma * dot(left, right) + self.coef0).tanh(),
        }
    }
}
