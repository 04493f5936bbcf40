//! Classes of column types, as far as SQL's operators and functions tell them apart.

use sqlparser::ast::DataType as SqlType;
use trainyard_contract::DataType;

/// What kind of values an expression has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Boolean,
    Number,
    Text,
    Binary,
    Date,
    Time,
    Timestamp,
    Duration,
    List,
    /// Not known, or missing values of any class: fits everywhere.
    Any,
}

impl Class {
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::String => Self::Text,
            DataType::Binary => Self::Binary,
            DataType::Date => Self::Date,
            DataType::Time => Self::Time,
            DataType::Timestamp(..) => Self::Timestamp,
            DataType::Duration(_) => Self::Duration,
            DataType::List(_) => Self::List,
            DataType::Other(_) => Self::Any,
            _ => Self::Number,
        }
    }

    /// The class of a type as SQL writes it in a cast.
    pub(super) fn of_sql(data_type: &SqlType) -> Self {
        let text = data_type.to_string().to_uppercase();
        let is = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        match () {
            () if is(&["BOOL"]) => Self::Boolean,
            () if text.ends_with("[]") || is(&["ARRAY"]) => Self::List,
            () if is(&["VARCHAR", "CHAR", "TEXT", "STRING", "NVARCHAR", "CLOB", "UUID"]) => Self::Text,
            () if is(&["TIMESTAMP", "DATETIME"]) => Self::Timestamp,
            () if is(&["DATE"]) => Self::Date,
            () if is(&["TIME"]) => Self::Time,
            () if is(&["INTERVAL"]) => Self::Duration,
            () if is(&["BINARY", "VARBINARY", "BLOB", "BYTE"]) => Self::Binary,
            () if is(&[
                "TINYINT",
                "SMALLINT",
                "MEDIUMINT",
                "INT",
                "BIGINT",
                "HUGEINT",
                "U",
                "FLOAT",
                "REAL",
                "DOUBLE",
                "DEC",
                "NUMERIC",
            ]) =>
            {
                Self::Number
            }
            () => Self::Any,
        }
    }

    pub(super) fn is_temporal(self) -> bool {
        matches!(self, Self::Date | Self::Time | Self::Timestamp | Self::Duration)
    }

    /// With an article.
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Binary => "bytes",
            Self::Date => "a date",
            Self::Time => "a time of day",
            Self::Timestamp => "a timestamp",
            Self::Duration => "a duration",
            Self::List => "a list",
            Self::Any => "anything",
        }
    }

    /// The class of values that are of either.
    pub(super) fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::Any }
    }
}
