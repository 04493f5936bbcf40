//! Numbers, comparison and the limits of what may be built.

use super::MAX_RESULT;
use super::syntax::Binary;
use serde_json::Value;
use std::cell::Cell;
use std::cmp::Ordering;
use trainyard_contract::Millis;

/// A number as expressions see it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    /// The number in a value; `None` if it is none, or an integer beyond 64 bits with sign.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        match number.as_i64() {
            Some(integer) => Some(Self::Integer(integer)),
            None if number.is_u64() => None,
            None => number.as_f64().map(Self::Float),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what a float cannot hold is rounded, as everywhere"
    )]
    pub(super) fn as_float(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// Exact, also where an integer has no equal float.
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => left.cmp(&right),
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
            (Self::Integer(left), Self::Float(right)) => compare_exactly(left, right),
            (Self::Float(left), Self::Integer(right)) => compare_exactly(right, left).reverse(),
        }
    }

    pub(super) fn into_value(self) -> Result<Value, String> {
        match self {
            Self::Integer(value) => Ok(Value::from(value)),
            Self::Float(value) => from_float(value),
        }
    }
}

/// 2⁶³, the first float beyond all 64-bit integers.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn compare_exactly(integer: i64, float: f64) -> Ordering {
    if float >= BEYOND {
        return Ordering::Less;
    }
    if float < -BEYOND {
        return Ordering::Greater;
    }
    let whole = float.trunc();
    integer
        .cmp(&(whole as i64))
        .then_with(|| whole.partial_cmp(&float).unwrap_or(Ordering::Equal))
}

/// A float as a value; JSON knows neither infinity nor "not a number".
pub(super) fn from_float(value: f64) -> Result<Value, String> {
    serde_json::Number::from_f64(value)
        .map(Value::Number)
        .ok_or_else(|| "the result is beyond the range of floats".to_owned())
}

/// A float without a fraction as an integer.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(super) fn to_integer(value: f64) -> Result<i64, String> {
    if value.fract() == 0.0 && (-BEYOND..BEYOND).contains(&value) {
        Ok(value as i64)
    } else {
        Err(format!("{value:?} is no 64-bit integer"))
    }
}

/// `left operator right` for `+ - * / %` on numbers.
pub(super) fn calculate(operator: Binary, left: Number, right: Number) -> Result<Value, String> {
    if let (Number::Integer(left), Number::Integer(right)) = (left, right) {
        let result = match operator {
            Binary::Add => left.checked_add(right),
            Binary::Subtract => left.checked_sub(right),
            Binary::Multiply => left.checked_mul(right),
            Binary::Divide | Binary::Remainder if right == 0 => return Err("division by zero".to_owned()),
            Binary::Divide => left.checked_div(right),
            _ => left.checked_rem(right),
        };
        let symbol = operator.symbol();
        return result
            .map(Value::from)
            .ok_or_else(|| format!("{left} {symbol} {right} is beyond the range of 64-bit integers"));
    }
    let (left, right) = (left.as_float(), right.as_float());
    from_float(match operator {
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        Binary::Multiply => left * right,
        Binary::Divide | Binary::Remainder if right == 0.0 => return Err("division by zero".to_owned()),
        Binary::Divide => left / right,
        _ => left % right,
    })
}

/// Order of two numbers or two texts; `None` for anything else. Timestamps and durations compare by
/// meaning: an instant may be written in many time zones.
pub(super) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Value::String(left), Value::String(right)) = (left, right) {
        return Some(order_texts(left, right));
    }
    Some(Number::of(left)?.compare(Number::of(right)?))
}

fn order_texts(left: &str, right: &str) -> Ordering {
    if let (Some(left), Some(right)) = (timestamp(left), timestamp(right)) {
        return left.cmp(&right);
    }
    if let (Ok(left), Ok(right)) = (left.parse::<Millis>(), right.parse::<Millis>()) {
        return left.cmp(&right);
    }
    left.cmp(right)
}

/// An instant as `2026-11-22T01:02:03Z` or with an offset.
pub(super) fn timestamp(text: &str) -> Option<jiff::Timestamp> {
    // Most texts are none; parsing only what has the shape keeps comparison cheap.
    let bytes = text.as_bytes();
    let shaped =
        (17..=64).contains(&bytes.len()) && bytes[4] == b'-' && matches!(bytes[10], b'T' | b't' | b' ');
    if shaped { text.parse().ok() } else { None }
}

/// A calendar day as `2026-11-22`.
pub(super) fn date(text: &str) -> Option<jiff::civil::Date> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
    if shaped { text.parse().ok() } else { None }
}

/// Whether two values are equal; an integer equals a float of the same value.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) | (Value::String(_), Value::String(_)) => {
            order(left, right) == Some(Ordering::Equal)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

/// How much one evaluation may still build. Calls inside each other could otherwise multiply a short
/// text until memory ends.
pub(super) struct Budget(Cell<usize>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Cell::new(MAX_RESULT))
    }

    /// Takes `size` bytes, before they are built; `None` stands for more than can be counted.
    pub(super) fn claim(&self, size: Option<usize>) -> Result<(), String> {
        match size.and_then(|size| self.0.get().checked_sub(size)) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(format!("the expression builds more than {} MB", MAX_RESULT >> 20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_and_floats_compare_exactly() {
        // 2^53 + 1 has no equal float.
        let cases = [
            (
                json!(9_007_199_254_740_993_i64),
                json!(9_007_199_254_740_992.0),
                Ordering::Greater,
            ),
            (
                json!(i64::MAX),
                json!(9_223_372_036_854_775_808.0),
                Ordering::Less,
            ),
            (
                json!(i64::MIN),
                json!(-9_223_372_036_854_775_808.0),
                Ordering::Equal,
            ),
            (json!(1), json!(1.5), Ordering::Less),
            (json!(-1), json!(-1.5), Ordering::Greater),
            (json!(2), json!(2.0), Ordering::Equal),
        ];
        for (left, right, wanted) in cases {
            assert_eq!(order(&left, &right), Some(wanted), "{left} {right}");
            assert_eq!(order(&right, &left), Some(wanted.reverse()), "{right} {left}");
        }
    }

    #[test]
    fn times_compare_by_meaning() {
        assert!(equal(
            &json!("2026-01-01T01:00:00+01:00"),
            &json!("2026-01-01T00:00:00Z")
        ));
        assert!(equal(&json!("60s"), &json!("1m")));
        assert_eq!(order(&json!("9d"), &json!("10d")), Some(Ordering::Less));
        assert_eq!(order(&json!("b9"), &json!("b10")), Some(Ordering::Greater));
    }
}
