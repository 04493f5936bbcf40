//! Values as they stand in JSON requests and answers.

use super::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil;
use std::borrow::Cow;
use trainyard_contract::DataType;
use trainyard_contract::schema::TimeUnit;

/// A JSON value that is not of the wanted type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not a value of type {wanted}")]
pub struct WrongValue {
    /// As given, cut to 60 characters.
    pub given: String,
    pub wanted: String,
}

/// A JSON value as a value of that type; nothing for `null`. Numbers may stand for timestamps: seconds since 1970, as
/// Feast sends them. A time without a zone is one of UTC. `NaN`, `Infinity` and `-Infinity` are texts.
///
/// # Errors
/// If it is of another type or does not fit in.
pub fn read_json<'a>(
    data_type: &DataType,
    given: &'a serde_json::Value,
) -> Result<Option<Value<'a>>, WrongValue> {
    if given.is_null() {
        return Ok(None);
    }
    read(data_type, given).map(Some).ok_or_else(|| WrongValue {
        given: given.to_string().chars().take(60).collect(),
        wanted: data_type.to_string(),
    })
}

fn read<'a>(data_type: &DataType, given: &'a serde_json::Value) -> Option<Value<'a>> {
    Some(match data_type {
        DataType::Boolean => Value::Boolean(given.as_bool()?),
        DataType::Int8 => Value::Signed(i8::try_from(whole(given)?).ok()?.into()),
        DataType::Int16 => Value::Signed(i16::try_from(whole(given)?).ok()?.into()),
        DataType::Int32 => Value::Signed(i32::try_from(whole(given)?).ok()?.into()),
        DataType::Int64 => Value::Signed(whole(given)?),
        DataType::UInt8 => Value::Unsigned(u8::try_from(natural(given)?).ok()?.into()),
        DataType::UInt16 => Value::Unsigned(u16::try_from(natural(given)?).ok()?.into()),
        DataType::UInt32 => Value::Unsigned(u32::try_from(natural(given)?).ok()?.into()),
        DataType::UInt64 => Value::Unsigned(natural(given)?),
        DataType::Float32 => Value::Float(f64::from(float(given)? as f32)),
        DataType::Float64 => Value::Float(float(given)?),
        DataType::String => Value::Bytes(Cow::Borrowed(given.as_str()?.as_bytes())),
        DataType::Binary => Value::Bytes(Cow::Owned(STANDARD.decode(given.as_str()?).ok()?)),
        DataType::Date => {
            let date: civil::Date = given.as_str()?.parse().ok()?;
            Value::Signed(i64::from((date - epoch()).get_days()))
        }
        DataType::Time => {
            let time: civil::Time = given.as_str()?.parse().ok()?;
            let since = time.since(civil::Time::midnight()).ok()?;
            Value::Signed(i64::try_from(since.total(jiff::Unit::Nanosecond).ok()? as i128).ok()?)
        }
        DataType::Timestamp(unit, _) => Value::Signed(in_unit(nanoseconds(given)?, *unit)?),
        DataType::Duration(_) => Value::Signed(whole(given)?),
        DataType::List(item) => {
            for one in given.as_array()? {
                if !one.is_null() {
                    read(item, one)?;
                }
            }
            Value::Bytes(Cow::Owned(given.to_string().into_bytes()))
        }
        DataType::Other(_) => Value::Bytes(Cow::Owned(given.to_string().into_bytes())),
    })
}

/// An instant in microseconds since 1970, as requests write it; nothing if it is none.
pub fn instant(given: &serde_json::Value) -> Option<i64> {
    in_unit(nanoseconds(given)?, TimeUnit::Microseconds)
}

fn epoch() -> civil::Date {
    civil::Date::constant(1970, 1, 1)
}

fn whole(given: &serde_json::Value) -> Option<i64> {
    given.as_i64().or_else(|| {
        // Tables turn integers with gaps into floats.
        let float = given.as_f64()?;
        (float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0).then_some(float as i64)
    })
}

fn natural(given: &serde_json::Value) -> Option<u64> {
    given.as_u64().or_else(|| u64::try_from(whole(given)?).ok())
}

fn float(given: &serde_json::Value) -> Option<f64> {
    match given.as_str() {
        None => given.as_f64(),
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
    }
}

fn nanoseconds(given: &serde_json::Value) -> Option<i128> {
    if let Some(text) = given.as_str() {
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Some(instant.as_nanosecond());
        }
        let local: civil::DateTime = text.parse().ok()?;
        let instant = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        return Some(instant.timestamp().as_nanosecond());
    }
    match given.as_i64() {
        Some(seconds) => Some(i128::from(seconds) * 1_000_000_000),
        None => {
            let seconds = given.as_f64().filter(|seconds| seconds.abs() < 1e11)?;
            Some((seconds * 1e6).round() as i128 * 1000)
        }
    }
}

fn in_unit(nanoseconds: i128, unit: TimeUnit) -> Option<i64> {
    i64::try_from(nanoseconds.div_euclid(i128::from(nanoseconds_of(unit)))).ok()
}

fn nanoseconds_of(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Milliseconds => 1_000_000,
        TimeUnit::Microseconds => 1_000,
        TimeUnit::Nanoseconds => 1,
    }
}

