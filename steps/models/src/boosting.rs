//! Gradient boosting of histogram trees, in the manner of LightGBM (Ke et al. 2017).

pub(crate) mod grow;
pub(crate) mod histogram;
mod objective;
pub(crate) mod split;

pub(crate) use objective::{Objective, log1p_exp, sigmoid};

use crate::bins::Binned;
use crate::error::ModelError;
use crate::fit::{Fit, Flow, Progress, Rows, SoFar};
use crate::model::{ArrayReader, ArrayWriter, Batch, Body, Learned, Shape, wrong};
use crate::predictions::Predictions;
use crate::preprocessing::Encoding;
use crate::random::Random;
use crate::task::Task;
use crate::tree::{self, Tree};
use grow::{Grower, Grown, GrowthLimits};
use histogram::Blocks;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use split::SplitRules;

/// Parameters of gradient boosting.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `n_rounds` | 200 | 1 to 100,000 | trees, at most |
/// | `learning_rate` | 0.1 | above 0, at most 1 | share of each tree's step that is taken |
/// | `num_leaves` | 31 | 2 to 65,536 | leaves of a tree, at most |
/// | `max_depth` | none | at least 1 | questions between root and leaf, at most |
/// | `min_leaf` | 20 | at least 1 | training rows in a leaf, at least (estimated from the hessian) |
/// | `min_hessian` | 0.001 | at least 0 | sum of hessians in a leaf, at least |
/// | `l2` | 0 | at least 0 | added to the hessian when a leaf's value is computed |
/// | `min_gain` | 0 | at least 0 | gain of a split, at least |
/// | `row_share` | 1 | above 0, at most 1 | share of rows drawn for each tree |
/// | `feature_share` | 1 | above 0, at most 1 | share of features drawn for each tree |
/// | `early_stopping_rounds` | none | at least 1 | rounds without a better metric on the validation rows before it stops; the best round is kept |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoostingParams {
    pub n_rounds: usize,
    pub learning_rate: f64,
    pub num_leaves: usize,
    pub max_depth: Option<usize>,
    pub min_leaf: usize,
    pub min_hessian: f64,
    pub l2: f64,
    pub min_gain: f64,
    pub row_share: f64,
    pub feature_share: f64,
    pub early_stopping_rounds: Option<usize>,
}

impl Default for BoostingParams {
    fn default() -> Self {
        Self {
            n_rounds: 200,
            learning_rate: 0.1,
            num_leaves: 31,
            max_depth: None,
            min_leaf: 20,
            min_hessian: 1e-3,
            l2: 0.0,
            min_gain: 0.0,
            row_share: 1.0,
            feature_share: 1.0,
            early_stopping_rounds: None,
        }
    }
}

impl BoostingParams {
    fn check(&self) -> Result<(), ModelError> {
        use crate::fit::{at_least, share};
        if !(1..=100_000).contains(&self.n_rounds) {
            return Err(ModelError::Parameter {
                name: "n_rounds",
                value: self.n_rounds.to_string(),
                rule: "1 to 100,000",
            });
        }
        if !(2..=65_536).contains(&self.num_leaves) {
            return Err(ModelError::Parameter {
                name: "num_leaves",
                value: self.num_leaves.to_string(),
                rule: "2 to 65,536",
            });
        }
        for (name, value) in [
            ("max_depth", self.max_depth),
            ("early_stopping_rounds", self.early_stopping_rounds),
        ] {
            if value == Some(0) {
                return Err(ModelError::Parameter {
                    name,
                    value: "0".to_owned(),
                    rule: "at least 1",
                });
            }
        }
        share("learning_rate", self.learning_rate)?;
        share("row_share", self.row_share)?;
        share("feature_share", self.feature_share)?;
        at_least("min_hessian", self.min_hessian)?;
        at_least("l2", self.l2)?;
        at_least("min_gain", self.min_gain)
    }
}

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
        _params: &BoostingParams,
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
            objective: Objective::of(shape.task),
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
        self.objective.outputs(outputs, into);
    }

    fn importance(&self, _: Option<&Encoding>, sums: &mut [f64]) {
        tree::add_gains(&self.trees, sums);
    }

    fn write(&self, arrays: &mut ArrayWriter) {
        arrays.f64s("base_score", &self.base_scores);
        tree::write(&self.trees, arrays);
    }
}

