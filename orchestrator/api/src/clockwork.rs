//! What wakes triggers: time, data that changes, and runs that end.

use crate::app::Shared;
use crate::firing::{self, Told};
use crate::problem::Problem;
use crate::project::RunOrder;
use crate::runs::load;
use crate::watching::{Wake, Watching};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime};
use trainyard_contract::{ContentHash, PipelineName, RunId, Timestamp};
use trainyard_domain::pipeline::{Pipeline, spec};
use trainyard_domain::run::{Run, RunOutcome, RunStatus, StepState};
use trainyard_domain::trigger::{News, Outcome, RunEnded, TriggerState};
use trainyard_engine::fingerprint;
use trainyard_store::Store;

/// Looking at data takes this share of the time at most: 1 in 20.
const REST: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When each trigger is to be woken, and what was seen of data.
pub(crate) struct Clockwork {
    /// By pipeline and trigger: the version it was told under, and when it wants to be woken.
    wakes: BTreeMap<(String, String), Alarm>,
    /// By pipeline and dataset.
    seen: BTreeMap<(String, String), Option<String>>,
    watching: Watching,
    /// When data is looked at, whatever the system says.
    look_at: Instant,
    /// Not before this, however often it changes.
    look_after: Instant,
    has_changed: bool,
    /// A connection of its own, which says whether anything was committed since it was last asked.
    eyes: Option<(Store, u64)>,
}

/// What a look at all data came to.
#[derive(Default)]
struct Sight {
    took: Duration,
    /// Something is being written: when the first of it may be whole.
    unfinished: Option<Duration>,
}

struct Alarm {
    version: ContentHash,
    is_paused: bool,
    at: Option<Timestamp>,
}

impl Clockwork {
    /// Sends a wake when data changes.
    pub(crate) fn new(wakes: Sender<Wake>) -> Self {
        let now = Instant::now();
        Self {
            wakes: BTreeMap::new(),
            seen: BTreeMap::new(),
            watching: Watching::new(wakes),
            look_at: now,
            look_after: now,
            has_changed: false,
            eyes: None,
        }
    }

    /// Something happened to files in folders that are watched.
    pub(crate) fn files_changed(&mut self) {
        self.watching.heard();
        self.has_changed = true;
    }

    /// How long nothing happens by itself, if nothing is heard.
    pub(crate) fn rest(&self, wake: Option<Timestamp>, now: Timestamp, longest: Duration) -> Duration {
        let look_at = if self.has_changed {
            self.look_after
        } else {
            self.look_at
        };
        let until_look = look_at.saturating_duration_since(Instant::now());
        let until_wake = wake.map_or(longest, |at| Duration::from_millis(at.since(now).0 + 1));
        longest.min(until_look).min(until_wake)
    }

    /// Tells triggers what time and data have to say. Gives the time until which nothing happens by
    /// itself.
    pub(crate) fn turn(&mut self, app: &Shared) -> Option<Timestamp> {
        let shelf = app.project.shelf();
        let paused = app
            .connections
            .with(|store| Ok(store.paused_pipelines()?))
            .unwrap_or_default();
        for entry in shelf.pipelines.values() {
            let pipeline = &entry.current;
            let is_paused = paused.iter().any(|pause| pause.pipeline == *pipeline.name());
            for (name, trigger) in &pipeline.spec().triggers {
                self.wake(app, pipeline, name, trigger, is_paused);
            }
        }
        self.wakes.retain(|(pipeline, trigger), _| {
            let entry = shelf.pipelines.get(pipeline);
            entry.is_some_and(|entry| entry.current.spec().triggers.contains_key(trigger))
        });
        self.look_at_runs(app);
        let began = Instant::now();
        if self.look_at <= began || (self.has_changed && self.look_after <= began) {
            // What changes from here on is looked at again.
            self.has_changed = false;
            // Not what it takes to start runs: the next change is to be seen at once.
            let mut sight = Sight::default();
            for entry in shelf.pipelines.values() {
                self.look(app, &entry.current, &mut sight);
            }
            let rest = sight.took * REST;
            self.look_after = Instant::now() + rest;
            self.look_at = Instant::now() + sight.unfinished.unwrap_or(LOOK_EVERY).min(LOOK_EVERY).max(rest);
        }
        self.wakes.values().filter_map(|wake| wake.at).min()
    }

    fn wake(
        &mut self,
        app: &Shared,
        pipeline: &Pipeline,
        name: &str,
        trigger: &spec::Trigger,
        is_paused: bool,
    ) {
        let key = (pipeline.name().as_str().to_owned(), name.to_owned());
        let is_as_it_was = self.wakes.get(&key).is_some_and(|wake| {
            wake.version == pipeline.hash()
                && wake.is_paused == is_paused
                && wake.at.is_none_or(|at| (app.clock)() < at)
        });
        if is_as_it_was {
            return;
        }
        let told = self.tell(app, pipeline, name, trigger, &News::Woken);
        let wake = self.wakes.entry(key).or_insert(Alarm {
            version: pipeline.hash(),
            is_paused,
            at: None,
        });
        wake.version = pipeline.hash();
        wake.is_paused = is_paused;
        if told.is_none() {
            // It is tried again, and not at once.
            let pause = trainyard_contract::Millis(5_000);
            wake.at = Some((app.clock)().plus(pause));
        }
    }

