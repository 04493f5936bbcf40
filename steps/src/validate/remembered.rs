//! How compared columns were distributed in the last good data: what the step remembers from run to run.

use super::checks::Check;
use super::demand::Demand;
use crate::fault;
use crate::sql::Expression;
use crate::table::{self, collect};
use polars::prelude::{
    Column as Values, DataFrame, DataType as PolarsType, NamedFrom, PolarsError, PolarsResult, Series,
};
use std::collections::BTreeMap;
use trainyard_contract::{ArtifactRef, Column, DataType, Schema, StepError, StepIo};

/// In place of an input's name: the same column in the last run without an error.
pub(super) const PREVIOUS: &str = "previous";
/// The output that takes what is remembered.
pub(super) const OUTPUT: &str = "distributions";
/// Values kept of a column; of a longer one evenly spaced order statistics, or shares of its texts.
const KEPT_AT_MOST: usize = 100_000;

/// What is compared: input, column and `where`.
type Subject = (String, String, Option<String>);

/// What was remembered of a column.
pub(super) struct Earlier {
    pub(super) values: Series,
    /// Rows it had; more than `values` if they were thinned out.
    pub(super) rows: u64,
}

/// Columns by what is compared.
#[derive(Default)]
pub(super) struct Remembered(BTreeMap<Subject, Earlier>);

/// The columns of the table: a line a value of a compared column.
pub(super) fn schema() -> Schema {
    let column = |name: &str, data_type, nullable| Column::new(name, data_type, nullable);
    Schema {
        columns: vec![
            column("dataset", DataType::String, false),
            column("column", DataType::String, false),
            column("where", DataType::String, true),
            column("number", DataType::Float64, true),
            column("text", DataType::String, true),
            column("rows", DataType::UInt64, false),
            column("of_rows", DataType::UInt64, false),
        ],
        ..Schema::default()
    }
}

/// What a check compares with the last good data, if it does.
pub(super) fn subject(check: &Check) -> Option<Subject> {
    match &check.rule {
        Some(Demand::Distribution(likeness)) if likeness.reference == PREVIOUS => {
            let condition = check.condition.as_ref().map(|Expression(text)| text.clone());
            Some((check.dataset.clone()?, check.column.clone()?, condition))
        }
        _ => None,
    }
}

impl Remembered {
    /// What the step gave when it last succeeded; nothing on its first run.
    ///
    /// # Errors
    /// `ArtifactDamaged` or `IoError`.
    pub(super) fn of(io: &StepIo) -> Result<Self, StepError> {
        let Some(artifact) = io.previous(OUTPUT) else {
            return Ok(Self::default());
        };
        let frame = collect(
            "read what was remembered",
            table::open_artifact(io, artifact)?.frame,
        )?;
        read(&frame).map_err(damaged)
    }

    pub(super) fn get(&self, check: &Check) -> Option<&Earlier> {
        self.0.get(&subject(check)?)
    }

    /// Notes how a column is distributed now.
    ///
    /// # Errors
    /// Where polars cannot cast.
    pub(super) fn note(&mut self, check: &Check, values: &Series) -> PolarsResult<()> {
        if let Some(subject) = subject(check) {
            let earlier = Earlier {
                values: thinned(values)?,
                rows: values.len() as u64,
            };
            self.0.insert(subject, earlier);
        }
        Ok(())
    }

    /// Keeps it as the step's output.
    ///
    /// # Errors
    /// `IoError`.
    pub(super) fn write(&self, io: &mut StepIo) -> Result<ArtifactRef, StepError> {
        let mut frame = self
            .lines()
            .map_err(|error| StepError::internal(fault::sentence(&error)))?;
        table::write(io, OUTPUT, &mut frame, schema())
    }

