//! The way of rows from their source into the table: bad ones aside, old ones and doubles out.

use super::dedupe::{Choice, Dedupe};
use super::quarantine::Quarantine;
use super::watermark::{self, Files, Remembered, Standing};
use crate::dataset::{Block, DataFile, Fault, Intake};
use crate::fault;
use crate::sink::{Sink, each_group};
use crate::table::grouped;
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};
use std::path::{Path, PathBuf};
use trainyard_contract::{ContentHash, Millis, StepError};

/// What is asked of an ingest, whatever its source.
#[derive(Clone)]
pub(super) struct Sifting {
    pub(super) is_incremental: bool,
    pub(super) watermark: Option<String>,
    pub(super) lateness: Millis,
    pub(super) dedupe_on: Vec<String>,
    pub(super) choice: Choice,
    pub(super) columns: Vec<String>,
    pub(super) max_bad_share: f64,
}

/// The table of the last time.
pub(super) struct Earlier {
    pub(super) path: PathBuf,
    pub(super) rows: u64,
    pub(super) hash: ContentHash,
    pub(super) remembered: Remembered,
    pub(super) files: Files,
}

/// What became of the rows.
pub(super) struct Intook {
    pub(super) table: PathBuf,
    pub(super) rows: u64,
    pub(super) rows_read: u64,
    pub(super) bad: u64,
    pub(super) late: u64,
    pub(super) doubled: u64,
    pub(super) remembered: Remembered,
    pub(super) files: Files,
    /// For the log.
    pub(super) notes: Vec<String>,
    pub(super) quarantine: Quarantine,
    /// The earlier table, if nothing came to it.
    pub(super) unchanged: Option<ContentHash>,
}

/// Takes blocks, and gives the table.
pub(super) struct Sieve<'a> {
    sifting: &'a Sifting,
    earlier: Option<&'a Earlier>,
    staging: PathBuf,
    scratch: PathBuf,
    sink: Sink,
    quarantine: Quarantine,
    dedupe: Option<Dedupe>,
    /// Whether the first block has been looked at.
    has_begun: bool,
    is_time: bool,
    high: Option<i64>,
    files: Files,
    standing: std::collections::BTreeMap<String, Standing>,
    rows_read: u64,
    rows_taken: u64,
    bad: u64,
    late: u64,
    old: u64,
    skipped_files: usize,
    notes: Vec<String>,
}

fn internal(error: polars::prelude::PolarsError) -> StepError {
    StepError::internal(error.to_string())
}

impl<'a> Sieve<'a> {
    /// `staging` is where the table is written; `input` counts the step's inputs.
    pub(super) fn new(
        sifting: &'a Sifting,
        earlier: Option<&'a Earlier>,
        staging: PathBuf,
        scratch: &Path,
        input: usize,
    ) -> Self {
        Self {
            sifting,
            earlier,
            sink: Sink::new(staging.clone()),
            staging,
            scratch: scratch.join(format!("doubled-{input}.parquet")),
            quarantine: Quarantine::new(scratch, input),
            dedupe: None,
            has_begun: false,
            is_time: true,
            high: earlier.and_then(|earlier| earlier.remembered.high),
            files: earlier.map(|earlier| earlier.files.clone()).unwrap_or_default(),
            standing: std::collections::BTreeMap::new(),
            rows_read: 0,
            rows_taken: 0,
            bad: 0,
            late: 0,
            old: 0,
            skipped_files: 0,
            notes: Vec::new(),
        }
    }

    /// The source holds rows of the last time, too, and is no file.
    pub(super) fn grows(&mut self, source: &str) {
        self.standing.insert(source.to_owned(), Standing::Changed);
    }

    /// With the columns known: what can be deduplicated, and the rows of the last time.
    fn begin(&mut self, frame: &DataFrame) -> Result<(), StepError> {
        self.has_begun = true;
        if !self.sifting.dedupe_on.is_empty() {
            let by = match &self.sifting.choice {
                Choice::By { column, .. } => Some(column),
                _ => None,
            };
            let needed = self.sifting.dedupe_on.iter().chain(by);
            let missing: Vec<&str> = needed
                .map(String::as_str)
                .filter(|column| frame.column(column).is_err())
                .collect();
            if missing.is_empty() {
                self.dedupe = Some(Dedupe::new(&self.sifting.dedupe_on, self.sifting.choice.clone()));
            } else {
                self.notes
                    .push(format!("not deduplicated, it has no {}", fault::list(&missing)));
            }
        }
        if let Some(watermark) = &self.sifting.watermark {
            match frame.column(watermark) {
                Ok(column) => self.is_time = column.dtype().is_temporal(),
                Err(_) if self.sifting.is_incremental => {
                    return Err(StepError::rejected(format!(
                        "there is no watermark column `{watermark}`"
                    )));
                }
                Err(_) => self.notes.push(format!("no watermark, it has no `{watermark}`")),
            }
        }
        if let Some(earlier) = self.earlier {
            let (path, rows) = (earlier.path.clone(), earlier.rows);
            let mut like_before = true;
            each_group(&path, rows, |group| {
                if like_before && !same_columns(&group, frame, &self.sifting.columns) {
                    like_before = false;
                }
                if like_before { self.admit(group) } else { Ok(()) }
            })?;
            if !like_before {
                return Err(StepError::rejected(
                    "the table of the last run has other columns than the data has now, so it cannot be gone on with",
                )
                .help("run once with `mode: full`, or keep the contract's columns as they were"));
            }
        }
        Ok(())
    }

