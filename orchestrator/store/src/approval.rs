//! Gates that wait for people, over all runs.

use crate::database::{Result as Read, Row, params};
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use trainyard_contract::{PipelineName, RunId, Timestamp};
use trainyard_domain::run::{ApprovalRule, Event, InstanceIx, What};

/// A gate that nobody has decided yet.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingApproval {
    pub run: RunId,
    pub pipeline: PipelineName,
    /// Who asked for the run: its author, where a rule says `not_author`.
    pub author: String,
    pub step: InstanceIx,
    pub instance: String,
    pub rule: Option<ApprovalRule>,
    pub asked_at: Timestamp,
    /// Who has agreed so far, in that order.
    pub given: Vec<GivenApproval>,
}

/// One person's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenApproval {
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    pub at: Timestamp,
}

struct WaitingRow {
    run: String,
    number: i64,
    pipeline: String,
    created_by: String,
    step: InstanceIx,
    asked_at_us: i64,
    given: String,
}

impl WaitingRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            run: row.get(0)?,
            number: row.get(1)?,
            pipeline: row.get(2)?,
            created_by: row.get(3)?,
            step: row.get(4)?,
            asked_at_us: row.get(5)?,
            given: row.get(6)?,
        })
    }
}

impl Store {
    /// Gates that wait, longest first.
    ///
    /// # Errors
    /// `Corrupt`, `NewerDefinition`, `Disk`.
    pub fn waiting_approvals(&self) -> Result<Vec<WaitingApproval>, StoreError> {
        let doing = "list waiting approvals";
        let rows = self.all(doing, queries::APPROVAL_WAITING, [], WaitingRow::read)?;
        let waiting = rows.into_iter().map(|row| {
            let run: RunId = row.run.parse().map_err(unreadable(doing))?;
            let mut definition = self.definition(&run, row.number)?;
            let at = row.step as usize;
            if at >= definition.instances.len() {
                return Err(StoreError::Corrupt {
                    doing,
                    what: format!("run `{run}` has no instance {at}"),
                });
            }
            let instance = definition.instances.swap_remove(at);
            Ok(WaitingApproval {
                run,
                pipeline: row.pipeline.parse().map_err(unreadable(doing))?,
                author: row.created_by,
                step: row.step,
                instance: instance.name,
                rule: instance.approval,
                asked_at: Timestamp(row.asked_at_us),
                given: document::read(doing, &row.given)?,
            })
        });
        waiting.collect()
    }

    pub(crate) fn ask_approval(&self, run: i64, step: InstanceIx, at: Timestamp) -> Result<(), StoreError> {
        self.send(
            "keep a waiting approval",
            queries::APPROVAL_ASK,
            params![run, step, at.0],
        )
    }

    /// Keeps one agreement of several that are needed.
    pub(crate) fn note_approval(&self, run: i64, step: InstanceIx, event: &Event) -> Result<(), StoreError> {
        let doing = "keep an approval";
        let What::ApprovalGiven {
            by, role, comment, ..
        } = &event.what
        else {
            return Ok(());
        };
        let kept = self.first(doing, queries::APPROVAL_GIVEN, params![run, step], |row| {
            row.get::<_, String>(0)
        })?;
        let Some(kept) = kept else { return Ok(()) };
        let mut given: Vec<GivenApproval> = document::read(doing, &kept)?;
        if given.iter().any(|earlier| earlier.by == *by) {
            return Ok(());
        }
        given.push(GivenApproval {
            by: by.clone(),
            role: role.clone(),
            comment: comment.clone(),
            at: event.at,
        });
        let body = document::write(doing, &given)?;
        self.send(doing, queries::APPROVAL_GIVE, params![run, step, body])
    }

    pub(crate) fn close_approval(&self, run: i64, step: InstanceIx) -> Result<(), StoreError> {
        self.send("close an approval", queries::APPROVAL_CLOSE, params![run, step])
    }

    pub(crate) fn close_approvals(&self, run: i64) -> Result<(), StoreError> {
        self.send("close approvals", queries::APPROVAL_CLOSE_RUN, params![run])
    }
}
