//! Gaussian mixtures by expectation and maximisation (Dempster, Laird and Rubin 1977).

use super::k_means;
use crate::error::ModelError;
use crate::fit::{Flow, Progress};
use crate::linear::multinomial::softmax;
use crate::matrix::{Matrix, add_scaled};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows one thread works on at a time; partial sums are added in order.
const CHUNK: usize = 1 << 10;

/// What components' shapes may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covariance {
    /// Each component has its own covariance matrix.
    #[default]
    Full,
    /// All share one.
    Tied,
    /// Each has its own variances, columns being independent.
    Diag,
    /// Each has one variance for all columns.
    Spherical,
}

/// How a mixture is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Search {
    pub(crate) components: usize,
    pub(crate) covariance: Covariance,
    pub(crate) starts: usize,
    pub(crate) max_iterations: usize,
    /// Ends when the mean log likelihood of a row rises by less.
    pub(crate) tolerance: f64,
    /// Added to variances, so that none is 0.
    pub(crate) least_variance: f64,
    pub(crate) seed: u64,
}

/// Weighted normal distributions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mixture {
    pub(crate) covariance: Covariance,
    pub(crate) weights: Vec<f64>,
    pub(crate) means: Matrix,
    /// Full: one lower Cholesky factor a component; tied: one; diag: deviations, one line a
    /// component; spherical: one deviation a component.
    pub(crate) factors: Vec<f64>,
}

/// A mixture and how the search went.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) mixture: Mixture,
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
    /// Mean log likelihood of the training rows.
    pub(crate) log_likelihood: f64,
}

impl Mixture {
    /// Numbers a component's factor has.
    pub(crate) fn factor_size(covariance: Covariance, columns: usize) -> usize {
        match covariance {
            Covariance::Full | Covariance::Tied => columns * columns,
            Covariance::Diag => columns,
            Covariance::Spherical => 1,
        }
    }

    fn factor(&self, component: usize) -> &[f64] {
        let size = Self::factor_size(self.covariance, self.means.columns);
        let at = if self.covariance == Covariance::Tied {
            0
        } else {
            component
        };
        &self.factors[at * size..(at + 1) * size]
    }

    /// Log of the determinant of each component's factor.
    fn log_determinants(&self) -> Vec<f64> {
        let columns = self.means.columns;
        (0..self.weights.len())
            .map(|component| {
                let factor = self.factor(component);
                match self.covariance {
                    Covariance::Full | Covariance::Tied => {
                        (0..columns).map(|at| factor[at * columns + at].ln()).sum()
                    }
                    Covariance::Diag => factor.iter().map(|deviation| deviation.ln()).sum(),
                    Covariance::Spherical => factor[0].ln() * columns as f64,
                }
            })
            .collect()
    }

    /// Prepares for many rows.
    pub(crate) fn density(&self) -> Density<'_> {
        Density {
            mixture: self,
            log_determinants: self.log_determinants(),
        }
    }

    /// Numbers that were fitted.
    pub(crate) fn parameters(&self) -> usize {
        let (components, columns) = (self.weights.len(), self.means.columns);
        let covariances = match self.covariance {
            Covariance::Full => components * columns * (columns + 1) / 2,
            Covariance::Tied => columns * (columns + 1) / 2,
            Covariance::Diag => components * columns,
            Covariance::Spherical => components,
        };
        covariances + components * columns + components - 1
    }
}

impl Found {
    /// Akaike's and Bayes' (Schwarz 1978) information criteria over rows of this total weight.
    pub(crate) fn criteria(&self, total: f64) -> (f64, f64) {
        let parameters = self.mixture.parameters() as f64;
        let misfit = -2.0 * self.log_likelihood * total;
        (misfit + 2.0 * parameters, misfit + parameters * total.ln())
    }
}

/// A mixture with what all rows share.
pub(crate) struct Density<'a> {
    mixture: &'a Mixture,
    log_determinants: Vec<f64>,
}

