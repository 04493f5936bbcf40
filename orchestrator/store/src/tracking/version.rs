//! Versions of registered models as clients see them, whoever registered them.

use super::experiment::pair;
use super::registry::READING;
use super::{Pair, Tracking, TrackingError};
use crate::database::{Result as Read, Row, params};
use crate::document;
use crate::error::StoreError;
use crate::queries;
use crate::store::Store;
use trainyard_contract::task::ModelDraft;
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::notice::{self, Registered};
use trainyard_domain::tracking::{Refusal, name};

const WRITING: &str = "write a model version";

/// How far a version has come; aliases have taken the place of stages, and clients still ask for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    None,
    Staging,
    Production,
    Archived,
}

impl Stage {
    const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }

    /// The stage of a name, whatever the case of its letters.
    ///
    /// # Errors
    /// If there is none.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                Refusal::invalid(format!(
                    "Invalid Model Version stage: {text}. Value must be one of None, Staging, Production, Archived."
                ))
            })
    }
}

/// A version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    pub name: String,
    pub(super) model: i64,
    pub version: u32,
    /// Where its files are.
    pub source: String,
    /// The tracked run that made it.
    pub run_id: Option<String>,
    pub run_link: Option<String>,
    /// The logged model it was made from.
    pub logged_model: Option<String>,
    pub description: Option<String>,
    pub user: String,
    pub stage: Stage,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub tags: Vec<Pair>,
    pub aliases: Vec<String>,
}

/// A version that a client registers.
#[derive(Clone, Debug)]
pub struct NewVersion<'a> {
    pub name: &'a str,
    pub source: &'a str,
    pub run_id: Option<&'a str>,
    pub run_link: Option<&'a str>,
    pub logged_model: Option<&'a str>,
    pub description: Option<&'a str>,
    pub user: &'a str,
    pub tags: &'a [Pair],
}

impl VersionRecord {
    pub(super) fn read(row: &Row<'_>) -> Read<Self> {
        let stage: String = row.get(9)?;
        Ok(Self {
            name: row.get(0)?,
            model: row.get(1)?,
            version: row.get(2)?,
            source: row.get(3)?,
            run_id: row.get(4)?,
            run_link: row.get(5)?,
            logged_model: row.get(6)?,
            description: row.get(7)?,
            user: row.get(8)?,
            stage: Stage::parse(&stage).unwrap_or(Stage::None),
            created_at: Timestamp(row.get(10)?),
            updated_at: Timestamp(row.get(11)?),
            tags: Vec::new(),
            aliases: Vec::new(),
        })
    }
}

