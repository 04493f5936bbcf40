//! Files of text: CSV and JSON lines.

use super::block::{Fault, Reader};
use super::kind;
use super::location::{DataFile, Format};
use polars::prelude::{Column, DataFrame};
use serde_json::Value;
use std::fs::File;
use trainyard_contract::task::chain;
use trainyard_contract::{DataType, ReaderOptions, StepError};
use trainyard_records::{
    Batch, Column as Wanted, Conventions, Delimited, Guess, Guesser, JsonLines, Kind, OpenError, ReadError,
    Source, Values,
};

/// The dataset's `options` as reader options.
///
/// # Errors
/// `Rejected`, naming the option.
pub(super) fn options(given: &Value) -> Result<ReaderOptions, StepError> {
    if given.is_null() {
        return Ok(ReaderOptions::default());
    }
    serde_json::from_value(given.clone())
        .map_err(|error| StepError::rejected(format!("`options` of the dataset: {error}")))
}

fn conventions(options: &ReaderOptions) -> Result<Conventions, StepError> {
    Conventions::new(options).map_err(|error| StepError::rejected(error.to_string()))
}

fn source(file: &DataFile, options: &ReaderOptions) -> Result<Source, StepError> {
    let opened = File::open(&file.path)
        .map_err(|error| StepError::io(format!("could not read {}", file.shown), &error))?;
    Source::new(opened, options.encoding).map_err(|error| failure(file, error))
}

fn failure(file: &DataFile, error: ReadError) -> StepError {
    let shown = &file.shown;
    match &error {
        ReadError::Empty => StepError::rejected(format!("{shown} is empty, there is not even a header")),
        ReadError::Encoding { encoding, .. } => {
            let error = StepError::rejected(format!("{shown} {error}"));
            match *encoding {
                "UTF-8" => error.help(
                    "save the file as UTF-8, or say `options: {encoding: windows-1252}`, latin-1 or utf-16 if that is what it is",
                ),
                _ => error.help("the file has another encoding, or its end is cut off"),
            }
        }
        ReadError::Header(what) => StepError::rejected(format!("{shown}: {what}")),
        ReadError::TooLong { .. } => StepError::rejected(format!("{shown} {error}"))
            .help("is the delimiter, the quote or the line end another one?"),
        ReadError::Compression { .. } => {
            let mut failed = StepError::rejected(format!("{shown} {error}"))
                .help("the file may be cut off or damaged; compare it with where it came from");
            failed.failure.causes = chain(&error).split_off(1);
            failed
        }
        ReadError::Io { source, .. } => StepError::io(format!("could not read {shown}"), source),
    }
}

fn delimited(file: &DataFile, options: &ReaderOptions) -> Result<Delimited, StepError> {
    let mut options = options.clone();
    if options.delimiter.is_none() && file.is_tab_separated() {
        options.delimiter = Some('\t');
    }
    Delimited::open(source(file, &options)?, &options).map_err(|error| match error {
        OpenError::Options(error) => StepError::rejected(error.to_string()),
        OpenError::Read(error) => failure(file, error),
    })
}

fn json_lines(file: &DataFile, options: &ReaderOptions) -> Result<JsonLines, StepError> {
    if let Some(option) = options.of_delimited_text_only().first() {
        return Err(StepError::rejected(format!(
            "an NDJSON dataset takes no `options.{option}`"
        )));
    }
    Source::new(
        File::open(&file.path)
            .map_err(|error| StepError::io(format!("could not read {}", file.shown), &error))?,
        options.encoding,
    )
    .map(JsonLines::open)
    .map_err(|error| match error {
        ReadError::Empty => StepError::rejected(format!("{} is empty", file.shown)),
        other => failure(file, other),
    })
}

/// Reads a file. Without a contract types are those of the reader's guesses, or of the file's first
/// block if it has none; a value that is not of its guessed type is given back as a sentence.
pub(super) fn read(
    file: &DataFile,
    format: Format,
    options: &ReaderOptions,
    reader: &mut Reader<'_>,
) -> Result<Option<String>, StepError> {
    match format {
        Format::Ndjson => read_json_lines(file, options, reader),
        _ => read_delimited(file, options, reader),
    }
}

