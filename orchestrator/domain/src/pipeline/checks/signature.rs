//! What a model takes and gives, said three times and the same each time (D05): by its Avro schemas, by the
//! columns it learns from, and by the streams it is deployed with. And what it has learnt from is there
//! when it is asked (M07).
//!
//! Why: a field that is missing, or written in a type that cannot be read, shows at the first record in
//! production.
//!
//! ```yaml
//! outputs: {model: {type: model, input_schema: schemas/flight_in.avsc}}  # D05/input-schema: no field `distance`
//! with: {streams: {input: streams/flights_rest.yaml}}                    # D05/stream-schema, M07/not-delivered
//! ```

mod online;
mod streams;

use super::{Finding, Scene, found};
use crate::avro::{self, Kind, Schema as Avro};
use crate::diagnostic::{Fix, Span};
use crate::pipeline::draft::{Draft, local_file};
use crate::pipeline::reader::Node;
use crate::pipeline::wiring::Source;
use std::collections::{BTreeMap, BTreeSet};
use trainyard_contract::finding::nearest;
use trainyard_contract::{ArtifactKind, Column, DataType, Path, Shape, TimeUnit};

pub(super) type Shapes = BTreeMap<(String, String), Shape>;

pub(super) fn run(scene: &mut Scene<'_>, shapes: &Shapes) {
    invalid(scene);
    let draft = scene.draft;
    for (index, (step, spec)) in draft.spec.steps.iter().enumerate() {
        for (output, declared) in &spec.outputs {
            if declared.kind != ArtifactKind::Model {
                continue;
            }
            let model = Model::of(scene, shapes, index, step, output);
            if let Some(schema) = named(scene, index, output, "input_schema") {
                takes(scene, &model, &schema);
            }
            if let Some(schema) = named(scene, index, output, "output_schema") {
                gives(scene, &model, &schema);
            }
        }
    }
    streams::run(scene, shapes);
}

/// An Avro schema that a document names.
pub(super) struct NamedSchema {
    pub(super) path: String,
    /// Where the pipeline names it.
    pub(super) place: Span,
    pub(super) schema: Avro,
}

/// The schema of a model's output, if it is there and right.
fn named(scene: &Scene<'_>, index: usize, output: &str, key: &str) -> Option<NamedSchema> {
    let entry = scene.draft.step_entry(index)?;
    let node = entry.value.get("outputs")?.get(output)?.get(key)?;
    let path = local_file(node.text()?)?;
    let (schema, faults) = avro::read(root(scene.draft, &path)?);
    Some(NamedSchema {
        path,
        place: node.span,
        schema: schema.filter(|_| faults.is_empty())?,
    })
}

pub(super) fn root<'a>(draft: &'a Draft, path: &str) -> Option<&'a Node> {
    draft.documents.get(path)?.root.as_ref()
}

/// Schemas that are none; each file once.
fn invalid(scene: &mut Scene<'_>) {
    let draft = scene.draft;
    for (path, document) in &draft.documents {
        let Some(root) = &document.root else { continue };
        let node = match document.kind {
            crate::pipeline::load::Kind::Avro => root,
            // A descriptor may hold its schema itself.
            _ => match root.get("schema") {
                Some(node) if crate::pipeline::draft::schema_file(node).is_none() => node,
                _ => continue,
            },
        };
        let (schema, faults) = avro::read(node);
        for fault in &faults {
            let mut finding = found("D05/invalid-schema", fault.span, fault.message.clone());
            if let Some(help) = &fault.help {
                finding = finding.help(help.clone());
            }
            scene.add(finding);
        }
        let is_record = schema.is_none_or(|schema| schema.record().is_some());
        if faults.is_empty() && !is_record && document.kind == crate::pipeline::load::Kind::Avro {
            let finding = found("D05/invalid-schema", node.span, format!("`{path}` is no record")).help(
                "a model takes and gives records: {\"type\": \"record\", \"name\": …, \"fields\": […]}",
            );
            scene.add(finding);
        }
    }
}

/// What is known of a model before it is trained.
pub(super) struct Model {
    /// `step.output`.
    name: String,
    /// Columns it wants; of a model of which nobody knows them, those of the tables it is made of.
    pub(super) columns: Vec<Column>,
    /// Whether `columns` are what it wants.
    pub(super) is_known: bool,
    label: Option<String>,
}

impl Model {
    pub(super) fn of(scene: &Scene<'_>, shapes: &Shapes, index: usize, step: &str, output: &str) -> Self {
        let name = format!("{step}.{output}");
        if let Some(Shape::Model { features, label }) = shapes.get(&(step.to_owned(), output.to_owned())) {
            return Self {
                name,
                columns: features.columns.clone(),
                is_known: true,
                label: label.clone(),
            };
        }
        let mut columns: Vec<Column> = Vec::new();
        for source in scene.steps[index].inputs.values() {
            match table_of(scene, shapes, source) {
                Some(Shape::Table(schema)) => columns.extend(schema.columns),
                Some(_) => {}
                // What may come from a table of which nothing is known cannot be missed.
                None => {
                    columns.clear();
                    break;
                }
            }
        }
        Self {
            name,
            columns,
            is_known: false,
            label: None,
        }
    }
}

