//! What wakes triggers: time, data that changes, and runs that end.

use crate::app::Shared;
use crate::firing::{self, Told};
use crate::project::RunOrder;
use crate::runs::load;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trainyard_contract::{ContentHash, OutputValue, RunId, Timestamp};
use trainyard_domain::pipeline::{Pipeline, spec};
use trainyard_domain::run::{Run, RunOutcome, RunStatus, StepState};
use trainyard_domain::trigger::{News, Outcome, RunEnded};
use trainyard_engine::fingerprint;

/// Looking at data takes this share of the time at most: 1 in 20.
const REST: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When each trigger is to be woken, and what was seen of data.
#[derive(Default)]
pub(crate) struct Clockwork {
    /// By pipeline and trigger: the version it was told under, and when it wants to be woken.
    wakes: BTreeMap<(String, String), Wake>,
    /// By pipeline and dataset.
    seen: BTreeMap<(String, String), Option<String>>,
    look_at: Option<Instant>,
}

struct Wake {
    version: ContentHash,
    is_paused: bool,
    at: Option<Timestamp>,
}

impl Clockwork {
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
        if self.look_at.is_none_or(|at| at <= Instant::now()) {
            let began = Instant::now();
            for entry in shelf.pipelines.values() {
                self.look(app, &entry.current);
            }
            let took = began.elapsed();
            self.look_at = Some(Instant::now() + LOOK_EVERY.max(took * REST));
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
        let wake = self.wakes.entry(key).or_insert(Wake {
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
        match firing::tell(app, pipeline, name, trigger, news, None) {
            Ok(told) => {
                let key = (pipeline.name().as_str().to_owned(), name.to_owned());
                if let Some(wake) = self.wakes.get_mut(&key) {
                    wake.at = told.wake_at;
                } else {
                    let wake = Wake {
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
    fn look(&mut self, app: &Shared, pipeline: &Arc<Pipeline>) {
        let waiting = data_triggers(pipeline);
        if waiting.is_empty() {
            return;
        }
        let Ok(bound) = app.project.bind(pipeline, &RunOrder::default(), (app.clock)()) else {
            return;
        };
        for (name, trigger, datasets) in waiting {
            for dataset in datasets {
                let Some(found) = bound.definition.datasets.get(dataset) else {
                    continue;
                };
                let content = content(app, &found.location);
                let key = (format!("{}/{name}", pipeline.name()), dataset.clone());
                if self.seen.get(&key) == Some(&content) {
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

    /// A run is over: pipelines that follow it, and data that it made.
    pub(crate) fn run_ended(&mut self, app: &Shared, id: &RunId) {
        let shelf = app.project.shelf();
        let follows = shelf.pipelines.values().any(|entry| {
            let mut triggers = entry.current.spec().triggers.values();
            triggers.any(|trigger| matches!(trigger, spec::Trigger::Pipeline(_) | spec::Trigger::Data(_)))
        });
        if !follows {
            return;
        }
        let news = match app.connections.with(|store| load(store, id)) {
            Ok(run) => news_of(&run),
            Err(problem) => {
                tracing::warn!(run = %id, problem = problem.detail(), "run_not_read");
                return;
            }
        };
        for entry in shelf.pipelines.values() {
            for (name, trigger) in &entry.current.spec().triggers {
                for news in news.iter().filter(|news| concerns(trigger, news)) {
                    self.tell(app, &entry.current, name, trigger, news);
                }
            }
        }
    }
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

/// Whether a trigger has anything to do with the news.
fn concerns(trigger: &spec::Trigger, news: &News) -> bool {
    match (trigger, news) {
        (spec::Trigger::Pipeline(wanted), News::RunEnded(ended)) => wanted.pipeline == ended.pipeline,
        (spec::Trigger::Data(wanted), News::Produced { dataset, .. }) => wanted.datasets.contains(dataset),
        _ => false,
    }
}

fn news_of(run: &Run) -> Vec<News> {
    let RunStatus::Ended(outcome) = run.status() else {
        return Vec::new();
    };
    let definition = run.definition();
    let pipeline = definition.pipeline.as_str();
    let mut steps: BTreeMap<String, Outcome> = BTreeMap::new();
    let mut news = Vec::new();
    for (instance, (_, state)) in definition.instances.iter().zip(run.steps()) {
        let outcome = match state {
            StepState::Succeeded { outputs, .. } => {
                news.extend(outputs.iter().map(|(output, value)| News::Produced {
                    dataset: format!("{pipeline}.{}.{output}", instance.step),
                    content: content_id(value),
                }));
                Outcome::Succeeded
            }
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
    news.push(News::RunEnded(RunEnded {
        run: run.id().to_string(),
        pipeline: pipeline.to_owned(),
        environment: definition.environment.clone(),
        outcome: match outcome {
            RunOutcome::Succeeded => Outcome::Succeeded,
            RunOutcome::Failed => Outcome::Failed,
            RunOutcome::Cancelled => Outcome::Cancelled,
        },
        steps,
        logical_date: logical_date.map(str::to_owned),
    }));
    news
}

fn content_id(value: &OutputValue) -> String {
    value.fingerprint()
}
