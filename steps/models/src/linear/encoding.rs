//! Columns as linear models take them: numbers standardised, categories one-hot.
//!
//! Everything here is fitted on training rows only and is part of the model.

use crate::features::{Aligned, Feature, FeatureKind};
use crate::frame::MISSING_CODE;
use crate::linear::newton::Symmetric;
use crate::tree::Cell;

/// How one feature enters the linear sum. Weights of a feature stand side by side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Encoded {
    /// `(value − mean) / scale`; what is missing or infinite counts as the mean and sets an
    /// indicator of its own, if that happened in training. Two weights: value, indicator.
    Number { mean: f64, scale: f64, indicator: bool },
    /// One weight a category, and a last one for missing if that happened in training. A category
    /// unseen in training counts as missing if there is such a weight, else it adds nothing.
    OneHot { categories: usize, missing: bool },
}

impl Encoded {
    /// Number of weights.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Number { .. } => 2,
            Self::OneHot { categories, .. } => categories + 1,
        }
    }

    fn fit(feature: &Feature, values: &Aligned<'_>) -> Self {
        match (values, &feature.kind) {
            (Aligned::Numeric(values), _) => {
                let known = || values.iter().copied().filter(|value| value.is_finite());
                let count = known().count();
                let indicator = count < values.len();
                let mean = if count == 0 {
                    0.0
                } else {
                    known().map(|value| value / count as f64).sum()
                };
                let variance: f64 = known()
                    .map(|value| (value - mean) * ((value - mean) / count as f64))
                    .sum();
                let scale = variance.sqrt();
                // A constant column says nothing: scale 0 makes every value count as the mean.
                let constant = !scale.is_finite() || scale <= mean.abs() * 1e-12;
                Self::Number {
                    mean,
                    scale: if constant { 0.0 } else { scale },
                    indicator,
                }
            }
            (Aligned::Codes { codes, .. }, kind) => Self::OneHot {
                categories: match kind {
                    FeatureKind::Categorical { categories } => categories.len(),
                    FeatureKind::Numeric => 0,
                },
                missing: codes.contains(&MISSING_CODE),
            },
        }
    }

    /// The standardised value and whether the indicator is set.
    #[inline]
    pub(crate) fn number(mean: f64, scale: f64, indicator: bool, value: f64) -> (f64, bool) {
        if !value.is_finite() {
            (0.0, indicator)
        } else if scale == 0.0 {
            (0.0, false)
        } else {
            ((value - mean) / scale, false)
        }
    }

    /// Place of the weight of a category, if it has one.
    #[inline]
    pub(crate) fn place(categories: usize, missing: bool, code: u32) -> Option<usize> {
        if (code as usize) < categories {
            Some(code as usize)
        } else {
            missing.then_some(categories)
        }
    }
}

/// The encoding of all features and the place of their weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Encoding {
    pub(crate) features: Vec<Encoded>,
}

