//! What checks are told of earlier runs: they look into no state themselves.

use super::spec::policy::OnLimit;
use std::collections::BTreeMap;
use trainyard_contract::feature::FeatureView;
use trainyard_contract::{Millis, PipelineName, Timestamp};

/// Earlier runs of pipelines. Without any, checks that go by the past find nothing.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// From where coming ticks are counted.
    pub now: Timestamp,
    pub runs: BTreeMap<PipelineName, PastRuns>,
    /// Feature views as they were before.
    pub features: RecordedFeatures,
}

/// Feature views that a new definition is held against.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedFeatures {
    /// The latest version of each.
    pub views: BTreeMap<String, FeatureView>,
    /// Whose word it is, after `version 3`: `is in the store`, `is that of `main``.
    pub by: String,
}

/// How long the last runs of a pipeline took that succeeded, from their start to their end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastRuns {
    durations: Vec<Millis>,
}

/// So few say nothing of the next.
const FEWEST: usize = 3;

impl PastRuns {
    /// Durations in any order.
    pub fn new(mut durations: Vec<Millis>) -> Self {
        durations.sort();
        Self { durations }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.durations.len()
    }

    /// The median: half of them took no longer. None of fewer than three.
    pub fn median(&self) -> Option<Millis> {
        let place = self.durations.len().checked_sub(1)? / 2;
        self.durations
            .get(place)
            .copied()
            .filter(|_| self.durations.len() >= FEWEST)
    }
}

impl super::Pipeline {
    /// Whether a check of it says more when earlier runs are known.
    pub fn is_judged_by_past(&self) -> bool {
        let skips = self
            .spec
            .concurrency
            .as_ref()
            .is_some_and(|of| of.on_limit == OnLimit::Skip);
        skips
            || self
                .spec
                .sla
                .as_ref()
                .is_some_and(|sla| sla.max_duration.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_runs_took_no_longer_than_the_median() {
        let of = |durations: &[u64]| PastRuns::new(durations.iter().copied().map(Millis).collect()).median();
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[1, 2]), None);
        assert_eq!(of(&[9, 1, 5]), Some(Millis(5)));
        assert_eq!(of(&[9, 1, 5, 7]), Some(Millis(5)));
    }
}
