//! Rows on their way into a view's files: by period, sorted, each row once.
//!
//! Rows are held until there are many, then laid aside by month in the scratch folder; a month with too many rows for
//! one file is laid aside once more by day, a day by its keys. So memory is bounded by one file's rows, however many come.

use super::internal;
use super::layout::Layout;
use super::reader::read_file;
use crate::explore;
use crate::table::ROW_GROUP;
use indexmap::IndexMap;
use jiff::civil::Date;
use polars::chunked_array::ops::row_encode::_get_rows_encoded_unordered;
use polars::prelude::{
    BooleanChunked, ChunkAgg, ChunkCompareEq, Column as Values, DataFrame, IdxCa, IdxSize, NewChunkedArray,
    ParquetCompression, ParquetReader, ParquetWriter, PolarsError, SerReader, SortMultipleOptions,
};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use trainyard_contract::{ContentHash, Objects, StepError, Timestamp};
use trainyard_features::offline::{
    Change, ChangeKind, ColumnStatistics, DataFile, Period, Range, Snapshot, TimeRange,
};

const DAY_US: i64 = 86_400_000_000;
/// Values that a file has at most, about; it has its rows in memory while it is written.
const CELLS: usize = 24 << 20;
/// Rows that a file may have at most, and those that it may have though it has many columns.
const MOST_ROWS: usize = 4 << 20;
const LEAST_ROWS: usize = 1 << 17;

/// What has come of the rows.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) change: Change,
    /// Rows that were there already, in every value.
    pub(crate) doubled: u64,
}

/// Takes a view's rows.
pub(crate) struct ViewWriter<'a> {
    objects: &'a Objects,
    layout: &'a Layout,
    base: &'a Snapshot,
    most_rows: usize,
    by_month: Router,
    doubled: u64,
}

impl<'a> ViewWriter<'a> {
    /// Goes on from `base`; `scratch` is a folder of its own.
    pub(crate) fn new(
        objects: &'a Objects,
        layout: &'a Layout,
        base: &'a Snapshot,
        scratch: &Path,
    ) -> Result<Self, StepError> {
        let most_rows = (CELLS / layout.columns.len().max(1)).clamp(LEAST_ROWS, MOST_ROWS);
        Ok(Self {
            objects,
            layout,
            base,
            most_rows,
            by_month: Router::new(Route::Month, scratch, "month", most_rows)?,
            doubled: 0,
        })
    }

    /// The same with another number of rows to a file.
    #[cfg(test)]
    pub(crate) fn rows_a_file(mut self, most_rows: usize) -> Self {
        self.most_rows = most_rows;
        self.by_month.held_at_most = most_rows;
        self
    }

    /// Takes rows that have the view's columns.
    ///
    /// # Errors
    /// `IoError`.
    pub(crate) fn push(&mut self, frame: DataFrame) -> Result<(), StepError> {
        self.by_month.push(frame, self.layout)
    }

    /// Writes the files, as objects; durable when it returns.
    ///
    /// # Errors
    /// `IoError`.
    pub(crate) fn finish(mut self, kind: ChangeKind) -> Result<Written, StepError> {
        let mut added = Vec::new();
        let months = std::mem::take(&mut self.by_month.parts);
        for (code, part) in months {
            let month = Route::Month.period(code);
            // Rows that replace all others need not lie as those did.
            let is_by_day = kind != ChangeKind::Replace && self.base.is_by_day(month);
            added.extend(self.lay_out(month, part, is_by_day, kind, u64::MAX)?);
        }
        Ok(Written {
            change: Change {
                kind,
                schema: self.layout.schema(),
                added,
                removed: BTreeSet::new(),
                folded: self.base.folded,
            },
            doubled: self.doubled,
        })
    }

    /// The rows of some files in as few new ones as may be; they come with the snapshot that `sequence` says.
    ///
    /// # Errors
    /// `IoError`, `ArtifactDamaged`.
    pub(crate) fn merge(
        &mut self,
        period: Period,
        files: &[&DataFile],
        sequence: u64,
    ) -> Result<Vec<(Period, DataFile)>, StepError> {
        let mut part = Part::default();
        let mut route = Router::new(
            Route::Bucket(1),
            &self.by_month.scratch,
            &format!("merge-{period}"),
            self.most_rows,
        )?;
        for file in files {
            for frame in read_file(self.objects, self.layout, file, None, TimeRange::default())? {
                route.push(frame?, self.layout)?;
            }
        }
        if let Some((_, all)) = route.parts.pop_first() {
            part = all;
        }
        self.lay_out(period, part, false, ChangeKind::Compact, sequence)
    }

