//! Groups among rows without a label.

mod bodies;
pub(crate) mod dbscan;
pub(crate) mod k_means;
pub(crate) mod mixture;
mod params;
mod seeding;
mod training;

pub(crate) use bodies::Centers;
pub use mixture::Covariance;
pub use params::{DbscanParams, KMeansParams, MixtureParams};
pub(crate) use training::{fit_dbscan, fit_k_means, fit_mixture};
