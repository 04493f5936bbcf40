//! The rising curve nearest to points, by pooling neighbours that fall (Ayer et al. 1955).

/// A curve through points, linear between them and flat outside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Steps {
    /// Ascending.
    pub(crate) at: Vec<f64>,
    pub(crate) values: Vec<f64>,
}

/// Points that share a value.
struct Pool {
    first: f64,
    last: f64,
    weight: f64,
    mean: f64,
}

impl Steps {
    /// The rising curve with the least squared error. Points of weight 0 say nothing; there must be
    /// others.
    pub(crate) fn fit(scores: &[f64], target: &[f64], weights: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).filter(|&row| weights[row] > 0.0).collect();
        order.sort_by(|&left, &right| scores[left].total_cmp(&scores[right]).then(left.cmp(&right)));
        let mut pools: Vec<Pool> = Vec::new();
        for row in order.chunk_by(|left, right| scores[*left] == scores[*right]) {
            let weight: f64 = row.iter().map(|&row| weights[row]).sum();
            let sum: f64 = row.iter().map(|&row| weights[row] * target[row]).sum();
            let at = scores[row[0]];
            let mut pool = Pool {
                first: at,
                last: at,
                weight,
                mean: sum / weight,
            };
            while let Some(before) = pools.pop_if(|before| before.mean >= pool.mean) {
                let weight = before.weight + pool.weight;
                pool = Pool {
                    first: before.first,
                    last: pool.last,
                    weight,
                    mean: (before.mean * before.weight + pool.mean * pool.weight) / weight,
                };
            }
            pools.push(pool);
        }
        let mut steps = Self {
            at: Vec::new(),
            values: Vec::new(),
        };
        for pool in &pools {
            steps.at.push(pool.first);
            steps.values.push(pool.mean);
            if pool.last > pool.first {
                steps.at.push(pool.last);
                steps.values.push(pool.mean);
            }
        }
        steps
    }

    /// The curve's value.
    pub(crate) fn value(&self, score: f64) -> f64 {
        let right = self.at.partition_point(|at| *at < score);
        match (right.checked_sub(1), self.at.get(right)) {
            (None, _) => self.values.first().copied().unwrap_or(0.0),
            (Some(left), None) => self.values[left],
            (Some(left), Some(&end)) => {
                let (start, low, high) = (self.at[left], self.values[left], self.values[right]);
                low + (high - low) * ((score - start) / (end - start))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falling_neighbours_are_pooled() {
        // By hand: 3 and 1 fall and share 2.
        let steps = Steps::fit(&[1.0, 2.0, 3.0, 4.0], &[0.0, 3.0, 1.0, 5.0], &[1.0; 4]);
        assert_eq!(steps.at, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(steps.values, [0.0, 2.0, 2.0, 5.0]);
        assert_eq!(steps.value(0.0), 0.0);
        assert_eq!(steps.value(1.5), 1.0);
        assert_eq!(steps.value(9.0), 5.0);
    }
}
