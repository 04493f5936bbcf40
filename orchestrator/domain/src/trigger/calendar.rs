//! Days of work: weekdays that are no holidays, every one or by their place in the month.

use super::wall::Days;
use jiff::civil::Date;
use std::collections::BTreeSet;

/// Which days of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    Every,
    /// From 1.
    FromStart(u8),
    /// 1 is the last.
    FromEnd(u8),
}

/// The days that a calendar names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkDays {
    pub(super) pick: Pick,
    /// Bit `m` for month `m`.
    pub(super) months: u16,
    /// Bit of each weekday without work, Sunday being 0.
    pub(super) weekend: u8,
    pub(super) holidays: BTreeSet<Date>,
    /// Month and day of holidays of each year.
    pub(super) yearly: BTreeSet<(i8, i8)>,
}

impl WorkDays {
    fn is_work(&self, date: Date) -> bool {
        self.weekend >> date.weekday().to_sunday_zero_offset() & 1 == 0
            && !self.holidays.contains(&date)
            && !self.yearly.contains(&(date.month(), date.day()))
    }
}

impl Days for WorkDays {
    fn in_month(&self, month: i8) -> bool {
        self.months >> month & 1 == 1
    }

    fn on(&self, date: Date) -> bool {
        if !self.in_month(date.month()) || !self.is_work(date) {
            return false;
        }
        let work_between = |from: i8, to: i8| {
            (from..=to)
                .filter_map(|day| Date::new(date.year(), date.month(), day).ok())
                .filter(|day| self.is_work(*day))
                .count()
        };
        match self.pick {
            Pick::Every => true,
            Pick::FromStart(nth) => work_between(1, date.day()) == usize::from(nth),
            Pick::FromEnd(nth) => work_between(date.day(), date.days_in_month()) == usize::from(nth),
        }
    }
}
