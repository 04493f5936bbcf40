//! Avro schemas as far as checks need them: read with positions, and resolved by the rules of the
//! specification's section "Schema Resolution".
//!
//! Own types instead of a library: the diagnostics want the place of every field in the file.

mod read;
mod resolve;

pub(crate) use read::read;
pub(crate) use resolve::{Mismatch, resolve};

use crate::diagnostic::Span;
use std::fmt;

/// A schema and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schema {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
    /// E.g. `timestamp-micros`.
    pub(crate) logical: Option<String>,
}

/// What a schema is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Enum {
        name: String,
        symbols: Vec<String>,
        has_default: bool,
    },
    Fixed {
        name: String,
        size: u64,
    },
    Array(Box<Schema>),
    Map(Box<Schema>),
    Union(Vec<Schema>),
    Record(Record),
    /// A named type that stands elsewhere in the same file.
    Named(String),
}

/// A record's name and fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) aliases: Vec<String>,
    pub(crate) has_default: bool,
    pub(crate) schema: Schema,
    /// The whole of what is written as its type.
    pub(crate) type_span: Span,
}

impl Record {
    /// The field that goes by a name, as its own or as an alias.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        let own = self.fields.iter().find(|field| field.name == name);
        own.or_else(|| {
            self.fields
                .iter()
                .find(|field| field.aliases.iter().any(|alias| alias == name))
        })
    }
}

impl Schema {
    pub(crate) fn record(&self) -> Option<&Record> {
        match &self.kind {
            Kind::Record(record) => Some(record),
            _ => None,
        }
    }

    /// Whether a value may be `null`.
    pub(crate) fn takes_null(&self) -> bool {
        match &self.kind {
            Kind::Null => true,
            Kind::Union(branches) => branches.iter().any(Self::takes_null),
            _ => false,
        }
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Null => f.write_str("null"),
            Kind::Boolean => f.write_str("boolean"),
            Kind::Int => f.write_str("int"),
            Kind::Long => f.write_str("long"),
            Kind::Float => f.write_str("float"),
            Kind::Double => f.write_str("double"),
            Kind::Bytes => f.write_str("bytes"),
            Kind::String => f.write_str("string"),
            Kind::Enum { name, .. } => write!(f, "enum {name}"),
            Kind::Fixed { name, size } => write!(f, "fixed {name} of {size} bytes"),
            Kind::Array(items) => write!(f, "array of {items}"),
            Kind::Map(values) => write!(f, "map of {values}"),
            Kind::Union(branches) => {
                for (at, branch) in branches.iter().enumerate() {
                    write!(f, "{}{branch}", if at > 0 { " or " } else { "" })?;
                }
                Ok(())
            }
            Kind::Record(record) => write!(f, "record {}", record.name),
            Kind::Named(name) => f.write_str(name),
        }?;
        self.logical
            .as_ref()
            .map_or(Ok(()), |logical| write!(f, " ({logical})"))
    }
}

#[cfg(test)]
mod tests;
