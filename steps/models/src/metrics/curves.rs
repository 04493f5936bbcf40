//! The curves behind the numbers.

use super::ranking::for_ties;
use super::{check_both_classes, descending};
use crate::error::ModelError;

/// A point of a curve and the lowest score that is a positive decision there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    pub x: f64,
    pub y: f64,
    pub threshold: f64,
}

/// ROC curve: share of negatives (x) and of positives (y) at or above each score, from (0, 0) to
/// (1, 1); at most `most` points, evenly thinned.
///
/// # Errors
/// As [`super::roc_auc`].
pub fn roc_curve(scores: &[f64], labels: &[f64], most: usize) -> Result<Vec<CurvePoint>, ModelError> {
    let (counts, positives, negatives) = cumulated(scores, labels)?;
    let mut points = vec![CurvePoint {
        x: 0.0,
        y: 0.0,
        threshold: f64::INFINITY,
    }];
    points.extend(counts.iter().map(|&(threshold, hits, rows)| CurvePoint {
        x: (rows - hits) / negatives,
        y: hits / positives,
        threshold,
    }));
    Ok(thinned(points, most))
}

/// Precision (y) by recall (x) for each score, from the highest on; at most `most` points.
///
/// # Errors
/// As [`super::roc_auc`].
pub fn pr_curve(scores: &[f64], labels: &[f64], most: usize) -> Result<Vec<CurvePoint>, ModelError> {
    let (counts, positives, _) = cumulated(scores, labels)?;
    let points = counts
        .iter()
        .map(|&(threshold, hits, rows)| CurvePoint {
            x: hits / positives,
            y: hits / rows,
            threshold,
        })
        .collect();
    Ok(thinned(points, most))
}

/// (score, positives, rows) at or above each distinct score, and all positives and negatives.
type Cumulated = (Vec<(f64, f64, f64)>, f64, f64);

fn cumulated(scores: &[f64], labels: &[f64]) -> Result<Cumulated, ModelError> {
    check_both_classes(scores, labels)?;
    let order = descending(scores);
    let (mut hits, mut rows_so_far) = (0.0, 0.0);
    let mut counts = Vec::new();
    for_ties(&order, scores, |rows| {
        hits += rows.iter().map(|&row| labels[row as usize]).sum::<f64>();
        rows_so_far += rows.len() as f64;
        counts.push((scores[rows[0] as usize], hits, rows_so_far));
    });
    Ok((counts, hits, rows_so_far - hits))
}

fn thinned(points: Vec<CurvePoint>, most: usize) -> Vec<CurvePoint> {
    let most = most.max(2);
    if points.len() <= most {
        return points;
    }
    let last = points.len() - 1;
    (0..most).map(|at| points[at * last / (most - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::reference::rows;
    use super::*;

    #[test]
    fn the_area_under_the_whole_roc_curve_is_the_auc() {
        let rows = rows();
        let points = roc_curve(&rows.s, &rows.y, usize::MAX).unwrap();
        let area: f64 = points
            .windows(2)
            .map(|pair| (pair[1].x - pair[0].x) * (pair[0].y + pair[1].y) / 2.0)
            .sum();
        assert!((area - super::super::roc_auc(&rows.s, &rows.y).unwrap()).abs() < 1e-12);
    }

    #[test]
    fn thinning_keeps_both_ends() {
        let rows = rows();
        let points = roc_curve(&rows.t, &rows.y, 10).unwrap();
        assert_eq!(points.len(), 10);
        assert_eq!((points[0].x, points[9].y), (0.0, 1.0));
        assert_eq!(pr_curve(&rows.t, &rows.y, 10).unwrap()[9].x, 1.0);
    }
}
