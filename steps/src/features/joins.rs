//! Lookups in other tables: by equal keys, and as of a point in time.

use super::build::Build;
use super::{Direction, How, Input, Key, Params};
use crate::fault;
use crate::flow::Flow;
use crate::inference::with;
use crate::table;
use indexmap::IndexMap;
use polars::prelude::{
    AsOfOptions, AsofStrategy, DataType as PolarsType, Expr, JoinArgs, JoinCoalesce, JoinType, LazyFrame,
    MaintainOrderJoin, PlSmallStr, SortMultipleOptions, TimeUnit, col, len, lit,
};
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::{DataType, Millis, StepError};

/// The looked-up table's time, and the base's time minus the lag.
const THEN: &str = "__then";
const AS_OF: &str = "__as_of";
/// Stands before the looked-up table's keys while it is joined.
const KEY: &str = "__key_";

/// Columns a join takes: (name there, name here).
type Taken = Vec<(String, String)>;

/// Whether the keys are there on both sides and of one type; findings if not.
pub(super) fn keys(build: &mut Build<'_>, path: &Path, table: &str, by: &[Key]) -> bool {
    let Some(other) = build.inputs.get(table) else {
        return false;
    };
    let facts = if table == build.base {
        build.flow.facts.clone()
    } else {
        other.flow.facts.clone()
    };
    let mut whole = true;
    for (at, key) in by.iter().enumerate() {
        let path = path.key("by").index(at);
        let (left_path, right_path) = match key {
            Key::Same(_) => (path.clone(), path.clone()),
            Key::Pair(_) => (path.key("left"), path.key("right")),
        };
        whole &= build.has(key.left(), left_path);
        let Some(right) = facts.get(key.right()) else {
            let finding = fault::no_column(key.right(), right_path, facts.names()).at_word(key.right());
            build
                .findings
                .push(finding.note(format!("looked for in `{table}`")));
            whole = false;
            continue;
        };
        let Some(left) = build.flow.facts.get(key.left()) else {
            continue;
        };
        if left.column.data_type != right.column.data_type {
            let message = format!(
                "the key `{}` is {} in `{}` and {} in `{table}`",
                key.left(),
                left.column.data_type,
                build.base,
                right.column.data_type
            );
            let finding = Finding::error("D03", path, message).at_word(key.left());
            build
                .findings
                .push(finding.help("give both the same type in their contracts"));
            whole = false;
        }
    }
    whole
}

/// Checks keys and columns of a join; `None` if something is wrong with them.
fn taken(
    build: &mut Build<'_>,
    path: &Path,
    table: &str,
    by: &[Key],
    columns: &[String],
    prefix: &str,
    time: Option<&str>,
) -> Option<Taken> {
    let other = build.inputs.get(table)?;
    let facts = &other.flow.facts;
    let mut whole = keys(build, path, table, by);
    let joined_by: Vec<&str> = by.iter().map(Key::right).collect();
    let named: Vec<String> = if columns.is_empty() {
        facts
            .names()
            .filter(|name| !joined_by.contains(name) && Some(*name) != time)
            .map(str::to_owned)
            .collect()
    } else {
        columns.to_vec()
    };
    let mut taken = Taken::new();
    for (at, name) in named.iter().enumerate() {
        let path = if columns.is_empty() {
            path.clone()
        } else {
            path.key("columns").index(at)
        };
        if facts.get(name).is_none() {
            let finding = fault::no_column(name, path, facts.names()).at_word(name);
            build
                .findings
                .push(finding.note(format!("looked for in `{table}`")));
            whole = false;
            continue;
        }
        let here = format!("{prefix}{name}");
        if build.flow.facts.get(&here).is_some() || taken.iter().any(|(_, other)| *other == here) {
            let message = format!("`{here}` is already a column here");
            let finding = Finding::error("D03", path, message).at_word(name);
            build
                .findings
                .push(finding.help(format!("say `prefix: {table}_`, or leave it out")));
            whole = false;
            continue;
        }
        taken.push((name.clone(), here));
    }
    whole.then_some(taken)
}

/// A left or inner join by equal keys.
pub(super) fn join(build: &mut Build<'_>, at: usize) {
    let params = build.params;
    let join = &params.join[at];
    let path = with("join").index(at);
    if join.by.is_empty() {
        let finding = Finding::error("D01", path.key("by"), "a join needs keys");
        build
            .findings
            .push(finding.help("name the columns that must be equal, e.g. `by: [id]`"));
        return;
    }
    let Some(taken) = taken(
        build,
        &path,
        &join.table,
        &join.by,
        &join.columns,
        &join.prefix,
        None,
    ) else {
        return;
    };
    let Some(other) = build.inputs.get(&join.table) else {
        return;
    };
    let joined = build.flow.with(&other.flow, |left, right| {
        let how = match join.how {
            How::Left => JoinType::Left,
            How::Inner => JoinType::Inner,
        };
        let arguments = JoinArgs {
            coalesce: JoinCoalesce::CoalesceColumns,
            maintain_order: MaintainOrderJoin::Left,
            ..JoinArgs::new(how)
        };
        let left_on: Vec<Expr> = join.by.iter().map(|key| col(key.left())).collect();
        let right_on: Vec<Expr> = join
            .by
            .iter()
            .map(|key| col(format!("{KEY}{}", key.right())))
            .collect();
        Ok(left.join(
            right.select(lookup(&join.by, &taken)),
            left_on,
            right_on,
            arguments,
        ))
    });
    accept(build, joined, &taken, &path, join.columns.is_empty());
}

