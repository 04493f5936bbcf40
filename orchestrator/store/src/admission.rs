//! Who starts now: concurrency groups and priorities, decided in one transaction over all engines.
//!
//! A queued run is taken by an engine only after it was admitted, which stands in its row. Runs that
//! have been admitted count against their group's limit from then on until they are over.

use crate::database::params;
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::inbox::Request;
use crate::queries;
use crate::queue::{DEFAULT_PRIORITY, QueueOptions};
use crate::run::event_id;
use crate::store::Store;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{RunId, Timestamp};
use trainyard_domain::pipeline::spec::policy::OnLimit;
use trainyard_domain::run::{Event, RunOutcome, What};
use trainyard_domain::trigger::{Active, Capacity, Place, Policy, Queued, Ruling, Verdict, admit};

/// A run that never starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedAway {
    pub run: RunId,
    pub outcome: RunOutcome,
    /// For people, one sentence.
    pub reason: String,
}

/// What was decided of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Runs that never start. They are given again until somebody has ended them.
    pub turned_away: Vec<TurnedAway>,
    /// Runs that go on were asked to stop: there are requests for their engines.
    pub has_asked: bool,
}

/// A row of the queue whose turn has not come.
struct Waiter {
    number: i64,
    queued: Queued,
    options: QueueOptions,
}

/// What a definition says of its run among others.
#[derive(Default, Deserialize)]
pub(crate) struct Placed {
    #[serde(default)]
    pub(crate) concurrency: Option<Place>,
    #[serde(default)]
    pub(crate) priority: Option<u8>,
}

/// Everybody whom limits concern, at one time.
#[derive(Default)]
struct Crowd {
    waiters: Vec<Waiter>,
    active: Vec<Active>,
    numbers: BTreeMap<String, i64>,
    /// Cancelled while they waited, and by whom.
    cancelled: Vec<(String, String)>,
}

