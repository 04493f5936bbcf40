//! Local times of a schedule: days that a rule picks, times of day on each. No zones here.

use jiff::civil::{Date, DateTime};

/// A rule that picks days.
pub(crate) trait Days {
    /// Whether it can pick a day of this month, from 1.
    fn in_month(&self, month: i8) -> bool;
    fn on(&self, date: Date) -> bool;
}

/// The Gregorian calendar repeats after 400 years, weekdays included: what has not come by then
/// never does.
const CYCLE_IN_MONTHS: usize = 400 * 12 + 1;

/// The first day from `from` on that a rule picks. Looks at no more than 400 years.
pub(crate) fn next_day(days: &impl Days, from: Date) -> Option<Date> {
    let mut date = from;
    for _ in 0..CYCLE_IN_MONTHS {
        if days.in_month(date.month()) {
            let month = date.month();
            while date.month() == month {
                if days.on(date) {
                    return Some(date);
                }
                date = date.tomorrow().ok()?;
            }
        } else {
            date = date.last_of_month().tomorrow().ok()?;
        }
    }
    None
}

/// Local times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wall<D> {
    pub(crate) days: D,
    /// Minutes of the day, ascending, at least one.
    pub(crate) minutes: Vec<u16>,
}

impl<D: Days> Wall<D> {
    /// The first time not before `from`.
    pub(crate) fn next(&self, from: DateTime) -> Option<DateTime> {
        let time = from.time();
        let mut minute = u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs());
        if time.second() > 0 || time.subsec_nanosecond() > 0 {
            minute += 1;
        }
        if self.days.on(from.date()) {
            let at = self.minutes.partition_point(|known| *known < minute);
            if let Some(known) = self.minutes.get(at) {
                return Some(at_minute(from.date(), *known));
            }
        }
        let day = next_day(&self.days, from.date().tomorrow().ok()?)?;
        self.minutes.first().map(|first| at_minute(day, *first))
    }

    pub(crate) fn has(&self, at: DateTime) -> bool {
        self.next(at) == Some(at)
    }
}

fn at_minute(date: Date, minute: u16) -> DateTime {
    let hour = i8::try_from(minute / 60).unwrap_or(0);
    let minute = i8::try_from(minute % 60).unwrap_or(0);
    date.at(hour, minute, 0, 0)
}
