//! The format: what a pipeline file may say, and nothing of what it means.
//!
//! These structures are the single source of the JSON Schema, of the checks of form, and of what
//! is read; their doc comments are what editors show. They carry no positions: those are found
//! again by path in the tree that [`super::reader`] built.
//!
//! Schema keywords of our own: `x-expression` marks texts in which `${{ … }}` is evaluated (anywhere
//! else it is an error, since nothing would evaluate it), `x-kind` says what a text has to be.

pub mod alert;
pub mod channel;
pub mod environment;
pub mod library;
pub mod param;
pub mod policy;
pub mod project;
pub mod scalar;
pub mod step;
pub mod stream;
pub mod trigger;

pub use alert::Alert;
pub use channel::{Channel, Notifications};
pub use environment::{CheckLevel, Environment};
pub use library::{KindInput, Library, LibraryKind};
pub use param::Param;
pub use policy::{Budget, Cache, CachePart, Concurrency, Defaults, Resources, Retry, Sla};
pub use project::{Project, Retention};
pub use scalar::{Duration, Size};
pub use step::{FailureAction, ForEach, HookStep, Matrix, MatrixValues, Output, Repeat, Step};
pub use stream::Stream;
pub use trigger::Trigger;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// What names of pipelines, steps, params and the like look like.
pub const NAME_PATTERN: &str = "^[a-z][a-z0-9_-]{0,62}$";

/// A pipeline: from raw data to a model that is watched.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineSpec {
    /// Version of the file format; 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// Unique within the project: `[a-z][a-z0-9_-]*`, at most 63 characters.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,62}$"))]
    pub name: String,
    /// What `uses: pipeline:NAME@vN` names by N; raised when its params, its datasets or what it gives
    /// change. Default: 1.
    #[serde(default)]
    #[schemars(range(min = 1, max = 999999))]
    pub revision: Option<u32>,
    /// What it is for, in a sentence or two.
    #[serde(default)]
    pub description: Option<String>,
    /// The person or team that answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Where its costs are booked.
    #[serde(default)]
    pub cost_center: Option<String>,
    /// How strict checks are: `off`, `baseline` (default) or `strict`.
    #[serde(default)]
    pub check: Option<CheckLevel>,
    /// Contracts and libraries, as paths from this file's folder; `*` matches within a folder.
    #[serde(default)]
    pub include: Vec<String>,
    /// Typed values that a run may set, with defaults.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub params: IndexMap<String, Param>,
    /// Places it runs in. They change `vars` and `params`, never the graph.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub environments: IndexMap<String, Environment>,
    /// What starts a run.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub triggers: IndexMap<String, Trigger>,
    /// How many runs may go on at once.
    #[serde(default)]
    pub concurrency: Option<Concurrency>,
    /// Runs of higher priority start first; 0 to 100.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub priority: Option<i64>,
    /// Longest time of a run, waiting for people included: then its steps are ended, and it has failed.
    /// Its hooks have as long again. Default: no end.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// When a run counts as late. That is told; the run goes on.
    #[serde(default)]
    pub sla: Option<Sla>,
    /// What runs may cost.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// What holds for every step that says nothing else.
    #[serde(default)]
    pub defaults: Defaults,
    /// Data from outside, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub datasets: IndexMap<String, Dataset>,
    /// The work, by name; the order is free.
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}, "minProperties" = 1))]
    pub steps: IndexMap<String, Step>,
    /// What it gives to a pipeline that uses it as a step: name → `step.output`.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub outputs: IndexMap<String, String>,
    /// When someone or something is to hear of the model in production.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub alerts: IndexMap<String, Alert>,
    /// Channels that `notify.NAME` stands for.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub notify: IndexMap<String, Channel>,
    /// What happens when the run has failed, ahead of `finally`: channels or steps. A run that was
    /// merely cancelled has not failed.
    #[serde(default)]
    pub on_failure: Vec<FailureAction>,
    /// Steps that run last, whatever the outcome.
    #[serde(default)]
    pub finally: Vec<HookStep>,
    /// Steps tried on small data, without a run.
    #[serde(default)]
    pub tests: Vec<TestCase>,
}

/// Data from outside.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// File, glob or URL; a relative path starts at the project folder.
    #[schemars(extend("x-expression" = true))]
    pub path: String,
    /// `csv`, `ndjson`, `parquet` or `arrow`; by the file's extension if left out.
    #[serde(default)]
    pub format: Option<DataFormat>,
    /// Name of the contract that its columns meet.
    #[serde(default)]
    pub contract: Option<String>,
    /// What it holds.
    #[serde(default)]
    pub description: Option<String>,
    /// How it is read, e.g. `{delimiter: ";", decimal: ","}` for CSV.
    #[serde(default)]
    #[schemars(with = "trainyard_contract::ReaderOptions", extend("x-expression" = true))]
    pub options: IndexMap<String, Value>,
}

/// How rows are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    Csv,
    Ndjson,
    Parquet,
    Arrow,
}

impl DataFormat {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }
}

/// A step tried on small data.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestCase {
    /// A claim, as a sentence.
    pub name: String,
    /// The step that is tried.
    pub step: String,
    /// Input of the step → file with its rows, from the project folder.
    #[serde(default)]
    pub given: IndexMap<String, String>,
    /// Output of the step → file with the rows expected, from the project folder.
    #[serde(default)]
    pub expect: IndexMap<String, String>,
    /// Values of params that differ from their defaults.
    #[serde(default)]
    pub params: IndexMap<String, Value>,
}
