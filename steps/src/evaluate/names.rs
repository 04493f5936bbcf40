//! What pipelines call the metrics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An enumeration whose members are written by the name given.
macro_rules! named {
    ($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $member:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub(crate) enum $type { $($(#[$doc])* #[serde(rename = $name)] $member,)* }

        impl $type {
            /// As written.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$member => $name,)* }
            }
        }
    };
}

named! {
    /// What a classifier is judged by. Shares of nothing are undefined for two classes, and 0 within an
    /// average over several, as in scikit-learn.
    ClassifierMetric {
        /// Area under the ROC curve; of several classes each against the others, all alike.
        RocAuc = "roc_auc",
        /// The same, a class counting as much as its rows. Several classes.
        RocAucWeighted = "roc_auc_weighted",
        /// Area under the ROC curve of each pair of classes (Hand and Till 2001). Several classes.
        RocAucPairs = "roc_auc_pairs",
        /// Average precision, the area under the precision–recall curve; of several classes as `roc_auc`.
        AveragePrecision = "average_precision",
        /// Mean logarithmic loss, natural logarithm; lower is better.
        LogLoss = "log_loss",
        /// Mean squared difference of probability and label, from 0 to 1 for two classes, to 2 for
        /// several; lower is better.
        Brier = "brier",
        /// Share of right decisions.
        Accuracy = "accuracy",
        /// Mean recall of the classes.
        BalancedAccuracy = "balanced_accuracy",
        /// Positives among positive decisions; of several classes the mean (macro).
        Precision = "precision",
        /// Positives that were found; of several classes the mean (macro).
        Recall = "recall",
        /// Harmonic mean of precision and recall; of several classes the mean (macro).
        F1 = "f1",
        /// F-beta in which recall counts twice as much.
        F2 = "f2",
        /// F-beta in which precision counts twice as much.
        F05 = "f0_5",
        /// Mean over classes weighted by their rows; the same as `precision` needs several classes.
        PrecisionWeighted = "precision_weighted",
        /// As `precision_weighted`.
        RecallWeighted = "recall_weighted",
        /// As `precision_weighted`.
        F1Weighted = "f1_weighted",
        /// Positives found among all rows that are or are called positive.
        Jaccard = "jaccard",
        /// Negatives that were left alone: true negative rate.
        Specificity = "specificity",
        /// Negatives among negative decisions.
        NegativePredictiveValue = "negative_predictive_value",
        /// Negatives called positive; lower is better.
        FalsePositiveRate = "false_positive_rate",
        /// Positives missed; lower is better.
        FalseNegativeRate = "false_negative_rate",
        /// Rows called positive; neither way is better.
        SelectionRate = "selection_rate",
        /// Matthews' correlation of label and decision, from −1 to 1.
        Matthews = "matthews",
        /// Cohen's kappa: agreement beyond chance.
        Kappa = "kappa",
        /// Kappa with classes in order, by squared distance. Several classes.
        KappaQuadratic = "kappa_quadratic",
        /// Geometric mean of the classes' recalls.
        GMean = "g_mean",
        /// Largest distance of the two classes' distributions of scores. Two classes.
        KolmogorovSmirnov = "ks",
        /// How many times as many positives the tenth of rows with the highest scores holds as any tenth.
        Lift10 = "lift_10",
        /// Rows whose class is among the two with the highest scores. Several classes.
        Top2Accuracy = "top_2_accuracy",
        /// Rows whose class is among the three with the highest scores. Several classes.
        Top3Accuracy = "top_3_accuracy",
        /// Mean cost of a row by the step's `costs`; lower is better. Two classes.
        Cost = "cost",
        /// Expected calibration error over ten bins of equal width; of several classes that of the
        /// highest probability. Lower is better.
        Ece = "ece",
        /// Largest calibration error over ten bins of equal width; lower is better.
        Mce = "mce",
        /// Median time of predicting one row in this process, without network or parsing, milliseconds.
        LatencyP50 = "latency_p50",
        /// 95th percentile of that time.
        LatencyP95 = "latency_p95",
        /// 99th percentile of that time.
        LatencyP99 = "latency_p99",
        /// Rows predicted a second, all test rows at once.
        RowsPerSecond = "rows_per_second",
    }
}

named! {
    /// What a regression is judged by. Errors are in the label's unit and lower is better.
    RegressorMetric {
        /// Root of the mean squared error.
        Rmse = "rmse",
        /// Mean absolute error.
        Mae = "mae",
        /// Mean squared error, in the squared unit.
        Mse = "mse",
        /// Median of absolute errors.
        MedianAbsoluteError = "median_absolute_error",
        /// Largest absolute error. It has no interval.
        MaxError = "max_error",
        /// Mean error: above 0 if predictions are too high.
        Bias = "bias",
        /// Mean absolute error as a share of the label, 1 for 100 %.
        Mape = "mape",
        /// Mean of 2·|p − t| / (|p| + |t|), from 0 to 2.
        Smape = "smape",
        /// Root of the mean squared difference of ln(1 + value); for numbers above −1.
        Rmsle = "rmsle",
        /// Share of the label's variance that is explained; higher is better.
        R2 = "r2",
        /// R² that pays for the number of features; higher is better.
        AdjustedR2 = "adjusted_r2",
        /// As R², but a constant error costs nothing; higher is better.
        ExplainedVariance = "explained_variance",
        /// Share of the absolute error of the label's median that is saved; higher is better.
        D2AbsoluteError = "d2_absolute_error",
        /// Mean pinball loss of the step's `quantile`.
        Pinball = "pinball",
        /// Share of the pinball loss of the label's own quantile that is saved; higher is better.
        D2Pinball = "d2_pinball",
        /// Mean Poisson deviance; for labels of at least 0.
        PoissonDeviance = "poisson_deviance",
        /// Mean gamma deviance; for labels above 0.
        GammaDeviance = "gamma_deviance",
        /// Median time of predicting one row in this process, without network or parsing, milliseconds.
        LatencyP50 = "latency_p50",
        /// 95th percentile of that time.
        LatencyP95 = "latency_p95",
        /// 99th percentile of that time.
        LatencyP99 = "latency_p99",
        /// Rows predicted a second, all test rows at once.
        RowsPerSecond = "rows_per_second",
    }
}