/// Scores of the validation rows after some rounds.
struct ValidScores<'a> {
    objective: Objective,
    task: &'a Task,
    outputs: usize,
    scores: &'a [f64],
}

impl SoFar for ValidScores<'_> {
    fn predictions(&self) -> Predictions {
        let mut numbers = self.scores.to_vec();
        self.objective.outputs(self.outputs, &mut numbers);
        crate::model::predictions(self.task, numbers).unwrap_or(Predictions::Numbers(Vec::new()))
    }
}

/// Fits trees; `observe` hears of every round and may end the training there.
pub(crate) fn fit(
    params: &BoostingParams,
    train: &Rows<'_>,
    valid: Option<&Rows<'_>>,
    seed: u64,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Fit, ModelError> {
    params.check()?;
    let objective = Objective::of(train.task);
    let rows = train.target.len();
    let binned = Binned::fit(train.values, rows, seed);
    let blocks = Blocks::new(&binned);
    let valid_bins =
        valid.map(|valid| Binned::with_cuts(binned.cuts.clone(), valid.values, valid.target.len()));
    let grower = Grower {
        binned: &binned,
        blocks: &blocks,
        weights: train.weights,
        limits: GrowthLimits {
            leaves: params.num_leaves,
            depth: params.max_depth.unwrap_or(usize::MAX),
            rules: SplitRules {
                lambda: params.l2,
                min_rows: params.min_leaf as f64,
                min_hessian: params.min_hessian,
                min_gain: params.min_gain,
            },
        },
    };
    let base_score = objective.base_score(train.target, train.weights);
    let mut scores = vec![base_score; rows];
    let mut valid_scores = valid.map(|valid| vec![base_score; valid.target.len()]);
    let mut gradients = vec![[0f32; 2]; rows];
    let mut trees: Vec<Tree> = Vec::with_capacity(params.n_rounds.min(4_096));
    let mut best: Option<(f64, usize)> = None;
    let mut last_metric = None;
    let mut order: Vec<u32> = Vec::new();
    for round in 0..params.n_rounds {
        let mut random = Random::stream(seed, round as u64);
        objective.gradients(&scores, train.target, train.weights, &mut gradients);
        let sampled = params.row_share < 1.0;
        if sampled {
            order.clear();
            order.extend((0..rows as u32).filter(|_| random.uniform() < params.row_share));
        } else {
            order.clear();
            order.extend(0..rows as u32);
        }
        let allowed = allowed_features(params.feature_share, binned.cuts.len(), &mut random);
        let grown = grower.grow(&gradients, &mut order, &allowed, params.learning_rate);
        if sampled {
            add_by_walking(&grown, &binned, &mut scores);
        } else {
            add_by_leaf(&grown, &order, &mut scores);
        }
        let mut metric = None;
        if let (Some(valid), Some(bins), Some(scores)) = (valid, &valid_bins, &mut valid_scores) {
            add_by_walking(&grown, bins, scores);
            let value = objective.metric(scores, valid.target, valid.weights);
            metric = Some(value);
            last_metric = metric;
            if best.is_none_or(|(least, _)| value < least) {
                best = Some((value, round + 1));
            }
        }
        trees.push(grown.tree);
        let so_far = valid_scores.as_deref().map(|scores| ValidScores {
            objective,
            task: train.task,
            outputs: 1,
            scores,
        });
        let flow = observe(Progress {
            done: round + 1,
            total: params.n_rounds,
            unit: "rounds",
            valid_metric: metric,
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
        trees.truncate(best_round);
        valid_metric = Some(metric);
    }
    Ok(Fit {
        rounds: trees.len(),
        converged: true,
        valid_metric,
        oob_score: None,
        body: Body::Boosted(Boosted {
            objective,
            base_scores: vec![base_score],
            trees,
        }),
    })
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
