//! Records read, as columns.

use crate::value::Why;

/// Some records of a file in their order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Number of each record in the file; records count from 1, a header does not count.
    pub rows: Vec<u64>,
    /// One a column asked for, each as long as `rows`.
    pub columns: Vec<Values>,
    /// Values that could not be read, in the order of records.
    pub faults: Vec<ValueFault>,
    /// Records that could not be taken apart; they are not in `rows`.
    pub torn: Vec<TornRecord>,
}

/// A value that is not of its column's type; the column has no value there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueFault {
    /// Place in the batch.
    pub at: usize,
    /// Place among the columns asked for.
    pub column: usize,
    pub text: String,
    pub why: Why,
}

/// A record that could not be taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornRecord {
    pub row: u64,
    /// As it stands in the file.
    pub text: String,
    /// The end of a sentence that begins with the text.
    pub reason: String,
}

/// Values of one column. Numbers without a value hold zero; `missing` says which they are, and is
/// empty if none is.
#[derive(Clone, Debug)]
pub enum Values {
    Text(Texts),
    Boolean {
        values: Vec<bool>,
        missing: Vec<bool>,
    },
    Integer {
        values: Vec<i64>,
        missing: Vec<bool>,
    },
    Unsigned {
        values: Vec<u64>,
        missing: Vec<bool>,
    },
    Float {
        values: Vec<f64>,
        missing: Vec<bool>,
    },
    /// No value at all, this many times.
    Nothing(usize),
}

/// Texts end to end.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    all: String,
    ends: Vec<usize>,
    missing: Vec<bool>,
}

impl Texts {
    pub(crate) fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(self.all.len());
        if !self.missing.is_empty() {
            self.missing.push(false);
        }
    }

    pub(crate) fn push_missing(&mut self) {
        if self.missing.is_empty() {
            self.missing = vec![false; self.ends.len()];
        }
        self.missing.push(true);
        self.ends.push(self.all.len());
    }

    /// How many there are, missing ones too.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().enumerate().map(move |(at, end)| {
            let text = self.all.get(start..*end);
            start = *end;
            if self.missing.get(at) == Some(&true) {
                None
            } else {
                text
            }
        })
    }
}

/// Notes that the last of `length` values is missing.
pub(crate) fn mark_missing(missing: &mut Vec<bool>, length: usize) {
    missing.resize(length.saturating_sub(1), false);
    missing.push(true);
}

impl Values {
    /// How many values there are, missing ones too.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(texts) => texts.len(),
            Self::Boolean { values, .. } => values.len(),
            Self::Integer { values, .. } => values.len(),
            Self::Unsigned { values, .. } => values.len(),
            Self::Float { values, .. } => values.len(),
            Self::Nothing(length) => *length,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
