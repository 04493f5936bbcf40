//! `tune.search@v1`: trials with other parameters each, judged on rows they have not learnt from; the
//! best one's model comes out.
//!
//! Trials run side by side, but what each tries and where it is cut off depends on a fixed number of
//! earlier ones only, so the result is the same whatever the timing and the number of threads.

mod crew;
mod folds;
mod importance;
mod journal;
mod parzen;
mod picture;
mod plan;
mod report;
mod space;
mod trial;
mod trials;

use crate::inference;
use crate::table::{self, grouped};
use crate::train::algorithm::{AlgorithmName, Purpose, foreign, meant};
use crate::train::columns::{self, Told};
use crate::train::data::{self, Examples};
use crate::train::judge::{self, Measure};
use crate::train::preparation::{ClassWeightParam, PREPROCESSING, PreprocessingParam};
use crate::train::rows::Classes;
use crate::train::{self, outcome};
use folds::{By, Validation};
use journal::Journal;
use plan::{Method, Plan, Size};
use report::Findings;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use space::{Name, Space, Written, wrong_ends};
use std::sync::Mutex;
use trainyard_contract::finding::Finding;
use trainyard_contract::schema::DataType;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Shape, Step, StepError, StepIo};
use trainyard_models::Model;
use trial::{Bench, Outcome, Part, Prune, Resource, State, rounds_of};
use trials::Trial;

/// Parameters of `tune.search@v1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The learning algorithm. Several are searched with `search: {algorithm: {choice: [...]}}`.
    #[serde(default)]
    algorithm: AlgorithmName,
    /// What is predicted. Default: what the metric measures, else a number if the label is one with
    /// decimals, and classes otherwise.
    #[serde(default)]
    task: Option<TaskKind>,
    /// Column to predict. Default: the label that the table declares.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    label: Option<String>,
    /// Columns to learn from. Default: the features that the table declares, or all columns but
    /// label, weight, event time and primary key.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    features: Vec<String>,
    /// Columns of whole numbers or booleans whose values are names and no quantities.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    categorical: Vec<String>,
    /// Column of numbers of at least 0 that says how much each row counts. Default: all count 1.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    sample_weight: Option<String>,
    /// The moment at which the prediction is made; no feature may be known later. Default: what the
    /// table declares.
    #[serde(default)]
    predict_at: Option<String>,
    /// The value of a label of two values whose probability is predicted. Default: `true`, or 1 of 0
    /// and 1; a label of two texts needs it.
    #[serde(default)]
    positive: Option<Value>,
    /// How much the rows of each class count: as in `train.classifier@v1`.
    #[serde(default)]
    #[schemars(extend("default" = "none"))]
    class_weight: ClassWeightParam,
    /// How features become columns of numbers: as in `train.classifier@v1`. Default: the defaults of
    /// its parts.
    #[serde(default)]
    preprocessing: Option<PreprocessingParam>,
    /// What trials are judged by. Default: `roc_auc` for two classes, `log_loss` for several, `rmse`
    /// for numbers.
    #[serde(default)]
    metric: Option<Measure>,
    /// Whether more of the metric is better. Default: what fits the metric.
    #[serde(default)]
    goal: Option<Goal>,
    /// Parameter → values to try: `{int: [3, 9]}`, `{float: [0.5, 1], step: 0.1}`,
    /// `{log_uniform: [0.01, 0.3]}`, `{choice: [15, 31]}`, each with `when:` if it applies only beside
    /// other values. Beside the parameters of the algorithms there are `algorithm`, `class_weight`,
    /// `preprocessing.scale` and the like, and `random_forest.min_leaf` for one of several algorithms.
    /// A parameter is tried with the algorithms that have it. Default: the parameters that matter most
    /// to the algorithm, over their usual ranges; so also for an algorithm that has none of those named.
    #[serde(default)]
    search: Written,
    /// Parameters of the algorithm that are the same in every trial. Default: its own defaults.
    #[serde(default)]
    params: Map<String, Value>,
    /// How trials are chosen.
    #[serde(default)]
    method: Method,
    /// `tpe`: whether parameters are looked at together, so that what goes well together is tried
    /// together, or one by one.
    #[serde(default)]
    #[schemars(extend("x-source" = "Optuna `TPESampler(multivariate)`"))]
    multivariate: bool,
    /// Trials, at most.
    #[serde(default = "default_trials")]
    #[schemars(range(min = 1, max = 10_000), extend("x-unit" = "trials", "x-aliases" = ["n_trials", "n_iter"]))]
    max_trials: u32,
    /// Trials side by side, at most; no more than the step has cores. Part of the search: a trial is
    /// chosen by those that ended so many places before it.
    #[serde(default = "default_parallel")]
    #[schemars(range(min = 1, max = 256), extend("x-unit" = "trials", "x-aliases" = ["n_jobs"]))]
    max_parallel: u32,
    /// Values a grid takes of a range of numbers.
    #[serde(default = "default_grid_points")]
    #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "values"))]
    grid_points: u32,
    /// How the rows of `train` are split to judge trials, where there is no input `valid`. Default: the
    /// defaults of its parts.
    #[serde(default)]
    validation: Option<Validation>,
    /// Whether hopeless trials of `random`, `grid` and `tpe` are ended early: boosting after every ten
    /// rounds, any algorithm after each part of a cross-validation.
    #[serde(default)]
    prune: Prune,
    /// `halving`, `hyperband` and pruning by halving: one in so many trials is gone on with, with so
    /// many times the budget.
    #[serde(default = "default_factor")]
    #[schemars(range(min = 2, max = 10), extend("x-source" = "scikit-learn `HalvingRandomSearchCV(factor)`; η of Hyperband", "x-aliases" = ["eta", "reduction_factor"]))]
    factor: u32,
    /// `halving` and `hyperband`: budgets, the last of which is the whole; the first is
    /// `factor^(1 − rungs)` of it.
    #[serde(default = "default_rungs")]
    #[schemars(range(min = 1, max = 10), extend("x-unit" = "budgets"))]
    rungs: u32,
    /// `halving` and `hyperband`: what a budget is a share of.
    #[serde(default)]
    resource: Resource,
    /// Seed of the search and of every trial.
    #[serde(default = "train::default_seed")]
    #[schemars(extend("x-aliases" = ["random_state"]))]
    seed: u64,
}

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum TaskKind {
    /// Classes, two or several.
    Classification,
    /// A number.
    Regression,
}

