//! Libraries: what several pipelines share.

use super::alert::Channel;
use super::step::Step;
use super::{Dataset, NAME_PATTERN};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// Steps, datasets and channels that pipelines share by `include`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// Version of the file format; 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Steps that `uses: lib:NAME` stands for. What the using step says beats what stands here; maps
    /// such as `with` and `outputs` are joined key by key.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub steps: IndexMap<String, Step>,
    /// Datasets that the including pipeline has, unless it declares one of that name itself.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub datasets: IndexMap<String, Dataset>,
    /// Channels that the including pipeline has, unless it declares one of that name itself.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub notify: IndexMap<String, Channel>,
}
