//! Aggregates over the rows of a window that ends at, or before, a moment.
//!
//! Rows are put in order of time once for each key; the windows of queries in order of time then move
//! forward only, so each row enters and leaves once. Rows of one time keep the order of the table.

use super::windows::{Aggregate, Closed};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Which rows of its key a query takes in. Times are microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// How long before its end the window begins; `None`: from the first row on.
    pub(super) over: Option<i64>,
    /// At most so many rows, the last ones.
    pub(super) rows: Option<usize>,
    /// How long before the query's own time the window ends.
    pub(super) lag: i64,
    pub(super) closed: Closed,
    /// Fewer rows give a missing value.
    pub(super) least: usize,
}

/// A key and time of a row, or of a query; rows without one take no part.
pub(super) type Moment = Option<(u32, i64)>;

/// Times with the places of their rows, in order.
type InOrder = Vec<(i64, usize)>;

/// Rows and queries of one key.
#[derive(Default)]
struct Group {
    rows: InOrder,
    queries: InOrder,
}

/// Rows and queries by key, both in order of time.
pub(super) struct Index {
    groups: BTreeMap<u32, Group>,
    queries: usize,
}

/// Count, sum and sum of squares.
#[derive(Clone, Copy, Default)]
struct Moments(f64, f64, f64);

impl Index {
    pub(super) fn new(rows: &[Moment], queries: &[Moment]) -> Self {
        let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
        for (row, moment) in rows.iter().enumerate() {
            if let Some((key, time)) = moment {
                groups.entry(*key).or_default().rows.push((*time, row));
            }
        }
        for (query, moment) in queries.iter().enumerate() {
            if let Some((key, time)) = moment {
                groups.entry(*key).or_default().queries.push((*time, query));
            }
        }
        for group in groups.values_mut() {
            group.rows.sort_unstable();
            group.queries.sort_unstable();
        }
        Self {
            groups,
            queries: queries.len(),
        }
    }

    /// Calls `answer(state, query, end of the window, group's rows in order, first, end)` for each query:
    /// its window is `rows[first..end]`. Both bounds only grow within a group; each group begins with a
    /// state of its own.
    fn each<S: Default>(
        &self,
        reach: &Reach,
        mut answer: impl FnMut(&mut S, usize, i64, &[(i64, usize)], usize, usize),
    ) {
        let (with_first, with_last) = match reach.closed {
            Closed::Left => (true, false),
            Closed::Right => (false, true),
            Closed::Both => (true, true),
            Closed::None => (false, false),
        };
        for Group { rows, queries } in self.groups.values() {
            let mut state = S::default();
            let (mut first, mut end) = (0, 0);
            for (time, query) in queries {
                let last = time.saturating_sub(reach.lag);
                while rows
                    .get(end)
                    .is_some_and(|(at, _)| *at < last || (with_last && *at == last))
                {
                    end += 1;
                }
                if let Some(over) = reach.over {
                    let start = last.saturating_sub(over);
                    while first < end
                        && rows
                            .get(first)
                            .is_some_and(|(at, _)| *at < start || (!with_first && *at == start))
                    {
                        first += 1;
                    }
                }
                if let Some(most) = reach.rows {
                    first = first.max(end.saturating_sub(most));
                }
                answer(&mut state, *query, last, rows, first, end);
            }
        }
    }

    /// For each query how many rows its window has.
    pub(super) fn counts(&self, reach: &Reach) -> Vec<u32> {
        let mut counts = vec![0; self.queries];
        self.each::<()>(reach, |(), query, _, _, first, end| {
            counts[query] = u32::try_from(end - first).unwrap_or(u32::MAX);
        });
        counts
    }

    /// For each query the place of the first or last row of its window that has a value.
    pub(super) fn place(&self, reach: &Reach, present: &[bool], last: bool) -> Vec<Option<usize>> {
        let mut places = vec![None; self.queries];
        self.each::<()>(reach, |(), query, _, rows, first, end| {
            if end - first < reach.least {
                return;
            }
            let window = rows[first..end].iter().map(|(_, row)| *row);
            let mut there = window.filter(|row| present[*row]);
            places[query] = if last { there.next_back() } else { there.next() };
        });
        places
    }

