//! What becomes of an instance once everything it waits for is over.

use super::context::RunContext;
use super::definition::{BoundInput, Condition, Hook, Instance, InstanceIx};
use super::event::{RepeatEnd, SkipReason};
use super::planted::Fault;
use super::state::StepState;
use super::{Run, context};
use serde_json::Value;
use std::collections::BTreeSet;
use trainyard_contract::FailureClass;
use trainyard_contract::task::Failure;

/// The answer of [`Run::judge`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// It may be launched.
    Start,
    /// Its list is known; each item may be launched.
    FanOut(Vec<Value>),
    /// Its items are over.
    Gather,
    /// It repeats.
    Repeat,
    /// The iteration that is next.
    Iterate(InstanceIx),
    /// Its iterations are over.
    EndRepeat(RepeatEnd),
    /// People are to be asked first.
    Ask,
    Skip(SkipReason),
    Reject(Failure),
    /// Not a judgement: its run, or its matrix, is being given up.
    Cancel,
}

/// What an instance that is over means for those below it.
enum Passage {
    /// It has what it was to make.
    Open,
    /// Order is satisfied, data there is none: skipped, or failed and allowed to.
    NoData,
    /// Nothing below may run; the step where it began.
    Blocked(InstanceIx),
    /// Left out by `--select`, and no earlier result was taken for it.
    NotSelected,
}

impl Run {
    /// Blocked beats everything, so that a step skipped by its own condition does not open the way
    /// past a gate that failed above it; missing data beats the condition, which may speak of it.
    pub(super) fn judge(&self, ix: InstanceIx) -> Verdict {
        let Some(instance) = self.instance(ix) else {
            return Verdict::Start;
        };
        let is_needed = match instance.hook {
            Some(Hook::OnFailure(target)) => matches!(self.step(target), StepState::Failed { .. }),
            Some(Hook::RunFailed) => self.has_failed() || self.has(Fault::FailureHookUnasked),
            Some(Hook::Finally) | None => true,
        };
        if !is_needed {
            return Verdict::Skip(SkipReason::NotNeeded);
        }
        let reuse_only = self.tallies[ix as usize].reuse_only;
        match self.look_upstream(instance) {
            Err(_) if reuse_only => return Verdict::Skip(SkipReason::NotSelected),
            Err(verdict) => return verdict,
            Ok(()) => {}
        }
        let holds = match &instance.condition {
            Condition::Always => Ok(true),
            Condition::Never(_) => Ok(false),
            Condition::When(text) => context::holds(text, &RunContext::new(self, ix)),
        };
        match holds {
            Err(failure) => Verdict::Reject(failure),
            Ok(false) if !self.has(Fault::RunFalseCondition) => Verdict::Skip(SkipReason::Condition),
            _ if instance.approval.is_none() => match &instance.for_each {
                None if instance.repeat.is_some() => Verdict::Repeat,
                None => Verdict::Start,
                Some(each) => self.judge_list(ix, each),
            },
            // An earlier approval does not count for another run.
            _ if reuse_only => Verdict::Skip(SkipReason::NotSelected),
            _ => Verdict::Ask,
        }
    }

