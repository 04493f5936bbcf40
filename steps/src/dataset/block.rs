//! Rows on their way from files to where they are wanted, with what is wrong with them.

use super::coerce::coerced;
use super::location::DataFile;
use crate::data_type;
use crate::fault;
use crate::rule;
use polars::prelude::{BooleanChunked, Column, DataFrame, NewChunkedArray};
use std::sync::Arc;
use trainyard_contract::data_contract::ColumnContract;
use trainyard_contract::finding::nearest;
use trainyard_contract::{DataContract, Schema, StepError};
use trainyard_records::Guess;

/// One value that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// As the dataset's location names it, relative to the project where it was relative.
    pub(crate) file: Arc<str>,
    /// Data rows count from 1; a header does not count.
    pub(crate) row: u64,
    /// Empty if the row as a whole is wrong.
    pub(crate) column: String,
    pub(crate) value: Option<String>,
    /// The end of a sentence that begins with the value.
    pub(crate) reason: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} row {}", self.file, self.row)?;
        if !self.column.is_empty() {
            write!(f, " column `{}`", self.column)?;
        }
        match &self.value {
            Some(value) if value.chars().count() > 60 => {
                let start: String = value.chars().take(60).collect();
                write!(f, ": `{start}…` {}", self.reason)
            }
            Some(value) => write!(f, ": `{value}` {}", self.reason),
            None => write!(f, ": {}", self.reason),
        }
    }
}

/// Faults as a table: file, row, column, value and reason, one line a fault.
///
/// # Errors
/// `Internal` if polars cannot put it together.
pub(crate) fn quarantine_frame(faults: &[Fault]) -> Result<DataFrame, StepError> {
    let text = |name: &str, value: fn(&Fault) -> Option<&str>| {
        Column::new(name.into(), faults.iter().map(value).collect::<Vec<_>>())
    };
    let rows: Vec<u64> = faults.iter().map(|fault| fault.row).collect();
    let columns = vec![
        text("file", |fault| Some(&fault.file)),
        Column::new("row".into(), rows),
        text("column", |fault| {
            Some(fault.column.as_str()).filter(|name| !name.is_empty())
        }),
        text("value", |fault| fault.value.as_deref()),
        text("reason", |fault| Some(&fault.reason)),
    ];
    DataFrame::new(faults.len(), columns).map_err(|error| StepError::internal(error.to_string()))
}

/// Some rows of a file.
pub(crate) struct Block {
    pub(crate) file: Arc<str>,
    /// Values that could not be read are null.
    pub(crate) frame: DataFrame,
    /// Numbers of the rows in the file.
    pub(crate) rows: Vec<u64>,
    /// In the order of rows.
    pub(crate) faults: Vec<Fault>,
    /// Rows of `frame` with a fault, ascending.
    pub(crate) faulty: Vec<usize>,
    /// Rows that could not even be taken apart and so are not in `frame`.
    pub(crate) unreadable: usize,
}

impl Block {
    /// The rows without a fault, and their numbers.
    ///
    /// # Errors
    /// `Internal` if polars cannot filter.
    pub(crate) fn good_rows(&self) -> Result<DataFrame, StepError> {
        without(&self.frame, &self.faulty)
    }
}

/// Takes blocks as they are read.
pub(crate) trait Intake {
    /// Whether a file is to be read.
    ///
    /// # Errors
    /// What keeps it from being said.
    fn wants(&mut self, _file: &DataFile) -> Result<bool, StepError> {
        Ok(true)
    }

    /// Another block.
    ///
    /// # Errors
    /// What ends the reading.
    fn take(&mut self, block: Block) -> Result<(), StepError>;

    /// All blocks come again, with other types.
    ///
    /// # Errors
    /// What ends the reading.
    fn restart(&mut self) -> Result<(), StepError>;
}

