//! Runs that people start: who may, and what they fill in.

use crate::app::Shared;
use crate::auth::Principal;
use crate::caller::Caller;
use crate::extract::{Body, Idempotency, Named};
use crate::firing::{self, Call, CallKey};
use crate::params as form;
use crate::problem::Problem;
use crate::random;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use trainyard_domain::pipeline::Pipeline;
use trainyard_domain::pipeline::spec::Trigger;
use trainyard_domain::pipeline::spec::trigger::ManualTrigger;
use trainyard_domain::trigger::{News, describe};
use utoipa::ToSchema;

/// A trigger for people, as a form.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ManualForm {
    pipeline: String,
    trigger: String,
    /// In words.
    description: String,
    /// Roles of which whoever starts it has one; none if everybody may who may start runs.
    roles: Vec<String>,
    /// Whether the asker may.
    may_start: bool,
    /// JSON Schema of `params`: what to fill in.
    #[schema(value_type = Object)]
    form: Value,
}

/// What is filled in.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StartRequest {
    /// Values of the pipeline's params.
    #[schema(value_type = Object)]
    params: Map<String, Value>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StartAnswer {
    /// `started` or `repeated`.
    verdict: String,
    reason: String,
    run: Option<String>,
}

/// What a manual trigger wants to know, and whether the asker may start it.
#[utoipa::path(
    get, path = "/api/v1/pipelines/{pipeline}/triggers/{trigger}", tag = "triggers", operation_id = "show_manual_trigger",
    params(
        ("pipeline" = String, Path, description = "Name of the pipeline"),
        ("trigger" = String, Path, description = "Name of a trigger of type `manual`"),
    ),
    responses((status = 200, body = ManualForm), Problem)
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Named((pipeline, name)): Named<(String, String)>,
) -> Result<Json<ManualForm>, Problem> {
    let (pipeline, trigger) = find(&app, &pipeline, &name)?;
    let may_start = principal.may(&axum::http::Method::POST).is_ok() && has_role(&principal, &trigger);
    Ok(Json(ManualForm {
        pipeline: pipeline.name().as_str().to_owned(),
        description: describe(&Trigger::Manual(trigger.clone())),
        trigger: name,
        roles: trigger.roles,
        may_start,
        form: form::schema(&pipeline),
    }))
}

/// Starts a run by hand, as the trigger allows it. Of a paused pipeline it waits in the queue. Sent again
/// under the same `Idempotency-Key` it starts nothing and gives the same run.
#[utoipa::path(
    post, path = "/api/v1/pipelines/{pipeline}/triggers/{trigger}", tag = "triggers", operation_id = "start_manual_trigger",
    params(
        ("pipeline" = String, Path, description = "Name of the pipeline"),
        ("trigger" = String, Path, description = "Name of a trigger of type `manual`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Any text that stands for this request"),
    ),
    request_body = StartRequest,
    responses((status = 202, body = StartAnswer), Problem)
)]
pub(crate) async fn start(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    caller: Option<Extension<Caller>>,
    Named((pipeline, name)): Named<(String, String)>,
    Idempotency(key): Idempotency,
    Body(request): Body<StartRequest>,
) -> Result<(StatusCode, Json<StartAnswer>), Problem> {
    let (pipeline, trigger) = find(&app, &pipeline, &name)?;
    let is_allowed = has_role(&principal, &trigger);
    let work = app.clone();
    let outcome = app
        .blocking(move || {
            let fresh = random::bytes::<12>().map_err(|error| Problem::internal("name a wish", &error))?;
            let scope = format!("manual:{}:{name}", pipeline.name());
            let news = News::Asked {
                key: key.clone().unwrap_or_else(|| random::hex(&fresh)),
                by: principal.name.clone(),
                roles: principal.of(&trigger.roles),
                params: request.params,
            };
            let call = Call {
                // Whoever may not start it does not learn what others have started.
                key: key
                    .as_deref()
                    .filter(|_| is_allowed)
                    .map(|key| CallKey { scope: &scope, key }),
                caller: caller.map(|Extension(caller)| caller),
                by: Some(&principal.name),
            };
            let trigger = Trigger::Manual(trigger);
            Ok(firing::tell(&work, &pipeline, &name, &trigger, &news, call)?
                .outcomes
                .pop())
        })
        .await?;
    let outcome =
        outcome.ok_or_else(|| Problem::conflict("start-idle", "the trigger did nothing with it"))?;
    match outcome.verdict.as_str() {
        "refused" if !is_allowed => Err(role_missing(outcome.reason)),
        "refused" => Err(Problem::refused("start-refused", outcome.reason)),
        _ => Ok((
            StatusCode::ACCEPTED,
            Json(StartAnswer {
                verdict: outcome.verdict,
                reason: outcome.reason,
                run: outcome.run.map(|run| run.to_string()),
            }),
        )),
    }
}

/// Whether somebody may have a run of the pipeline made: where it has manual triggers, one of them has to
/// allow it, or their roles would mean nothing.
pub(crate) fn may_start(pipeline: &Pipeline, principal: &Principal) -> Result<(), Problem> {
    let mut wanted = Vec::new();
    for trigger in pipeline.spec().triggers.values() {
        if let Trigger::Manual(manual) = trigger {
            if has_role(principal, manual) {
                return Ok(());
            }
            wanted.extend(manual.roles.iter().map(String::as_str));
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    Err(role_missing(format!(
        "{} has none of the roles {}",
        principal.name,
        wanted.join(", ")
    )))
}

fn has_role(principal: &Principal, trigger: &ManualTrigger) -> bool {
    trigger.roles.is_empty() || !principal.of(&trigger.roles).is_empty()
}

fn role_missing(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "role-missing", detail)
        .help("`trainyard tokens create NAME --roles ROLE` makes a token with a role")
}

fn find(app: &Shared, pipeline: &str, name: &str) -> Result<(Arc<Pipeline>, ManualTrigger), Problem> {
    let entry = app.project.entry(pipeline)?;
    match entry.current.spec().triggers.get(name) {
        Some(Trigger::Manual(manual)) => Ok((entry.current.clone(), manual.clone())),
        _ => Err(Problem::not_found(
            "trigger-not-found",
            format!(
                "`{}` has no manual trigger `{}`",
                crate::problem::cut(pipeline),
                crate::problem::cut(name)
            ),
        )),
    }
}
