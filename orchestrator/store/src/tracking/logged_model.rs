//! Models that runs have logged, before anybody registers them.

use super::experiment::pair;
use super::metric::{MetricPoint, NewMetric};
use super::run::WRITING;
use super::{Pair, Tracking, TrackingError};
use crate::database::{Result as Read, Row, params};
use crate::error::{StoreError, unreadable};
use crate::queries;
use trainyard_contract::Timestamp;
use trainyard_domain::tracking::Refusal;

pub(super) const READING: &str = "read a logged model";

/// Where a logged model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelState {
    Pending,
    Ready,
    UploadFailed,
}

impl ModelState {
    const ALL: [Self; 3] = [Self::Pending, Self::Ready, Self::UploadFailed];

    /// As searches name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::UploadFailed => "UPLOAD_FAILED",
        }
    }

    /// The state of a name, with or without `LOGGED_MODEL_` before it.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.strip_prefix("LOGGED_MODEL_").unwrap_or(text);
        Self::ALL.into_iter().find(|state| state.as_str() == plain)
    }
}

/// A logged model.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedModel {
    pub(super) number: i64,
    /// `m-…`.
    pub id: String,
    pub experiment: i64,
    pub name: String,
    pub kind: Option<String>,
    pub status: ModelState,
    pub source_run: Option<String>,
    pub location: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    pub updated_at: i64,
    pub is_deleted: bool,
    pub params: Vec<Pair>,
    pub tags: Vec<Pair>,
    pub metrics: Vec<LoggedModelMetric>,
}

/// A metric of a logged model.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedModelMetric {
    pub key: String,
    pub run: String,
    /// Empty if it was not measured on a dataset.
    pub dataset_name: String,
    pub dataset_digest: String,
    pub point: MetricPoint,
}

/// A model that a run has taken or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunModel {
    pub model: String,
    pub step: i64,
}

/// A model that is to be logged.
#[derive(Clone, Debug)]
pub struct NewLoggedModel<'a> {
    pub id: &'a str,
    pub experiment: &'a str,
    pub name: &'a str,
    pub kind: Option<&'a str>,
    pub source_run: Option<&'a str>,
    pub params: &'a [Pair],
    pub tags: &'a [Pair],
}

/// A row before its texts are understood.
pub(super) struct ModelRow(LoggedModel, Option<String>);

impl ModelRow {
    pub(super) fn read(row: &Row<'_>) -> Read<Self> {
        let status: String = row.get(5)?;
        let known = ModelState::parse(&status);
        Ok(Self(
            LoggedModel {
                number: row.get(0)?,
                id: row.get(1)?,
                experiment: row.get(2)?,
                name: row.get(3)?,
                kind: row.get(4)?,
                status: known.unwrap_or(ModelState::Pending),
                source_run: row.get(6)?,
                location: row.get(7)?,
                created_at: row.get(8)?,
                updated_at: row.get(9)?,
                is_deleted: row.get(10)?,
                params: Vec::new(),
                tags: Vec::new(),
                metrics: Vec::new(),
            },
            known.is_none().then_some(status),
        ))
    }

    pub(super) fn into_model(self) -> Result<LoggedModel, StoreError> {
        match self.1 {
            None => Ok(self.0),
            Some(odd) => Err(unreadable(READING)(format!("a model's status is `{odd}`"))),
        }
    }
}

