//! What follows from what the world tells a run.

use super::Run;
use super::backoff::{self, LOSSES_AT_MOST};
use super::definition::{Hook, Instance, InstanceIx, OnExpire};
use super::event::{Event, RunOutcome, SkipReason, What};
use super::items::Items;
use super::planted::Fault;
use super::stage::Stage;
use super::state::{RunStatus, StepState};
use super::verdict::Verdict;
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::BTreeSet;
use trainyard_contract::task::{Failure, ResourcesUsed};
use trainyard_contract::{ContentHash, FailureClass, Millis, OutputValue, RunId, Timestamp};

/// What the world tells a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Begin. With `select`, everything else is left out, except hooks; what the selected ones need
    /// becomes ready as usual but can only take an earlier result: launching it skips it.
    Start {
        by: String,
        select: Option<BTreeSet<InstanceIx>>,
    },
    /// A ready instance is prepared; the attempt that begins is in the event.
    Launch {
        step: InstanceIx,
        key: Option<ContentHash>,
    },
    /// A ready instance has an earlier result of the same key. Also taken before the start.
    Reuse {
        step: InstanceIx,
        key: ContentHash,
        from: RunId,
        outputs: IndexMap<String, OutputValue>,
        metrics: IndexMap<String, f64>,
        headline: Option<String>,
    },
    /// A ready instance cannot be started, now or ever: an expression failed, or an input cannot be
    /// had.
    Reject { step: InstanceIx, failure: Failure },
    Succeeded {
        step: InstanceIx,
        attempt: u32,
        outputs: IndexMap<String, OutputValue>,
        metrics: IndexMap<String, f64>,
        headline: Option<String>,
        resources: ResourcesUsed,
    },
    Failed {
        step: InstanceIx,
        attempt: u32,
        failure: Failure,
        resources: ResourcesUsed,
        /// What it had made before it failed, by output.
        kept: IndexMap<String, OutputValue>,
    },
    /// The attempt died with its engine. One whose worker died under it is `Failed` with the class
    /// `worker_lost`.
    Lost { step: InstanceIx, attempt: u32 },
    /// Somebody answers a gate; see [`Run::judge_answer`].
    Answer {
        step: InstanceIx,
        by: String,
        role: Option<String>,
        approve: bool,
        comment: Option<String>,
        /// Whether the person who answers is the author of what is to be approved.
        is_author: bool,
    },
    /// The first time ends steps and leaves hooks, the second time ends hooks as well.
    Cancel { by: String },
    /// A run that has not started never will: no step and no hook runs.
    TurnAway { outcome: RunOutcome, reason: String },
    /// An ended run is to run again what failed, was blocked or was cancelled; with `select` exactly those
    /// instances, also ones that have succeeded, and what depends on them. Of a list or a loop the whole,
    /// or items by themselves.
    Retry {
        by: String,
        select: Option<BTreeSet<InstanceIx>>,
    },
    /// Time has passed.
    Tick,
}

impl Run {
    /// Decides, applies and returns events. The same state, time and input give the same events, and
    /// their replay gives the same state. What comes late, twice or makes no sense gives none.
    pub fn decide(&mut self, now: Timestamp, input: Input) -> Vec<Event> {
        let mut deciding = Deciding {
            run: self,
            now,
            events: Vec::new(),
        };
        deciding.run.hear_clock(now);
        // What a crash kept from being written was decided before whatever time says now.
        deciding.follow();
        deciding.keep_bounds();
        // What time ends is over before an approval can expire in it.
        deciding.follow();
        deciding.expire();
        deciding.answer(input);
        deciding.keep_bounds();
        deciding.conclude();
        deciding.events
    }

    /// Retries that have come due go to the queue. Time alone is no event: they stay `Retrying`
    /// until they are launched. If the clock was set back to before a retry was decided, its end
    /// means nothing any more, and it is due.
    fn hear_clock(&mut self, now: Timestamp) {
        let set_back = now < self.clock;
        self.clock = now;
        let due: Vec<(Timestamp, InstanceIx)> = if set_back {
            self.timers
                .iter()
                .filter(|timer| self.is_over(**timer))
                .copied()
                .collect()
        } else {
            self.timers
                .iter()
                .take_while(|(at, _)| *at <= now)
                .copied()
                .collect()
        };
        for (at, ix) in due {
            if matches!(self.step(ix), StepState::Retrying { .. }) {
                self.timers.remove(&(at, ix));
                self.queue.put(&self.graph, self.seat(ix));
            }
        }
    }

