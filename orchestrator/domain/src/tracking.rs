//! Rules of experiment tracking, in the words and with the limits of MLflow's clients: what a name or a
//! value may be, what a search asks for, how results are ordered and paged.
//!
//! Who stores anything comes here first, so that nothing gets into the store that a client could not have
//! sent. Sentences of [`Refusal`] are those that clients look for.

pub mod filter;
pub mod limits;
pub mod metric;
pub mod name;
pub mod order;
pub mod page;
pub mod status;

pub use filter::{Attribute, Comparator, Comparison, Condition, Dialect, Filter, Subject, TextTest};
pub use metric::MetricValue;
pub use order::Order;
pub use status::RunState;

/// Why a request is not carried out. The sentence is for clients and their users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: RefusalCode,
    pub message: String,
}

/// Its kind; the name is the one of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalCode {
    InvalidParameterValue,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    NotImplemented,
}

impl RefusalCode {
    /// `INVALID_PARAMETER_VALUE` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidParameterValue => "INVALID_PARAMETER_VALUE",
            Self::ResourceAlreadyExists => "RESOURCE_ALREADY_EXISTS",
            Self::ResourceDoesNotExist => "RESOURCE_DOES_NOT_EXIST",
            Self::NotImplemented => "NOT_IMPLEMENTED",
        }
    }

    /// Status of the HTTP answer.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidParameterValue | Self::ResourceAlreadyExists => 400,
            Self::ResourceDoesNotExist => 404,
            Self::NotImplemented => 501,
        }
    }
}

impl Refusal {
    /// The request says something that cannot be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: RefusalCode::InvalidParameterValue,
            message: message.into(),
        }
    }

    /// What it names is not there.
    pub fn missing(message: impl Into<String>) -> Self {
        Self {
            code: RefusalCode::ResourceDoesNotExist,
            message: message.into(),
        }
    }

    /// What it would make is there already.
    pub fn exists(message: impl Into<String>) -> Self {
        Self {
            code: RefusalCode::ResourceAlreadyExists,
            message: message.into(),
        }
    }

    /// A value that does not fit its parameter, quoted as JSON, and why.
    pub fn value(path: &str, value: &str, why: &str) -> Self {
        let shown: String = value.chars().take(SHOWN).collect();
        let quoted = serde_json::Value::from(shown).to_string();
        if why.is_empty() {
            return Self::invalid(format!("Invalid value {quoted} for parameter '{path}' supplied."));
        }
        Self::invalid(format!(
            "Invalid value {quoted} for parameter '{path}' supplied: {why}"
        ))
    }
}

/// Characters of a wrong value that are repeated to who sent it.
const SHOWN: usize = 1_000;
