//! Iterations of `repeat` steps: instances that begin one after the other, until a condition holds.
//!
//! They are numbered like items, as many as the step may have at most; one that has not begun waits.

use super::context::RunContext;
use super::definition::{InstanceIx, OnRepeatLimit, Repeat};
use super::event::{RepeatEnd, SkipReason};
use super::items::{ItemCounts, Items, Kind};
use super::planted::Fault;
use super::state::StepState;
use super::verdict::Verdict;
use super::{Run, Tally};
use crate::expression;
use serde_json::Value;
use trainyard_contract::task::{Failure, ResourcesUsed, chain};
use trainyard_contract::{FailureClass, Millis, Timestamp};

impl Run {
    /// The iteration that has begun last, if the step repeats and has begun.
    pub fn iteration(&self, step: InstanceIx) -> Option<InstanceIx> {
        self.instance(step)?.repeat.as_ref()?;
        self.items_of(step).map(|items| self.last_begun(items))
    }

    fn last_begun(&self, items: &Items) -> InstanceIx {
        let all = items.instances();
        let begun = all.clone().take_while(|ix| *self.step(*ix) != StepState::Waiting);
        begun.last().unwrap_or(all.start)
    }

    /// The iterations to go on with after a retry: those of which the last one did not succeed, unless
    /// all of the step was to run again.
    pub(super) fn unfinished_iterations(&self, of: InstanceIx) -> Option<InstanceIx> {
        let items = self
            .last_items(of)
            .filter(|_| !self.has(Fault::RepeatIterations))
            .filter(|items| !self.tallies[items.first() as usize].again)?;
        let last = self.step(self.last_begun(items));
        (!matches!(last, StepState::Succeeded { .. })).then(|| items.first())
    }

    /// Makes the iterations of a step, or takes up those it had, and lets one begin.
    pub(super) fn begin_repeating(&mut self, of: InstanceIx, first: InstanceIx, at: Timestamp) {
        let Some(most) = self
            .instance(of)
            .and_then(|step| step.repeat.as_ref())
            .map(|repeat| repeat.max_iterations)
        else {
            return;
        };
        let place = if first as usize == self.steps.len() {
            let list = (0..most).map(Value::from).collect();
            self.add_items(of, list, Kind::Iterations)
        } else {
            self.place_of_items(of, first)
        };
        let Some(place) = place else { return };
        self.leave(of);
        self.steps[of as usize] = StepState::Items { since: at };
        self.current_items.insert(of, place);
        let begins = self.last_begun(&self.items[place]);
        let mut counts = ItemCounts::default();
        for ix in self.items[place].first()..begins {
            counts.add(&self.steps[ix as usize]);
        }
        counts.total = counts.over() + 1;
        self.items[place].counts = counts;
        self.begin_item_afresh(of, begins);
    }

    /// The next iteration may begin at `from`.
    pub(super) fn iterate(&mut self, ix: InstanceIx, from: Timestamp, at: Timestamp) {
        let Some((of, _)) = self.item(ix) else { return };
        self.pending.remove(&of);
        self.begins(of);
        let Tally {
            reuse_only, fresh, ..
        } = self.tallies[of as usize];
        (
            self.tallies[ix as usize].reuse_only,
            self.tallies[ix as usize].fresh,
        ) = (reuse_only, fresh);
        if from <= at || self.has(Fault::ForgetDelay) {
            self.steps[ix as usize] = StepState::Ready;
            self.queue.put(&self.graph, self.seat(ix));
        } else {
            self.tallies[ix as usize].retry_since = at;
            self.timers.insert((from, ix));
            self.steps[ix as usize] = StepState::Retrying {
                attempt: 0,
                until: from,
            };
        }
    }

    /// What follows from the end of an iteration.
    pub(super) fn iteration_is_over(&mut self, of: InstanceIx, ix: InstanceIx) {
        if let Some(place) = self.current_items.get(&of) {
            self.items[*place].counts.add(&self.steps[ix as usize]);
        }
        let Some(repeat) = self.instance(of).and_then(|step| step.repeat.as_ref()) else {
            return;
        };
        let next = self
            .items_of(of)
            .map(Items::instances)
            .filter(|all| all.contains(&(ix + 1)))
            .map(|_| ix + 1);
        let end = match self.step(ix) {
            StepState::Failed { failure, .. } => RepeatEnd::Failed {
                failure: Failure {
                    message: format!("iteration {}: {}", self.number(ix), failure.message),
                    ..failure.clone()
                },
            },
            StepState::Cancelled => RepeatEnd::Cancelled,
            StepState::Skipped { .. } => RepeatEnd::NotSelected,
            _ => match (self.is_done(repeat, ix), next) {
                (Ok(true), _) if !self.has(Fault::ForgetUntil) => RepeatEnd::Done,
                // It succeeded while it was to be ended; there is no next one.
                (Ok(_), _) if self.is_given_up(of) => RepeatEnd::Cancelled,
                (Ok(_), Some(next)) => {
                    self.pending.insert(of, Verdict::Iterate(next));
                    return;
                }
                (Ok(_), None) if repeat.on_limit == OnRepeatLimit::GoOn => RepeatEnd::Limit,
                (Ok(_), None) => RepeatEnd::Failed {
                    failure: Failure {
                        help: Some(
                            "raise `max_iterations`, or let `on_limit: go_on` take the last result"
                                .to_owned(),
                        ),
                        ..Failure::new(
                            FailureClass::GateFailed,
                            format!("`until` did not hold after {} iterations", repeat.max_iterations),
                        )
                    },
                },
                (Err(failure), _) => RepeatEnd::Failed { failure },
            },
        };
        self.pending.insert(of, Verdict::EndRepeat(end));
    }

