//! `tune.search@v1`: trials of one algorithm with other parameters each, judged on `valid`; the best
//! trial's model comes out.
//!
//! Trials run side by side in batches of `max_parallel`. What a batch tries and where its trials are
//! cut off depends on the batches before it only, so the result is the same whatever the timing.

mod search;
mod trial;

use crate::inference;
use crate::table::{self, grouped};
use crate::train::columns::{self, Told};
use crate::train::data::{self, Examples};
use crate::train::outcome;
use crate::train::rows::Classes;
use crate::train::scores::Metric;
use crate::train::settings::{AlgorithmName, all_parameters, without_effect};
use crate::train::{self, ClassWeight};
use schemars::JsonSchema;
use search::{Method, Search, Space, Tried};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use trainyard_contract::finding::{Finding, nearest};
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Step, StepError, StepIo};
use trainyard_models::Model;
use trial::{Batch, Trial};

/// Parameters of `tune.search@v1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
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
    /// label, event time and primary key.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    features: Vec<String>,
    /// The moment at which the prediction is made; no feature may be known later. Default: what the
    /// table declares.
    #[serde(default)]
    predict_at: Option<String>,
    /// The label's value that is predicted. Default: `true`, or 1 of 0 and 1; a label of two texts
    /// needs it.
    #[serde(default)]
    positive: Option<Value>,
    /// `balanced` gives both classes the same total weight. Default: `none`.
    #[serde(default)]
    class_weight: ClassWeight,
    /// What trials are judged by, on `valid`. Default: `roc_auc`.
    #[serde(default = "default_metric")]
    metric: Metric,
    /// Whether more of the metric is better. Default: what fits the metric.
    #[serde(default)]
    goal: Option<Goal>,
    /// Parameter of the algorithm → values to try: `{int: [3, 9]}`, `{float: [0.5, 1]}`,
    /// `{log_uniform: [0.01, 0.3]}`, `{choice: [15, 31]}`. Parameters of other algorithms are
    /// logged as having no effect.
    search: Space,
    /// Parameters of the algorithm that are the same in every trial. Default: its own defaults.
    #[serde(default)]
    params: Map<String, Value>,
    /// How trials are chosen. Default: `random`.
    #[serde(default)]
    method: Method,
    /// Trials, at most. Default: 20.
    #[serde(default = "default_trials")]
    #[schemars(range(min = 1, max = 10_000))]
    max_trials: u32,
    /// Trials side by side. Default: 2.
    #[serde(default = "default_parallel")]
    #[schemars(range(min = 1, max = 256))]
    max_parallel: u32,
    /// Values a grid takes of a range of numbers. Default: 5.
    #[serde(default = "default_grid_points")]
    #[schemars(range(min = 1, max = 1_000))]
    grid_points: u32,
    /// `median` ends a boosting trial that after some rounds is worse than half of the finished
    /// trials were after as many. Default: `none`.
    #[serde(default)]
    prune: Prune,
    /// Seed of the search and of every trial. Default: 42.
    #[serde(default = "train::default_seed")]
    seed: u64,
}

/// Which way the metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Goal {
    Maximize,
    Minimize,
}

/// Whether hopeless trials are ended early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Prune {
    #[default]
    None,
    Median,
}

fn default_metric() -> Metric {
    Metric::RocAuc
}

fn default_trials() -> u32 {
    20
}

fn default_parallel() -> u32 {
    2
}

fn default_grid_points() -> u32 {
    5
}

impl Params {
    fn told(&self) -> Told<'_> {
        Told {
            label: self.label.as_deref(),
            features: &self.features,
            predict_at: self.predict_at.as_deref(),
            classes: true,
            names_positive: self.positive.is_some(),
        }
    }

    fn maximizes(&self) -> bool {
        match self.goal {
            None => self.metric.higher_is_better(),
            Some(goal) => goal == Goal::Maximize,
        }
    }
}

/// Searches parameters.
pub(crate) struct TuneSearch;

