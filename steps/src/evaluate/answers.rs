//! What a model says of the test rows, beside what is true of them.

use trainyard_models::ModelError;
use trainyard_models::metrics::{CostMatrix, Multiclass, Weights, at_rows, log_loss_terms};

/// What is true of each row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Truth {
    /// 1 for the positive class, else 0.
    Binary(Vec<f64>),
    /// Places of the classes.
    Classes(Vec<u32>),
    Numbers(Vec<f64>),
}

impl Truth {
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Binary(labels) | Self::Numbers(labels) => labels.len(),
            Self::Classes(labels) => labels.len(),
        }
    }

    /// The truth of some rows.
    pub(crate) fn at(&self, rows: &[usize]) -> Self {
        match self {
            Self::Binary(labels) => Self::Binary(at_rows(labels, rows)),
            Self::Classes(labels) => Self::Classes(at_rows(labels, rows)),
            Self::Numbers(target) => Self::Numbers(at_rows(target, rows)),
        }
    }

    /// As the numbers that learning takes.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        match self {
            Self::Binary(labels) | Self::Numbers(labels) => labels.clone(),
            Self::Classes(labels) => labels.iter().map(|label| f64::from(*label)).collect(),
        }
    }
}

/// Predictions with the truth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answers {
    /// One number a row, or one a class and row, row after row.
    pub(crate) scores: Vec<f64>,
    pub(crate) truth: Truth,
    /// Scores of a row.
    pub(crate) outputs: usize,
}

/// What metrics depend on besides the rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Least probability of a positive decision.
    pub(crate) threshold: f64,
    pub(crate) costs: CostMatrix,
    /// The quantile that numbers predict.
    pub(crate) quantile: f64,
    /// Features of the model.
    pub(crate) features: usize,
    /// Samples drawn for a bootstrap interval.
    pub(crate) draws: usize,
    pub(crate) seed: u64,
}

impl Answers {
    pub(crate) fn rows(&self) -> usize {
        self.truth.rows()
    }

    /// Some rows, in the order given.
    pub(crate) fn at(&self, rows: &[usize]) -> Self {
        let scores = if self.outputs == 1 {
            at_rows(&self.scores, rows)
        } else {
            rows.iter()
                .flat_map(|&row| self.line(row).iter().copied())
                .collect()
        };
        Self {
            scores,
            truth: self.truth.at(rows),
            outputs: self.outputs,
        }
    }

    /// Scores of a row; none beyond the rows.
    pub(crate) fn line(&self, row: usize) -> &[f64] {
        self.scores
            .get(row * self.outputs..(row + 1) * self.outputs)
            .unwrap_or_default()
    }

    /// Whether the decision on each row is right; none for numbers.
    pub(crate) fn right(&self, threshold: f64) -> Option<Vec<bool>> {
        match &self.truth {
            Truth::Binary(labels) => Some(
                self.scores
                    .iter()
                    .zip(labels)
                    .map(|(score, label)| (*score >= threshold) == (*label == 1.0))
                    .collect(),
            ),
            Truth::Classes(labels) => {
                let decided = self.multiclass().ok()?.decided();
                Some(decided.iter().zip(labels).map(|(d, l)| d == l).collect())
            }
            Truth::Numbers(_) => None,
        }
    }

    /// The rows as those of several classes.
    pub(crate) fn multiclass(&self) -> Result<Multiclass<'_>, ModelError> {
        let labels = match &self.truth {
            Truth::Classes(labels) => labels.as_slice(),
            Truth::Binary(_) | Truth::Numbers(_) => &[],
        };
        Multiclass::new(&self.scores, labels, self.outputs, Weights::Equal)
    }

    /// Loss of each row, by which slices are searched: logarithmic, or the absolute error.
    pub(crate) fn losses(&self) -> Result<Vec<f64>, ModelError> {
        match &self.truth {
            Truth::Binary(labels) => log_loss_terms(&self.scores, labels),
            Truth::Classes(labels) => Ok(labels
                .iter()
                .enumerate()
                .map(|(row, label)| {
                    let chance = self.line(row).get(*label as usize).copied().unwrap_or(0.0);
                    -chance.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
                })
                .collect()),
            Truth::Numbers(target) => Ok(self
                .scores
                .iter()
                .zip(target)
                .map(|(p, t)| (p - t).abs())
                .collect()),
        }
    }

    /// Highest score of each row, and 1 where it is that of the right class: what says whether a model
    /// of several classes is as sure as it should be.
    pub(crate) fn confidence(&self) -> Result<(Vec<f64>, Vec<f64>), ModelError> {
        let decided = self.multiclass()?.decided();
        let sure = decided
            .iter()
            .enumerate()
            .map(|(row, class)| self.line(row).get(*class as usize).copied().unwrap_or(0.0))
            .collect();
        let right = self.right(0.0).unwrap_or_default();
        Ok((
            sure,
            right
                .into_iter()
                .map(|right| f64::from(u8::from(right)))
                .collect(),
        ))
    }
}

impl Answers {
    /// Rows of the positive class, for two classes.
    pub(crate) fn positives(&self) -> Option<usize> {
        match &self.truth {
            Truth::Binary(labels) => Some(labels.iter().filter(|label| **label == 1.0).count()),
            Truth::Classes(_) | Truth::Numbers(_) => None,
        }
    }
}
