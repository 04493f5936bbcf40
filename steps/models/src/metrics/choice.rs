//! Thresholds that are best by some rule.

use super::counts::{ClassCounts, ClassMetric};
use super::ranking::{Ranking, Step};
use crate::error::ModelError;

/// What a threshold is chosen by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ThresholdRule {
    /// The largest F-beta.
    FBeta(f64),
    /// The largest sum of recall and specificity (Youden 1950).
    Youden,
    /// The least cost.
    Cost(CostMatrix),
    /// The largest recall among thresholds with at least this precision.
    Precision(f64),
    /// The largest precision among thresholds with at least this recall.
    Recall(f64),
    /// The largest recall among thresholds with at most this false positive rate.
    FalsePositiveRate(f64),
}

/// What a row costs by label and decision, in any unit; what is gained is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CostMatrix {
    pub true_positive: f64,
    pub false_positive: f64,
    pub true_negative: f64,
    pub false_negative: f64,
}

impl CostMatrix {
    /// The cost of all rows.
    pub fn of(&self, counts: &ClassCounts) -> f64 {
        self.true_positive * counts.true_positives
            + self.false_positive * counts.false_positives
            + self.true_negative * counts.true_negatives
            + self.false_negative * counts.false_negatives
    }
}

/// A threshold and what it makes of the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThresholdChoice {
    /// Least score of a positive decision; infinite if none is best.
    pub threshold: f64,
    /// What the rule weighs: F-beta, recall + specificity − 1, the cost of all rows, precision (at a
    /// fixed recall) or recall.
    pub value: f64,
    pub counts: ClassCounts,
}

impl Ranking {
    /// The best threshold by a rule. Of several equally good ones the highest is taken: the fewest
    /// positive decisions. None if no threshold fulfils the rule.
    ///
    /// # Errors
    /// `Parameter` for a share outside [0, 1], a negative beta or a cost that is not finite.
    pub fn threshold(&self, rule: ThresholdRule) -> Result<Option<ThresholdChoice>, ModelError> {
        rule.check()?;
        let mut best: Option<(f64, ThresholdChoice)> = None;
        for counts_at in self.decisions() {
            let (threshold, counts) = counts_at;
            let Some((value, better)) = rule.judge(&counts) else {
                continue;
            };
            if best.as_ref().is_none_or(|(most, _)| better > *most) {
                let choice = ThresholdChoice {
                    threshold,
                    value,
                    counts,
                };
                best = Some((better, choice));
            }
        }
        Ok(best.map(|(_, choice)| choice))
    }

    /// Every threshold that makes a difference with its counts, from none called positive to all.
    fn decisions(&self) -> impl Iterator<Item = (f64, ClassCounts)> + '_ {
        let nothing = Step {
            threshold: f64::INFINITY,
            hits: 0.0,
            misses: 0.0,
        };
        [nothing]
            .into_iter()
            .chain(self.steps.iter().copied())
            .map(|step| {
                let counts = ClassCounts {
                    true_positives: step.hits,
                    false_positives: step.misses,
                    true_negatives: self.negatives - step.misses,
                    false_negatives: self.positives - step.hits,
                };
                (step.threshold, counts)
            })
    }
}

