//! The simulation's judge: knows the rules in its own words, sees only the definition and the
//! events, and objects to any event that should not have happened.

pub(super) mod bounds;
mod items;
mod retries;

use crate::run::*;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{FailureClass, OutputValue, Timestamp};

/// What the judge knows of an instance.
#[derive(Clone, Debug, Default)]
struct Seen {
    state: Where,
    last_attempt: u32,
    failures: u32,
    workers_lost: u32,
    losses: u32,
    retry_at: Option<Timestamp>,
    approvers: BTreeSet<String>,
    approved: bool,
    out: Option<i64>,
    reuse_only: bool,
    /// Of an iteration: its turn has come.
    begun: bool,
    /// Chosen to run again, and not succeeded since.
    fresh: bool,
    /// Of an item: it is to run again, whatever it was.
    again: bool,
    /// Of a step: its list is known since it last began.
    has_items: bool,
    /// Of a step with items: those that were not chosen stay as they are.
    keeps_others: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Where {
    #[default]
    Open,
    Asked,
    Items,
    Live(u32),
    Succeeded,
    Failed,
    Skipped(SkipReason),
    Cancelled,
}

impl Where {
    fn over(&self) -> bool {
        !matches!(self, Self::Open | Self::Asked | Self::Items | Self::Live(_))
    }
}

/// What should become of an instance, by the judge's own reading of the rules.
#[derive(Clone, Debug, PartialEq)]
enum Due {
    Start,
    Ask,
    NotNeeded,
    Blocked,
    NoData,
    Condition,
    NotSelected,
    Reject,
}

#[derive(Clone, Debug)]
pub(super) struct Judge<'a> {
    definition: &'a RunDefinition,
    /// Of instances, and after them of items as their lists become known.
    seen: Vec<Seen>,
    /// Instance whose item it is, and the list that it is of, for all that is seen after the instances.
    items: Vec<(InstanceIx, usize)>,
    lists: Vec<Vec<i64>>,
    /// The list of each instance with items.
    list_of: BTreeMap<InstanceIx, usize>,
    pub(super) started: bool,
    cancels: u32,
    pub(super) ended: Option<RunOutcome>,
    tripped: BTreeSet<String>,
    bounds: bounds::Kept,
    /// What cancelled instances mean that an earlier end has left and nobody has chosen since.
    left: Option<RunOutcome>,
    /// The clock was set back, so that no time of a retry can be held against an event.
    pub(super) clock_jumped: bool,
}

type Verdict = Result<(), String>;

fn ensure(holds: bool, objection: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(objection()) }
}

impl<'a> Judge<'a> {
    pub(super) fn new(definition: &'a RunDefinition) -> Self {
        Self {
            definition,
            seen: vec![Seen::default(); definition.instances.len()],
            items: Vec::new(),
            lists: Vec::new(),
            list_of: BTreeMap::new(),
            started: false,
            cancels: 0,
            ended: None,
            tripped: BTreeSet::new(),
            bounds: bounds::Kept::default(),
            left: None,
            clock_jumped: false,
        }
    }

