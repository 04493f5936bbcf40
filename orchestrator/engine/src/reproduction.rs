//! Making a run again: what its steps had that may have changed since.
//!
//! Code comes of the run's revision and parameters of its definition. A dataset that is no longer what it was
//! cannot be read again; the step that read it then stands in with what it made, which is still in the object
//! folder. Models are looked up as they were, and steps with a memory remember what they remembered then.

use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use trainyard_contract::task::TaskInput;
use trainyard_contract::{Objects, OutputValue, RunId};
use trainyard_domain::run::{
    BoundInput, CachePolicy, Instance, InstanceIx, Run, RunDefinition, RunnerKind, StepState,
};
use trainyard_store::{LineageNode, Reusable, Store, StoreError};

/// The run that another makes again.
#[derive(Debug)]
pub(crate) struct Original {
    run: Run,
}

impl Original {
    /// Reads it.
    ///
    /// # Errors
    /// `NoRun`, `Removed`, `Corrupt`, `Disk`.
    pub(crate) fn load(store: &Store, id: &RunId) -> Result<Self, StoreError> {
        let stored = store.load_run(id)?;
        let run = Run::replay(id.clone(), Arc::new(stored.definition), &stored.events).map_err(|error| {
            StoreError::Corrupt {
                doing: "read a run",
                what: error.to_string(),
            }
        })?;
        Ok(Self { run })
    }

    /// What the instance made then, if it read a dataset that is another now.
    pub(crate) fn stands_in(
        &self,
        objects: &Objects,
        instance: &Instance,
        inputs: &IndexMap<String, TaskInput>,
    ) -> Option<Reusable> {
        let then = &self.run.definition().datasets;
        let has_changed = inputs.values().any(|input| match input {
            TaskInput::Dataset(now) => then
                .get(&now.name)
                .is_some_and(|then| then.content.is_some() && then.content != now.content),
            _ => false,
        });
        if !has_changed {
            return None;
        }
        let ix = self.run.find(&instance.name)?;
        let StepState::Succeeded {
            outputs,
            metrics,
            headline,
            ..
        } = self.run.step(ix)
        else {
            return None;
        };
        let is_there = outputs.values().all(|output| match output {
            OutputValue::Artifact(artifact) => objects.contains(&artifact.hash),
            OutputValue::Value(_) => true,
        });
        is_there.then(|| Reusable {
            run: self.run.id().clone(),
            instance: ix,
            outputs: outputs.clone(),
            metrics: metrics.clone(),
            headline: headline.clone(),
            at: self.run.started_at().unwrap_or_default(),
        })
    }

    /// The version of a model that the instance took then, as lineage knows it.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub(crate) fn version_of(
        &self,
        store: &Store,
        instance: &Instance,
        model: &str,
    ) -> Result<Option<u32>, StoreError> {
        let step = LineageNode::Step {
            run: self.run.id().clone(),
            instance: instance.name.clone(),
        };
        let graph = store.lineage_up(&step, 1, 1_000)?;
        Ok(graph.nodes.into_iter().find_map(|(node, _)| match node {
            LineageNode::ModelVersion { name, version } if name == model => Some(version),
            _ => None,
        }))
    }
}

/// The instances of a definition that may be made again: all but those that change something outside their outputs
/// (of a command only whoever wrote it knows: it says `cache: false` then) or ask people, hooks, and what takes
/// something from them.
pub fn repeatable(definition: &RunDefinition) -> BTreeSet<InstanceIx> {
    let all = || (0..).zip(&definition.instances);
    let mut left_out: BTreeSet<InstanceIx> = all()
        .filter(|(_, instance)| {
            let may_have_effects =
                instance.runner == RunnerKind::Process && instance.cache == CachePolicy::Off;
            let is_special = instance.approval.is_some() || instance.hook.is_some();
            instance.effect.is_some() || may_have_effects || is_special
        })
        .map(|(ix, _)| ix)
        .collect();
    loop {
        let before = left_out.len();
        for (ix, instance) in all() {
            if instance.upstream.iter().any(|up| left_out.contains(&up.instance)) {
                left_out.insert(ix);
            }
        }
        if left_out.len() == before {
            return all()
                .map(|(ix, _)| ix)
                .filter(|ix| !left_out.contains(ix))
                .collect();
        }
    }
}

/// Whether a bound input is a model of the registry; gives name and alias.
pub(crate) fn registered(bound: &BoundInput) -> Option<(&str, &str)> {
    match bound {
        BoundInput::Registry { model, alias, .. } => Some((model, alias)),
        _ => None,
    }
}
