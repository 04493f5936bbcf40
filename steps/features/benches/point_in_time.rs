//! The core of the point-in-time join on rows in memory: 1 M entity rows with views of 1 M to 5 M rows.
//!
//! `cargo bench -p trainyard-features`; prints times, asserts nothing. Reading files and gathering values is measured by
//! the bench of the same name in `trainyard-steps`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking and tells by printing"
)]

use std::time::{Duration, Instant};
use trainyard_features::point_in_time::{KeyColumn, Keys, KnownBy, Moments, Rules, Search, ViewRows};

const REPEATS: usize = 5;
const MONTH: u64 = 30 * 86_400_000_000;

struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(self.0) * u128::from(bound)) >> 64) as i64
    }
}

struct Rows {
    keys: Vec<i64>,
    times: Vec<i64>,
    created: Vec<i64>,
}

fn rows(count: usize, keys: u64, spread: i64, seed: u64, order: &str) -> Rows {
    let mut draw = Draw(seed);
    let mut drawn: Vec<(i64, i64, i64)> = (0..count)
        .map(|_| {
            let time = draw.below(MONTH);
            (draw.below(keys) * spread, time, time + draw.below(3_600_000_000))
        })
        .collect();
    match order {
        "by time" => drawn.sort_unstable_by_key(|row| row.1),
        "by key" => drawn.sort_unstable(),
        _ => {}
    }
    Rows {
        keys: drawn.iter().map(|row| row.0).collect(),
        times: drawn.iter().map(|row| row.1).collect(),
        created: drawn.iter().map(|row| row.2).collect(),
    }
}

fn best<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    let mut once = || {
        let start = Instant::now();
        let made = work();
        (start.elapsed(), made)
    };
    let mut least = once();
    for _ in 1..REPEATS {
        let next = once();
        if next.0 < least.0 {
            least = next;
        }
    }
    least
}

fn main() {
    for (keys, spread, what) in [
        (3, 1, "3 keys"),
        (10_000, 1, "10,000 keys"),
        (100_000, 1_000_003, "100,000 keys far apart"),
        (1_000_000, 1_000_003, "1,000,000 keys far apart"),
    ] {
        let entities = rows(1_000_000, keys, spread, 1, "");
        let (numbering, (numbers, moments)) = best(|| {
            let column = KeyColumn::Integers {
                values: &entities.keys,
                valid: None,
            };
            let (keys, numbers) = Keys::number(&[column], entities.keys.len()).unwrap();
            let moments = Moments::new(&numbers, &entities.times, keys.count());
            (keys, moments)
        });
        println!(
            "1 M entity rows, {what}: numbered and sorted in {:.0} ms",
            ms(numbering)
        );
        for order in ["by key", "by time", "in no order"] {
            let view = rows(5_000_000, keys, spread, 2, order);
            for known_by in [KnownBy::Event, KnownBy::Created] {
                let rules = Rules {
                    ttl: Some(86_400_000_000),
                    known_by,
                };
                let (took, found) = best(|| {
                    let column = KeyColumn::Integers {
                        values: &view.keys,
                        valid: None,
                    };
                    let keys = numbers.find(&[column], view.keys.len()).unwrap();
                    let mut search = Search::new(&moments, rules);
                    search.take(ViewRows {
                        first: 0,
                        keys: &keys,
                        times: &view.times,
                        created: Some(&view.created),
                    });
                    search.finish()
                });
                println!(
                    "    5 M rows {order:11} {known_by:?}   {:4.0} ms   {} matched",
                    ms(took),
                    found.tally.matched
                );
            }
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
