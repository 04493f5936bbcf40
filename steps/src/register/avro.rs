//! Avro record schemas: read for what they take, and written for what a model takes.

use serde_json::{Value, json};
use std::path::Path;
use trainyard_contract::StepError;
use trainyard_models::{Feature, FeatureKind, Label, Task};

/// Schema files beyond this size are not read.
const MAX_BYTES: u64 = 1 << 20;

/// An Avro record as far as it concerns a model: its fields and the plain types they allow.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    /// The file, for messages.
    file: String,
    fields: Vec<Field>,
}

#[derive(Debug, PartialEq)]
struct Field {
    name: String,
    /// Names of the types a value may have, `null` among them if it may be missing.
    types: Vec<String>,
}

impl Record {
    /// Reads a schema file of the project.
    ///
    /// # Errors
    /// `IoError` if it cannot be read, `Rejected` if it is no record schema.
    pub(crate) fn read(project: &Path, file: &str) -> Result<Self, StepError> {
        let path = project.join(file);
        let reading = |error: &std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => StepError::rejected(format!("there is no file `{file}`")),
            _ => StepError::io(format!("could not read `{file}`"), error),
        };
        let size = std::fs::metadata(&path).map_err(|error| reading(&error))?.len();
        if size > MAX_BYTES {
            return Err(StepError::rejected(format!(
                "`{file}` has {size} bytes, which no schema needs"
            )));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| reading(&error))?;
        Self::parse(file, &text)
    }

    fn parse(file: &str, text: &str) -> Result<Self, StepError> {
        let wrong = |what: String| StepError::rejected(format!("`{file}` is no Avro record schema: {what}"));
        let schema: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if schema["type"] != "record" {
            return Err(wrong("its type is not `record`".to_owned()));
        }
        let fields = schema["fields"]
            .as_array()
            .ok_or_else(|| wrong("it has no `fields`".to_owned()))?;
        let fields = fields
            .iter()
            .map(|field| {
                let name = field["name"]
                    .as_str()
                    .ok_or_else(|| wrong("a field has no name".to_owned()))?;
                Ok(Field {
                    name: name.to_owned(),
                    types: types(&field["type"]),
                })
            })
            .collect::<Result<Vec<Field>, StepError>>()?;
        Ok(Self {
            file: file.to_owned(),
            fields,
        })
    }

    /// Whether a record of this schema brings every feature, in a type the model takes.
    ///
    /// # Errors
    /// `Rejected`, naming all fields that are missing or of the wrong type.
    pub(crate) fn takes_features(&self, features: &[Feature]) -> Result<(), StepError> {
        let faults: Vec<String> = features
            .iter()
            .filter_map(|feature| {
                let wanted = match feature.kind {
                    FeatureKind::Numeric => ["int", "long", "float", "double", "boolean"].as_slice(),
                    FeatureKind::Categorical { .. } => ["string", "enum"].as_slice(),
                };
                self.fault(&feature.name, wanted)
            })
            .collect();
        self.refuse(&faults, "the model's features")
    }

    /// Whether a record of this schema holds a prediction: a field `probability` (or `score`,
    /// `prediction`) for two classes, `class` (or `prediction`) for several, one of the label's name
    /// (or `prediction`, `cluster`) for a number or a cluster.
    ///
    /// # Errors
    /// `Rejected` if there is none or it has the wrong type.
    pub(crate) fn takes_predictions(&self, label: &Label) -> Result<(), StepError> {
        let number = ["double", "float"].as_slice();
        let (fields, types): (&[&str], _) = match label.task {
            Task::Binary { .. } => (&["probability", "score", "prediction"], number),
            Task::Multiclass { .. } => (&["class", "prediction"], ["string", "enum"].as_slice()),
            Task::Regression => (&[&label.name, "prediction"], number),
            Task::Cluster => (&[&label.name, "cluster"], ["int", "long"].as_slice()),
        };
        let found = fields
            .iter()
            .find(|name| self.fields.iter().any(|field| field.name == **name));
        let fault = match found {
            Some(name) => self.fault(name, types),
            None => Some(format!(
                "it has none of the fields {}",
                crate::fault::list(fields)
            )),
        };
        self.refuse(&fault.into_iter().collect::<Vec<_>>(), "the model's predictions")
    }

    fn fault(&self, name: &str, wanted: &[&str]) -> Option<String> {
        let Some(field) = self.fields.iter().find(|field| field.name == name) else {
            return Some(format!("it has no field `{name}`"));
        };
        let values: Vec<&str> = field
            .types
            .iter()
            .map(String::as_str)
            .filter(|given| *given != "null")
            .collect();
        (values.is_empty() || values.iter().any(|given| !wanted.contains(given))).then(|| {
            format!(
                "its field `{name}` is {}, not {}",
                field.types.join(" or "),
                wanted.join(" or ")
            )
        })
    }

    fn refuse(&self, faults: &[String], what: &str) -> Result<(), StepError> {
        if faults.is_empty() {
            return Ok(());
        }
        Err(StepError::rejected(format!(
            "D05: `{}` does not fit {what}: {}",
            self.file,
            faults.join("; ")
        )))
    }
}

