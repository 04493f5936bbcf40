//! Trials side by side.

use super::{Params, Prune};
use crate::train::columns::Roles;
use crate::train::data::Examples;
use crate::train::outcome::DEFAULT_THRESHOLD;
use crate::train::rows::refused;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;
use trainyard_contract::{StepError, StepIo};
use trainyard_models::{
    Flow, Label, Model, ModelError, Predictions, Predictor, Preprocessing, Training, train,
};

/// Finished trials before any is cut off.
const TRIALS_BEFORE_PRUNING: usize = 4;
/// Rounds between two points at which a trial may be cut off: the same for all, so that trials can
/// be compared there.
const PRUNING_ROUNDS: usize = 10;

/// A trial that has ended.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// Counted from 0.
    pub(super) number: usize,
    pub(super) params: Map<String, Value>,
    /// The metric, turned so that higher is better; `None` if it was cut off or failed.
    pub(super) score: Option<f64>,
    /// Its score where it was cut off.
    pub(super) cut_at: Option<f64>,
    pub(super) rounds: usize,
    /// Why there is no model, if it failed.
    pub(super) failure: Option<String>,
}

impl Trial {
    /// The trial as the metrics keep it. No time is in it: the same search gives the same bytes.
    pub(super) fn record(&self, params: &Params) -> Value {
        let turned = |score: f64| if params.maximizes() { score } else { -score };
        let mut record = json!({
            "number": self.number + 1,
            "params": self.params,
            "rounds": self.rounds,
            params.metric.name(): self.score.or(self.cut_at).map(turned),
            "pruned": self.cut_at.is_some(),
        });
        if let Some(failure) = &self.failure {
            record["failure"] = json!(failure);
        }
        record
    }
}

/// What all trials share, and what finished ones leave behind for later ones.
pub(super) struct Batch<'a> {
    params: &'a Params,
    label: Label,
    examples: &'a Examples,
    valid: &'a Examples,
    pool: rayon::ThreadPool,
    /// Round → scores of finished trials at that round.
    history: BTreeMap<usize, Vec<f64>>,
}

/// What one trial has seen: its scores by round, and how many rounds it made.
#[derive(Default)]
struct Seen {
    scores: Vec<(usize, f64)>,
    rounds: usize,
    cut_at: Option<f64>,
}

/// A trial, its model if it has one, and what it saw on the way.
type Ended = (Trial, Option<Model>, Seen);

