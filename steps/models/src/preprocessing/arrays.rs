//! Fitted preprocessing as arrays of a file.

use super::{Encoded, Encoding, Unseen};
use crate::error::ModelError;
use crate::features::{Feature, FeatureKind};
use crate::model::{ArrayReader, ArrayWriter, wrong};

/// Values of `encoding_kind`.
const NUMBER: u8 = 0;
const NUMBER_AND_INDICATOR: u8 = 1;
const ONE_HOT: u8 = 2;
const ONE_HOT_AND_MISSING: u8 = 3;
const TABLE: u8 = 4;

impl Encoding {
    pub(crate) fn write(&self, arrays: &mut ArrayWriter) {
        let (mut kinds, mut numbers) = (Vec::new(), Vec::new());
        let (mut columns, mut tables) = (Vec::new(), Vec::new());
        for feature in &self.features {
            kinds.push(match feature {
                Encoded::Number {
                    impute,
                    center,
                    scale,
                    indicator,
                } => {
                    numbers.extend([*impute, *center, *scale]);
                    if *indicator { NUMBER_AND_INDICATOR } else { NUMBER }
                }
                Encoded::OneHot { missing: false, .. } => ONE_HOT,
                Encoded::OneHot { missing: true, .. } => ONE_HOT_AND_MISSING,
                Encoded::Table {
                    columns: count,
                    table,
                } => {
                    columns.push(*count as u32);
                    tables.extend_from_slice(table);
                    TABLE
                }
            });
        }
        // One a feature.
        arrays.u8s("encoding_kind", &kinds);
        // For each number what stands for missing, center and scale.
        arrays.f64s("encoding_number", &numbers);
        // For each table its columns; then its entries, category by category, those for missing and
        // unseen last.
        arrays.u32s("encoding_columns", &columns);
        arrays.f64s("encoding_table", &tables);
    }

    /// Reads what [`Encoding::write`] wrote; takes nothing on trust.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read(
        features: &[Feature],
        unseen: Unseen,
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Self, ModelError> {
        let kinds = arrays.u8s("encoding_kind")?;
        let mut numbers = arrays.finite_f64s("encoding_number")?.into_iter();
        let mut columns = arrays.u32s("encoding_columns")?.into_iter();
        let mut tables = arrays.finite_f64s("encoding_table")?.into_iter();
        if kinds.len() != features.len() {
            return Err(wrong("its encoding is not as long as its list of features"));
        }
        let mut encoded = Vec::with_capacity(features.len());
        for (feature, kind) in features.iter().zip(kinds) {
            encoded.push(match (&feature.kind, kind) {
                (FeatureKind::Numeric, NUMBER | NUMBER_AND_INDICATOR) => {
                    let (Some(impute), Some(center), Some(scale)) =
                        (numbers.next(), numbers.next(), numbers.next())
                    else {
                        return Err(wrong("the scale of a number is missing"));
                    };
                    Encoded::Number {
                        impute,
                        center,
                        scale,
                        indicator: kind == NUMBER_AND_INDICATOR,
                    }
                }
                (FeatureKind::Categorical { categories }, ONE_HOT | ONE_HOT_AND_MISSING) => Encoded::OneHot {
                    categories: categories.len(),
                    missing: kind == ONE_HOT_AND_MISSING,
                },
                (FeatureKind::Categorical { categories }, TABLE) => {
                    let columns = columns.next().unwrap_or(0) as usize;
                    let size = (categories.len() + 2)
                        .checked_mul(columns)
                        .filter(|size| *size <= tables.len())
                        .ok_or_else(|| wrong("the table of a category is missing"))?;
                    Encoded::Table {
                        columns,
                        table: tables.by_ref().take(size).collect(),
                    }
                }
                _ => return Err(wrong("an encoding does not fit its feature")),
            });
        }
        if numbers.next().is_some() || columns.next().is_some() || tables.next().is_some() {
            return Err(wrong("it encodes features that are not there"));
        }
        Ok(Self {
            features: encoded,
            unseen,
        })
    }

    /// Reads the encoding of version 1 of the format: numbers scaled to deviation 1, with an
    /// indicator where they were missing; categories one-hot, unseen as missing.
    ///
    /// # Errors
    /// `Format`, saying what is wrong.
    pub(crate) fn read_version_1(
        features: &[Feature],
        arrays: &mut ArrayReader<'_>,
    ) -> Result<Self, ModelError> {
        let means = arrays.finite_f64s("mean")?;
        let scales = arrays.finite_f64s("scale")?;
        let missing = arrays.u8s("has_missing")?;
        if [means.len(), scales.len(), missing.len()] != [features.len(); 3] {
            return Err(wrong("its encoding is not as long as its list of features"));
        }
        let features = features
            .iter()
            .zip(means.into_iter().zip(scales).zip(missing))
            .map(|(feature, ((mean, scale), flag))| match &feature.kind {
                FeatureKind::Numeric => Encoded::Number {
                    impute: mean,
                    center: mean,
                    scale,
                    indicator: flag == 1,
                },
                FeatureKind::Categorical { categories } => Encoded::OneHot {
                    categories: categories.len(),
                    missing: flag == 1,
                },
            })
            .collect();
        Ok(Self {
            features,
            unseen: Unseen::AsMissing,
        })
    }

    /// Weights of version 1 without those of columns that are always 0: it had one for every
    /// indicator and every missing category. `None` if there are not as many.
    pub(crate) fn weights_of_version_1(&self, weights: &[f64]) -> Option<Vec<f64>> {
        let mut kept = Vec::with_capacity(weights.len());
        let mut rest = weights;
        for feature in &self.features {
            let width = match feature {
                Encoded::Number { .. } => 2,
                Encoded::OneHot { categories, .. } => categories + 1,
                Encoded::Table { columns, .. } => *columns,
            };
            let (own, next) = rest.split_at_checked(width)?;
            kept.extend_from_slice(&own[..feature.width()]);
            rest = next;
        }
        rest.is_empty().then_some(kept)
    }
}
