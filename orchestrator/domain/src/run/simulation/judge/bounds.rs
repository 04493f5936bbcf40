//! What the judge knows of a run's bounds in time.

use super::{Judge, Verdict, Where, ensure};
use crate::run::{Hook, InstanceIx, SlaLimit};
use std::collections::BTreeSet;
use trainyard_contract::{Millis, Timestamp};

/// Deadlines of simulated runs are the first minute after 1970.
pub(in crate::run::simulation) const FINISH_BY: (&str, Timestamp) = ("00:01", Timestamp(60_000_000));

#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    first_began: Option<Timestamp>,
    began: Option<Timestamp>,
    told: BTreeSet<SlaLimit>,
    pub(super) ran_out: bool,
    /// When the time of its steps was up, as it was noticed: hooks have as long again from there.
    ran_out_at: Option<Timestamp>,
    pub(super) ended_steps: bool,
}

impl Kept {
    pub(super) fn begin(&mut self, at: Timestamp) {
        self.first_began.get_or_insert(at);
        self.began = Some(at);
        (self.ran_out, self.ran_out_at, self.ended_steps) = (false, None, false);
    }
}

impl Judge<'_> {
    pub(super) fn breached(&mut self, limit: SlaLimit, due: Timestamp, at: Timestamp) -> Verdict {
        ensure(self.bounds.told.insert(limit), || {
            format!("{limit:?} was told twice")
        })?;
        let expected = self.limit(limit);
        ensure(expected == Some(due), || {
            format!("{limit:?} was due at {due:?}, not {expected:?}")
        })?;
        let foreseen = limit == SlaLimit::FinishByForeseen;
        ensure(foreseen || at >= due, || {
            format!("{limit:?} was told before its time")
        })
    }

    /// When the run should be over by a limit; none: it does not have it.
    fn limit(&self, limit: SlaLimit) -> Option<Timestamp> {
        let bounds = &self.definition.bounds;
        let began = self.bounds.first_began?;
        let finish_by = bounds.finish_by.as_ref().map(|_| FINISH_BY.1);
        match limit {
            SlaLimit::MaxDuration => Some(began.plus(bounds.max_duration?)),
            SlaLimit::FinishBy => finish_by,
            SlaLimit::FinishByForeseen => {
                let end = began.plus(bounds.expected?);
                finish_by.filter(|by| began < *by && *by < end)
            }
        }
    }

    pub(super) fn ran_out_of_time(&mut self, hooks: bool, at: Timestamp) -> Verdict {
        let (Some(timeout), Some(began)) = (self.definition.bounds.timeout, self.bounds.began) else {
            return Err("a run without a timeout ran out of time".to_owned());
        };
        let most = if hooks { 2 * timeout.0 } else { timeout.0 };
        ensure(self.clock_jumped || at >= began.plus(Millis(most)), || {
            "it ran out of time before its time".to_owned()
        })?;
        self.cancels = self.cancels.max(if hooks { 2 } else { 1 });
        self.bounds.ran_out = true;
        self.bounds.ran_out_at.get_or_insert(at);
        self.bounds.ended_steps |= !hooks;
        Ok(())
    }

    /// Whether there is time for an instance to start.
    pub(super) fn has_time(&self, ix: InstanceIx, at: Timestamp) -> Verdict {
        let (Some(timeout), Some(began)) = (self.definition.bounds.timeout, self.bounds.began) else {
            return Ok(());
        };
        let until = match (self.instance(ix).hook, self.bounds.ran_out_at) {
            (None, _) => began.plus(timeout),
            (Some(_), None) => began.plus(Millis(2 * timeout.0)),
            // An engine that was away notices late.
            (Some(_), Some(ran_out)) => ran_out.plus(timeout),
        };
        ensure(self.clock_jumped || at < until, || {
            format!("{} began after its time", self.instance(ix).name)
        })
    }

    pub(super) fn everything_late_was_told(&self, at: Timestamp) -> Verdict {
        let all = [
            SlaLimit::MaxDuration,
            SlaLimit::FinishBy,
            SlaLimit::FinishByForeseen,
        ];
        let late = |limit: &SlaLimit| {
            let due = self.limit(*limit);
            due.is_some_and(|due| due <= at || *limit == SlaLimit::FinishByForeseen)
        };
        match all
            .iter()
            .find(|limit| late(limit) && !self.bounds.told.contains(limit))
        {
            Some(limit) => Err(format!("{limit:?} was not told")),
            None => Ok(()),
        }
    }

    /// Whether something of the kind was cancelled.
    pub(super) fn is_cut_short(&self, of: impl Fn(Option<Hook>) -> bool) -> bool {
        let mut all = self.seen.iter().zip(&self.definition.instances);
        all.any(|(seen, instance)| seen.state == Where::Cancelled && of(instance.hook))
    }
}
