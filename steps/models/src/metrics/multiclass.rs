//! Rows of several classes with a score for each class.

use super::binary::check_probabilities;
use super::confusion::{Average, ConfusionMatrix, check_classes};
use super::ranking::Ranking;
use super::weights::Weights;
use crate::error::ModelError;

/// Scores of `classes` classes a row, row after row, with labels below `classes`; checked once.
#[derive(Clone, Copy, Debug)]
pub struct Multiclass<'a> {
    scores: &'a [f64],
    labels: &'a [u32],
    classes: usize,
    weights: Weights<'a>,
}

/// How an area under the ROC curve is taken over several classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MulticlassAuc {
    /// Each class against all others (Provost and Domingos 2000).
    OneVsRest(Average),
    /// Each pair of classes by itself, all pairs alike (Hand and Till 2001).
    OneVsOne,
    /// The same, a pair counting as much as its rows.
    OneVsOneWeighted,
}

impl<'a> Multiclass<'a> {
    /// Rows with weights.
    ///
    /// # Errors
    /// `NoRows`, `LengthMismatch`, `ClassOutOfRange`, `NotFinite` for a score that is no number,
    /// `Weights`, `OneClass` for fewer than two classes.
    pub fn new(
        scores: &'a [f64],
        labels: &'a [u32],
        classes: usize,
        weights: Weights<'a>,
    ) -> Result<Self, ModelError> {
        if labels.is_empty() {
            return Err(ModelError::NoRows { doing: "measure" });
        }
        if classes < 2 {
            return Err(ModelError::OneClass);
        }
        if scores.len() / classes != labels.len() || !scores.len().is_multiple_of(classes) {
            return Err(ModelError::LengthMismatch {
                left_name: "the predictions",
                left: scores.len() / classes,
                right_name: "the label",
                right: labels.len(),
            });
        }
        check_classes(labels, classes)?;
        weights.check(labels.len())?;
        if let Some(at) = scores.iter().position(|score| score.is_nan()) {
            return Err(ModelError::NotFinite {
                what: "prediction",
                row: at / classes,
            });
        }
        Ok(Self {
            scores,
            labels,
            classes,
            weights,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    fn lines(&self) -> impl Iterator<Item = (&[f64], usize)> {
        self.scores
            .chunks(self.classes)
            .zip(self.labels.iter().map(|label| *label as usize))
    }

    /// The class with the highest score of each row, the first of equal ones.
    pub fn decided(&self) -> Vec<u32> {
        self.lines()
            .map(|(line, _)| {
                let best = |best: usize, class: usize| if line[class] > line[best] { class } else { best };
                (1..line.len()).fold(0, best) as u32
            })
            .collect()
    }

    /// Rows by class and by the class with the highest score.
    ///
    /// # Errors
    /// None for rows that were checked.
    pub fn confusion(&self) -> Result<ConfusionMatrix, ModelError> {
        ConfusionMatrix::new(self.labels, &self.decided(), self.classes, self.weights)
    }

    /// Mean logarithmic loss, natural logarithm, of the probability of the true class, kept 2⁻⁵²
    /// away from 0 and 1.
    ///
    /// # Errors
    /// `NotProbability`.
    pub fn log_loss(&self) -> Result<f64, ModelError> {
        self.check_probabilities()?;
        let term = |(line, label): (&[f64], usize)| -line[label].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
        Ok(self.weights.mean(self.lines().map(term)))
    }

    /// Mean sum over classes of the squared difference of probability and label, from 0 to 2 (Brier
    /// 1950); for two classes twice [`super::Binary::brier`].
    ///
    /// # Errors
    /// `NotProbability`.
    pub fn brier(&self) -> Result<f64, ModelError> {
        self.check_probabilities()?;
        let term = |(line, label): (&[f64], usize)| {
            line.iter()
                .enumerate()
                .map(|(class, p)| {
                    let error = f64::from(u8::from(class == label)) - p;
                    error * error
                })
                .sum::<f64>()
        };
        Ok(self.weights.mean(self.lines().map(term)))
    }

    /// Share of rows whose class is among the `k` with the highest scores; of equal scores that of
    /// the later class counts as higher, as in scikit-learn.
    pub fn top_k_accuracy(&self, k: usize) -> f64 {
        let term = |(line, label): (&[f64], usize)| {
            let above = line
                .iter()
                .enumerate()
                .filter(|(class, score)| **score > line[label] || (**score == line[label] && *class > label))
                .count();
            f64::from(u8::from(above < k))
        };
        self.weights.mean(self.lines().map(term))
    }

    /// Mean hinge loss of Crammer and Singer (2001): `max(0, 1 − (score of the class − highest other
    /// score))`.
    pub fn hinge(&self) -> f64 {
        let term = |(line, label): (&[f64], usize)| {
            let others = line.iter().enumerate().filter(|(class, _)| *class != label);
            let highest = others.fold(f64::NEG_INFINITY, |most, (_, score)| most.max(*score));
            (1.0 - (line[label] - highest)).max(0.0)
        };
        self.weights.mean(self.lines().map(term))
    }

    /// Rows in the order of one class's scores.
    ///
    /// # Errors
    /// `OneClass` unless both the class and the others have rows with weight.
    pub fn ranking(&self, class: usize) -> Result<Ranking, ModelError> {
        self.ranking_among(class, |_| true)
            .filter(Ranking::has_both)
            .ok_or(ModelError::OneClass)
    }

    fn ranking_among(&self, class: usize, among: impl Fn(usize) -> bool) -> Option<Ranking> {
        if class >= self.classes {
            return None;
        }
        let scores: Vec<f64> = self.lines().map(|(line, _)| line[class]).collect();
        let weights: Vec<f64> = (0..self.rows())
            .map(|row| {
                if among(self.labels[row] as usize) {
                    self.weights.of(row)
                } else {
                    0.0
                }
            })
            .collect();
        let positive = |row: usize| self.labels[row] as usize == class;
        Some(Ranking::new(&scores, positive, Weights::Each(&weights)))
    }

    /// Rows and classes together: each score of each row, positive where it is its class's.
    fn micro_ranking(&self) -> Ranking {
        let weights: Vec<f64> = (0..self.scores.len())
            .map(|at| self.weights.of(at / self.classes))
            .collect();
        let positive = |at: usize| at % self.classes == self.labels[at / self.classes] as usize;
        Ranking::new(self.scores, positive, Weights::Each(&weights))
    }

    /// Area under the ROC curve. Classes (or pairs) that have no rows to compare are left out of an
    /// average; scikit-learn's is then not a number.
    ///
    /// # Errors
    /// `OneClass` if nothing can be compared.
    pub fn roc_auc(&self, how: MulticlassAuc) -> Result<f64, ModelError> {
        match how {
            MulticlassAuc::OneVsRest(average) => self.over_classes(average, Ranking::roc_auc),
            MulticlassAuc::OneVsOne => self.over_pairs(false),
            MulticlassAuc::OneVsOneWeighted => self.over_pairs(true),
        }
    }

    /// Average precision of each class against all others, averaged.
    ///
    /// # Errors
    /// As [`Multiclass::roc_auc`].
    pub fn average_precision(&self, average: Average) -> Result<f64, ModelError> {
        self.over_classes(average, Ranking::average_precision)
    }

    fn over_classes(&self, average: Average, of: impl Fn(&Ranking) -> f64) -> Result<f64, ModelError> {
        match average {
            Average::Class(class) => Ok(of(&self.ranking(class)?)),
            Average::Micro => Ok(of(&self.micro_ranking())),
            Average::Macro | Average::Weighted => {
                let (mut sum, mut weights) = (0.0, 0.0);
                for class in 0..self.classes {
                    if let Ok(ranking) = self.ranking(class) {
                        let weight = if average == Average::Macro {
                            1.0
                        } else {
                            ranking.positives
                        };
                        sum += of(&ranking) * weight;
                        weights += weight;
                    }
                }
                if weights > 0.0 {
                    Ok(sum / weights)
                } else {
                    Err(ModelError::OneClass)
                }
            }
        }
    }

    fn over_pairs(&self, weighted: bool) -> Result<f64, ModelError> {
        let (mut sum, mut weights) = (0.0, 0.0);
        for first in 0..self.classes {
            for second in first + 1..self.classes {
                let of_pair = |class| {
                    self.ranking_among(class, |label| label == first || label == second)
                        .filter(Ranking::has_both)
                };
                if let (Some(one), Some(other)) = (of_pair(first), of_pair(second)) {
                    let weight = if weighted {
                        one.positives + one.negatives
                    } else {
                        1.0
                    };
                    sum += (one.roc_auc() + other.roc_auc()) / 2.0 * weight;
                    weights += weight;
                }
            }
        }
        if weights > 0.0 {
            Ok(sum / weights)
        } else {
            Err(ModelError::OneClass)
        }
    }

    fn check_probabilities(&self) -> Result<(), ModelError> {
        check_probabilities(self.scores).map_err(|error| match error {
            ModelError::NotProbability { row, value } => ModelError::NotProbability {
                row: row / self.classes,
                value,
            },
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_classes_give_what_binary_gives() {
        let (scores, labels) = ([0.8, 0.2, 0.4, 0.6, 0.3, 0.7], [0u32, 1, 0]);
        let rows = Multiclass::new(&scores, &labels, 2, Weights::Equal).unwrap();
        let (p, y) = ([0.2, 0.6, 0.7], [0.0, 1.0, 0.0]);
        let binary = super::super::Binary::new(&p, &y).unwrap();
        let close = |left: f64, right: f64| assert!((left - right).abs() < 1e-12, "{left} {right}");
        close(rows.log_loss().unwrap(), binary.log_loss().unwrap());
        close(rows.brier().unwrap(), 2.0 * binary.brier().unwrap());
        close(
            rows.roc_auc(MulticlassAuc::OneVsRest(Average::Class(1))).unwrap(),
            binary.ranking().unwrap().roc_auc(),
        );
    }

    #[test]
    fn a_class_without_rows_is_left_out_and_one_class_is_an_error() {
        let scores = [0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.6, 0.3, 0.1];
        let rows = Multiclass::new(&scores, &[0, 1, 0], 3, Weights::Equal).unwrap();
        assert_eq!(rows.roc_auc(MulticlassAuc::OneVsRest(Average::Macro)), Ok(1.0));
        assert_eq!(rows.roc_auc(MulticlassAuc::OneVsOne), Ok(1.0));
        let one = Multiclass::new(&scores, &[1, 1, 1], 3, Weights::Equal).unwrap();
        for how in [
            MulticlassAuc::OneVsRest(Average::Macro),
            MulticlassAuc::OneVsOneWeighted,
        ] {
            assert_eq!(one.roc_auc(how), Err(ModelError::OneClass));
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        assert!(Multiclass::new(&[0.5, 0.5, 0.1], &[0], 2, Weights::Equal).is_err());
        assert!(Multiclass::new(&[0.5, 0.5], &[2], 2, Weights::Equal).is_err());
        assert!(Multiclass::new(&[], &[], 2, Weights::Equal).is_err());
        assert!(Multiclass::new(&[f64::NAN, 0.5], &[1], 2, Weights::Equal).is_err());
    }
}
