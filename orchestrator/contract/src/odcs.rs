//! Data contracts of the Open Data Contract Standard (ODCS 3.1): in, out, and what gets lost on the way.
//!
//! Source: <https://bitol-io.github.io/open-data-contract-standard/v3.1.0/>. What ODCS has no word for (moments,
//! `known_at`, units, our exact types) travels in `customProperties` whose names begin with `trainyard.`, so
//! that an exported contract comes back the same.

use crate::data_contract::{ColumnContract, DataContract, Freshness};
use crate::schema::{DataType, TimeUnit};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

const CUSTOM: &str = "trainyard.";

/// A contract as read, and the words of the document that it has no place for.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    pub contract: DataContract,
    /// E.g. `schema.orders.properties.id.quality[0]`.
    pub left_out: Vec<String>,
}

/// Why a document was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OdcsError {
    #[error("it is no ODCS document: {0}")]
    NoContract(String),
    #[error("it is of {0}; v3.0 and v3.1 are read")]
    Version(String),
    #[error("{at}: {problem}")]
    Wrong { at: String, problem: String },
}

/// One contract for each object of the document's `schema`.
///
/// # Errors
/// If it is no ODCS 3 document, or an object or property has no name.
pub fn import(document: &Value) -> Result<Vec<Imported>, OdcsError> {
    let Some(map) = document.as_object() else {
        return Err(OdcsError::NoContract("it is not a map".into()));
    };
    if map.get("kind").and_then(Value::as_str) != Some("DataContract") {
        return Err(OdcsError::NoContract(
            "it does not say `kind: DataContract`".into(),
        ));
    }
    match map.get("apiVersion").and_then(Value::as_str) {
        Some(version) if version.starts_with("v3.0") || version.starts_with("v3.1") => {}
        Some(version) => return Err(OdcsError::Version(format!("`apiVersion: {version}`"))),
        None => return Err(OdcsError::NoContract("it does not say `apiVersion`".into())),
    }
    let objects = map
        .get("schema")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if objects.is_empty() {
        return Err(OdcsError::NoContract("its `schema` has no object".into()));
    }
    let mut whole: Vec<String> = map
        .keys()
        .filter(|key| {
            !matches!(
                key.as_str(),
                "kind"
                    | "apiVersion"
                    | "id"
                    | "schema"
                    | "name"
                    | "status"
                    | "version"
                    | "description"
                    | "team"
                    | "slaProperties"
                    | "customProperties"
            )
        })
        .cloned()
        .collect();
    whole.extend(
        ["version", "status", "id"]
            .iter()
            .filter(|key| map.contains_key(**key))
            .map(ToString::to_string),
    );
    objects
        .iter()
        .enumerate()
        .map(|(at, object)| one(map, object, at, &whole))
        .collect()
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty())
}

/// Our own words among an element's custom properties; those of others are left out.
fn custom(map: &Map<String, Value>, at: &str, left_out: &mut Vec<String>) -> Map<String, Value> {
    let mut ours = Map::new();
    for entry in map
        .get("customProperties")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = entry.get("property").and_then(Value::as_str).unwrap_or_default();
        match (name.strip_prefix(CUSTOM), entry.get("value")) {
            (Some(name), Some(value)) => {
                ours.insert(name.to_owned(), value.clone());
            }
            _ => left_out.push(format!("{at}customProperties.{name}")),
        }
    }
    ours
}

/// A name as our files may have it.
fn name_of(text: &str) -> String {
    let mut name: String = text
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(63)
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "c_");
    }
    name
}

