//! k-means (Lloyd 1982), with the triangle inequality to pass over distances that cannot matter
//! (Hamerly 2010): the clusters are those of plain Lloyd.

use super::seeding::plus_plus;
use crate::error::ModelError;
use crate::fit::{Flow, Progress};
use crate::matrix::{Matrix, add_scaled, squared_distance};
use crate::random::Random;
use rayon::prelude::*;

/// Parts the rows are cut into, at most; sums of parts are added in order.
const PARTS: usize = 64;
/// Rows of a part, at least.
const LEAST_PART: usize = 512;
/// Centers measured side by side.
const LANES: usize = 8;

/// How k-means goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Search {
    pub(crate) clusters: usize,
    /// Starts from other first centers; the best end is kept.
    pub(crate) starts: usize,
    pub(crate) max_iterations: usize,
    /// Ends when the squared moves of all centers sum to at most this share of the mean variance.
    pub(crate) tolerance: f64,
    pub(crate) seed: u64,
}

/// Centers, the cluster of each row, and how the search went.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KMeans {
    pub(crate) centers: Matrix,
    pub(crate) labels: Vec<u32>,
    /// Weighted sum of squared distances to the centers.
    pub(crate) inertia: f64,
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
}

/// Finds clusters.
pub(crate) fn fit(
    rows: &Matrix,
    weights: &[f64],
    search: &Search,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<KMeans, ModelError> {
    let usable = weights.iter().filter(|weight| **weight > 0.0).count();
    if search.clusters == 0 || search.clusters > usable {
        return Err(ModelError::Parameter {
            name: "n_clusters",
            value: search.clusters.to_string(),
            rule: "at least 1 and at most the number of rows",
        });
    }
    let mut best: Option<KMeans> = None;
    for start in 0..search.starts {
        let news = Progress::plain(start, search.starts, "starts");
        if observe(news) == Flow::Stop {
            return Err(ModelError::Stopped);
        }
        let mut random = Random::stream(search.seed, start as u64);
        let centers = plus_plus(rows, weights, search.clusters, &mut random);
        let found = lloyd(rows, weights, centers, search.max_iterations, search.tolerance);
        if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
            best = Some(found);
        }
    }
    let best = best.ok_or(ModelError::Parameter {
        name: "n_init",
        value: "0".to_owned(),
        rule: "at least 1",
    })?;
    if best.inertia.is_finite() {
        Ok(best)
    } else {
        Err(ModelError::NotFinite {
            what: "distance",
            row: 0,
        })
    }
}

/// Centers laid out so that [`LANES`] of them are measured side by side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lanes {
    /// Per group, per column, one entry a lane.
    groups: Vec<[f64; LANES]>,
    columns: usize,
    count: usize,
}

impl Lanes {
    pub(crate) fn new(centers: &Matrix) -> Self {
        let count = centers.rows();
        let mut groups = vec![[0.0; LANES]; count.div_ceil(LANES) * centers.columns];
        for (center, values) in centers.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                groups[center / LANES * centers.columns + column][center % LANES] = *value;
            }
        }
        Self {
            groups,
            columns: centers.columns,
            count,
        }
    }

    /// The nearest center (of equally near ones the first), its squared distance, and that of the
    /// second nearest.
    pub(crate) fn nearest(&self, row: &[f64]) -> (u32, f64, f64) {
        let (mut nearest, mut least, mut second) = (0, f64::INFINITY, f64::INFINITY);
        for (group, centers) in self.groups.chunks_exact(self.columns.max(1)).enumerate() {
            let mut sums = [0.0; LANES];
            for (value, lanes) in row.iter().zip(centers) {
                for lane in 0..LANES {
                    let difference = value - lanes[lane];
                    sums[lane] += difference * difference;
                }
            }
            for (lane, distance) in sums.into_iter().enumerate() {
                let center = group * LANES + lane;
                if center < self.count {
                    if distance < least {
                        second = least;
                        (nearest, least) = (center as u32, distance);
                    } else if distance < second {
                        second = distance;
                    }
                }
            }
        }
        (nearest, least, second)
    }
}

/// What a row knows: its cluster, the distance to its center at most, to any other at least.
#[derive(Clone, Copy)]
struct Bounds {
    label: u32,
    own: f64,
    other: f64,
}

/// Weighted sums of the rows of each cluster.
struct Sums {
    sums: Vec<f64>,
    weights: Vec<f64>,
    moved: bool,
}