/// Which way the metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Goal {
    /// More is better.
    Maximize,
    /// Less is better.
    Minimize,
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

fn default_factor() -> u32 {
    3
}

fn default_rungs() -> u32 {
    3
}

/// Raised whenever the same search would give other bytes.
const REVISION: u32 = 2;

impl Params {
    fn told(&self, purpose: Purpose) -> Told<'_> {
        Told {
            label: self.label.as_deref(),
            features: &self.features,
            predict_at: self.predict_at.as_deref(),
            purpose,
            sample_weight: self.sample_weight.as_deref(),
            categorical: &self.categorical,
        }
    }

    /// What is predicted, with the label's type if it is known.
    fn purpose(&self, label: Option<&DataType>) -> Purpose {
        match (self.task, self.metric) {
            (Some(TaskKind::Classification), _) => Purpose::Classes,
            (Some(TaskKind::Regression), _) => Purpose::Numbers,
            (None, Some(measure)) => measure.purpose(),
            (None, None) if !self.algorithm.is_for(Purpose::Numbers) => Purpose::Classes,
            (None, None) if !self.algorithm.is_for(Purpose::Classes) => Purpose::Numbers,
            (None, None) => match label {
                Some(of) if of.is_numeric() && !of.is_integer() => Purpose::Numbers,
                _ => Purpose::Classes,
            },
        }
    }

    fn maximizes(&self, measure: Measure) -> bool {
        match self.goal {
            None => measure.higher_is_better(),
            Some(goal) => goal == Goal::Maximize,
        }
    }

    fn size(&self) -> Size {
        Size {
            max_trials: self.max_trials as usize,
            parallel: self.max_parallel as usize,
            grid_points: self.grid_points as usize,
            factor: self.factor.max(2) as usize,
            rungs: self.rungs.max(1) as usize,
        }
    }

    fn plan(&self) -> Result<Plan, String> {
        let space = Space::new(&self.search, &self.params, self.algorithm)?;
        Ok(Plan::new(
            space,
            self.method,
            self.size(),
            self.multivariate,
            self.seed,
        ))
    }

    /// The algorithms that may be tried, as far as they are named.
    fn algorithms(&self) -> Vec<AlgorithmName> {
        match Space::new(&self.search, &self.params, self.algorithm) {
            Ok(space) => space.algorithms(),
            Err(_) => vec![self.algorithm],
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
            doc: "Tries parameters, of one algorithm or of several, and keeps the best model.",
            inputs: Ports::Named(vec![
                InputPort::required("train", ArtifactKind::Table, "rows to learn from"),
                InputPort::optional(
                    "valid",
                    ArtifactKind::Table,
                    "rows to judge trials by; without it those of `train` are split",
                ),
                InputPort::optional(
                    "candidates",
                    ArtifactKind::Metrics,
                    "results that the choice of algorithm waits for",
                )
                .many(),
            ]),
            outputs: Ports::Named(vec![
                InputPort::required(
                    "model",
                    ArtifactKind::Model,
                    "a model with the best trial's parameters",
                ),
                InputPort::optional(
                    "metrics",
                    ArtifactKind::Metrics,
                    "the best trial's metrics by name, and all trials under `trials`",
                ),
                InputPort::optional(
                    "trials",
                    ArtifactKind::Table,
                    "a row for each trial: state, metric, budget, steps, parameters",
                ),
                InputPort::optional(
                    "timings",
                    ArtifactKind::Table,
                    "seconds of each trial; of all outputs the only one that is not the same every time",
                ),
                InputPort::optional(
                    "report",
                    ArtifactKind::Report,
                    "how the search went and which parameters mattered, with pictures",
                ),
            ]),
            params: schemars::schema_for!(Params).to_value(),
            revision: REVISION,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match train::known_parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let schema = inference::table(request, "train");
        let label = params
            .label
            .as_deref()
            .or_else(|| schema?.label.as_deref())
            .and_then(|name| schema?.column(name));
        let purpose = params.purpose(label.map(|column| &column.data_type));
        let mut answer = Inference::default();
        let known = !train::is_unknown(request, "algorithm");
        let algorithms = known.then(|| params.algorithms());
        for algorithm in algorithms.iter().flatten() {
            answer
                .findings
                .extend(train::wrong_algorithm(*algorithm, purpose));
        }
        if answer.findings.is_empty() {
            answer
                .findings
                .extend(wrong_space(&params, purpose, algorithms.as_deref()));
        }
        answer.findings.extend(wrong_goal(&params, purpose));
        answer.findings.extend(wrong_validation(&params, request));
        if !train::is_unknown(request, "label") && !train::is_unknown(request, "features") {
            train::answer_for_model(request, &mut answer, params.told(purpose), "model");
        }
        let known = known && !train::is_unknown(request, "search") && !train::is_unknown(request, "params");
        for (output, schema) in [
            (
                "trials",
                params
                    .plan()
                    .ok()
                    .filter(|_| known)
                    .map(|plan| trials::schema(plan.space())),
            ),
            ("timings", Some(trials::timings_schema())),
        ] {
            if request.outputs.contains_key(output) {
                let shape = schema.map_or(Shape::UnknownTable, Shape::Table);
                answer.outputs.insert(output.to_owned(), shape);
            }
        }
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        run(io)
    }
}

