//! Diagnostics for programs.

use super::{Region, word};
use crate::diagnostic::{Diagnostic, Sources, Span};
use serde_json::{Value, json};

/// One object per diagnostic. Lines and columns count from 1, columns count characters, ends are
/// exclusive; `start` and `end` of a fix are bytes of the file.
pub fn json(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<Value> {
    diagnostics
        .iter()
        .map(|diagnostic| object(diagnostic, sources))
        .collect()
}

fn object(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let place = Region::of(diagnostic.primary.span, sources);
    let (family, rule) = family_and_rule(&diagnostic.code);
    json!({
        "code": diagnostic.code,
        "family": family,
        "rule": rule,
        "severity": word(diagnostic.severity),
        "message": diagnostic.message,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "end_line": place.end_line,
        "end_column": place.end_column,
        "label": diagnostic.primary.text,
        "help": diagnostic.help,
        "fix": diagnostic.fix.as_ref().map(|fix| {
            let mut object = at(fix.span, sources);
            object["start"] = json!(fix.span.start);
            object["end"] = json!(fix.span.end);
            object["replacement"] = json!(fix.replacement);
            object
        }),
        "notes": diagnostic.notes,
        "secondary": diagnostic.secondary.iter().map(|label| {
            let mut object = at(label.span, sources);
            object["label"] = json!(label.text);
            object
        }).collect::<Vec<_>>(),
    })
}

fn at(span: Span, sources: &Sources) -> Value {
    let place = Region::of(span, sources);
    json!({
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "end_line": place.end_line,
        "end_column": place.end_column,
    })
}

/// `M01/known-too-late` as `M01` and `known-too-late`.
pub(super) fn family_and_rule(code: &str) -> (&str, Option<&str>) {
    match code.split_once('/') {
        Some((family, rule)) => (family, Some(rule)),
        None => (code, None),
    }
}
