//! Experiments.

use super::{Pair, Tracking, TrackingError};
use crate::database::{Result as Read, Row, params};
use crate::queries;
use trainyard_contract::Timestamp;
use trainyard_domain::tracking::{Refusal, name};

const READING: &str = "read an experiment";
const WRITING: &str = "write an experiment";

/// A set of runs; a pipeline's runs are in the one of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// 0 is the one called `Default`.
    pub id: i64,
    pub name: String,
    /// Where artifacts of its runs begin.
    pub location: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    pub updated_at: i64,
    pub is_deleted: bool,
    pub tags: Vec<Pair>,
}

impl Experiment {
    pub(super) fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            location: row.get(2)?,
            created_at: row.get(3)?,
            updated_at: row.get(4)?,
            is_deleted: row.get(5)?,
            tags: Vec::new(),
        })
    }

    /// Refuses one that is deleted.
    pub(super) fn check_active(&self) -> Result<(), Refusal> {
        if self.is_deleted {
            return Err(Refusal::invalid(format!(
                "The experiment {} must be in the 'active' state. Current state is deleted.",
                self.id
            )));
        }
        Ok(())
    }
}

/// The number that an experiment's id is.
pub(super) fn number(id: &str) -> Result<i64, Refusal> {
    id.parse().map_err(|_| {
        Refusal::invalid(format!(
            "Invalid experiment ID '{id}'. Experiment ID must be a valid integer."
        ))
    })
}

impl Tracking<'_> {
    /// Makes an experiment; without a location its artifacts are kept here.
    ///
    /// # Errors
    /// If there is one of that name, deleted ones included.
    pub fn create_experiment(
        &self,
        called: &str,
        location: Option<&str>,
        tags: &[Pair],
        at: Timestamp,
    ) -> Result<i64, TrackingError> {
        name::check_experiment_name(called)?;
        if let Some(there) = self.experiment_of_name(called)? {
            let more = if there.is_deleted {
                " It is deleted; restore it, or delete it for good."
            } else {
                ""
            };
            return Err(Refusal::exists(format!("Experiment(name={called}) already exists.{more}")).into());
        }
        let values = params![called, location.unwrap_or_default(), super::millis(at.0)];
        let id: i64 = self
            .store
            .first(WRITING, queries::EXPERIMENT_PUT, values, |row| row.get(0))?
            .unwrap_or_default();
        if location.is_none_or(str::is_empty) {
            self.store.execute(
                WRITING,
                queries::EXPERIMENT_SET_LOCATION,
                params![id, format!("mlflow-artifacts:/{id}")],
            )?;
        }
        for (key, value) in tags {
            self.store
                .send(WRITING, queries::EXPERIMENT_PUT_TAG, params![id, key, value])?;
        }
        Ok(id)
    }

    /// One experiment with its tags.
    ///
    /// # Errors
    /// If there is none of that id.
    pub fn experiment(&self, id: &str) -> Result<Experiment, TrackingError> {
        let found = self
            .store
            .first(READING, queries::EXPERIMENT_GET, [number(id)?], Experiment::read)?;
        let experiment =
            found.ok_or_else(|| Refusal::missing(format!("No Experiment with id={id} exists")))?;
        self.with_tags(experiment)
    }

    /// The experiment of a name, deleted or not.
    ///
    /// # Errors
    /// Of the database.
    pub fn experiment_of_name(&self, called: &str) -> Result<Option<Experiment>, TrackingError> {
        self.store
            .first(READING, queries::EXPERIMENT_OF_NAME, [called], Experiment::read)?
            .map(|experiment| self.with_tags(experiment))
            .transpose()
    }

    pub(super) fn with_tags(&self, mut experiment: Experiment) -> Result<Experiment, TrackingError> {
        experiment.tags = self
            .store
            .all(READING, queries::EXPERIMENT_TAGS, [experiment.id], pair)?;
        Ok(experiment)
    }

    /// Gives an experiment another name.
    ///
    /// # Errors
    /// If there is none, it is deleted, or the name is taken.
    pub fn rename_experiment(&self, id: &str, called: &str, at: Timestamp) -> Result<(), TrackingError> {
        name::check_experiment_name(called)?;
        let experiment = self.experiment(id)?;
        if experiment.is_deleted {
            return Err(Refusal::invalid("Cannot rename a non-active experiment.").into());
        }
        match self.experiment_of_name(called)? {
            Some(other) if other.id != experiment.id => {
                return Err(Refusal::exists(format!("Experiment(name={called}) already exists.")).into());
            }
            _ => {}
        }
        let values = params![experiment.id, called, super::millis(at.0)];
        self.store.execute(WRITING, queries::EXPERIMENT_RENAME, values)?;
        Ok(())
    }

    /// Deletes an experiment with its runs, or brings them back. Nothing is removed for good.
    ///
    /// # Errors
    /// If there is none, or it is in that state already.
    pub fn delete_experiment(&self, id: &str, is_deleted: bool, at: Timestamp) -> Result<(), TrackingError> {
        let experiment = self.experiment(id)?;
        if experiment.is_deleted == is_deleted {
            let wanted = if is_deleted { "active" } else { "deleted" };
            let is = if is_deleted { "deleted" } else { "active" };
            return Err(Refusal::invalid(format!(
                "The experiment {id} must be in the '{wanted}' state. Current state is {is}."
            ))
            .into());
        }
        let values = params![experiment.id, is_deleted, super::millis(at.0)];
        self.store
            .execute(WRITING, queries::EXPERIMENT_SET_DELETED, values)?;
        self.store.execute(
            WRITING,
            queries::EXPERIMENT_SET_RUNS_DELETED,
            params![experiment.id, is_deleted],
        )?;
        Ok(())
    }

    /// Sets a tag.
    ///
    /// # Errors
    /// If the experiment is not there or deleted.
    pub fn tag_experiment(
        &self,
        id: &str,
        key: &str,
        value: &str,
        at: Timestamp,
    ) -> Result<(), TrackingError> {
        let experiment = self.experiment(id)?;
        experiment.check_active()?;
        self.store.execute(
            WRITING,
            queries::EXPERIMENT_PUT_TAG,
            params![experiment.id, key, value],
        )?;
        self.store.execute(
            WRITING,
            queries::EXPERIMENT_TOUCH,
            params![experiment.id, super::millis(at.0)],
        )?;
        Ok(())
    }

    /// Removes a tag.
    ///
    /// # Errors
    /// If the experiment or the tag is not there.
    pub fn untag_experiment(&self, id: &str, key: &str) -> Result<(), TrackingError> {
        let experiment = self.experiment(id)?;
        experiment.check_active()?;
        let values = params![experiment.id, key];
        if self
            .store
            .execute(WRITING, queries::EXPERIMENT_DROP_TAG, values)?
            == 0
        {
            return Err(
                Refusal::missing(format!("No tag with name: {key} in experiment with id {id}")).into(),
            );
        }
        Ok(())
    }
}

/// Key and value.
pub(super) fn pair(row: &Row<'_>) -> Read<Pair> {
    Ok((row.get(0)?, row.get(1)?))
}
