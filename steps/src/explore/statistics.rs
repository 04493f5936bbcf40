//! A column's profile in the few numbers that the offline store keeps for each file.

use super::column::{ColumnProfile, Extent};
use polars::prelude::{PolarsResult, Series};
use serde_json::Value;
use trainyard_features::offline::{ColumnStatistics, DistinctSketch};

/// Rows by which the form of texts is told, which nobody asks for here.
const SAMPLED: usize = 100;

/// A column in numbers that can be put together with those of others.
///
/// # Errors
/// What polars cannot count.
pub(crate) fn statistics(series: &Series) -> PolarsResult<ColumnStatistics> {
    let extent = Extent {
        bins: Some(1),
        top: 0,
    };
    let (profile, hashes) = ColumnProfile::of(series, &series.head(Some(SAMPLED)), None, extent)?;
    let mut sketch = DistinctSketch::default();
    if profile.nulls == 0 {
        hashes.iter().for_each(|hash| sketch.add(*hash));
    } else {
        let missing = series.is_null();
        let there = hashes
            .iter()
            .zip(missing.iter())
            .filter(|(_, missing)| *missing != Some(true));
        there.for_each(|(hash, _)| sketch.add(*hash));
    }
    let text = |shown: Option<String>| shown.map(Value::String);
    let mut found = ColumnStatistics {
        nulls: profile.nulls as u64,
        distinct: profile.distinct as u64,
        sketch,
        ..ColumnStatistics::default()
    };
    match profile.numbers.filter(|_| series.dtype().is_primitive_numeric()) {
        Some(numbers) => {
            found.min = Some(numbers.min.into());
            found.max = Some(numbers.max.into());
            found.count = numbers.count as u64;
            found.mean = Some(numbers.mean);
            found.stddev = Some(numbers.stddev).filter(|deviation| deviation.is_finite());
            found.quantiles = numbers.quantiles.into_values().collect();
        }
        None => (found.min, found.max) = (text(profile.min), text(profile.max)),
    }
    Ok(found)
}
