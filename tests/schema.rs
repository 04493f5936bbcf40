//! Judges documents by the schemas of an OpenAPI document, as far as ours go: and strictly, since a member
//! that is not described is as wrong as one that is missing.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What of a document does not fit its schema; nothing if all does.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    judge(document, schema, value, "", &BTreeSet::new(), &mut faults);
    faults
}

/// Members that a schema describes, also through those it is put together of.
fn described(document: &Value, schema: &Value) -> BTreeSet<String> {
    let schema = resolved(document, schema);
    let own = schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .cloned();
    let parts = schema["allOf"].as_array().into_iter().flatten();
    own.chain(parts.flat_map(|part| described(document, part)))
        .collect()
}

/// The schema behind a reference.
pub(crate) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(path) => {
            let target = document.pointer(path.strip_prefix('#').unwrap()).unwrap();
            resolved(document, target)
        }
        None => schema,
    }
}

/// `others` are members that other parts of the same schema describe.
fn judge(
    document: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
    others: &BTreeSet<String>,
    faults: &mut Vec<String>,
) {
    let schema = resolved(document, schema);
    let known: BTreeSet<String> = others.union(&described(document, schema)).cloned().collect();
    let none = BTreeSet::new();
    let Some(rules) = schema.as_object() else { return };
    let fits = |schema: &Value| self::faults(document, schema, value).is_empty();
    for (rule, wanted) in rules {
        let is_kept = match rule.as_str() {
            "type" => types(wanted).any(|kind| is_a(kind, value)),
            "enum" => wanted.as_array().unwrap().contains(value),
            "const" => wanted == value,
            "oneOf" => wanted.as_array().unwrap().iter().filter(|one| fits(one)).count() == 1,
            "anyOf" => wanted.as_array().unwrap().iter().any(fits),
            "allOf" => {
                for part in wanted.as_array().unwrap() {
                    judge(document, part, value, at, &known, faults);
                }
                true
            }
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap()),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap()),
            "required" => wanted.as_array().unwrap().iter().all(|name| {
                value
                    .as_object()
                    .is_none_or(|members| members.contains_key(name.as_str().unwrap()))
            }),
            "properties" | "additionalProperties" | "items" | "prefixItems" | "propertyNames" => true,
            "description" | "example" | "examples" | "default" | "format" | "title" | "deprecated" => true,
            other => panic!("a rule that this judge does not know: {other}"),
        };
        if !is_kept {
            faults.push(format!("{at}: {rule} {wanted} is not kept by {value}"));
        }
    }
    if let (Some(items), Some(values)) = (rules.get("items"), value.as_array()) {
        for (number, value) in values.iter().enumerate() {
            judge(document, items, value, &format!("{at}/{number}"), &none, faults);
        }
    }
    if let Some(members) = value.as_object() {
        let declared = rules.get("properties").and_then(Value::as_object);
        let rest = rules.get("additionalProperties");
        for (name, value) in members {
            let at = format!("{at}/{name}");
            match (declared.and_then(|declared| declared.get(name)), rest) {
                (Some(schema), _) => judge(document, schema, value, &at, &none, faults),
                (None, Some(Value::Bool(true))) => {}
                (None, Some(Value::Bool(false))) => faults.push(format!("{at}: it is not allowed")),
                (None, Some(schema)) => judge(document, schema, value, &at, &none, faults),
                // What is declared as any object may have whatever members.
                (None, None) if declared.is_none() || known.contains(name) => {}
                (None, None) => faults.push(format!("{at}: it is not described")),
            }
        }
    }
}

/// One type or several.
pub(crate) fn types(wanted: &Value) -> impl Iterator<Item = &str> {
    let several = wanted.as_array().map(Vec::as_slice).unwrap_or_default();
    wanted
        .as_str()
        .into_iter()
        .chain(several.iter().filter_map(Value::as_str))
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    }
}

#[test]
fn a_member_that_is_missing_wrong_or_not_described_is_a_fault() {
    let document = serde_json::json!({
        "components": {"schemas": {"Line": {
            "type": "object", "required": ["id"],
            "properties": {"id": {"type": "string"}, "next": {"type": ["integer", "null"], "minimum": 0}}
        }}}
    });
    let schema = serde_json::json!({"$ref": "#/components/schemas/Line"});
    let judged = |value: Value| faults(&document, &schema, &value).len();
    assert_eq!(judged(serde_json::json!({"id": "a", "next": null})), 0);
    assert_eq!(judged(serde_json::json!({"next": 1})), 1);
    assert_eq!(judged(serde_json::json!({"id": 1})), 1);
    assert_eq!(judged(serde_json::json!({"id": "a", "next": -1})), 1);
    assert_eq!(judged(serde_json::json!({"id": "a", "other": 1})), 1);
    assert_eq!(judged(serde_json::json!([])), 1);
}
