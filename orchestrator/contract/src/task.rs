//! The documents of an attempt: [`TaskSpec`] goes in, [`TaskReport`] comes out, wherever it runs.

use crate::artifact::{ArtifactKind, ArtifactRef, ContentHash, OutputValue};
use crate::data_contract::DataContract;
use crate::feature::{FeatureDefinitions, SnapshotDraft, StoredView};
use crate::time::{ByteSize, Millis};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Version of both documents; a worker refuses another.
pub const TASK_VERSION: u32 = 1;

/// One attempt at one step instance, in full: nothing else is needed to carry it out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    pub version: u32,
    /// `run_…`.
    pub run: String,
    pub pipeline: String,
    /// Step instance as shown, e.g. `train[algorithm=random_forest]`.
    pub instance: String,
    /// Step as declared, e.g. `train`.
    pub step: String,
    /// Starts at 1.
    pub attempt: u32,
    /// Lease epoch of the engine that started it; reports of older epochs are refused.
    pub epoch: u64,
    /// `name@vN`.
    pub uses: String,
    /// Parameters with every expression evaluated.
    pub with: serde_json::Value,
    pub inputs: IndexMap<String, TaskInput>,
    pub outputs: IndexMap<String, OutputDeclaration>,
    /// Contracts by name that parameters or inputs refer to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contracts: BTreeMap<String, DataContract>,
    /// Matrix values of this instance.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub matrix: serde_json::Map<String, serde_json::Value>,
    /// For process steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessSpec>,
    /// For built-in steps: environment variable → name of the secret that stands for it. Values never
    /// are in a document.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// For steps that remember: what the step gave when it last succeeded, by output.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub previous: IndexMap<String, OutputValue>,
    /// Feature views that parameters name, by name: those to be written as they are before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_views: BTreeMap<String, StoredView>,
    /// Definitions of the feature store that parameters name, with what these need in turn.
    #[serde(default, skip_serializing_if = "FeatureDefinitions::is_empty")]
    pub features: FeatureDefinitions,
    pub limits: Limits,
    /// Project folder: relative paths start here, and process steps run here.
    pub project: PathBuf,
    /// Where local data is that is not in [`TaskSpec::project`], if that holds the files of a revision alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// The object folder.
    pub objects: PathBuf,
    /// Scratch folder of this attempt; made before, removed after.
    pub scratch: PathBuf,
    /// File that takes the attempt's log.
    pub log: PathBuf,
    /// The attempt's span, where runs are traced: commands find it in `TRACEPARENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl TaskSpec {
    /// Where a dataset's relative paths start.
    pub fn folder_of<'a>(&'a self, dataset: &'a DatasetRef) -> &'a Path {
        dataset.folder.as_deref().unwrap_or(&self.project)
    }

    /// A local file of data: of the project, or beside it where that is only a revision of it.
    pub fn data_file(&self, path: &str) -> PathBuf {
        let own = self.project.join(path);
        match &self.data {
            Some(data) if !own.exists() => data.join(path),
            _ => own,
        }
    }
}

/// A command in place of a built-in step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Program and arguments; parameters are never spliced into a shell text.
    pub argv: Vec<String>,
    /// Added to a small inherited set (`PATH`, `HOME`, `LANG`, `TZ`, `TMPDIR`).
    pub env: BTreeMap<String, String>,
    /// Environment variable → name of the secret that fills it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// Image, for container steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// What an attempt may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    pub timeout: Option<Millis>,
    /// Resident memory of the attempt with all its children.
    pub memory: Option<ByteSize>,
    /// Cores; the number of threads a built-in step may use.
    pub cpu: Option<u32>,
    /// Bytes of log before the attempt is ended.
    pub log: Option<ByteSize>,
}

/// An input as it reaches the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskInput {
    /// Output of one step instance.
    Output(OutputValue),
    /// Outputs of all cells of a matrix step: (matrix values, output), in matrix order.
    Collected(Vec<(serde_json::Map<String, serde_json::Value>, OutputValue)>),
    Dataset(DatasetRef),
    /// A registered model version and the model artifact of it.
    Registered {
        name: String,
        version: u32,
        model: Box<ArtifactRef>,
    },
    /// The rows of a feature view.
    Features(Box<StoredView>),
    /// An optional input that does not exist (`registry:…?` before the first version).
    Absent,
}

