//! Path-dependent SHAP values of trees, in time that grows with the number of leaves times their depth.
//!
//! With `o` of 1 where a row answers all questions of a feature on the way to a leaf, else 0, and `z`
//! the share of training rows that do, the Shapley value of feature i in a leaf of value v is
//! `v (o_i − z_i) ∫₀¹ ∏_{j≠i} (o_j t + z_j (1 − t)) dt`, since `∫ tᵏ(1 − t)ᵐ dt = k! m! / (k + m + 1)!`
//! are the weights of coalitions. The integrand is a polynomial, so a few points integrate it exactly
//! (Gauss and Legendre); at each point the products are shared along the branches and the sums over
//! leaves are collected on the way back, as in Linear TreeSHAP (Yu et al. 2022), here without
//! differences of large terms.

use super::explanation::Explanation;
use super::layout::{Layout, NONE};
use super::quadrature::Quadrature;
use super::{Ensemble, Part, cells};
use crate::features::Aligned;
use crate::tree::Cell;
use rayon::prelude::*;

/// Rows explained by one thread at a time.
const CHUNK: usize = 64;
/// Points of integration that are handled together.
const LANES: usize = 4;

type Lane = [f64; LANES];

pub(super) fn explain(
    ensemble: &Ensemble<'_>,
    values: &[Aligned<'_>],
    rows: usize,
    names: Vec<String>,
) -> Explanation {
    let outputs = ensemble.outputs();
    let plans: Vec<Plan<'_, '_>> = ensemble.parts.par_iter().map(Plan::new).collect();
    let mut base = ensemble.base.clone();
    for plan in &plans {
        for (nth, mean) in plan.layout.mean.iter().enumerate() {
            base[plan.part.output + nth] += mean * plan.part.scale;
        }
    }
    let width = ensemble.features * outputs;
    let mut found = vec![0.0; rows * width];
    if width > 0 {
        found
            .par_chunks_mut(CHUNK * width)
            .enumerate()
            .for_each(|(chunk, into)| {
                let count = into.len() / width;
                let cells = cells(values, chunk * CHUNK..chunk * CHUNK + count);
                let mut scratch = Scratch::default();
                for plan in &plans {
                    for (row, into) in into.chunks_mut(width).enumerate() {
                        let row = &cells[row * ensemble.features..(row + 1) * ensemble.features];
                        plan.add(row, outputs, into, &mut scratch);
                    }
                }
            });
    }
    Explanation {
        features: names,
        base,
        rows,
        values: found,
    }
}

/// A tree with everything that does not depend on the row.
struct Plan<'a, 'b> {
    part: &'a Part<'b>,
    layout: Layout,
    /// Lanes of points.
    blocks: usize,
    /// For each place and each [`Step`] what the product of its parent is multiplied by.
    factors: Vec<Lane>,
    /// For each place and each of the first two steps what the sums below it are multiplied by.
    gathers: Vec<Lane>,
}

/// How a row stands to the questions of an edge's feature: answered as this branch wants before and
/// at this edge, only before, or not even before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Stays = 0,
    Leaves = 1,
    Gone = 2,
}

const STEPS: usize = 3;
const GATHERED: usize = 2;

#[derive(Default)]
struct Scratch {
    left: Vec<bool>,
    /// Whether a row answers all questions of the edge's feature up to the place.
    met: Vec<bool>,
    steps: Vec<u8>,
    products: Vec<Lane>,
    sums: Vec<Lane>,
}

