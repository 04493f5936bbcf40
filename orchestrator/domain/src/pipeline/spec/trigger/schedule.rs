//! Schedules: cron expressions, intervals, days of work.

use crate::pipeline::spec::scalar::Duration;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// By the clock: exactly one of `cron`, `every` and `calendar`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["cron"]}, {"required": ["every"]}, {"required": ["calendar"]}]))]
pub struct Schedule {
    /// Minute, hour, day of month, month, day of week, e.g. `30 2 * * *`; or `@hourly`, `@daily`,
    /// `@weekly`, `@monthly`, `@yearly`. Names (`mon`, `jan`), lists, ranges and steps; `L` is the last
    /// day of the month, `LW` its last weekday, `15W` the weekday nearest the 15th, `5L` the last
    /// Friday, `5#2` the second.
    #[serde(default)]
    pub cron: Option<String>,
    /// Elapsed time between two runs, e.g. `15m`; counted from `anchor`, so it does not drift.
    #[serde(default)]
    pub every: Option<Duration>,
    /// Where `every` counts from: `2026-01-01T06:00`, in `timezone`. Default: 1970-01-01T00:00 UTC.
    #[serde(default)]
    pub anchor: Option<Anchor>,
    /// Days of work.
    #[serde(default)]
    pub calendar: Option<WorkCalendar>,
    /// Zone of the clock. Default: UTC.
    #[serde(default)]
    #[schemars(extend("x-kind" = "timezone"))]
    pub timezone: Option<String>,
    /// What happens in the nights when clocks change.
    #[serde(default)]
    pub dst: Option<ClockChange>,
    /// Which missed runs are made up for. Default: the latest.
    #[serde(default)]
    pub catchup: Option<Catchup>,
    /// Most time by which a start is put off, differently for each run, the same whenever it is
    /// computed.
    #[serde(default)]
    pub jitter: Option<Duration>,
    /// Params of the run.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub params: IndexMap<String, Value>,
}

/// A date and time without a zone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Anchor(#[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?$"))] pub String);

/// Days of work: weekdays that are no holidays.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkCalendar {
    /// `every`, `first`, `last`, or the how manieth of the month: `3` is the third, `-2` the last but
    /// one.
    pub business_day: BusinessDay,
    /// Only in these months, e.g. `[mar, jun, sep, dec]`. Default: in all.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub months: Option<Vec<MonthName>>,
    /// Time of day, `HH:MM`, or a list. Default: `"00:00"`.
    #[serde(default)]
    pub at: Option<TimesOfDay>,
    /// Days without work. Default: `[sat, sun]`.
    #[serde(default)]
    #[schemars(length(max = 6))]
    pub weekend: Option<Vec<WeekdayName>>,
    /// Further days without work: `2026-04-03`, or `12-25` for each year.
    #[serde(default)]
    #[schemars(inner(regex(pattern = r"^(\d{4}-)?\d{2}-\d{2}$")))]
    pub holidays: Vec<String>,
}

/// Which days of work of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BusinessDay {
    Word(BusinessDayWord),
    Nth(#[schemars(range(min = -23, max = 23))] i8),
}

/// Which days of work of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BusinessDayWord {
    Every,
    First,
    Last,
}

/// One time of day or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TimesOfDay {
    One(#[schemars(extend("x-kind" = "time_of_day"))] String),
    Many(
        #[schemars(length(min = 1), extend("items" = {"type": "string", "x-kind": "time_of_day"}))]
        Vec<String>,
    ),
}

impl TimesOfDay {
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many.as_slice(),
        };
        all.iter().map(String::as_str)
    }
}

/// A month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MonthName {
    Jan,
    Feb,
    Mar,
    Apr,
    May,
    Jun,
    Jul,
    Aug,
    Sep,
    Oct,
    Nov,
    Dec,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WeekdayName {
    Sun,
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
}

/// What happens in the nights when clocks change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockChange {
    /// Times that do not exist.
    #[serde(default)]
    pub gap: Gap,
    /// Times that exist twice.
    #[serde(default)]
    pub overlap: Overlap,
}

/// Times that do not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// One run as soon as clocks have gone forward, whatever number of times were missing.
    #[default]
    RunAfter,
    Skip,
}

/// Times that exist twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The first time.
    #[default]
    RunOnce,
    RunTwice,
}

/// Which missed runs are made up for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Catchup {
    pub policy: CatchupPolicy,
    /// Runs missed longer ago are not made up for.
    #[serde(default)]
    pub max_age: Option<Duration>,
}

/// Which missed runs are made up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchupPolicy {
    None,
    #[default]
    Latest,
    All,
}
