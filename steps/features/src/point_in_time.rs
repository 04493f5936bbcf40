//! Point-in-time joins: for each entity row, the row of a feature view that was the newest one at
//! the entity row's time.
//!
//! A view's row is a candidate for an entity row if it has the same keys, its event time is not later
//! than the entity row's and, with a ttl, not earlier than that minus the ttl; both ends are in. Of the
//! candidates the one with the largest event time is found, then that with the largest created time,
//! then the last in the order of the view's rows. With [`KnownBy::Created`] a row must have been
//! created by then as well. A key that is missing equals nothing.
//!
//! Only the entity rows are held in memory: they are grouped by key and sorted by time once
//! ([`Moments`]), and any number of views with these keys are streamed past them ([`Search`]), in any
//! order and in pieces of any size. Each view's row is put at the first entity row that may see it, if it
//! beats what is there; when all rows have passed, one sweep hands the best on to later entity rows.

mod keys;
mod moments;
mod search;

pub use keys::{KeyColumn, KeyFault, Keys};
pub use moments::Moments;
pub use search::{Found, Search, Tally, ViewRows};

/// Stands for a key that is missing or that no entity row has.
pub const NO_KEY: u32 = u32::MAX;

/// Stands for a time that is missing.
pub const NO_TIME: i64 = i64::MIN;

/// Which times of a view's row must have passed at the entity row's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KnownBy {
    /// The event's. The created time only decides between rows of one event time.
    #[default]
    Event,
    /// The event's and the created time: what was written later is not seen, though it tells of
    /// something earlier. A row without a created time is never seen.
    Created,
}

/// What may be found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How much older than the entity row a row may be, in the unit of the times. `None` or zero: any age.
    pub ttl: Option<i64>,
    pub known_by: KnownBy,
}

impl Rules {
    /// The earliest event time that an entity row of time `at` may see.
    pub fn earliest(&self, at: i64) -> i64 {
        match self.ttl {
            Some(ttl) if ttl > 0 => at.saturating_sub(ttl),
            _ => i64::MIN,
        }
    }
}

#[cfg(test)]
mod oracle_tests;
