//! Windows and group aggregates: features that take in other rows, of the base table or of another.

use super::build::Build;
use super::joins::duration;
use super::window::{Index, Moment, Reach};
use super::{Key, joins};
use crate::fault;
use crate::inference::with;
use crate::lineage::{PAST, WINDOW};
use indexmap::IndexMap;
use polars::prelude::{
    Column, DataType as PolarsType, Expr, Field, HConcatOptions, IdxCa, IntoColumn, JoinArgs, JoinCoalesce,
    JoinType, LazyFrame, MaintainOrderJoin, NamedFrom, PlSmallStr, PolarsResult, QuantileMethod, Series, col,
    concat_lf_horizontal, len, lit,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::{DataType, Millis};

/// Aggregates over rows of the same key within a stretch of time, or over the last ones.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Windows {
    /// Name of the input whose rows are taken in. Default: the base table itself.
    #[serde(default)]
    pub(super) table: Option<String>,
    /// Columns that must be equal. Default: none, all rows.
    #[serde(default)]
    by: Vec<Key>,
    /// How far back from its end the window reaches, e.g. `7d`. Default: to the first row.
    #[serde(default)]
    #[schemars(extend("x-kind" = "duration"))]
    over: Option<String>,
    /// At most this many rows, the last ones. Default: all of the window.
    #[serde(default)]
    #[schemars(range(min = 1))]
    rows: Option<u32>,
    /// How long before the event the window ends: as long as it takes until a row is there. Default: `0s`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "duration"))]
    lag: Option<String>,
    /// Which ends of the window belong to it. `left` takes its first moment in and leaves its last out,
    /// so that neither the row itself nor others of the same moment count. Default: `left` for the base
    /// table, `right` for another.
    #[serde(default)]
    closed: Option<Closed>,
    /// Windows with fewer rows give a missing value; counts are given all the same. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    min_rows: u32,
    /// The taken table's time column. Default: its event time.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    on: Option<String>,
    /// Name of the feature → what is taken of the window's rows.
    columns: IndexMap<String, Measure>,
}

fn one() -> u32 {
    1
}

/// Which ends of a window belong to it.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Closed {
    Left,
    Right,
    Both,
    None,
}

/// What is taken of rows.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measure {
    /// How many values become one.
    aggregate: Aggregate,
    /// The column. Default: none, which only `count` can do with.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    of: Option<String>,
}

/// How many values become one; missing values take no part.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aggregate {
    /// Rows, or values that are there.
    Count,
    Sum,
    Mean,
    /// Standard deviation of a sample: missing for fewer than two values.
    Std,
    Min,
    Max,
    Median,
    /// With linear interpolation, e.g. `{quantile: 0.9}`.
    Quantile(Share),
    First,
    Last,
    /// How many different values.
    Distinct,
    /// The mean with weights that halve with this much age, e.g. `{ewm: 7d}`. Windows over time only.
    Ewm(HalfLife),
}

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(try_from = "f64")]
pub(crate) struct Share(#[schemars(range(min = 0.0, max = 1.0))] pub(super) f64);

impl TryFrom<f64> for Share {
    type Error = String;
    fn try_from(share: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(format!("a quantile is a number from 0 to 1, this is {share}"))
        }
    }
}

/// A duration after which a weight is half of what it was.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
#[schemars(extend("x-kind" = "duration"))]
pub(crate) struct HalfLife(#[schemars(with = "String")] pub(super) Millis);

impl TryFrom<String> for HalfLife {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.parse()? {
            Millis(0) => Err("a half-life is longer than nothing".to_owned()),
            span => Ok(Self(span)),
        }
    }
}

/// Aggregates over all rows of the same keys.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    /// Name of the input whose rows are taken in, each key any number of times. Default: the base table
    /// itself; its statistics are then fitted on all rows, and a later split is warned.
    #[serde(default)]
    pub(super) table: Option<String>,
    /// Columns that must be equal.
    by: Vec<Key>,
    /// Name of the feature → what is taken of the rows.
    columns: IndexMap<String, Measure>,
}

/// Name under which columns of the other table stand beside the base while windows are made.
const THERE: &str = "__there_";
/// Says which rows are the base's.
const HERE: &str = "__here";

