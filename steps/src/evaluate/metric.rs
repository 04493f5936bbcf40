//! Metrics by the names that pipelines use, with the range each may lie in.

use super::answers::{Answers, Setting, Truth};
use super::names::{ClassifierMetric, RegressorMetric};
use trainyard_models::ModelError;
use trainyard_models::metrics::{
    Average, Binary, Bootstrap, BootstrapMethod, CalibrationBins, ClassMetric, ConfusionMatrix, Interval,
    IntervalMethod, KappaWeights, MulticlassAuc, Regression, Undefined, Weights, estimate_auc, estimate_mean,
    estimate_share, wilson_interval_at,
};

/// Bins of the calibration errors.
pub(crate) const CALIBRATION_BINS: usize = 10;
/// Confidence of every interval.
pub(crate) const LEVEL: f64 = 0.95;

/// A figure of speed: different from run to run, so it goes to the log and never into a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speed {
    P50,
    P95,
    P99,
    RowsPerSecond,
}

/// A metric of either step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    Classifier(ClassifierMetric),
    Regressor(RegressorMetric),
}

impl From<ClassifierMetric> for Metric {
    fn from(metric: ClassifierMetric) -> Self {
        Self::Classifier(metric)
    }
}

impl From<RegressorMetric> for Metric {
    fn from(metric: RegressorMetric) -> Self {
        Self::Regressor(metric)
    }
}

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
    Neither,
}

/// A metric with the rows it is of, and the range it may lie in with the method that says so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) metric: Metric,
    pub(crate) value: f64,
    pub(crate) interval: Option<(Interval, String)>,
}

fn nothing() -> ModelError {
    ModelError::NoRows {
        doing: "take a share of",
    }
}

