//! Artifacts of runs and models. What a client calls a path is a key in the store, never a path of this
//! machine: content lies under its hash, and a key that could be read as a way out is refused besides.

use super::failure::Failure;
use super::fields::{Fields, decoded};
use super::shapes::nothing;
use crate::app::Shared;
use crate::download::{FileAnswer, send};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::StreamExt;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use trainyard_contract::{ContentHash, Objects};
use trainyard_domain::tracking::{Refusal, name};
use trainyard_store::tracking::{TrackedFile, Tracking, TrackingError};

/// A client that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes that a page may upload at once.
const LARGEST_UPLOAD: usize = 10 << 20;
/// What begins an address of artifacts that are here.
const OURS: &str = "mlflow-artifacts:/";
/// Versions that steps have registered; what is here never changes.
const REGISTRY: &str = "registry/";

/// A key out of a request's path, decoded once.
pub(super) fn key(raw: &str) -> Result<String, Failure> {
    let text = decoded(&raw.replace('+', "%2B"));
    Ok(name::artifact_path(&text)?.to_owned())
}

/// Takes a file as it comes, never more of it in memory than a piece.
pub(super) async fn put(app: &Shared, key: &str, body: Body) -> Result<Bytes, Failure> {
    if key.starts_with(REGISTRY) {
        return Err(Failure::invalid(
            "Files of registered versions cannot be changed.",
        ));
    }
    let objects = app.home.objects();
    let staged = objects
        .staging_path()
        .map_err(|error| Failure::internal("keep a file", &error))?;
    let kept = match take(&staged, body).await {
        Ok(()) => adopt(app, objects, staged).await,
        Err(failure) => {
            // Whatever is left of it is nobody's.
            let _ = tokio::fs::remove_file(&staged).await;
            Err(failure)
        }
    };
    let (content, size) = kept?;
    let key = key.to_owned();
    let at = (app.clock)();
    app.track(move |tracking| {
        tracking.put_file(&key, &content, size, at)?;
        Ok(nothing())
    })
    .await
}

async fn adopt(app: &Shared, objects: Objects, staged: PathBuf) -> Result<(ContentHash, u64), Failure> {
    let adopted = app
        .blocking(move || {
            objects
                .adopt(&staged)
                .map_err(|error| crate::problem::Problem::internal("keep a file", &error))
        })
        .await;
    Ok(adopted?)
}

async fn take(staged: &std::path::Path, body: Body) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::internal("keep a file", &error);
    let mut file = tokio::fs::File::create(staged).await.map_err(failed)?;
    let mut pieces = body.into_data_stream();
    loop {
        let piece = tokio::time::timeout(SILENCE, pieces.next())
            .await
            .map_err(|_| Failure::bad_request("The upload stopped in the middle."))?;
        match piece {
            None => break,
            Some(Ok(bytes)) => file.write_all(&bytes).await.map_err(failed)?,
            Some(Err(_)) => return Err(Failure::bad_request("The upload broke off.")),
        }
    }
    file.flush().await.map_err(failed)
}

/// A file.
pub(super) async fn get(app: &Shared, key: &str, headers: &HeaderMap) -> Result<Response, Failure> {
    let wanted = key.to_owned();
    let found = app.tracked(move |tracking| tracking.file(&wanted)).await?;
    let Some((content, _)) = found else {
        return Err(Failure::missing(format!("No such artifact: '{key}'")));
    };
    let answer = FileAnswer {
        path: app.home.objects().path(&content),
        media_type: media_type(key).to_owned(),
        missing_is_empty: false,
    };
    let mut response = send(answer, headers).await?;
    let plain: String = key
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._- ".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Nothing that a browser would carry out goes out as such.
fn media_type(key: &str) -> &'static str {
    match key.rsplit('.').next().unwrap_or_default() {
        "json" => "application/json",
        "txt" | "log" | "md" | "yaml" | "yml" | "py" | "MLmodel" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "parquet" => "application/vnd.apache.parquet",
        _ => "application/octet-stream",
    }
}

pub(super) async fn delete(app: &Shared, key: &str) -> Result<Bytes, Failure> {
    if key.starts_with(REGISTRY) || key == REGISTRY.trim_end_matches('/') {
        return Err(Failure::invalid(
            "Files of registered versions cannot be changed.",
        ));
    }
    let key = key.to_owned();
    app.track(move |tracking| {
        tracking.drop_files(&key)?;
        Ok(nothing())
    })
    .await
}

#[derive(Serialize)]
struct FileShape {
    path: String,
    is_dir: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
}

#[derive(Serialize)]
struct Listing {
    #[serde(skip_serializing_if = "Option::is_none")]
    root_uri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileShape>,
}

/// What is in a folder; each under its name after so many letters of its path.
fn shapes(files: Vec<TrackedFile>, cut: usize) -> Vec<FileShape> {
    files
        .into_iter()
        .map(|file| FileShape {
            path: file.path.get(cut..).unwrap_or_default().to_owned(),
            is_dir: file.size.is_none(),
            file_size: file.size,
        })
        .collect()
}

