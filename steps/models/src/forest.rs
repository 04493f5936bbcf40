//! Random forests (Breiman 2001) and single decision trees, on binned values.
//!
//! A tree minimises the squared error of its leaves' means, which for a label of 0 and 1 is the
//! Gini impurity; the forest's prediction is the mean over its trees of the leaves' means.

use crate::bins::Binned;
use crate::boosting::grow::{partition, question};
use crate::boosting::histogram::Histogram;
use crate::boosting::split::{Split, SplitRules, Sums, best_split};
use crate::error::ModelError;
use crate::fit::{Fit, Flow, Progress, Rows, share};
use crate::model::{ArrayReader, ArrayWriter, Batch, Body, Learned, Shape, wrong};
use crate::preprocessing::Encoding;
use crate::random::Random;
use crate::tree::{self, Child, Node, Tree};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Trees grown between two reports of progress: a constant, so that what is reported does not
/// depend on the number of threads.
const BATCH: usize = 8;

/// Parameters of a random forest.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `n_trees` | 100 | 1 to 100,000 | trees |
/// | `min_leaf` | 20 | at least 1 | training rows in a leaf, at least |
/// | `max_depth` | none | at least 1 | questions between root and leaf, at most |
/// | `row_share` | 1 | above 0, at most 1 | rows drawn with replacement for a tree, as a share of all |
/// | `feature_share` | square root | above 0, at most 1 | share of features tried at each split; by default the square root of their number |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForestParams {
    pub n_trees: usize,
    pub min_leaf: usize,
    pub max_depth: Option<usize>,
    pub row_share: f64,
    pub feature_share: Option<f64>,
}

impl Default for ForestParams {
    fn default() -> Self {
        Self {
            n_trees: 100,
            min_leaf: 20,
            max_depth: None,
            row_share: 1.0,
            feature_share: None,
        }
    }
}

/// Parameters of a single decision tree, grown on all rows and features.
///
/// | name | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `min_leaf` | 20 | at least 1 | training rows in a leaf, at least |
/// | `max_depth` | none | at least 1 | questions between root and leaf, at most |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeParams {
    pub min_leaf: usize,
    pub max_depth: Option<usize>,
}

impl Default for TreeParams {
    fn default() -> Self {
        Self {
            min_leaf: 20,
            max_depth: None,
        }
    }
}

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

/// Fits a forest.
pub(crate) fn fit_forest(
    params: &ForestParams,
    train: &Rows<'_>,
    seed: u64,
    observe: &mut dyn FnMut(Progress<'_>) -> Flow,
) -> Result<Fit, ModelError> {
    if !(1..=100_000).contains(&params.n_trees) {
        return Err(ModelError::Parameter {
            name: "n_trees",
            value: params.n_trees.to_string(),
            rule: "1 to 100,000",
        });
    }
    share("row_share", params.row_share)?;
    if let Some(features) = params.feature_share {
        share("feature_share", features)?;
    }
    let binned = Binned::fit(train.values, train.target.len(), seed);
    let features = binned.cuts.len();
    let tried = match params.feature_share {
        None => (features as f64).sqrt().floor() as usize,
        Some(share) => (features as f64 * share).round() as usize,
    };
    let grower = ForestGrower {
        binned: &binned,
        train,
        tried: tried.clamp(1, features),
        rules: rules(params.min_leaf),
        depth: params.max_depth.unwrap_or(usize::MAX),
    };
    let mut trees = Vec::with_capacity(params.n_trees.min(4_096));
    while trees.len() < params.n_trees {
        let next = (trees.len() + BATCH).min(params.n_trees);
        let batch: Vec<Tree> = (trees.len()..next)
            .into_par_iter()
            .map(|tree| {
                let mut random = Random::stream(seed, tree as u64);
                let counts = bootstrap(train.target.len(), params.row_share, &mut random);
                grower.grow(&counts, &mut random)
            })
            .collect();
        trees.extend(batch);
        if observe(Progress::plain(trees.len(), params.n_trees, "trees")) == Flow::Stop {
            return Err(ModelError::Stopped);
        }
    }
    Ok(Fit {
        rounds: trees.len(),
        ..Fit::direct(Body::Forest(Forest { outputs: 1, trees }))
    })
}

/// Fits a single tree.
pub(crate) fn fit_tree(params: &TreeParams, train: &Rows<'_>, seed: u64) -> Result<Fit, ModelError> {
    let binned = Binned::fit(train.values, train.target.len(), seed);
    let grower = ForestGrower {
        binned: &binned,
        train,
        tried: binned.cuts.len(),
        rules: rules(params.min_leaf),
        depth: params.max_depth.unwrap_or(usize::MAX),
    };
    let tree = grower.grow(&vec![1; train.target.len()], &mut Random::new(seed));
    Ok(Fit::direct(Body::Forest(Forest {
        outputs: 1,
        trees: vec![tree],
    })))
}

fn rules(min_leaf: usize) -> SplitRules {
    SplitRules {
        lambda: 0.0,
        min_rows: min_leaf.max(1) as f64,
        min_hessian: 0.0,
        min_gain: 0.0,
    }
}

/// How often each row was drawn.
fn bootstrap(rows: usize, share: f64, random: &mut Random) -> Vec<u8> {
    let mut counts = vec![0u8; rows];
    for _ in 0..((rows as f64 * share).round() as usize).max(1) {
        let row = random.below(rows);
        counts[row] = counts[row].saturating_add(1);
    }
    counts
}

struct ForestGrower<'a> {
    binned: &'a Binned,
    train: &'a Rows<'a>,
    tried: usize,
    rules: SplitRules,
    depth: usize,
}

