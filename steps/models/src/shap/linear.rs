//! SHAP values of linear models: each column's weight times its distance from the background's mean.

use super::explanation::Explanation;
use super::{Removal, Unit, cells};
use crate::error::ModelError;
use crate::features::align;
use crate::frame::Frame;
use crate::linear::{Linear, Link};
use crate::model::{Model, Predictor};

/// Values with features taken as independent (Štrumbelj and Kononenko 2014); the columns of a feature,
/// such as those of its categories, count together.
pub(super) fn explain(
    model: &Model,
    linear: &Linear,
    frame: &Frame,
    removal: Removal<'_>,
    unit: Unit,
    names: Vec<String>,
) -> Result<Explanation, ModelError> {
    let Removal::Background(background) = removal else {
        return Err(ModelError::NotExplained {
            why: "linear models are explained by background rows",
        });
    };
    if unit == Unit::Prediction && linear.link != Link::Identity {
        return Err(ModelError::NotExplained {
            why: "a linear model with a link is explained in the raw unit",
        });
    }
    if linear.exposure.is_some() {
        return Err(ModelError::NotExplained {
            why: "its prediction is in proportion to an exposure",
        });
    }
    if background.rows() == 0 {
        return Err(ModelError::NoRows {
            doing: "compare with",
        });
    }
    let Some(encoding) = model.encoding() else {
        return Err(ModelError::NotExplained {
            why: "its columns are not known",
        });
    };
    let mut feature_of = vec![0; encoding.width()];
    for (feature, places) in encoding.places().enumerate() {
        feature_of[places].fill(feature);
    }
    let (features, outputs, width) = (names.len(), linear.intercepts.len(), encoding.width());
    let sums_a_row = (features * outputs).max(1);
    let parts = |frame: &Frame| -> Result<Vec<f64>, ModelError> {
        let values = align(frame, model.features())?;
        let cells = cells(&values, 0..frame.rows());
        let mut sums = vec![0.0; frame.rows() * features * outputs];
        for (row, sums) in cells.chunks(features.max(1)).zip(sums.chunks_mut(sums_a_row)) {
            encoding.visit(
                |feature| row[feature],
                |place, entry| {
                    let at = feature_of[place] * outputs;
                    for (output, sum) in sums[at..at + outputs].iter_mut().enumerate() {
                        *sum += linear.weights[output * width + place] * entry;
                    }
                },
            );
        }
        Ok(sums)
    };
    let mut means = vec![0.0; features * outputs];
    for row in parts(background)?.chunks(sums_a_row) {
        means.iter_mut().zip(row).for_each(|(mean, part)| *mean += part);
    }
    means
        .iter_mut()
        .for_each(|mean| *mean /= background.rows() as f64);
    let mut values = parts(frame)?;
    for row in values.chunks_mut(sums_a_row) {
        row.iter_mut().zip(&means).for_each(|(part, mean)| *part -= mean);
    }
    let mut base = linear.intercepts.clone();
    for part in means.chunks(outputs.max(1)) {
        base.iter_mut().zip(part).for_each(|(base, mean)| *base += mean);
    }
    Ok(Explanation {
        features: names,
        base,
        rows: frame.rows(),
        values,
    })
}
