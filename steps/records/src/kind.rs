//! What columns hold.

use jiff::tz::TimeZone;

/// A column to be read.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    /// Formats of its dates and times before the file's own.
    pub formats: Vec<String>,
}

/// The type as which texts are read.
#[derive(Clone, Debug)]
pub enum Kind {
    Text,
    Boolean,
    /// Whole numbers in a range, signed.
    Integer {
        least: i64,
        greatest: i64,
    },
    /// Whole numbers up to a greatest one, not negative.
    Unsigned {
        greatest: u64,
    },
    /// 64-bit floating point.
    Float,
    /// Days since 1970-01-01.
    Date,
    /// Nanoseconds since midnight.
    Time,
    /// Units since 1970-01-01T00:00:00.
    Timestamp(Moment),
    /// Any value will do as long as it is missing: what is known of a column before its first value.
    Nothing,
}

/// What a timestamp counts.
#[derive(Clone, Debug)]
pub struct Moment {
    pub per_second: Per,
    /// With a zone it is an instant, and a clock reading without an offset is one in that zone. Without
    /// one it is a clock reading, and a text with an offset is no value.
    pub zone: Option<TimeZone>,
}

/// Units of time in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    Milli,
    Micro,
    Nano,
}

impl Per {
    pub(crate) fn nanoseconds(self) -> i128 {
        match self {
            Self::Milli => 1_000_000,
            Self::Micro => 1_000,
            Self::Nano => 1,
        }
    }
}
