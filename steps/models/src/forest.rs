//! Random forests (Breiman 2001), extra trees (Geurts, Ernst and Wehenkel 2006) and single decision
//! trees, on binned values.
//!
//! A tree asks the question that takes away most impurity; a forest's prediction is the mean over
//! its trees of the leaves' means, or of their shares of classes.

mod grow;
mod params;
mod prune;
mod ranks;
mod split;

pub use params::{Criterion, ForestParams, TreeParams};

use crate::bins::{Binned, MIN_ROWS_FOR_TREES};
use crate::error::ModelError;
use crate::features::Aligned;
use crate::fit::{Fit, Flow, Progress, Rows};
use crate::frame::MISSING_CODE;
use crate::model::{ArrayReader, ArrayWriter, Batch, Body, Learned, Shape, wrong};
use crate::preprocessing::Encoding;
use crate::random::Random;
use crate::task::{ClassWeight, Task, balanced};
use crate::tree::{self, Cell, Tree};
use grow::Grower;
use ranks::ranks;
use rayon::prelude::*;
use split::{Impurity, Rules, Sample};

/// Trees grown between two reports of progress: a constant, so that what is reported does not
/// depend on the number of threads.
const BATCH: usize = 16;

/// Trees whose mean is the prediction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forest {
    /// Numbers in a leaf: probabilities of all classes of several, else one.
    pub(crate) outputs: usize,
    pub(crate) trees: Vec<Tree>,
}

impl Forest {
    pub(crate) fn read(shape: &Shape<'_>, arrays: &mut ArrayReader<'_>) -> Result<Self, ModelError> {
        let outputs = shape.task.outputs();
        let trees = tree::read(outputs, shape, arrays)?;
        if trees.is_empty() {
            return Err(wrong("it has no trees"));
        }
        Ok(Self { outputs, trees })
    }
}

impl Learned for Forest {
    fn predict(&self, batch: &Batch<'_>, into: &mut [f64]) {
        into.fill(0.0);
        for tree in &self.trees {
            for (row, sums) in into.chunks_exact_mut(self.outputs).enumerate() {
                let leaf = tree.leaf(|feature| batch.cell(row, feature));
                for (sum, value) in sums.iter_mut().zip(tree.values(leaf)) {
                    *sum += value;
                }
            }
        }
        into.iter_mut().for_each(|sum| *sum /= self.trees.len() as f64);
    }

    fn importance(&self, _: Option<&Encoding>, sums: &mut [f64]) {
        tree::add_gains(&self.trees, sums);
    }

    fn write(&self, arrays: &mut ArrayWriter) {
        tree::write(&self.trees, arrays);
    }
}

/// Labels as trees take them: distances from their mean, or places of classes.
struct Labels {
    impurity: Impurity,
    values: Vec<f64>,
    shift: f64,
    /// See [`Rules::unit`].
    unit: f64,
}

impl Labels {
    fn of(train: &Rows<'_>, criterion: Criterion) -> Self {
        let classes = train.task.classes().len();
        let by_class = match train.task {
            Task::Regression | Task::Cluster => false,
            // Squared distances of 0 and 1 are half the Gini impurity, and faster.
            Task::Binary { .. } => criterion == Criterion::Entropy,
            Task::Multiclass { .. } => true,
        };
        if by_class {
            return Self {
                impurity: Impurity::Classes(classes, criterion),
                values: train.target.to_vec(),
                shift: 0.0,
                unit: 1.0,
            };
        }
        let shift = if *train.task == Task::Regression {
            train.target.iter().sum::<f64>() / train.target.len().max(1) as f64
        } else {
            0.0
        };
        Self {
            impurity: Impurity::Squared,
            values: train.target.iter().map(|target| target - shift).collect(),
            shift,
            unit: if *train.task == Task::Regression { 1.0 } else { 2.0 },
        }
    }
}

