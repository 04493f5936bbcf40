//! A zone as stretches of time between changes of its offset. Seconds since 1970 throughout; local
//! times as seconds too, as if they were UTC.

use jiff::Timestamp as Instant;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use trainyard_contract::Timestamp;

/// The whole second at or before an instant.
pub(super) fn floor(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000_000)
}

pub(super) fn instant(second: i64) -> Timestamp {
    Timestamp(second.saturating_mul(1_000_000))
}

/// Held inside what a calendar can show, with room for every offset.
fn jiff(second: i64) -> Instant {
    const DAY: i64 = 86_400;
    let (least, most) = (Instant::MIN.as_second() + DAY, Instant::MAX.as_second() - DAY);
    Instant::from_second(second.clamp(least, most)).unwrap_or(Instant::UNIX_EPOCH)
}

/// The date and time that local seconds stand for.
pub(super) fn civil(local: i64) -> DateTime {
    Offset::UTC.to_datetime(jiff(local))
}

/// Local seconds of a date and time.
pub(super) fn seconds(local: DateTime) -> i64 {
    Offset::UTC
        .to_timestamp(local)
        .map_or(i64::MAX / 4, Instant::as_second)
}

pub(super) fn offset(zone: &TimeZone, second: i64) -> i32 {
    zone.to_offset(jiff(second)).seconds()
}

/// The instant of a local time; the first of two, and for one that does not exist as if clocks had not
/// changed.
pub(super) fn of_local(zone: &TimeZone, local: DateTime) -> i64 {
    let offset = match zone.to_ambiguous_zoned(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
    };
    seconds(local) - i64::from(offset.seconds())
}

/// A stretch of time with one offset.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    /// The offset.
    pub(super) offset: i64,
    /// When it ends and with which offset time goes on.
    pub(super) next: Option<(i64, i64)>,
    /// Local times before this one, and not before `repeats_from`, were there already.
    pub(super) repeats_until: i64,
    pub(super) repeats_from: i64,
    /// How much clocks went back at its beginning.
    pub(super) back: i64,
    /// When it begins.
    pub(super) start: i64,
}

impl Stretch {
    /// The stretch that a second lies in.
    pub(super) fn at(zone: &TimeZone, second: i64) -> Self {
        let start = zone
            .preceding(jiff(second + 1))
            .next()
            .map_or(i64::MIN / 4, |change| change.timestamp().as_second());
        let before = (start > i64::MIN / 4).then(|| Earlier {
            offset: i64::from(offset(zone, start - 1)),
            start: zone
                .preceding(jiff(start))
                .next()
                .map_or(i64::MIN / 4, |change| change.timestamp().as_second()),
        });
        Self::beginning(zone, start, i64::from(offset(zone, second)), before)
    }

    fn beginning(zone: &TimeZone, start: i64, offset: i64, before: Option<Earlier>) -> Self {
        let next = zone
            .following(jiff(start))
            .map(|change| {
                (
                    change.timestamp().as_second(),
                    i64::from(change.offset().seconds()),
                )
            })
            .next();
        let back = before
            .as_ref()
            .map_or(0, |before| (before.offset - offset).max(0));
        let repeats_until = if back > 0 { start + offset + back } else { i64::MIN };
        let repeats_from = before.map_or(i64::MIN, |before| before.start.saturating_add(before.offset));
        Self {
            offset,
            next,
            repeats_until,
            repeats_from,
            back,
            start,
        }
    }

    /// The stretch after it.
    pub(super) fn following(&self, zone: &TimeZone) -> Option<Self> {
        let (start, offset) = self.next?;
        let earlier = Earlier {
            offset: self.offset,
            start: self.start,
        };
        Some(Self::beginning(zone, start, offset, Some(earlier)))
    }

    /// Local time at which it ends.
    pub(super) fn local_end(&self) -> i64 {
        self.next.map_or(i64::MAX, |(end, _)| end + self.offset)
    }

    pub(super) fn has_repeated(&self, local: i64) -> bool {
        local < self.repeats_until && local >= self.repeats_from
    }
}

struct Earlier {
    offset: i64,
    start: i64,
}
