//! A contract's own rules over a table.

use super::checks::Tables;
use super::demand::Fresh;
use super::metric::rounded;
use super::outcome::{FailingRow, KeptRow, Outcome, RowRule, Severity};
use super::tables;
use crate::data_type;
use crate::dataset::Fault;
use crate::rule;
use crate::table::grouped;
use indexmap::IndexMap;
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};
use trainyard_contract::data_contract::ColumnContract;
use trainyard_contract::{DataContract, StepError};

/// How strictly a contract is held.
#[derive(Clone, Copy)]
pub(super) struct Strictness {
    pub(super) severity: Severity,
    /// Share of rows that may break a rule of a column's values.
    pub(super) max_bad_share: f64,
}

/// Values of a dataset that could not be read as their type. Those that break another rule are found
/// by that rule.
pub(super) fn readable(dataset: &str, rows: usize, faults: &[Fault], tables: &Tables<'_>) -> Option<Outcome> {
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
    let failing = unreadable
        .iter()
        .take(tables.limits.shown)
        .map(|fault| FailingRow {
            row: fault.row,
            values: IndexMap::from([
                ("file".to_owned(), Some(fault.file.to_string())),
                ("column".to_owned(), Some(fault.column.clone())),
                ("value".to_owned(), fault.value.clone()),
            ]),
        });
    let kept = unreadable.iter().take(tables.limits.kept).map(|fault| KeptRow {
        row: fault.row,
        column: Some(fault.column.clone()),
        value: fault.value.clone(),
    });
    Some(Outcome {
        found: Some(unreadable.len() as f64),
        failing: failing.collect(),
        kept: kept.collect(),
        reason: "a value that cannot be read as its type".to_owned(),
        ..Outcome::new(dataset, None, "readable", "can be read")
            .over(rows)
            .verdict(false, says)
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
    strictness: Strictness,
    tables: &Tables<'_>,
) -> Result<Vec<Outcome>, StepError> {
    let mut outcomes = Vec::new();
    for (name, wanted) in &contract.columns {
        let Ok(column) = frame.column(name) else {
            let says = format!(
                "{dataset} has no column `{name}`, which contract `{}` lists",
                contract.name
            );
            outcomes.push(
                Outcome::new(dataset, Some(name), "present", "is there")
                    .over(frame.height())
                    .verdict(false, says),
            );
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
        let of_type = Outcome::new(dataset, Some(name), "type", wanted.data_type.to_string());
        outcomes.push(of_type.over(frame.height()).verdict(right, says));
        if !right {
            continue;
        }
        let breaches = rule::breaches(column, wanted).map_err(|error| {
            StepError::rejected(format!("contract `{}`, column `{name}`: {error}", contract.name))
        })?;
        for (rule, looked_at, words) in declared(wanted, frame.height(), column.null_count()) {
            let broken = breaches.iter().find(|breach| breach.rule == rule);
            let rows = broken.map_or_else(
                || BooleanChunked::from_iter_values("rows".into(), (0..frame.height()).map(|_| false)),
                |breach| breach.rows.clone(),
            );
            let row_rule = RowRule {
                dataset,
                columns: &[name],
                shown: &[name],
                keys: &contract.primary_key,
                check: rule,
                has: match broken {
                    Some(breach) => format!("a value that {}", breach.reason),
                    None => format!("a value that breaks `{rule}`"),
                },
                wanted: words,
                severity: strictness.severity,
                max_bad_share: strictness.max_bad_share,
                limits: tables.limits,
            };
            outcomes.push(row_rule.judge(frame, rows, looked_at));
        }
        if wanted.unique {
            outcomes.push(unique(
                dataset,
                &[name],
                "unique",
                frame,
                contract,
                strictness,
                tables,
            )?);
        }
    }
    if !contract.additional_columns {
        let listed = |name: &str| contract.columns.contains_key(name);
        for column in frame
            .columns()
            .iter()
            .filter(|column| !listed(column.name().as_str()))
        {
            let says = format!(
                "{dataset} has a column `{}`, which contract `{}` does not list",
                column.name(),
                contract.name
            );
            let outcome = Outcome::new(dataset, Some(column.name()), "additional_columns", "not there");
            outcomes.push(outcome.over(frame.height()).verdict(false, says));
        }
    }
    let has = |name: &String| frame.column(name).is_ok();
    if !contract.primary_key.is_empty() && contract.primary_key.iter().all(has) {
        let keys: Vec<&str> = contract.primary_key.iter().map(String::as_str).collect();
        outcomes.push(unique(
            dataset,
            &keys,
            "primary_key",
            frame,
            contract,
            strictness,
            tables,
        )?);
    }
    if let (Some(freshness), Some(event_time), Some(_)) =
        (&contract.freshness, &contract.event_time, tables.as_of)
        && has(event_time)
    {
        let fresh = Fresh {
            max_age: freshness.max_age.clone(),
        };
        outcomes.push(tables::newest(dataset, event_time, frame, &fresh, tables.as_of)?);
    }
    for outcome in &mut outcomes {
        outcome.severity = strictness.severity;
    }
    Ok(outcomes)
}

/// The rules a contract has for a column's values: name, how many values each looks at, what must hold.
fn declared(wanted: &ColumnContract, rows: usize, nulls: usize) -> Vec<(&'static str, usize, String)> {
    let values = rows - nulls;
    let mut declared = Vec::new();
    if !wanted.nullable {
        declared.push(("nullable", rows, "not missing".to_owned()));
    }
    match wanted.accepted_values.as_slice() {
        [] => {}
        few if few.len() <= 3 => {
            let names: Vec<String> = few
                .iter()
                .map(|value| value.to_string().trim_matches('"').to_owned())
                .collect();
            declared.push(("accepted_values", values, format!("one of {}", names.join(", "))));
        }
        many => declared.push(("accepted_values", values, format!("one of {} values", many.len()))),
    }
    if let Some(min) = wanted.min {
        declared.push(("min", values, format!("at least {}", rounded(min))));
    }
    if let Some(max) = wanted.max {
        declared.push(("max", values, format!("at most {}", rounded(max))));
    }
    if let Some(pattern) = &wanted.pattern {
        declared.push(("pattern", values, format!("matches {pattern}")));
    }
    declared
}

fn unique(
    dataset: &str,
    columns: &[&str],
    check: &str,
    frame: &DataFrame,
    contract: &DataContract,
    strictness: Strictness,
    tables: &Tables<'_>,
) -> Result<Outcome, StepError> {
    let doubled = frame
        .select(columns.iter().copied())
        .and_then(|keys| keys.is_duplicated())
        .map_err(|error| StepError::internal(error.to_string()))?;
    let row_rule = RowRule {
        dataset,
        columns,
        shown: columns,
        keys: &contract.primary_key,
        check,
        wanted: if check == "unique" {
            "unique".to_owned()
        } else {
            format!("({}) is unique", columns.join(", "))
        },
        has: format!("a ({}) that occurs more than once", columns.join(", ")),
        severity: strictness.severity,
        max_bad_share: strictness.max_bad_share,
        limits: tables.limits,
    };
    Ok(row_rule.judge(frame, doubled, frame.height()))
}