fn one(
    document: &Map<String, Value>,
    object: &Value,
    at: usize,
    whole: &[String],
) -> Result<Imported, OdcsError> {
    let wrong = |at: String, problem: &str| OdcsError::Wrong {
        at,
        problem: problem.to_owned(),
    };
    let Some(object) = object.as_object() else {
        return Err(wrong(format!("schema[{at}]"), "is no map"));
    };
    let Some(name) = text(object, "name") else {
        return Err(wrong(format!("schema[{at}]"), "has no name"));
    };
    let path = format!("schema.{name}.");
    let mut left_out = whole.to_vec();
    let ours = custom(document, "", &mut left_out);
    let mut object_ours = custom(object, &path, &mut left_out);
    for (key, value) in ours {
        object_ours.entry(key).or_insert(value);
    }
    let known = [
        "name",
        "properties",
        "description",
        "logicalType",
        "physicalType",
        "customProperties",
    ];
    left_out.extend(
        object
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .map(|key| format!("{path}{key}")),
    );
    let mut columns = IndexMap::new();
    let mut key: Vec<(i64, String)> = Vec::new();
    let properties = object.get("properties").and_then(Value::as_array);
    for (place, property) in properties.into_iter().flatten().enumerate() {
        let Some(property) = property.as_object() else {
            return Err(wrong(format!("{path}properties[{place}]"), "is no map"));
        };
        let Some(column) = text(property, "name") else {
            return Err(wrong(format!("{path}properties[{place}]"), "has no name"));
        };
        if property.get("primaryKey") == Some(&Value::Bool(true)) {
            let position = property.get("primaryKeyPosition").and_then(Value::as_i64);
            key.push((
                position.filter(|at| *at > 0).unwrap_or(i64::MAX),
                column.to_owned(),
            ));
        }
        let at = format!("{path}properties.{column}.");
        columns.insert(column.to_owned(), column_of(property, &at, &mut left_out));
    }
    if columns.is_empty() {
        return Err(wrong(path, "has no properties"));
    }
    key.sort_by_key(|(position, _)| *position);
    let strings = |value: Option<&Value>| -> Vec<String> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let event_time = object_ours
        .get("event_time")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .filter(|column| columns.contains_key(column));
    let freshness = freshness(document, name, &mut left_out);
    let description =
        text(object, "description")
            .map(str::to_owned)
            .or_else(|| match document.get("description") {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Object(parts)) => {
                    let more = parts.keys().filter(|key| *key != "purpose");
                    left_out.extend(more.map(|key| format!("description.{key}")));
                    text(parts, "purpose").map(str::to_owned)
                }
                _ => None,
            });
    left_out.sort();
    left_out.dedup();
    Ok(Imported {
        contract: DataContract {
            version: 1,
            name: name_of(name),
            description,
            owner: owner(document),
            event_time,
            primary_key: key.into_iter().map(|(_, column)| column).collect(),
            moments: strings(object_ours.get("moments")),
            freshness,
            columns,
            additional_columns: object_ours
                .get("additional_columns")
                .and_then(Value::as_bool)
                .unwrap_or(true),
        },
        left_out,
    })
}

/// The team, as 3.1 has it or as 3.0 had it.
fn owner(document: &Map<String, Value>) -> Option<String> {
    match document.get("team")? {
        Value::Object(team) => text(team, "name").map(str::to_owned),
        Value::Array(people) => {
            let people = people.iter().filter_map(Value::as_object);
            let is_owner = |person: &&Map<String, Value>| {
                text(person, "role").is_some_and(|role| role.eq_ignore_ascii_case("owner"))
            };
            people
                .clone()
                .find(is_owner)
                .or_else(|| people.clone().next())
                .and_then(|person| text(person, "username").map(str::to_owned))
        }
        _ => None,
    }
}

/// `freshness` or `latency` of the object, as a duration.
fn freshness(document: &Map<String, Value>, object: &str, left_out: &mut Vec<String>) -> Option<Freshness> {
    let mut found = None;
    for sla in document
        .get("slaProperties")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let Some(sla) = sla.as_object() else { continue };
        let property = text(sla, "property").unwrap_or_default();
        let element = text(sla, "element").unwrap_or(object);
        let is_ours = element
            .split(',')
            .any(|part| part.trim().split('.').next() == Some(object));
        let unit = match text(sla, "unit").unwrap_or("d").to_ascii_lowercase().as_str() {
            "d" | "day" | "days" => "d",
            "h" | "hr" | "hour" | "hours" => "h",
            "m" | "min" | "minute" | "minutes" => "m",
            "s" | "sec" | "second" | "seconds" => "s",
            _ => "",
        };
        let value = sla.get("value").and_then(|value| {
            value
                .as_u64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        });
        match (property, value) {
            ("freshness" | "latency" | "ly", Some(value))
                if is_ours && !unit.is_empty() && found.is_none() =>
            {
                found = Some(Freshness {
                    max_age: format!("{value}{unit}"),
                });
            }
            _ if is_ours => left_out.push(format!("slaProperties.{property}")),
            _ => {}
        }
    }
    found
}

