//! Which dialect a file is written in: as its options say, else by its beginning.

use crate::options::OptionsFault;
use crate::split::{Dialect, Found};
use trainyard_contract::ReaderOptions as Options;

/// Delimiters that are looked for, the most usual first.
const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Records of the beginning that are looked at.
const LOOKED_AT: usize = 200;

fn ascii(option: &'static str, given: Option<char>) -> Result<Option<u8>, OptionsFault> {
    match given {
        None => Ok(None),
        Some(character) if character.is_ascii() && !matches!(character, '\n' | '\r' | '\0') => {
            Ok(u8::try_from(character).ok())
        }
        Some(_) => Err(OptionsFault::new(
            option,
            "must be one ASCII character and no line end",
        )),
    }
}

/// The dialect of a file that begins with `sample`; `is_whole` if that is all of it.
pub(crate) fn of(options: &Options, sample: &str, is_whole: bool) -> Result<Dialect, OptionsFault> {
    let given = ascii("delimiter", options.delimiter)?;
    let quote = ascii("quote", options.quote)?.unwrap_or(b'"');
    let escape = ascii("escape", options.escape)?;
    let quote = options.quoting.unwrap_or(true).then_some(quote);
    if given.is_some() && (given == quote || given == escape) {
        return Err(OptionsFault::new(
            "delimiter",
            "is the quote or the escape as well",
        ));
    }
    if options
        .comment
        .as_ref()
        .is_some_and(|comment| comment.is_empty() || comment.contains('\n'))
    {
        return Err(OptionsFault::new("comment", "must be a text within a line"));
    }
    let has_line_feed = sample.contains('\n');
    // The last byte may be the first half of a line end.
    let has_lone_return =
        sample.strip_suffix('\r').unwrap_or(sample).contains('\r') || is_whole && sample.ends_with('\r');
    let end = if !has_line_feed && has_lone_return {
        b'\r'
    } else {
        b'\n'
    };
    let dialect = |delimiter| Dialect {
        delimiter,
        quote,
        escape,
        comment: options.comment.clone(),
        end,
    };
    if let Some(delimiter) = given {
        return Ok(dialect(delimiter));
    }
    let mut best: Option<((usize, usize), u8)> = None;
    for candidate in CANDIDATES {
        if Some(candidate) == quote || Some(candidate) == escape {
            continue;
        }
        let Some(score) = evenness(&dialect(candidate), options.skip_rows, sample, is_whole) else {
            continue;
        };
        if best.is_none_or(|(highest, _)| score > highest) {
            best = Some((score, candidate));
        }
    }
    Ok(dialect(best.map_or(b',', |(_, delimiter)| delimiter)))
}

/// Where the text begins after lines that are skipped.
pub(crate) fn after_lines(dialect: &Dialect, text: &str, lines: u32) -> Option<usize> {
    let mut at = 0;
    for _ in 0..lines {
        at += memchr::memchr(dialect.end, text.as_bytes().get(at..)?)? + 1;
    }
    Some(at)
}

/// How many records in a thousand have the most frequent number of fields, and that number; nothing if
/// it divides nothing.
fn evenness(dialect: &Dialect, skipped: u32, sample: &str, is_whole: bool) -> Option<(usize, usize)> {
    let mut from = after_lines(dialect, sample, skipped)?;
    let mut counts: Vec<usize> = Vec::new();
    let mut fields = Vec::new();
    while from < sample.len() && counts.len() < LOOKED_AT {
        let Found::Record { end, next } = dialect.record(sample.as_bytes(), from, is_whole) else {
            break;
        };
        let record = &sample[from..end];
        from = next;
        if record.is_empty() || dialect.is_comment(record) {
            continue;
        }
        let is_whole_record = dialect.fields(record.as_bytes(), &mut fields);
        counts.push(if is_whole_record { fields.len() } else { 0 });
    }
    let total = counts.len();
    counts.sort_unstable();
    let (width, frequency) = counts
        .chunk_by(|a, b| a == b)
        .map(|same| (same[0], same.len()))
        .filter(|(width, _)| *width > 1)
        .max_by_key(|(width, frequency)| (*frequency, *width))?;
    Some((frequency * 1000 / total, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delimiter(sample: &str) -> char {
        char::from(of(&Options::default(), sample, true).unwrap().delimiter)
    }

    #[test]
    fn the_delimiter_is_the_one_that_divides_evenly() {
        assert_eq!(delimiter("a,b\n1,2\n"), ',');
        assert_eq!(delimiter("a;b\n1,5;2,5\n"), ';');
        assert_eq!(delimiter("a\tb c\n1\t2, 3\n"), '\t');
        assert_eq!(delimiter("a|b|c\n1|2|3\n"), '|');
        assert_eq!(delimiter("name;note\nx;\"a,b\"\ny;\"c,d\"\n"), ';');
        assert_eq!(delimiter("a\n1\n"), ',');
        assert_eq!(delimiter("a,b\n1,2\n3,4\n5\n6,7\n"), ',');
    }

    #[test]
    fn lines_end_as_most_files_do_or_as_old_macs_did() {
        assert_eq!(of(&Options::default(), "a,b\r1,2\r", true).unwrap().end, b'\r');
        assert_eq!(
            of(&Options::default(), "a,b\r\n1,2\r\n", true).unwrap().end,
            b'\n'
        );
        assert_eq!(of(&Options::default(), "a,b", true).unwrap().end, b'\n');
    }

    #[test]
    fn characters_that_cannot_be_told_apart_are_refused() {
        let options = Options {
            delimiter: Some('"'),
            ..Options::default()
        };
        assert_eq!(of(&options, "a", true).unwrap_err().option, "delimiter");
        let options = Options {
            quote: Some('é'),
            ..Options::default()
        };
        assert_eq!(of(&options, "a", true).unwrap_err().option, "quote");
    }
}
