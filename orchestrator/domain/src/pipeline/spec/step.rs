//! Steps of a pipeline.

use super::policy::{Cache, Resources, Retry};
use super::scalar::Duration;
use crate::run::OnRepeatLimit;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use trainyard_contract::ArtifactKind;

/// One piece of work. Has either `uses` or `run`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["uses"]}, {"required": ["run"]}]))]
pub struct Step {
    /// Kind and version, `name@v1`, of every pipeline or of an included library; `pipeline:NAME@v1` for
    /// a pipeline as a step; or `lib:NAME` for a step of an included library.
    #[serde(default)]
    pub uses: Option<String>,
    /// A shell script. Inputs are files `$IN_name`, outputs are written to `$OUT_name`. Values come
    /// in by `env`, never by `${{ … }}`: nothing may be spliced into a script.
    #[serde(default)]
    pub run: Option<String>,
    /// Container image that `run` runs in.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub image: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Input → dataset, `step.output`, `step[*].output` of a matrix, or `registry:MODEL@ALIAS`.
    #[serde(default)]
    pub inputs: IndexMap<String, String>,
    /// Steps that have to be over first although nothing is taken from them.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Parameters of the kind that `uses` names.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub with: Map<String, Value>,
    /// Whether it runs: a boolean expression.
    #[serde(rename = "if", default)]
    #[schemars(extend("x-expression" = true, "type" = ["string", "boolean"]))]
    pub condition: Option<Value>,
    /// One instance for every combination of values.
    #[serde(default)]
    pub matrix: Option<Matrix>,
    /// One instance for each item of a list, which may become known in the run.
    #[serde(default)]
    pub for_each: Option<ForEach>,
    /// Again and again until a condition holds.
    #[serde(default)]
    pub repeat: Option<Repeat>,
    /// What it makes, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": super::NAME_PATTERN}))]
    pub outputs: IndexMap<String, Output>,
    /// Environment of the process.
    #[serde(default)]
    #[schemars(extend(
        "x-expression" = true,
        "additionalProperties" = {"type": ["string", "number", "boolean"], "x-expression": true}
    ))]
    pub env: IndexMap<String, Value>,
    /// Environment variable → name of the secret that fills it.
    #[serde(default)]
    pub secrets: IndexMap<String, String>,
    /// Files of the project that its script reads; part of the reuse key. `*` matches within a folder.
    #[serde(default)]
    pub code: Vec<String>,
    /// Shared limit that attempts count against.
    #[serde(default)]
    pub pool: Option<String>,
    /// Words to select it by.
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub retry: Option<Retry>,
    /// Longest time of an attempt; for approvals, of waiting.
    #[serde(default)]
    pub timeout: Option<Duration>,
    #[serde(default)]
    pub resources: Option<Resources>,
    #[serde(default)]
    pub cache: Option<Cache>,
    /// Whether the run goes on and counts as well when this step fails.
    #[serde(default)]
    pub continue_on_error: bool,
    /// What happens when it has failed for good: channels or steps.
    #[serde(default)]
    pub on_failure: Vec<FailureAction>,
}

/// One instance for every combination of values: each key is an axis with a list of values or an
/// expression that gives one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Matrix {
    /// How many instances at once. Default: all.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10000))]
    pub max_parallel: Option<u32>,
    /// Whether one failure cancels the rest. Default: true.
    #[serde(default)]
    pub fail_fast: Option<bool>,
    #[serde(flatten)]
    pub axes: IndexMap<String, MatrixValues>,
}

/// One instance for each item of a list. `item` is the item's value, `item_index` its place, from 0.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForEach {
    /// The list, or an expression that gives one, e.g. `${{ steps.list.outputs.files }}`. No item may
    /// be in it twice; an empty list is fine.
    pub items: MatrixValues,
    /// How many items at once. Default: as many as there is room for.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10000))]
    pub max_parallel: Option<u32>,
    /// Whether one item's failure cancels the rest. Default: true.
    #[serde(default)]
    pub fail_fast: Option<bool>,
    /// A longer list fails the step. Default: 100000.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200000))]
    pub max_items: Option<u32>,
}

/// Again and again until a condition holds. `iteration` is the number of the iteration, from 0,
/// `previous` has `outputs` and `metrics` of the one before. The step's outputs are those of the last.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// A boolean expression over `outputs` and `metrics` of the iteration that has just ended.
    #[schemars(extend("x-expression" = true))]
    pub until: String,
    /// So many iterations at most.
    #[schemars(range(min = 1, max = 10000))]
    pub max_iterations: u32,
    /// From the end of an iteration to the beginning of the next; it holds no slot. Default: none.
    #[serde(default)]
    pub delay: Option<Duration>,
    /// What becomes of the step if the condition does not hold after the last iteration: `fail`
    /// (default), or `go_on` with what that one has made.
    #[serde(default)]
    pub on_limit: OnRepeatLimit,
}

/// Values of an axis.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-expression" = true))]
pub enum MatrixValues {
    List(Vec<Value>),
    /// An expression that gives a list.
    Expression(String),
}

/// What a step makes under one name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    #[serde(rename = "type")]
    pub kind: ArtifactKind,
    /// Name of the contract that a table has to meet.
    #[serde(default)]
    pub contract: Option<String>,
    /// Avro schema of what a model takes, a file of the project.
    #[serde(default)]
    pub input_schema: Option<String>,
    /// Avro schema of what a model gives, a file of the project.
    #[serde(default)]
    pub output_schema: Option<String>,
    /// For files of a script: the name under which the file is made.
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
}

/// What a failure does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FailureAction {
    /// `notify.NAME`.
    Notify(String),
    Run(Box<HookStep>),
}

/// A step outside the graph.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["uses"]}, {"required": ["run"]}]))]
pub struct HookStep {
    /// Name it is shown by. Default: made from its kind.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,62}$"))]
    pub name: Option<String>,
    /// Kind and version, `name@v1`.
    #[serde(default)]
    pub uses: Option<String>,
    /// A shell script. Values come in by `env`.
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
    /// Environment variable → name of the secret that fills it.
    #[serde(default)]
    pub secrets: IndexMap<String, String>,
    /// Files of the project that its script reads.
    #[serde(default)]
    pub code: Vec<String>,
    #[serde(default)]
    pub retry: Option<Retry>,
    #[serde(default)]
    pub timeout: Option<Duration>,
    #[serde(default)]
    pub resources: Option<Resources>,
}
