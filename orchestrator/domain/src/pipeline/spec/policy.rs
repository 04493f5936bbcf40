//! How work is done: tries, limits, reuse, and what a run may take.

use super::scalar::{Duration, Size};
use crate::run::Backoff;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainyard_contract::FailureClass;

/// What holds for every step that says nothing else.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Longest time of an attempt.
    #[serde(default)]
    pub timeout: Option<Duration>,
    #[serde(default)]
    pub retry: Option<Retry>,
    #[serde(default)]
    pub resources: Option<Resources>,
    #[serde(default)]
    pub cache: Option<Cache>,
    /// Shared limit that attempts count against.
    #[serde(default)]
    pub pool: Option<String>,
}

/// When and how often a step is tried again. What is left out comes from `defaults`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: Option<u32>,
    /// How the delay grows: `constant`, `linear` or `exponential` (default).
    #[serde(default)]
    pub backoff: Option<Backoff>,
    /// Delay before the second attempt. Default: `10s`.
    #[serde(default)]
    pub delay: Option<Duration>,
    /// What each further delay is multiplied by. Default: 2.
    #[serde(default)]
    #[schemars(range(min = 1.0, max = 100.0))]
    pub factor: Option<f64>,
    /// Longest delay. Default: `5m`.
    #[serde(default)]
    pub max_delay: Option<Duration>,
    /// Share of the delay by which it varies up and down. Default: 0.2.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub jitter: Option<f64>,
    /// Classes of failures worth another try. Default: `[timeout, io_error, worker_lost]`.
    #[serde(default)]
    pub when: Option<Vec<FailureClass>>,
}

/// What an attempt may use.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Cores.
    #[serde(default)]
    #[schemars(range(min = 1, max = 4096))]
    pub cpu: Option<u32>,
    /// Resident memory of the attempt with its children; beyond it the attempt is ended.
    #[serde(default)]
    pub memory: Option<Size>,
    /// Size of the log; beyond it the attempt is ended.
    #[serde(default)]
    pub log: Option<Size>,
}

/// Whether earlier results may be taken: `false`, `true`, or what the key is made of.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Cache {
    Switch(bool),
    Rule(CacheRule),
}

/// What the reuse key is made of and how long a result holds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheRule {
    /// Default: all three.
    #[serde(default)]
    pub key: Option<Vec<CachePart>>,
    /// A result older than this is not taken. Default: no end.
    #[serde(default)]
    pub ttl: Option<Duration>,
}

/// A part of the reuse key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CachePart {
    /// The step's kind, its revision and the files it runs.
    Code,
    /// The content of its inputs.
    Inputs,
    /// Its parameters.
    With,
}

/// How many runs may go on at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    /// Runs with the same group count together. Default: the pipeline's name.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub group: Option<String>,
    #[schemars(range(min = 1, max = 10000))]
    pub limit: u32,
    #[serde(default)]
    pub on_limit: OnLimit,
    /// Runs of the group that wait; one more is skipped. Default: 1000.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100000))]
    pub max_queued: Option<u32>,
}

/// What becomes of a run that is one too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    #[default]
    Queue,
    Skip,
    CancelRunning,
    Fail,
}

/// When a run counts as late.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sla {
    /// From the start of the run.
    #[serde(default)]
    pub max_duration: Option<Duration>,
    /// Time of day, `HH:MM`: the first after the run was made.
    #[serde(default)]
    #[schemars(extend("x-kind" = "time_of_day"))]
    pub finish_by: Option<String>,
    /// Zone of `finish_by`. Default: UTC.
    #[serde(default)]
    #[schemars(extend("x-kind" = "timezone"))]
    pub timezone: Option<String>,
    /// Channels that hear of it.
    #[serde(default)]
    pub on_breach: Vec<String>,
}

/// What runs may cost.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub per_run: Option<f64>,
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub per_month: Option<f64>,
    /// Three letters, e.g. `USD`.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: String,
    #[serde(default)]
    pub on_exceed: OnExceed,
}

/// What becomes of a run that would cost more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExceed {
    #[default]
    Stop,
    RequireApproval,
    Notify,
}