impl Metric {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classifier(metric) => metric.name(),
            Self::Regressor(metric) => metric.name(),
        }
    }

    pub(crate) fn speed(self) -> Option<Speed> {
        use ClassifierMetric as C;
        use RegressorMetric as R;
        match self {
            Self::Classifier(C::LatencyP50) | Self::Regressor(R::LatencyP50) => Some(Speed::P50),
            Self::Classifier(C::LatencyP95) | Self::Regressor(R::LatencyP95) => Some(Speed::P95),
            Self::Classifier(C::LatencyP99) | Self::Regressor(R::LatencyP99) => Some(Speed::P99),
            Self::Classifier(C::RowsPerSecond) | Self::Regressor(R::RowsPerSecond) => {
                Some(Speed::RowsPerSecond)
            }
            _ => None,
        }
    }

    pub(crate) fn better(self) -> Better {
        use ClassifierMetric as C;
        use RegressorMetric as R;
        match self {
            Self::Classifier(C::SelectionRate) | Self::Regressor(R::Bias) => Better::Neither,
            Self::Classifier(
                C::LogLoss
                | C::Brier
                | C::FalsePositiveRate
                | C::FalseNegativeRate
                | C::Cost
                | C::Ece
                | C::Mce
                | C::LatencyP50
                | C::LatencyP95
                | C::LatencyP99,
            ) => Better::Lower,
            Self::Regressor(
                R::R2
                | R::AdjustedR2
                | R::ExplainedVariance
                | R::D2AbsoluteError
                | R::D2Pinball
                | R::RowsPerSecond,
            )
            | Self::Classifier(_) => Better::Higher,
            Self::Regressor(_) => Better::Lower,
        }
    }

    /// Whether there is a range for it at all. Calibration errors are averages of absolute values and
    /// the largest error is one row: drawing rows again says nothing true of either.
    pub(crate) fn has_interval(self) -> bool {
        use ClassifierMetric as C;
        self.speed().is_none()
            && !matches!(
                self,
                Self::Classifier(C::Ece | C::Mce) | Self::Regressor(RegressorMetric::MaxError)
            )
    }

    /// Whether a ratio of two values means anything: not of those that can lie on both sides of 0.
    pub(crate) fn has_ratio(self) -> bool {
        use ClassifierMetric as C;
        use RegressorMetric as R;
        !matches!(
            self,
            Self::Classifier(C::Matthews | C::Kappa | C::KappaQuadratic | C::Cost)
                | Self::Regressor(
                    R::Bias
                        | R::R2
                        | R::AdjustedR2
                        | R::ExplainedVariance
                        | R::D2AbsoluteError
                        | R::D2Pinball
                )
        )
    }

    /// The share of counts that it is, for two classes.
    fn share(self) -> Option<ClassMetric> {
        use ClassifierMetric as C;
        let Self::Classifier(metric) = self else {
            return None;
        };
        Some(match metric {
            C::Accuracy => ClassMetric::Accuracy,
            C::Precision => ClassMetric::Precision,
            C::Recall => ClassMetric::Recall,
            C::F1 => ClassMetric::FBeta(1.0),
            C::F2 => ClassMetric::FBeta(2.0),
            C::F05 => ClassMetric::FBeta(0.5),
            C::Jaccard => ClassMetric::Jaccard,
            C::Specificity => ClassMetric::Specificity,
            C::NegativePredictiveValue => ClassMetric::NegativePredictiveValue,
            C::FalsePositiveRate => ClassMetric::FalsePositiveRate,
            C::FalseNegativeRate => ClassMetric::FalseNegativeRate,
            C::SelectionRate => ClassMetric::SelectionRate,
            _ => return None,
        })
    }

    /// Its value.
    ///
    /// # Errors
    /// What the rows do not define, or a metric of another kind of label.
    pub(crate) fn of(self, answers: &Answers, setting: &Setting) -> Result<f64, ModelError> {
        match (self, &answers.truth) {
            (Self::Classifier(metric), Truth::Binary(labels)) => {
                self.of_two(metric, &Binary::new(&answers.scores, labels)?, setting)
            }
            (Self::Classifier(metric), Truth::Classes(_)) => of_several(metric, answers),
            (Self::Regressor(metric), Truth::Numbers(target)) => {
                of_numbers(metric, &Regression::new(&answers.scores, target)?, setting)
            }
            _ => Err(other_label()),
        }
    }

    fn of_two(
        self,
        metric: ClassifierMetric,
        rows: &Binary<'_>,
        setting: &Setting,
    ) -> Result<f64, ModelError> {
        use ClassifierMetric as C;
        let counts = rows.counts_at(setting.threshold);
        if let Some(share) = self.share() {
            return counts.share(share).ok_or_else(nothing);
        }
        let bins = CalibrationBins::Uniform(CALIBRATION_BINS);
        let matrix = || {
            let (tp, fp) = (counts.true_positives, counts.false_positives);
            let (tn, fn_) = (counts.true_negatives, counts.false_negatives);
            ConfusionMatrix::new(&[0, 0, 1, 1], &[0, 1, 0, 1], 2, Weights::Each(&[tn, fp, fn_, tp]))
        };
        match metric {
            C::RocAuc => Ok(rows.ranking()?.roc_auc()),
            C::AveragePrecision => Ok(rows.ranking()?.average_precision()),
            C::KolmogorovSmirnov => Ok(rows.ranking()?.kolmogorov_smirnov().statistic),
            C::Lift10 => Ok(rows.ranking()?.lift_at(0.1)),
            C::LogLoss => rows.log_loss(),
            C::Brier => rows.brier(),
            C::BalancedAccuracy => matrix()?.balanced_accuracy(false).ok_or_else(nothing),
            C::Matthews => Ok(matrix()?.matthews()),
            C::Kappa => matrix()?.kappa(KappaWeights::Same).ok_or_else(nothing),
            C::GMean => Ok(matrix()?.g_mean()),
            C::Cost => Ok(setting.costs.of(&counts) / counts.total()),
            C::Ece => rows.expected_calibration_error(bins),
            C::Mce => rows.maximum_calibration_error(bins),
            _ => Err(other_label()),
        }
    }

    /// One term a row whose mean it is, if it is one.
    pub(crate) fn terms(self, answers: &Answers, setting: &Setting) -> Option<Vec<f64>> {
        use ClassifierMetric as C;
        use RegressorMetric as R;
        let errors = |term: fn(f64) -> f64| match &answers.truth {
            Truth::Numbers(target) => Some(
                answers
                    .scores
                    .iter()
                    .zip(target)
                    .map(|(p, t)| term(p - t))
                    .collect(),
            ),
            _ => None,
        };
        match (self, &answers.truth) {
            (Self::Classifier(C::LogLoss), Truth::Binary(_) | Truth::Classes(_)) => answers.losses().ok(),
            (Self::Classifier(C::Brier), Truth::Binary(labels)) => {
                Binary::new(&answers.scores, labels).ok()?.brier_terms().ok()
            }
            (Self::Classifier(C::Brier), Truth::Classes(labels)) => Some(
                labels
                    .iter()
                    .enumerate()
                    .map(|(row, label)| {
                        let line = answers.line(row).iter().enumerate();
                        line.map(|(class, p)| (f64::from(u8::from(class == *label as usize)) - p).powi(2))
                            .sum()
                    })
                    .collect(),
            ),
            (Self::Classifier(C::Accuracy), _) => {
                let right = answers.right(setting.threshold)?;
                Some(
                    right
                        .into_iter()
                        .map(|right| f64::from(u8::from(right)))
                        .collect(),
                )
            }
            (Self::Regressor(R::Mae), _) => errors(f64::abs),
            (Self::Regressor(R::Mse), _) => errors(|error| error * error),
            (Self::Regressor(R::Bias), _) => errors(|error| error),
            _ => None,
        }
    }

    /// Its value with a 95 % interval: DeLong's for the area under the ROC curve, Wilson's for shares,
    /// the normal one for means over rows, and else rows drawn again.
    ///
    /// # Errors
    /// As [`Metric::of`].
    pub(crate) fn measured(self, answers: &Answers, setting: &Setting) -> Result<Measured, ModelError> {
        let value = self.of(answers, setting)?;
        Ok(Measured {
            metric: self,
            value,
            interval: self.interval(answers, setting),
        })
    }

    fn interval(self, answers: &Answers, setting: &Setting) -> Option<(Interval, String)> {
        if !self.has_interval() {
            return None;
        }
        if let Truth::Binary(labels) = &answers.truth {
            if self == Self::Classifier(ClassifierMetric::RocAuc) {
                let found = estimate_auc(&answers.scores, labels, LEVEL).ok()?;
                return Some((found.interval, found.method.name()));
            }
            if let Some(share) = self.share() {
                let counts = Binary::new(&answers.scores, labels)
                    .ok()?
                    .counts_at(setting.threshold);
                if let Some(found) = estimate_share(&counts, share, LEVEL) {
                    return Some((found.interval, found.method.name()));
                }
            }
        }
        if self == Self::Classifier(ClassifierMetric::Accuracy) {
            let right = answers.right(setting.threshold)?;
            let hits = right.iter().filter(|right| **right).count() as f64;
            let found = wilson_interval_at(hits, right.len() as f64, LEVEL);
            return Some((found, IntervalMethod::Wilson.name()));
        }
        if self == Self::Regressor(RegressorMetric::Rmse) {
            let squares = Self::Regressor(RegressorMetric::Mse).terms(answers, setting)?;
            let found = estimate_mean(&squares).ok()?.interval;
            let interval = Interval {
                low: found.low.max(0.0).sqrt(),
                high: found.high.sqrt(),
            };
            return Some((interval, "normal, of its square".to_owned()));
        }
        if let Some(terms) = self.terms(answers, setting) {
            let found = estimate_mean(&terms).ok()?;
            return Some((found.interval, found.method.name()));
        }
        let bootstrap = setting.bootstrap();
        let interval = bootstrap
            .interval(answers.rows(), |rows| self.of(&answers.at(rows), setting))
            .ok()?;
        Some((interval, setting.method()))
    }
}

