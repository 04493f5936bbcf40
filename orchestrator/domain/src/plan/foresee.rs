//! The run played through: what becomes of each instance, upstream first.
//!
//! What is known is put into a run that never starts: reused results and certain skips. Expressions
//! and reuse keys are then evaluated against it by the very code that a real run uses.

use super::reason::Reason;
use super::{Missed, PlanFacts, PlannedInstance, Preparation, Verdict};
use crate::run::mentions::Mentions;
use crate::run::{
    BoundInput, Condition, Event, ForEach, Hook, Instance, InstanceIx, InvalidDefinition, Run, RunContext,
    RunDefinition, RunnerKind, SkipReason, StepState, What, context,
};
use indexmap::IndexSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trainyard_contract::{RunId, Timestamp};

/// All that was foreseen.
#[derive(Debug)]
pub(super) struct Foreseen {
    /// By index; hooks that run only on a failure have none.
    pub(super) instances: Vec<Option<PlannedInstance>>,
    pub(super) on_failure: Vec<(String, String)>,
    pub(super) on_run_failure: Vec<String>,
    /// Upstream before downstream.
    pub(super) order: Vec<InstanceIx>,
}

/// What an instance means for those below it.
#[derive(Clone, Copy, Debug, Default)]
struct Outlook {
    /// Its state in the hypothetical run is what it will be.
    known: bool,
    /// It may end without data.
    may_skip: bool,
    /// It may keep everything below from running.
    may_block: bool,
    /// It fails, or is kept from running by one that does.
    blocked_by: Option<InstanceIx>,
    not_selected: bool,
}

pub(super) struct Foresight<'a> {
    definition: Arc<RunDefinition>,
    previous: Option<&'a Run>,
    /// Instances of the previous run by name.
    before: BTreeMap<&'a str, InstanceIx>,
    select: Option<&'a BTreeSet<InstanceIx>>,
    facts: &'a mut dyn PlanFacts,
    /// Never started; holds what is known.
    run: Run,
    outlook: Vec<Outlook>,
    instances: Vec<Option<PlannedInstance>>,
    on_failure: BTreeMap<InstanceIx, (String, String)>,
    on_run_failure: BTreeMap<InstanceIx, String>,
}

/// One instance's fate before it is written down.
struct Fate {
    verdict: Verdict,
    reasons: Vec<Reason>,
    outlook: Outlook,
    known: Option<What>,
    key: Option<trainyard_contract::ContentHash>,
    from: Option<RunId>,
}

impl Fate {
    fn new(verdict: Verdict, reasons: Vec<Reason>) -> Self {
        Self {
            verdict,
            reasons,
            outlook: Outlook::default(),
            known: None,
            key: None,
            from: None,
        }
    }

    fn skipped(step: InstanceIx, because: SkipReason, reason: Reason) -> Self {
        let known = Some(What::StepSkipped { step, because });
        Self {
            known,
            ..Self::new(Verdict::Skipped, vec![reason])
        }
    }
}

impl<'a> Foresight<'a> {
    pub(super) fn new(
        definition: Arc<RunDefinition>,
        previous: Option<&'a Run>,
        select: Option<&'a BTreeSet<InstanceIx>>,
        facts: &'a mut dyn PlanFacts,
    ) -> Result<Self, InvalidDefinition> {
        let count = definition.instances.len();
        let of_before = previous
            .into_iter()
            .flat_map(|run| (0..).zip(&run.definition().instances));
        Ok(Self {
            before: of_before
                .map(|(ix, instance)| (instance.name.as_str(), ix))
                .collect(),
            run: Run::new(RunId::from_parts(0, [0; 10]), definition.clone())?,
            definition,
            previous,
            select,
            facts,
            outlook: vec![Outlook::default(); count],
            instances: vec![None; count],
            on_failure: BTreeMap::new(),
            on_run_failure: BTreeMap::new(),
        })
    }

