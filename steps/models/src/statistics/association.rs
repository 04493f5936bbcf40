//! How strongly two columns hang together.

use super::tails::chi_squared_tail;
use crate::metrics::{Interval, Z_95};

/// A correlation over the rows where both columns have a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    pub value: f64,
    pub rows: usize,
    /// 95 % interval by Fisher's z; none for fewer than 4 rows.
    pub interval: Option<Interval>,
}

impl Correlation {
    fn new(value: f64, rows: usize, variance: f64) -> Self {
        let interval = (rows > 3).then(|| {
            let half = Z_95 * (variance / (rows as f64 - 3.0)).sqrt();
            let z = value.clamp(-1.0, 1.0).atanh();
            Interval {
                low: (z - half).tanh(),
                high: (z + half).tanh(),
            }
        });
        Self {
            value,
            rows,
            interval,
        }
    }
}

/// Pearson's product-moment correlation (1895) over the rows where neither number is NaN; none if
/// one column is constant there. Interval: `tanh(atanh r ± 1.96 / √(n − 3))` (Fisher 1921).
pub fn pearson(x: &[f64], y: &[f64]) -> Option<Correlation> {
    let (value, rows) = product_moment(x, y)?;
    Some(Correlation::new(value, rows, 1.0))
}

/// Spearman's rank correlation (1904): Pearson's of average ranks. Interval with the variance
/// `(1 + r² / 2) / (n − 3)` of Bonett and Wright (2000).
pub fn spearman(x: &[f64], y: &[f64]) -> Option<Correlation> {
    let complete = || x.iter().zip(y).filter(|(x, y)| !x.is_nan() && !y.is_nan());
    let left: Vec<f64> = complete().map(|(x, _)| *x).collect();
    let right: Vec<f64> = complete().map(|(_, y)| *y).collect();
    let (value, rows) = product_moment(&ranks(&left), &ranks(&right))?;
    Some(Correlation::new(value, rows, 1.0 + value * value / 2.0))
}

fn product_moment(x: &[f64], y: &[f64]) -> Option<(f64, usize)> {
    let complete = || x.iter().zip(y).filter(|(x, y)| !x.is_nan() && !y.is_nan());
    let (mut rows, mut sum_x, mut sum_y) = (0usize, 0.0, 0.0);
    for (x, y) in complete() {
        rows += 1;
        sum_x += x;
        sum_y += y;
    }
    let (mean_x, mean_y) = (sum_x / rows as f64, sum_y / rows as f64);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in complete() {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    (xx > 0.0 && yy > 0.0).then(|| ((xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0), rows))
}

/// Ranks from 1, equal numbers sharing their mean rank.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        for at in equal {
            ranks[*at] = rank;
        }
        before += equal.len();
    }
    ranks
}

/// A table of counts: rows by one category, columns by another.
#[derive(Clone, Debug, PartialEq)]
pub struct Contingency {
    columns: usize,
    cells: Vec<f64>,
}

/// Pearson's chi-squared test of independence (1900), without continuity correction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChiSquared {
    pub statistic: f64,
    pub freedom: f64,
    pub p_value: f64,
    /// Rows counted.
    pub rows: f64,
    /// Cramér's V (1946) with Bergsma's bias correction (2013), 0 to 1.
    pub cramers_v: f64,
}

impl Contingency {
    /// Counts pairs of category numbers below `rows` and `columns`; rows where one is missing do not
    /// count.
    pub fn of(left: &[Option<u32>], rows: usize, right: &[Option<u32>], columns: usize) -> Self {
        let mut cells = vec![0.0; rows * columns];
        for (left, right) in left.iter().zip(right) {
            if let (Some(left), Some(right)) = (left, right)
                && let Some(cell) = cells.get_mut(*left as usize * columns + *right as usize)
            {
                *cell += 1.0;
            }
        }
        Self { columns, cells }
    }

    /// A table of two rows: the same categories counted in two samples.
    pub fn of_two(first: &[u64], second: &[u64]) -> Self {
        let cells = first.iter().chain(second).map(|count| *count as f64).collect();
        Self {
            columns: first.len(),
            cells,
        }
    }

