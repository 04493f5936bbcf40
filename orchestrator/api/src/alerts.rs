//! Breaches of alerts, as whoever watches tells them; alert triggers start runs of them.

use crate::app::Shared;
use crate::caller::Caller;
use crate::extract::{Body, Named};
use crate::firing::{self, Call, CallKey};
use crate::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use trainyard_domain::notice;
use trainyard_domain::pipeline::Pipeline;
use trainyard_domain::pipeline::spec::Trigger;
use trainyard_domain::trigger::News;
use trainyard_store::REPEATED;
use utoipa::ToSchema;

const LONGEST_BREACH: usize = 255;

/// A breach of an alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BreachRequest {
    /// Names the breach: told again, it starts nothing more.
    #[schema(min_length = 1, max_length = 255)]
    breach: String,
    /// What was seen; `event.detail` of the triggers' params.
    #[serde(default)]
    #[schema(value_type = Object)]
    detail: Value,
}

/// What the triggers that wait for the alert did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BreachAnswer {
    triggers: Vec<BreachVerdict>,
}

/// What a trigger did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BreachVerdict {
    pipeline: String,
    trigger: String,
    /// `started`, `repeated`, `refused`, or why it was held back: `paused`, `cooldown`, `max_runs`.
    verdict: String,
    reason: String,
    run: Option<String>,
}

/// A trigger, and the alert by the name under which it waits for it.
struct Listener {
    pipeline: Arc<Pipeline>,
    name: String,
    trigger: Trigger,
    alert: String,
}

/// Tells that an alert has breached. Triggers of its pipeline and of others that wait for it start their
/// runs, as far as their limits let them; 202 says that all of them have decided.
#[utoipa::path(
    post, path = "/api/v1/pipelines/{pipeline}/alerts/{alert}", tag = "triggers", operation_id = "tell_breach",
    params(
        ("pipeline" = String, Path, description = "Name of the pipeline"),
        ("alert" = String, Path, description = "Name of an alert of it"),
    ),
    request_body = BreachRequest,
    responses((status = 202, body = BreachAnswer), Problem)
)]
pub(crate) async fn breach(
    State(app): State<Shared>,
    caller: Option<Extension<Caller>>,
    Named((pipeline, alert)): Named<(String, String)>,
    Body(request): Body<BreachRequest>,
) -> Result<(StatusCode, Json<BreachAnswer>), Problem> {
    if request.breach.is_empty() || request.breach.len() > LONGEST_BREACH {
        let what = format!("`breach` is a text of 1 to {LONGEST_BREACH} bytes");
        return Err(Problem::refused("body-invalid", what));
    }
    let entry = app.project.entry(&pipeline)?;
    if !entry.current.spec().alerts.contains_key(&alert) {
        return Err(Problem::not_found(
            "alert-not-found",
            format!("`{pipeline}` has no alert `{}`", crate::problem::cut(&alert)),
        ));
    }
    let listeners = listeners(&app, &pipeline, &alert);
    let current = entry.current;
    let work = app.clone();
    let caller = caller.map(|Extension(caller)| caller);
    let triggers = app
        .blocking(move || {
            if let Some(declared) = current.spec().alerts.get(&alert) {
                let (notices, now) = (current.notices(), (work.clock)());
                let of = (alert.as_str(), declared);
                let told = notice::breached(&pipeline, &notices, of, &request.breach, now);
                work.write_now(|_, store| Ok(store.tell(&[told])?))?;
                work.notices.wake();
            }
            let decided = listeners
                .iter()
                .map(|listener| decided(&work, listener, &request, caller));
            decided.collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(BreachAnswer { triggers })))
}

fn listeners(app: &Shared, pipeline: &str, alert: &str) -> Vec<Listener> {
    let whole = format!("{pipeline}.{alert}");
    let shelf = app.project.shelf();
    let mut listeners = Vec::new();
    for entry in shelf.pipelines.values() {
        let is_own = entry.current.name().as_str() == pipeline;
        for (name, trigger) in &entry.current.spec().triggers {
            let Trigger::Alert(spec) = trigger else { continue };
            let waits = |of: &&String| **of == whole || (is_own && *of == alert);
            if let Some(alert) = spec.alerts.iter().find(waits) {
                listeners.push(Listener {
                    pipeline: entry.current.clone(),
                    name: name.clone(),
                    trigger: trigger.clone(),
                    alert: alert.clone(),
                });
            }
        }
    }
    listeners
}

fn decided(
    app: &Shared,
    listener: &Listener,
    request: &BreachRequest,
    caller: Option<Caller>,
) -> Result<BreachVerdict, Problem> {
    let Listener {
        pipeline,
        name,
        trigger,
        alert,
    } = listener;
    let news = News::Alerted {
        alert: alert.clone(),
        breach: request.breach.clone(),
        detail: request.detail.clone(),
    };
    let scope = format!("alert:{}:{name}", pipeline.name());
    let call = Call {
        key: Some(CallKey {
            scope: &scope,
            key: &request.breach,
        }),
        caller,
        by: None,
    };
    let outcome = firing::tell(app, pipeline, name, trigger, &news, call)?
        .outcomes
        .pop();
    let (verdict, reason, run) = match outcome {
        Some(outcome) => (
            outcome.verdict,
            outcome.reason,
            outcome.run.map(|run| run.to_string()),
        ),
        None => (
            REPEATED.to_owned(),
            "this breach was told before".to_owned(),
            None,
        ),
    };
    Ok(BreachVerdict {
        pipeline: pipeline.name().as_str().to_owned(),
        trigger: name.clone(),
        verdict,
        reason,
        run,
    })
}
