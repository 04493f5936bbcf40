//! How fast a model answers.

use super::metric::Speed;
use std::time::Instant;
use trainyard_contract::StepError;
use trainyard_models::latency::measure_latency;
use trainyard_models::{Frame, Model, Predictor};

use crate::train::rows::refused;

/// Single predictions that are timed.
const TIMED_ROWS: usize = 2_000;
/// All rows are predicted as often, and the fastest time counts: the others were disturbed.
const BATCHES: usize = 3;

/// Milliseconds of predicting one row, and rows predicted a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) rows: usize,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) rows_per_second: f64,
}

impl Timing {
    /// Times the model on these rows: one by one without network or parsing, and all at once on the
    /// threads of the step.
    ///
    /// # Errors
    /// What prediction reports.
    pub(crate) fn take(model: &Model, frame: &Frame) -> Result<Self, StepError> {
        let single = measure_latency(model, frame, TIMED_ROWS).map_err(|error| refused(&error))?;
        let mut fastest = f64::INFINITY;
        for _ in 0..BATCHES {
            let started = Instant::now();
            std::hint::black_box(model.predict(frame).map_err(|error| refused(&error))?);
            fastest = fastest.min(started.elapsed().as_secs_f64());
        }
        let millis = |time: std::time::Duration| time.as_secs_f64() * 1_000.0;
        Ok(Self {
            rows: single.rows,
            p50: millis(single.p50),
            p95: millis(single.p95),
            p99: millis(single.p99),
            rows_per_second: frame.rows() as f64 / fastest.max(1e-9),
        })
    }

    pub(crate) fn of(&self, speed: Speed) -> f64 {
        match speed {
            Speed::P50 => self.p50,
            Speed::P95 => self.p95,
            Speed::P99 => self.p99,
            Speed::RowsPerSecond => self.rows_per_second,
        }
    }
}
