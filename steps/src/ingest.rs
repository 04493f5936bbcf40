//! `ingest.files@v1`: datasets in files become tables that keep their contracts.

use crate::dataset::{self, Fault, Reading};
use crate::fault;
use crate::inference;
use crate::table;
use polars::prelude::{Column, DataFrame, PolarsError, UniqueKeepStrategy};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use trainyard_contract::finding::Finding;
use trainyard_contract::step::{Effect, Ports, Runner, Signature};
use trainyard_contract::task::{ColumnEdge, DatasetRef, TaskInput, Way};
use trainyard_contract::{
    ArtifactKind, DataContract, InferRequest, Inference, OutputValue, Schema, Shape, Step, StepError, StepIo,
};

/// Parameters of `ingest.files@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// `full`, or `incremental`: rows by a watermark. This version reads all files either way, so that
    /// late rows are never missed, and logs the high watermark. Default: `full`.
    #[serde(default)]
    mode: Mode,
    /// Column that grows with time; needed for `incremental`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    watermark: Option<String>,
    /// Of rows that agree in these columns one is kept. Inputs that lack one of them are left as
    /// they are. Default: all rows.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    dedupe_on: Vec<String>,
    /// Which of them, in the order of files and rows. Default: `first`.
    #[serde(default)]
    dedupe_keep: Keep,
    /// Columns to keep. Default: all.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    columns: Vec<String>,
    /// Share of rows, 0 to 1, that may break the contract; they are set aside with file, row, column,
    /// value and reason as the artifact `quarantine`. Default: 0, one bad row fails the step.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    max_bad_share: f64,
    /// Format of inputs that are files of earlier steps: `csv`, `ndjson`, `parquet` or `arrow`.
    #[serde(default)]
    format: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    #[default]
    Full,
    Incremental,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keep {
    #[default]
    First,
    Last,
}

pub(crate) struct IngestFiles;

/// The columns that are kept, with what holds for the table.
fn kept(schema: &Schema, columns: &[String]) -> Schema {
    let mut schema = schema.clone();
    if !columns.is_empty() {
        schema.columns.retain(|column| columns.contains(&column.name));
        let there = |name: &String| columns.contains(name);
        schema.event_time = schema.event_time.filter(there);
        if !schema.primary_key.iter().all(there) {
            schema.primary_key.clear();
        }
    }
    schema
}

fn identity(name: &str, schema: &Schema) -> Vec<ColumnEdge> {
    schema
        .names()
        .map(|column| ColumnEdge {
            output: name.to_owned(),
            column: column.to_owned(),
            input: name.to_owned(),
            from: column.to_owned(),
            derived: true,
            ways: [Way::Identity].into(),
        })
        .collect()
}

impl Step for IngestFiles {
    fn uses(&self) -> &'static str {
        "ingest.files@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Reads CSV, NDJSON, Parquet and Arrow files into tables that keep their contracts.",
            inputs: Ports::Any {
                kinds: vec![ArtifactKind::Table, ArtifactKind::File],
                min: 1,
            },
            outputs: Ports::SameAsInputs(ArtifactKind::Table),
            params: schemars::schema_for!(Params).to_value(),
            revision: 1,
            effect: Effect::None,
            runner: Runner::Worker,
        }
    }

    fn infer(&self, request: &InferRequest<'_>) -> Inference {
        let params: Params = match inference::parameters(request) {
            Ok(params) => params,
            Err(answer) => return answer,
        };
        let mut answer = inference::unknown_tables(request);
        let mut schemas: Vec<(&str, Schema)> = Vec::new();
        let mut all_known = true;
        for (name, shape) in request.inputs {
            let declared = request
                .outputs
                .get(name)
                .and_then(|output| output.contract.as_ref());
            match (
                shape,
                declared.and_then(|contract| request.contracts.get(contract)),
            ) {
                (Shape::Table(schema), _) => schemas.push((name, schema.clone())),
                (Shape::UnknownTable | Shape::Other(_), Some(contract)) => {
                    schemas.push((name, contract.schema(Some(name))));
                }
                _ => all_known = false,
            }
        }
        if all_known {
            answer.findings = unknown_columns(&params, &schemas);
        }
        if params.mode == Mode::Incremental && params.watermark.is_none() {
            let finding = Finding::error(
                "S01",
                inference::with("mode"),
                "`incremental` needs a `watermark`",
            );
            answer
                .findings
                .push(finding.help("name the column that grows with time: `watermark: COLUMN`"));
        }
        for (name, schema) in &schemas {
            let keys = params.dedupe_on.iter().chain(&params.watermark);
            let used = keys
                .filter(|column| schema.column(column).is_some())
                .cloned()
                .collect();
            answer.uses.insert((*name).to_owned(), used);
            let schema = kept(schema, &params.columns);
            answer.lineage.extend(identity(name, &schema));
            answer.outputs.insert((*name).to_owned(), Shape::Table(schema));
        }
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let names: Vec<String> = io.spec().inputs.keys().cloned().collect();
        let mut quarantined: Vec<Fault> = Vec::new();
        let mut headline: Vec<String> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            io.progress(at as u64, names.len() as u64, "datasets");
            let reading = read(io, name, &params)?;
            io.rows_in((reading.frame.height() + reading.unreadable) as u64);
            for note in &reading.notes {
                io.log(note.clone());
            }
            reading.refuse_faults(params.max_bad_share).map_err(|mut error| {
                error.failure.message = format!("input `{name}`: {}", error.failure.message);
                error.help("mend the data, change the contract, or tolerate a share of bad rows with `max_bad_share`")
            })?;
            if !reading.faults.is_empty() {
                let bad = (reading.faulty.len() + reading.unreadable) as u64;
                io.log(format!("{name}: set {} bad rows aside", table::grouped(bad)));
                io.metric(&format!("{name}.bad_rows"), bad as f64);
                quarantined.extend(reading.faults.iter().cloned());
            }
            let mut frame = finished(io, name, &params, &reading)?;
            let schema = kept(&reading.schema, &params.columns);
            let columns: Vec<&str> = schema.names().collect();
            frame = frame
                .select(columns)
                .map_err(|error| StepError::internal(error.to_string()))?;
            headline.push(format!("{name}: {}", table::headline(&frame)));
            io.lineage(identity(name, &schema));
            table::write(io, name, &mut frame, schema)?;
        }
        if !quarantined.is_empty() {
            let (mut frame, schema) = quarantine(&quarantined)?;
            table::write(io, "quarantine", &mut frame, schema)?;
        }
        io.headline(headline.join("; "));
        Ok(())
    }
}

