//! One column in numbers.

use super::text::Texts;
use super::time::{Clock, Times};
use crate::data_type;
use crate::rule;
use crate::table::grouped;
use polars::prelude::{DataType as PolarsType, PolarsResult, Series};
use serde::Serialize;
use std::collections::BTreeMap;
use std::hash::Hasher;
use trainyard_contract::Column;
use trainyard_models::statistics::{self, Fences, quantile, tally};

/// What a column holds.
#[derive(Debug, Serialize)]
pub(super) struct ColumnProfile {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) classification: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unit: Option<String>,
    pub(super) nulls: usize,
    pub(super) null_ratio: f64,
    /// Different values, missing not counted; told apart by a 64-bit hash of all of them.
    pub(super) distinct: usize,
    /// Values that occur once.
    pub(super) once: usize,
    /// Least and greatest value as shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) numbers: Option<Numbers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) texts: Option<Texts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) times: Option<Times>,
    /// What the histogram's numbers count, if they are times.
    #[serde(skip)]
    pub(super) clock: Option<Clock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) histogram: Option<Histogram>,
    /// Most frequent values; none if no value occurs twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) top: Vec<Frequency>,
}

/// Statistics of finite numbers.
#[derive(Debug, Serialize)]
pub(super) struct Numbers {
    /// Finite values.
    pub(super) count: usize,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
    /// 95 % interval of the mean by the normal approximation, as if rows were drawn independently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mean_interval: Option<[f64; 2]>,
    /// Sample standard deviation.
    pub(super) stddev: f64,
    /// Adjusted Fisher–Pearson skewness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) skewness: Option<f64>,
    /// Excess kurtosis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kurtosis: Option<f64>,
    pub(super) zeros: usize,
    pub(super) negative: usize,
    pub(super) nan: usize,
    pub(super) infinite: usize,
    /// Values more than 1.5 times the interquartile range beyond the quartiles (Tukey 1977).
    pub(super) outliers: usize,
    /// Values with a modified z-score beyond 3.5 (Iglewicz and Hoaglin 1993); absent where more than half
    /// of the values are equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) robust_outliers: Option<usize>,
    /// By share in percent, interpolated linearly between order statistics (Hyndman and Fan's type 7).
    pub(super) quantiles: BTreeMap<&'static str, f64>,
}

/// Counts in bins of equal width; the last bin holds its upper edge.
#[derive(Debug, Serialize)]
pub(super) struct Histogram {
    pub(super) from: f64,
    pub(super) width: f64,
    pub(super) counts: Vec<u64>,
    /// Values left and right of the bins.
    pub(super) below: u64,
    pub(super) above: u64,
    /// How the bins were chosen.
    pub(super) method: &'static str,
    /// Whether each value is a whole number: then bins end halfway between two.
    pub(super) whole: bool,
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

/// How much of a column is shown.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    /// Bins of a histogram, or as many as suit it.
    pub(super) bins: Option<usize>,
    pub(super) top: usize,
}

/// Most bins where none were asked for.
const MOST_BINS: usize = 40;

