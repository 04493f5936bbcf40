//! Manifests in the object folder, and what of them the store of state is told.

use super::change::Changed;
use super::snapshot::{Snapshot, SnapshotError};
use trainyard_contract::feature::{ChangeKind, FeatureView, SnapshotDraft, SnapshotRef};
use trainyard_contract::task::{Failure, FailureClass, chain};
use trainyard_contract::{ArtifactKind, ArtifactRef, ContentHash, ObjectError, Objects, StepError};

/// Why a manifest could not be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("snapshot {hash} cannot be read")]
    Snapshot {
        hash: ContentHash,
        #[source]
        source: SnapshotError,
    },
}

impl From<ManifestError> for StepError {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Object(error) => error.into(),
            ManifestError::Snapshot { .. } => Self {
                failure: Failure {
                    causes: chain(&error).into_iter().skip(1).collect(),
                    ..Failure::new(FailureClass::ArtifactDamaged, error.to_string())
                },
            },
        }
    }
}

impl Snapshot {
    /// Reads a manifest, checked against its hash.
    ///
    /// # Errors
    /// If the object is missing or damaged, or of a later version of ours.
    pub fn load(objects: &Objects, hash: &ContentHash) -> Result<Self, ManifestError> {
        Self::read(&objects.get(hash)?).map_err(|source| ManifestError::Snapshot { hash: *hash, source })
    }

    /// Keeps the manifest; durable when it returns. The files it names have to be there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, objects: &Objects) -> Result<SnapshotRef, ManifestError> {
        let bytes = self.to_bytes().map_err(|source| ManifestError::Snapshot {
            hash: ContentHash::of(&[]),
            source,
        })?;
        let hash = objects.put(&bytes)?;
        Ok(SnapshotRef {
            sequence: self.sequence,
            manifest: ArtifactRef {
                kind: ArtifactKind::Table,
                hash,
                size: bytes.len() as u64,
                media_type: super::SNAPSHOT_MEDIA_TYPE.to_owned(),
                rows: Some(self.rows),
                schema: Some(self.schema.clone()),
                summary: serde_json::Value::Null,
            },
        })
    }

    /// The state of its version before its first snapshot.
    #[must_use]
    pub fn before_first(&self) -> Self {
        Self {
            sequence: 0,
            folded: 0,
            rows: 0,
            partitions: Vec::new(),
            ..self.clone()
        }
    }
}

/// What the store is to record of a change to `base`, whose manifest `base_ref` names; the new manifest is kept first. A
/// change that comes to nothing names the base again.
///
/// # Errors
/// If the manifest cannot be written.
pub fn draft(
    objects: &Objects,
    view: &FeatureView,
    kind: ChangeKind,
    base: &Snapshot,
    base_ref: Option<&SnapshotRef>,
    changed: Changed,
) -> Result<SnapshotDraft, ManifestError> {
    let is_new = changed.snapshot.is_some();
    let next = changed.snapshot.unwrap_or_else(|| base.clone());
    let added = match kind {
        ChangeKind::Compact => changed.rows.saturating_sub(changed.rows_before),
        _ if !is_new => 0,
        _ => next
            .files()
            .filter(|file| file.sequence == next.sequence)
            .map(|file| file.rows)
            .sum(),
    };
    let snapshot = match base_ref {
        Some(base_ref) if !is_new => base_ref.clone(),
        _ => next.keep(objects)?,
    };
    Ok(SnapshotDraft {
        output: None,
        view: FeatureView {
            version: next.version,
            ..view.clone()
        },
        kind,
        base: base_ref.map(|base| base.manifest.hash),
        snapshot,
        size: next.size(),
        event_times: next.event_times().map(|times| (times.from, times.to)),
        added,
        folded: next.folded,
    })
}

/// The draft on top of a snapshot that another writer has made since.
///
/// # Errors
/// If a manifest cannot be read or written.
pub fn rebased(
    objects: &Objects,
    old: &SnapshotDraft,
    current_ref: &SnapshotRef,
) -> Result<SnapshotDraft, ManifestError> {
    let mine = Snapshot::load(objects, &old.snapshot.manifest.hash)?;
    let base = match &old.base {
        Some(base) => Snapshot::load(objects, base)?,
        None => mine.before_first(),
    };
    let current = Snapshot::load(objects, &current_ref.manifest.hash)?;
    let changed = mine.rebased(&base, &current, old.kind);
    let next = draft(objects, &old.view, old.kind, &current, Some(current_ref), changed)?;
    Ok(SnapshotDraft {
        output: old.output.clone(),
        ..next
    })
}
