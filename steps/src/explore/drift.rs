//! How columns differ between parts of the table.

use super::relations::Sampled;
use super::sample::Values;
use serde::Serialize;
use trainyard_models::statistics::{
    Contingency, QuantileBins, kolmogorov_smirnov, moments, population_stability, wasserstein,
};

/// Bins of the reference for the stability index.
const BINS: usize = 10;
/// Parts compared with the reference; the most frequent of more.
const MOST_PARTS: usize = 6;

/// Parts of the table beside a reference part.
#[derive(Debug, Serialize)]
pub(super) struct Drift {
    /// The column that says which part a row is in.
    pub(super) by: String,
    pub(super) reference: Part,
    pub(super) parts: Vec<Part>,
    /// A column in a part, furthest away first.
    pub(super) columns: Vec<Change>,
}

/// Rows that belong together.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Part {
    pub(super) name: String,
    /// Sampled rows of it.
    pub(super) rows: usize,
}

/// How a column of a part differs from the reference.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub(super) column: String,
    pub(super) part: String,
    /// Values compared: of the reference, and of the part.
    pub(super) rows: [usize; 2],
    /// Population stability index over tenths of the reference, or over categories; missing values are one more bin.
    pub(super) psi: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kolmogorov_smirnov: Option<Test>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) chi_squared: Option<Test>,
    /// In the column's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wasserstein: Option<f64>,
    /// Means of the reference and the part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) means: Option<[f64; 2]>,
    /// The difference of the means in standard deviations of the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mean_shift: Option<f64>,
}

/// A test of no difference.
#[derive(Debug, Serialize)]
pub(super) struct Test {
    pub(super) statistic: f64,
    pub(super) p_value: f64,
}

/// Which part each sampled row is in.
pub(super) struct Parts {
    pub(super) codes: Vec<Option<u32>>,
    pub(super) names: Vec<String>,
}

impl Parts {
    /// The earlier and the later half of moments; `None` if all are the same.
    pub(super) fn halves(moments: &[Option<i64>]) -> Option<Self> {
        let mut sorted: Vec<i64> = moments.iter().flatten().copied().collect();
        sorted.sort_unstable();
        let middle = *sorted.get(sorted.len() / 2)?;
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        if first == last {
            return None;
        }
        // Equal moments stay together, on the side that keeps both halves inhabited.
        let later = |moment: i64| {
            if middle > first {
                moment >= middle
            } else {
                moment > middle
            }
        };
        Some(Self {
            codes: moments
                .iter()
                .map(|moment| moment.map(|moment| u32::from(later(moment))))
                .collect(),
            names: vec!["the earlier half".to_owned(), "the later half".to_owned()],
        })
    }
}

impl Drift {
    /// Each part beside `reference` (default: the first one); `None` if there are not two.
    pub(super) fn of(by: &str, parts: &Parts, reference: Option<&str>, columns: &[Sampled]) -> Option<Self> {
        let chosen = match reference {
            Some(name) => parts.names.iter().position(|other| other == name)?,
            None => 0,
        };
        let of_part = |part: usize| -> Vec<usize> {
            let rows = parts.codes.iter().enumerate();
            rows.filter(|(_, code)| **code == Some(part as u32))
                .map(|(row, _)| row)
                .collect()
        };
        let base = of_part(chosen);
        let mut drift = Self {
            by: by.to_owned(),
            reference: Part {
                name: parts.names[chosen].clone(),
                rows: base.len(),
            },
            parts: Vec::new(),
            columns: Vec::new(),
        };
        for (at, name) in parts
            .names
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != chosen)
            .take(MOST_PARTS)
        {
            let rows = of_part(at);
            drift.parts.push(Part {
                name: name.clone(),
                rows: rows.len(),
            });
            let others = columns.iter().filter(|column| column.name != by);
            drift
                .columns
                .extend(others.filter_map(|column| Change::of(column, name, &base, &rows)));
        }
        drift.columns.sort_by(|a, b| {
            b.psi
                .total_cmp(&a.psi)
                .then_with(|| (&a.column, &a.part).cmp(&(&b.column, &b.part)))
        });
        (!drift.parts.is_empty()).then_some(drift)
    }
}

