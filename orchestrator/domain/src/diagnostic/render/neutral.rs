//! Characters that would not show, or would do something to a terminal, made visible.

use std::borrow::Cow;

/// Longest message, note, name or label that is shown, in characters: a key of 10 MB is quoted in
/// its message.
const MAX_SHOWN: usize = 1_000;

/// What stands for a character on a screen; `None` for the character itself. Control characters
/// become their pictures (`␛`), those that reorder or hide text become `�`, so that no source can
/// colour, move or fake what is shown.
pub(super) fn replacement(c: char) -> Option<&'static str> {
    const PICTURES: [&str; 32] = [
        "␀", "␁", "␂", "␃", "␄", "␅", "␆", "␇", "␈", "    ", "␊", "␋", "␌", "␍", "␎", "␏", "␐", "␑", "␒",
        "␓", "␔", "␕", "␖", "␗", "␘", "␙", "␚", "␛", "␜", "␝", "␞", "␟",
    ];
    match c {
        '\0'..='\x1f' => PICTURES.get(c as usize).copied(),
        '\x7f' => Some("␡"),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => Some("�"),
        _ => None,
    }
}

/// A text of ours that may quote the source, fit to be shown on one line.
pub(super) fn neutral(text: &str) -> Cow<'_, str> {
    let longest = text.char_indices().nth(MAX_SHOWN).map(|(at, _)| at);
    if longest.is_none() && !text.chars().any(|c| replacement(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len().min(4 * MAX_SHOWN));
    for c in text[..longest.unwrap_or(text.len())].chars() {
        match replacement(c) {
            Some(instead) => shown.push_str(instead),
            None => shown.push(c),
        }
    }
    if longest.is_some() {
        shown.push('…');
    }
    Cow::Owned(shown)
}
