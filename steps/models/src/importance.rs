//! What a model relies on, found by taking it away.

use crate::error::ModelError;
use crate::frame::{Frame, Values};
use crate::model::Predictor;
use crate::predictions::Predictions;
use crate::random::Random;

/// How much worse a metric gets without a feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    pub feature: String,
    /// Metric with the feature as it is, minus the mean over repeats with its values shuffled.
    pub drop: f64,
    /// Standard deviation of that drop over the repeats; 0 for one repeat.
    pub deviation: f64,
}

/// Permutation importance (Breiman 2001): for every feature its values are shuffled among the rows
/// `repeats` times and the metric is taken again. Sorted from the largest drop to the smallest;
/// the same seed gives the same result. For a metric where lower is better pass its negative.
///
/// # Errors
/// What prediction or metric report.
pub fn permutation_importance(
    model: &dyn Predictor,
    frame: &Frame,
    target: &[f64],
    repeats: usize,
    seed: u64,
    metric: impl Fn(&Predictions, &[f64]) -> Result<f64, ModelError>,
) -> Result<Vec<Importance>, ModelError> {
    let names: Vec<String> = model
        .features()
        .iter()
        .map(|feature| feature.name.clone())
        .collect();
    let whole = metric(&model.predict(frame)?, target)?;
    let mut order: Vec<usize> = (0..frame.rows()).collect();
    let mut found = Vec::with_capacity(names.len());
    for (at, name) in names.into_iter().enumerate() {
        let values = frame
            .column(&name)
            .ok_or_else(|| ModelError::MissingColumn { column: name.clone() })?
            .clone();
        let mut drops = Vec::with_capacity(repeats.max(1));
        for repeat in 0..repeats.max(1) {
            Random::stream(seed, (at as u64) << 32 | repeat as u64).shuffle(&mut order);
            let shuffled = match &values {
                Values::Numeric(values) => Values::Numeric(order.iter().map(|&row| values[row]).collect()),
                Values::Categorical { codes, dictionary } => Values::Categorical {
                    codes: order.iter().map(|&row| codes[row]).collect(),
                    dictionary: dictionary.clone(),
                },
            };
            let predictions = model.predict(&frame.with_column(&name, shuffled)?)?;
            drops.push(whole - metric(&predictions, target)?);
        }
        let count = drops.len() as f64;
        let drop = drops.iter().sum::<f64>() / count;
        let variance = drops
            .iter()
            .map(|each| (each - drop) * (each - drop))
            .sum::<f64>()
            / (count - 1.0).max(1.0);
        found.push(Importance {
            feature: name,
            drop,
            deviation: variance.sqrt(),
        });
    }
    found.sort_by(|left, right| {
        right
            .drop
            .total_cmp(&left.drop)
            .then(left.feature.cmp(&right.feature))
    });
    Ok(found)
}
