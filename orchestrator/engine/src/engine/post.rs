//! What an engine and other processes have to do with each other: requests that they leave for it,
//! and the leases that keep them off its runs.

use super::turned::Turned;
use super::{Engine, EngineError, INBOX_EVERY, third};
use crate::observe::Observation;
use std::time::Instant;
use trainyard_contract::{Millis, RunId, Timestamp};
use trainyard_domain::run::{Input, Run, RunStatus};
use trainyard_executors::AttemptKey;
use trainyard_store::{Request, StoreError};

impl Engine {
    /// Looks for requests of other processes when the database has changed.
    pub(super) fn look_into_inbox(
        &mut self,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        let nudged = std::mem::take(&mut self.nudged);
        if !nudged && self.inbox_read.elapsed() < INBOX_EVERY {
            return Ok(());
        }
        self.inbox_read = Instant::now();
        let version = self.store.data_version();
        let Some(version) = self.unless_away(version, observer)? else {
            return Ok(());
        };
        if !nudged && self.data_version == Some(version) {
            return Ok(());
        }
        let waiting = self.store.runs_with_requests();
        let Some(waiting) = self.unless_away(waiting, observer)? else {
            return Ok(());
        };
        self.data_version = Some(version);
        if let Some(service) = self.service.as_mut() {
            service.look = true;
        }
        turned.inbox = waiting
            .into_iter()
            .filter(|id| self.runs.contains_key(id))
            .collect();
        Ok(())
    }

    /// Renews leases when a third of their time has passed.
    pub(super) fn renew_leases(
        &mut self,
        now: Timestamp,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        if Instant::now() < self.renew_at {
            return Ok(());
        }
        loop {
            let held: Vec<(RunId, u64)> = self
                .runs
                .iter()
                .filter(|(_, active)| !matches!(active.run.status(), RunStatus::Ended(_)))
                .map(|(id, active)| (id.clone(), active.epoch))
                .collect();
            match self.store.renew_leases(&held, now, self.lease) {
                Err(StoreError::LeaseLost { run, .. }) => self.lose(&run, &mut Turned::default(), observer),
                answer => {
                    let is_renewed = self.unless_away(answer, observer)?.is_some();
                    let pause = if is_renewed {
                        third(self.lease)
                    } else {
                        INBOX_EVERY
                    };
                    self.renew_at = Instant::now() + pause;
                    return Ok(());
                }
            }
        }
    }

    /// Lets go of a run that another engine has taken, or that is not where this one left it: its
    /// attempts here are ended, and what was decided for it is forgotten.
    pub(super) fn lose(
        &mut self,
        id: &RunId,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) {
        turned.forget(id);
        self.slots.forget(id);
        let Some(active) = self.runs.remove(id) else {
            return;
        };
        if let Some(executor) = self.executor.as_mut() {
            for (step, attempt) in active.run.running() {
                let key = AttemptKey {
                    run: id.clone(),
                    step,
                    attempt,
                };
                // At once: the next owner may begin the same step now.
                executor.cancel(&key, Millis(0));
            }
        }
        observer(Observation::Lost { run: id });
    }

    pub(super) fn release_leases(&mut self) {
        for (id, active) in &self.runs {
            // A lease that cannot be given back ends by itself.
            let _ = self.store.release_lease(id, active.epoch);
        }
    }

    /// Leaves unfinished runs to other engines, at once.
    pub(super) fn yield_leases(&mut self) {
        for (id, active) in &self.runs {
            // A lease that cannot be given away ends by itself.
            let _ = match active.run.status() {
                RunStatus::Ended(_) => self.store.release_lease(id, active.epoch),
                _ => self.store.yield_lease(id, active.epoch),
            };
        }
    }
}

/// What another process asks, as an input of the run.
pub(super) fn requested(run: &Run, request: Request) -> Option<Input> {
    match request {
        Request::Cancel { by } => Some(Input::Cancel { by }),
        Request::Retry { by, select } => {
            // Whoever asked was told what it chooses; a run that is over chooses the same ever since.
            let select = select.map(|text| run.choose(&text)).transpose().ok()?;
            Some(Input::Retry { by, select })
        }
        Request::Answer {
            instance,
            by,
            role,
            approve,
            comment,
        } => {
            let step = run.find(&instance)?;
            let is_author = run.started_by() == Some(by.as_str());
            Some(Input::Answer {
                step,
                by,
                role,
                approve,
                comment,
                is_author,
            })
        }
    }
}