/// What is behind an input; none if it is a table of which nobody knows the columns.
fn table_of(scene: &Scene<'_>, shapes: &Shapes, source: &Source) -> Option<Shape> {
    match source {
        Source::Dataset(dataset) => {
            let contract = scene.draft.spec.datasets.get(dataset)?.contract.as_ref()?;
            let contract = &scene.draft.contracts.get(contract)?.contract;
            Some(Shape::Table(contract.schema(Some(dataset))))
        }
        Source::Output { step, output, .. } => {
            let (step, _) = scene.draft.spec.steps.get_index(*step)?;
            let shape = shapes.get(&(step.clone(), output.clone()))?;
            (*shape != Shape::UnknownTable).then(|| shape.clone())
        }
        Source::Registry { .. } | Source::Features(_) => Some(Shape::Absent),
    }
}

/// Whether a record of the schema brings what the model wants.
fn takes(scene: &mut Scene<'_>, model: &Model, schema: &NamedSchema) {
    let Some(record) = schema.schema.record() else {
        return;
    };
    let (path, name) = (&schema.path, &model.name);
    let known: BTreeSet<&str> = model.columns.iter().map(|column| column.name.as_str()).collect();
    if known.is_empty() {
        return;
    }
    // A field that is no column, and the column it may mean.
    let mut misspelt: BTreeSet<&str> = BTreeSet::new();
    let mut findings: Vec<Finding> = Vec::new();
    let missing = model
        .columns
        .iter()
        .filter(|column| record.field(&column.name).is_none());
    let missing: Vec<&str> = missing.map(|column| column.name.as_str()).collect();
    for field in &record.fields {
        let is_column = std::iter::once(&field.name)
            .chain(&field.aliases)
            .any(|name| known.contains(name.as_str()));
        if is_column {
            continue;
        }
        let near = nearest(&field.name, missing.iter().copied());
        if near.is_none() && (model.is_known || field.has_default) {
            // More than the model wants may come with a record: a key, for one.
            continue;
        }
        let mut finding = found(
            "D05/input-schema",
            schema.place,
            format!("`{name}` knows no column `{}`, a field of `{path}`", field.name),
        )
        .label("of this schema")
        .also(field.name_span, "no such column");
        finding = match near {
            Some(near) => {
                misspelt.insert(near);
                let mut finding = finding.help(format!("did you mean `{near}`?"));
                finding.0.fix = Some(Fix {
                    span: field.name_span,
                    replacement: format!("\"{near}\""),
                });
                finding
            }
            None => finding.help("take the field out, or make the column"),
        };
        findings.push(finding);
    }
    for column in &model.columns {
        match record.field(&column.name) {
            Some(field) => {
                let Some(fault) = type_fault(column, &field.schema) else {
                    continue;
                };
                let mut finding = found(
                    "D05/input-schema",
                    schema.place,
                    format!(
                        "`{}` of `{name}` {}; `{path}` says {}",
                        column.name, fault.message, field.schema
                    ),
                )
                .label("of this schema")
                .also(field.type_span, "as a record brings it")
                .help(format!("write `\"type\": {}`", fault.wanted));
                if let Some(place) = contract_place(scene, column) {
                    finding = finding.also(place, "as the column is");
                }
                finding.0.fix = Some(Fix {
                    span: field.type_span,
                    replacement: fault.wanted,
                });
                findings.push(finding);
            }
            None if model.is_known && !misspelt.contains(column.name.as_str()) => {
                let place = record.fields.last().map(|field| field.name_span);
                let mut finding = found(
                    "D05/input-schema",
                    schema.place,
                    format!(
                        "`{name}` learns from `{}`, and `{path}` has no such field",
                        column.name
                    ),
                )
                .label("of this schema");
                if let Some(place) = place {
                    finding = finding.also(place, format!("add a field `{}`", column.name));
                }
                if let Some(wanted) = written_type(column) {
                    finding = finding.help(format!(
                        "add {{\"name\": \"{}\", \"type\": {wanted}}}",
                        column.name
                    ));
                }
                findings.push(finding);
            }
            None => {}
        }
    }
    findings.into_iter().for_each(|finding| scene.add(finding));
}

/// Fields by which a prediction is known.
const PREDICTIONS: [&str; 5] = ["prediction", "probability", "score", "class", "cluster"];

