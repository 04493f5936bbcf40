//! How good probabilities are as such.

use super::{Binary, Interval, Z_95};
use crate::error::ModelError;

/// Mean logarithmic loss, natural logarithm; probabilities are kept 2⁻⁵² away from 0 and 1, as
/// scikit-learn does.
///
/// # Errors
/// `NoRows`, `LengthMismatch`, `NotBinary`, `NotFinite`, `NotProbability`.
pub fn log_loss(probabilities: &[f64], labels: &[f64]) -> Result<f64, ModelError> {
    Binary::new(probabilities, labels)?.log_loss()
}

/// The loss of each row; see [`log_loss`].
///
/// # Errors
/// As [`log_loss`].
pub fn log_loss_terms(probabilities: &[f64], labels: &[f64]) -> Result<Vec<f64>, ModelError> {
    Binary::new(probabilities, labels)?.log_loss_terms()
}

/// Mean squared difference of probability and label (Brier 1950).
///
/// # Errors
/// As [`log_loss`].
pub fn brier(probabilities: &[f64], labels: &[f64]) -> Result<f64, ModelError> {
    Binary::new(probabilities, labels)?.brier()
}

/// The squared difference of each row; see [`brier`].
///
/// # Errors
/// As [`log_loss`].
pub fn brier_terms(probabilities: &[f64], labels: &[f64]) -> Result<Vec<f64>, ModelError> {
    Binary::new(probabilities, labels)?.brier_terms()
}

/// A mean over rows with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanEstimate {
    pub mean: f64,
    pub interval: Interval,
}

/// Mean of independent terms; interval by the normal approximation, `mean ± 1.96 s / √n`.
///
/// # Errors
/// `NoRows` if there are fewer than two.
pub fn mean_interval(terms: &[f64]) -> Result<MeanEstimate, ModelError> {
    if terms.len() < 2 {
        return Err(ModelError::NoRows {
            doing: "estimate an interval from",
        });
    }
    let mean = mean(terms);
    let variance = terms
        .iter()
        .map(|term| (term - mean) * (term - mean))
        .sum::<f64>()
        / (terms.len() - 1) as f64;
    let half = Z_95 * (variance / terms.len() as f64).sqrt();
    Ok(MeanEstimate {
        mean,
        interval: Interval {
            low: mean - half,
            high: mean + half,
        },
    })
}

fn mean(terms: &[f64]) -> f64 {
    terms.iter().sum::<f64>() / terms.len() as f64
}

#[cfg(test)]
mod tests {
    use super::super::reference::{close, rows};
    use super::*;

    #[test]
    fn values_are_those_of_scikit_learn() {
        let rows = rows();
        close(log_loss(&rows.s, &rows.y).unwrap(), 0.696_615_966_158_168_5);
        close(brier(&rows.s, &rows.y).unwrap(), 0.242_258_92);
    }

    #[test]
    fn a_certain_error_costs_a_finite_amount() {
        // −ln(2⁻⁵²) = 52 ln 2.
        let loss = log_loss(&[0.0], &[1.0]).unwrap();
        assert!((loss - 52.0 * std::f64::consts::LN_2).abs() < 1e-9);
        assert!(log_loss(&[1.0], &[1.0]).unwrap().abs() < 1e-15);
    }

    #[test]
    fn the_interval_of_a_mean_is_the_textbook_one() {
        // 1, 2, 3, 4: mean 2.5, s = √(5/3), half width 1.96 · s / 2 by hand.
        let estimate = mean_interval(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(estimate.mean, 2.5);
        let half = 1.959_963_984_540_054 * (5.0f64 / 3.0).sqrt() / 2.0;
        assert!((estimate.interval.high - 2.5 - half).abs() < 1e-12);
    }
}
