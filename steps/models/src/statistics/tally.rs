//! How many different values there are and which are the most frequent, told apart by a 64-bit hash.

/// What a column's values are, by hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub distinct: usize,
    /// Values that occur once.
    pub once: usize,
    /// The most frequent values, most frequent first, equal ones by hash.
    pub top: Vec<(u64, usize)>,
}

/// Counts equal hashes. Sorts them: n log n in time, no memory beyond. Two different values among n
/// have the same hash with a chance below n² / 2⁶⁵.
pub fn tally(hashes: &mut [u64], top: usize) -> Tally {
    hashes.sort_unstable();
    let mut found = Tally::default();
    for run in hashes.chunk_by(|left, right| left == right) {
        found.distinct += 1;
        found.once += usize::from(run.len() == 1);
        let rarer = found.top.last().is_some_and(|(_, least)| run.len() <= *least);
        if found.top.len() == top && rarer || top == 0 {
            continue;
        }
        let place = found.top.partition_point(|(_, count)| *count >= run.len());
        found.top.insert(place, (run[0], run.len()));
        found.top.truncate(top);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first_and_equal_ones_in_order() {
        let found = tally(&mut [5, 1, 3, 3, 1, 9, 9, 9, 2], 3);
        assert_eq!((found.distinct, found.once), (5, 2));
        assert_eq!(found.top, [(9, 3), (1, 2), (3, 2)]);
        assert_eq!(tally(&mut [], 3), Tally::default());
        assert_eq!(tally(&mut [1, 1], 0).top, []);
    }
}