/// A goal that looks for the worst, or a metric of something else.
fn wrong_goal(params: &Params, purpose: Purpose) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(measure) = params.metric else {
        return findings;
    };
    if params.goal.is_some() && params.maximizes(measure) != measure.higher_is_better() {
        let better = if measure.higher_is_better() {
            "higher"
        } else {
            "lower"
        };
        let message = format!(
            "this looks for the worst model: {better} `{}` is better",
            measure.name()
        );
        findings.push(Finding::warning("S03", inference::with("goal"), message).help("leave `goal` out"));
    }
    if measure.purpose() != purpose {
        let message = format!(
            "`{}` does not measure models that {}",
            measure.name(),
            purpose.doing()
        );
        findings.push(Finding::error("S01", inference::with("metric"), message).at_word(measure.name()));
    }
    findings
}

/// Splits that cannot be made.
fn wrong_validation(params: &Params, request: &InferRequest<'_>) -> Vec<Finding> {
    let Some(validation) = &params.validation else {
        return Vec::new();
    };
    let place = inference::with("validation");
    let mut findings = Vec::new();
    if request.inputs.contains_key("valid") {
        let message = "`validation` has no effect: trials are judged by the rows at input `valid`";
        findings.push(Finding::warning("S06", place.clone(), message).help("leave one of the two out"));
    }
    if validation.folds.is_some() && validation.holdout.is_some() {
        let message = "`folds` and `holdout` are two ways to judge a trial";
        findings.push(Finding::error("S01", place.key("holdout"), message).help("keep one of the two"));
    }
    if validation.by == Some(By::Group) && validation.column.is_none() {
        let message = "splitting by group needs the column of the groups";
        findings.push(Finding::error("S01", place.key("by"), message).help("name it with `column:`"));
    }
    if let Some(schema) = inference::table(request, "train") {
        if validation.by == Some(By::Time) && validation.column.is_none() && schema.event_time.is_none() {
            let message = "splitting by time needs a column of time, and `train` declares none";
            findings.push(Finding::error("S01", place.key("by"), message).help("name it with `column:`"));
        }
        if let Some(name) = validation
            .column
            .as_deref()
            .filter(|name| schema.column(name).is_none())
        {
            let finding = crate::fault::no_column(name, place.key("column"), schema.names());
            findings.push(finding.at_word(name));
        }
        let by_chance = matches!(validation.by, Some(By::Random | By::Stratified));
        if by_chance && let Some(time) = &schema.event_time {
            let message = format!("rows are split by chance, but `{time}` says when they happened");
            let help = "use `by: time`, so that trials learn from the past alone";
            findings.push(Finding::warning("M05", place.key("by"), message).help(help));
        }
    }
    findings
}

