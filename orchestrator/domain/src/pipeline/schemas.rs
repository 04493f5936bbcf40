//! JSON Schemas of all kinds of files: the same that files are checked against, for editors.

use super::spec::library::KIND_PATTERN;
use super::spec::{Library, PipelineSpec, Project, Stream};
use serde_json::{Map, Value, json};
use trainyard_contract::feature::file::FeatureFile;
use trainyard_contract::{Catalogue, DataContract, Ports, Signature};

fn of<T: schemars::JsonSchema>() -> Value {
    schemars::SchemaGenerator::default()
        .into_root_schema_for::<T>()
        .to_value()
}

/// The form of a pipeline file, whatever kinds of steps there are.
pub(crate) fn pipeline_form() -> Value {
    of::<PipelineSpec>()
}

/// The form of a library file. Its steps may leave out what the using step says.
pub(crate) fn library_form() -> Value {
    let mut schema = of::<Library>();
    if let Some(step) = schema.pointer_mut("/$defs/Step").and_then(Value::as_object_mut) {
        step.remove("oneOf");
    }
    schema
}

/// The schema of pipeline files, with the parameters of every kind of step in the catalogue.
pub fn pipeline_json_schema(catalogue: &Catalogue) -> Value {
    let mut schema = pipeline_form();
    with_title(&mut schema, "pipeline.v1.json", "Trainyard pipeline, version 1");
    add_kinds(&mut schema, catalogue, &["Step", "HookStep"]);
    schema
}

/// The schema of library files, with the parameters of every kind of step in the catalogue.
pub fn library_json_schema(catalogue: &Catalogue) -> Value {
    let mut schema = library_form();
    with_title(
        &mut schema,
        "library.v1.json",
        "Trainyard step library, version 1",
    );
    add_kinds(&mut schema, catalogue, &["Step", "LibraryKind"]);
    open_inputs(&mut schema);
    schema
}

/// The inputs of a library's kind are declared, not taken from somewhere: a kind's ports only give
/// their names.
fn open_inputs(schema: &mut Value) {
    let rules = schema
        .pointer_mut("/$defs/LibraryKind/allOf")
        .and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten() {
        if let Some(then) = rule
            .pointer_mut("/then/properties")
            .and_then(Value::as_object_mut)
        {
            then.remove("inputs");
            then.remove("outputs");
        }
    }
}

/// The schema of contract files.
pub fn contract_json_schema() -> Value {
    let mut schema = of::<DataContract>();
    with_title(
        &mut schema,
        "contract.v1.json",
        "Trainyard data contract, version 1",
    );
    schema
}

/// The schema of `trainyard.yaml`.
pub fn project_json_schema() -> Value {
    let mut schema = of::<Project>();
    with_title(&mut schema, "project.v1.json", "Trainyard project, version 1");
    schema
}

/// The schema of stream descriptors.
pub fn stream_json_schema() -> Value {
    let mut schema = of::<Stream>();
    with_title(&mut schema, "stream.v1.json", "Trainyard stream, version 1");
    schema
}

/// The schema of feature definitions.
pub fn features_json_schema() -> Value {
    let mut schema = of::<FeatureFile>();
    with_title(
        &mut schema,
        "features.v1.json",
        "Trainyard feature definitions, version 1",
    );
    schema
}

fn with_title(schema: &mut Value, id: &str, title: &str) {
    if let Some(root) = schema.as_object_mut() {
        root.insert(
            "$id".to_owned(),
            json!(format!("https://trainyard.dev/schemas/{id}")),
        );
        root.insert("title".to_owned(), json!(title));
    }
}

