//! Backfills and their ticks. Each change names the version that its author knew, and is refused if
//! somebody else has changed the backfill since: of two servers that want to start the same tick one does.

use crate::database::{Result as Read, Row, params};
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::queue::{Enqueued, QueuedRun};
use crate::store::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainyard_contract::{ContentHash, Millis, PipelineName, RunId, Timestamp};
use trainyard_domain::backfill::{BackfillOrder, Phase, Tally, TickState};

const STEERING: &str = "change a backfill";

/// A backfill to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewBackfill<'a> {
    pub id: &'a str,
    pub pipeline: &'a PipelineName,
    pub trigger: &'a str,
    /// Of its runs, as they are bound.
    pub environment: Option<&'a str>,
    pub order: &'a BackfillOrder,
    /// Never empty.
    pub ticks: &'a [NewTick],
    pub created_at: Timestamp,
    pub by: &'a str,
    pub reason: Option<&'a str>,
    /// Sent again under the same key with the same request, it is not made again.
    pub key: Option<(&'a str, ContentHash)>,
}

/// A tick of a backfill, as its run sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTick {
    pub at: Timestamp,
    pub body: TickBody,
}

/// What the run of a tick is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TickBody {
    /// Key of the schedule's own run of this tick.
    pub key: String,
    /// `trigger` as expressions see it.
    pub trigger: Value,
    /// Why it runs, one sentence.
    pub reason: String,
}

/// What came of a request for a backfill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackfillMade {
    New,
    /// The same request was made before, and had made this one.
    Repeated(String),
    /// The key was used before, for another request.
    KeyTaken(String),
}

/// A backfill.
#[derive(Clone, Debug, PartialEq)]
pub struct Backfill {
    number: i64,
    pub id: String,
    pub pipeline: PipelineName,
    pub trigger: String,
    pub environment: Option<String>,
    pub phase: Phase,
    /// Goes up with each change.
    pub version: u64,
    pub forgiven: u32,
    pub order: BackfillOrder,
    pub created_at: Timestamp,
    pub by: String,
    pub reason: Option<String>,
    pub ended_at: Option<Timestamp>,
}

/// A tick and what has become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct BackfillTick {
    pub at: Timestamp,
    pub body: TickBody,
    pub state: TickState,
    pub run: Option<RunId>,
    /// Why it has no run of its own.
    pub reason: Option<String>,
}

/// Which backfills to list.
#[derive(Clone, Debug, Default)]
pub struct BackfillFilter {
    pub pipeline: Option<PipelineName>,
    pub phase: Option<Phase>,
    /// Only those made before this one: the last of the page before.
    pub before: Option<String>,
    pub limit: u32,
}

/// What is to become of a tick.
#[derive(Clone, Copy, Debug)]
pub enum TickStart<'a> {
    /// A run, under the key of the schedule's own.
    Run(QueuedRun<'a>),
    /// None, for this reason.
    Refused(&'a str),
}

/// What became of a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TickMade {
    Started(RunId),
    Refused,
    /// It had a run already.
    There(RunId),
}

struct BackfillRow {
    number: i64,
    id: String,
    pipeline: String,
    trigger: String,
    environment: Option<String>,
    phase: String,
    version: i64,
    forgiven: u32,
    body: String,
    created_at_us: i64,
    by: String,
    reason: Option<String>,
    ended_at_us: Option<i64>,
}

impl BackfillRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            number: row.get(0)?,
            id: row.get(1)?,
            pipeline: row.get(2)?,
            trigger: row.get(3)?,
            environment: row.get(4)?,
            phase: row.get(5)?,
            version: row.get(6)?,
            forgiven: row.get(7)?,
            body: row.get(8)?,
            created_at_us: row.get(9)?,
            by: row.get(10)?,
            reason: row.get(11)?,
            ended_at_us: row.get(12)?,
        })
    }
}

