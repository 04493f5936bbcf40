//! One value of a row, as the store keeps it.

use std::borrow::Cow;
use trainyard_contract::DataType;

/// How values of a type are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    /// Integers, dates as days, times and durations in the unit of their type.
    Signed,
    Unsigned,
    Float,
    /// Text, bytes, and lists as JSON text.
    Bytes,
}

impl Kind {
    /// How values of that type are kept.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date
            | DataType::Time
            | DataType::Timestamp(..)
            | DataType::Duration(_) => Self::Signed,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => Self::Unsigned,
            DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::String | DataType::Binary | DataType::List(_) | DataType::Other(_) => Self::Bytes,
        }
    }
}

/// A value that is not null.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Boolean(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bytes(Cow<'a, [u8]>),
}
