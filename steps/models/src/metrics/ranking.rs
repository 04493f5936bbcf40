//! How well scores put positives before negatives.

use super::Binary;
use super::weights::Weights;
use crate::error::ModelError;

/// Everything at or above one score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) threshold: f64,
    /// Weight of positive rows.
    pub(super) hits: f64,
    /// Weight of negative rows.
    pub(super) misses: f64,
}

/// Rows sorted by score once, for all metrics and curves that depend on their order alone.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// One for each distinct score, from the highest to the lowest.
    pub(super) steps: Vec<Step>,
    pub(super) positives: f64,
    pub(super) negatives: f64,
}

/// The Kolmogorov–Smirnov statistic and where it is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KolmogorovSmirnov {
    /// Largest distance of the two classes' distributions of scores, 0 to 1.
    pub statistic: f64,
    /// The score from which on rows are called positive there.
    pub threshold: f64,
}

impl Ranking {
    pub(super) fn new(scores: &[f64], positive: impl Fn(usize) -> bool, weights: Weights<'_>) -> Self {
        let mut order: Vec<u32> = (0..scores.len() as u32)
            .filter(|&row| weights.of(row as usize) > 0.0)
            .collect();
        // Rows of equal score are summed in their own order, so that sums do not depend on the sort.
        order.sort_unstable_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
        let (mut positives, mut negatives) = (0.0, 0.0);
        let tied = |&left: &u32, &right: &u32| scores[left as usize] == scores[right as usize];
        let steps = order
            .chunk_by(tied)
            .map(|rows| {
                for &row in rows {
                    let row = row as usize;
                    *(if positive(row) {
                        &mut positives
                    } else {
                        &mut negatives
                    }) += weights.of(row);
                }
                Step {
                    threshold: scores[rows[0] as usize],
                    hits: positives,
                    misses: negatives,
                }
            })
            .collect();
        Self {
            steps,
            positives,
            negatives,
        }
    }

    pub(super) fn has_both(&self) -> bool {
        self.positives > 0.0 && self.negatives > 0.0
    }

    /// Area under the ROC curve: the chance that a positive row scores above a negative one, ties
    /// counting half (Hanley and McNeil 1982).
    pub fn roc_auc(&self) -> f64 {
        let (mut hits, mut misses, mut area) = (0.0, 0.0, 0.0);
        for step in &self.steps {
            area += (step.misses - misses) * (step.hits + hits);
            (hits, misses) = (step.hits, step.misses);
        }
        area / 2.0 / (self.positives * self.negatives)
    }

    /// Area under the ROC curve up to a false positive rate of `most`, scaled so that guessing is
    /// 0.5 and the best is 1 (McClish 1989), as scikit-learn's `max_fpr`.
    ///
    /// # Errors
    /// `Parameter` unless `most` is above 0 and at most 1.
    pub fn partial_roc_auc(&self, most: f64) -> Result<f64, ModelError> {
        if !(most > 0.0 && most <= 1.0) {
            return Err(ModelError::Parameter {
                name: "most",
                value: most.to_string(),
                rule: "above 0 and at most 1",
            });
        }
        let (mut x, mut y, mut area) = (0.0, 0.0, 0.0);
        for step in &self.steps {
            let (next_x, next_y) = (step.misses / self.negatives, step.hits / self.positives);
            if next_x > most {
                let at_most = y + (next_y - y) * (most - x) / (next_x - x);
                area += (most - x) * (y + at_most) / 2.0;
                x = most;
                break;
            }
            area += (next_x - x) * (y + next_y) / 2.0;
            (x, y) = (next_x, next_y);
        }
        if x >= 1.0 {
            return Ok(area);
        }
        let least = most * most / 2.0;
        Ok(0.5 * (1.0 + (area - least) / (most - least)))
    }

    /// Average precision: the sum over thresholds of precision times the gain in recall; no
    /// interpolation, as in scikit-learn.
    pub fn average_precision(&self) -> f64 {
        let (mut hits, mut area) = (0.0, 0.0);
        for step in &self.steps {
            area += step.hits / (step.hits + step.misses) * (step.hits - hits);
            hits = step.hits;
        }
        area / self.positives
    }

    /// Largest distance of the distributions of scores of both classes; of several, that of the
    /// highest score.
    pub fn kolmogorov_smirnov(&self) -> KolmogorovSmirnov {
        let mut found = KolmogorovSmirnov {
            statistic: 0.0,
            threshold: f64::INFINITY,
        };
        for step in &self.steps {
            let statistic = (step.hits / self.positives - step.misses / self.negatives).abs();
            if statistic > found.statistic {
                found = KolmogorovSmirnov {
                    statistic,
                    threshold: step.threshold,
                };
            }
        }
        found
    }

    /// Share of the positives among the `share` of rows with the highest scores; within rows of
    /// equal score the expected number, as if their order were drawn.
    pub fn gain_at(&self, share: f64) -> f64 {
        let wanted = share.clamp(0.0, 1.0) * (self.positives + self.negatives);
        let (mut hits, mut rows) = (0.0, 0.0);
        for step in &self.steps {
            let rows_here = step.hits + step.misses;
            if rows_here >= wanted {
                let part = (wanted - rows) / (rows_here - rows);
                return (hits + (step.hits - hits) * part) / self.positives;
            }
            (hits, rows) = (step.hits, rows_here);
        }
        1.0
    }

