//! A week of schedules in simulated time: an engine that is late, stops for up to a day, dies between
//! a decision and its record, and whose clock jumps. The store keeps what is recorded and refuses a
//! second run of one key, as the real one does.

use super::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{Millis, Timestamp};

/// Small, good enough, the same for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What a store keeps: the state's document and one run for each key.
#[derive(Default)]
struct Store {
    state: Option<String>,
    /// Key → when it was due and when it started.
    runs: BTreeMap<String, (Timestamp, Timestamp)>,
    /// Keys in the order in which they came.
    order: Vec<Timestamp>,
}

struct World {
    random: Random,
    trigger: Trigger,
    store: Store,
    now: Timestamp,
    /// The latest that the engine's clock ever showed.
    seen: Timestamp,
    /// The earliest that the clock has shown.
    earliest: Timestamp,
    /// When the first state was kept. Until then the power may fail without a trace, so that the
    /// trigger is as new afterwards as it was before, and has no past to make up for.
    known_since: Option<Timestamp>,
    /// The engine was there all the time, on time, with a clock that went as clocks do.
    calm_since: Timestamp,
    calm: Vec<(Timestamp, Timestamp)>,
}

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;

impl World {
    fn plus(&mut self, micros: i64) {
        self.now = Timestamp(self.now.0 + micros);
        self.seen = self.seen.max(self.now);
        self.earliest = self.earliest.min(self.now);
    }

    /// The calm ends.
    fn stir(&mut self, until: Timestamp) {
        let calm = (self.calm_since, until);
        self.calm.push(calm);
    }

    fn decide(&mut self) -> Option<Timestamp> {
        let state: TriggerState = self
            .store
            .state
            .as_deref()
            .map(|kept| serde_json::from_str(kept).unwrap())
            .unwrap_or_default();
        let decision = decide(&self.trigger, &state, self.now, &News::Woken);
        assert_eq!(
            decision,
            decide(&self.trigger, &state, self.now, &News::Woken),
            "the same again"
        );
        // The power fails before anything is kept, or where state and runs are not one transaction
        // after some of it.
        if self.random.chance(5) {
            let kept = usize::try_from(self.random.below(decision.firings.len() as u64 + 1)).unwrap();
            self.record(&decision.firings[..kept]);
            return Some(self.now);
        }
        self.record(&decision.firings);
        self.store.state = Some(serde_json::to_string(&decision.state).unwrap());
        self.known_since.get_or_insert(self.now);
        decision.wake_at
    }

    fn record(&mut self, firings: &[Firing]) {
        for firing in firings {
            if !self.store.runs.contains_key(&firing.key) {
                self.store.runs.insert(firing.key.clone(), (firing.at, self.now));
                self.store.order.push(firing.at);
            }
        }
    }

    fn run(&mut self, end: Timestamp) {
        let mut wake_at = self.decide();
        self.calm_since = self.now;
        while self.now < end {
            let next = wake_at.unwrap_or(end).min(end).max(self.now);
            match self.random.below(200) {
                // Stopped for up to a day.
                0 => {
                    let from = self.now;
                    self.stir(from);
                    let away = i64::try_from(self.random.below(24 * 3_600)).unwrap() * SECOND;
                    self.plus(away);
                    wake_at = self.catch_up();
                    self.calm_since = self.now;
                }
                // The clock jumps by up to an hour.
                1 => {
                    let from = self.now;
                    self.stir(from);
                    let jump = i64::try_from(self.random.below(7_200)).unwrap() * SECOND - HOUR;
                    self.plus(jump);
                    wake_at = self.catch_up();
                    self.calm_since = self.seen;
                }
                // Something else wakes it, before its time.
                2..20 => {
                    let span = u64::try_from(next.0 - self.now.0).unwrap();
                    let early = i64::try_from(self.random.below(span + 1)).unwrap();
                    self.plus(early);
                    wake_at = self.decide();
                }
                // On time, or late by seconds.
                _ => {
                    let late = i64::try_from(self.random.below(5)).unwrap() * SECOND;
                    self.plus(next.0 - self.now.0 + late);
                    wake_at = self.decide();
                }
            }
        }
        let last = self.now;
        self.stir(last);
        self.catch_up();
    }

    /// Decides until nothing is due.
    fn catch_up(&mut self) -> Option<Timestamp> {
        let mut wake_at = self.decide();
        while wake_at.is_some_and(|at| at <= self.now) {
            wake_at = self.decide();
        }
        wake_at
    }
}

