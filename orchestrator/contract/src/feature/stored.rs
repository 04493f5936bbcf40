//! The rows of a feature view as tasks and the store of state pass them on: by documents, never by rows.

use super::FeatureView;
use crate::artifact::{ArtifactRef, ContentHash};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A place in the log of a view's pushed rows: everything before it is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PushPosition {
    /// Number of a segment, from 1 on; 0 is before all.
    pub segment: u64,
    /// Bytes from its start.
    pub offset: u64,
}

/// What a snapshot does with the rows of the one before.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// They stay, and others come.
    Append,
    /// They go, but for those in files that are in the new ones as well.
    Replace,
    /// They stay, in other files, and pushed rows may come.
    Compact,
}

/// A snapshot by its place in the view version's history and its manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotRef {
    /// From 1 on.
    pub sequence: u64,
    /// Of kind `table`: rows and columns are those of all files.
    pub manifest: ArtifactRef,
}

/// The rows of a view version, as a task is given them to read or to go on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredView {
    /// The definition; its version is the one whose rows these are.
    pub view: FeatureView,
    /// The snapshot; none if none was ever written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotRef>,
    /// Folder of the log of pushed rows; it need not be there.
    pub pushes: PathBuf,
    /// Rows pushed up to here are part of it.
    #[serde(default)]
    pub pushed: PushPosition,
    /// Only rows that were pushed until then are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
}

impl StoredView {
    /// What stands for the content in a reuse key.
    pub fn fingerprint(&self) -> serde_json::Value {
        let snapshot = self.snapshot.as_ref().map(|snapshot| snapshot.manifest.hash);
        let until = self.as_of.map(|at| at.0);
        serde_json::json!([
            self.view.name,
            self.view.version,
            snapshot,
            self.pushed.segment,
            self.pushed.offset,
            until
        ])
    }
}

/// A snapshot before it is recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotDraft {
    /// Output of the step that takes what was recorded, as `{"view", "version", "snapshot", "rows", "added", "new"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The definition that its rows were written by.
    pub view: FeatureView,
    pub kind: ChangeKind,
    /// The snapshot it was made from; none if it is the version's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ContentHash>,
    pub snapshot: SnapshotRef,
    /// Bytes of its files.
    pub size: u64,
    /// First and last event time; none without rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_times: Option<(Timestamp, Timestamp)>,
    /// Rows that came with it.
    pub added: u64,
    /// Number of the last segment of pushed rows that are in its files.
    #[serde(default)]
    pub folded: u64,
}
