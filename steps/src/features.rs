//! `features.build@v1`: joins, expressions and the label, with every feature held against the moment
//! at which the prediction is made.
//!
//! Order: the base table, `join`, `as_of_join`, `windows`, `group`, `dates`, `text`, `cross`, `columns`,
//! `filter`, `label` (rows without one are dropped), then `impute`, `bin`, `encode` and `scale`, which are
//! fitted, kept as the output `fitted`, and applied to other rows where that output is an input.

mod build;
mod dates;
mod encode;
mod fit;
mod joins;
pub(crate) mod leakage;
mod text;
mod window;
mod windows;

use crate::flow::Flow;
use crate::inference;
use crate::sql::Expression;
use crate::table;
use build::{Build, Built, FIT};
use encode::Encoding;
use fit::{Fitted, Imputation, Scaling};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::task::TaskInput;
use trainyard_contract::{
    ArtifactKind, InferRequest, Inference, OutputValue, Schema, Severity, Shape, Step, StepError, StepIo,
};

/// Parameters of `features.build@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The input whose rows become the output's rows. Default: the first input that no join names.
    #[serde(default)]
    base: Option<String>,
    /// Columns of the base table that identify a row.
    #[schemars(extend("x-kind" = "columns"))]
    #[serde(default)]
    entity: Vec<String>,
    /// Column of the base table with the time of the row's event: a date or timestamp. Default: that
    /// of the base's contract, if any.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    event_time: Option<String>,
    /// The moment of the base's contract at which the prediction is made; no feature may be known
    /// later. Default: none, so only copies of the label are found.
    #[serde(default)]
    predict_at: Option<String>,
    /// Joins of the last row at or before the event time minus `lag`, per key.
    #[serde(default)]
    as_of_join: Vec<AsOfJoin>,
    /// Left joins by equal keys. The other table may have each key once only.
    #[serde(default)]
    join: Vec<Join>,
    /// Aggregates over earlier rows of the same key: of the base table, or of another.
    #[serde(default)]
    windows: Vec<windows::Windows>,
    /// Aggregates over all rows of the same keys: of the base table, or of another.
    #[serde(default)]
    group: Vec<windows::Group>,
    /// Date or time column → parts of it as features.
    #[serde(default)]
    dates: IndexMap<String, dates::Dates>,
    /// Text column → numbers and pieces of it as features.
    #[serde(default)]
    text: IndexMap<String, text::Text>,
    /// New categories by name: columns whose values are put together with `|` between them.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    cross: IndexMap<String, Vec<String>>,
    /// New features by name: SQL expressions over one row, which may use features before them.
    #[serde(default)]
    columns: IndexMap<String, Expression>,
    /// SQL condition that rows must meet; may use `columns`.
    #[serde(default)]
    filter: Option<Expression>,
    /// Columns of the base table that are features as they are.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    keep: Vec<String>,
    /// What is to be predicted. Rows without it are dropped.
    #[serde(default)]
    label: Option<Label>,
    /// Feature → what stands for missing values: `mean`, `median`, `mode` or `zero`. Fitted.
    #[serde(default)]
    impute: IndexMap<String, Imputation>,
    /// Feature → bins that its numbers fall into. Fitted, unless `edges` are given.
    #[serde(default)]
    bin: IndexMap<String, fit::Binning>,
    /// Feature → how its categories become numbers. Fitted.
    #[serde(default)]
    encode: IndexMap<String, Encoding>,
    /// Feature → how it is brought to scale: `standard`, `min_max` or `robust`. Fitted.
    #[serde(default)]
    scale: IndexMap<String, Scaling>,
    /// SQL condition: what is fitted is fitted on these rows only, such as those that will be trained on.
    /// Default: all rows; then a later split warns.
    #[serde(default)]
    fit_on: Option<Expression>,
    /// The feature view these features belong to.
    #[serde(default)]
    store: Option<Store>,
}

/// A point-in-time join.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AsOfJoin {
    /// Name of the input to look up.
    table: String,
    /// Columns that must be equal. Default: none, the last row of all.
    #[serde(default)]
    by: Vec<Key>,
    /// How long before the event a row must be there. Default: `0s`.
    #[serde(default)]
    #[schemars(extend("x-kind" = "duration"))]
    lag: Option<String>,
    /// Columns to take. Default: all but keys and time.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    columns: Vec<String>,
    /// How much older than that a row may be. Default: any age.
    #[serde(default)]
    #[schemars(extend("x-kind" = "duration"))]
    tolerance: Option<String>,
    /// The looked-up table's time column. Default: its event time.
    #[serde(default)]
    #[schemars(extend("x-kind" = "column"))]
    on: Option<String>,
    /// Which row is found: the last one before (`backward`), the first one after (`forward`), or the
    /// nearer of the two. Default: `backward`. The others find what nobody knows yet at the event.
    #[serde(default)]
    direction: Direction,
    /// Whether a row of exactly that time may be found. Default: true. Of several rows of one time the
    /// last one in the table's order is found.
    #[serde(default = "yes")]
    allow_equal: bool,
    /// Put before the names of the columns taken. Default: nothing.
    #[serde(default)]
    prefix: String,
}

