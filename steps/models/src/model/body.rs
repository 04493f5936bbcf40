//! What algorithms leave behind: one kind of body each.

use super::{ArrayReader, ArrayWriter, Batch, wrong};
use crate::algorithm::Algorithm;
use crate::bayes::NaiveBayes;
use crate::boosting::Boosted;
use crate::calibration::Calibrated;
use crate::cluster::Centers;
use crate::cluster::dbscan::Dbscan;
use crate::cluster::mixture::Mixture;
use crate::error::ModelError;
use crate::features::Feature;
use crate::forest::Forest;
use crate::linear::{Family, Linear, Link};
use crate::matrix::Matrix;
use crate::neighbours::Neighbours;
use crate::preprocessing::Encoding;
use crate::svm::Machines;
use crate::task::Task;
use crate::tree::Tree;

/// What a trained algorithm knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Boosted(Boosted),
    Forest(Forest),
    Linear(Linear),
    NaiveBayes(NaiveBayes),
    Machines(Machines),
    Neighbours(Neighbours),
    Centers(Centers),
    Dbscan(Dbscan),
    Mixture(Mixture),
    /// Another body's scores as probabilities.
    Calibrated(Calibrated),
}

/// What every body can do.
pub(crate) trait Learned {
    /// Fills `into` with [`Task::outputs`] numbers for each row of the batch, row by row:
    /// probability or value, probabilities of all classes, or the number of a cluster (NaN for
    /// none). What a row gives does not depend on the others.
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]);

    /// Adds to `sums`, one a feature, how much the model relies on it, in any unit.
    fn importance(&self, encoding: Option<&Encoding>, sums: &mut [f64]);

    /// Appends its arrays to a file.
    fn write(&self, arrays: &mut ArrayWriter);
}

/// What the arrays of a body must fit.
pub(crate) struct Shape<'a> {
    /// Version of the format.
    pub(crate) version: u32,
    pub(crate) features: &'a [Feature],
    pub(crate) task: &'a Task,
    /// The fitted preprocessing, for algorithms that have it.
    pub(crate) encoding: Option<&'a Encoding>,
}

impl Shape<'_> {
    /// Rows of preprocessed columns.
    ///
    /// # Errors
    /// `Format` if the numbers do not fill whole rows.
    pub(crate) fn matrix(&self, values: Vec<f64>) -> Result<Matrix, ModelError> {
        let columns = self.encoding.map_or(0, Encoding::width);
        if columns == 0 || !values.len().is_multiple_of(columns) {
            return Err(wrong("its rows do not fit its features"));
        }
        Ok(Matrix { columns, values })
    }

    fn is_classes(&self) -> bool {
        matches!(self.task, Task::Binary { .. } | Task::Multiclass { .. })
    }
}

impl Body {
    pub(crate) fn learned(&self) -> &dyn Learned {
        match self {
            Self::Boosted(boosted) => boosted,
            Self::Forest(forest) => forest,
            Self::Linear(linear) => linear,
            Self::NaiveBayes(bayes) => bayes,
            Self::Machines(machines) => machines,
            Self::Neighbours(neighbours) => neighbours,
            Self::Centers(centers) => centers,
            Self::Dbscan(dbscan) => dbscan,
            Self::Mixture(mixture) => mixture,
            Self::Calibrated(calibrated) => calibrated,
        }
    }

    /// The trees of the model, if it has any.
    pub(crate) fn trees(&self) -> &[Tree] {
        match self {
            Self::Boosted(boosted) => &boosted.trees,
            Self::Forest(forest) => &forest.trees,
            Self::Calibrated(calibrated) => calibrated.inner.trees(),
            Self::Linear(_)
            | Self::NaiveBayes(_)
            | Self::Machines(_)
            | Self::Neighbours(_)
            | Self::Centers(_)
            | Self::Dbscan(_)
            | Self::Mixture(_) => &[],
        }
    }

    /// Reads the body of a model of this algorithm; takes nothing on trust.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read(
        algorithm: &Algorithm,
        shape: &Shape<'_>,
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Self, ModelError> {
        match algorithm {
            Algorithm::GradientBoosting(params) => Boosted::read(params, shape, arrays).map(Self::Boosted),
            Algorithm::RandomForest(_) | Algorithm::ExtraTrees(_) | Algorithm::DecisionTree(_) => {
                Forest::read(shape, arrays).map(Self::Forest)
            }
            Algorithm::LogisticRegression(_) => {
                let link = match shape.task {
                    Task::Binary { .. } => Link::Logit,
                    Task::Multiclass { .. } => Link::Softmax,
                    _ => return Err(wrong("logistic regression of another label than classes")),
                };
                Linear::read(link, false, shape, arrays).map(Self::Linear)
            }
            Algorithm::LinearRegression(_)
            | Algorithm::Ridge(_)
            | Algorithm::Lasso(_)
            | Algorithm::ElasticNet(_)
            | Algorithm::GeneralizedLinear(_)
                if *shape.task != Task::Regression =>
            {
                Err(wrong("linear regression of another label than numbers"))
            }
            Algorithm::LinearRegression(_)
            | Algorithm::Ridge(_)
            | Algorithm::Lasso(_)
            | Algorithm::ElasticNet(_) => {
                Linear::read(Link::Identity, false, shape, arrays).map(Self::Linear)
            }
            Algorithm::GeneralizedLinear(params) => {
                let link = match params.family {
                    Family::Normal => Link::Identity,
                    _ => Link::Log,
                };
                Linear::read(link, params.exposure.is_some(), shape, arrays).map(Self::Linear)
            }
            Algorithm::KMeans(_) | Algorithm::Dbscan(_) | Algorithm::GaussianMixture(_)
                if *shape.task != Task::Cluster =>
            {
                Err(wrong("clusters of rows with a label"))
            }
            Algorithm::KMeans(_) => Centers::read(shape, arrays).map(Self::Centers),
            Algorithm::Dbscan(params) => Dbscan::read(params, shape, arrays).map(Self::Dbscan),
            Algorithm::GaussianMixture(params) => Mixture::read(params, shape, arrays).map(Self::Mixture),
            _ if *shape.task == Task::Cluster => Err(wrong("its algorithm finds no clusters")),
            Algorithm::LinearSvm(_) => {
                let inner = Linear::read(Link::Identity, false, shape, arrays).map(Self::Linear)?;
                Self::read_scores(inner, shape, arrays)
            }
            Algorithm::Svm(params) => {
                let inner = Machines::read(params, shape, arrays).map(Self::Machines)?;
                Self::read_scores(inner, shape, arrays)
            }
            Algorithm::NaiveBayes(_) => NaiveBayes::read(shape, arrays).map(Self::NaiveBayes),
            Algorithm::NearestNeighbors(params) => {
                Neighbours::read(params, shape, arrays).map(Self::Neighbours)
            }
        }
    }

    /// Of classes the body gives scores, and curves follow that make probabilities of them.
    fn read_scores(inner: Self, shape: &Shape<'_>, arrays: &mut ArrayReader<'_>) -> Result<Self, ModelError> {
        if shape.is_classes() {
            Calibrated::read(inner, false, shape.task.outputs(), arrays)
        } else {
            Ok(inner)
        }
    }
}
