//! `impute`, `encode`, `scale`: statistics fitted over all rows. Later splits are told, since their
//! test rows have then had a say in training rows.

use super::build::Build;
use super::{Encoding, Imputation, Params, Scaling};
use crate::fault;
use crate::inference::with;
use crate::table;
use polars::prelude::{DataFrame, DataType as PolarsType, Expr, IntoLazy, col, len, lit, when};
use trainyard_contract::finding::{Finding, Path};
use trainyard_contract::{DataType, FitNote, StepError};

/// Checks the parameters and notes on the columns that they are fitted.
pub(super) fn declare(build: &mut Build<'_>) {
    let params = build.params;
    for column in params.impute.keys() {
        declare_one(build, "impute", column, "imputation");
        if let Some(fact) = build.flow.facts.columns.get_mut(column) {
            fact.column.nullable = false;
            fact.column.data_type = DataType::Float64;
        }
    }
    for column in params.encode.keys() {
        declare_one(build, "encode", column, "encoding");
        if params.label.is_none() && params.encode.get(column) == Some(&Encoding::Target) {
            let finding = Finding::error("D01", with("encode").key(column), "target encoding needs a label");
            build
                .findings
                .push(finding.help("declare `label`, or use `frequency`"));
        }
        if let Some(fact) = build.flow.facts.columns.get_mut(column) {
            fact.column.data_type = DataType::Float64;
            fact.column.unit = None;
            fact.column.nullable = false;
        }
    }
    for column in params.scale.keys() {
        declare_one(build, "scale", column, "scaling");
        if let Some(fact) = build.flow.facts.columns.get_mut(column) {
            fact.column.data_type = DataType::Float64;
            fact.column.unit = None;
        }
    }
}

fn declare_one(build: &mut Build<'_>, parameter: &str, column: &str, what: &str) {
    let path = with(parameter).key(column);
    if !build.features.contains(column) {
        let names: Vec<&str> = build.features.iter().map(String::as_str).collect();
        let finding = fault::no_column(column, path, names);
        build.findings.push(Finding {
            message: format!("`{column}` is not a feature here"),
            ..finding
        });
        return;
    }
    let Some(fact) = build.flow.facts.columns.get_mut(column) else {
        return;
    };
    if parameter != "encode" && !fact.column.data_type.is_numeric() {
        let message = format!(
            "{what} needs numbers, `{column}` is of type {}",
            fact.column.data_type
        );
        build
            .findings
            .push(Finding::error("D01/wrong-column-type", path, message));
        return;
    }
    fact.column.fitted = Some(FitNote {
        step: build.step.to_owned(),
        path,
        what: format!("{what} of `{column}`"),
    });
}

/// Notes on a computed column that it takes in other rows than its own.
pub(super) fn declare_aggregate(build: &mut Build<'_>, name: &str, path: &Path) {
    let note = FitNote {
        step: build.step.to_owned(),
        path: path.clone(),
        what: format!("`{name}`, which takes in all rows"),
    };
    if let Some(fact) = build.flow.facts.columns.get_mut(name)
        && fact.takes_in_rows
        && fact.column.fitted.is_none()
    {
        fact.column.fitted = Some(note);
    }
}

/// Fits on all rows and applies.
///
/// # Errors
/// `Rejected` with polars' words.
pub(super) fn fit(params: &Params, frame: DataFrame) -> Result<DataFrame, StepError> {
    if params.impute.is_empty() && params.encode.is_empty() && params.scale.is_empty() {
        return Ok(frame);
    }
    let number = |name: &str| col(name).cast(PolarsType::Float64);
    let imputed = params.impute.iter().map(|(name, how)| {
        let stand_in = match how {
            Imputation::Mean => number(name).mean(),
            Imputation::Median => number(name).median(),
        };
        number(name).fill_null(stand_in).alias(name.as_str())
    });
    let encoded = params.encode.iter().map(|(name, how)| {
        let share: Expr = match how {
            Encoding::Target => {
                let label = params.label.as_ref().map_or("", |label| label.name.as_str());
                number(label).mean()
            }
            Encoding::Frequency => len().cast(PolarsType::Float64) / lit(frame.height().max(1) as f64),
        };
        share
            .over([col(name.as_str())])
            .map(|share| share.alias(name.as_str()))
    });
    let encoded = encoded
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StepError::internal(error.to_string()))?;
    let scaled = params.scale.iter().map(|(name, how)| {
        let (zero, spread) = match how {
            Scaling::Standard => (number(name).mean(), number(name).std(1)),
            Scaling::MinMax => (number(name).min(), number(name).max() - number(name).min()),
        };
        // A constant column has no spread and becomes 0.
        when(spread.clone().gt(lit(0.0)))
            .then((number(name) - zero.clone()) / spread)
            .otherwise(number(name) - zero)
            .alias(name.as_str())
    });
    let plan = frame
        .clone()
        .lazy()
        .with_columns(imputed.collect::<Vec<_>>())
        .with_columns(encoded)
        .with_columns(scaled.collect::<Vec<_>>());
    table::collect("fit", plan)
}
