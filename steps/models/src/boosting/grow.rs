//! One tree, grown leaf by leaf: always the split that gains most (Shi 2007; LightGBM).

use super::histogram::{Blocks, Histograms};
use super::split::{BinSet, Bounds, Limits, Split, SplitRules, Sums, best_split};
use crate::bins::{Binned, Cuts};
use crate::tree::{Child, Node, Question, Tree};
use rayon::prelude::*;

/// Below this many rows a leaf is summed by one thread: handing out work would cost more.
const MIN_ROWS_TO_SHARE: usize = 4_096;
/// Rows that one thread sorts into left and right at a time.
const PARTITION_CHUNK: usize = 1 << 14;

/// What a tree is grown from.
pub(crate) struct Given<'a> {
    /// (gradient, hessian) of every row.
    pub(crate) gradients: &'a [[f32; 2]],
    /// Features that may be asked about.
    pub(crate) allowed: &'a [bool],
}

/// Memory that trees use one after the other.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    scratch: Vec<u32>,
    /// Histograms that no leaf needs; what is in them is of no use.
    free: Vec<Histograms>,
}

impl Workspace {
    fn histograms(&mut self, features: usize) -> Histograms {
        self.free.pop().unwrap_or_else(|| Histograms::empty(features))
    }
}

/// How far a tree may grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GrowthLimits {
    pub(crate) leaves: usize,
    /// Questions between root and leaf.
    pub(crate) depth: usize,
    pub(crate) rules: SplitRules,
}

/// A tree and where the training rows fell.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    /// For each node the bins that go left.
    left_bins: Vec<BinSet>,
    /// For each leaf its range of the row order.
    pub(crate) leaf_rows: Vec<(usize, usize)>,
}

impl Grown {
    /// The value of the leaf that row `row` of a frame in the same bins falls into.
    #[inline]
    pub(crate) fn value_of_binned(&self, columns: &[Vec<u8>], row: usize) -> f64 {
        let mut at = if self.tree.nodes.is_empty() {
            Child::Leaf(0)
        } else {
            Child::Node(0)
        };
        loop {
            match at {
                Child::Leaf(leaf) => return self.tree.leaves[leaf as usize],
                Child::Node(index) => {
                    let node = &self.tree.nodes[index as usize];
                    let bin = columns[node.feature as usize][row];
                    at = if self.left_bins[index as usize].contains(bin) {
                        node.left
                    } else {
                        node.right
                    };
                }
            }
        }
    }
}

/// What stays the same from tree to tree.
pub(crate) struct Grower<'a> {
    pub(crate) binned: &'a Binned,
    pub(crate) blocks: &'a Blocks,
    /// Of all training rows.
    pub(crate) weights: &'a [f64],
    /// For each feature the direction the prediction must keep to; see [`Limits`].
    pub(crate) directions: &'a [i8],
    pub(crate) limits: GrowthLimits,
}

struct Leaf {
    start: usize,
    end: usize,
    depth: usize,
    sums: Sums,
    /// Regularisation its value is computed with.
    lambda: f64,
    bounds: Bounds,
    histograms: Option<Histograms>,
    best: Option<Split>,
    /// The node and side that lead here.
    parent: Option<(usize, bool)>,
}

