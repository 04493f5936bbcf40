//! Schedules: when a clock starts runs, as instants in the order of time.
//!
//! Days and times of day are local; [`Zone`](zone) knows where clocks jump, and the `dst` rule says
//! what becomes of times that do not exist or come twice. `docs/triggers.md` tells it to users.
//!
//! - Times of day (`30 2 * * *`) each have their run. In a gap it comes right after the gap
//!   (`run_after`) or not at all (`skip`); in an overlap at the first of the two (`run_once`) or at
//!   both (`run_twice`).
//! - Where minute or hour begins with `*` the schedule is an interval, as in Vixie cron: what counts
//!   is that it goes on as if clocks had not changed. A time in a gap is missing only if the old
//!   clock's reading of that moment has no run on the new clock; a time that comes twice is a
//!   repetition only if the old clock would not have had a run at the second of the two.
//! - Times missing in one gap are one run. Two runs of one instant are one.

mod build;
mod occurrences;
mod reason;
mod zone;

pub use build::ScheduleFault;
pub use occurrences::Occurrences;

use super::calendar::WorkDays;
use super::cron::CronDays;
use super::wall::{Days, Wall};
use crate::pipeline::spec::trigger::{Gap, Overlap};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use trainyard_contract::{Millis, Timestamp};

/// When a clock starts runs.
#[derive(Clone, Debug)]
pub struct Schedule {
    rule: Rule,
    zone: TimeZone,
    zone_name: String,
    gap: Gap,
    overlap: Overlap,
    /// What makes it what it is, as text: another text is another schedule.
    identity: String,
}

#[derive(Clone, Debug)]
enum Rule {
    Times {
        wall: Wall<AnyDays>,
        /// An interval is meant, not times of day.
        beats: bool,
    },
    /// Elapsed time. Seconds; `every` is at least 1.
    Every { every: i64, anchor: i64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum AnyDays {
    Cron(CronDays),
    Work(WorkDays),
}

impl Days for AnyDays {
    fn in_month(&self, month: i8) -> bool {
        match self {
            Self::Cron(days) => days.in_month(month),
            Self::Work(days) => days.in_month(month),
        }
    }

    fn on(&self, date: Date) -> bool {
        match self {
            Self::Cron(days) => days.on(date),
            Self::Work(days) => days.on(date),
        }
    }
}

/// A moment of a schedule: a tick, or one at which clocks keep it from ticking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    pub at: Timestamp,
    /// The local time that the schedule names. After a gap the last of those missing, which no clock
    /// showed.
    pub local: DateTime,
    /// Whether a run starts.
    pub fires: bool,
    /// What a change of clocks has to do with it.
    pub change: Option<Change>,
}

/// What a change of clocks does to a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Times that do not exist, `from` to `to` without `to`.
    Gap {
        from: DateTime,
        to: DateTime,
        /// Times of the schedule that are missing: how many, the first, the last. None if the
        /// interval goes on without them.
        missing: Option<(u32, DateTime, DateTime)>,
        /// Whether another tick is due at the same instant.
        with_regular: bool,
    },
    /// The first of two times that look alike.
    First {
        again: Timestamp,
        /// The second continues an interval.
        beats: bool,
    },
    /// The second of two times that look alike.
    Second {
        first: Timestamp,
        /// It continues an interval.
        beats: bool,
    },
}

impl Schedule {
    /// Name of the zone of its clock.
    pub fn zone(&self) -> &str {
        &self.zone_name
    }

    /// Two schedules of the same identity tick alike.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The local time of an instant.
    pub fn local(&self, at: Timestamp) -> DateTime {
        zone::civil(zone::floor(at) + i64::from(zone::offset(&self.zone, zone::floor(at))))
    }

    /// The instant of a local time; the first of two, and for one that does not exist as if clocks had
    /// not changed.
    pub fn instant(&self, local: DateTime) -> Timestamp {
        zone::instant(zone::of_local(&self.zone, local))
    }

    /// The offset from UTC at an instant, in seconds.
    pub fn offset(&self, at: Timestamp) -> i32 {
        zone::offset(&self.zone, zone::floor(at))
    }

    /// The zone's abbreviation at an instant, e.g. `CEST`.
    pub fn abbreviation(&self, at: Timestamp) -> String {
        jiff::Timestamp::from_microsecond(at.0).map_or_else(
            |_| String::new(),
            |at| self.zone.to_offset_info(at).abbreviation().to_owned(),
        )
    }

    /// Whether it ever ticks.
    pub fn fires(&self) -> bool {
        match &self.rule {
            Rule::Times { wall, .. } => {
                super::wall::next_day(&wall.days, Date::constant(2000, 1, 1)).is_some()
            }
            Rule::Every { .. } => true,
        }
    }

    /// Everything that happens later than `after`, in the order of time. Ends with the year 9999.
    pub fn occurrences(&self, after: Timestamp) -> Occurrences<'_> {
        Occurrences::new(self, after)
    }

    /// Ticks later than `after`, in the order of time.
    pub fn ticks(&self, after: Timestamp) -> impl Iterator<Item = Occurrence> + '_ {
        self.occurrences(after).filter(|occurrence| occurrence.fires)
    }

    /// The last tick that is later than `after` and not later than `until`.
    pub fn latest(&self, after: Timestamp, until: Timestamp) -> Option<Occurrence> {
        // Most often it is near: look at windows that grow, not at all ticks of the span.
        let mut window = Millis(3_600_000);
        loop {
            let from = Timestamp(
                until
                    .0
                    .saturating_sub(i64::try_from(window.0).unwrap_or(i64::MAX).saturating_mul(1_000)),
            )
            .max(after);
            let last = self.ticks(from).take_while(|tick| tick.at <= until).last();
            if last.is_some() || from <= after {
                return last;
            }
            window = Millis(window.0.saturating_mul(8));
        }
    }

    /// The last tick before an instant; looks back no more than 400 years.
    pub fn before(&self, at: Timestamp) -> Option<Occurrence> {
        const FOUR_CENTURIES: i64 = 146_097 * 86_400 * 1_000_000;
        self.latest(
            Timestamp(at.0.saturating_sub(FOUR_CENTURIES)),
            Timestamp(at.0.saturating_sub(1)),
        )
    }
}

#[cfg(test)]
mod tests;
