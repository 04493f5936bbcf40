//! Operations on texts. Places and lengths count characters.

use crate::value::Value;
use std::borrow::Cow;
use std::fmt::Write;

/// An operation on texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TextOp {
    Length,
    Bytes,
    Bits,
    Lower,
    Upper,
    Reverse,
    /// The text, and characters to take off; blanks if there are none.
    Trim(Side),
    Left,
    Right,
    /// To a length.
    Pad(Side, char),
    Replace,
    Split,
    Substring,
    Position,
    Starts,
    Ends,
    /// Missing ones are left out.
    Concat,
    /// The same with a text between.
    Between(String),
    /// Missing if one is.
    Join,
}

/// Sides of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Both,
    Start,
    End,
}

/// Longest text that padding makes.
const MAX_PADDED: usize = 1 << 20;

impl TextOp {
    pub(crate) fn apply<'v>(&self, args: &mut [Value<'v>]) -> Value<'v> {
        match self {
            Self::Concat => return concat(args, ""),
            Self::Between(between) => return concat(args, between),
            Self::Position => {
                let found = match args {
                    [Value::Text(text), Value::Text(part)] => text.find(&**part).map_or(0, |at| at + 1),
                    _ => 0,
                };
                return count(found);
            }
            _ => {}
        }
        if args.iter().any(Value::is_null) {
            return Value::Null;
        }
        match (self, args) {
            (Self::Join, [Value::Text(one), Value::Text(other)]) => {
                Value::Text(Cow::Owned(format!("{one}{other}")))
            }
            (Self::Length, [Value::Text(text)]) => count(text.chars().count()),
            (Self::Bytes, [Value::Text(text)]) => count(text.len()),
            (Self::Bits, [Value::Text(text)]) => count(text.len() * 8),
            (Self::Lower, [Value::Text(text)]) => Value::text(text.to_lowercase()),
            (Self::Upper, [Value::Text(text)]) => Value::text(text.to_uppercase()),
            (Self::Reverse, [Value::Text(text)]) => Value::text(text.chars().rev().collect::<String>()),
            (Self::Trim(side), [Value::Text(text)]) => cut(text, |text| match side {
                Side::Both => text.trim(),
                Side::Start => text.trim_start(),
                Side::End => text.trim_end(),
            }),
            (Self::Trim(side), [Value::Text(text), Value::Text(of)]) => {
                let is_one = |letter: char| of.contains(letter);
                cut(text, |text| match side {
                    Side::Both => text.trim_matches(is_one),
                    Side::Start => text.trim_start_matches(is_one),
                    Side::End => text.trim_end_matches(is_one),
                })
            }
            (Self::Left, [Value::Text(text), Value::Int(wanted)]) => {
                let kept = kept(text, *wanted);
                cut(text, |text| slice(text, 0, Some(kept)))
            }
            (Self::Right, [Value::Text(text), Value::Int(wanted)]) => {
                let length = text.chars().count();
                let kept = kept(text, *wanted);
                cut(text, |text| slice(text, length.saturating_sub(kept), None))
            }
            (Self::Pad(side, with), [Value::Text(text), Value::Int(wanted)]) => {
                let wanted = usize::try_from(*wanted).unwrap_or(0).min(MAX_PADDED);
                let length = text.chars().count();
                if length >= wanted {
                    return cut(text, |text| slice(text, 0, Some(wanted)));
                }
                let padding: String = std::iter::repeat_n(*with, wanted - length).collect();
                Value::text(match side {
                    Side::End => format!("{text}{padding}"),
                    Side::Start | Side::Both => format!("{padding}{text}"),
                })
            }
            (Self::Replace, [Value::Text(text), Value::Text(old), Value::Text(new)]) => {
                Value::text(text.replace(&**old, new))
            }
            (Self::Split, [Value::Text(text), Value::Text(at), Value::Int(wanted)]) => {
                Value::text(part(text, at, *wanted).to_owned())
            }
            (Self::Substring, [Value::Text(text), Value::Int(start)]) => {
                let skip = usize::try_from(start.saturating_sub(1)).unwrap_or(0);
                cut(text, |text| slice(text, skip, None))
            }
            (Self::Substring, [Value::Text(text), Value::Int(start), Value::Int(length)]) => {
                let before = start.saturating_sub(1);
                let (skip, take) = if before < 0 {
                    (0, length.saturating_add(before))
                } else {
                    (before, *length)
                };
                let (skip, take) = (
                    usize::try_from(skip).unwrap_or(usize::MAX),
                    usize::try_from(take).unwrap_or(0),
                );
                cut(text, |text| slice(text, skip, Some(take)))
            }
            (Self::Starts, [Value::Text(text), Value::Text(with)]) => {
                Value::Boolean(text.starts_with(&**with))
            }
            (Self::Ends, [Value::Text(text), Value::Text(with)]) => Value::Boolean(text.ends_with(&**with)),
            _ => Value::Null,
        }
    }
}

