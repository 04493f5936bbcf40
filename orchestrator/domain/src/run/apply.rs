//! How an event changes a run. Total: an event that makes no sense where the run stands is counted
//! and otherwise ignored, so no history, however strange, stops a program from reading it.

use super::definition::{Instance, InstanceIx, RunnerKind};
use super::event::{Event, What};
use super::planted::Fault;
use super::stage::Stage;
use super::state::{Approval, StepState};
use super::verdict::Verdict;
use super::{Cancel, Run, Started};
use indexmap::IndexMap;
use trainyard_contract::task::Failure;
use trainyard_contract::{FailureClass, OutputValue, Timestamp};

impl Run {
    /// Takes one event into account.
    pub fn apply(&mut self, event: &Event) {
        self.events_applied += 1;
        self.clock = event.at;
        self.standing.hear(event.at);
        if self.ended.is_some() {
            if let What::RetryAsked { by, select } = &event.what {
                // Whoever wants a run that was turned away starts it.
                self.started.get_or_insert_with(|| Started {
                    by: by.clone(),
                    at: event.at,
                });
                self.retries += 1;
                self.retried = Some(event.at);
                self.begin_afresh(select.as_ref());
                self.standing.begin(event.at);
                self.judge_all();
            }
            return;
        }
        match &event.what {
            What::RunStarted { by, reuse_only } => self.start(by, event.at, reuse_only),
            What::CancelAsked { .. } => self.cancel(),
            What::RunTurnedAway { outcome, reason } => {
                self.turned_away = Some((*outcome, reason.clone()));
                self.cancel();
                self.cancel();
            }
            What::RunEnded { outcome } => {
                self.ended = Some(*outcome);
                self.pending.clear();
            }
            What::RetryAsked { .. } => {}
            What::SlaBreached { limit, due } => self.late(*limit, *due, event.at),
            What::RunTimedOut { hooks, .. } => self.time_out(*hooks, event.at),
            What::AttemptStarted { step, .. }
            | What::AttemptSucceeded { step, .. }
            | What::AttemptFailed { step, .. }
            | What::AttemptLost { step, .. }
            | What::StepReused { step, .. }
            | What::StepSkipped { step, .. }
            | What::StepRejected { step, .. }
            | What::ApprovalAsked { step }
            | What::ApprovalGiven { step, .. }
            | What::ApprovalExpired { step, .. }
            | What::ItemsKnown { step, .. }
            | What::ItemsCancelled { step }
            | What::ItemsEnded { step, .. }
            | What::RepeatBegan { step, .. }
            | What::IterationDue { step, .. }
            | What::RepeatEnded { step, .. }
            | What::StepCancelled { step } => {
                if (*step as usize) < self.steps.len() {
                    self.apply_to_step(*step, event.at, &event.what);
                }
            }
        }
    }

