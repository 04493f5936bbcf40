//! A turn of the engine: one transaction over all runs that had news.

use crate::database::{Database, params};
use crate::document;
use crate::error::{StoreError, database, encoding, unreadable};
use crate::ledger::{Ledger, Noted};
use crate::postgres::Halt;
use crate::queries;
use crate::run::{RunStatus, event_id};
use crate::settled::{Unsettled, UnsettledRun};
use crate::store::Store;
use crate::usage::Used;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{ArtifactRef, OutputValue, RunId, Timestamp};
use trainyard_domain::run::{Event, What};

/// An open transaction. Dropped without [`Turn::commit`], nothing of it is kept; nor is it after an
/// error of any of its methods, when the engine drops the run that was refused and decides again.
#[derive(Debug)]
pub struct Turn<'a> {
    pub(crate) store: &'a mut Store,
    touched: BTreeMap<RunId, Touched>,
    /// Runs with effects, whose right to have them an append is yet to prove.
    unproven: BTreeSet<RunId>,
    over: BTreeSet<RunId>,
    body: Vec<u8>,
    failed: bool,
    ended: bool,
}

/// Events for one run.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    pub run: &'a RunId,
    /// Of the lease under which they were decided.
    pub epoch: u64,
    /// How many events there are before them.
    pub expected: u64,
    pub events: &'a [Event],
}

/// A run that was appended to.
#[derive(Debug)]
struct Touched {
    has_events: bool,
    epoch: u64,
    before: u64,
    after: u64,
}

/// What some events change in the run's row, besides counts.
#[derive(Default, PartialEq)]
struct Change {
    status: Option<RunStatus>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

impl Store {
    /// Begins a turn. Other writers (on PostgreSQL, of the same runs) wait until it is over, at most
    /// five seconds: keep it short.
    ///
    /// # Errors
    /// `Busy`, `Disk`, `Closed`.
    pub fn begin(&mut self) -> Result<Turn<'_>, StoreError> {
        let begun = self.begin_writing("begin a turn");
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
        self.append_many(&[Append {
            run,
            epoch,
            expected,
            events,
        }])
    }

