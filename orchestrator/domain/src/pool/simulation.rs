//! Random runs on engines that die, which share a pool: fan-outs, loops, retries and resumed runs.
//! Whatever happens, the pool never has more attempts than slots nor more starts than its rate, a slot
//! is given back when its attempt is over or its engine gone, and every run ends.

use super::*;
use crate::run::fixture::{Draft, definition, run_id, step};
use crate::run::simulation::random::Random;
use crate::run::{Event, Input, OnRepeatLimit, Run, RunStatus, StepState};
use indexmap::IndexMap;
use serde_json::json;
use std::sync::Arc;
use trainyard_contract::task::{Failure, ResourcesUsed};
use trainyard_contract::{FailureClass, OutputValue};

const ENGINES: usize = 3;
const RUNS: i64 = 5;
const SEEDS: u64 = if cfg!(debug_assertions) { 100 } else { 5_000 };

/// A claim as the store has it.
#[derive(Clone, Copy)]
struct Kept {
    epoch: u64,
    since: Timestamp,
    is_held: bool,
}

struct Driven {
    run: Run,
    events: Vec<Event>,
    engine: Option<usize>,
    epoch: u64,
    priority: i64,
    retries: usize,
}

struct World {
    random: Random,
    now: Timestamp,
    limits: PoolLimits,
    starts: Vec<Timestamp>,
    runs: Vec<Driven>,
    claims: BTreeMap<(i64, u32), Kept>,
    /// Every start there was.
    history: Vec<Timestamp>,
    most: u32,
}

fn pooled(draft: Draft) -> Draft {
    draft.with(|instance| instance.pool = Some("db".to_owned()))
}