fn read_delimited(
    file: &DataFile,
    options: &ReaderOptions,
    reader: &mut Reader<'_>,
) -> Result<Option<String>, StepError> {
    let mut opened = delimited(file, options)?;
    let mut conventions = conventions(options)?;
    if let Some(contract) = reader.contract
        && options.columns.is_empty()
    {
        let names: Vec<String> = contract.columns.keys().cloned().collect();
        opened.rename(&names);
    }
    for name in opened.unnamed() {
        reader.note(format!("gives a column no name in its header: it is called `{name}`"));
    }
    let header = opened.header().to_vec();
    for name in options.formats.keys() {
        if !header.contains(name) {
            return Err(StepError::rejected(format!(
                "`options.formats` names `{name}`, which {} does not have",
                file.shown
            )));
        }
    }
    let places = reader.choose(&header)?;
    let types: Vec<DataType> = match reader.contract {
        Some(contract) => contract
            .columns
            .values()
            .map(|column| column.data_type.clone())
            .collect(),
        None => {
            conventions = conventions.for_guessed_types();
            if reader.guesses.is_none() {
                reader.guesses = Some(first_guess(file, options)?);
            }
            let guesses = reader.guesses.as_deref().unwrap_or_default();
            header
                .iter()
                .map(|name| kind::guessed(guess_of(guesses, name)))
                .collect()
        }
    };
    let mut wanted = Vec::with_capacity(places.len());
    for (place, data_type) in places.iter().zip(&types) {
        let name = &header[*place];
        let mut column = kind::of(name, data_type, options)?;
        if reader.contract.is_none()
            && guess_of(reader.guesses.as_deref().unwrap_or_default(), name) == Guess::Nothing
        {
            column.kind = Kind::Nothing;
        }
        wanted.push((*place, column));
    }
    let mut has_rows = false;
    while let Some(batches) = opened
        .next(&wanted, &conventions)
        .map_err(|error| failure(file, error))?
    {
        for batch in batches {
            has_rows |= !batch.rows.is_empty() || !batch.torn.is_empty();
            let columns: Vec<&Wanted> = wanted.iter().map(|(_, column)| column).collect();
            if let Some(surprise) = hand_on(batch, &columns, &types, reader)? {
                return Ok(Some(surprise));
            }
        }
    }
    if !has_rows {
        reader.note("has no rows".to_owned());
    }
    Ok(None)
}

fn guess_of(guesses: &[(String, Guess)], name: &str) -> Guess {
    guesses
        .iter()
        .find(|(known, _)| known == name)
        .map_or(Guess::Text, |(_, guess)| *guess)
}

fn read_json_lines(
    file: &DataFile,
    options: &ReaderOptions,
    reader: &mut Reader<'_>,
) -> Result<Option<String>, StepError> {
    let mut conventions = conventions(options)?;
    let columns: Vec<(String, DataType)> = match reader.contract {
        Some(contract) => contract
            .columns
            .iter()
            .map(|(name, column)| (name.clone(), column.data_type.clone()))
            .collect(),
        None => {
            conventions = conventions.for_guessed_types();
            if reader.guesses.is_none() {
                let mut guesser = Guesser::new(&conventions, &[]);
                json_lines(file, options)?
                    .learn(&mut guesser)
                    .map_err(|error| failure(file, error))?;
                reader.guesses = Some(guesser.guesses());
            }
            let guesses = reader.guesses.iter().flatten();
            guesses
                .map(|(name, guess)| (name.clone(), kind::guessed(*guess)))
                .collect()
        }
    };
    let (names, types): (Vec<String>, Vec<DataType>) = columns.into_iter().unzip();
    let mut wanted = Vec::with_capacity(names.len());
    for (name, data_type) in names.iter().zip(&types) {
        wanted.push(kind::of(name, data_type, options)?);
    }
    let mut opened = json_lines(file, options)?;
    let mut seen = vec![false; wanted.len()];
    let mut others = Vec::new();
    let mut has_rows = false;
    while let Some(batches) = opened
        .next(&wanted, &conventions, &mut seen, &mut others)
        .map_err(|error| failure(file, error))?
    {
        if let (None, Some(other)) = (reader.contract, others.first()) {
            return Ok(Some(format!("{} has a key `{other}`", file.shown)));
        }
        for batch in batches {
            has_rows |= !batch.rows.is_empty();
            let columns: Vec<&Wanted> = wanted.iter().collect();
            if let Some(surprise) = hand_on(batch, &columns, &types, reader)? {
                return Ok(Some(surprise));
            }
        }
    }
    if reader.contract.is_some() && has_rows {
        let present: Vec<String> = names
            .iter()
            .zip(&seen)
            .filter(|(_, seen)| **seen)
            .map(|(name, _)| name.clone())
            .chain(others.iter().cloned())
            .collect();
        if let Some((name, _)) = names.iter().zip(&seen).find(|(_, seen)| !**seen) {
            return Err(reader.no_column(name, &present));
        }
        let extra: Vec<&str> = others.iter().map(String::as_str).collect();
        reader.additional(&extra)?;
    }
    Ok(None)
}

