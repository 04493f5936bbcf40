//! Rows by the class they have and the class they were given.

use super::counts::{ClassCounts, ClassMetric};
use super::weights::Weights;
use crate::error::ModelError;

/// Weights of rows: one line for each true class, one column for each decision.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfusionMatrix {
    classes: usize,
    cells: Vec<f64>,
}

/// What the cells of a matrix are shares of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalise {
    /// The rows of the same true class.
    Actual,
    /// The rows that were given the same class.
    Predicted,
    /// All rows.
    All,
}

/// How numbers of classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// From the counts of all classes together.
    Micro,
    /// Every class counts the same.
    Macro,
    /// A class counts as much as its rows.
    Weighted,
    /// This class alone.
    Class(usize),
}

/// What stands for a share of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undefined {
    Zero,
    One,
    /// The class is left out of the average.
    LeftOut,
}

/// How far apart classes that have an order are, for [`ConfusionMatrix::kappa`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KappaWeights {
    /// Every mistake weighs the same.
    Same,
    /// The distance of the classes.
    Linear,
    /// The squared distance of the classes.
    Quadratic,
}

impl ConfusionMatrix {
    /// Counts rows; classes are numbers below `classes`. Classes without rows keep their line.
    ///
    /// # Errors
    /// `NoRows`, `LengthMismatch`, `Weights`, `ClassOutOfRange`.
    pub fn new(
        actual: &[u32],
        predicted: &[u32],
        classes: usize,
        weights: Weights<'_>,
    ) -> Result<Self, ModelError> {
        if actual.len() != predicted.len() {
            return Err(ModelError::LengthMismatch {
                left_name: "the predictions",
                left: predicted.len(),
                right_name: "the label",
                right: actual.len(),
            });
        }
        if actual.is_empty() {
            return Err(ModelError::NoRows { doing: "measure" });
        }
        weights.check(actual.len())?;
        check_classes(actual, classes)?;
        check_classes(predicted, classes)?;
        let mut cells = vec![0.0; classes * classes];
        for (row, (actual, predicted)) in actual.iter().zip(predicted).enumerate() {
            cells[*actual as usize * classes + *predicted as usize] += weights.of(row);
        }
        Ok(Self { classes, cells })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Weight of the rows of class `actual` that were given `predicted`; 0 beyond the matrix.
    pub fn cell(&self, actual: usize, predicted: usize) -> f64 {
        if actual < self.classes && predicted < self.classes {
            self.cells[actual * self.classes + predicted]
        } else {
            0.0
        }
    }

    /// The matrix as shares, line by line; a share of nothing is 0.
    pub fn normalised(&self, by: Normalise) -> Vec<f64> {
        let (actual, predicted, total) = (self.actual(), self.predicted(), self.total());
        (0..self.cells.len())
            .map(|at| {
                let whole = match by {
                    Normalise::Actual => actual[at / self.classes],
                    Normalise::Predicted => predicted[at % self.classes],
                    Normalise::All => total,
                };
                if whole > 0.0 { self.cells[at] / whole } else { 0.0 }
            })
            .collect()
    }

    /// One class against the others.
    pub fn counts(&self, class: usize) -> ClassCounts {
        let hits = self.cell(class, class);
        let actual: f64 = (0..self.classes).map(|other| self.cell(class, other)).sum();
        let predicted: f64 = (0..self.classes).map(|other| self.cell(other, class)).sum();
        ClassCounts {
            true_positives: hits,
            false_positives: predicted - hits,
            false_negatives: actual - hits,
            true_negatives: self.total() - actual - predicted + hits,
        }
    }

    /// A metric of classes made one number, as scikit-learn with `labels` of all classes has it.
    /// None if nothing is left to average.
    pub fn average(&self, metric: ClassMetric, average: Average, undefined: Undefined) -> Option<f64> {
        let settle = |counts: &ClassCounts| match (counts.share(metric), undefined) {
            (None, Undefined::Zero) => Some(0.0),
            (None, Undefined::One) => Some(1.0),
            (share, _) => share,
        };
        match average {
            Average::Class(class) => settle(&self.counts(class)),
            Average::Micro => {
                let mut all = ClassCounts::default();
                (0..self.classes).for_each(|class| all.add(&self.counts(class)));
                settle(&all)
            }
            Average::Macro | Average::Weighted => {
                let (mut sum, mut weights) = (0.0, 0.0);
                for class in 0..self.classes {
                    let counts = self.counts(class);
                    if let Some(share) = settle(&counts) {
                        let weight = if average == Average::Macro {
                            1.0
                        } else {
                            counts.positives()
                        };
                        sum += share * weight;
                        weights += weight;
                    }
                }
                (weights > 0.0).then(|| sum / weights)
            }
        }
    }

    /// Share of right decisions.
    pub fn accuracy(&self) -> f64 {
        self.hits() / self.total()
    }

    /// Share of wrong decisions; with one label a row it is the Hamming loss as well.
    pub fn zero_one_loss(&self) -> f64 {
        1.0 - self.accuracy()
    }

    /// Mean recall of the classes that have rows. `adjusted` sets guessing to 0 (scikit-learn's
    /// `adjusted=True`); with one class that is not defined and gives none.
    pub fn balanced_accuracy(&self, adjusted: bool) -> Option<f64> {
        let recalls = self.recalls();
        let mean = recalls.iter().sum::<f64>() / recalls.len() as f64;
        let chance = 1.0 / recalls.len() as f64;
        match adjusted {
            false => Some(mean),
            true => (chance < 1.0).then(|| (mean - chance) / (1.0 - chance)),
        }
    }

    /// Geometric mean of the recalls of the classes that have rows (Kubat and Matwin 1997).
    pub fn g_mean(&self) -> f64 {
        let recalls = self.recalls();
        let product: f64 = recalls.iter().product();
        product.powf(1.0 / recalls.len() as f64)
    }

    /// Matthews' correlation of label and decision, in its form for many classes (Gorodkin 2004):
    /// 1 perfect, 0 no better than chance; 0 if one of the two is constant.
    pub fn matthews(&self) -> f64 {
        let (actual, predicted, total) = (self.actual(), self.predicted(), self.total());
        let product = |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(l, r)| l * r).sum::<f64>();
        let both = self.hits() * total - product(&actual, &predicted);
        let spread =
            (total * total - product(&predicted, &predicted)) * (total * total - product(&actual, &actual));
        if spread > 0.0 { both / spread.sqrt() } else { 0.0 }
    }

