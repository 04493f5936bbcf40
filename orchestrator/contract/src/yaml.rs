//! Documents written as YAML for people: block style, short maps of values on one line, remarks.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Longest line on which a map is written whole.
const WIDE: usize = 116;

/// The document as YAML. `remarks` are written as comments: by the path of keys joined with `.`, after
/// the key's line if it has one line, else above it.
pub fn write(document: &Value, remarks: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = String::new();
    block(document, 0, "", remarks, &mut text);
    text
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => true,
    }
}

/// A value on one line, if its parts are values or lists of values.
fn flow(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => {
            let items: Option<Vec<String>> = items
                .iter()
                .map(|item| is_scalar(item).then(|| scalar(item)))
                .collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Value::Object(map) if map.is_empty() => Some("{}".to_owned()),
        Value::Object(map) => {
            let pairs: Option<Vec<String>> = map
                .iter()
                .map(|(key, value)| {
                    let value = if value.is_object() { None } else { flow(value) };
                    Some(format!("{}: {}", plain(key), value?))
                })
                .collect();
            Some(format!("{{{}}}", pairs?.join(", ")))
        }
        other => Some(scalar(other)),
    }
}

fn block(
    value: &Value,
    depth: usize,
    path: &str,
    remarks: &BTreeMap<String, Vec<String>>,
    text: &mut String,
) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let said = remarks.get(&path).map(Vec::as_slice).unwrap_or_default();
                let line = flow(value).filter(|line| {
                    let is_short = indent.len() + key.len() + line.len() + 2 <= WIDE;
                    is_scalar(value) || (is_short && (depth > 0 || value.is_array()))
                });
                match (line, said) {
                    (Some(line), [one]) if indent.len() + key.len() + line.len() + one.len() + 6 <= WIDE => {
                        let _ = writeln!(text, "{indent}{}: {line} # {one}", plain(key));
                    }
                    (line, said) => {
                        for remark in said {
                            let _ = writeln!(text, "{indent}# {remark}");
                        }
                        match line {
                            Some(line) => {
                                let _ = writeln!(text, "{indent}{}: {line}", plain(key));
                            }
                            None => {
                                let _ = writeln!(text, "{indent}{}:", plain(key));
                                block(value, depth + 1, &path, remarks, text);
                            }
                        }
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                match flow(item).filter(|line| !item.is_object() || line.len() + indent.len() < 80) {
                    Some(line) => {
                        let _ = writeln!(text, "{indent}- {line}");
                    }
                    None => {
                        block(item, depth + 1, path, remarks, &mut inner);
                        let _ = write!(text, "{indent}- {}", inner.trim_start());
                    }
                }
            }
        }
        other => {
            let _ = writeln!(text, "{indent}{}", scalar(other));
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

/// A text as it is where YAML takes it for a text, else in quotes.
fn plain(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ');
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n" | "nan" | "inf"
    );
    if begins_well && text.chars().all(is_name) && !text.ends_with(' ') && !is_word {
        text.to_owned()
    } else {
        Value::String(text.to_owned()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn short_maps_stand_on_one_line_and_remarks_beside_or_above_them() {
        let document = json!({
            "version": 1, "name": "orders", "note": "yes", "when": "2020-01-01", "primary_key": ["id"],
            "columns": {"id": {"type": "int64", "nullable": false}, "zip code": {"type": "string", "pattern": "^[0-9]+$"}},
            "list": [{"a": 1}, "x: y"],
        });
        let remarks = BTreeMap::from([
            ("columns.id".to_owned(), vec!["seen 1 to 9".to_owned()]),
            ("columns".to_owned(), vec!["in order".to_owned()]),
        ]);
        assert_eq!(
            write(&document, &remarks),
            "version: 1\nname: orders\nnote: \"yes\"\nwhen: \"2020-01-01\"\nprimary_key: [id]\n# in order\ncolumns:\n  \
             id: {type: int64, nullable: false} # seen 1 to 9\n  zip code: {type: string, pattern: \"^[0-9]+$\"}\nlist:\n  \
             - {a: 1}\n  - \"x: y\"\n"
        );
    }
}
