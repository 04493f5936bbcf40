//! Libraries: what several pipelines share.

use super::channel::Channel;
use super::param::Param;
use super::policy::{Cache, Resources, Retry};
use super::scalar::Duration;
use super::step::{Output, Step};
use super::{Dataset, NAME_PATTERN};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use trainyard_contract::ArtifactKind;

/// What names of kinds look like.
pub const KIND_PATTERN: &str = r"^[a-z][a-z0-9_]{0,62}(\.[a-z][a-z0-9_]{0,62}){0,3}@v[1-9][0-9]{0,5}$";

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
    /// Contracts and libraries that its own kinds use, as paths from this file's folder.
    #[serde(default)]
    pub include: Vec<String>,
    /// Kinds of steps by name and version: a pipeline that includes the library says
    /// `uses: late_share@v1`. Several versions can stand side by side.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": KIND_PATTERN}))]
    pub kinds: IndexMap<String, LibraryKind>,
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

/// A kind of step with typed params and declared inputs and outputs. Does either `uses` or `run`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["uses"]}, {"required": ["run"]}]))]
pub struct LibraryKind {
    /// What it does, in a sentence.
    #[serde(default)]
    pub description: Option<String>,
    /// What a step sets under `with`; the body has them as `params.NAME`. One without a default has
    /// to be set.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub params: IndexMap<String, Param>,
    /// What a step gives under `inputs`. The body has them under the same names.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub inputs: IndexMap<String, KindInput>,
    /// What it makes.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub outputs: IndexMap<String, Output>,
    /// The kind that does it: one that every pipeline has, or one of a library.
    #[serde(default)]
    pub uses: Option<String>,
    /// The script that does it. Inputs are files `$IN_name`, outputs are written to `$OUT_name`; params
    /// come in by `env`.
    #[serde(default)]
    pub run: Option<String>,
    /// Container image that `run` runs in.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub image: Option<String>,
    /// Parameters of the kind that `uses` names.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub with: Map<String, Value>,
    /// Environment of the process.
    #[serde(default)]
    #[schemars(extend(
        "x-expression" = true,
        "additionalProperties" = {"type": ["string", "number", "boolean"], "x-expression": true}
    ))]
    pub env: IndexMap<String, Value>,
    /// Environment variable → name of the secret that fills it, unless the step says another.
    #[serde(default)]
    pub secrets: IndexMap<String, String>,
    /// Files of the project that its script reads; part of the reuse key.
    #[serde(default)]
    pub code: Vec<String>,
    /// Shared limit that attempts count against.
    #[serde(default)]
    pub pool: Option<String>,
    #[serde(default)]
    pub retry: Option<Retry>,
    /// Longest time of an attempt.
    #[serde(default)]
    pub timeout: Option<Duration>,
    #[serde(default)]
    pub resources: Option<Resources>,
    #[serde(default)]
    pub cache: Option<Cache>,
}

/// What a kind of a library takes under one name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KindInput {
    #[serde(rename = "type")]
    pub kind: ArtifactKind,
    /// Name of the contract that a table given here has to meet.
    #[serde(default)]
    pub contract: Option<String>,
    /// Whether a step may leave it out.
    #[serde(default)]
    pub optional: bool,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
}
