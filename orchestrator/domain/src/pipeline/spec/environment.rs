//! Places a pipeline runs in.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What one environment changes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Values that `${{ vars.NAME }}` stands for.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": super::NAME_PATTERN}))]
    pub vars: IndexMap<String, Value>,
    /// Values of params here.
    #[serde(default)]
    pub params: IndexMap<String, Value>,
    /// The environment a version has to come from.
    #[serde(default)]
    pub promote_from: Option<String>,
    /// Whether people may look and not change.
    #[serde(default)]
    pub read_only: bool,
    /// Who has to agree to a promotion into it.
    #[serde(default)]
    pub required_approvals: Option<RequiredApprovals>,
    /// How strict checks are here.
    #[serde(default)]
    pub check: Option<CheckLevel>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
}

/// Who has to agree.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequiredApprovals {
    /// Roles whose members may answer.
    pub roles: Vec<String>,
    /// How many have to agree. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub min: u32,
    /// Whether the author's own word does not count.
    #[serde(default)]
    pub not_author: bool,
}

fn one() -> u32 {
    1
}

/// How strict checks are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckLevel {
    /// Only what makes a run impossible.
    Off,
    /// Faults of the spec stop, and so do missing columns and leaks into a model; the rest of what
    /// is found about data and models warns.
    #[default]
    Baseline,
    /// Every warning stops.
    Strict,
}
