//! How training is asked for and watched.

use crate::error::ModelError;

/// News from training.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    pub done: usize,
    pub total: usize,
    /// What is counted: `rounds`, `trees` or `iterations`.
    pub unit: &'static str,
    /// Log loss, or root mean squared error, on the validation rows; lower is better.
    pub valid_metric: Option<f64>,
    /// Raw scores of the validation rows so far, for boosting: they rank as the predictions do.
    pub valid_scores: Option<&'a [f64]>,
}

/// What an observer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    GoOn,
    /// End training with [`ModelError::Stopped`].
    Stop,
}

pub(crate) fn share(name: &'static str, value: f64) -> Result<(), ModelError> {
    if value > 0.0 && value <= 1.0 {
        Ok(())
    } else {
        Err(ModelError::Parameter {
            name,
            value: value.to_string(),
            rule: "above 0 and at most 1",
        })
    }
}

pub(crate) fn at_least(name: &'static str, value: f64) -> Result<(), ModelError> {
    if value >= 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(ModelError::Parameter {
            name,
            value: value.to_string(),
            rule: "a number of at least 0",
        })
    }
}
