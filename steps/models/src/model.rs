//! A trained model: what it wants, what it predicts, how it was made.

mod format;
mod training;

pub use training::{Training, train};

use crate::boosting::{Boosted, BoostingParams, Objective};
use crate::error::ModelError;
use crate::features::{Aligned, Feature, FeatureKind, align, category_code};
use crate::forest::{ForestParams, TreeParams};
use crate::frame::{Frame, MISSING_CODE};
use crate::linear::{Linear, LinearParams};
use crate::tree::{Cell, Tree};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows predicted by one thread at a time.
const CHUNK: usize = 1_024;

/// An algorithm with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "algorithm", content = "params", rename_all = "snake_case")]
pub enum Algorithm {
    GradientBoosting(BoostingParams),
    RandomForest(ForestParams),
    DecisionTree(TreeParams),
    LogisticRegression(LinearParams),
    LinearRegression(LinearParams),
}

impl Algorithm {
    /// Names of all algorithms.
    pub const NAMES: [&'static str; 5] = [
        "gradient_boosting",
        "random_forest",
        "decision_tree",
        "logistic_regression",
        "linear_regression",
    ];

    /// The name, as written in parameters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GradientBoosting(_) => "gradient_boosting",
            Self::RandomForest(_) => "random_forest",
            Self::DecisionTree(_) => "decision_tree",
            Self::LogisticRegression(_) => "logistic_regression",
            Self::LinearRegression(_) => "linear_regression",
        }
    }
}

/// What a model predicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// The probability of `positive`; targets are 1 for it and 0 for `negative`.
    Binary { negative: String, positive: String },
    /// A number.
    Regression,
}

impl Task {
    fn name(&self) -> &'static str {
        match self {
            Self::Binary { .. } => "a label of two classes",
            Self::Regression => "a numeric label",
        }
    }
}

/// The column a model was trained to predict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub name: String,
    #[serde(flatten)]
    pub task: Task,
}

/// How training went. Nothing in it depends on time or machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    pub rows: u64,
    pub valid_rows: u64,
    pub seed: u64,
    /// Trees kept, or iterations of the search.
    pub rounds: u64,
    /// False if the search for a minimum ran out of iterations.
    pub converged: bool,
    /// Log loss, or root mean squared error, on the validation rows, where training looked at it.
    pub valid_metric: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Body {
    Boosted(Boosted),
    /// The mean of trees.
    Forest(Vec<Tree>),
    Linear(Linear),
}

