//! Minimising a smooth function plus weighted absolute values, by gradients alone: FISTA (Beck and
//! Teboulle 2009) with a restart where momentum leads uphill (O'Donoghue and Candès 2015).

use super::minimise::Minimum;
use crate::fit::Flow;

/// `value` moved towards 0 by `by`, and no further.
#[inline]
pub(crate) fn soft_threshold(value: f64, by: f64) -> f64 {
    value.signum() * (value.abs() - by).max(0.0)
}

/// By how much `at` fails the conditions of a minimum: the largest entry of the smallest subgradient.
pub(crate) fn violation(at: &[f64], gradient: &[f64], l1: &[f64]) -> f64 {
    at.iter()
        .zip(gradient)
        .zip(l1)
        .map(|((at, gradient), l1)| {
            if *at == 0.0 {
                (gradient.abs() - l1).max(0.0)
            } else {
                (gradient + l1 * at.signum()).abs()
            }
        })
        .fold(0.0, f64::max)
}

/// Minimises `function + Σ l1ᵢ·|xᵢ|` until no entry of the subgradient exceeds `tolerance`.
/// `function` gives value and gradient. `None` if `observe` stopped it.
pub(crate) fn minimise(
    start: Vec<f64>,
    function: impl Fn(&[f64]) -> (f64, Vec<f64>),
    l1: &[f64],
    tolerance: f64,
    max_iterations: usize,
    observe: &mut dyn FnMut(usize) -> Flow,
) -> Option<Minimum> {
    let mut at = start.clone();
    let mut ahead = start;
    let mut momentum: f64 = 1.0;
    let mut steepness = 1.0;
    for iteration in 0..max_iterations {
        if observe(iteration) == Flow::Stop {
            return None;
        }
        let (value, gradient) = function(&ahead);
        if violation(&ahead, &gradient, l1) <= tolerance {
            return Some(Minimum {
                at: ahead,
                iterations: iteration,
                converged: true,
            });
        }
        // The step is halved until a parabola above `ahead` bounds the function from above.
        let mut next;
        loop {
            next = ahead
                .iter()
                .zip(&gradient)
                .zip(l1)
                .map(|((ahead, gradient), l1)| soft_threshold(ahead - gradient / steepness, l1 / steepness))
                .collect::<Vec<f64>>();
            let (next_value, _) = function(&next);
            let (mut slope, mut square) = (0.0, 0.0);
            for ((next, ahead), gradient) in next.iter().zip(&ahead).zip(&gradient) {
                let step = next - ahead;
                slope += step * gradient;
                square += step * step;
            }
            let slack = 1e-12 * value.abs();
            if next_value <= value + slope + 0.5 * steepness * square + slack || steepness > 1e18 {
                break;
            }
            steepness *= 2.0;
        }
        let uphill: f64 = ahead
            .iter()
            .zip(&next)
            .zip(&at)
            .map(|((ahead, next), at)| (ahead - next) * (next - at))
            .sum();
        if uphill > 0.0 {
            momentum = 1.0;
        }
        let grown = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
        let push = (momentum - 1.0) / grown;
        ahead = next
            .iter()
            .zip(&at)
            .map(|(next, at)| next + push * (next - at))
            .collect();
        // Momentum must not leave an entry that is 0 near 0: those are the ones the penalty chose.
        for (ahead, (next, at)) in ahead.iter_mut().zip(next.iter().zip(&at)) {
            if *next == 0.0 && *at == 0.0 {
                *ahead = 0.0;
            }
        }
        at = next;
        momentum = grown;
        steepness *= 0.98;
    }
    Some(Minimum {
        at,
        iterations: max_iterations,
        converged: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_values_hold_small_entries_at_0() {
        // ½(x−3)² + ½(y−0.5)² + |x| + |y| is least at (2, 0).
        let bowl = |x: &[f64]| {
            let (a, b) = (x[0] - 3.0, x[1] - 0.5);
            (0.5 * (a * a + b * b), vec![a, b])
        };
        let found = minimise(vec![0.0, 5.0], bowl, &[1.0, 1.0], 1e-10, 200, &mut |_| Flow::GoOn).unwrap();
        assert!(found.converged);
        assert!((found.at[0] - 2.0).abs() < 1e-9);
        assert_eq!(found.at[1], 0.0);
    }
}
