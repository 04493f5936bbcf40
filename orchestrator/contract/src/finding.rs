//! A fault or remark about a document, addressed by path: whoever holds the text turns it into a
//! position.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; never stops anything.
    Note,
    /// Stops at level `strict` only.
    Warning,
    /// Stops.
    Error,
}

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Segment {
    Index(usize),
    Key(String),
}

/// Where in a document: keys of maps and indices of lists, from the root of the document or, in a
/// step's findings, from the step's `with:` block.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(pub Vec<Segment>);

impl Path {
    /// The root.
    pub fn root() -> Self {
        Self::default()
    }

    /// This path and one more key.
    pub fn key(&self, key: impl Into<String>) -> Self {
        let mut next = self.clone();
        next.0.push(Segment::Key(key.into()));
        next
    }

    /// This path and one more index.
    pub fn index(&self, index: usize) -> Self {
        let mut next = self.clone();
        next.0.push(Segment::Index(index));
        next
    }

    /// This path followed by another.
    pub fn join(&self, rest: &Path) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if at == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// What a step says about its parameters and input schemas before anything runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code such as `D01` or `M01`.
    pub code: String,
    pub severity: Severity,
    /// From the step's own block: starts with `with`, `inputs` or `outputs`.
    pub path: Path,
    /// Point at this word inside the text at `path` (an expression, an SQL query), if it occurs
    /// there as a whole word; else at the whole value.
    pub word: Option<String>,
    /// Which bytes of the text at `path` the word is, where it may stand there more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range<usize>>,
    /// One sentence in lower case without a full stop: what is wrong.
    pub message: String,
    /// What would fix it.
    pub help: Option<String>,
    /// Further facts, each a line.
    pub notes: Vec<String>,
}

impl Finding {
    /// An error at a place.
    pub fn error(code: &str, path: Path, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity: Severity::Error,
            path,
            word: None,
            range: None,
            message: message.into(),
            help: None,
            notes: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(code: &str, path: Path, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, path, message)
        }
    }

    /// The same, pointing at one word of the text.
    #[must_use]
    pub fn at_word(mut self, word: impl Into<String>) -> Self {
        self.word = Some(word.into());
        self
    }

    /// The same, pointing at these bytes of `text`, which stands at the path.
    #[must_use]
    pub fn at_range(mut self, text: &str, range: Range<usize>) -> Self {
        if let Some(word) = text.get(range.clone()).filter(|word| !word.is_empty()) {
            self.word = Some(word.to_owned());
            self.range = Some(range);
        }
        self
    }

    /// The same, with what would fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, with one more fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// The candidate nearest to `word`, if it is near enough to be what was meant
/// (Damerau–Levenshtein distance at most a third of the longer word, at least 1). The first of
/// equally near ones.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().collect();
    if word.len() > 256 {
        return None;
    }
    let mut distances = Distances::default();
    let mut letters = Vec::new();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        letters.clear();
        letters.extend(candidate.chars().take(word.len() + 129));
        let limit = (word.len().max(letters.len()) / 3).max(1);
        let limit = match best {
            Some((0, _)) => break,
            Some((least, _)) => limit.min(least - 1),
            None => limit,
        };
        // A file of 10,000 misspelt names compares them with 10,000 others, so most have to be told
        // apart without counting edits.
        if word.len().abs_diff(letters.len()) > limit || differing(&word, &letters) > limit {
            continue;
        }
        let distance = distances.between(&word, &letters);
        if distance <= limit {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// A lower bound of the distance: letters of one word that the other has not at all.
fn differing(left: &[char], right: &[char]) -> usize {
    let set = |word: &[char]| {
        word.iter()
            .fold(0u64, |set, letter| set | 1 << (u32::from(*letter) % 64))
    };
    let (left, right) = (set(left), set(right));
    (left & !right).count_ones().max((right & !left).count_ones()) as usize
}

/// Rows of the table of distances, kept from one pair of words to the next.
#[derive(Default)]
struct Distances {
    before: Vec<usize>,
    above: Vec<usize>,
    row: Vec<usize>,
}

impl Distances {
    /// Optimal string alignment distance: insertions, deletions, substitutions, adjacent swaps.
    fn between(&mut self, left: &[char], right: &[char]) -> usize {
        let Self { before, above, row } = self;
        above.clear();
        above.extend(0..=right.len());
        for (i, a) in left.iter().enumerate() {
            row.clear();
            row.push(i + 1);
            for (j, b) in right.iter().enumerate() {
                let mut least = (above[j + 1] + 1)
                    .min(row[j] + 1)
                    .min(above[j] + usize::from(a != b));
                if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                    least = least.min(before[j - 1] + 1);
                }
                row.push(least);
            }
            std::mem::swap(before, above);
            std::mem::swap(above, row);
        }
        above[right.len()]
    }
}