impl Store {
    /// Admits queued runs, at most `room`, and asks those to stop that have to make way.
    ///
    /// # Errors
    /// `Corrupt`, `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn admit_runs(&mut self, room: usize, now: Timestamp) -> Result<Admitted, StoreError> {
        let doing = "decide which runs start";
        if self
            .first(doing, queries::QUEUE_WAITING, [], |_| Ok(()))?
            .is_none()
        {
            return Ok(Admitted::default());
        }
        self.transact(doing, |store| {
            store.decide_alone()?;
            let mut crowd = store.crowd(None, now)?;
            let active = crowd.active.len().saturating_add(room);
            let capacity = Capacity {
                runs: Some(u32::try_from(active).unwrap_or(u32::MAX)),
            };
            let queued: Vec<Queued> = crowd.waiters.iter().map(|waiter| waiter.queued.clone()).collect();
            let rulings = admit(&queued, &crowd.active, capacity, now);
            let started: BTreeSet<&str> = of(&rulings, Verdict::Start).map(|one| one.run.as_str()).collect();
            for waiter in &mut crowd.waiters {
                if started.contains(waiter.queued.run.as_str()) {
                    waiter.options.admitted = true;
                    let options = document::write(doing, &waiter.options)?;
                    store.execute(doing, queries::QUEUE_SET_OPTIONS, params![waiter.number, options])?;
                }
            }
            let has_asked = store.ask_to_stop(&crowd, &rulings, now)?;
            let turned_away = rulings.iter().filter_map(|ruling| {
                let outcome = match ruling.verdict {
                    Verdict::Skip => RunOutcome::Cancelled,
                    Verdict::Fail => RunOutcome::Failed,
                    _ => return None,
                };
                Some((ruling.run.clone(), outcome, ruling.reason.clone()))
            });
            let cancelled = crowd.cancelled.iter().map(|(run, by)| {
                (
                    run.clone(),
                    RunOutcome::Cancelled,
                    format!("cancelled by {by} before it started"),
                )
            });
            let turned_away = turned_away.chain(cancelled).map(|(run, outcome, reason)| {
                Ok(TurnedAway {
                    run: run.parse().map_err(unreadable(doing))?,
                    outcome,
                    reason,
                })
            });
            Ok(Admitted {
                turned_away: turned_away.collect::<Result<_, StoreError>>()?,
                has_asked,
            })
        })
    }

    /// Whether a run may start that somebody drives in a process of their own, whose lease is held; else
    /// what becomes of it.
    ///
    /// # Errors
    /// As [`Store::admit_runs`].
    pub fn admit_by_hand(
        &mut self,
        run: &RunId,
        place: &Place,
        priority: Option<u8>,
        now: Timestamp,
    ) -> Result<Option<TurnedAway>, StoreError> {
        let doing = "decide whether a run starts";
        self.transact(doing, |store| {
            store.decide_alone()?;
            let mut crowd = store.crowd(Some(place), now)?;
            // Of two that come at once, both see each other and neither starts: never one too many.
            crowd.active.retain(|active| active.run != run.as_str());
            let mut queued: Vec<Queued> = crowd.waiters.iter().map(|waiter| waiter.queued.clone()).collect();
            queued.push(Queued {
                run: run.to_string(),
                group: place.group.clone(),
                policy: place.policy,
                priority: i64::from(priority.unwrap_or(DEFAULT_PRIORITY)),
                since: now,
            });
            let mut rulings = admit(&queued, &crowd.active, Capacity::default(), now);
            // What is decided of others is for engines.
            rulings.retain(|ruling| ruling.run == run.as_str() || ruling.verdict == Verdict::Cancel);
            let own = rulings.iter().find(|ruling| ruling.run == run.as_str()).cloned();
            if place.policy.on_limit == OnLimit::CancelRunning {
                store.ask_to_stop(&crowd, &rulings, now)?;
            }
            Ok(own.and_then(|ruling| {
                let (outcome, reason) = match ruling.verdict {
                    Verdict::Start => return None,
                    Verdict::Fail => (RunOutcome::Failed, ruling.reason),
                    Verdict::Wait => (
                        RunOutcome::Cancelled,
                        format!(
                            "{}; a run by hand does not wait: start it again when there is room, or ask the server for it",
                            ruling.reason
                        ),
                    ),
                    _ => (RunOutcome::Cancelled, ruling.reason),
                };
                Some(TurnedAway {
                    run: run.clone(),
                    outcome,
                    reason,
                })
            }))
        })
    }

    /// Why a queued run has not started; none if nothing but an engine is missing.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn waits_because(&self, run: &RunId, now: Timestamp) -> Result<Option<String>, StoreError> {
        let crowd = self.in_snapshot("look into the queue", || self.crowd(None, now))?;
        let queued: Vec<Queued> = crowd.waiters.into_iter().map(|waiter| waiter.queued).collect();
        let rulings = admit(&queued, &crowd.active, Capacity::default(), now);
        let own = rulings
            .into_iter()
            .find(|ruling| ruling.run == run.as_str() && ruling.verdict == Verdict::Wait);
        Ok(own.map(|ruling| ruling.reason))
    }

    /// Nobody else decides until the transaction ends.
    fn decide_alone(&self) -> Result<(), StoreError> {
        self.first("decide which runs start", queries::QUEUE_ALONE, [], |_| Ok(()))
            .map(|_| ())
    }

    fn crowd(&self, by_hand: Option<&Place>, now: Timestamp) -> Result<Crowd, StoreError> {
        let doing = "look into the queue";
        let now = self.lease_time(now)?;
        let mut crowd = Crowd::default();
        let rows = self.all(doing, queries::QUEUE_WAITING, [], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, i64>(4)?,
                row.get::<_, String>(5)?,
                row.get::<_, bool>(6)?,
            ))
        })?;
        for (run, number, priority, options, created, status, asked) in rows {
            let options: QueueOptions = document::read(doing, &options)?;
            let is_new = status == "queued";
            if is_new
                && asked
                && let Some(by) = self.cancelled_by(number)?
            {
                crowd.cancelled.push((run, by));
                continue;
            }
            let place = seat(options.concurrency.clone(), &run);
            let policy = if is_new {
                place.policy
            } else {
                // Who asks for a run again waits for its group, whatever new runs do.
                Policy {
                    on_limit: OnLimit::Queue,
                    max_queued: u32::MAX,
                    ..place.policy
                }
            };
            let queued = Queued {
                run,
                group: place.group,
                policy,
                priority,
                since: Timestamp(created),
            };
            crowd.waiters.push(Waiter {
                number,
                queued,
                options,
            });
        }
        let by_hand = by_hand.filter(|place| place.policy.on_limit == OnLimit::CancelRunning);
        // Only for them it counts who is stopping.
        let makes_way: BTreeSet<&str> = crowd
            .waiters
            .iter()
            .filter(|waiter| waiter.queued.policy.on_limit == OnLimit::CancelRunning)
            .map(|waiter| waiter.queued.group.as_str())
            .chain(by_hand.map(|place| place.group.as_str()))
            .collect();
        let rows = self.all(doing, queries::QUEUE_ACTIVE, [now.0], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get::<_, i64>(3)?,
            ))
        })?;
        let mut active = Vec::with_capacity(rows.len());
        for (run, number, options, created) in rows {
            let place = match options {
                Some(options) => document::read::<QueueOptions>(doing, &options)?.concurrency,
                None => self.place_of(number)?.concurrency,
            };
            let group = seat(place, &run).group;
            let is_stopping = makes_way.contains(group.as_str()) && self.is_stopping(number)?;
            crowd.numbers.insert(run.clone(), number);
            active.push(Active {
                run,
                group,
                started: Timestamp(created),
                is_stopping,
            });
        }
        crowd.active = active;
        Ok(crowd)
    }

    /// Leaves requests for runs that have to make way; says whether there are any.
    fn ask_to_stop(&self, crowd: &Crowd, rulings: &[Ruling], now: Timestamp) -> Result<bool, StoreError> {
        let doing = "ask a run to make way";
        let mut has_asked = false;
        for ruling in of(rulings, Verdict::Cancel) {
            if let Some(number) = crowd.numbers.get(&ruling.run) {
                let request = Request::Cancel {
                    by: format!("its concurrency group: {}", ruling.reason),
                };
                let body = document::write(doing, &request)?;
                self.execute(doing, queries::REQUEST_INSERT, params![*number, body, now.0])?;
                has_asked = true;
            }
        }
        Ok(has_asked)
    }

    /// The place in a run's definition.
    pub(crate) fn place_of(&self, number: i64) -> Result<Placed, StoreError> {
        let doing = "read a run's definition";
        let body = self.first(doing, queries::RUN_DEFINITION, [number], |row| {
            row.get::<_, String>(0)
        })?;
        let placed = body
            .map(|body| document::read::<Placed>(doing, &body))
            .transpose()?;
        Ok(placed.unwrap_or_default())
    }

    fn cancelled_by(&self, number: i64) -> Result<Option<String>, StoreError> {
        let doing = "look for requests";
        let bodies = self.all(doing, queries::REQUEST_TAKE, [number], |row| {
            row.get::<_, String>(1)
        })?;
        for body in bodies {
            if let Request::Cancel { by } = document::read(doing, &body)? {
                return Ok(Some(by));
            }
        }
        Ok(None)
    }

    /// Whether a run was asked to stop, and has not been asked to try again since.
    fn is_stopping(&self, number: i64) -> Result<bool, StoreError> {
        if self.cancelled_by(number)?.is_some() {
            return Ok(true);
        }
        let doing = "look whether a run is to stop";
        let values = params![event_id(number, 0), event_id(number, u64::MAX)];
        let bodies = self.all(doing, queries::QUEUE_STOPS, values, |row| row.get::<_, String>(0))?;
        for body in bodies {
            match document::read::<Event>(doing, &body)?.what {
                What::CancelAsked { .. } => return Ok(true),
                What::RetryAsked { .. } => return Ok(false),
                _ => {}
            }
        }
        Ok(false)
    }
}

fn of(rulings: &[Ruling], verdict: Verdict) -> impl Iterator<Item = &Ruling> {
    rulings.iter().filter(move |ruling| ruling.verdict == verdict)
}

/// A run without a group is alone in its own.
fn seat(place: Option<Place>, run: &str) -> Place {
    place.unwrap_or_else(|| Place {
        group: run.to_owned(),
        policy: Policy::of(None),
    })
}
