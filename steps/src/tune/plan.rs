//! Which jobs a search makes: what each tries, with how much of the budget, and on which earlier ones
//! it depends. Never on time, so that the same search makes the same jobs.

use super::parzen;
use super::space::{Axis, Space};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trainyard_models::random::Random;

/// How trials are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    /// Each trial on its own, at random (Bergstra and Bengio 2012).
    #[default]
    Random,
    /// Every combination, ranges of numbers taken at `grid_points` values.
    Grid,
    /// Tree-structured Parzen estimator (Bergstra et al. 2011): values near those of good trials are
    /// tried more often.
    Tpe,
    /// Successive halving (Jamieson and Talwalkar 2016): all trials on a small budget, the best
    /// `1/factor` of them on `factor` times as much, and so on.
    Halving,
    /// Hyperband (Li et al. 2018): successive halving from several first budgets in turn.
    Hyperband,
}

/// A piece of work: one trial with one budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Job {
    /// Counted from 0.
    pub(super) trial: usize,
    pub(super) params: Map<String, Value>,
    /// Share of the whole budget, above 0 to 1.
    pub(super) share: f64,
}

/// What a later job may look at of an ended one.
pub(super) trait Result {
    fn trial(&self) -> usize;
    fn params(&self) -> &Map<String, Value>;
    /// Higher is better; none if it failed.
    fn gain(&self) -> Option<f64>;
    /// Whether it was cut off, and after how many steps.
    fn cut_after(&self) -> Option<usize>;
}

/// Random trials before an estimator learns from them.
const AT_RANDOM: usize = 10;

/// A rung: `kept` of the trials that begin at `first` of the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rung {
    /// Place of its first job.
    first: usize,
    jobs: usize,
    share: f64,
    /// The rung that its trials come from, or its first trial.
    from: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Origin {
    Rung(usize),
    Trials(usize),
}

/// The jobs of a search, in order.
#[derive(Debug)]
pub(super) struct Plan {
    space: Space,
    method: Method,
    seed: u64,
    /// Jobs that may run beside each other.
    parallel: usize,
    multivariate: bool,
    grid: Vec<Map<String, Value>>,
    rungs: Vec<Rung>,
    trials: usize,
    /// Whether a grid has more combinations than trials were allowed.
    pub(super) is_cut: bool,
}

/// What decides on the number of jobs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) max_trials: usize,
    pub(super) parallel: usize,
    pub(super) grid_points: usize,
    pub(super) factor: usize,
    pub(super) rungs: usize,
}

