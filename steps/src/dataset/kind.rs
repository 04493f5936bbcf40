//! Between columns of a contract or a guess, columns as text files are read, and polars' series.

use crate::data_type;
use jiff::tz::TimeZone;
use polars::prelude::{
    BooleanChunked, DataType as PolarsType, Float64Chunked, Int64Chunked, IntoSeries, NewChunkedArray,
    PolarsResult, Series, StringChunkedBuilder, TimeUnit as PolarsUnit, UInt64Chunked,
};
use trainyard_contract::{DataType, ReaderOptions, StepError, TimeUnit};
use trainyard_records::{Column, Guess, Kind, Moment, Per, Values};

/// How texts of a column are read to become values of the type.
///
/// # Errors
/// `Rejected` if they cannot, or the type's zone is none.
pub(super) fn of(name: &str, data_type: &DataType, options: &ReaderOptions) -> Result<Column, StepError> {
    let integer = |least: i64, greatest: i64| Kind::Integer { least, greatest };
    let kind = match data_type {
        DataType::Boolean => Kind::Boolean,
        DataType::Int8 => integer(i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => integer(i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => integer(i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 | DataType::Duration(_) => integer(i64::MIN, i64::MAX),
        DataType::UInt8 => integer(0, u8::MAX.into()),
        DataType::UInt16 => integer(0, u16::MAX.into()),
        DataType::UInt32 => integer(0, u32::MAX.into()),
        DataType::UInt64 => Kind::Unsigned { greatest: u64::MAX },
        DataType::Float32 | DataType::Float64 => Kind::Float,
        DataType::String | DataType::Binary | DataType::Other(_) => Kind::Text,
        DataType::Date => Kind::Date,
        DataType::Time => Kind::Time,
        DataType::Timestamp(unit, zone) => Kind::Timestamp(Moment {
            per_second: match unit {
                TimeUnit::Milliseconds => Per::Milli,
                TimeUnit::Microseconds => Per::Micro,
                TimeUnit::Nanoseconds => Per::Nano,
            },
            zone: match zone {
                None => None,
                Some(zone) => Some(TimeZone::get(zone).map_err(|_| {
                    StepError::rejected(format!("column `{name}`: there is no time zone `{zone}`"))
                })?),
            },
        }),
        DataType::List(_) => {
            return Err(
                StepError::rejected(format!("column `{name}`: text cannot be read as {data_type}"))
                    .help("read it as string, or keep such data as Parquet"),
            );
        }
    };
    Ok(Column {
        name: name.to_owned(),
        kind,
        formats: options.formats.get(name).cloned().unwrap_or_default(),
    })
}

/// The type of a guess.
pub(super) fn guessed(guess: Guess) -> DataType {
    match guess {
        Guess::Boolean => DataType::Boolean,
        Guess::Integer => DataType::Int64,
        Guess::Float => DataType::Float64,
        Guess::Date => DataType::Date,
        Guess::Timestamp => DataType::Timestamp(TimeUnit::Microseconds, Some("UTC".to_owned())),
        Guess::Text | Guess::Nothing => DataType::String,
    }
}

/// The values as a series of the type.
pub(super) fn series(name: &str, values: Values, data_type: &DataType) -> PolarsResult<Series> {
    let wanted = data_type::to_polars(data_type);
    let is = |missing: &[bool], at: usize| missing.get(at) == Some(&true);
    let raw = match values {
        Values::Text(texts) => {
            let mut builder = StringChunkedBuilder::new(name.into(), texts.len());
            for text in texts.iter() {
                builder.append_option(text);
            }
            builder.finish().into_series()
        }
        Values::Boolean { values, missing } => {
            let values = values
                .iter()
                .enumerate()
                .map(|(at, value)| (!is(&missing, at)).then_some(*value));
            BooleanChunked::from_iter_options(name.into(), values).into_series()
        }
        Values::Integer { values, missing } if missing.is_empty() => {
            Int64Chunked::from_vec(name.into(), values).into_series()
        }
        Values::Integer { values, missing } => {
            let values = values
                .iter()
                .enumerate()
                .map(|(at, value)| (!is(&missing, at)).then_some(*value));
            Int64Chunked::from_iter_options(name.into(), values).into_series()
        }
        Values::Unsigned { values, missing } => {
            let values = values
                .iter()
                .enumerate()
                .map(|(at, value)| (!is(&missing, at)).then_some(*value));
            UInt64Chunked::from_iter_options(name.into(), values).into_series()
        }
        Values::Float { values, missing } if missing.is_empty() => {
            Float64Chunked::from_vec(name.into(), values).into_series()
        }
        Values::Float { values, missing } => {
            let values = values
                .iter()
                .enumerate()
                .map(|(at, value)| (!is(&missing, at)).then_some(*value));
            Float64Chunked::from_iter_options(name.into(), values).into_series()
        }
        Values::Nothing(count) => Series::full_null(name.into(), count, &PolarsType::String),
    };
    match wanted {
        PolarsType::Null => Ok(raw),
        PolarsType::Date => raw.cast(&PolarsType::Int32)?.cast(&wanted),
        PolarsType::Datetime(_, Some(_)) => {
            let unit = match &wanted {
                PolarsType::Datetime(unit, _) => *unit,
                _ => PolarsUnit::Microseconds,
            };
            raw.cast(&PolarsType::Datetime(unit, Some(polars::prelude::TimeZone::UTC)))?
                .cast(&wanted)
        }
        wanted if &wanted == raw.dtype() => Ok(raw),
        wanted => raw.cast(&wanted),
    }
}
