//! What a text is compiled to, and its evaluation over a row or over columns.

use crate::apply::apply;
use crate::column::{Builder, Column, Texts, Values};
use crate::fault::Unevaluable;
use crate::kind::{Kind, Number};
use crate::number::{self, Arithmetic, Rounding, Unary};
use crate::text::{Pattern, TextOp};
use crate::time::{Clock, Part, Unit};
use crate::value::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// An operation with its operands; the type of what it gives.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) args: Vec<Node>,
    pub(crate) kind: Kind,
}

/// How two values are held against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Test {
    #[inline]
    pub(crate) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// Operations. Operands have been brought to one type before.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Input(usize),
    Constant(Value<'static>),
    Arithmetic {
        op: Arithmetic,
        number: Number,
        /// The second operand stands in the text.
        by_inverse: bool,
    },
    /// `true` for unsigned 64-bit numbers.
    Compare(Test, bool),
    /// Whether two values differ, or both are missing or not.
    Distinct {
        negated: bool,
    },
    And,
    Or,
    Not,
    IsNull,
    IsNotNull,
    /// Condition, value, condition, value, …, else.
    Case,
    Coalesce,
    /// `true` for unsigned 64-bit numbers.
    Greatest(bool),
    Least(bool),
    /// The first among the others.
    In,
    Cast {
        from: Kind,
        strict: bool,
    },
    Unary(Unary, Number),
    Logarithm(Number),
    Angle(Number),
    Power {
        number: Number,
        is_literal: bool,
    },
    IntegerPower(Number),
    Round(Rounding, u32, Number),
    Absolute(Number),
    Sign,
    Text(TextOp),
    Like(Pattern),
    Part(Part, Clock),
    Truncate(Unit, Clock),
}

/// Operands that stand on the stack for a row.
const FEW: usize = 4;

impl Node {
    pub(crate) fn new(op: Op, args: Vec<Self>, kind: Kind) -> Self {
        Self { op, args, kind }
    }

    pub(crate) fn constant(value: Value<'static>, kind: Kind) -> Self {
        Self::new(Op::Constant(value), Vec::new(), kind)
    }

    pub(crate) fn as_constant(&self) -> Option<&Value<'static>> {
        match &self.op {
            Op::Constant(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn row<'a>(&'a self, row: &[Value<'a>]) -> Result<Value<'a>, Unevaluable> {
        match &self.op {
            Op::Input(at) => return Ok(row.get(*at).cloned().unwrap_or(Value::Null)),
            Op::Constant(value) => return Ok(value.borrowed()),
            _ => {}
        }
        if self.args.len() <= FEW {
            let mut values = [Value::Null, Value::Null, Value::Null, Value::Null];
            for (value, arg) in values.iter_mut().zip(&self.args) {
                *value = arg.row(row)?;
            }
            let count = self.args.len();
            apply(self, values.get_mut(..count).unwrap_or_default())
        } else {
            let mut values = self
                .args
                .iter()
                .map(|arg| arg.row(row))
                .collect::<Result<Vec<_>, _>>()?;
            apply(self, &mut values)
        }
    }

    pub(crate) fn columns<'a>(
        &self,
        columns: &'a [Column<'a>],
        rows: usize,
    ) -> Result<Operand<'a>, Unevaluable> {
        match &self.op {
            Op::Input(at) => {
                return Ok(match columns.get(*at) {
                    Some(column) => Operand::Column(lent(column)),
                    None => Operand::Constant(Value::Null),
                });
            }
            Op::Constant(value) => return Ok(Operand::Constant(value.clone())),
            _ => {}
        }
        let operands = self
            .args
            .iter()
            .map(|arg| arg.columns(columns, rows))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(column) = self.vectorised(&operands, rows) {
            return Ok(Operand::Column(column));
        }
        let mut built = Builder::new(&self.kind, rows);
        let mut values = vec![Value::Null; operands.len()];
        for row in 0..rows {
            for (value, operand) in values.iter_mut().zip(&operands) {
                *value = operand.get(row);
            }
            built.push(apply(self, &mut values)?);
        }
        Ok(Operand::Column(built.finish()))
    }

