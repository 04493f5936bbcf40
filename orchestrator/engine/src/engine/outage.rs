//! A store that cannot be reached: waited for, and told about once.

use super::{Engine, EngineError, Interrupts};
use crate::observe::Observation;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use trainyard_contract::Millis;
use trainyard_contract::task::chain;
use trainyard_store::StoreError;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// What an engine knows of the way to its store.
#[derive(Default)]
pub(super) struct Outage {
    /// When the store was first missed; nothing while it answers.
    since: Option<Instant>,
    /// When it answered again.
    over: Option<Instant>,
    pause: Duration,
    /// What ends the waiting. Without it nothing is waited for.
    interrupts: Option<Interrupts>,
}

impl Outage {
    /// Waits from now on, unless these have been raised.
    pub(super) fn heed(&mut self, interrupts: &Interrupts) {
        self.interrupts = Some(interrupts.clone());
    }

    fn is_waited_for(&self) -> bool {
        self.interrupts
            .as_ref()
            .is_some_and(|interrupts| interrupts.load(Ordering::Relaxed) == 0)
    }

    /// Whether the store has been there for at least so long: others have had that time to renew leases
    /// that ended while nobody could renew any.
    pub(super) fn is_over_for(&self, time: Millis) -> bool {
        self.since.is_none()
            && self
                .over
                .is_none_or(|at| at.elapsed() >= Duration::from_millis(time.0))
    }
}

impl Engine {
    /// The value, or nothing if the store cannot be reached now; whoever asked asks again next turn.
    pub(super) fn unless_away<T>(
        &mut self,
        answer: Result<T, StoreError>,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<Option<T>, EngineError> {
        match answer {
            Ok(value) => {
                self.is_back(observer);
                Ok(Some(value))
            }
            Err(error) if error.is_transient() && self.outage.is_waited_for() => {
                self.is_away(&error, observer);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits a little for a store that cannot be reached, each time longer.
    ///
    /// # Errors
    /// The error, if it is of another kind or the engine was interrupted.
    pub(super) fn bide(
        &mut self,
        error: StoreError,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        if !error.is_transient() || !self.outage.is_waited_for() {
            return Err(error.into());
        }
        self.is_away(&error, observer);
        std::thread::sleep(self.outage.pause);
        self.outage.pause = (self.outage.pause * 2).min(LAST_PAUSE);
        Ok(())
    }

    fn is_away(&mut self, error: &StoreError, observer: &mut dyn FnMut(Observation<'_>)) {
        if self.outage.since.is_some() {
            return;
        }
        self.outage.since = Some(Instant::now());
        self.outage.pause = FIRST_PAUSE;
        let why = chain(error).join(": ");
        let message = format!("{why}; running steps go on, and the store is asked again and again");
        observer(Observation::Trouble { message: &message });
    }

    pub(super) fn is_back(&mut self, observer: &mut dyn FnMut(Observation<'_>)) {
        if let Some(since) = self.outage.since.take() {
            self.outage.over = Some(Instant::now());
            let message = format!(
                "the store answers again, after {:.1} s",
                since.elapsed().as_secs_f64()
            );
            observer(Observation::Trouble { message: &message });
        }
    }
}