impl Grower<'_> {
    /// Grows a tree on the rows in `order`, which is sorted into the leaves' ranges.
    ///
    /// Leaf values are multiplied by `rate`.
    pub(crate) fn grow(
        &self,
        given: &Given<'_>,
        order: &mut [u32],
        rate: f64,
        workspace: &mut Workspace,
    ) -> Grown {
        let mut scratch = std::mem::take(&mut workspace.scratch);
        scratch.resize(order.len(), 0);
        let mut tree = Tree::empty(1);
        let mut left_bins = Vec::new();
        let root_sums = sum_all(order, given.gradients);
        let mut root = Leaf {
            start: 0,
            end: order.len(),
            depth: 0,
            sums: root_sums,
            lambda: self.limits.rules.lambda,
            bounds: Bounds::NONE,
            histograms: None,
            best: None,
            parent: None,
        };
        if self.may_split(&root) {
            let mut histograms = workspace.histograms(self.binned.cuts.len());
            root.best = self.fill_root(&mut histograms, order, given, root_sums);
            root.histograms = Some(histograms);
        }
        let mut leaves = vec![root];
        while leaves.len() < self.limits.leaves.max(1) {
            let best = leaves
                .iter()
                .enumerate()
                .filter_map(|(at, leaf)| leaf.best.map(|split| (at, split)))
                .reduce(|most, next| if next.1.gain > most.1.gain { next } else { most });
            let Some((at, split)) = best else { break };
            let node = tree.nodes.len();
            let parent = &mut leaves[at];
            let (start, end, depth) = (parent.start, parent.end, parent.depth + 1);
            let (inherited, parent_edge) = (parent.histograms.take(), parent.parent);
            let column = &self.binned.columns[split.feature];
            let left_count = partition(
                &mut order[start..end],
                &mut scratch[start..end],
                column,
                &split.left_bins,
            );
            let middle = start + left_count;
            let side = |start, end, sums, is_left| Leaf {
                start,
                end,
                depth,
                sums,
                lambda: split.lambda,
                bounds: if is_left {
                    split.left_bounds
                } else {
                    split.right_bounds
                },
                histograms: None,
                best: None,
                parent: Some((node, is_left)),
            };
            let mut left = side(start, middle, split.left, true);
            let mut right = side(middle, end, split.right, false);
            let last = leaves.len() + 1 >= self.limits.leaves;
            match inherited {
                Some(inherited) if last => workspace.free.push(inherited),
                Some(inherited) => {
                    self.fill_children(inherited, &mut left, &mut right, order, given, workspace);
                }
                None => {}
            }
            let question = question(&split, &self.binned.cuts[split.feature], &mut tree.category_bits);
            let right_leaf = leaves.len() as u32;
            tree.nodes.push(Node {
                feature: split.feature as u32,
                question,
                left: Child::Leaf(at as u32),
                right: Child::Leaf(right_leaf),
                gain: split.gain as f32,
            });
            left_bins.push(split.left_bins);
            if let Some((parent, is_left)) = parent_edge {
                let edge = if is_left {
                    &mut tree.nodes[parent].left
                } else {
                    &mut tree.nodes[parent].right
                };
                *edge = Child::Node(node as u32);
            }
            leaves[at] = left;
            leaves.push(right);
        }
        tree.leaves = leaves
            .iter()
            .map(|leaf| leaf.sums.step(self.limits.rules.l1, leaf.lambda, leaf.bounds) * rate)
            .collect();
        tree.covers = leaves
            .iter()
            .map(|leaf| {
                order[leaf.start..leaf.end]
                    .iter()
                    .map(|&row| self.weights[row as usize])
                    .sum()
            })
            .collect();
        workspace
            .free
            .extend(leaves.iter_mut().filter_map(|leaf| leaf.histograms.take()));
        workspace.scratch = scratch;
        let leaf_rows = leaves.iter().map(|leaf| (leaf.start, leaf.end)).collect();
        Grown {
            tree,
            left_bins,
            leaf_rows,
        }
    }

    fn may_split(&self, leaf: &Leaf) -> bool {
        leaf.depth < self.limits.depth && (leaf.end - leaf.start) as f64 >= 2.0 * self.limits.rules.min_rows
    }

    fn fill_root(
        &self,
        histograms: &mut Histograms,
        order: &[u32],
        given: &Given<'_>,
        sums: Sums,
    ) -> Option<Split> {
        let mut parts = Vec::new();
        let mut rest = histograms.0.as_mut_slice();
        let mut first = 0;
        for (block, width) in self.blocks.widths().enumerate() {
            let (part, next) = rest.split_at_mut(width);
            parts.push((block, first, part));
            first += width;
            rest = next;
        }
        let work = |(block, first, part): (usize, usize, &mut [_])| {
            self.blocks.sum(block, order, given.gradients, part);
            let mut best = None;
            for (lane, histogram) in part.iter().enumerate() {
                let feature = first + lane;
                if given.allowed[feature] {
                    self.consider(&mut best, feature, histogram, sums, order.len(), Bounds::NONE);
                }
            }
            best
        };
        let found: Vec<Option<Split>> = if order.len() < MIN_ROWS_TO_SHARE {
            parts.into_iter().map(work).collect()
        } else {
            parts.into_par_iter().map(work).collect()
        };
        found.into_iter().flatten().reduce(better)
    }

    /// Sums the smaller child, takes it from the parent's histograms to get the larger one, and
    /// looks for the best split of both.
    fn fill_children(
        &self,
        parent: Histograms,
        left: &mut Leaf,
        right: &mut Leaf,
        order: &[u32],
        given: &Given<'_>,
        workspace: &mut Workspace,
    ) {
        let left_is_smaller = left.end - left.start <= right.end - right.start;
        let (small, large) = if left_is_smaller {
            (left, right)
        } else {
            (right, left)
        };
        let (small_may, large_may) = (self.may_split(small), self.may_split(large));
        if !small_may && !large_may {
            workspace.free.push(parent);
            return;
        }
        let rows = &order[small.start..small.end];
        let (small_rows, large_rows) = (rows.len(), large.end - large.start);
        let (small_sums, large_sums) = (small.sums, large.sums);
        let (small_bounds, large_bounds) = (small.bounds, large.bounds);
        let mut large_histograms = parent;
        let mut small_histograms = workspace.histograms(large_histograms.0.len());
        let mut parts = Vec::new();
        let mut small_rest = small_histograms.0.as_mut_slice();
        let mut large_rest = large_histograms.0.as_mut_slice();
        let mut first = 0;
        for (block, width) in self.blocks.widths().enumerate() {
            let (small_part, small_next) = small_rest.split_at_mut(width);
            let (large_part, large_next) = large_rest.split_at_mut(width);
            parts.push((block, first, small_part, large_part));
            first += width;
            (small_rest, large_rest) = (small_next, large_next);
        }
        let work = |(block, first, small_part, large_part): (usize, usize, &mut [_], &mut [_])| {
            self.blocks.sum(block, rows, given.gradients, small_part);
            let (mut small_best, mut large_best) = (None, None);
            for (lane, (small, large)) in small_part.iter().zip(large_part.iter_mut()).enumerate() {
                let feature = first + lane;
                let bins = self.blocks.bins()[feature];
                let large: &mut super::histogram::Histogram = large;
                let small: &super::histogram::Histogram = small;
                for (large, small) in large.iter_mut().zip(small).take(bins) {
                    large[0] -= small[0];
                    large[1] -= small[1];
                }
                if !given.allowed[feature] {
                    continue;
                }
                if small_may {
                    self.consider(
                        &mut small_best,
                        feature,
                        small,
                        small_sums,
                        small_rows,
                        small_bounds,
                    );
                }
                if large_may {
                    self.consider(
                        &mut large_best,
                        feature,
                        large,
                        large_sums,
                        large_rows,
                        large_bounds,
                    );
                }
            }
            (small_best, large_best)
        };
        let found: Vec<(Option<Split>, Option<Split>)> = if small_rows < MIN_ROWS_TO_SHARE {
            parts.into_iter().map(work).collect()
        } else {
            parts.into_par_iter().map(work).collect()
        };
        small.best = found.iter().filter_map(|(small, _)| *small).reduce(better);
        large.best = found.iter().filter_map(|(_, large)| *large).reduce(better);
        for (leaf, histograms) in [(small, small_histograms), (large, large_histograms)] {
            if leaf.best.is_some() {
                leaf.histograms = Some(histograms);
            } else {
                workspace.free.push(histograms);
            }
        }
    }

    fn consider(
        &self,
        best: &mut Option<Split>,
        feature: usize,
        histogram: &super::histogram::Histogram,
        sums: Sums,
        rows: usize,
        bounds: Bounds,
    ) {
        let limits = Limits {
            rules: &self.limits.rules,
            bounds,
            direction: self.directions[feature],
        };
        if let Some(split) = best_split(
            feature,
            &self.binned.cuts[feature],
            histogram,
            sums,
            rows,
            &limits,
        ) {
            *best = Some(match best.take() {
                Some(most) => better(most, split),
                None => split,
            });
        }
    }
}