impl ThresholdRule {
    fn check(self) -> Result<(), ModelError> {
        let share = |name, value: f64| {
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(ModelError::Parameter {
                    name,
                    value: value.to_string(),
                    rule: "from 0 to 1",
                })
            }
        };
        match self {
            Self::FBeta(beta) => crate::fit::at_least("beta", beta),
            Self::Youden => Ok(()),
            Self::Cost(costs) => {
                let all = [
                    costs.true_positive,
                    costs.false_positive,
                    costs.true_negative,
                    costs.false_negative,
                ];
                match all.iter().find(|cost| !cost.is_finite()) {
                    None => Ok(()),
                    Some(cost) => Err(ModelError::Parameter {
                        name: "cost",
                        value: cost.to_string(),
                        rule: "a finite number",
                    }),
                }
            }
            Self::Precision(least) => share("precision", least),
            Self::Recall(least) => share("recall", least),
            Self::FalsePositiveRate(most) => share("false_positive_rate", most),
        }
    }

    /// The value, and a number that is the greater the better.
    fn judge(self, counts: &ClassCounts) -> Option<(f64, f64)> {
        let share = |metric| counts.share(metric);
        let same = |value: f64| (value, value);
        match self {
            Self::FBeta(beta) => share(ClassMetric::FBeta(beta)).map(same),
            Self::Youden => {
                let (recall, specificity) = (share(ClassMetric::Recall)?, share(ClassMetric::Specificity)?);
                Some(same(recall + specificity - 1.0))
            }
            Self::Cost(costs) => {
                let cost = costs.of(counts);
                Some((cost, -cost))
            }
            Self::Precision(least) => (share(ClassMetric::Precision)? >= least)
                .then(|| share(ClassMetric::Recall).map(same))
                .flatten(),
            Self::Recall(least) => (share(ClassMetric::Recall)? >= least)
                .then(|| share(ClassMetric::Precision).map(same))
                .flatten(),
            Self::FalsePositiveRate(most) => (share(ClassMetric::FalsePositiveRate)? <= most)
                .then(|| share(ClassMetric::Recall).map(same))
                .flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Binary;
    use super::super::reference::rows;
    use super::*;

    const RULES: [ThresholdRule; 7] = [
        ThresholdRule::FBeta(1.0),
        ThresholdRule::FBeta(0.5),
        ThresholdRule::Youden,
        ThresholdRule::Cost(CostMatrix {
            true_positive: -3.0,
            false_positive: 1.0,
            true_negative: 0.0,
            false_negative: 2.0,
        }),
        ThresholdRule::Precision(0.6),
        ThresholdRule::Recall(0.8),
        ThresholdRule::FalsePositiveRate(0.1),
    ];

    #[test]
    fn no_threshold_is_better_than_the_one_chosen() {
        let rows = rows();
        let binary = Binary::new(&rows.s, &rows.y).unwrap();
        let ranking = binary.ranking().unwrap();
        for rule in RULES {
            let choice = ranking.threshold(rule).unwrap().unwrap();
            assert_eq!(choice.counts, binary.counts_at(choice.threshold), "{rule:?}");
            let chosen = rule.judge(&choice.counts).unwrap().1;
            for threshold in rows.s.iter().chain(&[f64::INFINITY, 0.0]) {
                if let Some((_, other)) = rule.judge(&binary.counts_at(*threshold)) {
                    assert!(other <= chosen, "{rule:?}: {threshold} is better");
                    assert!(other < chosen || *threshold <= choice.threshold, "{rule:?}");
                }
            }
        }
    }

    #[test]
    fn a_precision_out_of_reach_gives_none() {
        let ranking = Binary::new(&[0.9, 0.9, 0.1], &[1.0, 0.0, 0.0])
            .unwrap()
            .ranking()
            .unwrap();
        assert_eq!(ranking.threshold(ThresholdRule::Precision(0.9)), Ok(None));
        assert!(ranking.threshold(ThresholdRule::Precision(1.1)).is_err());
    }

    #[test]
    fn where_every_alarm_costs_more_than_it_brings_nothing_is_called_positive() {
        let ranking = Binary::new(&[0.9, 0.1], &[0.0, 1.0]).unwrap().ranking().unwrap();
        let costs = CostMatrix {
            false_positive: 5.0,
            false_negative: 1.0,
            ..CostMatrix::default()
        };
        let choice = ranking.threshold(ThresholdRule::Cost(costs)).unwrap().unwrap();
        assert_eq!((choice.threshold, choice.value), (f64::INFINITY, 1.0));
    }
}
