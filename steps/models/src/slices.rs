//! Parts of the rows in which a model is worse than elsewhere, found by themselves.
//!
//! Rows are described by conditions (a category, a bin of a number, a missing value), alone and
//! crossed, as in Slice Finder (Chung et al. 2019) and SliceLine (Sagadeeva and Boehm 2021). Every
//! slice with enough rows is measured: its mean loss, how far it is from the other rows' in units of
//! their spread, and Welch's test of that. Because many are measured, p-values are corrected for the
//! share of false discoveries (Benjamini and Hochberg 1995) over all of them.

mod conditions;
mod search;

pub use conditions::Condition;
pub use search::{Slice, SliceSearch, Slices};

/// p-values corrected so that those up to `q` hold false discoveries with a share of at most `q`, in the
/// order given (Benjamini and Hochberg 1995).
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]).then(a.cmp(&b)));
    let mut corrected = vec![1.0; p_values.len()];
    let mut least = 1.0f64;
    for (place, &at) in order.iter().enumerate().rev() {
        least = least.min(p_values[at] * p_values.len() as f64 / (place + 1) as f64);
        corrected[at] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrected_p_values_are_those_of_scipy() {
        // scipy.stats.false_discovery_control([0.01, 0.5, 0.02, 0.03, 0.02, 1.0]).
        let found = benjamini_hochberg(&[0.01, 0.5, 0.02, 0.03, 0.02, 1.0]);
        for (found, expected) in found.iter().zip([0.04, 0.6, 0.04, 0.045, 0.04, 1.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
        assert!(benjamini_hochberg(&[]).is_empty());
    }
}
