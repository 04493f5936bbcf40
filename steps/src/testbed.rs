//! For tests: a step with inputs, run in a folder of its own.

use indexmap::IndexMap;
use polars::prelude::{DataFrame, ParquetReader, ParquetWriter, SerReader};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use trainyard_contract::feature::FeatureDefinitions;
use trainyard_contract::io::News;
use trainyard_contract::task::{DatasetRef, Limits, OutputDeclaration, TASK_VERSION, TaskInput, TaskReport};
use trainyard_contract::{
    ArtifactKind, ArtifactRef, DataContract, InferRequest, Inference, Objects, OutputValue, Schema, Shape,
    Step, StepError, StepIo, TaskSpec,
};

/// A project folder with objects, and the inputs of one step.
pub(crate) struct Bed {
    pub(crate) folder: Arc<TempDir>,
    pub(crate) inputs: IndexMap<String, TaskInput>,
    pub(crate) contracts: BTreeMap<String, DataContract>,
    /// What the step gave last time.
    pub(crate) previous: IndexMap<String, OutputValue>,
    /// Feature views that the step names, by name.
    pub(crate) feature_views: BTreeMap<String, trainyard_contract::feature::StoredView>,
    /// The project's feature store.
    pub(crate) features: FeatureDefinitions,
    /// Values of secrets by variable.
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) limits: Limits,
}