struct Open {
    start: usize,
    end: usize,
    depth: usize,
    sums: Sums,
    parent: Option<(usize, bool)>,
}

impl ForestGrower<'_> {
    /// Grows one tree on rows drawn `counts` times, from the root down.
    fn grow(&self, counts: &[u8], random: &mut Random) -> Tree {
        let mut order: Vec<u32> = (0..counts.len() as u32)
            .filter(|&row| counts[row as usize] > 0)
            .collect();
        let mut scratch = vec![0u32; order.len()];
        // With a gradient of −y and a hessian of 1 the second-order step is the mean of y.
        let gradients: Vec<[f32; 2]> = counts
            .iter()
            .zip(self.train.target.iter().zip(self.train.weights))
            .map(|(&count, (target, weight))| {
                let weight = weight * f64::from(count);
                [(-target * weight) as f32, weight as f32]
            })
            .collect();
        let sums = order.iter().fold(Sums::default(), |sums, &row| {
            let [gradient, hessian] = gradients[row as usize];
            Sums {
                gradient: sums.gradient + f64::from(gradient),
                hessian: sums.hessian + f64::from(hessian),
            }
        });
        let mut tree = Tree::empty(1);
        let mut features: Vec<usize> = (0..self.binned.cuts.len()).collect();
        let mut open = vec![Open {
            start: 0,
            end: order.len(),
            depth: 0,
            sums,
            parent: None,
        }];
        while let Some(here) = open.pop() {
            let rows = &order[here.start..here.end];
            let split = self.best(rows, &gradients, &here, &mut features, random);
            let child = match split {
                None => {
                    tree.leaves.push(here.sums.step(0.0));
                    tree.covers.push(here.sums.hessian);
                    Child::Leaf(tree.leaves.len() as u32 - 1)
                }
                Some(split) => {
                    let node = tree.nodes.len();
                    let column = &self.binned.columns[split.feature];
                    let range = here.start..here.end;
                    let left = partition(
                        &mut order[range.clone()],
                        &mut scratch[range],
                        column,
                        &split.left_bins,
                    );
                    let question =
                        question(&split, &self.binned.cuts[split.feature], &mut tree.category_bits);
                    tree.nodes.push(Node {
                        feature: split.feature as u32,
                        question,
                        left: Child::Leaf(0),
                        right: Child::Leaf(0),
                        gain: split.gain as f32,
                    });
                    let (middle, depth) = (here.start + left, here.depth + 1);
                    open.push(Open {
                        start: middle,
                        end: here.end,
                        depth,
                        sums: split.right,
                        parent: Some((node, false)),
                    });
                    open.push(Open {
                        start: here.start,
                        end: middle,
                        depth,
                        sums: split.left,
                        parent: Some((node, true)),
                    });
                    Child::Node(node as u32)
                }
            };
            if let Some((parent, is_left)) = here.parent {
                let edge = if is_left {
                    &mut tree.nodes[parent].left
                } else {
                    &mut tree.nodes[parent].right
                };
                *edge = child;
            }
        }
        tree
    }

    /// The best split among the features tried; if none of those splits, the others are tried too.
    fn best(
        &self,
        rows: &[u32],
        gradients: &[[f32; 2]],
        here: &Open,
        features: &mut [usize],
        random: &mut Random,
    ) -> Option<Split> {
        let mean = here.sums.step(0.0);
        let pure = mean == 0.0 || (mean - 1.0).abs() < 1e-12;
        if here.depth >= self.depth || (rows.len() as f64) < 2.0 * self.rules.min_rows || pure {
            return None;
        }
        if self.tried < features.len() {
            random.shuffle(features);
        }
        let mut histogram: Histogram = [[0.0; 2]; 272];
        let mut best: Option<Split> = None;
        for (tried, &feature) in features.iter().enumerate() {
            if tried >= self.tried && best.is_some() {
                break;
            }
            let bins = self.binned.cuts[feature].bins();
            histogram[..bins].fill([0.0; 2]);
            let column = &self.binned.columns[feature];
            for &row in rows {
                let [gradient, hessian] = gradients[row as usize];
                let slot = &mut histogram[usize::from(column[row as usize])];
                slot[0] += f64::from(gradient);
                slot[1] += f64::from(hessian);
            }
            let cuts = &self.binned.cuts[feature];
            if let Some(split) = best_split(feature, cuts, &histogram, here.sums, rows.len(), &self.rules)
                && best.as_ref().is_none_or(|most| split.gain > most.gain)
            {
                best = Some(split);
            }
        }
        best
    }
}
