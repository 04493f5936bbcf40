//! The online store: per view the latest row of each key, found in microseconds.
//!
//! A row goes in as columns ([`RowBatch`]), is encoded once ([`Layout`]) and is read as it lies in the store ([`Row`]).
//! A write wins if its event time, then its created time, is not older than that of the row it meets, so that whatever
//! comes late or twice changes nothing. Which rows of the offline store are in ([`Watermark`]) is kept beside the rows.

mod batch;
mod embedded;
mod feed;
mod json;
mod key;
mod layout;
mod postgres;
mod redis;
mod row;
mod store;
mod value;
mod watermark;

pub use batch::{Column, RowBatch, Texts, Values, WrongBatch};
pub use embedded::Embedded;
pub use feed::{Counted, Feed, SortedRows, Source};
pub use json::{WrongValue, instant, read_json, write_json};
pub use key::{KeyBytes, WrongKey};
pub(crate) use layout::Projector;
pub use layout::{Field, Layout, Projection};
pub use postgres::PostgresOnline;
pub use redis::RedisOnline;
pub use row::Row;
pub use store::{OnlineError, OnlineStore, Place, Statistics, ViewId, Visit, Write, Written};
pub use value::{Kind, Value};
pub use watermark::Watermark;
