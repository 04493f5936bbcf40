//! What a turn has decided and not yet committed, and what was seen meanwhile.

use super::Active;
use crate::lineage;
use crate::observe::Observation;
use crate::tracking::Curves;
use std::collections::BTreeMap;
use std::time::Duration;
use trainyard_contract::task::TaskReport;
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::run::Event;
use trainyard_executors::{AttemptKey, ExecutorNews, Submission};

/// What a turn has decided and not yet committed.
#[derive(Default)]
pub(super) struct Turned {
    pub(super) events: BTreeMap<RunId, Vec<Event>>,
    /// Attempts that touch nothing but their own outputs: they may begin while their start is being
    /// written. Lost with the commit, such an attempt has never been and has changed nothing.
    pub(super) ahead: Vec<Submission>,
    /// Attempts that must not begin before their start is durable.
    pub(super) launches: Vec<Submission>,
    /// Reports whose effects must be carried out in the transaction, before they are decided.
    pub(super) effects: Vec<(AttemptKey, TaskReport)>,
    pub(super) lineage: Vec<lineage::Finished>,
    pub(super) curves: Vec<Curves>,
    /// Runs with requests of other processes, taken in the transaction that acts on them.
    pub(super) inbox: Vec<RunId>,
    /// What was seen of attempts since something was decided about their runs, each after so many of the
    /// run's events.
    pub(super) seen: BTreeMap<RunId, Vec<(usize, ExecutorNews)>>,
    /// Ends that the executor has told of, and not heard what follows on them.
    pub(super) heard: usize,
    /// How long its commit took.
    pub(super) took: Duration,
}

impl Turned {
    /// Leaves out what concerns a run.
    pub(super) fn forget(&mut self, id: &RunId) {
        self.events.remove(id);
        self.seen.remove(id);
        self.ahead.retain(|attempt| attempt.key.run != *id);
        self.launches.retain(|attempt| attempt.key.run != *id);
        self.effects.retain(|(key, _)| key.run != *id);
        self.lineage.retain(|finished| finished.key.run != *id);
        self.curves.retain(|curves| curves.key.run != *id);
        self.inbox.retain(|run| run != id);
    }

    /// Keeps news of an attempt of whose run something is not stored yet, perhaps the attempt's start;
    /// gives back what may be shown at once.
    pub(super) fn keep_for_later(&mut self, news: ExecutorNews) -> Option<ExecutorNews> {
        let (ExecutorNews::Began { key, .. } | ExecutorNews::Progress { key, .. }) = &news else {
            return Some(news);
        };
        let Some(events) = self.events.get(&key.run).filter(|events| !events.is_empty()) else {
            return Some(news);
        };
        let seen = self.seen.entry(key.run.clone()).or_default();
        seen.push((events.len(), news));
        None
    }

    /// Whether something can only begin once it is stored.
    pub(super) fn awaits_commit(&self) -> bool {
        !self.launches.is_empty() || !self.effects.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.effects.is_empty() && self.inbox.is_empty()
    }
}

/// Shows what an attempt is doing whose start is stored.
pub(super) fn show(
    news: &ExecutorNews,
    runs: &BTreeMap<RunId, Active>,
    observer: &mut dyn FnMut(Observation<'_>),
) {
    match news {
        ExecutorNews::Began { key, at_unix_micros } => observer(Observation::Began {
            run: &key.run,
            step: key.step,
            attempt: key.attempt,
            at: Timestamp(*at_unix_micros),
        }),
        ExecutorNews::Progress {
            key,
            done,
            total,
            unit,
        } => {
            if let Some(active) = runs.get(&key.run) {
                observer(Observation::Progress {
                    run: &key.run,
                    step: key.step,
                    done: *done,
                    total: *total,
                    unit,
                    of: &active.run,
                });
            }
        }
        _ => {}
    }
}
