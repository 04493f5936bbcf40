//! The loop: news from executors and people in, decisions of the domain committed, actions carried
//! out. It reads the clock once a turn and never changes a run's state itself.

use crate::facts::surroundings_of;
use crate::lineage;
use crate::observe::Observation;
use crate::prepare::{Prepared, Surroundings, Workshop, number};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use trainyard_contract::task::{EffectRequest, Failure, TaskReport, TaskSpec};
use trainyard_contract::{FailureClass, Millis, Objects, OutputValue, RunId, Timestamp};
use trainyard_domain::run::{
    Event, Input, InstanceIx, InvalidDefinition, Run, RunDefinition, RunStatus, StepState, What,
};
use trainyard_executors::{AttemptKey, Executor, ExecutorError, ExecutorNews};
use trainyard_store::{Home, NewRun, Owner, Request, Store, StoreError};

/// How long a lease lasts without being renewed.
const LEASE: Millis = Millis(30_000);
/// How often requests of other processes are looked for.
const INBOX_EVERY: Duration = Duration::from_millis(150);
/// News taken into one turn at most, so that a commit never grows without bound.
const NEWS_A_TURN: usize = 4096;
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
    project: PathBuf,
    owner: Owner,
    reuse: bool,
    clock: fn() -> Timestamp,
    runs: BTreeMap<RunId, Active>,
    inbox_read: Instant,
    lease_renewed: Instant,
    data_version: Option<u64>,
}

struct Active {
    run: Run,
    epoch: u64,
    stored: u64,
    surroundings: Surroundings,
    /// Attempts that have been asked to end.
    killed: BTreeSet<(InstanceIx, u32)>,
    waiting_reported: bool,
}

/// What a turn has decided and not yet committed.
#[derive(Default)]
struct Turned {
    events: BTreeMap<RunId, Vec<Event>>,
    launches: Vec<(AttemptKey, TaskSpec)>,
    /// Reports whose effects must be carried out in the transaction, before they are decided.
    effects: Vec<(AttemptKey, TaskReport)>,
    lineage: Vec<lineage::Finished>,
    /// Runs with requests of other processes, taken in the transaction that acts on them.
    inbox: Vec<RunId>,
}

impl Engine {
    /// An engine without runs.
    ///
    /// # Errors
    /// If the store cannot be opened.
    pub fn new(setup: Setup) -> Result<Self, EngineError> {
        Ok(Self {
            store: setup.home.store()?,
            objects: setup.home.objects(),
            home: setup.home,
            executor: Some(setup.executor),
            news: setup.news,
            project: setup.project,
            owner: setup.owner,
            reuse: setup.reuse,
            clock: setup.clock,
            runs: BTreeMap::new(),
            inbox_read: Instant::now(),
            lease_renewed: Instant::now(),
            data_version: None,
        })
    }

    /// Creates a run and starts it; durable when this returns.
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
        surroundings_of(&mut self.store, &self.project, &mut definition, now)?;
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
        let epoch = self.store.acquire_lease(&id, &self.owner, now, LEASE)?;
        self.runs.insert(id.clone(), Active::new(run, epoch, 0));
        let mut turned = Turned::default();
        self.decide(
            &id,
            now,
            Input::Start {
                by: by.to_owned(),
                select,
            },
            &mut turned,
        );
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

    /// Runs what failed, was blocked or cancelled in an ended run again.
    ///
    /// # Errors
    /// As [`Engine::resume`].
    pub fn retry(
        &mut self,
        id: &RunId,
        by: &str,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        self.adopt(id, Some(Input::Retry { by: by.to_owned() }), observer)
    }

