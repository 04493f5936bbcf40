//! Whether the server is well, and what it is.

use crate::app::Shared;
use crate::documents::instant;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use std::fmt::Write;
use utoipa::ToSchema;

/// A server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerInfo {
    version: String,
    started_at: String,
    /// The project's folder.
    project: String,
    /// The folder of its state.
    home: String,
    /// Whether requests need a token.
    is_protected: bool,
    pipelines: usize,
    /// Runs that wait to be started.
    queued: u64,
}

/// What this server is.
#[utoipa::path(
    get, path = "/api/v1/server", tag = "server", operation_id = "show_server",
    responses((status = 200, body = ServerInfo), Problem)
)]
pub(crate) async fn server(State(app): State<Shared>) -> Result<Json<ServerInfo>, Problem> {
    let is_protected = !app.tokens().await?.is_empty();
    let queued = app.read(|store| Ok(store.queue_length()?)).await?;
    Ok(Json(ServerInfo {
        version: app.version.to_owned(),
        started_at: instant(app.started_at),
        project: app.project.root().display().to_string(),
        home: app.home.folder().display().to_string(),
        is_protected,
        pipelines: app.project.shelf().pipelines.len(),
        queued,
    }))
}

/// That the process answers.
#[utoipa::path(
    get, path = "/healthz", tag = "server", operation_id = "is_alive",
    responses((status = 200, description = "It answers.", body = String, content_type = "text/plain"))
)]
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Whether the server can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    is_ready: bool,
    engine: Part,
    store: Part,
    /// Faulty files do not make a server unready: their last good versions go on.
    pipelines: Part,
}

/// One part of the server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Part {
    is_well: bool,
    /// What is wrong, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trouble: Vec<String>,
}

impl Part {
    fn of(trouble: Vec<String>) -> Self {
        Self {
            is_well: trouble.is_empty(),
            trouble,
        }
    }
}

/// Whether the server can do its work.
#[utoipa::path(
    get, path = "/readyz", tag = "server", operation_id = "is_ready",
    responses(
        (status = 200, description = "It can.", body = Readiness),
        (status = 503, description = "It cannot.", body = Readiness),
    )
)]
pub(crate) async fn ready(State(app): State<Shared>, headers: HeaderMap) -> Response {
    let mut engine = Vec::new();
    if app.is_ending() {
        engine.push("the server is about to end".to_owned());
    } else if !app.engine.works() {
        engine.push(
            app.engine
                .trouble()
                .unwrap_or_else(|| "it has not started yet".to_owned()),
        );
    }
    let store = match app.read(|store| Ok(store.queue_length()?)).await {
        Ok(_) => Vec::new(),
        Err(problem) => vec![problem.detail().to_owned()],
    };
    let shelf = app.project.shelf();
    let broken = shelf
        .broken
        .iter()
        .map(|(file, diagnostics)| (file.as_str(), diagnostics, "it was never good"));
    let stale = shelf
        .pipelines
        .values()
        .filter(|entry| entry.is_stale)
        .map(|entry| {
            (
                entry.current.file(),
                &entry.diagnostics,
                "the last good version stays",
            )
        });
    let pipelines = broken
        .chain(stale)
        .map(|(file, diagnostics, rest)| {
            let first = diagnostics.iter().find(|found| found["severity"] == "error");
            let what = first.map_or_else(String::new, |found| {
                format!(
                    ":{}: {}",
                    found["line"],
                    found["message"].as_str().unwrap_or_default()
                )
            });
            format!("{file}{what}; {rest}")
        })
        .collect::<Vec<String>>();
    // Names and faults of files are for those who may look at pipelines.
    let pipelines = match app.principal(&headers).await {
        Ok(_) => pipelines,
        Err(_) => Vec::new(),
    };
    let document = Readiness {
        is_ready: engine.is_empty() && store.is_empty(),
        engine: Part::of(engine),
        store: Part::of(store),
        pipelines: Part::of(pipelines),
    };
    let status = if document.is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(document)).into_response()
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "server", operation_id = "read_metrics",
    responses((status = 200, body = String, content_type = "text/plain"), Problem)
)]
pub(crate) async fn metrics(State(app): State<Shared>) -> Result<Response, Problem> {
    let queued = app.read(|store| Ok(store.queue_length()?)).await?;
    let shelf = app.project.shelf();
    let stale = shelf.pipelines.values().filter(|entry| entry.is_stale).count();
    app.meter.set_state(
        queued,
        shelf.pipelines.len() - stale,
        shelf.broken.len() + stale,
        app.started_at,
    );
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, app.meter.render()).into_response())
}

/// What is there, until a dashboard is.
pub(crate) async fn page(State(app): State<Shared>) -> Response {
    let mut rows = String::new();
    for (path, what) in [
        ("/api/v1/pipelines", "pipelines of the project"),
        ("/api/v1/runs", "runs, newest first"),
        ("/api/v1/approvals", "gates that wait for people"),
        ("/api/v1/models", "the model registry"),
        ("/api/v1/events", "events as they happen (server-sent events)"),
        ("/api/openapi.json", "the whole API, described"),
        ("/metrics", "metrics for Prometheus"),
        ("/readyz", "whether the server can do its work"),
    ] {
        let _ = write!(
            rows,
            "<tr><td><a href=\"{path}\">{path}</a></td><td>{what}</td></tr>"
        );
    }
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Trainyard</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}}\
         td{{padding:.15rem 1.5rem .15rem 0}}</style></head><body><h1>Trainyard</h1>\
         <p>Version {}. This server has no dashboard yet; it has:</p><table>{rows}</table></body></html>",
        app.version
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}
