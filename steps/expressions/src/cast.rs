//! Values made into values of another type.

use crate::fault::Unevaluable;
use crate::kind::{Kind, Number, per_second};
use crate::number::narrow;
use crate::time::{self, DAY};
use crate::value::Value;
use std::borrow::Cow;

/// Whether values of a type can become values of another at all.
pub(crate) fn is_possible(from: &Kind, to: &Kind) -> bool {
    use Kind::{Boolean, Date, Duration, Null, Number as Num, Text, Time, Timestamp};
    if from == to {
        return true;
    }
    match (from, to) {
        (Null, _)
        | (Boolean | Num(_), Num(_) | Boolean | Text)
        | (Text, Num(_))
        | (Date, Text | Timestamp(_, None))
        | (Timestamp(_, None), Date | Time | Timestamp(_, None))
        | (Duration(_), Duration(_)) => true,
        (Timestamp(_, one), Timestamp(_, other)) => one == other,
        (Date, Num(number)) => matches!(number, Number::I32 | Number::I64),
        (Time | Timestamp(..) | Duration(_), Num(number)) => *number == Number::I64,
        _ => false,
    }
}

/// The value as another type has it. What does not fit there is missing, or a failure if the cast is strict.
pub(crate) fn cast<'v>(
    value: &Value<'v>,
    from: &Kind,
    to: &Kind,
    strict: bool,
) -> Result<Value<'v>, Unevaluable> {
    let made = made(value, from, to);
    if strict && made.is_null() && !value.is_null() {
        let written = match value {
            Value::Text(text) => format!("'{}'", text.chars().take(40).collect::<String>()),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::Boolean(value) => value.to_string(),
            Value::Null => String::new(),
        };
        return Err(Unevaluable {
            value: written,
            wanted: to.described(),
        });
    }
    Ok(made)
}

fn made<'v>(value: &Value<'v>, from: &Kind, to: &Kind) -> Value<'v> {
    let kind_from = from;
    if from == to {
        return value.clone();
    }
    match (from, to, value) {
        (_, Kind::Number(to), Value::Boolean(value)) => number_of(f64::from(*value), i64::from(*value), *to),
        (_, Kind::Text, Value::Boolean(value)) => Value::text(if *value { "true" } else { "false" }),
        (Kind::Number(from), Kind::Number(to), Value::Int(value)) => {
            if to.is_float() {
                Value::Float(narrow(float_of(*value, *from), *to))
            } else {
                Value::from(integer(whole(*value, *from), *to))
            }
        }
        (_, Kind::Number(to), Value::Float(value)) => {
            if to.is_float() {
                Value::Float(narrow(*value, *to))
            } else {
                Value::from(truncated(*value, *to))
            }
        }
        (_, Kind::Boolean, Value::Int(value)) => Value::Boolean(*value != 0),
        (_, Kind::Boolean, Value::Float(value)) => Value::Boolean(*value != 0.0),
        (Kind::Number(from), Kind::Text, Value::Int(value)) => Value::text(whole(*value, *from).to_string()),
        (Kind::Number(from), Kind::Text, Value::Float(value)) => Value::text(written(*value, *from)),
        (_, Kind::Number(to), Value::Text(text)) => read(text, *to),
        (Kind::Date, Kind::Text, Value::Int(days)) => Value::text(time::date_text(*days)),
        (Kind::Date, Kind::Timestamp(unit, None), Value::Int(days)) => Value::from(
            days.checked_mul(DAY)
                .and_then(|seconds| seconds.checked_mul(per_second(*unit))),
        ),
        (Kind::Timestamp(unit, None), Kind::Date, Value::Int(at)) => {
            Value::Int(at.div_euclid(DAY * per_second(*unit)))
        }
        (Kind::Timestamp(unit, None), Kind::Time, Value::Int(at)) => {
            let nanoseconds = 1_000_000_000 / per_second(*unit);
            Value::Int(at.rem_euclid(DAY * per_second(*unit)) * nanoseconds)
        }
        (
            Kind::Timestamp(from, _) | Kind::Duration(from),
            Kind::Timestamp(to, _) | Kind::Duration(to),
            Value::Int(value),
        ) => {
            let (from, to) = (per_second(*from), per_second(*to));
            let span = matches!(kind_from, Kind::Duration(_));
            if to >= from {
                Value::from(value.checked_mul(to / from))
            } else if span {
                Value::Int(value / (from / to))
            } else {
                Value::Int(value.div_euclid(from / to))
            }
        }
        (_, Kind::Number(to), Value::Int(value)) => Value::from(integer(i128::from(*value), *to)),
        _ => Value::Null,
    }
}

fn number_of<'v>(float: f64, int: i64, to: Number) -> Value<'v> {
    if to.is_float() {
        Value::Float(float)
    } else {
        Value::Int(int)
    }
}

fn whole(value: i64, number: Number) -> i128 {
    if number == Number::U64 {
        i128::from(value.cast_unsigned())
    } else {
        i128::from(value)
    }
}

#[expect(clippy::cast_precision_loss, reason = "the nearest float is what is wanted")]
fn float_of(value: i64, number: Number) -> f64 {
    if number == Number::U64 {
        value.cast_unsigned() as f64
    } else {
        value as f64
    }
}

fn range(number: Number) -> (i128, i128) {
    let bits = number.bits();
    if number.is_signed() {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    }
}

fn integer(value: i128, to: Number) -> Option<i64> {
    let (least, most) = range(to);
    if !(least..=most).contains(&value) {
        return None;
    }
    if to == Number::U64 {
        u64::try_from(value).ok().map(u64::cast_signed)
    } else {
        i64::try_from(value).ok()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is looked at, and an i128 holds every range"
)]
fn truncated(value: f64, to: Number) -> Option<i64> {
    value
        .is_finite()
        .then(|| value.trunc() as i128)
        .and_then(|value| integer(value, to))
}

#[expect(clippy::cast_possible_truncation, reason = "it is a 32-bit float")]
fn written(value: f64, number: Number) -> Cow<'static, str> {
    if value.is_nan() {
        return Cow::Borrowed("NaN");
    }
    let text = if number == Number::F32 {
        format!("{:?}", value as f32)
    } else {
        format!("{value:?}")
    };
    // An exponent has its sign.
    Cow::Owned(match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    })
}

fn read<'v>(text: &str, to: Number) -> Value<'v> {
    if to == Number::F32 {
        return Value::from(text.parse::<f32>().ok().map(f64::from));
    }
    if to.is_float() {
        return Value::from(text.parse::<f64>().ok());
    }
    Value::from(text.parse::<i128>().ok().and_then(|value| integer(value, to)))
}
