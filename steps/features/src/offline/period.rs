//! The stretch of time that a partition's rows lie in.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use trainyard_contract::Timestamp;

/// A month or a day in UTC. Written `2026-11` or `2026-11-22`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Period {
    /// Its first day.
    Month(Date),
    Day(Date),
}

fn date_of(at: Timestamp) -> Date {
    let instant = jiff::Timestamp::from_microsecond(at.0).unwrap_or(if at.0 < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    instant.to_zoned(TimeZone::UTC).date()
}

fn midnight(date: Date) -> Timestamp {
    let start = date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    // Only the last days that a calendar can name have no midnight after them.
    Timestamp(start.map_or(i64::MAX, |start| start.as_microsecond()))
}

impl Period {
    /// The month of an instant.
    pub fn month_of(at: Timestamp) -> Self {
        Self::Month(date_of(at).first_of_month())
    }

    /// The day of an instant.
    pub fn day_of(at: Timestamp) -> Self {
        Self::Day(date_of(at))
    }

    /// Its first instant.
    pub fn start(self) -> Timestamp {
        let (Self::Month(date) | Self::Day(date)) = self;
        midnight(date)
    }

    /// The first instant after it.
    pub fn end(self) -> Timestamp {
        let next = match self {
            Self::Month(date) => date.last_of_month().tomorrow(),
            Self::Day(date) => date.tomorrow(),
        };
        next.map_or(Timestamp(i64::MAX), midnight)
    }

    /// The month it is, or is in.
    pub fn month(self) -> Self {
        let (Self::Month(date) | Self::Day(date)) = self;
        Self::Month(date.first_of_month())
    }

    /// Whether an instant lies in it.
    pub fn contains(self, at: Timestamp) -> bool {
        self.start() <= at && at < self.end()
    }
}

impl PartialOrd for Period {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Period {
    /// By time; a month comes before its first day.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |period: &Self| match period {
            Self::Month(date) => (*date, 0),
            Self::Day(date) => (*date, 1),
        };
        key(self).cmp(&key(other))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month(date) => write!(f, "{:04}-{:02}", date.year(), date.month()),
            Self::Day(date) => write!(f, "{date}"),
        }
    }
}

impl FromStr for Period {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a month (2026-11) nor a day (2026-11-22)");
        let date = |text: &str| text.parse::<Date>().map_err(|_| wrong());
        let read = match text.trim_start_matches('-').split('-').count() {
            2 => Self::Month(date(&format!("{text}-01"))?),
            _ => Self::Day(date(text)?),
        };
        if read.to_string() == text {
            Ok(read)
        } else {
            Err(wrong())
        }
    }
}

impl TryFrom<String> for Period {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> String {
        period.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_reads_back_as_written_and_nothing_else_does() {
        for text in ["2026-11", "2026-11-22", "1969-12-31", "0007-01"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "2026",
            "2026-13",
            "2026-11-31",
            "2026-1",
            "2026-11-22T00",
            "x",
        ] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_instant_lies_in_its_day_and_month_also_before_1970() {
        for micros in [0, -1, 1_795_392_000_000_000, i64::from(i32::MIN) * 1_000_000] {
            let at = Timestamp(micros);
            assert!(Period::day_of(at).contains(at));
            assert!(Period::month_of(at).contains(at));
            assert_eq!(Period::day_of(at).month(), Period::month_of(at));
        }
        assert_eq!(Period::day_of(Timestamp(-1)).to_string(), "1969-12-31");
        assert_eq!(
            "2024-02".parse::<Period>().unwrap().end(),
            "2024-03".parse::<Period>().unwrap().start()
        );
    }
}
