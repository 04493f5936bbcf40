//! Requests from other processes to the engine that owns a run.
//!
//! Whoever types `runs cancel` is not the process that runs the pipeline. The request is kept here;
//! the owner sees that [`Store::data_version`] has changed, and takes it in the turn in which it
//! acts on it, so that a request is neither lost nor obeyed twice.

use crate::database::params;
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::store::Store;
use crate::turn::Turn;
use serde::{Deserialize, Serialize};
use trainyard_contract::{RunId, Timestamp};

/// What is asked of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    Cancel {
        by: String,
    },
    /// The answer to a gate.
    Answer {
        /// The step instance that is the gate.
        instance: String,
        by: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
        approve: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    /// What failed, was blocked or cancelled in an ended run is to run again; or what an expression chooses.
    Retry {
        by: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        select: Option<String>,
    },
}

/// A request and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedRequest {
    pub request: Request,
    pub at: Timestamp,
}

impl Store {
    /// Leaves a request for the owner of a run; durable when it returns.
    ///
    /// # Errors
    /// `NoRun`, `Removed`, `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn post_request(&mut self, run: &RunId, request: &Request, at: Timestamp) -> Result<(), StoreError> {
        let doing = "leave a request";
        let number = self.number(run).map_err(|error| self.or_gone(run, error))?;
        let body = document::write(doing, request)?;
        let posted = self.transact(doing, |store| {
            store
                .execute(doing, queries::REQUEST_INSERT, params![number, body, at.0])
                .map(|_| ())
        });
        posted.map_err(|error| self.or_gone(run, error))
    }

    /// What to say of something that could not be written about a run: if the run went meanwhile, that is why.
    pub(crate) fn or_gone(&self, run: &RunId, error: StoreError) -> StoreError {
        self.ledgers.borrow_mut().remove(run);
        // With the run went what refers to it; the database only says that it cannot refer to nothing.
        let may_be_gone = matches!(error, StoreError::Database { .. } | StoreError::NoRun(_));
        match self.find_run(run.as_str()) {
            Err(gone @ (StoreError::NoRun(_) | StoreError::Removed { .. })) if may_be_gone => gone,
            _ => error,
        }
    }

    /// Runs that have requests waiting.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn runs_with_requests(&self) -> Result<Vec<RunId>, StoreError> {
        let doing = "look for requests";
        let ids = self.all(doing, queries::REQUEST_RUNS, [], |row| row.get::<_, String>(0))?;
        ids.into_iter()
            .map(|id| id.parse().map_err(unreadable(doing)))
            .collect()
    }
}

impl Turn<'_> {
    /// Takes the run's requests, oldest first; they are gone when the turn is committed.
    ///
    /// # Errors
    /// `NoRun`, `Corrupt`, `Disk`.
    pub fn take_requests(&mut self, run: &RunId) -> Result<Vec<PostedRequest>, StoreError> {
        self.guard(|turn| {
            let doing = "take requests";
            let number = turn.store.number(run)?;
            let rows = turn.store.all(doing, queries::REQUEST_TAKE, [number], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, i64>(2)?,
                ))
            })?;
            let Some(last) = rows.last().map(|(id, ..)| *id) else {
                return Ok(Vec::new());
            };
            turn.store
                .execute(doing, queries::REQUEST_DELETE, params![number, last])?;
            let taken = rows.into_iter().map(|(_, body, at)| {
                Ok(PostedRequest {
                    request: document::read(doing, &body)?,
                    at: Timestamp(at),
                })
            });
            taken.collect()
        })
    }
}
