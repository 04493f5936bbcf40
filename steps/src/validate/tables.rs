//! Rules of a check carried out: of rows, between inputs, of distributions and labels.

use super::checks::{Check, Tables, roots};
use super::demand::{Agreement, Classes, Demand, Fresh, Leakage, Likeness};
use super::metric::rounded;
use super::outcome::{Outcome, RowRule, subject};
use super::rows::{self, Broken};
use super::source::Rows;
use crate::explore::{Likened, likened, told_alone};
use crate::fault;
use crate::sql::Expression;
use crate::table::{collect, grouped};
use polars::prelude::{
    BooleanChunked, ChunkCompareIneq, Column, DataFrame, DataType as PolarsType, IntoLazy, JoinType,
    NewChunkedArray, PolarsError, TimeUnit, col,
};
use std::collections::BTreeMap;
use trainyard_contract::{Millis, StepError, Timestamp};

/// How a rule went.
///
/// # Errors
/// `Rejected` if an input or column is not there or the rule does not fit its type.
pub(super) fn judged(check: &Check, demand: &Demand, tables: &Tables<'_>) -> Result<Outcome, StepError> {
    let dataset = check.dataset.as_deref().unwrap_or_default();
    let source = tables.rows(dataset)?;
    let columns = check.about();
    // Only columns that somebody looks at are read.
    let mut names = check.roots();
    names.extend(columns.iter().map(|name| (*name).to_owned()));
    match demand {
        Demand::Expression(Expression(text)) => names.extend(roots(text)),
        Demand::Order(order) => names.extend(order.within.iter().cloned()),
        Demand::Disjoint(other) if columns.is_empty() => {
            let theirs = tables.rows(&other.dataset)?;
            names.extend(source.names().filter(|name| theirs.has(name)).map(str::to_owned));
        }
        _ => {}
    }
    let frame = &source.only(names.iter().map(String::as_str))?;
    let some = check.condition_rows(frame)?;
    let within = |rows: BooleanChunked| match &some {
        Some(some) => &crate::rule::known(rows) & some,
        None => rows,
    };
    let broken = match demand {
        Demand::ForeignKey(reference) => {
            let theirs: Vec<&str> = if reference.columns.is_empty() {
                columns.clone()
            } else {
                reference.columns.iter().map(String::as_str).collect()
            };
            let other = tables.rows(&reference.dataset)?.only(theirs.iter().copied())?;
            let present = there(frame, &columns)?;
            let found = occurring(frame, &columns, &other, &theirs)?;
            Some(Broken {
                rows: &present & &!found,
                looked_at: present,
                wanted: format!("in {}.{}", reference.dataset, theirs.join(", ")),
                has: format!(
                    "a ({}) that `{}` does not have",
                    columns.join(", "),
                    reference.dataset
                ),
            })
        }
        Demand::Disjoint(other) => {
            let theirs = tables.rows(&other.dataset)?;
            let on: Vec<&str> = if columns.is_empty() {
                source.names().filter(|name| theirs.has(name)).collect()
            } else {
                columns.clone()
            };
            let what = if columns.is_empty() {
                "values in all columns".to_owned()
            } else {
                format!("a ({})", on.join(", "))
            };
            Some(Broken {
                rows: occurring(frame, &on, &theirs.only(on.iter().copied())?, &on)?,
                looked_at: everything(frame),
                wanted: format!("not in {}", other.dataset),
                has: format!("{what} that `{}` has too", other.dataset),
            })
        }
        Demand::LaterThan(other) => {
            let own = columns.first().copied().unwrap_or_default();
            let name = other.column.as_deref().unwrap_or(own);
            Some(not_later(
                frame,
                own,
                &tables.rows(&other.dataset)?.only([name])?,
                name,
                &other.dataset,
            )?)
        }
        _ => rows::broken(demand, frame, &columns)?,
    };
    if let Some(broken) = broken {
        let no_keys = Vec::new();
        let looked_at = within(broken.looked_at).sum().map_or(0, |count| count as usize);
        let mentioned = match demand {
            Demand::Expression(Expression(text)) => mentioned(text, source),
            Demand::Disjoint(_) if columns.is_empty() => Vec::new(),
            _ => columns.iter().map(|name| (*name).to_owned()).collect(),
        };
        let shown: Vec<&str> = mentioned.iter().map(String::as_str).collect();
        let rule = RowRule {
            dataset,
            columns: &columns,
            shown: &shown,
            keys: tables.keys.get(dataset).unwrap_or(&no_keys),
            check: demand.name(),
            wanted: broken.wanted,
            has: broken.has,
            severity: check.severity,
            max_bad_share: check.max_bad_share,
            limits: tables.limits,
        };
        return rule.judge(source, within(broken.rows), looked_at);
    }
    let filtered = match &some {
        Some(some) => frame.filter(some).map_err(failed)?,
        None => frame.clone(),
    };
    let column = columns.first().copied();
    match demand {
        Demand::Fresh(fresh) => newest(
            dataset,
            column.unwrap_or_default(),
            &filtered,
            fresh,
            tables.as_of,
        ),
        Demand::Agrees(agreement) => agrees(dataset, column, &filtered, agreement, tables),
        Demand::Distribution(likeness) => {
            alike(check, column.unwrap_or_default(), &filtered, likeness, tables)
        }
        Demand::Classes(classes) => enough(dataset, column.unwrap_or_default(), &filtered, classes),
        Demand::Leakage(leakage) => {
            let column = column.unwrap_or_default();
            told(check, column, filtered.height(), source, leakage)
        }
        _ => Err(StepError::internal(format!(
            "the rule `{}` is not carried out",
            demand.name()
        ))),
    }
}