    fn apply_to_step(&mut self, ix: InstanceIx, at: Timestamp, what: &What) {
        let startable = matches!(self.step(ix), StepState::Ready | StepState::Retrying { .. });
        let attempts = self.tallies[ix as usize].attempts;
        match what {
            What::AttemptStarted { attempt, .. }
                if self.started.is_some()
                    && *attempt > attempts
                    && (startable || self.has(Fault::StartTwice) && self.running.contains_key(&ix)) =>
            {
                self.leave(ix);
                self.queue.start(&self.graph, self.seat(ix));
                self.tallies[ix as usize].attempts = *attempt;
                self.running.insert(ix, *attempt);
                self.steps[ix as usize] = StepState::Running {
                    attempt: *attempt,
                    since: at,
                };
            }
            What::AttemptSucceeded {
                attempt,
                outputs,
                metrics,
                headline,
                resources,
                ..
            } if self.runs(ix, *attempt) => {
                let state = StepState::Succeeded {
                    outputs: outputs.clone(),
                    metrics: metrics.clone(),
                    headline: headline.clone(),
                    resources: resources.clone(),
                    attempts,
                    from: None,
                };
                self.settle(ix, state);
            }
            What::AttemptFailed {
                attempt,
                failure,
                retry_at,
                kept,
                ..
            } if self.runs(ix, *attempt) => {
                let tally = &mut self.tallies[ix as usize];
                tally.failures += 1;
                tally.losses = 0;
                let lost = failure.class == FailureClass::WorkerLost;
                tally.workers_lost = if lost { tally.workers_lost + 1 } else { 0 };
                tally.retry_since = at;
                match retry_at {
                    Some(until) => {
                        self.leave(ix);
                        if !self.has(Fault::LoseWakeUp) {
                            self.timers.insert((*until, ix));
                        }
                        self.steps[ix as usize] = StepState::Retrying {
                            attempt: *attempt,
                            until: *until,
                        };
                    }
                    None => self.fail(ix, failure.clone(), kept.clone()),
                }
            }
            What::AttemptLost { attempt, .. } if self.runs(ix, *attempt) => {
                self.leave(ix);
                self.tallies[ix as usize].losses += 1;
                self.steps[ix as usize] = StepState::Ready;
                self.queue.put(&self.graph, self.seat(ix));
            }
            What::StepReused {
                outputs,
                metrics,
                headline,
                from,
                ..
            } if startable || self.started.is_none() && *self.step(ix) == StepState::Waiting => {
                let state = StepState::Succeeded {
                    outputs: outputs.clone(),
                    metrics: metrics.clone(),
                    headline: headline.clone(),
                    resources: Default::default(),
                    attempts,
                    from: Some(from.clone()),
                };
                self.settle(ix, state);
            }
            What::StepSkipped { because, .. } if startable || *self.step(ix) == StepState::Waiting => {
                self.settle(
                    ix,
                    StepState::Skipped {
                        because: because.clone(),
                    },
                );
            }
            What::StepRejected { failure, .. } if startable || *self.step(ix) == StepState::Waiting => {
                self.fail(ix, failure.clone(), IndexMap::new());
            }
            What::ApprovalAsked { .. } if *self.step(ix) == StepState::Waiting => {
                self.pending.remove(&ix);
                self.awaiting.insert(ix);
                let expires = self
                    .instance(ix)
                    .and_then(|i| i.approval.as_ref())
                    .and_then(|rule| rule.expires);
                if let Some(span) = expires {
                    self.timers.insert((at.plus(span), ix));
                }
                self.steps[ix as usize] = StepState::AwaitingApproval {
                    since: at,
                    approvals: Vec::new(),
                };
            }
            What::ApprovalGiven {
                by,
                role,
                approve,
                comment,
                ..
            } => {
                let needed = match self.instance(ix).and_then(|instance| instance.approval.as_ref()) {
                    Some(_) if self.has(Fault::ApproveAlone) => 1,
                    Some(rule) => rule.min_approvals as usize,
                    None => return,
                };
                let StepState::AwaitingApproval { approvals, .. } = &mut self.steps[ix as usize] else {
                    return;
                };
                if *approve {
                    approvals.push(Approval {
                        by: by.clone(),
                        role: role.clone(),
                        at,
                        comment: comment.clone(),
                    });
                    if approvals.len() >= needed {
                        self.approved(ix);
                    }
                } else {
                    let said = comment
                        .as_deref()
                        .map(|text| format!(": {text}"))
                        .unwrap_or_default();
                    self.fail(
                        ix,
                        Failure::new(FailureClass::GateFailed, format!("rejected by {by}{said}")),
                        IndexMap::new(),
                    );
                }
            }
            What::ApprovalExpired { approve, .. } if self.awaiting.contains(&ix) => {
                if *approve {
                    self.approved(ix);
                } else {
                    self.fail(
                        ix,
                        Failure::new(FailureClass::GateFailed, "nobody approved it in time"),
                        IndexMap::new(),
                    );
                }
            }
            What::ItemsKnown { first, items, .. }
                if self.started.is_some()
                    && *self.step(ix) == StepState::Waiting
                    && self.instance(ix).is_some_and(|step| step.for_each.is_some()) =>
            {
                self.fan_out(ix, *first, items.as_ref(), at);
            }
            What::RepeatBegan { first, .. }
                if self.started.is_some() && *self.step(ix) == StepState::Waiting =>
            {
                self.begin_repeating(ix, *first, at);
            }
            What::IterationDue { from, .. } if *self.step(ix) == StepState::Waiting => {
                self.iterate(ix, *from, at);
            }
            What::RepeatEnded { end, .. } => self.end_repeating(ix, end, at),
            What::ItemsCancelled { .. } => self.cancel_items(ix),
            What::ItemsEnded { .. } => {
                if let StepState::Items { since } = *self.step(ix) {
                    self.settle(ix, self.gathered(ix, since, at));
                }
            }
            What::StepCancelled { .. } if !self.step(ix).is_final() => self.settle(ix, StepState::Cancelled),
            _ => {}
        }
    }

