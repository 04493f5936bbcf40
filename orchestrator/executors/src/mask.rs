//! Takes secrets out of text, as they are and in the encodings in which they usually escape.

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What stands in place of a secret.
const MASK: &str = "***";

/// From this many bytes on, parts of a secret are masked, too: `base64` and others break lines.
const WINDOW: usize = 16;

/// Finds values that must not be shown.
#[derive(Default)]
pub(crate) struct Masker {
    patterns: Option<AhoCorasick>,
    /// Bytes of the longest pattern.
    longest: usize,
}

impl Masker {
    /// Masks those values, and each line of values of several lines.
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = BTreeSet::new();
        for value in values {
            for part in std::iter::once(value).chain(value.lines().filter(|line| line.len() >= 8)) {
                let part = part.trim_end_matches(['\n', '\r']);
                if !part.is_empty() {
                    add_forms(part, &mut patterns);
                }
            }
        }
        let longest = patterns.iter().map(Vec::len).max().unwrap_or(0);
        // Building fails only beyond gigabytes of patterns; masking everything is then the safe side.
        let patterns = if patterns.is_empty() {
            None
        } else {
            AhoCorasick::new(&patterns).ok()
        };
        Self { patterns, longest }
    }

    /// Bytes that must be looked at together so that no secret is seen only in part.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether there is a secret in the text.
    pub(crate) fn finds(&self, text: &[u8]) -> bool {
        self.patterns
            .as_ref()
            .is_some_and(|patterns| patterns.is_match(text))
    }

    /// The text with every secret replaced; nothing if there is none in it.
    pub(crate) fn masked(&self, text: &[u8]) -> Option<Vec<u8>> {
        let patterns = self.patterns.as_ref()?;
        let mut hidden: Vec<(usize, usize)> = Vec::new();
        for found in patterns.find_overlapping_iter(text) {
            hidden.push((found.start(), found.end()));
        }
        if hidden.is_empty() {
            return None;
        }
        hidden.sort_unstable();
        let mut masked = Vec::with_capacity(text.len());
        let mut shown = 0;
        for (start, end) in hidden {
            if start >= shown {
                // Neighbours that touch become one mask, so that it tells nothing of their number.
                if start > shown || shown == 0 {
                    masked.extend_from_slice(&text[shown..start]);
                    masked.extend_from_slice(MASK.as_bytes());
                }
            }
            shown = shown.max(end);
        }
        masked.extend_from_slice(&text[shown..]);
        Some(masked)
    }
}

fn add_forms(secret: &str, patterns: &mut BTreeSet<Vec<u8>>) {
    let bytes = secret.as_bytes();
    add(bytes, patterns);
    if bytes.len() < 4 {
        // Encodings of so little text turn up everywhere.
        return;
    }
    for engine in [&STANDARD, &URL_SAFE] {
        for before in 0..3 {
            // Inside a longer text, base64 of a secret has one of three forms, by the number of
            // bytes before it. Characters that depend on the neighbours are left off.
            let mut text = vec![0; before];
            text.extend_from_slice(bytes);
            let encoded = engine.encode(&text).into_bytes();
            let from = [0, 2, 3][before];
            let to = text.len() * 8 / 6;
            if to > from + 4 {
                add(&encoded[from..to], patterns);
            }
        }
    }
    let (mut upper, mut lower, mut every) = (String::new(), String::new(), String::new());
    let (mut hex_upper, mut hex_lower) = (String::new(), String::new());
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        // Writing to a `String` does not fail.
        let _ = if plain {
            upper.push(char::from(byte));
            write!(lower, "{}", char::from(byte))
        } else {
            write!(upper, "%{byte:02X}").and_then(|()| write!(lower, "%{byte:02x}"))
        };
        let _ = write!(every, "%{byte:02X}");
        let _ = write!(hex_upper, "{byte:02X}").and_then(|()| write!(hex_lower, "{byte:02x}"));
    }
    for form in [
        &upper,
        &lower,
        &every,
        &hex_upper,
        &hex_lower,
        &upper.replace("%20", "+"),
    ] {
        add(form.as_bytes(), patterns);
    }
    for form in [
        serde_json::to_string(secret).unwrap_or_default(),
        format!("{secret:?}"),
    ] {
        add(form.trim_matches('"').as_bytes(), patterns);
    }
}

fn add(form: &[u8], patterns: &mut BTreeSet<Vec<u8>>) {
    if form.len() > WINDOW + WINDOW / 2 && form.len() <= 8 << 10 {
        patterns.extend(form.windows(WINDOW).map(<[u8]>::to_vec));
    } else if !form.is_empty() {
        patterns.insert(form.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cr3t/with+signs&more";

    fn shown(secret: &str, text: &str) -> String {
        let masked = Masker::new([secret]).masked(text.as_bytes());
        masked.map_or_else(|| text.to_owned(), |masked| String::from_utf8(masked).unwrap())
    }

    fn masked(text: &str) -> String {
        shown(SECRET, text)
    }

    #[test]
    fn a_secret_is_masked_and_the_rest_stays() {
        assert_eq!(masked(&format!("a {SECRET} b {SECRET}")), "a *** b ***");
        assert_eq!(masked("nothing here"), "nothing here");
    }

    #[test]
    fn every_usual_encoding_is_masked_wherever_it_stands() {
        for before in ["", "a", "ab", "abc"] {
            let encoded = STANDARD.encode(format!("{before}{SECRET}{before}"));
            let shown = masked(&encoded);
            assert!(shown.contains("***") && shown.len() < 20, "{encoded} -> {shown}");
            let encoded = URL_SAFE.encode(format!("{before}{SECRET}"));
            assert!(masked(&encoded).contains("***"), "{encoded}");
        }
        for encoded in [
            "s3cr3t%2Fwith%2Bsigns%26more",
            "s3cr3t%2fwith%2bsigns%26more",
            "7333637233742f776974682b7369676e73266d6f7265",
        ] {
            assert_eq!(masked(encoded), "***");
        }
    }

    #[test]
    fn quotes_in_a_secret_are_found_in_json() {
        assert_eq!(shown("pass\"wo\\rd", r#"{"k":"pass\"wo\\rd"}"#), r#"{"k":"***"}"#);
    }

    #[test]
    fn each_line_of_a_secret_of_several_lines_is_masked() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END KEY-----\n";
        assert_eq!(shown(key, "x MIIEvQIBADANBgkqhkiG y"), "x *** y");
    }

    #[test]
    fn half_of_a_long_secret_is_masked() {
        let secret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        assert_eq!(shown(secret, &format!("<{}>", &secret[..30])), "<***>");
    }

    #[test]
    fn no_secrets_cost_nothing_and_an_empty_one_is_none() {
        assert!(Masker::new([]).masked(b"x").is_none());
        assert!(Masker::new([""]).masked(b"x").is_none());
    }
}
