//! One column in numbers.

use crate::data_type;
use crate::fault;
use crate::rule;
use crate::table::grouped;
use polars::prelude::{DataType as PolarsType, PolarsError, Series, TimeUnit};
use serde::Serialize;
use std::collections::BTreeMap;
use trainyard_contract::{Column, StepError};

/// Values up to which different ones are counted exactly.
const EXACT: usize = 1_000_000;

/// What a column holds.
#[derive(Debug, Serialize)]
pub(super) struct ColumnProfile {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) classification: Option<String>,
    pub(super) nulls: usize,
    pub(super) null_ratio: f64,
    /// Different values, missing not counted.
    pub(super) distinct: u64,
    pub(super) distinct_is_exact: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) numbers: Option<Numbers>,
    /// Equal steps from least to greatest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) histogram: Option<Histogram>,
    /// Most frequent values, then in their own order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) top: Vec<Frequency>,
}

/// Statistics of finite numbers.
#[derive(Debug, Serialize)]
pub(super) struct Numbers {
    pub(super) mean: f64,
    /// Sample standard deviation.
    pub(super) stddev: f64,
    pub(super) zeros: u64,
    pub(super) negative: u64,
    /// NaN and infinite values.
    pub(super) not_finite: u64,
    /// Values more than 1.5 times the interquartile range beyond the quartiles (Tukey 1977).
    pub(super) outliers: u64,
    /// By share in percent, interpolated linearly between order statistics (Hyndman and Fan's type 7).
    pub(super) quantiles: BTreeMap<&'static str, f64>,
}

/// Counts in bins of equal width; the last bin holds its upper edge.
#[derive(Debug, Serialize)]
pub(super) struct Histogram {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) counts: Vec<u64>,
}

/// A value and how often it occurs.
#[derive(Debug, Serialize)]
pub(super) struct Frequency {
    pub(super) value: String,
    pub(super) count: u64,
}

const QUANTILES: [(&str, f64); 7] = [
    ("01", 0.01),
    ("05", 0.05),
    ("25", 0.25),
    ("50", 0.5),
    ("75", 0.75),
    ("95", 0.95),
    ("99", 0.99),
];

impl ColumnProfile {
    /// # Errors
    /// `Internal` where polars cannot count or cast.
    pub(super) fn of(
        series: &Series,
        known: Option<&Column>,
        bins: usize,
        top: usize,
    ) -> Result<Self, StepError> {
        let failed = |error: PolarsError| {
            StepError::internal(format!(
                "could not profile `{}`: {}",
                series.name(),
                fault::sentence(&error)
            ))
        };
        let rows = series.len();
        let nulls = series.null_count();
        let exact = rows <= EXACT || !countable(series.dtype());
        let different = if exact {
            series.n_unique()
        } else {
            series.approx_n_unique().map(|n| n as usize)
        };
        let different = different.map_err(failed)?;
        let mut profile = Self {
            name: series.name().to_string(),
            data_type: data_type::from_polars(series.dtype()).to_string(),
            classification: known.and_then(|column| column.classification.clone()),
            nulls,
            null_ratio: if rows == 0 {
                0.0
            } else {
                nulls as f64 / rows as f64
            },
            distinct: (different - usize::from(nulls > 0 && different > 0)) as u64,
            distinct_is_exact: exact,
            min: None,
            max: None,
            numbers: None,
            histogram: None,
            top: Vec::new(),
        };
        match series.dtype() {
            dtype if dtype.is_primitive_numeric() => {
                let mut values = numbers(series).map_err(failed)?;
                profile.min = values.sorted.first().map(|least| number(*least));
                profile.max = values.sorted.last().map(|greatest| number(*greatest));
                profile.histogram = histogram(&values.sorted, bins);
                profile.numbers = values.statistics();
                if profile.distinct <= top as u64 {
                    profile.top = frequencies(series, top);
                }
            }
            dtype if dtype.is_temporal() => {
                let stamps = match dtype {
                    PolarsType::Datetime(_, zone) => series
                        .cast(&PolarsType::Datetime(TimeUnit::Microseconds, zone.clone()))
                        .map_err(failed)?,
                    _ => series.clone(),
                };
                let values = numbers(&stamps.cast(&PolarsType::Int64).map_err(failed)?).map_err(failed)?;
                let least = series.min_reduce().map_err(failed)?;
                let greatest = series.max_reduce().map_err(failed)?;
                profile.min = (!least.is_null()).then(|| least.value().to_string());
                profile.max = (!greatest.is_null()).then(|| greatest.value().to_string());
                profile.histogram = histogram(&values.sorted, bins);
            }
            PolarsType::String | PolarsType::Boolean => profile.top = frequencies(series, top),
            _ => {}
        }
        Ok(profile)
    }

