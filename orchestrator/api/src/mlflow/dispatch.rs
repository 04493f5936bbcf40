//! Which request is whose.

use super::failure::Failure;
use super::fields::Fields;
use super::{artifacts, experiments, history, logged_models, logging, models, runs, versions};
use crate::app::Shared;
use crate::auth::Principal;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

/// No JSON of a client is longer.
const LARGEST_BODY: usize = 8 << 20;

const API: [&str; 2] = ["/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"];
const NEW_API: [&str; 2] = ["/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/"];
const PROXY: [&str; 2] = ["/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/"];

fn after<'a>(path: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    prefixes.iter().find_map(|prefix| path.strip_prefix(prefix))
}

/// Whether a path is one of MLflow's.
pub(crate) fn is_mlflow(path: &str) -> bool {
    [API, NEW_API, PROXY].iter().any(|all| after(path, all).is_some())
        || matches!(
            path,
            "/get-artifact" | "/model-versions/get-artifact" | "/version"
        )
}

/// Whether a request only looks, whatever its method.
pub(crate) fn is_reading(method: &Method, path: &str) -> bool {
    if !matches!(*method, Method::POST) {
        return false;
    }
    matches!(
        after(path, &API),
        Some(
            "runs/search"
                | "experiments/search"
                | "experiments/search-datasets"
                | "logged-models/search"
                | "registered-models/get-latest-versions"
        )
    )
}

/// Whether a body may be something else than JSON: it is a file.
pub(crate) fn takes_other_bodies(path: &str) -> bool {
    after(path, &PROXY).is_some() || after(path, &API) == Some("upload-artifact")
}

/// Whether a request may take as long as its file is large.
pub(crate) fn takes_time(path: &str) -> bool {
    takes_other_bodies(path)
}

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/2.0/mlflow/{*path}", any(call))
        .route("/ajax-api/2.0/mlflow/{*path}", any(call))
        .route("/api/3.0/mlflow/{*path}", any(call_new))
        .route("/ajax-api/3.0/mlflow/{*path}", any(call_new))
        .route("/api/2.0/mlflow-artifacts/{*path}", any(proxy))
        .route("/ajax-api/2.0/mlflow-artifacts/{*path}", any(proxy))
        .route("/get-artifact", get(get_artifact))
        .route("/model-versions/get-artifact", get(get_version_artifact))
        .route("/version", get(version))
}

async fn version(State(app): State<Shared>) -> String {
    format!("trainyard {}", app.version)
}

/// JSON, as every answer but a file is.
fn json(bytes: Bytes) -> Response {
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "application/json")],
        bytes,
    )
        .into_response()
}

/// Who asks, as the guard has found out.
fn principal(request: &Request) -> Result<Principal, Failure> {
    request
        .extensions()
        .get::<Principal>()
        .cloned()
        .ok_or_else(Failure::ending)
}

async fn call_new(request: Request) -> Response {
    let path = request.uri().path();
    if *request.method() == Method::GET && after(path, &NEW_API) == Some("server-info") {
        let info = serde_json::json!({ "store_type": "SqlStore", "workspaces_enabled": false, "trace_archival_enabled": false });
        return json(Bytes::from(info.to_string()));
    }
    Failure::unknown(path).into_response()
}

async fn call(State(app): State<Shared>, request: Request) -> Response {
    answer(&app, request)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn answer(app: &Shared, request: Request) -> Result<Response, Failure> {
    let who = principal(&request)?;
    let (parts, body) = request.into_parts();
    let path = after(parts.uri.path(), &API).unwrap_or_default();
    let query = parts.uri.query();
    if path == "upload-artifact" && parts.method == Method::POST {
        let fields = Fields::of(&Method::GET, &parts.headers, query, &[])?;
        return artifacts::upload(app, &fields, body).await.map(json);
    }
    let bytes = axum::body::to_bytes(body, LARGEST_BODY).await.map_err(|_| {
        Failure::bad_request(format!(
            "The body could not be read, or is longer than {LARGEST_BODY} bytes."
        ))
    })?;
    let asked = Asked {
        app,
        who: &who,
        method: &parts.method,
        headers: &parts.headers,
        query,
        bytes: &bytes,
    };
    if let Some(rest) = path.strip_prefix("logged-models/") {
        return asked.of_logged_model(rest).await;
    }
    asked.of(path).await
}

/// A request whose body is here.
struct Asked<'a> {
    app: &'a Shared,
    who: &'a Principal,
    method: &'a Method,
    headers: &'a HeaderMap,
    query: Option<&'a str>,
    bytes: &'a [u8],
}

