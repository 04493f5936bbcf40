//! Items of `for_each` steps: instances that exist once the step's list is known.
//!
//! The definition has one instance for the step. Its items share everything with it but their
//! value, so a hundred thousand of them cost a state each and no more. They are numbered from the
//! end of the definition on, in the order in which the lists became known.

use super::context::RunContext;
use super::definition::{ForEach, Instance, InstanceIx};
use super::event::SkipReason;
use super::planted::Fault;
use super::queue::Seat;
use super::reuse::sorted;
use super::state::StepState;
use super::verdict::Verdict;
use super::{Run, Tally};
use crate::expression;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use trainyard_contract::task::{Failure, ResourcesUsed, chain};
use trainyard_contract::{FailureClass, Millis, Timestamp};

/// The items of one step.
#[derive(Clone, Debug)]
pub struct Items {
    /// The instance whose items they are.
    of: InstanceIx,
    kind: Kind,
    first: InstanceIx,
    list: Arc<Vec<Value>>,
    pub(super) counts: ItemCounts,
}

/// Side by side or one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of a `for_each` step.
    Items,
    /// Of a `repeat` step.
    Iterations,
}

/// How many items have ended in which way; what is missing to `total` waits or runs. Of iterations
/// only those count that have begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemCounts {
    pub total: u32,
    /// With the reused ones.
    pub succeeded: u32,
    pub reused: u32,
    /// Left out by a selection.
    pub skipped: u32,
    pub failed: u32,
    pub cancelled: u32,
}

impl ItemCounts {
    /// Those that are over.
    pub fn over(&self) -> u32 {
        self.succeeded + self.skipped + self.failed + self.cancelled
    }

    pub(super) fn add(&mut self, state: &StepState) {
        match state {
            StepState::Succeeded { from, .. } => {
                self.succeeded += 1;
                self.reused += u32::from(from.is_some());
            }
            StepState::Failed { .. } => self.failed += 1,
            StepState::Skipped { .. } => self.skipped += 1,
            StepState::Cancelled => self.cancelled += 1,
            _ => {}
        }
    }
}

impl Items {
    /// Their instances, in the list's order.
    pub fn instances(&self) -> Range<InstanceIx> {
        self.first..self.first + self.list.len() as InstanceIx
    }

    /// The list.
    pub fn list(&self) -> &[Value] {
        &self.list
    }

    pub fn counts(&self) -> ItemCounts {
        self.counts
    }

    pub(super) fn first(&self) -> InstanceIx {
        self.first
    }

    fn is_over(&self) -> bool {
        self.counts.over() == self.counts.total
    }
}

/// The name an item or iteration is shown and found by: `load[17]`, counted from 0.
pub fn item_name(step: &str, number: usize) -> String {
    format!("{step}[{number}]")
}

impl Run {
    /// Items of a `for_each` step once its list is known, and iterations of a `repeat` step.
    pub fn items_of(&self, step: InstanceIx) -> Option<&Items> {
        self.items.get(*self.current_items.get(&step)?)
    }

    /// What an instance stands for where its outputs are collected: its items, or itself.
    pub fn cells_of(&self, ix: InstanceIx) -> Range<InstanceIx> {
        match self.instance(ix).and_then(|instance| instance.for_each.as_ref()) {
            None => ix..ix + 1,
            Some(_) => self.items_of(ix).map_or(0..0, Items::instances),
        }
    }

    /// The step that an instance is an item or iteration of, and its number.
    pub fn item(&self, ix: InstanceIx) -> Option<(InstanceIx, usize)> {
        let (items, number) = self.place_of_item(ix)?;
        Some((items.of, number))
    }

