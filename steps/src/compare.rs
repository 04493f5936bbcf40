//! A table beside the rows it was expected to have: what a pipeline's own `tests:` ask.

use crate::{dataset, table};
use indexmap::IndexMap;
use polars::prelude::{AnyValue, Column as Values};
use trainyard_contract::data_contract::{ColumnContract, DataContract};
use trainyard_contract::task::DatasetRef;
use trainyard_contract::{ArtifactRef, Schema, StepError, StepIo, TaskSpec};

/// No more differences are told; the first ones show the pattern.
const TOLD_AT_MOST: usize = 10;
/// Relative difference up to which two floats count as equal: what printing to CSV loses.
const TOLERANCE: f64 = 1e-9;

/// How a table differs from the expected rows, a sentence a difference; empty if it does not. Only
/// columns that the expected file has are compared, its types are the table's.
///
/// # Errors
/// If either cannot be read.
pub fn compare_table(
    spec: &TaskSpec,
    actual: &ArtifactRef,
    expected: &str,
) -> Result<Vec<String>, StepError> {
    let io = StepIo::new(spec.clone(), Box::new(|_| {}));
    let actual = table::open_artifact(&io, actual)?;
    let rows = table::collect("read the output", actual.frame.clone())?;
    let file = DatasetRef {
        name: "expected".to_owned(),
        location: expected.to_owned(),
        folder: None,
        format: None,
        options: serde_json::Value::Null,
        contract: None,
        content: None,
    };
    let header = dataset::read(&file, None, dataset::Access::of_task(spec))?;
    let mut differences: Vec<String> = header
        .schema
        .names()
        .filter(|name| actual.schema.column(name).is_none())
        .map(|name| format!("column `{name}` is expected and not there"))
        .collect();
    let contract = contract_of(&actual.schema, &header.schema);
    let wanted = dataset::read(&file, Some(&contract), dataset::Access::of_task(spec))?;
    wanted.refuse_faults()?;
    if rows.height() != wanted.frame.height() {
        differences.push(format!(
            "{} rows are expected, {} are there",
            wanted.frame.height(),
            rows.height()
        ));
        return Ok(differences);
    }
    for name in contract.columns.keys() {
        let (Ok(is), Ok(should)) = (rows.column(name), wanted.frame.column(name)) else {
            continue;
        };
        differences.extend(differing_rows(name, is, should));
    }
    differences.truncate(TOLD_AT_MOST);
    Ok(differences)
}

/// The columns both have, typed as in the table.
fn contract_of(actual: &Schema, expected: &Schema) -> DataContract {
    let columns: IndexMap<String, ColumnContract> = expected
        .names()
        .filter_map(|name| actual.column(name))
        .map(|column| {
            let contract = ColumnContract {
                data_type: column.data_type.clone(),
                nullable: true,
                known_at: None,
                unit: None,
                classification: None,
                description: None,
                min: None,
                max: None,
                accepted_values: Vec::new(),
                pattern: None,
                unique: false,
            };
            (column.name.clone(), contract)
        })
        .collect();
    DataContract {
        version: 1,
        name: "expected".to_owned(),
        description: None,
        owner: None,
        event_time: None,
        primary_key: Vec::new(),
        moments: Vec::new(),
        freshness: None,
        columns,
        additional_columns: true,
    }
}

fn differing_rows(name: &str, is: &Values, should: &Values) -> Vec<String> {
    (0..is.len())
        .filter_map(|row| {
            let (is, should) = (is.get(row).ok()?, should.get(row).ok()?);
            (!are_equal(&is, &should)).then(|| {
                format!(
                    "row {} column `{name}`: {should} is expected, {is} is there",
                    row + 1
                )
            })
        })
        .take(TOLD_AT_MOST)
        .collect()
}

fn are_equal(is: &AnyValue<'_>, should: &AnyValue<'_>) -> bool {
    match (is, should) {
        (AnyValue::Null, AnyValue::Null) => true,
        (AnyValue::Float64(a), AnyValue::Float64(b)) => near(*a, *b),
        (AnyValue::Float32(a), AnyValue::Float32(b)) => near(f64::from(*a), f64::from(*b)),
        (a, b) => a == b,
    }
}

fn near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
}
