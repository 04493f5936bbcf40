//! Parts of dates and times.

use super::build::Build;
use crate::inference::with;
use polars::prelude::{
    DataType as PolarsType, Expr, LiteralValue, Scalar, TimeUnit, TimeZone, col, lit, when,
};
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::DataType;
use trainyard_contract::finding::{Finding, Path};

/// What is made of a date or timestamp. Names of the features begin with the column's.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dates {
    /// Whole numbers `COLUMN_PART`, and truth values for `is_…`.
    #[serde(default)]
    parts: Vec<Part>,
    /// Parts as points on a circle, `COLUMN_PART_sin` and `COLUMN_PART_cos`, so that their end is near
    /// their beginning.
    #[serde(default)]
    cyclic: Vec<Part>,
    /// Time zone in which parts are read, e.g. `Europe/Berlin`. Default: the column's own.
    #[serde(default)]
    zone: Option<String>,
    /// Dates such as `2024-12-25`: gives `COLUMN_is_holiday`.
    #[serde(default)]
    holidays: Vec<String>,
    /// Other date or time columns: gives the seconds since then, `COLUMN_since_OTHER`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    since: Vec<String>,
}

/// A part of a date or time.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    Year,
    /// 1 to 4.
    Quarter,
    /// 1 to 12.
    Month,
    /// ISO week, 1 to 53.
    Week,
    /// Of the month, 1 to 31.
    Day,
    /// 1 to 366.
    DayOfYear,
    /// Monday is 1, Sunday 7.
    Weekday,
    /// Saturday or Sunday.
    IsWeekend,
    /// The first day of a month.
    IsMonthStart,
    /// The last day of a month.
    IsMonthEnd,
    /// 0 to 23. Of timestamps only, like all below.
    Hour,
    Minute,
    Second,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
            Self::DayOfYear => "day_of_year",
            Self::Weekday => "weekday",
            Self::IsWeekend => "is_weekend",
            Self::IsMonthStart => "is_month_start",
            Self::IsMonthEnd => "is_month_end",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
        }
    }

    fn of_clock(self) -> bool {
        matches!(self, Self::Hour | Self::Minute | Self::Second)
    }

    fn expression(self, time: Expr) -> Expr {
        let next_day = lit(86_400_000_000_i64).cast(PolarsType::Duration(TimeUnit::Microseconds));
        match self {
            Self::Year => time.dt().year(),
            Self::Quarter => time.dt().quarter(),
            Self::Month => time.dt().month(),
            Self::Week => time.dt().week(),
            Self::Day => time.dt().day(),
            Self::DayOfYear => time.dt().ordinal_day(),
            Self::Weekday => time.dt().weekday(),
            Self::IsWeekend => time.dt().weekday().gt(lit(5)),
            Self::IsMonthStart => time.dt().day().eq(lit(1)),
            Self::IsMonthEnd => (time.dt().date() + next_day).dt().day().eq(lit(1)),
            Self::Hour => time.dt().hour(),
            Self::Minute => time.dt().minute(),
            Self::Second => time.dt().second(),
        }
    }

    /// First value and number of values of a full round.
    fn round(self) -> Option<(f64, f64)> {
        Some(match self {
            Self::Quarter => (1.0, 4.0),
            Self::Month => (1.0, 12.0),
            Self::Week => (1.0, 52.1775),
            Self::Day => (1.0, 30.436_875),
            Self::DayOfYear => (1.0, 365.2425),
            Self::Weekday => (1.0, 7.0),
            Self::Hour => (0.0, 24.0),
            Self::Minute | Self::Second => (0.0, 60.0),
            Self::Year | Self::IsWeekend | Self::IsMonthStart | Self::IsMonthEnd => return None,
        })
    }
}

/// Days since 1970 of a date as written.
fn day(text: &str) -> Option<i32> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch.until(date).ok().map(|span| span.get_days())
}

