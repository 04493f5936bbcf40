//! A model's numbers on the test rows, beside those of other models and of parts of the rows.

use crate::train::scores::Metric;
use std::collections::BTreeMap;
use trainyard_models::importance::Importance;
use trainyard_models::metrics::{
    AucComparison, CalibrationBin, Confusion, CurvePoint, Interval, auc_difference,
};

/// A metric with what surrounds it.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) metric: Metric,
    pub(crate) value: f64,
    /// 95 % interval and its method.
    pub(crate) interval: Option<(Interval, &'static str)>,
}

/// Rows that share a value.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    /// The value, `(missing)` where there is none.
    pub(crate) value: String,
    pub(crate) rows: usize,
    pub(crate) positives: usize,
    /// Metrics these rows define.
    pub(crate) metrics: Vec<(Metric, f64)>,
    /// Interval of the first metric, where it has one.
    pub(crate) interval: Option<Interval>,
}

impl Slice {
    pub(crate) fn of(&self, metric: Metric) -> Option<f64> {
        self.metrics
            .iter()
            .find(|(known, _)| *known == metric)
            .map(|(_, value)| *value)
    }
}

/// Another model on the same rows.
#[derive(Clone, Debug)]
pub(crate) struct Other {
    /// As shown, e.g. `champion` or `train[algorithm=random_forest]`.
    pub(crate) name: String,
    pub(crate) algorithm: String,
    pub(crate) metrics: Vec<(Metric, f64)>,
    /// This model's AUC minus the other's.
    pub(crate) auc: Option<AucComparison>,
    /// Why it could not be measured.
    pub(crate) failure: Option<String>,
}

impl Other {
    pub(crate) fn value(&self, metric: Metric) -> Option<f64> {
        self.metrics
            .iter()
            .find(|(known, _)| *known == metric)
            .map(|(_, value)| *value)
    }
}

/// Pictures' points.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curves {
    pub(crate) roc: Vec<CurvePoint>,
    pub(crate) precision_recall: Vec<CurvePoint>,
    pub(crate) calibration: Vec<CalibrationBin>,
    /// Share of negative and of positive rows by predicted probability, in bins of equal width.
    pub(crate) scores: Vec<(f64, f64)>,
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) rows: usize,
    pub(crate) positives: usize,
    pub(crate) unlabelled: usize,
    pub(crate) threshold: f64,
    pub(crate) metrics: Vec<Measured>,
    pub(crate) confusion: Confusion,
    pub(crate) curves: Curves,
    pub(crate) champion: Option<Other>,
    pub(crate) baselines: Vec<Other>,
    /// By column.
    pub(crate) slices: BTreeMap<String, Vec<Slice>>,
    pub(crate) importance: Vec<Importance>,
}

impl Judged {
    pub(crate) fn value(&self, metric: Metric) -> Option<f64> {
        self.metrics
            .iter()
            .find(|measured| measured.metric == metric)
            .map(|measured| measured.value)
    }
}

/// Every metric of these predictions that the rows define.
pub(crate) fn values(
    metrics: &[Metric],
    predictions: &[f64],
    target: &[f64],
    threshold: f64,
) -> Vec<(Metric, f64)> {
    metrics
        .iter()
        .filter_map(|metric| Some((*metric, metric.of(predictions, target, threshold).ok()?)))
        .collect()
}

/// The same with intervals.
pub(crate) fn measured(
    metrics: &[Metric],
    predictions: &[f64],
    target: &[f64],
    threshold: f64,
    seed: u64,
) -> Vec<Measured> {
    values(metrics, predictions, target, threshold)
        .into_iter()
        .map(|(metric, value)| {
            let interval = metric
                .interval(predictions, target, threshold, seed)
                .ok()
                .flatten();
            Measured {
                metric,
                value,
                interval,
            }
        })
        .collect()
}

/// Another model's predictions beside this one's.
pub(crate) fn other(
    name: String,
    algorithm: String,
    predictions: Result<Vec<f64>, String>,
    own: &[f64],
    target: &[f64],
    metrics: &[Metric],
    threshold: f64,
) -> Other {
    match predictions {
        Ok(predictions) => Other {
            name,
            algorithm,
            metrics: values(metrics, &predictions, target, threshold),
            auc: auc_difference(own, &predictions, target).ok(),
            failure: None,
        },
        Err(failure) => Other {
            name,
            algorithm,
            metrics: Vec::new(),
            auc: None,
            failure: Some(failure),
        },
    }
}

/// The rows by the values of a column, most rows first.
pub(crate) fn slices(
    values_of_column: &[Option<String>],
    predictions: &[f64],
    target: &[f64],
    metrics: &[Metric],
    threshold: f64,
) -> Vec<Slice> {
    let mut by_value: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, value) in values_of_column.iter().enumerate() {
        by_value
            .entry(value.as_deref().unwrap_or("(missing)"))
            .or_default()
            .push(row);
    }
    let mut slices: Vec<Slice> = by_value
        .into_iter()
        .map(|(value, rows)| {
            let predictions: Vec<f64> = rows.iter().map(|&row| predictions[row]).collect();
            let target: Vec<f64> = rows.iter().map(|&row| target[row]).collect();
            let metrics_here = values(metrics, &predictions, &target, threshold);
            let interval = metrics
                .first()
                .filter(|metric| **metric == Metric::RocAuc)
                .and_then(|metric| {
                    metric
                        .interval(&predictions, &target, threshold, 0)
                        .ok()
                        .flatten()
                })
                .map(|(interval, _)| interval);
            Slice {
                value: value.to_owned(),
                rows: rows.len(),
                positives: target.iter().filter(|label| **label == 1.0).count(),
                metrics: metrics_here,
                interval,
            }
        })
        .collect();
    slices.sort_by(|left, right| right.rows.cmp(&left.rows).then(left.value.cmp(&right.value)));
    slices
}

/// Shares of negative and positive rows in `bins` bins of predicted probability.
pub(crate) fn score_shares(predictions: &[f64], target: &[f64], bins: usize) -> Vec<(f64, f64)> {
    let mut counts = vec![(0.0, 0.0); bins];
    let (mut negatives, mut positives) = (0.0, 0.0);
    for (prediction, label) in predictions.iter().zip(target) {
        let bin = ((prediction * bins as f64) as usize).min(bins - 1);
        if *label == 1.0 {
            counts[bin].1 += 1.0;
            positives += 1.0;
        } else {
            counts[bin].0 += 1.0;
            negatives += 1.0;
        }
    }
    counts
        .into_iter()
        .map(|(no, yes)| (no / f64::max(negatives, 1.0), yes / f64::max(positives, 1.0)))
        .collect()
}