    fn adopt(
        &mut self,
        id: &RunId,
        first: Option<Input>,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        let now = (self.clock)();
        let epoch = self.store.acquire_lease(id, &self.owner, now, LEASE)?;
        let stored = self.store.load_run(id)?;
        let count = stored.events.len() as u64;
        let run = Run::replay(id.clone(), Arc::new(stored.definition), &stored.events)?;
        trainyard_executors::kill_orphans(id);
        let lost: Vec<(InstanceIx, u32)> = run.running().collect();
        let started = run.status() != RunStatus::NotStarted;
        self.runs.insert(id.clone(), Active::new(run, epoch, count));
        let mut turned = Turned::default();
        if !started {
            self.decide(
                id,
                now,
                Input::Start {
                    by: stored.by,
                    select: None,
                },
                &mut turned,
            );
        }
        for (step, attempt) in lost {
            self.decide(id, now, Input::Lost { step, attempt }, &mut turned);
        }
        if let Some(first) = first {
            self.decide(id, now, first, &mut turned);
        }
        self.finish_turn(now, turned, observer)
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
            let batch = self.wait()?;
            let now = (self.clock)();
            let mut turned = Turned::default();
            for news in batch {
                self.take(news, now, &mut turned, observer);
            }
            self.tick(now, &mut turned);
            self.finish_turn(now, turned, observer)?;
            self.renew_leases(now)?;
        }
    }

    /// The next news, and all that have come with it.
    fn wait(&mut self) -> Result<Vec<ExecutorNews>, EngineError> {
        let now = (self.clock)();
        let wake = self
            .runs
            .values()
            .filter_map(|active| active.run.next_wake())
            .min();
        let until_wake = wake.map_or(INBOX_EVERY, |at| Duration::from_millis(at.since(now).0 + 1));
        let mut batch = Vec::new();
        match self.news.recv_timeout(until_wake.min(INBOX_EVERY)) {
            Ok(first) => batch.push(first),
            Err(RecvTimeoutError::Timeout) => return Ok(batch),
            Err(RecvTimeoutError::Disconnected) => return Err(EngineError::NoExecutor),
        }
        while batch.len() < NEWS_A_TURN {
            match self.news.try_recv() {
                Ok(next) => batch.push(next),
                Err(_) => break,
            }
        }
        Ok(batch)
    }

    fn take(
        &mut self,
        news: ExecutorNews,
        now: Timestamp,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) {
        match news {
            ExecutorNews::Began { key, at_unix_micros } => {
                let at = Timestamp(at_unix_micros);
                observer(Observation::Began {
                    run: &key.run,
                    step: key.step,
                    attempt: key.attempt,
                    at,
                });
            }
            ExecutorNews::Progress {
                key,
                done,
                total,
                unit,
            } => {
                observer(Observation::Progress {
                    run: &key.run,
                    step: key.step,
                    done,
                    total,
                    unit: &unit,
                });
            }
            ExecutorNews::Log { .. } => {}
            ExecutorNews::Fault { message } => observer(Observation::Trouble { message: &message }),
            ExecutorNews::Ended { key, mut report } => {
                let Some(active) = self.runs.get(&key.run) else {
                    return;
                };
                if report.epoch != active.epoch {
                    return;
                }
                if report.failure.is_none() {
                    report.failure = refused_effect(&report.effects);
                }
                if report.failure.is_none() && !report.effects.is_empty() {
                    turned.effects.push((key, *report));
                } else {
                    self.ended(&key, *report, now, turned);
                }
            }
        }
    }

    fn ended(&mut self, key: &AttemptKey, report: TaskReport, now: Timestamp, turned: &mut Turned) {
        let (step, attempt) = (key.step, key.attempt);
        let input = match report.failure {
            Some(failure) => Input::Failed {
                step,
                attempt,
                failure,
                resources: report.resources,
            },
            None => {
                let datasets = self
                    .runs
                    .get(&key.run)
                    .map(|active| active.surroundings.dataset_contents());
                let finished = lineage::Finished::new(key, &report.outputs, report.lineage);
                turned
                    .lineage
                    .push(finished.reading(datasets.unwrap_or_default()));
                Input::Succeeded {
                    step,
                    attempt,
                    outputs: report.outputs,
                    metrics: report.metrics,
                    headline: report.headline,
                    resources: report.resources,
                }
            }
        };
        self.decide(&key.run, now, input, turned);
    }

    /// Timers that have come due, and requests of other processes.
    fn tick(&mut self, now: Timestamp, turned: &mut Turned) {
        let due: Vec<RunId> = self
            .runs
            .iter()
            .filter(|(_, active)| active.run.next_wake().is_some_and(|at| at <= now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.decide(&id, now, Input::Tick, turned);
        }
    }

    fn decide(&mut self, id: &RunId, now: Timestamp, input: Input, turned: &mut Turned) {
        if let Some(active) = self.runs.get_mut(id) {
            let events = active.run.decide(now, input);
            if !events.is_empty() {
                active.waiting_reported = false;
                turned.events.entry(id.clone()).or_default().extend(events);
            }
        }
    }

    /// Launches what may start, commits everything, then acts.
    fn finish_turn(
        &mut self,
        now: Timestamp,
        mut turned: Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        self.look_into_inbox(&mut turned)?;
        self.launch_ready(now, &mut turned)?;
        if turned.is_empty() {
            return Ok(());
        }
        self.commit(now, &mut turned)?;
        self.act(turned, observer)?;
        // A step with effects was decided inside the transaction; what waits for it starts now.
        let mut next = Turned::default();
        self.launch_ready(now, &mut next)?;
        if next.events.is_empty() {
            return Ok(());
        }
        self.commit(now, &mut next)?;
        self.act(next, observer)
    }

    fn launch_ready(&mut self, now: Timestamp, turned: &mut Turned) -> Result<(), EngineError> {
        let held: usize = self
            .runs
            .values()
            .map(|active| active.run.running().count())
            .sum();
        let capacity = self.executor.as_ref().map_or(0, |executor| executor.capacity());
        let mut room = capacity.saturating_sub(held);
        let ids: Vec<RunId> = self.runs.keys().cloned().collect();
        for id in ids {
            while let Some(active) = self.runs.get_mut(&id) {
                let ready: Vec<InstanceIx> = active.run.ready().take(room.max(1)).collect();
                if ready.is_empty() || room == 0 {
                    break;
                }
                let mut workshop = Workshop {
                    store: &mut self.store,
                    objects: &self.objects,
                    project: &self.project,
                    epoch: active.epoch,
                    reuse: self.reuse,
                    now,
                };
                for step in ready {
                    if room == 0 {
                        break;
                    }
                    // What is below a step that ran runs as well, as the plan has said.
                    workshop.reuse = self.reuse && !active.run.takes_new_results(step);
                    let prepared = workshop.prepare(&active.run, &mut active.surroundings, step)?;
                    let (input, spec) = match prepared {
                        Prepared::Launch { key, spec } => (Input::Launch { step, key }, Some(spec)),
                        Prepared::Reuse { key, found } => {
                            let found = *found;
                            let reuse = Input::Reuse {
                                step,
                                key,
                                from: found.run,
                                outputs: found.outputs,
                                metrics: found.metrics,
                                headline: found.headline,
                            };
                            (reuse, None)
                        }
                        Prepared::Reject(failure) => (
                            Input::Reject {
                                step,
                                failure: *failure,
                            },
                            None,
                        ),
                    };
                    let events = active.run.decide(now, input);
                    if let Some(mut spec) = spec {
                        let attempt = events.iter().find_map(|event| match &event.what {
                            What::AttemptStarted { attempt, .. } => Some(*attempt),
                            _ => None,
                        });
                        if let Some(attempt) = attempt {
                            number(&mut spec, &self.home, &active.run, attempt);
                            turned.launches.push((
                                AttemptKey {
                                    run: id.clone(),
                                    step,
                                    attempt,
                                },
                                *spec,
                            ));
                            room -= 1;
                        }
                    }
                    turned.events.entry(id.clone()).or_default().extend(events);
                }
            }
        }
        Ok(())
    }

    /// One transaction: effects, their decisions, all events, lineage.
    fn commit(&mut self, now: Timestamp, turned: &mut Turned) -> Result<(), EngineError> {
        let effects = std::mem::take(&mut turned.effects);
        let mut turn = self.store.begin()?;
        for id in std::mem::take(&mut turned.inbox) {
            let Some(active) = self.runs.get_mut(&id) else {
                continue;
            };
            for posted in turn.take_requests(&id)? {
                if let Some(input) = requested(&active.run, posted.request) {
                    let events = active.run.decide(now, input);
                    turned.events.entry(id.clone()).or_default().extend(events);
                }
            }
        }
        for (key, mut report) in effects {
            let Some(active) = self.runs.get_mut(&key.run) else {
                continue;
            };
            if !active
                .run
                .running()
                .any(|running| running == (key.step, key.attempt))
            {
                continue;
            }
            for effect in std::mem::take(&mut report.effects) {
                match effect {
                    EffectRequest::RegisterModel(draft) => {
                        let version = turn.register_model(&key.run, &report.instance, &draft, now)?;
                        let value = serde_json::json!({
                            "name": version.name, "version": version.version, "new": version.new,
                        });
                        report.headline = Some(format!(
                            "{} version {}{}",
                            version.name,
                            version.version,
                            if version.new { "" } else { " (unchanged)" }
                        ));
                        report
                            .outputs
                            .insert(draft.output.clone(), OutputValue::Value(value));
                    }
                }
            }
            turned
                .lineage
                .push(lineage::Finished::new(&key, &report.outputs, report.lineage));
            let input = Input::Succeeded {
                step: key.step,
                attempt: key.attempt,
                outputs: report.outputs,
                metrics: report.metrics,
                headline: report.headline,
                resources: report.resources,
            };
            let events = active.run.decide(now, input);
            turned.events.entry(key.run.clone()).or_default().extend(events);
        }
        for (id, events) in turned.events.iter().filter(|(_, events)| !events.is_empty()) {
            let Some(active) = self.runs.get_mut(id) else {
                continue;
            };
            turn.append(id, active.epoch, active.stored, events)?;
            active.stored += events.len() as u64;
        }
        for finished in turned.lineage.drain(..) {
            if let Some(active) = self.runs.get(&finished.key.run) {
                turn.write_lineage(&finished.key.run, &finished.edges(&active.run))?;
            }
        }
        turn.commit()?;
        Ok(())
    }

    /// What follows from committed events.
    fn act(&mut self, turned: Turned, observer: &mut dyn FnMut(Observation<'_>)) -> Result<(), EngineError> {
        if !turned.launches.is_empty() {
            let executor = self.executor.as_mut().ok_or(EngineError::NoExecutor)?;
            executor.submit_many(turned.launches)?;
        }
        for (id, events) in &turned.events {
            let Some(active) = self.runs.get_mut(id) else {
                continue;
            };
            for event in events {
                observer(Observation::Event { run: id, event });
            }
            for (step, attempt) in active.run.to_kill() {
                let executor = self.executor.as_mut();
                if let (true, Some(executor)) = (active.killed.insert((step, attempt)), executor) {
                    executor.cancel(
                        &AttemptKey {
                            run: id.clone(),
                            step,
                            attempt,
                        },
                        GRACE,
                    );
                }
            }
            if let RunStatus::Ended(outcome) = active.run.status() {
                observer(Observation::Ended { run: id, outcome });
            }
        }
        Ok(())
    }

    /// Looks for requests of other processes when the database has changed.
    fn look_into_inbox(&mut self, turned: &mut Turned) -> Result<(), EngineError> {
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
            self.commit(now, &mut turned)?;
            self.act(turned, observer)?;
        }
        self.release_leases();
        Ok(())
    }

    fn renew_leases(&mut self, now: Timestamp) -> Result<(), EngineError> {
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

    fn release_leases(&mut self) {
        for (id, active) in &self.runs {
            // A lease that cannot be given back ends by itself.
            let _ = self.store.release_lease(id, active.epoch);
        }
    }
}

impl Turned {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.effects.is_empty() && self.inbox.is_empty()
    }
}

