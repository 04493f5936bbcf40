//! Parity of yes-or-no decisions.

use super::frame::{MetricFrame, Reference};
use super::groups::Groups;
use crate::error::ModelError;
use crate::metrics::{ClassCounts, ClassMetric, Undefined, Weights, wilson_interval_at};

/// Decisions on rows with known labels, in groups; checked once.
#[derive(Clone, Copy, Debug)]
pub struct Decisions<'a> {
    groups: &'a Groups,
    decided: &'a [bool],
    labels: &'a [bool],
    weights: Weights<'a>,
    /// What stands for a rate that a group does not define.
    undefined: Undefined,
    small_below: usize,
}

/// How far groups are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disparity {
    /// 0 is parity.
    pub difference: Option<f64>,
    /// 1 is parity.
    pub ratio: Option<f64>,
}

/// How the disparities of true and false positive rates become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OddsAggregate {
    WorstCase,
    Mean,
}

/// Groups with fewer rows are flagged, unless another bound is set.
const SMALL_BELOW: usize = 30;
/// Level of confidence of the intervals.
const LEVEL: f64 = 0.95;

impl<'a> Decisions<'a> {
    /// Decisions and labels of the rows that were grouped; true is the positive class.
    ///
    /// # Errors
    /// `LengthMismatch`, `Weights`.
    pub fn new(
        groups: &'a Groups,
        decided: &'a [bool],
        labels: &'a [bool],
        weights: Weights<'a>,
    ) -> Result<Self, ModelError> {
        for (left_name, left) in [("the predictions", decided.len()), ("the label", labels.len())] {
            if left != groups.rows() {
                return Err(ModelError::LengthMismatch {
                    left_name,
                    left,
                    right_name: "the groups",
                    right: groups.rows(),
                });
            }
        }
        weights.check(labels.len())?;
        Ok(Self {
            groups,
            decided,
            labels,
            weights,
            undefined: Undefined::LeftOut,
            small_below: SMALL_BELOW,
        })
    }

    /// What stands for a rate that a group does not define; fairlearn takes [`Undefined::Zero`].
    #[must_use]
    pub fn with_undefined(mut self, undefined: Undefined) -> Self {
        self.undefined = undefined;
        self
    }

    /// Groups with fewer rows are flagged as small; 30 unless set.
    #[must_use]
    pub fn with_small_below(mut self, rows: usize) -> Self {
        self.small_below = rows;
        self
    }

    /// A rate by groups, with Wilson's 95 % intervals; of weighted rows for as many equal rows as would
    /// say as much (Kish 1965). F-beta has none: it is no share of independent rows.
    pub fn frame(&self, metric: ClassMetric) -> MetricFrame {
        MetricFrame::new(self.groups, self.small_below, |rows| {
            let mut counts = ClassCounts::default();
            let (mut sum, mut squares) = (0.0, 0.0);
            for &row in rows {
                let weight = self.weights.of(row);
                *counts.cell(self.labels[row], self.decided[row]) += weight;
                sum += weight;
                squares += weight * weight;
            }
            let (part, whole) = counts.fraction(metric);
            if whole <= 0.0 {
                return match self.undefined {
                    Undefined::LeftOut => None,
                    Undefined::Zero => Some((0.0, None)),
                    Undefined::One => Some((1.0, None)),
                };
            }
            let equal_rows = sum / squares;
            let interval = (!matches!(metric, ClassMetric::FBeta(_)))
                .then(|| wilson_interval_at(part * equal_rows, whole * equal_rows, LEVEL));
            Some((part / whole, interval))
        })
    }

    /// Whether all groups are selected at the same rate (Dwork et al. 2012).
    pub fn demographic_parity(&self, reference: Reference) -> Disparity {
        Disparity::of(&self.frame(ClassMetric::SelectionRate), reference)
    }

