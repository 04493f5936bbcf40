//! How training went, round by round.

use serde_json::{Value, json};
use trainyard_models::Progress;

/// Points of a curve, at most; of more every second one is dropped, again and again.
const MOST_POINTS: usize = 500;

/// What training watched on the rows at input `valid`: a number a step.
#[derive(Debug)]
pub(crate) struct Curve {
    unit: &'static str,
    points: Vec<(usize, f64)>,
    /// Steps between two points.
    stride: usize,
    last: Option<(usize, f64)>,
    /// Whether another model of the same training, for calibration, has begun.
    ended: bool,
}

impl Curve {
    pub(crate) fn new() -> Self {
        Self {
            unit: "rounds",
            points: Vec::new(),
            stride: 1,
            last: None,
            ended: false,
        }
    }

    /// Takes news of training.
    pub(crate) fn note(&mut self, progress: &Progress<'_>) {
        let Some(value) = progress.valid_metric else {
            return;
        };
        self.ended |= self.last.is_some_and(|(step, _)| progress.done <= step);
        if self.ended {
            return;
        }
        self.unit = progress.unit;
        self.last = Some((progress.done, value));
        if !progress.done.saturating_sub(1).is_multiple_of(self.stride) {
            return;
        }
        self.points.push((progress.done, value));
        if self.points.len() > MOST_POINTS {
            self.stride *= 2;
            let stride = self.stride;
            self.points
                .retain(|(step, _)| step.saturating_sub(1).is_multiple_of(stride));
        }
    }

    /// The curve as metrics keep it; none without rows to watch.
    pub(crate) fn record(&self, metric: &str) -> Option<Value> {
        let last = self.last?;
        let mut points = self.points.clone();
        if points.last() != Some(&last) {
            points.push(last);
        }
        let (steps, values): (Vec<usize>, Vec<f64>) = points.into_iter().unzip();
        Some(json!({"metric": metric, "rows": "valid", "unit": self.unit, "steps": steps, "values": values}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_is_thinned_evenly_and_keeps_its_ends() {
        let mut curve = Curve::new();
        for done in 1..=2_000 {
            curve.note(&Progress {
                done,
                total: 2_000,
                unit: "rounds",
                valid_metric: Some(1.0 / done as f64),
                valid: None,
            });
        }
        let record = curve.record("loss").unwrap();
        let steps = record["steps"].as_array().unwrap();
        assert!(steps.len() <= MOST_POINTS + 1 && steps.len() > 200);
        assert_eq!((steps[0].as_u64(), steps[1].as_u64()), (Some(1), Some(5)));
        assert_eq!(steps.last().and_then(Value::as_u64), Some(2_000));
        assert_eq!(Curve::new().record("loss"), None);
    }
}
