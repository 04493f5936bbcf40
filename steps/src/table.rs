//! Tables at a step's edges: artifacts and datasets in, Parquet artifacts out.

use crate::dataset;
use crate::fault::guarded;
use crate::flow::Flow;
use crate::offline::{self, Selection, ViewReader};
use polars::io::HiveOptions;
use polars::prelude::{
    DataFrame, IntoLazy, LazyFrame, ParquetCompression, ParquetWriter, PlRefPath, PolarsError,
    ScanArgsParquet, len,
};
use std::fs::File;
use std::path::Path;
use trainyard_contract::task::TaskInput;
use trainyard_contract::{ArtifactKind, ArtifactRef, OutputValue, Schema, StepError, StepIo};

/// Rows per row group of every table we write. Part of the bytes, so part of the reuse key's
/// promise that the same rows give the same hash.
pub(crate) const ROW_GROUP: usize = 1 << 17;

/// A table input, opened.
#[derive(Clone)]
pub(crate) struct Table {
    /// Its rows; an artifact is read when the plan is carried out.
    pub(crate) frame: LazyFrame,
    pub(crate) schema: Schema,
    /// Its number of rows, where that is known without counting.
    pub(crate) rows: Option<usize>,
    /// Remarks of the reader, for the log.
    pub(crate) notes: Vec<String>,
}

impl Table {
    /// The table as the start of a plan, under the input's name.
    pub(crate) fn flow(&self, input: &str) -> Flow {
        Flow::read(input, &self.schema, self.frame.clone())
    }

    /// Its number of rows.
    ///
    /// # Errors
    /// `Rejected` if they cannot be counted.
    pub(crate) fn height(&self) -> Result<usize, StepError> {
        if let Some(rows) = self.rows {
            return Ok(rows);
        }
        let counted = collect("count the rows", self.frame.clone().select([len()]))?;
        let count = counted
            .columns()
            .first()
            .and_then(|column| column.get(0).ok()?.try_extract::<u64>().ok());
        count
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| StepError::internal("could not count the rows"))
    }
}

/// Opens a table input: an artifact, checked against its hash, or a dataset, read by its contract.
///
/// # Errors
/// `Rejected` if the input is absent or no table, `GateFailed` if a dataset has rows that break its
/// contract, and whatever reading gives.
pub(crate) fn open(io: &StepIo, input: &str) -> Result<Table, StepError> {
    match io.input(input) {
        Some(TaskInput::Dataset(dataset)) => {
            let contract = dataset
                .contract
                .as_ref()
                .and_then(|name| io.spec().contracts.get(name));
            let reading = dataset::read(dataset, contract, dataset::Access::of(io))?;
            reading.refuse_faults()?;
            Ok(Table {
                notes: reading.notes,
                schema: reading.schema,
                rows: Some(reading.frame.height()),
                frame: reading.frame.lazy(),
            })
        }
        Some(TaskInput::Output(OutputValue::Artifact(artifact))) if artifact.kind == ArtifactKind::Table => {
            open_artifact(io, artifact)
        }
        Some(TaskInput::Features(stored)) => {
            let reader = ViewReader::open(&offline::objects(io), stored)?;
            Ok(Table {
                frame: reader.plan(&Selection::default(), &io.scratch().join(input))?,
                schema: reader.layout().schema(),
                rows: None,
                notes: Vec::new(),
            })
        }
        None | Some(TaskInput::Absent) => Err(StepError::rejected(format!("input `{input}` is missing"))),
        Some(_) => Err(StepError::rejected(format!("input `{input}` is not a table"))),
    }
}

/// Opens a table artifact, checked against its hash.
///
/// # Errors
/// `ArtifactDamaged` or `IoError`.
pub(crate) fn open_artifact(io: &StepIo, artifact: &ArtifactRef) -> Result<Table, StepError> {
    let path = io.open(artifact)?;
    let reading =
        |error: PolarsError| StepError::io(format!("could not read table {}", artifact.hash), &error);
    let mut frame = scan(&path).map_err(reading)?;
    let schema = match &artifact.schema {
        Some(schema) => schema.clone(),
        None => dataset::bare_schema(&*frame.collect_schema().map_err(reading)?, None),
    };
    Ok(Table {
        frame,
        schema,
        rows: artifact.rows.and_then(|rows| usize::try_from(rows).ok()),
        notes: Vec::new(),
    })
}

/// A Parquet file of ours as the start of a plan.
///
/// # Errors
/// polars' own, if it is no such file.
pub(crate) fn scan(path: &Path) -> Result<LazyFrame, PolarsError> {
    let options = ScanArgsParquet {
        glob: false,
        hive_options: HiveOptions {
            enabled: Some(false),
            ..HiveOptions::default()
        },
        ..ScanArgsParquet::default()
    };
    LazyFrame::scan_parquet(PlRefPath::new(path.to_string_lossy()), options)
}

/// Carries a plan out.
///
/// # Errors
/// `Rejected` with polars' own words: values that cannot be computed.
pub(crate) fn collect(doing: &str, plan: LazyFrame) -> Result<DataFrame, StepError> {
    guarded(|| plan.collect()).map_err(|error| {
        StepError::rejected(format!("could not {doing}: {}", crate::fault::sentence(&error)))
    })
}

/// Writes rows as the table output `output`: same rows and schema, same bytes.
///
/// # Errors
/// `IoError`, or `Internal` if the schema does not describe the rows.
pub(crate) fn write(
    io: &mut StepIo,
    output: &str,
    frame: &mut DataFrame,
    schema: Schema,
) -> Result<ArtifactRef, StepError> {
    if !frame
        .get_column_names()
        .iter()
        .map(|name| name.as_str())
        .eq(schema.names())
    {
        return Err(StepError::internal(format!(
            "the columns of output `{output}` are not those inferred"
        )));
    }
    let path = io.staging_path()?;
    let rows = frame.height() as u64;
    // Chunks left by reading and joining would otherwise cut the pages at other rows.
    frame.rechunk_mut();
    let written = File::create(&path).map_err(PolarsError::from).and_then(|file| {
        ParquetWriter::new(file)
            .with_compression(ParquetCompression::Snappy)
            .with_row_group_size(Some(ROW_GROUP))
            .finish(frame)
    });
    if let Err(error) = written {
        let _ = std::fs::remove_file(&path);
        return Err(StepError::io(
            format!("could not write output `{output}`"),
            &error,
        ));
    }
    io.keep_table(output, &path, schema, rows)
}

/// A table in a few words: `336,776 rows, 19 columns`.
pub(crate) fn headline(frame: &DataFrame) -> String {
    format!(
        "{} rows, {} columns",
        grouped(frame.height() as u64),
        frame.width()
    )
}

/// A count with commas between thousands.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
