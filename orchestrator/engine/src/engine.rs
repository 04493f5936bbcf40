//! The loop: news from executors and people in, decisions of the domain committed, actions carried
//! out. It reads the clock once a turn and never changes a run's state itself.

mod launch;
mod news;
mod outage;
mod post;
mod room;
mod service;
mod slots;
mod turn;
mod turned;

use crate::code::{Versions, Workplace};
use crate::facts::surroundings_of;
use crate::observe::Observation;
use crate::prepare::Surroundings;
use news::Pace;
use outage::Outage;
use service::Service;
use slots::Slots;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use trainyard_contract::{Millis, Objects, RunId, Timestamp};
use trainyard_domain::run::{Input, InstanceIx, InvalidDefinition, Run, RunDefinition, RunStatus, StepState};
use trainyard_executors::{Executor, ExecutorError, ExecutorNews};
use trainyard_store::{Home, NewRun, Owner, Store, StoreError};
use turned::Turned;

/// How long a lease lasts without being renewed, unless [`Engine::with_lease`] says otherwise.
const LEASE: Millis = Millis(30_000);
/// How often requests of other processes are looked for.
const INBOX_EVERY: Duration = Duration::from_millis(150);
/// Time that running steps get to finish when their run is cancelled or the engine stops.
const GRACE: Millis = Millis(5_000);

/// Why an engine stopped. Everything it has shown is durable; its runs can be resumed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    #[error(transparent)]
    Definition(#[from] InvalidDefinition),
    #[error("all executors are gone")]
    NoExecutor,
}

/// How [`Engine::drive`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driven {
    /// Every run is over.
    AllEnded,
    /// Only approvals or timers are left, and that was to be reported.
    Waiting,
    /// It was interrupted; unfinished runs can be resumed.
    Interrupted,
}

/// A count of interrupts, raised by a signal handler: 1 asks to stop, 2 insists.
pub type Interrupts = Arc<AtomicU32>;

/// What an engine works with.
pub struct Setup {
    pub home: Home,
    pub executor: Box<dyn Executor>,
    pub news: Receiver<ExecutorNews>,
    /// Where the project's relative paths start.
    pub project: PathBuf,
    pub owner: Owner,
    /// Whether earlier results of the same key are taken.
    pub reuse: bool,
    /// The clock: microseconds since 1970.
    pub clock: fn() -> Timestamp,
}

/// Drives runs on one store with one executor.
pub struct Engine {
    store: Store,
    home: Home,
    objects: Objects,
    executor: Option<Box<dyn Executor>>,
    news: Receiver<ExecutorNews>,
    pace: Pace,
    project: PathBuf,
    owner: Owner,
    reuse: bool,
    /// Whether commands are told their place in a trace.
    is_traced: bool,
    /// Where commands find the tracking API.
    tracking: Option<String>,
    clock: fn() -> Timestamp,
    runs: BTreeMap<RunId, Active>,
    slots: Slots,
    inbox_read: Instant,
    lease: Millis,
    renew_at: Instant,
    outage: Outage,
    data_version: Option<u64>,
    /// Somebody has said that there is something new.
    nudged: bool,
    /// What it needs to take runs by itself.
    service: Option<Service>,
}

struct Active {
    run: Run,
    workplace: Workplace,
    epoch: u64,
    stored: u64,
    surroundings: Surroundings,
    /// Whether earlier results of the same key are taken.
    reuse: bool,
    /// Attempts that have been asked to end.
    killed: BTreeSet<(InstanceIx, u32)>,
    waiting_reported: bool,
}

impl Engine {
    /// An engine without runs.
    ///
    /// # Errors
    /// If the store cannot be opened.
    pub fn new(setup: Setup) -> Result<Self, EngineError> {
        let mut store = setup.home.store()?;
        // An engine has better to do than to wait for its store wherever it asks it something.
        store.set_patience(Duration::ZERO);
        Ok(Self {
            store,
            objects: setup.home.objects(),
            home: setup.home,
            executor: Some(setup.executor),
            news: setup.news,
            pace: Pace::new(),
            project: setup.project,
            owner: setup.owner,
            reuse: setup.reuse,
            is_traced: false,
            tracking: None,
            clock: setup.clock,
            runs: BTreeMap::new(),
            slots: Slots::default(),
            inbox_read: Instant::now(),
            lease: LEASE,
            renew_at: Instant::now() + third(LEASE),
            outage: Outage::default(),
            data_version: None,
            nudged: false,
            service: None,
        })
    }

