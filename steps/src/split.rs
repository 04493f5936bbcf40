//! `split.time@v1`, `split.random@v1`, `split.group@v1`: rows for training, validation and test.
//!
//! The outputs' rows keep the input's order. Each output is marked with the split it came from, so
//! that later steps can tell training rows from test rows.

mod group;
mod random;
mod time;

pub(crate) use group::SplitGroup;
pub(crate) use random::SplitRandom;
pub(crate) use time::SplitTime;

use crate::inference;
use crate::table::{self, Table};
use polars::prelude::{DataFrame, IdxCa, IdxSize};
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::step::{InputPort, Ports};
use trainyard_contract::task::{ColumnEdge, Way};
use trainyard_contract::{ArtifactKind, InferRequest, Inference, Schema, Shape, StepError, StepIo};

/// The parts rows can go to, by output name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Train,
    Valid,
    Test,
}

const PARTS: [Part; 3] = [Part::Train, Part::Valid, Part::Test];

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

fn inputs() -> Ports {
    Ports::Named(vec![InputPort::required(
        "table",
        ArtifactKind::Table,
        "the rows to split",
    )])
}

fn outputs() -> Ports {
    Ports::Named(vec![
        InputPort::required("train", ArtifactKind::Table, "rows to train on"),
        InputPort::optional("valid", ArtifactKind::Table, "rows to choose by"),
        InputPort::optional("test", ArtifactKind::Table, "rows to judge by, once"),
    ])
}

/// The share of rows for each part: what is said, else what is left, spread over what is not said.
///
/// # Errors
/// A sentence: shares that are no shares.
fn shares(train: Option<f64>, valid: Option<f64>, test: Option<f64>) -> Result<[f64; 3], String> {
    let given = [train, valid, test];
    if given.iter().flatten().any(|share| !(0.0..=1.0).contains(share)) {
        return Err("a share is between 0 and 1".to_owned());
    }
    let said: f64 = given.iter().flatten().sum();
    if said > 1.0 + 1e-9 {
        return Err(format!("the shares add up to {said}, more than 1"));
    }
    let shares = match given {
        [None, None, None] => [0.7, 0.15, 0.15],
        [None, valid, test] => [1.0 - said, valid.unwrap_or(0.0), test.unwrap_or(0.0)],
        [Some(train), None, None] => [train, 0.0, 1.0 - said],
        [Some(train), Some(valid), None] => [train, valid, 1.0 - said],
        [Some(train), None, Some(test)] => [train, 1.0 - said, test],
        [Some(train), Some(valid), Some(test)] => {
            if (said - 1.0).abs() > 1e-9 {
                return Err(format!("the shares add up to {said}, not to 1"));
            }
            [train, valid, test]
        }
    };
    if shares[0] <= 0.0 {
        return Err("no rows are left to train on".to_owned());
    }
    Ok(shares)
}

/// The answer for the outputs, with a finding for each column fitted over rows that are now
/// split (M03), and for outputs that would have no rows.
fn inferred(request: &InferRequest<'_>, schema: Option<&Schema>, findings: Vec<Finding>) -> Inference {
    let mut answer = inference::unknown_tables(request);
    answer.findings = findings;
    let Some(schema) = schema else { return answer };
    for column in &schema.columns {
        let Some(fitted) = &column.fitted else { continue };
        let message = format!(
            "column `{}` was fitted on all rows before they are split, so test rows had a say in training",
            column.name
        );
        answer.findings.push(
            Finding::warning("M03", Path::root().key("inputs").key("table"), message)
                .note(format!(
                    "step `{}` fitted it at `{}`: {}",
                    fitted.step, fitted.path, fitted.what
                ))
                .help("fit it on training rows: the train steps impute, scale and encode by themselves"),
        );
    }
    for output in request.outputs.keys() {
        answer
            .outputs
            .insert(output.clone(), Shape::Table(marked(schema, request.step, output)));
        answer.lineage.extend(copied(schema, output));
    }
    answer
}

fn marked(schema: &Schema, step: &str, output: &str) -> Schema {
    Schema {
        split: Some((step.to_owned(), output.to_owned())),
        ..schema.clone()
    }
}

fn copied(schema: &Schema, output: &str) -> Vec<ColumnEdge> {
    schema
        .names()
        .map(|column| ColumnEdge {
            output: output.to_owned(),
            column: column.to_owned(),
            input: "table".to_owned(),
            from: column.to_owned(),
            derived: true,
            ways: [Way::Identity].into(),
        })
        .collect()
}

/// The input's rows.
fn open(io: &mut StepIo) -> Result<(Table, DataFrame), StepError> {
    let table = table::open(io, "table")?;
    for note in &table.notes {
        io.log(note.clone());
    }
    let frame = table::collect("read the rows", table.frame.clone())?;
    io.rows_in(frame.height() as u64);
    Ok((table, frame))
}

/// Writes the parts. `parts` says for each row where it goes; `None` is left out.
///
/// # Errors
/// `Rejected` if a part that the pipeline wants has no rows.
fn write(
    io: &mut StepIo,
    schema: &Schema,
    frame: &DataFrame,
    parts: &[Option<Part>],
) -> Result<(), StepError> {
    let mut headline = Vec::new();
    for part in PARTS {
        let rows: Vec<IdxSize> = parts
            .iter()
            .enumerate()
            .filter(|(_, to)| **to == Some(part))
            .filter_map(|(row, _)| IdxSize::try_from(row).ok())
            .collect();
        if !io.wants(part.name()) {
            if !rows.is_empty() {
                io.log(format!(
                    "{} rows of `{}` are not used",
                    table::grouped(rows.len() as u64),
                    part.name()
                ));
            }
            continue;
        }
        if rows.is_empty() {
            return Err(StepError::rejected(format!("no row goes to `{}`", part.name()))
                .help("change the shares or bounds, or leave the output out"));
        }
        headline.push(format!("{} {}", part.name(), table::grouped(rows.len() as u64)));
        let mut taken = frame
            .take(&IdxCa::from_vec("rows".into(), rows))
            .map_err(|error| StepError::internal(error.to_string()))?;
        let schema = marked(schema, &io.spec().step.clone(), part.name());
        io.lineage(copied(&schema, part.name()));
        table::write(io, part.name(), &mut taken, schema)?;
    }
    let left_out = parts.iter().filter(|part| part.is_none()).count();
    if left_out > 0 {
        headline.push(format!("left out {}", table::grouped(left_out as u64)));
    }
    io.headline(headline.join(", "));
    Ok(())
}

/// A column of the input for a parameter, or a finding.
fn column<'a>(schema: &'a Schema, name: &str, path: Path) -> Result<&'a trainyard_contract::Column, Finding> {
    schema
        .column(name)
        .ok_or_else(|| crate::fault::no_column(name, path, schema.names()).at_word(name))
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
