//! From what files hold to the columns a contract wants, with every value that does not fit noted.

use super::Fault;
use crate::data_type;
use crate::fault;
use crate::rule;
use jiff::civil;
use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, Float64Chunked, Int64Chunked, IntoSeries, PolarsError,
    PolarsResult, Series, TimeUnit,
};
use trainyard_contract::finding::nearest;
use trainyard_contract::{DataContract, StepError};

/// The rows of a dataset as they come in, file by file and block by block.
pub(super) struct Gathering<'a> {
    contract: Option<&'a DataContract>,
    file: String,
    frame: Option<DataFrame>,
    faults: Vec<Fault>,
    faulty: Vec<usize>,
    unreadable: usize,
    notes: Vec<String>,
}

/// All rows of a dataset.
pub(super) struct Gathered {
    pub(super) frame: DataFrame,
    pub(super) faults: Vec<Fault>,
    pub(super) faulty: Vec<usize>,
    pub(super) unreadable: usize,
    pub(super) notes: Vec<String>,
}

impl<'a> Gathering<'a> {
    pub(super) fn new(contract: Option<&'a DataContract>) -> Self {
        Self {
            contract,
            file: String::new(),
            frame: None,
            faults: Vec::new(),
            faulty: Vec::new(),
            unreadable: 0,
            notes: Vec::new(),
        }
    }

    /// Another file begins.
    pub(super) fn start(&mut self, file: &str) {
        file.clone_into(&mut self.file);
    }

    /// Which of a file's columns to read, by place: the contract's in its order, or all.
    ///
    /// # Errors
    /// `Rejected` if the contract wants a column that the file has not, or forbids one it has.
    pub(super) fn choose(&mut self, header: &[String]) -> Result<Vec<usize>, StepError> {
        let Some(contract) = self.contract else {
            return Ok((0..header.len()).collect());
        };
        let mut wanted = Vec::with_capacity(contract.columns.len());
        for name in contract.columns.keys() {
            let Some(at) = header.iter().position(|column| column == name) else {
                let error = StepError::rejected(format!(
                    "{} has no column `{name}`, which contract `{}` lists",
                    self.file, contract.name
                ));
                return Err(match nearest(name, header.iter().map(String::as_str)) {
                    Some(near) => error.help(format!("the file has a column `{near}`")),
                    None => error.help(format!(
                        "the file has {}",
                        fault::list(&header.iter().map(String::as_str).collect::<Vec<_>>())
                    )),
                });
            };
            wanted.push(at);
        }
        let extra: Vec<&str> = header
            .iter()
            .map(String::as_str)
            .filter(|name| !contract.columns.contains_key(*name))
            .collect();
        if !extra.is_empty() {
            if !contract.additional_columns {
                return Err(StepError::rejected(format!(
                    "{} has {}, which contract `{}` does not list",
                    self.file,
                    fault::list(&extra),
                    contract.name
                )));
            }
            self.notes.push(format!(
                "{}: dropped {}, not in contract `{}`",
                self.file,
                fault::list(&extra),
                contract.name
            ));
        }
        Ok(wanted)
    }

    /// A row that could not be taken apart.
    pub(super) fn unreadable_row(&mut self, row: u64, text: String, reason: String) {
        self.unreadable += 1;
        self.faults.push(Fault {
            file: self.file.clone(),
            row,
            column: String::new(),
            value: Some(text),
            reason,
        });
    }

    /// Takes a block of rows; `rows` are their numbers in the file.
    ///
    /// # Errors
    /// `Rejected` if a column can never have the contract's type, or differs from earlier files'.
    pub(super) fn block(&mut self, raw: DataFrame, rows: &[u64]) -> Result<(), StepError> {
        let typed = match self.contract {
            None => raw,
            Some(contract) => self.by_contract(&raw, contract, rows)?,
        };
        match &mut self.frame {
            None => self.frame = Some(typed),
            Some(frame) => {
                let typed = same_columns(frame, typed, &self.file)?;
                frame.vstack_mut_owned(typed).map_err(|error| {
                    StepError::rejected(format!(
                        "{} does not go together with the files before it: {}",
                        self.file,
                        fault::sentence(&error)
                    ))
                })?;
            }
        }
        Ok(())
    }

