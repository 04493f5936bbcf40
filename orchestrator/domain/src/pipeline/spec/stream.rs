//! Stream descriptors: where a model's records come from and go to.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A stream of records, in a file of `streams/`. The same model runs on a file, on Kafka and behind REST: only
/// the descriptor differs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Version of the file format; 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// Name by which it is shown.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,62}$"))]
    pub name: String,
    /// What it carries.
    #[serde(default)]
    pub description: Option<String>,
    pub transport: Transport,
    /// How a record is written. Default: `json`.
    #[serde(default)]
    pub encoding: Encoding,
    /// Avro schema of a record: an `.avsc` file of the project, or the schema itself. Without one nothing is
    /// checked before the first record.
    #[serde(default)]
    pub schema: Option<Value>,
}

/// What carries the records.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Transport {
    /// Requests and their answers.
    Rest {},
    /// A topic.
    Kafka {
        /// `host:port` of brokers.
        #[schemars(length(min = 1))]
        bootstrap_servers: Vec<String>,
        topic: String,
    },
    /// A file, a record a line or block.
    File {
        /// From the project folder.
        path: String,
    },
}

/// How a record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    #[default]
    Json,
    AvroBinary,
}
