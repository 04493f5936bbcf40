//! Judging a model on the test rows.

use super::Plan;
use super::answers::{Answers, Setting, Truth};
use super::compared::{Other, compare};
use super::explained::{Explained, Explaining};
use super::groups::{FairnessAsked, crossed, fairness, parts};
use super::judged::{AtThreshold, BinaryDetail, ClassesDetail, Detail, Judged, NumbersDetail, OneClass};
use super::metric::{CALIBRATION_BINS, Measured, Metric};
use super::names::ClassifierMetric;
use super::threshold::Decision;
use super::truth::Test;
use crate::train::rows::refused;
use std::collections::BTreeMap;
use trainyard_contract::StepError;
use trainyard_models::metrics::{
    Binary, CalibrationBins, ClassMetric, ConfusionMatrix, Regression, Weights, calibration_curve, thinned,
};
use trainyard_models::random::Random;
use trainyard_models::{Model, ModelError, Predictor, Task};

/// Points of a curve.
const CURVE_POINTS: usize = 200;
/// Points of a cloud.
const CLOUD_POINTS: usize = 600;
/// Bins of predicted probabilities and of errors.
const BINS: usize = 20;
/// Parts of the predictions in which they are held against the labels.
const TENTHS: usize = 10;

/// What judging needs.
pub(super) struct Judging<'a> {
    pub(super) plan: &'a Plan,
    pub(super) model: &'a Model,
    pub(super) test: &'a Test,
    pub(super) answers: &'a Answers,
    pub(super) setting: &'a Setting,
    pub(super) decision: &'a Decision,
    /// Values of the columns of slices and of fairness, by column.
    pub(super) values: &'a BTreeMap<String, Vec<Option<String>>>,
}

