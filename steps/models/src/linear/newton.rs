//! Newton's method for few weights: a handful of iterations where gradients alone take hundreds,
//! however much columns say the same.

use super::minimise::Minimum;
use crate::fit::Flow;

/// A symmetric matrix, row by row; only entries with column ≥ row count.
#[derive(Clone, Debug)]
pub(crate) struct Symmetric {
    pub(crate) size: usize,
    pub(crate) entries: Vec<f64>,
}

impl Symmetric {
    pub(crate) fn zero(size: usize) -> Self {
        Self {
            size,
            entries: vec![0.0; size * size],
        }
    }
}

/// Minimises a convex function by Newton steps, halved until the value falls. The arguments give
/// value and gradient, and the matrix of second derivatives. `None` if `observe` stopped it.
pub(crate) fn minimise(
    start: Vec<f64>,
    function: impl Fn(&[f64]) -> (f64, Vec<f64>),
    hessian: impl Fn(&[f64]) -> Symmetric,
    tolerance: f64,
    max_iterations: usize,
    observe: &mut dyn FnMut(usize) -> Flow,
) -> Option<Minimum> {
    let mut at = start;
    let (mut value, mut gradient) = function(&at);
    let mut last_slope = f64::INFINITY;
    for iteration in 0..max_iterations {
        if observe(iteration) == Flow::Stop {
            return None;
        }
        let step = solve(hessian(&at), &gradient);
        // Half the squared Newton decrement is what the step should still gain.
        let slope: f64 = step
            .iter()
            .zip(&gradient)
            .map(|(step, gradient)| step * gradient)
            .sum();
        // Where the value is too coarse to show it, the decrement itself has to fall.
        let value_is_coarse = slope <= 1e-12 * value.abs();
        if slope <= tolerance * tolerance || (value_is_coarse && slope > 0.25 * last_slope) {
            return Some(Minimum {
                at,
                iterations: iteration,
                converged: true,
            });
        }
        let mut length = 1.0;
        let mut moved = None;
        for _ in 0..40 {
            let next: Vec<f64> = at
                .iter()
                .zip(&step)
                .map(|(at, step)| at - length * step)
                .collect();
            let (next_value, next_gradient) = function(&next);
            if next_value <= value - 1e-4 * length * slope || (value_is_coarse && next_value.is_finite()) {
                moved = Some((next, next_value, next_gradient));
                break;
            }
            length *= 0.5;
        }
        // No step lowers the value any more: as near as the arithmetic allows.
        let Some(next) = moved else {
            return Some(Minimum {
                at,
                iterations: iteration,
                converged: true,
            });
        };
        (at, value, gradient) = next;
        last_slope = slope;
    }
    Some(Minimum {
        at,
        iterations: max_iterations,
        converged: false,
    })
}

/// Solves `matrix · x = right` for a positive semi-definite matrix by Cholesky's decomposition. A
/// direction without curvature (a column that says what others say) gets 0.
fn solve(mut matrix: Symmetric, right: &[f64]) -> Vec<f64> {
    let n = matrix.size;
    let entries = &mut matrix.entries;
    let diagonal: Vec<f64> = (0..n).map(|i| entries[i * n + i]).collect();
    // Upper factor U with UᵀU = matrix, in place, a row at a time.
    let mut kept = vec![true; n];
    for i in 0..n {
        let pivot = entries[i * n + i];
        if pivot.is_nan() || pivot <= diagonal[i] * 1e-11 {
            kept[i] = false;
            continue;
        }
        let root = pivot.sqrt();
        let (above, below) = entries.split_at_mut((i + 1) * n);
        let row = &mut above[i * n..];
        row[i] = root;
        row[i + 1..].iter_mut().for_each(|entry| *entry /= root);
        for j in i + 1..n {
            let factor = row[j];
            if factor != 0.0 {
                let target = &mut below[(j - i - 1) * n + j..(j - i) * n];
                target
                    .iter_mut()
                    .zip(&row[j..])
                    .for_each(|(target, entry)| *target -= factor * entry);
            }
        }
    }
    let mut x = right.to_vec();
    for i in 0..n {
        if !kept[i] {
            x[i] = 0.0;
            continue;
        }
        x[i] /= entries[i * n + i];
        let value = x[i];
        let row = &entries[i * n..(i + 1) * n];
        x[i + 1..]
            .iter_mut()
            .zip(&row[i + 1..])
            .for_each(|(x, entry)| *x -= value * entry);
    }
    for i in (0..n).rev() {
        if !kept[i] {
            x[i] = 0.0;
            continue;
        }
        let row = &entries[i * n..(i + 1) * n];
        let rest: f64 = row[i + 1..]
            .iter()
            .zip(&x[i + 1..])
            .map(|(entry, x)| entry * x)
            .sum();
        x[i] = (x[i] - rest) / row[i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symmetric(rows: &[&[f64]]) -> Symmetric {
        Symmetric {
            size: rows.len(),
            entries: rows.concat(),
        }
    }

    #[test]
    fn equations_are_solved() {
        // By hand: 4x + 2y = 8, 2x + 3y = 8 has x = 1, y = 2.
        let x = solve(symmetric(&[&[4.0, 2.0], &[2.0, 3.0]]), &[8.0, 8.0]);
        assert!((x[0] - 1.0).abs() < 1e-14 && (x[1] - 2.0).abs() < 1e-14);
    }

    #[test]
    fn a_column_that_says_what_another_says_gets_nothing() {
        let x = solve(symmetric(&[&[4.0, 4.0], &[4.0, 4.0]]), &[8.0, 8.0]);
        assert_eq!(x, [2.0, 0.0]);
        assert_eq!(solve(symmetric(&[&[0.0]]), &[1.0]), [0.0]);
    }
}
