//! How strongly columns hang together: Pearson's correlation of numbers, Cramér's V of categories, the
//! correlation ratio of a number and a category.

use polars::prelude::{DataFrame, DataType as PolarsType, Series};
use serde::Serialize;
use std::collections::BTreeMap;
use trainyard_contract::StepError;

/// Rows looked at; of more, every n-th.
const MOST_ROWS: usize = 100_000;
/// Columns looked at.
const MOST_COLUMNS: usize = 40;
/// Different values of a category.
const MOST_CATEGORIES: usize = 50;

/// Two columns and how strongly they hang together.
#[derive(Debug, Serialize)]
pub(super) struct Association {
    pub(super) left: String,
    pub(super) right: String,
    /// `pearson` (−1 to 1), `cramers_v` or `correlation_ratio` (0 to 1).
    pub(super) measure: &'static str,
    pub(super) strength: f64,
}

/// A column made ready.
pub(super) struct Encoded {
    pub(super) name: String,
    values: Values,
}

enum Values {
    /// NaN where missing.
    Numbers(Vec<f64>),
    /// A number for each category; missing is none.
    Categories(Vec<Option<u32>>, usize),
}

/// Columns that can be related, over the same rows.
///
/// # Errors
/// `Internal` where polars cannot cast.
pub(super) fn encode(frame: &DataFrame, notes: &mut Vec<String>) -> Result<Vec<Encoded>, StepError> {
    let stride = frame.height().div_ceil(MOST_ROWS).max(1);
    let mut encoded = Vec::new();
    let mut left_out = 0;
    for column in frame.columns() {
        let series = column.as_materialized_series();
        let values = match series.dtype() {
            dtype if dtype.is_primitive_numeric() => {
                let floats = series.cast(&PolarsType::Float64);
                let floats = floats.map_err(|error| StepError::internal(error.to_string()))?;
                let floats = floats
                    .f64()
                    .map_err(|error| StepError::internal(error.to_string()))?;
                let sampled = floats.iter().step_by(stride);
                Some(Values::Numbers(
                    sampled
                        .map(|value| value.filter(|value| value.is_finite()).unwrap_or(f64::NAN))
                        .collect(),
                ))
            }
            PolarsType::String | PolarsType::Boolean => categories(series, stride)?,
            _ => None,
        };
        let Some(values) = values else { continue };
        if encoded.len() == MOST_COLUMNS {
            left_out += 1;
            continue;
        }
        encoded.push(Encoded {
            name: column.name().to_string(),
            values,
        });
    }
    if stride > 1 && !encoded.is_empty() {
        notes.push(format!("relations are measured on every {stride}th row"));
    }
    if left_out > 0 {
        notes.push(format!(
            "relations are measured for the first {MOST_COLUMNS} columns, not for {left_out} more"
        ));
    }
    Ok(encoded)
}

fn categories(series: &Series, stride: usize) -> Result<Option<Values>, StepError> {
    let texts = series
        .cast(&PolarsType::String)
        .map_err(|error| StepError::internal(error.to_string()))?;
    let texts = texts
        .str()
        .map_err(|error| StepError::internal(error.to_string()))?;
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    let mut codes = Vec::with_capacity(texts.len() / stride + 1);
    for text in texts.iter().step_by(stride) {
        let Some(text) = text else {
            codes.push(None);
            continue;
        };
        let next = numbers.len() as u32;
        let code = match numbers.get(text) {
            Some(code) => *code,
            None if numbers.len() == MOST_CATEGORIES => return Ok(None),
            None => {
                numbers.insert(text.to_owned(), next);
                next
            }
        };
        codes.push(Some(code));
    }
    Ok((numbers.len() > 1).then_some(Values::Categories(codes, numbers.len())))
}

/// All pairs of one kind: numbers with numbers, categories with categories.
pub(super) fn pairs(encoded: &[Encoded]) -> Vec<Association> {
    let mut pairs = Vec::new();
    for (at, left) in encoded.iter().enumerate() {
        for right in &encoded[at + 1..] {
            if matches!(
                (&left.values, &right.values),
                (Values::Numbers(_), Values::Numbers(_)) | (Values::Categories(..), Values::Categories(..))
            ) {
                pairs.extend(between(left, right));
            }
        }
    }
    pairs
}

/// The relation of two columns over the rows where both have a value; `None` if one is constant there.
pub(super) fn between(left: &Encoded, right: &Encoded) -> Option<Association> {
    let (measure, strength) = match (&left.values, &right.values) {
        (Values::Numbers(x), Values::Numbers(y)) => ("pearson", pearson(x, y)?),
        (Values::Categories(a, n), Values::Categories(b, m)) => ("cramers_v", cramers_v(a, *n, b, *m)?),
        (Values::Numbers(x), Values::Categories(c, n)) | (Values::Categories(c, n), Values::Numbers(x)) => {
            ("correlation_ratio", correlation_ratio(x, c, *n)?)
        }
    };
    Some(Association {
        left: left.name.clone(),
        right: right.name.clone(),
        measure,
        strength,
    })
}

