//! How training went, round by round.

use serde_json::{Value, json};
use trainyard_models::Progress;

/// Points of a curve, at most; of more every second one is dropped, again and again.
const MOST_POINTS: usize = 500;

/// What training watched on the rows at input `valid`: a number a step.
#[derive(Debug)]
pub(crate) struct Curve {
    unit: &'static str,
    valid: Thinned,
    train: Thinned,
    last: Option<usize>,
    /// Whether another model of the same training, for calibration, has begun.
    ended: bool,
}

/// Points of which every so many are kept, and the last one.
#[derive(Debug)]
struct Thinned {
    points: Vec<(usize, f64)>,
    /// Steps between two points.
    stride: usize,
    last: Option<(usize, f64)>,
}

impl Thinned {
    fn new() -> Self {
        Self {
            points: Vec::new(),
            stride: 1,
            last: None,
        }
    }

    fn add(&mut self, step: usize, value: f64) {
        self.last = Some((step, value));
        if !step.saturating_sub(1).is_multiple_of(self.stride) {
            return;
        }
        self.points.push((step, value));
        if self.points.len() > MOST_POINTS {
            self.stride *= 2;
            let stride = self.stride;
            self.points
                .retain(|(step, _)| step.saturating_sub(1).is_multiple_of(stride));
        }
    }

    fn points(&self) -> Vec<(usize, f64)> {
        let mut points = self.points.clone();
        if points.last() != self.last.as_ref() {
            points.extend(self.last);
        }
        points
    }
}

impl Curve {
    pub(crate) fn new() -> Self {
        Self {
            unit: "rounds",
            valid: Thinned::new(),
            train: Thinned::new(),
            last: None,
            ended: false,
        }
    }

    /// Takes news of training.
    pub(crate) fn note(&mut self, progress: &Progress<'_>) {
        if progress.valid_metric.is_none() && progress.train_metric.is_none() {
            return;
        }
        self.ended |= self.last.is_some_and(|step| progress.done <= step);
        if self.ended {
            return;
        }
        self.unit = progress.unit;
        self.last = Some(progress.done);
        if let Some(value) = progress.valid_metric {
            self.valid.add(progress.done, value);
        }
        if let Some(value) = progress.train_metric {
            self.train.add(progress.done, value);
        }
    }

    /// The curves by the rows they were taken on, `valid` before `train`.
    pub(crate) fn sides(&self) -> Vec<(&'static str, Vec<(usize, f64)>)> {
        [("valid", self.valid.points()), ("train", self.train.points())]
            .into_iter()
            .filter(|(_, points)| !points.is_empty())
            .collect()
    }

    /// What a step is: `rounds`.
    pub(crate) fn unit(&self) -> &'static str {
        self.unit
    }

    /// The curves as metrics keep them: that of rows to watch, else of the training rows, and under `train` the latter.
    pub(crate) fn record(&self, metric: &str) -> Option<Value> {
        let sides = self.sides();
        let (rows, points) = sides.first()?;
        let split = |points: &[(usize, f64)]| -> (Vec<usize>, Vec<f64>) { points.iter().copied().unzip() };
        let (steps, values) = split(points);
        let mut record =
            json!({"metric": metric, "rows": rows, "unit": self.unit, "steps": steps, "values": values});
        if let Some((rows, points)) = sides.get(1) {
            let (steps, values) = split(points);
            record[*rows] = json!({"steps": steps, "values": values});
        }
        Some(record)
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
                train_metric: (done % 40 == 1).then_some(0.5 / done as f64),
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
