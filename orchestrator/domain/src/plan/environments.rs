//! Two environments side by side: what one has and the other has not.

pub mod render;

use super::changes::{Change, Difference, changes_between};
use crate::run::RunDefinition;
use serde::Serialize;
use trainyard_contract::{ContentHash, PipelineName, RunId};

/// What an environment has of a pipeline: the last run there that succeeded.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing<'a> {
    pub run: RunId,
    pub definition: &'a RunDefinition,
}

/// A version of a model that runs of an environment have registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelStanding {
    pub version: u32,
    /// Aliases that point at it.
    pub aliases: Vec<String>,
}

/// A model, and the newest version of each of the two environments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelDifference {
    pub model: String,
    pub this: Option<ModelStanding>,
    pub other: Option<ModelStanding>,
}

/// A run and the version of the pipeline's files that it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deployment {
    pub run: RunId,
    pub version: ContentHash,
}

/// What one environment has of a pipeline and another has not. `before` of each change is what the other
/// has, `now` what this one has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PipelineDifference {
    pub pipeline: PipelineName,
    /// None: nothing has succeeded there.
    pub this: Option<Deployment>,
    pub other: Option<Deployment>,
    /// Params and variables, which environments may set apart.
    pub values: Vec<Difference>,
    /// Everything else of the spec.
    pub changes: Vec<Change>,
    /// Only those that differ.
    pub models: Vec<ModelDifference>,
}

/// Two environments, pipeline by pipeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EnvironmentDifference {
    pub this: String,
    pub other: String,
    pub pipelines: Vec<PipelineDifference>,
}

impl EnvironmentDifference {
    /// Whether anything differs.
    pub fn differs(&self) -> bool {
        self.pipelines.iter().any(PipelineDifference::differs)
    }
}

impl PipelineDifference {
    /// Compares what two environments have. `models` are all that the pipeline has registered.
    pub fn between(
        pipeline: PipelineName,
        this: Option<&Standing<'_>>,
        other: Option<&Standing<'_>>,
        models: Vec<ModelDifference>,
    ) -> Self {
        let mut changes = match (this, other) {
            (Some(this), Some(other)) => changes_between(other.definition, this.definition),
            _ => Vec::new(),
        };
        // Where each of them lies follows from its variables.
        let is_value = |change: &Change| {
            let path = &change.difference.path;
            path.starts_with("params.") || path.starts_with("vars.")
        };
        let values = changes.iter().filter(|change| is_value(change));
        let values = values.map(|change| change.difference.clone()).collect();
        changes.retain(|change| !is_value(change));
        let deployment = |of: Option<&Standing<'_>>| {
            of.map(|standing| Deployment {
                run: standing.run.clone(),
                version: standing.definition.pipeline_hash,
            })
        };
        Self {
            pipeline,
            this: deployment(this),
            other: deployment(other),
            values,
            changes,
            models: models
                .into_iter()
                .filter(|model| model.this != model.other)
                .collect(),
        }
    }

    /// Whether anything differs.
    pub fn differs(&self) -> bool {
        let version = |of: &Option<Deployment>| of.as_ref().map(|deployment| deployment.version);
        version(&self.this) != version(&self.other)
            || !self.values.is_empty()
            || !self.changes.is_empty()
            || !self.models.is_empty()
    }

    /// Steps that differ, each once, in the order of their first change.
    pub fn steps(&self) -> Vec<&str> {
        let mut steps = Vec::new();
        for change in &self.changes {
            let mut words = change.difference.path.split(['.', '[']);
            if words.next() == Some("steps")
                && let Some(step) = words.next()
                && !steps.contains(&step)
            {
                steps.push(step);
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests;
