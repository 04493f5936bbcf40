//! A turn of the engine: one transaction over all runs that had news.

use crate::document;
use crate::error::{StoreError, database, encoding, unreadable};
use crate::ledger::{Ledger, Noted};
use crate::queries;
use crate::run::{RunStatus, event_id};
use crate::store::Store;
use rusqlite::params;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{ArtifactRef, OutputValue, RunId, Timestamp};
use trainyard_domain::run::{Event, What};

/// An open transaction. Dropped without [`Turn::commit`], nothing of it is kept; nor is it after an
/// error of any of its methods, when the engine drops the run that was refused and decides again.
#[derive(Debug)]
pub struct Turn<'a> {
    pub(crate) store: &'a mut Store,
    /// Runs appended to, and whether there was an event.
    touched: BTreeMap<RunId, bool>,
    /// Runs with effects, whose right to have them an append is yet to prove.
    unproven: BTreeSet<RunId>,
    over: BTreeSet<RunId>,
    body: Vec<u8>,
    failed: bool,
    ended: bool,
}

/// What some events change in the run's row, besides counts.
#[derive(Default)]
struct Change {
    status: Option<RunStatus>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
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
            touched: BTreeMap::new(),
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
        if self.touched.get(run) != Some(&true) {
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
        let has_events = !events.is_empty();
        match self.touched.get_mut(run) {
            Some(proven) => *proven |= has_events,
            None => _ = self.touched.insert(run.clone(), has_events),
        }
        let Self {
            store,
            body,
            over,
            unproven,
            ..
        } = self;
        let mut ledgers = store.ledgers.borrow_mut();
        let Some(ledger) = ledgers.get_mut(run) else {
            return Err(StoreError::NoRun(run.to_string()));
        };
        let noted: Vec<Noted> = events.iter().map(|event| ledger.note(event)).collect();
        store.advance(run, ledger, epoch, expected, events)?;
        if has_events {
            unproven.remove(run);
        }
        let mut insert = store
            .connection(doing)?
            .prepare_cached(queries::EVENT_INSERT)
            .map_err(database(doing))?;
        for ((seq, event), noted) in (expected + 1..).zip(events).zip(&noted) {
            body.clear();
            serde_json::to_writer(&mut *body, event).map_err(encoding(doing))?;
            let text = std::str::from_utf8(body).map_err(unreadable(doing))?;
            let id = event_id(ledger.number, seq);
            insert.execute(params![id, text]).map_err(database(doing))?;
            store.index(ledger, id, event, noted)?;
            match event.what {
                What::RunEnded { .. } => over.insert(run.clone()),
                What::RetryAsked { .. } => over.remove(run),
                _ => false,
            };
        }
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.store.roll_back();
        let ledgers = self.store.ledgers.get_mut();
        for run in self.touched.keys() {
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

    /// Brings the run's row up to these events, which the ledger has noted, or says why not.
    fn advance(
        &self,
        run: &RunId,
        ledger: &Ledger,
        epoch: u64,
        expected: u64,
        events: &[Event],
    ) -> Result<(), StoreError> {
        let doing = "append events";
        let change = change(events);
        let counts = ledger.counts();
        let values = params![
            ledger.number,
            integer(epoch),
            integer(expected),
            events.len() as i64,
            change.status.map(RunStatus::as_str),
            change.started_at.map(|at| at.0),
            change.ended_at.map(|at| at.0),
            counts.succeeded,
            counts.reused,
            counts.skipped,
            counts.blocked,
            counts.failed,
            counts.cancelled,
        ];
        if self.execute(doing, queries::RUN_ADVANCE, values)? == 1 {
            return Ok(());
        }
        let position = self.first(doing, queries::RUN_POSITION, [ledger.number], |row| {
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

    /// Keeps what follows from one event.
    fn index(&self, ledger: &Ledger, id: i64, event: &Event, noted: &Noted) -> Result<(), StoreError> {
        let doing = "append events";
        let number = ledger.number;
        match &event.what {
            What::AttemptSucceeded { outputs, .. } => {
                if let Some(key) = noted.key {
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
            What::ApprovalGiven { step, .. } | What::ApprovalExpired { step, .. } if noted.is_gate_closed => {
                self.close_approval(number, *step)?;
            }
            What::ApprovalGiven { step, .. } => self.note_approval(number, *step, event)?,
            What::StepCancelled { step }
            | What::StepRejected { step, .. }
            | What::StepSkipped { step, .. }
                if ledger.is_gate(*step) =>
            {
                self.close_approval(number, *step)?;
            }
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

fn change(events: &[Event]) -> Change {
    let mut change = Change::default();
    for event in events {
        match &event.what {
            What::RunStarted { .. } => {
                change.status = Some(RunStatus::Running);
                change.started_at = change.started_at.or(Some(event.at));
            }
            What::RunEnded { outcome } => {
                change.status = Some((*outcome).into());
                change.ended_at = Some(event.at);
            }
            What::RetryAsked { .. } => {
                change.status = Some(RunStatus::Running);
                change.ended_at = None;
            }
            _ => {}
        }
    }
    change
}

/// A number for a column; numbers beyond `i64` match nothing that is stored.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}
