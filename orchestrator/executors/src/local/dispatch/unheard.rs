//! Ends of which the engine was told, and to which it has not yet answered with what follows on them.
//!
//! What follows on an end is to go ahead of what has only been waiting, but is known a moment later. So
//! room that has just become free is kept for that moment, where the moment is short beside what the
//! attempts take.

use super::Cost;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A slot is kept if the attempt that it was of took so many times as long as an answer takes: of each
/// slot at most that share is lost.
const WORTH: u32 = 20;

/// An engine that does not answer for so long is busy with something else, and not waited for.
const PATIENCE: Duration = Duration::from_millis(50);

/// Told, and not answered yet; the oldest first.
#[derive(Default)]
pub(super) struct Unheard {
    ends: VecDeque<End>,
    quick: usize,
    commands: usize,
    /// What an answer takes, smoothed.
    answer: Duration,
}

struct End {
    told: Instant,
    of: Kind,
    /// What of the machine is kept for what follows, and for how long.
    kept: Option<(Cost, Duration)>,
    is_given_up: bool,
}

/// Of which attempt an end is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Quick,
    Heavy,
    Command,
}

impl Unheard {
    /// Quick attempts among them for whose answer it pays to wait.
    pub(super) fn quick(&self) -> usize {
        self.quick
    }

    /// Commands among them for whose answer it pays to wait.
    pub(super) fn commands(&self) -> usize {
        self.commands
    }

    fn count(&mut self, of: Kind) -> Option<&mut usize> {
        match of {
            Kind::Quick => Some(&mut self.quick),
            Kind::Command => Some(&mut self.commands),
            Kind::Heavy => None,
        }
    }

    fn forget(&mut self, of: Kind) {
        if let Some(count) = self.count(of) {
            *count -= 1;
        }
    }

    /// How long the engine takes to answer to an end, smoothed.
    pub(super) fn answer(&self) -> Duration {
        self.answer
    }

    /// Whether somebody has to look at the clock because of them.
    pub(super) fn is_waited_for(&self) -> bool {
        self.quick + self.commands > 0 || self.ends.iter().any(|end| end.kept.is_some())
    }

    /// Whether attempts of that length are long enough for slots to be kept.
    pub(super) fn is_worth(&self, took: Duration) -> bool {
        took >= self.answer.max(Duration::from_micros(500)) * WORTH
    }

    /// The engine is being told of an end.
    pub(super) fn tell(&mut self, now: Instant, of: Kind, kept: Option<(Cost, Duration)>) {
        if let Some(count) = self.count(of) {
            *count += 1;
        }
        self.ends.push_back(End {
            told: now,
            of,
            kept: kept.map(|(cost, took)| (cost, (took / WORTH).min(PATIENCE))),
            is_given_up: false,
        });
    }

    /// The engine has answered to so many more; gives what was kept for them.
    pub(super) fn heard(&mut self, now: Instant, ends: usize) -> Cost {
        let mut kept = Cost::default();
        for _ in 0..ends {
            let Some(end) = self.ends.pop_front() else {
                break;
            };
            self.answer = (self.answer * 7 + now.duration_since(end.told).min(PATIENCE)) / 8;
            if let Some((cost, _)) = end.kept {
                kept.take(cost);
            }
            if !end.is_given_up {
                self.forget(end.of);
            }
        }
        kept
    }

    /// Gives what was kept for too long.
    pub(super) fn give_up(&mut self, now: Instant) -> Cost {
        let mut kept = Cost::default();
        let mut given_up = Vec::new();
        for end in &mut self.ends {
            let waited = now.duration_since(end.told);
            if let Some((cost, _)) = end.kept.take_if(|(_, most)| waited >= *most) {
                kept.take(cost);
            }
            if waited >= PATIENCE && !std::mem::replace(&mut end.is_given_up, true) {
                given_up.push(end.of);
            }
        }
        for of in given_up {
            self.forget(of);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Cost = Cost { cores: 1, memory: 7 };
    const LONG: Duration = Duration::from_millis(400);

    #[test]
    fn a_slot_is_kept_until_the_engine_has_answered_to_its_end() {
        let (mut unheard, now) = (Unheard::default(), Instant::now());
        unheard.tell(now, Kind::Quick, None);
        unheard.tell(now, Kind::Command, Some((SLOT, LONG)));
        assert!(unheard.heard(now, 1) == Cost::default());
        assert!(unheard.is_waited_for());
        assert!(unheard.heard(now, 1) == SLOT);
        assert!(!unheard.is_waited_for());
    }

    #[test]
    fn it_is_kept_for_a_small_share_of_what_its_attempt_took() {
        let (mut unheard, now) = (Unheard::default(), Instant::now());
        unheard.tell(now, Kind::Command, Some((SLOT, LONG)));
        let share = LONG / WORTH;
        assert!(unheard.give_up(now + share / 2) == Cost::default());
        assert!(unheard.give_up(now + share) == SLOT);
        assert!(unheard.heard(now + share, 1) == Cost::default());
    }

    #[test]
    fn only_long_attempts_are_worth_waiting_for_a_slow_engine() {
        let (mut unheard, mut now) = (Unheard::default(), Instant::now());
        assert!(unheard.is_worth(LONG));
        for _ in 0..50 {
            unheard.tell(now, Kind::Command, None);
            now += PATIENCE;
            unheard.heard(now, 1);
        }
        assert!(!unheard.is_worth(LONG));
        assert!(unheard.is_worth(LONG * 3));
    }

    #[test]
    fn an_engine_that_does_not_answer_is_not_waited_for() {
        let (mut unheard, now) = (Unheard::default(), Instant::now());
        unheard.tell(now, Kind::Quick, None);
        unheard.tell(now, Kind::Command, None);
        assert_eq!((unheard.quick(), unheard.commands()), (1, 1));
        unheard.give_up(now + PATIENCE);
        assert_eq!((unheard.quick(), unheard.commands()), (0, 0));
        unheard.heard(now + PATIENCE, 2);
        assert_eq!((unheard.quick(), unheard.commands()), (0, 0));
    }
}