impl Asked<'_> {
    fn fields(&self) -> Result<Fields, Failure> {
        Fields::of(self.method, self.headers, self.query, self.bytes)
    }

    async fn of(&self, path: &str) -> Result<Response, Failure> {
        let app = self.app;
        // The two that come in thousands are read without a detour.
        if *self.method == Method::POST {
            let is_json = crate::extract::media_type(self.headers) == "application/json";
            match path {
                "runs/log-metric" if is_json => {
                    return logging::metric(app, self.bytes, &|| self.fields())
                        .await
                        .map(json);
                }
                "runs/log-batch" if is_json => {
                    return logging::batch(app, self.bytes, &|| self.fields()).await.map(json);
                }
                _ => {}
            }
        }
        let fields = &self.fields()?;
        let bytes = match (self.method.as_str(), path) {
            ("POST", "experiments/create") => experiments::create(app, fields).await,
            ("GET", "experiments/get") => experiments::get(app, fields).await,
            ("GET", "experiments/get-by-name") => experiments::get_by_name(app, fields).await,
            ("GET" | "POST", "experiments/search") => experiments::find(app, fields).await,
            ("POST", "experiments/delete") => experiments::delete(app, fields, true).await,
            ("POST", "experiments/restore") => experiments::delete(app, fields, false).await,
            ("POST", "experiments/update") => experiments::update(app, fields).await,
            ("POST", "experiments/set-experiment-tag") => experiments::set_tag(app, fields).await,
            ("POST", "experiments/delete-experiment-tag") => experiments::delete_tag(app, fields).await,
            ("POST", "experiments/search-datasets") => experiments::datasets(app, fields).await,
            ("POST", "runs/create") => runs::create(app, self.who, fields).await,
            ("GET", "runs/get") => runs::get(app, fields).await,
            ("POST", "runs/update") => runs::update(app, fields).await,
            ("POST", "runs/delete") => runs::delete(app, fields, true).await,
            ("POST", "runs/restore") => runs::delete(app, fields, false).await,
            ("POST", "runs/search") => runs::find(app, fields).await,
            ("POST", "runs/log-parameter") => logging::parameter(app, fields).await,
            ("POST", "runs/set-tag") => logging::set_tag(app, fields).await,
            ("POST", "runs/delete-tag") => logging::delete_tag(app, fields).await,
            ("POST", "runs/log-model") => logging::model(app, fields).await,
            ("POST", "runs/log-inputs") => logging::inputs(app, fields).await,
            ("POST", "runs/outputs") => logging::outputs(app, fields).await,
            ("GET", "metrics/get-history") => history::get(app, fields).await,
            ("GET", "metrics/get-history-bulk") => history::bulk(app, fields).await,
            ("GET", "metrics/get-history-bulk-interval") => history::bulk_interval(app, fields).await,
            ("GET", "artifacts/list") => artifacts::list_of_run(app, fields).await,
            ("POST", "logged-models") => logged_models::create(app, fields).await,
            ("POST", "registered-models/create") => models::create(app, fields).await,
            ("POST", "registered-models/rename") => models::rename(app, fields).await,
            ("PATCH", "registered-models/update") => models::update(app, fields).await,
            ("DELETE", "registered-models/delete") => models::delete(app, fields).await,
            ("GET", "registered-models/get") => models::get(app, fields).await,
            ("GET", "registered-models/search") => models::find(app, fields).await,
            ("GET" | "POST", "registered-models/get-latest-versions") => models::newest(app, fields).await,
            ("POST", "registered-models/set-tag") => models::set_tag(app, fields).await,
            ("DELETE", "registered-models/delete-tag") => models::delete_tag(app, fields).await,
            ("POST", "registered-models/alias") => models::set_alias(app, fields).await,
            ("DELETE", "registered-models/alias") => models::delete_alias(app, fields).await,
            ("GET", "registered-models/alias") => models::by_alias(app, fields).await,
            ("POST", "model-versions/create") => versions::create(app, self.who, fields).await,
            ("GET", "model-versions/get") => versions::get(app, fields).await,
            ("PATCH", "model-versions/update") => versions::update(app, fields).await,
            ("POST", "model-versions/transition-stage") => versions::move_to_stage(app, fields).await,
            ("DELETE", "model-versions/delete") => versions::delete(app, fields).await,
            ("GET", "model-versions/search") => versions::find(app, fields).await,
            ("GET", "model-versions/get-download-uri") => versions::download_uri(app, fields).await,
            ("POST", "model-versions/set-tag") => versions::set_tag(app, fields).await,
            ("DELETE", "model-versions/delete-tag") => versions::delete_tag(app, fields).await,
            _ => Err(Failure::unknown(path)),
        };
        bytes.map(json)
    }

    /// Those whose path names the model.
    async fn of_logged_model(&self, rest: &str) -> Result<Response, Failure> {
        let app = self.app;
        let parts: Vec<String> = rest
            .split('/')
            .map(|part| super::fields::decoded(&part.replace('+', "%2B")))
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let bytes = match (self.method.as_str(), parts.as_slice()) {
            ("POST", ["search"]) => logged_models::find(app, &self.fields()?).await,
            ("GET", [id]) => logged_models::get(app, id).await,
            ("PATCH", [id]) => logged_models::finish(app, id, &self.fields()?).await,
            ("DELETE", [id]) => logged_models::delete(app, id).await,
            ("PATCH", [id, "tags"]) => logged_models::set_tags(app, id, &self.fields()?).await,
            ("DELETE", [id, "tags", key]) => logged_models::delete_tag(app, id, key).await,
            ("POST", [id, "params"]) => logged_models::log_params(app, id, &self.fields()?).await,
            ("GET", [id, "artifacts", "directories"]) => {
                artifacts::list_of_model(app, id, &self.fields()?).await
            }
            ("GET", [id, "artifacts", "files"]) => {
                return artifacts::get_of_model(app, id, &self.fields()?, self.headers).await;
            }
            _ => Err(Failure::unknown(rest)),
        };
        bytes.map(json)
    }
}

