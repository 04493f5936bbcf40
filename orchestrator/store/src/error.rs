//! What can go wrong with the store, sorted by what the caller can do about it.

use crate::database::DatabaseError;
use crate::lease::Owner;
use crate::settled::Unsettled;
use rusqlite::ErrorCode;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use trainyard_contract::{RunId, Timestamp};

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no run `{0}`")]
    NoRun(String),
    /// It is gone for good; the time is when.
    #[error("run `{run}` was removed by retention")]
    Removed { run: RunId, at: Timestamp },
    #[error("`{text}` may mean {}", candidates.iter().map(|run| format!("`{run}`")).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        text: String,
        /// The newest ones, at most ten.
        candidates: Vec<RunId>,
    },
    #[error("run `{0}` exists already")]
    RunExists(RunId),
    #[error("no model `{0}`")]
    NoModel(String),
    #[error("model `{model}` has no version `{version}`")]
    NoModelVersion { model: String, version: String },
    #[error("`{0}` is not an alias: letters, digits, `_`, `-` and `.`, not a number, at most 63")]
    InvalidAlias(String),
    /// Somebody else has written to the run: load it and decide again.
    #[error("run `{run}` moved on: expected {expected} events, found {found}")]
    Conflict { run: RunId, expected: u64, found: u64 },
    /// Another engine owns the run now; whatever this one still wants to say is refused.
    #[error("run `{run}` was taken over: this engine held epoch {held}, the run is at {current}")]
    LeaseLost { run: RunId, held: u64, current: u64 },
    #[error("run `{run}` is owned by {}", owner(by))]
    LeaseHeld { run: RunId, by: Option<Box<Owner>> },
    #[error("{} was written by a newer version: it is at schema {found}, this version knows up to {known}", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "run `{run}` was written by a newer version: its definition is of format {found}, this version knows {known}"
    )]
    NewerDefinition { run: RunId, found: u32, known: u32 },
    #[error("{} is not a trainyard database: {why}", path.display())]
    NotADatabase { path: PathBuf, why: String },
    /// What is stored cannot be read. Nothing was changed.
    #[error("could not {doing}: the stored data is damaged: {what}")]
    Corrupt { doing: &'static str, what: String },
    /// The disk or quota is full. Nothing was written; the same call can succeed once there is space.
    #[error("could not {doing}: the disk is full")]
    Full { doing: &'static str },
    #[error("could not {doing}: the state is read-only")]
    ReadOnly { doing: &'static str },
    /// Another process held the database, or rows of it, for longer than five seconds; or two waited for
    /// each other. Nothing was written; the same call can succeed later.
    #[error("could not {doing}: another process keeps the database busy")]
    Busy { doing: &'static str },
    /// The disk reported an error. Whether the last turn was kept is known only after opening the
    /// store again; this connection is closed, because a flush that failed once may claim to have
    /// succeeded the second time.
    #[error("could not {doing}: the disk reported an error")]
    Disk {
        doing: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server does not answer, or the connection was lost before anything was committed. Nothing
    /// was written; the same call can succeed later.
    #[error("could not {doing}: the database cannot be reached")]
    Unreachable {
        doing: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection was lost while a commit was under way: [`crate::Store::settle`] finds out
    /// whether it was kept.
    #[error("the connection was lost during a commit, which may have been kept")]
    Uncertain(Box<Unsettled>),
    /// It is not repeated here, because it has a password.
    #[error("the URL of the database is not valid: {0}")]
    InvalidUrl(String),
    #[error("could not {doing}: the store was closed after a disk error and must be opened again")]
    Closed { doing: &'static str },
    /// An earlier call of the same turn failed, so nothing of it may be kept.
    #[error("the turn has failed and cannot be committed")]
    TurnFailed,
    /// Effects must be in the transaction of the event that caused them.
    #[error("run `{0}` has effects but no event in this turn")]
    EffectWithoutEvent(RunId),
    #[error("could not {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not {doing}")]
    Encoding {
        doing: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("could not {doing}")]
    Database {
        doing: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

fn owner(by: &Option<Box<Owner>>) -> String {
    by.as_ref().map_or_else(
        || "another process".to_owned(),
        |owner| {
            format!(
                "process {} on {} (engine {})",
                owner.pid, owner.host, owner.engine
            )
        },
    )
}

impl StoreError {
    /// Whether the connection must not be used any more.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Self::Disk { .. })
    }

    /// Whether nothing is wrong with the call: made again later, it can succeed. On `Uncertain`, what
    /// was to be kept may have been.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Busy { .. } | Self::Uncertain(_)
        )
    }

    /// An error of the file system, sorted.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { doing },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly { doing },
            _ => Self::Io {
                doing,
                path: path.into(),
                source,
            },
        }
    }
}

// <https://www.sqlite.org/rescode.html>: the file that connections share could not be enlarged.
const SQLITE_IOERR_SHMSIZE: i32 = 4874;

/// Sorts an error of a database.
pub(crate) fn database<E: Into<DatabaseError>>(doing: &'static str) -> impl FnOnce(E) -> StoreError {
    move |error| match error.into() {
        DatabaseError::Sqlite(error) => sqlite(doing, error),
        DatabaseError::Postgres(error) => postgres(doing, error),
        DatabaseError::Unfit(what) => StoreError::Corrupt { doing, what },
    }
}

fn sqlite(doing: &'static str, error: rusqlite::Error) -> StoreError {
    let codes = error
        .sqlite_error()
        .map(|error| (error.code, error.extended_code));
    match codes {
        Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) => StoreError::Busy { doing },
        Some((ErrorCode::DiskFull, _) | (_, SQLITE_IOERR_SHMSIZE)) => StoreError::Full { doing },
        Some((ErrorCode::ReadOnly, _)) => StoreError::ReadOnly { doing },
        Some((ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)) => StoreError::Corrupt {
            doing,
            what: error.to_string(),
        },
        Some((ErrorCode::SystemIoFailure, _)) => StoreError::Disk {
            doing,
            source: Box::new(error),
        },
        _ => StoreError::Database {
            doing,
            source: Box::new(error),
        },
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn postgres(doing: &'static str, error: tokio_postgres::Error) -> StoreError {
    let Some(code) = error.code().map(|code| code.code().to_owned()) else {
        let is_lost =
            error.is_closed() || Error::source(&error).is_some_and(|source| source.is::<io::Error>());
        let source = Box::new(error);
        return if is_lost {
            StoreError::Unreachable { doing, source }
        } else {
            StoreError::Database { doing, source }
        };
    };
    match code.as_str() {
        // Shut down, starting up, too many connections, a turn that stood still for too long.
        "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25P03" => StoreError::Unreachable {
            doing,
            source: Box::new(error),
        },
        code if code.starts_with("08") => StoreError::Unreachable {
            doing,
            source: Box::new(error),
        },
        "40001" | "40P01" | "55P03" => StoreError::Busy { doing },
        "53100" => StoreError::Full { doing },
        "25006" => StoreError::ReadOnly { doing },
        "XX001" | "XX002" => StoreError::Corrupt {
            doing,
            what: error.to_string(),
        },
        _ => StoreError::Database {
            doing,
            source: Box::new(error),
        },
    }
}

/// Sorts an error of turning something into JSON.
pub(crate) fn encoding(doing: &'static str) -> impl FnOnce(serde_json::Error) -> StoreError {
    move |source| StoreError::Encoding { doing, source }
}

/// A stored document that cannot be read.
pub(crate) fn unreadable<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> StoreError {
    move |error| StoreError::Corrupt {
        doing,
        what: error.to_string(),
    }
}
