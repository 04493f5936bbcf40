//! `train.classifier@v1`, `train.regressor@v1` and `train.cluster@v1`: models with everything they need
//! to predict (categories, missing values, scaling) fitted on the training rows and part of them.

pub(crate) mod algorithm;
mod cluster;
pub(crate) mod columns;
mod curve;
pub(crate) mod data;
mod infer;
pub(crate) mod judge;
pub(crate) mod outcome;
mod parameter;
mod params;
pub(crate) mod preparation;
mod report;
pub(crate) mod rows;

pub(crate) use cluster::TrainCluster;
pub(crate) use infer::{
    answer_for_model, edges, is_unknown, known_parameters, wrong_algorithm, wrong_setting,
};
pub(crate) use parameter::{Kind, Parameter, Tuned};
pub(crate) use params::default_seed;

use crate::table::{self, grouped};
use algorithm::Purpose;
use columns::Roles;
use curve::Curve;
use data::Examples;
use params::Params;
use preparation::{Calibrate, CalibrateOn, calibration};
use rows::Classes;
use serde_json::{Map, Value, json};
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Step, StepError, StepIo};
use trainyard_models::{Algorithm, Flow, Label, Model, Task, Training, train};

/// Trains a classifier of two classes or of several.
pub(crate) struct TrainClassifier;

/// Trains a regression of a number.
pub(crate) struct TrainRegressor;

impl Step for TrainClassifier {
    fn uses(&self) -> &'static str {
        Purpose::Classes.step()
    }

    fn signature(&self) -> Signature {
        signature(
            "Trains a model that tells classes apart, two or several.",
            Purpose::Classes,
        )
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        infer::infer(request, Purpose::Classes)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run(io, Purpose::Classes)
    }
}

impl Step for TrainRegressor {
    fn uses(&self) -> &'static str {
        Purpose::Numbers.step()
    }

    fn signature(&self) -> Signature {
        signature("Trains a model that predicts a number.", Purpose::Numbers)
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        infer::infer(request, Purpose::Numbers)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run(io, Purpose::Numbers)
    }
}

fn signature(doc: &'static str, purpose: Purpose) -> Signature {
    Signature {
        doc,
        inputs: Ports::Named(vec![
            InputPort::required("train", ArtifactKind::Table, "rows to learn from"),
            InputPort::optional(
                "valid",
                ArtifactKind::Table,
                "rows to stop early by, to calibrate on and to report metrics on",
            ),
        ]),
        outputs: Ports::Named(vec![
            InputPort::required("model", ArtifactKind::Model, "the trained model"),
            InputPort::optional(
                "metrics",
                ArtifactKind::Metrics,
                "metrics on `valid` by name, and on the training rows with `train_` before it; under `curve` what boosting saw on `valid` round by round, and on the training rows",
            ),
            InputPort::optional(
                "report",
                ArtifactKind::Report,
                "metrics and the picture of the training, round by round",
            ),
        ]),
        params: params::schema(purpose),
        revision: 3,
        effect: Effect::None,
        runner: Runner::Worker,
    }
}

