//! What boosting watches on the validation rows.

use super::objective::weighted_mean_of;
use super::{Objective, StoppingMetric};
use crate::error::ModelError;
use crate::fit::Rows;
use crate::metrics::roc_auc;
use crate::task::Task;

impl StoppingMetric {
    /// Refuses a metric that the task does not have.
    ///
    /// # Errors
    /// `Parameter`.
    pub(super) fn check(self, task: &Task) -> Result<(), ModelError> {
        let fits = match self {
            Self::Loss => true,
            Self::RocAuc => matches!(task, Task::Binary { .. }),
            Self::ErrorRate => matches!(task, Task::Binary { .. } | Task::Multiclass { .. }),
            Self::RootMeanSquaredError | Self::MeanAbsoluteError => *task == Task::Regression,
        };
        if fits {
            return Ok(());
        }
        Err(ModelError::Parameter {
            name: "stopping_metric",
            value: format!("{self:?}"),
            rule: "a metric of the task: `roc_auc` of two classes, `error_rate` of classes, \
                   `root_mean_squared_error` or `mean_absolute_error` of numbers",
        })
    }

    /// Its value for these scores, by output and then by row; lower is better.
    ///
    /// # Errors
    /// `OneClass` if the rows have one class only and the metric needs both.
    pub(super) fn of(
        self,
        objective: Objective,
        scores: &[Vec<f64>],
        rows: &Rows<'_>,
    ) -> Result<f64, ModelError> {
        let (target, weights) = (rows.target, rows.weights);
        let value = |row: usize| {
            let mut value = [scores[0][row]];
            objective.hand_out(&mut value);
            value[0]
        };
        Ok(match self {
            Self::Loss => objective.metric(scores, target, weights),
            Self::RocAuc => 1.0 - roc_auc(&scores[0], target)?,
            Self::ErrorRate => weighted_mean_of(target, weights, |row| {
                let class = if let [scores] = scores {
                    f64::from(u8::from(scores[row] > 0.0))
                } else {
                    let first = (0, f64::NEG_INFINITY);
                    let best = scores.iter().enumerate().fold(first, |best, (class, scores)| {
                        if scores[row] > best.1 {
                            (class, scores[row])
                        } else {
                            best
                        }
                    });
                    best.0 as f64
                };
                f64::from(u8::from(class != target[row]))
            }),
            Self::RootMeanSquaredError => {
                weighted_mean_of(target, weights, |row| (value(row) - target[row]).powi(2)).sqrt()
            }
            Self::MeanAbsoluteError => {
                weighted_mean_of(target, weights, |row| (value(row) - target[row]).abs())
            }
        })
    }
}
