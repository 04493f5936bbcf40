//! `ingest.files@v1`: datasets in files become tables that keep their contracts.

mod database;
mod dedupe;
mod intake;
mod quarantine;
mod store;
mod watermark;

pub(crate) use database::IngestSql;
pub(crate) use quarantine::Quarantine;
pub(crate) use store::quarantine as keep_quarantine;

use crate::dataset::{self, Access};
use crate::fault;
use crate::inference;
use crate::sink::Sink;
use dedupe::Choice;
use intake::{Sieve, Sifting};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use trainyard_contract::finding::Finding;
use trainyard_contract::step::{Effect, Ports, Runner, Signature};
use trainyard_contract::task::{ColumnEdge, DatasetRef, TaskInput, Way};
use trainyard_contract::{
    ArtifactKind, DataContract, DataType, FailureClass, InferRequest, Inference, Memory, Millis, OutputValue,
    Schema, Shape, Step, StepError, StepIo,
};

/// Parameters of `ingest.files@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// `full`: every run reads everything. `incremental`: the table the step gave last time is gone on with;
    /// files that are unchanged since are not read, and of the others the rows that the `watermark` says are
    /// new. `snapshot`: nothing is read; the table is the one that the step gave `as_of` an earlier time.
    /// Default: `full`.
    #[serde(default)]
    mode: Mode,
    /// For `snapshot`: a date (2026-11-01, its end in UTC), an instant (2026-11-01T06:00:00Z) or a run's id. The table
    /// is that of the last run made until then, in the same pipeline and environment, in which the step succeeded.
    #[serde(default)]
    as_of: Option<String>,
    /// Column that grows with time: a time or a whole number, never missing. Needed for `incremental`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    watermark: Option<String>,
    /// How far below the greatest watermark of the last time rows may be and still be taken, for a watermark
    /// that is a time. Rows below that, if they are not in the table, are late: they go to the `quarantine`.
    /// A duration such as `2h`. Default: `0s`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "duration"))]
    lateness: Option<String>,
    /// Of rows that agree in these columns one is kept. Inputs that lack one of them are left as
    /// they are. Default: all rows.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    dedupe_on: Vec<String>,
    /// Which of them: `first` or `last` in the order of `dedupe_order`, or of files and rows without it.
    /// Default: `first`.
    #[serde(default)]
    dedupe_keep: Keep,
    /// Column by which rows that agree are ordered: a number or a time, such as the time of an update; of equal
    /// ones the order of files and rows counts, missing ones come first. Default: none.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    dedupe_order: Option<String>,
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
    Snapshot,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keep {
    #[default]
    First,
    Last,
}

impl Params {
    fn sifting(&self) -> Result<Sifting, String> {
        Ok(Sifting {
            is_incremental: self.mode == Mode::Incremental,
            watermark: self.watermark.clone(),
            lateness: match &self.lateness {
                None => Millis(0),
                Some(text) => text.parse()?,
            },
            dedupe_on: self.dedupe_on.clone(),
            choice: match (&self.dedupe_order, self.dedupe_keep) {
                (None, Keep::First) => Choice::First,
                (None, Keep::Last) => Choice::Last,
                (Some(column), keep) => Choice::By {
                    column: column.clone(),
                    greatest: keep == Keep::Last,
                },
            },
            columns: self.columns.clone(),
            max_bad_share: self.max_bad_share,
        })
    }
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
            revision: 2,
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
        answer.findings.extend(contradictions(&params, &schemas));
        for (name, schema) in &schemas {
            let keys = params
                .dedupe_on
                .iter()
                .chain(&params.watermark)
                .chain(&params.dedupe_order);
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

    fn memory(&self, with: &Value) -> Option<Memory> {
        match with.get("mode").and_then(Value::as_str) {
            Some("incremental") => Some(Memory::Latest),
            Some("snapshot") => {
                let as_of = with.get("as_of").and_then(Value::as_str).unwrap_or_default();
                Some(Memory::AsOf(as_of.to_owned()))
            }
            _ => None,
        }
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let sifting = params.sifting().map_err(StepError::rejected)?;
        if params.mode == Mode::Snapshot {
            return store::snapshot(io);
        }
        let names: Vec<String> = io.spec().inputs.keys().cloned().collect();
        let mut aside = Sink::new(io.staging_path()?);
        let mut headline: Vec<String> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            io.progress(at as u64, names.len() as u64, "datasets");
            headline.push(ingest(io, name, at, &params, &sifting, &mut aside)?);
        }
        store::quarantine(io, aside)?;
        io.headline(headline.join("; "));
        Ok(())
    }
}

