//! A metric with the range it may lie in, and how that was found.

use super::bootstrap::{Bootstrap, BootstrapMethod};
use super::counts::{ClassCounts, ClassMetric};
use super::threshold::wilson_interval_at;
use super::{Interval, auc_estimate, mean_interval, normal_quantile};
use crate::error::ModelError;

/// How an interval was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalMethod {
    DeLong,
    Wilson,
    /// The normal approximation of a mean.
    Normal,
    BootstrapPercentile {
        draws: usize,
    },
    BootstrapBca {
        draws: usize,
    },
}

impl IntervalMethod {
    /// As shown beside an interval.
    pub fn name(self) -> String {
        match self {
            Self::DeLong => "DeLong".to_owned(),
            Self::Wilson => "Wilson".to_owned(),
            Self::Normal => "normal".to_owned(),
            Self::BootstrapPercentile { draws } => format!("bootstrap, {draws} draws"),
            Self::BootstrapBca { draws } => format!("bootstrap BCa, {draws} draws"),
        }
    }
}

/// A value with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub interval: Interval,
    pub method: IntervalMethod,
}

/// Area under the ROC curve with DeLong's interval.
///
/// # Errors
/// As [`super::roc_auc`].
pub fn estimate_auc(scores: &[f64], labels: &[f64], level: f64) -> Result<Estimate, ModelError> {
    let found = auc_estimate(scores, labels)?;
    let half = normal_quantile(0.5 + level / 2.0) * found.standard_error;
    Ok(Estimate {
        value: found.auc,
        interval: Interval {
            low: (found.auc - half).max(0.0),
            high: (found.auc + half).min(1.0),
        },
        method: IntervalMethod::DeLong,
    })
}

/// A share of rows that count the same, with Wilson's interval. None for F-beta, which is no share of
/// independent rows, and for a share of nothing.
pub fn estimate_share(counts: &ClassCounts, metric: ClassMetric, level: f64) -> Option<Estimate> {
    if matches!(metric, ClassMetric::FBeta(_)) {
        return None;
    }
    let (part, whole) = counts.fraction(metric);
    (whole > 0.0).then(|| Estimate {
        value: part / whole,
        interval: wilson_interval_at(part, whole, level),
        method: IntervalMethod::Wilson,
    })
}

/// Mean of one term a row (such as the loss of each row) with its normal 95 % interval.
///
/// # Errors
/// `NoRows` for fewer than two rows.
pub fn estimate_mean(terms: &[f64]) -> Result<Estimate, ModelError> {
    let found = mean_interval(terms)?;
    Ok(Estimate {
        value: found.mean,
        interval: found.interval,
        method: IntervalMethod::Normal,
    })
}

impl Bootstrap {
    /// Any metric of the rows `0..rows` with its interval; see [`Bootstrap::interval`].
    ///
    /// # Errors
    /// What the metric says of all rows; `NoRows` if no draw gives a value.
    pub fn estimate(
        &self,
        rows: usize,
        metric: impl Fn(&[usize]) -> Result<f64, ModelError> + Sync,
    ) -> Result<Estimate, ModelError> {
        let all: Vec<usize> = (0..rows).collect();
        let draws = self.draws;
        Ok(Estimate {
            value: metric(&all)?,
            interval: self.interval(rows, metric)?,
            method: match self.method {
                BootstrapMethod::Percentile => IntervalMethod::BootstrapPercentile { draws },
                BootstrapMethod::Bca => IntervalMethod::BootstrapBca { draws },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::rows;
    use super::super::{Binary, at_rows};
    use super::*;

    #[test]
    fn every_method_names_itself_and_holds_the_value() {
        let rows = rows();
        let counts = Binary::new(&rows.s, &rows.y).unwrap().counts_at(0.5);
        let bootstrap = Bootstrap {
            method: BootstrapMethod::Bca,
            draws: 100,
            seed: 1,
            level: 0.9,
        };
        let loss = Binary::new(&rows.s, &rows.y).unwrap().log_loss_terms().unwrap();
        let ap = |chosen: &[usize]| {
            super::super::average_precision(&at_rows(&rows.s, chosen), &at_rows(&rows.y, chosen))
        };
        let found = [
            (estimate_auc(&rows.s, &rows.y, 0.9).unwrap(), "DeLong"),
            (
                estimate_share(&counts, ClassMetric::Recall, 0.9).unwrap(),
                "Wilson",
            ),
            (estimate_mean(&loss).unwrap(), "normal"),
            (
                bootstrap.estimate(rows.y.len(), ap).unwrap(),
                "bootstrap BCa, 100 draws",
            ),
        ];
        for (estimate, name) in found {
            assert_eq!(estimate.method.name(), name);
            assert!(estimate.interval.low < estimate.value && estimate.value < estimate.interval.high);
        }
        assert_eq!(estimate_share(&counts, ClassMetric::FBeta(1.0), 0.9), None);
    }
}
