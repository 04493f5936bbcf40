//! Scores of rows by models that have not seen them.

use crate::error::ModelError;
use crate::random::Random;

/// Folds of a fit that calibrates itself.
const FOLDS: usize = 5;

/// The fold of every row, at random with the same share of each class.
pub(crate) fn fold_of(target: &[f64], folds: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..target.len()).collect();
    Random::stream(seed, 0x0066_6f6c_6473).shuffle(&mut order);
    order.sort_by(|&left, &right| target[left].total_cmp(&target[right]));
    let mut fold_of = vec![0; target.len()];
    for (place, &row) in order.iter().enumerate() {
        fold_of[row] = place % folds;
    }
    fold_of
}

/// For every row the scores of a model that was fitted without its fold. `fit` is given weights and
/// gives `outputs` scores for every row; rows of weight 0 must leave no trace in them.
pub(crate) fn out_of_fold(
    target: &[f64],
    weights: &[f64],
    outputs: usize,
    seed: u64,
    mut fit: impl FnMut(&[f64]) -> Result<Vec<f64>, ModelError>,
) -> Result<Vec<f64>, ModelError> {
    let fold_of = fold_of(target, FOLDS, seed);
    let mut scores = vec![0.0; outputs * target.len()];
    for fold in 0..FOLDS {
        let others: Vec<f64> = weights
            .iter()
            .zip(&fold_of)
            .map(|(weight, of)| if *of == fold { 0.0 } else { *weight })
            .collect();
        if others.iter().all(|weight| *weight == 0.0) {
            return Err(ModelError::NoRows {
                doing: "calibrate by (fewer than two have weight)",
            });
        }
        let found = fit(&others)?;
        for row in (0..target.len()).filter(|&row| fold_of[row] == fold) {
            let places = row * outputs..(row + 1) * outputs;
            scores[places.clone()].copy_from_slice(&found[places]);
        }
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fold_has_its_share_of_every_class() {
        let target: Vec<f64> = (0..100).map(|row| f64::from(u8::from(row % 10 == 0))).collect();
        let folds = fold_of(&target, 5, 3);
        for fold in 0..5 {
            let rows = || (0..100).filter(|&row| folds[row] == fold);
            assert_eq!(rows().count(), 20);
            assert_eq!(rows().filter(|&row| target[row] == 1.0).count(), 2);
        }
        assert_ne!(folds, fold_of(&target, 5, 4));
    }

    #[test]
    fn no_row_is_scored_by_a_model_that_saw_it() {
        let target = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
        let scores = out_of_fold(&target, &[1.0; 7], 1, 1, |weights| {
            // A "model" that says which rows it saw.
            Ok(weights.to_vec())
        });
        assert_eq!(scores, Ok(vec![0.0; 7]));
    }
}