    /// Whether exactly this attempt is live.
    pub(super) fn runs(&self, ix: InstanceIx, attempt: u32) -> bool {
        match self.running.get(&ix) {
            Some(live) => *live == attempt || self.has(Fault::AcceptStaleReport),
            None => false,
        }
    }

    fn start(&mut self, by: &str, at: Timestamp, reuse_only: &[InstanceIx]) {
        if self.started.is_some() {
            return;
        }
        self.started = Some(Started {
            by: by.to_owned(),
            at,
        });
        self.standing.begin(at);
        for ix in reuse_only {
            if let Some(tally) = self.tallies.get_mut(*ix as usize) {
                tally.reuse_only = true;
            }
        }
        self.judge_all();
    }

    pub(super) fn judge_all(&mut self) {
        for ix in self.declared() {
            self.judge_if_due(ix);
        }
    }

    /// Judges an instance if everything it waits for is over.
    fn judge_if_due(&mut self, ix: InstanceIx) {
        let Some(instance) = self.instance(ix) else { return };
        let is_early = !self.open.may_begin(instance.stage());
        let ignored = match instance.stage() {
            Stage::Graph => false,
            Stage::AfterFailure => self.has(Fault::FailureHookEarly),
            Stage::Finally => self.has(Fault::FinallyEarly),
        };
        let allowed = if self.has(Fault::StartBeforeNeeds) { 1 } else { 0 };
        if *self.step(ix) != StepState::Waiting
            || self.started.is_none()
            || self.tallies[ix as usize].waits_for > allowed
            || is_early && !ignored
            || self.pending.get(&ix) == Some(&Verdict::Cancel)
        {
            return;
        }
        match self.judge(ix) {
            Verdict::Start => {
                self.steps[ix as usize] = StepState::Ready;
                self.queue.put(&self.graph, self.seat(ix));
            }
            verdict => {
                self.pending.insert(ix, verdict);
            }
        }
    }

    /// Takes an instance out of everything that belongs to its present state.
    pub(super) fn leave(&mut self, ix: InstanceIx) {
        match self.steps[ix as usize] {
            StepState::Ready => self.queue.take(&self.graph, self.seat(ix)),
            StepState::Running { .. } => {
                self.running.remove(&ix);
                self.doomed.remove(&ix);
                self.queue.stop(&self.graph, self.seat(ix));
            }
            StepState::Retrying { until, .. } => {
                self.timers.remove(&(until, ix));
                self.queue.take(&self.graph, self.seat(ix));
            }
            StepState::AwaitingApproval { since, .. } => {
                self.awaiting.remove(&ix);
                let expires = self
                    .instance(ix)
                    .and_then(|i| i.approval.as_ref())
                    .and_then(|rule| rule.expires);
                if let Some(span) = expires {
                    self.timers.remove(&(since.plus(span), ix));
                }
            }
            _ => {}
        }
        self.pending.remove(&ix);
    }

