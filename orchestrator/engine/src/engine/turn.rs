//! One turn: what news and requests have changed is decided, committed in one transaction, and acted on.

use super::post::requested;
use super::turned::{Turned, show};
use super::{Active, Engine, EngineError, GRACE};
use crate::features;
use crate::lineage;
use crate::notices;
use crate::observe::Observation;
use crate::tracking::{self, Curves};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use trainyard_contract::task::{EffectRequest, Failure, TaskReport};
use trainyard_contract::{FailureClass, OutputValue, RunId, Timestamp};
use trainyard_domain::notice;
use trainyard_domain::run::{Event, Input, Run, RunStatus};
use trainyard_executors::{AttemptKey, ExecutorNews, Submission};
use trainyard_store::{Append, Settled, StoreError, Unsettled};

impl Engine {
    pub(super) fn take(
        &mut self,
        news: ExecutorNews,
        now: Timestamp,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) {
        match news {
            ExecutorNews::Began { .. } | ExecutorNews::Progress { .. } => {
                if let Some(news) = turned.keep_for_later(news) {
                    show(&news, &self.runs, observer);
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
                let finished = lineage::Finished::new(key, &report.outputs, report.lineage);
                turned.lineage.push(match self.runs.get(&key.run) {
                    Some(active) => finished.reading(&active.surroundings),
                    None => finished,
                });
                if !report.curves.is_empty() {
                    turned.curves.push(Curves {
                        key: key.clone(),
                        curves: report.curves,
                    });
                }
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

    /// Submits what may begin before the commit. If that is all that follows on what has ended, the
    /// executor hears that it need not wait for more.
    pub(super) fn go_ahead(&mut self, turned: &mut Turned) -> Result<(), EngineError> {
        let ends = if turned.awaits_commit() {
            0
        } else {
            std::mem::take(&mut turned.heard)
        };
        self.submit(ends, std::mem::take(&mut turned.ahead))
    }

    fn carry_out_turn(
        &mut self,
        now: Timestamp,
        mut turned: Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        self.look_into_inbox(&mut turned, observer)?;
        self.launch_ready(now, &mut turned, observer)?;
        self.go_ahead(&mut turned)?;
        if turned.is_empty() {
            return self.submit(turned.heard, Vec::new());
        }
        self.commit(now, &mut turned, observer)?;
        // A step with effects is decided inside the transaction; what waits for it starts after it.
        let mut next = Turned::default();
        if !turned.effects.is_empty() || !turned.inbox.is_empty() {
            next.heard = std::mem::take(&mut turned.heard);
        }
        self.act(turned, observer)?;
        self.launch_ready(now, &mut next, observer)?;
        self.go_ahead(&mut next)?;
        if next.events.is_empty() {
            return self.submit(next.heard, Vec::new());
        }
        self.commit(now, &mut next, observer)?;
        self.act(next, observer)
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
        let mut said = Vec::new();
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
                    // What is made again is looked at and changes nothing.
                    EffectRequest::WriteFeatures(_) if active.run.definition().reproduces.is_some() => {}
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
                    EffectRequest::SendNotice(draft) => {
                        said.push(notices::said(&active.run, key, &report.instance, &draft, now));
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
            let finished = finished.reading(&active.surroundings);
            written
                .views
                .extend(views.iter().map(|view| (key.run.clone(), view.view.clone())));
            written
                .lineage
                .push(finished.writing(views.iter().map(features::Recorded::content)));
            if !report.curves.is_empty() {
                written.curves.push(Curves {
                    key: key.clone(),
                    curves: report.curves,
                });
            }
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
        let as_decided = |id: &RunId| {
            let active = self.runs.get(id)?;
            Some(written.runs.get(id).map_or(&active.run, |decided| &decided.run))
        };
        for append in &appends {
            if let Some(run) = as_decided(append.run) {
                said.extend(notice::of_run(run, append.expected + 1, append.events));
            }
        }
        turn.tell(&said)?;
        let of_events = appends.iter().filter_map(|append| {
            let edges = lineage::of_events(as_decided(append.run)?, append.events);
            Some((append.run.clone(), edges))
        });
        let of_steps = turned
            .lineage
            .iter()
            .chain(&written.lineage)
            .filter_map(|finished| {
                let run = &finished.key.run;
                Some((run.clone(), finished.edges(as_decided(run)?, &self.project)))
            });
        let shown: Vec<_> = of_events.chain(of_steps).collect();
        turn.write_lineage(&shown)?;
        let curves: Vec<&Curves> = turned.curves.iter().chain(&written.curves).collect();
        for (id, active) in &self.runs {
            let decided = written.runs.get(id);
            let run = decided.map_or(&active.run, |decided| &decided.run);
            let events = written.events(id).or_else(|| turned.events.get(id));
            let Some(events) = events.filter(|events| !events.is_empty()) else {
                continue;
            };
            let datasets = active.surroundings.contents();
            let tracked = tracking::tracked(run, events, &curves, &datasets);
            turn.track(id, run.definition().pipeline.as_str(), &tracked)?;
        }
        let began = Instant::now();
        let done = turn.commit();
        written.took = began.elapsed();
        done
    }

    /// What was committed is so.
    fn keep(&mut self, turned: &mut Turned, written: Written) {
        turned.took = written.took;
        self.pace.note_commit(written.took);
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

    /// Submits attempts, with which so many more ends are answered.
    fn submit(&mut self, ends: usize, attempts: Vec<Submission>) -> Result<(), EngineError> {
        if ends > 0 || !attempts.is_empty() {
            let executor = self.executor.as_mut().ok_or(EngineError::NoExecutor)?;
            executor.follow_up(ends, attempts)?;
        }
        Ok(())
    }

    /// What follows from committed events.
    pub(super) fn act(
        &mut self,
        mut turned: Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<(), EngineError> {
        self.submit(turned.heard, turned.launches)?;
        observer(Observation::Committed {
            events: turned.events.values().map(Vec::len).sum(),
            took: turned.took,
        });
        for (id, events) in &turned.events {
            let seen = turned.seen.remove(id).unwrap_or_default();
            let mut seen = seen.into_iter().peekable();
            let Some(active) = self.runs.get(id) else {
                continue;
            };
            let first = (active.stored + 1).saturating_sub(events.len() as u64);
            for (place, (number, event)) in (first..).zip(events).enumerate() {
                while let Some((_, news)) = seen.next_if(|(after, _)| *after <= place) {
                    show(&news, &self.runs, observer);
                }
                observer(Observation::Event {
                    run: id,
                    number,
                    event,
                    of: &active.run,
                });
            }
            for (_, news) in seen {
                show(&news, &self.runs, observer);
            }
            let Some(active) = self.runs.get_mut(id) else {
                continue;
            };
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
    curves: Vec<Curves>,
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
