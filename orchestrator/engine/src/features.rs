//! Feature views as runs find them and as they leave them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::json;
use trainyard_contract::feature::{FeatureView, PushPosition, SnapshotDraft, StoredView};
use trainyard_contract::task::{Failure, StepError, chain};
use trainyard_contract::{ContentHash, FailureClass, Objects, OutputValue, RunId, Timestamp};
use trainyard_domain::pipeline::FeaturesInput;
use trainyard_domain::run::Instance;
use trainyard_features::offline::{self, ManifestError, PushLog};
use trainyard_store::{FeatureWrite, Store, StoreError, Turn};

/// So often a snapshot is put on top of another within a transaction, in which nobody else writes the view.
const TRIES: usize = 3;

/// What a view version is called where datasets are: in lineage.
pub(crate) fn name_of(view: &FeatureView) -> String {
    format!("features:{}@v{}", view.name, view.version)
}

/// Folder of the log of a view version's pushed rows, as `Home::pushed_features` has it, beside the objects.
fn pushes(objects: &Objects, view: &str, version: u32) -> PathBuf {
    let home = objects.folder().parent().unwrap_or(objects.folder());
    home.join("features")
        .join(format!("{view}@v{version}"))
        .join("pushed")
}

/// Views that an instance's parameters read.
pub(crate) fn reads(instance: &Instance) -> BTreeSet<FeaturesInput> {
    let definitions = &instance.features;
    let is_view = |name: &&String| {
        !definitions.on_demand.contains_key(*name) && !definitions.services.contains_key(*name)
    };
    let named = instance.feature_use.reads.iter().filter(is_view);
    let mut reads: BTreeSet<FeaturesInput> = named.filter_map(|name| FeaturesInput::named(name)).collect();
    // What services, and expressions computed on demand, need in turn.
    let written = instance.feature_use.writes.as_ref();
    for view in definitions.views.keys().filter(|view| Some(*view) != written) {
        if !reads.iter().any(|read| read.view == *view) {
            reads.insert(FeaturesInput::present(view));
        }
    }
    let inputs = instance.inputs.values();
    let inputs: BTreeSet<&str> = inputs
        .filter_map(|input| match input {
            trainyard_domain::run::BoundInput::Features(features) => Some(features.view.as_str()),
            _ => None,
        })
        .collect();
    reads.retain(|read| {
        instance.feature_use.reads.contains(&read.key()) || !inputs.contains(read.view.as_str())
    });
    // An input that is called as the view has its rows.
    reads.retain(|read| !instance.inputs.contains_key(&read.view));
    reads
}

/// The version that rows of a definition belong to, and what is recorded of it.
fn version_of(store: &Store, view: &FeatureView) -> Result<FeatureView, StoreError> {
    let recorded = store.feature_view(&view.name, None)?;
    let version = match recorded {
        None => 1,
        Some(recorded) if view.breaks(&recorded.view) => recorded.view.version + 1,
        Some(recorded) => recorded.view.version,
    };
    Ok(FeatureView {
        version,
        ..view.clone()
    })
}

/// The rows of a view; none if there are none. The inner error fails the step.
pub(crate) fn stored(
    store: &Store,
    objects: &Objects,
    features: &FeaturesInput,
    definition: Option<&FeatureView>,
) -> Result<Result<Option<StoredView>, Box<Failure>>, StoreError> {
    let view = match (features.version, definition) {
        (None, Some(definition)) => version_of(store, definition)?,
        (version, _) => match store.feature_view(&features.view, version)? {
            Some(recorded) => recorded.view,
            None => return Ok(Ok(None)),
        },
    };
    let snapshot = store.feature_snapshot(&view.name, view.version, features.as_of)?;
    let folder = pushes(objects, &view.name, view.version);
    let pushed = match PushLog::new(&folder).end() {
        Ok(end) => end,
        Err(error) => {
            let message = format!(
                "could not look at what was pushed to feature view `{}`",
                view.name
            );
            return Ok(Err(Box::new(Failure {
                causes: chain(&error),
                ..Failure::new(FailureClass::IoError, message)
            })));
        }
    };
    if snapshot.is_none() && pushed == PushPosition::default() {
        return Ok(Ok(None));
    }
    Ok(Ok(Some(StoredView {
        view,
        snapshot: snapshot.map(|snapshot| snapshot.snapshot),
        pushes: folder,
        pushed,
        as_of: features.as_of,
    })))
}

