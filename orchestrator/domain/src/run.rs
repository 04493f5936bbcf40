//! A run as state, events and decisions.
//!
//! [`Run::decide`] answers what the world tells with events and applies them, [`Run::apply`] is the
//! only thing that changes state, [`Run::due`] says from state alone what is to be done. A run is
//! therefore rebuilt from its definition and its events, and time is an argument. Nothing here
//! knows executors, the store or the clock.

mod apply;
mod approval;
mod backoff;
mod bounds;
mod choose;
mod code;
pub mod context;
mod decide;
pub mod definition;
mod due;
pub mod event;
mod gate;
mod graph;
mod items;
mod iterations;
pub mod mentions;
mod planted;
mod queue;
mod retry;
pub mod reuse;
mod select;
mod stage;
mod state;
mod verdict;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
pub(crate) mod simulation;
#[cfg(test)]
mod tests;

pub use approval::AnswerRefused;
pub use bounds::{Breach, FinishBy, RunBounds, SlaLimit, out_of_time};
pub use code::{CodeVersion, Pinned};
pub use context::{Rendered, RunContext};
pub use decide::Input;
pub use definition::*;
pub use due::Action;
pub use event::{Event, RepeatEnd, RunOutcome, SkipReason, What};
pub use graph::InvalidDefinition;
pub use items::{ItemCounts, Items, item_name};
pub use retry::Again;
pub use select::{SelectError, select};
pub use state::{Approval, RunStatus, StepState};

use graph::Graph;
use queue::Queue;
use stage::Open;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trainyard_contract::{RunId, Timestamp};
use verdict::Verdict;

/// One run's state: what its definition and its events say, indexed for quick decisions.
#[derive(Clone, Debug)]
pub struct Run {
    id: RunId,
    definition: Arc<RunDefinition>,
    graph: Arc<Graph>,
    /// Those of the definition, and after them items.
    steps: Vec<StepState>,
    tallies: Vec<Tally>,
    /// By their first instance; lists that a retry has replaced included.
    items: Vec<Items>,
    /// Where in `items` those of each `for_each` step are.
    current_items: BTreeMap<InstanceIx, usize>,
    /// What may be launched.
    queue: Queue,
    running: BTreeMap<InstanceIx, u32>,
    /// Running ones whose result is not wanted any more.
    doomed: BTreeSet<InstanceIx>,
    awaiting: BTreeSet<InstanceIx>,
    /// Ends of retry delays and of approvals.
    timers: BTreeSet<(Timestamp, InstanceIx)>,
    /// Judged, and the event that says so not yet decided.
    pending: BTreeMap<InstanceIx, Verdict>,
    /// Groups of which a cell has failed, for `fail_fast`.
    tripped: BTreeSet<u32>,
    /// Instances that are not final.
    open: Open,
    started: Option<Started>,
    standing: bounds::Standing,
    cancel: Cancel,
    /// How it ended without ever having started, and why.
    turned_away: Option<(RunOutcome, String)>,
    ended: Option<RunOutcome>,
    /// Retries of the whole run, and when the last was asked for.
    retries: u32,
    retried: Option<Timestamp>,
    /// What the last retry was told to run again, if it was told.
    chosen: Option<BTreeSet<InstanceIx>>,
    /// What an earlier end makes of cancelled instances that a choice has left as they were.
    left: Option<RunOutcome>,
    /// The latest time heard of, from events and decisions. Only [`Run::ready`] depends on it, by
    /// the retries that have come due.
    clock: Timestamp,
    events_applied: u64,
    #[cfg(test)]
    planted: Option<planted::Fault>,
}

/// What has to be counted of an instance beside its state.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// Edges from instances that are not over.
    waits_for: u32,
    /// The number of the last attempt.
    attempts: u32,
    /// Failures that count against `max_attempts`, since the step last began afresh.
    failures: u32,
    /// Lost workers and lost engines in a row.
    workers_lost: u32,
    losses: u32,
    /// When the retry was decided, so that a clock set back is noticed.
    retry_since: Timestamp,
    /// May take an earlier result, may not start.
    reuse_only: bool,
    /// Was chosen to run again, and has not succeeded since: takes no earlier result.
    fresh: bool,
    /// An item that is to run again although it is over.
    again: bool,
    /// A step with items of which a retry has chosen some: the others stay as they are.
    keeps_others: bool,
}

#[derive(Clone, Debug)]
struct Started {
    by: String,
    at: Timestamp,
}

/// How far cancelling goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cancel {
    No,
    /// Asked once: steps end, hooks still run, since they clean up.
    Steps,
    /// Asked again: hooks end as well.
    Everything,
}

impl Run {
    /// A run in which nothing has happened.
    ///
    /// # Errors
    /// If the definition has another version, refers to what it does not have, or could not come to
    /// an end.
    pub fn new(id: RunId, definition: Arc<RunDefinition>) -> Result<Self, InvalidDefinition> {
        let graph = Graph::of(&definition)?;
        let standing = bounds::Standing::of(&id, &definition.bounds);
        let count = definition.instances.len();
        let tallies = graph.waits_for.iter().map(|edges| Tally {
            waits_for: *edges,
            ..Tally::default()
        });
        Ok(Self {
            id,
            steps: vec![StepState::Waiting; count],
            tallies: tallies.collect(),
            items: Vec::new(),
            current_items: BTreeMap::new(),
            queue: Queue::of(&graph),
            running: BTreeMap::new(),
            doomed: BTreeSet::new(),
            awaiting: BTreeSet::new(),
            timers: BTreeSet::new(),
            pending: BTreeMap::new(),
            tripped: BTreeSet::new(),
            open: Open::all_of(&definition),
            started: None,
            standing,
            cancel: Cancel::No,
            turned_away: None,
            ended: None,
            retries: 0,
            retried: None,
            chosen: None,
            left: None,
            clock: Timestamp(i64::MIN),
            events_applied: 0,
            #[cfg(test)]
            planted: None,
            definition,
            graph: Arc::new(graph),
        })
    }

