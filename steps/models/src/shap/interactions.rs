//! Path-dependent interaction values of trees.
//!
//! As in [`super::path`], the interaction of features i and j in a leaf is
//! `½ v (o_i − z_i)(o_j − z_j) ∫₀¹ ∏_{k≠i,j} (o_k t + z_k (1 − t)) dt`, half of it in each order.

use super::explanation::Interactions;
use super::layout::{Layout, NONE};
use super::quadrature::Quadrature;
use super::{Ensemble, cells};
use crate::features::Aligned;
use rayon::prelude::*;

/// Rows explained by one thread at a time.
const CHUNK: usize = 8;

pub(super) fn explain(
    ensemble: &Ensemble<'_>,
    values: &[Aligned<'_>],
    rows: usize,
    names: Vec<String>,
) -> Interactions {
    let (features, outputs) = (ensemble.features, ensemble.outputs());
    // The diagonal is what remains of a feature's own value.
    let own = super::path::explain(ensemble, values, rows, names);
    let layouts: Vec<(Layout, Ways)> = ensemble
        .parts
        .par_iter()
        .map(|part| {
            let layout = Layout::new(part.tree);
            let ways = (0..layout.places.len())
                .filter(|&at| layout.places[at].leaf != NONE)
                .map(|at| (at, layout.way(at)))
                .collect();
            (layout, ways)
        })
        .collect();
    let deepest = layouts.iter().map(|(layout, _)| layout.depth).max().unwrap_or(0);
    let rules: Vec<Quadrature> = (0..=deepest.div_ceil(2))
        .map(|points| Quadrature::new(points.max(1)))
        .collect();
    let width = features * features * outputs;
    let mut found = vec![0.0; rows * width];
    if width > 0 {
        found
            .par_chunks_mut(CHUNK * width)
            .enumerate()
            .for_each(|(chunk, into)| {
                let start = chunk * CHUNK;
                let cells = cells(values, start..start + into.len() / width);
                let mut left = Vec::new();
                let mut met = Vec::new();
                for (nth, into) in into.chunks_mut(width).enumerate() {
                    let row = &cells[nth * features..(nth + 1) * features];
                    for (part, (layout, ways)) in ensemble.parts.iter().zip(&layouts) {
                        left.resize(layout.places.len(), false);
                        met.resize(layout.places.len(), true);
                        layout.directions(part.tree, row, &mut left);
                        for (at, place) in layout.places.iter().enumerate().skip(1) {
                            let before = place.previous == NONE || met[place.previous as usize];
                            met[at] = before && left[place.parent as usize] == place.on_left;
                        }
                        for (at, way) in ways {
                            let leaf = part.tree.values(layout.places[*at].leaf as usize);
                            let rule = &rules[way.len().div_ceil(2)];
                            let sides: Vec<(f64, f64)> = way
                                .iter()
                                .map(|(_, place)| {
                                    (f64::from(u8::from(met[*place])), layout.places[*place].share)
                                })
                                .collect();
                            for (first, (one, _)) in way.iter().enumerate() {
                                for (second, (other, _)) in way.iter().enumerate().skip(first + 1) {
                                    let weight = pair(&sides, first, second, rule) * part.scale / 2.0;
                                    for (output, value) in leaf.iter().enumerate() {
                                        let output = part.output + output;
                                        for (from, to) in [(*one, *other), (*other, *one)] {
                                            let cell = from as usize * features + to as usize;
                                            into[cell * outputs + output] += weight * value;
                                        }
                                    }
                                }
                            }
                        }
                    }
                    for feature in 0..features {
                        for output in 0..outputs {
                            let cell = |other: usize| (feature * features + other) * outputs + output;
                            let with_others: f64 = (0..features)
                                .filter(|other| *other != feature)
                                .map(|other| into[cell(other)])
                                .sum();
                            let whole = own.value(start + nth, feature, output).unwrap_or(0.0);
                            into[cell(feature)] = whole - with_others;
                        }
                    }
                }
            });
    }
    Interactions {
        features: own.features,
        base: own.base,
        rows,
        values: found,
    }
}

/// Leaves, each with the features on its way and the last place each of them leads to.
type Ways = Vec<(usize, Vec<(u32, usize)>)>;

/// What a pair of features adds together in a leaf of value 1.
fn pair(sides: &[(f64, f64)], first: usize, second: usize, rule: &Quadrature) -> f64 {
    let difference = |at: usize| sides[at].0 - sides[at].1;
    let weight = difference(first) * difference(second);
    if weight == 0.0 {
        return 0.0;
    }
    let product = |q: usize| {
        sides
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != first && *at != second)
            .fold(rule.weights[q], |product, (_, (met, share))| {
                product * (met * rule.at[q] + share * rule.rest[q])
            })
    };
    weight * (0..rule.at.len()).map(product).sum::<f64>()
}
