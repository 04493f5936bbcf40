//! What a contract says of a column's values, as masks over its rows.

use polars::prelude::{
    AnyValue, BooleanChunked, ChunkCompareIneq, Column, DataType, NewChunkedArray, PolarsResult, Series,
    StringNameSpaceImpl,
};
use serde_json::Value;
use trainyard_contract::data_contract::ColumnContract;

/// One rule of a column, and the rows that break it.
pub(crate) struct Breach {
    /// What is wrong with a value, as the end of a sentence that begins with it.
    pub(crate) reason: String,
    /// Name of the rule, as in the contract: `nullable`, `accepted_values`, `min`, `max`, `pattern`.
    pub(crate) rule: &'static str,
    pub(crate) rows: BooleanChunked,
}

/// The breaches of each rule that some row breaks. `column` has the contract's type.
///
/// # Errors
/// A pattern that is no regular expression.
pub(crate) fn breaches(column: &Column, contract: &ColumnContract) -> PolarsResult<Vec<Breach>> {
    let mut breaches = Vec::new();
    let mut add = |rule, reason: String, rows: BooleanChunked| {
        if rows.any() {
            breaches.push(Breach { reason, rule, rows });
        }
    };
    if !contract.nullable && column.null_count() > 0 {
        add(
            "nullable",
            "is missing, and the contract says `nullable: false`".to_owned(),
            column.is_null(),
        );
    }
    let series = column.as_materialized_series();
    if !contract.accepted_values.is_empty() {
        let allowed: Vec<String> = contract.accepted_values.iter().map(plain_text).collect();
        let values = series.cast(&DataType::String)?;
        let rows = values
            .str()?
            .iter()
            .map(|value| value.is_some_and(|value| !allowed.iter().any(|allowed| allowed == value)));
        let rows = BooleanChunked::from_iter_values(column.name().clone(), rows);
        add(
            "accepted_values",
            format!("is not one of {}", allowed.join(", ")),
            rows,
        );
    }
    if contract.min.is_some() || contract.max.is_some() {
        let numbers = series.cast(&DataType::Float64)?;
        let numbers = numbers.f64()?;
        if let Some(least) = contract.min {
            add("min", format!("is less than {least}"), known(numbers.lt(least)));
        }
        if let Some(greatest) = contract.max {
            add(
                "max",
                format!("is greater than {greatest}"),
                known(numbers.gt(greatest)),
            );
        }
    }
    if let Some(pattern) = &contract.pattern
        && series.dtype() == &DataType::String
    {
        let matching = series.str()?.contains(pattern, true)?;
        add("pattern", format!("does not match `{pattern}`"), known(!matching));
    }
    Ok(breaches)
}

/// A mask in which missing means no.
pub(crate) fn known(mask: BooleanChunked) -> BooleanChunked {
    let name = mask.name().clone();
    BooleanChunked::from_iter_values(name, mask.iter().map(|value| value.unwrap_or(false)))
}

/// The value as a table would show it: text without quotes.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The value of a row as text, for messages; `None` if it is missing.
pub(crate) fn shown(series: &Series, row: usize) -> Option<String> {
    match series.get(row) {
        Ok(value) if !value.is_null() => Some(match value {
            AnyValue::String(text) => text.to_owned(),
            AnyValue::StringOwned(text) => text.to_string(),
            // polars would show six digits.
            AnyValue::Float64(number) => number.to_string(),
            AnyValue::Float32(number) => number.to_string(),
            other => other.to_string(),
        }),
        _ => None,
    }
}
