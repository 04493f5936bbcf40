//! Removing what is old, a little at a time.

use std::fs;
use std::io;
use std::time::{Duration, Instant};
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::pipeline::spec::Retention;
use trainyard_store::{Cleared, Home, Removable, Store, StoreError, Walked};

/// Runs that one transaction looks at and removes.
const RUNS: u32 = 20;
/// Events, or firings, that one transaction removes.
const ROWS: u32 = 500;
/// Removed runs whose files are looked for at a time.
const FOLDERS: u32 = 200;
/// After so many refusals in turn, clearing is left to the next sweep.
const REFUSALS: u32 = 50;

/// What a sweep has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub runs: u64,
    pub events: u64,
    pub firings: u64,
    /// Folders of logs, temporary files and reports.
    pub folders: u64,
    /// Such folders that could not be removed. They are tried again by the next process that sweeps.
    pub stuck: u64,
}

/// Removes what a rule lets go. It works in short transactions and may end between any two of
/// them: whoever sweeps next goes on.
#[derive(Debug)]
pub struct Sweeper {
    home: Home,
    store: Store,
    /// The last removed run whose files this process has removed.
    files_until: i64,
    /// How often somebody was in the way, in turn.
    refused: u32,
}

/// Where a sweep stands.
#[derive(Clone, Copy)]
enum Stage {
    Runs(Walked),
    Rest,
    Firings,
    Files,
}

impl Sweeper {
    /// Sweeps a home with a connection of its own.
    ///
    /// # Errors
    /// As [`Home::store`].
    pub fn open(home: Home) -> Result<Self, StoreError> {
        let store = home.store()?;
        Ok(Self {
            home,
            store,
            files_until: 0,
            refused: 0,
        })
    }

    /// Removes all that may go now. After each transaction `rest` hears what has gone in all, and how long the
    /// transaction took, so that it can leave time to others; the sweep ends when it says `false`.
    ///
    /// # Errors
    /// What the store says. What was removed until then stays removed.
    pub fn sweep(
        &mut self,
        rule: Retention,
        now: Timestamp,
        rest: &mut dyn FnMut(&Swept, Duration) -> bool,
    ) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        let mut stage = Some(Stage::Runs(Walked::default()));
        while let Some(current) = stage {
            let began = Instant::now();
            stage = self.work(current, rule, now, &mut swept)?;
            if !rest(&swept, began.elapsed()) {
                break;
            }
        }
        Ok(swept)
    }

    /// One transaction; gives where it goes on.
    fn work(
        &mut self,
        stage: Stage,
        rule: Retention,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<Option<Stage>, StoreError> {
        let removable = removable(rule, now);
        Ok(Some(match stage {
            Stage::Runs(from) => {
                let found = self.store.removable_runs(removable, from, RUNS, now)?;
                if !found.runs.is_empty() {
                    swept.runs += self.store.remove_runs(&found.runs, removable, now)?;
                }
                found.next.map_or(Stage::Rest, Stage::Runs)
            }
            Stage::Rest => {
                let cleared = match self.store.clear_removed(ROWS) {
                    Err(StoreError::Busy { .. }) if self.refused < REFUSALS => {
                        self.refused += 1;
                        return Ok(Some(stage));
                    }
                    Err(StoreError::Busy { .. }) => Cleared::default(),
                    cleared => cleared?,
                };
                self.refused = 0;
                swept.events += cleared.events;
                if cleared.more { Stage::Rest } else { Stage::Firings }
            }
            Stage::Firings => {
                let removed = self.store.remove_firings(removable.ended_before, ROWS)?;
                swept.firings += removed;
                if removed == u64::from(ROWS) {
                    Stage::Firings
                } else {
                    Stage::Files
                }
            }
            Stage::Files => {
                let removed = self.store.removed_runs(self.files_until, FOLDERS)?;
                for (position, run) in &removed {
                    remove_folders(&self.home, run, swept);
                    self.files_until = *position;
                }
                if removed.len() < FOLDERS as usize {
                    return Ok(None);
                }
                Stage::Files
            }
        }))
    }
}

/// What a rule says at a time.
pub fn removable(rule: Retention, now: Timestamp) -> Removable {
    let age = i64::try_from(rule.runs.0.0)
        .unwrap_or(i64::MAX)
        .saturating_mul(1000);
    Removable {
        ended_before: Timestamp(now.0.saturating_sub(age)),
        keep_last: rule.keep_last.max(1),
    }
}

fn remove_folders(home: &Home, run: &RunId, swept: &mut Swept) {
    for folder in home.folders_of(run) {
        match fs::remove_dir_all(&folder) {
            Ok(()) => swept.folders += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // What a container has left may belong to somebody else; it must not keep the rest.
            Err(_) => swept.stuck += 1,
        }
    }
}
