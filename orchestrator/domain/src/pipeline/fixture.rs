//! A small catalogue and project for tests: kinds of steps that know just enough.

use super::files::memory::MemoryFiles;
use super::{CheckLevel, CheckRequest, Checked, History, check_with};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trainyard_contract::finding::nearest;
use trainyard_contract::step::InputPort;
use trainyard_contract::task::{ColumnEdge, ProcessSpec};
use trainyard_contract::{
    ArtifactKind, Catalogue, Column, DataType, Effect, Finding, InferRequest, Inference, Path, Ports, Runner,
    Shape, Signature, Step, StepError, StepIo,
};

type Infer = fn(&InferRequest<'_>) -> Inference;

struct Fake {
    uses: &'static str,
    signature: Signature,
    infer: Infer,
}

impl Step for Fake {
    fn uses(&self) -> &'static str {
        self.uses
    }
    fn signature(&self) -> Signature {
        self.signature.clone()
    }
    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        (self.infer)(request)
    }
    fn run(&self, _: &mut StepIo) -> Result<(), StepError> {
        Err(StepError::internal("not run in tests"))
    }
    fn process(&self, with: &Value) -> Option<ProcessSpec> {
        let script = with.get("script")?.as_str()?;
        Some(ProcessSpec {
            argv: vec!["sh".into(), "-c".into(), script.into()],
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            image: with.get("image").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

fn nothing(_: &InferRequest<'_>) -> Inference {
    Inference::default()
}

fn any(kinds: &[ArtifactKind]) -> Ports {
    Ports::Any {
        kinds: kinds.to_vec(),
        min: 0,
    }
}

fn open() -> Value {
    json!({"type": "object"})
}

fn fake(uses: &'static str, inputs: Ports, outputs: Ports, params: Value, infer: Infer) -> Fake {
    Fake {
        uses,
        signature: Signature {
            doc: "A step for tests.",
            inputs,
            outputs,
            params,
            revision: 1,
            effect: Effect::None,
            runner: Runner::Worker,
        },
        infer,
    }
}

impl Fake {
    fn effect(mut self, effect: &'static str) -> Self {
        self.signature.effect = Effect::External(effect);
        self
    }

    fn runner(mut self, runner: Runner) -> Self {
        self.signature.runner = runner;
        self
    }
}

/// Keeps columns and derives a label: the columns it lists have to exist and be known in time.
fn features(request: &InferRequest<'_>) -> Inference {
    let mut inference = Inference::default();
    let Some(Shape::Table(table)) = request.inputs.get("flights") else {
        return inference;
    };
    let mut out = table.clone();
    out.columns.clear();
    out.predict_at = request.with["predict_at"].as_str().map(str::to_owned);
    for (at, name) in request.with["keep"].as_array().into_iter().flatten().enumerate() {
        let Some(name) = name.as_str() else { continue };
        let path = Path::root().key("with").key("keep").index(at);
        match table.column(name) {
            None => {
                let finding =
                    Finding::error("D01", path, format!("there is no column `{name}`")).at_word(name);
                inference.findings.push(match nearest(name, table.names()) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding,
                });
            }
            Some(column) => {
                if let (Some(known), Some(at)) = (&column.known_at, &out.predict_at)
                    && known.is_after(at) == Some(true)
                {
                    let message = format!("`{name}` is known at {}, after {at}", known.moment);
                    inference
                        .findings
                        .push(Finding::error("M01", path, message).at_word(name));
                }
                inference.lineage.push(ColumnEdge {
                    output: "table".into(),
                    column: name.into(),
                    input: "flights".into(),
                    from: name.into(),
                    derived: true,
                    ways: Default::default(),
                });
                out.columns.push(column.clone());
            }
        }
    }
    if let Some(expr) = request.with["label"]["expr"].as_str() {
        let known: Vec<&str> = expr.split(' ').collect();
        inference
            .uses
            .entry("flights".into())
            .or_default()
            .insert(known[0].into());
        out.columns.push(Column::new("label", DataType::Boolean, true));
        out.label = Some("label".into());
    }
    inference.outputs.insert("table".into(), Shape::Table(out));
    inference
}

/// Takes all of its table as features and reports nothing.
fn train(request: &InferRequest<'_>) -> Inference {
    let mut inference = Inference::default();
    if let Some(Shape::Table(table)) = request.inputs.get("train") {
        let used = table
            .columns
            .iter()
            .map(|column| column.name.clone())
            .collect::<BTreeSet<_>>();
        inference.uses.insert("train".into(), used);
        let mut features = table.clone();
        features
            .columns
            .retain(|column| Some(&column.name) != table.label.as_ref());
        inference.outputs.insert(
            "model".into(),
            Shape::Model {
                features,
                label: table.label.clone(),
            },
        );
    }
    inference
}

/// Hands tables on as they are.
fn pass(request: &InferRequest<'_>) -> Inference {
    let mut inference = Inference::default();
    for (input, shape) in request.inputs {
        for output in request
            .outputs
            .keys()
            .filter(|output| *output == input || request.inputs.len() == 1)
        {
            if let Shape::Table(schema) = shape {
                for column in &schema.columns {
                    inference.lineage.push(ColumnEdge {
                        output: output.clone(),
                        column: column.name.clone(),
                        input: input.clone(),
                        from: column.name.clone(),
                        derived: true,
                        ways: Default::default(),
                    });
                }
            }
            inference.outputs.insert(output.clone(), shape.clone());
        }
    }
    inference
}

/// Kinds of steps for tests.
pub(crate) fn catalogue() -> Catalogue {
    use ArtifactKind::*;
    let table = |name, doc| InputPort::required(name, Table, doc);
    let process = any(&[
        Table,
        File,
        Model,
        Metrics,
        Report,
        Boolean,
        Number,
        String,
        ModelVersion,
    ]);
    let script = json!({"type": "object", "additionalProperties": false, "required": ["script"],
        "properties": {"script": {"type": "string"}, "shell": {"enum": ["sh", "bash"]}}});
    let split = Ports::Named(vec![
        table("train", "rows"),
        table("valid", "rows"),
        table("test", "rows"),
    ]);
    let model = Ports::Named(vec![
        InputPort::required("model", Model, "the model"),
        InputPort::required("metrics", Metrics, "its numbers"),
    ]);
    Catalogue::new()
        .with(fake(
            "explore.profile@v1",
            Ports::Named(vec![table("data", "rows")]),
            Ports::Named(vec![InputPort::required("profile", Report, "the page")]),
            open(),
            nothing,
        ))
        .with(fake(
            "ingest.files@v1",
            any(&[Table]),
            Ports::SameAsInputs(Table),
            open(),
            pass,
        ))
        .with(fake(
            "validate.contract@v1",
            any(&[Table]),
            Ports::Named(vec![InputPort::required("report", Report, "the page")]),
            open(),
            nothing,
        ))
        .with(fake(
            "features.build@v1",
            any(&[Table]),
            Ports::Named(vec![table("table", "features")]),
            json!({
                "type": "object",
                "properties": {
                    "keep": {"type": "array", "items": {"type": "string", "x-kind": "column"}},
                    "predict_at": {"type": "string"},
                    "rounds": {"type": "integer", "minimum": 1, "maximum": 500},
                    "label": {"type": "object", "properties": {
                        "name": {"type": "string"}, "expr": {"type": "string", "x-kind": "expression"}
                    }}
                }
            }),
            features,
        ))
        .with(fake(
            "transform.sql@v1",
            any(&[Table]),
            Ports::Named(vec![table("table", "rows")]),
            open(),
            nothing,
        ))
        .with(fake(
            "split.random@v1",
            Ports::Named(vec![table("table", "all rows")]),
            split.clone(),
            open(),
            pass,
        ))
        .with(fake(
            "split.time@v1",
            Ports::Named(vec![table("table", "all rows")]),
            split,
            open(),
            pass,
        ))
        .with(fake(
            "train.regressor@v1",
            Ports::Named(vec![
                table("train", "training rows"),
                InputPort::optional("valid", Table, "rows to stop by"),
            ]),
            model.clone(),
            open(),
            train,
        ))
        .with(fake(
            "train.classifier@v1",
            Ports::Named(vec![
                table("train", "training rows"),
                InputPort::optional("valid", Table, "rows to stop by"),
            ]),
            model.clone(),
            json!({"type": "object", "additionalProperties": false, "properties": {
                "algorithm": {"enum": ["logistic_regression", "random_forest", "gradient_boosting"]},
                "label": {"type": "string"},
                "seed": {"type": "integer"}
            }}),
            train,
        ))
        .with(fake(
            "tune.search@v1",
            Ports::Named(vec![
                table("train", "rows"),
                table("valid", "rows"),
                InputPort::optional("candidates", Metrics, "earlier results").many(),
            ]),
            model,
            open(),
            nothing,
        ))
        .with(fake(
            "evaluate.classifier@v1",
            Ports::Named(vec![
                InputPort::required("model", Model, "the challenger"),
                InputPort::optional("baselines", Model, "simpler ones").many(),
                table("test", "rows"),
                InputPort::optional("champion", Model, "the one in use"),
            ]),
            Ports::Named(vec![
                InputPort::required("report", Report, "the page"),
                InputPort::required("metrics", Metrics, "its numbers"),
                InputPort::required("passed", Boolean, "whether all gates hold"),
            ]),
            open(),
            nothing,
        ))
        .with(
            fake(
                "registry.register@v1",
                Ports::Named(vec![
                    InputPort::required("model", Model, "the model"),
                    InputPort::optional("report", Report, "the page"),
                ]),
                Ports::Named(vec![InputPort::required("version", ModelVersion, "the version")]),
                open(),
                nothing,
            )
            .effect("registry"),
        )
        .with(
            fake(
                "gate.approval@v1",
                any(&[ModelVersion, Report, Model, Metrics]),
                Ports::Named(vec![]),
                open(),
                nothing,
            )
            .runner(Runner::Orchestrator),
        )
        .with(
            fake(
                "deploy.endpoint@v1",
                Ports::Named(vec![InputPort::required("version", ModelVersion, "the version")]),
                Ports::Named(vec![InputPort::required("endpoint", Endpoint, "the endpoint")]),
                open(),
                nothing,
            )
            .effect("endpoint"),
        )
        .with(
            fake(
                "deploy.rollback@v1",
                any(&[]),
                Ports::Named(vec![]),
                open(),
                nothing,
            )
            .effect("endpoint"),
        )
        .with(
            fake(
                "monitor.attach@v1",
                any(&[]),
                Ports::Named(vec![InputPort::required("monitor", Monitor, "it")]),
                open(),
                nothing,
            )
            .effect("monitor"),
        )
        .with(fake("cleanup.temp@v1", any(&[]), Ports::Named(vec![]), open(), nothing).effect("files"))
        .with(fake("run.shell@v1", process.clone(), process.clone(), script, nothing).runner(Runner::Process))
        .with(
            fake("run.python@v1", process.clone(), process.clone(), open(), nothing).runner(Runner::Process),
        )
        .with(fake("run.container@v1", process.clone(), process, open(), nothing).runner(Runner::Process))
}

/// The contract of flights.
pub(crate) const FLIGHTS: &str = "\
version: 1
name: flights
event_time: time_hour
primary_key: [carrier, time_hour]
moments: [schedule, departure, arrival]
columns:
  carrier: {type: string, nullable: false, known_at: schedule}
  time_hour: {type: \"timestamp[us, UTC]\", nullable: false, known_at: schedule}
  distance: {type: int16, nullable: false, known_at: schedule, unit: mile}
  dep_delay: {type: int16, known_at: departure, unit: minute}
  arr_delay: {type: int16, known_at: arrival, unit: minute}
";

/// A project with `pipelines/p.yaml` of this text, a contract and some data.
pub(crate) fn project(pipeline: &str) -> MemoryFiles {
    MemoryFiles::default()
        .with("pipelines/p.yaml", pipeline)
        .with("contracts/flights.yaml", FLIGHTS)
        .with("data/flights.csv", "carrier\n")
}

/// What a check of some files finds.
pub(crate) fn checked(files: &MemoryFiles, entries: &[&str], level: Option<CheckLevel>) -> Checked {
    check_of(files, entries, level, &History::default())
}

/// What a check finds that knows earlier runs.
pub(crate) fn checked_with(files: &MemoryFiles, entries: &[&str], history: &History) -> Checked {
    check_of(files, entries, None, history)
}

fn check_of(files: &MemoryFiles, entries: &[&str], level: Option<CheckLevel>, history: &History) -> Checked {
    let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
    let request = CheckRequest {
        project: files.0.contains_key("trainyard.yaml").then_some("trainyard.yaml"),
        entries: &entries,
        files,
        catalogue: &catalogue(),
        environment: None,
        params: &BTreeMap::new(),
        level,
    };
    check_with(&request, history)
}

/// Findings as `code line:column text-underlined`.
pub(crate) fn shown(checked: &Checked) -> Vec<String> {
    checked
        .diagnostics
        .iter()
        .map(|found| {
            let span = found.primary.span;
            let file = checked.sources.file(span.file).unwrap();
            let (line, column) = file.line_column(span.start);
            let text = file.text.get(span.start..span.end).unwrap_or("");
            format!(
                "{} {line}:{column} {}",
                found.code,
                text.lines().next().unwrap_or("")
            )
        })
        .collect()
}

/// Findings in `pipelines/p.yaml` of this text.
pub(crate) fn findings(pipeline: &str) -> Vec<String> {
    shown(&checked(&project(pipeline), &["pipelines/p.yaml"], None))
}

/// The pipeline of this text, which has no error.
pub(crate) fn pipeline(text: &str) -> Arc<super::Pipeline> {
    let checked = checked(&project(text), &["pipelines/p.yaml"], None);
    assert!(!checked.has_errors(), "{:#?}", checked.diagnostics);
    checked.pipelines[0].clone()
}