    /// The files of a month's or day's rows.
    fn lay_out(
        &mut self,
        period: Period,
        part: Part,
        is_by_day: bool,
        kind: ChangeKind,
        sequence: u64,
    ) -> Result<Vec<(Period, DataFile)>, StepError> {
        let most = self.most_rows as u64;
        let mut files = Vec::new();
        if matches!(period, Period::Month(_)) && (is_by_day || part.rows > most) {
            let mut days = Router::new(
                Route::Day,
                &self.by_month.scratch,
                &format!("day-{period}"),
                self.most_rows,
            )?;
            part.each(|frame| days.push(frame, self.layout))?;
            for (code, part) in std::mem::take(&mut days.parts) {
                files.extend(self.lay_out(Route::Day.period(code), part, false, kind, sequence)?);
            }
            return Ok(files);
        }
        if part.rows > most && !self.layout.keys.is_empty() {
            let count = part.rows.div_ceil(most);
            let name = format!("keys-{period}");
            let mut buckets = Router::new(
                Route::Bucket(count),
                &self.by_month.scratch,
                &name,
                self.most_rows,
            )?;
            part.each(|frame| buckets.push(frame, self.layout))?;
            for (_, part) in std::mem::take(&mut buckets.parts) {
                files.extend(self.file(part, kind, sequence)?.map(|file| (period, file)));
            }
            return Ok(files);
        }
        files.extend(self.file(part, kind, sequence)?.map(|file| (period, file)));
        Ok(files)
    }

    /// A file of all rows that are not there yet; none if all are.
    fn file(&mut self, part: Part, kind: ChangeKind, sequence: u64) -> Result<Option<DataFile>, StepError> {
        let Some(frame) = part.whole()? else {
            return Ok(None);
        };
        let before = frame.height();
        let options = SortMultipleOptions::default()
            .with_maintain_order(true)
            .with_nulls_last(false);
        let sorted = frame.sort(self.layout.order(), options).map_err(internal)?;
        drop(frame);
        let mut frame = last_of_equals(sorted, self.layout)?;
        if kind == ChangeKind::Append {
            frame = self.without_known(frame)?;
        }
        self.doubled += (before - frame.height()) as u64;
        if frame.height() == 0 {
            return Ok(None);
        }
        frame.rechunk_mut();
        let path = self.objects.staging_path()?;
        let written = File::create(&path).map_err(PolarsError::from).and_then(|file| {
            ParquetWriter::new(file)
                .with_compression(ParquetCompression::Snappy)
                .with_row_group_size(Some(ROW_GROUP))
                .finish(&mut frame)
        });
        if let Err(error) = written {
            let _ = std::fs::remove_file(&path);
            return Err(StepError::io("could not write the feature view's rows", &error));
        }
        let (hash, size) = self.objects.adopt(&path)?;
        let event_time = range_of(frame.column(&self.layout.event_time).map_err(internal)?)?
            .ok_or_else(|| StepError::internal("rows without an event time were let in"))?;
        let created_time = match &self.layout.created_time {
            Some(name) => range_of(frame.column(name).map_err(internal)?)?,
            None => None,
        };
        Ok(Some(DataFile {
            hash,
            size,
            rows: frame.height() as u64,
            sequence,
            event_time,
            created_time,
            statistics: statistics(&frame)?,
        }))
    }

    /// The rows that no file of the base has in every value.
    fn without_known(&self, frame: DataFrame) -> Result<DataFrame, StepError> {
        let Some(range) = range_of(frame.column(&self.layout.event_time).map_err(internal)?)? else {
            return Ok(frame);
        };
        let wanted = TimeRange {
            from: Some(range.from),
            before: Some(Timestamp(range.to.0.saturating_add(1))),
        };
        let files: Vec<&DataFile> = self.base.files_for(wanted, None).collect();
        if files.is_empty() {
            return Ok(frame);
        }
        let mut places: HashMap<[u8; 16], Vec<usize>> = HashMap::new();
        for (at, key) in row_keys(&frame)?.into_iter().enumerate() {
            places.entry(key).or_default().push(at);
        }
        let mut keep = vec![true; frame.height()];
        for file in files {
            for known in read_file(self.objects, self.layout, file, None, wanted)? {
                for key in row_keys(&known?)? {
                    for at in places.remove(&key).unwrap_or_default() {
                        keep[at] = false;
                    }
                }
            }
        }
        if keep.iter().all(|keep| *keep) {
            return Ok(frame);
        }
        frame
            .filter(&BooleanChunked::from_slice("keep".into(), &keep))
            .map_err(internal)
    }
}