    pub(super) fn look_ahead(mut self) -> Foreseen {
        let definition = self.definition.clone();
        let order = self.run.in_order().to_vec();
        let needed = self.needed();
        let (last, first): (Vec<InstanceIx>, Vec<InstanceIx>) = order
            .iter()
            .partition(|ix| definition.instances[**ix as usize].hook == Some(Hook::Finally));
        for ix in first.into_iter().chain(last) {
            let instance = &definition.instances[ix as usize];
            match instance.hook {
                Some(Hook::OnFailure(target)) => {
                    let target = &definition.instances[target as usize].name;
                    self.on_failure
                        .insert(ix, (instance.name.clone(), target.clone()));
                    continue;
                }
                Some(Hook::RunFailed) => {
                    self.on_run_failure.insert(ix, instance.name.clone());
                    continue;
                }
                Some(Hook::Finally) | None => {}
            }
            let mut fate = self.fate(ix, instance, &needed);
            fate.outlook.known = fate.known.is_some();
            if fate.verdict == Verdict::Fails && instance.may_fail() {
                (fate.outlook.blocked_by, fate.outlook.may_skip) = (None, true);
            }
            if let Some(what) = fate.known {
                self.run.apply(&Event {
                    at: Timestamp(0),
                    what,
                });
            }
            self.outlook[ix as usize] = fate.outlook;
            self.instances[ix as usize] = Some(PlannedInstance {
                instance: instance.name.clone(),
                verdict: fate.verdict,
                reasons: fate.reasons,
                key: fate.key,
                from: fate.from,
            });
        }
        Foreseen {
            instances: self.instances,
            on_failure: self.on_failure.into_values().collect(),
            on_run_failure: self.on_run_failure.into_values().collect(),
            order,
        }
    }

    /// What a selection needs: may take earlier results, may not run.
    fn needed(&self) -> BTreeSet<InstanceIx> {
        let mut needed = BTreeSet::new();
        let mut left: Vec<InstanceIx> = self.select.into_iter().flatten().copied().collect();
        while let Some(ix) = left.pop() {
            let above = self
                .definition
                .instances
                .get(ix as usize)
                .map(|i| i.upstream.as_slice());
            let above = above.unwrap_or_default().iter().map(|edge| edge.instance);
            left.extend(above.filter(|ix| !self.is_selected(*ix) && needed.insert(*ix)));
        }
        needed
    }

    fn is_selected(&self, ix: InstanceIx) -> bool {
        self.select.is_none_or(|select| select.contains(&ix))
    }

    fn fate(&mut self, ix: InstanceIx, instance: &Instance, needed: &BTreeSet<InstanceIx>) -> Fate {
        let reuse_only = needed.contains(&ix);
        if instance.hook.is_none() && !self.is_selected(ix) && !reuse_only {
            return not_selected(ix);
        }
        if let Some(fate) = self.kept_from_running(ix, instance) {
            return if reuse_only { not_selected(ix) } else { fate };
        }
        let mut outlook = Outlook::default();
        let mut reasons = Vec::new();
        match self.condition(ix, instance) {
            Ok(None) => {}
            Ok(Some(reason @ Reason::If { .. })) => {
                outlook.may_skip = true;
                reasons.push(reason);
            }
            Ok(Some(reason)) => return Fate::skipped(ix, SkipReason::Condition, reason),
            Err(message) => return fails(ix, Reason::CannotStart { message }),
        }
        self.look_upstream(instance, &mut outlook, &mut reasons);
        if let Some(rule) = &instance.approval {
            outlook.may_block = true;
            reasons.push(Reason::WaitsForApproval {
                roles: rule.roles.clone(),
                min_approvals: rule.min_approvals,
                not_author: rule.not_author,
                expires: rule.expires,
            });
        }
        let open = outlook.may_skip || outlook.may_block;
        let is_gate = instance.approval.is_some() && instance.runner == RunnerKind::Orchestrator;
        let mut fate = if is_gate {
            Fate::new(Verdict::Run, Vec::new())
        } else if self.waits_for_results(instance) {
            let mut own = self.own_reasons(instance);
            // Said already by what it depends on, or by its having no past at all.
            let is_said = |reason: &Reason| matches!(reason, Reason::NeverRan | Reason::DependsOn { .. });
            if !own.iter().chain(&reasons).any(is_said) {
                own.insert(0, Reason::Upstream);
            }
            Fate::new(Verdict::Run, own)
        } else if let Some(repeat) = &instance.repeat {
            let mut reasons = vec![Reason::Repeat {
                most: repeat.max_iterations,
            }];
            reasons.extend(self.own_reasons(instance));
            Fate::new(Verdict::Run, reasons)
        } else if let Some(each) = &instance.for_each {
            self.listed(ix, instance, each)
        } else {
            self.prepared(ix, instance, open)
        };
        if reuse_only && (open || fate.verdict != Verdict::Reused) {
            return not_selected(ix);
        }
        if fate.verdict == Verdict::Fails {
            fate.outlook.blocked_by = Some(ix);
        } else if open {
            (fate.verdict, fate.known) = (Verdict::Maybe, None);
            fate.outlook = outlook;
        }
        reasons.append(&mut fate.reasons);
        if instance.hook == Some(Hook::Finally) && fate.verdict >= Verdict::Maybe {
            reasons.insert(0, Reason::AtTheEnd);
        }
        Fate { reasons, ..fate }
    }

