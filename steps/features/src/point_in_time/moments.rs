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

impl Moments {
    /// Sorts entity rows: `keys` are numbers below `key_count` or [`NO_KEY`], `times` in any unit or [`NO_TIME`]. A row
    /// without key or time has no place and will find nothing. Both slices have one item a row, at most
    /// `u32::MAX - 1`, as [`Keys::number`](super::Keys::number) sees to.
    pub fn new(keys: &[u32], times: &[i64], key_count: usize) -> Self {
        let mut starts = vec![0_u32; key_count + 2];
        let placed = |key: u32, time: i64| key != NO_KEY && time != NO_TIME;
        for (key, time) in keys.iter().zip(times) {
            if placed(*key, *time) {
                starts[*key as usize + 2] += 1;
            }
        }
        for at in 2..starts.len() {
            starts[at] += starts[at - 1];
        }
        // `starts[k + 1]` is where the next row of key `k` goes; once all are placed, where key `k` ends.
        let count = starts.last().copied().unwrap_or_default() as usize;
        let mut places = vec![(0_i64, 0_u32); count];
        for (row, (key, time)) in keys.iter().zip(times).enumerate() {
            if placed(*key, *time) {
                let next = &mut starts[*key as usize + 1];
                places[*next as usize] = (*time, row as u32);
                *next += 1;
            }
        }
        starts.truncate(key_count + 1);
        sort(&starts, &mut places);
        let (times, rows) = places.into_iter().unzip();
        Self {
            starts,
            times,
            rows,
            entity_rows: keys.len(),
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

/// Sorts the places of each key by time, then row.
fn sort(starts: &[u32], places: &mut [(i64, u32)]) {
    /// Keys with more rows than this are sorted by all threads together.
    const LARGE: usize = 1 << 16;
    fn of_keys(starts: &[u32], places: &mut [(i64, u32)]) {
        let first = starts.first().copied().unwrap_or_default();
        for bounds in starts.windows(2) {
            let key = &mut places[(bounds[0] - first) as usize..(bounds[1] - first) as usize];
            if key.is_sorted() {
                continue;
            }
            if key.len() > LARGE {
                key.par_sort_unstable();
            } else {
                key.sort_unstable();
            }
        }
    }
    fn split(starts: &[u32], places: &mut [(i64, u32)]) {
        let keys = starts.len().saturating_sub(1);
        if keys < 2 || places.len() < LARGE {
            return of_keys(starts, places);
        }
        let first = starts[0];
        let half = first + (places.len() / 2) as u32;
        let middle = starts.partition_point(|start| *start < half).clamp(1, keys - 1);
        let (left, right) = places.split_at_mut((starts[middle] - first) as usize);
        rayon::join(
            || split(&starts[..=middle], left),
            || split(&starts[middle..], right),
        );
    }
    split(starts, places);
}
