//! What a connection remembers of the runs it writes, so that an append reads next to nothing.

use crate::run::StepCounts;
use crate::usage::Attempts;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{ContentHash, Millis, PipelineName, StepName, Timestamp};
use trainyard_domain::plan::Month;
use trainyard_domain::run::{
    Event, InstanceIx, ItemCounts, RepeatEnd, RunDefinition, RunnerKind, SkipReason, What,
};

/// Derived from a run's definition and its events; forgotten when a turn is rolled back, and built
/// anew from what is stored.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The run's number in other tables.
    pub(crate) number: i64,
    pub(crate) pipeline: PipelineName,
    pub(crate) environment: Option<String>,
    steps: Vec<StepName>,
    /// What attempts have taken since the run last ended.
    used: BTreeMap<Month, Attempts>,
    /// Cores and MiB that an attempt of an instance holds.
    sizes: Vec<(u64, u64)>,
    /// First instance of a list of items or of iterations → the instance that they are of.
    lists: BTreeMap<InstanceIx, InstanceIx>,
    ends: Vec<Option<End>>,
    counts: StepCounts,
    gates: BTreeMap<InstanceIx, Gate>,
    /// Reuse keys of attempts that have started.
    keys: BTreeMap<(InstanceIx, u32), ContentHash>,
    /// How long the successful attempts took.
    walls: Vec<(InstanceIx, Millis)>,
    /// Attempts of some steps need slots.
    has_pools: bool,
}

/// How a step instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Succeeded,
    Reused,
    Skipped,
    Blocked,
    Failed,
    Cancelled,
}

#[derive(Debug)]
struct Gate {
    /// How many people must agree.
    needed: usize,
    /// Agreement is all there is to do, as in `gate.approval`.
    is_all: bool,
    given: BTreeSet<String>,
}

/// What an event means for other tables.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// The reuse key of the attempt that has succeeded.
    pub(crate) key: Option<ContentHash>,
    /// What its attempts have taken, of a run that is over and as far as no earlier end has told.
    pub(crate) used: BTreeMap<Month, Attempts>,
    /// The gate has been decided.
    pub(crate) is_gate_closed: bool,
}

impl Ledger {
    pub(crate) fn new(number: i64, definition: &RunDefinition) -> Self {
        let gates = definition
            .instances
            .iter()
            .enumerate()
            .filter_map(|(at, instance)| {
                let rule = instance.approval.as_ref()?;
                let gate = Gate {
                    needed: rule.min_approvals as usize,
                    is_all: instance.runner == RunnerKind::Orchestrator,
                    given: BTreeSet::new(),
                };
                Some((InstanceIx::try_from(at).ok()?, gate))
            });
        let sizes = definition.instances.iter().map(|instance| {
            let cores = instance.limits.cpu.unwrap_or(1);
            let bytes = instance.limits.memory.map_or(0, |size| size.0);
            (u64::from(cores), bytes >> 20)
        });
        Self {
            number,
            pipeline: definition.pipeline.clone(),
            environment: definition.environment.clone(),
            used: BTreeMap::new(),
            sizes: sizes.collect(),
            lists: BTreeMap::new(),
            steps: definition
                .instances
                .iter()
                .map(|instance| instance.step.clone())
                .collect(),
            ends: vec![None; definition.instances.len()],
            counts: StepCounts {
                total: definition.instances.len() as u32,
                ..StepCounts::default()
            },
            gates: gates.collect(),
            keys: BTreeMap::new(),
            walls: Vec::new(),
            has_pools: !definition.pools.is_empty(),
        }
    }

