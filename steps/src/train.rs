//! `train.classifier@v1` and `train.regressor@v1`: a model of a label, with everything it needs to
//! predict (categories, missing values, scaling) fitted on the training rows and part of it.

pub(crate) mod columns;
pub(crate) mod data;
mod infer;
pub(crate) mod outcome;
pub(crate) mod rows;
pub(crate) mod scores;
pub(crate) mod settings;

pub(crate) use infer::{answer_for_model, edges, is_unknown, known_parameters, wrong_algorithm};

use crate::table::{self, grouped};
use columns::{Roles, Told};
use data::Examples;
use rows::Classes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use settings::{AlgorithmName, all_parameters, without_effect};
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Step, StepError, StepIo};
use trainyard_models::{Algorithm, Flow, Label, Model, Preprocessing, Task, Training, train};

/// Parameters of `train.classifier@v1` (`train.regressor@v1` has them without `positive` and
/// `class_weight`). Which of the lower ones matter depends on the algorithm; the others are logged
/// as having no effect.
///
/// | name | default | range | for |
/// | --- | --- | --- | --- |
/// | `algorithm` | `gradient_boosting` | see there | |
/// | `label` | what the table declares | a column | |
/// | `features` | what the table declares, or all but label, event time and primary key | columns | |
/// | `seed` | 42 | | |
/// | `n_rounds` | 200 | 1 to 100,000 | boosting |
/// | `learning_rate` | 0.1 | above 0 to 1 | boosting |
/// | `num_leaves` | 31 | 2 to 65,536 | boosting |
/// | `early_stopping_rounds` | none | at least 1 | boosting, with `valid` |
/// | `n_trees` | 100 | 1 to 100,000 | forest |
/// | `max_depth` | none | at least 1 | trees |
/// | `min_leaf` | 20 | at least 1 | trees |
/// | `l2` | 0; 1 for logistic regression | at least 0 | boosting, linear |
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The learning algorithm. Default: `gradient_boosting`.
    #[serde(default)]
    algorithm: AlgorithmName,
    /// Column to predict. Default: the label that the table declares.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    label: Option<String>,
    /// Columns to learn from. Default: the features that the table declares, or all columns but
    /// label, event time and primary key. Times and lists cannot be learnt from.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    features: Vec<String>,
    /// The moment at which the prediction is made; no feature may be known later. Default: what the
    /// table declares.
    #[serde(default)]
    predict_at: Option<String>,
    /// Seed of everything drawn at random. Same seed and rows: same bytes. Default: 42.
    #[serde(default = "default_seed")]
    seed: u64,
    /// The label's value that is predicted. Default: `true`, or 1 of 0 and 1; a label of two texts
    /// needs it.
    #[serde(default)]
    positive: Option<Value>,
    /// `balanced` gives both classes the same total weight. Default: `none`.
    #[serde(default)]
    class_weight: ClassWeight,
    /// Boosting: trees, at most. Default: 200.
    #[schemars(range(min = 1, max = 100_000))]
    #[serde(default)]
    n_rounds: Option<u32>,
    /// Boosting: share of each tree's step that is taken. Default: 0.1.
    #[schemars(range(max = 1))]
    #[serde(default)]
    learning_rate: Option<f64>,
    /// Boosting: leaves of a tree, at most. Default: 31.
    #[schemars(range(min = 2, max = 65_536))]
    #[serde(default)]
    num_leaves: Option<u32>,
    /// Trees: questions from root to leaf, at most. Default: no limit.
    #[schemars(range(min = 1))]
    #[serde(default)]
    max_depth: Option<u32>,
    /// Trees: training rows in a leaf, at least. Default: 20.
    #[schemars(range(min = 1))]
    #[serde(default)]
    min_leaf: Option<u32>,
    /// Boosting: sum of hessians in a leaf, at least. Default: 0.001.
    #[schemars(range(min = 0))]
    #[serde(default)]
    min_hessian: Option<f64>,
    /// Boosting: gain of a split, at least. Default: 0.
    #[schemars(range(min = 0))]
    #[serde(default)]
    min_gain: Option<f64>,
    /// Squared penalty: on leaf values (default 0), or on weights (default 1 for logistic, 0 for
    /// linear regression).
    #[schemars(range(min = 0))]
    #[serde(default)]
    l2: Option<f64>,
    /// Boosting and forest: share of rows drawn for a tree. Default: 1.
    #[schemars(range(max = 1))]
    #[serde(default)]
    row_share: Option<f64>,
    /// Boosting: share of features drawn for a tree (default 1); forest: for a split (default: the
    /// square root of their number).
    #[schemars(range(max = 1))]
    #[serde(default)]
    feature_share: Option<f64>,
    /// Boosting: rounds without a better loss on `valid` before it stops. Default: never.
    #[schemars(range(min = 1))]
    #[serde(default)]
    early_stopping_rounds: Option<u32>,
    /// Forest: trees. Default: 100.
    #[schemars(range(min = 1, max = 100_000))]
    #[serde(default)]
    n_trees: Option<u32>,
    /// Linear: steps of the search, at most. Default: 500.
    #[schemars(range(min = 1, max = 100_000))]
    #[serde(default)]
    max_iterations: Option<u32>,
    /// Linear: how near to the minimum the search ends. Default: 1e-6.
    #[serde(default)]
    tolerance: Option<f64>,
}