/// A dataset outside the object folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetRef {
    /// Name as the pipeline declares it.
    pub name: String,
    /// File, glob or URL; a relative path starts at [`DatasetRef::folder`].
    pub location: String,
    /// Where relative paths start; none: at [`TaskSpec::project`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// `csv`, `ndjson`, `parquet`, `arrow`; by extension if absent.
    pub format: Option<String>,
    /// Reader options as declared.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub options: serde_json::Value,
    /// Name of its contract, a key of [`TaskSpec::contracts`].
    pub contract: Option<String>,
    /// Content hash over all files when the attempt was planned, if they were local.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentHash>,
}

/// An output as the pipeline declares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputDeclaration {
    pub kind: ArtifactKind,
    /// Name of the contract that a table must meet, a key of [`TaskSpec::contracts`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Avro schema files of a model, relative to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<String>,
    /// For files of process steps: keep it under this path inside the scratch folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    pub version: u32,
    pub run: String,
    pub instance: String,
    pub attempt: u32,
    pub epoch: u64,
    /// The error, or nothing if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What it made. With a failure: what a built-in step had made before it failed, such as the report of a gate that
    /// said no; people may look at it, nothing is built upon it.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub outputs: IndexMap<String, OutputValue>,
    /// Numbers worth showing for the run, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub metrics: IndexMap<String, f64>,
    /// Numbers measured again and again, by name: a loss round by round, a score trial by trial; at most some hundred
    /// points each, in the order of steps.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub curves: IndexMap<String, Vec<CurvePoint>>,
    /// Column lineage of the outputs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<ColumnEdge>,
    /// Changes to shared state that the orchestrator makes together with recording success.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectRequest>,
    /// One line for the summary, e.g. `336,776 rows, 19 columns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    #[serde(default)]
    pub resources: ResourcesUsed,
}

/// A metric at a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Round, iteration or trial, counted from 1.
    pub step: u64,
    /// Always finite.
    pub value: f64,
}

/// What an attempt used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourcesUsed {
    /// From start of work to its end.
    pub wall: Millis,
    /// User and system time of the attempt with its children.
    pub cpu: Millis,
    /// Highest resident memory seen.
    pub peak_memory: ByteSize,
    /// Rows read and written, where known.
    #[serde(default)]
    pub rows_in: u64,
    #[serde(default)]
    pub rows_out: u64,
}

/// One edge of column lineage: a value of `output.column` depends on `input.from`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ColumnEdge {
    /// Name of the step's output.
    pub output: String,
    pub column: String,
    /// Name of the step's input.
    pub input: String,
    pub from: String,
    /// False where only a declaration says so.
    pub derived: bool,
    /// How the source comes in; empty where nothing tells.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ways: BTreeSet<Way>,
}

impl ColumnEdge {
    /// In place of a column's name: the source decides which rows the output has, or their order.
    pub const ROWS: &'static str = "*";
}

/// How a source column comes into an output, in the words of OpenLineage's column lineage facet
/// (version 1.2, `transformations`): the first three become the value, the others only decide on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Way {
    /// The value as it is.
    Identity,
    /// A value computed from it and others of its row.
    Transformation,
    /// A value computed from many rows of it.
    Aggregation,
    /// Rows are matched by it.
    Join,
    /// Rows are put together by it.
    GroupBy,
    /// Rows are left out by it.
    Filter,
    /// Rows are ordered by it.
    Sort,
    /// It says which rows a window has, or their order in it.
    Window,
    /// It chooses between values.
    Conditional,
}

impl Way {
    /// Whether the source's values become the output's.
    pub fn is_direct(self) -> bool {
        matches!(self, Self::Identity | Self::Transformation | Self::Aggregation)
    }
}