/// The columns an expression speaks of, in the table's order.
fn mentioned(text: &str, source: &Rows) -> Vec<String> {
    let roots = roots(text);
    let names = source.names().map(str::to_owned);
    names.filter(|name| roots.contains(name)).collect()
}

fn failed(error: PolarsError) -> StepError {
    StepError::rejected(fault::sentence(&error))
}

fn everything(frame: &DataFrame) -> BooleanChunked {
    BooleanChunked::from_iter_values("rows".into(), (0..frame.height()).map(|_| true))
}

/// Rows in which none of the columns is missing.
fn there(frame: &DataFrame, columns: &[&str]) -> Result<BooleanChunked, StepError> {
    let mut rows = everything(frame);
    for name in columns {
        rows = &rows & &frame.column(name).map_err(failed)?.is_not_null();
    }
    Ok(rows)
}

/// Rows whose values in `columns` occur together in the other table's columns; missing equals missing.
fn occurring(
    frame: &DataFrame,
    columns: &[&str],
    other: &DataFrame,
    theirs: &[&str],
) -> Result<BooleanChunked, StepError> {
    const ROW: &str = "\u{1f}row";
    let mut left = frame.select(columns.iter().copied()).map_err(failed)?.lazy();
    let mut keys = Vec::with_capacity(columns.len());
    let mut right = Vec::with_capacity(columns.len());
    for (at, (own, name)) in columns.iter().zip(theirs).enumerate() {
        // Names of their own, since both sides may call other things alike.
        let key = format!("\u{1f}{at}");
        let wanted = frame.column(own).map_err(failed)?.dtype().clone();
        let column = other.column(name).map_err(failed)?;
        let column = if column.dtype() == &wanted {
            column.clone()
        } else {
            column.cast(&wanted).map_err(failed)?
        };
        right.push(column.with_name(key.as_str().into()));
        left = left.with_column(col(*own).alias(key.as_str()));
        keys.push(col(key.as_str()));
    }
    let right = DataFrame::new_infer_height(right).map_err(failed)?.lazy();
    let plan = left
        .with_row_index(ROW, None)
        .join_builder()
        .with(right)
        .left_on(&keys)
        .right_on(&keys)
        .how(JoinType::Semi)
        .join_nulls(true)
        .finish()
        .select([col(ROW).cast(PolarsType::UInt64)]);
    let found = collect("compare the inputs", plan)?;
    let mut marks = vec![false; frame.height()];
    for row in found
        .column(ROW)
        .and_then(|rows| rows.u64())
        .map_err(failed)?
        .iter()
        .flatten()
    {
        if let Some(mark) = usize::try_from(row).ok().and_then(|row| marks.get_mut(row)) {
            *mark = true;
        }
    }
    Ok(BooleanChunked::from_slice("rows".into(), &marks))
}

/// Microseconds since 1970.
fn instants(column: &Column) -> Result<Column, StepError> {
    let stamps = match column.dtype() {
        PolarsType::Datetime(_, zone) => {
            column.cast(&PolarsType::Datetime(TimeUnit::Microseconds, zone.clone()))
        }
        _ => column.cast(&PolarsType::Datetime(TimeUnit::Microseconds, None)),
    };
    stamps
        .and_then(|stamps| stamps.cast(&PolarsType::Int64))
        .map_err(failed)
}

fn latest(column: &Column) -> Result<Option<i64>, StepError> {
    Ok(instants(column)?.i64().map_err(failed)?.iter().flatten().max())
}

fn shown(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros)
        .map_or_else(|_| micros.to_string(), |instant| instant.to_string())
}

