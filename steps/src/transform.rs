//! `transform.sql@v1`: SQL over named inputs.

use crate::fault;
use crate::flow::Flow;
use crate::inference::{self, inherit};
use crate::{sql, table};
use indexmap::IndexMap;
use polars::prelude::PolarsResult;
use schemars::JsonSchema;
use serde::Deserialize;
use trainyard_contract::finding::{Finding, Severity};
use trainyard_contract::step::{Effect, InputPort, Ports, Runner, Signature};
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Schema, Shape, Step, StepError, StepIo};

/// Parameters of `transform.sql@v1`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// One SELECT (common table expressions, joins, windows, unions) over the inputs by their names.
    #[schemars(extend("x-kind" = "sql"))]
    query: String,
}

pub(crate) struct TransformSql;

fn plan(query: &str, inputs: &IndexMap<String, Flow>) -> PolarsResult<Flow> {
    let tables: Vec<&Flow> = inputs.values().collect();
    Flow::of_many(&tables, |frames| {
        sql::query(query, inputs.keys().map(String::as_str).zip(frames))
    })
}

fn output_schema(flow: &Flow, inputs: &[(&str, &Schema)]) -> Schema {
    let mut schema = flow.facts.schema();
    inherit(&mut schema, &flow.facts, inputs);
    schema
}

impl Step for TransformSql {
    fn uses(&self) -> &'static str {
        "transform.sql@v1"
    }

    fn signature(&self) -> Signature {
        Signature {
            doc: "Makes a table by SQL over the input tables.",
            inputs: Ports::Any {
                kinds: vec![ArtifactKind::Table],
                min: 1,
            },
            outputs: Ports::Named(vec![InputPort::required(
                "table",
                ArtifactKind::Table,
                "the query's result",
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
        let path = inference::with("query");
        let tables = match sql::tables_of(&params.query) {
            Ok(tables) => tables,
            Err(refusal) => {
                answer.findings.push(Finding::error("S03", path, refusal));
                return inference::sifted(request, answer);
            }
        };
        let known = request.inputs.iter().map(|(name, shape)| match shape {
            Shape::Table(schema) => (name.as_str(), Some(schema)),
            _ => (name.as_str(), None),
        });
        for misuse in sql::check(&params.query, known) {
            answer.findings.push(misuse.finding(&params.query, path.clone()));
        }
        if answer
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
        {
            return inference::sifted(request, answer);
        }
        let mut inputs = IndexMap::new();
        let mut schemas = Vec::new();
        for (name, _) in request.inputs.iter().filter(|(name, _)| tables.contains(*name)) {
            let Some(schema) = inference::table(request, name) else {
                return inference::sifted(request, answer);
            };
            inputs.insert(name.clone(), Flow::unread(name, schema));
            schemas.push((name.as_str(), schema));
        }
        match plan(&params.query, &inputs) {
            Ok(flow) => {
                answer.uses = flow.facts.uses();
                for output in request.outputs.keys() {
                    answer.lineage.extend(flow.facts.edges(output));
                    answer
                        .outputs
                        .insert(output.clone(), Shape::Table(output_schema(&flow, &schemas)));
                }
            }
            Err(error) => {
                let columns = schemas.iter().flat_map(|(_, schema)| schema.names());
                answer.findings.push(fault::finding(&error, path, columns));
            }
        }
        inference::sifted(request, answer)
    }

    fn run(&self, io: &mut StepIo) -> Result<(), StepError> {
        let params: Params = io.params()?;
        let tables = sql::tables_of(&params.query).map_err(StepError::rejected)?;
        let names: Vec<String> = io.spec().inputs.keys().cloned().collect();
        let mut inputs = IndexMap::new();
        let mut opened = Vec::new();
        for name in names.iter().filter(|name| tables.contains(*name)) {
            let table = table::open(io, name)?;
            inputs.insert(name.clone(), table.flow(name));
            opened.push((name.as_str(), table));
        }
        for note in opened.iter().flat_map(|(_, table)| &table.notes) {
            io.log(note.clone());
        }
        let flow = plan(&params.query, &inputs).map_err(|error| {
            StepError::rejected(format!("the query does not fit: {}", fault::sentence(&error)))
        })?;
        let schemas: Vec<(&str, &Schema)> = opened
            .iter()
            .map(|(name, table)| (*name, &table.schema))
            .collect();
        let schema = output_schema(&flow, &schemas);
        let mut frame = table::collect("run the query", flow.plan)?;
        io.lineage(flow.facts.edges("table"));
        io.headline(table::headline(&frame));
        table::write(io, "table", &mut frame, schema)?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "transform_tests.rs"]
mod tests;
