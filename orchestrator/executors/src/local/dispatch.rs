//! The executor's thread: takes attempts, knows what every process of ours is doing, and sees that
//! none of them waits for work while there is some.

use super::LocalConfig;
use super::child::{End, OurProcess};
use super::ended::{supervisor_failure, worker_failure};
use crate::executor::{AttemptKey, ExecutorNews};
use crate::inspect;
use crate::orphans::kill_marked;
use crate::proc;
use crate::protocol::{Answer, EndedAnswer, PROTOCOL_VERSION, SentOrder, push_line};
use crate::report::{failed, now_unix_micros};
use crate::steps::NOOP;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use trainyard_contract::{ByteSize, Failure, FailureClass, Millis, TaskReport, TaskSpec};

/// How often to look at what workers use.
const LOOK: Duration = Duration::from_millis(25);

/// How many quick attempts a worker has before it at most.
const AHEAD: usize = 256;

/// Attempts below this many microseconds are quick.
const QUICK_MICROS: u64 = 1_000;

/// A kind of step that was quick so often in a row is expected to stay so.
const QUICK_STREAK: u32 = 8;

/// A worker that has been at one attempt for so long gives back what waits behind it.
const STUCK: Duration = Duration::from_millis(50);

/// How many ended keys are remembered.
const REMEMBERED: usize = 1 << 17;

/// A worker that kept this much memory from earlier attempts is replaced before the next.
const BLOATED: ByteSize = ByteSize(1 << 30);

/// What the executor's thread hears.
pub(super) enum Message {
    Submit(Vec<(AttemptKey, TaskSpec)>),
    Cancel(AttemptKey, Millis),
    Shutdown(Millis),
    Answers { child: u64, batch: Vec<Answer> },
    Gone { child: u64, end: End },
}

/// What an attempt takes from the machine while it runs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Cost {
    cores: u32,
    memory: u64,
}

enum Work {
    Step { quick: bool },
    Command,
    Inspect(Box<TaskReport>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Queued,
    Worker(u64),
    Supervisor { next: bool },
}

struct Attempt {
    key: AttemptKey,
    spec: Box<TaskSpec>,
    secrets: BTreeMap<String, String>,
    work: Work,
    cost: Cost,
    place: Place,
    has_begun: bool,
    cancelled: bool,
}

struct Worker {
    process: OurProcess,
    threads: u32,
    is_ready: bool,
    /// In the order in which it works on them; the first is the one it is at.
    in_flight: VecDeque<u64>,
    /// Whether what is in flight is not quick.
    has_heavy: bool,
    /// Takes no more quick attempts, so that a heavy one gets its turn.
    is_reserved: bool,
    has_recalled: bool,
    head_since: Instant,
    /// Why it was killed from here.
    killed_for: Option<Failure>,
    /// Said goodbye: only its end is still to come.
    is_leaving: bool,
}

struct Supervisor {
    id: u64,
    process: OurProcess,
    is_ready: bool,
    running: BTreeSet<u64>,
    /// Sent ahead; the first takes the place of whichever ends.
    next: VecDeque<u64>,
}

/// The state of the executor's thread.
pub(super) struct Dispatcher {
    config: LocalConfig,
    news: Sender<ExecutorNews>,
    messages: Sender<Message>,
    attempts: HashMap<u64, Attempt>,
    by_key: HashMap<AttemptKey, u64>,
    /// The last keys that ended, to know them again.
    ended: HashSet<AttemptKey>,
    ended_order: VecDeque<AttemptKey>,
    quick: VecDeque<u64>,
    heavy: VecDeque<u64>,
    commands: VecDeque<u64>,
    workers: BTreeMap<u64, Worker>,
    supervisor: Option<Supervisor>,
    used: Cost,
    /// Kind of step → how many times in a row it was quick.
    streaks: HashMap<String, u32>,
    last_id: u64,
    shutdown: Option<Instant>,
}

impl Dispatcher {
    pub(super) fn new(config: LocalConfig, news: Sender<ExecutorNews>, messages: Sender<Message>) -> Self {
        Self {
            config,
            news,
            messages,
            attempts: HashMap::new(),
            by_key: HashMap::new(),
            ended: HashSet::new(),
            ended_order: VecDeque::new(),
            quick: VecDeque::new(),
            heavy: VecDeque::new(),
            commands: VecDeque::new(),
            workers: BTreeMap::new(),
            supervisor: None,
            used: Cost::default(),
            streaks: HashMap::new(),
            last_id: 0,
            shutdown: None,
        }
    }

