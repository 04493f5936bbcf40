//! What starts a run.

use super::scalar::Duration;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// What starts a run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Trigger {
    /// By the clock.
    Schedule {
        /// Minute, hour, day of month, month, day of week.
        #[schemars(extend("x-kind" = "cron"))]
        cron: String,
        /// Zone of the clock. Default: UTC.
        #[serde(default)]
        #[schemars(extend("x-kind" = "timezone"))]
        timezone: Option<String>,
        /// What happens in the nights when clocks change.
        #[serde(default)]
        dst: Option<ClockChange>,
        /// Which missed runs are made up for.
        #[serde(default)]
        catchup: Option<Catchup>,
        /// Most time by which a start is put off at random.
        #[serde(default)]
        jitter: Option<Duration>,
        /// Params of the run.
        #[serde(default)]
        #[schemars(extend("x-expression" = true))]
        params: IndexMap<String, Value>,
    },
    /// By new data.
    Data {
        /// Datasets of this pipeline, or `PIPELINE.STEP.OUTPUT` of another.
        #[schemars(length(min = 1))]
        datasets: Vec<String>,
        /// Whether one of them is enough.
        #[serde(rename = "match", default)]
        matching: Match,
        /// How long it has to be quiet before the run starts.
        #[serde(default)]
        debounce: Option<Duration>,
        #[serde(default)]
        #[schemars(extend("x-expression" = true))]
        params: IndexMap<String, Value>,
    },
    /// By a breach that the monitor sees.
    Alert {
        /// Alerts of this pipeline, or `PIPELINE.ALERT` of another.
        #[schemars(length(min = 1))]
        alerts: Vec<String>,
        /// Least time between two runs.
        #[serde(default)]
        cooldown: Option<Duration>,
        /// Most runs in a window.
        #[serde(default)]
        max_runs: Option<RunLimit>,
        #[serde(default)]
        #[schemars(extend("x-expression" = true))]
        params: IndexMap<String, Value>,
    },
    /// By an HTTP request.
    Webhook {
        /// Path below the server's root; begins with `/hooks/`.
        #[schemars(regex(pattern = r"^/hooks/[A-Za-z0-9_/-]+$"))]
        path: String,
        #[serde(default)]
        auth: Option<WebhookAuth>,
        #[serde(default)]
        #[schemars(extend("x-expression" = true))]
        params: IndexMap<String, Value>,
    },
    /// By hand.
    Manual {
        /// Roles that may start it. Default: everyone who may run pipelines.
        #[serde(default)]
        roles: Vec<String>,
    },
}

/// What happens in the nights when clocks change.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockChange {
    /// The hour that does not exist.
    #[serde(default)]
    pub gap: Gap,
    /// The hour that exists twice.
    #[serde(default)]
    pub overlap: Overlap,
}

/// The hour that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    #[default]
    RunAfter,
    Skip,
}

/// The hour that exists twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    #[default]
    RunOnce,
    RunTwice,
}

/// Which missed runs are made up for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Catchup {
    pub policy: CatchupPolicy,
    /// Runs missed longer ago are not made up for.
    #[serde(default)]
    pub max_age: Option<Duration>,
}

/// Which missed runs are made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchupPolicy {
    None,
    Latest,
    All,
}

/// How many of the datasets have to be new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    #[default]
    All,
    Any,
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
