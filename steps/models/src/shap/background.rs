//! SHAP values of trees by putting in the values of background rows.
//!
//! Between a row and one background row a leaf counts only if each feature on its way leads there for
//! at least one of the two. With a features for which only the row does, and b for which only the
//! background row does, the former share `v (a − 1)! b! / (a + b)!` each, the latter
//! `−v a! (b − 1)! / (a + b)!` (Lundberg et al. 2020). Background rows that agree about a leaf count
//! together.

use super::explanation::Explanation;
use super::layout::{Layout, NONE};
use super::{Ensemble, Link, Part, Rows, cells};
use crate::error::ModelError;
use crate::tree::Cell;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Rows explained by one thread at a time.
const CHUNK: usize = 16;
/// Bits of the features on the way to a leaf.
type Mask = u128;
/// Features on the way to a leaf, at most.
const DEEPEST: usize = Mask::BITS as usize;

pub(super) fn explain(
    ensemble: &Ensemble<'_>,
    rows: &Rows<'_>,
    background: &Rows<'_>,
    names: Vec<String>,
) -> Result<Explanation, ModelError> {
    let (features, outputs) = (ensemble.features, ensemble.outputs());
    let background_cells = cells(background.values, 0..background.count);
    let plans: Vec<Plan<'_, '_>> = ensemble
        .parts
        .par_iter()
        .map(|part| Plan::new(part, &background_cells, features, background.count))
        .collect();
    if plans.iter().any(|plan| plan.layout.depth > DEEPEST) {
        return Err(ModelError::NotExplained {
            why: "more than 128 features lead to a leaf",
        });
    }
    let shares = Shares::new(plans.iter().map(|plan| plan.layout.depth).max().unwrap_or(0));
    let margins: Vec<f64> = background_cells
        .chunks(features.max(1))
        .flat_map(|row| ensemble.margins(row))
        .collect();
    let link = |margin: f64| ensemble.link.inverse(margin);
    let base: Vec<f64> = (0..outputs)
        .map(|output| {
            let all = margins.iter().skip(output).step_by(outputs);
            all.map(|margin| link(*margin)).sum::<f64>() / background.count as f64
        })
        .collect();
    let width = features * outputs;
    let mut found = vec![0.0; rows.count * width];
    if width > 0 {
        found
            .par_chunks_mut(CHUNK * width)
            .enumerate()
            .for_each(|(chunk, into)| {
                let cells = cells(rows.values, chunk * CHUNK..chunk * CHUNK + into.len() / width);
                let mut scratch = Scratch::default();
                for (row, into) in cells.chunks(features).zip(into.chunks_mut(width)) {
                    match ensemble.link {
                        Link::Identity => {
                            for plan in &plans {
                                plan.add(row, outputs, background.count, &shares, into, &mut scratch);
                            }
                        }
                        Link::LogOdds | Link::Logarithm => {
                            let own = ensemble.margins(row).first().copied().unwrap_or(0.0);
                            let mut pairs = vec![0.0; background.count * features];
                            for plan in &plans {
                                plan.add_pairs(row, &shares, &mut pairs, features, &mut scratch);
                            }
                            for (pair, margin) in pairs.chunks(features).zip(&margins) {
                                // The margin's shares, as far as they move the prediction.
                                let by = if own == *margin {
                                    1.0
                                } else {
                                    (link(own) - link(*margin)) / (own - margin)
                                };
                                for (into, value) in into.iter_mut().zip(pair) {
                                    *into += value * by / background.count as f64;
                                }
                            }
                        }
                    }
                }
            });
    }
    Ok(Explanation {
        features: names,
        base,
        rows: rows.count,
        values: found,
    })
}

impl Ensemble<'_> {
    /// What the trees add up to for a row, for each output.
    pub(super) fn margins(&self, row: &[Cell]) -> Vec<f64> {
        let mut sums = self.base.clone();
        for part in &self.parts {
            let leaf = part.tree.leaf(|feature| row[feature]);
            for (nth, value) in part.tree.values(leaf).iter().enumerate() {
                sums[part.output + nth] += value * part.scale;
            }
        }
        sums
    }
}

/// `(a − 1)! b! / (a + b)!` for all a and b.
struct Shares {
    side: usize,
    table: Vec<f64>,
}

impl Shares {
    fn new(deepest: usize) -> Self {
        let side = deepest + 1;
        let mut table = vec![0.0; side * side];
        for a in 1..side {
            // 1/a for b = 0, and b/(a + b) times the last for every one more.
            let mut share = 1.0 / a as f64;
            for b in 0..side {
                if b > 0 {
                    share *= b as f64 / (a + b) as f64;
                }
                table[a * side + b] = share;
            }
        }
        Self { side, table }
    }

    fn of(&self, mine: u32, theirs: u32) -> f64 {
        self.table[mine as usize * self.side + theirs as usize]
    }
}

/// A tree with what background rows answer.
struct Plan<'a, 'b> {
    part: &'a Part<'b>,
    layout: Layout,
    leaves: Vec<Leaf>,
}

