//! Texts with a meaning of their own.

use crate::pool::Rate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use trainyard_contract::{ByteSize, Millis};

/// A span of time, written `500ms`, `30s`, `5m`, `2h` or `3d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Duration(pub Millis);

impl TryFrom<String> for Duration {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h|d)$",
            "x-kind": "duration",
            "description": "A span of time, e.g. `500ms`, `30s`, `5m`, `2h`, `3d`.",
        })
    }
}

/// So many starts within a span of time, written `10/1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StartRate(pub Rate);

impl JsonSchema for StartRate {
    fn schema_name() -> Cow<'static, str> {
        "StartRate".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+/[0-9]+(ms|s|m|h|d)$",
            "x-kind": "rate",
            "description": "So many starts within a span of time, e.g. `10/1m`.",
        })
    }
}

/// A size in bytes, written `512Ki`, `512Mi`, `8Gi` or `1Ti`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub ByteSize);

impl TryFrom<String> for Size {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(Ki|Mi|Gi|Ti)$",
            "x-kind": "size",
            "description": "A size in bytes, e.g. `512Mi`, `8Gi`.",
        })
    }
}
