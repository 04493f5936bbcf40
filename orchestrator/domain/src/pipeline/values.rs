//! Values that expressions can use before anything has run, and putting them in.

use super::reader::{Content, Entry, Node};
use crate::expression::{Context, ExpressionError, References, Template};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;
use trainyard_contract::Path;

/// Contexts of an expression as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// Only params that have a value.
    pub(crate) params: Map<String, Value>,
    pub(crate) vars: Map<String, Value>,
    /// `None` while it is open which environment it will be.
    pub(crate) environment: Option<String>,
    pub(crate) trigger: Option<Value>,
    /// `None` outside of a matrix.
    pub(crate) matrix: Option<Map<String, Value>>,
}

impl Values {
    /// Whether all names of an expression have values.
    pub(crate) fn know(&self, references: &References) -> bool {
        references
            .mentions
            .iter()
            .all(|mention| match (mention.root.as_str(), mention.name.as_deref()) {
                ("params", Some(name)) => self.params.contains_key(name),
                ("vars", Some(name)) => self.vars.contains_key(name),
                ("matrix", Some(name)) => self
                    .matrix
                    .as_ref()
                    .is_some_and(|matrix| matrix.contains_key(name)),
                ("params" | "vars", None) => true,
                ("matrix", None) => self.matrix.is_some(),
                ("trigger", Some(name)) => self
                    .trigger
                    .as_ref()
                    .is_some_and(|trigger| trigger.get(name).is_some()),
                ("trigger", None) => self.trigger.is_some(),
                ("environment", _) => self.environment.is_some(),
                _ => false,
            })
    }

    /// The value of a text; `None` if it waits for names that are not known yet.
    ///
    /// # Errors
    /// If it is no template or has no value; positions are bytes of the text.
    pub(crate) fn evaluate(&self, text: &str) -> Result<Option<Value>, ExpressionError> {
        let template = Template::parse(text)?;
        if !self.know(&template.references()) {
            return Ok(None);
        }
        template.evaluate(self).map(Some)
    }
}

impl Context for Values {
    fn root(&self, name: &str) -> Option<Value> {
        match name {
            "params" => Some(Value::Object(self.params.clone())),
            "vars" => Some(Value::Object(self.vars.clone())),
            "matrix" => self.matrix.clone().map(Value::Object),
            "trigger" => self.trigger.clone(),
            "environment" => self
                .environment
                .as_ref()
                .map(|name| serde_json::json!({ "name": name })),
            _ => None,
        }
    }

    fn step(&self, _: &str) -> Option<Value> {
        None
    }

    fn member(&self, root: &str, name: &str) -> Option<Value> {
        match root {
            "params" => self.params.get(name).cloned(),
            "vars" => self.vars.get(name).cloned(),
            "matrix" => self.matrix.as_ref()?.get(name).cloned(),
            "trigger" => self.trigger.as_ref()?.get(name).cloned(),
            "environment" if name == "name" => self.environment.clone().map(Value::String),
            _ => None,
        }
    }
}

/// A document with its expressions replaced by their values.
pub(crate) struct Filled {
    pub(crate) node: Node,
    /// Paths of values that only the run knows; in the tree they are [`Content::Unknown`].
    pub(crate) unknown: BTreeSet<Path>,
    /// Expressions that have no value: path and what is wrong.
    pub(crate) errors: Vec<(Path, ExpressionError)>,
    /// Places whose value came from an expression.
    pub(crate) results: BTreeSet<crate::diagnostic::Span>,
}

/// Fills the known values in below `at`.
pub(crate) fn fill(node: &Node, values: &Values, at: &Path) -> Filled {
    let mut filled = Filled {
        node: Node {
            span: node.span,
            content: Content::Unknown,
        },
        unknown: BTreeSet::new(),
        errors: Vec::new(),
        results: BTreeSet::new(),
    };
    filled.node = fill_node(node, values, at, &mut filled);
    filled
}

