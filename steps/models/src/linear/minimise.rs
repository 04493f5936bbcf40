//! Minimising a smooth convex function: L-BFGS (Liu and Nocedal 1989) with a backtracking search.

use crate::fit::Flow;

/// Pairs of steps and gradient changes remembered.
const MEMORY: usize = 12;

/// Where the search ended.
pub(crate) struct Minimum {
    pub(crate) at: Vec<f64>,
    pub(crate) iterations: usize,
    pub(crate) converged: bool,
}

/// Minimises `function`, which gives value and gradient, from `start` until no entry of the
/// gradient exceeds `tolerance`. `None` if `observe` stopped it.
pub(crate) fn minimise(
    start: Vec<f64>,
    function: impl Fn(&[f64]) -> (f64, Vec<f64>),
    tolerance: f64,
    max_iterations: usize,
    observe: &mut dyn FnMut(usize) -> Flow,
) -> Option<Minimum> {
    let mut at = start;
    let (mut value, mut gradient) = function(&at);
    let mut pairs: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    for iteration in 0..max_iterations {
        if largest(&gradient) <= tolerance {
            return Some(Minimum {
                at,
                iterations: iteration,
                converged: true,
            });
        }
        if observe(iteration) == Flow::Stop {
            return None;
        }
        let mut direction = two_loop(&gradient, &pairs);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 || !slope.is_finite() {
            pairs.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = -dot(&gradient, &gradient);
        }
        let mut length = if pairs.is_empty() {
            (1.0 / largest(&gradient)).min(1.0)
        } else {
            1.0
        };
        let mut moved = None;
        for _ in 0..50 {
            let next: Vec<f64> = at
                .iter()
                .zip(&direction)
                .map(|(at, step)| at + length * step)
                .collect();
            let (next_value, next_gradient) = function(&next);
            // Where the value is too coarse to show it, the slope has to fall (Hager and Zhang 2005).
            let flatter = || {
                next_value <= value + 1e-13 * value.abs()
                    && dot(&direction, &next_gradient).abs() <= 0.9 * slope.abs()
            };
            if next_value <= value + 1e-4 * length * slope && next_value < value || flatter() {
                moved = Some((next, next_value, next_gradient));
                break;
            }
            length *= 0.5;
        }
        // No step lowers the value any more: as near as the arithmetic allows.
        let Some((next, next_value, next_gradient)) = moved else {
            return Some(Minimum {
                at,
                iterations: iteration,
                converged: true,
            });
        };
        let step: Vec<f64> = next.iter().zip(&at).map(|(next, at)| next - at).collect();
        let change: Vec<f64> = next_gradient
            .iter()
            .zip(&gradient)
            .map(|(next, old)| next - old)
            .collect();
        let curvature = dot(&step, &change);
        if curvature > 1e-12 * dot(&change, &change) {
            if pairs.len() == MEMORY {
                pairs.remove(0);
            }
            pairs.push((step, change, 1.0 / curvature));
        }
        (at, value, gradient) = (next, next_value, next_gradient);
    }
    Some(Minimum {
        at,
        iterations: max_iterations,
        converged: false,
    })
}

fn two_loop(gradient: &[f64], pairs: &[(Vec<f64>, Vec<f64>, f64)]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut factors = Vec::with_capacity(pairs.len());
    for (step, change, inverse) in pairs.iter().rev() {
        let factor = inverse * dot(step, &direction);
        add(&mut direction, -factor, change);
        factors.push(factor);
    }
    if let Some((step, change, _)) = pairs.last() {
        let scale = dot(step, change) / dot(change, change);
        direction.iter_mut().for_each(|entry| *entry *= scale);
    }
    for ((step, change, inverse), factor) in pairs.iter().zip(factors.iter().rev()) {
        let back = inverse * dot(change, &direction);
        add(&mut direction, factor - back, step);
    }
    direction
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn add(into: &mut [f64], factor: f64, vector: &[f64]) {
    into.iter_mut()
        .zip(vector)
        .for_each(|(into, entry)| *into += factor * entry);
}

fn largest(vector: &[f64]) -> f64 {
    vector.iter().fold(0.0, |most, entry| most.max(entry.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_minimum_of_rosenbrocks_valley() {
        // Minimum at (1, 1), by construction.
        let valley = |x: &[f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            (
                a * a + 100.0 * b * b,
                vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b],
            )
        };
        let found = minimise(vec![-1.2, 1.0], valley, 1e-8, 500, &mut |_| Flow::GoOn).unwrap();
        assert!(found.converged);
        assert!(
            found.at.iter().all(|entry| (entry - 1.0).abs() < 1e-6),
            "{:?}",
            found.at
        );
    }
}
