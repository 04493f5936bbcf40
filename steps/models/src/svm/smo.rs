//! The dual problem of support vector machines, two multipliers at a time: sequential minimal
//! optimisation (Platt 1998) with second-order choice of the pair (Fan, Chen and Lin 2005), as in
//! LIBSVM.

use super::kernel::Kernel;
use crate::error::ModelError;
use crate::fit::{Flow, Progress};
use crate::matrix::Matrix;
use rayon::prelude::*;
use std::rc::Rc;

/// Bytes of kernel rows that are kept.
const CACHE_BYTES: usize = 512 << 20;
/// Least curvature of a pair.
const LEAST_CURVATURE: f64 = 1e-12;
/// Multiplications worth a thread of their own.
const WORTH_A_THREAD: usize = 1 << 14;

/// `min ½ αᵀQα + pᵀα` with `Σ signᵢαᵢ = 0` and `0 ≤ αᵢ ≤ capᵢ`, where `Qᵢⱼ = signᵢ·signⱼ·K(xᵢ, xⱼ)`
/// and `xᵢ` is row `of[i]` of the cache's.
pub(crate) struct Dual<'a> {
    pub(crate) of: &'a [usize],
    pub(crate) signs: &'a [f64],
    pub(crate) linear: &'a [f64],
    pub(crate) caps: &'a [f64],
}

/// Multipliers, and the shift to be taken from `Σ signᵢαᵢK(xᵢ, x)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Multipliers {
    pub(crate) alphas: Vec<f64>,
    pub(crate) shift: f64,
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
}

/// Kernel rows, the ones used last. One cache may serve several problems over the same rows.
pub(crate) struct Cache<'a> {
    rows: &'a Matrix,
    kernel: Kernel,
    /// By row: the values and when they were used last.
    lines: Vec<Option<(Rc<[f64]>, u64)>>,
    room: usize,
    held: usize,
    clock: u64,
}

impl<'a> Cache<'a> {
    /// Whether the kernel of all rows with all rows can be kept.
    pub(crate) fn holds_all(rows: &Matrix) -> bool {
        let count = rows.rows();
        count.saturating_mul(count).saturating_mul(size_of::<f64>()) <= CACHE_BYTES
    }

    pub(crate) fn new(rows: &'a Matrix, kernel: Kernel) -> Self {
        let line_bytes = rows.rows().max(1) * size_of::<f64>();
        Self {
            rows,
            kernel,
            lines: vec![None; rows.rows()],
            room: (CACHE_BYTES / line_bytes).max(2),
            held: 0,
            clock: 0,
        }
    }

    /// The kernel of a row with every row.
    fn line(&mut self, row: usize) -> Rc<[f64]> {
        self.clock += 1;
        if let Some((line, used)) = &mut self.lines[row] {
            *used = self.clock;
            return Rc::clone(line);
        }
        if self.held == self.room {
            let used = |line: &Option<(Rc<[f64]>, u64)>| line.as_ref().map_or(u64::MAX, |(_, used)| *used);
            if let Some(oldest) = self.lines.iter_mut().min_by_key(|line| used(line)) {
                *oldest = None;
            }
            self.held -= 1;
        }
        let point = self.rows.row(row);
        let least = WORTH_A_THREAD.div_ceil(self.rows.columns.max(1) + 16);
        let mut values = vec![0.0; self.rows.rows()];
        values
            .par_iter_mut()
            .with_min_len(least)
            .enumerate()
            .for_each(|(other, value)| *value = self.kernel.between(point, self.rows.row(other)));
        let line: Rc<[f64]> = values.into();
        self.lines[row] = Some((Rc::clone(&line), self.clock));
        self.held += 1;
        line
    }
}