/// A batch as a block. Gives back a surprise: a value that is not of its guessed type.
fn hand_on(
    batch: Batch,
    wanted: &[&Wanted],
    types: &[DataType],
    reader: &mut Reader<'_>,
) -> Result<Option<String>, StepError> {
    if reader.contract.is_none()
        && let Some(fault) = batch.faults.first()
    {
        let name = wanted.get(fault.column).map_or("", |column| column.name.as_str());
        return Ok(Some(format!("`{}` in column `{name}`", fault.text)));
    }
    let found: Vec<(usize, Fault)> = batch
        .faults
        .into_iter()
        .map(|fault| {
            let row = batch.rows.get(fault.at).copied().unwrap_or_default();
            let name = wanted.get(fault.column).map_or("", |column| column.name.as_str());
            let data_type = types
                .get(fault.column)
                .map(ToString::to_string)
                .unwrap_or_default();
            let reason = fault.why.reason(&data_type);
            (fault.at, reader.fault(row, name, Some(fault.text), reason))
        })
        .collect();
    let torn: Vec<Fault> = batch
        .torn
        .into_iter()
        .map(|torn| reader.fault(torn.row, "", Some(torn.text), torn.reason))
        .collect();
    let columns: Result<Vec<Column>, _> = batch
        .columns
        .into_iter()
        .zip(wanted)
        .zip(types)
        .map(|((values, column), data_type)| kind::series(&column.name, values, data_type).map(Column::from))
        .collect();
    let frame = columns
        .and_then(|columns| DataFrame::new(batch.rows.len(), columns))
        .map_err(|error| StepError::internal(error.to_string()))?;
    reader.checked(frame, batch.rows, found, torn)?;
    Ok(None)
}

/// Types by the first rows of a file.
fn first_guess(file: &DataFile, options: &ReaderOptions) -> Result<Vec<(String, Guess)>, StepError> {
    let mut opened = delimited(file, options)?;
    let mut guesser = Guesser::new(&conventions(options)?, opened.header());
    learn_block(file, options, &mut opened, &mut guesser)?;
    Ok(guesser.guesses())
}

/// Shows the guesser a block; false if there was none.
fn learn_block(
    file: &DataFile,
    options: &ReaderOptions,
    opened: &mut Delimited,
    guesser: &mut Guesser,
) -> Result<bool, StepError> {
    let plain = conventions(options)?;
    let names = opened.header().to_vec();
    let wanted: Vec<(usize, Wanted)> = names
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let column = Wanted {
                name: name.clone(),
                kind: Kind::Text,
                formats: Vec::new(),
            };
            (place, column)
        })
        .collect();
    let Some(batches) = opened
        .next(&wanted, &plain)
        .map_err(|error| failure(file, error))?
    else {
        return Ok(false);
    };
    for batch in batches {
        for (values, name) in batch.columns.iter().zip(&names) {
            if let Values::Text(texts) = values {
                for text in texts.iter() {
                    guesser.take_by_name(name, text);
                }
            }
        }
    }
    Ok(true)
}

/// Types by all values of all files.
///
/// # Errors
/// As reading them.
pub(super) fn learn(
    files: &[DataFile],
    formats: &[Format],
    options: &ReaderOptions,
) -> Result<Vec<(String, Guess)>, StepError> {
    let mut guesser = Guesser::new(&conventions(options)?, &[]);
    for (file, format) in files.iter().zip(formats) {
        match format {
            Format::Csv => {
                let mut opened = delimited(file, options)?;
                while learn_block(file, options, &mut opened, &mut guesser)? {}
            }
            Format::Ndjson => json_lines(file, options)?
                .learn(&mut guesser)
                .map_err(|error| failure(file, error))?,
            Format::Parquet | Format::Arrow => {}
        }
    }
    Ok(guesser.guesses())
}
