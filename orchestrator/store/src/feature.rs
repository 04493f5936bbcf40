//! Feature views, their versions and the snapshots of those.

use crate::database::{Result as Read, Row, params};
use crate::document;
use crate::error::{StoreError, unreadable};
use crate::queries;
use crate::store::Store;
use crate::turn::Turn;
use trainyard_contract::feature::{ChangeKind, FeatureView, SnapshotDraft, SnapshotRef};
use trainyard_contract::{RunId, Timestamp};

/// A view version: its rows can be read by one definition.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureViewVersion {
    /// As last written by; its version is this one.
    pub view: FeatureView,
    /// Who wrote it first; none where a person's command did.
    pub run: Option<RunId>,
    pub instance: Option<String>,
    /// Revision of the project that the run was of, where git knew.
    pub revision: Option<String>,
    pub created_at: Timestamp,
    /// When the definition last became another.
    pub changed_at: Timestamp,
}

/// What a view version held from a time on.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewSnapshot {
    pub snapshot: SnapshotRef,
    pub kind: ChangeKind,
    pub rows: u64,
    /// Rows that came with it.
    pub added: u64,
    /// Bytes of its files.
    pub size: u64,
    /// First and last event time; none without rows.
    pub event_times: Option<(Timestamp, Timestamp)>,
    /// Number of the last segment of pushed rows in its files.
    pub folded: u64,
    /// Who made it; none where a person's command did.
    pub run: Option<RunId>,
    pub instance: Option<String>,
    pub revision: Option<String>,
    pub created_at: Timestamp,
}

/// What became of a snapshot that was to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum FeatureWrite {
    Done {
        version: u32,
        sequence: u64,
        added: u64,
        /// False if the view has that content already, or the instance had written before.
        new: bool,
    },
    /// Another snapshot has become the present one since the one it was made from: to be put on top of that.
    Moved(Option<Box<ViewSnapshot>>),
    /// The view is at another version than it was written for; nothing is recorded.
    Outdated { now: u32 },
}

/// Who writes a snapshot, if it is a step of a run.
struct Writer<'a> {
    run: &'a RunId,
    instance: &'a str,
    revision: Option<&'a str>,
}

const RECORDING: &str = "record a snapshot of a feature view";
const READING: &str = "read feature views";

fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn uncount(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn kind_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Append => "append",
        ChangeKind::Replace => "replace",
        ChangeKind::Compact => "compact",
    }
}

struct VersionRow {
    version: u32,
    definition: String,
    run: Option<String>,
    instance: Option<String>,
    revision: Option<String>,
    created_at_us: i64,
    changed_at_us: i64,
}

impl VersionRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            version: row.get(0)?,
            definition: row.get(1)?,
            run: row.get(2)?,
            instance: row.get(3)?,
            revision: row.get(4)?,
            created_at_us: row.get(5)?,
            changed_at_us: row.get(6)?,
        })
    }

    fn into_version(self) -> Result<FeatureViewVersion, StoreError> {
        let mut view: FeatureView = document::read(READING, &self.definition)?;
        view.version = self.version;
        Ok(FeatureViewVersion {
            view,
            run: run_of(self.run)?,
            instance: self.instance,
            revision: self.revision,
            created_at: Timestamp(self.created_at_us),
            changed_at: Timestamp(self.changed_at_us),
        })
    }
}

fn run_of(text: Option<String>) -> Result<Option<RunId>, StoreError> {
    text.map(|text| text.parse().map_err(unreadable(READING)))
        .transpose()
}

struct SnapshotRow {
    sequence: i64,
    kind: String,
    manifest: String,
    numbers: [i64; 3],
    times: [Option<i64>; 2],
    folded: i64,
    by: [Option<String>; 3],
    created_at_us: i64,
}

impl SnapshotRow {
    fn read(row: &Row<'_>) -> Read<Self> {
        Ok(Self {
            sequence: row.get(0)?,
            kind: row.get(1)?,
            manifest: row.get(2)?,
            numbers: [row.get(3)?, row.get(4)?, row.get(5)?],
            times: [row.get(6)?, row.get(7)?],
            folded: row.get(8)?,
            by: [row.get(9)?, row.get(10)?, row.get(11)?],
            created_at_us: row.get(12)?,
        })
    }

    fn into_snapshot(self) -> Result<ViewSnapshot, StoreError> {
        let [rows, added, size] = self.numbers.map(uncount);
        let [run, instance, revision] = self.by;
        let kinds = [ChangeKind::Append, ChangeKind::Replace, ChangeKind::Compact];
        let kind = kinds.into_iter().find(|kind| kind_name(*kind) == self.kind);
        Ok(ViewSnapshot {
            snapshot: SnapshotRef {
                sequence: uncount(self.sequence),
                manifest: document::read(READING, &self.manifest)?,
            },
            kind: kind.ok_or_else(|| StoreError::Corrupt {
                doing: READING,
                what: format!("`{}` is no kind of snapshot", self.kind),
            })?,
            rows,
            added,
            size,
            event_times: match self.times {
                [Some(from), Some(to)] => Some((Timestamp(from), Timestamp(to))),
                _ => None,
            },
            folded: uncount(self.folded),
            run: run_of(run)?,
            instance,
            revision,
            created_at: Timestamp(self.created_at_us),
        })
    }
}