fn checked(
    build: &mut Build<'_>,
    name: &str,
    measure: &Measure,
    table: &str,
    path: &Path,
    timed: bool,
) -> bool {
    let facts = match build.inputs.get(table) {
        Some(other) if table != build.base => &other.flow.facts,
        _ => &build.flow.facts,
    };
    let path = path.key("columns").key(name);
    let needs_number = !matches!(
        measure.aggregate,
        Aggregate::Count | Aggregate::First | Aggregate::Last | Aggregate::Distinct
    );
    if let Aggregate::Ewm(_) = measure.aggregate
        && !timed
    {
        let finding = Finding::error("S01", path.key("aggregate"), "`ewm` needs windows over time");
        build.findings.push(finding.help("put it under `windows`"));
        return false;
    }
    let Some(of) = &measure.of else {
        if measure.aggregate == Aggregate::Count {
            return true;
        }
        let finding = Finding::error("S01", path, "only `count` needs no column");
        build.findings.push(finding.help("say `of: COLUMN`"));
        return false;
    };
    let Some(fact) = facts.get(of) else {
        let finding = fault::no_column(of, path.key("of"), facts.names()).at_word(of);
        build
            .findings
            .push(finding.note(format!("looked for in `{table}`")));
        return false;
    };
    let data_type = &fact.column.data_type;
    if needs_number && !data_type.is_numeric() && *data_type != DataType::Boolean {
        let message = format!("`{of}` is of type {data_type}, this aggregate takes numbers");
        build
            .findings
            .push(Finding::error("D01/wrong-column-type", path.key("of"), message).at_word(of));
        return false;
    }
    true
}

/// Windows number `at`.
pub(super) fn windows(build: &mut Build<'_>, at: usize) {
    let params = build.params;
    let windows = &params.windows[at];
    let path = with("windows").index(at);
    let table = windows.table.as_deref().unwrap_or(build.base);
    let own = table == build.base;
    let lag = duration(build, windows.lag.as_deref(), &path.key("lag"));
    let over = duration(build, windows.over.as_deref(), &path.key("over"));
    let Some(event_time) = build.event_time.clone() else {
        let finding = Finding::error("D01", path, "windows need the base's event time");
        build.findings.push(finding.help("say `event_time: COLUMN`"));
        return;
    };
    let Some(other) = build.inputs.get(table) else {
        return;
    };
    let time = joins::time_of(build, other, table, windows.on.as_deref(), &event_time, &path);
    let Some(time) = time else { return };
    let Some(common) = joins::comparable(build, other, table, (&event_time, &time), &path) else {
        return;
    };
    if !joins::keys(build, &path, table, &windows.by) {
        return;
    }
    let mut whole = true;
    for (name, measure) in &windows.columns {
        whole &= checked(build, name, measure, table, &path, true);
        whole &= build.is_free(name, &path.key("columns").key(name));
    }
    let (Some(lag), Some(over), true) = (lag, over, whole) else {
        return;
    };
    let micros = |span: Millis| i64::try_from(span.0).unwrap_or(i64::MAX).saturating_mul(1_000);
    let closed = windows
        .closed
        .unwrap_or(if own { Closed::Left } else { Closed::Right });
    let reach = Reach {
        over: over.map(micros),
        rows: windows.rows.map(|rows| rows as usize),
        lag: lag.map_or(0, micros),
        closed,
        least: windows.min_rows as usize,
    };
    // Only rows before the row's own moment: what they hold was known by then.
    let past = !own || reach.lag > 0 || matches!(closed, Closed::Left | Closed::None);
    let maker = Maker {
        reach,
        name: if past { PAST } else { WINDOW },
        time: time.clone(),
        event_time,
        common,
        by: windows
            .by
            .iter()
            .map(|key| (key.left().to_owned(), key.right().to_owned()))
            .collect(),
        columns: windows.columns.clone(),
        prefix: if own { "" } else { THERE },
    };
    let made = if own {
        build
            .flow
            .then(|frame| Ok(frame.with_columns(maker.expressions())))
    } else {
        build
            .flow
            .with(&other.flow, |left, right| maker.beside(left, right))
    };
    match made {
        Ok(flow) => {
            build.flow = flow;
            for name in windows.columns.keys() {
                build.features.insert(name.clone());
                build.watched(name, name, &path.key("columns").key(name));
            }
        }
        Err(error) => build
            .findings
            .push(fault::finding(&error, path, build.flow.facts.names())),
    }
}

/// Makes the expressions of one set of windows.
struct Maker {
    reach: Reach,
    name: &'static str,
    time: String,
    event_time: String,
    common: PolarsType,
    by: Vec<(String, String)>,
    columns: IndexMap<String, Measure>,
    /// Stands before the names of the columns taken.
    prefix: &'static str,
}

impl Maker {
    fn there(&self, name: &str) -> Expr {
        col(format!("{}{name}", self.prefix))
    }

