//! Rows by label and decision, and the shares that follow from them.

/// Weights of rows by label and decision, for one class against the others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassCounts {
    pub true_positives: f64,
    pub false_positives: f64,
    pub true_negatives: f64,
    pub false_negatives: f64,
}

/// What is computed from the counts of one class. Each is a share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClassMetric {
    /// Positives among positive decisions.
    Precision,
    /// Positives that were found: true positive rate, sensitivity.
    Recall,
    /// Weighted harmonic mean of precision and recall; recall counts β times as much (van
    /// Rijsbergen 1979).
    FBeta(f64),
    /// Positives that were found among all rows that are or are called positive.
    Jaccard,
    /// Negatives that were left alone: true negative rate.
    Specificity,
    /// Negatives among negative decisions.
    NegativePredictiveValue,
    /// Negatives that were called positive.
    FalsePositiveRate,
    /// Positives that were missed.
    FalseNegativeRate,
    /// Rows called positive.
    SelectionRate,
    /// Right decisions.
    Accuracy,
}

impl ClassCounts {
    /// The place of rows with this label and decision.
    #[inline]
    pub(crate) fn cell(&mut self, positive: bool, decided: bool) -> &mut f64 {
        match (positive, decided) {
            (true, true) => &mut self.true_positives,
            (false, true) => &mut self.false_positives,
            (false, false) => &mut self.true_negatives,
            (true, false) => &mut self.false_negatives,
        }
    }

    /// Weight of all rows.
    pub fn total(&self) -> f64 {
        self.true_positives + self.false_positives + self.true_negatives + self.false_negatives
    }

    /// Weight of the rows of the class.
    pub fn positives(&self) -> f64 {
        self.true_positives + self.false_negatives
    }

    /// Part and whole whose quotient a metric is.
    pub fn fraction(&self, metric: ClassMetric) -> (f64, f64) {
        let (tp, fp) = (self.true_positives, self.false_positives);
        let (tn, fn_) = (self.true_negatives, self.false_negatives);
        match metric {
            ClassMetric::Precision => (tp, tp + fp),
            ClassMetric::Recall => (tp, tp + fn_),
            ClassMetric::FBeta(beta) if beta.is_infinite() => (tp, tp + fn_),
            ClassMetric::FBeta(beta) => {
                let square = beta * beta;
                ((1.0 + square) * tp, square * (tp + fn_) + tp + fp)
            }
            ClassMetric::Jaccard => (tp, tp + fp + fn_),
            ClassMetric::Specificity => (tn, tn + fp),
            ClassMetric::NegativePredictiveValue => (tn, tn + fn_),
            ClassMetric::FalsePositiveRate => (fp, fp + tn),
            ClassMetric::FalseNegativeRate => (fn_, fn_ + tp),
            ClassMetric::SelectionRate => (tp + fp, self.total()),
            ClassMetric::Accuracy => (tp + tn, self.total()),
        }
    }

    /// The metric; none where it would be 0 / 0.
    pub fn share(&self, metric: ClassMetric) -> Option<f64> {
        let (part, whole) = self.fraction(metric);
        (whole > 0.0).then(|| part / whole)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.true_positives += other.true_positives;
        self.false_positives += other.false_positives;
        self.true_negatives += other.true_negatives;
        self.false_negatives += other.false_negatives;
    }
}
