//! Builds the tree from the parser's events.

use super::node::{Content, Entry, Node, Scalar};
use super::{
    Document, Ignore, MAX_BYTES, MAX_DEPTH, MAX_KEY, MAX_NODES, MAX_REPEATED_BYTES, ReadFault, comment,
    scalar, syntax,
};
use crate::diagnostic::{FileId, Span};
use granit_parser::{Event, Parser, ScalarStyle, Tag};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A finished value with what it costs to repeat it.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// A list or map under construction.
struct Open {
    start: usize,
    anchor: usize,
    kind: OpenKind,
    nodes: usize,
    bytes: usize,
    height: usize,
}

enum OpenKind {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        places: HashMap<Arc<str>, usize>,
        key: Option<Key>,
        merges: Vec<Node>,
    },
}

enum Key {
    Named(Arc<str>, Span),
    Merge(Span),
    /// A key that was refused; its value is read and dropped.
    Refused,
}

struct Builder<'t> {
    file: FileId,
    text: &'t str,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Built>,
    root: Option<Node>,
    faults: Vec<ReadFault>,
    ignores: Vec<Ignore>,
    /// Values so far, with those that anchors keep and aliases repeat.
    nodes: usize,
    repeated_bytes: usize,
    /// Line of the current event, from 0.
    line: usize,
    /// Where the tag of the current event stands.
    tag_at: Option<Span>,
}

pub(super) fn read(file: FileId, text: &str) -> (Option<Document>, Vec<ReadFault>) {
    debug_assert!(text.len() <= MAX_BYTES * 3, "decode limits the text");
    let options = granit_parser::options! {
        disallow_directives: false,
        emit_unresolved_aliases: true,
        max_buffered_comment_events: 1_000_000,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder {
        file,
        text,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        faults: Vec::new(),
        ignores: Vec::new(),
        nodes: 0,
        repeated_bytes: 0,
        line: 0,
        tag_at: None,
    };
    let mut documents = 0;
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Err(error) => Err(syntax::fault(file, text, &error)),
            Ok((event, span)) => {
                let range = span.byte_range().unwrap_or(0..0);
                builder.line = span.start.line().saturating_sub(1);
                builder.tag_at = span
                    .tag_span()
                    .and_then(|tag| tag.byte_range())
                    .map(|range| builder.place(range));
                if matches!(event, Event::DocumentStart(..)) {
                    documents += 1;
                }
                if documents > 1 {
                    Err(
                        ReadFault::new("S01/yaml", builder.place(range), "a second document begins here")
                            .label("second document")
                            .help("keep one document in a file"),
                    )
                } else {
                    builder.take(event, range)
                }
            }
        };
        if let Err(fault) = step {
            builder.faults.push(fault);
            return (None, builder.faults);
        }
    }
    let Builder {
        root,
        mut faults,
        mut ignores,
        ..
    } = builder;
    comment::settle(text, &mut ignores);
    let Some(root) = root else {
        faults.push(
            ReadFault::new(
                "S01/yaml",
                Span {
                    file,
                    start: 0,
                    end: 0,
                },
                "the file is empty",
            )
            .help("a document begins with `version: 1`"),
        );
        return (None, faults);
    };
    (Some(Document { root, ignores }), faults)
}

