//! The values of the rows that were found.

use super::rows::ViewRows;
use polars::prelude::{Column, DataFrame, IdxCa, IdxSize, IntoColumn, PolarsResult};
use std::collections::BTreeMap;
use trainyard_contract::StepError;
use trainyard_contract::feature::FeatureView;
use trainyard_features::point_in_time::Found;

/// Bits of an ordinal that number the rows of a piece.
const ROW_BITS: u32 = 36;

/// The place of a row in the order of the view's rows.
pub(super) fn ordinal(piece: usize, row: usize) -> u64 {
    ((piece as u64) << ROW_BITS) | row as u64
}

/// The features of found rows, a row for each of them; missing where nothing was found.
///
/// # Errors
/// What reading gives; `Rejected` if a feature cannot become its type.
pub(super) fn gather(
    found: &[u64],
    rows: &ViewRows,
    view: &FeatureView,
    features: &[String],
) -> Result<DataFrame, StepError> {
    let mut wanted: BTreeMap<usize, Vec<IdxSize>> = BTreeMap::new();
    for row in found.iter().filter(|row| **row < Found::TOO_OLD) {
        let local = IdxSize::try_from(*row & ((1 << ROW_BITS) - 1)).unwrap_or(IdxSize::MAX);
        wanted.entry((*row >> ROW_BITS) as usize).or_default().push(local);
    }
    let mut columns: Vec<String> = Vec::new();
    for feature in features {
        let column = view.column_of(feature);
        if !columns.iter().any(|known| known == column) {
            columns.push(column.to_owned());
        }
    }
    let internal = |error: polars::prelude::PolarsError| StepError::internal(error.to_string());
    // All that was found, piece by piece, and where each piece begins in it.
    let mut all: Option<DataFrame> = None;
    let mut next: BTreeMap<usize, IdxSize> = BTreeMap::new();
    for (piece, local) in wanted {
        let Some(source) = rows.pieces().get(piece) else {
            return Err(StepError::internal(format!("there is no piece {piece}")));
        };
        let part = source
            .read(&columns)?
            .take(&IdxCa::from_vec("rows".into(), local))
            .map_err(internal)?;
        let begins = all.as_ref().map_or(0, DataFrame::height);
        next.insert(piece, IdxSize::try_from(begins).unwrap_or(IdxSize::MAX));
        match &mut all {
            None => all = Some(part),
            Some(all) => {
                all.vstack_mut(&part).map_err(internal)?;
            }
        }
    }
    let found_all = match all {
        None => None,
        Some(mut all) => {
            all.rechunk_mut();
            let places: IdxCa = found
                .iter()
                .map(|row| {
                    let next = next.get_mut(&((*row >> ROW_BITS) as usize))?;
                    (*row < Found::TOO_OLD).then(|| {
                        *next += 1;
                        *next - 1
                    })
                })
                .collect();
            Some(all.take(&places).map_err(internal)?)
        }
    };
    let made: PolarsResult<Vec<Column>> = features
        .iter()
        .map(|name| typed(name, view, rows, found_all.as_ref(), found.len()))
        .collect();
    made.and_then(|columns| DataFrame::new(found.len(), columns))
        .map_err(|error| {
            let message = format!(
                "the view `{}` cannot be read: {}",
                view.name,
                crate::fault::sentence(&error)
            );
            StepError::rejected(message)
        })
}

/// A feature under its name and of its type.
fn typed(
    name: &str,
    view: &FeatureView,
    rows: &ViewRows,
    found: Option<&DataFrame>,
    height: usize,
) -> PolarsResult<Column> {
    let wanted = view
        .features
        .get(name)
        .map(|feature| crate::data_type::to_polars(&feature.data_type));
    let column = view.column_of(name);
    let mut values = match found {
        Some(frame) => frame.column(column)?.clone(),
        None => {
            let data_type = wanted.as_ref().or(rows.schema.get(column));
            let data_type = data_type.cloned().unwrap_or(polars::prelude::DataType::Null);
            polars::prelude::Series::full_null(name.into(), height, &data_type).into_column()
        }
    };
    values.rename(name.into());
    match wanted {
        Some(wanted) if *values.dtype() != wanted => values.strict_cast(&wanted),
        _ => Ok(values),
    }
}