    /// Good rows that belong into the table, unless they double others.
    fn admit(&mut self, frame: DataFrame) -> Result<(), StepError> {
        let frame = match &mut self.dedupe {
            Some(dedupe) => dedupe.take(frame)?,
            None => frame,
        };
        let frame = if self.sifting.columns.is_empty() {
            frame
        } else {
            let kept: Vec<_> = frame
                .get_column_names()
                .into_iter()
                .filter(|name| self.sifting.columns.iter().any(|column| column == name.as_str()))
                .cloned()
                .collect();
            frame.select(kept).map_err(internal)?
        };
        self.sink.push(frame)
    }

    /// Of good rows those that are new, by the watermark; the late ones are set aside.
    fn new_rows(&mut self, block: &Block, good: &[usize], frame: DataFrame) -> Result<DataFrame, StepError> {
        let Some(watermark) = &self.sifting.watermark else {
            return Ok(frame);
        };
        let Ok(column) = frame.column(watermark) else {
            return Ok(frame);
        };
        let heights = watermark::heights(column)?;
        if !self.sifting.is_incremental {
            self.high = self.high.max(heights.iter().flatten().max().copied());
            return Ok(frame);
        }
        let before = self.earlier.and_then(|earlier| earlier.remembered.high);
        let lateness = i64::try_from(self.sifting.lateness.0)
            .unwrap_or(i64::MAX)
            .saturating_mul(1000);
        let limit = before.map(|high| high.saturating_sub(if self.is_time { lateness } else { 0 }));
        let is_new_file = self.standing.get(&*block.file) != Some(&Standing::Changed);
        let keys = match &self.dedupe {
            Some(dedupe) if before.is_some() => Some(dedupe.keys(&frame)?),
            _ => None,
        };
        let mut keep = vec![true; heights.len()];
        let mut faults = Vec::new();
        for (at, height) in heights.iter().enumerate() {
            let mut set_aside = |value: Option<String>, reason: String| {
                faults.push(Fault {
                    file: std::sync::Arc::clone(&block.file),
                    row: good
                        .get(at)
                        .and_then(|at| block.rows.get(*at))
                        .copied()
                        .unwrap_or_default(),
                    column: watermark.clone(),
                    value,
                    reason,
                });
            };
            let Some(height) = *height else {
                keep[at] = false;
                set_aside(None, "is missing, and the watermark must not be".to_owned());
                continue;
            };
            if let (Some(before), Some(limit)) = (before, limit) {
                let is_known = match (&keys, &self.dedupe) {
                    (Some(keys), Some(dedupe)) => keys.get(at).map(|key| dedupe.knows(key)),
                    _ => None,
                };
                let is_old = match is_known {
                    Some(is_known) => height < limit && is_known,
                    // Without a key, what a file held before cannot be told from what is late in it.
                    None => !is_new_file && height <= before,
                };
                if is_old {
                    self.old += 1;
                    keep[at] = false;
                    continue;
                }
                if height < limit {
                    keep[at] = false;
                    self.late += 1;
                    let limit = watermark::shown(limit, self.is_time);
                    set_aside(
                        Some(watermark::shown(height, self.is_time)),
                        format!("is late: rows before {limit} have been taken already"),
                    );
                    continue;
                }
            }
            self.high = self.high.max(Some(height));
        }
        self.quarantine.extend(faults)?;
        if keep.iter().all(|keep| *keep) {
            return Ok(frame);
        }
        frame
            .filter(&BooleanChunked::from_slice("keep".into(), &keep))
            .map_err(internal)
    }