/// From given centers to a fixed point, or as near as asked.
pub(crate) fn lloyd(
    rows: &Matrix,
    weights: &[f64],
    mut centers: Matrix,
    max_iterations: usize,
    tolerance: f64,
) -> KMeans {
    let part = rows.rows().div_ceil(PARTS).max(LEAST_PART);
    let tolerance = tolerance * mean_variance(rows, weights);
    let unknown = Bounds {
        label: u32::MAX,
        own: f64::INFINITY,
        other: 0.0,
    };
    let mut bounds = vec![unknown; rows.rows()];
    let (mut iterations, mut converged) = (0, false);
    while iterations < max_iterations && !converged {
        iterations += 1;
        let sums = assign(rows, weights, &centers, &mut bounds, part);
        let moved = sums.moved;
        let next = means(rows, weights, sums, &centers, &bounds);
        let moves: Vec<f64> = next
            .iter()
            .zip(centers.iter())
            .map(|(next, center)| squared_distance(next, center))
            .collect();
        centers = next;
        converged = !moved || moves.iter().sum::<f64>() <= tolerance;
        loosen(&mut bounds, &moves);
    }
    // The labels belong to the centers as they are in the end.
    let lanes = Lanes::new(&centers);
    let nearest: Vec<(u32, f64, f64)> = (0..rows.rows())
        .into_par_iter()
        .with_min_len(LEAST_PART)
        .map(|row| lanes.nearest(rows.row(row)))
        .collect();
    KMeans {
        inertia: nearest.iter().zip(weights).map(|((_, d, _), w)| d * w).sum(),
        labels: nearest.into_iter().map(|(label, ..)| label).collect(),
        centers,
        iterations,
        converged,
    }
}

/// Mean over the columns of their weighted variances.
fn mean_variance(rows: &Matrix, weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    let mut means = vec![0.0; rows.columns];
    for (row, weight) in rows.iter().zip(weights) {
        add_scaled(&mut means, weight / total, row);
    }
    let sum: f64 = rows
        .iter()
        .zip(weights)
        .map(|(row, weight)| squared_distance(row, &means) * (weight / total))
        .sum();
    sum / rows.columns.max(1) as f64
}

/// Gives each row its nearest center, measuring only where the bounds leave a doubt.
fn assign(rows: &Matrix, weights: &[f64], centers: &Matrix, bounds: &mut [Bounds], part: usize) -> Sums {
    let (count, columns) = (centers.rows(), centers.columns);
    let lanes = Lanes::new(centers);
    // Half the distance of each center from the nearest other one: who is nearer cannot be nearer to
    // another center.
    let halves: Vec<f64> = (0..count)
        .map(|center| {
            let nearest = (0..count)
                .filter(|other| *other != center)
                .map(|other| squared_distance(centers.row(center), centers.row(other)))
                .fold(f64::INFINITY, f64::min);
            0.5 * nearest.sqrt()
        })
        .collect();
    let parts: Vec<Sums> = bounds
        .par_chunks_mut(part)
        .enumerate()
        .map(|(nth, bounds)| {
            let mut sums = Sums {
                sums: vec![0.0; count * columns],
                weights: vec![0.0; count],
                moved: false,
            };
            for (row, bound) in (nth * part..).zip(bounds) {
                let values = rows.row(row);
                let old = bound.label as usize;
                if let Some(half) = halves.get(old) {
                    // Bounds were rounded: a doubt of a few units in the last place is a doubt.
                    let safe = half.max(bound.other) * (1.0 - 1e-9);
                    if bound.own >= safe {
                        bound.own = squared_distance(values, centers.row(old)).sqrt();
                        if bound.own >= safe {
                            measure(&lanes, values, bound);
                        }
                    }
                } else {
                    measure(&lanes, values, bound);
                }
                let label = bound.label as usize;
                sums.moved |= label != old;
                add_scaled(
                    &mut sums.sums[label * columns..(label + 1) * columns],
                    weights[row],
                    values,
                );
                sums.weights[label] += weights[row];
            }
            sums
        })
        .collect();
    let mut all = Sums {
        sums: vec![0.0; count * columns],
        weights: vec![0.0; count],
        moved: false,
    };
    for part in &parts {
        add_scaled(&mut all.sums, 1.0, &part.sums);
        add_scaled(&mut all.weights, 1.0, &part.weights);
        all.moved |= part.moved;
    }
    all
}

fn measure(lanes: &Lanes, values: &[f64], bound: &mut Bounds) {
    let (label, own, other) = lanes.nearest(values);
    *bound = Bounds {
        label,
        own: own.sqrt(),
        other: other.sqrt(),
    };
}