    fn tell(
        &mut self,
        app: &Shared,
        pipeline: &Pipeline,
        name: &str,
        trigger: &spec::Trigger,
        news: &News,
    ) -> Option<Told> {
        match firing::tell(app, pipeline, name, trigger, news, firing::Call::default()) {
            Ok(told) => {
                let key = (pipeline.name().as_str().to_owned(), name.to_owned());
                if let Some(wake) = self.wakes.get_mut(&key) {
                    wake.at = told.wake_at;
                } else {
                    let wake = Alarm {
                        version: pipeline.hash(),
                        is_paused: false,
                        at: told.wake_at,
                    };
                    self.wakes.insert(key, wake);
                }
                Some(told)
            }
            Err(problem) => {
                tracing::warn!(
                    pipeline = %pipeline.name(), trigger = name, problem = problem.detail(), "trigger_not_told"
                );
                None
            }
        }
    }

    /// Looks at the datasets that triggers of a pipeline wait for.
    fn look(&mut self, app: &Shared, pipeline: &Arc<Pipeline>, sight: &mut Sight) {
        let waiting = data_triggers(pipeline);
        if waiting.is_empty() {
            return;
        }
        let Ok(bound) = app.project.bind(pipeline, &RunOrder::default(), (app.clock)()) else {
            return;
        };
        let locations = waiting
            .iter()
            .flat_map(|(_, _, datasets)| datasets.iter())
            .filter_map(|dataset| bound.definition.datasets.get(dataset));
        for dataset in locations {
            self.watching.cover(app, &dataset.location);
        }
        for (name, trigger, datasets) in waiting {
            for dataset in datasets {
                let Some(found) = bound.definition.datasets.get(dataset) else {
                    continue;
                };
                let (began, read_at) = (Instant::now(), SystemTime::now());
                let content = content(app, &found.location);
                sight.took += began.elapsed();
                let key = (format!("{}/{name}", pipeline.name()), dataset.clone());
                if self.seen.get(&key) == Some(&content) {
                    continue;
                }
                if let Some(wait) = self
                    .watching
                    .unfinished(app.project.root(), &found.location, read_at)
                {
                    sight.unfinished = Some(sight.unfinished.map_or(wait, |least| least.min(wait)));
                    continue;
                }
                let news = News::Looked {
                    dataset: dataset.clone(),
                    content: content.clone(),
                };
                if self.tell(app, pipeline, name, trigger, &news).is_some() {
                    self.seen.insert(key, content);
                    crate::meter::looked();
                }
            }
        }
    }

    /// Tells triggers that follow a pipeline which of its runs have ended, from the store's record: so
    /// whoever carried a run out, and whether a server was there, none is lost, and the trigger's state
    /// says which were told.
    fn look_at_runs(&mut self, app: &Shared) {
        let shelf = app.project.shelf();
        let following: Vec<_> = shelf
            .pipelines
            .values()
            .flat_map(|entry| {
                let triggers = entry.current.spec().triggers.iter();
                triggers.filter_map(|(name, trigger)| match trigger {
                    spec::Trigger::Pipeline(wanted) => {
                        Some((&entry.current, name, trigger, &wanted.pipeline))
                    }
                    _ => None,
                })
            })
            .collect();
        if following.is_empty() {
            return;
        }
        let version = match self.news_of_store(app) {
            Ok(Some(version)) => version,
            Ok(None) => return,
            Err(problem) => {
                self.eyes = None;
                tracing::warn!(problem = problem.detail(), "store_not_read");
                return;
            }
        };
        let mut is_done = true;
        for (pipeline, name, trigger, followed) in following {
            let ended = app
                .connections
                .with(|store| undecided(store, pipeline, name, followed));
            let Ok(ended) = ended else {
                is_done = false;
                continue;
            };
            for (run, at) in ended {
                let is_told = match app.connections.with(|store| load(store, &run)) {
                    // Retried a moment ago: its end will be another one.
                    Ok(run) => end_of(&run, at).is_none_or(|ended| {
                        let news = News::RunEnded(ended);
                        self.tell(app, pipeline, name, trigger, &news).is_some()
                    }),
                    Err(problem) => {
                        tracing::warn!(%run, problem = problem.detail(), "run_not_read");
                        false
                    }
                };
                is_done &= is_told;
            }
        }
        if let (true, Some((_, seen))) = (is_done, &mut self.eyes) {
            *seen = version;
        }
    }

