//! From text to tokens.

use super::ExpressionError;
use std::ops::Range;

/// A word of the language.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Up to 2⁶³, so that `-9223372036854775808` can be written.
    Integer(u64),
    Float(f64),
    Text(String),
    Name(String),
    Symbol(&'static str),
    End,
}

/// Longer symbols first, so that the first match is the longest.
const SYMBOLS: [&str; 25] = [
    "==", "!=", "<=", ">=", "&&", "||", "(", ")", "[", "]", "{", "}", ",", ":", "?", ".", "!", "-", "*", "/",
    "%", "+", "<", ">", "=",
];

/// Reads tokens one by one from a part of a text; positions are those of the whole text.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, range: Range<usize>) -> Self {
        Self {
            text,
            at: range.start,
            end: range.end,
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..self.end).unwrap_or("")
    }

    /// The next token and where it stands.
    pub(super) fn next(&mut self) -> Result<(Token, Range<usize>), ExpressionError> {
        self.at += self.rest().len() - self.rest().trim_start().len();
        let rest = self.rest();
        let start = self.at;
        let Some(first) = rest.chars().next() else {
            return Ok((Token::End, start..start));
        };
        if first.is_ascii_digit() {
            return self.number();
        }
        if first == '\'' || first == '"' {
            return self.quoted(first);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            self.at += length;
            return Ok((Token::Name(rest[..length].to_owned()), start..self.at));
        }
        for symbol in SYMBOLS {
            if rest.starts_with(symbol) {
                self.at += symbol.len();
                let at = start..self.at;
                if symbol == "=" {
                    let error = ExpressionError::new(at, "`=` does not compare, and nothing can be assigned");
                    return Err(ExpressionError {
                        replacement: Some("==".to_owned()),
                        ..error.help("write `==` to compare")
                    });
                }
                return Ok((Token::Symbol(symbol), at));
            }
        }
        let at = start..start + first.len_utf8();
        let error = ExpressionError::new(at, format!("`{}` has no meaning here", first.escape_debug()));
        Err(match first {
            '&' => ExpressionError {
                replacement: Some("&&".to_owned()),
                ..error.help("write `&&` for and")
            },
            '|' => ExpressionError {
                replacement: Some("||".to_owned()),
                ..error.help("write `||` for or")
            },
            '“' | '”' | '‘' | '’' | '`' => error.help("write texts in straight quotes: 'text'"),
            '$' => error.help("inside `${{ }}` names stand alone: `params.seed`"),
            _ => error,
        })
    }

    fn number(&mut self) -> Result<(Token, Range<usize>), ExpressionError> {
        let (rest, start) = (self.rest(), self.at);
        let bytes = rest.as_bytes();
        let digits = |from: usize| from + bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut length = digits(0);
        let mut is_float = false;
        if bytes.get(length) == Some(&b'.') && bytes.get(length + 1).is_some_and(u8::is_ascii_digit) {
            is_float = true;
            length = digits(length + 1);
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            if bytes.get(length + 1 + sign).is_some_and(u8::is_ascii_digit) {
                is_float = true;
                length = digits(length + 1 + sign);
            }
        }
        let word = length
            + rest[length..]
                .find(|c: char| !is_word(c))
                .unwrap_or(rest.len() - length);
        self.at = start + word;
        let at = start..self.at;
        if word > length {
            return Err(
                ExpressionError::new(at, format!("`{}` is not a number", &rest[..word]))
                    .help(format!("write a text in quotes: '{}'", &rest[..word])),
            );
        }
        let digits = &rest[..length];
        if is_float {
            match digits.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok((Token::Float(value), at)),
                _ => Err(ExpressionError::new(at, "number beyond the range of floats")),
            }
        } else {
            match digits.parse::<u64>() {
                Ok(value) if value <= 1 << 63 => Ok((Token::Integer(value), at)),
                _ => Err(beyond_integers(at)),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<(Token, Range<usize>), ExpressionError> {
        let (rest, start) = (self.rest(), self.at);
        let mut text = String::new();
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at = start + at + 1;
                return Ok((Token::Text(text), start..self.at));
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let Some((_, escape)) = chars.next() else { break };
            match escape {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                '\\' | '\'' | '"' => text.push(escape),
                'u' => {
                    let after = &rest[at + 2..];
                    let digits = after.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                    let character = digits
                        .filter(|(digits, _)| (1..=6).contains(&digits.len()))
                        .and_then(|(digits, _)| u32::from_str_radix(digits, 16).ok())
                        .and_then(char::from_u32);
                    let (Some((digits, _)), Some(character)) = (digits, character) else {
                        let at = start + at..start + at + 2;
                        return Err(ExpressionError::new(at, "`\\u` needs the number of a character")
                            .help("write it as in `\\u{e9}`"));
                    };
                    text.push(character);
                    for _ in 0..digits.len() + 2 {
                        chars.next();
                    }
                }
                _ => {
                    let at = start + at..start + at + 1 + escape.len_utf8();
                    return Err(ExpressionError::new(
                        at,
                        format!("`\\{}` is no escape", escape.escape_debug()),
                    )
                    .help("write `\\\\` for a backslash"));
                }
            }
        }
        let at = start..start + quote.len_utf8();
        Err(ExpressionError::new(
            at,
            format!("this text is not closed by `{quote}`"),
        ))
    }
}

pub(super) fn beyond_integers(at: Range<usize>) -> ExpressionError {
    ExpressionError::new(at, "number beyond the range of 64-bit integers")
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a text reads as one name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(is_word)
        && !matches!(text, "true" | "false" | "null" | "in")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
        let mut lexer = Lexer::new(text, 0..text.len());
        let mut all = Vec::new();
        loop {
            match lexer.next()? {
                (Token::End, _) => return Ok(all),
                (token, _) => all.push(token),
            }
        }
    }

    #[test]
    fn numbers_texts_and_names_are_told_apart() {
        assert_eq!(
            tokens("12 1.5e3 'a\\'b' \"\\u{e9}\" x_1.y").unwrap(),
            [
                Token::Integer(12),
                Token::Float(1500.0),
                Token::Text("a'b".into()),
                Token::Text("é".into()),
                Token::Name("x_1".into()),
                Token::Symbol("."),
                Token::Name("y".into()),
            ]
        );
    }

    #[test]
    fn what_is_no_token_is_refused_at_its_place() {
        for (text, at) in [
            ("1 + 10m", 4..7),
            ("a = 1", 2..3),
            ("'open", 0..1),
            ("'a\\qb'", 2..4),
            ("'\\u{110000}'", 1..3),
            ("9999999999999999999", 0..19),
            ("é", 0..2),
            ("a & b", 2..3),
        ] {
            assert_eq!(tokens(text).unwrap_err().at, at, "{text}");
        }
    }
}
