//! What past runs say about the next one.

use crate::database::params;
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::run::StoredRun;
use crate::store::Store;
use std::collections::BTreeMap;
use trainyard_contract::{Millis, PipelineName, StepName};

impl Store {
    /// How long successful attempts took in the last `runs` runs of a pipeline that are over, by
    /// step, newest run first. Reused steps took no time and are not among them.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn step_durations(
        &self,
        pipeline: &PipelineName,
        runs: u32,
    ) -> Result<BTreeMap<StepName, Vec<Millis>>, StoreError> {
        let doing = "read past durations";
        let mut by_step: BTreeMap<StepName, Vec<Millis>> = BTreeMap::new();
        let bodies = self.all(
            doing,
            queries::DURATION_RECENT,
            params![pipeline.as_str(), runs],
            |row| row.get::<_, String>(0),
        )?;
        for body in bodies {
            let of_run: BTreeMap<StepName, Vec<Millis>> = document::read(doing, &body)?;
            for (step, mut durations) in of_run {
                by_step.entry(step).or_default().append(&mut durations);
            }
        }
        Ok(by_step)
    }

    /// The newest run of a pipeline in an environment that has started, for `plan` to compare with.
    ///
    /// # Errors
    /// As [`Store::load_run`].
    pub fn previous_run(
        &self,
        pipeline: &PipelineName,
        environment: Option<&str>,
    ) -> Result<Option<StoredRun>, StoreError> {
        let doing = "find the previous run";
        let values = params![pipeline.as_str(), environment];
        let id = self.first(doing, queries::RUN_PREVIOUS, values, |row| {
            row.get::<_, String>(0)
        })?;
        id.map(|id| self.load_run(&id.parse().map_err(unreadable(doing))?))
            .transpose()
    }
}
