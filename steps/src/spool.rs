//! A dataset on its way into a file of the scratch folder, so that its size does not matter.

use crate::dataset::{self, Access, Block, Fault, Intake};
use crate::sink::Sink;
use crate::table::{self, Table};
use std::path::PathBuf;
use trainyard_contract::task::{DatasetRef, TaskInput};
use trainyard_contract::{StepError, StepIo};

/// Faults of a dataset.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) all: Noted,
    /// Those of values that could not even be read as their type; what breaks another rule of the contract is found again
    /// where that rule is held.
    pub(crate) unreadable: Noted,
}

/// A number of faults, and the first of them.
#[derive(Default)]
pub(crate) struct Noted {
    pub(crate) count: u64,
    pub(crate) first: Vec<Fault>,
}

impl Noted {
    fn note(&mut self, fault: Fault, kept: usize) {
        self.count += 1;
        if self.first.len() < kept {
            self.first.push(fault);
        }
    }
}

/// Opens a table input as it is: of a dataset that does not keep its contract values that cannot be read are null, and
/// all rows are there. The first `kept` faults are named.
///
/// # Errors
/// As [`table::open`], but for the contract.
pub(crate) fn open_as_is(io: &StepIo, input: &str, kept: usize) -> Result<(Table, Faults), StepError> {
    match io.input(input) {
        Some(TaskInput::Dataset(dataset)) => spooled(io, dataset, kept),
        _ => Ok((table::open(io, input)?, Faults::default())),
    }
}

fn spooled(io: &StepIo, dataset: &DatasetRef, kept: usize) -> Result<(Table, Faults), StepError> {
    let contract = dataset
        .contract
        .as_ref()
        .and_then(|name| io.spec().contracts.get(name));
    let path = io.scratch().join(format!("{}.parquet", dataset.name));
    let mut spool = Spool {
        sink: Sink::new(path.clone()),
        path,
        kept,
        faults: Faults::default(),
    };
    let summary = dataset::stream(dataset, contract, Access::of(io), &mut spool)?;
    let Some((path, rows)) = spool.sink.finish()? else {
        return Err(StepError::rejected(format!(
            "dataset `{}` has no rows",
            dataset.name
        )));
    };
    let table = Table {
        frame: table::scan(&path)
            .map_err(|error| StepError::io(format!("could not read {}", path.display()), &error))?,
        rows: usize::try_from(rows).ok(),
        schema: summary.schema,
        notes: summary.notes,
    };
    Ok((table, spool.faults))
}

/// Takes the rows of a dataset into a file.
struct Spool {
    path: PathBuf,
    sink: Sink,
    kept: usize,
    faults: Faults,
}

impl Intake for Spool {
    fn take(&mut self, block: Block) -> Result<(), StepError> {
        for fault in block.faults {
            if fault.column.is_empty() || fault.reason.starts_with("is not of type") {
                self.faults.unreadable.note(fault.clone(), self.kept);
            }
            self.faults.all.note(fault, self.kept);
        }
        self.sink.push(block.frame)
    }

    fn restart(&mut self) -> Result<(), StepError> {
        self.sink = Sink::new(self.path.clone());
        self.faults = Faults::default();
        Ok(())
    }
}
