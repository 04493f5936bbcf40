//! What follows from a definition alone: who waits for whom, and in which order it is best begun.

use super::definition::{BoundInput, DEFINITION_VERSION, Hook, Instance, InstanceIx, RunDefinition};
use super::stage::Stage;
use std::collections::{BTreeMap, BTreeSet};

/// Why a definition cannot be run. The checks of a pipeline exclude all of these; a definition that
/// was kept by another version or damaged may still have them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDefinition {
    #[error("the run's definition has version {found}; this program reads version {DEFINITION_VERSION}")]
    Version { found: u32 },
    #[error("a run has at most {} step instances, this one has {found}", InstanceIx::MAX)]
    TooManyInstances { found: usize },
    #[error("`{instance}` refers to instance {index}, but there are {count}")]
    NoInstance {
        instance: String,
        index: InstanceIx,
        count: usize,
    },
    #[error("`{instance}` reads dataset `{dataset}`, which the definition lacks")]
    NoDataset { instance: String, dataset: String },
    #[error("`{instance}` takes data from `{upstream}` without waiting for it")]
    NoEdge { instance: String, upstream: String },
    #[error("`{instance}` waits for itself, directly or through others")]
    Cycle { instance: String },
    #[error("`{instance}` waits for the hook `{hook}`, which starts after it")]
    WaitsForHook { instance: String, hook: String },
    #[error("`{instance}` runs for each item of a list and {what}")]
    ForEach { instance: String, what: &'static str },
    #[error("`{instance}` repeats and {what}")]
    Repeat { instance: String, what: &'static str },
    #[error("`{instance}` has a limit of zero: {what}")]
    Zero { instance: String, what: &'static str },
}

/// Edges, heights and groups of a checked definition. Indices into it are those of the definition.
#[derive(Debug)]
pub(super) struct Graph {
    /// `downstream[starts[ix]..starts[ix + 1]]` wait for `ix`.
    starts: Vec<usize>,
    downstream: Vec<InstanceIx>,
    /// Edges that end at each instance.
    pub(super) waits_for: Vec<u32>,
    /// Instances on the longest path that starts here: what to begin first.
    pub(super) height: Vec<u32>,
    /// Instances before each on the longest path that ends there.
    pub(super) depth: Vec<u32>,
    /// Upstream before downstream.
    pub(super) order: Vec<InstanceIx>,
    /// Cells of matrix steps with limits, and items of `for_each` steps.
    pub(super) groups: Vec<Cells>,
    /// Of an instance with `for_each`: that of its items.
    pub(super) group_of: Vec<Option<u32>>,
    /// Instances of each step, in declaration order.
    pub(super) of_step: BTreeMap<String, Vec<InstanceIx>>,
    /// Hooks of the whole run, in declaration order.
    pub(super) run_hooks: Vec<InstanceIx>,
}

/// The cells of one matrix step with limits, or the items of one step.
#[derive(Debug)]
pub(super) struct Cells {
    /// None of items: they are not known yet.
    pub(super) members: Vec<InstanceIx>,
    pub(super) max_parallel: u32,
    pub(super) fail_fast: bool,
}

impl Graph {
    pub(super) fn of(definition: &RunDefinition) -> Result<Self, InvalidDefinition> {
        if definition.version != DEFINITION_VERSION {
            return Err(InvalidDefinition::Version {
                found: definition.version,
            });
        }
        let count = definition.instances.len();
        if InstanceIx::try_from(count).is_err() {
            return Err(InvalidDefinition::TooManyInstances { found: count });
        }
        for instance in &definition.instances {
            check(definition, instance)?;
        }
        let (starts, downstream, waits_for) = edges(definition);
        let mut graph = Self {
            starts,
            downstream,
            waits_for,
            height: vec![1; count],
            depth: vec![0; count],
            order: Vec::with_capacity(count),
            groups: Vec::new(),
            group_of: vec![None; count],
            of_step: BTreeMap::new(),
            run_hooks: Vec::new(),
        };
        graph.put_in_order(definition)?;
        graph.measure_heights();
        graph.measure_depths();
        graph.gather_cells(definition);
        Ok(graph)
    }

    /// What waits for `ix`; an instance with two edges from it is there twice.
    pub(super) fn downstream(&self, ix: InstanceIx) -> &[InstanceIx] {
        let ix = ix as usize;
        match (self.starts.get(ix), self.starts.get(ix + 1)) {
            (Some(&from), Some(&to)) => &self.downstream[from..to],
            _ => &[],
        }
    }

    fn put_in_order(&mut self, definition: &RunDefinition) -> Result<(), InvalidDefinition> {
        let mut left = self.waits_for.clone();
        let mut next: Vec<InstanceIx> = (0..)
            .zip(&left)
            .filter(|(_, edges)| **edges == 0)
            .map(|(ix, _)| ix)
            .collect();
        while let Some(ix) = next.pop() {
            self.order.push(ix);
            for &below in self.downstream(ix) {
                left[below as usize] -= 1;
                if left[below as usize] == 0 {
                    next.push(below);
                }
            }
        }
        // What is left is on a cycle or below one; going up from it ends on the cycle.
        let is_left = |ix: InstanceIx| left[ix as usize] > 0;
        let Some(mut at) = (0..).zip(&left).find(|(_, edges)| **edges > 0).map(|(ix, _)| ix) else {
            return Ok(());
        };
        let mut seen = BTreeSet::new();
        while seen.insert(at) {
            at = sources(&definition.instances[at as usize])
                .find(|ix| is_left(*ix))
                .unwrap_or(at);
        }
        Err(InvalidDefinition::Cycle {
            instance: definition.instances[at as usize].name.clone(),
        })
    }

    fn measure_heights(&mut self) {
        for &ix in self.order.iter().rev() {
            let below = self
                .downstream(ix)
                .iter()
                .map(|&below| self.height[below as usize])
                .max();
            self.height[ix as usize] = 1 + below.unwrap_or(0);
        }
    }

    fn measure_depths(&mut self) {
        for at in 0..self.order.len() {
            let ix = self.order[at];
            let depth = self.depth[ix as usize] + 1;
            let (from, to) = (self.starts[ix as usize], self.starts[ix as usize + 1]);
            for &below in &self.downstream[from..to] {
                let known = &mut self.depth[below as usize];
                *known = depth.max(*known);
            }
        }
    }

    fn gather_cells(&mut self, definition: &RunDefinition) {
        let mut group_of_step: BTreeMap<&str, u32> = BTreeMap::new();
        for (ix, instance) in (0..).zip(&definition.instances) {
            self.of_step
                .entry(instance.step.to_string())
                .or_default()
                .push(ix);
            if instance.stage() > Stage::Graph {
                self.run_hooks.push(ix);
            }
            if let Some(each) = &instance.for_each {
                self.group_of[ix as usize] = Some(self.groups.len() as u32);
                self.groups.push(Cells {
                    members: Vec::new(),
                    max_parallel: each.max_parallel.unwrap_or(u32::MAX),
                    fail_fast: each.fail_fast,
                });
            } else if let Some(limits) = instance.matrix_limits {
                let group = *group_of_step.entry(instance.step.as_str()).or_insert_with(|| {
                    self.groups.push(Cells {
                        members: Vec::new(),
                        max_parallel: limits.max_parallel.unwrap_or(u32::MAX),
                        fail_fast: limits.fail_fast,
                    });
                    self.groups.len() as u32 - 1
                });
                self.groups[group as usize].members.push(ix);
                self.group_of[ix as usize] = Some(group);
            }
        }
    }
}

/// What an instance waits for; a hook also for the step it belongs to.
fn sources(instance: &Instance) -> impl Iterator<Item = InstanceIx> {
    let hooked = match instance.hook {
        Some(Hook::OnFailure(target)) => Some(target),
        _ => None,
    };
    instance.upstream.iter().map(|edge| edge.instance).chain(hooked)
}

fn edges(definition: &RunDefinition) -> (Vec<usize>, Vec<InstanceIx>, Vec<u32>) {
    let count = definition.instances.len();
    let mut starts = vec![0; count + 1];
    let mut waits_for = vec![0; count];
    for (at, instance) in definition.instances.iter().enumerate() {
        for source in sources(instance) {
            starts[source as usize + 1] += 1;
            waits_for[at] += 1;
        }
    }
    for at in 0..count {
        starts[at + 1] += starts[at];
    }
    let mut next = starts.clone();
    let mut downstream = vec![0; starts[count]];
    for (ix, instance) in (0..).zip(&definition.instances) {
        for source in sources(instance) {
            downstream[next[source as usize]] = ix;
            next[source as usize] += 1;
        }
    }
    (starts, downstream, waits_for)
}

fn check(definition: &RunDefinition, instance: &Instance) -> Result<(), InvalidDefinition> {
    let count = definition.instances.len();
    let name = || instance.name.clone();
    let find = |index: InstanceIx| {
        definition
            .instances
            .get(index as usize)
            .ok_or_else(|| InvalidDefinition::NoInstance {
                instance: name(),
                index,
                count,
            })
    };
    for edge in &instance.upstream {
        let upstream = find(edge.instance)?;
        let too_late = upstream.stage() > instance.stage();
        if too_late || upstream.hook.is_some() && instance.hook.is_none() {
            return Err(InvalidDefinition::WaitsForHook {
                instance: name(),
                hook: upstream.name.clone(),
            });
        }
    }
    if let Some(Hook::OnFailure(target)) = instance.hook {
        let target = find(target)?;
        if target.stage() > Stage::Graph {
            return Err(InvalidDefinition::WaitsForHook {
                instance: name(),
                hook: target.name.clone(),
            });
        }
    }
    let data: BTreeSet<InstanceIx> = instance
        .upstream
        .iter()
        .filter(|edge| edge.data)
        .map(|edge| edge.instance)
        .collect();
    for input in instance.inputs.values() {
        let sources: &[InstanceIx] = match input {
            BoundInput::Dataset(dataset) if !definition.datasets.contains_key(dataset) => {
                return Err(InvalidDefinition::NoDataset {
                    instance: name(),
                    dataset: dataset.clone(),
                });
            }
            BoundInput::Output { instance, .. } => std::slice::from_ref(instance),
            BoundInput::Collected { instances, .. } => instances,
            BoundInput::Dataset(_) | BoundInput::Registry { .. } => &[],
        };
        for &source in sources {
            let upstream = find(source)?;
            if !data.contains(&source) {
                return Err(InvalidDefinition::NoEdge {
                    instance: name(),
                    upstream: upstream.name.clone(),
                });
            }
        }
    }
    let zero = |what| {
        Err(InvalidDefinition::Zero {
            instance: name(),
            what,
        })
    };
    if instance.retry.max_attempts == 0 {
        return zero("max_attempts");
    }
    if instance
        .matrix_limits
        .is_some_and(|limits| limits.max_parallel == Some(0))
    {
        return zero("max_parallel");
    }
    if instance
        .approval
        .as_ref()
        .is_some_and(|rule| rule.min_approvals == 0)
    {
        return zero("min_approvals");
    }
    if let Some(repeat) = &instance.repeat {
        if repeat.max_iterations == 0 {
            return zero("max_iterations");
        }
        let not_with = [
            (instance.approval.is_some(), "asks for approval"),
            (instance.hook.is_some(), "is a hook"),
            (instance.for_each.is_some(), "has a list"),
        ];
        if let Some((_, what)) = not_with.into_iter().find(|(is_so, _)| *is_so) {
            return Err(InvalidDefinition::Repeat {
                instance: name(),
                what,
            });
        }
    }
    if let Some(each) = &instance.for_each {
        if each.max_parallel == Some(0) {
            return zero("max_parallel");
        }
        let not_with = [
            (instance.approval.is_some(), "asks for approval"),
            (instance.hook.is_some(), "is a hook"),
            (!instance.matrix.is_empty(), "has a matrix"),
        ];
        if let Some((_, what)) = not_with.into_iter().find(|(is_so, _)| *is_so) {
            return Err(InvalidDefinition::ForEach {
                instance: name(),
                what,
            });
        }
    }
    Ok(())
}