impl Step for TuneSearch {
    fn uses(&self) -> &'static str {
        "tune.search@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Tries parameters of an algorithm and keeps the best model by a metric on other rows.",
            inputs: Ports::Named(vec![
                InputPort::required("train", ArtifactKind::Table, "rows to learn from"),
                InputPort::required("valid", ArtifactKind::Table, "rows to judge trials by"),
                InputPort::optional(
                    "candidates",
                    ArtifactKind::Metrics,
                    "results that the choice of algorithm waits for",
                )
                .many(),
            ]),
            outputs: Ports::Named(vec![
                InputPort::required("model", ArtifactKind::Model, "the best trial's model"),
                InputPort::optional(
                    "metrics",
                    ArtifactKind::Metrics,
                    "the best trial's metrics on `valid` by name, and all trials under `trials`",
                ),
            ]),
            params: schemars::schema_for!(Params).to_value(),
            revision: 1,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match train::known_parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let mut answer = Inference::default();
        let algorithm = (!train::is_unknown(request, "algorithm")).then_some(params.algorithm);
        if let Some(algorithm) = algorithm {
            answer.findings.extend(train::wrong_algorithm(algorithm, true));
        }
        answer.findings.extend(wrong_space(&params, algorithm));
        let backwards = params.goal.is_some() && params.maximizes() != params.metric.higher_is_better();
        if backwards {
            let (name, better) = (
                params.metric.name(),
                if params.maximizes() { "lower" } else { "higher" },
            );
            let message = format!("this looks for the worst model: {better} `{name}` is better");
            answer
                .findings
                .push(Finding::warning("S03", inference::with("goal"), message).help("leave `goal` out"));
        }
        if !train::is_unknown(request, "label") && !train::is_unknown(request, "features") {
            train::answer_for_model(request, &mut answer, params.told(), "model");
        }
        answer
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run(io)
    }
}

/// Names that no algorithm (or not this one) has, and ranges without values.
fn wrong_space(params: &Params, algorithm: Option<AlgorithmName>) -> Vec<Finding> {
    let known: Vec<&str> = all_parameters().collect();
    let mut findings = Vec::new();
    for (place, name) in params
        .search
        .keys()
        .map(|name| ("search", name))
        .chain(params.params.keys().map(|name| ("params", name)))
    {
        let path = inference::with(place).key(name);
        if !known.contains(&name.as_str()) {
            let finding =
                Finding::error("S01", path, format!("no algorithm has a parameter `{name}`")).at_word(name);
            findings.push(match nearest(name, known.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding,
            });
        } else if let Some(algorithm) = algorithm.filter(|a| !a.parameters().contains(&name.as_str())) {
            let message = format!("`{name}` has no effect on `{}`", algorithm.name());
            let help = format!("it has {}", crate::fault::list(algorithm.parameters()));
            findings.push(Finding::warning("S06", path, message).at_word(name).help(help));
        }
        if place == "search" && params.params.contains_key(name) {
            let message = format!("`{name}` is both searched and fixed under `params`");
            findings.push(Finding::error("S01", inference::with("params").key(name), message).at_word(name));
        }
    }
    for (name, range) in &params.search {
        if let Some(fault) = range.fault() {
            let message = format!("the range of `{name}` has no value: {fault}");
            findings.push(Finding::error(
                "S01",
                inference::with("search").key(name),
                message,
            ));
        }
    }
    findings
}

