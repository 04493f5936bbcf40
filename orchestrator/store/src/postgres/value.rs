//! Values as PostgreSQL takes them.

use crate::database::Value;
use std::error::Error;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A value that waits for its round trip.
#[derive(Debug)]
pub(super) enum Owned {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
    /// One column of many rows; columns of such inserts are never null.
    Integers(Vec<i64>),
    Texts(Vec<String>),
    Blobs(Vec<Vec<u8>>),
}

impl From<Value<'_>> for Owned {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(number),
            Value::Real(number) => Self::Real(number),
            // The one character that a text of PostgreSQL cannot have. Documents have it escaped.
            Value::Text(text) if text.contains('\0') => Self::Text(text.replace('\0', "\u{fffd}")),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

impl Owned {
    /// The values as a column, if they are all of one kind.
    pub(super) fn column(values: Vec<Self>) -> Option<Self> {
        match values.first()? {
            Self::Integer(_) => values
                .into_iter()
                .map(|value| match value {
                    Self::Integer(number) => Some(number),
                    _ => None,
                })
                .collect::<Option<_>>()
                .map(Self::Integers),
            Self::Text(_) => values
                .into_iter()
                .map(|value| match value {
                    Self::Text(text) => Some(text),
                    _ => None,
                })
                .collect::<Option<_>>()
                .map(Self::Texts),
            Self::Blob(_) => values
                .into_iter()
                .map(|value| match value {
                    Self::Blob(bytes) => Some(bytes),
                    _ => None,
                })
                .collect::<Option<_>>()
                .map(Self::Blobs),
            _ => None,
        }
    }
}

impl ToSql for Owned {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(of, out),
            Self::Real(number) => number.to_sql(of, out),
            Self::Text(text) => text.to_sql(of, out),
            Self::Blob(bytes) => bytes.to_sql(of, out),
            Self::Integers(numbers) => numbers.to_sql(of, out),
            Self::Texts(texts) => texts.to_sql(of, out),
            Self::Blobs(many) => many.to_sql(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        matches!(
            *of,
            Type::INT8
                | Type::FLOAT8
                | Type::TEXT
                | Type::BYTEA
                | Type::INT8_ARRAY
                | Type::TEXT_ARRAY
                | Type::BYTEA_ARRAY
        )
    }

    to_sql_checked!();
}
