//! An operation over values of one row: the meaning of every operation stands here once.

use crate::cast;
use crate::fault::Unevaluable;
use crate::kind::{Kind, Number};
use crate::number;
use crate::plan::{Node, Op, Test};
use crate::time;
use crate::value::Value;
use std::cmp::Ordering;

/// What a node gives for these operands, which are used up.
pub(crate) fn apply<'v>(node: &Node, args: &mut [Value<'v>]) -> Result<Value<'v>, Unevaluable> {
    Ok(match &node.op {
        Op::Input(_) | Op::Constant(_) => Value::Null,
        Op::Arithmetic {
            op,
            number,
            by_inverse,
        } => match args {
            [Value::Float(one), Value::Float(other)] => {
                Value::Float(number::floats(*op, *number, *one, *other, *by_inverse))
            }
            [Value::Int(one), Value::Int(other)] => Value::from(number::integers(*op, *number, *one, *other)),
            _ => Value::Null,
        },
        Op::Compare(test, is_unsigned) => compared(args, *is_unsigned, |order| test.holds(order)),
        Op::Distinct { negated } => {
            let same = match args {
                [Value::Null, Value::Null] => true,
                [Value::Null, _] | [_, Value::Null] => false,
                [one, other] => order(one, other, false).is_some_and(Ordering::is_eq),
                _ => false,
            };
            Value::Boolean(same == *negated)
        }
        Op::And => match args {
            [Value::Boolean(false), _] | [_, Value::Boolean(false)] => Value::Boolean(false),
            [Value::Boolean(true), Value::Boolean(true)] => Value::Boolean(true),
            _ => Value::Null,
        },
        Op::Or => match args {
            [Value::Boolean(true), _] | [_, Value::Boolean(true)] => Value::Boolean(true),
            [Value::Boolean(false), Value::Boolean(false)] => Value::Boolean(false),
            _ => Value::Null,
        },
        Op::Not => Value::from(first(args).boolean().map(|value| !value)),
        Op::IsNull => Value::Boolean(first(args).is_null()),
        Op::IsNotNull => Value::Boolean(!first(args).is_null()),
        Op::Case => {
            let (pairs, otherwise) = args.as_chunks_mut::<2>();
            let chosen = pairs
                .iter_mut()
                .find(|[condition, _]| condition.boolean() == Some(true));
            match (chosen, otherwise) {
                (Some([_, value]), _) | (None, [value]) => taken(value),
                (None, _) => Value::Null,
            }
        }
        Op::Coalesce => args
            .iter_mut()
            .find(|value| !value.is_null())
            .map_or(Value::Null, taken),
        Op::Greatest(is_unsigned) => extreme(args, *is_unsigned, Test::Greater),
        Op::Least(is_unsigned) => extreme(args, *is_unsigned, Test::Less),
        Op::In => member(args),
        Op::Cast { from, strict } => cast::cast(&first(args), from, &node.kind, *strict)?,
        Op::Unary(function, number) => {
            Value::from(first(args).float().map(|value| function.of(value, *number)))
        }
        Op::Logarithm(number) => floats(args, |value, base| number::logarithm(value, base, *number)),
        Op::Angle(number) => floats(args, |y, x| number::angle(y, x, *number)),
        Op::Power { number, is_literal } => floats(args, |base, exponent| {
            number::power(base, exponent, *is_literal, *number)
        }),
        Op::IntegerPower(number) => match args {
            [Value::Int(base), Value::Int(exponent)] => {
                match number::integer_power(*base, *exponent, *number) {
                    Some(power) => Value::Int(power),
                    None => {
                        return Err(Unevaluable {
                            value: exponent.to_string(),
                            wanted: "an exponent of an integer; make the base a float".to_owned(),
                        });
                    }
                }
            }
            _ => Value::Null,
        },
        Op::Round(rounding, decimals, number) => Value::from(
            first(args)
                .float()
                .map(|value| rounding.of(value, *decimals, *number)),
        ),
        Op::Absolute(number) => match first(args) {
            Value::Float(value) => Value::Float(value.abs()),
            Value::Int(value) if number.is_signed() => {
                Value::Int(number::wrap(value.wrapping_abs(), *number))
            }
            other => other,
        },
        Op::Sign => match first(args) {
            Value::Float(value) if value == 0.0 || value.is_nan() => Value::Float(value),
            Value::Float(value) => Value::Float(value.signum()),
            Value::Int(value) if node.kind == Kind::Number(Number::U64) => Value::Int(i64::from(value != 0)),
            Value::Int(value) => Value::Int(value.signum()),
            other => other,
        },
        Op::Text(op) => op.apply(args),
        Op::Like(pattern) => Value::from(first(args).str().map(|text| pattern.matches(text))),
        Op::Part(part, clock) => match (first(args).int(), &node.kind) {
            (Some(value), Kind::Number(number)) if number.is_float() => {
                Value::from(time::part_with_fraction(*part, value, clock))
            }
            (Some(value), _) => Value::from(time::part(*part, value, clock)),
            (None, _) => Value::Null,
        },
        Op::Truncate(unit, clock) => Value::from(
            first(args)
                .int()
                .and_then(|value| time::truncated(*unit, value, clock)),
        ),
    })
}