impl Encoding {
    pub(crate) fn fit(features: &[Feature], values: &[Aligned<'_>]) -> Self {
        Self {
            features: features
                .iter()
                .zip(values)
                .map(|(feature, values)| Encoded::fit(feature, values))
                .collect(),
        }
    }

    /// Number of weights, without the intercept.
    pub(crate) fn width(&self) -> usize {
        self.features.iter().map(Encoded::width).sum()
    }

    /// The linear sum of one row, without the intercept.
    pub(crate) fn score(&self, weights: &[f64], cell: impl Fn(usize) -> Cell) -> f64 {
        let mut at = 0;
        let mut score = 0.0;
        for (index, feature) in self.features.iter().enumerate() {
            match (feature, cell(index)) {
                (
                    Encoded::Number {
                        mean,
                        scale,
                        indicator,
                    },
                    Cell::Number(value),
                ) => {
                    let (value, missing) = Encoded::number(*mean, *scale, *indicator, value);
                    score += weights[at] * value;
                    if missing {
                        score += weights[at + 1];
                    }
                }
                (Encoded::OneHot { categories, missing }, Cell::Code(code)) => {
                    if let Some(place) = Encoded::place(*categories, *missing, code) {
                        score += weights[at + place];
                    }
                }
                _ => {}
            }
            at += feature.width();
        }
        score
    }
}

/// The training rows in their encoding, column by column.
pub(crate) struct Design {
    columns: Vec<DesignColumn>,
    pub(crate) rows: usize,
    pub(crate) width: usize,
}

enum DesignColumn {
    Number {
        at: usize,
        values: Vec<f64>,
        missing: Vec<u32>,
    },
    OneHot {
        places: Vec<u32>,
    },
}

impl Design {
    pub(crate) fn new(encoding: &Encoding, values: &[Aligned<'_>], rows: usize) -> Self {
        let mut at = 0;
        let columns = encoding
            .features
            .iter()
            .zip(values)
            .map(|(feature, values)| {
                let column = match (feature, values) {
                    (
                        Encoded::Number {
                            mean,
                            scale,
                            indicator,
                        },
                        Aligned::Numeric(values),
                    ) => {
                        let mut missing = Vec::new();
                        let values = values
                            .iter()
                            .enumerate()
                            .map(|(row, &value)| {
                                let (value, is_missing) = Encoded::number(*mean, *scale, *indicator, value);
                                if is_missing {
                                    missing.push(row as u32);
                                }
                                value
                            })
                            .collect();
                        DesignColumn::Number { at, values, missing }
                    }
                    (Encoded::OneHot { categories, missing }, Aligned::Codes { codes, .. }) => {
                        let places = codes
                            .iter()
                            .map(|&code| {
                                Encoded::place(*categories, *missing, code)
                                    .map_or(u32::MAX, |place| (at + place) as u32)
                            })
                            .collect();
                        DesignColumn::OneHot { places }
                    }
                    _ => DesignColumn::OneHot {
                        places: vec![u32::MAX; rows],
                    },
                };
                at += feature.width();
                column
            })
            .collect();
        Self {
            columns,
            rows,
            width: at,
        }
    }

    /// Mean square of every column.
    pub(crate) fn mean_squares(&self, weights: &[f64], total: f64) -> Vec<f64> {
        let mut squares = vec![0.0; self.width];
        for column in &self.columns {
            match column {
                DesignColumn::Number { at, values, missing } => {
                    squares[*at] = values
                        .iter()
                        .zip(weights)
                        .map(|(value, weight)| value * value * weight)
                        .sum();
                    squares[at + 1] = missing.iter().map(|&row| weights[row as usize]).sum();
                }
                DesignColumn::OneHot { places } => {
                    for (&place, weight) in places.iter().zip(weights) {
                        if let Some(square) = squares.get_mut(place as usize) {
                            *square += weight;
                        }
                    }
                }
            }
        }
        squares.iter_mut().for_each(|square| *square /= total);
        squares
    }

    /// Adds `X·weights` for the rows from `start` on.
    pub(crate) fn times(&self, weights: &[f64], start: usize, into: &mut [f64]) {
        let end = start + into.len();
        for column in &self.columns {
            match column {
                DesignColumn::Number { at, values, missing } => {
                    let weight = weights[*at];
                    into.iter_mut()
                        .zip(&values[start..end])
                        .for_each(|(into, value)| *into += weight * value);
                    for &row in Self::range(missing, start, end) {
                        into[row as usize - start] += weights[at + 1];
                    }
                }
                DesignColumn::OneHot { places } => {
                    for (into, &place) in into.iter_mut().zip(&places[start..end]) {
                        *into += weights.get(place as usize).copied().unwrap_or(0.0);
                    }
                }
            }
        }
    }

    /// Adds `Xᵀ·residuals` over the rows from `start` on.
    pub(crate) fn transposed_times(&self, residuals: &[f64], start: usize, into: &mut [f64]) {
        let end = start + residuals.len();
        for column in &self.columns {
            match column {
                DesignColumn::Number { at, values, missing } => {
                    into[*at] += residuals
                        .iter()
                        .zip(&values[start..end])
                        .map(|(r, value)| r * value)
                        .sum::<f64>();
                    for &row in Self::range(missing, start, end) {
                        into[at + 1] += residuals[row as usize - start];
                    }
                }
                DesignColumn::OneHot { places } => {
                    for (residual, &place) in residuals.iter().zip(&places[start..end]) {
                        if let Some(into) = into.get_mut(place as usize) {
                            *into += residual;
                        }
                    }
                }
            }
        }
    }

    /// Adds `Xᵀ·diag(curvatures)·X` over the rows from `start` on, the intercept being the last
    /// column.
    pub(crate) fn second_derivatives(&self, curvatures: &[f64], start: usize, into: &mut Symmetric) {
        let size = into.size;
        let mut missing_at: Vec<&[u32]> = Vec::new();
        let mut filled: Vec<(usize, f64)> = Vec::with_capacity(2 * self.columns.len() + 1);
        for column in &self.columns {
            missing_at.push(match column {
                DesignColumn::Number { missing, .. } => Self::range(missing, start, start + curvatures.len()),
                DesignColumn::OneHot { .. } => &[],
            });
        }
        for (row, &curvature) in (start..).zip(curvatures) {
            filled.clear();
            for (column, missing_at) in self.columns.iter().zip(&mut missing_at) {
                match column {
                    DesignColumn::Number { at, values, .. } => {
                        if missing_at.first() == Some(&(row as u32)) {
                            *missing_at = &missing_at[1..];
                            filled.push((at + 1, 1.0));
                        } else {
                            filled.push((*at, values[row]));
                        }
                    }
                    DesignColumn::OneHot { places } => {
                        if places[row] != u32::MAX {
                            filled.push((places[row] as usize, 1.0));
                        }
                    }
                }
            }
            filled.push((self.width, 1.0));
            // Places ascend, so that only the upper half is touched.
            for (nth, &(place, value)) in filled.iter().enumerate() {
                let factor = curvature * value;
                let line = &mut into.entries[place * size..(place + 1) * size];
                for &(other, value) in &filled[nth..] {
                    line[other] += factor * value;
                }
            }
        }
    }

    fn range(rows: &[u32], start: usize, end: usize) -> &[u32] {
        let from = rows.partition_point(|&row| (row as usize) < start);
        let to = rows.partition_point(|&row| (row as usize) < end);
        &rows[from..to]
    }
}
