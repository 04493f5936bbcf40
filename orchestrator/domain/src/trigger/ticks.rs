//! Ticks of a span of the past, as runs that a schedule would have started.

use super::clock;
use super::decide::{Decision, Trigger};
use super::firing::Firing;
use super::schedule::Schedule;
use crate::pipeline::spec;
use trainyard_contract::Timestamp;

/// Why a span has no ticks to run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTicks {
    #[error("trigger `{0}` is no schedule: only a clock has ticks in the past")]
    NoSchedule(String),
    /// More than `most`.
    #[error("there are more than {most} ticks in that time")]
    TooMany { most: usize },
    /// Params of the trigger have no value.
    #[error("{0}")]
    Refused(String),
}

/// What a schedule would have started at its ticks from `from` to `to`, both included, in the order of
/// time: with the same keys, dates and spans of data, whatever `catchup`, pauses and jitter say.
///
/// # Errors
/// If the trigger is no schedule, there are more than `most` ticks, or its params have no value.
pub fn ticks_between(
    trigger: &Trigger,
    from: Timestamp,
    to: Timestamp,
    most: usize,
) -> Result<Vec<Firing>, NoTicks> {
    let (spec::Trigger::Schedule(spec), Some(schedule)) = (&trigger.spec, &trigger.schedule) else {
        return Err(NoTicks::NoSchedule(trigger.name.clone()));
    };
    let mut decision = Decision::default();
    let before = Timestamp(from.0.saturating_sub(1));
    for tick in schedule.ticks(before).take_while(|tick| tick.at <= to) {
        if decision.firings.len() == most {
            return Err(NoTicks::TooMany { most });
        }
        let draft = clock::draft(schedule, &tick, &spec.params, "backfill of");
        if !trigger.fire(draft, tick.at, &mut decision) {
            let why = decision.held.pop().map(|held| held.reason);
            return Err(NoTicks::Refused(why.unwrap_or_default()));
        }
    }
    Ok(decision.firings)
}

/// The span that two texts mean by the schedule's clock: dates, local times, or instants. A date as the
/// end means the whole day.
///
/// # Errors
/// If the trigger is no schedule; or the text that means no time.
pub fn span(trigger: &Trigger, from: &str, to: &str) -> Result<(Timestamp, Timestamp), NoSpan> {
    let Some(schedule) = &trigger.schedule else {
        return Err(NoSpan::NoSchedule(trigger.name.clone()));
    };
    let start = moment(schedule, from)?.0;
    let (end, is_date) = moment(schedule, to)?;
    if !is_date {
        return Ok((start, end));
    }
    let next_day = schedule.local(end).date().tomorrow().map_err(|_| no_time(to))?;
    let end = schedule.instant(next_day.at(0, 0, 0, 0));
    Ok((start, Timestamp(end.0.saturating_sub(1))))
}

/// Why two texts mean no span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSpan {
    #[error("trigger `{0}` is no schedule: only a clock has ticks in the past")]
    NoSchedule(String),
    #[error("`{0}` is no date or time: write `2027-03-28`, `2027-03-28T02:00` or `2027-03-28T00:00Z`")]
    NoTime(String),
}

fn no_time(text: &str) -> NoSpan {
    NoSpan::NoTime(text.chars().take(40).collect())
}

/// The instant of a text, and whether it is a date.
fn moment(schedule: &Schedule, text: &str) -> Result<(Timestamp, bool), NoSpan> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok((Timestamp(instant.as_microsecond()), false));
    }
    let is_date = !text.contains(['T', 't', ' ']);
    let local = if is_date {
        text.parse::<jiff::civil::Date>().map(|date| date.at(0, 0, 0, 0))
    } else {
        text.parse::<jiff::civil::DateTime>()
    };
    let local = local.map_err(|_| no_time(text))?;
    Ok((schedule.instant(local), is_date))
}