    /// The run to which all this has happened.
    ///
    /// # Errors
    /// As [`Run::new`].
    pub fn replay<'a>(
        id: RunId,
        definition: Arc<RunDefinition>,
        events: impl IntoIterator<Item = &'a Event>,
    ) -> Result<Self, InvalidDefinition> {
        let mut run = Self::new(id, definition)?;
        events.into_iter().for_each(|event| run.apply(event));
        Ok(run)
    }

    pub fn id(&self) -> &RunId {
        &self.id
    }

    pub fn definition(&self) -> &Arc<RunDefinition> {
        &self.definition
    }

    /// Events so far, the number that a conditional write expects.
    pub fn events_applied(&self) -> u64 {
        self.events_applied
    }

    /// Where the run as a whole stands.
    pub fn status(&self) -> RunStatus {
        match self.ended {
            Some(outcome) => RunStatus::Ended(outcome),
            None if self.started.is_none() => RunStatus::NotStarted,
            None if self.running.is_empty() && self.queue.is_empty() && self.pending.is_empty() => {
                RunStatus::Waiting
            }
            None => RunStatus::Running,
        }
    }

    /// Who started it, and when.
    pub fn started_by(&self) -> Option<&str> {
        self.started.as_ref().map(|started| started.by.as_str())
    }

    /// When it was started.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started.as_ref().map(|started| started.at)
    }

    /// How often it was tried again after its end, and since when it has been going on.
    pub fn round(&self) -> (u32, Option<Timestamp>) {
        (self.retries, self.retried.or_else(|| self.started_at()))
    }

    /// Whether it was asked to stop, and has not been asked to try again since.
    pub fn is_cancelled(&self) -> bool {
        self.cancel > Cancel::No
    }

    /// Why it never started, if it was turned away.
    pub fn turned_away(&self) -> Option<&str> {
        self.turned_away.as_ref().map(|(_, reason)| reason.as_str())
    }

    /// Where an instance stands; one that the definition does not have waits for ever.
    pub fn step(&self, ix: InstanceIx) -> &StepState {
        self.steps.get(ix as usize).unwrap_or(&StepState::Waiting)
    }

    /// All instances in the definition's order, and after them items of `for_each` steps.
    pub fn steps(&self) -> impl Iterator<Item = (InstanceIx, &StepState)> {
        (0..).zip(&self.steps)
    }

    /// Instances of a step, in the definition's order.
    pub fn instances_of(&self, step: &str) -> &[InstanceIx] {
        self.graph.of_step.get(step).map_or(&[], Vec::as_slice)
    }

    /// What may be launched now, within the limits of matrices; the longest remaining path first.
    pub fn ready(&self) -> impl Iterator<Item = InstanceIx> {
        self.queue.iter()
    }

    /// How many instances are ready.
    pub fn ready_count(&self) -> usize {
        self.queue.len()
    }

    /// Whether it may be launched now.
    pub fn is_ready(&self, ix: InstanceIx) -> bool {
        self.queue.contains(self.seat(ix))
    }

    /// The pool of which each attempt at it needs a slot.
    pub fn pool_of(&self, ix: InstanceIx) -> Option<&str> {
        self.instance(ix)?.pool.as_deref()
    }

    /// Live attempts.
    pub fn running(&self) -> impl Iterator<Item = (InstanceIx, u32)> {
        self.running.iter().map(|(ix, attempt)| (*ix, *attempt))
    }

    /// How many attempts are live.
    pub fn running_count(&self) -> usize {
        self.running.len()
    }

    /// Live attempts whose result is not wanted any more.
    pub fn to_kill(&self) -> impl Iterator<Item = (InstanceIx, u32)> {
        self.doomed
            .iter()
            .filter_map(|ix| self.running.get(ix).map(|attempt| (*ix, *attempt)))
    }

    /// Gates that wait for people.
    pub fn awaiting_approval(&self) -> impl Iterator<Item = InstanceIx> {
        self.awaiting.iter().copied()
    }

    /// When [`Input::Tick`] is next of use: a retry comes due, an approval expires, or the run reaches a
    /// bound. In the past if something is already left to decide.
    pub fn next_wake(&self) -> Option<Timestamp> {
        if self.ended.is_some() {
            return None;
        }
        if !self.pending.is_empty() {
            return Some(self.clock);
        }
        let timer = self.timers.first().map(|(at, _)| *at);
        timer.into_iter().chain(self.next_bound()).min()
    }

    /// The attempt an instance would start next.
    pub fn next_attempt(&self, ix: InstanceIx) -> u32 {
        self.tallies
            .get(ix as usize)
            .map_or(1, |tally| tally.attempts + 1)
    }

    /// All instances, upstream before downstream.
    pub(crate) fn in_order(&self) -> &[InstanceIx] {
        &self.graph.order
    }

    /// What the definition says of an instance; of an item, what it says of its step.
    fn instance(&self, ix: InstanceIx) -> Option<&Instance> {
        let of = self.item(ix).map_or(ix, |(of, _)| of);
        self.definition.instances.get(of as usize)
    }

    /// Instances of the definition: all but items.
    fn declared(&self) -> std::ops::Range<InstanceIx> {
        0..self.definition.instances.len() as InstanceIx
    }

    fn is_hook(&self, ix: InstanceIx) -> bool {
        self.instance(ix).is_some_and(|instance| instance.hook.is_some())
    }
}
