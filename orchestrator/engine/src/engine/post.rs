//! What an engine and other processes have to do with each other: requests that they leave for it,
//! and the leases that keep them off its runs.

use super::turn::Turned;
use super::{Engine, EngineError, INBOX_EVERY, LEASE};
use std::time::{Duration, Instant};
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::run::{Input, Run, RunStatus};
use trainyard_store::Request;

impl Engine {
    /// Looks for requests of other processes when the database has changed.
    pub(super) fn look_into_inbox(&mut self, turned: &mut Turned) -> Result<(), EngineError> {
        if self.inbox_read.elapsed() < INBOX_EVERY {
            return Ok(());
        }
        self.inbox_read = Instant::now();
        let version = self.store.data_version()?;
        if self.data_version == Some(version) {
            return Ok(());
        }
        self.data_version = Some(version);
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
        self.store.renew_leases(&held, now, LEASE)?;
        Ok(())
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
