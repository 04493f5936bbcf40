//! Statistics of one column of numbers.

use super::{Impute, Scale};

/// Mean without overflow of the sum; 0 of nothing.
pub(super) fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    values.iter().map(|value| value / count).sum()
}

/// Quantile of sorted values by linear interpolation between neighbours (type 7 of Hyndman and Fan
/// 1996, numpy's default); 0 of nothing.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = last as f64 * share;
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    low + (high - low) * (place - below as f64)
}

fn most_frequent(sorted: &[f64]) -> f64 {
    let mut best = (0, 0.0);
    for run in sorted.chunk_by(|left, right| left == right) {
        if run.len() > best.0 {
            best = (run.len(), run[0]);
        }
    }
    best.1
}

/// What stands for a missing value, given the known ones, sorted.
pub(super) fn imputed(impute: Impute, sorted: &[f64]) -> f64 {
    match impute {
        Impute::Mean => mean(sorted),
        Impute::Median => quantile(sorted, 0.5),
        Impute::MostFrequent => most_frequent(sorted),
        Impute::Constant(value) => value,
    }
}

/// Center and scale of a column without missing values. The scale of a constant column is 1, as in
/// scikit-learn.
pub(super) fn center_and_scale(scale: Scale, values: &[f64]) -> (f64, f64) {
    let (center, scale) = match scale {
        Scale::None => (0.0, 1.0),
        Scale::Standard => {
            let mean = mean(values);
            let count = values.len() as f64;
            let variance: f64 = values
                .iter()
                .map(|value| (value - mean) * ((value - mean) / count))
                .sum();
            (mean, variance.sqrt())
        }
        Scale::MinMax => {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (low, high - low)
        }
        Scale::Robust => {
            let mut sorted = values.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            (
                quantile(&sorted, 0.5),
                quantile(&sorted, 0.75) - quantile(&sorted, 0.25),
            )
        }
    };
    // Rounding leaves a little where nothing differs.
    let constant = !scale.is_finite() || scale <= center.abs() * 1e-12;
    (
        if center.is_finite() { center } else { 0.0 },
        if constant { 1.0 } else { scale },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_are_filled_in_as_asked() {
        let sorted = [1.0, 2.0, 2.0, 7.0, 7.0];
        assert!((imputed(Impute::Mean, &sorted) - 3.8).abs() < 1e-12);
        assert_eq!(imputed(Impute::Median, &sorted), 2.0);
        assert_eq!(imputed(Impute::MostFrequent, &sorted), 2.0);
        assert_eq!(imputed(Impute::Constant(-1.0), &sorted), -1.0);
    }

    #[test]
    fn scales_are_those_of_scikit_learn() {
        // StandardScaler, MinMaxScaler and RobustScaler on [1, 2, 4, 9].
        let values = [4.0, 1.0, 9.0, 2.0];
        assert_eq!(center_and_scale(Scale::Standard, &values), (4.0, 9.5f64.sqrt()));
        assert_eq!(center_and_scale(Scale::MinMax, &values), (1.0, 8.0));
        assert_eq!(center_and_scale(Scale::Robust, &values), (3.0, 3.5));
        assert_eq!(center_and_scale(Scale::None, &values), (0.0, 1.0));
    }

    #[test]
    fn a_constant_column_keeps_a_scale_of_one() {
        for scale in [Scale::Standard, Scale::MinMax, Scale::Robust] {
            assert_eq!(center_and_scale(scale, &[0.1; 7]).1, 1.0);
        }
    }
}
