//! Fitted preprocessing: what each feature becomes.

use super::design::{Design, DesignColumn};
use super::number::{center_and_scale, imputed};
use super::target::Labels;
use super::{Encode, Preprocessing, Unseen};
use crate::error::ModelError;
use crate::features::{Aligned, Feature, FeatureKind};
use crate::frame::{MISSING_CODE, UNSEEN_CODE};
use crate::task::Task;
use crate::tree::Cell;

/// What one feature becomes. Columns of a feature stand side by side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Encoded {
    /// `(value − center) / scale`, `impute` standing for what is missing or infinite; then, if
    /// `indicator`, a column that is 1 where it was and else 0. A scale of 0 makes all values 0.
    Number {
        impute: f64,
        center: f64,
        scale: f64,
        indicator: bool,
    },
    /// One column a category, and a last one for missing if that happened in training.
    OneHot { categories: usize, missing: bool },
    /// `columns` numbers a category: entries `code · columns ..` of `table`; after the categories
    /// stand those for missing and for unseen.
    Table { columns: usize, table: Vec<f64> },
}

impl Encoded {
    /// Number of columns.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Number { indicator, .. } => 1 + usize::from(*indicator),
            Self::OneHot { categories, missing } => categories + usize::from(*missing),
            Self::Table { columns, .. } => *columns,
        }
    }

    #[inline]
    fn number(impute: f64, center: f64, scale: f64, value: f64) -> f64 {
        if scale == 0.0 {
            return 0.0;
        }
        (if value.is_finite() { value } else { impute } - center) / scale
    }
}

/// What all features become, and where their columns stand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Encoding {
    pub(crate) features: Vec<Encoded>,
    pub(crate) unseen: Unseen,
}

