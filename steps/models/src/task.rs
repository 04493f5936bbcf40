//! What is to be learnt, and how much each class counts.

use crate::error::ModelError;
use serde::{Deserialize, Serialize};

/// What a model predicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// The probability of `positive`; targets are 1 for it and 0 for `negative`.
    Binary { negative: String, positive: String },
    /// The probability of each class; a target is the place of its class in the list, from 0.
    Multiclass { classes: Vec<String> },
    /// A number.
    Regression,
    /// The cluster of a row. There is no target.
    Cluster,
}

impl Task {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Binary { .. } => "a label of two classes",
            Self::Multiclass { .. } => "a label of several classes",
            Self::Regression => "a numeric label",
            Self::Cluster => "rows without a label",
        }
    }

    /// Numbers a model gives for one row: as many as classes if they are more than two, else one.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Multiclass { classes } => classes.len(),
            Self::Binary { .. } | Self::Regression | Self::Cluster => 1,
        }
    }

    /// The classes in the order of their targets; none without classes.
    pub fn classes(&self) -> Vec<&str> {
        match self {
            Self::Binary { negative, positive } => vec![negative, positive],
            Self::Multiclass { classes } => classes.iter().map(String::as_str).collect(),
            Self::Regression | Self::Cluster => Vec::new(),
        }
    }
}

/// The column a model was trained to predict; for clusters the name their numbers are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub name: String,
    #[serde(flatten)]
    pub task: Task,
}

/// How much the rows of each class count. It multiplies the weights of the rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeight {
    /// All rows the same.
    #[default]
    None,
    /// All classes the same in total: the weight of all rows, divided by the number of classes and
    /// the weight of the class (as scikit-learn's `balanced`).
    Balanced,
    /// Forests: balanced within the rows drawn for each tree.
    BalancedSubsample,
    /// One weight a class, in the order of [`Task::classes`]; at least 0.
    Given(Vec<f64>),
}

impl ClassWeight {
    /// `weights` times the weight of each row's class.
    ///
    /// # Errors
    /// `Parameter` where there are no classes or the given weights do not fit them.
    pub(crate) fn apply(
        &self,
        task: &Task,
        target: &[f64],
        weights: &mut [f64],
        forest: bool,
    ) -> Result<(), ModelError> {
        let wrong = |value: &str, rule| ModelError::Parameter {
            name: "class_weight",
            value: value.to_owned(),
            rule,
        };
        let classes = task.classes().len();
        let by_class = match self {
            Self::None => return Ok(()),
            _ if classes == 0 => return Err(wrong("set", "absent where there are no classes")),
            Self::BalancedSubsample if !forest => {
                return Err(wrong(
                    "balanced_subsample",
                    "`none`, `balanced` or one weight a class",
                ));
            }
            Self::BalancedSubsample => return Ok(()),
            Self::Balanced => balanced(classes, target, weights),
            Self::Given(given) => {
                if given.len() != classes || !given.iter().all(|w| *w >= 0.0 && w.is_finite()) {
                    return Err(wrong(
                        &format!("{given:?}"),
                        "one number of at least 0 for each class",
                    ));
                }
                given.clone()
            }
        };
        for (weight, class) in weights.iter_mut().zip(target) {
            *weight *= by_class.get(*class as usize).copied().unwrap_or(1.0);
        }
        Ok(())
    }
}

/// The weight of each class with which all have the same total; 0 for a class without rows.
pub(crate) fn balanced(classes: usize, target: &[f64], weights: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; classes];
    for (class, weight) in target.iter().zip(weights) {
        if let Some(sum) = sums.get_mut(*class as usize) {
            *sum += weight;
        }
    }
    let total: f64 = sums.iter().sum();
    let share = total / classes.max(1) as f64;
    sums.iter()
        .map(|sum| if *sum > 0.0 { share / sum } else { 0.0 })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Task {
        Task::Multiclass {
            classes: vec!["a".into(), "b".into(), "c".into()],
        }
    }

    #[test]
    fn balanced_classes_weigh_the_same_in_total_as_in_scikit_learn() {
        // compute_class_weight("balanced", y=[0, 0, 0, 1, 1, 2]) is [2/3, 1, 2].
        let target = [0.0, 0.0, 0.0, 1.0, 1.0, 2.0];
        let mut weights = vec![1.0; 6];
        ClassWeight::Balanced
            .apply(&three(), &target, &mut weights, false)
            .unwrap();
        assert_eq!(weights, [2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 1.0, 1.0, 2.0]);
    }

    #[test]
    fn class_weights_that_do_not_fit_are_refused() {
        let apply = |weight: ClassWeight, task: &Task| weight.apply(task, &[0.0], &mut [1.0], false);
        assert!(apply(ClassWeight::Given(vec![1.0, 2.0]), &three()).is_err());
        assert!(apply(ClassWeight::Given(vec![1.0, 2.0, -1.0]), &three()).is_err());
        assert!(apply(ClassWeight::Balanced, &Task::Regression).is_err());
        assert!(apply(ClassWeight::BalancedSubsample, &three()).is_err());
        assert!(apply(ClassWeight::Given(vec![1.0, 2.0, 0.0]), &three()).is_ok());
    }
}
