//! The rows that relations are measured on, and their values made ready.

use polars::prelude::{DataType as PolarsType, IdxCa, PolarsResult, Series};
use std::collections::BTreeMap;
use trainyard_models::random::Random;

/// Categories told apart; the rarer ones of more count as one.
pub(super) const MOST_CATEGORIES: usize = 50;
/// What the rarer categories are called.
pub(super) const OTHERS: &str = "(others)";

/// Some rows of a table, ascending: one at random from each of equally long stretches, so that no
/// rhythm of the rows shows and every part of the table counts.
pub(super) struct Sample {
    pub(super) rows: Vec<u32>,
    pub(super) of: usize,
}

impl Sample {
    pub(super) fn draw(of: usize, most: usize, seed: u64) -> Self {
        if of <= most {
            let rows = (0..of).map(|row| row as u32).collect();
            return Self { rows, of };
        }
        let mut random = Random::new(seed);
        let start = |nth: usize| (nth as u128 * of as u128 / most as u128) as usize;
        let rows = (0..most)
            .map(|nth| (start(nth) + random.below(start(nth + 1) - start(nth))) as u32)
            .collect();
        Self { rows, of }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.rows.len() == self.of
    }

    /// The sampled rows of a column.
    pub(super) fn take(&self, series: &Series) -> PolarsResult<Series> {
        if self.is_whole() {
            return Ok(series.clone());
        }
        let rows = IdxCa::from_vec("rows".into(), self.rows.clone());
        series.take(&rows)
    }
}

/// A column's values in the sampled rows.
#[derive(Clone)]
pub(super) enum Values {
    /// NaN where missing or not finite.
    Numbers(Vec<f64>),
    Categories(Categories),
}

/// Each row's category as a number into the names.
#[derive(Clone)]
pub(super) struct Categories {
    pub(super) codes: Vec<Option<u32>>,
    /// Most frequent first, then by name; [`OTHERS`] last if there are more.
    pub(super) names: Vec<String>,
}

impl Categories {
    pub(super) fn of(texts: &[Option<&str>]) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for text in texts.iter().flatten() {
            *counts.entry(text).or_default() += 1;
        }
        let mut order: Vec<(&str, usize)> = counts.into_iter().collect();
        order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let kept = order.len().min(MOST_CATEGORIES);
        let code: BTreeMap<&str, u32> = order[..kept]
            .iter()
            .zip(0u32..)
            .map(|((text, _), code)| (*text, code))
            .collect();
        let rest = code.len() as u32;
        let codes = texts
            .iter()
            .map(|text| text.map(|text| code.get(text).copied().unwrap_or(rest)))
            .collect();
        let mut names: Vec<String> = order[..kept].iter().map(|(text, _)| (*text).to_owned()).collect();
        if order.len() > kept {
            names.push(OTHERS.to_owned());
        }
        Self { codes, names }
    }
}

impl Values {
    /// The values of a sampled column; `None` for types that are neither numbers nor categories.
    pub(super) fn of(series: &Series) -> PolarsResult<Option<Self>> {
        Ok(match series.dtype() {
            dtype if dtype.is_primitive_numeric() => {
                let floats = series.cast(&PolarsType::Float64)?;
                let floats = floats.f64()?;
                Some(Self::Numbers(
                    floats
                        .iter()
                        .map(|value| value.filter(|value| value.is_finite()).unwrap_or(f64::NAN))
                        .collect(),
                ))
            }
            PolarsType::String | PolarsType::Boolean => {
                let texts = series.cast(&PolarsType::String)?;
                let texts = texts.str()?;
                Some(Self::Categories(Categories::of(
                    &texts.iter().collect::<Vec<_>>(),
                )))
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_one_row_of_each_stretch_and_is_the_same_for_a_seed() {
        let sample = Sample::draw(1003, 10, 7);
        assert_eq!(sample.rows.len(), 10);
        for (nth, row) in sample.rows.iter().enumerate() {
            assert!((nth * 1003 / 10..(nth + 1) * 1003 / 10).contains(&(*row as usize)));
        }
        assert_eq!(sample.rows, Sample::draw(1003, 10, 7).rows);
        assert_ne!(sample.rows, Sample::draw(1003, 10, 8).rows);
        assert!(Sample::draw(5, 10, 7).is_whole());
    }

    #[test]
    fn rare_categories_count_as_one() {
        let names: Vec<String> = (0..60).map(|at| format!("c{at:02}")).collect();
        let texts: Vec<Option<&str>> = names
            .iter()
            .map(|name| Some(name.as_str()))
            .chain([Some("c59"), None])
            .collect();
        let found = Categories::of(&texts);
        assert_eq!(found.names.len(), MOST_CATEGORIES + 1);
        assert_eq!(
            (found.names[0].as_str(), found.names[50].as_str()),
            ("c59", OTHERS)
        );
        assert_eq!(found.codes[58], Some(50));
        assert_eq!(found.codes[61], None);
    }
}
