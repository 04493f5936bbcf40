//! What runs have read.

use super::run::WRITING;
use super::{Pair, Tracking, TrackingError};
use crate::database::{Result as Read, Row, params};
use crate::document;
use crate::queries;
use std::collections::BTreeMap;

/// The tag of an input that says what it was for.
const CONTEXT: &str = "mlflow.data.context";
/// Summaries that are given at most.
const MOST_SUMMARIES: i64 = 1_000;

/// A dataset as a run has read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetInput {
    pub name: String,
    pub digest: String,
    pub source_type: String,
    pub source: String,
    pub schema: Option<String>,
    pub profile: Option<String>,
    /// Of the input, not of the dataset.
    pub tags: Vec<Pair>,
}

/// A dataset that some run of an experiment has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetSummary {
    pub experiment: i64,
    pub name: String,
    pub digest: String,
    pub context: Option<String>,
}

impl DatasetInput {
    pub(super) fn read(row: &Row<'_>) -> Read<Self> {
        let tags: BTreeMap<String, String> = serde_json::from_str(row.text(7)?).unwrap_or_default();
        Ok(Self {
            name: row.get(1)?,
            digest: row.get(2)?,
            source_type: row.get(3)?,
            source: row.get(4)?,
            schema: row.get(5)?,
            profile: row.get(6)?,
            tags: tags.into_iter().collect(),
        })
    }
}

impl Tracking<'_> {
    /// Notes what a run has read; what is noted already stays.
    ///
    /// # Errors
    /// If the run is not there or deleted.
    pub fn log_datasets(&self, id: &str, inputs: &[DatasetInput]) -> Result<(), TrackingError> {
        let place = self.place(id)?;
        let run = self.run(id)?;
        self.put_datasets(place.0, run.experiment, inputs)
    }

    pub(super) fn put_datasets(
        &self,
        run: i64,
        experiment: i64,
        inputs: &[DatasetInput],
    ) -> Result<(), TrackingError> {
        for input in inputs {
            let find = params![experiment, input.name, input.digest];
            let known = self
                .store
                .first(WRITING, queries::DATASET_FIND, find, |row| row.get::<_, i64>(0))?;
            let dataset = match known {
                Some(known) => known,
                None => {
                    let values = params![
                        experiment,
                        input.name,
                        input.digest,
                        input.source_type,
                        input.source,
                        input.schema,
                        input.profile
                    ];
                    self.store
                        .first(WRITING, queries::DATASET_PUT, values, |row| row.get(0))?
                        .unwrap_or_default()
                }
            };
            let tags: BTreeMap<&str, &str> = input
                .tags
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect();
            let body = document::write(WRITING, &tags)?;
            let values = params![run, dataset, tags.get(CONTEXT).copied(), body];
            self.store.execute(WRITING, queries::DATASET_LINK, values)?;
        }
        Ok(())
    }

    /// Datasets that runs of these experiments have read.
    ///
    /// # Errors
    /// If an id is none.
    pub fn dataset_summaries(&self, experiments: &[String]) -> Result<Vec<DatasetSummary>, TrackingError> {
        let mut found = Vec::new();
        for id in experiments {
            let experiment = super::experiment::number(id)?;
            found.extend(self.store.all(
                "list datasets",
                queries::DATASET_OF_EXPERIMENT,
                [experiment, MOST_SUMMARIES],
                |row| {
                    Ok(DatasetSummary {
                        experiment,
                        name: row.get(0)?,
                        digest: row.get(1)?,
                        context: row.get(2)?,
                    })
                },
            )?);
        }
        Ok(found)
    }
}