    fn lines(&self) -> PolarsResult<DataFrame> {
        let mut lines: Vec<Line<'_>> = Vec::new();
        for (subject, earlier) in &self.0 {
            let begun = lines.len();
            let mut add = |number: Option<f64>, text: Option<&str>| {
                // Equal values stand beside each other, since they are sorted.
                let same = lines.len() > begun
                    && lines
                        .last()
                        .is_some_and(|line| line.number == number && line.text.as_deref() == text);
                match lines.last_mut() {
                    Some(line) if same => line.rows += 1,
                    _ => lines.push(Line {
                        subject,
                        of_rows: earlier.rows,
                        rows: 1,
                        number,
                        text: text.map(str::to_owned),
                    }),
                }
            };
            if earlier.values.dtype().is_primitive_numeric() {
                earlier.values.f64()?.iter().for_each(|number| add(number, None));
            } else {
                earlier.values.str()?.iter().for_each(|text| add(None, text));
            }
        }
        let texts = |name: &str, text: fn(&Line<'_>) -> Option<String>| {
            Values::new(name.into(), lines.iter().map(text).collect::<Vec<_>>())
        };
        let counts = |name: &str, count: fn(&Line<'_>) -> u64| {
            Values::new(name.into(), lines.iter().map(count).collect::<Vec<_>>())
        };
        let numbers: Vec<Option<f64>> = lines.iter().map(|line| line.number).collect();
        let columns = vec![
            texts("dataset", |line| Some(line.subject.0.clone())),
            texts("column", |line| Some(line.subject.1.clone())),
            texts("where", |line| line.subject.2.clone()),
            Values::new("number".into(), numbers),
            texts("text", |line| line.text.clone()),
            counts("rows", |line| line.rows),
            counts("of_rows", |line| line.of_rows),
        ];
        DataFrame::new(lines.len(), columns)
    }
}

/// A value of a compared column, and how often it stands there.
struct Line<'a> {
    subject: &'a Subject,
    number: Option<f64>,
    text: Option<String>,
    rows: u64,
    of_rows: u64,
}

fn damaged(error: PolarsError) -> StepError {
    StepError::internal(format!(
        "what was remembered cannot be read: {}",
        fault::sentence(&error)
    ))
}

fn read(frame: &DataFrame) -> PolarsResult<Remembered> {
    #[derive(Default)]
    struct Gathered {
        numbers: Vec<Option<f64>>,
        texts: Vec<Option<String>>,
        of_rows: u64,
    }
    let texts = |name: &str| frame.column(name)?.str();
    let counts = |name: &str| frame.column(name)?.u64();
    let (datasets, columns, conditions) = (texts("dataset")?, texts("column")?, texts("where")?);
    let (values, words) = (frame.column("number")?.f64()?, texts("text")?);
    let (rows, of_rows) = (counts("rows")?, counts("of_rows")?);
    let mut by_subject: BTreeMap<Subject, Gathered> = BTreeMap::new();
    for at in 0..frame.height() {
        let subject = (
            datasets.get(at).unwrap_or_default().to_owned(),
            columns.get(at).unwrap_or_default().to_owned(),
            conditions.get(at).map(str::to_owned),
        );
        let gathered = by_subject.entry(subject).or_default();
        gathered.of_rows = of_rows.get(at).unwrap_or_default();
        // Values are few enough even if the file says otherwise.
        for _ in 0..rows.get(at).unwrap_or_default().min(KEPT_AT_MOST as u64) {
            gathered.numbers.push(values.get(at));
            gathered.texts.push(words.get(at).map(str::to_owned));
        }
    }
    let remembered = by_subject.into_iter().map(|(subject, gathered)| {
        let name = subject.1.as_str().into();
        let values = if gathered.texts.iter().any(Option::is_some) {
            Series::new(name, gathered.texts)
        } else {
            Series::new(name, gathered.numbers)
        };
        let earlier = Earlier {
            values,
            rows: gathered.of_rows,
        };
        (subject, earlier)
    });
    Ok(Remembered(remembered.collect()))
}

/// The values in order, at most so many that they can be kept.
fn thinned(values: &Series) -> PolarsResult<Series> {
    let name = values.name().clone();
    if !values.dtype().is_primitive_numeric() {
        let texts = values.cast(&PolarsType::String)?;
        let mut sorted: Vec<Option<&str>> = texts.str()?.iter().collect();
        sorted.sort_unstable();
        return Ok(Series::new(name, spaced(&sorted)));
    }
    let numbers = values.cast(&PolarsType::Float64)?;
    let mut sorted: Vec<Option<f64>> = numbers
        .f64()?
        .iter()
        .map(|number| number.filter(|number| number.is_finite()))
        .collect();
    sorted.sort_unstable_by(|a, b| match (a, b) {
        (Some(a), Some(b)) => a.total_cmp(b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    Ok(Series::new(name, spaced(&sorted)))
}

/// Evenly spaced values of a sorted column; all of them if they are few.
fn spaced<V: Copy>(sorted: &[V]) -> Vec<V> {
    let kept = sorted.len().min(KEPT_AT_MOST);
    let spread = sorted.len() as f64 / kept.max(1) as f64;
    (0..kept)
        .filter_map(|nth| sorted.get(((nth as f64 + 0.5) * spread) as usize).copied())
        .collect()
}