fn read(io: &StepIo, name: &str, params: &Params) -> Result<Reading, StepError> {
    let wanted = io
        .spec()
        .outputs
        .get(name)
        .and_then(|output| output.contract.clone());
    let contract = |dataset: Option<&String>| -> Option<&DataContract> {
        dataset
            .or(wanted.as_ref())
            .and_then(|name| io.spec().contracts.get(name))
    };
    match io.input(name) {
        Some(TaskInput::Dataset(dataset)) => {
            dataset::read(dataset, contract(dataset.contract.as_ref()), &io.spec().project)
        }
        Some(TaskInput::Output(OutputValue::Artifact(artifact))) => {
            let format = match artifact.kind {
                ArtifactKind::Table => Some("parquet".to_owned()),
                _ => params.format.clone(),
            };
            if format.is_none() {
                return Err(
                    StepError::rejected(format!("input `{name}` is a file of unknown format"))
                        .help("say `format: csv`, ndjson, parquet or arrow"),
                );
            }
            let file = DatasetRef {
                name: name.to_owned(),
                location: io.open(artifact)?.to_string_lossy().into_owned(),
                format,
                options: Value::Null,
                contract: None,
                content: None,
            };
            let mut reading = dataset::read(&file, contract(None), &io.spec().project)?;
            if let (None, Some(schema)) = (contract(None), &artifact.schema) {
                reading.schema = schema.clone();
            }
            Ok(reading)
        }
        _ => Err(StepError::rejected(format!(
            "input `{name}` is neither a dataset nor a file"
        ))),
    }
}

/// Without bad rows and doubles.
fn finished(io: &mut StepIo, name: &str, params: &Params, reading: &Reading) -> Result<DataFrame, StepError> {
    let internal = |error: PolarsError| StepError::internal(error.to_string());
    let mut frame = reading.good_rows()?;
    if !params.dedupe_on.is_empty() {
        let missing: Vec<&str> = params
            .dedupe_on
            .iter()
            .map(String::as_str)
            .filter(|column| frame.column(column).is_err())
            .collect();
        if missing.is_empty() {
            let keep = match params.dedupe_keep {
                Keep::First => UniqueKeepStrategy::First,
                Keep::Last => UniqueKeepStrategy::Last,
            };
            let before = frame.height();
            frame = frame
                .unique_stable(Some(&params.dedupe_on), keep, None)
                .map_err(internal)?;
            let dropped = before - frame.height();
            if dropped > 0 {
                io.log(format!(
                    "{name}: dropped {} doubled rows",
                    table::grouped(dropped as u64)
                ));
            }
        } else {
            io.log(format!(
                "{name}: not deduplicated, it has no {}",
                fault::list(&missing)
            ));
        }
    }
    if let Some(watermark) = &params.watermark {
        match frame.column(watermark) {
            Ok(column) => {
                let high = column.max_reduce().map_err(internal)?;
                io.log(format!("{name}: high watermark {watermark} = {}", high.value()));
            }
            Err(_) => io.log(format!("{name}: no watermark, it has no `{watermark}`")),
        }
    }
    Ok(frame)
}

/// Columns that no input has.
fn unknown_columns(params: &Params, schemas: &[(&str, Schema)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names = || schemas.iter().flat_map(|(_, schema)| schema.names());
    let mut look = |column: &str, path| {
        if !names().any(|name| name == column) {
            findings.push(fault::no_column(column, path, names()).at_word(column));
        }
    };
    if let Some(watermark) = &params.watermark {
        look(watermark, inference::with("watermark"));
    }
    for (at, column) in params.dedupe_on.iter().enumerate() {
        look(column, inference::with("dedupe_on").index(at));
    }
    for (at, column) in params.columns.iter().enumerate() {
        look(column, inference::with("columns").index(at));
    }
    findings
}

/// The rows set aside, one line a fault.
fn quarantine(faults: &[Fault]) -> Result<(DataFrame, Schema), StepError> {
    let text = |name: &str, value: fn(&Fault) -> Option<String>| {
        Column::new(name.into(), faults.iter().map(value).collect::<Vec<_>>())
    };
    let columns = vec![
        text("file", |fault| Some(fault.file.clone())),
        Column::new(
            "row".into(),
            faults.iter().map(|fault| fault.row).collect::<Vec<_>>(),
        ),
        text("column", |fault| {
            Some(fault.column.clone()).filter(|name| !name.is_empty())
        }),
        text("value", |fault| fault.value.clone()),
        text("reason", |fault| Some(fault.reason.clone())),
    ];
    let frame =
        DataFrame::new(faults.len(), columns).map_err(|error| StepError::internal(error.to_string()))?;
    let schema = dataset::bare_schema(frame.schema(), None);
    Ok((frame, schema))
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;
