//! `/api/v1/notices`: what was told to whom, and what could not be.

use crate::app::Shared;
use crate::documents::{Accepted, instant};
use crate::extract::{Asked, Body, Named};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainyard_store::{Notice, NoticeFilter, NoticeState};
use utoipa::{IntoParams, ToSchema};

/// Notices on a page at most.
const MOST: u32 = 500;

/// Which notices.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct NoticeQuery {
    /// Only to this channel, without `notify.`.
    channel: Option<String>,
    /// Only those that are `waiting`, `delivered`, `folded` or `dead`.
    state: Option<StateWord>,
    /// Only of this kind of event, such as `run.failed`.
    kind: Option<String>,
    /// Only of this subject, such as `runs/run_…`.
    subject: Option<String>,
    /// At most this many; 50 if left out.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(minimum = 0)]
    cursor: Option<u64>,
}

/// Where a notice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateWord {
    Waiting,
    Delivered,
    /// Told of in another one, because there were too many.
    Folded,
    /// Given up; it can be sent again.
    Dead,
}

impl From<StateWord> for NoticeState {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Waiting => Self::Waiting,
            StateWord::Delivered => Self::Delivered,
            StateWord::Folded => Self::Folded,
            StateWord::Dead => Self::Dead,
        }
    }
}

impl From<NoticeState> for StateWord {
    fn from(state: NoticeState) -> Self {
        match state {
            NoticeState::Waiting => Self::Waiting,
            NoticeState::Delivered => Self::Delivered,
            NoticeState::Folded => Self::Folded,
            NoticeState::Dead => Self::Dead,
        }
    }
}

/// Notices, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoticePage {
    notices: Vec<NoticeDocument>,
    /// `cursor` of the next page, if there is one.
    next: Option<u64>,
}

/// A notice to one channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoticeDocument {
    /// Its number.
    notice: u64,
    /// The id of what happened: the same in every channel and each time it is sent.
    event: String,
    /// `run.failed` and the like.
    kind: String,
    subject: String,
    channel: String,
    /// The pipeline that has the channel for itself; none: the project.
    channel_of: Option<String>,
    state: StateWord,
    at: String,
    title: String,
    text: String,
    advice: String,
    /// Where it happened and who has to do with it.
    #[schema(value_type = Object)]
    about: Value,
    tries: u32,
    /// Before that it is not sent again.
    due_at: Option<String>,
    /// When it was delivered, folded or given up.
    settled_at: Option<String>,
    /// Why it could not be delivered the last time, or which notice tells of it.
    error: Option<String>,
}

impl From<Notice> for NoticeDocument {
    fn from(notice: Notice) -> Self {
        let happening = notice.happening;
        let waits = notice.state == NoticeState::Waiting && notice.due_at.0 > 0;
        Self {
            notice: notice.number,
            event: happening.id,
            kind: happening.kind.to_string(),
            subject: happening.subject,
            channel: notice.to.channel,
            channel_of: notice.to.pipeline,
            state: notice.state.into(),
            at: instant(happening.at),
            title: happening.title,
            text: happening.text,
            advice: happening.advice,
            about: serde_json::to_value(&happening.about).unwrap_or_default(),
            tries: notice.tries,
            due_at: waits.then(|| instant(notice.due_at)),
            settled_at: notice.settled_at.map(instant),
            error: notice.error,
        }
    }
}

/// What was told to whom, and what could not be.
#[utoipa::path(
    get, path = "/api/v1/notices", tag = "notices", operation_id = "list_notices",
    params(NoticeQuery),
    responses((status = 200, body = NoticePage), Problem)
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    Asked(query): Asked<NoticeQuery>,
) -> Result<Json<NoticePage>, Problem> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::bad_request(
            "query-invalid",
            format!("`limit` is from 1 to {MOST}"),
        ));
    }
    let filter = NoticeFilter {
        channel: query.channel,
        state: query.state.map(NoticeState::from),
        kind: query.kind,
        subject: query.subject,
        before: query.cursor,
        limit: limit + 1,
    };
    let mut notices = app.read(move |store| Ok(store.notices(&filter)?)).await?;
    let has_more = notices.len() > limit as usize;
    notices.truncate(limit as usize);
    let next = notices.last().filter(|_| has_more).map(|notice| notice.number);
    Ok(Json(NoticePage {
        notices: notices.into_iter().map(NoticeDocument::from).collect(),
        next,
    }))
}

fn none(number: u64) -> Problem {
    Problem::not_found("notice-not-found", format!("there is no notice {number}"))
}

/// One notice.
#[utoipa::path(
    get, path = "/api/v1/notices/{notice}", tag = "notices", operation_id = "show_notice",
    params(("notice" = u64, Path, description = "Its number")),
    responses((status = 200, body = NoticeDocument), Problem)
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    Named(number): Named<u64>,
) -> Result<Json<NoticeDocument>, Problem> {
    let found = app.read(move |store| Ok(store.notice(number)?)).await?;
    found
        .map(|notice| Json(notice.into()))
        .ok_or_else(|| none(number))
}

/// Sends a notice again, whatever has become of it.
#[utoipa::path(
    post, path = "/api/v1/notices/{notice}/resend", tag = "notices", operation_id = "resend_notice",
    params(("notice" = u64, Path, description = "Its number")),
    responses((status = 202, body = Accepted), Problem)
)]
pub(crate) async fn resend(
    State(app): State<Shared>,
    Named(number): Named<u64>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let again = app
        .write(move |_, store| {
            let again = store.resend_notice(number)?;
            if !again && store.notice(number)?.is_none() {
                return Err(none(number));
            }
            Ok(again)
        })
        .await?;
    app.notices.wake();
    let message = match again {
        true => format!("notice {number} is sent again"),
        false => format!("notice {number} waits to be sent as it is"),
    };
    Ok((StatusCode::ACCEPTED, Json(Accepted { message })))
}

/// Which dead letters.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResendRequest {
    /// Only those to this channel; all of them if left out.
    channel: Option<String>,
}

/// Sends all dead letters again, or those of a channel.
#[utoipa::path(
    post, path = "/api/v1/notices/resend", tag = "notices", operation_id = "resend_dead_notices",
    request_body = ResendRequest,
    responses((status = 202, body = Accepted), Problem)
)]
pub(crate) async fn resend_dead(
    State(app): State<Shared>,
    Body(request): Body<ResendRequest>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let count = app
        .write(move |_, store| Ok(store.resend_dead_notices(request.channel.as_deref())?))
        .await?;
    app.notices.wake();
    let message = format!("{count} dead letters are sent again");
    Ok((StatusCode::ACCEPTED, Json(Accepted { message })))
}
