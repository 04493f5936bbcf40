//! Parameters of clusterings.

use super::Covariance;
use crate::neighbours::Metric;
use serde::{Deserialize, Serialize};

/// Parameters of k-means (Lloyd 1982) from centers of k-means++.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `n_clusters` | 8 | 1 to the number of rows | clusters |
/// | `n_init` | 10 | at least 1 | starts from other centers; the one that ends with the least inertia is kept |
/// | `max_iterations` | 300 | 1 to 10,000,000 | iterations of each start, at most |
/// | `tolerance` | 1e-4 | above 0 | a start ends when the squared moves of all centers sum to at most this share of the columns' mean variance |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KMeansParams {
    pub n_clusters: usize,
    pub n_init: usize,
    pub max_iterations: usize,
    pub tolerance: f64,
}

impl Default for KMeansParams {
    fn default() -> Self {
        Self {
            n_clusters: 8,
            n_init: 10,
            max_iterations: 300,
            tolerance: 1e-4,
        }
    }
}

/// Parameters of DBSCAN. A new row belongs to the cluster of the nearest core row within `eps`, or to
/// none.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `eps` | 0.5 | above 0 | rows at most this far apart, in preprocessed columns, are neighbours |
/// | `min_samples` | 5 | at least 0 | weight of the neighbours, the row itself included, from which on a row is core |
/// | `metric` | `euclidean` | | `euclidean`, `manhattan` |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DbscanParams {
    pub eps: f64,
    pub min_samples: f64,
    pub metric: Metric,
}

impl Default for DbscanParams {
    fn default() -> Self {
        Self {
            eps: 0.5,
            min_samples: 5.0,
            metric: Metric::Euclidean,
        }
    }
}

/// Parameters of Gaussian mixtures. The cluster of a row is its most probable component.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `n_components` | 1 | 1 to the number of rows | normal distributions |
/// | `covariance_type` | `full` | | `full`, `tied`, `diag`, `spherical` |
/// | `reg_covar` | 1e-6 | at least 0 | added to variances |
/// | `n_init` | 1 | at least 1 | starts, each from other clusters of k-means; the likeliest end is kept |
/// | `max_iterations` | 100 | 1 to 10,000,000 | iterations of each start, at most |
/// | `tolerance` | 1e-3 | above 0 | a start ends when the mean log likelihood of a row rises by less |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixtureParams {
    pub n_components: usize,
    pub covariance_type: Covariance,
    pub reg_covar: f64,
    pub n_init: usize,
    pub max_iterations: usize,
    pub tolerance: f64,
}

impl Default for MixtureParams {
    fn default() -> Self {
        Self {
            n_components: 1,
            covariance_type: Covariance::Full,
            reg_covar: 1e-6,
            n_init: 1,
            max_iterations: 100,
            tolerance: 1e-3,
        }
    }
}
