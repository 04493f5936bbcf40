//! Words of a filter.

use crate::tracking::Refusal;

/// Longest filter, in bytes.
const LONGEST: usize = 64 << 10;

/// A word, and the text it was.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A key with or without an entity before it, in whatever quotes.
    Identifier,
    /// A text in `'…'`, or one in `"…"`, which may also be a key.
    Text(String),
    Number(f64),
    /// `=`, `!=`, `<` …
    Sign,
    /// `AND`, `LIKE` and so on, in capitals.
    Word(&'static str),
    Open,
    Close,
    Comma,
    /// Anything else.
    Other,
}

const WORDS: [&str; 9] = ["AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "RLIKE"];

pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Refusal> {
    if text.len() > LONGEST {
        return Err(Refusal::invalid(format!(
            "Invalid filter: it is longer than {LONGEST} bytes."
        )));
    }
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        let length = match first {
            '\'' => quoted(rest, text)?,
            '"' | '`' => {
                let whole = identifier(rest, text)?;
                if first == '"' {
                    whole.max(quoted(rest, text)?)
                } else {
                    whole
                }
            }
            '<' | '>' | '=' | '!' => {
                if rest[1..].starts_with('=') {
                    2
                } else {
                    1
                }
            }
            c if c.is_ascii_digit() || (matches!(c, '-' | '+' | '.') && number_length(rest) > 1) => {
                number_length(rest)
            }
            c if is_word(c) => identifier(rest, text)?,
            c => c.len_utf8(),
        };
        let (word, after) = rest.split_at(length);
        tokens.push(Token {
            kind: kind(first, word),
            text: word,
        });
        rest = after;
    }
}

fn kind(first: char, word: &str) -> Kind {
    match first {
        '\'' => Kind::Text(inner(word)),
        '"' if quoted(word, word).is_ok_and(|length| length == word.len()) => Kind::Text(inner(word)),
        '"' | '`' => Kind::Identifier,
        '(' => Kind::Open,
        ')' => Kind::Close,
        ',' => Kind::Comma,
        '<' | '>' => Kind::Sign,
        '=' if word == "=" => Kind::Sign,
        '!' if word == "!=" => Kind::Sign,
        c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => word
            .parse()
            .ok()
            .filter(|n: &f64| n.is_finite())
            .map_or(Kind::Other, Kind::Number),
        c if is_word(c) => {
            let upper = word.to_ascii_uppercase();
            WORDS
                .iter()
                .find(|known| **known == upper)
                .map_or(Kind::Identifier, |known| Kind::Word(known))
        }
        _ => Kind::Other,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A quote inside a text is written twice.
fn inner(word: &str) -> String {
    let quote = &word[..1];
    word[1..word.len() - 1].replace(&quote.repeat(2), quote)
}

/// Length of the quoted text at the beginning, quotes included.
fn quoted(rest: &str, whole: &str) -> Result<usize, Refusal> {
    let quote = rest.as_bytes()[0];
    let bytes = rest.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        if *byte == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return Ok(at + 1);
            }
            at += 1;
        }
        at += 1;
    }
    Err(Refusal::invalid(format!(
        "Invalid clause(s) in filter string: '{}'",
        shown(whole)
    )))
}

/// Length of an identifier: parts with dots between them, each a word or quoted.
fn identifier(rest: &str, whole: &str) -> Result<usize, Refusal> {
    let mut length = 0;
    loop {
        let here = &rest[length..];
        let part = match here.chars().next() {
            Some('"' | '`') => quoted(here, whole)?,
            _ => here.find(|c| !is_word(c)).unwrap_or(here.len()),
        };
        length += part;
        let more = rest[length..]
            .strip_prefix('.')
            .and_then(|next| next.chars().next())
            .is_some_and(|c| is_word(c) || matches!(c, '"' | '`' | '.'));
        if !more || part == 0 && !rest[length..].starts_with('.') {
            return Ok(length);
        }
        length += 1;
    }
}

fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    while let Some(byte) = bytes.get(at) {
        let goes_on = match byte {
            b'-' | b'+' => matches!(bytes[at - 1], b'e' | b'E'),
            b'.' | b'e' | b'E' => true,
            b => b.is_ascii_digit(),
        };
        if !goes_on {
            break;
        }
        at += 1;
    }
    at
}

/// The beginning of a text, for a sentence.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}
