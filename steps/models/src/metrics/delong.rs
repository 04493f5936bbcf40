//! How sure an area under the curve is, and whether two models differ (DeLong, DeLong and
//! Clarke-Pearson 1988), by midranks in O(n log n) (Sun and Xu 2014).

use super::{Interval, Z_95, check_both_classes, normal_cdf};
use crate::error::ModelError;

/// An area under the ROC curve with its standard error and 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AucEstimate {
    pub auc: f64,
    pub standard_error: f64,
    /// `auc ± 1.96` standard errors, within [0, 1].
    pub interval: Interval,
}

/// The difference of two models' areas on the same rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AucComparison {
    /// First minus second.
    pub difference: f64,
    pub standard_error: f64,
    pub interval: Interval,
    /// Two-sided, of the hypothesis that they do not differ; 1 if the error is 0.
    pub p_value: f64,
}

/// Area under the ROC curve of `scores` with DeLong's error.
///
/// # Errors
/// As [`super::roc_auc`].
pub fn auc_estimate(scores: &[f64], labels: &[f64]) -> Result<AucEstimate, ModelError> {
    let places = Placements::of(scores, labels)?;
    let standard_error = covariance(&places, &places).max(0.0).sqrt();
    let half = Z_95 * standard_error;
    let interval = Interval {
        low: (places.auc - half).max(0.0),
        high: (places.auc + half).min(1.0),
    };
    Ok(AucEstimate {
        auc: places.auc,
        standard_error,
        interval,
    })
}

/// Compares two models on the same rows.
///
/// # Errors
/// As [`super::roc_auc`].
pub fn auc_difference(first: &[f64], second: &[f64], labels: &[f64]) -> Result<AucComparison, ModelError> {
    let (first, second) = (Placements::of(first, labels)?, Placements::of(second, labels)?);
    let variance =
        covariance(&first, &first) + covariance(&second, &second) - 2.0 * covariance(&first, &second);
    let standard_error = variance.max(0.0).sqrt();
    let difference = first.auc - second.auc;
    let half = Z_95 * standard_error;
    let p_value = if standard_error > 0.0 {
        2.0 * normal_cdf(-(difference / standard_error).abs())
    } else {
        1.0
    };
    let interval = Interval {
        low: difference - half,
        high: difference + half,
    };
    Ok(AucComparison {
        difference,
        standard_error,
        interval,
        p_value,
    })
}

/// For each positive row the share of negatives below it, and for each negative the share of
/// positives above it; ties count half.
struct Placements {
    auc: f64,
    positives: Vec<f64>,
    negatives: Vec<f64>,
}

impl Placements {
    fn of(scores: &[f64], labels: &[f64]) -> Result<Self, ModelError> {
        check_both_classes(scores, labels)?;
        let class = |label: f64| -> Vec<f64> {
            let mut of_class: Vec<f64> = scores
                .iter()
                .zip(labels)
                .filter(|(_, l)| **l == label)
                .map(|(score, _)| *score)
                .collect();
            of_class.sort_unstable_by(f64::total_cmp);
            of_class
        };
        let (high, low) = (class(1.0), class(0.0));
        let below = |sorted: &[f64], score: f64| {
            let under = sorted.partition_point(|other| *other < score);
            let up_to = sorted.partition_point(|other| *other <= score);
            (under + up_to) as f64 / 2.0 / sorted.len() as f64
        };
        let (mut positives, mut negatives) = (Vec::with_capacity(high.len()), Vec::with_capacity(low.len()));
        for (score, label) in scores.iter().zip(labels) {
            if *label == 1.0 {
                positives.push(below(&low, *score));
            } else {
                negatives.push(1.0 - below(&high, *score));
            }
        }
        let auc = positives.iter().sum::<f64>() / positives.len() as f64;
        Ok(Self {
            auc,
            positives,
            negatives,
        })
    }
}

fn covariance(first: &Placements, second: &Placements) -> f64 {
    let part = |left: &[f64], right: &[f64]| {
        let n = left.len() as f64;
        if left.len() < 2 {
            return 0.0;
        }
        let (left_mean, right_mean) = (left.iter().sum::<f64>() / n, right.iter().sum::<f64>() / n);
        let sum: f64 = left
            .iter()
            .zip(right)
            .map(|(l, r)| (l - left_mean) * (r - right_mean))
            .sum();
        sum / (n - 1.0) / n
    };
    part(&first.positives, &second.positives) + part(&first.negatives, &second.negatives)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{close, rows};
    use super::*;

    // Computed with NumPy and SciPy from the definition: the full matrix of pairs, its row and
    // column means, `numpy.cov` of those, and `scipy.stats.norm.sf`.
    #[test]
    fn error_and_test_are_those_of_the_definition() {
        let rows = rows();
        let estimate = auc_estimate(&rows.s, &rows.y).unwrap();
        close(estimate.auc, 0.668_420_374_160_073_5);
        close(estimate.standard_error.powi(2), 0.000_583_926_200_312_8);
        let comparison = auc_difference(&rows.s, &rows.t, &rows.y).unwrap();
        close(comparison.difference, 0.059_209_784_237_580_39);
        close(comparison.standard_error, 0.020_838_554_545_935_64);
        assert!((comparison.p_value - 0.004_492_191_629_978_484).abs() < 1e-9);
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let rows = rows();
        let same = auc_difference(&rows.t, &rows.t, &rows.y).unwrap();
        assert_eq!((same.difference, same.p_value), (0.0, 1.0));
    }
}