/// Names that no algorithm (or none of these) has, values they cannot take, conditions that cannot be.
fn wrong_space(params: &Params, purpose: Purpose, algorithms: Option<&[AlgorithmName]>) -> Vec<Finding> {
    let all: Vec<AlgorithmName> = match algorithms {
        Some(algorithms) => algorithms.to_vec(),
        None => AlgorithmName::of(purpose).collect(),
    };
    let mut findings = Vec::new();
    for (place, name) in params
        .search
        .keys()
        .map(|name| ("search", name))
        .chain(params.params.keys().map(|name| ("params", name)))
    {
        let path = inference::with(place).key(name);
        let of = Name::of(name);
        if let Name::Preprocessing(part) = of {
            if !PREPROCESSING.iter().any(|parameter| parameter.name == part) {
                let message = format!("preprocessing has no part `{part}`");
                let parts: Vec<&str> = PREPROCESSING.iter().map(|parameter| parameter.name).collect();
                let help = format!("it has {}", crate::fault::list(&parts));
                findings.push(Finding::error("S01", path, message).at_word(name).help(help));
            }
            continue;
        }
        if matches!(of, Name::Algorithm) && place == "params" {
            let message = "the algorithm is named by `algorithm`, beside `params`";
            findings.push(Finding::error("S01", path, message));
            continue;
        }
        if !AlgorithmName::all().any(|algorithm| of.is_of(algorithm)) {
            let finding =
                Finding::error("S01", path, format!("no algorithm has a parameter `{name}`")).at_word(name);
            findings.push(match meant(name, all.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding,
            });
        } else if !all.iter().any(|algorithm| of.is_of(*algorithm)) {
            let first = all.first().copied().unwrap_or_default();
            let message = match of {
                Name::Of(other, _) => format!("`{name}` is for `{}`, which is not tried", other.name()),
                _ => foreign(name, first),
            };
            let finding = Finding::error("S01", path, message).at_word(name);
            let names = first.parameter_names();
            findings.push(finding.help(format!("`{}` has {}", first.name(), crate::fault::list(&names))));
        } else if place == "params" {
            for algorithm in &all {
                if let Some(parameter) = of.parameter(*algorithm)
                    && let Some(value) = params.params.get(name)
                {
                    let path = inference::with(place).key(name);
                    findings.extend(train::wrong_setting(parameter.name, value, *algorithm, path));
                    break;
                }
            }
        }
        if place == "search" && params.params.contains_key(name) {
            let message = format!("`{name}` is both searched and fixed under `params`");
            findings.push(Finding::error("S01", inference::with("params").key(name), message).at_word(name));
        }
    }
    findings.extend(wrong_ranges(params, &all));
    if params.resource == Resource::Rounds
        && matches!(params.method, Method::Halving | Method::Hyperband)
        && let Some(without) = algorithms
            .iter()
            .copied()
            .flatten()
            .find(|name| rounds_of(**name).is_none())
    {
        let message = format!("`{}` has no rounds or trees to make fewer of", without.name());
        let path = inference::with("resource");
        findings.push(Finding::error("S01", path, message).help("use `resource: rows`"));
    }
    findings
}