    /// Works until it is told to end, and nothing is left.
    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        let mut looked = Instant::now();
        loop {
            match self.wait(inbox) {
                Ok(message) => {
                    self.hear(message);
                    while let Ok(message) = inbox.try_recv() {
                        self.hear(message);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.look_at_workers();
            }
            if let Some(end) = self.shutdown
                && (self.attempts.is_empty() || Instant::now() >= end)
            {
                return self.finish(inbox);
            }
            self.dispatch();
            self.flush();
        }
    }

    fn wait(&self, inbox: &Receiver<Message>) -> Result<Message, RecvTimeoutError> {
        let is_busy = self.workers.values().any(|worker| !worker.in_flight.is_empty());
        if is_busy || self.shutdown.is_some() {
            inbox.recv_timeout(LOOK)
        } else {
            inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        }
    }

    /// Closes every process's standard input, which ends it, and waits for their ends.
    fn finish(mut self, inbox: &Receiver<Message>) {
        let mut open: BTreeSet<u64> = self.workers.keys().copied().collect();
        for worker in self.workers.values() {
            worker.process.kill();
        }
        self.workers.clear();
        open.extend(self.supervisor.take().map(|supervisor| supervisor.id));
        let end = Instant::now() + Duration::from_secs(10);
        while !open.is_empty() {
            match inbox.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Message::Gone { child, .. }) => {
                    open.remove(&child);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        let ids: BTreeSet<u64> = self.attempts.keys().copied().collect();
        for id in ids {
            self.fail(id, Failure::new(FailureClass::Signal, "cancelled"));
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Submit(attempts) => {
                for (key, spec) in attempts {
                    self.submit(key, spec);
                }
            }
            Message::Cancel(key, grace) => {
                if let Some(id) = self.by_key.get(&key).copied() {
                    self.cancel(id, grace);
                }
            }
            Message::Shutdown(grace) => {
                // A little more than the grace, so that reports of what was killed still arrive.
                let more = Duration::from_millis(grace.0) + Duration::from_secs(2);
                self.shutdown = Some(Instant::now() + more);
                let ids: BTreeSet<u64> = self.attempts.keys().copied().collect();
                for id in ids {
                    self.cancel(id, grace);
                }
            }
            Message::Answers { child, batch } => {
                for answer in batch {
                    self.take_answer(child, answer);
                }
            }
            Message::Gone { child, end } => self.take_end(child, end),
        }
    }

    fn tell(&self, news: ExecutorNews) {
        // An engine that is gone ends this thread by dropping the executor.
        let _ = self.news.send(news);
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn submit(&mut self, key: AttemptKey, mut spec: TaskSpec) {
        if self.by_key.contains_key(&key) || self.ended.contains(&key) {
            return;
        }
        let id = self.next_id();
        let limits = &mut spec.limits;
        let cost = Cost {
            cores: limits.cpu.unwrap_or(1).min(self.config.cores),
            memory: limits
                .memory
                .map_or(0, |memory| memory.0.min(self.config.memory.0)),
        };
        limits.memory = Some(limits.memory.unwrap_or(self.config.memory));
        let work = if spec.process.is_some() {
            Work::Command
        } else {
            Work::Step {
                quick: is_quick(&spec, &self.streaks),
            }
        };
        let (queue, cost) = match work {
            Work::Command => (&mut self.commands, cost),
            Work::Step { quick: true } => (&mut self.quick, Cost::default()),
            Work::Step { quick: false } | Work::Inspect(_) => (&mut self.heavy, cost),
        };
        queue.push_back(id);
        let wanted = spec
            .process
            .as_ref()
            .map(|process| process.secrets.clone())
            .unwrap_or_default();
        let mut secrets = BTreeMap::new();
        let mut missing = None;
        for (variable, name) in wanted {
            match self.config.secrets.get(&name) {
                Some(value) => {
                    secrets.insert(variable, value);
                }
                None => missing = Some(name),
            }
        }
        self.by_key.insert(key.clone(), id);
        let attempt = Attempt {
            key,
            spec: Box::new(spec),
            secrets,
            work,
            cost,
            place: Place::Queued,
            has_begun: false,
            cancelled: false,
        };
        self.attempts.insert(id, attempt);
        if let Some(name) = missing {
            let failure = Failure::new(FailureClass::Rejected, format!("the secret `{name}` is not set"));
            let help = format!(
                "set TRAINYARD_SECRET_{}, or add it to the file of secrets",
                name.to_ascii_uppercase()
            );
            self.fail(
                id,
                Failure {
                    help: Some(help),
                    ..failure
                },
            );
        } else if self.shutdown.is_some() {
            self.fail(
                id,
                Failure::new(FailureClass::Signal, "cancelled before it began"),
            );
        }
    }

    fn cancel(&mut self, id: u64, grace: Millis) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        attempt.cancelled = true;
        match attempt.place {
            Place::Queued => self.fail(
                id,
                Failure::new(FailureClass::Signal, "cancelled before it began"),
            ),
            Place::Worker(child) => {
                let Some(worker) = self.workers.get_mut(&child) else {
                    return;
                };
                if worker.in_flight.front() == Some(&id) {
                    worker.kill_for(Failure::new(FailureClass::Signal, "cancelled"));
                } else {
                    push_line(&mut worker.process.outbox, &SentOrder::Recall { ids: &[id] });
                }
            }
            Place::Supervisor { .. } => {
                if let Some(supervisor) = &mut self.supervisor {
                    push_line(&mut supervisor.process.outbox, &SentOrder::Recall { ids: &[id] });
                    push_line(&mut supervisor.process.outbox, &SentOrder::Cancel { id, grace });
                }
            }
        }
        self.flush();
    }

    fn take_answer(&mut self, child: u64, answer: Answer) {
        match answer {
            Answer::Hello { version } => self.take_hello(child, version),
            Answer::Began { id, at } => self.begin(id, at),
            Answer::Progress {
                id,
                done,
                total,
                unit,
            } => {
                if let Some(attempt) = self.attempts.get(&id) {
                    self.tell(ExecutorNews::Progress {
                        key: attempt.key.clone(),
                        done,
                        total,
                        unit,
                    });
                }
            }
            Answer::Log { id, line } => {
                if let Some(attempt) = self.attempts.get(&id) {
                    self.tell(ExecutorNews::Log {
                        key: attempt.key.clone(),
                        line,
                    });
                }
            }
            Answer::Ended(ended) => self.take_ended(child, *ended),
            Answer::Returned { ids } => {
                // From the last to the first, so that they keep their order at the front.
                for id in ids.into_iter().rev() {
                    self.take_back(child, id);
                }
            }
        }
    }

    fn take_hello(&mut self, child: u64, version: u32) {
        if version != PROTOCOL_VERSION {
            let message =
                format!("a process of this executor speaks protocol {version}, not {PROTOCOL_VERSION}");
            self.tell(ExecutorNews::Fault { message });
        }
        if let Some(worker) = self.workers.get_mut(&child) {
            worker.is_ready = true;
            // Starting up is no work.
            worker.head_since = Instant::now();
        } else if let Some(supervisor) = self
            .supervisor
            .as_mut()
            .filter(|supervisor| supervisor.id == child)
        {
            supervisor.is_ready = true;
        }
    }

    fn begin(&mut self, id: u64, at_unix_micros: i64) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        if !attempt.has_begun {
            attempt.has_begun = true;
            let key = attempt.key.clone();
            self.tell(ExecutorNews::Began { key, at_unix_micros });
        }
    }

    fn take_ended(&mut self, child: u64, ended: EndedAnswer) {
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
    fn is_of(&self, child: u64, id: u64) -> bool {
        self.attempts.get(&id).is_some_and(|attempt| match attempt.place {
            Place::Queued => false,
            Place::Worker(worker) => worker == child,
            Place::Supervisor { .. } => self
                .supervisor
                .as_ref()
                .is_some_and(|supervisor| supervisor.id == child),
        })
    }

    fn send_to_inspection(&mut self, id: u64, report: TaskReport) {
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.work = Work::Inspect(Box::new(report));
            attempt.cost.cores = attempt.cost.cores.min(1);
            attempt.place = Place::Queued;
            self.heavy.push_front(id);
        }
    }

    fn learn(&mut self, id: u64, micros: u64) {
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
    fn leave(&mut self, id: u64) {
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
    fn take_back(&mut self, child: u64, id: u64) {
        if !self.is_of(child, id) {
            return;
        }
        self.leave(id);
        self.requeue(id);
    }

    fn requeue(&mut self, id: u64) {
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

    fn fail(&mut self, id: u64, failure: Failure) {
        if let Some(attempt) = self.attempts.get(&id) {
            let report = failed(&attempt.spec, failure);
            self.end(id, report);
        }
    }

    fn end(&mut self, id: u64, report: TaskReport) {
        if let Some(attempt) = self.attempts.remove(&id) {
            self.by_key.remove(&attempt.key);
            self.remember_end(attempt.key.clone());
            self.tell(ExecutorNews::Ended {
                key: attempt.key,
                report: Box::new(report),
            });
        }
    }

    fn remember_end(&mut self, key: AttemptKey) {
        self.ended_order.push_back(key.clone());
        self.ended.insert(key);
        if self.ended_order.len() > REMEMBERED
            && let Some(oldest) = self.ended_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    fn take_end(&mut self, child: u64, end: End) {
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

    fn give_back(&mut self, id: u64) {
        if let Some(attempt) = self.attempts.get(&id) {
            self.used.give_back(attempt.cost);
        }
    }

    fn look_at_workers(&mut self) {
        for worker in self.workers.values_mut() {
            let Some(attempt) = worker.in_flight.front().and_then(|id| self.attempts.get(id)) else {
                continue;
            };
            if !worker.is_ready || worker.killed_for.is_some() {
                continue;
            }
            let since = worker.head_since.elapsed();
            if attempt.cancelled {
                worker.kill_for(Failure::new(FailureClass::Signal, "cancelled"));
            } else if let Some(limit) = attempt.spec.limits.timeout
                && since >= Duration::from_millis(limit.0)
            {
                let message = format!("it ran longer than its timeout of {limit}");
                let help = Some("raise `timeout`, or give it less to do".to_owned());
                worker.kill_for(Failure {
                    help,
                    ..Failure::new(FailureClass::Timeout, message)
                });
            } else if let Some(limit) = attempt.spec.limits.memory
                && let Some(used) = proc::resident(worker.process.pid)
                && used > limit
            {
                let used = ByteSize(used.0 >> 20 << 20);
                let message = format!("it used {used} of memory, more than its limit of {limit}");
                let help = Some("raise `resources.memory`, or give it less to do".to_owned());
                worker.kill_for(Failure {
                    help,
                    ..Failure::new(FailureClass::OutOfMemory, message)
                });
            } else if since >= STUCK && worker.in_flight.len() > 1 && !worker.has_recalled {
                worker.has_recalled = true;
                let ids: Vec<u64> = worker.in_flight.iter().skip(1).copied().collect();
                push_line(&mut worker.process.outbox, &SentOrder::Recall { ids: &ids });
            }
        }
    }

    fn flush(&mut self) {
        for worker in self.workers.values_mut() {
            worker.process.flush();
        }
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.process.flush();
        }
    }

    fn dispatch(&mut self) {
        self.dispatch_heavy();
        self.dispatch_quick();
        self.dispatch_commands();
    }

    /// The attempt at the front of a queue, passing over those that are over.
    fn front(attempts: &HashMap<u64, Attempt>, queue: &mut VecDeque<u64>) -> Option<u64> {
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

    fn dispatch_quick(&mut self) {
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

    fn dispatch_heavy(&mut self) {
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
    fn worker_for(&mut self, threads: u32, memory: ByteSize, id: u64) -> Option<u64> {
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
    fn start_worker(&mut self, threads: u32, attempt: u64) -> Option<u64> {
        let id = self.next_id();
        let (program, arguments) = (&self.config.program, &self.config.worker_args);
        match OurProcess::start(program, arguments, Some(threads), id, self.messages.clone()) {
            Ok(process) => {
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

    fn send_to_worker(&mut self, child: u64, id: u64) {
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

    fn dispatch_commands(&mut self) {
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
    fn may_go_ahead(&self, cost: Cost) -> bool {
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
    fn start_supervisor(&mut self, attempt: u64) -> bool {
        let id = self.next_id();
        let (program, arguments) = (&self.config.program, &self.config.supervisor_args);
        match OurProcess::start(program, arguments, None, id, self.messages.clone()) {
            Ok(process) => {
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

    fn fits(&self, cost: Cost) -> bool {
        self.used.cores + cost.cores <= self.config.cores.max(1)
            && self.used.memory + cost.memory <= self.config.memory.0
    }
}

impl Cost {
    fn take(&mut self, cost: Self) {
        self.cores += cost.cores;
        self.memory += cost.memory;
    }

    fn give_back(&mut self, cost: Self) {
        self.cores = self.cores.saturating_sub(cost.cores);
        self.memory = self.memory.saturating_sub(cost.memory);
    }
}

impl Worker {
    fn accepts(&self) -> bool {
        self.killed_for.is_none() && !self.is_leaving
    }

    fn kill_for(&mut self, failure: Failure) {
        if self.killed_for.is_none() {
            self.killed_for = Some(failure);
            self.process.kill();
        }
    }
}

/// Whether an attempt will be over before anybody could have looked.
fn is_quick(spec: &TaskSpec, streaks: &HashMap<String, u32>) -> bool {
    if spec.uses == NOOP {
        return spec.with.is_null() || spec.with.as_object().is_some_and(serde_json::Map::is_empty);
    }
    spec.limits.cpu == Some(0)
        || streaks
            .get(&spec.uses)
            .is_some_and(|streak| *streak >= QUICK_STREAK)
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

fn start_failure(what: &str, program: &std::path::Path, error: &std::io::Error) -> Failure {
    let message = format!("could not start the {what} {}", program.display());
    Failure {
        causes: vec![error.to_string()],
        ..Failure::new(FailureClass::Internal, message)
    }
}