fn count<'v>(number: usize) -> Value<'v> {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A piece of a text: without a copy if it is borrowed.
fn cut<'v>(text: &mut Cow<'v, str>, of: impl FnOnce(&str) -> &str) -> Value<'v> {
    match std::mem::take(text) {
        Cow::Borrowed(text) => Value::Text(Cow::Borrowed(of(text))),
        Cow::Owned(text) => Value::Text(Cow::Owned(of(&text).to_owned())),
    }
}

/// How many characters `LEFT` and `RIGHT` keep; a negative number says how many they drop.
fn kept(text: &str, wanted: i64) -> usize {
    match usize::try_from(wanted) {
        Ok(wanted) => wanted,
        Err(_) => {
            let dropped = usize::try_from(wanted.unsigned_abs()).unwrap_or(usize::MAX);
            text.chars().count().saturating_sub(dropped)
        }
    }
}

fn slice(text: &str, skip: usize, take: Option<usize>) -> &str {
    let at = |text: &str, count: usize| text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    let rest = text.get(at(text, skip)..).unwrap_or_default();
    match take {
        None => rest,
        Some(take) => rest.get(..at(rest, take)).unwrap_or_default(),
    }
}

fn part<'t>(text: &'t str, at: &str, wanted: i64) -> &'t str {
    let nth = |nth: i64| usize::try_from(nth - 1).ok();
    let found = match wanted {
        1.. => nth(wanted).and_then(|nth| text.split(at).nth(nth)),
        0 => None,
        _ => {
            let parts: Vec<&str> = text.split(at).collect();
            nth(wanted.saturating_neg()).and_then(|nth| parts.iter().rev().nth(nth).copied())
        }
    };
    found.unwrap_or_default()
}

fn concat<'v>(args: &[Value<'v>], between: &str) -> Value<'v> {
    let mut text = String::new();
    let mut first = true;
    for value in args {
        let Value::Text(piece) = value else { continue };
        if !first {
            text.push_str(between);
        }
        first = false;
        let _ = text.write_str(piece);
    }
    Value::text(text)
}

/// A `LIKE` pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
    folds_case: bool,
    negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// `%`
    Many,
    /// `_`
    One,
    Letter(char),
}

impl Pattern {
    pub(crate) fn new(text: &str, folds_case: bool, negated: bool) -> Self {
        let pieces = text.chars().map(|letter| match letter {
            '%' => Piece::Many,
            '_' => Piece::One,
            letter => Piece::Letter(letter),
        });
        Self {
            pieces: pieces.collect(),
            folds_case,
            negated,
        }
    }

    fn is(&self, piece: Piece, letter: char) -> bool {
        match piece {
            Piece::Many => false,
            Piece::One => true,
            Piece::Letter(wanted) if self.folds_case => {
                wanted == letter || wanted.to_lowercase().eq(letter.to_lowercase())
            }
            Piece::Letter(wanted) => wanted == letter,
        }
    }

    /// Whether a text is like it, or unlike if negated. Takes text times pattern steps at worst.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut at = 0;
        // Where to go on if what follows the last `%` does not fit: one character further.
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            match self.pieces.get(at) {
                Some(Piece::Many) => {
                    at += 1;
                    retry = Some((at, rest.clone()));
                    continue;
                }
                Some(piece) => {
                    let mut ahead = rest.clone();
                    if let Some(letter) = ahead.next()
                        && self.is(*piece, letter)
                    {
                        rest = ahead;
                        at += 1;
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return !self.negated,
                None => {}
            }
            let Some((after, from)) = &mut retry else {
                return self.negated;
            };
            if from.next().is_none() {
                return self.negated;
            }
            rest = from.clone();
            at = *after;
        }
    }
}
