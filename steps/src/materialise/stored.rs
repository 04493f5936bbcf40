//! What the offline store has of a view: the files of its snapshot, then the rows that were pushed since.

use super::rows::{Converted, Names, convert};
use super::unfit;
use crate::table;
use polars::prelude::{DataFrame, LazyFrame, NULL, PolarsResult, col, lit};
use std::collections::VecDeque;
use trainyard_contract::feature::{FeatureView, StoredView};
use trainyard_contract::{ContentHash, Objects, StepError, Timestamp};
use trainyard_features::offline::{Progress, PushLog, PushLogError, PushedRow, Snapshot, TimeRange};
use trainyard_features::online::{Column, OnlineError, RowBatch, instant, read_json};

/// Rows of a file that are held at once.
const PART: u32 = 1 << 20;
/// Pushed rows that go together.
const TOGETHER: usize = 1 << 16;

/// Rows of a view, newest files first: an older row that meets a newer one costs a look, not a write.
pub(super) struct StoredRows<'a> {
    objects: &'a Objects,
    stored: &'a StoredView,
    span: (Option<Timestamp>, Timestamp),
    files: VecDeque<ContentHash>,
    open: Option<(LazyFrame, i64)>,
    pushed: Option<(u64, Progress)>,
    batches: VecDeque<Converted>,
}

/// The snapshot that is to be read, and how far whoever reads it is in.
pub(super) fn snapshot(
    objects: &Objects,
    stored: &StoredView,
) -> Result<(Option<Snapshot>, Progress), StepError> {
    let snapshot = match &stored.snapshot {
        Some(snapshot) => {
            let bytes = objects.get(&snapshot.manifest.hash)?;
            let snapshot = Snapshot::read(&bytes);
            Some(
                snapshot
                    .map_err(|error| StepError::io("could not read a feature view's snapshot", &error))?,
            )
        }
        None => None,
    };
    let progress = Progress {
        sequence: snapshot.as_ref().map_or(0, |snapshot| snapshot.sequence),
        pushed: stored.pushed,
    };
    Ok((snapshot, progress))
}

impl<'a> StoredRows<'a> {
    /// Rows that had not come when somebody had read as far as `after`.
    pub(super) fn new(
        objects: &'a Objects,
        stored: &'a StoredView,
        snapshot: Option<&Snapshot>,
        after: Option<Progress>,
        span: (Option<Timestamp>, Timestamp),
    ) -> Self {
        let files = snapshot
            .into_iter()
            .flat_map(|snapshot| snapshot.files_for(TimeRange::default(), after));
        let mut files: Vec<_> = files.map(|file| (file.event_time.to, file.hash)).collect();
        files.sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
        Self {
            objects,
            stored,
            span,
            files: files.into_iter().map(|(_, hash)| hash).collect(),
            open: None,
            pushed: Some((
                snapshot.map_or(0, |snapshot| snapshot.folded),
                after.unwrap_or_default(),
            )),
            batches: VecDeque::new(),
        }
    }

    fn step(&mut self) -> Result<Option<Converted>, OnlineError> {
        let view = &self.stored.view;
        loop {
            if let Some((frame, from)) = &mut self.open {
                let part = table::collect("read the view's rows", frame.clone().slice(*from, PART));
                let part: DataFrame = part.map_err(|error| OnlineError::Source(Box::new(error)))?;
                *from += i64::from(PART);
                if part.height() > 0 {
                    let converted = convert(view, &part, Names::View, self.span);
                    return converted.map(Some).map_err(|error| unfit(view, &error));
                }
                self.open = None;
            }
            if let Some(hash) = self.files.pop_front() {
                let path = self.objects.verified_path(&hash);
                let path = path.map_err(|error| OnlineError::Source(Box::new(StepError::from(error))))?;
                let frame = of_view(view, table::scan(&path));
                self.open = Some((frame.map_err(|error| unfit(view, &error))?, 0));
                continue;
            }
            if let Some((folded, after)) = self.pushed.take() {
                self.read_pushed(folded, after)?;
            }
            return Ok(self.batches.pop_front());
        }
    }

