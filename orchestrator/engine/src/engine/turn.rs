//! One turn: what news and requests have changed is decided, committed in one transaction, and acted on.

use super::post::requested;
use super::{Active, Engine, EngineError, GRACE};
use crate::features;
use crate::lineage;
use crate::observe::Observation;
use crate::prepare::{Prepared, Workshop, number};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use trainyard_contract::task::{EffectRequest, Failure, TaskReport, TaskSpec};
use trainyard_contract::{FailureClass, OutputValue, RunId, Timestamp, TraceContext};
use trainyard_domain::run::{Event, Input, InstanceIx, Run, RunStatus, What};
use trainyard_executors::{AttemptKey, ExecutorNews};
use trainyard_store::{Append, Settled, StoreError, Unsettled};

/// What a turn has decided and not yet committed.
#[derive(Default)]
pub(super) struct Turned {
    events: BTreeMap<RunId, Vec<Event>>,
    /// Attempts that touch nothing but their own outputs: they may begin while their start is being
    /// written. Lost with the commit, such an attempt has never been and has changed nothing.
    ahead: Vec<(AttemptKey, TaskSpec)>,
    /// Attempts that must not begin before their start is durable.
    launches: Vec<(AttemptKey, TaskSpec)>,
    /// Reports whose effects must be carried out in the transaction, before they are decided.
    effects: Vec<(AttemptKey, TaskReport)>,
    lineage: Vec<lineage::Finished>,
    /// Runs with requests of other processes, taken in the transaction that acts on them.
    pub(super) inbox: Vec<RunId>,
    /// How long its commit took.
    took: Duration,
}

impl Engine {
    pub(super) fn take(
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
                if let Some(active) = self.runs.get(&key.run) {
                    observer(Observation::Progress {
                        run: &key.run,
                        step: key.step,
                        done,
                        total,
                        unit: &unit,
                        of: &active.run,
                    });
                }
            }
            ExecutorNews::Log { .. } => {}
            ExecutorNews::Nudge => self.nudged = true,
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

