//! Learning algorithms, the models they make, and the metrics models are judged by.
//!
//! Pure numerics: columns of numbers and category codes go in ([`Frame`]), a [`Model`] comes out,
//! which predicts ([`Predictor`]) and is kept in a documented format that is never executed. The
//! same training gives the same bytes whatever the number of threads. This crate knows nothing of
//! steps, runs or tables on disk.

mod algorithm;
mod bins;
pub mod boosting;
pub mod dependence;
pub mod error;
pub mod fairness;
pub mod features;
pub mod fit;
pub mod forest;
pub mod frame;
pub mod importance;
pub mod latency;
pub mod linear;
pub mod metrics;
pub mod model;
pub mod predictions;
pub mod preprocessing;
pub mod random;
pub mod shap;
pub mod slices;
pub mod task;
mod tree;

pub use algorithm::Algorithm;
pub use boosting::{BoostingLoss, BoostingParams, Direction, StoppingMetric};
pub use error::ModelError;
pub use features::{Feature, FeatureKind};
pub use fit::{Flow, Progress, SoFar};
pub use forest::{Criterion, ForestParams, TreeParams};
pub use frame::{Frame, FrameColumn, Values};
pub use linear::LinearParams;
pub use model::{Model, Predictor, Training, TrainingSummary, ValidRows, Value, train};
pub use predictions::{ClassProbabilities, Prediction, Predictions};
pub use preprocessing::{Encode, Impute, Preprocessing, Scale, Unseen};
pub use task::{ClassWeight, Label, Task};
