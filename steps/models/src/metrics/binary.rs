//! Rows of two classes with their scores.

use super::ranking::Ranking;
use super::weights::Weights;
use super::{ClassCounts, check};
use crate::error::ModelError;

/// By how much rounding may carry a probability out of [0, 1].
const PROBABILITY_SLACK: f64 = 1e-9;

/// Scores with labels of 1 (the positive class) and 0, checked once.
#[derive(Clone, Copy, Debug)]
pub struct Binary<'a> {
    pub(super) scores: &'a [f64],
    pub(super) labels: &'a [f64],
    pub(super) weights: Weights<'a>,
}

impl<'a> Binary<'a> {
    /// Rows that count the same.
    ///
    /// # Errors
    /// `NoRows`, `LengthMismatch`, `NotBinary`, `NotFinite` for a score that is no number.
    pub fn new(scores: &'a [f64], labels: &'a [f64]) -> Result<Self, ModelError> {
        Self::weighted(scores, labels, Weights::Equal)
    }

    /// Rows with weights.
    ///
    /// # Errors
    /// As [`Binary::new`]; `Weights` for wrong weights.
    pub fn weighted(scores: &'a [f64], labels: &'a [f64], weights: Weights<'a>) -> Result<Self, ModelError> {
        check(scores, labels)?;
        weights.check(labels.len())?;
        Ok(Self {
            scores,
            labels,
            weights,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Weights by label and decision; a score of at least `threshold` is a positive decision.
    pub fn counts_at(&self, threshold: f64) -> ClassCounts {
        let mut counts = ClassCounts::default();
        for (row, (score, label)) in self.scores.iter().zip(self.labels).enumerate() {
            *counts.cell(*label == 1.0, *score >= threshold) += self.weights.of(row);
        }
        counts
    }

    /// The rows in order of their scores.
    ///
    /// # Errors
    /// `OneClass` unless both classes have weight.
    pub fn ranking(&self) -> Result<Ranking, ModelError> {
        let ranking = Ranking::new(self.scores, |row| self.labels[row] == 1.0, self.weights);
        if ranking.has_both() {
            Ok(ranking)
        } else {
            Err(ModelError::OneClass)
        }
    }

    /// Mean logarithmic loss, natural logarithm. Probabilities are kept 2⁻⁵² away from 0 and 1, as
    /// scikit-learn does.
    ///
    /// # Errors
    /// `NotProbability`.
    pub fn log_loss(&self) -> Result<f64, ModelError> {
        Ok(self.weights.mean(self.log_loss_terms()?))
    }

    /// The loss of each row; see [`Binary::log_loss`].
    ///
    /// # Errors
    /// `NotProbability`.
    pub fn log_loss_terms(&self) -> Result<Vec<f64>, ModelError> {
        check_probabilities(self.scores)?;
        let term = |(probability, label): (&f64, &f64)| {
            let probability = probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            if *label == 1.0 {
                -probability.ln()
            } else {
                -(-probability).ln_1p()
            }
        };
        Ok(self.scores.iter().zip(self.labels).map(term).collect())
    }

    /// Mean squared difference of probability and label (Brier 1950), from 0 to 1.
    ///
    /// # Errors
    /// `NotProbability`.
    pub fn brier(&self) -> Result<f64, ModelError> {
        Ok(self.weights.mean(self.brier_terms()?))
    }

    /// The squared difference of each row; see [`Binary::brier`].
    ///
    /// # Errors
    /// `NotProbability`.
    pub fn brier_terms(&self) -> Result<Vec<f64>, ModelError> {
        check_probabilities(self.scores)?;
        Ok(self
            .scores
            .iter()
            .zip(self.labels)
            .map(|(p, label)| (p - label) * (p - label))
            .collect())
    }

    /// Mean hinge loss of scores that decide by their sign: `max(0, 1 − y·score)` with y of 1 or −1.
    pub fn hinge(&self) -> f64 {
        self.weights
            .mean(self.scores.iter().zip(self.labels).map(|(score, label)| {
                let side = if *label == 1.0 { 1.0 } else { -1.0 };
                (1.0 - side * score).max(0.0)
            }))
    }
}

/// That every number is a probability.
pub(super) fn check_probabilities(probabilities: &[f64]) -> Result<(), ModelError> {
    let proper = -PROBABILITY_SLACK..=1.0 + PROBABILITY_SLACK;
    match probabilities.iter().position(|value| !proper.contains(value)) {
        None => Ok(()),
        Some(row) => Err(ModelError::NotProbability {
            row,
            value: probabilities[row],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beyond_one_is_no_probability_but_still_ranks() {
        let rows = Binary::new(&[1.5, -2.0], &[1.0, 0.0]).unwrap();
        assert_eq!(
            rows.log_loss(),
            Err(ModelError::NotProbability { row: 0, value: 1.5 })
        );
        assert_eq!(rows.ranking().unwrap().roc_auc(), 1.0);
    }

    #[test]
    fn rows_without_weight_leave_one_class() {
        let rows = Binary::weighted(&[0.1, 0.9], &[0.0, 1.0], Weights::Each(&[1.0, 0.0])).unwrap();
        assert_eq!(rows.ranking().err(), Some(ModelError::OneClass));
    }
}
