//! Dates, times and spans that stand in a text.

use crate::kind::per_second;
use crate::time::{DAY, days_of};
use jiff::civil;
use jiff::tz::TimeZone;
use trainyard_contract::TimeUnit;

/// Days of `2024-01-31`.
pub(crate) fn date(text: &str) -> Option<i64> {
    let [year, month, day] = numbers::<3>(text, '-', [4, 2, 2])?;
    let month_is = (1..=12).contains(&month);
    let next = if month == 12 {
        days_of(year + 1, 1, 1)
    } else {
        days_of(year, month + 1, 1)
    };
    let first = days_of(year, month, 1);
    (month_is && (1..=next - first).contains(&day)).then_some(first + day - 1)
}

/// Nanoseconds since midnight of `12:00`, with seconds and parts of seconds or without.
pub(crate) fn time(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let [hour, minute, second] = match whole.matches(':').count() {
        1 if fraction.is_empty() => {
            let [hour, minute] = numbers::<2>(whole, ':', [2, 2])?;
            [hour, minute, 0]
        }
        _ => numbers::<3>(whole, ':', [2, 2, 2])?,
    };
    if hour > 23 || minute > 59 || second > 59 || fraction.len() > 9 {
        return None;
    }
    let is_number = fraction.bytes().all(|digit| digit.is_ascii_digit());
    let nanoseconds: i64 = if is_number {
        format!("{fraction:0<9}").parse().ok()?
    } else {
        return None;
    };
    Some((hour * 3_600 + minute * 60 + second) * 1_000_000_000 + nanoseconds)
}

/// Units since 1970 of a date, or a date and a time, by the clock of a zone if there is one.
pub(crate) fn timestamp(text: &str, unit: TimeUnit, zone: Option<&str>) -> Option<i64> {
    let (days, of_day) = match text.split_at_checked(10)? {
        (day, "") => (date(day)?, 0),
        (day, rest) => (date(day)?, time(rest.strip_prefix([' ', 'T'])?)?),
    };
    let seconds = match zone {
        None => days * DAY + of_day / 1_000_000_000,
        Some(zone) => {
            let zone = TimeZone::get(zone).ok()?;
            let (year, month, day) = crate::time::civil_of(days);
            let day = civil::Date::new(
                i16::try_from(year).ok()?,
                i8::try_from(month).ok()?,
                i8::try_from(day).ok()?,
            );
            let of_day = civil::Time::midnight() + jiff::SignedDuration::from_nanos(of_day);
            let local = civil::DateTime::from_parts(day.ok()?, of_day);
            zone.to_ambiguous_timestamp(local).later().ok()?.as_second()
        }
    };
    let per_second = per_second(unit);
    let rest = of_day % 1_000_000_000 / (1_000_000_000 / per_second);
    seconds.checked_mul(per_second)?.checked_add(rest)
}

/// Microseconds of `1 hour`, `2 days 30 minutes`: spans that always take the same time.
pub(crate) fn interval(text: &str) -> Option<i64> {
    let mut words = text.split_whitespace();
    let mut total: i64 = 0;
    let mut parts = 0;
    while let Some(number) = words.next() {
        let number: i64 = number.parse().ok()?;
        let unit = words.next()?.to_ascii_lowercase();
        let microseconds: i64 = match unit.strip_suffix('s').unwrap_or(&unit) {
            "week" => 7 * DAY * 1_000_000,
            "day" => DAY * 1_000_000,
            "hour" => 3_600_000_000,
            "minute" => 60_000_000,
            "second" => 1_000_000,
            "millisecond" => 1_000,
            "microsecond" => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(microseconds)?)?;
        parts += 1;
    }
    (parts > 0).then_some(total)
}

fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut pieces = text.split(between);
    for (number, digits) in found.iter_mut().zip(digits) {
        let piece = pieces.next()?;
        if piece.len() != digits || !piece.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        *number = piece.parse().ok()?;
    }
    pieces.next().is_none().then_some(found)
}
