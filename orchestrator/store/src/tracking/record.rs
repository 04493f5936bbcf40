//! What runs of pipelines track by themselves, in the transaction of the events that say so.
//!
//! Everything goes by names and ids that are known beforehand, so that nothing has to be asked and a turn
//! stays as short as it was.

use super::Pair;
use super::run::WRITING;
use crate::database::params;
use crate::error::StoreError;
use crate::queries;
use crate::store::Store;
use crate::turn::Turn;
use trainyard_contract::task::CurvePoint;
use trainyard_contract::{ContentHash, RunId, Timestamp};
use trainyard_domain::tracking::{MetricValue, RunState};

/// A run of a pipeline, or one of its step instances or trials, as a tracked run.
#[derive(Clone, Debug)]
pub struct TrackedStep {
    /// The run's own id, or [`tracked_step_id`].
    pub id: String,
    pub name: String,
    pub user: String,
    pub status: RunState,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub params: Vec<Pair>,
    pub tags: Vec<Pair>,
    pub metrics: Vec<(String, f64)>,
    pub curves: Vec<(String, Vec<CurvePoint>)>,
    /// Name, digest and place of what it read.
    pub datasets: Vec<(String, String, String)>,
    /// Path below its artifacts, content and size.
    pub files: Vec<(String, ContentHash, u64)>,
}

/// The id of the tracked run of a step instance: the run's, and a hash of the instance's name.
pub fn tracked_step_id(run: &RunId, instance: &str) -> String {
    let hash = ContentHash::of(instance.as_bytes()).to_string();
    format!("{}-{}", run.as_str(), hash.get(..16).unwrap_or_default())
}

impl Turn<'_> {
    /// Tracks a run of a pipeline and steps of it, under the experiment of the pipeline's name. The turn needs an
    /// event of the run besides.
    ///
    /// # Errors
    /// `NoRun`, `Full`, `Disk`.
    pub fn track(
        &mut self,
        run: &RunId,
        experiment: &str,
        tracked: &[TrackedStep],
    ) -> Result<(), StoreError> {
        if tracked.is_empty() {
            return Ok(());
        }
        self.guard(|turn| {
            turn.has_effect(run);
            let number = turn.store.number(run)?;
            for step in tracked {
                turn.store.track_step(number, run, experiment, step)?;
            }
            Ok(())
        })
    }
}

impl Store {
    fn track_step(
        &self,
        number: i64,
        run: &RunId,
        experiment: &str,
        step: &TrackedStep,
    ) -> Result<(), StoreError> {
        let started_at = super::millis(step.started_at.0);
        let ended_at = step.ended_at.map(|at| super::millis(at.0));
        let measured_at = ended_at.unwrap_or(started_at);
        if step.id == run.as_str() {
            self.send(
                WRITING,
                queries::TRACKED_RECORD_EXPERIMENT,
                params![experiment, started_at],
            )?;
            self.send(WRITING, queries::TRACKED_RECORD_PLACE, params![experiment])?;
        }
        let values = params![
            step.id,
            experiment,
            step.name,
            step.user,
            step.status.as_str(),
            started_at,
            ended_at,
            number
        ];
        self.send(WRITING, queries::TRACKED_RECORD_RUN, values)?;
        if step.id == run.as_str() && step.status.is_final() {
            // Steps that were cut off have no end of their own.
            self.send(
                WRITING,
                queries::TRACKED_RECORD_SETTLE,
                params![number, step.id, ended_at],
            )?;
        }
        for (key, value) in &step.tags {
            self.send(WRITING, queries::TRACKED_RECORD_TAG, params![step.id, key, value])?;
        }
        for (key, value) in &step.params {
            self.send(
                WRITING,
                queries::TRACKED_RECORD_PARAM,
                params![step.id, key, value],
            )?;
        }
        for (key, value) in &step.metrics {
            self.track_metric(&step.id, key, &[(0, *value)], measured_at)?;
        }
        for (key, points) in &step.curves {
            let points: Vec<(i64, f64)> = points
                .iter()
                .map(|point| (i64::try_from(point.step).unwrap_or(i64::MAX), point.value))
                .collect();
            self.track_metric(&step.id, key, &points, measured_at)?;
        }
        for (name, digest, place) in &step.datasets {
            let values = params![step.id, name, digest, place];
            self.send(WRITING, queries::TRACKED_RECORD_DATASET, values)?;
            let values = params![step.id, name, digest];
            self.send(WRITING, queries::TRACKED_RECORD_READ, values)?;
        }
        for (path, content, size) in &step.files {
            let size = i64::try_from(*size).unwrap_or(i64::MAX);
            let at = step.ended_at.unwrap_or(step.started_at).0;
            let values = params![step.id, path, content.as_bytes(), size, at];
            self.send(WRITING, queries::TRACKED_RECORD_FILE, values)?;
        }
        Ok(())
    }

    fn track_metric(&self, id: &str, key: &str, points: &[(i64, f64)], at: i64) -> Result<(), StoreError> {
        for (step, value) in points {
            let value = MetricValue::new(*value);
            let values = params![id, key, at, step, value.stored(), value.is_nan()];
            self.send(WRITING, queries::TRACKED_RECORD_METRIC, values)?;
        }
        if let Some((step, value)) = points.last() {
            let value = MetricValue::new(*value);
            let values = params![id, key, value.stored(), value.is_nan(), at, step];
            self.send(WRITING, queries::TRACKED_RECORD_LATEST, values)?;
        }
        Ok(())
    }

    /// Removes what a run of a pipeline has tracked by itself.
    pub(crate) fn drop_tracked(&self, number: i64) -> Result<(), StoreError> {
        let doing = "remove runs";
        let places = self.all(doing, queries::RETENTION_TRACKED_PLACES, [number], |row| {
            row.get::<_, String>(0)
        })?;
        for place in places {
            let values = params![place, format!("{place}/"), format!("{place}0")];
            self.send(doing, queries::TRACKED_FILE_DROP, values)?;
        }
        for sql in [
            queries::RETENTION_DROP_TRACKED_PARAMS,
            queries::RETENTION_DROP_TRACKED_TAGS,
            queries::RETENTION_DROP_TRACKED_METRICS,
            queries::RETENTION_DROP_TRACKED_LATEST,
            queries::RETENTION_DROP_TRACKED_DATASETS,
            queries::RETENTION_DROP_TRACKED_MODELS,
            queries::RETENTION_DROP_TRACKED_RUNS,
        ] {
            self.send(doing, sql, [number])?;
        }
        Ok(())
    }
}
