//! `/materialize` and `/materialize-incremental`, in the shape of Feast's feature server.

use crate::app::Shared;
use crate::extract::Body;
use crate::problem::{Problem, cut};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use trainyard_contract::Timestamp;
use trainyard_features::online::instant;
use utoipa::ToSchema;

/// How long an answer waits for the rows; they go on after that.
const PATIENCE: Duration = Duration::from_secs(25);

/// What is to be brought into the online store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaterialiseOrder {
    /// Names of views; none: all that are kept online.
    pub views: Vec<String>,
    /// Whether rows that were read before are read again.
    pub is_full: bool,
    /// Earlier rows are left out.
    pub since: Option<Timestamp>,
    /// Later rows are left out.
    pub until: Option<Timestamp>,
}

/// Brings rows into the online store, in a process of its own: `Err` says why not.
pub type Materialise = Arc<dyn Fn(&MaterialiseOrder) -> Result<Value, String> + Send + Sync>;

/// Rows of a span of time, all of them.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct MaterializeRequest {
    /// Rows of an earlier event time are left out. Default: none are.
    #[serde(default)]
    start_ts: Option<String>,
    /// Rows of a later event time are left out. Default: now.
    #[serde(default)]
    end_ts: Option<String>,
    /// Default: all that are kept online.
    #[serde(default)]
    feature_views: Option<Vec<String>>,
}

/// Rows that have come since the last time.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct MaterializeIncrementalRequest {
    /// Rows of a later event time are left for the next time.
    end_ts: String,
    /// Default: all that are kept online.
    #[serde(default)]
    feature_views: Option<Vec<String>>,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MaterializeAnswer {
    /// `done`, or `running` if it takes longer than an answer may.
    status: &'static str,
    /// Rows read and changed, by view.
    #[serde(skip_serializing_if = "Option::is_none")]
    views: Option<Value>,
}

/// Brings rows of feature views into the online store; with `start_ts`, those of a span of time alone.
#[utoipa::path(
    post, path = "/materialize", tag = "features", operation_id = "materialize_features",
    request_body = MaterializeRequest,
    responses((status = 200, body = MaterializeAnswer), (status = 202, body = MaterializeAnswer), Problem)
)]
pub(crate) async fn materialize(
    State(app): State<Shared>,
    Body(request): Body<MaterializeRequest>,
) -> Result<(StatusCode, Json<MaterializeAnswer>), Problem> {
    let order = MaterialiseOrder {
        views: views(&app, request.feature_views)?,
        is_full: true,
        since: request.start_ts.map(|text| time("start_ts", text)).transpose()?,
        until: request.end_ts.map(|text| time("end_ts", text)).transpose()?,
    };
    carry_out(&app, order).await
}

/// Brings rows into the online store that have come since the last time.
#[utoipa::path(
    post, path = "/materialize-incremental", tag = "features", operation_id = "materialize_features_incrementally",
    request_body = MaterializeIncrementalRequest,
    responses((status = 200, body = MaterializeAnswer), (status = 202, body = MaterializeAnswer), Problem)
)]
pub(crate) async fn materialize_incremental(
    State(app): State<Shared>,
    Body(request): Body<MaterializeIncrementalRequest>,
) -> Result<(StatusCode, Json<MaterializeAnswer>), Problem> {
    let order = MaterialiseOrder {
        views: views(&app, request.feature_views)?,
        is_full: false,
        since: None,
        until: Some(time("end_ts", request.end_ts)?),
    };
    carry_out(&app, order).await
}

fn time(name: &str, text: String) -> Result<Timestamp, Problem> {
    let wrong = format!("{name}: `{}` is not a time", cut(&text));
    instant(&Value::from(text))
        .map(Timestamp)
        .ok_or_else(|| Problem::refused("time-invalid", wrong))
}

fn views(app: &Shared, asked: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    let known = app.features.known();
    for name in asked.iter().flatten() {
        if !known.view(name)?.online {
            return Err(Problem::refused(
                "feature-view-not-online",
                format!("the feature view `{}` is not kept for online lookup", cut(name)),
            )
            .help("write `online: true` in its definition"));
        }
    }
    Ok(asked.unwrap_or_default())
}

async fn carry_out(
    app: &Shared,
    order: MaterialiseOrder,
) -> Result<(StatusCode, Json<MaterializeAnswer>), Problem> {
    let materialise = app.materialise.clone();
    let work = tokio::task::spawn_blocking(move || materialise(&order));
    let answer = |status, views| Json(MaterializeAnswer { status, views });
    match tokio::time::timeout(PATIENCE, work).await {
        Err(_) => Ok((StatusCode::ACCEPTED, answer("running", None))),
        Ok(Ok(Ok(views))) => Ok((StatusCode::OK, answer("done", Some(views)))),
        Ok(Ok(Err(why))) => {
            tracing::warn!(why, "features_not_materialised");
            Err(Problem::refused("not-materialised", why))
        }
        Ok(Err(error)) => Err(Problem::internal("materialise features", &error)),
    }
}
