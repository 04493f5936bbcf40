//! A kind of work that a pipeline names under `uses:`, and the catalogue of all of them.

use crate::artifact::ArtifactKind;
use crate::data_contract::DataContract;
use crate::feature::FeatureDefinitions;
use crate::finding::Finding;
use crate::io::StepIo;
use crate::schema::Schema;
use crate::task::{ColumnEdge, OutputDeclaration, ProcessSpec, StepError};
use crate::time::Timestamp;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who carries an attempt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// A warm worker process calls [`Step::run`].
    Worker,
    /// A child process, supervised: shell, Python, container.
    Process,
    /// The orchestrator itself: approvals. Holds no slot.
    Orchestrator,
}

/// What a step changes outside its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: may be reused.
    None,
    /// Shared state such as the registry: never reused unless the pipeline says `cache:`.
    External(&'static str),
}

/// The inputs or outputs a step has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Exactly these.
    Named(Vec<InputPort>),
    /// Any names, all of one of these kinds; at least `min`.
    Any { kinds: Vec<ArtifactKind>, min: usize },
    /// For outputs: one for each input, under the same name, of this kind.
    SameAsInputs(ArtifactKind),
}

/// One input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputPort {
    pub name: &'static str,
    pub kind: ArtifactKind,
    pub required: bool,
    /// Takes all cells of a matrix (`train[*].model`).
    pub many: bool,
    /// What it is for, one sentence.
    pub doc: &'static str,
}

impl InputPort {
    /// A required input or output.
    pub fn required(name: &'static str, kind: ArtifactKind, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            required: true,
            many: false,
            doc,
        }
    }

    /// One that may be left out.
    pub fn optional(name: &'static str, kind: ArtifactKind, doc: &'static str) -> Self {
        Self {
            required: false,
            ..Self::required(name, kind, doc)
        }
    }

    /// One that takes a whole matrix.
    #[must_use]
    pub fn many(mut self) -> Self {
        self.many = true;
        self
    }
}

/// What can be said of a kind of step without knowing where it is used.
#[derive(Clone, Debug)]
pub struct Signature {
    /// One sentence.
    pub doc: &'static str,
    pub inputs: Ports,
    pub outputs: Ports,
    /// Closed JSON Schema of `with:`, from the parameter type's own documentation (schemars).
    /// Keyword `x-kind` marks texts that are `column` names, column `expression`s or `sql`.
    pub params: serde_json::Value,
    /// Raised whenever the same inputs and parameters would give other bytes: part of the reuse key.
    pub revision: u32,
    pub effect: Effect,
    pub runner: Runner,
}

/// A kind of step.
pub trait Step: Send + Sync {
    /// As written in YAML, e.g. `train.classifier@v1`.
    fn uses(&self) -> &'static str;

    /// Inputs, outputs, parameters, effects.
    fn signature(&self) -> Signature;

    /// What the outputs will look like, and what is wrong, from parameters and input schemas
    /// alone. Reads no data and no file.
    fn infer(&self, request: &InferRequest<'_>) -> Inference;

    /// Which of its earlier outputs are an input of the step, as for an incremental one: they are part of
    /// the reuse key and reach it as [`TaskSpec::previous`](crate::TaskSpec::previous).
    fn memory(&self, _with: &serde_json::Value) -> Option<Memory> {
        None
    }

    /// Reads declared inputs and writes declared outputs through `io`, which also takes metrics,
    /// profiles and logs. Same inputs, parameters and seed: same bytes out. Only for
    /// [`Runner::Worker`].
    ///
    /// # Errors
    /// [`StepError`] with the class that decides on a retry.
    fn run(&self, io: &mut StepIo) -> Result<(), StepError>;

    /// The command that parameters stand for; `None` unless the runner is [`Runner::Process`].
    /// Parameters end up as arguments of their own, never inside a shell text. Texts that still
    /// hold `${{ … }}` are passed on as they are.
    fn process(&self, with: &serde_json::Value) -> Option<ProcessSpec> {
        let _ = with;
        None
    }

    /// Files, relative to the project, whose content is code of this step and therefore part of
    /// the reuse key, e.g. the script of a Python step.
    fn code(&self, with: &serde_json::Value) -> Vec<String> {
        let _ = with;
        Vec::new()
    }
}

/// What is known before the run of something that flows along an edge.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A table with these columns.
    Table(Schema),
    /// A table of which nothing is known: checks pass over it.
    UnknownTable,
    /// A model: the columns it wants and the label it was trained on.
    Model { features: Schema, label: Option<String> },
    /// Anything else.
    Other(ArtifactKind),
    /// Shapes of a collected matrix.
    Collected(Vec<Shape>),
    /// Optional and possibly absent.
    Absent,
}

