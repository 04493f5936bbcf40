//! Finding near rows: a k-d tree (Friedman, Bentley and Finkel 1977) for few columns, all distances
//! for many, where a tree would look everywhere too.

use super::Metric;
use crate::matrix::Matrix;

/// Rows of a leaf, at most.
const LEAF_ROWS: usize = 24;
/// With more columns all distances are taken.
const MAX_TREE_COLUMNS: usize = 15;

/// A row and how far it is, in the metric's reduced form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Near {
    pub(crate) row: u32,
    pub(crate) distance: f64,
}

impl Near {
    /// Nearer first; of equally near rows the first.
    fn before(&self, other: &Self) -> bool {
        self.distance < other.distance || (self.distance == other.distance && self.row < other.row)
    }
}

/// Rows prepared for searching. What is found does not depend on how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Neighbourhood {
    metric: Metric,
    /// The rows in the order of the leaves.
    points: Matrix,
    /// Their numbers.
    numbers: Vec<u32>,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Node {
    Leaf {
        start: u32,
        end: u32,
    },
    /// Up to `cut` along `axis` left (the next node), else right.
    Split {
        axis: u32,
        cut: f64,
        right: u32,
    },
}

impl Neighbourhood {
    /// Prepares the rows. There must be fewer than 2³².
    pub(crate) fn new(rows: &Matrix, metric: Metric) -> Self {
        let mut order: Vec<u32> = (0..rows.rows() as u32).collect();
        let mut nodes = Vec::new();
        if rows.columns <= MAX_TREE_COLUMNS {
            grow(rows, &mut order, 0, &mut nodes);
        } else {
            nodes.push(Node::Leaf {
                start: 0,
                end: order.len() as u32,
            });
        }
        let places: Vec<usize> = order.iter().map(|&row| row as usize).collect();
        Self {
            metric,
            points: rows.take(&places),
            numbers: order,
            nodes,
        }
    }

    /// The `count` rows nearest to `point`, nearest first; of equally near ones the first rows.
    pub(crate) fn nearest(&self, point: &[f64], count: usize) -> Vec<Near> {
        let count = count.min(self.numbers.len());
        let mut best: Vec<Near> = Vec::with_capacity(count + 1);
        if count == 0 {
            return best;
        }
        let mut gaps = vec![0.0; self.points.columns];
        self.search(0, point, (0.0, f64::INFINITY), &mut gaps, &mut |near| {
            if best.len() < count || best.last().is_some_and(|last| near.before(last)) {
                let at = best.partition_point(|other| other.before(&near));
                best.insert(at, near);
                best.truncate(count);
            }
            if best.len() < count {
                f64::INFINITY
            } else {
                best.last().map_or(f64::INFINITY, |last| last.distance)
            }
        });
        best
    }

    /// All rows within `radius` of `point` (the border included), by number.
    pub(crate) fn within(&self, point: &[f64], radius: f64) -> Vec<u32> {
        let limit = self.metric.reduced(radius);
        let mut found = Vec::new();
        let mut gaps = vec![0.0; self.points.columns];
        self.search(0, point, (0.0, limit), &mut gaps, &mut |near| {
            if near.distance <= limit {
                found.push(near.row);
            }
            limit
        });
        found.sort_unstable();
        found
    }

    /// Shows every row that may be within the limit `visit` last gave, which is `limit` before.
    /// `apart` is the distance between the point and the node's box, `gaps` its part along each axis
    /// (Arya and Mount 1993).
    fn search(
        &self,
        node: usize,
        point: &[f64],
        (apart, mut limit): (f64, f64),
        gaps: &mut [f64],
        visit: &mut impl FnMut(Near) -> f64,
    ) -> f64 {
        match self.nodes[node] {
            Node::Leaf { start, end } => {
                for at in start as usize..end as usize {
                    limit = visit(Near {
                        row: self.numbers[at],
                        distance: self.metric.between_within(self.points.row(at), point, limit),
                    });
                }
                limit
            }
            Node::Split { axis, cut, right } => {
                let axis = axis as usize;
                let (left, right) = (node + 1, right as usize);
                let is_left = point[axis] <= cut;
                let (near, far) = if is_left { (left, right) } else { (right, left) };
                let limit = self.search(near, point, (apart, limit), gaps, visit);
                let old = gaps[axis];
                let gap = self.metric.reduced((point[axis] - cut).abs());
                let farther = apart - old + gap;
                // A little slack: the sum was rounded.
                if farther * (1.0 - 1e-12) <= limit {
                    gaps[axis] = gap;
                    let limit = self.search(far, point, (farther, limit), gaps, visit);
                    gaps[axis] = old;
                    limit
                } else {
                    limit
                }
            }
        }
    }
}

