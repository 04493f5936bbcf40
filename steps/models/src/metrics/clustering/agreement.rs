//! Groups beside known classes.

use crate::error::ModelError;
use crate::metrics::student::ln_gamma;
use std::collections::BTreeMap;

/// How often each class and each group meet.
#[derive(Clone, Debug)]
pub struct Agreement {
    rows: u64,
    classes: Vec<u64>,
    groups: Vec<u64>,
    /// (class, group, rows) where there are rows.
    cells: Vec<(usize, usize, u64)>,
}

/// What mutual information is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InformationAverage {
    Min,
    Geometric,
    Arithmetic,
    Max,
}

impl InformationAverage {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Min => left.min(right),
            Self::Geometric => (left * right).sqrt(),
            Self::Arithmetic => (left + right) / 2.0,
            Self::Max => left.max(right),
        }
    }
}

impl Agreement {
    /// Classes and groups of the same rows; both may be any numbers.
    ///
    /// # Errors
    /// `NoRows`, `LengthMismatch`.
    pub fn new(classes: &[u32], groups: &[u32]) -> Result<Self, ModelError> {
        if classes.len() != groups.len() {
            return Err(ModelError::LengthMismatch {
                left_name: "the groups",
                left: groups.len(),
                right_name: "the label",
                right: classes.len(),
            });
        }
        if classes.is_empty() {
            return Err(ModelError::NoRows { doing: "measure" });
        }
        let counted = |labels: &[u32]| {
            let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
            labels
                .iter()
                .for_each(|label| *counts.entry(*label).or_default() += 1);
            counts
        };
        let (of_class, of_group) = (counted(classes), counted(groups));
        let place = |counts: &BTreeMap<u32, u64>| -> BTreeMap<u32, usize> {
            counts
                .keys()
                .enumerate()
                .map(|(at, label)| (*label, at))
                .collect()
        };
        let (class_at, group_at) = (place(&of_class), place(&of_group));
        let mut cells: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for (class, group) in classes.iter().zip(groups) {
            *cells.entry((class_at[class], group_at[group])).or_default() += 1;
        }
        Ok(Self {
            rows: classes.len() as u64,
            classes: of_class.into_values().collect(),
            groups: of_group.into_values().collect(),
            cells: cells
                .into_iter()
                .map(|((class, group), rows)| (class, group, rows))
                .collect(),
        })
    }

    /// Adjusted Rand index (Hubert and Arabie 1985): 1 the same groups, 0 as good as chance.
    pub fn adjusted_rand(&self) -> f64 {
        let squares = |counts: &mut dyn Iterator<Item = u64>| -> f64 {
            counts
                .map(|count| u128::from(count) * u128::from(count))
                .sum::<u128>() as f64
        };
        let n = self.rows as f64;
        let both = squares(&mut self.cells.iter().map(|cell| cell.2));
        let class = squares(&mut self.classes.iter().copied());
        let group = squares(&mut self.groups.iter().copied());
        // Pairs that are together in both, in one alone and in neither, each counted twice.
        let (together, in_class, in_group) = (both - n, class - both, group - both);
        let neither = n * n - both - in_class - in_group;
        if in_class == 0.0 && in_group == 0.0 {
            return 1.0;
        }
        2.0 * (together * neither - in_class * in_group)
            / ((together + in_class) * (in_class + neither) + (together + in_group) * (in_group + neither))
    }

    /// Mutual information of class and group, natural logarithm.
    pub fn mutual_information(&self) -> f64 {
        if self.classes.len() == 1 || self.groups.len() == 1 {
            return 0.0;
        }
        let n = self.rows as f64;
        let terms = self.cells.iter().map(|&(class, group, rows)| {
            let (rows, product) = (
                rows as f64,
                self.classes[class] as f64 * self.groups[group] as f64,
            );
            rows / n * (n * rows / product).ln()
        });
        terms.sum::<f64>().max(0.0)
    }

