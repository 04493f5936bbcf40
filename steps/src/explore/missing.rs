//! Which columns are missing together.

use serde::Serialize;

/// Columns with missing values that are looked at together: one bit each.
pub(super) const MOST_COLUMNS: usize = 64;
/// Patterns and pairs shown.
const SHOWN: usize = 12;
/// Correlation of being missing from which two columns are said to be missing together.
const TOGETHER: f64 = 0.5;

/// A bit for each row and column with missing values.
#[derive(Default)]
pub(super) struct Masks {
    columns: Vec<String>,
    rows: Vec<u64>,
    pub(super) left_out: usize,
}

/// How values are missing, over all rows.
#[derive(Debug, Default, Serialize)]
pub(super) struct Missingness {
    pub(super) complete_rows: usize,
    pub(super) cells: usize,
    /// Most frequent sets of columns that are missing in the same row, without the empty one.
    pub(super) patterns: Vec<Pattern>,
    /// Different sets in all.
    pub(super) different_patterns: usize,
    /// Pairs of columns whose values are missing together.
    pub(super) together: Vec<Together>,
}

/// Columns missing in the same rows.
#[derive(Debug, Serialize)]
pub(super) struct Pattern {
    pub(super) columns: Vec<String>,
    pub(super) rows: usize,
}

/// Two columns missing together.
#[derive(Debug, Serialize)]
pub(super) struct Together {
    pub(super) left: String,
    pub(super) right: String,
    /// Rows where both are missing.
    pub(super) rows: usize,
    /// Correlation of the two yes-or-no columns "is missing" (φ).
    pub(super) correlation: f64,
}

impl Masks {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            rows: vec![0; rows],
            ..Self::default()
        }
    }

    /// Adds a column with the rows where it is missing.
    pub(super) fn add(&mut self, name: &str, missing: impl Iterator<Item = bool>) {
        if self.columns.len() == MOST_COLUMNS {
            self.left_out += 1;
            return;
        }
        let bit = 1u64 << self.columns.len();
        self.columns.push(name.to_owned());
        for (mask, missing) in self.rows.iter_mut().zip(missing) {
            if missing {
                *mask |= bit;
            }
        }
    }

    pub(super) fn finish(mut self) -> Missingness {
        self.rows.sort_unstable();
        let mut patterns: Vec<(u64, usize)> = self
            .rows
            .chunk_by(|a, b| a == b)
            .map(|run| (run[0], run.len()))
            .collect();
        let total = self.rows.len();
        let complete = patterns
            .iter()
            .find(|(mask, _)| *mask == 0)
            .map_or(0, |(_, rows)| *rows);
        patterns.retain(|(mask, _)| *mask != 0);
        let mut together = Vec::new();
        for left in 0..self.columns.len() {
            for right in left + 1..self.columns.len() {
                together.extend(self.pair(&patterns, total, left, right));
            }
        }
        together.sort_by(|a, b| {
            b.correlation
                .total_cmp(&a.correlation)
                .then_with(|| (&a.left, &a.right).cmp(&(&b.left, &b.right)))
        });
        together.truncate(SHOWN);
        patterns.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        Missingness {
            complete_rows: complete,
            cells: patterns
                .iter()
                .map(|(mask, rows)| mask.count_ones() as usize * rows)
                .sum(),
            different_patterns: patterns.len(),
            patterns: patterns
                .iter()
                .take(SHOWN)
                .map(|(mask, rows)| Pattern {
                    columns: self.names(*mask),
                    rows: *rows,
                })
                .collect(),
            together,
        }
    }

    fn names(&self, mask: u64) -> Vec<String> {
        let names = self.columns.iter().enumerate();
        names
            .filter(|(at, _)| mask & (1 << at) != 0)
            .map(|(_, name)| name.clone())
            .collect()
    }

    fn pair(&self, patterns: &[(u64, usize)], total: usize, left: usize, right: usize) -> Option<Together> {
        let (mut a, mut b, mut both) = (0, 0, 0);
        for (mask, rows) in patterns {
            let (in_left, in_right) = (mask & (1 << left) != 0, mask & (1 << right) != 0);
            a += if in_left { *rows } else { 0 };
            b += if in_right { *rows } else { 0 };
            both += if in_left && in_right { *rows } else { 0 };
        }
        let (n, a, b, joint) = (total as f64, a as f64, b as f64, both as f64);
        let spread = (a * (n - a) * b * (n - b)).sqrt();
        let correlation = (n * joint - a * b) / spread;
        (spread > 0.0 && correlation >= TOGETHER).then(|| Together {
            left: self.columns[left].clone(),
            right: self.columns[right].clone(),
            rows: both,
            correlation: correlation.min(1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_counted_and_pairs_that_go_together_found() {
        let mut masks = Masks::new(8);
        masks.add(
            "a",
            [true, true, false, false, false, false, false, false].into_iter(),
        );
        masks.add(
            "b",
            [true, true, false, false, false, false, false, false].into_iter(),
        );
        masks.add(
            "c",
            [true, false, true, false, false, false, false, true].into_iter(),
        );
        let found = masks.finish();
        assert_eq!(
            (found.complete_rows, found.cells, found.different_patterns),
            (4, 7, 3)
        );
        assert_eq!(
            (found.patterns[0].columns.as_slice(), found.patterns[0].rows),
            (["c".to_owned()].as_slice(), 2)
        );
        let pairs: Vec<_> = found
            .together
            .iter()
            .map(|t| (t.left.as_str(), t.right.as_str(), t.rows, t.correlation))
            .collect();
        assert_eq!(pairs, [("a", "b", 2, 1.0)]);
    }
}
