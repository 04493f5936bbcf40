//! What trainings and trials are measured by: the metrics of two classes, of several, and of numbers,
//! by name.

use super::data::Examples;
use super::rows::refused;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trainyard_contract::StepError;
use trainyard_models::metrics::{
    Average, Binary, ClassMetric, ConfusionMatrix, KappaWeights, Multiclass, MulticlassAuc, Regression,
    Undefined, Weights, expected_calibration_error,
};
use trainyard_models::{Model, ModelError, Predictions, Predictor, Task};

use super::algorithm::Purpose;
use super::outcome::DEFAULT_THRESHOLD;

/// Bins of the expected calibration error.
const CALIBRATION_BINS: usize = 10;

/// A measure of predictions beside what was true. Of several classes means are over classes, all the
/// same, unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    /// Area under the ROC curve; of several classes each against all others.
    RocAuc,
    /// Average precision, the area under the precision–recall curve.
    AveragePrecision,
    /// Mean logarithmic loss, natural logarithm; lower is better.
    LogLoss,
    /// Mean squared difference of probabilities and what happened; lower is better.
    Brier,
    /// Share of right decisions.
    Accuracy,
    /// Mean recall of the classes.
    BalancedAccuracy,
    /// Share of positive decisions that are right.
    Precision,
    /// Share of positive rows that are found.
    Recall,
    /// Harmonic mean of precision and recall.
    F1,
    /// F1 of several classes, each counting as much as its rows.
    F1Weighted,
    /// Matthews' correlation of label and decision.
    Matthews,
    /// Cohen's kappa: agreement beyond chance.
    Kappa,
    /// Expected calibration error over ten bins of equal width; lower is better.
    Ece,
    /// Root of the mean squared error, in the label's unit; lower is better.
    Rmse,
    /// Mean absolute error, in the label's unit; lower is better.
    Mae,
    /// Median absolute error, in the label's unit; lower is better.
    MedianAbsoluteError,
    /// Mean absolute error as a share of the label; lower is better.
    Mape,
    /// Share of the label's variance that is explained.
    R2,
    /// Mean Poisson deviance, for counts; lower is better.
    PoissonDeviance,
    /// Mean gamma deviance, for sizes above 0; lower is better.
    GammaDeviance,
}

const OF_TWO: [Measure; 11] = [
    Measure::RocAuc,
    Measure::AveragePrecision,
    Measure::LogLoss,
    Measure::Brier,
    Measure::Accuracy,
    Measure::BalancedAccuracy,
    Measure::Precision,
    Measure::Recall,
    Measure::F1,
    Measure::Matthews,
    Measure::Ece,
];
const OF_SEVERAL: [Measure; 12] = [
    Measure::RocAuc,
    Measure::AveragePrecision,
    Measure::LogLoss,
    Measure::Brier,
    Measure::Accuracy,
    Measure::BalancedAccuracy,
    Measure::Precision,
    Measure::Recall,
    Measure::F1,
    Measure::F1Weighted,
    Measure::Matthews,
    Measure::Kappa,
];
const OF_NUMBERS: [Measure; 5] = [
    Measure::Rmse,
    Measure::Mae,
    Measure::MedianAbsoluteError,
    Measure::Mape,
    Measure::R2,
];