fn fill_node(node: &Node, values: &Values, at: &Path, filled: &mut Filled) -> Node {
    let content = match &node.content {
        Content::List(items) => Content::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| fill_node(item, values, &at.index(index), filled))
                .collect(),
        ),
        Content::Map(entries) => Content::Map(
            entries
                .iter()
                .map(|entry| Entry {
                    key: entry.key.clone(),
                    key_span: entry.key_span,
                    value: fill_node(&entry.value, values, &at.key(&*entry.key), filled),
                })
                .collect(),
        ),
        _ => match node.text().filter(|text| Template::is_in(text)) {
            None => return node.clone(),
            Some(text) => match values.evaluate(text) {
                Ok(Some(value)) => {
                    filled.results.insert(node.span);
                    return Node::of_value(&value, node.span);
                }
                Ok(None) => {
                    filled.unknown.insert(at.clone());
                    Content::Unknown
                }
                Err(error) => {
                    filled.errors.push((at.clone(), error));
                    filled.unknown.insert(at.clone());
                    Content::Unknown
                }
            },
        },
    };
    Node {
        span: node.span,
        content,
    }
}

/// Puts values in place of `params.NAME`, `vars.NAME` and `matrix.NAME` in the texts that a step's
/// parameter schema marks as column expressions: SQL literals, outside of quotes only.
pub(crate) fn fill_columns(with: &mut Value, schema: &Value, values: &Values, unknown: &mut BTreeSet<Path>) {
    let mut visit = |path: &Path, text: &mut String| match spliced(text, &mut |root, name| {
        values.member(root, name).and_then(|value| literal(&value))
    }) {
        Some(next) => {
            if let Cow::Owned(next) = next {
                *text = next;
            }
        }
        None => {
            unknown.insert(path.clone());
        }
    };
    each_column_expression(with, schema, schema, &Path::root().key("with"), 0, &mut visit);
}

/// Names under `params`, `vars` and `matrix` that column expressions mention, with their paths.
pub(crate) fn mentioned_in_columns(with: &Value, schema: &Value) -> Vec<(Path, String, String)> {
    let mut found = Vec::new();
    let mut copy = with.clone();
    let mut visit = |path: &Path, text: &mut String| {
        spliced(text, &mut |root, name| {
            found.push((path.clone(), root.to_owned(), name.to_owned()));
            None
        });
    };
    each_column_expression(
        &mut copy,
        schema,
        schema,
        &Path::root().key("with"),
        0,
        &mut visit,
    );
    found
}

/// Column expressions with names replaced: path and new text of each that changes.
pub(crate) fn rename_in_columns(
    with: &Value,
    schema: &Value,
    replace: &mut dyn FnMut(&str, &str) -> Option<String>,
) -> Vec<(Path, String)> {
    let mut changed = Vec::new();
    let mut copy = with.clone();
    let mut visit = |path: &Path, text: &mut String| {
        let next = spliced(text, &mut |root, name| {
            Some(replace(root, name).unwrap_or_else(|| format!("{root}.{name}")))
        });
        if let Some(Cow::Owned(next)) = next
            && next != *text
        {
            changed.push((path.clone(), next));
        }
    };
    each_column_expression(
        &mut copy,
        schema,
        schema,
        &Path::root().key("with"),
        0,
        &mut visit,
    );
    changed
}

const ROOTS: [&str; 3] = ["params", "vars", "matrix"];

fn each_column_expression(
    value: &mut Value,
    schema: &Value,
    document: &Value,
    at: &Path,
    depth: usize,
    visit: &mut dyn FnMut(&Path, &mut String),
) {
    if depth > 64 {
        return;
    }
    let mut schema = schema;
    for _ in 0..16 {
        let Some(pointer) = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|p| p.strip_prefix('#'))
        else {
            break;
        };
        let Some(next) = document.pointer(pointer) else {
            return;
        };
        schema = next;
    }
    if let Value::String(text) = value {
        if matches!(
            schema.get("x-kind").and_then(Value::as_str),
            Some("expression" | "sql")
        ) && ROOTS.iter().any(|root| text.contains(root))
        {
            visit(at, text);
            return;
        }
    } else if !value.is_array() && !value.is_object() {
        return;
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        for option in schema
            .get(keyword)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            each_column_expression(value, option, document, at, depth + 1, visit);
        }
    }
    match value {
        Value::Array(items) => {
            if let Some(of) = schema.get("items") {
                for (index, item) in items.iter_mut().enumerate() {
                    each_column_expression(item, of, document, &at.index(index), depth + 1, visit);
                }
            }
        }
        Value::Object(members) => {
            for (key, member) in members.iter_mut() {
                let of = schema
                    .get("properties")
                    .and_then(|known| known.get(key))
                    .or_else(|| schema.get("additionalProperties"));
                if let Some(of) = of {
                    each_column_expression(member, of, document, &at.key(key), depth + 1, visit);
                }
            }
        }
        _ => {}
    }
}

