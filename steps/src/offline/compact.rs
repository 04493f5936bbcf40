//! The same rows in fewer files, with the pushed ones among them.

use super::layout::Layout;
use super::pushed::{self, Wanted};
use super::writer::ViewWriter;
use std::collections::BTreeSet;
use std::path::Path;
use trainyard_contract::feature::{SnapshotDraft, StoredView};
use trainyard_contract::{Objects, StepError};
use trainyard_features::offline::{self, Change, ChangeKind, DataFile, PushLog, PushPosition, Snapshot};

/// What compaction has come to.
#[derive(Debug)]
pub struct Compacted {
    /// To be recorded; none if there was nothing to do.
    pub draft: Option<SnapshotDraft>,
    pub files_before: usize,
    pub files: usize,
    /// Pushed rows that are in files now.
    pub folded: u64,
    /// Pushed rows that do not fit the view's types and were left out.
    pub unfit: u64,
}

/// Puts the rows of each period into as few files as may be, and folds in what was pushed until now: the open segment of
/// the log is sealed first, so that rows pushed meanwhile go to the next one. Nothing is visible before the draft is recorded, and a
/// compaction that another one has overtaken is put right when it is. `scratch` is a folder of its own.
///
/// # Errors
/// `IoError`, `ArtifactDamaged`.
pub fn compact_view(objects: &Objects, stored: &StoredView, scratch: &Path) -> Result<Compacted, StepError> {
    let layout = Layout::of(&stored.view);
    let base = match &stored.snapshot {
        Some(snapshot) => Snapshot::load(objects, &snapshot.manifest.hash)?,
        None => layout.nothing(),
    };
    let log = PushLog::new(&stored.pushes);
    let sealed = log
        .seal()
        .map_err(|error| StepError::io("could not seal the log of pushed rows", &error))?;
    let mut writer = ViewWriter::new(objects, &layout, &base, &scratch.join("folded"))?;
    let wanted = Wanted {
        folded: base.folded,
        from: PushPosition::default(),
        until: PushPosition {
            segment: sealed,
            offset: u64::MAX,
        },
        as_of: None,
    };
    let unfit = pushed::read(&log, wanted, &layout, &scratch.join("pushed"), &mut |frame| {
        writer.push(frame)
    })?;
    let folded = writer.finish(ChangeKind::Append)?;
    let mut change = Change {
        kind: ChangeKind::Compact,
        folded: sealed.max(base.folded),
        ..folded.change
    };
    let came = change.added.iter().map(|(_, file)| file.rows).sum();
    let mut merging = ViewWriter::new(objects, &layout, &base, &scratch.join("merged"))?;
    let mut removed = BTreeSet::new();
    for partition in &base.partitions {
        let files: Vec<&DataFile> = partition.files.iter().collect();
        if files.len() < 2 {
            continue;
        }
        let sequence = files
            .iter()
            .map(|file| file.sequence)
            .max()
            .unwrap_or(base.sequence);
        let merged = merging.merge(partition.period, &files, sequence)?;
        let is_same = merged.len() == files.len()
            && merged
                .iter()
                .all(|(_, file)| files.iter().any(|old| old.hash == file.hash));
        if !is_same {
            removed.extend(files.iter().map(|file| file.hash));
            change.added.extend(merged);
        }
    }
    change.removed = removed;
    let files_before = base.files().count();
    if change.added.is_empty() && change.removed.is_empty() && change.folded == base.folded {
        return Ok(Compacted {
            draft: None,
            files_before,
            files: files_before,
            folded: 0,
            unfit,
        });
    }
    let changed = base.after(change);
    let files = changed
        .snapshot
        .as_ref()
        .map_or(files_before, |next| next.files().count());
    let draft = offline::draft(
        objects,
        &stored.view,
        ChangeKind::Compact,
        &base,
        stored.snapshot.as_ref(),
        changed,
    )?;
    Ok(Compacted {
        draft: Some(draft),
        files_before,
        files,
        folded: came,
        unfit,
    })
}
