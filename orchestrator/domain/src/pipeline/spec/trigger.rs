//! What starts a run.

mod schedule;

pub use schedule::{
    Anchor, BusinessDay, BusinessDayWord, Catchup, CatchupPolicy, ClockChange, Gap, MonthName, Overlap,
    Schedule, TimesOfDay, WeekdayName, WorkCalendar,
};

use super::Param;
use super::scalar::Duration;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// What starts a run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Trigger {
    /// By the clock: `cron`, `every` or `calendar`.
    Schedule(Schedule),
    /// By new data.
    Data(DataTrigger),
    /// By a breach that the monitor sees.
    Alert(AlertTrigger),
    /// By an HTTP request.
    Webhook(WebhookTrigger),
    /// By the end of another pipeline's run.
    Pipeline(PipelineTrigger),
    /// By hand.
    Manual(ManualTrigger),
}

impl Trigger {
    /// Params that it sets.
    pub fn params(&self) -> Option<&IndexMap<String, Value>> {
        match self {
            Self::Schedule(schedule) => Some(&schedule.params),
            Self::Data(data) => Some(&data.params),
            Self::Alert(alert) => Some(&alert.params),
            Self::Webhook(webhook) => Some(&webhook.params),
            Self::Pipeline(pipeline) => Some(&pipeline.params),
            Self::Manual(_) => None,
        }
    }

    /// As written under `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Schedule(_) => "schedule",
            Self::Data(_) => "data",
            Self::Alert(_) => "alert",
            Self::Webhook(_) => "webhook",
            Self::Pipeline(_) => "pipeline",
            Self::Manual(_) => "manual",
        }
    }
}

/// By new data. What is new is told by content, not by time: a file that is written again with the
/// same bytes starts nothing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataTrigger {
    /// Datasets of this pipeline, or `PIPELINE.STEP.OUTPUT` of another.
    #[schemars(length(min = 1))]
    pub datasets: Vec<String>,
    /// Whether all of them have to be new since the last run (default) or any one.
    #[serde(rename = "match", default)]
    pub matching: Match,
    /// How long it has to be quiet before the run starts. Default: not at all.
    #[serde(default)]
    pub debounce: Option<Duration>,
    /// Longest wait for quiet, from the moment at which there was enough to start, so that data
    /// that never stops coming starts runs too. Default: ten times `debounce`.
    #[serde(default)]
    pub max_wait: Option<Duration>,
    /// Most runs in a window.
    #[serde(default)]
    pub max_runs: Option<RunLimit>,
    /// Params of the run; `event.datasets` maps each dataset to the hash of its content.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub params: IndexMap<String, Value>,
}

/// By a breach that the monitor sees.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertTrigger {
    /// Alerts of this pipeline, or `PIPELINE.ALERT` of another.
    #[schemars(length(min = 1))]
    pub alerts: Vec<String>,
    /// Least time between two runs.
    #[serde(default)]
    pub cooldown: Option<Duration>,
    /// Most runs in a window.
    #[serde(default)]
    pub max_runs: Option<RunLimit>,
    /// Params of the run; `event.alert` is the alert's name.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub params: IndexMap<String, Value>,
}

/// By an HTTP request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookTrigger {
    /// Path below the server's root; begins with `/hooks/`.
    #[schemars(regex(pattern = r"^/hooks/[A-Za-z0-9_/-]+$"))]
    pub path: String,
    #[serde(default)]
    pub auth: Option<WebhookAuth>,
    /// Members of the JSON body that are checked, by name; those without a default have to be
    /// there. Others may be there too. Without it any body is taken.
    #[serde(default)]
    pub body: Option<IndexMap<String, Param>>,
    /// A request that says when it was sent is refused outside of this span around now. Default: `5m`.
    #[serde(default)]
    pub replay_window: Option<Duration>,
    /// Least time between two runs.
    #[serde(default)]
    pub cooldown: Option<Duration>,
    /// Most runs in a window.
    #[serde(default)]
    pub max_runs: Option<RunLimit>,
    /// Params of the run, e.g. `{run_date: "${{ event.body.date }}"}`.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub params: IndexMap<String, Value>,
}

/// By the end of another pipeline's run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineTrigger {
    /// The other pipeline.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,62}$"))]
    pub pipeline: String,
    /// How it has to end.
    #[serde(default)]
    pub outcome: RunOutcome,
    /// A step of it whose outcome counts instead of the whole run's.
    #[serde(default)]
    pub step: Option<String>,
    /// Only runs in this environment count. Default: all.
    #[serde(default)]
    pub environment: Option<String>,
    /// Least time between two runs.
    #[serde(default)]
    pub cooldown: Option<Duration>,
    /// Most runs in a window.
    #[serde(default)]
    pub max_runs: Option<RunLimit>,
    /// Params of the run; `event.run` is the other run's id, `event.outcome` how it ended.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub params: IndexMap<String, Value>,
}

/// By hand.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManualTrigger {
    /// Roles that may start it. Default: everyone who may run pipelines.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// How many of the datasets have to be new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    #[default]
    All,
    Any,
}

/// How a run or a step ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    #[default]
    Succeeded,
    Failed,
    /// Either way, or cancelled.
    Ended,
}

/// Most runs in a window.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunLimit {
    #[schemars(range(min = 1, max = 10000))]
    pub limit: u32,
    pub per: Duration,
}

/// How a request proves where it comes from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum WebhookAuth {
    /// A signature of the body.
    HmacSha256 {
        /// Name of the secret.
        secret: String,
    },
    /// A token in the `Authorization` header.
    Bearer {
        /// Name of the secret.
        secret: String,
    },
}
