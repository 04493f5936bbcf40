//! Items of `for_each` steps and iterations of `repeat` steps, as they are shown: a few one by one, many
//! as a count.

use super::{Progress, grouped};
use crate::output::{Terminal, Tone};
use trainyard_domain::run::{Event, InstanceIx, RepeatEnd, Run, What, item_name};

/// A step of more items than this shows how many are over instead of each.
const ITEMS_LISTED_AT_MOST: u32 = 20;
/// So many failures of such a step's items are shown one by one.
const FAILURES_LISTED_AT_MOST: u32 = 10;

/// The items or iterations of a step.
pub(super) struct Fan {
    of: InstanceIx,
    total: u32,
    over: u32,
    failed: u32,
    /// Iterations: one by one, whatever their number.
    follow_each_other: bool,
}

impl Fan {
    fn is_listed(&self) -> bool {
        self.follow_each_other || self.total <= ITEMS_LISTED_AT_MOST
    }
}

impl Progress {
    pub(super) fn name(&self, step: InstanceIx) -> String {
        let name = |step: InstanceIx| {
            let instance = self.definition.instances.get(step as usize);
            instance.map_or("?", |instance| instance.name.as_str())
        };
        match self.fan(step) {
            Some((first, fan)) => item_name(name(fan.of), (step - first) as usize),
            None => name(step).to_owned(),
        }
    }

    fn fan(&self, item: InstanceIx) -> Option<(InstanceIx, &Fan)> {
        let (first, fan) = self.fans.range(..=item).next_back()?;
        (item - first < fan.total).then_some((*first, fan))
    }

    /// Whether an instance is shown by itself.
    pub(super) fn is_listed(&self, step: InstanceIx) -> bool {
        !self.quiet && self.fan(step).is_none_or(|(_, fan)| fan.is_listed())
    }

    /// Learns how far a run had come.
    pub(super) fn adopted(&mut self, run: &Run) {
        for (ix, instance) in (0..).zip(&run.definition().instances) {
            if let Some(items) = run.items_of(ix) {
                let counts = items.counts();
                let fan = Fan {
                    of: ix,
                    total: u32::try_from(items.list().len()).unwrap_or(u32::MAX),
                    over: match run.iteration(ix).and_then(|last| run.item(last)) {
                        Some((_, before)) => u32::try_from(before).unwrap_or(u32::MAX),
                        None => counts.over(),
                    },
                    failed: counts.failed,
                    follow_each_other: instance.repeat.is_some(),
                };
                self.fans.insert(items.instances().start, fan);
            }
        }
    }

    /// Learns which instances are items or iterations of which step.
    pub(super) fn note_items(&mut self, event: &Event) {
        let new = |of: InstanceIx, total: u32, follow_each_other: bool| Fan {
            of,
            total,
            over: 0,
            failed: 0,
            follow_each_other,
        };
        match &event.what {
            What::ItemsKnown {
                step,
                first,
                items: Some(items),
            } => {
                let total = u32::try_from(items.len()).unwrap_or(u32::MAX);
                self.fans.insert(*first, new(*step, total, false));
            }
            // Of the list that a retry takes up again, what did not succeed begins afresh.
            What::ItemsKnown { first, .. } => {
                if let Some(fan) = self.fans.get_mut(first) {
                    fan.over = fan.over.saturating_sub(fan.failed);
                    fan.failed = 0;
                }
            }
            What::RepeatBegan { step, first } => {
                let instance = self.definition.instances.get(*step as usize);
                let repeat = instance.and_then(|instance| instance.repeat.as_ref());
                let total = repeat.map_or(0, |repeat| repeat.max_iterations);
                self.fans.insert(*first, new(*step, total, true));
            }
            _ => {}
        }
    }

    pub(super) fn items_known(&mut self, first: InstanceIx, terminal: &mut Terminal) {
        let Some(fan) = self.fans.get(&first) else { return };
        let mut text = format!("{:<28} {} items", self.name(fan.of), grouped(fan.total));
        if fan.over > 0 {
            text.push_str(&format!(", {} of them done", grouped(fan.over)));
        }
        self.line(terminal, Tone::Busy, "Items", text);
    }

    pub(super) fn repeat_ended(&mut self, step: InstanceIx, end: &RepeatEnd, terminal: &mut Terminal) {
        let name = self.name(step);
        let fan = self.fans.values().rev().find(|fan| fan.of == step);
        let count = match fan.map_or(0, |fan| fan.over) {
            1 => "1 iteration".to_owned(),
            count => format!("{} iterations", grouped(count)),
        };
        match end {
            RepeatEnd::Done => {
                let text = format!("{name:<28} {count}");
                self.line(terminal, Tone::Good, "Finished", text);
            }
            RepeatEnd::Limit => {
                let text = format!("{name:<28} {count}, the limit");
                self.line(terminal, Tone::Warn, "Finished", text);
            }
            RepeatEnd::Failed { failure } => {
                self.line(
                    terminal,
                    Tone::Bad,
                    "Failed",
                    format!("{name}  {}", failure.message),
                );
            }
            RepeatEnd::Cancelled => self.line(terminal, Tone::Warn, "Cancelled", name),
            RepeatEnd::NotSelected => {}
        }
    }

    /// Takes note of an item's end; says so now and then. Whether that is all that is to be shown.
    pub(super) fn item_over(&mut self, step: InstanceIx, failed: bool, terminal: &mut Terminal) -> bool {
        let Some((first, _)) = self.fan(step) else {
            return false;
        };
        let Some(fan) = self.fans.get_mut(&first) else {
            return false;
        };
        fan.over += 1;
        fan.failed += u32::from(failed);
        if fan.is_listed() {
            return false;
        }
        let (of, total, over, failures) = (fan.of, fan.total, fan.over, fan.failed);
        // Twenty lines for a list of any length.
        if over.is_multiple_of(total.div_ceil(20).max(1)) || over == total {
            let failed = match failures {
                0 => String::new(),
                failures => format!(", {} failed", grouped(failures)),
            };
            let text = format!(
                "{:<28} {} of {} items{failed}",
                self.name(of),
                grouped(over),
                grouped(total)
            );
            self.line(terminal, Tone::Busy, "Finished", text);
        }
        !failed || failures > FAILURES_LISTED_AT_MOST
    }
}
