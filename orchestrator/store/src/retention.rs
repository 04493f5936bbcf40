//! What is removed when it is old, so that the database stays small.
//!
//! A run goes in two steps, each of short transactions. First it is gone for everybody: its row and whatever
//! refers to that, in one transaction, which leaves a mark with its id and the time. Then its events go, and with
//! them what only they explain: results, artifacts and lineage. A process that dies in between leaves the
//! mark, by which the next one goes on. What steps have used stays counted by month.

use crate::database::{Database, params};
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::run::event_id;
use crate::store::Store;
use std::collections::BTreeSet;
use trainyard_contract::{ContentHash, Millis, OutputValue, RunId, Timestamp};
use trainyard_domain::run::{CachePolicy, Event, RunDefinition, What};

/// So many removed runs are remembered.
const REMEMBERED: i64 = 100_000;

const LOOKING: &str = "look for runs to remove";
const REMOVING: &str = "remove runs";
const CLEARING: &str = "clear what removed runs have left";

/// Which runs may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removable {
    /// They ended before this.
    pub ended_before: Timestamp,
    /// So many newest runs of each pipeline in each environment stay, whatever their age; at least 1.
    pub keep_last: u32,
}

/// How far a walk over runs has come, oldest end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    ended_at: i64,
    number: i64,
}

impl Default for Walked {
    fn default() -> Self {
        Self {
            ended_at: i64::MIN,
            number: i64::MIN,
        }
    }
}

/// One leg of a walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovableRuns {
    pub runs: Vec<RunId>,
    /// Where the walk goes on; none at its end.
    pub next: Option<Walked>,
}

/// What one transaction has cleared of removed runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    pub events: u64,
    /// Whether there may be more.
    pub more: bool,
}

/// A run that retention has removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedRun {
    pub run: RunId,
    pub at: Timestamp,
}

/// A removed run of which rows remain.
struct Rest {
    position: i64,
    number: i64,
    id: String,
}

