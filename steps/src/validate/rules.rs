//! A contract's own rules over a table.

use super::checks::Tables;
use super::demand::Fresh;
use super::metric::rounded;
use super::outcome::{FailingRow, KeptRow, Outcome, RowRule, Severity};
use super::source::Rows;
use super::tables;
use crate::data_type;
use crate::rule;
use crate::spool::Noted;
use crate::table::grouped;
use indexmap::IndexMap;
use polars::prelude::{BooleanChunked, NewChunkedArray};
use trainyard_contract::data_contract::ColumnContract;
use trainyard_contract::{DataContract, StepError};

/// How strictly a contract is held.
#[derive(Clone, Copy)]
pub(super) struct Strictness {
    pub(super) severity: Severity,
    /// Share of rows that may break a rule of a column's values.
    pub(super) max_bad_share: f64,
}

/// Values of a dataset that could not be read as their type.
pub(super) fn readable(
    dataset: &str,
    rows: usize,
    unreadable: &Noted,
    tables: &Tables<'_>,
) -> Option<Outcome> {
    if unreadable.count == 0 {
        return None;
    }
    let first: Vec<String> = unreadable.first.iter().take(3).map(ToString::to_string).collect();
    let says = format!(
        "{dataset}: {} values cannot be read: {}",
        grouped(unreadable.count),
        first.join("; ")
    );
    let failing = unreadable
        .first
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
    let kept = unreadable
        .first
        .iter()
        .take(tables.limits.kept)
        .map(|fault| KeptRow {
            row: fault.row,
            column: Some(fault.column.clone()),
            value: fault.value.clone(),
        });
    Some(Outcome {
        found: Some(unreadable.count as f64),
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
    source: &Rows,
    contract: &DataContract,
    strictness: Strictness,
    tables: &Tables<'_>,
) -> Result<Vec<Outcome>, StepError> {
    let mut outcomes = Vec::new();
    let rows = source.height();
    for (name, wanted) in &contract.columns {
        if !source.has(name) {
            let says = format!(
                "{dataset} has no column `{name}`, which contract `{}` lists",
                contract.name
            );
            outcomes.push(
                Outcome::new(dataset, Some(name), "present", "is there")
                    .over(rows)
                    .verdict(false, says),
            );
            continue;
        }
        let frame = source.only([name.as_str()])?;
        let column = frame
            .column(name)
            .map_err(|error| StepError::internal(error.to_string()))?;
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
        outcomes.push(of_type.over(rows).verdict(right, says));
        if !right {
            continue;
        }
        let breaches = rule::breaches(column, wanted).map_err(|error| {
            StepError::rejected(format!("contract `{}`, column `{name}`: {error}", contract.name))
        })?;
        for (rule, looked_at, words) in declared(wanted, rows, column.null_count()) {
            let broken = breaches.iter().find(|breach| breach.rule == rule);
            let bad = broken.map_or_else(
                || BooleanChunked::from_iter_values("rows".into(), (0..rows).map(|_| false)),
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
            outcomes.push(row_rule.judge(source, bad, looked_at)?);
        }
        if wanted.unique {
            outcomes.push(unique(
                dataset,
                &[name],
                "unique",
                source,
                contract,
                strictness,
                tables,
            )?);
        }
    }
    if !contract.additional_columns {
        let listed = |name: &str| contract.columns.contains_key(name);
        for name in source.names().filter(|name| !listed(name)) {
            let says = format!(
                "{dataset} has a column `{name}`, which contract `{}` does not list",
                contract.name
            );
            let outcome = Outcome::new(dataset, Some(name), "additional_columns", "not there");
            outcomes.push(outcome.over(rows).verdict(false, says));
        }
    }
    let has = |name: &String| source.has(name);
    if !contract.primary_key.is_empty() && contract.primary_key.iter().all(has) {
        let keys: Vec<&str> = contract.primary_key.iter().map(String::as_str).collect();
        outcomes.push(unique(
            dataset,
            &keys,
            "primary_key",
            source,
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
        let frame = source.only([event_time.as_str()])?;
        outcomes.push(tables::newest(dataset, event_time, &frame, &fresh, tables.as_of)?);
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
    source: &Rows,
    contract: &DataContract,
    strictness: Strictness,
    tables: &Tables<'_>,
) -> Result<Outcome, StepError> {
    let doubled = source
        .only(columns.iter().copied())?
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
    row_rule.judge(source, doubled, source.height())
}
