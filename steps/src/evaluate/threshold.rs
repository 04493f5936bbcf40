//! The least probability of a positive decision: given, or chosen by a rule.

use super::answers::{Answers, Truth};
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::StepError;
use trainyard_models::metrics::{Binary, CostMatrix, ThresholdRule};

/// A probability, or how it is chosen. Of equally good thresholds the highest is taken.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Threshold {
    Fixed(#[schemars(range(min = 0, max = 1))] f64),
    Chosen(ChosenBy),
}

/// A rule by which a threshold is chosen on the rows of `valid`, or on the test rows without them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ChosenBy {
    /// The largest F-beta.
    FBeta {
        /// How much more recall counts than precision. Default: 1.
        #[serde(default = "one")]
        #[schemars(range(min = 0))]
        beta: f64,
    },
    /// The largest sum of recall and specificity (Youden 1950).
    Youden {},
    /// The least cost by the step's `costs`.
    Cost {},
    /// The largest recall with at least this precision.
    Precision {
        /// Share that precision or recall must reach.
        #[schemars(range(min = 0, max = 1))]
        at_least: f64,
    },
    /// The largest precision with at least this recall.
    Recall {
        /// Share that precision or recall must reach.
        #[schemars(range(min = 0, max = 1))]
        at_least: f64,
    },
    /// The largest recall with at most this share of negatives called positive.
    FalsePositiveRate {
        /// Share that the false positive rate may have.
        #[schemars(range(min = 0, max = 1))]
        at_most: f64,
    },
}

fn one() -> f64 {
    1.0
}

/// What a row costs by label and decision, in any unit; what is gained is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Costs {
    /// A positive row called positive. Default: 0.
    #[serde(default)]
    true_positive: f64,
    /// A negative row called positive. Default: 0.
    #[serde(default)]
    false_positive: f64,
    /// A negative row called negative. Default: 0.
    #[serde(default)]
    true_negative: f64,
    /// A positive row called negative. Default: 0.
    #[serde(default)]
    false_negative: f64,
}

impl From<Costs> for CostMatrix {
    fn from(costs: Costs) -> Self {
        Self {
            true_positive: costs.true_positive,
            false_positive: costs.false_positive,
            true_negative: costs.true_negative,
            false_negative: costs.false_negative,
        }
    }
}

/// A threshold and where it is from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) threshold: f64,
    /// In words, e.g. `chosen for the largest F1 on 900 rows of \`valid\``.
    pub(crate) how: String,
    /// Chosen on the very rows it is judged by, which flatters the model.
    pub(crate) on_test: bool,
}

impl Threshold {
    pub(crate) fn by_cost(&self) -> bool {
        matches!(self, Self::Chosen(ChosenBy::Cost {}))
    }

    /// What is wrong with a number that is given.
    pub(crate) fn fault(&self) -> Option<String> {
        match self {
            Self::Fixed(threshold) if !(0.0..=1.0).contains(threshold) => {
                Some(format!("{threshold} is no probability: it must be from 0 to 1"))
            }
            _ => None,
        }
    }

    /// The threshold for these rows.
    ///
    /// # Errors
    /// `Rejected` if no threshold fulfils the rule.
    pub(crate) fn decide(
        &self,
        answers: &Answers,
        costs: CostMatrix,
        input: &str,
    ) -> Result<Decision, StepError> {
        let rule = match self {
            Self::Fixed(threshold) => {
                return Ok(Decision {
                    threshold: *threshold,
                    how: "given".to_owned(),
                    on_test: false,
                });
            }
            Self::Chosen(rule) => rule,
        };
        let Truth::Binary(labels) = &answers.truth else {
            return Err(StepError::rejected(
                "a threshold decides between two classes, and this model has another label",
            ));
        };
        let found = Binary::new(&answers.scores, labels)
            .and_then(|rows| rows.ranking()?.threshold(rule.rule(costs)))
            .map_err(|error| {
                StepError::rejected(format!("no threshold can be chosen on `{input}`: {error}"))
            })?
            .ok_or_else(|| {
                StepError::rejected(format!("no threshold on `{input}` gives {}", rule.words()))
            })?;
        // Above every probability: never positive.
        let threshold = if found.threshold.is_finite() {
            found.threshold
        } else {
            1.0f64.next_up()
        };
        Ok(Decision {
            threshold,
            how: format!(
                "chosen for {} on {} rows of `{input}`",
                rule.words(),
                crate::table::grouped(answers.rows() as u64)
            ),
            on_test: input == "test",
        })
    }
}

impl ChosenBy {
    fn rule(&self, costs: CostMatrix) -> ThresholdRule {
        match self {
            Self::FBeta { beta } => ThresholdRule::FBeta(*beta),
            Self::Youden {} => ThresholdRule::Youden,
            Self::Cost {} => ThresholdRule::Cost(costs),
            Self::Precision { at_least } => ThresholdRule::Precision(*at_least),
            Self::Recall { at_least } => ThresholdRule::Recall(*at_least),
            Self::FalsePositiveRate { at_most } => ThresholdRule::FalsePositiveRate(*at_most),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::FBeta { beta } => format!("the largest F{beta}"),
            Self::Youden {} => "the largest sum of recall and specificity".to_owned(),
            Self::Cost {} => "the least cost".to_owned(),
            Self::Precision { at_least } => {
                format!("the largest recall at a precision of at least {at_least}")
            }
            Self::Recall { at_least } => format!("the largest precision at a recall of at least {at_least}"),
            Self::FalsePositiveRate { at_most } => {
                format!("the largest recall at a false positive rate of at most {at_most}")
            }
        }
    }
}
