//! The world around a simulated run: time, an executor, people, an engine that commits and dies.

use super::judge::Judge;
use super::pipeline::random_definition;
use super::random::Random;
use crate::run::fixture::run_id;
use crate::run::planted::Fault;
use crate::run::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use trainyard_contract::task::{Failure, ResourcesUsed};
use trainyard_contract::{ContentHash, FailureClass, OutputValue, Timestamp};

/// Turns after which a run counts as one that never ends.
const TURNS_AT_MOST: u32 = 5_000;

/// What a simulated run went through, so that a test can see that nothing was left untried.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried {
    pub(super) events: u64,
    pub(super) crashes: u64,
    pub(super) retries: u64,
    pub(super) cancels: u64,
    pub(super) ignored: u64,
}

/// Runs one random pipeline in one random world.
///
/// # Errors
/// What went wrong, and how far it had come.
pub(super) fn simulate(seed: u64, fault: Option<Fault>) -> Result<Tried, String> {
    let mut random = Random::new(seed);
    let definition = Arc::new(random_definition(&mut random));
    let mut world = World::new(&definition, random, fault);
    world.live().map_err(|objection| {
        let steps: Vec<String> = (0..)
            .zip(&definition.instances)
            .map(|(ix, instance)| format!("  {ix} {} {:?}", instance.name, instance.upstream))
            .collect();
        let events: Vec<String> = world
            .committed
            .iter()
            .map(|event| format!("  {event:?}"))
            .collect();
        format!("{objection}\n{}\n{}", steps.join("\n"), events.join("\n"))
    })?;
    Ok(world.tried)
}

struct World<'a> {
    run: Run,
    judge: Judge<'a>,
    random: Random,
    fault: Option<Fault>,
    /// Simulated microseconds, and how far the engine's clock is off.
    time: i64,
    clock_error: i64,
    /// What will be told to the run, by time and order of arrival.
    to_come: BTreeMap<(i64, u64), Input>,
    arrivals: u64,
    committed: Vec<Event>,
    /// Decided and not yet durable.
    volatile: Vec<Event>,
    launched: BTreeSet<(InstanceIx, u32)>,
    killed: BTreeSet<(InstanceIx, u32)>,
    rejecting: BTreeSet<InstanceIx>,
    /// How much trouble this world makes.
    crash_percent: usize,
    capacity: usize,
    reuse_percent: usize,
    retries_left: u32,
    tried: Tried,
}

impl<'a> World<'a> {
    fn new(definition: &'a Arc<RunDefinition>, mut random: Random, fault: Option<Fault>) -> Self {
        let mut run = Run::new(run_id(1), definition.clone()).unwrap();
        run.planted = fault;
        Self {
            run,
            judge: Judge::new(definition),
            fault,
            time: 1_000_000,
            clock_error: 0,
            to_come: BTreeMap::new(),
            arrivals: 0,
            committed: Vec::new(),
            volatile: Vec::new(),
            launched: BTreeSet::new(),
            killed: BTreeSet::new(),
            rejecting: BTreeSet::new(),
            crash_percent: *random.pick(&[0, 0, 2, 10]),
            capacity: 1 + random.below(4),
            reuse_percent: *random.pick(&[0, 0, 10, 50]),
            retries_left: random.below(3) as u32,
            tried: Tried::default(),
            random,
        }
    }

    fn live(&mut self) -> Result<(), String> {
        if self.random.percent(10) {
            let after = self.random.below(20_000_000) as i64;
            self.arrives(after, Input::Cancel { by: "ada".to_owned() });
            if self.random.percent(30) {
                self.arrives(after + 1_000_000, Input::Cancel { by: "ada".to_owned() });
            }
        }
        let start = self.start();
        self.tell(start)?;
        for _ in 0..TURNS_AT_MOST {
            self.launch_ready()?;
            if self.random.percent(self.crash_percent) {
                self.crash()?;
                continue;
            }
            self.commit()?;
            if self.random.percent(3) {
                self.clock_error += (self.random.below(7_200) as i64 - 3_600) * 1_000_000;
                self.judge.clock_jumped = true;
            }
            if self.random.percent(10) {
                let nonsense = self.nonsense();
                self.tell(nonsense)?;
            }
            if let RunStatus::Ended(_) = self.run.status() {
                self.commit()?;
                self.over()?;
                if self.retries_left == 0 || self.random.percent(40) {
                    return Ok(());
                }
                self.retries_left -= 1;
                self.tried.retries += 1;
                let retry = self.retry();
                self.tell(retry)?;
                if let RunStatus::Ended(_) = self.run.status() {
                    return Ok(());
                }
                continue;
            }
            self.next()?;
        }
        Err("it does not come to an end".to_owned())
    }

    fn start(&mut self) -> Input {
        let all = 0..self.run.definition().instances.len() as InstanceIx;
        let select = self
            .random
            .percent(10)
            .then(|| all.filter(|_| self.random.percent(50)).collect());
        Input::Start {
            by: "ada".to_owned(),
            select,
        }
    }