    /// One expression a feature. Its arguments are the values, then times and keys of the rows, then
    /// those of the queries.
    fn expressions(&self) -> Vec<Expr> {
        let micros = |time: Expr| time.cast(self.common.clone()).cast(PolarsType::Int64);
        let mut keys = vec![micros(self.there(&self.time)), micros(col(&self.event_time))];
        keys.extend(self.by.iter().map(|(_, right)| self.there(right)));
        keys.extend(self.by.iter().map(|(left, _)| col(left)));
        let index: Arc<OnceLock<Index>> = Arc::default();
        let made = self.columns.iter().map(|(name, measure)| {
            let value = match &measure.of {
                Some(of) => self.there(of),
                None => self.there(&self.time),
            };
            let (reach, measure, index, by) =
                (self.reach, measure.clone(), Arc::clone(&index), self.by.len());
            let output = measure.aggregate.clone();
            let made = value.apply_many(
                move |columns| answer(columns, by, &reach, &measure, &index),
                &keys,
                move |_, fields| {
                    let first = fields.first();
                    let data_type = match output {
                        Aggregate::Count | Aggregate::Distinct => PolarsType::UInt32,
                        Aggregate::First | Aggregate::Last => {
                            first.map_or(PolarsType::Null, |field| field.dtype().clone())
                        }
                        _ => PolarsType::Float64,
                    };
                    Ok(Field::new(
                        first.map_or(PlSmallStr::EMPTY, |field| field.name().clone()),
                        data_type,
                    ))
                },
            );
            let made = match made {
                Expr::AnonymousFunction {
                    input,
                    function,
                    options,
                    ..
                } => Expr::AnonymousFunction {
                    input,
                    function,
                    options,
                    fmt_str: Box::new(self.name.into()),
                },
                other => other,
            };
            made.alias(name.as_str())
        });
        made.collect()
    }

    /// The same where the rows are those of another table, which is put beside the base for it.
    fn beside(&self, left: LazyFrame, mut right: LazyFrame) -> PolarsResult<LazyFrame> {
        let mut left = left;
        let mut names: Vec<Expr> = left
            .collect_schema()?
            .iter_names()
            .map(|name| col(name.clone()))
            .collect();
        let taken: Vec<Expr> = right
            .collect_schema()?
            .iter_names()
            .map(|name| col(name.clone()).alias(format!("{THERE}{name}")))
            .collect();
        let options = HConcatOptions {
            broadcast_unit_length: false,
            ..HConcatOptions::default()
        };
        let both = concat_lf_horizontal([left.with_row_index(HERE, None), right.select(taken)], options)?;
        names.extend(self.columns.keys().map(col));
        Ok(both
            .with_columns(self.expressions())
            .filter(col(HERE).is_not_null())
            .select(names))
    }
}

/// The values of one feature.
fn answer(
    columns: &mut [Column],
    by: usize,
    reach: &Reach,
    measure: &Measure,
    index: &OnceLock<Index>,
) -> PolarsResult<Column> {
    let [value, then, now, keys @ ..] = &*columns else {
        return Err(polars::prelude::PolarsError::ComputeError(
            "a window without a time".into(),
        ));
    };
    let name = value.name().clone();
    // Evaluated once for all features of these windows; none of it uses polars' threads.
    let index = match index.get() {
        Some(index) => index,
        None => {
            let mut codes = HashMap::new();
            let rows = moments(then, &keys[..by], &mut codes)?;
            let queries = moments(now, &keys[by..], &mut codes)?;
            index.get_or_init(|| Index::new(&rows, &queries))
        }
    };
    let present = || -> Vec<bool> {
        value
            .is_not_null()
            .iter()
            .map(|there| there == Some(true))
            .collect()
    };
    let series = match &measure.aggregate {
        Aggregate::Count if measure.of.is_none() => Series::new(name, index.counts(reach)),
        Aggregate::Count => {
            let ones: Vec<Option<f64>> = present().iter().map(|there| there.then_some(1.0)).collect();
            let anyhow = Reach { least: 0, ..*reach };
            let sums = index.numbers(&anyhow, &ones, &Aggregate::Sum);
            Series::new(
                name,
                sums.into_iter()
                    .map(Option::unwrap_or_default)
                    .collect::<Vec<f64>>(),
            )
            .cast(&PolarsType::UInt32)?
        }
        Aggregate::Distinct => {
            let mut known = HashMap::new();
            let texts = value.cast(&PolarsType::String)?;
            let codes: Vec<Option<u32>> = texts
                .str()?
                .iter()
                .map(|text| text.map(|text| code(&mut known, text)))
                .collect();
            Series::new(name, index.distinct(reach, &codes))
        }
        Aggregate::First | Aggregate::Last => {
            let places = index.place(reach, &present(), measure.aggregate == Aggregate::Last);
            let places: IdxCa = places
                .into_iter()
                .map(|place| place.and_then(|place| polars::prelude::IdxSize::try_from(place).ok()))
                .collect();
            value.take(&places)?.as_materialized_series().clone()
        }
        aggregate => {
            let numbers = value.cast(&PolarsType::Float64)?;
            let values: Vec<Option<f64>> = numbers.f64()?.iter().collect();
            Series::new(name, index.numbers(reach, &values, aggregate))
        }
    };
    Ok(series.into_column())
}

