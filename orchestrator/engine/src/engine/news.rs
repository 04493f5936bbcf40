//! Waiting for news, and for how long it pays to wait for more of it before a commit.

use super::{Engine, EngineError, INBOX_EVERY};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use trainyard_executors::ExecutorNews;

/// News taken into one turn at most, so that a commit never grows without bound.
const NEWS_A_TURN: usize = 4096;
/// What is done is shown no later than this for the sake of a larger commit.
const LONGEST_PAUSE: Duration = Duration::from_millis(3);
/// A pause shorter than this saves nothing.
const SHORTEST_PAUSE: Duration = Duration::from_micros(200);

/// How long an engine without runs sleeps before it looks for what other processes have left.
const IDLE: Duration = Duration::from_millis(500);

/// How fast attempts end, smoothed.
pub(super) struct Pace {
    an_end: Duration,
    last: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            an_end: Duration::ZERO,
            last: Instant::now(),
        }
    }

    fn note(&mut self, ends: usize) {
        let now = Instant::now();
        if let Ok(ends) = u32::try_from(ends)
            && ends > 0
        {
            let each = now.duration_since(self.last) / ends;
            self.an_end = (self.an_end * 3 + each.min(LONGEST_PAUSE)) / 4;
            self.last = now;
        }
    }

    /// How long the executor stays busy with a quarter of the attempts that it still has.
    fn pause(&self, in_hand: usize) -> Option<Duration> {
        let attempts = u32::try_from(in_hand / 4).unwrap_or(u32::MAX);
        let pause = self.an_end.saturating_mul(attempts).min(LONGEST_PAUSE);
        (pause >= SHORTEST_PAUSE).then_some(pause)
    }
}

impl Engine {
    /// The next news, and all that have come with it. While the executor has enough to do, more is
    /// waited for: each commit costs a flush, however much it holds.
    pub(super) fn wait(&mut self) -> Result<Vec<ExecutorNews>, EngineError> {
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
        let in_hand: usize = self
            .runs
            .values()
            .map(|active| active.run.running().count())
            .sum();
        if let Some(pause) = self.pace.pause(in_hand.saturating_sub(ends(&batch))) {
            std::thread::sleep(pause);
            batch.extend(self.news.try_iter().take(NEWS_A_TURN - batch.len()));
        }
        self.pace.note(ends(&batch));
        Ok(batch)
    }
}

fn ends(batch: &[ExecutorNews]) -> usize {
    let is_end = |news: &&ExecutorNews| matches!(news, ExecutorNews::Ended { .. });
    batch.iter().filter(is_end).count()
}