fn run(io: &mut StepIo) -> Result<(), StepError> {
    let params: Params = io.params()?;
    for (name, range) in &params.search {
        if let Some(fault) = range.fault() {
            return Err(StepError::rejected(format!(
                "the range of `{name}` has no value: {fault}"
            )));
        }
    }
    let mut space = params.search.clone();
    let names: Map<String, Value> = space
        .keys()
        .chain(params.params.keys())
        .map(|name| (name.clone(), json!(0)))
        .collect();
    for name in without_effect(params.algorithm, &names) {
        io.log(format!("`{name}` has no effect on `{}`", params.algorithm.name()));
        space.shift_remove(name);
    }

    let opened = table::open(io, "train")?;
    let (roles, findings) = columns::roles(&opened.schema, "train", params.told());
    data::heed(io, findings)?;
    train::note_passed_over(io, &roles);
    let rows = data::read(io, &opened, &roles, &[])?;
    let found = Classes::Found {
        positive: params.positive.as_ref(),
    };
    let examples = data::examples(&rows, &roles, Some(&found))?;
    drop(rows);
    train::note_unlabelled(io, "train", &examples);
    let valid = train::read_valid(io, &roles, &examples.task)?
        .ok_or_else(|| StepError::rejected("input `valid` is missing: trials are judged by it"))?;

    let seed = params.seed;
    let search = Search::new(
        &space,
        params.method,
        params.grid_points as usize,
        params.max_trials as usize,
        seed,
    );
    let trials = search.trials(params.max_trials as usize);
    io.log(format!(
        "{} trials of {} on {} rows, judged by {} on {}",
        trials,
        params.algorithm.name(),
        grouped(examples.count() as u64),
        params.metric.name(),
        grouped(valid.count() as u64)
    ));
    let mut batch = Batch::new(&params, &roles, &examples, &valid, data::threads(io))?;
    let mut tried: Vec<Tried> = Vec::new();
    let mut finished: Vec<Trial> = Vec::new();
    let mut best: Option<(f64, usize, Model)> = None;
    while finished.len() < trials {
        let first = finished.len();
        let last = (first + params.max_parallel as usize).min(trials);
        let chosen: Vec<Map<String, Value>> = (first..last)
            .map(|number| search.choose(number, &tried))
            .collect();
        for (trial, model) in batch.run(io, first, trials, &chosen)? {
            if let (Some(score), Some(model)) = (trial.score, model)
                && best.as_ref().is_none_or(|(most, ..)| score > *most)
            {
                best = Some((score, trial.number, model));
            }
            // A trial that was cut off was worse than most: the estimator may learn from that too.
            tried.push(Tried {
                params: trial.params.clone(),
                score: trial.score.or(trial.cut_at).unwrap_or(f64::MIN),
            });
            finished.push(trial);
        }
    }
    let Some((_, number, model)) = best else {
        return Err(StepError::rejected(
            "no trial gave a model with a metric: see the log",
        ));
    };
    let model = model.with_data_types(&data::data_types(&opened, &roles));
    report(io, &params, &model, number, &finished, &valid)?;
    io.lineage(train::edges(&roles, "model"));
    outcome::keep_model(io, "model", &model)
}

fn report(
    io: &mut StepIo,
    params: &Params,
    model: &Model,
    number: usize,
    trials: &[Trial],
    valid: &Examples,
) -> Result<(), StepError> {
    let mut metrics = outcome::measure(model, valid, "")?;
    let value = metrics
        .get(params.metric.name())
        .and_then(Value::as_f64)
        .unwrap_or(f64::NAN);
    let pruned = trials.iter().filter(|trial| trial.cut_at.is_some()).count();
    metrics.insert("trial".to_owned(), json!(number + 1));
    metrics.insert("trials_pruned".to_owned(), json!(pruned));
    metrics.insert("algorithm".to_owned(), json!(params.algorithm.name()));
    metrics.insert(
        "best".to_owned(),
        json!(trials.get(number).map(|trial| &trial.params)),
    );
    metrics.insert(
        "trials".to_owned(),
        Value::Array(trials.iter().map(|trial| trial.record(params)).collect()),
    );
    io.headline(format!(
        "best of {} trials ({pruned} pruned): {}, {} {value:.4}",
        trials.len(),
        outcome::described(model),
        params.metric.name()
    ));
    io.output_metrics("metrics", &Value::Object(metrics))
}

#[cfg(test)]
#[path = "tune_tests.rs"]
mod tests;