impl Tracking<'_> {
    /// Registers a version.
    ///
    /// # Errors
    /// If the model is not there.
    pub fn create_version(
        &self,
        new: &NewVersion<'_>,
        at: Timestamp,
    ) -> Result<VersionRecord, TrackingError> {
        let model = self.bare_registered(new.name)?;
        let last: u32 = self
            .store
            .first(READING, queries::VERSION_LAST, [model.number], |row| row.get(0))?
            .unwrap_or(0);
        let version = last + 1;
        let values = params![
            model.number,
            version,
            new.source,
            new.run_id,
            new.run_link,
            new.logged_model,
            new.description,
            new.user,
            at.0
        ];
        self.store.execute(WRITING, queries::VERSION_PUT, values)?;
        for (key, value) in new.tags {
            self.store.execute(
                WRITING,
                queries::VERSION_PUT_TAG,
                params![model.number, version, key, value],
            )?;
        }
        self.touch_model(model.number, at)?;
        self.store.put_notices(&[notice::registered(&Registered {
            model: new.name,
            version,
            run: None,
            pipeline: None,
            owner: None,
            at,
        })])?;
        self.version(new.name, &version.to_string())
    }

    /// One version.
    ///
    /// # Errors
    /// If it is not there, or the text is no number.
    pub fn version(&self, called: &str, version: &str) -> Result<VersionRecord, TrackingError> {
        let number = name::version_number(version)?;
        let found = self.store.first(
            READING,
            queries::VERSION_GET,
            params![called, number],
            VersionRecord::read,
        )?;
        let record = found.ok_or_else(|| {
            Refusal::missing(format!(
                "Model Version (name={called}, version={number}) not found"
            ))
        })?;
        let aliases = self.aliases_of(record.model)?;
        self.whole_version(record, &aliases)
    }

    pub(super) fn whole_version(
        &self,
        mut record: VersionRecord,
        aliases: &[(String, u32)],
    ) -> Result<VersionRecord, TrackingError> {
        record.tags = self.store.all(
            READING,
            queries::VERSION_TAGS,
            params![record.model, record.version],
            pair,
        )?;
        record.aliases = aliases
            .iter()
            .filter(|(_, version)| *version == record.version)
            .map(|(alias, _)| alias.clone())
            .collect();
        Ok(record)
    }

    pub(super) fn newest_of_stages(
        &self,
        model: i64,
        aliases: &[(String, u32)],
    ) -> Result<Vec<VersionRecord>, TrackingError> {
        let found = self.store.all(
            READING,
            queries::VERSION_NEWEST_OF_STAGES,
            [model],
            VersionRecord::read,
        )?;
        found
            .into_iter()
            .map(|record| self.whole_version(record, aliases))
            .collect()
    }

    /// What a step said of a version when it registered it; none of a version that a client registered.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn draft_of(&self, record: &VersionRecord) -> Result<Option<ModelDraft>, TrackingError> {
        let values = params![record.model, record.version];
        let body = self.store.first(READING, queries::VERSION_DRAFT, values, |row| {
            row.get::<_, String>(0)
        })?;
        Ok(body.map(|body| document::read(READING, &body)).transpose()?)
    }

    /// Describes a version.
    ///
    /// # Errors
    /// If it is not there.
    pub fn describe_version(
        &self,
        called: &str,
        version: &str,
        description: Option<&str>,
        at: Timestamp,
    ) -> Result<VersionRecord, TrackingError> {
        let record = self.version(called, version)?;
        let values = params![record.model, record.version, description, at.0];
        self.store.execute(WRITING, queries::VERSION_DESCRIBE, values)?;
        self.version(called, version)
    }

    /// Moves a version to a stage; with `archive_others`, those that are there are archived.
    ///
    /// # Errors
    /// If it is not there, or others are to be archived out of a stage that holds any number.
    pub fn move_version(
        &self,
        called: &str,
        version: &str,
        stage: Stage,
        archive_others: bool,
        at: Timestamp,
    ) -> Result<VersionRecord, TrackingError> {
        if archive_others && !matches!(stage, Stage::Staging | Stage::Production) {
            return Err(Refusal::invalid(format!(
                "Model version transition cannot archive existing model versions because '{}' is not an Active stage. \
                 Valid stages are Staging, Production",
                stage.as_str()
            ))
            .into());
        }
        let record = self.version(called, version)?;
        if archive_others {
            let values = params![record.model, record.version, stage.as_str(), at.0];
            self.store.execute(WRITING, queries::VERSION_ARCHIVE, values)?;
        }
        let values = params![record.model, record.version, stage.as_str(), at.0];
        self.store.execute(WRITING, queries::VERSION_SET_STAGE, values)?;
        self.touch_model(record.model, at)?;
        self.version(called, version)
    }

    /// Deletes a version; its row stays, and its number is not given again.
    ///
    /// # Errors
    /// If it is not there.
    pub fn delete_version(&self, called: &str, version: &str, at: Timestamp) -> Result<(), TrackingError> {
        let record = self.version(called, version)?;
        let place = params![record.model, record.version];
        self.store
            .execute(WRITING, queries::VERSION_DROP_ALIASES, place)?;
        self.store.execute(WRITING, queries::VERSION_DROP_TAGS, place)?;
        let values = params![record.model, record.version, at.0];
        self.store.execute(WRITING, queries::VERSION_DELETE, values)?;
        self.touch_model(record.model, at)
    }

    /// Sets a tag.
    ///
    /// # Errors
    /// If the version is not there.
    pub fn tag_version(
        &self,
        called: &str,
        version: &str,
        key: &str,
        value: &str,
    ) -> Result<(), TrackingError> {
        let record = self.version(called, version)?;
        let values = params![record.model, record.version, key, value];
        self.store.execute(WRITING, queries::VERSION_PUT_TAG, values)?;
        Ok(())
    }

    /// Removes a tag; one that is not there is gone already.
    ///
    /// # Errors
    /// If the version is not there.
    pub fn untag_version(&self, called: &str, version: &str, key: &str) -> Result<(), TrackingError> {
        let record = self.version(called, version)?;
        let values = params![record.model, record.version, key];
        self.store.execute(WRITING, queries::VERSION_DROP_TAG, values)?;
        Ok(())
    }
}

impl Store {
    /// Makes what a step registers a version for clients too: its files under a path of their own, its tags and
    /// its run.
    pub(crate) fn record_version(
        &self,
        run: &RunId,
        instance: &str,
        draft: &ModelDraft,
        model: i64,
        version: u32,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let folder = format!("registry/{model}/{version}");
        let values = params![
            model,
            version,
            format!("mlflow-artifacts:/{folder}"),
            super::tracked_step_id(run, instance),
            None::<&str>,
            None::<&str>,
            draft.description,
            "",
            at.0
        ];
        self.execute(WRITING, queries::VERSION_PUT, values)?;
        for (key, value) in &draft.tags {
            self.execute(
                WRITING,
                queries::VERSION_PUT_TAG,
                params![model, version, key, value],
            )?;
        }
        let own = [("model".to_owned(), &draft.model)];
        let attached = draft
            .attachments
            .iter()
            .map(|(role, artifact)| (role.clone(), artifact));
        for (role, artifact) in own.into_iter().chain(attached) {
            let path = format!("{folder}/{role}");
            let size = i64::try_from(artifact.size).unwrap_or(i64::MAX);
            let values = params![path, artifact.hash.as_bytes(), size, at.0];
            self.execute(WRITING, queries::TRACKED_FILE_PUT, values)?;
        }
        Ok(())
    }
}
