//! `trainyard.yaml`: the mark and the settings of a project.

use super::NAME_PATTERN;
use super::channel::{Channel, Notifications};
use super::environment::CheckLevel;
use super::policy::Defaults;
use super::scalar::{Duration, Size, StartRate};
use crate::pool::PoolLimits;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The mark and the settings of a project.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Version of the file format; 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,62}$"))]
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub owner: Option<String>,
    /// How strict checks are where a pipeline does not say.
    #[serde(default)]
    pub check: Option<CheckLevel>,
    /// Where pipelines are, as patterns. Default: `pipelines/*.yaml`.
    #[serde(default)]
    pub pipelines: Vec<String>,
    /// Where feature definitions are, as patterns. Default: `features/*.yaml`.
    #[serde(default)]
    pub features: Vec<String>,
    /// The environment of a run that names none.
    #[serde(default)]
    pub default_environment: Option<String>,
    /// What holds for every step of every pipeline that says nothing else.
    #[serde(default)]
    pub defaults: Defaults,
    /// Environments that every pipeline has; what a pipeline says of one beats what stands here.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub environments: IndexMap<String, ProjectEnvironment>,
    /// Channels that every pipeline has.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub notify: IndexMap<String, Channel>,
    /// Who hears of what.
    #[serde(default)]
    pub notifications: Option<Notifications>,
    /// Where secrets come from, by name. Without it any name is taken from the environment.
    #[serde(default)]
    pub secrets: IndexMap<String, SecretSource>,
    /// What an hour of cores and memory costs. Without it nothing is said of money.
    #[serde(default)]
    pub prices: Option<Prices>,
    /// What the machine that runs steps has; a step that asks for more is found by `check`.
    #[serde(default)]
    pub machine: Option<Machine>,
    /// Limits that steps of all pipelines share, over all servers on one store.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub pools: IndexMap<String, Pool>,
    /// What is removed when it is old. Without it everything is kept.
    #[serde(default)]
    pub retention: Option<Retention>,
}

/// What is removed when it is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// How long a run is kept after it ended, with its events and logs, e.g. `90d`. Some are kept longer: those
    /// that registered models and whatever else is needed.
    pub runs: Duration,
    /// So many newest runs of each pipeline in each environment are kept, whatever their age. Default: 50.
    #[serde(default = "last_kept")]
    #[schemars(range(min = 1, max = 100000))]
    pub keep_last: u32,
}

fn last_kept() -> u32 {
    Retention::KEEP_LAST
}

impl Retention {
    /// What `keep_last` is where nobody says.
    pub const KEEP_LAST: u32 = 50;
}

/// What a machine has for steps.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Cores.
    #[schemars(range(min = 1, max = 4096))]
    pub cpu: u32,
    pub memory: Size,
}

/// A limit that steps share; at least one of the two.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Pool {
    /// Attempts at once.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100000))]
    pub slots: Option<u32>,
    /// Attempts that start in a span of time, e.g. `10/1m`; no span of that length has more.
    #[serde(default)]
    pub rate: Option<StartRate>,
}

impl From<&Pool> for PoolLimits {
    fn from(pool: &Pool) -> Self {
        Self {
            slots: pool.slots,
            rate: pool.rate.map(|rate| rate.0),
        }
    }
}

/// What an hour costs, for forecasts and budgets.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Three letters, e.g. `USD`.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: String,
    /// Of one core.
    #[schemars(range(min = 0.0))]
    pub cpu_hour: f64,
    /// Of one GiB of memory. Default: 0.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub gib_hour: f64,
}

/// An environment that every pipeline has.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectEnvironment {
    /// Values that `${{ vars.NAME }}` stands for.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub vars: IndexMap<String, Value>,
    /// How strict checks are here.
    #[serde(default)]
    pub check: Option<CheckLevel>,
    #[serde(default)]
    pub description: Option<String>,
}

/// Where a secret comes from; one of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["env"]}, {"required": ["file"]}]))]
pub struct SecretSource {
    /// Environment variable.
    #[serde(default)]
    pub env: Option<String>,
    /// File outside the project.
    #[serde(default)]
    pub file: Option<String>,
}