impl Measure {
    /// The name as written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RocAuc => "roc_auc",
            Self::AveragePrecision => "average_precision",
            Self::LogLoss => "log_loss",
            Self::Brier => "brier",
            Self::Accuracy => "accuracy",
            Self::BalancedAccuracy => "balanced_accuracy",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "f1",
            Self::F1Weighted => "f1_weighted",
            Self::Matthews => "matthews",
            Self::Kappa => "kappa",
            Self::Ece => "ece",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::MedianAbsoluteError => "median_absolute_error",
            Self::Mape => "mape",
            Self::R2 => "r2",
            Self::PoissonDeviance => "poisson_deviance",
            Self::GammaDeviance => "gamma_deviance",
        }
    }

    /// Whether a higher value is the better one.
    pub(crate) fn higher_is_better(self) -> bool {
        !matches!(
            self,
            Self::LogLoss
                | Self::Brier
                | Self::Ece
                | Self::Rmse
                | Self::Mae
                | Self::MedianAbsoluteError
                | Self::Mape
                | Self::PoissonDeviance
                | Self::GammaDeviance
        )
    }

    /// What it measures.
    pub(crate) fn purpose(self) -> Purpose {
        match self {
            Self::Rmse
            | Self::Mae
            | Self::MedianAbsoluteError
            | Self::Mape
            | Self::R2
            | Self::PoissonDeviance
            | Self::GammaDeviance => Purpose::Numbers,
            _ => Purpose::Classes,
        }
    }

    /// What models of that task are judged by where nobody says.
    pub(crate) fn default_of(task: &Task) -> Self {
        match task {
            Task::Binary { .. } => Self::RocAuc,
            Task::Multiclass { .. } => Self::LogLoss,
            Task::Regression | Task::Cluster => Self::Rmse,
        }
    }

    /// Those reported of every model of that task.
    fn of_task(task: &Task) -> &'static [Self] {
        match task {
            Task::Binary { .. } => &OF_TWO,
            Task::Multiclass { .. } => &OF_SEVERAL,
            Task::Regression => &OF_NUMBERS,
            Task::Cluster => &[],
        }
    }

    /// Its value; none where these rows do not define it.
    pub(crate) fn of(self, predictions: &Predictions, examples: &Examples) -> Option<f64> {
        let weights = match &examples.weights {
            Some(weights) => Weights::Each(weights),
            None => Weights::Equal,
        };
        let value = match &examples.task {
            Task::Binary { .. } => self.of_two(predictions, &examples.target, weights),
            Task::Multiclass { classes } => {
                self.of_several(predictions, &examples.target, classes.len(), weights)
            }
            Task::Regression => self.of_numbers(predictions, &examples.target, weights),
            Task::Cluster => Ok(None),
        };
        value.ok().flatten().filter(|value| value.is_finite())
    }

    fn of_two(
        self,
        predictions: &Predictions,
        target: &[f64],
        weights: Weights<'_>,
    ) -> Result<Option<f64>, ModelError> {
        let scores = predictions.numbers()?;
        let rows = Binary::weighted(scores, target, weights)?;
        let counted = |metric| rows.counts_at(DEFAULT_THRESHOLD).share(metric).or(Some(0.0));
        let confusion = || {
            let actual: Vec<u32> = target.iter().map(|label| u32::from(*label == 1.0)).collect();
            let decided: Vec<u32> = scores
                .iter()
                .map(|score| u32::from(*score >= DEFAULT_THRESHOLD))
                .collect();
            ConfusionMatrix::new(&actual, &decided, 2, weights)
        };
        Ok(match self {
            Self::RocAuc => Some(rows.ranking()?.roc_auc()),
            Self::AveragePrecision => Some(rows.ranking()?.average_precision()),
            Self::LogLoss => Some(rows.log_loss()?),
            Self::Brier => Some(rows.brier()?),
            Self::Accuracy => counted(ClassMetric::Accuracy),
            Self::Precision => counted(ClassMetric::Precision),
            Self::Recall => counted(ClassMetric::Recall),
            Self::F1 | Self::F1Weighted => counted(ClassMetric::FBeta(1.0)),
            Self::BalancedAccuracy => confusion()?.balanced_accuracy(false),
            Self::Matthews => Some(confusion()?.matthews()),
            Self::Kappa => confusion()?.kappa(KappaWeights::Same),
            Self::Ece => Some(expected_calibration_error(scores, target, CALIBRATION_BINS)?),
            _ => None,
        })
    }

    fn of_several(
        self,
        predictions: &Predictions,
        target: &[f64],
        classes: usize,
        weights: Weights<'_>,
    ) -> Result<Option<f64>, ModelError> {
        let labels: Vec<u32> = target.iter().map(|class| *class as u32).collect();
        let rows = Multiclass::new(predictions.classes()?.values(), &labels, classes, weights)?;
        let confusion = || rows.confusion();
        let mean = |metric, average| {
            Ok::<_, ModelError>(rows.confusion()?.average(metric, average, Undefined::Zero))
        };
        Ok(match self {
            Self::RocAuc => Some(rows.roc_auc(MulticlassAuc::OneVsRest(Average::Macro))?),
            Self::AveragePrecision => Some(rows.average_precision(Average::Macro)?),
            Self::LogLoss => Some(rows.log_loss()?),
            Self::Brier => Some(rows.brier()?),
            Self::Accuracy => Some(confusion()?.accuracy()),
            Self::BalancedAccuracy => confusion()?.balanced_accuracy(false),
            Self::Precision => mean(ClassMetric::Precision, Average::Macro)?,
            Self::Recall => mean(ClassMetric::Recall, Average::Macro)?,
            Self::F1 => mean(ClassMetric::FBeta(1.0), Average::Macro)?,
            Self::F1Weighted => mean(ClassMetric::FBeta(1.0), Average::Weighted)?,
            Self::Matthews => Some(confusion()?.matthews()),
            Self::Kappa => confusion()?.kappa(KappaWeights::Same),
            _ => None,
        })
    }

    fn of_numbers(
        self,
        predictions: &Predictions,
        target: &[f64],
        weights: Weights<'_>,
    ) -> Result<Option<f64>, ModelError> {
        let rows = Regression::weighted(predictions.numbers()?, target, weights)?;
        Ok(match self {
            Self::Rmse => Some(rows.root_mean_squared_error()),
            Self::Mae => Some(rows.mean_absolute_error()),
            Self::MedianAbsoluteError => Some(rows.median_absolute_error()),
            Self::Mape => Some(rows.mean_absolute_percentage_error()),
            Self::R2 => Some(rows.r2()),
            Self::PoissonDeviance => Some(rows.mean_poisson_deviance()?),
            Self::GammaDeviance => Some(rows.mean_gamma_deviance()?),
            _ => None,
        })
    }
}

