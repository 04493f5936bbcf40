//! Predicting: many rows, or one.

use super::{Batch, Model};
use crate::error::ModelError;
use crate::features::{Feature, FeatureKind, align, category_code, refuse_unseen};
use crate::frame::{Frame, MISSING_CODE, UNSEEN_CODE, whole_number};
use crate::predictions::{ClassProbabilities, Prediction, Predictions};
use crate::preprocessing::{Encoding, Unseen};
use crate::task::{Label, Task};
use crate::tree::Cell;
use rayon::prelude::*;

/// Rows predicted by one thread at a time.
const CHUNK: usize = 1_024;

/// One value of a single row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Missing,
    Number(f64),
    Category(&'a str),
}

/// Predicts from features; the same code scores a test set and serves an endpoint.
pub trait Predictor: Send + Sync {
    /// The features wanted, in the order in which [`Predictor::predict_row`] takes them.
    fn features(&self) -> &[Feature];

    /// The column that is predicted, and what a prediction means.
    fn label(&self) -> &Label;

    /// A prediction for every row, of the kind that the label's task names: see [`Predictions`].
    /// Columns that are not features are passed over.
    ///
    /// # Errors
    /// `MissingColumn`, `ColumnType` or `UnseenCategory`.
    fn predict(&self, frame: &Frame) -> Result<Predictions, ModelError>;

    /// The prediction for one row, its values in the order of the features. The same to the bit as
    /// that of [`Predictor::predict`].
    ///
    /// # Errors
    /// `LengthMismatch`, `ColumnType` or `UnseenCategory`.
    fn predict_row(&self, row: &[Value<'_>]) -> Result<Prediction, ModelError>;
}

impl Model {
    fn refuses_unseen(&self) -> bool {
        self.encoding()
            .is_some_and(|encoding: &Encoding| encoding.unseen == Unseen::Error)
    }
}

impl Predictor for Model {
    fn features(&self) -> &[Feature] {
        &self.features
    }

    fn label(&self) -> &Label {
        &self.label
    }

    fn predict(&self, frame: &Frame) -> Result<Predictions, ModelError> {
        let values = align(frame, &self.features)?;
        if self.refuses_unseen() {
            refuse_unseen(frame, &self.features)?;
        }
        let outputs = self.label.task.outputs();
        let mut numbers = vec![0.0; frame.rows() * outputs];
        numbers
            .par_chunks_mut(CHUNK * outputs.max(1))
            .enumerate()
            .for_each(|(chunk, into)| {
                let count = into.len() / outputs.max(1);
                let batch = Batch::of_columns(&values, chunk * CHUNK, count, self.encoding());
                self.body.learned().predict(&batch, into);
            });
        predictions(&self.label.task, numbers)
    }

    fn predict_row(&self, row: &[Value<'_>]) -> Result<Prediction, ModelError> {
        if row.len() != self.features.len() {
            return Err(ModelError::LengthMismatch {
                left_name: "the row",
                left: row.len(),
                right_name: "the model",
                right: self.features.len(),
            });
        }
        let cells = row
            .iter()
            .zip(&self.features)
            .map(|(value, feature)| self.cell(*value, feature))
            .collect::<Result<Vec<Cell>, ModelError>>()?;
        let batch = Batch::of_row(&cells, self.encoding());
        let task = &self.label.task;
        if let Task::Multiclass { classes } = task {
            let mut numbers = vec![0.0; classes.len()];
            self.body.learned().predict(&batch, &mut numbers);
            return Ok(Prediction::Classes(numbers));
        }
        let mut number = [0.0];
        self.body.learned().predict(&batch, &mut number);
        Ok(match task {
            Task::Cluster => Prediction::Cluster(cluster(number[0])),
            _ => Prediction::Number(number[0]),
        })
    }
}

impl Model {
    fn cell(&self, value: Value<'_>, feature: &Feature) -> Result<Cell, ModelError> {
        match (&feature.kind, value) {
            (FeatureKind::Numeric, Value::Number(number)) => Ok(Cell::Number(number)),
            (FeatureKind::Numeric, Value::Missing) => Ok(Cell::Number(f64::NAN)),
            (FeatureKind::Categorical { categories }, Value::Category(text)) => {
                let code = category_code(categories, text);
                if code == UNSEEN_CODE && self.refuses_unseen() {
                    return Err(ModelError::UnseenCategory {
                        column: feature.name.clone(),
                        category: text.to_owned(),
                    });
                }
                Ok(Cell::Code(code))
            }
            (FeatureKind::Categorical { .. }, Value::Missing) => Ok(Cell::Code(MISSING_CODE)),
            (FeatureKind::Numeric, Value::Category(_)) => Err(ModelError::ColumnType {
                column: feature.name.clone(),
                expected: "numbers",
                found: "a text",
            }),
            (FeatureKind::Categorical { .. }, Value::Number(number)) => match whole_number(number) {
                Some(text) => self.cell(Value::Category(&text), feature),
                None if number.is_nan() => self.cell(Value::Missing, feature),
                None => Err(ModelError::ColumnType {
                    column: feature.name.clone(),
                    expected: "categories",
                    found: "a number that is not whole",
                }),
            },
        }
    }
}

/// Numbers a body gave, as what they mean.
pub(crate) fn predictions(task: &Task, numbers: Vec<f64>) -> Result<Predictions, ModelError> {
    Ok(match task {
        Task::Binary { .. } | Task::Regression => Predictions::Numbers(numbers),
        Task::Multiclass { classes } => {
            Predictions::Classes(ClassProbabilities::new(numbers, classes.len())?)
        }
        Task::Cluster => Predictions::Clusters(numbers.into_iter().map(cluster).collect()),
    })
}

fn cluster(number: f64) -> Option<u32> {
    (number >= 0.0).then_some(number as u32)
}
