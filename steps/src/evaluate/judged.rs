//! Everything that was found of a model on the test rows.

use super::compared::Other;
use super::explained::Explained;
use super::groups::{Fairness, Part};
use super::metric::{Measured, Metric};
use super::threshold::Decision;
use std::collections::BTreeMap;
use trainyard_models::metrics::{CalibrationBin, ConfusionMatrix, CurvePoint, Residuals};
use trainyard_models::slices::Slices;

/// Everything that was found.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) rows: usize,
    /// Rows of the positive class, for two classes.
    pub(crate) positives: Option<usize>,
    pub(crate) unlabelled: usize,
    pub(crate) figures: Vec<Measured>,
    /// Metrics that were asked for and that these rows do not define, with why.
    pub(crate) undefined: Vec<(Metric, String)>,
    pub(crate) detail: Detail,
    pub(crate) champion: Option<Other>,
    pub(crate) baselines: Vec<Other>,
    /// By column.
    pub(crate) slices: BTreeMap<String, Vec<Part>>,
    pub(crate) found_slices: Option<Slices>,
    pub(crate) fairness: Vec<Fairness>,
    pub(crate) explained: Explained,
}

/// What only one kind of label has.
#[derive(Clone, Debug)]
pub(crate) enum Detail {
    Binary(Box<BinaryDetail>),
    Classes(Box<ClassesDetail>),
    Numbers(Box<NumbersDetail>),
}

/// Of two classes.
#[derive(Clone, Debug)]
pub(crate) struct BinaryDetail {
    pub(crate) decision: Decision,
    pub(crate) confusion: ConfusionMatrix,
    pub(crate) roc: Vec<CurvePoint>,
    pub(crate) precision_recall: Vec<CurvePoint>,
    pub(crate) gain: Vec<CurvePoint>,
    pub(crate) calibration: Vec<CalibrationBin>,
    /// Share of negative and of positive rows by predicted probability, in bins of equal width.
    pub(crate) scores: Vec<(f64, f64)>,
    pub(crate) thresholds: Vec<AtThreshold>,
}

/// Decisions at one threshold; shares of nothing are none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtThreshold {
    pub(crate) threshold: f64,
    pub(crate) selected: u64,
    pub(crate) precision: Option<f64>,
    pub(crate) recall: Option<f64>,
    pub(crate) f1: Option<f64>,
    /// Mean of a row, where costs are given.
    pub(crate) cost: f64,
}

/// Of several classes.
#[derive(Clone, Debug)]
pub(crate) struct ClassesDetail {
    pub(crate) classes: Vec<String>,
    pub(crate) confusion: ConfusionMatrix,
    /// Each class against the others.
    pub(crate) each: Vec<OneClass>,
    /// Of the highest probability: share of right decisions.
    pub(crate) calibration: Vec<CalibrationBin>,
}

/// One class against all others.
#[derive(Clone, Debug)]
pub(crate) struct OneClass {
    pub(crate) rows: usize,
    /// Area under the ROC curve, precision, recall and F1, as far as the rows define them.
    pub(crate) figures: Vec<Measured>,
    pub(crate) roc: Vec<CurvePoint>,
}

/// Of numbers.
#[derive(Clone, Debug)]
pub(crate) struct NumbersDetail {
    pub(crate) residuals: Residuals,
    /// Predicted and true numbers of some rows.
    pub(crate) points: Vec<(f64, f64)>,
    /// Bounds and shares of rows by error (prediction minus label), in bins of equal width.
    pub(crate) errors: Vec<(f64, f64, f64)>,
    /// Mean prediction, mean label and rows by tenths of the predictions.
    pub(crate) tenths: Vec<(f64, f64, usize)>,
}

impl Judged {
    pub(crate) fn measured(&self, metric: Metric) -> Option<&Measured> {
        self.figures.iter().find(|measured| measured.metric == metric)
    }

    /// The metrics that were asked for and that the rows define.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        self.figures.iter().map(|measured| measured.metric).collect()
    }
}
