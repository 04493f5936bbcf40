//! Renderers of diagnostics: the same value for people, programs, code scanners and GitHub.

mod excerpt;
mod github;
mod human;
mod json;
mod neutral;
mod sarif;

pub use github::github;
pub use human::{Style, human};
pub use json::json;
pub use sarif::{sarif, sarif_with_ignored};

use super::{Sources, Span};
use trainyard_contract::Severity;

/// A span as lines and columns, from 1; columns count characters, the end is exclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Region {
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

impl Region {
    fn of(span: Span, sources: &Sources) -> Self {
        let Some(file) = sources.file(span.file) else {
            return Self {
                file: "?".to_owned(),
                line: 1,
                column: 1,
                end_line: 1,
                end_column: 1,
            };
        };
        let (line, column) = file.line_column(span.start);
        let (end_line, end_column) = file.line_column(span.end.max(span.start));
        Self {
            file: file.name.clone(),
            line,
            column,
            end_line,
            end_column,
        }
    }
}

/// The word for a severity, as in `error[S01/unknown-key]`.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

#[cfg(test)]
mod tests;
