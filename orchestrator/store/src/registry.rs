//! Models and their versions.

use crate::database::{Result as Read, Row, params};
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::store::Store;
use crate::turn::Turn;
use trainyard_contract::task::ModelDraft;
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::notice::{self, Registered};

/// The version a draft has become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredVersion {
    pub name: String,
    pub version: u32,
    /// False if the same content was there already, or this instance had registered it before.
    pub new: bool,
}

/// A model as a line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSummary {
    pub name: String,
    pub created_at: Timestamp,
    /// The highest version.
    pub latest: u32,
    /// Alias and version, by alias.
    pub aliases: Vec<(String, u32)>,
}

/// A version; it never changes, but aliases move.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelVersion {
    pub name: String,
    pub version: u32,
    pub run: RunId,
    /// The step instance that registered it.
    pub instance: String,
    pub created_at: Timestamp,
    /// Aliases that point at it now.
    pub aliases: Vec<String>,
    pub draft: ModelDraft,
}

/// Whether a text can be an alias: letters, digits, `_`, `-` and `.`, at most 63, neither a number
/// nor `latest`, which is the highest version.
///
/// # Errors
/// `InvalidAlias`.
pub fn check_alias(alias: &str) -> Result<(), StoreError> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let valid = (1..=63).contains(&alias.len())
        && alias.bytes().all(is_plain)
        && !alias.bytes().all(|b| b.is_ascii_digit())
        && alias != "latest";
    if valid {
        Ok(())
    } else {
        Err(StoreError::InvalidAlias(alias.chars().take(80).collect()))
    }
}

struct VersionRow {
    version: u32,
    run: String,
    instance: String,
    draft: String,
    created_at_us: i64,
}

impl VersionRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            version: row.get(0)?,
            run: row.get(1)?,
            instance: row.get(2)?,
            draft: row.get(3)?,
            created_at_us: row.get(4)?,
        })
    }

    fn into_version(self, name: &str, aliases: &[(String, u32)]) -> Result<ModelVersion, StoreError> {
        let doing = "read a model version";
        let of_this = |(alias, version): &(String, u32)| (*version == self.version).then(|| alias.clone());
        Ok(ModelVersion {
            name: name.to_owned(),
            version: self.version,
            run: self.run.parse().map_err(unreadable(doing))?,
            instance: self.instance,
            created_at: Timestamp(self.created_at_us),
            aliases: aliases.iter().filter_map(of_this).collect(),
            draft: document::read(doing, &self.draft)?,
        })
    }
}

impl Turn<'_> {
    /// Makes a draft a version of its model, at most once for each output of a step instance; a
    /// repetition changes nothing. Content that the model already has keeps its version, and the
    /// draft's alias moves there. The turn needs an event of the run besides.
    ///
    /// # Errors
    /// `NoRun`, `InvalidAlias`, `Full`, `Disk`.
    pub fn register_model(
        &mut self,
        run: &RunId,
        instance: &str,
        draft: &ModelDraft,
        at: Timestamp,
    ) -> Result<RegisteredVersion, StoreError> {
        self.guard(|turn| {
            turn.has_effect(run);
            turn.store.register_model(run, instance, draft, at)
        })
    }
}

impl Store {
    fn register_model(
        &self,
        run: &RunId,
        instance: &str,
        draft: &ModelDraft,
        at: Timestamp,
    ) -> Result<RegisteredVersion, StoreError> {
        let doing = "register a model";
        draft.alias.as_deref().map_or(Ok(()), check_alias)?;
        let number = self.number(run)?;
        // Nobody else gives versions of this model until the turn is over.
        let model = self
            .first(doing, queries::MODEL_PUT, params![draft.name, at.0], |row| {
                row.get::<_, i64>(0)
            })?
            .ok_or_else(|| StoreError::NoModel(draft.name.clone()))?;
        let content = draft.model.hash;
        // A step that was chosen to run again may make another model: that is a version of its own.
        let values = params![number, instance, draft.output, content.as_bytes()];
        let before = self.first(doing, queries::MODEL_REGISTRATION, values, |row| {
            Ok(RegisteredVersion {
                name: row.get(0)?,
                version: row.get(1)?,
                new: false,
            })
        })?;
        if let Some(before) = before {
            return Ok(before);
        }
        let known = self.first(
            doing,
            queries::MODEL_VERSION_OF_CONTENT,
            params![model, content.as_bytes()],
            |row| row.get::<_, u32>(0),
        )?;
        let version = match known {
            Some(version) => {
                // Somebody may have deleted it since; registered anew, it is back.
                self.execute(doing, queries::VERSION_REVIVE, params![model, version])?;
                version
            }
            None => {
                let last = self.first(doing, queries::VERSION_LAST, [model], |row| row.get::<_, u32>(0))?;
                let version = last.unwrap_or(0) + 1;
                let body = document::write(doing, draft)?;
                let values = params![model, version, content.as_bytes(), number, instance, body, at.0];
                self.execute(doing, queries::MODEL_INSERT_VERSION, values)?;
                self.record_version(run, instance, draft, model, version, at)?;
                let definition = self.definition(run, number)?;
                self.put_notices(&[notice::registered(&Registered {
                    model: &draft.name,
                    version,
                    run: Some(run),
                    pipeline: Some(definition.pipeline.as_str()),
                    owner: definition.owner.as_deref(),
                    at,
                })])?;
                version
            }
        };
        let values = params![number, instance, draft.output, model, version];
        self.execute(doing, queries::MODEL_INSERT_REGISTRATION, values)?;
        if let Some(alias) = &draft.alias {
            self.point(&draft.name, model, alias, version, at)?;
        }
        Ok(RegisteredVersion {
            name: draft.name.clone(),
            version,
            new: known.is_none(),
        })
    }

