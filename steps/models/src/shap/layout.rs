//! A tree as the sums over its leaves need it.

use crate::tree::{Cell, Child, Node, Tree};

/// No such place.
pub(super) const NONE: u32 = u32::MAX;

/// One place of a tree: an inner node or a leaf, and the edge that leads to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) parent: u32,
    pub(super) on_left: bool,
    /// The feature asked for at the parent.
    pub(super) feature: u32,
    /// The nearest place above, itself excluded, that the same feature leads to.
    pub(super) previous: u32,
    /// How many other features led here: the place of this edge's feature among them, by their first
    /// appearance.
    pub(super) slot: u32,
    /// Share of the training rows that would come through all edges of this feature so far.
    pub(super) share: f64,
    /// Inner node, or [`NONE`] for a leaf.
    pub(super) node: u32,
    /// Leaf, or [`NONE`] for an inner node.
    pub(super) leaf: u32,
    /// Different features from the root to here.
    pub(super) depth: u32,
}

/// All places of a tree, parents before children; the root is the first.
pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    /// Mean of the leaves over the training rows, for each number in a leaf.
    pub(super) mean: Vec<f64>,
    /// Different features on the way to a leaf, at most.
    pub(super) depth: usize,
}

impl Layout {
    pub(super) fn new(tree: &Tree) -> Self {
        let covers = tree.node_covers();
        let cover = |child: Child| match child {
            Child::Node(node) => covers.get(node as usize).copied().unwrap_or(0.0),
            Child::Leaf(leaf) => tree.covers.get(leaf as usize).copied().unwrap_or(0.0),
        };
        let place = |child: Child| match child {
            Child::Node(node) => (node, NONE),
            Child::Leaf(leaf) => (NONE, leaf),
        };
        let root = if tree.nodes.is_empty() {
            Child::Leaf(0)
        } else {
            Child::Node(0)
        };
        let (node, leaf) = place(root);
        let mut places = vec![Place {
            parent: NONE,
            on_left: false,
            feature: NONE,
            previous: NONE,
            slot: 0,
            share: 1.0,
            node,
            leaf,
            depth: 0,
        }];
        let mut mean = vec![0.0; tree.outputs];
        // Share of the training rows that come to each place.
        let mut reached = vec![1.0];
        let mut at = 0;
        while at < places.len() {
            let here: Place = places[at];
            if here.leaf != NONE {
                for (mean, value) in mean.iter_mut().zip(tree.values(here.leaf as usize)) {
                    *mean += reached[at] * value;
                }
            }
            if let Some(node) = tree.nodes.get(here.node as usize) {
                let (left, right) = (cover(node.left), cover(node.right));
                let whole = left + right;
                // A node that no training row came by says nothing of where rows go.
                let left_share = if whole > 0.0 { left / whole } else { 0.5 };
                let previous = nearest(&places, at, node.feature);
                for (child, on_left, share) in [
                    (node.left, true, left_share),
                    (node.right, false, 1.0 - left_share),
                ] {
                    let (node_index, leaf) = place(child);
                    let before = places.get(previous as usize);
                    places.push(Place {
                        parent: at as u32,
                        on_left,
                        feature: node.feature,
                        previous,
                        slot: before.map_or(here.depth, |before| before.slot),
                        share: before.map_or(1.0, |before| before.share) * share,
                        node: node_index,
                        leaf,
                        depth: here.depth + u32::from(before.is_none()),
                    });
                    reached.push(reached[at] * share);
                }
            }
            at += 1;
        }
        let depth = places.iter().map(|place| place.depth).max().unwrap_or(0);
        Self {
            places,
            mean,
            depth: depth as usize,
        }
    }

    /// Whether a row goes left at each inner place; leaves stay as they are.
    #[inline]
    pub(super) fn directions(&self, tree: &Tree, row: &[Cell], into: &mut [bool]) {
        for (place, into) in self.places.iter().zip(into) {
            if let Some(node) = tree.nodes.get(place.node as usize) {
                *into = goes_left(tree, node, row);
            }
        }
    }

    /// Features on the way to a place in the order of their slots, each with the last place that it
    /// leads to.
    pub(super) fn way(&self, place: usize) -> Vec<(u32, usize)> {
        let mut way: Vec<Option<(u32, usize)>> = vec![None; self.places[place].depth as usize];
        let mut at = place;
        while let Some(here) = self.places.get(at) {
            if here.parent == NONE {
                break;
            }
            if let Some(slot) = way.get_mut(here.slot as usize) {
                slot.get_or_insert((here.feature, at));
            }
            at = here.parent as usize;
        }
        way.into_iter().flatten().collect()
    }
}

#[inline]
fn goes_left(tree: &Tree, node: &Node, row: &[Cell]) -> bool {
    row.get(node.feature as usize)
        .is_some_and(|cell| tree.goes_left(node, *cell))
}

/// The place at or above `at` that the feature leads to.
fn nearest(places: &[Place], mut at: usize, feature: u32) -> u32 {
    while let Some(place) = places.get(at) {
        if place.feature == feature {
            return at as u32;
        }
        at = place.parent as usize;
    }
    NONE
}