/// Fits a forest; `extra` draws the threshold of each feature that is tried.
pub(crate) fn fit_forest(
    params: &ForestParams,
    extra: bool,
    train: &Rows<'_>,
    class_weight: &ClassWeight,
    seed: u64,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Fit, ModelError> {
    params.check()?;
    let binned = Binned::fit(train.values, train.count, MIN_ROWS_FOR_TREES, seed);
    let labels = Labels::of(train, params.criterion);
    let rules = Rules {
        min_leaf: params.min_leaf,
        min_gain: params.min_gain,
        unit: labels.unit,
        tried: params.tried(binned.cuts.len(), train.task),
        random: extra,
    };
    let grower = Grower {
        binned: &binned,
        impurity: labels.impurity,
        ranks: ranks(&binned, labels.impurity, &labels.values, train.weights),
        rules,
        depth: params.max_depth.unwrap_or(usize::MAX),
        min_split: params.min_split,
        outputs: train.task.outputs(),
        shift: labels.shift,
        pruning: params.pruning,
    };
    let draw = |random: &mut Random| {
        let weights = params.bootstrap.then(|| drawn(train, params.row_share, random));
        let mut weights = weights.unwrap_or_else(|| train.weights.to_vec());
        if *class_weight == ClassWeight::BalancedSubsample {
            let by_class = balanced(train.task.classes().len(), train.target, &weights);
            for (weight, class) in weights.iter_mut().zip(train.target) {
                *weight *= by_class.get(*class as usize).copied().unwrap_or(1.0);
            }
        }
        weights
    };
    let mut out_of_bag = params.oob_score.then(|| OutOfBag::new(train));
    let mut trees = Vec::with_capacity(params.n_trees.min(4_096));
    while trees.len() < params.n_trees {
        let next = (trees.len() + BATCH).min(params.n_trees);
        let batch: Vec<(Tree, Vec<(u32, u32)>)> = (trees.len()..next)
            .into_par_iter()
            .map(|nth| {
                let mut random = Random::stream(seed, nth as u64);
                let weights = draw(&mut random);
                let tree = grower.grow(&mut samples(&labels.values, &weights), &mut random);
                let left_out = if params.oob_score {
                    left_out_leaves(&tree, train, &weights)
                } else {
                    Vec::new()
                };
                (tree, left_out)
            })
            .collect();
        for (tree, left_out) in batch {
            if let Some(out_of_bag) = &mut out_of_bag {
                out_of_bag.add(&tree, &left_out);
            }
            trees.push(tree);
        }
        if observe(Progress::plain(trees.len(), params.n_trees, "trees")) == Flow::Stop {
            return Err(ModelError::Stopped);
        }
    }
    Ok(Fit {
        rounds: trees.len(),
        oob_score: out_of_bag.and_then(|out_of_bag| out_of_bag.score()),
        ..Fit::direct(Body::Forest(Forest {
            outputs: train.task.outputs(),
            trees,
        }))
    })
}

/// Fits a single tree.
pub(crate) fn fit_tree(params: &TreeParams, train: &Rows<'_>, seed: u64) -> Result<Fit, ModelError> {
    params.check()?;
    let binned = Binned::fit(train.values, train.count, MIN_ROWS_FOR_TREES, seed);
    let labels = Labels::of(train, params.criterion);
    let grower = Grower {
        binned: &binned,
        impurity: labels.impurity,
        ranks: Vec::new(),
        rules: Rules {
            min_leaf: params.min_leaf,
            min_gain: params.min_gain,
            unit: labels.unit,
            tried: binned.cuts.len(),
            random: false,
        },
        depth: params.max_depth.unwrap_or(usize::MAX),
        min_split: params.min_split,
        outputs: train.task.outputs(),
        shift: labels.shift,
        pruning: params.pruning,
    };
    let tree = grower.grow(
        &mut samples(&labels.values, train.weights),
        &mut Random::new(seed),
    );
    Ok(Fit::direct(Body::Forest(Forest {
        outputs: train.task.outputs(),
        trees: vec![tree],
    })))
}

/// The rows that count.
fn samples(values: &[f64], weights: &[f64]) -> Vec<Sample> {
    values
        .iter()
        .zip(weights)
        .enumerate()
        .filter(|(_, (_, weight))| **weight > 0.0)
        .map(|(row, (value, weight))| Sample {
            row: row as u32,
            weight: *weight as f32,
            value: *value,
        })
        .collect()
}

/// Weights of the rows times how often each was drawn, with replacement.
fn drawn(train: &Rows<'_>, share: f64, random: &mut Random) -> Vec<f64> {
    let mut weights = vec![0.0; train.count];
    for _ in 0..((train.count as f64 * share).round() as usize).max(1) {
        let row = random.below(train.count);
        weights[row] += train.weights[row];
    }
    weights
}

/// The leaves of the rows that a tree was not grown on.
fn left_out_leaves(tree: &Tree, train: &Rows<'_>, weights: &[f64]) -> Vec<(u32, u32)> {
    (0..train.count)
        .filter(|&row| weights[row] == 0.0 && train.weights[row] > 0.0)
        .map(|row| {
            let leaf = tree.leaf(|feature| match train.values.get(feature) {
                Some(Aligned::Numeric(values)) => Cell::Number(values[row]),
                Some(Aligned::Codes { codes, .. }) => Cell::Code(codes[row]),
                None => Cell::Code(MISSING_CODE),
            });
            (row as u32, leaf as u32)
        })
        .collect()
}

/// What trees say of the training rows they were not grown on.
struct OutOfBag<'a> {
    train: &'a Rows<'a>,
    outputs: usize,
    sums: Vec<f64>,
    trees: Vec<u32>,
}

