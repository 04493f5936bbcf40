//! JSON lines: one object a line.

use crate::batch::{Batch, TornRecord};
use crate::guess::Guesser;
use crate::kind::Column;
use crate::source::{ReadError, Source};
use crate::value::{Builder, Conventions};
use rayon::prelude::*;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// Bytes of text read at a time.
const BLOCK: usize = 4 << 20;
/// Bytes of the longest line.
const LONGEST: usize = 64 << 20;
/// As for delimited text: a constant, so that batches do not depend on the machine.
const PIECES: usize = 4;

/// A file of JSON lines, opened.
pub struct JsonLines {
    source: Source,
    text: String,
    is_at_end: bool,
    count: u64,
}

struct Block {
    text: String,
    /// Number, start and end of each line that is not blank.
    lines: Vec<(u64, usize, usize)>,
}

impl JsonLines {
    /// Opens a file.
    pub fn open(source: Source) -> Self {
        Self {
            source,
            text: String::new(),
            is_at_end: false,
            count: 0,
        }
    }

    /// The next records as the columns asked for. Keys that are not asked for are noted in `others`,
    /// keys of those asked for in `seen`. Nothing at the end of the file.
    ///
    /// # Errors
    /// If the file cannot be read on.
    pub fn next(
        &mut self,
        wanted: &[Column],
        conventions: &Conventions,
        seen: &mut [bool],
        others: &mut Vec<String>,
    ) -> Result<Option<Vec<Batch>>, ReadError> {
        let Some(block) = self.block()? else {
            return Ok(None);
        };
        let places: HashMap<&str, usize> = wanted
            .iter()
            .enumerate()
            .map(|(at, column)| (column.name.as_str(), at))
            .collect();
        let size = block.lines.len().div_ceil(PIECES).max(1);
        let pieces: Vec<(Batch, Vec<bool>, Vec<String>)> = block
            .lines
            .par_chunks(size)
            .map(|lines| read_piece(&block.text, lines, wanted, &places, conventions))
            .collect();
        let mut batches = Vec::with_capacity(pieces.len());
        for (batch, met, more) in pieces {
            batches.push(batch);
            for (seen, met) in seen.iter_mut().zip(met) {
                *seen |= met;
            }
            for name in more {
                if !others.contains(&name) {
                    others.push(name);
                }
            }
        }
        Ok(Some(batches))
    }

    /// Notes all keys and values of the file in a guesser.
    ///
    /// # Errors
    /// If the file cannot be read on.
    pub fn learn(&mut self, guesser: &mut Guesser) -> Result<(), ReadError> {
        while let Some(block) = self.block()? {
            for (_, start, end) in &block.lines {
                let line = block.text.get(*start..*end).unwrap_or_default();
                let mut pairs: Vec<(Cow<'_, str>, &RawValue)> = Vec::new();
                if object(line, |key, value| pairs.push((key, value))).is_ok() {
                    for (key, value) in pairs {
                        guesser.take_by_name(&key, scalar(value).as_deref());
                    }
                }
            }
        }
        Ok(())
    }

    fn block(&mut self) -> Result<Option<Block>, ReadError> {
        let mut lines = Vec::new();
        let mut from = 0;
        loop {
            while from < self.text.len() && from < BLOCK {
                let (end, next) = match memchr::memchr(b'\n', &self.text.as_bytes()[from..]) {
                    Some(hit) => (from + hit, from + hit + 1),
                    None if self.is_at_end && self.source.undecodable().is_none() => {
                        (self.text.len(), self.text.len())
                    }
                    None if self.text.len() - from > LONGEST => {
                        return Err(ReadError::TooLong {
                            place: format!("row {}", self.count + 1),
                            limit: LONGEST,
                        });
                    }
                    None => break,
                };
                self.count += 1;
                if !self.text[from..end].trim().is_empty() {
                    lines.push((self.count, from, end));
                }
                from = next;
            }
            if from >= BLOCK || self.is_at_end {
                break;
            }
            self.is_at_end = !self.source.read_into(&mut self.text, self.count)?;
        }
        if self.is_at_end
            && let Some(fault) = self.source.undecodable()
        {
            return Err(ReadError::Encoding {
                encoding: fault.encoding,
                place: format!("line {}", self.count + 1),
                byte: fault.byte,
                offset: fault.offset,
            });
        }
        if lines.is_empty() && self.is_at_end {
            return Ok(None);
        }
        let rest = self.text.split_off(from);
        Ok(Some(Block {
            text: std::mem::replace(&mut self.text, rest),
            lines,
        }))
    }
}

/// A JSON value as the text of a field; `None` for `null`.
fn scalar(value: &RawValue) -> Option<Cow<'_, str>> {
    let raw = value.get();
    if raw == "null" {
        return None;
    }
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        None => Some(Cow::Borrowed(raw)),
        Some(inner) if !inner.contains('\\') => Some(Cow::Borrowed(inner)),
        Some(_) => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
    }
}

/// Takes an object apart.
fn object<'t>(line: &'t str, take: impl FnMut(Cow<'t, str>, &'t RawValue)) -> Result<(), serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Key<'k>(#[serde(borrow)] Cow<'k, str>);
    struct Taking<F>(F);
    impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue)> Visitor<'de> for Taking<F> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON object")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                (self.0)(key, value);
            }
            Ok(())
        }
    }
    let mut reader = serde_json::Deserializer::from_str(line);
    reader.deserialize_map(Taking(take))?;
    reader.end()
}

fn read_piece(
    text: &str,
    lines: &[(u64, usize, usize)],
    wanted: &[Column],
    places: &HashMap<&str, usize>,
    conventions: &Conventions,
) -> (Batch, Vec<bool>, Vec<String>) {
    let mut builders: Vec<Builder<'_>> = wanted
        .iter()
        .map(|column| Builder::new(column, conventions, lines.len()))
        .collect();
    let mut seen = vec![false; wanted.len()];
    let mut others: Vec<String> = Vec::new();
    let mut batch = Batch::default();
    let mut held: Vec<Option<&RawValue>> = vec![None; wanted.len()];
    for (row, start, end) in lines {
        let line = text.get(*start..*end).unwrap_or_default();
        held.fill(None);
        let taken = object(line, |key, value| match places.get(key.as_ref()) {
            Some(place) => {
                held[*place] = Some(value);
                seen[*place] = true;
            }
            None => {
                if !others.iter().any(|other| *other == key) {
                    others.push(key.into_owned());
                }
            }
        });
        if let Err(error) = taken {
            batch.torn.push(TornRecord {
                row: *row,
                text: line.trim().to_owned(),
                reason: format!("is not a JSON object: {error}"),
            });
            continue;
        }
        for (place, (builder, value)) in builders.iter_mut().zip(&held).enumerate() {
            match value.and_then(scalar) {
                None => builder.push_missing(),
                Some(text) => builder.push(&text, batch.rows.len(), place, &mut batch.faults),
            }
        }
        batch.rows.push(*row);
    }
    batch.columns = builders.into_iter().map(Builder::finish).collect();
    (batch, seen, others)
}