impl Plan {
    pub(super) fn new(space: Space, method: Method, size: Size, multivariate: bool, seed: u64) -> Self {
        let (mut grid, mut is_cut) = (Vec::new(), false);
        let (mut rungs, mut trials) = (Vec::new(), size.max_trials.max(1));
        match method {
            _ if space.axes.is_empty() => {
                grid = vec![Map::new()];
                trials = 1;
            }
            Method::Grid => {
                (grid, is_cut) = space.combinations(size.grid_points, size.max_trials);
                trials = grid.len();
            }
            Method::Halving => halve(&mut rungs, 0, trials, size.rungs, size.factor),
            Method::Hyperband => {
                let mut begun = 0;
                'all: loop {
                    for rest in (1..=size.rungs).rev() {
                        let wanted = (size.rungs * size.factor.pow(rest as u32 - 1)).div_ceil(rest);
                        let count = wanted.min(trials - begun);
                        if count == 0 {
                            break 'all;
                        }
                        halve(&mut rungs, begun, count, rest, size.factor);
                        begun += count;
                    }
                }
            }
            Method::Random | Method::Tpe => {}
        }
        Self {
            space,
            method,
            seed,
            parallel: size.parallel.max(1),
            multivariate,
            grid,
            rungs,
            trials,
            is_cut,
        }
    }

    pub(super) fn space(&self) -> &Space {
        &self.space
    }

    /// How many trials there are.
    pub(super) fn trials(&self) -> usize {
        self.trials
    }

    /// How many jobs there are.
    pub(super) fn jobs(&self) -> usize {
        match self.rungs.last() {
            Some(last) => last.first + last.jobs,
            None => self.trials,
        }
    }

    /// How many jobs, from the first, have to have ended before job `place` can be chosen.
    pub(super) fn needs(&self, place: usize) -> usize {
        match self.rung_of(place) {
            Some(rung) => match rung.from {
                Origin::Rung(_) => rung.first,
                Origin::Trials(_) => 0,
            },
            None => (place + 1).saturating_sub(self.parallel),
        }
    }

    fn rung_of(&self, place: usize) -> Option<&Rung> {
        self.rungs
            .iter()
            .find(|rung| (rung.first..rung.first + rung.jobs).contains(&place))
    }

    /// Job `place`, after the ended jobs `done`: as many as [`Plan::needs`] says.
    pub(super) fn job<R: Result>(&self, place: usize, done: &[&R]) -> Job {
        let Some(rung) = self.rung_of(place) else {
            return Job {
                trial: place,
                params: self.choose(place, done),
                share: 1.0,
            };
        };
        let nth = place - rung.first;
        let from = match rung.from {
            Origin::Trials(first) => {
                let trial = first + nth;
                let mut random = Random::stream(self.seed, trial as u64);
                return Job {
                    trial,
                    params: self.draw(&mut random),
                    share: rung.share,
                };
            }
            Origin::Rung(from) => self.rungs[from],
        };
        let mut ranked: Vec<&&R> = done[from.first..from.first + from.jobs].iter().collect();
        ranked
            .sort_by(|left, right| better(left.gain(), right.gain()).then(left.trial().cmp(&right.trial())));
        let chosen = ranked[nth];
        Job {
            trial: chosen.trial(),
            params: chosen.params().clone(),
            share: rung.share,
        }
    }

    fn choose<R: Result>(&self, trial: usize, done: &[&R]) -> Map<String, Value> {
        if let Some(chosen) = self.grid.get(trial) {
            return chosen.clone();
        }
        let mut random = Random::stream(self.seed, trial as u64);
        if self.method != Method::Tpe || done.len() < AT_RANDOM {
            return self.draw(&mut random);
        }
        let mut order: Vec<&&R> = done.iter().collect();
        // Finished trials first, then those cut off, the later the better; then failures.
        order.sort_by(|left, right| {
            let class = |one: &&&R| (one.gain().is_none(), one.cut_after().is_some());
            class(left)
                .cmp(&class(right))
                .then(right.cut_after().cmp(&left.cut_after()))
                .then(better(left.gain(), right.gain()))
                .then(left.trial().cmp(&right.trial()))
        });
        let ranked: Vec<&Map<String, Value>> = order.iter().map(|one| one.params()).collect();
        let (good, others) = parzen::split(&ranked);
        let mut chosen = Map::new();
        if self.multivariate {
            // What depends on others is chosen after them, given what applies.
            let mut rest: Vec<&Axis> = self.space.axes.iter().collect();
            while !rest.is_empty() {
                let blocked: Vec<&str> = rest.iter().map(|axis| axis.name.as_str()).collect();
                let (now, later): (Vec<&Axis>, Vec<&Axis>) = rest
                    .iter()
                    .copied()
                    .partition(|axis| self.space.is_free(axis, &blocked));
                let now: Vec<&Axis> = now
                    .into_iter()
                    .filter(|axis| self.space.is_active(axis, &chosen))
                    .collect();
                let values = parzen::choose_together(&now, good, others, &mut random);
                for (axis, value) in now.into_iter().zip(values) {
                    chosen.insert(axis.name.clone(), value);
                }
                rest = later;
            }
            return self.space.in_order(chosen);
        }
        for axis in &self.space.axes {
            if self.space.is_active(axis, &chosen) {
                let value = parzen::choose(axis, good, others, &mut random);
                chosen.insert(axis.name.clone(), value);
            }
        }
        chosen
    }

    /// Values at random.
    pub(super) fn draw(&self, random: &mut Random) -> Map<String, Value> {
        let mut chosen = Map::new();
        for axis in &self.space.axes {
            // Drawn in any case: one dimension's chance does not hang on another's condition.
            let place = random.uniform();
            if self.space.is_active(axis, &chosen) {
                chosen.insert(axis.name.clone(), axis.range.at(place));
            }
        }
        chosen
    }
}

/// Best first; none last.
fn better(left: Option<f64>, right: Option<f64>) -> std::cmp::Ordering {
    let of = |gain: Option<f64>| gain.unwrap_or(f64::NEG_INFINITY);
    of(right).total_cmp(&of(left))
}

