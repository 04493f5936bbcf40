//! What a column of a partition holds, in numbers that can be put together.

use super::sketch::DistinctSketch;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The shares at which quantiles are kept.
pub const QUANTILE_SHARES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// One column of some rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnStatistics {
    pub nulls: u64,
    /// Different values, missing ones not counted: exact for one file, an estimate with a standard error of 4.6 %
    /// for several.
    pub distinct: u64,
    #[serde(default, skip_serializing_if = "DistinctSketch::is_empty")]
    pub sketch: DistinctSketch,
    /// Least and greatest value: numbers as such, all else as text (times as ISO 8601).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Value>,
    /// Finite numbers; mean, deviation and quantiles are theirs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub count: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Sample standard deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stddev: Option<f64>,
    /// At [`QUANTILE_SHARES`]: exact for one file, read from the mixture of the files' distributions for several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantiles: Vec<f64>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn is_less(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left < right,
        _ => left.as_str().unwrap_or_default() < right.as_str().unwrap_or_default(),
    }
}

impl ColumnStatistics {
    /// Those of several parts together.
    pub fn merged<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let parts: Vec<&Self> = parts.into_iter().collect();
        if let [one] = parts.as_slice() {
            return (*one).clone();
        }
        let mut sketch = DistinctSketch::default();
        for part in &parts {
            sketch.merge(&part.sketch);
        }
        let numbers: Vec<&&Self> = parts.iter().filter(|part| part.count > 0).collect();
        let count: u64 = numbers.iter().map(|part| part.count).sum();
        let mean = (count > 0).then(|| {
            let weighted = numbers
                .iter()
                .map(|part| part.mean.unwrap_or(0.0) * part.count as f64);
            weighted.sum::<f64>() / count as f64
        });
        let least = parts.iter().map(|part| part.distinct).max().unwrap_or(0);
        let most: u64 = parts.iter().map(|part| part.distinct).sum();
        Self {
            nulls: parts.iter().map(|part| part.nulls).sum(),
            distinct: sketch.estimate().clamp(least, most.max(least)),
            sketch,
            min: extreme(parts.iter().filter_map(|part| part.min.as_ref()), is_less),
            max: extreme(
                parts.iter().filter_map(|part| part.max.as_ref()),
                |left, right| is_less(right, left),
            ),
            count,
            mean,
            stddev: mean.and_then(|mean| deviation(&numbers, count, mean)),
            quantiles: quantiles(&numbers, count),
        }
    }
}

fn extreme<'a>(
    values: impl Iterator<Item = &'a Value>,
    is_before: fn(&Value, &Value) -> bool,
) -> Option<Value> {
    values
        .reduce(|best, value| if is_before(value, best) { value } else { best })
        .cloned()
}

/// By Chan, Golub and LeVeque (1979): the sum of squares within the parts and between their means.
fn deviation(parts: &[&&ColumnStatistics], count: u64, mean: f64) -> Option<f64> {
    let squares = parts.iter().map(|part| {
        let within = part.stddev.unwrap_or(0.0).powi(2) * (part.count.saturating_sub(1)) as f64;
        let apart = part.mean.unwrap_or(mean) - mean;
        within + apart * apart * part.count as f64
    });
    (count > 1).then(|| (squares.sum::<f64>() / (count - 1) as f64).sqrt())
}

