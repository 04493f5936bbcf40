//! Rows set aside, with their reasons.

use crate::dataset::{Fault, quarantine_frame};
use crate::sink::{Sink, each_group};
use std::path::{Path, PathBuf};
use trainyard_contract::StepError;

/// Faults held before they are written.
const HELD: usize = 1 << 13;

/// The faults of one input, on disk but for the last ones.
pub(crate) struct Quarantine {
    path: PathBuf,
    sink: Sink,
    held: Vec<Fault>,
    /// The first faults, for the error.
    first: Vec<Fault>,
    all: u64,
}

impl Quarantine {
    pub(crate) fn new(scratch: &Path, input: usize) -> Self {
        let path = scratch.join(format!("quarantine-{input}.parquet"));
        Self {
            sink: Sink::new(path.clone()),
            path,
            held: Vec::new(),
            first: Vec::new(),
            all: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.sink = Sink::new(self.path.clone());
        self.held.clear();
        self.first.clear();
        self.all = 0;
    }

    pub(crate) fn extend(&mut self, faults: Vec<Fault>) -> Result<(), StepError> {
        self.all += faults.len() as u64;
        let room = 3usize.saturating_sub(self.first.len());
        self.first.extend(faults.iter().take(room).cloned());
        self.held.extend(faults);
        if self.held.len() >= HELD {
            self.sink
                .push(quarantine_frame(&std::mem::take(&mut self.held))?)?;
        }
        Ok(())
    }

    /// The first three faults, and how many there are.
    pub(crate) fn examples(&self) -> (&[Fault], u64) {
        (&self.first, self.all)
    }

    /// Adds all faults to the table of all inputs' faults.
    pub(crate) fn move_into(mut self, table: &mut Sink) -> Result<(), StepError> {
        if !self.held.is_empty() {
            self.sink.push(quarantine_frame(&self.held)?)?;
        }
        match self.sink.finish()? {
            Some((path, rows)) => each_group(&path, rows, |frame| table.push(frame)),
            None => Ok(()),
        }
    }
}
