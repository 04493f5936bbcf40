//! Decision trees as models keep them, and the walk from root to leaf.

mod arrays;

pub(crate) use arrays::{read, write};

/// A child: another node, or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    Node(u32),
    Leaf(u32),
}

/// The question a node asks; the answer yes goes left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Question {
    /// Is the number at most `threshold`?
    AtMost { threshold: f64, missing_left: bool },
    /// Is the category's bit set? Bits stand in [`Tree::category_bits`], 32 a word, `words` words
    /// from `start`. A missing or unseen category goes right.
    OneOf { start: u32, words: u32 },
}

/// An inner node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) feature: u32,
    pub(crate) question: Question,
    pub(crate) left: Child,
    pub(crate) right: Child,
    /// By how much the split lowered the training loss.
    pub(crate) gain: f32,
}

/// One tree. Node 0 is the root; children have higher numbers than their parents. A tree without
/// nodes is its one leaf.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    pub(crate) category_bits: Vec<u32>,
    /// Numbers in a leaf.
    pub(crate) outputs: usize,
    /// Those of all leaves, leaf by leaf.
    pub(crate) leaves: Vec<f64>,
    /// Weight of the training rows in each leaf.
    pub(crate) covers: Vec<f64>,
}

/// Adds to `sums`, one a feature, what the splits by each have gained.
pub(crate) fn add_gains(trees: &[Tree], sums: &mut [f64]) {
    for node in trees.iter().flat_map(|tree| &tree.nodes) {
        if let Some(sum) = sums.get_mut(node.feature as usize) {
            *sum += f64::from(node.gain);
        }
    }
}

/// One feature's value of one row, in the model's codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell {
    Number(f64),
    Code(u32),
}

impl Tree {
    pub(crate) fn empty(outputs: usize) -> Self {
        Self {
            nodes: Vec::new(),
            category_bits: Vec::new(),
            outputs,
            leaves: Vec::new(),
            covers: Vec::new(),
        }
    }

    /// The first number of the leaf a row falls into; `cell` gives the row's value of a feature.
    #[inline]
    pub(crate) fn value(&self, cell: impl Fn(usize) -> Cell) -> f64 {
        let leaf = self.leaf(cell);
        self.leaves.get(leaf * self.outputs).copied().unwrap_or(0.0)
    }

    /// The numbers of a leaf.
    #[inline]
    pub(crate) fn values(&self, leaf: usize) -> &[f64] {
        self.leaves
            .get(leaf * self.outputs..(leaf + 1) * self.outputs)
            .unwrap_or(&[])
    }

    /// Weight of the training rows that came by each node: that of the leaves below it.
    pub(crate) fn node_covers(&self) -> Vec<f64> {
        let mut covers = vec![0.0; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let of = |child| match child {
                Child::Node(node) => covers.get(node as usize).copied().unwrap_or(0.0),
                Child::Leaf(leaf) => self.covers.get(leaf as usize).copied().unwrap_or(0.0),
            };
            let cover = of(node.left) + of(node.right);
            covers[at] = cover;
        }
        covers
    }

    /// The leaf a row falls into.
    #[inline]
    pub(crate) fn leaf(&self, cell: impl Fn(usize) -> Cell) -> usize {
        let mut at = if self.nodes.is_empty() {
            Child::Leaf(0)
        } else {
            Child::Node(0)
        };
        loop {
            match at {
                Child::Leaf(leaf) => return leaf as usize,
                Child::Node(index) => {
                    let Some(node) = self.nodes.get(index as usize) else {
                        return 0;
                    };
                    let left = self.goes_left(node, cell(node.feature as usize));
                    at = if left { node.left } else { node.right };
                }
            }
        }
    }

    /// Whether a row with this value of the node's feature goes left.
    #[inline]
    pub(crate) fn goes_left(&self, node: &Node, value: Cell) -> bool {
        match (node.question, value) {
            (
                Question::AtMost {
                    threshold,
                    missing_left,
                },
                Cell::Number(value),
            ) => {
                if value.is_nan() {
                    missing_left
                } else {
                    value <= threshold
                }
            }
            (Question::OneOf { start, words }, Cell::Code(code)) => self.has_bit(start, words, code),
            _ => false,
        }
    }

    #[inline]
    pub(crate) fn has_bit(&self, start: u32, words: u32, code: u32) -> bool {
        // Codes of missing and unseen categories lie beyond all words.
        code / 32 < words
            && self
                .category_bits
                .get((start + code / 32) as usize)
                .is_some_and(|word| word >> (code % 32) & 1 == 1)
    }

    /// The number of nodes on the longest way from the root to a leaf.
    pub(crate) fn depth(&self) -> usize {
        let mut depth = vec![0usize; self.nodes.len()];
        let mut deepest = 0;
        for (at, node) in self.nodes.iter().enumerate() {
            let here = depth[at] + 1;
            deepest = deepest.max(here);
            for child in [node.left, node.right] {
                if let Child::Node(child) = child
                    && let Some(slot) = depth.get_mut(child as usize)
                {
                    *slot = here;
                }
            }
        }
        deepest
    }
}