    fn by_contract(
        &mut self,
        raw: &DataFrame,
        contract: &DataContract,
        rows: &[u64],
    ) -> Result<DataFrame, StepError> {
        let before = self.frame.as_ref().map_or(0, DataFrame::height);
        let mut columns: Vec<Column> = Vec::with_capacity(contract.columns.len());
        let mut bad: Vec<bool> = Vec::new();
        let mut found: Vec<(usize, Fault)> = Vec::new();
        for (name, wanted) in &contract.columns {
            let column = raw
                .column(name)
                .map_err(|error| StepError::internal(error.to_string()))?;
            let original = column.as_materialized_series();
            let dtype = data_type::to_polars(&wanted.data_type);
            let series = coerced(original, &dtype).map_err(|error| {
                StepError::rejected(format!(
                    "{}: column `{name}` holds {} and cannot become {}: {}",
                    self.file,
                    data_type::from_polars(original.dtype()),
                    wanted.data_type,
                    fault::sentence(&error)
                ))
            })?;
            let mut mark = |mask: &BooleanChunked, reason: &str, values: &Series| {
                bad.resize(raw.height(), false);
                for (at, broken) in mask.iter().enumerate() {
                    if broken == Some(true) {
                        bad[at] = true;
                        found.push((
                            at,
                            Fault {
                                file: self.file.clone(),
                                row: rows.get(at).copied().unwrap_or_default(),
                                column: name.clone(),
                                value: rule::shown(values, at),
                                reason: reason.to_owned(),
                            },
                        ));
                    }
                }
            };
            let lost = series.null_count() != original.null_count();
            let typed: Column = series.into();
            if lost {
                let unreadable = &typed.is_null() & &original.is_not_null();
                mark(
                    &unreadable,
                    &format!("is not of type {}", wanted.data_type),
                    original,
                );
            }
            let broken = rule::breaches(&typed, wanted).map_err(|error| {
                StepError::rejected(format!("contract `{}`, column `{name}`: {error}", contract.name))
            })?;
            for breach in broken {
                // A value that could not be read is missing now, but that is not what is wrong with it.
                let rows = if lost && breach.rule == "nullable" {
                    original.is_null()
                } else {
                    breach.rows
                };
                mark(&rows, &breach.reason, original);
            }
            columns.push(typed);
        }
        if !found.is_empty() {
            self.faulty.extend(
                bad.iter()
                    .enumerate()
                    .filter(|(_, bad)| **bad)
                    .map(|(at, _)| before + at),
            );
            found.sort_by_key(|(at, _)| *at);
            self.faults.extend(found.into_iter().map(|(_, fault)| fault));
        }
        DataFrame::new(raw.height(), columns).map_err(|error| StepError::internal(error.to_string()))
    }

    /// All rows; without a contract, columns of text take the narrowest type all their values have.
    ///
    /// # Errors
    /// `Internal` if polars cannot put the columns together.
    pub(super) fn finish(self) -> Result<Gathered, StepError> {
        let mut frame = self.frame.unwrap_or_default();
        if self.contract.is_none() {
            let columns = frame
                .columns()
                .iter()
                .map(guessed)
                .collect::<PolarsResult<Vec<_>>>();
            frame = columns
                .and_then(|columns| DataFrame::new(frame.height(), columns))
                .map_err(|error| StepError::internal(error.to_string()))?;
        }
        Ok(Gathered {
            frame,
            faults: self.faults,
            faulty: self.faulty,
            unreadable: self.unreadable,
            notes: self.notes,
        })
    }
}

