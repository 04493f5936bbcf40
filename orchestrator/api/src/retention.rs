//! The thread that removes what is older than the project keeps.

use crate::app::Shared;
use metrics::{counter, describe_counter};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use trainyard_domain::pipeline::spec::Retention;
use trainyard_engine::{Sweeper, Swept};
use trainyard_store::StoreError;

/// How long nothing is looked for after a sweep.
const EVERY: Duration = Duration::from_secs(60);
/// Others get so many times what a transaction took, and within these bounds.
const SHARE: u32 = 9;
const SHORTEST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Sweeps until `stopped` breaks.
pub(crate) fn retention_thread(app: &Shared, stopped: &Receiver<()>) {
    let mut sweeper = None;
    loop {
        if let Some(rule) = app.project.retention()
            && let Err(error) = sweep(app, &mut sweeper, rule, stopped)
        {
            // Whatever it was, the next sweep begins with a connection of its own.
            sweeper = None;
            counter!("trainyard_retention_troubles_total").increment(1);
            tracing::warn!(%error, "retention_failed");
        }
        if !rests(stopped, EVERY) {
            return;
        }
    }
}

fn sweep(
    app: &Shared,
    sweeper: &mut Option<Sweeper>,
    rule: Retention,
    stopped: &Receiver<()>,
) -> Result<(), StoreError> {
    let sweeper = match sweeper {
        Some(sweeper) => sweeper,
        None => sweeper.insert(Sweeper::open(app.home.clone())?),
    };
    let mut told = Swept::default();
    let swept = sweeper.sweep(rule, (app.clock)(), &mut |swept, took| {
        count("runs", swept.runs - told.runs);
        count("events", swept.events - told.events);
        count("firings", swept.firings - told.firings);
        count("folders", swept.folders - told.folders);
        told = *swept;
        rests(stopped, (took * SHARE).clamp(SHORTEST_REST, LONGEST_REST))
    })?;
    if swept.runs + swept.firings > 0 {
        tracing::info!(
            runs = swept.runs,
            events = swept.events,
            firings = swept.firings,
            folders = swept.folders,
            "retention_removed"
        );
    }
    if swept.stuck > 0 {
        tracing::warn!(folders = swept.stuck, "retention_folders_stuck");
    }
    Ok(())
}

/// Waits, and says whether the server goes on.
fn rests(stopped: &Receiver<()>, pause: Duration) -> bool {
    stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
}

fn count(what: &'static str, more: u64) {
    if more > 0 {
        counter!("trainyard_retention_removed_total", "what" => what).increment(more);
    }
}

/// Says what the counters count.
pub(crate) fn describe() {
    describe_counter!(
        "trainyard_retention_removed_total",
        "What retention has removed: runs, their events and folders of files, firings."
    );
    describe_counter!(
        "trainyard_retention_troubles_total",
        "Sweeps of retention that failed; each is tried again."
    );
}
