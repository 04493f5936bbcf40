//! Probabilities that mean what they say: maps from scores to shares of what happened.

mod arrays;
mod folds;
mod isotonic;

pub(crate) use folds::{fold_of, out_of_fold};
pub(crate) use isotonic::Steps;

use crate::boosting::sigmoid;
use crate::error::ModelError;
use crate::fit::Flow;
use crate::linear::loss::Loss;
use crate::linear::objective::Sample;
use crate::linear::solve::{Penalty, Search, fit};
use crate::model::{ArrayWriter, Batch, Body, Learned};
use crate::preprocessing::{Design, DesignColumn, Encoding};
use serde::{Deserialize, Serialize};

/// Calibration of a classifier's probabilities; several classes are calibrated one by one and
/// brought to a sum of 1 (Zadrozny and Elkan 2002).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calibration {
    pub method: CalibrationMethod,
    pub rows: CalibrationRows,
}

/// Which rows say what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationRows {
    /// The training rows, each predicted by a model trained on the other folds; the model itself is
    /// trained on all rows.
    CrossFitted {
        /// At least 2.
        folds: usize,
    },
    /// The validation rows.
    Valid,
}

impl Default for CalibrationRows {
    fn default() -> Self {
        Self::CrossFitted { folds: 5 }
    }
}

/// How scores become probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    /// A logistic curve of the score (Platt 1999, with the targets of Lin, Lin and Weng 2007): for
    /// few rows.
    #[default]
    Sigmoid,
    /// The rising steps that fit best (Zadrozny and Elkan 2002), linear between them: for some
    /// thousand rows.
    Isotonic,
}

/// A fitted map from scores to probabilities.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Curve {
    /// `1 / (1 + exp(−(slope·score + intercept)))`.
    Sigmoid {
        slope: f64,
        intercept: f64,
    },
    Steps(Steps),
}

impl Curve {
    /// Fits the curve to scores and what happened (0 or 1). If only one of both happened, every
    /// score means its smoothed share.
    ///
    /// # Errors
    /// `NotFinite` for scores beyond numbers.
    pub(crate) fn fit(
        method: CalibrationMethod,
        scores: &[f64],
        target: &[f64],
        weights: &[f64],
    ) -> Result<Self, ModelError> {
        let of = |class: f64| -> f64 {
            target
                .iter()
                .zip(weights)
                .filter(|(target, _)| **target == class)
                .map(|(_, weight)| weight)
                .sum()
        };
        let (negative, positive) = (of(0.0), of(1.0));
        if negative == 0.0 || positive == 0.0 {
            return Ok(Self::Sigmoid {
                slope: 0.0,
                intercept: ((positive + 1.0) / (negative + 1.0)).ln(),
            });
        }
        match method {
            CalibrationMethod::Isotonic => Ok(Self::Steps(Steps::fit(scores, target, weights))),
            CalibrationMethod::Sigmoid => {
                let aims = [1.0 / (negative + 2.0), (positive + 1.0) / (positive + 2.0)];
                let target: Vec<f64> = target
                    .iter()
                    .map(|class| aims[usize::from(*class == 1.0)])
                    .collect();
                let mut design = Design::empty(scores.len());
                design.push(DesignColumn::Dense(scores.to_vec()), 1);
                let sample = Sample {
                    design: &design,
                    target: &target,
                    weights,
                    total: negative + positive,
                    offset: None,
                };
                let search = Search {
                    penalty: Penalty::default(),
                    intercept: true,
                    positive: false,
                    tolerance: 1e-9,
                    max_iterations: 100,
                };
                let found = fit(&sample, Loss::Logistic, &search, &mut |_| Flow::GoOn)?;
                Ok(Self::Sigmoid {
                    slope: found.weights[0],
                    intercept: found.intercepts[0],
                })
            }
        }
    }

    /// The probability for a score.
    pub(crate) fn probability(&self, score: f64) -> f64 {
        match self {
            Self::Sigmoid { slope, intercept } => sigmoid(slope * score + intercept),
            Self::Steps(steps) => steps.value(score),
        }
    }
}

/// Scores of another body as probabilities.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Calibrated {
    pub(crate) inner: Box<Body>,
    /// One an output.
    pub(crate) curves: Vec<Curve>,
    /// Whether the body gives probabilities, of which the curves take the log odds.
    pub(crate) of_probabilities: bool,
}

