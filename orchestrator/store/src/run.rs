//! Runs: made once, found by id, listed newest first.

use crate::database::{Result as Read, Row, params};
use crate::document;
use crate::error::{StoreError, database, unreadable};
use crate::lease::Lease;
use crate::ledger::Ledger;
use crate::queries;
use crate::store::Store;
use serde::Deserialize;
use std::cell::Cell;
use std::fmt;
use std::str::FromStr;
use trainyard_contract::{PipelineName, RunId, Timestamp};
use trainyard_domain::run::{DEFINITION_VERSION, Event, RunDefinition, RunOutcome};

/// A run to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewRun<'a> {
    pub id: &'a RunId,
    pub definition: &'a RunDefinition,
    pub created_at: Timestamp,
    /// Who asked for it.
    pub by: &'a str,
    /// Why, in their words.
    pub reason: Option<&'a str>,
}

/// A run with everything needed to go on with it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    pub id: RunId,
    pub status: RunStatus,
    pub created_at: Timestamp,
    pub by: String,
    pub reason: Option<String>,
    pub definition: RunDefinition,
    /// In the order in which they happened; the first has number 1.
    pub events: Vec<Event>,
    /// Who owns it, if anybody does; it may have expired.
    pub lease: Option<Lease>,
}

/// What its events say of a run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunStatus {
    /// Made, not started.
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

impl RunStatus {
    /// The status as kept and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens to the run unless somebody asks for a retry.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RunStatus {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [
            Self::Queued,
            Self::Running,
            Self::Succeeded,
            Self::Failed,
            Self::Cancelled,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| format!("`{text}` is not a status: queued, running, succeeded, failed or cancelled"))
    }
}

impl From<RunOutcome> for RunStatus {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::Succeeded,
            RunOutcome::Failed => Self::Failed,
            RunOutcome::Cancelled => Self::Cancelled,
        }
    }
}

/// A run as a line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    pub id: RunId,
    pub pipeline: PipelineName,
    pub environment: Option<String>,
    pub status: RunStatus,
    pub created_at: Timestamp,
    pub by: String,
    pub reason: Option<String>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Of the last lease; 0 if nobody ever owned it.
    pub epoch: u64,
    /// How many events there are.
    pub events: u64,
    pub steps: StepCounts,
}

/// How many step instances of a run are in which final state; what is missing to `total` waits or
/// runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCounts {
    pub total: u32,
    pub succeeded: u32,
    pub reused: u32,
    /// Condition false, not selected, not needed.
    pub skipped: u32,
    /// Not run because something upstream failed.
    pub blocked: u32,
    pub failed: u32,
    pub cancelled: u32,
}

/// Which runs to list.
#[derive(Clone, Debug)]
pub struct RunFilter {
    pub pipeline: Option<PipelineName>,
    pub status: Option<RunStatus>,
    pub limit: u32,
    /// Only runs made before this one: the last of the page before.
    pub before: Option<RunId>,
}

impl Default for RunFilter {
    /// The fifty newest.
    fn default() -> Self {
        Self {
            pipeline: None,
            status: None,
            limit: 50,
            before: None,
        }
    }
}

struct SummaryRow {
    id: String,
    pipeline: String,
    environment: Option<String>,
    status: String,
    created_at_us: i64,
    created_by: String,
    reason: Option<String>,
    started_at_us: Option<i64>,
    ended_at_us: Option<i64>,
    epoch: i64,
    events: i64,
    steps: StepCounts,
}

impl SummaryRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            id: row.get(0)?,
            pipeline: row.get(1)?,
            environment: row.get(2)?,
            status: row.get(3)?,
            created_at_us: row.get(4)?,
            created_by: row.get(5)?,
            reason: row.get(6)?,
            started_at_us: row.get(7)?,
            ended_at_us: row.get(8)?,
            epoch: row.get(9)?,
            events: row.get(10)?,
            steps: StepCounts {
                total: row.get(11)?,
                succeeded: row.get(12)?,
                reused: row.get(13)?,
                skipped: row.get(14)?,
                blocked: row.get(15)?,
                failed: row.get(16)?,
                cancelled: row.get(17)?,
            },
        })
    }
}