/// A view as it is before it is written: without pushed rows, which are no concern of who writes. None if nothing is
/// known of it but its name.
pub(crate) fn to_write(
    store: &Store,
    objects: &Objects,
    name: &str,
    definition: Option<&FeatureView>,
) -> Result<Option<StoredView>, StoreError> {
    let view = match definition {
        Some(definition) => version_of(store, definition)?,
        None => match store.feature_view(name, None)? {
            Some(recorded) => recorded.view,
            None => return Ok(None),
        },
    };
    let snapshot = store.feature_snapshot(name, view.version, None)?;
    Ok(Some(StoredView {
        pushes: pushes(objects, name, view.version),
        snapshot: snapshot.map(|snapshot| snapshot.snapshot),
        pushed: PushPosition::default(),
        as_of: None,
        view,
    }))
}

/// Views by name.
type StoredViews = BTreeMap<String, StoredView>;

/// The views as they were before the view that the instance writes became what it is, and the run that made it so; none
/// if another step did.
pub(crate) fn before_last_write(
    store: &Store,
    instance: &Instance,
    views: &BTreeMap<String, StoredView>,
) -> Result<Option<(StoredViews, RunId)>, StoreError> {
    let Some(name) = &instance.feature_use.writes else {
        return Ok(None);
    };
    let Some(stored) = views.get(name) else {
        return Ok(None);
    };
    let Some(current) = store.feature_snapshot(name, stored.view.version, None)? else {
        return Ok(None);
    };
    if current.instance.as_deref() != Some(&instance.name) {
        return Ok(None);
    }
    let Some(run) = current.run else { return Ok(None) };
    let earlier = store.feature_snapshots(name, stored.view.version, current.snapshot.sequence, 1)?;
    let mut before = views.clone();
    let base = earlier.into_iter().next().map(|earlier| earlier.snapshot);
    let is_first_of_all =
        base.is_none() && stored.view.version == 1 && instance.features.views.get(name).is_none();
    if is_first_of_all {
        // Nothing was known of the view then.
        before.remove(name);
    } else if let Some(stored) = before.get_mut(name) {
        stored.snapshot = base;
    }
    Ok(Some((before, run)))
}

/// Why a step cannot have a view's rows.
pub(crate) fn no_rows(features: &FeaturesInput) -> Box<Failure> {
    let then = if features.as_of.is_some() {
        " at that time"
    } else {
        ""
    };
    Box::new(Failure {
        help: Some("run the pipeline that writes it, or push rows to it".to_owned()),
        ..Failure::new(
            FailureClass::Rejected,
            format!("feature view `{}` has no rows{then}", features.key()),
        )
    })
}

/// What came to a view since a time; none if nothing did, or nobody knows.
pub(crate) fn note_since(store: &Store, features: &FeaturesInput, since: Timestamp) -> Option<String> {
    if features.as_of.is_some() {
        return None;
    }
    let version = store
        .feature_view(&features.view, features.version)
        .ok()??
        .view
        .version;
    let now = store.feature_snapshot(&features.view, version, None).ok()??;
    let then = store
        .feature_snapshot(&features.view, version, Some(since))
        .ok()?;
    let before = then.as_ref().map_or(0, |then| then.rows);
    if then.is_some_and(|then| then.snapshot.sequence == now.snapshot.sequence) {
        return None;
    }
    Some(
        match (now.rows.checked_sub(before), before.checked_sub(now.rows)) {
            (Some(0), _) => "other rows".to_owned(),
            (Some(more), _) => format!("+{} rows", grouped(more)),
            (None, fewer) => format!("−{} rows", grouped(fewer.unwrap_or(0))),
        },
    )
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
            format!(
                "{view}, snapshot {}: {} rows, {} of them new",
                self.sequence, self.rows, self.added
            )
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
            FeatureWrite::Moved(Some(current)) => match offline::rebased(objects, draft, &current.snapshot) {
                Ok(rebased) => next = rebased,
                Err(error) => return Ok(Err(unmerged(draft, error))),
            },
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
    let message = format!(
        "the snapshot that feature view `{}` was gone on from is not its own",
        draft.view.name
    );
    Ok(Err(Box::new(Failure::new(FailureClass::Internal, message))))
}

fn unmerged(draft: &SnapshotDraft, error: ManifestError) -> Box<Failure> {
    let StepError { mut failure } = error.into();
    let doing = format!(
        "could not add to what others have written to feature view `{}`",
        draft.view.name
    );
    failure
        .causes
        .insert(0, std::mem::replace(&mut failure.message, doing));
    Box::new(failure)
}
