//! `registry.register@v1`: a model becomes a version in the registry, with its signature, a model
//! card and a bill of materials.
//!
//! The version's number is given by the orchestrator, in the transaction that records this step's
//! success: asked for twice, there is still one version.

pub(crate) mod avro;
mod bill;
mod card;

use crate::evaluate::read_model;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use trainyard_contract::finding::Finding;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::task::{EffectRequest, ModelDraft, TaskInput};
use trainyard_contract::{
    ArtifactKind, ArtifactRef, ContentHash, InferRequest, Inference, Shape, Step, StepError, StepIo,
};
use trainyard_models::{Feature, FeatureKind, Label, Model, Predictor, Task};

/// Parameters of `registry.register@v1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Name of the model in the registry: a lower-case letter, then up to 62 of a-z, 0-9, `_`, `-`.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,62}$"))]
    name: String,
    /// Alias that points at the new version from now on, such as `candidate`. Default: none.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,62}$"))]
    alias: Option<String>,
    /// What the model is for, for its card. Default: nothing.
    #[serde(default)]
    description: Option<String>,
    /// Marks to find it by. Default: none.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Avro schema file that the model's input must fit, relative to the project. Default: none.
    #[serde(default)]
    #[schemars(extend("x-kind" = "file"))]
    input_schema: Option<String>,
    /// Avro schema file that the model's output must fit, relative to the project. Default: none.
    #[serde(default)]
    #[schemars(extend("x-kind" = "file"))]
    output_schema: Option<String>,
}

/// Registers a model.
pub(crate) struct RegistryRegister;

impl Step for RegistryRegister {
    fn uses(&self) -> &'static str {
        "registry.register@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Adds a model to the registry as a new version, with signature, card and bill of materials.",
            inputs: Ports::Named(vec![
                InputPort::required("model", ArtifactKind::Model, "the model to register"),
                InputPort::optional(
                    "report",
                    ArtifactKind::Report,
                    "its evaluation, kept with the version",
                ),
            ]),
            outputs: Ports::Named(vec![InputPort::required(
                "version",
                ArtifactKind::ModelVersion,
                "the new version: `{name, version}`",
            )]),
            params: schemars::schema_for!(Params).to_value(),
            revision: 1,
            effect: Effect::External("registry"),
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let mut answer = Inference::default();
        for (name, declared) in request.outputs {
            answer.outputs.insert(name.clone(), Shape::Other(declared.kind));
        }
        let with = request.with.as_object();
        for parameter in ["name", "alias"] {
            let given = with.and_then(|with| with.get(parameter)).and_then(Value::as_str);
            if let Some(name) =
                given.filter(|name| !crate::train::is_unknown(request, parameter) && !is_name(name))
            {
                let message = format!(
                    "`{name}` cannot be {} of a model",
                    if parameter == "name" {
                        "the name"
                    } else {
                        "an alias"
                    }
                );
                let help = "use a lower-case letter, then up to 62 of a-z, 0-9, `_` and `-`";
                answer
                    .findings
                    .push(Finding::error("S01", crate::inference::with(parameter), message).help(help));
            }
        }
        if answer.findings.is_empty()
            && request.unknown.is_empty()
            && let Err(wrong) = crate::inference::parameters::<Params>(request)
        {
            answer.findings.extend(wrong.findings);
        }
        answer
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run(io)
    }
}

fn is_name(name: &str) -> bool {
    name.parse::<trainyard_contract::StepName>().is_ok()
}

fn run(io: &mut StepIo) -> Result<(), StepError> {
    let params: Params = io.params()?;
    for name in std::iter::once(&params.name).chain(&params.alias) {
        if !is_name(name) {
            return Err(
                StepError::rejected(format!("`{name}` cannot be a name in the registry"))
                    .help("use a lower-case letter, then up to 62 of a-z, 0-9, `_` and `-`"),
            );
        }
    }
    let artifact = io
        .artifact("model")?
        .cloned()
        .ok_or_else(|| StepError::rejected("input `model` is missing"))?;
    let model = read_model(io, &artifact)?;
    let project = io.spec().project.clone();
    if let Some(file) = &params.input_schema {
        avro::Record::read(&project, file)?.takes_features(model.features())?;
    }
    if let Some(file) = &params.output_schema {
        avro::Record::read(&project, file)?.takes_predictions(model.label())?;
    }
    let report = report(io)?;
    let metrics = report
        .as_ref()
        .map(|report| report.metrics.clone())
        .unwrap_or_default();
    let subject = Subject {
        params: &params,
        pipeline: io.spec().pipeline.clone(),
        step: io.spec().step.clone(),
        run: io.spec().run.clone(),
        model: &model,
        artifact: &artifact,
        metrics: &metrics,
        evaluation: report.as_ref().map(|report| &report.twin),
    };
    let card = card::card(&subject);
    let page = card::markdown(&subject);
    let bill = bill::bill_of_materials(&subject);
    let keep = |io: &StepIo, media_type: &str, bytes: &[u8]| {
        io.keep_bytes(ArtifactKind::File, media_type, bytes, Value::Null)
    };
    let mut attachments = BTreeMap::new();
    attachments.insert(
        "model_card".to_owned(),
        keep(io, "application/json", card.to_string().as_bytes())?,
    );
    attachments.insert(
        "model_card_text".to_owned(),
        keep(io, "text/markdown", page.as_bytes())?,
    );
    attachments.insert(
        "bill_of_materials".to_owned(),
        keep(
            io,
            "application/vnd.cyclonedx+json; version=1.6",
            bill.to_string().as_bytes(),
        )?,
    );
    if let Some(report) = report {
        attachments.insert("report".to_owned(), report.artifact);
    }
    for (name, value) in &metrics {
        io.metric(name, *value);
    }
    io.log(format!(
        "`{}` is {} with {} features",
        params.name,
        model.algorithm().name(),
        model.features().len()
    ));
    io.headline(match &params.alias {
        Some(alias) => format!("`{}`, alias `{alias}`", params.name),
        None => format!("`{}`", params.name),
    });
    io.effect(EffectRequest::RegisterModel(Box::new(ModelDraft {
        output: "version".to_owned(),
        signature: signature(&params.name, &model),
        name: params.name,
        alias: params.alias,
        model: artifact,
        attachments,
        metrics,
        description: params.description,
        tags: params.tags,
    })));
    Ok(())
}