/// The looked-up table's keys and columns, under names that cannot clash.
fn lookup(by: &[Key], taken: &Taken) -> Vec<Expr> {
    let keys = by
        .iter()
        .map(|key| col(key.right()).alias(format!("{KEY}{}", key.right())));
    keys.chain(
        taken
            .iter()
            .map(|(there, here)| col(there.as_str()).alias(here.as_str())),
    )
    .collect()
}

fn accept(
    build: &mut Build<'_>,
    joined: polars::prelude::PolarsResult<Flow>,
    taken: &Taken,
    path: &Path,
    all: bool,
) {
    match joined {
        Ok(flow) => {
            build.flow = flow;
            for (at, (there, here)) in taken.iter().enumerate() {
                build.features.insert(here.clone());
                let path = if all {
                    path.clone()
                } else {
                    path.key("columns").index(at)
                };
                build.watched(here, there, &path);
            }
        }
        Err(error) => build
            .findings
            .push(fault::finding(&error, path.clone(), build.flow.facts.names())),
    }
}

/// A join of the last row at or before the event time minus the lag.
pub(super) fn as_of_join(build: &mut Build<'_>, at: usize, event_time: &str) {
    let params = build.params;
    let join = &params.as_of_join[at];
    let path = with("as_of_join").index(at);
    let Some(other) = build.inputs.get(&join.table) else {
        return;
    };
    let lag = duration(build, join.lag.as_deref(), &path.key("lag"));
    let tolerance = duration(build, join.tolerance.as_deref(), &path.key("tolerance"));

    let Some(time) = time_of(build, other, &join.table, join.on.as_deref(), event_time, &path) else {
        return;
    };
    let Some(common) = comparable(build, other, &join.table, (event_time, &time), &path) else {
        return;
    };
    // A lookup key that is itself known too late is to blame, not what it finds.
    for (at, key) in join.by.iter().enumerate() {
        build.watched(key.left(), key.left(), &path.key("by").index(at));
    }
    let Some(taken) = taken(
        build,
        &path,
        &join.table,
        &join.by,
        &join.columns,
        &join.prefix,
        Some(time.as_str()),
    ) else {
        return;
    };
    let (Some(lag), Some(tolerance)) = (lag, tolerance) else {
        return;
    };
    if join.direction != Direction::Backward && params.predict_at.is_some() {
        let message = "rows later than the event are found: nobody knows them when the prediction is made";
        let finding = Finding::warning("M01", path.key("direction"), message);
        build
            .findings
            .push(finding.help("leave `direction` out, so that only earlier rows are found"));
    }
    let joined = build.flow.with(&other.flow, |left, right| {
        let PolarsType::Datetime(unit, _) = &common else {
            return Ok(left);
        };
        let per_millisecond: i64 = match unit {
            TimeUnit::Milliseconds => 1,
            TimeUnit::Microseconds => 1_000,
            TimeUnit::Nanoseconds => 1_000_000,
        };
        let span = i64::try_from(lag.unwrap_or_default().0)
            .unwrap_or(i64::MAX)
            .saturating_mul(per_millisecond);
        let as_of = col(event_time).cast(common.clone()) - lit(span).cast(PolarsType::Duration(*unit));

        let mut columns = lookup(&join.by, &taken);
        columns.push(col(time.as_str()).cast(common.clone()).alias(THEN));
        let mut found = right.select(columns).filter(col(THEN).is_not_null());
        for key in &join.by {
            found = found.filter(col(format!("{KEY}{}", key.right())).is_not_null());
        }
        // Among rows of one time the last in the table's order wins, or looking ahead the first.
        let found = found.sort([THEN], SortMultipleOptions::default().with_maintain_order(true));
        let keys = |names: Vec<PlSmallStr>| if names.is_empty() { None } else { Some(names) };
        let options = AsOfOptions {
            strategy: match join.direction {
                Direction::Backward => AsofStrategy::Backward,
                Direction::Forward => AsofStrategy::Forward,
                Direction::Nearest => AsofStrategy::Nearest,
            },
            tolerance_str: tolerance.map(|tolerance| PlSmallStr::from_string(format!("{}ms", tolerance.0))),
            left_by: keys(join.by.iter().map(|key| key.left().into()).collect()),
            right_by: keys(
                join.by
                    .iter()
                    .map(|key| PlSmallStr::from_string(format!("{KEY}{}", key.right())))
                    .collect(),
            ),
            allow_eq: join.allow_equal,
            check_sortedness: false,
            ..AsOfOptions::default()
        };
        let arguments = JoinArgs::new(JoinType::AsOf(Box::new(options)));
        let joined: LazyFrame =
            left.with_columns([as_of.alias(AS_OF)])
                .join(found, [col(AS_OF)], [col(THEN)], arguments);
        let names = joined.clone().collect_schema()?;
        let rest: Vec<Expr> = names
            .iter_names()
            .filter(|name| *name != AS_OF && *name != THEN)
            .map(|name| col(name.clone()))
            .collect();
        Ok(joined.select(rest))
    });
    accept(build, joined, &taken, &path, join.columns.is_empty());
}

