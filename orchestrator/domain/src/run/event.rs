//! What happened in a run, in the past tense. The store keeps these; everything else is derived.

use super::bounds::SlaLimit;
use super::definition::InstanceIx;
use super::items::ItemCounts;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use trainyard_contract::task::{Failure, ResourcesUsed};
use trainyard_contract::{ContentHash, Millis, OutputValue, RunId, Timestamp};

/// One event. `at` is the engine's reading of the clock when it decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    #[serde(flatten)]
    pub what: What,
}

/// The kinds of events; `step` is the instance's index in the definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    RunStarted {
        by: String,
        /// Left out by `--select`, but needed by what was selected: these may take an earlier result
        /// and never start.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reuse_only: Vec<InstanceIx>,
    },
    /// The attempt is committed to; the executor may start it from now on.
    AttemptStarted {
        step: InstanceIx,
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<ContentHash>,
    },
    AttemptSucceeded {
        step: InstanceIx,
        attempt: u32,
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        outputs: IndexMap<String, OutputValue>,
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        metrics: IndexMap<String, f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        headline: Option<String>,
        #[serde(default)]
        resources: ResourcesUsed,
    },
    AttemptFailed {
        step: InstanceIx,
        attempt: u32,
        failure: Failure,
        /// When it will be tried again; none: the step has failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
        #[serde(default)]
        resources: ResourcesUsed,
        /// What it had made before it failed, by output: for people to look at, never an input or a result to reuse.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        kept: IndexMap<String, OutputValue>,
    },
    /// The attempt died with its engine or worker through no fault of its own: it does not count
    /// against `max_attempts`, and the next one starts at once.
    AttemptLost {
        step: InstanceIx,
        attempt: u32,
    },
    /// An earlier result of the same key was taken.
    StepReused {
        step: InstanceIx,
        key: ContentHash,
        from: RunId,
        outputs: IndexMap<String, OutputValue>,
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        metrics: IndexMap<String, f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        headline: Option<String>,
    },
    StepSkipped {
        step: InstanceIx,
        because: SkipReason,
    },
    /// It could not be started: an expression failed, or an input cannot be had.
    StepRejected {
        step: InstanceIx,
        failure: Failure,
    },
    ApprovalAsked {
        step: InstanceIx,
    },
    ApprovalGiven {
        step: InstanceIx,
        by: String,
        role: Option<String>,
        approve: bool,
        comment: Option<String>,
    },
    /// Nobody answered in time; the rule said which answer that means.
    ApprovalExpired {
        step: InstanceIx,
        approve: bool,
    },
    /// The list of a `for_each` step is known: its items are the instances from `first` on.
    ItemsKnown {
        step: InstanceIx,
        first: InstanceIx,
        /// None after a retry if the list is the same as before: then items that have succeeded keep
        /// what they have made, and the others begin afresh.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<Vec<Value>>,
    },
    /// Items of the step that do not run will not.
    ItemsCancelled {
        step: InstanceIx,
    },
    /// All items of the step are over, and so is the step.
    ItemsEnded {
        step: InstanceIx,
        counts: ItemCounts,
    },
    /// A `repeat` step begins: its iterations are the instances from `first` on. After a retry they
    /// may be those it had; then it goes on where it failed.
    RepeatBegan {
        step: InstanceIx,
        first: InstanceIx,
    },
    /// The condition does not hold yet: this iteration may begin at `from`.
    IterationDue {
        step: InstanceIx,
        from: Timestamp,
    },
    RepeatEnded {
        step: InstanceIx,
        #[serde(flatten)]
        end: RepeatEnd,
    },
    CancelAsked {
        by: String,
    },
    /// The run is late, or will be: whoever `sla.on_breach` names is to be told. Once for each limit.
    SlaBreached {
        limit: SlaLimit,
        /// When the run should have been over.
        due: Timestamp,
    },
    /// Time is up: steps end, and `hooks` too if those have had as long again.
    RunTimedOut {
        after: Millis,
        hooks: bool,
    },
    /// It never starts: its group had no room for it, or it was cancelled while it waited.
    RunTurnedAway {
        outcome: RunOutcome,
        /// For people, one sentence.
        reason: String,
    },
    StepCancelled {
        step: InstanceIx,
    },
    /// Failed, blocked and cancelled steps are to run again; or exactly what was chosen, with what depends on it.
    RetryAsked {
        by: String,
        /// Instances, and items by themselves; none: everything that did not succeed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        select: Option<BTreeSet<InstanceIx>>,
    },
    RunEnded {
        outcome: RunOutcome,
    },
}

/// How a `repeat` step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum RepeatEnd {
    /// The condition holds.
    Done,
    /// It does not after the last iteration, and that is fine.
    Limit,
    /// An iteration has failed, the condition could not be evaluated, or the limit is reached.
    Failed {
        failure: Failure,
    },
    Cancelled,
    /// Left out by a selection.
    NotSelected,
}

/// Why a step did not run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its `if` was false.
    Condition,
    /// It takes data from a skipped step.
    Upstream { step: InstanceIx },
    /// A step it needs failed, was rejected by its gate or was cancelled.
    UpstreamFailed { step: InstanceIx },
    /// A hook whose occasion did not come.
    NotNeeded,
    /// Left out by `--select`.
    NotSelected,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    Succeeded,
    Failed,
    Cancelled,
}
