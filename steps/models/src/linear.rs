//! Linear models: logistic regression and (ridge) linear regression.

mod arrays;
mod minimise;
mod newton;

pub(crate) use newton::Symmetric;

use crate::boosting::{log1p_exp, sigmoid};
use crate::error::ModelError;
use crate::fit::{Fit, Flow, Progress, Rows, at_least};
use crate::model::{ArrayWriter, Batch, Body, Learned};
use crate::preprocessing::{Design, Encoding};
use crate::task::Task;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows one thread sums at a time; partial sums are added in order, whatever the number of threads.
const CHUNK: usize = 1 << 13;
/// With up to this many weights second derivatives are worth their size (its square) and work.
const MAX_NEWTON_WEIGHTS: usize = 600;
/// Chunks whose second derivatives are held at a time.
const NEWTON_BATCH: usize = 8;

/// Parameters of logistic and linear regression.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `l2` | 1 for logistic, 0 for linear regression | at least 0 | half of it times the squared weights is added to the summed loss; the intercept is free |
/// | `max_iterations` | 500 | 1 to 100,000 | iterations, at most |
/// | `tolerance` | 1e-6 | above 0 | the search ends when no entry of the mean loss's gradient, in units of its curvature's root, exceeds it |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearParams {
    pub l2: f64,
    pub max_iterations: usize,
    pub tolerance: f64,
}

impl LinearParams {
    /// Defaults of logistic regression: those of scikit-learn (`C = 1`).
    pub fn logistic() -> Self {
        Self {
            l2: 1.0,
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
}

/// Which loss a linear model minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    Logistic,
    Squared,
}

/// An intercept and a weight for every preprocessed column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Linear {
    /// Whether the sum is log odds.
    pub(crate) logistic: bool,
    pub(crate) intercept: f64,
    pub(crate) weights: Vec<f64>,
}

impl Learned for Linear {
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        for (row, into) in into.iter_mut().enumerate() {
            let mut sum = 0.0;
            batch.visit(row, |place, entry| sum += self.weights[place] * entry);
            let sum = self.intercept + sum;
            *into = if self.logistic { sigmoid(sum) } else { sum };
        }
    }

    fn importance(&self, encoding: Option<&Encoding>, sums: &mut [f64]) {
        let places = encoding.into_iter().flat_map(Encoding::places);
        for (sum, places) in sums.iter_mut().zip(places) {
            let weights = self.weights.get(places).unwrap_or(&[]);
            *sum += weights
                .iter()
                .fold(0.0, |most: f64, weight| most.max(weight.abs()));
        }
    }

    fn write(&self, arrays: &mut ArrayWriter) {
        self.write_arrays(arrays);
    }
}

/// Fits a linear model.
pub(crate) fn fit(
    params: &LinearParams,
    design: &Design,
    train: &Rows<'_>,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Fit, ModelError> {
    let loss = match train.task {
        Task::Binary { .. } => Loss::Logistic,
        _ => Loss::Squared,
    };
    at_least("l2", params.l2)?;
    if !(params.tolerance > 0.0 && params.tolerance.is_finite()) {
        return Err(ModelError::Parameter {
            name: "tolerance",
            value: params.tolerance.to_string(),
            rule: "above 0",
        });
    }
    if !(1..=100_000).contains(&params.max_iterations) {
        return Err(ModelError::Parameter {
            name: "max_iterations",
            value: params.max_iterations.to_string(),
            rule: "1 to 100,000",
        });
    }
    let total: f64 = train.weights.iter().sum();
    let mean = train
        .target
        .iter()
        .zip(train.weights)
        .map(|(target, weight)| target * weight)
        .sum::<f64>()
        / total;
    // Squared error is minimised on a target of mean 0 and deviation 1, so that one tolerance fits all.
    let (shift, scale) = match loss {
        Loss::Logistic => (0.0, 1.0),
        Loss::Squared => {
            let square = |(target, weight): (&f64, &f64)| (target - mean) * (target - mean) * weight;
            let deviation = (train.target.iter().zip(train.weights).map(square).sum::<f64>() / total).sqrt();
            (
                mean,
                if deviation > 0.0 && deviation.is_finite() {
                    deviation
                } else {
                    1.0
                },
            )
        }
    };
    let target: Vec<f64> = train
        .target
        .iter()
        .map(|target| (target - shift) / scale)
        .collect();
    let mut start = vec![0.0; design.width + 1];
    if loss == Loss::Logistic {
        let mean = mean.clamp(1e-12, 1.0 - 1e-12);
        start[design.width] = (mean / (1.0 - mean)).ln();
    }
    let penalty = params.l2 / total;
    // In units of each weight's own curvature, rare categories converge as fast as common ones.
    let curvature = if loss == Loss::Logistic {
        (mean * (1.0 - mean)).max(1e-3)
    } else {
        1.0
    };
    let units: Vec<f64> = design
        .mean_squares(train.weights, total)
        .iter()
        .map(|square| square * curvature + penalty)
        .chain([curvature])
        .map(|second| if second > 0.0 { second.sqrt() } else { 1.0 })
        .collect();
    start
        .iter_mut()
        .zip(&units)
        .for_each(|(entry, unit)| *entry *= unit);
    let in_units = |at: &[f64]| {
        at.iter()
            .zip(&units)
            .map(|(entry, unit)| entry / unit)
            .collect::<Vec<f64>>()
    };
    let function = |at: &[f64]| {
        let (value, gradient) = value_and_gradient(
            loss,
            design,
            &target,
            train.weights,
            total,
            penalty,
            &in_units(at),
        );
        (value, in_units(&gradient))
    };
    let mut told =
        |iteration: usize| observe(Progress::plain(iteration, params.max_iterations, "iterations"));
    let (tolerance, limit) = (params.tolerance, params.max_iterations);
    let found = if design.width <= MAX_NEWTON_WEIGHTS {
        let hessian = |at: &[f64]| {
            let mut matrix = hessian(loss, design, train.weights, total, penalty, &in_units(at));
            for (line, unit) in matrix.entries.chunks_mut(units.len()).zip(&units) {
                line.iter_mut()
                    .zip(&units)
                    .for_each(|(entry, other)| *entry /= unit * other);
            }
            matrix
        };
        newton::minimise(start, function, hessian, tolerance, limit, &mut told)
    } else {
        minimise::minimise(start, function, tolerance, limit, &mut told)
    }
    .ok_or(ModelError::Stopped)?;
    let mut weights = in_units(&found.at);
    weights.iter_mut().for_each(|weight| *weight *= scale);
    let intercept = weights.pop().unwrap_or(0.0) + shift;
    if !intercept.is_finite() || weights.iter().any(|weight| !weight.is_finite()) {
        return Err(ModelError::NotFinite {
            what: "weight",
            row: 0,
        });
    }
    Ok(Fit {
        rounds: found.iterations,
        converged: found.converged,
        ..Fit::direct(Body::Linear(Linear {
            logistic: loss == Loss::Logistic,
            intercept,
            weights,
        }))
    })
}