fn wrong_ranges(params: &Params, algorithms: &[AlgorithmName]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (nth, (name, dimension)) in params.search.iter().enumerate() {
        let path = inference::with("search").key(name);
        let range = match dimension.range() {
            Ok(range) => range,
            Err(fault) => {
                let message = format!("the range of `{name}` has no value: {fault}");
                findings.push(Finding::error("S01", path, message));
                continue;
            }
        };
        let of = Name::of(name);
        if matches!(of, Name::Algorithm) {
            let unknown = range
                .choices()
                .unwrap_or_default()
                .iter()
                .find(|value| value.as_str().and_then(AlgorithmName::named).is_none());
            if range.choices().is_none() || unknown.is_some() {
                let shown = unknown.map_or_else(String::new, |value| format!(": there is no {value}"));
                let message = format!("`algorithm` is one of the algorithms by name{shown}");
                findings.push(Finding::error("S01", path.clone(), message));
            }
        }
        let wrong = algorithms
            .iter()
            .filter_map(|algorithm| wrong_ends(&range, of.parameter(*algorithm)?))
            .next();
        if let Some(why) = wrong {
            findings.push(Finding::error(
                "S01",
                path.clone(),
                format!("`{name}` cannot be {why}"),
            ));
        }
        for (other, _) in dimension.conditions() {
            let before = params.search.keys().take(nth).any(|known| known == other);
            if !before && other != space::ALGORITHM {
                let message = match params.search.contains_key(other) {
                    true => format!("`{name}` depends on `{other}`, which stands below it"),
                    false => format!("`{name}` depends on `{other}`, which is not searched"),
                };
                let path = path.key("when").key(other);
                findings.push(Finding::error("S02", path, message).at_word(other));
            }
        }
    }
    findings
}

/// What trials learn from and are judged by.
struct Rows {
    examples: Examples,
    valid: Option<Examples>,
    parts: Vec<Part>,
    /// In words.
    judged: String,
}

