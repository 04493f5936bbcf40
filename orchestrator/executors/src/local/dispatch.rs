//! The executor's state: takes attempts, knows what every process of ours is doing, and sees that
//! none of them waits for work while there is some.

mod ending;
mod lane;
mod placing;
mod unheard;

use super::LocalConfig;
use super::child::{End, OurProcess};
use super::desk::Desk;
use crate::executor::{AttemptKey, ExecutorNews, Submission};
use crate::proc;
use crate::protocol::{Answer, PROTOCOL_VERSION, SentOrder, push_line};
use crate::steps::NOOP;
use lane::Lane;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Weak;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use trainyard_contract::{ByteSize, Failure, FailureClass, Millis, TaskReport, TaskSpec};
use unheard::Unheard;

/// A kind of step that was quick so often in a row is expected to stay so.
const QUICK_STREAK: u32 = 8;

/// A worker that has been at one attempt for so long gives back what waits behind it.
const STUCK: Duration = Duration::from_millis(50);

/// What the executor hears.
pub(super) enum Message {
    Submit {
        /// So many more are heard, and what follows on them is here.
        ends: usize,
        attempts: Vec<Submission>,
    },
    Cancel(AttemptKey, Millis),
    Shutdown(Millis),
    Answers {
        child: u64,
        batch: Vec<Answer>,
    },
    Gone {
        child: u64,
        end: End,
    },
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
    depth: u32,
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

/// All that the executor knows.
pub(super) struct Dispatcher {
    config: LocalConfig,
    news: Sender<ExecutorNews>,
    /// Where processes bring their answers.
    desk: Weak<Desk>,
    /// Processes that were started and whose end was not heard yet.
    children: usize,
    attempts: HashMap<u64, Attempt>,
    /// The newest attempt of a key.
    by_key: HashMap<AttemptKey, u64>,
    /// The last keys that ended, each under the epoch of its lease, to know them again.
    ended: HashSet<(AttemptKey, u64)>,
    ended_order: VecDeque<(AttemptKey, u64)>,
    quick: Lane,
    heavy: Lane,
    commands: Lane,
    unheard: Unheard,
    workers: BTreeMap<u64, Worker>,
    supervisor: Option<Supervisor>,
    used: Cost,
    /// Kind of step → how many times in a row it was quick.
    streaks: HashMap<String, u32>,
    /// What a quick attempt takes, smoothed.
    quick_takes: Option<Duration>,
    /// What a command takes, smoothed.
    command_takes: Option<Duration>,
    last_id: u64,
    shutdown: Option<Instant>,
}

impl Dispatcher {
    pub(super) fn new(config: LocalConfig, news: Sender<ExecutorNews>, desk: Weak<Desk>) -> Self {
        Self {
            config,
            news,
            desk,
            children: 0,
            attempts: HashMap::new(),
            by_key: HashMap::new(),
            ended: HashSet::new(),
            ended_order: VecDeque::new(),
            quick: Lane::default(),
            heavy: Lane::default(),
            commands: Lane::default(),
            unheard: Unheard::default(),
            workers: BTreeMap::new(),
            supervisor: None,
            used: Cost::default(),
            streaks: HashMap::new(),
            quick_takes: None,
            command_takes: None,
            last_id: 0,
            shutdown: None,
        }
    }

    /// Whether a worker is at something, so that its use of time and memory is to be looked at, or room
    /// is kept that must not be kept for long.
    pub(super) fn is_busy(&self) -> bool {
        self.workers.values().any(|worker| !worker.in_flight.is_empty()) || self.unheard.is_waited_for()
    }

    /// When it is to end, if it was told to and something is left that may still end by itself.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        self.shutdown
    }

    pub(super) fn has_attempts(&self) -> bool {
        !self.attempts.is_empty()
    }

    pub(super) fn has_children(&self) -> bool {
        self.children > 0
    }

    /// Lets go of every process, which ends it.
    pub(super) fn let_go(&mut self) {
        for worker in self.workers.values() {
            worker.process.kill();
        }
        self.workers.clear();
        self.supervisor = None;
    }

    /// Reports what is left as cancelled.
    pub(super) fn give_up(&mut self) {
        let ids: BTreeSet<u64> = self.attempts.keys().copied().collect();
        for id in ids {
            self.fail(id, Failure::new(FailureClass::Signal, "cancelled"));
        }
    }

    pub(super) fn hear(&mut self, message: Message) {
        match message {
            Message::Submit { ends, attempts } => {
                let kept = self.unheard.heard(Instant::now(), ends);
                self.used.give_back(kept);
                for attempt in attempts {
                    self.submit(attempt);
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
            Message::Gone { child, end } => {
                self.children = self.children.saturating_sub(1);
                self.take_end(child, end);
            }
        }
    }

    fn tell(&self, news: ExecutorNews) {
        // An engine that is gone has dropped the executor, or is about to.
        let _ = self.news.send(news);
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn submit(&mut self, attempt: Submission) {
        let Submission { key, mut spec, depth } = attempt;
        // Under a later epoch the key is another attempt: its engine lost the run before the start of the
        // first was stored, and has it again.
        let running = self.by_key.get(&key).and_then(|id| self.attempts.get(id));
        let is_running = running.is_some_and(|attempt| attempt.spec.epoch >= spec.epoch);
        if is_running || self.ended.contains(&(key.clone(), spec.epoch)) {
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
        let cost = match work {
            Work::Step { quick: true } => Cost::default(),
            _ => cost,
        };
        self.lane(&work).put(&key.run, depth, id);
        let wanted = spec
            .process
            .as_ref()
            .map_or_else(|| spec.secrets.clone(), |process| process.secrets.clone());
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
            depth,
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

    /// Where work of that kind waits.
    fn lane(&mut self, work: &Work) -> &mut Lane {
        match work {
            Work::Command => &mut self.commands,
            Work::Step { quick: true } => &mut self.quick,
            Work::Step { quick: false } | Work::Inspect(_) => &mut self.heavy,
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

    pub(super) fn look_at_workers(&mut self) {
        let kept = self.unheard.give_up(Instant::now());
        self.used.give_back(kept);
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

    pub(super) fn flush(&mut self) {
        for worker in self.workers.values_mut() {
            worker.process.flush();
        }
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.process.flush();
        }
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
