//! What a model says of rows.

use crate::error::ModelError;

/// Predictions for some rows, in their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Predictions {
    /// One number a row: the probability of the positive class for a label of two classes, the
    /// value for a numeric label.
    Numbers(Vec<f64>),
    /// The probability of every class, for a label of three classes or more.
    Classes(ClassProbabilities),
    /// The cluster of every row, counted from 0; `None` for a row that belongs to none.
    Clusters(Vec<Option<u32>>),
}

/// The prediction for one row; see [`Predictions`].
#[derive(Clone, Debug, PartialEq)]
pub enum Prediction {
    Number(f64),
    /// Probabilities in the order of the task's classes.
    Classes(Vec<f64>),
    Cluster(Option<u32>),
}

/// A matrix of rows × classes. Entries of a row are at least 0 and add up to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassProbabilities {
    /// Row by row: that of class `c` in row `r` is `values[r * classes + c]`.
    values: Vec<f64>,
    classes: usize,
}

impl ClassProbabilities {
    /// The matrix with these entries, row by row.
    ///
    /// # Errors
    /// `LengthMismatch` if they do not fill whole rows of `classes` entries.
    pub fn new(values: Vec<f64>, classes: usize) -> Result<Self, ModelError> {
        if classes == 0 || !values.len().is_multiple_of(classes) {
            return Err(ModelError::LengthMismatch {
                left_name: "the matrix of probabilities",
                left: values.len(),
                right_name: "the list of classes",
                right: classes,
            });
        }
        Ok(Self { values, classes })
    }

    /// Number of classes, which is the number of columns.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.classes
    }

    /// All entries, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The rows, each with one probability a class.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.classes)
    }

    /// The probability of class `class` in every row; empty if there is no such class.
    pub fn column(&self, class: usize) -> Vec<f64> {
        if class >= self.classes {
            return Vec::new();
        }
        self.iter().map(|row| row[class]).collect()
    }

    /// The most probable class of every row; of equals the first.
    pub fn most_probable(&self) -> Vec<usize> {
        self.iter()
            .map(|row| {
                let mut best = 0;
                for (class, probability) in row.iter().enumerate() {
                    if *probability > row[best] {
                        best = class;
                    }
                }
                best
            })
            .collect()
    }
}

impl<'a> IntoIterator for &'a ClassProbabilities {
    type Item = &'a [f64];
    type IntoIter = std::slice::ChunksExact<'a, f64>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Predictions {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Classes(classes) => classes.rows(),
            Self::Clusters(clusters) => clusters.len(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Numbers(_) => "one number a row",
            Self::Classes(_) => "probabilities of classes",
            Self::Clusters(_) => "clusters",
        }
    }

    fn not(&self, expected: &'static str) -> ModelError {
        ModelError::OtherPredictions {
            expected,
            found: self.name(),
        }
    }

    /// One number a row: probabilities of the positive class, or values.
    ///
    /// # Errors
    /// `OtherPredictions` if the model predicts several classes or clusters.
    pub fn numbers(&self) -> Result<&[f64], ModelError> {
        match self {
            Self::Numbers(numbers) => Ok(numbers),
            other => Err(other.not("one number a row")),
        }
    }

    /// As [`Predictions::numbers`], by value.
    ///
    /// # Errors
    /// As there.
    pub fn into_numbers(self) -> Result<Vec<f64>, ModelError> {
        match self {
            Self::Numbers(numbers) => Ok(numbers),
            other => Err(other.not("one number a row")),
        }
    }

    /// The probabilities of all classes.
    ///
    /// # Errors
    /// `OtherPredictions` unless the label has three classes or more.
    pub fn classes(&self) -> Result<&ClassProbabilities, ModelError> {
        match self {
            Self::Classes(classes) => Ok(classes),
            other => Err(other.not("probabilities of classes")),
        }
    }

    /// The clusters of the rows.
    ///
    /// # Errors
    /// `OtherPredictions` unless the model finds clusters.
    pub fn clusters(&self) -> Result<&[Option<u32>], ModelError> {
        match self {
            Self::Clusters(clusters) => Ok(clusters),
            other => Err(other.not("clusters")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_read_by_row_by_class_and_by_its_largest_entry() {
        let matrix = ClassProbabilities::new(vec![0.2, 0.5, 0.3, 0.4, 0.2, 0.4], 3).unwrap();
        assert_eq!((matrix.rows(), matrix.classes()), (2, 3));
        assert_eq!(matrix.column(2), [0.3, 0.4]);
        assert_eq!(matrix.most_probable(), [1, 0]);
        assert!(ClassProbabilities::new(vec![0.5; 4], 3).is_err());
    }

    #[test]
    fn predictions_of_another_kind_are_refused_by_name() {
        let error = Predictions::Clusters(vec![None])
            .numbers()
            .unwrap_err()
            .to_string();
        assert_eq!(error, "the model predicts clusters, not one number a row");
    }
}