fn not_later(
    frame: &DataFrame,
    own: &str,
    other: &DataFrame,
    name: &str,
    dataset: &str,
) -> Result<Broken, StepError> {
    let column = frame.column(own).map_err(failed)?;
    let last = latest(other.column(name).map_err(failed)?)?;
    let moments = instants(column)?;
    let moments = moments.i64().map_err(failed)?;
    let rows = match last {
        Some(last) => moments.lt_eq(last),
        None => BooleanChunked::from_iter_values("rows".into(), (0..frame.height()).map(|_| false)),
    };
    let when = last.map_or("nothing".to_owned(), shown);
    Ok(Broken {
        rows,
        looked_at: column.is_not_null(),
        wanted: format!("after all of {dataset}"),
        has: format!("a time not after {when}, the last of `{dataset}`"),
    })
}

/// How a contract's or a check's limit of age went.
///
/// # Errors
/// `Rejected` if the column is not there, or the age is no duration.
pub(super) fn newest(
    dataset: &str,
    column: &str,
    frame: &DataFrame,
    fresh: &Fresh,
    as_of: Option<Timestamp>,
) -> Result<Outcome, StepError> {
    let max_age: Millis = fresh.max_age.parse().map_err(StepError::rejected)?;
    let as_of = as_of.ok_or_else(|| StepError::rejected("`fresh` needs `as_of`"))?;
    let values = frame.column(column).map_err(failed)?;
    let what = subject(dataset, Some(column));
    let outcome = Outcome::new(
        dataset,
        Some(column),
        "fresh",
        format!("newest at most {max_age} old"),
    )
    .over(values.len() - values.null_count());
    let Some(newest) = latest(values)? else {
        return Ok(outcome.verdict(
            false,
            format!("{what} has no values, so nothing says how old it is"),
        ));
    };
    let age = as_of.0.saturating_sub(newest);
    let limit = i64::try_from(max_age.0).unwrap_or(i64::MAX).saturating_mul(1000);
    let seconds = age as f64 / 1e6;
    let (hours, side) = (
        rounded((seconds.abs() / 360.0).round() / 10.0),
        if age >= 0 { "before" } else { "after" },
    );
    let says = format!(
        "{what}: the newest is of {}, {hours} h {side} {}, at most {max_age} are allowed",
        shown(newest),
        shown(as_of.0)
    );
    Ok(outcome.found(Some(seconds / 3600.0)).verdict(age <= limit, says))
}

fn agrees(
    dataset: &str,
    column: Option<&str>,
    frame: &DataFrame,
    agreement: &Agreement,
    tables: &Tables<'_>,
) -> Result<Outcome, StepError> {
    let name = agreement.column.as_deref().or(column);
    let other = &tables.rows(&agreement.dataset)?.only(name)?;
    let metric = agreement.metric;
    let (own, theirs) = (metric.of(frame, column)?, metric.of(other, name)?);
    let (left, right) = (subject(dataset, column), subject(&agreement.dataset, name));
    let outcome = Outcome::new(
        dataset,
        column,
        "agrees",
        format!("{} as in {right}", metric.name()),
    )
    .over(frame.height());
    let (Some(own), Some(theirs)) = (own, theirs) else {
        return Ok(outcome.verdict(
            false,
            format!(
                "{} of {left} and {right} cannot be compared: there are no values",
                metric.name()
            ),
        ));
    };
    let agrees = (own - theirs).abs() <= agreement.tolerance * theirs.abs();
    let says = format!(
        "{} of {left} is {}, of {right} {} (difference {}, allowed {} of the latter)",
        metric.name(),
        rounded(own),
        rounded(theirs),
        rounded(own - theirs),
        agreement.tolerance
    );
    Ok(outcome.found(Some(own - theirs)).verdict(agrees, says))
}

