//! The feature store's definitions: entities, feature views, on-demand views and services.
//!
//! [`file`] is what a person writes in `features/*.yaml`. What stands here is what all others work with: names resolved,
//! keys flattened, durations read. It crosses processes (in snapshots, tasks and answers of the API), so it is a document.

mod change;
mod definitions;
pub mod file;
mod needed;
mod reference;
mod stored;
mod table;

pub use change::{ViewChange, view_changes};
pub use definitions::{Asked, FeatureDefinitions, UnknownFeature};
pub use reference::{FeaturePick, FeatureRef, InvalidFeatureRef};
pub use stored::{ChangeKind, PushPosition, SnapshotDraft, SnapshotRef, StoredView};

use crate::schema::{DataType, KnownAt};
use crate::time::Millis;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What features are about: an airport, a customer, an order line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    pub name: String,
    /// What together tells one from another, in order.
    pub keys: Vec<Key>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// A named and typed value that is asked with: part of an entity's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: DataType,
}

/// Features that are looked up together: by the same keys, at the same times, from one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureView {
    pub name: String,
    /// 1 for a view that was never recorded; the store counts on (see [`FeatureView::breaks`]).
    pub version: u32,
    /// Names of its entities, in the order of their keys.
    pub entities: Vec<String>,
    /// Keys of all its entities, in order; each name once. Empty: one row for all, as of a whole market.
    pub keys: Vec<Key>,
    pub features: IndexMap<String, Feature>,
    /// Column of the source with the time at which a row's values hold: a date or timestamp.
    pub event_time: String,
    /// Column of the source with the time at which the row was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<String>,
    /// How long a row's values are good for after its event time, both ends included. Without one: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Millis>,
    /// Whether values are kept for online lookup.
    #[serde(default)]
    pub online: bool,
    pub source: FeatureSource,
    /// Keys and features that the source calls otherwise: name here → column there.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub columns: IndexMap<String, String>,
    /// How old the newest row may be before the view counts as stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl FeatureView {
    /// What the source calls a key or feature.
    pub fn column_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.columns.get(name).map_or(name, String::as_str)
    }

    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// A feature of a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    #[serde(rename = "type")]
    pub data_type: DataType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Unit of measure, e.g. `mile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The moment at which the value becomes known, among those of the source's contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<KnownAt>,
    /// E.g. `internal`, `personal`, `protected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
}

/// Where a view's rows come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureSource {
    /// A dataset that a pipeline of the project declares.
    Dataset {
        dataset: String,
        /// File, glob or URL as declared; a relative path starts at the project folder.
        path: String,
        /// `csv`, `ndjson`, `parquet` or `arrow`; by the file's extension if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<String>,
    },
    /// Files, without a dataset.
    File {
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<String>,
    },
    /// A `features.build` step of a pipeline writes it.
    Step { pipeline: String, step: String },
    /// Nothing but rows that are pushed.
    Push,
}

/// Features that are computed when they are asked for, from other features and from what the request brings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnDemandView {
    pub name: String,
    /// What the request, or the entity row, has to bring.
    pub request: Vec<Key>,
    /// Stored features that the expressions use; each names one.
    pub inputs: Vec<FeatureRef>,
    pub features: IndexMap<String, DerivedFeature>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl OnDemandView {
    /// What each input is called in expressions, and the input: its feature's name, or `view__feature` where several
    /// have that one.
    pub fn input_names(&self) -> Vec<(String, &FeatureRef)> {
        let plain = |input: &FeatureRef| input.feature().unwrap_or_default().to_owned();
        let named = self.inputs.iter().map(|input| {
            let name = plain(input);
            let is_shared = self.inputs.iter().filter(|other| plain(other) == name).count() > 1;
            let name = if is_shared {
                format!("{}__{name}", input.view)
            } else {
                name
            };
            (name, input)
        });
        named.collect()
    }
}

/// A feature of an on-demand view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DerivedFeature {
    #[serde(rename = "type")]
    pub data_type: DataType,
    /// SQL expression over the request's fields, the inputs, and features of this view before it.
    pub expr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// The features that one model is trained on and served with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureService {
    pub name: String,
    pub features: Vec<FeatureRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}
