//! What is wrong with a query, at which of its words.

use sqlparser::ast::{Ident, Spanned};
use sqlparser::tokenizer::{Location, Span};
use std::ops::Range;
use trainyard_contract::Finding;
use trainyard_contract::finding::{Path, nearest};

/// A fault of a query or expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misuse {
    code: &'static str,
    message: String,
    help: Option<String>,
    warns: bool,
    /// Bytes of the text.
    pub(crate) range: Range<usize>,
}

impl Misuse {
    pub(super) fn new(code: &'static str, range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            warns: false,
            range,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same as a warning: the query runs, and may not do what was meant.
    pub(super) fn warning(mut self) -> Self {
        self.warns = true;
        self
    }

    /// The same with the nearest of some names, or else all of them if they are few.
    pub(super) fn near<'n>(self, word: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        match nearest(word, names.iter().copied()) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None if !names.is_empty() && names.len() <= 40 => {
                self.help(format!("there are {}", crate::fault::list(&names)))
            }
            None => self,
        }
    }

    /// As a finding about `text`, which stands at `path`.
    pub(crate) fn finding(self, text: &str, path: Path) -> Finding {
        let finding = if self.warns {
            Finding::warning(self.code, path, self.message)
        } else {
            Finding::error(self.code, path, self.message)
        };
        let finding = finding.at_range(text, self.range);
        match self.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }
}

/// Finds bytes of a text by the parser's lines and columns.
pub(super) struct Places<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Places<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self { text, lines }
    }

    fn byte(&self, at: Location) -> Option<usize> {
        let start = *self.lines.get(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
        let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
        let line = self.text.get(start..)?;
        let offset = line
            .char_indices()
            .map(|(at, _)| at)
            .nth(column)
            .unwrap_or(line.len());
        Some(start + offset)
    }

    fn span(&self, span: Span) -> Range<usize> {
        match (self.byte(span.start), self.byte(span.end)) {
            (Some(start), Some(end)) if start < end => start..end,
            _ => 0..0,
        }
    }

    /// Where something stands; nowhere (`0..0`) if the parser does not say.
    pub(super) fn of(&self, node: &impl Spanned) -> Range<usize> {
        self.span(node.span())
    }

    /// Where a name stands, without its quotes.
    pub(super) fn name(&self, name: &Ident) -> Range<usize> {
        let range = self.span(name.span);
        if name.quote_style.is_some() && range.len() > 2 {
            range.start + 1..range.end - 1
        } else {
            range
        }
    }
}