impl Setting {
    pub(crate) fn bootstrap(&self) -> Bootstrap {
        Bootstrap {
            method: BootstrapMethod::Percentile,
            draws: self.draws,
            seed: self.seed,
            level: LEVEL,
        }
    }

    /// The bootstrap as named beside an interval.
    pub(crate) fn method(&self) -> String {
        format!("bootstrap, {} draws", self.draws)
    }
}

fn other_label() -> ModelError {
    ModelError::OtherPredictions {
        expected: "what this metric is defined for",
        found: "another kind of label",
    }
}

fn of_several(metric: ClassifierMetric, answers: &Answers) -> Result<f64, ModelError> {
    use ClassifierMetric as C;
    let rows = answers.multiclass()?;
    let average = |of: ClassMetric, by: Average| -> Result<f64, ModelError> {
        rows.confusion()?
            .average(of, by, Undefined::Zero)
            .ok_or_else(nothing)
    };
    let one_against_rest = |by| rows.roc_auc(MulticlassAuc::OneVsRest(by));
    let calibration = |of: fn(&Binary<'_>, CalibrationBins) -> Result<f64, ModelError>| {
        let (sure, right) = answers.confidence()?;
        of(
            &Binary::new(&sure, &right)?,
            CalibrationBins::Uniform(CALIBRATION_BINS),
        )
    };
    match metric {
        C::RocAuc => one_against_rest(Average::Macro),
        C::RocAucWeighted => one_against_rest(Average::Weighted),
        C::RocAucPairs => rows.roc_auc(MulticlassAuc::OneVsOne),
        C::AveragePrecision => rows.average_precision(Average::Macro),
        C::LogLoss => rows.log_loss(),
        C::Brier => rows.brier(),
        C::Accuracy => Ok(rows.confusion()?.accuracy()),
        C::BalancedAccuracy => rows.confusion()?.balanced_accuracy(false).ok_or_else(nothing),
        C::Precision => average(ClassMetric::Precision, Average::Macro),
        C::Recall => average(ClassMetric::Recall, Average::Macro),
        C::F1 => average(ClassMetric::FBeta(1.0), Average::Macro),
        C::F2 => average(ClassMetric::FBeta(2.0), Average::Macro),
        C::F05 => average(ClassMetric::FBeta(0.5), Average::Macro),
        C::PrecisionWeighted => average(ClassMetric::Precision, Average::Weighted),
        C::RecallWeighted => average(ClassMetric::Recall, Average::Weighted),
        C::F1Weighted => average(ClassMetric::FBeta(1.0), Average::Weighted),
        C::Jaccard => average(ClassMetric::Jaccard, Average::Macro),
        C::Matthews => Ok(rows.confusion()?.matthews()),
        C::Kappa => rows.confusion()?.kappa(KappaWeights::Same).ok_or_else(nothing),
        C::KappaQuadratic => rows
            .confusion()?
            .kappa(KappaWeights::Quadratic)
            .ok_or_else(nothing),
        C::GMean => Ok(rows.confusion()?.g_mean()),
        C::Top2Accuracy => Ok(rows.top_k_accuracy(2)),
        C::Top3Accuracy => Ok(rows.top_k_accuracy(3)),
        C::Ece => calibration(|rows, bins| rows.expected_calibration_error(bins)),
        C::Mce => calibration(|rows, bins| rows.maximum_calibration_error(bins)),
        _ => Err(other_label()),
    }
}

