//! Parts of dates and times. The calendar is Gregorian before its time too.

use crate::kind::{Kind, per_second};
use jiff::civil;
use jiff::tz::TimeZone;
use trainyard_contract::TimeUnit;

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;
const NANOSECONDS: i64 = 1_000_000_000;
/// Days beyond which the calendar is not asked; a date has 32 bits.
const MOST_DAYS: i64 = 1 << 40;

/// How a number tells the time.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// Days since 1970.
    Date,
    /// Nanoseconds since midnight.
    Time,
    /// Units since 1970, shown in a time zone if there is one.
    Timestamp(TimeUnit, Option<TimeZone>),
}

impl Clock {
    /// The clock of a type; none if it tells no time or its zone is not known.
    pub(crate) fn of(kind: &Kind) -> Option<Self> {
        Some(match kind {
            Kind::Date => Self::Date,
            Kind::Time => Self::Time,
            Kind::Timestamp(unit, None) => Self::Timestamp(*unit, None),
            Kind::Timestamp(unit, Some(zone)) => Self::Timestamp(*unit, Some(TimeZone::get(zone).ok()?)),
            _ => return None,
        })
    }

    /// Days since 1970 and nanoseconds of the day, as the clock on the wall shows them.
    fn read(&self, value: i64) -> (i64, i64) {
        match self {
            Self::Date => (value.clamp(-MOST_DAYS, MOST_DAYS), 0),
            Self::Time => (0, value),
            Self::Timestamp(unit, zone) => {
                let per_second = per_second(*unit);
                let (seconds, rest) = (value.div_euclid(per_second), value.rem_euclid(per_second));
                let local = seconds.saturating_add(zone.as_ref().map_or(0, |zone| offset(zone, seconds)));
                let nanoseconds = rest * (NANOSECONDS / per_second);
                (
                    local.div_euclid(DAY),
                    local.rem_euclid(DAY) * NANOSECONDS + nanoseconds,
                )
            }
        }
    }
}

/// Seconds that a zone is ahead of UTC at an instant; 0 outside the years that zones are known for.
fn offset(zone: &TimeZone, seconds: i64) -> i64 {
    jiff::Timestamp::from_second(seconds).map_or(0, |at| i64::from(zone.to_offset(at).seconds()))
}

/// Part of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Millennium,
    Century,
    Decade,
    IsoYear,
    Year,
    Quarter,
    Month,
    IsoWeek,
    DayOfYear,
    /// Sunday is 0.
    DayOfWeek,
    /// Monday is 1, Sunday 7.
    IsoDayOfWeek,
    Day,
    Hour,
    Minute,
    Second,
    /// With the seconds.
    Millisecond,
    Microsecond,
    Nanosecond,
    /// Seconds since 1970.
    Epoch,
}

impl Part {
    /// What SQL calls them.
    pub(crate) const NAMES: &[(&'static [&'static str], Self)] = &[
        (&["millennium", "millennia"], Self::Millennium),
        (&["century", "centuries", "c"], Self::Century),
        (&["decade", "decades"], Self::Decade),
        (&["isoyear"], Self::IsoYear),
        (&["year", "years", "y"], Self::Year),
        (&["quarter", "quarters"], Self::Quarter),
        (&["month", "months", "mon", "mons"], Self::Month),
        (&["week", "weeks", "isoweek"], Self::IsoWeek),
        (&["doy", "dayofyear"], Self::DayOfYear),
        (&["dow", "dayofweek"], Self::DayOfWeek),
        (&["isodow"], Self::IsoDayOfWeek),
        (&["day", "days", "dayofmonth", "d"], Self::Day),
        (&["hour", "hours", "h"], Self::Hour),
        (&["minute", "minutes", "mins", "min", "m"], Self::Minute),
        (&["second", "seconds", "sec", "secs", "s"], Self::Second),
        (&["millisecond", "milliseconds", "ms"], Self::Millisecond),
        (&["microsecond", "microseconds", "us"], Self::Microsecond),
        (&["nanosecond", "nanoseconds", "ns"], Self::Nanosecond),
        (&["epoch"], Self::Epoch),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let found = Self::NAMES
            .iter()
            .find(|(names, _)| names.contains(&name.as_str()));
        found.map(|(_, part)| *part)
    }

    /// Whether it belongs to the day rather than to the time of day.
    pub(crate) fn is_of_day(self) -> bool {
        !self.is_of_time() && self != Self::Epoch
    }

    pub(crate) fn is_of_time(self) -> bool {
        matches!(
            self,
            Self::Hour
                | Self::Minute
                | Self::Second
                | Self::Millisecond
                | Self::Microsecond
                | Self::Nanosecond
        )
    }

    /// Whether it has a fraction.
    pub(crate) fn is_float(self) -> bool {
        matches!(
            self,
            Self::Millisecond | Self::Microsecond | Self::Nanosecond | Self::Epoch
        )
    }
}