impl ColumnProfile {
    /// The profile of a column, and the hash of each row's value. `sampled` are some of its rows.
    pub(super) fn of(
        series: &Series,
        sampled: &Series,
        known: Option<&Column>,
        extent: Extent,
    ) -> PolarsResult<(Self, Vec<u64>)> {
        let rows = series.len();
        let nulls = series.null_count();
        let hashes = hashes(series)?;
        let mut sorted: Vec<u64> = if nulls == 0 {
            hashes.clone()
        } else {
            let missing = series.is_null();
            let there = hashes.iter().zip(missing.iter());
            there
                .filter(|(_, missing)| *missing != Some(true))
                .map(|(hash, _)| *hash)
                .collect()
        };
        let found = tally(&mut sorted, extent.top);
        drop(sorted);
        let mut profile = Self {
            name: series.name().to_string(),
            data_type: data_type::from_polars(series.dtype()).to_string(),
            classification: known.and_then(|column| column.classification.clone()),
            unit: known.and_then(|column| column.unit.clone()),
            nulls,
            null_ratio: if rows == 0 {
                0.0
            } else {
                nulls as f64 / rows as f64
            },
            distinct: found.distinct,
            once: found.once,
            min: None,
            max: None,
            numbers: None,
            texts: None,
            times: None,
            clock: None,
            histogram: None,
            top: Vec::new(),
        };
        if found.distinct > found.once {
            for (hash, count) in &found.top {
                let row = hashes.iter().position(|other| other == hash);
                let value = row.and_then(|row| rule::shown(series, row));
                profile.top.extend(value.map(|value| Frequency {
                    value,
                    count: *count as u64,
                }));
            }
            // Equal counts stand in the order of their hashes so far.
            profile
                .top
                .sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        }
        match series.dtype() {
            dtype if dtype.is_primitive_numeric() => {
                let (values, nan, infinite) = numbers(series)?;
                profile.min = values.first().map(|least| number(*least));
                profile.max = values.last().map(|greatest| number(*greatest));
                profile.histogram = histogram(&values, extent.bins);
                profile.numbers = statistics_of(&values, nan, infinite);
            }
            dtype if dtype.is_temporal() => {
                let clock = Clock::of(dtype);
                let values = clock.readings(series)?;
                profile.min = values.first().map(|least| clock.shown(*least));
                profile.max = values.last().map(|greatest| clock.shown(*greatest));
                profile.histogram = histogram(&values, extent.bins);
                profile.times = Times::of(clock, &values);
                profile.clock = Some(clock);
            }
            PolarsType::String => {
                let (all, sampled) = (series.str()?, sampled.str()?);
                profile.texts = Texts::of(all.iter().flatten(), sampled.iter().flatten());
            }
            _ => {}
        }
        Ok((profile, hashes))
    }

    /// Values that are not missing.
    pub(super) fn values(&self, rows: usize) -> usize {
        rows - self.nulls
    }
}

/// A hash of each row's value; equal values of a column have equal hashes.
fn hashes(series: &Series) -> PolarsResult<Vec<u64>> {
    const MISSING: u64 = 0x51_7c_c1_b7_27_22_0a_95;
    Ok(match series.dtype() {
        dtype if dtype.is_float() => {
            let floats = series.cast(&PolarsType::Float64)?;
            // Both zeros are one value, and so are all that are no number.
            let bits = |value: f64| {
                if value.is_nan() {
                    f64::NAN.to_bits()
                } else {
                    (value + 0.0).to_bits()
                }
            };
            floats
                .f64()?
                .iter()
                .map(|value| value.map_or(MISSING, |value| mixed(bits(value))))
                .collect()
        }
        PolarsType::UInt64 => series
            .u64()?
            .iter()
            .map(|value| value.map_or(MISSING, mixed))
            .collect(),
        dtype if dtype.is_integer() || dtype.is_temporal() || dtype.is_bool() => {
            let whole = series.cast(&PolarsType::Int64)?;
            whole
                .i64()?
                .iter()
                .map(|value| value.map_or(MISSING, |value| mixed(value.cast_unsigned())))
                .collect()
        }
        PolarsType::String => series
            .str()?
            .iter()
            .map(|text| text.map_or(MISSING, hash_of))
            .collect(),
        _ => (0..series.len())
            .map(|row| rule::shown(series, row).map_or(MISSING, |text| hash_of(&text)))
            .collect(),
    })
}

