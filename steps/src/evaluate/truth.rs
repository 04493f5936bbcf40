//! The test rows as a model takes them, with what is true of them.

use super::answers::{Answers, Truth};
use super::contenders::{Columns, whole_frame};
use crate::train::rows::{self, Classes, refused};
use polars::prelude::DataFrame;
use trainyard_contract::StepError;
use trainyard_models::{Frame, Model, Predictions, Predictor, Task};

/// Rows with a label.
pub(crate) struct Test {
    pub(crate) frame: Frame,
    pub(crate) truth: Truth,
    /// Places of the rows in their table.
    pub(crate) rows: Vec<usize>,
    /// Rows left out for want of a label.
    pub(crate) unlabelled: usize,
}

impl Test {
    /// The rows of a table, in the classes that the model knows.
    ///
    /// # Errors
    /// `Rejected` for columns or labels that do not fit the model, or if no row has a label.
    pub(crate) fn read(
        table: &DataFrame,
        columns: &Columns,
        model: &Model,
        input: &str,
    ) -> Result<Self, StepError> {
        let label = &model.label().name;
        let (truth, rows) = match &model.label().task {
            task @ Task::Binary { .. } => {
                let found = rows::classes(table, label, &Classes::Known(task))?;
                (Truth::Binary(found.target), found.rows)
            }
            task @ Task::Multiclass { .. } => {
                let found = rows::classes(table, label, &Classes::Known(task))?;
                let places = found.target.iter().map(|place| *place as u32);
                (Truth::Classes(places.collect()), found.rows)
            }
            Task::Regression => {
                let found = rows::numeric_label(table, label)?;
                (Truth::Numbers(found.target), found.rows)
            }
            Task::Cluster => {
                return Err(StepError::rejected(
                    "the model finds clusters, and there is no truth to hold them against",
                ));
            }
        };
        if rows.is_empty() {
            return Err(StepError::rejected(format!(
                "no row of `{input}` has a label, so nothing can be judged"
            )));
        }
        Ok(Self {
            frame: whole_frame(table, columns, &rows)?,
            unlabelled: table.height() - rows.len(),
            truth,
            rows,
        })
    }

    /// What a model says of the rows.
    ///
    /// # Errors
    /// What prediction reports.
    pub(crate) fn ask(&self, model: &Model) -> Result<Answers, StepError> {
        let predictions = model.predict(&self.frame).map_err(|error| refused(&error))?;
        Ok(answers(&predictions, &self.truth))
    }
}

/// Predictions beside the truth.
pub(crate) fn answers(predictions: &Predictions, truth: &Truth) -> Answers {
    let (scores, outputs) = match predictions {
        Predictions::Numbers(numbers) => (numbers.clone(), 1),
        Predictions::Classes(classes) => (classes.values().to_vec(), classes.classes()),
        Predictions::Clusters(_) => (Vec::new(), 1),
    };
    Answers {
        scores,
        truth: truth.clone(),
        outputs,
    }
}
