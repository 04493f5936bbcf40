//! Errors as RFC 9457 problem documents: what is wrong, where, and what would fix it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use trainyard_contract::task::chain;
use trainyard_engine::EngineError;
use trainyard_store::StoreError;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// Why a request was not carried out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemDocument {
    /// Always `about:blank`; `code` is what programs read.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    status: u16,
    /// Stable, for programs: `run-not-found`.
    code: &'static str,
    /// One sentence about this occurrence.
    detail: String,
    /// What would fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// Which parts of the request are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// Faults of pipeline files, as `trainyard check --format json` prints them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<Value>,
}

/// One wrong part of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// Where: `params.seed`.
    pub(crate) at: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
}

/// The one error of all handlers. Faults of users go back whole; causes inside the server are logged
/// and kept.
#[derive(Debug)]
pub(crate) struct Problem(Box<ProblemDocument>);

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemDocument {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            help: None,
            errors: Vec::new(),
            diagnostics: Vec::new(),
        }))
    }

    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// Well formed, and still not possible.
    pub(crate) fn refused(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// A fault of the server: logged with its causes, told without them.
    pub(crate) fn internal(doing: &'static str, error: &dyn std::error::Error) -> Self {
        tracing::error!(doing, causes = %chain(error).join(": "), "request_failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            format!("could not {doing}; the server's log says why"),
        )
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    pub(crate) fn errors(mut self, errors: Vec<Fault>) -> Self {
        self.0.errors = errors;
        self
    }

    pub(crate) fn diagnostics(mut self, diagnostics: Vec<Value>) -> Self {
        self.0.diagnostics = diagnostics;
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether it is the asker's, not the server's.
    pub(crate) fn is_refusal(&self) -> bool {
        (400..500).contains(&self.0.status)
    }

    #[cfg(test)]
    pub(crate) fn document(&self) -> Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }

    /// All of it in a sentence.
    pub(crate) fn in_words(&self) -> String {
        let mut words = self.0.detail.clone();
        for fault in &self.0.errors {
            words.push_str(&format!("; {}: {}", fault.at, fault.message));
        }
        words
    }

    /// What would fix it.
    pub(crate) fn help_text(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"trainyard\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("ProblemDocument")))
            .build();
        let response = ResponseBuilder::new()
            .description("Why it was not done.")
            .content("application/problem+json", content)
            .build();
        [("default".to_owned(), response.into())].into()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NoRun(text) => Self::not_found("run-not-found", format!("there is no run `{text}`")),
            StoreError::Removed { run, .. } => Self::new(
                StatusCode::GONE,
                "run-removed",
                format!("run `{run}` was removed by retention"),
            ),
            StoreError::Ambiguous { .. } => Self::conflict("run-ambiguous", error.to_string()),
            StoreError::NoModel(name) => {
                Self::not_found("model-not-found", format!("there is no model `{name}`"))
            }
            StoreError::NoModelVersion { .. } => {
                Self::not_found("model-version-not-found", error.to_string())
            }
            StoreError::InvalidAlias(_) => Self::refused("alias-invalid", error.to_string()),
            StoreError::Full { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", error.to_string())
            }
            StoreError::Busy { .. } | StoreError::Closed { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-busy", error.to_string())
            }
            StoreError::NewerDefinition { .. } => Self::conflict("run-of-newer-version", error.to_string()),
            // It may be there again in a moment, and whoever asks by a key may ask again.
            StoreError::Unreachable { .. } | StoreError::Uncertain(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store-away", error.to_string())
            }
            _ => Self::internal("use the store", &error),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            other => Self::internal("look at earlier runs", &other),
        }
    }
}

/// `ContentHash`, `PipelineName` and the like from a path.
pub(crate) fn parse<T: std::str::FromStr>(text: &str, code: &'static str, what: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found(code, format!("there is no {what} `{}`", cut(text))))
}

/// A text of a request that goes back into a message.
pub(crate) fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_away_is_no_fault_of_the_server_and_may_be_asked_again() {
        let away = StoreError::Unreachable {
            doing: "queue a run",
            source: "connection refused".into(),
        };
        assert_eq!(Problem::from(away).0.status, 503);
    }
}
