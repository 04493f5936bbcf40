//! An engine as a service: it takes runs from the queue for as long as it lives.

use super::turned::Turned;
use super::{Engine, EngineError, Interrupts, third};
use crate::observe::Observation;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use trainyard_contract::RunId;
use trainyard_domain::run::{Input, RunStatus};
use trainyard_store::{StoreError, TurnedAway};

/// How often a queue that nobody has pointed at is looked through at least: for runs whose owner died.
const QUEUE_EVERY: Duration = Duration::from_secs(10);
/// Runs taken into one turn.
const RUNS_A_TURN: u32 = 32;
/// Runs that have ended leave the queue together.
const LEAVERS: usize = 64;

/// What an engine that serves keeps beside its runs.
pub(super) struct Service {
    /// Active runs at most; those that wait for people or timers do not count.
    max_runs: usize,
    /// Whether there may be something in the queue.
    pub(super) look: bool,
    looked: Instant,
    /// The first look is also for runs that an earlier engine of this process had.
    is_first: bool,
    /// Runs that cannot be taken by this version or at all; told once.
    refused: BTreeSet<RunId>,
    leavers: Vec<RunId>,
}

impl Engine {
    /// Works until interrupted: takes runs from the queue, and those whose engine died, at most
    /// `max_runs` at once. News `Nudge` tells it that there is something in the queue or the inbox.
    ///
    /// # Errors
    /// If the store or all executors fail. Nothing shown is lost, and another engine goes on with
    /// everything.
    pub fn serve(
        &mut self,
        observer: &mut dyn FnMut(Observation<'_>),
        interrupts: &Interrupts,
        max_runs: usize,
    ) -> Result<(), EngineError> {
        self.service = Some(Service {
            max_runs: max_runs.max(1),
            look: true,
            looked: Instant::now(),
            is_first: true,
            refused: BTreeSet::new(),
            leavers: Vec::new(),
        });
        self.outage.heed(interrupts);
        loop {
            if interrupts.load(Ordering::Relaxed) > 0 {
                self.end_attempts(observer)?;
                self.yield_leases();
                self.leave_queue(observer)?;
                self.store.checkpoint()?;
                return Ok(());
            }
            self.take_from_queue(observer)?;
            self.turn(observer)?;
            self.let_go(observer)?;
        }
    }

    fn take_from_queue(&mut self, observer: &mut dyn FnMut(Observation<'_>)) -> Result<(), EngineError> {
        while self.is_to_look() {
            let Some(service) = self.service.as_mut() else {
                return Ok(());
            };
            let own = service.is_first;
            // Some of them may be held by others, who are not to stand in the way of the rest.
            let known = service.refused.len() + self.runs.len();
            let limit = RUNS_A_TURN.saturating_add(u32::try_from(known).unwrap_or(u32::MAX));
            service.look = false;
            service.looked = Instant::now();
            let room = service.max_runs.saturating_sub(self.active_runs());
            let admitted = self
                .store
                .admit_runs(room.min(RUNS_A_TURN as usize), (self.clock)());
            let Some(admitted) = self.unless_away(admitted, observer)? else {
                return Ok(());
            };
            // Its own requests change nothing that this connection would see as news.
            self.nudged |= admitted.has_asked;
            let has_refused = self.turn_away(admitted.turned_away, observer)?;
            let candidates = self.store.takeable_runs(&self.owner, own, (self.clock)(), limit);
            let Some(candidates) = self.unless_away(candidates, observer)? else {
                return Ok(());
            };
            // Leases that ended while the store was away say nothing of their owners, who renew them now.
            if !self.outage.is_over_for(self.lease) {
                return Ok(());
            }
            let taken = self.take_some(&candidates, observer)?;
            if let Some(service) = self.service.as_mut() {
                service.is_first = false;
                service.look = taken == RUNS_A_TURN as usize || has_refused;
            }
        }
        Ok(())
    }

    /// Ends runs that never start; says whether there were any.
    fn turn_away(
        &mut self,
        refused: Vec<TurnedAway>,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<bool, EngineError> {
        let mut any = false;
        let mut refused = refused.into_iter().peekable();
        while refused.peek().is_some() {
            let mut turned = Turned::default();
            for one in refused.by_ref().take(RUNS_A_TURN as usize) {
                let input = Input::TurnAway {
                    outcome: one.outcome,
                    reason: one.reason,
                };
                let service = self.service.as_ref();
                if self.runs.contains_key(&one.run)
                    || service.is_some_and(|service| service.refused.contains(&one.run))
                {
                    continue;
                }
                any |= self.try_to_take(&one.run, Some(input), &mut turned, observer)?;
            }
            let now = (self.clock)();
            self.finish_turn(now, turned, observer)?;
            self.let_go(observer)?;
        }
        Ok(any)
    }

    fn is_to_look(&self) -> bool {
        self.service.as_ref().is_some_and(|service| {
            service.look || service.looked.elapsed() >= QUEUE_EVERY.min(third(self.lease))
        })
    }

    fn take_some(
        &mut self,
        candidates: &[RunId],
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<usize, EngineError> {
        let mut turned = Turned::default();
        let mut taken = 0;
        let mut active = self.active_runs();
        for id in candidates {
            let Some(service) = self.service.as_ref() else {
                break;
            };
            if self.runs.contains_key(id) || service.refused.contains(id) {
                continue;
            }
            if active >= service.max_runs || taken == RUNS_A_TURN as usize {
                break;
            }
            if self.try_to_take(id, None, &mut turned, observer)? {
                taken += 1;
                active += 1;
            }
        }
        if taken > 0 {
            self.nudged = true;
            let now = (self.clock)();
            self.finish_turn(now, turned, observer)?;
            self.let_go(observer)?;
        }
        Ok(taken)
    }

    /// Takes a run unless it is another's, cannot be read or the store is away; says whether it did.
    fn try_to_take(
        &mut self,
        id: &RunId,
        first: Option<Input>,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<bool, EngineError> {
        match self.take_over(id, first, turned, observer) {
            Ok(()) => return Ok(true),
            Err(EngineError::Store(StoreError::LeaseHeld { .. })) => {}
            Err(EngineError::Store(error)) if error.is_transient() => {
                self.unless_away::<()>(Err(error), observer)?;
            }
            Err(
                error @ (EngineError::Definition(_)
                | EngineError::Store(
                    StoreError::NewerDefinition { .. } | StoreError::Corrupt { .. } | StoreError::NoRun(_),
                )),
            ) => {
                let message = format!(
                    "run {id} cannot be taken: {}",
                    trainyard_contract::task::chain(&error).join(": ")
                );
                observer(Observation::Trouble { message: &message });
                if let Some(service) = self.service.as_mut() {
                    service.refused.insert(id.clone());
                }
            }
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    fn active_runs(&self) -> usize {
        self.runs
            .values()
            .filter(|active| active.run.status() != RunStatus::Waiting)
            .count()
    }

    /// Gives back runs that are over.
    fn let_go(&mut self, observer: &mut dyn FnMut(Observation<'_>)) -> Result<(), EngineError> {
        let over: Vec<(RunId, u64)> = self
            .runs
            .iter()
            .filter(|(_, active)| matches!(active.run.status(), RunStatus::Ended(_)))
            .map(|(id, active)| (id.clone(), active.epoch))
            .collect();
        for (id, epoch) in over {
            self.runs.remove(&id);
            // The lease went with the run's end; this gives back a lock that may be held besides.
            let released = self.store.release_lease(&id, epoch);
            self.unless_away(released, observer)?;
            if let Some(service) = self.service.as_mut() {
                service.leavers.push(id);
                // There is room now, and a request may have come for just this run.
                service.look = true;
            }
        }
        let leavers = self.service.as_ref().map_or(0, |service| service.leavers.len());
        if leavers >= LEAVERS || (leavers > 0 && self.runs.is_empty()) {
            self.leave_queue(observer)?;
        }
        Ok(())
    }

    fn leave_queue(&mut self, observer: &mut dyn FnMut(Observation<'_>)) -> Result<(), EngineError> {
        let leavers = self
            .service
            .as_mut()
            .map(|service| std::mem::take(&mut service.leavers))
            .unwrap_or_default();
        if !leavers.is_empty() {
            let left = self.store.leave_queue(&leavers);
            if self.unless_away(left, observer)?.is_none()
                && let Some(service) = self.service.as_mut()
            {
                service.leavers.extend(leavers);
            }
        }
        Ok(())
    }
}
