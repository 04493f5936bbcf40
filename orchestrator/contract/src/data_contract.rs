//! Data contracts: what a dataset's columns are, when each becomes known, and what must hold.

use crate::schema::{Column, ColumnOrigin, DataType, KnownAt, Schema};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A contract as a `contracts/*.yaml` file declares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataContract {
    /// Version of the file format; 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// Name by which datasets and outputs refer to it.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,62}$"))]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The column that says when a row's event happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kind" = "column"))]
    pub event_time: Option<String>,
    /// Columns that together identify a row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<String>,
    /// Moments in the order in which facts become known, e.g. schedule, departure, arrival.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// Columns in order.
    pub columns: IndexMap<String, ColumnContract>,
    /// Whether columns that are not listed may occur; they are dropped with a note. Default: true.
    #[serde(default = "yes")]
    pub additional_columns: bool,
}

fn yes() -> bool {
    true
}

/// How old the newest row may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    /// A duration such as `30h`.
    #[schemars(extend("x-kind" = "duration"))]
    pub max_age: String,
}

/// What a contract says of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnContract {
    /// `boolean`, `int8` to `int64`, `uint8` to `uint64`, `float32`, `float64`, `string`, `binary`, `date`, `time`,
    /// `timestamp[us]`, `timestamp[us, UTC]`, `duration[us]`, `list[string]`.
    #[serde(rename = "type")]
    #[schemars(with = "String", extend("x-kind" = "data_type"))]
    pub data_type: DataType,
    /// Whether the value may be missing. Default: true.
    #[serde(default = "yes")]
    pub nullable: bool,
    /// The moment at which the value becomes known, one of `moments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<String>,
    /// Unit of measure, e.g. `mile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// E.g. `internal`, `personal`, `protected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Least value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The only values allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_values: Vec<serde_json::Value>,
    /// Regular expression that every text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Whether every value occurs once.
    #[serde(default)]
    pub unique: bool,
}

impl DataContract {
    /// The schema that a dataset of this contract has. With `origin`, each column is its own
    /// origin in the dataset of that name.
    pub fn schema(&self, origin: Option<&str>) -> Schema {
        let columns = self
            .columns
            .iter()
            .map(|(name, column)| Column {
                name: name.clone(),
                data_type: column.data_type.clone(),
                nullable: column.nullable,
                known_at: column.known_at.clone().map(|moment| KnownAt {
                    moment,
                    order: self.moments.clone(),
                }),
                unit: column.unit.clone(),
                classification: column.classification.clone(),
                origins: origin
                    .map(|dataset| ColumnOrigin {
                        dataset: dataset.to_owned(),
                        column: name.clone(),
                    })
                    .into_iter()
                    .collect(),
                fitted: None,
            })
            .collect();
        Schema {
            columns,
            event_time: self.event_time.clone(),
            primary_key: self.primary_key.clone(),
            ..Schema::default()
        }
    }
}
