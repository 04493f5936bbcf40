//! When a notice that could not be delivered is sent again.

use trainyard_contract::{Millis, Timestamp};

/// So often a notice is sent before it becomes a dead letter: with the delays below, for about a day.
pub const MOST_TRIES: u32 = 15;
/// Before the second try.
const FIRST: Millis = Millis(5_000);
/// Each further delay is so many times the one before.
const FACTOR: u64 = 3;
/// No delay is longer, whatever a receiver asks for.
const LONGEST: Millis = Millis(2 * 3_600_000);

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was taken.
    Taken,
    /// It may be taken later; not before that span, if the receiver said so.
    Later { after: Option<Millis>, why: String },
    /// It will not be taken, however often it is sent.
    Refused { why: String },
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Delivered,
    Again { at: Timestamp, why: String },
    Dead { why: String },
}

/// What follows from the answer to try number `tries`, counted from 1. `luck` is a random number: what
/// failed together does not come back together.
pub fn after_failure(answer: Answer, tries: u32, now: Timestamp, luck: u64) -> Next {
    match answer {
        Answer::Taken => Next::Delivered,
        Answer::Refused { why } => Next::Dead { why },
        Answer::Later { why, .. } if tries >= MOST_TRIES => Next::Dead {
            why: format!("given up after {tries} tries: {why}"),
        },
        Answer::Later { after, why } => {
            let delay = delay(tries, luck).max(after.unwrap_or_default()).min(LONGEST);
            Next::Again {
                at: now.plus(delay),
                why,
            }
        }
    }
}

/// Exponential, and by up to a fifth shorter or longer.
fn delay(tries: u32, luck: u64) -> Millis {
    let grown = FACTOR
        .checked_pow(tries.saturating_sub(1))
        .and_then(|times| FIRST.0.checked_mul(times))
        .map_or(LONGEST.0, |grown| grown.min(LONGEST.0));
    let fifth = grown / 5;
    Millis(grown - fifth + luck % (2 * fifth + 1))
}