    /// Everything that did not succeed, or a choice of instances and items.
    fn retry(&mut self) -> Input {
        let all = 0..self.run.steps().count() as InstanceIx;
        let share = *self.random.pick(&[10, 10, 30, 60]);
        let select = self
            .random
            .percent(50)
            .then(|| all.filter(|_| self.random.percent(share)).collect());
        Input::Retry {
            by: "ada".to_owned(),
            select,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.time + self.clock_error)
    }

    fn arrives(&mut self, after: i64, input: Input) {
        self.arrivals += 1;
        self.to_come.insert((self.time + after, self.arrivals), input);
    }

    /// Tells the run something, and has the judge look at each event.
    fn tell(&mut self, input: Input) -> Result<(), String> {
        if let Input::Reject { step, .. } = &input {
            self.rejecting.insert(*step);
        }
        self.tried.cancels += u64::from(matches!(input, Input::Cancel { .. }));
        let events = self.run.decide(self.now(), input);
        self.tried.events += events.len() as u64;
        self.tried.ignored += u64::from(events.is_empty());
        self.volatile.extend(events);
        // What is decided is lost now and then before it is durable; the judge sees what is kept.
        if self.random.percent(60) {
            self.commit()
        } else {
            Ok(())
        }
    }

    /// Makes what was decided durable, then acts on it.
    fn commit(&mut self) -> Result<(), String> {
        for event in std::mem::take(&mut self.volatile) {
            let seen = self.judge.see(&event, &self.rejecting);
            let what = event.what.clone();
            self.committed.push(event);
            seen?;
            match what {
                What::AttemptStarted { step, attempt, .. } => self.execute(step, attempt)?,
                What::ApprovalAsked { step } => self.ask_people(step),
                _ => {}
            }
        }
        self.judge.agrees(&self.run)?;
        for (step, attempt) in self.run.to_kill().collect::<Vec<_>>() {
            if self.killed.insert((step, attempt)) {
                let after = self.random.below(2_000_000) as i64;
                let failure = Failure::new(FailureClass::Signal, "killed");
                let resources = ResourcesUsed::default();
                self.arrives(
                    after,
                    Input::Failed {
                        step,
                        attempt,
                        failure,
                        resources,
                        kept: Default::default(),
                    },
                );
            }
        }
        if self.random.percent(5) {
            self.replay()?;
        }
        Ok(())
    }

    /// An executor takes the attempt: it will report once, and perhaps again, perhaps late, and the
    /// second time perhaps something else.
    fn execute(&mut self, step: InstanceIx, attempt: u32) -> Result<(), String> {
        if !self.launched.insert((step, attempt)) {
            return Err(format!("attempt {attempt} of step {step} was launched twice"));
        }
        let after = self.random.below(5_000_000) as i64;
        let report = self.report(step, attempt);
        self.arrives(after, report);
        while self.random.percent(15) {
            let later = after + self.random.below(20_000_000) as i64;
            let report = self.report(step, attempt);
            self.arrives(later, report);
        }
        Ok(())
    }

    fn report(&mut self, step: InstanceIx, attempt: u32) -> Input {
        if self.random.percent(70) {
            let out = OutputValue::Value(self.random.below(10).into());
            return Input::Succeeded {
                step,
                attempt,
                outputs: [("out".to_owned(), out)].into(),
                metrics: Default::default(),
                headline: None,
                resources: ResourcesUsed::default(),
            };
        }
        let class = *self.random.pick(&FailureClass::ALL);
        let failure = Failure::new(class, "it failed");
        // What a failed attempt had made must never be taken for a result.
        let kept = OutputValue::Value("kept".into());
        Input::Failed {
            step,
            attempt,
            failure,
            resources: ResourcesUsed::default(),
            kept: [("out".to_owned(), kept)].into(),
        }
    }

    /// People answer: some who may not, some twice, in the end enough who may.
    fn ask_people(&mut self, step: InstanceIx) {
        for person in ["ada", "bob", "bob", "eve", "joe"] {
            let after = self.random.below(30_000_000) as i64;
            let role = if self.random.percent(80) {
                "model_risk"
            } else {
                "viewer"
            };
            let answer = self.answer_of(person, role, step, 90);
            self.arrives(after, answer);
        }
        for person in ["kim", "lee"] {
            let answer = self.answer_of(person, "model_risk", step, 100);
            self.arrives(40_000_000, answer);
        }
    }

    fn answer_of(&mut self, person: &str, role: &str, step: InstanceIx, yes_percent: usize) -> Input {
        Input::Answer {
            step,
            by: person.to_owned(),
            role: Some(role.to_owned()),
            approve: self.random.percent(yes_percent),
            comment: None,
            is_author: person == "ada",
        }
    }

    /// What an engine does with what may start, as long as it has room.
    fn launch_ready(&mut self) -> Result<(), String> {
        loop {
            let room = self.capacity.saturating_sub(self.run.running().count());
            let Some(step) = self.run.ready().take(room).last() else {
                return Ok(());
            };
            let may_reuse = !self.run.takes_no_earlier_result(step);
            let input = if self.random.percent(self.reuse_percent) && may_reuse {
                self.reuse(step)
            } else if self.random.percent(1) {
                Input::Reject {
                    step,
                    failure: Failure::new(FailureClass::Rejected, "no such file"),
                }
            } else {
                Input::Launch { step, key: None }
            };
            self.tell(input)?;
            if self.run.ready().any(|ready| ready == step) {
                return Err(format!("step {step} was launched and is still ready"));
            }
        }
    }

