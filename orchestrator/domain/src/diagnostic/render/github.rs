//! Diagnostics as annotations of a pull request, by GitHub's workflow commands.

use super::Region;
use crate::diagnostic::{Diagnostic, Sources};
use std::fmt::Write;
use trainyard_contract::Severity;

/// A line per diagnostic: `::error file=…,line=…,endLine=…,col=…,endColumn=…,title=…::message`.
pub fn github(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let command = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let place = Region::of(diagnostic.primary.span, sources);
        let mut text = diagnostic.message.clone();
        for note in &diagnostic.notes {
            text.push_str("\nnote: ");
            text.push_str(note);
        }
        if let Some(help) = &diagnostic.help {
            text.push_str("\nhelp: ");
            text.push_str(help);
        }
        let _ = write!(
            out,
            "::{command} file={},line={}",
            property(&place.file),
            place.line
        );
        let _ = write!(out, ",endLine={}", place.end_line);
        // Columns are shown only within one line; over several GitHub refuses them.
        if place.line == place.end_line {
            let _ = write!(out, ",col={},endColumn={}", place.column, place.end_column);
        }
        let _ = writeln!(out, ",title={}::{}", property(&diagnostic.code), data(&text));
    }
    out
}

/// A message; a line break would end the command, and what follows could be a command of its own.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