/// Which of a step's earlier outputs it wants to see: those of the same step in the same pipeline and
/// environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// Of the run before, if there is one in which the step succeeded.
    Latest,
    /// Of the last run that was made at or before an instant, or of a run by its id or the last eight
    /// characters of it; without such a run the step fails. A date means its end in UTC.
    AsOf(String),
}

impl Memory {
    /// The instant that an `as_of` text means; nothing if it names a run.
    ///
    /// # Errors
    /// A sentence, if it can be neither.
    pub fn instant(text: &str) -> Result<Option<Timestamp>, String> {
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Some(Timestamp(instant.as_microsecond())));
        }
        let end_of_day = text
            .parse::<jiff::civil::Date>()
            .ok()
            .filter(|_| text.len() == 10)
            .and_then(|date| {
                let next = date.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
                Some(Timestamp(next.timestamp().as_microsecond() - 1))
            });
        if end_of_day.is_some() {
            return Ok(end_of_day);
        }
        let short = text.strip_prefix("run_").unwrap_or(text);
        let is_run = matches!(short.len(), 8 | 26) && short.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_run {
            Ok(None)
        } else {
            Err(format!(
                "`{text}` is neither a date (2026-11-01), an instant (2026-11-01T06:00:00Z) nor a run"
            ))
        }
    }
}

/// The question put to [`Step::infer`].
#[derive(Debug)]
pub struct InferRequest<'a> {
    /// Step as declared.
    pub step: &'a str,
    /// Parameters; where an expression needs run-time values, `null` stands and its path is in
    /// `unknown`.
    pub with: &'a serde_json::Value,
    /// Paths (from `with`) of values known only at run time; say nothing about those.
    pub unknown: &'a BTreeSet<crate::finding::Path>,
    pub inputs: &'a IndexMap<String, Shape>,
    pub outputs: &'a IndexMap<String, OutputDeclaration>,
    pub contracts: &'a BTreeMap<String, Arc<DataContract>>,
    /// The project's feature store.
    pub features: &'a FeatureDefinitions,
}

/// The answer of [`Step::infer`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inference {
    /// By output name. An output left out counts as unknown.
    pub outputs: IndexMap<String, Shape>,
    pub findings: Vec<Finding>,
    /// Input → columns whose values matter whatever becomes of the outputs: keys, filters,
    /// checks, features of a model.
    pub uses: BTreeMap<String, BTreeSet<String>>,
    /// Output columns and the input columns they come from.
    pub lineage: Vec<ColumnEdge>,
}

/// All kinds of steps this binary knows.
#[derive(Clone, Default)]
pub struct Catalogue {
    steps: BTreeMap<&'static str, Arc<dyn Step>>,
}

impl Catalogue {
    /// No steps.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same and one more.
    #[must_use]
    pub fn with(mut self, step: impl Step + 'static) -> Self {
        self.steps.insert(step.uses(), Arc::new(step));
        self
    }

    /// The same and all of another.
    #[must_use]
    pub fn and(mut self, other: Catalogue) -> Self {
        self.steps.extend(other.steps);
        self
    }

    /// The step of that name and version.
    pub fn get(&self, uses: &str) -> Option<&Arc<dyn Step>> {
        self.steps.get(uses)
    }

    /// All steps by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Arc<dyn Step>)> {
        self.steps.iter().map(|(name, step)| (*name, step))
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.steps.keys()).finish()
    }
}
