//! Who runs what, and when: quick steps in batches, heavy ones one to a worker, commands as the
//! declared cores and memory allow.

use super::{Attempt, Cost, Dispatcher, Place, Supervisor, Work, Worker, is_quick};
use crate::local::child::OurProcess;
use crate::proc;
use crate::protocol::{SentOrder, push_line};
use crate::report::now_unix_micros;
use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};
use trainyard_contract::{ByteSize, Failure, FailureClass};

/// A worker has so much work before it, so that it need not wait for the next: what has been sent out
/// cannot be overtaken any more.
const WORK_AHEAD: Duration = Duration::from_micros(200);

/// How many quick attempts a worker has before it at most.
const MOST_AHEAD: usize = 32;

/// Quick attempts that are on their way to workers and back to the engine are so much work together.
const WORK_OUT: Duration = Duration::from_micros(300);

/// What sending an attempt and its report costs besides the work.
const TO_AND_FRO: Duration = Duration::from_micros(4);

/// What takes less is done sooner than the engine says what follows on it, however many are sent.
const NOT_NOTHING: Duration = Duration::from_micros(100);

/// There are so many of them at least, and at most.
const LEAST_OUT: usize = 8;
const MOST_OUT: usize = 64;

/// For each command that runs so many short ones are sent ahead at most.
const NEXT_EACH: usize = 2;

/// A worker that kept this much memory from earlier attempts is replaced before the next.
const BLOATED: ByteSize = ByteSize(1 << 30);

impl Dispatcher {
    pub(in crate::local) fn dispatch(&mut self) {
        self.dispatch_heavy();
        self.dispatch_quick();
        self.dispatch_commands();
    }

    /// How many quick attempts a worker has before it at most.
    fn ahead(&self) -> usize {
        let each = self.quick_takes.unwrap_or_default().as_micros().max(1);
        usize::try_from(WORK_AHEAD.as_micros() / each).map_or(MOST_AHEAD, |count| count.clamp(2, MOST_AHEAD))
    }

    /// How many quick attempts more may be sent out: so many that workers do not wait for the engine, and
    /// no more, because they would only be begun and left lying.
    fn quick_room(&self) -> usize {
        let out = self.workers.values().filter(|worker| !worker.has_heavy);
        let out: usize = out.map(|worker| worker.in_flight.len()).sum();
        let takes = self.quick_takes.unwrap_or_default();
        let answered = self.unheard.answer().as_micros() / takes.max(NOT_NOTHING).as_micros();
        let answered = usize::try_from(answered).unwrap_or(MOST_OUT) * self.config.workers;
        let most = WORK_OUT.as_micros() / (takes + TO_AND_FRO).as_micros();
        let most = usize::try_from(most).unwrap_or(MOST_OUT).max(answered);
        most.clamp(LEAST_OUT, MOST_OUT)
            .saturating_sub(out + self.unheard.quick())
    }

    pub(super) fn dispatch_quick(&mut self) {
        let ahead = self.ahead();
        let mut left = self.quick_room();
        while let (Some(first), true) = (self.quick.next(), left > 0) {
            let waiting = self.quick.len();
            let room = |worker: &Worker| {
                let is_open = !worker.has_heavy && !worker.is_reserved && worker.accepts();
                if is_open && worker.in_flight.len() <= ahead / 2 {
                    ahead - worker.in_flight.len()
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
            let share = waiting.min(left).div_ceil(open.len());
            for child in open {
                for _ in 0..share {
                    let Some(worker) = self.workers.get(&child) else {
                        break;
                    };
                    if worker.in_flight.len() >= ahead || left == 0 {
                        break;
                    }
                    let Some(id) = self.quick.take() else {
                        break;
                    };
                    left -= 1;
                    self.send_to_worker(child, id);
                }
            }
        }
    }

    /// Its kind has turned out to be quick while it waited.
    fn is_quick_now(&mut self, id: u64) {
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.work = Work::Step { quick: true };
            attempt.cost = Cost::default();
            self.quick.put(&attempt.key.run, attempt.depth, id);
        }
    }

    pub(super) fn dispatch_heavy(&mut self) {
        while let Some(id) = self.heavy.next() {
            let Some(attempt) = self.attempts.get(&id) else {
                return;
            };
            if matches!(attempt.work, Work::Step { .. }) && is_quick(&attempt.spec, &self.streaks) {
                self.heavy.take();
                self.is_quick_now(id);
                continue;
            }
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
            self.heavy.take();
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
                let how = How {
                    quick,
                    next: false,
                    first: false,
                    follow: self.config.follow_logs,
                };
                push_run(outbox, attempt, id, &how);
                if !quick {
                    self.begin(id, now_unix_micros());
                }
            }
        }
    }