struct Leaf {
    place: usize,
    leaf: usize,
    /// By slot.
    features: Vec<u32>,
    /// All slots.
    full: Mask,
    /// What background rows answer as this leaf wants, and how many of them.
    patterns: Vec<(Mask, f64)>,
    /// The same for each background row.
    each: Vec<Mask>,
}

#[derive(Default)]
struct Scratch {
    left: Vec<bool>,
    masks: Vec<Mask>,
}

impl<'a, 'b> Plan<'a, 'b> {
    fn new(part: &'a Part<'b>, background: &[Cell], features: usize, count: usize) -> Self {
        let layout = Layout::new(part.tree);
        let mut plan = Self {
            part,
            leaves: Vec::new(),
            layout,
        };
        if plan.layout.depth > DEEPEST {
            return plan;
        }
        for (at, place) in plan.layout.places.iter().enumerate() {
            if place.leaf != NONE {
                let way = plan.layout.way(at);
                plan.leaves.push(Leaf {
                    place: at,
                    leaf: place.leaf as usize,
                    full: way.iter().enumerate().fold(0, |full, (slot, _)| full | 1 << slot),
                    features: way.into_iter().map(|(feature, _)| feature).collect(),
                    patterns: Vec::new(),
                    each: Vec::with_capacity(count),
                });
            }
        }
        let mut scratch = Scratch::default();
        for row in background.chunks(features.max(1)) {
            plan.fill_masks(row, &mut scratch);
            for leaf in &mut plan.leaves {
                leaf.each.push(scratch.masks[leaf.place]);
            }
        }
        for leaf in &mut plan.leaves {
            let mut patterns: BTreeMap<Mask, f64> = BTreeMap::new();
            for mask in &leaf.each {
                *patterns.entry(*mask).or_default() += 1.0;
            }
            leaf.patterns = patterns.into_iter().collect();
        }
        plan
    }

    /// For each place which features on the way there the row answers as it wants.
    fn fill_masks(&self, row: &[Cell], scratch: &mut Scratch) {
        let places = &self.layout.places;
        scratch.left.resize(places.len(), false);
        scratch.masks.resize(places.len(), 0);
        self.layout.directions(self.part.tree, row, &mut scratch.left);
        scratch.masks[0] = 0;
        for (at, place) in places.iter().enumerate().skip(1) {
            let bit = 1 << place.slot;
            let above = scratch.masks[place.parent as usize];
            let met = scratch.left[place.parent as usize] == place.on_left;
            scratch.masks[at] = match (place.previous == NONE, met) {
                (true, true) => above | bit,
                (false, false) => above & !bit,
                _ => above,
            };
        }
    }

    fn add(
        &self,
        row: &[Cell],
        outputs: usize,
        count: usize,
        shares: &Shares,
        into: &mut [f64],
        scratch: &mut Scratch,
    ) {
        self.fill_masks(row, scratch);
        for leaf in &self.leaves {
            let mine = scratch.masks[leaf.place];
            let values = self.part.tree.values(leaf.leaf);
            for (theirs, rows) in &leaf.patterns {
                let weight = rows / count as f64 * self.part.scale;
                leaf.share_out(mine, *theirs, shares, |feature, share| {
                    let place = feature as usize * outputs + self.part.output;
                    for (into, value) in into[place..].iter_mut().zip(values) {
                        *into += share * value * weight;
                    }
                });
            }
        }
    }

    /// The same for each background row by itself, of the tree's one output.
    fn add_pairs(
        &self,
        row: &[Cell],
        shares: &Shares,
        pairs: &mut [f64],
        features: usize,
        scratch: &mut Scratch,
    ) {
        self.fill_masks(row, scratch);
        for leaf in &self.leaves {
            let mine = scratch.masks[leaf.place];
            let value = self.part.tree.values(leaf.leaf).first().copied().unwrap_or(0.0) * self.part.scale;
            for (theirs, into) in leaf.each.iter().zip(pairs.chunks_mut(features)) {
                leaf.share_out(mine, *theirs, shares, |feature, share| {
                    into[feature as usize] += share * value;
                });
            }
        }
    }
}

impl Leaf {
    /// Calls `give` with every feature that decides between a row and a background row, and its share
    /// of a leaf of value 1.
    #[inline]
    fn share_out(&self, mine: Mask, theirs: Mask, shares: &Shares, mut give: impl FnMut(u32, f64)) {
        if mine | theirs != self.full || mine == theirs {
            return;
        }
        let (only_mine, only_theirs) = (mine & !theirs, theirs & !mine);
        let (a, b) = (only_mine.count_ones(), only_theirs.count_ones());
        for (mut bits, share) in [(only_mine, shares.of(a, b)), (only_theirs, -shares.of(b, a))] {
            while bits != 0 {
                let slot = bits.trailing_zeros() as usize;
                give(self.features[slot], share);
                bits &= bits - 1;
            }
        }
    }
}
