//! The days that a cron expression names: day of month, month and day of week together.

use super::CronFault;
use super::field::{Field, Values, in_list, items, range};
use crate::trigger::wall::Days;
use jiff::civil::Date;

/// Days of the month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DayField {
    /// Bit `d` for day `d`.
    plain: u64,
    /// Bit `n` for `n` days before the last.
    from_end: u32,
    /// Bit `d` for the weekday nearest to day `d`.
    nearest: u32,
    last_weekday: bool,
    has_star: bool,
}

/// Days of the week, Sunday being 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WeekdayField {
    plain: u64,
    /// Bit of the day whose last of the month counts.
    last: u8,
    /// For the first, second … of the month: bits of days.
    nth: [u8; 5],
    has_star: bool,
}

fn begins_with_star(text: &str) -> bool {
    text.starts_with('*') || text.starts_with('?')
}

pub(super) fn day_field(text: &str, field: Field) -> Result<DayField, CronFault> {
    let mut days = DayField {
        has_star: begins_with_star(text),
        ..DayField::default()
    };
    for item in items(text, field)? {
        let upper = item.to_ascii_uppercase();
        let faulty = |fault| in_list(fault, text, item);
        if upper == "L" {
            days.from_end |= 1;
        } else if upper == "LW" || upper == "WL" {
            days.last_weekday = true;
        } else if let Some(before) = upper.strip_prefix("L-") {
            match before.parse::<u32>() {
                Ok(before) if before <= 30 => days.from_end |= 1 << before,
                _ => {
                    return Err(CronFault::new(format!("`{item}` is no day of month"))
                        .help("`L-3` is three days before the last of the month; up to `L-30`"));
                }
            }
        } else if let Some(day) = upper.strip_suffix('W') {
            days.nearest |= 1 << field.value(day).map_err(faulty)?;
        } else {
            days.plain |= range(item, field).map_err(faulty)?.set;
        }
    }
    Ok(days)
}

pub(super) fn weekday_field(text: &str, field: Field) -> Result<WeekdayField, CronFault> {
    let mut days = WeekdayField {
        has_star: begins_with_star(text),
        ..WeekdayField::default()
    };
    for item in items(text, field)? {
        let faulty = |fault| in_list(fault, text, item);
        if item.eq_ignore_ascii_case("l") {
            return Err(CronFault::new("`L` does not say which day")
                .help("write `5L` or `friL` for the last Friday of the month"));
        }
        if let Some((day, nth)) = item.split_once('#') {
            let day_of_week = field.value(day).map_err(faulty)? % 7;
            match nth.parse::<usize>() {
                Ok(nth @ 1..=5) => days.nth[nth - 1] |= 1 << day_of_week,
                _ => {
                    return Err(CronFault::new(format!("a month has no {nth}th {day}"))
                        .help("`#1` to `#5`; `friL` is the last Friday"));
                }
            }
        } else if let Some(day) = item.strip_suffix(['l', 'L']) {
            days.last |= 1 << (field.value(day).map_err(faulty)? % 7);
        } else {
            days.plain |= range(item, field).map_err(faulty)?.set;
        }
    }
    // 7 is Sunday.
    days.plain |= days.plain >> 7 & 1;
    Ok(days)
}

/// The days on which a cron expression fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CronDays {
    day: DayField,
    months: Values,
    weekday: WeekdayField,
    /// As in Vixie cron: where both fields of days say something, either is enough; a field that
    /// begins with `*` says nothing of its own, so both have to fit.
    either: bool,
}

impl CronDays {
    pub(super) fn new(day: DayField, months: Values, weekday: WeekdayField) -> Self {
        let either = !day.has_star && !weekday.has_star;
        Self {
            day,
            months,
            weekday,
            either,
        }
    }
}

/// Sunday is 0.
fn weekday_of(date: Date) -> u32 {
    u32::from(date.weekday().to_sunday_zero_offset().unsigned_abs())
}

impl Days for CronDays {
    fn in_month(&self, month: i8) -> bool {
        self.months.has(u16::from(month.unsigned_abs()))
    }

    fn on(&self, date: Date) -> bool {
        if !self.in_month(date.month()) {
            return false;
        }
        let by_day = self.day.on(date);
        let by_weekday = self.weekday.on(date);
        if self.either {
            by_day || by_weekday
        } else {
            by_day && by_weekday
        }
    }
}

impl DayField {
    fn on(&self, date: Date) -> bool {
        let day = u32::from(date.day().unsigned_abs());
        let length = u32::from(date.days_in_month().unsigned_abs());
        if self.plain >> day & 1 == 1 || self.from_end >> (length - day) & 1 == 1 {
            return true;
        }
        let weekday = weekday_of(date);
        if weekday == 0 || weekday == 6 {
            return false;
        }
        let nearest = |day: u32| self.nearest >> day & 1 == 1;
        let last_weekday = day == length || (weekday == 5 && day + 2 >= length);
        (self.last_weekday && last_weekday)
            || nearest(day)
            // Friday takes the Saturday after it, Monday the Sunday before it.
            || (weekday == 5 && day < length && nearest(day + 1))
            || (weekday == 1 && day > 1 && nearest(day - 1))
            // At the ends of a month there is only one side.
            || (weekday == 1 && day == 3 && nearest(1))
            || (weekday == 5 && day + 2 == length && nearest(length))
    }
}

impl WeekdayField {
    fn on(&self, date: Date) -> bool {
        let weekday = weekday_of(date);
        let day = u32::from(date.day().unsigned_abs());
        let length = u32::from(date.days_in_month().unsigned_abs());
        let nth = (day - 1) / 7;
        self.plain >> weekday & 1 == 1
            || (self.last >> weekday & 1 == 1 && day + 7 > length)
            || self
                .nth
                .get(nth as usize)
                .is_some_and(|days| days >> weekday & 1 == 1)
    }
}
