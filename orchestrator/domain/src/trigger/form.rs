//! The params of a pipeline as a form: JSON Schema, from which pages and clients make fields.

use crate::pipeline::spec::Param;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// A JSON Schema of the params that a person may set.
pub fn form(params: &IndexMap<String, Param>) -> Value {
    let properties: Map<String, Value> = params
        .iter()
        .map(|(name, param)| (name.clone(), field(param)))
        .collect();
    let required: Vec<&String> = params
        .iter()
        .filter(|(_, param)| param.default.is_none())
        .map(|(name, _)| name)
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn field(param: &Param) -> Value {
    let inner = param
        .of
        .strip_prefix("list[")
        .and_then(|rest| rest.strip_suffix(']'));
    let mut schema = Map::new();
    let mut element = element(inner.unwrap_or(&param.of));
    for (key, bound) in [("minimum", param.min), ("maximum", param.max)] {
        if let Some(bound) = bound {
            // Whole bounds are shown as whole numbers.
            let whole = bound.fract() == 0.0 && bound.abs() < 9e15;
            let bound = if whole { json!(bound as i64) } else { json!(bound) };
            element.insert(key.to_owned(), bound);
        }
    }
    if !param.choices.is_empty() {
        element.insert("enum".to_owned(), json!(param.choices));
    }
    if inner.is_some() {
        schema.insert("type".to_owned(), json!("array"));
        schema.insert("items".to_owned(), Value::Object(element));
    } else {
        schema = element;
    }
    if let Some(description) = &param.description {
        schema.insert("description".to_owned(), json!(description));
    }
    // A default that is an expression has its value only once a run is made.
    if let Some(default) = &param.default
        && !default.as_str().is_some_and(|text| text.contains("${{"))
    {
        schema.insert("default".to_owned(), default.clone());
    }
    Value::Object(schema)
}

fn element(of: &str) -> Map<String, Value> {
    let schema = match of {
        "boolean" => json!({"type": "boolean"}),
        "integer" => json!({"type": "integer"}),
        "float" => json!({"type": "number"}),
        "date" => json!({"type": "string", "format": "date"}),
        "timestamp" => json!({"type": "string", "format": "date-time"}),
        "duration" => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"}),
        _ => json!({"type": "string"}),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}
