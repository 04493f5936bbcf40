//! One trial: a training for each split, judged on the rows it has not seen.

use super::folds::Split;
use super::plan::{self, Job};
use super::space::{Name, Space};
use crate::train::algorithm::AlgorithmName;
use crate::train::columns::Roles;
use crate::train::data::Examples;
use crate::train::judge::Measure;
use crate::train::preparation::{ClassWeightParam, PreprocessingParam};
use crate::train::rows::refused;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Instant;
use trainyard_contract::StepError;
use trainyard_models::random::Random;
use trainyard_models::{
    Algorithm, ClassWeight, Flow, Label, Model, ModelError, Predictor, Preprocessing, Training, train,
};

/// Whether hopeless trials are ended early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Prune {
    /// Every trial is carried out in full.
    #[default]
    None,
    /// A trial whose best so far is worse than the median of what earlier ones had after as many
    /// steps is ended (Golovin et al. 2017).
    Median,
    /// A trial that is not among the best `1/factor` of those that came as far is ended, at steps that
    /// are `factor` times apart (Li et al. 2020).
    Halving,
}

/// What a small budget is a share of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Resource {
    /// Training rows.
    #[default]
    Rows,
    /// Rounds of boosting or trees of a forest.
    Rounds,
}

/// Earlier trials at a step before any is cut off there.
const TRIALS_BEFORE_PRUNING: usize = 4;
/// Rounds of boosting between two steps at which a trial may be cut off, if there is one split.
const ROUNDS_A_STEP: usize = 10;

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Complete,
    Pruned,
    Failed,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
        }
    }
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) job: Job,
    pub(super) state: State,
    /// The metric: the mean over splits; where the trial was cut off, what it had until then.
    pub(super) value: Option<f64>,
    /// Standard deviation over splits, if there are several.
    pub(super) deviation: Option<f64>,
    /// Step and what the metric was there: rounds, or splits if there are several.
    pub(super) steps: Vec<(usize, f64)>,
    /// Rounds or trees kept, or iterations; the mean over splits.
    pub(super) rounds: Option<f64>,
    /// Why there is no model, if it failed.
    pub(super) failure: Option<String>,
    pub(super) seconds: f64,
    /// The metric, turned so that higher is better.
    pub(super) gain: Option<f64>,
}

impl plan::Result for Outcome {
    fn trial(&self) -> usize {
        self.job.trial
    }

    fn params(&self) -> &Map<String, Value> {
        &self.job.params
    }

    fn gain(&self) -> Option<f64> {
        self.gain
    }

    fn cut_after(&self) -> Option<usize> {
        (self.state == State::Pruned).then(|| self.steps.last().map_or(0, |(step, _)| *step))
    }
}

/// Rows of one split, ready.
pub(super) struct Part {
    train: Examples,
    valid: Examples,
    /// The rows of `train` in the order in which smaller budgets take them.
    order: Vec<usize>,
}

impl Part {
    pub(super) fn new(train: Examples, valid: Examples, seed: u64) -> Self {
        let mut order: Vec<usize> = (0..train.count()).collect();
        Random::stream(seed, 0xb0d6e7).shuffle(&mut order);
        Self { train, valid, order }
    }

    /// The rows of a split.
    pub(super) fn of(examples: &Examples, split: &Split, seed: u64) -> Result<Self, StepError> {
        Ok(Self::new(
            examples.take(&split.train)?,
            examples.take(&split.valid)?,
            seed,
        ))
    }
}

/// What all trials share.
pub(super) struct Bench<'a> {
    pub(super) space: &'a Space,
    pub(super) fixed: &'a Map<String, Value>,
    pub(super) class_weight: &'a ClassWeightParam,
    pub(super) preprocessing: &'a Preprocessing,
    pub(super) roles: &'a Roles,
    pub(super) parts: Vec<Part>,
    pub(super) measure: Measure,
    pub(super) maximizes: bool,
    pub(super) prune: Prune,
    pub(super) factor: usize,
    pub(super) resource: Resource,
    pub(super) seed: u64,
    /// Threads for each trial.
    pub(super) threads: usize,
}

/// A trial's parameters, put together.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) algorithm: AlgorithmName,
    pub(super) settings: Map<String, Value>,
    preprocessing: Preprocessing,
    class_weight: ClassWeightParam,
}

