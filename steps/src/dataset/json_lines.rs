//! NDJSON: one JSON object a line. Scalars are gathered as text and typed by the contract.

use super::coerce::Gathering;
use super::location::DataFile;
use indexmap::IndexMap;
use polars::prelude::{Column, DataFrame, IntoColumn, NewChunkedArray, StringChunked};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader};
use trainyard_contract::StepError;

pub(super) fn read(file: &DataFile, options: &Value, gathering: &mut Gathering<'_>) -> Result<(), StepError> {
    if !options.is_null() {
        return Err(StepError::rejected("an NDJSON dataset takes no `options`"));
    }
    let opening = |error| StepError::io(format!("could not read {}", file.shown), &error);
    let mut source = BufReader::with_capacity(1 << 17, File::open(&file.path).map_err(opening)?);
    let mut columns: IndexMap<String, Vec<Option<String>>> = IndexMap::new();
    let mut rows: Vec<u64> = Vec::new();
    let mut line = Vec::new();
    let mut number = 0u64;
    loop {
        line.clear();
        if source.read_until(b'\n', &mut line).map_err(opening)? == 0 {
            break;
        }
        if number == 0 && line.starts_with(&[0xEF, 0xBB, 0xBF]) {
            line.drain(..3);
        }
        number += 1;
        let text = std::str::from_utf8(&line).map_err(|error| {
            let byte = line.get(error.valid_up_to()).copied().unwrap_or_default();
            StepError::rejected(format!(
                "{} is not UTF-8: line {number} has byte 0x{byte:02X}",
                file.shown
            ))
            .help("save the file as UTF-8")
        })?;
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let object: Map<String, Value> = match serde_json::from_str(text) {
            Ok(object) => object,
            Err(error) => {
                gathering.unreadable_row(number, text.to_owned(), format!("is not a JSON object: {error}"));
                continue;
            }
        };
        for (name, value) in object {
            let column = columns.entry(name).or_default();
            column.resize(rows.len(), None);
            column.push(match value {
                Value::Null => None,
                Value::String(text) => Some(text),
                other => Some(other.to_string()),
            });
        }
        rows.push(number);
    }
    if number == 0 {
        return Err(StepError::rejected(format!("{} is empty", file.shown)));
    }
    let names: Vec<String> = columns.keys().cloned().collect();
    if rows.is_empty() {
        return Ok(());
    }
    let wanted = gathering.choose(&names)?;
    let mut gathered: Vec<Column> = Vec::with_capacity(wanted.len());
    for at in wanted {
        if let Some((name, values)) = columns.get_index_mut(at) {
            values.resize(rows.len(), None);
            let values = std::mem::take(values);
            gathered.push(
                StringChunked::from_iter_options(name.as_str().into(), values.into_iter()).into_column(),
            );
        }
    }
    let block = DataFrame::new(rows.len(), gathered)
        .map_err(|error| StepError::internal(format!("could not gather {}: {error}", file.shown)))?;
    gathering.block(block, &rows)
}
