//! Artifacts: immutable results of steps, named by the hash of their content.

use crate::schema::Schema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// BLAKE3 hash of content, printed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The hash a hasher has arrived at.
    pub fn finish(hasher: &blake3::Hasher) -> Self {
        Self(*hasher.finalize().as_bytes())
    }

    /// The first twelve digits: enough to tell artifacts apart on a screen.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for ContentHash {
    /// The hash of these bytes, as a database kept it.
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
impl FromStr for ContentHash {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a content hash is 64 hexadecimal digits in lower case".to_owned();
        if text.len() != 64
            || !text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return Err(wrong());
        }
        let mut bytes = [0u8; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}
impl TryFrom<String> for ContentHash {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> String {
        hash.to_string()
    }
}

/// What an input or output is: the `type` of `outputs: {name: {type: …}}`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// Rows and columns, stored as Parquet.
    Table,
    /// A trained model in our own format.
    Model,
    /// Numbers by name, stored as JSON.
    Metrics,
    /// A self-contained HTML page with its JSON beside it.
    Report,
    /// Any file, opaque to us.
    File,
    /// A version in the model registry: a value, not a file.
    ModelVersion,
    /// A value `true` or `false`.
    Boolean,
    /// A value: number.
    Number,
    /// A value: text.
    String,
    /// A value: a list, as `for_each` takes.
    List,
    /// An endpoint (later).
    Endpoint,
    /// A monitor (later).
    Monitor,
}

impl ArtifactKind {
    /// Whether outputs of this kind are values inside events instead of objects.
    pub fn is_value(self) -> bool {
        !matches!(
            self,
            Self::Table | Self::Model | Self::Metrics | Self::Report | Self::File
        )
    }
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Model => "model",
            Self::Metrics => "metrics",
            Self::Report => "report",
            Self::File => "file",
            Self::ModelVersion => "model_version",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::List => "list",
            Self::Endpoint => "endpoint",
            Self::Monitor => "monitor",
        })
    }
}

/// An artifact in the object folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArtifactRef {
    pub kind: ArtifactKind,
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
    /// Media type such as `application/vnd.apache.parquet`, `text/html`, `application/json`.
    pub media_type: String,
    /// For tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// For tables: the columns as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
    /// For metrics: the numbers by name, so that expressions and gates need not open the object;
    /// for reports: `{"json": HASH}` of the machine-readable twin; for tables of steps that remember:
    /// how far they have come.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub summary: serde_json::Value,
}

/// What a finished step hands on under one output's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputValue {
    Artifact(Box<ArtifactRef>),
    /// For kinds where [`ArtifactKind::is_value`] holds.
    Value(serde_json::Value),
}

impl OutputValue {
    /// What stands for the content in a reuse key.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Artifact(artifact) => artifact.hash.to_string(),
            Self::Value(value) => value.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_hash_reads_back_and_refuses_paths() {
        let hash = ContentHash::of(b"abc");
        assert_eq!(hash.to_string().parse::<ContentHash>().unwrap(), hash);
        assert!("../../etc/passwd".parse::<ContentHash>().is_err());
        assert!(hash.to_string().to_uppercase().parse::<ContentHash>().is_err());
    }
}