/// Editors complete `uses` from the kinds there are, and `with` by what `uses` says.
fn add_kinds(schema: &mut Value, catalogue: &Catalogue, steps: &[&str]) {
    let kinds: Vec<(&str, Signature)> = catalogue
        .iter()
        .map(|(uses, step)| (uses, step.signature()))
        .collect();
    let mut definitions = Map::new();
    let mut rules = Vec::new();
    for (uses, signature) in &kinds {
        let name = format!("with_{}", uses.replace(['.', '@'], "_"));
        definitions.insert(
            name.clone(),
            parameters(&name, &signature.params, definitions_of(&signature.params)),
        );
        let mut properties = Map::new();
        properties.insert("with".to_owned(), json!({"$ref": format!("#/$defs/{name}")}));
        for (key, ports) in [("inputs", &signature.inputs), ("outputs", &signature.outputs)] {
            if let Some(named) = named_ports(ports) {
                properties.insert(key.to_owned(), named);
            }
        }
        rules.push(json!({
            "if": {"properties": {"uses": {"const": uses}}, "required": ["uses"]},
            "then": {"description": signature.doc, "properties": properties},
        }));
    }
    let names: Vec<Value> = kinds
        .iter()
        .map(|(uses, signature)| json!({"const": uses, "description": signature.doc}))
        .collect();
    let Some(all) = schema.get_mut("$defs").and_then(Value::as_object_mut) else {
        return;
    };
    all.extend(definitions);
    for step in steps {
        let Some(step) = all.get_mut(*step).and_then(Value::as_object_mut) else {
            continue;
        };
        step.insert("allOf".to_owned(), Value::Array(rules.clone()));
        if let Some(uses) = step.get_mut("properties").and_then(|known| known.get_mut("uses")) {
            let description = uses.get("description").cloned().unwrap_or(Value::Null);
            let mut options = names.clone();
            options.push(json!({
                "type": "string", "pattern": "^lib:[a-z][a-z0-9_-]{0,62}$",
                "description": "A step of an included library.",
            }));
            options.push(json!({
                "type": "string", "pattern": "^pipeline:[a-z][a-z0-9_-]{0,62}@v[1-9][0-9]{0,5}$",
                "description": "A pipeline as a step, `pipeline:NAME@v1`: `with` sets its params, `inputs` its datasets.",
            }));
            // What a project's own libraries declare cannot stand in a schema for all projects.
            options.push(json!({
                "type": "string", "pattern": KIND_PATTERN,
                "description": "A kind of an included library, `name@v1`.",
            }));
            *uses = json!({"description": description, "anyOf": options});
        }
    }
}

fn named_ports(ports: &Ports) -> Option<Value> {
    let Ports::Named(ports) = ports else { return None };
    let properties: Map<String, Value> = ports
        .iter()
        .map(|port| {
            (
                port.name.to_owned(),
                json!({"description": format!("{} ({}).", port.doc.trim_end_matches('.'), port.kind)}),
            )
        })
        .collect();
    Some(json!({"properties": properties}))
}

fn definitions_of(params: &Value) -> Vec<String> {
    params
        .get("$defs")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

/// A step's own schema, moved below `$defs/NAME`: its references follow it, and every value may be
/// an expression.
fn parameters(name: &str, params: &Value, own: Vec<String>) -> Value {
    let mut moved = params.clone();
    move_references(&mut moved, name, &own);
    allow_expressions(&mut moved);
    if let Some(moved) = moved.as_object_mut() {
        moved.remove("$schema");
    }
    moved
}

fn move_references(value: &mut Value, name: &str, own: &[String]) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(pointer)) = members.get_mut("$ref")
                && let Some(target) = pointer.strip_prefix("#/$defs/")
                && own.iter().any(|known| known == target)
            {
                *pointer = format!("#/$defs/{name}/$defs/{target}");
            }
            members
                .values_mut()
                .for_each(|member| move_references(member, name, own));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_references(item, name, own)),
        _ => {}
    }
}

/// `${{ … }}` may stand for any parameter that is not a text.
fn allow_expressions(schema: &mut Value) {
    let Some(rules) = schema.as_object_mut() else {
        return;
    };
    for group in ["properties", "$defs", "patternProperties"] {
        for (_, member) in rules
            .get_mut(group)
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
        {
            allow_expressions(member);
            let plain_text = member.get("type").is_some_and(|of| of == "string");
            if group == "properties" && !plain_text && member.is_object() {
                let inner = member.take();
                let description = inner.get("description").cloned();
                *member = json!({"anyOf": [inner, {"type": "string", "pattern": r"\$\{\{"}]});
                if let (Some(description), Some(member)) = (description, member.as_object_mut()) {
                    member.insert("description".to_owned(), description);
                }
            }
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(member) = rules.get_mut(keyword) {
            allow_expressions(member);
        }
    }
    for keyword in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        for member in rules
            .get_mut(keyword)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            allow_expressions(member);
        }
    }
}
