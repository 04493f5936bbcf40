//! Results by reuse key.

use crate::database::params;
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::store::Store;
use indexmap::IndexMap;
use trainyard_contract::{ContentHash, OutputValue, RunId, Timestamp};
use trainyard_domain::run::{Event, InstanceIx, What};

/// An earlier result of the same key. Whether its artifacts are still there is for the caller to
/// see.
#[derive(Clone, Debug, PartialEq)]
pub struct Reusable {
    pub run: RunId,
    /// The step instance of that run.
    pub instance: InstanceIx,
    pub outputs: IndexMap<String, OutputValue>,
    pub metrics: IndexMap<String, f64>,
    pub headline: Option<String>,
    /// When it succeeded.
    pub at: Timestamp,
}

impl Store {
    /// The newest result of a key, if it is not older than that.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn reusable(
        &self,
        key: &ContentHash,
        not_older_than: Option<Timestamp>,
    ) -> Result<Option<Reusable>, StoreError> {
        let doing = "look for a result to reuse";
        let oldest = not_older_than.map_or(i64::MIN, |at| at.0);
        let found = self.first(
            doing,
            queries::RESULT_GET,
            params![key.as_bytes(), oldest],
            |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                ))
            },
        )?;
        let Some((id, run, body)) = found else {
            return Ok(None);
        };
        let event: Event = document::read(doing, &body)?;
        let What::AttemptSucceeded {
            step,
            outputs,
            metrics,
            headline,
            ..
        } = event.what
        else {
            return Err(StoreError::Corrupt {
                doing,
                what: format!("event {id} is no success"),
            });
        };
        let run = run.parse().map_err(unreadable(doing))?;
        Ok(Some(Reusable {
            run,
            instance: step,
            outputs,
            metrics,
            headline,
            at: event.at,
        }))
    }
}
