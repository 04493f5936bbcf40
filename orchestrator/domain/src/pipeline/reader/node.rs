//! A document as a tree in which everything knows its place.

use crate::diagnostic::Span;
use serde_json::{Map, Number, Value};
use std::sync::Arc;
use trainyard_contract::{Path, Segment};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) content: Content,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order written; keys occur once.
    Map(Vec<Entry>),
    /// Known only when the run is under way: an expression over results of steps.
    Unknown,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

/// A value without parts, resolved by YAML 1.2's core schema.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text(Arc<str>),
}

impl Node {
    /// The value under a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Key and value of a map.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| &*entry.key == key)
    }

    /// All keys and values of a map; none if it is something else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// All items of a list; none if it is something else.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(Scalar::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The tree without its places; what is unknown becomes `null`.
    pub(crate) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(Scalar::Null) | Content::Unknown => Value::Null,
            Content::Scalar(Scalar::Bool(value)) => Value::Bool(*value),
            Content::Scalar(Scalar::Number(value)) => Value::Number(value.clone()),
            Content::Scalar(Scalar::Text(text)) => Value::String(text.to_string()),
            Content::List(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Content::Map(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for entry in entries {
                    map.insert(entry.key.to_string(), entry.value.to_value());
                }
                Value::Object(map)
            }
        }
    }

    /// A value that stands, as a whole, at one place.
    pub(crate) fn of_value(value: &Value, span: Span) -> Self {
        let content = match value {
            Value::Null => Content::Scalar(Scalar::Null),
            Value::Bool(value) => Content::Scalar(Scalar::Bool(*value)),
            Value::Number(value) => Content::Scalar(Scalar::Number(value.clone())),
            Value::String(text) => Content::Scalar(Scalar::Text(text.as_str().into())),
            Value::Array(items) => {
                Content::List(items.iter().map(|item| Self::of_value(item, span)).collect())
            }
            Value::Object(map) => Content::Map(
                map.iter()
                    .map(|(key, value)| Entry {
                        key: key.as_str().into(),
                        key_span: span,
                        value: Self::of_value(value, span),
                    })
                    .collect(),
            ),
        };
        Self { span, content }
    }

    /// Calls `visit` for every text of the tree with its path below `at`.
    pub(crate) fn each_text<'a>(&'a self, at: &Path, visit: &mut dyn FnMut(&Path, &'a Node, &'a str)) {
        match &self.content {
            Content::Scalar(Scalar::Text(text)) => visit(at, self, text),
            Content::Scalar(_) | Content::Unknown => {}
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.each_text(&at.index(index), visit);
                }
            }
            Content::Map(entries) => {
                for entry in entries {
                    entry.value.each_text(&at.key(&*entry.key), visit);
                }
            }
        }
    }

    /// What the longest part of `path` that exists leads to.
    pub(crate) fn find(&self, path: &[Segment]) -> Found<'_> {
        let mut found = Found {
            node: self,
            key: None,
            depth: 0,
        };
        for (depth, segment) in path.iter().enumerate() {
            let next = match segment {
                Segment::Key(key) => found
                    .node
                    .entry(key)
                    .map(|entry| (&entry.value, Some(entry.key_span))),
                Segment::Index(index) => found.node.items().get(*index).map(|item| (item, None)),
            };
            let Some((node, key)) = next else { break };
            found = Found {
                node,
                key,
                depth: depth + 1,
            };
        }
        found
    }
}

/// A place that a path leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) node: &'a Node,
    /// Where its key stands, if it is the value of one.
    pub(crate) key: Option<Span>,
    /// How many segments of the path exist.
    pub(crate) depth: usize,
}
