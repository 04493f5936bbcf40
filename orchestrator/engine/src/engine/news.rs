//! Waiting for news, and for how long it pays to wait for more of it before a commit.

use super::turned::Turned;
use super::{Engine, EngineError, INBOX_EVERY};
use crate::observe::Observation;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use trainyard_contract::Timestamp;
use trainyard_executors::ExecutorNews;

/// News taken into one turn at most, so that a commit never grows without bound.
const NEWS_A_TURN: usize = 4096;
/// What is done is shown no later than this for the sake of a larger commit.
const LONGEST_TURN: Duration = Duration::from_millis(3);

/// No commit is reckoned to take longer.
const LONGEST_COMMIT: Duration = Duration::from_millis(10);

/// With so many attempts in hand an executor has enough to do without those that are just being stored.
const MANY: usize = 8;

/// How long an engine without runs sleeps before it looks for what other processes have left.
const IDLE: Duration = Duration::from_millis(500);

/// How fast things go, smoothed.
pub(super) struct Pace {
    a_commit: Duration,
    /// From the end of one attempt to the end of the next.
    an_end: Duration,
    last: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            a_commit: Duration::ZERO,
            an_end: Duration::ZERO,
            last: Instant::now(),
        }
    }

    pub(super) fn note_commit(&mut self, took: Duration) {
        self.a_commit = (self.a_commit * 3 + took.min(LONGEST_COMMIT)) / 4;
    }

    fn note_ends(&mut self, ends: usize) {
        let now = Instant::now();
        if let Ok(ends) = u32::try_from(ends)
            && ends > 0
        {
            let each = now.duration_since(self.last) / ends;
            self.an_end = (self.an_end * 3 + each.min(LONGEST_TURN)) / 4;
            self.last = now;
        }
    }

    /// How long it pays to wait for company of an end, what follows on which can only begin once it is
    /// stored: until about the next slot is free. With only a few in hand none may come.
    fn company(&self, in_hand: usize) -> Duration {
        if in_hand < MANY {
            return Duration::ZERO;
        }
        self.an_end / 2
    }
}

impl Engine {
    /// Takes news into a turn, round by round. What may begin while its start is being written begins in
    /// the round that made it ready. A commit takes no news, so as long as they come faster than it would
    /// be done, and nothing waits for it, it pays to take them first.
    pub(super) fn take_news(
        &mut self,
        turned: &mut Turned,
        observer: &mut dyn FnMut(Observation<'_>),
    ) -> Result<Timestamp, EngineError> {
        let mut batch = self.wait()?;
        let since = Instant::now();
        let mut taken = 0;
        let mut ended = 0;
        let now = loop {
            let now = (self.clock)();
            taken += batch.len();
            ended += ends(&batch);
            turned.heard += ends(&batch);
            for news in batch {
                self.take(news, now, turned, observer);
            }
            if turned.is_empty() || taken >= NEWS_A_TURN {
                break now;
            }
            let waited = turned.awaits_commit();
            self.launch(now, turned, observer)?;
            let in_hand = self.attempts_in_hand();
            if in_hand == 0 || waited {
                break now;
            }
            self.go_ahead(turned)?;
            if turned.awaits_commit() {
                std::thread::sleep(self.pace.company(in_hand));
                batch = self.news.try_iter().take(NEWS_A_TURN).collect();
                continue;
            }
            let left = LONGEST_TURN
                .max(self.pace.a_commit)
                .saturating_sub(since.elapsed());
            if left.is_zero() {
                break now;
            }
            match self.news.recv_timeout(left.min(self.pace.a_commit)) {
                Ok(first) => batch = vec![first],
                Err(_) => break now,
            }
            batch.extend(self.news.try_iter().take(NEWS_A_TURN));
        };
        self.pace.note_ends(ended);
        Ok(now)
    }

    pub(super) fn attempts_in_hand(&self) -> usize {
        self.runs.values().map(|active| active.run.running_count()).sum()
    }

    /// The next news, and all that have come with it.
    fn wait(&mut self) -> Result<Vec<ExecutorNews>, EngineError> {
        let now = (self.clock)();
        let wake = self
            .runs
            .values()
            .filter_map(|active| active.run.next_wake())
            .min();
        let until_wake = wake.map_or(IDLE, |at| Duration::from_millis(at.since(now).0 + 1));
        let look_again = if self.runs.is_empty() { IDLE } else { INBOX_EVERY };
        let mut batch = Vec::new();
        let patience = self.slots.patience().unwrap_or(look_again);
        match self.news.recv_timeout(until_wake.min(look_again).min(patience)) {
            Ok(first) => batch.push(first),
            Err(RecvTimeoutError::Timeout) => return Ok(batch),
            Err(RecvTimeoutError::Disconnected) => return Err(EngineError::NoExecutor),
        }
        batch.extend(self.news.try_iter().take(NEWS_A_TURN - 1));
        Ok(batch)
    }
}

fn ends(batch: &[ExecutorNews]) -> usize {
    let is_end = |news: &&ExecutorNews| matches!(news, ExecutorNews::Ended { .. });
    batch.iter().filter(is_end).count()
}
