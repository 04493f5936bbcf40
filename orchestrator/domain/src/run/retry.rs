//! An ended run that goes on: what runs again, and why.

use super::definition::{Hook, Instance, InstanceIx};
use super::event::{RunOutcome, SkipReason};
use super::items::Items;
use super::planted::Fault;
use super::stage::{Open, Stage};
use super::state::StepState;
use super::{Cancel, Run, Tally};
use std::collections::BTreeSet;

/// Why an instance runs again, or is judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It failed, was cancelled or blocked, or was skipped on account of one that did.
    Unfinished,
    /// It was chosen: all of it runs, and takes no earlier result.
    Chosen,
    /// So many of its items or iterations were chosen; the others stay as they are.
    ItemsChosen(u32),
    /// It depends on one that runs again.
    Below(InstanceIx),
    /// A hook of the whole run.
    RunHook,
}

impl Run {
    /// What a retry would run again, by instance of the definition. Without a choice what failed, was
    /// cancelled or was blocked, what was skipped because of them or on account of what they made of its
    /// condition, and their hooks; with one exactly what was chosen and what depends on it. Hooks of the
    /// whole run are judged again if anything else is.
    pub fn to_run_again(&self, chosen: Option<&BTreeSet<InstanceIx>>) -> Vec<Option<Again>> {
        let mut again = vec![None; self.definition.instances.len()];
        for &ix in &self.graph.order {
            if let Some(instance) = self.instance(ix) {
                again[ix as usize] = match chosen {
                    None => self.is_unfinished(ix, instance, &again),
                    Some(chosen) => self.is_chosen(ix, instance, chosen, &again),
                };
            }
        }
        if again.iter().any(Option::is_some) {
            let kept = |hook: &InstanceIx| {
                let hook = self.instance(*hook).and_then(|instance| instance.hook);
                self.has(Fault::FailureHookKept) && hook == Some(Hook::RunFailed)
            };
            let hooks = self.graph.run_hooks.iter().filter(|hook| !kept(hook));
            hooks.for_each(|hook| {
                again[*hook as usize].get_or_insert(Again::RunHook);
            });
        }
        again
    }

    fn is_unfinished(&self, ix: InstanceIx, instance: &Instance, again: &[Option<Again>]) -> Option<Again> {
        let runs = |ix: InstanceIx| again[ix as usize].is_some();
        let ended_badly = match self.step(ix) {
            StepState::Failed { .. } | StepState::Cancelled => true,
            StepState::Skipped { because } => match because {
                SkipReason::UpstreamFailed { .. } => true,
                SkipReason::NotSelected => false,
                _ => instance.upstream.iter().any(|edge| runs(edge.instance)),
            },
            _ => false,
        };
        let hooked = matches!(instance.hook, Some(Hook::OnFailure(target)) if runs(target));
        (hooked || ended_badly).then_some(Again::Unfinished)
    }

    fn is_chosen(
        &self,
        ix: InstanceIx,
        instance: &Instance,
        chosen: &BTreeSet<InstanceIx>,
        again: &[Option<Again>],
    ) -> Option<Again> {
        let forgotten = self.has(Fault::ForgetChosen) && matches!(self.step(ix), StepState::Succeeded { .. });
        if chosen.contains(&ix) && !forgotten {
            return Some(Again::Chosen);
        }
        let target = match instance.hook {
            Some(Hook::OnFailure(target)) => Some(target),
            _ => None,
        };
        let left_out = SkipReason::NotSelected;
        let is_left_out = matches!(self.step(ix), StepState::Skipped { because } if *because == left_out);
        let above = instance.upstream.iter().map(|edge| edge.instance).chain(target);
        let above = above.filter(|_| !is_left_out && !self.has(Fault::ForgetBelowChosen));
        let below = { above }.find(|above| again[*above as usize].is_some());
        if let Some(above) = below {
            return Some(Again::Below(above));
        }
        match self.chosen_items(ix, chosen).count() as u32 {
            0 if self.has(Fault::RunUnchosen) => self.is_unfinished(ix, instance, again),
            0 => None,
            count => Some(Again::ItemsChosen(count)),
        }
    }

