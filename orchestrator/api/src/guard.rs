//! What stands before every handler: who may ask, from where, how long, and what every answer carries.

use crate::app::Shared;
use crate::caller::TracedRequest;
use crate::extract::media_type;
use crate::mlflow;
use crate::problem::Problem;
use crate::random;
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::{Duration, Instant};

/// An answer takes no longer to begin.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);
/// Nor does one that is given once a file has been taken in.
const LONGEST_UPLOAD: Duration = Duration::from_secs(6 * 3600);
/// Documents up to this size carry a tag by which they need not be sent again.
const LARGEST_TAGGED: usize = 4 << 20;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Paths that answer without a token: they say nothing about what the server holds, or ask for a
/// proof of their own.
fn is_open(path: &str) -> bool {
    matches!(path, "/" | "/healthz" | "/readyz" | "/health") || path.starts_with("/hooks/")
}

/// Outermost: a name for the request, the headers of every answer, what is counted and logged.
pub(crate) async fn envelope(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    if let Ok(value) = HeaderValue::from_str(&id) {
        request.headers_mut().insert(REQUEST_ID, value);
    }
    let traced = TracedRequest::of(&app, request.headers(), request.uri().path());
    if let Some(traced) = &traced {
        request.extensions_mut().insert(traced.caller);
    }
    // An upload takes as long as it is large.
    let longest = if mlflow::takes_time(request.uri().path()) {
        LONGEST_UPLOAD
    } else {
        LONGEST_ANSWER
    };
    let mut response = match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "too-slow",
            "the answer took too long; ask for less",
        )
        .into_response(),
    };
    let took = began.elapsed();
    let status = response.status();
    app.meter
        .answered(method_word(&method), &route, status.as_u16(), took);
    if let Some(traced) = traced {
        traced.answered(&app, method_word(&method), &route, status.as_u16(), took);
    }
    tracing::debug!(
        request = %id, %method, route, status = status.as_u16(), micros = took.as_micros() as u64, "request_answered"
    );
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        // What a handler says itself is meant so.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Who may ask, from where, and with what.
pub(crate) async fn guard(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    match judge(&app, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(problem) if mlflow::is_mlflow(request.uri().path()) => {
            mlflow::Failure::from(problem).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn judge(app: &Shared, request: &mut Request) -> Result<(), Problem> {
    let is_hook = request.uri().path().starts_with("/hooks/");
    let is_protected = !app.tokens().await?.is_empty();
    // With tokens a bent name is of no use: a browser would not send them along.
    if !is_protected {
        check_host(app, request)?;
    }
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !is_safe && !is_hook {
        check_origin(request.headers())?;
        // Browsers ask before they send any other method to another site, and get no leave.
        if *request.method() == Method::POST && !mlflow::takes_other_bodies(request.uri().path()) {
            check_json(request.headers())?;
        }
    }
    if !is_open(request.uri().path()) {
        let principal = app.principal(request.headers()).await?;
        let path = request.uri().path();
        let is_question = crate::features::only_looks(path) || mlflow::is_reading(request.method(), path);
        principal.may(if is_question {
            &Method::GET
        } else {
            request.method()
        })?;
        request.extensions_mut().insert(principal);
    }
    Ok(())
}

fn check_host(app: &Shared, request: &Request) -> Result<(), Problem> {
    let given = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .or_else(|| request.uri().authority().map(axum::http::uri::Authority::as_str))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let name = without_port(&given);
    if app.hosts.iter().any(|host| host == name) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "host-unknown",
        format!("this server is not called `{}`", crate::problem::cut(name)),
    )
    .help("start it with `--host NAME` if it is"))
}

fn without_port(host: &str) -> &str {
    match host.rfind(']') {
        Some(end) => host.get(..=end).unwrap_or(host),
        None => host.split(':').next().unwrap_or(host),
    }
}

/// A browser sends JSON to another site only if that site agrees, and this one never does.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).map(HeaderValue::as_bytes);
    let is_empty = matches!(length, None | Some(b"0")) && !headers.contains_key(header::TRANSFER_ENCODING);
    let has_type = headers.contains_key(header::CONTENT_TYPE);
    if media_type(headers) == "application/json" || (is_empty && !has_type) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "content-type-not-json",
        "requests that change something say `Content-Type: application/json`",
    )
    .help("that also keeps pages of other sites from sending them"))
}

/// A page of another site may not change anything, whatever the browser lets it send.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = || {
        Problem::new(
            StatusCode::FORBIDDEN,
            "origin-foreign",
            "a page of another site may not change anything here",
        )
    };
    if matches!(
        text(HeaderName::from_static("sec-fetch-site")),
        Some("cross-site" | "same-site")
    ) {
        return Err(foreign());
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => Ok(()),
        (Some(origin), Some(host))
            if origin
                .split_once("://")
                .is_some_and(|(_, of)| of.eq_ignore_ascii_case(host)) =>
        {
            Ok(())
        }
        _ => Err(foreign()),
    }
}

/// Innermost: a document that the client has already is not sent again.
pub(crate) async fn tag(request: Request, next: Next) -> Response {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    let is_json = media_type(response.headers()) == "application/json";
    let size = response.body().size_hint().exact();
    if !is_get
        || response.status() != StatusCode::OK
        || !is_json
        || size.is_none_or(|size| size > LARGEST_TAGGED as u64)
        || response.headers().contains_key(header::ETAG)
    {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, LARGEST_TAGGED).await else {
        return Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the answer was lost",
        )
        .into_response();
    };
    let tag = format!("\"{}\"", random::hex(&blake3::hash(&bytes).as_bytes()[..16]));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
        parts.headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        );
    }
    if is_known(known.as_ref(), &tag) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether an `If-None-Match` names the tag.
pub(crate) fn is_known(known: Option<&HeaderValue>, tag: &str) -> bool {
    let known = known.and_then(|value| value.to_str().ok()).unwrap_or_default();
    known
        .split(',')
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one == tag)
}

/// As the client calls it, if that is a plain word; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|text| (1..=64).contains(&text.len()))
        .filter(|text| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        });
    match given {
        Some(given) => given.to_owned(),
        None => random::bytes::<8>().map_or_else(|_| "none".to_owned(), |bytes| random::hex(&bytes)),
    }
}

/// A label has few values, whatever clients send.
fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_no_part_of_a_hosts_name() {
        for (host, name) in [
            ("localhost:8080", "localhost"),
            ("localhost", "localhost"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn a_foreign_origin_is_refused_and_none_is_not() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect::<HeaderMap>()
        };
        let host = ("host", "localhost:8080");
        for good in [
            headers(&[host]),
            headers(&[host, ("origin", "http://localhost:8080")]),
            headers(&[host, ("sec-fetch-site", "same-origin")]),
        ] {
            assert!(check_origin(&good).is_ok(), "{good:?}");
        }
        for bad in [
            headers(&[host, ("origin", "http://evil.example")]),
            headers(&[host, ("origin", "null")]),
            headers(&[host, ("origin", "http://localhost:9090")]),
            headers(&[host, ("sec-fetch-site", "cross-site")]),
        ] {
            assert!(check_origin(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_known_tag_is_found_among_several() {
        let known = HeaderValue::from_static("\"a\", W/\"b\"");
        assert!(is_known(Some(&known), "\"b\""));
        assert!(!is_known(Some(&known), "\"c\""));
        assert!(is_known(Some(&HeaderValue::from_static("*")), "\"c\""));
        assert!(!is_known(None, "\"c\""));
    }
}