/// A part that is a whole number.
pub(crate) fn part(part: Part, value: i64, clock: &Clock) -> Option<i64> {
    let (days, nanoseconds) = clock.read(value);
    let seconds = nanoseconds / NANOSECONDS;
    Some(match part {
        Part::Hour => seconds / 3_600,
        Part::Minute => seconds / 60 % 60,
        Part::Second => seconds % 60,
        Part::DayOfWeek => (days + 4).rem_euclid(7),
        Part::IsoDayOfWeek => iso_weekday(days),
        Part::IsoWeek => iso_week(days).1,
        Part::IsoYear => iso_week(days).0,
        _ => {
            let (year, month, day) = civil_of(days);
            match part {
                Part::Millennium => (year - 1).div_euclid(1_000) + 1,
                Part::Century => (year - 1).div_euclid(100) + 1,
                Part::Decade => year.div_euclid(10),
                Part::Year => year,
                Part::Quarter => (month - 1) / 3 + 1,
                Part::Month => month,
                Part::Day => day,
                Part::DayOfYear => days - days_of(year, 1, 1) + 1,
                _ => return None,
            }
        }
    })
}

/// A part that may have a fraction.
#[expect(
    clippy::cast_precision_loss,
    reason = "numbers of a minute, and seconds since 1970 as everyone gives them"
)]
pub(crate) fn part_with_fraction(part: Part, value: i64, clock: &Clock) -> Option<f64> {
    let (_, nanoseconds) = clock.read(value);
    let fraction = (nanoseconds % NANOSECONDS) as f64;
    let seconds = (nanoseconds / NANOSECONDS % 60) as f64;
    Some(match part {
        Part::Millisecond => seconds * 1e3 + fraction / 1e6,
        Part::Microsecond => seconds * 1e6 + fraction / 1e3,
        Part::Nanosecond => seconds * 1e9 + fraction,
        Part::Epoch => {
            let Clock::Timestamp(unit, _) = clock else {
                return None;
            };
            value.div_euclid(per_second(*unit)) as f64 + fraction * (1.0 / 1e9)
        }
        _ => return None,
    })
}

/// What a time is cut down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Year,
    Quarter,
    Month,
    /// To Monday.
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    pub(crate) const NAMES: &[(&'static str, Self)] = &[
        ("year", Self::Year),
        ("quarter", Self::Quarter),
        ("month", Self::Month),
        ("week", Self::Week),
        ("day", Self::Day),
        ("hour", Self::Hour),
        ("minute", Self::Minute),
        ("second", Self::Second),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, unit)| *unit)
    }

    pub(crate) fn is_of_time(self) -> bool {
        matches!(self, Self::Hour | Self::Minute | Self::Second)
    }

    /// The first day of the span that a day is in.
    fn first_day(self, days: i64) -> i64 {
        let (year, month, _) = civil_of(days);
        match self {
            Self::Year => days_of(year, 1, 1),
            Self::Quarter => days_of(year, (month - 1) / 3 * 3 + 1, 1),
            Self::Month => days_of(year, month, 1),
            Self::Week => days - (iso_weekday(days) - 1),
            _ => days,
        }
    }
}

/// The start of the span that a time is in, by the clock on the wall.
pub(crate) fn truncated(unit: Unit, value: i64, clock: &Clock) -> Option<i64> {
    match clock {
        Clock::Date => Some(unit.first_day(clock.read(value).0)),
        Clock::Time => None,
        Clock::Timestamp(of, zone) => {
            let per_second = per_second(*of);
            let (days, nanoseconds) = clock.read(value);
            if unit.is_of_time() {
                let span = match unit {
                    Unit::Hour => 3_600,
                    Unit::Minute => 60,
                    _ => 1,
                } * NANOSECONDS;
                return value.checked_sub(nanoseconds % span / (NANOSECONDS / per_second));
            }
            let first = unit.first_day(days);
            let seconds = match zone {
                None => first.checked_mul(DAY)?,
                Some(zone) => {
                    let (year, month, day) = civil_of(first);
                    let midnight = civil::Date::new(
                        i16::try_from(year).ok()?,
                        i8::try_from(month).ok()?,
                        i8::try_from(day).ok()?,
                    );
                    midnight
                        .ok()?
                        .to_zoned(zone.clone())
                        .ok()?
                        .timestamp()
                        .as_second()
                }
            };
            seconds.checked_mul(per_second)
        }
    }
}

/// `2024-01-31`.
pub(crate) fn date_text(days: i64) -> String {
    let (year, month, day) = civil_of(days);
    format!("{year:04}-{month:02}-{day:02}")
}

fn iso_weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// The year and the number of the week that a day is in.
fn iso_week(days: i64) -> (i64, i64) {
    // The week belongs to the year of its Thursday.
    let thursday = days - (iso_weekday(days) - 1) + 3;
    let (year, _, _) = civil_of(thursday);
    (year, (thursday - days_of(year, 1, 1)) / 7 + 1)
}

/// Days of 400 years, after which the calendar repeats.
const ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// Year, month and day of a day. Years begin in March, so that the leap day is their last.
pub(crate) fn civil_of(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(EPOCH);
    let era = shifted.div_euclid(ERA);
    let day_of_era = shifted.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The day of a year, month and day.
pub(crate) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.saturating_mul(ERA).saturating_add(day_of_era - EPOCH)
}