impl<'a, 'b> Plan<'a, 'b> {
    fn new(part: &'a Part<'b>) -> Self {
        let layout = Layout::new(part.tree);
        // A product of one feature less than the deepest way has, exact with half as many points.
        let blocks = layout.depth.div_ceil(2).max(1).div_ceil(LANES);
        let rule = Quadrature::new(blocks * LANES);
        let mut factors = Vec::with_capacity(layout.places.len() * STEPS * blocks);
        let mut gathers = Vec::with_capacity(layout.places.len() * GATHERED * blocks);
        for place in &layout.places {
            let share = place.share;
            let before = layout
                .places
                .get(place.previous as usize)
                .map(|before| before.share);
            let stays = |share: f64, q: usize| rule.at[q] + share * rule.rest[q];
            // What the feature's earlier edges have put into the product of the parent.
            let earlier = |q: usize| before.map_or(1.0, |before| stays(before, q));
            let gone = before.map_or(0.0, |before| if before > 0.0 { share / before } else { 0.0 });
            let push = |of: &dyn Fn(usize) -> f64, into: &mut Vec<Lane>| {
                for block in 0..blocks {
                    into.push(std::array::from_fn(|lane| of(block * LANES + lane)));
                }
            };
            push(&|q| stays(share, q) / earlier(q), &mut factors);
            push(&|q| share * rule.rest[q] / earlier(q), &mut factors);
            push(&|_| gone, &mut factors);
            let gathered_before =
                |q: usize| before.map_or(0.0, |before| rule.weights[q] * (1.0 - before) / stays(before, q));
            push(
                &|q| rule.weights[q] * (1.0 - share) / stays(share, q) - gathered_before(q),
                &mut gathers,
            );
            push(
                &|q| -rule.weights[q] / rule.rest[q] - gathered_before(q),
                &mut gathers,
            );
        }
        Self {
            part,
            layout,
            blocks,
            factors,
            gathers,
        }
    }

    /// Adds the values of a row.
    fn add(&self, row: &[Cell], outputs: usize, into: &mut [f64], scratch: &mut Scratch) {
        let (places, blocks) = (&self.layout.places, self.blocks);
        let numbers = self.part.tree.outputs;
        scratch.left.resize(places.len(), false);
        scratch.met.resize(places.len(), true);
        scratch.steps.resize(places.len(), 0);
        scratch.products.resize(places.len() * blocks, [1.0; LANES]);
        scratch.sums.clear();
        scratch.sums.resize(places.len() * blocks * numbers, [0.0; LANES]);
        let Scratch {
            left,
            met,
            steps,
            products,
            sums,
        } = scratch;
        self.layout.directions(self.part.tree, row, left);
        products[..blocks].fill([1.0; LANES]);
        met[0] = true;
        for (at, place) in places.iter().enumerate().skip(1) {
            let parent = place.parent as usize;
            let before = place.previous == NONE || met[place.previous as usize];
            met[at] = before && left[parent] == place.on_left;
            let step = match (before, met[at]) {
                (true, true) => Step::Stays,
                (true, false) => Step::Leaves,
                (false, _) => Step::Gone,
            };
            steps[at] = step as u8;
            let (above, here) = products.split_at_mut(at * blocks);
            let factors = &self.factors[(at * STEPS + step as usize) * blocks..][..blocks];
            for ((here, above), factor) in here.iter_mut().zip(&above[parent * blocks..]).zip(factors) {
                for lane in 0..LANES {
                    here[lane] = above[lane] * factor[lane];
                }
            }
        }
        for (at, place) in places.iter().enumerate().skip(1).rev() {
            let parent = place.parent as usize;
            let (above, here) = sums.split_at_mut(at * blocks * numbers);
            let here = &mut here[..blocks * numbers];
            if place.leaf != NONE {
                let values = self.part.tree.values(place.leaf as usize);
                for (here, value) in here.chunks_mut(blocks).zip(values) {
                    for (here, product) in here.iter_mut().zip(&products[at * blocks..]) {
                        for lane in 0..LANES {
                            here[lane] = product[lane] * value;
                        }
                    }
                }
            }
            let step = usize::from(steps[at]);
            if step < GATHERED {
                let gathers = &self.gathers[(at * GATHERED + step) * blocks..][..blocks];
                let place_of = place.feature as usize * outputs + self.part.output;
                for (nth, here) in here.chunks(blocks).enumerate() {
                    let mut sum = [0.0; LANES];
                    for (here, gather) in here.iter().zip(gathers) {
                        for lane in 0..LANES {
                            sum[lane] += here[lane] * gather[lane];
                        }
                    }
                    into[place_of + nth] += sum.iter().sum::<f64>() * self.part.scale;
                }
            }
            let above = &mut above[parent * blocks * numbers..][..blocks * numbers];
            for (above, here) in above.iter_mut().zip(here) {
                for lane in 0..LANES {
                    above[lane] += here[lane];
                }
            }
        }
    }
}