/// Whether a run that waits does so for approvals and for no retry.
fn waits_for_people(run: &Run) -> bool {
    run.awaiting_approval().next().is_some()
        && !run
            .steps()
            .any(|(_, state)| matches!(state, StepState::Retrying { .. }))
}

/// Why an effect cannot be had. Asked before the transaction, which it would fail for every run in it,
/// and again after each resume.
fn refused_effect(effects: &[EffectRequest]) -> Option<Failure> {
    effects.iter().find_map(|effect| {
        let EffectRequest::RegisterModel(draft) = effect;
        let error = trainyard_store::check_alias(draft.alias.as_deref()?).err()?;
        Some(Failure::new(FailureClass::Rejected, error.to_string()))
    })
}

/// What another process asks, as an input of the run.
fn requested(run: &Run, request: Request) -> Option<Input> {
    match request {
        Request::Cancel { by } => Some(Input::Cancel { by }),
        Request::Answer {
            instance,
            by,
            role,
            approve,
            comment,
        } => {
            let step = instance_ix(run.definition(), &instance)?;
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

impl Active {
    fn new(run: Run, epoch: u64, stored: u64) -> Self {
        Self {
            run,
            epoch,
            stored,
            surroundings: Surroundings::default(),
            killed: BTreeSet::new(),
            waiting_reported: false,
        }
    }
}

/// The instance of that name, or the only instance of the step of that name.
pub fn instance_ix(definition: &RunDefinition, name: &str) -> Option<InstanceIx> {
    let exact = definition
        .instances
        .iter()
        .position(|instance| instance.name == name);
    let found = exact.or_else(|| {
        let mut of_step = definition
            .instances
            .iter()
            .enumerate()
            .filter(|(_, i)| i.step.as_str() == name);
        match (of_step.next(), of_step.next()) {
            (Some((ix, _)), None) => Some(ix),
            _ => None,
        }
    })?;
    InstanceIx::try_from(found).ok()
}
