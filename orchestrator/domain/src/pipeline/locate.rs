//! From paths of a document, and words within its texts, to positions.

use super::reader::{Content, Found, Node, Scalar};
use crate::diagnostic::{Sources, Span};
use trainyard_contract::{Path, Segment};

/// What to underline for the thing a path leads to, or for the nearest parent that exists: a text
/// itself, a list or map that is longer than a line by its key.
pub(crate) fn of_path(sources: &Sources, root: &Node, path: &Path) -> Span {
    let found = root.find(&path.0);
    if found.depth < path.0.len()
        && let Some(key) = found.key
    {
        return key;
    }
    of_found(sources, found)
}

/// What to underline for the key at the end of a path.
pub(crate) fn of_key(sources: &Sources, root: &Node, path: &Path) -> Span {
    let found = root.find(&path.0);
    found.key.unwrap_or_else(|| of_found(sources, found))
}

fn of_found(sources: &Sources, found: Found<'_>) -> Span {
    let span = found.node.span;
    let text = sources
        .file(span.file)
        .and_then(|file| file.text.get(span.start..span.end))
        .unwrap_or("");
    if !text.contains('\n') {
        return span;
    }
    found.key.unwrap_or_else(|| Span {
        end: span.start + text.find('\n').unwrap_or(0),
        ..span
    })
}

/// Where a word stands within a scalar, as written in the file; the scalar's first line if it does
/// not stand there as it is (an escape may spell it otherwise).
pub(crate) fn of_word(sources: &Sources, node: &Node, word: &str) -> Option<Span> {
    let text = sources
        .file(node.span.file)?
        .text
        .get(node.span.start..node.span.end)?;
    let at = whole_word(text, word)?;
    let start = node.span.start + at;
    Some(Span {
        start,
        end: start + word.len(),
        ..node.span
    })
}

