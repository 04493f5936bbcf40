//! CSV: a header, then rows of text. All values are gathered as text and typed by the contract.

use super::coerce::Gathering;
use super::location::DataFile;
use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use polars::prelude::{Column, DataFrame, IntoColumn, StringChunkedBuilder};
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::{BufReader, Read};
use trainyard_contract::StepError;

/// Rows held as text at a time.
const BLOCK: usize = 1 << 16;

/// Reader options of a CSV dataset.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// One character between fields.
    delimiter: char,
    /// One character around fields that hold delimiters or line ends.
    quote: char,
    /// Texts that mean missing, besides the empty field.
    null_values: Vec<String>,
    encoding: Encoding,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delimiter: ',',
            quote: '"',
            null_values: Vec::new(),
            encoding: Encoding::Utf8,
        }
    }
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "latin-1")]
    Latin1,
}

pub(super) fn read(file: &DataFile, options: &Value, gathering: &mut Gathering<'_>) -> Result<(), StepError> {
    let options: Options = match options {
        Value::Null => Options::default(),
        given => serde_json::from_value(given.clone())
            .map_err(|error| StepError::rejected(format!("`options` of a CSV dataset: {error}")))?,
    };
    let byte = |what: &str, c: char| {
        u8::try_from(c)
            .ok()
            .filter(u8::is_ascii)
            .ok_or_else(|| StepError::rejected(format!("`options.{what}` must be one ASCII character")))
    };
    let opening = |error| StepError::io(format!("could not read {}", file.shown), &error);
    let mut source = BufReader::with_capacity(1 << 17, File::open(&file.path).map_err(opening)?);
    let mut start = [0u8; 3];
    let begun = fill(&mut source, &mut start).map_err(opening)?;
    if begun == 0 {
        return Err(StepError::rejected(format!(
            "{} is empty, there is not even a header",
            file.shown
        )));
    }
    if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
        return Err(StepError::rejected(format!("{} is UTF-16", file.shown)).help("save it as UTF-8"));
    }
    let rest = if start == [0xEF, 0xBB, 0xBF] { 3 } else { 0 };
    let mut reader = ReaderBuilder::new()
        .delimiter(byte("delimiter", options.delimiter)?)
        .quote(byte("quote", options.quote)?)
        .flexible(true)
        .has_headers(false)
        .from_reader(std::io::Cursor::new(start[rest.min(begun)..begun].to_vec()).chain(source));

    let mut record = ByteRecord::new();
    let broken = |error: csv::Error| match error.into_kind() {
        ErrorKind::Io(error) => StepError::io(format!("could not read {}", file.shown), &error),
        other => StepError::rejected(format!("could not read {}: {other:?}", file.shown)),
    };
    reader.read_byte_record(&mut record).map_err(broken)?;
    let mut header: Vec<String> = Vec::with_capacity(record.len());
    for (at, field) in record.iter().enumerate() {
        let name = decode(field, options.encoding)
            .ok_or_else(|| not_utf8(file, "its header".to_owned(), field))?
            .trim()
            .to_owned();
        if name.is_empty() {
            return Err(StepError::rejected(format!(
                "{}: column {} has no name in the header",
                file.shown,
                at + 1
            )));
        }
        if header.contains(&name) {
            return Err(StepError::rejected(format!(
                "{}: two columns are called `{name}`",
                file.shown
            )));
        }
        header.push(name);
    }

    let wanted: Vec<usize> = gathering.choose(&header)?;
    let mut row = 0u64;
    let mut more = true;
    while more {
        let mut columns: Vec<StringChunkedBuilder> = wanted
            .iter()
            .map(|at| StringChunkedBuilder::new(header[*at].as_str().into(), BLOCK))
            .collect();
        let mut rows: Vec<u64> = Vec::with_capacity(BLOCK);
        while rows.len() < BLOCK {
            more = reader.read_byte_record(&mut record).map_err(broken)?;
            if !more {
                break;
            }
            row += 1;
            if record.len() != header.len() {
                let fields: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
                let line = fields.join(options.delimiter.encode_utf8(&mut [0; 4]));
                let reason = format!(
                    "has {} fields where the header has {}",
                    record.len(),
                    header.len()
                );
                gathering.unreadable_row(row, line, reason);
                continue;
            }
            for (builder, at) in columns.iter_mut().zip(&wanted) {
                let field = record.get(*at).unwrap_or_default();
                if field.is_empty() {
                    builder.append_null();
                    continue;
                }
                let value = decode(field, options.encoding)
                    .ok_or_else(|| not_utf8(file, format!("row {row} column `{}`", header[*at]), field))?;
                if options.null_values.iter().any(|null| null.as_str() == value) {
                    builder.append_null();
                } else {
                    builder.append_value(value.as_ref());
                }
            }
            rows.push(row);
        }
        let columns: Vec<Column> = columns
            .into_iter()
            .map(|column| column.finish().into_column())
            .collect();
        let block = DataFrame::new(rows.len(), columns)
            .map_err(|error| StepError::internal(format!("could not gather {}: {error}", file.shown)))?;
        gathering.block(block, &rows)?;
    }
    Ok(())
}

/// Reads until the buffer is full or the source ends; how much came.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn decode(field: &[u8], encoding: Encoding) -> Option<std::borrow::Cow<'_, str>> {
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(field).ok().map(Into::into),
        Encoding::Latin1 => Some(
            field
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>()
                .into(),
        ),
    }
}

fn not_utf8(file: &DataFile, place: String, field: &[u8]) -> StepError {
    let at = std::str::from_utf8(field)
        .err()
        .map_or(0, |error| error.valid_up_to());
    let byte = field.get(at).copied().unwrap_or_default();
    StepError::rejected(format!(
        "{} is not UTF-8: {place} has byte 0x{byte:02X}",
        file.shown
    ))
    .help("save the file as UTF-8, or say `options: {encoding: latin-1}` if it is Latin-1")
}
