//! A turn of the engine: one transaction over all runs that had news.

use crate::document;
use crate::error::{StoreError, database, encoding};
use crate::ledger::Ledger;
use crate::queries;
use crate::run::{RunStatus, event_id};
use crate::store::Store;
use rusqlite::params;
use std::collections::BTreeSet;
use trainyard_contract::{ArtifactRef, OutputValue, RunId, Timestamp};
use trainyard_domain::run::{Event, SkipReason, What};

/// An open transaction. Dropped without [`Turn::commit`], nothing of it is kept; nor is it after an
/// error of any of its methods, when the engine drops the run that was refused and decides again.
#[derive(Debug)]
pub struct Turn<'a> {
    pub(crate) store: &'a mut Store,
    touched: BTreeSet<RunId>,
    /// Runs with effects, whose right to have them an append is yet to prove.
    unproven: BTreeSet<RunId>,
    over: BTreeSet<RunId>,
    body: Vec<u8>,
    failed: bool,
    ended: bool,
}

/// What some events change in the run's row.
#[derive(Default)]
struct Tally {
    events: i64,
    status: Option<RunStatus>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    succeeded: u32,
    reused: u32,
    skipped: u32,
    blocked: u32,
    failed: u32,
    cancelled: u32,
    is_retry: bool,
}

impl Store {
    /// Begins a turn. Other writers wait until it is over, at most five seconds: keep it short.
    ///
    /// # Errors
    /// `Busy`, `Disk`, `Closed`.
    pub fn begin(&mut self) -> Result<Turn<'_>, StoreError> {
        let begun = self.execute("begin a turn", "BEGIN IMMEDIATE", []);
        if let Err(error) = begun {
            return Err(self.condemn(error));
        }
        Ok(Turn {
            store: self,
            touched: BTreeSet::new(),
            unproven: BTreeSet::new(),
            over: BTreeSet::new(),
            body: Vec::with_capacity(512),
            failed: false,
            ended: false,
        })
    }
}

