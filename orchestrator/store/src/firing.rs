//! What triggers saw, what came of it and why, and how far each has come.

use crate::database::{Result as Read, Row, params};
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::queue::{Enqueued, QueuedRun};
use crate::store::Store;
use serde_json::Value;
use std::cell::Cell;
use trainyard_contract::{PipelineName, RunId, Timestamp};
use trainyard_domain::notice::{self, Held};

const KEEPING: &str = "keep what a trigger did";

/// So many firings are kept.
const KEPT: i64 = 100_000;

/// One firing to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewFiring<'a> {
    pub pipeline: &'a PipelineName,
    pub trigger: &'a str,
    /// `schedule`, `webhook`, `data` …
    pub kind: &'a str,
    pub at: Timestamp,
    /// The tick it stands for, if it is one of a clock.
    pub due: Option<Timestamp>,
    /// One word: what came of it; `repeated` takes its place if the run was made before.
    pub verdict: &'a str,
    /// Why, in a sentence.
    pub reason: Option<&'a str>,
    /// The run it starts.
    pub start: Option<QueuedRun<'a>>,
    /// The run it is about, if that is there already.
    pub about: Option<&'a RunId>,
}

/// The verdict on a firing whose run was made before.
pub const REPEATED: &str = "repeated";

/// One firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    pub id: u64,
    pub pipeline: PipelineName,
    pub trigger: String,
    pub kind: String,
    pub at: Timestamp,
    pub due: Option<Timestamp>,
    pub verdict: String,
    pub reason: Option<String>,
    pub run: Option<RunId>,
}

/// Which firings to list.
#[derive(Clone, Debug, Default)]
pub struct FiringFilter {
    pub pipeline: Option<PipelineName>,
    pub trigger: Option<String>,
    /// Only those before this one: the last of the page before.
    pub before: Option<u64>,
    pub limit: u32,
}

struct FiringRow {
    id: i64,
    pipeline: String,
    trigger: String,
    kind: String,
    at_us: i64,
    due_us: Option<i64>,
    verdict: String,
    reason: Option<String>,
    run: Option<String>,
}

impl FiringRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            id: row.get(0)?,
            pipeline: row.get(1)?,
            trigger: row.get(2)?,
            kind: row.get(3)?,
            at_us: row.get(4)?,
            due_us: row.get(5)?,
            verdict: row.get(6)?,
            reason: row.get(7)?,
            run: row.get(8)?,
        })
    }
}

impl TryFrom<FiringRow> for Firing {
    type Error = StoreError;
    fn try_from(row: FiringRow) -> Result<Self, StoreError> {
        let doing = "read a firing";
        Ok(Self {
            id: row.id.unsigned_abs(),
            pipeline: row.pipeline.parse().map_err(unreadable(doing))?,
            trigger: row.trigger,
            kind: row.kind,
            at: Timestamp(row.at_us),
            due: row.due_us.map(Timestamp),
            verdict: row.verdict,
            reason: row.reason,
            run: row
                .run
                .map(|run| run.parse().map_err(unreadable(doing)))
                .transpose()?,
        })
    }
}

impl Store {
    /// Keeps firings, the runs that they start and the state that their trigger is in after them, in one
    /// transaction: a trigger never forgets a run that it started. Gives what came of the runs, one for
    /// each firing.
    ///
    /// # Errors
    /// `RunExists`, `Full`, `Busy`, `Disk`.
    pub fn keep_firings(
        &mut self,
        firings: &[NewFiring<'_>],
        state: Option<(&PipelineName, &str, &Value)>,
    ) -> Result<Vec<Option<Enqueued>>, StoreError> {
        let tried = Cell::new(false);
        self.transact(KEEPING, |store| {
            let was_tried = tried.replace(true);
            let made = firings
                .iter()
                .map(|firing| store.keep_firing(firing, was_tried))
                .collect::<Result<_, _>>()?;
            if !firings.is_empty() {
                store.execute(KEEPING, queries::FIRING_TRIM, [KEPT])?;
            }
            if let Some((pipeline, trigger, body)) = state {
                let body = document::write(KEEPING, body)?;
                store.execute(
                    KEEPING,
                    queries::TRIGGER_PUT,
                    params![pipeline.as_str(), trigger, body],
                )?;
            }
            Ok(made)
        })
    }

    fn keep_firing(&self, firing: &NewFiring<'_>, was_tried: bool) -> Result<Option<Enqueued>, StoreError> {
        let made = firing
            .start
            .map(|start| self.put_into_queue(&start, was_tried))
            .transpose()?;
        let (verdict, run) = match (&made, &firing.start) {
            (Some(Enqueued::Repeated(run) | Enqueued::KeyTaken(run)), _) => {
                (REPEATED, Some(self.number(run)?))
            }
            (Some(Enqueued::New), Some(start)) => (firing.verdict, Some(self.number(start.new.id)?)),
            _ => (
                firing.verdict,
                firing.about.map(|run| self.number(run)).transpose()?,
            ),
        };
        let values = params![
            firing.pipeline.as_str(),
            firing.trigger,
            firing.kind,
            firing.at.0,
            firing.due.map(|due| due.0),
            verdict,
            firing.reason,
            run,
        ];
        self.execute(KEEPING, queries::FIRING_PUT, values)?;
        let held = Held {
            pipeline: firing.pipeline.as_str(),
            trigger: firing.trigger,
            at: firing.at,
            due: firing.due,
            verdict,
            reason: firing.reason,
        };
        if let Some(happening) = notice::held(&held) {
            self.put_notices(&[happening])?;
        }
        Ok(made)
    }

    /// The state a trigger was left in.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn trigger_state(&self, pipeline: &PipelineName, trigger: &str) -> Result<Option<Value>, StoreError> {
        let doing = "read a trigger's state";
        let values = params![pipeline.as_str(), trigger];
        let body = self.first(doing, queries::TRIGGER_GET, values, |row| row.get::<_, String>(0))?;
        body.map(|body| document::read(doing, &body)).transpose()
    }

    /// Firings, newest first.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn firings(&self, filter: &FiringFilter) -> Result<Vec<Firing>, StoreError> {
        let doing = "list firings";
        let below = filter
            .before
            .map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
        let values = params![
            below,
            filter.limit,
            filter.pipeline.as_ref().map(PipelineName::as_str),
            filter.trigger,
        ];
        let rows = self.all(doing, queries::FIRING_LIST, values, FiringRow::read)?;
        rows.into_iter().map(Firing::try_from).collect()
    }
}