/// Many names that many words are compared with: the answers of [`nearest`], found without going
/// through all names for a word that is one edit away.
///
/// Words further away cost a walk through all names. Once [`Names::PATIENCE`] distances have been
/// counted such words get no answer any more, so a document with thousands of them stays cheap.
#[derive(Debug, Default)]
pub struct Names<'a> {
    names: Vec<&'a str>,
    /// Each name with at most one letter left out → places of the names.
    near: HashMap<String, Vec<usize>>,
    counted: std::cell::Cell<usize>,
}

impl<'a> Names<'a> {
    /// Distances counted for one set of names before only slips of one letter are still told.
    pub const PATIENCE: usize = 200_000;

    /// An index of these names.
    pub fn new(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        let mut near: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            for shorter in with_one_left_out(name) {
                near.entry(shorter).or_default().push(at);
            }
        }
        Self {
            names,
            near,
            counted: std::cell::Cell::new(0),
        }
    }

    /// The name nearest to `word` among those that are not `except`, as [`nearest`] says it.
    pub fn nearest(&self, word: &str, except: Option<&str>) -> Option<&'a str> {
        if word.chars().count() > 256 {
            return None;
        }
        let letters: Vec<char> = word.chars().collect();
        let mut distances = Distances::default();
        let close = with_one_left_out(word)
            .flat_map(|shorter| self.near.get(&shorter).into_iter().flatten().copied())
            .filter(|at| Some(self.names[*at]) != except)
            .filter_map(|at| {
                let name: Vec<char> = self.names[at].chars().collect();
                let distance = distances.between(&letters, &name);
                (distance <= 1).then_some((distance, at))
            })
            .min();
        if let Some((_, at)) = close {
            return Some(self.names[at]);
        }
        let spent = self.counted.get();
        if spent >= Self::PATIENCE {
            return None;
        }
        self.counted.set(spent + self.names.len());
        nearest(
            word,
            self.names.iter().copied().filter(|name| Some(*name) != except),
        )
    }
}

/// The word itself, and the word with each one of its letters left out; only itself if it is long.
fn with_one_left_out(word: &str) -> impl Iterator<Item = String> + '_ {
    let places = word.char_indices().take(if word.len() > 256 { 0 } else { 256 });
    std::iter::once(word.to_owned()).chain(places.map(|(at, letter)| {
        let mut shorter = word.to_owned();
        shorter.replace_range(at..at + letter.len_utf8(), "");
        shorter
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        assert_eq!(nearest("featurs", ["ingest", "features"]), Some("features"));
        assert_eq!(nearest("laod", ["load", "lead"]), Some("load"));
        assert_eq!(nearest("zebra", ["ingest", "features"]), None);
        assert_eq!(nearest("tset", ["best", "test", "rest"]), Some("test"));
        assert_eq!(nearest("ab", ["ba", "ab", "cb"]), Some("ab"));
        assert_eq!(nearest("", ["a"]), Some("a"));
        assert_eq!(nearest("a", [""]), Some(""));
        assert_eq!(nearest(&"x".repeat(10_000), ["x"]), None);
        assert_eq!(nearest("x", [&*"x".repeat(10_000)]), None);
    }

    #[test]
    fn an_index_of_names_gives_the_same_answers_as_a_walk_through_all() {
        let mut state = 11u64;
        let mut draw = |bound: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let mut word = || -> String {
            let length = 1 + draw(7);
            (0..length)
                .map(|_| char::from(b'a' + u8::try_from(draw(4)).unwrap()))
                .collect()
        };
        for _ in 0..200 {
            let words: Vec<String> = (0..12).map(|_| word()).collect();
            let names = Names::new(words.iter().map(String::as_str));
            let asked = word();
            assert_eq!(
                names.nearest(&asked, None),
                nearest(&asked, words.iter().map(String::as_str)),
                "{asked} among {words:?}"
            );
        }
        let names = Names::new(["load", "lead"]);
        assert_eq!(names.nearest("load", Some("load")), Some("lead"));
    }

    #[test]
    fn patience_with_names_that_are_far_off_ends() {
        let words: Vec<String> = (0..1_000).map(|at| format!("step_number_{at}")).collect();
        let names = Names::new(words.iter().map(String::as_str));
        let asked = |at: usize| names.nearest(&format!("stop_numbers_{at}"), None);
        assert!(asked(0).is_some());
        let answers = (1..=Names::PATIENCE / words.len())
            .filter(|at| asked(*at).is_some())
            .count();
        assert_eq!(answers, Names::PATIENCE / words.len() - 1);
        assert_eq!(names.nearest("step_numbr_7", None), Some("step_number_7"));
    }

    #[test]
    fn a_path_prints_like_the_yaml_reads() {
        let path = Path::root()
            .key("steps")
            .key("features")
            .key("with")
            .key("keep")
            .index(2);
        assert_eq!(path.to_string(), "steps.features.with.keep[2]");
    }
}
