//! Putting starts off, so that a hundred schedules of midnight do not start together.

use trainyard_contract::{Millis, Timestamp};

/// When the run of a tick starts: at most `most` after it and always before the next one, so that
/// runs keep the order of their ticks. The same for the same pipeline, trigger and tick, whenever
/// and wherever it is computed.
pub fn start_of(
    pipeline: &str,
    trigger: &str,
    tick: Timestamp,
    most: Option<Millis>,
    next: Option<Timestamp>,
) -> Timestamp {
    let Some(most) = most.filter(|most| most.0 > 0) else {
        return tick;
    };
    let room = next.map_or(u64::MAX, |next| next.since(tick).0);
    let most = most.0.min(room);
    if most == 0 {
        return tick;
    }
    let hash = blake3::hash(format!("{pipeline}\n{trigger}\n{}", tick.0).as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    tick.plus(Millis(u64::from_le_bytes(first) % most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp(second * 1_000_000)
    }

    #[test]
    fn a_start_is_put_off_within_its_limit_and_never_past_the_next_tick() {
        let most = Some(Millis(120_000));
        let mut differs = std::collections::BTreeSet::new();
        for minute in 0..1_000 {
            let (tick, next) = (at(minute * 60), at(minute * 60 + 60));
            let start = start_of("p", "t", tick, most, Some(next));
            assert!(start >= tick && start < next, "{minute}");
            assert_eq!(start, start_of("p", "t", tick, most, Some(next)));
            differs.insert(start.since(tick));
        }
        assert!(differs.len() > 900, "{}", differs.len());
        let far = start_of("p", "t", at(0), most, None);
        assert!(far.since(at(0)) < Millis(120_000));
        assert_ne!(far, start_of("p", "other", at(0), most, None));
        assert_eq!(start_of("p", "t", at(5), None, None), at(5));
    }
}
