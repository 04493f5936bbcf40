//! Whether of the rows given a probability that share is positive.

use super::check;
use crate::error::ModelError;

/// Rows whose probabilities lie close together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationBin {
    pub rows: u64,
    pub mean_probability: f64,
    /// Share of positive rows.
    pub observed: f64,
}

/// Rows in `bins` bins of equal width over [0, 1]; empty bins are left out.
///
/// # Errors
/// `NoRows`, `LengthMismatch`, `NotBinary`, `NotFinite`.
pub fn calibration_curve(
    probabilities: &[f64],
    labels: &[f64],
    bins: usize,
) -> Result<Vec<CalibrationBin>, ModelError> {
    check(probabilities, labels)?;
    let bins = bins.max(1);
    let mut sums = vec![(0u64, 0.0, 0.0); bins];
    for (probability, label) in probabilities.iter().zip(labels) {
        // A negative product becomes 0, one beyond the last bin stays in it.
        let bin = ((probability * bins as f64) as usize).min(bins - 1);
        let (rows, probability_sum, positives) = &mut sums[bin];
        *rows += 1;
        *probability_sum += probability;
        *positives += label;
    }
    Ok(sums
        .into_iter()
        .filter(|(rows, ..)| *rows > 0)
        .map(|(rows, probabilities, positives)| CalibrationBin {
            rows,
            mean_probability: probabilities / rows as f64,
            observed: positives / rows as f64,
        })
        .collect())
}

/// Expected calibration error (Naeini et al. 2015): mean distance of probability and share over
/// the bins of [`calibration_curve`], weighted by rows.
///
/// # Errors
/// As [`calibration_curve`].
pub fn expected_calibration_error(
    probabilities: &[f64],
    labels: &[f64],
    bins: usize,
) -> Result<f64, ModelError> {
    let curve = calibration_curve(probabilities, labels, bins)?;
    let distance = |bin: &CalibrationBin| bin.rows as f64 * (bin.mean_probability - bin.observed).abs();
    Ok(curve.iter().map(distance).sum::<f64>() / labels.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{close, rows};
    use super::*;

    #[test]
    fn the_error_is_that_of_a_plain_computation_in_numpy() {
        // mean over ten bins of equal width of share of rows × |mean(y) − mean(s)|.
        let rows = rows();
        close(
            expected_calibration_error(&rows.s, &rows.y, 10).unwrap(),
            0.105_114_4,
        );
    }

    #[test]
    fn perfect_and_opposite_predictions_have_errors_of_zero_and_one() {
        assert_eq!(expected_calibration_error(&[0.0, 1.0], &[0.0, 1.0], 10), Ok(0.0));
        assert_eq!(expected_calibration_error(&[1.0, 0.0], &[0.0, 1.0], 10), Ok(1.0));
    }
}
