//! Pipelines: from text to a definition in which nothing unresolved can stand.
//!
//! ```text
//! bytes ─reader▶ tree ─schema▶ spec ─draft▶ names resolved ─checks▶ Pipeline ─bind▶ RunDefinition
//! ```
//!
//! [`check`] reads every file and finds every fault; a [`Pipeline`] exists only where there is no
//! error. [`Pipeline::bind`] takes environment, params and trigger, evaluates what does not need
//! results of steps, and expands matrices.

mod admission;
mod bind;
mod checks;
mod draft;
mod expand;
mod features;
pub mod files;
#[cfg(test)]
pub(crate) mod fixture;
pub mod history;
mod infer;
mod load;
mod locate;
mod models;
pub(crate) mod reader;
pub mod rules;
mod schema;
pub mod schemas;
pub mod spec;
mod values;
mod wiring;

pub use admission::{Admission, NotAdmitted, Origin};
pub use bind::{BindError, BindRequest};
pub(crate) use checks::{declaration, type_of, value_fault};
pub use features::readers::FeatureReader;
pub use files::{FileFault, Files};
pub use history::{History, PastRuns, RecordedFeatures};
pub use infer::Reads;
pub use models::Registers;
pub use rules::{Rule, rules};
pub use schemas::{
    contract_json_schema, features_json_schema, library_json_schema, pipeline_json_schema,
    project_json_schema, stream_json_schema,
};
pub use spec::{CheckLevel, PipelineSpec, TestCase};
pub use wiring::FeaturesInput;

use crate::diagnostic::{Diagnostic, Ignored, Sources};
use crate::notice::Declared;
use crate::pool::PoolLimits;
use std::collections::BTreeMap;
use std::sync::Arc;
use trainyard_contract::feature::FeatureDefinitions;
use trainyard_contract::{Catalogue, ContentHash, DataContract, PipelineName, Shape};

/// What is to be checked.
pub struct CheckRequest<'a> {
    /// Path of `trainyard.yaml`, if there is one.
    pub project: Option<&'a str>,
    /// Paths of pipeline files.
    pub entries: &'a [String],
    pub files: &'a dyn Files,
    pub catalogue: &'a Catalogue,
    /// Checks for this environment alone; without one, for all that the pipeline declares.
    pub environment: Option<&'a str>,
    /// Values of params as given on the command line.
    pub params: &'a BTreeMap<String, String>,
    /// Overrides what files say.
    pub level: Option<CheckLevel>,
}

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// Every file that was read, for rendering the diagnostics.
    pub sources: Sources,
    /// All faults of all files, by file and position.
    pub diagnostics: Vec<Diagnostic>,
    /// Findings that comments accept, with their reasons.
    pub ignored: Vec<Ignored>,
    /// Those without errors, in the order of the entries.
    pub pipelines: Vec<Arc<Pipeline>>,
    pub files_read: usize,
    /// Steps of all pipelines that could be read.
    pub steps: usize,
    /// What the project removes when it is old; nothing if its file has errors.
    pub retention: Option<spec::Retention>,
    /// Who hears of what, by the project and all pipelines; nothing if any file has errors: what is half understood
    /// takes nobody's notices away.
    pub notices: Option<Declared>,
    /// The project's feature store as its files and steps define it, without what is at fault.
    pub features: Arc<FeatureDefinitions>,
}

impl Checked {
    /// Whether anything found stops a run.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|found| found.severity == crate::diagnostic::Severity::Error)
    }
}

/// Reads a YAML document as plain values, by the rules for pipelines: no duplicate keys, no bombs.
///
/// # Errors
/// The first fault: line, from 1, and a sentence.
pub fn read_yaml(text: &str) -> Result<serde_json::Value, (usize, String)> {
    let (document, faults) = reader::read(crate::diagnostic::FileId(0), text);
    if let Some(fault) = faults.into_iter().next() {
        let before = text.get(..fault.span.start).unwrap_or_default();
        return Err((before.matches('\n').count() + 1, fault.message));
    }
    Ok(document.map_or(serde_json::Value::Null, |document| document.root.to_value()))
}

