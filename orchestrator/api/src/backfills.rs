//! `/api/v1/backfills`.

use crate::app::Shared;
use crate::auth::Principal;
use crate::backfill_document::{BackfillDocument, BackfillPlan, TickDocument};
use crate::backfilling::{self, BackfillRequest};
use crate::extract::{Asked, Body, Idempotency, Named};
use crate::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use trainyard_contract::{ContentHash, Timestamp};
use trainyard_domain::backfill::{Command, Phase, TickState};
use trainyard_store::{Backfill, BackfillFilter, Request};
use utoipa::{IntoParams, ToSchema};

const MOST: u32 = 500;

/// Backfills, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackfillPage {
    backfills: Vec<BackfillDocument>,
    /// `cursor` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which backfills, and how many.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct BackfillQuery {
    /// Only of this pipeline.
    pipeline: Option<String>,
    /// Only of this phase: `running`, `paused`, `stopped`, `cancelled`, `done`.
    phase: Option<String>,
    /// At most this many; 50 if left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Backfills with their progress, newest first.
#[utoipa::path(
    get, path = "/api/v1/backfills", tag = "backfills", operation_id = "list_backfills",
    params(BackfillQuery),
    responses((status = 200, body = BackfillPage), Problem)
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    Asked(query): Asked<BackfillQuery>,
) -> Result<Json<BackfillPage>, Problem> {
    let limit = limit_of(query.limit, 50)?;
    let filter = BackfillFilter {
        pipeline: query
            .pipeline
            .map(|name| name.parse().map_err(|_| wrong("`pipeline` is none")))
            .transpose()?,
        phase: query
            .phase
            .map(|phase| phase.parse::<Phase>().map_err(|error| wrong(&error)))
            .transpose()?,
        before: query.cursor,
        limit: limit + 1,
    };
    let page = app
        .read(move |store| {
            let mut found = store.backfills(&filter)?;
            let has_more = found.len() > limit as usize;
            found.truncate(limit as usize);
            let next = found.last().filter(|_| has_more).map(|last| last.id.clone());
            let backfills = found
                .into_iter()
                .map(|backfill| BackfillDocument::of(store, backfill))
                .collect::<Result<_, _>>()?;
            Ok(BackfillPage { backfills, next })
        })
        .await?;
    Ok(Json(page))
}

fn wrong(detail: &str) -> Problem {
    Problem::bad_request("query-invalid", crate::problem::cut(detail))
}

fn limit_of(asked: Option<u32>, usual: u32) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(usual);
    if (1..=MOST).contains(&limit) {
        Ok(limit)
    } else {
        Err(wrong(&format!("`limit` is from 1 to {MOST}")))
    }
}

/// Orders a run for each tick that a schedule had in some time. It is durable when the answer comes, and
/// goes on whatever dies. Sent again under the same `Idempotency-Key` it gives the same backfill.
#[utoipa::path(
    post, path = "/api/v1/backfills", tag = "backfills", operation_id = "create_backfill",
    params(("Idempotency-Key" = Option<String>, Header, description = "Any text that stands for this request")),
    request_body = BackfillRequest,
    responses(
        (status = 201, description = "It is kept and begins.", body = BackfillDocument),
        (status = 200, description = "The same request was made before; this is its backfill.", body = BackfillDocument),
        Problem
    )
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Idempotency(key): Idempotency,
    Body(request): Body<BackfillRequest>,
) -> Result<(StatusCode, Json<BackfillDocument>), Problem> {
    let work = app.clone();
    let (document, is_new) = app
        .blocking(move || {
            let fingerprint =
                serde_json::to_vec(&request).map_err(|error| Problem::internal("read a request", &error))?;
            let draft = backfilling::draft(&work, &request)?;
            crate::manual::may_start(&draft.pipeline, &principal)?;
            let key = key.as_deref().map(|key| (key, ContentHash::of(&fingerprint)));
            let (id, is_new) =
                backfilling::keep(&work, &draft, &principal.name, request.reason.as_deref(), key)?;
            Ok((document(&work, backfilling::find(&work, &id)?)?, is_new))
        })
        .await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(document)))
}

pub(crate) fn document(app: &Shared, backfill: Backfill) -> Result<BackfillDocument, Problem> {
    app.connections
        .with(|store| BackfillDocument::of(store, backfill))
}

/// What a backfill would do, tick by tick; nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/backfills/plan", tag = "backfills", operation_id = "plan_backfill",
    request_body = BackfillRequest,
    responses((status = 200, body = BackfillPlan), Problem)
)]
pub(crate) async fn plan(
    State(app): State<Shared>,
    Body(request): Body<BackfillRequest>,
) -> Result<Json<BackfillPlan>, Problem> {
    let work = app.clone();
    let plan = app
        .blocking(move || {
            let draft = backfilling::draft(&work, &request)?;
            work.connections.with(|store| BackfillPlan::of(store, &draft))
        })
        .await?;
    Ok(Json(plan))
}

