//! Pipelines as a server knows them: the version that was last good, and whether they are paused.

use crate::database::{Result as Read, Row, params};
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::store::Store;
use std::collections::BTreeMap;
use trainyard_contract::{ContentHash, PipelineName, Timestamp};

/// A pipeline that starts no runs until somebody resumes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub pipeline: PipelineName,
    pub at: Timestamp,
    pub by: String,
    pub reason: Option<String>,
}

/// A version of a pipeline with the files it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineVersion {
    pub pipeline: PipelineName,
    pub hash: ContentHash,
    /// Its file, relative to the project.
    pub file: String,
    /// Text of every file that was read, by path from the project folder.
    pub sources: BTreeMap<String, String>,
    /// When it last became the current one.
    pub current_at: Timestamp,
}

struct PauseRow {
    pipeline: String,
    at_us: i64,
    by: String,
    reason: Option<String>,
}

impl PauseRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            pipeline: row.get(0)?,
            at_us: row.get(1)?,
            by: row.get(2)?,
            reason: row.get(3)?,
        })
    }
}

struct VersionRow {
    file: String,
    hash: [u8; 32],
    sources: String,
    current_us: i64,
}

impl VersionRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            file: row.get(0)?,
            hash: row.get(1)?,
            sources: row.get(2)?,
            current_us: row.get(3)?,
        })
    }

    fn into_version(self, pipeline: &PipelineName) -> Result<PipelineVersion, StoreError> {
        let doing = "read a pipeline's version";
        let digits: String = self.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(PipelineVersion {
            pipeline: pipeline.clone(),
            hash: digits.parse().map_err(unreadable(doing))?,
            file: self.file,
            sources: document::read(doing, &self.sources)?,
            current_at: Timestamp(self.current_us),
        })
    }
}

impl Store {
    /// Pauses a pipeline; one that is paused stays so as it was.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn pause_pipeline(&mut self, pause: &Pause) -> Result<(), StoreError> {
        let doing = "pause a pipeline";
        self.transact(doing, |store| {
            let values = params![pause.pipeline.as_str(), pause.at.0, pause.by, pause.reason];
            store.execute(doing, queries::PAUSE_PUT, values).map(|_| ())
        })
    }

    /// Resumes a pipeline; says whether it was paused.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn resume_pipeline(&mut self, pipeline: &PipelineName) -> Result<bool, StoreError> {
        let doing = "resume a pipeline";
        self.transact(doing, |store| {
            Ok(store.execute(doing, queries::PAUSE_DELETE, [pipeline.as_str()])? > 0)
        })
    }

    /// All paused pipelines by name.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn paused_pipelines(&self) -> Result<Vec<Pause>, StoreError> {
        let doing = "list paused pipelines";
        let rows = self.all(doing, queries::PAUSE_LIST, [], PauseRow::read)?;
        let pauses = rows.into_iter().map(|row| {
            Ok(Pause {
                pipeline: row.pipeline.parse().map_err(unreadable(doing))?,
                at: Timestamp(row.at_us),
                by: row.by,
                reason: row.reason,
            })
        });
        pauses.collect()
    }

    /// Makes a version the current one of its pipeline.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn keep_pipeline(&mut self, version: &PipelineVersion) -> Result<(), StoreError> {
        let doing = "keep a pipeline's version";
        let sources = document::write(doing, &version.sources)?;
        self.transact(doing, |store| {
            let values = params![
                version.pipeline.as_str(),
                version.hash.as_bytes(),
                version.file,
                sources,
                version.current_at.0,
            ];
            store.execute(doing, queries::PIPELINE_PUT, values).map(|_| ())
        })
    }

    /// The version that was last current, or the one of that hash.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn pipeline_version(
        &self,
        pipeline: &PipelineName,
        hash: Option<&ContentHash>,
    ) -> Result<Option<PipelineVersion>, StoreError> {
        let doing = "read a pipeline's version";
        let found = match hash {
            None => self.first(
                doing,
                queries::PIPELINE_LATEST,
                [pipeline.as_str()],
                VersionRow::read,
            ),
            Some(hash) => {
                let values = params![pipeline.as_str(), hash.as_bytes()];
                self.first(doing, queries::PIPELINE_GET, values, VersionRow::read)
            }
        }?;
        found.map(|row| row.into_version(pipeline)).transpose()
    }

    /// Names of all pipelines that were ever current.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn known_pipelines(&self) -> Result<Vec<PipelineName>, StoreError> {
        let doing = "list pipelines";
        let names = self.all(doing, queries::PIPELINE_NAMES, [], |row| row.get::<_, String>(0))?;
        names
            .into_iter()
            .map(|name| name.parse().map_err(unreadable(doing)))
            .collect()
    }
}