impl Density<'_> {
    /// Fills in the probability of each component and gives the log density of the row.
    pub(crate) fn probabilities(&self, row: &[f64], scratch: &mut [f64], into: &mut [f64]) -> f64 {
        let mixture = self.mixture;
        let columns = mixture.means.columns;
        for (component, into) in into.iter_mut().enumerate() {
            let factor = mixture.factor(component);
            let mean = mixture.means.row(component);
            let mut square = 0.0;
            match mixture.covariance {
                Covariance::Full | Covariance::Tied => {
                    // Forward substitution: L·z = row − mean.
                    for at in 0..columns {
                        let line = &factor[at * columns..at * columns + at];
                        let known = crate::matrix::dot(line, &scratch[..at]);
                        scratch[at] = (row[at] - mean[at] - known) / factor[at * columns + at];
                        square += scratch[at] * scratch[at];
                    }
                }
                Covariance::Diag => {
                    for ((value, mean), deviation) in row.iter().zip(mean).zip(factor) {
                        let z = (value - mean) / deviation;
                        square += z * z;
                    }
                }
                Covariance::Spherical => {
                    square = crate::matrix::squared_distance(row, mean) / (factor[0] * factor[0]);
                }
            }
            *into = mixture.weights[component].ln()
                - self.log_determinants[component]
                - 0.5 * (square + columns as f64 * std::f64::consts::TAU.ln());
        }
        softmax(into)
    }
}

