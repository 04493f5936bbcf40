//! Whether two models differ on the same rows, or over the same resamples.

use super::bootstrap::{Bootstrap, percentile_interval};
use super::student::{student_quantile, student_two_sided};
use super::{Interval, auc_difference, normal_cdf};
use crate::error::ModelError;

/// How two models were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonMethod {
    /// DeLong's test of two areas under the ROC curve (1988).
    DeLong,
    /// McNemar's test with the exact binomial distribution.
    McNemarExact,
    /// McNemar's test (1947) with the χ² distribution and Edwards' correction.
    McNemar,
    /// Rows drawn in pairs.
    PairedBootstrap,
    /// Student's t test over resamples, its variance corrected for rows they share (Nadeau and Bengio
    /// 2003).
    CorrectedResampledT,
}

impl ComparisonMethod {
    /// As shown beside a p-value.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeLong => "DeLong",
            Self::McNemarExact => "McNemar, exact",
            Self::McNemar => "McNemar, χ² with correction",
            Self::PairedBootstrap => "paired bootstrap",
            Self::CorrectedResampledT => "corrected resampled t",
        }
    }
}

/// Two models beside each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    pub method: ComparisonMethod,
    /// First minus second.
    pub difference: f64,
    /// Where the method gives one.
    pub interval: Option<Interval>,
    /// The test's own number: z, χ², t; for McNemar's exact test the smaller count of rows that one
    /// model alone gets right; none for the bootstrap.
    pub statistic: Option<f64>,
    /// Two-sided, of the hypothesis that the models do not differ.
    pub p_value: f64,
}

/// Compares the areas under the ROC curve of two models on the same rows.
///
/// # Errors
/// As [`super::roc_auc`].
pub fn compare_auc(first: &[f64], second: &[f64], labels: &[f64]) -> Result<Comparison, ModelError> {
    let found = auc_difference(first, second, labels)?;
    Ok(Comparison {
        method: ComparisonMethod::DeLong,
        difference: found.difference,
        interval: Some(found.interval),
        statistic: (found.standard_error > 0.0).then(|| found.difference / found.standard_error),
        p_value: found.p_value,
    })
}

/// Rows that only one model gets right, up to which McNemar's test is exact.
const EXACT_UP_TO: u64 = 10_000;

/// Compares the share of right decisions of two models on the same rows by McNemar's test: only rows
/// that one of them alone gets right count. Exact unless there are more than 10,000 of those.
///
/// # Errors
/// `NoRows`, `LengthMismatch`.
pub fn compare_decisions(first_right: &[bool], second_right: &[bool]) -> Result<Comparison, ModelError> {
    if first_right.len() != second_right.len() {
        return Err(ModelError::LengthMismatch {
            left_name: "the first model",
            left: first_right.len(),
            right_name: "the second model",
            right: second_right.len(),
        });
    }
    if first_right.is_empty() {
        return Err(ModelError::NoRows { doing: "compare on" });
    }
    let alone = |one: &[bool], other: &[bool]| {
        one.iter()
            .zip(other)
            .filter(|(one, other)| **one && !**other)
            .count() as u64
    };
    let (first, second) = (alone(first_right, second_right), alone(second_right, first_right));
    let rows = first_right.len() as f64;
    let difference = (first as f64 - second as f64) / rows;
    let both = (first + second) as f64;
    if first + second <= EXACT_UP_TO {
        return Ok(Comparison {
            method: ComparisonMethod::McNemarExact,
            difference,
            interval: None,
            statistic: Some(first.min(second) as f64),
            p_value: fair_coin(first.min(second), first + second),
        });
    }
    let distance = ((first as f64 - second as f64).abs() - 1.0).max(0.0);
    let statistic = distance * distance / both;
    Ok(Comparison {
        method: ComparisonMethod::McNemar,
        difference,
        interval: None,
        statistic: Some(statistic),
        // χ² of one degree of freedom is the square of a normal.
        p_value: 2.0 * normal_cdf(-statistic.sqrt()),
    })
}

/// Chance that `tosses` of a fair coin fall as unevenly as `few` to the rest, on either side.
fn fair_coin(few: u64, tosses: u64) -> f64 {
    let n = tosses as f64;
    // From the probability of no head, 2^−n, in logarithms: it underflows for many tosses.
    let mut logarithm = -n * std::f64::consts::LN_2;
    let mut sum = logarithm.exp();
    for heads in 1..=few {
        let k = heads as f64;
        logarithm += ((n - k + 1.0) / k).ln();
        sum += logarithm.exp();
    }
    (2.0 * sum).min(1.0)
}

/// Compares any metric of two models by drawing the same rows for both; the metric gets the model (0
/// or 1) and the rows. The p-value is twice the smaller share of draws on either side of no
/// difference, counting one more draw on each.
///
/// # Errors
/// What the metric says of all rows; `NoRows` if no draw gives a value.
pub fn compare_by_bootstrap(
    bootstrap: &Bootstrap,
    rows: usize,
    metric: impl Fn(usize, &[usize]) -> Result<f64, ModelError> + Sync,
) -> Result<Comparison, ModelError> {
    let all: Vec<usize> = (0..rows).collect();
    let difference = metric(0, &all)? - metric(1, &all)?;
    let of_draw = |chosen: &[usize]| Ok(metric(0, chosen)? - metric(1, chosen)?);
    let values = bootstrap.values(rows, &of_draw)?;
    let not_above = values.partition_point(|value| *value <= 0.0);
    let not_below = values.len() - values.partition_point(|value| *value < 0.0);
    let share = (not_above.min(not_below) + 1) as f64 / (values.len() + 1) as f64;
    Ok(Comparison {
        method: ComparisonMethod::PairedBootstrap,
        difference,
        interval: Some(percentile_interval(&values, bootstrap.level)),
        statistic: None,
        p_value: (2.0 * share).min(1.0),
    })
}

