//! Logs of attempts: ranged, or followed as they grow.

use crate::app::Shared;
use crate::download::{self, FileAnswer};
use crate::extract::{Asked, Named};
use crate::problem::Problem;
use crate::runs::{find, load};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::stream;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use trainyard_contract::RunId;
use trainyard_domain::run::StepState;
use utoipa::IntoParams;

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const CHUNK: usize = 64 << 10;

/// Which log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// Step or step instance.
    step: String,
    /// Attempt, from 1; the last if left out.
    attempt: Option<u32>,
    /// Goes on until the attempt is over.
    #[serde(default)]
    follow: bool,
}

/// The log of one attempt, as text. `Range` gives a part of it; with `follow` it is sent as it grows.
#[utoipa::path(
    get, path = "/api/v1/runs/{run}/logs", tag = "runs", operation_id = "read_log",
    params(("run" = String, Path, description = "Run id, its last 8 characters, or `latest`"), LogQuery),
    responses(
        (status = 200, description = "The log.", body = String, content_type = "text/plain"),
        (status = 206, description = "The part asked for.", body = String, content_type = "text/plain"),
        Problem
    )
)]
pub(crate) async fn read(
    State(app): State<Shared>,
    Named(run): Named<String>,
    Asked(query): Asked<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let home = app.home.clone();
    let asked = query.step.clone();
    let (id, name, attempt) = app
        .read(move |store| {
            let id = find(store, &run)?;
            let run = load(store, &id)?;
            let ix = run.find(&asked).ok_or_else(|| {
                Problem::not_found(
                    "step-not-found",
                    format!("run {id} has no step `{}`", crate::problem::cut(&asked)),
                )
            })?;
            let name = run.name(ix).into_owned();
            let last = run.next_attempt(ix).saturating_sub(1);
            let attempt = query.attempt.unwrap_or(last);
            if !(1..=last).contains(&attempt) {
                let what = if last == 0 {
                    format!("`{name}` was not attempted in run {id}")
                } else {
                    format!("`{name}` of run {id} has attempts 1 to {last}")
                };
                return Err(Problem::not_found("attempt-not-found", what));
            }
            Ok((id, name, attempt))
        })
        .await?;
    let path = home.log_path(&id, &name, attempt);
    if query.follow {
        let following = Following {
            app,
            run: id,
            instance: name,
            attempt,
            path,
            file: None,
            is_over: false,
        };
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        let body = Body::from_stream(stream::unfold(following, Following::next));
        let mut response = Response::new(body);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        return Ok(response);
    }
    let answer = FileAnswer {
        path,
        media_type: "text/plain; charset=utf-8".to_owned(),
        // An attempt that wrote nothing has no file.
        missing_is_empty: true,
    };
    download::send(answer, &headers).await
}

/// A log that is read as it grows.
struct Following {
    app: Shared,
    run: RunId,
    instance: String,
    attempt: u32,
    path: PathBuf,
    file: Option<tokio::fs::File>,
    is_over: bool,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Bytes, std::io::Error>, Self)> {
        loop {
            if self.file.is_none() {
                self.file = tokio::fs::File::open(&self.path).await.ok();
            }
            if let Some(file) = self.file.as_mut() {
                let mut chunk = vec![0; CHUNK];
                match file.read(&mut chunk).await {
                    Ok(0) => {}
                    Ok(read) => {
                        chunk.truncate(read);
                        return Some((Ok(chunk.into()), self));
                    }
                    Err(error) => return Some((Err(error), self)),
                }
            }
            // What was written before the attempt was over has been read by now.
            if self.is_over || self.app.is_ending() {
                return None;
            }
            self.is_over = self.attempt_is_over().await;
            if !self.is_over {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    async fn attempt_is_over(&self) -> bool {
        let (id, name, attempt) = (self.run.clone(), self.instance.clone(), self.attempt);
        let running = self
            .app
            .read(move |store| {
                let run = load(store, &id)?;
                let ix = run.find(&name).unwrap_or(u32::MAX);
                Ok(matches!(run.step(ix), StepState::Running { attempt: now, .. } if *now == attempt))
            })
            .await;
        !running.unwrap_or(false)
    }
}
