//! Slots of pools: who waits, who has one, and when attempts of late began. Decided in one transaction
//! over all engines on the store.
//!
//! A claim is of a step instance, under the epoch of its run's lease, and counts as long as that lease
//! does: what an engine had when it died, or lost its run, is free at once. A slot is given back in the
//! transaction that says that its attempt is over.

use crate::database::params;
use crate::document;
use crate::error::StoreError;
use crate::queries;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::{Millis, RunId, Timestamp};
use trainyard_domain::pool::{Allotment, Claim, Pool, PoolLimits, allot};
use trainyard_domain::run::{InstanceIx, What};

/// A step instance that wants a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotClaim<'a> {
    pub run: &'a RunId,
    /// Of the lease under which the run is held.
    pub epoch: u64,
    pub step: InstanceIx,
    pub pool: &'a str,
    /// 0 to 100, higher comes first.
    pub priority: u8,
}

/// What became of claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotAnswer {
    /// These have a slot and may start.
    pub granted: Vec<(RunId, InstanceIx)>,
    /// These wait, each for a reason: for people, one sentence.
    pub waiting: Vec<(RunId, InstanceIx, String)>,
    /// After so long there may be room though nobody gives a slot back.
    pub ask_in: Option<Millis>,
}

/// One row of a pool.
struct Row {
    claim: Claim,
    epoch: i64,
    is_held: bool,
    /// Its lease lasts.
    lives: bool,
}

