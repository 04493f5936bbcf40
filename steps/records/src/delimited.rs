//! Delimited text, block by block.

use crate::batch::{Batch, TornRecord, ValueFault, Values};
use crate::dialect;
use crate::kind::Column;
use crate::options::OptionsFault;
use crate::source::{ReadError, Source};
use crate::split::{Dialect, Field, Found};
use crate::value::{Builder, Conventions};
use rayon::prelude::*;
use trainyard_contract::reading::{Ragged, ReaderOptions as Options};

/// Bytes of text taken apart at a time.
const BLOCK: usize = 4 << 20;
/// Bytes by which the dialect is told.
const SAMPLE: usize = 1 << 16;
/// Bytes beyond which a record is taken for the work of a quote that was never closed.
const LONGEST: usize = 8 << 20;
/// Pieces of a block that are read side by side. A constant, so that the batches, and with them all
/// that is made of them, do not depend on the machine.
const PIECES: usize = 4;

/// A record's place in its block.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    /// It begins a quote that does not end.
    is_unclosed: bool,
}

/// Whole records and their number.
#[derive(Default)]
struct Block {
    text: String,
    spans: Vec<Span>,
    /// Number of the first record.
    first: u64,
}

/// A file of delimited text, opened.
pub struct Delimited {
    source: Source,
    dialect: Dialect,
    ragged: Ragged,
    header: Vec<String>,
    /// Places of those that the header gives no name.
    unnamed: Vec<usize>,
    has_header: bool,
    /// Text read and not yet given out.
    text: String,
    is_at_end: bool,
    /// Records given out.
    count: u64,
    /// The block after the one that is being read.
    ahead: Option<Result<Option<Block>, ReadError>>,
}

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Options(#[from] OptionsFault),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What the column at that place is called where nobody says.
fn nameless(at: usize) -> String {
    format!("column_{}", at + 1)
}

impl Delimited {
    /// Opens a file: finds its dialect and reads its header.
    ///
    /// # Errors
    /// If the options contradict themselves, or there is no header to read.
    pub fn open(mut source: Source, options: &Options) -> Result<Self, OpenError> {
        let mut text = String::new();
        let mut is_at_end = false;
        while text.len() < SAMPLE && !is_at_end {
            is_at_end = !source.read_into(&mut text, 0)?;
        }
        let mut sampled = SAMPLE.min(text.len());
        while !text.is_char_boundary(sampled) {
            sampled -= 1;
        }
        let is_whole = is_at_end && sampled == text.len();
        let dialect = dialect::of(options, &text[..sampled], is_whole)?;
        let mut opened = Self {
            source,
            dialect,
            ragged: options.ragged_rows,
            header: Vec::new(),
            unnamed: Vec::new(),
            has_header: options.header.unwrap_or(true),
            text,
            is_at_end,
            count: 0,
            ahead: None,
        };
        opened.skip_lines(options.skip_rows)?;
        opened.read_header(&options.columns)?;
        Ok(opened)
    }

    /// Names of the columns in order: of the header, or as given, or `column_1`, `column_2`, …
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Columns to which the file's own header gives no name, as it does to row numbers that many programs
    /// write first; they are called by their place.
    pub fn unnamed(&self) -> impl Iterator<Item = &str> {
        self.unnamed
            .iter()
            .filter_map(|at| self.header.get(*at).map(String::as_str))
    }

    /// Gives the columns other names, where the file has none of its own.
    pub fn rename(&mut self, names: &[String]) {
        if !self.has_header && names.len() == self.header.len() {
            self.header = names.to_vec();
        }
    }

    /// The character between fields.
    pub fn delimiter(&self) -> char {
        char::from(self.dialect.delimiter)
    }

    fn skip_lines(&mut self, lines: u32) -> Result<(), ReadError> {
        loop {
            if let Some(at) = dialect::after_lines(&self.dialect, &self.text, lines) {
                self.text.drain(..at);
                return Ok(());
            }
            if self.is_at_end {
                self.text.clear();
                return Ok(());
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> Result<(), ReadError> {
        self.is_at_end = !self.source.read_into(&mut self.text, self.count)?;
        Ok(())
    }

    /// The first record's fields; it stays where it is unless it is taken.
    fn first_record(&mut self, is_taken: bool) -> Result<Option<Vec<String>>, ReadError> {
        let mut from = 0;
        loop {
            let found = self.dialect.record(self.text.as_bytes(), from, self.is_at_end);
            match found {
                Found::Record { end, next } => {
                    let record = &self.text[from..end];
                    if from == self.text.len() {
                        return Ok(None);
                    }
                    if record.is_empty() || self.dialect.is_comment(record) {
                        from = next;
                        continue;
                    }
                    let mut fields = Vec::new();
                    if !self.dialect.fields(record.as_bytes(), &mut fields) {
                        return Err(ReadError::Header(
                            "text follows a closing quote in its first line".into(),
                        ));
                    }
                    let names = fields
                        .iter()
                        .map(|field| self.dialect.text(record, *field).into_owned())
                        .collect();
                    self.text.drain(..if is_taken { next } else { from });
                    return Ok(Some(names));
                }
                Found::Open { .. } if self.is_at_end => {
                    return Err(ReadError::Header(
                        "its first line has a quote that is never closed".into(),
                    ));
                }
                Found::Open { .. } if self.text.len() > LONGEST => {
                    return Err(ReadError::TooLong {
                        place: "its header".into(),
                        limit: LONGEST,
                    });
                }
                Found::Open { .. } => self.read_more()?,
            }
        }
    }

    fn read_header(&mut self, given: &[String]) -> Result<(), ReadError> {
        let first = self.first_record(self.has_header)?;
        if let (None, Some(fault)) = (&first, self.source.undecodable()) {
            return Err(ReadError::Encoding {
                encoding: fault.encoding,
                place: "its header".into(),
                byte: fault.byte,
                offset: fault.offset,
            });
        }
        let Some(first) = first else {
            if self.has_header || given.is_empty() {
                return Err(ReadError::Header("there is no record at all".into()));
            }
            self.header = given.to_vec();
            return Ok(());
        };
        if !given.is_empty() {
            if given.len() != first.len() {
                return Err(ReadError::Header(format!(
                    "`options.columns` has {} names, its first record {} fields",
                    given.len(),
                    first.len()
                )));
            }
            self.header = given.to_vec();
        } else if self.has_header {
            let names = first.iter().map(|name| name.trim().to_owned()).enumerate();
            self.header = names
                .map(|(at, name)| if name.is_empty() { nameless(at) } else { name })
                .collect();
            self.unnamed = (0..first.len()).filter(|at| first[*at].trim().is_empty()).collect();
        } else {
            self.header = (0..first.len()).map(nameless).collect();
        }
        for (at, name) in self.header.iter().enumerate() {
            if self.header[..at].contains(name) {
                return Err(ReadError::Header(format!("two columns are called `{name}`")));
            }
        }
        Ok(())
    }

    /// The next records, as the columns asked for: places in the header, and as what they are read.
    /// Nothing at the end of the file.
    ///
    /// # Errors
    /// If the file cannot be read on.
    pub fn next(
        &mut self,
        wanted: &[(usize, Column)],
        conventions: &Conventions,
    ) -> Result<Option<Vec<Batch>>, ReadError> {
        let block = match self.ahead.take() {
            Some(block) => block?,
            None => self.block()?,
        };
        let Some(block) = block else {
            return Ok(None);
        };
        let (dialect, ragged, width) = (self.dialect.clone(), self.ragged, self.header.len());
        let size = block.spans.len().div_ceil(PIECES).max(1);
        let (batches, ahead) = rayon::join(
            || {
                let pieces: Vec<(usize, &[Span])> = block.spans.chunks(size).enumerate().collect();
                pieces
                    .into_par_iter()
                    .map(|(at, spans)| {
                        let first = block.first + (at * size) as u64;
                        read_piece(
                            &dialect,
                            ragged,
                            width,
                            &block.text,
                            spans,
                            first,
                            wanted,
                            conventions,
                        )
                    })
                    .collect::<Vec<Batch>>()
            },
            || self.block(),
        );
        self.ahead = Some(ahead);
        Ok(Some(batches))
    }

    /// The next block of whole records.
    fn block(&mut self) -> Result<Option<Block>, ReadError> {
        let mut spans = Vec::new();
        let mut from = 0;
        loop {
            while from < self.text.len() && from < BLOCK {
                let (end, next, is_unclosed) =
                    match self.dialect.record(self.text.as_bytes(), from, self.is_at_end) {
                        Found::Record { end, next } => (end, next, false),
                        Found::Open { line, in_quotes } => {
                            let is_given_up = self.is_at_end || self.text.len() - from > LONGEST;
                            if !is_given_up {
                                break;
                            }
                            if !in_quotes {
                                return Err(ReadError::TooLong {
                                    place: format!("row {}", self.count + spans.len() as u64 + 1),
                                    limit: LONGEST,
                                });
                            }
                            let (end, next) = line.unwrap_or((self.text.len(), self.text.len()));
                            (end, next, true)
                        }
                    };
                let record = &self.text[from..end];
                if !record.is_empty() && !self.dialect.is_comment(record) {
                    spans.push(Span {
                        start: from,
                        end,
                        is_unclosed,
                    });
                }
                from = next;
            }
            if from >= BLOCK || self.is_at_end {
                break;
            }
            self.read_more()?;
        }
        if self.is_at_end
            && let Some(fault) = self.source.undecodable()
        {
            return Err(self.encoding_fault(&spans, fault.encoding, fault.byte, fault.offset));
        }
        if spans.is_empty() && self.is_at_end && from >= self.text.len() {
            return Ok(None);
        }
        let rest = self.text.split_off(from);
        let block = Block {
            text: std::mem::replace(&mut self.text, rest),
            first: self.count + 1,
            spans,
        };
        self.count += block.spans.len() as u64;
        Ok(Some(block))
    }

    /// The text ends in the middle of the last record, at a byte that is no character.
    fn encoding_fault(&self, spans: &[Span], encoding: &'static str, byte: u8, offset: u64) -> ReadError {
        let row = self.count + spans.len() as u64;
        let ends_with_record = self.text.as_bytes().last() == Some(&self.dialect.end);
        let place = match spans.last().filter(|_| !ends_with_record) {
            None => {
                let name = self.header.first().map(String::as_str).unwrap_or_default();
                format!("row {} column `{name}`", row + 1)
            }
            Some(span) => {
                let mut fields = Vec::new();
                self.dialect
                    .fields(&self.text.as_bytes()[span.start..span.end], &mut fields);
                match self.header.get(fields.len().saturating_sub(1)) {
                    Some(name) => format!("row {row} column `{name}`"),
                    None => format!("row {row}"),
                }
            }
        };
        ReadError::Encoding {
            encoding,
            place,
            byte,
            offset,
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "all that a piece needs, shared with its siblings"
)]
fn read_piece(
    dialect: &Dialect,
    ragged: Ragged,
    width: usize,
    text: &str,
    spans: &[Span],
    first: u64,
    wanted: &[(usize, Column)],
    conventions: &Conventions,
) -> Batch {
    let mut builders: Vec<Builder<'_>> = wanted
        .iter()
        .map(|(_, column)| Builder::new(column, conventions, spans.len()))
        .collect();
    let mut rows = Vec::with_capacity(spans.len());
    let mut faults: Vec<ValueFault> = Vec::new();
    let mut torn = Vec::new();
    let mut fields: Vec<Field> = Vec::with_capacity(width);
    for (at, span) in spans.iter().enumerate() {
        let row = first + at as u64;
        let record = text.get(span.start..span.end).unwrap_or_default();
        let mut tear = |reason: String| {
            torn.push(TornRecord {
                row,
                text: record.to_owned(),
                reason,
            })
        };
        if span.is_unclosed {
            tear("has a quote that is never closed".to_owned());
            continue;
        }
        if !dialect.fields(record.as_bytes(), &mut fields) {
            tear("has text after a closing quote".to_owned());
            continue;
        }
        let is_short = fields.len() < width;
        if fields.len() > width || (is_short && ragged == Ragged::Refuse) {
            tear(format!(
                "has {} fields where the header has {width}",
                fields.len()
            ));
            continue;
        }
        for (place, (builder, (source, _))) in builders.iter_mut().zip(wanted).enumerate() {
            match fields.get(*source) {
                None => builder.push_missing(),
                Some(field) if field.is_escaped => {
                    builder.push(&dialect.text(record, *field), rows.len(), place, &mut faults);
                }
                Some(field) => {
                    let text = record.get(field.start..field.end).unwrap_or_default();
                    builder.push(text, rows.len(), place, &mut faults);
                }
            }
        }
        rows.push(row);
    }
    let columns: Vec<Values> = builders.into_iter().map(Builder::finish).collect();
    Batch {
        rows,
        columns,
        faults,
        torn,
    }
}

#[cfg(test)]
#[path = "delimited_tests.rs"]
mod tests;