/// One input into one table; gives its headline.
fn ingest(
    io: &mut StepIo,
    name: &str,
    at: usize,
    params: &Params,
    sifting: &Sifting,
    aside: &mut Sink,
) -> Result<String, StepError> {
    let earlier = store::earlier(io, name, sifting)?;
    let mut sieve = Sieve::new(sifting, earlier.as_ref(), io.staging_path()?, io.scratch(), at);
    let summary = read(io, name, params, &mut sieve)?;
    for note in &summary.notes {
        io.log(note.clone());
    }
    let intook = sieve.finish().map_err(|mut error| {
        error.failure.message = format!("input `{name}`: {}", error.failure.message);
        if error.failure.class == FailureClass::GateFailed {
            return error.help(
                "mend the data, change the contract, or tolerate a share of bad rows with `max_bad_share`",
            );
        }
        error
    })?;
    let schema = match (&earlier, &intook.unchanged) {
        (Some(_), Some(_)) => io.previous(name).and_then(|artifact| artifact.schema.clone()),
        _ => None,
    };
    let schema = schema.unwrap_or_else(|| kept(&summary.schema, &sifting.columns));
    io.lineage(identity(name, &schema));
    store::keep(io, name, intook, schema, aside)
}

fn read(
    io: &StepIo,
    name: &str,
    params: &Params,
    sieve: &mut Sieve<'_>,
) -> Result<dataset::Summary, StepError> {
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
        Some(TaskInput::Dataset(dataset)) => dataset::stream(
            dataset,
            contract(dataset.contract.as_ref()),
            Access::of(io),
            sieve,
        ),
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
                folder: None,
                format,
                options: Value::Null,
                contract: None,
                content: None,
            };
            let mut summary = dataset::stream(&file, contract(None), Access::of(io), sieve)?;
            if let (None, Some(schema)) = (contract(None), &artifact.schema) {
                summary.schema = schema.clone();
            }
            Ok(summary)
        }
        _ => Err(StepError::rejected(format!(
            "input `{name}` is neither a dataset nor a file"
        ))),
    }
}

/// Parameters that do not go together.
fn contradictions(params: &Params, schemas: &[(&str, Schema)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    match (params.mode, &params.as_of) {
        (Mode::Snapshot, None) => findings.push(
            Finding::error("S01", inference::with("mode"), "`snapshot` needs `as_of`")
                .help("say of when: `as_of: 2026-11-01`, an instant, or a run's id"),
        ),
        (Mode::Snapshot, Some(as_of)) => {
            if let Err(problem) = Memory::instant(as_of) {
                findings.push(Finding::error("S03", inference::with("as_of"), problem));
            }
        }
        (_, Some(_)) => findings.push(
            Finding::error(
                "S01",
                inference::with("as_of"),
                "`as_of` has no meaning but in `mode: snapshot`",
            )
            .help("leave it out, or say `mode: snapshot`"),
        ),
        (_, None) => {}
    }
    if let Err(problem) = params.sifting() {
        findings.push(Finding::error("S03", inference::with("lateness"), problem));
    }
    if params.lateness.is_some() && params.mode != Mode::Incremental {
        findings.push(
            Finding::error(
                "S01",
                inference::with("lateness"),
                "`lateness` has no meaning but in `mode: incremental`",
            )
            .help("leave it out, or say `mode: incremental`"),
        );
    }
    if params.dedupe_order.is_some() && params.dedupe_on.is_empty() {
        findings.push(
            Finding::error(
                "S01",
                inference::with("dedupe_order"),
                "`dedupe_order` has no meaning without `dedupe_on`",
            )
            .help("name the columns that rows must agree in: `dedupe_on: [COLUMN]`"),
        );
    }
    if params.mode == Mode::Incremental && !params.columns.is_empty() {
        // The next run sees of this one only what is kept.
        for column in params
            .watermark
            .iter()
            .chain(&params.dedupe_on)
            .chain(&params.dedupe_order)
        {
            if !params.columns.contains(column) {
                findings.push(
                    Finding::error(
                        "S01",
                        inference::with("columns"),
                        format!("an incremental ingest must keep `{column}`, by which the next one goes on"),
                    )
                    .help(format!("add `{column}` to `columns`")),
                );
            }
        }
    }
    if let Some(watermark) = &params.watermark {
        for (name, schema) in schemas {
            let Some(column) = schema.column(watermark) else {
                continue;
            };
            let is_time = matches!(column.data_type, DataType::Date | DataType::Timestamp(..));
            let fits =
                is_time || column.data_type.is_integer() || matches!(column.data_type, DataType::Other(_));
            if !fits {
                findings.push(Finding::error(
                    "D01/wrong-column-type",
                    inference::with("watermark"),
                    format!(
                        "watermark `{watermark}` of `{name}` is {}, and must be a time or a whole number",
                        column.data_type
                    ),
                ));
            } else if !is_time && params.lateness.is_some() {
                findings.push(Finding::error(
                    "D01/wrong-column-type",
                    inference::with("lateness"),
                    format!(
                        "watermark `{watermark}` of `{name}` is {}, which no duration goes with",
                        column.data_type
                    ),
                ));
            }
        }
    }
    findings
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
    if let Some(order) = &params.dedupe_order {
        look(order, inference::with("dedupe_order"));
    }
    for (at, column) in params.columns.iter().enumerate() {
        look(column, inference::with("columns").index(at));
    }
    findings
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;
