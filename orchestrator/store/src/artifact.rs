//! Which steps made an artifact.

use crate::database::params;
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::store::Store;
use trainyard_contract::{ContentHash, RunId, Timestamp};
use trainyard_domain::run::{Event, InstanceIx, What};

/// One step instance that made some content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactOrigin {
    pub run: RunId,
    pub step: InstanceIx,
    /// Name of the output.
    pub output: String,
    pub at: Timestamp,
}

impl Store {
    /// The step instances that made content of that hash, though they may have failed afterwards, newest first, at most
    /// `limit`.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn artifact_origins(
        &self,
        hash: &ContentHash,
        limit: u32,
    ) -> Result<Vec<ArtifactOrigin>, StoreError> {
        let doing = "find an artifact's origin";
        let rows = self.all(
            doing,
            queries::ARTIFACT_ORIGINS,
            params![hash.as_bytes(), limit],
            |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                ))
            },
        )?;
        let origins = rows.into_iter().map(|(output, run, body)| {
            let event: Event = document::read(doing, &body)?;
            let (What::AttemptSucceeded { step, .. } | What::AttemptFailed { step, .. }) = event.what else {
                return Err(StoreError::Corrupt {
                    doing,
                    what: format!("{hash} comes from no attempt"),
                });
            };
            Ok(ArtifactOrigin {
                run: run.parse().map_err(unreadable(doing))?,
                step,
                output,
                at: event.at,
            })
        });
        origins.collect()
    }
}