impl Store {
    /// Looks at the next `limit` ended runs of a walk that nothing needs, and gives those that may go. A run
    /// stays that is among the last of its pipeline and environment, or the last there that succeeded; that has
    /// registered a model version, or written the present snapshot of a feature view; one of whose results a kept run has taken, or that holds yet by the `ttl`
    /// of its step; and one that somebody has asked something of.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn removable_runs(
        &self,
        rule: Removable,
        from: Walked,
        limit: u32,
        now: Timestamp,
    ) -> Result<RemovableRuns, StoreError> {
        let values = params![
            rule.ended_before.0,
            rule.keep_last.saturating_sub(1),
            from.ended_at,
            from.number,
            limit
        ];
        let found = self.all(LOOKING, queries::RETENTION_OLD, values, |row| {
            Ok(Walked {
                number: row.get(0)?,
                ended_at: row.get(1)?,
            })
        })?;
        let next = found.last().filter(|_| found.len() >= limit as usize).copied();
        let mut runs = Vec::new();
        for walked in found {
            let run = match self.run_id(walked.number) {
                Ok(run) => run,
                // Another process was faster.
                Err(StoreError::NoRun(_)) => continue,
                Err(error) => return Err(error),
            };
            match self.definition(&run, walked.number) {
                Ok(definition) if holds_until(&definition, Timestamp(walked.ended_at)) <= now => {
                    runs.push(run);
                }
                // A run of a newer version is for that version to remove, and a damaged one for people.
                Ok(_) | Err(StoreError::NewerDefinition { .. } | StoreError::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(RemovableRuns { runs, next })
    }

    /// Removes runs that [`Store::removable_runs`] gave, in one transaction, those excepted that something has
    /// come to need since. Gives how many are gone; [`Store::clear_removed`] removes what they leave.
    ///
    /// # Errors
    /// `Corrupt`, `Full`, `ReadOnly`, `Busy`, `Disk`: nothing is removed.
    pub fn remove_runs(
        &mut self,
        runs: &[RunId],
        rule: Removable,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        for run in runs {
            self.ledgers.get_mut().remove(run);
        }
        self.transact(REMOVING, |store| {
            let mut gone = 0;
            for run in runs {
                gone += u64::from(store.remove_run(run, rule, now)?);
            }
            store.execute(REMOVING, queries::RETENTION_FORGET, [REMEMBERED])?;
            Ok(gone)
        })
    }

    fn remove_run(&self, run: &RunId, rule: Removable, now: Timestamp) -> Result<bool, StoreError> {
        let number = match self.number(run) {
            Ok(number) => number,
            Err(StoreError::NoRun(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let is_ours = self.first(REMOVING, queries::RETENTION_HOLD, [number], |_| Ok(()))?;
        let values = params![number, rule.ended_before.0];
        let is_free = self.first(REMOVING, queries::RETENTION_STILL, values, |_| Ok(()))?;
        if is_ours.is_none() || is_free.is_none() {
            return Ok(false);
        }
        for sql in [
            queries::RETENTION_DROP_DEFINITION,
            queries::RETENTION_DROP_DURATIONS,
            queries::RETENTION_DROP_APPROVALS,
            queries::RETENTION_DROP_QUEUE,
            queries::RETENTION_DROP_CLAIMS,
            queries::RETENTION_DROP_KEYS,
            queries::RETENTION_DROP_FEATURE_WRITES,
            queries::RETENTION_DROP_REUSES,
            queries::RETENTION_LOOSEN_FIRINGS,
            queries::RETENTION_DROP_RUN,
        ] {
            self.send(REMOVING, sql, [number])?;
        }
        self.send(
            REMOVING,
            queries::RETENTION_BURY,
            params![number, run.as_str(), now.0],
        )?;
        Ok(true)
    }

    /// Clears some of what removed runs have left, in one transaction: about `limit` events, with the results,
    /// artifacts and lineage that come of them and that no kept run shares.
    ///
    /// # Errors
    /// `Corrupt`, `Full`, `ReadOnly`, `Disk`: nothing is cleared; nor is it on `Busy`, which on PostgreSQL comes
    /// at once when a turn is writing lineage.
    pub fn clear_removed(&mut self, limit: u32) -> Result<Cleared, StoreError> {
        if self.rest()?.is_none() {
            return Ok(Cleared::default());
        }
        self.transact(CLEARING, |store| {
            store.first(CLEARING, queries::RETENTION_LOCK_LINEAGE, [], |_| Ok(()))?;
            let (mut events, mut steps) = (0, 0);
            while events + steps < u64::from(limit) {
                let room = u64::from(limit) - events - steps;
                let Some(rest) = store.rest()? else {
                    return Ok(Cleared { events, more: false });
                };
                let found = store.clear_events(rest.number, room)?;
                events += found;
                if found >= room {
                    break;
                }
                let found_steps = store.clear_steps(&rest.id, room - found)?;
                steps += found_steps;
                if found + found_steps >= room {
                    break;
                }
                store.send(CLEARING, queries::RETENTION_DROP_RUN_NODE, [rest.id])?;
                store.send(CLEARING, queries::RETENTION_SETTLE, [rest.position])?;
                // A run without events is work as well.
                steps += 1;
            }
            Ok(Cleared { events, more: true })
        })
    }

    fn rest(&self) -> Result<Option<Rest>, StoreError> {
        self.first(CLEARING, queries::RETENTION_REST, [], |row| {
            Ok(Rest {
                position: row.get(0)?,
                number: row.get(1)?,
                id: row.get(2)?,
            })
        })
    }

    /// The first `limit` events of a removed run, and what they explain. Gives how many there were.
    fn clear_events(&self, number: i64, limit: u64) -> Result<u64, StoreError> {
        let (before, last) = (event_id(number, 0), event_id(number, u64::MAX));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.all(
            CLEARING,
            queries::EVENT_RANGE,
            params![before, last, limit],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
        )?;
        let Some((up_to, _)) = rows.last() else {
            return Ok(0);
        };
        let (mut keys, mut hashes) = (BTreeSet::new(), BTreeSet::new());
        for (_, body) in &rows {
            // A damaged event must not keep a run for ever; what it alone explains leads nowhere from now on.
            if let Ok(event) = document::read::<Event>(CLEARING, body) {
                explain(event.what, &mut keys, &mut hashes);
            }
        }
        for key in keys {
            self.send(
                CLEARING,
                queries::RETENTION_DROP_RESULT,
                params![key.as_bytes(), before, last],
            )?;
        }
        for hash in &hashes {
            self.send(
                CLEARING,
                queries::RETENTION_DROP_ARTIFACT,
                params![hash.as_bytes(), before, last],
            )?;
        }
        for hash in hashes {
            let values = params![hash.to_string(), hash.as_bytes()];
            self.send(CLEARING, queries::RETENTION_DROP_EDGES_FROM_CONTENT, values)?;
            self.send(CLEARING, queries::RETENTION_DROP_EDGES_TO_CONTENT, values)?;
            self.send(CLEARING, queries::RETENTION_DROP_CONTENT, values)?;
        }
        self.send(CLEARING, queries::RETENTION_DROP_EVENTS, params![before, *up_to])?;
        Ok(rows.len() as u64)
    }

    /// The first `limit` steps of a removed run in the lineage, and versions of datasets that only they have
    /// read. Gives how many there were.
    fn clear_steps(&self, run: &str, limit: u64) -> Result<u64, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let id = |row: &crate::database::Row<'_>| row.get::<_, i64>(0);
        let steps = self.all(CLEARING, queries::RETENTION_STEPS, params![run, limit], id)?;
        for step in &steps {
            let read = self.all(CLEARING, queries::RETENTION_VERSIONS_READ, [*step], id)?;
            self.send(CLEARING, queries::RETENTION_DROP_EDGES_FROM, [*step])?;
            self.send(CLEARING, queries::RETENTION_DROP_EDGES_TO, [*step])?;
            self.send(CLEARING, queries::RETENTION_DROP_NODE, [*step])?;
            for version in read {
                self.send(CLEARING, queries::RETENTION_DROP_EDGES_TO_UNREAD, [version])?;
                self.send(CLEARING, queries::RETENTION_DROP_UNREAD, [version])?;
            }
        }
        Ok(steps.len() as u64)
    }

    /// Removes firings before a time, oldest first; looks at `limit` of them.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn remove_firings(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let doing = "remove firings";
        let values = params![before.0, limit];
        self.transact(doing, |store| {
            Ok(store.execute(doing, queries::RETENTION_DROP_FIRINGS, values)? as u64)
        })
    }

    /// Removed runs that are remembered, after a place among them, in the order in which they went; each with
    /// its place.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn removed_runs(&self, after: i64, limit: u32) -> Result<Vec<(i64, RunId)>, StoreError> {
        let doing = "list removed runs";
        let rows = self.all(doing, queries::RETENTION_REMOVED, params![after, limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.into_iter()
            .map(|(position, id)| Ok((position, id.parse().map_err(unreadable(doing))?)))
            .collect()
    }

    /// The removed run that a text means: an id, or the last four or more characters of one alone. Only the
    /// hundred thousand that went last are known.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn removed_run(&self, text: &str) -> Result<Option<RemovedRun>, StoreError> {
        const SHORTEST: usize = 4;
        let doing = "find a removed run";
        let sql = if text.parse::<RunId>().is_ok() {
            queries::RETENTION_GET_REMOVED
        } else if text.len() >= SHORTEST && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        {
            queries::RETENTION_FIND_REMOVED
        } else {
            return Ok(None);
        };
        let found = self.all(doing, sql, [text], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        })?;
        let [(id, at)] = found.as_slice() else {
            return Ok(None);
        };
        Ok(Some(RemovedRun {
            run: id.parse().map_err(unreadable(doing))?,
            at: Timestamp(*at),
        }))
    }

    /// Gives the space of what was removed back to the file system. Slow, and nobody else may write
    /// meanwhile: SQLite uses such space again by itself. A PostgreSQL server sees to this itself.
    ///
    /// # Errors
    /// `Busy` if another process uses the database; `Full`, `Disk`.
    pub fn compact(&mut self) -> Result<(), StoreError> {
        let doing = "compact the database";
        match &self.database {
            Database::Sqlite(sqlite) => {
                sqlite.execute(doing, "VACUUM", &[])?;
                self.checkpoint()
            }
            Database::Postgres(_) => Ok(()),
        }
    }
}

/// Keys of results and hashes of artifacts that stand for an event.
fn explain(what: What, keys: &mut BTreeSet<ContentHash>, hashes: &mut BTreeSet<ContentHash>) {
    let outputs = match what {
        What::AttemptStarted { key: Some(key), .. } => {
            keys.insert(key);
            return;
        }
        What::AttemptSucceeded { outputs, .. } => outputs,
        What::AttemptFailed { kept, .. } => kept,
        _ => return,
    };
    hashes.extend(outputs.values().filter_map(|value| match value {
        OutputValue::Artifact(artifact) => Some(artifact.hash),
        OutputValue::Value(_) => None,
    }));
}

/// Until when a result of a run that ended then holds by what its steps say; its end where none says so.
fn holds_until(definition: &RunDefinition, ended_at: Timestamp) -> Timestamp {
    let ttl = definition
        .instances
        .iter()
        .filter_map(|instance| match &instance.cache {
            CachePolicy::On { ttl, .. } => *ttl,
            CachePolicy::Off => None,
        });
    ended_at.plus(ttl.max().unwrap_or(Millis(0)))
}