/// Compares two models by a metric's values over the same resamples (folds, repeated splits), each
/// trained on `train_rows` and measured on `test_rows`; interval of 95 %.
///
/// # Errors
/// `LengthMismatch`, `NotFinite`, `NoRows` for fewer than two resamples or none to train on.
pub fn compare_resamples(
    first: &[f64],
    second: &[f64],
    train_rows: usize,
    test_rows: usize,
) -> Result<Comparison, ModelError> {
    super::regression::check(first, second)?;
    if first.len() < 2 || train_rows == 0 || test_rows == 0 {
        return Err(ModelError::NoRows {
            doing: "compare resamples on",
        });
    }
    let resamples = first.len() as f64;
    let differences: Vec<f64> = first.iter().zip(second).map(|(one, other)| one - other).collect();
    let mean = differences.iter().sum::<f64>() / resamples;
    let variance = differences
        .iter()
        .map(|each| (each - mean) * (each - mean))
        .sum::<f64>()
        / (resamples - 1.0);
    let error = (variance * (1.0 / resamples + test_rows as f64 / train_rows as f64)).sqrt();
    let (statistic, p_value) = if error > 0.0 {
        let t = mean / error;
        (Some(t), student_two_sided(t, resamples - 1.0))
    } else {
        (None, if mean == 0.0 { 1.0 } else { 0.0 })
    };
    let half = student_quantile(0.05, resamples - 1.0) * error;
    Ok(Comparison {
        method: ComparisonMethod::CorrectedResampledT,
        difference: mean,
        interval: Some(Interval {
            low: mean - half,
            high: mean + half,
        }),
        statistic,
        p_value,
    })
}

#[cfg(test)]
mod tests {
    use super::super::reference::{close, rows};
    use super::super::{BootstrapMethod, at_rows, roc_auc};
    use super::*;

    #[test]
    fn mcnemar_is_that_of_scipy() {
        // scipy.stats.binomtest(5, 20).pvalue; scipy.stats.chi2.sf((|6000 - 6300| - 1)**2 / 12300, 1).
        let right = |alone: usize, other: usize, both: usize| -> Vec<bool> {
            [(alone, true), (other, false), (both, true)]
                .into_iter()
                .flat_map(|(count, right)| std::iter::repeat_n(right, count))
                .collect()
        };
        let flipped = |first: &[bool], alone: usize, other: usize| -> Vec<bool> {
            let flip = |(row, right): (usize, &bool)| if row < alone + other { !right } else { *right };
            first.iter().enumerate().map(flip).collect()
        };
        let first = right(5, 15, 80);
        let found = compare_decisions(&first, &flipped(&first, 5, 15)).unwrap();
        close(found.p_value, 0.041_389_465_332_031_25);
        assert_eq!(
            (found.method, found.difference),
            (ComparisonMethod::McNemarExact, -0.1)
        );
        let first = right(6_000, 6_300, 0);
        let found = compare_decisions(&first, &flipped(&first, 6_000, 6_300)).unwrap();
        assert_eq!(found.method, ComparisonMethod::McNemar);
        close(found.p_value, 0.007_017_930_840_846_824);
        let same = compare_decisions(&first, &first).unwrap();
        assert_eq!((same.p_value, same.difference), (1.0, 0.0));
    }

    #[test]
    fn corrected_t_is_that_of_scipy() {
        // t = mean / sqrt((1/10 + 10/90) · var), p = 2 · scipy.stats.t.sf(t, 9).
        let first = [0.81, 0.84, 0.79, 0.86, 0.83, 0.80, 0.85, 0.82, 0.88, 0.81];
        let second = [0.80, 0.82, 0.80, 0.83, 0.81, 0.79, 0.82, 0.82, 0.84, 0.80];
        let found = compare_resamples(&first, &second, 90, 10).unwrap();
        close(found.statistic.unwrap(), 2.312_973_238_331_647);
        close(found.p_value, 0.046_012_036_673_878_036);
        close(found.interval.unwrap().low, 0.000_351_520_369_998_546_7);
        assert_eq!(compare_resamples(&first, &first, 90, 10).unwrap().p_value, 1.0);
        assert!(compare_resamples(&[0.5], &[0.4], 90, 10).is_err());
    }

    #[test]
    fn the_bootstrap_and_delong_see_the_same_difference() {
        let rows = rows();
        let exact = compare_auc(&rows.s, &rows.t, &rows.y).unwrap();
        let bootstrap = Bootstrap {
            method: BootstrapMethod::Percentile,
            draws: 1_000,
            seed: 5,
            level: 0.95,
        };
        let models = [&rows.s, &rows.t];
        let drawn = compare_by_bootstrap(&bootstrap, rows.y.len(), |model, chosen| {
            roc_auc(&at_rows(models[model], chosen), &at_rows(&rows.y, chosen))
        })
        .unwrap();
        close(drawn.difference, exact.difference);
        let (drawn_interval, interval) = (drawn.interval.unwrap(), exact.interval.unwrap());
        assert!((drawn_interval.low - interval.low).abs() < 0.01);
        assert!((drawn_interval.high - interval.high).abs() < 0.01);
        assert!(drawn.p_value < 0.02 && exact.p_value < 0.02);
        let same = compare_by_bootstrap(&bootstrap, rows.y.len(), |_, chosen| {
            roc_auc(&at_rows(&rows.s, chosen), &at_rows(&rows.y, chosen))
        });
        assert_eq!(same.unwrap().p_value, 1.0);
    }
}
