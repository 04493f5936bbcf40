//! The moments of a schedule, one after the other.
//!
//! Within a stretch of one offset local times and instants go in step, so walking stretch by stretch
//! gives instants in their order; what a change of clocks does is decided between two stretches.

use super::zone::{Stretch, civil, floor, instant, seconds};
use super::{AnyDays, Change, Gap, Occurrence, Overlap, Rule, Schedule};
use crate::trigger::wall::Wall;
use trainyard_contract::Timestamp;

const MINUTE: i64 = 60;
/// No change of clocks is larger.
const LARGEST_CHANGE: i64 = 2 * 86_400;
/// 9999-12-29T00:00: near the end of calendars, with room for every offset.
const LAST_SECOND: i64 = 253_402_041_600;

/// The moments of a schedule in the order of time.
#[derive(Clone, Debug)]
pub struct Occurrences<'s> {
    schedule: &'s Schedule,
    after: Timestamp,
    walk: Walk,
}

#[derive(Clone, Debug)]
enum Walk {
    /// Of an interval: the next second.
    Every(Option<i64>),
    Times {
        stretch: Stretch,
        /// Local seconds from which on is searched.
        from: i64,
        /// What the change of clocks that was just passed gives.
        ready: Option<Occurrence>,
    },
    Over,
}

impl<'s> Occurrences<'s> {
    pub(super) fn new(schedule: &'s Schedule, after: Timestamp) -> Self {
        let second = floor(after);
        let walk = match &schedule.rule {
            Rule::Every { every, anchor } => {
                let passed = second.saturating_sub(*anchor).div_euclid(*every);
                Walk::Every(
                    passed
                        .checked_add(1)
                        .and_then(|count| count.checked_mul(*every))
                        .and_then(|span| anchor.checked_add(span)),
                )
            }
            Rule::Times { .. } => {
                let stretch = Stretch::at(&schedule.zone, second);
                let from = second.saturating_add(stretch.offset);
                Walk::Times {
                    stretch,
                    from,
                    ready: None,
                }
            }
        };
        Self {
            schedule,
            after,
            walk,
        }
    }

    fn advance(&mut self) -> Option<Occurrence> {
        match (&mut self.walk, &self.schedule.rule) {
            (Walk::Every(next), Rule::Every { every, .. }) => {
                let second = (*next)?;
                *next = second.checked_add(*every);
                let at = instant(second);
                if second > LAST_SECOND {
                    self.walk = Walk::Over;
                    return None;
                }
                Some(Occurrence {
                    at,
                    local: self.schedule.local(at),
                    fires: true,
                    change: None,
                })
            }
            (Walk::Times { stretch, from, ready }, Rule::Times { wall, beats }) => {
                let schedule = self.schedule;
                loop {
                    if let Some(ready) = ready.take() {
                        return Some(ready);
                    }
                    if *from > LAST_SECOND {
                        self.walk = Walk::Over;
                        return None;
                    }
                    let Some(next) = wall.next(civil(*from)).map(seconds) else {
                        // Past the last day there may still be times that clocks bring back.
                        if !cross(schedule, wall, *beats, stretch, from, ready, true) {
                            self.walk = Walk::Over;
                            return None;
                        }
                        continue;
                    };
                    if next < stretch.local_end() {
                        *from = next + MINUTE;
                        return Some(inside(schedule, wall, *beats, stretch, next));
                    }
                    // Where nothing is near, changes of clocks in between have nothing to decide.
                    if *from + LARGEST_CHANGE < stretch.local_end()
                        && next - LARGEST_CHANGE > stretch.local_end()
                    {
                        let second = next - stretch.offset - LARGEST_CHANGE;
                        *stretch = Stretch::at(&schedule.zone, second);
                        *from = second + stretch.offset;
                        continue;
                    }
                    if !cross(schedule, wall, *beats, stretch, from, ready, false) {
                        self.walk = Walk::Over;
                        return None;
                    }
                }
            }
            _ => None,
        }
    }
}

impl Iterator for Occurrences<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        loop {
            let next = self.advance()?;
            if next.at > self.after {
                return Some(next);
            }
        }
    }
}

/// A time inside a stretch.
fn inside(
    schedule: &Schedule,
    wall: &Wall<AnyDays>,
    beats: bool,
    stretch: &Stretch,
    local: i64,
) -> Occurrence {
    let at = instant(local - stretch.offset);
    let mut occurrence = Occurrence {
        at,
        local: civil(local),
        fires: true,
        change: None,
    };
    if stretch.has_repeated(local) {
        let beats = beats && wall.has(civil(local + stretch.back));
        occurrence.fires = beats || schedule.overlap == Overlap::RunTwice;
        occurrence.change = Some(Change::Second {
            first: instant(local - stretch.offset - stretch.back),
            beats,
        });
    } else if let Some((end, after)) = stretch.next
        && after < stretch.offset
        && local >= end + after
    {
        occurrence.change = Some(Change::First {
            again: instant(local - after),
            beats: beats && wall.has(civil(local + stretch.offset - after)),
        });
    }
    occurrence
}

/// Goes over to the next stretch; false if there is none worth going to.
fn cross(
    schedule: &Schedule,
    wall: &Wall<AnyDays>,
    beats: bool,
    stretch: &mut Stretch,
    from: &mut i64,
    ready: &mut Option<Occurrence>,
    only_back: bool,
) -> bool {
    let Some((end, after)) = stretch.next else {
        return false;
    };
    let ahead = after - stretch.offset;
    // With no later day only a clock that goes back soon can bring a time again.
    if only_back && (ahead >= 0 || *from + LARGEST_CHANGE < stretch.local_end()) {
        return false;
    }
    let Some(next) = stretch.following(&schedule.zone) else {
        return false;
    };
    let (old, new) = (end + stretch.offset, end + after);
    *from = new;
    *stretch = next;
    if ahead <= 0 {
        return true;
    }
    let mut missing = None;
    let mut passed = false;
    let mut search = old;
    while let Some(time) = wall.next(civil(search))
        && seconds(time) < new
    {
        search = seconds(time) + MINUTE;
        passed = true;
        // The old clock would have shown `time` now; the new one shows this.
        if !(beats && wall.has(civil(seconds(time) + ahead))) {
            missing = Some(match missing {
                None => (1, time, time),
                Some((count, first, _)) => (count + 1, first, time),
            });
        }
    }
    if !passed {
        return true;
    }
    let fires = missing.is_some() && schedule.gap == Gap::RunAfter;
    let with_regular = fires && wall.has(civil(new));
    if with_regular {
        *from = new + MINUTE;
    }
    let local = match missing {
        Some((_, _, last)) if !with_regular => last,
        _ => civil(new),
    };
    *ready = Some(Occurrence {
        at: instant(end),
        local,
        fires,
        change: Some(Change::Gap {
            from: civil(old),
            to: civil(new),
            missing,
            with_regular,
        }),
    });
    true
}