impl Judging<'_> {
    /// Everything but the reasons.
    pub(super) fn judge(
        &self,
        champion: Option<(String, Model)>,
        baselines: Vec<(String, Model)>,
    ) -> Result<Judged, StepError> {
        let (answers, setting) = (self.answers, self.setting);
        let metrics = self.plan.metrics(&answers.truth);
        let mut figures: Vec<Measured> = Vec::new();
        let mut undefined: Vec<(Metric, String)> = Vec::new();
        for metric in metrics.iter().filter(|metric| metric.speed().is_none()) {
            match metric.measured(answers, setting) {
                Ok(measured) if measured.value.is_finite() => figures.push(measured),
                Ok(measured) => undefined.push((*metric, format!("it comes out as {}", measured.value))),
                Err(error) => undefined.push((*metric, error.to_string())),
            }
        }
        let slices = self
            .plan
            .slice_columns()
            .into_iter()
            .filter_map(|column| {
                let values = self.values.get(&column)?;
                let found = parts(values, answers, &metrics, setting);
                Some((column, found))
            })
            .collect();
        let other = |(name, model)| self.other(name, &model, &metrics);
        Ok(Judged {
            rows: answers.rows(),
            positives: answers.positives(),
            unlabelled: self.test.unlabelled,
            figures,
            undefined,
            detail: self.detail().map_err(|error| refused(&error))?,
            champion: champion.map(other),
            baselines: baselines.into_iter().map(other).collect(),
            slices,
            found_slices: self.found_slices().map_err(|error| refused(&error))?,
            fairness: self.fairness(),
            explained: Explained::default(),
        })
    }

    /// The reasons, if they are asked for.
    pub(super) fn explain(&self) -> Result<Explained, StepError> {
        match &self.plan.explain {
            None => Ok(Explained::default()),
            Some(asked) => Explaining {
                asked,
                model: self.model,
                test: self.test,
                answers: self.answers,
                setting: self.setting,
            }
            .explain(),
        }
    }

    fn other(&self, name: String, model: &Model, metrics: &[Metric]) -> Other {
        let mut other = Other {
            name,
            algorithm: model.algorithm().name().to_owned(),
            values: Vec::new(),
            compared: Vec::new(),
            failure: None,
        };
        match self.others_answers(model) {
            Err(failure) => other.failure = Some(failure),
            Ok(theirs) => {
                for &metric in metrics {
                    if let Ok(value) = metric.of(&theirs, self.setting) {
                        other.values.push((metric, value));
                    }
                    other
                        .compared
                        .extend(compare(metric, self.answers, &theirs, self.setting));
                }
            }
        }
        other
    }

    /// Another model's predictions, as chances of this model's classes.
    fn others_answers(&self, model: &Model) -> Result<Answers, String> {
        let mut theirs = self.test.ask(model).map_err(|error| error.to_string())?;
        match (&model.label().task, &self.model.label().task) {
            (theirs, own) if theirs == own => {}
            (
                Task::Binary { negative, positive },
                Task::Binary {
                    negative: own_negative,
                    positive: own_positive,
                },
            ) if negative == own_positive && positive == own_negative => {
                theirs.scores.iter_mut().for_each(|p| *p = 1.0 - *p);
            }
            _ => return Err("it predicts something else".to_owned()),
        }
        Ok(theirs)
    }

    fn found_slices(&self) -> Result<Option<trainyard_models::slices::Slices>, ModelError> {
        let Some(search) = self.plan.find_slices.search(self.answers.rows()) else {
            return Ok(None);
        };
        search.find(&self.test.frame, &self.answers.losses()?).map(Some)
    }

    fn fairness(&self) -> Vec<super::groups::Fairness> {
        let mut found = Vec::new();
        let asked_metrics = self.plan.fairness_metrics(&self.answers.truth);
        let asked = FairnessAsked {
            metrics: &asked_metrics,
            small_below: self.plan.fairness.small_below,
            compared: self.plan.fairness.compare,
        };
        let columns = self.plan.sensitive_columns();
        for column in &columns {
            if let Some(values) = self.values.get(column) {
                found.push(fairness(column, values, self.answers, &asked, self.setting));
            }
        }
        if self.plan.fairness.crossed && columns.len() > 1 {
            let values: Vec<&[Option<String>]> = columns
                .iter()
                .filter_map(|column| self.values.get(column).map(Vec::as_slice))
                .collect();
            let by = columns.join(" × ");
            found.push(fairness(
                &by,
                &crossed(&values),
                self.answers,
                &asked,
                self.setting,
            ));
        }
        found
    }

    fn detail(&self) -> Result<Detail, ModelError> {
        let answers = self.answers;
        Ok(match &answers.truth {
            Truth::Binary(labels) => Detail::Binary(Box::new(self.of_two(labels)?)),
            Truth::Classes(labels) => Detail::Classes(Box::new(self.of_several(labels)?)),
            Truth::Numbers(target) => Detail::Numbers(Box::new(self.of_numbers(target)?)),
        })
    }

    fn of_two(&self, labels: &[f64]) -> Result<BinaryDetail, ModelError> {
        let scores = &self.answers.scores;
        let rows = Binary::new(scores, labels)?;
        let classes: Vec<u32> = labels.iter().map(|label| u32::from(*label == 1.0)).collect();
        let decided: Vec<u32> = scores
            .iter()
            .map(|score| u32::from(*score >= self.decision.threshold))
            .collect();
        let ranking = rows.ranking().ok();
        let curve = |points: Option<Vec<_>>| thinned(points.unwrap_or_default(), CURVE_POINTS);
        let steps = 1..BINS;
        Ok(BinaryDetail {
            decision: self.decision.clone(),
            confusion: ConfusionMatrix::new(&classes, &decided, 2, Weights::Equal)?,
            roc: curve(ranking.as_ref().map(|ranking| ranking.roc_curve())),
            precision_recall: curve(ranking.as_ref().map(|ranking| ranking.precision_recall_curve())),
            gain: curve(ranking.as_ref().map(|ranking| ranking.gain_curve())),
            calibration: rows
                .calibration_curve(CalibrationBins::Quantile(CALIBRATION_BINS))
                .unwrap_or_default(),
            scores: score_shares(scores, labels, BINS),
            thresholds: steps
                .map(|step| self.at_threshold(&rows, step as f64 / BINS as f64))
                .collect(),
        })
    }

    fn at_threshold(&self, rows: &Binary<'_>, threshold: f64) -> AtThreshold {
        let counts = rows.counts_at(threshold);
        AtThreshold {
            threshold,
            selected: (counts.true_positives + counts.false_positives) as u64,
            precision: counts.share(ClassMetric::Precision),
            recall: counts.share(ClassMetric::Recall),
            f1: counts.share(ClassMetric::FBeta(1.0)),
            cost: self.setting.costs.of(&counts) / counts.total(),
        }
    }

    fn of_several(&self, labels: &[u32]) -> Result<ClassesDetail, ModelError> {
        let rows = self.answers.multiclass()?;
        let (sure, right) = self.answers.confidence()?;
        let decided = rows.decided();
        let classes = self.model.label().task.classes();
        let each = (0..classes.len())
            .map(|class| self.one_class(class, labels, &decided))
            .collect();
        Ok(ClassesDetail {
            classes: classes.into_iter().map(str::to_owned).collect(),
            confusion: rows.confusion()?,
            each,
            calibration: calibration_curve(&sure, &right, CALIBRATION_BINS)?,
        })
    }

    /// A class against the others: its area from its probability, the shares from the decisions.
    fn one_class(&self, class: usize, labels: &[u32], decided: &[u32]) -> OneClass {
        let is = |label: &u32| f64::from(u8::from(*label as usize == class));
        let truth = Truth::Binary(labels.iter().map(is).collect());
        let ranked = Answers {
            scores: (0..labels.len())
                .map(|row| self.answers.line(row).get(class).copied().unwrap_or(0.0))
                .collect(),
            truth: truth.clone(),
            outputs: 1,
        };
        let chosen = Answers {
            scores: decided.iter().map(is).collect(),
            truth,
            outputs: 1,
        };
        let setting = Setting {
            threshold: 0.5,
            ..*self.setting
        };
        use ClassifierMetric as C;
        let figures = [
            (C::RocAuc, &ranked),
            (C::Precision, &chosen),
            (C::Recall, &chosen),
            (C::F1, &chosen),
        ];
        OneClass {
            rows: labels.iter().filter(|label| **label as usize == class).count(),
            figures: figures
                .into_iter()
                .filter_map(|(metric, answers)| Metric::Classifier(metric).measured(answers, &setting).ok())
                .collect(),
            roc: self
                .answers
                .multiclass()
                .and_then(|rows| rows.ranking(class))
                .map(|ranking| thinned(ranking.roc_curve(), CURVE_POINTS))
                .unwrap_or_default(),
        }
    }

    fn of_numbers(&self, target: &[f64]) -> Result<NumbersDetail, ModelError> {
        let predictions = &self.answers.scores;
        let residuals = Regression::new(predictions, target)?.residuals();
        let chosen = Random::new(self.setting.seed).choose(target.len(), CLOUD_POINTS);
        let mut order: Vec<usize> = (0..target.len()).collect();
        order.sort_by(|&a, &b| predictions[a].total_cmp(&predictions[b]).then(a.cmp(&b)));
        let tenths = (0..TENTHS)
            .map(|tenth| {
                let (from, to) = (order.len() * tenth / TENTHS, order.len() * (tenth + 1) / TENTHS);
                &order[from..to]
            })
            .filter(|rows| !rows.is_empty())
            .map(|rows| {
                let mean = |of: &[f64]| rows.iter().map(|&row| of[row]).sum::<f64>() / rows.len() as f64;
                (mean(predictions), mean(target), rows.len())
            })
            .collect();
        // Between the first and the last percentile: one wild row would make one bar of all others.
        let (low, high) = (residuals.quantiles[1], residuals.quantiles[7]);
        let errors = error_shares(predictions, target, low, high);
        Ok(NumbersDetail {
            residuals,
            points: chosen
                .into_iter()
                .map(|row| (predictions[row], target[row]))
                .collect(),
            errors,
            tenths,
        })
    }
}

/// Shares of negative and positive rows in `bins` bins of predicted probability.
fn score_shares(predictions: &[f64], labels: &[f64], bins: usize) -> Vec<(f64, f64)> {
    let mut counts = vec![(0.0, 0.0); bins];
    let (mut negatives, mut positives) = (0.0, 0.0);
    for (prediction, label) in predictions.iter().zip(labels) {
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

/// Shares of all rows by error, in bins of equal width from `low` to `high`.
fn error_shares(predictions: &[f64], target: &[f64], low: f64, high: f64) -> Vec<(f64, f64, f64)> {
    let width = (high - low) / BINS as f64;
    if width <= 0.0 {
        return vec![(low, high, 1.0)];
    }
    let mut counts = vec![0usize; BINS];
    for (prediction, label) in predictions.iter().zip(target) {
        let place = (prediction - label - low) / width;
        if (0.0..=BINS as f64).contains(&place) {
            counts[(place as usize).min(BINS - 1)] += 1;
        }
    }
    counts
        .into_iter()
        .enumerate()
        .map(|(bin, count)| {
            let from = low + width * bin as f64;
            (from, from + width, count as f64 / target.len() as f64)
        })
        .collect()
}
