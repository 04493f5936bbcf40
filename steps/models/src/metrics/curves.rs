//! The curves behind the numbers.

use super::Binary;
use super::ranking::{Ranking, Step};
use crate::error::ModelError;

/// A point of a curve and the lowest score that is a positive decision there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    pub x: f64,
    pub y: f64,
    pub threshold: f64,
}

/// Where nothing is called positive.
const NOTHING: Step = Step {
    threshold: f64::INFINITY,
    hits: 0.0,
    misses: 0.0,
};

impl Ranking {
    /// ROC curve: share of negatives (x) and of positives (y) at or above each score, from (0, 0)
    /// to (1, 1).
    pub fn roc_curve(&self) -> Vec<CurvePoint> {
        self.since_nothing(|step| (step.misses / self.negatives, step.hits / self.positives))
    }

    /// Precision (y) by recall (x) for each score, from the highest on.
    pub fn precision_recall_curve(&self) -> Vec<CurvePoint> {
        let point = |step: &Step| CurvePoint {
            x: step.hits / self.positives,
            y: step.hits / (step.hits + step.misses),
            threshold: step.threshold,
        };
        self.steps.iter().map(point).collect()
    }

    /// Detection error tradeoff (Martin et al. 1997): share of negatives called positive (x) and of
    /// positives missed (y), from the highest score on. Points before the last without a false
    /// alarm and after the first without a miss are left out, as in scikit-learn.
    pub fn det_curve(&self) -> Vec<CurvePoint> {
        let points =
            self.since_nothing(|step| (step.misses / self.negatives, 1.0 - step.hits / self.positives));
        let all = [NOTHING].into_iter().chain(self.steps.iter().copied());
        let clean = all.take_while(|step| step.misses == 0.0).count();
        let found = self
            .steps
            .iter()
            .take_while(|step| step.hits < self.positives)
            .count()
            + 1;
        points
            .into_iter()
            .take(found + 1)
            .skip(clean.saturating_sub(1))
            .collect()
    }

    /// Cumulative gain: share of positives (y) among the share of rows with the highest scores (x).
    pub fn gain_curve(&self) -> Vec<CurvePoint> {
        let rows = self.positives + self.negatives;
        self.since_nothing(|step| ((step.hits + step.misses) / rows, step.hits / self.positives))
    }

    /// Lift (y) of the share of rows with the highest scores (x): how many times as many positives
    /// they hold as rows drawn at random.
    pub fn lift_curve(&self) -> Vec<CurvePoint> {
        self.gain_curve()
            .into_iter()
            .skip(1)
            .map(|point| CurvePoint {
                y: point.y / point.x,
                ..point
            })
            .collect()
    }

    fn since_nothing(&self, at: impl Fn(&Step) -> (f64, f64)) -> Vec<CurvePoint> {
        [NOTHING]
            .iter()
            .chain(&self.steps)
            .map(|step| {
                let (x, y) = at(step);
                CurvePoint {
                    x,
                    y,
                    threshold: step.threshold,
                }
            })
            .collect()
    }
}

/// [`Ranking::roc_curve`] with at most `most` points, evenly thinned.
///
/// # Errors
/// As [`super::roc_auc`].
pub fn roc_curve(scores: &[f64], labels: &[f64], most: usize) -> Result<Vec<CurvePoint>, ModelError> {
    Ok(thinned(Binary::new(scores, labels)?.ranking()?.roc_curve(), most))
}

/// [`Ranking::precision_recall_curve`] with at most `most` points, evenly thinned.
///
/// # Errors
/// As [`super::roc_auc`].
pub fn pr_curve(scores: &[f64], labels: &[f64], most: usize) -> Result<Vec<CurvePoint>, ModelError> {
    let ranking = Binary::new(scores, labels)?.ranking()?;
    Ok(thinned(ranking.precision_recall_curve(), most))
}

/// At most `most` points (at least 2) of a curve, evenly chosen; both ends stay.
pub fn thinned(points: Vec<CurvePoint>, most: usize) -> Vec<CurvePoint> {
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

    #[test]
    fn gain_and_lift_curves_pass_through_the_values_at_their_shares() {
        let rows = rows();
        let ranking = Binary::new(&rows.s, &rows.y).unwrap().ranking().unwrap();
        for (gain, lift) in ranking.gain_curve().iter().skip(1).zip(ranking.lift_curve()) {
            assert!((gain.y - ranking.gain_at(gain.x)).abs() < 1e-12);
            assert!((lift.y - ranking.lift_at(lift.x)).abs() < 1e-12);
        }
    }
}
