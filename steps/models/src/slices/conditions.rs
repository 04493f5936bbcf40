//! Columns as conditions.

use crate::frame::{MISSING_CODE, Values};
use crate::metrics::quantile::linear_quantile;

/// What rows of a slice have in common in one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The category.
    Is { column: String, value: String },
    /// One of the categories that are too rare for a condition of their own.
    IsRare { column: String },
    /// A number above `above` (none: from the least on) and up to `up_to` (none: to the greatest).
    Between {
        column: String,
        above: Option<f64>,
        up_to: Option<f64>,
    },
    /// No value.
    IsMissing { column: String },
}

impl Condition {
    /// The column it speaks of.
    pub fn column(&self) -> &str {
        match self {
            Self::Is { column, .. }
            | Self::IsRare { column }
            | Self::Between { column, .. }
            | Self::IsMissing { column } => column,
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Is { column, value } => write!(f, "{column} is {value}"),
            Self::IsRare { column } => write!(f, "{column} is rare"),
            Self::IsMissing { column } => write!(f, "{column} is missing"),
            Self::Between { column, above, up_to } => match (above, up_to) {
                (Some(above), Some(up_to)) => write!(f, "{above} < {column} ≤ {up_to}"),
                (Some(above), None) => write!(f, "{column} > {above}"),
                (None, Some(up_to)) => write!(f, "{column} ≤ {up_to}"),
                (None, None) => write!(f, "{column} is known"),
            },
        }
    }
}

/// A column cut into conditions, of which each row fulfils one.
pub(super) struct Cut {
    pub(super) conditions: Vec<Condition>,
    /// Place of each row's condition.
    pub(super) codes: Vec<u16>,
}

impl Cut {
    /// At most `most` conditions, and one for what is missing: the most frequent categories, the rest
    /// together; or bins of about equal numbers of rows.
    pub(super) fn new(name: &str, values: &Values, most: usize) -> Self {
        let column = || name.to_owned();
        let (mut conditions, codes): (Vec<Condition>, Vec<Option<usize>>) = match values {
            Values::Numeric(numbers) => {
                let bounds = bounds(numbers, most);
                let conditions = (0..=bounds.len())
                    .map(|bin| Condition::Between {
                        column: column(),
                        above: bin.checked_sub(1).map(|below| bounds[below]),
                        up_to: bounds.get(bin).copied(),
                    })
                    .collect();
                let code =
                    |number: &f64| (!number.is_nan()).then(|| bounds.partition_point(|bound| bound < number));
                (conditions, numbers.iter().map(code).collect())
            }
            Values::Categorical { codes, dictionary } => {
                let mut counts = vec![0usize; dictionary.len()];
                for &code in codes.iter().filter(|&&code| code != MISSING_CODE) {
                    counts[code as usize] += 1;
                }
                let mut order: Vec<usize> = (0..dictionary.len()).filter(|&code| counts[code] > 0).collect();
                order.sort_by_key(|&code| (std::cmp::Reverse(counts[code]), code));
                let own = if order.len() > most {
                    most.saturating_sub(1)
                } else {
                    order.len()
                };
                let mut place = vec![own; dictionary.len()];
                for (at, &code) in order.iter().take(own).enumerate() {
                    place[code] = at;
                }
                let mut conditions: Vec<Condition> = order
                    .iter()
                    .take(own)
                    .map(|&code| Condition::Is {
                        column: column(),
                        value: dictionary[code].clone(),
                    })
                    .collect();
                if own < order.len() {
                    conditions.push(Condition::IsRare { column: column() });
                }
                let code = |code: &u32| (*code != MISSING_CODE).then(|| place[*code as usize]);
                (conditions, codes.iter().map(code).collect())
            }
        };
        if codes.contains(&None) {
            conditions.push(Condition::IsMissing { column: column() });
        }
        let missing = conditions.len().saturating_sub(1);
        let codes = codes
            .into_iter()
            .map(|code| code.unwrap_or(missing) as u16)
            .collect();
        Self { conditions, codes }
    }
}

/// Inner bounds of at most `most` bins of known numbers; each distinct number has its own if they are
/// few.
fn bounds(numbers: &[f64], most: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = numbers
        .iter()
        .copied()
        .filter(|number| !number.is_nan())
        .collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    let mut bounds: Vec<f64> = if distinct.len() <= most {
        distinct
    } else {
        (1..most)
            .map(|at| linear_quantile(&sorted, at as f64 / most as f64))
            .collect()
    };
    bounds.dedup();
    // A bound that no number exceeds cuts nothing off.
    while bounds
        .last()
        .is_some_and(|bound| sorted.last().is_none_or(|greatest| greatest <= bound))
    {
        bounds.pop();
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::categorical;

    #[test]
    fn numbers_are_cut_into_bins_of_equal_size_and_missing_stands_alone() {
        let mut numbers: Vec<f64> = (0..100).map(f64::from).collect();
        numbers.push(f64::NAN);
        let cut = Cut::new("x", &Values::Numeric(numbers), 4);
        let shown: Vec<String> = cut.conditions.iter().map(Condition::to_string).collect();
        assert_eq!(
            shown,
            [
                "x ≤ 24.75",
                "24.75 < x ≤ 49.5",
                "49.5 < x ≤ 74.25",
                "x > 74.25",
                "x is missing"
            ]
        );
        for bin in 0..4 {
            assert_eq!(cut.codes.iter().filter(|&&code| code == bin).count(), 25);
        }
        assert_eq!(cut.codes[100], 4);
    }

    #[test]
    fn few_distinct_numbers_and_constants_keep_their_values_apart() {
        let cut = Cut::new("x", &Values::Numeric(vec![1.0, 2.0, 2.0, 7.0]), 4);
        assert_eq!(cut.codes, [0, 1, 1, 2]);
        assert_eq!(
            Cut::new("x", &Values::Numeric(vec![3.0; 4]), 4).conditions.len(),
            1
        );
        assert_eq!(
            Cut::new("x", &Values::Numeric(vec![f64::NAN; 4]), 4).codes,
            [1; 4]
        );
    }

    #[test]
    fn rare_categories_stand_together() {
        let texts = ["a", "a", "a", "b", "b", "c", "d"].map(Some);
        let cut = Cut::new("c", &categorical(texts.into_iter().chain([None])), 3);
        let shown: Vec<String> = cut.conditions.iter().map(Condition::to_string).collect();
        assert_eq!(shown, ["c is a", "c is b", "c is rare", "c is missing"]);
        assert_eq!(cut.codes, [0, 0, 0, 1, 1, 2, 2, 3]);
    }
}