/// First and last instant of a column of times; none if all are missing.
fn range_of(column: &Values) -> Result<Option<Range>, StepError> {
    let physical = column.to_physical_repr();
    let numbers = physical.i64().map_err(internal)?;
    Ok(numbers.min().zip(numbers.max()).map(|(from, to)| Range {
        from: Timestamp(from),
        to: Timestamp(to),
    }))
}

fn statistics(frame: &DataFrame) -> Result<IndexMap<String, ColumnStatistics>, StepError> {
    let found: Result<Vec<(String, ColumnStatistics)>, StepError> = frame
        .columns()
        .par_iter()
        .map(|column| {
            let found = explore::statistics(column.as_materialized_series()).map_err(internal)?;
            Ok((column.name().to_string(), found))
        })
        .collect();
    Ok(found?.into_iter().collect())
}

/// 128 bits for each row that two rows share only if they are equal in every value.
fn row_keys(frame: &DataFrame) -> Result<Vec<[u8; 16]>, StepError> {
    let encoded = _get_rows_encoded_unordered(frame.columns()).map_err(internal)?;
    let key = |row: &[u8]| {
        let mut key = [0; 16];
        key.copy_from_slice(&ContentHash::of(row).as_bytes()[..16]);
        key
    };
    Ok(encoded.iter().map(key).collect())
}

/// Of rows that are equal in every value the last one; rows are sorted by keys and times.
fn last_of_equals(frame: DataFrame, layout: &Layout) -> Result<DataFrame, StepError> {
    let height = frame.height();
    if height < 2 {
        return Ok(frame);
    }
    // Only rows that agree with a neighbour in keys and times can be equal.
    let mut agrees: Option<BooleanChunked> = None;
    for name in layout.order() {
        let column = frame.column(&name).map_err(internal)?;
        let (here, next) = (column.slice(0, height - 1), column.slice(1, height - 1));
        let same = here
            .as_materialized_series()
            .equal_missing(next.as_materialized_series())
            .map_err(internal)?;
        agrees = Some(match agrees {
            None => same,
            Some(before) => &before & &same,
        });
    }
    let Some(agrees) = agrees.filter(BooleanChunked::any) else {
        return Ok(frame);
    };
    let agrees: Vec<bool> = agrees.iter().map(|agrees| agrees == Some(true)).collect();
    let mut keep = vec![true; height];
    let mut from = 0;
    let mut seen = std::collections::HashSet::new();
    while from + 1 < height {
        let length = agrees[from..].iter().take_while(|agrees| **agrees).count();
        if length > 0 {
            let start = i64::try_from(from).unwrap_or(i64::MAX);
            seen.clear();
            let keys = row_keys(&frame.slice(start, length + 1))?;
            for (at, key) in keys.into_iter().enumerate().rev() {
                keep[from + at] = seen.insert(key);
            }
        }
        from += length + 1;
    }
    frame
        .filter(&BooleanChunked::from_slice("keep".into(), &keep))
        .map_err(internal)
}

/// What rows are laid apart by.
#[derive(Clone, Copy, Debug)]
enum Route {
    Month,
    Day,
    /// By a hash of their keys.
    Bucket(u64),
}

impl Route {
    fn period(self, code: i64) -> Period {
        let day = |days: i64| {
            let epoch = Date::constant(1970, 1, 1);
            let span = jiff::Span::new().try_days(days);
            span.and_then(|span| epoch.checked_add(span)).unwrap_or(epoch)
        };
        match self {
            Self::Month => Period::Month(day(code).first_of_month()),
            Self::Day | Self::Bucket(_) => Period::Day(day(code)),
        }
    }

