//! How training is asked for and watched.

use crate::error::ModelError;
use crate::features::Aligned;
use crate::model::Body;
use crate::predictions::Predictions;
use crate::preprocessing::{Design, Encoding};
use crate::task::Task;

/// Rows to learn from, laid out for the algorithms.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) task: &'a Task,
    pub(crate) values: &'a [Aligned<'a>],
    /// The rows as preprocessed columns, for algorithms that take those; `None` for validation rows.
    pub(crate) design: Option<&'a Design>,
    /// What made the design.
    pub(crate) encoding: Option<&'a Encoding>,
    /// As the task says; empty for clusters.
    pub(crate) target: &'a [f64],
    /// One a row, class weights included.
    pub(crate) weights: &'a [f64],
    pub(crate) count: usize,
}

/// What came of training.
pub(crate) struct Fit {
    pub(crate) body: Body,
    /// Trees kept, or iterations of the search.
    pub(crate) rounds: usize,
    pub(crate) converged: bool,
    /// Metric on the validation rows of what is kept, where training looked at it.
    pub(crate) valid_metric: Option<f64>,
    /// Score on the rows that each tree was not grown on, where that was asked for.
    pub(crate) oob_score: Option<f64>,
    /// Figures of the fit by name: see [`crate::TrainingSummary::measures`].
    pub(crate) measures: Vec<(&'static str, f64)>,
}

impl Fit {
    /// A body that took no search.
    pub(crate) fn direct(body: Body) -> Self {
        Self {
            body,
            rounds: 1,
            converged: true,
            valid_metric: None,
            oob_score: None,
            measures: Vec::new(),
        }
    }
}

/// News from training.
#[derive(Clone, Copy)]
pub struct Progress<'a> {
    pub done: usize,
    pub total: usize,
    /// What is counted: `rounds`, `trees` or `iterations`.
    pub unit: &'static str,
    /// The metric training watches on the validation rows; lower is better.
    pub valid_metric: Option<f64>,
    /// The same on the training rows, where it was taken: not in every round, since it costs a pass over them.
    pub train_metric: Option<f64>,
    /// What the model so far would predict for the validation rows, where training knows it.
    pub valid: Option<&'a dyn SoFar>,
}

/// Something half-trained.
pub trait SoFar {
    /// Its predictions for the validation rows. They are computed when asked for.
    fn predictions(&self) -> Predictions;
}

impl Progress<'_> {
    /// News without validation rows.
    pub(crate) fn plain(done: usize, total: usize, unit: &'static str) -> Self {
        Self {
            done,
            total,
            unit,
            valid_metric: None,
            train_metric: None,
            valid: None,
        }
    }
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

pub(crate) fn at_least_one(name: &'static str, value: Option<usize>) -> Result<(), ModelError> {
    if value == Some(0) {
        return Err(ModelError::Parameter {
            name,
            value: "0".to_owned(),
            rule: "at least 1",
        });
    }
    Ok(())
}

pub(crate) fn above_0(name: &'static str, value: f64) -> Result<(), ModelError> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(ModelError::Parameter {
            name,
            value: value.to_string(),
            rule: "a number above 0",
        })
    }
}

/// The limits of every search: 1 to 10,000,000 iterations, and a tolerance above 0.
pub(crate) fn search_limits(max_iterations: usize, tolerance: f64) -> Result<(), ModelError> {
    if !(1..=10_000_000).contains(&max_iterations) {
        return Err(ModelError::Parameter {
            name: "max_iterations",
            value: max_iterations.to_string(),
            rule: "1 to 10,000,000",
        });
    }
    above_0("tolerance", tolerance)
}

pub(crate) fn at_least_1(name: &'static str, value: usize) -> Result<(), ModelError> {
    if value >= 1 {
        Ok(())
    } else {
        Err(ModelError::Parameter {
            name,
            value: value.to_string(),
            rule: "at least 1",
        })
    }
}