/// Writes a value of that type as JSON; what is damaged is written as `null`. With `feast`, timestamps are whole seconds
/// since 1970, as Feast's clients want them, else texts.
pub fn write_json(out: &mut Vec<u8>, data_type: &DataType, value: Option<&Value<'_>>, feast: bool) {
    let start = out.len();
    if value
        .and_then(|value| write(out, data_type, value, feast))
        .is_none()
    {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

fn write(out: &mut Vec<u8>, data_type: &DataType, value: &Value<'_>, feast: bool) -> Option<()> {
    match (data_type, value) {
        (DataType::Boolean, Value::Boolean(value)) => {
            out.extend_from_slice(if *value { b"true" } else { b"false" });
        }
        (DataType::Date, Value::Signed(days)) => {
            let span = jiff::Span::new().try_days(*days).ok()?;
            let date = epoch().checked_add(span).ok()?;
            text(out, &date.to_string())?;
        }
        (DataType::Time, Value::Signed(nanoseconds)) => {
            let span = jiff::SignedDuration::from_nanos(*nanoseconds);
            let time = civil::Time::midnight().checked_add(span).ok()?;
            text(out, &time.to_string())?;
        }
        (DataType::Timestamp(unit, zone), Value::Signed(time)) => {
            let factor = nanoseconds_of(*unit);
            if feast {
                return number(out, time.div_euclid(1_000_000_000 / factor));
            }
            let nanoseconds = i128::from(*time) * i128::from(factor);
            let instant = jiff::Timestamp::from_nanosecond(nanoseconds).ok()?;
            match zone {
                Some(_) => text(out, &instant.to_string())?,
                // A local reading of a clock.
                None => text(
                    out,
                    &instant.to_zoned(jiff::tz::TimeZone::UTC).datetime().to_string(),
                )?,
            }
        }
        (DataType::Float32, Value::Float(value)) if value.is_finite() => {
            serde_json::to_writer(out, &(*value as f32)).ok()?;
        }
        (_, Value::Float(value)) if value.is_finite() => number(out, *value)?,
        (_, Value::Float(value)) => out.extend_from_slice(match value {
            value if value.is_nan() => b"\"NaN\"",
            value if *value > 0.0 => b"\"Infinity\"",
            _ => b"\"-Infinity\"",
        }),
        (_, Value::Signed(value)) => number(out, *value)?,
        (_, Value::Unsigned(value)) => number(out, *value)?,
        (DataType::String, Value::Bytes(bytes)) => text(out, std::str::from_utf8(bytes).ok()?)?,
        (DataType::Binary, Value::Bytes(bytes)) => text(out, &STANDARD.encode(bytes))?,
        // Kept as JSON.
        (_, Value::Bytes(json)) => out.extend_from_slice(json),
        (_, Value::Boolean(_)) => return None,
    }
    Some(())
}

fn number(out: &mut Vec<u8>, number: impl serde::Serialize) -> Option<()> {
    serde_json::to_writer(out, &number).ok()
}

fn text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    serde_json::to_writer(out, text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn through(data_type: &str, given: serde_json::Value) -> String {
        let data_type: DataType = data_type.parse().unwrap();
        let value = read_json(&data_type, &given).unwrap();
        let mut out = Vec::new();
        write_json(&mut out, &data_type, value.as_ref(), false);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_they_were_read() {
        for (data_type, given) in [
            ("boolean", json!(true)),
            ("int64", json!(i64::MIN)),
            ("uint64", json!(u64::MAX)),
            ("float64", json!(0.1)),
            ("float32", json!(0.1)),
            ("float64", json!("NaN")),
            ("string", json!("a\"\u{1}ü")),
            ("binary", json!("AAE=")),
            ("date", json!("1969-12-31")),
            ("timestamp[us, UTC]", json!("2026-01-02T03:04:05.000006Z")),
            ("timestamp[ms]", json!("2026-01-02T03:04:05.006")),
            ("list[float64]", json!([1.5, null, 2.0])),
        ] {
            assert_eq!(
                through(data_type, given.clone()),
                given.to_string(),
                "{data_type}"
            );
            assert_eq!(through(data_type, json!(null)), "null");
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused_and_named() {
        for (data_type, given) in [
            ("int8", json!(128)),
            ("int64", json!(1.5)),
            ("int64", json!("1")),
            ("uint8", json!(-1)),
            ("float64", json!(true)),
            ("string", json!(1)),
            ("boolean", json!(0)),
            ("date", json!("2026-02-30")),
            ("timestamp[us, UTC]", json!("yesterday")),
            ("list[int64]", json!([1, "2"])),
            ("list[int64]", json!(1)),
        ] {
            let data_type: DataType = data_type.parse().unwrap();
            let wrong = read_json(&data_type, &given).unwrap_err();
            assert_eq!(
                wrong.to_string(),
                format!("{given} is not a value of type {data_type}")
            );
        }
    }

    #[test]
    fn times_without_a_zone_are_those_of_utc_and_numbers_are_seconds() {
        let micros = |given| instant(&given);
        assert_eq!(micros(json!("1970-01-01T00:00:01")), Some(1_000_000));
        assert_eq!(micros(json!("1970-01-01 00:00:01")), Some(1_000_000));
        assert_eq!(micros(json!("1970-01-01T01:00:01+01:00")), Some(1_000_000));
        assert_eq!(micros(json!(1)), Some(1_000_000));
        assert_eq!(micros(json!(1.5)), Some(1_500_000));
        assert_eq!(micros(json!(1e30)), None);
    }
}
