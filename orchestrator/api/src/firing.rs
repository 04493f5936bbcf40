//! Triggers: what happened is told to the domain's decision, whose firings become queued runs. Whatever
//! comes of it is kept with its reason.

use crate::app::{Shared, lock};
use crate::caller::Caller;
use crate::documents::instant;
use crate::hub::Notice;
use crate::problem::Problem;
use crate::project::RunOrder;
use crate::runs::{Prepared, prepare};
use serde_json::Value;
use trainyard_contract::{ContentHash, RunId, Timestamp};
use trainyard_domain::pipeline::{Origin, Pipeline, spec};
use trainyard_domain::run::{Run, RunOutcome};
use trainyard_domain::trigger::{Firing, Held, News, Trigger, TriggerState, decide};
use trainyard_store::{Enqueued, IdempotencyKey, NewFiring, QueueOptions, REPEATED};

/// What came of one piece of news.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) outcomes: Vec<Outcome>,
    /// When to say that time has passed.
    pub(crate) wake_at: Option<Timestamp>,
}

/// A run that was started, or why none was.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `started`, `repeated`, `refused`, or why it was held back: `paused`, `cooldown`, `max_runs` …
    pub(crate) verdict: String,
    pub(crate) reason: String,
    pub(crate) run: Option<RunId>,
    due: Timestamp,
}

/// What a decision wants, before it is durable.
struct Wanted {
    outcome: Outcome,
    start: Option<Start>,
}

/// A run to be started, under the key of its firing.
struct Start {
    prepared: Prepared,
    scope: String,
    key: String,
}

/// The trigger that decided.
struct Source<'a> {
    pipeline: &'a Pipeline,
    name: &'a str,
    kind: &'a str,
    /// Whose run it is, if a person's.
    by: Option<&'a str>,
}

/// A call's own name, under which it starts nothing twice.
#[derive(Clone, Copy)]
pub(crate) struct CallKey<'a> {
    pub(crate) scope: &'a str,
    pub(crate) key: &'a str,
}

/// Who told it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Call<'a> {
    pub(crate) key: Option<CallKey<'a>>,
    pub(crate) caller: Option<Caller>,
    /// The person who asks for a run.
    pub(crate) by: Option<&'a str>,
}

/// Tells a trigger what happened. One at a time: each sees what came of the one before, so that a storm
/// starts what the limits allow and no run more.
pub(crate) fn tell(
    app: &Shared,
    pipeline: &Pipeline,
    name: &str,
    spec: &spec::Trigger,
    news: &News,
    call: Call<'_>,
) -> Result<Told, Problem> {
    let _turn = lock(&app.firing);
    let now = (app.clock)();
    if let Some(call) = call.key {
        let earlier = app
            .connections
            .with(|store| Ok(store.run_of_key(call.scope, call.key)?))?;
        if let Some(run) = earlier {
            let outcome = Outcome {
                verdict: REPEATED.to_owned(),
                reason: "this call came before".to_owned(),
                run: Some(run),
                due: now,
            };
            return Ok(Told {
                outcomes: vec![outcome],
                wake_at: None,
            });
        }
    }
    let environment = pipeline.default_environment();
    let trigger = Trigger::new(pipeline, environment.as_deref(), name, spec)
        .map_err(|error| Problem::internal("read a trigger", &error))?;
    let (before, pause) = app.connections.with(|store| {
        let state = store.trigger_state(pipeline.name(), name)?;
        let pauses = store.paused_pipelines()?;
        let pause = pauses
            .into_iter()
            .find(|pause| pause.pipeline == *pipeline.name());
        Ok((state, pause))
    })?;
    let mut state = before
        .as_ref()
        .and_then(|body| serde_json::from_value::<TriggerState>(body.clone()).ok())
        .unwrap_or_default();
    let mut wanted = Vec::new();
    // Somebody paused or resumed since, perhaps in another process.
    let change = match (&pause, &state.paused) {
        (Some(pause), None) => Some(News::Paused {
            by: pause.by.clone(),
            why: pause.reason.clone(),
        }),
        (None, Some(_)) => Some(News::Resumed),
        _ => None,
    };
    if let Some(change) = change {
        let decision = decide(&trigger, &state, now, &change);
        want(
            app,
            pipeline,
            decision.firings,
            decision.held,
            Call::default(),
            &mut wanted,
        )?;
        state = decision.state;
    }
    let decision = decide(&trigger, &state, now, news);
    want(app, pipeline, decision.firings, decision.held, call, &mut wanted)?;
    let body = serde_json::to_value(&decision.state)
        .map_err(|error| Problem::internal("keep a trigger's state", &error))?;
    let wake_at = decision.wake_at;
    if wanted.is_empty() && before.as_ref() == Some(&body) {
        return Ok(Told {
            outcomes: Vec::new(),
            wake_at,
        });
    }
    let told = Source {
        pipeline,
        name,
        kind: spec.kind(),
        by: call.by,
    };
    let outcomes = keep(app, &told, wanted, &body, now)?;
    Ok(Told { outcomes, wake_at })
}