/// The clusters' means. An empty cluster gets the row that is farthest from its own center.
fn means(rows: &Matrix, weights: &[f64], mut sums: Sums, centers: &Matrix, bounds: &[Bounds]) -> Matrix {
    let columns = centers.columns;
    let empty: Vec<usize> = (0..centers.rows())
        .filter(|&center| sums.weights[center] <= 0.0)
        .collect();
    if !empty.is_empty() {
        let mut far: Vec<(f64, usize)> = (0..rows.rows())
            .filter(|&row| weights[row] > 0.0)
            .map(|row| {
                let own = centers.row(bounds[row].label as usize);
                (squared_distance(rows.row(row), own), row)
            })
            .collect();
        far.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        for (&center, &(_, row)) in empty.iter().zip(&far) {
            let from = bounds[row].label as usize;
            let (weight, values) = (weights[row], rows.row(row));
            add_scaled(
                &mut sums.sums[from * columns..(from + 1) * columns],
                -weight,
                values,
            );
            sums.weights[from] -= weight;
            add_scaled(
                &mut sums.sums[center * columns..(center + 1) * columns],
                weight,
                values,
            );
            sums.weights[center] += weight;
        }
    }
    let mut next = centers.clone();
    for center in 0..centers.rows() {
        let weight = sums.weights[center];
        if weight > 0.0 {
            let sum = &sums.sums[center * columns..(center + 1) * columns];
            next.row_mut(center)
                .iter_mut()
                .zip(sum)
                .for_each(|(next, sum)| *next = sum / weight);
        }
    }
    next
}

/// Bounds after the centers moved.
fn loosen(bounds: &mut [Bounds], moves: &[f64]) {
    let moves: Vec<f64> = moves.iter().map(|square| square.sqrt()).collect();
    let farthest = moves.iter().copied().fold(0.0, f64::max);
    bounds.par_iter_mut().with_min_len(1 << 14).for_each(|bound| {
        bound.own += moves.get(bound.label as usize).copied().unwrap_or(0.0);
        bound.other -= farthest;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, assert_close, rows};

    fn clouds() -> (Golden, Matrix, Vec<f64>) {
        let golden = Golden::read("clusters");
        let values = golden.numbers(&["clouds"]);
        let (data, _) = rows();
        (golden, Matrix { columns: 5, values }, data.numbers(&["weights"]))
    }

    #[test]
    fn from_the_same_centers_it_goes_where_scikit_learn_goes() {
        let (golden, clouds, weights) = clouds();
        let found = lloyd(&clouds, &weights, clouds.take(&[0, 1, 2]), 1_000, 0.0);
        assert_close(
            &found.centers.values,
            &golden.numbers(&["kmeans", "centers"]),
            1e-10,
        );
        assert_close(&[found.inertia], &golden.numbers(&["kmeans", "inertia"]), 1e-10);
        let labels: Vec<f64> = found.labels.iter().map(|&label| f64::from(label)).collect();
        assert_eq!(labels, golden.numbers(&["kmeans", "labels"]));
        assert_eq!(found.iterations as f64, golden.number(&["kmeans", "iterations"]));
        assert!(found.converged);
    }

    #[test]
    fn bounds_change_nothing_of_what_plain_lloyd_finds() {
        let mut random = Random::new(5);
        let rows = Matrix {
            columns: 3,
            values: (0..9_000).map(|_| random.uniform()).collect(),
        };
        let weights = vec![1.0; 3_000];
        let first = rows.take(&(0..20).collect::<Vec<usize>>());
        let found = lloyd(&rows, &weights, first.clone(), 15, 0.0);
        let mut centers = first;
        for _ in 0..15 {
            let (mut sums, mut counts) = (Matrix::zero(20, 3), [0.0; 20]);
            for row in rows.iter() {
                let distance = |center: &usize| squared_distance(row, centers.row(*center));
                let nearest = (0..20)
                    .min_by(|left, right| distance(left).total_cmp(&distance(right)))
                    .unwrap();
                add_scaled(sums.row_mut(nearest), 1.0, row);
                counts[nearest] += 1.0;
            }
            for (center, count) in counts.iter().enumerate() {
                sums.row_mut(center).iter_mut().for_each(|sum| *sum /= count);
            }
            centers = sums;
        }
        assert_close(&found.centers.values, &centers.values, 1e-12);
    }

    #[test]
    fn a_center_without_rows_goes_to_the_farthest_row() {
        let rows = Matrix {
            columns: 1,
            values: vec![0.0, 1.0, 2.0, 50.0],
        };
        let start = Matrix {
            columns: 1,
            values: vec![1.0, -900.0],
        };
        let found = lloyd(&rows, &[1.0; 4], start, 100, 0.0);
        assert_eq!(found.centers.values, [1.0, 50.0]);
    }

    #[test]
    fn more_clusters_than_rows_are_refused() {
        let (_, clouds, weights) = clouds();
        let search = Search {
            clusters: 151,
            starts: 1,
            max_iterations: 10,
            tolerance: 1e-4,
            seed: 1,
        };
        assert!(fit(&clouds, &weights, &search, &mut |_| Flow::GoOn).is_err());
    }
}