/// Mean loss with penalty, and its gradient; the intercept is the last entry and not penalised.
fn value_and_gradient(
    loss: Loss,
    design: &Design,
    target: &[f64],
    row_weights: &[f64],
    total: f64,
    penalty: f64,
    at: &[f64],
) -> (f64, Vec<f64>) {
    let (weights, intercept) = at.split_at(design.width);
    let intercept = intercept[0];
    let parts: Vec<(f64, Vec<f64>)> = (0..design.rows.div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let start = chunk * CHUNK;
            let end = (start + CHUNK).min(design.rows);
            let mut scores = vec![intercept; end - start];
            design.times(weights, start, &mut scores);
            let mut value = 0.0;
            for (score, row) in scores.iter_mut().zip(start..end) {
                let (loss, residual) = match loss {
                    Loss::Logistic => (
                        log1p_exp(*score) - target[row] * *score,
                        sigmoid(*score) - target[row],
                    ),
                    Loss::Squared => {
                        let error = *score - target[row];
                        (0.5 * error * error, error)
                    }
                };
                value += loss * row_weights[row];
                *score = residual * row_weights[row];
            }
            let mut gradient = vec![0.0; design.width + 1];
            design.transposed_times(&scores, start, &mut gradient[..design.width]);
            gradient[design.width] = scores.iter().sum();
            (value, gradient)
        })
        .collect();
    let mut value = 0.0;
    let mut gradient = vec![0.0; design.width + 1];
    for (part_value, part) in &parts {
        value += part_value;
        gradient.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    value /= total;
    gradient.iter_mut().for_each(|entry| *entry /= total);
    for (entry, weight) in gradient.iter_mut().zip(weights) {
        *entry += penalty * weight;
        value += 0.5 * penalty * weight * weight;
    }
    (value, gradient)
}

/// Second derivatives of the mean loss with penalty.
fn hessian(
    loss: Loss,
    design: &Design,
    row_weights: &[f64],
    total: f64,
    penalty: f64,
    at: &[f64],
) -> Symmetric {
    let (weights, intercept) = at.split_at(design.width);
    let size = design.width + 1;
    let mut sum = Symmetric::zero(size);
    let chunks: Vec<usize> = (0..design.rows.div_ceil(CHUNK)).collect();
    for batch in chunks.chunks(NEWTON_BATCH) {
        let parts: Vec<Symmetric> = batch
            .par_iter()
            .map(|chunk| {
                let start = chunk * CHUNK;
                let end = (start + CHUNK).min(design.rows);
                let mut curvatures = vec![intercept[0]; end - start];
                design.times(weights, start, &mut curvatures);
                for (curvature, weight) in curvatures.iter_mut().zip(&row_weights[start..end]) {
                    let of_loss = match loss {
                        Loss::Logistic => {
                            let share = sigmoid(*curvature);
                            share * (1.0 - share)
                        }
                        Loss::Squared => 1.0,
                    };
                    *curvature = of_loss * weight / total;
                }
                let mut part = Symmetric::zero(size);
                design.second_derivatives(&curvatures, start, &mut part);
                part
            })
            .collect();
        for part in &parts {
            sum.entries
                .iter_mut()
                .zip(&part.entries)
                .for_each(|(sum, part)| *sum += part);
        }
    }
    for place in 0..design.width {
        sum.entries[place * size + place] += penalty;
    }
    sum
}
