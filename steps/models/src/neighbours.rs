//! Predictions from the training rows that are nearest.

pub(crate) mod kd_tree;

use crate::error::ModelError;
use crate::fit::{Fit, Rows, at_least_1};
use crate::matrix::{Matrix, squared_distance, squared_distance_within};
use crate::model::{ArrayReader, ArrayWriter, Batch, Body, Learned, Shape, wrong};
use crate::preprocessing::{Design, Encoding};
use kd_tree::{Near, Neighbourhood};
use serde::{Deserialize, Serialize};

/// How far two rows are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Root of the sum of squared differences.
    #[default]
    Euclidean,
    /// Sum of absolute differences.
    Manhattan,
}

impl Metric {
    /// A distance in the form that is compared: squared for Euclidean ones.
    #[inline]
    pub(crate) fn reduced(self, distance: f64) -> f64 {
        match self {
            Self::Euclidean => distance * distance,
            Self::Manhattan => distance,
        }
    }

    /// The distance from its reduced form.
    #[inline]
    pub(crate) fn whole(self, reduced: f64) -> f64 {
        match self {
            Self::Euclidean => reduced.sqrt(),
            Self::Manhattan => reduced,
        }
    }

    /// Reduced distance of two rows.
    #[inline]
    pub(crate) fn between(self, left: &[f64], right: &[f64]) -> f64 {
        match self {
            Self::Euclidean => squared_distance(left, right),
            Self::Manhattan => left.iter().zip(right).map(|(l, r)| (l - r).abs()).sum(),
        }
    }

    /// The same, or infinity as soon as it is seen to exceed `limit`.
    #[inline]
    pub(crate) fn between_within(self, left: &[f64], right: &[f64], limit: f64) -> f64 {
        match self {
            Self::Euclidean => squared_distance_within(left, right, limit),
            Self::Manhattan => self.between(left, right),
        }
    }
}

/// How much each neighbour counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeighborWeights {
    /// All the same.
    #[default]
    Uniform,
    /// Inversely to the distance; rows at distance 0, if there are any, count alone.
    Distance,
}

/// Parameters of nearest neighbours, for classes and numbers. Each neighbour's vote is multiplied by
/// the weight of its row. Of equally near rows the first is taken.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `n_neighbors` | 5 | at least 1 | nearest training rows that are asked; all, if there are fewer |
/// | `weights` | `uniform` | | how much each counts: `uniform`, `distance` |
/// | `metric` | `euclidean` | | distance between preprocessed columns: `euclidean`, `manhattan` |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NeighborsParams {
    pub n_neighbors: usize,
    pub weights: NeighborWeights,
    pub metric: Metric,
}

impl Default for NeighborsParams {
    fn default() -> Self {
        Self {
            n_neighbors: 5,
            weights: NeighborWeights::Uniform,
            metric: Metric::Euclidean,
        }
    }
}

/// The training rows with their targets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Neighbours {
    params: NeighborsParams,
    /// As they were given: what a model file keeps.
    rows: Matrix,
    target: Vec<f64>,
    /// Above 0.
    row_weights: Vec<f64>,
    /// Answers a row: one a class of several, else 1.
    outputs: usize,
    neighbourhood: Neighbourhood,
}

/// Keeps the training rows that have weight.
pub(crate) fn fit(params: &NeighborsParams, design: &Design, rows: &Rows<'_>) -> Result<Fit, ModelError> {
    at_least_1("n_neighbors", params.n_neighbors)?;
    let kept: Vec<usize> = (0..rows.count).filter(|&row| rows.weights[row] > 0.0).collect();
    let of = |values: &[f64]| kept.iter().map(|&row| values[row]).collect();
    Ok(Fit::direct(Body::Neighbours(Neighbours::new(
        params.clone(),
        design.dense_rows().take(&kept),
        of(rows.target),
        of(rows.weights),
        rows.task.outputs(),
    ))))
}

impl Neighbours {
    fn new(
        params: NeighborsParams,
        rows: Matrix,
        target: Vec<f64>,
        row_weights: Vec<f64>,
        outputs: usize,
    ) -> Self {
        let neighbourhood = Neighbourhood::new(&rows, params.metric);
        Self {
            params,
            rows,
            target,
            row_weights,
            outputs,
            neighbourhood,
        }
    }