    fn look_upstream(&self, instance: &Instance) -> Result<(), Verdict> {
        let is_hook = instance.hook.is_some();
        let mut collected = None;
        let mut without_data = None;
        let mut not_selected = None;
        for edge in &instance.upstream {
            match self.passage(edge.instance, instance) {
                Passage::Open => continue,
                Passage::Blocked(root) if !is_hook => {
                    return Err(Verdict::Skip(SkipReason::UpstreamFailed { step: root }));
                }
                Passage::NotSelected if !is_hook => {
                    not_selected.get_or_insert(edge.instance);
                }
                _ => {}
            }
            if edge.data && without_data.is_none() {
                let dropping_out = collected.get_or_insert_with(|| only_collected(instance));
                without_data = (!dropping_out.contains(&edge.instance)).then_some(edge.instance);
            }
        }
        if let Some(missing) = not_selected {
            let name = self
                .instance(missing)
                .map_or("?", |instance| instance.name.as_str());
            let failure = Failure {
                help: Some(format!("select it as well: `--select +{}`", instance.step)),
                ..Failure::new(
                    FailureClass::Rejected,
                    format!("it needs `{name}`, which was not selected and has no earlier result to take"),
                )
            };
            return Err(Verdict::Reject(failure));
        }
        for input in instance.inputs.values() {
            if let BoundInput::Collected { instances: cells, .. } = input
                && let Some(first) = cells.first()
                && !cells
                    .iter()
                    .any(|cell| matches!(self.passage(*cell, instance), Passage::Open))
            {
                without_data.get_or_insert(*first);
            }
        }
        match without_data {
            Some(step) if !self.has(Fault::ForgetSkippedData) => {
                Err(Verdict::Skip(SkipReason::Upstream { step }))
            }
            _ => Ok(()),
        }
    }

    fn has_results(&self, ix: InstanceIx) -> bool {
        let is_listed = self.instance(ix).is_some_and(|step| step.for_each.is_some());
        is_listed
            && self
                .items_of(ix)
                .is_some_and(|items| items.counts().succeeded > 0)
    }

    /// Whether an instance that is over keeps one that needs it from running.
    pub(super) fn closes(&self, ix: InstanceIx, below: InstanceIx) -> bool {
        let passage = self.instance(below).map(|below| self.passage(ix, below));
        matches!(passage, Some(Passage::Blocked(_) | Passage::NotSelected))
    }

    /// What an instance that is over means for `below`.
    fn passage(&self, ix: InstanceIx, below: &Instance) -> Passage {
        let above = self.instance(ix);
        // A use whose failure is tolerated, seen from outside of it.
        let use_of_above = above
            .and_then(|above| above.tolerated_by.as_deref())
            .filter(|using| !below.is_within(using));
        let may_fail = use_of_above.is_some() || above.is_some_and(|above| above.continue_on_error);
        let began_in_use = |root: InstanceIx| {
            let root = self.instance(root);
            use_of_above.is_some_and(|using| root.is_some_and(|root| root.is_within(using)))
        };
        match self.step(ix) {
            StepState::Succeeded { .. } => Passage::Open,
            StepState::Skipped {
                because: SkipReason::UpstreamFailed { .. },
            }
            | StepState::Failed { .. }
                if self.has(Fault::ForgetFailedUpstream) =>
            {
                Passage::Open
            }
            StepState::Skipped {
                because: SkipReason::UpstreamFailed { step },
            } if began_in_use(*step) => Passage::NoData,
            StepState::Skipped {
                because: SkipReason::UpstreamFailed { step },
            } => Passage::Blocked(*step),
            StepState::Skipped {
                because: SkipReason::NotSelected,
            } => Passage::NotSelected,
            StepState::Skipped { .. } if self.has(Fault::SkipBlocksOrder) => Passage::Blocked(ix),
            StepState::Skipped { .. } => Passage::NoData,
            // What did not fail of a list can be collected.
            StepState::Failed { .. } if may_fail && self.has_results(ix) => Passage::Open,
            StepState::Failed { .. } | StepState::Cancelled if may_fail => Passage::NoData,
            state if self.has(Fault::StartBeforeNeeds) && !state.is_final() => Passage::Open,
            _ => Passage::Blocked(ix),
        }
    }
}

/// Cells that an instance takes as part of a whole matrix and in no other way: one of these without
/// a result drops out.
fn only_collected(instance: &Instance) -> BTreeSet<InstanceIx> {
    let mut cells = BTreeSet::new();
    for input in instance.inputs.values() {
        if let BoundInput::Collected { instances, .. } = input {
            cells.extend(instances.iter().copied());
        }
    }
    for input in instance.inputs.values() {
        if let BoundInput::Output { instance, .. } = input {
            cells.remove(instance);
        }
    }
    cells
}