/// The split that gains more; of equals the one of the earlier feature.
fn better(left: Split, right: Split) -> Split {
    if right.gain > left.gain || (right.gain == left.gain && right.feature < left.feature) {
        right
    } else {
        left
    }
}

fn sum_all(order: &[u32], gradients: &[[f32; 2]]) -> Sums {
    let parts: Vec<Sums> = order
        .par_chunks(PARTITION_CHUNK)
        .map(|rows| {
            rows.iter().fold(Sums::default(), |sums, &row| {
                let [gradient, hessian] = gradients[row as usize];
                Sums {
                    gradient: sums.gradient + f64::from(gradient),
                    hessian: sums.hessian + f64::from(hessian),
                }
            })
        })
        .collect();
    parts.iter().fold(Sums::default(), |sums, part| Sums {
        gradient: sums.gradient + part.gradient,
        hessian: sums.hessian + part.hessian,
    })
}

/// Moves the rows that go left to the front, keeping the order on both sides; how many they are.
fn partition(rows: &mut [u32], scratch: &mut [u32], column: &[u8], left_bins: &BinSet) -> usize {
    let mut goes_left = [false; 256];
    for (bin, goes) in goes_left.iter_mut().enumerate() {
        *goes = left_bins.contains(bin as u8);
    }
    let sort_chunk = |rows: &mut [u32], scratch: &mut [u32]| {
        let (mut left, mut right) = (0, 0);
        for at in 0..rows.len() {
            let row = rows[at];
            let goes = goes_left[usize::from(column[row as usize])];
            rows[left] = row;
            scratch[right] = row;
            left += usize::from(goes);
            right += usize::from(!goes);
        }
        left
    };
    if rows.len() <= PARTITION_CHUNK {
        let left = sort_chunk(rows, scratch);
        let right = rows.len() - left;
        rows[left..].copy_from_slice(&scratch[..right]);
        return left;
    }
    let counts: Vec<usize> = rows
        .par_chunks_mut(PARTITION_CHUNK)
        .zip(scratch.par_chunks_mut(PARTITION_CHUNK))
        .map(|(rows, scratch)| sort_chunk(rows, scratch))
        .collect();
    let mut write = 0;
    for (chunk, &left) in counts.iter().enumerate() {
        let start = chunk * PARTITION_CHUNK;
        rows.copy_within(start..start + left, write);
        write += left;
    }
    let all_left = write;
    for (chunk, (scratch, &left)) in scratch.chunks(PARTITION_CHUNK).zip(&counts).enumerate() {
        let size = PARTITION_CHUNK.min(rows.len() - chunk * PARTITION_CHUNK);
        let right = size - left;
        rows[write..write + right].copy_from_slice(&scratch[..right]);
        write += right;
    }
    all_left
}

