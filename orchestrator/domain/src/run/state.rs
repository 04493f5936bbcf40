//! Where a step instance and a whole run stand.

use super::event::{RunOutcome, SkipReason};
use indexmap::IndexMap;
use trainyard_contract::task::{Failure, ResourcesUsed};
use trainyard_contract::{OutputValue, RunId, Timestamp};

/// Where a step instance stands. Everything that belongs to a state is inside it, so nothing of an
/// earlier state can be left over.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    /// Something upstream is not over yet.
    Waiting,
    /// It may be launched as soon as there is room.
    Ready,
    /// People are asked; `approvals` are the answers so far that count.
    AwaitingApproval {
        since: Timestamp,
        approvals: Vec<Approval>,
    },
    /// The attempt is committed to.
    Running {
        attempt: u32,
        since: Timestamp,
    },
    /// `attempt` failed; from `until` on it may be launched again.
    Retrying {
        attempt: u32,
        until: Timestamp,
    },
    /// A `for_each` step of which items are not over, or a `repeat` step that is not.
    Items {
        since: Timestamp,
    },
    /// It has what it was to make.
    Succeeded {
        outputs: IndexMap<String, OutputValue>,
        metrics: IndexMap<String, f64>,
        headline: Option<String>,
        resources: ResourcesUsed,
        /// Attempts made in this run; 0 if the result is an earlier one's.
        attempts: u32,
        /// The run whose result was taken, if it was reused.
        from: Option<RunId>,
    },
    /// For good.
    Failed {
        attempts: u32,
        failure: Failure,
        /// What the last attempt had made before it failed: for people to look at, nothing is built upon it.
        kept: IndexMap<String, OutputValue>,
    },
    Skipped {
        because: SkipReason,
    },
    Cancelled,
}

impl StepState {
    /// Whether nothing more will happen to it, short of a retry of the whole run.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Succeeded { .. } | Self::Failed { .. } | Self::Skipped { .. } | Self::Cancelled
        )
    }

    /// One word, as expressions and documents carry it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::AwaitingApproval { .. } => "awaiting_approval",
            Self::Running { .. } | Self::Items { .. } => "running",
            Self::Retrying { .. } => "retrying",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One person's yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub by: String,
    pub role: Option<String>,
    pub at: Timestamp,
    pub comment: Option<String>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    NotStarted,
    Running,
    /// Nothing runs and nothing can start: only approvals or timers are left.
    Waiting,
    Ended(RunOutcome),
}
