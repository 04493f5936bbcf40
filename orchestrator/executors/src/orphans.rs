//! Processes of attempts whose supervisor is dead. Their environment still says whose they are.

use crate::proc;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use trainyard_contract::RunId;

/// Longer than this nobody should have to wait for processes that do not die.
const PATIENCE: Duration = Duration::from_secs(5);

/// Kills every process on this machine that was started for an attempt of the run, and what descends
/// from it. To be called before a run goes on whose orchestrator and supervisor died. Returns how
/// many were killed.
pub fn kill_orphans(run: &RunId) -> usize {
    let prefix = format!("{run}/");
    kill_marked(|mark| mark.starts_with(&prefix))
}

/// Kills every process whose mark is one of those.
pub(crate) fn kill_marked(is_wanted: impl Fn(&str) -> bool) -> usize {
    let mut killed = BTreeSet::new();
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let table = proc::all();
        let alive = |pid: &i32| table.get(pid).is_some_and(|process| !process.is_zombie);
        let roots = table
            .keys()
            .filter(|pid| proc::mark(**pid).is_some_and(|mark| is_wanted(&mark)))
            .copied();
        let members: BTreeSet<i32> = proc::descendants(&table, roots)
            .into_iter()
            .filter(alive)
            .collect();
        if members.is_empty() {
            break;
        }
        for pid in &members {
            proc::signal(*pid, Signal::KILL);
        }
        killed.extend(
            members
                .iter()
                .filter_map(|pid| Some((*pid, table.get(pid)?.started))),
        );
        std::thread::yield_now();
    }
    killed.len()
}
