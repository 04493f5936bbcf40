//! What a search is told.

use super::folds::Validation;
use super::plan::{Method, Plan, Size};
use super::space::{Space, Written};
use super::trial::{Prune, Resource};
use crate::train::algorithm::{AlgorithmName, Purpose};
use crate::train::columns::Told;
use crate::train::judge::Measure;
use crate::train::preparation::{ClassWeightParam, PreprocessingParam};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use trainyard_contract::schema::DataType;

/// Parameters of `tune.search@v1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The learning algorithm. Several are searched with `search: {algorithm: {choice: [...]}}`.
    #[serde(default)]
    pub(super) algorithm: AlgorithmName,
    /// What is predicted. Default: what the metric measures, else a number if the label is one with
    /// decimals, and classes otherwise.
    #[serde(default)]
    pub(super) task: Option<TaskKind>,
    /// Column to predict. Default: the label that the table declares.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    pub(super) label: Option<String>,
    /// Columns to learn from. Default: the features that the table declares, or all columns but
    /// label, weight, event time and primary key.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    pub(super) features: Vec<String>,
    /// Columns of whole numbers or booleans whose values are names and no quantities.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    pub(super) categorical: Vec<String>,
    /// Column of numbers of at least 0 that says how much each row counts. Default: all count 1.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    pub(super) sample_weight: Option<String>,
    /// The moment at which the prediction is made; no feature may be known later. Default: what the
    /// table declares.
    #[serde(default)]
    pub(super) predict_at: Option<String>,
    /// The value of a label of two values whose probability is predicted. Default: `true`, or 1 of 0
    /// and 1; a label of two texts needs it.
    #[serde(default)]
    pub(super) positive: Option<Value>,
    /// How much the rows of each class count: as in `train.classifier@v1`.
    #[serde(default)]
    #[schemars(extend("default" = "none"))]
    pub(super) class_weight: ClassWeightParam,
    /// How features become columns of numbers: as in `train.classifier@v1`. Default: the defaults of
    /// its parts.
    #[serde(default)]
    pub(super) preprocessing: Option<PreprocessingParam>,
    /// What trials are judged by. Default: `roc_auc` for two classes, `log_loss` for several, `rmse`
    /// for numbers.
    #[serde(default)]
    pub(super) metric: Option<Measure>,
    /// Whether more of the metric is better. Default: what fits the metric.
    #[serde(default)]
    pub(super) goal: Option<Goal>,
    /// Parameter → values to try: `{int: [3, 9]}`, `{float: [0.5, 1], step: 0.1}`,
    /// `{log_uniform: [0.01, 0.3]}`, `{choice: [15, 31]}`, each with `when:` if it applies only beside
    /// other values. Beside the parameters of the algorithms there are `algorithm`, `class_weight`,
    /// `preprocessing.scale` and the like, and `random_forest.min_leaf` for one of several algorithms.
    /// A parameter is tried with the algorithms that have it. Default: the parameters that matter most
    /// to the algorithm, over their usual ranges; so also for an algorithm that has none of those named.
    #[serde(default)]
    pub(super) search: Written,
    /// Parameters of the algorithm that are the same in every trial. Default: its own defaults.
    #[serde(default)]
    pub(super) params: Map<String, Value>,
    /// How trials are chosen.
    #[serde(default)]
    pub(super) method: Method,
    /// `tpe`: whether parameters are looked at together, so that what goes well together is tried
    /// together, or one by one.
    #[serde(default)]
    #[schemars(extend("x-source" = "Optuna `TPESampler(multivariate)`"))]
    pub(super) multivariate: bool,
    /// Trials, at most.
    #[serde(default = "default_trials")]
    #[schemars(range(min = 1, max = 10_000), extend("x-unit" = "trials", "x-aliases" = ["n_trials", "n_iter"]))]
    pub(super) max_trials: u32,
    /// Trials side by side, at most; no more than the step has cores. Part of the search: a trial is
    /// chosen by those that ended so many places before it.
    #[serde(default = "default_parallel")]
    #[schemars(range(min = 1, max = 256), extend("x-unit" = "trials", "x-aliases" = ["n_jobs"]))]
    pub(super) max_parallel: u32,
    /// Values a grid takes of a range of numbers.
    #[serde(default = "default_grid_points")]
    #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "values"))]
    pub(super) grid_points: u32,
    /// How the rows of `train` are split to judge trials, where there is no input `valid`. Default: the
    /// defaults of its parts.
    #[serde(default)]
    pub(super) validation: Option<Validation>,
    /// Whether hopeless trials of `random`, `grid` and `tpe` are ended early: boosting after every ten
    /// rounds, any algorithm after each part of a cross-validation.
    #[serde(default)]
    pub(super) prune: Prune,
    /// `halving`, `hyperband` and pruning by halving: one in so many trials is gone on with, with so
    /// many times the budget.
    #[serde(default = "default_factor")]
    #[schemars(range(min = 2, max = 10), extend("x-source" = "scikit-learn `HalvingRandomSearchCV(factor)`; η of Hyperband", "x-aliases" = ["eta", "reduction_factor"]))]
    pub(super) factor: u32,
    /// `halving` and `hyperband`: budgets, the last of which is the whole; the first is
    /// `factor^(1 − rungs)` of it.
    #[serde(default = "default_rungs")]
    #[schemars(range(min = 1, max = 10), extend("x-unit" = "budgets"))]
    pub(super) rungs: u32,
    /// `halving` and `hyperband`: what a budget is a share of.
    #[serde(default)]
    pub(super) resource: Resource,
    /// Seed of the search and of every trial.
    #[serde(default = "crate::train::default_seed")]
    #[schemars(extend("x-aliases" = ["random_state"]))]
    pub(super) seed: u64,
}

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TaskKind {
    /// Classes, two or several.
    Classification,
    /// A number.
    Regression,
}

/// Which way the metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Goal {
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

impl Params {
    pub(super) fn told(&self, purpose: Purpose) -> Told<'_> {
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
    pub(super) fn purpose(&self, label: Option<&DataType>) -> Purpose {
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

    pub(super) fn maximizes(&self, measure: Measure) -> bool {
        match self.goal {
            None => measure.higher_is_better(),
            Some(goal) => goal == Goal::Maximize,
        }
    }

    pub(super) fn size(&self) -> Size {
        Size {
            max_trials: self.max_trials as usize,
            parallel: self.max_parallel as usize,
            grid_points: self.grid_points as usize,
            factor: self.factor.max(2) as usize,
            rungs: self.rungs.max(1) as usize,
        }
    }

    pub(super) fn plan(&self) -> Result<Plan, String> {
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
    pub(super) fn algorithms(&self) -> Vec<AlgorithmName> {
        match Space::new(&self.search, &self.params, self.algorithm) {
            Ok(space) => space.algorithms(),
            Err(_) => vec![self.algorithm],
        }
    }
}
