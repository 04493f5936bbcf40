//! What comes of a trigger: a run to start, or the reason why none starts.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trainyard_contract::Timestamp;

/// A run to start. Starting it twice makes one run: the store refuses a second of the same `key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Firing {
    /// The same whenever this firing is decided again, e.g. after a crash.
    pub key: String,
    /// When it was due: a schedule's tick, or when what it waits for had come.
    pub at: Timestamp,
    /// `trigger` as expressions see it, for [`crate::pipeline::BindRequest`].
    pub trigger: Value,
    /// Why, one sentence.
    pub reason: String,
}

/// Firings that there will not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub at: Timestamp,
    pub because: Because,
    /// How many; at most [`MOST_COUNTED`], which means as many or more.
    pub count: u64,
    /// For people, one sentence.
    pub reason: String,
}

/// Ticks are counted no further.
pub const MOST_COUNTED: u64 = 10_000;

/// Why a run does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// The pipeline is paused.
    Paused,
    /// Nobody was there at its time, and `catchup` does not make up for it.
    Missed,
    /// Missed longer ago than `max_age`.
    TooOld,
    /// The clock was set back.
    ClockSetBack,
    /// Too soon after the last run.
    Cooldown,
    /// As many runs as the window allows.
    MaxRuns,
    /// The request is older or newer than the replay window.
    Replayed,
    /// The body, the params or the asking person do not fit.
    Refused,
}

/// What `trigger` holds for every kind of trigger, so that expressions need not ask which it was.
pub(super) struct Facts<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) logical_date: String,
    pub(super) at: Timestamp,
    /// The span of data that the run is for; both ends are `at` where there is no such span.
    pub(super) interval: Option<(Timestamp, Timestamp)>,
    pub(super) event: &'a Value,
}

impl Facts<'_> {
    pub(super) fn document(&self) -> Map<String, Value> {
        let (start, end) = self.interval.unwrap_or((self.at, self.at));
        let mut document = Map::new();
        let mut put = |key: &str, value: Value| document.insert(key.to_owned(), value);
        put("type", json!(self.kind));
        put("name", json!(self.name));
        put("logical_date", json!(self.logical_date));
        put("scheduled_at", json!(text(self.at)));
        put("interval_start", json!(text(start)));
        put("interval_end", json!(text(end)));
        if !self.event.is_null() {
            put("event", self.event.clone());
        }
        document
    }
}

/// `trigger` of a run that a person starts without any trigger.
pub fn by_hand(now: Timestamp, by: &str) -> Value {
    let facts = Facts {
        kind: "manual",
        name: "manual",
        logical_date: date(now),
        at: now,
        interval: None,
        event: &json!({ "by": by }),
    };
    Value::Object(facts.document())
}

/// `2026-11-22T06:30:00Z`.
pub(super) fn text(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(
        |_| at.0.to_string(),
        |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// The day in UTC.
pub(super) fn date(at: Timestamp) -> String {
    text(at).chars().take(10).collect()
}
