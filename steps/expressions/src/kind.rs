//! Types as expressions tell them apart, and which type two of them share.

use trainyard_contract::{DataType, TimeUnit};

/// Type of an expression's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing but missing values.
    Null,
    Boolean,
    Number(Number),
    Text,
    Date,
    Time,
    Timestamp(TimeUnit, Option<String>),
    Duration(TimeUnit),
}

/// Type of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
}

impl Number {
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64)
    }

    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::I8 | Self::U8 => 8,
            Self::I16 | Self::U16 => 16,
            Self::I32 | Self::U32 | Self::F32 => 32,
            Self::I64 | Self::U64 | Self::F64 => 64,
        }
    }

    fn integer(is_signed: bool, bits: u32) -> Self {
        match (is_signed, bits) {
            (true, 0..=8) => Self::I8,
            (true, 9..=16) => Self::I16,
            (true, 17..=32) => Self::I32,
            (true, _) => Self::I64,
            (false, 0..=8) => Self::U8,
            (false, 9..=16) => Self::U16,
            (false, 17..=32) => Self::U32,
            (false, _) => Self::U64,
        }
    }

    /// The type that both become before they are added or compared.
    pub(crate) fn common(self, other: Self) -> Self {
        match (self.is_float(), other.is_float()) {
            (true, true) => {
                if self == Self::F64 || other == Self::F64 {
                    Self::F64
                } else {
                    Self::F32
                }
            }
            (true, false) => other.common(self),
            (false, true) if other == Self::F32 && self.bits() <= 16 => Self::F32,
            (false, true) => Self::F64,
            (false, false) => match (self.is_signed(), other.is_signed()) {
                (one, same) if one == same => Self::integer(one, self.bits().max(other.bits())),
                (true, _) => {
                    if other == Self::U64 {
                        Self::F64
                    } else {
                        Self::integer(true, self.bits().max(other.bits() * 2))
                    }
                }
                (false, _) => other.common(self),
            },
        }
    }

    /// The narrowest signed type that has a value.
    pub(crate) fn smallest(value: i64) -> Self {
        let bits = match value {
            _ if i8::try_from(value).is_ok() => 8,
            _ if i16::try_from(value).is_ok() => 16,
            _ if i32::try_from(value).is_ok() => 32,
            _ => 64,
        };
        Self::integer(true, bits)
    }

    /// The type this one and an integer that stands in the text share.
    pub(crate) fn with_literal(self, value: i64) -> Self {
        if self.is_float() {
            return self;
        }
        if self.is_signed() || value < 0 {
            let smallest = Self::smallest(value);
            return if self == Self::U64 {
                Self::I64
            } else {
                self.common(smallest)
            };
        }
        let bits = match value {
            _ if u8::try_from(value).is_ok() => 8,
            _ if u16::try_from(value).is_ok() => 16,
            _ if u32::try_from(value).is_ok() => 32,
            _ => 64,
        };
        self.common(Self::integer(false, bits))
    }

    /// What an integer that stands in the text is where nothing beside it says more.
    pub(crate) fn of_literal(value: i64) -> Self {
        if i32::try_from(value).is_ok() {
            Self::I32
        } else {
            Self::I64
        }
    }
}

impl Kind {
    pub(crate) const F64: Self = Self::Number(Number::F64);

    /// The kind of a column's type; none for what expressions cannot take: bytes, lists and structures.
    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Number(Number::I8),
            DataType::Int16 => Self::Number(Number::I16),
            DataType::Int32 => Self::Number(Number::I32),
            DataType::Int64 => Self::Number(Number::I64),
            DataType::UInt8 => Self::Number(Number::U8),
            DataType::UInt16 => Self::Number(Number::U16),
            DataType::UInt32 => Self::Number(Number::U32),
            DataType::UInt64 => Self::Number(Number::U64),
            DataType::Float32 => Self::Number(Number::F32),
            DataType::Float64 => Self::Number(Number::F64),
            DataType::String => Self::Text,
            DataType::Date => Self::Date,
            DataType::Time => Self::Time,
            DataType::Timestamp(unit, zone) => Self::Timestamp(*unit, zone.clone()),
            DataType::Duration(unit) => Self::Duration(*unit),
            DataType::Binary | DataType::List(_) | DataType::Other(_) => return None,
        })
    }

    /// As columns have it; what is always missing is a truth value.
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Null | Self::Boolean => DataType::Boolean,
            Self::Number(number) => match number {
                Number::I8 => DataType::Int8,
                Number::I16 => DataType::Int16,
                Number::I32 => DataType::Int32,
                Number::I64 => DataType::Int64,
                Number::U8 => DataType::UInt8,
                Number::U16 => DataType::UInt16,
                Number::U32 => DataType::UInt32,
                Number::U64 => DataType::UInt64,
                Number::F32 => DataType::Float32,
                Number::F64 => DataType::Float64,
            },
            Self::Text => DataType::String,
            Self::Date => DataType::Date,
            Self::Time => DataType::Time,
            Self::Timestamp(unit, zone) => DataType::Timestamp(*unit, zone.clone()),
            Self::Duration(unit) => DataType::Duration(*unit),
        }
    }

    pub(crate) fn is_temporal(&self) -> bool {
        matches!(
            self,
            Self::Date | Self::Time | Self::Timestamp(..) | Self::Duration(_)
        )
    }

    /// As messages show it.
    pub(crate) fn described(&self) -> String {
        match self {
            Self::Null => "a missing value".to_owned(),
            other => other.data_type().to_string(),
        }
    }
}

/// The coarser of two units, in which both are compared.
pub(crate) fn coarser(one: TimeUnit, other: TimeUnit) -> TimeUnit {
    match (one, other) {
        (TimeUnit::Milliseconds, _) | (_, TimeUnit::Milliseconds) => TimeUnit::Milliseconds,
        (TimeUnit::Microseconds, _) | (_, TimeUnit::Microseconds) => TimeUnit::Microseconds,
        _ => TimeUnit::Nanoseconds,
    }
}

/// How many of a unit make a second.
pub(crate) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Milliseconds => 1_000,
        TimeUnit::Microseconds => 1_000_000,
        TimeUnit::Nanoseconds => 1_000_000_000,
    }
}
