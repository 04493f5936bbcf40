//! What a connection remembers of the runs it writes, so that an append reads next to nothing.

use std::collections::BTreeMap;
use trainyard_contract::{ContentHash, Millis, StepName};
use trainyard_domain::run::{Event, InstanceIx, RunDefinition, What};

/// Derived from a run's definition and its events; forgotten when a turn is rolled back, and built
/// anew from what is stored.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The run's number in other tables.
    pub(crate) number: i64,
    steps: Vec<StepName>,
    /// How many approvals open a gate.
    gates: BTreeMap<InstanceIx, u32>,
    /// Reuse keys of attempts that have started.
    keys: BTreeMap<(InstanceIx, u32), ContentHash>,
    /// How long the successful attempts took.
    walls: Vec<(InstanceIx, Millis)>,
}

impl Ledger {
    pub(crate) fn new(number: i64, definition: &RunDefinition) -> Self {
        let gates = definition
            .instances
            .iter()
            .enumerate()
            .filter_map(|(at, instance)| {
                let rule = instance.approval.as_ref()?;
                Some((InstanceIx::try_from(at).ok()?, rule.min_approvals))
            });
        Self {
            number,
            steps: definition
                .instances
                .iter()
                .map(|instance| instance.step.clone())
                .collect(),
            gates: gates.collect(),
            keys: BTreeMap::new(),
            walls: Vec::new(),
        }
    }

    /// Takes notice of an event; gives the reuse key of the attempt that it ends, if it had one.
    pub(crate) fn note(&mut self, event: &Event) -> Option<ContentHash> {
        match &event.what {
            What::AttemptStarted {
                step,
                attempt,
                key: Some(key),
            } => {
                self.keys.insert((*step, *attempt), *key);
                None
            }
            What::AttemptSucceeded {
                step,
                attempt,
                resources,
                ..
            } => {
                self.walls.push((*step, resources.wall));
                self.keys.remove(&(*step, *attempt))
            }
            What::AttemptFailed { step, attempt, .. } | What::AttemptLost { step, attempt } => {
                self.keys.remove(&(*step, *attempt))
            }
            _ => None,
        }
    }

    /// How many approvals the gate needs.
    pub(crate) fn approvals_needed(&self, step: InstanceIx) -> u32 {
        self.gates.get(&step).copied().unwrap_or(1)
    }

    /// Durations in milliseconds by step.
    pub(crate) fn durations(&self) -> BTreeMap<&str, Vec<u64>> {
        let mut by_step: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (instance, wall) in &self.walls {
            if let Some(step) = self.steps.get(*instance as usize) {
                by_step.entry(step.as_str()).or_default().push(wall.0);
            }
        }
        by_step
    }
}
