//! The threads that deliver notices: one looks for them, the others help when there is something to do.

use crate::app::{Shared, lock};
use metrics::gauge;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use trainyard_store::{NoticeState, Store, StoreError};

/// Threads that deliver: a receiver that is slow holds up one of them.
const THREADS: usize = 4;
/// How often it is looked for notices that others have kept, or that are due again.
const EVERY: Duration = Duration::from_secs(1);
/// A store that fails is asked again after that.
const PAUSE: Duration = Duration::from_secs(5);
/// How often what waits is counted, and what is old removed.
const COUNT_EVERY: Duration = Duration::from_secs(10);
const TRIM_EVERY: Duration = Duration::from_secs(600);

/// Calls the helpers.
#[derive(Default)]
struct Crew {
    calls: Mutex<u64>,
    called: Condvar,
}

impl Crew {
    fn call(&self) {
        *lock(&self.calls) += 1;
        self.called.notify_all();
    }

    /// Waits for a call after that one; gives its number.
    fn wait(&self, last: u64) -> u64 {
        let calls = lock(&self.calls);
        let waited = self.called.wait_while(calls, |calls| *calls == last);
        *waited.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins all of them; they end when the server does, at the latest when the request that is under way is
/// over.
pub(crate) fn begin(app: &Shared) -> io::Result<Vec<JoinHandle<()>>> {
    let crew = Arc::new(Crew::default());
    let mut threads = Vec::new();
    for number in 0..THREADS {
        let (app, crew) = (app.clone(), crew.clone());
        let thread = std::thread::Builder::new()
            .name(format!("notices-{number}"))
            .spawn(move || match number {
                0 => look(&app, &crew),
                _ => help(&app, &crew, number),
            })?;
        threads.push(thread);
    }
    Ok(threads)
}

fn look(app: &Shared, crew: &Crew) {
    let mut store = None;
    let mut books = Books::default();
    while !app.is_ending() {
        let mut had_work = false;
        let worked = with_store(app, &mut store, |store| {
            had_work = work(app, store, 0, Some(crew))?;
            books.keep(app, store)
        });
        let pause = if worked { EVERY } else { PAUSE };
        if !had_work || !worked {
            app.notices.wait(pause);
        }
    }
    crew.call();
}

fn help(app: &Shared, crew: &Crew, number: usize) {
    let mut store = None;
    let mut last = 0;
    while !app.is_ending() {
        last = crew.wait(last);
        with_store(app, &mut store, |store| {
            work(app, store, number, None).map(|_| ())
        });
    }
}

/// Delivers as long as there is anything to deliver; says whether there was.
fn work(app: &Shared, store: &mut Store, turn: usize, crew: Option<&Crew>) -> Result<bool, StoreError> {
    let goes_on = || !app.is_ending();
    let mut turn = turn;
    let mut had_work = false;
    while goes_on() {
        let began = Instant::now();
        let round = app.deliverer.round(store, turn, &goes_on);
        let trainyard_notices::DelivererError::Store(error) = match round {
            Ok(round) if round.is_empty() => return Ok(had_work),
            Ok(_) => {
                had_work = true;
                turn += 1;
                if let Some(crew) = crew {
                    crew.call();
                }
                continue;
            }
            Err(error) => error,
        };
        tracing::warn!(%error, took_ms = began.elapsed().as_millis(), "notices_not_taken");
        return Err(error);
    }
    Ok(had_work)
}

/// Works with a connection that is kept as long as it is good.
fn with_store(
    app: &Shared,
    kept: &mut Option<Store>,
    work: impl FnOnce(&mut Store) -> Result<(), StoreError>,
) -> bool {
    let store = match kept {
        Some(store) => store,
        None => match app.home.store() {
            Ok(store) => kept.insert(store),
            Err(error) => {
                tracing::warn!(%error, "notices_without_store");
                return false;
            }
        },
    };
    let done = work(store);
    if done.is_err() {
        *kept = None;
    }
    done.is_ok()
}

/// Counts what waits, and removes what is old.
#[derive(Default)]
struct Books {
    counted: Option<Instant>,
    trimmed: Option<Instant>,
    known: BTreeSet<String>,
}

impl Books {
    fn keep(&mut self, app: &Shared, store: &mut Store) -> Result<(), StoreError> {
        let now = (app.clock)();
        if self.trimmed.is_none_or(|at| at.elapsed() > TRIM_EVERY) {
            self.trimmed = Some(Instant::now());
            store.trim_notices(now)?;
        }
        if self.counted.is_some_and(|at| at.elapsed() < COUNT_EVERY) {
            return Ok(());
        }
        self.counted = Some(Instant::now());
        for channel in &self.known {
            for name in [
                "trainyard_notices_waiting",
                "trainyard_notices_dead",
                "trainyard_notices_oldest_seconds",
            ] {
                gauge!(name, "channel" => channel.clone()).set(0.0);
            }
        }
        for count in store.notice_counts()? {
            let channel = count.to.to_string();
            self.known.insert(channel.clone());
            if count.state == NoticeState::Dead {
                gauge!("trainyard_notices_dead", "channel" => channel).set(count.count as f64);
                continue;
            }
            gauge!("trainyard_notices_waiting", "channel" => channel.clone()).set(count.count as f64);
            let age = now.since(count.oldest).0 as f64 / 1_000.0;
            gauge!("trainyard_notices_oldest_seconds", "channel" => channel).set(age);
        }
        Ok(())
    }
}