fn simulate(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let zones = ["UTC", "Europe/Zurich", "Australia/Lord_Howe", "America/New_York"];
    let zone = zones[usize::try_from(random.below(4)).unwrap()];
    let mut spec = match random.below(4) {
        0 => json!({"cron": "*/20 * * * *", "timezone": zone}),
        1 => json!({"cron": "30 * * * *", "timezone": zone}),
        2 => json!({"cron": "30 2,14 * * *", "timezone": zone}),
        _ => json!({"every": "25m"}),
    };
    let policy = ["none", "latest", "all"][usize::try_from(random.below(3)).unwrap()];
    let max_age = random.chance(30);
    spec["type"] = json!("schedule");
    spec["catchup"] = json!({ "policy": policy });
    if max_age {
        spec["catchup"]["max_age"] = json!("3h");
    }
    let has_jitter = random.chance(40);
    if has_jitter {
        spec["jitter"] = json!("10m");
    }
    // Weeks in which clocks change, and one in which they do not.
    let weeks = [
        "2027-03-12",
        "2027-03-26",
        "2027-04-02",
        "2027-10-29",
        "2027-11-05",
        "2026-06-10",
    ];
    let week = weeks[usize::try_from(random.below(6)).unwrap()];
    let begin = begin_of(week);
    let end = Timestamp(begin.0 + 7 * 24 * HOUR);
    let told = format!("seed {seed}: {spec} from {week}");
    let mut world = World {
        random,
        trigger: Trigger::of_spec("p", "t", &serde_json::from_value(spec.clone()).unwrap()).unwrap(),
        store: Store::default(),
        now: begin,
        seen: begin,
        earliest: begin,
        known_since: None,
        calm_since: begin,
        calm: Vec::new(),
    };
    world.run(end);
    judge(&world, &spec, begin, policy, max_age, &told);
}

fn begin_of(day: &str) -> Timestamp {
    let at: jiff::Timestamp = format!("{day}T00:00Z").parse().unwrap();
    Timestamp(at.as_microsecond())
}

fn judge(world: &World, spec: &Value, begin: Timestamp, policy: &str, max_age: bool, told: &str) {
    let schedule = Schedule::new(
        &serde_json::from_value({
            let mut spec = spec.clone();
            spec.as_object_mut().unwrap().remove("type");
            spec
        })
        .unwrap(),
    )
    .unwrap();
    let ticks: BTreeSet<Timestamp> = schedule
        .ticks(begin)
        .map(|tick| tick.at)
        .take_while(|at| *at <= world.seen)
        .collect();
    let fired: BTreeSet<Timestamp> = world.store.order.iter().copied().collect();
    assert_eq!(fired.len(), world.store.order.len(), "{told}: a tick has one run");
    // A clock set back to before it all began comes past ticks of its own.
    let unasked = fired.difference(&ticks).find(|at| {
        let first = schedule.ticks(world.earliest).next().map(|tick| tick.at);
        **at > begin || first.is_none_or(|first| **at < first)
    });
    assert!(unasked.is_none(), "{told}: no tick asked for {unasked:?}");
    assert!(
        world.store.order.is_sorted(),
        "{told}: runs keep the order of ticks"
    );
    for (due, started) in world.store.runs.values() {
        assert!(started >= due, "{told}: before its time");
        let late = started.since(*due);
        let jitter = if spec.get("jitter").is_some() { 600_000 } else { 0 };
        match policy {
            "none" => assert!(late <= Millis(60_000 + jitter), "{told}: {late} late"),
            _ if max_age => assert!(late <= Millis(3 * 3_600_000 + jitter), "{told}: {late} late"),
            _ => {}
        }
    }
    let known_since = world.known_since.unwrap();
    // While the engine is there and clocks go as they do, nothing is lost, whatever the policy.
    for (from, until) in &world.calm {
        let until = Timestamp(until.0 - 11 * 60 * SECOND);
        for tick in ticks.iter().filter(|tick| **tick > known_since) {
            let is_calm = tick > from && *tick <= until;
            assert!(!is_calm || fired.contains(tick), "{told}: {tick:?} is lost");
        }
    }
    if policy == "all" && !max_age {
        let settled = Timestamp(world.now.0 - 11 * 60 * SECOND);
        for tick in ticks
            .iter()
            .filter(|tick| **tick > known_since && **tick <= settled)
        {
            assert!(fired.contains(tick), "{told}: {tick:?} is lost for ever");
        }
    }
    if policy == "latest" {
        // One is made up for each time that it was not there.
        let late = world
            .store
            .runs
            .values()
            .filter(|(due, started)| started.since(*due) > Millis(60_000 + 600_000))
            .count();
        assert!(
            late <= world.calm.len(),
            "{told}: {late} made up for {} stops",
            world.calm.len()
        );
    }
}

#[test]
fn a_week_of_stops_jumps_and_crashes_starts_each_run_that_the_policy_wants_once() {
    let seeds = if cfg!(debug_assertions) { 60 } else { 5_000 };
    for seed in 1..=seeds {
        simulate(seed);
    }
}