    /// The test; none unless at least two rows and two columns have counts.
    pub fn test(&self) -> Option<ChiSquared> {
        let lines: Vec<&[f64]> = self.cells.chunks(self.columns.max(1)).collect();
        let row_sums: Vec<f64> = lines.iter().map(|line| line.iter().sum()).collect();
        let column_sums: Vec<f64> = (0..self.columns)
            .map(|at| lines.iter().map(|line| line[at]).sum())
            .collect();
        let there = |sums: &[f64]| sums.iter().filter(|sum| **sum > 0.0).count() as f64;
        let (r, k) = (there(&row_sums), there(&column_sums));
        if r < 2.0 || k < 2.0 {
            return None;
        }
        let n: f64 = row_sums.iter().sum();
        let mut statistic = 0.0;
        for (line, row_sum) in lines.iter().zip(&row_sums) {
            for (cell, column_sum) in line.iter().zip(&column_sums) {
                let expected = row_sum * column_sum / n;
                if expected > 0.0 {
                    statistic += (cell - expected) * (cell - expected) / expected;
                }
            }
        }
        let freedom = (r - 1.0) * (k - 1.0);
        let phi = (statistic / n - freedom / (n - 1.0)).max(0.0);
        let narrowed = |size: f64| size - (size - 1.0) * (size - 1.0) / (n - 1.0);
        let least = narrowed(r).min(narrowed(k)) - 1.0;
        Some(ChiSquared {
            statistic,
            freedom,
            p_value: chi_squared_tail(statistic, freedom),
            rows: n,
            cramers_v: if least > 0.0 {
                (phi / least).sqrt().min(1.0)
            } else {
                0.0
            },
        })
    }
}

/// A number and a category: how much of the number's variance lies between categories.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grouped {
    /// Pearson's correlation ratio η = √(variance between / variance), 0 to 1.
    pub ratio: f64,
    pub rows: usize,
}

/// The correlation ratio of a number (NaN: missing) and a category below `categories`; none if the
/// number is constant.
pub fn correlation_ratio(numbers: &[f64], groups: &[Option<u32>], categories: usize) -> Option<Grouped> {
    let complete = || {
        numbers
            .iter()
            .zip(groups)
            .filter(|(number, _)| !number.is_nan())
            .filter_map(|(number, group)| Some((*number, (*group)? as usize)))
            .filter(|(_, group)| *group < categories)
    };
    let mut counts = vec![0.0; categories];
    let mut sums = vec![0.0; categories];
    for (number, group) in complete() {
        counts[group] += 1.0;
        sums[group] += number;
    }
    let n: f64 = counts.iter().sum();
    let mean = sums.iter().sum::<f64>() / n;
    let between: f64 = counts
        .iter()
        .zip(&sums)
        .filter(|(count, _)| **count > 0.0)
        .map(|(count, sum)| count * (sum / count - mean) * (sum / count - mean))
        .sum();
    let all: f64 = complete()
        .map(|(number, _)| (number - mean) * (number - mean))
        .sum();
    (all > 0.0).then(|| Grouped {
        ratio: (between / all).sqrt().min(1.0),
        rows: n as usize,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pearson_is_that_of_anscombes_first_set() {
        // Anscombe (1973), set I: r = 0.81642; rows with a missing value do not count.
        let x = [
            10.0,
            8.0,
            13.0,
            9.0,
            11.0,
            14.0,
            6.0,
            4.0,
            12.0,
            7.0,
            5.0,
            f64::NAN,
            1.0,
        ];
        let y = [
            8.04,
            6.95,
            7.58,
            8.81,
            8.33,
            9.96,
            7.24,
            4.26,
            10.84,
            4.82,
            5.68,
            3.0,
            f64::NAN,
        ];
        let found = pearson(&x, &y).unwrap();
        assert!((found.value - 0.816_42).abs() < 1e-5);
        assert_eq!(found.rows, 11);
        assert_eq!(pearson(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn equal_numbers_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 9.0]), [2.5, 1.0, 2.5, 4.0]);
    }

    #[test]
    fn chi_squared_of_a_table_worked_by_hand() {
        // [[10, 20], [30, 40]]: χ² = 100 (10·40 − 20·30)² / (30·70·40·60) = 0.793651.
        let found = Contingency::of_two(&[10, 20], &[30, 40]).test().unwrap();
        assert!((found.statistic - 0.793_650_793_65).abs() < 1e-10);
        // φ² = 0.0079 is below its expectation 1 / 99 under independence: nothing is left of V.
        assert_eq!(found.cramers_v, 0.0);
        assert!(Contingency::of_two(&[5, 0], &[3, 0]).test().is_none());
    }

    #[test]
    fn the_correlation_ratio_of_groups_worked_by_hand() {
        // Groups (1, 3) and (5, 7): means 2 and 6, overall 4; 16 of 20 lie between, η = √0.8.
        let groups = [Some(0), Some(0), Some(1), Some(1), None];
        let found = correlation_ratio(&[1.0, 3.0, 5.0, 7.0, 99.0], &groups, 2).unwrap();
        assert!((found.ratio - 0.8_f64.sqrt()).abs() < 1e-12);
        assert_eq!(found.rows, 4);
    }
}
