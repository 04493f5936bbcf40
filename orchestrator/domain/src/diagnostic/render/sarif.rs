//! Diagnostics as SARIF 2.1.0, for code scanners.

use super::Region;
use super::json::family_and_rule;
use crate::diagnostic::{Diagnostic, Ignored, Label, Sources, Span};
use indexmap::IndexMap;
use serde_json::{Value, json};
use trainyard_contract::Severity;

/// A SARIF log with one run.
pub fn sarif(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    sarif_with_ignored(diagnostics, &[], sources)
}

/// The same, with those that a comment in the source ignores as suppressed results.
pub fn sarif_with_ignored(diagnostics: &[Diagnostic], ignored: &[Ignored], sources: &Sources) -> Value {
    let mut rules: IndexMap<&str, Value> = IndexMap::new();
    let mut results = Vec::new();
    let all = diagnostics.iter().map(|diagnostic| (diagnostic, None));
    let silenced = ignored
        .iter()
        .map(|ignored| (&ignored.diagnostic, Some(ignored.reason.as_str())));
    for (diagnostic, reason) in all.chain(silenced) {
        let index = rules
            .get_index_of(diagnostic.code.as_str())
            .unwrap_or_else(|| rules.insert_full(&diagnostic.code, rule(&diagnostic.code)).0);
        results.push(result(diagnostic, index, reason, sources));
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "trainyard",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let (family, rule) = family_and_rule(code);
    let about = rule.map_or_else(|| family.to_owned(), |rule| rule.replace('-', " "));
    json!({
        "id": code,
        "shortDescription": {"text": format!("{family}: {about}")},
        "help": {"text": format!("`trainyard explain {family}` says what this check finds, why it matters and how to fix it.")},
        "properties": {"tags": [family]},
    })
}

fn result(diagnostic: &Diagnostic, index: usize, ignored: Option<&str>, sources: &Sources) -> Value {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut text = diagnostic.message.clone();
    for note in &diagnostic.notes {
        text.push_str("\nnote: ");
        text.push_str(note);
    }
    if let Some(help) = &diagnostic.help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    let mut result = json!({
        "ruleId": diagnostic.code,
        "ruleIndex": index,
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": location(diagnostic.primary.span, sources)}],
    });
    if !diagnostic.secondary.is_empty() {
        let related = diagnostic.secondary.iter().enumerate().map(|(id, Label { span, text })| {
            json!({"id": id, "physicalLocation": location(*span, sources), "message": {"text": text}})
        });
        result["relatedLocations"] = related.collect();
    }
    if let Some(fix) = &diagnostic.fix {
        let place = location(fix.span, sources);
        let about = diagnostic
            .help
            .clone()
            .unwrap_or_else(|| format!("write `{}`", fix.replacement));
        result["fixes"] = json!([{
            "description": {"text": about},
            "artifactChanges": [{
                "artifactLocation": place["artifactLocation"],
                "replacements": [{
                    "deletedRegion": place["region"],
                    "insertedContent": {"text": fix.replacement},
                }],
            }],
        }]);
    }
    if let Some(reason) = ignored {
        let mut suppression = json!({"kind": "inSource"});
        if !reason.is_empty() {
            suppression["justification"] = json!(reason);
        }
        result["suppressions"] = json!([suppression]);
    }
    result
}

fn location(span: Span, sources: &Sources) -> Value {
    let place = Region::of(span, sources);
    json!({
        "artifactLocation": {"uri": uri(&place.file)},
        "region": {
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
        },
    })
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'\\' => uri.push('/'),
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'/'
            | b'@'
            | b'+'
            | b'='
            | b',' => {
                uri.push(char::from(byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}