fn run(io: &mut StepIo) -> Result<(), StepError> {
    let params: Params = io.params()?;
    let opened = table::open(io, "train")?;
    let label = params.label.as_deref().or(opened.schema.label.as_deref());
    let label = label.and_then(|name| opened.schema.column(name));
    let purpose = params.purpose(label.map(|column| &column.data_type));
    if let Some(unfit) = params.algorithms().into_iter().find(|name| !name.is_for(purpose)) {
        return Err(StepError::rejected(format!(
            "`{}` cannot {}",
            unfit.name(),
            purpose.doing()
        )));
    }
    let plan = params.plan().map_err(StepError::rejected)?;
    let (roles, findings) = columns::roles(&opened.schema, "train", params.told(purpose));
    data::heed(io, findings)?;
    train::note_passed_over(io, &roles);
    let rows = rows(io, &params, purpose, &opened, &roles)?;
    let measure = match params.metric {
        Some(measure) if measure.purpose() == purpose => measure,
        Some(measure) => {
            let message = format!(
                "`{}` does not measure models that {}",
                measure.name(),
                purpose.doing()
            );
            return Err(StepError::rejected(message));
        }
        None => Measure::default_of(&rows.examples.task),
    };
    note_space(io, &params, &plan);

    let threads = data::threads(io);
    let workers = threads.min(params.max_parallel as usize).min(plan.jobs()).max(1);
    let bench = Bench {
        space: plan.space(),
        fixed: &params.params,
        class_weight: &params.class_weight,
        preprocessing: &params.preprocessing.clone().unwrap_or_default().0,
        roles: &roles,
        parts: rows.parts,
        measure,
        maximizes: params.maximizes(measure),
        prune: params.prune,
        factor: params.factor.max(2) as usize,
        resource: params.resource,
        seed: params.seed,
        threads: (threads / workers).max(1),
    };
    io.log(format!(
        "{} trials of {} on {} rows; {}",
        plan.trials(),
        crate::fault::list(
            &bench
                .space
                .algorithms()
                .iter()
                .map(|name| name.name())
                .collect::<Vec<_>>()
        ),
        grouped(rows.examples.count() as u64),
        rows.judged
    ));
    let (outcomes, journal) = search(io, &bench, &plan, workers)?;

    let Some(best) = best(&outcomes) else {
        let why = outcomes.iter().find_map(|outcome| outcome.failure.clone());
        return Err(StepError::rejected(match why {
            Some(why) => format!("no trial gave a model with a metric; the first one: {why}"),
            None => "no trial gave a model with a metric".to_owned(),
        }));
    };
    let model = bench
        .refit(best, &rows.examples, rows.valid.as_ref(), threads)?
        .with_data_types(&data::data_types(&opened, &roles));
    let trials = Trial::of(&outcomes, plan.trials());
    let single: Vec<&Outcome> = trials.iter().filter_map(Trial::last).collect();
    let importance = importance::importance(&plan, &single, params.seed);
    let findings = Findings {
        plan: &plan,
        trials: &trials,
        best,
        measure,
        maximizes: bench.maximizes,
        importance: &importance,
        judged: &rows.judged,
        method: method_name(params.method),
        seed: params.seed,
    };
    hand_on(io, &findings, &model, &rows.examples, rows.valid.as_ref())?;
    io.lineage(train::edges(&roles, "model"));
    outcome::keep_model(io, "model", &model)?;
    journal.close();
    Ok(())
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Random => "random search",
        Method::Grid => "grid search",
        Method::Tpe => "a tree-structured Parzen estimator",
        Method::Halving => "successive halving",
        Method::Hyperband => "Hyperband",
    }
}

/// Says which parameters say nothing to any algorithm of the search, and where defaults stand in.
fn note_space(io: &mut StepIo, params: &Params, plan: &Plan) {
    let algorithms = plan.space().algorithms();
    for name in params.search.keys().chain(params.params.keys()) {
        let of = Name::of(name);
        if !algorithms.iter().any(|algorithm| of.is_of(*algorithm)) {
            let names: Vec<&str> = algorithms.iter().map(|name| name.name()).collect();
            io.log(format!(
                "`{name}` has no effect on {}",
                crate::fault::list(&names)
            ));
        }
    }
    let own: Vec<&str> = plan
        .space()
        .axes
        .iter()
        .map(|axis| axis.name.as_str())
        .filter(|name| !params.search.contains_key(*name))
        .collect();
    if !own.is_empty() {
        io.log(format!("searched by default: {}", crate::fault::list(&own)));
    }
    if plan.is_cut {
        io.log(format!(
            "the grid has more combinations than `max_trials`: the first {} are tried",
            plan.trials()
        ));
    }
}

