//! Diagnostics for people, in the look of cargo and rustc.
//!
//! annotate-snippets gives the same look, but takes a line's column from the text it is given, so a
//! cut line would lie about its position, and it asserts where a source is odd. Sources here come
//! from anyone: every character is made harmless and every line is cut before it is measured.

use super::excerpt::Excerpt;
use super::neutral::neutral;
use super::{Region, word};
use crate::diagnostic::{Diagnostic, FileId, Label, SourceFile, Sources};
use std::collections::BTreeMap;
use std::ops::Range;
use trainyard_contract::Severity;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to write ANSI colours.
    pub color: bool,
    /// Columns of the screen; longer source lines are cut around what is pointed at.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: false,
            width: 140,
        }
    }
}

/// All diagnostics, an empty line between two of them.
pub fn human(diagnostics: &[Diagnostic], sources: &Sources, style: Style) -> String {
    let mut out = String::new();
    for (at, diagnostic) in diagnostics.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        Report::new(diagnostic, sources, style).print(&mut out);
    }
    out
}

const BOLD: &str = "1";
const GUTTER: &str = "1;34";
const SECONDARY: &str = "1;34";
const HELP: &str = "1;36";

fn color_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
        Severity::Note => "1;32",
    }
}

/// A label that points into a line.
struct Marked<'a> {
    label: &'a Label,
    is_primary: bool,
    /// Bytes of the line.
    span: Range<usize>,
}

/// A label as shown.
struct Mark<'a> {
    columns: Range<usize>,
    is_primary: bool,
    text: &'a str,
}

struct Report<'a> {
    diagnostic: &'a Diagnostic,
    sources: &'a Sources,
    style: Style,
    /// Columns of the greatest line number.
    gutter: usize,
}

impl<'a> Report<'a> {
    fn new(diagnostic: &'a Diagnostic, sources: &'a Sources, style: Style) -> Self {
        let labels = std::iter::once(&diagnostic.primary).chain(&diagnostic.secondary);
        let last = labels
            .map(|label| Region::of(label.span, sources).line)
            .max()
            .unwrap_or(1);
        Self {
            diagnostic,
            sources,
            style,
            gutter: last.to_string().len(),
        }
    }

    fn paint(&self, out: &mut String, color: &str, text: &str) {
        if self.style.color && !text.is_empty() {
            out.push_str("\x1b[");
            out.push_str(color);
            out.push('m');
            out.push_str(text);
            out.push_str("\x1b[0m");
        } else {
            out.push_str(text);
        }
    }

    fn print(&self, out: &mut String) {
        let Diagnostic {
            code,
            severity,
            message,
            ..
        } = self.diagnostic;
        self.paint(
            out,
            color_of(*severity),
            &format!("{}[{}]", word(*severity), neutral(code)),
        );
        self.paint(out, BOLD, &format!(": {}", neutral(message)));
        out.push('\n');
        self.print_places(out);
        let instead = self
            .diagnostic
            .fix
            .as_ref()
            .filter(|_| self.diagnostic.help.is_none())
            .map(|fix| {
                let replacement = neutral(&fix.replacement);
                if fix.replacement.is_empty() {
                    "remove it".to_owned()
                } else {
                    format!("write `{replacement}`")
                }
            });
        let notes = self.diagnostic.notes.iter().map(|note| ("note", BOLD, note));
        let help = self
            .diagnostic
            .help
            .iter()
            .chain(&instead)
            .map(|help| ("help", HELP, help));
        let mut all = notes.chain(help).peekable();
        if all.peek().is_some() {
            self.bar(out);
        }
        for (kind, color, text) in all {
            self.indent(out, self.gutter + 1);
            self.paint(out, GUTTER, "= ");
            self.paint(out, color, kind);
            out.push_str(": ");
            for (at, line) in text.lines().enumerate() {
                if at > 0 {
                    self.indent(out, self.gutter + 5 + kind.len());
                }
                out.push_str(&neutral(line));
                out.push('\n');
            }
            if text.is_empty() {
                out.push('\n');
            }
        }
    }

    /// The primary's file first, then others in the order they are mentioned.
    fn print_places(&self, out: &mut String) {
        let primary = &self.diagnostic.primary;
        let mut files: Vec<FileId> = vec![primary.span.file];
        for label in &self.diagnostic.secondary {
            if !files.contains(&label.span.file) {
                files.push(label.span.file);
            }
        }
        for (at, id) in files.into_iter().enumerate() {
            let Some(file) = self.sources.file(id) else {
                continue;
            };
            let first = if at == 0 {
                primary
            } else {
                self.diagnostic
                    .secondary
                    .iter()
                    .find(|label| label.span.file == id)
                    .unwrap_or(primary)
            };
            if at > 0 {
                self.bar(out);
            }
            let place = Region::of(first.span, self.sources);
            self.indent(out, self.gutter);
            self.paint(out, GUTTER, if at == 0 { "--> " } else { "::: " });
            out.push_str(&format!(
                "{}:{}:{}\n",
                neutral(&place.file),
                place.line,
                place.column
            ));
            self.print_file(out, id, file);
        }
    }

