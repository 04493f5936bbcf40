//! From rows to a model.

use super::{Algorithm, Body, Label, Model, Task, TrainingSummary};
use crate::boosting::{self, Objective, Rows};
use crate::error::ModelError;
use crate::features::{Feature, align};
use crate::fit::{Flow, Progress};
use crate::forest;
use crate::frame::Frame;
use crate::linear::{self, Loss};
use std::collections::BTreeSet;

/// Everything a training needs. Same training, same bytes of the model, whatever `threads` is.
#[derive(Clone, Debug)]
pub struct Training<'a> {
    pub algorithm: Algorithm,
    pub label: Label,
    /// All columns are features.
    pub frame: &'a Frame,
    /// For two classes 0 or 1; else the value.
    pub target: &'a [f64],
    /// Weight of each row, at least 0; all 1 if absent.
    pub weights: Option<&'a [f64]>,
    /// Rows for early stopping, with their targets: nothing else is learnt from them.
    pub valid: Option<(&'a Frame, &'a [f64])>,
    pub seed: u64,
    /// Threads to use; 0 takes those of the caller's thread pool.
    pub threads: usize,
}

/// Trains a model; `observe` hears how far it is and may stop it.
///
/// # Errors
/// What is wrong with the rows or parameters, or `Stopped`.
pub fn train(
    training: &Training<'_>,
    observe: &mut (dyn FnMut(Progress<'_>) -> Flow + Send),
) -> Result<Model, ModelError> {
    if training.threads == 0 {
        return train_here(training, observe);
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(training.threads)
        .build()
        .map_err(|_| ModelError::Threads)?
        .install(|| train_here(training, observe))
}

fn train_here(
    training: &Training<'_>,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Model, ModelError> {
    let task = &training.label.task;
    check_rows(training.frame, training.target, task)?;
    let ones;
    let weights = match training.weights {
        Some(weights) => weights,
        None => {
            ones = vec![1.0; training.target.len()];
            &ones
        }
    };
    check_weights(weights, training.target, task)?;
    let features = Feature::of(training.frame);
    if features.is_empty() {
        return Err(ModelError::NoFeatures);
    }
    let values = align(training.frame, &features)?;
    let rows = Rows {
        values: &values,
        target: training.target,
        weights,
    };
    let mut valid_values = Vec::new();
    let mut valid_weights = Vec::new();
    let mut valid_target: &[f64] = &[];
    if let Some((frame, target)) = training.valid {
        check_rows(frame, target, task)?;
        valid_values = align(frame, &features)?;
        valid_weights = vec![1.0; target.len()];
        valid_target = target;
    }
    let valid = training.valid.map(|_| Rows {
        values: &valid_values,
        target: valid_target,
        weights: &valid_weights,
    });
    let objective = match task {
        Task::Binary { .. } => Objective::LogLoss,
        Task::Regression => Objective::SquaredError,
    };
    let mut summary = TrainingSummary {
        rows: training.target.len() as u64,
        valid_rows: valid_target.len() as u64,
        seed: training.seed,
        rounds: 0,
        converged: true,
        valid_metric: None,
    };
    let wrong_task = || ModelError::WrongTask {
        algorithm: training.algorithm.name(),
        task: task.name(),
    };
    let body = match &training.algorithm {
        Algorithm::GradientBoosting(params) => {
            let fit = boosting::fit(params, objective, &rows, valid.as_ref(), training.seed, observe)?;
            summary.rounds = fit.boosted.trees.len() as u64;
            summary.valid_metric = fit.valid_metric;
            Body::Boosted(fit.boosted)
        }
        Algorithm::RandomForest(params) => {
            let trees = forest::fit_forest(params, &rows, training.seed, observe)?;
            summary.rounds = trees.len() as u64;
            Body::Forest(trees)
        }
        Algorithm::DecisionTree(params) => {
            summary.rounds = 1;
            Body::Forest(vec![forest::fit_tree(params, &rows, training.seed)?])
        }
        Algorithm::LogisticRegression(params) => {
            if objective != Objective::LogLoss {
                return Err(wrong_task());
            }
            let fit = linear::fit(params, Loss::Logistic, &features, &rows, observe)?;
            (summary.rounds, summary.converged) = (fit.iterations as u64, fit.converged);
            Body::Linear(fit.linear)
        }
        Algorithm::LinearRegression(params) => {
            if objective != Objective::SquaredError {
                return Err(wrong_task());
            }
            let fit = linear::fit(params, Loss::Squared, &features, &rows, observe)?;
            (summary.rounds, summary.converged) = (fit.iterations as u64, fit.converged);
            Body::Linear(fit.linear)
        }
    };
    Ok(Model {
        algorithm: training.algorithm.clone(),
        features,
        label: training.label.clone(),
        summary,
        body,
    })
}

fn check_rows(frame: &Frame, target: &[f64], task: &Task) -> Result<(), ModelError> {
    if target.is_empty() {
        return Err(ModelError::NoRows { doing: "train on" });
    }
    if !frame.columns().is_empty() && frame.rows() != target.len() {
        return Err(ModelError::LengthMismatch {
            left_name: "the features",
            left: frame.rows(),
            right_name: "the label",
            right: target.len(),
        });
    }
    if u32::try_from(target.len()).is_err() {
        return Err(ModelError::Parameter {
            name: "rows",
            value: target.len().to_string(),
            rule: "fewer than 4,294,967,296",
        });
    }
    for (row, &value) in target.iter().enumerate() {
        match task {
            Task::Binary { .. } if value != 0.0 && value != 1.0 => {
                return Err(ModelError::NotBinary { row, value });
            }
            Task::Regression if !value.is_finite() => {
                return Err(ModelError::NotFinite { what: "label", row });
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_weights(weights: &[f64], target: &[f64], task: &Task) -> Result<(), ModelError> {
    if weights.len() != target.len() {
        return Err(ModelError::LengthMismatch {
            left_name: "the weights",
            left: weights.len(),
            right_name: "the label",
            right: target.len(),
        });
    }
    if weights
        .iter()
        .any(|weight| !(*weight >= 0.0 && weight.is_finite()))
        || weights.iter().all(|w| *w == 0.0)
    {
        return Err(ModelError::Weights);
    }
    if matches!(task, Task::Binary { .. }) {
        let classes: BTreeSet<bool> = target
            .iter()
            .zip(weights)
            .filter(|(_, weight)| **weight > 0.0)
            .map(|(value, _)| *value == 1.0)
            .collect();
        if classes.len() < 2 {
            return Err(ModelError::OneClass);
        }
    }
    Ok(())
}