/// Reads the rows and splits them.
fn rows(
    io: &mut StepIo,
    params: &Params,
    purpose: Purpose,
    opened: &table::Table,
    roles: &columns::Roles,
) -> Result<Rows, StepError> {
    let weight = params.sample_weight.as_deref();
    let event_time = opened.schema.event_time.as_deref();
    let has_valid = io.input("valid").is_some();
    let validation = params.validation.clone().unwrap_or_default();
    let mut further: Vec<String> = params.sample_weight.iter().cloned().collect();
    if !has_valid {
        further.extend(validation.column.iter().cloned());
        further.extend(event_time.map(str::to_owned));
    }
    let frame = data::read(io, opened, roles, &further)?;
    let found = Classes::Found {
        positive: params.positive.as_ref(),
    };
    let found = (purpose == Purpose::Classes).then_some(&found);
    let examples =
        data::examples_with(&frame, roles, found, &params.categorical)?.weighted(&frame, weight)?;
    train::note_unlabelled(io, "train", &examples);
    examples.can_teach(roles)?;
    if let Some(valid) = train::read_valid(io, roles, &examples.task, &params.categorical, weight)? {
        let judged = format!("judged on {} rows of `valid`", grouped(valid.count() as u64));
        let every: Vec<usize> = (0..valid.count()).collect();
        let all: Vec<usize> = (0..examples.count()).collect();
        let part = Part::new(examples.take(&all)?, valid.take(&every)?, params.seed);
        return Ok(Rows {
            examples,
            valid: Some(valid),
            parts: vec![part],
            judged,
        });
    }
    let by = validation.by(&examples.task, event_time);
    let column = match validation.column(by, event_time) {
        Some(name) => Some(
            frame
                .column(name)
                .map_err(|_| StepError::rejected(format!("there is no column `{name}` to split rows by")))?,
        ),
        None => None,
    };
    let splits = validation.splits(by, &examples, column, params.seed)?;
    let how = match by {
        By::Random => "split by chance",
        By::Stratified => "split by chance within classes",
        By::Group => "split by group",
        By::Time => "split by time",
    };
    let judged = match splits.as_slice() {
        [only] => format!(
            "judged on a holdout of {} rows, {how}",
            grouped(only.valid.len() as u64)
        ),
        several => format!("judged by cross-validation over {} parts, {how}", several.len()),
    };
    let parts = splits
        .iter()
        .map(|split| Part::of(&examples, split, params.seed))
        .collect::<Result<Vec<Part>, StepError>>()?;
    Ok(Rows {
        examples,
        valid: None,
        parts,
        judged,
    })
}

/// Carries the search out, going on where an earlier attempt was.
fn search(
    io: &mut StepIo,
    bench: &Bench<'_>,
    plan: &Plan,
    workers: usize,
) -> Result<(Vec<Outcome>, Journal), StepError> {
    let journal = Journal::open(&io.checkpoint(), io.spec(), REVISION);
    if journal.len() > 0 {
        io.log(format!(
            "going on after {} jobs that an earlier attempt ended",
            journal.len()
        ));
    }
    let journal = Mutex::new(journal);
    let jobs = plan.jobs();
    let mut done = 0;
    let outcomes = crew::run(
        workers,
        jobs,
        |place| plan.needs(place),
        |place, seen: &[&Outcome]| {
            let job = plan.job(place, seen);
            let steps: Vec<Vec<(usize, f64)>> = match bench.prune {
                Prune::None => Vec::new(),
                _ => seen.iter().map(|outcome| outcome.steps.clone()).collect(),
            };
            (job, steps)
        },
        |place, (job, steps)| {
            let kept = {
                let journal = journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                journal.outcome(place, &job).cloned()
            };
            match kept {
                Some(outcome) => Ok(outcome),
                None => bench.run(job, &steps),
            }
        },
        |place, outcome| {
            journal
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .keep(place, outcome);
            done += 1;
            io.progress(done, jobs as u64, "trainings");
            io.log(line(bench, outcome));
        },
    )?;
    let journal = journal.into_inner();
    Ok((
        outcomes,
        journal.unwrap_or_else(std::sync::PoisonError::into_inner),
    ))
}

