//! Quantiles of numbers that may have weights.

use super::weights::Weights;

/// The quantile of sorted numbers by linear interpolation (type 7 of Hyndman and Fan 1996, NumPy's
/// default); NaN for no numbers.
pub(crate) fn linear_quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = share.clamp(0.0, 1.0) * last as f64;
    let below = at.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    if low == high {
        return low;
    }
    low + (high - low) * (at - below as f64)
}

/// The quantile of weighted numbers by the averaged inverse of their distribution (type 2 of
/// Hyndman and Fan 1996), which with equal weights is the usual median; as scikit-learn's.
pub(crate) fn weighted_quantile(values: &[f64], weights: Weights<'_>, share: f64) -> f64 {
    let mut order: Vec<u32> = (0..values.len() as u32)
        .filter(|&row| weights.of(row as usize) > 0.0)
        .collect();
    order.sort_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]));
    let mut sum = 0.0;
    let cumulated: Vec<f64> = order
        .iter()
        .map(|&row| {
            sum += weights.of(row as usize);
            sum
        })
        .collect();
    let Some(last) = order.len().checked_sub(1) else {
        return f64::NAN;
    };
    let wanted = (share * sum).max(f64::MIN_POSITIVE);
    let at = cumulated.partition_point(|below| *below < wanted).min(last);
    let value = values[order[at] as usize];
    if cumulated[at] - wanted > f64::EPSILON {
        value
    } else {
        (value + values[order[(at + 1).min(last)] as usize]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(weighted_quantile(&[4.0, 1.0, 3.0, 2.0], Weights::Equal, 0.5), 2.5);
        assert_eq!(linear_quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
        assert_eq!(linear_quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        let weights = [1.0, 0.0, 1.0];
        assert_eq!(
            weighted_quantile(&[1.0, 9.0, 3.0], Weights::Each(&weights), 0.5),
            2.0
        );
    }
}
