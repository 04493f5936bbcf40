//! The reuse key: two step instances with the same key would make the same outputs.

use super::definition::{CachePolicy, Instance};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use trainyard_contract::task::{ProcessSpec, TaskInput};
use trainyard_contract::{ContentHash, DataContract};

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
    /// The part of an input; none if its content is not known, as that of a remote dataset: then
    /// there is no key. Where a dataset lies is no part: the same content elsewhere is the same.
    pub fn of(name: &str, input: &TaskInput) -> Option<Self> {
        let mut contract = None;
        let fingerprint = match input {
            TaskInput::Output(output) => json!({ "output": output.fingerprint() }),
            TaskInput::Collected(cells) => {
                let cells = cells.iter().map(|(matrix, output)| json!([sorted_map(matrix), output.fingerprint()]));
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
            TaskInput::Absent => json!("absent"),
        };
        Some(Self { name: name.to_owned(), fingerprint, contract })
    }
}

/// The key. What the instance's cache policy leaves out (`code`, `inputs` or `with`) is left out.
///
/// Neither the step's name nor limits, retries and places are part of it, nor the values of secrets:
/// none of them may change what comes out.
pub fn reuse_key(parts: &KeyParts<'_>) -> ContentHash {
    let instance = parts.instance;
    let (code, inputs, with) = match instance.cache {
        CachePolicy::On { code, inputs, with, .. } => (code, inputs, with),
        CachePolicy::Off => (true, true, true),
    };
    let outputs: Map<String, Value> = instance
        .outputs
        .iter()
        .map(|(name, output)| {
            let contract = output.contract.as_ref().and_then(|name| parts.contracts.get(name));
            let schemas = [&output.input_schema, &output.output_schema];
            (name.clone(), json!({ "kind": output.kind, "contract": contract, "schemas": schemas }))
        })
        .collect();
    let input_parts: Map<String, Value> = parts
        .inputs
        .iter()
        .map(|input| {
            let contract = input.contract.as_ref().and_then(|name| parts.contracts.get(name));
            (input.name.clone(), json!({ "content": input.fingerprint, "contract": contract }))
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
    in_order.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
}