impl Params {
    fn told(&self, classes: bool) -> Told<'_> {
        Told {
            label: self.label.as_deref(),
            features: &self.features,
            predict_at: self.predict_at.as_deref(),
            classes,
            names_positive: self.positive.is_some(),
        }
    }

    /// The parameters that belong to algorithms, as far as they are given.
    fn settings(&self) -> Map<String, Value> {
        let mut all = match serde_json::to_value(self) {
            Ok(Value::Object(all)) => all,
            _ => Map::new(),
        };
        all.retain(|name, value| all_parameters().any(|parameter| parameter == name) && !value.is_null());
        all
    }
}

/// How much the rows of each class count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClassWeight {
    /// Every row the same.
    #[default]
    None,
    /// Both classes the same in total.
    Balanced,
}

pub(crate) fn default_seed() -> u64 {
    42
}

impl From<ClassWeight> for trainyard_models::ClassWeight {
    fn from(weight: ClassWeight) -> Self {
        match weight {
            ClassWeight::None => Self::None,
            ClassWeight::Balanced => Self::Balanced,
        }
    }
}

/// Trains a classifier of two classes.
pub(crate) struct TrainClassifier;

/// Trains a regression of a number.
pub(crate) struct TrainRegressor;

impl Step for TrainClassifier {
    fn uses(&self) -> &'static str {
        "train.classifier@v1"
    }

    fn signature(&self) -> Signature {
        signature(
            "Trains a model that tells two classes apart.",
            schemars::schema_for!(Params).to_value(),
        )
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        infer::infer(request, true)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run(io, true)
    }
}

impl Step for TrainRegressor {
    fn uses(&self) -> &'static str {
        "train.regressor@v1"
    }

    fn signature(&self) -> Signature {
        let mut params = schemars::schema_for!(Params).to_value();
        if let Some(properties) = params.get_mut("properties").and_then(Value::as_object_mut) {
            properties.shift_remove("positive");
            properties.shift_remove("class_weight");
        }
        signature("Trains a model that predicts a number.", params)
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        infer::infer(request, false)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run(io, false)
    }
}

fn signature(doc: &'static str, params: Value) -> Signature {
    Signature {
        doc,
        inputs: Ports::Named(vec![
            InputPort::required("train", ArtifactKind::Table, "rows to learn from"),
            InputPort::optional(
                "valid",
                ArtifactKind::Table,
                "rows to stop early by and to report metrics on",
            ),
        ]),
        outputs: Ports::Named(vec![
            InputPort::required("model", ArtifactKind::Model, "the trained model"),
            InputPort::optional(
                "metrics",
                ArtifactKind::Metrics,
                "metrics on `valid` by name, and on the training rows with `train_` before it",
            ),
        ]),
        params,
        revision: 1,
        effect: Effect::None,
        runner: Runner::Worker,
    }
}

