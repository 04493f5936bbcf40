//! The order of categories within a forest: fixed once, from all training rows.
//!
//! Ordering categories anew at every node fits them to the few rows of deep nodes; ordered once,
//! forests predict at least as well (Wright and König 2019).

use super::split::Impurity;
use crate::bins::{Binned, Cuts};

/// Steps of the power iteration; the order needs no more digits.
const ITERATIONS: usize = 50;

/// For each feature the place of each of its bins in that order; empty for numbers.
///
/// For numbers and two classes categories stand in the order of their mean label; for several
/// classes in that of the first principal component of their shares of classes, weighted by their
/// rows (Coppersmith, Hong and Hosking 1999).
pub(super) fn ranks(binned: &Binned, impurity: Impurity, values: &[f64], weights: &[f64]) -> Vec<Vec<u8>> {
    binned
        .cuts
        .iter()
        .zip(&binned.columns)
        .map(|(cuts, column)| match cuts {
            Cuts::Numeric { .. } => Vec::new(),
            Cuts::Categorical { .. } => {
                let keys = match impurity {
                    Impurity::Squared => means(column, cuts.bins(), values, weights),
                    Impurity::Classes(classes, _) => {
                        components(&shares(column, cuts.bins(), classes, values, weights))
                    }
                };
                let mut order: Vec<usize> = (0..cuts.bins()).collect();
                order.sort_by(|&left, &right| keys[left].total_cmp(&keys[right]).then(left.cmp(&right)));
                let mut ranks = vec![0; cuts.bins()];
                for (rank, bin) in order.into_iter().enumerate() {
                    ranks[bin] = rank as u8;
                }
                ranks
            }
        })
        .collect()
}

fn means(column: &[u8], bins: usize, values: &[f64], weights: &[f64]) -> Vec<f64> {
    let mut sums = vec![[0.0; 2]; bins];
    for ((&bin, value), weight) in column.iter().zip(values).zip(weights) {
        let sum = &mut sums[usize::from(bin)];
        sum[0] += value * weight;
        sum[1] += weight;
    }
    sums.iter()
        .map(|[sum, weight]| if *weight > 0.0 { sum / weight } else { 0.0 })
        .collect()
}

/// A category's weight and shares of classes.
struct Shares {
    weight: f64,
    of: Vec<f64>,
}

fn shares(column: &[u8], bins: usize, classes: usize, values: &[f64], weights: &[f64]) -> Vec<Shares> {
    let mut shares: Vec<Shares> = (0..bins)
        .map(|_| Shares {
            weight: 0.0,
            of: vec![0.0; classes],
        })
        .collect();
    for ((&bin, class), weight) in column.iter().zip(values).zip(weights) {
        let shares = &mut shares[usize::from(bin)];
        shares.weight += weight;
        if let Some(share) = shares.of.get_mut(*class as usize) {
            *share += weight;
        }
    }
    for shares in shares.iter_mut().filter(|shares| shares.weight > 0.0) {
        let weight = shares.weight;
        shares.of.iter_mut().for_each(|share| *share /= weight);
    }
    shares
}

fn components(shares: &[Shares]) -> Vec<f64> {
    let classes = shares.first().map_or(0, |shares| shares.of.len());
    let total: f64 = shares.iter().map(|shares| shares.weight).sum();
    let mut mean = vec![0.0; classes];
    for shares in shares {
        for (mean, share) in mean.iter_mut().zip(&shares.of) {
            *mean += share * shares.weight / total;
        }
    }
    let project = |shares: &Shares, direction: &[f64]| -> f64 {
        let entries = shares.of.iter().zip(&mean).zip(direction);
        entries
            .map(|((share, mean), direction)| (share - mean) * direction)
            .sum()
    };
    // Starting from the category that is furthest from the mean.
    let distance = |shares: &Shares| -> f64 {
        let entries = shares.of.iter().zip(&mean);
        shares.weight * entries.map(|(share, mean)| (share - mean).powi(2)).sum::<f64>()
    };
    let furthest = shares.iter().reduce(|most, next| {
        if distance(next) > distance(most) {
            next
        } else {
            most
        }
    });
    let mut direction: Vec<f64> = furthest
        .map(|shares| {
            shares
                .of
                .iter()
                .zip(&mean)
                .map(|(share, mean)| share - mean)
                .collect()
        })
        .unwrap_or_default();
    for _ in 0..ITERATIONS {
        let mut next = vec![0.0; classes];
        for shares in shares {
            let factor = shares.weight * project(shares, &direction);
            for ((next, share), mean) in next.iter_mut().zip(&shares.of).zip(&mean) {
                *next += factor * (share - mean);
            }
        }
        let length = next.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
        if length.is_nan() || length <= 0.0 {
            break;
        }
        next.iter_mut().for_each(|entry| *entry /= length);
        direction = next;
    }
    shares.iter().map(|shares| project(shares, &direction)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forest::Criterion;

    fn binned(column: Vec<u8>, bins: usize) -> Binned {
        let category_of: Vec<u32> = (0..bins as u32 - 1).collect();
        Binned {
            rows: column.len(),
            cuts: vec![Cuts::Categorical {
                bin_of: vec![],
                category_of,
            }],
            columns: vec![column],
        }
    }

    #[test]
    fn categories_stand_in_the_order_of_their_mean_label() {
        let binned = binned(vec![0, 0, 1, 1, 2, 2], 4);
        let found = ranks(
            &binned,
            Impurity::Squared,
            &[5.0, 7.0, 1.0, 1.0, 3.0, 2.0],
            &[1.0; 6],
        );
        // The bin of missing ones has no rows and a mean of 0.
        assert_eq!(found, [vec![3, 1, 2, 0]]);
    }

    #[test]
    fn categories_with_like_shares_of_classes_stand_side_by_side() {
        // Categories 0 and 2 are mostly class 0, 1 and 3 mostly class 2.
        let column = [0u8, 1, 2, 3].repeat(10);
        let class = |row: usize| match (row % 4, row / 4) {
            (0 | 2, 0..8) => 0.0,
            (1 | 3, 0..7) => 2.0,
            _ => 1.0,
        };
        let values: Vec<f64> = (0..40).map(class).collect();
        let found = ranks(
            &binned(column, 5),
            Impurity::Classes(3, Criterion::Gini),
            &values,
            &[1.0; 40],
        );
        let side = |bin: usize| found[0][bin] < 3;
        assert!(
            side(0) == side(2) && side(1) == side(3) && side(0) != side(1),
            "{found:?}"
        );
    }
}