    /// Appends to several runs, in one round trip where the database is another process.
    ///
    /// # Errors
    /// As [`Turn::append`], for the first run that refuses.
    pub fn append_many(&mut self, appends: &[Append<'_>]) -> Result<(), StoreError> {
        self.guard(|turn| {
            turn.queue_all(appends).map_err(|halt| match halt {
                Halt::Failed(error) => error,
                Halt::Refused(at) => match appends.get(at) {
                    Some(append) => turn.store.refusal(append),
                    None => StoreError::TurnFailed,
                },
            })
        })
    }

    /// Makes sure that a run is ours, and lets nobody take it over until the turn is over. For turns
    /// that do something for a run before they append to it.
    ///
    /// # Errors
    /// `NoRun`, `LeaseLost`, `Disk`.
    pub fn hold(&mut self, run: &RunId, epoch: u64) -> Result<(), StoreError> {
        self.guard(|turn| {
            let doing = "hold a run";
            let number = turn.store.number(run)?;
            let current = turn.store.first(doing, queries::RUN_HOLD, [number], |row| {
                Ok(row.get::<_, i64>(0)?.unsigned_abs())
            })?;
            match current {
                Some(current) if current == epoch => Ok(()),
                Some(current) => Err(StoreError::LeaseLost {
                    run: run.clone(),
                    held: epoch,
                    current,
                }),
                None => Err(StoreError::NoRun(run.to_string())),
            }
        })
    }

    /// Makes the turn durable.
    ///
    /// # Errors
    /// `TurnFailed` if a method of it has failed, `EffectWithoutEvent`, `Full`, `Busy`: nothing is
    /// kept. `Disk`, `Uncertain`: see there.
    pub fn commit(mut self) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::TurnFailed);
        }
        if let Some(run) = self.unproven.pop_first() {
            return Err(StoreError::EffectWithoutEvent(run));
        }
        match self.store.commit("commit a turn") {
            Ok(()) => {
                self.ended = true;
                let ledgers = self.store.ledgers.get_mut();
                for run in &self.over {
                    ledgers.remove(run);
                }
                Ok(())
            }
            Err(error) => {
                self.store.roll_back();
                let error = match error {
                    StoreError::Uncertain(_) => self.uncertain(error),
                    other => other,
                };
                Err(self.store.condemn(error))
            }
        }
    }

    /// The error with what it takes to find out; nothing is uncertain about a turn without events.
    fn uncertain(&self, error: StoreError) -> StoreError {
        match self.unsettled() {
            Some(unsettled) => StoreError::Uncertain(Box::new(unsettled)),
            None => StoreError::Unreachable {
                doing: "commit a turn",
                source: Box::new(error),
            },
        }
    }

    /// What there is to settle should the answer to a commit of this turn be lost; nothing without events.
    pub fn unsettled(&self) -> Option<Unsettled> {
        let with_events = self.touched.iter().filter(|(_, touched)| touched.has_events);
        let runs: Vec<UnsettledRun> = with_events
            .map(|(run, touched)| UnsettledRun {
                run: run.clone(),
                epoch: touched.epoch,
                before: touched.before,
                after: touched.after,
            })
            .collect();
        (!runs.is_empty()).then_some(Unsettled { runs })
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
        if !self.touched.get(run).is_some_and(|touched| touched.has_events) {
            self.unproven.insert(run.clone());
        }
    }

    fn queue_all(&mut self, appends: &[Append<'_>]) -> Result<(), Halt> {
        let mut used = Used::default();
        for (at, append) in appends.iter().enumerate() {
            self.queue(at, append, &mut used)?;
        }
        self.store.add_usage(used)?;
        self.store.flush("append events")
    }

    /// Queues one run's events under the number `at`.
    fn queue(&mut self, at: usize, append: &Append<'_>, used: &mut Used) -> Result<(), Halt> {
        let Append {
            run,
            epoch,
            expected,
            events,
        } = *append;
        self.store.remember(run)?;
        let has_events = !events.is_empty();
        let after = expected.saturating_add(events.len() as u64);
        match self.touched.get_mut(run) {
            Some(touched) => {
                touched.has_events |= has_events;
                touched.after = after;
            }
            None => {
                let touched = Touched {
                    has_events,
                    epoch,
                    before: expected,
                    after,
                };
                self.touched.insert(run.clone(), touched);
            }
        }
        let mut ledgers = self.store.ledgers.borrow_mut();
        let Some(ledger) = ledgers.get_mut(run) else {
            return Err(StoreError::NoRun(run.to_string()).into());
        };
        let noted: Vec<Noted> = events.iter().map(|event| ledger.note(event)).collect();
        self.store.advance(at, ledger, append)?;
        if has_events {
            self.unproven.remove(run);
        }
        self.store
            .insert_events(ledger.number, expected, events, &mut self.body)?;
        for ((before, event), noted) in (0..).zip(events).zip(&noted) {
            let id = event_id(ledger.number, expected.saturating_add(before + 1));
            self.store.index(ledger, id, epoch, event, noted)?;
            for (month, more) in &noted.used {
                let environment = ledger.environment.as_deref();
                used.add(ledger.pipeline.as_str(), environment, *month, *more);
            }
            match event.what {
                What::RunEnded { .. } => self.over.insert(run.clone()),
                What::RetryAsked { .. } => self.over.remove(run),
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

    /// Brings the run's row up to these events, which the ledger has noted; refused under the number
    /// `at` if the run is elsewhere.
    fn advance(&self, at: usize, ledger: &Ledger, append: &Append<'_>) -> Result<(), Halt> {
        let change = change(append.events);
        let counts = ledger.counts();
        if change == Change::default() {
            // Most turns. An update that names a column of an index writes the index, whatever the value.
            let values = params![
                ledger.number,
                integer(append.epoch),
                integer(append.expected),
                append.events.len() as i64,
                counts.succeeded,
                counts.reused,
                counts.skipped,
                counts.blocked,
                counts.failed,
                counts.cancelled
            ];
            return self.guard("append events", queries::RUN_COUNT, values, at);
        }
        let values = params![
            ledger.number,
            integer(append.epoch),
            integer(append.expected),
            append.events.len() as i64,
            change.status.map(RunStatus::as_str),
            change.started_at.map(|at| at.0),
            change.ended_at.map(|at| at.0),
            counts.succeeded,
            counts.reused,
            counts.skipped,
            counts.blocked,
            counts.failed,
            counts.cancelled
        ];
        self.guard("append events", queries::RUN_ADVANCE, values, at)
    }

    /// Why a run was not where its events expected it to be. The turn is undone.
    fn refusal(&self, append: &Append<'_>) -> StoreError {
        self.roll_back();
        let run = append.run;
        let position = self.number(run).and_then(|number| {
            self.first("append events", queries::RUN_POSITION, [number], |row| {
                Ok((
                    row.get::<_, i64>(0)?.unsigned_abs(),
                    row.get::<_, i64>(1)?.unsigned_abs(),
                ))
            })
        });
        match position {
            Err(error) => error,
            Ok(None) => StoreError::NoRun(run.to_string()),
            Ok(Some((current, _))) if current != append.epoch => StoreError::LeaseLost {
                run: run.clone(),
                held: append.epoch,
                current,
            },
            Ok(Some((_, found))) => StoreError::Conflict {
                run: run.clone(),
                expected: append.expected,
                found,
            },
        }
    }

    fn insert_events(
        &self,
        number: i64,
        stored: u64,
        events: &[Event],
        body: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let doing = "append events";
        // Prepared once for all of them: a look-up of each is what a short insert costs itself.
        let mut insert = match &self.database {
            Database::Sqlite(sqlite) => Some(
                sqlite
                    .connection(doing)?
                    .prepare_cached(queries::EVENT_INSERT)
                    .map_err(database(doing))?,
            ),
            Database::Postgres(_) => None,
        };
        for (before, event) in (0..).zip(events) {
            body.clear();
            serde_json::to_writer(&mut *body, event).map_err(encoding(doing))?;
            let text = std::str::from_utf8(body).map_err(unreadable(doing))?;
            let id = event_id(number, stored.saturating_add(before + 1));
            match &mut insert {
                Some(insert) => {
                    insert.execute((id, text)).map_err(database(doing))?;
                }
                None => self.send(doing, queries::EVENT_INSERT, params![id, text])?,
            }
        }
        Ok(())
    }

    /// Keeps what follows from one event.
    fn index(
        &self,
        ledger: &Ledger,
        id: i64,
        epoch: u64,
        event: &Event,
        noted: &Noted,
    ) -> Result<(), StoreError> {
        let doing = "append events";
        let number = ledger.number;
        if ledger.has_pools() {
            self.free_slots(number, epoch, &event.what)?;
        }
        match &event.what {
            What::AttemptSucceeded { outputs, .. } => {
                if let Some(key) = noted.key {
                    self.send(
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
            What::AttemptFailed { kept, .. } => {
                for (output, value) in kept {
                    if let OutputValue::Artifact(artifact) = value {
                        self.index_artifact(id, output, artifact)?;
                    }
                }
            }
            What::StepReused { from, .. } => {
                self.send(doing, queries::RUN_INSERT_REUSE, params![from.as_str(), number])?;
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
                self.send(doing, queries::DURATION_PUT, params![number, body])?;
                // Whoever is gone before it can give the run back leaves nothing behind.
                self.send(doing, queries::LEASE_RELEASE, params![number, integer(epoch)])?;
            }
            _ => {}
        }
        Ok(())
    }

    fn index_artifact(&self, event: i64, output: &str, artifact: &ArtifactRef) -> Result<(), StoreError> {
        let values = params![artifact.hash.as_bytes(), event, output];
        self.send("append events", queries::ARTIFACT_PUT, values)
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