fn column_of(property: &Map<String, Value>, at: &str, left_out: &mut Vec<String>) -> ColumnContract {
    let ours = custom(property, at, left_out);
    let options = property
        .get("logicalTypeOptions")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut unique = property.get("unique") == Some(&Value::Bool(true));
    let mut required = property.get("required") == Some(&Value::Bool(true))
        || property.get("primaryKey") == Some(&Value::Bool(true));
    let mut accepted = Vec::new();
    let mut pattern = text(&options, "pattern").map(str::to_owned);
    for (place, rule) in property
        .get("quality")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let is_none = rule.get("mustBe").and_then(Value::as_f64) == Some(0.0);
        let metric = rule
            .get("metric")
            .or_else(|| rule.get("rule"))
            .and_then(Value::as_str);
        let arguments = rule.get("arguments");
        let valid = arguments
            .and_then(|a| a.get("validValues"))
            .or_else(|| rule.get("validValues"));
        match (metric, is_none, valid.and_then(Value::as_array)) {
            (Some("nullValues" | "missingValues"), true, _) if arguments.is_none() => required = true,
            (Some("duplicateValues"), true, _) => unique = true,
            (Some("invalidValues"), true, Some(valid)) => accepted = valid.clone(),
            (Some("invalidValues"), true, None) => {
                let given = arguments.and_then(|a| a.get("pattern")).and_then(Value::as_str);
                match given {
                    Some(given) => pattern = Some(given.to_owned()),
                    None => left_out.push(format!("{at}quality[{place}]")),
                }
            }
            _ => left_out.push(format!("{at}quality[{place}]")),
        }
    }
    let is_temporal = matches!(text(property, "logicalType"), Some("date" | "timestamp" | "time"));
    let number = |key: &str| options.get(key).and_then(Value::as_f64).filter(|_| !is_temporal);
    for key in options.keys() {
        let is_used = match key.as_str() {
            "pattern" | "timezone" | "defaultTimezone" => true,
            "minimum" | "maximum" => !is_temporal,
            _ => false,
        };
        if !is_used {
            left_out.push(format!("{at}logicalTypeOptions.{key}"));
        }
    }
    let known = [
        "name",
        "logicalType",
        "physicalType",
        "logicalTypeOptions",
        "required",
        "unique",
        "primaryKey",
        "primaryKeyPosition",
        "classification",
        "description",
        "quality",
        "customProperties",
    ];
    left_out.extend(
        property
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .map(|key| format!("{at}{key}")),
    );
    let told = ours
        .get("type")
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok());
    ColumnContract {
        data_type: told.unwrap_or_else(|| type_of(property, &options)),
        nullable: !required,
        known_at: ours.get("known_at").and_then(Value::as_str).map(str::to_owned),
        unit: ours.get("unit").and_then(Value::as_str).map(str::to_owned),
        classification: text(property, "classification").map(str::to_owned),
        description: text(property, "description").map(str::to_owned),
        min: number("minimum"),
        max: number("maximum"),
        accepted_values: accepted,
        pattern,
        unique,
    }
}

/// Our type of a logical type; the physical one says how wide.
fn type_of(property: &Map<String, Value>, options: &Map<String, Value>) -> DataType {
    let physical = text(property, "physicalType")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| physical.starts_with(word));
    match text(property, "logicalType").unwrap_or("string") {
        "boolean" => DataType::Boolean,
        "integer" if has(&["smallint", "int2", "short", "int16"]) => DataType::Int16,
        "integer" if has(&["tinyint", "byte", "int8"]) && physical != "int8" => DataType::Int8,
        "integer" if physical == "int" || has(&["integer", "int4", "int32", "mediumint"]) => DataType::Int32,
        "integer" => DataType::Int64,
        "number" if has(&["real", "float4", "float32"]) => DataType::Float32,
        "number" if has(&["bigint", "long"]) => DataType::Int64,
        "number" => DataType::Float64,
        "date" => DataType::Date,
        "time" => DataType::Time,
        "timestamp" => {
            let has_zone = options.get("timezone").and_then(Value::as_bool).unwrap_or(true);
            let zone = text(options, "defaultTimezone").unwrap_or("UTC");
            let zone = if matches!(zone, "Etc/UTC" | "GMT" | "Z") {
                "UTC"
            } else {
                zone
            };
            DataType::Timestamp(TimeUnit::Microseconds, has_zone.then(|| zone.to_owned()))
        }
        "array" => DataType::List(Box::new(DataType::String)),
        "object" => DataType::Other("struct[]".to_owned()),
        _ if has(&["binary", "bytea", "blob", "varbinary"]) => DataType::Binary,
        _ => DataType::String,
    }
}

fn custom_properties(pairs: impl IntoIterator<Item = (&'static str, Value)>) -> Option<Value> {
    let all: Vec<Value> = pairs
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| json!({ "property": format!("{CUSTOM}{name}"), "value": value }))
        .collect();
    (!all.is_empty()).then(|| Value::Array(all))
}

