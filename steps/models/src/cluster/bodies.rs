//! Fitted clusterings: which cluster a row is in, and their arrays in a file.

use super::dbscan::Dbscan;
use super::k_means::Lanes;
use super::mixture::Mixture;
use super::{DbscanParams, MixtureParams};
use crate::error::ModelError;
use crate::matrix::Matrix;
use crate::model::{ArrayReader, ArrayWriter, Batch, Learned, Shape, one, wrong};
use crate::preprocessing::Encoding;

/// Means of clusters: a row belongs to the nearest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Centers {
    centers: Matrix,
    lanes: Lanes,
}

/// Fills in what `label` says of each preprocessed row; NaN for none.
fn each_row(batch: &Batch<'_>, into: &mut [f64], mut label: impl FnMut(&[f64]) -> Option<u32>) {
    let mut point = vec![0.0; batch.width()];
    for (row, into) in into.iter_mut().enumerate() {
        batch.encode(row, &mut point);
        *into = label(&point).map_or(f64::NAN, f64::from);
    }
}

impl Centers {
    pub(crate) fn new(centers: Matrix) -> Self {
        let lanes = Lanes::new(&centers);
        Self { centers, lanes }
    }

    /// Reads what was written; takes nothing on trust.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read(shape: &Shape<'_>, arrays: &mut ArrayReader<'_>) -> Result<Self, ModelError> {
        let centers = shape.matrix(arrays.finite_f64s("center")?)?;
        if centers.rows() == 0 {
            return Err(wrong("it has no clusters"));
        }
        Ok(Self::new(centers))
    }
}

impl Learned for Centers {
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        each_row(batch, into, |point| Some(self.lanes.nearest(point).0));
    }

    fn importance(&self, _encoding: Option<&Encoding>, _sums: &mut [f64]) {}

    fn write(&self, arrays: &mut ArrayWriter) {
        arrays.f64s("center", &self.centers.values);
    }
}

impl Dbscan {
    /// Reads what was written; takes nothing on trust.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read(
        params: &DbscanParams,
        shape: &Shape<'_>,
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Self, ModelError> {
        let radius = one(&arrays.finite_f64s("radius")?)?;
        let core = shape.matrix(arrays.finite_f64s("core")?)?;
        let labels = arrays.u32s("core_cluster")?;
        if labels.len() != core.rows() {
            return Err(wrong("its core rows and their clusters are not as many"));
        }
        Ok(Self::new(core, labels, radius, params.metric))
    }
}

impl Learned for Dbscan {
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        each_row(batch, into, |point| self.label(point));
    }

    fn importance(&self, _encoding: Option<&Encoding>, _sums: &mut [f64]) {}

    fn write(&self, arrays: &mut ArrayWriter) {
        arrays.f64s("radius", &[self.radius]);
        arrays.f64s("core", &self.core.values);
        arrays.u32s("core_cluster", &self.core_labels);
    }
}

impl Mixture {
    /// Reads what was written; takes nothing on trust.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read(
        params: &MixtureParams,
        shape: &Shape<'_>,
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Self, ModelError> {
        let covariance = params.covariance_type;
        let weights = arrays.finite_f64s("component_weight")?;
        let means = shape.matrix(arrays.finite_f64s("component_mean")?)?;
        let factors = arrays.finite_f64s("component_factor")?;
        let kept = if covariance == super::Covariance::Tied {
            1
        } else {
            weights.len()
        };
        let expected = Self::factor_size(covariance, means.columns).checked_mul(kept);
        if weights.is_empty() || weights.len() != means.rows() || Some(factors.len()) != expected {
            return Err(wrong("its components do not fit its features"));
        }
        if !weights.iter().all(|weight| *weight >= 0.0) {
            return Err(wrong("a component has a negative weight"));
        }
        Ok(Self {
            covariance,
            weights,
            means,
            factors,
        })
    }
}

impl Learned for Mixture {
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        let density = self.density();
        let mut scratch = vec![0.0; self.means.columns];
        let mut shares = vec![0.0; self.weights.len()];
        each_row(batch, into, |point| {
            density.probabilities(point, &mut scratch, &mut shares);
            let mut best = 0;
            for (component, share) in shares.iter().enumerate() {
                if *share > shares[best] {
                    best = component;
                }
            }
            Some(best as u32)
        });
    }

    fn importance(&self, _encoding: Option<&Encoding>, _sums: &mut [f64]) {}

    fn write(&self, arrays: &mut ArrayWriter) {
        arrays.f64s("component_weight", &self.weights);
        arrays.f64s("component_mean", &self.means.values);
        arrays.f64s("component_factor", &self.factors);
    }
}
