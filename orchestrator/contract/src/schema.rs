//! Tables described without their data: columns, types, and what is known about each column.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Unit of a timestamp or duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeUnit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// Type of a column. Written as in Arrow: `int16`, `timestamp[us, UTC]`, `list[string]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DataType {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float32,
    Float64,
    String,
    Binary,
    Date,
    Time,
    /// With a time zone it is an instant, without one a local clock reading.
    Timestamp(TimeUnit, Option<String>),
    Duration(TimeUnit),
    List(Box<DataType>),
    /// A struct or other type that checks pass over; the text is kept for messages.
    Other(String),
}

impl DataType {
    /// Integer, signed or not.
    pub fn is_integer(&self) -> bool {
        matches!(
            self,
            Self::Int8
                | Self::Int16
                | Self::Int32
                | Self::Int64
                | Self::UInt8
                | Self::UInt16
                | Self::UInt32
                | Self::UInt64
        )
    }

    /// Integer or float.
    pub fn is_numeric(&self) -> bool {
        self.is_integer() || matches!(self, Self::Float32 | Self::Float64)
    }

    /// Date, time, timestamp or duration.
    pub fn is_temporal(&self) -> bool {
        matches!(
            self,
            Self::Date | Self::Time | Self::Timestamp(..) | Self::Duration(_)
        )
    }

    /// Whether every value of this type has an equal value of type `wider`, so that a cast loses
    /// nothing.
    pub fn fits_in(&self, wider: &Self) -> bool {
        fn range(t: &DataType) -> Option<(bool, u32)> {
            Some(match t {
                DataType::Int8 => (true, 8),
                DataType::Int16 => (true, 16),
                DataType::Int32 => (true, 32),
                DataType::Int64 => (true, 64),
                DataType::UInt8 => (false, 8),
                DataType::UInt16 => (false, 16),
                DataType::UInt32 => (false, 32),
                DataType::UInt64 => (false, 64),
                _ => return None,
            })
        }
        if self == wider {
            return true;
        }
        match (range(self), range(wider)) {
            (Some((a_signed, a)), Some((b_signed, b))) => match (a_signed, b_signed) {
                (true, true) | (false, false) => a <= b,
                (false, true) => a < b,
                (true, false) => false,
            },
            (Some((_, bits)), None) => match wider {
                Self::Float64 => bits <= 32,
                Self::Float32 => bits <= 16,
                _ => false,
            },
            _ => matches!((self, wider), (Self::Float32, Self::Float64)),
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = |unit: &TimeUnit| match unit {
            TimeUnit::Milliseconds => "ms",
            TimeUnit::Microseconds => "us",
            TimeUnit::Nanoseconds => "ns",
        };
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Int8 => f.write_str("int8"),
            Self::Int16 => f.write_str("int16"),
            Self::Int32 => f.write_str("int32"),
            Self::Int64 => f.write_str("int64"),
            Self::UInt8 => f.write_str("uint8"),
            Self::UInt16 => f.write_str("uint16"),
            Self::UInt32 => f.write_str("uint32"),
            Self::UInt64 => f.write_str("uint64"),
            Self::Float32 => f.write_str("float32"),
            Self::Float64 => f.write_str("float64"),
            Self::String => f.write_str("string"),
            Self::Binary => f.write_str("binary"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time"),
            Self::Timestamp(u, None) => write!(f, "timestamp[{}]", unit(u)),
            Self::Timestamp(u, Some(zone)) => write!(f, "timestamp[{}, {zone}]", unit(u)),
            Self::Duration(u) => write!(f, "duration[{}]", unit(u)),
            Self::List(item) => write!(f, "list[{item}]"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl FromStr for DataType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let time_unit = |text: &str| match text {
            "ms" => Some(TimeUnit::Milliseconds),
            "us" => Some(TimeUnit::Microseconds),
            "ns" => Some(TimeUnit::Nanoseconds),
            _ => None,
        };
        let simple = match text {
            "boolean" => Some(Self::Boolean),
            "int8" => Some(Self::Int8),
            "int16" => Some(Self::Int16),
            "int32" => Some(Self::Int32),
            "int64" => Some(Self::Int64),
            "uint8" => Some(Self::UInt8),
            "uint16" => Some(Self::UInt16),
            "uint32" => Some(Self::UInt32),
            "uint64" => Some(Self::UInt64),
            "float32" => Some(Self::Float32),
            "float64" => Some(Self::Float64),
            "string" => Some(Self::String),
            "binary" => Some(Self::Binary),
            "date" => Some(Self::Date),
            "time" => Some(Self::Time),
            _ => None,
        };
        if let Some(simple) = simple {
            return Ok(simple);
        }
        let (head, inner) = text
            .strip_suffix(']')
            .and_then(|rest| rest.split_once('['))
            .ok_or_else(|| format!("`{text}` is not a column type"))?;
        let found = match head {
            "timestamp" => match inner.split_once(',') {
                None => time_unit(inner.trim()).map(|u| Self::Timestamp(u, None)),
                Some((u, zone)) if !zone.trim().is_empty() => {
                    time_unit(u.trim()).map(|u| Self::Timestamp(u, Some(zone.trim().to_owned())))
                }
                Some(_) => None,
            },
            "duration" => time_unit(inner.trim()).map(Self::Duration),
            "list" => Some(Self::List(Box::new(inner.parse()?))),
            "other" | "struct" => Some(Self::Other(text.to_owned())),
            _ => None,
        };
        found.ok_or_else(|| format!("`{text}` is not a column type"))
    }
}

impl TryFrom<String> for DataType {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
impl From<DataType> for String {
    fn from(data_type: DataType) -> String {
        data_type.to_string()
    }
}

/// All names of column types, for completion and messages.
pub const DATA_TYPE_NAMES: &[&str] = &[
    "boolean",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "string",
    "binary",
    "date",
    "time",
    "timestamp[us]",
    "timestamp[us, UTC]",
    "duration[us]",
    "list[string]",
];

/// When a fact becomes known, among the ordered moments of its contract.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KnownAt {
    /// Name of the moment, such as `arrival`.
    pub moment: String,
    /// All moments of the contract, earliest first; contains `moment`.
    pub order: Vec<String>,
}

impl KnownAt {
    /// Whether the fact is known only after the moment `at`; `None` if the contract has no such
    /// moment, so nothing can be said.
    pub fn is_after(&self, at: &str) -> Option<bool> {
        let place = |moment: &str| self.order.iter().position(|m| m == moment);
        Some(place(&self.moment)? > place(at)?)
    }

    /// The later of two, if they share their order; else the first.
    pub fn later(self, other: Self) -> Self {
        if other.is_after(&self.moment) == Some(true) {
            other
        } else {
            self
        }
    }
}

/// A column of a dataset from which values were derived.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ColumnOrigin {
    /// Name of the dataset as the pipeline declares it, or `step.output` where no dataset is known.
    pub dataset: String,
    pub column: String,
}

/// A column's values depend on statistics fitted over a whole table (an imputation mean, a target
/// encoding): a later split would leak its test rows into training.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FitNote {
    /// The step that fitted.
    pub step: String,
    /// Where its parameters say so, from the step's own block.
    pub path: crate::finding::Path,
    /// What was fitted, e.g. `target encoding of dest`.
    pub what: String,
}

/// One column and what is known about it before any row is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    /// When the value becomes known; the latest over everything it was derived from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<KnownAt>,
    /// Unit of measure, e.g. `mile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// E.g. `internal`, `personal`, `protected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// Source columns the values were derived from.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub origins: BTreeSet<ColumnOrigin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted: Option<FitNote>,
}

