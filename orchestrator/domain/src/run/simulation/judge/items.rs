//! What the judge knows of items and iterations.

use super::{Due, Judge, Seen, Verdict, Where, ensure};
use crate::run::*;
use std::collections::BTreeSet;
use trainyard_contract::{Millis, Timestamp};

impl Judge<'_> {
    /// Items of a list.
    pub(super) fn items(&self, list: usize) -> Vec<InstanceIx> {
        let after = self.definition.instances.len() as InstanceIx;
        let all = self.items.iter().zip(after..);
        all.filter(|((_, of), _)| *of == list).map(|(_, ix)| ix).collect()
    }

    /// The list that a step has, by the two forms of the simulation: none where it cannot have one.
    pub(super) fn list(&self, each: &ForEach) -> Option<Vec<i64>> {
        let text = each.items.to_string();
        let mut list = Vec::new();
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && !"._".contains(c)) {
            if let Ok(number) = word.parse() {
                list.push(number);
            } else if let Some(of) = word
                .strip_prefix("steps.")
                .and_then(|rest| rest.split('.').next())
            {
                let mut all = (0..).zip(&self.definition.instances);
                let (ix, _) = all.find(|(_, instance)| instance.step.as_str() == of)?;
                list.push(
                    self.seen[ix as usize]
                        .out
                        .filter(|_| *self.at(ix) == Where::Succeeded)?,
                );
            }
        }
        let different: BTreeSet<&i64> = list.iter().collect();
        (different.len() == list.len()).then_some(list)
    }

    pub(super) fn items_known(
        &mut self,
        ix: InstanceIx,
        first: InstanceIx,
        items: Option<&Vec<serde_json::Value>>,
    ) -> Verdict {
        ensure(
            *self.at(ix) == Where::Open && self.due(ix) == Some(Due::Start),
            || format!("its items were made although it is {:?}", self.due(ix)),
        )?;
        ensure(!self.given_up(ix), || {
            "items of a step that was given up".to_owned()
        })?;
        let Some(expected) = self
            .instance(ix)
            .for_each
            .as_ref()
            .and_then(|each| self.list(each))
        else {
            return Err("items without a list".to_owned());
        };
        let list = match items {
            Some(items) => {
                let numbers: Vec<i64> = items.iter().filter_map(serde_json::Value::as_i64).collect();
                ensure(numbers == expected, || {
                    format!("it has items {items:?}, not {expected:?}")
                })?;
                ensure(first as usize == self.seen.len(), || {
                    "items in the place of others".to_owned()
                })?;
                // Attempts of an earlier list's items have logs and scratch folders of the same names.
                let earlier = self
                    .list_of
                    .get(&ix)
                    .map(|list| self.items(*list))
                    .unwrap_or_default();
                let last_attempt = earlier
                    .iter()
                    .map(|item| self.seen[*item as usize].last_attempt)
                    .max();
                for _ in items {
                    self.items.push((ix, self.lists.len()));
                    self.seen.push(Seen {
                        last_attempt: last_attempt.unwrap_or(0),
                        ..Seen::default()
                    });
                }
                self.lists.push(numbers);
                self.lists.len() - 1
            }
            None => {
                let list = self.list_of.get(&ix).copied();
                let Some(list) = list.filter(|list| self.lists[*list] == expected) else {
                    return Err("a list that has changed was taken for the same".to_owned());
                };
                list
            }
        };
        self.list_of.insert(ix, list);
        let Seen {
            reuse_only,
            fresh,
            keeps_others,
            ..
        } = self.seen[ix as usize];
        for item in self.items(list) {
            let seen = &mut self.seen[item as usize];
            let stays = seen.state == Where::Succeeded || keeps_others && seen.state.over();
            if seen.again || !stays {
                *seen = Seen {
                    last_attempt: seen.last_attempt,
                    reuse_only,
                    fresh: seen.fresh || fresh,
                    ..Seen::default()
                };
            }
        }
        let seen = &mut self.seen[ix as usize];
        (seen.state, seen.has_items) = (Where::Items, true);
        Ok(())
    }

    /// Iterations of a step that have begun, in their order.
    pub(super) fn iterations(&self, of: InstanceIx) -> Vec<InstanceIx> {
        let all = self
            .list_of
            .get(&of)
            .map(|list| self.items(*list))
            .unwrap_or_default();
        all.into_iter()
            .filter(|ix| self.seen[*ix as usize].begun)
            .collect()
    }

    pub(super) fn repeat_began(&mut self, ix: InstanceIx, first: InstanceIx) -> Verdict {
        ensure(
            *self.at(ix) == Where::Open && self.due(ix) == Some(Due::Start),
            || format!("it repeats although it is {:?}", self.due(ix)),
        )?;
        ensure(!self.given_up(ix), || {
            "a step repeats that was given up".to_owned()
        })?;
        let Some(repeat) = &self.instance(ix).repeat else {
            return Err("a step repeats that should not".to_owned());
        };
        let before = self.iterations(ix);
        let anew = before
            .iter()
            .any(|iteration| self.seen[*iteration as usize].again);
        let to_go_on = before
            .last()
            .copied()
            .filter(|last| *self.at(*last) != Where::Succeeded && !anew);
        let begins = match to_go_on {
            Some(last) => {
                let known = self.items(self.list_of[&ix]);
                ensure(known.first() == Some(&first), || {
                    "finished iterations begin anew".to_owned()
                })?;
                last
            }
            None => {
                ensure(first as usize == self.seen.len(), || {
                    "iterations in the place of others".to_owned()
                })?;
                let last_attempt = before
                    .iter()
                    .map(|item| self.seen[*item as usize].last_attempt)
                    .max();
                for _ in 0..repeat.max_iterations {
                    self.items.push((ix, self.lists.len()));
                    self.seen.push(Seen {
                        last_attempt: last_attempt.unwrap_or(0),
                        ..Seen::default()
                    });
                }
                self.lists.push(Vec::new());
                self.list_of.insert(ix, self.lists.len() - 1);
                first
            }
        };
        self.seen[begins as usize] = Seen {
            last_attempt: self.seen[begins as usize].last_attempt,
            reuse_only: self.seen[ix as usize].reuse_only,
            fresh: self.seen[begins as usize].fresh || self.seen[ix as usize].fresh,
            begun: true,
            ..Seen::default()
        };
        self.seen[ix as usize].state = Where::Items;
        Ok(())
    }

    /// The iteration that waits is cancelled, or the one that would be next.
    pub(super) fn iteration_cancelled(&mut self, of: InstanceIx) {
        let Some(last) = self.iterations(of).last().copied() else {
            return;
        };
        match self.at(last) {
            Where::Live(_) => {}
            Where::Open => self.seen[last as usize].state = Where::Cancelled,
            _ => {
                (
                    self.seen[last as usize + 1].state,
                    self.seen[last as usize + 1].begun,
                ) = (Where::Cancelled, true)
            }
        }
    }

    /// Whether the condition holds after an iteration, by its two forms; none: it has no value.
    pub(super) fn is_done(&self, of: InstanceIx, iteration: InstanceIx) -> Option<bool> {
        let until = &self.instance(of).repeat.as_ref()?.until;
        if until.contains("outputs.out >= 5") {
            return self.seen[iteration as usize].out.map(|out| out >= 5);
        }
        Some(self.iterations(of).len() > 1)
    }

    pub(super) fn iteration_due(&mut self, ix: InstanceIx, from: Timestamp, at: Timestamp) -> Verdict {
        let Some((of, _)) = self.item(ix) else {
            return Err("an iteration of nothing".to_owned());
        };
        let begun = self.iterations(of);
        ensure(
            *self.at(of) == Where::Items && begun.last() == Some(&(ix - 1)),
            || "an iteration out of order".to_owned(),
        )?;
        ensure(!self.given_up(of), || {
            "an iteration of what was given up".to_owned()
        })?;
        let before = ix - 1;
        ensure(
            *self.at(before) == Where::Succeeded && self.is_done(of, before) == Some(false),
            || "one more iteration than there should be".to_owned(),
        )?;
        ensure(from == at.plus(Millis(1000)), || "a wrong delay".to_owned())?;
        let Seen {
            reuse_only, fresh, ..
        } = self.seen[of as usize];
        let seen = &mut self.seen[ix as usize];
        (seen.begun, seen.retry_at) = (true, Some(from));
        (seen.reuse_only, seen.fresh) = (reuse_only, fresh);
        Ok(())
    }

    pub(super) fn repeat_ended(&mut self, ix: InstanceIx, end: &RepeatEnd) -> Verdict {
        ensure(*self.at(ix) == Where::Items, || {
            "a repetition ended that had not begun".to_owned()
        })?;
        let (Some(repeat), Some(last)) = (&self.instance(ix).repeat, self.iterations(ix).last().copied())
        else {
            return Err("a repetition of nothing ended".to_owned());
        };
        let all = self.iterations(ix).len() as u32 == repeat.max_iterations;
        let done = self.is_done(ix, last);
        let expected = match self.at(last) {
            Where::Failed => Where::Failed,
            Where::Cancelled => Where::Cancelled,
            Where::Skipped(_) => Where::Skipped(SkipReason::NotSelected),
            Where::Succeeded if done == Some(true) => Where::Succeeded,
            Where::Succeeded if done.is_none() => Where::Failed,
            Where::Succeeded if self.given_up(ix) => Where::Cancelled,
            Where::Succeeded if all && repeat.on_limit == OnRepeatLimit::GoOn => Where::Succeeded,
            Where::Succeeded if all => Where::Failed,
            other => return Err(format!("a step ended whose iteration is {other:?}")),
        };
        let found = match end {
            RepeatEnd::Done | RepeatEnd::Limit => Where::Succeeded,
            RepeatEnd::Failed { .. } => Where::Failed,
            RepeatEnd::Cancelled => Where::Cancelled,
            RepeatEnd::NotSelected => Where::Skipped(SkipReason::NotSelected),
        };
        ensure(found == expected, || {
            format!("a repetition ended {found:?}, not {expected:?}")
        })?;
        match found {
            Where::Failed => self.fail(ix),
            Where::Succeeded => {
                (self.seen[ix as usize].state, self.seen[ix as usize].out) =
                    (found, self.seen[last as usize].out);
                self.seen[ix as usize].fresh = false;
            }
            _ => self.seen[ix as usize].state = found,
        }
        Ok(())
    }

    pub(super) fn items_ended(&mut self, ix: InstanceIx, counts: ItemCounts) -> Verdict {
        ensure(*self.at(ix) == Where::Items, || {
            "items ended that had not begun".to_owned()
        })?;
        let items = self.items(self.list_of[&ix]);
        ensure(
            counts.over() == counts.total && counts.total as usize == items.len(),
            || format!("{} items were counted as {counts:?}", items.len()),
        )?;
        let any = |wanted: &dyn Fn(&Where) -> bool| items.iter().any(|item| wanted(self.at(*item)));
        ensure(!any(&|at| !at.over()), || {
            "a step ended before its items".to_owned()
        })?;
        let state = if any(&|at| *at == Where::Failed) {
            Where::Failed
        } else if any(&|at| *at == Where::Cancelled) {
            Where::Cancelled
        } else if any(&|at| matches!(at, Where::Skipped(_))) {
            Where::Skipped(SkipReason::NotSelected)
        } else {
            Where::Succeeded
        };
        self.seen[ix as usize].fresh &= state != Where::Succeeded;
        self.seen[ix as usize].state = state;
        Ok(())
    }
}
