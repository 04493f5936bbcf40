//! What waits to be sent: of bounded size, so that a collector that is slow or away costs items and
//! nothing else. Whoever puts something in never waits.

use crate::collector::{Collector, Posted};
use crate::settings::Route;
use metrics::counter;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a request is sent before its items are given up.
const TRIES: u32 = 5;
/// The first pause between two tries; the next are twice as long each.
const PAUSE: Duration = Duration::from_secs(1);
/// A collector that asks for more patience does not get it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Makes one request of items.
type Encode<T> = Box<dyn Fn(Vec<T>) -> Vec<u8> + Send>;

/// The end of a queue that takes items.
pub(crate) struct Outbox<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    signal: &'static str,
    capacity: usize,
    state: Mutex<State<T>>,
    /// There is something to do for the thread.
    work: Condvar,
    /// The thread has ended.
    done: Condvar,
    lost: AtomicU64,
}

struct State<T> {
    waiting: VecDeque<T>,
    /// Items of the request that is being sent.
    under_way: usize,
    is_ending: bool,
    has_ended: bool,
}

impl<T: Send + 'static> Outbox<T> {
    /// Begins a thread that sends what is put in.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(crate) fn open(
        signal: &'static str,
        route: &Route,
        collector: Collector,
        encode: Encode<T>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            signal,
            capacity: route.queue,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                under_way: 0,
                is_ending: false,
                has_ended: false,
            }),
            work: Condvar::new(),
            done: Condvar::new(),
            lost: AtomicU64::new(0),
        });
        let (batch, delay) = (route.batch, route.delay);
        std::thread::Builder::new()
            .name(format!("otlp {signal}"))
            .spawn({
                let shared = shared.clone();
                move || shared.work(batch, delay, &collector, &encode)
            })?;
        Ok(Self { shared })
    }

    /// Puts an item in, or counts it as lost.
    pub(crate) fn put(&self, item: T) {
        let mut state = self.shared.lock();
        if state.waiting.len() >= self.shared.capacity || state.is_ending {
            drop(state);
            return self.shared.count("dropped", 1);
        }
        state.waiting.push_back(item);
        drop(state);
        self.shared.work.notify_one();
    }

    /// Sends what is left, for no longer than that, and gives the number of items that were lost since
    /// the beginning.
    pub(crate) fn close(&self, within: Duration) -> u64 {
        let mut state = self.shared.lock();
        state.is_ending = true;
        self.shared.work.notify_one();
        let (mut state, _) = self
            .shared
            .done
            .wait_timeout_while(state, within, |state| !state.has_ended)
            .unwrap_or_else(PoisonError::into_inner);
        let left = state.waiting.len() + std::mem::take(&mut state.under_way);
        state.waiting.clear();
        drop(state);
        self.shared.count("failed", left as u64);
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, result: &'static str, items: u64) {
        if items == 0 {
            return;
        }
        if result != "sent" {
            self.lost.fetch_add(items, Ordering::Relaxed);
        }
        counter!("trainyard_telemetry_items_total", "signal" => self.signal, "result" => result)
            .increment(items);
    }

    fn work(&self, batch: usize, delay: Duration, collector: &Collector, encode: &Encode<T>) {
        let mut is_well = true;
        while let Some(items) = self.next(batch, delay) {
            let count = items.len() as u64;
            let delivered = self.deliver(collector, &encode(items), count);
            let reached = delivered.is_ok();
            if let Err(reason) = delivered {
                // Said once: the log may take the same way.
                if is_well {
                    tracing::warn!(signal = self.signal, reason, "telemetry_not_delivered");
                }
            } else if !is_well {
                tracing::info!(signal = self.signal, "telemetry_delivered_again");
            }
            is_well = reached;
        }
        self.lock().has_ended = true;
        self.done.notify_all();
    }

    /// The next items that go together; none once nothing more will come.
    fn next(&self, batch: usize, delay: Duration) -> Option<Vec<T>> {
        let mut state = self.lock();
        state = self
            .work
            .wait_while(state, |state| state.waiting.is_empty() && !state.is_ending)
            .unwrap_or_else(PoisonError::into_inner);
        (state, _) = self
            .work
            .wait_timeout_while(state, delay, |state| {
                state.waiting.len() < batch && !state.is_ending
            })
            .unwrap_or_else(PoisonError::into_inner);
        let count = state.waiting.len().min(batch);
        if count == 0 {
            return None;
        }
        state.under_way = count;
        Some(state.waiting.drain(..count).collect())
    }

    /// Sends a request until it is taken, or for as long as there is hope.
    fn deliver(&self, collector: &Collector, message: &[u8], count: u64) -> Result<(), String> {
        let mut pause = PAUSE;
        for number in 1..=TRIES {
            match collector.post(message) {
                Posted::Taken { rejected, why } => {
                    let rejected = rejected.min(count);
                    self.settle(&[("sent", count - rejected), ("refused", rejected)]);
                    return if rejected == 0 { Ok(()) } else { Err(why) };
                }
                Posted::Refused(why) => {
                    self.settle(&[("refused", count)]);
                    return Err(why);
                }
                Posted::Later { after, why } => {
                    let rest = after.unwrap_or(pause).max(pause).min(LONGEST_PAUSE);
                    if number == TRIES || self.is_ending_within(rest) {
                        self.settle(&[("failed", count)]);
                        return Err(why);
                    }
                    pause *= 2;
                }
            }
        }
        Ok(())
    }

    /// Counts what became of the items under way, unless they were given up meanwhile.
    fn settle(&self, results: &[(&'static str, u64)]) {
        if std::mem::take(&mut self.lock().under_way) > 0 {
            for (result, items) in results {
                self.count(result, *items);
            }
        }
    }

    fn is_ending_within(&self, rest: Duration) -> bool {
        let until = Instant::now() + rest;
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.is_ending || left.is_zero() {
                return state.is_ending;
            }
            (state, _) = self
                .work
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}