/// The first place where `word` stands and is not part of a longer name.
fn whole_word(text: &str, word: &str) -> Option<usize> {
    if word.is_empty() {
        return None;
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (first, last) = (word.chars().next()?, word.chars().next_back()?);
    let mut from = 0;
    while let Some(found) = text[from..].find(word) {
        let at = from + found;
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let joined_before = is_part(first) && before.is_some_and(is_part);
        let joined_after = is_part(last) && after.is_some_and(is_part);
        if !joined_before && !joined_after {
            return Some(at);
        }
        from = at + first.len_utf8();
    }
    None
}

/// Bytes `range` of a text's value, as a place in the file. Exact where the text is written as it
/// is; else the whole scalar.
pub(crate) fn of_range(sources: &Sources, node: &Node, range: std::ops::Range<usize>) -> Span {
    let whole = Span {
        end: first_line_end(sources, node.span),
        ..node.span
    };
    let Some(written) = sources
        .file(node.span.file)
        .and_then(|file| file.text.get(node.span.start..node.span.end))
    else {
        return whole;
    };
    let Content::Scalar(Scalar::Text(text)) = &node.content else {
        return whole;
    };
    if let Some(span) = in_block(written, text, &range) {
        return Span {
            start: node.span.start + span.start,
            end: node.span.start + span.end,
            ..node.span
        };
    }
    if let Some(at) = written.find(&**text) {
        let start = node.span.start + at + range.start;
        return Span {
            start,
            end: (start + range.len()).min(node.span.end),
            ..node.span
        };
    }
    // Escaped, folded or indented: the piece itself may still stand there once.
    let Some(piece) = text.get(range).filter(|piece| !piece.is_empty()) else {
        return whole;
    };
    let mut places = written.match_indices(piece);
    match (places.next(), places.next()) {
        (Some((at, _)), None) => {
            let start = node.span.start + at;
            Span {
                start,
                end: start + piece.len(),
                ..node.span
            }
        }
        (Some(_), Some(_)) => of_word(sources, node, piece).unwrap_or(whole),
        _ => whole,
    }
}

/// Bytes `range` of the value of a text that runs over several lines, in the text as written: a
/// block or a folded text differs from its value in white space only.
fn in_block(written: &str, value: &str, range: &std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
    if !written.contains('\n') || value.get(range.clone())?.is_empty() {
        return None;
    }
    // The header of a block stands on its first line.
    let body = match written.starts_with(['|', '>']) {
        true => written.find('\n')? + 1,
        false => 0,
    };
    let mut letters = written
        .get(body..)?
        .char_indices()
        .filter(|(_, letter)| !letter.is_whitespace());
    let mut place: Option<std::ops::Range<usize>> = None;
    for (at, letter) in value.char_indices().filter(|(_, letter)| !letter.is_whitespace()) {
        let (there, same) = letters.next()?;
        if same != letter {
            return None;
        }
        if range.contains(&at) {
            let end = body + there + letter.len_utf8();
            place = Some(place.map_or(body + there, |place| place.start)..end);
        } else if at >= range.end {
            break;
        }
    }
    place
}

fn first_line_end(sources: &Sources, span: Span) -> usize {
    let text = sources
        .file(span.file)
        .and_then(|file| file.text.get(span.start..span.end))
        .unwrap_or("");
    span.start + text.find('\n').unwrap_or(text.len())
}

/// Where a word named by a finding stands: in the scalar at `path`, there at `range` if that is
/// said, or in any text or key below it.
pub(crate) fn of_finding(
    sources: &Sources,
    root: &Node,
    path: &Path,
    word: Option<&str>,
    range: Option<std::ops::Range<usize>>,
) -> Span {
    let Some(word) = word else {
        return of_path(sources, root, path);
    };
    let found = root.find(&path.0);
    // With values put in, the text is no longer what stands in the file.
    let written = found.node.text().filter(|_| found.depth == path.0.len());
    if let (Some(range), Some(text)) = (range, written)
        && text.get(range.clone()) == Some(word)
    {
        return of_range(sources, found.node, range);
    }
    if found.depth == path.0.len()
        && let Some(span) = of_word_below(sources, found.node, word)
    {
        return span;
    }
    if let (Some(key), Some(Segment::Key(last))) = (found.key, path.0.last())
        && last == word
    {
        return key;
    }
    of_path(sources, root, path)
}

/// Where a word stands in any text or key below a node.
pub(crate) fn of_word_below(sources: &Sources, node: &Node, word: &str) -> Option<Span> {
    match &node.content {
        Content::Scalar(_) => of_word(sources, node, word),
        Content::List(items) => items.iter().find_map(|item| of_word_below(sources, item, word)),
        Content::Map(entries) => entries.iter().find_map(|entry| {
            if &*entry.key == word {
                return Some(entry.key_span);
            }
            of_word_below(sources, &entry.value, word)
        }),
        Content::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::reader::read;

    fn located(text: &str, path: &Path, word: Option<&str>) -> (usize, usize, String) {
        let mut sources = Sources::default();
        let id = sources.add("a.yaml", text);
        let root = read(id, text).0.unwrap().root;
        let span = of_finding(&sources, &root, path, word, None);
        let file = sources.file(id).unwrap();
        let (line, column) = file.line_column(span.start);
        (line, column, text[span.start..span.end].to_owned())
    }

    #[test]
    fn a_word_is_found_whole_in_quoted_and_block_texts() {
        let expr = Path::root().key("expr");
        assert_eq!(
            located("expr: \"a_b + b\"\n", &expr, Some("b")),
            (1, 14, "b".into())
        );
        assert_eq!(
            located("expr: |\n  select x,\n    dep_delay\n", &expr, Some("dep_delay")),
            (3, 5, "dep_delay".into())
        );
        assert_eq!(
            located("expr: [x, 'dep_delay']\n", &expr, Some("dep_delay")),
            (1, 12, "dep_delay".into())
        );
    }

    #[test]
    fn the_second_of_two_equal_words_of_a_block_is_found_where_it_stands() {
        let cases = [
            ("q: |\n  select x,\n    x\n", 12..13, (3, 5)),
            ("q: >-\n  select x,\n  x\n", 10..11, (3, 3)),
            ("q: select x,\n   x\n", 10..11, (2, 4)),
            ("q: 'select x, x'\n", 10..11, (1, 15)),
        ];
        for (text, range, place) in cases {
            let mut sources = Sources::default();
            let id = sources.add("a.yaml", text);
            let root = read(id, text).0.unwrap().root;
            let path = Path::root().key("q");
            let value = root.find(&path.0).node.text().unwrap();
            assert_eq!(&value[range.clone()], "x", "{value:?}");
            let span = of_finding(&sources, &root, &path, Some("x"), Some(range));
            let found = sources.file(id).unwrap().line_column(span.start);
            assert_eq!((found, span.end - span.start), (place, 1), "{text}");
        }
    }

    #[test]
    fn what_does_not_exist_is_shown_at_the_nearest_parent() {
        let path = Path::root().key("a").key("b").key("nothing");
        assert_eq!(located("a:\n  b:\n    c: 1\n", &path, None), (2, 3, "b".into()));
        assert_eq!(
            located("a:\n  b: {c: 1}\n", &Path::root().key("a").key("b"), None),
            (2, 6, "{c: 1}".into())
        );
    }
}