impl Encoding {
    /// Fits the preprocessing on training rows and applies it to them. With target encoding the
    /// training rows are encoded otherwise than later ones: see [`Encode::Target`].
    ///
    /// # Errors
    /// `Parameter` for a constant that is not finite, a negative smoothing, or target encoding
    /// without a label.
    pub(crate) fn fit(
        preprocessing: &Preprocessing,
        features: &[Feature],
        values: &[Aligned<'_>],
        task: &Task,
        target: &[f64],
        rows: usize,
        seed: u64,
    ) -> Result<(Self, Design), ModelError> {
        check(preprocessing)?;
        let labels = match preprocessing.encode {
            Encode::Target { .. } => Some(Labels::of(task, target, seed).ok_or(ModelError::Parameter {
                name: "encode",
                value: "target".to_owned(),
                rule: "`one_hot` or `ordinal` where there is no label",
            })?),
            Encode::OneHot | Encode::Ordinal => None,
        };
        let mut design = Design::empty(rows);
        let mut encoded = Vec::with_capacity(features.len());
        for (feature, values) in features.iter().zip(values) {
            encoded.push(match (values, &feature.kind) {
                (Aligned::Numeric(values), _) => fit_number(preprocessing, values, &mut design),
                (Aligned::Codes { codes, .. }, kind) => {
                    let categories = match kind {
                        FeatureKind::Categorical { categories } => categories.len(),
                        FeatureKind::Numeric => 0,
                    };
                    fit_categories(preprocessing, labels.as_ref(), codes, categories, &mut design)
                }
            });
        }
        let encoding = Self {
            features: encoded,
            unseen: preprocessing.unseen,
        };
        Ok((encoding, design))
    }

    /// Number of columns.
    pub(crate) fn width(&self) -> usize {
        self.features.iter().map(Encoded::width).sum()
    }

    /// For each feature the range of its columns.
    pub(crate) fn places(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.features.iter().scan(0, |at, feature| {
            let start = *at;
            *at += feature.width();
            Some(start..*at)
        })
    }

    /// Calls `visit` with place and entry of every column that may differ from 0, in ascending
    /// order, for the row that `cell` gives the values of.
    #[inline]
    pub(crate) fn visit(&self, cell: impl Fn(usize) -> Cell, mut visit: impl FnMut(usize, f64)) {
        let mut at = 0;
        for (index, feature) in self.features.iter().enumerate() {
            match (feature, cell(index)) {
                (
                    Encoded::Number {
                        impute,
                        center,
                        scale,
                        indicator,
                    },
                    Cell::Number(value),
                ) => {
                    visit(at, Encoded::number(*impute, *center, *scale, value));
                    if *indicator && !value.is_finite() {
                        visit(at + 1, 1.0);
                    }
                }
                (Encoded::OneHot { categories, missing }, Cell::Code(code)) => {
                    if (code as usize) < *categories {
                        visit(at + code as usize, 1.0);
                    } else if *missing && (code == MISSING_CODE || self.unseen == Unseen::AsMissing) {
                        visit(at + categories, 1.0);
                    }
                }
                (Encoded::Table { columns, table }, Cell::Code(code)) => {
                    let places = table.len() / (*columns).max(1);
                    let place = match code {
                        MISSING_CODE => places.saturating_sub(2),
                        code => (code as usize).min(places.saturating_sub(1)),
                    };
                    for (nth, entry) in table.iter().skip(place * columns).take(*columns).enumerate() {
                        visit(at + nth, *entry);
                    }
                }
                _ => {}
            }
            at += feature.width();
        }
    }

    /// The columns of one row; `into` has [`Encoding::width`] entries.
    pub(crate) fn encode(&self, cell: impl Fn(usize) -> Cell, into: &mut [f64]) {
        into.fill(0.0);
        self.visit(cell, |place, entry| {
            if let Some(slot) = into.get_mut(place) {
                *slot = entry;
            }
        });
    }
}

fn check(preprocessing: &Preprocessing) -> Result<(), ModelError> {
    if let super::Impute::Constant(value) = preprocessing.impute
        && !value.is_finite()
    {
        return Err(ModelError::Parameter {
            name: "impute",
            value: value.to_string(),
            rule: "a finite number",
        });
    }
    if let Encode::Target {
        smoothing: Some(rows),
    } = preprocessing.encode
    {
        crate::fit::at_least("smoothing", rows)?;
    }
    Ok(())
}

fn fit_number(preprocessing: &Preprocessing, values: &[f64], design: &mut Design) -> Encoded {
    let mut known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if known.is_empty() {
        design.push(DesignColumn::Dense(vec![0.0; values.len()]), 1);
        return Encoded::Number {
            impute: 0.0,
            center: 0.0,
            scale: 0.0,
            indicator: false,
        };
    }
    let missing = known.len() < values.len();
    known.sort_unstable_by(f64::total_cmp);
    let impute = imputed(preprocessing.impute, &known);
    let mut column: Vec<f64> = values
        .iter()
        .map(|value| if value.is_finite() { *value } else { impute })
        .collect();
    let (center, scale) = center_and_scale(preprocessing.scale, &column);
    column
        .iter_mut()
        .for_each(|value| *value = (*value - center) / scale);
    design.push(DesignColumn::Dense(column), 1);
    let indicator = missing && preprocessing.missing_indicator;
    if indicator {
        let rows = (0..values.len() as u32)
            .filter(|&row| !values[row as usize].is_finite())
            .collect();
        design.push(DesignColumn::Indicator(rows), 1);
    }
    Encoded::Number {
        impute,
        center,
        scale,
        indicator,
    }
}

fn fit_categories(
    preprocessing: &Preprocessing,
    labels: Option<&Labels>,
    codes: &[u32],
    categories: usize,
    design: &mut Design,
) -> Encoded {
    let missing = codes.contains(&MISSING_CODE);
    let (smoothing, labels) = match (preprocessing.encode, labels) {
        (Encode::Target { smoothing }, Some(labels)) => (smoothing, labels),
        (Encode::Ordinal, _) => {
            let (center, scale) = {
                let column: Vec<f64> = codes.iter().map(|&code| ordinal(code)).collect();
                center_and_scale(preprocessing.scale, &column)
            };
            let table: Vec<f64> = (0..categories as u32)
                .chain([MISSING_CODE, UNSEEN_CODE])
                .map(|code| (ordinal(code) - center) / scale)
                .collect();
            let entry = |code: &u32| table[(*code as usize).min(categories)];
            design.push(DesignColumn::Dense(codes.iter().map(entry).collect()), 1);
            return Encoded::Table { columns: 1, table };
        }
        _ => {
            let width = categories + usize::from(missing);
            let places = codes
                .iter()
                .map(|&code| {
                    if (code as usize) < categories {
                        code
                    } else {
                        categories as u32
                    }
                })
                .collect();
            design.push(DesignColumn::OneHot(places), width);
            return Encoded::OneHot { categories, missing };
        }
    };
    let columns = labels.columns();
    let place_of: Vec<usize> = codes
        .iter()
        .map(|&code| (code as usize).min(categories))
        .collect();
    let mut table = vec![0.0; (categories + 2) * columns];
    for column in 0..columns {
        let means = labels.means(column, &place_of, categories + 1, smoothing, None);
        let mut fitted = labels.cross_fitted(column, &place_of, categories + 1, smoothing);
        let (center, scale) = center_and_scale(preprocessing.scale, &fitted);
        fitted
            .iter_mut()
            .for_each(|value| *value = (*value - center) / scale);
        design.push(DesignColumn::Dense(fitted), 1);
        for (place, mean) in means.iter().enumerate() {
            let unseen_as_missing = place == categories + 1 && preprocessing.unseen == Unseen::AsMissing;
            let mean = if unseen_as_missing {
                means[categories]
            } else {
                *mean
            };
            table[place * columns + column] = (mean - center) / scale;
        }
    }
    Encoded::Table { columns, table }
}

fn ordinal(code: u32) -> f64 {
    if code == MISSING_CODE || code == UNSEEN_CODE {
        -1.0
    } else {
        f64::from(code)
    }
}