    /// An instance with everything that is its own; an item is put together from its step.
    pub fn instance_at(&self, ix: InstanceIx) -> Option<Cow<'_, Instance>> {
        let Some((items, number)) = self.place_of_item(ix) else {
            return self.definition.instances.get(ix as usize).map(Cow::Borrowed);
        };
        let step = self.definition.instances.get(items.of as usize)?;
        Some(Cow::Owned(Instance {
            name: item_name(&step.name, number),
            matrix: self.matrix_of(ix),
            for_each: None,
            repeat: None,
            ..step.clone()
        }))
    }

    /// An instance's name.
    pub fn name(&self, ix: InstanceIx) -> Cow<'_, str> {
        match (self.place_of_item(ix), self.instance(ix)) {
            (Some((_, number)), Some(step)) => Cow::Owned(item_name(&step.name, number)),
            (None, Some(instance)) => Cow::Borrowed(&instance.name),
            (_, None) => Cow::Borrowed("?"),
        }
    }

    /// The instance of that name, or the only one of the step of that name.
    pub fn find(&self, name: &str) -> Option<InstanceIx> {
        let all = || (0..).zip(&self.definition.instances);
        if let Some((ix, _)) = all().find(|(_, instance)| instance.name == name) {
            return Some(ix);
        }
        if let [only] = self.instances_of(name) {
            return Some(*only);
        }
        let (step, number) = name.strip_suffix(']')?.rsplit_once('[')?;
        let (step, _) = all().find(|(_, instance)| instance.name == step)?;
        let number: InstanceIx = number.parse().ok()?;
        let mut items = self.items_of(step)?.instances();
        items.nth(number as usize)
    }

    /// Values of an instance's matrix; of an item `item`, of an iteration `iteration` besides.
    pub fn matrix_of(&self, ix: InstanceIx) -> Map<String, Value> {
        let mut matrix = self
            .instance(ix)
            .map(|instance| instance.matrix.clone())
            .unwrap_or_default();
        if let Some((value, _)) = self.value_of_item(ix) {
            matrix.insert("item".to_owned(), value.clone());
        } else if let Some(number) = self.number_of_iteration(ix) {
            matrix.insert("iteration".to_owned(), number.into());
        }
        matrix
    }

    /// An item's value, and its number in the list.
    pub(super) fn value_of_item(&self, ix: InstanceIx) -> Option<(&Value, usize)> {
        let (items, number) = self.place_of_item(ix)?;
        (items.kind == Kind::Items).then_some((items.list.get(number)?, number))
    }

    pub(super) fn number_of_iteration(&self, ix: InstanceIx) -> Option<usize> {
        let (items, number) = self.place_of_item(ix)?;
        (items.kind == Kind::Iterations).then_some(number)
    }

    pub(super) fn seat(&self, ix: InstanceIx) -> Seat {
        let of = self.place_of_item(ix).map_or(ix, |(items, _)| items.of);
        Seat {
            ix,
            height: self.graph.height.get(of as usize).copied().unwrap_or_default(),
            group: self.graph.group_of.get(of as usize).copied().flatten(),
        }
    }

    /// How far from the start of its graph: a hint to whoever has more attempts than room. What is deep
    /// follows on something that has ended, and is best carried out before anything new is begun.
    pub fn depth(&self, ix: InstanceIx) -> u32 {
        let place = self.place_of_item(ix);
        let of = place.map_or(ix, |(items, _)| items.of);
        let before = match place {
            Some((items, number)) if items.kind == Kind::Iterations => number as u32,
            _ => 0,
        };
        let depth = self.graph.depth.get(of as usize).copied().unwrap_or_default();
        depth.saturating_add(before)
    }

    fn place_of_item(&self, ix: InstanceIx) -> Option<(&Items, usize)> {
        if (ix as usize) < self.definition.instances.len() {
            return None;
        }
        let after = self.items.partition_point(|items| items.first <= ix);
        let items = self.items.get(after.checked_sub(1)?)?;
        let number = (ix - items.first) as usize;
        (number < items.list.len()).then_some((items, number))
    }

    /// What becomes of a `for_each` step that may begin: its list, or why there is none.
    pub(super) fn judge_list(&self, ix: InstanceIx, each: &ForEach) -> Verdict {
        match self.list(ix, each) {
            Ok(list) => Verdict::FanOut(list),
            Err(failure) => Verdict::Reject(failure),
        }
    }

    /// The list of a step, checked.
    pub(crate) fn list(&self, ix: InstanceIx, each: &ForEach) -> Result<Vec<Value>, Failure> {
        let rejected = |message: String| Failure::new(FailureClass::Rejected, message);
        let list = match expression::render(&each.items, &RunContext::new(self, ix)) {
            Ok(Value::Array(list)) => list,
            Ok(other) => {
                let message = format!("`for_each` needs a list, and this is {}", in_short(&other));
                return Err(rejected(message));
            }
            Err(error) => {
                return Err(Failure {
                    causes: chain(&error),
                    ..rejected("could not evaluate the list of `for_each`".to_owned())
                });
            }
        };
        if list.len() > each.max_items as usize {
            let message = format!(
                "the list of `for_each` has {} items; at most {} are allowed",
                list.len(),
                each.max_items
            );
            return Err(Failure {
                help: Some("raise `max_items`, or let one item stand for more work".to_owned()),
                ..rejected(message)
            });
        }
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for (number, item) in list.iter().enumerate() {
            if let Some(before) = numbers.insert(sorted(item).to_string(), number) {
                let message = format!(
                    "the list of `for_each` has {} twice: items {before} and {number}, counted from 0",
                    in_short(item)
                );
                return Err(Failure {
                    help: Some("an item is known by its value: make the values differ".to_owned()),
                    ..rejected(message)
                });
            }
        }
        Ok(list)
    }

    /// The items that a step had last, before a retry perhaps.
    pub(super) fn last_items(&self, of: InstanceIx) -> Option<&Items> {
        self.items.iter().rev().find(|items| items.of == of)
    }

    /// The items as they were before a retry, if the list is the same.
    pub(super) fn same_items(&self, of: InstanceIx, list: &[Value]) -> Option<&Items> {
        self.last_items(of).filter(|last| last.list() == list)
    }

    pub(super) fn place_of_items(&self, of: InstanceIx, first: InstanceIx) -> Option<usize> {
        let place = self.items.iter().rposition(|items| items.of == of)?;
        (self.items[place].first == first).then_some(place)
    }

    /// Makes instances behind all others; where in `items` they are.
    pub(super) fn add_items(&mut self, of: InstanceIx, list: Vec<Value>, kind: Kind) -> Option<usize> {
        let first = InstanceIx::try_from(self.steps.len()).ok()?;
        let count = self.steps.len() + list.len();
        InstanceIx::try_from(count).ok()?;
        // An attempt of an earlier list's item has the number and so the log of one of these.
        let earlier = self.last_items(of).map(Items::instances).into_iter().flatten();
        let attempts = earlier.map(|item| self.tallies[item as usize].attempts).max();
        let tally = Tally {
            attempts: attempts.unwrap_or(0),
            ..Tally::default()
        };
        self.steps.resize(count, StepState::Waiting);
        self.tallies.resize(count, tally);
        self.items.push(Items {
            of,
            kind,
            first,
            list: Arc::new(list),
            counts: ItemCounts::default(),
        });
        Some(self.items.len() - 1)
    }

    /// Makes the items of a step, or takes up those it had.
    pub(super) fn fan_out(
        &mut self,
        of: InstanceIx,
        first: InstanceIx,
        list: Option<&Vec<Value>>,
        at: Timestamp,
    ) {
        let place = match list {
            Some(list) if first as usize == self.steps.len() => self.add_items(of, list.clone(), Kind::Items),
            Some(_) => None,
            None => self.place_of_items(of, first),
        };
        let Some(place) = place else { return };
        self.leave(of);
        self.steps[of as usize] = StepState::Items { since: at };
        self.current_items.insert(of, place);
        self.items[place].counts = ItemCounts {
            total: self.items[place].list.len() as u32,
            ..ItemCounts::default()
        };
        for item in self.items[place].instances() {
            let state = &self.steps[item as usize];
            if self.stays(of, item) && !self.has(Fault::RepeatItems) {
                self.items[place].counts.add(state);
            } else {
                self.begin_item_afresh(of, item);
            }
        }
        self.gather_if_over(place);
    }

    pub(super) fn begin_item_afresh(&mut self, of: InstanceIx, item: InstanceIx) {
        self.tallies[item as usize] = Tally {
            attempts: self.tallies[item as usize].attempts,
            reuse_only: self.tallies[of as usize].reuse_only,
            fresh: self.tallies[item as usize].fresh || self.tallies[of as usize].fresh,
            ..Tally::default()
        };
        self.steps[item as usize] = StepState::Ready;
        self.queue.put(&self.graph, self.seat(item));
    }

    /// Whether the instance is an item; then its step takes note that it is over.
    pub(super) fn item_is_over(&mut self, ix: InstanceIx) -> bool {
        let Some((of, _)) = self.item(ix) else {
            return false;
        };
        if let Some(place) = self.current_items.get(&of).copied()
            && self.items[place].instances().contains(&ix)
        {
            if self.items[place].kind == Kind::Iterations {
                self.iteration_is_over(of, ix);
                return true;
            }
            let state = &self.steps[ix as usize];
            self.items[place].counts.add(state);
            self.gather_if_over(place);
        }
        true
    }

    fn gather_if_over(&mut self, place: usize) {
        let items = &self.items[place];
        let forgotten = u32::from(self.has(Fault::ForgetItem));
        if items.is_over() || items.counts.over() + forgotten == items.counts.total {
            self.pending.insert(items.of, Verdict::Gather);
        }
    }

    /// Makes every item end: at once if it does not run, else when its attempt has ended.
    pub(super) fn doom_items(&mut self, of: InstanceIx) {
        let Some(items) = self.items_of(of) else { return };
        if items.kind == Kind::Iterations {
            return self.doom_iterations(of);
        }
        let mut waits = false;
        for item in items.instances() {
            match self.steps[item as usize] {
                StepState::Running { .. } => {
                    self.doomed.insert(item);
                }
                ref state if !state.is_final() => {
                    waits = true;
                    if !self.has(Fault::StartCancelledItems) {
                        self.queue.take(&self.graph, self.seat(item));
                    }
                }
                _ => {}
            }
        }
        if waits && !self.has(Fault::StartCancelledItems) {
            self.pending.insert(of, Verdict::Cancel);
        }
    }

    pub(super) fn cancel_items(&mut self, of: InstanceIx) {
        self.pending.remove(&of);
        let Some(items) = self.items_of(of) else { return };
        if items.kind == Kind::Iterations {
            return self.cancel_iterations(of);
        }
        for item in items.instances() {
            let state = &self.steps[item as usize];
            if !state.is_final() && !matches!(state, StepState::Running { .. }) {
                self.settle(item, StepState::Cancelled);
            }
        }
    }

    /// How a `for_each` step ends when all its items are over.
    pub(super) fn gathered(&self, of: InstanceIx, since: Timestamp, at: Timestamp) -> StepState {
        let Some(items) = self.items_of(of) else {
            return StepState::Cancelled;
        };
        let counts = items.counts;
        if counts.failed > 0 && !self.has(Fault::ForgetItemFailure) {
            let mut failures =
                items
                    .instances()
                    .zip(0..)
                    .filter_map(|(item, number)| match self.step(item) {
                        StepState::Failed { failure, .. } => Some((number, failure)),
                        _ => None,
                    });
            let first = failures.next();
            let failure = first.map_or_else(
                || Failure::new(FailureClass::Internal, "an item failed"),
                |(number, failure)| Failure {
                    message: format!(
                        "{} of {} items failed, the first [{number}]: {}",
                        counts.failed, counts.total, failure.message
                    ),
                    ..failure.clone()
                },
            );
            return StepState::Failed {
                attempts: 0,
                failure,
                kept: IndexMap::new(),
            };
        }
        if counts.cancelled > 0 {
            return StepState::Cancelled;
        }
        if counts.skipped > 0 {
            return StepState::Skipped {
                because: SkipReason::NotSelected,
            };
        }
        let mut resources = ResourcesUsed {
            wall: at.since(since),
            ..ResourcesUsed::default()
        };
        for item in items.instances() {
            if let StepState::Succeeded { resources: own, .. } = self.step(item) {
                resources.cpu = Millis(resources.cpu.0 + own.cpu.0);
                resources.peak_memory = resources.peak_memory.max(own.peak_memory);
                resources.rows_in += own.rows_in;
                resources.rows_out += own.rows_out;
            }
        }
        let reused = match counts.reused {
            0 => String::new(),
            reused => format!(", {reused} reused"),
        };
        StepState::Succeeded {
            outputs: Default::default(),
            metrics: Default::default(),
            headline: Some(format!("{} items{reused}", counts.total)),
            resources,
            attempts: 0,
            from: None,
        }
    }
}

/// A value in a message: its beginning.
fn in_short(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
