//! Who runs what, and when: quick steps in batches, heavy ones one to a worker, commands as the
//! declared cores and memory allow.

use super::{Attempt, Cost, Dispatcher, Place, Supervisor, Work, Worker};
use crate::local::child::OurProcess;
use crate::proc;
use crate::protocol::{SentOrder, push_line};
use crate::report::now_unix_micros;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::time::Instant;
use trainyard_contract::{ByteSize, Failure, FailureClass};

/// How many quick attempts a worker has before it at most.
const AHEAD: usize = 256;

/// A worker that kept this much memory from earlier attempts is replaced before the next.
const BLOATED: ByteSize = ByteSize(1 << 30);

impl Dispatcher {
    pub(in crate::local) fn dispatch(&mut self) {
        self.dispatch_heavy();
        self.dispatch_quick();
        self.dispatch_commands();
    }

    /// The attempt at the front of a queue, passing over those that are over.
    pub(super) fn front(attempts: &HashMap<u64, Attempt>, queue: &mut VecDeque<u64>) -> Option<u64> {
        while let Some(id) = queue.front() {
            if attempts
                .get(id)
                .is_some_and(|attempt| attempt.place == Place::Queued)
            {
                return Some(*id);
            }
            queue.pop_front();
        }
        None
    }

    pub(super) fn dispatch_quick(&mut self) {
        while let Some(first) = Self::front(&self.attempts, &mut self.quick) {
            let waiting = self.quick.len();
            let room = |worker: &Worker| {
                let is_open = !worker.has_heavy && !worker.is_reserved && worker.accepts();
                if is_open && worker.in_flight.len() <= AHEAD / 2 {
                    AHEAD - worker.in_flight.len()
                } else {
                    0
                }
            };
            let open: Vec<u64> = self
                .workers
                .iter()
                .filter(|(_, worker)| room(worker) > 0)
                .map(|(id, _)| *id)
                .collect();
            let may_start = self.workers.len() < self.config.workers.max(1);
            if may_start && (open.is_empty() || waiting > 32) {
                if self.start_worker(self.config.cores.max(1), first).is_none() {
                    return;
                }
                continue;
            }
            if open.is_empty() {
                return;
            }
            let share = waiting.div_ceil(open.len());
            for child in open {
                for _ in 0..share {
                    let Some(id) = Self::front(&self.attempts, &mut self.quick) else {
                        break;
                    };
                    let Some(worker) = self.workers.get(&child) else {
                        break;
                    };
                    if worker.in_flight.len() >= AHEAD {
                        break;
                    }
                    self.quick.pop_front();
                    self.send_to_worker(child, id);
                }
            }
        }
    }

    pub(super) fn dispatch_heavy(&mut self) {
        while let Some(id) = Self::front(&self.attempts, &mut self.heavy) {
            let Some(attempt) = self.attempts.get(&id) else {
                return;
            };
            if !self.fits(attempt.cost) {
                break;
            }
            // Who declares no cores gets as many threads as there are, and counts as one.
            let threads = attempt
                .spec
                .limits
                .cpu
                .unwrap_or(self.config.cores)
                .clamp(1, self.config.cores.max(1));
            let memory = attempt.spec.limits.memory.unwrap_or(self.config.memory);
            let Some(child) = self.worker_for(threads, memory, id) else {
                return;
            };
            self.heavy.pop_front();
            self.send_to_worker(child, id);
        }
        if self.heavy.is_empty() {
            for worker in self.workers.values_mut() {
                worker.is_reserved = false;
            }
        }
    }

