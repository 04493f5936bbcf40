//! Alerts.

use super::scalar::Duration;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Which statistic, which limit, how many breaches, what action, who owns it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    pub target: AlertTarget,
    /// E.g. `psi`, `mean`, `p99`.
    pub statistic: String,
    /// What the statistic is of, where the target does not say.
    #[serde(default)]
    pub metric: Option<String>,
    pub operator: Operator,
    /// A number, or a duration such as `50ms`.
    #[schemars(extend("type" = ["number", "string"]))]
    pub limit: Value,
    /// Span of time that one value covers.
    #[serde(default)]
    pub window: Option<Duration>,
    /// How many windows in a row have to breach. Default: 1.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub consecutive_breaches: Option<u32>,
    /// What a window without data counts as.
    #[serde(default)]
    pub missing_data: MissingData,
    #[serde(default)]
    pub severity: Option<AlertSeverity>,
    #[serde(default)]
    pub owner: Option<String>,
    /// `notify.NAME`, `trigger.NAME`, or `{rollback: …}`.
    #[serde(default)]
    pub actions: Vec<AlertAction>,
    /// Where it says what to do.
    #[serde(default)]
    pub runbook: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
}

/// What is watched.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertTarget {
    /// `step.output` of a monitor.
    #[serde(default)]
    pub monitor: Option<String>,
    /// Name of an endpoint.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub endpoint: Option<String>,
    /// Name of a dataset.
    #[serde(default)]
    pub dataset: Option<String>,
    /// A column, a list of columns, or `*`.
    #[serde(default)]
    #[schemars(extend("type" = ["string", "array"]))]
    pub columns: Option<Value>,
    #[serde(default)]
    pub metric: Option<String>,
}

/// How the statistic is compared with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Operator {
    #[serde(rename = ">")]
    Above,
    #[serde(rename = ">=")]
    AtLeast,
    #[serde(rename = "<")]
    Below,
    #[serde(rename = "<=")]
    AtMost,
}

/// What a window without data counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingData {
    #[default]
    Breach,
    Ignore,
    Ok,
}

/// How bad a breach is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    Low,
    Medium,
    High,
    Critical,
}

impl AlertSeverity {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a breach does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AlertAction {
    /// `notify.NAME` or `trigger.NAME`.
    Named(String),
    Do(AlertStep),
}

/// What a breach does beyond telling someone.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertStep {
    /// Sends an endpoint back to an earlier model.
    pub rollback: Rollback,
}

/// Sends an endpoint back to an earlier model.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    #[schemars(extend("x-expression" = true))]
    pub endpoint: String,
    /// `previous`, or an alias such as `champion`.
    pub to: String,
}
