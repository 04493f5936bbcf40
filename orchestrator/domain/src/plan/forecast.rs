//! How long it will take, from how long it took.

use super::{PlanFacts, PlannedInstance, Verdict};
use crate::run::{Instance, InstanceIx, MatrixLimits, RunDefinition};
use serde::Serialize;
use trainyard_contract::Millis;

/// Median and 90th percentile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    pub p50: Millis,
    pub p90: Millis,
}

/// A forecast, and whether every part of it has a past to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// From start to end, with room for everything that may run at once.
    pub elapsed: Span,
    /// Of all attempts together.
    pub work: Span,
    pub is_complete: bool,
}

/// Percentiles by nearest rank; none without a past.
fn span_of(mut durations: Vec<Millis>) -> Option<Span> {
    durations.sort_unstable();
    let rank = |percent: usize| {
        let at = (durations.len() * percent).div_ceil(100).max(1) - 1;
        durations.get(at).copied()
    };
    Some(Span {
        p50: rank(50)?,
        p90: rank(90)?,
    })
}

fn plus(left: Span, right: Span) -> Span {
    Span {
        p50: Millis(left.p50.0.saturating_add(right.p50.0)),
        p90: Millis(left.p90.0.saturating_add(right.p90.0)),
    }
}

fn larger(left: Span, right: Span) -> Span {
    Span {
        p50: left.p50.max(right.p50),
        p90: left.p90.max(right.p90),
    }
}

/// Of each instance that runs or may run, as far as it has a past; gates wait for people, of whom
/// nothing is foretold.
pub(super) fn of_instances(
    definition: &RunDefinition,
    instances: &[Option<PlannedInstance>],
    facts: &mut dyn PlanFacts,
) -> Vec<Expected> {
    let expect = |(instance, planned): (&Instance, &Option<PlannedInstance>)| {
        let runs = planned
            .as_ref()
            .is_some_and(|p| matches!(p.verdict, Verdict::Run | Verdict::Maybe));
        if !runs || instance.approval.is_some() {
            return Expected::Nothing;
        }
        span_of(facts.durations(instance)).map_or(Expected::Unknown, Expected::Time)
    };
    definition.instances.iter().zip(instances).map(expect).collect()
}

/// What one instance will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Nothing,
    Unknown,
    Time(Span),
}

impl Expected {
    fn time(self) -> Option<Span> {
        match self {
            Self::Time(span) => Some(span),
            _ => None,
        }
    }
}

/// One step: its cells side by side, as many at once as the matrix allows.
pub(super) fn of_step(expected: &[Expected], limits: Option<MatrixLimits>) -> Option<Forecast> {
    let limit = limits
        .and_then(|limits| limits.max_parallel)
        .map_or(usize::MAX, |n| n as usize);
    let at_once = limit.min(expected.len()).max(1) as u64;
    whole(expected, |work| {
        let share = Span {
            p50: Millis(work.p50.0 / at_once),
            p90: Millis(work.p90.0 / at_once),
        };
        expected.iter().filter_map(|one| one.time()).fold(share, larger)
    })
}

/// The whole run: the longest path through what runs or may run. `order`: upstream first.
pub(super) fn of_run(
    definition: &RunDefinition,
    order: &[InstanceIx],
    expected: &[Expected],
) -> Option<Forecast> {
    whole(expected, |_| {
        let mut until = vec![Span::default(); expected.len()];
        for &ix in order {
            let above = definition.instances[ix as usize].upstream.iter();
            let before = above
                .map(|edge| until[edge.instance as usize])
                .fold(Span::default(), larger);
            until[ix as usize] = plus(before, expected[ix as usize].time().unwrap_or_default());
        }
        until.into_iter().fold(Span::default(), larger)
    })
}

fn whole(expected: &[Expected], elapsed: impl FnOnce(Span) -> Span) -> Option<Forecast> {
    let known: Vec<Span> = expected.iter().filter_map(|one| one.time()).collect();
    let work = known.iter().copied().fold(Span::default(), plus);
    (!known.is_empty()).then(|| Forecast {
        elapsed: elapsed(work),
        work,
        is_complete: !expected.contains(&Expected::Unknown),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let millis = |values: &[u64]| span_of(values.iter().copied().map(Millis).collect());
        assert_eq!(millis(&[]), None);
        assert_eq!(
            millis(&[7]),
            Some(Span {
                p50: Millis(7),
                p90: Millis(7)
            })
        );
        // By nearest rank: of 10 values the 5th and the 9th.
        assert_eq!(
            millis(&[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
            Some(Span {
                p50: Millis(5),
                p90: Millis(9)
            })
        );
    }
}