/// Log odds of a probability, which is kept this far from 0 and 1.
pub(crate) fn log_odds(probability: f64) -> f64 {
    let share = probability.clamp(1e-7, 1.0 - 1e-7);
    (share / (1.0 - share)).ln()
}

impl Calibrated {
    /// `inner`, with curves through `scores` (a line of `outputs` a row) of rows that it was not
    /// trained on.
    pub(crate) fn fit(
        inner: Body,
        method: CalibrationMethod,
        of_probabilities: bool,
        scores: &[f64],
        target: &[f64],
        weights: &[f64],
        outputs: usize,
    ) -> Result<Self, ModelError> {
        let mut curves = Vec::with_capacity(outputs);
        for output in 0..outputs {
            let class = if outputs == 1 { 1.0 } else { output as f64 };
            let happened: Vec<f64> = target.iter().map(|t| f64::from(u8::from(*t == class))).collect();
            let own: Vec<f64> = scores
                .iter()
                .skip(output)
                .step_by(outputs)
                .map(|score| {
                    if of_probabilities {
                        log_odds(*score)
                    } else {
                        *score
                    }
                })
                .collect();
            curves.push(Curve::fit(method, &own, &happened, weights)?);
        }
        Ok(Self {
            inner: Box::new(inner),
            curves,
            of_probabilities,
        })
    }

    /// A body of raw scores with logistic curves.
    pub(crate) fn platt(
        inner: Body,
        scores: &[f64],
        target: &[f64],
        weights: &[f64],
        outputs: usize,
    ) -> Result<Body, ModelError> {
        let method = CalibrationMethod::Sigmoid;
        Self::fit(inner, method, false, scores, target, weights, outputs).map(Body::Calibrated)
    }
}

impl Learned for Calibrated {
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        self.inner.learned().predict(batch, into);
        for row in into.chunks_exact_mut(self.curves.len().max(1)) {
            for (score, curve) in row.iter_mut().zip(&self.curves) {
                *score = curve.probability(if self.of_probabilities {
                    log_odds(*score)
                } else {
                    *score
                });
            }
            if self.curves.len() > 1 {
                normalise(row);
            }
        }
    }

    fn importance(&self, encoding: Option<&Encoding>, sums: &mut [f64]) {
        self.inner.learned().importance(encoding, sums);
    }

    fn write(&self, arrays: &mut ArrayWriter) {
        self.inner.learned().write(arrays);
        self.write_curves(arrays);
    }
}

/// Brings shares to a sum of 1.
fn normalise(shares: &mut [f64]) {
    let total: f64 = shares.iter().sum();
    let even = 1.0 / shares.len().max(1) as f64;
    shares
        .iter_mut()
        .for_each(|share| *share = if total > 0.0 { *share / total } else { even });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, assert_close, rows};

    #[test]
    fn curves_are_those_of_scikit_learn() {
        let golden = Golden::read("calibration");
        let (data, x) = rows();
        let scores: Vec<f64> = x.iter().map(|row| row[0]).collect();
        let target = data.numbers(&["binary"]);
        let grid = golden.numbers(&["grid"]);
        for (name, weights) in [
            ("plain", vec![1.0; 150]),
            ("weighted", data.numbers(&["weights"])),
        ] {
            for (method, kind) in [
                (CalibrationMethod::Sigmoid, "sigmoid"),
                (CalibrationMethod::Isotonic, "isotonic"),
            ] {
                let curve = Curve::fit(method, &scores, &target, &weights).unwrap();
                let found: Vec<f64> = grid.iter().map(|&score| curve.probability(score)).collect();
                // The reference's own search for the sigmoid ends within 1e-5.
                let within = if kind == "sigmoid" { 2e-5 } else { 1e-12 };
                assert_close(&found, &golden.numbers(&[kind, name]), within);
            }
        }
    }

    #[test]
    fn where_one_class_is_alone_every_score_means_its_smoothed_share() {
        for method in [CalibrationMethod::Sigmoid, CalibrationMethod::Isotonic] {
            let curve = Curve::fit(method, &[0.1, 0.2], &[1.0, 1.0], &[1.0, 1.0]).unwrap();
            assert_close(&[curve.probability(5.0)], &[0.75], 1e-12);
        }
    }
}
