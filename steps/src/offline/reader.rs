//! A view's rows, batch by batch.

use super::internal;
use super::layout::Layout;
use super::pushed;
use crate::data_type;
use crate::historical::{Piece, ViewRows};
use crate::table::{self, ROW_GROUP};
use indexmap::IndexMap;
use polars::prelude::{
    Column as Values, DataFrame, IntoLazy, LazyFrame, NamedFrom, ParquetReader, PolarsError, SerReader,
    Series, UnionArgs, col, concat, lit,
};
#[cfg(test)]
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use trainyard_contract::feature::{FeatureView, StoredView};
use trainyard_contract::{Objects, StepError, Timestamp};
use trainyard_features::offline::{DataFile, Progress, PushLog, Snapshot, TimeRange};

/// What is asked for of a view.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Columns, in this order; empty: all.
    pub(crate) columns: Vec<String>,
    pub(crate) range: TimeRange,
    /// Leaves out what was there when somebody had read so far. Files that have some new rows are read whole.
    pub(crate) after: Option<Progress>,
}

/// The rows of a view version as of a snapshot, with those pushed since.
pub(crate) struct ViewReader {
    objects: Objects,
    stored: StoredView,
    layout: Layout,
    snapshot: Snapshot,
}

impl ViewReader {
    /// # Errors
    /// `ArtifactDamaged` or `IoError` if the manifest cannot be had.
    pub(crate) fn open(objects: &Objects, stored: &StoredView) -> Result<Self, StepError> {
        let layout = Layout::of(&stored.view);
        let snapshot = match &stored.snapshot {
            Some(snapshot) => Snapshot::load(objects, &snapshot.manifest.hash)?,
            None => layout.nothing(),
        };
        Ok(Self {
            objects: objects.clone(),
            stored: stored.clone(),
            layout,
            snapshot,
        })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How far somebody is who has read everything.
    #[cfg(test)]
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            sequence: self.snapshot.sequence,
            pushed: self.stored.pushed,
        }
    }

    /// Batches of at most a row group, file by file in the order of time; the rows of a file are sorted by keys and times.
    /// Pushed rows come last, in the order in which they were pushed. `scratch` is a folder of its own.
    ///
    /// # Errors
    /// `ArtifactDamaged` or `IoError`, also of the batches.
    #[cfg(test)]
    pub(crate) fn batches(&self, selection: &Selection, scratch: &Path) -> Result<Batches<'_>, StepError> {
        let files = self.snapshot.files_for(selection.range, selection.after);
        Ok(Batches {
            reader: self,
            files: files.collect(),
            open: None,
            pushed: Some(scratch.to_owned()),
            rest: VecDeque::new(),
            selection: selection.clone(),
        })
    }

    /// All rows as the start of a plan, in the order of [`ViewReader::batches`].
    ///
    /// # Errors
    /// `ArtifactDamaged` or `IoError`.
    pub(crate) fn plan(&self, selection: &Selection, scratch: &Path) -> Result<LazyFrame, StepError> {
        let names = self.names(selection);
        let reading = |error: PolarsError| StepError::io("could not read the feature view's rows", &error);
        let mut parts = Vec::new();
        for file in self.snapshot.files_for(selection.range, selection.after) {
            let mut part = table::scan(&self.objects.verified_path(&file.hash)?).map_err(reading)?;
            let there = part.collect_schema().map_err(reading)?;
            if !selection.range.covers(file.event_time) {
                let at = col(self.layout.event_time.as_str()).to_physical();
                if let Some(from) = selection.range.from {
                    part = part.filter(at.clone().gt_eq(lit(from.0)));
                }
                if let Some(before) = selection.range.before {
                    part = part.filter(at.lt(lit(before.0)));
                }
            }
            let columns = names.iter().map(|name| {
                if there.contains(name) {
                    return col(name.as_str());
                }
                lit(polars::prelude::NULL)
                    .cast(self.type_of(name))
                    .alias(name.as_str())
            });
            parts.push(part.select(columns.collect::<Vec<_>>()));
        }
        for pushed in self.pushed(selection, scratch)? {
            parts.push(pushed.lazy());
        }
        if parts.is_empty() {
            return Ok(self.none(&names)?.lazy());
        }
        concat(parts, UnionArgs::default()).map_err(internal)
    }

    /// All rows in pieces, as a point-in-time join wants them, and the view by whose names they go. Rows pushed since the
    /// snapshot are read at once.
    ///
    /// # Errors
    /// `ArtifactDamaged` or `IoError`, also of the pieces.
    pub(crate) fn pieces(&self, scratch: &Path) -> Result<(FeatureView, ViewRows), StepError> {
        let mut pieces = Vec::new();
        for file in self.snapshot.files() {
            let (objects, layout, file) = (self.objects.clone(), self.layout.clone(), file.clone());
            let times = (file.event_time.from.0, file.event_time.to.0);
            let checked: OnceLock<PathBuf> = OnceLock::new();
            pieces.push(Piece::new(Some(times), move |columns| {
                let path = match checked.get() {
                    Some(path) => path.clone(),
                    None => {
                        let path = objects.verified_path(&file.hash)?;
                        checked.get_or_init(|| path).clone()
                    }
                };
                let names = Some(columns.to_vec());
                let mut whole: Option<DataFrame> = None;
                for rows in FileRows::of(path, &layout, &file, names, TimeRange::default()) {
                    match &mut whole {
                        None => whole = Some(rows?),
                        Some(whole) => {
                            whole.vstack_mut_owned(rows?).map_err(internal)?;
                        }
                    }
                }
                whole.ok_or_else(|| StepError::internal("a file of a feature view has no rows"))
            }));
        }
        for frame in self.pushed(&Selection::default(), scratch)? {
            pieces.push(Piece::new(None, move |columns| {
                frame.select(columns).map_err(internal)
            }));
        }
        let schema: polars::prelude::Schema = self
            .layout
            .columns
            .iter()
            .map(|column| {
                (
                    column.name.as_str().into(),
                    data_type::to_polars(&column.data_type),
                )
            })
            .collect();
        let view = FeatureView {
            columns: IndexMap::new(),
            ..self.stored.view.clone()
        };
        let rows = ViewRows::new(&view, Arc::new(schema), pieces)?;
        Ok((view, rows))
    }

    fn type_of(&self, name: &str) -> polars::prelude::DataType {
        let column = self.layout.columns.iter().find(|column| column.name == name);
        column.map_or(polars::prelude::DataType::Null, |column| {
            data_type::to_polars(&column.data_type)
        })
    }

    fn names(&self, selection: &Selection) -> Vec<String> {
        if selection.columns.is_empty() {
            return self
                .layout
                .columns
                .iter()
                .map(|column| column.name.clone())
                .collect();
        }
        selection.columns.clone()
    }

    fn none(&self, names: &[String]) -> Result<DataFrame, StepError> {
        let columns = names
            .iter()
            .map(|name| Values::new_empty(name.as_str().into(), &self.type_of(name)));
        DataFrame::new(0, columns.collect()).map_err(internal)
    }

    fn pushed(&self, selection: &Selection, scratch: &Path) -> Result<Vec<DataFrame>, StepError> {
        let read = pushed::Wanted {
            folded: self.snapshot.folded,
            from: selection.after.map(|after| after.pushed).unwrap_or_default(),
            until: self.stored.pushed,
            as_of: self.stored.as_of,
        };
        let log = PushLog::new(&self.stored.pushes);
        let names = self.names(selection);
        let mut frames = Vec::new();
        pushed::read(&log, read, &self.layout, scratch, &mut |frame| {
            let frame = within(frame, &self.layout.event_time, selection.range)?;
            if frame.height() > 0 {
                frames.push(frame.select(&names).map_err(internal)?);
            }
            Ok(())
        })?;
        Ok(frames)
    }
}