    fn is_over(&self, (at, ix): (Timestamp, InstanceIx)) -> bool {
        at <= self.clock || self.tallies[ix as usize].retry_since > self.clock
    }

    fn may_launch(&self, ix: InstanceIx) -> bool {
        (ix as usize) < self.steps.len()
            && (self.queue.contains(self.seat(ix))
                || self.has(Fault::IgnoreMaxParallel) && *self.step(ix) == StepState::Ready
                || self.has(Fault::StartTwice) && self.running.contains_key(&ix))
    }
}

/// One decision on its way.
struct Deciding<'a> {
    run: &'a mut Run,
    now: Timestamp,
    events: Vec<Event>,
}

impl Deciding<'_> {
    fn happened(&mut self, what: What) {
        let event = Event { at: self.now, what };
        self.run.apply(&event);
        self.events.push(event);
    }

    /// Approvals whose time is over.
    fn expire(&mut self) {
        let due: Vec<InstanceIx> = self
            .run
            .timers
            .iter()
            .take_while(|(at, _)| *at <= self.now)
            .map(|(_, ix)| *ix)
            .collect();
        for step in due {
            let rule = self
                .run
                .instance(step)
                .and_then(|instance| instance.approval.as_ref());
            if let (true, Some(rule)) = (self.run.awaiting.contains(&step), rule) {
                let approve = rule.on_expire == OnExpire::Approve;
                self.happened(What::ApprovalExpired { step, approve });
            }
        }
    }

    /// A timeout that is over, and limits of the service level.
    fn keep_bounds(&mut self) {
        for what in self.run.bounds_broken(self.now) {
            self.happened(what);
        }
    }

    fn answer(&mut self, input: Input) {
        match input {
            Input::Start { by, select } => self.start(by, select),
            Input::Launch { step, key } => {
                if !self.run.may_launch(step) {
                    return;
                }
                if self.run.tallies[step as usize].reuse_only {
                    self.happened(What::StepSkipped {
                        step,
                        because: SkipReason::NotSelected,
                    });
                } else {
                    let attempt = self.run.next_attempt(step);
                    self.happened(What::AttemptStarted { step, attempt, key });
                }
            }
            Input::Reuse {
                step,
                key,
                from,
                outputs,
                metrics,
                headline,
            } => {
                let early = self.run.status() == RunStatus::NotStarted
                    && (step as usize) < self.run.steps.len()
                    && !self.run.step(step).is_final();
                if early || self.run.queue_has(step) && !self.run.takes_no_earlier_result(step) {
                    self.happened(What::StepReused {
                        step,
                        key,
                        from,
                        outputs,
                        metrics,
                        headline,
                    });
                }
            }
            Input::Reject { step, failure } => {
                if self.run.queue_has(step) {
                    self.happened(What::StepRejected { step, failure });
                }
            }
            Input::Succeeded {
                step,
                attempt,
                outputs,
                metrics,
                headline,
                resources,
            } => {
                if self.run.runs(step, attempt) {
                    self.happened(What::AttemptSucceeded {
                        step,
                        attempt,
                        outputs,
                        metrics,
                        headline,
                        resources,
                    });
                }
            }
            Input::Failed {
                step,
                attempt,
                failure,
                resources,
                kept,
            } => {
                if self.run.runs(step, attempt) {
                    self.failed(step, attempt, failure, resources, kept);
                }
            }
            Input::Lost { step, attempt } => {
                if self.run.runs(step, attempt) {
                    self.lost(step, attempt);
                }
            }
            Input::Answer {
                step,
                by,
                role,
                approve,
                comment,
                is_author,
            } => {
                if self
                    .run
                    .judge_answer(step, &by, role.as_deref(), is_author)
                    .is_ok()
                {
                    self.happened(What::ApprovalGiven {
                        step,
                        by,
                        role,
                        approve,
                        comment,
                    });
                }
            }
            Input::Cancel { by } => {
                if !matches!(self.run.status(), RunStatus::Ended(_)) && !self.run.cancels_everything() {
                    self.happened(What::CancelAsked { by });
                }
            }
            Input::TurnAway { outcome, reason } => {
                if self.run.status() == RunStatus::NotStarted && !self.run.is_cancelled() {
                    self.happened(What::RunTurnedAway { outcome, reason });
                }
            }
            Input::Retry { by, select } => {
                let is_over = matches!(self.run.status(), RunStatus::Ended(_));
                if is_over && self.run.to_run_again(select.as_ref()).iter().any(Option::is_some) {
                    self.happened(What::RetryAsked { by, select });
                }
            }
            Input::Tick => {}
        }
    }

    fn start(&mut self, by: String, select: Option<BTreeSet<InstanceIx>>) {
        if self.run.status() != RunStatus::NotStarted {
            return;
        }
        let Some(select) = select else {
            return self.happened(What::RunStarted {
                by,
                reuse_only: Vec::new(),
            });
        };
        let mut needed = BTreeSet::new();
        let mut left: Vec<InstanceIx> = select.iter().copied().collect();
        while let Some(ix) = left.pop() {
            let upstream = self.run.instance(ix).map(|instance| instance.upstream.as_slice());
            let new = upstream.unwrap_or_default().iter().map(|edge| edge.instance);
            let open = new.filter(|ix| !select.contains(ix) && !self.run.step(*ix).is_final());
            left.extend(open.filter(|ix| needed.insert(*ix)));
        }
        let left_out: Vec<InstanceIx> = (0..self.run.steps.len() as InstanceIx)
            .filter(|ix| !select.contains(ix) && !needed.contains(ix))
            .filter(|ix| !self.run.is_hook(*ix) && !self.run.step(*ix).is_final())
            .collect();
        needed.retain(|ix| !self.run.is_hook(*ix));
        self.happened(What::RunStarted {
            by,
            reuse_only: needed.into_iter().collect(),
        });
        for step in left_out {
            self.happened(What::StepSkipped {
                step,
                because: SkipReason::NotSelected,
            });
        }
    }

    fn failed(
        &mut self,
        step: InstanceIx,
        attempt: u32,
        failure: Failure,
        resources: ResourcesUsed,
        kept: IndexMap<String, OutputValue>,
    ) {
        if self.run.doomed.contains(&step) {
            return self.happened(What::StepCancelled { step });
        }
        let tally = &self.run.tallies[step as usize];
        let lost = failure.class == FailureClass::WorkerLost;
        let workers_lost = if lost { tally.workers_lost + 1 } else { 0 };
        let counted = tally.failures + 1;
        let again = self.run.instance(step).and_then(|instance| {
            let policy = &instance.retry;
            let again = backoff::tries_again(policy, failure.class, counted, workers_lost)
                || self.run.has(Fault::RetryForEver) && policy.max_attempts > 1;
            let delay = || backoff::delay(policy, counted, self.run.definition.seed, step, attempt);
            again.then(delay)
        });
        let retry_at = again.map(|delay| self.now.plus(delay));
        self.happened(What::AttemptFailed {
            step,
            attempt,
            failure,
            retry_at,
            resources,
            kept,
        });
    }

    fn lost(&mut self, step: InstanceIx, attempt: u32) {
        if self.run.doomed.contains(&step) {
            return self.happened(What::StepCancelled { step });
        }
        let most = if self.run.has(Fault::CountLost) {
            1
        } else {
            LOSSES_AT_MOST
        };
        if self.run.tallies[step as usize].losses < most {
            return self.happened(What::AttemptLost { step, attempt });
        }
        let failure = Failure::new(
            FailureClass::WorkerLost,
            format!(
                "its engine ended {} times in a row while it ran, so it may be the cause",
                most + 1
            ),
        );
        let resources = ResourcesUsed::default();
        self.happened(What::AttemptFailed {
            step,
            attempt,
            failure,
            retry_at: None,
            resources,
            kept: IndexMap::new(),
        });
    }

    fn fan_out(&mut self, step: InstanceIx, list: Vec<Value>) {
        let same = self.run.same_items(step, &list).map(Items::first);
        let what = match same {
            Some(first) => What::ItemsKnown {
                step,
                first,
                items: None,
            },
            None => What::ItemsKnown {
                step,
                first: InstanceIx::try_from(self.run.steps.len()).unwrap_or(InstanceIx::MAX),
                items: Some(list),
            },
        };
        self.happened(what);
    }

    /// Decides what has been judged.
    fn follow(&mut self) {
        while let Some((step, verdict)) = self.run.pending.pop_first() {
            match verdict {
                Verdict::Ask => self.happened(What::ApprovalAsked { step }),
                Verdict::Skip(because) => self.happened(What::StepSkipped { step, because }),
                Verdict::Reject(failure) => self.happened(What::StepRejected { step, failure }),
                Verdict::Cancel if matches!(self.run.step(step), StepState::Items { .. }) => {
                    self.happened(What::ItemsCancelled { step });
                }
                Verdict::Cancel => self.happened(What::StepCancelled { step }),
                Verdict::FanOut(list) => self.fan_out(step, list),
                Verdict::Repeat => {
                    let first = self.run.unfinished_iterations(step);
                    let new = || InstanceIx::try_from(self.run.steps.len()).unwrap_or(InstanceIx::MAX);
                    let first = first.unwrap_or_else(new);
                    self.happened(What::RepeatBegan { step, first });
                }
                Verdict::Iterate(next) => {
                    let repeat = self.run.instance(step).and_then(|step| step.repeat.as_ref());
                    let from = self.now.plus(repeat.map_or(Millis(0), |repeat| repeat.delay));
                    self.happened(What::IterationDue { step: next, from });
                }
                Verdict::EndRepeat(end) => self.happened(What::RepeatEnded { step, end }),
                Verdict::Gather => {
                    let counts = self.run.items_of(step).map(Items::counts).unwrap_or_default();
                    self.happened(What::ItemsEnded { step, counts });
                }
                // A start is no event; such a verdict is not kept.
                Verdict::Start => {}
            }
        }
    }

    /// Decides what state alone makes due: judged steps, and the end of the run.
    fn conclude(&mut self) {
        self.follow();
        let begun = self.run.started.is_some() || self.run.is_cancelled();
        let early = usize::from(self.run.has(Fault::EndEarly));
        if begun && self.run.ended.is_none() && self.run.open.total() <= early {
            let outcome = self.run.outcome();
            self.happened(What::RunEnded { outcome });
        }
    }
}

