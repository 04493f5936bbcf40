//! Of rows that agree in a key, one is kept.

use crate::sink::{Sink, each_group};
use polars::chunked_array::ops::row_encode::_get_rows_encoded_unordered;
use polars::prelude::{BooleanChunked, Column, DataFrame, DataType, NewChunkedArray};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use trainyard_contract::{ContentHash, StepError};

/// The first 16 bytes of a key's BLAKE3 hash: two keys that share them are not to be found.
type Key = [u8; 16];

/// Which of the rows of a key is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    First,
    Last,
    /// The one with the least or greatest value in a column; of equals the first or last.
    By {
        column: String,
        greatest: bool,
    },
}

/// Keys met and the rows chosen.
pub(super) struct Dedupe {
    on: Vec<String>,
    choice: Choice,
    /// Key → order and place of the row chosen.
    chosen: HashMap<Key, (i64, u64)>,
    /// Rows seen, and how many of them doubled an earlier one.
    seen: u64,
    doubled: u64,
}

fn internal(error: polars::prelude::PolarsError) -> StepError {
    StepError::internal(error.to_string())
}

impl Dedupe {
    pub(super) fn new(on: &[String], choice: Choice) -> Self {
        Self {
            on: on.to_vec(),
            choice,
            chosen: HashMap::new(),
            seen: 0,
            doubled: 0,
        }
    }

    /// Rows that doubled another.
    pub(super) fn doubled(&self) -> u64 {
        self.doubled
    }

    /// The keys of a frame's rows.
    pub(super) fn keys(&self, frame: &DataFrame) -> Result<Vec<Key>, StepError> {
        let columns: Vec<Column> = self
            .on
            .iter()
            .map(|name| frame.column(name).cloned())
            .collect::<Result<_, _>>()
            .map_err(internal)?;
        let encoded = _get_rows_encoded_unordered(&columns).map_err(internal)?;
        let mut keys = Vec::with_capacity(frame.height());
        for row in encoded.iter() {
            let mut key = Key::default();
            key.copy_from_slice(&ContentHash::of(row).as_bytes()[..16]);
            keys.push(key);
        }
        Ok(keys)
    }

    /// Whether a key has been met.
    pub(super) fn knows(&self, key: &Key) -> bool {
        self.chosen.contains_key(key)
    }

    /// Takes rows on their way to the table; those that are certainly not chosen are left out.
    pub(super) fn take(&mut self, frame: DataFrame) -> Result<DataFrame, StepError> {
        let keys = self.keys(&frame)?;
        if self.choice == Choice::First {
            let mut keep = Vec::with_capacity(keys.len());
            for key in keys {
                let is_new = match self.chosen.entry(key) {
                    Entry::Vacant(entry) => {
                        entry.insert((0, 0));
                        true
                    }
                    Entry::Occupied(_) => false,
                };
                self.doubled += u64::from(!is_new);
                keep.push(is_new);
            }
            return frame
                .filter(&BooleanChunked::from_slice("keep".into(), &keep))
                .map_err(internal);
        }
        let order: Vec<i64> = match &self.choice {
            Choice::By { column, .. } => order_of(frame.column(column).map_err(internal)?)?,
            _ => vec![0; keys.len()],
        };
        for (key, order) in keys.into_iter().zip(order) {
            let place = self.seen;
            self.seen += 1;
            match self.chosen.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert((order, place));
                }
                Entry::Occupied(mut entry) => {
                    self.doubled += 1;
                    let before = entry.get().0;
                    let is_better = match self.choice {
                        Choice::By { greatest: false, .. } => order < before,
                        _ => order >= before,
                    };
                    if is_better {
                        entry.insert((order, place));
                    }
                }
            }
        }
        Ok(frame)
    }

    /// Whether rows that are not chosen are among those handed on, so that the table must be sifted.
    pub(super) fn must_sift(&self) -> bool {
        self.choice != Choice::First && self.doubled > 0
    }

    /// The rows chosen of a table of all rows taken.
    pub(super) fn sift(&self, table: &Path, rows: u64, into: &mut Sink) -> Result<(), StepError> {
        let mut keep = vec![false; usize::try_from(self.seen).unwrap_or(usize::MAX)];
        #[expect(clippy::iter_over_hash_type, reason = "places are marked, in whatever order")]
        for (_, place) in self.chosen.values() {
            if let Some(keep) = usize::try_from(*place).ok().and_then(|place| keep.get_mut(place)) {
                *keep = true;
            }
        }
        let mut offset = 0;
        each_group(table, rows, |frame| {
            let mask = keep.get(offset..offset + frame.height()).unwrap_or_default();
            offset += frame.height();
            let kept = frame
                .filter(&BooleanChunked::from_slice("keep".into(), mask))
                .map_err(internal)?;
            into.push(kept)
        })
    }
}

/// Values of a column as numbers in the same order; missing ones come first.
pub(super) fn order_of(column: &Column) -> Result<Vec<i64>, StepError> {
    let dtype = column.dtype();
    if dtype.is_float() {
        let numbers = column.cast(&DataType::Float64).map_err(internal)?;
        let numbers = numbers.f64().map_err(internal)?;
        return Ok(numbers
            .iter()
            .map(|value| {
                value.map_or(i64::MIN, |value| {
                    // The order of floats is that of their bits with the negative ones turned round.
                    let bits = value.to_bits().cast_signed();
                    bits ^ (((bits >> 63).cast_unsigned() >> 1).cast_signed())
                })
            })
            .collect());
    }
    if !(dtype.is_integer() || dtype.is_temporal() || dtype.is_bool()) {
        return Err(StepError::rejected(format!(
            "column `{}` is {}, and rows are ordered by a number or a time only",
            column.name(),
            crate::data_type::from_polars(dtype)
        )));
    }
    let numbers = column
        .to_physical_repr()
        .cast(&DataType::Int64)
        .map_err(internal)?;
    Ok(numbers
        .i64()
        .map_err(internal)?
        .iter()
        .map(|value| value.unwrap_or(i64::MIN))
        .collect())
}
