//! Dense rows of numbers, as distances and kernels take them.

/// Numbers row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) columns: usize,
    pub(crate) values: Vec<f64>,
}

impl Matrix {
    /// A matrix of zeros.
    pub(crate) fn zero(rows: usize, columns: usize) -> Self {
        Self {
            columns,
            values: vec![0.0; rows * columns],
        }
    }

    /// Number of rows; 0 if there are no columns.
    pub(crate) fn rows(&self) -> usize {
        self.values.len().checked_div(self.columns).unwrap_or(0)
    }

    /// One row.
    #[inline]
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// One row, to be changed.
    #[inline]
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// All rows in order.
    pub(crate) fn iter(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.columns.max(1))
    }

    /// Some rows, in the order given.
    pub(crate) fn take(&self, rows: &[usize]) -> Self {
        Self {
            columns: self.columns,
            values: rows.iter().flat_map(|&row| self.row(row)).copied().collect(),
        }
    }
}

/// The sum of products. Four sums run side by side, always in the same order.
#[inline]
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let (left_fours, left_rest) = left.as_chunks::<4>();
    let (right_fours, right_rest) = right.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (left, right) in left_fours.iter().zip(right_fours) {
        for lane in 0..4 {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(l, r)| l * r).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Squared Euclidean distance, summed as [`dot`] does.
#[inline]
pub(crate) fn squared_distance(left: &[f64], right: &[f64]) -> f64 {
    squared_distance_within(left, right, f64::INFINITY)
}

/// [`squared_distance`], or infinity as soon as it is seen to exceed `limit`.
#[inline]
pub(crate) fn squared_distance_within(left: &[f64], right: &[f64], limit: f64) -> f64 {
    let (left_parts, left_rest) = left.as_chunks::<16>();
    let (right_parts, right_rest) = right.as_chunks::<16>();
    let mut sums = [0.0; 4];
    for (left, right) in left_parts.iter().zip(right_parts) {
        for four in 0..4 {
            for lane in 0..4 {
                let difference = left[4 * four + lane] - right[4 * four + lane];
                sums[lane] += difference * difference;
            }
        }
        // Later terms only add.
        if (sums[0] + sums[1]) + (sums[2] + sums[3]) > limit {
            return f64::INFINITY;
        }
    }
    let (left_fours, left_rest) = left_rest.as_chunks::<4>();
    let (right_fours, right_rest) = right_rest.as_chunks::<4>();
    for (left, right) in left_fours.iter().zip(right_fours) {
        for lane in 0..4 {
            let difference = left[lane] - right[lane];
            sums[lane] += difference * difference;
        }
    }
    let rest: f64 = left_rest
        .iter()
        .zip(right_rest)
        .map(|(l, r)| (l - r) * (l - r))
        .sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// `into += factor · vector`.
#[inline]
pub(crate) fn add_scaled(into: &mut [f64], factor: f64, vector: &[f64]) {
    into.iter_mut()
        .zip(vector)
        .for_each(|(into, entry)| *into += factor * entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_distances_of_every_length_are_those_of_the_definition() {
        for length in 0..40 {
            let left: Vec<f64> = (0..length).map(f64::from).collect();
            let right: Vec<f64> = left.iter().map(|entry| 2.0 * entry + 1.0).collect();
            // Whole numbers: every order of summing gives the same.
            let products: f64 = left.iter().zip(&right).map(|(l, r)| l * r).sum();
            let squares: f64 = left.iter().zip(&right).map(|(l, r)| (l - r) * (l - r)).sum();
            assert_eq!(dot(&left, &right), products);
            assert_eq!(squared_distance(&left, &right), squares);
            assert_eq!(squared_distance_within(&left, &right, squares), squares);
            assert!(squared_distance_within(&left, &right, squares - 1.0) >= squares);
        }
    }

    #[test]
    fn rows_are_taken_in_the_order_asked_for() {
        let matrix = Matrix {
            columns: 2,
            values: vec![1.0, 2.0, 3.0, 4.0],
        };
        assert_eq!(matrix.take(&[1, 0, 1]).values, [3.0, 4.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(Matrix::default().rows(), 0);
    }
}
