//! Coordinate descent for squared functions with absolute values added (Friedman, Hastie and
//! Tibshirani 2010), on the matrix of second derivatives: a sweep costs the same however many rows.

use super::newton::Symmetric;
use super::proximal::soft_threshold;
use crate::matrix::{add_scaled, dot};

/// `½ wᵀQw − qᵀw + Σ l1ⱼ·|wⱼ| + ½ Σ l2ⱼ·wⱼ²`.
pub(crate) struct Quadratic {
    /// Q, both halves filled.
    matrix: Symmetric,
    linear: Vec<f64>,
    pub(crate) l1: Vec<f64>,
    pub(crate) l2: Vec<f64>,
}

/// A point and `q − Qw` there.
pub(crate) struct Point {
    pub(crate) at: Vec<f64>,
    pub(crate) slack: Vec<f64>,
}

impl Quadratic {
    /// Of `matrix` only the upper half is read.
    pub(crate) fn new(mut matrix: Symmetric, linear: Vec<f64>, l1: Vec<f64>, l2: Vec<f64>) -> Self {
        let size = matrix.size;
        for row in 1..size {
            for column in 0..row {
                matrix.entries[row * size + column] = matrix.entries[column * size + row];
            }
        }
        Self {
            matrix,
            linear,
            l1,
            l2,
        }
    }

    /// Another `q`.
    pub(crate) fn set_linear(&mut self, linear: Vec<f64>) {
        self.linear = linear;
    }

    fn line(&self, row: usize) -> &[f64] {
        &self.matrix.entries[row * self.matrix.size..(row + 1) * self.matrix.size]
    }

    /// `Q·vector`.
    pub(crate) fn times(&self, vector: &[f64]) -> Vec<f64> {
        (0..self.matrix.size)
            .map(|row| dot(self.line(row), vector))
            .collect()
    }

    pub(crate) fn point(&self, at: Vec<f64>) -> Point {
        let slack = self
            .times(&at)
            .iter()
            .zip(&self.linear)
            .map(|(product, linear)| linear - product)
            .collect();
        Point { at, slack }
    }

    /// Minimises along one coordinate; gives the change in units of its curvature's root.
    fn move_along(&self, j: usize, point: &mut Point, positive: bool) -> f64 {
        let second = self.matrix.entries[j * self.matrix.size + j];
        let curvature = second + self.l2[j];
        let old = point.at[j];
        let new = if curvature > 0.0 {
            let pull = point.slack[j] + second * old;
            if positive && pull < 0.0 {
                0.0
            } else {
                soft_threshold(pull, self.l1[j]) / curvature
            }
        } else {
            0.0
        };
        let change = new - old;
        if change != 0.0 {
            point.at[j] = new;
            add_scaled(&mut point.slack, -change, self.line(j));
        }
        change.abs() * curvature.max(0.0).sqrt()
    }

    /// One sweep over all coordinates, then sweeps over those that are not 0 until they move by at
    /// most `tolerance`. Gives the largest move of the full sweep, and the sweeps done.
    pub(crate) fn sweep(
        &self,
        point: &mut Point,
        tolerance: f64,
        positive: bool,
        limit: usize,
    ) -> (f64, usize) {
        let size = self.matrix.size;
        let mut largest: f64 = 0.0;
        for j in 0..size {
            largest = largest.max(self.move_along(j, point, positive));
        }
        let mut sweeps = 1;
        let mut move_of_last = largest;
        while move_of_last > tolerance && sweeps < limit {
            move_of_last = 0.0;
            for j in 0..size {
                if point.at[j] != 0.0 {
                    move_of_last = move_of_last.max(self.move_along(j, point, positive));
                }
            }
            sweeps += 1;
        }
        (largest, sweeps)
    }
}

/// Where coordinate descent ended.
pub(crate) struct Descent {
    pub(crate) at: Vec<f64>,
    pub(crate) sweeps: usize,
    pub(crate) converged: bool,
}

/// Elastic net on centred columns: `matrix` is `XᵀX/n`, `linear` `Xᵀy/n`, `square` `yᵀy/n`. Ends
/// when the duality gap is at most `tolerance·square` (as scikit-learn does).
pub(crate) fn elastic_net(
    quadratic: &Quadratic,
    square: f64,
    tolerance: f64,
    max_sweeps: usize,
    positive: bool,
    mut observe: impl FnMut(usize) -> bool,
) -> Option<Descent> {
    let mut point = quadratic.point(vec![0.0; quadratic.linear.len()]);
    let mut sweeps = 0;
    // Moves below this cannot leave a gap that matters; the gap decides.
    let mut fine = tolerance.sqrt().min(1e-3) * square.sqrt();
    loop {
        let (moved, done) = quadratic.sweep(&mut point, fine, positive, max_sweeps - sweeps);
        sweeps += done;
        let gap = duality_gap(quadratic, &point, square, positive);
        // A sweep that moves nothing is as near as the arithmetic allows. Without `l1` there is no
        // dual point and the moves alone decide.
        let still = if quadratic.l1.iter().all(|l1| *l1 == 0.0) {
            tolerance
        } else {
            1e-15
        };
        let converged = gap <= tolerance * square || moved <= still * square.sqrt();
        if !observe(sweeps) {
            return None;
        }
        if converged || sweeps >= max_sweeps {
            return Some(Descent {
                at: point.at,
                sweeps,
                converged,
            });
        }
        fine *= 0.1;
    }
}

/// Primal minus dual objective of the elastic net, with the dual point of Kim et al. 2007.
fn duality_gap(quadratic: &Quadratic, point: &Point, square: f64, positive: bool) -> f64 {
    let (l1, l2) = (
        quadratic.l1.first().copied().unwrap_or(0.0),
        quadratic.l2.first().copied().unwrap_or(0.0),
    );
    let explained = dot(&quadratic.linear, &point.at);
    // wᵀQw = wᵀ(q − slack).
    let residual = (square - explained - dot(&point.slack, &point.at)).max(0.0);
    let size_of = |pull: f64| if positive { pull } else { pull.abs() };
    let steepest = point
        .slack
        .iter()
        .zip(&point.at)
        .map(|(slack, at)| size_of(slack - l2 * at))
        .fold(0.0, f64::max);
    let absolute: f64 = point.at.iter().map(|at| at.abs()).sum();
    let squares = dot(&point.at, &point.at);
    let shrink = if steepest > l1 { l1 / steepest } else { 1.0 };
    0.5 * residual * (1.0 + shrink * shrink) + l1 * absolute - shrink * (square - explained)
        + 0.5 * l2 * (1.0 + shrink * shrink) * squares
}