fn pipeline(random: &mut Random) -> Vec<Draft> {
    let items: Vec<usize> = (0..random.below(12)).collect();
    let fail_fast = random.percent(50);
    vec![
        pooled(step("load")).attempts(3),
        pooled(step("fan"))
            .needs(&["load"])
            .for_each(json!(items), None, fail_fast)
            .attempts(2),
        pooled(step("loop"))
            .needs(&["load"])
            .repeats("1 > 2", 3, OnRepeatLimit::GoOn),
        step("free").needs(&["load"]),
        pooled(step("last")).needs(&["fan", "loop"]).attempts(2),
    ]
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let runs = (0..RUNS).map(|number| {
            let definition = definition(pipeline(&mut random));
            Driven {
                run: Run::new(run_id(number.unsigned_abs()), Arc::new(definition)).unwrap(),
                events: Vec::new(),
                engine: None,
                epoch: 0,
                priority: [10, 50, 90][random.below(3)],
                retries: 0,
            }
        });
        let runs = runs.collect();
        let rate = random.percent(50).then(|| Rate {
            starts: 1 + random.below(5) as u32,
            within: Millis(1_000 * (1 + random.below(20) as u64)),
        });
        let slots = (rate.is_none() || random.percent(70)).then(|| 1 + random.below(3) as u32);
        Self {
            random,
            now: Timestamp(1_000_000),
            limits: PoolLimits { slots, rate },
            starts: Vec::new(),
            runs,
            claims: BTreeMap::new(),
            history: Vec::new(),
            most: 0,
        }
    }

    fn decide(&mut self, number: usize, input: Input) {
        let driven = &mut self.runs[number];
        let events = driven.run.decide(self.now, input);
        driven.events.extend(events);
    }

    /// Somebody takes a run that nobody has: its attempts are lost.
    fn take(&mut self, number: usize) {
        let engine = self.random.below(ENGINES);
        let driven = &mut self.runs[number];
        driven.engine = Some(engine);
        driven.epoch += 1;
        driven.run = Run::replay(
            driven.run.id().clone(),
            driven.run.definition().clone(),
            &driven.events,
        )
        .unwrap();
        let lost: Vec<(u32, u32)> = driven.run.running().collect();
        if driven.run.status() == RunStatus::NotStarted {
            self.decide(
                number,
                Input::Start {
                    by: "ada".to_owned(),
                    select: None,
                },
            );
        }
        for (step, attempt) in lost {
            self.decide(number, Input::Lost { step, attempt });
        }
    }

    fn dies(&mut self, engine: usize) {
        for driven in &mut self.runs {
            if driven.engine == Some(engine) {
                driven.engine = None;
            }
        }
    }

    /// What an engine does in a turn: claims what is ready, starts what has a slot.
    fn turn(&mut self, engine: usize) {
        for number in 0..self.runs.len() {
            if self.runs[number].engine != Some(engine) {
                continue;
            }
            self.decide(number, Input::Tick);
            let driven = &self.runs[number];
            let ready: Vec<u32> = driven.run.ready().collect();
            for step in ready {
                let driven = &self.runs[number];
                if !driven.run.is_ready(step) {
                    continue;
                }
                if driven.run.pool_of(step).is_none() {
                    self.decide(number, Input::Launch { step, key: None });
                    continue;
                }
                let (now, epoch) = (self.now, driven.epoch);
                let claim = self.claims.entry((number as i64, step)).or_insert(Kept {
                    epoch,
                    since: now,
                    is_held: false,
                });
                if claim.epoch < epoch {
                    *claim = Kept {
                        epoch,
                        since: now,
                        is_held: false,
                    };
                }
            }
            // What is neither ready nor running wants nothing any more.
            let run = &self.runs[number].run;
            self.claims.retain(|(of, step), _| {
                *of != number as i64
                    || run.is_ready(*step)
                    || matches!(run.step(*step), StepState::Running { .. })
            });
        }
        self.allot();
        for number in 0..self.runs.len() {
            let driven = &self.runs[number];
            if driven.engine != Some(engine) {
                continue;
            }
            let granted: Vec<u32> = driven
                .run
                .ready()
                .filter(|step| {
                    self.claims
                        .get(&(number as i64, *step))
                        .is_some_and(|claim| claim.is_held && claim.epoch == driven.epoch)
                })
                .collect();
            for step in granted {
                if self.runs[number].run.is_ready(step) {
                    self.decide(number, Input::Launch { step, key: None });
                }
            }
        }
    }

    fn allot(&mut self) {
        let runs = &self.runs;
        self.claims.retain(|(run, _), claim| {
            let driven = &runs[*run as usize];
            driven.engine.is_some() && driven.epoch == claim.epoch
        });
        let mut pool = Pool {
            name: "db".to_owned(),
            limits: self.limits,
            held: BTreeMap::new(),
            starts: self.starts.clone(),
        };
        let mut waiting = Vec::new();
        for ((run, step), claim) in &self.claims {
            if claim.is_held {
                *pool.held.entry(*run).or_default() += 1;
            } else {
                waiting.push(Claim {
                    run: *run,
                    step: *step,
                    priority: self.runs[*run as usize].priority,
                    since: claim.since,
                });
            }
        }
        let allotment = allot(&pool, &waiting, self.now);
        for granted in &allotment.granted {
            let claim = &waiting[*granted];
            self.claims.get_mut(&(claim.run, claim.step)).unwrap().is_held = true;
            self.history.push(self.now);
        }
        self.starts = allotment.starts;
    }

    /// An attempt ends, well or not; that gives its slot back.
    fn an_attempt_ends(&mut self) {
        let live: Vec<(usize, u32, u32)> = (0..self.runs.len())
            .filter(|number| self.runs[*number].engine.is_some())
            .flat_map(|number| {
                let running = self.runs[number].run.running();
                running.map(move |(step, attempt)| (number, step, attempt))
            })
            .collect();
        if live.is_empty() {
            return;
        }
        let (number, step, attempt) = *self.random.pick(&live);
        let input = if self.random.percent(25) {
            Input::Failed {
                step,
                attempt,
                failure: Failure::new(FailureClass::IoError, "it failed"),
                resources: ResourcesUsed::default(),
                kept: IndexMap::new(),
            }
        } else {
            Input::Succeeded {
                step,
                attempt,
                outputs: IndexMap::from([("out".to_owned(), OutputValue::Value(json!(7)))]),
                metrics: IndexMap::new(),
                headline: None,
                resources: ResourcesUsed::default(),
            }
        };
        self.decide(number, input);
        self.claims.remove(&(number as i64, step));
    }

    /// Live attempts that need a slot.
    fn judge(&mut self, seed: u64) {
        let mut taken = 0;
        for driven in self.runs.iter().filter(|driven| driven.engine.is_some()) {
            let running = driven.run.running();
            taken += running
                .filter(|(step, _)| driven.run.pool_of(*step).is_some())
                .count() as u32;
        }
        self.most = self.most.max(taken);
        if let Some(slots) = self.limits.slots {
            assert!(taken <= slots, "seed {seed}: {taken} attempts in {slots} slots");
        }
    }

    fn has_ended(&self) -> bool {
        self.runs
            .iter()
            .all(|driven| matches!(driven.run.status(), RunStatus::Ended(_)))
    }
}

