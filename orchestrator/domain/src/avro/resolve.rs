//! Whether what one schema writes another can read.

use super::{Kind, Record, Schema};
use crate::diagnostic::Span;

/// Why it cannot be read, and where both say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// The field, with those it lies in: `origin.code`; empty for the whole.
    pub(crate) field: String,
    pub(crate) writer: Span,
    pub(crate) reader: Span,
    /// One sentence without the field's name: `is string, and int is read`.
    pub(crate) message: String,
}

/// Everything that keeps `reader` from reading what `writer` has written.
pub(crate) fn resolve(writer: &Schema, reader: &Schema) -> Vec<Mismatch> {
    let mut found = Vec::new();
    Resolution { found: &mut found }.schemas(writer, reader, "");
    found
}

struct Resolution<'a> {
    found: &'a mut Vec<Mismatch>,
}

impl Resolution<'_> {
    fn tell(&mut self, field: &str, writer: Span, reader: Span, message: String) {
        self.found.push(Mismatch {
            field: field.to_owned(),
            writer,
            reader,
            message,
        });
    }

    fn schemas(&mut self, writer: &Schema, reader: &Schema, field: &str) {
        match (&writer.kind, &reader.kind) {
            // Each value is of one branch; all of them may come.
            (Kind::Union(branches), _) => {
                if let Some(branch) = branches.iter().find(|branch| !reads(branch, reader)) {
                    self.tell(
                        field,
                        branch.span,
                        reader.span,
                        format!("may be {branch}, and {reader} is read"),
                    );
                }
            }
            (_, Kind::Union(branches)) => {
                if !branches.iter().any(|branch| reads(writer, branch)) {
                    self.tell(
                        field,
                        writer.span,
                        reader.span,
                        format!("is {writer}, and {reader} is read"),
                    );
                }
            }
            (Kind::Record(writer), Kind::Record(of)) => self.records(writer, of, reader.span, field),
            (Kind::Array(writer), Kind::Array(reader)) | (Kind::Map(writer), Kind::Map(reader)) => {
                self.schemas(writer, reader, field);
            }
            (
                Kind::Enum { symbols, .. },
                Kind::Enum {
                    symbols: known,
                    has_default: false,
                    ..
                },
            ) => {
                let unknown = symbols.iter().find(|symbol| !known.contains(symbol));
                if let Some(symbol) = unknown {
                    let message = format!("may be {symbol}, which the enum that is read does not have");
                    self.tell(field, writer.span, reader.span, message);
                }
            }
            (written, read) => {
                if !promotes(written, read) {
                    self.tell(
                        field,
                        writer.span,
                        reader.span,
                        format!("is {writer}, and {reader} is read"),
                    );
                } else if let (Some(is), Some(wants)) = (&writer.logical, &reader.logical)
                    && is != wants
                {
                    self.tell(
                        field,
                        writer.span,
                        reader.span,
                        format!("is a {is}, and a {wants} is read"),
                    );
                }
            }
        }
    }

    fn records(&mut self, writer: &Record, reader: &Record, place: Span, within: &str) {
        for field in &reader.fields {
            let name = match within {
                "" => field.name.clone(),
                within => format!("{within}.{}", field.name),
            };
            let names = || std::iter::once(&field.name).chain(&field.aliases);
            let written = names().find_map(|name| writer.fields.iter().find(|known| known.name == *name));
            match written {
                Some(written) => self.schemas(&written.schema, &field.schema, &name),
                None if field.has_default => {}
                None => {
                    let message = "is not written, and has no default where it is read".to_owned();
                    let writer = writer.fields.first().map_or(place, |first| first.name_span);
                    self.tell(&name, writer, field.name_span, message);
                }
            }
        }
    }
}

/// Whether everything of one schema can be read by another.
fn reads(writer: &Schema, reader: &Schema) -> bool {
    resolve(writer, reader).is_empty()
}

/// The same primitive, or one that it is promoted to; named types by the last part of their names.
fn promotes(writer: &Kind, reader: &Kind) -> bool {
    use Kind::{Boolean, Bytes, Double, Enum, Fixed, Float, Int, Long, Named, Null, String};
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    match (writer, reader) {
        (Null, Null) | (Boolean, Boolean) => true,
        (Int, Int | Long | Float | Double) => true,
        (Long, Long | Float | Double) => true,
        (Float, Float | Double) => true,
        (Double, Double) => true,
        (String | Bytes, String | Bytes) => true,
        (
            Fixed { name, size },
            Fixed {
                name: other,
                size: others,
            },
        ) => size == others && last(name) == last(other),
        (
            Enum { .. },
            Enum {
                has_default: true, ..
            },
        ) => true,
        // What stands elsewhere in the file has been looked at there.
        (Named(_), _) | (_, Named(_)) => true,
        _ => false,
    }
}
