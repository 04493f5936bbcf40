//! What environments have, read from the state.

use crate::{EngineError, deployed};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::PipelineName;
use trainyard_domain::plan::environments::{
    EnvironmentDifference, ModelDifference, ModelStanding, PipelineDifference, Standing,
};
use trainyard_store::{Store, StoreError, StoredRun};

/// What `this` environment has and `other` has not, of each of the pipelines.
///
/// # Errors
/// If the state cannot be read.
pub fn difference(
    store: &Store,
    this: &str,
    other: &str,
    pipelines: Vec<PipelineName>,
) -> Result<EnvironmentDifference, EngineError> {
    let mut models = models(store)?;
    let mut found = Vec::new();
    for pipeline in pipelines {
        let (here, there) = (
            standing(store, &pipeline, this)?,
            standing(store, &pipeline, other)?,
        );
        let of_it = models.remove(&pipeline).unwrap_or_default();
        let differences = of_it.into_iter().map(|(model, by_environment)| ModelDifference {
            model,
            this: by_environment.get(this).cloned(),
            other: by_environment.get(other).cloned(),
        });
        found.push(PipelineDifference::between(
            pipeline,
            here.as_ref().map(as_standing).as_ref(),
            there.as_ref().map(as_standing).as_ref(),
            differences.collect(),
        ));
    }
    Ok(EnvironmentDifference {
        this: this.to_owned(),
        other: other.to_owned(),
        pipelines: found,
    })
}

fn standing(
    store: &Store,
    pipeline: &PipelineName,
    environment: &str,
) -> Result<Option<StoredRun>, StoreError> {
    let run = deployed(store, pipeline, Some(environment))?;
    run.map(|run| store.load_run(&run)).transpose()
}

fn as_standing(run: &StoredRun) -> Standing<'_> {
    Standing {
        run: run.id.clone(),
        definition: &run.definition,
    }
}

type ByEnvironment = BTreeMap<String, ModelStanding>;

/// Pipeline → model → environment → the newest version that a run there has registered.
fn models(store: &Store) -> Result<BTreeMap<PipelineName, BTreeMap<String, ByEnvironment>>, StoreError> {
    let mut found: BTreeMap<PipelineName, BTreeMap<String, ByEnvironment>> = BTreeMap::new();
    for model in store.models()? {
        let mut seen: BTreeSet<(PipelineName, String)> = BTreeSet::new();
        // Newest first.
        for version in store.model_versions(&model.name)? {
            let run = match store.run_summary(&version.run) {
                Ok(run) => run,
                // Old runs are cleared away, their models stay.
                Err(StoreError::NoRun(_)) => continue,
                Err(error) => return Err(error),
            };
            let Some(environment) = run.environment else {
                continue;
            };
            if !seen.insert((run.pipeline.clone(), environment.clone())) {
                continue;
            }
            let standing = ModelStanding {
                version: version.version,
                aliases: version.aliases,
            };
            let of_pipeline = found.entry(run.pipeline).or_default();
            of_pipeline
                .entry(model.name.clone())
                .or_default()
                .insert(environment, standing);
        }
    }
    Ok(found)
}