    /// Takes notice of an event.
    pub(crate) fn note(&mut self, event: &Event) -> Noted {
        let mut noted = Noted::default();
        match &event.what {
            What::AttemptStarted { step, attempt, key } => {
                if let Some(key) = key {
                    self.keys.insert((*step, *attempt), *key);
                }
            }
            What::AttemptSucceeded {
                step,
                attempt,
                resources,
                ..
            } => {
                self.walls.push((*step, resources.wall));
                self.use_up(*step, resources.wall, event.at);
                self.end(*step, End::Succeeded);
                noted.key = self.keys.remove(&(*step, *attempt));
            }
            What::AttemptFailed {
                step,
                attempt,
                retry_at,
                resources,
                ..
            } => {
                self.use_up(*step, resources.wall, event.at);
                self.keys.remove(&(*step, *attempt));
                if retry_at.is_none() {
                    self.end(*step, End::Failed);
                }
            }
            What::AttemptLost { step, attempt } => {
                self.keys.remove(&(*step, *attempt));
            }
            What::StepReused { step, .. } => self.end(*step, End::Reused),
            What::StepSkipped { step, because } => {
                let is_blocked = matches!(because, SkipReason::UpstreamFailed { .. });
                self.end(*step, if is_blocked { End::Blocked } else { End::Skipped });
            }
            What::StepRejected { step, .. } => self.end(*step, End::Failed),
            What::StepCancelled { step } => self.end(*step, End::Cancelled),
            // Items are no steps of their own here: their step counts, once.
            What::ItemsEnded { step, counts } => {
                let how = match counts {
                    ItemCounts { failed: 1.., .. } => End::Failed,
                    ItemCounts { cancelled: 1.., .. } => End::Cancelled,
                    ItemCounts { skipped: 1.., .. } => End::Skipped,
                    ItemCounts { total: 1.., .. } if counts.reused == counts.total => End::Reused,
                    _ => End::Succeeded,
                };
                self.end(*step, how);
            }
            What::RepeatEnded { step, end } => self.end(
                *step,
                match end {
                    RepeatEnd::Done | RepeatEnd::Limit => End::Succeeded,
                    RepeatEnd::Failed { .. } => End::Failed,
                    RepeatEnd::Cancelled => End::Cancelled,
                    RepeatEnd::NotSelected => End::Skipped,
                },
            ),
            What::ItemsKnown { step, first, .. } | What::RepeatBegan { step, first } => {
                self.lists.insert(*first, *step);
            }
            What::ItemsCancelled { .. } | What::IterationDue { .. } => {}
            What::ApprovalAsked { step } => {
                if let Some(gate) = self.gates.get_mut(step) {
                    gate.given.clear();
                }
            }
            What::ApprovalGiven {
                step, by, approve, ..
            } => {
                noted.is_gate_closed = self.answer(*step, Some(by), *approve);
            }
            What::ApprovalExpired { step, approve } => {
                noted.is_gate_closed = self.answer(*step, None, *approve);
            }
            // Hooks and conditions that are judged again end again, and count as they did till then.
            What::RetryAsked { select: None, .. } => {
                for end in &mut self.ends {
                    end.take_if(|end| matches!(end, End::Failed | End::Blocked | End::Cancelled));
                }
                self.counts = StepCounts {
                    failed: 0,
                    blocked: 0,
                    cancelled: 0,
                    ..self.counts
                };
            }
            // What was not chosen stays as it ended, and what was ends again.
            What::RetryAsked { .. }
            | What::RunStarted { .. }
            | What::CancelAsked { .. }
            | What::RunTurnedAway { .. }
            | What::SlaBreached { .. }
            | What::RunTimedOut { .. } => {}
            What::RunEnded { .. } => noted.used = std::mem::take(&mut self.used),
        }
        noted
    }

    /// Counts what an attempt has held, and for how long.
    fn use_up(&mut self, ix: InstanceIx, wall: Millis, at: Timestamp) {
        let of = match self.sizes.get(ix as usize) {
            Some(_) => Some(ix),
            None => self.lists.range(..=ix).next_back().map(|(_, of)| *of),
        };
        let size = of.and_then(|of| self.sizes.get(of as usize));
        if let Some((cores, mib)) = size
            && wall > Millis(0)
        {
            self.used.entry(Month::of(at)).or_default().add(Attempts {
                core_ms: wall.0.saturating_mul(*cores),
                mib_ms: wall.0.saturating_mul(*mib),
            });
        }
    }

    fn end(&mut self, step: InstanceIx, how: End) {
        let Some(end) = self.ends.get_mut(step as usize) else {
            return;
        };
        let before = end.replace(how);
        if let Some(before) = before {
            *self.counted(before) -= 1;
        }
        *self.counted(how) += 1;
    }

    fn counted(&mut self, end: End) -> &mut u32 {
        match end {
            End::Succeeded => &mut self.counts.succeeded,
            End::Reused => &mut self.counts.reused,
            End::Skipped => &mut self.counts.skipped,
            End::Blocked => &mut self.counts.blocked,
            End::Failed => &mut self.counts.failed,
            End::Cancelled => &mut self.counts.cancelled,
        }
    }

    /// Counts an answer, of one person or of the clock; says whether it decides the gate.
    fn answer(&mut self, step: InstanceIx, by: Option<&String>, approve: bool) -> bool {
        if !approve {
            self.end(step, End::Failed);
            return true;
        }
        let Some(gate) = self.gates.get_mut(&step) else {
            return true;
        };
        if let Some(by) = by {
            gate.given.insert(by.clone());
            if gate.given.len() < gate.needed {
                return false;
            }
        }
        if gate.is_all {
            self.end(step, End::Succeeded);
        }
        true
    }

    /// Whether ends of attempts give slots of pools back.
    pub(crate) fn has_pools(&self) -> bool {
        self.has_pools
    }

    /// Whether somebody may be asked about the step instance.
    pub(crate) fn is_gate(&self, step: InstanceIx) -> bool {
        self.gates.contains_key(&step)
    }

    /// How many step instances have ended in which way.
    pub(crate) fn counts(&self) -> StepCounts {
        self.counts
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