/// A trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    algorithm: Algorithm,
    features: Vec<Feature>,
    label: Label,
    summary: TrainingSummary,
    body: Body,
}

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

    /// A prediction for every row: the probability of the positive class, or the value. Columns
    /// that are not features are passed over.
    ///
    /// # Errors
    /// `MissingColumn` or `ColumnType`.
    fn predict(&self, frame: &Frame) -> Result<Vec<f64>, ModelError>;

    /// The prediction for one row, its values in the order of the features.
    ///
    /// # Errors
    /// `LengthMismatch` or `ColumnType`.
    fn predict_row(&self, row: &[Value<'_>]) -> Result<f64, ModelError>;
}

impl Model {
    /// The algorithm and its parameters.
    pub fn algorithm(&self) -> &Algorithm {
        &self.algorithm
    }

    /// How training went.
    pub fn summary(&self) -> &TrainingSummary {
        &self.summary
    }

    /// The same model, knowing the types its features have in the tables they come from.
    #[must_use]
    pub fn with_data_types(mut self, types: &BTreeMap<String, String>) -> Self {
        for feature in &mut self.features {
            feature.data_type = types.get(&feature.name).cloned();
        }
        self
    }

    /// Trees of the model, 0 for a linear one.
    pub fn trees(&self) -> usize {
        match &self.body {
            Body::Boosted(boosted) => boosted.trees.len(),
            Body::Forest(trees) => trees.len(),
            Body::Linear(_) => 0,
        }
    }

    /// Questions on the longest way through a tree.
    pub fn depth(&self) -> usize {
        match &self.body {
            Body::Boosted(Boosted { trees, .. }) | Body::Forest(trees) => {
                trees.iter().map(Tree::depth).max().unwrap_or(0)
            }
            Body::Linear(_) => 0,
        }
    }

    /// For each feature its share of what splitting lowered the training loss by; for a linear
    /// model the share of absolute weight. Adds up to 1 unless the model is constant.
    pub fn training_importance(&self) -> Vec<(String, f64)> {
        let mut sums = vec![0.0; self.features.len()];
        match &self.body {
            Body::Boosted(Boosted { trees, .. }) | Body::Forest(trees) => {
                for node in trees.iter().flat_map(|tree| &tree.nodes) {
                    sums[node.feature as usize] += f64::from(node.gain);
                }
            }
            Body::Linear(linear) => {
                let mut at = 0;
                for (sum, feature) in sums.iter_mut().zip(&linear.encoding.features) {
                    let weights = &linear.weights[at..at + feature.width()];
                    *sum = weights
                        .iter()
                        .fold(0.0, |most: f64, weight| most.max(weight.abs()));
                    at += feature.width();
                }
            }
        }
        let total: f64 = sums.iter().sum();
        let share = |sum: f64| if total > 0.0 { sum / total } else { 0.0 };
        self.features
            .iter()
            .zip(sums)
            .map(|(feature, sum)| (feature.name.clone(), share(sum)))
            .collect()
    }

    fn objective(&self) -> Objective {
        match self.label.task {
            Task::Binary { .. } => Objective::LogLoss,
            Task::Regression => Objective::SquaredError,
        }
    }

    fn output(&self, cell: impl Fn(usize) -> Cell) -> f64 {
        match &self.body {
            Body::Boosted(boosted) => {
                let sum = boosted
                    .trees
                    .iter()
                    .fold(boosted.base_score, |sum, tree| sum + tree.value(&cell));
                self.objective().output(sum)
            }
            Body::Forest(trees) => {
                trees.iter().map(|tree| tree.value(&cell)).sum::<f64>() / trees.len().max(1) as f64
            }
            Body::Linear(linear) => self
                .objective()
                .output(linear.intercept + linear.encoding.score(&linear.weights, &cell)),
        }
    }

    /// Predictions for rows `start..start + into.len()`. Trees outside, rows inside: a tree stays
    /// in the cache while many rows walk through it. The sums are in the order of a single row's.
    fn predict_chunk(&self, values: &[Aligned<'_>], start: usize, into: &mut [f64]) {
        let cell = |row: usize| {
            move |feature: usize| match &values[feature] {
                Aligned::Numeric(values) => Cell::Number(values[row]),
                Aligned::Codes { codes, .. } => Cell::Code(codes[row]),
            }
        };
        match &self.body {
            Body::Boosted(Boosted { base_score, trees }) => {
                into.fill(*base_score);
                for tree in trees {
                    for (at, sum) in into.iter_mut().enumerate() {
                        *sum += tree.value(cell(start + at));
                    }
                }
                into.iter_mut()
                    .for_each(|sum| *sum = self.objective().output(*sum));
            }
            Body::Forest(trees) => {
                into.fill(0.0);
                for tree in trees {
                    for (at, sum) in into.iter_mut().enumerate() {
                        *sum += tree.value(cell(start + at));
                    }
                }
                into.iter_mut().for_each(|sum| *sum /= trees.len().max(1) as f64);
            }
            Body::Linear(_) => {
                for (at, into) in into.iter_mut().enumerate() {
                    *into = self.output(cell(start + at));
                }
            }
        }
    }
}

impl Predictor for Model {
    fn features(&self) -> &[Feature] {
        &self.features
    }

    fn label(&self) -> &Label {
        &self.label
    }

    fn predict(&self, frame: &Frame) -> Result<Vec<f64>, ModelError> {
        let values = align(frame, &self.features)?;
        let mut predictions = vec![0.0; frame.rows()];
        predictions
            .par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, into)| self.predict_chunk(&values, chunk * CHUNK, into));
        Ok(predictions)
    }

    fn predict_row(&self, row: &[Value<'_>]) -> Result<f64, ModelError> {
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
            .map(|(value, feature)| match (&feature.kind, *value) {
                (FeatureKind::Numeric, Value::Number(number)) => Ok(Cell::Number(number)),
                (FeatureKind::Numeric, Value::Missing) => Ok(Cell::Number(f64::NAN)),
                (FeatureKind::Categorical { categories }, Value::Category(text)) => {
                    Ok(Cell::Code(category_code(categories, text)))
                }
                (FeatureKind::Categorical { .. }, Value::Missing) => Ok(Cell::Code(MISSING_CODE)),
                (FeatureKind::Numeric, Value::Category(_)) => Err(ModelError::ColumnType {
                    column: feature.name.clone(),
                    expected: "numbers",
                    found: "a text",
                }),
                (FeatureKind::Categorical { .. }, Value::Number(_)) => Err(ModelError::ColumnType {
                    column: feature.name.clone(),
                    expected: "categories",
                    found: "a number",
                }),
            })
            .collect::<Result<Vec<Cell>, ModelError>>()?;
        Ok(self.output(|feature| cells[feature]))
    }
}
