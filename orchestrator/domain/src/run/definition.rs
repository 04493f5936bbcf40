//! A run's definition: one pipeline bound to an environment and parameters, its matrices expanded.
//!
//! It is kept with the run, so a run can go on after a crash with nothing but its definition and
//! its events, whatever has become of the YAML since. Everything is resolved except texts with
//! `${{ … }}` that need results of earlier steps; those are evaluated when the instance starts.

use super::bounds::RunBounds;
use super::code::CodeVersion;
use crate::notice::RunNotices;
use crate::pipeline::FeaturesInput;
use crate::pool::PoolLimits;
use crate::trigger::Place;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use trainyard_contract::feature::FeatureDefinitions;
use trainyard_contract::step::FeatureUse;
use trainyard_contract::task::{DatasetRef, Limits, OutputDeclaration};
use trainyard_contract::{ContentHash, DataContract, FailureClass, Millis, PipelineName, RunId, StepName};

/// Version of this document; a run of another version is refused with a clear error.
pub const DEFINITION_VERSION: u32 = 1;

/// Index of a step instance in [`RunDefinition::instances`].
pub type InstanceIx = u32;

/// Everything a run will ever need to know of its pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunDefinition {
    pub version: u32,
    pub pipeline: PipelineName,
    /// Hash of the pipeline's files as read.
    pub pipeline_hash: ContentHash,
    /// The pipeline's file, relative to the project.
    pub file: String,
    /// All files that were read for it, by path from the project folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<String>,
    /// Which version its files are of, where git knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeVersion>,
    pub owner: Option<String>,
    pub cost_center: Option<String>,
    pub environment: Option<String>,
    /// Values and where each came from.
    pub params: IndexMap<String, BoundParam>,
    pub vars: Map<String, Value>,
    /// `trigger.*` as expressions see it, e.g. `{"type": "manual", "logical_date": "2026-11-22"}`.
    pub trigger: Value,
    /// The span of whoever asked for the run, as `traceparent`: the run's trace is linked with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The run that this one makes again, to see whether the same comes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reproduces: Option<RunId>,
    /// Seed for retry jitter.
    pub seed: u64,
    pub contracts: BTreeMap<String, DataContract>,
    /// With their content when the run was made, where that can be known.
    pub datasets: IndexMap<String, DatasetRef>,
    /// Content of code and schema files when the run was made, by path from the project folder.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, ContentHash>,
    /// In declaration order, cells of a matrix beside each other; an instance's upstream may come
    /// later in the list.
    pub instances: Vec<Instance>,
    /// What it may take in time.
    #[serde(default, skip_serializing_if = "RunBounds::is_empty")]
    pub bounds: RunBounds,
    /// Which runs it counts with, and how many of them there may be; none: it counts with no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Place>,
    /// 0 to 100, higher goes first; none: as most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Limits of the pools that its instances name, as they were when the run was made; later ones
    /// beat them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pools: BTreeMap<String, PoolLimits>,
    /// Whom the pipeline itself has told of what.
    #[serde(default, skip_serializing_if = "RunNotices::is_empty")]
    pub notices: RunNotices,
    /// Parts of the pipeline that this version accepts and does not obey yet, e.g. `alerts`.
    pub not_obeyed: Vec<String>,
    /// Documents as written, for `plan` to compare the next run with: step name → its YAML as JSON.
    pub as_written: IndexMap<String, Value>,
    /// The other sections as written, but for what is bound above: triggers, alerts and the like. None in
    /// runs of programs that did not keep them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sections: Option<Map<String, Value>>,
}

/// A parameter's value and its origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoundParam {
    pub value: Value,
    pub from: ParamOrigin,
}

/// Who set a parameter; later beats earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamOrigin {
    Default,
    Environment,
    Trigger,
    CommandLine,
}

/// One cell of a step's matrix, or the step itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// As shown: `train[algorithm=random_forest]`, or the step's name if it has no matrix.
    pub name: String,
    pub step: StepName,
    /// `name@vN`; `run.shell@v1` for `run:` steps.
    pub uses: String,
    pub runner: RunnerKind,
    /// What it changes outside its outputs; such an instance is not reused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// [`trainyard_contract::Signature::revision`]: part of the reuse key.
    pub revision: u32,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub matrix: Map<String, Value>,
    /// What must be over before it can start.
    pub upstream: Vec<Upstream>,
    pub inputs: IndexMap<String, BoundInput>,
    pub outputs: IndexMap<String, OutputDeclaration>,
    /// Parameters; texts may still hold `${{ … }}` over `steps`.
    pub with: Value,
    /// The text of `if` without `${{ }}`, if it needs results of earlier steps.
    pub condition: Condition,
    /// Process steps: command and environment, texts may still hold `${{ … }}` over `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<BoundProcess>,
    /// For built-in steps: environment variable → name of a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// Which of its earlier outputs are an input of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<trainyard_contract::Memory>,
    /// What its parameters name of the feature store.
    #[serde(default, skip_serializing_if = "FeatureUse::is_empty")]
    pub feature_use: FeatureUse,
    /// Definitions of what it reads and writes of the feature store, with what these need in turn.
    #[serde(default, skip_serializing_if = "FeatureDefinitions::is_empty")]
    pub features: FeatureDefinitions,
    pub retry: RetryPolicy,
    pub limits: Limits,
    /// The pool of which each attempt needs a slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    pub cache: CachePolicy,
    pub continue_on_error: bool,
    /// The use of a pipeline that this step is a part of and whose failure is tolerated: within that
    /// use a failure counts as ever, outside of it as one that may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerated_by: Option<String>,
    /// For matrix steps: how many cells at once, and whether one failure cancels the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix_limits: Option<MatrixLimits>,
    /// Runs once for each item of a list that only the run knows; the items are instances of their
    /// own, made when the list is known. This one begins and ends them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
    /// Runs again and again until a condition holds; the iterations are instances of their own. This
    /// one begins and ends them, and has the outputs of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRule>,
    /// Set for steps outside the graph: hooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hook>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Instance {
    /// Whether the run goes on and counts as well when it fails.
    pub fn may_fail(&self) -> bool {
        self.continue_on_error || self.tolerated_by.is_some()
    }

    /// Whether it is part of a use of a pipeline: of that step, or of one inside it.
    pub fn is_within(&self, using: &str) -> bool {
        let rest = self.step.as_str().strip_prefix(using);
        rest.is_some_and(|rest| rest.starts_with('.'))
    }
}