    /// The nearest rows' targets, each with how much it counts.
    fn votes(&self, point: &[f64]) -> Vec<(f64, f64)> {
        let near = self.neighbourhood.nearest(point, self.params.n_neighbors);
        let exact = near.iter().any(|near| near.distance == 0.0);
        let counts = |near: &Near| match self.params.weights {
            NeighborWeights::Uniform => 1.0,
            NeighborWeights::Distance if exact => f64::from(u8::from(near.distance == 0.0)),
            NeighborWeights::Distance => 1.0 / self.params.metric.whole(near.distance),
        };
        near.iter()
            .map(|near| {
                let row = near.row as usize;
                (self.target[row], counts(near) * self.row_weights[row])
            })
            .collect()
    }

    /// The mean target of the nearest rows (of two classes the share of 1), or each class's share.
    fn answer(&self, point: &[f64], into: &mut [f64]) {
        into.fill(0.0);
        let mut total = 0.0;
        for (target, weight) in self.votes(point) {
            total += weight;
            match &mut *into {
                [mean] => *mean += target * weight,
                shares => {
                    if let Some(share) = shares.get_mut(target as usize) {
                        *share += weight;
                    }
                }
            }
        }
        into.iter_mut().for_each(|share| *share /= total);
    }
}

impl Learned for Neighbours {
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        let mut point = vec![0.0; batch.width()];
        for (row, into) in into.chunks_exact_mut(self.outputs.max(1)).enumerate() {
            batch.encode(row, &mut point);
            self.answer(&point, into);
        }
    }

    fn importance(&self, _encoding: Option<&Encoding>, _sums: &mut [f64]) {}

    fn write(&self, arrays: &mut ArrayWriter) {
        arrays.f64s("row", &self.rows.values);
        arrays.f64s("row_target", &self.target);
        arrays.f64s("row_weight", &self.row_weights);
    }
}

impl Neighbours {
    /// Reads what was written; takes nothing on trust.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read(
        params: &NeighborsParams,
        shape: &Shape<'_>,
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Self, ModelError> {
        let rows = shape.matrix(arrays.finite_f64s("row")?)?;
        let target = arrays.finite_f64s("row_target")?;
        let row_weights = arrays.finite_f64s("row_weight")?;
        if rows.rows() == 0 || [target.len(), row_weights.len()] != [rows.rows(); 2] {
            return Err(wrong("its rows, targets and weights are not as many"));
        }
        if params.n_neighbors == 0 || !row_weights.iter().all(|weight| *weight > 0.0) {
            return Err(wrong("its neighbours do not count"));
        }
        let classes = shape.task.classes().len();
        let is_class = |target: &f64| *target >= 0.0 && target.fract() == 0.0 && *target < classes as f64;
        if classes > 0 && !target.iter().all(is_class) {
            return Err(wrong("a target is not one of its classes"));
        }
        Ok(Self::new(
            params.clone(),
            rows,
            target,
            row_weights,
            shape.task.outputs(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, assert_close, rows};

    fn fitted(
        target: &str,
        weights: NeighborWeights,
        metric: Metric,
        outputs: usize,
    ) -> (Neighbours, Matrix) {
        let (data, x) = rows();
        let train: Vec<usize> = (0..100).collect();
        let test: Vec<usize> = (100..150).collect();
        let target = data.numbers(&[target])[..100].to_vec();
        let params = NeighborsParams {
            n_neighbors: 6,
            weights,
            metric,
        };
        let model = Neighbours::new(params, x.take(&train), target, vec![1.0; 100], outputs);
        (model, x.take(&test))
    }

    fn answers((model, test): &(Neighbours, Matrix)) -> Vec<f64> {
        let mut into = vec![0.0; model.outputs];
        test.iter()
            .flat_map(|point| {
                model.answer(point, &mut into);
                into.clone()
            })
            .collect()
    }

    #[test]
    fn means_and_shares_are_those_of_scikit_learn() {
        let golden = Golden::read("neighbours");
        for (name, weights, metric) in [
            ("uniform", NeighborWeights::Uniform, Metric::Euclidean),
            ("distance", NeighborWeights::Distance, Metric::Euclidean),
            ("manhattan", NeighborWeights::Distance, Metric::Manhattan),
        ] {
            let numbers = answers(&fitted("number", weights, metric, 1));
            assert_close(&numbers, &golden.numbers(&["regression", name]), 1e-12);
            let shares = answers(&fitted("several", weights, metric, 3));
            assert_close(&shares, &golden.numbers(&["classification", name]), 1e-12);
        }
    }

    #[test]
    fn a_row_at_distance_0_decides_alone() {
        let (model, _) = fitted("number", NeighborWeights::Distance, Metric::Euclidean, 1);
        let mut into = [0.0];
        model.answer(model.rows.row(3), &mut into);
        assert_eq!(into[0], model.target[3]);
    }
}
