//! Gradient boosting of histogram trees, in the manner of LightGBM (Ke et al. 2017).

pub(crate) mod grow;
pub(crate) mod histogram;
mod objective;
mod params;
pub(crate) mod split;
mod stopping;

pub(crate) use objective::{Objective, log1p_exp, sigmoid};
pub use params::{BoostingLoss, BoostingParams, Direction, StoppingMetric};

use crate::bins::{Binned, MIN_ROWS_FOR_BOOSTING};
use crate::error::ModelError;
use crate::features::Feature;
use crate::fit::{Fit, Flow, Progress, Rows, SoFar};
use crate::model::{ArrayReader, ArrayWriter, Batch, Body, Learned, Shape, wrong};
use crate::predictions::Predictions;
use crate::preprocessing::Encoding;
use crate::random::Random;
use crate::task::Task;
use crate::tree::{self, Tree};
use grow::{Given, Grower, Grown, GrowthLimits, Workspace};
use histogram::Blocks;
use objective::weighted_quantile;
use rayon::prelude::*;
use split::SplitRules;

/// Sums of trees, one for each output: a score by class for a label of several classes, else one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Boosted {
    pub(crate) objective: Objective,
    /// What the score of each output starts from.
    pub(crate) base_scores: Vec<f64>,
    /// Round by round, in each round one an output.
    pub(crate) trees: Vec<Tree>,
}

impl Boosted {
    pub(crate) fn read(
        params: &BoostingParams,
        shape: &Shape<'_>,
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Self, ModelError> {
        let base_scores = arrays.finite_f64s("base_score")?;
        if base_scores.len() != shape.task.outputs() {
            return Err(wrong("its base scores are not as many as its outputs"));
        }
        let trees = tree::read(1, shape, arrays)?;
        if !trees.len().is_multiple_of(base_scores.len()) {
            return Err(wrong("its trees do not fill whole rounds"));
        }
        Ok(Self {
            objective: Objective::of(shape.task, params.loss),
            base_scores,
            trees,
        })
    }
}

impl Learned for Boosted {
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        let outputs = self.base_scores.len();
        for scores in into.chunks_exact_mut(outputs) {
            scores.copy_from_slice(&self.base_scores);
        }
        // Trees outside, rows inside: a tree stays in the cache while many rows walk through it.
        for (nth, tree) in self.trees.iter().enumerate() {
            let output = nth % outputs;
            for row in 0..batch.len() {
                into[row * outputs + output] += tree.value(|feature| batch.cell(row, feature));
            }
        }
        self.objective.hand_out(into);
    }

    fn importance(&self, _: Option<&Encoding>, sums: &mut [f64]) {
        tree::add_gains(&self.trees, sums);
    }

    fn write(&self, arrays: &mut ArrayWriter) {
        arrays.f64s("base_score", &self.base_scores);
        tree::write(&self.trees, arrays);
    }
}

/// Rounds, at most, after which the metric is taken of the training rows.
const TRAIN_POINTS: usize = 50;

/// Scores of the validation rows after some rounds.
struct ValidScores<'a> {
    objective: Objective,
    task: &'a Task,
    /// By output, then by row.
    scores: &'a [Vec<f64>],
}

impl SoFar for ValidScores<'_> {
    fn predictions(&self) -> Predictions {
        let rows = self.scores.first().map_or(0, Vec::len);
        let mut numbers: Vec<f64> = (0..rows)
            .flat_map(|row| self.scores.iter().map(move |scores| scores[row]))
            .collect();
        self.objective.hand_out(&mut numbers);
        crate::model::predictions(self.task, numbers).unwrap_or(Predictions::Numbers(Vec::new()))
    }
}

