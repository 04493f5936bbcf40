//! `/api/v1/approvals`.

use crate::app::Shared;
use crate::auth::Principal;
use crate::documents::{Accepted, instant};
use crate::extract::{Body, Named};
use crate::problem::Problem;
use crate::runs::{find, load};
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use trainyard_store::{Request, WaitingApproval};
use utoipa::ToSchema;

/// Gates that wait for people.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalList {
    approvals: Vec<ApprovalDocument>,
}

/// A gate that waits for people.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalDocument {
    run: String,
    pipeline: String,
    /// The step instance that is the gate.
    step: String,
    /// Who asked for the run.
    author: String,
    asked_at: String,
    /// Roles of which one is wanted; empty: any.
    roles: Vec<String>,
    /// How many have to agree.
    wanted: u32,
    /// The author's own answer does not count.
    not_author: bool,
    /// Who has agreed so far.
    given: Vec<GivenDocument>,
}

/// One person's agreement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GivenDocument {
    by: String,
    role: Option<String>,
    comment: Option<String>,
    at: String,
}

impl From<WaitingApproval> for ApprovalDocument {
    fn from(gate: WaitingApproval) -> Self {
        let rule = gate.rule;
        Self {
            run: gate.run.to_string(),
            pipeline: gate.pipeline.to_string(),
            step: gate.instance,
            author: gate.author,
            asked_at: instant(gate.asked_at),
            wanted: rule.as_ref().map_or(1, |rule| rule.min_approvals),
            not_author: rule.as_ref().is_some_and(|rule| rule.not_author),
            roles: rule.map(|rule| rule.roles).unwrap_or_default(),
            given: gate
                .given
                .into_iter()
                .map(|given| GivenDocument {
                    by: given.by,
                    role: given.role,
                    comment: given.comment,
                    at: instant(given.at),
                })
                .collect(),
        }
    }
}

/// What waits for a decision.
#[utoipa::path(
    get, path = "/api/v1/approvals", tag = "approvals", operation_id = "list_approvals",
    responses((status = 200, body = ApprovalList), Problem)
)]
pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<ApprovalList>, Problem> {
    let waiting = app.read(|store| Ok(store.waiting_approvals()?)).await?;
    Ok(Json(ApprovalList {
        approvals: waiting.into_iter().map(ApprovalDocument::from).collect(),
    }))
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    Approve,
    Reject,
}

/// A person's answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerRequest {
    decision: Decision,
    /// In which role.
    #[serde(default)]
    role: Option<String>,
    /// Why.
    #[serde(default)]
    comment: Option<String>,
}

/// Answers a gate.
#[utoipa::path(
    post, path = "/api/v1/runs/{run}/steps/{step}/approval", tag = "approvals", operation_id = "answer_approval",
    params(
        ("run" = String, Path, description = "Run id, its last 8 characters, or `latest`"),
        ("step" = String, Path, description = "The step that is the gate"),
    ),
    request_body = AnswerRequest,
    responses((status = 202, body = Accepted), Problem)
)]
pub(crate) async fn answer(
    State(app): State<Shared>,
    Extension(principal): Extension<Principal>,
    Named((run, step)): Named<(String, String)>,
    Body(request): Body<AnswerRequest>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let approve = request.decision == Decision::Approve;
    let message = app
        .write(move |app, store| {
            let id = find(store, &run)?;
            let run = load(store, &id)?;
            let ix = run.find(&step).ok_or_else(|| {
                Problem::not_found(
                    "step-not-found",
                    format!("run {id} has no step `{}`", crate::problem::cut(&step)),
                )
            })?;
            let by = principal.name;
            let is_author = run.started_by() == Some(by.as_str());
            run.judge_answer(ix, &by, request.role.as_deref(), is_author)
                .map_err(|refused| Problem::conflict("answer-refused", refused.to_string()))?;
            let instance = run.name(ix).into_owned();
            let verb = if approve { "approved" } else { "rejected" };
            let message = format!("`{instance}` of run {id} is {verb} by {by}");
            let request = Request::Answer {
                instance,
                by,
                role: request.role,
                approve,
                comment: request.comment,
            };
            store.post_request(&id, &request, (app.clock)())?;
            Ok(message)
        })
        .await?;
    app.engine.nudge();
    Ok((StatusCode::ACCEPTED, Json(Accepted { message })))
}
