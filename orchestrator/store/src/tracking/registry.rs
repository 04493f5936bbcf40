//! Registered models as clients see them: the same rows that steps register into.

use super::experiment::pair;
use super::version::VersionRecord;
use super::{Pair, Tracking, TrackingError};
use crate::database::{Result as Read, Row, params};
use crate::queries;
use trainyard_contract::Timestamp;
use trainyard_domain::tracking::{Refusal, name};

pub(super) const READING: &str = "read a registered model";
const WRITING: &str = "write a registered model";

/// A registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredModel {
    pub(super) number: i64,
    pub name: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub description: Option<String>,
    pub tags: Vec<Pair>,
    /// Alias and version.
    pub aliases: Vec<(String, u32)>,
    /// The newest version of each stage.
    pub newest: Vec<VersionRecord>,
}

impl RegisteredModel {
    pub(super) fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            number: row.get(0)?,
            name: row.get(1)?,
            created_at: Timestamp(row.get(2)?),
            updated_at: Timestamp(row.get(3)?),
            description: row.get(4)?,
            tags: Vec::new(),
            aliases: Vec::new(),
            newest: Vec::new(),
        })
    }
}

impl Tracking<'_> {
    /// Makes a registered model.
    ///
    /// # Errors
    /// If there is one of that name.
    pub fn create_model(
        &self,
        called: &str,
        description: Option<&str>,
        tags: &[Pair],
        at: Timestamp,
    ) -> Result<RegisteredModel, TrackingError> {
        let find = self
            .store
            .first(READING, queries::REGISTRY_FIND, [called], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?))
            })?;
        let number = match find {
            Some((_, false)) => {
                return Err(
                    Refusal::exists(format!("Registered Model (name={called}) already exists.")).into(),
                );
            }
            Some((deleted, true)) => {
                let values = params![deleted, at.0, description];
                self.store.execute(WRITING, queries::REGISTRY_REVIVE, values)?;
                deleted
            }
            None => {
                let values = params![called, at.0, description];
                self.store
                    .first(WRITING, queries::REGISTRY_PUT, values, |row| row.get(0))?
                    .unwrap_or_default()
            }
        };
        for (key, value) in tags {
            self.store
                .execute(WRITING, queries::REGISTRY_PUT_TAG, params![number, key, value])?;
        }
        self.registered_model(called)
    }

    pub(super) fn bare_registered(&self, called: &str) -> Result<RegisteredModel, TrackingError> {
        self.store
            .first(READING, queries::REGISTRY_GET, [called], RegisteredModel::read)?
            .ok_or_else(|| Refusal::missing(format!("Registered Model with name={called} not found")).into())
    }

    /// One registered model with all that belongs to it.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn registered_model(&self, called: &str) -> Result<RegisteredModel, TrackingError> {
        self.whole_registered(self.bare_registered(called)?)
    }

    pub(super) fn whole_registered(
        &self,
        mut model: RegisteredModel,
    ) -> Result<RegisteredModel, TrackingError> {
        let number = [model.number];
        model.tags = self.store.all(READING, queries::REGISTRY_TAGS, number, pair)?;
        model.aliases = self.aliases_of(model.number)?;
        model.newest = self.newest_of_stages(model.number, &model.aliases)?;
        Ok(model)
    }

    pub(super) fn aliases_of(&self, model: i64) -> Result<Vec<(String, u32)>, TrackingError> {
        Ok(self.store.all(READING, queries::MODEL_ALIASES, [model], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?)
    }

    /// Gives a registered model another name.
    ///
    /// # Errors
    /// If it is not there, or the name is taken.
    pub fn rename_model(
        &self,
        called: &str,
        new_name: &str,
        at: Timestamp,
    ) -> Result<RegisteredModel, TrackingError> {
        name::check_model_name(new_name, "new_name")?;
        let model = self.bare_registered(called)?;
        let taken = self
            .store
            .first(READING, queries::REGISTRY_FIND, [new_name], |row| {
                row.get::<_, bool>(1)
            })?;
        if let Some(is_deleted) = taken {
            let more = if is_deleted {
                " It is deleted, and its versions keep the name."
            } else {
                ""
            };
            return Err(Refusal::exists(format!(
                "Registered Model (name={new_name}) already exists.{more}"
            ))
            .into());
        }
        self.store.execute(
            WRITING,
            queries::REGISTRY_RENAME,
            params![model.number, new_name, at.0],
        )?;
        self.registered_model(new_name)
    }

    /// Describes a registered model.
    ///
    /// # Errors
    /// If it is not there.
    pub fn describe_model(
        &self,
        called: &str,
        description: Option<&str>,
        at: Timestamp,
    ) -> Result<RegisteredModel, TrackingError> {
        let model = self.bare_registered(called)?;
        let values = params![model.number, description, at.0];
        self.store.execute(WRITING, queries::REGISTRY_DESCRIBE, values)?;
        self.registered_model(called)
    }

    /// Deletes a registered model with its versions. Their rows stay, so that what used them can say what it
    /// was, and their numbers are not given again.
    ///
    /// # Errors
    /// If it is not there.
    pub fn delete_model(&self, called: &str, at: Timestamp) -> Result<(), TrackingError> {
        let model = self.bare_registered(called)?;
        let number = model.number;
        self.store
            .execute(WRITING, queries::REGISTRY_DROP_ALIASES, [number])?;
        self.store
            .execute(WRITING, queries::REGISTRY_DROP_TAGS, [number])?;
        self.store
            .execute(WRITING, queries::REGISTRY_DELETE_VERSIONS, params![number, at.0])?;
        self.store
            .execute(WRITING, queries::REGISTRY_DELETE, params![number, at.0])?;
        Ok(())
    }

    /// Sets a tag.
    ///
    /// # Errors
    /// If the model is not there.
    pub fn tag_model(
        &self,
        called: &str,
        key: &str,
        value: &str,
        at: Timestamp,
    ) -> Result<(), TrackingError> {
        let model = self.bare_registered(called)?;
        self.store.execute(
            WRITING,
            queries::REGISTRY_PUT_TAG,
            params![model.number, key, value],
        )?;
        self.touch_model(model.number, at)
    }

    pub(super) fn touch_model(&self, model: i64, at: Timestamp) -> Result<(), TrackingError> {
        self.store
            .execute(WRITING, queries::REGISTRY_TOUCH, params![model, at.0])?;
        Ok(())
    }

    /// Removes a tag; one that is not there is gone already.
    ///
    /// # Errors
    /// If the model is not there.
    pub fn untag_model(&self, called: &str, key: &str, at: Timestamp) -> Result<(), TrackingError> {
        let model = self.bare_registered(called)?;
        self.store
            .execute(WRITING, queries::REGISTRY_DROP_TAG, params![model.number, key])?;
        self.touch_model(model.number, at)
    }

    /// Points an alias at a version.
    ///
    /// # Errors
    /// If the alias cannot be one, or model or version are not there.
    pub fn point_alias(
        &self,
        called: &str,
        alias: &str,
        version: &str,
        at: Timestamp,
    ) -> Result<(), TrackingError> {
        name::check_alias(alias)?;
        let version = self.version(called, version)?;
        self.store
            .point(called, version.model, alias, version.version, at)?;
        self.touch_model(version.model, at)
    }

    /// Removes an alias; one that is not there is gone already.
    ///
    /// # Errors
    /// If the model is not there.
    pub fn drop_alias(&self, called: &str, alias: &str, at: Timestamp) -> Result<(), TrackingError> {
        let model = self.bare_registered(called)?;
        self.store
            .execute(WRITING, queries::MODEL_DELETE_ALIAS, params![model.number, alias])?;
        self.touch_model(model.number, at)
    }

    /// The version an alias points at.
    ///
    /// # Errors
    /// If model or alias are not there.
    pub fn version_of_alias(&self, called: &str, alias: &str) -> Result<VersionRecord, TrackingError> {
        let model = self.bare_registered(called)?;
        let found = if alias.eq_ignore_ascii_case("latest") {
            let last = self
                .store
                .first(READING, queries::VERSION_NEWEST, [model.number], |row| {
                    row.get::<_, u32>(0)
                })?;
            match last.filter(|last| *last > 0) {
                Some(last) => Some(last),
                None => {
                    return Err(
                        Refusal::missing(format!("Latest version not found for model {called}.")).into(),
                    );
                }
            }
        } else {
            self.store.first(
                READING,
                queries::MODEL_VERSION_OF_ALIAS,
                params![model.number, alias],
                |row| row.get::<_, u32>(0),
            )?
        };
        match found {
            Some(version) => self.version(called, &version.to_string()),
            None => Err(Refusal::invalid(format!("Registered model alias {alias} not found.")).into()),
        }
    }
}