/// The text with names replaced; `None` if one has no replacement.
fn spliced<'t>(text: &'t str, replace: &mut dyn FnMut(&str, &str) -> Option<String>) -> Option<Cow<'t, str>> {
    let bytes = text.as_bytes();
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut out = String::new();
    let mut copied = 0;
    let mut complete = true;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += 1;
                }
                at += 1;
            }
            b if is_part(b) => {
                let start = at;
                while at < bytes.len() && is_part(bytes[at]) {
                    at += 1;
                }
                let root = &text[start..at];
                let preceded = start > 0 && bytes[start - 1] == b'.';
                if preceded || !ROOTS.contains(&root) || bytes.get(at) != Some(&b'.') {
                    continue;
                }
                let name_start = at + 1;
                let mut end = name_start;
                while end < bytes.len() && is_part(bytes[end]) {
                    end += 1;
                }
                if end == name_start {
                    continue;
                }
                match replace(root, &text[name_start..end]) {
                    Some(value) => {
                        out.push_str(&text[copied..start]);
                        out.push_str(&value);
                        copied = end;
                    }
                    None => complete = false,
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    if !complete {
        return None;
    }
    if copied == 0 {
        return Some(Cow::Borrowed(text));
    }
    out.push_str(&text[copied..]);
    Some(Cow::Owned(out))
}

/// A value as a SQL literal; `None` for what SQL has no literal for.
pub(crate) fn literal(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("NULL".to_owned()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => {
            // A leading minus must not join a minus before it to a comment.
            let text = number.to_string();
            Some(if text.starts_with('-') {
                format!("({text})")
            } else {
                text
            })
        }
        Value::String(text) => Some(format!("'{}'", text.replace('\'', "''"))),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(literal).collect();
            items
                .filter(|items| !items.is_empty())
                .map(|items| format!("({})", items.join(", ")))
        }
        Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values() -> Values {
        let members = |value: Value| value.as_object().cloned().unwrap();
        Values {
            params: members(json!({"late": 15, "low": -2, "name": "O'Hare", "list": ["a", "b"]})),
            vars: members(json!({"root": "data"})),
            environment: Some("dev".into()),
            trigger: None,
            matrix: None,
        }
    }

    fn column(text: &str) -> Option<String> {
        let mut with = json!({"label": {"expr": text}});
        let schema = json!({"properties": {"label": {"$ref": "#/$defs/Label"}},
            "$defs": {"Label": {"properties": {"expr": {"type": "string", "x-kind": "expression"}}}}});
        let mut unknown = BTreeSet::new();
        fill_columns(&mut with, &schema, &values(), &mut unknown);
        unknown
            .is_empty()
            .then(|| with["label"]["expr"].as_str().unwrap().to_owned())
    }

    #[test]
    fn column_expressions_take_params_as_sql_literals_outside_of_quotes() {
        assert_eq!(
            column("arr_delay > params.late").as_deref(),
            Some("arr_delay > 15")
        );
        assert_eq!(column("x - params.low").as_deref(), Some("x - (-2)"));
        assert_eq!(column("o = params.name").as_deref(), Some("o = 'O''Hare'"));
        assert_eq!(column("o in params.list").as_deref(), Some("o in ('a', 'b')"));
        assert_eq!(column("o = 'params.late'").as_deref(), Some("o = 'params.late'"));
        assert_eq!(
            column("t.params.late + my_params.late").as_deref(),
            Some("t.params.late + my_params.late")
        );
        assert_eq!(column("o = params.unset"), None);
    }

    #[test]
    fn an_expression_waits_for_what_is_not_known() {
        assert_eq!(values().evaluate("${{ vars.root }}/x"), Ok(Some(json!("data/x"))));
        assert_eq!(values().evaluate("${{ params.late }}"), Ok(Some(json!(15))));
        assert_eq!(values().evaluate("${{ steps.a.outputs.b }}"), Ok(None));
        assert_eq!(values().evaluate("${{ trigger.type }}"), Ok(None));
        assert!(values().evaluate("${{ 1 + }}").is_err());
    }
}
