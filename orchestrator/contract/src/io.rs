//! What a running step sees of the world: its inputs, its outputs, its log.

use crate::artifact::{ArtifactKind, ArtifactRef, ContentHash, OutputValue};
use crate::objects::Objects;
use crate::schema::Schema;
use crate::task::{
    ColumnEdge, CurvePoint, EffectRequest, StepError, TASK_VERSION, TaskInput, TaskReport, TaskSpec,
};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// News a step gives while it works.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// One line for the log, without its line end.
    Log(String),
    /// How far it is: `done` of `total` (0: unknown) `unit`s.
    Progress { done: u64, total: u64, unit: String },
}

/// A step's hands: reads verified inputs, writes durable outputs, gathers the report.
pub struct StepIo {
    spec: TaskSpec,
    objects: Objects,
    news: Box<dyn FnMut(News) + Send>,
    report: TaskReport,
    secrets: BTreeMap<String, String>,
}

impl StepIo {
    /// Hands for one attempt; `news` takes log lines and progress as they come.
    pub fn new(spec: TaskSpec, news: Box<dyn FnMut(News) + Send>) -> Self {
        let report = TaskReport {
            version: TASK_VERSION,
            run: spec.run.clone(),
            instance: spec.instance.clone(),
            attempt: spec.attempt,
            epoch: spec.epoch,
            failure: None,
            outputs: IndexMap::new(),
            metrics: IndexMap::new(),
            curves: IndexMap::new(),
            lineage: Vec::new(),
            effects: Vec::new(),
            headline: None,
            resources: Default::default(),
        };
        Self {
            objects: Objects::new(spec.objects.clone()),
            spec,
            news,
            report,
            secrets: BTreeMap::new(),
        }
    }

    /// The same, with the values of the secrets that the step declares, by environment variable.
    #[must_use]
    pub fn with_secrets(mut self, secrets: BTreeMap<String, String>) -> Self {
        self.secrets = secrets;
        self
    }

    /// Values of the secrets that the step declares, by environment variable. They must not reach a log,
    /// an output or an error.
    pub fn secrets(&self) -> &BTreeMap<String, String> {
        &self.secrets
    }

    /// What the step gave under an output's name when it last succeeded, if it remembers.
    pub fn previous(&self, output: &str) -> Option<&ArtifactRef> {
        match self.spec.previous.get(output) {
            Some(OutputValue::Artifact(artifact)) => Some(artifact),
            _ => None,
        }
    }

    /// Notes what an output's artifact is to be remembered by.
    pub fn summarize(&mut self, output: &str, summary: serde_json::Value) {
        if let Some(OutputValue::Artifact(artifact)) = self.report.outputs.get_mut(output) {
            artifact.summary = summary;
        }
    }

    /// The whole task.
    pub fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// The parameters as the step's own type. The check has been over them, so a failure here is
    /// an expression whose value turned out wrong.
    ///
    /// # Errors
    /// `Rejected`, naming the parameter.
    pub fn params<P: serde::de::DeserializeOwned>(&self) -> Result<P, StepError> {
        let with = if self.spec.with.is_null() {
            serde_json::Value::Object(serde_json::Map::new())
        } else {
            self.spec.with.clone()
        };
        serde_json::from_value(with)
            .map_err(|error| StepError::rejected(format!("`with` of step `{}`: {error}", self.spec.step)))
    }

    /// An input by name, if it was declared.
    pub fn input(&self, name: &str) -> Option<&TaskInput> {
        self.spec.inputs.get(name)
    }

    /// The artifact at an input that is one step's output or a registered model; `None` if the
    /// input is not declared or absent.
    ///
    /// # Errors
    /// `Rejected` if the input is something else.
    pub fn artifact(&self, name: &str) -> Result<Option<&ArtifactRef>, StepError> {
        match self.spec.inputs.get(name) {
            None | Some(TaskInput::Absent) => Ok(None),
            Some(TaskInput::Output(OutputValue::Artifact(artifact))) => Ok(Some(artifact)),
            Some(TaskInput::Registered { model, .. }) => Ok(Some(model)),
            Some(_) => Err(StepError::rejected(format!("input `{name}` is not an artifact"))),
        }
    }

    /// Path of an artifact's content, checked against its hash.
    ///
    /// # Errors
    /// `ArtifactDamaged` or `IoError`.
    pub fn open(&self, artifact: &ArtifactRef) -> Result<PathBuf, StepError> {
        Ok(self.objects.verified_path(&artifact.hash)?)
    }

    /// An artifact's bytes, checked against its hash.
    ///
    /// # Errors
    /// `ArtifactDamaged` or `IoError`.
    pub fn read(&self, hash: &ContentHash) -> Result<Vec<u8>, StepError> {
        Ok(self.objects.get(hash)?)
    }

    /// A path to write an output's file to; hand it to [`StepIo::keep_file`] when it is whole.
    ///
    /// # Errors
    /// `IoError`.
    pub fn staging_path(&self) -> Result<PathBuf, StepError> {
        Ok(self.objects.staging_path()?)
    }

    /// The attempt's scratch folder.
    pub fn scratch(&self) -> &Path {
        &self.spec.scratch
    }