impl Builder<'_> {
    fn place(&self, range: std::ops::Range<usize>) -> Span {
        let end = range.end.clamp(range.start, self.text.len().max(range.start));
        Span {
            file: self.file,
            start: range.start,
            end,
        }
    }

    /// A place without the line ends and blanks that block values end with.
    fn trimmed(&self, range: std::ops::Range<usize>) -> Span {
        let text = self.text.get(range.clone()).unwrap_or("");
        self.place(range.start..range.start + text.trim_end().len())
    }

    fn take(&mut self, event: Event<'_>, range: std::ops::Range<usize>) -> Result<(), ReadFault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let span = self.trimmed(range);
                if self.wants_key() {
                    self.remember_key(&text, style, span)?;
                    if anchor != 0 {
                        let node = Node {
                            span,
                            content: Content::Scalar(Scalar::Text(text.as_ref().into())),
                        };
                        self.anchors.insert(
                            anchor,
                            Built {
                                node,
                                nodes: 1,
                                bytes: text.len(),
                                height: 1,
                            },
                        );
                    }
                    return Ok(());
                }
                let value = self.scalar(&text, style, tag.as_deref(), span)?;
                let node = Node {
                    span,
                    content: Content::Scalar(value),
                };
                self.finish(
                    Built {
                        node,
                        nodes: 1,
                        bytes: text.len(),
                        height: 1,
                    },
                    1,
                    anchor,
                )
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(OpenKind::List(Vec::new()), range, anchor, tag.as_deref(), "seq")
            }
            Event::MappingStart(_, anchor, tag) => {
                let map = OpenKind::Map {
                    entries: Vec::new(),
                    places: HashMap::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.begin(map, range, anchor, tag.as_deref(), "map")
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range),
            Event::Alias(id) => self.alias(id, range),
            Event::UnresolvedAlias(name) => {
                let place = self.place(range);
                Err(ReadFault::new(
                    "S01/yaml",
                    place,
                    format!("there is no anchor `&{name}` before this alias"),
                )
                .label("unknown anchor"))
            }
            Event::Comment(text, _) => {
                let line_start = self.text[..range.start].rfind('\n').map_or(0, |end| end + 1);
                let alone = self.text[line_start..range.start].trim().is_empty();
                if text.trim_start().starts_with("check:") {
                    let place = self.place(range);
                    self.ignores
                        .extend(comment::parse(&text, place, self.line, alone));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the next value is the key of a map.
    fn wants_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                kind: OpenKind::Map { key: None, .. },
                ..
            })
        )
    }

    fn remember_key(&mut self, text: &str, style: ScalarStyle, span: Span) -> Result<(), ReadFault> {
        if text.len() > MAX_KEY {
            let span = Span {
                end: span.start + 1,
                ..span
            };
            return Err(ReadFault::new(
                "S01/limit",
                span,
                format!("a key of {} bytes; at most {MAX_KEY} are read", text.len()),
            ));
        }
        let next = if style == ScalarStyle::Plain && text == "<<" {
            Key::Merge(span)
        } else if text.is_empty() {
            self.faults.push(ReadFault::new(
                "S01/yaml",
                span,
                "a key is missing before this `:`",
            ));
            Key::Refused
        } else {
            Key::Named(text.into(), span)
        };
        if let Some(Open {
            kind: OpenKind::Map { key, .. },
            ..
        }) = self.open.last_mut()
        {
            *key = Some(next);
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<Scalar, ReadFault> {
        let as_text = match tag {
            None => style != ScalarStyle::Plain,
            Some(tag) if tag.is_yaml_core_schema_tag("str") || tag.original() == "!" => true,
            Some(tag)
                if ["null", "bool", "int", "float"]
                    .iter()
                    .any(|of| tag.is_yaml_core_schema_tag(of)) =>
            {
                false
            }
            Some(tag) => return Err(refused_tag(tag, self.tag_at.unwrap_or(span))),
        };
        Ok(if as_text {
            Scalar::Text(text.into())
        } else {
            scalar::resolve(text)
        })
    }

    fn begin(
        &mut self,
        kind: OpenKind,
        range: std::ops::Range<usize>,
        anchor: usize,
        tag: Option<&Tag>,
        core: &str,
    ) -> Result<(), ReadFault> {
        let span = self.place(range.clone());
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema_tag(core)) {
            return Err(refused_tag(tag, self.tag_at.unwrap_or(span)));
        }
        if self.wants_key() {
            return Err(ReadFault::new("S01/yaml", span, "a list or map cannot be a key")
                .help("if this is an expression, put it in quotes: \"${{ … }}\""));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.open.push(Open {
            start: range.start,
            anchor,
            kind,
            nodes: 1,
            bytes: 0,
            height: 0,
        });
        Ok(())
    }

    fn end(&mut self, range: std::ops::Range<usize>) -> Result<(), ReadFault> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let span = self.trimmed(open.start..range.end.max(open.start));
        let content = match open.kind {
            OpenKind::List(items) => Content::List(items),
            OpenKind::Map {
                mut entries,
                merges,
                mut places,
                ..
            } => {
                // What is written here beats what is merged in; of several merged maps, the first.
                for merged in merges {
                    if let Content::Map(more) = merged.content {
                        for entry in more {
                            if !places.contains_key(&entry.key) {
                                places.insert(entry.key.clone(), entries.len());
                                entries.push(entry);
                            }
                        }
                    }
                }
                Content::Map(entries)
            }
        };
        let built = Built {
            node: Node { span, content },
            nodes: open.nodes,
            bytes: open.bytes,
            height: open.height + 1,
        };
        self.finish(built, 1, open.anchor)
    }

    fn alias(&mut self, id: usize, range: std::ops::Range<usize>) -> Result<(), ReadFault> {
        let span = self.place(range);
        let Some(built) = self.anchors.get(&id) else {
            return Err(ReadFault::new(
                "S01/yaml",
                span,
                "an alias stands inside what it repeats",
            ));
        };
        if self.wants_key() {
            let Some(text) = built.node.text().map(str::to_owned) else {
                return Err(ReadFault::new("S01/yaml", span, "a list or map cannot be a key"));
            };
            return self.remember_key(&text, ScalarStyle::DoubleQuoted, span);
        }
        self.repeated_bytes = self.repeated_bytes.saturating_add(built.bytes);
        if self.nodes.saturating_add(built.nodes) > MAX_NODES || self.repeated_bytes > MAX_REPEATED_BYTES {
            return Err(ReadFault::new(
                "S01/limit",
                span,
                format!("with what its aliases repeat the document has more than {MAX_NODES} values"),
            )
            .label("this alias is one too many")
            .help("write the values out, or let a library step carry them"));
        }
        if self.open.len() + built.height > MAX_DEPTH {
            return Err(too_deep(span));
        }
        let built = built.clone();
        let cost = built.nodes;
        self.finish(built, cost, 0)
    }

    /// Hands a value to what it stands in; `cost` values were not counted before.
    fn finish(&mut self, built: Built, cost: usize, anchor: usize) -> Result<(), ReadFault> {
        let kept = if anchor == 0 { 0 } else { built.nodes };
        self.nodes = self.nodes.saturating_add(cost).saturating_add(kept);
        if self.nodes > MAX_NODES {
            let span = Span {
                end: built.node.span.start,
                ..built.node.span
            };
            return Err(ReadFault::new(
                "S01/limit",
                span,
                format!("the document has more than {MAX_NODES} values"),
            )
            .help("split it into several files"));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        parent.nodes = parent.nodes.saturating_add(built.nodes);
        parent.bytes = parent.bytes.saturating_add(built.bytes);
        parent.height = parent.height.max(built.height);
        match &mut parent.kind {
            OpenKind::List(items) => items.push(built.node),
            OpenKind::Map {
                entries,
                places,
                key,
                merges,
            } => match key.take() {
                None | Some(Key::Refused) => {}
                Some(Key::Merge(span)) => {
                    let whole = match &built.node.content {
                        Content::Map(_) => true,
                        Content::List(items) => {
                            items.iter().all(|item| matches!(item.content, Content::Map(_)))
                        }
                        _ => false,
                    };
                    if !whole {
                        self.faults.push(
                            ReadFault::new("S01/yaml", span, "`<<` merges a map or a list of maps")
                                .help("write `<<: *anchor` where `&anchor` is a map"),
                        );
                        return Ok(());
                    }
                    match built.node.content {
                        Content::List(items) => merges.extend(items),
                        _ => merges.push(built.node),
                    }
                }
                Some(Key::Named(name, span)) => match places.get(&name) {
                    Some(first) => {
                        let first = entries[*first].key_span;
                        self.faults.push(ReadFault {
                            other: Some(Box::new((first, "first here".to_owned()))),
                            ..ReadFault::new(
                                "S01/duplicate-key",
                                span,
                                format!("the key `{name}` occurs twice in this map"),
                            )
                            .label("again here")
                            .help("remove or rename one of the two")
                        });
                    }
                    None => {
                        places.insert(name.clone(), entries.len());
                        entries.push(Entry {
                            key: name,
                            key_span: span,
                            value: built.node,
                        });
                    }
                },
            },
        }
        Ok(())
    }
}

fn too_deep(span: Span) -> ReadFault {
    ReadFault::new(
        "S01/limit",
        span,
        format!("nested deeper than {MAX_DEPTH} levels"),
    )
    .help("a pipeline needs fewer than ten levels; is this file a pipeline?")
}

fn refused_tag(tag: &Tag, span: Span) -> ReadFault {
    ReadFault::new(
        "S01/yaml",
        span,
        format!("the tag `{}` is not known", tag.original()),
    )
    .help("leave the tag out; quote a value that is to stay a text")
}