/// Files of a dataset without a contract must agree on their columns.
fn same_columns(first: &DataFrame, next: DataFrame, file: &str) -> Result<DataFrame, StepError> {
    let names: Vec<&str> = first
        .columns()
        .iter()
        .map(|column| column.name().as_str())
        .collect();
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| next.column(name).is_err())
        .collect();
    let extra: Vec<&str> = next
        .columns()
        .iter()
        .map(|column| column.name().as_str())
        .filter(|name| !names.contains(name))
        .collect();
    if let Some(name) = missing.first() {
        return Err(StepError::rejected(format!(
            "{file} has no column `{name}`, which the files before it have"
        )));
    }
    if let Some(name) = extra.first() {
        return Err(StepError::rejected(format!(
            "{file} has a column `{name}`, which the files before it have not"
        )));
    }
    next.select(names)
        .map_err(|error| StepError::internal(error.to_string()))
}

/// The column as the type wanted; what does not fit is null.
fn coerced(original: &Series, wanted: &DataType) -> PolarsResult<Series> {
    match (original.dtype(), wanted) {
        (have, want) if have == want => Ok(original.clone()),
        (_, DataType::Null) => Ok(original.clone()),
        (DataType::String, want) => text_to(original, want),
        (DataType::Float32 | DataType::Float64, want) if want.is_integer() => {
            let numbers = original.cast(&DataType::Float64)?;
            whole_only(&numbers)?.cast(want)
        }
        (DataType::Datetime(unit, None), DataType::Datetime(_, Some(_))) => {
            // A clock reading without a zone is taken as one in the contract's zone.
            let text = original.datetime()?.to_string("%Y-%m-%dT%H:%M:%S%.9f")?;
            let _ = unit;
            text_to(&text.into_series(), wanted)
        }
        (DataType::Datetime(_, Some(_)), DataType::Datetime(_, None)) => Err(PolarsError::InvalidOperation(
            "its times have a zone, the contract's have none".into(),
        )),
        (_, want) => original.cast(want),
    }
}

/// Numbers without those that have a fraction.
fn whole_only(numbers: &Series) -> PolarsResult<Series> {
    let whole: Float64Chunked = numbers
        .f64()?
        .iter()
        .map(|value| value.filter(|value| value.fract() == 0.0))
        .collect();
    Ok(whole.with_name(numbers.name().clone()).into_series())
}

/// Texts as values of a type; what cannot be read is null. ISO 8601 for times; a number with a
/// fraction of zero is whole.
fn text_to(texts: &Series, wanted: &DataType) -> PolarsResult<Series> {
    let values = texts.str()?;
    let name = texts.name().clone();
    match wanted {
        DataType::String => Ok(texts.clone()),
        DataType::Binary => texts.cast(&DataType::Binary),
        DataType::Boolean => Ok(values
            .iter()
            .map(|value| value.and_then(truth))
            .collect::<BooleanChunked>()
            .with_name(name)
            .into_series()),
        want if want.is_integer() => {
            let numbers = texts.cast(want)?;
            if numbers.null_count() == texts.null_count() {
                return Ok(numbers);
            }
            let whole = texts.cast(&DataType::Float64)?;
            let whole = whole_only(&whole)?.cast(want)?;
            let read = numbers.is_not_null();
            numbers.zip_with(&read, &whole)
        }
        want if want.is_float() => texts.cast(want),
        DataType::Date => {
            let days = each(values.iter(), |text| {
                let date: civil::Date = text.parse().ok()?;
                Some(i64::from(date.since(civil::date(1970, 1, 1)).ok()?.get_days()))
            });
            days.with_name(name)
                .into_series()
                .cast(&DataType::Int32)?
                .cast(&DataType::Date)
        }
        DataType::Time => {
            let midnight = civil::time(0, 0, 0, 0);
            let nanoseconds = each(values.iter(), |text| {
                let time: civil::Time = text.parse().ok()?;
                i64::try_from(time.duration_since(midnight).as_nanos()).ok()
            });
            nanoseconds.with_name(name).into_series().cast(&DataType::Time)
        }
        DataType::Datetime(unit, zone) => {
            let per_second: i128 = match unit {
                TimeUnit::Milliseconds => 1_000,
                TimeUnit::Microseconds => 1_000_000,
                TimeUnit::Nanoseconds => 1_000_000_000,
            };
            let zone = match zone {
                None => None,
                Some(zone) => Some(
                    jiff::tz::TimeZone::get(zone.as_str())
                        .map_err(|error| PolarsError::ComputeError(error.to_string().into()))?,
                ),
            };
            let stamps = each(values.iter(), |text| {
                let nanoseconds = instant(text, zone.as_ref())?;
                i64::try_from(nanoseconds.div_euclid(1_000_000_000 / per_second)).ok()
            });
            stamps.with_name(name).into_series().cast(wanted)
        }
        DataType::Duration(_) => texts.cast(&DataType::Int64)?.cast(wanted),
        other => Err(PolarsError::InvalidOperation(
            format!("text cannot be read as {other}").into(),
        )),
    }
}