    /// A file beside the scratch folder that outlives the attempt: a later attempt at the same step
    /// instance of the same run finds what this one left there. The step makes it, decides whether it
    /// can go on from it, and removes it once it is done.
    pub fn checkpoint(&self) -> PathBuf {
        // The folder ends in the attempt's number.
        self.spec.scratch.with_extension("checkpoint")
    }

    /// Whether the pipeline wants the output.
    pub fn wants(&self, output: &str) -> bool {
        self.spec.outputs.contains_key(output)
    }

    /// Keeps a Parquet file written at a staging path as the table output `output`.
    ///
    /// # Errors
    /// `IoError`.
    pub fn keep_table(
        &mut self,
        output: &str,
        file: &Path,
        schema: Schema,
        rows: u64,
    ) -> Result<ArtifactRef, StepError> {
        let (hash, size) = self.objects.adopt(file)?;
        self.report.resources.rows_out += rows;
        let artifact = ArtifactRef {
            kind: ArtifactKind::Table,
            hash,
            size,
            media_type: "application/vnd.apache.parquet".to_owned(),
            rows: Some(rows),
            schema: Some(schema),
            summary: serde_json::Value::Null,
        };
        self.report.outputs.insert(
            output.to_owned(),
            OutputValue::Artifact(Box::new(artifact.clone())),
        );
        Ok(artifact)
    }

    /// Keeps bytes as an artifact without making it an output.
    ///
    /// # Errors
    /// `IoError`.
    pub fn keep_bytes(
        &self,
        kind: ArtifactKind,
        media_type: &str,
        bytes: &[u8],
        summary: serde_json::Value,
    ) -> Result<ArtifactRef, StepError> {
        let hash = self.objects.put(bytes)?;
        Ok(ArtifactRef {
            kind,
            hash,
            size: bytes.len() as u64,
            media_type: media_type.to_owned(),
            rows: None,
            schema: None,
            summary,
        })
    }

    /// Makes an artifact the output `output`.
    pub fn output(&mut self, output: &str, artifact: ArtifactRef) {
        self.report
            .outputs
            .insert(output.to_owned(), OutputValue::Artifact(Box::new(artifact)));
    }

    /// Makes a value the output `output`.
    pub fn output_value(&mut self, output: &str, value: serde_json::Value) {
        self.report
            .outputs
            .insert(output.to_owned(), OutputValue::Value(value));
    }

    /// Keeps an HTML report and its JSON twin as the output `output`.
    ///
    /// # Errors
    /// `IoError`.
    pub fn output_report(
        &mut self,
        output: &str,
        html: &str,
        json: &serde_json::Value,
    ) -> Result<(), StepError> {
        let twin = self.keep_bytes(
            ArtifactKind::Report,
            "application/json",
            json.to_string().as_bytes(),
            serde_json::Value::Null,
        )?;
        let summary = serde_json::json!({ "json": twin.hash.to_string() });
        let page = self.keep_bytes(ArtifactKind::Report, "text/html", html.as_bytes(), summary)?;
        self.output(output, page);
        Ok(())
    }

    /// Keeps numbers by name as the metrics output `output`, and shows them for the run.
    ///
    /// # Errors
    /// `IoError`.
    pub fn output_metrics(&mut self, output: &str, metrics: &serde_json::Value) -> Result<(), StepError> {
        let artifact = self.keep_bytes(
            ArtifactKind::Metrics,
            "application/json",
            metrics.to_string().as_bytes(),
            metrics.clone(),
        )?;
        self.output(output, artifact);
        if let Some(map) = metrics.as_object() {
            for (name, value) in map {
                if let Some(number) = value.as_f64() {
                    self.metric(name, number);
                }
            }
        }
        Ok(())
    }

    /// A number worth showing for the run.
    pub fn metric(&mut self, name: &str, value: f64) {
        self.report.metrics.insert(name.to_owned(), value);
    }

    /// A number measured again and again: steps, counted from 1, and values. Values that are no finite numbers are left
    /// out.
    pub fn curve(&mut self, name: &str, points: impl IntoIterator<Item = (u64, f64)>) {
        let finite = points.into_iter().filter(|(_, value)| value.is_finite());
        let points: Vec<CurvePoint> = finite.map(|(step, value)| CurvePoint { step, value }).collect();
        if !points.is_empty() {
            self.report.curves.insert(name.to_owned(), points);
        }
    }

    /// Adds column lineage.
    pub fn lineage(&mut self, edges: impl IntoIterator<Item = ColumnEdge>) {
        self.report.lineage.extend(edges);
    }

    /// Asks for a change to shared state, made together with recording success.
    pub fn effect(&mut self, effect: EffectRequest) {
        self.report.effects.push(effect);
    }

    /// The line that stands for this step in the run's summary.
    pub fn headline(&mut self, line: impl Into<String>) {
        self.report.headline = Some(line.into());
    }

    /// Counts rows read.
    pub fn rows_in(&mut self, rows: u64) {
        self.report.resources.rows_in += rows;
    }

    /// One line for the log.
    pub fn log(&mut self, line: impl Into<String>) {
        (self.news)(News::Log(line.into()));
    }

    /// How far the step is.
    pub fn progress(&mut self, done: u64, total: u64, unit: &str) {
        (self.news)(News::Progress {
            done,
            total,
            unit: unit.to_owned(),
        });
    }

    /// The report so far; the end of the attempt.
    pub fn into_report(self) -> TaskReport {
        self.report
    }
}
