//! Parquet and Arrow files: typed columns.

use super::block::Reader;
use super::location::{DataFile, Format};
use crate::fault::{self, guarded};
use polars::prelude::{
    DataFrame, IpcReader, IpcScanOptions, LazyFrame, ParquetReader, PlRefPath, PolarsError, SerReader,
    UnifiedScanArgs,
};
use serde_json::Value;
use std::fs::File;
use trainyard_contract::StepError;

/// Rows taken at a time, unless a row group is smaller.
const ROWS: usize = 1 << 18;

pub(super) fn read(
    file: &DataFile,
    format: Format,
    options: &Value,
    reader: &mut Reader<'_>,
) -> Result<(), StepError> {
    if !options.is_null() {
        return Err(StepError::rejected(
            "a Parquet or Arrow dataset takes no `options`",
        ));
    }
    let source = File::open(&file.path)
        .map_err(|error| StepError::io(format!("could not read {}", file.shown), &error))?;
    if source.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Err(StepError::rejected(format!("{} is empty", file.shown)));
    }
    let broken = |row: u64, error: PolarsError| {
        let beyond = if row == 0 {
            String::new()
        } else {
            format!(" beyond row {row}")
        };
        StepError::rejected(format!(
            "{} cannot be read as {}{beyond}: {}",
            file.shown,
            name(format),
            fault::sentence(&error)
        ))
        .help("the file may be cut off or damaged; compare it with where it came from")
    };
    let names: Vec<String> = guarded(|| {
        let source = source.try_clone()?;
        let schema = match format {
            Format::Arrow => IpcReader::new(source).schema()?,
            _ => ParquetReader::new(source).schema()?,
        };
        Ok(schema.iter_names().map(ToString::to_string).collect())
    })
    .map_err(|error| broken(0, error))?;
    let wanted: Vec<String> = reader
        .choose(&names)?
        .into_iter()
        .map(|at| names[at].clone())
        .collect();
    let mut before = 0u64;
    let mut hand_on = |frame: DataFrame, reader: &mut Reader<'_>| {
        let first = before + 1;
        before += frame.height() as u64;
        reader.typed(frame, (first..=before).collect())
    };
    match format {
        Format::Arrow => {
            let path = file.path.to_string_lossy().into_owned();
            for slice in 0u32.. {
                let offset = i64::from(slice) * ROWS as i64;
                let frame = guarded(|| {
                    let scan = LazyFrame::scan_ipc(
                        PlRefPath::new(&path),
                        IpcScanOptions::default(),
                        UnifiedScanArgs {
                            glob: false,
                            ..UnifiedScanArgs::default()
                        },
                    )?;
                    let columns = wanted.iter().map(|name| polars::prelude::col(name.as_str()));
                    scan.select(columns.collect::<Vec<_>>())
                        .slice(offset, ROWS as u32)
                        .collect()
                })
                .map_err(|error| broken(u64::from(slice) * ROWS as u64, error))?;
                let height = frame.height();
                if height > 0 || slice == 0 {
                    hand_on(frame, reader)?;
                }
                if height < ROWS {
                    break;
                }
            }
        }
        _ => {
            let groups: Vec<usize> = guarded(|| {
                let mut opened = ParquetReader::new(source.try_clone()?);
                Ok(opened
                    .get_metadata()?
                    .row_groups
                    .iter()
                    .map(|group| group.num_rows())
                    .collect())
            })
            .map_err(|error| broken(0, error))?;
            for (offset, rows) in slices(&groups) {
                let frame = guarded(|| {
                    ParquetReader::new(source.try_clone()?)
                        .with_columns(Some(wanted.clone()))
                        .with_slice(Some((offset, rows)))
                        .finish()
                })
                .map_err(|error| broken(offset as u64, error))?;
                hand_on(frame, reader)?;
            }
        }
    }
    Ok(())
}

/// Slices of whole row groups up to [`ROWS`] rows; larger groups are cut.
fn slices(groups: &[usize]) -> Vec<(usize, usize)> {
    let mut slices: Vec<(usize, usize)> = Vec::new();
    let mut offset = 0;
    let mut open: Option<(usize, usize)> = None;
    for group in groups {
        if let Some((start, rows)) = open
            && rows + group > ROWS
        {
            slices.push((start, rows));
            open = None;
        }
        if *group > ROWS {
            let mut at = 0;
            while at < *group {
                let rows = ROWS.min(group - at);
                slices.push((offset + at, rows));
                at += rows;
            }
        } else {
            let (start, rows) = open.unwrap_or((offset, 0));
            open = Some((start, rows + group));
        }
        offset += group;
    }
    slices.extend(open);
    if slices.is_empty() {
        slices.push((0, 0));
    }
    slices
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Arrow => "Arrow",
        _ => "Parquet",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_row_groups_are_read_together_and_large_ones_in_parts() {
        assert_eq!(slices(&[10, 20]), [(0, 30)]);
        assert_eq!(slices(&[ROWS, 5]), [(0, ROWS), (ROWS, 5)]);
        assert_eq!(
            slices(&[2 * ROWS + 1, 5]),
            [(0, ROWS), (ROWS, ROWS), (2 * ROWS, 1), (2 * ROWS + 1, 5)]
        );
        assert_eq!(slices(&[]), [(0, 0)]);
    }
}
