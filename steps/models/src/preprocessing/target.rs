//! Categories as the mean label of their rows (Micci-Barreca 2001), without a row seeing its own.

use crate::random::Random;
use crate::task::Task;

/// Parts of the training rows, each encoded with what the others say.
const FOLDS: usize = 5;

/// What means are taken of: a column of labels for each number that a category becomes.
pub(super) struct Labels {
    /// `columns[column][row]`: the label, or whether it is that class.
    columns: Vec<Vec<f64>>,
    /// The fold of each row.
    folds: Vec<usize>,
}

impl Labels {
    /// The labels of the training rows; `None` without a label.
    pub(super) fn of(task: &Task, target: &[f64], seed: u64) -> Option<Self> {
        let columns = match task {
            Task::Binary { .. } | Task::Regression => vec![target.to_vec()],
            Task::Multiclass { classes } => (0..classes.len())
                .map(|class| {
                    let is_class = |label: &f64| f64::from(u8::from(*label == class as f64));
                    target.iter().map(is_class).collect()
                })
                .collect(),
            Task::Cluster => return None,
        };
        let mut order: Vec<usize> = (0..target.len()).collect();
        Random::stream(seed, 0x7461_7267).shuffle(&mut order);
        if *task != Task::Regression {
            // Every fold has its share of every class.
            order.sort_by(|&left, &right| target[left].total_cmp(&target[right]));
        }
        let mut folds = vec![0; target.len()];
        for (place, row) in order.into_iter().enumerate() {
            folds[row] = place % FOLDS;
        }
        Some(Self { columns, folds })
    }

    /// Numbers that a category becomes.
    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// The means of `places` categories, and the mean of all as the last entry, for label column
    /// `column`. `place_of` gives the category of each row; rows of fold `without` are left out.
    pub(super) fn means(
        &self,
        column: usize,
        place_of: &[usize],
        places: usize,
        smoothing: Option<f64>,
        without: Option<usize>,
    ) -> Vec<f64> {
        let labels = &self.columns[column];
        let rows = || (0..labels.len()).filter(|&row| without != Some(self.folds[row]));
        let total = rows().count().max(1) as f64;
        let of_all = rows().map(|row| labels[row]).sum::<f64>() / total;
        let (mut counts, mut sums) = (vec![0.0; places], vec![0.0; places]);
        for row in rows() {
            counts[place_of[row]] += 1.0;
            sums[place_of[row]] += labels[row];
        }
        let mut means: Vec<f64> = match smoothing {
            Some(rows) => sums
                .iter()
                .zip(&counts)
                .map(|(sum, count)| {
                    if count + rows > 0.0 {
                        (sum + rows * of_all) / (count + rows)
                    } else {
                        of_all
                    }
                })
                .collect(),
            None => {
                let variance = rows().map(|row| (labels[row] - of_all).powi(2)).sum::<f64>() / total;
                let mut squares = vec![0.0; places];
                for row in rows() {
                    let place = place_of[row];
                    squares[place] += (labels[row] - sums[place] / counts[place]).powi(2);
                }
                (0..places)
                    .map(|place| {
                        let between = variance * counts[place];
                        let trust = between / (between + squares[place] / counts[place]);
                        if trust.is_nan() {
                            of_all
                        } else {
                            trust * sums[place] / counts[place] + (1.0 - trust) * of_all
                        }
                    })
                    .collect()
            }
        };
        means.push(of_all);
        means
    }

    /// As [`Labels::means`], each row with what the rows of other folds say of its category.
    pub(super) fn cross_fitted(
        &self,
        column: usize,
        place_of: &[usize],
        places: usize,
        smoothing: Option<f64>,
    ) -> Vec<f64> {
        let by_fold: Vec<Vec<f64>> = (0..FOLDS)
            .map(|fold| self.means(column, place_of, places, smoothing, Some(fold)))
            .collect();
        place_of
            .iter()
            .zip(&self.folds)
            .map(|(&place, &fold)| by_fold[fold][place])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [usize; 8] = [0, 0, 0, 1, 1, 1, 1, 2];
    const LABELS: [f64; 8] = [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0];

    fn labels() -> Labels {
        let task = Task::Binary {
            negative: "n".into(),
            positive: "p".into(),
        };
        Labels::of(&task, &LABELS, 3).unwrap()
    }

    #[test]
    fn means_are_smoothed_as_in_scikit_learn() {
        // TargetEncoder(smooth=2).fit: (Σy + 2·0.5) / (n + 2).
        let found = labels().means(0, &PLACES, 3, Some(2.0), None);
        for (found, expected) in found.iter().zip([3.0 / 5.0, 2.0 / 6.0, 2.0 / 3.0, 0.5]) {
            assert!((found - expected).abs() < 1e-12);
        }
        // TargetEncoder(smooth="auto"): by hand for the first, λ = 0.75 / (0.75 + (2/3)/3).
        let trust = 0.75 / (0.75 + 2.0 / 9.0);
        let found = labels().means(0, &PLACES, 3, None, None);
        assert!((found[0] - (trust * 2.0 / 3.0 + (1.0 - trust) * 0.5)).abs() < 1e-12);
        assert_eq!(found[2], 1.0);
    }

    #[test]
    fn no_training_row_sees_its_own_label() {
        // A category of one row is encoded as all the others are: it says nothing.
        let found = labels().cross_fitted(0, &PLACES, 3, Some(0.0));
        let fold = labels().folds[7];
        let others: Vec<f64> = (0..8)
            .filter(|&row| labels().folds[row] != fold)
            .map(|row| LABELS[row])
            .collect();
        assert!((found[7] - others.iter().sum::<f64>() / others.len() as f64).abs() < 1e-12);
    }
}