/// Batches of a view's rows.
#[cfg(test)]
pub(crate) struct Batches<'a> {
    reader: &'a ViewReader,
    files: VecDeque<&'a DataFile>,
    open: Option<FileRows>,
    /// Where pushed rows are laid out, until they are.
    pushed: Option<PathBuf>,
    rest: VecDeque<DataFrame>,
    selection: Selection,
}

#[cfg(test)]
impl Batches<'_> {
    fn step(&mut self) -> Result<Option<DataFrame>, StepError> {
        loop {
            if let Some(open) = &mut self.open {
                match open.next() {
                    Some(batch) => return batch.map(Some),
                    None => self.open = None,
                }
            }
            let names = self.reader.names(&self.selection);
            if let Some(file) = self.files.pop_front() {
                let reader = self.reader;
                self.open = Some(read_file(
                    &reader.objects,
                    &reader.layout,
                    file,
                    Some(names),
                    self.selection.range,
                )?);
                continue;
            }
            if let Some(scratch) = self.pushed.take() {
                self.rest.extend(self.reader.pushed(&self.selection, &scratch)?);
            }
            return Ok(self.rest.pop_front());
        }
    }
}

#[cfg(test)]
impl Iterator for Batches<'_> {
    type Item = Result<DataFrame, StepError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.step();
        if batch.is_err() {
            self.files.clear();
            self.open = None;
            self.pushed = None;
        }
        batch.transpose()
    }
}

