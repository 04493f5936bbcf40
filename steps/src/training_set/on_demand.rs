//! Features that are computed from others and from the entity rows, by the program that computes them for requests.

use crate::historical::Joined;
use polars::prelude::{
    Column, DataFrame, DataType as PolarsType, IntoColumn, NamedFrom, PolarsResult, Series, polars_bail,
};
use std::borrow::Cow;
use trainyard_contract::{DataType, StepError};
use trainyard_features::expression::{self, Texts, Values};
use trainyard_features::on_demand::OnDemandProgram;

/// An on-demand view and where its inputs are found.
#[derive(Debug)]
pub(crate) struct Derived {
    pub(super) program: OnDemandProgram,
    /// Places of the inputs' views among those looked up.
    pub(super) views: Vec<usize>,
}

/// The features of an on-demand view over entity rows, in the view's order.
///
/// # Errors
/// `Rejected` if a value cannot be computed, or the entity rows' values do not fit the view's fields.
pub(super) fn compute(
    derived: &Derived,
    entities: &DataFrame,
    looked_up: &[Joined],
) -> Result<Vec<Column>, StepError> {
    let program = &derived.program;
    let wrong = |error: polars::prelude::PolarsError| {
        StepError::rejected(format!(
            "`{}` cannot be computed: {}",
            program.view,
            crate::fault::sentence(&error)
        ))
    };
    let rows = entities.height();
    let mut columns: Vec<expression::Column<'static>> = Vec::new();
    for field in &program.request {
        let given = entities.column(&field.name).map_err(wrong)?;
        columns.push(to_expression(given, &field.data_type).map_err(wrong)?);
    }
    for (input, view) in program.inputs.iter().zip(&derived.views) {
        let joined = looked_up
            .get(*view)
            .ok_or_else(|| StepError::internal(format!("there is no view {view}")))?;
        let stored = joined.features.column(&input.feature).map_err(wrong)?;
        columns.push(to_expression(stored, &input.data_type).map_err(wrong)?);
    }
    let mut made = Vec::with_capacity(program.features.len());
    for feature in &program.features {
        let values = feature
            .expression
            .evaluate(&columns, rows)
            .map_err(|error| StepError::rejected(format!("`{}:{}`: {error}", program.view, feature.name)))?;
        let column = of_expression(&feature.name, values, &feature.data_type).map_err(wrong)?;
        columns.push(to_expression(&column, &feature.data_type).map_err(wrong)?);
        made.push(column);
    }
    Ok(made)
}

fn to_expression(column: &Column, data_type: &DataType) -> PolarsResult<expression::Column<'static>> {
    let wanted = crate::data_type::to_polars(data_type);
    let series = column.as_materialized_series();
    let series = if *series.dtype() == wanted {
        series.clone()
    } else {
        series.strict_cast(&wanted)?
    };
    let values = match &wanted {
        PolarsType::Boolean => Values::Boolean(
            series
                .bool()?
                .iter()
                .map(|value| value.unwrap_or_default())
                .collect(),
        ),
        PolarsType::Float32 | PolarsType::Float64 => {
            let floats = series.cast(&PolarsType::Float64)?;
            let values = floats.f64()?.iter().map(|value| value.unwrap_or_default());
            Values::Float(values.collect())
        }
        PolarsType::String => {
            let texts = series.str()?.iter();
            let texts = texts.map(|text| Cow::Owned(text.unwrap_or_default().to_owned()));
            Values::Text(Texts::Owned(texts.collect()))
        }
        PolarsType::UInt64 => {
            let values = series.u64()?.iter();
            Values::Int(
                values
                    .map(|value| value.unwrap_or_default().cast_signed())
                    .collect(),
            )
        }
        PolarsType::List(_) | PolarsType::Binary | PolarsType::Struct(_) => {
            polars_bail!(InvalidOperation: "`{}` is {data_type}, which expressions do not take", column.name())
        }
        _ => {
            let physical = series.to_physical_repr().cast(&PolarsType::Int64)?;
            let values = physical.i64()?.iter().map(|value| value.unwrap_or_default());
            Values::Int(values.collect())
        }
    };
    let present =
        (series.null_count() > 0).then(|| series.is_not_null().iter().map(|is| is == Some(true)).collect());
    Ok(expression::Column { values, present })
}

fn of_expression(name: &str, column: expression::Column<'_>, data_type: &DataType) -> PolarsResult<Column> {
    let wanted = crate::data_type::to_polars(data_type);
    let present = |row: usize| column.present.as_ref().is_none_or(|present| present[row]);
    let name = name.into();
    let series = match &column.values {
        Values::Boolean(values) => {
            let values = values.iter().enumerate();
            let values: Vec<Option<bool>> = values
                .map(|(row, value)| present(row).then_some(*value))
                .collect();
            Series::new(name, values)
        }
        Values::Int(values) if wanted == PolarsType::UInt64 => {
            let values = values.iter().enumerate();
            let values: Vec<Option<u64>> = values
                .map(|(row, value)| present(row).then_some(value.cast_unsigned()))
                .collect();
            Series::new(name, values)
        }
        Values::Int(values) => {
            let values = values.iter().enumerate();
            let values: Vec<Option<i64>> = values
                .map(|(row, value)| present(row).then_some(*value))
                .collect();
            Series::new(name, values)
        }
        Values::Float(values) => {
            let values = values.iter().enumerate();
            let values: Vec<Option<f64>> = values
                .map(|(row, value)| present(row).then_some(*value))
                .collect();
            Series::new(name, values)
        }
        Values::Text(texts) => {
            let values = texts.iter().enumerate();
            let values: Vec<Option<&str>> = values
                .map(|(row, value)| present(row).then_some(value.as_ref()))
                .collect();
            Series::new(name, values)
        }
    };
    let series = match &wanted {
        // Days are kept in 32 bits.
        PolarsType::Date => series.cast(&PolarsType::Int32)?.cast(&wanted)?,
        _ if *series.dtype() == wanted => series,
        _ => series.cast(&wanted)?,
    };
    Ok(series.into_column())
}