/// Tells a trigger's history that the run it had made never started.
pub(crate) fn keep_turned_away(
    app: &Shared,
    run: &Run,
    outcome: RunOutcome,
    reason: &str,
) -> Result<(), Problem> {
    let definition = run.definition();
    let text = |key: &str| definition.trigger.get(key).and_then(Value::as_str);
    let (Some(kind), Some(name)) = (text("type"), text("name")) else {
        return Ok(());
    };
    if kind == "manual" {
        return Ok(());
    }
    let firing = NewFiring {
        pipeline: &definition.pipeline,
        trigger: name,
        kind,
        at: (app.clock)(),
        due: None,
        verdict: match outcome {
            RunOutcome::Failed => "failed",
            _ => "skipped",
        },
        reason: Some(reason),
        start: None,
        about: Some(run.id()),
    };
    app.write_now(|_, store| {
        store.keep_firings(std::slice::from_ref(&firing), None)?;
        Ok(())
    })
}

/// Binds the runs that are to start.
fn want(
    app: &Shared,
    pipeline: &Pipeline,
    firings: Vec<Firing>,
    held: Vec<Held>,
    call: Call<'_>,
    wanted: &mut Vec<Wanted>,
) -> Result<(), Problem> {
    wanted.extend(held.into_iter().map(|held| Wanted {
        outcome: Outcome {
            verdict: word(&held.because),
            reason: held.reason,
            run: None,
            due: held.at,
        },
        start: None,
    }));
    for firing in firings {
        let order = RunOrder {
            trigger: firing.trigger.as_object().cloned().unwrap_or_default(),
            ..RunOrder::default()
        };
        let mut outcome = Outcome {
            verdict: "started".to_owned(),
            reason: firing.reason,
            run: None,
            due: firing.at,
        };
        let start = match prepare(
            app,
            pipeline.name().as_str(),
            &order,
            if call.by.is_some() {
                Origin::Person
            } else {
                Origin::Trigger
            },
            QueueOptions::default(),
        ) {
            Ok(prepared) => Some(Start {
                prepared: prepared.called_by(call.caller),
                scope: call.key.map_or("trigger", |call| call.scope).to_owned(),
                key: call.key.map_or(firing.key, |call| call.key.to_owned()),
            }),
            // What is wrong with the pipeline or the event is an outcome; what is wrong here is not.
            Err(problem) if problem.is_refusal() => {
                outcome.verdict = "refused".to_owned();
                outcome.reason = problem.in_words();
                None
            }
            Err(problem) => return Err(problem),
        };
        wanted.push(Wanted { outcome, start });
    }
    Ok(())
}

/// A word as documents carry it.
fn word(because: &impl serde::Serialize) -> String {
    match serde_json::to_value(because) {
        Ok(Value::String(word)) => word,
        _ => "held".to_owned(),
    }
}

/// Makes runs, history and state durable together: a trigger knows of each run that it started, and of
/// no other.
fn keep(
    app: &Shared,
    source: &Source<'_>,
    wanted: Vec<Wanted>,
    state: &Value,
    now: Timestamp,
) -> Result<Vec<Outcome>, Problem> {
    let &Source {
        pipeline,
        name,
        kind,
        by,
    } = source;
    let by = by.map_or_else(|| format!("trigger:{name}"), str::to_owned);
    let firings: Vec<NewFiring<'_>> = wanted
        .iter()
        .map(|Wanted { outcome, start }| NewFiring {
            pipeline: pipeline.name(),
            trigger: name,
            kind,
            at: now,
            due: Some(outcome.due),
            verdict: &outcome.verdict,
            reason: Some(&outcome.reason),
            start: start.as_ref().map(|start| {
                let key = IdempotencyKey {
                    scope: &start.scope,
                    key: &start.key,
                    // The key says it all: what it stands for is decided once.
                    request: ContentHash::of(start.key.as_bytes()),
                };
                start.prepared.queued(&by, Some(&outcome.reason), Some(key))
            }),
            about: None,
        })
        .collect();
    let made =
        app.write_now(|_, store| Ok(store.keep_firings(&firings, Some((pipeline.name(), name, state)))?))?;
    if made.contains(&Some(Enqueued::New)) {
        app.engine.nudge();
    }
    let mut outcomes = Vec::with_capacity(wanted.len());
    for (Wanted { mut outcome, start }, made) in wanted.into_iter().zip(made) {
        match made {
            Some(Enqueued::New) => outcome.run = start.map(|start| start.prepared.id),
            Some(Enqueued::Repeated(earlier) | Enqueued::KeyTaken(earlier)) => {
                outcome.verdict = REPEATED.to_owned();
                outcome.run = Some(earlier);
            }
            None => {}
        }
        tracing::info!(
            pipeline = %pipeline.name(), trigger = name, verdict = %outcome.verdict, reason = %outcome.reason,
            due = %instant(outcome.due), "trigger_fired"
        );
        crate::meter::fired(kind, &outcome.verdict);
        let mut notice = Notice::new("trigger_fired", now);
        notice.pipeline = Some(pipeline.name().as_str().to_owned());
        notice.run = outcome.run.as_ref().map(ToString::to_string);
        notice.message = Some(format!("{name}: {}: {}", outcome.verdict, outcome.reason));
        app.hub.tell(notice);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}