impl Run {
    fn queue_has(&self, ix: InstanceIx) -> bool {
        (ix as usize) < self.steps.len() && self.queue.contains(self.seat(ix))
    }

    /// What final states make of the run. A hook that follows a failure cannot make it worse than
    /// that failure did, nor better; one that ends the run can make it worse.
    fn outcome(&self) -> RunOutcome {
        if let Some((outcome, _)) = &self.turned_away {
            return *outcome;
        }
        let cancelled = || self.declared().any(|ix| *self.step(ix) == StepState::Cancelled);
        if self.failures().next().is_some() || self.is_cut_short() || self.has_left(RunOutcome::Failed) {
            RunOutcome::Failed
        } else if self.is_cancelled() && (self.started.is_none() || cancelled())
            || self.has_left(RunOutcome::Cancelled)
        {
            RunOutcome::Cancelled
        } else {
            RunOutcome::Succeeded
        }
    }

    /// Whether the graph has failed: known, and for good, once all of it is over.
    pub(super) fn has_failed(&self) -> bool {
        self.has_timed_out()
            || self.has_left(RunOutcome::Failed)
            || self.failures().any(|instance| instance.stage() == Stage::Graph)
    }

    /// What has failed and makes the run fail.
    fn failures(&self) -> impl Iterator<Item = &Instance> {
        let failed = |state: &StepState| matches!(state, StepState::Failed { .. });
        let counts = |instance: &Instance| {
            let after_a_failure = matches!(instance.hook, Some(Hook::OnFailure(_) | Hook::RunFailed));
            !instance.may_fail() && !after_a_failure
        };
        let all = self.definition.instances.iter().zip(&self.steps);
        all.filter(move |(instance, state)| failed(state) && counts(instance))
            .map(|(instance, _)| instance)
    }
}
