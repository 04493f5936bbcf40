//! Errors as MLflow's clients read them.

use crate::problem::Problem;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use trainyard_domain::tracking::Refusal;
use trainyard_store::tracking::TrackingError;

/// Why a request was not carried out.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Document<'a> {
    error_code: &'a str,
    message: &'a str,
}

impl Failure {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Refusal::invalid(message).into()
    }

    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Refusal::missing(message).into()
    }

    /// A request whose form is wrong, not its meaning.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "BAD_REQUEST",
            message: message.into(),
        }
    }

    pub(crate) fn unknown(path: &str) -> Self {
        let shown: String = path.chars().take(200).collect();
        Self {
            status: StatusCode::NOT_FOUND,
            code: "ENDPOINT_NOT_FOUND",
            message: format!("There is nothing at {shown} here; docs/mlflow.md lists what there is."),
        }
    }

    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            code: "NOT_IMPLEMENTED",
            message: message.into(),
        }
    }

    pub(crate) fn internal(doing: &'static str, error: &dyn std::error::Error) -> Self {
        Problem::internal(doing, error).into()
    }

    pub(crate) fn ending() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "TEMPORARILY_UNAVAILABLE",
            message: "The server is about to end.".to_owned(),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refused: Refusal) -> Self {
        Self {
            status: StatusCode::from_u16(refused.code.status()).unwrap_or(StatusCode::BAD_REQUEST),
            code: refused.code.as_str(),
            message: refused.message,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let status = problem.status();
        let code = match status.as_u16() {
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "RESOURCE_DOES_NOT_EXIST",
            409 => "RESOURCE_CONFLICT",
            413 | 415 | 421 => "BAD_REQUEST",
            429 => "REQUEST_LIMIT_EXCEEDED",
            503 => "TEMPORARILY_UNAVAILABLE",
            507 => "RESOURCE_EXHAUSTED",
            400..500 => "INVALID_PARAMETER_VALUE",
            _ => "INTERNAL_ERROR",
        };
        Self {
            status,
            code,
            message: problem.in_words(),
        }
    }
}

impl From<TrackingError> for Failure {
    fn from(error: TrackingError) -> Self {
        match error {
            TrackingError::Refused(refused) => refused.into(),
            TrackingError::Store(error) => Problem::from(error).into(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let document = Document {
            error_code: self.code,
            message: &self.message,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        let extra = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer realm=\"trainyard\"")),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            _ => None,
        };
        if let Some((name, value)) = extra {
            response
                .headers_mut()
                .insert(name, axum::http::HeaderValue::from_static(value));
        }
        response
    }
}