    pub(super) fn ended(
        &mut self,
        key: &AttemptKey,
        report: TaskReport,
        now: Timestamp,
        turned: &mut Turned,
    ) {
        let (step, attempt) = (key.step, key.attempt);
        let input = match report.failure {
            Some(failure) => Input::Failed {
                step,
                attempt,
                failure,
                resources: report.resources,
                kept: report.outputs,
            },
            None => {
                let datasets = self
                    .runs
                    .get(&key.run)
                    .map(|active| active.surroundings.contents());
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
    pub(super) fn tick(&mut self, now: Timestamp, turned: &mut Turned) {
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

    pub(super) fn decide(&mut self, id: &RunId, now: Timestamp, input: Input, turned: &mut Turned) {
        if let Some(active) = self.runs.get_mut(id) {
            let events = active.run.decide(now, input);
            if !events.is_empty() {
                active.waiting_reported = false;
                turned.events.entry(id.clone()).or_default().extend(events);
            }
        }
    }

    /// Launches what may start, commits everything, then acts and says what waits.
    pub(super) fn finish_turn(
        &mut self,
        now: Timestamp,
        turned: Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        self.carry_out_turn(now, turned, observer)?;
        self.tell_waiting(observer);
        Ok(())
    }

    fn carry_out_turn(
        &mut self,
        now: Timestamp,
        mut turned: Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        self.look_into_inbox(&mut turned, observer)?;
        self.launch_ready(now, &mut turned, observer)?;
        if turned.is_empty() {
            return Ok(());
        }
        self.submit(std::mem::take(&mut turned.ahead))?;
        self.commit(now, &mut turned, observer)?;
        self.act(turned, observer)?;
        // A step with effects was decided inside the transaction; what waits for it starts now.
        let mut next = Turned::default();
        self.launch_ready(now, &mut next, observer)?;
        if next.events.is_empty() {
            return Ok(());
        }
        self.submit(std::mem::take(&mut next.ahead))?;
        self.commit(now, &mut next, observer)?;
        self.act(next, observer)
    }

    /// Starts what may start; what a pool has no slot for waits.
    pub(super) fn launch_ready(
        &mut self,
        now: Timestamp,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        self.launch(now, turned, observer)?;
        while self.ask_for_slots(now, observer)? {
            self.launch(now, turned, observer)?;
        }
        Ok(())
    }

    fn launch(
        &mut self,
        now: Timestamp,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
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
                let open = active
                    .run
                    .ready()
                    .filter(|step| self.slots.lets(&active.run, *step));
                let ready: Vec<InstanceIx> = open.take(room.max(1)).collect();
                if ready.is_empty() || room == 0 {
                    break;
                }
                let mut workshop = Workshop {
                    store: &mut self.store,
                    objects: &self.objects,
                    workplace: &active.workplace,
                    epoch: active.epoch,
                    reuse: active.reuse,
                    now,
                };
                for step in ready {
                    if room == 0 {
                        break;
                    }
                    if !self.slots.lets(&active.run, step) {
                        continue;
                    }
                    // What is below a step that ran runs as well, as the plan has said.
                    workshop.reuse = active.reuse && !active.run.takes_new_results(step);
                    let prepared = workshop.prepare(&active.run, &mut active.surroundings, step);
                    let prepared = match prepared {
                        Ok(prepared) => prepared,
                        Err(error) => {
                            // Without a store to ask, what is ready stays so until the next turn.
                            return self.unless_away::<()>(Err(error), observer).map(|_| ());
                        }
                    };
                    if matches!(prepared, Prepared::Launch { .. })
                        && !self.slots.has_or_wants(&active.run, step)
                    {
                        continue;
                    }
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
                            self.slots.launched(&id, step);
                            number(&mut spec, &self.home, &active.run, attempt);
                            if self.is_traced {
                                let span = TraceContext::of_attempt(&id, step, attempt);
                                spec.traceparent = Some(span.to_string());
                            }
                            let launches = if may_go_ahead(&active.run, step, &spec) {
                                &mut turned.ahead
                            } else {
                                &mut turned.launches
                            };
                            launches.push((
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

    /// Commits the turn, for as long as that takes: a store that is away is waited for, a commit that
    /// was not answered is looked for, and runs that another engine has taken are let go.
    pub(super) fn commit(
        &mut self,
        now: Timestamp,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        while !turned.is_empty() {
            let mut written = Written::default();
            match self.write(now, turned, &mut written) {
                Ok(()) => {
                    self.keep(turned, written);
                    break;
                }
                Err(StoreError::LeaseLost { run, .. } | StoreError::Conflict { run, .. }) => {
                    self.lose(&run, turned, observer);
                }
                Err(StoreError::Uncertain(unsettled)) => {
                    let settled = self.settle(*unsettled, observer)?;
                    if settled.kept {
                        self.keep(turned, written);
                    }
                    for run in &settled.lost {
                        self.lose(run, turned, observer);
                    }
                    if settled.kept {
                        break;
                    }
                }
                Err(error) => self.bide(error, observer)?,
            }
        }
        self.is_back(observer);
        Ok(())
    }

    fn settle(
        &mut self,
        unsettled: Unsettled,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<Settled, EngineError> {
        let mut error = StoreError::Uncertain(Box::new(unsettled.clone()));
        loop {
            self.bide(error, observer)?;
            match self.store.settle(&unsettled) {
                Ok(settled) => return Ok(settled),
                Err(again) => error = again,
            }
        }
    }

    /// One transaction: effects, their decisions, all events, lineage. What it decides itself is left in
    /// `written`, and counts when it is kept.
    fn write(&mut self, now: Timestamp, turned: &Turned, written: &mut Written) -> Result<(), StoreError> {
        let mut turn = self.store.begin()?;
        for id in &turned.inbox {
            let Some(active) = self.runs.get(id) else {
                continue;
            };
            turn.hold(id, active.epoch)?;
            for posted in turn.take_requests(id)? {
                let run = written.run(active, turned);
                if let Some(input) = requested(run, posted.request) {
                    written.decide(active, turned, now, input);
                }
            }
        }
        for (key, report) in &turned.effects {
            let Some(active) = self.runs.get(&key.run) else {
                continue;
            };
            let attempt = (key.step, key.attempt);
            if !written
                .run(active, turned)
                .running()
                .any(|running| running == attempt)
            {
                continue;
            }
            turn.hold(&key.run, active.epoch)?;
            let mut report = report.clone();
            let mut refused = None;
            let mut views = Vec::new();
            for effect in std::mem::take(&mut report.effects) {
                match effect {
                    EffectRequest::WriteFeatures(draft) => {
                        let code = active.run.definition().code.as_ref();
                        let writer = features::Writer {
                            run: &key.run,
                            instance: &report.instance,
                            revision: code.map(|code| code.commit.as_str()),
                        };
                        match features::record(&mut turn, &self.objects, &writer, &draft, now)? {
                            Ok(recorded) => {
                                report.headline = Some(recorded.headline());
                                if let Some(output) = &draft.output {
                                    report.outputs.insert(output.clone(), recorded.value());
                                }
                                views.push(recorded);
                            }
                            Err(failure) => refused = Some(failure),
                        }
                    }
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
            let (step, attempt) = attempt;
            if let Some(failure) = refused {
                let input = Input::Failed {
                    step,
                    attempt,
                    failure: *failure,
                    resources: report.resources,
                    kept: report.outputs,
                };
                written.decide(active, turned, now, input);
                continue;
            }
            let finished = lineage::Finished::new(key, &report.outputs, report.lineage);
            let finished = finished.reading(active.surroundings.contents());
            written.views.extend(views.iter().map(|view| (key.run.clone(), view.view.clone())));
            written.lineage.push(finished.writing(views.iter().map(features::Recorded::content)));
            let input = Input::Succeeded {
                step,
                attempt,
                outputs: report.outputs,
                metrics: report.metrics,
                headline: report.headline,
                resources: report.resources,
            };
            written.decide(active, turned, now, input);
        }
        let appends: Vec<Append<'_>> = self
            .runs
            .iter()
            .filter_map(|(id, active)| {
                let events = written.events(id).or_else(|| turned.events.get(id))?;
                (!events.is_empty()).then_some(Append {
                    run: id,
                    epoch: active.epoch,
                    expected: active.stored,
                    events,
                })
            })
            .collect();
        turn.append_many(&appends)?;
        for finished in turned.lineage.iter().chain(&written.lineage) {
            if let Some(active) = self.runs.get(&finished.key.run) {
                let run = written
                    .runs
                    .get(&finished.key.run)
                    .map_or(&active.run, |decided| &decided.run);
                turn.write_lineage(&finished.key.run, &finished.edges(run))?;
            }
        }
        let began = Instant::now();
        let done = turn.commit();
        written.took = began.elapsed();
        done
    }

    /// What was committed is so.
    fn keep(&mut self, turned: &mut Turned, written: Written) {
        turned.took = written.took;
        for (id, view) in &written.views {
            if let Some(active) = self.runs.get_mut(id) {
                active.surroundings.forget_view(view);
            }
        }
        for (id, decided) in written.runs {
            if let Some(active) = self.runs.get_mut(&id) {
                active.run = decided.run;
                active.waiting_reported = false;
            }
            turned.events.insert(id, decided.events);
        }
        for (id, events) in &turned.events {
            if let Some(active) = self.runs.get_mut(id) {
                active.stored += events.len() as u64;
            }
        }
        self.slots.settle(&self.runs);
    }

    pub(super) fn submit(&mut self, attempts: Vec<(AttemptKey, TaskSpec)>) -> Result<(), EngineError> {
        if !attempts.is_empty() {
            let executor = self.executor.as_mut().ok_or(EngineError::NoExecutor)?;
            executor.submit_many(attempts)?;
        }
        Ok(())
    }

    /// What follows from committed events.
    pub(super) fn act(
        &mut self,
        turned: Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        self.submit(turned.launches)?;
        observer(Observation::Committed {
            events: turned.events.values().map(Vec::len).sum(),
            took: turned.took,
        });
        for (id, events) in &turned.events {
            let Some(active) = self.runs.get_mut(id) else {
                continue;
            };
            let first = (active.stored + 1).saturating_sub(events.len() as u64);
            for (number, event) in (first..).zip(events) {
                observer(Observation::Event {
                    run: id,
                    number,
                    event,
                    of: &active.run,
                });
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
}

/// What a transaction has decided itself. It may have to be written again, and decides again then.
#[derive(Default)]
struct Written {
    runs: BTreeMap<RunId, Decided>,
    lineage: Vec<lineage::Finished>,
    /// Feature views that runs have written: what follows in them reads what was written.
    views: Vec<(RunId, String)>,
    /// How long its commit took.
    took: Duration,
}

/// A run as a transaction has left it, and all its events of the turn.
struct Decided {
    run: Run,
    events: Vec<Event>,
}

impl Written {
    fn decided(&mut self, active: &Active, turned: &Turned) -> &mut Decided {
        let id = active.run.id();
        self.runs.entry(id.clone()).or_insert_with(|| Decided {
            run: active.run.clone(),
            events: turned.events.get(id).cloned().unwrap_or_default(),
        })
    }

    fn run(&mut self, active: &Active, turned: &Turned) -> &Run {
        &self.decided(active, turned).run
    }

    fn decide(&mut self, active: &Active, turned: &Turned, now: Timestamp, input: Input) {
        let decided = self.decided(active, turned);
        let events = decided.run.decide(now, input);
        decided.events.extend(events);
    }

    fn events(&self, id: &RunId) -> Option<&Vec<Event>> {
        self.runs.get(id).map(|decided| &decided.events)
    }
}

impl Turned {
    /// Leaves out what concerns a run.
    pub(super) fn forget(&mut self, id: &RunId) {
        self.events.remove(id);
        self.ahead.retain(|(key, _)| key.run != *id);
        self.launches.retain(|(key, _)| key.run != *id);
        self.effects.retain(|(key, _)| key.run != *id);
        self.lineage.retain(|finished| finished.key.run != *id);
        self.inbox.retain(|run| run != id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.effects.is_empty() && self.inbox.is_empty()
    }
}

/// Whether an attempt leaves no trace if it turns out never to have been: a built-in step without effects.
fn may_go_ahead(run: &Run, step: InstanceIx, spec: &TaskSpec) -> bool {
    let instance = run.instance_at(step);
    spec.process.is_none() && instance.is_some_and(|instance| instance.effect.is_none())
}

/// Why an effect cannot be had. Asked before the transaction, which it would fail for every run in it,
/// and again after each resume.
fn refused_effect(effects: &[EffectRequest]) -> Option<Failure> {
    effects.iter().find_map(|effect| {
        let EffectRequest::RegisterModel(draft) = effect else {
            return None;
        };
        let error = trainyard_store::check_alias(draft.alias.as_deref()?).err()?;
        Some(Failure::new(FailureClass::Rejected, error.to_string()))
    })
}
