//! The rows of one view, streamed past the entity rows.

use super::{KnownBy, Moments, NO_KEY, NO_TIME, Rules};
use rayon::prelude::*;

/// Rows of a view that are placed before any of them is written down: bounds what is held beside them.
const STRETCH: usize = 1 << 19;
/// Rows that are placed by one thread at a time.
const BLOCK: usize = 1 << 13;
/// No place.
const NOWHERE: u32 = u32::MAX;

/// Some rows of a view.
#[derive(Clone, Copy, Debug)]
pub struct ViewRows<'a> {
    /// Number of the first of them in the view's order; the others follow it.
    pub first: u64,
    /// Key numbers, as [`Keys::find`](super::Keys::find) gives them.
    pub keys: &'a [u32],
    /// Event times in the unit of the entity rows'; [`NO_TIME`] where missing.
    pub times: &'a [i64],
    /// Created times in the same unit, where the view has them.
    pub created: Option<&'a [i64]>,
}

/// The best row seen so far; an event time of [`NO_TIME`] if none was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Best {
    time: i64,
    created: i64,
    row: u64,
}

const NONE: Best = Best {
    time: NO_TIME,
    created: NO_TIME,
    row: 0,
};

/// A search for the rows of one view.
#[derive(Debug)]
pub struct Search<'a> {
    moments: &'a Moments,
    rules: Rules,
    best: Vec<Best>,
    places: Vec<u32>,
    seen: u64,
}

impl<'a> Search<'a> {
    /// Begins a search.
    pub fn new(moments: &'a Moments, rules: Rules) -> Self {
        Self {
            moments,
            rules,
            best: vec![NONE; moments.times.len()],
            places: Vec::new(),
            seen: 0,
        }
    }

    /// Takes rows of the view. Pieces may come in any order: `first` says where they belong. The slices
    /// have the same length.
    pub fn take(&mut self, rows: ViewRows<'_>) {
        self.seen += rows.keys.len() as u64;
        let mut from = 0;
        while from < rows.keys.len() {
            let to = (from + STRETCH).min(rows.keys.len());
            self.take_stretch(ViewRows {
                first: rows.first + from as u64,
                keys: &rows.keys[from..to],
                times: &rows.times[from..to],
                created: rows.created.map(|created| &created[from..to]),
            });
            from = to;
        }
    }

    fn take_stretch(&mut self, rows: ViewRows<'_>) {
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        places.resize(rows.keys.len(), NOWHERE);
        let (moments, known_by) = (self.moments, self.rules.known_by);
        places
            .par_chunks_mut(BLOCK)
            .enumerate()
            .for_each(|(block, places)| place(moments, known_by, &rows, block * BLOCK, places));
        // Each thread writes down what belongs to a part of the entity rows.
        let part = self
            .best
            .len()
            .div_ceil(rayon::current_num_threads().max(1))
            .max(BLOCK);
        let work = |(at, best): (usize, &mut [Best])| keep(best, at * part, &places, &rows);
        if self.best.len() <= part || rows.keys.len() < BLOCK {
            self.best.chunks_mut(part).enumerate().for_each(work);
        } else {
            self.best.par_chunks_mut(part).enumerate().for_each(work);
        }
        self.places = places;
    }

    /// What each entity row has found.
    pub fn finish(self) -> Found {
        let Self {
            moments,
            rules,
            mut best,
            seen,
            ..
        } = self;
        let mut rows = vec![Found::NOTHING; moments.entity_rows];
        let mut times = vec![NO_TIME; moments.entity_rows];
        let mut tally = Tally {
            without_key: (moments.entity_rows - moments.rows.len()) as u64,
            view_rows: seen,
            ..Tally::default()
        };
        for bounds in moments.starts.windows(2) {
            let (from, to) = (bounds[0] as usize, bounds[1] as usize);
            let mut last = NONE;
            for best in &mut best[from..to] {
                last = last.max(*best);
                *best = last;
            }
        }
        for ((best, at), row) in best.iter().zip(&moments.times).zip(&moments.rows) {
            let row = *row as usize;
            if best.time == NO_TIME {
                tally.missing += 1;
            } else if best.time < rules.earliest(*at) {
                tally.too_old += 1;
                rows[row] = Found::TOO_OLD;
            } else {
                rows[row] = best.row;
                times[row] = best.time;
                tally.matched(at.saturating_sub(best.time));
            }
        }
        Found { rows, times, tally }
    }
}