impl Bench<'_> {
    /// What the fixed parameters and those of a trial come to.
    ///
    /// # Errors
    /// A sentence on a value that cannot be.
    pub(super) fn setup(&self, chosen: &Map<String, Value>) -> Result<Setup, String> {
        let algorithm = self.space.algorithm(chosen);
        let mut setup = Setup {
            algorithm,
            settings: Map::new(),
            preprocessing: self.preprocessing.clone(),
            class_weight: self.class_weight.clone(),
        };
        for (name, value) in self.fixed.iter().chain(chosen) {
            let of = Name::of(name);
            if !of.is_of(algorithm) {
                continue;
            }
            let wrong = |error: serde_json::Error| format!("`{name}` is {value}: {error}");
            match of {
                Name::Algorithm => {}
                Name::ClassWeight => {
                    setup.class_weight = serde_json::from_value(value.clone()).map_err(wrong)?;
                }
                Name::Preprocessing(part) => {
                    let mut all = json!(setup.preprocessing);
                    all[part] = value.clone();
                    let all: PreprocessingParam = serde_json::from_value(all).map_err(wrong)?;
                    setup.preprocessing = all.0;
                }
                Name::Of(_, parameter) | Name::Any(parameter) => {
                    setup.settings.insert(parameter.to_owned(), value.clone());
                }
            }
        }
        Ok(setup)
    }

    /// A training with that setup.
    ///
    /// # Errors
    /// The parameter that is wrong, or a class that is not there.
    pub(super) fn training<'t>(
        &self,
        setup: &Setup,
        examples: &'t Examples,
        valid: Option<&'t Examples>,
        threads: usize,
    ) -> Result<Training<'t>, StepError> {
        let algorithm = setup
            .algorithm
            .with(&setup.settings)
            .map_err(|fault| StepError::rejected(fault.why))?;
        let class_weight = match examples.task.classes().is_empty() {
            true => ClassWeight::None,
            false => setup.class_weight.of(&examples.task)?,
        };
        Ok(Training {
            algorithm,
            preprocessing: setup.preprocessing.clone(),
            label: Label {
                name: self.roles.label.clone().unwrap_or_default(),
                task: examples.task.clone(),
            },
            frame: &examples.frame,
            target: &examples.target,
            weights: examples.weights.as_deref(),
            class_weight,
            calibration: None,
            valid: valid.map(Examples::as_valid),
            seed: self.seed,
            threads,
        })
    }

    fn turned(&self, value: f64) -> f64 {
        if self.maximizes { value } else { -value }
    }

    /// Carries a job out; `seen` are the earlier ones that it may be compared with.
    ///
    /// # Errors
    /// What is wrong with every trial alike: rows, classes.
    pub(super) fn run(&self, job: Job, seen: &[Vec<(usize, f64)>]) -> Result<Outcome, StepError> {
        let started = Instant::now();
        let mut outcome = Outcome {
            job,
            state: State::Complete,
            value: None,
            deviation: None,
            steps: Vec::new(),
            rounds: None,
            failure: None,
            seconds: 0.0,
            gain: None,
        };
        if let Err(failure) = self.judge(&mut outcome, seen)? {
            outcome.state = State::Failed;
            outcome.failure = Some(failure);
            outcome.value = None;
        }
        outcome.gain = outcome.value.map(|value| self.turned(value));
        outcome.seconds = started.elapsed().as_secs_f64();
        Ok(outcome)
    }

    /// Fills in what the trial has to show, or says why it failed.
    fn judge(
        &self,
        outcome: &mut Outcome,
        seen: &[Vec<(usize, f64)>],
    ) -> Result<Result<(), String>, StepError> {
        let mut setup = match self.setup(&outcome.job.params) {
            Ok(setup) => setup,
            Err(failure) => return Ok(Err(failure)),
        };
        let share = outcome.job.share;
        if self.resource == Resource::Rounds && share < 1.0 {
            less_rounds(&mut setup, share);
        }
        let (mut values, mut rounds) = (Vec::new(), Vec::new());
        let several = self.parts.len() > 1;
        for part in &self.parts {
            let smaller;
            let examples = if self.resource == Resource::Rows && share < 1.0 {
                let count = ((part.order.len() as f64 * share).ceil() as usize).max(2);
                let mut rows = part.order[..count.min(part.order.len())].to_vec();
                rows.sort_unstable();
                smaller = part.train.take(&rows)?;
                &smaller
            } else {
                &part.train
            };
            let training = match self.training(&setup, examples, Some(&part.valid), self.threads) {
                Ok(training) => training,
                Err(error) => return Ok(Err(error.to_string())),
            };
            let mut steps = Vec::new();
            let mut cut = None;
            let result = train(&training, &mut |progress| {
                let watched = !several && self.prune != Prune::None && share == 1.0;
                if !watched || !progress.done.is_multiple_of(ROUNDS_A_STEP) {
                    return Flow::GoOn;
                }
                let so_far = progress.valid.map(|so_far| so_far.predictions());
                let value = so_far.and_then(|so_far| self.measure.of(&so_far, &part.valid));
                let Some(value) = value else { return Flow::GoOn };
                steps.push((progress.done, value));
                if self.is_hopeless(&steps, seen) {
                    cut = Some(value);
                    return Flow::Stop;
                }
                Flow::GoOn
            });
            outcome.steps.extend(steps);
            let model = match result {
                Ok(model) => model,
                Err(ModelError::Stopped) => {
                    outcome.state = State::Pruned;
                    outcome.value = cut;
                    return Ok(Ok(()));
                }
                // What this trial's parameters make impossible costs the trial, not the search.
                Err(error) => return Ok(Err(error.to_string())),
            };
            let predictions = model
                .predict(&part.valid.frame)
                .map_err(|error| refused(&error))?;
            let Some(value) = self.measure.of(&predictions, &part.valid) else {
                let name = self.measure.name();
                return Ok(Err(format!("`{name}` is not defined on the rows to judge by")));
            };
            values.push(value);
            rounds.push(model.summary().rounds as f64);
            if several {
                let mean = mean(&values);
                outcome.steps.push((values.len(), mean));
                let goes_on = values.len() < self.parts.len();
                if goes_on
                    && share == 1.0
                    && self.prune != Prune::None
                    && self.is_hopeless(&outcome.steps, seen)
                {
                    outcome.state = State::Pruned;
                    outcome.value = Some(mean);
                    outcome.rounds = Some(self::mean(&rounds));
                    return Ok(Ok(()));
                }
            }
        }
        outcome.value = Some(mean(&values));
        outcome.rounds = Some(mean(&rounds));
        if several {
            let center = mean(&values);
            let squares = values.iter().map(|value| (value - center).powi(2)).sum::<f64>();
            outcome.deviation = Some((squares / (values.len() - 1) as f64).sqrt());
        }
        Ok(Ok(()))
    }

    /// Whether a trial with these steps is not worth going on with, beside those of earlier trials.
    fn is_hopeless(&self, steps: &[(usize, f64)], seen: &[Vec<(usize, f64)>]) -> bool {
        let Some((step, _)) = steps.last().copied() else {
            return false;
        };
        let best = |steps: &[(usize, f64)]| {
            let until = steps.iter().filter(|(at, _)| *at <= step);
            until
                .map(|(_, value)| self.turned(*value))
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let mut earlier: Vec<f64> = seen
            .iter()
            .filter(|steps| steps.iter().any(|(at, _)| *at == step))
            .map(|steps| best(steps))
            .collect();
        if earlier.len() < TRIALS_BEFORE_PRUNING {
            return false;
        }
        earlier.sort_unstable_by(|left, right| right.total_cmp(left));
        let own = best(steps);
        match self.prune {
            Prune::None => false,
            Prune::Median => own < earlier[(earlier.len() - 1) / 2],
            Prune::Halving => {
                let unit = if self.parts.len() > 1 { 1 } else { ROUNDS_A_STEP };
                let mut rung = unit;
                while rung < step {
                    rung *= self.factor;
                }
                rung == step && own < earlier[(earlier.len() / self.factor).max(1) - 1]
            }
        }
    }

    /// The model of the best trial: on all rows that there are to learn from.
    ///
    /// # Errors
    /// What training reports.
    pub(super) fn refit(
        &self,
        best: &Outcome,
        examples: &Examples,
        valid: Option<&Examples>,
        threads: usize,
    ) -> Result<Model, StepError> {
        let mut setup = self.setup(&best.job.params).map_err(StepError::rejected)?;
        if valid.is_none() && setup.settings.remove("early_stopping_rounds").is_some() {
            // Without rows to stop by: as many rounds as were kept on average.
            if let Some(rounds) = best.rounds {
                setup
                    .settings
                    .insert("n_rounds".to_owned(), json!((rounds.round() as u64).max(1)));
            }
        }
        let training = self.training(&setup, examples, valid, threads)?;
        train(&training, &mut |_| Flow::GoOn).map_err(|error| refused(&error))
    }
}

/// The parameter that says how many rounds or trees there are.
pub(super) fn rounds_of(algorithm: AlgorithmName) -> Option<&'static str> {
    ["n_rounds", "n_trees"]
        .into_iter()
        .find(|name| algorithm.parameter(name).is_some())
}

fn less_rounds(setup: &mut Setup, share: f64) {
    let Some(name) = rounds_of(setup.algorithm) else {
        return;
    };
    let whole = match setup.algorithm.with(&setup.settings) {
        Ok(Algorithm::GradientBoosting(params)) => params.n_rounds,
        Ok(Algorithm::RandomForest(params) | Algorithm::ExtraTrees(params)) => params.n_trees,
        _ => return,
    };
    let less = ((whole as f64 * share).ceil() as u64).max(1);
    setup.settings.insert(name.to_owned(), json!(less));
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