fn run(io: &mut StepIo, purpose: Purpose) -> Result<(), StepError> {
    let params: Params = io.params()?;
    if !params.algorithm(purpose).is_for(purpose) {
        let name = params.algorithm(purpose).name();
        return Err(StepError::rejected(format!(
            "`{name}` cannot {}",
            purpose.doing()
        )));
    }
    if purpose == Purpose::Numbers && !(params.class_weight.is_none() && params.calibrate == Calibrate::None)
    {
        let message = "`class_weight` and `calibrate` belong to classes, and a regression has none";
        return Err(StepError::rejected(message));
    }
    let algorithm = params
        .chosen(purpose)
        .map_err(|fault| StepError::rejected(fault.why))?;

    let opened = table::open(io, "train")?;
    let (roles, findings) = columns::roles(&opened.schema, "train", params.told(purpose));
    data::heed(io, findings)?;
    note_passed_over(io, &roles);
    let further: Vec<String> = params.sample_weight.iter().cloned().collect();
    let rows = data::read(io, &opened, &roles, &further)?;
    let found = Classes::Found {
        positive: params.positive.as_ref(),
    };
    let found = (purpose == Purpose::Classes).then_some(&found);
    let examples = data::examples(&rows, &roles, found, &params.categorical)?
        .weighted(&rows, params.sample_weight.as_deref())?;
    drop(rows);
    note_unlabelled(io, "train", &examples);
    examples.can_teach(&roles)?;
    let weight = params.sample_weight.as_deref();
    let valid = read_valid(io, &roles, &examples.task, &params.categorical, weight)?;
    if valid.is_none() {
        needs_valid(&params, purpose)?;
    }
    let (model, curve) = fit(
        io,
        &params,
        algorithm,
        roles.label.clone(),
        &examples,
        valid.as_ref(),
    )?;
    let model = model.with_data_types(&data::data_types(&opened, &roles));
    tell(io, &model, &examples, valid.as_ref(), &curve, params.seed)?;
    io.lineage(edges(&roles, "model"));
    outcome::keep_model(io, "model", &model)
}

fn needs_valid(params: &Params, purpose: Purpose) -> Result<(), StepError> {
    let settings = params.settings(purpose, params.algorithm(purpose));
    let stops = settings
        .get("early_stopping_rounds")
        .is_some_and(|rounds| !rounds.is_null());
    let calibrates = params.calibrate != Calibrate::None && params.calibrate_on == CalibrateOn::Valid;
    if stops {
        let message = "`early_stopping_rounds` needs rows to stop by: give the input `valid`";
        return Err(StepError::rejected(message));
    }
    if calibrates {
        let message = "`calibrate_on: valid` needs rows to calibrate on: give the input `valid`";
        return Err(StepError::rejected(message));
    }
    Ok(())
}

/// The rows at input `valid`, if it is there.
///
/// # Errors
/// Whatever reading gives, or `Rejected` for other classes than those trained on.
pub(crate) fn read_valid(
    io: &mut StepIo,
    roles: &Roles,
    task: &Task,
    categorical: &[String],
    sample_weight: Option<&str>,
) -> Result<Option<Examples>, StepError> {
    if io.input("valid").is_none() {
        return Ok(None);
    }
    let opened = table::open(io, "valid")?;
    let further: Vec<String> = sample_weight.iter().map(|name| (*name).to_owned()).collect();
    let rows = data::read(io, &opened, roles, &further)?;
    let weight = sample_weight.filter(|name| opened.schema.column(name).is_some());
    let examples =
        data::examples(&rows, roles, known_classes(task).as_ref(), categorical)?.weighted(&rows, weight)?;
    note_unlabelled(io, "valid", &examples);
    if examples.count() == 0 {
        return Err(StepError::rejected("input `valid` has no rows with a label"));
    }
    Ok(Some(examples))
}

/// The classes of a training set, for other rows of the same kind.
pub(crate) fn known_classes(task: &Task) -> Option<Classes<'_>> {
    match task {
        Task::Binary { .. } | Task::Multiclass { .. } => Some(Classes::Known(task)),
        Task::Regression | Task::Cluster => None,
    }
}

pub(crate) fn note_unlabelled(io: &mut StepIo, input: &str, examples: &Examples) {
    if examples.unlabelled > 0 {
        io.log(format!(
            "left out {} rows of `{input}` without a label",
            grouped(examples.unlabelled as u64)
        ));
    }
}

pub(crate) fn note_passed_over(io: &mut StepIo, roles: &Roles) {
    if !roles.passed_over.is_empty() {
        let names: Vec<&str> = roles.passed_over.iter().map(String::as_str).collect();
        io.log(format!(
            "not learnt from, being times or lists: {}",
            crate::fault::list(&names)
        ));
    }
}