fn types(schema: &Value) -> Vec<String> {
    match schema {
        Value::String(name) => vec![name.clone()],
        Value::Array(branches) => branches.iter().flat_map(types).collect(),
        Value::Object(map) => map.get("type").map(types).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The Avro record a model takes: every feature, or null where it is missing.
pub(crate) fn input_schema(name: &str, features: &[Feature]) -> Value {
    let fields: Vec<Value> = features
        .iter()
        .map(|feature| json!({"name": feature.name, "type": ["null", avro_type(feature)], "default": null}))
        .collect();
    record(&format!("{}_input", avro_name(name)), &fields)
}

/// The Avro record a model gives.
pub(crate) fn output_schema(name: &str, label: &Label) -> Value {
    let fields = match &label.task {
        Task::Binary { positive, .. } => vec![
            json!({"name": "probability", "type": "double", "doc": format!("that {} is {positive}", label.name)}),
            json!({"name": "class", "type": "string", "doc": "the class decided on"}),
        ],
        Task::Multiclass { classes } => vec![
            json!({"name": "probabilities", "type": {"type": "array", "items": "double"},
                "doc": format!("of {}", classes.join(", "))}),
            json!({"name": "class", "type": "string", "doc": "the most probable class"}),
        ],
        Task::Regression => vec![json!({"name": "prediction", "type": "double", "doc": label.name})],
        Task::Cluster => vec![
            json!({"name": "cluster", "type": ["null", "int"], "doc": "null for a row that belongs to none"}),
        ],
    };
    record(&format!("{}_output", avro_name(name)), &fields)
}

fn record(name: &str, fields: &[Value]) -> Value {
    json!({"type": "record", "name": name, "namespace": "trainyard.models", "fields": fields})
}

fn avro_type(feature: &Feature) -> &'static str {
    match (&feature.kind, feature.data_type.as_deref()) {
        (FeatureKind::Categorical { .. }, _) => "string",
        (FeatureKind::Numeric, Some("boolean")) => "boolean",
        (FeatureKind::Numeric, Some("int8" | "int16" | "int32" | "uint8" | "uint16")) => "int",
        (FeatureKind::Numeric, Some("int64" | "uint32")) => "long",
        (FeatureKind::Numeric, Some("float32")) => "float",
        (FeatureKind::Numeric, _) => "double",
    }
}

/// Avro allows letters, digits and `_` in names.
fn avro_name(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(name: &str, kind: FeatureKind, data_type: &str) -> Feature {
        Feature {
            name: name.into(),
            data_type: Some(data_type.into()),
            kind,
        }
    }

    fn features() -> Vec<Feature> {
        vec![
            feature("hour", FeatureKind::Numeric, "int16"),
            feature(
                "carrier",
                FeatureKind::Categorical {
                    categories: vec!["AA".into()],
                },
                "string",
            ),
        ]
    }

    #[test]
    fn what_is_written_for_a_model_takes_it() {
        let written = input_schema("flight-delay", &features());
        assert_eq!(written["name"], "flight_delay_input");
        assert_eq!(written["fields"][0]["type"], json!(["null", "int"]));
        Record::parse("in.avsc", &written.to_string())
            .unwrap()
            .takes_features(&features())
            .unwrap();
        let task = Task::Binary {
            negative: "false".into(),
            positive: "true".into(),
        };
        let label = Label {
            name: "late".into(),
            task,
        };
        let written = output_schema("flight-delay", &label);
        Record::parse("out.avsc", &written.to_string())
            .unwrap()
            .takes_predictions(&label)
            .unwrap();
    }

    #[test]
    fn missing_fields_and_wrong_types_are_all_named() {
        let text =
            r#"{"type": "record", "name": "r", "fields": [{"name": "hour", "type": ["null", "string"]}]}"#;
        let record = Record::parse("in.avsc", text).unwrap();
        let error = record.takes_features(&features()).unwrap_err().to_string();
        assert!(
            error.contains("`hour` is null or string") && error.contains("no field `carrier`"),
            "{error}"
        );
        assert!(Record::parse("x", "[]").is_err() && Record::parse("x", "{").is_err());
    }
}
