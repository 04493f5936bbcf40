//! The algorithms by name.

use crate::bayes::NaiveBayesParams;
use crate::boosting::BoostingParams;
use crate::cluster::{DbscanParams, KMeansParams, MixtureParams};
use crate::forest::{ForestParams, TreeParams};
use crate::linear::{ElasticNetParams, GlmParams, LassoParams, LinearParams, LinearSvmParams, RidgeParams};
use crate::neighbours::NeighborsParams;
use crate::svm::SvmParams;
use serde::{Deserialize, Serialize};

/// An algorithm with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "algorithm", content = "params", rename_all = "snake_case")]
pub enum Algorithm {
    GradientBoosting(BoostingParams),
    RandomForest(ForestParams),
    ExtraTrees(ForestParams),
    DecisionTree(TreeParams),
    LogisticRegression(LinearParams),
    LinearRegression(LinearParams),
    Ridge(RidgeParams),
    Lasso(LassoParams),
    ElasticNet(ElasticNetParams),
    GeneralizedLinear(GlmParams),
    LinearSvm(LinearSvmParams),
    Svm(SvmParams),
    NaiveBayes(NaiveBayesParams),
    NearestNeighbors(NeighborsParams),
    #[serde(rename = "kmeans")]
    KMeans(KMeansParams),
    Dbscan(DbscanParams),
    GaussianMixture(MixtureParams),
}

impl Algorithm {
    /// Names of all algorithms.
    pub const NAMES: [&'static str; 17] = [
        "gradient_boosting",
        "random_forest",
        "extra_trees",
        "decision_tree",
        "logistic_regression",
        "linear_regression",
        "ridge",
        "lasso",
        "elastic_net",
        "generalized_linear",
        "linear_svm",
        "svm",
        "naive_bayes",
        "nearest_neighbors",
        "kmeans",
        "dbscan",
        "gaussian_mixture",
    ];

    /// The name, as written in parameters.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GradientBoosting(_) => "gradient_boosting",
            Self::RandomForest(_) => "random_forest",
            Self::ExtraTrees(_) => "extra_trees",
            Self::DecisionTree(_) => "decision_tree",
            Self::LogisticRegression(_) => "logistic_regression",
            Self::LinearRegression(_) => "linear_regression",
            Self::Ridge(_) => "ridge",
            Self::Lasso(_) => "lasso",
            Self::ElasticNet(_) => "elastic_net",
            Self::GeneralizedLinear(_) => "generalized_linear",
            Self::LinearSvm(_) => "linear_svm",
            Self::Svm(_) => "svm",
            Self::NaiveBayes(_) => "naive_bayes",
            Self::NearestNeighbors(_) => "nearest_neighbors",
            Self::KMeans(_) => "kmeans",
            Self::Dbscan(_) => "dbscan",
            Self::GaussianMixture(_) => "gaussian_mixture",
        }
    }

    /// Whether it learns from preprocessed columns of numbers ([`crate::Preprocessing`]). Trees
    /// and naive Bayes take missing values and categories as they are.
    pub fn is_preprocessed(&self) -> bool {
        match self {
            Self::GradientBoosting(_)
            | Self::RandomForest(_)
            | Self::ExtraTrees(_)
            | Self::DecisionTree(_)
            | Self::NaiveBayes(_) => false,
            Self::LogisticRegression(_)
            | Self::LinearRegression(_)
            | Self::Ridge(_)
            | Self::Lasso(_)
            | Self::ElasticNet(_)
            | Self::GeneralizedLinear(_)
            | Self::LinearSvm(_)
            | Self::Svm(_)
            | Self::NearestNeighbors(_)
            | Self::KMeans(_)
            | Self::Dbscan(_)
            | Self::GaussianMixture(_) => true,
        }
    }

    /// Whether it draws rows for each of many trees, so that classes can be balanced among those.
    pub(crate) fn is_forest(&self) -> bool {
        matches!(self, Self::RandomForest(_) | Self::ExtraTrees(_))
    }
}
