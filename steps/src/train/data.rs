//! The rows of a table in a model's roles.

use super::columns::Roles;
use super::rows::{self, Classes, Labels};
use crate::table::{self, Table};
use polars::prelude::{DataFrame, col};
use std::collections::BTreeMap;
use trainyard_contract::finding::{Finding, Severity};
use trainyard_contract::{StepError, StepIo};
use trainyard_models::frame::MISSING_CODE;
use trainyard_models::{Frame, Task, ValidRows, Values};

/// Rows with a label, ready for an algorithm.
pub(crate) struct Examples {
    pub(crate) frame: Frame,
    pub(crate) target: Vec<f64>,
    pub(crate) task: Task,
    /// How much each row counts, if that was said.
    pub(crate) weights: Option<Vec<f64>>,
    /// Places of the rows in their table.
    pub(crate) rows: Vec<usize>,
    /// Rows left out for want of a label.
    pub(crate) unlabelled: usize,
}

impl Examples {
    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// The rows as those by which a training is watched.
    pub(crate) fn as_valid(&self) -> ValidRows<'_> {
        ValidRows {
            frame: &self.frame,
            target: &self.target,
            weights: self.weights.as_deref(),
        }
    }

    /// These rows with the weights that their table gives them.
    ///
    /// # Errors
    /// `Rejected` for a weight that is missing, negative or infinite.
    pub(crate) fn weighted(mut self, frame: &DataFrame, column: Option<&str>) -> Result<Self, StepError> {
        let Some(name) = column else { return Ok(self) };
        let all = rows::weights(frame, name)?;
        let own: Vec<f64> = self.rows.iter().map(|&row| all[row]).collect();
        if let Some(place) = own
            .iter()
            .position(|weight| !(*weight >= 0.0 && weight.is_finite()))
        {
            let shown = match own[place] {
                missing if missing.is_nan() => "missing".to_owned(),
                weight => weight.to_string(),
            };
            return Err(StepError::rejected(format!(
                "weight `{name}` of row {} is {shown}; it has to be a number of at least 0",
                self.rows[place] + 1
            )));
        }
        self.weights = Some(own);
        Ok(self)
    }

    /// Some of these rows, in the order given.
    ///
    /// # Errors
    /// `Rejected` for a row that does not exist.
    pub(crate) fn take(&self, rows: &[usize]) -> Result<Self, StepError> {
        let pick = |values: &[f64]| rows.iter().map(|&row| values[row]).collect::<Vec<f64>>();
        Ok(Self {
            frame: self.frame.take(rows).map_err(|error| rows::refused(&error))?,
            target: match self.task {
                Task::Cluster => Vec::new(),
                _ => pick(&self.target),
            },
            task: self.task.clone(),
            weights: self.weights.as_deref().map(pick),
            rows: rows.iter().map(|&row| self.rows[row]).collect(),
            unlabelled: 0,
        })
    }

    /// Refuses what cannot be learnt from: a label that is the same in all rows, a feature without
    /// any value.
    ///
    /// # Errors
    /// `Rejected`, naming the column.
    pub(crate) fn can_teach(&self, roles: &Roles) -> Result<(), StepError> {
        if self.frame.rows() == 0 {
            return Err(StepError::rejected("there are no rows to learn from"));
        }
        if self.task == Task::Regression
            && let Some(first) = self.target.first()
            && self.target.len() > 1
            && self.target.iter().all(|value| value == first)
        {
            let label = roles.label.as_deref().unwrap_or_default();
            return Err(StepError::rejected(format!(
                "label `{label}` is {first} in all {} rows",
                table::grouped(self.count() as u64)
            ))
            .help("there is nothing to learn: look at how the label is made"));
        }
        for column in self.frame.columns() {
            let empty = match &column.values {
                Values::Numeric(values) => values.iter().all(|value| value.is_nan()),
                Values::Categorical { codes, .. } => codes.iter().all(|code| *code == MISSING_CODE),
            };
            if empty {
                return Err(StepError::rejected(format!(
                    "feature `{}` has no value in any of the {} training rows",
                    column.name,
                    table::grouped(self.frame.rows() as u64)
                ))
                .help("leave it out of `features`, or find out why it is empty"));
            }
        }
        Ok(())
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

/// The rows of `frame` that have a label, as examples of classes, or of a number if `classes` is
/// `None`; `categorical` columns as categories.
///
/// # Errors
/// `Rejected` for rows that cannot be learnt from, or if there are none.
pub(crate) fn examples(
    frame: &DataFrame,
    roles: &Roles,
    classes: Option<&Classes<'_>>,
    categorical: &[String],
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
    let mut features = rows::features_with(frame, &roles.features, categorical)?;
    if missing > 0 {
        features = features.take(&rows).map_err(|error| rows::refused(&error))?;
    }
    Ok(Examples {
        frame: features,
        target,
        task,
        weights: None,
        rows,
        unlabelled: missing,
    })
}

/// All rows of `frame`, for clusters.
///
/// # Errors
/// `Rejected` for rows that cannot be learnt from.
pub(crate) fn unlabelled(
    frame: &DataFrame,
    roles: &Roles,
    categorical: &[String],
) -> Result<Examples, StepError> {
    Ok(Examples {
        frame: rows::features_with(frame, &roles.features, categorical)?,
        target: Vec::new(),
        task: Task::Cluster,
        weights: None,
        rows: (0..frame.height()).collect(),
        unlabelled: 0,
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