    /// How many times as many positives the `share` of rows with the highest scores holds as a
    /// share drawn at random; 0 for a share of 0.
    pub fn lift_at(&self, share: f64) -> f64 {
        let share = share.clamp(0.0, 1.0);
        if share > 0.0 {
            self.gain_at(share) / share
        } else {
            0.0
        }
    }
}

/// Area under the ROC curve; see [`Ranking::roc_auc`].
///
/// # Errors
/// `OneClass`, `NoRows`, `LengthMismatch`, `NotBinary`, `NotFinite`.
pub fn roc_auc(scores: &[f64], labels: &[f64]) -> Result<f64, ModelError> {
    Ok(Binary::new(scores, labels)?.ranking()?.roc_auc())
}

/// Average precision; see [`Ranking::average_precision`].
///
/// # Errors
/// As [`roc_auc`].
pub fn average_precision(scores: &[f64], labels: &[f64]) -> Result<f64, ModelError> {
    Ok(Binary::new(scores, labels)?.ranking()?.average_precision())
}

#[cfg(test)]
mod tests {
    use super::super::reference::{close, rows};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_those_of_scikit_learn() {
        let rows = rows();
        close(roc_auc(&rows.s, &rows.y).unwrap(), 0.668_420_374_160_073_5);
        close(
            average_precision(&rows.s, &rows.y).unwrap(),
            0.616_747_013_559_355_1,
        );
        close(roc_auc(&rows.t, &rows.y).unwrap(), 0.609_210_589_922_493_1);
        close(average_precision(&rows.t, &rows.y).unwrap(), 0.566_603_539_533);
    }

    #[test]
    fn one_class_or_a_score_that_is_no_number_is_an_error() {
        assert_eq!(roc_auc(&[0.1, 0.2], &[1.0, 1.0]), Err(ModelError::OneClass));
        assert!(roc_auc(&[f64::NAN, 0.2], &[1.0, 0.0]).is_err());
        assert!(roc_auc(&[], &[]).is_err());
        assert!(roc_auc(&[0.5], &[1.0, 0.0]).is_err());
    }

    #[test]
    fn half_of_a_tied_block_holds_half_of_its_positives() {
        let ranking = Binary::new(&[0.5; 4], &[1.0, 0.0, 0.0, 1.0])
            .unwrap()
            .ranking()
            .unwrap();
        assert_eq!(ranking.gain_at(0.5), 0.5);
        assert_eq!(ranking.lift_at(0.25), 1.0);
        assert_eq!(
            (ranking.roc_auc(), ranking.kolmogorov_smirnov().statistic),
            (0.5, 0.0)
        );
    }

    #[test]
    fn gain_at_nothing_and_everything() {
        let ranking = Binary::new(&[0.9, 0.1], &[1.0, 0.0]).unwrap().ranking().unwrap();
        assert_eq!((ranking.gain_at(0.0), ranking.gain_at(1.0)), (0.0, 1.0));
        assert_eq!((ranking.lift_at(0.0), ranking.lift_at(0.5)), (0.0, 2.0));
    }

    proptest! {
        #[test]
        fn auc_keeps_under_rising_functions_and_turns_with_the_label(
            rows in prop::collection::vec((0u8..20, any::<bool>()), 2..60)
        ) {
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
            let labels: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(row.1))).collect();
            prop_assume!(labels.contains(&0.0) && labels.contains(&1.0));
            let auc = roc_auc(&scores, &labels).unwrap();
            let risen: Vec<f64> = scores.iter().map(|score| (score / 7.0).exp()).collect();
            prop_assert_eq!(roc_auc(&risen, &labels).unwrap(), auc);
            let turned: Vec<f64> = labels.iter().map(|label| 1.0 - label).collect();
            prop_assert!((roc_auc(&scores, &turned).unwrap() + auc - 1.0).abs() < 1e-12);
        }

        #[test]
        fn a_weight_of_two_is_the_row_twice(
            rows in prop::collection::vec((0u8..6, any::<bool>(), 0u8..3), 2..40)
        ) {
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
            let labels: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(row.1))).collect();
            let weights: Vec<f64> = rows.iter().map(|row| f64::from(row.2)).collect();
            let repeated = |values: &[f64]| -> Vec<f64> {
                values.iter().zip(&rows).flat_map(|(v, row)| std::iter::repeat_n(*v, usize::from(row.2))).collect()
            };
            let (more_scores, more_labels) = (repeated(&scores), repeated(&labels));
            prop_assume!(more_labels.contains(&0.0) && more_labels.contains(&1.0));
            let weighted = Binary::weighted(&scores, &labels, Weights::Each(&weights)).unwrap().ranking().unwrap();
            let plain = Binary::new(&more_scores, &more_labels).unwrap().ranking().unwrap();
            prop_assert_eq!(weighted.roc_auc(), plain.roc_auc());
            prop_assert_eq!(weighted.average_precision(), plain.average_precision());
            prop_assert_eq!(weighted.gain_at(0.3), plain.gain_at(0.3));
            prop_assert_eq!(weighted.kolmogorov_smirnov(), plain.kolmogorov_smirnov());
        }
    }
}
