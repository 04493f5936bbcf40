//! Learning algorithms, the models they make, and the metrics models are judged by.
//!
//! Pure numerics: columns of numbers and category codes go in ([`Frame`]), a [`Model`] comes out,
//! which predicts ([`Predictor`]) and is kept in a documented format that is never executed. The
//! same training gives the same bytes whatever the number of threads. This crate knows nothing of
//! steps, runs or tables on disk.

mod algorithm;
pub mod bayes;
mod bins;
pub mod boosting;
pub mod calibration;
pub mod cluster;
pub mod dependence;
pub mod error;
pub mod fairness;
pub mod features;
pub mod fit;
pub mod forest;
pub mod frame;
#[cfg(test)]
mod golden;
pub mod importance;
pub mod latency;
pub mod linear;
mod matrix;
pub mod metrics;
pub mod model;
pub mod neighbours;
pub mod predictions;
pub mod preprocessing;
pub mod random;
pub mod shap;
pub mod slices;
pub mod statistics;
pub mod svm;
pub mod task;
mod tree;

pub use algorithm::Algorithm;
pub use bayes::{NaiveBayesParams, NumberModel};
pub use boosting::{BoostingLoss, BoostingParams, Direction, StoppingMetric};
pub use calibration::{Calibration, CalibrationMethod, CalibrationRows};
pub use cluster::{Covariance, DbscanParams, KMeansParams, MixtureParams};
pub use error::ModelError;
pub use features::{Feature, FeatureKind};
pub use fit::{Flow, Progress, SoFar};
pub use forest::{Criterion, ForestParams, TreeParams};
pub use frame::{Frame, FrameColumn, Values};
pub use linear::{
    ElasticNetParams, Family, GlmParams, LassoParams, LinearParams, LinearSvmParams, RidgeParams,
};
pub use model::{Model, Predictor, Training, TrainingSummary, ValidRows, Value, train};
pub use neighbours::{Metric, NeighborWeights, NeighborsParams};
pub use predictions::{ClassProbabilities, Prediction, Predictions};
pub use preprocessing::{Encode, Impute, Preprocessing, Scale, Unseen};
pub use svm::{Gamma, KernelKind, SvmParams};
pub use task::{ClassWeight, Label, Task};
