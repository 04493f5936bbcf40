//! Small pieces that many documents of the API share.

use serde::Serialize;
use trainyard_contract::Timestamp;
use utoipa::ToSchema;

/// An instant as RFC 3339 in UTC, to the microsecond.
pub(crate) fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| at.0.to_string(), |at| at.to_string())
}

/// That a request was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// What will happen, in a sentence.
    pub(crate) message: String,
}