/// Applies a reading to each text, once for equal neighbours: times repeat.
fn each<'a>(
    texts: impl Iterator<Item = Option<&'a str>>,
    read: impl Fn(&str) -> Option<i64>,
) -> Int64Chunked {
    let mut last: Option<(&str, Option<i64>)> = None;
    texts
        .map(|text| {
            let text = text?.trim();
            match last {
                Some((previous, value)) if previous == text => value,
                _ => {
                    let value = read(text);
                    last = Some((text, value));
                    value
                }
            }
        })
        .collect()
}

/// Nanoseconds since 1970 of an ISO 8601 text. With a zone wanted, a text without an offset is a
/// clock reading in that zone; without one, a text with an offset is no value.
fn instant(text: &str, zone: Option<&jiff::tz::TimeZone>) -> Option<i128> {
    let Some(zone) = zone else {
        if text.parse::<jiff::Timestamp>().is_ok() {
            return None;
        }
        let clock: civil::DateTime = text.parse().ok()?;
        return clock
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp().as_nanosecond());
    };
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_nanosecond());
    }
    let clock: civil::DateTime = text.parse().ok()?;
    clock
        .to_zoned(zone.clone())
        .ok()
        .map(|zoned| zoned.timestamp().as_nanosecond())
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "1" => Some(true),
        "false" | "f" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// A column of text as the narrowest of whole number, number, truth value, date, instant and text
/// that all its values have.
fn guessed(column: &Column) -> PolarsResult<Column> {
    let series = column.as_materialized_series();
    if series.dtype() != &DataType::String || series.null_count() == series.len() {
        return Ok(column.clone());
    }
    // `00501` is a code, not a number.
    let coded = series.str()?.iter().flatten().any(|text| {
        let digits = text.trim_start_matches('-');
        digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let mut candidates = vec![DataType::Int64, DataType::Float64];
    if coded {
        candidates.clear();
    }
    let worded = series
        .str()?
        .iter()
        .flatten()
        .all(|text| matches!(text, "true" | "false" | "True" | "False"));
    if worded {
        candidates.push(DataType::Boolean);
    }
    candidates.push(DataType::Datetime(
        TimeUnit::Microseconds,
        Some(polars::prelude::TimeZone::UTC),
    ));
    let dated = series.str()?.iter().flatten().all(|text| text.trim().len() <= 10);
    if dated {
        candidates.insert(candidates.len() - 1, DataType::Date);
    }
    for candidate in candidates {
        let typed = match candidate {
            DataType::Int64 => series.cast(&DataType::Int64)?,
            ref other => text_to(series, other)?,
        };
        if typed.null_count() == series.null_count() {
            return Ok(typed.into());
        }
    }
    Ok(column.clone())
}
