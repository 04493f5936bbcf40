//! Pools: limits on how many attempts run at once, and how many start in a span of time, shared by
//! all pipelines and servers on one store.
//!
//! - The order is priority, then who has least of the pool, then age. A claim gains a point of priority
//!   each minute it waits, so after 100 minutes the lowest is before the highest that comes new: nothing
//!   starves, and a fan-out of thousands leaves room for the single step of another run.
//! - Nobody overtakes within the order: whoever is first gets the next slot.
//! - Of a rate, no span of that length ever has more starts than it says, wherever it begins.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::str::FromStr;
use trainyard_contract::{Millis, Timestamp};

/// What a pool allows; none: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolLimits {
    /// Attempts at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Attempts that start in a span of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// So many starts within a span of time, written `10/1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// 1 to [`MOST_STARTS`].
    pub starts: u32,
    pub within: Millis,
}

/// Starts that a rate counts at most; each is remembered for as long as it counts.
pub const MOST_STARTS: u32 = 10_000;

/// A rate's text says something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a number and a time, such as `10/1m`: 1 to {MOST_STARTS} starts within at least 1ms")]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;
    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (starts, within) = text.split_once('/').ok_or(InvalidRate)?;
        let is_number = !starts.is_empty() && starts.bytes().all(|byte| byte.is_ascii_digit());
        let starts = starts.parse().map_err(|_| InvalidRate)?;
        let within: Millis = within.parse().map_err(|_| InvalidRate)?;
        if !is_number || !(1..=MOST_STARTS).contains(&starts) || within.0 == 0 {
            return Err(InvalidRate);
        }
        Ok(Self { starts, within })
    }
}

impl TryFrom<String> for Rate {
    type Error = InvalidRate;
    fn try_from(text: String) -> Result<Self, InvalidRate> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.starts, self.within)
    }
}

/// A step instance that wants a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Number of its run; lower was made earlier.
    pub run: i64,
    pub step: u32,
    /// 0 to 100; higher comes first.
    pub priority: i64,
    pub since: Timestamp,
}

/// A pool as it is now.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    pub name: String,
    pub limits: PoolLimits,
    /// Slots that each run has.
    pub held: BTreeMap<i64, u32>,
    /// When attempts of late began; as many as the rate counts are enough.
    pub starts: Vec<Timestamp>,
}

/// What becomes of the claims on a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allotment {
    /// Claims that have a slot now, by their places in the list, in the order in which they got it.
    pub granted: Vec<usize>,
    /// Those that wait, in their order, each with the reason: for people, one sentence.
    pub waiting: Vec<(usize, String)>,
    /// Starts that count from now on.
    pub starts: Vec<Timestamp>,
    /// When there may be room though nobody gives a slot back.
    pub ask_at: Option<Timestamp>,
}

/// Points of priority with those that a claim has gained by waiting: one a minute.
fn aged(claim: &Claim, now: Timestamp) -> i64 {
    let minutes = i64::try_from(now.since(claim.since).0 / 60_000).unwrap_or(i64::MAX);
    claim.priority.saturating_add(minutes)
}

/// Gives slots to claims as far as there are any. The same arguments give the same slots.
pub fn allot(pool: &Pool, claims: &[Claim], now: Timestamp) -> Allotment {
    let mut taken: u32 = pool.held.values().sum();
    let mut starts = recent(pool, now);
    let mut order = Order::new(pool, claims, now);
    let mut allotment = Allotment::default();
    let mut full = None;
    while let Some(at) = order.next() {
        if full.is_none() {
            full = fullness(pool, taken, &starts);
        }
        match &full {
            None => {
                taken += 1;
                if pool.limits.rate.is_some() {
                    starts.push(now);
                }
                allotment.granted.push(at);
            }
            Some(full) => {
                let reason = match allotment.waiting.len() {
                    0 => full.clone(),
                    before => format!("{full}; {before} before it"),
                };
                allotment.waiting.push((at, reason));
            }
        }
    }
    if let Some(rate) = pool.limits.rate
        && !allotment.waiting.is_empty()
    {
        let counted = starts.len().checked_sub(rate.starts as usize);
        allotment.ask_at = counted
            .and_then(|first| starts.get(first))
            .map(|start| start.plus(rate.within));
    }
    allotment.starts = starts;
    allotment
}

/// Places of claims in the order in which they are served.
struct Order<'a> {
    claims: &'a [Claim],
    now: Timestamp,
    /// Claims of each run, its next last: that is the only one that can be next of all.
    lines: BTreeMap<i64, Vec<usize>>,
    /// The next of each run: priority, slots that the run has, age. The smallest is served first.
    heads: BinaryHeap<Reverse<(i64, u32, Timestamp, i64)>>,
}

impl<'a> Order<'a> {
    fn new(pool: &Pool, claims: &'a [Claim], now: Timestamp) -> Self {
        let mut lines: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (at, claim) in claims.iter().enumerate() {
            lines.entry(claim.run).or_default().push(at);
        }
        for line in lines.values_mut() {
            line.sort_by_key(|at| {
                let claim = &claims[*at];
                Reverse((-aged(claim, now), claim.since, claim.step, *at))
            });
        }
        let runs: Vec<i64> = lines.keys().copied().collect();
        let mut order = Self {
            claims,
            now,
            lines,
            heads: BinaryHeap::new(),
        };
        for run in runs {
            order.queue(run, pool.held.get(&run).copied().unwrap_or(0));
        }
        order
    }

    fn queue(&mut self, run: i64, has: u32) {
        if let Some(at) = self.lines.get(&run).and_then(|line| line.last()) {
            let claim = &self.claims[*at];
            let head = (-aged(claim, self.now), has, claim.since, run);
            self.heads.push(Reverse(head));
        }
    }

    fn next(&mut self) -> Option<usize> {
        let Reverse((_, has, _, run)) = self.heads.pop()?;
        let at = self.lines.get_mut(&run)?.pop()?;
        self.queue(run, has.saturating_add(1));
        Some(at)
    }
}

/// Starts that still count, oldest first. One of the future, by a clock that was set back, counts as now.
fn recent(pool: &Pool, now: Timestamp) -> Vec<Timestamp> {
    let Some(rate) = pool.limits.rate else {
        return Vec::new();
    };
    let mut starts: Vec<Timestamp> = pool
        .starts
        .iter()
        .map(|start| (*start).min(now))
        .filter(|start| start.plus(rate.within) > now)
        .collect();
    starts.sort_unstable();
    starts
}

/// Why there is no room; none if there is.
fn fullness(pool: &Pool, taken: u32, starts: &[Timestamp]) -> Option<String> {
    let name = &pool.name;
    if let Some(slots) = pool.limits.slots.filter(|slots| taken >= *slots) {
        return Some(format!("pool `{name}` has {taken} of {slots} slots taken"));
    }
    let rate = pool.limits.rate?;
    (starts.len() >= rate.starts as usize).then(|| {
        format!(
            "pool `{name}` has started {} within {}",
            starts.len(),
            rate.within
        )
    })
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
