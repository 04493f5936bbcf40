//! One tree of a forest, grown from the root down until nothing tells its rows apart.

use super::prune::prune;
use super::split::{Impurity, Rules, Sample, Split, Splitter};
use crate::bins::{Binned, Cuts};
use crate::boosting::grow::category_question;
use crate::random::Random;
use crate::tree::{Child, Node, Question, Tree};

/// What stays the same from tree to tree.
pub(super) struct Grower<'a> {
    pub(super) binned: &'a Binned,
    pub(super) impurity: Impurity,
    /// For each feature the order of its categories; empty to order them anew at each node.
    pub(super) ranks: Vec<Vec<u8>>,
    pub(super) rules: Rules,
    /// Questions between root and leaf, at most.
    pub(super) depth: usize,
    /// Rows of a node that is split, at least.
    pub(super) min_split: usize,
    /// Numbers in a leaf.
    pub(super) outputs: usize,
    /// What is added to the mean of a leaf's labels.
    pub(super) shift: f64,
    /// See [`super::TreeParams`].
    pub(super) pruning: f64,
}

struct Open {
    start: usize,
    end: usize,
    depth: usize,
    parent: Option<(usize, bool)>,
}

impl Grower<'_> {
    /// Grows a tree on these rows, which are sorted into its leaves.
    pub(super) fn grow(&self, samples: &mut [Sample], random: &mut Random) -> Tree {
        let mut scratch: Vec<Sample> = samples.to_vec();
        let weight = samples.iter().map(|sample| f64::from(sample.weight)).sum();
        let mut splitter = Splitter::new(self.binned, self.impurity, &self.ranks, self.rules, weight);
        let mut tree = Tree::empty(self.outputs);
        // Sums of the rows at each node, for pruning.
        let mut node_sums: Vec<f64> = Vec::new();
        let mut leaf_sums: Vec<f64> = Vec::new();
        let mut sums = vec![0.0; self.impurity.sums()];
        let mut open = vec![Open {
            start: 0,
            end: samples.len(),
            depth: 0,
            parent: None,
        }];
        while let Some(here) = open.pop() {
            let rows = &mut samples[here.start..here.end];
            sums.fill(0.0);
            rows.iter()
                .for_each(|sample| self.impurity.add(sample, &mut sums));
            let may = here.depth < self.depth && rows.len() >= self.min_split;
            let split = if may {
                splitter.best(rows, &sums, random)
            } else {
                None
            };
            let child = match split {
                None => {
                    leaf_sums.extend_from_slice(&sums);
                    self.push_leaf(&mut tree, &sums);
                    Child::Leaf(tree.covers.len() as u32 - 1)
                }
                Some(split) => {
                    let node = tree.nodes.len();
                    node_sums.extend_from_slice(&sums);
                    let column = &self.binned.columns[split.feature];
                    let left = partition(rows, &mut scratch[here.start..here.end], column, &split);
                    tree.nodes.push(Node {
                        feature: split.feature as u32,
                        question: self.question(&split, &mut tree.category_bits),
                        left: Child::Leaf(0),
                        right: Child::Leaf(0),
                        gain: split.gain as f32,
                    });
                    let (middle, depth) = (here.start + left, here.depth + 1);
                    let side = |start, end, is_left| Open {
                        start,
                        end,
                        depth,
                        parent: Some((node, is_left)),
                    };
                    open.push(side(middle, here.end, false));
                    open.push(side(here.start, middle, true));
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
        if self.pruning > 0.0 {
            self.pruned(&tree, &node_sums, &leaf_sums)
        } else {
            tree
        }
    }

    fn pruned(&self, tree: &Tree, node_sums: &[f64], leaf_sums: &[f64]) -> Tree {
        let width = self.impurity.sums();
        let total: f64 = tree.covers.iter().sum();
        let gains: Vec<f64> = tree
            .nodes
            .iter()
            .map(|node| f64::from(node.gain) / total)
            .collect();
        let kept = prune(tree, &gains, self.pruning);
        let mut pruned = Tree::empty(self.outputs);
        let mut open = vec![(
            if tree.nodes.is_empty() {
                Child::Leaf(0)
            } else {
                Child::Node(0)
            },
            None,
        )];
        while let Some((old, parent)) = open.pop() {
            let child = match old {
                Child::Node(node) if kept[node as usize] => {
                    let new = pruned.nodes.len();
                    let node = &tree.nodes[node as usize];
                    let question = match node.question {
                        Question::OneOf { start, words } => {
                            let first = pruned.category_bits.len() as u32;
                            let bits = &tree.category_bits[start as usize..(start + words) as usize];
                            pruned.category_bits.extend_from_slice(bits);
                            Question::OneOf { start: first, words }
                        }
                        number => number,
                    };
                    pruned.nodes.push(Node { question, ..*node });
                    open.push((node.right, Some((new, false))));
                    open.push((node.left, Some((new, true))));
                    Child::Node(new as u32)
                }
                Child::Node(node) => {
                    let at = node as usize * width;
                    self.push_leaf(&mut pruned, &node_sums[at..at + width]);
                    Child::Leaf(pruned.covers.len() as u32 - 1)
                }
                Child::Leaf(leaf) => {
                    let at = leaf as usize * width;
                    self.push_leaf(&mut pruned, &leaf_sums[at..at + width]);
                    Child::Leaf(pruned.covers.len() as u32 - 1)
                }
            };
            match parent {
                Some((parent, true)) => pruned.nodes[parent].left = child,
                Some((parent, false)) => pruned.nodes[parent].right = child,
                None => {}
            }
        }
        pruned
    }

    fn push_leaf(&self, tree: &mut Tree, sums: &[f64]) {
        let weight = self.impurity.weight(sums);
        let share = |sum: f64| if weight > 0.0 { sum / weight } else { 0.0 };
        match self.impurity {
            Impurity::Squared => tree.leaves.push(share(sums[1]) + self.shift),
            // Of two classes the second's probability is enough.
            Impurity::Classes(..) if self.outputs == 1 => tree.leaves.push(share(sums[1])),
            Impurity::Classes(..) => tree.leaves.extend(sums.iter().map(|sum| share(*sum))),
        }
        tree.covers.push(weight);
    }

    fn question(&self, split: &Split, category_bits: &mut Vec<u32>) -> Question {
        match &self.binned.cuts[split.feature] {
            Cuts::Numeric { .. } => Question::AtMost {
                threshold: split.threshold,
                missing_left: split.missing_left,
            },
            Cuts::Categorical { category_of, .. } => {
                category_question(category_of, &split.left_bins, category_bits)
            }
        }
    }
}

/// Moves the rows that go left to the front, keeping the order on both sides; how many they are.
fn partition(rows: &mut [Sample], scratch: &mut [Sample], column: &[u8], split: &Split) -> usize {
    let (mut left, mut right) = (0, 0);
    for at in 0..rows.len() {
        let sample = rows[at];
        let goes = split.left_bins.contains(column[sample.row as usize]);
        rows[left] = sample;
        scratch[right] = sample;
        left += usize::from(goes);
        right += usize::from(!goes);
    }
    rows[left..].copy_from_slice(&scratch[..right]);
    left
}