    fn read_pushed(&mut self, folded: u64, after: Progress) -> Result<(), OnlineError> {
        let stored = self.stored;
        let mut pushed = Pushed::new(&stored.view, self.span);
        let batches = &mut self.batches;
        let log = PushLog::new(&stored.pushes);
        let read = log.read::<PushedError>(folded, after.pushed, Some(stored.pushed), |row| {
            if stored.as_of.is_some_and(|as_of| row.received > as_of) {
                return Ok(());
            }
            pushed.add(&row)?;
            if pushed.batch.len() == TOGETHER {
                batches.push_back(pushed.take());
            }
            Ok(())
        });
        read.map_err(|error| OnlineError::Source(Box::new(StepError::from(error))))?;
        batches.push_back(pushed.take());
        Ok(())
    }
}

impl Iterator for StoredRows<'_> {
    type Item = Result<Converted, OnlineError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// A file's columns; one that was added after it was written is missing in all its rows.
fn of_view(view: &FeatureView, frame: PolarsResult<LazyFrame>) -> PolarsResult<LazyFrame> {
    let mut frame = frame?;
    let there = frame.collect_schema()?;
    let columns = Names::View.all(view).into_iter().map(|name| {
        if there.contains(&name) {
            col(name.as_str())
        } else {
            lit(NULL).alias(name.as_str())
        }
    });
    Ok(frame.select(columns.collect::<Vec<_>>()))
}

/// Why pushed rows cannot be read.
enum PushedError {
    Log(PushLogError),
    /// A row is not what the view's definition says.
    Unfit(String),
}

impl From<PushLogError> for PushedError {
    fn from(error: PushLogError) -> Self {
        Self::Log(error)
    }
}

impl From<PushedError> for StepError {
    fn from(error: PushedError) -> Self {
        match error {
            PushedError::Log(error) => Self::io("could not read the pushed rows", &error),
            PushedError::Unfit(message) => Self::rejected(message),
        }
    }
}

/// Pushed rows as columns.
struct Pushed<'a> {
    view: &'a FeatureView,
    span: (Option<Timestamp>, Timestamp),
    batch: RowBatch,
    later: u64,
}

impl<'a> Pushed<'a> {
    fn new(view: &'a FeatureView, span: (Option<Timestamp>, Timestamp)) -> Self {
        Self {
            view,
            span,
            batch: empty(view),
            later: 0,
        }
    }

    fn add(&mut self, row: &PushedRow) -> Result<(), PushedError> {
        let wrong = |name: &str, why: &str| {
            let view = &self.view.name;
            PushedError::Unfit(format!(
                "a row that was pushed to `{view}` does not fit it: {name}: {why}"
            ))
        };
        let time = |name: &str| row.values.get(name).and_then(instant);
        let event =
            time(&self.view.event_time).ok_or_else(|| wrong(&self.view.event_time, "it is no time"))?;
        let (since, until) = self.span;
        if event > until.0 {
            self.later += 1;
            return Ok(());
        }
        if since.is_some_and(|since| event < since.0) {
            return Ok(());
        }
        let keys = self.view.keys.iter().map(|key| (&key.name, &key.data_type));
        let features = self
            .view
            .features
            .iter()
            .map(|(name, feature)| (name, &feature.data_type));
        let columns = self.batch.keys.iter_mut().chain(&mut self.batch.features);
        for ((name, data_type), column) in keys.chain(features).zip(columns) {
            let given = row.values.get(name).unwrap_or(&serde_json::Value::Null);
            let value = read_json(data_type, given).map_err(|error| wrong(name, &error.to_string()))?;
            if !column.push(value) {
                return Err(wrong(name, "it is of another kind"));
            }
        }
        self.batch.event_times.push(event);
        if let (Some(times), Some(name)) = (&mut self.batch.created_times, &self.view.created_time) {
            times.push(time(name).unwrap_or(row.received.0));
        }
        Ok(())
    }

    fn take(&mut self) -> Converted {
        Converted {
            batch: std::mem::replace(&mut self.batch, empty(self.view)),
            timeless: 0,
            later: std::mem::take(&mut self.later),
        }
    }
}

fn empty(view: &FeatureView) -> RowBatch {
    RowBatch {
        keys: view.keys.iter().map(|key| Column::of(&key.data_type)).collect(),
        event_times: Vec::new(),
        created_times: view.created_time.as_ref().map(|_| Vec::new()),
        features: view
            .features
            .values()
            .map(|feature| Column::of(&feature.data_type))
            .collect(),
    }
}
