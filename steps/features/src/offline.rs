//! The offline store's documents: what a view's data is made of, without reading any of it.
//!
//! A view version is a row of [`Snapshot`]s. Each is a manifest, an object named by its hash, that lists Parquet
//! files by theirs; what did not change is shared with the snapshot before. A snapshot is there wholly or not at
//! all, because only its hash is written down where views are listed, after everything it names is durable.
//! Rows that were pushed lie in the [`PushLog`] beside, until compaction folds them into a snapshot.

mod change;
mod kept;
mod period;
mod push_log;
mod sketch;
mod snapshot;
mod statistics;

pub use change::{Change, Changed};
pub use kept::{ManifestError, draft, rebased};
pub use period::Period;
pub use push_log::{PushLog, PushLogError, PushedRow, Segment};
pub use sketch::DistinctSketch;
pub use snapshot::{DataFile, Partition, Progress, Range, Snapshot, SnapshotError, TimeRange};
pub use statistics::{ColumnStatistics, QUANTILE_SHARES};

/// Media type of a snapshot's manifest: an artifact of kind `table` whose rows lie in the files it lists.
pub const SNAPSHOT_MEDIA_TYPE: &str = "application/vnd.trainyard.feature-snapshot+json";

pub use trainyard_contract::feature::{ChangeKind, PushPosition};