impl Turn<'_> {
    /// Appends events to a run, if the lease's `epoch` is still the run's and exactly `expected`
    /// events are stored; and keeps what follows from them: the run's status and counts, results
    /// for reuse, the index of artifacts, waiting approvals, durations.
    ///
    /// # Errors
    /// `NoRun`, `LeaseLost`, `Conflict`, `Full`, `Disk`.
    pub fn append(
        &mut self,
        run: &RunId,
        epoch: u64,
        expected: u64,
        events: &[Event],
    ) -> Result<(), StoreError> {
        self.guard(|turn| turn.append_inner(run, epoch, expected, events))
    }

    /// Makes the turn durable.
    ///
    /// # Errors
    /// `TurnFailed` if a method of it has failed, `EffectWithoutEvent`, `Full`, `Busy`: nothing is
    /// kept. `Disk`: see there.
    pub fn commit(mut self) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::TurnFailed);
        }
        if let Some(run) = self.unproven.pop_first() {
            return Err(StoreError::EffectWithoutEvent(run));
        }
        match self.store.execute("commit a turn", "COMMIT", []) {
            Ok(_) => {
                self.ended = true;
                let ledgers = self.store.ledgers.get_mut();
                for run in &self.over {
                    ledgers.remove(run);
                }
                Ok(())
            }
            Err(error) => {
                self.store.roll_back();
                Err(self.store.condemn(error))
            }
        }
    }

    /// Runs `work`; its failure is the turn's.
    pub(crate) fn guard<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::TurnFailed);
        }
        let done = work(self);
        self.failed = done.is_err();
        done.map_err(|error| {
            if error.is_fatal() {
                self.store.roll_back();
            }
            self.store.condemn(error)
        })
    }

    /// An effect for this run is kept only together with an event of it.
    pub(crate) fn has_effect(&mut self, run: &RunId) {
        if !self.touched.contains(run) {
            self.unproven.insert(run.clone());
        }
    }

    fn append_inner(
        &mut self,
        run: &RunId,
        epoch: u64,
        expected: u64,
        events: &[Event],
    ) -> Result<(), StoreError> {
        let doing = "append events";
        self.store.remember(run)?;
        let number = self.store.number(run)?;
        self.advance(run, number, epoch, expected, &tally(events))?;
        if !events.is_empty() {
            self.unproven.remove(run);
        }
        if !self.touched.contains(run) {
            self.touched.insert(run.clone());
        }
        let Self {
            store, body, over, ..
        } = self;
        let ledgers = &mut *store.ledgers.borrow_mut();
        let Some(ledger) = ledgers.get_mut(run) else {
            return Err(StoreError::NoRun(run.to_string()));
        };
        let mut insert = store
            .connection(doing)?
            .prepare_cached(queries::EVENT_INSERT)
            .map_err(database(doing))?;
        for (seq, event) in (expected + 1..).zip(events) {
            body.clear();
            serde_json::to_writer(&mut *body, event).map_err(encoding(doing))?;
            let text = std::str::from_utf8(body).unwrap_or_default();
            let id = event_id(number, seq);
            insert.execute(params![id, text]).map_err(database(doing))?;
            store.index(ledger, id, event)?;
            if let What::RunEnded { .. } = event.what {
                over.insert(run.clone());
            }
        }
        Ok(())
    }

    fn advance(
        &self,
        run: &RunId,
        number: i64,
        epoch: u64,
        expected: u64,
        tally: &Tally,
    ) -> Result<(), StoreError> {
        let doing = "append events";
        let changed = self.store.execute(
            doing,
            queries::RUN_ADVANCE,
            params![
                number,
                integer(epoch),
                integer(expected),
                tally.events,
                tally.status.map(RunStatus::as_str),
                tally.started_at.map(|at| at.0),
                tally.ended_at.map(|at| at.0),
                tally.succeeded,
                tally.reused,
                tally.skipped,
                tally.blocked,
                tally.failed,
                tally.cancelled,
                tally.is_retry,
            ],
        )?;
        if changed == 1 {
            return Ok(());
        }
        let position = self.store.first(doing, queries::RUN_POSITION, [number], |row| {
            Ok((
                row.get::<_, i64>(0)?.unsigned_abs(),
                row.get::<_, i64>(1)?.unsigned_abs(),
            ))
        })?;
        Err(match position {
            None => StoreError::NoRun(run.to_string()),
            Some((current, _)) if current != epoch => StoreError::LeaseLost {
                run: run.clone(),
                held: epoch,
                current,
            },
            Some((_, found)) => StoreError::Conflict {
                run: run.clone(),
                expected,
                found,
            },
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.store.roll_back();
        let ledgers = self.store.ledgers.get_mut();
        for run in &self.touched {
            ledgers.remove(run);
        }
    }
}

impl Store {
    /// Sees to it that there is a ledger of the run.
    fn remember(&self, run: &RunId) -> Result<(), StoreError> {
        if self.ledgers.borrow().contains_key(run) {
            return Ok(());
        }
        let number = self.number(run)?;
        let mut ledger = Ledger::new(number, &self.definition(run, number)?);
        for event in self.events_of(number, 0, u64::MAX)? {
            ledger.note(&event);
        }
        self.ledgers.borrow_mut().insert(run.clone(), ledger);
        Ok(())
    }

    /// Keeps what follows from one event.
    fn index(&self, ledger: &mut Ledger, id: i64, event: &Event) -> Result<(), StoreError> {
        let doing = "append events";
        let number = ledger.number;
        let key = ledger.note(event);
        match &event.what {
            What::AttemptSucceeded { outputs, .. } => {
                if let Some(key) = key {
                    self.execute(
                        doing,
                        queries::RESULT_PUT,
                        params![key.as_bytes(), id, event.at.0],
                    )?;
                }
                for (output, value) in outputs {
                    if let OutputValue::Artifact(artifact) = value {
                        self.index_artifact(id, output, artifact)?;
                    }
                }
            }
            What::ApprovalAsked { step } => self.ask_approval(number, *step, event.at)?,
            What::ApprovalGiven { step, .. } => {
                self.note_approval(number, *step, event, ledger.approvals_needed(*step))?;
            }
            What::ApprovalExpired { step, .. }
            | What::StepCancelled { step }
            | What::StepRejected { step, .. }
            | What::StepSkipped { step, .. } => self.close_approval(number, *step)?,
            What::RunEnded { .. } => {
                self.close_approvals(number)?;
                let body = document::write(doing, &ledger.durations())?;
                self.execute(doing, queries::DURATION_PUT, params![number, body])?;
            }
            _ => {}
        }
        Ok(())
    }

    fn index_artifact(&self, event: i64, output: &str, artifact: &ArtifactRef) -> Result<(), StoreError> {
        let values = params![artifact.hash.as_bytes(), event, output];
        self.execute("append events", queries::ARTIFACT_PUT, values)
            .map(|_| ())
    }
}

fn tally(events: &[Event]) -> Tally {
    let mut tally = Tally {
        events: events.len() as i64,
        ..Tally::default()
    };
    for event in events {
        match &event.what {
            What::RunStarted { .. } => {
                tally.status = Some(RunStatus::Running);
                tally.started_at = tally.started_at.or(Some(event.at));
            }
            What::RunEnded { outcome } => {
                tally.status = Some((*outcome).into());
                tally.ended_at = Some(event.at);
            }
            What::RetryAsked { .. } => {
                tally = Tally {
                    is_retry: true,
                    failed: 0,
                    blocked: 0,
                    cancelled: 0,
                    ended_at: None,
                    ..tally
                };
                tally.status = Some(RunStatus::Running);
            }
            What::AttemptSucceeded { .. } => tally.succeeded += 1,
            What::StepReused { .. } => tally.reused += 1,
            What::AttemptFailed { retry_at: None, .. } | What::StepRejected { .. } => tally.failed += 1,
            What::StepSkipped {
                because: SkipReason::UpstreamFailed { .. },
                ..
            } => tally.blocked += 1,
            What::StepSkipped { .. } => tally.skipped += 1,
            What::StepCancelled { .. } => tally.cancelled += 1,
            _ => {}
        }
    }
    tally
}

/// A number for a column; numbers beyond `i64` match nothing that is stored.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}
