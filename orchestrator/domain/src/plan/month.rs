//! Months, by which budgets count.

use serde::{Serialize, Serializer};
use std::fmt;
use trainyard_contract::Timestamp;

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i64);

impl Month {
    /// The month that an instant lies in.
    pub fn of(at: Timestamp) -> Self {
        let date = jiff::Timestamp::from_microsecond(at.0).map_or_else(
            |_| jiff::civil::Date::default(),
            |at| jiff::tz::Offset::UTC.to_datetime(at).date(),
        );
        Self(i64::from(date.year()) * 12 + i64::from(date.month()) - 1)
    }

    /// Counts up from month to month: `year * 12 + month - 1`.
    pub fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Month {
    /// `2026-11`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a pipeline's runs in an environment have taken in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MonthUsage {
    /// Cores times milliseconds of attempts that ended in it, of runs that are over.
    pub core_ms: u64,
    /// MiB of memory times milliseconds.
    pub mib_ms: u64,
    /// Runs that are not over, and of which more is to come.
    pub under_way: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_and_end_in_utc() {
        let month = |text: &str| {
            let at = text.parse::<jiff::Timestamp>().unwrap();
            Month::of(Timestamp(at.as_microsecond())).to_string()
        };
        assert_eq!(month("2026-11-30T23:59:59.999999Z"), "2026-11");
        assert_eq!(month("2026-12-01T00:00:00Z"), "2026-12");
        assert_eq!(month("2026-12-31T23:30:00-01:00"), "2027-01");
        assert_eq!(month("2027-01-01T00:30:00+01:00"), "2026-12");
        assert_eq!(month("1969-12-31T23:59:59Z"), "1969-12");
    }
}