fn taken<'v>(value: &mut Value<'v>) -> Value<'v> {
    std::mem::replace(value, Value::Null)
}

fn first<'v>(args: &mut [Value<'v>]) -> Value<'v> {
    args.first_mut().map_or(Value::Null, taken)
}

fn floats<'v>(args: &[Value<'v>], of: impl Fn(f64, f64) -> f64) -> Value<'v> {
    match args {
        [Value::Float(one), Value::Float(other)] => Value::Float(of(*one, *other)),
        _ => Value::Null,
    }
}

/// The order of two values of one type; none if one is missing.
pub(crate) fn order(one: &Value<'_>, other: &Value<'_>, is_unsigned: bool) -> Option<Ordering> {
    Some(match (one, other) {
        (Value::Float(one), Value::Float(other)) => number::order(*one, *other),
        (Value::Int(one), Value::Int(other)) if is_unsigned => {
            one.cast_unsigned().cmp(&other.cast_unsigned())
        }
        (Value::Int(one), Value::Int(other)) => one.cmp(other),
        (Value::Text(one), Value::Text(other)) => one.as_bytes().cmp(other.as_bytes()),
        (Value::Boolean(one), Value::Boolean(other)) => one.cmp(other),
        _ => return None,
    })
}

fn compared<'v>(args: &[Value<'v>], is_unsigned: bool, holds: impl Fn(Ordering) -> bool) -> Value<'v> {
    match args {
        [one, other] => Value::from(order(one, other, is_unsigned).map(holds)),
        _ => Value::Null,
    }
}

/// The first that comes before all others; missing ones take no part.
fn extreme<'v>(args: &mut [Value<'v>], is_unsigned: bool, wins: Test) -> Value<'v> {
    let mut best = Value::Null;
    for value in args {
        if best.is_null() || order(value, &best, is_unsigned).is_some_and(|order| wins.holds(order)) {
            let candidate = taken(value);
            if !candidate.is_null() {
                best = candidate;
            }
        }
    }
    best
}

/// Whether the first is among the others; unknown if it is not and one of them is missing.
fn member<'v>(args: &[Value<'v>]) -> Value<'v> {
    let Some((value, set)) = args.split_first() else {
        return Value::Null;
    };
    if value.is_null() {
        return Value::Null;
    }
    if set
        .iter()
        .any(|item| order(value, item, false).is_some_and(Ordering::is_eq))
    {
        return Value::Boolean(true);
    }
    if set.iter().any(Value::is_null) {
        Value::Null
    } else {
        Value::Boolean(false)
    }
}
