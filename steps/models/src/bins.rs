//! Values cut into at most 255 bins a feature, so that splits are found by counting.
//!
//! The cut points follow LightGBM's greedy rule (Ke et al. 2017): a value as frequent as an
//! average bin gets a bin of its own, the rest shares what is left in equal parts.

use crate::features::Aligned;
use crate::random::Random;
use rayon::prelude::*;

/// Bins a feature may have, the one for missing values included.
pub(crate) const MAX_BINS: usize = 255;

/// Rows looked at that a bin has at least, for boosting (LightGBM's `min_data_in_bin`).
pub(crate) const MIN_ROWS_FOR_BOOSTING: usize = 3;

/// The same for trees that are grown to the end: none is too few.
pub(crate) const MIN_ROWS_FOR_TREES: usize = 1;

/// Cut points of features with more rows are taken from a random sample of this size.
const SAMPLE_ROWS: usize = 200_000;

/// How one feature's values become bins. The last bin takes what is missing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cuts {
    /// Bin `i` holds values above `upper[i - 1]` and at most `upper[i]`; the last entry is +∞.
    Numeric { upper: Vec<f64> },
    /// Bin of each category; categories too rare for a bin share that of the missing ones.
    Categorical { bin_of: Vec<u8>, category_of: Vec<u32> },
}

impl Cuts {
    /// Number of bins, the one for missing values included.
    pub(crate) fn bins(&self) -> usize {
        1 + match self {
            Self::Numeric { upper } => upper.len(),
            Self::Categorical { category_of, .. } => category_of.len(),
        }
    }

    fn of(values: &Aligned<'_>, sample: Option<&[usize]>, min_rows: usize) -> Self {
        match values {
            Aligned::Numeric(values) => {
                let mut known: Vec<f64> = match sample {
                    Some(rows) => rows
                        .iter()
                        .map(|&row| values[row])
                        .filter(|value| !value.is_nan())
                        .collect(),
                    None => values.iter().copied().filter(|value| !value.is_nan()).collect(),
                };
                known.sort_unstable_by(f64::total_cmp);
                Self::Numeric {
                    upper: cut_points(&known, MAX_BINS - 1, min_rows),
                }
            }
            Aligned::Codes { codes, categories } => {
                let mut counts = vec![0usize; *categories];
                for &code in codes.iter() {
                    if let Some(count) = counts.get_mut(code as usize) {
                        *count += 1;
                    }
                }
                let mut order: Vec<u32> = (0..*categories as u32)
                    .filter(|&code| counts[code as usize] > 0)
                    .collect();
                order.sort_by_key(|&code| (std::cmp::Reverse(counts[code as usize]), code));
                order.truncate(MAX_BINS - 1);
                let missing_bin = order.len() as u8;
                let mut bin_of = vec![missing_bin; *categories];
                for (bin, &code) in order.iter().enumerate() {
                    bin_of[code as usize] = bin as u8;
                }
                Self::Categorical {
                    bin_of,
                    category_of: order,
                }
            }
        }
    }

    #[inline]
    fn bin_of_number(upper: &[f64], value: f64) -> u8 {
        if value.is_nan() {
            upper.len() as u8
        } else {
            upper.partition_point(|&bound| bound < value) as u8
        }
    }

    fn apply(&self, values: &Aligned<'_>) -> Vec<u8> {
        match (self, values) {
            (Self::Numeric { upper }, Aligned::Numeric(values)) => values
                .par_iter()
                .with_min_len(4096)
                .map(|&value| Self::bin_of_number(upper, value))
                .collect(),
            (Self::Categorical { bin_of, category_of }, Aligned::Codes { codes, .. }) => codes
                .iter()
                .map(|&code| {
                    bin_of
                        .get(code as usize)
                        .copied()
                        .unwrap_or(category_of.len() as u8)
                })
                .collect(),
            // Both sides come from the same feature list; an unmatched pair has no values to bin.
            (_, Aligned::Numeric(values)) => vec![0; values.len()],
            (_, Aligned::Codes { codes, .. }) => vec![0; codes.len()],
        }
    }
}

