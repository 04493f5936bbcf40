//! The training rows after preprocessing, column by column: one-hot columns as one list of places.

use crate::linear::Symmetric;
use crate::matrix::{Matrix, add_scaled, dot};

/// A matrix of rows × columns.
pub(crate) struct Design {
    /// Columns with the place of their first.
    columns: Vec<(usize, DesignColumn)>,
    pub(crate) rows: usize,
    pub(crate) width: usize,
}

#[derive(Clone)]
pub(crate) enum DesignColumn {
    /// An entry a row.
    Dense(Vec<f64>),
    /// The rows whose entry is 1, ascending; all others are 0.
    Indicator(Vec<u32>),
    /// Several columns: for each row the one that is 1, all others being 0; none if it lies beyond
    /// the last.
    OneHot(Vec<u32>),
}

impl Design {
    pub(crate) fn empty(rows: usize) -> Self {
        Self {
            columns: Vec::new(),
            rows,
            width: 0,
        }
    }

    pub(crate) fn push(&mut self, mut column: DesignColumn, width: usize) {
        if let DesignColumn::OneHot(places) = &mut column {
            for place in places {
                *place = if (*place as usize) < width {
                    *place + self.width as u32
                } else {
                    u32::MAX
                };
            }
        }
        self.columns.push((self.width, column));
        self.width += width;
    }

    /// All entries, row by row: `rows · width` of them.
    pub(crate) fn dense_rows(&self) -> Matrix {
        let mut entries = vec![0.0; self.rows * self.width];
        for (at, column) in &self.columns {
            match column {
                DesignColumn::Dense(values) => {
                    for (row, value) in values.iter().enumerate() {
                        entries[row * self.width + at] = *value;
                    }
                }
                DesignColumn::Indicator(rows) => {
                    for &row in rows {
                        entries[row as usize * self.width + at] = 1.0;
                    }
                }
                DesignColumn::OneHot(places) => {
                    for (row, &place) in places.iter().enumerate().filter(|(_, place)| **place != u32::MAX) {
                        entries[row * self.width + place as usize] = 1.0;
                    }
                }
            }
        }
        Matrix {
            columns: self.width,
            values: entries,
        }
    }

    /// Mean square of every column.
    pub(crate) fn mean_squares(&self, weights: &[f64], total: f64) -> Vec<f64> {
        let mut squares = vec![0.0; self.width];
        for (at, column) in &self.columns {
            match column {
                DesignColumn::Dense(values) => {
                    squares[*at] = values
                        .iter()
                        .zip(weights)
                        .map(|(value, weight)| value * value * weight)
                        .sum();
                }
                DesignColumn::Indicator(rows) => {
                    squares[*at] = rows.iter().map(|&row| weights[row as usize]).sum();
                }
                DesignColumn::OneHot(places) => {
                    for (&place, weight) in places.iter().zip(weights) {
                        if let Some(square) = squares.get_mut(place as usize) {
                            *square += weight;
                        }
                    }
                }
            }
        }
        squares.iter_mut().for_each(|square| *square /= total);
        squares
    }

    /// The same rows with 0 in the columns of `places`.
    pub(crate) fn without(&self, places: &std::ops::Range<usize>) -> Self {
        let mut rest = Self::empty(self.rows);
        let ends = self.columns.iter().skip(1).map(|(at, _)| *at).chain([self.width]);
        for ((at, column), end) in self.columns.iter().zip(ends) {
            let column = if places.contains(at) {
                DesignColumn::Indicator(Vec::new())
            } else {
                column.clone()
            };
            rest.columns.push((*at, column));
            rest.width = end;
        }
        rest
    }

    /// Adds `X·weights` for the rows from `start` on.
    pub(crate) fn times(&self, weights: &[f64], start: usize, into: &mut [f64]) {
        let end = start + into.len();
        for (at, column) in &self.columns {
            match column {
                DesignColumn::Dense(values) => {
                    let weight = weights[*at];
                    into.iter_mut()
                        .zip(&values[start..end])
                        .for_each(|(into, value)| *into += weight * value);
                }
                DesignColumn::Indicator(rows) => {
                    for &row in range(rows, start, end) {
                        into[row as usize - start] += weights[*at];
                    }
                }
                DesignColumn::OneHot(places) => {
                    for (into, &place) in into.iter_mut().zip(&places[start..end]) {
                        *into += weights.get(place as usize).copied().unwrap_or(0.0);
                    }
                }
            }
        }
    }

    /// Adds `Xᵀ·residuals` over the rows from `start` on.
    pub(crate) fn transposed_times(&self, residuals: &[f64], start: usize, into: &mut [f64]) {
        let end = start + residuals.len();
        for (at, column) in &self.columns {
            match column {
                DesignColumn::Dense(values) => {
                    into[*at] += dot(residuals, &values[start..end]);
                }
                DesignColumn::Indicator(rows) => {
                    for &row in range(rows, start, end) {
                        into[*at] += residuals[row as usize - start];
                    }
                }
                DesignColumn::OneHot(places) => {
                    for (residual, &place) in residuals.iter().zip(&places[start..end]) {
                        if let Some(into) = into.get_mut(place as usize) {
                            *into += residual;
                        }
                    }
                }
            }
        }
    }