impl Turn<'_> {
    /// Makes a snapshot the present one of its view version, at most once a step instance and view; a repetition changes
    /// nothing, and neither does content that the version has already. A definition that breaks readers of the latest
    /// version becomes the next one. The turn needs an event of the run besides.
    ///
    /// # Errors
    /// `NoRun`, `Corrupt`, `Full`, `Disk`.
    pub fn write_features(
        &mut self,
        run: &RunId,
        instance: &str,
        revision: Option<&str>,
        draft: &SnapshotDraft,
        at: Timestamp,
    ) -> Result<FeatureWrite, StoreError> {
        self.guard(|turn| {
            turn.has_effect(run);
            let writer = Writer {
                run,
                instance,
                revision,
            };
            turn.store.write_features(Some(&writer), draft, at)
        })
    }
}

impl Store {
    /// Makes a snapshot that a person's command has made the present one of its view version.
    ///
    /// # Errors
    /// `Corrupt`, `Full`, `ReadOnly`, `Busy`, `Disk`.
    pub fn record_snapshot(
        &mut self,
        draft: &SnapshotDraft,
        at: Timestamp,
    ) -> Result<FeatureWrite, StoreError> {
        self.transact(RECORDING, |store| store.write_features(None, draft, at))
    }

    fn write_features(
        &self,
        writer: Option<&Writer<'_>>,
        draft: &SnapshotDraft,
        at: Timestamp,
    ) -> Result<FeatureWrite, StoreError> {
        let name = &draft.view.name;
        // Nobody else writes this view until the transaction is over.
        let view = self
            .first(RECORDING, queries::FEATURE_PUT_VIEW, params![name, at.0], |row| {
                row.get::<_, i64>(0)
            })?
            .ok_or_else(|| StoreError::Corrupt {
                doing: RECORDING,
                what: format!("feature view `{name}` is gone"),
            })?;
        let number = writer.map(|writer| self.number(writer.run)).transpose()?;
        if let (Some(number), Some(writer)) = (number, writer) {
            let values = params![number, writer.instance, view];
            let before = self.first(RECORDING, queries::FEATURE_WRITTEN, values, |row| {
                Ok((
                    row.get::<_, u32>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, i64>(2)?,
                ))
            })?;
            if let Some((version, sequence, added)) = before {
                return Ok(FeatureWrite::Done {
                    version,
                    sequence: uncount(sequence),
                    added: uncount(added),
                    new: false,
                });
            }
        }
        let version = draft.view.version;
        let latest = self.versions_of(view, 1, u32::MAX, 1)?.pop();
        let is_next = match &latest {
            None => version == 1,
            Some(latest) => version == latest.view.version + 1 && draft.view.breaks(&latest.view),
        };
        let stays = latest
            .as_ref()
            .is_some_and(|latest| version == latest.view.version && !draft.view.breaks(&latest.view));
        if !is_next && !stays {
            let now = latest.map_or(0, |latest| latest.view.version);
            return Ok(FeatureWrite::Outdated { now });
        }
        let current = self.snapshots_of(view, version, None, u64::MAX, 1)?.pop();
        let is_known = current
            .as_ref()
            .is_some_and(|current| current.snapshot.manifest.hash == draft.snapshot.manifest.hash);
        let expected = current.as_ref().map(|current| current.snapshot.manifest.hash);
        let next = current
            .as_ref()
            .map_or(1, |current| current.snapshot.sequence + 1);
        if !is_known && (expected != draft.base || next != draft.snapshot.sequence) {
            return Ok(FeatureWrite::Moved(current.map(Box::new)));
        }
        let [run, instance, revision] = match writer {
            None => [None; 3],
            Some(writer) => [Some(writer.run.as_str()), Some(writer.instance), writer.revision],
        };
        // A clock that goes back must not put a snapshot before the one it follows.
        let at = current.as_ref().map_or(at, |current| at.max(current.created_at));
        let mut definition = draft.view.clone();
        definition.version = version;
        if is_next {
            let text = document::write(RECORDING, &definition)?;
            let values = params![view, version, text, run, instance, revision, at.0];
            self.execute(RECORDING, queries::FEATURE_INSERT_VERSION, values)?;
        } else if latest.is_some_and(|latest| latest.view != definition) {
            let text = document::write(RECORDING, &definition)?;
            let values = params![view, version, text, at.0];
            self.execute(RECORDING, queries::FEATURE_SET_DEFINITION, values)?;
        }
        let sequence = if is_known { next - 1 } else { next };
        let added = if is_known { 0 } else { draft.added };
        if !is_known {
            let manifest = document::write(RECORDING, &draft.snapshot.manifest)?;
            let rows = draft.snapshot.manifest.rows.unwrap_or(0);
            let values = params![
                view,
                version,
                count(sequence),
                kind_name(draft.kind),
                manifest,
                count(rows),
                count(added),
                count(draft.size),
                draft.event_times.map(|(from, _)| from.0),
                draft.event_times.map(|(_, to)| to.0),
                count(draft.folded),
                run,
                instance,
                revision,
                at.0
            ];
            self.execute(RECORDING, queries::FEATURE_INSERT_SNAPSHOT, values)?;
        }
        if let (Some(number), Some(writer)) = (number, writer) {
            let values = params![
                number,
                writer.instance,
                view,
                version,
                count(sequence),
                count(added)
            ];
            self.execute(RECORDING, queries::FEATURE_INSERT_WRITTEN, values)?;
        }
        Ok(FeatureWrite::Done {
            version,
            sequence,
            added,
            new: !is_known,
        })
    }