impl Store {
    /// Says what pools allow from now on, over all engines.
    ///
    /// # Errors
    /// `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn declare_pools(&mut self, pools: &BTreeMap<String, PoolLimits>) -> Result<(), StoreError> {
        self.transact("declare pools", |store| store.put_pools(pools))
    }

    /// The same as a part of a transaction.
    pub(crate) fn put_pools(&self, pools: &BTreeMap<String, PoolLimits>) -> Result<(), StoreError> {
        let doing = "declare pools";
        for (name, limits) in pools {
            let limits = document::write(doing, limits)?;
            let known = self.first(doing, queries::POOL_GET, params![name], |row| {
                row.get::<_, String>(0)
            })?;
            if known.as_ref() != Some(&limits) {
                self.execute(doing, queries::POOL_DECLARE, params![name, limits])?;
            }
        }
        Ok(())
    }

    /// Claims slots, gives up claims of steps that do not want one any more, and decides who of all that
    /// wait for these pools gets one. To be called again, with every claim that still waits: another
    /// engine may have given a slot back, or have given one to these.
    ///
    /// A claim under an epoch that is not the run's gets nothing. `now` counts on SQLite, as for leases.
    ///
    /// # Errors
    /// `NoRun`, `Corrupt`, `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn claim_slots(
        &mut self,
        claims: &[SlotClaim<'_>],
        given_up: &[(RunId, u64, InstanceIx)],
        now: Timestamp,
    ) -> Result<SlotAnswer, StoreError> {
        let doing = "claim slots";
        self.transact(doing, |store| {
            let now = store.lease_time(now)?;
            for (run, epoch, step) in given_up {
                store.release_slot(store.number(run)?, *step, *epoch)?;
            }
            let mut mine: BTreeMap<&str, BTreeMap<(i64, InstanceIx), &RunId>> = BTreeMap::new();
            for claim in claims {
                let number = store.number(claim.run)?;
                mine.entry(claim.pool)
                    .or_default()
                    .insert((number, claim.step), claim.run);
                let values = params![
                    number,
                    claim.step,
                    claim.epoch.cast_signed(),
                    claim.pool,
                    claim.priority,
                    now.0
                ];
                store.execute(doing, queries::POOL_CLAIM, values)?;
            }
            let mut answer = SlotAnswer::default();
            for (pool, mine) in mine {
                store.decide_pool(pool, &mine, now, &mut answer)?;
            }
            Ok(answer)
        })
    }

    fn decide_pool(
        &self,
        name: &str,
        mine: &BTreeMap<(i64, InstanceIx), &RunId>,
        now: Timestamp,
        answer: &mut SlotAnswer,
    ) -> Result<(), StoreError> {
        let doing = "claim slots";
        let (mut pool, rows) = self.pool(name, queries::POOL_HOLD, now)?;
        let (living, dead): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.lives);
        for row in dead {
            let values = params![row.claim.run, row.claim.step, row.epoch];
            self.execute(doing, queries::POOL_RELEASE, values)?;
        }
        let (held, waiting): (Vec<Row>, Vec<Row>) = living.into_iter().partition(|row| row.is_held);
        let mut has: BTreeSet<(i64, InstanceIx)> = BTreeSet::new();
        for row in &held {
            *pool.held.entry(row.claim.run).or_default() += 1;
            has.insert((row.claim.run, row.claim.step));
        }
        let claims: Vec<Claim> = waiting.iter().map(|row| row.claim.clone()).collect();
        let allotment = allot(&pool, &claims, now);
        for row in allotment.granted.iter().filter_map(|at| waiting.get(*at)) {
            let values = params![row.claim.run, row.claim.step, row.epoch];
            self.execute(doing, queries::POOL_GRANT, values)?;
            has.insert((row.claim.run, row.claim.step));
        }
        if allotment.starts != pool.starts {
            let starts = document::write(doing, &allotment.starts)?;
            self.execute(doing, queries::POOL_SET_STARTS, params![name, starts])?;
        }
        let reasons = reasons(&allotment, &claims);
        for (key, run) in mine {
            let (step, run) = (key.1, (*run).clone());
            if has.contains(key) {
                answer.granted.push((run, step));
            } else if let Some(reason) = reasons.get(key) {
                answer.waiting.push((run, step, (*reason).to_owned()));
            }
        }
        let ask_in = allotment.ask_at.map(|at| Millis(at.since(now).0 + 1));
        answer.ask_in = [answer.ask_in, ask_in].into_iter().flatten().min();
        Ok(())
    }

    /// Which step instances of a run wait for a slot, and why.
    ///
    /// # Errors
    /// `NoRun`, `Corrupt`, `Disk`.
    pub fn slots_awaited(
        &self,
        run: &RunId,
        now: Timestamp,
    ) -> Result<BTreeMap<InstanceIx, String>, StoreError> {
        let doing = "look into pools";
        let number = self.number(run)?;
        self.in_snapshot(doing, || {
            let names = self.all(doing, queries::POOL_NAMES_OF_RUN, [number], |row| {
                row.get::<_, String>(0)
            })?;
            let now = self.lease_time(now)?;
            let mut awaited = BTreeMap::new();
            for name in names {
                let (mut pool, rows) = self.pool(&name, queries::POOL_GET, now)?;
                let living = rows.into_iter().filter(|row| row.lives);
                let (held, waiting): (Vec<Row>, Vec<Row>) = living.partition(|row| row.is_held);
                for row in &held {
                    *pool.held.entry(row.claim.run).or_default() += 1;
                }
                let claims: Vec<Claim> = waiting.into_iter().map(|row| row.claim).collect();
                let allotment = allot(&pool, &claims, now);
                let reasons = reasons(&allotment, &claims);
                let own = reasons.into_iter().filter(|((run, _), _)| *run == number);
                awaited.extend(own.map(|((_, step), reason)| (step, reason.to_owned())));
            }
            Ok(awaited)
        })
    }

    /// A pool, as yet with nobody in it, and its rows. One that nobody has declared allows everything.
    fn pool(&self, name: &str, get: &'static str, now: Timestamp) -> Result<(Pool, Vec<Row>), StoreError> {
        let doing = "look into pools";
        let found = self.first(doing, get, params![name], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let (limits, starts) = match found {
            Some((limits, starts)) => (document::read(doing, &limits)?, document::read(doing, &starts)?),
            None => (PoolLimits::default(), Vec::new()),
        };
        let rows = self.all(doing, queries::POOL_CLAIMS, params![name, now.0], |row| {
            Ok(Row {
                claim: Claim {
                    run: row.get(0)?,
                    step: row.get(1)?,
                    priority: row.get(3)?,
                    since: Timestamp(row.get(4)?),
                },
                epoch: row.get(2)?,
                is_held: row.get::<_, i64>(5)? == 1,
                lives: row.get(6)?,
            })
        })?;
        let pool = Pool {
            name: name.to_owned(),
            limits,
            held: BTreeMap::new(),
            starts,
        };
        Ok((pool, rows))
    }

    /// Gives back what an event ends.
    pub(crate) fn free_slots(&self, number: i64, epoch: u64, what: &What) -> Result<(), StoreError> {
        match what {
            What::AttemptSucceeded { step, .. }
            | What::AttemptFailed { step, .. }
            | What::AttemptLost { step, .. } => self.release_slot(number, *step, epoch),
            What::RunEnded { .. } => self.send(
                "give back slots",
                queries::POOL_RELEASE_RUN,
                params![number, epoch.cast_signed()],
            ),
            _ => Ok(()),
        }
    }

    /// Of a later epoch it is somebody else's, and stays.
    fn release_slot(&self, number: i64, step: InstanceIx, epoch: u64) -> Result<(), StoreError> {
        let values = params![number, step, epoch.cast_signed()];
        self.send("give back slots", queries::POOL_RELEASE, values)
    }
}

/// Why claims wait, by run and step.
fn reasons<'a>(allotment: &'a Allotment, claims: &[Claim]) -> BTreeMap<(i64, InstanceIx), &'a str> {
    let waiting = allotment.waiting.iter().filter_map(|(at, reason)| {
        let claim = claims.get(*at)?;
        Some(((claim.run, claim.step), reason.as_str()))
    });
    waiting.collect()
}