/// The contract as an ODCS 3.1 document.
pub fn export(contract: &DataContract) -> Value {
    let mut document = Map::new();
    let mut put = |key: &str, value: Value| {
        document.insert(key.to_owned(), value);
    };
    put("apiVersion", json!("v3.1.0"));
    put("kind", json!("DataContract"));
    put("id", json!(contract.name));
    put("name", json!(contract.name));
    put("version", json!("1.0.0"));
    put("status", json!("active"));
    if let Some(owner) = &contract.owner {
        put("team", json!({ "name": owner }));
    }
    let properties: Vec<Value> = contract
        .columns
        .iter()
        .map(|(name, column)| property_of(contract, name, column))
        .collect();
    let mut object = Map::new();
    object.insert("name".into(), json!(contract.name));
    object.insert("logicalType".into(), json!("object"));
    if let Some(description) = &contract.description {
        object.insert("description".into(), json!(description));
    }
    object.insert("properties".into(), Value::Array(properties));
    let moments = if contract.moments.is_empty() {
        Value::Null
    } else {
        json!(contract.moments)
    };
    let closed = if contract.additional_columns {
        Value::Null
    } else {
        json!(false)
    };
    let ours = [
        ("event_time", json!(contract.event_time)),
        ("moments", moments),
        ("additional_columns", closed),
    ];
    if let Some(ours) = custom_properties(ours) {
        object.insert("customProperties".into(), ours);
    }
    put("schema", json!([object]));
    if let Some(freshness) = &contract.freshness {
        let at = freshness
            .max_age
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(freshness.max_age.len());
        let (value, unit) = freshness.max_age.split_at(at);
        let element = match &contract.event_time {
            Some(column) => format!("{}.{column}", contract.name),
            None => contract.name.clone(),
        };
        let value: u64 = value.parse().unwrap_or_default();
        put(
            "slaProperties",
            json!([{ "property": "latency", "value": value, "unit": unit, "element": element }]),
        );
    }
    Value::Object(document)
}