    /// The column in a sentence.
    pub(super) fn sentence(&self, rows: usize) -> String {
        let mut parts = vec![self.data_type.clone()];
        if let Some(classification) = &self.classification {
            parts.push(classification.clone());
        }
        parts.push(match self.nulls {
            0 => "none missing".to_owned(),
            nulls if nulls == rows => "all missing".to_owned(),
            nulls => format!(
                "{} missing ({:.1} %)",
                grouped(nulls as u64),
                self.null_ratio * 100.0
            ),
        });
        let about = if self.distinct_is_exact { "" } else { "about " };
        parts.push(format!("{about}{} different", grouped(self.distinct)));
        if let (Some(min), Some(max)) = (&self.min, &self.max) {
            parts.push(format!("{min} to {max}"));
        }
        if let Some(numbers) = &self.numbers {
            parts.push(format!(
                "mean {}, deviation {}",
                number(numbers.mean),
                number(numbers.stddev)
            ));
        }
        parts.join(" · ")
    }
}

fn countable(dtype: &PolarsType) -> bool {
    dtype.is_primitive_numeric() || dtype.is_temporal() || matches!(dtype, PolarsType::String)
}

/// A number with at most five significant decimals.
pub(super) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.5}");
    if value.abs() >= 1e-3 {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.3e}")
    }
}

struct Values {
    sorted: Vec<f64>,
    not_finite: u64,
}

fn numbers(series: &Series) -> Result<Values, PolarsError> {
    let floats = series.cast(&PolarsType::Float64)?;
    let mut sorted = Vec::with_capacity(series.len() - series.null_count());
    let mut not_finite = 0;
    for value in floats.f64()?.iter().flatten() {
        if value.is_finite() {
            sorted.push(value);
        } else {
            not_finite += 1;
        }
    }
    sorted.sort_unstable_by(f64::total_cmp);
    Ok(Values { sorted, not_finite })
}

impl Values {
    fn statistics(&mut self) -> Option<Numbers> {
        let values = &self.sorted;
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let stddev = if values.len() > 1 {
            (squares / (count - 1.0)).sqrt()
        } else {
            0.0
        };
        let quantiles: BTreeMap<&'static str, f64> = QUANTILES
            .iter()
            .map(|(name, share)| (*name, quantile(values, *share)))
            .collect();
        let (low, high) = (quantile(values, 0.25), quantile(values, 0.75));
        let reach = 1.5 * (high - low);
        let below = values.partition_point(|value| *value < low - reach);
        let above = values.len() - values.partition_point(|value| *value <= high + reach);
        let negative = values.partition_point(|value| *value < 0.0);
        let not_positive = values.partition_point(|value| *value <= 0.0);
        Some(Numbers {
            mean,
            stddev,
            zeros: (not_positive - negative) as u64,
            negative: negative as u64,
            not_finite: self.not_finite,
            outliers: (below + above) as u64,
            quantiles,
        })
    }
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let upper = sorted[(below + 1).min(sorted.len() - 1)];
    sorted[below] + (upper - sorted[below]) * part
}

fn histogram(sorted: &[f64], bins: usize) -> Option<Histogram> {
    let (from, to) = (*sorted.first()?, *sorted.last()?);
    let width = (to - from) / bins as f64;
    if width <= 0.0 || !width.is_finite() {
        return Some(Histogram {
            from,
            to,
            counts: vec![sorted.len() as u64],
        });
    }
    let mut counts = vec![0u64; bins];
    for value in sorted {
        let bin = ((value - from) / width) as usize;
        counts[bin.min(bins - 1)] += 1;
    }
    Some(Histogram { from, to, counts })
}

fn frequencies(series: &Series, top: usize) -> Vec<Frequency> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = |value: &str| match counts.get_mut(value) {
        Some(seen) => *seen += 1,
        None => {
            counts.insert(value.to_owned(), 1);
        }
    };
    match series.str() {
        Ok(texts) => texts.iter().flatten().for_each(&mut count),
        Err(_) => (0..series.len())
            .filter_map(|row| rule::shown(series, row))
            .for_each(|value| count(&value)),
    }
    let mut frequencies: Vec<Frequency> = counts
        .into_iter()
        .map(|(value, count)| Frequency { value, count })
        .collect();
    frequencies.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    frequencies.truncate(top);
    frequencies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8, 16], q) for q = 0.25, 0.5, 0.9, by hand: places 1, 2 and 3.6.
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        assert_eq!([quantile(&values, 0.25), quantile(&values, 0.5)], [2.0, 4.0]);
        assert!((quantile(&values, 0.9) - 12.8).abs() < 1e-12);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [number(3.0), number(0.25), number(1.0 / 3.0), number(1e-7)],
            ["3", "0.25", "0.33333", "1.000e-7"]
        );
    }
}