    /// The same engine with leases of that length: so long its runs wait for another engine when it dies
    /// without a word. 30 seconds unless set.
    pub fn with_lease(mut self, lease: Millis) -> Self {
        self.lease = lease;
        self.renew_at = Instant::now() + third(lease);
        self
    }

    /// The same engine; commands find the span of their attempt in `TRACEPARENT`.
    pub fn with_traces(mut self, is_traced: bool) -> Self {
        self.is_traced = is_traced;
        self
    }

    /// The same engine; commands find the tracking API at this address, and the run of their step there, in
    /// `MLFLOW_TRACKING_URI` and `MLFLOW_RUN_ID`.
    pub fn with_tracking(mut self, url: Option<String>) -> Self {
        self.tracking = url;
        self
    }

    /// Creates a run and starts it, or ends it if its concurrency group has no room; durable when this
    /// returns.
    ///
    /// # Errors
    /// If the definition is not sound or the store refuses.
    pub fn start(
        &mut self,
        id: RunId,
        mut definition: RunDefinition,
        by: &str,
        select: Option<BTreeSet<InstanceIx>>,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        let now = (self.clock)();
        let workplace = Workplace::of(&self.home, &self.project, &definition);
        surroundings_of(
            &mut self.store,
            &workplace,
            &Versions::default(),
            &mut definition,
            now,
        )?;
        let definition = Arc::new(definition);
        let run = Run::new(id.clone(), definition.clone())?;
        let new = NewRun {
            id: &id,
            definition: &definition,
            created_at: now,
            by,
            reason: None,
        };
        self.store.create_run(&new)?;
        let epoch = self.store.acquire_lease(&id, &self.owner, now, self.lease)?;
        let refused = match &definition.concurrency {
            Some(place) => self.store.admit_by_hand(&id, place, definition.priority, now)?,
            None => None,
        };
        self.runs
            .insert(id.clone(), Active::new(run, workplace, epoch, 0, self.reuse));
        let first = match refused {
            Some(refused) => Input::TurnAway {
                outcome: refused.outcome,
                reason: refused.reason,
            },
            None => Input::Start {
                by: by.to_owned(),
                select,
            },
        };
        let mut turned = Turned::default();
        self.decide(&id, now, first, &mut turned);
        self.finish_turn(now, turned, observer)
    }

    /// Takes a run over: what was running when its engine died starts again.
    ///
    /// # Errors
    /// If the run is unknown, or another living engine has it.
    pub fn resume(
        &mut self,
        id: &RunId,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        self.adopt(id, None, observer)
    }

    /// Runs what failed, was blocked or cancelled in an ended run again; or what was chosen, with what
    /// depends on it.
    ///
    /// # Errors
    /// As [`Engine::resume`].
    pub fn retry(
        &mut self,
        id: &RunId,
        by: &str,
        select: Option<BTreeSet<InstanceIx>>,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        let by = by.to_owned();
        self.adopt(id, Some(Input::Retry { by, select }), observer)
    }

    fn adopt(
        &mut self,
        id: &RunId,
        first: Option<Input>,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        let mut turned = Turned::default();
        self.take_over(id, first, &mut turned, observer)?;
        self.finish_turn((self.clock)(), turned, observer)
    }

    /// Makes a run this engine's own and decides how it goes on; the rest of the turn is the caller's.
    fn take_over(
        &mut self,
        id: &RunId,
        first: Option<Input>,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        let now = (self.clock)();
        let epoch = self.store.acquire_lease(id, &self.owner, now, self.lease)?;
        let taken = self.load(id, epoch);
        if taken.is_err() {
            // A lease that cannot be given back ends by itself.
            let _ = self.store.yield_lease(id, epoch);
        }
        let (by, select) = taken?;
        let Some(active) = self.runs.get(id) else {
            return Ok(());
        };
        observer(Observation::Adopted { run: &active.run });
        let lost: Vec<(InstanceIx, u32)> = active.run.running().collect();
        let is_turned_away = matches!(first, Some(Input::TurnAway { .. }));
        if active.run.status() == RunStatus::NotStarted && !is_turned_away {
            self.decide(id, now, Input::Start { by, select }, turned);
        }
        for (step, attempt) in lost {
            self.decide(id, now, Input::Lost { step, attempt }, turned);
        }
        if let Some(first) = first {
            self.decide(id, now, first, turned);
        }
        Ok(())
    }