fn of_numbers(metric: RegressorMetric, rows: &Regression<'_>, setting: &Setting) -> Result<f64, ModelError> {
    use RegressorMetric as R;
    match metric {
        R::Rmse => Ok(rows.root_mean_squared_error()),
        R::Mae => Ok(rows.mean_absolute_error()),
        R::Mse => Ok(rows.mean_squared_error()),
        R::MedianAbsoluteError => Ok(rows.median_absolute_error()),
        R::MaxError => Ok(rows.max_error()),
        R::Bias => Ok(rows.residuals().bias),
        R::Mape => Ok(rows.mean_absolute_percentage_error()),
        R::Smape => Ok(rows.symmetric_mean_absolute_percentage_error()),
        R::Rmsle => rows.root_mean_squared_log_error(),
        R::R2 => Ok(rows.r2()),
        R::AdjustedR2 => rows.adjusted_r2(setting.features),
        R::ExplainedVariance => Ok(rows.explained_variance()),
        R::D2AbsoluteError => Ok(rows.d2_absolute_error()),
        R::Pinball => rows.mean_pinball_loss(setting.quantile),
        R::D2Pinball => rows.d2_pinball(setting.quantile),
        R::PoissonDeviance => rows.mean_poisson_deviance(),
        R::GammaDeviance => rows.mean_gamma_deviance(),
        R::LatencyP50 | R::LatencyP95 | R::LatencyP99 | R::RowsPerSecond => Err(other_label()),
    }
}