/// What card and bill are about.
pub(crate) struct Subject<'a> {
    params: &'a Params,
    pipeline: String,
    step: String,
    run: String,
    model: &'a Model,
    artifact: &'a ArtifactRef,
    metrics: &'a indexmap::IndexMap<String, f64>,
    /// The evaluation's JSON, if there was one.
    evaluation: Option<&'a Value>,
}

struct Report {
    artifact: ArtifactRef,
    twin: Value,
    metrics: indexmap::IndexMap<String, f64>,
}

/// The evaluation at input `report`, if given.
fn report(io: &StepIo) -> Result<Option<Report>, StepError> {
    if matches!(io.input("report"), None | Some(TaskInput::Absent)) {
        return Ok(None);
    }
    let Some(artifact) = io.artifact("report")?.cloned() else {
        return Ok(None);
    };
    let twin = match artifact.summary["json"]
        .as_str()
        .and_then(|hash| hash.parse::<ContentHash>().ok())
    {
        Some(hash) => serde_json::from_slice(&io.read(&hash)?).unwrap_or(Value::Null),
        None => Value::Null,
    };
    let metrics = twin["metrics"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, metric)| Some((name.clone(), metric["value"].as_f64()?)))
        .collect();
    Ok(Some(Report {
        artifact,
        twin,
        metrics,
    }))
}

/// What the model takes and gives, as Avro and as JSON Schema.
fn signature(name: &str, model: &Model) -> Value {
    json!({
        "avro": {
            "input": avro::input_schema(name, model.features()),
            "output": avro::output_schema(name, model.label()),
        },
        "json_schema": {
            "input": json_input(model.features()),
            "output": json_output(model.label()),
        },
    })
}

fn json_input(features: &[Feature]) -> Value {
    let properties: Map<String, Value> = features
        .iter()
        .map(|feature| {
            let schema = match (&feature.kind, feature.data_type.as_deref()) {
                (FeatureKind::Categorical { categories }, _) => {
                    // Other texts are allowed and count as missing, so these are examples.
                    json!({"type": ["string", "null"], "examples": categories.iter().take(5).collect::<Vec<_>>()})
                }
                (FeatureKind::Numeric, Some("boolean")) => json!({"type": ["boolean", "null"]}),
                (FeatureKind::Numeric, Some(kind)) if kind.contains("int") => json!({"type": ["integer", "null"]}),
                (FeatureKind::Numeric, _) => json!({"type": ["number", "null"]}),
            };
            (feature.name.clone(), schema)
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": features.iter().map(|feature| feature.name.as_str()).collect::<Vec<_>>(),
    })
}

fn json_output(label: &Label) -> Value {
    let (properties, required) = match &label.task {
        Task::Binary { negative, positive } => (
            json!({
                "probability": {"type": "number", "minimum": 0, "maximum": 1, "description": format!("that {} is {positive}", label.name)},
                "class": {"enum": [negative, positive]},
            }),
            json!(["probability", "class"]),
        ),
        Task::Multiclass { classes } => (
            json!({
                "probabilities": {
                    "type": "object",
                    "description": format!("of each {}", label.name),
                    "properties": classes.iter()
                        .map(|class| (class.clone(), json!({"type": "number", "minimum": 0, "maximum": 1})))
                        .collect::<Map<String, Value>>(),
                    "required": classes,
                },
                "class": {"enum": classes},
            }),
            json!(["probabilities", "class"]),
        ),
        Task::Cluster => (
            json!({"cluster": {"type": ["integer", "null"], "minimum": 0, "description": "null for a row that belongs to none"}}),
            json!(["cluster"]),
        ),
        Task::Regression => (
            json!({"prediction": {"type": "number", "description": label.name}}),
            json!(["prediction"]),
        ),
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

#[cfg(test)]
#[path = "register_tests.rs"]
mod tests;