/// How a step ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) report: TaskReport,
    pub(crate) log: Vec<String>,
    /// Keeps the objects there for as long as they may be looked at.
    folder: Arc<TempDir>,
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            inputs: IndexMap::new(),
            contracts: BTreeMap::new(),
            previous: IndexMap::new(),
            feature_views: BTreeMap::new(),
            features: FeatureDefinitions::default(),
            secrets: BTreeMap::new(),
            limits: Limits::default(),
        }
    }

    /// Gives the step that many threads.
    pub(crate) fn cpu(mut self, cores: u32) -> Self {
        self.limits.cpu = Some(cores);
        self
    }

    /// Adds a table input with these rows; what is known of its columns is their types.
    pub(crate) fn table(self, name: &str, frame: DataFrame) -> Self {
        let schema = crate::dataset::bare_schema(frame.schema(), Some(name));
        self.table_of(name, frame, schema)
    }

    /// Adds a table input with these rows and this schema.
    pub(crate) fn table_of(mut self, name: &str, mut frame: DataFrame, schema: Schema) -> Self {
        let objects = Objects::new(self.folder.path().join("objects"));
        let path = objects.staging_path().unwrap();
        ParquetWriter::new(File::create(&path).unwrap())
            .finish(&mut frame)
            .unwrap();
        let (hash, size) = objects.adopt(&path).unwrap();
        let artifact = ArtifactRef {
            kind: ArtifactKind::Table,
            hash,
            size,
            media_type: "application/vnd.apache.parquet".to_owned(),
            rows: Some(frame.height() as u64),
            schema: Some(schema),
            summary: Value::Null,
        };
        self.inputs.insert(
            name.to_owned(),
            TaskInput::Output(OutputValue::Artifact(Box::new(artifact))),
        );
        self
    }

    /// Adds a dataset input at a location relative to the folder or absolute.
    pub(crate) fn dataset(mut self, name: &str, location: &str, contract: Option<&str>) -> Self {
        let dataset = DatasetRef {
            name: name.to_owned(),
            location: location.to_owned(),
            folder: None,
            format: None,
            options: Value::Null,
            contract: contract.map(str::to_owned),
            content: None,
        };
        self.inputs.insert(name.to_owned(), TaskInput::Dataset(dataset));
        self
    }

    pub(crate) fn contract(mut self, contract: DataContract) -> Self {
        self.contracts.insert(contract.name.clone(), contract);
        self
    }

    /// The step ran before and ended so.
    pub(crate) fn after(mut self, ended: &Ended) -> Self {
        self.previous = ended.report.outputs.clone();
        self
    }

    /// What an earlier step made can be read, as from the objects of one home.
    pub(crate) fn sharing(self, ended: &Ended) -> Self {
        let (from, to) = (
            ended.folder.path().join("objects"),
            self.folder.path().join("objects"),
        );
        let from = Objects::new(from);
        for output in ended.report.outputs.values() {
            if let OutputValue::Artifact(artifact) = output {
                Objects::new(to.clone())
                    .put(&from.get(&artifact.hash).unwrap())
                    .unwrap();
            }
        }
        self
    }

    /// Hands for a step whose parts are called by themselves.
    pub(crate) fn io_of(&self, step: &dyn Step, with: Value, outputs: &[(&str, ArtifactKind)]) -> StepIo {
        self.io(step, with, declared(outputs), |_| {})
    }

    /// Writes a file into the folder.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Schemas of the inputs as a check knows them.
    pub(crate) fn shapes(&self) -> IndexMap<String, Shape> {
        self.inputs
            .iter()
            .map(|(name, input)| {
                let shape = match input {
                    TaskInput::Output(OutputValue::Artifact(artifact))
                        if artifact.kind == ArtifactKind::File =>
                    {
                        Shape::Other(ArtifactKind::File)
                    }
                    TaskInput::Output(OutputValue::Artifact(artifact)) => {
                        artifact.schema.clone().map_or(Shape::UnknownTable, Shape::Table)
                    }
                    TaskInput::Dataset(dataset) => dataset
                        .contract
                        .as_ref()
                        .and_then(|contract| self.contracts.get(contract))
                        .map_or(Shape::UnknownTable, |contract| {
                            Shape::Table(contract.schema(Some(&dataset.name)))
                        }),
                    _ => Shape::Absent,
                };
                (name.clone(), shape)
            })
            .collect()
    }

    pub(crate) fn infer(&self, step: &dyn Step, with: Value, outputs: &[(&str, ArtifactKind)]) -> Inference {
        step.infer(&InferRequest {
            step: "step",
            with: &with,
            unknown: &BTreeSet::new(),
            inputs: &self.shapes(),
            outputs: &declared(outputs),
            contracts: &self
                .contracts
                .iter()
                .map(|(k, v)| (k.clone(), Arc::new(v.clone())))
                .collect(),
            features: &self.features,
        })
    }

    /// Runs a step whose one table output has a contract.
    pub(crate) fn run_with_contract(
        &self,
        step: &dyn Step,
        with: Value,
        output: &str,
        contract: &str,
    ) -> Result<Ended, StepError> {
        let mut outputs = declared(&[(output, ArtifactKind::Table)]);
        for declared in outputs.values_mut() {
            declared.contract = Some(contract.to_owned());
        }
        self.run_declared(step, with, outputs)
    }

    pub(crate) fn run(
        &self,
        step: &dyn Step,
        with: Value,
        outputs: &[(&str, ArtifactKind)],
    ) -> Result<Ended, StepError> {
        self.run_declared(step, with, declared(outputs))
    }

    fn run_declared(
        &self,
        step: &dyn Step,
        with: Value,
        outputs: IndexMap<String, OutputDeclaration>,
    ) -> Result<Ended, StepError> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let mut io = self.io(step, with, outputs, move |line| lines.lock().unwrap().push(line));
        step.run(&mut io)?;
        let report = io.into_report();
        let log = log.lock().unwrap().clone();
        Ok(Ended {
            report,
            log,
            folder: Arc::clone(&self.folder),
        })
    }

    /// Runs the step and kills it where it logs a line that begins like that; whether it came so far.
    pub(crate) fn run_until(
        &self,
        step: &dyn Step,
        with: Value,
        outputs: &[(&str, ArtifactKind)],
        line: &'static str,
    ) -> bool {
        struct Killed;
        let mut io = self.io(step, with, declared(outputs), move |said| {
            if said.starts_with(line) {
                std::panic::resume_unwind(Box::new(Killed));
            }
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| step.run(&mut io)));
        ended.is_err_and(|cause| cause.is::<Killed>())
    }

    fn io(
        &self,
        step: &dyn Step,
        with: Value,
        outputs: IndexMap<String, OutputDeclaration>,
        mut hear: impl FnMut(String) + Send + 'static,
    ) -> StepIo {
        let objects = self.folder.path().join("objects");
        let scratch = self.folder.path().join("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        let spec = TaskSpec {
            version: TASK_VERSION,
            run: "run_1".to_owned(),
            pipeline: "pipeline".to_owned(),
            instance: "step".to_owned(),
            step: "step".to_owned(),
            attempt: 1,
            epoch: 1,
            uses: step.uses().to_owned(),
            with,
            inputs: self.inputs.clone(),
            outputs,
            contracts: self.contracts.clone(),
            matrix: serde_json::Map::new(),
            process: None,
            secrets: Default::default(),
            previous: self.previous.clone(),
            feature_views: self.feature_views.clone(),
            features: self.features.clone(),
            limits: self.limits.clone(),
            project: self.folder.path().to_owned(),
            data: None,
            objects,
            scratch,
            log: self.folder.path().join("log"),
            traceparent: None,
        };
        StepIo::new(
            spec,
            Box::new(move |news| {
                if let News::Log(line) = news {
                    hear(line);
                }
            }),
        )
        .with_secrets(self.secrets.clone())
    }
}