impl TryFrom<SummaryRow> for RunSummary {
    type Error = StoreError;
    fn try_from(row: SummaryRow) -> Result<Self, StoreError> {
        let doing = "read a run";
        Ok(Self {
            id: row.id.parse().map_err(unreadable(doing))?,
            pipeline: row.pipeline.parse().map_err(unreadable(doing))?,
            environment: row.environment,
            status: row.status.parse().map_err(unreadable(doing))?,
            created_at: Timestamp(row.created_at_us),
            by: row.created_by,
            reason: row.reason,
            started_at: row.started_at_us.map(Timestamp),
            ended_at: row.ended_at_us.map(Timestamp),
            epoch: row.epoch.unsigned_abs(),
            events: row.events.unsigned_abs(),
            steps: row.steps,
        })
    }
}

/// Key of event `seq` of a run; also the upper end of a range if `seq` is as large as it gets.
pub(crate) fn event_id(run: i64, seq: u64) -> i64 {
    (run << 32) | i64::from(u32::try_from(seq).unwrap_or(u32::MAX))
}

/// Run and number of an event's key.
pub(crate) fn run_and_seq(event: i64) -> (i64, u64) {
    (event >> 32, (event & 0xffff_ffff).unsigned_abs())
}

impl Store {
    /// Keeps a new run; durable when it returns.
    ///
    /// # Errors
    /// `RunExists`, `Full`, `Busy`, `Disk`.
    pub fn create_run(&mut self, new: &NewRun<'_>) -> Result<(), StoreError> {
        let doing = "keep a new run";
        let body = document::write(doing, new.definition)?;
        let tried = Cell::new(false);
        let number = self.transact(doing, |store| store.insert_run(new, &body, tried.replace(true)))?;
        self.ledgers
            .get_mut()
            .insert(new.id.clone(), Ledger::new(number, new.definition));
        Ok(())
    }

    /// The rows of a new run; its number. If this was tried before, they may be there already: kept,
    /// and the answer lost.
    pub(crate) fn insert_run(
        &self,
        new: &NewRun<'_>,
        body: &str,
        was_tried: bool,
    ) -> Result<i64, StoreError> {
        let doing = "keep a new run";
        let definition = new.definition;
        let values = params![
            new.id.as_str(),
            definition.pipeline.as_str(),
            definition.environment,
            new.created_at.0,
            new.by,
            new.reason,
            definition.instances.len() as i64
        ];
        let inserted = self.first(doing, queries::RUN_INSERT, values, |row| row.get::<_, i64>(0))?;
        let number = match inserted {
            Some(number) => number,
            None if was_tried => return self.number(new.id),
            None => return Err(StoreError::RunExists(new.id.clone())),
        };
        self.send(doing, queries::RUN_INSERT_DEFINITION, params![number, body])?;
        self.put_pools(&definition.pools)?;
        self.put_channels(
            definition.pipeline.as_str(),
            &definition.notices.channels,
            definition.code.as_ref().is_some_and(|code| code.pinned.is_some()),
            new.created_at,
        )?;
        Ok(number)
    }

    /// Everything about a run.
    ///
    /// # Errors
    /// `NoRun`, `NewerDefinition`, `Corrupt`, `Disk`.
    pub fn load_run(&self, id: &RunId) -> Result<StoredRun, StoreError> {
        let number = self.number(id)?;
        // Status, lease and events are to belong together.
        let (summary, definition, events, lease) = self.in_snapshot("load a run", || {
            Ok((
                self.summary(number)?,
                self.definition(id, number)?,
                self.events_of(number, 0, u64::MAX)?,
                self.lease(number)?,
            ))
        })?;
        if summary.status.is_final() {
            self.ledgers.borrow_mut().remove(id);
        } else {
            let mut ledger = Ledger::new(number, &definition);
            for event in &events {
                ledger.note(event);
            }
            self.ledgers.borrow_mut().insert(id.clone(), ledger);
        }
        Ok(StoredRun {
            id: summary.id,
            status: summary.status,
            created_at: summary.created_at,
            by: summary.by,
            reason: summary.reason,
            definition,
            events,
            lease,
        })
    }