impl Change {
    /// How a column in `rows` differs from itself in `base`; `None` if one of them is empty.
    pub(super) fn of(column: &Sampled, part: &str, base: &[usize], rows: &[usize]) -> Option<Self> {
        let mut change = Self {
            column: column.name.clone(),
            part: part.to_owned(),
            rows: [0, 0],
            psi: 0.0,
            kolmogorov_smirnov: None,
            chi_squared: None,
            wasserstein: None,
            means: None,
            mean_shift: None,
        };
        let mut counts = match &column.values {
            Values::Numbers(numbers) => {
                let sorted = |rows: &[usize]| {
                    let mut values: Vec<f64> = rows
                        .iter()
                        .map(|row| numbers[*row])
                        .filter(|value| !value.is_nan())
                        .collect();
                    values.sort_unstable_by(f64::total_cmp);
                    values
                };
                let (left, right) = (sorted(base), sorted(rows));
                change.rows = [left.len(), right.len()];
                change.kolmogorov_smirnov = kolmogorov_smirnov(&left, &right).map(|found| Test {
                    statistic: found.statistic,
                    p_value: found.p_value,
                });
                change.wasserstein = wasserstein(&left, &right);
                if let (Some(was), Some(is)) = (moments(&left), moments(&right)) {
                    change.means = Some([was.mean, is.mean]);
                    let scale = was.deviation.filter(|deviation| *deviation > 0.0);
                    change.mean_shift = match scale {
                        Some(scale) => Some((is.mean - was.mean) / scale),
                        None => (is.mean == was.mean).then_some(0.0),
                    };
                }
                let bins = QuantileBins::of(&left, BINS);
                [bins.count(left), bins.count(right)]
            }
            Values::Categories(categories) => {
                let counted = |rows: &[usize]| {
                    let mut counts = vec![0u64; categories.names.len()];
                    for code in rows.iter().filter_map(|row| categories.codes[*row]) {
                        counts[code as usize] += 1;
                    }
                    counts
                };
                let counts = [counted(base), counted(rows)];
                change.rows = [0, 1].map(|side| counts[side].iter().sum::<u64>() as usize);
                change.chi_squared = Contingency::of_two(&counts[0], &counts[1])
                    .test()
                    .map(|found| Test {
                        statistic: found.statistic,
                        p_value: found.p_value,
                    });
                counts
            }
        };
        let all = [base.len(), rows.len()];
        for side in 0..2 {
            counts[side].push((all[side] - change.rows[side]) as u64);
        }
        if counts.iter().all(|counts| counts.last() == Some(&0)) {
            counts.iter_mut().for_each(|counts| {
                counts.pop();
            });
        }
        change.psi = population_stability(&counts[0], &counts[1])?;
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(name: &str, values: Vec<f64>) -> Sampled {
        Sampled {
            name: name.to_owned(),
            values: Values::Numbers(values),
        }
    }

    #[test]
    fn the_column_that_moved_comes_first() {
        let still = numbers("still", (0..200).map(|row| f64::from(row % 10)).collect());
        let moved = numbers(
            "moved",
            (0..200)
                .map(|row| f64::from(row % 10 + if row < 100 { 0 } else { 8 }))
                .collect(),
        );
        let moments: Vec<Option<i64>> = (0..200).map(Some).collect();
        let parts = Parts::halves(&moments).unwrap();
        let drift = Drift::of("time", &parts, None, &[still, moved]).unwrap();
        let found: Vec<(&str, bool)> = drift
            .columns
            .iter()
            .map(|c| (c.column.as_str(), c.psi > 0.25))
            .collect();
        assert_eq!(found, [("moved", true), ("still", false)]);
        assert_eq!(drift.columns[0].means, Some([4.5, 12.5]));
        assert!((drift.columns[0].wasserstein.unwrap() - 8.0).abs() < 1e-12);
        assert_eq!((drift.reference.rows, drift.parts[0].rows), (100, 100));
    }

    #[test]
    fn values_that_went_missing_are_a_change() {
        let x = numbers(
            "x",
            (0..100)
                .map(|row| {
                    if row >= 50 && row % 2 == 0 {
                        f64::NAN
                    } else {
                        f64::from(row % 5)
                    }
                })
                .collect(),
        );
        let parts = Parts::halves(&(0..100).map(Some).collect::<Vec<_>>()).unwrap();
        let drift = Drift::of("time", &parts, None, &[x]).unwrap();
        assert!(drift.columns[0].psi > 1.0, "{:?}", drift.columns[0]);
    }

    #[test]
    fn equal_moments_are_not_torn_apart() {
        let parts = Parts::halves(&[Some(1), Some(1), Some(1), Some(2)]).unwrap();
        assert_eq!(parts.codes, [Some(0), Some(0), Some(0), Some(1)]);
        assert!(Parts::halves(&[Some(1), Some(1)]).is_none());
    }
}
