//! Rows of polars become rows for the online store.

use crate::data_type;
use crate::historical::{Unit, instants};
use polars::prelude::{BooleanChunked, DataFrame, DataType as PolarsType, PolarsResult, Series, polars_err};
use std::borrow::Cow;
use trainyard_contract::feature::FeatureView;
use trainyard_contract::{DataType, Timestamp};
use trainyard_features::online::{Column, Kind, RowBatch, Texts, Values, write_json};
use trainyard_features::point_in_time::NO_TIME;

/// What a view's rows are called where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// As in the source.
    Source,
    /// As in the view.
    View,
}

impl Names {
    fn of<'a>(self, view: &'a FeatureView, name: &'a str) -> &'a str {
        match self {
            Self::Source => view.column_of(name),
            Self::View => name,
        }
    }

    /// All columns that are wanted, each once.
    pub(super) fn all(self, view: &FeatureView) -> Vec<String> {
        let keys = view.keys.iter().map(|key| self.of(view, &key.name));
        let times = std::iter::once(&view.event_time).chain(&view.created_time);
        let features = view.features.keys().map(|name| self.of(view, name));
        let mut names: Vec<String> = Vec::new();
        for name in keys.chain(times.map(String::as_str)).chain(features) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

/// Rows for the online store, and how many were left out.
pub(super) struct Converted {
    pub(super) batch: RowBatch,
    /// Rows without an event time.
    pub(super) timeless: u64,
    /// Rows with a later event time than was asked for.
    pub(super) later: u64,
}

/// The rows of a frame up to an event time, with the types of the view.
///
/// # Errors
/// If a column is missing or has a value that is not of the view's type.
pub(super) fn convert(
    view: &FeatureView,
    frame: &DataFrame,
    names: Names,
    (since, until): (Option<Timestamp>, Timestamp),
) -> PolarsResult<Converted> {
    let event_times = |frame: &DataFrame| instants(series(frame, &view.event_time)?, Unit::Microseconds);
    let times = event_times(frame)?;
    let timeless = times.iter().filter(|time| **time == NO_TIME).count() as u64;
    let later = times.iter().filter(|time| **time > until.0).count() as u64;
    let mut taken = Cow::Borrowed(frame);
    let mut times = times;
    if timeless + later > 0 || since.is_some() {
        let keep: Vec<bool> = times
            .iter()
            .map(|time| *time != NO_TIME && *time <= until.0 && since.is_none_or(|since| *time >= since.0))
            .collect();
        let mask: BooleanChunked = keep.into_iter().collect();
        taken = Cow::Owned(frame.filter(&mask)?);
        times = event_times(&taken)?;
    }
    let created_times = match &view.created_time {
        Some(name) => Some(instants(series(&taken, name)?, Unit::Microseconds)?),
        None => None,
    };
    let column = |name: &str, data_type: &DataType| column(series(&taken, names.of(view, name))?, data_type);
    let keys = view.keys.iter().map(|key| column(&key.name, &key.data_type));
    let features = view
        .features
        .iter()
        .map(|(name, feature)| column(name, &feature.data_type));
    Ok(Converted {
        batch: RowBatch {
            keys: keys.collect::<PolarsResult<_>>()?,
            event_times: times,
            created_times,
            features: features.collect::<PolarsResult<_>>()?,
        },
        timeless,
        later,
    })
}

fn series<'a>(frame: &'a DataFrame, name: &str) -> PolarsResult<&'a Series> {
    Ok(frame.column(name)?.as_materialized_series())
}

fn column(given: &Series, wanted: &DataType) -> PolarsResult<Column> {
    let typed = match wanted {
        DataType::Other(_) => given.clone(),
        wanted => given.strict_cast(&data_type::to_polars(wanted))?,
    };
    let present =
        (typed.null_count() > 0).then(|| typed.is_not_null().iter().map(|one| one == Some(true)).collect());
    let physical = typed.to_physical_repr();
    let values = match Kind::of(wanted) {
        Kind::Boolean => Values::Boolean(physical.bool()?.iter().map(|one| one == Some(true)).collect()),
        Kind::Signed => {
            let cast = physical.cast(&PolarsType::Int64)?;
            Values::Signed(copied(cast.i64()?))
        }
        Kind::Unsigned => {
            let cast = physical.cast(&PolarsType::UInt64)?;
            Values::Unsigned(copied(cast.u64()?))
        }
        Kind::Float => {
            let cast = physical.cast(&PolarsType::Float64)?;
            Values::Float(copied(cast.f64()?))
        }
        Kind::Bytes => Values::Bytes(texts(&typed, wanted)?),
    };
    Ok(Column { values, present })
}

/// The values, with whatever is stored for nulls.
fn copied<T: polars::prelude::PolarsNumericType>(
    column: &polars::prelude::ChunkedArray<T>,
) -> Vec<T::Native> {
    let mut values = Vec::with_capacity(column.len());
    for chunk in column.downcast_iter() {
        values.extend_from_slice(chunk.values().as_slice());
    }
    values
}

fn texts(column: &Series, wanted: &DataType) -> PolarsResult<Texts> {
    Ok(match wanted {
        DataType::String => column.str()?.iter().map(|one| one.unwrap_or_default()).collect(),
        DataType::Binary => column
            .binary()?
            .iter()
            .map(|one| one.unwrap_or_default())
            .collect(),
        DataType::List(item) => {
            let lists = column.list()?;
            let mut texts = Texts::with_capacity(lists.len(), lists.len() * 16);
            let mut text = Vec::new();
            for place in 0..lists.len() {
                text.clear();
                if let Some(list) = lists.get_as_series(place) {
                    json_list(&mut text, &self::column(&list, item)?, item);
                }
                texts.push(&text);
            }
            texts
        }
        other => {
            return Err(
                polars_err!(InvalidOperation: "`{}` is {other}, which is not kept online", column.name()),
            );
        }
    })
}

fn json_list(out: &mut Vec<u8>, column: &Column, item: &DataType) {
    out.push(b'[');
    for row in 0..column.len() {
        if row > 0 {
            out.push(b',');
        }
        write_json(out, item, column.get(row).as_ref(), false);
    }
    out.push(b']');
}