/// Upper bounds of bins over sorted values, the last one +∞.
fn cut_points(sorted: &[f64], max_bins: usize, min_rows: usize) -> Vec<f64> {
    let mut distinct: Vec<(f64, usize)> = Vec::new();
    for &value in sorted {
        match distinct.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => distinct.push((value, 1)),
        }
    }
    let mut upper = Vec::new();
    let mut rows_in_bin = 0;
    if distinct.len() <= max_bins {
        for pair in distinct.windows(2) {
            rows_in_bin += pair[0].1;
            if rows_in_bin >= min_rows {
                upper.push(between(pair[0].0, pair[1].0));
                rows_in_bin = 0;
            }
        }
    } else {
        let bins = max_bins.min(sorted.len() / min_rows).max(1);
        let average = sorted.len() as f64 / bins as f64;
        let frequent = |count: usize| count as f64 >= average;
        let alone = distinct.iter().filter(|(_, count)| frequent(*count)).count();
        let alone_rows: usize = distinct
            .iter()
            .filter(|(_, count)| frequent(*count))
            .map(|(_, count)| count)
            .sum();
        let mut rest_bins = bins.saturating_sub(alone).max(1);
        let mut rest_rows = sorted.len() - alone_rows;
        let mut share = rest_rows as f64 / rest_bins as f64;
        for pair in distinct.windows(2) {
            let ((value, count), (next, next_count)) = (pair[0], pair[1]);
            if !frequent(count) {
                rest_rows -= count;
            }
            rows_in_bin += count;
            let full = frequent(count)
                || rows_in_bin as f64 >= share
                || (frequent(next_count) && rows_in_bin as f64 >= (share * 0.5).max(1.0));
            if full {
                upper.push(between(value, next));
                if upper.len() + 1 >= bins {
                    break;
                }
                rows_in_bin = 0;
                if !frequent(count) {
                    rest_bins = rest_bins.saturating_sub(1).max(1);
                    share = rest_rows as f64 / rest_bins as f64;
                }
            }
        }
    }
    upper.push(f64::INFINITY);
    upper
}

/// A bound that `low` does not exceed and `high` does.
fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if middle >= low && middle < high {
        middle
    } else {
        low
    }
}

/// A frame in bins, column by column.
#[derive(Debug)]
pub(crate) struct Binned {
    pub(crate) cuts: Vec<Cuts>,
    /// `columns[feature][row]`.
    pub(crate) columns: Vec<Vec<u8>>,
    pub(crate) rows: usize,
}

impl Binned {
    /// Cuts fitted on these rows, each bin of at least `min_rows`, and the rows in bins.
    pub(crate) fn fit(values: &[Aligned<'_>], rows: usize, min_rows: usize, seed: u64) -> Self {
        let sample = (rows > SAMPLE_ROWS).then(|| Random::stream(seed, 0x62696e73).choose(rows, SAMPLE_ROWS));
        let cuts: Vec<Cuts> = values
            .par_iter()
            .map(|values| Cuts::of(values, sample.as_deref(), min_rows))
            .collect();
        Self::with_cuts(cuts, values, rows)
    }

    /// Other rows in the bins of `cuts`.
    pub(crate) fn with_cuts(cuts: Vec<Cuts>, values: &[Aligned<'_>], rows: usize) -> Self {
        let columns = cuts
            .par_iter()
            .zip(values)
            .map(|(cuts, values)| cuts.apply(values))
            .collect();
        Self { cuts, columns, rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_distinct_values_are_cut_in_the_middle_between_them() {
        let sorted = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 4.0, 4.0, 4.0];
        assert_eq!(cut_points(&sorted, 254, 3), [1.5, 3.0, f64::INFINITY]);
    }

    #[test]
    fn many_values_fill_bins_of_about_equal_size_and_never_too_many() {
        let sorted: Vec<f64> = (0..10_000).map(f64::from).collect();
        let upper = cut_points(&sorted, 254, 3);
        assert!(upper.len() <= 254 && upper.len() > 240, "{}", upper.len());
        assert!(upper.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_very_frequent_value_has_a_bin_of_its_own() {
        let mut sorted: Vec<f64> = (0..5_000).map(|i| f64::from(i) / 100.0).collect();
        sorted.extend(std::iter::repeat_n(20.0, 5_000));
        sorted.sort_unstable_by(f64::total_cmp);
        let upper = cut_points(&sorted, 254, 3);
        let bin = Cuts::bin_of_number(&upper, 20.0);
        assert_ne!(bin, Cuts::bin_of_number(&upper, 20.01));
    }

    #[test]
    fn missing_and_infinite_values_have_bins() {
        let upper = cut_points(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0], 254, 3);
        assert_eq!(Cuts::bin_of_number(&upper, f64::NAN), 2);
        assert_eq!(Cuts::bin_of_number(&upper, f64::NEG_INFINITY), 0);
        assert_eq!(Cuts::bin_of_number(&upper, f64::INFINITY), 1);
        let bound = between(1.0, 1.0f64.next_up());
        assert!(1.0 <= bound && bound < 1.0f64.next_up());
    }

    #[test]
    fn rare_categories_beyond_the_limit_share_the_bin_of_missing_ones() {
        let codes: Vec<u32> = (0..300)
            .flat_map(|code| std::iter::repeat_n(code, 300 - code as usize))
            .collect();
        let cuts = Cuts::of(
            &Aligned::Codes {
                codes: codes.into(),
                categories: 300,
            },
            None,
            3,
        );
        assert_eq!(cuts.bins(), MAX_BINS);
        let Cuts::Categorical { bin_of, .. } = cuts else {
            panic!("categorical")
        };
        assert_eq!(
            (bin_of[0], bin_of[253], bin_of[254], bin_of[299]),
            (0, 253, 254, 254)
        );
    }
}
