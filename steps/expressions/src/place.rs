//! Where words of a SQL text stand.

use sqlparser::ast::{Ident, Spanned};
use sqlparser::tokenizer::{Location, Span};
use std::ops::Range;

/// Finds bytes of a text by the parser's lines and columns.
pub struct Places<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Places<'a> {
    /// Places of a text.
    pub fn new(text: &'a str) -> Self {
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

    /// Bytes of a span; none (`0..0`) if the parser does not say.
    pub fn span_of(&self, span: Span) -> Range<usize> {
        match (self.byte(span.start), self.byte(span.end)) {
            (Some(start), Some(end)) if start < end => start..end,
            _ => 0..0,
        }
    }

    /// Where something stands; nowhere (`0..0`) if the parser does not say.
    pub fn of(&self, node: &impl Spanned) -> Range<usize> {
        self.span_of(node.span())
    }

    /// Where a name stands, without its quotes.
    pub fn name(&self, name: &Ident) -> Range<usize> {
        let range = self.span_of(name.span);
        if name.quote_style.is_some() && range.len() > 2 {
            range.start + 1..range.end - 1
        } else {
            range
        }
    }
}