/// Reads and checks pipelines with everything they include.
pub fn check(request: &CheckRequest<'_>) -> Checked {
    checks::run(request, &History::default())
}

/// The same with what is known of earlier runs.
pub fn check_with(request: &CheckRequest<'_>, history: &History) -> Checked {
    checks::run(request, history)
}

/// A pipeline in which everything is resolved: each name means something, the graph has no cycle,
/// expressions have the types their places want. Made only by [`check`].
#[derive(Debug)]
pub struct Pipeline {
    name: PipelineName,
    file: String,
    documents: Vec<String>,
    hash: ContentHash,
    spec: PipelineSpec,
    project: Option<spec::Project>,
    level: CheckLevel,
    steps: Vec<wiring::Wired>,
    hooks: Vec<wiring::WiredHook>,
    contracts: BTreeMap<String, Arc<DataContract>>,
    shapes: BTreeMap<(String, String), Shape>,
    expansion: expand::Expanded,
    as_written: indexmap::IndexMap<String, serde_json::Value>,
    sections: serde_json::Map<String, serde_json::Value>,
    reads: Reads,
    features: Arc<FeatureDefinitions>,
}

impl Pipeline {
    pub fn name(&self) -> &PipelineName {
        &self.name
    }

    /// Path of its file, relative to the project.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Hash over the pipeline's file and everything it includes.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// The document with library steps filled in.
    pub fn spec(&self) -> &PipelineSpec {
        &self.spec
    }

    /// Names of the steps in the order written.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.spec.steps.keys().map(String::as_str)
    }

    /// The kind of a step, and the steps that have to be over before it.
    pub fn wiring_of(&self, step: &str) -> Option<(&str, Vec<&str>)> {
        let wired = self.steps.get(self.spec.steps.get_index_of(step)?)?;
        let names = wired
            .upstream()
            .into_iter()
            .filter_map(|ix| self.spec.steps.get_index(ix).map(|(name, _)| name.as_str()));
        Some((&wired.uses, names.collect()))
    }

    pub fn params(&self) -> &indexmap::IndexMap<String, spec::Param> {
        &self.spec.params
    }

    /// Environments it can run in: its own and the project's.
    pub fn environments(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.spec.environments.keys().map(String::as_str).collect();
        if let Some(project) = &self.project {
            names.extend(
                project
                    .environments
                    .keys()
                    .map(String::as_str)
                    .filter(|name| !self.spec.environments.contains_key(*name)),
            );
        }
        names
    }

    /// What its project declares of who hears of what, and its own channels.
    pub fn declared_notices(&self) -> Declared {
        let mut declared = self.project.as_ref().map(Declared::of).unwrap_or_default();
        declared.add(self.name.as_str(), &self.notices());
        declared
    }

    /// What an hour costs in this project.
    pub fn prices(&self) -> Option<&spec::project::Prices> {
        self.project.as_ref()?.prices.as_ref()
    }

    /// What the project's pools allow.
    pub fn pools(&self) -> BTreeMap<String, PoolLimits> {
        let pools = self.project.iter().flat_map(|project| &project.pools);
        pools.map(|(name, pool)| (name.clone(), pool.into())).collect()
    }

    pub fn tests(&self) -> &[TestCase] {
        &self.spec.tests
    }

    /// The level it was checked at.
    pub fn level(&self) -> CheckLevel {
        self.level
    }

    pub fn contracts(&self) -> &BTreeMap<String, Arc<DataContract>> {
        &self.contracts
    }

    /// The project's feature store as its files define it.
    pub fn features(&self) -> &Arc<FeatureDefinitions> {
        &self.features
    }

    /// Which columns of datasets and outputs are read, and by which steps.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// What is known before the run of an output. For a matrix, of its first cell.
    pub fn shape(&self, step: &str, output: &str) -> Option<&Shape> {
        self.shapes.get(&(step.to_owned(), output.to_owned()))
    }

    /// Shapes by step and output.
    pub fn shapes(&self) -> &BTreeMap<(String, String), Shape> {
        &self.shapes
    }
}
