//! Registered models that a pipeline answers for.

use serde_json::Value;
use std::collections::BTreeMap;
use trainyard_domain::pipeline::Pipeline;
use trainyard_domain::plan::RegisteredModel;
use trainyard_store::{Store, StoreError};

/// Versions of the models that a pipeline registers, as far as an alias points at them.
///
/// # Errors
/// If the registry cannot be read.
pub fn registered_by(store: &Store, pipeline: &Pipeline) -> Result<Vec<RegisteredModel>, StoreError> {
    let mut found: Vec<RegisteredModel> = Vec::new();
    for of in pipeline.registers() {
        if found.iter().any(|known| known.name == of.model) {
            continue;
        }
        let versions = match store.model_versions(of.model) {
            Ok(versions) => versions,
            Err(StoreError::NoModel(_)) => continue,
            Err(error) => return Err(error),
        };
        for version in versions.into_iter().filter(|version| !version.aliases.is_empty()) {
            let inputs = inputs(&version.draft.signature);
            found.push(RegisteredModel {
                name: version.name,
                aliases: version.aliases,
                version: version.version,
                inputs,
            });
        }
    }
    Ok(found)
}

/// Fields of the signature's Avro record, and whether each is a number.
fn inputs(signature: &Value) -> BTreeMap<String, Option<bool>> {
    let fields = signature["avro"]["input"]["fields"].as_array();
    let fields = fields.into_iter().flatten().filter_map(|field| {
        let is_number = match &field["type"] {
            Value::Array(branches) => branches.iter().find_map(is_number),
            of => is_number(of),
        };
        Some((field["name"].as_str()?.to_owned(), is_number))
    });
    fields.collect()
}

fn is_number(of: &Value) -> Option<bool> {
    match of.as_str()? {
        "int" | "long" | "float" | "double" | "boolean" => Some(true),
        "string" | "enum" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_takes_is_read_from_its_signature() {
        let field = |name: &str, of: Value| serde_json::json!({"name": name, "type": of});
        let signature = serde_json::json!({"avro": {"input": {"fields": [
            field("distance", serde_json::json!(["null", "int"])),
            field("carrier", serde_json::json!("string")),
            field("list", serde_json::json!({"type": "array", "items": "int"})),
        ]}}});
        let read = inputs(&signature);
        let kinds: Vec<_> = read
            .iter()
            .map(|(name, is_number)| (name.as_str(), *is_number))
            .collect();
        assert_eq!(
            kinds,
            [("carrier", Some(false)), ("distance", Some(true)), ("list", None)]
        );
        assert!(inputs(&Value::Null).is_empty());
    }
}
