//! Backfills: runs for the ticks of a schedule that lie in the past. Pure: whoever carries one out
//! hands in where it stands, makes what comes back durable in one transaction together with the runs,
//! and refuses that transaction if somebody else has moved the backfill on since it was read.
//!
//! ```text
//! order ─ticks_between▶ ticks, kept ──▶ standing ─next▶ ticks to start, phase ──▶ kept with the runs
//!                                          ▲ runs as they end                        │
//!                                          └─────────────────────────────────────────┘
//! ```

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;
use trainyard_contract::{Millis, Timestamp};

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

/// Ticks of one backfill at most: what is longer is ordered in parts.
pub const MOST_TICKS: usize = 20_000;

/// Runs of one backfill at once, at most.
pub const MOST_AT_ONCE: u32 = 256;

/// What is ordered, kept as it is for as long as the backfill lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackfillOrder {
    /// Ticks from this instant on …
    pub from: Timestamp,
    /// … to this one, itself included.
    pub to: Timestamp,
    /// Environment of its runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Values that take the place of those that the trigger gives.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    #[serde(flatten)]
    pub limits: Limits,
    /// The last tick first.
    #[serde(default)]
    pub reverse: bool,
    /// Leaves out ticks that have a run which succeeded or is under way.
    #[serde(default)]
    pub only_missing: bool,
    /// Whether earlier results are taken.
    pub reuse: bool,
}

/// How much at once, and when it is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Runs at once; at least 1.
    pub max_parallel: u32,
    /// It stops once so many ticks have failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_after: Option<u32>,
}

/// What a backfill does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It starts runs as there is room.
    Running,
    /// Somebody paused it: it starts no runs until it is resumed.
    Paused,
    /// So many ticks failed that it starts no more; it can be resumed.
    Stopped,
    /// Somebody cancelled it; for good.
    Cancelled,
    /// Each of its ticks is over.
    Done,
}

impl Phase {
    /// The word as kept and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }

    /// Whether it never starts a run again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Cancelled | Self::Done)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Phase {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [
            Self::Running,
            Self::Paused,
            Self::Stopped,
            Self::Cancelled,
            Self::Done,
        ]
        .into_iter()
        .find(|phase| phase.as_str() == text)
        .ok_or_else(|| format!("`{text}` is none of running, paused, stopped, cancelled and done"))
    }
}

/// What has become of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TickState {
    /// It has no run yet.
    Waiting,
    /// Its run waits in the queue.
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// No run could be made: the pipeline, its budget or its params say no. Counts as failed.
    Refused,
    /// It had a run already, which nobody wanted twice.
    There,
}

impl TickState {
    /// The word as kept and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::There => "there",
        }
    }
}

impl FromStr for TickState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [
            Self::Waiting,
            Self::Queued,
            Self::Running,
            Self::Succeeded,
            Self::Failed,
            Self::Cancelled,
            Self::Refused,
            Self::There,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| {
            format!(
                "`{text}` is none of waiting, queued, running, succeeded, failed, cancelled, refused and there"
            )
        })
    }
}

/// How many ticks are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub waiting: u32,
    pub queued: u32,
    pub running: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub cancelled: u32,
    pub refused: u32,
    pub there: u32,
}

impl Tally {
    /// Counts `count` more ticks of a state.
    pub fn add(&mut self, state: TickState, count: u32) {
        let of_state = match state {
            TickState::Waiting => &mut self.waiting,
            TickState::Queued => &mut self.queued,
            TickState::Running => &mut self.running,
            TickState::Succeeded => &mut self.succeeded,
            TickState::Failed => &mut self.failed,
            TickState::Cancelled => &mut self.cancelled,
            TickState::Refused => &mut self.refused,
            TickState::There => &mut self.there,
        };
        *of_state += count;
    }

    /// Ticks whose run is under way, or waits in the queue.
    pub fn active(&self) -> u32 {
        self.queued + self.running
    }

    /// Ticks that failed, with or without a run.
    pub fn failures(&self) -> u32 {
        self.failed + self.refused
    }

    /// Ticks that are over.
    pub fn over(&self) -> u32 {
        self.succeeded + self.failed + self.cancelled + self.refused + self.there
    }

    /// All ticks.
    pub fn total(&self) -> u32 {
        self.waiting + self.active() + self.over()
    }
}

/// Where a backfill stands, all of it read at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub phase: Phase,
    pub tally: Tally,
    /// Failures that were there when it was last resumed: they do not stop it again.
    pub forgiven: u32,
}

/// What a backfill does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Ticks to start, in the order in which they start.
    pub start: Vec<Timestamp>,
    /// The phase it is in from now on.
    pub phase: Phase,
}

/// Decides which ticks start next. `waiting` are those that have no run, in the order of the backfill;
/// [`room`] of them are enough.
pub fn next(limits: &Limits, standing: &Standing, waiting: &[Timestamp]) -> Next {
    let Standing { phase, tally, .. } = standing;
    let stay = |phase| Next {
        start: Vec::new(),
        phase,
    };
    if *phase != Phase::Running {
        return stay(*phase);
    }
    if tally.waiting == 0 {
        // A tick whose run goes on may still fail, and nothing is left to stop then.
        let phase = if tally.active() == 0 {
            Phase::Done
        } else {
            Phase::Running
        };
        return stay(phase);
    }
    let failures = tally.failures().saturating_sub(standing.forgiven);
    if limits.stop_after.is_some_and(|most| failures >= most) {
        return stay(Phase::Stopped);
    }
    let room = room(limits, tally);
    Next {
        start: waiting.iter().copied().take(room).collect(),
        phase: Phase::Running,
    }
}

/// How many runs may be started.
pub fn room(limits: &Limits, tally: &Tally) -> usize {
    limits.max_parallel.max(1).saturating_sub(tally.active()) as usize
}

/// What people ask of a backfill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Pause,
    Resume,
    Cancel,
}

/// The phase after a command. Asked for what is already so, nothing changes.
///
/// # Errors
/// The phase it is in, if that is one that the command cannot change.
pub fn steer(phase: Phase, command: Command) -> Result<Phase, Phase> {
    match (command, phase) {
        (Command::Cancel, Phase::Done)
        | (Command::Pause, Phase::Done | Phase::Cancelled | Phase::Stopped)
        | (Command::Resume, Phase::Done | Phase::Cancelled) => Err(phase),
        (Command::Cancel, _) => Ok(Phase::Cancelled),
        (Command::Pause, _) => Ok(Phase::Paused),
        (Command::Resume, _) => Ok(Phase::Running),
    }
}

/// How long what is left takes, by the mean time of the runs that ended; `None` if none has. Runs that
/// are under way are taken for half done.
pub fn forecast(limits: &Limits, tally: &Tally, mean: Option<Millis>) -> Option<Millis> {
    let mean = mean?.0;
    let left = u64::from(tally.waiting) * 2 + u64::from(tally.active());
    let lanes = u64::from(
        limits
            .max_parallel
            .max(1)
            .min(tally.waiting + tally.active())
            .max(1),
    );
    Some(Millis(mean.saturating_mul(left) / (2 * lanes)))
}
