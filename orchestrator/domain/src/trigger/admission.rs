//! Admission: of the runs that are queued, which start now, which wait, and which never will.
//!
//! - Runs of one concurrency group start in their order: one that waits for the group is not overtaken
//!   by others of it, so a run that needs the group to itself gets it.
//! - The order is priority, then age. A run gains a point of priority each minute it waits, so after
//!   100 minutes the lowest priority is before the highest that comes new: nothing starves.
//! - The limit of a group is the one that the run itself has; runs that are being cancelled still
//!   count.

use crate::pipeline::spec::policy::{Concurrency, OnLimit};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::Timestamp;

/// What a run's pipeline says of runs beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Runs of the group at once; `None`: any number.
    pub limit: Option<u32>,
    pub on_limit: OnLimit,
    /// Runs of the group that wait at most.
    pub max_queued: u32,
}

/// Runs that wait in a group if nobody says how many.
const MAX_QUEUED: u32 = 1_000;

impl Policy {
    pub fn of(concurrency: Option<&Concurrency>) -> Self {
        Self {
            limit: concurrency.map(|concurrency| concurrency.limit),
            on_limit: concurrency.map_or(OnLimit::Queue, |concurrency| concurrency.on_limit),
            max_queued: concurrency
                .and_then(|concurrency| concurrency.max_queued)
                .unwrap_or(MAX_QUEUED),
        }
    }
}

/// A run's place among others, known when the run is made and kept with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub group: String,
    #[serde(flatten)]
    pub policy: Policy,
}

/// A run that is to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    pub run: String,
    /// Concurrency group.
    pub group: String,
    pub policy: Policy,
    /// 0 to 100; higher starts first.
    pub priority: i64,
    pub since: Timestamp,
}

/// A run that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    pub run: String,
    pub group: String,
    pub started: Timestamp,
    /// It was asked to stop.
    pub is_stopping: bool,
}

/// What there is room for besides groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Runs at once, of all pipelines together; `None`: any number.
    pub runs: Option<u32>,
}

/// What becomes of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    pub run: String,
    pub verdict: Verdict,
    /// For people, one sentence.
    pub reason: String,
}

/// What becomes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It starts now.
    Start,
    /// It stays in the queue.
    Wait,
    /// It never starts, and nothing is wrong with that.
    Skip,
    /// It never starts, and that is a failure.
    Fail,
    /// It goes on and is to stop.
    Cancel,
}

/// Points of priority that a run has gained by waiting: one a minute.
fn aged(queued: &Queued, now: Timestamp) -> i64 {
    let minutes = now.since(queued.since).0 / 60_000;
    queued
        .priority
        .saturating_add(i64::try_from(minutes).unwrap_or(i64::MAX))
}

/// What becomes of each queued run, in the order in which they stand, and which active runs are to
/// stop. The same arguments give the same rulings.
pub fn admit(queued: &[Queued], active: &[Active], capacity: Capacity, now: Timestamp) -> Vec<Ruling> {
    let mut order: Vec<&Queued> = queued.iter().collect();
    order.sort_by(|one, other| {
        aged(other, now)
            .cmp(&aged(one, now))
            .then_with(|| one.since.cmp(&other.since))
            .then_with(|| one.run.cmp(&other.run))
    });
    let mut hall = Hall::new(active, capacity);
    let superseded = superseded(queued);
    for run in order {
        hall.decide(run, superseded.get(run.run.as_str()).copied());
    }
    hall.rulings
}

/// Where a newer run cancels older ones, only the newest of those that wait is wanted: run → the one
/// that takes its place. As many as the limit stay.
fn superseded(queued: &[Queued]) -> BTreeMap<&str, &str> {
    let mut groups: BTreeMap<&str, Vec<&Queued>> = BTreeMap::new();
    for run in queued {
        if run.policy.on_limit == OnLimit::CancelRunning && run.policy.limit.is_some() {
            groups.entry(&run.group).or_default().push(run);
        }
    }
    let mut superseded = BTreeMap::new();
    for mut runs in groups.into_values() {
        runs.sort_by(|one, other| other.since.cmp(&one.since).then_with(|| other.run.cmp(&one.run)));
        let Some(newest) = runs.first() else { continue };
        let limit = usize::try_from(newest.policy.limit.unwrap_or(1)).unwrap_or(usize::MAX);
        for run in runs.iter().skip(limit) {
            superseded.insert(run.run.as_str(), newest.run.as_str());
        }
    }
    superseded
}

/// Groups and room while rulings are made.
struct Hall<'a> {
    active: &'a [Active],
    /// Runs of each group: active ones and those that start now.
    running: BTreeMap<&'a str, u32>,
    /// Runs that wait, by group.
    waiting: BTreeMap<&'a str, u32>,
    /// Groups whose first run waits for the group; whoever comes later waits behind it.
    blocked: BTreeMap<&'a str, &'a str>,
    stopping: BTreeSet<&'a str>,
    room: Option<u32>,
    rulings: Vec<Ruling>,
}

