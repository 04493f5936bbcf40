//! The manifest of a view version's rows at one moment.

use super::period::Period;
use super::statistics::ColumnStatistics;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use trainyard_contract::feature::PushPosition;
use trainyard_contract::{ContentHash, Schema, Timestamp};

/// Version of the document; a reader refuses a later one.
const FORMAT: u32 = 1;

/// Why a manifest cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("this is no manifest of a feature view's snapshot")]
    Unreadable(#[source] serde_json::Error),
    #[error("the manifest has format {found}, and this version reads up to {FORMAT}")]
    Newer { found: u32 },
}

/// First and last of some instants, both of which occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Range {
    /// The range over both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
        }
    }
}

/// Event times that are asked for: from `from` on, before `before`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    pub from: Option<Timestamp>,
    pub before: Option<Timestamp>,
}

impl TimeRange {
    /// Whether an instant lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.before.is_none_or(|before| at < before)
    }

    /// Whether some instant of a range may lie in it.
    pub fn meets(&self, range: Range) -> bool {
        self.from.is_none_or(|from| from <= range.to) && self.before.is_none_or(|before| range.from < before)
    }

    /// Whether all of a range lies in it.
    pub fn covers(&self, range: Range) -> bool {
        self.contains(range.from) && self.contains(range.to)
    }
}

/// A Parquet file: rows in the order of keys, event time and created time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataFile {
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
    pub rows: u64,
    /// Sequence of the snapshot that brought the latest of its rows: whoever has read that snapshot or a later one has
    /// read this file's rows, wherever compaction has put them.
    pub sequence: u64,
    pub event_time: Range,
    /// None where the view has no created time, or no row has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<Range>,
    /// By column, in the schema's order; keys and times among them.
    pub statistics: IndexMap<String, ColumnStatistics>,
}

/// The files whose rows lie in one period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    pub period: Period,
    /// At least one; in the order in which their rows came, by hash where they came together.
    pub files: Vec<DataFile>,
}

impl Partition {
    /// Its rows.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Bytes of its files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Its columns in numbers.
    pub fn statistics(&self) -> IndexMap<String, ColumnStatistics> {
        merged(&self.files.iter().collect::<Vec<_>>())
    }
}

fn merged(files: &[&DataFile]) -> IndexMap<String, ColumnStatistics> {
    let names: indexmap::IndexSet<&String> = files.iter().flat_map(|file| file.statistics.keys()).collect();
    let column = |name: &String| {
        // A file from before the column was added has no value in it.
        let rows = |file: &&DataFile| ColumnStatistics {
            nulls: file.rows,
            ..ColumnStatistics::default()
        };
        let parts: Vec<ColumnStatistics> = files
            .iter()
            .map(|file| file.statistics.get(name).cloned().unwrap_or_else(|| rows(file)))
            .collect();
        (name.clone(), ColumnStatistics::merged(&parts))
    };
    names.into_iter().map(column).collect()
}

/// How far somebody has read a view version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Progress {
    /// Sequence of the snapshot that was read; 0: none.
    pub sequence: u64,
    /// Pushed rows before this position were read.
    #[serde(default)]
    pub pushed: PushPosition,
}

/// What a view version held at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub format: u32,
    pub view: String,
    pub version: u32,
    /// Place in the view version's history, from 1 on.
    pub sequence: u64,
    /// Key columns in the view's order.
    pub keys: Vec<String>,
    pub event_time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<String>,
    /// The columns of its rows. A file may lack columns that were added after it was written: missing there.
    pub schema: Schema,
    /// Number of the last segment of the push log whose rows are in the files; 0: none.
    #[serde(default)]
    pub folded: u64,
    pub rows: u64,
    /// By period.
    pub partitions: Vec<Partition>,
}

impl Snapshot {
    /// The state before the first snapshot: no rows.
    pub fn empty(
        view: &str,
        version: u32,
        keys: Vec<String>,
        event_time: &str,
        created_time: Option<&str>,
        schema: Schema,
    ) -> Self {
        Self {
            format: FORMAT,
            view: view.to_owned(),
            version,
            sequence: 0,
            keys,
            event_time: event_time.to_owned(),
            created_time: created_time.map(str::to_owned),
            schema,
            folded: 0,
            rows: 0,
            partitions: Vec::new(),
        }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// `Unreadable`, or `Newer` for a document of a later version of ours.
    pub fn read(bytes: &[u8]) -> Result<Self, SnapshotError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(SnapshotError::Unreadable)?;
        if head.format > FORMAT {
            return Err(SnapshotError::Newer { found: head.format });
        }
        serde_json::from_slice(bytes).map_err(SnapshotError::Unreadable)
    }

    /// The manifest: equal snapshots give equal bytes.
    ///
    /// # Errors
    /// `Unreadable`, which a snapshot that was read or made here does not give.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        serde_json::to_vec(self).map_err(SnapshotError::Unreadable)
    }

    /// All files, by period.
    pub fn files(&self) -> impl Iterator<Item = &DataFile> {
        self.partitions.iter().flat_map(|partition| &partition.files)
    }

    /// Files that may have rows in a range of event times and were not read before `after`.
    pub fn files_for(&self, range: TimeRange, after: Option<Progress>) -> impl Iterator<Item = &DataFile> {
        let read = after.map_or(0, |progress| progress.sequence);
        self.files()
            .filter(move |file| file.sequence > read && range.meets(file.event_time))
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files().map(|file| file.size).sum()
    }

    /// First and last event time; none without rows.
    pub fn event_times(&self) -> Option<Range> {
        self.files().map(|file| file.event_time).reduce(Range::with)
    }

    /// First and last created time, where there is one.
    pub fn created_times(&self) -> Option<Range> {
        self.files()
            .filter_map(|file| file.created_time)
            .reduce(Range::with)
    }

    /// Its columns in numbers.
    pub fn statistics(&self) -> IndexMap<String, ColumnStatistics> {
        merged(&self.files().collect::<Vec<_>>())
    }

    /// The partition that rows of an instant belong to, if one has it; a month that is kept by days has the day.
    pub fn partition_of(&self, at: Timestamp) -> Option<&Partition> {
        let has = |period: Period| {
            self.partitions
                .iter()
                .find(|partition| partition.period == period)
        };
        has(Period::day_of(at)).or_else(|| has(Period::month_of(at)))
    }

    /// Whether the month of a period is kept by days.
    pub fn is_by_day(&self, month: Period) -> bool {
        let mut periods = self.partitions.iter().map(|partition| partition.period);
        periods.any(|period| matches!(period, Period::Day(_)) && period.month() == month.month())
    }
}