    fn reuse(&mut self, step: InstanceIx) -> Input {
        let out = OutputValue::Value(self.random.below(10).into());
        Input::Reuse {
            step,
            key: ContentHash::of(b"key"),
            from: run_id(9),
            outputs: [("out".to_owned(), out)].into(),
            metrics: Default::default(),
            headline: None,
        }
    }

    /// Something that may or may not make sense where the run stands.
    fn nonsense(&mut self) -> Input {
        let step = self.random.below(self.run.steps().count() + 1) as InstanceIx;
        let attempt = self.random.below(4) as u32;
        // Only an attempt that was launched can say anything; others are made up here, so they must
        // be ones that do not run.
        let runs = self.run.running().any(|running| running == (step, attempt));
        match self.random.below(6) {
            0 => Input::Launch { step, key: None },
            1 => Input::Tick,
            2 if !runs => self.report(step, attempt),
            3 if !runs => Input::Lost { step, attempt },
            4 => Input::Start {
                by: "eve".to_owned(),
                select: None,
            },
            _ if !matches!(self.run.status(), RunStatus::Ended(_)) => self.retry(),
            _ => Input::Tick,
        }
    }

    /// Moves to the next moment at which something happens.
    fn next(&mut self) -> Result<(), String> {
        let arrival = self.to_come.first_key_value().map(|((at, _), _)| *at);
        let wake = self
            .run
            .next_wake()
            .map(|at| at.0.saturating_sub(self.clock_error).max(self.time));
        match (arrival, wake) {
            (None, None) if self.run.ready().next().is_some() || !self.volatile.is_empty() => Ok(()),
            (None, None) => Err(format!("it waits for ever: {:?}", self.run.status())),
            (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => {
                self.time = self.time.max(at);
                let Some((_, input)) = self.to_come.pop_first() else {
                    return Ok(());
                };
                self.tell(input)
            }
            (_, wake) => {
                self.time = wake.unwrap_or(self.time);
                self.tell(Input::Tick)
            }
        }
    }

    /// The engine dies with what it had not made durable, perhaps in the middle of a decision, and
    /// another one takes over. Executors' old reports may still arrive.
    fn crash(&mut self) -> Result<(), String> {
        self.tried.crashes += 1;
        let kept = self.random.below(self.volatile.len() + 1);
        self.volatile.truncate(kept);
        // Events that were durable before anybody acted on them: nobody launched their attempts.
        for event in std::mem::take(&mut self.volatile) {
            let seen = self.judge.see(&event, &self.rejecting);
            if let What::ApprovalAsked { step } = event.what {
                self.ask_people(step);
            }
            self.committed.push(event);
            seen?;
        }
        self.time += self.random.below(10_000_000) as i64;
        self.run = self.replayed();
        self.judge.agrees(&self.run)?;
        self.tell(Input::Tick)?;
        if self.run.status() == RunStatus::NotStarted {
            let start = self.start();
            self.tell(start)?;
        }
        for (step, attempt) in self.run.running().collect::<Vec<_>>() {
            self.tell(Input::Lost { step, attempt })?;
        }
        Ok(())
    }

    /// [`Run::replay`], with the planted fault in it from the first event on.
    fn replayed(&self) -> Run {
        let mut run = Run::new(run_id(1), self.run.definition().clone()).unwrap();
        run.planted = self.fault;
        self.committed.iter().for_each(|event| run.apply(event));
        run
    }

    /// What is durable gives the same state.
    fn replay(&mut self) -> Result<(), String> {
        let mut replayed = self.replayed();
        if !replayed.steps().eq(self.run.steps()) {
            return Err("a replay gives other steps".to_owned());
        }
        if replayed.events_applied() != self.run.events_applied() {
            return Err("a replay counts other events".to_owned());
        }
        // Time is no event: the replay learns it first.
        let mut ticked = self.run.clone();
        if replayed.decide(self.now(), Input::Tick) != ticked.decide(self.now(), Input::Tick) {
            return Err("a replay decides otherwise".to_owned());
        }
        // A retry that was due before the clock was set back stays due; a replay has not seen that.
        let same = replayed.status() == ticked.status() && replayed.next_wake() == ticked.next_wake();
        if !same && !self.judge.clock_jumped {
            return Err(format!(
                "a replay is {:?}, not {:?}",
                replayed.status(),
                ticked.status()
            ));
        }
        Ok(())
    }

    fn over(&mut self) -> Result<(), String> {
        self.replay()?;
        if self.judge.open().is_some() {
            return Err("it ended with something open".to_owned());
        }
        if self.run.running().next().is_some()
            || self.run.ready().next().is_some()
            || !self.run.due().is_empty()
        {
            return Err("it ended with something to do".to_owned());
        }
        Ok(())
    }
}
