//! Groups judged by the distances between their points.

use crate::error::ModelError;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Points in groups, checked once; distances are Euclidean.
#[derive(Clone, Debug)]
pub struct Clusters<'a> {
    points: &'a [f64],
    dimensions: usize,
    /// Groups numbered from 0 without gaps.
    groups: Vec<usize>,
    sizes: Vec<usize>,
}

impl<'a> Clusters<'a> {
    /// `points` one after the other, `dimensions` numbers each; `groups` may be any numbers.
    ///
    /// # Errors
    /// `LengthMismatch`, `NotFinite`, `Clusters` unless there are at least two groups and more points
    /// than groups.
    pub fn new(points: &'a [f64], dimensions: usize, groups: &[u32]) -> Result<Self, ModelError> {
        if dimensions == 0 || points.len() != groups.len() * dimensions {
            return Err(ModelError::LengthMismatch {
                left_name: "the points",
                left: points.len().checked_div(dimensions).unwrap_or(0),
                right_name: "the groups",
                right: groups.len(),
            });
        }
        if let Some(at) = points.iter().position(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite {
                what: "point",
                row: at / dimensions,
            });
        }
        let known: Vec<u32> = groups
            .iter()
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        if known.len() < 2 || known.len() >= groups.len() {
            return Err(ModelError::Clusters {
                groups: known.len(),
                rows: groups.len(),
            });
        }
        let mut sizes = vec![0; known.len()];
        let groups = groups
            .iter()
            .map(|group| {
                let group = known.partition_point(|other| other < group);
                sizes[group] += 1;
                group
            })
            .collect();
        Ok(Self {
            points,
            dimensions,
            groups,
            sizes,
        })
    }

    /// Silhouette of each point (Rousseeuw 1987): −1 in the wrong group, 0 between two, 1 well inside
    /// its own; 0 in a group of one. Takes time that grows with the square of the points.
    pub fn silhouettes(&self) -> Vec<f64> {
        self.points
            .par_chunks(self.dimensions)
            .zip(&self.groups)
            .map(|(point, &own)| {
                let mut sums = vec![0.0; self.sizes.len()];
                for (other, &group) in self.points.chunks(self.dimensions).zip(&self.groups) {
                    sums[group] += distance(point, other);
                }
                if self.sizes[own] == 1 {
                    return 0.0;
                }
                let inside = sums[own] / (self.sizes[own] - 1) as f64;
                let nearest = sums
                    .iter()
                    .zip(&self.sizes)
                    .enumerate()
                    .filter(|(group, _)| *group != own)
                    .fold(f64::INFINITY, |least, (_, (sum, size))| {
                        least.min(sum / *size as f64)
                    });
                let most = inside.max(nearest);
                if most > 0.0 {
                    (nearest - inside) / most
                } else {
                    0.0
                }
            })
            .collect()
    }

    /// Mean of [`Clusters::silhouettes`].
    pub fn silhouette(&self) -> f64 {
        let all = self.silhouettes();
        all.iter().sum::<f64>() / all.len() as f64
    }

    /// Spread between groups by spread within them, each by its degrees of freedom (Caliński and
    /// Harabasz 1974); higher is better, 1 if groups have no spread.
    pub fn calinski_harabasz(&self) -> f64 {
        let centres = self.centres();
        let rows = self.groups.len();
        let mean: Vec<f64> = (0..self.dimensions)
            .map(|at| self.points.iter().skip(at).step_by(self.dimensions).sum::<f64>() / rows as f64)
            .collect();
        let between: f64 = centres
            .chunks(self.dimensions)
            .zip(&self.sizes)
            .map(|(centre, size)| *size as f64 * distance(centre, &mean).powi(2))
            .sum();
        let within: f64 = self
            .own_distances(&centres)
            .map(|(_, distance)| distance * distance)
            .sum();
        let groups = self.sizes.len();
        if within > 0.0 {
            between * (rows - groups) as f64 / (within * (groups - 1) as f64)
        } else {
            1.0
        }
    }

    /// Mean over groups of the worst ratio of spreads to distance with another group (Davies and
    /// Bouldin 1979); lower is better, from 0.
    pub fn davies_bouldin(&self) -> f64 {
        let centres = self.centres();
        let mut spreads = vec![0.0; self.sizes.len()];
        for (group, distance) in self.own_distances(&centres) {
            spreads[group] += distance / self.sizes[group] as f64;
        }
        let centre = |group: usize| &centres[group * self.dimensions..(group + 1) * self.dimensions];
        let worst = |group: usize| {
            (0..self.sizes.len())
                .map(|other| {
                    (
                        distance(centre(group), centre(other)),
                        spreads[group] + spreads[other],
                    )
                })
                .filter(|(apart, _)| *apart > 0.0)
                .fold(0.0, |most: f64, (apart, spread)| most.max(spread / apart))
        };
        (0..self.sizes.len()).map(worst).sum::<f64>() / self.sizes.len() as f64
    }

    fn centres(&self) -> Vec<f64> {
        let mut centres = vec![0.0; self.sizes.len() * self.dimensions];
        for (point, &group) in self.points.chunks(self.dimensions).zip(&self.groups) {
            let centre = &mut centres[group * self.dimensions..(group + 1) * self.dimensions];
            centre
                .iter_mut()
                .zip(point)
                .for_each(|(sum, value)| *sum += value);
        }
        for (centre, size) in centres.chunks_mut(self.dimensions).zip(&self.sizes) {
            centre.iter_mut().for_each(|sum| *sum /= *size as f64);
        }
        centres
    }

    /// Group of each point and its distance to that group's centre.
    fn own_distances<'b>(&'b self, centres: &'b [f64]) -> impl Iterator<Item = (usize, f64)> + 'b {
        self.points
            .chunks(self.dimensions)
            .zip(&self.groups)
            .map(move |(point, &group)| {
                let centre = &centres[group * self.dimensions..(group + 1) * self.dimensions];
                (group, distance(point, centre))
            })
    }
}

fn distance(left: &[f64], right: &[f64]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(l, r)| (l - r) * (l - r))
        .sum::<f64>()
        .sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_group_or_a_group_for_each_point_cannot_be_judged() {
        assert!(Clusters::new(&[1.0, 2.0, 3.0], 1, &[0, 0, 0]).is_err());
        assert!(Clusters::new(&[1.0, 2.0, 3.0], 1, &[0, 1, 2]).is_err());
        assert!(Clusters::new(&[1.0, 2.0, 3.0], 2, &[0, 1, 1]).is_err());
        assert!(Clusters::new(&[1.0, f64::NAN, 3.0], 1, &[0, 1, 1]).is_err());
    }

    #[test]
    fn points_that_all_coincide_have_no_silhouette() {
        let same = Clusters::new(&[1.0; 4], 1, &[3, 3, 9, 9]).unwrap();
        assert_eq!(same.silhouette(), 0.0);
        assert_eq!((same.calinski_harabasz(), same.davies_bouldin()), (1.0, 0.0));
    }
}