impl<'a> Batch<'a> {
    pub(super) fn new(
        params: &'a Params,
        roles: &Roles,
        examples: &'a Examples,
        valid: &'a Examples,
        threads: usize,
    ) -> Result<Self, StepError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| StepError::internal(format!("could not start threads: {error}")))?;
        let label = Label {
            name: roles.label.clone().unwrap_or_default(),
            task: examples.task.clone(),
        };
        Ok(Self {
            params,
            label,
            examples,
            valid,
            pool,
            history: BTreeMap::new(),
        })
    }

    /// Runs trials `first` and following with these parameters, all at once.
    ///
    /// # Errors
    /// What is wrong with every trial alike: rows or parameters.
    pub(super) fn run(
        &mut self,
        io: &mut StepIo,
        first: usize,
        total: usize,
        chosen: &[Map<String, Value>],
    ) -> Result<Vec<(Trial, Option<Model>)>, StepError> {
        let news = Mutex::new(io);
        let ended: Vec<Mutex<Option<Result<Ended, StepError>>>> =
            chosen.iter().map(|_| Mutex::new(None)).collect();
        let done = Mutex::new(first);
        self.pool.scope(|scope| {
            for (nth, params) in chosen.iter().enumerate() {
                let (this, news, ended, done) = (&*self, &news, &ended, &done);
                scope.spawn(move |_| {
                    let started = Instant::now();
                    let result = this.one(first + nth, params);
                    if let (Ok(mut io), Ok(mut done)) = (news.lock(), done.lock()) {
                        *done += 1;
                        io.progress(*done as u64, total as u64, "trials");
                        if let Ok((trial, ..)) = &result {
                            let line = this.line(trial);
                            io.log(format!("{line}, {:.1} s", started.elapsed().as_secs_f64()));
                        }
                    }
                    if let Ok(mut slot) = ended[nth].lock() {
                        *slot = Some(result);
                    }
                });
            }
        });
        let mut trials = Vec::with_capacity(chosen.len());
        for slot in ended {
            let result = slot.into_inner().ok().flatten();
            let (trial, model, seen) =
                result.ok_or_else(|| StepError::internal("a trial ended without a result"))??;
            if trial.score.is_some() {
                for (round, score) in seen.scores {
                    self.history.entry(round).or_default().push(score);
                }
            }
            trials.push((trial, model));
        }
        Ok(trials)
    }

    fn line(&self, trial: &Trial) -> String {
        let turned = |score: f64| if self.params.maximizes() { score } else { -score };
        let ended = match (trial.score, trial.cut_at, &trial.failure) {
            (Some(score), ..) => format!("{} {:.5}", self.params.metric.name(), turned(score)),
            (_, Some(score), _) => format!("pruned at {:.5}", turned(score)),
            (.., Some(failure)) => failure.clone(),
            _ => "no metric".to_owned(),
        };
        format!(
            "trial {}: {ended}, {} rounds, {}",
            trial.number + 1,
            trial.rounds,
            Value::Object(trial.params.clone())
        )
    }

    fn one(&self, number: usize, chosen: &Map<String, Value>) -> Result<Ended, StepError> {
        let mut settings = self.params.params.clone();
        settings.extend(chosen.clone());
        let algorithm = self
            .params
            .algorithm
            .with(&settings)
            .map_err(StepError::rejected)?;
        let training = Training {
            algorithm,
            preprocessing: Preprocessing::default(),
            label: self.label.clone(),
            frame: &self.examples.frame,
            target: &self.examples.target,
            weights: None,
            class_weight: self.params.class_weight.into(),
            calibration: None,
            valid: Some(self.valid.as_valid()),
            seed: self.params.seed,
            threads: 0,
        };
        let mut seen = Seen::default();
        let result = train(&training, &mut |progress| {
            seen.rounds = progress.done;
            if self.params.prune == Prune::None || !progress.done.is_multiple_of(PRUNING_ROUNDS) {
                return Flow::GoOn;
            }
            let Some(score) = progress
                .valid
                .and_then(|so_far| self.score(&so_far.predictions()))
            else {
                return Flow::GoOn;
            };
            seen.scores.push((progress.done, score));
            if self.is_hopeless(&seen.scores) {
                seen.cut_at = Some(score);
                return Flow::Stop;
            }
            Flow::GoOn
        });
        let mut trial = Trial {
            number,
            params: chosen.clone(),
            score: None,
            cut_at: seen.cut_at,
            rounds: seen.rounds,
            failure: None,
        };
        match result {
            Ok(model) => {
                let predictions = model
                    .predict(&self.valid.frame)
                    .map_err(|error| refused(&error))?;
                trial.score = self.score(&predictions);
                trial.rounds = model.summary().rounds as usize;
                Ok((trial, Some(model), seen))
            }
            Err(ModelError::Stopped) => Ok((trial, None, seen)),
            // A value that this algorithm refuses costs the trial, not the search.
            Err(error @ ModelError::Parameter { .. }) => {
                trial.failure = Some(error.to_string());
                Ok((trial, None, seen))
            }
            Err(error) => Err(refused(&error)),
        }
    }

    fn score(&self, predictions: &Predictions) -> Option<f64> {
        let value = self
            .params
            .metric
            .of(predictions.numbers().ok()?, &self.valid.target, DEFAULT_THRESHOLD)
            .ok()?;
        Some(if self.params.maximizes() { value } else { -value })
    }

    /// The median rule (Golovin et al. 2017): its best so far is worse than the median of what the
    /// finished trials had at this round.
    fn is_hopeless(&self, scores: &[(usize, f64)]) -> bool {
        let Some((round, _)) = scores.last() else {
            return false;
        };
        let best = scores
            .iter()
            .map(|(_, score)| *score)
            .fold(f64::NEG_INFINITY, f64::max);
        let mut earlier: Vec<f64> = match self.history.get(round) {
            Some(scores) if scores.len() >= TRIALS_BEFORE_PRUNING => scores.clone(),
            _ => return false,
        };
        earlier.sort_unstable_by(f64::total_cmp);
        best < earlier[earlier.len() / 2]
    }
}
