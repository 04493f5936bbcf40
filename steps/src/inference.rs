//! What the steps' answers to [`InferRequest`] have in common.

use crate::facts::Facts;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use trainyard_contract::finding::Path;
use trainyard_contract::{ArtifactKind, Finding, InferRequest, Inference, Schema, Shape};

/// A parameter's place in the step's own block.
pub(crate) fn with(parameter: &str) -> Path {
    Path::root().key("with").key(parameter)
}

/// The parameters as the step's own type. If some are known only at run time, nothing can be said;
/// then, and if they are wrong, the answer is the one to give.
pub(crate) fn parameters<P: DeserializeOwned>(request: &InferRequest<'_>) -> Result<P, Inference> {
    let given = match request.with {
        Value::Null => Value::Object(Map::new()),
        given => given.clone(),
    };
    serde_json::from_value(given).map_err(|error| {
        let mut inference = unknown_tables(request);
        if request.unknown.is_empty() {
            inference
                .findings
                .push(Finding::error("S01", Path::root().key("with"), error.to_string()));
        }
        inference
    })
}

/// The answer without findings at parameters whose values are known only at run time.
pub(crate) fn sifted(request: &InferRequest<'_>, mut answer: Inference) -> Inference {
    let unknown = |path: &Path| {
        request
            .unknown
            .iter()
            .any(|unknown| path.0.starts_with(&unknown.0))
    };
    answer.findings.retain(|finding| !unknown(&finding.path));
    answer
}

/// An answer that says nothing of the table outputs.
pub(crate) fn unknown_tables(request: &InferRequest<'_>) -> Inference {
    let outputs = request
        .outputs
        .iter()
        .map(|(name, declared)| {
            let shape = match declared.kind {
                ArtifactKind::Table => Shape::UnknownTable,
                other => Shape::Other(other),
            };
            (name.clone(), shape)
        })
        .collect();
    Inference {
        outputs,
        ..Inference::default()
    }
}

/// The schema of a table input; `None` if nothing is known of it.
pub(crate) fn table<'a>(request: &InferRequest<'a>, input: &str) -> Option<&'a Schema> {
    match request.inputs.get(input) {
        Some(Shape::Table(schema)) => Some(schema),
        _ => None,
    }
}

/// What holds for a table made from others as far as its columns still carry it: event time,
/// primary key, label, moment of prediction, split.
pub(crate) fn inherit(schema: &mut Schema, facts: &Facts, inputs: &[(&str, &Schema)]) {
    let copy_of = |input: &str, column: &str| {
        facts
            .columns
            .iter()
            .find(|(_, fact)| {
                let source = fact.copies();
                source.is_some_and(|source| source.input == input && source.column == column)
            })
            .map(|(name, _)| name.clone())
    };
    for (input, from) in inputs {
        let carried = |column: &Option<String>| column.as_ref().and_then(|column| copy_of(input, column));
        schema.event_time = schema.event_time.take().or_else(|| carried(&from.event_time));
        schema.label = schema.label.take().or_else(|| carried(&from.label));
        schema.predict_at = schema.predict_at.take().or_else(|| from.predict_at.clone());
        schema.split = schema.split.take().or_else(|| from.split.clone());
        if schema.primary_key.is_empty() {
            let keys: Option<Vec<String>> = from.primary_key.iter().map(|key| copy_of(input, key)).collect();
            schema.primary_key = keys.unwrap_or_default();
        }
    }
}
