//! Dates, times of day and timestamps as people write them.

use jiff::civil;
use jiff::fmt::strtime;

/// Why a text is no date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    No,
    /// `01/02/2020`, and nobody said which is the day.
    DayOrMonth,
}

/// A clock reading, or an instant if the text had an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Nanoseconds since 1970-01-01T00:00:00, on the clock that was read.
    pub(crate) clock: i128,
    /// Seconds by which that clock is ahead of UTC, if the text said so.
    pub(crate) offset: Option<i32>,
}

const NANOS: i128 = 1_000_000_000;

/// A position in a text.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.rest.first() == Some(&byte);
        if is_there {
            self.rest = &self.rest[1..];
        }
        is_there
    }

    fn eat_one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let byte = *self.rest.first().filter(|byte| bytes.contains(byte))?;
        self.rest = &self.rest[1..];
        Some(byte)
    }

    fn blanks(&mut self) {
        while self.eat(b' ') {}
    }

    /// A number of at least `least` and at most `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<i32> {
        let digits = self
            .rest
            .iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits < least {
            return None;
        }
        let value = self.rest[..digits]
            .iter()
            .fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
        self.rest = &self.rest[digits..];
        Some(value)
    }

    /// How many digits come next.
    fn digits(&self) -> usize {
        self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn word(&mut self) -> &[u8] {
        let length = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        word
    }

    fn month_name(&mut self) -> Option<i32> {
        const MONTHS: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let word = self.word().to_ascii_lowercase();
        let word = if word == b"sept" { b"sep".to_vec() } else { word };
        let month = MONTHS.iter().position(|month| {
            word == month.as_bytes() || (word.len() == 3 && month.as_bytes().starts_with(&word))
        })?;
        i32::try_from(month + 1).ok()
    }
}