    pub(super) fn dispatch_commands(&mut self) {
        while let Some(id) = self.commands.next() {
            let Some(attempt) = self.attempts.get(&id) else {
                return;
            };
            let (cost, depth) = (attempt.cost, attempt.depth);
            let fits = self.fits(cost);
            let first = !fits && self.is_deeper_than_next(depth);
            if !fits && !self.may_go_ahead(cost, first) {
                return;
            }
            if self.supervisor.is_none() && !self.start_supervisor(id) {
                continue;
            }
            let (Some(supervisor), Some(attempt)) = (&mut self.supervisor, self.attempts.get_mut(&id)) else {
                return;
            };
            self.commands.take();
            attempt.place = Place::Supervisor { next: !fits };
            if fits {
                self.used.take(cost);
                supervisor.running.insert(id);
            } else if first {
                supervisor.next.push_front(id);
            } else {
                supervisor.next.push_back(id);
            }
            let how = How {
                quick: false,
                next: !fits,
                first,
                follow: self.config.follow_logs,
            };
            push_run(&mut supervisor.process.outbox, attempt, id, &how);
        }
    }

    /// Whether it goes ahead of the commands that were sent before there was a slot for them.
    fn is_deeper_than_next(&self, depth: u32) -> bool {
        let next = self
            .supervisor
            .as_ref()
            .and_then(|supervisor| supervisor.next.front());
        next.and_then(|id| self.attempts.get(id))
            .is_some_and(|next| depth > next.depth)
    }

    /// Whether a command may be sent before there is a slot for it: it will take that of whichever
    /// ends first, so all must cost the same. For long ones that saves nothing, and it keeps the slot
    /// from what follows on who ends.
    fn may_go_ahead(&self, cost: Cost, first: bool) -> bool {
        let Some(supervisor) = &self.supervisor else {
            return false;
        };
        // What follows on those that have just ended has a place of its own, and others leave it theirs.
        let (most, coming) = if first {
            (supervisor.running.len() * (NEXT_EACH + 1), 0)
        } else {
            (supervisor.running.len() * NEXT_EACH, self.unheard.commands())
        };
        let is_same = |id: &u64| self.attempts.get(id).is_some_and(|attempt| attempt.cost == cost);
        let is_heavy_waiting = !self.heavy.is_empty();
        !is_heavy_waiting
            && !supervisor.running.is_empty()
            && self
                .command_takes
                .is_none_or(|takes| !self.unheard.is_worth(takes))
            && supervisor.next.len() + coming < most
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

/// How an attempt is sent to a process of ours; the words are those of the order.
struct How {
    quick: bool,
    next: bool,
    first: bool,
    follow: bool,
}

fn push_run(outbox: &mut Vec<u8>, attempt: &Attempt, id: u64, how: &How) {
    let mark = if attempt.spec.process.is_some() {
        attempt.key.to_string()
    } else {
        String::new()
    };
    let order = SentOrder::Run {
        id,
        spec: &attempt.spec,
        mark: &mark,
        quick: how.quick,
        next: how.next,
        first: how.first,
        follow: how.follow,
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