    /// Of each row, where it goes: by month that of the month's first day.
    fn codes(self, frame: &DataFrame, layout: &Layout) -> Result<Vec<i64>, StepError> {
        if let Self::Bucket(count) = self {
            if count <= 1 {
                return Ok(vec![0; frame.height()]);
            }
            let keys = frame
                .select(layout.keys.iter().map(String::as_str))
                .map_err(internal)?;
            let code = |key: [u8; 16]| {
                let number =
                    u64::from_le_bytes([key[0], key[1], key[2], key[3], key[4], key[5], key[6], key[7]]);
                i64::try_from(number % count).unwrap_or(0)
            };
            return Ok(row_keys(&keys)?.into_iter().map(code).collect());
        }
        let column = frame
            .column(&layout.event_time)
            .map_err(internal)?
            .to_physical_repr();
        let times = column.i64().map_err(internal)?;
        // The period that the last row was in: most rows are in that of the one before.
        let mut last = (i64::MAX, i64::MIN, 0);
        let mut codes = Vec::with_capacity(frame.height());
        for at in times.iter() {
            let at = at.unwrap_or(0);
            if at < last.0 || at >= last.1 {
                let period = match self {
                    Self::Month => Period::month_of(Timestamp(at)),
                    _ => Period::day_of(Timestamp(at)),
                };
                let start = period.start().0;
                last = (start, period.end().0, start.div_euclid(DAY_US));
            }
            codes.push(last.2);
        }
        Ok(codes)
    }
}

/// Rows of one period or bucket, in the order in which they came.
#[derive(Default)]
struct Part {
    rows: u64,
    files: Vec<PathBuf>,
    frames: Vec<DataFrame>,
}

impl Part {
    fn each(self, mut take: impl FnMut(DataFrame) -> Result<(), StepError>) -> Result<(), StepError> {
        for path in self.files {
            let read = File::open(&path)
                .map_err(PolarsError::from)
                .and_then(|file| ParquetReader::new(file).finish());
            take(read.map_err(|error| StepError::io("could not read rows laid aside", &error))?)?;
            let _ = std::fs::remove_file(&path);
        }
        self.frames.into_iter().try_for_each(take)
    }

    fn whole(self) -> Result<Option<DataFrame>, StepError> {
        let mut whole: Option<DataFrame> = None;
        self.each(|frame| {
            match &mut whole {
                None => whole = Some(frame),
                Some(whole) => {
                    whole.vstack_mut_owned(frame).map_err(internal)?;
                }
            }
            Ok(())
        })?;
        Ok(whole)
    }
}

/// Lays rows apart; in files once there are many.
struct Router {
    route: Route,
    scratch: PathBuf,
    name: String,
    parts: BTreeMap<i64, Part>,
    held: usize,
    held_at_most: usize,
    flushed: usize,
}

impl Router {
    fn new(route: Route, scratch: &Path, name: &str, held_at_most: usize) -> Result<Self, StepError> {
        std::fs::create_dir_all(scratch)
            .map_err(|error| StepError::io("could not make a folder for rows laid aside", &error))?;
        Ok(Self {
            route,
            scratch: scratch.to_owned(),
            name: name.to_owned(),
            parts: BTreeMap::new(),
            held: 0,
            held_at_most,
            flushed: 0,
        })
    }

    fn push(&mut self, frame: DataFrame, layout: &Layout) -> Result<(), StepError> {
        if frame.height() == 0 {
            return Ok(());
        }
        let codes = self.route.codes(&frame, layout)?;
        self.held += frame.height();
        let first = codes[0];
        if codes.iter().all(|code| *code == first) {
            self.add(first, frame);
        } else {
            let mut places: BTreeMap<i64, Vec<IdxSize>> = BTreeMap::new();
            for (at, code) in codes.into_iter().enumerate() {
                places
                    .entry(code)
                    .or_default()
                    .push(IdxSize::try_from(at).unwrap_or(IdxSize::MAX));
            }
            for (code, places) in places {
                let some = frame
                    .take(&IdxCa::from_vec("places".into(), places))
                    .map_err(internal)?;
                self.add(code, some);
            }
        }
        if self.held >= self.held_at_most {
            self.flush()?;
        }
        Ok(())
    }

    fn add(&mut self, code: i64, frame: DataFrame) {
        let part = self.parts.entry(code).or_default();
        part.rows += frame.height() as u64;
        part.frames.push(frame);
    }

    fn flush(&mut self) -> Result<(), StepError> {
        self.flushed += 1;
        for (code, part) in &mut self.parts {
            let mut frames = std::mem::take(&mut part.frames).into_iter();
            let Some(mut all) = frames.next() else { continue };
            for frame in frames {
                all.vstack_mut_owned(frame).map_err(internal)?;
            }
            let path = self
                .scratch
                .join(format!("{}-{code}-{}.parquet", self.name, self.flushed));
            let written = File::create(&path).map_err(PolarsError::from).and_then(|file| {
                ParquetWriter::new(file)
                    .with_compression(ParquetCompression::Snappy)
                    .finish(&mut all)
            });
            written.map_err(|error| StepError::io("could not lay rows aside", &error))?;
            part.files.push(path);
        }
        self.held = 0;
        Ok(())
    }
}