/// A split as a question about values instead of bins.
fn question(split: &Split, cuts: &Cuts, category_bits: &mut Vec<u32>) -> Question {
    match cuts {
        Cuts::Numeric { upper } => Question::AtMost {
            threshold: upper.get(split.last_left).copied().unwrap_or(f64::INFINITY),
            missing_left: split.missing_left,
        },
        Cuts::Categorical { category_of, .. } => {
            category_question(category_of, &split.left_bins, category_bits)
        }
    }
}

/// The question whether a category is one of those in `left_bins`.
pub(crate) fn category_question(
    category_of: &[u32],
    left_bins: &BinSet,
    category_bits: &mut Vec<u32>,
) -> Question {
    let left: Vec<u32> = category_of
        .iter()
        .enumerate()
        .filter(|(bin, _)| left_bins.contains(*bin as u8))
        .map(|(_, &category)| category)
        .collect();
    let words = left.iter().max().map_or(0, |most| most / 32 + 1);
    let start = category_bits.len();
    category_bits.resize(start + words as usize, 0);
    for category in left {
        category_bits[start + (category / 32) as usize] |= 1 << (category % 32);
    }
    Question::OneOf {
        start: start as u32,
        words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn partition_is_stable_and_loses_no_row_however_many_there_are() {
        for count in [0, 1, 100, PARTITION_CHUNK, 3 * PARTITION_CHUNK + 5] {
            let mut random = Random::new(count as u64);
            let column: Vec<u8> = (0..count).map(|_| random.below(7) as u8).collect();
            let mut left_bins = BinSet::default();
            left_bins.insert(2);
            left_bins.insert(5);
            let mut rows: Vec<u32> = (0..count as u32).collect();
            let mut scratch = vec![0; count];
            let left = partition(&mut rows, &mut scratch, &column, &left_bins);
            let (expected_left, expected_right): (Vec<u32>, Vec<u32>) =
                (0..count as u32).partition(|&row| [2, 5].contains(&column[row as usize]));
            assert_eq!(rows[..left], expected_left);
            assert_eq!(rows[left..], expected_right);
        }
    }
}
