//! DBSCAN (Ester, Kriegel, Sander and Xu 1996): clusters are where rows lie densely.

use crate::matrix::Matrix;
use crate::neighbours::Metric;
use crate::neighbours::kd_tree::Neighbourhood;
use rayon::prelude::*;

/// Core rows with their clusters; new rows belong to the nearest core row's cluster, if it is near.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dbscan {
    pub(crate) core: Matrix,
    pub(crate) core_labels: Vec<u32>,
    pub(crate) radius: f64,
    metric: Metric,
    neighbourhood: Neighbourhood,
}

/// Clusters of the training rows; `None` is noise.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) model: Dbscan,
    pub(crate) labels: Vec<Option<u32>>,
    pub(crate) clusters: usize,
}

impl Dbscan {
    pub(crate) fn new(core: Matrix, core_labels: Vec<u32>, radius: f64, metric: Metric) -> Self {
        let neighbourhood = Neighbourhood::new(&core, metric);
        Self {
            core,
            core_labels,
            radius,
            metric,
            neighbourhood,
        }
    }

    /// The cluster of the nearest core row within the radius.
    pub(crate) fn label(&self, row: &[f64]) -> Option<u32> {
        self.neighbourhood
            .nearest(row, 1)
            .first()
            .filter(|near| near.distance <= self.metric.reduced(self.radius))
            .and_then(|near| self.core_labels.get(near.row as usize))
            .copied()
    }
}

/// Finds clusters: a row is core if the rows within `radius` of it, itself included, weigh at least
/// `least`; core rows within `radius` of each other share a cluster, and other rows join the first
/// cluster that has a core row within `radius`.
pub(crate) fn fit(rows: &Matrix, weights: &[f64], radius: f64, least: f64, metric: Metric) -> Found {
    let neighbourhood = Neighbourhood::new(rows, metric);
    let near = |row: usize| neighbourhood.within(rows.row(row), radius);
    let is_core: Vec<bool> = (0..rows.rows())
        .into_par_iter()
        .map(|row| {
            let weight: f64 = near(row).iter().map(|&other| weights[other as usize]).sum();
            weight >= least
        })
        .collect();
    let mut labels: Vec<Option<u32>> = vec![None; rows.rows()];
    let mut clusters = 0;
    for first in 0..rows.rows() {
        if !is_core[first] || labels[first].is_some() {
            continue;
        }
        labels[first] = Some(clusters);
        // Rounds of neighbours of neighbours: looked for side by side, joined in order.
        let mut edge = vec![first];
        while !edge.is_empty() {
            let reached: Vec<Vec<u32>> = edge.par_iter().map(|&row| near(row)).collect();
            edge.clear();
            for other in reached.into_iter().flatten().map(|other| other as usize) {
                if labels[other].is_none() {
                    labels[other] = Some(clusters);
                    if is_core[other] {
                        edge.push(other);
                    }
                }
            }
        }
        clusters += 1;
    }
    let core: Vec<usize> = (0..rows.rows()).filter(|&row| is_core[row]).collect();
    let core_labels = core.iter().filter_map(|&row| labels[row]).collect();
    Found {
        model: Dbscan::new(rows.take(&core), core_labels, radius, metric),
        labels,
        clusters: clusters as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, rows};

    #[test]
    fn clusters_and_noise_are_those_of_scikit_learn() {
        let golden = Golden::read("clusters");
        let clouds = Matrix {
            columns: 5,
            values: golden.numbers(&["clouds"]),
        };
        let (data, _) = rows();
        for (name, weights) in [
            ("dbscan_plain", vec![1.0; 150]),
            ("dbscan_weighted", data.numbers(&["weights"])),
        ] {
            let found = fit(&clouds, &weights, 1.9, 6.0, Metric::Euclidean);
            let labels: Vec<f64> = found
                .labels
                .iter()
                .map(|label| label.map_or(-1.0, f64::from))
                .collect();
            assert_eq!(labels, golden.numbers(&[name, "labels"]));
            assert!(labels.contains(&-1.0), "noise is part of the test");
            let core: Vec<usize> = golden
                .numbers(&[name, "core"])
                .iter()
                .map(|&row| row as usize)
                .collect();
            assert_eq!(found.model.core, clouds.take(&core));
        }
    }

    #[test]
    fn a_new_row_joins_the_nearest_core_row_within_the_radius() {
        let line = Matrix {
            columns: 1,
            values: vec![0.0, 1.0, 2.0, 10.0, 11.0, 12.0, 50.0],
        };
        let found = fit(&line, &[1.0; 7], 1.5, 3.0, Metric::Euclidean);
        assert_eq!(found.clusters, 2);
        // Only 1 and 11 are core.
        assert_eq!(found.model.label(&[2.4]), Some(0));
        assert_eq!(found.model.label(&[9.5]), Some(1));
        assert_eq!(found.model.label(&[2.6]), None);
        assert_eq!(found.labels[6], None);
    }

    #[test]
    fn without_core_rows_all_is_noise() {
        let line = Matrix {
            columns: 1,
            values: vec![0.0, 10.0],
        };
        let found = fit(&line, &[1.0; 2], 1.0, 2.0, Metric::Euclidean);
        assert_eq!(found.labels, [None, None]);
        assert_eq!(found.model.label(&[0.0]), None);
    }
}