    /// Points an alias at a version, and tells of it if it was elsewhere.
    pub(crate) fn point(
        &self,
        name: &str,
        model: i64,
        alias: &str,
        version: u32,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "set an alias";
        let aliases = self.aliases(model)?;
        let before = aliases.into_iter().find(|(known, _)| known == alias);
        let values = params![model, alias, version, at.0];
        self.execute(doing, queries::MODEL_SET_ALIAS, values)?;
        match before {
            Some((_, from)) if from == version => Ok(()),
            before => {
                let from = before.map(|(_, from)| from);
                self.put_notices(&[notice::alias_moved(name, alias, from, version, at)])
            }
        }
    }

    /// All models by name.
    ///
    /// # Errors
    /// `Disk`.
    pub fn models(&self) -> Result<Vec<ModelSummary>, StoreError> {
        let mut models = self.all("list models", queries::MODEL_LIST, [], |row| {
            Ok(ModelSummary {
                name: row.get(0)?,
                created_at: Timestamp(row.get(1)?),
                latest: row.get(2)?,
                aliases: Vec::new(),
            })
        })?;
        for model in &mut models {
            model.aliases = self.aliases(self.model(&model.name)?)?;
        }
        Ok(models)
    }

    /// All versions of a model, newest first.
    ///
    /// # Errors
    /// `NoModel`, `Corrupt`, `Disk`.
    pub fn model_versions(&self, name: &str) -> Result<Vec<ModelVersion>, StoreError> {
        self.versions(name, self.model(name)?, 1, u32::MAX)
    }

    /// One version: its number, an alias, or `latest`.
    ///
    /// # Errors
    /// `NoModel`, `NoModelVersion`, `Corrupt`, `Disk`.
    pub fn model_version(&self, name: &str, version: &str) -> Result<ModelVersion, StoreError> {
        let model = self.model(name)?;
        let none = || StoreError::NoModelVersion {
            model: name.to_owned(),
            version: version.to_owned(),
        };
        let number = self.version_number(model, version)?.ok_or_else(none)?;
        self.versions(name, model, number, number)?.pop().ok_or_else(none)
    }

    /// Name and version of what a run has added.
    ///
    /// # Errors
    /// `NoRun`, `Disk`.
    pub fn model_versions_of_run(&self, run: &RunId) -> Result<Vec<(String, u32)>, StoreError> {
        let number = self.number(run)?;
        self.all(
            "list a run's models",
            queries::MODEL_VERSIONS_OF_RUN,
            [number],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// Points an alias at a version (number, alias or `latest`); gives the version's number.
    ///
    /// # Errors
    /// `InvalidAlias`, `NoModel`, `NoModelVersion`, `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn set_alias(
        &mut self,
        name: &str,
        alias: &str,
        version: &str,
        at: Timestamp,
    ) -> Result<u32, StoreError> {
        let doing = "set an alias";
        check_alias(alias)?;
        self.transact(doing, |store| {
            let model = store.model(name)?;
            let number = store
                .version_number(model, version)?
                .ok_or_else(|| StoreError::NoModelVersion {
                    model: name.to_owned(),
                    version: version.to_owned(),
                })?;
            store
                .versions(name, model, number, number)?
                .pop()
                .ok_or_else(|| StoreError::NoModelVersion {
                    model: name.to_owned(),
                    version: version.to_owned(),
                })?;
            store.point(name, model, alias, number, at)?;
            Ok(number)
        })
    }

    /// Removes an alias; says whether there was one.
    ///
    /// # Errors
    /// `NoModel`, `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn delete_alias(&mut self, name: &str, alias: &str) -> Result<bool, StoreError> {
        let doing = "remove an alias";
        self.transact(doing, |store| {
            let model = store.model(name)?;
            Ok(store.execute(doing, queries::MODEL_DELETE_ALIAS, params![model, alias])? > 0)
        })
    }

    fn model(&self, name: &str) -> Result<i64, StoreError> {
        self.first("find a model", queries::MODEL_ID, [name], |row| row.get(0))?
            .ok_or_else(|| StoreError::NoModel(name.to_owned()))
    }

    fn aliases(&self, model: i64) -> Result<Vec<(String, u32)>, StoreError> {
        self.all("read aliases", queries::MODEL_ALIASES, [model], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    fn version_number(&self, model: i64, version: &str) -> Result<Option<u32>, StoreError> {
        let doing = "find a model version";
        if let Ok(number) = version.parse::<u32>() {
            return Ok(Some(number));
        }
        if version == "latest" {
            return self.first(doing, queries::MODEL_LAST_VERSION, [model], |row| row.get(0));
        }
        self.first(
            doing,
            queries::MODEL_VERSION_OF_ALIAS,
            params![model, version],
            |row| row.get(0),
        )
    }

    fn versions(&self, name: &str, model: i64, from: u32, to: u32) -> Result<Vec<ModelVersion>, StoreError> {
        let aliases = self.aliases(model)?;
        let rows = self.all(
            "read model versions",
            queries::MODEL_VERSIONS,
            params![model, from, to],
            VersionRow::read,
        )?;
        rows.into_iter()
            .map(|row| row.into_version(name, &aliases))
            .collect()
    }
}
