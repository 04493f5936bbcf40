//! The reuse key: two step instances with the same key would make the same outputs.

use super::definition::{CachePolicy, Instance};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use trainyard_contract::task::{ProcessSpec, TaskInput};
use trainyard_contract::{ContentHash, DataContract, OutputValue};

/// Raised when the meaning of the parts changes, so that no key of an older program matches.
const KEY_VERSION: u32 = 1;

/// All a key is made of.
#[derive(Clone, Copy, Debug)]
pub struct KeyParts<'a> {
    pub instance: &'a Instance,
    /// `with` as evaluated.
    pub with: &'a Value,
    /// Command and environment as evaluated.
    pub process: Option<&'a ProcessSpec>,
    pub inputs: &'a [InputPart],
    /// Files that belong to the step's code and schema files that its outputs name, and the content
    /// of each.
    pub code: &'a [(String, ContentHash)],
    /// All contracts; those that inputs and outputs name are part of the key.
    pub contracts: &'a BTreeMap<String, DataContract>,
}

/// What an input adds to a key.
#[derive(Clone, Debug, PartialEq)]
pub struct InputPart {
    pub name: String,
    /// What stands for its content.
    pub fingerprint: Value,
    /// Contract by which it is read.
    pub contract: Option<String>,
}

impl InputPart {
    /// The part of what the step gave before: the outputs, and what is remembered beside them.
    pub fn of_previous(name: &str, output: &OutputValue) -> Self {
        let remembered = match output {
            OutputValue::Artifact(artifact) => sorted(&artifact.summary),
            OutputValue::Value(_) => Value::Null,
        };
        Self {
            // No input has a name with a dot.
            name: format!("previous.{name}"),
            fingerprint: json!({ "output": output.fingerprint(), "remembered": remembered }),
            contract: None,
        }
    }

    /// The part of an input; none if its content is not known, as that of a remote dataset: then
    /// there is no key. Where a dataset lies is no part: the same content elsewhere is the same.
    pub fn of(name: &str, input: &TaskInput) -> Option<Self> {
        let mut contract = None;
        let fingerprint = match input {
            TaskInput::Output(output) => json!({ "output": output.fingerprint() }),
            TaskInput::Collected(cells) => {
                let cells = cells
                    .iter()
                    .map(|(matrix, output)| json!([sorted_map(matrix), output.fingerprint()]));
                json!({ "collected": cells.collect::<Vec<_>>() })
            }
            TaskInput::Dataset(dataset) => {
                contract.clone_from(&dataset.contract);
                json!({
                    "dataset": dataset.content?,
                    "name": dataset.name,
                    "format": dataset.format,
                    "options": sorted(&dataset.options),
                })
            }
            TaskInput::Registered { name, version, model } => {
                json!({ "registered": [name, version, model.hash] })
            }
            TaskInput::Features(view) => json!({ "features": view.fingerprint() }),
            TaskInput::Absent => json!("absent"),
        };
        Some(Self {
            name: name.to_owned(),
            fingerprint,
            contract,
        })
    }
}

/// The key. What the instance's cache policy leaves out (`code`, `inputs` or `with`) is left out.
///
/// Neither the step's name nor limits, retries and places are part of it, nor the values of secrets:
/// none of them may change what comes out.
pub fn reuse_key(parts: &KeyParts<'_>) -> ContentHash {
    let instance = parts.instance;
    let (code, inputs, with) = match instance.cache {
        CachePolicy::On {
            code, inputs, with, ..
        } => (code, inputs, with),
        CachePolicy::Off => (true, true, true),
    };
    let outputs: Map<String, Value> = instance
        .outputs
        .iter()
        .map(|(name, output)| {
            let contract = output
                .contract
                .as_ref()
                .and_then(|name| parts.contracts.get(name));
            let schemas = [&output.input_schema, &output.output_schema];
            (
                name.clone(),
                json!({ "kind": output.kind, "contract": contract, "schemas": schemas }),
            )
        })
        .collect();
    let input_parts: Map<String, Value> = parts
        .inputs
        .iter()
        .map(|input| {
            let contract = contract_part(parts, input.contract.as_deref());
            (
                input.name.clone(),
                json!({ "content": input.fingerprint, "contract": contract }),
            )
        })
        .collect();
    let process = parts.process.map(|process| {
        json!({
            "argv": process.argv,
            "env": process.env,
            "secrets": process.secrets,
            "image": process.image,
        })
    });
    let document = json!({
        "version": KEY_VERSION,
        "uses": instance.uses,
        "revision": instance.revision,
        "matrix": instance.matrix,
        "outputs": outputs,
        "with": with.then_some(parts.with),
        "inputs": inputs.then_some(input_parts),
        "process": code.then_some(process),
        "code": code.then(|| parts.code.iter().cloned().collect::<BTreeMap<_, _>>()),
    });
    ContentHash::of(sorted(&document).to_string().as_bytes())
}

