//! From a document to a schema. JSON is YAML, so the reader of pipelines reads it, positions and all.

use super::{Field, Kind, Record, Schema};
use crate::diagnostic::Span;
use crate::pipeline::reader::{Content, Node, Scalar};
use std::collections::BTreeSet;

/// Levels of types within types.
const DEEPEST: usize = 64;

/// What is wrong with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Reads a schema; with faults, what could be read besides.
pub(crate) fn read(node: &Node) -> (Option<Schema>, Vec<Fault>) {
    let mut reader = Reader {
        faults: Vec::new(),
        named: BTreeSet::new(),
    };
    let schema = reader.schema(node, "", 0);
    (schema, reader.faults)
}

struct Reader {
    faults: Vec<Fault>,
    /// Full names of enums, fixed and records.
    named: BTreeSet<String>,
}

const PRIMITIVES: [&str; 8] = [
    "null", "boolean", "int", "long", "float", "double", "bytes", "string",
];

fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

impl Reader {
    fn fault(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        self.faults.push(Fault {
            span,
            message: message.into(),
            help,
        });
    }

    fn schema(&mut self, node: &Node, namespace: &str, depth: usize) -> Option<Schema> {
        if depth > DEEPEST {
            self.fault(node.span, format!("types lie more than {DEEPEST} deep"), None);
            return None;
        }
        let plain = |kind| Schema {
            span: node.span,
            kind,
            logical: None,
        };
        match &node.content {
            Content::Scalar(Scalar::Text(name)) => self.reference(node, name, namespace).map(plain),
            // JSON's null where the name of the type is meant.
            Content::Scalar(_) | Content::Unknown => {
                let help = "a type is a name in quotes, a list, or an object";
                self.fault(node.span, "this is no type", Some(help.to_owned()));
                None
            }
            Content::List(branches) => {
                let read = branches
                    .iter()
                    .map(|branch| self.schema(branch, namespace, depth + 1));
                let read: Vec<Schema> = read.collect::<Vec<_>>().into_iter().flatten().collect();
                self.union(node, &read);
                (read.len() == branches.len()).then(|| plain(Kind::Union(read)))
            }
            Content::Map(_) => self.object(node, namespace, depth),
        }
    }

    fn reference(&mut self, node: &Node, name: &str, namespace: &str) -> Option<Kind> {
        if let Some(kind) = primitive(name) {
            return Some(kind);
        }
        let full = full_name(name, namespace);
        if self.named.contains(&full) {
            return Some(Kind::Named(full));
        }
        let near = trainyard_contract::finding::nearest(name, PRIMITIVES);
        let help = near.map(|near| format!("did you mean `{near}`?"));
        self.fault(node.span, format!("there is no type `{name}`"), help);
        None
    }

    fn union(&mut self, node: &Node, branches: &[Schema]) {
        let mut seen = BTreeSet::new();
        for branch in branches {
            let name = match &branch.kind {
                Kind::Union(_) => {
                    self.fault(branch.span, "a union holds no union", None);
                    continue;
                }
                Kind::Array(_) => "array".to_owned(),
                Kind::Map(_) => "map".to_owned(),
                _ => branch.to_string(),
            };
            if !seen.insert(name.clone()) {
                self.fault(branch.span, format!("`{name}` is in the union twice"), None);
            }
        }
        if branches.is_empty() && matches!(&node.content, Content::List(items) if items.is_empty()) {
            self.fault(node.span, "the union is empty", None);
        }
    }

    fn object(&mut self, node: &Node, namespace: &str, depth: usize) -> Option<Schema> {
        let Some(of) = node.get("type") else {
            self.fault(node.span, "the object has no `type`", None);
            return None;
        };
        let own_namespace = node
            .get("namespace")
            .and_then(Node::text)
            .unwrap_or(namespace)
            .to_owned();
        let kind = match of.text() {
            Some("record" | "error") => self.record(node, &own_namespace, depth)?,
            Some("enum") => self.symbols(node, &own_namespace)?,
            Some("fixed") => {
                let name = self.name(node, &own_namespace)?;
                let size = match node.get("size").map(|size| &size.content) {
                    Some(Content::Scalar(Scalar::Number(size))) => size.as_u64(),
                    _ => None,
                };
                let Some(size) = size else {
                    self.fault(node.span, "a fixed has a `size` in bytes", None);
                    return None;
                };
                Kind::Fixed { name, size }
            }
            Some(word @ ("array" | "map")) => {
                let key = if word == "array" { "items" } else { "values" };
                let Some(inner) = node.get(key) else {
                    self.fault(node.span, format!("the {word} has no `{key}`"), None);
                    return None;
                };
                let inner = Box::new(self.schema(inner, namespace, depth + 1)?);
                if word == "array" {
                    Kind::Array(inner)
                } else {
                    Kind::Map(inner)
                }
            }
            _ => self.schema(of, namespace, depth + 1)?.kind,
        };
        Some(Schema {
            // A record is long: its type's name stands for it.
            span: of.span,
            kind,
            logical: node.get("logicalType").and_then(Node::text).map(str::to_owned),
        })
    }