/// A dataset as read.
pub(crate) struct Reading {
    /// All rows; values that could not be read are null.
    pub(crate) frame: DataFrame,
    pub(crate) schema: Schema,
    pub(crate) faults: Vec<Fault>,
    /// Rows of `frame` with a fault, ascending.
    pub(crate) faulty: Vec<usize>,
    /// Rows that could not even be taken apart and so are not in `frame`.
    pub(crate) unreadable: usize,
    /// For the log.
    pub(crate) notes: Vec<String>,
}

/// The sentence about bad rows, with the first three faults.
pub(crate) fn bad_rows(bad: u64, rows: u64, faults: &[Fault], all: u64) -> StepError {
    let examples: Vec<String> = faults.iter().take(3).map(Fault::to_string).collect();
    let more = if all > 3 {
        format!("; and {} more", all - 3)
    } else {
        String::new()
    };
    StepError::gate(format!(
        "{bad} of {rows} rows are bad: {}{more}",
        examples.join("; ")
    ))
}

impl Reading {
    /// Refuses a reading in which any row is faulty.
    ///
    /// # Errors
    /// `GateFailed`, with the first three faults.
    pub(crate) fn refuse_faults(&self) -> Result<(), StepError> {
        let bad = self.faulty.len() + self.unreadable;
        if bad == 0 {
            return Ok(());
        }
        let rows = self.frame.height() + self.unreadable;
        Err(bad_rows(
            bad as u64,
            rows as u64,
            &self.faults,
            self.faults.len() as u64,
        ))
    }
}

/// A frame without some of its rows.
fn without(frame: &DataFrame, rows: &[usize]) -> Result<DataFrame, StepError> {
    if rows.is_empty() {
        return Ok(frame.clone());
    }
    let mut keep = vec![true; frame.height()];
    for row in rows {
        if let Some(keep) = keep.get_mut(*row) {
            *keep = false;
        }
    }
    frame
        .filter(&BooleanChunked::from_slice("keep".into(), &keep))
        .map_err(|error| StepError::internal(error.to_string()))
}

/// All blocks in one frame.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) frame: DataFrame,
    pub(crate) faults: Vec<Fault>,
    pub(crate) faulty: Vec<usize>,
    pub(crate) unreadable: usize,
}

impl Intake for Gathered {
    fn take(&mut self, block: Block) -> Result<(), StepError> {
        let before = self.frame.height();
        if self.frame.width() == 0 {
            self.frame = block.frame;
        } else {
            self.frame
                .vstack_mut_owned(block.frame)
                .map_err(|error| StepError::internal(error.to_string()))?;
        }
        self.faulty.extend(block.faulty.iter().map(|row| before + row));
        self.faults.extend(block.faults);
        self.unreadable += block.unreadable;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), StepError> {
        *self = Self::default();
        Ok(())
    }
}

