//! The training rows after preprocessing, column by column: one-hot columns as one list of places.

use crate::linear::Symmetric;

/// A matrix of rows × columns.
pub(crate) struct Design {
    /// Columns with the place of their first.
    columns: Vec<(usize, DesignColumn)>,
    pub(crate) rows: usize,
    pub(crate) width: usize,
}

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

    #[allow(dead_code, reason = "for algorithms that measure distances")]
    /// All entries, row by row: `rows · width` of them.
    pub(crate) fn dense_rows(&self) -> Vec<f64> {
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
        entries
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
                    into[*at] += residuals
                        .iter()
                        .zip(&values[start..end])
                        .map(|(r, value)| r * value)
                        .sum::<f64>();
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
        let size = into.size;
        let end = start + curvatures.len();
        let mut indicated: Vec<&[u32]> = self
            .columns
            .iter()
            .map(|(_, column)| match column {
                DesignColumn::Indicator(rows) => range(rows, start, end),
                _ => &[],
            })
            .collect();
        let mut filled: Vec<(usize, f64)> = Vec::with_capacity(self.columns.len() + 1);
        for (row, &curvature) in (start..).zip(curvatures) {
            filled.clear();
            for ((at, column), indicated) in self.columns.iter().zip(&mut indicated) {
                match column {
                    DesignColumn::Dense(values) => filled.push((*at, values[row])),
                    DesignColumn::Indicator(_) => {
                        if indicated.first() == Some(&(row as u32)) {
                            *indicated = &indicated[1..];
                            filled.push((*at, 1.0));
                        }
                    }
                    DesignColumn::OneHot(places) => {
                        if places[row] != u32::MAX {
                            filled.push((places[row] as usize, 1.0));
                        }
                    }
                }
            }
            filled.push((self.width, 1.0));
            // Places ascend, so that only the upper half is touched.
            for (nth, &(place, value)) in filled.iter().enumerate() {
                let factor = curvature * value;
                let line = &mut into.entries[place * size..(place + 1) * size];
                for &(other, value) in &filled[nth..] {
                    line[other] += factor * value;
                }
            }
        }
    }
}

fn range(rows: &[u32], start: usize, end: usize) -> &[u32] {
    let from = rows.partition_point(|&row| (row as usize) < start);
    let to = rows.partition_point(|&row| (row as usize) < end);
    &rows[from..to]
}
