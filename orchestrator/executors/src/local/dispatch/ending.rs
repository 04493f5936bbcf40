//! What happens when an attempt, or the process it was in, is over.

use super::unheard::Kind;
use super::{Dispatcher, Place, Work};
use crate::executor::{AttemptKey, ExecutorNews};
use crate::inspect;
use crate::local::child::End;
use crate::local::ended::{supervisor_failure, worker_failure};
use crate::orphans::kill_marked;
use crate::protocol::{EndedAnswer, SentOrder, push_line};
use crate::report::{failed, now_unix_micros};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use trainyard_contract::{Failure, FailureClass, TaskReport};

/// Attempts shorter than this are quick.
const QUICK: Duration = Duration::from_millis(1);

/// How many ended keys are remembered.
const REMEMBERED: usize = 1 << 17;

impl Dispatcher {
    pub(super) fn take_ended(&mut self, child: u64, ended: EndedAnswer) {
        let id = ended.id;
        if ended.is_last
            && let Some(worker) = self.workers.get_mut(&child)
        {
            worker.is_leaving = true;
        }
        if self.is_of(child, id) {
            let took = Duration::from_micros(ended.micros);
            self.begin(id, ended.began);
            let is_free = self.leave(id);
            self.learn(id, took);
            let wants_look = self.config.inspects_tables
                && inspect::is_wanted(&ended.report)
                && self
                    .attempts
                    .get(&id)
                    .is_some_and(|attempt| matches!(attempt.work, Work::Command) && !attempt.cancelled);
            if wants_look {
                self.send_to_inspection(id, ended.report);
            } else {
                let kept = is_free && self.unheard.is_worth(took);
                self.end(id, ended.report, kept.then_some(took));
            }
        }
    }

    /// Whether that process is really the one that has the attempt: news of a process that was given
    /// up on count for nothing.
    pub(super) fn is_of(&self, child: u64, id: u64) -> bool {
        self.attempts.get(&id).is_some_and(|attempt| match attempt.place {
            Place::Queued => false,
            Place::Worker(worker) => worker == child,
            Place::Supervisor { .. } => self
                .supervisor
                .as_ref()
                .is_some_and(|supervisor| supervisor.id == child),
        })
    }

