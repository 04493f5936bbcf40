//! Parquet and Arrow files: typed columns.

use super::coerce::Gathering;
use super::location::{DataFile, Format};
use crate::fault::{self, guarded};
use polars::prelude::{DataFrame, IpcReader, ParquetReader, PolarsError, SerReader};
use serde_json::Value;
use std::fs::File;
use trainyard_contract::StepError;

pub(super) fn read(
    file: &DataFile,
    format: Format,
    options: &Value,
    gathering: &mut Gathering<'_>,
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
    let broken = |error: PolarsError| {
        StepError::rejected(format!(
            "{} cannot be read as {}: {}",
            file.shown,
            name(format),
            fault::sentence(&error)
        ))
        .help("the file may be cut off or damaged; compare it with where it came from")
    };
    let names: Vec<String> = guarded(|| {
        let source = source.try_clone()?;
        Ok(match format {
            Format::Arrow => IpcReader::new(source)
                .schema()?
                .iter_names()
                .map(ToString::to_string)
                .collect(),
            _ => ParquetReader::new(source)
                .schema()?
                .iter_names()
                .map(ToString::to_string)
                .collect(),
        })
    })
    .map_err(broken)?;
    let wanted: Vec<String> = gathering
        .choose(&names)?
        .into_iter()
        .map(|at| names[at].clone())
        .collect();
    let frame: DataFrame = guarded(|| match format {
        Format::Arrow => IpcReader::new(source).with_columns(Some(wanted)).finish(),
        _ => ParquetReader::new(source).with_columns(Some(wanted)).finish(),
    })
    .map_err(broken)?;
    let rows: Vec<u64> = (1..=frame.height() as u64).collect();
    gathering.block(frame, &rows)
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Arrow => "Arrow",
        _ => "Parquet",
    }
}