    /// The full name of a named type, which it is known by from here on.
    fn name(&mut self, node: &Node, namespace: &str) -> Option<String> {
        let Some(name) = node.get("name") else {
            self.fault(node.span, "the type has no `name`", None);
            return None;
        };
        let text = name.text().unwrap_or_default();
        if !text.split('.').all(is_name) {
            let help = "letters, digits and `_`, a letter or `_` first";
            self.fault(
                name.span,
                format!("`{text}` is no name in Avro"),
                Some(help.to_owned()),
            );
            return None;
        }
        let full = full_name(text, namespace);
        if !self.named.insert(full.clone()) {
            self.fault(name.span, format!("there is a type `{full}` already"), None);
        }
        Some(full)
    }

    fn symbols(&mut self, node: &Node, namespace: &str) -> Option<Kind> {
        let name = self.name(node, namespace)?;
        let Some(symbols) = node.get("symbols") else {
            self.fault(node.span, "the enum has no `symbols`", None);
            return None;
        };
        let names = symbols.items().iter().filter_map(Node::text);
        let symbols: Vec<String> = names.map(str::to_owned).collect();
        Some(Kind::Enum {
            name,
            symbols,
            has_default: node.get("default").is_some(),
        })
    }

    fn record(&mut self, node: &Node, namespace: &str, depth: usize) -> Option<Kind> {
        let name = self.name(node, namespace)?;
        // A name with dots brings its own namespace.
        let namespace = name.rsplit_once('.').map_or("", |(before, _)| before).to_owned();
        let Some(written) = node.get("fields") else {
            self.fault(node.span, "the record has no `fields`", None);
            return None;
        };
        let mut fields: Vec<Field> = Vec::new();
        for item in written.items() {
            let (Some(name), Some(of)) = (item.get("name"), item.get("type")) else {
                self.fault(item.span, "a field has a `name` and a `type`", None);
                continue;
            };
            let text = name.text().unwrap_or_default().to_owned();
            if !is_name(&text) {
                let help = "letters, digits and `_`, a letter or `_` first";
                self.fault(
                    name.span,
                    format!("`{text}` is no name in Avro"),
                    Some(help.to_owned()),
                );
                continue;
            }
            if fields.iter().any(|known| known.name == text) {
                self.fault(name.span, format!("there is a field `{text}` already"), None);
                continue;
            }
            let Some(schema) = self.schema(of, &namespace, depth + 1) else {
                continue;
            };
            if let Some(default) = item.get("default")
                && !is_of(default, &schema)
            {
                let message = format!("the default of `{text}` is no {schema}");
                self.fault(default.span, message, None);
            }
            let aliases = item.get("aliases").map(Node::items).unwrap_or_default();
            fields.push(Field {
                name: text,
                name_span: name.span,
                aliases: aliases.iter().filter_map(Node::text).map(str::to_owned).collect(),
                has_default: item.get("default").is_some(),
                schema,
                type_span: of.span,
            });
        }
        Some(Kind::Record(Record { name, fields }))
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

fn is_name(text: &str) -> bool {
    let mut letters = text.bytes();
    letters
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && letters.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a default fits a schema; of a union, any branch.
fn is_of(default: &Node, schema: &Schema) -> bool {
    match (&schema.kind, &default.content) {
        (Kind::Union(branches), _) => branches.iter().any(|branch| is_of(default, branch)),
        (Kind::Null, Content::Scalar(Scalar::Null)) | (Kind::Boolean, Content::Scalar(Scalar::Bool(_))) => {
            true
        }
        (Kind::Int | Kind::Long, Content::Scalar(Scalar::Number(number))) => {
            number.is_i64() || number.is_u64()
        }
        (Kind::Float | Kind::Double, Content::Scalar(Scalar::Number(_))) => true,
        (Kind::String | Kind::Bytes | Kind::Fixed { .. }, Content::Scalar(Scalar::Text(_))) => true,
        (Kind::Enum { symbols, .. }, Content::Scalar(Scalar::Text(text))) => {
            symbols.iter().any(|symbol| **symbol == **text)
        }
        (Kind::Array(items), Content::List(values)) => values.iter().all(|value| is_of(value, items)),
        (Kind::Map(of), Content::Map(entries)) => entries.iter().all(|entry| is_of(&entry.value, of)),
        (Kind::Record(_), Content::Map(_)) | (Kind::Named(_), _) => true,
        _ => false,
    }
}
