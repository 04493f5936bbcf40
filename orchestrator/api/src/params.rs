//! The params of a pipeline as a JSON Schema: a form for people, a check for programs.

use serde_json::{Map, Value, json};
use trainyard_domain::pipeline::Pipeline;
use trainyard_domain::pipeline::spec::Param;

/// The schema of `params` when a run is created.
pub(crate) fn schema(pipeline: &Pipeline) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, param) in pipeline.params() {
        properties.insert(name.clone(), property(param));
        if param.default.is_none() {
            required.push(name.clone());
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Params of {}", pipeline.name()),
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

fn property(param: &Param) -> Value {
    let list_of = param
        .of
        .strip_prefix("list[")
        .and_then(|rest| rest.strip_suffix(']'));
    let mut one = Map::new();
    match list_of.unwrap_or(&param.of) {
        "boolean" => _ = one.insert("type".into(), "boolean".into()),
        "integer" => _ = one.insert("type".into(), "integer".into()),
        "float" => _ = one.insert("type".into(), "number".into()),
        other => {
            one.insert("type".into(), "string".into());
            match other {
                "date" => _ = one.insert("format".into(), "date".into()),
                "timestamp" => _ = one.insert("format".into(), "date-time".into()),
                "duration" => _ = one.insert("pattern".into(), "^[0-9]+(ms|s|m|h|d)$".into()),
                _ => {}
            }
        }
    }
    if let Some(min) = param.min {
        one.insert("minimum".into(), number(min));
    }
    if let Some(max) = param.max {
        one.insert("maximum".into(), number(max));
    }
    if !param.choices.is_empty() {
        one.insert("enum".into(), Value::Array(param.choices.clone()));
    }
    let mut whole = if list_of.is_some() {
        let mut list = Map::new();
        list.insert("type".into(), "array".into());
        list.insert("items".into(), Value::Object(one));
        list
    } else {
        one
    };
    if let Some(description) = &param.description {
        whole.insert("description".into(), description.clone().into());
    }
    // A default with an expression depends on the run and is no value yet.
    let default = param
        .default
        .as_ref()
        .filter(|default| !default.as_str().is_some_and(|text| text.contains("${{")));
    if let Some(default) = default {
        whole.insert("default".into(), default.clone());
    }
    Value::Object(whole)
}

/// Whole numbers without a fraction.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        json!(value as i64)
    } else {
        json!(value)
    }
}
