//! Minimal cost-complexity pruning (Breiman, Friedman, Olshen and Stone 1984, chapter 3).

use crate::tree::{Child, Tree};

/// Which nodes are kept: the subtree with the least impurity plus `alpha` times its leaves.
///
/// `gains`: impurity that each node's split takes away, as a share of the weight of all rows.
/// Collapsing the node whose branch takes away least by leaf comes first, until every branch takes
/// away more than `alpha` by leaf. A branch's worth depends on what is below it alone, so going
/// from the leaves to the root once, each branch pruned to its own best, gives the same tree.
pub(super) fn prune(tree: &Tree, gains: &[f64], alpha: f64) -> Vec<bool> {
    let mut kept = vec![true; tree.nodes.len()];
    // For each node what its pruned branch gains in all, and its leaves beyond one.
    let mut branch: Vec<(f64, usize)> = vec![(0.0, 0); tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate().rev() {
        let (mut gain, mut splits) = (gains[at], 1);
        for child in [node.left, node.right] {
            if let Child::Node(child) = child
                && kept[child as usize]
            {
                let (below, more) = branch[child as usize];
                gain += below;
                splits += more;
            }
        }
        // As scikit-learn: a branch worth exactly alpha goes.
        if gain <= alpha * splits as f64 {
            kept[at] = false;
        } else {
            branch[at] = (gain, splits);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Node, Question};

    /// Root 0 with nodes 1 and 2; node 3 below 2.
    fn tree() -> Tree {
        let node = |left, right| Node {
            feature: 0,
            question: Question::AtMost {
                threshold: 0.0,
                missing_left: false,
            },
            left,
            right,
            gain: 0.0,
        };
        Tree {
            nodes: vec![
                node(Child::Node(1), Child::Node(2)),
                node(Child::Leaf(0), Child::Leaf(1)),
                node(Child::Leaf(2), Child::Node(3)),
                node(Child::Leaf(3), Child::Leaf(4)),
            ],
            ..Tree::empty(1)
        }
    }

    #[test]
    fn branches_that_gain_too_little_by_leaf_go() {
        let gains = [0.5, 0.01, 0.02, 0.2];
        assert_eq!(prune(&tree(), &gains, 0.005), [true; 4]);
        assert_eq!(prune(&tree(), &gains, 0.05), [true, false, true, true]);
        // Nodes 2 and 3 gain 0.22 with two splits: 0.11 each.
        assert_eq!(prune(&tree(), &gains, 0.15), [true, false, false, true]);
        assert!(!prune(&tree(), &gains, 0.6)[0]);
    }
}