/// Numbers of a model on rows, by name with `prefix` before it. A metric that these rows do not define
/// (one class only) is left out.
///
/// # Errors
/// `Rejected` if the model cannot predict these rows.
pub(crate) fn measures(
    model: &Model,
    examples: &Examples,
    prefix: &str,
) -> Result<Map<String, Value>, StepError> {
    let predictions = model.predict(&examples.frame).map_err(|error| refused(&error))?;
    let mut numbers = Map::new();
    let mut add = |name: &str, value: f64| {
        numbers.insert(format!("{prefix}{name}"), json!(value));
    };
    for measure in Measure::of_task(&examples.task) {
        if let Some(value) = measure.of(&predictions, examples) {
            add(measure.name(), value);
        }
    }
    if matches!(examples.task, Task::Binary { .. }) {
        add("positive_share", examples.positive_share());
    }
    add("rows", examples.count() as f64);
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainyard_models::{ClassProbabilities, Frame};

    fn examples(task: Task, target: Vec<f64>, weights: Option<Vec<f64>>) -> Examples {
        Examples {
            frame: Frame::default(),
            rows: (0..target.len()).collect(),
            target,
            task,
            weights,
            unlabelled: 0,
        }
    }

    #[test]
    fn every_measure_of_a_task_has_a_value_and_its_written_name() {
        let two = Task::Binary {
            negative: "n".into(),
            positive: "p".into(),
        };
        let three = Task::Multiclass {
            classes: vec!["a".into(), "b".into(), "c".into()],
        };
        let matrix = ClassProbabilities::new(
            vec![0.7, 0.2, 0.1, 0.2, 0.5, 0.3, 0.1, 0.3, 0.6, 0.4, 0.5, 0.1],
            3,
        )
        .unwrap();
        let cases = [
            (
                Predictions::Numbers(vec![0.2, 0.9, 0.6, 0.4]),
                examples(two, vec![0.0, 1.0, 0.0, 1.0], None),
            ),
            (
                Predictions::Classes(matrix),
                examples(three, vec![0.0, 1.0, 2.0, 0.0], None),
            ),
            (
                Predictions::Numbers(vec![1.0, 2.5, 3.0, 4.5]),
                examples(Task::Regression, vec![1.0, 2.0, 3.0, 4.0], None),
            ),
        ];
        for (predictions, examples) in cases {
            for measure in Measure::of_task(&examples.task) {
                assert_eq!(serde_json::to_value(measure).unwrap(), measure.name());
                assert!(
                    measure.of(&predictions, &examples).is_some(),
                    "{}",
                    measure.name()
                );
            }
        }
    }

    #[test]
    fn weights_of_rows_count() {
        let predictions = Predictions::Numbers(vec![0.0, 0.0]);
        let rmse = |weights| {
            Measure::Rmse
                .of(&predictions, &examples(Task::Regression, vec![3.0, 4.0], weights))
                .unwrap()
        };
        assert_eq!(rmse(Some(vec![1.0, 0.0])), 3.0);
        assert!((rmse(None) - 12.5_f64.sqrt()).abs() < 1e-12);
    }
}
