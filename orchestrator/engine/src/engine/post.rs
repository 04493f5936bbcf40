//! What an engine and other processes have to do with each other: requests that they leave for it,
//! and the leases that keep them off its runs.

use super::turn::Turned;
use super::{Engine, EngineError, GRACE, INBOX_EVERY, LEASE};
use std::time::{Duration, Instant};
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::run::{Input, Run, RunStatus};
use trainyard_executors::AttemptKey;
use trainyard_store::{Request, StoreError};

impl Engine {
    /// Looks for requests of other processes when the database has changed.
    pub(super) fn look_into_inbox(&mut self, turned: &mut Turned) -> Result<(), EngineError> {
        let nudged = std::mem::take(&mut self.nudged);
        if !nudged && self.inbox_read.elapsed() < INBOX_EVERY {
            return Ok(());
        }
        self.inbox_read = Instant::now();
        let version = self.store.data_version()?;
        if !nudged && self.data_version == Some(version) {
            return Ok(());
        }
        self.data_version = Some(version);
        if let Some(service) = self.service.as_mut() {
            service.look = true;
        }
        let waiting = self.store.runs_with_requests()?;
        turned.inbox = waiting
            .into_iter()
            .filter(|id| self.runs.contains_key(id))
            .collect();
        Ok(())
    }

    pub(super) fn renew_leases(&mut self, now: Timestamp) -> Result<(), EngineError> {
        if self.lease_renewed.elapsed() < Duration::from_millis(LEASE.0 / 3) {
            return Ok(());
        }
        self.lease_renewed = Instant::now();
        let held: Vec<(RunId, u64)> = self
            .runs
            .iter()
            .filter(|(_, active)| !matches!(active.run.status(), RunStatus::Ended(_)))
            .map(|(id, active)| (id.clone(), active.epoch))
            .collect();
        match self.store.renew_leases(&held, now, LEASE) {
            // Another engine goes on with it; what this one still hears of it is refused by its epoch.
            Err(StoreError::LeaseLost { run, .. }) if self.service.is_some() => {
                self.disown(&run);
                Ok(())
            }
            renewed => Ok(renewed?),
        }
    }

    /// Ends whatever runs here for a run that is another engine's now.
    fn disown(&mut self, id: &RunId) {
        let Some(active) = self.runs.remove(id) else {
            return;
        };
        let Some(executor) = self.executor.as_mut() else {
            return;
        };
        for (step, attempt) in active.run.running() {
            let key = AttemptKey {
                run: id.clone(),
                step,
                attempt,
            };
            executor.cancel(&key, GRACE);
        }
    }

    pub(super) fn release_leases(&mut self) {
        for (id, active) in &self.runs {
            // A lease that cannot be given back ends by itself.
            let _ = self.store.release_lease(id, active.epoch);
        }
    }
}

/// What another process asks, as an input of the run.
pub(super) fn requested(run: &Run, request: Request) -> Option<Input> {
    match request {
        Request::Cancel { by } => Some(Input::Cancel { by }),
        Request::Retry { by } => Some(Input::Retry { by }),
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
