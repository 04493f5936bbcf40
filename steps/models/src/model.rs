//! A trained model: what it wants, what it predicts, how it was made.

mod batch;
mod body;
mod calibrating;
mod format;
mod predict;
mod training;

pub(crate) use batch::Batch;
pub(crate) use body::{Body, Learned, Shape};
pub(crate) use format::{ArrayReader, ArrayWriter, one, wrong};
pub(crate) use predict::predictions;
pub use predict::{Predictor, Value};
pub use training::{Training, ValidRows, train};

use crate::algorithm::Algorithm;
use crate::calibration::Calibration;
use crate::features::Feature;
use crate::preprocessing::{Encoding, Preprocessing};
use crate::task::Label;
use crate::tree::Tree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How training went. Nothing in it depends on time or machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    pub rows: u64,
    pub valid_rows: u64,
    pub seed: u64,
    /// Rounds or trees kept, or iterations of the search.
    pub rounds: u64,
    /// False if the search for a minimum ran out of iterations.
    pub converged: bool,
    /// The metric that training watched on the validation rows, where it looked at it; lower is
    /// better.
    pub valid_metric: Option<f64>,
    /// Forests, if asked for: accuracy, or R² of a numeric label, of predicting each training row
    /// by the trees that were grown without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oob_score: Option<f64>,
    /// Figures of the fit. Clusters: `clusters`; k-means: `inertia`; DBSCAN: `core_rows`,
    /// `noise_rows`; mixtures: `log_likelihood` (of the mean row), `aic`, `bic`. Elastic net:
    /// `nonzero_weights`. Support vector machines: `support_vectors`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, f64>,
}

/// A trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    algorithm: Algorithm,
    features: Vec<Feature>,
    label: Label,
    summary: TrainingSummary,
    preprocessing: Option<Fitted>,
    calibration: Option<Calibration>,
    pub(crate) body: Body,
}

/// Preprocessing as asked for, and what was fitted.
#[derive(Clone, Debug, PartialEq)]
struct Fitted {
    asked: Preprocessing,
    encoding: Encoding,
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

    /// How features are preprocessed; `None` for trees, which take them as they are.
    pub fn preprocessing(&self) -> Option<&Preprocessing> {
        self.preprocessing.as_ref().map(|fitted| &fitted.asked)
    }

    /// How probabilities were calibrated; `None` if they are as the algorithm gives them.
    pub fn calibration(&self) -> Option<Calibration> {
        self.calibration
    }

    /// What preprocessing makes of the features.
    pub(crate) fn encoding(&self) -> Option<&Encoding> {
        self.preprocessing.as_ref().map(|fitted| &fitted.encoding)
    }

    /// The same model, knowing the types its features have in the tables they come from.
    #[must_use]
    pub fn with_data_types(mut self, types: &BTreeMap<String, String>) -> Self {
        for feature in &mut self.features {
            feature.data_type = types.get(&feature.name).cloned();
        }
        self
    }

    /// Trees of the model, 0 if it has none.
    pub fn trees(&self) -> usize {
        self.body.trees().len()
    }

    /// Leaves of all trees.
    pub fn leaves(&self) -> usize {
        self.body.trees().iter().map(|tree| tree.covers.len()).sum()
    }

    /// Questions on the longest way through a tree.
    pub fn depth(&self) -> usize {
        self.body.trees().iter().map(Tree::depth).max().unwrap_or(0)
    }

    /// For each feature its share of what splitting lowered the training loss by; for a linear
    /// model the share of its largest absolute weight. Adds up to 1 unless the model is constant
    /// or tells nothing of its features; then all are 0.
    pub fn training_importance(&self) -> Vec<(String, f64)> {
        let mut sums = vec![0.0; self.features.len()];
        self.body.learned().importance(self.encoding(), &mut sums);
        let total: f64 = sums.iter().sum();
        let share = |sum: f64| if total > 0.0 { sum / total } else { 0.0 };
        self.features
            .iter()
            .zip(sums)
            .map(|(feature, sum)| (feature.name.clone(), share(sum)))
            .collect()
    }
}
