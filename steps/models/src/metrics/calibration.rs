//! Whether of the rows given a probability that share is positive.

use super::Binary;
use super::binary::check_probabilities;
use super::quantile::linear_quantile;
use crate::error::ModelError;

/// Rows whose probabilities lie close together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationBin {
    pub rows: u64,
    /// Weight of the rows.
    pub weight: f64,
    pub mean_probability: f64,
    /// Share of positive rows.
    pub observed: f64,
}

/// How probabilities are cut into bins; each bin holds its upper bound, not its lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalibrationBins {
    /// Of equal width over [0, 1].
    Uniform(usize),
    /// Of about equal numbers of rows.
    Quantile(usize),
}

impl Binary<'_> {
    /// Mean probability and share of positives in bins, as scikit-learn's; empty bins are left out.
    ///
    /// # Errors
    /// `NotProbability`, or `Parameter` for no bins.
    pub fn calibration_curve(&self, bins: CalibrationBins) -> Result<Vec<CalibrationBin>, ModelError> {
        check_probabilities(self.scores)?;
        let (CalibrationBins::Uniform(count) | CalibrationBins::Quantile(count)) = bins;
        if !(1..=1_000_000).contains(&count) {
            return Err(ModelError::Parameter {
                name: "bins",
                value: count.to_string(),
                rule: "1 to 1,000,000",
            });
        }
        let inner = 1..count;
        let bounds: Vec<f64> = match bins {
            CalibrationBins::Uniform(_) => inner.map(|at| at as f64 * (1.0 / count as f64)).collect(),
            CalibrationBins::Quantile(_) => {
                let mut sorted = self.scores.to_vec();
                sorted.sort_unstable_by(f64::total_cmp);
                inner
                    .map(|at| linear_quantile(&sorted, at as f64 * (1.0 / count as f64)))
                    .collect()
            }
        };
        let mut sums = vec![(0u64, 0.0, 0.0, 0.0); count];
        for (row, (probability, label)) in self.scores.iter().zip(self.labels).enumerate() {
            let bin = bounds.partition_point(|bound| bound < probability);
            let (rows, total, probability_sum, positives) = &mut sums[bin];
            let weight = self.weights.of(row);
            *rows += 1;
            *total += weight;
            *probability_sum += probability * weight;
            *positives += label * weight;
        }
        Ok(sums
            .into_iter()
            .filter(|(_, weight, ..)| *weight > 0.0)
            .map(|(rows, weight, probabilities, positives)| CalibrationBin {
                rows,
                weight,
                mean_probability: probabilities / weight,
                observed: positives / weight,
            })
            .collect())
    }

    /// Expected calibration error (Naeini et al. 2015): mean distance of probability and share over
    /// the bins, weighted by rows.
    ///
    /// # Errors
    /// As [`Binary::calibration_curve`].
    pub fn expected_calibration_error(&self, bins: CalibrationBins) -> Result<f64, ModelError> {
        let curve = self.calibration_curve(bins)?;
        let weight: f64 = curve.iter().map(|bin| bin.weight).sum();
        Ok(curve.iter().map(|bin| bin.weight * bin.gap()).sum::<f64>() / weight)
    }

    /// Maximum calibration error (Naeini et al. 2015): the largest distance over the bins.
    ///
    /// # Errors
    /// As [`Binary::calibration_curve`].
    pub fn maximum_calibration_error(&self, bins: CalibrationBins) -> Result<f64, ModelError> {
        Ok(self
            .calibration_curve(bins)?
            .iter()
            .fold(0.0, |most, bin| bin.gap().max(most)))
    }
}

impl CalibrationBin {
    /// Distance of mean probability and share of positives.
    pub fn gap(&self) -> f64 {
        (self.mean_probability - self.observed).abs()
    }
}

/// [`Binary::calibration_curve`] in `bins` bins of equal width.
///
/// # Errors
/// `NoRows`, `LengthMismatch`, `NotBinary`, `NotFinite`, `NotProbability`, `Parameter`.
pub fn calibration_curve(
    probabilities: &[f64],
    labels: &[f64],
    bins: usize,
) -> Result<Vec<CalibrationBin>, ModelError> {
    Binary::new(probabilities, labels)?.calibration_curve(CalibrationBins::Uniform(bins))
}

/// [`Binary::expected_calibration_error`] over `bins` bins of equal width.
///
/// # Errors
/// As [`calibration_curve`].
pub fn expected_calibration_error(
    probabilities: &[f64],
    labels: &[f64],
    bins: usize,
) -> Result<f64, ModelError> {
    Binary::new(probabilities, labels)?.expected_calibration_error(CalibrationBins::Uniform(bins))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfect_and_opposite_predictions_have_errors_of_zero_and_one() {
        assert_eq!(expected_calibration_error(&[0.0, 1.0], &[0.0, 1.0], 10), Ok(0.0));
        assert_eq!(expected_calibration_error(&[1.0, 0.0], &[0.0, 1.0], 10), Ok(1.0));
    }

    #[test]
    fn a_bin_holds_its_upper_bound() {
        let curve = calibration_curve(&[0.2, 0.4, 0.400_000_1], &[0.0, 1.0, 1.0], 5).unwrap();
        let rows: Vec<u64> = curve.iter().map(|bin| bin.rows).collect();
        assert_eq!(rows, [1, 1, 1]);
    }
}
