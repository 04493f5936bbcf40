//! `features.build@v1`: joins, expressions and the label, with every feature held against the moment
//! at which the prediction is made.
//!
//! Order: the base table, `join`, `as_of_join`, `columns`, `filter`, `label` (rows without one are
//! dropped), then `impute`, `encode` and `scale`.

mod build;
mod fit;
mod joins;
mod leakage;
mod window;
mod windows;

use crate::flow::Flow;
use crate::inference;
use crate::sql::Expression;
use crate::table;
use build::{Build, Built};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{
    ArtifactKind, InferRequest, Inference, Schema, Severity, Shape, Step, StepError, StepIo,
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
    /// Feature → how its categories become numbers, fitted on all rows.
    #[serde(default)]
    encode: IndexMap<String, Encoding>,
    /// Feature → what stands for missing values, fitted on all rows.
    #[serde(default)]
    impute: IndexMap<String, Imputation>,
    /// Feature → how it is brought to scale, fitted on all rows.
    #[serde(default)]
    scale: IndexMap<String, Scaling>,
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

#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encoding {
    /// The label's mean among rows of the category.
    Target,
    /// The category's share of rows.
    Frequency,
}

#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Imputation {
    Mean,
    Median,
}

#[derive(Clone, Copy, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scaling {
    /// Mean 0, standard deviation 1.
    Standard,
    /// Least 0, greatest 1.
    MinMax,
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
                kinds: vec![ArtifactKind::Table],
                min: 1,
            },
            outputs: Ports::Named(vec![InputPort::required(
                "table",
                ArtifactKind::Table,
                "entity, event time, features and label",
            )]),
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
        let names: Vec<&str> = request.inputs.keys().map(String::as_str).collect();
        answer.findings = build::tables(&params, &names);
        let mut inputs = IndexMap::new();
        for (name, shape) in request.inputs {
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
        let Built { table, findings } = Build::new(&params, request.step, &inputs).finish();
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
            for output in request.outputs.keys() {
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
        let names: Vec<String> = io.spec().inputs.keys().cloned().collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
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
        let Built { table, findings } = Build::new(&params, &step, &inputs).finish();
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
        frame = fit::fit(&params, frame)?;
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