/// Fits trees; `observe` hears of every round and may end the training there.
pub(crate) fn fit(
    params: &BoostingParams,
    features: &[Feature],
    train: &Rows<'_>,
    valid: Option<&Rows<'_>>,
    seed: u64,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Fit, ModelError> {
    params.check()?;
    params.stopping_metric.check(train.task)?;
    let directions = params.directions(features)?;
    let objective = Objective::of(train.task, params.loss);
    objective.check(train.target)?;
    if let Some(valid) = valid {
        objective.check(valid.target)?;
    }
    let outputs = objective.outputs();
    let binned = Binned::fit(train.values, train.count, MIN_ROWS_FOR_BOOSTING, seed);
    let blocks = Blocks::new(&binned);
    let valid_bins = valid.map(|valid| Binned::with_cuts(binned.cuts.clone(), valid.values, valid.count));
    let grower = Grower {
        binned: &binned,
        blocks: &blocks,
        weights: train.weights,
        directions: &directions,
        limits: GrowthLimits {
            leaves: params.num_leaves,
            depth: params.max_depth.unwrap_or(usize::MAX),
            rules: SplitRules {
                l1: params.l1,
                lambda: params.l2,
                min_rows: params.min_leaf as f64,
                min_hessian: params.min_hessian,
                min_gain: params.min_gain,
            },
        },
    };
    let base_scores = objective.base_scores(train.target, train.weights);
    let start = |rows: usize| -> Vec<Vec<f64>> { base_scores.iter().map(|base| vec![*base; rows]).collect() };
    let mut scores = start(train.count);
    let mut valid_scores = valid.map(|valid| start(valid.count));
    let mut works: Vec<Work> = (0..outputs).map(|_| Work::new(train.count)).collect();
    let mut normalisers = Vec::new();
    let mut trees: Vec<Tree> = Vec::with_capacity(outputs * params.n_rounds.min(4_096));
    let mut best: Option<(f64, usize)> = None;
    let mut last_metric = None;
    let mut drawn: Vec<u32> = Vec::new();
    for round in 0..params.n_rounds {
        let mut random = Random::stream(seed, round as u64);
        let sampled = params.row_share < 1.0;
        drawn.clear();
        if sampled {
            drawn.extend((0..train.count as u32).filter(|_| random.uniform() < params.row_share));
        } else {
            drawn.extend(0..train.count as u32);
        }
        objective.normalisers(&scores, &mut normalisers);
        let allowed: Vec<Vec<bool>> = (0..outputs)
            .map(|_| allowed_features(params.feature_share, binned.cuts.len(), &mut random))
            .collect();
        // Every class has the scores of the round's beginning, so they do not wait for each other.
        let grown: Vec<Grown> = works
            .par_iter_mut()
            .zip(&mut scores)
            .zip(&allowed)
            .enumerate()
            .map(|(output, ((work, scores), allowed))| {
                let (target, weights) = (train.target, train.weights);
                objective.gradients(output, scores, &normalisers, target, weights, &mut work.gradients);
                work.order.clone_from(&drawn);
                let (order, space) = (&mut work.order, &mut work.space);
                let given = Given {
                    gradients: &work.gradients,
                    allowed,
                };
                let mut grown = grower.grow(&given, order, params.learning_rate, space);
                if let Some(level) = objective.renewed_by() {
                    renew(&mut grown, order, scores, train, level, params.learning_rate);
                }
                if sampled {
                    add_by_walking(&grown, &binned, scores);
                } else {
                    add_by_leaf(&grown, order, scores);
                }
                grown
            })
            .collect();
        for (output, grown) in grown.into_iter().enumerate() {
            if let (Some(bins), Some(scores)) = (&valid_bins, &mut valid_scores) {
                add_by_walking(&grown, bins, &mut scores[output]);
            }
            trees.push(grown.tree);
        }
        let mut metric = None;
        if let (Some(valid), Some(scores)) = (valid, &valid_scores) {
            let value = params.stopping_metric.of(objective, scores, valid)?;
            metric = Some(value);
            last_metric = metric;
            if best.is_none_or(|(least, _)| value < least) {
                best = Some((value, round + 1));
            }
        }
        let is_taken = round % params.n_rounds.div_ceil(TRAIN_POINTS) == 0;
        let train_metric = is_taken
            .then(|| params.stopping_metric.of(objective, &scores, train))
            .transpose()?;
        let so_far = valid_scores.as_deref().map(|scores| ValidScores {
            objective,
            task: train.task,
            scores,
        });
        let flow = observe(Progress {
            done: round + 1,
            total: params.n_rounds,
            unit: "rounds",
            valid_metric: metric,
            train_metric,
            valid: so_far.as_ref().map(|so_far| so_far as &dyn SoFar),
        });
        if flow == Flow::Stop {
            return Err(ModelError::Stopped);
        }
        if let (Some(patience), Some((_, best_round))) = (params.early_stopping_rounds, best)
            && round + 1 - best_round >= patience
        {
            break;
        }
    }
    let mut valid_metric = last_metric;
    if let (Some(_), Some((metric, best_round))) = (params.early_stopping_rounds, best) {
        trees.truncate(best_round * outputs);
        valid_metric = Some(metric);
    }
    Ok(Fit {
        rounds: trees.len() / outputs,
        valid_metric,
        ..Fit::direct(Body::Boosted(Boosted {
            objective,
            base_scores,
            trees,
        }))
    })
}

/// What one output's trees are grown with, round after round.
struct Work {
    /// (gradient, hessian) of every training row.
    gradients: Vec<[f32; 2]>,
    /// The rows drawn, sorted into the leaves of the last tree.
    order: Vec<u32>,
    space: Workspace,
}

impl Work {
    fn new(rows: usize) -> Self {
        Self {
            gradients: vec![[0.0; 2]; rows],
            order: Vec::new(),
            space: Workspace::default(),
        }
    }
}

fn allowed_features(share: f64, features: usize, random: &mut Random) -> Vec<bool> {
    if share >= 1.0 {
        return vec![true; features];
    }
    let count = ((features as f64 * share).round() as usize).max(1);
    let mut allowed = vec![false; features];
    for feature in random.choose(features, count) {
        allowed[feature] = true;
    }
    allowed
}

/// Gives each leaf the quantile of its rows' residuals as its value.
fn renew(grown: &mut Grown, order: &[u32], scores: &[f64], train: &Rows<'_>, level: f64, rate: f64) {
    let values: Vec<f64> = grown
        .leaf_rows
        .par_iter()
        .map(|&(start, end)| {
            let mut residuals: Vec<(f64, f64)> = order[start..end]
                .iter()
                .map(|&row| row as usize)
                .map(|row| (train.target[row] - scores[row], train.weights[row]))
                .collect();
            weighted_quantile(&mut residuals, level) * rate
        })
        .collect();
    grown.tree.leaves = values;
}

fn add_by_leaf(grown: &Grown, order: &[u32], scores: &mut [f64]) {
    for (&(start, end), &value) in grown.leaf_rows.iter().zip(&grown.tree.leaves) {
        for &row in &order[start..end] {
            scores[row as usize] += value;
        }
    }
}

fn add_by_walking(grown: &Grown, binned: &Binned, scores: &mut [f64]) {
    scores
        .par_iter_mut()
        .enumerate()
        .with_min_len(2_048)
        .for_each(|(row, score)| *score += grown.value_of_binned(&binned.columns, row));
}
