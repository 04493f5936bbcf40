//! Judging a model on the test rows.

use super::judged::{self, Curves, Judged, Other};
use super::{ExplainMethod, Params};
use crate::train::data::Examples;
use crate::train::rows::refused;
use crate::train::scores::CALIBRATION_BINS;
use std::collections::BTreeMap;
use trainyard_contract::StepError;
use trainyard_models::importance::{Importance, permutation_importance};
use trainyard_models::metrics::{Confusion, calibration_curve, pr_curve, roc_auc, roc_curve};
use trainyard_models::random::Random;
use trainyard_models::{Frame, Model, Predictions, Predictor, Task};

/// Points of a curve in the report.
const CURVE_POINTS: usize = 200;
/// Bins of predicted probabilities in the report.
const SCORE_BINS: usize = 20;
/// Rows that permutation importance is taken on, at most.
const EXPLAINED_ROWS: usize = 20_000;

/// What judging needs.
pub(super) struct Judging<'a> {
    pub(super) params: &'a Params,
    pub(super) model: &'a Model,
    /// The labelled test rows.
    pub(super) frame: &'a Frame,
    pub(super) examples: &'a Examples,
}

impl Judging<'_> {
    /// Everything but the importance of features.
    pub(super) fn judge(
        &self,
        champion: Option<(String, Model)>,
        baselines: Vec<(String, Model)>,
        slice_values: &BTreeMap<String, Vec<Option<String>>>,
    ) -> Result<Judged, StepError> {
        let (metrics, threshold) = (self.params.metrics(), self.params.threshold);
        let target = &self.examples.target;
        let predictions = self
            .model
            .predict(self.frame)
            .and_then(Predictions::into_numbers)
            .map_err(|error| refused(&error))?;
        let other = |(name, model): (String, Model)| -> Other {
            let theirs = self.others_predictions(&model);
            judged::other(
                name,
                model.algorithm().name().to_owned(),
                theirs,
                &predictions,
                target,
                &metrics,
                threshold,
            )
        };
        let curves = Curves {
            roc: roc_curve(&predictions, target, CURVE_POINTS).unwrap_or_default(),
            precision_recall: pr_curve(&predictions, target, CURVE_POINTS).unwrap_or_default(),
            calibration: calibration_curve(&predictions, target, CALIBRATION_BINS).unwrap_or_default(),
            scores: judged::score_shares(&predictions, target, SCORE_BINS),
        };
        let slices = slice_values
            .iter()
            .map(|(column, values)| {
                (
                    column.clone(),
                    judged::slices(values, &predictions, target, &metrics, threshold),
                )
            })
            .collect();
        Ok(Judged {
            rows: target.len(),
            positives: target.iter().filter(|label| **label == 1.0).count(),
            unlabelled: self.examples.unlabelled,
            threshold,
            metrics: judged::measured(&metrics, &predictions, target, threshold, self.params.seed),
            confusion: Confusion::at(threshold, &predictions, target).map_err(|error| refused(&error))?,
            curves,
            champion: champion.map(other),
            baselines: baselines.into_iter().map(other).collect(),
            slices,
            importance: Vec::new(),
        })
    }

    /// Another model's predictions, as chances of this model's positive class.
    fn others_predictions(&self, model: &Model) -> Result<Vec<f64>, String> {
        let predictions = model
            .predict(self.frame)
            .and_then(Predictions::into_numbers)
            .map_err(|error| error.to_string())?;
        match (&model.label().task, &self.model.label().task) {
            (theirs, own) if theirs == own => Ok(predictions),
            (
                Task::Binary { negative, positive },
                Task::Binary {
                    negative: own_negative,
                    positive: own_positive,
                },
            ) if negative == own_positive && positive == own_negative => {
                Ok(predictions.into_iter().map(|p| 1.0 - p).collect())
            }
            _ => Err("it predicts something else".to_owned()),
        }
    }

    /// What the model relies on, if that is asked.
    pub(super) fn explain(&self) -> Result<Vec<Importance>, StepError> {
        let Some(explain) = &self.params.explain else {
            return Ok(Vec::new());
        };
        let ExplainMethod::Permutation = explain.method;
        let rows = self.frame.rows();
        let mut importance = if rows > EXPLAINED_ROWS {
            let chosen = Random::new(self.params.seed).choose(rows, EXPLAINED_ROWS);
            let frame = self.frame.take(&chosen).map_err(|error| refused(&error))?;
            let target: Vec<f64> = chosen.iter().map(|&row| self.examples.target[row]).collect();
            self.importance(&frame, &target, explain.repeats)
        } else {
            self.importance(self.frame, &self.examples.target, explain.repeats)
        }?;
        importance.truncate(explain.top as usize);
        Ok(importance)
    }

    fn importance(&self, frame: &Frame, target: &[f64], repeats: u32) -> Result<Vec<Importance>, StepError> {
        permutation_importance(
            self.model,
            frame,
            target,
            repeats as usize,
            self.params.seed,
            |predictions, target| roc_auc(predictions.numbers()?, target),
        )
        .map_err(|error| refused(&error))
    }
}
