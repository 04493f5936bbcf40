//! Two models on the same rows, by a paired test.

use super::answers::{Answers, Setting, Truth};
use super::metric::Metric;
use super::names::ClassifierMetric;
use trainyard_models::ModelError;
use trainyard_models::metrics::{
    Interval, compare_auc, compare_by_bootstrap, compare_decisions, mean_interval, normal_cdf,
};

/// How far this model is from another one in a metric: this minus the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Compared {
    pub(crate) metric: Metric,
    pub(crate) difference: f64,
    /// 95 %.
    pub(crate) interval: Option<Interval>,
    /// Two-sided, that the models do not differ.
    pub(crate) p_value: f64,
    pub(crate) method: String,
}

/// Another model on the same rows.
#[derive(Clone, Debug)]
pub(crate) struct Other {
    /// As shown, e.g. `champion` or `train[algorithm=random_forest]`.
    pub(crate) name: String,
    pub(crate) algorithm: String,
    pub(crate) values: Vec<(Metric, f64)>,
    pub(crate) compared: Vec<Compared>,
    /// Why it could not be measured.
    pub(crate) failure: Option<String>,
}

impl Other {
    pub(crate) fn value(&self, metric: Metric) -> Option<f64> {
        self.values
            .iter()
            .find(|(known, _)| *known == metric)
            .map(|(_, value)| *value)
    }

    pub(crate) fn compared(&self, metric: Metric) -> Option<&Compared> {
        self.compared.iter().find(|compared| compared.metric == metric)
    }
}

/// DeLong's test for the area under the ROC curve of two classes; McNemar's for the share of right
/// decisions, whose interval is that of paired rows; the normal test of paired differences for other
/// means over rows; and rows drawn for both models together for all else.
///
/// # Errors
/// What the rows do not define, or a metric of which rows drawn again say nothing true.
pub(crate) fn compare(
    metric: Metric,
    own: &Answers,
    other: &Answers,
    setting: &Setting,
) -> Result<Compared, ModelError> {
    if let Truth::Binary(labels) = &own.truth
        && metric == Metric::Classifier(ClassifierMetric::RocAuc)
    {
        let found = compare_auc(&own.scores, &other.scores, labels)?;
        return Ok(Compared {
            metric,
            difference: found.difference,
            interval: found.interval,
            p_value: found.p_value,
            method: format!("{}, paired", found.method.name()),
        });
    }
    if let (Some(first), Some(second)) = (metric.terms(own, setting), metric.terms(other, setting)) {
        let differences: Vec<f64> = first
            .iter()
            .zip(&second)
            .map(|(one, other)| one - other)
            .collect();
        let found = mean_interval(&differences)?;
        // Half the width is 1.96 standard errors.
        let error = (found.interval.high - found.interval.low) / 2.0 / 1.959_963_984_540_054;
        let (p_value, method) = match (own.right(setting.threshold), other.right(setting.threshold)) {
            (Some(one), Some(two)) if metric == Metric::Classifier(ClassifierMetric::Accuracy) => {
                let test = compare_decisions(&one, &two)?;
                (
                    test.p_value,
                    format!("{}; interval of paired rows, normal", test.method.name()),
                )
            }
            _ if error > 0.0 => (
                2.0 * normal_cdf(-(found.mean / error).abs()),
                "paired rows, normal".to_owned(),
            ),
            _ => (
                if found.mean == 0.0 { 1.0 } else { 0.0 },
                "paired rows, normal".to_owned(),
            ),
        };
        return Ok(Compared {
            metric,
            difference: found.mean,
            interval: Some(found.interval),
            p_value,
            method,
        });
    }
    if !metric.has_interval() {
        return Err(ModelError::NoRows {
            doing: "draw again for a metric that is not estimated so",
        });
    }
    let found = compare_by_bootstrap(&setting.bootstrap(), own.rows(), |model, rows| {
        metric.of(&if model == 0 { own } else { other }.at(rows), setting)
    })?;
    Ok(Compared {
        metric,
        difference: found.difference,
        interval: found.interval,
        p_value: found.p_value,
        method: format!("{}, {} draws", found.method.name(), setting.draws),
    })
}