async fn proxy(State(app): State<Shared>, request: Request) -> Response {
    proxied(&app, request)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn proxied(app: &Shared, request: Request) -> Result<Response, Failure> {
    let (parts, body): (_, Body) = request.into_parts();
    let path = after(parts.uri.path(), &PROXY).unwrap_or_default();
    if path.trim_end_matches('/') == "artifacts" && parts.method == Method::GET {
        let fields = Fields::of(&Method::GET, &parts.headers, parts.uri.query(), &[])?;
        return artifacts::list_folder(app, &fields).await.map(json);
    }
    if path.starts_with("mpu/") {
        return Err(Failure::not_implemented(
            "Uploads in parts are not supported; files stream in one request, however large.",
        ));
    }
    if path.starts_with("presigned/") {
        return Err(Failure::not_implemented("Presigned addresses are not supported."));
    }
    let Some(raw) = path.strip_prefix("artifacts/") else {
        return Err(Failure::unknown(path));
    };
    let key = artifacts::key(raw)?;
    match parts.method {
        Method::PUT => artifacts::put(app, &key, body).await.map(json),
        Method::GET => artifacts::get(app, &key, &parts.headers).await,
        Method::DELETE => artifacts::delete(app, &key).await.map(json),
        _ => Err(Failure::unknown(path)),
    }
}

async fn get_artifact(State(app): State<Shared>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let done = async {
        let fields = Fields::of(&Method::GET, &parts.headers, parts.uri.query(), &[])?;
        artifacts::get_of_run(&app, &fields, &parts.headers).await
    };
    done.await
        .unwrap_or_else(|failure: Failure| failure.into_response())
}

async fn get_version_artifact(State(app): State<Shared>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let done = async {
        let fields = Fields::of(&Method::GET, &parts.headers, parts.uri.query(), &[])?;
        artifacts::get_of_version(&app, &fields, &parts.headers).await
    };
    done.await
        .unwrap_or_else(|failure: Failure| failure.into_response())
}
