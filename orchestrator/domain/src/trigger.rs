//! What starts runs: when, why, with which params, and what holds them back. Pure: the engine hands
//! in the time and what happened, keeps the state that comes back and starts the runs.
//!
//! ```text
//! news ─decide▶ firings ──▶ queued runs ─admit▶ started, waiting, skipped, cancelled, failed
//!        ▲ state kept                     ▲ active runs
//! ```

mod admission;
mod calendar;
mod clock;
mod cron;
mod data;
mod decide;
mod describe;
mod firing;
mod form;
mod jitter;
mod pace;
pub mod schedule;
mod signal;
mod state;
mod ticks;
mod wall;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use admission::{Active, Capacity, Place, Policy, Queued, Ruling, Verdict, admit};
pub use cron::{Cron, CronFault};
pub use decide::{Decision, News, Outcome, RunEnded, Trigger, decide};
pub use describe::describe;
pub use firing::{Because, Firing, Held, MOST_COUNTED, by_hand};
pub use form::form;
pub use jitter::start_of;
pub use schedule::{Change, Occurrence, Schedule, ScheduleFault};
pub use state::{Pause, TriggerState};
pub use ticks::{NoSpan, NoTicks, span, ticks_between};