    /// Mutual information as a share of the entropies (Strehl and Ghosh 2002); 1 if neither side is
    /// split at all.
    pub fn normalised_mutual_information(&self, average: InformationAverage) -> f64 {
        if self.classes.len() == 1 && self.groups.len() == 1 {
            return 1.0;
        }
        let information = self.mutual_information();
        if information <= f64::EPSILON {
            return 0.0;
        }
        information
            / average.of(
                entropy(&self.classes, self.rows),
                entropy(&self.groups, self.rows),
            )
    }

    /// Normalised mutual information beyond what chance gives (Vinh, Epps and Bailey 2010); 1 where
    /// chance gives all there is.
    pub fn adjusted_mutual_information(&self, average: InformationAverage) -> f64 {
        match (self.classes.len(), self.groups.len()) {
            (1, 1) => return 1.0,
            (1, _) | (_, 1) => return 0.0,
            _ => {}
        }
        let expected = self.expected_information();
        let entropies = average.of(
            entropy(&self.classes, self.rows),
            entropy(&self.groups, self.rows),
        );
        // What is left beyond chance is then rounding alone, on both sides of the quotient.
        if (entropies - expected).abs() < 1e-12 {
            return 1.0;
        }
        (self.mutual_information() - expected) / (entropies - expected)
    }

    /// Share of a class's entropy that its group tells: 1 if every group has one class only
    /// (Rosenberg and Hirschberg 2007).
    pub fn homogeneity(&self) -> f64 {
        self.told(&self.classes)
    }

    /// Share of a group's entropy that its class tells: 1 if every class is in one group only.
    pub fn completeness(&self) -> f64 {
        self.told(&self.groups)
    }

    /// Weighted harmonic mean of homogeneity and completeness, which counts `beta` times as much.
    pub fn v_measure(&self, beta: f64) -> f64 {
        let (homogeneity, completeness) = (self.homogeneity(), self.completeness());
        if homogeneity + completeness == 0.0 {
            return 0.0;
        }
        (1.0 + beta) * homogeneity * completeness / (beta * homogeneity + completeness)
    }

    fn told(&self, side: &[u64]) -> f64 {
        let entropy = entropy(side, self.rows);
        if entropy > 0.0 {
            self.mutual_information() / entropy
        } else {
            1.0
        }
    }

    /// Mean mutual information over all ways to assign the rows with these sizes of classes and
    /// groups: a sum over hypergeometric probabilities.
    fn expected_information(&self) -> f64 {
        let n = self.rows as f64;
        let ln_factorial = |count: f64| ln_gamma(count + 1.0);
        let mut sum = 0.0;
        for &class in &self.classes {
            for &group in &self.groups {
                let (a, b) = (class as f64, group as f64);
                let fixed = ln_factorial(a) + ln_factorial(b) + ln_factorial(n - a) + ln_factorial(n - b)
                    - ln_factorial(n);
                for both in 1.max((class + group).saturating_sub(self.rows))..=class.min(group) {
                    let k = both as f64;
                    let probability = fixed
                        - ln_factorial(k)
                        - ln_factorial(a - k)
                        - ln_factorial(b - k)
                        - ln_factorial(n - a - b + k);
                    sum += k / n * (n * k / (a * b)).ln() * probability.exp();
                }
            }
        }
        sum
    }
}

fn entropy(counts: &[u64], rows: u64) -> f64 {
    let share = |count: &u64| *count as f64 / rows as f64;
    -counts
        .iter()
        .map(|count| share(count) * share(count).ln())
        .sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_groups_do_not_matter() {
        let same = Agreement::new(&[0, 0, 1, 1, 2], &[7, 7, 3, 3, 5]).unwrap();
        assert_eq!(
            (same.adjusted_rand(), same.homogeneity(), same.completeness()),
            (1.0, 1.0, 1.0)
        );
        assert!((same.adjusted_mutual_information(InformationAverage::Arithmetic) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_split_agrees_wholly() {
        let one = Agreement::new(&[4, 4], &[1, 1]).unwrap();
        assert_eq!(one.adjusted_rand(), 1.0);
        assert_eq!(one.normalised_mutual_information(InformationAverage::Max), 1.0);
        assert_eq!(one.v_measure(1.0), 1.0);
        assert!(Agreement::new(&[], &[]).is_err());
    }
}