/// A contract without what it says only to people. The order of its columns counts: it is that of
/// the table.
fn contract_part(parts: &KeyParts<'_>, name: Option<&str>) -> Value {
    let Some(contract) = name.and_then(|name| parts.contracts.get(name)) else {
        return Value::Null;
    };
    let mut value = json!(contract);
    for word in ["description", "owner"] {
        value.as_object_mut().map(|map| map.remove(word));
    }
    let columns = value.get_mut("columns").and_then(Value::as_object_mut);
    for column in columns.into_iter().flat_map(|columns| columns.values_mut()) {
        column.as_object_mut().map(|map| map.remove("description"));
    }
    json!([value, contract.columns.keys().collect::<Vec<_>>()])
}

/// The same value with the keys of all maps in order: what is written in another order is the same.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(sorted_map(map)),
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn sorted_map(map: &Map<String, Value>) -> Map<String, Value> {
    let in_order: BTreeMap<&String, &Value> = map.iter().collect();
    in_order
        .into_iter()
        .map(|(key, value)| (key.clone(), sorted(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::step;
    use trainyard_contract::OutputValue;
    use trainyard_contract::task::DatasetRef;

    fn key(change: impl FnOnce(&mut Instance, &mut Value, &mut Vec<(String, ContentHash)>)) -> ContentHash {
        let mut instance = step("train").instance;
        instance.cache = CachePolicy::On {
            code: true,
            inputs: true,
            with: true,
            ttl: None,
        };
        let mut with = json!({"rounds": 200, "rate": 0.1});
        let mut code = vec![("train.py".to_owned(), ContentHash::of(b"print()"))];
        change(&mut instance, &mut with, &mut code);
        let input = TaskInput::Output(OutputValue::Value(json!(1)));
        reuse_key(&KeyParts {
            instance: &instance,
            with: &with,
            process: None,
            inputs: &[InputPart::of("table", &input).unwrap()],
            code: &code,
            contracts: &BTreeMap::new(),
        })
    }

    #[test]
    fn what_changes_outputs_changes_the_key() {
        let base = key(|_, _, _| {});
        let changed = [
            key(|i, _, _| i.uses = "train.classifier@v2".to_owned()),
            key(|i, _, _| i.revision = 2),
            key(|_, with, _| with["rounds"] = json!(201)),
            key(|_, _, code| code[0].1 = ContentHash::of(b"print(1)")),
            key(|i, _, _| {
                i.matrix.insert("algorithm".to_owned(), json!("svm"));
            }),
            key(|i, _, _| i.outputs[0].input_schema = Some("in.avsc".to_owned())),
        ];
        for (at, key) in changed.iter().enumerate() {
            assert_ne!(*key, base, "change {at}");
        }
    }

    #[test]
    fn what_does_not_change_outputs_does_not_change_the_key() {
        let base = key(|_, _, _| {});
        assert_eq!(
            key(|_, with, _| *with = json!({"rate": 0.1, "rounds": 200})),
            base
        );
        assert_eq!(key(|i, _, _| i.name = "fit".to_owned()), base);
        assert_eq!(key(|i, _, _| i.retry.max_attempts = 9), base);
    }

    #[test]
    fn what_the_cache_policy_leaves_out_is_left_out() {
        let loose = |rounds: u32| {
            key(|i, with, _| {
                i.cache = CachePolicy::On {
                    code: true,
                    inputs: true,
                    with: false,
                    ttl: None,
                };
                with["rounds"] = json!(rounds);
            })
        };
        assert_eq!(loose(1), loose(2));
    }

    #[test]
    fn a_dataset_is_its_content_and_how_it_is_read_wherever_it_lies() {
        let dataset = |location: &str, format: &str, content: Option<&[u8]>| {
            let reference = DatasetRef {
                name: "flights".to_owned(),
                location: location.to_owned(),
                folder: None,
                format: Some(format.to_owned()),
                options: Value::Null,
                contract: None,
                content: content.map(ContentHash::of),
            };
            InputPart::of("data", &TaskInput::Dataset(reference))
        };
        assert_eq!(
            dataset("a.csv", "csv", Some(b"1")),
            dataset("b.csv", "csv", Some(b"1"))
        );
        assert_ne!(
            dataset("a.csv", "csv", Some(b"1")),
            dataset("a.csv", "csv", Some(b"2"))
        );
        assert_ne!(
            dataset("a.csv", "csv", Some(b"1")),
            dataset("a.csv", "ndjson", Some(b"1"))
        );
        assert_eq!(dataset("s3://bucket/a.csv", "csv", None), None);
    }
}
