//! Runs that wait for an engine to take them.
//!
//! Whoever asks for a run need not be the process that carries it out. A queued run stands here with
//! what its start needs besides the definition; an engine takes it by its lease. A run that somebody
//! drives in a process of their own (`trainyard run`) is not here, so that no engine takes it away
//! from them while they live, or after they interrupted it.

use crate::database::params;
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::inbox::Request;
use crate::lease::{Lease, LeaseRow, Owner};
use crate::queries;
use crate::run::NewRun;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeSet;
use trainyard_contract::{ContentHash, Millis, RunId, Timestamp};
use trainyard_domain::notice;
use trainyard_domain::run::InstanceIx;
use trainyard_domain::trigger::Place;

/// How long a repeated request is recognised.
const KEYS_KEPT: Millis = Millis(7 * 86_400_000);

const QUEUEING: &str = "queue a run";

/// Priority of a run that says nothing about it; 0 to 100, higher starts first.
pub const DEFAULT_PRIORITY: u8 = 50;

/// What the start of a queued run needs besides its definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueOptions {
    /// It was its turn; engines may take it. First, since statements look for it there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admitted: bool,
    /// Only these instances; all of them if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<BTreeSet<InstanceIx>>,
    /// Whether earlier results are taken.
    pub reuse: bool,
    /// Where it stands among other runs; taken from its definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Place>,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            admitted: false,
            select: None,
            reuse: true,
            concurrency: None,
        }
    }
}

/// What makes a request recognisable when it is sent again.
#[derive(Clone, Copy, Debug)]
pub struct IdempotencyKey<'a> {
    /// Keys of different scopes have nothing to do with each other.
    pub scope: &'a str,
    pub key: &'a str,
    /// Hash of what was asked.
    pub request: ContentHash,
}

/// A run to be kept and put into the queue.
#[derive(Clone, Copy, Debug)]
pub struct QueuedRun<'a> {
    pub new: NewRun<'a>,
    /// 0 to 100, higher starts first.
    pub priority: u8,
    pub options: &'a QueueOptions,
    pub key: Option<IdempotencyKey<'a>>,
}

/// What came of a request for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// The run is in the queue.
    New,
    /// The same request was made before, and had made this run.
    Repeated(RunId),
    /// The key was used before, for another request.
    KeyTaken(RunId),
}

impl Store {
    /// Keeps a new run and puts it into the queue, unless its key says that this was done before;
    /// durable when it returns.
    ///
    /// # Errors
    /// `RunExists`, `Full`, `Busy`, `Disk`.
    pub fn enqueue_run(&mut self, queued: &QueuedRun<'_>) -> Result<Enqueued, StoreError> {
        let tried = Cell::new(false);
        self.transact(QUEUEING, |store| {
            store.put_into_queue(queued, tried.replace(true))
        })
    }

    /// The same as a part of a transaction. `was_tried` says that the transaction may have been kept
    /// before, and its answer lost.
    pub(crate) fn put_into_queue(
        &self,
        queued: &QueuedRun<'_>,
        was_tried: bool,
    ) -> Result<Enqueued, StoreError> {
        if let Some(earlier) = queued
            .key
            .map(|key| self.earlier_request(&key))
            .transpose()?
            .flatten()
        {
            return Ok(match earlier {
                Enqueued::Repeated(run) if was_tried && run == *queued.new.id => Enqueued::New,
                earlier => earlier,
            });
        }
        let body = document::write(QUEUEING, queued.new.definition)?;
        let options = QueueOptions {
            concurrency: queued.new.definition.concurrency.clone(),
            ..queued.options.clone()
        };
        let options = document::write(QUEUEING, &options)?;
        let number = self.insert_run(&queued.new, &body, was_tried)?;
        self.execute(
            QUEUEING,
            queries::QUEUE_PUT,
            params![number, queued.priority.min(100), options],
        )?;
        let new = &queued.new;
        self.put_notices(&[notice::queued(new.id, new.definition, new.by, new.created_at)])?;
        if let Some(key) = queued.key {
            let created_at = queued.new.created_at.0;
            let oldest = created_at - i64::try_from(KEYS_KEPT.0 * 1000).unwrap_or(0);
            self.execute(QUEUEING, queries::IDEMPOTENCY_FORGET, [oldest])?;
            let values = params![key.scope, key.key, key.request.as_bytes(), number, created_at];
            if self.execute(QUEUEING, queries::IDEMPOTENCY_PUT, values)? == 0 {
                // The same request, made at the same time, was faster. Asked again, it is found.
                return Err(StoreError::Busy { doing: QUEUEING });
            }
        }
        Ok(Enqueued::New)
    }

