//! Metrics and their history.

use super::run::{READING, WRITING};
use super::{Pair, Tracking, TrackingError};
use crate::database::params;
use crate::queries;
use std::collections::HashMap;
use trainyard_domain::tracking::metric::is_later;
use trainyard_domain::tracking::{MetricValue, Refusal};

/// A measured value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricPoint {
    /// Milliseconds since 1970.
    pub at: i64,
    pub step: i64,
    pub value: MetricValue,
}

impl MetricPoint {
    pub(super) fn of(at: i64, step: i64, value: f64, is_nan: bool) -> Self {
        let value = MetricValue::new(if is_nan { f64::NAN } else { value });
        Self { at, step, value }
    }
}

/// A point that is to be logged.
#[derive(Clone, Debug)]
pub struct NewMetric<'a> {
    pub key: &'a str,
    pub point: MetricPoint,
    /// The logged model it was measured of.
    pub model: Option<&'a str>,
    /// Name and digest of what it was measured on.
    pub dataset: (Option<&'a str>, Option<&'a str>),
}

impl Tracking<'_> {
    /// Logs metrics, parameters and tags: all, or none.
    ///
    /// # Errors
    /// If the run is not there or deleted, a parameter has another value already, or a logged model is not there.
    pub fn log_batch(
        &self,
        id: &str,
        metrics: &[NewMetric<'_>],
        logged: &[Pair],
        tags: &[Pair],
    ) -> Result<(), TrackingError> {
        let place = self.place(id)?;
        let new = self.new_params(id, place, logged)?;
        let mut models: HashMap<&str, i64> = HashMap::new();
        for model in metrics.iter().filter_map(|metric| metric.model) {
            if !models.contains_key(model) {
                models.insert(model, self.logged_model_number(model)?);
            }
        }
        self.put_metrics(place.0, metrics)?;
        for metric in metrics {
            if let Some(model) = metric.model.and_then(|model| models.get(model)) {
                self.put_model_metric(*model, id, metric)?;
            }
        }
        self.put_params(place, &new)?;
        self.put_tags(id, place, tags)
    }

    /// Adds points, and brings the latest of each metric up to them.
    pub(super) fn put_metrics(&self, run: i64, metrics: &[NewMetric<'_>]) -> Result<(), TrackingError> {
        let mut latest: HashMap<&str, MetricPoint> = HashMap::new();
        for metric in metrics {
            let MetricPoint { at, step, value } = metric.point;
            let values = params![run, metric.key, at, step, value.stored(), value.is_nan()];
            self.store
                .send(WRITING, queries::TRACKED_RUN_PUT_METRIC, values)?;
            let known = latest.entry(metric.key).or_insert(metric.point);
            if is_later((step, at, value), (known.step, known.at, known.value)) {
                *known = metric.point;
            }
        }
        // In an order that everybody keeps, so that nobody waits for somebody who waits for them.
        let mut latest: Vec<_> = latest.into_iter().collect();
        latest.sort_unstable_by_key(|(key, _)| *key);
        for (key, MetricPoint { at, step, value }) in latest {
            let values = params![run, key, value.stored(), value.is_nan(), at, step];
            self.store
                .send(WRITING, queries::TRACKED_RUN_PUT_LATEST, values)?;
        }
        Ok(())
    }

    /// Points of a metric in the order of time, step and value, from `offset` on, at most `limit`.
    ///
    /// # Errors
    /// If the run is not there.
    pub fn history(
        &self,
        id: &str,
        key: &str,
        limit: Option<i64>,
        offset: i64,
    ) -> Result<Vec<MetricPoint>, TrackingError> {
        let run = self.run(id)?;
        let values = params![run.number, key, limit.unwrap_or(i64::MAX), offset];
        Ok(self
            .store
            .all(READING, queries::TRACKED_RUN_HISTORY, values, |row| {
                Ok(MetricPoint::of(
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                ))
            })?)
    }
}

impl NewMetric<'_> {
    /// A point of a run alone.
    pub fn plain(key: &str, point: MetricPoint) -> NewMetric<'_> {
        NewMetric {
            key,
            point,
            model: None,
            dataset: (None, None),
        }
    }

    /// Refuses what clients may not send: a time before 1970.
    ///
    /// # Errors
    /// With the sentence that clients know.
    pub fn check_time(&self, path: &str) -> Result<(), Refusal> {
        if self.point.at >= 0 {
            return Ok(());
        }
        Err(Refusal::invalid(format!(
            "Invalid value {} for parameter '{path}' supplied: metric '{}' (value={}). Timestamp must be a nonnegative long \
             (64-bit integer) ",
            self.point.at,
            self.key,
            self.point.value.get()
        )))
    }
}
