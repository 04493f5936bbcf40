//! Backfills carried out by several servers that die at any moment, beside runs that fail and are
//! retried and people who pause, resume and cancel. The store refuses what was decided on an older
//! version, as the real one does.

use super::*;
use std::collections::BTreeMap;

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

/// What a server read, and what it made of it.
struct Read {
    version: u64,
    next: Next,
    /// Runs that had been retried by then.
    retries: u32,
}

/// What is durable.
struct Store {
    version: u64,
    phase: Phase,
    forgiven: u32,
    /// Ticks with the number of their run.
    ticks: BTreeMap<Timestamp, Option<usize>>,
    runs: Vec<(Timestamp, TickState)>,
}

struct World {
    random: Random,
    limits: Limits,
    reverse: bool,
    store: Store,
    /// One for each server: what it is about to commit.
    servers: Vec<Option<Read>>,
    /// Runs of a hundred that fail.
    failures: u64,
    /// Runs that somebody retried.
    retries: u32,
    /// Commits that came too late.
    refused: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed * 2_654_435_769 + 1);
        let ticks = 1 + random.below(40) as i64;
        let limits = Limits {
            max_parallel: 1 + random.below(5) as u32,
            stop_after: random.chance(50).then(|| 1 + seed as u32 % 4),
        };
        let servers = 1 + random.below(3);
        let failures = [0, 10, 60][random.below(3) as usize];
        Self {
            reverse: random.chance(50),
            limits,
            store: Store {
                version: 0,
                phase: Phase::Running,
                forgiven: 0,
                ticks: (0..ticks).map(|at| (Timestamp(at), None)).collect(),
                runs: Vec::new(),
            },
            servers: (0..servers).map(|_| None).collect(),
            failures,
            retries: 0,
            refused: 0,
            random,
        }
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for run in self.store.ticks.values() {
            let state = run.map_or(TickState::Waiting, |run| self.store.runs[run].1);
            tally.add(state, 1);
        }
        tally
    }

    fn waiting(&self) -> Vec<Timestamp> {
        let ticks = self.store.ticks.iter();
        let mut waiting: Vec<_> = ticks
            .filter(|(_, run)| run.is_none())
            .map(|(at, _)| *at)
            .collect();
        if self.reverse {
            waiting.reverse();
        }
        waiting
    }

    fn read(&self) -> Read {
        let standing = Standing {
            phase: self.store.phase,
            tally: self.tally(),
            forgiven: self.store.forgiven,
        };
        Read {
            version: self.store.version,
            next: next(&self.limits, &standing, &self.waiting()),
            retries: self.retries,
        }
    }

    /// One transaction: all of it, or nothing if somebody was faster.
    fn commit(&mut self, read: &Read) -> bool {
        if read.version != self.store.version {
            self.refused += 1;
            return false;
        }
        self.store.version += 1;
        self.store.phase = read.next.phase;
        for tick in &read.next.start {
            let number = self.store.runs.len();
            let before = self.store.ticks.insert(*tick, Some(number));
            assert_eq!(before, Some(None), "a tick has one run");
            self.store.runs.push((*tick, TickState::Queued));
        }
        if !read.next.start.is_empty() {
            // A run that somebody retried since it was looked is beyond its knowledge.
            let most = self.limits.max_parallel + self.retries - read.retries;
            let active = self.tally().active();
            assert!(active <= most, "{active} runs at once, {most} allowed");
        }
        true
    }

    fn person(&mut self) {
        let commands = [Command::Pause, Command::Resume, Command::Resume];
        let command = commands[self.random.below(3) as usize];
        if let Ok(phase) = steer(self.store.phase, command) {
            if command == Command::Resume && self.store.phase != Phase::Running {
                self.store.forgiven = self.tally().failures();
            }
            self.store.phase = phase;
            self.store.version += 1;
        }
    }

    fn runs_go_on(&mut self) {
        for at in 0..self.store.runs.len() {
            let (_, state) = self.store.runs[at];
            let fails = self.random.chance(self.failures);
            let moves = self.random.chance(30);
            self.store.runs[at].1 = match state {
                TickState::Queued if moves => TickState::Running,
                TickState::Running if moves && fails => TickState::Failed,
                TickState::Running if moves => TickState::Succeeded,
                // Somebody retries it, whatever the backfill does.
                TickState::Failed if self.random.chance(2) => {
                    self.retries += 1;
                    TickState::Queued
                }
                state => state,
            };
        }
    }

    fn step(&mut self, calm: bool) {
        for server in 0..self.servers.len() {
            if !calm && self.random.chance(10) {
                // It dies, and with it what it was about to do.
                self.servers[server] = None;
                continue;
            }
            match self.servers[server].take() {
                None => self.servers[server] = Some(self.read()),
                Some(read) if !calm && self.random.chance(30) => self.servers[server] = Some(read),
                Some(read) => {
                    let is_kept = self.commit(&read);
                    if is_kept && !calm && self.random.chance(20) {
                        // The answer is lost, and it tries again.
                        assert!(!self.commit(&read), "nothing is committed twice");
                    }
                }
            }
        }
        if !calm && self.random.chance(10) {
            self.person();
        }
        self.runs_go_on();
    }
}

#[test]
fn whatever_dies_each_tick_has_one_run_and_no_more_run_at_once_than_allowed() {
    let (mut stopped, mut refused) = (0, 0);
    for seed in 1..=400 {
        let mut world = World::new(seed);
        for _ in 0..100 {
            world.step(false);
        }
        // From here on nothing dies, and whatever stopped is resumed: it comes to its end.
        for _ in 0..20_000 {
            if world.store.phase == Phase::Done {
                break;
            }
            if world.store.phase == Phase::Stopped || world.store.phase == Phase::Paused {
                stopped += u32::from(world.store.phase == Phase::Stopped);
                world.store.forgiven = world.tally().failures();
                world.store.phase = Phase::Running;
                world.store.version += 1;
            }
            world.step(true);
        }
        assert_eq!(world.store.phase, Phase::Done, "seed {seed}");
        assert!(world.waiting().is_empty(), "seed {seed}");
        assert_eq!(world.store.runs.len(), world.store.ticks.len(), "seed {seed}");
        // They started in their order.
        let started: Vec<_> = world.store.runs.iter().map(|(tick, _)| *tick).collect();
        let mut wanted: Vec<_> = world.store.ticks.keys().copied().collect();
        if world.reverse {
            wanted.reverse();
        }
        assert_eq!(started, wanted, "seed {seed}");
        refused += world.refused;
    }
    assert!(stopped > 20, "{stopped}");
    assert!(refused > 1_000, "servers stood in each other's way: {refused}");
}