    /// A worker that is free for a heavy attempt, started if need be; none: wait.
    pub(super) fn worker_for(&mut self, threads: u32, memory: ByteSize, id: u64) -> Option<u64> {
        let idle: Vec<u64> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.accepts() && worker.in_flight.is_empty())
            .map(|(child, _)| *child)
            .collect();
        let mut unfit = None;
        for child in idle {
            let Some(worker) = self.workers.get(&child) else {
                continue;
            };
            let held = proc::resident(worker.process.pid).unwrap_or_default();
            if worker.threads == threads && held < BLOATED && (held.0 < memory.0 / 2 || held.0 < 128 << 20) {
                return Some(child);
            }
            unfit = Some(child);
        }
        if self.workers.len() < self.config.workers.max(1) {
            return self.start_worker(threads, id);
        }
        if let Some(child) = unfit {
            // Its end is heard like any other; until then there is one more than allowed.
            if let Some(mut worker) = self.workers.remove(&child) {
                worker.process.flush();
            }
            return self.start_worker(threads, id);
        }
        let busy = self
            .workers
            .values_mut()
            .filter(|worker| !worker.has_heavy && worker.accepts());
        if let Some(worker) = busy.min_by_key(|worker| worker.in_flight.len()) {
            worker.is_reserved = true;
        }
        None
    }

    /// Starts a worker; if that cannot be, the attempt it was for fails.
    pub(super) fn start_worker(&mut self, threads: u32, attempt: u64) -> Option<u64> {
        let id = self.next_id();
        let (program, arguments) = (&self.config.program, &self.config.worker_args);
        match OurProcess::start(program, arguments, Some(threads), id, self.desk.clone()) {
            Ok(process) => {
                self.children += 1;
                let worker = Worker {
                    process,
                    threads,
                    is_ready: false,
                    in_flight: VecDeque::new(),
                    has_heavy: false,
                    is_reserved: false,
                    has_recalled: false,
                    head_since: Instant::now(),
                    killed_for: None,
                    is_leaving: false,
                };
                self.workers.insert(id, worker);
                Some(id)
            }
            Err(error) => {
                self.fail(attempt, start_failure("worker", program, &error));
                None
            }
        }
    }

    pub(super) fn send_to_worker(&mut self, child: u64, id: u64) {
        let (Some(worker), Some(attempt)) = (self.workers.get_mut(&child), self.attempts.get_mut(&id)) else {
            return;
        };
        if worker.in_flight.is_empty() {
            worker.head_since = Instant::now();
        }
        worker.in_flight.push_back(id);
        worker.is_reserved = false;
        attempt.place = Place::Worker(child);
        self.used.take(attempt.cost);
        let outbox = &mut worker.process.outbox;
        match &attempt.work {
            Work::Inspect(report) => {
                worker.has_heavy = true;
                push_line(
                    outbox,
                    &SentOrder::Inspect {
                        id,
                        spec: &attempt.spec,
                        report,
                    },
                );
            }
            work => {
                let quick = matches!(work, Work::Step { quick: true });
                worker.has_heavy |= !quick;
                push_run(outbox, attempt, id, quick, false, self.config.follow_logs);
                if !quick {
                    self.begin(id, now_unix_micros());
                }
            }
        }
    }

    pub(super) fn dispatch_commands(&mut self) {
        while let Some(id) = Self::front(&self.attempts, &mut self.commands) {
            let Some(cost) = self.attempts.get(&id).map(|attempt| attempt.cost) else {
                return;
            };
            let fits = self.fits(cost);
            if !fits && !self.may_go_ahead(cost) {
                return;
            }
            if self.supervisor.is_none() && !self.start_supervisor(id) {
                continue;
            }
            let (Some(supervisor), Some(attempt)) = (&mut self.supervisor, self.attempts.get_mut(&id)) else {
                return;
            };
            self.commands.pop_front();
            attempt.place = Place::Supervisor { next: !fits };
            if fits {
                self.used.take(cost);
                supervisor.running.insert(id);
            } else {
                supervisor.next.push_back(id);
            }
            push_run(
                &mut supervisor.process.outbox,
                attempt,
                id,
                false,
                !fits,
                self.config.follow_logs,
            );
        }
    }

    /// Whether a command may be sent before there is a slot for it: it will take that of whichever
    /// ends first, so all must cost the same.
    pub(super) fn may_go_ahead(&self, cost: Cost) -> bool {
        let Some(supervisor) = &self.supervisor else {
            return false;
        };
        let is_same = |id: &u64| self.attempts.get(id).is_some_and(|attempt| attempt.cost == cost);
        let is_heavy_waiting = !self.heavy.is_empty();
        !is_heavy_waiting
            && !supervisor.running.is_empty()
            && supervisor.next.len() < supervisor.running.len() * 4
            && supervisor.running.iter().all(is_same)
            && supervisor.next.iter().all(is_same)
    }

    /// Starts the supervisor; if that cannot be, the attempt it was for fails.
    pub(super) fn start_supervisor(&mut self, attempt: u64) -> bool {
        let id = self.next_id();
        let (program, arguments) = (&self.config.program, &self.config.supervisor_args);
        match OurProcess::start(program, arguments, None, id, self.desk.clone()) {
            Ok(process) => {
                self.children += 1;
                let (running, next) = (BTreeSet::new(), VecDeque::new());
                self.supervisor = Some(Supervisor {
                    id,
                    process,
                    is_ready: false,
                    running,
                    next,
                });
                true
            }
            Err(error) => {
                self.fail(attempt, start_failure("supervisor", program, &error));
                false
            }
        }
    }

    pub(super) fn fits(&self, cost: Cost) -> bool {
        self.used.cores + cost.cores <= self.config.cores.max(1)
            && self.used.memory + cost.memory <= self.config.memory.0
    }
}

fn push_run(outbox: &mut Vec<u8>, attempt: &Attempt, id: u64, quick: bool, next: bool, follow: bool) {
    let mark = if attempt.spec.process.is_some() {
        attempt.key.to_string()
    } else {
        String::new()
    };
    let order = SentOrder::Run {
        id,
        spec: &attempt.spec,
        mark: &mark,
        quick,
        next,
        follow,
        secrets: &attempt.secrets,
    };
    push_line(outbox, &order);
}

fn start_failure(what: &str, program: &Path, error: &std::io::Error) -> Failure {
    let message = format!("could not start the {what} {}", program.display());
    Failure {
        causes: vec![error.to_string()],
        ..Failure::new(FailureClass::Internal, message)
    }
}