    /// The store's version, if it is another than the one that was looked at.
    fn news_of_store(&mut self, app: &Shared) -> Result<Option<u64>, Problem> {
        if let Some((store, seen)) = &self.eyes {
            let version = store.data_version()?;
            return Ok((version != *seen).then_some(version));
        }
        let store = app.home.store()?;
        let version = store.data_version()?;
        // Any other number: the first look is always made.
        self.eyes = Some((store, version.wrapping_sub(1)));
        Ok(Some(version))
    }

    /// A run is over: data that it made.
    pub(crate) fn run_ended(&mut self, app: &Shared, id: &RunId) {
        let shelf = app.project.shelf();
        let waits = shelf.pipelines.values().any(|entry| {
            let mut triggers = entry.current.spec().triggers.values();
            triggers.any(|trigger| matches!(trigger, spec::Trigger::Data(_)))
        });
        if !waits {
            return;
        }
        let news = match app.connections.with(|store| load(store, id)) {
            Ok(run) => produced(&run),
            Err(problem) => {
                tracing::warn!(run = %id, problem = problem.detail(), "run_not_read");
                return;
            }
        };
        for entry in shelf.pipelines.values() {
            for (name, trigger, datasets) in data_triggers(&entry.current) {
                for (dataset, content) in news.iter().filter(|(dataset, _)| datasets.contains(dataset)) {
                    let news = News::Produced {
                        dataset: dataset.clone(),
                        content: content.clone(),
                    };
                    self.tell(app, &entry.current, name, trigger, &news);
                }
            }
        }
    }
}

/// Runs whose end the trigger has not decided.
fn undecided(
    store: &mut Store,
    pipeline: &Pipeline,
    name: &str,
    followed: &str,
) -> Result<Vec<(RunId, Timestamp)>, Problem> {
    let state = store
        .trigger_state(pipeline.name(), name)?
        .and_then(|body| serde_json::from_value::<TriggerState>(body).ok())
        .unwrap_or_default();
    // One that was not woken yet has no past.
    let (Some(since), Ok(followed)) = (state.ends_since(), followed.parse::<PipelineName>()) else {
        return Ok(Vec::new());
    };
    let mut ended = store.runs_ended_since(&followed, since)?;
    ended.retain(|(run, at)| !state.has_decided(run.as_str(), *at));
    Ok(ended)
}

fn data_triggers(pipeline: &Pipeline) -> Vec<(&String, &spec::Trigger, &Vec<String>)> {
    let triggers = pipeline.spec().triggers.iter();
    triggers
        .filter_map(|(name, trigger)| match trigger {
            spec::Trigger::Data(data) => Some((name, trigger, &data.datasets)),
            _ => None,
        })
        .collect()
}

/// Hash of what is there now; none if it is not there or is not here.
fn content(app: &Shared, location: &str) -> Option<String> {
    let root = app.project.root();
    let now = (app.clock)();
    let found = app
        .connections
        .with(|store| Ok(fingerprint::content_of(store, root, location, now).ok().flatten()));
    found.ok().flatten().map(|hash: ContentHash| hash.to_string())
}

/// What a run made: names and contents.
fn produced(run: &Run) -> Vec<(String, String)> {
    let definition = run.definition();
    let pipeline = definition.pipeline.as_str();
    let mut made = Vec::new();
    for (instance, (_, state)) in definition.instances.iter().zip(run.steps()) {
        if let StepState::Succeeded { outputs, .. } = state {
            made.extend(outputs.iter().map(|(output, value)| {
                (
                    format!("{pipeline}.{}.{output}", instance.step),
                    value.fingerprint(),
                )
            }));
        }
    }
    made
}

/// How a run ended, if it has.
fn end_of(run: &Run, ended_at: Timestamp) -> Option<RunEnded> {
    let RunStatus::Ended(outcome) = run.status() else {
        return None;
    };
    let definition = run.definition();
    let mut steps: BTreeMap<String, Outcome> = BTreeMap::new();
    for (instance, (_, state)) in definition.instances.iter().zip(run.steps()) {
        let outcome = match state {
            StepState::Succeeded { .. } => Outcome::Succeeded,
            StepState::Failed { .. } => Outcome::Failed,
            StepState::Cancelled => Outcome::Cancelled,
            _ => continue,
        };
        // A step of several instances has succeeded if all of them have.
        let whole = steps.entry(instance.step.as_str().to_owned()).or_insert(outcome);
        if outcome != Outcome::Succeeded {
            *whole = outcome;
        }
    }
    let logical_date = definition
        .trigger
        .get("logical_date")
        .and_then(|date| date.as_str());
    Some(RunEnded {
        run: run.id().to_string(),
        pipeline: definition.pipeline.as_str().to_owned(),
        environment: definition.environment.clone(),
        outcome: match outcome {
            RunOutcome::Succeeded => Outcome::Succeeded,
            RunOutcome::Failed => Outcome::Failed,
            RunOutcome::Cancelled => Outcome::Cancelled,
        },
        steps,
        ended_at,
        logical_date: logical_date.map(str::to_owned),
    })
}
