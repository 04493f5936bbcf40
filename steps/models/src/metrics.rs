//! What models are judged by.
//!
//! Rows are checked once, as [`Binary`], [`Multiclass`], [`Regression`], [`Clusters`] or
//! [`Agreement`]; everything that is measured of them follows from there, with [`Weights`] of rows
//! where those have a meaning. Scores are probabilities of the positive class (or any number that
//! ranks); labels are 1 for the positive class and 0 for the other. Rows may come in any order: the
//! result is the same, but for rounding. Definitions, and what is done with ties and shares of
//! nothing, are scikit-learn's unless said otherwise.

mod binary;
mod bootstrap;
mod calibration;
mod choice;
mod clustering;
mod confusion;
mod counts;
mod curves;
mod delong;
mod estimate;
mod multiclass;
mod normal;
mod paired;
mod probability;
pub(crate) mod quantile;
mod ranking;
mod regression;
mod residuals;
mod student;
mod threshold;
mod weights;

pub use binary::Binary;
pub use bootstrap::{Bootstrap, BootstrapMethod, at_rows, bootstrap_interval};
pub use calibration::{CalibrationBin, CalibrationBins, calibration_curve, expected_calibration_error};
pub use choice::{CostMatrix, ThresholdChoice, ThresholdRule};
pub use clustering::{Agreement, Clusters, InformationAverage};
pub use confusion::{Average, ConfusionMatrix, KappaWeights, Normalise, Undefined};
pub use counts::{ClassCounts, ClassMetric};
pub use curves::{CurvePoint, pr_curve, roc_curve, thinned};
pub use delong::{AucComparison, AucEstimate, auc_difference, auc_estimate};
pub use estimate::{Estimate, IntervalMethod, estimate_auc, estimate_mean, estimate_share};
pub use multiclass::{Multiclass, MulticlassAuc};
pub use normal::{normal_cdf, normal_quantile};
pub use paired::{
    Comparison, ComparisonMethod, compare_auc, compare_by_bootstrap, compare_decisions, compare_resamples,
};
pub use probability::{MeanEstimate, brier, brier_terms, log_loss, log_loss_terms, mean_interval};
pub use ranking::{KolmogorovSmirnov, Ranking, average_precision, roc_auc};
pub use regression::{Regression, mean_absolute_error, r2, root_mean_squared_error};
pub use residuals::{IntervalQuality, RESIDUAL_QUANTILES, Residuals, interval_quality};
pub use student::{student_quantile, student_two_sided};
pub use threshold::{Confusion, wilson_interval, wilson_interval_at};
pub use weights::Weights;

use crate::error::ModelError;

/// A range that would hold the true value in 95 of 100 samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// Quantile of the normal distribution that leaves 2.5 % on each side.
pub(crate) const Z_95: f64 = 1.959_963_984_540_054;

fn check(scores: &[f64], labels: &[f64]) -> Result<(), ModelError> {
    if scores.len() != labels.len() {
        return Err(ModelError::LengthMismatch {
            left_name: "the predictions",
            left: scores.len(),
            right_name: "the label",
            right: labels.len(),
        });
    }
    if scores.is_empty() {
        return Err(ModelError::NoRows { doing: "measure" });
    }
    if let Some(row) = scores.iter().position(|score| score.is_nan()) {
        return Err(ModelError::NotFinite {
            what: "prediction",
            row,
        });
    }
    if let Some(row) = labels.iter().position(|label| *label != 0.0 && *label != 1.0) {
        return Err(ModelError::NotBinary {
            row,
            value: labels[row],
        });
    }
    Ok(())
}

fn check_both_classes(scores: &[f64], labels: &[f64]) -> Result<(), ModelError> {
    check(scores, labels)?;
    if labels.contains(&0.0) && labels.contains(&1.0) {
        Ok(())
    } else {
        Err(ModelError::OneClass)
    }
}

#[cfg(test)]
mod reference {
    //! Rows whose metrics were computed with scikit-learn 1.7; the formulas are the same there:
    //! `s = round(0.05 + 0.9 * (((i * 7919) % 1000 // 4 * 4) / 1000), 6)`,
    //! `t = ((i * 6007 + 131) % 997) / 997 * 0.5 + s * 0.5`,
    //! `y = ((i * 104729) % 97) / 97 < 0.15 + 0.6 * s0`, `s0` being `s`, for `i` in 0..500.

    pub(super) struct Rows {
        pub(super) s: Vec<f64>,
        pub(super) t: Vec<f64>,
        pub(super) y: Vec<f64>,
    }

    pub(super) fn rows() -> Rows {
        let (mut s, mut t, mut y) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..500u64 {
            let coarse = ((i * 7919) % 1000 / 4 * 4) as f64 / 1000.0;
            let score = ((0.05 + 0.9 * coarse) * 1e6).round() / 1e6;
            s.push(score);
            t.push(((i * 6007 + 131) % 997) as f64 / 997.0 * 0.5 + score * 0.5);
            y.push(f64::from(u8::from(
                (((i * 104_729) % 97) as f64 / 97.0) < 0.15 + 0.6 * score,
            )));
        }
        Rows { s, t, y }
    }

    pub(super) fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
            "{found} is not {expected}"
        );
    }
}