/// The rows of one file.
pub(crate) struct FileRows {
    path: PathBuf,
    rows: usize,
    offset: usize,
    /// What the file has of the columns wanted.
    there: Vec<String>,
    layout: Layout,
    names: Option<Vec<String>>,
    /// Where rows beyond it may be among them.
    range: Option<TimeRange>,
}

/// Reads a file's rows in a range of time, all columns or some.
pub(crate) fn read_file(
    objects: &Objects,
    layout: &Layout,
    file: &DataFile,
    names: Option<Vec<String>>,
    range: TimeRange,
) -> Result<FileRows, StepError> {
    Ok(FileRows::of(
        objects.verified_path(&file.hash)?,
        layout,
        file,
        names,
        range,
    ))
}

impl FileRows {
    /// Those of a file whose content was checked.
    fn of(
        path: PathBuf,
        layout: &Layout,
        file: &DataFile,
        names: Option<Vec<String>>,
        range: TimeRange,
    ) -> Self {
        let range = (!range.covers(file.event_time)).then_some(range);
        let has = |name: &String| file.statistics.contains_key(name);
        let mut there: Vec<String> = match &names {
            Some(names) => names.iter().filter(|name| has(name)).cloned().collect(),
            None => {
                let all = layout.columns.iter().map(|column| column.name.clone());
                all.filter(has).collect()
            }
        };
        if (range.is_some() || there.is_empty()) && !there.contains(&layout.event_time) {
            there.push(layout.event_time.clone());
        }
        Self {
            path,
            rows: usize::try_from(file.rows).unwrap_or(usize::MAX),
            offset: 0,
            there,
            layout: layout.clone(),
            names,
            range,
        }
    }

    fn read(&mut self) -> Result<DataFrame, StepError> {
        let reading =
            |error: PolarsError| StepError::io(format!("could not read {}", self.path.display()), &error);
        let file = File::open(&self.path).map_err(|error| reading(error.into()))?;
        let frame = ParquetReader::new(file)
            .with_columns(Some(self.there.clone()))
            .with_slice(Some((self.offset, ROW_GROUP)))
            .finish()
            .map_err(reading)?;
        self.offset += ROW_GROUP;
        let frame = match self.range {
            Some(range) => within(frame, &self.layout.event_time, range)?,
            None => frame,
        };
        let frame = self.layout.rows_with_nulls(&frame)?;
        match &self.names {
            Some(names) => frame.select(names).map_err(internal),
            None => Ok(frame),
        }
    }
}

impl Iterator for FileRows {
    type Item = Result<DataFrame, StepError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.offset < self.rows {
            match self.read() {
                Ok(frame) if frame.height() == 0 => {}
                read => return Some(read),
            }
        }
        None
    }
}

/// Rows whose time lies in a range.
fn within(frame: DataFrame, event_time: &str, range: TimeRange) -> Result<DataFrame, StepError> {
    if range == TimeRange::default() {
        return Ok(frame);
    }
    let times = frame.column(event_time).map_err(internal)?.to_physical_repr();
    let times = times.i64().map_err(internal)?;
    let keep: Vec<bool> = times
        .iter()
        .map(|at| at.is_some_and(|at| range.contains(Timestamp(at))))
        .collect();
    let mask = Series::new("keep".into(), keep);
    frame.filter(mask.bool().map_err(internal)?).map_err(internal)
}