fn yes() -> bool {
    true
}

/// Where an as-of join looks.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    #[default]
    Backward,
    Forward,
    Nearest,
}

/// A left join.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Join {
    /// Name of the input to look up.
    table: String,
    /// Columns that must be equal.
    by: Vec<Key>,
    /// Columns to take. Default: all but keys.
    #[serde(default)]
    #[schemars(extend("x-kind" = "columns"))]
    columns: Vec<String>,
    /// Rows without a match: `left` keeps them with nothing looked up, `inner` drops them. Default: `left`.
    #[serde(default)]
    how: How,
    /// Put before the names of the columns taken. Default: nothing.
    #[serde(default)]
    prefix: String,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    #[default]
    Left,
    Inner,
}

/// A key column: one name if both tables use it, or a name for each.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Key {
    Same(#[schemars(extend("x-kind" = "column"))] String),
    Pair(KeyPair),
}

/// A key column that has different names in both tables.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyPair {
    /// Column of the base table.
    #[schemars(extend("x-kind" = "column"))]
    left: String,
    /// Column of the table looked up.
    #[schemars(extend("x-kind" = "column"))]
    right: String,
}

impl Key {
    fn left(&self) -> &str {
        match self {
            Self::Same(name) => name,
            Self::Pair(pair) => &pair.left,
        }
    }

    fn right(&self) -> &str {
        match self {
            Self::Same(name) => name,
            Self::Pair(pair) => &pair.right,
        }
    }
}

/// What is to be predicted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Label {
    /// Name of the label column.
    name: String,
    /// SQL expression for its value; its columns may be known late.
    expr: Expression,
}

/// The feature view these features belong to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    /// Name of the feature view.
    feature_view: String,
    /// How long a value stays good. Default: for ever.
    #[serde(default)]
    #[schemars(extend("x-kind" = "duration"))]
    ttl: Option<String>,
    /// Whether values are kept for online lookup as well. Default: false.
    #[serde(default)]
    online: bool,
}

/// An input as the plan sees it.
pub(crate) struct Input {
    flow: Flow,
    schema: Schema,
}

pub(crate) struct FeaturesBuild;