/// Lower factor L with LLᵀ = matrix, of which the lower half is read. `None` if it is not positive
/// definite.
fn cholesky(matrix: &[f64], size: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..=row {
            let known = crate::matrix::dot(
                &factor[row * size..row * size + column],
                &factor[column * size..column * size + column],
            );
            let rest = matrix[row * size + column] - known;
            factor[row * size + column] = if column < row {
                rest / factor[column * size + column]
            } else if rest > 0.0 && rest.is_finite() {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(factor)
}

/// Finds a mixture; each start begins at the clusters of k-means.
pub(crate) fn fit(
    rows: &Matrix,
    weights: &[f64],
    search: &Search,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Found, ModelError> {
    if search.components > weights.iter().filter(|weight| **weight > 0.0).count() {
        return Err(ModelError::Parameter {
            name: "n_components",
            value: search.components.to_string(),
            rule: "at most the number of rows",
        });
    }
    let mut best: Option<Found> = None;
    for start in 0..search.starts as u64 {
        let clusters = k_means::Search {
            clusters: search.components,
            starts: 1,
            max_iterations: 300,
            tolerance: 1e-4,
            seed: search.seed.wrapping_add(start),
        };
        let labels = k_means::fit(rows, weights, &clusters, &mut |_| Flow::GoOn)?.labels;
        let mut shares = Matrix::zero(rows.rows(), search.components);
        for (row, label) in labels.iter().enumerate() {
            shares.row_mut(row)[*label as usize] = 1.0;
        }
        let found = climb(rows, weights, shares, search, observe)?;
        if best
            .as_ref()
            .is_none_or(|best| found.log_likelihood > best.log_likelihood)
        {
            best = Some(found);
        }
    }
    best.ok_or(ModelError::Parameter {
        name: "n_init",
        value: "0".to_owned(),
        rule: "at least 1",
    })
}

/// Expectation and maximisation in turn, from the rows' shares in the components on.
fn climb(
    rows: &Matrix,
    weights: &[f64],
    mut shares: Matrix,
    search: &Search,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Found, ModelError> {
    let mut last = f64::NEG_INFINITY;
    let mut mixture = maximise(rows, weights, &shares, search)?;
    for iteration in 1..=search.max_iterations {
        let news = Progress::plain(iteration, search.max_iterations, "iterations");
        if observe(news) == Flow::Stop {
            return Err(ModelError::Stopped);
        }
        let log_likelihood = expect(rows, weights, &mixture, &mut shares);
        if !log_likelihood.is_finite() {
            return Err(ModelError::NotFinite {
                what: "log likelihood",
                row: 0,
            });
        }
        mixture = maximise(rows, weights, &shares, search)?;
        let converged = (log_likelihood - last).abs() < search.tolerance;
        last = log_likelihood;
        if converged || iteration == search.max_iterations {
            let log_likelihood = expect(rows, weights, &mixture, &mut shares);
            return Ok(Found {
                mixture,
                iterations: iteration,
                converged,
                log_likelihood,
            });
        }
    }
    Err(ModelError::Parameter {
        name: "max_iter",
        value: "0".to_owned(),
        rule: "at least 1",
    })
}

/// Fills in the rows' shares and gives their mean log likelihood.
fn expect(rows: &Matrix, weights: &[f64], mixture: &Mixture, shares: &mut Matrix) -> f64 {
    let density = mixture.density();
    let components = mixture.weights.len();
    let parts: Vec<f64> = shares
        .values
        .par_chunks_mut(CHUNK * components)
        .enumerate()
        .map(|(chunk, shares)| {
            let mut scratch = vec![0.0; rows.columns];
            (chunk * CHUNK..)
                .zip(shares.chunks_exact_mut(components))
                .map(|(row, into)| weights[row] * density.probabilities(rows.row(row), &mut scratch, into))
                .sum()
        })
        .collect();
    parts.iter().sum::<f64>() / weights.iter().sum::<f64>()
}

/// Sums vectors of `size` over the rows: `add` adds one row's part.
fn sum_rows(rows: &Matrix, size: usize, add: impl Fn(usize, &mut [f64], &mut [f64]) + Sync) -> Vec<f64> {
    let count = rows.rows();
    let chunks: Vec<usize> = (0..count.div_ceil(CHUNK)).collect();
    let mut sum = vec![0.0; size];
    // In batches: a sum may be large.
    for batch in chunks.chunks(16) {
        let parts: Vec<Vec<f64>> = batch
            .par_iter()
            .map(|chunk| {
                let mut part = vec![0.0; size];
                let mut scratch = vec![0.0; rows.columns];
                for row in chunk * CHUNK..((chunk + 1) * CHUNK).min(count) {
                    add(row, &mut scratch, &mut part);
                }
                part
            })
            .collect();
        for part in &parts {
            add_scaled(&mut sum, 1.0, part);
        }
    }
    sum
}

/// The most likely mixture for given shares.
fn maximise(rows: &Matrix, weights: &[f64], shares: &Matrix, search: &Search) -> Result<Mixture, ModelError> {
    let (components, columns) = (search.components, rows.columns);
    let line = columns + 1;
    let sums = sum_rows(rows, components * line, |row, _, into| {
        for (into, share) in into.chunks_exact_mut(line).zip(shares.row(row)) {
            let share = share * weights[row];
            add_scaled(&mut into[..columns], share, rows.row(row));
            into[columns] += share;
        }
    });
    let totals: Vec<f64> = sums
        .chunks_exact(line)
        .map(|sums| sums[columns] + 10.0 * f64::EPSILON)
        .collect();
    let mut means = Matrix::zero(components, columns);
    for (component, sums) in sums.chunks_exact(line).enumerate() {
        let total = totals[component];
        means
            .row_mut(component)
            .iter_mut()
            .zip(sums)
            .for_each(|(mean, sum)| *mean = sum / total);
    }
    let all: f64 = totals.iter().sum();
    let size = Mixture::factor_size(search.covariance, columns);
    let tied = search.covariance == Covariance::Tied;
    let kept = if tied { 1 } else { components };
    let spreads = sum_rows(rows, kept * size, |row, centred, into| {
        for component in 0..components {
            let share = shares.row(row)[component] * weights[row];
            if share == 0.0 {
                continue;
            }
            for ((centred, value), mean) in centred.iter_mut().zip(rows.row(row)).zip(means.row(component)) {
                *centred = value - mean;
            }
            let at = if tied { 0 } else { component };
            let into = &mut into[at * size..(at + 1) * size];
            match search.covariance {
                Covariance::Full | Covariance::Tied => {
                    for (at, value) in centred.iter().enumerate() {
                        add_scaled(
                            &mut into[at * columns..=at * columns + at],
                            share * value,
                            centred,
                        );
                    }
                }
                Covariance::Diag => into
                    .iter_mut()
                    .zip(centred.iter())
                    .for_each(|(into, value)| *into += share * *value * *value),
                Covariance::Spherical => into[0] += share * crate::matrix::dot(centred, centred),
            }
        }
    });
    let mut factors = Vec::with_capacity(kept * size);
    for (nth, spread) in spreads.chunks_exact(size).enumerate() {
        let total = if tied { all } else { totals[nth] };
        match search.covariance {
            Covariance::Full | Covariance::Tied => {
                let mut matrix: Vec<f64> = spread.iter().map(|spread| spread / total).collect();
                for at in 0..columns {
                    matrix[at * columns + at] += search.least_variance;
                }
                let factor = cholesky(&matrix, columns).ok_or(ModelError::Parameter {
                    name: "reg_covar",
                    value: search.least_variance.to_string(),
                    rule: "larger: a component's covariance is not positive definite",
                })?;
                factors.extend(factor);
            }
            Covariance::Diag => {
                factors.extend(spread.iter().map(|s| (s / total + search.least_variance).sqrt()));
            }
            Covariance::Spherical => {
                factors.push((spread[0] / total / columns as f64 + search.least_variance).sqrt());
            }
        }
    }
    if factors.iter().any(|factor| !factor.is_finite()) {
        return Err(ModelError::NotFinite {
            what: "covariance",
            row: 0,
        });
    }
    Ok(Mixture {
        covariance: search.covariance,
        weights: totals.iter().map(|total| total / all).collect(),
        means,
        factors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{Golden, assert_close};

    #[test]
    fn every_kind_of_covariance_ends_where_scikit_learn_ends() {
        let golden = Golden::read("clusters");
        let clouds = Matrix {
            columns: 5,
            values: golden.numbers(&["clouds"]),
        };
        for (name, covariance) in [
            ("mixture_full", Covariance::Full),
            ("mixture_tied", Covariance::Tied),
            ("mixture_diag", Covariance::Diag),
            ("mixture_spherical", Covariance::Spherical),
        ] {
            let search = Search {
                components: 3,
                covariance,
                starts: 1,
                max_iterations: 10_000,
                tolerance: 1e-12,
                least_variance: 1e-6,
                seed: 3,
            };
            let found = fit(&clouds, &[1.0; 150], &search, &mut |_| Flow::GoOn).unwrap();
            assert!(found.converged);
            let mixture = &found.mixture;
            let mut order = [0, 1, 2];
            order.sort_by(|&l, &r| mixture.means.row(l)[0].total_cmp(&mixture.means.row(r)[0]));
            assert_close(
                &mixture.means.take(&order).values,
                &golden.numbers(&[name, "means"]),
                1e-5,
            );
            let weights = order.map(|component| mixture.weights[component]);
            assert_close(&weights, &golden.numbers(&[name, "weights"]), 1e-5);
            let density = mixture.density();
            let (mut scratch, mut shares) = ([0.0; 5], [0.0; 3]);
            let probabilities: Vec<f64> = clouds
                .iter()
                .flat_map(|row| {
                    density.probabilities(row, &mut scratch, &mut shares);
                    order.map(|component| shares[component])
                })
                .collect();
            assert_close(&probabilities, &golden.numbers(&[name, "probabilities"]), 1e-5);
            assert_close(&[found.log_likelihood], &golden.numbers(&[name, "score"]), 1e-9);
            let (aic, bic) = found.criteria(150.0);
            assert_close(&[bic], &golden.numbers(&[name, "bic"]), 1e-9);
            assert_close(&[aic], &golden.numbers(&[name, "aic"]), 1e-9);
        }
    }

    #[test]
    fn a_row_of_weight_two_is_a_row_that_stands_twice() {
        let golden = Golden::read("clusters");
        let clouds = Matrix {
            columns: 5,
            values: golden.numbers(&["clouds"]),
        };
        let shares = Matrix {
            columns: 2,
            values: (0..150)
                .flat_map(|row| [f64::from(row % 2), f64::from((row + 1) % 2)])
                .collect(),
        };
        let search = Search {
            components: 2,
            covariance: Covariance::Full,
            starts: 1,
            max_iterations: 5,
            tolerance: 0.0,
            least_variance: 1e-6,
            seed: 3,
        };
        let weights: Vec<f64> = (0..150).map(|row| if row < 50 { 2.0 } else { 1.0 }).collect();
        let weighted = climb(&clouds, &weights, shares.clone(), &search, &mut |_| Flow::GoOn).unwrap();
        let places: Vec<usize> = (0..150).chain(0..50).collect();
        let (twice, shares) = (clouds.take(&places), shares.take(&places));
        let twice = climb(&twice, &[1.0; 200], shares, &search, &mut |_| Flow::GoOn).unwrap();
        assert_close(&weighted.mixture.factors, &twice.mixture.factors, 1e-9);
        assert_close(&[weighted.log_likelihood], &[twice.log_likelihood], 1e-9);
    }
}