    fn instance(&self, ix: InstanceIx) -> &'a Instance {
        let of = self.item(ix).map_or(ix, |(of, _)| of);
        &self.definition.instances[of as usize]
    }

    /// Something that is not over, although its turn has come.
    pub(super) fn open(&self) -> Option<InstanceIx> {
        let mut all = 0..self.seen.len() as InstanceIx;
        all.find(|ix| {
            let may_wait = self.item(*ix).is_some() && self.instance(*ix).repeat.is_some();
            let seen = &self.seen[*ix as usize];
            !seen.state.over() && (seen.begun || !may_wait)
        })
    }

    fn item(&self, ix: InstanceIx) -> Option<(InstanceIx, usize)> {
        let number = (ix as usize).checked_sub(self.definition.instances.len())?;
        self.items.get(number).copied()
    }

    fn at(&self, ix: InstanceIx) -> &Where {
        &self.seen[ix as usize].state
    }

    /// Takes an event in, or says why it should not have happened. `asked_to_reject`: the world said
    /// that this instance cannot be started.
    pub(super) fn see(&mut self, event: &Event, asked_to_reject: &BTreeSet<InstanceIx>) -> Verdict {
        if self.ended.is_some() && !matches!(event.what, What::RetryAsked { .. }) {
            return Err("something happened after the end".to_owned());
        }
        match &event.what {
            What::RunStarted { reuse_only, .. } => {
                ensure(!self.started, || "it started twice".to_owned())?;
                self.started = true;
                self.bounds.begin(event.at);
                reuse_only
                    .iter()
                    .for_each(|ix| self.seen[*ix as usize].reuse_only = true);
            }
            What::AttemptStarted { step, attempt, .. } => self.attempt_started(*step, *attempt, event.at)?,
            What::AttemptSucceeded {
                step,
                attempt,
                outputs,
                ..
            } => {
                self.was_live(*step, *attempt)?;
                self.succeed(*step, outputs.get("out"));
            }
            What::AttemptFailed {
                step,
                attempt,
                failure,
                retry_at,
                ..
            } => {
                self.attempt_failed(*step, *attempt, failure.class, *retry_at)?;
            }
            What::AttemptLost { step, attempt } => {
                self.was_live(*step, *attempt)?;
                ensure(!self.given_up(*step), || {
                    "a cancelled step starts again after a loss".to_owned()
                })?;
                let seen = &mut self.seen[*step as usize];
                seen.losses += 1;
                ensure(seen.losses <= 5, || "a step is lost for ever".to_owned())?;
                seen.state = Where::Open;
            }
            What::StepReused { step, outputs, .. } => {
                if self.started {
                    self.may_begin(*step)?;
                }
                ensure(!self.seen[*step as usize].fresh, || {
                    "a chosen step took an earlier result".to_owned()
                })?;
                self.succeed(*step, outputs.get("out"));
            }
            What::StepSkipped { step, because } => self.skipped(*step, because)?,
            What::StepRejected { step, .. } => {
                let asked = asked_to_reject.contains(step);
                ensure(*self.at(*step) == Where::Open, || {
                    "a step was rejected that had begun".to_owned()
                })?;
                ensure(asked || self.due(*step) == Some(Due::Reject), || {
                    "rejected for no reason".to_owned()
                })?;
                self.fail(*step);
            }
            What::ApprovalAsked { step } => {
                ensure(self.due(*step) == Some(Due::Ask), || {
                    format!("asked instead of {:?}", self.due(*step))
                })?;
                self.seen[*step as usize].state = Where::Asked;
            }
            What::ApprovalGiven {
                step,
                by,
                role,
                approve,
                ..
            } => {
                self.answered(*step, by, role.as_deref(), *approve)?;
            }
            What::ApprovalExpired { step, approve } => {
                ensure(*self.at(*step) == Where::Asked, || {
                    "an approval expired unasked".to_owned()
                })?;
                if *approve {
                    self.approved(*step)
                } else {
                    self.fail(*step)
                }
            }
            What::ItemsKnown { step, first, items } => self.items_known(*step, *first, items.as_ref())?,
            What::ItemsCancelled { step } => {
                ensure(*self.at(*step) == Where::Items && self.given_up(*step), || {
                    "items were cancelled for no reason".to_owned()
                })?;
                if self.instance(*step).repeat.is_some() {
                    self.iteration_cancelled(*step);
                } else {
                    for item in self.items(self.list_of[step]) {
                        if *self.at(item) == Where::Open {
                            self.seen[item as usize].state = Where::Cancelled;
                        }
                    }
                }
            }
            What::RepeatBegan { step, first } => self.repeat_began(*step, *first)?,
            What::IterationDue { step, from } => self.iteration_due(*step, *from, event.at)?,
            What::RepeatEnded { step, end } => self.repeat_ended(*step, end)?,
            What::ItemsEnded { step, counts } => self.items_ended(*step, *counts)?,
            What::CancelAsked { .. } => self.cancels += 1,
            What::SlaBreached { limit, due } => self.breached(*limit, *due, event.at)?,
            What::RunTimedOut { hooks, .. } => self.ran_out_of_time(*hooks, event.at)?,
            What::RunTurnedAway { .. } => return Err("a run that starts was turned away".to_owned()),
            What::StepCancelled { step } => {
                ensure(!self.at(*step).over(), || {
                    "a step was cancelled that was over".to_owned()
                })?;
                ensure(self.given_up(*step), || "cancelled for no reason".to_owned())?;
                self.seen[*step as usize].state = Where::Cancelled;
            }
            What::RetryAsked { select, .. } => {
                self.begin_afresh(select.as_ref())?;
                self.bounds.begin(event.at);
            }
            What::RunEnded { outcome } => {
                let open = self.open();
                ensure(open.is_none(), || format!("it ended before step {open:?}"))?;
                ensure(*outcome == self.outcome(), || {
                    format!("it ended as {outcome:?}, not {:?}", self.outcome())
                })?;
                self.failure_hooks_were_right()?;
                self.everything_late_was_told(event.at)?;
                self.ended = Some(*outcome);
            }
        }
        Ok(())
    }

    fn attempt_started(&mut self, ix: InstanceIx, attempt: u32, at: Timestamp) -> Verdict {
        self.may_begin(ix)?;
        let instance = self.instance(ix);
        let seen = &self.seen[ix as usize];
        ensure(attempt > seen.last_attempt, || {
            format!("attempt {attempt} after {}", seen.last_attempt)
        })?;
        ensure(!seen.reuse_only, || "a step that was not selected ran".to_owned())?;
        let early = seen.retry_at.is_some_and(|until| at < until) && !self.clock_jumped;
        ensure(!early, || "a retry came before its time".to_owned())?;
        self.has_time(ix, at)?;
        let of_items = instance.for_each.as_ref().and_then(|each| each.max_parallel);
        let of_cells = instance.matrix_limits.and_then(|limits| limits.max_parallel);
        if let Some(most) = of_items.or(of_cells) {
            let beside: Vec<InstanceIx> = match self.item(ix) {
                Some((_, list)) if instance.for_each.is_some() => self.items(list),
                Some(_) => {
                    let cells: BTreeSet<InstanceIx> = self.cells(instance).collect();
                    let all =
                        (0..self.seen.len() as InstanceIx).filter_map(|ix| Some((ix, self.item(ix)?.0)));
                    all.filter(|(_, of)| cells.contains(of))
                        .map(|(ix, _)| ix)
                        .collect()
                }
                None => self.cells(instance).collect(),
            };
            let live = beside
                .into_iter()
                .filter(|cell| matches!(self.at(*cell), Where::Live(_)))
                .count();
            ensure(live < most as usize, || {
                format!("{} cells run at once, {most} may", live + 1)
            })?;
        }
        let seen = &mut self.seen[ix as usize];
        (seen.state, seen.last_attempt, seen.retry_at) = (Where::Live(attempt), attempt, None);
        Ok(())
    }

    /// Whether an instance may start or take a result now.
    fn may_begin(&self, ix: InstanceIx) -> Verdict {
        let name = &self.instance(ix).name;
        ensure(self.started, || format!("{name} began before the run"))?;
        ensure(*self.at(ix) == Where::Open, || {
            format!("{name} began while it was {:?}", self.at(ix))
        })?;
        ensure(!self.given_up(ix), || {
            format!("{name} began after it was given up")
        })?;
        match self.item(ix) {
            Some((of, list)) => {
                let current = self.list_of.get(&of) == Some(&list);
                let turn = self.instance(of).repeat.is_none() || self.seen[ix as usize].begun;
                return ensure(current && turn && *self.at(of) == Where::Items, || {
                    format!("an item of {name} began, which is {:?}", self.at(of))
                });
            }
            None => ensure(
                self.instance(ix).for_each.is_none() && self.instance(ix).repeat.is_none(),
                || format!("{name} began instead of its items"),
            )?,
        }
        match self.due(ix) {
            Some(Due::Start) => Ok(()),
            Some(Due::Ask) if self.seen[ix as usize].approved => Ok(()),
            due => Err(format!("{name} began, but was {due:?}")),
        }
    }

    fn was_live(&self, ix: InstanceIx, attempt: u32) -> Verdict {
        ensure(*self.at(ix) == Where::Live(attempt), || {
            format!(
                "a report of attempt {attempt} was believed while {:?}",
                self.at(ix)
            )
        })
    }

    fn attempt_failed(
        &mut self,
        ix: InstanceIx,
        attempt: u32,
        class: FailureClass,
        retry_at: Option<Timestamp>,
    ) -> Verdict {
        self.was_live(ix, attempt)?;
        ensure(!self.given_up(ix), || {
            "a step that was given up failed instead of being cancelled".to_owned()
        })?;
        let policy = &self.instance(ix).retry;
        let seen = &mut self.seen[ix as usize];
        seen.failures += 1;
        seen.workers_lost = if class == FailureClass::WorkerLost {
            seen.workers_lost + 1
        } else {
            0
        };
        let allowed = policy.when.contains(&class) && seen.failures < policy.max_attempts
            || class == FailureClass::WorkerLost && seen.workers_lost < 3;
        match retry_at {
            Some(_) => {
                ensure(allowed, || "it is tried again more often than allowed".to_owned())?;
                seen.losses = 0;
                (seen.state, seen.retry_at) = (Where::Open, retry_at);
            }
            None => {
                ensure(!allowed || seen.losses == 5, || {
                    "it was not tried again".to_owned()
                })?;
                seen.losses = 0;
                self.fail(ix);
            }
        }
        Ok(())
    }

    fn skipped(&mut self, ix: InstanceIx, because: &SkipReason) -> Verdict {
        let name = &self.instance(ix).name;
        ensure(*self.at(ix) == Where::Open, || {
            format!("{name} was skipped after it had begun")
        })?;
        if *because == SkipReason::NotSelected {
            // The judge does not know what was selected; only that nothing else is left out later.
            let seen = &self.seen[ix as usize];
            ensure(seen.last_attempt == 0, || "left out after an attempt".to_owned())?;
        } else {
            let expected = match because {
                SkipReason::Condition => Due::Condition,
                SkipReason::Upstream { .. } => Due::NoData,
                SkipReason::UpstreamFailed { .. } => Due::Blocked,
                SkipReason::NotNeeded => Due::NotNeeded,
                SkipReason::NotSelected => Due::NotSelected,
            };
            ensure(self.due(ix).as_ref() == Some(&expected), || {
                format!("{name} was skipped ({because:?}) but was {:?}", self.due(ix))
            })?;
        }
        self.seen[ix as usize].state = Where::Skipped(because.clone());
        Ok(())
    }

    fn answered(&mut self, ix: InstanceIx, by: &str, role: Option<&str>, approve: bool) -> Verdict {
        ensure(*self.at(ix) == Where::Asked, || {
            "an answer without a question".to_owned()
        })?;
        let Some(rule) = &self.instance(ix).approval else {
            return Err("an answer without a rule".to_owned());
        };
        ensure(
            rule.roles.iter().any(|wanted| Some(wanted.as_str()) == role),
            || "a wrong role".to_owned(),
        )?;
        ensure(!(rule.not_author && by == "ada"), || {
            "the author's answer counted".to_owned()
        })?;
        ensure(self.seen[ix as usize].approvers.insert(by.to_owned()), || {
            "answered twice".to_owned()
        })?;
        if !approve {
            self.fail(ix);
        } else if self.seen[ix as usize].approvers.len() >= rule.min_approvals as usize {
            self.approved(ix);
        }
        Ok(())
    }

    fn approved(&mut self, ix: InstanceIx) {
        match self.instance(ix).runner {
            RunnerKind::Orchestrator => self.succeed(ix, None),
            _ => (self.seen[ix as usize].state, self.seen[ix as usize].approved) = (Where::Open, true),
        }
    }

    fn succeed(&mut self, ix: InstanceIx, out: Option<&OutputValue>) {
        let seen = &mut self.seen[ix as usize];
        (seen.state, seen.fresh) = (Where::Succeeded, false);
        seen.out = match out {
            Some(OutputValue::Value(value)) => value.as_i64(),
            _ => None,
        };
    }

    fn fail(&mut self, ix: InstanceIx) {
        self.seen[ix as usize].state = Where::Failed;
        let instance = self.instance(ix);
        let of_items =
            self.item(ix).is_some() && instance.for_each.as_ref().is_some_and(|each| each.fail_fast);
        if of_items || instance.matrix_limits.is_some_and(|limits| limits.fail_fast) {
            self.tripped.insert(instance.step.to_string());
        }
    }

    fn cells(&self, of: &'a Instance) -> impl Iterator<Item = InstanceIx> {
        (0..)
            .zip(&self.definition.instances)
            .filter(|(_, other)| other.step == of.step)
            .map(|(ix, _)| ix)
    }

    fn given_up(&self, ix: InstanceIx) -> bool {
        let instance = self.instance(ix);
        self.cancels > u32::from(instance.hook.is_some()) || self.tripped.contains(instance.step.as_str())
    }

    /// By the rules, in the words of the specification; nothing while something above is not over.
    fn due(&self, ix: InstanceIx) -> Option<Due> {
        let instance = self.instance(ix);
        let over = |ix: InstanceIx| self.at(ix).over();
        if !instance.upstream.iter().all(|edge| over(edge.instance)) {
            return None;
        }
        match instance.hook {
            Some(Hook::OnFailure(target)) if !over(target) => return None,
            Some(Hook::OnFailure(target)) if *self.at(target) != Where::Failed => {
                return Some(Due::NotNeeded);
            }
            Some(Hook::RunFailed) => {
                let mut all = (0..).zip(&self.definition.instances);
                let goes_ahead = |hook: Option<Hook>| matches!(hook, None | Some(Hook::OnFailure(_)));
                if all.any(|(ix, other)| goes_ahead(other.hook) && !over(ix)) {
                    return None;
                }
                if !self.a_step_failed_the_run() {
                    return Some(Due::NotNeeded);
                }
            }
            Some(Hook::Finally) => {
                let all = (0..).zip(&self.definition.instances);
                let mut before = all.filter(|(_, other)| other.hook != Some(Hook::Finally));
                if !before.all(|(ix, _)| over(ix)) {
                    return None;
                }
            }
            _ => {}
        }
        let above: BTreeMap<InstanceIx, &Instance> = instance
            .upstream
            .iter()
            .map(|edge| (edge.instance, self.instance(edge.instance)))
            .collect();
        let is_hook = instance.hook.is_some();
        // What has not failed of a list that may fail can be collected.
        let has_data = |ix: &InstanceIx| {
            let some = |list: &usize| {
                self.items(*list)
                    .iter()
                    .any(|item| *self.at(*item) == Where::Succeeded)
            };
            let step = self.instance(*ix);
            let may_fail =
                step.for_each.is_some() && step.continue_on_error && *self.at(*ix) == Where::Failed;
            let may_fail = may_fail && self.seen[*ix as usize].has_items;
            *self.at(*ix) == Where::Succeeded || may_fail && self.list_of.get(ix).is_some_and(some)
        };
        let blocks = |(ix, above): (&InstanceIx, &&Instance)| match self.at(*ix) {
            Where::Failed | Where::Cancelled => !above.continue_on_error,
            Where::Skipped(because) => matches!(because, SkipReason::UpstreamFailed { .. }),
            _ => false,
        };
        if !is_hook && above.iter().any(blocks) {
            let reuse_only = self.seen[ix as usize].reuse_only;
            return Some(if reuse_only {
                Due::NotSelected
            } else {
                Due::Blocked
            });
        }
        let left_out = |ix: &InstanceIx| *self.at(*ix) == Where::Skipped(SkipReason::NotSelected);
        if !is_hook && above.keys().any(left_out) {
            return Some(if self.seen[ix as usize].reuse_only {
                Due::NotSelected
            } else {
                Due::Reject
            });
        }
        let empty = |input: &BoundInput| match input {
            BoundInput::Output { instance, .. } => !has_data(instance),
            BoundInput::Collected { instances, .. } => !instances.iter().any(has_data),
            _ => false,
        };
        if instance.inputs.values().any(empty) {
            return Some(if self.seen[ix as usize].reuse_only {
                Due::NotSelected
            } else {
                Due::NoData
            });
        }
        match &instance.condition {
            Condition::Always => {}
            Condition::Never(_) => return Some(Due::Condition),
            Condition::When(text) => match self.condition(text) {
                Some(true) => {}
                Some(false) => return Some(Due::Condition),
                None => return Some(Due::Reject),
            },
        }
        if instance
            .for_each
            .as_ref()
            .is_some_and(|each| self.list(each).is_none())
        {
            return Some(Due::Reject);
        }
        Some(if instance.approval.is_some() {
            Due::Ask
        } else {
            Due::Start
        })
    }

    /// The value of one of the conditions that random pipelines have; none: it has none.
    fn condition(&self, text: &str) -> Option<bool> {
        let of = text.strip_prefix("steps.")?.split('.').next()?;
        let ix = (0..)
            .zip(&self.definition.instances)
            .find(|(_, i)| i.step.as_str() == of)?
            .0;
        let succeeded = *self.at(ix) == Where::Succeeded;
        if text.ends_with("status == 'succeeded'") {
            Some(succeeded)
        } else if text.ends_with("status != 'succeeded'") {
            Some(!succeeded)
        } else {
            self.seen[ix as usize]
                .out
                .filter(|_| succeeded)
                .map(|out| out >= 5)
        }
    }

    /// Seen from the end: whoever asked to be called when the run fails was called, or skipped, and
    /// not by mistake. Only a second cancel keeps them from it.
    fn failure_hooks_were_right(&self) -> Verdict {
        let all = self.seen.iter().zip(&self.definition.instances);
        for (seen, hook) in all.filter(|(_, instance)| instance.hook == Some(Hook::RunFailed)) {
            let was_left_out = seen.state == Where::Skipped(SkipReason::NotNeeded);
            let right = match seen.state {
                Where::Cancelled => self.cancels > 1,
                _ => was_left_out != self.a_step_failed_the_run(),
            };
            ensure(right, || {
                format!("{} of a failed run was {:?} in the end", hook.name, seen.state)
            })?;
        }
        Ok(())
    }

    /// A step of the graph has failed that was not allowed to.
    fn a_step_failed_the_run(&self) -> bool {
        let mut all = self.seen.iter().zip(&self.definition.instances);
        all.any(|(seen, step)| seen.state == Where::Failed && step.hook.is_none() && !step.continue_on_error)
            || self.bounds.ended_steps
                && self.is_cut_short(|hook| !matches!(hook, Some(Hook::RunFailed | Hook::Finally)))
            || self.left == Some(RunOutcome::Failed)
    }

    fn outcome(&self) -> RunOutcome {
        let all = || self.seen.iter().zip(&self.definition.instances);
        let failed_at_the_end = |(seen, instance): (&Seen, &Instance)| {
            let last = instance.hook == Some(Hook::Finally);
            seen.state == Where::Failed && last && !instance.continue_on_error
        };
        let cut_short = self.bounds.ran_out && self.is_cut_short(|_| true);
        if self.a_step_failed_the_run() || cut_short || all().any(failed_at_the_end) {
            RunOutcome::Failed
        } else if self.cancels > 0 && (!self.started || all().any(|(seen, _)| seen.state == Where::Cancelled))
            || self.left.is_some()
        {
            RunOutcome::Cancelled
        } else {
            RunOutcome::Succeeded
        }
    }

    /// Whether the run's own view of its steps is the judge's.
    pub(super) fn agrees(&self, run: &Run) -> Verdict {
        for (ix, state) in run.steps() {
            let same = match (self.at(ix), state) {
                (Where::Open, StepState::Waiting | StepState::Ready | StepState::Retrying { .. }) => true,
                (Where::Asked, StepState::AwaitingApproval { .. }) => true,
                (Where::Items, StepState::Items { .. }) => true,
                (Where::Live(attempt), StepState::Running { attempt: live, .. }) => attempt == live,
                (Where::Succeeded, StepState::Succeeded { .. }) => true,
                (Where::Failed, StepState::Failed { .. }) => true,
                (Where::Skipped(because), StepState::Skipped { because: why }) => because == why,
                (Where::Cancelled, StepState::Cancelled) => true,
                _ => false,
            };
            ensure(same, || {
                format!(
                    "{} is {}, the judge has {:?}",
                    self.instance(ix).name,
                    state.word(),
                    self.at(ix)
                )
            })?;
        }
        Ok(())
    }
}