    /// Counts one more iteration.
    fn begins(&mut self, of: InstanceIx) {
        if let Some(place) = self.current_items.get(&of) {
            self.items[*place].counts.total += 1;
        }
    }

    fn is_given_up(&self, of: InstanceIx) -> bool {
        let group = self.seat(of).group;
        self.is_cancelled() || group.is_some_and(|group| self.tripped.contains(&group))
    }

    fn number(&self, ix: InstanceIx) -> usize {
        self.item(ix).map_or(0, |(_, number)| number)
    }

    fn is_done(&self, repeat: &Repeat, ix: InstanceIx) -> Result<bool, Failure> {
        let failure = |causes| Failure {
            causes,
            ..Failure::new(
                FailureClass::Rejected,
                format!("could not evaluate `until` after iteration {}", self.number(ix)),
            )
        };
        let until = Value::String(repeat.until.clone());
        match expression::render(&until, &RunContext::new(self, ix)) {
            Ok(Value::Bool(done)) => Ok(done),
            Ok(other) => Err(failure(vec![format!("it is {other}, neither true nor false")])),
            Err(error) => Err(failure(chain(&error))),
        }
    }

    /// Lets the step end as its iterations have.
    pub(super) fn end_repeating(&mut self, of: InstanceIx, end: &RepeatEnd, at: Timestamp) {
        let StepState::Items { since } = *self.step(of) else {
            return;
        };
        let Some(last) = self.iteration(of) else { return };
        let count = self.number(last) as u32 + 1;
        match end {
            RepeatEnd::Failed { failure } => self.fail(of, failure.clone(), Default::default()),
            RepeatEnd::Cancelled => self.settle(of, StepState::Cancelled),
            RepeatEnd::NotSelected => self.settle(
                of,
                StepState::Skipped {
                    because: SkipReason::NotSelected,
                },
            ),
            RepeatEnd::Done | RepeatEnd::Limit => {
                let StepState::Succeeded {
                    outputs,
                    metrics,
                    headline,
                    ..
                } = self.step(last).clone()
                else {
                    return;
                };
                let mut resources = ResourcesUsed {
                    wall: at.since(since),
                    ..ResourcesUsed::default()
                };
                let mut ran = 0;
                for ix in self.items_of(of).map(Items::instances).into_iter().flatten() {
                    if let StepState::Succeeded {
                        resources: own, from, ..
                    } = self.step(ix)
                    {
                        ran += u32::from(from.is_none());
                        resources.cpu = Millis(resources.cpu.0 + own.cpu.0);
                        resources.peak_memory = resources.peak_memory.max(own.peak_memory);
                        resources.rows_in += own.rows_in;
                        resources.rows_out += own.rows_out;
                    }
                }
                let limit = if *end == RepeatEnd::Limit {
                    ", the limit"
                } else {
                    ""
                };
                let said = headline.map(|line| format!(": {line}")).unwrap_or_default();
                let plural = if count == 1 { "" } else { "s" };
                let state = StepState::Succeeded {
                    outputs,
                    metrics,
                    headline: Some(format!("{count} iteration{plural}{limit}{said}")),
                    resources,
                    attempts: ran,
                    from: None,
                };
                self.settle(of, state);
            }
        }
    }

    /// Ends the iteration that has begun, or the one that would be next.
    pub(super) fn doom_iterations(&mut self, of: InstanceIx) {
        let Some(last) = self.iteration(of) else { return };
        match self.step(last) {
            StepState::Running { .. } => {
                self.doomed.insert(last);
                return;
            }
            state if !state.is_final() => self.queue.take(&self.graph, self.seat(last)),
            _ if matches!(self.pending.get(&of), Some(Verdict::EndRepeat(_))) => return,
            _ => {}
        }
        self.pending.insert(of, Verdict::Cancel);
    }

    pub(super) fn cancel_iterations(&mut self, of: InstanceIx) {
        self.pending.remove(&of);
        let Some(last) = self.iteration(of) else { return };
        let ends = match self.step(last) {
            StepState::Running { .. } => return,
            state if !state.is_final() => last,
            _ => {
                self.begins(of);
                last + 1
            }
        };
        self.settle(ends, StepState::Cancelled);
    }
}