impl Column {
    /// A column of which nothing more is known.
    pub fn new(name: impl Into<String>, data_type: DataType, nullable: bool) -> Self {
        Self {
            name: name.into(),
            data_type,
            nullable,
            known_at: None,
            unit: None,
            classification: None,
            origins: BTreeSet::new(),
            fitted: None,
        }
    }
}

/// Columns of a table in order, and what holds for the table as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    pub columns: Vec<Column>,
    /// The column that says when the row's event happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
    /// Columns that together identify an entity or row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<String>,
    /// The label column, where a step declared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The columns a model learns from, where a step declared them; an entity's column may be among
    /// them. Empty: all but label, event time and primary key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// The moment at which a prediction is made from these rows, where a step declared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predict_at: Option<String>,
    /// The step and output of a `split.*` step these rows went through, e.g. (`split`, `test`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<(String, String)>,
}

impl Schema {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Names of the columns a model learns from: as declared, or all but label, event time and
    /// primary key.
    pub fn feature_names(&self) -> Vec<&str> {
        if !self.features.is_empty() {
            return self.features.iter().map(String::as_str).collect();
        }
        let apart = |name: &str| {
            self.label.as_deref() == Some(name)
                || self.event_time.as_deref() == Some(name)
                || self.primary_key.iter().any(|key| key == name)
        };
        self.names().filter(|name| !apart(name)).collect()
    }

    /// All names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|c| c.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_back_as_printed() {
        for text in DATA_TYPE_NAMES {
            assert_eq!(text.parse::<DataType>().unwrap().to_string(), *text);
        }
        assert!("int17".parse::<DataType>().is_err());
        assert!("timestamp[us,]".parse::<DataType>().is_err());
    }

    #[test]
    fn a_cast_fits_only_when_no_value_is_lost() {
        assert!(DataType::Int16.fits_in(&DataType::Int64));
        assert!(DataType::UInt8.fits_in(&DataType::Int16));
        assert!(!DataType::Int64.fits_in(&DataType::Float64));
        assert!(!DataType::Int16.fits_in(&DataType::UInt32));
        assert!(DataType::Int32.fits_in(&DataType::Float64));
    }

    #[test]
    fn a_model_learns_from_what_is_declared_or_else_from_all_that_neither_identifies_nor_tells() {
        let columns = ["id", "at", "x", "late"]
            .map(|name| Column::new(name, DataType::Int64, false))
            .to_vec();
        let mut schema = Schema {
            columns,
            event_time: Some("at".into()),
            primary_key: vec!["id".into()],
            label: Some("late".into()),
            ..Schema::default()
        };
        assert_eq!(schema.feature_names(), ["x"]);
        schema.features = vec!["id".into(), "x".into()];
        assert_eq!(schema.feature_names(), ["id", "x"]);
    }

    #[test]
    fn a_fact_is_late_only_within_its_own_order_of_moments() {
        let order: Vec<String> = ["schedule", "departure", "arrival"].map(String::from).to_vec();
        let delay = KnownAt {
            moment: "departure".into(),
            order,
        };
        assert_eq!(delay.is_after("schedule"), Some(true));
        assert_eq!(delay.is_after("arrival"), Some(false));
        assert_eq!(delay.is_after("observation"), None);
    }
}
