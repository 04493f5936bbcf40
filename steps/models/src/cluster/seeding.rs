//! First centers for k-means.

use crate::matrix::{Matrix, squared_distance};
use crate::random::Random;
use rayon::prelude::*;

/// Rows one thread measures at a time.
const CHUNK: usize = 1 << 11;

/// `count` rows far from one another: each is drawn with a chance in proportion to its weight and
/// squared distance from the nearest center so far; of 2 + ln `count` such draws the one is taken
/// that leaves the smallest sum (greedy k-means++: Arthur and Vassilvitskii 2007).
pub(super) fn plus_plus(rows: &Matrix, weights: &[f64], count: usize, random: &mut Random) -> Matrix {
    let trials = 2 + (count as f64).ln() as usize;
    let first = draw(weights, random);
    let mut chosen = vec![first];
    let mut potential = nearer(rows, rows.row(first), None);
    while chosen.len() < count {
        let chances: Vec<f64> = potential.iter().zip(weights).map(|(d, w)| d * w).collect();
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for _ in 0..trials {
            let candidate = draw(&chances, random);
            let left = nearer(rows, rows.row(candidate), Some(&potential));
            let sum: f64 = left.iter().zip(weights).map(|(d, w)| d * w).sum();
            if best.as_ref().is_none_or(|(least, ..)| sum < *least) {
                best = Some((sum, candidate, left));
            }
        }
        if let Some((_, candidate, left)) = best {
            chosen.push(candidate);
            potential = left;
        }
    }
    rows.take(&chosen)
}

/// Squared distances from `center`, or those before where they are smaller.
fn nearer(rows: &Matrix, center: &[f64], before: Option<&[f64]>) -> Vec<f64> {
    let mut distances = vec![0.0; rows.rows()];
    distances
        .par_chunks_mut(CHUNK)
        .enumerate()
        .for_each(|(chunk, distances)| {
            for (row, distance) in (chunk * CHUNK..).zip(distances) {
                *distance = squared_distance(rows.row(row), center);
                if let Some(before) = before {
                    *distance = distance.min(before[row]);
                }
            }
        });
    distances
}

/// A place, drawn in proportion to its chance; uniformly if all chances are 0.
fn draw(chances: &[f64], random: &mut Random) -> usize {
    let total: f64 = chances.iter().sum();
    if total.is_nan() || total <= 0.0 {
        return random.below(chances.len());
    }
    let aim = random.uniform() * total;
    let mut sum = 0.0;
    let mut last = 0;
    for (place, chance) in chances.iter().enumerate() {
        if *chance > 0.0 {
            last = place;
            sum += chance;
            if sum > aim {
                break;
            }
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centers_are_spread_over_far_clouds() {
        // Three clouds of ten rows: each gets one center, whatever the seed.
        let values: Vec<f64> = (0..30)
            .map(|row| f64::from(row % 3) * 1000.0 + f64::from(row / 3))
            .collect();
        let rows = Matrix { columns: 1, values };
        for seed in 0..20 {
            let centers = plus_plus(&rows, &[1.0; 30], 3, &mut Random::new(seed));
            let mut clouds: Vec<i64> = centers.values.iter().map(|c| (c / 1000.0) as i64).collect();
            clouds.sort_unstable();
            assert_eq!(clouds, [0, 1, 2]);
        }
    }

    #[test]
    fn rows_without_weight_are_not_drawn() {
        let mut random = Random::new(3);
        assert!((0..200).all(|_| draw(&[0.0, 1.0, 0.0, 2.0], &mut random) % 2 == 1));
    }
}