    pub(super) fn send_to_inspection(&mut self, id: u64, report: TaskReport) {
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.work = Work::Inspect(Box::new(report));
            attempt.cost.cores = attempt.cost.cores.min(1);
            // Before whatever has not begun.
            attempt.depth = u32::MAX;
            self.wait_for_room(id);
        }
    }

    /// It waits in its lane, where it waited before if it did.
    fn wait_for_room(&mut self, id: u64) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        attempt.place = Place::Queued;
        let (run, depth) = (&attempt.key.run, attempt.depth);
        match attempt.work {
            Work::Command => self.commands.put(run, depth, id),
            Work::Step { quick: true } => self.quick.put(run, depth, id),
            Work::Step { quick: false } | Work::Inspect(_) => self.heavy.put(run, depth, id),
        }
    }

    pub(super) fn learn(&mut self, id: u64, took: Duration) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        match attempt.work {
            Work::Command => smooth(&mut self.command_takes, took),
            Work::Step { quick: true } => smooth(&mut self.quick_takes, took),
            Work::Step { quick: false } => {}
            Work::Inspect(_) => return,
        }
        if matches!(attempt.work, Work::Command) {
            return;
        }
        let uses = attempt.spec.uses.as_str();
        match self.streaks.get_mut(uses) {
            Some(streak) => *streak = if took < QUICK { streak.saturating_add(1) } else { 0 },
            None => {
                self.streaks.insert(uses.to_owned(), u32::from(took < QUICK));
            }
        }
    }

    /// Takes an attempt out of the process that has it. True if that leaves a slot free; it may have gone
    /// to the next.
    pub(super) fn leave(&mut self, id: u64) -> bool {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return false;
        };
        let (place, cost) = (attempt.place, attempt.cost);
        attempt.place = Place::Queued;
        match place {
            Place::Queued => false,
            Place::Worker(child) => {
                self.used.give_back(cost);
                let Some(worker) = self.workers.get_mut(&child) else {
                    return true;
                };
                worker.in_flight.retain(|other| *other != id);
                worker.head_since = Instant::now();
                worker.has_recalled = false;
                worker.has_heavy &= !worker.in_flight.is_empty();
                if worker.in_flight.is_empty() {
                    worker.process.forget_tail();
                }
                true
            }
            Place::Supervisor { next: true } => {
                if let Some(supervisor) = &mut self.supervisor {
                    supervisor.next.retain(|other| *other != id);
                }
                false
            }
            Place::Supervisor { next: false } => {
                let Some(supervisor) = &mut self.supervisor else {
                    return false;
                };
                supervisor.running.remove(&id);
                // All that were sent ahead cost the same, so the slot fits.
                if let Some(next) = supervisor.next.pop_front() {
                    supervisor.running.insert(next);
                    if let Some(next) = self.attempts.get_mut(&next) {
                        next.place = Place::Supervisor { next: false };
                    }
                    false
                } else {
                    self.used.give_back(cost);
                    push_line(&mut supervisor.process.outbox, &SentOrder::Release);
                    true
                }
            }
        }
    }

    /// An order came back before it began.
    pub(super) fn take_back(&mut self, child: u64, id: u64) {
        if !self.is_of(child, id) {
            return;
        }
        self.leave(id);
        self.requeue(id);
    }

    pub(super) fn requeue(&mut self, id: u64) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        if attempt.cancelled {
            return self.fail(
                id,
                Failure::new(FailureClass::Signal, "cancelled before it began"),
            );
        }
        self.wait_for_room(id);
    }

    pub(super) fn fail(&mut self, id: u64, failure: Failure) {
        if let Some(attempt) = self.attempts.get(&id) {
            let report = failed(&attempt.spec, failure);
            self.end(id, report, None);
        }
    }

    /// It is over. After so long in a slot that is free now, the slot is kept for what follows on it.
    pub(super) fn end(&mut self, id: u64, report: TaskReport, keeps_slot_of: Option<Duration>) {
        if let Some(attempt) = self.attempts.remove(&id) {
            let depth = attempt.depth;
            self.lane(&attempt.work).forget(&attempt.key.run, depth, id);
            let of = match attempt.work {
                Work::Step { quick: true } => Kind::Quick,
                Work::Step { quick: false } | Work::Inspect(_) => Kind::Heavy,
                Work::Command => Kind::Command,
            };
            if keeps_slot_of.is_some() {
                self.used.take(attempt.cost);
            }
            self.unheard
                .tell(Instant::now(), of, keeps_slot_of.map(|took| (attempt.cost, took)));
            if self.by_key.get(&attempt.key) == Some(&id) {
                self.by_key.remove(&attempt.key);
            }
            self.remember_end((attempt.key.clone(), attempt.spec.epoch));
            self.tell(ExecutorNews::Ended {
                key: attempt.key,
                report: Box::new(report),
            });
        }
    }

    fn remember_end(&mut self, key: (AttemptKey, u64)) {
        self.ended_order.push_back(key.clone());
        self.ended.insert(key);
        if self.ended_order.len() > REMEMBERED
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    pub(super) fn take_end(&mut self, child: u64, end: End) {
        if let Some(mut worker) = self.workers.remove(&child) {
            let mut in_flight = std::mem::take(&mut worker.in_flight);
            if !worker.is_ready && worker.killed_for.is_none() {
                // The next one would not start either, so nothing is tried again here.
                let failure = worker_failure(&end, false);
                self.tell(ExecutorNews::Fault {
                    message: failure.message.clone(),
                });
                for id in in_flight {
                    self.give_back(id);
                    self.fail(id, failure.clone());
                }
                return;
            }
            let head = if worker.is_leaving {
                None
            } else {
                in_flight.pop_front()
            };
            for id in in_flight.into_iter().rev() {
                self.give_back(id);
                self.requeue(id);
            }
            if let Some(id) = head {
                let failure = worker.killed_for.take().map_or_else(
                    || worker_failure(&end, true),
                    |failure| Failure {
                        log_tail: end.tail.clone(),
                        ..failure
                    },
                );
                self.give_back(id);
                self.begin(id, now_unix_micros());
                self.fail(id, failure);
            }
        } else if self
            .supervisor
            .as_ref()
            .is_some_and(|supervisor| supervisor.id == child)
        {
            let Some(supervisor) = self.supervisor.take() else {
                return;
            };
            let failure = supervisor_failure(&end, supervisor.is_ready);
            self.tell(ExecutorNews::Fault {
                message: failure.message.clone(),
            });
            let lost: BTreeSet<u64> = supervisor
                .running
                .iter()
                .chain(&supervisor.next)
                .copied()
                .collect();
            let marks: BTreeSet<String> = lost
                .iter()
                .filter_map(|id| self.attempts.get(id))
                .map(|attempt| attempt.key.to_string())
                .collect();
            kill_marked(|mark| marks.contains(mark));
            for id in lost {
                if supervisor.running.contains(&id) {
                    self.give_back(id);
                }
                self.fail(id, failure.clone());
            }
        }
    }

    pub(super) fn give_back(&mut self, id: u64) {
        if let Some(attempt) = self.attempts.get(&id) {
            self.used.give_back(attempt.cost);
        }
    }
}

/// The first counts whole, each later one an eighth.
fn smooth(smoothed: &mut Option<Duration>, took: Duration) {
    *smoothed = Some(smoothed.map_or(took, |before| (before * 7 + took) / 8));
}
