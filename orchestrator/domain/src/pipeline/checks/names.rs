//! Names that two pipelines share.
//!
//! Why: runs, models and schedules are found by their pipeline's name.
//!
//! ```yaml
//! name: flight_delay      # S01/duplicate-name if another file has it
//! ```

use super::found;
use crate::diagnostic::{Diagnostic, Span};
use crate::pipeline::draft::Draft;
use std::collections::BTreeMap;

pub(super) fn run(drafts: &[Draft]) -> Vec<Diagnostic> {
    let mut first: BTreeMap<&str, Span> = BTreeMap::new();
    let mut findings = Vec::new();
    for draft in drafts {
        let span = draft.root.get("name").map_or(draft.root.span, |node| node.span);
        match first.get(draft.spec.name.as_str()) {
            Some(other) if other.file != span.file => {
                let message = format!("a pipeline `{}` exists already", draft.spec.name);
                findings.push(
                    found("S01/duplicate-name", span, message)
                        .label("again here")
                        .also(*other, "first here")
                        .help("rename one of the two")
                        .done(),
                );
            }
            _ => {
                first.insert(&draft.spec.name, span);
            }
        }
    }
    findings
}