/// [`trainyard_contract::Runner`] as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerKind {
    Worker,
    Process,
    Orchestrator,
}

/// An edge to an earlier instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    pub instance: InstanceIx,
    /// True: takes data, so a skip of `instance` skips this one. False: order only (`needs`, or an
    /// expression that mentions the step), so a skip satisfies it.
    pub data: bool,
}

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundInput {
    /// A key of [`RunDefinition::datasets`].
    Dataset(String),
    Output {
        instance: InstanceIx,
        output: String,
    },
    /// All cells of a matrix step, in order.
    Collected {
        instances: Vec<InstanceIx>,
        output: String,
    },
    /// `registry:NAME@ALIAS`, with `?` optional.
    Registry {
        model: String,
        alias: String,
        optional: bool,
    },
    /// `features:VIEW`.
    Features(FeaturesInput),
}

/// Whether an instance runs at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    Always,
    /// Known when the run was made: skipped. The text is kept for display.
    Never(String),
    /// Boolean expression over `steps`, evaluated when everything upstream is over.
    When(String),
}

/// A command as bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoundProcess {
    /// `["sh", "-c", script, "sh"]`-like; `$IN_name` and `$OUT_name` are set in the environment.
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Files (relative to the project, globs allowed) whose content is part of the reuse key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<String>,
}

/// When and how often to try again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Including the first; at least 1.
    pub max_attempts: u32,
    pub backoff: Backoff,
    pub delay: Millis,
    pub factor: f64,
    pub max_delay: Millis,
    /// Share of the delay, 0 to 1, by which it varies up and down.
    pub jitter: f64,
    pub when: Vec<FailureClass>,
}

impl Default for RetryPolicy {
    /// No retry of what the step itself reports. A lost worker is tried again regardless.
    fn default() -> Self {
        Self {
            max_attempts: 1,
            backoff: Backoff::Exponential,
            delay: Millis(10_000),
            factor: 2.0,
            max_delay: Millis(300_000),
            jitter: 0.2,
            when: vec![
                FailureClass::Timeout,
                FailureClass::IoError,
                FailureClass::WorkerLost,
            ],
        }
    }
}

/// How the delay grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    Constant,
    Linear,
    Exponential,
}

/// What the reuse key is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CachePolicy {
    Off,
    On {
        code: bool,
        inputs: bool,
        with: bool,
        ttl: Option<Millis>,
    },
}

/// Limits of a matrix step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixLimits {
    pub max_parallel: Option<u32>,
    pub fail_fast: bool,
}

/// How a step runs once for each item of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForEach {
    /// A list, or a text `${{ … }}` over `steps` that gives one.
    pub items: Value,
    /// How many items at once; none: as many as there is room for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// Whether one item's failure cancels the rest.
    pub fail_fast: bool,
    /// A longer list fails the step.
    pub max_items: u32,
}

/// How a step repeats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// `${{ … }}`, evaluated after each iteration; true ends the step.
    pub until: String,
    pub max_iterations: u32,
    /// From the end of an iteration to the beginning of the next.
    pub delay: Millis,
    pub on_limit: OnRepeatLimit,
}

/// What becomes of a step whose condition does not hold after the last iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRepeatLimit {
    /// It has failed.
    #[default]
    Fail,
    /// It has succeeded, with what its last iteration made.
    GoOn,
}

/// Who must agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRule {
    pub roles: Vec<String>,
    pub min_approvals: u32,
    pub not_author: bool,
    pub expires: Option<Millis>,
    pub on_expire: OnExpire,
}

/// What an expired approval means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpire {
    Reject,
    Approve,
}

/// A step outside the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Runs when that instance has finally failed; else it is skipped.
    OnFailure(InstanceIx),
    /// Runs when every step and every hook of a step is over and the run has failed by then; else it
    /// is skipped. A run that was merely cancelled has not failed; one has in which a step failed
    /// before or besides. Whatever becomes of such a hook, the run stays failed.
    RunFailed,
    /// Runs when everything else is over, whatever the outcome.
    Finally,
}
