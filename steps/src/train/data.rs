//! The rows of a table in a model's roles.

use super::columns::Roles;
use super::rows::{self, Classes, Labels};
use crate::table::{self, Table};
use polars::prelude::{DataFrame, col};
use std::collections::BTreeMap;
use trainyard_contract::finding::{Finding, Severity};
use trainyard_contract::{StepError, StepIo};
use trainyard_models::{Frame, Task, ValidRows};

/// Rows with a label, ready for an algorithm.
pub(crate) struct Examples {
    pub(crate) frame: Frame,
    pub(crate) target: Vec<f64>,
    pub(crate) task: Task,
    /// Places of the rows in their table.
    pub(crate) rows: Vec<usize>,
    /// Rows left out for want of a label.
    pub(crate) unlabelled: usize,
}

impl Examples {
    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        self.target.len()
    }

    /// The rows as those by which a training is watched.
    pub(crate) fn as_valid(&self) -> ValidRows<'_> {
        ValidRows {
            frame: &self.frame,
            target: &self.target,
            weights: None,
        }
    }

    /// Share of positive rows, for two classes.
    pub(crate) fn positive_share(&self) -> f64 {
        self.target.iter().sum::<f64>() / self.target.len().max(1) as f64
    }
}

/// Reads the columns of a table input that have a role; `further` columns come along if they exist.
///
/// # Errors
/// Whatever reading gives.
pub(crate) fn read(
    io: &mut StepIo,
    table: &Table,
    roles: &Roles,
    further: &[String],
) -> Result<DataFrame, StepError> {
    for note in &table.notes {
        io.log(note.clone());
    }
    let mut wanted: Vec<&str> = roles
        .features
        .iter()
        .chain(&roles.label)
        .map(String::as_str)
        .collect();
    wanted.extend(further.iter().map(String::as_str));
    wanted.retain(|name| table.schema.column(name).is_some());
    wanted.sort_unstable();
    wanted.dedup();
    let columns: Vec<_> = wanted.into_iter().map(col).collect();
    let frame = table::collect("read the rows", table.frame.clone().select(columns))?;
    io.rows_in(frame.height() as u64);
    Ok(frame)
}

/// The rows of `frame` that have a label, as examples of two classes, or of a number if `classes`
/// is `None`.
///
/// # Errors
/// `Rejected` for rows that cannot be learnt from, or if there are none.
pub(crate) fn examples(
    frame: &DataFrame,
    roles: &Roles,
    classes: Option<&Classes<'_>>,
) -> Result<Examples, StepError> {
    let Some(label) = &roles.label else {
        return Err(StepError::rejected(
            "nothing says which column is to be predicted",
        ));
    };
    let Labels {
        task,
        target,
        rows,
        missing,
    } = match classes {
        Some(classes) => rows::classes(frame, label, classes)?,
        None => rows::numeric_label(frame, label)?,
    };
    let mut features = rows::features(frame, &roles.features)?;
    if missing > 0 {
        features = features.take(&rows).map_err(|error| rows::refused(&error))?;
    }
    Ok(Examples {
        frame: features,
        target,
        task,
        rows,
        unlabelled: missing,
    })
}

/// Types of the features, as text.
pub(crate) fn data_types(table: &Table, roles: &Roles) -> BTreeMap<String, String> {
    roles
        .features
        .iter()
        .filter_map(|name| Some((name.clone(), table.schema.column(name)?.data_type.to_string())))
        .collect()
}

/// Stops at what makes the work impossible (D); what is doubtful (M) has been said before the run
/// and is only logged here.
///
/// # Errors
/// `Rejected` with the first such finding.
pub(crate) fn heed(io: &mut StepIo, findings: Vec<Finding>) -> Result<(), StepError> {
    for finding in findings {
        let line = format!("{}: {}", finding.code, finding.message);
        if finding.code.starts_with('D') && finding.severity == Severity::Error {
            let error = StepError::rejected(line);
            return Err(match finding.help {
                Some(help) => error.help(help),
                None => error,
            });
        }
        io.log(format!("warning {line}"));
    }
    Ok(())
}

/// Threads the step may use.
pub(crate) fn threads(io: &StepIo) -> usize {
    match io.spec().limits.cpu {
        Some(cores) if cores > 0 => cores as usize,
        _ => std::thread::available_parallelism().map_or(1, usize::from),
    }
}