/// Finds for each row of a block the first place that may see it.
fn place(moments: &Moments, known_by: KnownBy, rows: &ViewRows<'_>, from: usize, places: &mut [u32]) {
    let to = from + places.len();
    let keys = &rows.keys[from..to];
    let times = &rows.times[from..to];
    let created = rows.created.map(|created| &created[from..to]);
    // Rows of one key that follow each other mostly do so in time as well.
    let (mut key_before, mut time_before, mut found_before) = (NO_KEY, NO_TIME, 0_usize);
    for (at, (key, time)) in keys.iter().zip(times).enumerate() {
        if *key == NO_KEY || *time == NO_TIME {
            continue;
        }
        let seen_from = match (known_by, created) {
            (KnownBy::Event, _) => *time,
            (KnownBy::Created, Some(created)) if created[at] != NO_TIME => (*time).max(created[at]),
            (KnownBy::Created, _) => continue,
        };
        let start = moments.starts[*key as usize] as usize;
        let end = moments.starts[*key as usize + 1] as usize;
        let found = if *key == key_before && seen_from >= time_before {
            found_before + first_not_before(&moments.times[found_before..end], seen_from)
        } else {
            start + guessed(&moments.times[start..end], seen_from)
        };
        (key_before, time_before, found_before) = (*key, seen_from, found);
        if found < end {
            places[at] = found as u32;
        }
    }
}

/// The number of ascending times before `time`, found in strides that double.
fn first_not_before(times: &[i64], time: i64) -> usize {
    let mut bound = 1;
    while bound < times.len() && times[bound - 1] < time {
        bound *= 2;
    }
    let from = bound / 2;
    let to = bound.min(times.len());
    from + times[from..to].partition_point(|other| *other < time)
}

/// The same, begun where `time` would be if the times lay evenly: a binary search of many times waits for
/// memory at each of its steps.
fn guessed(times: &[i64], time: i64) -> usize {
    const FEW: usize = 32;
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return 0;
    };
    if times.len() <= FEW || time <= *first || time > *last {
        return times.partition_point(|other| *other < time);
    }
    let share = (time as f64 - *first as f64) / (*last as f64 - *first as f64);
    let guess = ((share * times.len() as f64) as usize).min(times.len() - 1);
    if times[guess] < time {
        return guess + first_not_before(&times[guess..], time);
    }
    let mut stride = 1;
    while stride <= guess && times[guess - stride] >= time {
        stride *= 2;
    }
    let from = guess.saturating_sub(stride);
    let to = guess - stride / 2;
    from + times[from..to].partition_point(|other| *other < time)
}

/// Writes down the rows that are better than what is there, of the places from `from` on.
fn keep(best: &mut [Best], from: usize, places: &[u32], rows: &ViewRows<'_>) {
    for (at, place) in places.iter().enumerate() {
        let Some(there) = (*place as usize)
            .checked_sub(from)
            .and_then(|place| best.get_mut(place))
        else {
            continue;
        };
        let candidate = Best {
            time: rows.times[at],
            created: rows.created.map_or(NO_TIME, |created| created[at]),
            row: rows.first + at as u64,
        };
        if candidate > *there {
            *there = candidate;
        }
    }
}

/// What the entity rows have found in one view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// For each entity row the number of the view's row, or [`Found::NOTHING`] or [`Found::TOO_OLD`].
    pub rows: Vec<u64>,
    /// The event time of that row, or [`NO_TIME`].
    pub times: Vec<i64>,
    pub tally: Tally,
}

impl Found {
    /// No row of that key was there yet, or the entity row has no key or no time.
    pub const NOTHING: u64 = u64::MAX;
    /// The newest row was older than the ttl.
    pub const TOO_OLD: u64 = u64::MAX - 1;
}

/// How many entity rows found something, and how old it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub matched: u64,
    /// No row of that key was there yet.
    pub missing: u64,
    /// The newest row was older than the ttl.
    pub too_old: u64,
    /// Entity rows without a key or without a time.
    pub without_key: u64,
    /// Rows of the view that were looked at.
    pub view_rows: u64,
    /// The largest age of what was found, in the unit of the times.
    pub oldest: i64,
    /// Sum of the ages of what was found.
    pub total_age: i128,
}

impl Tally {
    fn matched(&mut self, age: i64) {
        self.matched += 1;
        self.oldest = self.oldest.max(age);
        self.total_age += i128::from(age);
    }

    /// The mean age of what was found; `None` if nothing was.
    pub fn mean_age(&self) -> Option<f64> {
        (self.matched > 0).then(|| self.total_age as f64 / self.matched as f64)
    }

    /// Counts the entity rows of another part of the same table as well.
    pub fn add(&mut self, other: &Self) {
        self.matched += other.matched;
        self.missing += other.missing;
        self.too_old += other.too_old;
        self.without_key += other.without_key;
        self.view_rows = self.view_rows.max(other.view_rows);
        self.oldest = self.oldest.max(other.oldest);
        self.total_age += other.total_age;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_of_searching_find_what_a_binary_search_finds(
            times in proptest::collection::vec(prop_oneof![-50_i64..50, any::<i64>()], 0..300),
            time in prop_oneof![-60_i64..60, any::<i64>()],
        ) {
            let mut times = times;
            times.sort_unstable();
            let expected = times.partition_point(|other| *other < time);
            prop_assert_eq!(first_not_before(&times, time), expected);
            prop_assert_eq!(guessed(&times, time), expected);
        }
    }
}
