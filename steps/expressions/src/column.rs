//! Columns of values, borrowed where they can be.

use crate::kind::Kind;
use crate::value::Value;
use std::borrow::Cow;

/// A column. [`Value`] says what its numbers mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Column<'a> {
    pub values: Values<'a>,
    /// Which rows have a value; all if there is none. Where a row has none, what `values` holds means nothing.
    pub present: Option<Cow<'a, [bool]>>,
}

/// The values of a column, by how they are kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Values<'a> {
    Boolean(Cow<'a, [bool]>),
    /// Integers of any width, dates, times, timestamps and durations.
    Int(Cow<'a, [i64]>),
    /// Floats of either width.
    Float(Cow<'a, [f64]>),
    Text(Texts<'a>),
}

/// Texts, borrowed or not. (A `Cow` of them would tie borrowed texts to one lifetime for good.)
#[derive(Clone, Debug)]
pub enum Texts<'a> {
    Borrowed(&'a [Cow<'a, str>]),
    Owned(Vec<Cow<'a, str>>),
}

impl<'a> std::ops::Deref for Texts<'a> {
    type Target = [Cow<'a, str>];
    fn deref(&self) -> &Self::Target {
        match self {
            Self::Borrowed(texts) => texts,
            Self::Owned(texts) => texts,
        }
    }
}

impl PartialEq for Texts<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<'a> Column<'a> {
    /// A column in which every row has a value.
    pub fn full(values: Values<'a>) -> Self {
        Self {
            values,
            present: None,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Boolean(values) => values.len(),
            Values::Int(values) => values.len(),
            Values::Float(values) => values.len(),
            Values::Text(values) => values.len(),
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row; missing beyond the end.
    pub fn get(&self, row: usize) -> Value<'_> {
        if let Some(present) = &self.present
            && present.get(row) != Some(&true)
        {
            return Value::Null;
        }
        let found = match &self.values {
            Values::Boolean(values) => values.get(row).map(|value| Value::Boolean(*value)),
            Values::Int(values) => values.get(row).map(|value| Value::Int(*value)),
            Values::Float(values) => values.get(row).map(|value| Value::Float(*value)),
            Values::Text(values) => values.get(row).map(|value| Value::Text(Cow::Borrowed(value))),
        };
        found.unwrap_or(Value::Null)
    }
}

/// Gathers values into a column.
pub(crate) struct Builder {
    values: Gathered,
    present: Vec<bool>,
    missing: usize,
}

enum Gathered {
    Boolean(Vec<bool>),
    Int(Vec<i64>),
    Float(Vec<f64>),
    Text(Vec<Cow<'static, str>>),
}

impl Builder {
    pub(crate) fn new(kind: &Kind, rows: usize) -> Self {
        let values = match kind {
            Kind::Boolean | Kind::Null => Gathered::Boolean(Vec::with_capacity(rows)),
            Kind::Text => Gathered::Text(Vec::with_capacity(rows)),
            Kind::Number(number) if number.is_float() => Gathered::Float(Vec::with_capacity(rows)),
            _ => Gathered::Int(Vec::with_capacity(rows)),
        };
        Self {
            values,
            present: Vec::with_capacity(rows),
            missing: 0,
        }
    }

    pub(crate) fn push(&mut self, value: Value<'_>) {
        let present = match (&mut self.values, value) {
            (Gathered::Boolean(values), Value::Boolean(value)) => {
                values.push(value);
                true
            }
            (Gathered::Int(values), Value::Int(value)) => {
                values.push(value);
                true
            }
            (Gathered::Float(values), Value::Float(value)) => {
                values.push(value);
                true
            }
            (Gathered::Text(values), Value::Text(text)) => {
                values.push(Cow::Owned(text.into_owned()));
                true
            }
            (values, _) => {
                match values {
                    Gathered::Boolean(values) => values.push(false),
                    Gathered::Int(values) => values.push(0),
                    Gathered::Float(values) => values.push(0.0),
                    Gathered::Text(values) => values.push(Cow::Borrowed("")),
                }
                self.missing += 1;
                false
            }
        };
        self.present.push(present);
    }

    pub(crate) fn finish<'a>(self) -> Column<'a> {
        let values = match self.values {
            Gathered::Boolean(values) => Values::Boolean(Cow::Owned(values)),
            Gathered::Int(values) => Values::Int(Cow::Owned(values)),
            Gathered::Float(values) => Values::Float(Cow::Owned(values)),
            Gathered::Text(values) => Values::Text(Texts::Owned(values)),
        };
        Column {
            values,
            present: (self.missing > 0).then_some(Cow::Owned(self.present)),
        }
    }
}