fn simulate(seed: u64) -> World {
    let mut world = World::new(seed);
    for moment in 0.. {
        assert!(moment < 20_000, "seed {seed}: a run never ends");
        match world.random.below(100) {
            0 | 1 => {
                let engine = world.random.below(ENGINES);
                world.dies(engine);
            }
            2 => {
                let number = world.random.below(world.runs.len());
                if moment > 200 && world.runs[number].engine.is_some() && world.random.percent(10) {
                    world.decide(number, Input::Cancel { by: "ada".to_owned() });
                }
            }
            3..30 => world.an_attempt_ends(),
            30..50 => {
                let number = world.random.below(world.runs.len());
                let driven = &world.runs[number];
                let failed = matches!(driven.run.status(), RunStatus::Ended(_));
                if driven.engine.is_none() {
                    world.take(number);
                } else if failed && driven.retries < 2 && world.random.percent(30) {
                    world.runs[number].retries += 1;
                    let (by, select) = ("ada".to_owned(), None);
                    world.decide(number, Input::Retry { by, select });
                }
            }
            _ => {
                let engine = world.random.below(ENGINES);
                world.turn(engine);
            }
        }
        world.now = world.now.plus(Millis(world.random.below(400) as u64));
        // Who was asked to stop does.
        for number in 0..world.runs.len() {
            let doomed: Vec<(u32, u32)> = world.runs[number].run.to_kill().collect();
            for (step, attempt) in doomed {
                let failure = Failure::new(FailureClass::Signal, "cancelled");
                world.decide(
                    number,
                    Input::Failed {
                        step,
                        attempt,
                        failure,
                        resources: ResourcesUsed::default(),
                        kept: IndexMap::new(),
                    },
                );
                world.claims.remove(&(number as i64, step));
            }
        }
        world.judge(seed);
        if world.has_ended() && world.runs.iter().all(|driven| driven.engine.is_some()) {
            break;
        }
    }
    for engine in 0..ENGINES {
        world.turn(engine);
    }
    assert!(world.claims.is_empty(), "seed {seed}: a slot was not given back");
    if let Some(rate) = world.limits.rate {
        let starts = &world.history;
        for pair in starts.windows(rate.starts as usize + 1) {
            let span = pair[rate.starts as usize].since(pair[0]);
            assert!(
                span >= rate.within,
                "seed {seed}: {} starts within {span}",
                pair.len()
            );
        }
    }
    world
}

#[test]
fn random_runs_on_engines_that_die_share_a_pool_and_all_end() {
    let (mut starts, mut full, mut retried) = (0, 0, 0);
    for seed in 0..SEEDS {
        let world = simulate(seed);
        starts += world.history.len();
        full += usize::from(Some(world.most) == world.limits.slots);
        retried += world.runs.iter().map(|driven| driven.retries).sum::<usize>();
    }
    println!(
        "{SEEDS} worlds keep every limit: {starts} starts, {full} of them were full, {retried} runs retried"
    );
    // A world in which nobody ever waits shows nothing.
    assert!(full as u64 > SEEDS / 2 && retried as u64 > SEEDS / 4);
}