    /// What a run was made of, without what has become of it.
    ///
    /// # Errors
    /// `NoRun`, `Corrupt`, `Disk`.
    pub fn run_definition(&self, id: &RunId) -> Result<RunDefinition, StoreError> {
        self.definition(id, self.number(id)?)
    }

    /// A run's line.
    ///
    /// # Errors
    /// `NoRun`, `Corrupt`, `Disk`.
    pub fn run_summary(&self, id: &RunId) -> Result<RunSummary, StoreError> {
        self.summary(self.number(id)?)
    }

    /// The run a text means: an id; the beginning of one; its last four or more characters;
    /// `latest`; `latest:PIPELINE`.
    ///
    /// # Errors
    /// `NoRun`, `Removed`, `Ambiguous`, `Disk`.
    pub fn find_run(&self, text: &str) -> Result<RunId, StoreError> {
        match self.find_kept_run(text) {
            Err(StoreError::NoRun(text)) => Err(match self.removed_run(&text)? {
                Some(removed) => StoreError::Removed {
                    run: removed.run,
                    at: removed.at,
                },
                None => StoreError::NoRun(text),
            }),
            found => found,
        }
    }

    fn find_kept_run(&self, text: &str) -> Result<RunId, StoreError> {
        let doing = "find a run";
        let none = || StoreError::NoRun(text.to_owned());
        if text == "latest" || text.starts_with("latest:") {
            let pipeline = match text.strip_prefix("latest:") {
                Some(name) => Some(name.parse().map_err(|_| none())?),
                None => None,
            };
            let newest = self.list_runs(&RunFilter {
                pipeline,
                limit: 1,
                ..RunFilter::default()
            })?;
            return newest.into_iter().next().map(|run| run.id).ok_or_else(none);
        }
        if let Ok(id) = text.parse::<RunId>() {
            return self.number(&id).map(|_| id);
        }
        let bare = text.strip_prefix("run_").unwrap_or(text);
        if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return Err(none());
        }
        let id = |row: &Row<'_>| row.get::<_, String>(0);
        const MOST: u32 = 10;
        let mut found = self.all(
            doing,
            queries::RUN_FIND_BY_PREFIX,
            params![format!("run_{bare}"), MOST],
            id,
        )?;
        if !text.starts_with("run_") && bare.len() >= 4 {
            let by_end = if bare.len() < 8 {
                queries::RUN_FIND_BY_SUFFIX
            } else {
                queries::RUN_FIND_BY_SHORT_ID
            };
            found.extend(self.all(doing, by_end, params![bare, MOST], id)?);
        }
        found.sort_unstable();
        found.dedup();
        let mut candidates = Vec::with_capacity(found.len());
        for id in found.iter().rev().take(MOST as usize) {
            candidates.push(id.parse::<RunId>().map_err(unreadable(doing))?);
        }
        match candidates.len() {
            0 => Err(none()),
            1 => Ok(candidates.remove(0)),
            _ => Err(StoreError::Ambiguous {
                text: text.to_owned(),
                candidates,
            }),
        }
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// `NoRun` if `before` does not exist, `Corrupt`, `Disk`.
    pub fn list_runs(&self, filter: &RunFilter) -> Result<Vec<RunSummary>, StoreError> {
        let doing = "list runs";
        let below = filter
            .before
            .as_ref()
            .map_or(Ok(i64::MAX), |run| self.number(run))?;
        let number = |row: &Row<'_>| row.get::<_, i64>(0);
        let limit = filter.limit;
        let pipeline = filter.pipeline.as_ref().map(PipelineName::as_str);
        let numbers = match (pipeline, filter.status.map(RunStatus::as_str)) {
            (None, None) => self.all(doing, queries::RUN_LIST, params![below, limit], number),
            (Some(pipeline), None) => self.all(
                doing,
                queries::RUN_LIST_BY_PIPELINE,
                params![below, limit, pipeline],
                number,
            ),
            (None, Some(status)) => self.all(
                doing,
                queries::RUN_LIST_BY_STATUS,
                params![below, limit, status],
                number,
            ),
            (Some(pipeline), Some(status)) => {
                let values = params![below, limit, pipeline, status];
                self.all(doing, queries::RUN_LIST_BY_PIPELINE_AND_STATUS, values, number)
            }
        }?;
        numbers.into_iter().map(|number| self.summary(number)).collect()
    }

