//! The supervisor: one small process that starts commands, watches them and writes their logs, so
//! that neither a log flood nor a fork of a large process ever touches the orchestrator.
//!
//! One thread carries one command from start to end and then takes the next that waits, so a slot
//! is never empty for longer than that takes. What commands leave running is adopted by this
//! process (it is a subreaper) and killed.

pub(crate) mod attempt;
mod container;
mod files;
pub(crate) mod folder;
mod lines;
mod outputs;
mod plain;
pub(crate) mod watch;

use crate::protocol::{Answer, Answers, EndedAnswer, Lines, Order, PROTOCOL_VERSION, RunOrder};
use crate::report::now_unix_micros;
use attempt::{Control, Told};
use folder::KeptFolder;
use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use watch::Watch;

/// Carries out orders from standard input until it ends; with it, the orchestrator is gone, and
/// every command is killed before the process ends.
pub fn supervisor_main() -> ExitCode {
    let (Ok(answers), Ok(stdin)) = (Answers::take_stdout(), crate::protocol::take_stdin()) else {
        return ExitCode::from(2);
    };
    crate::proc::volunteer_for_oom_kill();
    let Ok(watch) = Watch::start() else {
        return ExitCode::from(2);
    };
    let supervisor = Supervisor {
        pool: Arc::new(Pool {
            state: Mutex::new(PoolState::default()),
            work: Condvar::new(),
        }),
        watch: Arc::clone(&watch),
        answers: Arc::new(answers),
    };
    supervisor.answers.send(&Answer::Hello {
        version: PROTOCOL_VERSION,
    });
    let mut lines = Lines::new(stdin);
    while let Ok(batch) = lines.next_batch::<Order>() {
        if batch.is_empty() {
            break;
        }
        for order in batch {
            supervisor.obey(order);
        }
    }
    watch.kill_everything();
    folder::remove_kept();
    ExitCode::SUCCESS
}

struct Supervisor {
    pool: Arc<Pool>,
    watch: Arc<Watch>,
    answers: Arc<Answers>,
}

struct Pool {
    state: Mutex<PoolState>,
    work: Condvar,
}

#[derive(Default)]
struct PoolState {
    waiting: VecDeque<Box<RunOrder>>,
    running: BTreeMap<u64, Arc<Control>>,
    /// How many may run at once; the executor gives and takes.
    allowed: usize,
    idle_threads: usize,
}

impl Pool {
    fn locked(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    fn obey(&self, order: Order) {
        match order {
            Order::Run(order) => self.take(order),
            Order::Release => {
                let mut state = self.pool.locked();
                state.allowed = state.allowed.saturating_sub(1);
            }
            Order::Cancel { id, grace } => {
                let control = self.pool.locked().running.get(&id).cloned();
                if let Some(control) = control {
                    control.cancel(grace);
                }
            }
            Order::Recall { ids } => {
                let mut returned = Vec::new();
                self.pool.locked().waiting.retain(|order| {
                    let is_wanted = ids.contains(&order.id);
                    if is_wanted {
                        returned.push(order.id);
                    }
                    !is_wanted
                });
                self.answers.send(&Answer::Returned { ids: returned });
            }
            Order::Inspect { .. } => {}
        }
    }

    fn take(&self, order: Box<RunOrder>) {
        let mut state = self.pool.locked();
        if !order.next {
            state.allowed += 1;
        }
        if order.first {
            state.waiting.push_front(order);
        } else {
            state.waiting.push_back(order);
        }
        let free = state.allowed.saturating_sub(state.running.len());
        if state.idle_threads >= free.min(state.waiting.len()) {
            self.pool.work.notify_one();
            return;
        }
        state.idle_threads += 1;
        drop(state);
        let (pool, watch, answers) = (
            Arc::clone(&self.pool),
            Arc::clone(&self.watch),
            Arc::clone(&self.answers),
        );
        let started = std::thread::Builder::new()
            .name("attempt".to_owned())
            .spawn(move || work(&pool, &watch, &answers));
        if started.is_err() {
            // The threads that exist will get to it.
            self.pool.locked().idle_threads -= 1;
        }
    }
}

/// What a thread does for ever.
fn work(pool: &Pool, watch: &Arc<Watch>, answers: &Arc<Answers>) {
    let mut kept = KeptFolder::default();
    let mut state = pool.locked();
    loop {
        let order = (state.running.len() < state.allowed)
            .then(|| state.waiting.pop_front())
            .flatten();
        let Some(order) = order else {
            state = pool.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        state.idle_threads -= 1;
        let id = order.id;
        let control = Arc::new(Control::default());
        state.running.insert(id, Arc::clone(&control));
        drop(state);
        let clock = Instant::now();
        let mut began = now_unix_micros();
        let report = attempt::carry_out(*order, &control, watch, &mut kept, |told| match told {
            Told::Began { at } => {
                began = at;
                answers.send_soon(&Answer::Began { id, at });
            }
            Told::Line(line) => answers.send(&Answer::Log { id, line }),
            Told::StillRunning => answers.flush(),
        });
        let micros = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
        answers.send(&Answer::Ended(Box::new(EndedAnswer {
            id,
            began,
            micros,
            is_last: false,
            report,
        })));
        state = pool.locked();
        state.running.remove(&id);
        state.idle_threads += 1;
    }
}
