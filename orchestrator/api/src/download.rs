//! Results of steps as files. A path is never made from what a request says: the run names the
//! artifact, and its hash names the file.

use crate::app::Shared;
use crate::extract::Named;
use crate::guard::is_known;
use crate::problem::Problem;
use crate::runs::{find, load};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::io::SeekFrom;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use trainyard_contract::{ArtifactKind, ArtifactRef, OutputValue};
use trainyard_domain::run::StepState;

const CHUNK: usize = 64 << 10;

/// A report may show itself and do nothing else: no scripts, no forms, no requests, and no part in
/// what the server's own pages may.
const REPORT_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'";

/// A result: the bytes of an artifact, or a value as JSON.
#[utoipa::path(
    get, path = "/api/v1/runs/{run}/steps/{step}/outputs/{output}", tag = "runs", operation_id = "read_output",
    params(
        ("run" = String, Path, description = "Run id, its last 8 characters, or `latest`"),
        ("step" = String, Path, description = "Step or step instance"),
        ("output" = String, Path, description = "Name of the output"),
    ),
    responses(
        (status = 200, description = "The result, of the media type it has.", body = String, content_type = "*/*"),
        (status = 206, description = "The part asked for.", body = String, content_type = "*/*"),
        (status = 304, description = "As known."),
        Problem
    )
)]
pub(crate) async fn output(
    State(app): State<Shared>,
    Named((run, step, output)): Named<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (wanted_step, wanted) = (step, output);
    let (name, value) = app
        .read(move |store| {
            let id = find(store, &run)?;
            let run = load(store, &id)?;
            let missing = || {
                Problem::not_found(
                    "output-not-found",
                    format!(
                        "run {id} has no result `{}` of `{}`",
                        crate::problem::cut(&wanted),
                        crate::problem::cut(&wanted_step)
                    ),
                )
            };
            let ix = run.find(&wanted_step).ok_or_else(missing)?;
            let (StepState::Succeeded { outputs: made, .. } | StepState::Failed { kept: made, .. }) =
                run.step(ix)
            else {
                return Err(missing());
            };
            let value = made.get(&wanted).cloned().ok_or_else(missing)?;
            Ok((format!("{}.{wanted}", run.name(ix)), value))
        })
        .await?;
    match value {
        OutputValue::Value(value) => Ok(Json(value).into_response()),
        OutputValue::Artifact(artifact) => send_artifact(&app, &artifact, &name, &headers).await,
    }
}

async fn send_artifact(
    app: &Shared,
    artifact: &ArtifactRef,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let tag = format!("\"{}\"", artifact.hash);
    let is_report = artifact.kind == ArtifactKind::Report && artifact.media_type == "text/html";
    let mut response = if is_known(headers.get(header::IF_NONE_MATCH), &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let answer = FileAnswer {
            path: app.home.objects().path(&artifact.hash),
            media_type: media_type(artifact),
            missing_is_empty: false,
        };
        send(answer, headers).await?
    };
    let place = if is_report { "inline" } else { "attachment" };
    let disposition = format!("{place}; filename=\"{}\"", file_name(name, artifact));
    let own = response.headers_mut();
    for (header, text) in [
        (header::CONTENT_DISPOSITION, disposition.as_str()),
        (header::ETAG, tag.as_str()),
        // The content of a hash never changes.
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
    ] {
        if let Ok(value) = HeaderValue::from_str(text) {
            own.insert(header, value);
        }
    }
    if is_report {
        own.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(REPORT_POLICY),
        );
    }
    Ok(response)
}

/// What a browser would carry out goes out only where its policy stands beside it.
fn media_type(artifact: &ArtifactRef) -> String {
    let kind = artifact.media_type.as_str();
    let is_active = ["html", "svg", "xml", "javascript", "ecmascript"]
        .iter()
        .any(|word| kind.contains(word));
    if artifact.kind == ArtifactKind::Report && kind == "text/html" {
        "text/html; charset=utf-8".to_owned()
    } else if is_active || HeaderValue::from_str(kind).is_err() || !kind.contains('/') {
        "application/octet-stream".to_owned()
    } else {
        kind.to_owned()
    }
}

