//! What algorithms leave behind: one kind of body each.

use super::{ArrayReader, ArrayWriter, Batch};
use crate::algorithm::Algorithm;
use crate::boosting::Boosted;
use crate::error::ModelError;
use crate::features::Feature;
use crate::forest::Forest;
use crate::linear::Linear;
use crate::preprocessing::Encoding;
use crate::task::Task;
use crate::tree::Tree;

/// What a trained algorithm knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Boosted(Boosted),
    Forest(Forest),
    Linear(Linear),
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

impl Body {
    pub(crate) fn learned(&self) -> &dyn Learned {
        match self {
            Self::Boosted(boosted) => boosted,
            Self::Forest(forest) => forest,
            Self::Linear(linear) => linear,
        }
    }

    /// The trees of the model, if it has any.
    pub(crate) fn trees(&self) -> &[Tree] {
        match self {
            Self::Boosted(boosted) => &boosted.trees,
            Self::Forest(forest) => &forest.trees,
            Self::Linear(_) => &[],
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
            Algorithm::LogisticRegression(_) => Linear::read(true, shape, arrays).map(Self::Linear),
            Algorithm::LinearRegression(_) => Linear::read(false, shape, arrays).map(Self::Linear),
        }
    }
}