    /// Reads a run whose lease is held; gives who asked for it, and for which of its steps.
    fn load(
        &mut self,
        id: &RunId,
        epoch: u64,
    ) -> Result<(String, Option<BTreeSet<InstanceIx>>), EngineError> {
        let stored = self.store.load_run(id)?;
        let options = self.store.queue_options(id)?;
        let count = stored.events.len() as u64;
        let run = Run::replay(id.clone(), Arc::new(stored.definition), &stored.events)?;
        if count > 0 {
            trainyard_executors::kill_orphans(id);
        }
        self.slots.forget(id);
        let workplace = Workplace::of(&self.home, &self.project, run.definition());
        let reuse = self.reuse && options.reuse;
        self.runs
            .insert(id.clone(), Active::new(run, workplace, epoch, count, reuse));
        Ok((stored.by, options.select))
    }

    /// The runs this engine has.
    pub fn run(&self, id: &RunId) -> Option<&Run> {
        self.runs.get(id).map(|active| &active.run)
    }

    /// Works until every run is over, or until only approvals and timers are left if
    /// `report_waiting`, or until interrupted.
    ///
    /// # Errors
    /// If the store or all executors fail. Nothing shown is lost.
    pub fn drive(
        &mut self,
        observer: &mut dyn FnMut(Observation<'_>),
        interrupts: &Interrupts,
        report_waiting: bool,
    ) -> Result<Driven, EngineError> {
        self.outage.heed(interrupts);
        loop {
            if self
                .runs
                .values()
                .all(|active| matches!(active.run.status(), RunStatus::Ended(_)))
            {
                self.release_leases();
                self.store.checkpoint()?;
                return Ok(Driven::AllEnded);
            }
            if interrupts.load(Ordering::Relaxed) > 0 {
                self.interrupt(observer)?;
                return Ok(Driven::Interrupted);
            }
            if self.tell_of_waiting(observer) && report_waiting {
                self.release_leases();
                return Ok(Driven::Waiting);
            }
            self.turn(observer)?;
        }
    }

    /// One turn: waits for news, at most 150 milliseconds, and does what follows from them.
    ///
    /// # Errors
    /// If the store or all executors fail. Nothing shown is lost.
    fn turn(&mut self, observer: &mut dyn FnMut(Observation<'_>)) -> Result<(), EngineError> {
        let mut turned = Turned::default();
        let now = self.take_news(&mut turned, observer)?;
        self.tick(now, &mut turned);
        self.finish_turn(now, turned, observer)?;
        self.renew_leases(now, observer)
    }

    /// Whether nothing but people's decisions is left to wait for; says so once a run.
    fn tell_of_waiting(&mut self, observer: &mut dyn FnMut(Observation<'_>)) -> bool {
        let mut all = true;
        for (id, active) in &mut self.runs {
            match active.run.status() {
                RunStatus::Waiting if waits_for_people(&active.run) => {
                    if !std::mem::replace(&mut active.waiting_reported, true) {
                        observer(Observation::Waiting { run: id });
                    }
                }
                RunStatus::Ended(_) => {}
                _ => all = false,
            }
        }
        all
    }

    /// Ends running attempts and leaves the runs for a later resume.
    fn interrupt(&mut self, observer: &mut dyn FnMut(Observation<'_>)) -> Result<(), EngineError> {
        self.end_attempts(observer)?;
        self.release_leases();
        Ok(())
    }

    /// Ends running attempts and keeps what has succeeded until then.
    fn end_attempts(&mut self, observer: &mut dyn FnMut(Observation<'_>)) -> Result<(), EngineError> {
        if let Some(executor) = self.executor.take() {
            executor.shutdown(GRACE);
        }
        let now = (self.clock)();
        let mut turned = Turned::default();
        let batch: Vec<ExecutorNews> = self.news.try_iter().collect();
        for news in batch {
            if matches!(&news, ExecutorNews::Ended { report, .. } if report.failure.is_none()) {
                self.take(news, now, &mut turned, observer);
            }
        }
        if !turned.is_empty() {
            self.commit(now, &mut turned, observer)?;
            self.act(turned, observer)?;
        }
        Ok(())
    }
}

/// Of a lease: so often it is renewed, so that two renewals may fail.
fn third(lease: Millis) -> Duration {
    Duration::from_millis(lease.0 / 3)
}

/// Whether a run that waits does so for approvals and for no retry.
fn waits_for_people(run: &Run) -> bool {
    run.awaiting_approval().next().is_some()
        && !run
            .steps()
            .any(|(_, state)| matches!(state, StepState::Retrying { .. }))
}

impl Active {
    fn new(run: Run, workplace: Workplace, epoch: u64, stored: u64, reuse: bool) -> Self {
        Self {
            run,
            workplace,
            epoch,
            stored,
            surroundings: Surroundings::default(),
            reuse,
            killed: BTreeSet::new(),
            waiting_reported: false,
        }
    }
}
