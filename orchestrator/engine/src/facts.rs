//! What a plan wants to know of the world, looked up where the engine itself would look.

use crate::code::{Versions, Workplace};
use crate::fingerprint;
use crate::prepare::{Prepared, Surroundings, Workshop};
use std::collections::BTreeMap;
use std::path::Path;
use trainyard_contract::task::{Failure, chain};
use trainyard_contract::{ContentHash, FailureClass, Millis, Objects, StepName, Timestamp};
use trainyard_domain::pipeline::FeaturesInput;
use trainyard_domain::plan::{Missed, PlanFacts, Preparation, Source};
use trainyard_domain::run::{CachePolicy, Instance, InstanceIx, Run, RunDefinition};
use trainyard_store::{Store, StoreError};

/// Attempts of so many earlier runs make the forecast.
const RUNS_OF_FORECAST: u32 = 20;

/// Facts from a store, its objects and the project's files.
pub struct Facts {
    store: Store,
    objects: Objects,
    workplace: Workplace,
    now: Timestamp,
    reuse: bool,
    definition: RunDefinition,
    previous: Option<RunDefinition>,
    durations: BTreeMap<StepName, Vec<Millis>>,
    surroundings: Surroundings,
}

impl Facts {
    /// Facts about a definition that is to run in a workplace, beside the run before.
    ///
    /// # Errors
    /// If past durations cannot be read.
    pub fn new(
        store: Store,
        objects: Objects,
        workplace: Workplace,
        definition: RunDefinition,
        previous: Option<RunDefinition>,
        now: Timestamp,
        reuse: bool,
    ) -> Result<Self, StoreError> {
        let durations = store.step_durations(&definition.pipeline, RUNS_OF_FORECAST)?;
        Ok(Self {
            store,
            objects,
            workplace,
            now,
            reuse,
            definition,
            previous,
            durations,
            surroundings: Surroundings::default(),
        })
    }
}

impl PlanFacts for Facts {
    fn prepare(&mut self, run: &Run, ix: InstanceIx) -> Preparation {
        let mut workshop = Workshop {
            store: &mut self.store,
            objects: &self.objects,
            workplace: &self.workplace,
            epoch: 0,
            reuse: self.reuse,
            now: self.now,
        };
        match workshop.prepare(run, &mut self.surroundings, ix) {
            Ok(Prepared::Launch { key, .. }) => {
                let missed = key.and_then(|key| workshop.why_missed(&key, run, ix));
                Preparation::Run { key, missed }
            }
            Ok(Prepared::Reuse { key, found }) => Preparation::Reuse {
                key,
                from: found.run,
                outputs: found.outputs,
                metrics: found.metrics,
                headline: found.headline,
            },
            Ok(Prepared::Reject(failure)) => Preparation::Reject(*failure),
            Err(error) => Preparation::Reject(Failure {
                causes: chain(&error),
                ..Failure::new(FailureClass::IoError, "could not look into the store")
            }),
        }
    }

    fn content_now(&mut self, source: Source<'_>) -> Option<ContentHash> {
        let (start, location) = match source {
            Source::Dataset(name) => {
                let location = self.definition.datasets.get(name)?.location.clone();
                (self.workplace.start_of(&location), location)
            }
            Source::File(path) => (self.workplace.code(), path.to_owned()),
        };
        fingerprint::content_of(&mut self.store, start, &location, self.now)
            .ok()
            .flatten()
    }

    fn content_before(&mut self, source: Source<'_>) -> Option<ContentHash> {
        let previous = self.previous.as_ref()?;
        match source {
            Source::Dataset(name) => previous.datasets.get(name)?.content,
            Source::File(path) => previous.files.get(path).copied(),
        }
    }

    fn features_note(&mut self, input: &FeaturesInput, since: Timestamp) -> Option<String> {
        crate::features::note_since(&self.store, input, since)
    }

    fn data_note(&mut self, _dataset: &str) -> Option<String> {
        // Rows are counted by the steps that read them, not by a plan that reads nothing.
        None
    }

    fn durations(&mut self, instance: &Instance) -> Vec<Millis> {
        self.durations.get(&instance.step).cloned().unwrap_or_default()
    }
}

impl Workshop<'_> {
    /// Why a result of that key, if there is one, is not taken.
    fn why_missed(&self, key: &ContentHash, run: &Run, ix: InstanceIx) -> Option<Missed> {
        let found = self.store.reusable(key, None).ok().flatten()?;
        if !self.reuse {
            return Some(Missed::SwitchedOff);
        }
        let instance = run.instance_at(ix)?;
        let CachePolicy::On { ttl, .. } = &instance.cache else {
            return None;
        };
        let expired = ttl.is_some_and(|ttl| found.at.plus(ttl) < self.now);
        Some(if expired { Missed::Expired } else { Missed::Gone })
    }
}

/// Content of everything outside that a definition names, as far as it can be known: datasets and
/// files of code, and the version of these. Kept with the run, so that the next plan can say what has
/// changed.
///
/// # Errors
/// If the store cannot be asked; what cannot be read of the project is left open.
pub fn surroundings_of(
    store: &mut Store,
    workplace: &Workplace,
    versions: &Versions,
    definition: &mut RunDefinition,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut content =
        |start: &Path, location: &str| match fingerprint::content_of(store, start, location, now) {
            Ok(content) => Ok(content),
            Err(fingerprint::FingerprintError::Store(error)) => Err(error),
            // The step that reads it will say so.
            Err(_) => Ok(None),
        };
    for dataset in definition.datasets.values_mut() {
        dataset.content = content(workplace.start_of(&dataset.location), &dataset.location)?;
    }
    let mut files = BTreeMap::new();
    for instance in &definition.instances {
        for location in crate::prepare::code_files(instance) {
            if let Some(hash) = content(workplace.code(), &location)? {
                files.insert(location, hash);
            }
        }
    }
    definition.files = files;
    // What was asked for by its revision is of that, whatever the folder holds.
    if definition.code.is_none() {
        definition.code = versions.of(workplace.code(), definition);
    }
    Ok(())
}