    /// Adds `Xᵀ·diag(curvatures)·X` over the rows from `start` on, the intercept being the last
    /// column.
    pub(crate) fn second_derivatives(&self, curvatures: &[f64], start: usize, into: &mut Symmetric) {
        let end = start + curvatures.len();
        // Within a row, columns of 0 and 1 come first and numbers follow side by side, so that the
        // long inner loops run over neighbouring entries; the sums are put in place at the end.
        let mut order: Vec<usize> = (0..self.width).collect();
        let dense: Vec<(usize, &[f64])> = self
            .columns
            .iter()
            .filter_map(|(at, column)| match column {
                DesignColumn::Dense(values) => Some((*at, values.as_slice())),
                _ => None,
            })
            .collect();
        order.retain(|place| dense.binary_search_by_key(place, |(at, _)| *at).is_err());
        let first_number = order.len();
        let mut sparse_place = vec![0; self.width];
        for (place, &at) in order.iter().enumerate() {
            sparse_place[at] = place;
        }
        order.extend(dense.iter().map(|(at, _)| *at));
        order.push(self.width);
        let mut sparse: Vec<(usize, &DesignColumn, &[u32])> = self
            .columns
            .iter()
            .filter_map(|(at, column)| match column {
                DesignColumn::Dense(_) => None,
                DesignColumn::Indicator(rows) => Some((*at, column, range(rows, start, end))),
                DesignColumn::OneHot(_) => Some((*at, column, &[][..])),
            })
            .collect();
        let size = into.size;
        let mut sums = vec![0.0; size * size];
        let mut numbers = vec![1.0; dense.len() + 1];
        let mut set: Vec<usize> = Vec::with_capacity(sparse.len());
        for (row, &curvature) in (start..).zip(curvatures) {
            set.clear();
            for (at, column, indicated) in &mut sparse {
                match column {
                    DesignColumn::OneHot(places) if places[row] != u32::MAX => {
                        set.push(sparse_place[places[row] as usize]);
                    }
                    DesignColumn::Indicator(_) if indicated.first() == Some(&(row as u32)) => {
                        *indicated = &indicated[1..];
                        set.push(sparse_place[*at]);
                    }
                    _ => {}
                }
            }
            for (number, (_, column)) in numbers.iter_mut().zip(&dense) {
                *number = column[row];
            }
            for (nth, &place) in set.iter().enumerate() {
                let line = &mut sums[place * size..(place + 1) * size];
                for &other in &set[nth..] {
                    line[other] += curvature;
                }
                add_scaled(&mut line[first_number..], curvature, &numbers);
            }
            for (nth, value) in numbers.iter().enumerate() {
                let place = first_number + nth;
                let line = &mut sums[place * size + place..(place + 1) * size];
                add_scaled(line, curvature * value, &numbers[nth..]);
            }
        }
        for (place, &row) in order.iter().enumerate() {
            for (other, &column) in order.iter().enumerate().skip(place) {
                let (row, column) = (row.min(column), row.max(column));
                into.entries[row * size + column] += sums[place * size + other];
            }
        }
    }
}

fn range(rows: &[u32], start: usize, end: usize) -> &[u32] {
    let from = rows.partition_point(|&row| (row as usize) < start);
    let to = rows.partition_point(|&row| (row as usize) < end);
    &rows[from..to]
}

#[cfg(test)]
impl Design {
    /// The columns of a matrix.
    pub(crate) fn dense(matrix: &Matrix) -> Self {
        let mut design = Self::empty(matrix.rows());
        for column in 0..matrix.columns {
            design.push(
                DesignColumn::Dense(matrix.iter().map(|row| row[column]).collect()),
                1,
            );
        }
        design
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_0_and_1_do_what_the_same_numbers_do() {
        let mut design = Design::empty(3);
        design.push(DesignColumn::Dense(vec![1.0, 2.0, 3.0]), 1);
        design.push(DesignColumn::OneHot(vec![1, 9, 0]), 2);
        design.push(DesignColumn::Dense(vec![-1.0, 0.5, 4.0]), 1);
        design.push(DesignColumn::Indicator(vec![0, 2]), 1);
        let dense = Design::dense(&design.dense_rows());
        let (weights, residuals) = ([0.5, -1.0, 2.0, 3.0, 0.25], [1.0, -2.0, 0.25]);
        let (mut left, mut right) = (vec![0.0; 3], vec![0.0; 3]);
        design.times(&weights, 0, &mut left);
        dense.times(&weights, 0, &mut right);
        assert_eq!(left, right);
        let (mut left, mut right) = (vec![0.0; 5], vec![0.0; 5]);
        design.transposed_times(&residuals, 0, &mut left);
        dense.transposed_times(&residuals, 0, &mut right);
        assert_eq!(left, right);
        let (mut left, mut right) = (Symmetric::zero(6), Symmetric::zero(6));
        design.second_derivatives(&[2.0, 4.0], 1, &mut left);
        dense.second_derivatives(&[2.0, 4.0], 1, &mut right);
        assert_eq!(left.entries, right.entries);
        let ones = [1.0; 3];
        assert_eq!(design.mean_squares(&ones, 3.0), dense.mean_squares(&ones, 3.0));
        let without = design.without(&(1..3)).dense_rows();
        assert_eq!(without.row(0), [1.0, 0.0, 0.0, -1.0, 1.0]);
    }
}
