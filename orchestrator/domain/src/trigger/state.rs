//! What is kept of a trigger between two decisions: one document, opaque to the store.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trainyard_contract::Timestamp;

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