pub(super) fn dates(build: &mut Build<'_>) {
    let params = build.params;
    for (column, dates) in &params.dates {
        let path = with("dates").key(column);
        if !build.has(column, path.clone()) {
            continue;
        }
        let Some(data_type) = build
            .flow
            .facts
            .get(column)
            .map(|fact| fact.column.data_type.clone())
        else {
            continue;
        };
        if !matches!(data_type, DataType::Date | DataType::Timestamp(..)) {
            let message = format!("`{column}` is of type {data_type}, this takes a date or a timestamp");
            build
                .findings
                .push(Finding::error("D01/wrong-column-type", path, message).at_word(column));
            continue;
        }
        let Some(local) = local(build, column, dates, &data_type, &path) else {
            continue;
        };
        let is_date = data_type == DataType::Date;
        for (list, parts) in [("parts", &dates.parts), ("cyclic", &dates.cyclic)] {
            for (at, part) in parts.iter().enumerate() {
                let path = path.key(list).index(at);
                if is_date && part.of_clock() {
                    let message = format!("`{column}` is a date, it has no {}", part.name());
                    build
                        .findings
                        .push(Finding::error("D01/wrong-column-type", path, message));
                    continue;
                }
                let value = part.expression(local.clone());
                let name = format!("{column}_{}", part.name());
                if list == "parts" {
                    build.derive(&name, value, &path);
                    continue;
                }
                let Some((first, count)) = part.round() else {
                    let message = format!("{} does not come round", part.name());
                    build
                        .findings
                        .push(Finding::error("S01", path, message).help("list it under `parts`"));
                    continue;
                };
                let turn =
                    (value.cast(PolarsType::Float64) - lit(first)) * lit(std::f64::consts::TAU / count);
                build.derive(&format!("{name}_sin"), turn.clone().sin(), &path);
                build.derive(&format!("{name}_cos"), turn.cos(), &path);
            }
        }
        holidays(build, column, dates, &local, &path);
        since(build, column, dates, &data_type, &path);
    }
}

/// The column as the clock of its zone shows it.
fn local(
    build: &mut Build<'_>,
    column: &str,
    dates: &Dates,
    data_type: &DataType,
    path: &Path,
) -> Option<Expr> {
    let Some(zone) = &dates.zone else {
        return Some(col(column));
    };
    let path = path.key("zone");
    if !matches!(data_type, DataType::Timestamp(_, Some(_))) {
        let message = format!(
            "`{column}` is of type {data_type}: only a timestamp with a time zone can be read in another"
        );
        build
            .findings
            .push(Finding::error("D01/wrong-column-type", path, message));
        return None;
    }
    match TimeZone::opt_try_new(Some(zone.as_str())) {
        Ok(Some(zone)) => Some(col(column).dt().convert_time_zone(zone)),
        _ => {
            let message = format!("`{zone}` is no time zone");
            build
                .findings
                .push(Finding::error("S01", path, message).help("write e.g. `Europe/Berlin`"));
            None
        }
    }
}

fn holidays(build: &mut Build<'_>, column: &str, dates: &Dates, local: &Expr, path: &Path) {
    if dates.holidays.is_empty() {
        return;
    }
    let mut is_holiday = lit(false);
    for (at, text) in dates.holidays.iter().enumerate() {
        let Some(day) = day(text) else {
            let message = format!("`{text}` is no date");
            let finding = Finding::error("S01", path.key("holidays").index(at), message);
            build.findings.push(finding.help("write it as `2024-12-25`"));
            return;
        };
        let date = Expr::Literal(LiteralValue::Scalar(Scalar::new_date(day)));
        is_holiday = is_holiday.or(local.clone().dt().date().eq(date));
    }
    // A missing time is no holiday and no other day either.
    let value = when(col(column).is_not_null())
        .then(is_holiday)
        .otherwise(lit(LiteralValue::untyped_null()).cast(PolarsType::Boolean));
    build.derive(&format!("{column}_is_holiday"), value, &path.key("holidays"));
}

fn since(build: &mut Build<'_>, column: &str, dates: &Dates, data_type: &DataType, path: &Path) {
    for (at, other) in dates.since.iter().enumerate() {
        let path = path.key("since").index(at);
        if !build.has(other, path.clone()) {
            continue;
        }
        let Some(then) = build
            .flow
            .facts
            .get(other)
            .map(|fact| fact.column.data_type.clone())
        else {
            continue;
        };
        let Some(common) = super::joins::common_time(data_type, &then) else {
            let message = format!("`{column}` is {data_type}, `{other}` is {then}: they cannot be compared");
            build
                .findings
                .push(Finding::error("D01/wrong-column-type", path, message).at_word(other));
            continue;
        };
        let micros = |name: &str| col(name).cast(common.clone()).cast(PolarsType::Int64);
        let elapsed = (micros(column) - micros(other)).cast(PolarsType::Float64) / lit(1e6);
        build.derive(&format!("{column}_since_{other}"), elapsed, &path);
    }
}