    /// Hands a run to the engines: one that ended, was interrupted or lost its engine. With a request,
    /// that is the first thing its next engine does.
    ///
    /// # Errors
    /// `NoRun`, `Removed`, `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn hand_over(
        &mut self,
        run: &RunId,
        request: Option<&Request>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "hand a run to the engines";
        let number = self.number(run).map_err(|error| self.or_gone(run, error))?;
        let request = request
            .map(|request| document::write(doing, request))
            .transpose()?;
        let handed_over = self.transact(doing, |store| {
            let placed = store.place_of(number)?;
            let options = QueueOptions {
                admitted: false,
                concurrency: placed.concurrency,
                ..store.queue_options(run)?
            };
            let options = document::write(doing, &options)?;
            store.execute(
                doing,
                queries::QUEUE_PUT,
                params![
                    number,
                    placed.priority.unwrap_or(DEFAULT_PRIORITY).min(100),
                    options
                ],
            )?;
            // It may be there still from the time before; then it waits for its turn anew.
            store.execute(doing, queries::QUEUE_SET_OPTIONS, params![number, options])?;
            if let Some(body) = &request {
                store.execute(doing, queries::REQUEST_INSERT, params![number, body, at.0])?;
            }
            Ok(())
        });
        handed_over.map_err(|error| self.or_gone(run, error))
    }

    /// Runs that the engine `here` may try to take: queued ones whose turn it is, those with requests that nobody owns,
    /// those whose lease has ended, and those whose owner is a process of this machine that is gone; with
    /// `own`, also those that stand under this very engine's name. Most urgent first, about `limit` of
    /// them; the lease says in the end who has a run. `now` counts on SQLite, as for leases.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`, `Unreachable`.
    pub fn takeable_runs(
        &self,
        here: &Owner,
        own: bool,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<RunId>, StoreError> {
        let doing = "look into the queue";
        let now = self.lease_time(now)?;
        let held = self.all(
            doing,
            queries::QUEUE_HELD,
            params![now.0, here.host, here.boot],
            |row| Ok((row.get::<_, String>(0)?, LeaseRow::read_from(row, 1)?)),
        )?;
        let left = held.into_iter().filter_map(|(id, lease)| {
            let owner = Lease::from(lease).owner;
            let is_left = if owner == *here { own } else { owner.is_gone() };
            is_left.then_some(id)
        });
        let free = self.all(doing, queries::QUEUE_FREE, params![now.0, limit], |row| {
            row.get::<_, String>(0)
        })?;
        left.chain(free)
            .map(|id| id.parse().map_err(unreadable(doing)))
            .collect()
    }

    /// What a run's start needs; as usual if it was not queued.
    ///
    /// # Errors
    /// `NoRun`, `Corrupt`, `Disk`.
    pub fn queue_options(&self, run: &RunId) -> Result<QueueOptions, StoreError> {
        let doing = "look into the queue";
        let number = self.number(run)?;
        let body = self.first(doing, queries::QUEUE_OPTIONS, [number], |row| {
            row.get::<_, String>(0)
        })?;
        body.map_or_else(
            || Ok(QueueOptions::default()),
            |body| document::read(doing, &body),
        )
    }

    /// Takes runs that are over out of the queue; those with requests stay.
    ///
    /// # Errors
    /// `NoRun`, `Full`, `Busy`, `Disk`.
    pub fn leave_queue(&mut self, runs: &[RunId]) -> Result<(), StoreError> {
        let doing = "leave the queue";
        self.transact(doing, |store| {
            for run in runs {
                let number = store.number(run)?;
                store.execute(doing, queries::QUEUE_LEAVE, [number])?;
            }
            Ok(())
        })
    }

    /// The run that a request of that key made.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn run_of_key(&self, scope: &str, key: &str) -> Result<Option<RunId>, StoreError> {
        let key = IdempotencyKey {
            scope,
            key,
            request: ContentHash::of(b""),
        };
        Ok(self.earlier_request(&key)?.and_then(|found| match found {
            Enqueued::Repeated(run) | Enqueued::KeyTaken(run) => Some(run),
            Enqueued::New => None,
        }))
    }

    /// How many runs wait to be started.
    ///
    /// # Errors
    /// `Disk`.
    pub fn queue_length(&self) -> Result<u64, StoreError> {
        let count = self.first("look into the queue", queries::QUEUE_COUNT, [], |row| {
            row.get::<_, i64>(0)
        })?;
        Ok(count.unwrap_or(0).unsigned_abs())
    }

    /// Forgets what it holds of runs in memory; for connections that many different runs are read by.
    pub fn forget_runs(&self) {
        self.ledgers.borrow_mut().clear();
    }

    /// What came of an earlier request under that key: the same one, or another; none if there was none.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn earlier_request(&self, key: &IdempotencyKey<'_>) -> Result<Option<Enqueued>, StoreError> {
        let doing = "look for an earlier request";
        let found = self.first(
            doing,
            queries::IDEMPOTENCY_GET,
            params![key.scope, key.key],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)),
        )?;
        let Some((run, request)) = found else {
            return Ok(None);
        };
        let run: RunId = run.parse().map_err(unreadable(doing))?;
        Ok(Some(if request == key.request.as_bytes() {
            Enqueued::Repeated(run)
        } else {
            Enqueued::KeyTaken(run)
        }))
    }
}