/// Days since 1970-01-01, if there is such a day.
fn day(year: i32, month: i32, day: i32) -> Option<i64> {
    const LENGTHS: [i32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = LENGTHS.get(usize::try_from(month - 1).ok()?)? + i32::from(month == 2 && is_leap);
    if day < 1 || day > length || !(1..=9999).contains(&year) {
        return None;
    }
    // Years begin in March, so that the leap day is a year's last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(i64::from(era) * 146_097 + i64::from(day_of_era) - 719_468)
}

fn date_at(cursor: &mut Cursor<'_>, day_first: Option<bool>) -> Result<i64, Unread> {
    let some = |days: Option<i64>| days.ok_or(Unread::No);
    let first_is_letter = cursor.rest.first().is_some_and(u8::is_ascii_alphabetic);
    if first_is_letter {
        // `Jan 31, 2020`, or the day of the week of RFC 2822 before `31 Jan 2020`.
        let comma = cursor.rest.iter().take(10).position(|byte| *byte == b',');
        let blank = cursor.rest.iter().position(|byte| *byte == b' ');
        if let (Some(comma), Some(blank)) = (comma, blank)
            && comma < blank
        {
            cursor.rest = &cursor.rest[comma + 1..];
            cursor.blanks();
            return date_at(cursor, day_first);
        }
        let month = cursor.month_name().ok_or(Unread::No)?;
        cursor.eat(b'.');
        cursor.blanks();
        let of_month = cursor.number(1, 2).ok_or(Unread::No)?;
        cursor.eat(b',');
        cursor.blanks();
        let year = cursor.number(4, 4).ok_or(Unread::No)?;
        return some(day(year, month, of_month));
    }
    match cursor.digits() {
        4 => {
            let year = cursor.number(4, 4).ok_or(Unread::No)?;
            let between = cursor.eat_one_of(b"-/.").ok_or(Unread::No)?;
            let month = cursor.number(1, 2).ok_or(Unread::No)?;
            if !cursor.eat(between) {
                return Err(Unread::No);
            }
            let of_month = cursor.number(1, 2).ok_or(Unread::No)?;
            some(day(year, month, of_month))
        }
        8 => {
            let year = cursor.number(4, 4).ok_or(Unread::No)?;
            let month = cursor.number(2, 2).ok_or(Unread::No)?;
            let of_month = cursor.number(2, 2).ok_or(Unread::No)?;
            some(day(year, month, of_month))
        }
        1 | 2 => {
            let first = cursor.number(1, 2).ok_or(Unread::No)?;
            let between = cursor.eat_one_of(b"-/. ").ok_or(Unread::No)?;
            if cursor.rest.first().is_some_and(u8::is_ascii_alphabetic) {
                let month = cursor.month_name().ok_or(Unread::No)?;
                cursor.eat_one_of(b"-/. ").ok_or(Unread::No)?;
                let year = cursor.number(4, 4).ok_or(Unread::No)?;
                return some(day(year, month, first));
            }
            let second = cursor.number(1, 2).ok_or(Unread::No)?;
            if !cursor.eat(between) {
                return Err(Unread::No);
            }
            let year = cursor.number(4, 4).ok_or(Unread::No)?;
            // Dots are written where the day comes first.
            let day_comes_first = day_first.or((between == b'.').then_some(true));
            match day_comes_first {
                Some(true) => some(day(year, second, first)),
                Some(false) => some(day(year, first, second)),
                None if day(year, second, first).is_some() || day(year, first, second).is_some() => {
                    Err(Unread::DayOrMonth)
                }
                None => Err(Unread::No),
            }
        }
        _ => Err(Unread::No),
    }
}

/// Nanoseconds since midnight.
fn time_at(cursor: &mut Cursor<'_>) -> Option<i128> {
    let mut hour = cursor.number(1, 2)?;
    let mut nanoseconds = 0i128;
    let (mut minute, mut second) = (0, 0);
    if cursor.eat(b':') {
        minute = cursor.number(2, 2)?;
        if cursor.eat(b':') {
            second = cursor.number(2, 2)?;
            if cursor.eat_one_of(b".,").is_some() {
                let digits = cursor.digits();
                if digits == 0 || digits > 9 {
                    return None;
                }
                let scale = 10i128.pow(u32::try_from(9 - digits).ok()?);
                nanoseconds = i128::from(cursor.number(digits, digits)?) * scale;
            }
        }
    } else if cursor.digits() == 0
        && !cursor
            .rest
            .first()
            .is_some_and(|byte| matches!(byte, b' ' | b'a' | b'A' | b'p' | b'P'))
    {
        return None;
    }
    let held = cursor.rest;
    cursor.blanks();
    match cursor.word().to_ascii_lowercase().as_slice() {
        half @ (b"am" | b"pm") if (1..=12).contains(&hour) => {
            hour = hour % 12 + if half == b"pm" { 12 } else { 0 };
        }
        b"am" | b"pm" => return None,
        _ => cursor.rest = held,
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((i128::from(hour) * 3600 + i128::from(minute) * 60 + i128::from(second)) * NANOS + nanoseconds)
}

/// Seconds ahead of UTC.
fn offset_at(cursor: &mut Cursor<'_>) -> Option<i32> {
    match cursor.eat_one_of(b"+-") {
        None => matches!(cursor.word(), b"Z" | b"z" | b"UTC" | b"GMT").then_some(0),
        Some(sign) => {
            let hours = cursor.number(2, 2)?;
            cursor.eat(b':');
            let minutes = if cursor.rest.is_empty() {
                0
            } else {
                cursor.number(2, 2)?
            };
            (hours < 24 && minutes < 60)
                .then_some((hours * 3600 + minutes * 60) * if sign == b'-' { -1 } else { 1 })
        }
    }
}

/// A date: days since 1970-01-01. A time of day is allowed if it is midnight.
pub(crate) fn date(text: &str, day_first: Option<bool>) -> Result<i64, Unread> {
    let mut cursor = Cursor {
        rest: text.as_bytes(),
    };
    let days = date_at(&mut cursor, day_first)?;
    if cursor.rest.is_empty() {
        return Ok(days);
    }
    let reading = timestamp(text, day_first)?;
    let is_midnight = reading.offset.is_none() && reading.clock.rem_euclid(86_400 * NANOS) == 0;
    is_midnight.then_some(days).ok_or(Unread::No)
}

/// A time of day: nanoseconds since midnight.
pub(crate) fn time(text: &str) -> Option<i64> {
    let mut cursor = Cursor {
        rest: text.as_bytes(),
    };
    let time = time_at(&mut cursor)?;
    cursor.rest.is_empty().then(|| i64::try_from(time).ok())?
}

/// A date with or without a time of day and an offset.
pub(crate) fn timestamp(text: &str, day_first: Option<bool>) -> Result<Reading, Unread> {
    let mut cursor = Cursor {
        rest: text.as_bytes(),
    };
    let days = date_at(&mut cursor, day_first)?;
    let midnight = i128::from(days) * 86_400 * NANOS;
    if cursor.rest.is_empty() {
        return Ok(Reading {
            clock: midnight,
            offset: None,
        });
    }
    cursor.eat(b',');
    cursor.eat_one_of(b"Tt ").ok_or(Unread::No)?;
    cursor.blanks();
    let clock = midnight + time_at(&mut cursor).ok_or(Unread::No)?;
    cursor.blanks();
    if cursor.rest.is_empty() {
        return Ok(Reading { clock, offset: None });
    }
    let offset = offset_at(&mut cursor).ok_or(Unread::No)?;
    // `[Europe/Berlin]` after an offset says nothing that the offset does not.
    if cursor.eat(b'[') {
        cursor.rest = &cursor.rest[cursor.rest.len().saturating_sub(1)..];
        if !cursor.eat(b']') {
            return Err(Unread::No);
        }
    }
    cursor
        .rest
        .is_empty()
        .then_some(Reading {
            clock,
            offset: Some(offset),
        })
        .ok_or(Unread::No)
}

/// Days since 1970-01-01 of a date in a given format.
pub(crate) fn date_in(format: &str, text: &str) -> Option<i64> {
    if format == "iso" {
        let date: civil::Date = text.parse().ok()?;
        return day(
            i32::from(date.year()),
            i32::from(date.month()),
            i32::from(date.day()),
        );
    }
    let date = strtime::parse(format, text).ok()?.to_date().ok()?;
    day(
        i32::from(date.year()),
        i32::from(date.month()),
        i32::from(date.day()),
    )
}

/// A time of day in a given format.
pub(crate) fn time_in(format: &str, text: &str) -> Option<i64> {
    if format == "iso" {
        return time(text);
    }
    let time = strtime::parse(format, text).ok()?.to_time().ok()?;
    i64::try_from(time.duration_since(civil::Time::midnight()).as_nanos()).ok()
}

/// A timestamp in a given format.
pub(crate) fn timestamp_in(format: &str, text: &str) -> Option<Reading> {
    let unix = |scale: i128| {
        let count: i128 = match text.parse::<i64>() {
            Ok(whole) => i128::from(whole) * scale,
            // Fractions of the unit, to the nanosecond.
            Err(_) => {
                let (whole, fraction) = text.split_once('.')?;
                let digits: String = fraction.chars().take(9).collect();
                let value: i128 = digits.parse().ok()?;
                let part = value * scale / 10i128.pow(u32::try_from(digits.len()).ok()?);
                let whole: i128 = whole.parse().ok()?;
                if text.starts_with('-') {
                    whole * scale - part
                } else {
                    whole * scale + part
                }
            }
        };
        Some(Reading {
            clock: count,
            offset: Some(0),
        })
    };
    match format {
        "iso" => {
            let is_iso = text.len() >= 10 && text.as_bytes().get(4) == Some(&b'-');
            is_iso.then(|| timestamp(text, None).ok())?
        }
        "unix_s" => unix(NANOS),
        "unix_ms" => unix(1_000_000),
        "unix_us" => unix(1_000),
        "unix_ns" => unix(1),
        format => {
            let broken = strtime::parse(format, text).ok()?;
            if broken.timestamp().is_some() {
                return Some(Reading {
                    clock: broken.to_timestamp().ok()?.as_nanosecond(),
                    offset: Some(0),
                });
            }
            let date = broken.to_date().ok()?;
            let time = broken.to_time().unwrap_or(civil::Time::midnight());
            let days = day(
                i32::from(date.year()),
                i32::from(date.month()),
                i32::from(date.day()),
            )?;
            let clock =
                i128::from(days) * 86_400 * NANOS + time.duration_since(civil::Time::midnight()).as_nanos();
            Some(Reading {
                clock,
                offset: broken.offset().map(jiff::tz::Offset::seconds),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_in_the_usual_ways_to_write_one() {
        let expected = i64::from(
            civil::date(2020, 1, 31)
                .since(civil::date(1970, 1, 1))
                .unwrap()
                .get_days(),
        );
        for text in [
            "2020-01-31",
            "20200131",
            "2020/01/31",
            "2020.01.31",
            "2020-1-31",
            "31.01.2020",
            "31.1.2020",
            "31-Jan-2020",
            "31 January 2020",
            "Jan 31, 2020",
            "January 31 2020",
            "Fri, 31 Jan 2020",
            "2020-01-31T00:00:00",
        ] {
            assert_eq!(date(text, None), Ok(expected), "{text}");
        }
        assert_eq!(date("31/01/2020", Some(true)), Ok(expected));
        assert_eq!(date("01/31/2020", Some(false)), Ok(expected));
        assert_eq!(date("1-31-2020", Some(false)), Ok(expected));
        assert_eq!(date_in("%d.%m.%y", "31.01.20"), Some(expected));
        assert_eq!(date_in("iso", "31.01.2020"), None);
    }

    #[test]
    fn a_day_that_can_be_meant_two_ways_or_does_not_exist_is_none() {
        assert_eq!(date("01/02/2020", None), Err(Unread::DayOrMonth));
        assert_eq!(date("01-02-2020", None), Err(Unread::DayOrMonth));
        for text in [
            "2021-02-29",
            "31/31/2020",
            "2020-13-01",
            "20-01-31",
            "",
            "later",
            "2020-01-31x",
            "0000-01-01",
        ] {
            assert_eq!(date(text, None), Err(Unread::No), "{text}");
        }
    }

    #[test]
    fn every_day_of_the_calendar_has_its_number() {
        let mut expected = 0;
        let mut today = civil::date(1970, 1, 1);
        while today < civil::date(2101, 1, 1) {
            assert_eq!(date(&today.to_string(), None), Ok(expected));
            expected += 1;
            today = today.tomorrow().unwrap();
        }
        assert_eq!(date("1582-10-15", None), Ok(-141_427));
    }

    #[test]
    fn a_timestamp_keeps_its_clock_and_its_offset() {
        let clock = 1_580_464_800 * NANOS;
        for (text, offset) in [
            ("2020-01-31T10:00:00", None),
            ("2020-01-31 10:00", None),
            ("31.01.2020 10:00:00", None),
            ("Jan 31, 2020 10:00 AM", None),
            ("2020-01-31T10:00:00Z", Some(0)),
            ("2020-01-31 10:00:00 UTC", Some(0)),
            ("2020-01-31T10:00:00+01:00", Some(3600)),
            ("2020-01-31T10:00:00-0530", Some(-19_800)),
            ("Fri, 31 Jan 2020 10:00:00 +0100", Some(3600)),
            ("2020-01-31T10:00:00+01:00[Europe/Berlin]", Some(3600)),
        ] {
            assert_eq!(timestamp(text, None), Ok(Reading { clock, offset }), "{text}");
        }
        assert_eq!(
            timestamp("2020-01-31T10:00:00.25", None).unwrap().clock,
            clock + NANOS / 4
        );
        assert_eq!(
            timestamp("2020-01-31 10:00 PM", None).unwrap().clock,
            clock + 12 * 3600 * NANOS
        );
        for text in [
            "2020-01-31T25:00:00",
            "2020-01-31T10:00:00+99:00",
            "2020-01-31 13:00 PM",
            "2020-01-31T10",
            "10:00",
        ] {
            assert!(timestamp(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn given_formats_read_what_they_say_and_nothing_else() {
        let clock = 1_580_464_800 * NANOS;
        let utc = Some(Reading {
            clock,
            offset: Some(0),
        });
        assert_eq!(timestamp_in("unix_s", "1580464800"), utc);
        assert_eq!(timestamp_in("unix_ms", "1580464800000"), utc);
        assert_eq!(
            timestamp_in("unix_s", "1580464800.5").unwrap().clock,
            clock + NANOS / 2
        );
        assert_eq!(
            timestamp_in("%d.%m.%Y %H:%M", "31.01.2020 10:00"),
            Some(Reading { clock, offset: None })
        );
        assert_eq!(
            timestamp_in("%Y-%m-%d %H:%M %z", "2020-01-31 10:00 +0100"),
            Some(Reading {
                clock,
                offset: Some(3600)
            })
        );
        assert_eq!(timestamp_in("%d.%m.%Y %H:%M", "2020-01-31 10:00"), None);
        assert_eq!(time_in("%H.%M", "10.30"), Some(37_800_000_000_000));
        assert_eq!(time("10:30:00.5"), Some(37_800_500_000_000));
    }
}
