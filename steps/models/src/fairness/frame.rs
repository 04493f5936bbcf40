//! A metric by groups.

use super::groups::Groups;
use crate::error::ModelError;
use crate::metrics::{Bootstrap, Estimate, Interval};

/// What the value of a group is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The other groups: the least with the greatest.
    BetweenGroups,
    /// All rows together.
    Overall,
}

/// A metric of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupValue {
    /// In the order of the columns; none where the value is missing.
    pub values: Vec<Option<String>>,
    pub rows: usize,
    /// None where the group's rows do not define it.
    pub value: Option<f64>,
    pub interval: Option<Interval>,
    /// Fewer rows than asked for: look at the interval before you judge.
    pub small: bool,
}

/// A metric of all rows and of each group.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricFrame {
    pub overall: Option<f64>,
    pub groups: Vec<GroupValue>,
}

impl MetricFrame {
    /// Any metric of rows, by group: `metric` gets the rows and gives none where they do not define
    /// it. Groups with fewer than `small_below` rows are flagged.
    pub fn new(
        groups: &Groups,
        small_below: usize,
        metric: impl Fn(&[usize]) -> Option<(f64, Option<Interval>)>,
    ) -> Self {
        let all: Vec<usize> = (0..groups.rows()).collect();
        Self {
            overall: metric(&all).map(|(value, _)| value),
            groups: groups
                .groups()
                .iter()
                .map(|group| {
                    let found = metric(&group.rows);
                    GroupValue {
                        values: group.values.clone(),
                        rows: group.rows.len(),
                        value: found.map(|(value, _)| value),
                        interval: found.and_then(|(_, interval)| interval),
                        small: group.rows.len() < small_below,
                    }
                })
                .collect(),
        }
    }

    /// The same with an interval for each group by drawing its rows again.
    pub fn with_bootstrap(
        groups: &Groups,
        small_below: usize,
        bootstrap: &Bootstrap,
        metric: impl Fn(&[usize]) -> Result<f64, ModelError> + Sync,
    ) -> Self {
        Self::new(groups, small_below, |rows| {
            let of_draw = |drawn: &[usize]| {
                let chosen: Vec<usize> = drawn.iter().map(|&at| rows[at]).collect();
                metric(&chosen)
            };
            let Estimate { value, interval, .. } = bootstrap.estimate(rows.len(), of_draw).ok()?;
            Some((value, Some(interval)))
        })
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.groups.iter().filter_map(|group| group.value)
    }

    /// The group with the least value; the first of equal ones.
    pub fn least(&self) -> Option<&GroupValue> {
        self.first_by(|value, best| value < best)
    }

    /// The group with the greatest value; the first of equal ones.
    pub fn greatest(&self) -> Option<&GroupValue> {
        self.first_by(|value, best| value > best)
    }

    fn first_by(&self, better: impl Fn(f64, f64) -> bool) -> Option<&GroupValue> {
        let mut best: Option<(&GroupValue, f64)> = None;
        for group in &self.groups {
            if let Some(value) = group.value
                && best.is_none_or(|(_, most)| better(value, most))
            {
                best = Some((group, value));
            }
        }
        best.map(|(group, _)| group)
    }

    /// Greatest difference of a group from the least group or from all rows. None if no group (or not
    /// the whole) has a value.
    pub fn difference(&self, reference: Reference) -> Option<f64> {
        let from = match reference {
            Reference::BetweenGroups => self.least()?.value?,
            Reference::Overall => self.overall?,
        };
        self.values().map(|value| (value - from).abs()).reduce(f64::max)
    }

    /// Least ratio of two groups, or of a group and all rows, the smaller by the greater: 1 is parity.
    /// None for 0 by 0.
    pub fn ratio(&self, reference: Reference) -> Option<f64> {
        let of = |part: f64, whole: f64| Some(part / whole).filter(|ratio| !ratio.is_nan());
        match reference {
            Reference::BetweenGroups => of(self.least()?.value?, self.greatest()?.value?),
            Reference::Overall => {
                let overall = self.overall?;
                let ratios: Option<Vec<f64>> = self.values().map(|value| of(value, overall)).collect();
                ratios?
                    .into_iter()
                    .map(|ratio| if ratio > 1.0 { 1.0 / ratio } else { ratio })
                    .reduce(f64::min)
            }
        }
    }
}