/// What is in a folder of the proxy, by names relative to it.
pub(super) async fn list_folder(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let folder = match fields.text("path")?.unwrap_or_default() {
        "" => String::new(),
        text => name::artifact_path(text.trim_end_matches('/'))?.to_owned(),
    };
    app.tracked(move |tracking| {
        let files = tracking.files_in(&folder)?;
        let cut = if folder.is_empty() { 0 } else { folder.len() + 1 };
        super::shapes::body(&Listing {
            root_uri: None,
            files: shapes(files, cut),
        })
    })
    .await
}

/// The key below an address whose artifacts are here.
fn below(location: &str, path: &str) -> Result<String, Refusal> {
    let root = location.strip_prefix(OURS).ok_or_else(|| Refusal {
        code: trainyard_domain::tracking::RefusalCode::NotImplemented,
        message: format!("Artifacts at '{location}' are not here; clients reach them by themselves."),
    })?;
    let root = root.trim_start_matches('/');
    if path.is_empty() {
        return Ok(root.to_owned());
    }
    let path = name::artifact_path(path)?;
    Ok(format!("{root}/{path}"))
}

fn listing(tracking: &Tracking<'_>, location: &str, path: &str) -> Result<Bytes, TrackingError> {
    let root = below(location, "")?;
    let folder = below(location, path)?;
    let files = tracking.files_in(&folder)?;
    super::shapes::body(&Listing {
        root_uri: Some(location.to_owned()),
        files: shapes(files, root.len() + 1),
    })
}

/// What is in a folder of a run's artifacts, by paths relative to them all.
pub(super) async fn list_of_run(app: &Shared, fields: &Fields) -> Result<Bytes, Failure> {
    let id = fields.run_id()?.to_owned();
    let path = fields
        .text("path")?
        .unwrap_or_default()
        .trim_end_matches('/')
        .to_owned();
    if !path.is_empty() {
        name::artifact_path(&path)?;
    }
    app.tracked(move |tracking| listing(tracking, &tracking.run(&id)?.location, &path))
        .await
}

/// The same of a logged model.
pub(super) async fn list_of_model(app: &Shared, id: &str, fields: &Fields) -> Result<Bytes, Failure> {
    let id = id.to_owned();
    let path = fields
        .text("artifact_directory_path")?
        .unwrap_or_default()
        .trim_end_matches('/')
        .to_owned();
    if !path.is_empty() {
        name::artifact_path(&path)?;
    }
    app.tracked(move |tracking| listing(tracking, &tracking.logged_model(&id)?.location, &path))
        .await
}

async fn get_below(
    app: &Shared,
    headers: &HeaderMap,
    find: impl Fn(&Tracking<'_>) -> Result<String, TrackingError> + Send + 'static,
    path: &str,
) -> Result<Response, Failure> {
    let path = name::artifact_path(path)?.to_owned();
    let key = app
        .tracked(move |tracking| Ok(below(&find(tracking)?, &path)?))
        .await?;
    get(app, &key, headers).await
}

/// A file of a run.
pub(super) async fn get_of_run(
    app: &Shared,
    fields: &Fields,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let id = fields.run_id()?.to_owned();
    let path = fields.required("path")?.to_owned();
    get_below(
        app,
        headers,
        move |tracking| Ok(tracking.run(&id)?.location),
        &path,
    )
    .await
}

/// A file of a logged model.
pub(super) async fn get_of_model(
    app: &Shared,
    id: &str,
    fields: &Fields,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let id = id.to_owned();
    let path = fields.required("artifact_file_path")?.to_owned();
    get_below(
        app,
        headers,
        move |tracking| Ok(tracking.logged_model(&id)?.location),
        &path,
    )
    .await
}

/// A file of a registered version.
pub(super) async fn get_of_version(
    app: &Shared,
    fields: &Fields,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let called = fields.required("name")?.to_owned();
    let version = fields.required("version")?.to_owned();
    let path = fields.required("path")?.to_owned();
    get_below(
        app,
        headers,
        move |tracking| Ok(tracking.version(&called, &version)?.source),
        &path,
    )
    .await
}

/// Takes a file of a run from a page.
pub(super) async fn upload(app: &Shared, fields: &Fields, body: Body) -> Result<Bytes, Failure> {
    let missing = |what: &str| Failure::invalid(format!("Request must specify {what}."));
    let id = fields
        .word("run_uuid")?
        .ok_or_else(|| missing("run_uuid"))?
        .to_owned();
    let path = fields.word("path")?.ok_or_else(|| missing("path"))?;
    let path = name::artifact_path(path)?.to_owned();
    let bytes = axum::body::to_bytes(body, LARGEST_UPLOAD).await.map_err(|_| {
        Failure::invalid("Artifact size is too large. Max size is 10MB; the artifact proxy takes any size.")
    })?;
    if bytes.is_empty() {
        return Err(missing("data"));
    }
    let key = app
        .tracked(move |tracking| Ok(below(&tracking.run(&id)?.location, &path)?))
        .await?;
    put(app, &key, Body::from(bytes)).await
}
