//! Calibrating the probabilities of a trained model.

use super::training::train_alone;
use super::{Body, Model, Predictor, Training};
use crate::calibration::{Calibrated, Calibration, CalibrationRows, fold_of};
use crate::error::ModelError;
use crate::fit::{Flow, Progress};
use crate::predictions::Predictions;

impl Model {
    /// The same model with curves through probabilities of rows it was not trained on.
    ///
    /// # Errors
    /// `Parameter` without classes, fewer than two folds or no validation rows; what training reports.
    pub(super) fn calibrated(
        mut self,
        training: &Training<'_>,
        calibration: Calibration,
        observe: &mut dyn FnMut(Progress<'_>) -> Flow,
    ) -> Result<Self, ModelError> {
        let wrong = |value: &str, rule| ModelError::Parameter {
            name: "calibration",
            value: value.to_owned(),
            rule,
        };
        let outputs = self.label.task.outputs();
        if self.label.task.classes().is_empty() {
            return Err(wrong("set", "absent where there are no classes"));
        }
        let (scores, target, weights) = match calibration.rows {
            CalibrationRows::Valid => {
                let valid = training
                    .valid
                    .ok_or_else(|| wrong("valid", "`cross_fitted` where there are no validation rows"))?;
                let scores = flat(self.predict(valid.frame)?)?;
                (scores, valid.target, valid.weights)
            }
            CalibrationRows::CrossFitted { folds } => {
                if folds < 2 || folds > training.target.len() {
                    return Err(wrong(
                        &folds.to_string(),
                        "2 folds or more, and no more than there are rows",
                    ));
                }
                let scores = cross_fitted(training, folds, outputs, observe)?;
                (scores, training.target, training.weights)
            }
        };
        let ones;
        let weights = match weights {
            Some(weights) => weights,
            None => {
                ones = vec![1.0; target.len()];
                &ones
            }
        };
        let curves = Calibrated::fit(
            self.body,
            calibration.method,
            true,
            &scores,
            target,
            weights,
            outputs,
        )?;
        self.body = Body::Calibrated(curves);
        self.calibration = Some(calibration);
        Ok(self)
    }
}

fn flat(predictions: Predictions) -> Result<Vec<f64>, ModelError> {
    match predictions {
        Predictions::Classes(classes) => Ok(classes.values().to_vec()),
        other => other.into_numbers(),
    }
}

/// Probabilities of every row by a model trained on the other folds.
fn cross_fitted(
    training: &Training<'_>,
    folds: usize,
    outputs: usize,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Vec<f64>, ModelError> {
    let fold_of = fold_of(training.target, folds, training.seed);
    let mut scores = vec![0.0; outputs * training.target.len()];
    for fold in 0..folds {
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..training.target.len()).partition(|&row| fold_of[row] == fold);
        let frame = training.frame.take(&others)?;
        let of = |values: &[f64]| others.iter().map(|&row| values[row]).collect::<Vec<f64>>();
        let (target, weights) = (of(training.target), training.weights.map(of));
        let part = Training {
            frame: &frame,
            target: &target,
            weights: weights.as_deref(),
            calibration: None,
            ..training.clone()
        };
        let model = train_alone(&part, &mut *observe)?;
        let found = flat(model.predict(&training.frame.take(&own)?)?)?;
        for (row, found) in own.iter().zip(found.chunks_exact(outputs)) {
            scores[row * outputs..(row + 1) * outputs].copy_from_slice(found);
        }
    }
    Ok(scores)
}