/// One backfill and how far it is.
#[utoipa::path(
    get, path = "/api/v1/backfills/{backfill}", tag = "backfills", operation_id = "show_backfill",
    params(("backfill" = String, Path, description = "Id, its last characters, or `latest`")),
    responses((status = 200, body = BackfillDocument), Problem)
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Named(id): Named<String>,
) -> Result<Json<BackfillDocument>, Problem> {
    let work = app.clone();
    let shown = app
        .blocking(move || document(&work, backfilling::find(&work, &id)?))
        .await?;
    Ok(Json(shown))
}

/// Which ticks.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct TickQuery {
    /// Only in this state, e.g. `failed`.
    state: Option<String>,
    /// Only those after this instant: `next` of the page before.
    after: Option<String>,
    /// At most this many; 100 if left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Ticks of a backfill in the order of time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TickPage {
    ticks: Vec<TickDocument>,
    /// `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Ticks of a backfill with their runs.
#[utoipa::path(
    get, path = "/api/v1/backfills/{backfill}/ticks", tag = "backfills", operation_id = "list_backfill_ticks",
    params(("backfill" = String, Path, description = "Id, its last characters, or `latest`"), TickQuery),
    responses((status = 200, body = TickPage), Problem)
)]
pub(crate) async fn ticks(
    State(app): State<Shared>,
    Named(id): Named<String>,
    Asked(query): Asked<TickQuery>,
) -> Result<Json<TickPage>, Problem> {
    let limit = limit_of(query.limit, 100)?;
    let state = query
        .state
        .map(|state| state.parse::<TickState>().map_err(|error| wrong(&error)))
        .transpose()?;
    let after = query
        .after
        .map(|text| {
            let at = text
                .parse::<jiff::Timestamp>()
                .map_err(|_| wrong("`after` is no instant"))?;
            Ok::<_, Problem>(Timestamp(at.as_microsecond()))
        })
        .transpose()?;
    let work = app.clone();
    let page = app
        .blocking(move || {
            let known = backfilling::find(&work, &id)?;
            let mut found = work
                .connections
                .with(|store| Ok(store.backfill_ticks(&known, state, after, limit + 1)?))?;
            let has_more = found.len() > limit as usize;
            found.truncate(limit as usize);
            let ticks: Vec<TickDocument> = found.into_iter().map(TickDocument::from).collect();
            let next = ticks.last().filter(|_| has_more).map(|last| last.at.clone());
            Ok(TickPage { ticks, next })
        })
        .await?;
    Ok(Json(page))
}

async fn steer(app: Shared, id: String, command: Command) -> Result<Json<BackfillDocument>, Problem> {
    let work = app.clone();
    let steered = app
        .blocking(move || document(&work, backfilling::steer(&work, &id, command)?))
        .await?;
    Ok(Json(steered))
}

/// Lets a backfill start no more runs until it is resumed; what runs goes on.
#[utoipa::path(
    post, path = "/api/v1/backfills/{backfill}/pause", tag = "backfills", operation_id = "pause_backfill",
    params(("backfill" = String, Path, description = "Id, its last characters, or `latest`")),
    responses((status = 200, body = BackfillDocument), Problem)
)]
pub(crate) async fn pause(
    State(app): State<Shared>,
    Named(id): Named<String>,
) -> Result<Json<BackfillDocument>, Problem> {
    steer(app, id, Command::Pause).await
}

/// Lets a backfill that is paused, or stopped by failures, go on. Failures until now do not stop it again.
#[utoipa::path(
    post, path = "/api/v1/backfills/{backfill}/resume", tag = "backfills", operation_id = "resume_backfill",
    params(("backfill" = String, Path, description = "Id, its last characters, or `latest`")),
    responses((status = 200, body = BackfillDocument), Problem)
)]
pub(crate) async fn resume(
    State(app): State<Shared>,
    Named(id): Named<String>,
) -> Result<Json<BackfillDocument>, Problem> {
    steer(app, id, Command::Resume).await
}

/// What becomes of runs that are under way.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CancelBackfillRequest {
    /// Asks them to stop, too; otherwise they go on.
    stop_runs: bool,
}

/// Ends a backfill for good: it starts no more runs.
#[utoipa::path(
    post, path = "/api/v1/backfills/{backfill}/cancel", tag = "backfills", operation_id = "cancel_backfill",
    params(("backfill" = String, Path, description = "Id, its last characters, or `latest`")),
    request_body = CancelBackfillRequest,
    responses((status = 200, body = BackfillDocument), Problem)
)]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Named(id): Named<String>,
    Body(request): Body<CancelBackfillRequest>,
) -> Result<Json<BackfillDocument>, Problem> {
    let work = app.clone();
    let cancelled = app
        .blocking(move || {
            let known = backfilling::steer(&work, &id, Command::Cancel)?;
            if request.stop_runs {
                stop_runs(&work, &known, &principal.name)?;
            }
            document(&work, known)
        })
        .await?;
    Ok(Json(cancelled))
}

/// Asks all runs of a backfill that are not over to stop.
pub(crate) fn stop_runs(app: &Shared, backfill: &Backfill, by: &str) -> Result<(), Problem> {
    app.write_now(|app, store| {
        for run in store.open_runs_of_backfill(backfill)? {
            let request = Request::Cancel { by: by.to_owned() };
            store.post_request(&run, &request, (app.clock)())?;
        }
        Ok(())
    })?;
    app.engine.nudge();
    Ok(())
}
