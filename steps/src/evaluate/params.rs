//! What the two steps are told, and what follows from it for both.

use super::answers::Truth;
use super::explained::Explain;
use super::gates::Gate;
use super::groups::ComparedWith;
use super::metric::Metric;
use super::names::{ClassifierMetric, RegressorMetric};
use super::threshold::{Costs, Threshold};
use crate::train;
use crate::train::outcome::DEFAULT_THRESHOLD;
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_models::slices::SliceSearch;

/// Parameters of `evaluate.classifier@v1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassifierParams {
    /// Metrics to report; the first three head the report. Default: `roc_auc`, `average_precision`,
    /// `log_loss`, `brier`, `accuracy`, `precision`, `recall`, `f1`, `ece`; for several classes
    /// `roc_auc`, `log_loss`, `accuracy`, `balanced_accuracy`, `f1`, `brier`, `matthews`, `ece`.
    #[serde(default)]
    metrics: Vec<ClassifierMetric>,
    /// Columns by whose values the metrics are reported as well.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    slices: Vec<String>,
    /// How slices in which the model is worse are searched among features, slices and sensitive columns.
    #[serde(default)]
    find_slices: FindSlices,
    /// Whether groups of people are treated alike. Default: not asked.
    #[serde(default)]
    fairness: Option<Fairness<ClassifierMetric>>,
    /// How the model is explained. Default: not at all.
    #[serde(default)]
    explain: Option<Explain>,
    /// What the model must reach. All must hold for the output `passed` to be true.
    #[serde(default)]
    gates: Vec<Gate<ClassifierMetric>>,
    /// Least probability of a positive decision, or how it is chosen: `{by: youden}`. It is the output
    /// `threshold`. Two classes only. Default: 0.5.
    #[serde(default = "default_threshold")]
    threshold: Threshold,
    /// What right and wrong decisions cost, for the metric `cost` and thresholds by cost. Two classes
    /// only. Default: nothing costs anything.
    #[serde(default)]
    costs: Option<Costs>,
    /// What a gate that does not hold does: `report` makes `passed` false, `fail` fails the step.
    /// Default: `report`.
    #[serde(default)]
    on_gate_failure: OnGateFailure,
    /// Samples drawn for each interval that has no formula. Default: 200.
    #[serde(default = "default_draws")]
    #[schemars(range(min = 20, max = 100_000))]
    draws: u32,
    /// Seed of samples and shuffles. Default: 42.
    #[serde(default = "train::default_seed")]
    seed: u64,
}

/// Parameters of `evaluate.regressor@v1`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegressorParams {
    /// Metrics to report; the first three head the report. Default: `rmse`, `mae`, `r2`,
    /// `median_absolute_error`, `bias`, `explained_variance`.
    #[serde(default)]
    metrics: Vec<RegressorMetric>,
    /// Columns by whose values the metrics are reported as well.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    slices: Vec<String>,
    /// How slices in which the model is worse are searched among features, slices and sensitive columns.
    #[serde(default)]
    find_slices: FindSlices,
    /// Whether groups of people are treated alike. Default: not asked.
    #[serde(default)]
    fairness: Option<Fairness<RegressorMetric>>,
    /// How the model is explained. Default: not at all.
    #[serde(default)]
    explain: Option<Explain>,
    /// What the model must reach. All must hold for the output `passed` to be true.
    #[serde(default)]
    gates: Vec<Gate<RegressorMetric>>,
    /// The quantile that the model predicts, for `pinball` and `d2_pinball`. Default: 0.5.
    #[serde(default = "default_quantile")]
    #[schemars(range(min = 0, max = 1))]
    quantile: f64,
    /// What a gate that does not hold does: `report` makes `passed` false, `fail` fails the step.
    /// Default: `report`.
    #[serde(default)]
    on_gate_failure: OnGateFailure,
    /// Samples drawn for each interval that has no formula. Default: 200.
    #[serde(default = "default_draws")]
    #[schemars(range(min = 20, max = 100_000))]
    draws: u32,
    /// Seed of samples and shuffles. Default: 42.
    #[serde(default = "train::default_seed")]
    seed: u64,
}

/// Whether groups of people are treated alike.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fairness<M> {
    /// Columns that say who somebody is. The model need not know them.
    #[schemars(extend("x-kind" = "columns"))]
    sensitive: Vec<String>,
    /// Metrics taken of each group. Default: `selection_rate`, `recall`, `false_positive_rate` and
    /// `accuracy`; `accuracy` and `balanced_accuracy` for several classes; `mae` and `bias` for numbers.
    metrics: Option<Vec<M>>,
    /// Groups with fewer rows are flagged as too small to judge. Default: 30.
    #[serde(default = "default_small")]
    small_below: u64,
    /// With what a group is compared: `between_groups` or `to_overall`. Default: `between_groups`.
    #[serde(default)]
    compare: ComparedWith,
    /// Whether groups by all columns together are reported as well. Default: false.
    #[serde(default)]
    crossed: bool,
}