/// A change to shared state. Carried out in the transaction that records the step's success, and
/// at most once a step instance and run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectRequest {
    /// Adds a version to a model; the version number becomes the value of the step's output
    /// `output`, as `{"name": …, "version": N}`.
    RegisterModel(Box<ModelDraft>),
    /// Makes a snapshot the present one of its view version.
    WriteFeatures(Box<SnapshotDraft>),
}

/// A model version before it has a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelDraft {
    /// Output of the step that takes the version.
    pub output: String,
    pub name: String,
    pub alias: Option<String>,
    pub model: ArtifactRef,
    /// Input and output signature, Avro and JSON Schema: `{"avro": {"input", "output"}, "json_schema": {"input", "output"}}`.
    pub signature: serde_json::Value,
    /// Artifacts that belong to the version, by role: `report`, `model_card`, `bill_of_materials`.
    pub attachments: BTreeMap<String, ArtifactRef>,
    pub metrics: IndexMap<String, f64>,
    pub description: Option<String>,
    pub tags: BTreeMap<String, String>,
}

/// Class of a failure: what `retry.when` names.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The step says its input or parameters are wrong; trying again gives the same.
    Rejected,
    /// A contract, check or gate said no.
    GateFailed,
    /// Files, network, a server.
    IoError,
    /// It ran longer than its timeout.
    Timeout,
    /// It used more memory than its limit.
    OutOfMemory,
    /// It wrote more log than its limit.
    LogLimit,
    /// The process ended with a non-zero code.
    ExitCode,
    /// The process ended by a signal.
    Signal,
    /// The worker that ran it died or was lost.
    WorkerLost,
    /// An input object is missing or damaged.
    ArtifactDamaged,
    /// A fault of ours.
    Internal,
}

impl FailureClass {
    /// All classes, as `retry.when` may list them.
    pub const ALL: [Self; 11] = [
        Self::Rejected,
        Self::GateFailed,
        Self::IoError,
        Self::Timeout,
        Self::OutOfMemory,
        Self::LogLimit,
        Self::ExitCode,
        Self::Signal,
        Self::WorkerLost,
        Self::ArtifactDamaged,
        Self::Internal,
    ];
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub class: FailureClass,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// The cause's cause and so on, nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Last lines of the log, for process steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
}

impl Failure {
    /// A failure with nothing but its sentence.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            causes: Vec::new(),
            help: None,
            log_tail: Vec::new(),
        }
    }
}

/// The error a step returns; whether to try again follows from its class.
#[derive(Debug, thiserror::Error)]
#[error("{}", failure.message)]
pub struct StepError {
    pub failure: Failure,
}

impl StepError {
    /// Wrong input or parameters.
    pub fn rejected(message: impl Into<String>) -> Self {
        Self {
            failure: Failure::new(FailureClass::Rejected, message),
        }
    }

    /// A contract, check or gate said no.
    pub fn gate(message: impl Into<String>) -> Self {
        Self {
            failure: Failure::new(FailureClass::GateFailed, message),
        }
    }

    /// Files or network failed.
    pub fn io(message: impl Into<String>, cause: &dyn std::error::Error) -> Self {
        Self {
            failure: Failure {
                causes: chain(cause),
                ..Failure::new(FailureClass::IoError, message)
            },
        }
    }

    /// A fault of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self {
            failure: Failure::new(FailureClass::Internal, message),
        }
    }

    /// The same, with what would fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.failure.help = Some(help.into());
        self
    }
}

impl From<crate::objects::ObjectError> for StepError {
    fn from(error: crate::objects::ObjectError) -> Self {
        use crate::objects::ObjectError;
        let class = match &error {
            ObjectError::Missing { .. } | ObjectError::Damaged { .. } => FailureClass::ArtifactDamaged,
            ObjectError::Io { .. } => FailureClass::IoError,
        };
        let causes = std::error::Error::source(&error).map(chain).unwrap_or_default();
        Self {
            failure: Failure {
                causes,
                ..Failure::new(class, error.to_string())
            },
        }
    }
}

/// An error and all its sources as text, outermost first.
pub fn chain(error: &dyn std::error::Error) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut source = error.source();
    while let Some(next) = source {
        lines.push(next.to_string());
        source = next.source();
    }
    lines
}