/// The column of a table that says when its rows are; a finding if nothing says.
pub(super) fn time_of(
    build: &mut Build<'_>,
    other: &Input,
    table: &str,
    on: Option<&str>,
    event_time: &str,
    path: &Path,
) -> Option<String> {
    let event_times = [other.schema.event_time.as_deref(), Some(event_time)];
    let time = on.or_else(|| {
        event_times
            .into_iter()
            .flatten()
            .find(|name| other.flow.facts.get(name).is_some())
    });
    let Some(time) = time.map(str::to_owned) else {
        let message = format!("nothing says which column of `{table}` is its time");
        let finding = Finding::error("D01", path.clone(), message);
        build
            .findings
            .push(finding.help("say `on: COLUMN`, or give its contract an `event_time`"));
        return None;
    };
    if other.flow.facts.get(&time).is_none() {
        let path = path.key(if on.is_some() { "on" } else { "table" });
        let finding = fault::no_column(&time, path, other.flow.facts.names()).at_word(time.as_str());
        build
            .findings
            .push(finding.note(format!("looked for in `{table}`")));
        return None;
    }
    Some(time)
}

/// The type in which the base's event time and another table's time can be compared; a finding if
/// there is none.
pub(super) fn comparable(
    build: &mut Build<'_>,
    other: &Input,
    table: &str,
    (event_time, time): (&str, &str),
    path: &Path,
) -> Option<PolarsType> {
    let then = &other.flow.facts.get(time)?.column.data_type;
    let now = &build.flow.facts.get(event_time)?.column.data_type;
    let common = common_time(now, then);
    if common.is_none() {
        let message = format!(
            "`{event_time}` is {now} in `{}`, `{time}` is {then} in `{table}`: they cannot be compared",
            build.base
        );
        build
            .findings
            .push(Finding::error("D03", path.clone(), message).at_word(time));
    }
    common
}

/// The type in which two times can be compared, if there is one.
pub(super) fn common_time(left: &DataType, right: &DataType) -> Option<PolarsType> {
    let zone_of = |data_type: &DataType| match data_type {
        DataType::Date => Some(None),
        DataType::Timestamp(_, zone) => Some(zone.clone()),
        _ => None,
    };
    let (left_zone, right_zone) = (zone_of(left)?, zone_of(right)?);
    match (&left_zone, &right_zone) {
        (Some(_), Some(_)) | (None, None) => {}
        _ => return None,
    }
    let zone = left_zone.and_then(|zone| polars::prelude::TimeZone::opt_try_new(Some(zone)).ok().flatten());
    Some(PolarsType::Datetime(TimeUnit::Microseconds, zone))
}

/// A duration, `Some(None)` if none is given, `None` with a finding if it is none.
pub(super) fn duration(build: &mut Build<'_>, text: Option<&str>, path: &Path) -> Option<Option<Millis>> {
    let Some(text) = text else { return Some(None) };
    match text.parse() {
        Ok(span) => Some(Some(span)),
        Err(message) => {
            build.findings.push(Finding::error("S01", path.clone(), message));
            None
        }
    }
}

/// A table that has a key twice would multiply the base's rows.
///
/// # Errors
/// `Rejected`, naming the table and the first such key.
pub(super) fn refuse_doubled_keys(
    params: &Params,
    inputs: &IndexMap<String, Input>,
) -> Result<(), StepError> {
    for join in &params.join {
        let Some(other) = inputs.get(&join.table) else {
            continue;
        };
        let keys: Vec<Expr> = join.by.iter().map(|key| col(key.right())).collect();
        if join
            .by
            .iter()
            .any(|key| other.flow.facts.get(key.right()).is_none())
            || keys.is_empty()
        {
            continue;
        }
        let doubled = other
            .flow
            .plan
            .clone()
            .select(keys.clone())
            .drop_nulls(None)
            .group_by_stable(keys.clone())
            .agg([len().alias(KEY)])
            .filter(col(KEY).gt(lit(1)));
        let doubled = table::collect("look for doubled keys", doubled)?;
        if doubled.height() == 0 {
            continue;
        }
        let shown: Vec<String> = doubled
            .columns()
            .iter()
            .filter(|column| column.name() != KEY)
            .map(|column| {
                let value = crate::rule::shown(column.as_materialized_series(), 0).unwrap_or_default();
                format!("{} = {value}", column.name())
            })
            .collect();
        let message = format!(
            "`{}` has {} keys more than once, the first is {}: joining it would multiply rows",
            join.table,
            table::grouped(doubled.height() as u64),
            shown.join(", ")
        );
        return Err(StepError::rejected(message)
            .help("join by more columns, make the keys unique with `transform.sql`, or use `as_of_join`"));
    }
    Ok(())
}
