//! How long one prediction takes.

use crate::error::ModelError;
use crate::features::FeatureKind;
use crate::frame::{Frame, MISSING_CODE, Values};
use crate::model::{Predictor, Value};
use std::time::{Duration, Instant};

/// Quantiles of the time of predicting one row, without network or parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    pub rows: usize,
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
}

/// Predicts the first `rows` rows of `frame` one by one (starting over where it ends), after a
/// tenth as many to warm up.
///
/// # Errors
/// `NoRows`, `MissingColumn`, `ColumnType`.
pub fn measure_latency(model: &dyn Predictor, frame: &Frame, rows: usize) -> Result<Latency, ModelError> {
    if frame.rows() == 0 || rows == 0 {
        return Err(ModelError::NoRows { doing: "time" });
    }
    let warm_up = rows.div_ceil(10);
    let mut times = Vec::with_capacity(rows);
    for at in 0..warm_up + rows {
        let values = row_of(model, frame, at % frame.rows())?;
        let started = Instant::now();
        std::hint::black_box(model.predict_row(std::hint::black_box(&values))?);
        if at >= warm_up {
            times.push(started.elapsed());
        }
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    Ok(Latency {
        rows,
        p50: at(0.5),
        p95: at(0.95),
        p99: at(0.99),
    })
}

/// One row of a frame as a single prediction takes it.
///
/// # Errors
/// `MissingColumn` or `RowOutOfRange`.
pub fn row_of<'a>(model: &dyn Predictor, frame: &'a Frame, row: usize) -> Result<Vec<Value<'a>>, ModelError> {
    if row >= frame.rows() {
        return Err(ModelError::RowOutOfRange {
            row,
            rows: frame.rows(),
        });
    }
    model
        .features()
        .iter()
        .map(|feature| match frame.column(&feature.name) {
            Some(Values::Numeric(values)) => Ok(match (values[row].is_nan(), &feature.kind) {
                (true, FeatureKind::Numeric) => Value::Missing,
                _ => Value::Number(values[row]),
            }),
            Some(Values::Categorical { codes, dictionary }) => Ok(match codes[row] {
                MISSING_CODE => Value::Missing,
                code => dictionary
                    .get(code as usize)
                    .map_or(Value::Missing, |text| Value::Category(text)),
            }),
            None => Err(ModelError::MissingColumn {
                column: feature.name.clone(),
            }),
        })
        .collect()
}