/// A plain name with the extension its content has.
fn file_name(name: &str, artifact: &ArtifactRef) -> String {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(120)
        .collect();
    let extension = match (artifact.kind, artifact.media_type.as_str()) {
        (ArtifactKind::Table, _) => ".parquet",
        (_, "text/html") => ".html",
        (_, "application/json") => ".json",
        (_, "text/csv") => ".csv",
        (_, "text/plain") => ".txt",
        _ => "",
    };
    format!("{}{extension}", plain.trim_start_matches('.'))
}

/// A file to be sent.
pub(crate) struct FileAnswer {
    pub(crate) path: PathBuf,
    pub(crate) media_type: String,
    pub(crate) missing_is_empty: bool,
}

/// The file, or the part of it that `Range` asks for.
pub(crate) async fn send(answer: FileAnswer, headers: &HeaderMap) -> Result<Response, Problem> {
    let kind = HeaderValue::from_str(&answer.media_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let opened = tokio::fs::File::open(&answer.path).await;
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && answer.missing_is_empty => {
            return Ok(([(header::CONTENT_TYPE, kind)], "").into_response());
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Problem::new(
                StatusCode::GONE,
                "content-gone",
                "the content is not kept any more",
            ));
        }
        Err(error) => return Err(Problem::internal("read a file", &error)),
    };
    let failed = |error: std::io::Error| Problem::internal("read a file", &error);
    let size = file.metadata().await.map_err(failed)?.len();
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let (status, from, to) = match range.map(|text| part(text, size)) {
        None | Some(Part::Whole) => (StatusCode::OK, 0, size),
        Some(Part::Of(from, to)) => (StatusCode::PARTIAL_CONTENT, from, to),
        Some(Part::None) => {
            let whole = HeaderValue::from_str(&format!("bytes */{size}"));
            let mut response = Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range-outside",
                format!("there are {size} bytes"),
            )
            .into_response();
            if let Ok(whole) = whole {
                response.headers_mut().insert(header::CONTENT_RANGE, whole);
            }
            return Ok(response);
        }
    };
    file.seek(SeekFrom::Start(from)).await.map_err(failed)?;
    let body = Body::from_stream(stream::unfold((file, to - from), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = vec![0; most];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some((Ok(Bytes::from(chunk)), (file, left - read as u64)))
            }
            Err(error) => Some((Err(error), (file, 0))),
        }
    }));
    let mut response = (status, body).into_response();
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, kind);
    own.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    own.insert(header::CONTENT_LENGTH, HeaderValue::from(to - from));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(of) = HeaderValue::from_str(&format!("bytes {from}-{}/{size}", to - 1))
    {
        own.insert(header::CONTENT_RANGE, of);
    }
    Ok(response)
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// From the first byte to the one after the last.
    Of(u64, u64),
    None,
}

/// What a `Range` header asks for; several ranges, and what is not understood, mean the whole.
fn part(text: &str, size: u64) -> Part {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .filter(|rest| !rest.contains(','))
        .and_then(|rest| rest.split_once('-'))
    else {
        return Part::Whole;
    };
    let (from, to) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(from), Ok(last)) if from <= last => (from, last.saturating_add(1)),
        (Ok(from), Err(_)) if last.trim().is_empty() => (from, size),
        (Err(_), Ok(count)) if first.trim().is_empty() => (size.saturating_sub(count), size),
        _ => return Part::Whole,
    };
    if from >= size || from >= to {
        Part::None
    } else {
        Part::Of(from, to.min(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_standard_says() {
        for (text, wanted) in [
            ("bytes=0-4", Part::Of(0, 5)),
            ("bytes=5-", Part::Of(5, 10)),
            ("bytes=-3", Part::Of(7, 10)),
            ("bytes=-30", Part::Of(0, 10)),
            ("bytes=8-99", Part::Of(8, 10)),
            ("bytes=10-", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=4-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=0-18446744073709551615", Part::Of(0, 10)),
            ("lines=0-1", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(text, 10), wanted, "{text}");
        }
        assert_eq!(part("bytes=0-", 0), Part::None);
    }
}