/// Holds rows against the contract, or against the files before, and hands them on.
pub(super) struct Reader<'a> {
    pub(super) contract: Option<&'a DataContract>,
    /// Types guessed, for texts without a contract.
    pub(super) guesses: Option<Vec<(String, Guess)>>,
    intake: &'a mut dyn Intake,
    file: Arc<str>,
    /// Columns of the first block.
    columns: Option<polars::prelude::Schema>,
    rows: u64,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(contract: Option<&'a DataContract>, intake: &'a mut dyn Intake) -> Self {
        Self {
            contract,
            guesses: None,
            intake,
            file: Arc::from(""),
            columns: None,
            rows: 0,
            notes: Vec::new(),
        }
    }

    /// Rows read, columns and notes.
    pub(super) fn end(self) -> (u64, polars::prelude::Schema, Vec<String>) {
        (self.rows, self.columns.unwrap_or_default(), self.notes)
    }

    /// Another file begins.
    pub(super) fn start(&mut self, file: &str) {
        self.file = Arc::from(file);
    }

    /// Everything from the start, with types now known.
    pub(super) fn restart(&mut self, guesses: Vec<(String, Guess)>) -> Result<(), StepError> {
        self.guesses = Some(guesses);
        self.columns = None;
        self.rows = 0;
        self.notes.clear();
        self.intake.restart()
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(format!("{}: {note}", self.file));
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
                return Err(self.no_column(name, header));
            };
            wanted.push(at);
        }
        let extra: Vec<&str> = header
            .iter()
            .map(String::as_str)
            .filter(|name| !contract.columns.contains_key(*name))
            .collect();
        self.additional(&extra)?;
        Ok(wanted)
    }

    pub(super) fn no_column(&self, name: &str, header: &[String]) -> StepError {
        let contract = self.contract.map_or("", |contract| contract.name.as_str());
        let error = StepError::rejected(format!(
            "{} has no column `{name}`, which contract `{contract}` lists",
            self.file
        ));
        match nearest(name, header.iter().map(String::as_str)) {
            Some(near) => error.help(format!("the file has a column `{near}`")),
            None => error.help(format!(
                "the file has {}",
                fault::list(&header.iter().map(String::as_str).collect::<Vec<_>>())
            )),
        }
    }

    /// Columns that the contract does not list.
    ///
    /// # Errors
    /// `Rejected` if it forbids them.
    pub(super) fn additional(&mut self, extra: &[&str]) -> Result<(), StepError> {
        let Some(contract) = self.contract.filter(|_| !extra.is_empty()) else {
            return Ok(());
        };
        if !contract.additional_columns {
            return Err(StepError::rejected(format!(
                "{} has {}, which contract `{}` does not list",
                self.file,
                fault::list(extra),
                contract.name
            )));
        }
        self.note(format!(
            "dropped {}, not in contract `{}`",
            fault::list(extra),
            contract.name
        ));
        Ok(())
    }

    /// A fault of the file at hand.
    pub(super) fn fault(&self, row: u64, column: &str, value: Option<String>, reason: String) -> Fault {
        Fault {
            file: Arc::clone(&self.file),
            row,
            column: column.to_owned(),
            value,
            reason,
        }
    }

    /// Takes rows whose columns have their files' own types; `rows` are their numbers.
    ///
    /// # Errors
    /// `Rejected` if a column can never have the contract's type, or differs from earlier files'.
    pub(super) fn typed(&mut self, raw: DataFrame, rows: Vec<u64>) -> Result<(), StepError> {
        let Some(contract) = self.contract else {
            return self.checked(raw, rows, Vec::new(), Vec::new());
        };
        let mut columns: Vec<Column> = Vec::with_capacity(contract.columns.len());
        let mut found: Vec<(usize, Fault)> = Vec::new();
        for (name, wanted) in &contract.columns {
            let column = raw
                .column(name)
                .map_err(|error| StepError::internal(error.to_string()))?;
            let original = column.as_materialized_series();
            let dtype = data_type::to_polars(&wanted.data_type);
            let read = coerced(original, &dtype).map_err(|error| {
                StepError::rejected(format!(
                    "{}: column `{name}` holds {} and cannot become {}: {}",
                    self.file,
                    data_type::from_polars(original.dtype()),
                    wanted.data_type,
                    fault::sentence(&error)
                ))
            })?;
            if read.values.null_count() != original.null_count() {
                let unreadable = &read.values.is_null() & &original.is_not_null();
                for (at, is_unreadable) in unreadable.iter().enumerate() {
                    if is_unreadable == Some(true) {
                        let reason = read.reason(at, &wanted.data_type.to_string());
                        let row = rows.get(at).copied().unwrap_or_default();
                        found.push((at, self.fault(row, name, rule::shown(original, at), reason)));
                    }
                }
            }
            columns.push(read.values.into());
        }
        let frame =
            DataFrame::new(raw.height(), columns).map_err(|error| StepError::internal(error.to_string()))?;
        self.checked(frame, rows, found, Vec::new())
    }

    /// Takes rows of the contract's types with the values that could not be read (by place in the
    /// frame), and rows that could not be taken apart.
    ///
    /// # Errors
    /// `Rejected` if the columns differ from earlier files', or a pattern is none.
    pub(super) fn checked(
        &mut self,
        frame: DataFrame,
        rows: Vec<u64>,
        mut found: Vec<(usize, Fault)>,
        torn: Vec<Fault>,
    ) -> Result<(), StepError> {
        if let Some(contract) = self.contract {
            for (name, wanted) in &contract.columns {
                self.rules(&frame, &rows, name, wanted, &mut found)?;
            }
        }
        let frame = self.like_the_first(frame)?;
        let mut faulty: Vec<usize> = found.iter().map(|(at, _)| *at).collect();
        faulty.sort_unstable();
        faulty.dedup();
        found.sort_by_key(|(at, _)| *at);
        self.rows += rows.len() as u64 + torn.len() as u64;
        let unreadable = torn.len();
        let mut faults: Vec<Fault> = found.into_iter().map(|(_, fault)| fault).collect();
        faults.extend(torn);
        faults.sort_by_key(|fault| fault.row);
        self.intake.take(Block {
            file: Arc::clone(&self.file),
            frame,
            rows,
            faults,
            faulty,
            unreadable,
        })
    }

    fn rules(
        &self,
        frame: &DataFrame,
        rows: &[u64],
        name: &str,
        wanted: &ColumnContract,
        found: &mut Vec<(usize, Fault)>,
    ) -> Result<(), StepError> {
        let column = frame
            .column(name)
            .map_err(|error| StepError::internal(error.to_string()))?;
        let breaches = rule::breaches(column, wanted).map_err(|error| {
            let contract = self.contract.map_or("", |contract| contract.name.as_str());
            StepError::rejected(format!("contract `{contract}`, column `{name}`: {error}"))
        })?;
        if breaches.is_empty() {
            return Ok(());
        }
        // A value that could not be read is missing now, but that is not what is wrong with it.
        let unread: Vec<usize> = found
            .iter()
            .filter(|(_, fault)| fault.column == name)
            .map(|(at, _)| *at)
            .collect();
        let series = column.as_materialized_series();
        for breach in breaches {
            for (at, is_broken) in breach.rows.iter().enumerate() {
                if is_broken == Some(true) && unread.binary_search(&at).is_err() {
                    let row = rows.get(at).copied().unwrap_or_default();
                    let fault = self.fault(row, name, rule::shown(series, at), breach.reason.clone());
                    found.push((at, fault));
                }
            }
        }
        Ok(())
    }

    /// Files of a dataset must agree on their columns.
    fn like_the_first(&mut self, frame: DataFrame) -> Result<DataFrame, StepError> {
        let Some(first) = &self.columns else {
            self.columns = Some((**frame.schema()).clone());
            return Ok(frame);
        };
        if first == &**frame.schema() {
            return Ok(frame);
        }
        let file = &self.file;
        for name in first.iter_names() {
            if frame.column(name).is_err() {
                return Err(StepError::rejected(format!(
                    "{file} has no column `{name}`, which the files before it have"
                )));
            }
        }
        for column in frame.columns() {
            let Some(dtype) = first.get(column.name()) else {
                return Err(StepError::rejected(format!(
                    "{file} has a column `{}`, which the files before it have not",
                    column.name()
                )));
            };
            if dtype != column.dtype() {
                return Err(StepError::rejected(format!(
                    "{file} does not go together with the files before it: column `{}` holds {} where they have {}",
                    column.name(),
                    data_type::from_polars(column.dtype()),
                    data_type::from_polars(dtype)
                ))
                .help("say what it should be in a contract"));
            }
        }
        frame
            .select(first.iter_names().cloned())
            .map_err(|error| StepError::internal(error.to_string()))
    }
}
