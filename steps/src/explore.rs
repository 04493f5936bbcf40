//! `explore.profile@v1`: what is in a table, column by column, as JSON and as a page with pictures.
//!
//! Columns are read one by one, two at a time, so that memory holds two columns and a few numbers a
//! row, however many columns there are. What a column is by itself is measured over all rows; what two
//! columns have to do with each other over a sample.

mod beside;
mod column;
mod drift;
mod missing;
mod picture;
mod relations;
mod remarks;
mod report;
mod sample;
mod scan;
mod statistics;
mod target;
mod text;
mod time;

pub(crate) use beside::{Likened, likened, told_alone};
pub(crate) use statistics::statistics;

use crate::fault;
use crate::inference::{self, with};
use crate::spool;
use crate::table::grouped;
use column::ColumnProfile;
use drift::Drift;
use missing::Missingness;
use relations::Relation;
use remarks::Warning;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use target::Target;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{ArtifactKind, DataType, InferRequest, Inference, Schema, Step, StepError, StepIo};

/// Parameters of `explore.profile@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Columns to profile. Default: all.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    columns: Vec<String>,
    /// A column to which the others are related: how strongly, the target's share or mean by ranges and
    /// values, and which column knows too much. Default: none.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    target: Option<String>,
    /// A column that says which part of the table a row is in; parts are compared. Times are cut into an earlier
    /// and a later half. Default: the table's event time, if it has one.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    split_by: Option<String>,
    /// The value of `split_by` with which the other parts are compared. Default: the most frequent one.
    #[serde(default)]
    reference: Option<String>,
    /// Bars of a histogram. Default: by Freedman and Diaconis's rule, at most 41; one for each integer where there are few.
    #[serde(default)]
    #[schemars(range(min = 2, max = 200))]
    bins: Option<usize>,
    /// Most frequent values shown. Default: 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    top: usize,
    /// Whether to relate columns to each other. Default: true.
    #[serde(default = "yes")]
    correlations: bool,
    /// Rows on which relations, parts and the forms of texts are measured; one at random from each of equally
    /// long stretches of the table. Everything else is measured on all rows. Default: 100000.
    #[serde(default = "many")]
    #[schemars(range(min = 100, max = 10_000_000))]
    sample_rows: usize,
    /// Seed of the sample. Default: 42.
    #[serde(default = "default_seed")]
    seed: u64,
}

fn ten() -> usize {
    10
}

fn yes() -> bool {
    true
}

fn many() -> usize {
    100_000
}

fn default_seed() -> u64 {
    42
}

/// The whole profile.
#[derive(Serialize)]
struct Profile {
    format: &'static str,
    rows: usize,
    /// Rows of the sample on which relations, parts and forms of texts were measured.
    sampled_rows: usize,
    seed: u64,
    warnings: Vec<Warning>,
    duplicates: Duplicates,
    columns: Vec<ColumnProfile>,
    missing: Missingness,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    relations: Vec<Relation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<Drift>,
    notes: Vec<String>,
}

/// Rows that occur more than once, told apart by a 64-bit hash.
#[derive(Default, Serialize)]
struct Duplicates {
    /// Rows equal to an earlier one in every profiled column.
    rows: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_key: Option<KeyDuplicates>,
    /// Columns of which every row has a value and none occurs twice.
    keys: Vec<String>,
}

/// Rows with the key of an earlier one.
#[derive(Serialize)]
struct KeyDuplicates {
    columns: Vec<String>,
    rows: usize,
}

pub(crate) struct ExploreProfile;

impl Step for ExploreProfile {
    fn uses(&self) -> &'static str {
        "explore.profile@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Profiles a table: types, missing values, distributions, relations, changes over time, and what looks odd.",
            inputs: Ports::Named(vec![InputPort::required(
                "data",
                ArtifactKind::Table,
                "the rows to profile",
            )]),
            outputs: Ports::Named(vec![InputPort::required(
                "profile",
                ArtifactKind::Report,
                "page and JSON",
            )]),
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
        let Some(schema) = inference::table(request, "data") else {
            return inference::sifted(request, answer);
        };
        let mut look = |name: &str, path| {
            if schema.column(name).is_none() {
                answer
                    .findings
                    .push(fault::no_column(name, path, schema.names()).at_word(name));
            }
        };
        for (at, name) in params.columns.iter().enumerate() {
            look(name, with("columns").index(at));
        }
        if let Some(target) = &params.target {
            look(target, with("target"));
        }
        if let Some(split_by) = &params.split_by {
            look(split_by, with("split_by"));
        }
        answer.findings.extend(unsplittable(&params, schema));
        // Looking at a column does not make it needed, so `uses` names only what was asked for.
        let asked = params
            .columns
            .iter()
            .chain(&params.target)
            .chain(&params.split_by)
            .cloned();
        answer.uses.insert("data".to_owned(), asked.collect());
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let (table, faults) = spool::open_as_is(io, "data", 3)?;
        let mut notes = table.notes.clone();
        if faults.all.count > 0 {
            let first: Vec<String> = faults.all.first.iter().map(ToString::to_string).collect();
            notes.push(format!(
                "{} values do not keep the contract, e.g. {}",
                grouped(faults.all.count),
                first.join("; ")
            ));
        }
        for note in &notes {
            io.log(note.clone());
        }
        let profile = scan::profiled(io, &params, &table, notes)?;
        io.rows_in(profile.rows as u64);
        let json = serde_json::to_value(&profile)
            .map_err(|error| StepError::internal(format!("could not write the profile: {error}")))?;
        io.headline(format!(
            "{} rows, {} columns, {} remarks",
            grouped(profile.rows as u64),
            profile.columns.len(),
            profile.warnings.len()
        ));
        let title = format!("{}: {}", io.spec().pipeline, io.spec().step);
        io.output_report("profile", &report::page(&title, &profile), &json)
    }
}

/// What is wrong with how the table is to be split into parts.
fn unsplittable(params: &Params, schema: &Schema) -> Option<trainyard_contract::Finding> {
    let Some(by) = &params.split_by else {
        return params.reference.as_ref().map(|_| {
            trainyard_contract::Finding::error(
                "S01",
                with("reference"),
                "`reference` is a value of `split_by`, which is not given",
            )
            .help("add `split_by: COLUMN`")
        });
    };
    let column = schema.column(by)?;
    let splits = column.data_type.is_temporal()
        || column.data_type.is_integer()
        || matches!(column.data_type, DataType::String | DataType::Boolean);
    if !splits {
        let message = format!(
            "`{by}` is of type {}, parts are told by times, texts, integers or booleans",
            column.data_type
        );
        return Some(trainyard_contract::Finding::error(
            "D01/wrong-column-type",
            with("split_by"),
            message,
        ));
    }
    (column.data_type.is_temporal() && params.reference.is_some()).then(|| {
        trainyard_contract::Finding::error(
            "S01",
            with("reference"),
            format!("`{by}` is a time: its later half is compared with its earlier one"),
        )
        .help("leave `reference` out")
    })
}

#[cfg(test)]
#[path = "explore_tests.rs"]
mod tests;