/// Solves the problem: ends when the largest violation of the optimality conditions is at most
/// `tolerance`.
pub(crate) fn solve(
    dual: &Dual<'_>,
    cache: &mut Cache<'_>,
    tolerance: f64,
    max_iterations: usize,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Multipliers, ModelError> {
    let count = dual.of.len();
    let (signs, caps, of) = (dual.signs, dual.caps, dual.of);
    let own: Vec<f64> = of
        .iter()
        .map(|&row| cache.kernel.between(cache.rows.row(row), cache.rows.row(row)))
        .collect();
    let mut alphas = vec![0.0; count];
    let mut gradient = dual.linear.to_vec();
    let can_rise = |at: usize, alpha: f64| {
        if signs[at] > 0.0 {
            alpha < caps[at]
        } else {
            alpha > 0.0
        }
    };
    let can_fall = |at: usize, alpha: f64| {
        if signs[at] > 0.0 {
            alpha > 0.0
        } else {
            alpha < caps[at]
        }
    };
    let (mut iterations, mut converged) = (0, false);
    while iterations < max_iterations {
        // First of the pair: the steepest that can rise.
        let (mut first, mut steepest) = (usize::MAX, f64::NEG_INFINITY);
        for at in 0..count {
            if can_rise(at, alphas[at]) {
                let slope = -signs[at] * gradient[at];
                if slope > steepest {
                    (first, steepest) = (at, slope);
                }
            }
        }
        if first == usize::MAX {
            converged = true;
            break;
        }
        // Second: the one that promises the largest decrease together with the first.
        let line = cache.line(of[first]);
        let (mut second, mut best, mut lowest) = (usize::MAX, f64::INFINITY, f64::INFINITY);
        for at in 0..count {
            if can_fall(at, alphas[at]) {
                let slope = -signs[at] * gradient[at];
                lowest = lowest.min(slope);
                let gain = steepest - slope;
                if gain > 0.0 {
                    let curvature = (own[first] + own[at] - 2.0 * line[of[at]]).max(LEAST_CURVATURE);
                    let decrease = -gain * gain / curvature;
                    if decrease < best {
                        (second, best) = (at, decrease);
                    }
                }
            }
        }
        if steepest - lowest <= tolerance || second == usize::MAX {
            converged = true;
            break;
        }
        if iterations % 1_000 == 0 {
            let news = Progress::plain(iterations, max_iterations, "iterations");
            if observe(news) == Flow::Stop {
                return Err(ModelError::Stopped);
            }
        }
        iterations += 1;
        let other = cache.line(of[second]);
        let curvature = (own[first] + own[second] - 2.0 * line[of[second]]).max(LEAST_CURVATURE);
        let slope = -signs[second] * gradient[second];
        // signs·alphas move by +step and −step, as far as both caps allow.
        let room = |at: usize, up: bool| {
            if (signs[at] > 0.0) == up {
                caps[at] - alphas[at]
            } else {
                alphas[at]
            }
        };
        let rooms = [room(first, true), room(second, false)];
        let step = ((steepest - slope) / curvature).min(rooms[0]).min(rooms[1]);
        for (at, up, room) in [(first, true, rooms[0]), (second, false, rooms[1])] {
            let rises = (signs[at] > 0.0) == up;
            // Whoever reaches a border is put on it exactly.
            alphas[at] = match (step == room, rises) {
                (true, true) => caps[at],
                (true, false) => 0.0,
                (false, true) => (alphas[at] + step).min(caps[at]),
                (false, false) => (alphas[at] - step).max(0.0),
            };
        }
        for at in 0..count {
            gradient[at] += signs[at] * step * (line[of[at]] - other[of[at]]);
        }
    }
    Ok(Multipliers {
        shift: shift(signs, caps, &alphas, &gradient),
        alphas,
        iterations,
        converged,
    })
}

/// The mean of `sign·gradient` over free multipliers; without any, the middle of what the bound ones
/// allow.
fn shift(signs: &[f64], caps: &[f64], alphas: &[f64], gradient: &[f64]) -> f64 {
    let (mut sum, mut free) = (0.0, 0.0);
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    for at in 0..alphas.len() {
        let value = signs[at] * gradient[at];
        if alphas[at] >= caps[at] {
            if signs[at] > 0.0 {
                low = low.max(value);
            } else {
                high = high.min(value);
            }
        } else if alphas[at] <= 0.0 {
            if signs[at] > 0.0 {
                high = high.min(value);
            } else {
                low = low.max(value);
            }
        } else {
            sum += value;
            free += 1.0;
        }
    }
    if free > 0.0 {
        sum / free
    } else {
        0.5 * (low + high)
    }
}