    /// For each query how many distinct values its window has; equal codes are equal values.
    pub(super) fn distinct(&self, reach: &Reach, codes: &[Option<u32>]) -> Vec<u32> {
        let mut found = vec![0; self.queries];
        self.each::<(HashMap<u32, u32>, usize, usize)>(reach, |state, query, _, rows, first, end| {
            let (counts, from, to) = state;
            for code in rows[*to..end].iter().filter_map(|(_, row)| codes[*row]) {
                *counts.entry(code).or_insert(0) += 1;
            }
            for code in rows[*from..first].iter().filter_map(|(_, row)| codes[*row]) {
                if let Some(count) = counts.get_mut(&code) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(&code);
                    }
                }
            }
            (*from, *to) = (first, end);
            found[query] = u32::try_from(counts.len()).unwrap_or(u32::MAX);
        });
        found
    }

    /// For each query the aggregate of its window's numbers; missing values take no part.
    pub(super) fn numbers(
        &self,
        reach: &Reach,
        values: &[Option<f64>],
        aggregate: &Aggregate,
    ) -> Vec<Option<f64>> {
        match aggregate {
            Aggregate::Min => self.extremes(reach, values, |new, old| new <= old),
            Aggregate::Max => self.extremes(reach, values, |new, old| new >= old),
            Aggregate::Median => self.quantile(reach, values, 0.5),
            Aggregate::Quantile(share) => self.quantile(reach, values, share.0),
            Aggregate::Ewm(half_life) => {
                let half_life = i64::try_from(half_life.0.0)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(1_000);
                self.decayed(reach, values, half_life)
            }
            _ => self.moments(reach, values, aggregate),
        }
    }

    /// Sum, mean and standard deviation (of a sample) from sums up to each row. Values are taken as
    /// distances from the key's mean, so that large values with small differences lose no digits.
    fn moments(&self, reach: &Reach, values: &[Option<f64>], aggregate: &Aggregate) -> Vec<Option<f64>> {
        let mut found = vec![None; self.queries];
        self.each::<(f64, Vec<Moments>)>(reach, |state, query, _, rows, first, end| {
            let (centre, sums) = state;
            if sums.is_empty() {
                let present = || rows.iter().filter_map(|(_, row)| values[*row]);
                let count = present().count();
                *centre = if count == 0 {
                    0.0
                } else {
                    present().sum::<f64>() / count as f64
                };
                if !centre.is_finite() {
                    *centre = 0.0;
                }
                sums.push(Moments::default());
                let mut sum = Moments::default();
                for (_, row) in rows {
                    if let Some(value) = values[*row] {
                        let distance = value - *centre;
                        sum = Moments(sum.0 + 1.0, sum.1 + distance, sum.2 + distance * distance);
                    }
                    sums.push(sum);
                }
            }
            if end - first < reach.least {
                return;
            }
            let (from, to) = (sums[first], sums[end]);
            let (count, sum, squares) = (to.0 - from.0, to.1 - from.1, to.2 - from.2);
            found[query] = match aggregate {
                _ if count == 0.0 => None,
                Aggregate::Sum => Some(sum + count * *centre),
                Aggregate::Std if count < 2.0 => None,
                Aggregate::Std => Some(((squares - sum * sum / count) / (count - 1.0)).max(0.0).sqrt()),
                _ => Some(sum / count + *centre),
            };
        });
        found
    }

    /// The least or greatest, by a queue of rows that no later one of the window outdoes.
    fn extremes(
        &self,
        reach: &Reach,
        values: &[Option<f64>],
        outdoes: fn(f64, f64) -> bool,
    ) -> Vec<Option<f64>> {
        let mut found = vec![None; self.queries];
        self.each::<(VecDeque<(usize, f64)>, usize)>(reach, |state, query, _, rows, first, end| {
            let (queue, to) = state;
            for (place, (_, row)) in rows.iter().enumerate().take(end).skip(*to) {
                let Some(value) = values[*row] else { continue };
                while queue.back().is_some_and(|(_, old)| outdoes(value, *old)) {
                    queue.pop_back();
                }
                queue.push_back((place, value));
            }
            *to = end;
            while queue.front().is_some_and(|(place, _)| *place < first) {
                queue.pop_front();
            }
            if end - first >= reach.least {
                found[query] = queue.front().map(|(_, value)| *value);
            }
        });
        found
    }

    /// A quantile with linear interpolation between the two nearest values (type 7 of Hyndman and Fan,
    /// 1996), from the window's values kept in order.
    fn quantile(&self, reach: &Reach, values: &[Option<f64>], share: f64) -> Vec<Option<f64>> {
        let mut found = vec![None; self.queries];
        self.each::<(Vec<f64>, usize, usize)>(reach, |state, query, _, rows, first, end| {
            let (sorted, from, to) = state;
            for value in rows[*to..end].iter().filter_map(|(_, row)| values[*row]) {
                let place = sorted.partition_point(|other| other.total_cmp(&value).is_lt());
                sorted.insert(place, value);
            }
            for value in rows[*from..first].iter().filter_map(|(_, row)| values[*row]) {
                let place = sorted.partition_point(|other| other.total_cmp(&value).is_lt());
                sorted.remove(place);
            }
            (*from, *to) = (first, end);
            if end - first >= reach.least {
                found[query] = quantile_of(sorted, share);
            }
        });
        found
    }

    /// The mean with weights that halve with every `half_life` of age at the window's end.
    fn decayed(&self, reach: &Reach, values: &[Option<f64>], half_life: i64) -> Vec<Option<f64>> {
        /// Older rows weigh less than a double can tell.
        const HALVINGS: f64 = 60.0;
        let mut found = vec![None; self.queries];
        self.each::<()>(reach, |(), query, last, rows, first, end| {
            if end - first < reach.least {
                return;
            }
            let (mut sum, mut weights) = (0.0, 0.0);
            for (time, row) in rows[first..end].iter().rev() {
                let halvings = last.saturating_sub(*time) as f64 / half_life.max(1) as f64;
                if halvings > HALVINGS && weights > 0.0 {
                    break;
                }
                if let Some(value) = values[*row] {
                    let weight = (-halvings).exp2();
                    sum += weight * value;
                    weights += weight;
                }
            }
            found[query] = (weights > 0.0).then(|| sum / weights);
        });
        found
    }
}

/// The quantile of sorted values.
pub(super) fn quantile_of(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share * last as f64;
    let below = place.floor();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of values"
    )]
    let at = below as usize;
    let (one, other) = (sorted[at.min(last)], sorted[(at + 1).min(last)]);
    Some(one + (other - one) * (place - below))
}