impl<'a> OutOfBag<'a> {
    fn new(train: &'a Rows<'a>) -> Self {
        let outputs = train.task.outputs();
        Self {
            train,
            outputs,
            sums: vec![0.0; outputs * train.count],
            trees: vec![0; train.count],
        }
    }

    fn add(&mut self, tree: &Tree, left_out: &[(u32, u32)]) {
        for &(row, leaf) in left_out {
            let row = row as usize;
            self.trees[row] += 1;
            let sums = &mut self.sums[row * self.outputs..(row + 1) * self.outputs];
            sums.iter_mut()
                .zip(tree.values(leaf as usize))
                .for_each(|(sum, value)| *sum += value);
        }
    }

    /// Accuracy, or R² for numbers, over the rows that some tree was not grown on; `None` if there
    /// is no such row.
    fn score(&self) -> Option<f64> {
        let rows: Vec<usize> = (0..self.train.count).filter(|&row| self.trees[row] > 0).collect();
        if rows.is_empty() {
            return None;
        }
        let means = |row: usize| {
            let trees = f64::from(self.trees[row]);
            self.sums[row * self.outputs..(row + 1) * self.outputs]
                .iter()
                .map(move |sum| sum / trees)
        };
        let target = |row: usize| self.train.target[row];
        let count = rows.len() as f64;
        if *self.train.task == Task::Regression {
            let mean = rows.iter().map(|&row| target(row)).sum::<f64>() / count;
            let (mut error, mut spread) = (0.0, 0.0);
            for &row in &rows {
                error += (means(row).sum::<f64>() - target(row)).powi(2);
                spread += (target(row) - mean).powi(2);
            }
            return (spread > 0.0).then_some(1.0 - error / spread);
        }
        let right = rows.iter().filter(|&&row| {
            let predicted = if self.outputs == 1 {
                f64::from(u8::from(means(row).sum::<f64>() > 0.5))
            } else {
                let best = means(row)
                    .enumerate()
                    .fold((0, f64::NEG_INFINITY), |best, (class, share)| {
                        if share > best.1 { (class, share) } else { best }
                    });
                best.0 as f64
            };
            predicted == target(row)
        });
        Some(right.count() as f64 / count)
    }
}