/// Pearson's product-moment correlation (1895), pairwise complete, in two passes.
fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mut count, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        if !x.is_nan() && !y.is_nan() {
            count += 1.0;
            sum_x += x;
            sum_y += y;
        }
    }
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        if !x.is_nan() && !y.is_nan() {
            let (dx, dy) = (x - mean_x, y - mean_y);
            xx += dx * dx;
            yy += dy * dy;
            xy += dx * dy;
        }
    }
    (xx > 0.0 && yy > 0.0).then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// Cramér's V (1946): √(χ² / (n · (min(rows, columns) − 1))), without bias correction.
fn cramers_v(a: &[Option<u32>], of_a: usize, b: &[Option<u32>], of_b: usize) -> Option<f64> {
    let mut cells = vec![0.0; of_a * of_b];
    let mut total = 0.0;
    for (a, b) in a.iter().zip(b) {
        if let (Some(a), Some(b)) = (a, b) {
            cells[*a as usize * of_b + *b as usize] += 1.0;
            total += 1.0;
        }
    }
    let row: Vec<f64> = (0..of_a)
        .map(|a| cells[a * of_b..(a + 1) * of_b].iter().sum())
        .collect();
    let column: Vec<f64> = (0..of_b)
        .map(|b| (0..of_a).map(|a| cells[a * of_b + b]).sum())
        .collect();
    let there = |sums: &[f64]| sums.iter().filter(|sum| **sum > 0.0).count();
    let least = there(&row).min(there(&column));
    if least < 2 {
        return None;
    }
    let mut chi_squared = 0.0;
    for (a, row) in row.iter().enumerate() {
        for (b, column) in column.iter().enumerate() {
            let expected = row * column / total;
            if expected > 0.0 {
                chi_squared += (cells[a * of_b + b] - expected).powi(2) / expected;
            }
        }
    }
    Some((chi_squared / (total * (least - 1) as f64)).sqrt().min(1.0))
}

/// Pearson's correlation ratio η: √(sum of squares between categories / sum of squares).
fn correlation_ratio(numbers: &[f64], categories: &[Option<u32>], of: usize) -> Option<f64> {
    let mut count = vec![0.0; of];
    let mut sum = vec![0.0; of];
    for (number, category) in numbers.iter().zip(categories) {
        if let Some(category) = category
            && !number.is_nan()
        {
            count[*category as usize] += 1.0;
            sum[*category as usize] += number;
        }
    }
    let mean = sum.iter().sum::<f64>() / count.iter().sum::<f64>();
    let between: f64 = count
        .iter()
        .zip(&sum)
        .filter(|(n, _)| **n > 0.0)
        .map(|(n, sum)| n * (sum / n - mean).powi(2))
        .sum();
    let mut all = 0.0;
    for (number, category) in numbers.iter().zip(categories) {
        if category.is_some() && !number.is_nan() {
            all += (number - mean).powi(2);
        }
    }
    (all > 0.0).then(|| (between / all).sqrt().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pearson_is_that_of_anscombes_first_set() {
        // Anscombe (1973), set I: r = 0.81642, missing values left out pairwise.
        let x = [
            10.0,
            8.0,
            13.0,
            9.0,
            11.0,
            14.0,
            6.0,
            4.0,
            12.0,
            7.0,
            5.0,
            f64::NAN,
            1.0,
        ];
        let y = [
            8.04,
            6.95,
            7.58,
            8.81,
            8.33,
            9.96,
            7.24,
            4.26,
            10.84,
            4.82,
            5.68,
            3.0,
            f64::NAN,
        ];
        assert!((pearson(&x, &y).unwrap() - 0.816_42).abs() < 1e-5);
        assert_eq!(pearson(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn cramers_v_of_a_table_worked_by_hand() {
        // [[10, 20], [30, 40]]: χ² = 100·(10·40 − 20·30)² / (30·70·40·60) = 0.793651; V = √(χ² / 100).
        let mut a = Vec::new();
        let mut b = Vec::new();
        for (row, column, count) in [(0, 0, 10), (0, 1, 20), (1, 0, 30), (1, 1, 40)] {
            for _ in 0..count {
                a.push(Some(row));
                b.push(Some(column));
            }
        }
        assert!((cramers_v(&a, 2, &b, 2).unwrap() - 0.007_936_51_f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn the_correlation_ratio_of_a_table_worked_by_hand() {
        // Groups (1, 3) and (5, 7): means 2 and 6, overall 4; 16 of 20 lie between, η = √0.8.
        let eta = correlation_ratio(&[1.0, 3.0, 5.0, 7.0], &[Some(0), Some(0), Some(1), Some(1)], 2).unwrap();
        assert!((eta - 0.8_f64.sqrt()).abs() < 1e-12);
    }
}