    /// Certain ends: something above fails, was left out, or has no data.
    fn kept_from_running(&self, ix: InstanceIx, instance: &Instance) -> Option<Fate> {
        let name = |ix: InstanceIx| self.definition.instances[ix as usize].name.clone();
        let above = || {
            instance
                .upstream
                .iter()
                .map(|edge| (edge, self.outlook[edge.instance as usize]))
        };
        let is_hook = instance.hook.is_some();
        if let Some(root) = above()
            .find_map(|(_, outlook)| outlook.blocked_by)
            .filter(|_| !is_hook)
        {
            let because = SkipReason::UpstreamFailed { step: root };
            let mut fate = Fate::skipped(ix, because, Reason::After { step: name(root) });
            fate.outlook.blocked_by = Some(root);
            return Some(fate);
        }
        if let Some((edge, _)) = above().find(|(_, outlook)| outlook.not_selected && !is_hook) {
            let message = format!(
                "needs {}, which is not selected and has no earlier result",
                name(edge.instance)
            );
            return Some(fails(ix, Reason::CannotStart { message }));
        }
        let without = |source: &InstanceIx| matches!(self.run.step(*source), StepState::Skipped { .. });
        let of_input = instance.inputs.values().find_map(|input| match input {
            BoundInput::Output { instance, .. } => Some(*instance).filter(without),
            BoundInput::Collected { instances, .. } if instances.iter().all(without) => {
                instances.first().copied()
            }
            _ => None,
        });
        let of_list = || {
            let listed = Mentions::in_list(instance);
            let mut above = instance.upstream.iter().map(|edge| edge.instance);
            above.find(|ix| {
                without(ix) && listed.contains(self.definition.instances[*ix as usize].step.as_str())
            })
        };
        let empty = of_input.or_else(of_list)?;
        let because = SkipReason::Upstream { step: empty };
        Some(Fate::skipped(ix, because, Reason::NoData { step: name(empty) }))
    }

    /// `If` where it is open, `Unless` where it is false, nothing where it holds.
    fn condition(&self, ix: InstanceIx, instance: &Instance) -> Result<Option<Reason>, String> {
        match &instance.condition {
            Condition::Always => Ok(None),
            Condition::Never(text) => Ok(Some(Reason::Unless {
                condition: text.clone(),
            })),
            Condition::When(text) => {
                let condition = text.clone();
                if self.speaks_of_unknown(instance, &Mentions::in_condition(instance)) {
                    return Ok(Some(Reason::If { condition }));
                }
                match context::holds(text, &RunContext::new(&self.run, ix)) {
                    Ok(true) => Ok(None),
                    Ok(false) => Ok(Some(Reason::Unless { condition })),
                    Err(failure) => Err(failure.message),
                }
            }
        }
    }

    fn look_upstream(&self, instance: &Instance, outlook: &mut Outlook, reasons: &mut Vec<Reason>) {
        if instance.hook.is_some() {
            return;
        }
        let mut steps: IndexSet<String> = IndexSet::new();
        let mut depends_on =
            |ix: InstanceIx| steps.insert(self.definition.instances[ix as usize].step.to_string());
        for edge in &instance.upstream {
            if self.outlook[edge.instance as usize].may_block {
                outlook.may_block = true;
                depends_on(edge.instance);
            }
        }
        for input in instance.inputs.values() {
            let may_skip = |ix: &InstanceIx| self.outlook[*ix as usize].may_skip;
            let open = match input {
                BoundInput::Output { instance, .. } => Some(*instance).filter(may_skip),
                // One cell that may drop out leaves the others.
                BoundInput::Collected { instances, .. } if instances.iter().all(may_skip) => {
                    instances.first().copied()
                }
                _ => None,
            };
            if let Some(ix) = open {
                outlook.may_skip = true;
                depends_on(ix);
            }
        }
        if !steps.is_empty() {
            reasons.push(Reason::DependsOn {
                steps: steps.into_iter().collect(),
            });
        }
    }

