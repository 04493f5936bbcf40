//! `features/*.yaml` as written: nothing but form. The doc comments are what editors show.

use crate::schema::DataType;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const NAME_PATTERN: &str = "^[a-z][a-z0-9_-]{0,62}$";

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Entities, feature views, on-demand views and feature services, in a file of `features/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureFile {
    /// Version of the file format; 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// What features are about, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub entities: IndexMap<String, EntitySpec>,
    /// Features that are stored, by the name of their view.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub views: IndexMap<String, ViewSpec>,
    /// Features that are computed when they are asked for, by the name of their view.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub on_demand: IndexMap<String, OnDemandSpec>,
    /// Features that a model is trained on and served with, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(extend("propertyNames" = {"pattern": NAME_PATTERN}))]
    pub services: IndexMap<String, ServiceSpec>,
}

/// What features are about: an airport, a customer, an order line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntitySpec {
    /// What together tells one from another: name → type, in order.
    #[schemars(with = "IndexMap<String, KeyType>", extend("minProperties" = 1))]
    pub keys: IndexMap<String, DataType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The person or team that answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// The type of a key or of a request's field, in the words of contracts.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "only its schema is used")]
struct KeyType(#[schemars(extend("x-kind" = "data_type"))] String);

/// Features that are looked up together: by the same keys, at the same times, from one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewSpec {
    /// Entities whose keys find a row. Default: none, one row for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<String>,
    /// Where rows come from. Default: from the `features.build` step whose `store.feature_view` names this view, or else
    /// only from rows that are pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSpec>,
    /// Column with the time at which a row's values hold: a date or timestamp.
    #[schemars(extend("x-kind" = "column"))]
    pub event_time: String,
    /// Column with the time at which the row was written. Of rows of one event time the one written last counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kind" = "column"))]
    pub created_time: Option<String>,
    /// How long values are good for after their event time, both ends included. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kind" = "duration"))]
    pub ttl: Option<String>,
    /// Its features, by name.
    #[schemars(extend("minProperties" = 1))]
    pub features: IndexMap<String, FeatureSpec>,
    /// Keys and features that the source calls otherwise: name here → column there.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub columns: IndexMap<String, String>,
    /// Whether values are kept for online lookup. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub online: bool,
    /// How old the newest row may be before the view counts as stale. Default: any age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kind" = "duration"))]
    pub freshness: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The person or team that answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Where a view's rows come from; either `dataset` or `path`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["dataset"]}, {"required": ["path"]}]))]
pub struct SourceSpec {
    /// A dataset that a pipeline of the project declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// File, glob or URL; a relative path starts at the project folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How rows are written there; by the file's extension if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<SourceFormat>,
}

/// How rows are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceFormat {
    Csv,
    Ndjson,
    Parquet,
    Arrow,
}

impl SourceFormat {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }
}

/// A feature of a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    /// In the words of contracts: `boolean`, `int64`, `float64`, `string`, `date`, `timestamp[us, UTC]`, `list[float32]`, …
    #[serde(rename = "type")]
    #[schemars(with = "String", extend("x-kind" = "data_type"))]
    pub data_type: DataType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Unit of measure, e.g. `mile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The moment at which the value becomes known, one of the source's contract. Default: what the contract says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<String>,
    /// E.g. `internal`, `personal`, `protected`. Default: what the contract says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
}

/// Features that are computed when they are asked for: from stored features and from what the request brings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnDemandSpec {
    /// What the request, or the row to be trained on, has to bring: name → type.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "IndexMap<String, KeyType>")]
    pub request: IndexMap<String, DataType>,
    /// Stored features that are used: `view:feature`. In expressions each goes by its feature's name; where two have one
    /// name, by `view__feature`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// Its features, by name; one may use those before it.
    #[schemars(extend("minProperties" = 1))]
    pub features: IndexMap<String, DerivedSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The person or team that answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// A feature that is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DerivedSpec {
    /// In the words of contracts.
    #[serde(rename = "type")]
    #[schemars(with = "String", extend("x-kind" = "data_type"))]
    pub data_type: DataType,
    /// SQL expression over one row.
    #[schemars(extend("x-kind" = "expression"))]
    pub expr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Unit of measure, e.g. `mile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// The features that a model is trained on and served with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// `view:feature`, `view@v2:feature` or `view:*`.
    #[schemars(length(min = 1))]
    pub features: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The person or team that answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}