impl TryFrom<BackfillRow> for Backfill {
    type Error = StoreError;
    fn try_from(row: BackfillRow) -> Result<Self, StoreError> {
        let doing = "read a backfill";
        Ok(Self {
            number: row.number,
            id: row.id,
            pipeline: row.pipeline.parse().map_err(unreadable(doing))?,
            trigger: row.trigger,
            environment: row.environment,
            phase: row.phase.parse().map_err(unreadable(doing))?,
            version: row.version.unsigned_abs(),
            forgiven: row.forgiven,
            order: document::read(doing, &row.body)?,
            created_at: Timestamp(row.created_at_us),
            by: row.by,
            reason: row.reason,
            ended_at: row.ended_at_us.map(Timestamp),
        })
    }
}

impl Store {
    /// Keeps a backfill with all its ticks, unless its key says that this was done before.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn create_backfill(&mut self, new: &NewBackfill<'_>) -> Result<BackfillMade, StoreError> {
        let doing = "keep a backfill";
        let body = document::write(doing, new.order)?;
        let ticks: Vec<(i64, String)> = new
            .ticks
            .iter()
            .map(|tick| Ok((tick.at.0, document::write(doing, &tick.body)?)))
            .collect::<Result<_, StoreError>>()?;
        self.transact(doing, |store| {
            let (key, request) = new.key.unzip();
            let values = params![
                new.id,
                new.pipeline.as_str(),
                new.trigger,
                new.environment,
                body,
                new.created_at.0,
                new.by,
                new.reason,
                key,
                request.as_ref().map(|request| request.as_bytes().to_vec()),
            ];
            let number = store.first(doing, queries::BACKFILL_PUT, values, |row| row.get::<_, i64>(0))?;
            let Some(number) = number else {
                return store.earlier_backfill(new);
            };
            for (at, body) in &ticks {
                store.send(doing, queries::BACKFILL_PUT_TICK, params![number, at, body])?;
            }
            Ok(BackfillMade::New)
        })
    }

    /// What stands in the way of a new backfill.
    fn earlier_backfill(&self, new: &NewBackfill<'_>) -> Result<BackfillMade, StoreError> {
        let doing = "keep a backfill";
        let Some((key, request)) = new.key else {
            // Kept by an earlier try, whose answer was lost.
            return Ok(BackfillMade::New);
        };
        let earlier = self.first(doing, queries::BACKFILL_OF_KEY, [key], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<Vec<u8>>>(1)?))
        })?;
        Ok(match earlier {
            Some((id, _)) if id == new.id => BackfillMade::New,
            Some((id, Some(body))) if body == request.as_bytes() => BackfillMade::Repeated(id),
            Some((id, _)) => BackfillMade::KeyTaken(id),
            None => return Err(StoreError::Busy { doing }),
        })
    }

    /// The backfill a text means: an id, its last four or more characters, `latest`; none if there is
    /// none, or more than one.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn find_backfill(&self, text: &str) -> Result<Option<Backfill>, StoreError> {
        let doing = "find a backfill";
        if text == "latest" {
            let filter = BackfillFilter {
                limit: 1,
                ..BackfillFilter::default()
            };
            return Ok(self.backfills(&filter)?.pop());
        }
        let bare = text.strip_prefix("bf_").unwrap_or(text);
        if bare.len() < 4 || !bare.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        let values = params![format!("bf_{bare}"), format!("%{bare}"), 2_u32];
        let found = self.all(doing, queries::BACKFILL_FIND, values, |row| {
            row.get::<_, String>(0)
        })?;
        match found.as_slice() {
            [id] => self.backfill(id),
            _ => Ok(None),
        }
    }

    /// The backfill of that id.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn backfill(&self, id: &str) -> Result<Option<Backfill>, StoreError> {
        let row = self.first("read a backfill", queries::BACKFILL_GET, [id], BackfillRow::read)?;
        row.map(Backfill::try_from).transpose()
    }

    /// Backfills, newest first; none if `before` is none.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn backfills(&self, filter: &BackfillFilter) -> Result<Vec<Backfill>, StoreError> {
        let below = match &filter.before {
            None => i64::MAX,
            Some(before) => self.backfill(before)?.map_or(0, |backfill| backfill.number),
        };
        let values = params![
            below,
            filter.limit,
            filter.pipeline.as_ref().map(PipelineName::as_str),
            filter.phase.map(Phase::as_str),
        ];
        let rows = self.all(
            "list backfills",
            queries::BACKFILL_LIST,
            values,
            BackfillRow::read,
        )?;
        rows.into_iter().map(Backfill::try_from).collect()
    }

    /// Ids of backfills that start runs, oldest first.
    ///
    /// # Errors
    /// `Disk`.
    pub fn running_backfills(&self) -> Result<Vec<String>, StoreError> {
        self.all("look for backfills", queries::BACKFILL_RUNNING, [], |row| {
            row.get(0)
        })
    }

    /// How many of its ticks are in which state.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn backfill_tally(&self, backfill: &Backfill) -> Result<Tally, StoreError> {
        let doing = "count ticks";
        let counts = self.all(doing, queries::BACKFILL_TALLY, [backfill.number], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?))
        })?;
        let mut tally = Tally::default();
        for (state, count) in counts {
            tally.add(state.parse().map_err(unreadable(doing))?, count);
        }
        Ok(tally)
    }

    /// The mean time of its runs that are over, if there are any.
    ///
    /// # Errors
    /// `Disk`.
    pub fn backfill_mean(&self, backfill: &Backfill) -> Result<Option<Millis>, StoreError> {
        let doing = "read how long runs took";
        let found = self.first(doing, queries::BACKFILL_MEAN, [backfill.number], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        Ok(found.and_then(|(count, mean)| (count > 0).then_some(Millis(mean.unsigned_abs() / 1_000))))
    }

    /// The first ticks that have no run, in the order of the backfill.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn waiting_ticks(&self, backfill: &Backfill, limit: u32) -> Result<Vec<NewTick>, StoreError> {
        let doing = "read ticks";
        let query = if backfill.order.reverse {
            queries::BACKFILL_WAITING_LAST
        } else {
            queries::BACKFILL_WAITING
        };
        let rows = self.all(doing, query, params![backfill.number, limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.into_iter()
            .map(|(at, body)| {
                Ok(NewTick {
                    at: Timestamp(at),
                    body: document::read(doing, &body)?,
                })
            })
            .collect()
    }

    /// Ticks in the order of time: those after `after`, in that state if one is named.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn backfill_ticks(
        &self,
        backfill: &Backfill,
        state: Option<TickState>,
        after: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<BackfillTick>, StoreError> {
        let doing = "list ticks";
        let after = after.map_or(i64::MIN, |after| after.0);
        let values = params![backfill.number, after, limit, state.map(TickState::as_str)];
        let rows = self.all(doing, queries::BACKFILL_TICKS, values, |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, Option<String>>(4)?,
            ))
        })?;
        rows.into_iter()
            .map(|(at, body, run, state, reason)| {
                Ok(BackfillTick {
                    at: Timestamp(at),
                    body: document::read(doing, &body)?,
                    state: state.parse().map_err(unreadable(doing))?,
                    run: run
                        .map(|run| run.parse().map_err(unreadable(doing)))
                        .transpose()?,
                    reason,
                })
            })
            .collect()
    }

    /// Runs of a backfill that are queued or under way.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn open_runs_of_backfill(&self, backfill: &Backfill) -> Result<Vec<RunId>, StoreError> {
        let doing = "look for runs of a backfill";
        let ids = self.all(doing, queries::BACKFILL_OPEN_RUNS, [backfill.number], |row| {
            row.get::<_, String>(0)
        })?;
        ids.into_iter()
            .map(|id| id.parse().map_err(unreadable(doing)))
            .collect()
    }

    /// The run of a schedule's tick that succeeded or is under way, whoever started it: the schedule, as
    /// far as its history is kept, or a backfill.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn run_of_tick(
        &self,
        pipeline: &PipelineName,
        trigger: &str,
        environment: Option<&str>,
        at: Timestamp,
    ) -> Result<Option<RunId>, StoreError> {
        let doing = "look for the run of a tick";
        let values = params![pipeline.as_str(), trigger, at.0, environment];
        let runs = self.all(doing, queries::BACKFILL_RUNS_OF_TICK, values, |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        let there = runs
            .into_iter()
            .find(|(_, status)| matches!(status.as_deref(), Some("succeeded" | "queued" | "running")));
        there
            .map(|(id, _)| id.parse().map_err(unreadable(doing)))
            .transpose()
    }

    /// Keeps, in one transaction, the phase of a backfill, what becomes of ticks, and their runs. Gives
    /// what became of each tick, or nothing if the backfill is at another version than `backfill`: then
    /// nothing was done, and it is to be read and decided again.
    ///
    /// # Errors
    /// `RunExists`, `Full`, `Busy`, `Disk`.
    pub fn advance_backfill(
        &mut self,
        backfill: &Backfill,
        phase: Phase,
        starts: &[(Timestamp, TickStart<'_>)],
        now: Timestamp,
    ) -> Result<Option<Vec<TickMade>>, StoreError> {
        self.transact(STEERING, |store| {
            if !store.set_phase(backfill, phase, backfill.forgiven, now)? {
                return Ok(None);
            }
            let made = starts
                .iter()
                .map(|(at, start)| store.start_tick(backfill, *at, start))
                .collect::<Result<_, _>>()?;
            store.execute(STEERING, queries::BACKFILL_SETTLE, [backfill.number])?;
            Ok(Some(made))
        })
    }

    /// Sets the phase that somebody asked for; `forgiven` failures do not stop it from then on. False if
    /// the backfill is at another version: it is to be read and decided again.
    ///
    /// # Errors
    /// `Full`, `Busy`, `Disk`.
    pub fn steer_backfill(
        &mut self,
        backfill: &Backfill,
        phase: Phase,
        forgiven: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.transact(STEERING, |store| store.set_phase(backfill, phase, forgiven, now))
    }

    fn set_phase(
        &self,
        backfill: &Backfill,
        phase: Phase,
        forgiven: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let ended_at = phase.is_final().then_some(backfill.ended_at.unwrap_or(now).0);
        let version = i64::try_from(backfill.version).unwrap_or(i64::MAX);
        let values = params![backfill.number, version, phase.as_str(), forgiven, ended_at];
        Ok(self.execute(STEERING, queries::BACKFILL_ADVANCE, values)? > 0)
    }

    fn start_tick(
        &self,
        backfill: &Backfill,
        at: Timestamp,
        start: &TickStart<'_>,
    ) -> Result<TickMade, StoreError> {
        let queued = match start {
            TickStart::Run(queued) => queued,
            TickStart::Refused(reason) => {
                self.set_tick(backfill, at, None, Some("refused"), Some(*reason))?;
                return Ok(TickMade::Refused);
            }
        };
        if backfill.order.only_missing
            && let Some(run) = self.run_of_tick(
                &backfill.pipeline,
                &backfill.trigger,
                backfill.environment.as_deref(),
                at,
            )?
        {
            self.set_tick(backfill, at, Some(&run), Some("there"), None)?;
            return Ok(TickMade::There(run));
        }
        // Under the schedule's own key, so that a schedule that makes up for the tick later finds it done.
        // If the schedule was first, this is another run of the tick, and somebody's wish.
        if self.put_into_queue(queued, false)? != Enqueued::New {
            let unkeyed = QueuedRun { key: None, ..*queued };
            self.put_into_queue(&unkeyed, false)?;
        }
        self.set_tick(backfill, at, Some(queued.new.id), None, None)?;
        Ok(TickMade::Started(queued.new.id.clone()))
    }

    fn set_tick(
        &self,
        backfill: &Backfill,
        at: Timestamp,
        run: Option<&RunId>,
        outcome: Option<&str>,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        let values = params![backfill.number, at.0, run.map(RunId::as_str), outcome, reason];
        match self.execute(STEERING, queries::BACKFILL_SET_TICK, values)? {
            // The version says that nobody else was here; a tick that is taken all the same stays so.
            0 => Err(StoreError::Busy { doing: STEERING }),
            _ => Ok(()),
        }
    }
}
