//! Models of linear sums: least squares to elastic net, logistic regression, generalised linear
//! models, linear support vector machines.

mod arrays;
mod coordinate;
pub(crate) mod loss;
mod minimise;
pub(crate) mod multinomial;
mod newton;
pub(crate) mod objective;
mod params;
mod proximal;
pub(crate) mod solve;
mod training;

pub(crate) use newton::Symmetric;
pub use params::{
    ElasticNetParams, Family, GlmParams, LassoParams, LinearParams, LinearSvmParams, RidgeParams,
};
pub(crate) use training::{fit_elastic_net, fit_glm, fit_regression, fit_ridge, fit_svm};

use crate::boosting::sigmoid;
use crate::model::{ArrayWriter, Batch, Learned};
use crate::preprocessing::Encoding;
use crate::tree::Cell;
use multinomial::softmax;

/// What linear sums mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// The prediction itself, or the score that a calibration takes.
    Identity,
    /// Log odds of the positive class.
    Logit,
    /// Logarithms of the classes' shares, up to a constant.
    Softmax,
    /// The prediction's logarithm.
    Log,
}

/// An intercept and a weight for every preprocessed column, for each output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Linear {
    pub(crate) link: Link,
    /// One an output.
    pub(crate) intercepts: Vec<f64>,
    /// One line of columns an output.
    pub(crate) weights: Vec<f64>,
    /// Place of the feature that predictions are in proportion to.
    pub(crate) exposure: Option<u32>,
}

impl Learned for Linear {
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        let width = batch.width();
        for (row, sums) in into.chunks_exact_mut(self.intercepts.len().max(1)).enumerate() {
            sums.fill(0.0);
            batch.visit(row, |place, entry| {
                for (output, sum) in sums.iter_mut().enumerate() {
                    *sum += self.weights[output * width + place] * entry;
                }
            });
            for (sum, intercept) in sums.iter_mut().zip(&self.intercepts) {
                *sum += intercept;
            }
            match self.link {
                Link::Identity => {}
                Link::Logit => sums.iter_mut().for_each(|sum| *sum = sigmoid(*sum)),
                Link::Softmax => {
                    softmax(sums);
                }
                Link::Log => {
                    let times = match self.exposure.map(|feature| batch.cell(row, feature as usize)) {
                        Some(Cell::Number(exposure)) if exposure > 0.0 && exposure.is_finite() => exposure,
                        _ => 1.0,
                    };
                    sums.iter_mut().for_each(|sum| *sum = sum.exp() * times);
                }
            }
        }
    }

    fn importance(&self, encoding: Option<&Encoding>, sums: &mut [f64]) {
        let Some(encoding) = encoding else { return };
        for line in self.weights.chunks_exact(encoding.width().max(1)) {
            for (sum, places) in sums.iter_mut().zip(encoding.places()) {
                let weights = line.get(places).unwrap_or(&[]);
                *sum += weights
                    .iter()
                    .fold(0.0, |most: f64, weight| most.max(weight.abs()));
            }
        }
    }

    fn write(&self, arrays: &mut ArrayWriter) {
        self.write_arrays(arrays);
    }
}
