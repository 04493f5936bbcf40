//! How well scores put positives before negatives.

use super::{check_both_classes, descending};
use crate::error::ModelError;

/// Area under the ROC curve: the chance that a positive row scores above a negative one, ties
/// counting half (Hanley and McNeil 1982).
///
/// # Errors
/// `OneClass`, `NoRows`, `LengthMismatch`, `NotBinary`, `NotFinite`.
pub fn roc_auc(scores: &[f64], labels: &[f64]) -> Result<f64, ModelError> {
    check_both_classes(scores, labels)?;
    let order = descending(scores);
    let (mut positives, mut negatives, mut pairs_won_twice) = (0u64, 0u64, 0u128);
    for_ties(&order, scores, |rows| {
        let tied_positives = rows.iter().filter(|&&row| labels[row as usize] == 1.0).count() as u64;
        let tied_negatives = rows.len() as u64 - tied_positives;
        pairs_won_twice += u128::from(tied_negatives) * u128::from(2 * positives + tied_positives);
        positives += tied_positives;
        negatives += tied_negatives;
    });
    Ok(pairs_won_twice as f64 / 2.0 / (positives as f64 * negatives as f64))
}

/// Average precision: the sum over thresholds of precision times the gain in recall; no
/// interpolation, as in scikit-learn.
///
/// # Errors
/// As [`roc_auc`].
pub fn average_precision(scores: &[f64], labels: &[f64]) -> Result<f64, ModelError> {
    check_both_classes(scores, labels)?;
    let order = descending(scores);
    let total = labels.iter().sum::<f64>();
    let (mut positives, mut rows_so_far, mut area) = (0.0, 0.0, 0.0);
    for_ties(&order, scores, |rows| {
        let tied: f64 = rows.iter().map(|&row| labels[row as usize]).sum();
        positives += tied;
        rows_so_far += rows.len() as f64;
        area += positives / rows_so_far * tied / total;
    });
    Ok(area)
}

/// Calls `each` with the rows of every score, from the highest to the lowest.
pub(super) fn for_ties(order: &[u32], scores: &[f64], mut each: impl FnMut(&[u32])) {
    for rows in order.chunk_by(|&left, &right| scores[left as usize] == scores[right as usize]) {
        each(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{close, rows};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_those_of_scikit_learn() {
        let rows = rows();
        close(roc_auc(&rows.s, &rows.y).unwrap(), 0.668_420_374_160_073_5);
        close(
            average_precision(&rows.s, &rows.y).unwrap(),
            0.616_747_013_559_355_1,
        );
        close(roc_auc(&rows.t, &rows.y).unwrap(), 0.609_210_589_922_493_1);
        close(average_precision(&rows.t, &rows.y).unwrap(), 0.566_603_539_533);
    }

    #[test]
    fn one_class_or_a_score_that_is_no_number_is_an_error() {
        assert_eq!(roc_auc(&[0.1, 0.2], &[1.0, 1.0]), Err(ModelError::OneClass));
        assert!(roc_auc(&[f64::NAN, 0.2], &[1.0, 0.0]).is_err());
        assert!(roc_auc(&[], &[]).is_err());
        assert!(roc_auc(&[0.5], &[1.0, 0.0]).is_err());
    }

    proptest! {
        #[test]
        fn auc_keeps_under_rising_functions_and_turns_with_the_label(
            rows in prop::collection::vec((0u8..20, any::<bool>()), 2..60)
        ) {
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
            let labels: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(row.1))).collect();
            prop_assume!(labels.contains(&0.0) && labels.contains(&1.0));
            let auc = roc_auc(&scores, &labels).unwrap();
            let risen: Vec<f64> = scores.iter().map(|score| (score / 7.0).exp()).collect();
            prop_assert_eq!(roc_auc(&risen, &labels).unwrap(), auc);
            let turned: Vec<f64> = labels.iter().map(|label| 1.0 - label).collect();
            prop_assert!((roc_auc(&scores, &turned).unwrap() + auc - 1.0).abs() < 1e-12);
        }
    }
}