/// How slices in which the model is worse are searched. Their loss is logarithmic, or the absolute
/// error of numbers; p-values are corrected for all slices measured.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindSlices {
    /// Slices told, at most; 0 does not search. Default: 10.
    #[serde(default = "default_most")]
    #[schemars(range(max = 1_000))]
    most: usize,
    /// Conditions of a slice, at most. Default: 2.
    #[serde(default = "default_conditions")]
    #[schemars(range(min = 1, max = 3))]
    conditions: usize,
    /// Rows of a slice, at least. Default: 50.
    #[serde(default = "default_slice_rows")]
    #[schemars(range(min = 2))]
    min_rows: usize,
    /// Difference of the mean loss inside and outside in units of its spread, at least. Default: 0.2.
    #[serde(default = "default_effect")]
    #[schemars(range(min = 0))]
    min_effect: f64,
    /// Share of false discoveries among the slices told, at most. Default: 0.05.
    #[serde(default = "default_false_share")]
    #[schemars(range(max = 1))]
    false_share: f64,
}

/// What a gate that does not hold does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnGateFailure {
    #[default]
    Report,
    Fail,
}

/// Rows looked at by the search for slices, at most.
const SLICE_WORK: u64 = 200_000_000;

fn default_threshold() -> Threshold {
    Threshold::Fixed(DEFAULT_THRESHOLD)
}

fn default_quantile() -> f64 {
    0.5
}

fn default_draws() -> u32 {
    200
}

fn default_small() -> u64 {
    30
}

fn default_most() -> usize {
    10
}

fn default_conditions() -> usize {
    SliceSearch::default().conditions
}

fn default_slice_rows() -> usize {
    SliceSearch::default().min_rows
}

fn default_effect() -> f64 {
    SliceSearch::default().min_effect
}

fn default_false_share() -> f64 {
    SliceSearch::default().false_share
}

impl Default for FindSlices {
    fn default() -> Self {
        Self {
            most: default_most(),
            conditions: default_conditions(),
            min_rows: default_slice_rows(),
            min_effect: default_effect(),
            false_share: default_false_share(),
        }
    }
}

impl FindSlices {
    /// The search over so many rows; none if it is not wanted or could find nothing.
    pub(crate) fn search(&self, rows: usize) -> Option<SliceSearch> {
        (self.most > 0 && rows >= 2 * self.min_rows).then(|| SliceSearch {
            conditions: self.conditions,
            min_rows: self.min_rows,
            min_effect: self.min_effect,
            false_share: self.false_share,
            most: self.most,
            work: SLICE_WORK,
            ..SliceSearch::default()
        })
    }
}

/// What is asked of groups; without sensitive columns nothing.
pub(crate) struct FairnessPlan {
    pub(crate) sensitive: Vec<String>,
    metrics: Vec<Metric>,
    pub(crate) small_below: u64,
    pub(crate) compare: ComparedWith,
    pub(crate) crossed: bool,
}

impl<M: Into<Metric>> From<Option<Fairness<M>>> for FairnessPlan {
    fn from(asked: Option<Fairness<M>>) -> Self {
        match asked {
            Some(asked) => Self {
                sensitive: asked.sensitive,
                metrics: asked.metrics.into_iter().flatten().map(Into::into).collect(),
                small_below: asked.small_below,
                compare: asked.compare,
                crossed: asked.crossed,
            },
            None => Self {
                sensitive: Vec::new(),
                metrics: Vec::new(),
                small_below: default_small(),
                compare: ComparedWith::default(),
                crossed: false,
            },
        }
    }
}

/// What both steps are told.
pub(crate) struct Plan {
    listed: Vec<Metric>,
    pub(crate) slices: Vec<String>,
    pub(crate) find_slices: FindSlices,
    pub(crate) fairness: FairnessPlan,
    pub(crate) explain: Option<Explain>,
    pub(crate) gates: Vec<Gate<Metric>>,
    pub(crate) threshold: Threshold,
    pub(crate) costs: Option<Costs>,
    pub(crate) quantile: f64,
    pub(crate) on_gate_failure: OnGateFailure,
    pub(crate) draws: u32,
    pub(crate) seed: u64,
}

