//! Decisions: what a threshold makes of scores.

use super::counts::{ClassCounts, ClassMetric};
use super::{Interval, Z_95, check, normal_quantile};
use crate::error::ModelError;

/// Rows by label and decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    pub true_positives: u64,
    pub false_positives: u64,
    pub true_negatives: u64,
    pub false_negatives: u64,
}

impl Confusion {
    /// Counts rows; a score of at least `threshold` is a positive decision.
    ///
    /// # Errors
    /// `NoRows`, `LengthMismatch`, `NotBinary`, `NotFinite`.
    pub fn at(threshold: f64, scores: &[f64], labels: &[f64]) -> Result<Self, ModelError> {
        check(scores, labels)?;
        let mut counts = Self::default();
        for (score, label) in scores.iter().zip(labels) {
            let count = match (*score >= threshold, *label == 1.0) {
                (true, true) => &mut counts.true_positives,
                (true, false) => &mut counts.false_positives,
                (false, false) => &mut counts.true_negatives,
                (false, true) => &mut counts.false_negatives,
            };
            *count += 1;
        }
        Ok(counts)
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.true_positives + self.false_positives + self.true_negatives + self.false_negatives
    }

    /// Share of right decisions; 0 if there are no rows.
    pub fn accuracy(&self) -> f64 {
        self.share(ClassMetric::Accuracy)
    }

    /// Share of positives among positive decisions; 0 if there are none.
    pub fn precision(&self) -> f64 {
        self.share(ClassMetric::Precision)
    }

    /// Share of positives that were found; 0 if there are none.
    pub fn recall(&self) -> f64 {
        self.share(ClassMetric::Recall)
    }

    /// Harmonic mean of precision and recall; 0 if both are.
    pub fn f1(&self) -> f64 {
        self.share(ClassMetric::FBeta(1.0))
    }

    /// A metric of these counts; 0 if it is a share of nothing.
    pub fn share(&self, metric: ClassMetric) -> f64 {
        self.counts().share(metric).unwrap_or(0.0)
    }

    /// The same as weights.
    pub fn counts(&self) -> ClassCounts {
        ClassCounts {
            true_positives: self.true_positives as f64,
            false_positives: self.false_positives as f64,
            true_negatives: self.true_negatives as f64,
            false_negatives: self.false_negatives as f64,
        }
    }
}

/// 95 % interval of a share of independent rows by Wilson's score method (1927).
pub fn wilson_interval(part: u64, whole: u64) -> Interval {
    wilson(part as f64, whole as f64, Z_95)
}

/// The same for any level of confidence, e.g. 0.99, and for rows with weights: `whole` is then the
/// number of equal rows that would say as much (Kish 1965), `part` as large a share of it.
pub fn wilson_interval_at(part: f64, whole: f64, level: f64) -> Interval {
    wilson(part, whole, normal_quantile(0.5 + level / 2.0))
}

fn wilson(part: f64, whole: f64, z: f64) -> Interval {
    if whole <= 0.0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let share = part / whole;
    let z2 = z * z;
    let centre = (share + z2 / (2.0 * whole)) / (1.0 + z2 / whole);
    let half = z / (1.0 + z2 / whole) * (share * (1.0 - share) / whole + z2 / (4.0 * whole * whole)).sqrt();
    // At both ends the formula is exact, but for rounding.
    Interval {
        low: if part <= 0.0 {
            0.0
        } else {
            (centre - half).max(0.0)
        },
        high: if part >= whole {
            1.0
        } else {
            (centre + half).min(1.0)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{close, rows};
    use super::*;

    #[test]
    fn values_are_those_of_scikit_learn() {
        let rows = rows();
        let counts = Confusion::at(0.5, &rows.s, &rows.y).unwrap();
        assert_eq!(
            [
                counts.true_negatives,
                counts.false_positives,
                counts.false_negatives,
                counts.true_positives
            ],
            [167, 104, 82, 147]
        );
        close(counts.accuracy(), 0.628);
        close(counts.precision(), 0.585_657_370_517_928_3);
        close(counts.recall(), 0.641_921_397_379_912_7);
        close(counts.f1(), 0.6125);
    }

    #[test]
    fn wilsons_interval_is_the_published_one() {
        // Newcombe 1998, table I, case 81/263: 0.2553 to 0.3662; 0/20: 0.0000 to 0.1611.
        let found = wilson_interval(81, 263);
        assert!(
            (found.low - 0.2553).abs() < 5e-5 && (found.high - 0.3662).abs() < 5e-5,
            "{found:?}"
        );
        let none = wilson_interval(0, 20);
        assert!(
            none.low.abs() < 1e-12 && (none.high - 0.1611).abs() < 5e-5,
            "{none:?}"
        );
    }

    #[test]
    fn shares_of_nothing_are_zero() {
        let counts = Confusion::at(2.0, &[0.5], &[0.0]).unwrap();
        assert_eq!(
            (counts.precision(), counts.recall(), counts.f1()),
            (0.0, 0.0, 0.0)
        );
    }
}
