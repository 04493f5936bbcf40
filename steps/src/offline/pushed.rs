//! Pushed rows as typed ones: JSON read as any NDJSON file is, by the view's types.

use super::internal;
use super::layout::Layout;
use crate::dataset::{self, Access};
use polars::prelude::DataFrame;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use trainyard_contract::task::DatasetRef;
use trainyard_contract::{StepError, Timestamp};
use trainyard_features::offline::{PushLog, PushLogError, PushPosition};

/// Rows taken at a time.
const ROWS: usize = 1 << 17;

/// Which of the pushed rows.
pub(super) struct Wanted {
    /// Segments up to this are in the snapshot's files.
    pub(super) folded: u64,
    pub(super) from: PushPosition,
    pub(super) until: PushPosition,
    /// Only those that were taken until then.
    pub(super) as_of: Option<Timestamp>,
}

enum Trouble {
    Log(PushLogError),
    Step(StepError),
}

impl From<PushLogError> for Trouble {
    fn from(error: PushLogError) -> Self {
        Self::Log(error)
    }
}

/// Reads pushed rows in the order in which they came; gives how many could not be read as the view's types, which are
/// left out.
///
/// # Errors
/// `IoError`, and what `take` gives.
pub(super) fn read(
    log: &PushLog,
    wanted: Wanted,
    layout: &Layout,
    scratch: &Path,
    take: &mut dyn FnMut(DataFrame) -> Result<(), StepError>,
) -> Result<u64, StepError> {
    let mut some: Vec<Map<String, Value>> = Vec::new();
    let mut unfit = 0;
    let read = log.read::<Trouble>(wanted.folded, wanted.from, Some(wanted.until), |row| {
        if wanted.as_of.is_some_and(|as_of| row.received > as_of) {
            return Ok(());
        }
        some.push(row.values);
        if some.len() >= ROWS {
            unfit += typed(&std::mem::take(&mut some), layout, scratch, take).map_err(Trouble::Step)?;
        }
        Ok(())
    });
    match read {
        Ok(_) => {}
        Err(Trouble::Step(error)) => return Err(error),
        Err(Trouble::Log(error)) => {
            return Err(StepError::io("could not read the log of pushed rows", &error));
        }
    }
    if !some.is_empty() {
        unfit += typed(&some, layout, scratch, take)?;
    }
    Ok(unfit)
}

fn typed(
    rows: &[Map<String, Value>],
    layout: &Layout,
    scratch: &Path,
    take: &mut dyn FnMut(DataFrame) -> Result<(), StepError>,
) -> Result<u64, StepError> {
    let failed = |error: std::io::Error| StepError::io("could not lay pushed rows aside", &error);
    std::fs::create_dir_all(scratch).map_err(failed)?;
    let path = scratch.join("pushed.ndjson");
    let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
    for row in rows {
        // Each column is there, if only as null.
        let line: Map<String, Value> = layout
            .columns
            .iter()
            .map(|column| {
                (
                    column.name.clone(),
                    row.get(&column.name).cloned().unwrap_or_default(),
                )
            })
            .collect();
        writeln!(file, "{}", Value::Object(line)).map_err(failed)?;
    }
    file.flush().map_err(failed)?;
    let dataset = DatasetRef {
        name: "pushed".to_owned(),
        location: path.to_string_lossy().into_owned(),
        folder: None,
        format: Some("ndjson".to_owned()),
        options: Value::Null,
        contract: None,
        content: None,
    };
    let access = Access {
        project: scratch,
        scratch,
        secrets: None,
    };
    let reading = dataset::read(&dataset, Some(&layout.contract_of_rows()), access)?;
    let _ = std::fs::remove_file(&path);
    let mut keep = vec![true; reading.frame.height()];
    for row in &reading.faulty {
        if let Some(keep) = keep.get_mut(*row) {
            *keep = false;
        }
    }
    let mask = polars::prelude::Series::from_iter(keep);
    let good = reading
        .frame
        .filter(mask.bool().map_err(internal)?)
        .map_err(internal)?;
    take(layout.rows_of_view(&good)?)?;
    Ok((reading.faulty.len() + reading.unreadable) as u64)
}
