//! The trials of a search as a table and as records.

use super::plan::Plan;
use super::space::{Axis, Range, Space};
use super::trial::{Outcome, State};
use crate::train::judge::Measure;
use polars::prelude::{Column as Values, DataFrame, NamedFrom, Series};
use serde_json::{Map, Value, json};
use trainyard_contract::StepError;
use trainyard_contract::schema::{Column, DataType, Schema};

/// One trial with all that was tried of it, the last budget last.
pub(super) struct Trial<'o> {
    pub(super) rungs: Vec<&'o Outcome>,
}

impl<'o> Trial<'o> {
    /// The trials in their order.
    pub(super) fn of(outcomes: &'o [Outcome], trials: usize) -> Vec<Self> {
        let mut all: Vec<Self> = (0..trials).map(|_| Self { rungs: Vec::new() }).collect();
        for outcome in outcomes {
            if let Some(trial) = all.get_mut(outcome.job.trial) {
                trial.rungs.push(outcome);
            }
        }
        all.retain(|trial| !trial.rungs.is_empty());
        all
    }

    pub(super) fn last(&self) -> Option<&'o Outcome> {
        self.rungs.last().copied()
    }

    /// How it ended: one that was not given the whole budget was cut off.
    pub(super) fn state(&self) -> State {
        match self.last() {
            Some(last) if last.state == State::Complete && last.job.share < 1.0 => State::Pruned,
            Some(last) => last.state,
            None => State::Failed,
        }
    }

    /// What it had at each step: share of the budget, or rounds, or splits.
    fn steps(&self) -> Vec<(f64, f64)> {
        match self.rungs.as_slice() {
            [only] if only.job.share >= 1.0 => only
                .steps
                .iter()
                .map(|(step, value)| (*step as f64, *value))
                .collect(),
            rungs => rungs
                .iter()
                .filter_map(|rung| Some((rung.job.share, rung.value?)))
                .collect(),
        }
    }

    /// As the metrics keep it. No time is in it: the same search gives the same bytes.
    pub(super) fn record(&self, measure: Measure, space: &Space) -> Value {
        let Some(last) = self.last() else {
            return Value::Null;
        };
        let mut record = json!({
            "number": last.job.trial + 1,
            "state": self.state().name(),
            "algorithm": space.algorithm(&last.job.params).name(),
            "params": last.job.params,
            measure.name(): last.value,
            "budget": last.job.share,
            "steps": self.steps(),
        });
        if let Some(deviation) = last.deviation {
            record["deviation"] = json!(deviation);
        }
        if let Some(rounds) = last.rounds {
            record["rounds"] = json!(rounds);
        }
        if let Some(failure) = &last.failure {
            record["failure"] = json!(failure);
        }
        record
    }
}

/// The column of a dimension.
fn column_of(axis: &Axis) -> String {
    format!("param_{}", axis.name.replace('.', "_"))
}

fn type_of(range: &Range) -> DataType {
    match range {
        Range::Int { .. } => DataType::Int64,
        Range::Float { .. } => DataType::Float64,
        Range::Choice(values) if values.iter().all(Value::is_i64) => DataType::Int64,
        Range::Choice(values) if values.iter().all(Value::is_number) => DataType::Float64,
        Range::Choice(values) if values.iter().all(Value::is_boolean) => DataType::Boolean,
        Range::Choice(_) => DataType::String,
    }
}

/// The columns of the table of trials.
pub(super) fn schema(space: &Space) -> Schema {
    let mut columns = vec![
        Column::new("trial", DataType::Int64, false),
        Column::new("state", DataType::String, false),
        Column::new("algorithm", DataType::String, false),
        Column::new("metric", DataType::String, false),
        Column::new("value", DataType::Float64, true),
        Column::new("deviation", DataType::Float64, true),
        Column::new("budget", DataType::Float64, false),
        Column::new("rounds", DataType::Float64, true),
        Column::new("steps", DataType::String, false),
        Column::new("failure", DataType::String, true),
    ];
    for axis in &space.axes {
        columns.push(Column::new(column_of(axis), type_of(&axis.range), true));
    }
    Schema {
        columns,
        primary_key: vec!["trial".to_owned()],
        ..Schema::default()
    }
}

