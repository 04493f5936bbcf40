//! Delimited text taken apart: into records, and records into fields.

use memchr::{memchr, memchr2, memchr3};
use std::borrow::Cow;

/// What separates and protects in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<String>,
    /// The byte that ends a record; a carriage return before a line feed belongs to the end.
    pub(crate) end: u8,
}

/// The next record of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It ends before `end`, and the one after it begins at `next`.
    Record { end: usize, next: usize },
    /// The text ends before the record does. `line` is where its first line ends, as for a record.
    Open {
        line: Option<(usize, usize)>,
        in_quotes: bool,
    },
}

/// A field's place in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// It holds doubled quotes or escapes.
    pub(crate) is_escaped: bool,
}

/// The byte in all eight places of a word.
const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of each byte that is the same in both words (Hacker's Delight, 2nd edition, 6-1).
const fn equal_bytes(one: u64, other: u64) -> u64 {
    const LOW: u64 = repeated(0x7f);
    let differs = one ^ other;
    !(((differs & LOW) + LOW) | differs | LOW)
}

impl Dialect {
    /// The record that begins at `from`; with `is_last`, the end of the text ends it.
    pub(crate) fn record(&self, text: &[u8], from: usize, is_last: bool) -> Found {
        let mut at = from;
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let hit = match (self.quote, self.escape) {
                (None, None) => memchr(self.end, rest),
                (Some(quote), None) => memchr2(self.end, quote, rest),
                (None, Some(escape)) => memchr2(self.end, escape, rest),
                (Some(quote), Some(escape)) => memchr3(self.end, quote, escape, rest),
            };
            let Some(hit) = hit.map(|hit| at + hit) else {
                return self.at_end(text, from, is_last, false);
            };
            let byte = text[hit];
            if byte == self.end {
                return self.ended(text, from, hit);
            }
            if Some(byte) == self.escape && self.quote != self.escape {
                at = hit + 2;
                continue;
            }
            let begins_field = hit == from || text[hit - 1] == self.delimiter;
            if !begins_field {
                at = hit + 1;
                continue;
            }
            match self.closing(text, hit + 1, is_last) {
                Some(closing) => at = closing + 1,
                None => return self.at_end(text, from, is_last, true),
            }
        }
    }

    /// The quote that closes what was opened before `from`.
    fn closing(&self, text: &[u8], from: usize, is_last: bool) -> Option<usize> {
        let quote = self.quote?;
        let mut at = from;
        loop {
            let rest = text.get(at..)?;
            let hit = at
                + match self.escape.filter(|escape| *escape != quote) {
                    None => memchr(quote, rest)?,
                    Some(escape) => memchr2(quote, escape, rest)?,
                };
            if text[hit] != quote {
                at = hit + 2;
                continue;
            }
            match text.get(hit + 1) {
                Some(next) if *next == quote => at = hit + 2,
                // It may be the first of two.
                None if !is_last => return None,
                _ => return Some(hit),
            }
        }
    }

    fn ended(&self, text: &[u8], from: usize, hit: usize) -> Found {
        let is_crlf = self.end == b'\n' && hit > from && text[hit - 1] == b'\r';
        Found::Record {
            end: hit - usize::from(is_crlf),
            next: hit + 1,
        }
    }

    fn at_end(&self, text: &[u8], from: usize, is_last: bool, in_quotes: bool) -> Found {
        if is_last && !in_quotes {
            let is_cr = text.len() > from && text.last() == Some(&b'\r');
            return Found::Record {
                end: text.len() - usize::from(is_cr),
                next: text.len(),
            };
        }
        let line = memchr(self.end, &text[from..]).map(|hit| match self.ended(text, from, from + hit) {
            Found::Record { end, next } => (end, next),
            Found::Open { .. } => (from + hit, from + hit + 1),
        });
        Found::Open { line, in_quotes }
    }

    /// Whether the line that begins here is a remark.
    pub(crate) fn is_comment(&self, text: &str) -> bool {
        self.comment
            .as_ref()
            .is_some_and(|comment| text.starts_with(comment.as_str()))
    }

    /// The fields of a record, whose text has no line end; false if text follows a closing quote.
    pub(crate) fn fields(&self, record: &[u8], fields: &mut Vec<Field>) -> bool {
        fields.clear();
        if self.escape.is_none() && self.cut(record, fields) {
            return true;
        }
        fields.clear();
        let mut start = 0;
        loop {
            let is_quoted = self.quote.is_some() && record.get(start).copied() == self.quote;
            let end = if is_quoted {
                let Some(closing) = self.closing(record, start + 1, true) else {
                    return false;
                };
                let inner = &record[start + 1..closing];
                let has = |byte: Option<u8>| byte.is_some_and(|byte| memchr(byte, inner).is_some());
                let is_escaped = has(self.quote) || has(self.escape);
                fields.push(Field {
                    start: start + 1,
                    end: closing,
                    is_escaped,
                });
                closing + 1
            } else {
                let mut at = start;
                let mut is_escaped = false;
                let end = loop {
                    let rest = &record[at.min(record.len())..];
                    let hit = match self.escape {
                        // Fields are short: a search that must first be set up costs more than it saves.
                        None => rest.iter().position(|byte| *byte == self.delimiter),
                        Some(escape) => memchr2(self.delimiter, escape, rest),
                    };
                    match hit.map(|hit| at + hit) {
                        None => break record.len(),
                        Some(hit) if record[hit] == self.delimiter => break hit,
                        Some(hit) => {
                            is_escaped = true;
                            at = hit + 2;
                        }
                    }
                };
                fields.push(Field {
                    start,
                    end,
                    is_escaped,
                });
                end
            };
            match record.get(end) {
                None => return true,
                Some(byte) if *byte == self.delimiter => start = end + 1,
                Some(_) => return false,
            }
        }
    }

    /// Cuts a record without quotes at its delimiters, eight bytes at a time; false if it has a quote.
    fn cut(&self, record: &[u8], fields: &mut Vec<Field>) -> bool {
        let (delimiter, quote) = (repeated(self.delimiter), self.quote.map(repeated));
        let mut start = 0;
        let mut end = |end: usize| {
            fields.push(Field {
                start,
                end,
                is_escaped: false,
            });
            start = end + 1;
        };
        let (words, rest) = record.as_chunks::<8>();
        for (nth, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            if quote.is_some_and(|quote| equal_bytes(word, quote) != 0) {
                return false;
            }
            let mut hits = equal_bytes(word, delimiter);
            while hits != 0 {
                end(nth * 8 + hits.trailing_zeros() as usize / 8);
                hits &= hits - 1;
            }
        }
        for (at, byte) in rest.iter().enumerate() {
            if Some(*byte) == self.quote {
                return false;
            }
            if *byte == self.delimiter {
                end(words.len() * 8 + at);
            }
        }
        end(record.len());
        true
    }

    /// A field's text.
    pub(crate) fn text<'t>(&self, record: &'t str, field: Field) -> Cow<'t, str> {
        let raw = record.get(field.start..field.end).unwrap_or_default();
        if !field.is_escaped {
            return Cow::Borrowed(raw);
        }
        let mut text = String::with_capacity(raw.len());
        let mut characters = raw.chars();
        let is = |byte: Option<u8>, character: char| byte.is_some_and(|byte| char::from(byte) == character);
        while let Some(character) = characters.next() {
            let stands_for_next = is(self.escape, character) || is(self.quote, character);
            match stands_for_next.then(|| characters.next()).flatten() {
                Some(next) => text.push(next),
                None => text.push(character),
            }
        }
        Cow::Owned(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dialect() -> Dialect {
        Dialect {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            comment: None,
            end: b'\n',
        }
    }

    fn records(dialect: &Dialect, text: &str) -> Vec<Vec<String>> {
        let mut from = 0;
        let mut records = Vec::new();
        while from < text.len() {
            let Found::Record { end, next } = dialect.record(text.as_bytes(), from, true) else {
                break;
            };
            let record = &text[from..end];
            let mut fields = Vec::new();
            assert!(dialect.fields(record.as_bytes(), &mut fields), "{record}");
            records.push(
                fields
                    .iter()
                    .map(|field| dialect.text(record, *field).into_owned())
                    .collect(),
            );
            from = next;
        }
        records
    }

    #[test]
    fn quotes_protect_delimiters_line_ends_and_quotes() {
        let text = "a,\"b,c\",\"d\ne\",\"f\"\"g\"\r\n5\" pipe,,\"\",x\n";
        assert_eq!(
            records(&dialect(), text),
            [["a", "b,c", "d\ne", "f\"g"], ["5\" pipe", "", "", "x"]]
        );
    }

    #[test]
    fn an_escape_takes_its_meaning_from_what_it_stands_before() {
        let escaped = Dialect {
            escape: Some(b'\\'),
            ..dialect()
        };
        let text = "a\\,b,\"c\\\"d\",e\\\nf\n";
        assert_eq!(records(&escaped, text), [["a,b", "c\"d", "e\nf"]]);
    }

    #[test]
    fn lines_end_with_a_carriage_return_where_the_file_says_so() {
        let old = Dialect {
            end: b'\r',
            ..dialect()
        };
        assert_eq!(records(&old, "a,b\rc,\"d\re\"\r"), [["a", "b"], ["c", "d\re"]]);
    }

    #[test]
    fn a_quote_that_is_never_closed_leaves_its_first_line() {
        let found = dialect().record(b"a,\"b\nc,d\n", 0, true);
        assert_eq!(
            found,
            Found::Open {
                line: Some((4, 5)),
                in_quotes: true
            }
        );
        let mut fields = Vec::new();
        assert!(!dialect().fields(b"\"a\"b,c", &mut fields));
    }

    proptest! {
        #[test]
        fn what_the_csv_rules_write_is_read_back(rows in prop::collection::vec(prop::collection::vec("[a-c,\"\n\r é]{0,6}", 2..4), 1..6)) {
            let mut text = String::new();
            for row in &rows {
                let quoted: Vec<String> = row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
                text.push_str(&quoted.join(","));
                text.push_str("\r\n");
            }
            prop_assert_eq!(records(&dialect(), &text), rows);
        }

        #[test]
        fn a_record_without_quotes_is_cut_at_each_delimiter(record in "[ -~é]{0,40}") {
            let record = record.replace('"', "");
            let mut fields = Vec::new();
            prop_assert!(dialect().fields(record.as_bytes(), &mut fields));
            let cut: Vec<&str> = fields.iter().map(|field| &record[field.start..field.end]).collect();
            prop_assert_eq!(cut, record.split(',').collect::<Vec<_>>());
        }

        #[test]
        fn no_text_makes_it_panic_or_stand_still(text in "[a,\"\\\\\n\r]{0,40}", escape in any::<bool>()) {
            let dialect = Dialect { escape: escape.then_some(b'\\'), ..dialect() };
            let mut from = 0;
            let mut fields = Vec::new();
            while from < text.len() {
                let (end, next) = match dialect.record(text.as_bytes(), from, true) {
                    Found::Record { end, next } => (end, next),
                    Found::Open { line, .. } => line.unwrap_or((text.len(), text.len())),
                };
                prop_assert!(next > from);
                let record = &text[from..end.max(from)];
                dialect.fields(record.as_bytes(), &mut fields);
                for field in &fields {
                    dialect.text(record, *field);
                }
                from = next;
            }
        }
    }
}
