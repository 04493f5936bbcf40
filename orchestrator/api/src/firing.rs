//! Triggers: what happened is told to the domain's decision, whose firings become queued runs. Whatever
//! comes of it is kept with its reason.

use crate::app::{Shared, lock};
use crate::documents::instant;
use crate::hub::Notice;
use crate::problem::Problem;
use crate::project::RunOrder;
use crate::runs::Creation;
use serde_json::Value;
use trainyard_contract::{ContentHash, RunId, Timestamp};
use trainyard_domain::pipeline::{Origin, Pipeline, spec};
use trainyard_domain::trigger::{Decision, Firing, News, Trigger, TriggerState, decide};
use trainyard_store::{IdempotencyKey, NewFiring, QueueOptions};

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

/// A call's own name, under which it starts nothing twice.
#[derive(Clone, Copy)]
pub(crate) struct CallKey<'a> {
    pub(crate) scope: &'a str,
    pub(crate) key: &'a str,
}

/// Tells a trigger what happened. One at a time: each sees what came of the one before, so that a storm
/// starts what the limits allow and no run more.
pub(crate) fn tell(
    app: &Shared,
    pipeline: &Pipeline,
    name: &str,
    spec: &spec::Trigger,
    news: &News,
    call: Option<CallKey<'_>>,
) -> Result<Told, Problem> {
    let _turn = lock(&app.firing);
    let now = (app.clock)();
    if let Some(call) = call {
        let earlier = app
            .connections
            .with(|store| Ok(store.run_of_key(call.scope, call.key)?))?;
        if let Some(run) = earlier {
            let outcome = Outcome {
                verdict: "repeated".to_owned(),
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
    let mut told = Told::default();
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
        state = carry_out(app, pipeline, name, decision, None, &mut told)?;
    }
    let decision = decide(&trigger, &state, now, news);
    let state = carry_out(app, pipeline, name, decision, call, &mut told)?;
    let body =
        serde_json::to_value(&state).map_err(|error| Problem::internal("keep a trigger's state", &error))?;
    if told.outcomes.is_empty() && before.as_ref() == Some(&body) {
        return Ok(told);
    }
    keep(app, pipeline, name, spec.kind(), &told.outcomes, &body, now)?;
    Ok(told)
}

/// Starts what is to start. A run is durable before the state that says so: if the server dies between,
/// the same decision is made again, and its keys find the runs.
fn carry_out(
    app: &Shared,
    pipeline: &Pipeline,
    name: &str,
    decision: Decision,
    call: Option<CallKey<'_>>,
    told: &mut Told,
) -> Result<TriggerState, Problem> {
    for held in decision.held {
        told.outcomes.push(Outcome {
            verdict: word(&held.because),
            reason: held.reason,
            run: None,
            due: held.at,
        });
    }
    for firing in decision.firings {
        let outcome = match start(app, pipeline, name, &firing, call) {
            Ok((run, is_new)) => Outcome {
                verdict: if is_new { "started" } else { "repeated" }.to_owned(),
                reason: firing.reason,
                run: Some(run),
                due: firing.at,
            },
            // What is wrong with the pipeline or the event is an outcome; what is wrong here is not.
            Err(problem) if problem.is_refusal() => Outcome {
                verdict: "refused".to_owned(),
                reason: problem.in_words(),
                run: None,
                due: firing.at,
            },
            Err(problem) => return Err(problem),
        };
        told.outcomes.push(outcome);
    }
    told.wake_at = decision.wake_at;
    Ok(decision.state)
}

/// A word as documents carry it.
fn word(because: &impl serde::Serialize) -> String {
    match serde_json::to_value(because) {
        Ok(Value::String(word)) => word,
        _ => "held".to_owned(),
    }
}

fn start(
    app: &Shared,
    pipeline: &Pipeline,
    name: &str,
    firing: &Firing,
    call: Option<CallKey<'_>>,
) -> Result<(RunId, bool), Problem> {
    let by = format!("trigger:{name}");
    let call = call.unwrap_or(CallKey {
        scope: "trigger",
        key: &firing.key,
    });
    let creation = Creation {
        pipeline: pipeline.name().as_str(),
        order: RunOrder {
            trigger: firing.trigger.as_object().cloned().unwrap_or_default(),
            ..RunOrder::default()
        },
        origin: Origin::Trigger,
        options: QueueOptions::default(),
        by: &by,
        reason: Some(&firing.reason),
        key: Some(IdempotencyKey {
            scope: call.scope,
            key: call.key,
            // The key says it all: what it stands for is decided once.
            request: ContentHash::of(call.key.as_bytes()),
        }),
    };
    creation.carry_out(app)
}

fn keep(
    app: &Shared,
    pipeline: &Pipeline,
    name: &str,
    kind: &str,
    outcomes: &[Outcome],
    state: &Value,
    now: Timestamp,
) -> Result<(), Problem> {
    let firings: Vec<NewFiring<'_>> = outcomes
        .iter()
        .map(|outcome| NewFiring {
            pipeline: pipeline.name(),
            trigger: name,
            kind,
            at: now,
            due: Some(outcome.due),
            verdict: &outcome.verdict,
            reason: Some(&outcome.reason),
            run: outcome.run.as_ref(),
        })
        .collect();
    app.write_now(|_, store| Ok(store.keep_firings(&firings, Some((pipeline.name(), name, state)))?))?;
    for outcome in outcomes {
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
    }
    Ok(())
}
