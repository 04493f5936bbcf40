//! The entity rows, grouped by key and sorted by time within a key.

use super::{NO_KEY, NO_TIME};
use rayon::prelude::*;

/// Entity rows in the order in which a search sees them.
#[derive(Debug)]
pub struct Moments {
    /// Places of key `k`: `starts[k]..starts[k + 1]`.
    pub(super) starts: Vec<u32>,
    /// Times by place, ascending within a key.
    pub(super) times: Vec<i64>,
    /// The entity row at each place.
    pub(super) rows: Vec<u32>,
    /// Number of entity rows, also of those that have no place.
    pub(super) entity_rows: usize,
}

/// Entity rows by time: what all views with the same lag share.
#[derive(Debug)]
pub struct ByTime {
    /// Time and row, ascending; rows without a time are left out.
    rows: Vec<(i64, u32)>,
    entity_rows: usize,
}

impl ByTime {
    /// Sorts rows by their `times`, in any unit or [`NO_TIME`]; at most `u32::MAX - 1` of them.
    pub fn new(times: &[i64]) -> Self {
        let mut rows: Vec<(i64, u32)> = Vec::with_capacity(times.len());
        for (row, time) in times.iter().enumerate() {
            if *time != NO_TIME {
                rows.push((*time, row as u32));
            }
        }
        if !rows.is_sorted() {
            rows.par_sort_unstable();
        }
        Self {
            rows,
            entity_rows: times.len(),
        }
    }
}

impl Moments {
    /// Groups entity rows by key: `keys` are numbers below `key_count` or [`NO_KEY`], one for each row. A row without key
    /// or time has no place and will find nothing.
    pub fn new(keys: &[u32], by_time: &ByTime, key_count: usize) -> Self {
        let mut starts = vec![0_u32; key_count + 2];
        let key_of = |row: u32| keys.get(row as usize).copied().unwrap_or(NO_KEY);
        for (_, row) in &by_time.rows {
            let key = key_of(*row);
            if key != NO_KEY {
                starts[key as usize + 2] += 1;
            }
        }
        for at in 2..starts.len() {
            starts[at] += starts[at - 1];
        }
        // `starts[k + 1]` is where the next row of key `k` goes; once all are placed, where key `k` ends.
        let count = starts.last().copied().unwrap_or_default() as usize;
        let mut times = vec![0_i64; count];
        let mut rows = vec![0_u32; count];
        for (time, row) in &by_time.rows {
            let key = key_of(*row);
            if key != NO_KEY {
                let next = &mut starts[key as usize + 1];
                times[*next as usize] = *time;
                rows[*next as usize] = *row;
                *next += 1;
            }
        }
        starts.truncate(key_count + 1);
        Self {
            starts,
            times,
            rows,
            entity_rows: by_time.entity_rows,
        }
    }

    /// Number of entity rows.
    pub fn entity_rows(&self) -> usize {
        self.entity_rows
    }

    /// The earliest and latest time of an entity row with a key; `None` if there is none.
    pub fn range(&self) -> Option<(i64, i64)> {
        let least = self.times.iter().min()?;
        let most = self.times.iter().max()?;
        Some((*least, *most))
    }
}