/// The table of trials.
///
/// # Errors
/// `Internal` if columns do not fit together.
pub(super) fn table(trials: &[Trial<'_>], plan: &Plan, measure: Measure) -> Result<DataFrame, StepError> {
    let last: Vec<&Outcome> = trials.iter().filter_map(Trial::last).collect();
    let texts = |name: &str, of: &dyn Fn(&Trial<'_>) -> Option<String>| {
        let values: Vec<Option<String>> = trials.iter().map(of).collect();
        Values::from(Series::new(name.into(), values))
    };
    let numbers = |name: &str, of: &dyn Fn(&Outcome) -> Option<f64>| {
        let values: Vec<Option<f64>> = last.iter().map(|outcome| of(outcome)).collect();
        Values::from(Series::new(name.into(), values))
    };
    let places: Vec<i64> = last.iter().map(|outcome| outcome.job.trial as i64 + 1).collect();
    let space = plan.space();
    let mut columns = vec![
        Values::from(Series::new("trial".into(), places)),
        texts("state", &|trial| Some(trial.state().name().to_owned())),
        texts("algorithm", &|trial| {
            Some(space.algorithm(&trial.last()?.job.params).name().to_owned())
        }),
        texts("metric", &|_| Some(measure.name().to_owned())),
        numbers("value", &|outcome| outcome.value),
        numbers("deviation", &|outcome| outcome.deviation),
        numbers("budget", &|outcome| Some(outcome.job.share)),
        numbers("rounds", &|outcome| outcome.rounds),
        texts("steps", &|trial| Some(json!(trial.steps()).to_string())),
        texts("failure", &|trial| trial.last()?.failure.clone()),
    ];
    for axis in &space.axes {
        let of = |outcome: &&Outcome| outcome.job.params.get(&axis.name).cloned();
        let values: Vec<Option<Value>> = last.iter().map(of).collect();
        columns.push(Values::from(parameter(&column_of(axis), &axis.range, &values)));
    }
    DataFrame::new(last.len(), columns).map_err(|error| StepError::internal(crate::fault::sentence(&error)))
}

fn parameter(name: &str, range: &Range, values: &[Option<Value>]) -> Series {
    let all = || values.iter().map(Option::as_ref);
    match type_of(range) {
        DataType::Int64 => {
            let values: Vec<Option<i64>> = all().map(|value| value.and_then(Value::as_i64)).collect();
            Series::new(name.into(), values)
        }
        DataType::Float64 => {
            let values: Vec<Option<f64>> = all().map(|value| value.and_then(Value::as_f64)).collect();
            Series::new(name.into(), values)
        }
        DataType::Boolean => {
            let values: Vec<Option<bool>> = all().map(|value| value.and_then(Value::as_bool)).collect();
            Series::new(name.into(), values)
        }
        _ => {
            let values: Vec<Option<String>> = all().map(|value| value.map(shown)).collect();
            Series::new(name.into(), values)
        }
    }
}

/// A value as a person writes it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or_default();
            match number.abs() {
                small if small > 0.0 && small < 1e-3 => format!("{number:.3e}"),
                _ => format!("{number:.4}"),
            }
        }
        other => other.to_string(),
    }
}

/// How long each trial took, the parts of all its budgets together.
pub(super) fn timings(trials: &[Trial<'_>]) -> Result<(DataFrame, Schema), StepError> {
    let places: Vec<i64> = trials
        .iter()
        .filter_map(|trial| Some(trial.last()?.job.trial as i64 + 1))
        .collect();
    let seconds: Vec<f64> = trials
        .iter()
        .map(|trial| trial.rungs.iter().map(|rung| rung.seconds).sum())
        .collect();
    let frame = DataFrame::new(
        places.len(),
        vec![
            Values::from(Series::new("trial".into(), places)),
            Values::from(Series::new("seconds".into(), seconds)),
        ],
    )
    .map_err(|error| StepError::internal(crate::fault::sentence(&error)))?;
    Ok((frame, timings_schema()))
}

pub(super) fn timings_schema() -> Schema {
    let mut seconds = Column::new("seconds", DataType::Float64, false);
    seconds.unit = Some("second".to_owned());
    Schema {
        columns: vec![Column::new("trial", DataType::Int64, false), seconds],
        primary_key: vec!["trial".to_owned()],
        ..Schema::default()
    }
}

/// The fixed parameters and those of a trial, for reading.
pub(super) fn described(params: &Map<String, Value>) -> String {
    let each: Vec<String> = params
        .iter()
        .map(|(name, value)| format!("{name} {}", shown(value)))
        .collect();
    each.join(", ")
}
