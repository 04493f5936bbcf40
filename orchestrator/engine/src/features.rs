//! Feature views as runs find them and as they leave them.

use serde_json::json;
use trainyard_contract::feature::{FeatureView, SnapshotDraft};
use trainyard_contract::task::{Failure, StepError};
use trainyard_contract::{ContentHash, FailureClass, Objects, OutputValue, RunId, Timestamp};
use trainyard_features::offline::{self, ManifestError};
use trainyard_store::{FeatureWrite, StoreError, Turn};

/// So often a snapshot is put on top of another within a transaction, in which nobody else writes the view.
const TRIES: usize = 3;

/// What a view version is called where datasets are: in lineage.
pub(crate) fn name_of(view: &FeatureView) -> String {
    format!("features:{}@v{}", view.name, view.version)
}

/// The step that writes.
pub(crate) struct Writer<'a> {
    pub(crate) run: &'a RunId,
    pub(crate) instance: &'a str,
    pub(crate) revision: Option<&'a str>,
}

/// A snapshot that is the present one from now on.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) view: String,
    version: u32,
    sequence: u64,
    added: u64,
    rows: u64,
    new: bool,
    manifest: ContentHash,
}

impl Recorded {
    /// The step in the run's summary.
    pub(crate) fn headline(&self) -> String {
        let view = format!("features:{} v{}", self.view, self.version);
        if self.new {
            format!("{view}, snapshot {}: {} rows, {} of them new", self.sequence, self.rows, self.added)
        } else {
            format!("{view}, snapshot {} (unchanged)", self.sequence)
        }
    }

    /// What the step's output is.
    pub(crate) fn value(&self) -> OutputValue {
        OutputValue::Value(json!({
            "view": self.view, "version": self.version, "snapshot": self.sequence,
            "rows": self.rows, "added": self.added, "new": self.new,
        }))
    }

    /// The dataset that the view version is in lineage, and its content.
    pub(crate) fn content(&self) -> (String, ContentHash) {
        (format!("features:{}@v{}", self.view, self.version), self.manifest)
    }
}

/// Records a snapshot in the transaction in which its step ends; on top of what others have written since it was made.
/// The inner error fails the step.
pub(crate) fn record(
    turn: &mut Turn<'_>,
    objects: &Objects,
    writer: &Writer<'_>,
    draft: &SnapshotDraft,
    now: Timestamp,
) -> Result<Result<Recorded, Box<Failure>>, StoreError> {
    let mut next = draft.clone();
    for _ in 0..TRIES {
        match turn.write_features(writer.run, writer.instance, writer.revision, &next, now)? {
            FeatureWrite::Done {
                version,
                sequence,
                added,
                new,
            } => {
                return Ok(Ok(Recorded {
                    view: next.view.name.clone(),
                    version,
                    sequence,
                    added,
                    rows: next.snapshot.manifest.rows.unwrap_or(0),
                    new,
                    manifest: next.snapshot.manifest.hash,
                }));
            }
            FeatureWrite::Moved(Some(current)) => {
                match offline::rebased(objects, draft, &current.snapshot) {
                    Ok(rebased) => next = rebased,
                    Err(error) => return Ok(Err(unmerged(draft, error))),
                }
            }
            FeatureWrite::Moved(None) => break,
            FeatureWrite::Outdated { now } => {
                let message = format!(
                    "feature view `{}` is at version {now} since this step began, and its rows are for version {}",
                    draft.view.name, draft.view.version
                );
                return Ok(Err(Box::new(Failure::new(FailureClass::Rejected, message))));
            }
        }
    }
    let message = format!("the snapshot that feature view `{}` was gone on from is not its own", draft.view.name);
    Ok(Err(Box::new(Failure::new(FailureClass::Internal, message))))
}

fn unmerged(draft: &SnapshotDraft, error: ManifestError) -> Box<Failure> {
    let StepError { mut failure } = error.into();
    let doing = format!("could not add to what others have written to feature view `{}`", draft.view.name);
    failure.causes.insert(0, std::mem::replace(&mut failure.message, doing));
    Box::new(failure)
}