fn alike(
    check: &Check,
    column: &str,
    frame: &DataFrame,
    likeness: &Likeness,
    tables: &Tables<'_>,
) -> Result<Outcome, StepError> {
    let limits: Vec<String> = [
        ("PSI", likeness.psi_at_most),
        ("KS", likeness.ks_at_most),
        ("mean shift", likeness.mean_shift_at_most),
    ]
    .into_iter()
    .filter_map(|(name, limit)| Some(format!("{name} ≤ {}", limit?)))
    .collect();
    let dataset = check.dataset.as_deref().unwrap_or_default();
    let what = subject(dataset, Some(column));
    let reference = &likeness.reference;
    let wanted = format!("as in {reference} ({})", limits.join(", "));
    let outcome = Outcome::new(dataset, Some(column), "distribution", wanted).over(frame.height());
    let own = frame.column(column).map_err(failed)?;
    let mut thinned = String::new();
    let theirs = match (tables.inputs.get(reference), tables.remembered.get(check)) {
        (Some(other), _) => {
            let other = other.only([column])?;
            other
                .column(column)
                .map_err(failed)?
                .as_materialized_series()
                .clone()
        }
        (None, Some(earlier)) => {
            if earlier.rows > earlier.values.len() as u64 {
                thinned = format!(", evenly drawn from {}", grouped(earlier.rows));
            }
            earlier.values.clone()
        }
        (None, None) => {
            let says = format!("{what}: there is no `{reference}` yet to compare with");
            return Ok(outcome.verdict(true, says));
        }
    };
    let Some(found) = likened(&theirs, own.as_materialized_series()).map_err(failed)? else {
        return Ok(outcome.verdict(false, format!("{what} and {reference}.{column} cannot be compared: one of them has no rows, or they are neither numbers nor categories")));
    };
    let Likened {
        psi,
        ks,
        mean_shift,
        rows,
    } = found;
    let keeps = |found: Option<f64>, limit: Option<f64>| {
        limit.is_none_or(|limit| found.is_some_and(|found| found <= limit))
    };
    let passed = keeps(Some(psi), likeness.psi_at_most)
        && keeps(ks, likeness.ks_at_most)
        && keeps(mean_shift, likeness.mean_shift_at_most);
    let measured: Vec<String> = [
        ("PSI", Some(psi), likeness.psi_at_most),
        ("KS", ks, likeness.ks_at_most),
        ("mean shift", mean_shift, likeness.mean_shift_at_most),
    ]
    .into_iter()
    .map(|(name, found, limit)| {
        let found = found.map_or("cannot be had".to_owned(), rounded);
        match limit {
            Some(limit) => format!("{name} {found} (at most {limit})"),
            None => format!("{name} {found}"),
        }
    })
    .collect();
    let says = format!(
        "{what} beside {reference}.{column}: {}; n = {} and {}{thinned}",
        measured.join(", "),
        grouped(rows[1] as u64),
        grouped(rows[0] as u64)
    );
    Ok(outcome.found(Some(psi)).verdict(passed, says))
}

fn enough(dataset: &str, column: &str, frame: &DataFrame, classes: &Classes) -> Result<Outcome, StepError> {
    let values = frame
        .column(column)
        .and_then(|column| column.cast(&PolarsType::String))
        .map_err(failed)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in values.str().map_err(failed)?.iter().flatten() {
        *counts.entry(value).or_default() += 1;
    }
    let rows: usize = counts.values().sum();
    let what = subject(dataset, Some(column));
    let mut wanted = format!(
        "at least {} classes of {} rows",
        classes.at_least, classes.least_rows
    );
    if let Some(share) = classes.least_share {
        wanted.push_str(&format!(" and a share of {share}"));
    }
    let least = counts.iter().min_by_key(|(name, count)| (**count, **name));
    let share = least.map_or(0.0, |(_, count)| *count as f64 / rows.max(1) as f64);
    let passed = counts.len() >= classes.at_least
        && least.is_some_and(|(_, count)| *count >= classes.least_rows)
        && classes.least_share.is_none_or(|limit| share >= limit);
    let rarest = least.map_or(String::new(), |(name, count)| {
        format!(
            ", the rarest `{name}` with {} of {} rows ({})",
            grouped(*count as u64),
            grouped(rows as u64),
            rounded(share)
        )
    });
    let says = format!("{what} has {} classes{rarest}; wanted: {wanted}", counts.len());
    Ok(Outcome::new(dataset, Some(column), "classes", wanted)
        .over(rows)
        .found(Some(share))
        .verdict(passed, says))
}

fn told(
    check: &Check,
    column: &str,
    rows: usize,
    source: &Rows,
    leakage: &Leakage,
) -> Result<Outcome, StepError> {
    let dataset = check.dataset.as_deref().unwrap_or_default();
    let what = subject(dataset, Some(column));
    let wanted = format!("no column alone above {}", leakage.at_most);
    let outcome = Outcome::new(dataset, Some(column), "leakage", wanted).over(rows);
    let read = |name: &str| {
        let frame = check.kept(source, &[name])?;
        let column = frame.column(name).map_err(failed)?;
        Ok(column.as_materialized_series().clone())
    };
    let Some(told) = told_alone(rows, source.names(), column, read)? else {
        return Ok(outcome.verdict(
            false,
            format!("{what} has no two different values, so nothing can tell them"),
        ));
    };
    let Some(best) = told.first() else {
        return Ok(outcome.verdict(true, format!("{what} stands alone: no other column can tell it")));
    };
    let named: Vec<String> = told
        .iter()
        .filter(|alone| alone.value > leakage.at_most)
        .chain(std::iter::once(best).filter(|best| best.value <= leakage.at_most))
        .map(|alone| format!("`{}` ({} {})", alone.column, alone.measure, rounded(alone.value)))
        .collect();
    let passed = best.value <= leakage.at_most;
    let says = format!(
        "{what} is told by {} alone, at most {} are allowed; n = {}",
        named.join(", "),
        leakage.at_most,
        grouped(best.rows as u64)
    );
    Ok(outcome.found(Some(best.value)).verdict(passed, says))
}
