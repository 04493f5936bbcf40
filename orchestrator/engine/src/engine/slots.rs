//! Slots of pools: which of the engine's step instances wait for one, and which have one.
//!
//! A claim is kept in the store, where those of all engines are decided together. A slot is asked for
//! when everything else about an attempt is ready, so that a result that is taken over needs none, and
//! is given back in the transaction that says that the attempt is over.

use super::{Active, Engine, EngineError};
use crate::observe::Observation;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::run::{InstanceIx, Run, StepState};
use trainyard_store::{DEFAULT_PRIORITY, SlotClaim};

/// Claims of one run on one pool that wait, at most: a fan-out does not fill the store with them.
const AHEAD: usize = 16;
/// How often those that wait ask again: another engine may have given a slot back.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(100);

/// What this engine wants of pools.
#[derive(Default)]
pub(super) struct Slots {
    runs: BTreeMap<RunId, BTreeMap<InstanceIx, Slot>>,
    /// Claims in the store that nobody wants any more.
    given_up: Vec<(RunId, u64, InstanceIx)>,
    asked: Option<Instant>,
    /// When a rate leaves room again.
    ask_at: Option<Instant>,
    /// There is something new to ask for, or a slot was given back.
    is_new: bool,
    /// Instances of which it is to be said that they wait, and for what.
    untold: Vec<(RunId, InstanceIx, String)>,
}

struct Slot {
    pool: String,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Wanted,
    /// It was said that it waits.
    Waits,
    Granted,
    /// Its attempt was started; the end of that is what gives the slot back.
    Launched,
}

impl Stage {
    fn is_waiting(self) -> bool {
        matches!(self, Self::Wanted | Self::Waits)
    }
}

impl Slots {
    /// Whether an instance that is ready may be looked at: it does not wait for a slot, and its run does
    /// not have enough claims on its pool already.
    pub(super) fn lets(&self, run: &Run, step: InstanceIx) -> bool {
        let Some(pool) = run.pool_of(step) else {
            return true;
        };
        let Some(slots) = self.runs.get(run.id()) else {
            return true;
        };
        match slots.get(&step) {
            Some(slot) => slot.stage == Stage::Granted,
            None => {
                let waiting = slots
                    .values()
                    .filter(|slot| slot.stage.is_waiting() && slot.pool == pool);
                waiting.count() < AHEAD
            }
        }
    }

    /// Whether an attempt may start; if it lacks a slot, one is asked for.
    pub(super) fn has_or_wants(&mut self, run: &Run, step: InstanceIx) -> bool {
        let Some(pool) = run.pool_of(step) else {
            return true;
        };
        let slots = self.runs.entry(run.id().clone()).or_default();
        match slots.get(&step) {
            Some(slot) => slot.stage == Stage::Granted,
            None => {
                let slot = Slot {
                    pool: pool.to_owned(),
                    stage: Stage::Wanted,
                };
                slots.insert(step, slot);
                self.is_new = true;
                false
            }
        }
    }

    /// An attempt was started.
    pub(super) fn launched(&mut self, run: &RunId, step: InstanceIx) {
        if let Some(slot) = self.runs.get_mut(run).and_then(|slots| slots.get_mut(&step)) {
            slot.stage = Stage::Launched;
        }
    }

    /// Forgets a run that is not this engine's any more, or is so anew.
    pub(super) fn forget(&mut self, run: &RunId) {
        self.runs.remove(run);
        self.given_up.retain(|(of, _, _)| of != run);
    }

    /// What was committed is so: slots of attempts that are over have been given back.
    pub(super) fn settle(&mut self, runs: &BTreeMap<RunId, Active>) {
        for (id, slots) in &mut self.runs {
            let Some(active) = runs.get(id) else { continue };
            slots.retain(|step, slot| {
                let is_over = slot.stage == Stage::Launched
                    && !matches!(active.run.step(*step), StepState::Running { .. });
                self.is_new |= is_over;
                !is_over
            });
        }
    }

    /// Gives up claims of instances that will not start now.
    fn tidy(&mut self, runs: &BTreeMap<RunId, Active>) {
        self.runs.retain(|id, slots| {
            let Some(active) = runs.get(id) else {
                return false;
            };
            slots.retain(|step, slot| {
                let stays = slot.stage == Stage::Launched || active.run.is_ready(*step);
                if !stays {
                    self.given_up.push((id.clone(), active.epoch, *step));
                    self.is_new = true;
                }
                stays
            });
            !slots.is_empty()
        });
    }

    fn waiting(&self) -> impl Iterator<Item = (&RunId, InstanceIx, &Slot)> {
        self.runs.iter().flat_map(|(id, slots)| {
            let waiting = slots.iter().filter(|(_, slot)| slot.stage.is_waiting());
            waiting.map(move |(step, slot)| (id, *step, slot))
        })
    }

    fn is_to_ask(&self) -> bool {
        if self.given_up.is_empty() && self.waiting().next().is_none() {
            return false;
        }
        self.is_new
            || self.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY)
            || self.ask_at.is_some_and(|at| Instant::now() >= at)
    }

    /// How long to wait at most before asking again; none: nothing waits.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.waiting().next()?;
        let rate = self.ask_at.map(|at| at.saturating_duration_since(Instant::now()));
        Some(rate.map_or(ASK_EVERY, |rate| rate.min(ASK_EVERY)))
    }
}

impl Engine {
    /// Asks the store for slots if there is reason to; says whether any were given.
    pub(super) fn ask_for_slots(
        &mut self,
        now: Timestamp,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<bool, EngineError> {
        self.slots.tidy(&self.runs);
        if !self.slots.is_to_ask() {
            return Ok(false);
        }
        let waiting = self.slots.waiting().filter_map(|(id, step, slot)| {
            let active = self.runs.get(id)?;
            Some(SlotClaim {
                run: id,
                epoch: active.epoch,
                step,
                pool: &slot.pool,
                priority: active.run.definition().priority.unwrap_or(DEFAULT_PRIORITY),
            })
        });
        let claims: Vec<SlotClaim<'_>> = waiting.collect();
        let answer = self.store.claim_slots(&claims, &self.slots.given_up, now);
        let Some(answer) = self.unless_away(answer, observer)? else {
            return Ok(false);
        };
        let slots = &mut self.slots;
        slots.given_up.clear();
        slots.is_new = false;
        slots.asked = Some(Instant::now());
        slots.ask_at = answer
            .ask_in
            .map(|ask_in| Instant::now() + Duration::from_millis(ask_in.0));
        for (id, step) in &answer.granted {
            if let Some(slot) = slots.runs.get_mut(id).and_then(|slots| slots.get_mut(step)) {
                slot.stage = Stage::Granted;
            }
        }
        for (id, step, reason) in &answer.waiting {
            let slot = slots.runs.get_mut(id).and_then(|slots| slots.get_mut(step));
            if let Some(slot) = slot.filter(|slot| slot.stage == Stage::Wanted) {
                slot.stage = Stage::Waits;
                slots.untold.push((id.clone(), *step, reason.clone()));
            }
        }
        Ok(!answer.granted.is_empty())
    }

    /// Says what waits for slots, once what made it ready is durable.
    pub(super) fn tell_waiting(&mut self, observer: &mut dyn FnMut(Observation<'_>)) {
        for (id, step, reason) in std::mem::take(&mut self.slots.untold) {
            if let Some(active) = self.runs.get(&id) {
                observer(Observation::AwaitsSlot {
                    run: &id,
                    step,
                    reason: &reason,
                    of: &active.run,
                });
            }
        }
    }
}