    fn print_file(&self, out: &mut String, id: FileId, file: &SourceFile) {
        let mut lines: BTreeMap<usize, Vec<Marked<'a>>> = BTreeMap::new();
        let labels = std::iter::once(&self.diagnostic.primary).chain(&self.diagnostic.secondary);
        for (at, label) in labels.enumerate().filter(|(_, label)| label.span.file == id) {
            let (line, _) = file.line_column(label.span.start);
            let start = file.line_start(line);
            let shown = file.line(line);
            let from = label.span.start.saturating_sub(start).min(shown.len());
            // Of a span over several lines the first is marked.
            let to = label
                .span
                .end
                .saturating_sub(start)
                .min(shown.trim_end().len())
                .max(from);
            lines.entry(line).or_default().push(Marked {
                label,
                is_primary: at == 0,
                span: from..to,
            });
        }
        self.bar(out);
        let mut before: Option<usize> = None;
        for (line, marked) in lines {
            match before.map(|before| line - before) {
                Some(2) => self.source_line(out, line - 1, &self.excerpt(file.line(line - 1), &(0..0)).text),
                Some(3..) => {
                    self.paint(out, GUTTER, "...");
                    out.push('\n');
                }
                _ => {}
            }
            self.print_line(out, line, file.line(line), marked);
            before = Some(line);
        }
    }

    fn excerpt(&self, line: &str, anchor: &Range<usize>) -> Excerpt {
        Excerpt::new(line, anchor, self.style.width.saturating_sub(self.gutter + 3))
    }

    /// One line and its labels; again for those that are too far away to be shown together.
    fn print_line(&self, out: &mut String, number: usize, line: &str, mut marked: Vec<Marked<'a>>) {
        while let Some(first) = marked.first() {
            let excerpt = self.excerpt(line, &first.span);
            self.source_line(out, number, &excerpt.text);
            let mut shown = Vec::new();
            marked.retain(|mark| match excerpt.columns(&mark.span) {
                Some(columns) => {
                    shown.push(Mark {
                        columns,
                        is_primary: mark.is_primary,
                        text: &mark.label.text,
                    });
                    false
                }
                None => true,
            });
            if shown.is_empty() {
                return;
            }
            self.print_marks(out, shown);
        }
    }

    /// The underlines of a line, the text of the last beside it, those of others below.
    fn print_marks(&self, out: &mut String, mut marks: Vec<Mark<'_>>) {
        // The one furthest right comes last; of several at one place the primary.
        marks.sort_by_key(|mark| (mark.columns.start, mark.is_primary));
        let width = marks.iter().map(|mark| mark.columns.end).max().unwrap_or(0);
        let mut row = vec![None; width];
        for wanted in [false, true] {
            for mark in marks.iter().filter(|mark| mark.is_primary == wanted) {
                if let Some(cells) = row.get_mut(mark.columns.clone()) {
                    cells.fill(Some(wanted));
                }
            }
        }
        self.gutter_bar(out);
        for part in row.chunk_by(|one, other| one == other) {
            match part[0] {
                None => self.indent(out, part.len()),
                Some(true) => self.paint(out, self.color_of_mark(true), &"^".repeat(part.len())),
                Some(false) => self.paint(out, self.color_of_mark(false), &"-".repeat(part.len())),
            }
        }
        if let Some(beside) = marks.pop_if(|mark| mark.columns.end == width)
            && !beside.text.is_empty()
        {
            out.push(' ');
            self.paint(out, self.color_of_mark(beside.is_primary), &neutral(beside.text));
        }
        out.push('\n');
        marks.retain(|mark| !mark.text.is_empty());
        if marks.is_empty() {
            return;
        }
        self.gutter_bar(out);
        self.stems(out, &marks);
        out.push('\n');
        while let Some(mark) = marks.pop() {
            self.gutter_bar(out);
            let left_of_it = marks.partition_point(|other| other.columns.start < mark.columns.start);
            let used = self.stems(out, &marks[..left_of_it]);
            self.indent(out, mark.columns.start - used);
            self.paint(out, self.color_of_mark(mark.is_primary), &neutral(mark.text));
            out.push('\n');
        }
    }

    /// A `|` under the start of each mark; returns the columns used.
    fn stems(&self, out: &mut String, marks: &[Mark<'_>]) -> usize {
        let mut used = 0;
        for mark in marks {
            if mark.columns.start >= used {
                self.indent(out, mark.columns.start - used);
                self.paint(out, self.color_of_mark(mark.is_primary), "|");
                used = mark.columns.start + 1;
            }
        }
        used
    }

    fn color_of_mark(&self, is_primary: bool) -> &'static str {
        if is_primary {
            color_of(self.diagnostic.severity)
        } else {
            SECONDARY
        }
    }

    fn indent(&self, out: &mut String, columns: usize) {
        out.extend(std::iter::repeat_n(' ', columns));
    }

    fn source_line(&self, out: &mut String, number: usize, text: &str) {
        let gutter = self.gutter;
        self.paint(out, GUTTER, &format!("{number:>gutter$} |"));
        if !text.is_empty() {
            out.push(' ');
            out.push_str(text.trim_end());
        }
        out.push('\n');
    }

    fn gutter_bar(&self, out: &mut String) {
        self.indent(out, self.gutter + 1);
        self.paint(out, GUTTER, "|");
        out.push(' ');
    }

    /// A line with nothing but the bar.
    fn bar(&self, out: &mut String) {
        self.indent(out, self.gutter + 1);
        self.paint(out, GUTTER, "|");
        out.push('\n');
    }
}
