//! Intervals of any metric by drawing rows again.

use super::Interval;
use crate::error::ModelError;
use crate::random::Random;
use rayon::prelude::*;

/// 95 % interval by the percentile bootstrap (Efron 1979): the metric on `draws` samples of as many
/// rows with replacement, from the 2.5th to the 97.5th percentile. Draws on which the metric is
/// undefined (one class only) are left out; the same seed gives the same interval.
///
/// # Errors
/// `NoRows` if no draw gives a value.
pub fn bootstrap_interval(
    scores: &[f64],
    labels: &[f64],
    draws: usize,
    seed: u64,
    metric: impl Fn(&[f64], &[f64]) -> Result<f64, ModelError> + Sync,
) -> Result<Interval, ModelError> {
    let rows = scores.len().min(labels.len());
    let mut values: Vec<f64> = (0..draws)
        .into_par_iter()
        .filter_map(|draw| {
            let mut random = Random::stream(seed, draw as u64);
            let chosen: Vec<usize> = (0..rows).map(|_| random.below(rows)).collect();
            let scores: Vec<f64> = chosen.iter().map(|&row| scores[row]).collect();
            let labels: Vec<f64> = chosen.iter().map(|&row| labels[row]).collect();
            metric(&scores, &labels).ok()
        })
        .collect();
    if values.is_empty() {
        return Err(ModelError::NoRows {
            doing: "draw samples from",
        });
    }
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    Ok(Interval {
        low: at(0.025),
        high: at(0.975),
    })
}

#[cfg(test)]
mod tests {
    use super::super::reference::rows;
    use super::*;

    #[test]
    fn the_interval_is_near_delongs_and_the_same_for_the_same_seed() {
        let rows = rows();
        let interval = |seed| bootstrap_interval(&rows.s, &rows.y, 500, seed, super::super::roc_auc).unwrap();
        let exact = super::super::auc_estimate(&rows.s, &rows.y).unwrap().interval;
        assert!((interval(1).low - exact.low).abs() < 0.01 && (interval(1).high - exact.high).abs() < 0.01);
        assert_eq!(interval(1), interval(1));
        assert_ne!(interval(1), interval(2));
    }
}
