//! What the judge knows of retries.

use super::{Judge, Seen, Verdict, Where, ensure};
use crate::run::*;
use std::collections::BTreeSet;

impl Judge<'_> {
    /// Without a choice whatever did not succeed for a reason that may pass runs again: failed, cancelled
    /// and blocked ones. With one, what was chosen or has chosen items. And, as long as that adds any, what
    /// is below: skipped ones, and with a choice whatever it was unless it was left out from the start.
    pub(super) fn begin_afresh(&mut self, chosen: Option<&BTreeSet<InstanceIx>>) -> Verdict {
        ensure(self.ended.is_some(), || "a retry before the end".to_owned())?;
        let mut again: BTreeSet<InstanceIx> = BTreeSet::new();
        // Those of which all that they have runs again.
        let mut whole: BTreeSet<InstanceIx> = BTreeSet::new();
        loop {
            let all = || (0..).zip(&self.definition.instances);
            let below = |ix: InstanceIx, instance: &Instance| {
                let hooked = match instance.hook {
                    Some(Hook::OnFailure(target)) => again.contains(&target),
                    _ => false,
                };
                let above = instance
                    .upstream
                    .iter()
                    .any(|edge| again.contains(&edge.instance));
                match (chosen, self.at(ix)) {
                    (Some(_), Where::Skipped(SkipReason::NotSelected)) => false,
                    (Some(_), _) => hooked || above,
                    (None, Where::Skipped(SkipReason::NotSelected)) => hooked,
                    (None, Where::Skipped(_)) => hooked || above,
                    (None, _) => hooked,
                }
            };
            let by_itself = |ix: InstanceIx| match chosen {
                Some(chosen) => chosen.contains(&ix),
                None => matches!(
                    self.at(ix),
                    Where::Failed | Where::Cancelled | Where::Skipped(SkipReason::UpstreamFailed { .. })
                ),
            };
            let by_items = |ix: InstanceIx| {
                let items = self.list_of.get(&ix).map(|list| self.items(*list));
                let mut items = items.into_iter().flatten();
                items.any(|item| chosen.is_some_and(|chosen| chosen.contains(&item)))
            };
            let run_hook = |instance: &Instance| {
                !again.is_empty() && matches!(instance.hook, Some(Hook::RunFailed | Hook::Finally))
            };
            let new_whole: Vec<InstanceIx> = all()
                .filter(|(ix, instance)| by_itself(*ix) || below(*ix, instance))
                .map(|(ix, _)| ix)
                .filter(|ix| !whole.contains(ix))
                .collect();
            let new: Vec<InstanceIx> = all()
                .filter(|(ix, instance)| by_items(*ix) || run_hook(instance))
                .map(|(ix, _)| ix)
                .filter(|ix| !again.contains(ix))
                .collect();
            if new_whole.is_empty() && new.is_empty() {
                break;
            }
            again.extend(new.into_iter().chain(new_whole.iter().copied()));
            whole.extend(new_whole);
        }
        ensure(!again.is_empty(), || "a retry of nothing".to_owned())?;
        let mut graph = (0..).zip(&self.definition.instances);
        let timed_out = self.bounds.ended_steps
            && graph.any(|(ix, instance)| {
                let ends_a_run = matches!(instance.hook, Some(Hook::RunFailed | Hook::Finally));
                !ends_a_run && *self.at(ix) == Where::Cancelled
            });
        let meant = match timed_out {
            true => Some(RunOutcome::Failed),
            false => self.left.or((self.cancels > 0).then_some(RunOutcome::Cancelled)),
        };
        let mut declared = 0..self.definition.instances.len() as InstanceIx;
        let are_left = declared.any(|ix| *self.at(ix) == Where::Cancelled && !again.contains(&ix));
        self.left = meant.filter(|_| chosen.is_some() && are_left);
        for ix in again {
            let is_whole = whole.contains(&ix);
            let is_chosen = chosen.is_some_and(|chosen| chosen.contains(&ix));
            let is_steered = chosen.is_some() && (is_chosen || !is_whole);
            let is_hook = self.instance(ix).hook.is_some();
            let seen = &self.seen[ix as usize];
            self.seen[ix as usize] = Seen {
                last_attempt: seen.last_attempt,
                reuse_only: seen.reuse_only && (!is_steered || is_hook && !is_chosen),
                fresh: seen.fresh || is_chosen,
                keeps_others: chosen.is_some() && !is_whole,
                ..Seen::default()
            };
            if chosen.is_some() && is_whole {
                let items = self.list_of.get(&ix).map(|list| self.items(*list));
                for item in items.into_iter().flatten() {
                    self.seen[item as usize].again = true;
                }
            }
        }
        for item in chosen.into_iter().flatten() {
            if let Some((of, list)) = self.item(*item)
                && self.list_of.get(&of) == Some(&list)
            {
                let alone = self.instance(of).for_each.is_some();
                let seen = &mut self.seen[*item as usize];
                (seen.again, seen.fresh) = (seen.again || alone, true);
            }
        }
        self.tripped.clear();
        (self.cancels, self.ended) = (0, None);
        Ok(())
    }
}
