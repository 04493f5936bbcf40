//! What is kept of a trigger between two decisions: one document, opaque to the store.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use trainyard_contract::{Millis, Timestamp};

/// What is kept of a trigger. A trigger that is new has the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TriggerState {
    /// Who paused the pipeline and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Runs it started.
    pub fired: u64,
    /// When it started the last ones, as far back as its limits look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clock: Option<ClockState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<DataState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ends: Option<EndsState>,
    /// Breaches of alerts that were decided, oldest first.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(super) breaches: VecDeque<String>,
}

/// Breaches that a trigger remembers: one that is told again after so many others counts as new.
const BREACHES: usize = 256;

/// Runs are told in the order of their ends; one that is told later than this after others that
/// ended after it is taken for old. Engines on several machines, whose clocks differ, may be so late.
const DISORDER: Millis = Millis(300_000);

/// Of a trigger that follows a pipeline: which of its runs were decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndsState {
    /// The pipeline that this is the state of.
    pipeline: String,
    /// Runs that ended before are decided, or ended before the trigger was there.
    since: Timestamp,
    /// When the decided ones ended that ended since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    decided: BTreeMap<String, Timestamp>,
}

impl EndsState {
    /// A trigger that is new has no past.
    pub(super) fn new(pipeline: &str, now: Timestamp) -> Self {
        Self {
            pipeline: pipeline.to_owned(),
            since: now,
            decided: BTreeMap::new(),
        }
    }

    pub(super) fn is_of(&self, pipeline: &str) -> bool {
        self.pipeline == pipeline
    }

    fn is_decided(&self, run: &str, at: Timestamp) -> bool {
        at < self.since || self.decided.get(run) == Some(&at)
    }

    /// Takes note of an end; false if it was decided before.
    pub(super) fn note(&mut self, run: &str, at: Timestamp) -> bool {
        if self.is_decided(run, at) {
            return false;
        }
        self.decided.insert(run.to_owned(), at);
        let newest = self.decided.values().max().copied().unwrap_or(at);
        let oldest = Timestamp(newest.0.saturating_sub(DISORDER.0 as i64 * 1000));
        self.since = self.since.max(oldest);
        let since = self.since;
        self.decided.retain(|_, at| *at >= since);
        true
    }
}

impl TriggerState {
    /// Takes note of a breach; false if it was decided before.
    pub(super) fn note_breach(&mut self, breach: &str) -> bool {
        if self.breaches.iter().any(|known| known == breach) {
            return false;
        }
        if self.breaches.len() == BREACHES {
            self.breaches.pop_front();
        }
        self.breaches.push_back(breach.to_owned());
        true
    }

    /// From when on ends of the followed pipeline's runs may be undecided; `None` for a trigger that
    /// follows none, or was not woken yet.
    pub fn ends_since(&self) -> Option<Timestamp> {
        self.ends.as_ref().map(|ends| ends.since)
    }

    /// Whether the end of a run at that time was decided.
    pub fn has_decided(&self, run: &str, at: Timestamp) -> bool {
        self.ends.as_ref().is_some_and(|ends| ends.is_decided(run, at))
    }
}

/// Who paused a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub by: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClockState {
    /// The schedule that this is the state of.
    pub(super) identity: String,
    /// Ticks up to this one are decided.
    pub(super) until: Timestamp,
}

/// Of a data trigger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataState {
    /// Content of each dataset that the last run had, or that was there at the first look; `None`
    /// for one that was not there.
    pub(super) known: BTreeMap<String, Option<String>>,
    /// What is new since.
    pub(super) fresh: BTreeMap<String, String>,
    /// When something new came last.
    pub(super) changed: Timestamp,
    /// Since when there is enough to start.
    pub(super) ready: Option<Timestamp>,
    /// Whether it was said why the run that is due does not start.
    pub(super) told: bool,
}