    /// The table, if not too many rows are bad.
    ///
    /// # Errors
    /// `GateFailed` with the first three faults, or what writing gives.
    pub(super) fn finish(mut self) -> Result<Intook, StepError> {
        let (examples, all) = self.quarantine.examples();
        if self.bad > 0 && self.bad as f64 > self.sifting.max_bad_share * self.rows_read as f64 {
            return Err(crate::dataset::bad_rows(self.bad, self.rows_read, examples, all));
        }
        if self.skipped_files > 0 {
            self.notes.push(format!(
                "{} files are as they were and were not read",
                self.skipped_files
            ));
        }
        if self.old > 0 {
            self.notes
                .push(format!("{} rows were taken before", grouped(self.old)));
        }
        if self.late > 0 {
            self.notes
                .push(format!("set {} late rows aside", grouped(self.late)));
        }
        let doubled = self.dedupe.as_ref().map_or(0, Dedupe::doubled);
        if doubled > 0 {
            self.notes
                .push(format!("dropped {} doubled rows", grouped(doubled)));
        }
        if let Some(watermark) = self.sifting.watermark.as_ref()
            && let Some(high) = self.high
        {
            let shown = watermark::shown(high, self.is_time);
            self.notes.push(format!("high watermark {watermark} = {shown}"));
        }
        let unchanged = self
            .earlier
            .filter(|_| self.rows_taken == 0)
            .map(|earlier| earlier.hash);
        let (table, rows) = if unchanged.is_some() {
            // Rows of the earlier table may have been written anew before it was clear that none is added.
            let _ = std::fs::remove_file(&self.staging);
            (
                self.staging.clone(),
                self.earlier.map_or(0, |earlier| earlier.rows),
            )
        } else {
            match &self.dedupe {
                Some(dedupe) if dedupe.must_sift() => {
                    let mut sifted = Sink::new(self.scratch.clone());
                    if let Some((all, rows)) = self.sink.finish()? {
                        dedupe.sift(&all, rows, &mut sifted)?;
                    }
                    let Some((sifted, rows)) = sifted.finish()? else {
                        return Err(StepError::internal("no row was left of doubled ones"));
                    };
                    std::fs::copy(&sifted, &self.staging)
                        .and_then(|_| std::fs::remove_file(&sifted))
                        .map_err(|error| StepError::io("could not write the table", &error))?;
                    (self.staging.clone(), rows)
                }
                _ => match self.sink.finish()? {
                    Some(written) => written,
                    None => return Err(StepError::internal("no block came")),
                },
            }
        };
        Ok(Intook {
            table,
            rows,
            rows_read: self.rows_read,
            bad: self.bad,
            late: self.late,
            doubled,
            remembered: Remembered {
                column: self.sifting.watermark.clone().unwrap_or_default(),
                high: self.high,
                files: None,
            },
            files: self.files,
            notes: self.notes,
            quarantine: self.quarantine,
            unchanged,
        })
    }
}

/// Whether the table of the last time has the columns that the table of this time will have.
fn same_columns(earlier: &DataFrame, now: &DataFrame, kept: &[String]) -> bool {
    let now: Vec<_> = now
        .columns()
        .iter()
        .filter(|column| kept.is_empty() || kept.iter().any(|name| name == column.name().as_str()))
        .map(|column| (column.name(), column.dtype()))
        .collect();
    earlier
        .columns()
        .iter()
        .map(|column| (column.name(), column.dtype()))
        .eq(now)
}

impl Intake for Sieve<'_> {
    fn wants(&mut self, file: &DataFile) -> Result<bool, StepError> {
        if !self.sifting.is_incremental {
            return Ok(true);
        }
        let before = self.earlier.map(|earlier| &earlier.files);
        let none = Files::new();
        let (standing, hash) = watermark::standing(file, before.unwrap_or(&none))?;
        self.files.insert(file.shown.clone(), hash);
        self.standing.insert(file.shown.clone(), standing);
        self.skipped_files += usize::from(standing == Standing::Unchanged);
        Ok(standing != Standing::Unchanged)
    }

    fn take(&mut self, block: Block) -> Result<(), StepError> {
        if !self.has_begun {
            self.begin(&block.frame)?;
        }
        self.rows_read += (block.frame.height() + block.unreadable) as u64;
        self.bad += (block.faulty.len() + block.unreadable) as u64;
        let good = block.good_rows()?;
        let mut faulty = block.faulty.iter().peekable();
        let places: Vec<usize> = (0..block.frame.height())
            .filter(|at| faulty.next_if_eq(&at).is_none())
            .collect();
        let frame = self.new_rows(&block, &places, good)?;
        self.quarantine.extend(block.faults)?;
        self.rows_taken += frame.height() as u64;
        self.admit(frame)
    }

    fn restart(&mut self) -> Result<(), StepError> {
        self.sink = Sink::new(self.staging.clone());
        self.quarantine.clear();
        self.dedupe = None;
        self.has_begun = false;
        self.high = self.earlier.and_then(|earlier| earlier.remembered.high);
        (self.rows_read, self.rows_taken, self.bad, self.late, self.old) = (0, 0, 0, 0, 0);
        self.notes.clear();
        Ok(())
    }
}
