//! What one run is asked to do: stop, try again, go on.

use crate::app::Shared;
use crate::auth::Principal;
use crate::documents::Accepted;
use crate::extract::{Body, Named};
use crate::problem::Problem;
use crate::runs::{find, load};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use trainyard_contract::RunId;
use trainyard_domain::run::{RunOutcome, RunStatus as Standing, SelectError};
use trainyard_store::{Request, Store};
use utoipa::ToSchema;

/// Asks a run to stop: running steps get time to finish, then are ended. Asked again, hooks end as well.
#[utoipa::path(
    post, path = "/api/v1/runs/{run}/cancel", tag = "runs", operation_id = "cancel_run",
    params(("run" = String, Path, description = "Run id, its last 8 characters, or `latest`")),
    responses((status = 202, body = Accepted), Problem)
)]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Named(run): Named<String>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    steer(&app, run, move |app, store, id| {
        if let Standing::Ended(outcome) = load(store, id)?.status() {
            return Err(over(id, outcome));
        }
        let request = Request::Cancel { by: principal.name };
        store.post_request(id, &request, (app.clock)())?;
        Ok(format!("run {id} is asked to stop"))
    })
    .await
}

/// What of a run is to run again.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetryRequest {
    /// Exactly these steps, also ones that have succeeded, with what depends on them: `step`, `+step`,
    /// `step+`, `step[3]`, `tag:x`, `state:failed`, several separated by commas. Everything that did not
    /// succeed if left out.
    select: Option<String>,
}

/// Runs what failed, was blocked or cancelled in an ended run again; or chosen steps and what depends on them.
#[utoipa::path(
    post, path = "/api/v1/runs/{run}/retry", tag = "runs", operation_id = "retry_run",
    params(("run" = String, Path, description = "Run id, its last 8 characters, or `latest`")),
    request_body = RetryRequest,
    responses((status = 202, body = Accepted), Problem)
)]
pub(crate) async fn retry(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Named(run): Named<String>,
    Body(wanted): Body<RetryRequest>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    steer(&app, run, move |app, store, id| {
        let run = load(store, id)?;
        let message = match (run.status(), &wanted.select) {
            (Standing::Ended(_), Some(text)) => {
                let chosen = run.choose(text).map_err(not_chosen)?;
                format!("run {id} runs again {}", run.choice_in_words(&chosen))
            }
            (Standing::Ended(RunOutcome::Succeeded), None) => {
                let detail = format!("run {id} has succeeded; there is nothing to retry");
                return Err(Problem::conflict("run-succeeded", detail)
                    .help("`select` runs chosen steps again all the same"));
            }
            (Standing::Ended(_), None) => format!("run {id} tries again what did not succeed"),
            _ => return Err(Problem::conflict("run-not-over", format!("run {id} is not over"))),
        };
        let request = Request::Retry {
            by: principal.name,
            select: wanted.select,
        };
        store.hand_over(id, Some(&request), (app.clock)())?;
        Ok(message)
    })
    .await
}

/// Why nothing was chosen, as a document.
pub(crate) fn not_chosen(error: SelectError) -> Problem {
    let problem = Problem::refused("selection-invalid", error.message);
    match error.help {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// Goes on with a run that was interrupted or lost its engine.
#[utoipa::path(
    post, path = "/api/v1/runs/{run}/resume", tag = "runs", operation_id = "resume_run",
    params(("run" = String, Path, description = "Run id, its last 8 characters, or `latest`")),
    responses((status = 202, body = Accepted), Problem)
)]
pub(crate) async fn resume(
    State(app): State<Shared>,
    Named(run): Named<String>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    steer(&app, run, move |app, store, id| {
        if let Standing::Ended(outcome) = load(store, id)?.status() {
            let problem = over(id, outcome);
            return Err(match outcome {
                RunOutcome::Succeeded => problem,
                _ => problem.help("`retry` runs what did not succeed again"),
            });
        }
        store.hand_over(id, None, (app.clock)())?;
        Ok(format!("run {id} goes on"))
    })
    .await
}

fn over(id: &RunId, outcome: RunOutcome) -> Problem {
    Problem::conflict(
        "run-over",
        format!("run {id} is over: {}", crate::hub::outcome_word(outcome)),
    )
}

async fn steer(
    app: &Shared,
    run: String,
    work: impl FnOnce(&Shared, &mut Store, &RunId) -> Result<String, Problem> + Send + 'static,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let message = app
        .write(move |app, store| {
            let id = find(store, &run)?;
            work(app, store, &id)
        })
        .await?;
    app.engine.nudge();
    Ok((StatusCode::ACCEPTED, Json(Accepted { message })))
}
