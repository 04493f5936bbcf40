//! Column types: ours and polars' for each other.

use polars::prelude as pl;
use trainyard_contract::{DataType, TimeUnit};

/// Our name of a polars type.
pub(crate) fn from_polars(data_type: &pl::DataType) -> DataType {
    match data_type {
        pl::DataType::Boolean => DataType::Boolean,
        pl::DataType::Int8 => DataType::Int8,
        pl::DataType::Int16 => DataType::Int16,
        pl::DataType::Int32 => DataType::Int32,
        pl::DataType::Int64 => DataType::Int64,
        pl::DataType::UInt8 => DataType::UInt8,
        pl::DataType::UInt16 => DataType::UInt16,
        pl::DataType::UInt32 => DataType::UInt32,
        pl::DataType::UInt64 => DataType::UInt64,
        pl::DataType::Float32 => DataType::Float32,
        pl::DataType::Float64 => DataType::Float64,
        pl::DataType::String => DataType::String,
        pl::DataType::Binary => DataType::Binary,
        pl::DataType::Date => DataType::Date,
        pl::DataType::Time => DataType::Time,
        pl::DataType::Datetime(unit, zone) => {
            DataType::Timestamp(time_unit(*unit), zone.as_ref().map(|zone| zone.to_string()))
        }
        pl::DataType::Duration(unit) => DataType::Duration(time_unit(*unit)),
        pl::DataType::List(item) => DataType::List(Box::new(from_polars(item))),
        other => DataType::Other(format!("other[{other}]")),
    }
}

/// The polars type of ours. What we have no name for is `Null`, which polars lets pass everywhere.
pub(crate) fn to_polars(data_type: &DataType) -> pl::DataType {
    match data_type {
        DataType::Boolean => pl::DataType::Boolean,
        DataType::Int8 => pl::DataType::Int8,
        DataType::Int16 => pl::DataType::Int16,
        DataType::Int32 => pl::DataType::Int32,
        DataType::Int64 => pl::DataType::Int64,
        DataType::UInt8 => pl::DataType::UInt8,
        DataType::UInt16 => pl::DataType::UInt16,
        DataType::UInt32 => pl::DataType::UInt32,
        DataType::UInt64 => pl::DataType::UInt64,
        DataType::Float32 => pl::DataType::Float32,
        DataType::Float64 => pl::DataType::Float64,
        DataType::String => pl::DataType::String,
        DataType::Binary => pl::DataType::Binary,
        DataType::Date => pl::DataType::Date,
        DataType::Time => pl::DataType::Time,
        DataType::Timestamp(unit, zone) => pl::DataType::Datetime(
            polars_unit(*unit),
            zone.as_ref()
                .and_then(|zone| pl::TimeZone::opt_try_new(Some(zone.as_str())).ok().flatten()),
        ),
        DataType::Duration(unit) => pl::DataType::Duration(polars_unit(*unit)),
        DataType::List(item) => pl::DataType::List(Box::new(to_polars(item))),
        DataType::Other(_) => pl::DataType::Null,
    }
}

fn time_unit(unit: pl::TimeUnit) -> TimeUnit {
    match unit {
        pl::TimeUnit::Milliseconds => TimeUnit::Milliseconds,
        pl::TimeUnit::Microseconds => TimeUnit::Microseconds,
        pl::TimeUnit::Nanoseconds => TimeUnit::Nanoseconds,
    }
}

fn polars_unit(unit: TimeUnit) -> pl::TimeUnit {
    match unit {
        TimeUnit::Milliseconds => pl::TimeUnit::Milliseconds,
        TimeUnit::Microseconds => pl::TimeUnit::Microseconds,
        TimeUnit::Nanoseconds => pl::TimeUnit::Nanoseconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainyard_contract::schema::DATA_TYPE_NAMES;

    #[test]
    fn every_type_of_a_contract_survives_the_way_to_polars_and_back() {
        for name in DATA_TYPE_NAMES {
            let data_type: DataType = name.parse().unwrap();
            assert_eq!(from_polars(&to_polars(&data_type)), data_type);
        }
    }

    #[test]
    fn a_type_we_have_no_name_for_still_reads_back_as_text() {
        let name = from_polars(&pl::DataType::Null).to_string();
        assert!(name.parse::<DataType>().is_ok(), "{name}");
    }
}