impl Step for FeaturesBuild {
    fn uses(&self) -> &'static str {
        "features.build@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Builds features and label by joins and expressions, held against the moment of prediction.",
            inputs: Ports::Any {
                kinds: vec![ArtifactKind::Table, ArtifactKind::File],
                min: 1,
            },
            outputs: Ports::Named(vec![
                InputPort::required(
                    "table",
                    ArtifactKind::Table,
                    "entity, event time, features and label",
                ),
                InputPort::optional(
                    "fitted",
                    ArtifactKind::File,
                    "what was fitted, as JSON: as an input it is applied to other rows",
                ),
            ]),
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
        let is_fitted = |shape: &Shape| matches!(shape, Shape::Other(ArtifactKind::File));
        let tables = || request.inputs.iter().filter(|(_, shape)| !is_fitted(shape));
        let names: Vec<&str> = tables().map(|(name, _)| name.as_str()).collect();
        answer.findings = build::tables(&params, &names);
        let mut inputs = IndexMap::new();
        for (name, shape) in tables() {
            let Shape::Table(schema) = shape else {
                return inference::sifted(request, answer);
            };
            inputs.insert(
                name.clone(),
                Input {
                    flow: Flow::unread(name, schema),
                    schema: schema.clone(),
                },
            );
        }
        if !answer.findings.is_empty() {
            return inference::sifted(request, answer);
        }
        let applies = request.inputs.values().any(is_fitted);
        let built = Build::new(&params, request.step, &inputs)
            .applying(applies)
            .finish();
        let Built { table, findings, .. } = built;
        answer.findings = findings;
        if let Some((flow, schema)) = table {
            answer.uses = flow.facts.uses();
            // What tells rows and times apart is used by being there, whoever reads it later.
            for name in params.entity.iter().chain(&schema.event_time) {
                for source in flow
                    .facts
                    .get(name)
                    .into_iter()
                    .flat_map(|fact| fact.sources.keys())
                {
                    answer
                        .uses
                        .entry(source.input.clone())
                        .or_default()
                        .insert(source.column.clone());
                }
            }
            let tables = request
                .outputs
                .iter()
                .filter(|(_, declared)| declared.kind == ArtifactKind::Table);
            for (output, _) in tables {
                answer.lineage.extend(flow.facts.edges(output));
                answer
                    .outputs
                    .insert(output.clone(), Shape::Table(schema.clone()));
            }
        }
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let given: Vec<String> = io.spec().inputs.keys().cloned().collect();
        let (fitted, names): (Vec<&str>, Vec<&str>) = given
            .iter()
            .map(String::as_str)
            .partition(|name| is_file(io.input(name)));
        let fitted = match fitted.as_slice() {
            [] => None,
            [one] => Some(read_fitted(io, one)?),
            [_, other, ..] => {
                let message = format!("`{other}` is a second file of fitted parts");
                return Err(StepError::rejected(message).help("take one of them out"));
            }
        };
        refuse(build::tables(&params, &names))?;
        let mut inputs = IndexMap::new();
        for name in names {
            let table = table::open(io, name)?;
            for note in &table.notes {
                io.log(note.clone());
            }
            inputs.insert(
                name.to_owned(),
                Input {
                    flow: table.flow(name),
                    schema: table.schema,
                },
            );
        }
        joins::refuse_doubled_keys(&params, &inputs)?;
        let step = io.spec().step.clone();
        let built = Build::new(&params, &step, &inputs)
            .applying(fitted.is_some())
            .finish();
        let Built {
            table,
            findings,
            weighted,
        } = built;
        refuse(findings)?;
        let Some((flow, schema)) = table else {
            return Err(StepError::internal(
                "no table was built and nothing was found wrong",
            ));
        };
        let mut frame = table::collect("build the features", flow.plan)?;
        if let Some(label) = &params.label {
            let unlabelled = drop_unlabelled(&mut frame, &label.name)?;
            if unlabelled > 0 {
                io.log(format!(
                    "dropped {} rows without label `{}`",
                    table::grouped(unlabelled),
                    label.name
                ));
            }
        }
        let rows = fit_rows(&mut frame)?;
        let fitted = match fitted {
            Some(fitted) => {
                fitted.apply(&params, &weighted, &mut frame)?;
                fitted
            }
            None => Fitted::fit(&params, weighted, &mut frame, &rows)?,
        };
        if io.wants("fitted") {
            let bytes =
                serde_json::to_vec_pretty(&fitted).map_err(|error| StepError::internal(error.to_string()))?;
            let kept = io.keep_bytes(
                ArtifactKind::File,
                "application/json",
                &bytes,
                serde_json::Value::Null,
            )?;
            io.output("fitted", kept);
        }
        if let Some(store) = &params.store {
            let ttl = store
                .ttl
                .as_ref()
                .map(|ttl| format!(", ttl {ttl}"))
                .unwrap_or_default();
            let online = if store.online { ", online" } else { "" };
            io.log(format!(
                "feature view `{}`{ttl}{online}: recorded, but this version does not write to a feature store yet",
                store.feature_view
            ));
        }
        io.lineage(flow.facts.edges("table"));
        io.headline(format!(
            "{}, {} features",
            table::headline(&frame),
            schema.features.len()
        ));
        table::write(io, "table", &mut frame, schema)?;
        Ok(())
    }
}

fn is_file(input: Option<&TaskInput>) -> bool {
    matches!(input, Some(TaskInput::Output(OutputValue::Artifact(artifact))) if artifact.kind == ArtifactKind::File)
}

/// What an earlier step fitted.
fn read_fitted(io: &StepIo, name: &str) -> Result<Fitted, StepError> {
    let Some(artifact) = io.artifact(name)? else {
        return Err(StepError::rejected(format!("input `{name}` is missing")));
    };
    serde_json::from_slice(&io.read(&artifact.hash)?).map_err(|error| {
        let message = format!("input `{name}` is not what `features.build` has fitted: {error}");
        StepError::rejected(message).help("take the output `fitted` of a step `features.build@v1`")
    })
}

/// Takes out the mark of rows that are fitted on; all are without one.
fn fit_rows(frame: &mut polars::prelude::DataFrame) -> Result<Vec<bool>, StepError> {
    let internal = |error: polars::prelude::PolarsError| StepError::internal(error.to_string());
    if frame.column(FIT).is_err() {
        return Ok(vec![true; frame.height()]);
    }
    let marks = frame.drop_in_place(FIT).map_err(internal)?;
    Ok(marks
        .bool()
        .map_err(internal)?
        .iter()
        .map(|mark| mark == Some(true))
        .collect())
}

/// Drops rows whose label is missing; how many there were.
fn drop_unlabelled(frame: &mut polars::prelude::DataFrame, label: &str) -> Result<u64, StepError> {
    let internal = |error: polars::prelude::PolarsError| StepError::internal(error.to_string());
    let present = frame.column(label).map_err(internal)?.is_not_null();
    let before = frame.height();
    if !present.all() {
        *frame = frame.filter(&present).map_err(internal)?;
    }
    Ok((before - frame.height()) as u64)
}

/// What a check would have said before the run.
fn refuse(findings: Vec<trainyard_contract::Finding>) -> Result<(), StepError> {
    match findings
        .into_iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        None => Ok(()),
        Some(finding) => {
            let error =
                StepError::rejected(format!("{}: {}: {}", finding.code, finding.path, finding.message));
            Err(match finding.help {
                Some(help) => error.help(help),
                None => error,
            })
        }
    }
}

#[cfg(test)]
#[path = "features_tests.rs"]
mod tests;