fn line(bench: &Bench<'_>, outcome: &Outcome) -> String {
    let ended = match (outcome.state, outcome.value, &outcome.failure) {
        (State::Complete, Some(value), _) => format!("{} {value:.5}", bench.measure.name()),
        (State::Pruned, Some(value), _) => format!("pruned at {value:.5}"),
        (.., Some(failure)) => format!("failed: {failure}"),
        _ => "no metric".to_owned(),
    };
    let budget = match outcome.job.share {
        whole if whole >= 1.0 => String::new(),
        share => format!(" with {:.0} % of the budget", share * 100.0),
    };
    format!(
        "trial {}{budget}: {ended}, {:.1} s, {}",
        outcome.job.trial + 1,
        outcome.seconds,
        trials::described(&outcome.job.params)
    )
}

/// The best job with the whole budget; of equals the first.
fn best(outcomes: &[Outcome]) -> Option<&Outcome> {
    let whole = outcomes.iter().filter(|outcome| {
        outcome.state == State::Complete && outcome.job.share >= 1.0 && outcome.gain.is_some()
    });
    whole.reduce(|best, other| if other.gain > best.gain { other } else { best })
}

/// Metrics, tables and report.
fn hand_on(
    io: &mut StepIo,
    findings: &Findings<'_>,
    model: &Model,
    examples: &Examples,
    valid: Option<&Examples>,
) -> Result<(), StepError> {
    let (best, measure, space) = (findings.best, findings.measure, findings.plan.space());
    let mut metrics = Map::new();
    if let Some(valid) = valid {
        metrics.extend(judge::measures(model, valid, "")?);
    }
    metrics.extend(judge::measures(model, examples, "train_")?);
    metrics.insert(measure.name().to_owned(), json!(best.value));
    if let Some(deviation) = best.deviation {
        metrics.insert(format!("{}_deviation", measure.name()), json!(deviation));
    }
    let of = |state| {
        findings
            .trials
            .iter()
            .filter(|trial| trial.state() == state)
            .count()
    };
    let pruned = of(State::Pruned);
    metrics.insert("trial".to_owned(), json!(best.job.trial + 1));
    metrics.insert("trials_pruned".to_owned(), json!(pruned));
    metrics.insert("trials_failed".to_owned(), json!(of(State::Failed)));
    metrics.insert(
        "algorithm".to_owned(),
        json!(space.algorithm(&best.job.params).name()),
    );
    metrics.insert("best".to_owned(), json!(best.job.params));
    let importance: Map<String, Value> = findings
        .importance
        .iter()
        .map(|(name, share)| (name.clone(), json!(share)))
        .collect();
    metrics.insert("importance".to_owned(), Value::Object(importance));
    let records = findings.trials.iter().map(|trial| trial.record(measure, space));
    metrics.insert("trials".to_owned(), records.collect());
    io.headline(format!(
        "best of {} trials ({pruned} pruned): {}, {} {:.4}",
        findings.trials.len(),
        outcome::described(model),
        measure.name(),
        best.value.unwrap_or(f64::NAN)
    ));
    if io.wants("trials") {
        let mut rows = trials::table(findings.trials, findings.plan, measure)?;
        table::write(io, "trials", &mut rows, trials::schema(space))?;
    }
    if io.wants("timings") {
        let (mut rows, schema) = trials::timings(findings.trials)?;
        table::write(io, "timings", &mut rows, schema)?;
    }
    if io.wants("report") {
        io.output_report("report", &findings.page(), &findings.json())?;
    }
    io.output_metrics("metrics", &Value::Object(metrics))
}

#[cfg(test)]
#[path = "tune_tests.rs"]
mod tests;
