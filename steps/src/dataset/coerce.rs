//! From the types files have to those a contract wants.

use super::kind;
use crate::data_type;
use polars::prelude::{DataType, Float64Chunked, IntoSeries, PolarsError, PolarsResult, Series};
use std::collections::BTreeMap;
use trainyard_contract::ReaderOptions;
use trainyard_records::{Conventions, TextReader, Why};

/// A column as the type wanted; what does not fit is null.
pub(super) struct Coerced {
    pub(super) values: Series,
    why: BTreeMap<usize, Why>,
}

impl Coerced {
    /// What is wrong with the value of a row that does not fit.
    pub(super) fn reason(&self, row: usize, data_type: &str) -> String {
        self.why.get(&row).copied().unwrap_or(Why::Type).reason(data_type)
    }
}

/// The column as the type wanted.
///
/// # Errors
/// If no value of its type can become one.
pub(super) fn coerced(original: &Series, wanted: &DataType) -> PolarsResult<Coerced> {
    let plain = |values: PolarsResult<Series>| {
        values.map(|values| Coerced {
            values,
            why: BTreeMap::new(),
        })
    };
    match (original.dtype(), wanted) {
        (have, want) if have == want => plain(Ok(original.clone())),
        (_, DataType::Null) => plain(Ok(original.clone())),
        (DataType::String, want) => text_to(original, want),
        (DataType::Float32 | DataType::Float64, want) if want.is_integer() => {
            let numbers = original.cast(&DataType::Float64)?;
            plain(whole_only(&numbers)?.cast(want))
        }
        (DataType::Datetime(_, None), DataType::Datetime(_, Some(_))) => {
            // A clock reading without a zone is taken as one in the contract's zone.
            let text = original.datetime()?.to_string("%Y-%m-%dT%H:%M:%S%.9f")?;
            text_to(&text.into_series(), wanted)
        }
        (DataType::Datetime(_, Some(_)), DataType::Datetime(_, None)) => Err(PolarsError::InvalidOperation(
            "its times have a zone, the contract's have none".into(),
        )),
        (_, want) => plain(original.cast(want)),
    }
}

/// Numbers without those that have a fraction.
fn whole_only(numbers: &Series) -> PolarsResult<Series> {
    let whole: Float64Chunked = numbers
        .f64()?
        .iter()
        .map(|value| value.filter(|value| value.fract() == 0.0))
        .collect();
    Ok(whole.with_name(numbers.name().clone()).into_series())
}

/// Texts read as a text file's are.
fn text_to(texts: &Series, wanted: &DataType) -> PolarsResult<Coerced> {
    let compute = |text: String| PolarsError::ComputeError(text.into());
    let options = ReaderOptions::default();
    let conventions = Conventions::new(&options).map_err(|error| compute(error.to_string()))?;
    let name = texts.name().as_str();
    let data_type = data_type::from_polars(wanted);
    let column = kind::of(name, &data_type, &options).map_err(|error| compute(error.failure.message))?;
    let mut reader = TextReader::new(&column, &conventions, texts.len());
    for text in texts.str()?.iter() {
        reader.push(text);
    }
    let (values, faults) = reader.finish();
    Ok(Coerced {
        values: kind::series(name, values, &data_type)?,
        why: faults.into_iter().map(|fault| (fault.at, fault.why)).collect(),
    })
}