fn declared(outputs: &[(&str, ArtifactKind)]) -> IndexMap<String, OutputDeclaration> {
    outputs
        .iter()
        .map(|(name, kind)| {
            let declaration = OutputDeclaration {
                kind: *kind,
                contract: None,
                input_schema: None,
                output_schema: None,
                path: None,
            };
            ((*name).to_owned(), declaration)
        })
        .collect()
}

impl Ended {
    pub(crate) fn artifact(&self, output: &str) -> &ArtifactRef {
        match self.report.outputs.get(output) {
            Some(OutputValue::Artifact(artifact)) => artifact,
            other => panic!("output `{output}` is {other:?}"),
        }
    }

    /// The folder with its objects, so that another step can take its outputs.
    pub(crate) fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    fn objects(&self) -> Objects {
        Objects::new(self.folder.path().join("objects"))
    }

    pub(crate) fn schema(&self, output: &str) -> &Schema {
        self.artifact(output).schema.as_ref().unwrap()
    }

    pub(crate) fn bytes(&self, output: &str) -> Vec<u8> {
        self.objects().get(&self.artifact(output).hash).unwrap()
    }

    pub(crate) fn frame(&self, output: &str) -> DataFrame {
        let path = self.objects().path(&self.artifact(output).hash);
        ParquetReader::new(File::open(path).unwrap()).finish().unwrap()
    }

    /// The JSON twin of a report.
    pub(crate) fn json(&self, output: &str) -> Value {
        let hash = self.artifact(output).summary["json"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        serde_json::from_slice(&self.objects().get(&hash).unwrap()).unwrap()
    }
}

/// Each row as its values with `|` between them; `-` is missing.
pub(crate) fn rows(frame: &DataFrame) -> Vec<String> {
    (0..frame.height())
        .map(|row| {
            let values = frame.columns().iter().map(|column| {
                crate::rule::shown(column.as_materialized_series(), row).unwrap_or_else(|| "-".to_owned())
            });
            values.collect::<Vec<_>>().join("|")
        })
        .collect()
}

/// The project's own example pipelines.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines")
}

/// A contract from its document.
pub(crate) fn contract(document: Value) -> DataContract {
    serde_json::from_value(document).unwrap()
}

/// A contract of the example pipelines.
pub(crate) fn example_contract(name: &str) -> DataContract {
    let text = std::fs::read_to_string(examples().join(format!("contracts/{name}.yaml"))).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}