    /// Cohen's kappa (1960, weighted 1968): agreement beyond what the shares of classes give by
    /// chance. None if chance alone explains everything: one class on both sides.
    pub fn kappa(&self, weights: KappaWeights) -> Option<f64> {
        let (actual, predicted, total) = (self.actual(), self.predicted(), self.total());
        let (mut found, mut expected) = (0.0, 0.0);
        for (row, in_row) in actual.iter().enumerate() {
            for (column, in_column) in predicted.iter().enumerate() {
                let distance = row.abs_diff(column) as f64;
                let cost = match weights {
                    KappaWeights::Same => f64::from(u8::from(row != column)),
                    KappaWeights::Linear => distance,
                    KappaWeights::Quadratic => distance * distance,
                };
                found += cost * self.cell(row, column);
                expected += cost * in_row * in_column / total;
            }
        }
        (expected > 0.0).then(|| 1.0 - found / expected)
    }

    fn recalls(&self) -> Vec<f64> {
        (0..self.classes)
            .filter_map(|class| self.counts(class).share(ClassMetric::Recall))
            .collect()
    }

    fn hits(&self) -> f64 {
        (0..self.classes).map(|class| self.cell(class, class)).sum()
    }

    fn total(&self) -> f64 {
        self.cells.iter().sum()
    }

    fn actual(&self) -> Vec<f64> {
        self.cells
            .chunks(self.classes)
            .map(|line| line.iter().sum())
            .collect()
    }

    fn predicted(&self) -> Vec<f64> {
        (0..self.classes)
            .map(|class| (0..self.classes).map(|actual| self.cell(actual, class)).sum())
            .collect()
    }
}

/// That every class is below `classes`.
pub(super) fn check_classes(labels: &[u32], classes: usize) -> Result<(), ModelError> {
    match labels.iter().position(|label| *label as usize >= classes) {
        None => Ok(()),
        Some(row) => Err(ModelError::ClassOutOfRange {
            row,
            class: labels[row],
            classes,
        }),
    }
}
