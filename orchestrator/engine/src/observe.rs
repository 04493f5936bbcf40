//! What an engine tells whoever watches it, after it is durable.

use std::time::Duration;
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::run::{Event, InstanceIx, Run, RunOutcome};

/// One piece of news.
#[derive(Clone, Debug)]
pub enum Observation<'a> {
    /// A run has been taken over, and this is how far it had come.
    Adopted { run: &'a Run },
    /// An event that has been committed.
    Event {
        run: &'a RunId,
        /// Its place among the run's events, from 1.
        number: u64,
        event: &'a Event,
        /// The run after it and what was decided with it.
        of: &'a Run,
    },
    /// A transaction is durable.
    Committed { events: usize, took: Duration },
    /// An attempt has got a slot and works now.
    Began {
        run: &'a RunId,
        step: InstanceIx,
        attempt: u32,
        at: Timestamp,
    },
    /// Everything about an attempt is ready, but its pool has no slot for it now.
    AwaitsSlot {
        run: &'a RunId,
        step: InstanceIx,
        /// For people, one sentence.
        reason: &'a str,
        of: &'a Run,
    },
    /// How far a running attempt is; not durable.
    Progress {
        run: &'a RunId,
        step: InstanceIx,
        done: u64,
        total: u64,
        unit: &'a str,
        of: &'a Run,
    },
    /// Nothing runs; the run waits for approvals or timers.
    Waiting { run: &'a RunId },
    /// The run is over.
    Ended { run: &'a RunId, outcome: RunOutcome },
    /// Another engine has taken the run over, while this one could not be heard. What it still said of
    /// the run was refused.
    Lost { run: &'a RunId },
    /// Something outside any run went wrong and was survived.
    Trouble { message: &'a str },
}
