//! Metrics by the names that pipelines use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainyard_models::ModelError;
use trainyard_models::metrics::{
    Confusion, average_precision, brier, expected_calibration_error, log_loss, roc_auc,
};

/// Bins of the expected calibration error.
pub(crate) const CALIBRATION_BINS: usize = 10;

/// A measure of a classifier on rows with known labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// Area under the ROC curve.
    RocAuc,
    /// Average precision, the area under the precision–recall curve.
    AveragePrecision,
    /// Mean logarithmic loss, natural logarithm; lower is better.
    LogLoss,
    /// Mean squared difference of probability and label; lower is better.
    Brier,
    Accuracy,
    Precision,
    Recall,
    F1,
    /// Expected calibration error over ten bins of equal width; lower is better.
    Ece,
}

impl Metric {
    pub(crate) const ALL: [Self; 9] = [
        Self::RocAuc,
        Self::AveragePrecision,
        Self::LogLoss,
        Self::Brier,
        Self::Accuracy,
        Self::Precision,
        Self::Recall,
        Self::F1,
        Self::Ece,
    ];

    /// The name as written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RocAuc => "roc_auc",
            Self::AveragePrecision => "average_precision",
            Self::LogLoss => "log_loss",
            Self::Brier => "brier",
            Self::Accuracy => "accuracy",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "f1",
            Self::Ece => "ece",
        }
    }

    /// Whether a higher value is the better one.
    pub(crate) fn higher_is_better(self) -> bool {
        !matches!(self, Self::LogLoss | Self::Brier | Self::Ece)
    }

    /// Its value; `threshold` is the least probability of a positive decision.
    ///
    /// # Errors
    /// One class only, no rows, a prediction that is no number.
    pub(crate) fn of(self, predictions: &[f64], target: &[f64], threshold: f64) -> Result<f64, ModelError> {
        let decided = || Confusion::at(threshold, predictions, target);
        match self {
            Self::RocAuc => roc_auc(predictions, target),
            Self::AveragePrecision => average_precision(predictions, target),
            Self::LogLoss => log_loss(predictions, target),
            Self::Brier => brier(predictions, target),
            Self::Accuracy => decided().map(|counts| counts.accuracy()),
            Self::Precision => decided().map(|counts| counts.precision()),
            Self::Recall => decided().map(|counts| counts.recall()),
            Self::F1 => decided().map(|counts| counts.f1()),
            Self::Ece => expected_calibration_error(predictions, target, CALIBRATION_BINS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_the_name_it_is_written_by_and_a_value() {
        let predictions: Vec<f64> = (0..200).map(|row| f64::from(row * 37 % 101) / 101.0).collect();
        let target: Vec<f64> = predictions
            .iter()
            .enumerate()
            .map(|(row, p)| f64::from(u8::from(*p > (row * 53 % 97) as f64 / 97.0)))
            .collect();
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
            assert!(metric.of(&predictions, &target, 0.5).unwrap().is_finite());
        }
    }
}