    /// The latest version of each view, by name.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn feature_views(&self) -> Result<Vec<FeatureViewVersion>, StoreError> {
        let views = self.all(READING, queries::FEATURE_VIEW_IDS, [], |row| row.get::<_, i64>(0))?;
        let mut latest = Vec::with_capacity(views.len());
        for view in views {
            latest.extend(self.versions_of(view, 1, u32::MAX, 1)?);
        }
        Ok(latest)
    }

    /// All versions of a view, newest first; none if it was never written.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn feature_view_versions(&self, name: &str) -> Result<Vec<FeatureViewVersion>, StoreError> {
        match self.feature_view_id(name)? {
            Some(view) => self.versions_of(view, 1, u32::MAX, i64::MAX),
            None => Ok(Vec::new()),
        }
    }

    /// A version of a view, or the latest one.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn feature_view(
        &self,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<FeatureViewVersion>, StoreError> {
        let Some(view) = self.feature_view_id(name)? else {
            return Ok(None);
        };
        let (from, to) = version.map_or((1, u32::MAX), |version| (version, version));
        Ok(self.versions_of(view, from, to, 1)?.pop())
    }

    /// The snapshot of a view version that was the present one at a time, or now.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn feature_snapshot(
        &self,
        name: &str,
        version: u32,
        as_of: Option<Timestamp>,
    ) -> Result<Option<ViewSnapshot>, StoreError> {
        match self.feature_view_id(name)? {
            Some(view) => Ok(self.snapshots_of(view, version, as_of, u64::MAX, 1)?.pop()),
            None => Ok(None),
        }
    }

    /// Snapshots of a view version whose sequence is below `before`, newest first, at most `limit`.
    ///
    /// # Errors
    /// `Corrupt`, `Disk`.
    pub fn feature_snapshots(
        &self,
        name: &str,
        version: u32,
        before: u64,
        limit: u32,
    ) -> Result<Vec<ViewSnapshot>, StoreError> {
        match self.feature_view_id(name)? {
            Some(view) => self.snapshots_of(view, version, None, before, i64::from(limit)),
            None => Ok(Vec::new()),
        }
    }

    /// View, version and sequence of the snapshots that a run has made.
    ///
    /// # Errors
    /// `Disk`.
    pub fn feature_snapshots_of_run(&self, run: &RunId) -> Result<Vec<(String, u32, u64)>, StoreError> {
        self.all(
            READING,
            queries::FEATURE_SNAPSHOTS_OF_RUN,
            [run.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?, uncount(row.get::<_, i64>(2)?))),
        )
    }

    fn feature_view_id(&self, name: &str) -> Result<Option<i64>, StoreError> {
        self.first(READING, queries::FEATURE_VIEW_ID, [name], |row| row.get(0))
    }

    fn versions_of(
        &self,
        view: i64,
        from: u32,
        to: u32,
        limit: i64,
    ) -> Result<Vec<FeatureViewVersion>, StoreError> {
        let values = params![view, from, to, limit];
        let rows = self.all(READING, queries::FEATURE_VERSIONS, values, VersionRow::read)?;
        rows.into_iter().map(VersionRow::into_version).collect()
    }

    fn snapshots_of(
        &self,
        view: i64,
        version: u32,
        as_of: Option<Timestamp>,
        before: u64,
        limit: i64,
    ) -> Result<Vec<ViewSnapshot>, StoreError> {
        let until = as_of.map_or(i64::MAX, |at| at.0);
        let values = params![view, version, until, count(before), limit];
        let rows = self.all(READING, queries::FEATURE_SNAPSHOTS, values, SnapshotRow::read)?;
        rows.into_iter().map(SnapshotRow::into_snapshot).collect()
    }
}