fn code(known: &mut HashMap<String, u32>, text: &str) -> u32 {
    if let Some(code) = known.get(text) {
        return *code;
    }
    let code = u32::try_from(known.len()).unwrap_or(u32::MAX);
    known.insert(text.to_owned(), code);
    code
}

/// Key and time of each row; none where either is missing.
fn moments(times: &Column, keys: &[Column], codes: &mut HashMap<String, u32>) -> PolarsResult<Vec<Moment>> {
    let texts = keys
        .iter()
        .map(|key| Ok(key.cast(&PolarsType::String)?.str()?.clone()))
        .collect::<PolarsResult<Vec<_>>>()?;
    let mut key = String::new();
    let of_row = |row: usize, time: Option<i64>| {
        key.clear();
        for text in &texts {
            let part = text.get(row)?;
            key.push_str(&part.len().to_string());
            key.push(':');
            key.push_str(part);
        }
        Some((code(codes, &key), time?))
    };
    let mut of_row = of_row;
    Ok(times
        .i64()?
        .iter()
        .enumerate()
        .map(|(row, time)| of_row(row, time))
        .collect())
}

/// Group aggregates number `at`.
pub(super) fn group(build: &mut Build<'_>, at: usize) {
    let params = build.params;
    let group = &params.group[at];
    let path = with("group").index(at);
    let table = group.table.as_deref().unwrap_or(build.base);
    let own = table == build.base;
    let Some(other) = build.inputs.get(table) else {
        return;
    };
    if group.by.is_empty() {
        let finding = Finding::error("D01", path.key("by"), "a group needs keys");
        build
            .findings
            .push(finding.help("name the columns that must be equal, e.g. `by: [id]`"));
        return;
    }
    let mut whole = joins::keys(build, &path, table, &group.by);
    for (name, measure) in &group.columns {
        whole &= checked(build, name, measure, table, &path, false);
        whole &= build.is_free(name, &path.key("columns").key(name));
    }
    if !whole {
        return;
    }
    let aggregated = || {
        group
            .columns
            .iter()
            .map(|(name, measure)| aggregate(measure).alias(name.as_str()))
    };
    let made = if own {
        let keys: Vec<Expr> = group.by.iter().map(|key| col(key.left())).collect();
        build.flow.then(|frame| {
            let over = aggregated().map(|expression| expression.over(keys.clone()));
            Ok(frame.with_columns(over.collect::<PolarsResult<Vec<_>>>()?))
        })
    } else {
        build.flow.with(&other.flow, |left, right| {
            let there = |key: &Key| format!("{THERE}{}", key.right());
            let keys: Vec<Expr> = group
                .by
                .iter()
                .map(|key| col(key.right()).alias(there(key)))
                .collect();
            let right = right.group_by(keys).agg(aggregated().collect::<Vec<_>>());
            let arguments = JoinArgs {
                coalesce: JoinCoalesce::CoalesceColumns,
                maintain_order: MaintainOrderJoin::Left,
                ..JoinArgs::new(JoinType::Left)
            };
            let left_on: Vec<Expr> = group.by.iter().map(|key| col(key.left())).collect();
            let right_on: Vec<Expr> = group.by.iter().map(|key| col(there(key))).collect();
            Ok(left.join(right, left_on, right_on, arguments))
        })
    };
    match made {
        Ok(flow) => {
            build.flow = flow;
            for name in group.columns.keys() {
                let path = path.key("columns").key(name);
                if own {
                    super::fit::declare_aggregate(build, name, &path);
                }
                build.features.insert(name.clone());
                build.watched(name, name, &path);
            }
        }
        Err(error) => build
            .findings
            .push(fault::finding(&error, path, build.flow.facts.names())),
    }
}

fn aggregate(measure: &Measure) -> Expr {
    let Some(of) = &measure.of else {
        return len().cast(PolarsType::UInt32);
    };
    let number = || col(of.as_str()).cast(PolarsType::Float64);
    match measure.aggregate {
        Aggregate::Count => col(of.as_str()).count().cast(PolarsType::UInt32),
        Aggregate::Sum => number().sum(),
        Aggregate::Mean | Aggregate::Ewm(_) => number().mean(),
        Aggregate::Std => number().std(1),
        Aggregate::Min => number().min(),
        Aggregate::Max => number().max(),
        Aggregate::Median => number().median(),
        Aggregate::Quantile(share) => number().quantile(lit(share.0), QuantileMethod::Linear),
        Aggregate::First => col(of.as_str()).drop_nulls().first(),
        Aggregate::Last => col(of.as_str()).drop_nulls().last(),
        Aggregate::Distinct => col(of.as_str()).drop_nulls().n_unique().cast(PolarsType::UInt32),
    }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