impl Tracking<'_> {
    /// Makes a logged model, pending.
    ///
    /// # Errors
    /// If the experiment is not there or deleted.
    pub fn create_logged_model(
        &self,
        new: &NewLoggedModel<'_>,
        at: Timestamp,
    ) -> Result<LoggedModel, TrackingError> {
        if new.name.contains(['/', ':', '.', '%', '"', '\'']) {
            return Err(Refusal::invalid(format!(
                "Invalid model name ({:?}) provided. Model name must be a non-empty string and cannot contain the \
                 following characters: ('/', ':', '.', '%', '\"', \"'\")",
                new.name
            ))
            .into());
        }
        let experiment = self.experiment(new.experiment)?;
        experiment.check_active()?;
        let location = format!(
            "{}/models/{}/artifacts",
            experiment.location.trim_end_matches('/'),
            new.id
        );
        let values = params![
            new.id,
            experiment.id,
            new.name,
            new.kind,
            ModelState::Pending.as_str(),
            new.source_run,
            location,
            super::millis(at.0)
        ];
        let number: i64 = self
            .store
            .first(WRITING, queries::LOGGED_MODEL_PUT, values, |row| row.get(0))?
            .unwrap_or_default();
        for (key, value) in new.params {
            self.store.execute(
                WRITING,
                queries::LOGGED_MODEL_PUT_PARAM,
                params![number, key, value],
            )?;
        }
        for (key, value) in new.tags {
            self.store.execute(
                WRITING,
                queries::LOGGED_MODEL_PUT_TAG,
                params![number, key, value],
            )?;
        }
        self.logged_model(new.id)
    }

    pub(super) fn logged_model_number(&self, id: &str) -> Result<i64, TrackingError> {
        Ok(self.bare_model(id)?.number)
    }

    fn bare_model(&self, id: &str) -> Result<LoggedModel, TrackingError> {
        let row = self
            .store
            .first(READING, queries::LOGGED_MODEL_GET, [id], ModelRow::read)?;
        let model = row.map(ModelRow::into_model).transpose()?;
        match model {
            Some(model) if !model.is_deleted => Ok(model),
            _ => Err(Refusal::missing(format!("Logged model with ID '{id}' not found.")).into()),
        }
    }

    /// One logged model with all that belongs to it.
    ///
    /// # Errors
    /// If it is not there or deleted.
    pub fn logged_model(&self, id: &str) -> Result<LoggedModel, TrackingError> {
        self.whole_model(self.bare_model(id)?)
    }

    pub(super) fn whole_model(&self, mut model: LoggedModel) -> Result<LoggedModel, TrackingError> {
        let number = [model.number];
        model.params = self
            .store
            .all(READING, queries::LOGGED_MODEL_PARAMS, number, pair)?;
        model.tags = self
            .store
            .all(READING, queries::LOGGED_MODEL_TAGS, number, pair)?;
        model.metrics = self
            .store
            .all(READING, queries::LOGGED_MODEL_METRICS, number, |row| {
                Ok(LoggedModelMetric {
                    key: row.get(0)?,
                    run: row.get(1)?,
                    dataset_name: row.get(2)?,
                    dataset_digest: row.get(3)?,
                    point: MetricPoint::of(row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?),
                })
            })?;
        Ok(model)
    }

    /// Says where a logged model stands.
    ///
    /// # Errors
    /// If it is not there.
    pub fn finish_logged_model(
        &self,
        id: &str,
        status: ModelState,
        at: Timestamp,
    ) -> Result<LoggedModel, TrackingError> {
        let model = self.bare_model(id)?;
        let values = params![model.number, status.as_str(), super::millis(at.0)];
        self.store
            .execute(WRITING, queries::LOGGED_MODEL_SET_STATUS, values)?;
        self.logged_model(id)
    }

    /// Deletes a logged model; its rows stay.
    ///
    /// # Errors
    /// If it is not there.
    pub fn delete_logged_model(&self, id: &str, at: Timestamp) -> Result<(), TrackingError> {
        let model = self.bare_model(id)?;
        let values = params![model.number, true, super::millis(at.0)];
        self.store
            .execute(WRITING, queries::LOGGED_MODEL_SET_DELETED, values)?;
        Ok(())
    }

    /// Logs parameters of a model.
    ///
    /// # Errors
    /// If it is not there, or one has another value already.
    pub fn log_model_params(&self, id: &str, logged: &[Pair]) -> Result<(), TrackingError> {
        let model = self.bare_model(id)?;
        let mut new = Vec::new();
        for (key, value) in logged {
            let there: Option<String> = self.store.first(
                READING,
                queries::LOGGED_MODEL_PARAM,
                params![model.number, key],
                |row| row.get(0),
            )?;
            match there {
                None => new.push((key, value)),
                Some(there) if there == *value => {}
                Some(there) => {
                    return Err(Refusal::invalid(format!(
                        "Changing param values is not allowed. Param with key='{key}' was already logged with \
                         value='{there}' for model ID='{id}'. Attempted logging new value '{value}'."
                    ))
                    .into());
                }
            }
        }
        for (key, value) in new {
            self.store.execute(
                WRITING,
                queries::LOGGED_MODEL_PUT_PARAM,
                params![model.number, key, value],
            )?;
        }
        Ok(())
    }

    /// Sets tags of a model.
    ///
    /// # Errors
    /// If it is not there.
    pub fn tag_logged_model(&self, id: &str, tags: &[Pair]) -> Result<LoggedModel, TrackingError> {
        let model = self.bare_model(id)?;
        for (key, value) in tags {
            self.store.execute(
                WRITING,
                queries::LOGGED_MODEL_PUT_TAG,
                params![model.number, key, value],
            )?;
        }
        self.logged_model(id)
    }

    /// Removes a tag of a model.
    ///
    /// # Errors
    /// If model or tag are not there.
    pub fn untag_logged_model(&self, id: &str, key: &str) -> Result<(), TrackingError> {
        let model = self.bare_model(id)?;
        let gone = self.store.execute(
            WRITING,
            queries::LOGGED_MODEL_DROP_TAG,
            params![model.number, key],
        )?;
        if gone == 0 {
            return Err(
                Refusal::missing(format!("No tag with key '{key}' found for model with ID '{id}'.")).into(),
            );
        }
        Ok(())
    }

    pub(super) fn put_model_metric(
        &self,
        model: i64,
        run: &str,
        metric: &NewMetric<'_>,
    ) -> Result<(), TrackingError> {
        let MetricPoint { at, step, value } = metric.point;
        let values = params![
            model,
            metric.key,
            run,
            metric.dataset.0.unwrap_or_default(),
            metric.dataset.1.unwrap_or_default(),
            at,
            step,
            value.stored(),
            value.is_nan()
        ];
        self.store
            .send(WRITING, queries::LOGGED_MODEL_PUT_METRIC, values)?;
        Ok(())
    }

    /// Notes which models a run has taken, or made.
    ///
    /// # Errors
    /// If the run is not there or deleted.
    pub fn link_models(&self, id: &str, models: &[RunModel], are_outputs: bool) -> Result<(), TrackingError> {
        let place = self.place(id)?;
        for RunModel { model, step } in models {
            self.store.execute(
                WRITING,
                queries::TRACKED_RUN_PUT_MODEL,
                params![place.0, are_outputs, model, step],
            )?;
        }
        Ok(())
    }
}
