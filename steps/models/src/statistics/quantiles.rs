//! Quantiles, and values far from the middle.

/// Quantile at a share from 0 to 1 of sorted numbers, interpolated linearly between order
/// statistics (Hyndman and Fan's type 7, as NumPy); NaN if there are none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (sorted[below.min(last)], sorted[(below + 1).min(last)]);
    low + (high - low) * place.fract()
}

/// Tukey's fences: 1.5 interquartile ranges beyond the quartiles (1977).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fences {
    pub low: f64,
    pub high: f64,
    /// Numbers outside.
    pub outside: usize,
}

impl Fences {
    /// The fences of sorted numbers; none if there are no numbers.
    pub fn of(sorted: &[f64]) -> Option<Self> {
        if sorted.is_empty() {
            return None;
        }
        let (lower, upper) = (quantile(sorted, 0.25), quantile(sorted, 0.75));
        let reach = 1.5 * (upper - lower);
        let (low, high) = (lower - reach, upper + reach);
        let below = sorted.partition_point(|value| *value < low);
        let above = sorted.len() - sorted.partition_point(|value| *value <= high);
        Some(Self {
            low,
            high,
            outside: below + above,
        })
    }
}

/// Median of the distances from the median of sorted numbers; none if there are no numbers.
pub fn median_absolute_deviation(sorted: &[f64]) -> Option<f64> {
    if sorted.is_empty() {
        return None;
    }
    let median = quantile(sorted, 0.5);
    // The distances to both sides are sorted already: merge them up to the middle.
    let mut right = sorted.partition_point(|value| *value < median);
    let mut left = right;
    let middle = (sorted.len() - 1) / 2;
    let (mut at_middle, mut after) = (0.0, 0.0);
    for place in 0..=(middle + 1).min(sorted.len() - 1) {
        let below = left.checked_sub(1).map(|at| median - sorted[at]);
        let above = sorted.get(right).map(|value| value - median);
        let distance = match (below, above) {
            (Some(below), Some(above)) if below <= above => {
                left -= 1;
                below
            }
            (Some(below), None) => {
                left -= 1;
                below
            }
            (_, Some(above)) => {
                right += 1;
                above
            }
            (None, None) => break,
        };
        if place == middle {
            at_middle = distance;
        }
        after = distance;
    }
    Some(if sorted.len() % 2 == 1 {
        at_middle
    } else {
        (at_middle + after) / 2.0
    })
}

/// How many of sorted numbers have a modified z-score `0.6745 (x − median) / MAD` beyond ±3.5
/// (Iglewicz and Hoaglin 1993); none if more than half of them are equal, so that there is no scale.
pub fn robust_outliers(sorted: &[f64]) -> Option<usize> {
    let scale = median_absolute_deviation(sorted).filter(|scale| *scale > 0.0)?;
    let median = quantile(sorted, 0.5);
    let far = 3.5 * scale / 0.6745;
    let below = sorted.partition_point(|value| *value < median - far);
    let above = sorted.len() - sorted.partition_point(|value| *value <= median + far);
    Some(below + above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_distance_of_an_even_number_of_values_lies_between_two() {
        // Median 3; distances 2, 1, 1, 9 in order 1, 1, 2, 9: the middle is 1.5.
        assert_eq!(median_absolute_deviation(&[1.0, 2.0, 4.0, 12.0]), Some(1.5));
        assert_eq!(median_absolute_deviation(&[5.0]), Some(0.0));
        assert_eq!(median_absolute_deviation(&[1.0, 3.0]), Some(1.0));
    }

    #[test]
    fn values_on_a_fence_are_inside() {
        // Quartiles 2 and 4, fences at -1 and 7.
        let fences = Fences::of(&[-1.0, 2.0, 3.0, 4.0, 7.0]).unwrap();
        assert_eq!((fences.low, fences.high, fences.outside), (-1.0, 7.0, 0));
        assert_eq!(Fences::of(&[-1.1, 2.0, 3.0, 4.0, 7.0]).unwrap().outside, 1);
    }

    #[test]
    fn without_a_scale_there_are_no_robust_outliers_to_count() {
        assert_eq!(robust_outliers(&[0.0, 0.0, 0.0, 9.0]), None);
        assert_eq!(robust_outliers(&[1.0, 2.0, 3.0, 4.0, 100.0]), Some(1));
    }
}