    /// Runs of a pipeline that ended at a time or later, and when; in the order in which they ended.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn runs_ended_since(
        &self,
        pipeline: &PipelineName,
        since: Timestamp,
    ) -> Result<Vec<(RunId, Timestamp)>, StoreError> {
        let doing = "look for runs that have ended";
        let values = params![pipeline.as_str(), since.0];
        let rows = self.all(doing, queries::RUN_ENDED_SINCE, values, |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        })?;
        rows.into_iter()
            .map(|(id, at)| Ok((id.parse().map_err(unreadable(doing))?, Timestamp(at))))
            .collect()
    }

    /// At most `limit` events of a run after number `seq`, each with its number.
    ///
    /// # Errors
    /// `NoRun`, `Corrupt`, `Disk`.
    pub fn events_after(&self, run: &RunId, seq: u64, limit: u32) -> Result<Vec<(u64, Event)>, StoreError> {
        let seq = seq.min(u64::from(u32::MAX));
        let events = self.events_of(self.number(run)?, seq, u64::from(limit))?;
        Ok((seq + 1..).zip(events).collect())
    }

    /// The number that stands for a run in other tables.
    pub(crate) fn number(&self, run: &RunId) -> Result<i64, StoreError> {
        if let Some(ledger) = self.ledgers.borrow().get(run) {
            return Ok(ledger.number);
        }
        self.first("find a run", queries::RUN_NUMBER, [run.as_str()], |row| {
            row.get(0)
        })?
        .ok_or_else(|| StoreError::NoRun(run.to_string()))
    }

    /// The id of a run by its number.
    pub(crate) fn run_id(&self, number: i64) -> Result<RunId, StoreError> {
        let doing = "find a run";
        let id = self.first(doing, queries::RUN_ID, [number], |row| row.get::<_, String>(0))?;
        id.ok_or_else(|| StoreError::NoRun(number.to_string()))?
            .parse()
            .map_err(unreadable(doing))
    }

    fn summary(&self, number: i64) -> Result<RunSummary, StoreError> {
        self.first("read a run", queries::RUN_SUMMARY, [number], SummaryRow::read)?
            .ok_or_else(|| StoreError::NoRun(number.to_string()))?
            .try_into()
    }

    /// A run's definition, if this version understands it.
    pub(crate) fn definition(&self, run: &RunId, number: i64) -> Result<RunDefinition, StoreError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let doing = "read a run's definition";
        let body = self
            .first(doing, queries::RUN_DEFINITION, [number], |row| {
                row.get::<_, String>(0)
            })?
            .ok_or_else(|| StoreError::Corrupt {
                doing,
                what: format!("run `{run}` has none"),
            })?;
        let newer = |found| StoreError::NewerDefinition {
            run: run.clone(),
            found,
            known: DEFINITION_VERSION,
        };
        let definition: RunDefinition =
            document::read(doing, &body).map_err(|error| match serde_json::from_str::<Versioned>(&body) {
                Ok(Versioned { version }) if version > DEFINITION_VERSION => newer(version),
                _ => error,
            })?;
        if definition.version > DEFINITION_VERSION {
            return Err(newer(definition.version));
        }
        Ok(definition)
    }

    pub(crate) fn events_of(&self, number: i64, after: u64, limit: u64) -> Result<Vec<Event>, StoreError> {
        let doing = "read events";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = params![event_id(number, after), event_id(number, u64::MAX), limit];
        let mut events = Vec::new();
        self.each(doing, queries::EVENT_RANGE, values, &mut |row| {
            let (_, seq) = run_and_seq(row.get(0).map_err(database(doing))?);
            let expected = after + events.len() as u64 + 1;
            if seq != expected {
                return Err(StoreError::Corrupt {
                    doing,
                    what: format!("event {expected} is missing"),
                });
            }
            events.push(document::read(doing, row.text(1).map_err(database(doing))?)?);
            Ok(true)
        })?;
        Ok(events)
    }
}