impl From<ClassifierParams> for Plan {
    fn from(params: ClassifierParams) -> Self {
        Self {
            listed: params.metrics.into_iter().map(Into::into).collect(),
            slices: params.slices,
            find_slices: params.find_slices,
            fairness: params.fairness.into(),
            explain: params.explain,
            gates: params.gates.into_iter().map(Gate::known).collect(),
            threshold: params.threshold,
            costs: params.costs,
            quantile: default_quantile(),
            on_gate_failure: params.on_gate_failure,
            draws: params.draws,
            seed: params.seed,
        }
    }
}

impl From<RegressorParams> for Plan {
    fn from(params: RegressorParams) -> Self {
        Self {
            listed: params.metrics.into_iter().map(Into::into).collect(),
            slices: params.slices,
            find_slices: params.find_slices,
            fairness: params.fairness.into(),
            explain: params.explain,
            gates: params.gates.into_iter().map(Gate::known).collect(),
            threshold: default_threshold(),
            costs: None,
            quantile: params.quantile,
            on_gate_failure: params.on_gate_failure,
            draws: params.draws,
            seed: params.seed,
        }
    }
}

fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

impl Plan {
    /// The metrics to take of these rows: those asked for, or the usual ones, and those of gates.
    /// Figures of speed are not among them.
    pub(crate) fn metrics(&self, truth: &Truth) -> Vec<Metric> {
        use ClassifierMetric as C;
        use RegressorMetric as R;
        let classes = |metrics: &[C]| metrics.iter().map(|m| Metric::from(*m)).collect::<Vec<_>>();
        let usual = match truth {
            _ if self.listed.iter().any(|metric| metric.speed().is_none()) => self.listed.clone(),
            Truth::Binary(_) => classes(&[
                C::RocAuc,
                C::AveragePrecision,
                C::LogLoss,
                C::Brier,
                C::Accuracy,
                C::Precision,
                C::Recall,
                C::F1,
                C::Ece,
            ]),
            Truth::Classes(_) => classes(&[
                C::RocAuc,
                C::LogLoss,
                C::Accuracy,
                C::BalancedAccuracy,
                C::F1,
                C::Brier,
                C::Matthews,
                C::Ece,
            ]),
            Truth::Numbers(_) => [
                R::Rmse,
                R::Mae,
                R::R2,
                R::MedianAbsoluteError,
                R::Bias,
                R::ExplainedVariance,
            ]
            .map(Metric::from)
            .to_vec(),
        };
        let costs = (self.costs.is_some() && matches!(truth, Truth::Binary(_)))
            .then_some(Metric::Classifier(C::Cost));
        let of_gates = self
            .gates
            .iter()
            .filter(|gate| gate.fairness.is_none())
            .map(|gate| gate.metric);
        distinct(usual.into_iter().chain(of_gates).chain(costs))
            .into_iter()
            .filter(|metric| metric.speed().is_none())
            .collect()
    }

    /// Whether speed is asked for.
    pub(crate) fn needs_timing(&self) -> bool {
        self.listed
            .iter()
            .copied()
            .chain(self.gates.iter().map(|gate| gate.metric))
            .any(|metric| metric.speed().is_some())
    }

    /// Columns to slice by: those listed and those of gates.
    pub(crate) fn slice_columns(&self) -> Vec<String> {
        let of_gates = self.gates.iter().filter_map(|gate| gate.slice.clone());
        distinct(self.slices.iter().cloned().chain(of_gates))
    }

    /// Sensitive columns: those listed and those of gates.
    pub(crate) fn sensitive_columns(&self) -> Vec<String> {
        let of_gates = self.gates.iter().filter_map(|gate| gate.fairness.clone());
        distinct(self.fairness.sensitive.iter().cloned().chain(of_gates))
    }

    /// The metrics to take of groups.
    pub(crate) fn fairness_metrics(&self, truth: &Truth) -> Vec<Metric> {
        use ClassifierMetric as C;
        let usual: Vec<Metric> = match truth {
            _ if !self.fairness.metrics.is_empty() => self.fairness.metrics.clone(),
            Truth::Binary(_) => [C::SelectionRate, C::Recall, C::FalsePositiveRate, C::Accuracy]
                .map(Metric::from)
                .to_vec(),
            Truth::Classes(_) => [C::Accuracy, C::BalancedAccuracy].map(Metric::from).to_vec(),
            Truth::Numbers(_) => [RegressorMetric::Mae, RegressorMetric::Bias]
                .map(Metric::from)
                .to_vec(),
        };
        let of_gates = self
            .gates
            .iter()
            .filter(|gate| gate.fairness.is_some())
            .map(|gate| gate.metric);
        distinct(usual.into_iter().chain(of_gates))
    }

    /// Columns of the test table needed besides those of models.
    pub(crate) fn columns(&self) -> Vec<String> {
        distinct(self.slice_columns().into_iter().chain(self.sensitive_columns()))
    }
}
