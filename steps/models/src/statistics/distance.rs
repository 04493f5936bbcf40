//! How far two samples of one column lie apart.

use super::tails::kolmogorov_tail;

/// Share that stands for an empty bin, so that its logarithm exists.
const LEAST_SHARE: f64 = 1e-4;

/// Population stability index of two samples counted in the same bins: Σ (q − p) ln(q / p) over shares,
/// the symmetric divergence of Jeffreys (1946). An empty bin counts as a share of 0.0001. Rules of thumb:
/// from 0.1 on a change is worth a look, from 0.25 on it is large. None if a sample is empty.
pub fn population_stability(reference: &[u64], current: &[u64]) -> Option<f64> {
    let sum = |counts: &[u64]| counts.iter().sum::<u64>() as f64;
    let (all_reference, all_current) = (sum(reference), sum(current));
    if all_reference == 0.0 || all_current == 0.0 {
        return None;
    }
    let index = reference.iter().zip(current).map(|(reference, current)| {
        let p = (*reference as f64 / all_reference).max(LEAST_SHARE);
        let q = (*current as f64 / all_current).max(LEAST_SHARE);
        (q - p) * (q / p).ln()
    });
    Some(index.sum())
}

/// Information value of a column for a yes-or-no answer: the same sum over the shares that each bin
/// has of the rows with yes and of those with no (Siddiqi 2006).
pub fn information_value(yes: &[u64], no: &[u64]) -> Option<f64> {
    population_stability(no, yes)
}

/// The two-sample test of Kolmogorov and Smirnov.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KolmogorovSmirnov {
    /// Greatest distance of the two distribution functions, 0 to 1.
    pub statistic: f64,
    /// By Kolmogorov's limiting distribution at `D √(n m / (n + m))`.
    pub p_value: f64,
}

/// The test for sorted numbers; none if a sample is empty.
pub fn kolmogorov_smirnov(left: &[f64], right: &[f64]) -> Option<KolmogorovSmirnov> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    let (n, m) = (left.len() as f64, right.len() as f64);
    // Over the common denominator n m, so that nothing is rounded before the one division.
    let mut greatest = 0u128;
    for_each_step(left, right, |below_left, below_right, _| {
        let (left, right) = (
            below_left as u128 * right.len() as u128,
            below_right as u128 * left.len() as u128,
        );
        greatest = greatest.max(left.abs_diff(right));
    });
    let statistic = greatest as f64 / (n * m);
    Some(KolmogorovSmirnov {
        statistic,
        p_value: kolmogorov_tail(statistic * (n * m / (n + m)).sqrt()),
    })
}

/// Wasserstein's distance of order 1 between sorted numbers, in their unit: the area between the two
/// distribution functions. None if a sample is empty.
pub fn wasserstein(left: &[f64], right: &[f64]) -> Option<f64> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    let (n, m) = (left.len() as f64, right.len() as f64);
    let mut area = 0.0;
    for_each_step(left, right, |below_left, below_right, width| {
        area += (below_left as f64 / n - below_right as f64 / m).abs() * width;
    });
    Some(area)
}

/// At each different number of both: how many of each are not above it, and how far it is to the next.
fn for_each_step(left: &[f64], right: &[f64], mut step: impl FnMut(usize, usize, f64)) {
    let (mut at_left, mut at_right) = (0, 0);
    loop {
        let next = match (left.get(at_left), right.get(at_right)) {
            (Some(left), Some(right)) => left.min(*right),
            (Some(value), None) | (None, Some(value)) => *value,
            (None, None) => return,
        };
        while left.get(at_left).is_some_and(|value| *value <= next) {
            at_left += 1;
        }
        while right.get(at_right).is_some_and(|value| *value <= next) {
            at_right += 1;
        }
        let after = match (left.get(at_left), right.get(at_right)) {
            (Some(left), Some(right)) => left.min(*right),
            (Some(value), None) | (None, Some(value)) => *value,
            (None, None) => next,
        };
        step(at_left, at_right, after - next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_sample_is_no_distance_away() {
        let values = [1.0, 2.0, 2.0, 5.0];
        assert_eq!(wasserstein(&values, &values), Some(0.0));
        assert_eq!(
            kolmogorov_smirnov(&values, &values).map(|ks| (ks.statistic, ks.p_value)),
            Some((0.0, 1.0))
        );
        assert_eq!(population_stability(&[3, 4], &[6, 8]), Some(0.0));
    }

    #[test]
    fn a_shift_by_two_is_a_distance_of_two() {
        let distance = wasserstein(&[1.0, 2.0, 5.0], &[3.0, 4.0, 7.0]).unwrap();
        assert!((distance - 2.0).abs() < 1e-12);
    }

    #[test]
    fn an_empty_bin_is_large_but_finite_and_an_empty_sample_is_nothing() {
        // (0.5 − 0.0001) ln 5000 twice.
        let index = population_stability(&[10, 0], &[5, 5]).unwrap();
        let expected = 0.4999 * 5000f64.ln() + 0.5 * 2f64.ln();
        assert!((index - expected).abs() < 1e-12, "{index}");
        assert_eq!(population_stability(&[0, 0], &[5, 5]), None);
    }
}