/// Each part's distribution is taken as straight lines between its known points; the mixture's quantile is found by
/// bisection.
fn quantiles(parts: &[&&ColumnStatistics], count: u64) -> Vec<f64> {
    let points: Vec<(f64, Vec<(f64, f64)>)> = parts
        .iter()
        .filter(|part| part.quantiles.len() == QUANTILE_SHARES.len())
        .map(|part| {
            let low = part
                .min
                .as_ref()
                .and_then(Value::as_f64)
                .filter(|low| low.is_finite());
            let high = part
                .max
                .as_ref()
                .and_then(Value::as_f64)
                .filter(|high| high.is_finite());
            let first = part.quantiles[0];
            let last = part.quantiles[QUANTILE_SHARES.len() - 1];
            let mut points = vec![(low.unwrap_or(first).min(first), 0.0)];
            points.extend(part.quantiles.iter().copied().zip(QUANTILE_SHARES));
            points.push((high.unwrap_or(last).max(last), 1.0));
            (part.count as f64 / count as f64, points)
        })
        .collect();
    if points.is_empty() {
        return Vec::new();
    }
    let below = |value: f64| -> f64 {
        points
            .iter()
            .map(|(weight, points)| weight * share_below(points, value))
            .sum()
    };
    let whole: f64 = points.iter().map(|(weight, _)| weight).sum();
    let start = points
        .iter()
        .map(|(_, points)| points[0].0)
        .fold(f64::INFINITY, f64::min);
    let end = points
        .iter()
        .map(|(_, points)| points[points.len() - 1].0)
        .fold(f64::NEG_INFINITY, f64::max);
    let find = |share: f64| {
        let (mut low, mut high) = (start, end);
        for _ in 0..64 {
            let middle = low + (high - low) / 2.0;
            if below(middle) < share * whole {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    };
    QUANTILE_SHARES.into_iter().map(find).collect()
}

fn share_below(points: &[(f64, f64)], value: f64) -> f64 {
    let after = points.partition_point(|(at, _)| *at <= value);
    match (
        after.checked_sub(1).map(|before| points[before]),
        points.get(after),
    ) {
        (None, _) => 0.0,
        (Some(_), None) => 1.0,
        (Some((from, low)), Some((to, high))) => low + (high - low) * (value - from) / (to - from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a file's profile gives.
    fn of(values: &[f64]) -> ColumnStatistics {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let quantile = |share: f64| {
            let at = share * (count - 1.0);
            let low = sorted[at.floor() as usize];
            low + (sorted[at.ceil() as usize] - low) * at.fract()
        };
        let mut sketch = DistinctSketch::default();
        let mut different = sorted.clone();
        different.dedup();
        for value in &different {
            sketch.add(u64::from_le_bytes(
                blake3::hash(&value.to_le_bytes()).as_bytes()[..8]
                    .try_into()
                    .unwrap(),
            ));
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        ColumnStatistics {
            distinct: different.len() as u64,
            sketch,
            min: Some(sorted[0].into()),
            max: Some(sorted[sorted.len() - 1].into()),
            count: values.len() as u64,
            mean: Some(mean),
            stddev: (count > 1.0).then(|| (squares / (count - 1.0)).sqrt()),
            quantiles: QUANTILE_SHARES.into_iter().map(quantile).collect(),
            ..ColumnStatistics::default()
        }
    }

    proptest! {
        #[test]
        fn parts_together_say_what_the_whole_says(
            left in prop::collection::vec(-1e3f64..1e3, 1..200),
            right in prop::collection::vec(-1e3f64..2e3, 1..200),
        ) {
            let both: Vec<f64> = left.iter().chain(&right).copied().collect();
            let (whole, merged) = (of(&both), ColumnStatistics::merged([&of(&left), &of(&right)]));
            prop_assert_eq!((&merged.min, &merged.max, merged.count), (&whole.min, &whole.max, whole.count));
            prop_assert!((merged.mean.unwrap() - whole.mean.unwrap()).abs() < 1e-6);
            prop_assert!((merged.stddev.unwrap() - whole.stddev.unwrap()).abs() < 1e-6);
            prop_assert!(merged.quantiles.is_sorted());
            let found = merged.distinct as f64 / whole.distinct as f64;
            prop_assert!((0.7..1.3).contains(&found), "{} for {}", merged.distinct, whole.distinct);
        }
    }

    #[test]
    fn quantiles_of_two_halves_are_near_those_of_the_whole() {
        let all: Vec<f64> = (0..10_000).map(f64::from).collect();
        let merged = ColumnStatistics::merged([&of(&all[..2_500]), &of(&all[2_500..])]);
        for (share, found) in QUANTILE_SHARES.into_iter().zip(&merged.quantiles) {
            assert!((found / 10_000.0 - share).abs() < 0.01, "{share}: {found}");
        }
    }

    #[test]
    fn texts_have_a_least_and_a_greatest_and_nothing_to_count() {
        let text = |least: &str, greatest: &str| ColumnStatistics {
            min: Some(least.into()),
            max: Some(greatest.into()),
            nulls: 1,
            ..ColumnStatistics::default()
        };
        let merged = ColumnStatistics::merged([&text("EWR", "JFK"), &text("JFK", "LGA")]);
        assert_eq!((merged.min, merged.max), (Some("EWR".into()), Some("LGA".into())));
        assert_eq!(
            (merged.nulls, merged.count, merged.mean, merged.quantiles),
            (2, 0, None, vec![])
        );
    }
}