    fn chosen_items<'a>(
        &self,
        of: InstanceIx,
        chosen: &'a BTreeSet<InstanceIx>,
    ) -> impl Iterator<Item = InstanceIx> + use<'a> {
        let items = self.last_items(of).map_or(0..0, Items::instances);
        chosen.range(items).copied()
    }

    /// What the last retry was told to run again; none: it was told nothing, or there was none.
    pub fn chosen(&self) -> Option<&BTreeSet<InstanceIx>> {
        self.chosen.as_ref()
    }

    /// What a choice is of and how much depends on it, in words: `` `train` and 2 that depend on it ``.
    pub fn choice_in_words(&self, chosen: &BTreeSet<InstanceIx>) -> String {
        const NAMED: usize = 5;
        let names = chosen.iter().map(|ix| format!("`{}`", self.name(*ix)));
        let mut names: Vec<String> = names.take(NAMED).collect();
        if let more @ 1.. = chosen.len().saturating_sub(NAMED) {
            names.push(format!("{more} more"));
        }
        let again = self.to_run_again(Some(chosen));
        let below = again
            .iter()
            .filter(|again| matches!(again, Some(Again::Below(_))));
        let names = names.join(", ");
        match below.count() {
            0 => names,
            1 => format!("{names} and one step that depends on it"),
            count => format!("{names} and {count} steps that depend on it"),
        }
    }

    /// Whether an instance was chosen to run again and has not succeeded since: then no earlier result will do.
    pub fn takes_no_earlier_result(&self, ix: InstanceIx) -> bool {
        self.tallies.get(ix as usize).is_some_and(|tally| tally.fresh) && !self.has(Fault::ReuseChosen)
    }

    /// Whether an item is over, and stays so when its step begins once more with the same list.
    pub(super) fn stays(&self, of: InstanceIx, item: InstanceIx) -> bool {
        let state = self.step(item);
        let keeps_all = self.tallies[of as usize].keeps_others && state.is_final();
        !self.tallies[item as usize].again && (keeps_all || matches!(state, StepState::Succeeded { .. }))
    }

    /// Whether instances were left cancelled by an earlier end, which made this of them.
    pub(super) fn has_left(&self, outcome: RunOutcome) -> bool {
        self.left == Some(outcome)
    }

    /// What the end so far makes of instances that stay cancelled.
    fn leaves(&self) -> Option<RunOutcome> {
        if self.has_timed_out() {
            Some(RunOutcome::Failed)
        } else {
            let cancelled = self.is_cancelled().then_some(RunOutcome::Cancelled);
            self.left.or(cancelled)
        }
    }

    pub(super) fn begin_afresh(&mut self, chosen: Option<&BTreeSet<InstanceIx>>) {
        let again = self.to_run_again(chosen);
        let mut all = self.steps.iter().zip(&again);
        let are_left = all.any(|(state, again)| *state == StepState::Cancelled && again.is_none())
            && !self.has(Fault::ForgetLeftCancelled);
        self.left = self.leaves().filter(|_| chosen.is_some() && are_left);
        self.chosen = chosen.cloned();
        self.ended = None;
        self.cancel = Cancel::No;
        self.turned_away = None;
        self.tripped.clear();
        for (ix, again) in (0..).zip(again) {
            if let Some(again) = again {
                self.begin_step_afresh(ix, again);
            }
        }
        let items = chosen.into_iter().flatten().copied();
        let items: Vec<InstanceIx> = items.filter(|ix| self.item(*ix).is_some()).collect();
        for item in items {
            // Iterations build upon each other: what is not done of them is what is to be done.
            let alone = self.value_of_item(item).is_some();
            let tally = &mut self.tallies[item as usize];
            (tally.again, tally.fresh) = (tally.again || alone, true);
        }
        self.open = Open::default();
        let graph = self.graph.clone();
        for ix in self.declared() {
            if self.step(ix).is_final() {
                continue;
            }
            self.open
                .add(self.instance(ix).map_or(Stage::Graph, Instance::stage));
            for below in graph.downstream(ix) {
                self.tallies[*below as usize].waits_for += 1;
            }
        }
    }

    fn begin_step_afresh(&mut self, ix: InstanceIx, again: Again) {
        self.leave(ix);
        self.steps[ix as usize] = StepState::Waiting;
        self.current_items.remove(&ix);
        let before = &self.tallies[ix as usize];
        let forget_attempts = self.has(Fault::ReuseAttemptNumber);
        let is_chosen = matches!(again, Again::Chosen | Again::ItemsChosen(_));
        self.tallies[ix as usize] = Tally {
            attempts: if forget_attempts { 0 } else { before.attempts },
            reuse_only: before.reuse_only && !is_chosen,
            fresh: before.fresh || again == Again::Chosen,
            keeps_others: matches!(again, Again::ItemsChosen(_)) && !self.has(Fault::RunUnchosenItems),
            ..Tally::default()
        };
        let all_items = match again {
            Again::Chosen => true,
            Again::Below(_) => !self.has(Fault::KeepItemsBelowChosen),
            _ => false,
        };
        if all_items && let Some(items) = self.last_items(ix).map(Items::instances) {
            items.for_each(|item| self.tallies[item as usize].again = true);
        }
    }
}