    fn approved(&mut self, ix: InstanceIx) {
        let StepState::AwaitingApproval { approvals, .. } = &self.steps[ix as usize] else {
            return;
        };
        let names: Vec<&str> = approvals.iter().map(|approval| approval.by.as_str()).collect();
        let headline = match names.as_slice() {
            [] => "approved, since nobody objected in time".to_owned(),
            names => format!("approved by {}", names.join(", ")),
        };
        // Approval is all the work of a gate; any other step may start now.
        let is_gate = self
            .instance(ix)
            .is_some_and(|i| i.runner == RunnerKind::Orchestrator);
        if is_gate {
            let state = StepState::Succeeded {
                outputs: Default::default(),
                metrics: Default::default(),
                headline: Some(headline),
                resources: Default::default(),
                attempts: 0,
                from: None,
            };
            self.settle(ix, state);
        } else {
            self.leave(ix);
            self.steps[ix as usize] = StepState::Ready;
            self.queue.put(&self.graph, self.seat(ix));
        }
    }

    pub(super) fn fail(&mut self, ix: InstanceIx, failure: Failure, kept: IndexMap<String, OutputValue>) {
        let attempts = self.tallies[ix as usize].attempts;
        self.settle(
            ix,
            StepState::Failed {
                attempts,
                failure,
                kept,
            },
        );
        // The step fails because of its iteration, and with it what stands beside it.
        if self.number_of_iteration(ix).is_some() {
            return;
        }
        let Some(group) = self.seat(ix).group else {
            return;
        };
        if !self.graph.groups[group as usize].fail_fast || !self.tripped.insert(group) {
            return;
        }
        if self.has(Fault::ForgetSiblings) {
            return;
        }
        let graph = self.graph.clone();
        match self.item(ix) {
            Some((of, _)) => self.doom(of),
            None => {
                for sibling in &graph.groups[group as usize].members {
                    self.doom(*sibling);
                }
            }
        }
    }

    /// Makes an instance end: at once if it does not run, else when its attempt has ended.
    fn doom(&mut self, ix: InstanceIx) {
        match self.steps[ix as usize] {
            StepState::Running { .. } => {
                self.doomed.insert(ix);
            }
            StepState::Items { .. } => self.doom_items(ix),
            ref state if !state.is_final() => {
                self.queue.take(&self.graph, self.seat(ix));
                self.pending.insert(ix, Verdict::Cancel);
            }
            _ => {}
        }
    }

    /// A final state, and what follows for everything that waits for it.
    pub(super) fn settle(&mut self, ix: InstanceIx, state: StepState) {
        self.leave(ix);
        self.tallies[ix as usize].fresh &= !matches!(state, StepState::Succeeded { .. });
        self.steps[ix as usize] = state;
        if self.item_is_over(ix) {
            return;
        }
        let stage = self.instance(ix).map_or(Stage::Graph, Instance::stage);
        self.open.take(stage);
        let graph = self.graph.clone();
        for below in graph.downstream(ix) {
            let tally = &mut self.tallies[*below as usize];
            tally.waits_for = tally.waits_for.saturating_sub(1);
            self.judge_if_due(*below);
        }
        let ignored = self.has(Fault::FinallyEarly) || self.has(Fault::FailureHookEarly);
        if self.open.is_over(stage) || ignored {
            for hook in &graph.run_hooks {
                self.judge_if_due(*hook);
            }
        }
    }

    fn cancel(&mut self) {
        self.give_up(match self.cancel {
            Cancel::No => Cancel::Steps,
            _ => Cancel::Everything,
        });
    }

    /// Ends what `wanted` says, also what has not begun.
    pub(super) fn give_up(&mut self, wanted: Cancel) {
        self.cancel = wanted;
        for ix in self.declared() {
            if self.cancel == Cancel::Everything || !self.is_hook(ix) {
                self.doom(ix);
            }
        }
    }
}