    /// Whether those who deserve it are selected at the same rate (Hardt et al. 2016).
    pub fn equal_opportunity(&self, reference: Reference) -> Disparity {
        Disparity::of(&self.frame(ClassMetric::Recall), reference)
    }

    /// Whether both those who deserve it and those who do not are selected at the same rates (Hardt et
    /// al. 2016). None where either rate says nothing.
    pub fn equalised_odds(&self, reference: Reference, aggregate: OddsAggregate) -> Disparity {
        let [hits, alarms] = [ClassMetric::Recall, ClassMetric::FalsePositiveRate]
            .map(|metric| Disparity::of(&self.frame(metric), reference));
        let both = |left: Option<f64>, right: Option<f64>, worst: fn(f64, f64) -> f64| {
            let (left, right) = (left?, right?);
            Some(match aggregate {
                OddsAggregate::WorstCase => worst(left, right),
                OddsAggregate::Mean => (left + right) / 2.0,
            })
        };
        Disparity {
            difference: both(hits.difference, alarms.difference, f64::max),
            ratio: both(hits.ratio, alarms.ratio, f64::min),
        }
    }
}

impl Disparity {
    fn of(frame: &MetricFrame, reference: Reference) -> Self {
        Self {
            difference: frame.difference(reference),
            ratio: frame.ratio(reference),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fairness::Sensitive;

    fn groups(codes: &[u32]) -> Groups {
        let values = ["a".to_owned(), "b".to_owned()];
        Groups::new(&[Sensitive {
            name: "group",
            codes,
            values: &values,
        }])
        .unwrap()
    }

    #[test]
    fn a_group_without_positives_is_left_out_of_equal_opportunity() {
        let groups = groups(&[0, 0, 1, 1]);
        let (decided, labels) = ([true, false, true, false], [true, true, false, false]);
        let decisions = Decisions::new(&groups, &decided, &labels, Weights::Equal).unwrap();
        let frame = decisions.frame(ClassMetric::Recall);
        assert_eq!((frame.groups[0].value, frame.groups[1].value), (Some(0.5), None));
        let found = decisions.equal_opportunity(Reference::BetweenGroups);
        assert_eq!((found.difference, found.ratio), (Some(0.0), Some(1.0)));
        let as_fairlearn = decisions.with_undefined(Undefined::Zero);
        let found = as_fairlearn.equal_opportunity(Reference::BetweenGroups);
        assert_eq!((found.difference, found.ratio), (Some(0.5), Some(0.0)));
    }

    #[test]
    fn small_groups_are_flagged_and_have_wide_intervals() {
        let codes: Vec<u32> = (0..100).map(|row| u32::from(row >= 95)).collect();
        let groups = groups(&codes);
        let decided: Vec<bool> = (0..100).map(|row| row % 5 < 2).collect();
        let decisions = Decisions::new(&groups, &decided, &decided, Weights::Equal).unwrap();
        let frame = decisions.frame(ClassMetric::SelectionRate);
        assert_eq!((frame.groups[0].small, frame.groups[1].small), (false, true));
        assert_eq!((frame.groups[0].rows, frame.groups[1].rows), (95, 5));
        let width = |at: usize| {
            frame.groups[at]
                .interval
                .map(|interval| interval.high - interval.low)
        };
        assert!(width(1) > width(0).map(|width| 3.0 * width));
        assert_eq!(frame.groups[0].value, frame.groups[1].value);
    }

    #[test]
    fn where_nobody_is_selected_there_is_no_ratio() {
        let groups = groups(&[0, 1]);
        let nobody = [false, false];
        let decisions = Decisions::new(&groups, &nobody, &[true, false], Weights::Equal).unwrap();
        let found = decisions.demographic_parity(Reference::BetweenGroups);
        assert_eq!((found.difference, found.ratio), (Some(0.0), None));
        assert!(Decisions::new(&groups, &[true], &[true], Weights::Equal).is_err());
    }
}