/// Whether a record of the schema holds a prediction.
fn gives(scene: &mut Scene<'_>, model: &Model, schema: &NamedSchema) {
    let Some(record) = schema.schema.record().filter(|_| model.is_known) else {
        return;
    };
    let mut names: Vec<&str> = PREDICTIONS.to_vec();
    names.extend(model.label.as_deref());
    if names.iter().any(|name| record.field(name).is_some()) {
        return;
    }
    let mut finding = found(
        "D05/output-schema",
        schema.place,
        format!(
            "no field of `{}` takes what `{}` predicts",
            schema.path, model.name
        ),
    )
    .label("of this schema")
    .help(format!("a prediction goes into one of {}", names.join(", ")));
    let near = record
        .fields
        .iter()
        .find_map(|field| Some((field, nearest(&field.name, names.iter().copied())?)));
    if let Some((field, near)) = near {
        finding = finding.also(field.name_span, format!("did you mean `{near}`?"));
        finding.0.fix = Some(Fix {
            span: field.name_span,
            replacement: format!("\"{near}\""),
        });
    }
    scene.add(finding);
}

/// Why a field does not hold the values of a column, and the type that would.
struct TypeFault {
    message: String,
    wanted: String,
}

fn type_fault(column: &Column, field: &Avro) -> Option<TypeFault> {
    let kind = kind_of(&column.data_type)?;
    let wanted = written_type(column)?;
    let fault = |message: String| {
        Some(TypeFault {
            message,
            wanted: wanted.clone(),
        })
    };
    let value = Avro {
        span: field.span,
        kind,
        logical: logical_of(&column.data_type).map(str::to_owned),
    };
    // A text that is one of a few may be an enum; which, only data tell.
    let is_enum = |schema: &Avro| matches!(schema.kind, Kind::Enum { .. });
    let holds_text = column.data_type == DataType::String
        && match &field.kind {
            Kind::Union(branches) => branches.iter().any(is_enum),
            _ => is_enum(field),
        };
    if !holds_text && !avro::resolve(&value, field).is_empty() {
        return fault(format!("is {}", column.data_type));
    }
    if column.nullable && !field.takes_null() {
        return fault("may be missing".to_owned());
    }
    None
}

fn kind_of(of: &DataType) -> Option<Kind> {
    Some(match of {
        DataType::Boolean => Kind::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => Kind::Int,
        DataType::Date => Kind::Int,
        DataType::Int64 | DataType::UInt32 => Kind::Long,
        DataType::Time | DataType::Timestamp(..) | DataType::Duration(_) => Kind::Long,
        DataType::Float32 => Kind::Float,
        DataType::Float64 => Kind::Double,
        DataType::String => Kind::String,
        DataType::Binary => Kind::Bytes,
        // No type of Avro is theirs.
        DataType::UInt64 | DataType::List(_) | DataType::Other(_) => return None,
    })
}

fn logical_of(of: &DataType) -> Option<&'static str> {
    Some(match of {
        DataType::Date => "date",
        DataType::Timestamp(TimeUnit::Milliseconds, Some(_)) => "timestamp-millis",
        DataType::Timestamp(TimeUnit::Microseconds, Some(_)) => "timestamp-micros",
        DataType::Timestamp(TimeUnit::Milliseconds, None) => "local-timestamp-millis",
        DataType::Timestamp(TimeUnit::Microseconds, None) => "local-timestamp-micros",
        _ => return None,
    })
}

/// The type that holds a column's values, as it is written.
fn written_type(column: &Column) -> Option<String> {
    let name = match kind_of(&column.data_type)? {
        Kind::Boolean => "boolean",
        Kind::Int => "int",
        Kind::Long => "long",
        Kind::Float => "float",
        Kind::Double => "double",
        Kind::String => "string",
        _ => "bytes",
    };
    let plain = match logical_of(&column.data_type) {
        Some(logical) => format!("{{\"type\": \"{name}\", \"logicalType\": \"{logical}\"}}"),
        None => format!("\"{name}\""),
    };
    Some(if column.nullable {
        format!("[\"null\", {plain}]")
    } else {
        plain
    })
}

/// Where the contract of the data speaks of a column that is handed on from there.
fn contract_place(scene: &Scene<'_>, column: &Column) -> Option<Span> {
    let draft = scene.draft;
    column.origins.iter().find_map(|origin| {
        let contract = draft.spec.datasets.get(&origin.dataset)?.contract.as_ref()?;
        let root = draft.contracts.get(contract)?.loaded.root.as_ref()?;
        Some(root.get("columns")?.entry(&origin.column)?.key_span)
    })
}

/// The path of a value of a step.
fn at(step: &str, keys: &[&str]) -> Path {
    let start = Path::root().key("steps").key(step);
    keys.iter().fold(start, |path, key| path.key(*key))
}

#[cfg(test)]
mod tests;
