//! Rows on their way into a store, column by column.

use super::{Kind, Layout, Value};
use std::borrow::Cow;
use trainyard_contract::DataType;

/// Rows of a view: keys in the view's order, times, features in the order of a layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowBatch {
    pub keys: Vec<Column>,
    /// Microseconds since 1970.
    pub event_times: Vec<i64>,
    /// Microseconds since 1970; none where the view has no created time.
    pub created_times: Option<Vec<i64>>,
    pub features: Vec<Column>,
}

/// A column whose length or kind does not fit the others or the layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of the batch does not fit: {why}")]
pub struct WrongBatch {
    pub column: String,
    pub why: &'static str,
}

impl RowBatch {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.event_times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.event_times.is_empty()
    }

    /// Whether every column has as many rows as there are event times, and features are of the layout's kinds.
    ///
    /// # Errors
    /// The first column that does not fit.
    pub fn fits(&self, layout: &Layout) -> Result<(), WrongBatch> {
        let rows = self.len();
        let wrong = |column: String, why| Err(WrongBatch { column, why });
        for (index, key) in self.keys.iter().enumerate() {
            if key.len() != rows {
                return wrong(format!("key {index}"), "it has another number of rows");
            }
        }
        if self
            .created_times
            .as_ref()
            .is_some_and(|times| times.len() != rows)
        {
            return wrong("created time".to_owned(), "it has another number of rows");
        }
        if self.features.len() != layout.fields().len() {
            return wrong("list".to_owned(), "it has another number of features");
        }
        for (column, field) in self.features.iter().zip(layout.fields()) {
            if column.len() != rows {
                return wrong(field.name.clone(), "it has another number of rows");
            }
            if column.values.kind() != Kind::of(&field.data_type) {
                return wrong(field.name.clone(), "its values are of another kind");
            }
        }
        Ok(())
    }
}

/// The values of a column, some of which may be null.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub values: Values,
    /// Which rows have a value; none: all.
    pub present: Option<Vec<bool>>,
}

/// Values of one kind; a null has some value, too.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Boolean(Vec<bool>),
    Signed(Vec<i64>),
    Unsigned(Vec<u64>),
    Float(Vec<f64>),
    Bytes(Texts),
}

/// Many texts in one piece of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Texts {
    /// None yet, with room for that many.
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(rows),
        }
    }

    /// Adds one.
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    /// The text of a row; empty where there is none.
    pub fn get(&self, row: usize) -> &[u8] {
        let end = self.ends.get(row).copied().unwrap_or(0);
        let start = match row.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
            None => 0,
        };
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut all = Self::default();
        for text in texts {
            all.push(text.as_ref());
        }
        all
    }
}

impl Values {
    fn kind(&self) -> Kind {
        match self {
            Self::Boolean(_) => Kind::Boolean,
            Self::Signed(_) => Kind::Signed,
            Self::Unsigned(_) => Kind::Unsigned,
            Self::Float(_) => Kind::Float,
            Self::Bytes(_) => Kind::Bytes,
        }
    }
}

impl From<Values> for Column {
    fn from(values: Values) -> Self {
        Self {
            values,
            present: None,
        }
    }
}

impl Column {
    /// An empty column for values of that type.
    pub fn of(data_type: &DataType) -> Self {
        Self::from(match Kind::of(data_type) {
            Kind::Boolean => Values::Boolean(Vec::new()),
            Kind::Signed => Values::Signed(Vec::new()),
            Kind::Unsigned => Values::Unsigned(Vec::new()),
            Kind::Float => Values::Float(Vec::new()),
            Kind::Bytes => Values::Bytes(Texts::default()),
        })
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Boolean(values) => values.len(),
            Values::Signed(values) => values.len(),
            Values::Unsigned(values) => values.len(),
            Values::Float(values) => values.len(),
            Values::Bytes(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the row has a value.
    pub fn is_present(&self, row: usize) -> bool {
        self.present
            .as_ref()
            .is_none_or(|present| present.get(row).copied().unwrap_or(false))
    }

    /// The value of a row.
    pub fn get(&self, row: usize) -> Option<Value<'_>> {
        if !self.is_present(row) {
            return None;
        }
        Some(match &self.values {
            Values::Boolean(values) => Value::Boolean(*values.get(row)?),
            Values::Signed(values) => Value::Signed(*values.get(row)?),
            Values::Unsigned(values) => Value::Unsigned(*values.get(row)?),
            Values::Float(values) => Value::Float(*values.get(row)?),
            Values::Bytes(values) => Value::Bytes(Cow::Borrowed(values.get(row))),
        })
    }

    /// Adds a value, or a null; false if it is of another kind than the column.
    #[must_use]
    pub fn push(&mut self, value: Option<Value<'_>>) -> bool {
        let row = self.len();
        let is_present = value.is_some();
        match (&mut self.values, value) {
            (Values::Boolean(values), Some(Value::Boolean(value))) => values.push(value),
            (Values::Signed(values), Some(Value::Signed(value))) => values.push(value),
            (Values::Unsigned(values), Some(Value::Unsigned(value))) => values.push(value),
            (Values::Float(values), Some(Value::Float(value))) => values.push(value),
            (Values::Bytes(values), Some(Value::Bytes(value))) => values.push(&value),
            (Values::Boolean(values), None) => values.push(false),
            (Values::Signed(values), None) => values.push(0),
            (Values::Unsigned(values), None) => values.push(0),
            (Values::Float(values), None) => values.push(0.0),
            (Values::Bytes(values), None) => values.push(b""),
            _ => return false,
        }
        if !is_present && self.present.is_none() {
            self.present = Some(vec![true; row]);
        }
        if let Some(present) = &mut self.present {
            present.push(is_present);
        }
        true
    }
}