fn property_of(contract: &DataContract, name: &str, column: &ColumnContract) -> Value {
    let mut property = Map::new();
    let mut options = Map::new();
    let logical = match &column.data_type {
        DataType::Boolean => "boolean",
        DataType::Float32 | DataType::Float64 => "number",
        DataType::Date => "date",
        DataType::Time => "time",
        DataType::Timestamp(_, zone) => {
            options.insert("timezone".into(), json!(zone.is_some()));
            if let Some(zone) = zone {
                let zone = if zone == "UTC" { "Etc/UTC" } else { zone };
                options.insert("defaultTimezone".into(), json!(zone));
            }
            "timestamp"
        }
        DataType::List(_) => "array",
        DataType::Other(_) => "object",
        other if other.is_integer() => "integer",
        _ => "string",
    };
    property.insert("name".into(), json!(name));
    property.insert("logicalType".into(), json!(logical));
    property.insert("physicalType".into(), json!(column.data_type.to_string()));
    property.insert("required".into(), json!(!column.nullable));
    if column.unique {
        property.insert("unique".into(), json!(true));
    }
    if let Some(position) = contract.primary_key.iter().position(|key| key == name) {
        property.insert("primaryKey".into(), json!(true));
        property.insert("primaryKeyPosition".into(), json!(position + 1));
    }
    if let Some(description) = &column.description {
        property.insert("description".into(), json!(description));
    }
    if let Some(classification) = &column.classification {
        property.insert("classification".into(), json!(classification));
    }
    for (key, value) in [("minimum", column.min), ("maximum", column.max)] {
        if let Some(value) = value {
            options.insert(key.into(), json!(value));
        }
    }
    if let Some(pattern) = &column.pattern {
        options.insert("pattern".into(), json!(pattern));
    }
    if !options.is_empty() {
        property.insert("logicalTypeOptions".into(), Value::Object(options));
    }
    if !column.accepted_values.is_empty() {
        property.insert(
            "quality".into(),
            json!([{ "metric": "invalidValues", "arguments": { "validValues": column.accepted_values }, "mustBe": 0 }]),
        );
    }
    let ours = [
        ("type", json!(column.data_type)),
        ("known_at", json!(column.known_at)),
        ("unit", json!(column.unit)),
    ];
    if let Some(ours) = custom_properties(ours) {
        property.insert("customProperties".into(), ours);
    }
    Value::Object(property)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flights() -> DataContract {
        serde_json::from_value(json!({
            "version": 1, "name": "flights", "owner": "team-data", "description": "Departures.", "event_time": "time_hour",
            "primary_key": ["flight", "carrier"], "moments": ["schedule", "arrival"], "freshness": {"max_age": "30h"},
            "additional_columns": false,
            "columns": {
                "carrier": {"type": "string", "nullable": false, "known_at": "schedule", "accepted_values": ["AA", "UA"]},
                "flight": {"type": "int16", "nullable": false, "min": 1.0, "unique": true},
                "time_hour": {"type": "timestamp[us, UTC]", "nullable": false},
                "distance": {"type": "float32", "unit": "mile", "max": 5000.0},
                "tail": {"type": "string", "pattern": "^N", "classification": "internal", "description": "Of the aircraft."},
            },
        }))
        .unwrap()
    }

    #[test]
    fn an_exported_contract_comes_back_the_same() {
        let back = import(&export(&flights())).unwrap();
        assert_eq!(back.len(), 1);
        assert_eq!(back[0].contract, flights());
        assert_eq!(back[0].left_out, ["id", "status", "version"]);
    }

    #[test]
    fn a_document_of_others_is_read_and_what_has_no_place_is_named() {
        let document = json!({
            "apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "name": "sales", "version": "2.0.0", "status": "active",
            "price": {"priceAmount": 1}, "team": [{"username": "ann", "role": "Owner"}],
            "description": {"purpose": "All orders.", "limitations": "none"},
            "slaProperties": [
                {"property": "latency", "value": 4, "unit": "d", "element": "Orders 1.at"},
                {"property": "retention", "value": 3, "unit": "y"},
            ],
            "schema": [{
                "name": "Orders 1", "physicalName": "ord", "properties": [
                    {"name": "line", "logicalType": "integer", "physicalType": "int", "primaryKey": true, "primaryKeyPosition": 2},
                    {"name": "id", "logicalType": "string", "primaryKey": true, "primaryKeyPosition": 1,
                     "quality": [{"metric": "duplicateValues", "mustBe": 0}, {"type": "sql", "query": "SELECT 1", "mustBe": 1}]},
                    {"name": "at", "logicalType": "timestamp", "logicalTypeOptions": {"timezone": false}},
                    {"name": "state", "logicalType": "string", "tags": ["t"],
                     "logicalTypeOptions": {"maxLength": 3},
                     "quality": [{"metric": "invalidValues", "arguments": {"validValues": ["a", "b"]}, "mustBe": 0}]},
                    {"name": "amount", "logicalType": "number", "logicalTypeOptions": {"minimum": 0}, "required": true},
                ],
            }],
        });
        let imported = import(&document).unwrap().remove(0);
        let contract = &imported.contract;
        assert_eq!(
            (contract.name.as_str(), contract.owner.as_deref()),
            ("orders_1", Some("ann"))
        );
        assert_eq!(contract.primary_key, ["id", "line"]);
        assert_eq!(contract.freshness.as_ref().unwrap().max_age, "4d");
        let types: Vec<String> = contract
            .columns
            .values()
            .map(|c| c.data_type.to_string())
            .collect();
        assert_eq!(types, ["int32", "string", "timestamp[us]", "string", "float64"]);
        assert!(contract.columns["id"].unique && !contract.columns["amount"].nullable);
        assert_eq!(contract.columns["amount"].min, Some(0.0));
        assert_eq!(contract.columns["state"].accepted_values, ["a", "b"]);
        assert_eq!(
            imported.left_out,
            [
                "description.limitations",
                "id",
                "price",
                "schema.Orders 1.physicalName",
                "schema.Orders 1.properties.id.quality[1]",
                "schema.Orders 1.properties.state.logicalTypeOptions.maxLength",
                "schema.Orders 1.properties.state.tags",
                "slaProperties.retention",
                "status",
                "version",
            ]
        );
    }

    #[test]
    fn other_documents_are_refused_with_a_reason() {
        let say = |document: Value| import(&document).unwrap_err().to_string();
        assert_eq!(say(json!([])), "it is no ODCS document: it is not a map");
        assert_eq!(
            say(json!({"version": 1})),
            "it is no ODCS document: it does not say `kind: DataContract`"
        );
        assert_eq!(
            say(json!({"kind": "DataContract", "apiVersion": "v2.2.2"})),
            "it is of `apiVersion: v2.2.2`; v3.0 and v3.1 are read"
        );
        let nameless =
            json!({"kind": "DataContract", "apiVersion": "v3.1.0", "schema": [{"properties": []}]});
        assert_eq!(say(nameless), "schema[0]: has no name");
    }
}
