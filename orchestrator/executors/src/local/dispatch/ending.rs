//! What happens when an attempt, or the process it was in, is over.

use super::{Dispatcher, Place, Work};
use crate::executor::{AttemptKey, ExecutorNews};
use crate::inspect;
use crate::local::child::End;
use crate::local::ended::{supervisor_failure, worker_failure};
use crate::orphans::kill_marked;
use crate::protocol::{EndedAnswer, SentOrder, push_line};
use crate::report::{failed, now_unix_micros};
use std::collections::BTreeSet;
use std::time::Instant;
use trainyard_contract::{Failure, FailureClass, TaskReport};

/// Attempts below this many microseconds are quick.
const QUICK_MICROS: u64 = 1_000;

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
            self.begin(id, ended.began);
            self.leave(id);
            self.learn(id, ended.micros);
            let wants_look = self.config.inspects_tables
                && inspect::is_wanted(&ended.report)
                && self
                    .attempts
                    .get(&id)
                    .is_some_and(|attempt| matches!(attempt.work, Work::Command) && !attempt.cancelled);
            if wants_look {
                self.send_to_inspection(id, ended.report);
            } else {
                self.end(id, ended.report);
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
            attempt.place = Place::Queued;
            self.heavy.push_front(id);
        }
    }

    pub(super) fn learn(&mut self, id: u64, micros: u64) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        if !matches!(attempt.work, Work::Step { .. }) {
            return;
        }
        let uses = attempt.spec.uses.as_str();
        match self.streaks.get_mut(uses) {
            Some(streak) => {
                *streak = if micros < QUICK_MICROS {
                    streak.saturating_add(1)
                } else {
                    0
                }
            }
            None => {
                self.streaks
                    .insert(uses.to_owned(), u32::from(micros < QUICK_MICROS));
            }
        }
    }

    /// Takes an attempt out of the process that has it; its slot is free, or goes to the next.
    pub(super) fn leave(&mut self, id: u64) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        let (place, cost) = (attempt.place, attempt.cost);
        attempt.place = Place::Queued;
        match place {
            Place::Queued => {}
            Place::Worker(child) => {
                self.used.give_back(cost);
                let Some(worker) = self.workers.get_mut(&child) else {
                    return;
                };
                worker.in_flight.retain(|other| *other != id);
                worker.head_since = Instant::now();
                worker.has_recalled = false;
                worker.has_heavy &= !worker.in_flight.is_empty();
                if worker.in_flight.is_empty() {
                    worker.process.forget_tail();
                }
            }
            Place::Supervisor { next: true } => {
                if let Some(supervisor) = &mut self.supervisor {
                    supervisor.next.retain(|other| *other != id);
                }
            }
            Place::Supervisor { next: false } => {
                let Some(supervisor) = &mut self.supervisor else {
                    return;
                };
                supervisor.running.remove(&id);
                // All that were sent ahead cost the same, so the slot fits.
                if let Some(next) = supervisor.next.pop_front() {
                    supervisor.running.insert(next);
                    if let Some(next) = self.attempts.get_mut(&next) {
                        next.place = Place::Supervisor { next: false };
                    }
                } else {
                    self.used.give_back(cost);
                    push_line(&mut supervisor.process.outbox, &SentOrder::Release);
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
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        if attempt.cancelled {
            return self.fail(
                id,
                Failure::new(FailureClass::Signal, "cancelled before it began"),
            );
        }
        attempt.place = Place::Queued;
        match attempt.work {
            Work::Command => self.commands.push_front(id),
            Work::Step { quick: true } => self.quick.push_front(id),
            Work::Step { quick: false } | Work::Inspect(_) => self.heavy.push_front(id),
        }
    }

    pub(super) fn fail(&mut self, id: u64, failure: Failure) {
        if let Some(attempt) = self.attempts.get(&id) {
            let report = failed(&attempt.spec, failure);
            self.end(id, report);
        }
    }

    pub(super) fn end(&mut self, id: u64, report: TaskReport) {
        if let Some(attempt) = self.attempts.remove(&id) {
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
