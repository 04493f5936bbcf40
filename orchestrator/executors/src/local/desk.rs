//! Where everybody meets who has something to say to the executor: the engine, the threads that hear
//! our processes, and the one that looks at the clock. Whoever comes does the work that follows, so
//! that an attempt's way there and back costs no thread in between.

use super::LocalConfig;
use super::dispatch::{Dispatcher, Message};
use crate::executor::ExecutorNews;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often to look at what workers use.
const LOOK: Duration = Duration::from_millis(25);

/// How long processes have to end after they were let go.
const FAREWELL: Duration = Duration::from_secs(10);

pub(super) struct Desk {
    state: Mutex<State>,
    /// There may be something for the clock's thread.
    changed: Condvar,
}

struct State {
    dispatcher: Dispatcher,
    /// The clock's thread sleeps until there is work.
    is_asleep: bool,
}

impl Desk {
    pub(super) fn new(config: LocalConfig, news: Sender<ExecutorNews>) -> Arc<Self> {
        Arc::new_cyclic(|desk| Self {
            state: Mutex::new(State {
                dispatcher: Dispatcher::new(config, news, desk.clone()),
                is_asleep: false,
            }),
            changed: Condvar::new(),
        })
    }

    /// Takes a message and does what follows from it.
    pub(super) fn hear(&self, message: Message) {
        let mut state = self.locked();
        state.dispatcher.hear(message);
        state.dispatcher.dispatch();
        state.dispatcher.flush();
        if state.is_asleep && state.dispatcher.is_busy() || state.dispatcher.ends_at().is_some() {
            state.is_asleep = false;
            self.changed.notify_all();
        }
    }

    /// Looks at workers while there are any at work, until the executor has ended.
    pub(super) fn keep_time(&self) {
        let mut state = self.locked();
        let mut was_busy = true;
        loop {
            state = if was_busy || state.dispatcher.ends_at().is_some() {
                self.wait(state, LOOK)
            } else {
                state.is_asleep = true;
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
            was_busy = state.dispatcher.is_busy();
            state.dispatcher.look_at_workers();
            state.dispatcher.dispatch();
            state.dispatcher.flush();
            if let Some(end) = state.dispatcher.ends_at()
                && (!state.dispatcher.has_attempts() || Instant::now() >= end)
            {
                return self.finish(state);
            }
        }
    }

    fn finish(&self, mut state: MutexGuard<'_, State>) {
        state.dispatcher.let_go();
        let end = Instant::now() + FAREWELL;
        while state.dispatcher.has_children() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, left);
        }
        state.dispatcher.give_up();
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        self.changed
            .wait_timeout(state, most)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}