    /// Whether it takes something that this run will make.
    fn waits_for_results(&self, instance: &Instance) -> bool {
        let unknown = |ix: &InstanceIx| !self.outlook[*ix as usize].known;
        let by_input = instance.inputs.values().any(|input| match input {
            BoundInput::Output { instance, .. } => unknown(instance),
            BoundInput::Collected { instances, .. } => instances.iter().any(unknown),
            BoundInput::Dataset(_) | BoundInput::Registry { .. } | BoundInput::Features(_) => false,
        });
        by_input
            || self.speaks_of_unknown(instance, &Mentions::in_parameters(instance))
            || self.speaks_of_unknown(instance, &Mentions::in_list(instance))
    }

    fn speaks_of_unknown(&self, instance: &Instance, mentions: &Mentions) -> bool {
        instance.upstream.iter().any(|edge| {
            let above = &self.definition.instances[edge.instance as usize];
            !self.outlook[edge.instance as usize].known && mentions.contains(above.step.as_str())
        })
    }

    /// A step for each item of a list that is known; which items have an earlier result is asked when
    /// they begin.
    fn listed(&mut self, ix: InstanceIx, instance: &Instance, each: &ForEach) -> Fate {
        match self.run.list(ix, each) {
            Ok(list) => {
                let mut reasons = vec![Reason::ForEach { items: list.len() }];
                reasons.extend(self.own_reasons(instance));
                Fate::new(Verdict::Run, reasons)
            }
            Err(failure) => fails(
                ix,
                Reason::CannotStart {
                    message: failure.message,
                },
            ),
        }
    }

    /// Everything that takes part is known, so the world can be asked.
    fn prepared(&mut self, ix: InstanceIx, instance: &Instance, open: bool) -> Fate {
        match self.facts.prepare(&self.run, ix) {
            Preparation::Reuse {
                key,
                from,
                outputs,
                metrics,
                headline,
            } => {
                let what = What::StepReused {
                    step: ix,
                    key,
                    from: from.clone(),
                    outputs,
                    metrics,
                    headline,
                };
                Fate {
                    known: (!open).then_some(what),
                    key: Some(key),
                    from: Some(from),
                    ..Fate::new(Verdict::Reused, vec![Reason::SameKey])
                }
            }
            Preparation::Run { key, missed } => {
                let mut reasons: Vec<Reason> = missed.map(Reason::from).into_iter().collect();
                reasons.extend(self.own_reasons(instance));
                if reasons.is_empty() {
                    reasons.push(Reason::NoEarlierResult);
                }
                Fate {
                    key,
                    ..Fate::new(Verdict::Run, reasons)
                }
            }
            Preparation::Reject(failure) => fails(
                ix,
                Reason::CannotStart {
                    message: failure.message,
                },
            ),
        }
    }

    fn own_reasons(&mut self, instance: &Instance) -> Vec<Reason> {
        let before = self.before.get(instance.name.as_str()).copied();
        super::reason::own(
            &self.definition,
            &self.run,
            instance,
            self.previous.zip(before),
            self.facts,
        )
    }
}

fn not_selected(ix: InstanceIx) -> Fate {
    let mut fate = Fate::skipped(ix, SkipReason::NotSelected, Reason::NotSelected);
    fate.outlook.not_selected = true;
    fate
}

fn fails(ix: InstanceIx, reason: Reason) -> Fate {
    let mut fate = Fate::new(Verdict::Fails, vec![reason]);
    fate.outlook.blocked_by = Some(ix);
    fate
}

impl From<Missed> for Reason {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Expired => Self::Expired,
            Missed::Gone => Self::ResultGone,
            Missed::SwitchedOff => Self::ReuseSwitchedOff,
        }
    }
}
