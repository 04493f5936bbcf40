//! A contract's own rules over a table.

use super::checks::Severity;
use super::{FailingRow, Outcome};
use crate::data_type;
use crate::dataset::Fault;
use crate::rule::{self, known};
use crate::table::grouped;
use indexmap::IndexMap;
use polars::prelude::{BooleanChunked, DataFrame};
use trainyard_contract::{DataContract, StepError};

fn outcome(dataset: &str, column: Option<&str>, check: &str, passed: bool, says: String) -> Outcome {
    Outcome {
        dataset: dataset.to_owned(),
        column: column.map(str::to_owned),
        check: check.to_owned(),
        severity: Severity::Error,
        passed,
        says,
        found: None,
        failing: Vec::new(),
    }
}

/// Values of a dataset that could not be read as their type. Those that break another rule are found
/// by that rule.
pub(super) fn readable(dataset: &str, faults: &[Fault], sample: usize) -> Option<Outcome> {
    let unreadable: Vec<&Fault> = faults
        .iter()
        .filter(|fault| fault.column.is_empty() || fault.reason.starts_with("is not of type"))
        .collect();
    if unreadable.is_empty() {
        return None;
    }
    let first: Vec<String> = unreadable.iter().take(3).map(ToString::to_string).collect();
    let says = format!(
        "{dataset}: {} values cannot be read: {}",
        grouped(unreadable.len() as u64),
        first.join("; ")
    );
    let failing = unreadable.iter().take(sample).map(|fault| FailingRow {
        row: fault.row,
        values: IndexMap::from([
            ("file".to_owned(), Some(fault.file.to_string())),
            ("column".to_owned(), Some(fault.column.clone())),
            ("value".to_owned(), fault.value.clone()),
        ]),
    });
    Some(Outcome {
        found: Some(unreadable.len() as f64),
        failing: failing.collect(),
        ..outcome(dataset, None, "readable", false, says)
    })
}

/// Every rule of the contract, kept or not.
///
/// # Errors
/// `Rejected` for a pattern that is no regular expression.
pub(super) fn hold(
    dataset: &str,
    frame: &DataFrame,
    contract: &DataContract,
    sample: usize,
) -> Result<Vec<Outcome>, StepError> {
    let mut outcomes = Vec::new();
    for (name, wanted) in &contract.columns {
        let Ok(column) = frame.column(name) else {
            let says = format!(
                "{dataset} has no column `{name}`, which contract `{}` lists",
                contract.name
            );
            outcomes.push(outcome(dataset, Some(name), "present", false, says));
            continue;
        };
        let found = data_type::from_polars(column.dtype());
        let right = found == wanted.data_type;
        let says = if right {
            format!("{dataset}.{name} is of type {found}")
        } else {
            format!(
                "{dataset}.{name} is of type {found}, the contract says {}",
                wanted.data_type
            )
        };
        outcomes.push(outcome(dataset, Some(name), "type", right, says));
        if !right {
            continue;
        }
        let breaches = rule::breaches(column, wanted).map_err(|error| {
            StepError::rejected(format!("contract `{}`, column `{name}`: {error}", contract.name))
        })?;
        let declared = [
            ("nullable", !wanted.nullable),
            ("accepted_values", !wanted.accepted_values.is_empty()),
            ("min", wanted.min.is_some()),
            ("max", wanted.max.is_some()),
            ("pattern", wanted.pattern.is_some()),
        ];
        for (rule, _) in declared.iter().filter(|(_, declared)| *declared) {
            let broken = breaches.iter().find(|breach| breach.rule == *rule);
            outcomes.push(match broken {
                None => outcome(
                    dataset,
                    Some(name),
                    rule,
                    true,
                    format!("{dataset}.{name} keeps `{rule}`"),
                ),
                Some(breach) => {
                    let says =
                        |count: &str| format!("{dataset}.{name}: {count} a value that {}", breach.reason);
                    broken_rule(
                        dataset,
                        Some(name),
                        rule,
                        frame,
                        &breach.rows,
                        &shown(contract, &[name]),
                        sample,
                        says,
                    )
                }
            });
        }
        if wanted.unique {
            outcomes.push(unique(dataset, &[name], "unique", frame, contract, sample)?);
        }
    }
    if !contract.additional_columns {
        for column in frame
            .columns()
            .iter()
            .filter(|column| !contract.columns.contains_key(column.name().as_str()))
        {
            let says = format!(
                "{dataset} has a column `{}`, which contract `{}` does not list",
                column.name(),
                contract.name
            );
            outcomes.push(outcome(
                dataset,
                Some(column.name()),
                "additional_columns",
                false,
                says,
            ));
        }
    }
    if !contract.primary_key.is_empty() && contract.primary_key.iter().all(|key| frame.column(key).is_ok()) {
        let keys: Vec<&str> = contract.primary_key.iter().map(String::as_str).collect();
        outcomes.push(unique(dataset, &keys, "primary_key", frame, contract, sample)?);
    }
    Ok(outcomes)
}

/// The columns to show of a failing row: its key, and what is wrong with it.
fn shown<'a>(contract: &'a DataContract, columns: &[&'a str]) -> Vec<&'a str> {
    let mut shown: Vec<&str> = contract.primary_key.iter().map(String::as_str).collect();
    shown.extend(
        columns
            .iter()
            .filter(|column| !contract.primary_key.iter().any(|key| key == *column)),
    );
    shown
}

fn unique(
    dataset: &str,
    columns: &[&str],
    rule: &str,
    frame: &DataFrame,
    contract: &DataContract,
    sample: usize,
) -> Result<Outcome, StepError> {
    let internal = |error: polars::prelude::PolarsError| StepError::internal(error.to_string());
    let what = columns.join(", ");
    let doubled = frame
        .select(columns.iter().copied())
        .and_then(|keys| keys.is_duplicated())
        .map_err(internal)?;
    let column = if columns.len() == 1 {
        Some(columns[0])
    } else {
        None
    };
    if !doubled.any() {
        return Ok(outcome(
            dataset,
            column,
            rule,
            true,
            format!("{dataset}: each ({what}) occurs once"),
        ));
    }
    let says = |count: &str| format!("{dataset}: {count} a ({what}) that occurs more than once");
    Ok(broken_rule(
        dataset,
        column,
        rule,
        frame,
        &doubled,
        &shown(contract, columns),
        sample,
        says,
    ))
}

#[expect(clippy::too_many_arguments, reason = "each is one fact of one outcome")]
fn broken_rule(
    dataset: &str,
    column: Option<&str>,
    check: &str,
    frame: &DataFrame,
    rows: &BooleanChunked,
    columns: &[&str],
    sample: usize,
    says: impl Fn(&str) -> String,
) -> Outcome {
    let rows = known(rows.clone());
    let count = u64::from(rows.sum().unwrap_or_default());
    let has = if count == 1 { "row has" } else { "rows have" };
    let numbers = rows
        .iter()
        .enumerate()
        .filter(|(_, broken)| *broken == Some(true))
        .map(|(row, _)| row);
    let failing = numbers
        .take(sample)
        .map(|row| FailingRow {
            row: row as u64 + 1,
            values: columns
                .iter()
                .filter_map(|name| {
                    let series = frame.column(name).ok()?.as_materialized_series();
                    Some(((*name).to_owned(), rule::shown(series, row)))
                })
                .collect(),
        })
        .collect();
    Outcome {
        found: Some(count as f64),
        failing,
        ..outcome(
            dataset,
            column,
            check,
            false,
            says(&format!("{} {has}", grouped(count))),
        )
    }
}