fn fit(
    io: &mut StepIo,
    params: &Params,
    algorithm: Algorithm,
    label: Option<String>,
    examples: &Examples,
    valid: Option<&Examples>,
) -> Result<(Model, Curve), StepError> {
    let name = algorithm.name();
    let training = Training {
        algorithm,
        preprocessing: params.preprocessing.clone().unwrap_or_default().0,
        label: Label {
            name: label.unwrap_or_default(),
            task: examples.task.clone(),
        },
        frame: &examples.frame,
        target: &examples.target,
        weights: examples.weights.as_deref(),
        class_weight: params.class_weight.of(&examples.task)?,
        calibration: calibration(params.calibrate, params.calibrate_on, params.calibration_folds),
        valid: valid.map(Examples::as_valid),
        seed: params.seed,
        threads: data::threads(io),
    };
    let classes = match examples.task.classes().len() {
        0 | 2 => String::new(),
        many => format!(", {many} classes"),
    };
    io.log(format!(
        "{name} on {} rows and {} features{classes}",
        grouped(examples.count() as u64),
        examples.frame.columns().len()
    ));
    let mut curve = Curve::new();
    let model = train(&training, &mut |progress| {
        curve.note(&progress);
        io.progress(progress.done as u64, progress.total as u64, progress.unit);
        Flow::GoOn
    })
    .map_err(|error| rows::refused(&error))?;
    if !model.summary().converged {
        io.log("the search for the best weights ended before it converged: raise `max_iterations`");
    }
    Ok((model, curve))
}

/// The metrics that a headline shows, the first that there is, with their names there.
const SHOWN: [(&str, &str); 6] = [
    ("roc_auc", "AUC"),
    ("log_loss", "log loss"),
    ("rmse", "RMSE"),
    ("train_roc_auc", "AUC on training rows"),
    ("train_log_loss", "log loss on training rows"),
    ("train_rmse", "RMSE on training rows"),
];

fn tell(
    io: &mut StepIo,
    model: &Model,
    examples: &Examples,
    valid: Option<&Examples>,
    curve: &Curve,
    seed: u64,
) -> Result<(), StepError> {
    let mut numbers = Map::new();
    if let Some(valid) = valid {
        numbers.extend(judge::measures(model, valid, "")?);
    }
    numbers.extend(judge::measures(model, examples, "train_")?);
    numbers.insert("rounds".to_owned(), json!(model.summary().rounds));
    for (name, value) in &model.summary().measures {
        numbers.insert(name.clone(), json!(value));
    }
    if let Some(score) = model.summary().oob_score {
        numbers.insert("oob_score".to_owned(), json!(score));
    }
    let watched = match model.algorithm() {
        Algorithm::GradientBoosting(params) => serde_json::to_value(params.stopping_metric).ok(),
        _ => None,
    };
    let watched = watched.as_ref().and_then(Value::as_str).unwrap_or("loss");
    if let Some(record) = curve.record(watched) {
        numbers.insert("curve".to_owned(), record);
    }
    for (rows, points) in curve.sides() {
        let points = points.into_iter().map(|(step, value)| (step as u64, value));
        io.curve(&format!("{rows}_{watched}"), points);
    }
    let shown = SHOWN
        .into_iter()
        .find_map(|(name, title)| Some(format!(", {title} {:.4}", numbers.get(name)?.as_f64()?)));
    io.headline(format!(
        "{}{}",
        outcome::described(model),
        shown.unwrap_or_default()
    ));
    if io.wants("report") {
        let about = report::About {
            title: format!("{}: {}", io.spec().pipeline, io.spec().step),
            model,
            examples,
            valid,
            watched,
            curve,
            numbers: &numbers,
            seed,
        };
        let json = json!({"format": "trainyard.training/1", "metrics": numbers});
        io.output_report("report", &report::page(&about), &json)?;
    }
    io.output_metrics("metrics", &Value::Object(numbers))
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;