fn hash_of(text: &str) -> u64 {
    // Its keys are zero: the same text has the same hash in every run.
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Spreads bits evenly, one to one (the finaliser of SplitMix64, Stafford's variant 13).
pub(super) fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Finite values in order, and how many are NaN or infinite.
fn numbers(series: &Series) -> PolarsResult<(Vec<f64>, usize, usize)> {
    let floats = series.cast(&PolarsType::Float64)?;
    let mut sorted = Vec::with_capacity(series.len() - series.null_count());
    let (mut nan, mut infinite) = (0, 0);
    for value in floats.f64()?.iter().flatten() {
        if value.is_finite() {
            sorted.push(value);
        } else if value.is_nan() {
            nan += 1;
        } else {
            infinite += 1;
        }
    }
    sorted.sort_unstable_by(f64::total_cmp);
    Ok((sorted, nan, infinite))
}

fn statistics_of(sorted: &[f64], nan: usize, infinite: usize) -> Option<Numbers> {
    let moments = statistics::moments(sorted)?;
    let negative = sorted.partition_point(|value| *value < 0.0);
    Some(Numbers {
        count: moments.count,
        min: *sorted.first()?,
        max: *sorted.last()?,
        mean: moments.mean,
        mean_interval: moments
            .mean_interval()
            .map(|interval| [interval.low, interval.high]),
        stddev: moments.deviation.unwrap_or(0.0),
        skewness: moments.skewness,
        kurtosis: moments.kurtosis,
        zeros: sorted.partition_point(|value| *value <= 0.0) - negative,
        negative,
        nan,
        infinite,
        outliers: Fences::of(sorted).map_or(0, |fences| fences.outside),
        robust_outliers: statistics::robust_outliers(sorted),
        quantiles: QUANTILES
            .iter()
            .map(|(name, share)| (*name, quantile(sorted, *share)))
            .collect(),
    })
}

fn histogram(sorted: &[f64], bins: Option<usize>) -> Option<Histogram> {
    let found = statistics::Histogram::of(sorted, bins, MOST_BINS)?;
    Some(Histogram {
        from: found.from,
        width: found.width,
        method: found.rule.name(),
        counts: found.counts,
        below: found.below,
        above: found.above,
        whole: found.whole,
    })
}

/// A number as it is read: whole ones whole, others with five significant digits.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e15 {
        // Years and clock times are read without commas.
        let whole = if size < 10_000.0 {
            format!("{size:.0}")
        } else {
            grouped(size as u64)
        };
        return if value < 0.0 { format!("−{whole}") } else { whole };
    }
    let text = if (1e-4..1e15).contains(&size) {
        let decimals = (4.0 - size.log10().floor()).clamp(0.0, 9.0) as usize;
        let text = format!("{size:.decimals$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    } else {
        format!("{size:.3e}")
    };
    if value < 0.0 { format!("−{text}") } else { text }
}

/// A share of rows in percent; never 0 for some or 100 for not all.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        100.0 => "100 %".to_owned(),
        some if some < 0.1 => "under 0.1 %".to_owned(),
        some if some > 99.9 => "over 99.9 %".to_owned(),
        some => format!("{some:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::NamedFrom;

    #[test]
    fn numbers_are_short_and_shares_never_round_to_none_or_all() {
        assert_eq!(
            [
                number(3.0),
                number(0.25),
                number(1.0 / 3.0),
                number(1e-7),
                number(-12345.678),
                number(-2e6)
            ],
            ["3", "0.25", "0.33333", "1.000e-7", "−12346", "−2,000,000"]
        );
        assert_eq!(
            [
                percent(0.0),
                percent(1e-6),
                percent(0.5),
                percent(0.99999),
                percent(1.0)
            ],
            ["0 %", "under 0.1 %", "50.0 %", "over 99.9 %", "100 %"]
        );
    }

    #[test]
    fn equal_values_have_equal_hashes_whatever_their_bits() {
        let series = Series::new(
            "x".into(),
            [Some(0.0), Some(-0.0), None, Some(f64::NAN), Some(1.0)],
        );
        let found = hashes(&series).unwrap();
        assert_eq!(found[0], found[1]);
        assert_eq!(found.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