fn run(io: &mut StepIo, classes: bool) -> Result<(), StepError> {
    let params: Params = io.params()?;
    if !classes && (params.positive.is_some() || params.class_weight != ClassWeight::None) {
        let message = "`positive` and `class_weight` belong to classes, and a regression has none";
        return Err(StepError::rejected(message));
    }
    let settings = params.settings();
    for name in without_effect(params.algorithm, &settings) {
        io.log(format!("`{name}` has no effect on `{}`", params.algorithm.name()));
    }
    let algorithm = params.algorithm.with(&settings).map_err(StepError::rejected)?;

    let opened = table::open(io, "train")?;
    let (roles, findings) = columns::roles(&opened.schema, "train", params.told(classes));
    data::heed(io, findings)?;
    note_passed_over(io, &roles);
    let found = Classes::Found {
        positive: params.positive.as_ref(),
    };
    let rows = data::read(io, &opened, &roles, &[])?;
    let examples = data::examples(&rows, &roles, classes.then_some(&found))?;
    drop(rows);
    note_unlabelled(io, "train", &examples);
    let valid = read_valid(io, &roles, &examples.task)?;
    if valid.is_none() && params.early_stopping_rounds.is_some() {
        let message = "`early_stopping_rounds` needs rows to stop by: give the input `valid`";
        return Err(StepError::rejected(message));
    }
    let model = fit(io, &params, algorithm, &roles, &examples, valid.as_ref())?
        .with_data_types(&data::data_types(&opened, &roles));
    report(io, &model, &examples, valid.as_ref())?;
    io.lineage(edges(&roles, "model"));
    outcome::keep_model(io, "model", &model)
}

/// The rows at input `valid`, if it is there.
///
/// # Errors
/// Whatever reading gives, or `Rejected` for other classes than those trained on.
pub(crate) fn read_valid(io: &mut StepIo, roles: &Roles, task: &Task) -> Result<Option<Examples>, StepError> {
    if io.input("valid").is_none() {
        return Ok(None);
    }
    let opened = table::open(io, "valid")?;
    let rows = data::read(io, &opened, roles, &[])?;
    let examples = data::examples(&rows, roles, known_classes(task).as_ref())?;
    note_unlabelled(io, "valid", &examples);
    Ok(Some(examples))
}

/// The classes of a training set, for other rows of the same kind.
pub(crate) fn known_classes(task: &Task) -> Option<Classes<'_>> {
    match task {
        Task::Binary { negative, positive } => Some(Classes::Known { negative, positive }),
        Task::Multiclass { .. } | Task::Regression | Task::Cluster => None,
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
    roles: &Roles,
    examples: &Examples,
    valid: Option<&Examples>,
) -> Result<Model, StepError> {
    let training = Training {
        algorithm,
        preprocessing: Preprocessing::default(),
        label: Label {
            name: roles.label.clone().unwrap_or_default(),
            task: examples.task.clone(),
        },
        frame: &examples.frame,
        target: &examples.target,
        weights: None,
        class_weight: params.class_weight.into(),
        calibration: None,
        valid: valid.map(Examples::as_valid),
        seed: params.seed,
        threads: data::threads(io),
    };
    io.log(format!(
        "{} on {} rows and {} features",
        params.algorithm.name(),
        grouped(examples.count() as u64),
        roles.features.len()
    ));
    let model = train(&training, &mut |progress| {
        io.progress(progress.done as u64, progress.total as u64, progress.unit);
        Flow::GoOn
    })
    .map_err(|error| rows::refused(&error))?;
    if !model.summary().converged {
        io.log("the search for the best weights ended before it converged: raise `max_iterations`");
    }
    Ok(model)
}

fn report(
    io: &mut StepIo,
    model: &Model,
    examples: &Examples,
    valid: Option<&Examples>,
) -> Result<(), StepError> {
    let mut numbers = Map::new();
    if let Some(valid) = valid {
        numbers.extend(outcome::measure(model, valid, "")?);
    }
    numbers.extend(outcome::measure(model, examples, "train_")?);
    numbers.insert("rounds".to_owned(), json!(model.summary().rounds));
    let shown = [
        ("roc_auc", "AUC"),
        ("rmse", "RMSE"),
        ("train_roc_auc", "AUC on training rows"),
        ("train_rmse", "RMSE on training rows"),
    ]
    .into_iter()
    .find_map(|(name, title)| Some(format!(", {title} {:.4}", numbers.get(name)?.as_f64()?)));
    io.headline(format!(
        "{}{}",
        outcome::described(model),
        shown.unwrap_or_default()
    ));
    io.output_metrics("metrics", &Value::Object(numbers))
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;
