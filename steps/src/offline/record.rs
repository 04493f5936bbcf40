//! From a step's rows to the snapshot that is recorded when the step ends.

use super::layout::Layout;
use super::writer::Written;
use crate::table::grouped;
use trainyard_contract::feature::{SnapshotDraft, StoredView};
use trainyard_contract::task::{ColumnEdge, EffectRequest, Way};
use trainyard_contract::{Objects, StepError, StepIo};
use trainyard_features::offline::{self, Snapshot};

/// A view that a step writes, as it is before.
pub(crate) struct ViewBefore {
    pub(crate) stored: StoredView,
    pub(crate) layout: Layout,
    pub(crate) base: Snapshot,
}

impl ViewBefore {
    /// The view of that name, as it came with the task.
    ///
    /// # Errors
    /// `Rejected` if it did not, `ArtifactDamaged` or `IoError`.
    pub(crate) fn of(io: &StepIo, view: &str) -> Result<Self, StepError> {
        let stored = io.spec().feature_views.get(view).cloned().ok_or_else(|| {
            StepError::rejected(format!("there is no feature view `{view}`"))
                .help("define it in a file of the folder `features`")
        })?;
        Self::new(io, stored)
    }

    /// A view as it is before.
    ///
    /// # Errors
    /// `ArtifactDamaged` or `IoError`.
    pub(crate) fn new(io: &StepIo, stored: StoredView) -> Result<Self, StepError> {
        let layout = Layout::of(&stored.view);
        let base = match &stored.snapshot {
            Some(snapshot) => Snapshot::load(&objects(io), &snapshot.manifest.hash)?,
            None => layout.nothing(),
        };
        Ok(Self { stored, layout, base })
    }

    /// Keeps the manifest of what was written, and has it recorded with the step's success. Gives the step's headline.
    ///
    /// # Errors
    /// `IoError`.
    pub(crate) fn record(&self, io: &mut StepIo, written: Written) -> Result<String, StepError> {
        let kind = written.change.kind;
        let changed = self.base.after(written.change);
        let view = &self.stored.view;
        let mut draft: SnapshotDraft = offline::draft(
            &objects(io),
            view,
            kind,
            &self.base,
            self.stored.snapshot.as_ref(),
            changed,
        )?;
        if io.wants("snapshot") {
            draft.output = Some("snapshot".to_owned());
        }
        if written.doubled > 0 {
            io.log(format!(
                "{}: {} rows were there already",
                view.name,
                grouped(written.doubled)
            ));
        }
        let rows = draft.snapshot.manifest.rows.unwrap_or_default();
        let headline = format!(
            "features:{} v{}, {} rows, {} of them new",
            view.name,
            view.version,
            grouped(rows),
            grouped(draft.added)
        );
        io.metric(&format!("{}.rows", view.name), rows as f64);
        io.metric(&format!("{}.rows_added", view.name), draft.added as f64);
        io.effect(EffectRequest::WriteFeatures(Box::new(draft)));
        Ok(headline)
    }

    /// Where each of the view's columns comes from: `(input, column)` by the view's name for it.
    pub(crate) fn lineage(
        &self,
        mut source: impl FnMut(&str) -> Option<(String, String)>,
    ) -> Vec<ColumnEdge> {
        let edges = self.layout.columns.iter().filter_map(|column| {
            let (input, from) = source(&column.name)?;
            Some(ColumnEdge {
                output: format!("features:{}", self.stored.view.name),
                column: column.name.clone(),
                input,
                from,
                derived: true,
                ways: [Way::Identity].into(),
            })
        });
        edges.collect()
    }
}

/// The home's objects.
pub(crate) fn objects(io: &StepIo) -> Objects {
    Objects::new(io.spec().objects.clone())
}