    /// The operations that most expressions are made of, as loops over plain slices.
    fn vectorised<'a>(&self, operands: &[Operand<'a>], rows: usize) -> Option<Column<'a>> {
        match (&self.op, operands) {
            (
                Op::Arithmetic {
                    op,
                    number,
                    by_inverse,
                },
                [one, other],
            ) if number.is_float() => {
                let (op, number, by_inverse) = (*op, *number, *by_inverse);
                let values = zip(one.floats()?, other.floats()?, rows, |one, other| {
                    number::floats(op, number, one, other, by_inverse)
                });
                Some(Column {
                    values: Values::Float(Cow::Owned(values)),
                    present: present(&[one, other], rows),
                })
            }
            (Op::Arithmetic { op, number, .. }, [one, other]) => {
                let (op, number) = (*op, *number);
                let gaps = |other: i64| {
                    other == 0
                        && matches!(
                            op,
                            Arithmetic::Divide | Arithmetic::FloorDivide | Arithmetic::Modulo
                        )
                };
                let values = zip(one.ints()?, other.ints()?, rows, |one, other| {
                    number::integers(op, number, one, other).unwrap_or(0)
                });
                let mut present = present(&[one, other], rows);
                if matches!(
                    op,
                    Arithmetic::Divide | Arithmetic::FloorDivide | Arithmetic::Modulo
                ) {
                    let others = other.ints()?;
                    let marks = present.get_or_insert_with(|| Cow::Owned(vec![true; rows]));
                    for (row, mark) in marks.to_mut().iter_mut().enumerate() {
                        *mark &= !gaps(others.get(row));
                    }
                }
                Some(Column {
                    values: Values::Int(Cow::Owned(values)),
                    present,
                })
            }
            (Op::Compare(test, is_unsigned), [one, other]) => {
                let test = *test;
                let values = if let (Some(one), Some(other)) = (one.floats(), other.floats()) {
                    zip(one, other, rows, |one, other| {
                        test.holds(number::order(one, other))
                    })
                } else if *is_unsigned {
                    zip(one.ints()?, other.ints()?, rows, |one, other| {
                        test.holds(one.cast_unsigned().cmp(&other.cast_unsigned()))
                    })
                } else {
                    zip(one.ints()?, other.ints()?, rows, |one, other| {
                        test.holds(one.cmp(&other))
                    })
                };
                Some(Column {
                    values: Values::Boolean(Cow::Owned(values)),
                    present: present(&[one, other], rows),
                })
            }
            (Op::Unary(function, number), [one]) => {
                let Slice::Many(values) = one.floats()? else {
                    return None;
                };
                let values = values.iter().map(|value| function.of(*value, *number)).collect();
                Some(Column {
                    values: Values::Float(Cow::Owned(values)),
                    present: present(&[one], rows),
                })
            }
            _ => None,
        }
    }
}

/// What an operand turned out to be over all rows.
pub(crate) enum Operand<'a> {
    Constant(Value<'static>),
    Column(Column<'a>),
}

/// One number for all rows, or one for each.
#[derive(Clone, Copy)]
enum Slice<'a, T> {
    One(T),
    Many(&'a [T]),
}

impl<T: Copy + Default> Slice<'_, T> {
    fn get(&self, row: usize) -> T {
        match self {
            Self::One(value) => *value,
            Self::Many(values) => values.get(row).copied().unwrap_or_default(),
        }
    }
}

impl<'a> Operand<'a> {
    fn get(&self, row: usize) -> Value<'_> {
        match self {
            Self::Constant(value) => value.borrowed(),
            Self::Column(column) => column.get(row),
        }
    }

    fn floats(&self) -> Option<Slice<'_, f64>> {
        match self {
            Self::Constant(Value::Float(value)) => Some(Slice::One(*value)),
            Self::Column(Column {
                values: Values::Float(values),
                ..
            }) => Some(Slice::Many(values)),
            _ => None,
        }
    }

    fn ints(&self) -> Option<Slice<'_, i64>> {
        match self {
            Self::Constant(Value::Int(value)) => Some(Slice::One(*value)),
            Self::Column(Column {
                values: Values::Int(values),
                ..
            }) => Some(Slice::Many(values)),
            _ => None,
        }
    }

    pub(crate) fn into_column(self, kind: &Kind, rows: usize) -> Column<'a> {
        match self {
            Self::Column(column) => column,
            Self::Constant(value) => {
                let mut built = Builder::new(kind, rows);
                for _ in 0..rows {
                    built.push(value.borrowed());
                }
                built.finish()
            }
        }
    }
}

/// The same column, borrowing what it owns.
fn lent<'a>(column: &'a Column<'a>) -> Column<'a> {
    let values = match &column.values {
        Values::Boolean(values) => Values::Boolean(Cow::Borrowed(values)),
        Values::Int(values) => Values::Int(Cow::Borrowed(values)),
        Values::Float(values) => Values::Float(Cow::Borrowed(values)),
        Values::Text(values) => Values::Text(Texts::Borrowed(values)),
    };
    Column {
        values,
        present: column.present.as_ref().map(|present| Cow::Borrowed(&**present)),
    }
}

/// The rows in which every operand has a value.
fn present<'b>(operands: &[&Operand<'_>], rows: usize) -> Option<Cow<'b, [bool]>> {
    let mut marks: Option<Vec<bool>> = None;
    for operand in operands {
        let Operand::Column(Column {
            present: Some(present),
            ..
        }) = operand
        else {
            continue;
        };
        match &mut marks {
            None => marks = Some(present.iter().copied().take(rows).collect()),
            Some(marks) => marks
                .iter_mut()
                .zip(present.iter())
                .for_each(|(mark, present)| *mark &= present),
        }
    }
    marks.map(Cow::Owned)
}

#[inline]
fn zip<T: Copy + Default, R>(
    one: Slice<'_, T>,
    other: Slice<'_, T>,
    rows: usize,
    with: impl Fn(T, T) -> R,
) -> Vec<R> {
    match (one, other) {
        (Slice::Many(one), Slice::Many(other)) => one
            .iter()
            .zip(other)
            .take(rows)
            .map(|(one, other)| with(*one, *other))
            .collect(),
        (Slice::Many(one), Slice::One(other)) => one.iter().take(rows).map(|one| with(*one, other)).collect(),
        (Slice::One(one), Slice::Many(other)) => {
            other.iter().take(rows).map(|other| with(one, *other)).collect()
        }
        (Slice::One(one), Slice::One(other)) => (0..rows).map(|_| with(one, other)).collect(),
    }
}