/// Splits rows at the median of the widest axis, until leaves are small or all rows are the same.
fn grow(rows: &Matrix, order: &mut [u32], first: usize, nodes: &mut Vec<Node>) {
    let leaf = Node::Leaf {
        start: first as u32,
        end: (first + order.len()) as u32,
    };
    if order.len() <= LEAF_ROWS {
        nodes.push(leaf);
        return;
    }
    let (mut axis, mut widest) = (0, 0.0);
    for column in 0..rows.columns {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for &row in order.iter() {
            let value = rows.row(row as usize)[column];
            low = low.min(value);
            high = high.max(value);
        }
        if high - low > widest {
            (axis, widest) = (column, high - low);
        }
    }
    let value = |row: u32| rows.row(row as usize)[axis];
    let by_value = |left: &u32, right: &u32| value(*left).total_cmp(&value(*right)).then(left.cmp(right));
    let middle = order.len() / 2;
    order.select_nth_unstable_by(middle, by_value);
    let cut = value(order[middle]);
    // Everything up to the cut goes left; equal values must not be torn apart.
    order.sort_unstable_by(by_value);
    let split = order.partition_point(|&row| value(row) <= cut);
    let split = if split < order.len() {
        split
    } else {
        order.partition_point(|&row| value(row) < cut)
    };
    if split == 0 || widest == 0.0 {
        nodes.push(leaf);
        return;
    }
    let cut = value(order[split - 1]);
    let at = nodes.len();
    nodes.push(leaf);
    let (left, right) = order.split_at_mut(split);
    grow(rows, left, first, nodes);
    nodes[at] = Node::Split {
        axis: axis as u32,
        cut,
        right: nodes.len() as u32,
    };
    grow(rows, right, first + split, nodes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use proptest::prelude::*;

    /// Rows on a coarse grid, so that many are equally near.
    fn grid(rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut random = Random::new(seed);
        Matrix {
            columns,
            values: (0..rows * columns).map(|_| random.below(7) as f64).collect(),
        }
    }

    fn by_definition(rows: &Matrix, metric: Metric, point: &[f64]) -> Vec<Near> {
        let mut all: Vec<Near> = (0..rows.rows())
            .map(|row| Near {
                row: row as u32,
                distance: metric.between(rows.row(row), point),
            })
            .collect();
        all.sort_by(|left, right| {
            left.distance
                .total_cmp(&right.distance)
                .then(left.row.cmp(&right.row))
        });
        all
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_all_distances_find(
            rows in 1usize..200, columns in 1usize..6, seed in 0u64..1000, count in 1usize..12,
            manhattan in any::<bool>(),
        ) {
            let metric = if manhattan { Metric::Manhattan } else { Metric::Euclidean };
            let matrix = grid(rows, columns, seed);
            let neighbourhood = Neighbourhood::new(&matrix, metric);
            let point: Vec<f64> = (0..columns).map(|column| column as f64 + 0.5).collect();
            let mut expected = by_definition(&matrix, metric, &point);
            let within: Vec<u32> = {
                let mut near: Vec<u32> = expected
                    .iter()
                    .filter(|near| near.distance <= metric.reduced(2.5))
                    .map(|near| near.row)
                    .collect();
                near.sort_unstable();
                near
            };
            expected.truncate(count);
            prop_assert_eq!(neighbourhood.nearest(&point, count), expected);
            prop_assert_eq!(neighbourhood.within(&point, 2.5), within);
        }
    }

    #[test]
    fn rows_that_are_all_the_same_are_one_leaf() {
        let same = Matrix {
            columns: 2,
            values: vec![1.0; 2_000],
        };
        let near = Neighbourhood::new(&same, Metric::Euclidean).nearest(&[1.0, 1.0], 3);
        assert_eq!(near.iter().map(|near| near.row).collect::<Vec<u32>>(), [0, 1, 2]);
    }
}