impl<'a> Hall<'a> {
    fn new(active: &'a [Active], capacity: Capacity) -> Self {
        let mut running: BTreeMap<&str, u32> = BTreeMap::new();
        for run in active {
            *running.entry(&run.group).or_default() += 1;
        }
        let stopping = active
            .iter()
            .filter(|run| run.is_stopping)
            .map(|run| run.run.as_str())
            .collect();
        let taken = u32::try_from(active.len()).unwrap_or(u32::MAX);
        Self {
            active,
            running,
            waiting: BTreeMap::new(),
            blocked: BTreeMap::new(),
            stopping,
            room: capacity.runs.map(|runs| runs.saturating_sub(taken)),
            rulings: Vec::new(),
        }
    }

    fn rule(&mut self, run: &str, verdict: Verdict, reason: String) {
        self.rulings.push(Ruling {
            run: run.to_owned(),
            verdict,
            reason,
        });
    }

    fn decide(&mut self, run: &'a Queued, superseded_by: Option<&str>) {
        if let Some(newer) = superseded_by {
            let reason = format!("run {newer} of the same group is newer (on_limit: cancel_running)");
            self.rule(&run.run, Verdict::Skip, reason);
            return;
        }
        let group = run.group.as_str();
        let running = self.running.get(group).copied().unwrap_or(0);
        let first = self.blocked.get(group).copied();
        if let Some(limit) = run.policy.limit.filter(|limit| running >= *limit) {
            let full = format!("group `{group}` has {running} of {limit} runs");
            match run.policy.on_limit {
                OnLimit::Skip => self.rule(&run.run, Verdict::Skip, format!("{full} (on_limit: skip)")),
                OnLimit::Fail => self.rule(&run.run, Verdict::Fail, format!("{full} (on_limit: fail)")),
                OnLimit::Queue => self.wait(run, full),
                OnLimit::CancelRunning => {
                    self.make_room(run, limit, running);
                    self.wait(run, format!("{full}; the oldest is being stopped"));
                }
            }
        } else if let Some(first) = first {
            self.wait(run, format!("run {first} of group `{group}` is first"));
        } else if self.room == Some(0) {
            self.queue(run, "no room: as many runs as may go on at once".to_owned());
        } else {
            if let Some(room) = &mut self.room {
                *room -= 1;
            }
            *self.running.entry(group).or_default() += 1;
            self.rule(&run.run, Verdict::Start, "its turn".to_owned());
        }
    }

    /// Waits for its group: those behind it in the group wait too.
    fn wait(&mut self, run: &'a Queued, reason: String) {
        if self.queue(run, reason) {
            self.blocked.entry(&run.group).or_insert(&run.run);
        }
    }

    fn queue(&mut self, run: &'a Queued, reason: String) -> bool {
        let waiting = self.waiting.entry(&run.group).or_default();
        if *waiting >= run.policy.max_queued {
            let most = run.policy.max_queued;
            let reason = format!("{reason}, and {most} runs wait already (max_queued)");
            self.rule(&run.run, Verdict::Skip, reason);
            return false;
        }
        *waiting += 1;
        self.rule(&run.run, Verdict::Wait, reason);
        true
    }

    /// Stops the oldest runs of the group, no more than have to go.
    fn make_room(&mut self, run: &'a Queued, limit: u32, running: u32) {
        let mut members: Vec<&Active> = self
            .active
            .iter()
            .filter(|active| active.group == run.group)
            .collect();
        members.sort_by(|one, other| {
            one.started
                .cmp(&other.started)
                .then_with(|| one.run.cmp(&other.run))
        });
        let leaving = members
            .iter()
            .filter(|active| self.stopping.contains(active.run.as_str()))
            .count();
        // Runs ahead of this one in the queue take the places of those that leave.
        let ahead = self.waiting.get(run.group.as_str()).copied().unwrap_or(0);
        let needed = (running + ahead + 1).saturating_sub(limit);
        let needed = usize::try_from(needed)
            .unwrap_or(usize::MAX)
            .saturating_sub(leaving);
        let chosen: Vec<&str> = members
            .iter()
            .map(|active| active.run.as_str())
            .filter(|active| !self.stopping.contains(active))
            .take(needed)
            .collect();
        for active in chosen {
            self.stopping.insert(active);
            let reason = format!(
                "run {} of the same group is newer (on_limit: cancel_running)",
                run.run
            );
            self.rule(active, Verdict::Cancel, reason);
        }
    }
}

#[cfg(test)]
mod tests;