/// Adds the rungs of one bracket: `count` trials from trial `begun`.
fn halve(rungs: &mut Vec<Rung>, begun: usize, count: usize, of: usize, factor: usize) {
    let mut jobs = count;
    for nth in 0..of {
        let first = rungs.last().map_or(0, |rung| rung.first + rung.jobs);
        let from = match nth {
            0 => Origin::Trials(begun),
            _ => Origin::Rung(rungs.len() - 1),
        };
        rungs.push(Rung {
            first,
            jobs,
            share: (factor as f64).powi(nth as i32 + 1 - of as i32),
            from,
        });
        jobs = jobs.div_ceil(factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::algorithm::AlgorithmName;
    use serde_json::json;

    /// A trial whose gain is highest at x = 0.7, as long as `kind` is `b`.
    struct Tried(Job);

    impl Result for Tried {
        fn trial(&self) -> usize {
            self.0.trial
        }
        fn params(&self) -> &Map<String, Value> {
            &self.0.params
        }
        fn gain(&self) -> Option<f64> {
            let x = self.0.params["learning_rate"].as_f64()?;
            let kind = self.0.params["loss"] == "poisson";
            Some(-(x - 0.7) * (x - 0.7) + if kind { 0.2 } else { 0.0 })
        }
        fn cut_after(&self) -> Option<usize> {
            None
        }
    }

    fn plan(method: Method, multivariate: bool, max_trials: usize) -> Plan {
        let space = json!({"learning_rate": {"float": [0.0, 1.0]}, "loss": {"choice": ["gamma", "poisson", "squared_error"]}});
        let written = serde_json::from_value(space).unwrap();
        let space = Space::new(&written, &Map::new(), AlgorithmName::default()).unwrap();
        let size = Size {
            max_trials,
            parallel: 2,
            grid_points: 3,
            factor: 3,
            rungs: 3,
        };
        Plan::new(space, method, size, multivariate, 5)
    }

    fn play(plan: &Plan) -> Vec<Tried> {
        let mut done: Vec<Tried> = Vec::new();
        for place in 0..plan.jobs() {
            let seen: Vec<&Tried> = done[..plan.needs(place)].iter().collect();
            let job = plan.job(place, &seen);
            done.push(Tried(job));
        }
        done
    }

    #[test]
    fn the_parzen_estimator_goes_where_trials_were_good() {
        for multivariate in [false, true] {
            let done = play(&plan(Method::Tpe, multivariate, 60));
            let near = done[40..]
                .iter()
                .filter(|tried| {
                    let x = tried.0.params["learning_rate"].as_f64().unwrap();
                    (x - 0.7).abs() < 0.15 && tried.0.params["loss"] == "poisson"
                })
                .count();
            // At random it would be one in ten.
            assert!(near >= 10, "{near} of the last 20, together: {multivariate}");
        }
    }

    #[test]
    fn halving_gives_the_best_third_three_times_as_much() {
        let plan = plan(Method::Halving, false, 10);
        let done = play(&plan);
        let shares: Vec<usize> = [1.0 / 9.0, 1.0 / 3.0, 1.0]
            .iter()
            .map(|share| {
                done.iter()
                    .filter(|tried| (tried.0.share - share).abs() < 1e-12)
                    .count()
            })
            .collect();
        assert_eq!(shares, [10, 4, 2]);
        let mut first: Vec<&Tried> = done[..10].iter().collect();
        first.sort_by(|left, right| better(left.gain(), right.gain()));
        let best: Vec<usize> = first[..4].iter().map(|tried| tried.trial()).collect();
        let kept: Vec<usize> = done[10..14].iter().map(Tried::trial).collect();
        assert_eq!(best, kept);
        assert_eq!((plan.needs(9), plan.needs(10), plan.needs(15)), (0, 10, 14));
    }

    #[test]
    fn hyperband_begins_with_several_budgets_and_ends_with_its_trials() {
        // Brackets of 9, 5 and 3 trials (Li et al. 2018, R = 9, η = 3), then the next 9.
        let plan = plan(Method::Hyperband, false, 20);
        let begun: Vec<(usize, f64)> = plan
            .rungs
            .iter()
            .filter(|rung| matches!(rung.from, Origin::Trials(_)))
            .map(|rung| (rung.jobs, rung.share))
            .collect();
        assert_eq!(begun, [(9, 1.0 / 9.0), (5, 1.0 / 3.0), (3, 1.0), (3, 1.0 / 9.0)]);
        assert_eq!(play(&plan).iter().map(Tried::trial).max(), Some(19));
        assert_eq!(plan.trials(), 20);
    }

    #[test]
    fn random_trials_are_the_same_whatever_ended_before() {
        let plan = plan(Method::Random, false, 500);
        let done = play(&plan);
        let again: Vec<&Tried> = Vec::new();
        assert_eq!(plan.job(7, &again), done[7].0);
        let below = done
            .iter()
            .filter(|tried| tried.0.params["learning_rate"].as_f64().unwrap() < 0.5)
            .count();
        assert!((200..300).contains(&below), "{below}");
    }
}
