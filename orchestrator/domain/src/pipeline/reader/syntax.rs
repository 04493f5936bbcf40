//! What a YAML syntax error says: the place, in words of the format, with what would fix it.

use super::{MAX_DEPTH, ReadFault};
use crate::diagnostic::{FileId, Span};
use granit_parser::{ErrorKind, ScanError};

/// The fault that a parser's error stands for.
pub(super) fn fault(file: FileId, text: &str, error: &ScanError) -> ReadFault {
    let mut start = error.marker().byte_offset().unwrap_or(0).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let kind = error.kind();
    if is_tab(kind) {
        start = tab_near(text, start);
    }
    if matches!(kind, ErrorKind::InvalidQuotedScalarIndent)
        && let Some(quote) = quote_before(text, start)
    {
        return unclosed(file, quote);
    }
    // At the end of the file it is a quote that was never closed, or the last thing written.
    let at_end = text[start..].trim().is_empty();
    if let Some(quote) = unclosed_quote(text).filter(|_| at_end) {
        return unclosed(file, quote);
    }
    if at_end {
        start = text.trim_end().char_indices().next_back().map_or(0, |(at, _)| at);
    }
    // At the end of a line there is nothing to underline; the last character before it is near.
    let rest = &text[start..];
    let length = rest
        .chars()
        .next()
        .filter(|c| *c != '\n' && *c != '\r')
        .map_or(0, char::len_utf8);
    let span = Span {
        file,
        start,
        end: start + length,
    };
    if matches!(kind, ErrorKind::RecursionLimitExceeded) {
        return ReadFault::new(
            "S01/limit",
            span,
            format!("nested deeper than {MAX_DEPTH} levels"),
        )
        .help("a pipeline needs fewer than ten levels; is this file a pipeline?");
    }
    let fault = ReadFault::new("S01/yaml", span, sentence(kind));
    match help(kind, text, start) {
        Some(help) => fault.help(help),
        None => fault,
    }
}

fn unclosed(file: FileId, quote: usize) -> ReadFault {
    let span = Span {
        file,
        start: quote,
        end: quote + 1,
    };
    ReadFault::new("S01/yaml", span, "a quote is opened here and never closed")
        .help("close the quote on the same line")
}

/// The tab that is meant: the one at or before the parser's place, or else the first that indents
/// a line from there on, since a plain text goes on until its next line proves it wrong.
fn tab_near(text: &str, at: usize) -> usize {
    if text[at..].starts_with('\t') {
        return at;
    }
    if text[..at].ends_with('\t') {
        return at - 1;
    }
    let mut line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    for line in text[line_start..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line[..indent].find('\t') {
            return line_start + tab;
        }
        line_start += line.len();
    }
    at
}

/// The last quote before a place that begins a text.
fn quote_before(text: &str, at: usize) -> Option<usize> {
    let quote = text[..at].rfind(['"', '\''])?;
    let before = text[..quote].chars().next_back();
    before
        .is_none_or(|c| matches!(c, ' ' | '\n' | '[' | '{' | ',' | '\t'))
        .then_some(quote)
}

fn is_tab(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar
    )
}

fn sentence(kind: &ErrorKind) -> String {
    match kind {
        tab if is_tab(tab) => "a tab stands where YAML wants spaces".to_owned(),
        ErrorKind::UnclosedFlowCollection { open } => format!("`{open}` is opened here and never closed"),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            format!("`{close}` closes a `{open}`")
        }
        ErrorKind::UnexpectedCharacter { character } => {
            format!("the character {} is not allowed", character.escape_default())
        }
        ErrorKind::InvalidIndentation => "this line's indentation fits nothing above it".to_owned(),
        ErrorKind::ExpectedBlockMappingKey => {
            "`key: value` is expected here; the indentation fits nothing above it".to_owned()
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            "this line has no `:` after its key".to_owned()
        }
        ErrorKind::MappingValueNotAllowed => {
            "a `:` is not allowed here; the line above or the value before it already has one".to_owned()
        }
        ErrorKind::UnexpectedEofFlowSequence => "the file ends inside `[ ]`".to_owned(),
        ErrorKind::UnexpectedEofFlowMapping | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            "the file ends inside `{ }`".to_owned()
        }
        ErrorKind::ExpectedFlowMappingSeparator => "`,` or `}` is expected here".to_owned(),
        ErrorKind::ExpectedFlowSequenceSeparator => "`,` or `]` is expected here".to_owned(),
        other => {
            let text = other.to_string();
            let mut chars = text.trim_end_matches('.').chars();
            chars.next().map_or_else(String::new, |first| {
                first.to_lowercase().collect::<String>() + chars.as_str()
            })
        }
    }
}

fn help(kind: &ErrorKind, text: &str, at: usize) -> Option<String> {
    let line_start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[line_start..].lines().next().unwrap_or("");
    if unquoted_expression(line) {
        return Some("put the expression in quotes: \"${{ … }}\"".to_owned());
    }
    match kind {
        tab if is_tab(tab) => Some("indent with spaces, two a level".to_owned()),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            Some("write `key: value`, or quote the text".to_owned())
        }
        ErrorKind::MappingValueNotAllowed => {
            Some("quote a value that holds `: `, or align this key with its neighbours".to_owned())
        }
        ErrorKind::InvalidIndentation | ErrorKind::ExpectedBlockMappingKey => {
            Some("align it with the keys it belongs to".to_owned())
        }
        ErrorKind::UnexpectedCharacter {
            character: '@' | '`' | '%',
        } => Some("quote a value that begins with this character".to_owned()),
        _ => None,
    }
}

/// The quote that opens a text and has no partner.
fn unclosed_quote(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let begins = at == 0 || matches!(bytes[at - 1], b' ' | b'\n' | b'[' | b'{' | b',' | b'\t');
        match bytes[at] {
            b'#' if begins => at = text[at..].find('\n').map_or(bytes.len(), |end| at + end),
            quote @ (b'"' | b'\'') if begins => {
                let mut end = at + 1;
                loop {
                    match bytes.get(end) {
                        None => return Some(at),
                        Some(b'\\') if quote == b'"' => end += 2,
                        Some(b'\'') if quote == b'\'' && bytes.get(end + 1) == Some(&b'\'') => end += 2,
                        Some(found) if *found == quote => break,
                        Some(_) => end += 1,
                    }
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Whether a line holds `${{` outside of quotes.
fn unquoted_expression(line: &str) -> bool {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if line[at..].starts_with("${{") => return true,
            None => {}
        }
    }
    false
}
