//! Parameters of a pipeline.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A typed value that a run may set. Without a default every run has to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// `boolean`, `integer`, `float`, `string`, `date`, `timestamp`, `duration`, or a list of one of
    /// them: `list[string]`.
    #[serde(rename = "type")]
    #[schemars(extend("x-kind" = "param_type"))]
    pub of: String,
    /// The value if nobody sets one; may use `${{ trigger.logical_date }}` and the like.
    #[serde(default)]
    #[schemars(extend("x-expression" = true))]
    pub default: Option<Value>,
    /// Least value; for lists, of each element.
    #[serde(default)]
    pub min: Option<f64>,
    /// Greatest value; for lists, of each element.
    #[serde(default)]
    pub max: Option<f64>,
    /// The only values allowed; for lists, of each element.
    #[serde(default)]
    pub choices: Vec<Value>,
    /// What it changes.
    #[serde(default)]
    pub description: Option<String>,
}
